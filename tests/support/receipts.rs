//! Receipts that Bob sends to Alice for one message, made by hand.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part of it

use super::by_hand::*;
use super::dissect::*;
use super::support::*;

use as2_protocol::*;
use bytes::Bytes;
use http::Response;

/// The message.
const ID: &str = "<case@alice.example>";
const ASYNC_URL: &str = "https://alice.example/receipts";
pub const PROCESSED: &str = "automatic-action/MDN-sent-automatically; processed";

pub fn order() -> Bytes {
    worked("payload.x12")
}

/// What Alice waits for, with the kind of receipt that she asked for.
pub fn waiting(kind: ReceiptKind, later: bool) -> PendingReceipt {
    let mut terms = profile(ALICE, BOB);
    terms.send.receipt.kind = kind;
    terms.send.receipt.asynchronous_url = later.then(|| ASYNC_URL.parse().unwrap());
    let builder = MessageBuilder::new(&worked_identity("alice"), &worked_partner(terms, "bob"));
    builder.message_id(ID.parse().unwrap()).build(Payload::x12(order()), now()).unwrap().pending
}

/// The fields of a report about that message.
pub fn fields(disposition: &str, mic: Option<&Mic>, more: &str) -> String {
    let mic = mic.map(|mic| format!("Received-Content-MIC: {mic}\r\n")).unwrap_or_default();
    format!("Original-Message-ID: {ID}\r\nDisposition: {disposition}\r\n{more}{mic}")
}

/// An entity with an explanation and these fields.
pub fn report(fields: &str) -> Vec<u8> {
    let parts = [
        entity("Content-Type: text/plain", b"Hello."),
        entity("Content-Type: message/disposition-notification", fields.as_bytes()),
    ];
    let head = "Content-Type: multipart/report; report-type=disposition-notification; boundary=r";
    entity(head, &multipart("r", &[&parts[0], &parts[1]]))
}

/// A response with an entity, from Bob to Alice.
pub fn response(entity: &[u8]) -> Response<Bytes> {
    let (head, body) = head_and_body(entity);
    let response = Response::builder().header("as2-from", "bob").header("as2-to", "\"Alice Corp\"");
    response.header("content-type", field(head, "content-type")).body(Bytes::copy_from_slice(body)).unwrap()
}

pub fn unsigned(fields: &str) -> Response<Bytes> {
    response(&report(fields))
}

pub fn signed(fields: &str) -> Response<Bytes> {
    let body = signed_body("bob-sign", &report(fields));
    response(&entity(&format!("Content-Type: {SIGNED_TYPE}"), &body))
}
