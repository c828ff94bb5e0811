//! The message integrity check (RFC 4130 section 7.3.1, RFC 5402 section 4).

use std::fmt;

use base64::Engine as _;
use bytes::Bytes;

use crate::algorithm::DigestAlgorithm;
use crate::crypto::content::{DecryptStream, EncryptStream};
use crate::crypto::{CryptoError, CryptoProvider, DigestContext, DigestValue};
use crate::stored::Octets;

/// A message integrity check: the digest that sender and receiver must agree on.
///
/// ```
/// # fn show(mic: &as2_protocol::Mic) {
/// println!("{mic}"); // D+V9PsWSQT8jcUrdYX6d4tx21sUwlXtKwDH1AOaYIWE=, sha-256
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Mic {
    algorithm: DigestAlgorithm,
    digest: Octets,
}

impl Mic {
    pub(crate) fn new(value: &DigestValue) -> Self {
        Self { algorithm: value.algorithm(), digest: Octets(Bytes::copy_from_slice(value.as_bytes())) }
    }

    /// The digest algorithm.
    #[must_use]
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> &[u8] {
        &self.digest.0
    }

    /// The digest in base64, as a receipt carries it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(&self.digest.0)
    }
}

impl fmt::Display for Mic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.to_base64(), self.algorithm)
    }
}

/// Which octets of a message the MIC covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum MicScope {
    /// The signed MIME entity with its header, as transmitted.
    SignedEntity,
    /// The MIME entity with its header, before compression and encryption.
    WholeEntity,
    /// The payload alone: neither signed nor encrypted nor compressed.
    BodyOnly,
}

/// Which digest the MIC is computed with.
#[derive(Clone, Debug, Default)]
pub(crate) struct MicRule {
    /// The supported digests that the sender listed for the receipt, in his order.
    pub(crate) listed: Vec<DigestAlgorithm>,
}

impl MicRule {
    /// The signature's digest where the sender listed it or listed nothing, else the first of his list: RFC 4130
    /// says the former in section 7.4.3 and the latter in section 7.3, and products follow either.
    pub(crate) fn choose(&self, signature: Option<DigestAlgorithm>) -> DigestAlgorithm {
        match (signature, self.listed.first()) {
            (Some(digest), None) => digest,
            (Some(digest), Some(_)) if self.listed.contains(&digest) => digest,
            (_, Some(first)) => *first,
            (None, None) => DigestAlgorithm::Sha256,
        }
    }
}

impl MicRule {
    /// The digest that the receipt may need whatever the signature's is.
    pub(crate) fn wanted(&self) -> Vec<DigestAlgorithm> {
        self.listed.first().copied().into_iter().collect()
    }
}

/// Digests of the same octets with several algorithms, in one pass.
#[derive(Default)]
pub(crate) struct Digests(Vec<Box<dyn DigestContext>>);

impl Digests {
    /// Starts each algorithm once.
    pub(crate) fn start(provider: &CryptoProvider, algorithms: &[DigestAlgorithm]) -> Result<Self, CryptoError> {
        let mut distinct: Vec<DigestAlgorithm> = Vec::with_capacity(algorithms.len());
        for algorithm in algorithms {
            if !distinct.contains(algorithm) {
                distinct.push(*algorithm);
            }
        }
        distinct.into_iter().map(|algorithm| provider.start_digest(algorithm)).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn update(&mut self, octets: &[u8]) {
        // In pieces that stay in the cache while several digests read them.
        for chunk in octets.chunks(32 << 10) {
            for context in &mut self.0 {
                context.update(chunk);
            }
        }
    }

    /// Digests and encrypts the same octets, the first digest behind the cipher.
    pub(crate) fn update_and_encrypt(&mut self, octets: &[u8], stream: &mut EncryptStream, out: &mut Vec<u8>) {
        // In pieces that stay in the cache between the copy, the other digests and the cipher.
        for chunk in octets.chunks(32 << 10) {
            match self.0.split_first_mut() {
                Some((first, others)) => {
                    others.iter_mut().for_each(|context| context.update(chunk));
                    stream.push_digesting(&mut **first, chunk, out);
                }
                None => stream.push(chunk, out),
            }
        }
    }

    /// Digests octets with all algorithms but the first, which takes them later.
    pub(crate) fn update_all_but_first(&mut self, octets: &[u8]) {
        self.0.iter_mut().skip(1).for_each(|context| context.update(octets));
    }

    /// Digests with the first algorithm what it has not taken yet.
    pub(crate) fn update_first(&mut self, late: &[u8]) {
        self.0.iter_mut().take(1).for_each(|context| context.update(late));
    }

    /// Digests `late` with the first algorithm, and decrypts `chunk` meanwhile.
    pub(crate) fn update_first_and_decrypt(
        &mut self,
        late: &[u8],
        stream: &mut DecryptStream,
        chunk: &[u8],
        out: &mut Vec<u8>,
    ) {
        match self.0.first_mut() {
            Some(first) => stream.push_digesting(&mut **first, late, chunk, out),
            None => stream.push(chunk, out),
        }
    }

    /// The same digests once more, to go on from here with other octets; `None` if the provider cannot do that.
    pub(crate) fn fork(&self) -> Option<Self> {
        self.0.iter().map(|context| context.fork()).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn finish(self) -> Vec<DigestValue> {
        self.0.into_iter().map(|context| context.finish()).collect()
    }

    /// The digests of `pieces` in one call.
    pub(crate) fn of(
        provider: &CryptoProvider,
        algorithms: &[DigestAlgorithm],
        pieces: &[Bytes],
    ) -> Result<Vec<DigestValue>, CryptoError> {
        let mut digests = Self::start(provider, algorithms)?;
        for piece in pieces {
            digests.update(piece);
        }
        Ok(digests.finish())
    }
}

impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digests").finish_non_exhaustive()
    }
}

/// The value for one algorithm among several.
pub(crate) fn pick(values: &[DigestValue], algorithm: DigestAlgorithm) -> Option<&DigestValue> {
    values.iter().find(|value| value.algorithm() == algorithm)
}
