//! Messages that come again: octet for octet, built anew, with another document; while the first is worked on; from
//! somebody else. And receipts that come early, late or twice.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]
#![allow(clippy::unwrap_used)]

#[path = "../support/dissect.rs"]
mod dissect;
#[path = "../support/mod.rs"]
mod support;

mod records;
#[path = "../support/table.rs"]
mod table;

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use dissect::patch_last;
use support::*;
use table::*;

use as2_protocol::*;

static BOB_KEYS: LazyLock<Identity> = LazyLock::new(|| worked_identity("bob"));
const ID: &str = "<4711@alice.example>";
const RECEIPTS: &str = "https://alice.example/receipts";

/// A message of Alice, and what she will judge its receipt by.
fn order(document: &[u8], change: impl FnOnce(&mut PartnerProfile)) -> Outbound {
    let mut terms = profile(ALICE, BOB);
    change(&mut terms);
    let partner = worked_partner(terms, "bob");
    let payload = Payload::x12(document.to_vec());
    MessageBuilder::new(&worked_identity("alice"), &partner)
        .message_id(ID.parse().unwrap())
        .build(payload, now())
        .unwrap()
}

fn sync(document: &[u8]) -> Outbound {
    order(document, |_| {})
}

fn later(document: &[u8]) -> Outbound {
    order(document, |terms| terms.send.receipt.asynchronous_url = Some(RECEIPTS.parse().unwrap()))
}

/// Alice as Bob sees her, under these terms for duplicates.
fn agreed(repeated: Repeated, changed: Changed) -> Partner {
    let mut terms = profile(BOB, ALICE);
    terms.delivery.duplicates.repeated = repeated;
    terms.delivery.duplicates.changed = changed;
    worked_partner(terms, "alice")
}

fn defaults() -> Partner {
    agreed(Repeated::Replay, Changed::Refuse)
}

fn take(table: &mut Table, partner: &Partner, sent: &Outbound) -> Taken {
    table.take(envelope(sent.request.to_request()), &BOB_KEYS, partner, now(), Accepted::stored)
}

/// What Alice learns from a reply, in the response or posted to her.
fn told(sent: &Outbound, reply: &Reply) -> Outcome {
    match &reply.follow_up {
        FollowUp::Post(posted) => {
            let Inbound::Mdn(receipt) = parse(posted.request.to_request()) else { panic!("not a receipt") };
            sent.pending.settle(&receipt, &bob(), now())
        }
        _ => match sent.pending.on_response(Ok(&reply.response.to_response()), &bob(), now()) {
            SendOutcome::Settled(outcome) => *outcome,
            other => panic!("{other:?}"),
        },
    }
}

fn disposition(sent: &Outbound, reply: &Reply) -> String {
    let outcome = told(sent, reply);
    let evidence = outcome.evidence().unwrap();
    assert_eq!(evidence.signer().map(Certificate::subject), Some(worked_certificate("bob-sign").subject()));
    evidence.disposition().unwrap().to_string().split_off("automatic-action/MDN-sent-automatically; ".len())
}

#[test]
fn y06_d19_the_same_octets_get_the_same_reply_octet_for_octet() {
    for sent in [sync(b"order"), later(b"order"), order(b"order", |terms| terms.send.receipt.kind = ReceiptKind::None)]
    {
        let (mut table, partner) = (Table::default(), defaults());
        let first = take(&mut table, &partner, &sent);
        assert_eq!(first.how, How::Stored);
        for _ in 0..3 {
            let again = take(&mut table, &partner, &sent);
            assert_eq!(again.how, How::Replayed, "it is not even opened");
            assert_eq!(
                (&again.reply.response, &again.reply.follow_up),
                (&first.reply.response, &first.reply.follow_up)
            );
        }
        assert_eq!(table.stored, [b"order".to_vec()], "Y-07");
        if let FollowUp::Post(posted) = &first.reply.follow_up {
            assert!(posted.request.header("message-id").is_some(), "Y-14: the receipt keeps its identifier");
        }
    }
}

