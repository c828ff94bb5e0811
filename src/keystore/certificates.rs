//! Certificates alone: read from files of every form, written as PEM and as PKCS #7 bundles.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::collect::Collector;
use super::{DEPTH, KeyStoreError};
use crate::certificate::Certificate;
use crate::cms::ber::{self, Cursor, to_der};
use crate::cms::{Error, ErrorKind, certs_only, oid, read_oid};

impl Certificate {
    /// Reads every certificate of a file, in its order: PEM with any number of sections and any text around, DER,
    /// base64 alone, or a PKCS #7 chain (`.p7b`, `.p7c`).
    ///
    /// Private keys in the file are passed over. PKCS #12 files with a password need [`KeyStore`](crate::KeyStore).
    ///
    /// ```
    /// use as2_protocol::Certificate;
    /// # let file = include_bytes!("../../tests/vectors/worked/keys/bob-sign.crt");
    /// let chain = Certificate::read_all(file)?;
    /// assert_eq!(chain[0].subject(), "O=Bob, CN=bob signing");
    /// assert_eq!(Certificate::read_all(&Certificate::to_p7c(&chain))?, chain);
    /// # Ok::<_, as2_protocol::KeyStoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyStoreError`] if the file is of no known form, is damaged, or holds no certificate.
    pub fn read_all(file: &[u8]) -> Result<Vec<Self>, KeyStoreError> {
        let mut collector = Collector::of_certificates();
        collector.file(file)?;
        Ok(collector.found.certificates.into_iter().map(|item| item.value).collect())
    }

    /// The certificate as a PEM text.
    #[must_use]
    pub fn to_pem(&self) -> String {
        armor("CERTIFICATE", self.der())
    }

    /// Certificates as a PKCS #7 bundle (`.p7c`, `.p7b`): SignedData without signers (RFC 5751 section 3.8), in DER.
    #[must_use]
    pub fn to_p7c(certificates: &[Self]) -> Vec<u8> {
        certs_only::write(&certificates.iter().map(Self::der).collect::<Vec<_>>())
    }
}

/// A PEM text (RFC 7468 section 2).
pub(super) fn armor(label: &str, der: &[u8]) -> String {
    const LINE: usize = 64;
    let digits = STANDARD.encode(der);
    let mut text = String::with_capacity(digits.len() + digits.len() / LINE + 2 * label.len() + 40);
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = digits.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    zeroize::Zeroize::zeroize(&mut digits.into_bytes());
    text
}

/// One certificate; BouncyCastle writes even these with indefinite lengths if told so.
pub(super) fn certificate(raw: &[u8]) -> Result<Certificate, KeyStoreError> {
    match Certificate::from_der(raw.to_vec()) {
        Ok(certificate) => Ok(certificate),
        Err(error) => match to_der(raw, DEPTH) {
            Ok(der) if der != raw => Ok(Certificate::from_der(der)?),
            _ => Err(error.into()),
        },
    }
}

/// The certificates of a ContentInfo around SignedData (RFC 5652 section 5.1); everything else in it is passed over.
pub(super) fn signed_data(content: &[u8]) -> Result<Vec<Certificate>, KeyStoreError> {
    let raw = bag(content).map_err(KeyStoreError::at("the PKCS #7 structure"))?;
    raw.into_iter().map(certificate).collect()
}

fn bag(content: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let mut outer = Cursor::new(content, DEPTH);
    if read_oid(outer.expect(ber::OID, "a content type")?.content)? != oid::SIGNED_DATA {
        return Err(Error::new(ErrorKind::Value("the content type"), 0));
    }
    let explicit = outer.expect(ber::CONTEXT_0_CONSTRUCTED, "the content")?;
    let signed = Cursor::new(explicit.content, DEPTH).expect(ber::SEQUENCE, "SignedData")?;
    let mut parts = Cursor::new(signed.content, DEPTH);
    parts.expect(ber::INTEGER, "a version")?;
    parts.expect(ber::SET, "digest algorithms")?;
    parts.expect(ber::SEQUENCE, "encapsulated content")?;
    let mut found = Vec::new();
    while let Some(part) = parts.next()? {
        if part.tag == ber::CONTEXT_0_CONSTRUCTED {
            let mut certificates = Cursor::new(part.content, DEPTH);
            while let Some(element) = certificates.next()? {
                // Attribute certificates and others are tagged (RFC 5652 section 10.2.2).
                if element.tag == ber::SEQUENCE {
                    found.push(element.raw);
                }
            }
        }
    }
    Ok(found)
}
