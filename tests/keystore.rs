//! Files of keys and certificates as other programs write them (tests/vectors/keys), whole and broken.
#![cfg(feature = "pkcs12")]

#[path = "support/key_table.rs"]
mod key_table;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use as2_protocol::*;
use key_table::{describe, rows};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

#[test]
fn every_file_of_other_programs_is_read() {
    let rows = rows(&folder());
    assert!(rows.len() > 60);
    for row in rows {
        assert_eq!(describe(&row.octets, row.password.as_deref()), Ok(row.content), "{}", row.file);
    }
}

#[test]
fn a_wrong_and_a_missing_password_are_told() {
    let mut seen = 0;
    for row in rows(&folder()).into_iter().filter(|row| row.password.is_some() && row.content != "foreign") {
        let error = describe(&row.octets, Some("not it")).expect_err(&row.file);
        assert!(matches!(error, KeyStoreError::WrongPassword { .. }), "{}: {error}", row.file);
        let error = describe(&row.octets, None).expect_err(&row.file);
        assert!(matches!(error, KeyStoreError::PasswordNeeded { .. }), "{}: {error}", row.file);
        seen += 1;
    }
    assert!(seen > 35, "{seen}");
}

#[test]
fn a_password_that_nothing_needs_is_not_looked_at() {
    for name in ["rsa-pkcs8.pem", "ec-sec1.pem", "chain.p7b", "leaf.der"] {
        assert!(describe(&file(name), Some("whatever")).is_ok(), "{name}");
    }
}

/// Reads a broken file: it must end soon, without a panic, in an error or in something that was in the whole file.
fn survives(name: &str, broken: &[u8], password: Option<&str>) {
    if let Ok(store) = KeyStore::read(broken, password) {
        for entry in store.entries() {
            // A changed identifier makes an unknown algorithm; such keys are put together by their localKeyID.
            if let (Some(leaf), Some(_)) = (entry.certificate(), entry.key().public_key()) {
                assert!(entry.key().belongs_to(leaf), "{name}");
            }
        }
    }
    let _ = Certificate::read_all(broken);
}

/// Small files of every form; those with few iterations, so that each octet can be tried.
const FORMS: [&str; 9] = [
    "openssl-ec.p12",
    "bouncy-empty.p12",
    "openssl-open.p12",
    "pbes2-aes-256-cbc.der",
    "PBE-SHA1-3DES.pem",
    "chain.p7b",
    "bouncy-ber.p7b",
    "rsa-pkcs1.der",
    "ec384-sec1.der",
];

fn of_forms() -> impl Iterator<Item = key_table::Row> {
    rows(&folder()).into_iter().filter(|row| FORMS.contains(&row.file.as_str()))
}

#[test]
fn truncated_files_are_errors() {
    assert_eq!(of_forms().count(), FORMS.len());
    for row in of_forms().filter(|row| !row.file.ends_with(".pem")) {
        for end in (0..row.octets.len()).step_by(if row.octets.len() > 1500 { 7 } else { 1 }) {
            let cut = &row.octets[..end];
            let password = row.password.as_deref();
            let read = KeyStore::read(cut, password);
            assert!(read.is_err(), "{} cut at {end}", row.file);
            assert!(Certificate::read_all(cut).is_err(), "{} cut at {end}", row.file);
        }
    }
}

#[test]
fn flipped_octets_never_panic_and_never_mix_keys_up() {
    for row in of_forms() {
        // BouncyCastle asks for 51,200 iterations; the numbers of an RSA key are compared at length.
        let step = match row.file.as_str() {
            "bouncy-empty.p12" => 331,
            _ if row.content.contains("=RSA") => 61,
            _ => 7,
        };
        for at in (0..row.octets.len()).step_by(step) {
            for flip in [0x01, 0x80] {
                let mut broken = row.octets.clone();
                broken[at] ^= flip;
                survives(&row.file, &broken, row.password.as_deref());
            }
        }
    }
}

