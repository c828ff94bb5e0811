//! Every layering of RFC 4130 and RFC 5402 with every kind of receipt, against an independent integrity check.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "support/dissect.rs"]
mod dissect;
mod support;

use base64::Engine as _;
use dissect::{decrypt, field, head_and_body, inflate, parameter, split};
use sha2::Digest as _;
use support::*;

use as2_protocol::*;
use bytes::Bytes;

/// Layers, outermost first: `E`ncrypted, `S`igned, `C`ompressed; and how they are asked for.
struct Layering {
    id: &'static str,
    layers: &'static str,
    compress: Compression,
    digest: DigestAlgorithm,
    cipher: CipherAlgorithm,
}

const LAYERINGS: [Layering; 10] = {
    use CipherAlgorithm::*;
    use Compression::*;
    use DigestAlgorithm::*;
    const fn row(
        id: &'static str,
        layers: &'static str,
        compress: Compression,
        digest: DigestAlgorithm,
        cipher: CipherAlgorithm,
    ) -> Layering {
        Layering { id, layers, compress, digest, cipher }
    }
    [
        row("P-01", "", None, Sha256, Aes256Cbc),
        row("P-02", "S", None, Sha256, Aes256Cbc),
        row("P-03", "E", None, Sha256, Aes128Cbc),
        row("P-04", "ES", None, Sha384, Aes256Cbc),
        row("P-05", "C", BeforeSigning, Sha256, Aes256Cbc),
        row("P-06", "SC", BeforeSigning, Sha512, Aes256Cbc),
        row("P-07", "CS", AfterSigning, Sha384, Aes256Cbc),
        row("P-08", "EC", AfterSigning, Sha256, Aes256Gcm),
        row("P-09", "ESC", BeforeSigning, Sha256, Aes192Gcm),
        row("P-10", "ECS", AfterSigning, Sha512, Aes192Cbc),
    ]
};

/// The kinds of receipt, and whether it comes later.
const RECEIPTS: [(ReceiptKind, bool); 5] = [
    (ReceiptKind::None, false),
    (ReceiptKind::Unsigned, false),
    (ReceiptKind::Signed, false),
    (ReceiptKind::Unsigned, true),
    (ReceiptKind::Signed, true),
];

const SUBJECT: &str = "Order 4711";

#[test]
fn p01_p10_every_layering_with_every_receipt() {
    let (alice_us, bob_us) = (worked_identity("alice"), worked_identity("bob"));
    let order = worked("payload.x12");
    let mut cases = 0;
    for layering in &LAYERINGS {
        for (kind, later) in RECEIPTS {
            let case = format!("{} {kind:?} {}", layering.id, if later { "async" } else { "sync" });
            let partner = worked_partner(terms(layering, kind, later), "bob");
            let payload = Payload::x12(order.clone());
            let sent = MessageBuilder::new(&alice_us, &partner).subject(SUBJECT).build(payload, now()).unwrap();
            check_message_headers(&sent.request, layering, kind, later, &case);
            let digest = if layering.layers.contains('S') { layering.digest } else { DigestAlgorithm::Sha256 };
            let expected = independent_mic(&sent.request, layering.layers, &order, digest);

            let accepted = envelope(sent.request.to_request()).open(&bob_us, Some(&alice()), now()).unwrap();
            assert_eq!(accepted.payload().body(), &order, "{case}");
            assert_eq!(
                accepted.payload().content_type().map(ContentType::essence),
                Some("application/edi-x12"),
                "{case}"
            );
            assert_eq!(accepted.layers(), expected_layers(layering), "{case}");
            assert_eq!(accepted.authenticity(), &expected_authenticity(layering), "{case}");
            assert_eq!(accepted.notes(), [], "{case}: nothing that we write needs tolerance");
            assert_eq!((accepted.mic().to_base64(), accepted.mic().algorithm()), (expected.clone(), digest), "{case}");
            assert_eq!(accepted.mic_scope(), sent.pending.mic_scope(), "{case}");
            assert_eq!(sent.pending.mics().iter().map(Mic::to_base64).collect::<Vec<_>>(), [&*expected], "{case}");

            let reply = accepted.stored().build(now());
            settle(&sent, &partner, reply, (kind, later), (&expected, digest), &case);
            cases += 1;
        }
    }
    assert_eq!(cases, 50);
}

