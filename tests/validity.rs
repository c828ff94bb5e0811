//! Certificates outside their dates or not meant for their use, by agreement; several keys at once, and the reports
//! that a change of certificates needs.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/issue.rs"]
mod issue;
mod support;

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
        "our certificate for signing (CN=alice-sign expired, serial 4711) has expired on 2025-12-31T00:00:00Z"
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

// ---- several keys at once

const OLD: &str = "alice 2025";
const NEW: &str = "alice 2026";

/// Alice changes her signing certificate on a day, and her decrypting one.
fn changing(on: SystemTime) -> Identity {
    Identity::builder(CryptoProvider::rustcrypto())
        .signing_named(OLD, vec![worked_certificate("alice-sign")], worked_key("alice-sign"), None)
        .signing_named(NEW, vec![self_signed("bob-sign", NEW, 2020..=2030)], worked_key("bob-sign"), Some(on))
        .decrypting_named(OLD, worked_certificate("alice-enc"), worked_key("alice-enc"))
        .decrypting_named(NEW, self_signed("bob-enc", NEW, 2020..=2030), worked_key("bob-enc"))
        .build()
        .unwrap()
}

#[test]
fn t03_the_signing_key_that_was_activated_last_signs_unless_the_partner_is_late() {
    for (on, expected) in [(now() + DAY, OLD), (now(), NEW), (now() - DAY, NEW)] {
        let us = changing(on);
        let sent = send(&us, &bob()).unwrap();
        assert_eq!(sent.signed_with.as_ref().map(OwnCertificate::name), Some(expected));
        assert_eq!(sent.signed_with.as_ref().map(OwnCertificate::certificate), us.signing_certificate(now()));
        assert_eq!(sent.encrypted_to, [worked_certificate("bob-enc")]);
        let late = terms(ALICE, BOB, |certificates| certificates.sign_with = Some(OLD.to_owned()));
        let sent = send(&us, &worked_partner(late, "bob")).unwrap();
        assert_eq!(sent.signed_with.unwrap().name(), OLD);
        // Whoever was told early gets it early.
        let early = terms(ALICE, BOB, |certificates| certificates.sign_with = Some(NEW.to_owned()));
        assert_eq!(send(&us, &worked_partner(early, "bob")).unwrap().signed_with.unwrap().name(), NEW);
    }
    let unknown = terms(ALICE, BOB, |certificates| certificates.sign_with = Some("2024".to_owned()));
    let error = send(&changing(now()), &worked_partner(unknown, "bob")).unwrap_err();
    assert_eq!(error.code(), "SIGNING_KEY_UNKNOWN");
    assert!(error.to_string().contains("names the key 2024, our signing keys are alice 2025, alice 2026"), "{error}");
}

#[test]
fn t03_receipts_are_signed_by_the_same_choice() {
    let sent = send(&worked_identity("alice"), &bob()).unwrap();
    let us = Identity::builder(CryptoProvider::rustcrypto())
        .signing_named("old", vec![worked_certificate("bob-sign")], worked_key("bob-sign"), None)
        .signing_named("new", vec![worked_certificate("alice-sign")], worked_key("alice-sign"), Some(now()))
        .decrypting(worked_certificate("bob-enc"), worked_key("bob-enc"))
        .build()
        .unwrap();
    for (name, delivered) in [(None, false), (Some("old"), true)] {
        let change = |certificates: &mut CertificateTerms| certificates.sign_with = name.map(str::to_owned);
        let alice = worked_partner(terms(BOB, ALICE, change), "alice");
        let reply = envelope(sent.request.to_request()).open(&us, Some(&alice), now()).unwrap().stored().build(now());
        let outcome = sent.pending.settle(&receipt_in(&reply.response.to_response()), &bob(), now());
        assert_eq!(matches!(outcome, Outcome::Deliver(_)), delivered, "{outcome:?}");
    }
}

#[test]
fn t03_without_an_active_signing_key_the_error_says_from_when_there_is_one() {
    let builder = Identity::builder(CryptoProvider::rustcrypto());
    let chain = vec![worked_certificate("alice-sign")];
    let us =
        builder.signing_named("new", chain, worked_key("alice-sign"), Some(new_year() + 365 * DAY)).build().unwrap();
    assert_eq!(us.signing_certificate(now()), None);
    let error = send(&us, &bob()).unwrap_err();
    assert_eq!(error.code(), "SIGNING_KEY_INACTIVE");
    assert_eq!(error.to_string(), "no signing key is active before 2027-01-01T00:00:00Z");
}

