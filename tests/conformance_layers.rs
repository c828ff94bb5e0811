//! Requirements on layers, canonical form and integrity checks that no other test shows; `docs/conformance.md` tells which.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "support/by_hand.rs"]
mod by_hand;
#[path = "support/dissect.rs"]
mod dissect;
#[path = "support/refusal.rs"]
mod refusal;
mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use by_hand::*;
use dissect::*;
use refusal::*;
use support::*;

use as2_protocol::*;
use bytes::Bytes;

const ENVELOPED_TYPE: &str = "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m";
const COMPRESSED_TYPE: &str = "application/pkcs7-mime; smime-type=compressed-data; name=smime.p7z";
const CBC: Layer = Layer::Encrypted(CipherAlgorithm::Aes256Cbc, KeyTransport::RsaPkcs1v15);
const SIGNED_SHA256: Layer = Layer::Signed(DigestAlgorithm::Sha256);

fn order() -> Bytes {
    worked("payload.x12")
}

fn payload_entity() -> Vec<u8> {
    typed("application/edi-x12", &order())
}

fn sealed(content: &[u8]) -> Vec<u8> {
    encrypt(content, &worked_certificate("bob-enc"), false)
}

fn typed(content_type: &str, body: &[u8]) -> Vec<u8> {
    entity(&format!("Content-Type: {content_type}"), body)
}

fn signed(content: &[u8]) -> Case {
    Case::new(SIGNED_TYPE, &signed_body("alice-sign", content))
}

/// The case is accepted with the order, with these layers, and with the integrity check of these octets; who vouches
/// for it, and what was tolerated.
fn opens(case: &Case, layers: &[Layer], checked: &[u8]) -> (Authenticity, Vec<Note>) {
    let accepted = case.accepted();
    assert_eq!(accepted.payload().body(), &order());
    assert_eq!((accepted.layers(), accepted.mic().digest()), (layers, &*sha256(checked)));
    (accepted.authenticity().clone(), accepted.notes().to_vec())
}

fn sent(payload: Payload, change: impl FnOnce(&mut PartnerProfile)) -> Outbound {
    let mut terms = profile(ALICE, BOB);
    change(&mut terms);
    MessageBuilder::new(&worked_identity("alice"), &worked_partner(terms, "bob")).build(payload, now()).unwrap()
}

fn received(request: &StoredRequest) -> Accepted {
    envelope(request.to_request()).open(&worked_identity("bob"), Some(&alice()), now()).unwrap()
}

#[test]
fn p12_compression_outside_of_encryption_is_opened() {
    let packed = compressed_data(&ZLIB, &zlib(&typed(ENVELOPED_TYPE, &sealed(&payload_entity()))));
    opens(&Case::new(COMPRESSED_TYPE, &packed), &[Layer::Compressed, CBC], &payload_entity());
}

#[test]
fn p13_m17_signatures_outside_of_encryption_are_verified() {
    let inner = typed(ENVELOPED_TYPE, &sealed(&payload_entity()));
    opens(&signed(&inner), &[SIGNED_SHA256, CBC], &inner);
    let cms = signed_data("alice-sign", DigestAlgorithm::Sha256, &inner, false);
    let head = "Content-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64";
    let base64 = multipart("b", &[&inner, &entity(head, STANDARD.encode(cms).as_bytes())]);
    opens(&Case::new(SIGNED_TYPE, &base64), &[SIGNED_SHA256, CBC], &inner);

    let twice = typed(SIGNED_TYPE, &signed_body("alice-sign", &payload_entity()));
    let wrapped = typed(ENVELOPED_TYPE, &sealed(&twice));
    let (authenticity, _) = opens(&signed(&wrapped), &[SIGNED_SHA256, CBC, SIGNED_SHA256], &wrapped);
    assert_eq!(authenticity, Authenticity::Signed { certificate: worked_certificate("alice-sign") });
}

#[test]
fn p14_opaque_signatures_are_opened() {
    let cms = signed_data("alice-sign", DigestAlgorithm::Sha256, &payload_entity(), true);
    let case = Case::new("application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", &cms);
    let (authenticity, _) = opens(&case, &[SIGNED_SHA256], &payload_entity());
    assert_eq!(authenticity, Authenticity::Signed { certificate: worked_certificate("alice-sign") });
    let changed = case.body(|body| patch_last(body, b"*ALICECORP", b"*MALLORY12"));
    assert_eq!(changed.open_sync().unwrap_err().error().code(), "SIGNATURE_INVALID");
}

