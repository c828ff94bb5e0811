//! Why a signature does not count: which part differs, and what it claims against what is agreed.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "support/by_hand.rs"]
mod by_hand;
#[path = "support/dissect.rs"]
mod dissect;
#[path = "support/issue.rs"]
mod issue;
#[path = "peers/made.rs"]
mod made;
#[path = "support/receipts.rs"]
mod receipts;
#[path = "support/refusal.rs"]
mod refusal;
mod support;

use std::sync::Arc;
use std::time::Duration;

use as2_protocol::crypto::{DigestValue, SigningKey, VerifierProvider, VerifyError};
use as2_protocol::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use by_hand::SIGNED_TYPE;
use dissect::*;
use issue::{self_signed, self_signed_as};
use made::{Signer, signed_body, signed_data};
use refusal::*;
use support::*;

const CONTENT: &[u8] = b"Content-Type: application/EDI-X12\r\n\r\nISA*00~\r\nIEA*1~\r\n";
const CHANGED: &[u8] = b"Content-Type: application/EDI-X12\r\n\r\nISA*01~\r\nIEA*1~\r\n";

fn base64_lines(octets: &[u8]) -> Vec<u8> {
    STANDARD.encode(octets).as_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect()
}

/// Alice, with these certificates and terms.
fn sender(certificates: &[Certificate], change: impl FnOnce(&mut PartnerProfile)) -> PartnerBuilder {
    let mut terms = profile(BOB, ALICE);
    change(&mut terms);
    let builder = Partner::builder(terms, CryptoProvider::rustcrypto()).allow_weak_keys();
    certificates.iter().fold(builder.encrypt_to(worked_certificate("alice-enc")), |b, c| b.verify_with(c.clone()))
}

fn refused(content: &[u8], cms: &[u8], partner: &Partner) -> Refused {
    let case = Case::new(SIGNED_TYPE, &signed_body(content, cms)).partner(partner.clone());
    case.open_sync().expect_err("the message is refused")
}

fn diagnose(content: &[u8], cms: &[u8], partner: &Partner) -> SignatureDiagnosis {
    let diagnosis = refused(content, cms, partner).diagnose_signature().expect("the signature is the reason");
    let sentence = diagnosis.to_string();
    assert!(sentence.starts_with("The signature") && sentence.ends_with('.'), "{sentence}");
    assert!(!sentence.contains('\n') && sentence.len() < 700, "{sentence}");
    assert_eq!(diagnosis.cms(), cms);
    diagnosis
}

fn alice_sign() -> Certificate {
    worked_certificate("alice-sign")
}

/// A message signed by the library under this certificate and key, and its signature.
fn signed_under(certificate: &Certificate, key: Arc<dyn SigningKey>, embed: Embed) -> (Vec<u8>, Vec<u8>) {
    let mut terms = profile(ALICE, BOB);
    terms.send.encrypt = None;
    terms.quirks.embed = embed;
    terms.quirks.signature_encoding = SignatureEncoding::Binary;
    let us = Identity::builder(CryptoProvider::rustcrypto()).allow_weak_keys();
    let us = us.signing(vec![certificate.clone()], key).build().unwrap();
    let builder = MessageBuilder::new(&us, &worked_partner(terms, "bob"));
    let sent = builder.build(Payload::x12(worked("payload.x12")), now()).unwrap().request;
    let parts = split(sent.body(), parameter(sent.header("content-type").unwrap(), "boundary"));
    let end = memchr::memmem::find(parts[1], b"\r\n\r\n").unwrap() + 4;
    (parts[0].to_vec(), parts[1][end..].to_vec())
}

