//! Files of certificates and private keys, in every form that partners and administrators hand over.
//!
//! [`KeyStore::read`] tells the form from the octets; nobody has to name it. What it makes of a file is a list of
//! private keys, each with its certificate chain, and the certificates that belong to no key.

mod assemble;
mod certificates;
mod collect;
mod error;
mod file;
mod integer;
mod pem;
#[cfg(feature = "pkcs12")]
mod pkcs12;
mod private_key;
#[cfg(feature = "pkcs12")]
mod protect;
#[cfg(feature = "pkcs12")]
mod protected;

use std::fmt;

use crate::certificate::Certificate;

pub use error::KeyStoreError;
pub use private_key::{KeyAlgorithm, PrivateKey};
#[cfg(feature = "renewal")]
pub(crate) use private_key::{from_p256_scalar, from_rsa_numbers};

/// Nested elements of any structure that is read here.
const DEPTH: usize = 24;
/// Keys and certificates of one store, and sections of one PEM text.
const MAX_ENTRIES: usize = 2000;

/// Private keys with their certificates, and certificates alone.
///
/// | form | feature |
/// |---|---|
/// | certificates: PEM, DER, base64 without PEM lines, PKCS #7 (`.p7b`, `.p7c`) in DER, BER or PEM | |
/// | keys: PKCS #8, PKCS #1, SEC 1, each in PEM, DER or base64 | |
/// | keys with a password: PKCS #8 (PBES2, PBES1, PKCS #12 schemes), PEM sections encrypted as old OpenSSL does | `pkcs12` |
/// | PKCS #12 (`.p12`, `.pfx`) as OpenSSL, Java and BouncyCastle write it, in DER, BER or base64 | `pkcs12` |
///
/// PEM texts may hold any number of these, with CRLF, a byte order mark or other text around. Of a store of another
/// system (JKS, JCEKS, BKS) the error tells the command that converts it.
///
/// A file is hostile until it has been read: it may be at most 8 MiB, and ask for 10 million iterations of password
/// derivation in all.
///
/// ```
/// use as2_protocol::{CryptoProvider, Identity, KeyStore};
/// # let (key, chain) = (include_bytes!("../tests/vectors/worked/keys/alice-sign.key"), include_bytes!("../tests/vectors/worked/keys/alice-sign.crt"));
/// let store = KeyStore::read_files(&[key, chain], None)?; // or one .p12 and its password
/// let entry = store.entry(None)?; // the only one
/// let us = Identity::builder(CryptoProvider::rustcrypto())
///     .signing(entry.chain().to_vec(), entry.key().clone().into_signing()?)
///     .build()?;
/// # assert_eq!(us.signing_certificate(std::time::SystemTime::now()), entry.certificate());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct KeyStore {
    entries: Vec<KeyEntry>,
    certificates: Vec<CertificateEntry>,
}

impl KeyStore {
    /// Reads one file.
    ///
    /// Without a password, what is protected by none or by the empty one is read as well. A password that is not
    /// needed is not looked at.
    ///
    /// # Errors
    /// [`KeyStoreError`], which tells a wrong password from a damaged file as far as the form allows.
    pub fn read(file: &[u8], password: Option<&str>) -> Result<Self, KeyStoreError> {
        Self::read_files(&[file], password)
    }

    /// Reads several files as one store: mostly a key, and its certificate chain.
    ///
    /// # Errors
    /// [`KeyStoreError`] of the first file that cannot be read.
    pub fn read_files(files: &[&[u8]], password: Option<&str>) -> Result<Self, KeyStoreError> {
        let mut collector = collect::Collector::new(password);
        for file in files {
            collector.file(file)?;
        }
        Ok(assemble::store(collector.found))
    }

    /// The private keys with their certificates, in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[KeyEntry] {
        &self.entries
    }

    /// The certificates that belong to no private key: those of partners and authorities.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateEntry] {
        &self.certificates
    }

    /// The private key of this alias; without an alias, the only one.
    ///
    /// Letter case counts only where entries differ in nothing else: Java ignores it, others do not.
    ///
    /// # Errors
    /// [`KeyStoreError::NoEntry`] and [`KeyStoreError::Ambiguous`], which list the aliases.
    pub fn entry(&self, alias: Option<&str>) -> Result<&KeyEntry, KeyStoreError> {
        select(&self.entries, alias, KeyEntry::alias)
    }

    /// The certificate of this alias, of those that belong to no key; without an alias, the only one.
    ///
    /// # Errors
    /// [`KeyStoreError::NoEntry`] and [`KeyStoreError::Ambiguous`], which list the aliases.
    pub fn certificate(&self, alias: Option<&str>) -> Result<&Certificate, KeyStoreError> {
        select(&self.certificates, alias, CertificateEntry::alias).map(CertificateEntry::certificate)
    }
}

/// A private key with its certificates.
#[derive(Clone)]
pub struct KeyEntry {
    alias: Option<String>,
    chain: Vec<Certificate>,
    key: PrivateKey,
}

impl KeyEntry {
    /// A key and its certificates, to be written; see [`to_pkcs12`](Self::to_pkcs12).
    #[must_use]
    pub fn new(alias: Option<String>, chain: Vec<Certificate>, key: PrivateKey) -> Self {
        Self { alias, chain, key }
    }

    /// What the file calls the key (friendlyName).
    #[must_use]
    pub fn alias(&self) -> Option<&str> {
        self.alias.as_deref()
    }

    /// The certificate of the key and those of its issuers, as far as the file holds them: leaf first. Empty if no
    /// certificate belongs to the key.
    #[must_use]
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The certificate of the key.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        self.chain.first()
    }

    /// The private key.
    #[must_use]
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }
}

impl fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEntry").field("alias", &self.alias).field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// A certificate without private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateEntry {
    alias: Option<String>,
    certificate: Certificate,
}

impl CertificateEntry {
    /// What the file calls the certificate (friendlyName).
    #[must_use]
    pub fn alias(&self) -> Option<&str> {
        self.alias.as_deref()
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

fn select<'a, T>(
    entries: &'a [T],
    alias: Option<&str>,
    alias_of: fn(&T) -> Option<&str>,
) -> Result<&'a T, KeyStoreError> {
    let names = |entries: &[&T]| entries.iter().filter_map(|entry| alias_of(entry)).map(str::to_owned).collect();
    let matching = |fits: &dyn Fn(&str) -> bool| -> Vec<&T> {
        entries.iter().filter(|entry| alias.is_none() || alias_of(entry).is_some_and(fits)).collect()
    };
    let wanted = alias.unwrap_or_default();
    let exact = matching(&|name| name == wanted);
    let found = if exact.is_empty() { matching(&|name| name.to_lowercase() == wanted.to_lowercase()) } else { exact };
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            Err(KeyStoreError::NoEntry { alias: wanted.to_owned(), known: names(&entries.iter().collect::<Vec<_>>()) })
        }
        several => Err(KeyStoreError::Ambiguous { known: names(several) }),
    }
}
