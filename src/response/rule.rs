//! A [`FailRule`] and an answer: does the one speak of the other?

use http::StatusCode;
use memchr::memmem;
use serde_json::{Number, Value};

use crate::profile::{BodyPath, FailRule, Match};
use crate::response::xml;

/// Octets of a body that rules look at; 256 KiB. Error documents of HTTP services take a few KiB, and pages of
/// proxies some tens; a document in JSON or XML that is longer is not read, and nothing in it is found.
const SCANNED: usize = 256 << 10;

/// What in the answer the rule means, in words; `None` where the rule does not speak of it.
pub(super) fn finding(rule: &FailRule, status: StatusCode, body: &[u8]) -> Option<String> {
    let by_status = rule.status.contains(&status.as_u16()).then(|| format!("status {status}"));
    let by_body = || in_body(rule.path.as_deref()?, &rule.values, body);
    match rule.r#match {
        Match::Any => by_status.or_else(by_body),
        Match::All if rule.path.is_none() => by_status,
        Match::All if rule.status.is_empty() => by_body(),
        Match::All => by_status.zip(by_body()).map(|(status, body)| format!("{status}, and {body}")),
    }
}

/// Says only what the profile says, too: a body may repeat what nobody should read in a log.
fn in_body(path: &str, values: &[String], body: &[u8]) -> Option<String> {
    let scanned = body.get(..SCANNED).unwrap_or(body);
    let place = BodyPath::read(path).ok()?;
    if place == BodyPath::Text {
        return in_text(values, scanned);
    }
    if scanned.len() < body.len() {
        return None;
    }
    let text = std::str::from_utf8(scanned.strip_prefix(BYTE_ORDER_MARK).unwrap_or(scanned)).ok()?;
    let found = match &place {
        BodyPath::Steps(steps) if text.trim_start().starts_with('<') => xml::finding(text, steps, values),
        _ => in_json(&place, values, text),
    };
    found.map(|value| match value {
        Some(value) => format!("`{path}` in the body is {value}"),
        None => format!("`{path}` in the body is set"),
    })
}

fn in_json<'a>(place: &BodyPath<'_>, values: &'a [String], text: &str) -> Option<Option<&'a str>> {
    let json: Value = serde_json::from_str(text).ok()?;
    let said = |value: &Value| means(value, values);
    match place {
        BodyPath::Text => None,
        BodyPath::Pointer(pointer) => json.pointer(pointer).and_then(said),
        BodyPath::Steps(steps) => walk(&json, steps, &said),
    }
}

fn in_text(values: &[String], text: &[u8]) -> Option<String> {
    if values.is_empty() {
        return (!text.trim_ascii().is_empty()).then(|| "the body is not empty".to_owned());
    }
    let part = values.iter().find(|value| memmem::find(text, value.as_bytes()).is_some())?;
    Some(format!("the body contains {part}"))
}

/// Follows names and indexes. A name that meets an array is looked for in each of its elements.
fn walk<T>(value: &Value, steps: &[&str], said: &impl Fn(&Value) -> Option<T>) -> Option<T> {
    let Some((step, rest)) = steps.split_first() else { return said(value) };
    match value {
        Value::Object(fields) => walk(fields.get(*step)?, rest, said),
        Value::Array(elements) => match step.parse::<usize>() {
            Ok(index) => walk(elements.get(index)?, rest, said),
            Err(_) => elements.iter().find_map(|element| walk(element, steps, said)),
        },
        _ => None,
    }
}

/// `Some` if the value is one of these, or, without any, if there is something; the inner value is the one that it is.
fn means<'a>(value: &Value, values: &'a [String]) -> Option<Option<&'a str>> {
    if let Value::Array(elements) = value {
        return elements.iter().find_map(|element| means(element, values));
    }
    if values.is_empty() {
        return (!matches!(value, Value::Null | Value::Bool(false)) && value.as_str() != Some("")).then_some(None);
    }
    values.iter().find(|wanted| is_text(value, wanted)).map(|wanted| Some(wanted.as_str()))
}

fn is_text(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Bool(truth) => wanted == if *truth { "true" } else { "false" },
        // 1.50 is 1.5, as JSON reads it.
        Value::Number(number) => wanted.parse::<Number>().is_ok_and(|wanted| wanted == *number),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests;
