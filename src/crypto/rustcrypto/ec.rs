//! EC private keys held in this process, and ECDSA (FIPS 186-5, RFC 5753 section 2).

use std::fmt;
use std::sync::Arc;

use ecdsa::signature::hazmat::{PrehashVerifier, RandomizedPrehashSigner};
use p256::ecdsa;
use pkcs8::EncodePublicKey;
use pkcs8::der::Decode;
use rustls_pki_types::pem::SectionKind;

use super::load::{LoadKeyError, private_key_info, section};
use super::{RngAdapter, SystemRandom};
use crate::algorithm::{EcCurve, SignatureScheme};
use crate::certificate::KeyKind;
use crate::crypto::{KeyError, SecretBytes, SignRequest, SigningKey, VerifyError, schemes_of};

/// id-ecPublicKey (RFC 5480 section 2.1.1): keys for ECDSA and for ECDH alike.
pub(super) const EC_PUBLIC_KEY: const_oid::ObjectIdentifier =
    const_oid::ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// An EC private key on P-256, P-384 or P-521: it signs with ECDSA, and agrees on secrets with ECDH.
///
/// The nonces follow RFC 6979 with random octets added: neither a weak source of random octets nor a fault in the
/// computation gives the key away. Cheap to clone; `Debug` shows the curve only; wiped when the last clone goes.
///
/// ```
/// use as2_protocol::crypto::{DigestValue, EcPrivateKey, SignRequest, SigningKey};
/// use as2_protocol::{DigestAlgorithm, EcCurve, SignatureScheme};
/// # let pem = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ber/ec.key"));
/// let key = EcPrivateKey::from_pkcs8_pem(pem)?;
/// assert_eq!(key.curve(), EcCurve::P256);
/// let scheme = SignatureScheme::Ecdsa(DigestAlgorithm::Sha256);
/// let signature = key.sign(&SignRequest::new(scheme, DigestValue::sha256([0; 32])))?;
/// assert_eq!(key.signature_len(scheme), None, "it varies, like that of any ECDSA signature");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EcPrivateKey(Arc<Inner>);

struct Inner {
    secret: Secret,
    public_key: Vec<u8>,
    rejection_secret: SecretBytes,
}

/// The number itself, on its curve.
pub(super) enum Secret {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
}

impl EcPrivateKey {
    /// Reads a PrivateKeyInfo (PKCS#8, RFC 5958, RFC 5915) in DER.
    ///
    /// # Errors
    /// [`LoadKeyError`] if it is malformed, encrypted, of another algorithm or on another curve.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, LoadKeyError> {
        let info = private_key_info(der, &[EC_PUBLIC_KEY])?;
        let curve = info.algorithm.parameters_oid().map_err(|_| LoadKeyError::Malformed)?;
        Self::load(info.private_key.as_bytes(), Some(curve))
    }

    /// Reads the first `PRIVATE KEY` section of a PEM text (RFC 7468 section 10).
    ///
    /// # Errors
    /// [`LoadKeyError`] if there is none or it cannot be used.
    pub fn from_pkcs8_pem(pem: &[u8]) -> Result<Self, LoadKeyError> {
        Self::from_pkcs8_der(&section(pem, SectionKind::PrivateKey)?)
    }

    /// Reads an ECPrivateKey (SEC 1, RFC 5915 section 3) in DER, which must name its curve.
    ///
    /// # Errors
    /// [`LoadKeyError`] if it is malformed or on another curve.
    pub fn from_sec1_der(der: &[u8]) -> Result<Self, LoadKeyError> {
        Self::load(der, None)
    }

    /// Reads the first `EC PRIVATE KEY` section of a PEM text; `EC PARAMETERS` may stand before it.
    ///
    /// # Errors
    /// [`LoadKeyError`] if there is none or it cannot be used.
    pub fn from_sec1_pem(pem: &[u8]) -> Result<Self, LoadKeyError> {
        Self::from_sec1_der(&section(pem, SectionKind::EcPrivateKey)?)
    }

    /// The curve may be named around the ECPrivateKey, inside of it, or twice in the same way.
    fn load(der: &[u8], around: Option<const_oid::ObjectIdentifier>) -> Result<Self, LoadKeyError> {
        let key = sec1::EcPrivateKey::from_der(der).map_err(|_| LoadKeyError::Malformed)?;
        let inside = key.parameters.and_then(|parameters| parameters.named_curve());
        let oid = match (around, inside) {
            (Some(around), Some(inside)) if around != inside => return Err(LoadKeyError::Malformed),
            (around, inside) => around.or(inside).ok_or(LoadKeyError::Malformed)?,
        };
        let curve = EcCurve::from_oid(&oid).ok_or_else(|| LoadKeyError::Curve(oid.to_string()))?;
        let secret = Secret::new(curve, key).ok_or(LoadKeyError::Malformed)?;
        let public_key = secret.public_key().ok_or(LoadKeyError::Malformed)?;
        let rejection_secret = secret.rejection_secret(&public_key);
        Ok(Self(Arc::new(Inner { secret, public_key, rejection_secret })))
    }

    /// The curve of the key.
    #[must_use]
    pub fn curve(&self) -> EcCurve {
        match &self.0.secret {
            Secret::P256(_) => EcCurve::P256,
            Secret::P384(_) => EcCurve::P384,
            Secret::P521(_) => EcCurve::P521,
        }
    }

    /// The number itself, for key agreement.
    pub(super) fn secret(&self) -> &Secret {
        &self.0.secret
    }

    /// What substitutes of refused content-encryption keys are made from.
    pub(super) fn rejection(&self) -> &SecretBytes {
        &self.0.rejection_secret
    }
}