#[test]
fn changed_content_is_told_with_both_digests_and_the_key_that_signed() {
    let partner = sender(&[alice_sign()], |_| ()).build().unwrap();
    let diagnosis = diagnose(CHANGED, &Signer::java("alice-sign").sign(CONTENT), &partner);
    assert_eq!(diagnosis.fault(), Some(&SignatureFault::Content));
    let [signer] = diagnosis.signers() else { panic!("{diagnosis:?}") };
    let (signed, received) = (by_hand::sha256(CONTENT), by_hand::sha256(CHANGED));
    assert_eq!(signer.content(), &SignedDigest::Differs { signed, received: received.clone() });
    assert_eq!(signer.made_with(), &MadeWith::Agreed(alice_sign()));
    assert_eq!(signer.covers(), SignatureCovers::Attributes);
    assert_eq!(signer.named(), &NamedCertificate::Agreed(alice_sign()));
    assert_eq!((signer.digest(), signer.algorithm()), (Some(DigestAlgorithm::Sha256), "rsa-pkcs1-v1.5 with sha-256"));
    let hex: String = received.iter().map(|octet| format!("{octet:02x}")).collect();
    let sentence = diagnosis.to_string();
    for expected in
        ["does not cover the content that arrived", &hex, "alice signing", "which is configured", "RSA of 2048"]
    {
        assert!(sentence.contains(expected), "{expected} in {sentence}");
    }
    assert_eq!(diagnosis.agreed().certificates, [alice_sign()]);
    assert_eq!((diagnosis.agreed().digests.as_slice(), diagnosis.agreed().at), (&DigestAlgorithm::STRONG[..], now()));
    // Content and key: both are told.
    let by_bob = diagnose(CHANGED, &Signer::java("bob-sign").sign(CONTENT), &partner);
    assert_eq!(by_bob.fault(), Some(&SignatureFault::Content));
    assert_eq!(by_bob.signers()[0].made_with(), &MadeWith::AnotherKey);
    assert!(by_bob.to_string().ends_with("; nor was it made with a key that is configured."), "{by_bob}");
}

#[test]
fn content_without_attributes_is_known_to_be_changed_where_the_signature_tells_its_key() {
    let plain = |key| Signer { attributes: false, ..Signer::java(key) };
    let partner = sender(&[alice_sign()], |_| ()).build().unwrap();
    let changed = diagnose(CHANGED, &plain("alice-sign").sign(CONTENT), &partner);
    assert_eq!(changed.fault(), Some(&SignatureFault::Content));
    assert_eq!(changed.signers()[0].made_with(), &MadeWith::Agreed(alice_sign()));
    assert_eq!(changed.signers()[0].covers(), SignatureCovers::SomethingElse);
    let other_key = diagnose(CONTENT, &plain("bob-sign").sign(CONTENT), &partner);
    assert_eq!(other_key.fault(), Some(&SignatureFault::Key));
}

#[test]
fn a_form_that_the_agreement_does_not_take_is_told() {
    let strict = sender(&[alice_sign()], |terms| terms.accept.signed_form = SignedForm::AsSent).build().unwrap();
    let (short, lf) = (&CONTENT[..CONTENT.len() - 2], String::from_utf8_lossy(CONTENT).replace("~\r\n", "~\n"));
    for (sent, signed, form) in [
        (CONTENT, short, SignedOctets::WithoutLastLineEnd),
        (short, CONTENT, SignedOctets::WithLineEnd),
        (lf.as_bytes(), CONTENT, SignedOctets::InCrlf),
        (CONTENT, lf.as_bytes(), SignedOctets::BodyInLf),
    ] {
        for attributes in [true, false] {
            let signer = Signer { attributes, ..Signer::java("alice-sign") };
            let diagnosis = diagnose(sent, &signer.sign(signed), &strict);
            assert_eq!(diagnosis.fault(), Some(&SignatureFault::Form(form)), "{attributes}");
            assert_eq!(diagnosis.signers()[0].made_with(), &MadeWith::Agreed(alice_sign()));
            let expected = format!("covers the content {form}, which the agreement does not take");
            assert!(diagnosis.to_string().contains(&expected), "{diagnosis}");
        }
    }
}

