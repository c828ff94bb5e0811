//! Receipts: what stands in them, who signs them, and where they go.

use super::by_hand::SIGNED_TYPE;
use super::dissect::*;
use super::made::*;
use super::receipt::*;
use super::refusal::{ASYNC_URL, Case};
use super::support::*;
use super::*;

const REPORT_TYPE: &str = "Content-Type: multipart/report; report-type=disposition-notification; boundary=r";

fn pending() -> PendingReceipt {
    waiting(ReceiptKind::Unsigned, false)
}

/// A receipt that is unsigned, of these parts.
fn of_parts(parts: &[&[u8]]) -> ::http::Response<Bytes> {
    response(&entity(REPORT_TYPE, &multipart("r", parts)))
}

fn machine(pending: &PendingReceipt) -> Vec<u8> {
    let fields = fields(PROCESSED, pending.mics().first(), "");
    entity("Content-Type: message/disposition-notification", fields.as_bytes())
}

fn judged(disposition: &str, more: &str) -> Outcome {
    let pending = pending();
    outcome(&pending, &unsigned(&fields(disposition, pending.mics().first(), more)))
}

/// Sterling writes the explanation without header, OpenAS2 can write base64, others HTML or a third part.
#[test]
fn a1_57_the_report_is_found_by_its_type() {
    let pending = pending();
    let machine = machine(&pending);
    let bare = b"\r\nThe message was received.".to_vec();
    let headless = b"The message was received.".to_vec();
    let base64 = entity("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64", &base64_lines(b"Received."));
    let html = entity("Content-Type: text/html; charset=utf-8", b"<p>Received.</p>");
    let third = entity("Content-Type: text/rfc822-headers", b"AS2-From: Alice\r\nSubject: Order");
    let text = entity("Content-Type: text/plain", b"Received.");
    let cases: [(&[&[u8]], bool); 8] = [
        (&[&bare, &machine], true),
        (&[&headless, &machine], true),
        (&[&base64, &machine], true),
        (&[&html, &machine], true),
        (&[&machine], false),
        (&[&text, &machine, &third], true),
        (&[&machine, &text], true),
        (&[&third, &machine], false),
    ];
    for (number, (parts, has_text)) in cases.into_iter().enumerate() {
        let response = of_parts(parts);
        assert_eq!(proof(&pending, &response), Some(Proof::UnsignedWithMic), "{number}");
        let text = receipt_in(&response).text().map(str::to_owned);
        assert!(text.as_ref().is_some_and(|text| text.to_lowercase().contains("received")) == has_text, "{text:?}");
    }
}

#[test]
fn a1_58_dispositions_are_read_in_every_spelling() {
    for positive in [
        "automatic-action/MDN-sent-automatically;processed",
        "Automatic-action/mdn-sent-automatically;processed",
        "automatic-action/MDN-sent-automatically;\r\n processed",
        "automatic-action/MDN-sent-automatically; processed/warning",
        "automatic-action/MDN-sent-automatically; processed/Warning: duplicate-document",
        "automatic-action/MDN-sent-automatically; Processed (thank you)",
    ] {
        let outcome = judged(positive, "Warning: duplicate-document\r\nX-Extension: whatever\r\n");
        assert!(matches!(outcome, Outcome::Deliver(_)), "{positive}: {outcome:?}");
    }
    for (negative, text) in [
        (
            "automatic-action/MDN-sent-automatically;processed/Error:decryption-failed",
            "processed/error: decryption-failed",
        ),
        ("automatic-action/MDN-sent-automatically; processed/error: x; y: z / a", "processed/error: x; y: z / a"),
        ("automatic-action/MDN-sent-automatically; processed/error", "processed/error"),
        (
            "automatic-action/MDN-sent-automatically; failed/Failure: unsupported MIC-algorithms",
            "failed/failure: unsupported MIC-algorithms",
        ),
        (
            "automatic-action/MDN-sent-automatically; processed/Error:\r\n\tauthentication-failed",
            "processed/error: authentication-failed",
        ),
    ] {
        let Outcome::Refuse(disposition, _) = judged(negative, "") else { panic!("{negative}") };
        assert_eq!(disposition.to_string(), format!("automatic-action/MDN-sent-automatically; {text}"));
    }
    for name in ["Original-Recipient", "Final-Recipient"] {
        let outcome = judged(PROCESSED, &format!("{name}:rfc822;bob\r\n"));
        assert!(matches!(outcome, Outcome::Deliver(_)));
    }
    // mendelson loses folded dispositions: ours stands on one line.
    let receipt = answered(&signed_only(|_| ()), |_| ());
    let line = "\r\nDisposition: automatic-action/MDN-sent-automatically; processed\r\n";
    assert!(memchr::memmem::find(receipt.body(), line.as_bytes()).is_some());
}

