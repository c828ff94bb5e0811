//! What a profile changes about messages that come again.

use std::time::Duration;

use serde_json::json;

use crate::sent::order;
use crate::support::*;
use crate::taken::open;
use crate::{Row, row};

use as2_protocol::*;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row(
            "delivery.duplicates.repeated",
            json!("warn"),
            |terms| again(terms, b"order"),
            "replayed",
            "duplicate-document",
        ),
        row("delivery.duplicates.changed", json!("accept"), |terms| again(terms, b"other"), "unexpected", "new"),
        row("delivery.duplicates.busy_wait", json!("2m"), busy, "30", "120"),
        row("delivery.duplicates.keep", json!("1d"), kept, "90 days", "1 days"),
    ]
}

const LEASE: Duration = Duration::from_secs(300);

/// A signed message under one Message-ID, what names it, and what Bob makes of it.
fn opened(terms: &PartnerProfile, document: &'static [u8]) -> (Arrival, Accepted) {
    let mut request = order(terms).unwrap().request.to_request();
    let plain = [("content-type", "application/edi-x12"), ("message-id", "<1@alice.example>")];
    for (name, value) in plain {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    crate::taken::put(&mut request, document.to_vec());
    (envelope(request.clone()).arrival(), open(request, terms).unwrap())
}

/// The record of a message that holds the word `order` and was taken.
fn settled(terms: &PartnerProfile) -> InboxRecord {
    let (arrival, first) = opened(terms, b"order");
    let Claim::New(work) = first.claim(&arrival, None, LEASE, now()) else { panic!("it is new") };
    work.settle(&first.clone().stored().build(now()), now()).record().clone()
}

fn again(terms: &PartnerProfile, document: &'static [u8]) -> String {
    let (arrival, second) = opened(terms, document);
    match second.claim(&arrival, Some(&settled(terms)), LEASE, now()) {
        Claim::New(_) => "new".to_owned(),
        Claim::Replay(_) => "replayed".to_owned(),
        Claim::Duplicate(duplicate) => duplicate.receipt().disposition().to_string(),
        Claim::Busy(_) => "busy".to_owned(),
    }
}

fn busy(terms: &PartnerProfile) -> String {
    let (arrival, first) = opened(terms, b"order");
    let Claim::New(work) = first.claim(&arrival, None, LEASE, now()) else { panic!("it is new") };
    match first.claim(&arrival, Some(work.write().record()), LEASE, now()) {
        Claim::Busy(reply) => reply.response.header("retry-after").unwrap().to_owned(),
        other => panic!("{other:?}"),
    }
}

fn kept(terms: &PartnerProfile) -> String {
    let span = settled(terms).expires_at().duration_since(now()).unwrap();
    format!("{} days", span.as_secs() / 86_400)
}
