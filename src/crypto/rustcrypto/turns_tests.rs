//! Digests in turns with ciphers, against the same two alone: every pair, length, phase and way of cutting.

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm};
use crate::crypto::content::EncryptStream;
use crate::crypto::{ContentDecryptor, ContentEncryptor, CryptoProvider, DigestContext, DigestValue, Tag};

const LONGEST: usize = 300;

fn octets(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

fn ciphers() -> impl Iterator<Item = CipherAlgorithm> {
    CipherAlgorithm::ALL.into_iter().filter(|cipher| !cipher.is_legacy() || cfg!(feature = "legacy"))
}

fn digests() -> impl Iterator<Item = DigestAlgorithm> {
    DigestAlgorithm::ALL.into_iter().filter(|digest| CryptoProvider::rustcrypto().digests().start(*digest).is_some())
}

fn encryptor(cipher: CipherAlgorithm) -> Box<dyn ContentEncryptor> {
    let (key, iv) = (octets(cipher.key_len()), octets(cipher.iv_len()));
    CryptoProvider::rustcrypto().ciphers().encryptor(cipher, &key, &iv, b"").unwrap()
}

fn decryptor(cipher: CipherAlgorithm) -> Box<dyn ContentDecryptor> {
    let (key, iv) = (octets(cipher.key_len()), octets(cipher.iv_len()));
    CryptoProvider::rustcrypto().ciphers().decryptor(cipher, &key, &iv, b"").unwrap()
}

/// A digest that has taken so many octets already.
fn shifted(digest: DigestAlgorithm, shift: usize) -> Box<dyn DigestContext> {
    let mut context = CryptoProvider::rustcrypto().digests().start(digest).unwrap();
    context.update(&octets(shift));
    context
}

fn digest_of(digest: DigestAlgorithm, shift: usize, more: &[u8]) -> DigestValue {
    CryptoProvider::rustcrypto().digest(digest, &[&octets(shift), more].concat()).unwrap()
}

/// What a decryptor makes of its input; the tag does not matter here.
fn decrypted(cipher: CipherAlgorithm, mut blocks: Vec<u8>) -> Vec<u8> {
    decryptor(cipher).update(&mut blocks);
    blocks
}

/// Lengths of the digested octets and of the blocks at every phase: equal, shorter, longer, none.
#[test]
fn every_phase_of_the_digest_with_every_cipher() {
    for (cipher, digest) in ciphers().flat_map(|cipher| digests().map(move |digest| (cipher, digest))) {
        for shift in 0..=130 {
            // Lengths that go with no period of the blocks, so that all combinations occur.
            let (taken, len) = (shift * 37 % LONGEST, shift * 53 % LONGEST / 16 * 16);
            let (source, expected) = (octets(LONGEST), digest_of(digest, shift, &octets(taken)));
            if cipher.is_written() {
                let (mut plain, mut turns) = (source[..len].to_vec(), source[..len].to_vec());
                let (mut alone, mut beside) = (encryptor(cipher), encryptor(cipher));
                alone.update(&mut plain);
                let mut context = shifted(digest, shift);
                beside.digest_and_update(&mut *context, &source[..taken], &mut turns);
                assert_eq!(turns, plain, "{cipher} {digest} at {shift}");
                assert_eq!(beside.finish(), alone.finish());
                assert_eq!(context.finish(), expected, "{cipher} {digest} at {shift}");
            }
            let mut context = shifted(digest, shift);
            let mut turns = source[..len].to_vec();
            decryptor(cipher).digest_and_update(&mut *context, &source[..taken], &mut turns);
            assert_eq!(turns, decrypted(cipher, source[..len].to_vec()), "{cipher} {digest} at {shift}");
            assert_eq!(context.finish(), expected, "{cipher} {digest} at {shift}");
        }
    }
}

/// Encrypts octets that are not digested, then `len` octets that are, then others, in chunks.
fn streamed(
    (cipher, digest): (CipherAlgorithm, DigestAlgorithm),
    (before, len, step): (usize, usize, usize),
) -> (Vec<u8>, Vec<u8>, DigestValue) {
    let (mut stream, mut out) = (EncryptStream::new(encryptor(cipher)), Vec::new());
    let mut context = shifted(digest, 0);
    stream.push(&octets(before), &mut out);
    octets(len).chunks(step).for_each(|chunk| stream.push_digesting(&mut *context, chunk, &mut out));
    stream.push(b"behind", &mut out);
    let tag = stream.finish(&mut out);
    (out, tag, context.finish())
}

#[test]
fn every_length_in_chunks_at_every_offset_of_the_ciphertext() {
    for (cipher, digest) in ciphers().flat_map(|cipher| digests().map(move |digest| (cipher, digest))) {
        if !cipher.is_written() {
            continue;
        }
        for len in 0..=LONGEST {
            let before = len * 11 % 64;
            let (mut stream, mut whole) = (EncryptStream::new(encryptor(cipher)), Vec::new());
            stream.push(&[&octets(before)[..], &octets(len), b"behind"].concat(), &mut whole);
            let tag = stream.finish(&mut whole);
            let expected = (whole, tag, digest_of(digest, 0, &octets(len)));
            let steps = [1, 7, 16, 63, 64, 65, LONGEST];
            for step in [steps[len % 7], steps[(len / 7 + 3) % 7]] {
                assert_eq!(streamed((cipher, digest), (before, len, step)), expected, "{cipher} {digest} {len} {step}");
            }
        }
    }
}

/// Several strides of the authenticated ciphers, and lengths that do not end with a block.
#[test]
fn long_pieces_come_out_the_same() {
    let long = octets(40_003);
    for cipher in ciphers().filter(|cipher| cipher.is_written() && !cipher.is_legacy()) {
        for (digest, skip) in [(DigestAlgorithm::Sha256, 0), (DigestAlgorithm::Sha512, 1), (DigestAlgorithm::Sha1, 77)]
        {
            let (mut turns, mut plain) = (long.clone(), long.clone());
            let (mut beside, mut alone) = (encryptor(cipher), encryptor(cipher));
            let mut context = shifted(digest, skip);
            beside.digest_and_update(&mut *context, &long[skip..], &mut turns);
            alone.update(&mut plain);
            assert!(turns == plain, "{cipher} {digest}");
            let (tag, other): (Tag, Tag) = (beside.finish(), alone.finish());
            assert_eq!(tag, other);
            assert_eq!(context.finish(), digest_of(digest, skip, &long[skip..]));
            let mut context = shifted(digest, skip);
            let mut opened = decryptor(cipher);
            opened.digest_and_update(&mut *context, &long[skip..], &mut turns);
            let whole = long.len() / cipher.block_len() * cipher.block_len();
            assert!(turns[..whole] == long[..whole], "{cipher} {digest}");
            assert_eq!(opened.finish(tag.as_bytes()), Ok(()), "{cipher}");
            assert_eq!(context.finish(), digest_of(digest, skip, &long[skip..]));
        }
    }
}

/// A digest of another provider, which takes no turns, and a cipher of another provider, which knows none.
#[test]
fn what_takes_no_turns_works_beside_what_does() {
    struct Foreign(Box<dyn DigestContext>);
    impl DigestContext for Foreign {
        fn update(&mut self, data: &[u8]) {
            self.0.update(data);
        }
        fn finish(self: Box<Self>) -> DigestValue {
            self.0.finish()
        }
    }
    struct Plain(Box<dyn ContentEncryptor>);
    impl ContentEncryptor for Plain {
        fn block_len(&self) -> usize {
            self.0.block_len()
        }
        fn update(&mut self, blocks: &mut [u8]) {
            self.0.update(blocks);
        }
        fn finish(self: Box<Self>) -> Tag {
            self.0.finish()
        }
    }
    let source = octets(256);
    for cipher in ciphers().filter(|cipher| cipher.is_written()) {
        let mut expected = source.clone();
        encryptor(cipher).update(&mut expected);
        let (mut foreign, mut blocks) = (Foreign(shifted(DigestAlgorithm::Sha256, 3)), source.clone());
        assert_eq!(foreign.turn(), None);
        encryptor(cipher).digest_and_update(&mut foreign, &source, &mut blocks);
        assert_eq!(blocks, expected);
        assert_eq!(Box::new(foreign).finish(), digest_of(DigestAlgorithm::Sha256, 3, &source));
        let (mut context, mut blocks) = (shifted(DigestAlgorithm::Sha256, 3), source.clone());
        Plain(encryptor(cipher)).digest_and_update(&mut *context, &source, &mut blocks);
        assert_eq!(blocks, expected);
        assert_eq!(context.finish(), digest_of(DigestAlgorithm::Sha256, 3, &source));
    }
}
