//! EC and Ed25519 keys in every form, and signatures that must not pass.

use super::ec::EcPrivateKey;
use super::ed25519::Ed25519PrivateKey;
use super::load::LoadKeyError;
use super::rsa::RsaPrivateKey;
use super::verify::Verifiers;
use crate::algorithm::{DigestAlgorithm, EcCurve, PssParameters, SignatureScheme};
use crate::certificate::Certificate;
use crate::crypto::tests::hex;
use crate::crypto::{CryptoProvider, DigestValue, KeyError, SignRequest, SigningKey, VerifierProvider, VerifyError};

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/signatures/", $name)).as_slice()
    };
}

/// A curve with a key in PKCS#8, in SEC 1, and its certificate.
type EcFiles = (EcCurve, &'static [u8], &'static [u8], &'static [u8]);

const EC: [EcFiles; 3] = [
    (EcCurve::P256, vector!("p256.key"), vector!("p256.sec1"), vector!("p256.crt")),
    (EcCurve::P384, vector!("p384.key"), vector!("p384.sec1"), vector!("p384.crt")),
    (EcCurve::P521, vector!("p521.key"), vector!("p521.sec1"), vector!("p521.crt")),
];

fn spki(certificate: &[u8]) -> Vec<u8> {
    Certificate::from_pem(certificate).unwrap().spki_der().to_vec()
}

fn digest(algorithm: DigestAlgorithm) -> DigestValue {
    CryptoProvider::rustcrypto().digest(algorithm, b"abc").unwrap()
}

fn sign(key: &dyn SigningKey, scheme: SignatureScheme) -> Result<Vec<u8>, KeyError> {
    key.sign(&SignRequest::new(scheme, digest(scheme.digest())).with_message(&b"abc"[..]))
}

fn verify(scheme: SignatureScheme, spki: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    Verifiers.verify(scheme, spki, &digest(scheme.digest()), Some(b"abc"), signature)
}

#[test]
fn x27_ec_keys_are_read_in_both_forms_and_sign_with_every_strong_digest() {
    for (curve, pkcs8, sec1, certificate) in EC {
        let spki = spki(certificate);
        for key in [EcPrivateKey::from_pkcs8_pem(pkcs8), EcPrivateKey::from_sec1_pem(sec1)] {
            let key = key.unwrap();
            assert_eq!((key.curve(), key.public_key()), (curve, &spki[..]));
            assert_eq!(format!("{key:?}"), format!("EcPrivateKey {{ curve: \"{curve}\", .. }}"));
            for scheme in key.schemes() {
                let signature = sign(&key, scheme).unwrap();
                assert_eq!(verify(scheme, &spki, &signature), Ok(()), "{curve} {scheme}");
                assert_ne!(sign(&key, scheme).unwrap(), signature, "the nonce has random octets in it");
            }
        }
    }
}

#[test]
fn keys_sign_with_their_own_schemes_only() {
    let ec = EcPrivateKey::from_pkcs8_pem(vector!("p256.key")).unwrap();
    let ed25519 = Ed25519PrivateKey::from_pkcs8_pem(vector!("ed25519.key")).unwrap();
    let rsa = RsaPrivateKey::from_pkcs8_pem(vector!("rsa.key")).unwrap();
    let sha256 = DigestAlgorithm::Sha256;
    let keys: [&dyn SigningKey; 3] = [&ec, &ed25519, &rsa];
    for key in keys {
        let weak = [SignatureScheme::Ecdsa(DigestAlgorithm::Sha1), SignatureScheme::rsa_pss(DigestAlgorithm::Sha1)];
        for scheme in weak {
            assert_eq!(sign(key, scheme), Err(KeyError::Unsupported), "{key:?} {scheme}");
        }
        for scheme in [SignatureScheme::Ecdsa(sha256), SignatureScheme::Ed25519, SignatureScheme::rsa_pss(sha256)] {
            assert_eq!(sign(key, scheme).is_ok(), key.schemes().contains(&scheme), "{key:?} {scheme}");
        }
        let other = SignRequest::new(key.schemes()[0], digest(DigestAlgorithm::Sha1));
        assert!(key.sign(&other).is_err(), "a digest of another algorithm");
    }
    assert_eq!(
        (ed25519.signature_len(SignatureScheme::Ed25519), rsa.signature_len(SignatureScheme::Ed25519)),
        (Some(64), None)
    );
}

#[test]
fn x28_ed25519_signs_the_message_and_never_its_digest() {
    let key = Ed25519PrivateKey::from_pkcs8_pem(vector!("ed25519.key")).unwrap();
    let spki = spki(vector!("ed25519.crt"));
    assert_eq!(key.public_key(), spki);
    assert_eq!(format!("{key:?}"), "Ed25519PrivateKey { .. }");
    let (scheme, value) = (SignatureScheme::Ed25519, digest(DigestAlgorithm::Sha512));
    assert_eq!(key.sign(&SignRequest::new(scheme, value.clone())), Err(KeyError::NeedsMessage));
    let signature = sign(&key, scheme).unwrap();
    assert_eq!(verify(scheme, &spki, &signature), Ok(()));
    assert_eq!(Verifiers.verify(scheme, &spki, &value, None, &signature), Err(VerifyError::NeedsMessage));
    for end in [0, 63] {
        assert_eq!(verify(scheme, &spki, &signature[..end]), Err(VerifyError::InvalidSignature));
    }
    assert_eq!(verify(scheme, &spki, &[&signature[..], &[0]].concat()), Err(VerifyError::InvalidSignature));
    // The point of order 1: with it, R = identity and S = 0 sign everything.
    let mut weak = spki.clone();
    weak[12..].copy_from_slice(&hex(&format!("01{}", "00".repeat(31))));
    let nothing = hex(&format!("01{}", "00".repeat(63)));
    assert_eq!(verify(scheme, &weak, &nothing), Err(VerifyError::InvalidKey));
}

#[test]
fn x28_the_key_of_rfc_8410_is_read() {
    // RFC 8410 section 10.3: without and with the public key.
    let short = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let public = hex("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
    let key = Ed25519PrivateKey::from_pkcs8_pem(short).unwrap();
    assert_eq!(key.public_key()[12..], public);
    let seed = hex("d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842");
    let with_public = |public: &[u8]| {
        let head = hex("3051020101300506032b657004220420");
        Ed25519PrivateKey::from_pkcs8_der(&[&head, &seed[..], &hex("812100"), public].concat())
    };
    assert_eq!(with_public(&public).unwrap().public_key(), key.public_key());
    assert_eq!(with_public(&[9; 32]).err(), Some(LoadKeyError::Malformed), "another public key");
}

#[test]
fn ecdsa_numbers_are_in_range_and_in_der() {
    let scheme = SignatureScheme::Ecdsa(DigestAlgorithm::Sha256);
    let spki = spki(vector!("p256.crt"));
    let key = EcPrivateKey::from_pkcs8_pem(vector!("p256.key")).unwrap();
    let order = "00ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let one = "020101";
    let n = format!("0221{order}");
    let pair = |r: &str, s: &str| {
        let content = hex(&format!("{r}{s}"));
        [&[0x30, u8::try_from(content.len()).unwrap()][..], &content].concat()
    };
    for (r, s) in
        [("020100", one), (one, "020100"), (&n, one), (one, &n), ("0201ff", one), (one, "0201ff"), ("0200", one)]
    {
        assert_eq!(verify(scheme, &spki, &pair(r, s)), Err(VerifyError::InvalidSignature), "{r} {s}");
    }
    let good = sign(&key, scheme).unwrap();
    let longer = [&good[..], &[0]].concat();
    let long_length = [&[0x30, 0x81], &good[1..]].concat();
    let inside = [&[0x30, good[1] + 2], &good[2..], &[5, 0]].concat();
    for bad in [&b""[..], &good[..good.len() - 1], &longer, &long_length, &inside] {
        assert_eq!(verify(scheme, &spki, bad), Err(VerifyError::InvalidSignature));
    }
    // A point that is not on the curve, and one at infinity.
    let mut off = spki.clone();
    *off.last_mut().unwrap() ^= 1;
    assert_eq!(verify(scheme, &off, &good), Err(VerifyError::InvalidKey));
    let infinity = hex("3019301306072a8648ce3d020106082a8648ce3d03010703020000");
    assert_eq!(verify(scheme, &infinity, &good), Err(VerifyError::InvalidKey));
    assert_eq!(verify(SignatureScheme::rsa_pss(DigestAlgorithm::Sha256), &spki, &good), Err(VerifyError::InvalidKey));
}

#[test]
fn u27_pss_encodings_are_checked_octet_by_octet() {
    let key = RsaPrivateKey::from_pkcs8_pem(vector!("rsa.key")).unwrap();
    let spki = spki(vector!("rsa.crt"));
    let usual = PssParameters::new(DigestAlgorithm::Sha256);
    let signature = sign(&key, SignatureScheme::RsaPss(usual)).unwrap();
    let check = |parameters, signature: &[u8]| verify(SignatureScheme::RsaPss(parameters), &spki, signature);
    assert_eq!(check(usual, &signature), Ok(()));
    let invalid = Err(VerifyError::InvalidSignature);
    for salt in [0, 31, 33, 222, 223, 2048, usize::MAX] {
        assert_eq!(check(usual.with_salt_len(salt), &signature), invalid, "a salt of {salt} octets");
    }
    assert_eq!(check(usual.with_mgf1_digest(DigestAlgorithm::Sha1), &signature), invalid);
    assert_eq!(check(usual, &signature[1..]), invalid);
    assert_eq!(check(usual, &[&signature[..], &[0]].concat()), invalid);
    assert_eq!(check(usual, &[0xff; 256]), invalid, "above the modulus");
    assert_eq!(check(usual, &[0; 256]), invalid);
    let pkcs1v15 = sign(&key, SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256)).unwrap();
    assert_eq!(check(usual, &pkcs1v15), invalid, "another padding");
    assert_eq!(sign(&key, SignatureScheme::RsaPss(usual.with_salt_len(223))), Err(KeyError::Unsupported), "no room");
    assert_eq!(
        sign(&key, SignatureScheme::RsaPss(usual.with_mgf1_digest(DigestAlgorithm::Sha384))),
        Err(KeyError::Unsupported)
    );
}

#[test]
fn t10_keys_restricted_to_pss_keep_to_it() {
    let free = RsaPrivateKey::from_pkcs8_pem(vector!("pss.key")).unwrap();
    let bound = RsaPrivateKey::from_pkcs8_pem(vector!("pss-bound.key")).unwrap();
    let sha256 = PssParameters::new(DigestAlgorithm::Sha256);
    assert_eq!(free.schemes(), DigestAlgorithm::STRONG.map(SignatureScheme::rsa_pss));
    assert_eq!(bound.schemes(), [SignatureScheme::RsaPss(sha256)]);
    assert_eq!(SigningKey::public_key(&free), spki(vector!("pss.crt")));
    assert_eq!(SigningKey::public_key(&bound), spki(vector!("pss-bound.crt")));
    for key in [&free, &bound] {
        let pkcs1v15 = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256);
        assert_eq!(sign(key, pkcs1v15), Err(KeyError::Unsupported));
        let unwrap = crate::crypto::UnwrapRequest::new(crate::KeyTransport::RsaPkcs1v15, vec![1; 256]);
        let unwrapped = crate::crypto::DecryptingKey::unwrap_key(key, &unwrap);
        assert_eq!(unwrapped.unwrap_err(), KeyError::Unsupported);
    }
    assert!(sign(&bound, SignatureScheme::RsaPss(sha256.with_salt_len(100))).is_ok());
    assert_eq!(sign(&bound, SignatureScheme::RsaPss(sha256.with_salt_len(31))), Err(KeyError::Unsupported));
}

