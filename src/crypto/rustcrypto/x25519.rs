//! X25519 private keys held in this process (RFC 7748, RFC 8410).

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::pem::SectionKind;
use x25519_dalek::{PublicKey, StaticSecret};

use super::ec_agree::rejection_secret;
use super::ecdh::x25519_secret;
use super::load::{LoadKeyError, private_key_info, section};
use crate::algorithm::EcdhGroup;
use crate::crypto::exchange::spki_der;
use crate::crypto::{AgreeRequest, DecryptingKey, KeyError, SecretBytes, UnwrapRequest};

/// An X25519 private key: it agrees on secrets (RFC 8418).
///
/// Cheap to clone; `Debug` shows nothing; wiped when the last clone goes.
///
/// ```
/// use as2_protocol::EcdhGroup;
/// use as2_protocol::crypto::{AgreeRequest, DecryptingKey, KeyError, X25519PrivateKey};
/// # let pem = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/encryption/keys/x25519.key"));
/// let key = X25519PrivateKey::from_pkcs8_pem(pem)?;
/// let peer = AgreeRequest::new(EcdhGroup::X25519, [9; 32].to_vec());
/// assert_eq!(key.agree(&peer)?.len(), 32);
/// let of_small_order = AgreeRequest::new(EcdhGroup::X25519, [0; 32].to_vec());
/// assert_eq!(key.agree(&of_small_order).unwrap_err(), KeyError::Rejected);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct X25519PrivateKey(Arc<Inner>);

struct Inner {
    scalar: StaticSecret,
    public_key: Vec<u8>,
    rejection_secret: SecretBytes,
}

impl X25519PrivateKey {
    /// Reads a PrivateKeyInfo or OneAsymmetricKey (PKCS#8, RFC 5958, RFC 8410 section 7) in DER.
    ///
    /// # Errors
    /// [`LoadKeyError`] if it is malformed, encrypted or of another algorithm.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, LoadKeyError> {
        let (algorithm, _) = EcdhGroup::X25519.oids();
        let info = private_key_info(der, &[algorithm])?;
        // CurvePrivateKey ::= OCTET STRING
        let scalar = info.private_key.as_bytes().strip_prefix(&[4, 32]).and_then(|octets| octets.try_into().ok());
        let scalar = StaticSecret::from(<[u8; 32]>::clone(scalar.ok_or(LoadKeyError::Malformed)?));
        let public_key = spki_der(EcdhGroup::X25519, PublicKey::from(&scalar).as_bytes());
        let rejection_secret = rejection_secret(&public_key, scalar.as_bytes());
        Ok(Self(Arc::new(Inner { scalar, public_key, rejection_secret })))
    }

    /// Reads the first `PRIVATE KEY` section of a PEM text (RFC 7468 section 10).
    ///
    /// # Errors
    /// [`LoadKeyError`] if there is none or it cannot be used.
    pub fn from_pkcs8_pem(pem: &[u8]) -> Result<Self, LoadKeyError> {
        Self::from_pkcs8_der(&section(pem, SectionKind::PrivateKey)?)
    }
}

impl fmt::Debug for X25519PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("X25519PrivateKey").finish_non_exhaustive()
    }
}

impl DecryptingKey for X25519PrivateKey {
    fn public_key(&self) -> &[u8] {
        &self.0.public_key
    }

    fn unwrap_key(&self, _: &UnwrapRequest) -> Result<SecretBytes, KeyError> {
        Err(KeyError::Unsupported)
    }

    fn agree(&self, request: &AgreeRequest) -> Result<SecretBytes, KeyError> {
        if request.group != EcdhGroup::X25519 {
            return Err(KeyError::Unsupported);
        }
        x25519_secret(self.0.scalar.as_bytes(), &request.public_key).ok_or(KeyError::Rejected)
    }

    fn rejection_secret(&self) -> &[u8] {
        self.0.rejection_secret.as_bytes()
    }
}
