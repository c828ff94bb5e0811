//! What a partner hashed, found out from the integrity check of his receipt.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use support::*;

use as2_protocol::*;
use bytes::Bytes;

/// A document with bare line feeds, as Unix systems write them.
const DOCUMENT: &str = "UNB+UNOA:1'\nUNZ+1'\n";
const HEADER: &str = "Content-Type: application/EDIFACT\r\nContent-Transfer-Encoding: binary\r\n\r\n";

fn document() -> Payload {
    Payload::edifact(DOCUMENT)
}

fn sent(change: fn(&mut PartnerProfile)) -> Outbound {
    let mut terms = profile(ALICE, BOB);
    terms.send.encrypt = None;
    change(&mut terms);
    MessageBuilder::new(&worked_identity("alice"), &worked_partner(terms, "bob")).build(document(), now()).unwrap()
}

fn digest(algorithm: DigestAlgorithm, octets: &[u8]) -> Vec<u8> {
    let mut context = CryptoProvider::rustcrypto().digests().start(algorithm).unwrap();
    context.update(octets);
    context.finish().as_bytes().to_vec()
}

/// A receipt with this integrity check.
fn receipt(mic: &str) -> IncomingMdn {
    let body = format!(
        "--b\r\nContent-Type: message/disposition-notification\r\n\r\n\
         Original-Message-ID: <1@a>\r\nDisposition: automatic-action/MDN-sent-automatically; processed\r\n\
         Received-Content-MIC: {mic}\r\n--b--\r\n"
    );
    let response = http::Response::builder()
        .header("content-type", "multipart/report; report-type=disposition-notification; boundary=b")
        .body(Bytes::from(body))
        .unwrap();
    receipt_in(&with_names(response))
}

/// Asynchronous receipts carry the names.
fn with_names(mut response: http::Response<Bytes>) -> http::Response<Bytes> {
    response.headers_mut().insert("as2-from", "bob".parse().unwrap());
    response.headers_mut().insert("as2-to", "\"Alice Corp\"".parse().unwrap());
    response
}

fn diagnose(message: &Outbound, mic: &str) -> MicDiagnosis {
    let provider = CryptoProvider::rustcrypto();
    message.pending.diagnose(&receipt(mic), &document(), Some(&message.request), &[], &provider)
}

fn of(algorithm: DigestAlgorithm, named: &str, octets: &[u8]) -> String {
    format!("{}, {named}", STANDARD.encode(digest(algorithm, octets)))
}

#[test]
fn each_form_that_is_known_to_be_hashed_is_recognised() {
    let message = sent(|_| ());
    let entity = format!("{HEADER}{DOCUMENT}");
    let crlf = |text: &str| text.replace("\r\n", "\n").replace('\n', "\r\n");
    let encoded = format!("{}\r\n", STANDARD.encode(DOCUMENT));
    let body = message.request.body().to_vec();
    let cases = [
        (HashedOctets::EntityInCrlf, crlf(&entity).into_bytes()),
        (HashedOctets::EntityWithoutLastLineEnd, entity.trim_end_matches('\n').as_bytes().to_vec()),
        (HashedOctets::EntityWithLineEnd, format!("{entity}\r\n").into_bytes()),
        (HashedOctets::Payload, DOCUMENT.as_bytes().to_vec()),
        (HashedOctets::PayloadInCrlf, crlf(DOCUMENT).into_bytes()),
        (HashedOctets::PayloadInBase64, encoded.into_bytes()),
        (HashedOctets::Body, body),
        (HashedOctets::Nothing, Vec::new()),
    ];
    for (octets, form) in cases {
        let found = diagnose(&message, &of(DigestAlgorithm::Sha256, "sha-256", &form));
        let (algorithm, named) = (DigestAlgorithm::Sha256, "sha-256".to_owned());
        let scope = MicScope::SignedEntity;
        assert_eq!(found, MicDiagnosis::Found { octets, algorithm, named, scope });
        let sentence = found.to_string();
        assert!(sentence.contains(&octets.to_string()) && sentence.ends_with('.'), "{sentence}");
    }
    assert_eq!(diagnose(&message, &of(DigestAlgorithm::Sha256, "SHA256", entity.as_bytes())), MicDiagnosis::Equal);
    assert_eq!(diagnose(&message, &of(DigestAlgorithm::Sha256, "sha-256", b"changed")), MicDiagnosis::Unknown);
    assert_eq!(diagnose(&message, "not base64!, sha-256"), MicDiagnosis::Unreadable);
}

#[test]
fn another_digest_than_the_one_named_is_told() {
    let message = sent(|terms| terms.send.receipt.micalgs = vec![DigestAlgorithm::Sha1, DigestAlgorithm::Sha256]);
    let entity = format!("{HEADER}{DOCUMENT}");
    let found = diagnose(&message, &of(DigestAlgorithm::Sha1, "sha-256", entity.as_bytes()));
    let expected = MicDiagnosis::Found {
        octets: HashedOctets::AsAgreed,
        algorithm: DigestAlgorithm::Sha1,
        named: "sha-256".to_owned(),
        scope: MicScope::SignedEntity,
    };
    assert_eq!(found, expected);
    assert_eq!(
        found.to_string(),
        "The integrity check was computed over what was sent with sha-1, although the receipt names sha-256."
    );
}

#[test]
fn k03_the_document_hashed_instead_of_the_compressed_entity_is_recognised() {
    let message = sent(|terms| terms.send.compress = Compression::BeforeSigning);
    let entity = format!("{HEADER}{DOCUMENT}");
    let found = diagnose(&message, &of(DigestAlgorithm::Sha256, "sha-256", entity.as_bytes()));
    assert!(matches!(found, MicDiagnosis::Found { octets: HashedOctets::Entity, .. }), "{found:?}");
    let equal = message.pending.mics()[0].to_string();
    assert_eq!(diagnose(&message, &equal), MicDiagnosis::Equal);
}