#[test]
fn changed_attributes_are_told_from_another_key() {
    let attribute = |value: u8| vec![(made::CAPABILITIES.to_vec(), vec![0x30, 3, 2, 1, value])];
    let cms = Signer { more: attribute(1), ..Signer::java("alice-sign") }.sign(CONTENT);
    let changed = patch_last(&cms, &[0x30, 3, 2, 1, 1], &[0x30, 3, 2, 1, 2]);
    let partner = sender(&[alice_sign(), worked_certificate("bob-sign")], |_| ()).build().unwrap();
    let diagnosis = diagnose(CONTENT, &changed, &partner);
    assert_eq!(diagnosis.fault(), Some(&SignatureFault::AttributesChanged));
    let signer = &diagnosis.signers()[0];
    assert_eq!(signer.content(), &SignedDigest::Fits(SignedOctets::AsReceived));
    assert_eq!(
        (signer.made_with(), signer.covers()),
        (&MadeWith::Agreed(alice_sign()), SignatureCovers::SomethingElse)
    );
    assert!(diagnosis.to_string().contains("was made over other signed attributes than those"), "{diagnosis}");

    // A value that covers the content itself, beside attributes.
    let value = |cms: &[u8]| {
        let info = Tlv::of(cms).child(1).child(0).children();
        info.last().unwrap().child(0).children().last().unwrap().body.to_vec()
    };
    let plain = Signer { attributes: false, ..Signer::java("alice-sign") }.sign(CONTENT);
    let good = Signer::java("alice-sign").sign(CONTENT);
    let mixed = patch_last(&good, &value(&good), &value(&plain));
    let diagnosis = diagnose(CONTENT, &mixed, &partner);
    assert_eq!(diagnosis.fault(), Some(&SignatureFault::AttributesChanged));
    assert_eq!(diagnosis.signers()[0].covers(), SignatureCovers::Content(SignedOctets::AsReceived));
    assert!(diagnosis.to_string().contains("over the content itself, although"), "{diagnosis}");
}

#[test]
fn attributes_that_contradict_the_signature_are_told() {
    let protection = {
        let digest = der(0x30, &[&der(6, &[&[0x2b, 0x0e, 0x03, 0x02, 0x1a]])]);
        let algorithm = der(0xa1, &[&der(6, &[&RSA]), &[5, 0]]);
        vec![(made::PROTECTION.to_vec(), der(0x30, &[&digest, &algorithm]))]
    };
    let cms = Signer { more: protection, ..Signer::java("alice-sign") }.sign(CONTENT);
    let diagnosis = diagnose(CONTENT, &cms, &sender(&[alice_sign()], |_| ()).build().unwrap());
    assert!(matches!(diagnosis.fault(), Some(SignatureFault::Attributes(text)) if text.contains("Protection")));
    assert_eq!(diagnosis.signers()[0].made_with(), &MadeWith::Agreed(alice_sign()));
}

#[test]
fn another_key_under_the_same_name_is_told() {
    // A certificate that was renewed with a new key: the names are the same, and so is the serial number.
    let (old, new) = (self_signed("alice-sign", "acme", 2025..=2027), self_signed("bob-sign", "acme", 2025..=2027));
    let partner = sender(std::slice::from_ref(&old), |_| ()).build().unwrap();
    let (content, cms) = signed_under(&new, worked_key("bob-sign"), Embed::None);
    let diagnosis = diagnose(&content, &cms, &partner);
    assert_eq!(diagnosis.fault(), Some(&SignatureFault::Key));
    let signer = &diagnosis.signers()[0];
    assert_eq!((signer.named(), signer.made_with()), (&NamedCertificate::Agreed(old.clone()), &MadeWith::AnotherKey));
    assert_eq!(signer.signed_at(), Some(now()));
    assert!(
        diagnosis.to_string().contains("was made with another key than a configured one; it names a configured"),
        "{diagnosis}"
    );
    // With the certificate beside it, the key is known.
    let (content, cms) = signed_under(&new, worked_key("bob-sign"), Embed::Chain);
    let diagnosis = diagnose(&content, &cms, &partner);
    assert_eq!(diagnosis.fault(), Some(&SignatureFault::Key));
    assert_eq!(diagnosis.signers()[0].made_with(), &MadeWith::Embedded(new));
    assert!(
        diagnosis.to_string().contains("which came along and is not configured; configured is CN=acme"),
        "{diagnosis}"
    );
}

