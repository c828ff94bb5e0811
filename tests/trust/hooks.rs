//! Receipts, delegates, revocation, and what else counts beside a chain.

use super::*;

#[test]
fn receipts_are_vouched_for_at_the_time_of_their_message() {
    let pki = Pki::new();
    let leaf = pki.issuing.issue("bob-enc", NAME, |params| params.not_after = rcgen::date_time_ymd(2026, 11, 30));
    let bob = |trust: Trust| {
        let builder = Partner::builder(profile(ALICE, BOB), CryptoProvider::rustcrypto());
        builder.encrypt_to(worked_certificate("bob-enc")).trust(trust).build().unwrap()
    };
    for (sent_at, delivered) in [(now(), true), (now() + 30 * DAY, false)] {
        let to = bob(Trust::chain(pki.trust()));
        let builder = MessageBuilder::new(&worked_identity("alice"), &to);
        let sent = builder.build(Payload::x12(worked("payload.x12")), sent_at).unwrap();
        let us = Identity::builder(CryptoProvider::rustcrypto())
            .signing(vec![leaf.clone(), pki.issuing.certificate.clone()], worked_key("bob-enc"))
            .decrypting(worked_certificate("bob-enc"), worked_key("bob-enc"))
            .build()
            .unwrap();
        let mut terms = profile(BOB, ALICE);
        terms.quirks.embed = Embed::Chain;
        terms.certificates.signing = Strictness::Ignore;
        let alice = worked_partner(terms, "alice");
        let accepted = envelope(sent.request.to_request()).open(&us, Some(&alice), now()).unwrap();
        let mdn = receipt_in(&accepted.stored().build(now()).response.to_response());
        // The receipt comes a year later.
        let outcome = sent.pending.settle(&mdn, &to, now() + 365 * DAY);
        if delivered {
            let Outcome::Deliver(evidence) = outcome else { panic!("{outcome:?}") };
            assert_eq!(evidence.signer(), Some(&leaf));
            let again = evidence.record().verify(&CryptoProvider::rustcrypto()).unwrap();
            assert_eq!(again.proof(), Some(Proof::Signed), "offline, without any authority");
        } else {
            assert!(
                matches!(&outcome, Outcome::Dispute(Dispute::Signature(error), _) if error.code() == "CERT_HAS_EXPIRED")
            );
        }
        let outcome = sent.pending.settle(&mdn, &worked_partner(profile(ALICE, BOB), "alice"), now());
        assert!(matches!(&outcome, Outcome::Dispute(Dispute::Signature(_), _)), "pinned trust takes no chain");
    }
}

/// In memory alone: a stream asks as well.
fn open_once(sent: &Outbound, alice: PartnerBuilder) -> Result<Accepted, Refused> {
    let alice = alice.build().unwrap();
    envelope(sent.request.to_request()).open_steps(&worked_identity("bob"), Some(&alice), now()).run()
}

