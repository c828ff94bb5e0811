//! Several keys at once, and the change from one to the next.

use super::*;

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
    assert_eq!(error.to_string(), "no signing key is active before 2027-01-01T00:00:00Z: activate one earlier");
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
