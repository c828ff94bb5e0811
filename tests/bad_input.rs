//! Every octet of valid messages, changed and cut away: there is always an answer, and never a wrong order.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use support::keys::fast_identity;
use support::*;

use as2_protocol::*;
use bytes::Bytes;
use http::StatusCode;

/// A message, and who receives it under which terms.
struct Case {
    wire: Bytes,
    us: Identity,
    partner: Partner,
    /// Whether the payload is signed: then it is delivered as it was sent, or not at all.
    signed: bool,
}

/// What became of a mutant.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Rejected,
    Refused(&'static str),
    Delivered,
}

impl Case {
    fn new(name: &str) -> Self {
        let signed = name.contains("signed");
        let mut terms = profile(BOB, ALICE);
        terms.accept.signature = if signed { Requirement::Require } else { Requirement::Allow };
        Self {
            wire: worked(&format!("{name}.http")),
            us: fast_identity("bob"),
            partner: worked_partner(terms, "alice"),
            signed,
        }
    }

    fn body_at(&self) -> usize {
        self.wire.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap() + 4
    }

    /// Takes a request in, answers it, and checks what must be true of every answer.
    fn take(&self, wire: &Bytes, what: &str) -> Fate {
        let parsed =
            read_request(wire, &Limits::default()).and_then(|r| MessageParser::new(Limits::default()).parse(r));
        let envelope = match parsed {
            Ok(Inbound::Message(envelope)) => envelope,
            Ok(other) => panic!("{what}: {other:?}"),
            Err(rejection) => {
                assert!(rejection.status().is_client_error(), "{what}: {rejection}");
                let reply = Reply::from(rejection.clone());
                assert_eq!(reply.response.to_response().status(), rejection.status(), "{what}");
                return Fate::Rejected;
            }
        };
        let asked = Asked::of(&envelope);
        match envelope.open(&self.us, Some(&self.partner), now()) {
            Ok(accepted) => {
                assert!(asked.agreed, "{what}");
                self.check_delivery(&accepted, what);
                asked.check(accepted.stored().build(now()), true, what);
                Fate::Delivered
            }
            Err(refused) => {
                let code = refused.error().code();
                assert_eq!(asked.agreed, code != "UNKNOWN_PARTNER", "{what}: {}", refused.error());
                asked.check(refused.mdn().build(now()), false, what);
                Fate::Refused(code)
            }
        }
    }

