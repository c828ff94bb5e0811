//! Digests: SHA-1 and SHA-2 (FIPS 180-4), and MD5 (RFC 1321) for old signatures.

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::algorithm::DigestAlgorithm;
use crate::crypto::{DigestContext, DigestProvider, DigestValue};

pub(super) struct Digests;

impl DigestProvider for Digests {
    fn start(&self, algorithm: DigestAlgorithm) -> Option<Box<dyn DigestContext>> {
        Some(match algorithm {
            #[cfg(feature = "legacy")]
            DigestAlgorithm::Md5 => {
                Box::new(Context(md5::Md5::new(), |digest| DigestValue::md5(digest.finalize().into())))
            }
            #[cfg(feature = "legacy")]
            DigestAlgorithm::Sha224 => {
                Box::new(Context(sha2::Sha224::new(), |digest| DigestValue::sha224(digest.finalize().into())))
            }
            #[cfg(not(feature = "legacy"))]
            DigestAlgorithm::Md5 | DigestAlgorithm::Sha224 => return None,
            DigestAlgorithm::Sha1 => {
                Box::new(Context(Sha1::new(), |digest| DigestValue::sha1(digest.finalize().into())))
            }
            DigestAlgorithm::Sha256 => {
                Box::new(Context(Sha256::new(), |digest| DigestValue::sha256(digest.finalize().into())))
            }
            DigestAlgorithm::Sha384 => {
                Box::new(Context(Sha384::new(), |digest| DigestValue::sha384(digest.finalize().into())))
            }
            DigestAlgorithm::Sha512 => {
                Box::new(Context(Sha512::new(), |digest| DigestValue::sha512(digest.finalize().into())))
            }
        })
    }
}

/// A running digest and how its end becomes a value of the right length.
struct Context<D>(D, fn(D) -> DigestValue);

impl<D: Digest + Clone + Send + 'static> DigestContext for Context<D> {
    fn update(&mut self, data: &[u8]) {
        Digest::update(&mut self.0, data);
    }

    fn fork(&self) -> Option<Box<dyn DigestContext>> {
        Some(Box::new(Self(self.0.clone(), self.1)))
    }

    fn finish(self: Box<Self>) -> DigestValue {
        (self.1)(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::hex;

    /// FIPS 180-4 examples: the empty message, "abc", and the 448-bit message of two blocks.
    const VECTORS: [(DigestAlgorithm, [&str; 3]); 4] = [
        (
            DigestAlgorithm::Sha1,
            [
                "da39a3ee5e6b4b0d3255bfef95601890afd80709",
                "a9993e364706816aba3e25717850c26c9cd0d89d",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ],
        ),
        (
            DigestAlgorithm::Sha256,
            [
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ],
        ),
        (
            DigestAlgorithm::Sha384,
            [
                "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
                "3391fdddfc8dc7393707a65b1b4709397cf8b1d162af05abfe8f450de5f36bc6b0455a8520bc4e6f5fe95b1fe3c8452b",
            ],
        ),
        (
            DigestAlgorithm::Sha512,
            [
                "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
                "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c33596fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445",
            ],
        ),
    ];

    const MESSAGES: [&[u8]; 3] = [b"", b"abc", b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"];

    #[test]
    fn known_answers_also_in_chunks_of_one_octet() {
        for (algorithm, answers) in VECTORS {
            for (message, answer) in MESSAGES.iter().zip(answers) {
                let mut whole = Digests.start(algorithm).unwrap();
                whole.update(message);
                let mut chunked = Digests.start(algorithm).unwrap();
                let (first, rest) = message.split_at(message.len() / 2);
                first.chunks(1).for_each(|chunk| chunked.update(chunk));
                let mut forked = chunked.fork().unwrap();
                forked.update(b"other octets");
                rest.chunks(1).for_each(|chunk| chunked.update(chunk));
                let mut continued = forked.fork().unwrap();
                continued.update(rest);
                assert_eq!(forked.finish() == continued.finish(), rest.is_empty());
                let value = whole.finish();
                assert_eq!(value.as_bytes(), hex(answer), "{algorithm}");
                assert_eq!(value.algorithm(), algorithm);
                assert_eq!(chunked.finish(), value);
            }
        }
    }
}