#[test]
fn unknown_signers_and_those_of_an_older_certificate_are_told() {
    let serial = |serial: u8, key: &str| {
        self_signed_as(key, "acme", |params| params.serial_number = Some(rcgen::SerialNumber::from(vec![serial])))
    };
    let (old, new) = (serial(5, "bob-sign"), serial(7, "alice-sign"));
    let (content, cms) = signed_under(&old, worked_key("bob-sign"), Embed::None);
    let partner = sender(std::slice::from_ref(&new), |_| ()).build().unwrap();
    let sibling = diagnose(&content, &cms, &partner);
    assert_eq!(sibling.signers()[0].named(), &NamedCertificate::Sibling(new.clone()));
    assert_eq!(sibling.fault(), Some(&SignatureFault::Key));
    assert_eq!(sibling.signers()[0].identifier(), "issuer CN=acme, serial 05");
    assert!(sibling.to_string().contains("another certificate of the issuer of a configured one"), "{sibling}");
    assert!(sibling.to_string().contains("configured is CN=acme (serial 07, SHA-256 fingerprint "), "{sibling}");

    let stranger = diagnose(&content, &cms, &sender(&[alice_sign()], |_| ()).build().unwrap());
    assert_eq!(stranger.signers()[0].named(), &NamedCertificate::Unknown);
    assert_eq!(stranger.fault(), Some(&SignatureFault::Key));

    // The old certificate is known, but retired since yesterday.
    let yesterday = now() - Duration::from_secs(86_400);
    let retired = sender(&[new], |_| ()).retired(old.clone(), yesterday).build().unwrap();
    let diagnosis = diagnose(&content, &cms, &retired);
    assert_eq!(diagnosis.fault(), Some(&SignatureFault::Key));
    assert_eq!(diagnosis.signers()[0].made_with(), &MadeWith::Retired(old.clone(), yesterday));
    assert_eq!(diagnosis.signers()[0].named(), &NamedCertificate::Retired(old.clone(), yesterday));
    assert_eq!(diagnosis.agreed().retired, [(old, yesterday)]);
    assert!(diagnosis.to_string().contains("which is retired since 2026-11-23;"), "{diagnosis}");
}

#[test]
fn forbidden_and_unknown_algorithms_are_told_with_those_that_are_accepted() {
    let sha1 = Signer { digest: DigestAlgorithm::Sha1, ..Signer::java("alice-sign") }.sign(CONTENT);
    let partner = sender(&[alice_sign()], |_| ()).build().unwrap();
    let diagnosis = diagnose(CONTENT, &sha1, &partner);
    assert!(matches!(diagnosis.fault(), Some(SignatureFault::Algorithm(_))));
    assert!(diagnosis.to_string().ends_with("accepted are sha-256, sha-384, sha-512."), "{diagnosis}");
    assert_eq!(diagnosis.signers()[0].made_with(), &MadeWith::Agreed(alice_sign()));
    // rsaEncryption becomes an identifier that nobody knows.
    let unknown = patch_last(&Signer { combined: false, ..Signer::java("alice-sign") }.sign(CONTENT), &RSA, &[0x2a; 9]);
    let diagnosis = diagnose(CONTENT, &unknown, &partner);
    assert!(matches!(diagnosis.fault(), Some(SignatureFault::Algorithm(text)) if text.contains("not supported")));
    assert_eq!(diagnosis.signers()[0].made_with(), &MadeWith::Unknown);
}

