//! AES-GCM decryption by libraries that take the whole content at once, in the place of one that takes pieces.
//!
//! What is encrypted mostly comes in pieces, between layers and for streams alike.

use std::sync::Arc;

use super::{CipherProvider, ContentDecryptor, ContentEncryptor, CryptoError, DigestContext, TagMismatch};
use crate::algorithm::CipherAlgorithm;

/// An AEAD with a nonce of 12 octets and a tag of 16, over a buffer that holds all of the content.
pub(super) trait OneShot: Send + Sync {
    /// Decrypts in place; whether the tag was good.
    fn open(&self, nonce: [u8; 12], aad: &[u8], content: &mut [u8], tag: &[u8; 16]) -> bool;
}

/// Ciphers of which some GCM decryptions are taken over; everything else is left to the backend inside.
pub(super) struct Ciphers<K> {
    pub(super) inner: Arc<dyn CipherProvider>,
    /// The key for an algorithm that the library takes, with nonces of 12 octets.
    pub(super) aead: fn(CipherAlgorithm, &[u8]) -> Option<K>,
}

impl<K: OneShot + 'static> CipherProvider for Ciphers<K> {
    fn encryptor(
        &self,
        algorithm: CipherAlgorithm,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
    ) -> Result<Box<dyn ContentEncryptor>, CryptoError> {
        self.inner.encryptor(algorithm, key, iv, aad)
    }

    fn decryptor(
        &self,
        algorithm: CipherAlgorithm,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
    ) -> Result<Box<dyn ContentDecryptor>, CryptoError> {
        let pieces = self.inner.decryptor(algorithm, key, iv, aad)?;
        Ok(match (self.aead)(algorithm, key).zip(iv.try_into().ok()) {
            Some((aead, nonce)) => Box::new(Whole { aead, nonce, aad: aad.to_vec(), pieces }),
            None => pieces,
        })
    }
}

/// A decryption that has not begun: all at once by `aead`, or in pieces by `pieces`.
struct Whole<K> {
    aead: K,
    nonce: [u8; 12],
    aad: Vec<u8>,
    pieces: Box<dyn ContentDecryptor>,
}

/// Whether GCM may take so much under one nonce (SP 800-38D section 5.2.1.1): not every library counts its blocks.
fn is_bounded(content: &[u8]) -> bool {
    u64::try_from(content.len()).is_ok_and(|len| len <= (1 << 36) - 32)
}

impl<K: OneShot> ContentDecryptor for Whole<K> {
    fn block_len(&self) -> usize {
        self.pieces.block_len()
    }

    fn update(&mut self, octets: &mut [u8]) {
        self.pieces.update(octets);
    }

    fn digest_and_update(&mut self, digest: &mut dyn DigestContext, digested: &[u8], blocks: &mut [u8]) {
        self.pieces.digest_and_update(digest, digested, blocks);
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
    use crate::crypto::{CryptoProvider, Tag, TagMismatch};

    fn providers() -> Vec<CryptoProvider> {
        vec![
            #[cfg(feature = "aws-lc-rs")]
            CryptoProvider::aws_lc_rs(),
            #[cfg(feature = "graviola")]
            CryptoProvider::graviola(),
        ]
    }

    const GCM: [CipherAlgorithm; 2] = [CipherAlgorithm::Aes128Gcm, CipherAlgorithm::Aes256Gcm];

    /// Encrypts in place, in pieces.
    fn encrypted(provider: &CryptoProvider, key: &[u8], aad: &[u8], content: &mut [u8]) -> Tag {
        let cipher = GCM.into_iter().find(|cipher| cipher.key_len() == key.len()).unwrap();
        let mut encryptor = provider.ciphers().encryptor(cipher, key, &[7; 12], aad).unwrap();
        content.chunks_mut(33).for_each(|chunk| encryptor.update(chunk));
        encryptor.finish()
    }

    #[test]
    fn what_is_opened_at_once_is_what_was_encrypted_in_pieces() {
        let plain = CryptoProvider::rustcrypto();
        for (provider, cipher) in
            providers().into_iter().flat_map(|provider| GCM.map(|cipher| (provider.clone(), cipher)))
        {
            let key = vec![0x42; cipher.key_len()];
            let decryptor = || provider.ciphers().decryptor(cipher, &key, &[7; 12], b"attributes").unwrap();
            for len in (0..70).chain([255, 4096, 100_003]) {
                let content: Vec<u8> = (0..=250).cycle().take(len).collect();
                let (mut sealed, mut expected) = (content.clone(), content.clone());
                let tag = encrypted(&provider, &key, b"attributes", &mut sealed);
                let other = encrypted(&plain, &key, b"attributes", &mut expected);
                assert_eq!((&sealed, tag), (&expected, other), "{cipher} {len}");
                // Tags of 12 octets are good ones, of 11 are not.
                for tag_len in [16, 12] {
                    let mut opened = sealed.clone();
                    assert_eq!(decryptor().open(&mut opened, &tag.as_bytes()[..tag_len]), Ok(()));
                    assert_eq!(opened, content);
                    let (mut opened, mut pieces) = (sealed.clone(), decryptor());
                    opened.chunks_mut(17).for_each(|chunk| pieces.update(chunk));
                    assert_eq!(pieces.finish(&tag.as_bytes()[..tag_len]), Ok(()));
                    assert_eq!(opened, content);
                }
                let short = decryptor().open(&mut sealed.clone(), &tag.as_bytes()[..11]);
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
            let tag = encrypted(&provider, &key, b"a", &mut sealed);
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
        let cases = [
            (CipherAlgorithm::Aes256Gcm, vec![1; 16]),
            (CipherAlgorithm::ChaCha20Poly1305, vec![1; 12]),
            (CipherAlgorithm::Aes256Cbc, vec![1; 16]),
        ];
        for (provider, (cipher, iv)) in
            providers().into_iter().flat_map(|provider| cases.clone().map(|case| (provider.clone(), case)))
        {
            let key = vec![1; cipher.key_len()];
            let mut sealed = vec![5; 64];
            let mut encryptor = CryptoProvider::rustcrypto().ciphers().encryptor(cipher, &key, &iv, b"").unwrap();
            encryptor.update(&mut sealed);
            let tag = encryptor.finish();
            let decryptor = provider.ciphers().decryptor(cipher, &key, &iv, b"").unwrap();
            assert_eq!(decryptor.open(&mut sealed, tag.as_bytes()), Ok(()), "{cipher}");
            assert_eq!(sealed, [5; 64], "{cipher}");
        }
    }
}
