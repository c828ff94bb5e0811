//! Certificates that come with a signature: never in place of configured ones; vouched for by a chain or by the
//! application where the agreement says so; and revocation.
#![cfg(all(feature = "webpki", feature = "serde"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../support/dissect.rs"]
mod dissect;
#[path = "../support/issue.rs"]
mod issue;
#[path = "../support/mod.rs"]
mod support;

mod hooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use dissect::{Tlv, der};
use issue::{Authority, self_signed_as};
use support::seen::Seen;
use support::*;

use as2_protocol::crypto::{DigestValue, SignRequest, SigningKey};
use as2_protocol::*;
use sha2::Digest as _;

const NAME: &str = "POP000123";
const DAY: Duration = Duration::from_secs(86_400);

/// A root, an authority below it, and what that one issues to Alice.
struct Pki {
    root: Authority,
    issuing: Authority,
}

impl Pki {
    fn new() -> Self {
        let root = Authority::root("ca", "root");
        let issuing = root.below("bob-sign", "issuing", |_| ());
        Self { root, issuing }
    }

    fn leaf(&self, change: impl FnOnce(&mut rcgen::CertificateParams)) -> Certificate {
        self.issuing.issue("alice-sign", NAME, change)
    }

    fn trust(&self) -> ChainTrust {
        ChainTrust::new(vec![self.root.certificate.clone()], BoundName::common_name(NAME)).unwrap()
    }
}

/// A message by Alice's key under `chain`, leaf first, all of it embedded.
fn sent(chain: &[Certificate], encrypted: bool) -> Outbound {
    let us = Identity::builder(CryptoProvider::rustcrypto())
        .signing(chain.to_vec(), worked_key("alice-sign"))
        .build()
        .unwrap();
    let mut terms = profile(ALICE, BOB);
    terms.quirks.embed = Embed::Chain;
    terms.quirks.signature_encoding = SignatureEncoding::Binary;
    terms.certificates.signing = Strictness::Ignore;
    terms.send.encrypt = encrypted.then_some(CipherAlgorithm::Aes256Cbc);
    MessageBuilder::new(&us, &worked_partner(terms, "bob")).build(Payload::x12(worked("payload.x12")), now()).unwrap()
}

fn alice_with(trust: Trust) -> PartnerBuilder {
    let mut terms = profile(BOB, ALICE);
    terms.accept.signature = Requirement::Require;
    let builder = Partner::builder(terms, CryptoProvider::rustcrypto());
    builder.encrypt_to(worked_certificate("alice-enc")).trust(trust)
}

fn open(sent: &Outbound, alice: PartnerBuilder) -> Result<Accepted, Refused> {
    let alice = alice.build().unwrap();
    envelope(sent.request.to_request()).open(&worked_identity("bob"), Some(&alice), now())
}

/// What Bob says to a signature under this chain.
fn verdict(chain: &[Certificate], trust: ChainTrust) -> Result<Certificate, TrustError> {
    match open(&sent(chain, false), alice_with(Trust::chain(trust))) {
        Ok(accepted) => match accepted.authenticity() {
            Authenticity::Signed { certificate } => Ok(certificate.clone()),
            other => panic!("{other:?}"),
        },
        Err(refused) => match refused.error() {
            ReceiveError::Authentication(AuthenticationFault::Untrusted { error, fingerprint, .. }) => {
                assert_eq!(*fingerprint, chain[0].fingerprint_hex());
                Err((**error).clone())
            }
            other => panic!("{other:?}"),
        },
    }
}

#[test]
fn x09_an_embedded_certificate_never_replaces_a_configured_one() {
    // Mallory embeds a certificate of her own that looks like Alice's.
    let alike = self_signed_as("alice-sign", "Alice", |_| ());
    let message = sent(std::slice::from_ref(&alike), false);
    let refused = open(&message, alice_with(Trust::Pin).verify_with(worked_certificate("bob-sign"))).unwrap_err();
    assert_eq!(refused.error().code(), "SIGNER_UNTRUSTED");
    // Under the right key, what is told is the configured certificate, not the embedded one.
    let pinned = worked_certificate("alice-sign");
    let accepted = open(&message, alice_with(Trust::Pin).verify_with(pinned.clone())).unwrap();
    assert_eq!(accepted.authenticity(), &Authenticity::Signed { certificate: pinned });
}

