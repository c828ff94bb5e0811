//! What Bob answers besides the error itself: to strangers, to wishes about receipts, without a usable key, without
//! storage, and about the inside of an envelope.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "support/dissect.rs"]
mod dissect;
#[path = "support/issue.rs"]
mod issue;
#[path = "support/refusal.rs"]
mod refusal;
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dissect::*;
use issue::self_signed;
use refusal::*;
use support::*;

use as2_protocol::crypto::{KeyError, SignRequest, SigningKey};
use as2_protocol::*;

fn signed() -> Case {
    Case::built(|terms| terms.send.encrypt = None)
}

/// The verdict on a reply that should carry the receipt.
fn settled(reply: &Reply) -> Outcome {
    assert_eq!(reply.response.status(), 200);
    match pending().on_response(Ok(&reply.response.to_response()), &bob(), now()) {
        SendOutcome::Settled(outcome) => *outcome,
        other => panic!("{other:?}"),
    }
}

fn disposition(outcome: &Outcome) -> String {
    outcome
        .evidence()
        .unwrap()
        .disposition()
        .unwrap()
        .to_string()
        .split_off("automatic-action/MDN-sent-automatically; ".len())
}

#[test]
fn n08_u09_strangers_get_an_unsigned_explanation_and_nothing_posted() {
    let carol = PartnerProfile::new("carol".parse().unwrap(), ALICE.parse().unwrap(), ASYNC_URL.parse().unwrap());
    let other_name = signed().partner(worked_partner(carol, "alice"));
    let wrong_case = signed().header("as2-from", "\"alice corp\"");
    for case in [other_name, wrong_case] {
        let refused = case.open_sync().unwrap_err();
        assert_eq!(refused.error().code(), "UNKNOWN_PARTNER", "N-04");
        assert!(matches!(refused.error(), ReceiveError::UnknownPartner { to, .. } if to == "bob"));
        let reply = refused.mdn().build(now());
        let request = http::Request::post("/").header("content-type", reply.response.header("content-type").unwrap());
        let request = request.header("as2-from", "bob").header("as2-to", "x").body(reply.response.body().clone());
        let Inbound::Mdn(receipt) = parse(request.unwrap()) else { panic!("not a receipt") };
        assert!(!receipt.is_signed());
        assert_eq!(receipt.disposition(), Some(&Disposition::error("unknown-trading-partner")), "Z-08");
        assert!(receipt.text().unwrap().starts_with("no agreement between "), "{:?}", receipt.text());
        assert_eq!(receipt.mic(), None);

        let reply = case.open_async(ASYNC_URL).unwrap_err().mdn().build(now());
        assert_eq!((reply.response.status().as_u16(), reply.response.body().len()), (403, 0));
        assert!(matches!(&reply.follow_up, FollowUp::Blocked { url, .. } if url == ASYNC_URL), "{reply:?}");
        assert_eq!(case.open(&[]).unwrap_err().mdn().build(now()).response.status(), 403);
        let bare = case.open_sync().unwrap_err().bare(http::StatusCode::NOT_FOUND);
        assert_eq!((bare.response.status().as_u16(), bare.response.body().len()), (404, 0));
    }
}

#[test]
fn unknown_partner_without_any_agreement() {
    let request = http::Request::post("/").header("as2-from", "dave").header("as2-to", "bob").header("message-id", ID);
    let refused = envelope(request.body("x".into()).unwrap()).open(&worked_identity("bob"), None, now()).unwrap_err();
    let expected = ReceiveError::UnknownPartner { from: "dave".to_owned(), to: "bob".to_owned() };
    assert_eq!(refused.error(), &expected);
    assert_eq!(refused.mdn().build(now()).response.status(), 403);
}