    fn check_delivery(&self, accepted: &Accepted, what: &str) {
        match accepted.authenticity() {
            Authenticity::Signed { certificate } => {
                assert!(self.signed, "{what}");
                assert_eq!(certificate, &worked_certificate("alice-sign"), "{what}");
                assert_eq!(accepted.payload().body(), &worked("payload.x12"), "{what}");
            }
            Authenticity::None => assert!(!self.signed, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

/// What the AS2 headers of a request say, decoded.
struct Asked {
    agreed: bool,
    message_id: Bytes,
    receipt: Option<ReceiptDelivery>,
}

impl Asked {
    fn of(envelope: &Envelope) -> Self {
        Self {
            agreed: envelope.from().as_str() == ALICE && envelope.to().as_str() == BOB,
            message_id: Bytes::copy_from_slice(envelope.message_id().unwrap().raw()),
            receipt: envelope.receipt_request().map(|request| request.delivery().clone()),
        }
    }

    /// The reply holds the receipt that was asked for, about this message, positive or not as `delivered` says.
    fn check(&self, reply: Reply, delivered: bool, what: &str) {
        let response = reply.response.to_response();
        match &self.receipt {
            None => {
                assert_eq!(response.status().is_success(), delivered, "{what}: {response:?}");
                assert!(response.body().is_empty(), "{what}");
            }
            Some(ReceiptDelivery::Sync) => {
                assert_eq!(response.status(), StatusCode::OK, "{what}");
                let receipt = receipt_in(&response);
                assert_eq!(receipt.disposition().unwrap().is_positive(), delivered, "{what}");
                let about = receipt.original_message_id().map(|id| id.raw().to_vec());
                let clean = self.message_id.iter().all(|octet| (b' '..=b'~').contains(octet));
                assert_eq!(about.as_deref(), clean.then_some(self.message_id.as_ref()), "{what}");
            }
            Some(other) => panic!("{what}: {other:?}"),
        }
    }
}

/// Changes a message at one octet; gives nothing where that is not possible.
type Mutation = fn(&Case, usize) -> Option<Bytes>;

/// The mutants of every position, in two threads.
fn at_every_octet(name: &str, mutations: &[(&str, Mutation)]) -> Vec<Fate> {
    let case = Case::new(name);
    assert_eq!(case.take(&case.wire, "unchanged"), Fate::Delivered);
    let half = |parity: usize| {
        let mut fates = Vec::new();
        for position in (parity..case.wire.len()).step_by(2) {
            for (mutation, mutate) in mutations {
                let Some(mutant) = mutate(&case, position) else { continue };
                fates.push(case.take(&mutant, &format!("{name}, {mutation} at {position}")));
            }
        }
        fates
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        let mut fates = half(0);
        fates.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        fates
    })
}

fn flip(case: &Case, position: usize, mask: u8) -> Option<Bytes> {
    let mut mutant = case.wire.to_vec();
    mutant[position] ^= mask;
    Some(mutant.into())
}

fn cut(case: &Case, position: usize) -> Option<Bytes> {
    Some(case.wire.slice(..position))
}

/// The body ends early, and the header says so.
fn shorten(case: &Case, position: usize) -> Option<Bytes> {
    let body_at = case.body_at();
    let length = position.checked_sub(body_at)?;
    let head = String::from_utf8(case.wire[..body_at].to_vec()).unwrap();
    let declared = format!("Content-Length: {}", case.wire.len() - body_at);
    assert!(head.contains(&declared), "{head}");
    let head = head.replace(&declared, &format!("Content-Length: {length}"));
    Some([head.as_bytes(), &case.wire[body_at..position]].concat().into())
}

const FLIPS: [(&str, Mutation); 2] = [
    ("flip of the lowest bit", |case, position| flip(case, position, 0x01)),
    ("flip of the highest bit", |case, position| flip(case, position, 0x80)),
];

fn count(fates: &[Fate], fate: &Fate) -> usize {
    fates.iter().filter(|found| *found == fate).count()
}

/// Most flips must be refused: a test that accepts everything would pass all other checks.
fn assert_mostly_refused(fates: &[Fate]) {
    let delivered = count(fates, &Fate::Delivered);
    assert!(delivered * 3 < fates.len());
}

#[test]
fn s16_a_signed_message_with_any_octet_changed_is_the_same_order_or_none() {
    let fates = at_every_octet("02-signed", &FLIPS);
    assert_mostly_refused(&fates);
    assert!(count(&fates, &Fate::Refused("INTEGRITY_CHECK")) > 279 * 2);
}

#[test]
fn s16_a_signed_and_encrypted_message_with_any_octet_changed_is_the_same_order_or_none() {
    let fates = at_every_octet("04-signed-encrypted", &FLIPS);
    assert_mostly_refused(&fates);
    assert!(count(&fates, &Fate::Refused("INTEGRITY_CHECK")) > 279 * 2);
}

#[test]
fn an_encrypted_message_with_any_octet_changed_vouches_for_nobody() {
    let fates = at_every_octet("03-encrypted", &FLIPS);
    assert!(count(&fates, &Fate::Refused("DECRYPTION")) > 256);
}

#[test]
fn messages_cut_at_any_octet_are_rejected() {
    for name in ["01-plain", "02-signed", "03-encrypted", "04-signed-encrypted"] {
        let fates = at_every_octet(name, &[("cut", cut)]);
        assert_eq!(count(&fates, &Fate::Rejected), fates.len(), "{name}");
    }
}

#[test]
fn signed_bodies_cut_at_any_octet_are_the_same_order_or_none() {
    for name in ["02-signed", "04-signed-encrypted"] {
        let fates = at_every_octet(name, &[("shorter body", shorten)]);
        // Only the line end of the close delimiter, and that delimiter itself, can be missed.
        assert!(count(&fates, &Fate::Delivered) < 40, "{name}");
        assert_eq!(count(&fates, &Fate::Rejected), 0, "{name}");
    }
}

#[test]
fn encrypted_bodies_cut_at_any_octet_are_refused() {
    let fates = at_every_octet("03-encrypted", &[("shorter body", shorten)]);
    assert_eq!(count(&fates, &Fate::Delivered), 0);
    assert_eq!(count(&fates, &Fate::Refused("ENVELOPE_MALFORMED")), fates.len());
}
