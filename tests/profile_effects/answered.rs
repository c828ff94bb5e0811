//! What a profile changes about our answers.

use serde_json::json;

use crate::dissect::*;
use crate::sent::order;
use crate::support::*;
use crate::taken::{open, put};
use crate::{Row, row};

use as2_protocol::*;

pub(crate) fn rows() -> Vec<Row> {
    let elsewhere = || json!({ "send.receipt.asynchronous_url": "https://elsewhere.example/r" });
    let agreed = "https://agreed.example/r";
    vec![
        row("accept.mdn_signature", json!("sha-512"), micalg, "sha-256", "sha-512"),
        row("accept.receipt_url", json!(agreed), posted, "blocked", agreed).with(elsewhere()),
        row("accept.receipt_hosts", json!(["elsewhere.example"]), posted, "blocked", "elsewhere").with(elsewhere()),
        row("accept.asynchronous_status", json!(202), status, "200", "202").with(elsewhere()),
        row("accept.weak_receipt", json!("refuse"), disposition, "processed", "unsupported MIC-algorithms")
            .with(json!({ "send.receipt.micalgs": ["sha-1"] })),
        row("accept.explain", json!("uniform"), for_somebody_else, "exact", "uniform"),
    ]
}

fn reply(terms: &PartnerProfile) -> Reply {
    match open(order(terms).unwrap().request.to_request(), terms) {
        Ok(accepted) => accepted.stored().build(now()),
        Err(refused) => refused.mdn().build(now()),
    }
}

fn micalg(terms: &PartnerProfile) -> String {
    parameter(reply(terms).response.header("content-type").unwrap(), "micalg").to_owned()
}

fn status(terms: &PartnerProfile) -> String {
    reply(terms).response.status().as_u16().to_string()
}

fn posted(terms: &PartnerProfile) -> String {
    match reply(terms).follow_up {
        FollowUp::Post(posted) => posted.request.to_request().uri().to_string(),
        other => format!("blocked: {other:?}"),
    }
}

fn disposition(terms: &PartnerProfile) -> String {
    receipt_in(&reply(terms).response.to_response()).disposition().unwrap().to_string()
}

/// A message that is encrypted to another certificate than Bob's.
fn for_somebody_else(terms: &PartnerProfile) -> String {
    let mut request = order(terms).unwrap().request.to_request();
    put(&mut request, encrypt(b"x", &worked_certificate("alice-enc"), false));
    let told = open(request, terms).unwrap_err().mdn();
    if told.reference().is_none() { "exact" } else { "uniform" }.to_owned()
}
