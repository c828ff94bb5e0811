//! Requirements on receipts and HTTP answers that no other test shows; `docs/conformance.md` tells which.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "support/by_hand.rs"]
mod by_hand;
#[path = "support/dissect.rs"]
mod dissect;
#[path = "support/receipts.rs"]
mod receipts;
#[path = "support/refusal.rs"]
mod refusal;
mod support;

use by_hand::*;
use dissect::*;
use receipts::*;
use refusal::*;
use support::*;

use as2_protocol::*;
use bytes::Bytes;
use http::{Request, Response};

const ASKS: &str = "disposition-notification-to";
fn signed_order() -> Case {
    Case::built(|terms| terms.send.encrypt = None)
}

fn verdict(pending: &PendingReceipt, response: &Response<Bytes>) -> Outcome {
    match pending.on_response(Ok(response), &bob(), now()) {
        SendOutcome::Settled(outcome) => *outcome,
        other => panic!("{other:?}"),
    }
}

fn proof(outcome: &Outcome) -> Option<Proof> {
    match outcome {
        Outcome::Deliver(evidence) => evidence.proof(),
        _ => None,
    }
}

fn dispute(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Dispute(dispute, _) => dispute.code(),
        other => panic!("{other:?}"),
    }
}

const OTHER_NAMES: [(&str, &str); 4] =
    [("as2-from", "carol"), ("as2-from", "BOB"), ("as2-to", "bob"), ("as2-to", "\"alice corp\"")];

fn under((name, value): (&'static str, &str), mut response: Response<Bytes>) -> Response<Bytes> {
    response.headers_mut().insert(name, value.parse().unwrap());
    response
}

#[test]
fn n07_receipts_with_other_names_prove_nothing() {
    let pending = waiting(ReceiptKind::Signed, false);
    let right = fields(PROCESSED, pending.mics().first(), "");
    let wrong = fields(PROCESSED, None, "Received-content-MIC: AAAA, sha-256\r\n");
    let refused = fields("automatic-action/MDN-sent-automatically; processed/error: x", None, "");
    for names in OTHER_NAMES {
        let doubtful = [unsigned(&right), signed(&fields(PROCESSED, None, "")), signed(&wrong), signed(&refused)];
        for response in doubtful {
            assert_eq!(dispute(verdict(&pending, &under(names, response))), "MDN_OTHER_PARTIES", "{names:?}");
        }
    }
}

/// Gateways write names of their own.
#[test]
fn n07_other_names_are_noted_where_both_proofs_are_right() {
    let pending = waiting(ReceiptKind::Signed, false);
    let right = fields(PROCESSED, pending.mics().first(), "");
    for names in OTHER_NAMES {
        let outcome = verdict(&pending, &under(names, signed(&right)));
        let Outcome::Deliver(evidence) = outcome else { panic!("{names:?}: {outcome:?}") };
        assert_eq!(evidence.proof(), Some(Proof::Signed));
        let [Note::Receipt(note)] = evidence.notes() else { panic!("{:?}", evidence.notes()) };
        assert!(note.contains(names.1.trim_matches('"')), "{note}");
        let record = serde_json::to_string(evidence.record()).unwrap();
        let record: EvidenceRecord = serde_json::from_str(&record).unwrap();
        assert_eq!(record.verify(&CryptoProvider::rustcrypto()).unwrap().proof(), Some(Proof::Signed));
    }
    let sha512 = DigestAlgorithm::Sha512;
    let head = b"Content-Type: application/EDI-X12\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    let value = digest(sha512, &[head.as_slice(), &order()].concat());
    let mic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, value.as_bytes());
    let rare = fields(PROCESSED, None, &format!("Received-content-MIC: {mic}, sha-512\r\n"));
    let receipt = receipt_in(&under(OTHER_NAMES[0], signed(&rare)));
    assert!(matches!(pending.settle(&receipt, &bob(), now()), Outcome::NeedsMic { .. }));
    let settled = pending.settle_with(&receipt, &bob(), &mut &order()[..], now()).unwrap();
    assert_eq!(proof(&settled), Some(Proof::Signed));
}