#[test]
fn certificates_outside_their_dates_are_told() {
    let expired = self_signed("alice-sign", "acme", 2020..=2022);
    let strict = |terms: &mut PartnerProfile| terms.certificates.verification = Strictness::Refuse;
    let partner = sender(std::slice::from_ref(&expired), strict).build().unwrap();
    // Whom a signer names does not matter where the key fits.
    let diagnosis = diagnose(CONTENT, &Signer::java("alice-sign").sign(CONTENT), &partner);
    assert!(
        matches!(diagnosis.fault(), Some(SignatureFault::Certificate(fault)) if fault.code() == "CERT_HAS_EXPIRED")
    );
    assert_eq!(diagnosis.signers()[0].made_with(), &MadeWith::Agreed(expired));
    assert!(diagnosis.to_string().contains("is valid, but the partner's certificate"), "{diagnosis}");
}

/// SignedData without the certificates that came along.
fn without_certificates(cms: &[u8]) -> Vec<u8> {
    let signed = Tlv::of(cms).child(1).child(0);
    let kept = signed.children().into_iter().filter(|part| part.tag != 0xa0);
    let kept: Vec<u8> = kept.flat_map(|part| der(part.tag, &[part.body])).collect();
    content_info(&SIGNED, &der(0x30, &[&kept]))
}

#[test]
fn what_cannot_be_known_is_not_claimed() {
    // PSS, ECDSA and Ed25519 do not tell their key.
    let vector = |name: &str| std::fs::read(vectors("signatures").join(name)).unwrap();
    let content = include_bytes!("vectors/signatures/content.txt");
    for (file, signer) in [("pss-sha256", "rsa"), ("p256-sha256", "p256"), ("bc-ed25519", "ed25519")] {
        let certificate = Certificate::from_pem(&vector(&format!("{signer}.crt"))).unwrap();
        let partner = sender(&[certificate], |_| ()).build().unwrap();
        let mut cms = vector(&format!("{file}.der"));
        let last = cms.len() - 20;
        cms[last] ^= 1;
        let diagnosis = diagnose(content, &cms, &partner);
        assert_eq!(diagnosis.fault(), Some(&SignatureFault::Undetermined), "{file}");
        assert_eq!(diagnosis.signers()[0].made_with(), &MadeWith::Unknown, "{file}");
        assert!(diagnosis.to_string().contains("made with another key, or what it covers was changed"), "{diagnosis}");
        // A partner whose keys are all of another kind did not make it.
        if file == "p256-sha256" {
            let other =
                refused(content, &without_certificates(&cms), &sender(&[alice_sign()], |_| ()).build().unwrap());
            assert_eq!(other.diagnose_signature().unwrap().signers()[0].made_with(), &MadeWith::AnotherKey);
        }
    }
}

#[test]
fn what_a_delegate_says_is_told() {
    let refuse = |_: &Candidate<'_>| Err(TrustError::Refused("not in the directory".to_owned()));
    let partner = sender(&[alice_sign()], |_| ()).trust(Trust::delegate(refuse)).build().unwrap();
    let cms = signed_data(&[Signer::java("bob-sign")], CONTENT, &["bob-sign"]);
    let diagnosis = diagnose(CONTENT, &cms, &partner);
    assert!(matches!(diagnosis.fault(), Some(SignatureFault::Untrusted(TrustError::Refused(_)))), "{diagnosis}");
    assert_eq!(diagnosis.signers()[0].made_with(), &MadeWith::Embedded(worked_certificate("bob-sign")));
}

#[test]
fn signatures_in_one_object_with_the_content_are_told_without_its_octets() {
    let cms = by_hand::signed_data("bob-sign", DigestAlgorithm::Sha256, CONTENT, true);
    let refused = Case::new("application/pkcs7-mime; smime-type=signed-data", &cms).open_sync().unwrap_err();
    let diagnosis = refused.diagnose_signature().unwrap();
    assert_eq!((diagnosis.fault(), diagnosis.cms().len()), (Some(&SignatureFault::Key), 0));
}

/// A backend that verifies and tells nothing else, as most do.
struct Reticent(CryptoProvider);

impl VerifierProvider for Reticent {
    fn verify(
        &self,
        scheme: SignatureScheme,
        spki_der: &[u8],
        digest: &DigestValue,
        message: Option<&[u8]>,
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        self.0.verifiers().verify(scheme, spki_der, digest, message, signature)
    }
}

