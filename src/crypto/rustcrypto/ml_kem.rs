//! ML-KEM: secrets encapsulated for a public key, and private keys held in this process (FIPS 203, RFC 9935, RFC 9936).

use std::fmt;
use std::sync::Arc;

use ::ml_kem::{
    B32, Ciphertext, Decapsulate, DecapsulationKey768, DecapsulationKey1024, EncapsulationKey768, EncapsulationKey1024,
    Kem, KeyExport, Seed, SharedKey,
};
use pkcs8::SubjectPublicKeyInfoRef;
use pkcs8::der::Decode;
use rustls_pki_types::pem::SectionKind;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::load::{LoadKeyError, section};
use super::seed::{self, Seeded};
use crate::algorithm::{KeyTransport, ML_KEM_768, ML_KEM_1024};
use crate::crypto::{
    CryptoError, DecapsulateRequest, DecryptingKey, Encapsulation, KeyError, SecretBytes, SecureRandom, UnwrapRequest,
};

/// An ML-KEM-768 or ML-KEM-1024 private key: it decapsulates secrets (RFC 9629).
///
/// A ciphertext that was changed gives another secret, not an error (FIPS 203 section 6.3). Cheap to clone; `Debug` shows
/// the parameter set only; wiped when the last clone goes.
#[derive(Clone)]
pub struct MlKemPrivateKey(Arc<Inner>);

struct Inner {
    key: Kind,
    public_key: Vec<u8>,
    rejection_secret: SecretBytes,
}

enum Kind {
    MlKem768(Box<DecapsulationKey768>),
    MlKem1024(Box<DecapsulationKey1024>),
}

impl MlKemPrivateKey {
    /// Reads a PrivateKeyInfo or OneAsymmetricKey (PKCS#8, RFC 5958, RFC 9935 section 6) in DER: a seed, or a seed
    /// beside its expanded key.
    ///
    /// # Errors
    /// [`LoadKeyError`] if it is malformed, encrypted, of another algorithm or without seed.
    #[allow(deprecated)] // An expanded key is made to be compared, never to be used.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, LoadKeyError> {
        use ::ml_kem::ExpandedKeyEncoding;
        let seeded = Seeded::read(der, &[ML_KEM_768, ML_KEM_1024])?;
        let mut seed = Seed::try_from(seeded.seed).map_err(|_| LoadKeyError::Malformed)?;
        let (key, public, expanded) = if seeded.algorithm == ML_KEM_768 {
            let key = Box::new(DecapsulationKey768::from_seed(seed));
            let (public, expanded) = (key.encapsulation_key().to_bytes().to_vec(), key.to_expanded_bytes().to_vec());
            (Kind::MlKem768(key), public, expanded)
        } else {
            let key = Box::new(DecapsulationKey1024::from_seed(seed));
            let (public, expanded) = (key.encapsulation_key().to_bytes().to_vec(), key.to_expanded_bytes().to_vec());
            (Kind::MlKem1024(key), public, expanded)
        };
        seed.zeroize();
        if !seeded.agrees_with(&Zeroizing::new(expanded)) {
            return Err(LoadKeyError::Malformed);
        }
        let public_key = seed::spki_der(seeded.algorithm, &public).ok_or(LoadKeyError::Malformed)?;
        let rejection_secret = Sha256::new()
            .chain_update(b"as2-protocol ML-KEM rejection secret 1")
            .chain_update(&public_key)
            .chain_update(seeded.seed)
            .finalize();
        let rejection_secret = SecretBytes::new(rejection_secret.to_vec());
        Ok(Self(Arc::new(Inner { key, public_key, rejection_secret })))
    }

    /// Reads the first `PRIVATE KEY` section of a PEM text (RFC 7468 section 10).
    ///
    /// # Errors
    /// [`LoadKeyError`] if there is none or it cannot be used.
    pub fn from_pkcs8_pem(pem: &[u8]) -> Result<Self, LoadKeyError> {
        Self::from_pkcs8_der(&section(pem, SectionKind::PrivateKey)?)
    }

    fn kem(&self) -> KeyTransport {
        match self.0.key {
            Kind::MlKem768(_) => KeyTransport::MlKem768,
            Kind::MlKem1024(_) => KeyTransport::MlKem1024,
        }
    }
}

impl fmt::Debug for MlKemPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MlKemPrivateKey").field("kem", &self.kem().name()).finish_non_exhaustive()
    }
}

impl DecryptingKey for MlKemPrivateKey {
    fn public_key(&self) -> &[u8] {
        &self.0.public_key
    }

    fn unwrap_key(&self, _: &UnwrapRequest) -> Result<SecretBytes, KeyError> {
        Err(KeyError::Unsupported)
    }

    fn decapsulate(&self, request: &DecapsulateRequest) -> Result<SecretBytes, KeyError> {
        if request.kem != self.kem() {
            return Err(KeyError::Unsupported);
        }
        match &self.0.key {
            Kind::MlKem768(key) => decapsulated(&**key, &request.ciphertext),
            Kind::MlKem1024(key) => decapsulated(&**key, &request.ciphertext),
        }
        .ok_or(KeyError::Rejected)
    }

    fn rejection_secret(&self) -> &[u8] {
        self.0.rejection_secret.as_bytes()
    }
}

/// `None` for a ciphertext of another length.
fn decapsulated<K: Decapsulate<Kem: Kem<SharedKeySize = ::ml_kem::array::sizes::U32>>>(
    key: &K,
    ciphertext: &[u8],
) -> Option<SecretBytes> {
    let ciphertext = Ciphertext::<K::Kem>::try_from(ciphertext).ok()?;
    Some(secret_bytes(key.decapsulate(&ciphertext)))
}

fn secret_bytes(mut secret: SharedKey) -> SecretBytes {
    let bytes = SecretBytes::new(secret.to_vec());
    secret.zeroize();
    bytes
}

/// A new secret, encapsulated for the holder of a SubjectPublicKeyInfo.
pub(super) fn encapsulate(
    kem: KeyTransport,
    spki_der: &[u8],
    random: &dyn SecureRandom,
) -> Result<Encapsulation, CryptoError> {
    let spki = SubjectPublicKeyInfoRef::from_der(spki_der).map_err(|_| CryptoError::InvalidKey)?;
    let mut message = Zeroizing::new(B32::default());
    random.fill(&mut message)?;
    match kem {
        KeyTransport::MlKem768 => {
            let key = seed::public_key(&spki, ML_KEM_768).and_then(|key| key.try_into().ok());
            let key = key.and_then(|key| EncapsulationKey768::new(key).ok()).ok_or(CryptoError::InvalidKey)?;
            let (ciphertext, secret) = key.encapsulate_deterministic(&message);
            Ok(Encapsulation::new(ciphertext.to_vec(), secret_bytes(secret)))
        }
        KeyTransport::MlKem1024 => {
            let key = seed::public_key(&spki, ML_KEM_1024).and_then(|key| key.try_into().ok());
            let key = key.and_then(|key| EncapsulationKey1024::new(key).ok()).ok_or(CryptoError::InvalidKey)?;
            let (ciphertext, secret) = key.encapsulate_deterministic(&message);
            Ok(Encapsulation::new(ciphertext.to_vec(), secret_bytes(secret)))
        }
        _ => Err(CryptoError::Unsupported),
    }
}
