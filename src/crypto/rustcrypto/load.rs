//! Private keys as files hold them: PEM sections and PrivateKeyInfo (RFC 5958, RFC 7468).

use std::sync::Arc;

use const_oid::ObjectIdentifier;
use pkcs8::der::Decode;
use pkcs8::der::asn1::AnyRef;
use rustls_pki_types::pem::{PemObject, SectionKind};
use zeroize::Zeroizing;

use super::ec::EC_PUBLIC_KEY;
use super::ed25519::ED25519;
use super::rsa_public::PSS_ALGORITHM;
use super::{EcPrivateKey, Ed25519PrivateKey, RsaPrivateKey, X25519PrivateKey};
use crate::algorithm::EcdhGroup;
#[cfg(feature = "pq")]
use crate::algorithm::{ML_DSA_65, ML_DSA_87, ML_KEM_768, ML_KEM_1024};
use crate::crypto::{DecryptingKey, KeyLoader, SigningKey};

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
    /// The key, of ML-KEM or ML-DSA, is there in its expanded form without the seed that it was made from.
    #[error("the private key has no seed; write it as a seed, or with one")]
    NoSeed,
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
            Self::NoSeed => "KEY_WITHOUT_SEED",
            Self::Algorithm(_) => "KEY_ALGORITHM",
            Self::Curve(_) => "KEY_CURVE",
            Self::Size(_) => "KEY_SIZE",
        }
    }
}

/// Keys that work with the RustCrypto crates.
pub(in crate::crypto) struct Loader;

impl KeyLoader for Loader {
    fn signing(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn SigningKey>, LoadKeyError> {
        Ok(match info(pkcs8_der)?.algorithm.oid {
            EC_PUBLIC_KEY => Arc::new(EcPrivateKey::from_pkcs8_der(pkcs8_der)?),
            #[cfg(feature = "pq")]
            ML_DSA_65 | ML_DSA_87 => Arc::new(super::MlDsaPrivateKey::from_pkcs8_der(pkcs8_der)?),
            ED25519 => Arc::new(Ed25519PrivateKey::from_pkcs8_der(pkcs8_der)?),
            _ => Arc::new(RsaPrivateKey::from_pkcs8_der(pkcs8_der)?),
        })
    }

    fn decrypting(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn DecryptingKey>, LoadKeyError> {
        Ok(match info(pkcs8_der)?.algorithm.oid {
            EC_PUBLIC_KEY => Arc::new(EcPrivateKey::from_pkcs8_der(pkcs8_der)?),
            oid if oid == EcdhGroup::X25519.oids().0 => Arc::new(X25519PrivateKey::from_pkcs8_der(pkcs8_der)?),
            #[cfg(feature = "pq")]
            ML_KEM_768 | ML_KEM_1024 => Arc::new(super::MlKemPrivateKey::from_pkcs8_der(pkcs8_der)?),
            PSS_ALGORITHM => return Err(LoadKeyError::Algorithm(PSS_ALGORITHM.to_string())),
            _ => Arc::new(RsaPrivateKey::from_pkcs8_der(pkcs8_der)?),
        })
    }
}

/// The RSAPrivateKey in a PrivateKeyInfo, if its modulus has one of these numbers of bits and each prime half of them.
#[cfg(any(feature = "aws-lc-rs", feature = "graviola"))]
pub(in crate::crypto) fn balanced_rsa_key<'a>(pkcs8_der: &'a [u8], bits: &[usize]) -> Option<&'a [u8]> {
    let info =
        info(pkcs8_der).ok().filter(|info| [pkcs1::ALGORITHM_OID, PSS_ALGORITHM].contains(&info.algorithm.oid))?;
    let octets = info.private_key.as_bytes();
    let key = pkcs1::RsaPrivateKeyRef::from_der(octets).ok()?;
    // Full octets: the first bit of each number is set.
    let octets_of = |number: &[u8]| number.first().filter(|first| **first >= 0x80).map(|_| number.len());
    let modulus = octets_of(key.modulus.as_bytes())?;
    let even = [key.prime1, key.prime2].iter().all(|prime| octets_of(prime.as_bytes()) == Some(modulus / 2));
    (bits.contains(&(modulus * 8)) && even).then_some(octets)
}

/// Reads a PrivateKeyInfo that may be for one of some algorithms.
pub(super) fn private_key_info<'a>(
    der: &'a [u8],
    wanted: &[ObjectIdentifier],
) -> Result<pkcs8::PrivateKeyInfoRef<'a>, LoadKeyError> {
    let info = info(der)?;
    if !wanted.contains(&info.algorithm.oid) {
        return Err(LoadKeyError::Algorithm(info.algorithm.oid.to_string()));
    }
    Ok(info)
}

fn info(der: &[u8]) -> Result<pkcs8::PrivateKeyInfoRef<'_>, LoadKeyError> {
    let refused = || if is_encrypted(der) { LoadKeyError::Encrypted } else { LoadKeyError::Malformed };
    pkcs8::PrivateKeyInfoRef::from_der(der).map_err(|_| refused())
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
