//! What stays on record, for how long and in which form; receipts that come early, late or again.

use super::*;

#[test]
fn u12_records_are_kept_as_long_as_agreed_and_then_count_as_absent() {
    let mut terms = profile(BOB, ALICE);
    terms.delivery.duplicates.keep = Duration::from_secs(3 * 86_400);
    let (mut table, partner, sent) = (Table::default(), worked_partner(terms, "alice"), sync(b"order"));
    take(&mut table, &partner, &sent);
    assert_eq!(table.only().expires_at(), now() + Duration::from_secs(3 * 86_400));
    let fence = table.only().fence();
    for (days, how) in [(2, How::Replayed), (4, How::Stored)] {
        let at = now() + Duration::from_secs(days * 86_400);
        let taken = table.take(envelope(sent.request.to_request()), &BOB_KEYS, &partner, at, Accepted::stored);
        assert_eq!(taken.how, how);
    }
    assert!(table.only().fence() > fence);
}

#[test]
fn a_row_that_was_deleted_and_comes_back_has_a_higher_fence() {
    let (mut table, partner, sent) = (Table::default(), defaults(), sync(b"order"));
    let (arrival, order) = table.open(envelope(sent.request.to_request()), &BOB_KEYS, &partner, now()).unwrap();
    let Claim::New(slow) = order.claim(&arrival, None, LEASE, now()) else { panic!("it is new") };
    assert!(table.write(slow.write()));
    table.rows.clear();
    let Claim::New(next) = order.claim(&arrival, None, LEASE, now() + Duration::from_secs(1)) else {
        panic!("it is new")
    };
    assert!(table.write(next.write()));
    assert!(!table.write(&slow.settle(&order.stored().build(now()), now())));
}

#[test]
fn messages_without_identifier_are_named_by_their_octets() {
    let request = |document: &'static str| {
        let request = http::Request::post("/").header("as2-from", "\"Alice Corp\"").header("as2-to", "bob");
        let request = request.header("content-type", "application/xml").body(Bytes::from(document)).unwrap();
        let parser = MessageParser::new(Limits::default()).accept_missing_message_id();
        let Ok(Inbound::Message(envelope)) = parser.parse(request) else { panic!("a message") };
        envelope
    };
    assert!(request("<a/>").key().message_id().starts_with("sha-256:"));
    assert_eq!(request("<a/>").key(), *request("<a/>").arrival().key());
    assert_ne!(request("<a/>").key(), request("<b/>").key());
}

#[test]
fn stored_replies_and_records_come_back_and_other_versions_are_refused() {
    let (mut table, sent) = (Table::default(), later(b"order"));
    let reply = take(&mut table, &defaults(), &sent).reply;
    let read: Reply = serde_json::from_str(&serde_json::to_string(&reply).unwrap()).unwrap();
    assert_eq!((&read.response, &read.follow_up), (&reply.response, &reply.follow_up));
    let blocked =
        order(b"order", |terms| terms.send.receipt.asynchronous_url = Some("http://evil.example/".parse().unwrap()));
    let blocked = take(&mut Table::default(), &defaults(), &blocked).reply;
    let read: Reply = serde_json::from_str(&serde_json::to_string(&blocked).unwrap()).unwrap();
    assert!(matches!(&read.follow_up, FollowUp::Blocked { url, .. } if url == "http://evil.example/"));

    let json = serde_json::to_string(table.only()).unwrap();
    assert_eq!(&serde_json::from_str::<InboxRecord>(&json).unwrap(), table.only());
    assert!(!format!("{:?}", table.only()).contains("order\""), "documents are not kept");
    let mut worst: Vec<String> = vec![json.replacen("\"version\":1", "\"version\":2", 1)];
    worst.extend(["null", "{}", "[]", "{\"version\":1}"].map(str::to_owned));
    worst.push(json.replacen("\"payload\":\"", "\"payload\":\"0", 1));
    worst.push(json.replacen("\"fence\":", "\"fence\":-", 1));
    worst.push(json.replacen("\"lease\":null", "\"lease\":{\"until\":\"soon\"}", 1));
    for bad in worst {
        assert_ne!(bad, json);
        assert!(serde_json::from_str::<InboxRecord>(&bad).is_err(), "{bad}");
    }
}

