//! Content ciphers by name.

use aes::{Aes128, Aes192, Aes256};

use super::cbc::{cbc_decryptor, cbc_encryptor};
use super::ccm::Ccm;
use super::chacha::ChaChaPoly;
use super::gcm::Gcm;
#[cfg(feature = "legacy")]
use super::legacy;
use crate::algorithm::CipherAlgorithm;
use crate::crypto::{CipherProvider, ContentDecryptor, ContentEncryptor, CryptoError};

pub(super) struct Ciphers;

impl CipherProvider for Ciphers {
    fn encryptor(
        &self,
        algorithm: CipherAlgorithm,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
    ) -> Result<Box<dyn ContentEncryptor>, CryptoError> {
        match check(algorithm, key, iv, aad)? {
            CipherAlgorithm::Aes128Cbc => cbc_encryptor::<Aes128>(key, iv),
            CipherAlgorithm::Aes192Cbc => cbc_encryptor::<Aes192>(key, iv),
            CipherAlgorithm::Aes256Cbc => cbc_encryptor::<Aes256>(key, iv),
            CipherAlgorithm::Aes128Gcm => Ok(Box::new(Gcm::<Aes128>::new(key, iv, aad)?)),
            CipherAlgorithm::Aes192Gcm => Ok(Box::new(Gcm::<Aes192>::new(key, iv, aad)?)),
            CipherAlgorithm::Aes256Gcm => Ok(Box::new(Gcm::<Aes256>::new(key, iv, aad)?)),
            CipherAlgorithm::Aes128Ccm => Ok(Box::new(Ccm::<Aes128>::new(key, iv, aad)?)),
            CipherAlgorithm::Aes192Ccm => Ok(Box::new(Ccm::<Aes192>::new(key, iv, aad)?)),
            CipherAlgorithm::Aes256Ccm => Ok(Box::new(Ccm::<Aes256>::new(key, iv, aad)?)),
            CipherAlgorithm::ChaCha20Poly1305 => Ok(Box::new(ChaChaPoly::new(key, iv, aad)?)),
            #[cfg(feature = "legacy")]
            CipherAlgorithm::TripleDesCbc => cbc_encryptor::<des::TdesEde3>(key, iv),
            _ => Err(CryptoError::Unsupported),
        }
    }

    fn decryptor(
        &self,
        algorithm: CipherAlgorithm,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
    ) -> Result<Box<dyn ContentDecryptor>, CryptoError> {
        match check(algorithm, key, iv, aad)? {
            CipherAlgorithm::Aes128Cbc => cbc_decryptor::<Aes128>(key, iv),
            CipherAlgorithm::Aes192Cbc => cbc_decryptor::<Aes192>(key, iv),
            CipherAlgorithm::Aes256Cbc => cbc_decryptor::<Aes256>(key, iv),
            CipherAlgorithm::Aes128Gcm => Ok(Box::new(Gcm::<Aes128>::new(key, iv, aad)?)),
            CipherAlgorithm::Aes192Gcm => Ok(Box::new(Gcm::<Aes192>::new(key, iv, aad)?)),
            CipherAlgorithm::Aes256Gcm => Ok(Box::new(Gcm::<Aes256>::new(key, iv, aad)?)),
            CipherAlgorithm::Aes128Ccm => Ok(Box::new(Ccm::<Aes128>::new(key, iv, aad)?)),
            CipherAlgorithm::Aes192Ccm => Ok(Box::new(Ccm::<Aes192>::new(key, iv, aad)?)),
            CipherAlgorithm::Aes256Ccm => Ok(Box::new(Ccm::<Aes256>::new(key, iv, aad)?)),
            CipherAlgorithm::ChaCha20Poly1305 => Ok(Box::new(ChaChaPoly::new(key, iv, aad)?)),
            #[cfg(feature = "legacy")]
            CipherAlgorithm::TripleDesCbc => cbc_decryptor::<des::TdesEde3>(key, iv),
            #[cfg(feature = "legacy")]
            CipherAlgorithm::Rc2Cbc128 | CipherAlgorithm::Rc2Cbc40 => legacy::rc2_decryptor(key, iv),
            #[cfg(not(feature = "legacy"))]
            _ => Err(CryptoError::Unsupported),
        }
    }
}

