//! Takes files apart into keys and certificates.

use super::certificates::{certificate, signed_data};
use super::file::{File, Form};
use super::pem::Section;
use super::private_key::PrivateKey;
#[cfg(feature = "pkcs12")]
use super::protected::Opener;
use super::{DEPTH, KeyStoreError, MAX_ENTRIES};
use crate::certificate::Certificate;
use crate::cms::ber::{Cursor, Element};

/// The keys and certificates of files, not yet put together.
#[derive(Default)]
pub(super) struct Found {
    pub(super) keys: Vec<Item<PrivateKey>>,
    pub(super) certificates: Vec<Item<Certificate>>,
}

/// A key or a certificate, and what a PKCS #12 file says about it.
pub(super) struct Item<T> {
    pub(super) alias: Option<String>,
    /// localKeyID: what a key and its certificate have in common.
    pub(super) id: Option<Vec<u8>>,
    pub(super) value: T,
}

impl<T> From<T> for Item<T> {
    fn from(value: T) -> Self {
        Self { alias: None, id: None, value }
    }
}

impl Found {
    pub(super) fn key(&mut self, key: Item<PrivateKey>) -> Result<(), KeyStoreError> {
        self.room()?;
        self.keys.push(key);
        Ok(())
    }

    pub(super) fn certificate(&mut self, certificate: Item<Certificate>) -> Result<(), KeyStoreError> {
        self.room()?;
        self.certificates.push(certificate);
        Ok(())
    }

    fn len(&self) -> usize {
        self.keys.len() + self.certificates.len()
    }

    fn room(&self) -> Result<(), KeyStoreError> {
        if self.len() < MAX_ENTRIES { Ok(()) } else { Err(KeyStoreError::TooMany { limit: MAX_ENTRIES }) }
    }
}

/// Reads files one after the other.
pub(super) struct Collector {
    pub(super) found: Found,
    /// Private keys are passed over.
    certificates_only: bool,
    #[cfg(feature = "pkcs12")]
    opener: Opener,
}

impl Collector {
    pub(super) fn new(password: Option<&str>) -> Self {
        #[cfg(not(feature = "pkcs12"))]
        let _ = password;
        Self {
            found: Found::default(),
            certificates_only: false,
            #[cfg(feature = "pkcs12")]
            opener: Opener::new(password),
        }
    }

    pub(super) fn of_certificates() -> Self {
        Self { certificates_only: true, ..Self::new(None) }
    }

    pub(super) fn file(&mut self, octets: &[u8]) -> Result<(), KeyStoreError> {
        let before = self.found.len();
        let seen = match File::read(octets)? {
            File::Pem(sections) => {
                let labels: Vec<_> = sections.iter().map(|section| section.label.clone()).collect();
                self.sections(&sections)?;
                labels.join(", ")
            }
            File::Der(der) => {
                self.elements(&der)?;
                "an empty store".to_owned()
            }
        };
        if self.found.len() == before { Err(KeyStoreError::Nothing { found: seen }) } else { Ok(()) }
    }

    /// Elements one after the other: several certificates are one file for some tools.
    fn elements(&mut self, der: &[u8]) -> Result<(), KeyStoreError> {
        let mut cursor = Cursor::new(der.trim_ascii_end(), DEPTH);
        let mut first = true;
        while let Some(element) = cursor.next().map_err(KeyStoreError::at("the file"))? {
            match Form::of(element.content) {
                Some(form) => self.element(form, &element, None, None)?,
                // Zeros and other filling behind the structure.
                None if !first => break,
                None => return Err(KeyStoreError::Unknown { octets: der.len() }),
            }
            first = false;
        }
        Ok(())
    }