#[test]
fn k05_a_compressed_entity_hashed_instead_of_the_document_is_recognised() {
    let message = sent(|terms| terms.send.compress = Compression::AfterSigning);
    let found = diagnose(&message, &of(DigestAlgorithm::Sha256, "sha-256", message.request.body()));
    assert!(matches!(found, MicDiagnosis::Found { octets: HashedOctets::Body, .. }), "{found:?}");
}

#[test]
fn the_receipt_of_another_message_is_recognised() {
    let (message, other) = (sent(|_| ()), sent(|terms| terms.send.sign = Some(DigestAlgorithm::Sha512)));
    let mic = receipt(&other.pending.mics()[0].to_string());
    let provider = CryptoProvider::rustcrypto();
    let found = message.pending.diagnose(&mic, &document(), None, std::slice::from_ref(&other.pending), &provider);
    let message_id = other.pending.message_id().to_string();
    assert!(found.to_string().contains(&message_id), "{found}");
    assert_eq!(found, MicDiagnosis::OtherMessage { message_id });
}

#[test]
fn a_check_that_settles_the_message_is_no_mismatch() {
    // OpenAS2 hashes compressed documents without their header.
    let message = sent(|terms| {
        terms.send.sign = None;
        terms.send.compress = Compression::BeforeSigning;
        terms.send.receipt.kind = ReceiptKind::Unsigned;
    });
    let mic = of(DigestAlgorithm::Sha256, "sha-256", DOCUMENT.as_bytes());
    assert_eq!(diagnose(&message, &mic), MicDiagnosis::Equal);
    let Outcome::Deliver(_) = message.pending.settle(&about(&message, &mic), &bob(), now()) else {
        panic!("it settles")
    };
    // Under another name it does not, and the octets are told.
    let misnamed = diagnose(&message, &of(DigestAlgorithm::Sha256, "sha-512", DOCUMENT.as_bytes()));
    assert!(matches!(misnamed, MicDiagnosis::Found { octets: HashedOctets::Payload, .. }), "{misnamed:?}");
    // Receipts are mixed up whichever way they were computed.
    let (other, provider) = (sent(|_| ()), CryptoProvider::rustcrypto());
    let found =
        other.pending.diagnose(&receipt(&mic), &document(), None, std::slice::from_ref(&message.pending), &provider);
    assert_eq!(found, MicDiagnosis::OtherMessage { message_id: message.pending.message_id().to_string() });
}

/// A receipt about this message.
fn about(message: &Outbound, mic: &str) -> IncomingMdn {
    let id = message.pending.message_id();
    let body = format!(
        "--b\r\nContent-Type: message/disposition-notification\r\n\r\nOriginal-Message-ID: {id}\r\n\
         Disposition: automatic-action/MDN-sent-automatically; processed\r\nReceived-Content-MIC: {mic}\r\n--b--\r\n"
    );
    let response = http::Response::builder()
        .header("content-type", "multipart/report; report-type=disposition-notification; boundary=b")
        .body(Bytes::from(body))
        .unwrap();
    receipt_in(&with_names(response))
}

#[test]
fn the_explanation_says_what_the_check_of_this_message_covers() {
    fn unsigned(terms: &mut PartnerProfile) {
        terms.send.sign = None;
    }
    fn encrypted(terms: &mut PartnerProfile) {
        unsigned(terms);
        terms.send.encrypt = Some(CipherAlgorithm::Aes128Cbc);
    }
    for (message, expected) in [
        (sent(|_| ()), "it should cover the entity that was signed, octet for octet as it was sent."),
        (
            sent(encrypted),
            "it should cover the document with its MIME header, before it was compressed or encrypted, octet",
        ),
        (sent(unsigned), "it should cover the document without its MIME header, octet for octet as it was sent."),
    ] {
        let found = diagnose(&message, &of(DigestAlgorithm::Sha256, "sha-256", b""));
        assert!(found.to_string().contains(expected), "{found}");
    }
    let message = sent(unsigned);
    let entity = format!("{HEADER}{DOCUMENT}");
    let found = diagnose(&message, &of(DigestAlgorithm::Sha512, "sha-512", entity.as_bytes()));
    let expected = "The integrity check was computed over the document with its MIME header with sha-512; it should cover \
                    the document without its MIME header, octet for octet as it was sent.";
    assert_eq!(found.to_string(), expected);
}

#[test]
fn line_ends_are_looked_for_where_the_document_is_empty_and_lines_of_base64_are_full() {
    let message = sent(|_| ());
    let provider = CryptoProvider::rustcrypto();
    let told = |payload: &Payload, octets: &[u8]| {
        let mic = receipt(&of(DigestAlgorithm::Sha256, "sha-256", octets));
        match message.pending.diagnose(&mic, payload, None, &[], &provider) {
            MicDiagnosis::Found { octets, .. } => Some(octets),
            _ => None,
        }
    };
    let empty = Payload::edifact("");
    assert_eq!(
        told(&empty, HEADER.strip_suffix("\r\n").unwrap().as_bytes()),
        Some(HashedOctets::EntityWithoutLastLineEnd)
    );
    let long = "UNB+UNOA:1'".repeat(40);
    let lines: Vec<u8> =
        STANDARD.encode(&long).as_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect();
    assert_eq!(told(&Payload::edifact(long), &lines), Some(HashedOctets::PayloadInBase64));
}
