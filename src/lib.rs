//! AS2 (RFC 4130) as a sans-IO library.
#![forbid(unsafe_code)]

mod algorithm;
mod limits;

pub use algorithm::{CipherAlgorithm, DigestAlgorithm, KeyTransport, SignatureScheme};
pub use limits::Limits;
