//! Whole exchanges against ourselves.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

mod support;

use support::*;

use as2_protocol::*;

#[test]
fn a_signed_and_encrypted_order_is_delivered_with_proof() {
    let (us, them) = (worked_identity("alice"), worked_identity("bob"));
    let order = worked("payload.x12");
    let sent = MessageBuilder::new(&us, &bob()).subject("Order").build(Payload::x12(order.clone()), now()).unwrap();
    let accepted = envelope(sent.request.to_request()).open(&them, Some(&alice()), now()).unwrap();
    assert_eq!(accepted.payload().body(), &order);
    let reply = accepted.stored().build(now());
    assert_eq!(reply.follow_up, FollowUp::None);
    let response = reply.response.to_response();
    println!("{:?}\n{}", response.headers(), String::from_utf8_lossy(response.body()));
    match sent.pending.on_response(Ok(&response), &bob(), now()) {
        SendOutcome::Settled(outcome) => match *outcome {
            Outcome::Deliver(evidence) => {
                assert_eq!(evidence.proof(), Some(Proof::Signed));
                let json = serde_json::to_string(evidence.record()).unwrap();
                let record: EvidenceRecord = serde_json::from_str(&json).unwrap();
                record.verify(&provider()).unwrap();
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn p17_a_receipt_inside_a_security_layer_is_no_document() {
    let (us, them) = (worked_identity("alice"), worked_identity("bob"));
    let report = "multipart/report; report-type=disposition-notification; boundary=b".parse().unwrap();
    let payload = Payload::new(report, "--b\r\n\r\nThank you.\r\n--b--\r\n");
    let sent = MessageBuilder::new(&us, &bob()).build(payload, now()).unwrap();
    let refused = envelope(sent.request.to_request()).open(&them, Some(&alice()), now()).unwrap_err();
    assert_eq!(refused.error(), &ReceiveError::UnsupportedContent("a receipt inside a security layer".to_owned()));
    assert_eq!(refused.mdn().disposition(), &Disposition::error("unexpected-processing-error"));
}

#[test]
fn u29_a_boundary_that_is_given_twice_is_noted() {
    let mut request = read_request(&worked("02-signed.http"), &Limits::default()).unwrap();
    let twice = format!("{}; boundary=other", request.headers()["content-type"].to_str().unwrap());
    request.headers_mut().insert("content-type", twice.parse().unwrap());
    let accepted = envelope(request).open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
    assert_eq!(accepted.payload().body(), &worked("payload.x12"), "the first one counts");
    let noted = accepted.notes().iter().any(|note| note.to_string().contains("boundary of multipart/signed"));
    assert!(noted, "{:?}", accepted.notes());
}