#[test]
fn a_delegate_is_asked_only_about_valid_signatures() {
    let asked = Arc::new(AtomicUsize::new(0));
    let known = self_signed_as("alice-sign", "Alice by directory", |_| ());
    let trust = |good: bool| {
        let (asked, known) = (Arc::clone(&asked), known.clone());
        Trust::delegate(move |candidate: &Candidate<'_>| {
            asked.fetch_add(1, Ordering::SeqCst);
            assert_eq!((candidate.certificate(), candidate.at()), (&known, now()));
            assert_eq!((candidate.usage(), candidate.others().count()), (CertificateUse::Verification, 1));
            if good { Ok(()) } else { Err(TrustError::Refused("blocked by Mr Smith".to_owned())) }
        })
    };
    let message = sent(&[known.clone(), worked_certificate("ca")], false);
    let accepted = open_once(&message, alice_with(trust(true))).unwrap();
    assert_eq!(accepted.authenticity(), &Authenticity::Signed { certificate: known.clone() });
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let refused = open_once(&message, alice_with(trust(false))).unwrap_err();
    assert_eq!(refused.error().code(), "TRUST_REFUSED");
    assert!(refused.error().to_string().contains("Mr Smith"));
    let receipt = receipt_in(&refused.mdn().build(now()).response.to_response());
    let text = receipt.text().unwrap();
    assert!(text.contains("Alice by directory") && !text.contains("Smith"), "{text}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    // A configured certificate comes first, and a changed message does not get so far.
    let _ = open_once(&message, alice_with(trust(true)).verify_with(worked_certificate("alice-sign"))).unwrap();
    let (parts, body) = message.request.to_request().into_parts();
    let place = memchr::memmem::find(&body, b"ALICECORP").unwrap();
    let mut changed = body.to_vec();
    changed[place] = b'X';
    let request = http::Request::from_parts(parts, changed.into());
    let alice = alice_with(trust(true)).build().unwrap();
    let refused = envelope(request).open(&worked_identity("bob"), Some(&alice), now()).unwrap_err();
    assert_eq!(refused.error().code(), "INTEGRITY_CHECK");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn t08_revocation_is_asked_of_a_hook() {
    let pki = Pki::new();
    let (leaf, between) = (pki.leaf(|_| ()), pki.issuing.certificate.clone());
    let message = sent(&[leaf.clone(), between.clone()], false);
    let hook = |about: &Certificate, status: RevocationStatus| {
        let about = about.clone();
        Arc::new(
            move |certificate: &Certificate, _: SystemTime| {
                if *certificate == about { status } else { RevocationStatus::Good }
            },
        )
    };
    let code = |alice: PartnerBuilder| match open(&message, alice) {
        Ok(accepted) => format!("{} notes", accepted.notes().len()),
        Err(refused) => refused.error().code().to_owned(),
    };
    for pinned in [false, true] {
        let alice = || match pinned {
            true => alice_with(Trust::Pin).verify_with(leaf.clone()),
            false => alice_with(Trust::chain(pki.trust())),
        };
        let unknown = |strictness| code(alice().revocation(hook(&leaf, RevocationStatus::Unknown), strictness));
        assert_eq!(code(alice().revocation(hook(&leaf, RevocationStatus::Good), Strictness::Refuse)), "0 notes");
        assert_eq!(
            code(alice().revocation(hook(&leaf, RevocationStatus::Revoked), Strictness::Ignore)),
            "CERT_REVOKED"
        );
        assert_eq!(unknown(Strictness::Ignore), "0 notes");
        assert_eq!(unknown(Strictness::Warn), "1 notes");
        assert_eq!(unknown(Strictness::Refuse), "CERT_REVOCATION_UNKNOWN");
        // The authority counts where it vouches.
        let by_authority = code(alice().revocation(hook(&between, RevocationStatus::Revoked), Strictness::Ignore));
        assert_eq!(by_authority, if pinned { "0 notes" } else { "CERT_REVOKED" });
    }
    // Nothing is encrypted to a revoked certificate.
    let (bob, revoked) =
        (worked_certificate("bob-enc"), hook(&worked_certificate("bob-enc"), RevocationStatus::Revoked));
    let builder = Partner::builder(profile(ALICE, BOB), CryptoProvider::rustcrypto());
    let to = builder.encrypt_to(bob).verify_with(worked_certificate("bob-sign")).revocation(revoked, Strictness::Warn);
    let builder = MessageBuilder::new(&worked_identity("alice"), &to.build().unwrap());
    assert_eq!(builder.build(Payload::x12(worked("payload.x12")), now()).unwrap_err().code(), "CERT_REVOKED");
}

#[test]
fn key_usage_counts_for_vouched_certificates_too() {
    let pki = Pki::new();
    let leaf = pki.leaf(|params| params.key_usages = vec![rcgen::KeyUsagePurpose::KeyEncipherment]);
    let message = sent(&[leaf, pki.issuing.certificate.clone()], false);
    for (strictness, expected) in
        [(Strictness::Ignore, Some(0)), (Strictness::Warn, Some(1)), (Strictness::Refuse, None)]
    {
        let mut terms = profile(BOB, ALICE);
        terms.certificates.key_usage = strictness;
        let alice = Partner::builder(terms, CryptoProvider::rustcrypto()).encrypt_to(worked_certificate("alice-enc"));
        let opened = open(&message, alice.trust(Trust::chain(pki.trust())));
        assert_eq!(opened.ok().map(|accepted| accepted.notes().len()), expected, "{strictness:?}");
    }
}

#[test]
fn signatures_that_bring_no_certificate_along_need_a_configured_one() {
    let pki = Pki::new();
    let mut terms = profile(ALICE, BOB);
    terms.quirks.embed = Embed::None;
    terms.send.encrypt = None;
    let sent = MessageBuilder::new(&worked_identity("alice"), &worked_partner(terms, "bob"))
        .build(Payload::x12(worked("payload.x12")), now())
        .unwrap();
    let refused = open(&sent, alice_with(Trust::chain(pki.trust()))).unwrap_err();
    assert_eq!(refused.error().code(), "SIGNATURE_INVALID");
}

#[test]
fn anchors_are_watched_for_their_end() {
    let pki = Pki::new();
    let alice = alice_with(Trust::chain(pki.trust())).build().unwrap();
    let watched = CertificateWatch::new().partner(&alice).expiring(now(), 3650 * DAY);
    let anchor: Vec<_> = watched.iter().filter(|entry| entry.usage == CertificateUse::TrustAnchor).collect();
    assert_eq!((anchor.len(), &*anchor[0].subject), (1, "CN=root"));
}

/// A certificate for Alice's key that `anchor` issued, signed by `key` under the identifier `algorithm`.
fn issued_by(anchor: &Certificate, key: &dyn SigningKey, scheme: SignatureScheme, algorithm: &[u8]) -> Certificate {
    let leaf = self_signed_as("alice-sign", NAME, |_| ());
    let fields = Tlv::of(leaf.der()).child(0).children();
    let mut fields: Vec<Vec<u8>> = fields.iter().map(|field| der(field.tag, &[field.body])).collect();
    let algorithm = der(0x30, &[algorithm]);
    (fields[2], fields[3]) = (algorithm.clone(), anchor.subject_der().to_vec());
    let fields: Vec<&[u8]> = fields.iter().map(|field| &**field).collect();
    let tbs = der(0x30, &fields);
    let mut context = CryptoProvider::rustcrypto().digests().start(scheme.digest()).unwrap();
    context.update(&tbs);
    let signature = key.sign(&SignRequest::new(scheme, context.finish()).with_message(tbs.clone())).unwrap();
    Certificate::from_der(der(0x30, &[&tbs, &algorithm, &der(3, &[&[0], &signature])])).unwrap()
}

#[test]
fn t10_authorities_sign_with_every_family() {
    use rustls_pki_types::alg_id;
    let file = |name: &str| std::fs::read(vectors("signatures").join(name)).unwrap();
    let certificate = |name: &str| Certificate::from_pem(&file(&format!("{name}.crt"))).unwrap();
    let ec = |name: &str| Arc::new(EcPrivateKey::from_pkcs8_pem(&file(&format!("{name}.key"))).unwrap());
    let ed25519 = Arc::new(Ed25519PrivateKey::from_pkcs8_pem(&file("ed25519.key")).unwrap());
    let (root, rsa) = (worked_certificate("ca"), worked_key("ca"));
    let (sha256, sha512) = (DigestAlgorithm::Sha256, DigestAlgorithm::Sha512);
    type Authority = (Certificate, Arc<dyn SigningKey>, SignatureScheme, &'static [u8]);
    let cases: [Authority; 7] = [
        (root.clone(), rsa.clone(), SignatureScheme::RsaPkcs1v15(sha512), &alg_id::RSA_PKCS1_SHA512),
        (root.clone(), rsa.clone(), SignatureScheme::rsa_pss(sha256), &alg_id::RSA_PSS_SHA256),
        (root.clone(), rsa, SignatureScheme::rsa_pss(sha512), &alg_id::RSA_PSS_SHA512),
        (certificate("p256"), ec("p256"), SignatureScheme::Ecdsa(sha256), &alg_id::ECDSA_SHA256),
        (certificate("p384"), ec("p384"), SignatureScheme::Ecdsa(sha256), &alg_id::ECDSA_SHA256),
        (certificate("p521"), ec("p521"), SignatureScheme::Ecdsa(sha512), &alg_id::ECDSA_SHA512),
        (certificate("ed25519"), ed25519, SignatureScheme::Ed25519, &alg_id::ED25519),
    ];
    for (anchor, key, scheme, algorithm) in cases {
        let trust = ChainTrust::new(vec![anchor.clone()], BoundName::common_name(NAME)).unwrap();
        let leaf = issued_by(&anchor, &*key, scheme, algorithm);
        assert_eq!(verdict(std::slice::from_ref(&leaf), trust.clone()), Ok(leaf.clone()), "{scheme}");
        let mut forged = leaf.der().to_vec();
        *forged.last_mut().unwrap() ^= 1;
        let forged = Certificate::from_der(forged).unwrap();
        assert_eq!(verdict(&[forged], trust).unwrap_err().code(), "TRUST_CHAIN", "{scheme}");
    }
    // SHA-1 vouches for nothing.
    let sha1 = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5, 5, 0];
    let scheme = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha1);
    let leaf = issued_by(&root, &*worked_key("ca"), scheme, &sha1);
    let trust = ChainTrust::new(vec![root], BoundName::common_name(NAME)).unwrap();
    assert_eq!(verdict(&[leaf], trust).unwrap_err().code(), "TRUST_CHAIN");
}
