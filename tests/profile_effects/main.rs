//! Every leaf of a serialised profile has an effect that can be seen: a request, a verdict, an answer, a schedule or an
//! error that changes with it. A new leaf without a row here fails.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "../support/dissect.rs"]
mod dissect;
#[path = "../support/issue.rs"]
mod issue;
#[cfg(feature = "tls")]
#[path = "../support/tls.rs"]
mod made;
#[path = "../support/mod.rs"]
mod support;

mod answered;
mod called;
mod judged;
mod paced;
mod repeated;
mod sent;
mod taken;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::*;

use as2_protocol::*;

/// One leaf, two values of it, and what is seen under each.
struct Row {
    path: &'static str,
    /// Settings that both sides of the comparison have.
    with: Value,
    to: Value,
    see: fn(&PartnerProfile) -> String,
    before: &'static str,
    after: &'static str,
}

/// `path` changed to `to` changes what `see` shows from `before` to `after`.
fn row(
    path: &'static str,
    to: Value,
    see: fn(&PartnerProfile) -> String,
    before: &'static str,
    after: &'static str,
) -> Row {
    Row { path, with: json!({}), to, see, before, after }
}

impl Row {
    fn with(mut self, settings: Value) -> Self {
        self.with = settings;
        self
    }

    fn also(mut self, path: &str, to: Value) -> Self {
        self.with[path] = to;
        self
    }

    fn check(&self) {
        let mut terms = base();
        merge(&mut terms, &self.with);
        let seen = |terms: &Value| match serde_json::from_value::<PartnerProfile>(terms.clone()) {
            Ok(profile) => (self.see)(&profile),
            Err(error) => error.to_string(),
        };
        let before = seen(&terms);
        assert!(before.contains(self.before), "{} before: {before}", self.path);
        set(&mut terms, self.path, self.to.clone());
        let after = seen(&terms);
        assert!(after.contains(self.after), "{} after: {after}", self.path);
        assert_ne!(before, after, "{} changes nothing", self.path);
    }
}

/// The profile that rows change.
fn base() -> Value {
    serde_json::to_value(profile(ALICE, BOB)).unwrap()
}

/// Sets the value at a dotted path; what is missing on the way comes into being.
fn set(terms: &mut Value, path: &str, to: Value) {
    let place = path.split('.').fold(terms, |place, name| match name.parse::<usize>() {
        Ok(index) => &mut place[index],
        Err(_) => &mut place[name],
    });
    *place = to;
}

fn merge(terms: &mut Value, settings: &Value) {
    for (path, to) in settings.as_object().unwrap() {
        set(terms, path, to.clone());
    }
}

/// Profiles that together have every field there is: optional ones are set, and each way to show credentials is used.
fn full() -> Vec<Value> {
    let methods = [
        json!("none"),
        json!({ "basic": { "user": "u", "password": "p" } }),
        json!({ "token": { "header": "Authorization", "scheme": "Bearer", "token": "t" } }),
        json!({ "query": { "parameter": "q", "token": "t" } }),
    ];
    methods.map(|method| full_with(&method)).to_vec()
}

fn full_with(method: &Value) -> Value {
    let mut terms = base();
    merge(&mut terms, &optional());
    for endpoint in ["endpoint", "receipt_endpoint"] {
        set(&mut terms, &format!("{endpoint}.auth.method"), method.clone());
        let headers =
            json!([{ "name": "x-a", "value": { "text": "a" } }, { "name": "x-b", "value": { "secret": "b" } }]);
        set(&mut terms, &format!("{endpoint}.headers"), headers);
        set(&mut terms, &format!("{endpoint}.client_certificate"), json!("tls"));
        set(&mut terms, &format!("{endpoint}.auth.refused.path"), json!("error"));
    }
    // What can be read is complete only if it is written as it was read.
    let read: PartnerProfile = serde_json::from_value(terms.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), terms);
    terms
}

/// Fields that are left out where they are not set.
fn optional() -> Value {
    json!({
        "send.receipt.asynchronous_url": "https://alice.example/receipts",
        "send.announce.version": "1.1",
        "send.announce.product": "a:1",
        "send.key_transport": "rsa-pkcs1-v1.5",
        "send.subject": "Documents",
        "send.from": "edi@alice.example",
        "accept.mdn_signature": "sha-384",
        "accept.receipt_url": "https://bob.example/receipts",
        "certificates.allow_expired_until.signing": "2027-01-01T00:00:00Z",
        "certificates.allow_expired_until.encryption": "2027-01-01T00:00:00Z",
        "certificates.allow_expired_until.verification": "2027-01-01T00:00:00Z",
        "certificates.allow_expired_until.receipts": "2027-01-01T00:00:00Z",
        "certificates.sign_with": "2026",
        "pacing.limited.path": "error",
    })
}

/// Paths of all leaves; a list of plain values is one.
fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| leaves(value, &under(name), found)),
        Value::Array(values) if values.iter().any(Value::is_object) => {
            values.iter().enumerate().for_each(|(at, value)| leaves(value, &under(&at.to_string()), found));
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

fn rows() -> Vec<Row> {
    let messages = [sent::rows(), taken::rows(), answered::rows(), judged::rows(), repeated::rows()];
    let calls = [called::rows(), paced::rows()];
    messages.into_iter().chain(calls).flatten().collect()
}

#[test]
fn every_leaf_of_a_profile_changes_what_is_seen() {
    rows().iter().for_each(Row::check);
}

#[test]
fn every_leaf_of_a_profile_has_a_row() {
    let mut there = BTreeSet::new();
    full().iter().for_each(|terms| leaves(terms, "", &mut there));
    let tried: BTreeSet<_> = rows().iter().map(|row| row.path.to_owned()).collect();
    let without_tls =
        |path: &str| !cfg!(feature = "tls") && (path.contains(".tls.") || path.ends_with(".client_certificate"));
    let untried: Vec<_> = there.difference(&tried).filter(|path| !without_tls(path)).collect();
    assert!(untried.is_empty(), "no row for {untried:?}");
    let unknown: Vec<_> = tried.difference(&there).collect();
    assert!(unknown.is_empty(), "rows for what is not there: {unknown:?}");
}
