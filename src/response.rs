//! What an HTTP answer means before anybody looks for a receipt in it, whatever was posted: a message or a receipt
//! (RFC 4130 sections 5.4 and 5.5, RFC 9110 section 15).

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::name::printable;
use crate::profile::{EndpointTerms, FailRule, PacingTerms};
use crate::stored::Instant;

mod retry_after;
mod rule;
mod xml;

/// What the agreement says about answers of one endpoint.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    refused: &'a FailRule,
    limited: &'a FailRule,
    wait: Duration,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(endpoint: &'a EndpointTerms, pacing: &'a PacingTerms) -> Self {
        Self { refused: &endpoint.auth.refused, limited: &pacing.limited, wait: pacing.wait }
    }
}

/// Why what was posted is not known to have been taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Wait { until: SystemTime, reason: String },
    Retry { reason: String },
    AuthRefused { status: StatusCode, reason: String },
    Redirect { status: StatusCode, location: Option<String> },
    Stop { reason: String },
}

/// `Ok` where the status is 2xx and no rule speaks of the answer. Without `rules` the status alone decides: a body
/// that is a receipt is not searched for error codes.
pub(crate) fn judge(response: &Response<Bytes>, rules: Option<Rules<'_>>, now: SystemTime) -> Result<(), Trouble> {
    let (status, body) = (response.status(), response.body());
    if let Some(rules) = rules {
        if let Some(reason) = rule::finding(rules.refused, status, body) {
            return Err(Trouble::AuthRefused { status, reason });
        }
        if let Some(reason) = rule::finding(rules.limited, status, body) {
            let until = retry_after::retry_after(response.headers(), now);
            return Err(Trouble::Wait { until: until.unwrap_or(Instant(now).after(rules.wait).0), reason });
        }
    }
    by_status(response, now)
}

/// RFC 4130 section 5.5: what may be repeated, and what may not.
fn by_status(response: &Response<Bytes>, now: SystemTime) -> Result<(), Trouble> {
    let status = response.status();
    let reason = format!("status {status}");
    Err(match status.as_u16() {
        200..=299 => return Ok(()),
        // No final answer came (RFC 9110 section 15.2): all is as if the connection had broken.
        100..=199 => Trouble::Retry { reason: format!("{reason}, and no final one after it") },
        300..=399 => {
            let location = response.headers().get(http::header::LOCATION);
            // Servers that send everything from http to https repeat the query, which may hold a token.
            let location = location.map(|url| String::from_utf8_lossy(url.as_bytes()).into_owned());
            let location = location.map(|url| match url.split_once('?') {
                Some((place, _)) => printable(&format!("{place}?...")),
                None => printable(&url),
            });
            Trouble::Redirect { status, location }
        }
        407 => Trouble::AuthRefused { status, reason },
        408 | 425 | 429 | 500..=599 => match retry_after::retry_after(response.headers(), now) {
            Some(until) => Trouble::Wait { until, reason },
            None => Trouble::Retry { reason },
        },
        _ => Trouble::Stop { reason },
    })
}
