//! A provider that counts the octets that are digested, encrypted and decrypted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use as2_protocol::crypto::*;
use as2_protocol::*;

/// Octets worked on so far.
#[derive(Default)]
pub(crate) struct Worked(AtomicUsize);

impl Worked {
    pub(crate) fn octets(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, octets: &[u8]) {
        self.0.fetch_add(octets.len(), Ordering::Relaxed);
    }

    pub(crate) fn provider(this: &Arc<Self>) -> CryptoProvider {
        let inner = CryptoProvider::rustcrypto();
        let (digests, ciphers) = (Digests(Arc::clone(inner.digests()), Arc::clone(this)), inner.ciphers());
        let ciphers = Ciphers(Arc::clone(ciphers), Arc::clone(this));
        inner.with_digests(Arc::new(digests)).with_ciphers(Arc::new(ciphers))
    }
}

struct Digests(Arc<dyn DigestProvider>, Arc<Worked>);

impl DigestProvider for Digests {
    fn start(&self, algorithm: DigestAlgorithm) -> Option<Box<dyn DigestContext>> {
        Some(Box::new(Digest(self.0.start(algorithm)?, Arc::clone(&self.1))))
    }
}

struct Digest(Box<dyn DigestContext>, Arc<Worked>);

impl DigestContext for Digest {
    fn update(&mut self, data: &[u8]) {
        self.1.add(data);
        self.0.update(data);
    }

    fn fork(&self) -> Option<Box<dyn DigestContext>> {
        Some(Box::new(Self(self.0.fork()?, Arc::clone(&self.1))))
    }

    fn finish(self: Box<Self>) -> DigestValue {
        self.0.finish()
    }
}

struct Ciphers(Arc<dyn CipherProvider>, Arc<Worked>);

impl CipherProvider for Ciphers {
    fn encryptor(
        &self,
        algorithm: CipherAlgorithm,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
    ) -> Result<Box<dyn ContentEncryptor>, CryptoError> {
        Ok(Box::new(Encryptor(self.0.encryptor(algorithm, key, iv, aad)?, Arc::clone(&self.1))))
    }

    fn decryptor(
        &self,
        algorithm: CipherAlgorithm,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
    ) -> Result<Box<dyn ContentDecryptor>, CryptoError> {
        Ok(Box::new(Decryptor(self.0.decryptor(algorithm, key, iv, aad)?, Arc::clone(&self.1))))
    }
}

struct Encryptor(Box<dyn ContentEncryptor>, Arc<Worked>);

impl ContentEncryptor for Encryptor {
    fn block_len(&self) -> usize {
        self.0.block_len()
    }

    fn update(&mut self, blocks: &mut [u8]) {
        self.1.add(blocks);
        self.0.update(blocks);
    }

    fn finish(self: Box<Self>) -> Tag {
        self.0.finish()
    }
}

struct Decryptor(Box<dyn ContentDecryptor>, Arc<Worked>);

impl ContentDecryptor for Decryptor {
    fn block_len(&self) -> usize {
        self.0.block_len()
    }

    fn update(&mut self, blocks: &mut [u8]) {
        self.1.add(blocks);
        self.0.update(blocks);
    }

    fn finish(self: Box<Self>, tag: &[u8]) -> Result<(), TagMismatch> {
        self.0.finish(tag)
    }
}
