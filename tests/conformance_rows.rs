//! Requirements on messages that no other test shows; `docs/conformance.md` tells which.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "support/by_hand.rs"]
mod by_hand;
#[path = "support/dissect.rs"]
mod dissect;
#[path = "support/refusal.rs"]
mod refusal;
mod support;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use by_hand::*;
use dissect::*;
use refusal::*;
use support::*;

use as2_protocol::*;
use bytes::Bytes;

const ENVELOPED_TYPE: &str = "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m";
const ASKS: (&str, &str) = ("disposition-notification-to", "x");

fn order() -> Bytes {
    worked("payload.x12")
}

fn payload_entity() -> Vec<u8> {
    entity("Content-Type: application/edi-x12", &order())
}

fn sealed(content: &[u8]) -> Vec<u8> {
    encrypt(content, &worked_certificate("bob-enc"), false)
}

/// A request from Alice to Bob without any layer.
fn plain() -> http::request::Builder {
    let request = http::Request::post("/as2").header("as2-from", "\"Alice Corp\"").header("as2-to", "bob");
    request.header("message-id", ID).header("content-type", "application/edi-x12")
}

fn without(name: &str) -> http::Request<Bytes> {
    let mut request = plain().body(order()).unwrap();
    request.headers_mut().remove(name).unwrap();
    request
}

fn rejected(request: http::Request<Bytes>) -> Rejection {
    MessageParser::new(Limits::default()).parse(request).unwrap_err()
}

fn open(request: http::Request<Bytes>) -> Accepted {
    let opened = envelope(request).open(&worked_identity("bob"), Some(&alice()), now());
    opened.unwrap_or_else(|refused| panic!("{}", refused.error()))
}

/// The order as Alice sends it under changed terms.
fn sent(change: impl FnOnce(&mut PartnerProfile)) -> Outbound {
    sent_payload(Payload::x12(order()), change)
}

fn sent_payload(payload: Payload, change: impl FnOnce(&mut PartnerProfile)) -> Outbound {
    let mut terms = profile(ALICE, BOB);
    change(&mut terms);
    MessageBuilder::new(&worked_identity("alice"), &worked_partner(terms, "bob")).build(payload, now()).unwrap()
}

fn unprotected(terms: &mut PartnerProfile) {
    (terms.send.sign, terms.send.encrypt) = (None, None);
}

#[test]
fn h03_a_false_content_length_is_rejected() {
    let request = |declared: &str| plain().header("content-length", declared).body(Bytes::from("four")).unwrap();
    for (declared, expected) in [("3", 3), ("5", 5), ("0", 0)] {
        assert_eq!(rejected(request(declared)), Rejection::Length { declared: expected, actual: 4 });
    }
    assert_eq!(open(request("4")).payload().body(), "four");
}

#[test]
fn h04_bodies_of_unknown_length_are_taken() {
    for name in ["02-signed", "04-signed-encrypted"] {
        let mut request = read_request(&worked(&format!("{name}.http")), &Limits::default()).unwrap();
        request.headers_mut().remove("content-length").unwrap();
        request.headers_mut().insert("transfer-encoding", "chunked".parse().unwrap());
        assert_eq!(open(request).payload().body(), &order(), "{name}");
    }
}

#[test]
fn h05_bodies_beyond_the_limit_are_rejected() {
    let mut limits = Limits::default();
    limits.body = 10;
    let parser = MessageParser::new(limits);
    let expected = Rejection::TooLarge { limit: 10 };
    assert_eq!(parser.parse(plain().body(vec![b'x'; 11].into()).unwrap()).unwrap_err(), expected);
    assert!(parser.parse(plain().body(vec![b'x'; 10].into()).unwrap()).is_ok());
    let (announced, ()) = plain().header("content-length", "11").body(()).unwrap().into_parts();
    assert_eq!(parser.head(&announced).unwrap_err(), expected, "before any body is read");
    assert_eq!(expected.status(), 413);
}

