//! What a digest costs beside encryption or decryption: each pair alone, one after the other, and in turns.
//!
//! Rounds of all four alternate and medians are compared, so that a busy machine touches all alike.
#![allow(missing_docs, clippy::unwrap_used, clippy::as_conversions)]

use std::hint::black_box;
use std::time::Instant;

use as2_protocol::crypto::{CryptoProvider, DigestContext};
use as2_protocol::{CipherAlgorithm, DigestAlgorithm};

/// A piece as streams have it, within the second-level cache.
const PIECE: usize = 32 << 10;

const DIGESTS: [DigestAlgorithm; 4] =
    [DigestAlgorithm::Sha1, DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512];

const CIPHERS: [CipherAlgorithm; 7] = [
    CipherAlgorithm::Aes128Cbc,
    CipherAlgorithm::Aes192Cbc,
    CipherAlgorithm::Aes256Cbc,
    CipherAlgorithm::Aes128Gcm,
    CipherAlgorithm::Aes192Gcm,
    CipherAlgorithm::Aes256Gcm,
    CipherAlgorithm::ChaCha20Poly1305,
];

/// Something that works on a piece in place, with or without a digest of other octets beside it.
trait Work {
    fn alone(&mut self, blocks: &mut [u8]);
    fn beside(&mut self, digest: &mut dyn DigestContext, digested: &[u8], blocks: &mut [u8]);
}

struct Encrypt(Box<dyn as2_protocol::crypto::ContentEncryptor>);
struct Decrypt(Box<dyn as2_protocol::crypto::ContentDecryptor>);

impl Work for Encrypt {
    fn alone(&mut self, blocks: &mut [u8]) {
        self.0.update(blocks);
    }
    fn beside(&mut self, digest: &mut dyn DigestContext, digested: &[u8], blocks: &mut [u8]) {
        self.0.digest_and_update(digest, digested, blocks);
    }
}

impl Work for Decrypt {
    fn alone(&mut self, blocks: &mut [u8]) {
        self.0.update(blocks);
    }
    fn beside(&mut self, digest: &mut dyn DigestContext, digested: &[u8], blocks: &mut [u8]) {
        self.0.digest_and_update(digest, digested, blocks);
    }
}

/// Octets in a second, in millions: of the cipher, the digest, both one after the other, and both in turns.
fn measure(work: &mut dyn Work, digest: DigestAlgorithm, rounds: usize) -> [f64; 4] {
    let plain: Vec<u8> = (0..PIECE).map(|at| (at % 251) as u8).collect();
    let mut octets = plain.clone();
    let mut digest = CryptoProvider::rustcrypto().digests().start(digest).unwrap();
    let mut times: [Vec<f64>; 4] = Default::default();
    for kind in (0..rounds).flat_map(|_| 0..4) {
        let start = Instant::now();
        for _ in 0..8 {
            let (plain, octets) = (black_box(&plain[..]), black_box(&mut octets[..]));
            // The copy into the output is part of every encryption.
            octets.copy_from_slice(plain);
            match kind {
                0 => work.alone(octets),
                1 => digest.update(plain),
                2 => {
                    digest.update(plain);
                    work.alone(octets);
                }
                _ => work.beside(&mut *digest, plain, octets),
            }
        }
        times[kind].push((8 * PIECE) as f64 / start.elapsed().as_secs_f64() / 1e6);
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

fn main() {
    // A smoke run of all benches passes `--test`.
    let rounds = if std::env::args().any(|argument| argument == "--test") { 1 } else { 101 };
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    println!("MB/s                                   cipher   digest     then   turns  turns/cipher  turns/then");
    for (way, encrypts) in [("encrypt", true), ("decrypt", false)] {
        for (cipher, digest) in CIPHERS.iter().flat_map(|cipher| DIGESTS.map(|digest| (*cipher, digest))) {
            let name = format!("{way} {cipher} {digest}");
            if !name.contains(&filter) {
                continue;
            }
            let (key, iv) = (vec![1; cipher.key_len()], vec![2; cipher.iv_len()]);
            let provider = CryptoProvider::rustcrypto();
            let [alone, digested, then, turns] = if encrypts {
                let encryptor = provider.ciphers().encryptor(cipher, &key, &iv, &[]).unwrap();
                measure(&mut Encrypt(encryptor), digest, rounds)
            } else {
                let decryptor = provider.ciphers().decryptor(cipher, &key, &iv, &[]).unwrap();
                measure(&mut Decrypt(decryptor), digest, rounds)
            };
            let (hidden, gain) = (turns / alone, turns / then);
            println!("{name:<36} {alone:>8.0} {digested:>8.0} {then:>8.0} {turns:>7.0} {hidden:>13.2} {gain:>11.2}");
        }
    }
}
