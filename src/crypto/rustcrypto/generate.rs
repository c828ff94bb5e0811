//! New private keys out of the randomness of a provider.

use ::rsa::traits::{PrivateKeyParts, PublicKeyParts};
use zeroize::Zeroizing;

use super::RngAdapter;
use crate::crypto::{CryptoError, RandomError, SecureRandom};

/// The numbers of an RSA key as RSAPrivateKey has them (RFC 8017 appendix A.1.2), each without leading zeros.
pub(crate) type RsaNumbers = [Zeroizing<Vec<u8>>; 8];

/// A new RSA key with the public exponent 65537.
pub(crate) fn rsa(bits: usize, random: &dyn SecureRandom) -> Result<RsaNumbers, CryptoError> {
    let mut rng = RngAdapter::new(random);
    let key = ::rsa::PrivateKey::new(&mut rng, bits).map_err(|_| CryptoError::Random(RandomError))?;
    let numbers = || {
        let [p, q] = key.primes() else { return None };
        let qinv = key.crt_coefficient()?;
        let all = [key.n().as_ref(), key.e(), key.d(), p, q, key.dp()?, key.dq()?, &qinv];
        Some(all.map(|number| Zeroizing::new(number.to_be_bytes_trimmed_vartime().into_vec())))
    };
    numbers().ok_or(CryptoError::InvalidKey)
}

/// A new private key on P-256: random octets that are not zero and below the order, drawn again until they are.
pub(crate) fn p256(random: &dyn SecureRandom) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
    const DRAWS: usize = 16;
    let mut scalar = Zeroizing::new([0; 32]);
    for _ in 0..DRAWS {
        random.fill(&mut *scalar)?;
        if ::p256::SecretKey::from_slice(&*scalar).is_ok() {
            return Ok(scalar);
        }
    }
    Err(CryptoError::Random(RandomError))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::CryptoProvider;

    struct Stuck(u8);

    impl SecureRandom for Stuck {
        fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
            out.fill(self.0);
            Ok(())
        }
    }

    struct Broken;

    impl SecureRandom for Broken {
        fn fill(&self, _out: &mut [u8]) -> Result<(), RandomError> {
            Err(RandomError)
        }
    }

    #[test]
    fn a_broken_or_stuck_source_makes_no_key() {
        let failed = Some(CryptoError::Random(RandomError));
        assert_eq!(p256(&Broken).err(), failed);
        assert_eq!(p256(&Stuck(0)).err(), failed);
        assert_eq!(p256(&Stuck(0xff)).err(), failed, "above the order");
        assert_eq!(rsa(2048, &Broken).err(), failed);
        assert_eq!(rsa(2048, &Stuck(0)).err(), failed);
    }

    #[test]
    fn keys_differ_and_have_the_size_that_was_asked_for() {
        let provider = CryptoProvider::rustcrypto();
        let random = &**provider.random();
        let (one, other) = (rsa(2048, random).unwrap(), rsa(2048, random).unwrap());
        assert_eq!(one[0].len(), 256);
        assert_ne!(one[0], other[0]);
        assert_eq!(*one[1], [1, 0, 1]);
        assert_ne!(*p256(random).unwrap(), *p256(random).unwrap());
    }
}
