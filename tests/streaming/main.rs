//! Messages that are sent while they are built: the same octets as in memory, however the payload is cut.
#![cfg(feature = "rustcrypto")]

mod adaptors;
mod lengths;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use as2_protocol::crypto::{RandomError, SecureRandom};
use as2_protocol::*;
use bytes::Bytes;
use proptest::prelude::*;
use support::*;

/// The same octets in every run, so that two runs can be compared; none is zero, which PKCS#1 v1.5 skips.
#[derive(Default)]
struct Counting(AtomicU8);

impl SecureRandom for Counting {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        out.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed) | 1);
        Ok(())
    }
}

fn provider() -> CryptoProvider {
    CryptoProvider::rustcrypto().with_random(Arc::new(Counting::default()))
}

/// Alice, whose random octets begin anew.
fn us() -> Identity {
    Identity::builder(provider())
        .signing(vec![worked_certificate("alice-sign")], worked_key("alice-sign"))
        .decrypting(worked_certificate("alice-enc"), worked_key("alice-enc"))
        .build()
        .unwrap()
}

/// Layers of P-01 to P-10: signed, encrypted, compressed.
const LAYERINGS: [(&str, bool, bool, Compression); 10] = [
    ("P-01", false, false, Compression::None),
    ("P-02", true, false, Compression::None),
    ("P-03", false, true, Compression::None),
    ("P-04", true, true, Compression::None),
    ("P-05", false, false, Compression::BeforeSigning),
    ("P-06", true, false, Compression::BeforeSigning),
    ("P-07", true, false, Compression::AfterSigning),
    ("P-08", false, true, Compression::AfterSigning),
    ("P-09", true, true, Compression::BeforeSigning),
    ("P-10", true, true, Compression::AfterSigning),
];

fn terms(sign: bool, encrypt: Option<CipherAlgorithm>, compress: Compression) -> PartnerProfile {
    let mut terms = profile(ALICE, BOB);
    terms.send.sign = sign.then_some(DigestAlgorithm::Sha256);
    terms.send.encrypt = encrypt;
    terms.send.compress = compress;
    terms.send.receipt.kind = if sign { ReceiptKind::Signed } else { ReceiptKind::Unsigned };
    terms.send.attachments = Attachments::Allow;
    terms
}

fn message(terms: &PartnerProfile) -> MessageBuilder {
    MessageBuilder::new(&us(), &worked_partner(terms.clone(), "bob")).subject("Order")
}

/// A payload that compresses well, but not to nothing.
fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * at / 7 + at) % 251).unwrap()).collect()
}

/// The body that comes out when the payload goes in by pieces, each with a buffer that is emptied or not.
fn drive(mut stream: OutboundStream, payload: &[u8], sizes: impl IntoIterator<Item = usize>) -> (Vec<u8>, OutboundEnd) {
    let (mut body, mut wire, mut rest, mut sizes) = (Vec::new(), Vec::new(), payload, sizes.into_iter());
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(sizes.next().unwrap_or(rest.len()).min(rest.len()));
        stream.write(piece, &mut wire).unwrap();
        body.append(&mut wire);
        rest = later;
    }
    let end = stream.finish(&mut wire).unwrap();
    body.append(&mut wire);
    (body, end)
}

fn same_head(head: &RequestHead, request: &StoredRequest) -> bool {
    let (one, other) = (head.to_request(), request.to_request());
    (one.method(), one.uri(), one.headers()) == (other.method(), other.uri(), other.headers())
}

#[test]
fn p01_p10_any_chunks_give_the_octets_of_the_message_in_memory() {
    let order = payload(70_001);
    for (id, sign, encrypt, compress) in LAYERINGS {
        for cipher in [CipherAlgorithm::Aes256Cbc, CipherAlgorithm::Aes128Gcm] {
            let terms = terms(sign, encrypt.then_some(cipher), compress);
            let built = message(&terms).build(Payload::x12(order.clone()).with_filename("o.x12"), now()).unwrap();
            let head = PayloadHead::x12().with_filename("o.x12").with_len(70_001);
            let begin = || message(&terms).stream(head.clone(), now()).unwrap();
            let whole = drive(begin(), &order, []).0;
            for size in [1, 7, 4096, 70_001] {
                let stream = begin();
                let (same_head, length) = (same_head(stream.head(), &built.request), stream.head().content_length());
                assert_eq!(stream.message_id(), built.pending.message_id());
                let (body, end) = drive(stream, &order, std::iter::repeat(size));
                assert!(body == whole, "{id} by {size}");
                assert_eq!(end.notes, built.notes, "{id}");
                assert_eq!(end.observations(), built.observations(), "{id}");
                if compress == Compression::None {
                    assert!(same_head && body == *built.request.body(), "{id} by {size}");
                    assert_eq!(length, Some(u64::try_from(body.len()).unwrap()), "{id}");
                    assert_eq!(end.pending, built.pending, "{id}");
                } else {
                    assert_eq!((length, end.pending.message_id()), (None, built.pending.message_id()), "{id}");
                }
            }
            let request = begin().head().clone().with_body(whole);
            opened(id, &request, &order, &drive(begin(), &order, []).1.pending);
            if encrypt == (cipher == CipherAlgorithm::Aes128Gcm) {
                break;
            }
        }
    }
}

