//! The backend over the RustCrypto crates. Nothing else in this crate names one of their primitives.

mod cbc;
mod ccm;
mod chacha;
mod cipher;
mod digest;
mod ec;
mod ec_agree;
mod ecdh;
mod ed25519;
mod gcm;
#[cfg(feature = "renewal")]
pub(crate) mod generate;
mod hashed;
#[cfg(test)]
mod key_tests;
#[cfg(feature = "legacy")]
mod legacy;
mod load;
#[cfg(feature = "pq")]
mod ml_dsa;
#[cfg(feature = "pq")]
mod ml_kem;
mod oaep;
#[cfg(feature = "pkcs12")]
pub(crate) mod password;
mod pss;
mod rsa;
mod rsa_public;
#[cfg(feature = "pq")]
mod seed;
#[cfg(all(feature = "pq", test))]
mod seed_tests;
mod turns;
#[cfg(test)]
mod turns_tests;
mod verify;
mod wrapping;
mod x25519;

use std::sync::Arc;

pub use self::ec::EcPrivateKey;
pub use self::ed25519::Ed25519PrivateKey;
pub use self::load::LoadKeyError;
pub(super) use self::load::Loader;
#[cfg(feature = "pq")]
pub use self::ml_dsa::MlDsaPrivateKey;
#[cfg(feature = "pq")]
pub use self::ml_kem::MlKemPrivateKey;
pub use self::rsa::RsaPrivateKey;
pub use self::x25519::X25519PrivateKey;
#[cfg(any(feature = "aws-lc-rs", feature = "graviola"))]
pub(super) use self::{ec::public_key as ec_key, load::balanced_rsa_key, rsa_public::usual_key as usual_rsa_key};

use super::{CryptoProvider, RandomError, SecureRandom};

pub(super) fn provider() -> CryptoProvider {
    CryptoProvider::new(
        Arc::new(digest::Digests),
        Arc::new(cipher::Ciphers),
        Arc::new(verify::Verifiers),
        Arc::new(wrapping::KeyTransports),
        Arc::new(SystemRandom),
    )
}

/// The random numbers of the operating system.
struct SystemRandom;

impl SecureRandom for SystemRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(out).map_err(|_| RandomError)
    }
}

/// A [`SecureRandom`] in the shape that RustCrypto wants.
struct RngAdapter<'a> {
    source: &'a dyn SecureRandom,
    calls: u32,
}

impl<'a> RngAdapter<'a> {
    /// RSA asks again for every octet that must not be zero. Long keys take some twenty calls; a source that is
    /// stuck at zero would be asked for ever.
    const MAX_CALLS: u32 = 4096;

    fn new(source: &'a dyn SecureRandom) -> Self {
        Self { source, calls: 0 }
    }
}

impl rand_core::TryRng for RngAdapter<'_> {
    type Error = RandomError;

    fn try_next_u32(&mut self) -> Result<u32, RandomError> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets)?;
        Ok(u32::from_le_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, RandomError> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets)?;
        Ok(u64::from_le_bytes(octets))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        self.calls += 1;
        if self.calls > Self::MAX_CALLS {
            return Err(RandomError);
        }
        self.source.fill(out)
    }
}

impl rand_core::TryCryptoRng for RngAdapter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::TryRng;

    #[test]
    fn system_random_fills_and_varies() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        SystemRandom.fill(&mut a).unwrap();
        SystemRandom.fill(&mut b).unwrap();
        assert_ne!(a, b);
    }

    #[test]
    fn a_stuck_source_ends_in_an_error() {
        struct Zeros;
        impl SecureRandom for Zeros {
            fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
                out.fill(0);
                Ok(())
            }
        }
        let mut rng = RngAdapter::new(&Zeros);
        assert_eq!(rng.try_next_u64(), Ok(0));
        let calls = (0..10_000).take_while(|_| rng.try_next_u32().is_ok()).count();
        assert_eq!(calls, 4095);
    }
}