#[test]
fn t07_a_chain_to_an_anchor_vouches_for_the_signer() {
    let pki = Pki::new();
    let leaf = pki.leaf(|_| ());
    let (between, root) = (pki.issuing.certificate.clone(), pki.root.certificate.clone());
    for encrypted in [false, true] {
        let message = sent(&[leaf.clone(), between.clone()], encrypted);
        let accepted = open(&message, alice_with(Trust::chain(pki.trust()))).unwrap();
        assert_eq!(accepted.authenticity(), &Authenticity::Signed { certificate: leaf.clone() });
        assert_eq!(accepted.notes(), []);
        let observed = accepted.observations();
        assert_eq!(observed.last().unwrap().fingerprint, leaf.fingerprint_hex());
        // The proof of origin needs no authority any more.
        let evidence = accepted.evidence().unwrap().record().verify(&CryptoProvider::rustcrypto()).unwrap();
        assert_eq!(evidence.signer(), &leaf);
    }
    assert_eq!(verdict(&[leaf.clone(), between.clone(), root], pki.trust()), Ok(leaf.clone()));
    assert_eq!(verdict(std::slice::from_ref(&leaf), pki.trust().intermediate(between.clone())), Ok(leaf.clone()));
    let direct = ChainTrust::new(vec![between], BoundName::common_name(NAME)).unwrap();
    assert_eq!(verdict(std::slice::from_ref(&leaf), direct), Ok(leaf));
}

#[test]
fn t07_chains_that_lead_nowhere_vouch_for_nothing() {
    let pki = Pki::new();
    let leaf = pki.leaf(|_| ());
    let code = |chain: &[Certificate], trust: ChainTrust| verdict(chain, trust).unwrap_err().code();
    assert_eq!(code(std::slice::from_ref(&leaf), pki.trust()), "TRUST_CHAIN", "the link is missing");
    // Another authority of the same names, with another key.
    let other_root = Authority::root("bob-enc", "root");
    let forged = other_root.below("bob-sign", "issuing", |_| ());
    assert_eq!(code(&[leaf.clone(), forged.certificate], pki.trust()), "TRUST_CHAIN");
    // Signed by a leaf.
    let no_authority = pki.root.below("bob-sign", "issuing", |params| params.is_ca = rcgen::IsCa::ExplicitNoCa);
    assert_eq!(code(&[leaf.clone(), no_authority.certificate], pki.trust()), "TRUST_CHAIN");
    // The authority may have none below it.
    let closed = Authority::root("ca", "root").below("bob-sign", "issuing", |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    });
    let below = closed.below("bob-enc", "lower", |_| ());
    let low = below.issue("alice-sign", NAME, |_| ());
    assert_eq!(code(&[low, below.certificate.clone(), closed.certificate.clone()], pki.trust()), "TRUST_CHAIN");
    // Sixty-four authorities that all look like the right one.
    let mut crowd: Vec<_> = (0..40u8)
        .map(|n| {
            Authority::root("bob-enc", "issuing")
                .below("bob-enc", "issuing", |p| {
                    p.serial_number = Some(rcgen::SerialNumber::from(vec![n + 1]));
                })
                .certificate
        })
        .collect();
    crowd.insert(0, leaf);
    assert_eq!(code(&crowd, pki.trust()), "TRUST_CHAIN");
}

#[test]
fn t06_chains_count_within_their_dates_only() {
    let pki = Pki::new();
    let old = pki.leaf(|params| params.not_after = rcgen::date_time_ymd(2026, 1, 1));
    let error = verdict(&[old, pki.issuing.certificate.clone()], pki.trust()).unwrap_err();
    assert_eq!(error.code(), "CERT_HAS_EXPIRED");
    assert!(error.to_string().contains("CN=POP000123"), "{error}");
    let early = pki.leaf(|params| params.not_before = rcgen::date_time_ymd(2027, 1, 1));
    let error = verdict(&[early, pki.issuing.certificate.clone()], pki.trust()).unwrap_err();
    assert_eq!(error.code(), "CERT_NOT_YET_VALID");
    let ended = pki.root.below("bob-sign", "issuing", |params| params.not_after = rcgen::date_time_ymd(2026, 1, 1));
    let error = verdict(&[pki.leaf(|_| ()), ended.certificate], pki.trust()).unwrap_err();
    assert_eq!(error, TrustError::Chain("a certificate of the chain has expired".to_owned()));
}