#[test]
fn h07_encryption_does_not_depend_on_the_url() {
    for url in ["http://bob.example/as2", "https://bob.example/as2"] {
        for encrypts in [true, false] {
            let mut terms = profile(ALICE, BOB);
            terms.url = url.parse().unwrap();
            terms.send.encrypt = encrypts.then_some(CipherAlgorithm::Aes256Cbc);
            let partner = worked_partner(terms, "bob");
            let builder = MessageBuilder::new(&worked_identity("alice"), &partner);
            let request = builder.build(Payload::x12("x"), now()).unwrap().request;
            assert_eq!(request.header("content-type").unwrap().contains("enveloped-data"), encrypts, "{url}");
            assert_eq!(request.to_request().uri(), url);
            assert_eq!(partner.notes().len(), usize::from(!encrypts && url.starts_with("http:")), "in clear is noted");
        }
    }
}

#[test]
fn h09_outer_transfer_encodings_may_be_false_or_missing() {
    let der = sealed(&payload_entity());
    let lines: Vec<_> = STANDARD.encode(&der).into_bytes().chunks(76).map(<[u8]>::to_vec).collect();
    let base64 = lines.join(&b"\r\n"[..]);
    let label = ("content-transfer-encoding", "Base64");
    let cases = [(&base64, Some(label), 0), (&der, Some(label), 1), (&base64, None, 1), (&der, None, 0)];
    for (body, label, notes) in cases {
        let accepted = Case::new(ENVELOPED_TYPE, body).open(label.as_slice()).unwrap();
        assert_eq!(accepted.payload().body(), &order());
        assert_eq!(accepted.notes().len(), notes, "{:?}", accepted.notes());
        assert!(accepted.notes().iter().all(|note| matches!(note, Note::TransferEncoding(_))));
    }
}

#[test]
fn h10_payload_transfer_encodings_are_decoded() {
    let quoted: String = order().iter().map(|octet| format!("={octet:02X}")).collect();
    let cases = [
        ("BASE64", STANDARD.encode(order()).into()),
        ("Quoted-Printable", Bytes::from(quoted)),
        ("8bit", order()),
        ("binary", order()),
    ];
    for (encoding, body) in cases {
        let accepted = open(plain().header("content-transfer-encoding", encoding).body(body).unwrap());
        assert_eq!(accepted.payload().body(), &order(), "{encoding}");
        assert_eq!(accepted.mic().digest(), sha256(&order()), "K-01 {encoding}");
    }
    let unknown = Case::new("application/edi-x12", &order()).header("content-transfer-encoding", "x-foo");
    assert_eq!(unknown.open(&[]).unwrap_err().error().code(), "MIME_MALFORMED");
}

#[test]
fn h11_preamble_and_epilogue_are_skipped() {
    let signed = Case::new(SIGNED_TYPE, &signed_body("alice-sign", &payload_entity()));
    assert_eq!(signed.accepted().notes(), []);
    let around = signed.body(|body| [b"Before all parts.\r\n", body, b"After all parts.\r\n"].concat()).accepted();
    assert_eq!(around.payload().body(), &order());
    assert!(matches!(around.notes(), [Note::Surroundings(_)]), "{:?}", around.notes());
}

#[test]
fn h12_headers_that_contradict_each_other_are_rejected() {
    let names = [
        "as2-from",
        "as2-to",
        "message-id",
        "content-type",
        "disposition-notification-to",
        "disposition-notification-options",
        "receipt-delivery-option",
        "content-length",
    ];
    for name in names {
        let with = |values: [&str; 2]| {
            let mut request = http::Request::post("/").header("as2-from", "a").header("as2-to", "b");
            request = request.header("message-id", "<1@a>");
            let mut request = request.body(Bytes::from("x")).unwrap();
            request.headers_mut().remove(name);
            for value in values {
                request.headers_mut().append(name, value.parse().unwrap());
            }
            request
        };
        assert_eq!(rejected(with(["1", "2"])), Rejection::ContradictingHeader(name));
        assert_eq!(Rejection::ContradictingHeader(name).status(), 400);
        assert!(MessageParser::new(Limits::default()).parse(with(["1", "1"])).is_ok(), "{name}");
    }
    let mut twice = plain().body(order()).unwrap();
    twice.headers_mut().append("AS2-FROM", "Alice Corp".parse().unwrap());
    assert!(open(twice).notes().contains(&Note::RepeatedHeader("as2-from".to_owned())), "equal after decoding");
}