#[test]
fn y06_proxies_may_touch_what_does_not_matter() {
    let (mut table, partner, sent) = (Table::default(), defaults(), sync(b"order"));
    let first = take(&mut table, &partner, &sent);
    let mut request = sent.request.to_request();
    let folded = request.headers()["content-type"].to_str().unwrap().replace("; ", ";\t  ");
    request.headers_mut().insert("content-type", folded.parse().unwrap());
    request.headers_mut().insert("date", "Wed, 25 Nov 2026 00:00:00 GMT".parse().unwrap());
    request.headers_mut().insert("x-forwarded-for", "192.0.2.1".parse().unwrap());
    request.headers_mut().insert("message-id", ID.trim_matches(['<', '>']).parse().unwrap());
    let again = table.take(envelope(request), &BOB_KEYS, &partner, now(), Accepted::stored);
    assert_eq!((again.how, again.reply.response), (How::Replayed, first.reply.response));
}

#[test]
fn a21_a_message_that_was_built_anew_gets_the_outcome_with_its_own_mic() {
    let forms = [sync as fn(&[u8]) -> Outbound, later];
    for (first, second) in forms.iter().flat_map(|first| forms.iter().map(move |second| (first, second))) {
        let (mut table, partner) = (Table::default(), defaults());
        let (sent, rebuilt) = (first(b"order"), second(b"order"));
        assert_ne!(sent.request.body(), rebuilt.request.body());
        let answered = take(&mut table, &partner, &sent);
        let again = take(&mut table, &partner, &rebuilt);
        assert_eq!((answered.how, again.how), (How::Stored, How::Duplicate));
        let asynchronous = rebuilt.request.header("receipt-delivery-option").is_some();
        assert_eq!(matches!(again.reply.follow_up, FollowUp::Post(_)), asynchronous, "as the new request asks");
        assert!(
            matches!(told(&rebuilt, &again.reply), Outcome::Deliver(evidence) if evidence.proof() == Some(Proof::Signed))
        );
        let third = take(&mut table, &partner, &rebuilt);
        assert_eq!((third.how, third.reply.response), (How::Replayed, again.reply.response), "D-19");
        assert_eq!(take(&mut table, &partner, &sent).reply.response, answered.reply.response, "the first one is kept");
        assert_eq!(table.stored.len(), 1, "Y-07");
    }
}

#[test]
fn a_sender_who_builds_anew_for_ever_fills_no_table() {
    let (mut table, partner, sent) = (Table::default(), defaults(), sync(b"order"));
    let first = take(&mut table, &partner, &sent);
    for _ in 0..20 {
        assert_eq!(take(&mut table, &partner, &sync(b"order")).how, How::Duplicate);
    }
    assert_eq!(take(&mut table, &partner, &sent).reply.response, first.reply.response);
    let size = serde_json::to_string(table.only()).unwrap().len();
    assert!(size < 100_000, "{size}");
}

#[test]
fn a21_repeated_messages_are_answered_as_the_agreement_says() {
    let cases = [
        (Repeated::Warn, "processed/warning: duplicate-document", Advice::Done),
        (Repeated::Refuse, "processed/error: unexpected-processing-error", Advice::ResubmitNewId),
    ];
    for (repeated, expected, advice) in cases {
        let (mut table, partner, sent) = (Table::default(), agreed(repeated, Changed::Refuse), sync(b"order"));
        let first = take(&mut table, &partner, &sent);
        assert_eq!(disposition(&sent, &first.reply), "processed");
        for again in [sent.clone(), sync(b"order"), later(b"order")] {
            let taken = take(&mut table, &partner, &again);
            assert_eq!((taken.how, disposition(&again, &taken.reply).as_str()), (How::Duplicate, expected));
            assert_eq!(told(&again, &taken.reply).advice(), advice);
        }
        assert_eq!(table.stored.len(), 1);
        let replayed = take(&mut table, &defaults(), &sent);
        assert_eq!(replayed.reply.response, first.reply.response, "a changed agreement finds the first answer");
    }
}

