//! Which octets a signature covers, where they are not those that arrived: a closed list of forms, in line ends alone.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "support/by_hand.rs"]
mod by_hand;
#[path = "support/dissect.rs"]
mod dissect;
#[path = "peers/made.rs"]
mod made;
#[path = "support/receipts.rs"]
mod receipts;
#[path = "support/refusal.rs"]
mod refusal;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use as2_protocol::crypto::{DigestContext, DigestProvider, DigestValue};
use as2_protocol::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use by_hand::SIGNED_TYPE;
use dissect::*;
use made::*;
use refusal::*;
use support::*;

const CRLF: &str = "Content-Type: application/EDI-X12\r\n\r\nISA*00~\r\nIEA*1~\r\n";
const LF_BODY: &str = "Content-Type: application/EDI-X12\r\n\r\nISA*00~\nIEA*1~\n";
const LF: &str = "Content-Type: application/EDI-X12\n\nISA*00~\nIEA*1~\n";
const SHORT: &str = "Content-Type: application/EDI-X12\r\n\r\nISA*00~\r\nIEA*1~";
const SHORT_LF_BODY: &str = "Content-Type: application/EDI-X12\r\n\r\nISA*00~\nIEA*1~";

fn base64_lines(octets: &[u8]) -> Vec<u8> {
    STANDARD.encode(octets).as_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect()
}

fn body_of(entity: &str) -> &str {
    entity.split_once("\r\n\r\n").or_else(|| entity.split_once("\n\n")).unwrap().1
}

/// A message that carries `sent` under a signature over `signed`.
fn message(sent: &str, signed: &str, attributes: bool) -> Case {
    let signer = Signer { attributes, ..Signer::java("alice-sign") };
    Case::new(SIGNED_TYPE, &signed_body(sent.as_bytes(), &signer.sign(signed.as_bytes())))
}

/// The same inside an envelope.
fn sealed(sent: &str, signed: &str) -> Case {
    let body = signed_body(sent.as_bytes(), &Signer::java("alice-sign").sign(signed.as_bytes()));
    let inner = entity(&format!("Content-Type: {SIGNED_TYPE}"), &body);
    Case::new(
        "application/pkcs7-mime; smime-type=enveloped-data",
        &encrypt(&inner, &worked_certificate("bob-enc"), false),
    )
}

/// What arrived, what was signed, and the name of that form.
const FORMS: [(&str, &str, SignedOctets); 7] = [
    (CRLF, CRLF, SignedOctets::AsReceived),
    (LF_BODY, CRLF, SignedOctets::InCrlf),
    (CRLF, SHORT, SignedOctets::WithoutLastLineEnd),
    (LF_BODY, SHORT_LF_BODY, SignedOctets::WithoutLastLineEnd),
    (SHORT, CRLF, SignedOctets::WithLineEnd),
    (CRLF, LF_BODY, SignedOctets::BodyInLf),
    (LF, LF_BODY, SignedOctets::BodyInLf),
];

#[test]
fn c05_the_form_that_was_signed_decides_the_mic_and_is_told() {
    for (sent, signed, form) in FORMS {
        for case in [message(sent, signed, true), message(sent, signed, false), sealed(sent, signed)] {
            let accepted = case.accepted();
            assert_eq!(accepted.signed_octets(), Some(form), "{sent:?} {signed:?}");
            assert_eq!(accepted.mic().digest(), by_hand::sha256(signed.as_bytes()), "{form:?}");
            let expected = match form {
                SignedOctets::AsReceived => Vec::new(),
                SignedOctets::InCrlf => vec![Note::CanonicalForm],
                other => vec![Note::OtherForm(other)],
            };
            assert_eq!(accepted.notes(), expected);
            // The peers that sign the CRLF form have never written it; all else is delivered as it was signed.
            let delivered = if form == SignedOctets::InCrlf { sent } else { signed };
            assert_eq!(accepted.payload().body(), body_of(delivered).as_bytes(), "{form:?}");
            let record = accepted.evidence().unwrap().record();
            let stored: OriginRecord = serde_json::from_value(serde_json::to_value(record).unwrap()).unwrap();
            assert_eq!(
                stored.verify(&CryptoProvider::rustcrypto()).unwrap().content(),
                delivered.as_bytes(),
                "{form:?}"
            );
        }
    }
}

#[test]
fn c05_strict_terms_take_the_octets_as_sent_alone() {
    for (sent, signed, form) in FORMS {
        for (taken, terms) in [
            (form == SignedOctets::AsReceived, SignedForm::AsSent),
            (matches!(form, SignedOctets::AsReceived | SignedOctets::InCrlf), SignedForm::AsSentOrCrlf),
        ] {
            let opened = |case: Case| {
                let opened = case.accepting(|accept| accept.signed_form = terms).open_sync();
                opened.map(|_| "accepted").unwrap_or_else(|refused| refused.error().code())
            };
            let expected = |code| if taken { "accepted" } else { code };
            assert_eq!(opened(message(sent, signed, true)), expected("INTEGRITY_CHECK"), "{form:?} {terms:?}");
            assert_eq!(opened(message(sent, signed, false)), expected("SIGNATURE_INVALID"), "{form:?} {terms:?}");
            assert_eq!(opened(sealed(sent, signed)), expected("INTEGRITY_CHECK"), "{form:?} {terms:?}");
        }
    }
}

