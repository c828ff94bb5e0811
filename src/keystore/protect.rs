//! Keys and certificates written under a password: PKCS #8 with PBES2, and PKCS #12, as OpenSSL 3 and Java read them.

use const_oid::ObjectIdentifier;

use super::certificates::armor;
use super::integer::encode;
use super::protected::{Forms, pkcs12_mac};
use super::{KeyEntry, KeyStoreError, PrivateKey};
use crate::certificate::Certificate;
use crate::cms::ber;
use crate::cms::oid::DATA;
use crate::cms::write::{integer, oid, tlv};
use crate::crypto::CryptoProvider;
use crate::crypto::password::{self, Hash};

/// Iterations of every derivation. Some programs refuse a file that asks for more than 300,000 at once or 600,000 in
/// all; a store asks three times.
const ITERATIONS: u32 = 100_000;

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
const HMAC_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");
const AES256_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const SHROUDED_KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERTIFICATE_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const X509_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");
const FRIENDLY_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.20");
const LOCAL_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.21");

const BMP_STRING: u8 = 0x1e;
const NULL: [u8; 2] = [5, 0];

impl PrivateKey {
    /// The key as a PEM text with an `ENCRYPTED PRIVATE KEY` section: PBES2 with AES-256 and HMAC-SHA-256, 100,000
    /// iterations.
    ///
    /// # Errors
    /// [`KeyStoreError::Random`] if the provider gives no salt.
    pub fn to_encrypted_pem(&self, password: &str, provider: &CryptoProvider) -> Result<String, KeyStoreError> {
        Ok(armor("ENCRYPTED PRIVATE KEY", &self.encrypted(password, provider)?))
    }

    /// EncryptedPrivateKeyInfo (RFC 5958 section 3).
    fn encrypted(&self, password: &str, provider: &CryptoProvider) -> Result<Vec<u8>, KeyStoreError> {
        let (algorithm, octets) = encrypt(self.to_pkcs8_der().as_bytes(), password, provider)?;
        Ok(tlv(ber::SEQUENCE, &[&algorithm, &tlv(ber::OCTET_STRING, &[&octets])]))
    }
}

impl KeyEntry {
    /// The key and its chain as a PKCS #12 file (RFC 7292): everything under PBES2 with AES-256, and an HMAC-SHA-256
    /// over all, 100,000 iterations each. OpenSSL from 1.1, Java from 8u301 and Windows from 10 read it; Java takes no
    /// password with other letters than ASCII.
    ///
    /// # Errors
    /// [`KeyStoreError::Random`] if the provider gives no salt.
    pub fn to_pkcs12(&self, password: &str, provider: &CryptoProvider) -> Result<Vec<u8>, KeyStoreError> {
        let key = tlv(ber::CONTEXT_0_CONSTRUCTED, &[&self.key().encrypted(password, provider)?]);
        let key = tlv(ber::SEQUENCE, &[&oid(&SHROUDED_KEY_BAG), &key, &self.attributes()]);
        let keys = content_info(&DATA, &tlv(ber::OCTET_STRING, &[&tlv(ber::SEQUENCE, &[&key])]));

        let own = self.attributes();
        let attributes = std::iter::once(own.as_slice()).chain(std::iter::repeat(&[][..]));
        let bags: Vec<u8> = self
            .chain()
            .iter()
            .zip(attributes)
            .flat_map(|(one, attributes)| certificate_bag(one, attributes))
            .collect();
        let certificates = encrypted_data(&tlv(ber::SEQUENCE, &[&bags]), password, provider)?;

        let safe = tlv(ber::SEQUENCE, &[&certificates, &keys]);
        let content = content_info(&DATA, &tlv(ber::OCTET_STRING, &[&safe]));
        Ok(tlv(ber::SEQUENCE, &[&integer(3), &content, &mac_data(&safe, password, provider)?]))
    }