#[test]
fn y09_another_document_under_a_used_identifier_is_judged_by_the_agreement() {
    let cases = [
        (Changed::Refuse, "processed/error: unexpected-processing-error"),
        (Changed::Warn, "processed/warning: duplicate-document"),
    ];
    for (changed, expected) in cases {
        for other in [sync(b"another order"), later(b"another order")] {
            let (mut table, partner, sent) = (Table::default(), agreed(Repeated::Replay, changed), sync(b"order"));
            let first = take(&mut table, &partner, &sent);
            let taken = take(&mut table, &partner, &other);
            assert_eq!((taken.how, disposition(&other, &taken.reply).as_str()), (How::Changed, expected));
            assert_ne!(taken.reply.response, first.reply.response, "not the receipt for another document");
            let again = take(&mut table, &partner, &other);
            assert_eq!((again.reply.response, again.how), (taken.reply.response, How::Replayed));
            assert_eq!(take(&mut table, &partner, &sent).reply.response, first.reply.response, "the first one stands");
            assert_eq!(table.stored, [b"order".to_vec()]);
        }
    }
}

#[test]
fn y09_partners_who_count_their_identifiers_from_one_again_may_be_taken_at_their_word() {
    let (mut table, partner) = (Table::default(), agreed(Repeated::Replay, Changed::Accept));
    let (monday, tuesday) = (sync(b"monday"), sync(b"tuesday"));
    for _ in 0..3 {
        for sent in [&monday, &tuesday, &sync(b"monday"), &later(b"tuesday")] {
            let taken = take(&mut table, &partner, sent);
            assert!(matches!(told(sent, &taken.reply), Outcome::Deliver(_)));
        }
    }
    assert_eq!(table.stored, [b"monday".to_vec(), b"tuesday".to_vec()], "each of them once");
}

#[test]
fn a_negative_outcome_is_never_softened_by_a_repetition() {
    for repeated in [Repeated::Replay, Repeated::Warn, Repeated::Refuse] {
        let (mut table, partner, sent) = (Table::default(), agreed(repeated, Changed::Refuse), sync(b"order"));
        let refuse = |order: Accepted| order.failed(Verdict::DuplicateFilename);
        let first = table.take(envelope(sent.request.to_request()), &BOB_KEYS, &partner, now(), refuse);
        assert_eq!(disposition(&sent, &first.reply), "processed/error: duplicate-filename");
        for again in [sent.clone(), sync(b"order")] {
            let taken = take(&mut table, &partner, &again);
            assert!(matches!(told(&again, &taken.reply), Outcome::Refuse(..)), "{repeated:?}");
        }
    }
}

#[test]
fn y08_identifiers_belong_to_their_sender() {
    let mut table = Table::default();
    let carol = worked_partner(profile("carol", ALICE), "alice");
    let sent = sync(b"order");
    let mut request = sent.request.to_request();
    request.headers_mut().insert("as2-to", "carol".parse().unwrap());
    take(&mut table, &defaults(), &sent);
    let taken = table.take(envelope(request), &BOB_KEYS, &carol, now(), Accepted::stored);
    assert_eq!((taken.how, table.stored.len()), (How::Stored, 2));
}

#[test]
fn y10_a_duplicate_of_what_is_worked_on_has_to_wait() {
    let (mut table, sent) = (Table::default(), sync(b"order"));
    let mut terms = profile(BOB, ALICE);
    terms.delivery.duplicates.busy_wait = Duration::from_millis(6500);
    let partner = worked_partner(terms, "alice");
    let (arrival, order) = table.open(envelope(sent.request.to_request()), &BOB_KEYS, &partner, now()).unwrap();
    let Claim::New(work) = order.claim(&arrival, None, LEASE, now()) else { panic!("it is new") };
    assert!(table.write(work.write()));
    for other in [sent.clone(), sync(b"order"), sync(b"another order")] {
        let taken = take(&mut table, &partner, &other);
        assert_eq!((taken.how, taken.reply.response.status().as_u16()), (How::Busy, 503));
        assert_eq!(taken.reply.response.header("retry-after"), Some("7"), "whole seconds, not fewer than agreed");
        let outcome = other.pending.on_response(Ok(&taken.reply.response.to_response()), &bob(), now());
        assert_eq!(outcome.advice(), Advice::RetrySameId);
    }
    assert!(table.stored.is_empty());
    let reply = order.stored().build(now());
    // Built by one process, read by the one that settles the claim.
    let reply: Reply = serde_json::from_str(&serde_json::to_string(&reply).unwrap()).unwrap();
    assert!(table.write(&work.settle(&reply, now())));
    assert_eq!(take(&mut table, &partner, &sent).reply.response, reply.response);
}

