//! What a profile changes about the pace of calls, about attempts, and about what answers mean.

use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::sent::order;
use crate::support::*;
use crate::{Row, row};

use as2_protocol::*;

pub(crate) fn rows() -> Vec<Row> {
    [paces(), attempts(), rules("pacing.limited", limited)].into_iter().flatten().chain(refusals()).collect()
}

fn paces() -> Vec<Row> {
    let two = || json!({ "pacing.calls": 2 });
    let alone = || json!({ "pacing.concurrency": 1 });
    vec![
        row("pacing.wait", json!("5m"), limited, "429 wait 60", "429 wait 300"),
        row("pacing.min_gap", json!("2s"), starts, "0 0 0 0 0", "0 2 4 6 8"),
        row("pacing.calls", json!(2), starts, "0 0 0 0 0", "0 0 60 60 120"),
        row("pacing.interval", json!("10s"), starts, "0 0 60 60 120", "0 0 10 10 20").with(two()),
        row("pacing.concurrency", json!(1), starts, "0 0 0 0 0", "0 600 1200 1800 2400"),
        row("pacing.longest_call", json!("1m"), starts, "0 600 1200", "0 60 120 180 240").with(alone()),
    ]
}

fn attempts() -> Vec<Row> {
    let later = || json!({ "send.receipt.asynchronous_url": "https://alice.example/r" });
    let even = || json!({ "delivery.retry.jitter_percent": 0 });
    let schedule = "0 300 900 2100 4500 9300 16500 23700 30900 38100 ATTEMPTS";
    vec![
        row("delivery.retry.attempts", json!(3), failing, schedule, "0 300 900 ATTEMPTS").with(even()),
        row("delivery.retry.first_wait", json!("10m"), failing, schedule, "0 600 1800 ").with(even()),
        row("delivery.retry.factor", json!(1), failing, schedule, "0 300 600 900 ").with(even()),
        row("delivery.retry.longest_wait", json!("10m"), failing, schedule, "0 300 900 1500 2100 ").with(even()),
        row("delivery.retry.give_up_after", json!("1h"), failing, schedule, "0 300 900 2100 GIVE_UP_TIME").with(even()),
        row("delivery.retry.jitter_percent", json!(20), first_wait, "300", "below").with(even()),
        row("delivery.receipt_deadline", json!("4h"), silent, "0 3600 7200", "0 14400 28800").with(later()),
        row("delivery.late_receipt", json!("alert"), silent, "0 3600 7200", "0 RECEIPT_LATE").with(later()),
    ]
}

fn refusals() -> Vec<Row> {
    let token = |place: &str| {
        json!({
            "accept.receipt_url": "https://bob.example/receipts",
            format!("{place}.auth.method"): { "token": { "token": "vault:bob" } },
        })
    };
    let mut rows = rules("endpoint.auth.refused", refused);
    rows.extend(rules("receipt_endpoint.auth.refused", receipt_refused));
    for (path, place, see) in [
        ("endpoint.auth.refreshable", "endpoint", unauthorized as fn(&PartnerProfile) -> String),
        ("receipt_endpoint.auth.refreshable", "receipt_endpoint", receipt_unauthorized),
    ] {
        rows.push(row(path, json!(true), see, "AUTH_REFUSED", "refresh vault:bob").with(token(place)));
    }
    rows
}

/// The four fields of a rule, by what `see` shows of answers with status 429, 401, 403 and 200.
fn rules(rule: &'static str, see: fn(&PartnerProfile) -> String) -> Vec<Row> {
    let field = |name: &str| -> &'static str { format!("{rule}.{name}").leak() };
    let with_path = json!({ format!("{rule}.path"): "code" });
    let (hit, both) = if rule.ends_with("limited") { ("wait 60", "429 wait 60") } else { ("refused", "401 refused") };
    let says = |status: u16| -> &'static str { format!("{status} {hit}").leak() };
    vec![
        row(field("status"), json!([403]), see, both, says(403)),
        row(field("path"), json!("code"), see, "200 taken", says(200)),
        row(field("values"), json!(["other"]), see, says(200), "200 taken").with(with_path.clone()),
        row(field("match"), json!("all"), see, says(200), "200 taken").with(with_path),
    ]
}

fn partner(terms: &PartnerProfile) -> Partner {
    worked_partner(terms.clone(), "bob")
}