#[test]
fn k22_the_mic_is_checked_with_the_digest_that_the_receipt_names() {
    let pending = waiting(ReceiptKind::Signed, false);
    let [ours] = pending.mics() else { panic!("one digest is kept: {:?}", pending.mics()) };
    let head = "Content-Type: application/EDI-X12\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    let whole = [head.as_bytes(), &order()].concat();
    assert_eq!(ours.digest(), sha256(&whole));
    for algorithm in [DigestAlgorithm::Sha512, DigestAlgorithm::Sha1] {
        let mut json = serde_json::to_value(ours).unwrap();
        let value =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest(algorithm, &whole).as_bytes());
        (json["algorithm"], json["digest"]) = (serde_json::to_value(algorithm).unwrap(), value.into());
        let mic: Mic = serde_json::from_value(json).unwrap();
        let receipt = receipt_in(&signed(&fields(PROCESSED, Some(&mic), "")));
        let unknown = pending.settle(&receipt, &bob(), now());
        assert!(matches!(unknown, Outcome::NeedsMic { algorithm: asked } if asked == algorithm), "{unknown:?}");
        assert_eq!(unknown.advice(), Advice::ComputeMic);
        let settled = pending.settle_with(&receipt, &bob(), &mut &order()[..], now()).unwrap();
        assert_eq!(proof(&settled), Some(Proof::Signed));
        let Outcome::Deliver(evidence) = settled else { unreachable!() };
        let again = evidence.record().verify(&CryptoProvider::rustcrypto()).unwrap();
        assert_eq!(again.proof(), Some(Proof::Signed));
        let other = pending.settle_with(&receipt, &bob(), &mut &b"another order"[..], now()).unwrap();
        assert_eq!(dispute(other), "MIC_MISMATCH");
    }
}

#[test]
fn k24_a_signed_receipt_without_mic_is_a_dispute() {
    let pending = waiting(ReceiptKind::Signed, false);
    assert_eq!(dispute(verdict(&pending, &signed(&fields(PROCESSED, None, "")))), "MIC_MISSING");
    let unreadable = signed(&fields(PROCESSED, None, "Received-Content-MIC: nonsense\r\n"));
    assert_eq!(dispute(verdict(&pending, &unreadable)), "MIC_UNREADABLE");
    let pending = waiting(ReceiptKind::Unsigned, false);
    assert_eq!(proof(&verdict(&pending, &unsigned(&fields(PROCESSED, None, "")))), Some(Proof::UnsignedNoMic));
}

#[test]
fn e06_z16_error_and_failure_fields_refuse() {
    let pending = waiting(ReceiptKind::Signed, false);
    let judged = |disposition: &str, more: &str| {
        let fields =
            fields(&format!("automatic-action/MDN-sent-automatically; {disposition}"), pending.mics().first(), more);
        verdict(&pending, &signed(&fields))
    };
    for (disposition, more) in [
        ("processed", "Error: it does not fit\r\n"),
        ("processed", "FAILURE: it does not fit\r\n"),
        ("processed/error", "Error: it does not fit\r\n"),
        ("processed/warning", "Warning: slow\r\nError: it does not fit\r\n"),
        ("failed", "Failure: it does not fit\r\n"),
    ] {
        assert!(matches!(judged(disposition, more), Outcome::Refuse(..)), "{disposition} {more}");
    }
    for (disposition, more) in [("processed", "Warning: slow\r\n"), ("processed/warning", "Warning: slow\r\n")] {
        let outcome = judged(disposition, more);
        assert_eq!(proof(&outcome), Some(Proof::Signed), "{disposition} {more}");
        assert_eq!(outcome.evidence().unwrap().receipt().report().warnings, ["slow"]);
    }
}

#[test]
fn z12_z17_warnings_succeed_and_odd_refusals_refuse() {
    let pending = waiting(ReceiptKind::Signed, false);
    let judged = |rest: &str| {
        let disposition = format!("automatic-action/MDN-sent-automatically; {rest}");
        verdict(&pending, &signed(&fields(&disposition, pending.mics().first(), "")))
    };
    for warning in ["authentication-failed, processing continued", "duplicate-document", "something new"] {
        let outcome = judged(&format!("processed/warning: {warning}"));
        assert_eq!(proof(&outcome), Some(Proof::Signed), "{warning}");
        assert_eq!(outcome.evidence().unwrap().disposition().unwrap().warning_text(), Some(warning));
    }
    for refusal in [
        "processed/Error:decryption-failed",
        "processed/error: decompresion-failed",
        "processed/error: signed-message-required",
        "processed/error: sender-equals-receiver",
        "failed/Failure: any text at all",
        "processed/failed: any text",
    ] {
        assert!(matches!(judged(refusal), Outcome::Refuse(..)), "{refusal}");
    }
}

