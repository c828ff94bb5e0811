//! Contradictions inside a profile, all of them at once. What needs certificates is checked by
//! [`PartnerBuilder::build`](crate::PartnerBuilder::build).

use std::fmt;
use std::time::Duration;

mod announce;
mod endpoint;

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm, KeyTransport};
use crate::profile::{BodyPath, FailRule, Match, PartnerProfile, ReceiptKind};

/// A setting that cannot work, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Contradiction {
    /// The field of the profile, as in `send.receipt.asynchronous_url`.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What mends it.
    pub remedy: String,
}

impl Contradiction {
    pub(crate) fn new(field: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}; {}", self.field, self.problem, self.remedy)
    }
}

impl PartnerProfile {
    /// Everything in the profile that contradicts itself. Empty for a profile that can work with the right certificates.
    #[must_use]
    pub fn contradictions(&self) -> Vec<Contradiction> {
        let mut found = Found::default();
        self.check_names(&mut found);
        self.check_sending(&mut found);
        self.check_answers(&mut found);
        endpoint::check("endpoint", &self.endpoint, Some(&self.url), &mut found);
        endpoint::check("receipt_endpoint", &self.receipt_endpoint, self.accept.receipt_url.as_ref(), &mut found);
        self.check_pacing(&mut found);
        self.check_delivery(&mut found);
        self.certificates.check(&mut found);
        found.0
    }

    fn check_names(&self, found: &mut Found) {
        found.unless(
            self.us != self.them,
            "us",
            "it is the same name as `them`",
            "each side has a name of its own; ask the partner for his",
        );
        let domain = &self.message_id_domain;
        let writable = (1..=40).contains(&domain.len())
            && domain.bytes().all(|octet| octet.is_ascii_alphanumeric() || b".-".contains(&octet));
        found.unless(
            writable,
            "message_id_domain",
            "it is not 1 to 40 letters, digits, dots and hyphens",
            "write a host name of ours",
        );
    }

    fn check_sending(&self, found: &mut Found) {
        let send = &self.send;
        let receipt = &send.receipt;
        found.unless(
            receipt.kind != ReceiptKind::None || receipt.asynchronous_url.is_none(),
            "send.receipt.asynchronous_url",
            "it is set, but no receipt is asked for",
            "set `send.receipt.kind`, or leave the URL out",
        );
        found.unless(
            send.encrypt.is_none_or(CipherAlgorithm::is_written),
            "send.encrypt",
            "it is RC2, which this crate only reads",
            "agree on aes256-cbc, which every product reads",
        );
        found.unless(
            send.key_transport.is_none_or(KeyTransport::is_written),
            "send.key_transport",
            "its digest is one that this crate only reads",
            "agree on rsa-oaep-sha256 or ecdh-sha256, or leave it out",
        );
        found.unless(
            !send.originator_copy || send.encrypt.is_some(),
            "send.originator_copy",
            "it is set, but nothing is encrypted",
            "set `send.encrypt`, or leave it out",
        );
        found.unless(
            send.sign.is_none_or(DigestAlgorithm::is_strong),
            "send.sign",
            unsigned(send.sign),
            "agree on sha-256",
        );
        self.check_announcement(found);
        let text = |text: &Option<String>| text.as_deref().is_none_or(|text| !text.chars().any(char::is_control));
        let (field, problem) = ("send.subject", "it contains a control character");
        found.unless(text(&send.subject), field, problem, "write one line of text");
        let address = |from: &String| !from.is_empty() && from.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        found.unless(
            send.from.as_ref().is_none_or(address),
            "send.from",
            "it is not printable ASCII on one line",
            "write an e-mail address, or leave it out",
        );
    }

    fn check_answers(&self, found: &mut Found) {
        let accept = &self.accept;
        found.unless(
            matches!(accept.asynchronous_status, 200 | 202 | 204),
            "accept.asynchronous_status",
            "it is not 200, 202 or 204",
            "write 200, which every product takes",
        );
        found.unless(
            accept.mdn_signature.is_none_or(DigestAlgorithm::is_strong),
            "accept.mdn_signature",
            unsigned(accept.mdn_signature),
            "leave it out, or write sha-256",
        );
    }

