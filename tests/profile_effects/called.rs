//! What a profile changes about calls to the partner's endpoints: credentials, further headers, TLS.

use serde_json::{Value, json};

use crate::sent::order;
use crate::support::*;
use crate::{Row, row};

use as2_protocol::crypto::SecretBytes;
use as2_protocol::*;

type See = fn(&PartnerProfile) -> String;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = credentials("endpoint", request);
    rows.extend(credentials("receipt_endpoint", receipt));
    #[cfg(feature = "tls")]
    rows.extend(tls::rows());
    rows
}

/// A path under the endpoint at `place`.
fn under(place: &str, path: &str) -> &'static str {
    format!("{place}.{path}").leak()
}

fn credentials(place: &str, see: See) -> Vec<Row> {
    let method = |method: Value| json!({ under(place, "auth.method"): method });
    let basic = || method(json!({ "basic": { "user": "Aladdin", "password": "open" } }));
    let token = || method(json!({ "token": { "token": "first" } }));
    let query = || method(json!({ "query": { "parameter": "key", "token": "first" } }));
    let header = |value: Value| json!({ under(place, "headers"): [{ "name": "x-a", "value": value }] });
    let two = json!([{ "name": "x-a", "value": { "text": "a" } }, { "name": "x-b", "value": { "secret": "first" } }]);
    let two = || json!({ under(place, "headers"): two.clone() });
    let basic_path = |name: &str| under(place, &format!("auth.method.basic.{name}"));
    let token_path = |name: &str| under(place, &format!("auth.method.token.{name}"));
    let query_path = |name: &str| under(place, &format!("auth.method.query.{name}"));
    let shown = "authorization: Bearer secret of first;";
    let rows = vec![
        row(under(place, "auth.method"), json!({ "token": { "token": "first" } }), see, "", shown),
        // RFC 7617: user and password in base64.
        row(basic_path("user"), json!("Bob"), see, "Basic QWxhZGRpbj", "Basic Qm9iOn").with(basic()),
        row(basic_path("password"), json!("other"), see, "b3Blbg==;", "b3RoZXI=;").with(basic()),
        row(token_path("header"), json!("X-Key"), see, shown, "x-key: Bearer secret of first;").with(token()),
        row(token_path("scheme"), json!("Token"), see, shown, "authorization: Token secret").with(token()),
        row(token_path("token"), json!("second"), see, shown, "Bearer secret of second;").with(token()),
        row(query_path("parameter"), json!("k"), see, "?key=secret%20of%20first", "?k=secret%20of").with(query()),
        row(query_path("token"), json!("second"), see, "?key=secret%20of%20first", "%20second").with(query()),
        row(under(place, "headers.0.name"), json!("x-c"), see, "x-a: a;", "x-c: a;")
            .with(header(json!({ "text": "a" }))),
        row(under(place, "headers.0.value.text"), json!("b"), see, "x-a: a;", "x-a: b;")
            .with(header(json!({ "text": "a" }))),
        row(under(place, "headers.1.name"), json!("x-d"), see, "x-b: secret", "x-d: secret").with(two()),
        row(under(place, "headers.1.value.secret"), json!("second"), see, "x-b: secret of first;", "of second;")
            .with(two()),
    ];
    rows.into_iter().map(|row| row.also("accept.receipt_url", json!("https://alice.example/receipts"))).collect()
}

fn secret(name: &SecretRef) -> Option<SecretBytes> {
    Some(SecretBytes::new(format!("secret of {}", name.name()).into_bytes()))
}

/// The URL, and the header fields that the stored request does not have.
fn shown(stored: &StoredRequest, request: Result<http::Request<bytes::Bytes>, AuthorizeError>) -> String {
    let request = request.unwrap();
    let added = request.headers().iter().filter(|(name, _)| stored.header(name.as_str()).is_none());
    let fields = added.map(|(name, value)| format!("{name}: {};", value.to_str().unwrap()));
    format!("{} {}", request.uri(), fields.collect::<Vec<_>>().join(" "))
}

fn request(terms: &PartnerProfile) -> String {
    let stored = order(terms).unwrap().request;
    shown(&stored, worked_partner(terms.clone(), "bob").authorize(&stored, secret))
}

fn receipt(terms: &PartnerProfile) -> String {
    let posted = crate::paced::posted();
    shown(&posted.request, worked_partner(terms.clone(), "bob").authorize_receipt(&posted, secret))
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use crate::made::*;
    use as2_protocol::tls::*;

    pub(super) fn rows() -> Vec<Row> {
        let message: [See; 3] = [
            |terms| at(&terms.endpoint, CURRENT),
            |terms| at(&terms.endpoint, EXPIRED),
            |terms| asked(&terms.endpoint),
        ];
        let receipt: [See; 3] = [
            |terms| at(&terms.receipt_endpoint, CURRENT),
            |terms| at(&terms.receipt_endpoint, EXPIRED),
            |terms| asked(&terms.receipt_endpoint),
        ];
        [("endpoint", message), ("receipt_endpoint", receipt)]
            .into_iter()
            .flat_map(|(place, see)| at_place(place, see))
            .collect()
    }

    fn at_place(place: &str, [current, expired, asked]: [See; 3]) -> Vec<Row> {
        let pinned = || json!({ under(place, "tls.trust"): "pinned" });
        vec![
            row(under(place, "tls.trust"), json!("pinned"), current, "CERT_REFUSED", "TLSv1_3"),
            row(under(place, "tls.versions"), json!(["1.2"]), current, "TLSv1_3", "TLSv1_2").with(pinned()),
            row(under(place, "tls.dates"), json!("warn"), expired, "CERT_HAS_EXPIRED", "TLSv1_3").with(pinned()),
            row(under(place, "client_certificate"), json!("ours"), asked, "CERT_MISSING", "CN=alice tls")
                .with(pinned()),
        ]
    }

    /// A connection to a server whose certificate names something else; it asks for no certificate.
    fn at(terms: &EndpointTerms, years: std::ops::RangeInclusive<i32>) -> String {
        met(terms, &self_signed("other.example", 2, years), None)
    }

    /// A connection to a server that asks for our certificate.
    fn asked(terms: &EndpointTerms) -> String {
        met(terms, &self_signed("bob.example", 2, CURRENT), Some(&self_signed("alice tls", 1, CURRENT)))
    }

    fn met(terms: &EndpointTerms, server: &Issued, client: Option<&Issued>) -> String {
        let ours = [self_signed("alice tls", 1, CURRENT).identity("ours")];
        let tls = TlsClient::new(terms, server.alone(), &ours, &backend()).unwrap();
        let mut accepting = TlsTerms::default();
        accepting.trust = TlsTrust::Pinned;
        let server = TlsServer::new(&accepting, &server.identity("s"), client.map(Issued::alone), &backend()).unwrap();
        let mut pair = Pair::new(tls.config(), server.config(), "bob.example");
        match pair.pump().client {
            Ok(()) => format!("{:?} {:?}", pair.client.protocol_version(), as2_protocol::tls::shown(&pair.server)),
            Err(error) => tls.fault(&error).unwrap().code().to_owned(),
        }
    }
}
