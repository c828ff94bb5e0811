//! AES-CCM (SP 800-38C, RFC 3610), from counter mode and CBC-MAC.
//!
//! The first block that is authenticated holds the length of the content and of the tag. Both are known only at the
//! end, so the content is kept: CCM is for messages that fit into memory.

use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, KeyInit, KeyIvInit, StreamCipher, consts::U16};
use ctr::Ctr128BE;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::hashed::len_u64;
use crate::crypto::{ContentDecryptor, ContentEncryptor, CryptoError, Tag, TagMismatch};

/// Octets of a nonce: what it leaves of 15 counts the content.
const NONCE_LEN: std::ops::RangeInclusive<usize> = 7..=13;

/// Encryption or decryption under way; which of the two is told by the trait that is used.
pub(super) struct Ccm<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> {
    cipher: C,
    keystream: Ctr128BE<C>,
    /// The keystream block that the tag is masked with.
    mask: Zeroizing<[u8; 16]>,
    nonce: Vec<u8>,
    aad: Vec<u8>,
    /// Plaintext so far.
    content: Zeroizing<Vec<u8>>,
    /// More content than the nonce leaves room to count.
    exhausted: bool,
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit> Ccm<C> {
    pub(super) fn new(key: &[u8], nonce: &[u8], aad: &[u8]) -> Result<Self, CryptoError> {
        if !NONCE_LEN.contains(&nonce.len()) {
            return Err(CryptoError::InvalidParameters);
        }
        let cipher = C::new_from_slice(key).map_err(|_| CryptoError::InvalidKey)?;
        let counter = first_block(count_len(nonce) - 1, nonce, 0);
        let mut keystream = Ctr128BE::<C>::new_from_slices(key, &counter).map_err(|_| CryptoError::InvalidKey)?;
        let mut mask = Zeroizing::new([0; 16]);
        keystream.apply_keystream(&mut *mask);
        let (nonce, aad) = (nonce.to_vec(), aad.to_vec());
        Ok(Self { cipher, keystream, mask, nonce, aad, content: Zeroizing::default(), exhausted: false })
    }
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> Ccm<C> {
    fn count(&mut self, more: &[u8]) {
        let total = len_u64(&self.content).saturating_add(len_u64(more));
        let bits = u32::from(count_len(&self.nonce)) * 8;
        self.exhausted |= total.checked_shr(bits).is_some_and(|over| over != 0);
    }

    /// Past what can be counted, zeros come out: never plaintext, never keystream that was used before.
    fn apply_keystream(&mut self, octets: &mut [u8]) {
        if self.exhausted {
            octets.fill(0);
        } else {
            self.keystream.apply_keystream(octets);
        }
    }

    fn tag(&self, len: usize) -> Zeroizing<[u8; 16]> {
        let count_len = count_len(&self.nonce);
        let tag_bits = u8::try_from(len.saturating_sub(2) / 2).unwrap_or(0) << 3;
        let flags = u8::from(!self.aad.is_empty()) << 6 | tag_bits | (count_len - 1);
        let mut mac = CbcMac { cipher: &self.cipher, state: Zeroizing::new([0; 16]) };
        mac.update(&first_block(flags, &self.nonce, len_u64(&self.content)));
        if !self.aad.is_empty() {
            mac.update(&[aad_len(&self.aad), self.aad.clone()].concat());
        }
        mac.update(&self.content);
        let mut tag = mac.state;
        tag.iter_mut().zip(self.mask.iter()).for_each(|(octet, mask)| *octet ^= mask);
        tag
    }
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync> ContentEncryptor for Ccm<C> {
    fn block_len(&self) -> usize {
        1
    }

    fn update(&mut self, octets: &mut [u8]) {
        self.count(octets);
        self.content.extend_from_slice(octets);
        self.apply_keystream(octets);
    }

    fn finish(self: Box<Self>) -> Tag {
        (*self.tag(16)).into()
    }
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync> ContentDecryptor for Ccm<C> {
    fn block_len(&self) -> usize {
        1
    }

    fn update(&mut self, octets: &mut [u8]) {
        self.count(octets);
        self.apply_keystream(octets);
        self.content.extend_from_slice(octets);
    }

    fn finish(self: Box<Self>, tag: &[u8]) -> Result<(), TagMismatch> {
        // SP 800-38C section A.1: even lengths from 4 to 16. Which are long enough is not decided here.
        if self.exhausted || !matches!(tag.len(), 4 | 6 | 8 | 10 | 12 | 14 | 16) {
            return Err(TagMismatch);
        }
        let expected = self.tag(tag.len());
        let same: bool = expected.get(..tag.len()).unwrap_or_default().ct_eq(tag).into();
        if same { Ok(()) } else { Err(TagMismatch) }
    }
}

/// CBC-MAC; each update begins with a new block.
struct CbcMac<'a, C> {
    cipher: &'a C,
    state: Zeroizing<[u8; 16]>,
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> CbcMac<'_, C> {
    fn update(&mut self, octets: &[u8]) {
        for block in octets.chunks(16) {
            self.state.iter_mut().zip(block).for_each(|(state, octet)| *state ^= octet);
            self.cipher.encrypt_block(aes::cipher::Array::cast_from_core_mut(&mut self.state));
        }
    }
}

/// Octets that count the content. Nonces have 7 to 13 octets.
fn count_len(nonce: &[u8]) -> u8 {
    u8::try_from(nonce.len()).map_or(2, |len| 15u8.saturating_sub(len).max(2))
}

/// Flags, nonce and a number that fills the block.
fn first_block(flags: u8, nonce: &[u8], number: u64) -> [u8; 16] {
    let mut block = u128::from(number).to_be_bytes();
    for (to, from) in block.iter_mut().zip(std::iter::once(&flags).chain(nonce)) {
        *to = *from;
    }
    block
}

/// The length of the additional data as it precedes them.
fn aad_len(aad: &[u8]) -> Vec<u8> {
    match u32::try_from(aad.len()) {
        Ok(len) if len < 0xff00 => len.to_be_bytes().into_iter().skip(2).collect(),
        Ok(len) => [&[0xff, 0xfe], &len.to_be_bytes()[..]].concat(),
        Err(_) => [&[0xff, 0xff], &len_u64(aad).to_be_bytes()[..]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::hex;
    use aes::Aes128;

    struct Case {
        nonce: &'static str,
        aad_len: u8,
        plain_len: u8,
        ciphertext: &'static str,
        tag: &'static str,
    }

    /// SP 800-38C, examples 1 to 3.
    const CASES: [Case; 3] = [
        Case { nonce: "10111213141516", aad_len: 8, plain_len: 4, ciphertext: "7162015b", tag: "4dac255d" },
        Case {
            nonce: "1011121314151617",
            aad_len: 16,
            plain_len: 16,
            ciphertext: "d2a1f0e051ea5f62081a7792073d593d",
            tag: "1fc64fbfaccd",
        },
        Case {
            nonce: "101112131415161718191a1b",
            aad_len: 20,
            plain_len: 24,
            ciphertext: "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5",
            tag: "484392fbc1b09951",
        },
    ];

    /// SP 800-38C, example 4: 65536 octets of additional data, a tag of 14.
    const LONG_AAD: (&str, &str) =
        ("69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72", "b4ac6bec93e8598e7f0dadbcea5b");

    fn ccm(nonce: &str, aad: &[u8]) -> Box<Ccm<Aes128>> {
        let key: Vec<u8> = (0x40..0x50).collect();
        Box::new(Ccm::new(&key, &hex(nonce), aad).unwrap())
    }

    #[test]
    fn known_answers_in_pieces_of_every_length() {
        for (case, step) in CASES.iter().flat_map(|case| (1..=24).map(move |step| (case, step))) {
            let aad: Vec<u8> = (0..case.aad_len).collect();
            let plain: Vec<u8> = (0x20..0x20 + case.plain_len).collect();
            let (mut octets, mut encryptor) = (plain.clone(), ccm(case.nonce, &aad));
            octets.chunks_mut(step).for_each(|chunk| ContentEncryptor::update(&mut *encryptor, chunk));
            assert_eq!(octets, hex(case.ciphertext), "{} by {step}", case.tag);
            let mut decryptor = ccm(case.nonce, &aad);
            octets.chunks_mut(step).for_each(|chunk| ContentDecryptor::update(&mut *decryptor, chunk));
            assert_eq!(octets, plain);
            assert_eq!(ContentDecryptor::finish(decryptor, &hex(case.tag)), Ok(()));
        }
    }

    #[test]
    fn long_additional_data() {
        let aad: Vec<u8> = (0..=255).cycle().take(1 << 16).collect();
        let mut octets = hex(LONG_AAD.0);
        let mut decryptor = ccm("101112131415161718191a1b1c", &aad);
        ContentDecryptor::update(&mut *decryptor, &mut octets);
        assert_eq!(octets, (0x20..0x40).collect::<Vec<u8>>());
        assert_eq!(ContentDecryptor::finish(decryptor, &hex(LONG_AAD.1)), Ok(()));
    }

    #[test]
    fn a_tag_of_another_length_is_another_tag() {
        let case = &CASES[2];
        let aad: Vec<u8> = (0..case.aad_len).collect();
        let finish = |tag: &[u8]| {
            let (mut octets, mut decryptor) = (hex(case.ciphertext), ccm(case.nonce, &aad));
            ContentDecryptor::update(&mut *decryptor, &mut octets);
            ContentDecryptor::finish(decryptor, tag)
        };
        let tag = hex(case.tag);
        assert_eq!(finish(&tag), Ok(()));
        for end in 0..8 {
            assert_eq!(finish(&tag[..end]), Err(TagMismatch), "{end}");
        }
        assert_eq!(finish(&[&tag[..], &[0; 8]].concat()), Err(TagMismatch));
        for bit in 0..64 {
            let mut changed = tag.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(finish(&changed), Err(TagMismatch));
        }
    }

    #[test]
    fn nonces_leave_room_to_count() {
        for len in [0, 6, 14, 16] {
            let error = Ccm::<Aes128>::new(&[0; 16], &vec![0; len], b"").err();
            assert_eq!(error, Some(CryptoError::InvalidParameters), "{len}");
        }
        let at_most = |len: usize| {
            let mut encryptor = ccm("00112233445566778899aabbcc", b"");
            let mut octets = vec![7; len];
            ContentEncryptor::update(&mut *encryptor, &mut octets);
            octets != vec![0; len]
        };
        assert!(at_most(65535));
        assert!(!at_most(65536), "two octets count no further");
    }
}