#[test]
fn u08_receipts_are_posted_to_hosts_of_the_agreement_only() {
    let allowed = ["https://alice.example/x?y=1", "http://ALICE.example:8080/", "https://gateway.example/"];
    let blocked = [
        "http://169.254.169.254/latest",
        "http://localhost/",
        "http://[::1]/",
        "http://bob@alice.example/",
        "http://alice.example@evil.example/",
        "https://alice.example.evil.example/",
        "file:///etc/passwd",
        "mailto:alice@alice.example",
    ];
    let case = signed().accepting(|terms| terms.receipt_hosts = vec!["Gateway.example".to_owned()]);
    for url in allowed {
        let reply = case.open_async(url).unwrap().stored().build(now());
        let FollowUp::Post(posted) = reply.follow_up else { panic!("{url}: {:?}", reply.follow_up) };
        assert_eq!(posted.request.to_request().uri().to_string().to_lowercase(), url.to_lowercase());
        assert_eq!(reply.notes, []);
    }
    let tampered = case.clone().body(|body| patch_last(body, b"*ALICECORP", b"*MALLORY12"));
    for url in blocked {
        let accepted = case.open_async(url).unwrap();
        assert_eq!(accepted.payload().body(), &worked("payload.x12"), "the message is taken nevertheless");
        let reply = accepted.stored().build(now());
        assert_eq!((reply.response.status().as_u16(), reply.response.body().len()), (200, 0), "{url}");
        assert!(matches!(&reply.follow_up, FollowUp::Blocked { url: asked, .. } if asked == url), "{url}");
        let reply = tampered.open_async(url).unwrap_err().mdn().build(now());
        assert_eq!((reply.response.status().as_u16(), reply.response.body().len()), (400, 0), "{url}");
        assert!(matches!(reply.follow_up, FollowUp::Blocked { .. }), "{url}");
    }
}

#[test]
fn an_agreed_receipt_url_overrules_the_senders_wish() {
    let agreed = "https://receipts.alice.example/in";
    let case = signed().accepting(|terms| terms.receipt_url = Some(agreed.parse().unwrap()));
    for (asked, notes) in [(agreed, 0), ("http://169.254.169.254/", 1)] {
        let reply = case.open_async(asked).unwrap().stored().build(now());
        let FollowUp::Post(posted) = reply.follow_up else { panic!("{:?}", reply.follow_up) };
        assert_eq!(posted.request.to_request().uri(), agreed);
        assert_eq!(reply.notes, vec![Note::ReceiptUrl { asked: asked.to_owned() }; notes]);
    }
}

#[test]
fn u06_weak_receipts_are_served_with_a_strong_signature() {
    let mut terms = profile(ALICE, BOB);
    terms.send.receipt.micalgs = vec![DigestAlgorithm::Sha1];
    let partner = worked_partner(terms, "bob");
    let builder = MessageBuilder::new(&worked_identity("alice"), &partner);
    let sent = builder.build(Payload::x12(worked("payload.x12")), now()).unwrap();
    for spelling in ["sha-1", "SHA1"] {
        let mut request = sent.request.to_request();
        let options =
            request.headers()["disposition-notification-options"].to_str().unwrap().replace("sha-1", spelling);
        request.headers_mut().insert("disposition-notification-options", options.parse().unwrap());
        let accepted = envelope(request).open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
        let reply = accepted.stored().build(now());
        assert_eq!(reply.notes, [Note::WeakReceipt { signed_with: DigestAlgorithm::Sha256 }]);
        assert_eq!(parameter(reply.response.header("content-type").unwrap(), "micalg"), "sha-256");
        let SendOutcome::Settled(outcome) =
            sent.pending.on_response(Ok(&reply.response.to_response()), &partner, now())
        else {
            panic!("not settled")
        };
        let Outcome::Deliver(evidence) = *outcome else { panic!("{outcome:?}") };
        assert_eq!(evidence.proof(), Some(Proof::Signed));
        let Some(MicField::Mic(mic)) = evidence.receipt().mic() else { panic!("{evidence:?}") };
        assert_eq!((mic.digest.len(), &*mic.algorithm), (20, spelling), "as the sender spelt it");
    }
}