#[test]
fn two_keys_of_one_name_are_refused() {
    let builder = || Identity::builder(CryptoProvider::rustcrypto());
    let (sign, encrypt) = (worked_certificate("bob-sign"), worked_certificate("bob-enc"));
    let twice = builder().signing_named("a", vec![sign.clone()], worked_key("bob-sign"), None).signing_named(
        "a",
        vec![encrypt.clone()],
        worked_key("bob-enc"),
        None,
    );
    assert_eq!(twice.build().unwrap_err(), SetupError::DuplicateName("a".to_owned()));
    let twice =
        builder().decrypting(encrypt.clone(), worked_key("bob-enc")).decrypting(encrypt.clone(), worked_key("bob-enc"));
    assert_eq!(twice.build().unwrap_err().code(), "KEY_NAME_DUPLICATE");
    let both = builder().signing_named("a", vec![sign], worked_key("bob-sign"), None);
    both.decrypting_named("a", encrypt, worked_key("bob-enc")).build().unwrap();
}

#[test]
fn t03_results_say_which_key_decrypted_and_the_report_who_is_late() {
    let us = changing(now());
    let (old, new) = (worked_certificate("alice-enc"), self_signed("bob-enc", NEW, 2020..=2030));
    let mut seen = Vec::new();
    for (name, certificate, own) in [(BOB, &old, OLD), ("carol", &old, OLD), ("carol", &new, NEW)] {
        let at = now() + DAY * u32::try_from(seen.len()).unwrap();
        let mut sending = profile(name, ALICE);
        sending.send.receipt.kind = ReceiptKind::None;
        let alice = partner(sending, certificate.clone(), worked_certificate("alice-sign"));
        let sent = send(&worked_identity("bob"), &alice).unwrap();
        let theirs = worked_partner(profile(ALICE, name), "bob");
        let accepted = envelope(sent.request.to_request()).open(&us, Some(&theirs), at).unwrap();
        assert_eq!(accepted.decrypted_with().unwrap().name(), own);
        let observations = accepted.observations();
        let uses: Vec<_> = observations.iter().map(|seen| (seen.usage, &*seen.partner, seen.at)).collect();
        assert_eq!(uses, [(ObservedUse::EncryptedToUs, name, at), (ObservedUse::SignedByThem, name, at)]);
        let text = serde_json::to_string(&observations).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Observation>>(&text).unwrap(), observations);
        seen.extend(observations);
    }
    let report = rollover_report(&seen, ObservedUse::EncryptedToUs, &old, &new, ["dave"]);
    assert_eq!(report.still_old().collect::<Vec<_>>(), [BOB]);
    assert_eq!(report.not_yet_on_new().collect::<Vec<_>>(), [BOB, "dave"]);
    let carol = &report.partners[1];
    assert_eq!((&*carol.partner, carol.state), ("carol", RolloverState::Changed));
    assert!(carol.old_last_seen < carol.new_last_seen && !report.is_complete());
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<RolloverReport>(&text).unwrap(), report);
    assert!(text.contains("\"still-old\"") && text.contains("\"2026-11-2"), "{text}");
    // He who goes back has not changed.
    let back = Observation::new("carol", ObservedUse::EncryptedToUs, &old, OLD, now() + 9 * DAY);
    seen.push(back.clone());
    let report = rollover_report(&seen, ObservedUse::EncryptedToUs, &old, &new, []);
    assert_eq!(report.still_old().collect::<Vec<_>>(), [BOB, "carol"]);
    let latest = last_seen(&seen);
    assert_eq!(latest.iter().filter(|seen| seen.usage == ObservedUse::EncryptedToUs).count(), 3);
    assert!(latest.contains(&back));
    // Other uses do not mix in.
    let report = rollover_report(&seen, ObservedUse::SignedByThem, &old, &new, []);
    assert_eq!(report.partners, []);
}

#[test]
fn t03_receipts_and_sent_messages_are_observed_too() {
    let (pending, mdn) = receipt(now(), |_| ());
    let outcome = pending.settle(&mdn, &bob(), now() + DAY);
    let observed = outcome.evidence().unwrap().observations();
    let certificate = worked_certificate("bob-sign");
    let expected =
        Observation::new(BOB, ObservedUse::ReceiptSignedByThem, &certificate, certificate.subject(), now() + DAY);
    assert_eq!(observed, [expected]);
    let sent = send(&changing(now()), &bob()).unwrap();
    let observed: Vec<_> = sent.observations().into_iter().map(|seen| (seen.usage, seen.name)).collect();
    let subject = worked_certificate("bob-enc").subject().to_owned();
    assert_eq!(observed, [(ObservedUse::SignedByUs, NEW.to_owned()), (ObservedUse::EncryptedToThem, subject)]);
}