impl Secret {
    /// The conversions compare the public key, where the structure has one.
    fn new(curve: EcCurve, key: sec1::EcPrivateKey<'_>) -> Option<Self> {
        Some(match curve {
            EcCurve::P256 => Self::P256(p256::SecretKey::try_from(key).ok()?.into()),
            EcCurve::P384 => Self::P384(p384::SecretKey::try_from(key).ok()?.into()),
            EcCurve::P521 => Self::P521(p521::SecretKey::try_from(key).ok()?.into()),
        })
    }

    fn public_key(&self) -> Option<Vec<u8>> {
        let der = match self {
            Self::P256(key) => p256::PublicKey::from(key.verifying_key()).to_public_key_der(),
            Self::P384(key) => p384::PublicKey::from(key.verifying_key()).to_public_key_der(),
            Self::P521(key) => p521::PublicKey::from(key.verifying_key()).to_public_key_der(),
        };
        der.ok().map(pkcs8::Document::into_vec)
    }

    fn sign(&self, digest: &[u8]) -> Result<Vec<u8>, ecdsa::Error> {
        let mut entropy = RngAdapter::new(&SystemRandom);
        Ok(match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign_prehash_with_rng(&mut entropy, digest)?;
                signature.as_bytes().to_vec()
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::DerSignature = key.sign_prehash_with_rng(&mut entropy, digest)?;
                signature.as_bytes().to_vec()
            }
            Self::P521(key) => {
                let signature: p521::ecdsa::DerSignature = key.sign_prehash_with_rng(&mut entropy, digest)?;
                signature.as_bytes().to_vec()
            }
        })
    }
}

impl fmt::Debug for EcPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcPrivateKey").field("curve", &self.curve().name()).finish_non_exhaustive()
    }
}

impl SigningKey for EcPrivateKey {
    fn public_key(&self) -> &[u8] {
        &self.0.public_key
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        schemes_of(KeyKind::Ec(self.curve()))
    }

    fn signature_len(&self, _: SignatureScheme) -> Option<usize> {
        None
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>, KeyError> {
        match request.scheme {
            SignatureScheme::Ecdsa(digest) if digest.is_strong() && request.digest.algorithm() == digest => {}
            _ => return Err(KeyError::Unsupported),
        }
        let unavailable = |_| KeyError::Unavailable("no random octets for the nonce".into());
        self.0.secret.sign(request.digest.as_bytes()).map_err(unavailable)
    }
}

/// The curve and the encoded point of a key for ECDSA.
pub(in crate::crypto) fn public_key<'a>(spki: &'a pkcs8::SubjectPublicKeyInfoRef<'_>) -> Option<(EcCurve, &'a [u8])> {
    let point = (spki.algorithm.oid == EC_PUBLIC_KEY).then(|| spki.subject_public_key.as_bytes()).flatten()?;
    Some((EcCurve::from_oid(&spki.algorithm.parameters_oid().ok()?)?, point))
}

/// Verifies an ECDSA signature: DER of two numbers from 1 to the order of the curve, exclusive.
pub(super) fn verify(
    spki: &pkcs8::SubjectPublicKeyInfoRef<'_>,
    digest: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    let (curve, point) = public_key(spki).ok_or(VerifyError::InvalidKey)?;
    let key_error = |_| VerifyError::InvalidKey;
    let signature_error = |_| VerifyError::InvalidSignature;
    match curve {
        EcCurve::P256 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(key_error)?;
            let signature = p256::ecdsa::Signature::from_der(signature).map_err(signature_error)?;
            key.verify_prehash(digest, &signature)
        }
        EcCurve::P384 => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(key_error)?;
            let signature = p384::ecdsa::Signature::from_der(signature).map_err(signature_error)?;
            key.verify_prehash(digest, &signature)
        }
        EcCurve::P521 => {
            let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(key_error)?;
            let signature = p521::ecdsa::Signature::from_der(signature).map_err(signature_error)?;
            key.verify_prehash(digest, &signature)
        }
    }
    .map_err(signature_error)
}