#[test]
fn m01_m03_payloads_of_every_type_are_delivered() {
    let types = [
        "application/EDI-X12",
        "APPLICATION/edifact",
        "application/edi-consent",
        "application/xml; charset=utf-8",
        "application/x-unknown",
        "text/plain",
        "multipart/alternative; boundary=b",
    ];
    for content_type in types {
        for case in [Case::new(content_type, &order()), signed(&typed(content_type, &order()))] {
            let accepted = case.accepted();
            assert_eq!(accepted.payload().content_type().unwrap().to_string(), content_type);
            assert_eq!(accepted.payload().body(), &order(), "{content_type}");
        }
    }
    let untyped = http::Request::post("/").header("as2-from", "\"Alice Corp\"").header("as2-to", "bob");
    let untyped = envelope(untyped.header("message-id", ID).body(order()).unwrap());
    let untyped = untyped.open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
    for accepted in [untyped, signed(&entity("X-Other: 1", &order())).accepted()] {
        assert_eq!((accepted.payload().content_type(), accepted.payload().body()), (None, &order()), "M-03");
    }
    let named = sent(Payload::x12(order()).with_filename("..gr\u{f6}\u{df}e.x12 "), |_| ());
    assert_eq!(received(&named.request).payload().raw_filename(), Some("..gr\u{f6}\u{df}e.x12 "));
}

#[test]
fn m02_m05_other_labels_of_smime_are_understood() {
    let cms = sealed(&payload_entity());
    for label in [
        "application/x-pkcs7-mime; smime-type=enveloped-data",
        "Application/PKCS7-MIME; Smime-Type=enveloped-data",
        "application/octet-stream; name=smime.p7m; smime-type=enveloped-data",
    ] {
        assert_eq!(opens(&Case::new(label, &cms), &[CBC], &payload_entity()).1, [], "{label}");
    }
    let by_file =
        Case::new("application/octet-stream", &cms).header("content-disposition", "attachment; filename=A.P7M");
    opens(&by_file, &[CBC], &payload_entity());
    let packed = compressed_data(&ZLIB, &zlib(&payload_entity()));
    opens(&Case::new("application/octet-stream; name=a.p7z", &packed), &[Layer::Compressed], &payload_entity());

    let signature = signed_data("alice-sign", DigestAlgorithm::Sha256, &payload_entity(), false);
    for label in ["application/x-pkcs7-signature", "application/pkcs-7-signature", "application/octet-stream"] {
        let body = multipart("b", &[&payload_entity(), &typed(label, &signature)]);
        let outer = SIGNED_TYPE.replace("application/pkcs7-signature", label);
        opens(&Case::new(&outer, &body), &[SIGNED_SHA256], &payload_entity());
    }
}

#[test]
fn m04_a_single_part_is_not_signed() {
    let refused = Case::new(SIGNED_TYPE, &multipart("b", &[&payload_entity()])).open_sync().unwrap_err();
    let ReceiveError::UnsupportedContent(text) = refused.error() else { panic!("{:?}", refused.error()) };
    assert!(text.contains("1 parts"), "{text}");
}

#[test]
fn m07_the_content_decides_and_not_its_label() {
    let cms = sealed(&payload_entity());
    let labels = [
        ("application/pkcs7-mime; smime-type=\"Enveloped-Data\"", None),
        ("application/pkcs7-mime", Some(None)),
        ("application/pkcs7-mime; smime-type=compressed-data", Some(Some("compressed-data"))),
        ("application/pkcs7-mime; smime-type=signed-data", Some(Some("signed-data"))),
    ];
    for (label, noted) in labels {
        let (_, notes) = opens(&Case::new(label, &cms), &[CBC], &payload_entity());
        let actual = || "enveloped-data".to_owned();
        let note = noted.map(|declared| Note::SmimeType { declared: declared.map(str::to_owned), actual: actual() });
        assert_eq!(notes, Vec::from_iter(note), "{label}");
    }
}

#[test]
fn m10_empty_lines_before_the_header_are_skipped() {
    let content = [b"\r\n\r\n".to_vec(), payload_entity()].concat();
    opens(&Case::new(ENVELOPED_TYPE, &sealed(&content)), &[CBC], &content);
    opens(&signed(&content), &[SIGNED_SHA256], &content);
}

