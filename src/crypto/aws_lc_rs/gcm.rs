//! AES-GCM over content that is at hand as a whole.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::algorithm::CipherAlgorithm;
use crate::crypto::whole::{OneShot, Whole};
use crate::crypto::{CipherProvider, ContentDecryptor, ContentEncryptor, CryptoError};

/// Everything but AES-GCM with nonces of 12 octets is left to the backend inside.
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

fn aead(algorithm: CipherAlgorithm, key: &[u8]) -> Option<LessSafeKey> {
    let algorithm = match algorithm {
        CipherAlgorithm::Aes128Gcm => &AES_128_GCM,
        CipherAlgorithm::Aes192Gcm => &AES_192_GCM,
        CipherAlgorithm::Aes256Gcm => &AES_256_GCM,
        _ => return None,
    };
    UnboundKey::new(algorithm, key).ok().map(LessSafeKey::new)
}

impl OneShot for LessSafeKey {
    fn open(&self, nonce: [u8; 12], aad: &[u8], content: &mut [u8], tag: &[u8; 16]) -> bool {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.open_in_place_separate_tag(nonce, Aad::from(aad), tag, content).is_ok()
    }
}
