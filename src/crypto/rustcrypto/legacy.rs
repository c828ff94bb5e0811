//! RC2 in CBC mode (RFC 2268), to read what old products send.

use ::cbc::Decryptor;
use ::cbc::cipher::InnerIvInit;
use rc2::Rc2;

use super::cbc::cbc_decryptor_of;
use crate::crypto::{ContentDecryptor, CryptoError};

/// RC2 whose effective key length is the length of the key (RFC 3370 section 5.2: 40 and 128 bits).
pub(super) fn rc2_decryptor(key: &[u8], iv: &[u8]) -> Result<Box<dyn ContentDecryptor>, CryptoError> {
    if !matches!(key.len(), 5 | 16) {
        return Err(CryptoError::InvalidKey);
    }
    let cipher = Rc2::new_with_eff_key_len(key, key.len() * 8);
    let mode = Decryptor::inner_iv_slice_init(cipher, iv).map_err(|_| CryptoError::InvalidParameters)?;
    Ok(cbc_decryptor_of(mode))
}

#[cfg(test)]
mod tests {
    use crate::CipherAlgorithm;
    use crate::crypto::CryptoProvider;
    use crate::crypto::tests::hex;

    /// `printf 'NEW.TEST' | openssl enc -provider legacy -provider default -rc2-cbc` (`-rc2-40-cbc`), `-des-ede3-cbc`,
    /// each with the key 00 01 02 ... and the IV 10 11 ... 17.
    const CASES: [(CipherAlgorithm, &str); 3] = [
        (CipherAlgorithm::Rc2Cbc128, "e0271b144174b753baff547836016b43"),
        (CipherAlgorithm::Rc2Cbc40, "fc32575f1931e86d40bb57ae9866bd7c"),
        (CipherAlgorithm::TripleDesCbc, "9a7fef415b5d3d8c3899b93a93288410"),
    ];

    #[test]
    fn ciphertext_of_openssl_is_read() {
        let iv: Vec<u8> = (0x10..0x18).collect();
        for (cipher, octets) in CASES {
            let key: Vec<u8> = (0..24).take(cipher.key_len()).collect();
            let mut octets = hex(octets);
            let mut decryptor = CryptoProvider::rustcrypto().ciphers().decryptor(cipher, &key, &iv, b"").unwrap();
            assert_eq!(decryptor.block_len(), 8);
            decryptor.update(&mut octets);
            assert_eq!(octets, b"NEW.TEST\x08\x08\x08\x08\x08\x08\x08\x08", "{cipher}");
        }
    }
}