#[test]
fn c03_c04_payload_octets_are_never_changed() {
    let bodies: [&[u8]; 12] = [
        b"",
        b"x",
        b"a\nb\n",
        b"a\rb\r",
        b"a\r\nb\r\n",
        b"no line end",
        b"\r\n",
        &[0, 255, 0x80, b'\n', 0],
        &[b'x'; 998],
        &[b'x'; 999],
        b"\r\n--b\r\n--b--\r\n------=_as2_0123--\r\n--",
        b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<a/> \t\n",
    ];
    for body in bodies {
        let built = sent(Payload::edifact(body), |terms| terms.send.compress = Compression::BeforeSigning);
        assert_eq!(received(&built.request).payload().body(), body, "signed, compressed and encrypted");
        let built = sent(Payload::edifact(body), |terms| (terms.send.sign, terms.send.encrypt) = (None, None));
        assert_eq!(received(&built.request).payload().body(), body, "plain");
    }
    for body in [&b"a\nb\n"[..], b"a\r\nb", b"\x80\0\n"] {
        let content = typed("application/edifact", body);
        let cms = signed_data("alice-sign", DigestAlgorithm::Sha256, &content, true);
        let accepted = Case::new("application/pkcs7-mime; smime-type=signed-data", &cms).accepted();
        assert_eq!((accepted.payload().body().as_ref(), accepted.notes()), (body, &[][..]), "C-04: not labelled");
    }
}

#[test]
fn c05_a_signature_over_the_crlf_form_counts() {
    let head = "Content-Type: application/edifact\r\nContent-Transfer-Encoding: 8bit";
    let (crlf, lf) = (entity(head, b"UNA:+.? '\r\nUNB\r\n"), entity(head, b"UNA:+.? '\nUNB\n"));
    let cms = signed_data("alice-sign", DigestAlgorithm::Sha256, &crlf, false);
    let body = multipart("b", &[&lf, &typed("application/pkcs7-signature", &cms)]);
    let accepted = Case::new(SIGNED_TYPE, &body).accepted();
    assert_eq!(
        (accepted.payload().body().as_ref(), accepted.notes()),
        (&b"UNA:+.? '\nUNB\n"[..], &[Note::CanonicalForm][..])
    );
    assert_eq!(accepted.mic().digest(), sha256(&crlf), "the check follows the form that was signed");
    let raw = signed(&lf).accepted();
    assert_eq!((raw.notes(), raw.mic().digest()), (&[][..], &*sha256(&lf)));
}

#[test]
fn c06_m06_signed_octets_are_taken_as_they_are() {
    let content = b"CONTENT-type:application/edi-x12;\r\n\tname=\"a  b\"  \r\nX-Odd:  two  spaces \t\r\n\
        content-transfer-ENCODING: 8BIT\r\n\r\nISA*00  \r\n \t\r\nIEA~ ";
    let accepted = signed(content).accepted();
    assert_eq!((accepted.notes(), accepted.mic().digest()), (&[][..], &*sha256(content)));
    assert_eq!(accepted.payload().body(), &b"ISA*00  \r\n \t\r\nIEA~ "[..]);
    assert_eq!(accepted.payload().content_type().unwrap().param("name"), Some("a  b"));
    let stripped = patch_last(content, b"IEA~ ", b"IEA~");
    let cms = signed_data("alice-sign", DigestAlgorithm::Sha256, content, false);
    let body = multipart("b", &[&stripped, &typed("application/pkcs7-signature", &cms)]);
    assert_eq!(Case::new(SIGNED_TYPE, &body).open_sync().unwrap_err().error().code(), "SIGNATURE_INVALID");
}

#[test]
fn k07_k10_related_parts_count_as_one_payload() {
    let content_type = "multipart/related; boundary=parts; type=\"application/edi-x12\"";
    let body = multipart("parts", &[&payload_entity(), &typed("application/pdf", b"%PDF\n\x00")]);
    let head = format!("Content-Type: {content_type}\r\nContent-Transfer-Encoding: binary\r\n\r\n");
    let whole = [head.as_bytes(), &body].concat();
    type Change = fn(&mut SendTerms);
    let cases: [(Change, &[u8], &str); 5] = [
        (|send| send.encrypt = None, &whole, "K-07"),
        (|_| (), &whole, "K-07"),
        (|send| send.sign = None, &whole, "K-08"),
        (|send| (send.sign, send.encrypt) = (None, None), &body, "K-09"),
        (|send| (send.sign, send.encrypt, send.compress) = (None, None, Compression::AfterSigning), &whole, "K-10"),
    ];
    for (change, checked, row) in cases {
        let payload = Payload::new(content_type.parse().unwrap(), body.clone());
        let built = sent(payload, |terms| change(&mut terms.send));
        let accepted = received(&built.request);
        assert_eq!(accepted.payload().body(), &body, "{row}");
        assert_eq!(accepted.payload().content_type().unwrap().to_string(), content_type, "{row}");
        assert_eq!(accepted.mic().digest(), sha256(checked), "{row}");
        assert_eq!(built.pending.mics()[0].digest(), sha256(checked), "{row}");
    }
}

