//! Successor certificates, and what is written of them. `tests/interop/keys.sh` has openssl, keytool and BouncyCastle
//! read the same files.
#![cfg(all(feature = "renewal", feature = "pkcs12"))]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use as2_protocol::crypto::{RandomError, SecureRandom};
use as2_protocol::*;

const DAY: Duration = Duration::from_secs(86_400);

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/vectors/keys/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn predecessor() -> (Certificate, PrivateKey) {
    let store = KeyStore::read(&file("openssl3.p12"), Some("secret")).unwrap();
    let entry = store.entry(None).unwrap();
    (entry.certificate().unwrap().clone(), entry.key().clone())
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + Duration::from_millis(400)
}

fn provider() -> CryptoProvider {
    CryptoProvider::rustcrypto()
}

#[test]
fn a_successor_keeps_the_name_and_gets_a_validity_from_now() {
    let (old, _) = predecessor();
    let new = Renewal::of(&old).valid_for(DAY * 730).alias("new").issue(&provider(), now()).unwrap();
    let certificate = new.certificate().unwrap();
    assert_eq!((certificate.subject(), certificate.issuer()), (old.subject(), old.subject()));
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    assert_eq!((certificate.not_before(), certificate.not_after()), (start, start + DAY * 730));
    assert!(certificate.is_valid_at(now()));
    assert_eq!(certificate.serial_hex().len(), 32);
    assert_ne!(certificate.serial_hex(), old.serial_hex());
    let usage = certificate.key_usage().unwrap();
    assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_agreement());
    assert_eq!(new.key().algorithm(), &KeyAlgorithm::Rsa { bits: 2048 });
    assert_ne!(new.key().public_key(), predecessor().1.public_key());
    assert_eq!(new.alias(), Some("new"));

    let key = new.key().clone();
    Identity::builder(provider())
        .signing(new.chain().to_vec(), key.clone().into_signing().unwrap())
        .decrypting(certificate.clone(), key.into_decrypting().unwrap())
        .build()
        .unwrap();
}

#[test]
fn the_key_may_stay() {
    let (old, key) = predecessor();
    let new = Renewal::of(&old).same_key(&key).issue(&provider(), now()).unwrap();
    assert_eq!(new.key().public_key(), key.public_key());
    assert!(key.belongs_to(new.certificate().unwrap()));
    let lived = |certificate: &Certificate| certificate.not_after().duration_since(certificate.not_before()).unwrap();
    assert_eq!(lived(new.certificate().unwrap()), lived(&old), "as long as before");

    let other = PrivateKey::read(&file("ec-sec1.pem"), None).unwrap();
    let error = Renewal::of(&old).same_key(&other).issue(&provider(), now()).unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("leaf")), ("KEY_MISMATCH", true));
}

#[test]
fn elliptic_curves_get_key_agreement_and_other_keys_are_refused() {
    let store = KeyStore::read(&file("openssl-ec.p12"), Some("secret")).unwrap();
    let old = store.entry(None).unwrap();
    let new = Renewal::of(old.certificate().unwrap()).issue(&provider(), now()).unwrap();
    assert_eq!(new.key().algorithm(), &KeyAlgorithm::P256);
    let usage = new.certificate().unwrap().key_usage().unwrap();
    assert!(usage.digital_signature() && usage.key_agreement() && !usage.key_encipherment());

    let store = KeyStore::read(&file("openssl-ed25519.p12"), Some("secret")).unwrap();
    let edwards = store.entry(None).unwrap();
    let renewal = Renewal::of(edwards.certificate().unwrap()).same_key(edwards.key());
    assert_eq!(renewal.issue(&provider(), now()).unwrap_err(), RenewalError::Algorithm(KeyAlgorithm::Ed25519));
}

/// rcgen's names hold each attribute once; two organisational units and domain components are common.
#[test]
fn names_with_repeated_attributes_stay_as_they_are() {
    let old = Certificate::read_all(&file("repeated-names.pem")).unwrap().remove(0);
    let new = Renewal::of(&old).p256_key().issue(&provider(), now()).unwrap();
    assert_eq!(new.certificate().unwrap().subject(), old.subject());
    assert_eq!(old.subject().matches("OU=").count(), 2, "{}", old.subject());
}

#[test]
fn wishes_that_cannot_be_met_are_errors() {
    let (old, key) = predecessor();
    let code = |renewal: Renewal<'_>, now| renewal.issue(&provider(), now).unwrap_err().code();
    assert_eq!(code(Renewal::of(&old).rsa_key(1024), now()), "RENEWAL_RSA_SIZE");
    assert_eq!(code(Renewal::of(&old).rsa_key(1 << 20), now()), "RENEWAL_RSA_SIZE");
    let same = Renewal::of(&old).same_key(&key);
    assert_eq!(code(same.clone().valid_for(DAY * 4_000_000), now()), "RENEWAL_VALIDITY");
    assert_eq!(code(same.clone().valid_for(Duration::MAX), now()), "RENEWAL_VALIDITY");
    assert_eq!(code(same, SystemTime::UNIX_EPOCH - DAY), "RENEWAL_VALIDITY");
}

struct Broken;

impl SecureRandom for Broken {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError)
    }
}

#[test]
fn a_provider_without_randomness_issues_and_writes_nothing() {
    let (old, key) = predecessor();
    let broken = provider().with_random(Arc::new(Broken));
    for renewal in [Renewal::of(&old), Renewal::of(&old).p256_key(), Renewal::of(&old).same_key(&key)] {
        assert_eq!(renewal.issue(&broken, now()).unwrap_err().code(), "CRYPTO");
    }
    let entry = KeyEntry::new(None, vec![old], key.clone());
    assert_eq!(entry.to_pkcs12("secret", &broken), Err(KeyStoreError::Random));
    assert_eq!(key.to_encrypted_pem("secret", &broken), Err(KeyStoreError::Random));
}

#[test]
fn what_is_written_is_read_again() {
    let store = KeyStore::read(&file("openssl3.p12"), Some("secret")).unwrap();
    let whole = store.entry(None).unwrap();
    for (alias, password) in [(Some("Größe".to_owned()), "Grüße€𝄞"), (None, ""), (Some("as2".to_owned()), "secret")]
    {
        let entry = KeyEntry::new(alias.clone(), whole.chain().to_vec(), whole.key().clone());
        let written = entry.to_pkcs12(password, &provider()).unwrap();
        let read = KeyStore::read(&written, Some(password)).unwrap();
        let read = read.entry(None).unwrap();
        assert_eq!((read.alias(), read.chain()), (alias.as_deref(), whole.chain()));
        assert_eq!(read.key().to_pkcs8_der().as_bytes(), whole.key().to_pkcs8_der().as_bytes());
        let error = KeyStore::read(&written, Some("another")).unwrap_err();
        assert_eq!(error.code(), "KEYSTORE_PASSWORD");
    }
    let key = whole.key();
    let pem = key.to_encrypted_pem("secret", &provider()).unwrap();
    assert_eq!(PrivateKey::read(pem.as_bytes(), Some("secret")).unwrap().public_key(), key.public_key());
    assert_eq!(PrivateKey::read(key.to_pkcs8_pem().as_bytes(), None).unwrap().public_key(), key.public_key());
    let chain = whole.chain();
    assert_eq!(Certificate::read_all(&Certificate::to_p7c(chain)).unwrap(), chain);
    assert_eq!(Certificate::from_pem(chain[0].to_pem().as_bytes()).unwrap(), chain[0]);
}