// ---- what expires

#[test]
fn expiring_certificates_are_listed_by_urgency() {
    let us = Identity::builder(CryptoProvider::rustcrypto())
        .signing_named("now", vec![expired("alice-sign")], worked_key("alice-sign"), None)
        .signing_named("later", vec![future("bob-sign")], worked_key("bob-sign"), Some(now() + 1500 * DAY))
        .decrypting_named("odd", future("bob-enc"), worked_key("bob-enc"))
        .build()
        .unwrap();
    let theirs = Partner::builder(profile(ALICE, BOB), CryptoProvider::rustcrypto())
        .encrypt_to(expired("bob-enc"))
        .encrypt_to_from(self_signed("bob-enc", "next", 2020..=2026), Some(now()))
        .verify_with(self_signed("bob-sign", "soon", 2020..=2026))
        .retired(expired("bob-sign"), now())
        .build()
        .unwrap();
    let tls = self_signed("alice-enc", "tls", 2020..=2027);
    let watch = CertificateWatch::new().identity("us", &us).partner(&theirs).certificate(
        "as2.example",
        Whose::Ours,
        CertificateUse::TlsServer,
        &tls,
    );
    let shown = |within: Duration| -> Vec<String> {
        let entries = watch.expiring(now(), within);
        let text = serde_json::to_string(&entries).unwrap();
        assert_eq!(serde_json::from_str::<Vec<ExpiryEntry>>(&text).unwrap(), entries);
        let show = |entry: ExpiryEntry| {
            let ExpiryEntry { state, who, usage, name, days_left, .. } = entry;
            format!("{state:?} {who} {usage:?} {} {days_left}", name.unwrap_or_default())
        };
        entries.into_iter().map(show).collect()
    };
    let expired = "Expired us Signing now -328";
    let odd = "NotYetValid us Decryption odd 3324";
    assert_eq!(shown(Duration::ZERO), [expired, odd]);
    let soon = ["Expiring bob Encryption  37", "Expiring bob Verification  37"];
    assert_eq!(shown(60 * DAY), [expired, soon[0], soon[1], odd]);
    assert_eq!(shown(500 * DAY)[3], "Expiring as2.example TlsServer  402");
    assert_eq!(shown(Duration::MAX).len(), 5);
}

#[test]
fn a_certificate_counts_to_the_end_of_its_last_second() {
    let certificate = expired("bob-sign");
    let watch = CertificateWatch::new().certificate("x", Whose::Partners, CertificateUse::TlsClient, &certificate);
    let state = |at: SystemTime| watch.expiring(at, Duration::ZERO).first().map(|entry| (entry.state, entry.days_left));
    let end = certificate.not_after();
    assert_eq!(state(end - DAY), None);
    assert_eq!(state(end), Some((ExpiryState::Expiring, 0)));
    assert_eq!(state(end + Duration::from_secs(1)), Some((ExpiryState::Expired, -1)));
    assert_eq!(state(end + DAY), Some((ExpiryState::Expired, -1)));
    assert_eq!(state(end + DAY + Duration::from_secs(1)), Some((ExpiryState::Expired, -2)));
}

#[test]
fn t06_tls_faults_speak_the_same_language() {
    let bare = ValidityError::expired(Whose::Partners, CertificateUse::TlsServer);
    assert_eq!(
        (bare.code(), &*bare.to_string()),
        ("CERT_HAS_EXPIRED", "the partner's certificate for the TLS server has expired")
    );
    let dated = ValidityError::not_yet_valid(Whose::Ours, CertificateUse::TlsClient).with_dates(Some(new_year()), None);
    assert_eq!(dated.code(), "CERT_NOT_YET_VALID");
    assert_eq!(dated.to_string(), "our certificate for the TLS client is not valid before 2026-01-01T00:00:00Z");
    let known = bare.with_certificate(&expired("bob-sign"));
    assert!(known.to_string().contains("(CN=bob-sign expired, serial 4711) has expired on 2025-12-31T00:00:00Z"));
}