#[test]
fn d23_without_storage_there_is_no_receipt_but_a_later_try() {
    for accepted in [signed().accepted(), signed().open_async(ASYNC_URL).unwrap(), signed().open(&[]).unwrap()] {
        let reply = accepted.defer(Duration::from_secs(30));
        assert_eq!((reply.response.status().as_u16(), reply.response.body().len()), (503, 0));
        assert_eq!((reply.response.header("retry-after"), &reply.follow_up), (Some("30"), &FollowUp::None));
        let answered = pending().on_response(Ok(&reply.response.to_response()), &bob(), now());
        assert_eq!(answered.advice(), Advice::RetrySameId, "Y-01");
    }
}

#[test]
fn verdicts_of_the_application_become_dispositions() {
    let verdicts = [
        (Verdict::IllegalFilename, "processed/error: illegal-filename", Advice::ResubmitNewId),
        (Verdict::DuplicateFilename, "processed/error: duplicate-filename", Advice::ResubmitNewId),
        (
            Verdict::ProcessingError("No such buyer.".to_owned()),
            "processed/error: unexpected-processing-error",
            Advice::ResubmitNewId,
        ),
    ];
    for (verdict, expected, advice) in verdicts {
        let outcome = settled(&signed().accepted().failed(verdict).text("Ask for Bob.").build(now()));
        assert_eq!((&*disposition(&outcome), outcome.advice()), (expected, advice));
        let receipt = outcome.evidence().unwrap().receipt();
        assert!(receipt.mic().is_some() && receipt.is_signed(), "{expected}");
        assert!(receipt.text().unwrap().starts_with("Ask for Bob."), "{expected}: {:?}", receipt.text());
    }
    let outcome = settled(&signed().accepted().failed(Verdict::DuplicateDocument).build(now()));
    assert_eq!(disposition(&outcome), "processed/warning: duplicate-document", "Z-11");
}

/// Signs for Bob as long as it is there.
#[derive(Debug)]
struct Gone(Arc<RsaPrivateKey>);

impl SigningKey for Gone {
    fn public_key(&self) -> &[u8] {
        SigningKey::public_key(self.0.as_ref())
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.schemes()
    }

    fn signature_len(&self, scheme: SignatureScheme) -> Option<usize> {
        self.0.signature_len(scheme)
    }

    fn sign(&self, _: &SignRequest) -> Result<Vec<u8>, KeyError> {
        Err(KeyError::Unavailable("the HSM is being restarted".to_owned()))
    }
}

fn signing_with(certificate: Certificate, key: Arc<dyn SigningKey>) -> Identity {
    let builder = Identity::builder(CryptoProvider::rustcrypto()).signing(vec![certificate], key);
    builder.decrypting(worked_certificate("bob-enc"), worked_key("bob-enc")).build().unwrap()
}

#[test]
fn d14_without_a_usable_signing_key_the_receipt_is_an_unsigned_failure() {
    let keyless = Identity::builder(CryptoProvider::rustcrypto());
    let keyless = keyless.decrypting(worked_certificate("bob-enc"), worked_key("bob-enc")).build().unwrap();
    let expired = signing_with(self_signed("bob-sign", "expired", 2020..=2025), worked_key("bob-sign"));
    let future = signing_with(self_signed("bob-sign", "future", 2030..=2035), worked_key("bob-sign"));
    for (us, reason) in [(keyless, "no signing key"), (expired, "has expired"), (future, "not valid before")] {
        let reply = signed().us(us.clone()).accepted().stored().build(now());
        let [Note::UnsignedReceipt(noted)] = &*reply.notes else { panic!("{:?}", reply.notes) };
        assert!(noted.contains(reason), "{noted}");
        let outcome = settled(&reply);
        assert_eq!(
            (&*disposition(&outcome), outcome.advice()),
            ("failed/failure: unsupported format", Advice::DoNotResend)
        );
        assert_eq!(outcome.evidence().unwrap().signer(), None);

        // A refusal stays what it is.
        let tampered = signed().us(us).body(|body| patch_last(body, b"*ALICECORP", b"*MALLORY12"));
        let outcome = settled(&tampered.open_sync().unwrap_err().mdn().build(now()));
        assert_eq!(disposition(&outcome), "processed/error: integrity-check-failed");
        assert_eq!(outcome.evidence().unwrap().signer(), None);
    }
}

