//! What the products of this world write, octet for octet: every peculiarity that is known is read, and what we write
//! is what they read. `docs/interop.md` is the table; the number in a test's name is that of its row.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "../support/by_hand.rs"]
mod by_hand;
#[path = "../support/dissect.rs"]
mod dissect;
#[path = "../support/receipts.rs"]
mod receipt;
#[path = "../support/refusal.rs"]
mod refusal;
#[path = "../support/mod.rs"]
mod support;

mod canonical;
mod cms;
mod http;
mod made;
mod mic;
mod mime;
mod names_of_algorithms;
mod receipts;
mod repeats;
mod table;
mod wire;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use by_hand::digest;
use bytes::Bytes;
use support::*;

use as2_protocol::*;

/// A document with bare line feeds, as it lies on a disk of Unix.
const EDI: &[u8] = b"ISA*00*          *00*          ~\nGS*PO*A*B~\nSE*1*0001~\nIEA*1~\n";
/// The header that peers write before it.
const EDI_HEAD: &str = "Content-Type: application/EDI-X12";
const ENVELOPED_TYPE: &str = "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m";
const COMPRESSED_TYPE: &str = "application/pkcs7-mime; smime-type=compressed-data; name=smime.p7z";

/// All bare line feeds made CRLF.
fn crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, octet) in octets.iter().enumerate() {
        if *octet == b'\n' && (index == 0 || octets[index - 1] != b'\r') {
            out.push(b'\r');
        }
        out.push(*octet);
    }
    out
}

/// All CRLF made bare line feeds.
fn lf(octets: &[u8]) -> Vec<u8> {
    let after = |index: usize| octets.get(index + 1) == Some(&b'\n');
    let kept = octets.iter().enumerate().filter(|(index, octet)| **octet != b'\r' || !after(*index));
    kept.map(|(_, octet)| *octet).collect()
}

/// base64 in lines of 76 characters.
fn base64_lines(octets: &[u8]) -> Vec<u8> {
    STANDARD.encode(octets).as_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect()
}

/// SHA-256 in base64: what the receipt shall report.
fn mic(octets: &[u8]) -> String {
    mic_with(DigestAlgorithm::Sha256, octets)
}

fn mic_with(algorithm: DigestAlgorithm, octets: &[u8]) -> String {
    STANDARD.encode(digest(algorithm, octets).as_bytes())
}

/// Alice's message under changed terms.
fn sent(change: impl FnOnce(&mut PartnerProfile)) -> (Outbound, Partner) {
    let mut terms = profile(ALICE, BOB);
    change(&mut terms);
    let partner = worked_partner(terms, "bob");
    let document = Payload::x12(Bytes::from_static(EDI));
    (MessageBuilder::new(&worked_identity("alice"), &partner).build(document, now()).unwrap(), partner)
}

/// Alice's message, signed only.
fn signed_only(change: impl FnOnce(&mut PartnerProfile)) -> Outbound {
    sent(|terms| {
        terms.send.encrypt = None;
        change(terms);
    })
    .0
}

/// The receipt that Bob returns for a message under changed terms.
fn answered(message: &Outbound, change: impl FnOnce(&mut PartnerProfile)) -> StoredResponse {
    let mut terms = profile(BOB, ALICE);
    change(&mut terms);
    let partner = worked_partner(terms, "alice");
    let opened = envelope(message.request.to_request()).open(&worked_identity("bob"), Some(&partner), now());
    opened.unwrap().stored().build(now()).response
}

/// What Alice makes of an answer.
fn outcome(pending: &PendingReceipt, response: &::http::Response<Bytes>) -> Outcome {
    match pending.on_response(Ok(response), &bob(), now()) {
        SendOutcome::Settled(outcome) => *outcome,
        other => panic!("{other:?}"),
    }
}

/// How well an answer proves delivery.
fn proof(pending: &PendingReceipt, response: &::http::Response<Bytes>) -> Option<Proof> {
    match outcome(pending, response) {
        Outcome::Deliver(evidence) => evidence.proof(),
        other => panic!("{other:?}"),
    }
}