fn terms(layering: &Layering, kind: ReceiptKind, later: bool) -> PartnerProfile {
    let mut terms = profile(ALICE, BOB);
    terms.send.sign = layering.layers.contains('S').then_some(layering.digest);
    terms.send.encrypt = layering.layers.contains('E').then_some(layering.cipher);
    terms.send.compress = layering.compress;
    terms.send.receipt.kind = kind;
    terms.send.receipt.asynchronous_url = later.then(|| ASYNC_URL.parse().unwrap());
    terms
}

const ASYNC_URL: &str = "https://alice.example/receipts";

fn expected_layers(layering: &Layering) -> Vec<Layer> {
    let layer = |letter| match letter {
        'E' => Layer::Encrypted(layering.cipher, KeyTransport::RsaPkcs1v15),
        'S' => Layer::Signed(layering.digest),
        'C' => Layer::Compressed,
        other => panic!("{other}"),
    };
    layering.layers.chars().map(layer).collect()
}

fn expected_authenticity(layering: &Layering) -> Authenticity {
    if layering.layers.contains('S') {
        Authenticity::Signed { certificate: worked_certificate("alice-sign") }
    } else if layering.layers.contains('E') && layering.cipher.is_authenticated() {
        Authenticity::SealedUnsigned
    } else {
        Authenticity::None
    }
}

/// The integrity check of RFC 4130 section 7.3.1 and RFC 5402 section 4, from the message as sent: the signed octets
/// where there is a signature, the payload alone where there is no layer, else header and payload.
fn independent_mic(request: &StoredRequest, layers: &str, payload: &[u8], digest: DigestAlgorithm) -> String {
    if layers.is_empty() {
        assert_eq!(request.body(), payload, "K-01");
        return base64(digest, payload);
    }
    let whole = [PAYLOAD_HEAD.as_bytes(), payload].concat();
    let mut content_type = request.header("content-type").unwrap().to_owned();
    let mut body = request.body().to_vec();
    let mut signed = None;
    let mut innermost = Vec::new();
    for layer in layers.chars() {
        innermost = match layer {
            'E' => decrypt(&body, worked_key("bob-enc").as_ref()),
            'C' => inflate(&body),
            _ => {
                let parts = split(&body, parameter(&content_type, "boundary"));
                assert_eq!(parts.len(), 2, "M-04");
                signed.get_or_insert(parts[0].to_vec());
                parts[0].to_vec()
            }
        };
        let (head, inner) = head_and_body(&innermost);
        (content_type, body) = (field(head, "content-type").to_owned(), inner.to_vec());
    }
    assert_eq!(innermost, whole, "{layers}: the payload's entity is what its header and octets make");
    match signed {
        Some(signed) => {
            assert_eq!(signed == whole, !layers.contains("SC"), "K-02, K-03");
            base64(digest, &signed)
        }
        None => base64(digest, &whole),
    }
}

/// What we write before the payload.
const PAYLOAD_HEAD: &str = "Content-Type: application/EDI-X12\r\nContent-Transfer-Encoding: binary\r\n\r\n";

fn base64(digest: DigestAlgorithm, octets: &[u8]) -> String {
    let value = match digest {
        DigestAlgorithm::Sha256 => sha2::Sha256::digest(octets).to_vec(),
        DigestAlgorithm::Sha384 => sha2::Sha384::digest(octets).to_vec(),
        DigestAlgorithm::Sha512 => sha2::Sha512::digest(octets).to_vec(),
        other => panic!("{other}"),
    };
    base64::engine::general_purpose::STANDARD.encode(value)
}

