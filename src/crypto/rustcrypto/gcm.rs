//! AES-GCM in pieces of any length (SP 800-38D), from counter mode and GHASH.

use aes::cipher::{Array, BlockCipherEncrypt, BlockSizeUser, KeyInit, KeyIvInit, StreamCipher, consts::U16};
use ctr::Ctr32BE;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::hashed::{Hashed, len_u64};
use super::turns::Turns;
use crate::crypto::{ContentDecryptor, ContentEncryptor, CryptoError, DigestContext, Tag, TagMismatch};

/// Octets that are enciphered and hashed in turn: they stay in the first-level cache in between.
const STRIDE: usize = 8 << 10;

/// Encryption or decryption under way; which of the two is told by the trait that is used.
pub(super) struct Gcm<C>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    keystream: Ctr32BE<C>,
    /// The keystream block that the tag is masked with.
    mask: Zeroizing<[u8; 16]>,
    /// No more keystream: SP 800-38D allows 2^32 - 2 blocks per nonce.
    exhausted: bool,
    ghash: Hashed<GHash>,
    aad_len: u64,
}

impl<C> Gcm<C>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    pub(super) fn new(key: &[u8], nonce: &[u8], aad: &[u8]) -> Result<Self, CryptoError> {
        let cipher = C::new_from_slice(key).map_err(|_| CryptoError::InvalidKey)?;
        let mut subkey = Zeroizing::new([0; 16]);
        cipher.encrypt_block(Array::cast_from_core_mut(&mut subkey));
        let mut ghash = GHash::new(Array::cast_from_core(&subkey));
        let counter = first_counter(&ghash, nonce);
        let mut keystream = Ctr32BE::<C>::new_from_slices(key, &counter).map_err(|_| CryptoError::InvalidKey)?;
        let mut mask = Zeroizing::new([0; 16]);
        keystream.apply_keystream(&mut *mask);
        ghash.update_padded(aad);
        Ok(Self { keystream, mask, exhausted: false, ghash: Hashed::new(ghash), aad_len: len_u64(aad) })
    }
}

impl<C> Gcm<C>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    /// Past the last block of keystream, zeros come out: never plaintext, never keystream that was used before.
    fn apply_keystream(&mut self, octets: &mut [u8]) {
        self.exhausted |= self.keystream.try_apply_keystream(octets).is_err();
        if self.exhausted {
            octets.fill(0);
        }
    }

    fn tag(self) -> [u8; 16] {
        let mut tag = self.ghash.finish(|content| lengths(self.aad_len, content));
        tag.iter_mut().zip(self.mask.iter()).for_each(|(octet, mask)| *octet ^= mask);
        tag
    }
}

impl<C> ContentEncryptor for Gcm<C>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync,
{
    fn block_len(&self) -> usize {
        1
    }

    fn update(&mut self, octets: &mut [u8]) {
        for stride in octets.chunks_mut(STRIDE) {
            self.apply_keystream(stride);
            self.ghash.update(stride);
        }
    }

    fn digest_and_update(&mut self, digest: &mut dyn DigestContext, digested: &[u8], octets: &mut [u8]) {
        let mut turns = Turns::of_short_blocks(digest, digested);
        for stride in octets.chunks_mut(STRIDE) {
            self.apply_keystream(stride);
            self.ghash.update_in_turns(stride, &mut turns);
        }
        turns.finish();
    }

    fn finish(self: Box<Self>) -> Tag {
        (*self).tag().into()
    }
}

impl<C> ContentDecryptor for Gcm<C>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync,
{
    fn block_len(&self) -> usize {
        1
    }

    fn update(&mut self, octets: &mut [u8]) {
        for stride in octets.chunks_mut(STRIDE) {
            self.ghash.update(stride);
            self.apply_keystream(stride);
        }
    }

    fn digest_and_update(&mut self, digest: &mut dyn DigestContext, digested: &[u8], octets: &mut [u8]) {
        let mut turns = Turns::of_short_blocks(digest, digested);
        for stride in octets.chunks_mut(STRIDE) {
            self.ghash.update_in_turns(stride, &mut turns);
            self.apply_keystream(stride);
        }
        turns.finish();
    }

    fn finish(self: Box<Self>, tag: &[u8]) -> Result<(), TagMismatch> {
        let exhausted = self.exhausted;
        let expected = (*self).tag();
        // RFC 5084 section 3.2 allows tags of 12 to 16 octets, each the start of the whole one.
        let expected = expected.get(..tag.len()).filter(|tag| tag.len() >= 12).ok_or(TagMismatch)?;
        let same: bool = expected.ct_eq(tag).into();
        if same && !exhausted { Ok(()) } else { Err(TagMismatch) }
    }
}

