//! What an HTTP answer means under an agreement: a truth table of everything that decides, and each clause by itself.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "support/by_hand.rs"]
mod by_hand;
#[path = "support/dissect.rs"]
mod dissect;
#[path = "support/receipts.rs"]
mod receipts;
mod support;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;
use receipts::*;
use support::*;

use as2_protocol::*;

/// What is posted, and what is to come for it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wish {
    NoReceipt,
    InTheAnswer,
    Later,
    /// A receipt of ours is posted.
    OurReceipt,
}

/// A body, and what the table knows of it without reading it.
struct Body {
    content_type: &'static str,
    text: Bytes,
    is_receipt: bool,
    /// It says `auth` at the place where the rule for refused credentials looks.
    says_auth: bool,
    /// It says `rate` at the place where the rule for limits looks.
    says_rate: bool,
}

/// One of the two rules.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// As a new profile has it: 401 or 429.
    Usual,
    /// Other statuses: 403 and 503, or 403 and 420.
    Replaced,
    /// No status at all.
    Nothing,
    /// The usual status, or the body.
    OrBody,
    /// The body alone.
    Body,
    /// Status 200 or 500 together with the body.
    AndBody,
}

const RULES: [Rule; 6] = [Rule::Usual, Rule::Replaced, Rule::Nothing, Rule::OrBody, Rule::Body, Rule::AndBody];

/// Every class, and every status that is special to somebody.
const STATUSES: [u16; 46] = [
    100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 226, 299, 300, 301, 302, 303, 304, 307, 308, 399, 400, 401,
    402, 403, 404, 405, 407, 408, 409, 413, 415, 420, 421, 422, 425, 429, 431, 451, 499, 500, 501, 502, 503, 504, 600,
];

