//! The backend over AWS-LC, by the crate aws-lc-rs. Nothing else in this crate names it.
//!
//! It adds what AWS-LC does faster to the RustCrypto backend. Digests are not among that: SHA-256 runs as fast, SHA-384
//! and SHA-512 run slower. CBC is not either: its decryption is slower there, and its encryption without padding is not
//! offered.

mod decrypt;
mod gcm;
mod sign;
mod verify;

use std::sync::Arc;

use aws_lc_rs::digest::{Algorithm, Digest, SHA256, SHA384, SHA512};

use super::rustcrypto::LoadKeyError;
use super::whole::Ciphers;
use super::{CryptoProvider, DecryptingKey, DigestValue, KeyLoader, SigningKey};
use crate::algorithm::DigestAlgorithm;

pub(super) fn provider() -> CryptoProvider {
    let plain = CryptoProvider::rustcrypto();
    let ciphers = Arc::new(Ciphers { inner: plain.ciphers().clone(), aead: gcm::aead });
    let verifiers = Arc::new(verify::Verifiers(plain.verifiers().clone()));
    let loader = Arc::new(Loader(plain.key_loader().clone()));
    plain.with_ciphers(ciphers).with_verifiers(verifiers).with_key_loader(loader)
}

/// Loads keys for AWS-LC; those that it does not take are those of the loader inside.
struct Loader(Arc<dyn KeyLoader>);

impl KeyLoader for Loader {
    fn signing(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn SigningKey>, LoadKeyError> {
        Ok(sign::key(self.0.signing(pkcs8_der)?, pkcs8_der))
    }

    fn decrypting(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn DecryptingKey>, LoadKeyError> {
        Ok(decrypt::key(self.0.decrypting(pkcs8_der)?, pkcs8_der))
    }
}

/// Sizes of RSA keys in bits that private operations are done with.
const RSA_BITS: [usize; 6] = [2048, 3072, 4096, 5120, 6144, 8192];

/// A digest as AWS-LC holds it; `None` for algorithms that are left to RustCrypto.
fn imported(digest: &DigestValue) -> Option<Digest> {
    Digest::import_less_safe(digest.as_bytes(), algorithm(digest.algorithm())?).ok()
}

fn algorithm(digest: DigestAlgorithm) -> Option<&'static Algorithm> {
    match digest {
        DigestAlgorithm::Sha256 => Some(&SHA256),
        DigestAlgorithm::Sha384 => Some(&SHA384),
        DigestAlgorithm::Sha512 => Some(&SHA512),
        _ => None,
    }
}
