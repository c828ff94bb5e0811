//! Certificates outside their dates or not meant for their use, by agreement; several keys at once, and the reports
//! that a change of certificates needs.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../support/issue.rs"]
mod issue;
#[path = "../support/mod.rs"]
mod support;

mod change_over;

use std::time::{Duration, SystemTime};

use issue::{self_signed, self_signed_as};
use support::*;

use as2_protocol::*;

const DAY: Duration = Duration::from_secs(86_400);

/// 2026-01-01T00:00:00Z, the end of certificates that are valid until 2025.
fn new_year() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

fn expired(key: &str) -> Certificate {
    self_signed(key, &format!("{key} expired"), 2020..=2025)
}

fn future(key: &str) -> Certificate {
    self_signed(key, &format!("{key} future"), 2030..=2035)
}

fn identity(name: &str, signing: Certificate) -> Identity {
    let (sign, encrypt) = (format!("{name}-sign"), format!("{name}-enc"));
    Identity::builder(CryptoProvider::rustcrypto())
        .signing(vec![signing], worked_key(&sign))
        .decrypting(worked_certificate(&encrypt), worked_key(&encrypt))
        .build()
        .unwrap()
}

fn partner(terms: PartnerProfile, encryption: Certificate, verification: Certificate) -> Partner {
    let builder = Partner::builder(terms, CryptoProvider::rustcrypto());
    builder.encrypt_to(encryption).verify_with(verification).build().unwrap()
}

fn terms(us: &str, them: &str, change: impl FnOnce(&mut CertificateTerms)) -> PartnerProfile {
    let mut terms = profile(us, them);
    terms.accept.signature = Requirement::Require;
    change(&mut terms.certificates);
    terms
}

fn send(us: &Identity, to: &Partner) -> Result<Outbound, SendError> {
    MessageBuilder::new(us, to).build(Payload::x12(worked("payload.x12")), now())
}

/// Alice sends to Bob, who has `certificate` for her and these terms.
fn received(
    certificate: Certificate,
    encrypted: bool,
    change: impl FnOnce(&mut CertificateTerms),
) -> Result<Accepted, Refused> {
    let mut sending = profile(ALICE, BOB);
    sending.send.encrypt = encrypted.then_some(CipherAlgorithm::Aes256Cbc);
    let sent = send(&worked_identity("alice"), &worked_partner(sending, "bob")).unwrap();
    let alice = partner(terms(BOB, ALICE, change), worked_certificate("alice-enc"), certificate);
    envelope(sent.request.to_request()).open(&worked_identity("bob"), Some(&alice), now())
}