fn bodies() -> Vec<Body> {
    let body = |content_type, text: &str, says_auth, says_rate| Body {
        content_type,
        text: Bytes::copy_from_slice(text.as_bytes()),
        is_receipt: false,
        says_auth,
        says_rate,
    };
    let json = "application/json";
    let receipt = unsigned(&fields(PROCESSED, None, "Error-Code: auth rate\r\n"));
    vec![
        body("text/plain", "", false, false),
        body("text/plain", "auth and rate, but in no JSON", false, false),
        body("text/html", "<html><body>rate limit</body></html>", false, false),
        body(json, r#"{"error":{"code":"other"}}"#, false, false),
        body(json, r#"{"error":{"code":"auth"}}"#, true, false),
        body(json, r#"{"error":{"code":"rate"}}"#, false, true),
        body(json, r#"{"error":{"code":["rate","auth"]}}"#, true, true),
        body(json, r#"{"error":{"code":"auth"}"#, false, false),
        Body {
            content_type: "multipart/report; report-type=disposition-notification; boundary=r",
            text: receipt.body().clone(),
            is_receipt: true,
            says_auth: true,
            says_rate: true,
        },
    ]
}

/// The rule in a profile; `usual` is the status that it has there.
fn write(rule: Rule, into: &mut FailRule, replaced: &[u16], value: &str) {
    match rule {
        Rule::Usual => return,
        Rule::Replaced => into.status = replaced.to_vec(),
        Rule::Nothing | Rule::Body => into.status = vec![],
        Rule::OrBody => {}
        Rule::AndBody => (into.status, into.r#match) = (vec![200, 500], Match::All),
    }
    if matches!(rule, Rule::OrBody | Rule::Body | Rule::AndBody) {
        into.path = Some("error.code".to_owned());
        into.values = vec!["something".to_owned(), value.to_owned()];
    }
}

/// The rule in words.
fn holds(rule: Rule, status: u16, usual: u16, replaced: &[u16], said: bool) -> bool {
    match rule {
        Rule::Usual => status == usual,
        Rule::Replaced => replaced.contains(&status),
        Rule::Nothing => false,
        Rule::OrBody => status == usual || said,
        Rule::Body => said,
        Rule::AndBody => [200, 500].contains(&status) && said,
    }
}

/// What shall come out; the numbers are seconds to wait.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    Settled,
    Awaiting,
    Transferred,
    NoReceipt,
    Wait(u64),
    Retry,
    AuthRefused,
    Redirect,
    Stop,
}

const AUTH_REPLACED: [u16; 1] = [403];
const RATE_REPLACED: [u16; 3] = [403, 420, 503];
const RETRY_AFTER: u64 = 7;
const PACING_WAIT: u64 = 90;

fn expected(wish: Wish, auth: Rule, rate: Rule, status: u16, later: bool, body: &Body) -> Expected {
    if body.is_receipt && matches!(wish, Wish::InTheAnswer | Wish::Later) {
        return Expected::Settled;
    }
    if !body.is_receipt {
        if holds(auth, status, 401, &AUTH_REPLACED, body.says_auth) {
            return Expected::AuthRefused;
        }
        if holds(rate, status, 429, &RATE_REPLACED, body.says_rate) {
            return Expected::Wait(if later { RETRY_AFTER } else { PACING_WAIT });
        }
    }
    match status {
        200..=299 => match wish {
            Wish::NoReceipt | Wish::OurReceipt => Expected::Transferred,
            Wish::InTheAnswer => Expected::NoReceipt,
            Wish::Later => Expected::Awaiting,
        },
        100..=199 => Expected::Retry,
        300..=399 => Expected::Redirect,
        407 => Expected::AuthRefused,
        408 | 425 | 429 | 500..=599 if later => Expected::Wait(RETRY_AFTER),
        408 | 425 | 429 | 500..=599 => Expected::Retry,
        _ => Expected::Stop,
    }
}

fn seen(outcome: &SendOutcome) -> Expected {
    match outcome {
        SendOutcome::Settled(_) => Expected::Settled,
        SendOutcome::Awaiting => Expected::Awaiting,
        SendOutcome::Transferred => Expected::Transferred,
        SendOutcome::NoReceipt { .. } => Expected::NoReceipt,
        SendOutcome::Wait { until, .. } => Expected::Wait(until.duration_since(now()).unwrap().as_secs()),
        SendOutcome::Retry { .. } => Expected::Retry,
        SendOutcome::AuthRefused { .. } => Expected::AuthRefused,
        SendOutcome::Redirect { .. } => Expected::Redirect,
        SendOutcome::Stop { .. } => Expected::Stop,
        other => panic!("{other:?}"),
    }
}

fn advice(expected: Expected) -> Option<Advice> {
    Some(match expected {
        Expected::Settled => return None,
        Expected::Awaiting => Advice::Wait,
        Expected::Transferred => Advice::Done,
        Expected::NoReceipt | Expected::Wait(_) | Expected::Retry => Advice::RetrySameId,
        Expected::AuthRefused => Advice::FixAccess,
        Expected::Redirect | Expected::Stop => Advice::DoNotResend,
    })
}

/// Whatever was posted, as one function of the answer.
struct Post {
    wish: Wish,
    message: PendingReceipt,
    receipt: PendingMdn,
}

impl Post {
    fn of(wish: Wish) -> Self {
        let json = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pending_mdn.json")).unwrap();
        let kind = if wish == Wish::NoReceipt { ReceiptKind::None } else { ReceiptKind::Unsigned };
        Self { wish, message: waiting(kind, wish == Wish::Later), receipt: serde_json::from_slice(&json).unwrap() }
    }

    fn answered(
        &self,
        answer: Result<&Response<Bytes>, TransportFailure>,
        partner: &Partner,
        now: SystemTime,
    ) -> SendOutcome {
        match self.wish {
            Wish::OurReceipt => self.receipt.on_response(answer, partner, now),
            _ => self.message.on_response(answer, partner, now),
        }
    }

    /// The rule for refused credentials of the endpoint that it goes to.
    fn refused(wish: Wish, profile: &mut PartnerProfile) -> &mut FailRule {
        match wish {
            Wish::OurReceipt => &mut profile.receipt_endpoint.auth.refused,
            _ => &mut profile.endpoint.auth.refused,
        }
    }
}

const WISHES: [Wish; 4] = [Wish::NoReceipt, Wish::InTheAnswer, Wish::Later, Wish::OurReceipt];

fn answer(status: u16, later: bool, body: &Body) -> Response<Bytes> {
    let mut response = Response::builder().status(status).header("content-type", body.content_type);
    if later {
        response = response.header("retry-after", RETRY_AFTER.to_string());
    }
    response.body(body.text.clone()).unwrap()
}

fn partner(wish: Wish, auth: Rule, rate: Rule) -> Partner {
    let mut terms = profile(ALICE, BOB);
    write(auth, Post::refused(wish, &mut terms), &AUTH_REPLACED, "auth");
    write(rate, &mut terms.pacing.limited, &RATE_REPLACED, "rate");
    terms.pacing.wait = Duration::from_secs(PACING_WAIT);
    worked_partner(terms, "bob")
}

/// {what was posted} x {rule for credentials} x {rule for limits} x {status} x {body} x {Retry-After}.
#[test]
fn y02_r11_every_combination_has_one_meaning() {
    let bodies = bodies();
    let mut rows = 0;
    for wish in WISHES {
        let post = Post::of(wish);
        for (auth, rate) in RULES.iter().flat_map(|auth| RULES.iter().map(move |rate| (*auth, *rate))) {
            let partner = partner(wish, auth, rate);
            for status in STATUSES {
                for (number, body) in bodies.iter().enumerate() {
                    for later in [false, true] {
                        let outcome = post.answered(Ok(&answer(status, later, body)), &partner, now());
                        let shall = expected(wish, auth, rate, status, later, body);
                        let row = format!("{wish:?}, auth {auth:?}, rate {rate:?}, {status}, body {number}, {later}");
                        assert_eq!(seen(&outcome), shall, "{row}: {outcome:?}");
                        assert!(advice(shall).is_none_or(|advice| advice == outcome.advice()), "{row}");
                        rows += 1;
                    }
                }
            }
            let broken = post.answered(Err(TransportFailure::new("reset")), &partner, now());
            assert_eq!(seen(&broken), Expected::Retry, "Y-01");
        }
    }
    assert_eq!(rows, 4 * 36 * 46 * 9 * 2);
}

fn meaning(set: impl FnOnce(&mut PartnerProfile), answer: &Response<Bytes>) -> SendOutcome {
    let mut terms = profile(ALICE, BOB);
    set(&mut terms);
    waiting(ReceiptKind::Unsigned, true).on_response(Ok(answer), &worked_partner(terms, "bob"), now())
}

fn json(status: u16, body: &str) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

#[test]
fn the_reason_is_told() {
    let reason = |outcome: SendOutcome| match outcome {
        SendOutcome::Wait { reason, .. } | SendOutcome::AuthRefused { reason, .. } => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(meaning(|_| {}, &json(429, ""))), "status 429 Too Many Requests");
    assert_eq!(reason(meaning(|_| {}, &json(401, ""))), "status 401 Unauthorized");
    let by_code = |profile: &mut PartnerProfile| {
        profile.pacing.limited.path = Some("errors.code".to_owned());
        profile.pacing.limited.values = vec!["TOO_MANY".to_owned()];
    };
    let body = r#"{"errors":[{"code":"OTHER"},{"code":"TOO_MANY","detail":"key s3cret"}]}"#;
    assert_eq!(reason(meaning(by_code, &json(200, body))), "`errors.code` in the body is TOO_MANY");
}

#[test]
fn retry_after_in_every_form_beats_the_profile() {
    let until = |value: &str| {
        let mut answer = json(429, "");
        answer.headers_mut().insert("retry-after", value.parse().unwrap());
        match meaning(|profile| profile.pacing.wait = Duration::from_secs(90), &answer) {
            SendOutcome::Wait { until, .. } => until.duration_since(now()).unwrap().as_secs(),
            other => panic!("{other:?}"),
        }
    };
    for value in ["30", "Tue, 24 Nov 2026 00:00:30 GMT", "Tuesday, 24-Nov-26 00:00:30 GMT", "Tue Nov 24 00:00:30 2026"]
    {
        assert_eq!(until(value), 30, "{value}");
    }
    assert_eq!(until("soon"), 90);
    assert_eq!(until("31536000"), 24 * 3600);
    let huge = meaning(|profile| profile.pacing.wait = Duration::MAX, &json(429, ""));
    assert!(matches!(huge, SendOutcome::Wait { until, .. } if until > now()), "{huge:?}");
}

#[test]
fn r12_a_redirect_is_shown_and_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let mut answer = json(status, "");
        let bare = meaning(|_| {}, &answer);
        assert!(matches!(&bare, SendOutcome::Redirect { location: None, .. }), "{bare:?}");
        answer.headers_mut().insert("location", "https://evil.example/?token=s3cret".parse().unwrap());
        match meaning(|_| {}, &answer) {
            SendOutcome::Redirect { status: told, location } => {
                assert_eq!((told.as_u16(), location.as_deref()), (status, Some("https://evil.example/?...")));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn r10_an_interim_answer_decides_nothing() {
    for status in [100, 102, 103] {
        assert_eq!(meaning(|_| {}, &json(status, "")).advice(), Advice::RetrySameId, "{status}");
    }
}

/// A status that is not written stays; an empty list means none.
#[test]
fn rules_replace_the_status_only_where_it_is_written() {
    let read = |rule: &str| {
        let text = format!(
            "version = 1\nus = \"a\"\nthem = \"b\"\nurl = \"https://b.example/\"\n[pacing]\nlimited = {rule}\n[endpoint.auth]\nrefused = {rule}"
        );
        let profile: PartnerProfile = toml::from_str(&text).map_err(|error| error.to_string())?;
        let written: PartnerProfile = toml::from_str(&toml::to_string(&profile).unwrap()).unwrap();
        assert_eq!(written, profile, "comes back as it was read");
        Ok::<_, String>((profile.pacing.limited.status, profile.endpoint.auth.refused.status))
    };
    assert_eq!(read("{ path = \"error\" }"), Ok((vec![429], vec![401])));
    assert_eq!(read("{ path = \"error\", status = [] }"), Ok((vec![], vec![])));
    assert_eq!(read("{ status = [403] }"), Ok((vec![403], vec![403])));
    assert!(read("{ staus = [403] }").unwrap_err().contains("unknown field `staus`"));
    assert!(read("{ status = [70000] }").unwrap_err().contains("70000"));
    assert!(read("{ match = \"both\" }").unwrap_err().contains("`both`"));
}

type Change<'a> = &'a dyn Fn(&mut FailRule);

#[test]
fn rules_that_cannot_work_are_contradictions() {
    let found = |set: Change<'_>| {
        let mut terms = profile(ALICE, BOB);
        set(&mut terms.pacing.limited);
        set(&mut terms.endpoint.auth.refused);
        set(&mut terms.receipt_endpoint.auth.refused);
        let fields: Vec<_> = terms.contradictions().into_iter().map(|found| found.field).collect();
        fields
    };
    let everywhere = |field: &str| {
        ["endpoint.auth.refused", "receipt_endpoint.auth.refused", "pacing.limited"]
            .map(|rule| format!("{rule}.{field}"))
    };
    let cases: [(&str, Change<'_>); 8] = [
        ("values", &|rule| rule.values = vec!["x".to_owned()]),
        ("values", &|rule| (rule.path, rule.values) = (Some("$text".to_owned()), vec![String::new()])),
        ("path", &|rule| rule.path = Some(String::new())),
        ("path", &|rule| rule.path = Some("error..code".to_owned())),
        ("status", &|rule| rule.status = vec![42]),
        ("status", &|rule| rule.status = vec![429, 200]),
        ("match", &|rule| rule.r#match = Match::All),
        ("match", &|rule| {
            (rule.r#match, rule.status, rule.path) = (Match::All, vec![], Some("error".to_owned()));
        }),
    ];
    for (number, (field, set)) in cases.into_iter().enumerate() {
        assert_eq!(found(set), everywhere(field), "case {number}");
    }
    assert_eq!(found(&|rule| rule.path = Some("/error/0".to_owned())), Vec::<String>::new());
}