#[test]
fn t06_the_extended_key_usage_must_include_email_protection_if_there_is_one() {
    use rcgen::ExtendedKeyUsagePurpose as Purpose;
    let pki = Pki::new();
    let leaf = |purposes: &[Purpose]| pki.leaf(|params| params.extended_key_usages = purposes.to_vec());
    for (purposes, good) in [
        (vec![], true),
        (vec![Purpose::EmailProtection], true),
        (vec![Purpose::ServerAuth, Purpose::EmailProtection], true),
        (vec![Purpose::Any], true),
        (vec![Purpose::ServerAuth, Purpose::ClientAuth], false),
        (vec![Purpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 44])], false),
    ] {
        let chain = [leaf(&purposes), pki.issuing.certificate.clone()];
        let expected = if good { Ok(chain[0].clone()) } else { Err(TrustError::Purpose) };
        assert_eq!(verdict(&chain, pki.trust()), expected, "{purposes:?}");
        assert_eq!(verdict(&chain, pki.trust().any_purpose()), Ok(chain[0].clone()), "{purposes:?}");
    }
}

#[test]
fn u04_without_the_partners_name_a_good_chain_is_not_enough() {
    let pki = Pki::new();
    let between = pki.issuing.certificate.clone();
    let mallory = |name: &str, change: &dyn Fn(&mut rcgen::CertificateParams)| {
        [pki.issuing.issue("alice-sign", name, |params| change(params)), between.clone()]
    };
    let push = |params: &mut rcgen::CertificateParams, kind: rcgen::DnType, value: &str| {
        params.distinguished_name.push(kind, value);
    };
    let by = |bound: BoundName| ChainTrust::new(vec![pki.root.certificate.clone()], bound).unwrap();
    let refused = |chain: &[Certificate], bound: BoundName| {
        let error = verdict(chain, by(bound)).unwrap_err();
        assert_eq!(error.code(), "TRUST_NAME", "{error}");
        assert!(error.to_string().contains("which stands for the partner"), "{error}");
    };
    // Names that only look like it.
    for name in ["POP000124", "pop000123", "POP000123 ", "O=x, CN=POP000123", "POP000123\0", "xPOP000123", ""] {
        refused(&mallory(name, &|_| ()), BoundName::common_name(NAME));
    }
    refused(&mallory("x", &|params| push(params, rcgen::DnType::OrganizationName, NAME)), BoundName::common_name(NAME));
    let dns = |name: &'static str| {
        move |params: &mut rcgen::CertificateParams| {
            params.subject_alt_names = vec![rcgen::SanType::DnsName(name.try_into().unwrap())];
        }
    };
    let email = |name: &'static str| {
        move |params: &mut rcgen::CertificateParams| {
            params.subject_alt_names = vec![
                rcgen::SanType::DnsName("other.example".try_into().unwrap()),
                rcgen::SanType::Rfc822Name(name.try_into().unwrap()),
            ];
        }
    };
    for name in ["acme.example.evil.example", "*.example", "acme", "acme.example@evil"] {
        refused(&mallory("x", &dns(name)), BoundName::dns("acme.example"));
    }
    // The same text as another kind of name.
    refused(&mallory("x", &email("acme.example")), BoundName::dns("acme.example"));
    refused(&mallory("x", &dns("edi@acme.example")), BoundName::email("edi@acme.example"));
    refused(&mallory("edi@acme.example", &|_| ()), BoundName::email("edi@acme.example"));
    refused(&mallory("x", &email("EDI@acme.example")), BoundName::email("edi@acme.example"));
    let subject = self_signed_as("bob-enc", "ACME", |params| push(params, rcgen::DnType::OrganizationName, "ACME Ltd"));
    refused(&mallory("ACME", &|_| ()), BoundName::subject_of(&subject));
    let swapped = mallory("ACME", &|params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        push(params, rcgen::DnType::OrganizationName, "ACME Ltd");
        push(params, rcgen::DnType::CommonName, "ACME");
    });
    refused(&swapped, BoundName::subject_of(&subject));

    let chain = mallory("x", &dns("ACME.example"));
    assert_eq!(verdict(&chain, by(BoundName::dns("acme.example"))), Ok(chain[0].clone()));
    let chain = mallory("x", &email("edi@ACME.example"));
    assert_eq!(verdict(&chain, by(BoundName::email("edi@acme.example"))), Ok(chain[0].clone()));
    let chain = mallory("ACME", &|params| push(params, rcgen::DnType::OrganizationName, "ACME Ltd"));
    assert_eq!(verdict(&chain, by(BoundName::subject_of(&subject))), Ok(chain[0].clone()));
    let either = by(BoundName::common_name(NAME)).or_name(BoundName::subject_of(&subject)).unwrap();
    assert_eq!(verdict(&chain, either), Ok(chain[0].clone()));
}

