//! What a file is, told by its first elements.

use zeroize::Zeroizing;

use super::pem::{self, Section};
use super::{DEPTH, KeyStoreError};
use crate::cms::ber::{self, Cursor};
use crate::cms::{oid, read_oid};

/// Octets of the largest file that is read.
const MAX_OCTETS: usize = 8 << 20;

/// A file, its outer coding undone.
pub(super) enum File {
    Pem(Vec<Section>),
    /// Whole elements one after the other; there is at least one.
    Der(Zeroizing<Vec<u8>>),
}

impl File {
    pub(super) fn read(octets: &[u8]) -> Result<Self, KeyStoreError> {
        if octets.len() > MAX_OCTETS {
            return Err(KeyStoreError::TooLarge { limit: MAX_OCTETS });
        }
        if let Some(error) = foreign(octets) {
            return Err(error);
        }
        if octets.first() == Some(&ber::SEQUENCE) {
            return Ok(Self::Der(Zeroizing::new(octets.to_vec())));
        }
        let text = pem::plain_text(octets);
        if pem::is_pem(&text) {
            return Ok(Self::Pem(pem::sections(&text)?));
        }
        match pem::decode(&text) {
            Some(der) if der.first() == Some(&ber::SEQUENCE) => Ok(Self::Der(der)),
            _ => Err(KeyStoreError::Unknown { octets: octets.len() }),
        }
    }
}

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Certificate (RFC 5280 section 4.1).
    Certificate,
    /// ContentInfo around SignedData (RFC 5652 section 5.1).
    SignedData,
    /// PFX (RFC 7292 section 4).
    Pkcs12,
    /// PrivateKeyInfo, RSAPrivateKey or ECPrivateKey.
    PrivateKey,
    /// EncryptedPrivateKeyInfo (RFC 5958 section 3).
    EncryptedKey,
}

impl Form {
    /// Looks at the first elements of a SEQUENCE only; what follows is for the reader of the form to judge.
    pub(super) fn of(content: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(content, DEPTH);
        let first = cursor.next().ok()??;
        let second = cursor.next().ok()?;
        match (first.tag, second.as_ref().map(|element| element.tag)) {
            (ber::SEQUENCE, Some(ber::SEQUENCE)) if cursor.peek() == Some(ber::BIT_STRING) => Some(Self::Certificate),
            (ber::SEQUENCE, Some(ber::OCTET_STRING | ber::OCTET_STRING_CONSTRUCTED)) => Some(Self::EncryptedKey),
            (ber::OID, Some(ber::CONTEXT_0_CONSTRUCTED)) if read_oid(first.content) == Ok(oid::SIGNED_DATA) => {
                Some(Self::SignedData)
            }
            (ber::INTEGER, Some(ber::SEQUENCE)) if first.content == [3] => Some(Self::Pkcs12),
            (ber::INTEGER, Some(ber::SEQUENCE | ber::INTEGER | ber::OCTET_STRING)) => Some(Self::PrivateKey),
            _ => None,
        }
    }
}

/// The key stores of other systems, by their first octets.
fn foreign(octets: &[u8]) -> Option<KeyStoreError> {
    let (format, command) = match octets {
        [0xfe, 0xed, 0xfe, 0xed, ..] => (
            "JKS (Java key store)",
            "keytool -importkeystore -srckeystore FILE -srcstoretype JKS -destkeystore FILE.p12 -deststoretype pkcs12",
        ),
        [0xce, 0xce, 0xce, 0xce, ..] => (
            "JCEKS (Java key store)",
            "keytool -importkeystore -srckeystore FILE -srcstoretype JCEKS -destkeystore FILE.p12 -deststoretype pkcs12",
        ),
        [0, 0, 0, 1 | 2, 0, 0, 0, 20, ..] => (
            "BKS (BouncyCastle key store)",
            "keytool -importkeystore -srckeystore FILE -srcstoretype BKS -destkeystore FILE.p12 -deststoretype pkcs12 \
             -provider org.bouncycastle.jce.provider.BouncyCastleProvider -providerpath bcprov.jar",
        ),
        _ if is_bcfks(octets) => (
            "BCFKS (BouncyCastle FIPS key store)",
            "keytool -importkeystore -srckeystore FILE -srcstoretype BCFKS -destkeystore FILE.p12 -deststoretype pkcs12 \
             -provider org.bouncycastle.jce.provider.BouncyCastleProvider -providerpath bcprov.jar",
        ),
        _ => return None,
    };
    Some(KeyStoreError::Foreign { format, command })
}

/// ObjectStore: encrypted data and an integrity check, each a SEQUENCE, the encrypted data as in an encrypted key.
fn is_bcfks(octets: &[u8]) -> bool {
    let read = || {
        let outer = Cursor::new(octets, DEPTH).expect(ber::SEQUENCE, "a store").ok()?;
        let mut parts = Cursor::new(outer.content, DEPTH);
        let data = parts.expect(ber::SEQUENCE, "store data").ok()?;
        parts.expect(ber::SEQUENCE, "an integrity check").ok()?;
        parts.next().ok()?.is_none().then_some(Form::of(data.content) == Some(Form::EncryptedKey))
    };
    read().unwrap_or(false)
}