#[test]
fn a_signing_key_that_is_away_makes_the_sender_try_again() {
    let us = signing_with(worked_certificate("bob-sign"), Arc::new(Gone(worked_key("bob-sign"))));
    let case = signed().us(us);
    for accepted in [case.accepted(), case.open_async(ASYNC_URL).unwrap()] {
        let reply = accepted.stored().build(now());
        assert_eq!((reply.response.status().as_u16(), reply.response.header("retry-after")), (503, Some("60")));
        assert_eq!((&reply.follow_up, reply.response.body().len()), (&FollowUp::None, 0));
        let [Note::UnsignedReceipt(noted)] = &*reply.notes else { panic!("{:?}", reply.notes) };
        assert!(noted.contains("the HSM is being restarted"), "{noted}");
    }
}

/// What can fail behind a decryption, each as the content of an envelope.
fn failing_contents() -> Vec<(&'static str, Vec<u8>)> {
    let order = worked("payload.x12");
    let payload = entity("Content-Type: application/edi-x12", &order);
    let inner = |built: Case| {
        let mut octets = Vec::new();
        built.body(|body| {
            octets = body.to_vec();
            Vec::new()
        });
        octets
    };
    let fields = |content_type: &str| format!("Content-Type: {content_type}");
    let signed_type = "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=b";
    let packed_type = "application/pkcs7-mime; smime-type=compressed-data";
    let signature = |cms: &[u8]| entity("Content-Type: application/pkcs7-signature", cms);
    let signed_by = |cms: &[u8]| entity(&fields(signed_type), &multipart("b", &[&payload, &signature(cms)]));
    let packed = entity(&fields(packed_type), &compressed_data(&ZLIB, &zlib(&payload)));
    let twice = entity(&fields(packed_type), &compressed_data(&ZLIB, &zlib(&packed)));
    let whole = inner(signed());
    let boundary =
        String::from_utf8_lossy(&whole[2..whole.iter().position(|octet| *octet == b'\r').unwrap()]).into_owned();
    let changed = patch_last(&whole, b"*ALICECORP", b"*MALLORY12");
    let foreign = encrypt(&payload, &worked_certificate("alice-enc"), false);
    vec![
        ("BARE_CONTENT", order.to_vec()),
        ("BARE_CONTENT", b"Subject: no type\r\n\r\nx".to_vec()),
        ("MIME_MALFORMED", entity(&fields("multipart/signed"), b"x")),
        ("MIME_MALFORMED", entity("Content-Type: a/b\r\nContent-Transfer-Encoding: x-foo", b"x")),
        ("SIGNATURE_MALFORMED", signed_by(b"\x30\x03\x02\x01\x05")),
        ("NO_SIGNER", signed_by(&nobodys_signature())),
        (
            "INTEGRITY_CHECK",
            entity(&fields(&signed_type.replace("boundary=b", &format!("boundary=\"{boundary}\""))), &changed),
        ),
        ("CONTENT_UNSUPPORTED", entity(&fields(signed_type), &multipart("b", &[&payload]))),
        ("DECOMPRESSION", entity(&fields(packed_type), &compressed_data(&ZLIB, b"not zlib"))),
        ("DECOMPRESSION", twice),
        ("ENVELOPE_MALFORMED", entity(&fields("application/pkcs7-mime"), b"\x30\x03\x02\x01\x05")),
        ("NO_RECIPIENT", entity(&fields("application/pkcs7-mime; smime-type=enveloped-data"), &foreign)),
        ("INSUFFICIENT_SECURITY", payload),
    ]
}

const ENVELOPED_TYPE: &str = "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m";

/// What an eavesdropper of the answer sees: everything but the random parts.
fn shape(reply: &Reply) -> (u16, Vec<(String, usize)>, usize) {
    let response = reply.response.to_response();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), value.len())).collect();
    (response.status().as_u16(), headers, response.body().len())
}