/// Bob opens the message, finds the payload, and computes the MIC that is waited for.
fn opened(id: &str, request: &StoredRequest, order: &[u8], pending: &PendingReceipt) {
    let accepted = envelope(request.to_request()).open(&worked_identity("bob"), Some(&alice()), now());
    let accepted = accepted.unwrap_or_else(|refused| panic!("{id}: {}", refused.error()));
    assert!(accepted.payload().body() == order, "{id}");
    let receipt = accepted.stored().build(now());
    let SendOutcome::Settled(outcome) = pending.on_response(Ok(&receipt.response.to_response()), &bob(), now()) else {
        panic!("{id}: not settled")
    };
    assert!(matches!(*outcome, Outcome::Deliver(_)), "{id}: {outcome:?}");
}

#[test]
fn p01_p10_payloads_of_unknown_length_are_opened_and_acknowledged() {
    for length in [0, 1, 65_536, 200_003] {
        let order = payload(length);
        for (id, sign, encrypt, compress) in LAYERINGS {
            let terms = terms(sign, encrypt.then_some(CipherAlgorithm::Aes256Gcm), compress);
            let stream = message(&terms).stream(PayloadHead::x12(), now()).unwrap();
            let head = stream.head().clone();
            assert_eq!((head.content_length(), head.header("content-length")), (None, None), "{id}");
            let (body, end) = drive(stream, &order, std::iter::repeat(10_007));
            if !encrypt && compress == Compression::None {
                let built = message(&terms).build(Payload::x12(order.clone()), now()).unwrap();
                assert!(body == *built.request.body() && end.pending == built.pending, "{id}");
            }
            opened(id, &head.with_body(body), &order, &end.pending);
        }
    }
}

#[test]
fn attachments_follow_the_document_that_is_streamed() {
    let order = payload(50_000);
    for (id, sign, encrypt, compress) in LAYERINGS {
        let terms = terms(sign, encrypt.then_some(CipherAlgorithm::Aes256Cbc), compress);
        let message = || {
            message(&terms)
                .attach(Payload::text("a drawing").with_filename("drawing.txt"))
                .attach(Payload::octet_stream(payload(40_000)))
        };
        let stream = message().stream(PayloadHead::xml().with_len(50_000), now()).unwrap();
        let head = stream.head().clone();
        let (body, end) = drive(stream, &order, std::iter::repeat(999));
        if compress == Compression::None {
            let built = message().build(Payload::xml(order.clone()), now()).unwrap();
            assert!(same_head(&head, &built.request) && body == *built.request.body(), "{id}");
            assert_eq!((end.pending, end.notes), (built.pending, built.notes), "{id}");
        }
        let received = envelope(head.with_body(body).to_request()).open(&worked_identity("bob"), Some(&alice()), now());
        let received = received.unwrap_or_else(|refused| panic!("{id}: {}", refused.error()));
        let documents: Vec<Bytes> = received.payloads().iter().map(|document| document.body().clone()).collect();
        assert_eq!(documents, [order.clone(), b"a drawing".to_vec(), payload(40_000)], "{id}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn random_chunks_give_the_same_octets(
        length in 0usize..150_000,
        sizes in prop::collection::vec(prop_oneof![0usize..40, 0usize..70_000], 0..40),
        layering in 0usize..LAYERINGS.len(),
        known: bool,
    ) {
        let (order, (_, sign, encrypt, compress)) = (payload(length), LAYERINGS[layering]);
        let terms = terms(sign, encrypt.then_some(CipherAlgorithm::Aes192Cbc), compress);
        let head = if known {
            PayloadHead::edifact().with_len(u64::try_from(length).unwrap())
        } else {
            PayloadHead::edifact()
        };
        let begin = || message(&terms).stream(head.clone(), now()).unwrap();
        let (whole, cut) = (drive(begin(), &order, []), drive(begin(), &order, sizes));
        prop_assert!(whole.0 == cut.0);
        prop_assert_eq!(whole.1.pending, cut.1.pending);
    }
}