fn settle(
    sent: &Outbound,
    bob: &Partner,
    reply: Reply,
    (kind, later): (ReceiptKind, bool),
    mic: (&str, DigestAlgorithm),
    case: &str,
) {
    assert_eq!(reply.notes, [], "{case}");
    let response = reply.response.to_response();
    assert_eq!(response.status(), 200, "{case}");
    let answered = sent.pending.on_response(Ok(&response), bob, now());
    let outcome = match (answered, kind, later, reply.follow_up) {
        (SendOutcome::Transferred, ReceiptKind::None, false, FollowUp::None) => {
            assert_eq!((response.body().len(), response.headers()["content-length"].as_bytes()), (0, &b"0"[..]));
            return;
        }
        (SendOutcome::Settled(outcome), _, false, FollowUp::None) => {
            let request = http::Request::post("/").body(response.body().clone()).unwrap();
            let (mut head, body) = request.into_parts();
            head.headers = response.headers().clone();
            check_receipt(http::Request::from_parts(head, body), sent, kind, mic, case);
            *outcome
        }
        (SendOutcome::Awaiting, _, true, FollowUp::Post(posted)) => {
            assert!(response.body().is_empty(), "{case}: R-03");
            let request = posted.request.to_request();
            assert_eq!(request.uri(), ASYNC_URL, "{case}");
            let receipt = check_receipt(request, sent, kind, mic, case);
            sent.pending.settle(&receipt, bob, now())
        }
        other => panic!("{case}: {other:?}"),
    };
    let Outcome::Deliver(evidence) = outcome else { panic!("{case}: {outcome:?}") };
    let proof = if kind == ReceiptKind::Signed { Proof::Signed } else { Proof::UnsignedWithMic };
    assert_eq!(evidence.proof(), Some(proof), "{case}");
    let signer = (kind == ReceiptKind::Signed).then(|| worked_certificate("bob-sign"));
    assert_eq!(evidence.signer(), signer.as_ref(), "{case}");
}

/// D-18 and the report itself.
fn check_receipt(
    request: http::Request<Bytes>,
    sent: &Outbound,
    kind: ReceiptKind,
    (mic, digest): (&str, DigestAlgorithm),
    case: &str,
) -> IncomingMdn {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
    let names: std::collections::BTreeSet<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
    let expected =
        ["as2-from", "as2-to", "as2-version", "content-length", "content-type", "date", "message-id", "mime-version"];
    assert_eq!(names, expected.into(), "{case}: D-18");
    assert_eq!((header("as2-from"), header("as2-to")), (Some("bob"), Some("\"Alice Corp\"")), "{case}: N-06");
    assert_ne!(header("message-id"), Some(sent.pending.message_id().as_str()), "{case}: I-10");
    assert_eq!(header("content-length"), Some(&*request.body().len().to_string()), "{case}");
    assert!(request.headers().values().all(|value| value.as_bytes().iter().all(|o| (b' '..=b'~').contains(o))));
    let content_type = header("content-type").unwrap();
    if kind == ReceiptKind::Signed {
        assert!(content_type.starts_with("multipart/signed; protocol=\"application/pkcs7-signature\""), "{case}: D-02");
        assert_eq!(parameter(content_type, "micalg"), digest.name(), "{case}: D-17");
    } else {
        assert!(content_type.starts_with("multipart/report; report-type=disposition-notification"), "{case}: D-01");
    }
    let Inbound::Mdn(receipt) = parse(request) else { panic!("{case}: not a receipt") };
    let report = receipt.report();
    let recipient = report.final_recipient.as_ref().unwrap();
    assert_eq!((recipient.address_type.as_deref(), &*recipient.address), (Some("rfc822"), "bob"), "{case}: D-08");
    assert_eq!(report.original_recipient.as_ref(), Some(recipient), "{case}: D-09");
    assert_eq!(report.original_message_id.as_deref(), Some(sent.pending.message_id().as_str()), "{case}: D-10");
    assert_eq!(report.disposition, Some(Disposition::processed()), "{case}: Z-01");
    assert!(receipt.text().unwrap().contains(SUBJECT), "{case}: D-03");
    let Some(MicField::Mic(received)) = receipt.mic() else { panic!("{case}: {:?}", receipt.mic()) };
    assert_eq!((&*received.to_base64(), received.digest_algorithm()), (mic, Some(digest)), "{case}: K-20, K-21");
    receipt
}