#[test]
fn y10_a_lease_that_ended_is_taken_over_and_the_fence_keeps_the_late_one_out() {
    let (mut table, partner, sent) = (Table::default(), defaults(), sync(b"order"));
    let (arrival, order) = table.open(envelope(sent.request.to_request()), &BOB_KEYS, &partner, now()).unwrap();
    let claim = |table: &Table, at| order.claim(&arrival, table.read(arrival.key()), LEASE, at);
    let Claim::New(slow) = claim(&table, now()) else { panic!("it is new") };
    let Claim::New(raced) = claim(&table, now()) else { panic!("nothing is written yet") };
    assert!(table.write(slow.write()) && !table.write(raced.write()), "one of them only");
    assert!(!slow.is_retaken());
    let late = now() + LEASE + Duration::from_secs(1);
    assert!(matches!(claim(&table, now() + LEASE - Duration::from_secs(1)), Claim::Busy(_)));
    let Claim::New(mut next) = claim(&table, late) else { panic!("the lease has ended") };
    assert!(next.is_retaken() && table.write(next.write()));
    let reply = order.clone().stored().build(late);
    assert!(!table.write(&slow.settle(&reply, late)), "overtaken");
    assert!(table.write(next.extend(LEASE * 3, late)));
    assert_eq!(table.only().busy_until(), Some(late + LEASE * 3));
    assert!(matches!(claim(&table, late + LEASE * 2), Claim::Busy(_)));
    assert!(table.write(&next.settle(&reply, late)) && !table.write(&next.settle(&reply, late)));
    assert!(matches!(claim(&table, late), Claim::Replay(again) if again.response == reply.response));
}

#[test]
fn y11_what_could_not_be_stored_is_new_when_it_comes_again() {
    let (mut table, partner, sent) = (Table::default(), defaults(), sync(b"order"));
    let (arrival, order) = table.open(envelope(sent.request.to_request()), &BOB_KEYS, &partner, now()).unwrap();
    let Claim::New(work) = order.claim(&arrival, None, LEASE, now()) else { panic!("it is new") };
    assert!(table.write(work.write()));
    let reply = order.defer(Duration::from_secs(60));
    assert!(table.write(&work.settle(&reply, now())));
    assert!(table.only().is_expired(now()), "nothing is left to be kept");
    let again = take(&mut table, &partner, &sent);
    assert_eq!((again.how, table.stored.len()), (How::Stored, 1));
}

/// A signing key that is out of reach at first.
#[derive(Debug)]
struct Moody(std::sync::atomic::AtomicBool, std::sync::Arc<RsaPrivateKey>);

impl crypto::SigningKey for Moody {
    fn public_key(&self) -> &[u8] {
        crypto::SigningKey::public_key(&*self.1)
    }
    fn schemes(&self) -> Vec<SignatureScheme> {
        self.1.schemes()
    }
    fn signature_len(&self, scheme: SignatureScheme) -> Option<usize> {
        self.1.signature_len(scheme)
    }
    fn sign(&self, request: &crypto::SignRequest) -> Result<Vec<u8>, KeyError> {
        if self.0.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return self.1.sign(request);
        }
        Err(KeyError::Unavailable("asleep".to_owned()))
    }
}

#[test]
fn y11_a_document_whose_receipt_could_not_be_signed_is_not_stored_twice() {
    let key = Moody(std::sync::atomic::AtomicBool::new(false), worked_key("bob-sign"));
    let us = Identity::builder(CryptoProvider::rustcrypto())
        .signing(vec![worked_certificate("bob-sign")], std::sync::Arc::new(key))
        .decrypting(worked_certificate("bob-enc"), worked_key("bob-enc"))
        .build()
        .unwrap();
    let (mut table, partner, sent) = (Table::default(), defaults(), sync(b"order"));
    let mut again = || table.take(envelope(sent.request.to_request()), &us, &partner, now(), Accepted::stored);
    let first = again();
    assert_eq!((first.how, first.reply.response.status().as_u16()), (How::Stored, 503));
    let second = again();
    assert_eq!((second.how, disposition(&sent, &second.reply).as_str()), (How::Duplicate, "processed"));
    let third = again();
    assert_eq!((third.how, third.reply.response), (How::Replayed, second.reply.response));
    assert_eq!(table.stored.len(), 1);
}

