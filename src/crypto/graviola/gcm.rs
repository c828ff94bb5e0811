//! AES-GCM over content that is at hand as a whole.

use graviola::aead::AesGcm;

use crate::algorithm::CipherAlgorithm;
use crate::crypto::whole::OneShot;

/// graviola has no AES-192, and panics at a key of another length than it knows.
pub(super) fn aead(algorithm: CipherAlgorithm, key: &[u8]) -> Option<AesGcm> {
    let known = matches!(algorithm, CipherAlgorithm::Aes128Gcm | CipherAlgorithm::Aes256Gcm);
    (known && key.len() == algorithm.key_len()).then(|| AesGcm::new(key))
}

impl OneShot for AesGcm {
    fn open(&self, nonce: [u8; 12], aad: &[u8], content: &mut [u8], tag: &[u8; 16]) -> bool {
        self.decrypt(&nonce, aad, content, tag).is_ok()
    }
}