#[test]
fn a_backend_that_does_not_tell_the_key_leaves_it_open() {
    let plain = CryptoProvider::rustcrypto();
    let provider = plain.clone().with_verifiers(Arc::new(Reticent(plain)));
    let builder = Partner::builder(profile(BOB, ALICE), provider).encrypt_to(worked_certificate("alice-enc"));
    let partner = builder.verify_with(alice_sign()).build().unwrap();
    let diagnosis = diagnose(CONTENT, &Signer::java("bob-sign").sign(CONTENT), &partner);
    assert_eq!(diagnosis.fault(), Some(&SignatureFault::Undetermined));
    let diagnosis = diagnose(CHANGED, &Signer::java("alice-sign").sign(CONTENT), &partner);
    assert_eq!(diagnosis.signers()[0].made_with(), &MadeWith::Agreed(alice_sign()));
}

#[test]
fn broken_signatures_and_those_of_nobody_are_told() {
    let partner = sender(&[alice_sign()], |_| ()).build().unwrap();
    let nobody = diagnose(CONTENT, &nobodys_signature(), &partner);
    assert_eq!(
        (nobody.fault(), nobody.to_string().as_str()),
        (Some(&SignatureFault::NoSigner), "The signature has no signer.")
    );
    let good = Signer::java("alice-sign").sign(CONTENT);
    let cut = diagnose(CONTENT, &good[..good.len() - 100], &partner);
    assert!(matches!(cut.fault(), Some(SignatureFault::Unreadable(_))), "{cut:?}");
    assert!(cut.signers().is_empty());
}

#[test]
fn of_many_signers_four_are_examined() {
    let signers = vec![Signer::java("bob-sign"); 10];
    let partner = sender(&[alice_sign()], |_| ()).build().unwrap();
    let diagnosis = diagnose(CONTENT, &signed_data(&signers, CONTENT, &[]), &partner);
    assert_eq!(diagnosis.signers().len(), 4);
    assert_eq!(diagnosis.fault(), Some(&SignatureFault::Key));
}

#[test]
fn there_is_nothing_to_tell_where_the_signature_is_not_the_reason() {
    let partner = sender(&[alice_sign()], |terms| terms.accept.encryption = Requirement::Require).build().unwrap();
    let good = Signer::java("alice-sign").sign(CONTENT);
    let refused_for_policy = refused(CONTENT, &good, &partner);
    assert_eq!(refused_for_policy.error().code(), "INSUFFICIENT_SECURITY");
    assert_eq!(refused_for_policy.diagnose_signature(), None);
    let unsigned = sender(&[alice_sign()], |terms| terms.accept.signature = Requirement::Require).build().unwrap();
    let refused = Case::new("text/plain", b"hello").partner(unsigned).open_sync().unwrap_err();
    assert_eq!(refused.diagnose_signature(), None);
}

#[test]
fn inside_an_envelope_it_is_told_here_and_nowhere_else() {
    let body = signed_body(CHANGED, &Signer::java("alice-sign").sign(CONTENT));
    let inner = entity(&format!("Content-Type: {SIGNED_TYPE}"), &body);
    let sealed = encrypt(&inner, &worked_certificate("bob-enc"), false);
    let case = Case::new("application/pkcs7-mime; smime-type=enveloped-data", &sealed);
    let refused = case.open_sync().unwrap_err();
    let diagnosis = refused.diagnose_signature().unwrap();
    assert_eq!(diagnosis.fault(), Some(&SignatureFault::Content));
    assert!(!format!("{refused:?}").contains("ISA*01"), "what nobody proved stays inside");
    case.refused(Told::uniformly("INTEGRITY_CHECK"));
}

