//! What a password protects: the algorithm identifiers of PBES2 and PBES1 (RFC 8018), of PKCS #12 (RFC 7292 appendix
//! C) and the `DEK-Info` of old PEM sections, bounded and carried out.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{DEPTH, KeyStoreError};
use crate::cms::ber::{self, Cursor};
use crate::cms::{Error, ErrorKind};
use crate::crypto::password::{self, Hash, Purpose, Secret};

mod scheme;

pub(super) use scheme::Forms;
use scheme::{Mac, Scheme};

/// Iterations of key derivation for all files of one store: some seconds. What programs write is 1 to 600,000 each.
const MAX_COST: u64 = 10_000_000;

pub(super) const REMEDY_KEY: &str = "openssl pkcs8 -in FILE -topk8 -v2 aes-256-cbc -out NEW-FILE";
pub(super) const REMEDY_STORE: &str =
    "openssl pkcs12 -in FILE -legacy -nodes -out STORE.pem, then openssl pkcs12 -export -in STORE.pem -out NEW-FILE";

/// Opens what one password protects, and counts what that costs.
pub(super) struct Opener {
    given: bool,
    forms: Forms,
    left: u64,
}

impl Opener {
    pub(super) fn new(password: Option<&str>) -> Self {
        Self { given: password.is_some(), forms: Forms::new(password.unwrap_or_default()), left: MAX_COST }
    }

    /// The PrivateKeyInfo in an EncryptedPrivateKeyInfo, from the content of its SEQUENCE.
    pub(super) fn encrypted_key(&mut self, content: &[u8]) -> Result<Secret, KeyStoreError> {
        const PART: &str = "the private key";
        let damaged = KeyStoreError::at(PART);
        let mut cursor = Cursor::new(content, DEPTH);
        let algorithm = cursor.expect(ber::SEQUENCE, "an encryption algorithm").map_err(&damaged)?;
        let data = cursor.next().map_err(&damaged)?;
        let data = data.ok_or_else(|| damaged(Error::new(ErrorKind::Missing("the encrypted key"), 0)))?;
        let data = data.octets(DEPTH).map_err(&damaged)?;
        self.decrypt(PART, REMEDY_KEY, algorithm.content, &data)
    }

    /// Decrypts one structure under an AlgorithmIdentifier, given as the content of its SEQUENCE.
    pub(super) fn decrypt(
        &mut self,
        part: &'static str,
        remedy: &'static str,
        algorithm: &[u8],
        data: &[u8],
    ) -> Result<Secret, KeyStoreError> {
        let scheme = Scheme::read(part, remedy, algorithm)?;
        for form in self.forms.of(&scheme) {
            charge(&mut self.left, part, scheme.cost())?;
            if let Some(plain) = scheme.decrypt(form, data).filter(is_structure) {
                return Ok(plain);
            }
        }
        Err(self.refused(part))
    }

    /// Compares the MAC of a PKCS #12 file, given as the content of MacData.
    pub(super) fn check_mac(&mut self, mac_data: &[u8], protected: &[u8]) -> Result<(), KeyStoreError> {
        const PART: &str = "the PKCS #12 file (its MAC)";
        let mac = Mac::read(PART, mac_data)?;
        for form in self.forms.of_mac(&mac) {
            charge(&mut self.left, PART, mac.cost())?;
            if bool::from(mac.compute(form, protected).ct_eq(&mac.expected)) {
                return Ok(());
            }
        }
        Err(self.refused(PART))
    }

    /// The key in a PEM section with `Proc-Type: 4,ENCRYPTED` (RFC 1421 section 4.6.1.1); OpenSSL derives its own way.
    pub(super) fn encrypted_section(&mut self, dek_info: &str, data: &[u8]) -> Result<Secret, KeyStoreError> {
        const PART: &str = "the private key";
        let unsupported =
            || KeyStoreError::Unsupported { part: PART, what: format!("DEK-Info {dek_info:?}"), remedy: REMEDY_KEY };
        let (name, iv) = dek_info.split_once(',').ok_or_else(unsupported)?;
        let cipher = scheme::cipher_by_name(name.trim()).ok_or_else(unsupported)?;
        let iv = unhex(iv.trim()).filter(|iv| iv.len() == cipher.block_len()).ok_or_else(unsupported)?;
        let salt = iv.get(..8).unwrap_or_default();
        for form in &self.forms.octets {
            let key = password::openssl(form, salt, cipher.key_len());
            if let Some(plain) = cipher.decrypt(&key, &iv, data).filter(is_structure) {
                return Ok(plain);
            }
        }
        Err(self.refused(PART))
    }