    fn check_pacing(&self, found: &mut Found) {
        let pacing = &self.pacing;
        check_rule("pacing.limited", &pacing.limited, found);
        found.unless(
            pacing.wait > Duration::ZERO,
            "pacing.wait",
            "it is no time, so that a partner who is called too often would be called again at once",
            "write at least a second",
        );
        found.unless(
            pacing.concurrency == 0 || pacing.longest_call > Duration::ZERO,
            "pacing.longest_call",
            "it is no time, and `pacing.concurrency` counts calls for so long",
            "write more than the time limit of the HTTP client",
        );
        found.unless(
            pacing.calls == 0 || pacing.interval > Duration::ZERO,
            "pacing.interval",
            "it is no time, and `pacing.calls` counts calls in it",
            "write a span of time, or leave `pacing.calls` at 0",
        );
    }

    fn check_delivery(&self, found: &mut Found) {
        let retry = &self.delivery.retry;
        found.unless(retry.attempts > 0, "delivery.retry.attempts", "nothing would be sent", "write at least 1");
        found.unless(
            retry.factor > 0,
            "delivery.retry.factor",
            "it is 0, so that all waits but the first would be no time",
            "write 1 for equal waits, 2 for doubled ones",
        );
        found.unless(
            retry.first_wait > Duration::ZERO || retry.attempts <= 1,
            "delivery.retry.first_wait",
            "it is no time",
            "write at least a second",
        );
        found.unless(
            retry.first_wait <= retry.longest_wait,
            "delivery.retry.longest_wait",
            "it is shorter than the first wait",
            "make it at least as long",
        );
        found.unless(
            self.delivery.receipt_deadline > Duration::ZERO || self.send.receipt.asynchronous_url.is_none(),
            "delivery.receipt_deadline",
            "it is no time, and receipts are asked for asynchronously",
            "write how long the partner may take",
        );
        found.unless(retry.jitter_percent <= 100, "delivery.retry.jitter_percent", "it is over 100", "write 0 to 100");
        let duplicates = &self.delivery.duplicates;
        found.unless(
            duplicates.keep > Duration::ZERO,
            "delivery.duplicates.keep",
            "it is no time, so that every message that comes again would be a new one",
            "write at least the days over which the partner tries again",
        );
        found.unless(
            duplicates.busy_wait > Duration::ZERO,
            "delivery.duplicates.busy_wait",
            "it is no time",
            "write at least a second",
        );
    }
}

fn unsigned(digest: Option<DigestAlgorithm>) -> String {
    digest.map(|digest| format!("it is {digest}, which this crate does not sign with")).unwrap_or_default()
}

fn check_rule(place: &str, rule: &FailRule, found: &mut Found) {
    found.unless(
        rule.path.is_some() || rule.values.is_empty(),
        format!("{place}.values"),
        "there are values, but no `path` to look for them",
        "add a `path`, such as `error.code` or `$text`",
    );
    if let Some(problem) = rule.path.as_deref().and_then(|path| BodyPath::read(path).err()) {
        let remedy = "write a JSON pointer, a dotted path or `$text`, or leave it out";
        found.unless(false, format!("{place}.path"), problem, remedy);
    }
    found.unless(
        rule.path.as_deref() != Some("$text") || rule.values.iter().all(|value| !value.is_empty()),
        format!("{place}.values"),
        "one of them is empty, and every text contains nothing",
        "write a part of the text",
    );
    found.unless(
        rule.r#match != Match::All || (rule.path.is_some() && !rule.status.is_empty()),
        format!("{place}.match"),
        "all conditions must hold, but there is only one",
        "set both `status` and `path`, or leave `match` out",
    );
    found.unless(
        rule.r#match == Match::All || !rule.status.iter().any(|status| (200..=299).contains(status)),
        format!("{place}.status"),
        "every answer of success would count as this failure",
        "add a `path` and `match = \"all\"`, or leave 2xx out",
    );
    let known = rule.status.iter().all(|status| (100..=599).contains(status));
    found.unless(known, format!("{place}.status"), "it is not an HTTP status", "write numbers from 100 to 599");
}

/// What was found so far.
#[derive(Default)]
pub(crate) struct Found(pub(crate) Vec<Contradiction>);

impl Found {
    pub(crate) fn unless(
        &mut self,
        holds: bool,
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if !holds {
            self.0.push(Contradiction::new(field, problem, remedy));
        }
    }
}
