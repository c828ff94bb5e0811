//! Ed25519 private keys held in this process, and their signatures (RFC 8032, RFC 8410, RFC 8419).

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::{Signer, VerifyingKey};
use rustls_pki_types::pem::SectionKind;

use super::load::{LoadKeyError, private_key_info, section};
use crate::algorithm::SignatureScheme;
use crate::crypto::{KeyError, SignRequest, SigningKey, VerifyError};

/// id-Ed25519 (RFC 8410 section 3).
pub(super) const ED25519: const_oid::ObjectIdentifier = const_oid::ObjectIdentifier::new_unwrap("1.3.101.112");

/// What stands before the 32 octets of the key in its SubjectPublicKeyInfo (RFC 8410 section 4).
const SPKI_HEAD: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// An Ed25519 private key. It signs the message itself, so that [`SignRequest::message`] must be there.
///
/// Signatures are deterministic. Cheap to clone; `Debug` shows nothing; wiped when the last clone goes.
///
/// ```
/// use as2_protocol::crypto::{DigestValue, Ed25519PrivateKey, KeyError, SignRequest, SigningKey};
/// use as2_protocol::SignatureScheme;
/// # let pem = b"-----BEGIN PRIVATE KEY-----\n\
/// # MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
/// let key = Ed25519PrivateKey::from_pkcs8_pem(pem)?;
/// let request = SignRequest::new(SignatureScheme::Ed25519, DigestValue::sha512([0; 64]));
/// assert_eq!(key.sign(&request), Err(KeyError::NeedsMessage));
/// assert_eq!(key.sign(&request.with_message(&b"signed attributes"[..]))?.len(), 64);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Ed25519PrivateKey(Arc<Inner>);

struct Inner {
    key: ed25519_dalek::SigningKey,
    public_key: Vec<u8>,
}

impl Ed25519PrivateKey {
    /// Reads a PrivateKeyInfo or OneAsymmetricKey (PKCS#8, RFC 5958, RFC 8410 section 7) in DER.
    ///
    /// # Errors
    /// [`LoadKeyError`] if it is malformed, encrypted or of another algorithm.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, LoadKeyError> {
        let info = private_key_info(der, &[ED25519])?;
        let key = ed25519_dalek::SigningKey::try_from(info).map_err(|_| LoadKeyError::Malformed)?;
        let public_key = [SPKI_HEAD, key.verifying_key().as_bytes()].concat();
        Ok(Self(Arc::new(Inner { key, public_key })))
    }

    /// Reads the first `PRIVATE KEY` section of a PEM text (RFC 7468 section 10).
    ///
    /// # Errors
    /// [`LoadKeyError`] if there is none or it cannot be used.
    pub fn from_pkcs8_pem(pem: &[u8]) -> Result<Self, LoadKeyError> {
        Self::from_pkcs8_der(&section(pem, SectionKind::PrivateKey)?)
    }
}

impl fmt::Debug for Ed25519PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519PrivateKey").finish_non_exhaustive()
    }
}

impl SigningKey for Ed25519PrivateKey {
    fn public_key(&self) -> &[u8] {
        &self.0.public_key
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::Ed25519]
    }

    fn signature_len(&self, scheme: SignatureScheme) -> Option<usize> {
        (scheme == SignatureScheme::Ed25519).then_some(ed25519_dalek::SIGNATURE_LENGTH)
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>, KeyError> {
        if request.scheme != SignatureScheme::Ed25519 {
            return Err(KeyError::Unsupported);
        }
        let message = request.message.as_ref().ok_or(KeyError::NeedsMessage)?;
        Ok(self.0.key.sign(message).to_bytes().to_vec())
    }
}

/// Verifies a signature over the message itself. Keys of small order, for which anything verifies, are refused, and
/// so are signatures that are not the only encoding of their numbers.
pub(super) fn verify(
    spki: &pkcs8::SubjectPublicKeyInfoRef<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    let algorithm_ok = spki.algorithm.oid == ED25519 && spki.algorithm.parameters.is_none();
    let octets = algorithm_ok.then(|| spki.subject_public_key.as_bytes()).flatten();
    let octets = octets.and_then(|octets| octets.try_into().ok()).ok_or(VerifyError::InvalidKey)?;
    let key = VerifyingKey::from_bytes(octets).map_err(|_| VerifyError::InvalidKey)?;
    if key.is_weak() {
        return Err(VerifyError::InvalidKey);
    }
    let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| VerifyError::InvalidSignature)?;
    key.verify_strict(message, &signature).map_err(|_| VerifyError::InvalidSignature)
}
