//! AES-GCM by libraries that take the whole content at once, in the place of one that takes pieces.

use super::{ContentDecryptor, ContentEncryptor, Tag, TagMismatch};

/// An AEAD with a nonce of 12 octets and a tag of 16, over a buffer that holds all of the content.
pub(super) trait OneShot: Send {
    /// Encrypts in place; `None` if that failed.
    fn seal(&self, nonce: [u8; 12], aad: &[u8], content: &mut [u8]) -> Option<[u8; 16]>;

    /// Decrypts in place; whether the tag was good.
    fn open(&self, nonce: [u8; 12], aad: &[u8], content: &mut [u8], tag: &[u8; 16]) -> bool;
}

/// An encryption or decryption that has not begun: all at once by `aead`, or in pieces by `pieces`.
pub(super) struct Whole<K, P: ?Sized> {
    pub(super) aead: K,
    pub(super) nonce: [u8; 12],
    pub(super) aad: Vec<u8>,
    pub(super) pieces: Box<P>,
}

/// Whether GCM may take so much under one nonce (SP 800-38D section 5.2.1.1): not every library counts its blocks.
fn is_bounded(content: &[u8]) -> bool {
    u64::try_from(content.len()).is_ok_and(|len| len <= (1 << 36) - 32)
}

impl<K: OneShot> ContentEncryptor for Whole<K, dyn ContentEncryptor> {
    fn block_len(&self) -> usize {
        self.pieces.block_len()
    }

    fn update(&mut self, octets: &mut [u8]) {
        self.pieces.update(octets);
    }

    fn finish(self: Box<Self>) -> Tag {
        self.pieces.finish()
    }

    fn seals_whole(&self) -> bool {
        true
    }

    fn seal(self: Box<Self>, content: &mut [u8]) -> Tag {
        if !is_bounded(content) {
            return self.pieces.seal(content);
        }
        match self.aead.seal(self.nonce, &self.aad, content) {
            Some(tag) => tag.into(),
            None => {
                // Only content beyond what GCM may take fails, which the caller never hands over. What half an
                // encryption left behind must not leave: neither plaintext nor keystream that is used again.
                content.fill(0);
                Tag::from([0; 16])
            }
        }
    }
}

impl<K: OneShot> ContentDecryptor for Whole<K, dyn ContentDecryptor> {
    fn block_len(&self) -> usize {
        self.pieces.block_len()
    }

    fn update(&mut self, octets: &mut [u8]) {
        self.pieces.update(octets);
    }

    fn finish(self: Box<Self>, tag: &[u8]) -> Result<(), TagMismatch> {
        self.pieces.finish(tag)
    }

    fn open(self: Box<Self>, content: &mut [u8], tag: &[u8]) -> Result<(), TagMismatch> {
        // Shorter tags are rare (RFC 5084 section 3.2), and these libraries know none.
        let Some(tag) = tag.try_into().ok().filter(|_| is_bounded(content)) else {
            return self.pieces.open(content, tag);
        };
        if self.aead.open(self.nonce, &self.aad, content, tag) { Ok(()) } else { Err(TagMismatch) }
    }
}

#[cfg(test)]
mod tests {
    use crate::algorithm::CipherAlgorithm;
    use crate::crypto::{CryptoProvider, TagMismatch};

    fn providers() -> Vec<CryptoProvider> {
        vec![
            #[cfg(feature = "aws-lc-rs")]
            CryptoProvider::aws_lc_rs(),
            #[cfg(feature = "graviola")]
            CryptoProvider::graviola(),
        ]
    }

    const GCM: [CipherAlgorithm; 2] = [CipherAlgorithm::Aes128Gcm, CipherAlgorithm::Aes256Gcm];

    #[test]
    fn what_is_sealed_at_once_is_what_is_encrypted_in_pieces() {
        let plain = CryptoProvider::rustcrypto();
        for (provider, cipher) in
            providers().into_iter().flat_map(|provider| GCM.map(|cipher| (provider.clone(), cipher)))
        {
            let key = vec![0x42; cipher.key_len()];
            let encryptor =
                |of: &CryptoProvider| of.ciphers().encryptor(cipher, &key, &[7; 12], b"attributes").unwrap();
            let decryptor =
                |of: &CryptoProvider| of.ciphers().decryptor(cipher, &key, &[7; 12], b"attributes").unwrap();
            assert!(encryptor(&provider).seals_whole() && !encryptor(&plain).seals_whole());
            for len in (0..70).chain([255, 4096, 100_003]) {
                let content: Vec<u8> = (0..=250).cycle().take(len).collect();
                let (mut sealed, mut expected) = (content.clone(), content.clone());
                let tag = encryptor(&provider).seal(&mut sealed);
                let mut pieces = encryptor(&plain);
                expected.chunks_mut(33).for_each(|chunk| pieces.update(chunk));
                assert_eq!((&sealed, tag), (&expected, pieces.finish()), "{cipher} {len}");
                let mut opened = sealed.clone();
                assert_eq!(decryptor(&provider).open(&mut opened, tag.as_bytes()), Ok(()));
                assert_eq!(opened, content);
                // Tags of 12 octets are good ones, of 11 are not.
                let mut opened = sealed.clone();
                assert_eq!(decryptor(&provider).open(&mut opened, &tag.as_bytes()[..12]), Ok(()));
                assert_eq!(opened, content);
                let short = decryptor(&provider).open(&mut sealed.clone(), &tag.as_bytes()[..11]);
                assert_eq!(short, Err(TagMismatch));
            }
        }
    }

    #[test]
    fn x16_changed_content_tags_and_attributes_are_refused() {
        for provider in providers() {
            let key = [0x42; 32];
            let (cipher, ciphers) = (CipherAlgorithm::Aes256Gcm, provider.ciphers());
            let mut sealed = vec![9; 100];
            let tag = ciphers.encryptor(cipher, &key, &[7; 12], b"a").unwrap().seal(&mut sealed);
            let open = |aad: &[u8], content: &[u8], tag: &[u8]| {
                ciphers.decryptor(cipher, &key, &[7; 12], aad).unwrap().open(&mut content.to_vec(), tag)
            };
            assert_eq!(open(b"a", &sealed, tag.as_bytes()), Ok(()));
            assert_eq!(open(b"b", &sealed, tag.as_bytes()), Err(TagMismatch));
            assert_eq!(open(b"a", &sealed[1..], tag.as_bytes()), Err(TagMismatch));
            for place in 0..116 {
                let (mut content, mut tag) = (sealed.clone(), tag.as_bytes().to_vec());
                *content.iter_mut().chain(tag.iter_mut()).nth(place).unwrap() ^= 0x10;
                assert_eq!(open(b"a", &content, &tag), Err(TagMismatch), "{place}");
            }
        }
    }

    #[test]
    fn other_ciphers_and_nonces_stay_with_rustcrypto() {
        for provider in providers() {
            let other = |cipher: CipherAlgorithm, iv: &[u8]| {
                provider.ciphers().encryptor(cipher, &vec![1; cipher.key_len()], iv, b"").unwrap().seals_whole()
            };
            assert!(!other(CipherAlgorithm::Aes256Gcm, &[1; 16]));
            assert!(!other(CipherAlgorithm::ChaCha20Poly1305, &[1; 12]));
            assert!(!other(CipherAlgorithm::Aes256Cbc, &[1; 16]));
        }
    }
}