    fn sections(&mut self, sections: &[Section]) -> Result<(), KeyStoreError> {
        let mut curve = None;
        for section in sections {
            match section.label.as_str() {
                "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                    let value = certificate(first_element(&section.content)?.raw)?;
                    self.found.certificate(Item { alias: section.alias.clone(), id: None, value })?;
                }
                "EC PARAMETERS" => curve = Some(section.content.as_slice()),
                "OPENSSH PRIVATE KEY" => {
                    return Err(KeyStoreError::Foreign {
                        format: "OpenSSH private key",
                        command: "ssh-keygen -p -m PKCS8 -f COPY-OF-FILE",
                    });
                }
                "PKCS7" | "CMS" | "PKCS #7 SIGNED DATA" | "PKCS12" => self.section(section, curve)?,
                label if label.ends_with("PRIVATE KEY") => self.section(section, curve)?,
                // Requests, public keys, revocation lists, parameters.
                _ => {}
            }
        }
        Ok(())
    }

    fn section(&mut self, section: &Section, curve: Option<&[u8]>) -> Result<(), KeyStoreError> {
        if self.certificates_only && section.label.ends_with("PRIVATE KEY") {
            return Ok(());
        }
        if section.header("Proc-Type").is_some_and(|value| value.contains("ENCRYPTED")) {
            return self.encrypted_section(section, curve);
        }
        let element = first_element(&section.content)?;
        match Form::of(element.content) {
            Some(form) => self.element(form, &element, section.alias.as_deref(), curve),
            None => Err(KeyStoreError::Pem { label: section.label.clone(), problem: "does not hold what it says" }),
        }
    }

    fn element(
        &mut self,
        form: Form,
        element: &Element<'_>,
        alias: Option<&str>,
        curve: Option<&[u8]>,
    ) -> Result<(), KeyStoreError> {
        match form {
            Form::Certificate => self.found.certificate(certificate(element.raw)?.into()),
            Form::SignedData => {
                signed_data(element.content)?.into_iter().try_for_each(|one| self.found.certificate(one.into()))
            }
            Form::PrivateKey | Form::EncryptedKey if self.certificates_only => Ok(()),
            Form::PrivateKey => self.key(element.content, alias, curve),
            Form::EncryptedKey => self.encrypted_key(element.content, alias, curve),
            Form::Pkcs12 => self.pkcs12(element.content),
        }
    }

    fn key(&mut self, content: &[u8], alias: Option<&str>, curve: Option<&[u8]>) -> Result<(), KeyStoreError> {
        let value = PrivateKey::from_structure(content, curve)?;
        self.found.key(Item { alias: alias.map(str::to_owned), id: None, value })
    }
}

#[cfg(feature = "pkcs12")]
impl Collector {
    fn encrypted_key(
        &mut self,
        content: &[u8],
        alias: Option<&str>,
        curve: Option<&[u8]>,
    ) -> Result<(), KeyStoreError> {
        let key = self.opener.encrypted_key(content)?;
        self.key(first_element(&key)?.content, alias, curve)
    }

    fn encrypted_section(&mut self, section: &Section, curve: Option<&[u8]>) -> Result<(), KeyStoreError> {
        let key = self.opener.encrypted_section(section.header("DEK-Info").unwrap_or_default(), &section.content)?;
        self.key(first_element(&key)?.content, section.alias.as_deref(), curve)
    }

    fn pkcs12(&mut self, content: &[u8]) -> Result<(), KeyStoreError> {
        super::pkcs12::read(content, &mut self.opener, &mut self.found)
    }
}

#[cfg(not(feature = "pkcs12"))]
impl Collector {
    fn encrypted_key(&mut self, _: &[u8], _: Option<&str>, _: Option<&[u8]>) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::Feature { part: "an encrypted private key", feature: "pkcs12" })
    }

    fn encrypted_section(&mut self, _: &Section, _: Option<&[u8]>) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::Feature { part: "an encrypted private key", feature: "pkcs12" })
    }

    fn pkcs12(&mut self, _: &[u8]) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::Feature { part: "a PKCS #12 file", feature: "pkcs12" })
    }
}

/// The first element: what OpenSSL calls a trusted certificate has more behind it.
pub(super) fn first_element(octets: &[u8]) -> Result<Element<'_>, KeyStoreError> {
    Cursor::new(octets, DEPTH)
        .expect(crate::cms::ber::SEQUENCE, "a structure")
        .map_err(KeyStoreError::at("a section of the file"))
}