#[test]
fn a1_59_a_report_may_stand_alone() {
    let pending = pending();
    assert_eq!(proof(&pending, &response(&machine(&pending))), Some(Proof::UnsignedWithMic));
    let head = "Content-Type: Message/Disposition-Notification; charset=us-ascii";
    let alone = entity(head, fields(PROCESSED, None, "").as_bytes());
    assert_eq!(proof(&pending, &response(&alone)), Some(Proof::UnsignedNoMic));
}

#[test]
fn a1_60_answers_that_are_no_receipt_are_told_as_such() {
    let pending = pending();
    for (status, content_type, body) in [
        (200, "text/html", "<html><body>Welcome</body></html>"),
        (200, "text/plain", "OK"),
        (200, "text/plain", ""),
        (202, "text/plain", ""),
        (204, "text/plain", ""),
        (200, "multipart/report; boundary=r", "--r\r\n\r\nnothing\r\n--r--\r\n"),
        (200, "multipart/signed; boundary=r", "rubbish"),
    ] {
        let response = ::http::Response::builder().status(status).header("content-type", content_type);
        let response = response.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let answered = pending.on_response(Ok(&response), &bob(), now());
        let SendOutcome::NoReceipt { status: told, reason } = answered else { panic!("{answered:?}") };
        assert_eq!(told.as_u16(), status);
        assert!(!reason.is_empty(), "{body}");
    }
}

#[test]
fn a1_61_other_signers_and_missing_signatures_are_told_apart() {
    let pending = waiting(ReceiptKind::Signed, false);
    let report = report(&fields(PROCESSED, pending.mics().first(), ""));
    let by = |cms: &[u8]| response(&entity(&format!("Content-Type: {SIGNED_TYPE}"), &signed_body(&report, cms)));
    let code = |response: ::http::Response<Bytes>| match outcome(&pending, &response) {
        Outcome::Dispute(Dispute::Signature(error), _) => error.code(),
        Outcome::Dispute(dispute, _) => dispute.code(),
        other => panic!("{other:?}"),
    };
    assert_eq!(code(by(&Signer::java("alice-sign").sign(&report))), "SIGNATURE_INVALID");
    let stranger = signed_data(&[Signer::java("alice-sign")], &report, &["alice-sign"]);
    assert_eq!(code(by(&stranger)), "SIGNER_UNTRUSTED");
    assert_eq!(code(by(&Signer::java("bob-sign").sign(b"another report"))), "INTEGRITY_CHECK");
    assert_eq!(code(response(&report)), "MDN_UNSIGNED");
}

/// OpenAS2 sends again after a refusal, mendelson stops.
#[test]
fn a1_62_warnings_are_success_and_everything_else_is_not() {
    let warned = judged("automatic-action/MDN-sent-automatically; processed/warning: duplicate-document", "");
    let Outcome::Deliver(evidence) = &warned else { panic!("{warned:?}") };
    assert_eq!(evidence.disposition().unwrap().warning_text(), Some("duplicate-document"));
    for kind in
        ["displayed", "deleted", "dispatched", "denied", "failed", "processed/error", "processed/failure: x", ""]
    {
        let refused = judged(&format!("automatic-action/MDN-sent-automatically; {kind}"), "");
        assert!(matches!(refused, Outcome::Refuse(..)), "{kind}: {refused:?}");
        assert_ne!(refused.advice(), Advice::RetrySameId, "{kind}");
    }
}