/// The block J0 of SP 800-38D section 7.1.
fn first_counter(ghash: &GHash, nonce: &[u8]) -> [u8; 16] {
    let mut counter = [0; 16];
    if let Some((head, tail)) = counter.split_first_chunk_mut::<12>()
        && nonce.len() == head.len()
    {
        head.copy_from_slice(nonce);
        tail.copy_from_slice(&1u32.to_be_bytes());
        return counter;
    }
    let mut ghash = ghash.clone();
    ghash.update_padded(nonce);
    ghash.update(&[lengths(0, len_u64(nonce)).into()]);
    ghash.finalize().into()
}

/// The block of both lengths in bits that ends the hash.
fn lengths(aad: u64, content: u64) -> [u8; 16] {
    let bits = u128::from(aad.wrapping_mul(8)) << 64 | u128::from(content.wrapping_mul(8));
    bits.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CipherAlgorithm;
    use crate::crypto::CipherProvider;
    use crate::crypto::rustcrypto::cipher::Ciphers;
    use crate::crypto::tests::hex;
    use aes::Aes128;
    use aes::cipher::StreamCipherSeek;

    struct Case {
        cipher: CipherAlgorithm,
        key: &'static str,
        nonce: &'static str,
        plain_len: usize,
        aad: &'static str,
        ciphertext: &'static str,
        tag: &'static str,
    }

    const ZERO_128: &str = "00000000000000000000000000000000";
    const KEY: &str = "feffe9928665731c6d6a8f9467308308";
    const NONCE: &str = "cafebabefacedbaddecaf888";
    const AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
    const PLAIN: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";

    /// Test cases 1 to 6, 7, 10, 13, 14 and 16 of McGrew and Viega, "The Galois/Counter Mode of Operation".
    const CASES: [Case; 11] = [
        Case {
            cipher: CipherAlgorithm::Aes128Gcm,
            key: ZERO_128,
            nonce: "000000000000000000000000",
            plain_len: 0,
            aad: "",
            ciphertext: "",
            tag: "58e2fccefa7e3061367f1d57a4e7455a",
        },
        Case {
            cipher: CipherAlgorithm::Aes128Gcm,
            key: ZERO_128,
            nonce: "000000000000000000000000",
            plain_len: 16,
            aad: "",
            ciphertext: "0388dace60b6a392f328c2b971b2fe78",
            tag: "ab6e47d42cec13bdf53a67b21257bddf",
        },
        Case {
            cipher: CipherAlgorithm::Aes128Gcm,
            key: KEY,
            nonce: NONCE,
            plain_len: 64,
            aad: "",
            ciphertext: "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
                         21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
            tag: "4d5c2af327cd64a62cf35abd2ba6fab4",
        },
        Case {
            cipher: CipherAlgorithm::Aes128Gcm,
            key: KEY,
            nonce: NONCE,
            plain_len: 60,
            aad: AAD,
            ciphertext: "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
                         21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
            tag: "5bc94fbc3221a5db94fae95ae7121a47",
        },
        Case {
            cipher: CipherAlgorithm::Aes128Gcm,
            key: KEY,
            nonce: "cafebabefacedbad",
            plain_len: 60,
            aad: AAD,
            ciphertext: "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c7423\
                         73806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598",
            tag: "3612d2e79e3b0785561be14aaca2fccb",
        },
        Case {
            cipher: CipherAlgorithm::Aes128Gcm,
            key: KEY,
            nonce: "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728\
                    c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b",
            plain_len: 60,
            aad: AAD,
            ciphertext: "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca7\
                         01e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5",
            tag: "619cc5aefffe0bfa462af43c1699d050",
        },
        Case {
            cipher: CipherAlgorithm::Aes192Gcm,
            key: "000000000000000000000000000000000000000000000000",
            nonce: "000000000000000000000000",
            plain_len: 0,
            aad: "",
            ciphertext: "",
            tag: "cd33b28ac773f74ba00ed1f312572435",
        },
        Case {
            cipher: CipherAlgorithm::Aes192Gcm,
            key: "feffe9928665731c6d6a8f9467308308feffe9928665731c",
            nonce: NONCE,
            plain_len: 60,
            aad: AAD,
            ciphertext: "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c\
                         7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
            tag: "2519498e80f1478f37ba55bd6d27618c",
        },
        Case {
            cipher: CipherAlgorithm::Aes256Gcm,
            key: "0000000000000000000000000000000000000000000000000000000000000000",
            nonce: "000000000000000000000000",
            plain_len: 0,
            aad: "",
            ciphertext: "",
            tag: "530f8afbc74536b9a963b4f1c4cb738b",
        },
        Case {
            cipher: CipherAlgorithm::Aes256Gcm,
            key: "0000000000000000000000000000000000000000000000000000000000000000",
            nonce: "000000000000000000000000",
            plain_len: 16,
            aad: "",
            ciphertext: "cea7403d4d606b6e074ec5d3baf39d18",
            tag: "d0d1c8a799996bf0265b98b5d48ab919",
        },
        Case {
            cipher: CipherAlgorithm::Aes256Gcm,
            key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            nonce: NONCE,
            plain_len: 60,
            aad: AAD,
            ciphertext: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                         8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            tag: "76fc6ece0f4e1768cddf8853bb2d551b",
        },
    ];

    impl Case {
        fn plain(&self) -> Vec<u8> {
            let source = if self.plain_len == 16 { vec![0; 16] } else { hex(PLAIN) };
            source[..self.plain_len].to_vec()
        }

        fn encryptor(&self) -> Box<dyn ContentEncryptor> {
            Ciphers.encryptor(self.cipher, &hex(self.key), &hex(self.nonce), &hex(self.aad)).unwrap()
        }

        fn decrypted(&self, step: usize, tag: &[u8]) -> (Vec<u8>, Result<(), TagMismatch>) {
            let mut octets = hex(self.ciphertext);
            let aad = hex(self.aad);
            let mut decryptor = Ciphers.decryptor(self.cipher, &hex(self.key), &hex(self.nonce), &aad).unwrap();
            assert_eq!(decryptor.block_len(), 1);
            octets.chunks_mut(step).for_each(|chunk| decryptor.update(chunk));
            (octets, decryptor.finish(tag))
        }
    }

    #[test]
    fn known_answers_in_pieces_of_every_length() {
        for (case, step) in CASES.iter().flat_map(|case| (1..=64).map(move |step| (case, step))) {
            let mut octets = case.plain();
            let mut encryptor = case.encryptor();
            octets.chunks_mut(step).for_each(|chunk| encryptor.update(chunk));
            assert_eq!(octets, hex(case.ciphertext), "{} by {step}", case.tag);
            assert_eq!(encryptor.finish().as_bytes(), hex(case.tag), "by {step}");
            assert_eq!(case.decrypted(step, &hex(case.tag)), (case.plain(), Ok(())));
        }
    }

    #[test]
    fn x17_tags_of_twelve_to_sixteen_octets_are_accepted() {
        let tag = hex(CASES[3].tag);
        for len in 0..=16 {
            let expected = if len >= 12 { Ok(()) } else { Err(TagMismatch) };
            assert_eq!(CASES[3].decrypted(64, &tag[..len]).1, expected, "{len} octets");
        }
        let longer = [&tag[..], &[0]].concat();
        assert_eq!(CASES[3].decrypted(64, &longer).1, Err(TagMismatch));
    }

    #[test]
    fn one_changed_bit_anywhere_is_noticed() {
        let case = &CASES[3];
        for bit in 0..128 {
            let mut tag = hex(case.tag);
            tag[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(case.decrypted(64, &tag).1, Err(TagMismatch));
        }
        for octet in 0..60 {
            let mut octets = hex(case.ciphertext);
            octets[octet] ^= 1;
            let mut decryptor =
                Ciphers.decryptor(case.cipher, &hex(case.key), &hex(case.nonce), &hex(case.aad)).unwrap();
            decryptor.update(&mut octets);
            assert_eq!(decryptor.finish(&hex(case.tag)), Err(TagMismatch));
        }
        let mut decryptor = Ciphers.decryptor(case.cipher, &hex(case.key), &hex(case.nonce), b"").unwrap();
        decryptor.update(&mut hex(case.ciphertext));
        assert_eq!(decryptor.finish(&hex(case.tag)), Err(TagMismatch), "other additional data");
    }

    #[test]
    fn strides_do_not_show() {
        let octets: Vec<u8> = (0..3 * STRIDE + 5).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let mut whole = octets.clone();
        let mut encryptor = CASES[3].encryptor();
        encryptor.update(&mut whole);
        let mut pieces = octets.clone();
        let mut chunked = CASES[3].encryptor();
        pieces.chunks_mut(1000).for_each(|chunk| chunked.update(chunk));
        assert_eq!(whole, pieces);
        assert_eq!(encryptor.finish(), chunked.finish());
    }

    #[test]
    fn exhausted_keystream_yields_zeros_and_a_bad_tag() {
        let mut gcm = Gcm::<Aes128>::new(&[1; 16], &[2; 12], b"").unwrap();
        // The mask took the first of 2^32 - 1 blocks; two are left.
        gcm.keystream.seek(((1u64 << 32) - 3) * 16);
        let mut octets = [0; 32];
        ContentDecryptor::update(&mut gcm, &mut octets);
        assert_ne!(octets, [0; 32]);
        let mut more = [5; 1];
        ContentDecryptor::update(&mut gcm, &mut more);
        assert_eq!(more, [0]);
        let mut after = [5; 40];
        ContentDecryptor::update(&mut gcm, &mut after);
        assert_eq!(after, [0; 40]);
        assert_eq!(ContentDecryptor::finish(Box::new(gcm), &[0; 16]), Err(TagMismatch));
    }
}