#[test]
fn m13_p18_receipts_of_sloppy_peers_are_read() {
    let pending = waiting(ReceiptKind::Unsigned, false);
    let fields = fields(PROCESSED, pending.mics().first(), "");
    let usual = unsigned(&fields);
    let changed = |from: &str, to: &str| {
        let text = String::from_utf8(usual.body().to_vec()).unwrap();
        let mut response = usual.clone();
        *response.body_mut() = text.replace(from, to).into();
        response
    };
    let bare = entity("Content-Type: message/disposition-notification", fields.as_bytes());
    let cases = [usual.clone(), changed("\r\n", "\n"), changed("--r--", "--r-"), changed("--r--", ""), response(&bare)];
    for (number, case) in cases.iter().enumerate() {
        assert_eq!(proof(&verdict(&pending, case)), Some(Proof::UnsignedWithMic), "{number}");
    }
}

/// An unsigned receipt for this case.
fn answered(case: &Case) -> Response<Bytes> {
    case.open(&[(ASKS, "x")]).unwrap().stored().build(now()).response.to_response()
}

#[test]
fn d03_d04_d05_a_receipt_has_a_text_and_a_report_in_ascii() {
    let case = signed_order().header("subject", "Gr\u{f6}\u{df}e");
    let response = answered(&case);
    let content_type = response.headers()["content-type"].to_str().unwrap();
    let parts = split(response.body(), parameter(content_type, "boundary"));
    let [text, report] = &parts[..] else { panic!("{} parts", parts.len()) };
    let ((_, text), (head, fields)) = (head_and_body(text), head_and_body(report));
    assert_eq!(head, "Content-Type: message/disposition-notification\r\n\r\n", "D-04: 7bit by default");
    assert!(std::str::from_utf8(text).unwrap().contains("Subject: Gr??e\r\n"), "D-03: {}", text.escape_ascii());
    assert!(std::str::from_utf8(text).unwrap().contains("Date: Tue, 24 Nov 2026 00:00:00 GMT\r\n"));
    for octets in [text, fields] {
        let lines: Vec<_> = octets.strip_suffix(b"\r\n").unwrap().split(|octet| *octet == b'\n').collect();
        let (last, others) = lines.split_last().unwrap();
        assert!(others.iter().all(|line| line.ends_with(b"\r")), "every line ends with CRLF");
        let printable = |line: &[u8]| line.iter().all(|octet| (b' '..=b'~').contains(octet));
        assert!(printable(last) && others.iter().all(|line| printable(&line[..line.len() - 1])), "D-22");
    }
}

#[test]
fn d08_d09_recipients_are_spelt_as_received() {
    let mut terms = profile("Bob Inc", ALICE);
    terms.accept.signature = Requirement::Allow;
    let spaced = signed_order().partner(worked_partner(terms, "alice"));
    for (case, to) in [
        (spaced.header("as2-to", "\"Bob Inc\""), "\"Bob Inc\""),
        (signed_order().header("as2-to", "\"bob\""), "\"bob\""),
    ] {
        let response = answered(&case);
        assert_eq!(response.headers()["as2-from"], to, "N-06");
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        let expected = format!("Original-Recipient: rfc822; {to}\r\nFinal-Recipient: rfc822; {to}\r\n");
        assert!(body.contains(&expected), "{body}");
    }
}

