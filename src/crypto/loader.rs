//! Private keys of files, made into keys that work with a backend.

use std::sync::Arc;

#[cfg(doc)]
use super::CryptoProvider;
use super::{DecryptingKey, LoadKeyError, SigningKey};

/// How a provider loads the private keys of files: [`CryptoProvider::key_loader`].
///
/// Both ways take a PrivateKeyInfo or OneAsymmetricKey (PKCS#8, RFC 5958) in DER that is not encrypted;
/// [`PrivateKey::into_signing_with`](crate::PrivateKey::into_signing_with) and
/// [`into_decrypting_with`](crate::PrivateKey::into_decrypting_with) come here with what was read from any file.
///
/// ```
/// use as2_protocol::{CryptoProvider, PrivateKey};
/// # let pem = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/worked/keys/alice-sign.key"));
/// let provider = CryptoProvider::rustcrypto(); // or another one
/// let key = PrivateKey::read(pem, None)?.into_signing_with(&provider)?;
/// assert_eq!(key.public_key().len(), 294);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub trait KeyLoader: Send + Sync {
    /// A key that signs.
    ///
    /// # Errors
    /// [`LoadKeyError`] if the key is malformed, encrypted, of an unusable size, or of an algorithm that does not sign.
    fn signing(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn SigningKey>, LoadKeyError>;

    /// A key that opens envelopes.
    ///
    /// # Errors
    /// [`LoadKeyError`] if the key is malformed, encrypted, of an unusable size, or of an algorithm that does not
    /// decrypt.
    fn decrypting(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn DecryptingKey>, LoadKeyError>;
}
