//! Credentials of endpoints: what a request carries, where to, and what never holds them.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

mod support;

use std::cell::RefCell;
use std::collections::HashMap;

use as2_protocol::crypto::SecretBytes;
use as2_protocol::*;
use bytes::Bytes;
use http::Request;
use support::*;

/// A secret that would be recognised in any output.
const TOKEN: &str = "tok-9f3a/Secret+Value=";
const PASSWORD: &str = "open sesame 9f3a";

fn vault(name: &SecretRef) -> Option<SecretBytes> {
    let secret = match name.name() {
        "token" => TOKEN.as_bytes(),
        "password" => PASSWORD.as_bytes(),
        "receipts" => b"receipts-77c1",
        "pound" => "123\u{a3}".as_bytes(),
        "sesame" => b"open sesame",
        _ => return None,
    };
    Some(SecretBytes::new(secret.to_vec()))
}

/// Bob as Alice sees him, with the tables of this TOML text at the end of his profile.
fn partner(toml: &str) -> Result<Partner, SetupError> {
    partner_at("https://bob.example/as2", toml)
}

fn partner_at(url: &str, toml: &str) -> Result<Partner, SetupError> {
    let profile = format!("version = 1\nus = \"{ALICE}\"\nthem = \"{BOB}\"\nurl = \"{url}\"\n{toml}");
    let profile = toml::from_str(&profile).unwrap_or_else(|error| panic!("{error}"));
    Partner::builder(profile, CryptoProvider::rustcrypto())
        .encrypt_to(worked_certificate("bob-enc"))
        .verify_with(worked_certificate("bob-sign"))
        .build()
}

fn stored(partner: &Partner) -> Outbound {
    MessageBuilder::new(&worked_identity("alice"), partner).build(Payload::x12(&b"ISA*"[..]), now()).unwrap()
}

/// The request of a message under this profile, ready to go.
fn authorized(toml: &str) -> Request<Bytes> {
    let partner = partner(toml).unwrap();
    partner.authorize(&stored(&partner).request, vault).unwrap()
}

fn value<'a>(request: &'a Request<Bytes>, name: &str) -> &'a str {
    request.headers()[name].to_str().unwrap()
}

#[test]
fn a_token_stands_in_its_header_behind_its_scheme() {
    let request = authorized("[endpoint.auth.method.token]\ntoken = \"token\"");
    assert_eq!(value(&request, "authorization"), format!("Bearer {TOKEN}"));
    let request = authorized("[endpoint.auth.method.token]\ntoken = \"token\"\nheader = \"X-Api-Key\"\nscheme = \"\"");
    assert_eq!(value(&request, "x-api-key"), TOKEN);
    assert!(!request.headers().contains_key("authorization"));
    let request = authorized("[endpoint.auth.method.token]\ntoken = \"token\"\nscheme = \"ApiKey\"");
    assert_eq!(value(&request, "authorization"), format!("ApiKey {TOKEN}"));
}

#[test]
fn the_head_of_a_stream_carries_the_same_and_comes_back_from_a_store() {
    let partner = partner("[endpoint.auth.method.token]\ntoken = \"token\"").unwrap();
    let payload = PayloadHead::x12().with_len(4);
    let mut stream = MessageBuilder::new(&worked_identity("alice"), &partner).stream(payload, now()).unwrap();
    let head = stream.head().clone();
    let json = serde_json::to_string(&head).unwrap();
    assert_eq!(serde_json::from_str::<RequestHead>(&json).unwrap(), head);
    assert!(json.contains("\"version\":1") && !json.contains(TOKEN));
    let later = json.replace("\"version\":1", "\"version\":2");
    assert!(serde_json::from_str::<RequestHead>(&later).unwrap_err().to_string().contains("format version 2"));

    let mut body = Vec::new();
    stream.write(b"ISA*", &mut body).unwrap();
    let _ = stream.finish(&mut body).unwrap();
    let streamed = partner.authorize_head(&head, vault).unwrap();
    let whole = partner.authorize(&head.with_body(body), vault).unwrap();
    assert_eq!(value(&whole, "authorization"), format!("Bearer {TOKEN}"));
    assert_eq!((streamed.method(), streamed.uri(), streamed.headers()), (whole.method(), whole.uri(), whole.headers()));
}