/// With a MAC every change of the content is found; nothing is read from a changed file.
#[test]
fn a_changed_store_with_mac_gives_nothing() {
    let whole = file("openssl-ec.p12");
    let expected = describe(&whole, Some("secret")).unwrap();
    for at in (0..whole.len()).step_by(3) {
        let mut broken = whole.clone();
        broken[at] ^= 0x10;
        if let Ok(read) = describe(&broken, Some("secret")) {
            assert_eq!(read, expected, "octet {at}");
        }
    }
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84], &length[..], content].concat()
}

/// EncryptedPrivateKeyInfo with PBES2, PBKDF2 and AES-128-CBC.
fn pbes2(iterations: &[u8], salt: &[u8]) -> Vec<u8> {
    let oid = |hex: &[u8]| tlv(6, hex);
    let pbkdf2 = tlv(0x30, &[tlv(4, salt), tlv(2, iterations)].concat());
    let derivation = tlv(0x30, &[oid(b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c"), pbkdf2].concat());
    let cipher = tlv(0x30, &[oid(b"\x60\x86\x48\x01\x65\x03\x04\x01\x02"), tlv(4, &[0; 16])].concat());
    let algorithm = [oid(b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d"), tlv(0x30, &[derivation, cipher].concat())].concat();
    tlv(0x30, &[tlv(0x30, &algorithm), tlv(4, &[0; 32])].concat())
}

#[test]
fn bombs_are_refused_at_once() {
    let start = Instant::now();
    let code = |file: &[u8]| KeyStore::read(file, Some("secret")).unwrap_err().code();
    assert_eq!(code(&pbes2(b"\x07\xd0", &[1; 8])), "KEYSTORE_PASSWORD", "2000 iterations are in order");
    assert_eq!(code(&pbes2(b"\x7f\xff\xff\xff", &[1; 8])), "KEYSTORE_TOO_EXPENSIVE");
    assert_eq!(code(&pbes2(&[0x7f; 40], &[1; 8])), "KEYSTORE_TOO_EXPENSIVE");
    assert_eq!(code(&pbes2(b"\x00", &[1; 8])), "KEYSTORE_DAMAGED");
    assert_eq!(code(&pbes2(b"\xff", &[1; 8])), "KEYSTORE_DAMAGED", "a negative count");
    assert_eq!(code(&pbes2(b"\x01", &[1; 5000])), "KEYSTORE_DAMAGED", "a salt of 5000 octets");
    assert_eq!(code(&vec![0x30; 9 << 20]), "KEYSTORE_TOO_LARGE");
    assert_eq!(code(&[&[0x30, 0x88][..], &[0xff; 8]].concat()), "KEYSTORE_DAMAGED");
    for deep in [[0x30, 0x80].repeat(1 << 20), [0x30, 0x84, 0x7f, 0xff, 0xff, 0xff].repeat(1 << 16)] {
        assert!(KeyStore::read(&deep, None).is_err());
    }
    let sections = b"-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----\n".repeat(5000);
    assert_eq!(code(&sections), "KEYSTORE_TOO_MANY");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn broken_texts_say_what_is_broken() {
    let error = |text: &[u8]| KeyStore::read(text, None).unwrap_err();
    let whole = String::from_utf8(file("rsa-pkcs8.pem")).unwrap();
    let without_end = whole.replace("-----END PRIVATE KEY-----", "");
    assert_eq!(
        error(without_end.as_bytes()).to_string(),
        "the file is damaged: the PEM section PRIVATE KEY has no END line; copy it again as a whole"
    );
    let no_base64 = whole.replace("MII", "M!!");
    assert_eq!(
        error(no_base64.as_bytes()).to_string(),
        "the file is damaged: the PEM section PRIVATE KEY is no base64; copy it again as a whole"
    );
    assert_eq!(error(b"-----BEGIN ").code(), "KEYSTORE_DAMAGED");
    assert_eq!(error(b"").code(), "KEYSTORE_UNKNOWN");
    assert_eq!(error(b"hello").code(), "KEYSTORE_UNKNOWN");
    assert_eq!(error(&[0; 100]).code(), "KEYSTORE_UNKNOWN");
    let nothing = error(&file("request.pem")).to_string();
    assert_eq!(
        nothing,
        "no key and no certificate in the file; it holds CERTIFICATE REQUEST: choose the file that has them"
    );
    let certificate = Certificate::read_all(&file("rsa-pkcs8.pem")).unwrap_err();
    assert_eq!(certificate.code(), "KEYSTORE_NOTHING", "{certificate}");
}

#[test]
fn stores_of_other_systems_come_with_the_command_that_converts_them() {
    for (name, kind, command) in [
        ("store.jks", "JKS", "-srcstoretype JKS -destkeystore FILE.p12 -deststoretype pkcs12"),
        ("store.jceks", "JCEKS", "-srcstoretype JCEKS"),
        ("store.bks", "BKS", "BouncyCastleProvider"),
        ("store.bcfks", "BCFKS", "BouncyCastleProvider"),
        ("openssh.key", "OpenSSH", "ssh-keygen -p -m PKCS8"),
    ] {
        let text = KeyStore::read(&file(name), Some("secret")).unwrap_err().to_string();
        assert!(text.contains(kind) && text.contains(command), "{text}");
    }
}

#[test]
fn entries_are_chosen_by_alias() {
    let store = KeyStore::read(&file("keytool.p12"), Some("secret")).unwrap();
    assert_eq!(store.entry(Some("as2-curve")).unwrap().alias(), Some("as2-curve"));
    assert_eq!(store.entry(Some("AS2-Sign")).unwrap().alias(), Some("as2-sign"), "as Java has it");
    assert_eq!(
        store.entry(Some("as2")).unwrap_err().to_string(),
        "no entry \"as2\" in the key store; there are: \"as2-sign\", \"as2-curve\""
    );
    assert_eq!(store.entry(None).unwrap_err().code(), "KEYSTORE_AMBIGUOUS");
    assert_eq!(store.certificate(Some("partner")).unwrap().subject(), "O=Files, CN=curve");
    assert_eq!(store.certificate(None).unwrap(), store.certificates()[0].certificate());
}

#[test]
fn keys_and_certificates_of_several_files_find_each_other() {
    let store = KeyStore::read_files(&[&file("rsa-pkcs1.der"), &file("chain.p7b")], None).unwrap();
    let entry = store.entry(None).unwrap();
    assert_eq!(entry.chain().len(), 2);
    assert!(store.certificates().is_empty());
    let key = entry.key().clone();
    let us = Identity::builder(CryptoProvider::rustcrypto())
        .signing(entry.chain().to_vec(), key.clone().into_signing().unwrap())
        .decrypting(entry.certificate().unwrap().clone(), key.into_decrypting().unwrap())
        .build();
    assert!(us.is_ok());
}

#[test]
fn keys_of_every_family_sign_for_an_identity() {
    let signs = |name: &str, alias: Option<&str>| {
        let store = KeyStore::read(&file(name), Some("secret")).unwrap();
        let entry = store.entry(alias).unwrap();
        let key = entry.key().clone().into_signing().unwrap();
        Identity::builder(CryptoProvider::rustcrypto()).signing(entry.chain().to_vec(), key).build().is_ok()
    };
    assert!(signs("openssl-ec.p12", None));
    assert!(signs("keytool.p12", Some("as2-curve")), "Java leaves the public point out");
    assert!(signs("openssl-ed25519.p12", None));
    for name in ["ec384-sec1.der", "ec521-nopublic.pem"] {
        assert!(PrivateKey::read(&file(name), None).unwrap().into_signing().is_ok(), "{name}");
    }
    let agreement = PrivateKey::read(&file("x25519.pem"), None).unwrap();
    assert!(agreement.clone().into_decrypting().is_ok());
    assert_eq!(agreement.into_signing().err().map(|error| error.code()), Some("KEY_ALGORITHM"));
    let signing = PrivateKey::read(&file("ed25519.pem"), None).unwrap();
    assert_eq!(signing.into_decrypting().err().map(|error| error.code()), Some("KEY_ALGORITHM"));
}

#[test]
fn weak_keys_need_consent() {
    let store = KeyStore::read(&file("weak.pem"), None).unwrap();
    let entry = store.entry(None).unwrap();
    let certificate = entry.certificate().unwrap();
    let weak = SetupError::WeakKey { subject: "CN=weak".to_owned(), bits: 1024 };
    assert_eq!(weak.code(), "WEAK_KEY");

    let provider = CryptoProvider::rustcrypto;
    let signing = || entry.key().clone().into_signing().unwrap();
    let decrypting = || entry.key().clone().into_decrypting().unwrap();
    let signs = || Identity::builder(provider()).signing(entry.chain().to_vec(), signing());
    let decrypts = || Identity::builder(provider()).decrypting(certificate.clone(), decrypting());
    assert_eq!(signs().build().err(), Some(weak.clone()));
    assert_eq!(decrypts().build().err(), Some(weak.clone()));
    assert!(signs().allow_weak_keys().build().is_ok() && decrypts().allow_weak_keys().build().is_ok());

    let profile = || {
        let url = "https://them.example/as2".parse().unwrap();
        PartnerProfile::new("us".parse().unwrap(), "them".parse().unwrap(), url)
    };
    let strong = Certificate::read_all(&file("leaf.der")).unwrap().remove(0);
    let partner = |encryption: &Certificate, verification: &Certificate| {
        let builder = Partner::builder(profile(), provider());
        builder.encrypt_to(encryption.clone()).verify_with(verification.clone())
    };
    assert_eq!(partner(certificate, &strong).build().err(), Some(weak.clone()));
    assert_eq!(partner(&strong, certificate).build().err(), Some(weak.clone()));
    assert_eq!(partner(&strong, &strong).also_encrypt_to(certificate.clone()).build().err(), Some(weak));
    assert!(partner(&strong, &strong).build().is_ok());
    assert!(partner(certificate, certificate).allow_weak_keys().build().is_ok());
}

#[test]
fn x13_certificates_with_oddities_are_read() {
    let serials: Vec<_> =
        Certificate::read_all(&file("odd.pem")).unwrap().iter().map(Certificate::serial_hex).collect();
    assert_eq!(serials[..3], ["fb", "00", "ffeeddccbbaa99887766554433221100ffeeddccbbaa9988"]);
    assert_eq!(serials.len(), 6);
}

/// Nothing secret in what people print: neither a password nor a part of a key.
#[test]
fn secrets_stay_out_of_debug_and_errors() {
    let whole = file("openssl3.p12");
    let store = KeyStore::read(&whole, Some("secret")).unwrap();
    let key = store.entry(None).unwrap().key();
    let secret: String = key.to_pkcs8_der().as_bytes()[300..308].iter().map(|octet| format!("{octet:02x}")).collect();
    let decimal = format!("{:?}", &key.to_pkcs8_der().as_bytes()[300..308]);
    let mut outputs = vec![format!("{store:?} {store:#?} {key:?} {:?}", key.to_pkcs8_pem())];
    for row in rows(&folder()) {
        for password in [Some("S3CRET-password"), row.password.as_deref()] {
            match KeyStore::read(&row.octets, password) {
                Ok(store) => outputs.push(format!("{store:?}")),
                Err(error) => outputs.push(format!("{error} {error:?} {}", error.code())),
            }
        }
    }
    for output in outputs {
        let decimal = decimal.trim_matches(['[', ']']);
        assert!(!output.contains("S3CRET") && !output.contains(&secret) && !output.contains(decimal), "{output}");
    }
}
