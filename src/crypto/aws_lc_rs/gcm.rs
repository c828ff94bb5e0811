//! AES-GCM over content that is at hand as a whole.

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::algorithm::CipherAlgorithm;
use crate::crypto::whole::OneShot;

pub(super) fn aead(algorithm: CipherAlgorithm, key: &[u8]) -> Option<LessSafeKey> {
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