#[test]
fn y09_who_knows_a_message_id_learns_nothing_and_blocks_nobody() {
    let (mut table, partner) = (Table::default(), agreed(Repeated::Replay, Changed::Refuse));
    let sent = order(b"order", |terms| terms.send.encrypt = None);
    let junk = |body: Bytes| {
        let mut request = sent.request.to_request();
        request.headers_mut().insert("content-length", body.len().into());
        *request.body_mut() = body;
        request
    };
    let tampered = junk(patch_last(sent.request.body(), b"order", b"0rder").into());
    let attack = |table: &mut Table| {
        let taken = table.take(envelope(tampered.clone()), &BOB_KEYS, &partner, now(), Accepted::stored);
        assert_eq!(taken.how, How::Refused);
        disposition(&sent, &taken.reply)
    };
    let before = attack(&mut table);
    assert!(table.rows.is_empty(), "what does not verify leaves nothing behind");
    let (arrival, order) = table.open(envelope(sent.request.to_request()), &BOB_KEYS, &partner, now()).unwrap();
    let Claim::New(work) = order.claim(&arrival, None, LEASE, now()) else { panic!("it is new") };
    assert!(table.write(work.write()));
    assert_eq!(attack(&mut table), before, "while it is worked on");
    assert!(table.write(&work.settle(&order.stored().build(now()), now())));
    assert_eq!(attack(&mut table), before, "after it was answered");
    assert_eq!(before, "processed/error: integrity-check-failed");
    assert_eq!(take(&mut table, &partner, &sent).how, How::Replayed);
    let fields = tampered.headers().clone();
    let stranger = worked_partner(profile(BOB, "mallory"), "alice");
    let arrival = envelope(sent.request.to_request()).arrival();
    assert_eq!(arrival.known(Some(table.only()), &stranger, now()), None, "another agreement: {fields:?}");
}

#[test]
fn y09_an_unsigned_document_does_not_use_up_the_identifier_of_a_signed_one() {
    let (mut table, partner) = (Table::default(), defaults());
    let unsigned = order(b"forged", |terms| {
        terms.send.sign = None;
        terms.send.receipt.kind = ReceiptKind::Unsigned;
    });
    let signed = sync(b"order");
    assert_eq!(take(&mut table, &partner, &unsigned).how, How::Stored, "the agreement lets it in");
    assert_eq!(take(&mut table, &partner, &signed).how, How::Stored);
    assert_eq!(take(&mut table, &partner, &sync(b"another")).how, How::Changed, "equal signatures: the first counts");
    let more = order(b"more", |terms| {
        terms.send.sign = None;
        terms.send.receipt.kind = ReceiptKind::Unsigned;
    });
    assert_eq!(take(&mut table, &partner, &more).how, How::Changed);
    assert_eq!(table.stored, [b"forged".to_vec(), b"order".to_vec()]);
}

#[test]
fn parts_of_a_multipart_payload_are_compared_and_not_their_boundaries() {
    let parts = |boundary: &str, first: &str| {
        let body = format!(
            "--{boundary}\r\nContent-Type: application/xml\r\n\r\n{first}\r\n--{boundary}\r\n\r\nx\r\n--{boundary}--\r\n"
        );
        let kind = format!("multipart/related; boundary={boundary}").parse().unwrap();
        let builder = MessageBuilder::new(&worked_identity("alice"), &bob());
        builder.message_id(ID.parse().unwrap()).build(Payload::new(kind, body), now()).unwrap()
    };
    let (mut table, partner) = (Table::default(), defaults());
    assert_eq!(take(&mut table, &partner, &parts("a", "<a/>")).how, How::Stored);
    assert_eq!(take(&mut table, &partner, &parts("b", "<a/>")).how, How::Duplicate);
    assert_eq!(take(&mut table, &partner, &parts("a", "<b/>")).how, How::Changed);
    assert_eq!(take(&mut table, &partner, &parts("-not-there-\"", "<b/>")).how, How::Changed);
}