#[test]
fn trust_without_anchor_or_name_cannot_be_made() {
    let root = Authority::root("ca", "root").certificate;
    let make = |anchors: &[Certificate], bound: BoundName| ChainTrust::new(anchors.to_vec(), bound);
    assert_eq!(make(&[], BoundName::dns("a.example")).unwrap_err().code(), "TRUST_ANCHOR");
    let nobody = self_signed_as("bob-enc", "x", |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
    });
    for bound in [
        BoundName::common_name(""),
        BoundName::common_name(" "),
        BoundName::dns(""),
        BoundName::email(""),
        BoundName::email("acme.example"),
        BoundName::subject_of(&nobody),
    ] {
        let anchors = std::slice::from_ref(&root);
        assert_eq!(make(anchors, bound.clone()).unwrap_err().code(), "TRUST_BINDING", "{bound:?}");
        assert_eq!(
            make(anchors, BoundName::dns("a.example")).unwrap().or_name(bound).unwrap_err().code(),
            "TRUST_BINDING"
        );
    }
}

/// A certificate of X.509 version 1 for Alice's key.
fn version_1() -> Certificate {
    let issued = self_signed_as("alice-sign", NAME, |_| ());
    let parts = Tlv::of(issued.der()).children();
    let fields: Vec<Vec<u8>> = parts[0].children().iter().map(|field| der(field.tag, &[field.body])).collect();
    // Without version and extensions.
    let fields: Vec<&[u8]> = fields[1..7].iter().map(|field| &**field).collect();
    let tbs = der(0x30, &fields);
    let digest = DigestValue::sha256(sha2::Sha256::digest(&tbs).into());
    let request = SignRequest::new(SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256), digest);
    let signature = worked_key("alice-sign").sign(&request).unwrap();
    let algorithm = der(0x30, &[parts[1].body]);
    Certificate::from_der(der(0x30, &[&tbs, &algorithm, &der(3, &[&[0], &signature])])).unwrap()
}