/// Lengths first, so that an error says which parameter is wrong.
fn check(algorithm: CipherAlgorithm, key: &[u8], iv: &[u8], aad: &[u8]) -> Result<CipherAlgorithm, CryptoError> {
    let parameters_ok = if algorithm.is_authenticated() {
        // Nonces of 12 octets are what everybody writes; SP 800-38D defines all other lengths but zero for GCM.
        !iv.is_empty()
    } else {
        iv.len() == algorithm.iv_len() && aad.is_empty()
    };
    if key.len() != algorithm.key_len() {
        return Err(CryptoError::InvalidKey);
    }
    parameters_ok.then_some(algorithm).ok_or(CryptoError::InvalidParameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Tag;
    use crate::crypto::tests::hex;

    const PLAIN: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                         30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
    const IV: &str = "000102030405060708090a0b0c0d0e0f";

    /// SP 800-38A sections F.2.1 to F.2.6: cipher, key, ciphertext.
    const CBC: [(CipherAlgorithm, &str, &str); 3] = [
        (
            CipherAlgorithm::Aes128Cbc,
            "2b7e151628aed2a6abf7158809cf4f3c",
            "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2\
             73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
        ),
        (
            CipherAlgorithm::Aes192Cbc,
            "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
            "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a\
             571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
        ),
        (
            CipherAlgorithm::Aes256Cbc,
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d\
             39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
        ),
    ];

    #[test]
    fn cbc_known_answers_in_one_piece_and_block_by_block() {
        for (algorithm, key, cipher) in CBC {
            for step in [16, 48, 64] {
                let mut octets = hex(PLAIN);
                let mut encryptor = Ciphers.encryptor(algorithm, &hex(key), &hex(IV), b"").unwrap();
                assert_eq!(encryptor.block_len(), 16);
                octets.chunks_mut(step).for_each(|chunk| encryptor.update(chunk));
                assert_eq!(octets, hex(cipher), "{algorithm} by {step}");
                assert_eq!(encryptor.finish(), Tag::EMPTY);

                let mut decryptor = Ciphers.decryptor(algorithm, &hex(key), &hex(IV), b"").unwrap();
                assert_eq!(decryptor.block_len(), 16);
                octets.chunks_mut(step).for_each(|chunk| decryptor.update(chunk));
                assert_eq!(octets, hex(PLAIN), "{algorithm} by {step}");
                assert_eq!(decryptor.finish(b"ignored"), Ok(()));
            }
        }
    }

    #[test]
    fn parameters_of_the_wrong_length_are_refused() {
        for algorithm in CipherAlgorithm::ALL.into_iter().filter(|cipher| !cipher.is_legacy()) {
            let (key, iv) = (vec![1; algorithm.key_len()], vec![2; algorithm.iv_len()]);
            assert!(Ciphers.encryptor(algorithm, &key, &iv, b"").is_ok());
            for bad in [&key[1..], &[], &[1; 33]] {
                let error = Ciphers.decryptor(algorithm, bad, &iv, b"").err();
                assert_eq!(error, Some(CryptoError::InvalidKey));
            }
            let error = Ciphers.encryptor(algorithm, &key, b"", b"").err();
            assert_eq!(error, Some(CryptoError::InvalidParameters), "no IV");
        }
        let cbc = |iv: &[u8], aad: &[u8]| Ciphers.decryptor(CipherAlgorithm::Aes128Cbc, &[0; 16], iv, aad).err();
        assert_eq!(cbc(&[0; 12], b""), Some(CryptoError::InvalidParameters));
        assert_eq!(cbc(&[0; 16], b"x"), Some(CryptoError::InvalidParameters), "CBC authenticates nothing");
    }

    #[test]
    fn rc2_is_not_written_and_the_past_needs_its_feature() {
        let encryptor =
            |cipher: CipherAlgorithm| Ciphers.encryptor(cipher, &vec![1; cipher.key_len()], &[0; 8], b"").err();
        for cipher in [CipherAlgorithm::Rc2Cbc128, CipherAlgorithm::Rc2Cbc40] {
            assert_eq!(encryptor(cipher), Some(CryptoError::Unsupported));
        }
        let expected = if cfg!(feature = "legacy") { None } else { Some(CryptoError::Unsupported) };
        assert_eq!(encryptor(CipherAlgorithm::TripleDesCbc), expected);
    }

    #[test]
    fn an_incomplete_block_is_left_alone() {
        let mut octets = [7; 20];
        let mut encryptor = Ciphers.encryptor(CipherAlgorithm::Aes128Cbc, &[0; 16], &[0; 16], b"").unwrap();
        encryptor.update(&mut octets);
        assert_ne!(octets[..16], [7; 16]);
        assert_eq!(octets[16..], [7; 4]);
    }
}
