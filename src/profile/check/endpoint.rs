//! Contradictions of an endpoint: credentials that cannot travel, or that would travel to anybody.

use super::{Found, check_rule};
use crate::profile::{AuthMethod, EndpointTerms, HeaderText, SecretRef, Strictness, TlsTerms, TlsTrust};
use crate::url::HttpUrl;

/// `url` is where the endpoint stands; without one its requests go wherever the partner asks.
pub(super) fn check(place: &str, terms: &EndpointTerms, url: Option<&HttpUrl>, found: &mut Found) {
    check_rule(&format!("{place}.auth.refused"), &terms.auth.refused, found);
    check_method(place, &terms.auth.method, url, found);
    found.unless(
        terms.auth.method != AuthMethod::None || !terms.auth.refreshable,
        format!("{place}.auth.refreshable"),
        "there is nothing to refresh",
        "set `auth.method`, or leave it out",
    );
    check_headers(place, terms, found);
    check_tls(place, terms, url, found);
    found.unless(
        terms.adds_nothing() || url.is_some(),
        place,
        "there are credentials or headers for receipts, but no URL that they belong to",
        "set `accept.receipt_url`: what belongs to the partner is not shown wherever a message asks for it",
    );
}

fn check_method(place: &str, method: &AuthMethod, url: Option<&HttpUrl>, found: &mut Found) {
    let field = |name: &str| format!("{place}.auth.method.{name}");
    match method {
        AuthMethod::None => {}
        AuthMethod::Basic { user, password } => {
            let clear = !user.contains(':') && !user.chars().any(char::is_control);
            found.unless(clear, field("basic.user"), "it contains a colon or a control character", "ask for another");
            check_secret(field("basic.password"), password, found);
        }
        AuthMethod::Token { header, scheme, token } => {
            check_header(&field("token.header"), header, found);
            let clear = is_printable(scheme) && scheme.trim() == scheme;
            found.unless(
                clear,
                field("token.scheme"),
                "it is not printable ASCII, or has a blank at an end",
                "write `Bearer`, or nothing",
            );
            check_secret(field("token.token"), token, found);
        }
        AuthMethod::Query { parameter, token } => {
            found.unless(!parameter.is_empty(), field("query.parameter"), "it is empty", "name the parameter");
            let query = url.and_then(|url| url.uri().query()).unwrap_or_default();
            let taken = query.split('&').any(|pair| pair.split('=').next() == Some(parameter));
            found.unless(
                parameter.is_empty() || !taken,
                field("query.parameter"),
                "the URL has this parameter already",
                "take it out of the URL: a token is no part of a profile",
            );
            check_secret(field("query.token"), token, found);
        }
    }
}

fn check_secret(field: String, secret: &SecretRef, found: &mut Found) {
    found.unless(!secret.name().is_empty(), field, "the secret has no name", "name the secret");
}

fn check_headers(place: &str, terms: &EndpointTerms, found: &mut Found) {
    let mut names: Vec<String> = terms.auth.method.header().into_iter().map(str::to_ascii_lowercase).collect();
    for (at, header) in terms.headers.iter().enumerate() {
        let field = format!("{place}.headers[{at}]");
        check_header(&field, &header.name, found);
        let lower = header.name.to_ascii_lowercase();
        found.unless(
            !names.contains(&lower),
            &*field,
            format!("`{}` is there already", header.name),
            "write each name once, and none that carries the credentials",
        );
        names.push(lower);
        match &header.value {
            HeaderText::Text(text) => found.unless(
                is_printable(text),
                &*field,
                "its value is not printable ASCII on one line",
                "write it in ASCII",
            ),
            HeaderText::Secret(secret) => check_secret(field, secret, found),
        }
    }
}

fn check_tls(place: &str, terms: &EndpointTerms, url: Option<&HttpUrl>, found: &mut Found) {
    let tls = &terms.tls;
    let plain = url.is_some_and(|url| !url.is_https());
    found.unless(
        !plain || terms.client_certificate.is_none(),
        format!("{place}.client_certificate"),
        "it cannot be shown to an http URL",
        "write an https URL, or leave it out",
    );
    found.unless(
        terms.client_certificate.as_deref() != Some(""),
        format!("{place}.client_certificate"),
        "it is empty",
        "name the TLS identity, or leave it out",
    );
    found.unless(
        !plain || *tls == TlsTerms::default(),
        format!("{place}.tls"),
        "an http URL has no TLS",
        "write an https URL, or leave it out",
    );
    found.unless(
        !tls.versions.is_empty(),
        format!("{place}.tls.versions"),
        "there is none",
        "write \"1.2\", \"1.3\" or both",
    );
    found.unless(
        tls.trust == TlsTrust::Pinned || tls.dates == Strictness::Refuse,
        format!("{place}.tls.dates"),
        "certificates under roots always count by their dates",
        "pin the certificate with `tls.trust`, or leave it out",
    );
}

/// A header that an endpoint may ask for; those that carry the message are not for it to set.
fn check_header(field: &str, name: &str, found: &mut Found) {
    let valid = name.parse::<http::HeaderName>().is_ok();
    found.unless(valid, field, format!("`{name}` is not the name of a header field"), "write a name as in RFC 9110");
    let lower = name.to_ascii_lowercase();
    found.unless(!RESERVED.contains(&&*lower), field, format!("`{name}` is set by the message itself"), "leave it out");
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|octet| (b' '..=b'~').contains(&octet))
}

/// Header fields that belong to the message or to its transport.
const RESERVED: [&str; 24] = [
    "as2-from",
    "as2-product",
    "as2-to",
    "as2-version",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-transfer-encoding",
    "content-type",
    "date",
    "disposition-notification-options",
    "disposition-notification-to",
    "ediint-features",
    "expect",
    "host",
    "message-id",
    "mime-version",
    "receipt-delivery-option",
    "subject",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
