//! ChaCha20 with Poly1305 in pieces of any length (RFC 8439 section 2.8).

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use poly1305::Poly1305;
use poly1305::universal_hash::{KeyInit, UniversalHash};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::hashed::{Hashed, len_u64};
use super::turns::Turns;
use crate::crypto::{ContentDecryptor, ContentEncryptor, CryptoError, DigestContext, Tag, TagMismatch};

/// Octets that are enciphered and hashed in turn: they stay in the first-level cache in between.
const STRIDE: usize = 8 << 10;

/// Octets of keystream that the one-time key of Poly1305 takes: one block.
const KEY_BLOCK: u64 = 64;

/// Encryption or decryption under way; which of the two is told by the trait that is used.
pub(super) struct ChaChaPoly {
    keystream: ChaCha20,
    /// No more keystream: the counter has 32 bits.
    exhausted: bool,
    mac: Hashed<Poly1305>,
    aad_len: u64,
}

impl ChaChaPoly {
    pub(super) fn new(key: &[u8], nonce: &[u8], aad: &[u8]) -> Result<Self, CryptoError> {
        let mut keystream = ChaCha20::new_from_slices(key, nonce).map_err(|_| CryptoError::InvalidParameters)?;
        let mut mac_key = Zeroizing::new([0; 32]);
        keystream.apply_keystream(&mut *mac_key);
        keystream.seek(KEY_BLOCK);
        let mut mac = Poly1305::new_from_slice(&*mac_key).map_err(|_| CryptoError::InvalidKey)?;
        mac.update_padded(aad);
        Ok(Self { keystream, exhausted: false, mac: Hashed::new(mac), aad_len: len_u64(aad) })
    }

    /// Past the last block of keystream, zeros come out: never plaintext, never keystream that was used before.
    fn apply_keystream(&mut self, octets: &mut [u8]) {
        self.exhausted |= self.keystream.try_apply_keystream(octets).is_err();
        if self.exhausted {
            octets.fill(0);
        }
    }

    fn tag(self) -> [u8; 16] {
        let aad = u128::from(self.aad_len);
        self.mac.finish(|content| (u128::from(content) << 64 | aad).to_le_bytes())
    }
}

impl ContentEncryptor for ChaChaPoly {
    fn block_len(&self) -> usize {
        1
    }

    fn update(&mut self, octets: &mut [u8]) {
        for stride in octets.chunks_mut(STRIDE) {
            self.apply_keystream(stride);
            self.mac.update(stride);
        }
    }

    fn digest_and_update(&mut self, digest: &mut dyn DigestContext, digested: &[u8], octets: &mut [u8]) {
        let mut turns = Turns::start(digest, digested);
        for stride in octets.chunks_mut(STRIDE) {
            self.apply_keystream(stride);
            self.mac.update_in_turns(stride, &mut turns);
        }
        turns.finish();
    }

    fn finish(self: Box<Self>) -> Tag {
        (*self).tag().into()
    }
}

impl ContentDecryptor for ChaChaPoly {
    fn block_len(&self) -> usize {
        1
    }

    fn update(&mut self, octets: &mut [u8]) {
        for stride in octets.chunks_mut(STRIDE) {
            self.mac.update(stride);
            self.apply_keystream(stride);
        }
    }

    fn digest_and_update(&mut self, digest: &mut dyn DigestContext, digested: &[u8], octets: &mut [u8]) {
        let mut turns = Turns::start(digest, digested);
        for stride in octets.chunks_mut(STRIDE) {
            self.mac.update_in_turns(stride, &mut turns);
            self.apply_keystream(stride);
        }
        turns.finish();
    }

    fn finish(self: Box<Self>, tag: &[u8]) -> Result<(), TagMismatch> {
        let exhausted = self.exhausted;
        let same: bool = (*self).tag().ct_eq(tag).into();
        if same && !exhausted { Ok(()) } else { Err(TagMismatch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::hex;

    /// RFC 8439 section 2.8.2.
    const PLAIN: &[u8] = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
    const AAD: &str = "50515253c0c1c2c3c4c5c6c7";
    const NONCE: &str = "070000004041424344454647";
    const CIPHERTEXT: &str = "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6\
                              3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36\
                              92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc\
                              3ff4def08e4b7a9de576d26586cec64b6116";
    const TAG: &str = "1ae10b594f09e26a7e902ecbd0600691";

    fn cipher() -> Box<ChaChaPoly> {
        let key: Vec<u8> = (0x80..0xa0).collect();
        Box::new(ChaChaPoly::new(&key, &hex(NONCE), &hex(AAD)).unwrap())
    }

    #[test]
    fn the_example_of_the_rfc_in_pieces_of_every_length() {
        for step in 1..=PLAIN.len() {
            let (mut octets, mut encryptor) = (PLAIN.to_vec(), cipher());
            octets.chunks_mut(step).for_each(|chunk| ContentEncryptor::update(&mut *encryptor, chunk));
            assert_eq!(octets, hex(CIPHERTEXT), "by {step}");
            assert_eq!(ContentEncryptor::finish(encryptor).as_bytes(), hex(TAG), "by {step}");
            let mut decryptor = cipher();
            octets.chunks_mut(step).for_each(|chunk| ContentDecryptor::update(&mut *decryptor, chunk));
            assert_eq!(octets, PLAIN);
            assert_eq!(ContentDecryptor::finish(decryptor, &hex(TAG)), Ok(()));
        }
    }

    #[test]
    fn a_tag_is_whole_or_nothing() {
        let finish = |tag: &[u8]| {
            let (mut octets, mut decryptor) = (hex(CIPHERTEXT), cipher());
            ContentDecryptor::update(&mut *decryptor, &mut octets);
            ContentDecryptor::finish(decryptor, tag)
        };
        let tag = hex(TAG);
        for bit in 0..128 {
            let mut changed = tag.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(finish(&changed), Err(TagMismatch));
        }
        for len in 0..16 {
            assert_eq!(finish(&tag[..len]), Err(TagMismatch));
        }
        assert_eq!(finish(&[&tag[..], &[0]].concat()), Err(TagMismatch));
    }

    #[test]
    fn exhausted_keystream_yields_zeros_and_a_bad_tag() {
        let mut decryptor = cipher();
        decryptor.keystream.seek(KEY_BLOCK * u64::from(u32::MAX));
        let mut octets = [7; 200];
        ContentDecryptor::update(&mut *decryptor, &mut octets);
        assert_eq!(octets, [0; 200]);
        assert!(decryptor.exhausted);
        assert_eq!(ContentDecryptor::finish(decryptor, &[0; 16]), Err(TagMismatch));
    }
}
