//! Content-encryption keys on their way to a recipient, as far as public keys go.

use const_oid::ObjectIdentifier;

#[cfg(doc)]
use super::OaepParameters;
use super::exchange::{Agreement, Encapsulation};
use super::{CryptoError, SecretBytes, SecureRandom};
use crate::algorithm::{EcdhGroup, KeyTransport};

/// Wrapping of content-encryption keys for a recipient (RFC 5652 section 6.2), and what key agreement needs beside
/// the private key.
///
/// Only [`wrap`](Self::wrap) must be there; a provider without the others does no key agreement.
pub trait KeyWrapper: Send + Sync {
    /// Encrypts `key` with RSA for the holder of `spki_der`, a SubjectPublicKeyInfo. OAEP has one digest in both places
    /// and no label ([`OaepParameters::usual`]).
    ///
    /// # Errors
    /// [`CryptoError`] if the public key is not usable, the transport is not provided or randomness fails.
    fn wrap(
        &self,
        transport: KeyTransport,
        spki_der: &[u8],
        key: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<Vec<u8>, CryptoError>;

    /// Makes an ephemeral key in `group` and agrees with the holder of `public_key`, encoded as in
    /// [`AgreeRequest::public_key`](super::AgreeRequest::public_key).
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] (the default) if the group is not provided, [`CryptoError::InvalidKey`] if the
    /// public key is none of the group or leads to a secret of zeros.
    fn agree(&self, group: EcdhGroup, public_key: &[u8], random: &dyn SecureRandom) -> Result<Agreement, CryptoError> {
        let _ = (group, public_key, random);
        Err(CryptoError::Unsupported)
    }

    /// Checks that a public key is in the group, and gives it without compression of its point.
    ///
    /// # Errors
    /// Those of [`agree`](Self::agree).
    fn check_public(&self, group: EcdhGroup, public_key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let _ = (group, public_key);
        Err(CryptoError::Unsupported)
    }

    /// Makes a secret and encapsulates it with `kem` for the holder of `spki_der`, a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] (the default) if the mechanism is not provided, [`CryptoError::InvalidKey`] if the
    /// public key is not one of it.
    fn encapsulate(
        &self,
        kem: KeyTransport,
        spki_der: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<Encapsulation, CryptoError> {
        let _ = (kem, spki_der, random);
        Err(CryptoError::Unsupported)
    }

    /// Derives `len` octets from a shared secret with the key derivation of `scheme`: that of ANSI X9.63 (SEC 1 section
    /// 3.6.1), or HKDF without salt (RFC 8418 section 2.2, RFC 9936 section 2.2.1).
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] (the default) if the scheme is not provided.
    fn derive(&self, scheme: KeyTransport, secret: &[u8], info: &[u8], len: usize) -> Result<SecretBytes, CryptoError> {
        let _ = (scheme, secret, info, len);
        Err(CryptoError::Unsupported)
    }

    /// Wraps `key` with another key.
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] (the default) if the algorithm is not provided, [`CryptoError::InvalidKey`] if a key
    /// has a length that it cannot have.
    fn wrap_with(&self, wrap: KeyWrap, wrapping: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let _ = (wrap, wrapping, key);
        Err(CryptoError::Unsupported)
    }

    /// Undoes [`wrap_with`](Self::wrap_with).
    ///
    /// # Errors
    /// As there; [`CryptoError::InvalidKey`] also if `wrapped` is not what was wrapped with this key.
    fn unwrap_with(&self, wrap: KeyWrap, wrapping: &[u8], wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
        let _ = (wrap, wrapping, wrapped);
        Err(CryptoError::Unsupported)
    }
}

/// Wrapping of keys with keys: AES key wrap (RFC 3394).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyWrap {
    /// With AES-128.
    Aes128,
    /// With AES-192.
    Aes192,
    /// With AES-256.
    Aes256,
}

impl KeyWrap {
    const ALL: [Self; 3] = [Self::Aes128, Self::Aes192, Self::Aes256];

    /// Octets of the wrapping key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// Bits of the wrapping key, as key derivation counts them.
    pub(crate) const fn key_bits(self) -> u32 {
        match self {
            Self::Aes128 => 128,
            Self::Aes192 => 192,
            Self::Aes256 => 256,
        }
    }

    /// The weakest one that is as strong as keys of `key_len` octets (RFC 5753 section 8).
    pub(crate) const fn for_key_len(key_len: usize) -> Self {
        match key_len {
            0..=16 => Self::Aes128,
            17..=24 => Self::Aes192,
            _ => Self::Aes256,
        }
    }

    pub(crate) const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Aes128 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.5"),
            Self::Aes192 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.25"),
            Self::Aes256 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.45"),
        }
    }

    pub(crate) fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|wrap| wrap.oid() == *oid)
    }
}

impl std::fmt::Display for KeyWrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "aes{}-wrap", self.key_bits())
    }
}