#[test]
fn x06_a_micalg_that_does_not_fit_is_noted() {
    let case = signed(&payload_entity());
    assert_eq!(case.accepted().notes(), []);
    for declared in ["sha1", "sha-512", "nonsense"] {
        let outer = SIGNED_TYPE.replace("micalg=sha-256", &format!("micalg={declared}"));
        let (_, notes) = opens(&case.clone().header("content-type", &outer), &[SIGNED_SHA256], &payload_entity());
        let expected = Note::Micalg { declared: declared.to_owned(), actual: DigestAlgorithm::Sha256 };
        assert_eq!(notes, [expected]);
    }
}

#[test]
fn x13_a_re_encoded_issuer_is_found_by_its_serial_number() {
    // The same name as PrintableString instead of UTF8String.
    let cms = patch_last(&sealed(&payload_entity()), b"\x0c\x07Test CA", b"\x13\x07Test CA");
    opens(&Case::new(ENVELOPED_TYPE, &cms), &[CBC], &payload_entity());
    let certificate = worked_certificate("bob-enc");
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
    let serial = parsed.raw_serial();
    let mut other = serial.to_vec();
    other[1] ^= 1;
    let refused = Case::new(ENVELOPED_TYPE, &patch_last(&cms, serial, &other)).open_sync().unwrap_err();
    assert_eq!(refused.error().code(), "NO_RECIPIENT");
}

#[test]
fn u07_sha1_signatures_are_refused_unless_agreed() {
    let cms = signed_data("alice-sign", DigestAlgorithm::Sha1, &payload_entity(), false);
    let body = multipart("b", &[&payload_entity(), &typed("application/pkcs7-signature", &cms)]);
    let case = Case::new(&SIGNED_TYPE.replace("sha-256", "sha1"), &body);
    assert_eq!(case.open_sync().unwrap_err().error().code(), "ALGORITHM_FORBIDDEN");
    let agreed = case.accepting(|terms| terms.digests.push(DigestAlgorithm::Sha1));
    assert_eq!(agreed.accepted().layers(), [Layer::Signed(DigestAlgorithm::Sha1)]);
}

#[test]
fn u15_recipients_are_counted() {
    let cms = sealed(&payload_entity());
    let data = Tlv::of(&cms).child(1).child(0).children();
    let with = |count: usize| {
        let recipients = der(0x31, &[&data[1].body.repeat(count)]);
        let inner = der(data[2].tag, &[data[2].body]);
        Case::new(ENVELOPED_TYPE, &content_info(&ENVELOPED, &der(0x30, &[&[2, 1, 0], &recipients, &inner])))
    };
    opens(&with(64), &[CBC], &payload_entity());
    let refused = with(65).open_sync().unwrap_err();
    let ReceiveError::EnvelopeFormat(error) = refused.error() else { panic!("{:?}", refused.error()) };
    assert_eq!(error.kind(), &CmsErrorKind::TooMany { limit: 64 });
}

#[test]
fn u23_origin_can_be_proved_again() {
    let accepted = received(&sent(Payload::x12(order()), |_| ()).request);
    let json = serde_json::to_value(accepted.evidence().unwrap().record()).unwrap();
    let record: OriginRecord = serde_json::from_value(json.clone()).unwrap();
    assert_eq!((record.from(), record.to()), (ALICE, BOB));
    let evidence = record.verify(&CryptoProvider::rustcrypto()).unwrap();
    assert_eq!((evidence.signer(), evidence.signed_at()), (&worked_certificate("alice-sign"), Some(now())));
    assert!(evidence.content().ends_with(&order()));

    let mut forged = json;
    forged["content"] = STANDARD.encode(patch_last(evidence.content(), b"*ALICECORP", b"*MALLORY12")).into();
    let forged: OriginRecord = serde_json::from_value(forged).unwrap();
    assert_eq!(forged.verify(&CryptoProvider::rustcrypto()).unwrap_err().code(), "INTEGRITY_CHECK");
}