#[test]
fn keys_that_cannot_be_used_say_why() {
    let algorithm = |oid: &str| Some(LoadKeyError::Algorithm(oid.to_owned()));
    assert_eq!(EcPrivateKey::from_pkcs8_pem(vector!("rsa.key")).err(), algorithm("1.2.840.113549.1.1.1"));
    assert_eq!(Ed25519PrivateKey::from_pkcs8_pem(vector!("p256.key")).err(), algorithm("1.2.840.10045.2.1"));
    assert_eq!(RsaPrivateKey::from_pkcs8_pem(vector!("ed25519.key")).err(), algorithm("1.3.101.112"));
    assert_eq!(
        EcPrivateKey::from_pkcs8_pem(vector!("k256.key")).err(),
        Some(LoadKeyError::Curve("1.3.132.0.10".into()))
    );
    assert_eq!(EcPrivateKey::from_sec1_pem(vector!("p256.key")).err(), Some(LoadKeyError::NoKey));
    assert_eq!(EcPrivateKey::from_pkcs8_pem(vector!("p256.sec1")).err(), Some(LoadKeyError::NoKey));
    let encrypted = b"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----";
    assert_eq!(EcPrivateKey::from_sec1_pem(encrypted).err(), Some(LoadKeyError::Encrypted));
    let number = "04".repeat(32);
    let malformed = Some(LoadKeyError::Malformed);
    for der in [
        String::new(),
        "3000".to_owned(),
        format!("30250201010420{number}"), // names no curve
        format!("30310201010420{}a00a06082a8648ce3d030107", "00".repeat(32)), // zero
        format!("30310201010420{}a00a06082a8648ce3d030107", "ff".repeat(32)), // above the order
        format!("30320201010421{number}04a00a06082a8648ce3d030107"), // too long
    ] {
        assert_eq!(EcPrivateKey::from_sec1_der(&hex(&der)).err(), malformed, "{der}");
    }
    assert!(EcPrivateKey::from_sec1_der(&hex(&format!("30310201010420{number}a00a06082a8648ce3d030107"))).is_ok());
}