#[test]
fn t01_what_no_chain_vouches_for_works_pinned() {
    let authority = self_signed_as("alice-sign", NAME, |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    for certificate in [authority, version_1()] {
        let trust = ChainTrust::new(vec![certificate.clone()], BoundName::common_name(NAME)).unwrap();
        let error = verdict(std::slice::from_ref(&certificate), trust.clone()).unwrap_err();
        assert_eq!(error.code(), "TRUST_LEAF", "{error}");
        assert!(error.to_string().contains("configure it for the partner instead"), "{error}");
        let message = sent(std::slice::from_ref(&certificate), true);
        for trust in [Trust::Pin, Trust::chain(trust)] {
            let accepted = open(&message, alice_with(trust).verify_with(certificate.clone())).unwrap();
            assert_eq!(accepted.authenticity(), &Authenticity::Signed { certificate: certificate.clone() });
        }
    }
}

#[test]
fn u02_what_chains_say_inside_an_envelope_is_not_told() {
    let pki = Pki::new();
    let between = pki.issuing.certificate.clone();
    let ended = pki.leaf(|params| params.not_after = rcgen::date_time_ymd(2026, 1, 1));
    let stranger = pki.issuing.issue("alice-sign", "somebody else", |_| ());
    let alone = pki.leaf(|_| ());
    let seen = |message: &Outbound, trust: Trust| {
        let refused = open(message, alice_with(trust)).unwrap_err();
        let code = refused.error().code();
        (code, Seen::of(&refused.mdn().build(now())))
    };
    let cases = [
        ("CERT_HAS_EXPIRED", vec![ended, between.clone()]),
        ("TRUST_NAME", vec![stranger, between.clone()]),
        ("TRUST_CHAIN", vec![alone]),
        (
            "TRUST_LEAF",
            vec![self_signed_as("alice-sign", NAME, |params| {
                params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            })],
        ),
    ];
    let mut uniform = Vec::new();
    for (expected, chain) in &cases {
        let (code, sealed) = seen(&sent(chain, true), Trust::chain(pki.trust()));
        assert_eq!(code, *expected);
        let receipt = sealed.receipt.clone().unwrap();
        assert!(receipt.disposition.ends_with("processed/error: decryption-failed"), "{receipt:?}");
        uniform.push((sealed.status, sealed.headers.len(), receipt.text.lines().next().unwrap().to_owned()));
        // In the open it is told, since the sender wrote it himself.
        let (_, told) = seen(&sent(chain, false), Trust::chain(pki.trust()));
        assert!(told.receipt.unwrap().disposition.ends_with("processed/error: authentication-failed"));
    }
    uniform.dedup();
    assert_eq!(uniform.len(), 1, "{uniform:?}");
}

/// Every block of the embedded certificates is spoilt in turn: the answer must not depend on what comes out.
#[test]
fn u02_spoilt_certificates_of_a_chain_are_answered_alike() {
    use support::der::Der;
    const CIPHERTEXT: [usize; 4] = [1, 0, 2, 2];
    let pki = Pki::new();
    let chain = [pki.leaf(|_| ()), pki.issuing.certificate.clone()];
    let message = sent(&chain, true);
    let (parts, plain) = sent(&chain, false).request.to_request().into_parts();
    drop(parts);
    let from_end = |certificate: &Certificate| {
        let at = plain.windows(certificate.der().len()).position(|octets| octets == certificate.der()).unwrap();
        (plain.len() - at, plain.len() - at - certificate.der().len())
    };
    let (parts, body) = message.request.to_request().into_parts();
    let sealed = Der::read(&body);
    let original = sealed.at(&CIPHERTEXT).octets().to_vec();
    let alice = alice_with(Trust::chain(pki.trust())).build().unwrap();
    let us = support::keys::fast_identity("bob");
    let answer = |ciphertext: Vec<u8>| {
        let mut changed = sealed.clone();
        changed.replace(&CIPHERTEXT, ciphertext);
        let mut request = http::Request::from_parts(parts.clone(), bytes::Bytes::from(changed.write()));
        request.headers_mut().remove("content-length");
        match envelope(request).open(&us, Some(&alice), now()) {
            Ok(accepted) => panic!("accepted: {accepted:?}"),
            Err(refused) => Seen::of(&refused.mdn().build(now())),
        }
    };
    let mut truncated = original.clone();
    truncated.truncate(original.len() - 64);
    let uniform = answer(truncated);
    assert!(uniform.receipt.as_ref().unwrap().disposition.ends_with("decryption-failed"));
    let mut tried = 0;
    for certificate in &chain {
        let (start, end) = from_end(certificate);
        let first = (original.len() - start + 4).div_ceil(16);
        let last = (original.len() - 16 - end) / 16 - 2;
        for at in first..last {
            // Random octets, and a block of the document.
            for with in [[0x5a; 16], <[u8; 16]>::try_from(&original[64..80]).unwrap()] {
                let mut ciphertext = original.clone();
                ciphertext[at * 16..(at + 1) * 16].copy_from_slice(&with);
                assert!(answer(ciphertext) == uniform, "{} block {at}", certificate.subject());
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried}");
}