// Receipts for messages of ours.

/// Bob's receipt for a message of Alice, as it is posted to her.
fn posted(sent: &Outbound) -> IncomingMdn {
    let reply = take(&mut Table::default(), &defaults(), sent).reply;
    let FollowUp::Post(posted) = reply.follow_up else { panic!("nothing is posted") };
    match parse(posted.request.to_request()) {
        Inbound::Mdn(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

/// An unsigned receipt that anybody can make up.
fn forged(disposition: &str) -> IncomingMdn {
    let report = format!(
        "--b\r\nContent-Type: message/disposition-notification\r\n\r\nOriginal-Message-ID: {ID}\r\n\
         Disposition: automatic-action/MDN-sent-automatically; {disposition}\r\n\r\n--b--\r\n"
    );
    let kind = "multipart/report; report-type=disposition-notification; boundary=b";
    let request = http::Request::post("/").header("as2-from", "bob").header("as2-to", "\"Alice Corp\"");
    match parse(request.header("content-type", kind).body(report.into()).unwrap()) {
        Inbound::Mdn(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

#[test]
fn e09_a_receipt_for_an_unknown_message_is_parked_and_matched_later() {
    let sent = later(b"order");
    let (early, junk) = (posted(&sent), forged("processed/error: decryption-failed"));
    assert_ne!(early.digest(), junk.digest(), "each has a place of its own");
    let parked: Vec<String> = [&junk, &early, &junk].map(|mdn| serde_json::to_string(mdn).unwrap()).to_vec();
    let parked: Vec<IncomingMdn> = parked.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
    assert_eq!(parked[1].digest(), early.digest());
    assert_eq!(parked[1].original_message_id().unwrap().bare(), sent.pending.message_id().bare());
    let outcome = sent.pending.settle_parked(&parked, &bob(), now()).unwrap();
    assert!(matches!(outcome, Outcome::Deliver(evidence) if evidence.proof() == Some(Proof::Signed)));
    assert!(sent.pending.settle_parked(&[], &bob(), now()).is_none());
}

#[test]
fn e17_the_receipt_may_come_before_the_response() {
    let sent = later(b"order");
    // The posted receipt is judged while the request is still under way, with what was saved before it.
    let settled = sent.pending.settle(&posted(&sent), &bob(), now());
    assert_eq!(settled.advice(), Advice::Done);
    let empty = http::Response::new(Bytes::new());
    let response = sent.pending.on_response(Ok(&empty), &bob(), now());
    assert!(matches!(response, SendOutcome::Awaiting), "no verdict that could replace the one there is");
    let failure = sent.pending.on_response(Err(TransportFailure::new("reset")), &bob(), now());
    assert_eq!(failure.advice(), Advice::RetrySameId);
}

#[test]
fn e10_late_and_repeated_receipts_change_nothing() {
    let sent = later(b"order");
    let receipt = posted(&sent);
    let settle = |mdn: &IncomingMdn| sent.pending.settle(mdn, &bob(), now());
    let refused = {
        let (mut table, partner) = (Table::default(), defaults());
        let refuse = |order: Accepted| order.failed(Verdict::IllegalFilename);
        let reply = table.take(envelope(sent.request.to_request()), &BOB_KEYS, &partner, now(), refuse).reply;
        told(&sent, &reply)
    };
    let (delivered, again) = (settle(&receipt), settle(&posted(&sent)));
    assert!(!settle(&receipt).outranks(&delivered) && !again.outranks(&delivered), "the same one, and a second one");
    assert!(!refused.outranks(&delivered), "proof of delivery is final");
    assert!(delivered.outranks(&refused), "a refusal is not: the partner may have mended the cause");
    for text in ["processed", "processed/error: decryption-failed", "displayed"] {
        let junk = settle(&forged(text));
        assert!(!junk.outranks(&refused) && !junk.outranks(&delivered), "{text}");
        assert!(refused.outranks(&junk) && delivered.outranks(&junk), "{text}");
    }
}