fn validity(error: &SendError) -> &ValidityError {
    match error {
        SendError::Setup(SetupError::Certificate(fault)) => fault.validity().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The three policies, with what is noted; `None` where it is refused.
const POLICIES: [(Strictness, Option<usize>); 3] =
    [(Strictness::Ignore, Some(0)), (Strictness::Warn, Some(1)), (Strictness::Refuse, None)];

#[test]
fn t06_signing_with_our_expired_certificate_is_refused_unless_agreed() {
    let us = identity("alice", expired("alice-sign"));
    let error = send(&us, &bob()).unwrap_err();
    assert_eq!(error.code(), "CERT_HAS_EXPIRED");
    let fault = validity(&error);
    assert_eq!((fault.whose, fault.usage, fault.not_yet), (Whose::Ours, CertificateUse::Signing, false));
    assert_eq!((fault.subject.as_deref(), fault.serial.as_deref()), (Some("CN=alice-sign expired"), Some("4711")));
    assert_eq!(
        error.to_string(),
        "our certificate for signing (CN=alice-sign expired, serial 4711) has expired on 2025-12-31T00:00:00Z; \
         renew it, or allow it for a time by `certificates.allow_expired_until.signing`"
    );
    for (strictness, noted) in POLICIES {
        let to = worked_partner(terms(ALICE, BOB, |certificates| certificates.signing = strictness), "bob");
        assert_eq!(send(&us, &to).ok().map(|sent| sent.notes.len()), noted, "{strictness:?}");
    }
}

#[test]
fn t06_encrypting_to_an_expired_or_future_certificate_is_refused_unless_agreed() {
    for (certificate, code) in [(expired("bob-enc"), "CERT_HAS_EXPIRED"), (future("bob-enc"), "CERT_NOT_YET_VALID")] {
        let to = |change: &dyn Fn(&mut CertificateTerms)| {
            partner(terms(ALICE, BOB, change), certificate.clone(), worked_certificate("bob-sign"))
        };
        let us = worked_identity("alice");
        let error = send(&us, &to(&|_| ())).unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!((validity(&error).whose, validity(&error).usage), (Whose::Partners, CertificateUse::Encryption));
        for (strictness, noted) in POLICIES {
            let sent = send(&us, &to(&|certificates| certificates.encryption = strictness));
            assert_eq!(sent.ok().map(|sent| sent.notes.len()), noted, "{code} {strictness:?}");
        }
    }
}

#[test]
fn t06_messages_under_an_expired_certificate_are_judged_by_agreement() {
    for (certificate, code) in
        [(expired("alice-sign"), "CERT_HAS_EXPIRED"), (future("alice-sign"), "CERT_NOT_YET_VALID")]
    {
        for encrypted in [false, true] {
            for (strictness, noted) in POLICIES {
                let change = |certificates: &mut CertificateTerms| certificates.verification = strictness;
                match (received(certificate.clone(), encrypted, change), noted) {
                    (Ok(accepted), Some(noted)) => {
                        assert_eq!(accepted.notes().iter().filter(|note| note.code() == code).count(), noted);
                        assert_eq!(accepted.authenticity(), &Authenticity::Signed { certificate: certificate.clone() });
                    }
                    (Err(refused), None) => {
                        assert_eq!(refused.error().code(), code);
                        let ReceiveError::Authentication(AuthenticationFault::Certificate(fault)) = refused.error()
                        else {
                            panic!("{:?}", refused.error())
                        };
                        let fault = fault.validity().unwrap();
                        assert_eq!((fault.whose, fault.usage), (Whose::Partners, CertificateUse::Verification));
                        // It is told even inside an envelope: only a valid signature leads here.
                        let receipt = receipt_in(&refused.mdn().build(now()).response.to_response());
                        assert_eq!(receipt.disposition(), Some(&Disposition::error("authentication-failed")));
                        assert!(receipt.text().unwrap().contains("serial 4711"), "{:?}", receipt.text());
                    }
                    (other, _) => panic!("{strictness:?}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn t06_a_changed_message_under_an_expired_certificate_says_nothing_about_it() {
    let mut sending = profile(ALICE, BOB);
    sending.accept.signature = Requirement::Require;
    let sent = send(&worked_identity("alice"), &worked_partner(sending, "bob")).unwrap();
    let refusing = terms(BOB, ALICE, |certificates| certificates.verification = Strictness::Refuse);
    let alice = partner(refusing, worked_certificate("alice-enc"), expired("alice-sign"));
    let (parts, body) = sent.request.to_request().into_parts();
    for place in (body.len() / 2..body.len()).step_by(37) {
        let mut changed = body.to_vec();
        changed[place] ^= 0x40;
        let request = http::Request::from_parts(parts.clone(), changed.into());
        let refused = envelope(request).open(&worked_identity("bob"), Some(&alice), now()).unwrap_err();
        let receipt = receipt_in(&refused.mdn().build(now()).response.to_response());
        assert_eq!(receipt.disposition(), Some(&Disposition::error("decryption-failed")), "octet {place}");
        assert!(!receipt.text().unwrap().contains("expired"), "octet {place}");
    }
}

#[test]
fn t06_another_certificate_for_the_same_key_that_passes_is_taken() {
    let sent = send(&worked_identity("alice"), &bob()).unwrap();
    let refusing = terms(BOB, ALICE, |certificates| certificates.verification = Strictness::Refuse);
    let builder = Partner::builder(refusing, CryptoProvider::rustcrypto()).encrypt_to(worked_certificate("alice-enc"));
    let alice =
        builder.verify_with(expired("alice-sign")).verify_with(worked_certificate("alice-sign")).build().unwrap();
    let accepted = envelope(sent.request.to_request()).open(&worked_identity("bob"), Some(&alice), now()).unwrap();
    assert_eq!(accepted.authenticity(), &Authenticity::Signed { certificate: worked_certificate("alice-sign") });
    assert_eq!(accepted.notes(), []);
}

#[test]
fn dated_overrides_end_on_their_day_and_cover_expired_certificates_only() {
    let until = |date: SystemTime| {
        move |certificates: &mut CertificateTerms| {
            certificates.verification = Strictness::Refuse;
            certificates.allow_expired_until.verification = Some(date);
        }
    };
    let accepted = received(expired("alice-sign"), true, until(now() + DAY)).unwrap();
    assert_eq!(accepted.notes().iter().filter(|note| note.code() == "CERT_HAS_EXPIRED").count(), 1);
    assert_eq!(received(expired("alice-sign"), true, until(now())).unwrap_err().error().code(), "CERT_HAS_EXPIRED");
    let refused = received(future("alice-sign"), true, until(now() + DAY)).unwrap_err();
    assert_eq!(refused.error().code(), "CERT_NOT_YET_VALID");

    // Each use has its own.
    let us = identity("alice", expired("alice-sign"));
    for (date, allowed) in [(None, false), (Some(now()), false), (Some(now() + DAY), true)] {
        let change = |certificates: &mut CertificateTerms| certificates.allow_expired_until.signing = date;
        assert_eq!(send(&us, &worked_partner(terms(ALICE, BOB, change), "bob")).is_ok(), allowed, "{date:?}");
        let change = |certificates: &mut CertificateTerms| certificates.allow_expired_until.encryption = date;
        let to = partner(terms(ALICE, BOB, change), expired("bob-enc"), worked_certificate("bob-sign"));
        assert_eq!(send(&worked_identity("alice"), &to).is_ok(), allowed, "{date:?}");
    }
}

#[test]
fn dated_overrides_that_change_nothing_are_contradictions() {
    let mut profile = profile(ALICE, BOB);
    profile.certificates.allow_expired_until.receipts = Some(now());
    profile.certificates.sign_with = Some(String::new());
    let found: Vec<_> = profile.contradictions().into_iter().map(|found| found.field).collect();
    assert_eq!(found, ["certificates.allow_expired_until.receipts", "certificates.sign_with"]);
    profile.certificates.receipts = Strictness::Refuse;
    profile.certificates.sign_with = None;
    assert_eq!(profile.contradictions(), []);
}

#[test]
fn certificate_terms_are_text_with_dates_of_rfc_3339() {
    let mut profile = profile(ALICE, BOB);
    let plain = serde_json::to_value(&profile).unwrap();
    assert_eq!(plain["certificates"].get("allow_expired_until"), None);
    profile.certificates.signing = Strictness::Refuse;
    profile.certificates.allow_expired_until.signing = Some(new_year());
    profile.certificates.sign_with = Some("2025".to_owned());
    let text = toml::to_string(&profile).unwrap();
    assert!(text.contains("[certificates.allow_expired_until]\nsigning = \"2026-01-01T00:00:00Z\"\n"), "{text}");
    assert_eq!(toml::from_str::<PartnerProfile>(&text).unwrap(), profile);
    for (bad, said) in [("2026-01-01", "RFC 3339"), ("soon", "RFC 3339"), ("2026-02-30T00:00:00Z", "RFC 3339")] {
        let error = toml::from_str::<PartnerProfile>(&text.replace("2026-01-01T00:00:00Z", bad)).unwrap_err();
        assert!(error.to_string().contains(said), "{bad}: {error}");
    }
    let unknown = text.replace("signing = \"2026-01-01", "sending = \"2026-01-01");
    assert!(toml::from_str::<PartnerProfile>(&unknown).unwrap_err().to_string().contains("unknown field `sending`"));
}

/// A receipt of Bob's, signed under `certificate` by his key, for a message that was sent at `sent`.
fn receipt(sent_at: SystemTime, change: impl FnOnce(&mut CertificateTerms)) -> (PendingReceipt, IncomingMdn) {
    let mut sending = terms(ALICE, BOB, change);
    // At any time.
    sending.certificates.signing = Strictness::Ignore;
    sending.certificates.encryption = Strictness::Ignore;
    let to = worked_partner(sending, "bob");
    let builder = MessageBuilder::new(&worked_identity("alice"), &to);
    let sent = builder.build(Payload::x12(worked("payload.x12")), sent_at).unwrap();
    let accepted = envelope(sent.request.to_request()).open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
    let reply = accepted.stored().build(now());
    (sent.pending, receipt_in(&reply.response.to_response()))
}

#[test]
fn t06_receipts_are_judged_at_the_time_the_message_was_sent() {
    let early = new_year() - 30 * DAY;
    for (sent_at, in_time) in [(early, true), (now(), false)] {
        for (strictness, noted) in POLICIES {
            let (pending, mdn) = receipt(sent_at, |certificates| certificates.receipts = strictness);
            // Today's profile does not count, the one of the day does.
            let bob = partner(profile(ALICE, BOB), worked_certificate("bob-enc"), expired("bob-sign"));
            let outcome = pending.settle(&mdn, &bob, now());
            let evidence = outcome.evidence().unwrap();
            let stored: PendingReceipt = serde_json::from_value(serde_json::to_value(&pending).unwrap()).unwrap();
            assert_eq!(stored, pending);
            match (in_time, noted) {
                (true, _) | (false, Some(_)) => {
                    assert!(matches!(outcome, Outcome::Deliver(_)), "{outcome:?}");
                    let expected = if in_time { 0 } else { noted.unwrap() };
                    assert_eq!(evidence.notes().len(), expected, "{strictness:?}");
                    let again = evidence.record().verify(&CryptoProvider::rustcrypto()).unwrap();
                    assert_eq!((again.proof(), again.notes()), (Some(Proof::Signed), evidence.notes()));
                }
                (false, None) => {
                    let Outcome::Dispute(dispute @ Dispute::Certificate(fault), _) = &outcome else {
                        panic!("{outcome:?}")
                    };
                    assert_eq!((dispute.code(), outcome.advice()), ("CERT_HAS_EXPIRED", Advice::AskPartner));
                    let fault = fault.validity().unwrap();
                    assert_eq!((fault.whose, fault.usage), (Whose::Partners, CertificateUse::Receipts));
                    assert_eq!((evidence.proof(), evidence.signer()), (None, Some(&expired("bob-sign"))));
                    assert!(outcome.letter().unwrap().contains("has expired on 2025-12-31"), "{:?}", outcome.letter());
                    let again = evidence.record().verify(&CryptoProvider::rustcrypto()).unwrap_err();
                    assert_eq!(again.code(), "CERT_HAS_EXPIRED");
                }
            }
        }
    }
}

#[test]
fn t06_dated_overrides_for_receipts_count_from_the_day_of_the_message() {
    for (until, delivered) in [(now() + DAY, true), (now(), false)] {
        let (pending, mdn) = receipt(now(), |certificates| {
            certificates.receipts = Strictness::Refuse;
            certificates.allow_expired_until.receipts = Some(until);
        });
        let bob = partner(profile(ALICE, BOB), worked_certificate("bob-enc"), expired("bob-sign"));
        let outcome = pending.settle(&mdn, &bob, now() + 90 * DAY);
        assert_eq!(matches!(outcome, Outcome::Deliver(_)), delivered, "{outcome:?}");
    }
}

#[test]
fn decrypting_never_looks_at_dates() {
    for certificate in [expired("bob-enc"), future("bob-enc")] {
        let to = partner(
            terms(ALICE, BOB, |certificates| certificates.encryption = Strictness::Ignore),
            certificate.clone(),
            worked_certificate("bob-sign"),
        );
        let sent = send(&worked_identity("alice"), &to).unwrap();
        let us = Identity::builder(CryptoProvider::rustcrypto())
            .decrypting_named("old", certificate.clone(), worked_key("bob-enc"))
            .build()
            .unwrap();
        let strict = terms(BOB, ALICE, |certificates| {
            certificates.verification = Strictness::Refuse;
            certificates.key_usage = Strictness::Refuse;
        });
        let alice = worked_partner(strict, "alice");
        let accepted = envelope(sent.request.to_request()).open(&us, Some(&alice), now()).unwrap();
        let with = accepted.decrypted_with().unwrap();
        assert_eq!((with.name(), with.certificate()), ("old", &certificate));
    }
}

fn for_web_servers(key: &str) -> Certificate {
    self_signed_as(key, "web server", |params| params.key_usages = vec![rcgen::KeyUsagePurpose::KeyAgreement])
}

#[test]
fn t06_key_usage_is_judged_at_construction_and_at_use() {
    let unfit = |key: &str| for_web_servers(key);
    let build = |strictness| {
        let terms = terms(ALICE, BOB, |certificates| certificates.key_usage = strictness);
        let builder = Partner::builder(terms, CryptoProvider::rustcrypto());
        builder.encrypt_to(unfit("bob-enc")).verify_with(unfit("bob-sign")).build()
    };
    assert_eq!(build(Strictness::Ignore).unwrap().notes(), []);
    let purposes: Vec<_> = build(Strictness::Warn).unwrap().notes().iter().map(ToString::to_string).collect();
    assert_eq!(
        purposes,
        [
            "the certificate of CN=web server does not allow its use for encryption",
            "the certificate of CN=web server does not allow its use for signatures"
        ]
    );
    let Err(SetupError::Contradictions(found)) = build(Strictness::Refuse) else { panic!("built") };
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|found| found.field == "certificates.key_usage"), "{found:?}");

    let us = identity("alice", unfit("alice-sign"));
    assert_eq!(us.notes().len(), 1);
    for (strictness, noted) in POLICIES {
        let change = |certificates: &mut CertificateTerms| certificates.key_usage = strictness;
        let sent = send(&us, &worked_partner(terms(ALICE, BOB, change), "bob"));
        assert_eq!(sent.as_ref().ok().map(|sent| sent.notes.len()), noted, "{strictness:?}");
        if let Err(error) = sent {
            assert_eq!(error.code(), "KEY_USAGE");
            assert!(error.to_string().starts_with("our certificate for signing (CN=web server"), "{error}");
        }
    }
}