#[test]
fn d11_d12_z20_dispositions_are_written_in_one_spelling_and_explained() {
    let accepted = || signed_order().open(&[(ASKS, "x")]).unwrap();
    let tampered = signed_order().body(|body| patch_last(body, b"*ALICECORP", b"*MALLORY12"));
    let cases = [
        (accepted().stored(), "processed"),
        (tampered.open(&[(ASKS, "x")]).unwrap_err().mdn(), "processed/error: integrity-check-failed"),
        (accepted().failed(Verdict::IllegalFilename), "processed/error: illegal-filename"),
        (accepted().failed(Verdict::DuplicateFilename), "processed/error: duplicate-filename"),
        (accepted().failed(Verdict::DuplicateDocument), "processed/warning: duplicate-document"),
    ];
    for (builder, expected) in cases {
        let response = builder.build(now()).response.to_response();
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        let line = format!("\r\nDisposition: automatic-action/MDN-sent-automatically; {expected}\r\n");
        assert!(body.contains(&line), "{expected}: {body}");
        let text = receipt_in(&response).text().unwrap().to_owned();
        let explanation = text.lines().next().unwrap();
        assert!(explanation.split(' ').count() > 3, "{expected}: {explanation}");
    }
}

#[test]
fn d17_the_first_strong_digest_listed_signs_the_receipt() {
    let list = |names: &str| {
        let options =
            format!("signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, {names}");
        let reply = signed_order().options(&options).accepted().stored().build(now());
        parameter(reply.response.header("content-type").unwrap(), "micalg").to_owned()
    };
    for (names, signed) in [
        ("sha-512, sha-256", "sha-512"),
        ("sha1, sha384, sha-256", "sha-384"),
        ("rsa-foo, SHA256, sha512", "sha-256"),
        ("md5, sha1", "sha-256"),
    ] {
        assert_eq!(list(names), signed, "{names}");
    }
}

#[test]
fn e10_e17_receipts_may_come_early_and_again() {
    let pending = waiting(ReceiptKind::Signed, true);
    let receipt = receipt_in(&signed(&fields(PROCESSED, pending.mics().first(), "")));
    for _ in 0..2 {
        let outcome = pending.settle(&receipt, &bob(), now());
        assert_eq!((proof(&outcome), outcome.advice()), (Some(Proof::Signed), Advice::Done));
    }
    let transferred = Response::builder().body(Bytes::new()).unwrap();
    assert!(matches!(pending.on_response(Ok(&transferred), &bob(), now()), SendOutcome::Awaiting));
}

#[test]
fn e11_answers_without_the_receipt_are_no_success() {
    let bodies = [
        ("text/plain", ""),
        ("text/html", "<html>OK</html>"),
        ("multipart/report; boundary=r", "--r\r\n\r\nOK\r\n--r--"),
    ];
    for kind in [ReceiptKind::Unsigned, ReceiptKind::Signed] {
        for (content_type, body) in bodies {
            let answer = Response::builder().header("content-type", content_type).body(Bytes::from(body)).unwrap();
            let outcome = waiting(kind, false).on_response(Ok(&answer), &bob(), now());
            assert!(matches!(&outcome, SendOutcome::NoReceipt { status, .. } if *status == 200), "{outcome:?}");
            assert_eq!(outcome.advice(), Advice::RetrySameId);
        }
    }
}

#[test]
fn e12_a_receipt_that_nobody_asked_for_is_ignored() {
    let pending = waiting(ReceiptKind::None, false);
    for disposition in [PROCESSED, "automatic-action/MDN-sent-automatically; processed/error: decryption-failed"] {
        let unasked = unsigned(&fields(disposition, None, ""));
        assert!(matches!(pending.on_response(Ok(&unasked), &bob(), now()), SendOutcome::Transferred));
    }
}

#[test]
fn e15_r06_a_receipt_is_taken_and_never_answered() {
    let (parts, body) = signed(&fields(PROCESSED, None, "")).into_parts();
    let mut request = Request::post("/as2").header(ASKS, "x").header("message-id", "<2@bob>").body(body).unwrap();
    request.headers_mut().extend(parts.headers);
    let Inbound::Mdn(receipt) = parse(request) else { panic!("a receipt, whatever it asks for") };
    assert_eq!(receipt.original_message_id().unwrap(), ID.parse::<MessageId>().unwrap());
    let reply = Reply::received();
    assert_eq!((reply.response.status().as_u16(), reply.response.header("content-length")), (200, Some("0")));
    assert_eq!((reply.response.body().len(), &reply.follow_up), (0, &FollowUp::None));
}