    fn refused(&self, part: &'static str) -> KeyStoreError {
        if self.given { KeyStoreError::WrongPassword { part } } else { KeyStoreError::PasswordNeeded { part } }
    }
}

fn charge(left: &mut u64, part: &'static str, cost: u64) -> Result<(), KeyStoreError> {
    *left = left.checked_sub(cost).ok_or(KeyStoreError::TooExpensive { part, cost, limit: MAX_COST })?;
    Ok(())
}

/// Whether decrypted octets are one SEQUENCE to the end: one wrong key in 256 leaves a padding that looks right.
fn is_structure(plain: &Zeroizing<Vec<u8>>) -> bool {
    let mut cursor = Cursor::new(plain, DEPTH);
    matches!(cursor.next(), Ok(Some(element)) if element.tag == ber::SEQUENCE && element.raw.len() == plain.len())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || digits.len() > 64 {
        return None;
    }
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.as_chunks::<2>().0.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// The MAC of PKCS #12 (RFC 7292 appendix B.3).
pub(super) fn pkcs12_mac(hash: Hash, password: &[u8], salt: &[u8], iterations: u32, data: &[u8]) -> Vec<u8> {
    let key = password::pkcs12(hash, Purpose::Mac, password, salt, iterations, hash.output_len());
    password::hmac(hash, &key, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cms::write::tlv;

    const KEY: &[u8] = include_bytes!("../../tests/vectors/keys/pbes2-aes-256-cbc.der");

    fn content(file: &[u8]) -> &[u8] {
        Cursor::new(file, DEPTH).expect(ber::SEQUENCE, "a key").unwrap().content
    }

    #[test]
    fn all_keys_share_one_budget() {
        let mut opener = Opener { left: 5000, ..Opener::new(Some("secret")) };
        assert!(opener.encrypted_key(content(KEY)).is_ok());
        assert!(opener.encrypted_key(content(KEY)).is_ok());
        assert_eq!(opener.left, 5000 - 2 * 2048);
        let error = opener.encrypted_key(content(KEY)).unwrap_err();
        assert!(matches!(error, KeyStoreError::TooExpensive { cost: 2048, .. }), "{error}");
    }

    #[test]
    fn parameters_that_are_not_supported_name_the_algorithm_and_a_remedy() {
        // pbeWithSHAAnd128BitRC4 (RFC 7292 appendix C)
        let oid = tlv(ber::OID, &[b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x01"]);
        let file = tlv(ber::SEQUENCE, &[&tlv(ber::SEQUENCE, &[&oid]), &tlv(ber::OCTET_STRING, &[&[0; 8]])]);
        let error = Opener::new(Some("secret")).encrypted_key(content(&file)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the private key uses the algorithm 1.2.840.113549.1.12.1.1, which is not supported; convert the file: \
             openssl pkcs8 -in FILE -topk8 -v2 aes-256-cbc -out NEW-FILE"
        );
    }

    #[test]
    fn headers_of_encrypted_sections_may_be_anything() {
        for dek in [
            "",
            "AES-256-CBC",
            "AES-256-CBC,",
            "AES-256-CBC,00",
            "AES-256-CBC,zz",
            "CAMELLIA-128-CBC,00",
            ",",
            "DES-CBC,000",
        ] {
            let error = Opener::new(Some("secret")).encrypted_section(dek, &[0; 16]).unwrap_err();
            assert_eq!(error.code(), "KEYSTORE_UNSUPPORTED", "{dek}");
        }
        let iv = format!("AES-256-CBC,{}", "00".repeat(16));
        for data in [&[][..], &[0; 15], &[0; 16]] {
            let error = Opener::new(Some("secret")).encrypted_section(&iv, data).unwrap_err();
            assert_eq!(error.code(), "KEYSTORE_PASSWORD");
        }
    }
}
