//! AES-GCM over content that is at hand as a whole.

use std::sync::Arc;

use graviola::aead::AesGcm;

use crate::algorithm::CipherAlgorithm;
use crate::crypto::whole::{OneShot, Whole};
use crate::crypto::{CipherProvider, ContentDecryptor, ContentEncryptor, CryptoError};

/// Everything but AES-128-GCM and AES-256-GCM with nonces of 12 octets is left to the backend inside.
pub(super) struct Ciphers(pub(super) Arc<dyn CipherProvider>);

impl CipherProvider for Ciphers {
    fn encryptor(
        &self,
        algorithm: CipherAlgorithm,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
    ) -> Result<Box<dyn ContentEncryptor>, CryptoError> {
        self.0.encryptor(algorithm, key, iv, aad)
    }

    fn decryptor(
        &self,
        algorithm: CipherAlgorithm,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
    ) -> Result<Box<dyn ContentDecryptor>, CryptoError> {
        let pieces = self.0.decryptor(algorithm, key, iv, aad)?;
        Ok(match aead(algorithm, key).zip(iv.try_into().ok()) {
            Some((aead, nonce)) => Box::new(Whole { aead, nonce, aad: aad.to_vec(), pieces }),
            None => pieces,
        })
    }
}

/// graviola has no AES-192, and panics at a key of another length than it knows.
fn aead(algorithm: CipherAlgorithm, key: &[u8]) -> Option<AesGcm> {
    let known = matches!(algorithm, CipherAlgorithm::Aes128Gcm | CipherAlgorithm::Aes256Gcm);
    (known && key.len() == algorithm.key_len()).then(|| AesGcm::new(key))
}

impl OneShot for AesGcm {
    fn open(&self, nonce: [u8; 12], aad: &[u8], content: &mut [u8], tag: &[u8; 16]) -> bool {
        self.decrypt(&nonce, aad, content, tag).is_ok()
    }
}
