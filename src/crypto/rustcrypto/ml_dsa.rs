//! ML-DSA private keys held in this process, and their signatures (FIPS 204, RFC 9881, RFC 9882).

use std::fmt;
use std::sync::Arc;

use ::ml_dsa::{EncodedVerifyingKey, MlDsa65, MlDsa87, MlDsaParams, Signature, SigningKey as Secret, VerifyingKey};
use rustls_pki_types::pem::SectionKind;

use super::load::{LoadKeyError, section};
use super::seed::{self, Seeded};
use super::{RngAdapter, SystemRandom};
use crate::algorithm::{ML_DSA_65, ML_DSA_87, SignatureScheme};
use crate::crypto::{KeyError, SignRequest, SigningKey, VerifyError};

/// An ML-DSA-65 or ML-DSA-87 private key. It signs the message itself, so that [`SignRequest::message`] must be there.
///
/// Signatures are those of the pure mode with an empty context (RFC 9882 section 3), and hedged: random octets go into
/// each. Cheap to clone; `Debug` shows the parameter set only; wiped when the last clone goes.
#[derive(Clone)]
pub struct MlDsaPrivateKey(Arc<Inner>);

struct Inner {
    key: Kind,
    public_key: Vec<u8>,
}

enum Kind {
    MlDsa65(Box<Secret<MlDsa65>>),
    MlDsa87(Box<Secret<MlDsa87>>),
}

impl MlDsaPrivateKey {
    /// Reads a PrivateKeyInfo or OneAsymmetricKey (PKCS#8, RFC 5958, RFC 9881 section 6) in DER: a seed, or a seed
    /// beside its expanded key.
    ///
    /// # Errors
    /// [`LoadKeyError`] if it is malformed, encrypted, of another algorithm or without seed.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, LoadKeyError> {
        let seeded = Seeded::read(der, &[ML_DSA_65, ML_DSA_87])?;
        let (key, public) = if seeded.algorithm == ML_DSA_65 {
            let (key, public) = load(&seeded)?;
            (Kind::MlDsa65(key), public)
        } else {
            let (key, public) = load(&seeded)?;
            (Kind::MlDsa87(key), public)
        };
        let public_key = seed::spki_der(seeded.algorithm, &public).ok_or(LoadKeyError::Malformed)?;
        Ok(Self(Arc::new(Inner { key, public_key })))
    }

    /// Reads the first `PRIVATE KEY` section of a PEM text (RFC 7468 section 10).
    ///
    /// # Errors
    /// [`LoadKeyError`] if there is none or it cannot be used.
    pub fn from_pkcs8_pem(pem: &[u8]) -> Result<Self, LoadKeyError> {
        Self::from_pkcs8_der(&section(pem, SectionKind::PrivateKey)?)
    }

    fn scheme(&self) -> SignatureScheme {
        match self.0.key {
            Kind::MlDsa65(_) => SignatureScheme::MlDsa65,
            Kind::MlDsa87(_) => SignatureScheme::MlDsa87,
        }
    }
}

#[allow(deprecated)] // An expanded key is made to be compared, never to be used.
fn load<P: MlDsaParams>(seeded: &Seeded<'_>) -> Result<(Box<Secret<P>>, Vec<u8>), LoadKeyError> {
    let seed = seeded.seed.try_into().map_err(|_| LoadKeyError::Malformed)?;
    let key = Box::new(Secret::<P>::from_seed(seed));
    let expanded = zeroize::Zeroizing::new(key.expanded_key().to_expanded().to_vec());
    if !seeded.agrees_with(&expanded) {
        return Err(LoadKeyError::Malformed);
    }
    let public = key.expanded_key().verifying_key().encode().to_vec();
    Ok((key, public))
}

impl fmt::Debug for MlDsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MlDsaPrivateKey").field("scheme", &self.scheme()).finish_non_exhaustive()
    }
}

impl SigningKey for MlDsaPrivateKey {
    fn public_key(&self) -> &[u8] {
        &self.0.public_key
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        vec![self.scheme()]
    }

    fn signature_len(&self, scheme: SignatureScheme) -> Option<usize> {
        (scheme == self.scheme()).then(|| scheme.ml_dsa_signature_len()).flatten()
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>, KeyError> {
        if request.scheme != self.scheme() || request.digest.algorithm() != request.scheme.digest() {
            return Err(KeyError::Unsupported);
        }
        let message = request.message.as_deref().ok_or(KeyError::NeedsMessage)?;
        match &self.0.key {
            Kind::MlDsa65(key) => sign(key, message),
            Kind::MlDsa87(key) => sign(key, message),
        }
        .ok_or_else(|| KeyError::Unavailable("no random octets for the signature".into()))
    }
}

fn sign<P: MlDsaParams>(key: &Secret<P>, message: &[u8]) -> Option<Vec<u8>> {
    let mut random = RngAdapter::new(&SystemRandom);
    let signature = key.expanded_key().sign_randomized(message, &[], &mut random).ok()?;
    Some(signature.encode().to_vec())
}

/// Verifies a signature of the pure mode with an empty context.
pub(super) fn verify(
    scheme: SignatureScheme,
    spki: &pkcs8::SubjectPublicKeyInfoRef<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    if scheme == SignatureScheme::MlDsa65 {
        verified::<MlDsa65>(seed::public_key(spki, ML_DSA_65), message, signature)
    } else {
        verified::<MlDsa87>(seed::public_key(spki, ML_DSA_87), message, signature)
    }
}

fn verified<P: MlDsaParams>(key: Option<&[u8]>, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    let key = key.and_then(|key| EncodedVerifyingKey::<P>::try_from(key).ok()).ok_or(VerifyError::InvalidKey)?;
    let signature = Signature::<P>::try_from(signature).map_err(|_| VerifyError::InvalidSignature)?;
    let good = VerifyingKey::<P>::decode(&key).verify_with_context(message, &[], &signature);
    if good { Ok(()) } else { Err(VerifyError::InvalidSignature) }
}