    /// What key and certificate have in common: the name, and the fingerprint of the certificate.
    fn attributes(&self) -> Vec<u8> {
        let attribute =
            |kind: &ObjectIdentifier, value: &[u8]| tlv(ber::SEQUENCE, &[&oid(kind), &tlv(ber::SET, &[value])]);
        let name = self.alias().map(|alias| {
            let units: Vec<u8> = alias.encode_utf16().flat_map(u16::to_be_bytes).collect();
            attribute(&FRIENDLY_NAME, &tlv(BMP_STRING, &[&units]))
        });
        let id =
            self.certificate().map(|leaf| attribute(&LOCAL_KEY_ID, &tlv(ber::OCTET_STRING, &[&leaf.fingerprint()])));
        let mut all: Vec<_> = name.into_iter().chain(id).collect();
        all.sort();
        if all.is_empty() { Vec::new() } else { tlv(ber::SET, &[&all.concat()]) }
    }
}

fn certificate_bag(certificate: &Certificate, attributes: &[u8]) -> Vec<u8> {
    let octets = tlv(ber::OCTET_STRING, &[certificate.der()]);
    let value = tlv(ber::CONTEXT_0_CONSTRUCTED, &[&content_info(&X509_CERTIFICATE, &octets)]);
    tlv(ber::SEQUENCE, &[&oid(&CERTIFICATE_BAG), &value, attributes])
}

/// ContentInfo; a CertBag has the same form.
fn content_info(kind: &ObjectIdentifier, content: &[u8]) -> Vec<u8> {
    tlv(ber::SEQUENCE, &[&oid(kind), &tlv(ber::CONTEXT_0_CONSTRUCTED, &[content])])
}

fn encrypted_data(plain: &[u8], password: &str, provider: &CryptoProvider) -> Result<Vec<u8>, KeyStoreError> {
    let (algorithm, octets) = encrypt(plain, password, provider)?;
    let info = tlv(ber::SEQUENCE, &[&oid(&DATA), &algorithm, &tlv(ber::CONTEXT_0, &[&octets])]);
    Ok(content_info(&ENCRYPTED_DATA, &tlv(ber::SEQUENCE, &[&integer(0), &info])))
}

/// MacData (RFC 7292 section 4).
fn mac_data(safe: &[u8], password: &str, provider: &CryptoProvider) -> Result<Vec<u8>, KeyStoreError> {
    let salt: [u8; 16] = random(provider)?;
    let mac = pkcs12_mac(Hash::Sha256, Forms::new(password).written(), &salt, ITERATIONS, safe);
    let algorithm = tlv(ber::SEQUENCE, &[&oid(&SHA256), &NULL]);
    let info = tlv(ber::SEQUENCE, &[&algorithm, &tlv(ber::OCTET_STRING, &[&mac])]);
    let salt = tlv(ber::OCTET_STRING, &[&salt]);
    Ok(tlv(ber::SEQUENCE, &[&info, &salt, &encode(&ITERATIONS.to_be_bytes())]))
}

/// PBES2 (RFC 8018 section 6.2): the AlgorithmIdentifier and the encrypted octets.
fn encrypt(plain: &[u8], password: &str, provider: &CryptoProvider) -> Result<(Vec<u8>, Vec<u8>), KeyStoreError> {
    let (salt, iv): ([u8; 16], [u8; 16]) = (random(provider)?, random(provider)?);
    let key = password::pbkdf2_sha256(password.as_bytes(), &salt, ITERATIONS);
    let octets = password::encrypt_aes256(&key, &iv, plain);
    let prf = tlv(ber::SEQUENCE, &[&oid(&HMAC_SHA256), &NULL]);
    let salt = tlv(ber::OCTET_STRING, &[&salt]);
    let derivation = tlv(ber::SEQUENCE, &[&salt, &encode(&ITERATIONS.to_be_bytes()), &prf]);
    let derivation = tlv(ber::SEQUENCE, &[&oid(&PBKDF2), &derivation]);
    let cipher = tlv(ber::SEQUENCE, &[&oid(&AES256_CBC), &tlv(ber::OCTET_STRING, &[&iv])]);
    let parameters = tlv(ber::SEQUENCE, &[&derivation, &cipher]);
    Ok((tlv(ber::SEQUENCE, &[&oid(&PBES2), &parameters]), octets))
}

fn random<const N: usize>(provider: &CryptoProvider) -> Result<[u8; N], KeyStoreError> {
    let mut octets = [0; N];
    provider.fill_random(&mut octets).map_err(|_| KeyStoreError::Random)?;
    Ok(octets)
}
