//! The backend over graviola. Nothing else in this crate names it.
//!
//! It adds what graviola does faster to the RustCrypto backend. Digests are not among that (SHA-256 runs as fast, SHA-384
//! and SHA-512 run slower), nor is CBC, which graviola lacks as it lacks decryption with RSA.

mod gcm;
mod sign;
mod verify;

use std::sync::Arc;

use graviola::hashing::{Hash, Sha256, Sha384, Sha512};

use super::whole::Ciphers;
use super::{CryptoProvider, DigestValue};
use crate::algorithm::DigestAlgorithm;

pub(super) fn provider() -> CryptoProvider {
    let plain = CryptoProvider::rustcrypto();
    // On such a processor every call would panic.
    if !graviola::util::is_cpu_supported() {
        return plain;
    }
    let ciphers = Arc::new(Ciphers { inner: plain.ciphers().clone(), aead: gcm::aead });
    let verifiers = Arc::new(verify::Verifiers(plain.verifiers().clone()));
    let loader = Arc::new(sign::Loader(plain.key_loader().clone()));
    plain.with_ciphers(ciphers).with_verifiers(verifiers).with_key_loader(loader)
}

/// Octets of the longest message that is worth digesting once more; graviola takes messages, not digests. With signed
/// attributes it is always these few hundred octets, without them it is the content.
const MESSAGE_LEN: usize = 16 << 10;

/// The message behind a digest, if it is short, and is what the digest belongs to.
fn message_of<'a>(digest: &DigestValue, message: Option<&'a [u8]>) -> Option<&'a [u8]> {
    let message = message.filter(|message| message.len() <= MESSAGE_LEN)?;
    let own = match digest.algorithm() {
        DigestAlgorithm::Sha256 => Sha256::hash(message),
        DigestAlgorithm::Sha384 => Sha384::hash(message),
        DigestAlgorithm::Sha512 => Sha512::hash(message),
        _ => return None,
    };
    digest.ct_eq(own.as_ref()).then_some(message)
}