#[test]
fn a_token_in_the_query_is_percent_encoded_behind_the_query_that_is_there() {
    let query = "[endpoint.auth.method.query]\nparameter = \"api key\"\ntoken = \"token\"";
    let go = |url: &str| {
        let partner = partner_at(url, query).unwrap();
        partner.authorize(&stored(&partner).request, vault).unwrap().uri().to_string()
    };
    let encoded = "api%20key=tok-9f3a%2FSecret%2BValue%3D";
    assert_eq!(go("https://bob.example/as2?x=%41&y"), format!("https://bob.example/as2?x=%41&y&{encoded}"));
    assert_eq!(go("https://bob.example:8443/as2"), format!("https://bob.example:8443/as2?{encoded}"));
    assert_eq!(go("https://bob.example/as2?"), format!("https://bob.example/as2?{encoded}"));
    assert_eq!(go("https://bob.example"), format!("https://bob.example/?{encoded}"));
}

/// The examples of RFC 7617 sections 2 and 2.1.
#[test]
fn basic_credentials_are_those_of_rfc_7617() {
    let request = authorized("[endpoint.auth.method.basic]\nuser = \"Aladdin\"\npassword = \"sesame\"");
    assert_eq!(value(&request, "authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    let request = authorized("[endpoint.auth.method.basic]\nuser = \"test\"\npassword = \"pound\"");
    assert_eq!(value(&request, "authorization"), "Basic dGVzdDoxMjPCow==");
}

#[test]
fn further_headers_are_put_on_plain_or_secret() {
    let request = authorized(
        "[[endpoint.headers]]\nname = \"X-Tenant\"\nvalue = { text = \"4711 a\" }\n\
         [[endpoint.headers]]\nname = \"X-Api-Key\"\nvalue = { secret = \"token\" }",
    );
    assert_eq!((value(&request, "x-tenant"), value(&request, "x-api-key")), ("4711 a", TOKEN));
    assert!(request.headers()["x-api-key"].is_sensitive() && !request.headers()["x-tenant"].is_sensitive());
}

#[test]
fn a_request_to_an_endpoint_without_terms_is_as_it_was_stored() {
    let partner = partner("").unwrap();
    let stored = stored(&partner).request;
    let request = partner.authorize(&stored, |_| panic!("no secret is asked for")).unwrap();
    let plain = stored.to_request();
    assert_eq!((request.uri(), request.headers(), request.body()), (plain.uri(), plain.headers(), plain.body()));
}

#[test]
fn a_retry_sends_the_same_octets_under_a_fresh_token() {
    let partner = partner("[endpoint.auth]\nmethod.token.token = \"t\"\nrefreshable = true").unwrap();
    let sent = stored(&partner);
    let current = RefCell::new("old");
    let attempt =
        || partner.authorize(&sent.request, |_| Some(SecretBytes::new(current.borrow().as_bytes().to_vec()))).unwrap();
    let mut delivery = Delivery::of_message();
    delivery.sent(now());
    let first = attempt();
    let refused = http::Response::builder().status(401).body(Bytes::new()).unwrap();
    delivery.answered(&sent.pending.on_response(Ok(&refused), &partner, now()), &partner, now());
    assert_eq!(delivery.next_step(partner.profile(), now()), NextStep::Refresh(SecretRef::new("t")));
    *current.borrow_mut() = "new";
    delivery.refreshed();
    assert_eq!(delivery.next_step(partner.profile(), now()), NextStep::Send);
    let mut second = attempt();
    assert_eq!((value(&first, "authorization"), value(&second, "authorization")), ("Bearer old", "Bearer new"));
    second.headers_mut().insert("authorization", first.headers()["authorization"].clone());
    assert_eq!((first.headers(), first.body()), (second.headers(), second.body()));
    delivery.sent(now());
    delivery.answered(&sent.pending.on_response(Ok(&refused), &partner, now()), &partner, now());
    let NextStep::GiveUp(why) = delivery.next_step(partner.profile(), now()) else { panic!("once only") };
    assert_eq!(why.code(), "AUTH_REFUSED");
}

#[test]
fn a_refused_secret_is_fetched_anew_once_and_only_where_the_profile_says_so() {
    let terms = |toml: &str| partner(toml).unwrap().profile().endpoint.auth.clone();
    let refreshable = terms("[endpoint.auth]\nmethod.query = { parameter = \"k\", token = \"t\" }\nrefreshable = true");
    let fixed = terms("[endpoint.auth]\nmethod.token.token = \"t\"");
    assert_eq!(AuthState::new().refused(&fixed), AuthStep::FixAccess);
    assert_eq!(AuthState::new().refused(&AuthTerms::default()), AuthStep::FixAccess);
    let mut state = AuthState::new();
    assert!(matches!(state.refused(&refreshable), AuthStep::Refresh(_)));
    // The state survives a restart between refusal and next attempt.
    let json = serde_json::to_string(&state).unwrap();
    assert_eq!(json, r#"{"version":1,"refreshed":true}"#);
    let mut state: AuthState = serde_json::from_str(&json).unwrap();
    assert_eq!(state.refused(&refreshable), AuthStep::FixAccess);
    // The new token worked once: when it has expired at a later attempt, it is fetched anew again.
    state.accepted();
    assert!(matches!(state.refused(&refreshable), AuthStep::Refresh(_)));
    assert!(serde_json::from_str::<AuthState>(r#"{"version":2,"refreshed":true}"#).is_err());
}

#[test]
fn u08_credentials_are_shown_to_the_configured_origin_only() {
    let terms = "[endpoint.auth.method.token]\ntoken = \"token\"";
    let request = stored(&partner(terms).unwrap()).request;
    for same in ["https://bob.example/other?x=1", "https://BOB.example:443/as2"] {
        assert!(partner_at(same, terms).unwrap().authorize(&request, vault).is_ok(), "{same}");
    }
    let others = [
        "http://bob.example/as2",
        "https://bob.example:8443/as2",
        "https://bob.example.evil.test/as2",
        "https://evil.test/as2",
        "https://bob.example./as2",
        "https://bob.example:65536/as2",
    ];
    for other in others {
        let moved = partner_at(other, terms).unwrap();
        let error = moved.authorize(&request, |_| panic!("nothing is resolved for a stranger")).unwrap_err();
        assert_eq!(error.code(), "AUTH_OTHER_ORIGIN", "{other}: {error}");
        assert!(error.to_string().contains("https://bob.example:443"), "{error}");
        // Further headers may hold keys as well; a request that carries nothing may go.
        let headers = "[[endpoint.headers]]\nname = \"X-Key\"\nvalue = { text = \"k\" }";
        assert!(partner_at(other, headers).unwrap().authorize(&request, vault).is_err());
        assert!(partner_at(other, "").unwrap().authorize(&request, vault).is_ok());
    }
}

#[test]
fn u08_a_stored_request_that_was_tampered_with_gets_no_credentials() {
    let partner = partner("[endpoint.auth.method.token]\ntoken = \"token\"").unwrap();
    let json = serde_json::to_string(&stored(&partner).request).unwrap();
    for url in ["https://bob.example@evil.test/", "/as2", "", "https://bob.example:99999/as2", "ftp://bob.example/"] {
        let request: StoredRequest = serde_json::from_str(&json.replace("https://bob.example/as2", url)).unwrap();
        assert_eq!(partner.authorize(&request, vault).unwrap_err().code(), "AUTH_OTHER_ORIGIN", "{url}");
    }
}

/// The asynchronous receipt that Bob owes Alice, under Bob's profile for her.
fn pending_mdn(asked: &str, bobs_view: &Partner) -> PendingMdn {
    let mut profile = profile(ALICE, BOB);
    profile.send.receipt.asynchronous_url = Some(asked.parse().unwrap());
    let sent = MessageBuilder::new(&worked_identity("alice"), &worked_partner(profile, "bob"))
        .build(Payload::x12(&b"ISA*"[..]), now())
        .unwrap();
    let order = envelope(sent.request.to_request()).open(&worked_identity("bob"), Some(bobs_view), now()).unwrap();
    match order.stored().build(now()).follow_up {
        FollowUp::Post(pending) => pending,
        other => panic!("{other:?}"),
    }
}

/// Alice as Bob sees her: both endpoints have credentials of their own.
fn bobs_view(toml: &str) -> Partner {
    let text = format!(
        "version = 1\nus = \"{BOB}\"\nthem = \"{ALICE}\"\nurl = \"https://alice.example/as2\"\n{toml}\n\
         [endpoint.auth.method.token]\ntoken = \"token\""
    );
    worked_partner(toml::from_str(&text).unwrap_or_else(|error| panic!("{error}")), "alice")
}

const RECEIPTS: &str = "[accept]\nreceipt_url = \"https://mdn.alice.example/in\"\n\
                        [receipt_endpoint.auth.method.token]\ntoken = \"receipts\"";

#[test]
fn u08_receipts_carry_the_credentials_of_their_own_endpoint_and_no_others() {
    let partner = bobs_view(RECEIPTS);
    let pending = pending_mdn("https://wherever.example/mdn", &partner);
    let request = partner.authorize_receipt(&pending, vault).unwrap();
    assert_eq!(request.uri(), "https://mdn.alice.example/in");
    assert_eq!(value(&request, "authorization"), "Bearer receipts-77c1");
    assert!(!format!("{:?}{:?}", request.headers(), request.uri()).contains(TOKEN));
    // And the other way round: a message goes out with the token of messages.
    let message = MessageBuilder::new(&worked_identity("bob"), &partner).build(Payload::x12(&b"I"[..]), now()).unwrap();
    let request = partner.authorize(&message.request, vault).unwrap();
    assert_eq!(value(&request, "authorization"), format!("Bearer {TOKEN}"));
    // A receipt is no message, wherever it goes.
    assert_eq!(partner.authorize(&pending.request, vault).unwrap_err().code(), "AUTH_OTHER_ORIGIN");
}

#[test]
fn u08_receipts_that_go_where_the_sender_asks_carry_nothing() {
    let partner = bobs_view("[accept]\nreceipt_hosts = [\"mdn.alice.example\"]");
    for asked in ["https://mdn.alice.example/in", "http://mdn.alice.example:8080/in", "https://alice.example/as2"] {
        let pending = pending_mdn(asked, &partner);
        let request = partner.authorize_receipt(&pending, |_| panic!("no secret is asked for")).unwrap();
        assert_eq!(request.uri(), asked);
        assert!(!request.headers().contains_key("authorization"));
    }
    // A receipt that was stored before the URL was changed must not carry what belongs to the new one.
    let before = pending_mdn("https://mdn.alice.example/in", &partner);
    let moved = bobs_view(&RECEIPTS.replace("https://mdn.alice.example/in", "https://new.alice.example/in"));
    assert_eq!(moved.authorize_receipt(&before, vault).unwrap_err().code(), "AUTH_OTHER_ORIGIN");
}

#[test]
fn bad_secrets_are_told_by_field_and_name_and_never_shown() {
    let token = "[endpoint.auth.method.token]\ntoken = \"vault:acme\"";
    let query = "[endpoint.auth.method.query]\nparameter = \"k\"\ntoken = \"vault:acme\"";
    let header = "[[endpoint.headers]]\nname = \"X-Key\"\nvalue = { secret = \"vault:acme\" }";
    let basic = "[endpoint.auth.method.basic]\nuser = \"u\"\npassword = \"vault:acme\"";
    let long = vec![b'a'; (64 << 10) + 1];
    let tokens: [(&[u8], SecretFault); 10] = [
        (b"", SecretFault::Empty),
        (b"zqx7\n", SecretFault::LineBreak),
        (b"zqx7\r\nX-Evil: 1", SecretFault::LineBreak),
        (b"zqx7\0", SecretFault::Control),
        (b"zq\x7fx7", SecretFault::Control),
        ("zqx7\u{a3}".as_bytes(), SecretFault::NotAscii),
        (b"zqx7\xff", SecretFault::NotAscii),
        (b" zqx7", SecretFault::Blank),
        (b"zqx7 ", SecretFault::Blank),
        (&long, SecretFault::TooLong),
    ];
    let passwords: [(&[u8], SecretFault); 4] = [
        (b"zqx7\xff", SecretFault::NotUtf8),
        (b"zqx7\n", SecretFault::LineBreak),
        ("zqx7\u{85}".as_bytes(), SecretFault::Control),
        (&long, SecretFault::TooLong),
    ];
    let of_tokens = tokens.iter().flat_map(|case| [token, query, header].map(|place| (place, case)));
    for (place, (secret, fault)) in of_tokens.chain(passwords.iter().map(|case| (basic, case))) {
        let partner = partner(place).unwrap();
        let error =
            partner.authorize(&stored(&partner).request, |_| Some(SecretBytes::new(secret.to_vec()))).expect_err(place);
        let AuthorizeError::InvalidSecret { fault: found, secret: name, .. } = &error else { panic!("{error:?}") };
        assert_eq!((found, name.name(), error.code()), (fault, "vault:acme", "AUTH_SECRET_INVALID"), "{place}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("endpoint.") && !shown.contains("zqx7") && !shown.contains("aaaa"), "{shown}");
    }
    // An empty password is one (RFC 7617 section 2).
    let partner = partner(basic).unwrap();
    let request = partner.authorize(&stored(&partner).request, |_| Some(SecretBytes::new(Vec::new()))).unwrap();
    assert_eq!(value(&request, "authorization"), "Basic dTo=");
}

#[test]
fn a_missing_secret_is_named() {
    for place in [
        "[endpoint.auth.method.token]\ntoken = \"vault:acme\"",
        "[endpoint.auth.method.query]\nparameter = \"k\"\ntoken = \"vault:acme\"",
        "[endpoint.auth.method.basic]\nuser = \"u\"\npassword = \"vault:acme\"",
        "[[endpoint.headers]]\nname = \"X-Key\"\nvalue = { secret = \"vault:acme\" }",
    ] {
        let partner = partner(place).unwrap();
        assert_eq!(partner.profile().endpoint.secrets()[0].name(), "vault:acme");
        let error = partner.authorize(&stored(&partner).request, |_| None).unwrap_err();
        assert_eq!(error.code(), "AUTH_SECRET_MISSING");
        assert!(error.to_string().ends_with("there is no secret by the name `vault:acme`"), "{error}");
    }
}

/// Every form in which a secret could hide.
fn forms(secret: &str) -> Vec<String> {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(format!("user:{secret}"));
    let percent: String = secret.bytes().map(|octet| format!("%{octet:02X}")).collect();
    let inner = base64::engine::general_purpose::STANDARD.encode(format!("Bearer {secret}"));
    vec![secret.to_owned(), secret[..8].to_owned(), base64[8..20].to_owned(), percent, inner[12..20].to_owned()]
}

#[test]
fn nothing_that_is_stored_or_shown_holds_credentials() {
    let methods = [
        "method.token.token = \"token\"",
        "method.basic = { user = \"user\", password = \"password\" }",
        "method.query = { parameter = \"k\", token = \"token\" }",
    ];
    for method in methods {
        let partner = partner(&format!(
            "[endpoint.auth]\n{method}\n[[endpoint.headers]]\nname = \"X-Key\"\nvalue = {{ secret = \"password\" }}"
        ))
        .unwrap();
        let sent = stored(&partner);
        let request = partner.authorize(&sent.request, vault).unwrap();
        let shows = |output: &str, secret: &str| forms(secret).iter().any(|form| output.contains(form));
        let wire: String = request.headers().values().map(|value| value.to_str().unwrap()).collect();
        let wire = wire + &request.uri().to_string();
        assert!(shows(&wire, if method.contains("basic") { PASSWORD } else { TOKEN }), "the search finds: {wire}");
        let mut outputs = vec![
            serde_json::to_string(&sent.request).unwrap(),
            serde_json::to_string(&sent.pending).unwrap(),
            serde_json::to_string(partner.profile()).unwrap(),
            toml::to_string(partner.profile()).unwrap(),
            format!("{:?} {:?} {partner:?} {:?}", sent.request, sent.pending, partner.profile()),
            format!("{:?}", vault(&SecretRef::new("token"))),
            format!("{:?}", request.headers()),
        ];
        if !method.contains("query") {
            outputs.push(format!("{request:?}"));
        }
        for output in outputs {
            assert!(!shows(&output, TOKEN) && !shows(&output, PASSWORD), "{output}");
        }
    }
}

#[test]
fn contradictions_of_endpoints_are_told_together_with_their_fields() {
    let cases = [
        ("[endpoint.auth]\nrefreshable = true", "endpoint.auth.refreshable"),
        ("[endpoint.auth.method.basic]\nuser = \"a:b\"\npassword = \"p\"", "endpoint.auth.method.basic.user"),
        ("[endpoint.auth.method.basic]\nuser = \"a\\u0007\"\npassword = \"p\"", "endpoint.auth.method.basic.user"),
        ("[endpoint.auth.method.basic]\nuser = \"a\"\npassword = \"\"", "endpoint.auth.method.basic.password"),
        ("[endpoint.auth.method.token]\ntoken = \"\"", "endpoint.auth.method.token.token"),
        ("[endpoint.auth.method.token]\ntoken = \"t\"\nheader = \"X Y\"", "endpoint.auth.method.token.header"),
        ("[endpoint.auth.method.token]\ntoken = \"t\"\nheader = \"AS2-From\"", "endpoint.auth.method.token.header"),
        ("[endpoint.auth.method.token]\ntoken = \"t\"\nscheme = \"Bearer \"", "endpoint.auth.method.token.scheme"),
        ("[endpoint.auth.method.token]\ntoken = \"t\"\nscheme = \"a\\nb\"", "endpoint.auth.method.token.scheme"),
        ("[endpoint.auth.method.query]\ntoken = \"t\"\nparameter = \"\"", "endpoint.auth.method.query.parameter"),
        ("[endpoint.auth.method.query]\ntoken = \"t\"\nparameter = \"id\"", "endpoint.auth.method.query.parameter"),
        ("[[endpoint.headers]]\nname = \"Host\"\nvalue = { text = \"x\" }", "endpoint.headers[0]"),
        ("[[endpoint.headers]]\nname = \"X\"\nvalue = { text = \"a\\r\\nY: b\" }", "endpoint.headers[0]"),
        ("[[endpoint.headers]]\nname = \"\"\nvalue = { text = \"a\" }", "endpoint.headers[0]"),
        ("[[endpoint.headers]]\nname = \"X\"\nvalue = { secret = \"\" }", "endpoint.headers[0]"),
        (
            "[endpoint]\nheaders = [{ name = \"X\", value = { text = \"a\" } }, { name = \"x\", value = { text = \"b\" } }]",
            "endpoint.headers[1]",
        ),
        (
            "[endpoint]\nauth.method.token.token = \"t\"\nheaders = [{ name = \"authorization\", value = { text = \"a\" } }]",
            "endpoint.headers[0]",
        ),
        ("[endpoint]\nclient_certificate = \"\"", "endpoint.client_certificate"),
        ("[endpoint.tls]\nversions = []", "endpoint.tls.versions"),
        ("[endpoint.tls]\ndates = \"warn\"", "endpoint.tls.dates"),
        ("[receipt_endpoint.auth.method.token]\ntoken = \"t\"", "receipt_endpoint"),
        ("[[receipt_endpoint.headers]]\nname = \"X\"\nvalue = { text = \"a\" }", "receipt_endpoint"),
        (
            "[accept]\nreceipt_url = \"http://a.example/\"\n[receipt_endpoint]\nclient_certificate = \"c\"",
            "receipt_endpoint.client_certificate",
        ),
        (
            "[accept]\nreceipt_url = \"http://a.example/\"\n[receipt_endpoint.tls]\ntrust = \"pinned\"",
            "receipt_endpoint.tls",
        ),
    ];
    for (toml, field) in cases {
        let Err(SetupError::Contradictions(found)) = partner_at("https://bob.example/as2?id=7", toml) else {
            panic!("{toml} must be refused")
        };
        assert_eq!(found.iter().map(|one| one.field.as_str()).collect::<Vec<_>>(), [field], "{toml}: {found:?}");
    }
    for good in ["[endpoint.tls]\ndates = \"ignore\"\ntrust = \"pinned\"\nversions = [\"1.3\"]", RECEIPTS] {
        partner(good).unwrap();
    }
}

#[test]
fn unknown_or_misspelt_settings_of_endpoints_are_refused_with_their_name() {
    for (toml, named) in [
        ("[endpoint.auth]\nmethods = 1", "methods"),
        ("[endpoint.auth.method.digest]\nuser = \"u\"", "digest"),
        ("[endpoint.auth.method.token]\ntoken = \"t\"\nprefix = \"x\"", "prefix"),
        ("[endpoint.auth.method.token]\nscheme = \"x\"", "token"),
        ("[endpoint.tls]\nversions = [\"1.1\"]", "1.1"),
        ("[endpoint.tls]\ntrust = \"all\"", "all"),
        ("[[endpoint.headers]]\nname = \"X\"\nvalue = \"a\"", "value"),
    ] {
        let text = format!("version = 1\nus = \"a\"\nthem = \"b\"\nurl = \"https://b.example/\"\n{toml}");
        let error = toml::from_str::<PartnerProfile>(&text).expect_err(toml).to_string();
        assert!(error.contains(named) && error.contains("line"), "{error}");
    }
}

#[test]
fn credentials_in_the_clear_are_noted() {
    let plain = |toml: &str| {
        let notes: HashMap<_, _> = partner_at("http://bob.example/as2", toml)
            .unwrap()
            .notes()
            .iter()
            .map(|note| (note.to_string(), note.code()))
            .collect();
        notes
    };
    let noted = plain("[endpoint.auth.method.token]\ntoken = \"t\"");
    assert_eq!(noted["the credentials of `endpoint` are sent unencrypted to an http URL"], "PLAINTEXT");
    assert!(plain("").is_empty() && partner("[endpoint.auth.method.token]\ntoken = \"t\"").unwrap().notes().is_empty());
    let receipts = RECEIPTS.replace("https://mdn", "http://mdn");
    assert!(plain(&receipts).contains_key("the credentials of `receipt_endpoint` are sent unencrypted to an http URL"));
}

/// Which answers mean a refusal is a rule of each endpoint, and outlives its serialised form.
#[test]
fn profiles_of_endpoints_come_back_as_they_were_written() {
    let text = "[endpoint]\nclient_certificate = \"tls\"\n[endpoint.auth]\nmethod.token.token = \"t\"\nrefreshable = true\n\
                refused = { status = [401, 403], path = \"error.code\", values = [\"expired\"] }\n\
                [endpoint.tls]\ntrust = \"pinned\"\nversions = [\"1.2\"]\ndates = \"warn\"";
    let profile = partner(text).unwrap().profile().clone();
    assert_eq!(profile.endpoint.auth.refused.status, [401, 403]);
    assert_eq!(profile.endpoint.tls.versions, [TlsVersion::Tls12]);
    assert_eq!(toml::from_str::<PartnerProfile>(&toml::to_string(&profile).unwrap()).unwrap(), profile);
    assert_eq!(serde_json::from_str::<PartnerProfile>(&serde_json::to_string(&profile).unwrap()).unwrap(), profile);
}