fn check_message_headers(request: &StoredRequest, layering: &Layering, kind: ReceiptKind, later: bool, case: &str) {
    let built = request.to_request();
    assert_eq!((built.method(), built.uri().to_string()), (&http::Method::POST, "https://bob.example/as2".to_owned()));
    for (name, value) in built.headers() {
        assert_eq!(built.headers().get_all(name).iter().count(), 1, "{case}: H-12 {name}");
        let printable = value.as_bytes().iter().all(|octet| (b' '..=b'~').contains(octet));
        assert!(printable && !value.is_empty(), "{case}: H-13 {name}: {value:?}");
    }
    let header = |name| request.header(name);
    assert_eq!(header("host"), None, "{case}: H-02 is the HTTP client's");
    assert_eq!(header("content-length"), Some(&*request.body().len().to_string()), "{case}: H-03");
    assert_eq!(header("content-transfer-encoding"), None, "{case}: H-08");
    assert_eq!(header("mime-version"), Some("1.0"), "{case}: H-14");
    assert_eq!(header("date"), Some("Tue, 24 Nov 2026 00:00:00 GMT"), "{case}: H-15");
    assert_eq!(header("subject"), Some(SUBJECT), "{case}: H-16");
    assert_eq!(header("as2-version"), Some("1.1"), "{case}: V-01, V-04");
    assert_eq!((header("as2-from"), header("as2-to")), (Some("\"Alice Corp\""), Some("bob")), "{case}: N-03");
    let id = header("message-id").unwrap();
    assert!(id.starts_with('<') && id.ends_with("@as2.invalid>") && id.len() <= 255, "{case}: I-01 {id}");
    check_content_type(header("content-type").unwrap(), layering, case);

    let asks = kind != ReceiptKind::None;
    assert_eq!(header("disposition-notification-to").is_some(), asks, "{case}: Q-01");
    let digest = if layering.layers.contains('S') { layering.digest } else { DigestAlgorithm::Sha256 };
    let options =
        format!("signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, {digest}");
    let signed = (kind == ReceiptKind::Signed).then_some(&*options);
    assert_eq!(header("disposition-notification-options"), signed, "{case}: Q-08");
    assert_eq!(header("receipt-delivery-option"), later.then_some(ASYNC_URL), "{case}: Q-04");
}

fn check_content_type(content_type: &str, layering: &Layering, case: &str) {
    let mime = "application/pkcs7-mime";
    let (essence, kind, name) = match layering.layers.chars().next() {
        None => return assert_eq!(content_type, "application/EDI-X12", "{case}: M-16"),
        Some('S') => {
            assert!(content_type.starts_with("multipart/signed; "), "{case}: M-04");
            assert_eq!(parameter(content_type, "protocol"), "application/pkcs7-signature", "{case}: M-05");
            return assert_eq!(parameter(content_type, "micalg"), layering.digest.name(), "{case}: M-04");
        }
        Some('C') => (mime, "compressed-data", "smime.p7z"),
        _ if layering.cipher.is_authenticated() => (mime, "authEnveloped-data", "smime.p7m"),
        _ => (mime, "enveloped-data", "smime.p7m"),
    };
    assert!(content_type.starts_with(essence), "{case}: {content_type}");
    assert_eq!(parameter(content_type, "smime-type"), kind, "{case}: M-07, M-08");
    assert_eq!(parameter(content_type, "name"), name, "{case}: H-18");
}