#[test]
fn h13_q07_folded_headers_are_read() {
    let wire = b"POST /as2 HTTP/1.1\r\nAs2-FROM: \"Alice Corp\"\r\naS2-tO: bob\r\nMessage-Id: <1@a>\r\n\
        Disposition-Notification-To: x\r\nDisposition-Notification-Options:\r\n signed-receipt-protocol=required,\r\n\t\
        pkcs7-signature; signed-receipt-micalg=required,\r\n  sha-512, sha1\r\nContent-Type: application/xml;\r\n \
        charset=utf-8\r\n\r\n<a/>";
    let envelope = envelope(read_request(&Bytes::from_static(wire), &Limits::default()).unwrap());
    let asked = envelope.receipt_request().unwrap().signed().unwrap();
    assert_eq!(
        (asked.protocols(), asked.micalgs()),
        (&["pkcs7-signature".to_owned()][..], &["sha-512", "sha1"].map(str::to_owned)[..])
    );
    let accepted = envelope.open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
    assert_eq!(accepted.payload().content_type().unwrap().param("charset"), Some("utf-8"));
    assert_eq!(accepted.payload().body(), "<a/>");
}

#[test]
fn h14_h17_v08_v11_headers_without_meaning_are_ignored() {
    let request = plain()
        .header("recipient-address", "http://elsewhere.example/")
        .header("ediint-features", "foo-bar, CEM, , x_y")
        .header("as2-product", "My Lib");
    let accepted = open(request.body(order()).unwrap());
    assert_eq!((accepted.payload().body(), accepted.notes()), (&order(), &[][..]));
}

#[test]
fn h15_y04_a_stored_message_is_repeated_octet_for_octet() {
    let stored = sent(|_| ()).request;
    let read: StoredRequest = serde_json::from_str(&serde_json::to_string(&stored).unwrap()).unwrap();
    let (first, again) = (stored.to_request(), read.to_request());
    assert_eq!((first.method(), first.uri(), first.headers()), (again.method(), again.uri(), again.headers()));
    assert_eq!(first.body(), again.body());
}

#[test]
fn i03_i11_every_new_message_has_a_new_identifier() {
    let mut terms = profile(ALICE, BOB);
    unprotected(&mut terms);
    let (us, partner) = (worked_identity("alice"), worked_partner(terms, "bob"));
    let ids: BTreeSet<String> = (0..1000)
        .map(|_| MessageBuilder::new(&us, &partner).build(Payload::x12("x"), now()).unwrap())
        .map(|sent| sent.pending.message_id().bare().to_owned())
        .collect();
    assert_eq!(ids.len(), 1000);
    for id in ids {
        let random = id.strip_suffix("@as2.invalid").unwrap().rsplit('-').next().unwrap();
        assert!(random.len() == 32 && random.bytes().all(|octet| octet.is_ascii_hexdigit()), "{id}");
    }
}

#[test]
fn h18_smime_entities_carry_file_names() {
    let named = |request: &StoredRequest, name: &str| {
        assert_eq!(parameter(request.header("content-type").unwrap(), "name"), name);
        assert_eq!(request.header("content-disposition"), Some(&*format!("attachment; filename=\"{name}\"")));
    };
    named(&sent(|_| ()).request, "smime.p7m");
    named(
        &sent(|terms| (terms.send.encrypt, terms.send.compress) = (None, Compression::AfterSigning)).request,
        "smime.p7z",
    );
    let signed = sent(|terms| terms.send.encrypt = None).request;
    let parts = split(signed.body(), parameter(signed.header("content-type").unwrap(), "boundary"));
    let (head, _) = head_and_body(parts[1]);
    assert_eq!(parameter(field(head, "content-type"), "name"), "smime.p7s");
    assert_eq!(parameter(field(head, "content-disposition"), "filename"), "smime.p7s");
}