#[test]
fn p17_e16_receipts_inside_other_layers_are_told_by_name() {
    let fields = fields(PROCESSED, None, "");
    let bare = entity("Content-Type: message/disposition-notification", fields.as_bytes());
    for receipt in [report(&fields), bare] {
        let enveloped = encrypt(&receipt, &worked_certificate("bob-enc"), true);
        let cases = [
            ("application/pkcs7-mime; smime-type=authEnveloped-data", enveloped),
            ("application/pkcs7-mime; smime-type=compressed-data", compressed_data(&ZLIB, &zlib(&receipt))),
        ];
        for (content_type, body) in cases {
            let refused = Case::new(content_type, &body).open_sync().unwrap_err();
            let ReceiveError::UnsupportedContent(text) = refused.error() else { panic!("{:?}", refused.error()) };
            assert!(text.contains("receipt"), "{text}");
        }
    }
}

#[test]
fn h06_r11_r12_y02_the_status_decides_what_comes_next() {
    let none = waiting(ReceiptKind::None, false);
    let (sync, later) = (waiting(ReceiptKind::Signed, false), waiting(ReceiptKind::Signed, true));
    let next = |pending: &PendingReceipt, status: u16| {
        let answer = Response::builder().status(status).header("location", "https://elsewhere.example/");
        let outcome = pending.on_response(Ok(&answer.body(Bytes::new()).unwrap()), &bob(), now());
        if let 300..=399 = status {
            let SendOutcome::Redirect { location, .. } = &outcome else { panic!("R-12: {outcome:?}") };
            assert_eq!(location.as_deref(), Some("https://elsewhere.example/"), "R-12");
        }
        outcome.advice()
    };
    for status in [200, 201, 202, 204] {
        let expected = [Advice::Done, Advice::Wait, Advice::RetrySameId];
        assert_eq!([&none, &later, &sync].map(|pending| next(pending, status)), expected, "R-11: {status}");
    }
    let table: [(&[u16], Advice); 3] = [
        (&[301, 302, 303, 307, 308, 400, 403, 404, 405, 413, 415, 422], Advice::DoNotResend),
        (&[401, 407], Advice::FixAccess),
        (&[408, 425, 429, 500, 502, 503, 504], Advice::RetrySameId),
    ];
    for (statuses, expected) in table {
        for status in statuses {
            assert_eq!([&none, &later, &sync].map(|pending| next(pending, *status)), [expected; 3], "{status}");
        }
    }
    for pending in [none, later, sync] {
        let broken = pending.on_response(Err(TransportFailure::new("connection reset")), &bob(), now());
        assert!(matches!(&broken, SendOutcome::Retry { reason } if reason.contains("connection reset")), "Y-01");
    }
}

#[test]
fn r09_what_is_no_as2_gets_a_status() {
    let headers = |request: http::request::Builder| request.header("as2-from", "a").header("as2-to", "b");
    let mut limits = Limits::default();
    limits.body = 10;
    let report = "multipart/report; boundary=r";
    let cases = [
        (headers(Request::get("/")).body(Bytes::new()), 405),
        (headers(Request::put("/")).body(Bytes::new()), 405),
        (Request::post("/").header("message-id", "<1@a>").body(Bytes::new()), 400),
        (headers(Request::post("/")).header("message-id", "<1@a>").body(Bytes::from(vec![0; 11])), 413),
        (headers(Request::post("/")).header("content-type", report).body(Bytes::from("nothing")), 400),
    ];
    for (request, status) in cases {
        let rejection = MessageParser::new(limits.clone()).parse(request.unwrap()).unwrap_err();
        let reply = Reply::from(rejection.clone());
        assert_eq!((reply.response.status().as_u16(), reply.response.body().len()), (status, 0), "{rejection}");
        assert_eq!(reply.follow_up, FollowUp::None);
        assert_eq!(reply.response.header("allow"), (status == 405).then_some("POST"));
    }
}

#[test]
fn y14_a_receipt_is_posted_in_the_same_octets() {
    let reply = signed_order().open_async(ASYNC_URL).unwrap().stored().build(now());
    let FollowUp::Post(posted) = reply.follow_up else { panic!("{:?}", reply.follow_up) };
    let read: PendingMdn = serde_json::from_str(&serde_json::to_string(&posted).unwrap()).unwrap();
    let (first, again) = (posted.request.to_request(), read.request.to_request());
    assert_eq!((first.uri(), first.headers(), first.body()), (again.uri(), again.headers(), again.body()));
    assert_eq!(first.uri(), ASYNC_URL);
}