#[test]
fn c05_receipts_are_read_in_these_forms_too_unless_the_terms_are_strict() {
    let settled = |terms: SignedForm, sent: &[u8], signed: &[u8]| {
        let mut profile = profile(ALICE, BOB);
        profile.accept.signed_form = terms;
        let partner = worked_partner(profile, "bob");
        let builder = MessageBuilder::new(&worked_identity("alice"), &partner).message_id(ID.parse().unwrap());
        let pending = builder.build(Payload::x12(receipts::order()), now()).unwrap().pending;
        let stored: PendingReceipt = serde_json::from_value(serde_json::to_value(&pending).unwrap()).unwrap();
        let body = signed_body(sent, &Signer::java("bob-sign").sign(signed));
        let response = receipts::response(&entity(&format!("Content-Type: {SIGNED_TYPE}"), &body));
        match stored.settle(&receipt_in(&response), &partner, now()) {
            Outcome::Deliver(evidence) => {
                let again = evidence.record().verify(&CryptoProvider::rustcrypto()).unwrap();
                assert_eq!(again.notes(), evidence.notes());
                evidence.notes().to_vec()
            }
            Outcome::Dispute(dispute, _) => vec![Note::Other(dispute.code().to_owned())],
            other => panic!("{other:?}"),
        }
    };
    let mic = receipts::waiting(ReceiptKind::Signed, false).mics()[0].clone();
    let report = receipts::report(&receipts::fields(receipts::PROCESSED, Some(&mic), ""));
    let (short, more) = (report.strip_suffix(b"\r\n").unwrap(), [&report, &b"\r\n"[..]].concat());
    let lf = String::from_utf8(report.clone()).unwrap().replace("\r\n", "\n").into_bytes();
    for (sent, signed, note) in [
        (&report, short, Note::OtherForm(SignedOctets::WithoutLastLineEnd)),
        (&report, &more, Note::OtherForm(SignedOctets::WithLineEnd)),
        (&lf, &report, Note::CanonicalForm),
    ] {
        for terms in [SignedForm::Tolerant, SignedForm::AsSentOrCrlf] {
            assert_eq!(settled(terms, sent, signed), std::slice::from_ref(&note));
        }
        assert_eq!(settled(SignedForm::AsSent, sent, signed), [Note::Other("MDN_SIGNATURE".to_owned())]);
    }
    assert_eq!(settled(SignedForm::AsSent, &report, &report), []);
}

#[test]
fn a_changed_document_verifies_in_no_form() {
    let changed = [
        CRLF.replace("00", "01"),
        CRLF.replace("\r\nIEA", "IEA"),
        CRLF.replace("\r\nIEA", "\r\n\r\nIEA"),
        CRLF.replace('~', "~\r"),
        format!("{CRLF}\r\n\r\n"),
        SHORT.trim_end_matches('~').to_owned(),
        // Line ends of both kinds are no form of a body in line feeds.
        CRLF.replacen("~\r\n", "~\n", 1),
    ];
    for sent in &changed {
        for attributes in [true, false] {
            let refused = message(sent, LF_BODY, attributes).open_sync().map(|accepted| accepted.signed_octets());
            let code = refused.unwrap_err().error().code();
            assert_eq!(code, if attributes { "INTEGRITY_CHECK" } else { "SIGNATURE_INVALID" }, "{sent:?}");
        }
    }
}

#[test]
fn a_binary_document_is_delivered_as_it_was_signed() {
    // A gateway that takes a picture for text. Nobody gets the picture that it broke.
    let head = "Content-Type: image/png\r\n\r\n";
    let picture = "\u{1}PNG\n\0\n\u{2}";
    let broken = picture.replace('\n', "\r\n");
    let accepted = message(&format!("{head}{broken}"), &format!("{head}{picture}"), true).accepted();
    assert_eq!(accepted.payload().body(), picture.as_bytes());
}

/// Counts the octets that are digested.
struct Counting(CryptoProvider, Arc<AtomicUsize>);
struct CountingContext(Box<dyn DigestContext>, Arc<AtomicUsize>);

impl DigestProvider for Counting {
    fn start(&self, algorithm: DigestAlgorithm) -> Option<Box<dyn DigestContext>> {
        Some(Box::new(CountingContext(self.0.digests().start(algorithm)?, Arc::clone(&self.1))))
    }
}

impl DigestContext for CountingContext {
    fn update(&mut self, data: &[u8]) {
        self.1.fetch_add(data.len(), Ordering::Relaxed);
        self.0.update(data);
    }

    fn fork(&self) -> Option<Box<dyn DigestContext>> {
        Some(Box::new(Self(self.0.fork()?, Arc::clone(&self.1))))
    }

    fn finish(self: Box<Self>) -> DigestValue {
        self.0.finish()
    }
}

#[test]
fn what_matches_as_received_is_digested_once_and_the_rest_a_bounded_number_of_times() {
    let document = "ISA*00~\r\n".repeat(100_000);
    let content = format!("Content-Type: application/EDI-X12\r\n\r\n{document}");
    let passes = |signed: &str, attributes| {
        let count = Arc::new(AtomicUsize::new(0));
        let plain = CryptoProvider::rustcrypto();
        let provider = plain.clone().with_digests(Arc::new(Counting(plain, Arc::clone(&count))));
        let partner = Partner::builder(profile(BOB, ALICE), provider)
            .encrypt_to(worked_certificate("alice-enc"))
            .verify_with(worked_certificate("alice-sign"))
            .build()
            .unwrap();
        let opened = message(&content, signed, attributes).partner(partner).open_in_memory().is_ok();
        // Attributes and the value of the signature are digested, too.
        (opened, (count.load(Ordering::Relaxed) + 5_000) / content.len())
    };
    assert_eq!(passes(&content, true), (true, 1));
    assert_eq!(passes(&content, false), (true, 1));
    // The octets as received, in CRLF form, and with a body in line feeds; the last line end costs nothing.
    for attributes in [true, false] {
        assert_eq!(passes(content.trim_end(), attributes), (true, 2), "its body in line feeds is shorter");
        assert_eq!(passes("something else", attributes), (false, 2));
    }
}