#[test]
fn i05_i06_identifiers_are_echoed_as_received() {
    let long = format!("<{}@a>", "x".repeat(1000));
    for (id, echoed) in [("<a@b>", true), ("a@b", true), ("<<a@b>>", true), ("no-at-sign", true), (&long, false)] {
        let mut request = plain().header(ASKS.0, ASKS.1).body(order()).unwrap();
        request.headers_mut().insert("message-id", id.parse().unwrap());
        let receipt = receipt_in(&open(request).stored().build(now()).response.to_response());
        assert_eq!(receipt.report().original_message_id.as_deref(), echoed.then_some(id));
    }
}

#[test]
fn i09_a_missing_identifier_is_rejected_unless_allowed() {
    let rejection = rejected(without("message-id"));
    assert_eq!((&rejection, rejection.status().as_u16()), (&Rejection::MissingHeader("message-id"), 400));
    let mut request = without("message-id");
    request.headers_mut().insert(ASKS.0, ASKS.1.parse().unwrap());
    let parser = MessageParser::new(Limits::default()).accept_missing_message_id();
    let Ok(Inbound::Message(envelope)) = parser.parse(request) else { panic!("a message") };
    let accepted = envelope.open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
    let receipt = receipt_in(&accepted.stored().build(now()).response.to_response());
    assert_eq!(receipt.report().original_message_id, None);
}

#[test]
fn n09_requests_without_names_are_no_as2() {
    for name in ["as2-from", "as2-to"] {
        assert_eq!(rejected(without(name)), Rejection::MissingHeader(name));
        for value in ["", "  ", "\"\"", &"x".repeat(1025)] {
            let mut request = without(name);
            request.headers_mut().insert(name, value.parse().unwrap());
            let rejection = rejected(request);
            assert_eq!((&rejection, rejection.status().as_u16()), (&Rejection::MissingHeader(name), 400), "{value:?}");
        }
    }
}

#[test]
fn v02_v03_versions_are_never_a_failure() {
    for version in ["1.0", "1.1", "1.2", "1.3", "1.9"] {
        assert_eq!(open(plain().header("as2-version", version).body(order()).unwrap()).notes(), [], "{version}");
    }
    assert_eq!(open(plain().body(order()).unwrap()).notes(), [], "absent");
    for version in ["2.0", "nonsense", ""] {
        let accepted = open(plain().header("as2-version", version).body(order()).unwrap());
        assert!(matches!(accepted.notes(), [Note::Version(_)]), "{version}: {:?}", accepted.notes());
    }
}

#[test]
fn u04_messages_to_others_are_refused() {
    let case = Case::new(SIGNED_TYPE, &signed_body("alice-sign", &payload_entity()));
    assert!(matches!(case.accepted().authenticity(), Authenticity::Signed { .. }));
    let refused = case.header("as2-to", "carol").open_sync().unwrap_err();
    assert_eq!(refused.error().code(), "UNKNOWN_PARTNER");
}

#[test]
fn u10_what_cannot_stand_in_a_header_is_not_sent() {
    let builder = || MessageBuilder::new(&worked_identity("alice"), &bob());
    for value in ["a\r\nX-Other: b", "a\0", "\u{e9}"] {
        let error = builder().header("x-ours", value).build(Payload::x12("x"), now()).unwrap_err();
        assert!(matches!(&error, SendError::Header { name } if name == "x-ours"), "{error:?}");
        let subject = builder().subject(value).build(Payload::x12("x"), now()).unwrap().request;
        let subject = subject.header("subject").unwrap();
        assert!(subject.bytes().all(|octet| (b' '..=b'~').contains(&octet)), "{subject}");
    }
    let overruled = builder().header("AS2-From", "Mallory").build(Payload::x12("x"), now()).unwrap().request;
    assert_eq!(overruled.header("as2-from"), Some("\"Alice Corp\""));
}