/// OpenAS2 and as2-lib can be set to keep silent about errors.
#[test]
fn a1_63_errors_are_answered_like_everything_else() {
    let envelope = encrypt(b"x", &worked_certificate("alice-enc"), false);
    let refused = Case::new(ENVELOPED_TYPE, &envelope).open_sync().unwrap_err();
    let receipt = receipt_in(&refused.clone().mdn().build(now()).response.to_response());
    assert_eq!(receipt.disposition(), Some(&Disposition::error("decryption-failed")));
    let bare = refused.bare(::http::StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!((bare.response.status().as_u16(), bare.response.body().len()), (422, 0));
}

#[test]
fn a1_64_receipts_go_where_they_may_and_are_known_wherever_they_come_in() {
    let case = Case::new("application/EDI-X12", EDI);
    let posted = |url: &str| match case.open_async(url).unwrap().stored().build(now()).follow_up {
        FollowUp::Post(posted) => Some(posted.request.to_request()),
        _ => None,
    };
    for url in
        ["https://169.254.169.254/latest", "https://alice.example.evil.example/", "file:///etc/passwd", "mailto:a@b"]
    {
        assert!(posted(url).is_none(), "{url}");
    }
    // At the URL for messages, too, it is a receipt; and it may be there before the answer to the message is.
    let request = posted(ASYNC_URL).unwrap();
    assert!(matches!(parse(request), Inbound::Mdn(_)));
    let pending = waiting(ReceiptKind::Signed, true);
    let early = receipt_in(&signed(&fields(PROCESSED, pending.mics().first(), "")));
    assert!(matches!(pending.settle(&early, &bob(), now()), Outcome::Deliver(_)));
    // mendelson writes a URL, others an address or anything: it only says that a receipt is wanted.
    for to in ["https://alice.example/receipts", "edi@alice.example", "x"] {
        let reply = case.open(&[("disposition-notification-to", to)]).unwrap().stored().build(now());
        assert!(matches!(reply.follow_up, FollowUp::None));
        assert_eq!(receipt_in(&reply.response.to_response()).disposition(), Some(&Disposition::processed()));
    }
}

#[test]
fn a1_65_receipts_change_the_direction_of_the_names() {
    let case = Case::new("application/EDI-X12", EDI);
    let reply = case.open_async(ASYNC_URL).unwrap().stored().build(now());
    let FollowUp::Post(posted) = reply.follow_up else { panic!("{:?}", reply.follow_up) };
    let request = posted.request.to_request();
    assert_eq!(
        (&request.headers()["as2-from"], &request.headers()["as2-to"]),
        (&"bob".parse().unwrap(), &"\"Alice Corp\"".parse().unwrap())
    );
    let pending = waiting(ReceiptKind::Unsigned, true);
    let mut swapped = unsigned(&fields(PROCESSED, pending.mics().first(), ""));
    swapped.headers_mut().insert("as2-from", "\"Alice Corp\"".parse().unwrap());
    swapped.headers_mut().insert("as2-to", "bob".parse().unwrap());
    let outcome = pending.settle(&receipt_in(&swapped), &bob(), now());
    assert!(matches!(outcome, Outcome::Dispute(Dispute::OtherParties { .. }, _)), "{outcome:?}");
}

/// Some partners cannot read chunked receipts, others break on headers that were copied from the message.
#[test]
fn a1_66_receipts_have_a_length_and_headers_of_their_own() {
    let case = Case::new("application/EDI-X12", EDI).header("x-custom", "1").header("subject", "Order");
    let case = case.header("user-agent", "whatever").header("recipient-address", "https://bob.example");
    let sync = case.accepted().stored().build(now()).response.to_response();
    let later = case.open_async(ASYNC_URL).unwrap().stored().build(now());
    let FollowUp::Post(posted) = later.follow_up else { panic!("{:?}", later.follow_up) };
    let posted = posted.request.to_request();
    for (headers, body) in [(sync.headers(), sync.body()), (posted.headers(), posted.body())] {
        assert_eq!(headers["content-length"], body.len().to_string());
        for copied in ["x-custom", "subject", "user-agent", "recipient-address", "transfer-encoding"] {
            assert!(!headers.contains_key(copied), "{copied}");
        }
    }
}

/// OpenAS2 sends again if the digest is another one.
#[test]
fn a1_67_the_digest_of_the_check_is_the_one_that_was_asked_for() {
    for asked in ["sha1", "sha-1", "SHA-256", "sha512", "sha-384"] {
        let options =
            format!("signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, {asked}");
        let part = entity(EDI_HEAD, EDI);
        let body = signed_body(&part, &Signer::java("alice-sign").sign(&part));
        let reply = Case::new(SIGNED_TYPE, &body).options(&options).accepted().stored().build(now());
        let receipt = receipt_in(&reply.response.to_response());
        let Some(MicField::Mic(received)) = receipt.mic() else { panic!("{asked}") };
        assert_eq!(received.algorithm, asked);
        assert_eq!(received.to_base64(), mic_with(DigestAlgorithm::from_micalg(asked).unwrap(), &part));
    }
}

/// OpenAS2 tells its version, address and port.
#[test]
fn a1_68_receipts_tell_nothing_about_the_machine() {
    let receipt = receipt_in(&answered(&signed_only(|_| ()), |_| ()).to_response());
    assert_eq!((receipt.report().reporting_ua.as_deref(), receipt.report().mdn_gateway.as_deref()), (None, None));
    assert_eq!(receipt.announced().product(), None);
}
