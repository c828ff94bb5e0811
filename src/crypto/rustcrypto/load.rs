//! Private keys as files hold them: PEM sections and PrivateKeyInfo (RFC 5958, RFC 7468).

use const_oid::ObjectIdentifier;
use pkcs8::der::Decode;
use pkcs8::der::asn1::AnyRef;
use rustls_pki_types::pem::{PemObject, SectionKind};
use zeroize::Zeroizing;

/// Why a private key could not be loaded. No part of the key is shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadKeyError {
    /// The PEM text is broken, or holds no section of the kind that was asked for.
    #[error("no private key of this kind in the PEM text")]
    NoKey,
    /// The key is encrypted with a passphrase; decrypt it first.
    #[error("the private key is encrypted")]
    Encrypted,
    /// The structure cannot be read, or its numbers do not make a key.
    #[error("malformed private key")]
    Malformed,
    /// The key is for another algorithm than the one that was asked for, named by its object identifier.
    #[error("the private key is for the algorithm {0}, which is another one")]
    Algorithm(String),
    /// The key is on a curve that is not supported, named by its object identifier.
    #[error("the private key is on the curve {0}, supported are P-256, P-384 and P-521")]
    Curve(String),
    /// The modulus has fewer than 1024 or more than 16384 bits.
    #[error("RSA key of {0} bits")]
    Size(usize),
}

impl LoadKeyError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoKey => "KEY_NOT_FOUND",
            Self::Encrypted => "KEY_ENCRYPTED",
            Self::Malformed => "KEY_MALFORMED",
            Self::Algorithm(_) => "KEY_ALGORITHM",
            Self::Curve(_) => "KEY_CURVE",
            Self::Size(_) => "KEY_SIZE",
        }
    }
}

/// Reads a PrivateKeyInfo that may be for one of some algorithms.
pub(super) fn private_key_info<'a>(
    der: &'a [u8],
    wanted: &[ObjectIdentifier],
) -> Result<pkcs8::PrivateKeyInfoRef<'a>, LoadKeyError> {
    let Ok(info) = pkcs8::PrivateKeyInfoRef::from_der(der) else {
        return Err(if is_encrypted(der) { LoadKeyError::Encrypted } else { LoadKeyError::Malformed });
    };
    if !wanted.contains(&info.algorithm.oid) {
        return Err(LoadKeyError::Algorithm(info.algorithm.oid.to_string()));
    }
    Ok(info)
}

/// An EncryptedPrivateKeyInfo begins with an AlgorithmIdentifier, a PrivateKeyInfo with its version.
fn is_encrypted(der: &[u8]) -> bool {
    let begin = AnyRef::from_der(der).ok().and_then(|outer| outer.value().first().copied());
    begin == Some(0x30)
}

/// The first section of a kind; other sections may stand before it.
pub(super) fn section(pem: &[u8], wanted: SectionKind) -> Result<Zeroizing<Vec<u8>>, LoadKeyError> {
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
        match section {
            Ok((kind, der)) if kind == wanted => return Ok(Zeroizing::new(der)),
            Ok((_, der)) => drop(Zeroizing::new(der)),
            // The header lines of an encrypted section of the old kind are no base64.
            Err(_) => break,
        }
    }
    // `ENCRYPTED PRIVATE KEY` (PKCS#8) or `Proc-Type: 4,ENCRYPTED` (PKCS#1, SEC 1)
    let encrypted = memchr::memmem::find(pem, b"ENCRYPTED").is_some();
    Err(if encrypted { LoadKeyError::Encrypted } else { LoadKeyError::NoKey })
}