#[test]
fn u02_x14_x15_whatever_fails_inside_an_envelope_is_answered_alike() {
    let to_bob = worked_certificate("bob-enc");
    let strict = |terms: &mut AcceptTerms| terms.signature = Requirement::Require;
    let case = |content: &[u8]| Case::new(ENVELOPED_TYPE, content).accepting(strict);
    let mut sealed: Vec<_> = failing_contents()
        .into_iter()
        .map(|(code, content)| (code, case(&encrypt(&content, &to_bob, false))))
        .collect();
    let damage = |back: usize| {
        let mut cms = encrypt(b"Content-Type: a/b\r\n\r\nsome content", &to_bob, false);
        let at = cms.len() - back;
        cms[at] ^= 0x80;
        case(&cms)
    };
    sealed.push(("DECRYPTION", damage(17)));
    let mut codes = BTreeSet::new();
    let mut answers = BTreeSet::new();
    for (code, case) in sealed {
        let refused = case.open_sync().unwrap_err();
        assert_eq!(refused.error().code(), code, "{:?}", refused.error());
        codes.insert(code);
        let builder = refused.mdn().text("A text that would tell.");
        let reference = builder.reference().unwrap().to_owned();
        let reply = builder.build(now());
        let outcome = settled(&reply);
        let receipt = outcome.evidence().unwrap().receipt();
        let text = receipt.text().unwrap().replace(&reference, "REFERENCE");
        answers.insert((disposition(&outcome), text, receipt.mic().is_none(), shape(&reply)));
    }
    assert_eq!(codes.len(), 11);
    assert_eq!(answers.len(), 1, "{answers:#?}");
    let (disposition, text, no_mic, _) = answers.pop_first().unwrap();
    assert_eq!((&*disposition, no_mic), ("processed/error: decryption-failed", true));
    assert!(text.starts_with(UNIFORM_TEXT), "{text}");
}

#[test]
fn what_a_tag_has_authenticated_is_answered_exactly_unless_agreed_otherwise() {
    let to_bob = worked_certificate("bob-enc");
    let strict = |terms: &mut AcceptTerms| terms.signature = Requirement::Require;
    for (code, content) in failing_contents() {
        if code == "BARE_CONTENT" {
            continue; // content of any form is taken behind a verified tag
        }
        let case = Case::new(ENVELOPED_TYPE, &encrypt(&content, &to_bob, true)).accepting(strict);
        let refused = case.open_sync().unwrap_err();
        assert_eq!(refused.error().code(), code, "{:?}", refused.error());
        let error = refused.error().to_string();
        let outcome = settled(&refused.mdn().build(now()));
        assert!(outcome.evidence().unwrap().receipt().text().unwrap().starts_with(&error), "{code}");
        let uniform = case.accepting(|terms| terms.explain = Explain::Uniform).open_sync().unwrap_err();
        let outcome = settled(&uniform.mdn().build(now()));
        assert_eq!(disposition(&outcome), "processed/error: decryption-failed", "{code}");
        assert!(outcome.evidence().unwrap().receipt().text().unwrap().starts_with(UNIFORM_TEXT), "{code}");
    }
}

#[test]
fn a_strangers_valid_signature_inside_an_envelope_is_told_unless_agreed_otherwise() {
    let stranger = worked_partner(profile(BOB, ALICE), "bob");
    let told = Told::exactly("SIGNER_UNTRUSTED", "processed/error: authentication-failed");
    let error = Case::built(|_| ()).partner(stranger.clone()).refused(told);
    assert!(matches!(error, ReceiveError::Authentication(AuthenticationFault::UntrustedSigner { .. })), "{error:?}");
    let silent = Case::built(|_| ()).partner(stranger);
    let mut terms = profile(BOB, ALICE);
    terms.accept.explain = Explain::Uniform;
    silent.partner(worked_partner(terms, "bob")).refused(Told::uniformly("SIGNER_UNTRUSTED"));
}