/// An answer to a message that wants no receipt.
fn answered(terms: &PartnerProfile, status: u16) -> SendOutcome {
    let mut plain = terms.clone();
    plain.send.receipt.kind = ReceiptKind::None;
    plain.send.receipt.asynchronous_url = None;
    order(&plain).unwrap().pending.on_response(Ok(&answer(status)), &partner(terms), now())
}

fn answer(status: u16) -> http::Response<bytes::Bytes> {
    let body = bytes::Bytes::from_static(br#"{"code":"bad"}"#);
    http::Response::builder().status(status).body(body).unwrap()
}

fn named(status: u16, outcome: &SendOutcome) -> String {
    let name = match outcome {
        SendOutcome::Wait { until, .. } => format!("wait {}", until.duration_since(now()).unwrap().as_secs()),
        SendOutcome::AuthRefused { .. } => "refused".to_owned(),
        SendOutcome::Transferred => "taken".to_owned(),
        _ => "other".to_owned(),
    };
    format!("{status} {name};")
}

fn limited(terms: &PartnerProfile) -> String {
    [429, 403, 200].map(|status| named(status, &answered(terms, status))).join(" ")
}

fn refused(terms: &PartnerProfile) -> String {
    [401, 403, 200].map(|status| named(status, &answered(terms, status))).join(" ")
}

pub(crate) fn posted() -> PendingMdn {
    let json = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pending_mdn.json")).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn receipt_refused(terms: &PartnerProfile) -> String {
    let meaning = |status| posted().on_response(Ok(&answer(status)), &partner(terms), now());
    [401, 403, 200].map(|status| named(status, &meaning(status))).join(" ")
}

fn after_refusal(terms: &PartnerProfile, mut delivery: Delivery, outcome: &SendOutcome) -> String {
    delivery.sent(now());
    delivery.answered(outcome, &partner(terms), now());
    match delivery.next_step(terms, now()) {
        NextStep::Refresh(secret) => format!("refresh {}", secret.name()),
        NextStep::GiveUp(why) => why.code().to_owned(),
        other => format!("{other:?}"),
    }
}

fn unauthorized(terms: &PartnerProfile) -> String {
    after_refusal(terms, Delivery::of_message(), &answered(terms, 401))
}

fn receipt_unauthorized(terms: &PartnerProfile) -> String {
    after_refusal(terms, Delivery::of_receipt(), &posted().on_response(Ok(&answer(401)), &partner(terms), now()))
}

/// When five calls start that nobody tells the end of.
fn starts(terms: &PartnerProfile) -> String {
    let (mut pacer, mut time, mut seen) = (Pacer::new(), now(), Vec::new());
    while seen.len() < 5 {
        match pacer.try_start(&terms.pacing, time) {
            Turn::Start(_) => seen.push(seconds(time)),
            Turn::WaitUntil(until) | Turn::Busy { until } => time = until,
            other => panic!("{other:?}"),
        }
    }
    seen.join(" ")
}

fn seconds(time: SystemTime) -> String {
    time.duration_since(now()).unwrap().as_secs().to_string()
}

/// When a message goes out whose attempts end so, and why the attempts end.
fn schedule(terms: &PartnerProfile, outcome: &SendOutcome) -> String {
    let (mut delivery, mut time, mut seen) = (Delivery::of_message(), now(), Vec::new());
    loop {
        match delivery.next_step(terms, time) {
            NextStep::Send => {
                seen.push(seconds(time));
                delivery.sent(time);
                delivery.answered(outcome, &partner(terms), time);
            }
            NextStep::WaitUntil(until) | NextStep::AwaitReceipt { until } => time = until,
            NextStep::GiveUp(why) => {
                seen.push(why.code().to_owned());
                return seen.join(" ");
            }
            other => panic!("{other:?}"),
        }
    }
}

fn failing(terms: &PartnerProfile) -> String {
    schedule(terms, &TransportFailure::new("reset").into())
}

fn silent(terms: &PartnerProfile) -> String {
    schedule(terms, &SendOutcome::Awaiting)
}

/// The shortest of a hundred first waits.
fn first_wait(terms: &PartnerProfile) -> String {
    let wait = || {
        let mut delivery = Delivery::of_message();
        delivery.sent(now());
        delivery.answered(&TransportFailure::new("reset").into(), &partner(terms), now());
        match delivery.next_step(terms, now()) {
            NextStep::WaitUntil(until) => until.duration_since(now()).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let shortest = (0..100).map(|_| wait()).min().unwrap();
    assert!(shortest >= Duration::from_secs(240));
    if shortest < Duration::from_secs(290) { "below".to_owned() } else { shortest.as_secs().to_string() }
}