fn disputed(report: &[u8], cms: &[u8], partner: &Partner) -> (Dispute, SignatureDiagnosis) {
    let pending = receipts::waiting(ReceiptKind::Signed, false);
    let response = receipts::response(&entity(&format!("Content-Type: {SIGNED_TYPE}"), &signed_body(report, cms)));
    let SendOutcome::Settled(outcome) = pending.on_response(Ok(&response), partner, now()) else {
        panic!("no receipt")
    };
    let Outcome::Dispute(dispute, evidence) = *outcome else { panic!("{outcome:?}") };
    let diagnosis = evidence.diagnose_signature(partner).unwrap();
    assert_eq!(pending.diagnose_signature(evidence.receipt(), partner).as_ref(), Some(&diagnosis));
    assert!(memchr::memmem::find(evidence.receipt().mime(), report).is_some(), "the octets are kept");
    (dispute, diagnosis)
}

#[test]
fn signatures_of_receipts_are_told() {
    let pending = receipts::waiting(ReceiptKind::Signed, false);
    let report = receipts::report(&receipts::fields(receipts::PROCESSED, pending.mics().first(), ""));
    let changed = String::from_utf8(report.clone()).unwrap().replace("Hello.", "Hallo.");
    let cms = Signer::java("bob-sign").sign(&report);
    let (dispute, diagnosis) = disputed(changed.as_bytes(), &cms, &bob());
    assert_eq!((dispute.code(), diagnosis.fault()), ("MDN_SIGNATURE", Some(&SignatureFault::Content)));
    assert_eq!(diagnosis.signers()[0].made_with(), &MadeWith::Agreed(worked_certificate("bob-sign")));

    let (_, diagnosis) = disputed(&report, &Signer::java("alice-sign").sign(&report), &bob());
    assert_eq!(diagnosis.fault(), Some(&SignatureFault::Key));

    let expired = self_signed("bob-sign", "bob", 2020..=2022);
    let mut terms = profile(ALICE, BOB);
    terms.certificates.receipts = Strictness::Refuse;
    let mut strict = receipts::waiting(ReceiptKind::Signed, false);
    let builder = Partner::builder(terms.clone(), CryptoProvider::rustcrypto());
    let partner = builder.encrypt_to(worked_certificate("bob-enc")).verify_with(expired).build().unwrap();
    let message = MessageBuilder::new(&worked_identity("alice"), &partner);
    strict =
        message.message_id(strict.message_id().clone()).build(Payload::x12(receipts::order()), now()).unwrap().pending;
    let receipt =
        receipt_in(&receipts::response(&entity(&format!("Content-Type: {SIGNED_TYPE}"), &signed_body(&report, &cms))));
    let Outcome::Dispute(Dispute::Certificate(_), evidence) = strict.settle(&receipt, &partner, now()) else {
        panic!("an expired certificate is refused")
    };
    let diagnosis = evidence.diagnose_signature(&partner).unwrap();
    assert!(matches!(diagnosis.fault(), Some(SignatureFault::Certificate(_))), "{diagnosis}");

    // A good one, and one without signature.
    let good = receipts::response(&entity(&format!("Content-Type: {SIGNED_TYPE}"), &signed_body(&report, &cms)));
    let diagnosis = pending.diagnose_signature(&receipt_in(&good), &bob()).unwrap();
    assert_eq!(diagnosis.fault(), None);
    assert!(diagnosis.to_string().ends_with("counts."), "{diagnosis}");
    assert_eq!(pending.diagnose_signature(&receipt_in(&receipts::response(&report)), &bob()), None);
}

#[test]
fn examining_is_bounded_and_never_panics_on_damage() {
    let partner = sender(&[alice_sign()], |_| ()).build().unwrap();
    let cms = signed_data(&[Signer::java("alice-sign")], CONTENT, &["alice-sign"]);
    for at in (0..cms.len()).step_by(7) {
        let mut damaged = cms.clone();
        damaged[at] ^= 0x55;
        let case = Case::new(SIGNED_TYPE, &signed_body(CONTENT, &damaged)).partner(partner.clone());
        let Err(refused) = case.open_sync() else { continue };
        if let Some(diagnosis) = refused.diagnose_signature() {
            assert!(diagnosis.fault().is_some() && diagnosis.to_string().ends_with('.'), "{at}: {diagnosis}");
        }
    }
}
