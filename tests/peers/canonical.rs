//! Line ends, transfer encodings, and which octets a signature covers.

use super::by_hand::SIGNED_TYPE;
use super::dissect::*;
use super::made::*;
use super::receipt::*;
use super::refusal::*;
use super::support::*;
use super::*;

/// A message whose signature covers `signed`, while `sent` is on the wire.
fn message(sent: &[u8], signed: &[u8]) -> Case {
    Case::new(SIGNED_TYPE, &signed_body(sent, &Signer::java("alice-sign").sign(signed)))
}

fn encrypted() -> Vec<u8> {
    encrypt(&entity(EDI_HEAD, EDI), &worked_certificate("bob-enc"), false)
}

/// RSSBus and freeas2: no transfer encoding, bare line feeds, signed as they are.
#[test]
fn a1_01_no_transfer_encoding_means_binary() {
    let part = entity(EDI_HEAD, EDI);
    let accepted = message(&part, &part).accepted();
    assert_eq!(accepted.payload().body(), EDI);
    assert_eq!(accepted.mic().to_base64(), mic(&part));
    assert_ne!(accepted.mic().to_base64(), mic(&crlf(&part)));
    assert_eq!(accepted.notes(), []);
}

/// OpenAS2, as2-lib, mendelson, Camel, Oxalis with 7bit or 8bit parts: BouncyCastle hashes what JavaMail does not write.
#[test]
fn a1_02_crlf_signed_lf_sent() {
    for encoding in ["7bit", "8bit"] {
        let part = entity(&format!("{EDI_HEAD}\r\nContent-Transfer-Encoding: {encoding}"), EDI);
        let case = message(&part, &crlf(&part));
        let accepted = case.accepted();
        assert_eq!(accepted.payload().body(), EDI, "what was sent is delivered");
        assert_eq!(accepted.mic().to_base64(), mic(&crlf(&part)));
        assert_eq!(accepted.notes(), [Note::CanonicalForm]);
        let strict = case.accepting(|accept| accept.signed_form = SignedForm::AsSent);
        assert_eq!(strict.open_sync().unwrap_err().error().code(), "INTEGRITY_CHECK");
    }

    let pending = waiting(ReceiptKind::Signed, false);
    let receipt = lf(&report(&fields(PROCESSED, pending.mics().first(), "")));
    let body = signed_body(&receipt, &Signer::java("bob-sign").sign(&crlf(&receipt)));
    let response = response(&entity(&format!("Content-Type: {SIGNED_TYPE}"), &body));
    let Outcome::Deliver(evidence) = outcome(&pending, &response) else {
        panic!("a receipt of Oxalis proves delivery")
    };
    assert_eq!((evidence.proof(), evidence.notes()), (Some(Proof::Signed), &[Note::CanonicalForm][..]));
}

#[test]
fn a1_03_the_mic_covers_the_form_that_was_signed() {
    let options = "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, sha-512";
    let part = entity(&format!("{EDI_HEAD}\r\nContent-Transfer-Encoding: 8bit"), EDI);
    for signed in [part.clone(), crlf(&part)] {
        let accepted = message(&part, &signed).options(options).accepted();
        assert_eq!(accepted.mic().to_base64(), mic_with(DigestAlgorithm::Sha512, &signed));
    }

    // A partner who hashes the CRLF form of what we signed as it is.
    let sent = signed_only(|_| ());
    let part = split(sent.request.body(), parameter(sent.request.header("content-type").unwrap(), "boundary"))[0];
    let id = sent.pending.message_id();
    let mic = format!("Received-Content-MIC: {}, sha-256\r\n", mic(&crlf(part)));
    let fields = format!("Original-Message-ID: {id}\r\nDisposition: {PROCESSED}\r\n{mic}");
    let receipt = receipt_in(&unsigned(&fields));
    let document = Payload::x12(Bytes::from_static(EDI));
    let told = sent.pending.diagnose(&receipt, &document, Some(&sent.request), &[], &CryptoProvider::rustcrypto());
    assert!(matches!(told, MicDiagnosis::Found { octets: HashedOctets::EntityInCrlf, .. }), "{told:?}");
}

/// OpenAS2 with `set_transfer_encoding_on_inital_body_part=false` hashes the part before the signer adds a header.
#[test]
fn a1_04_our_mic_covers_the_part_with_its_transfer_encoding() {
    let sent = signed_only(|_| ());
    let part = split(sent.request.body(), parameter(sent.request.header("content-type").unwrap(), "boundary"))[0];
    assert_eq!(field(head_and_body(part).0, "content-transfer-encoding"), "binary");
    assert_eq!(sent.pending.mics()[0].to_base64(), mic(part));

    let part = entity(&format!("{EDI_HEAD}\r\nContent-Transfer-Encoding: base64"), &base64_lines(EDI));
    let accepted = message(&part, &part).accepted();
    assert_eq!(accepted.mic().to_base64(), mic(&part), "what is on the wire counts, not what the sender once had");
}

/// as2-lib's sample of issue 97 verifies only with the TAB of its folded header.
#[test]
fn a1_05_folded_headers_are_hashed_as_received() {
    let part = entity("Content-Type: application/EDI-X12;\r\n\tname=\"order.x12\"", &crlf(EDI));
    let accepted = message(&part, &part).accepted();
    assert_eq!(accepted.mic().to_base64(), mic(&part));
    assert_eq!(accepted.payload().content_type().unwrap().param("name"), Some("order.x12"));
    let unfolded = entity("Content-Type: application/EDI-X12; name=\"order.x12\"", &crlf(EDI));
    assert_eq!(message(&unfolded, &part).open_sync().unwrap_err().error().code(), "INTEGRITY_CHECK");
}

/// OpenAS2 2.5.0 says base64 in the HTTP header and sends binary.
#[test]
fn a1_06_transfer_encodings_of_http_are_checked_against_the_body() {
    let labelled = |body: &[u8], label| Case::new(ENVELOPED_TYPE, body).header("content-transfer-encoding", label);
    let lies = labelled(&encrypted(), "base64").accepted();
    assert_eq!(lies.payload().body(), EDI);
    assert!(matches!(lies.notes(), [Note::TransferEncoding(_)]), "{:?}", lies.notes());
    let true_base64 = labelled(&base64_lines(&encrypted()), "base64").accepted();
    assert_eq!((true_base64.payload().body().as_ref(), true_base64.notes()), (EDI, &[][..]));
    let unknown = labelled(&encrypted(), "x-whatever").accepted();
    assert_eq!(unknown.payload().body(), EDI);

    let header = |quirk| {
        let (sent, _) = sent(|terms| terms.quirks.http_transfer_encoding = quirk);
        sent.request.header("content-transfer-encoding").map(str::to_owned)
    };
    assert_eq!((header(false), header(true)), (None, Some("binary".to_owned())));
}

/// JavaScript clients.
#[test]
fn a1_07_base64_without_a_label_is_recognised() {
    let accepted = Case::new(ENVELOPED_TYPE, &base64_lines(&encrypted())).accepted();
    assert_eq!(accepted.payload().body(), EDI);
    assert!(matches!(accepted.notes(), [Note::TransferEncoding(_)]), "{:?}", accepted.notes());
    let one_line = STANDARD.encode(encrypted());
    assert_eq!(Case::new(ENVELOPED_TYPE, one_line.as_bytes()).accepted().payload().body(), EDI);
}

#[test]
fn a1_08_everything_but_signatures_goes_out_in_binary() {
    let (sent, _) = sent(|_| ());
    let inner = decrypt(sent.request.body(), worked_key("bob-enc").as_ref());
    let (head, body) = head_and_body(&inner);
    let parts = split(body, parameter(field(head, "content-type"), "boundary"));
    assert_eq!(field(head_and_body(parts[0]).0, "content-transfer-encoding"), "binary");
    assert_eq!(head_and_body(parts[0]).1, EDI);
    assert_eq!(field(head_and_body(parts[1]).0, "content-transfer-encoding"), "base64");
}

/// `openssl smime` cannot read binary signature parts; old N-software and RSSBus stumble over base64 ones.
#[test]
fn a1_09_signature_parts_are_base64_unless_the_partner_needs_binary() {
    let signature = |content_type: &str, body: &[u8]| split(body, parameter(content_type, "boundary"))[1].to_vec();
    for encoding in [SignatureEncoding::Base64, SignatureEncoding::Binary] {
        let change = |terms: &mut PartnerProfile| terms.quirks.signature_encoding = encoding;
        let message = signed_only(change);
        let receipt = answered(&message, change);
        for (content_type, body) in [
            (message.request.header("content-type"), message.request.body()),
            (receipt.header("content-type"), receipt.body()),
        ] {
            let part = signature(content_type.unwrap(), body);
            let end = memchr::memmem::find(&part, b"\r\n\r\n").unwrap() + 4;
            let (head, body) = (std::str::from_utf8(&part[..end]).unwrap(), &part[end..]);
            match encoding {
                SignatureEncoding::Binary => {
                    assert_eq!((field(head, "content-transfer-encoding"), body[0]), ("binary", 0x30));
                }
                _ => {
                    assert_eq!(field(head, "content-transfer-encoding"), "base64");
                    let text = std::str::from_utf8(body).unwrap();
                    assert!(text.split("\r\n").all(|line| line.len() <= 76 && !line.contains('\n')));
                }
            }
        }
    }

    let part = entity(EDI_HEAD, EDI);
    let cms = Signer::java("alice-sign").sign(&part);
    for label in ["\r\nContent-Transfer-Encoding: binary", ""] {
        let head = format!("Content-Type: application/pkcs7-signature{label}");
        let body = multipart("b", &[&part, &entity(&head, &cms)]);
        assert_eq!(Case::new(SIGNED_TYPE, &body).accepted().payload().body(), EDI);
    }
}

/// A C implementation refused receipts whose parts were labelled 7bit.
#[test]
fn a1_10_parts_of_receipts_carry_no_transfer_encoding() {
    let receipt = answered(&signed_only(|_| ()), |_| ());
    let boundary = parameter(receipt.header("content-type").unwrap(), "boundary").to_owned();
    let (head, body) = head_and_body(split(receipt.body(), &boundary)[0]);
    let parts = split(body, parameter(field(head, "content-type"), "boundary"));
    for part in [head, head_and_body(parts[0]).0, head_and_body(parts[1]).0] {
        assert!(!part.to_ascii_lowercase().contains("content-transfer-encoding"), "{part}");
    }

    let pending = waiting(ReceiptKind::Unsigned, false);
    let text = String::from_utf8(report(&fields(PROCESSED, pending.mics().first(), ""))).unwrap();
    let labelled = text.replace("notification\r\n\r\n", "notification\r\nContent-Transfer-Encoding: 7bit\r\n\r\n");
    assert_ne!(labelled, text);
    assert_eq!(proof(&pending, &response(labelled.as_bytes())), Some(Proof::UnsignedWithMic));
}

/// Oxalis 4.0 and MimeKit.
#[test]
fn a1_11_reports_in_base64_are_read() {
    let pending = waiting(ReceiptKind::Signed, false);
    let base64 = |content_type: &str, text: &[u8]| {
        let head = format!("Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64");
        entity(&head, &base64_lines(text))
    };
    let text = base64("text/plain", b"Thank you.");
    let fields = fields(PROCESSED, pending.mics().first(), "");
    let machine = base64("message/disposition-notification", fields.as_bytes());
    let head = "Content-Type: multipart/report; report-type=disposition-notification; boundary=r";
    let report = entity(head, &multipart("r", &[&text, &machine]));
    let body = signed_body(&report, &Signer::java("bob-sign").sign(&report));
    let response = response(&entity(&format!("Content-Type: {SIGNED_TYPE}"), &body));
    assert_eq!(proof(&pending, &response), Some(Proof::Signed));
    assert_eq!(receipt_in(&response).text(), Some("Thank you."));
}

#[test]
fn a1_12_encoded_leaves_are_hashed_as_transmitted_and_delivered_decoded() {
    let quoted = crlf(&String::from_utf8_lossy(EDI).replace('*', "=2A").into_bytes());
    for (encoding, body, decoded) in
        [("base64", base64_lines(EDI), EDI.to_vec()), ("quoted-printable", quoted, crlf(EDI))]
    {
        // JavaMail's encoder ends with a line end more, which belongs to the hashed octets.
        for end in ["", "\r\n"] {
            let head = format!("{EDI_HEAD}\r\nContent-Transfer-Encoding: {encoding}");
            let part = entity(&head, &[&body, end.as_bytes()].concat());
            let accepted = message(&part, &part).accepted();
            assert_eq!(accepted.mic().to_base64(), mic(&part), "{encoding}");
            assert!(accepted.payload().body().starts_with(&decoded), "{encoding}");
        }
    }
}

#[test]
fn a1_13_bare_line_feeds_between_the_parts_are_read() {
    let part = entity(EDI_HEAD, EDI);
    for signed in [lf(&part), crlf(&part)] {
        let body = lf(&signed_body(&part, &Signer::java("alice-sign").sign(&signed)));
        assert!(!body.contains(&b'\r'));
        let accepted = Case::new(SIGNED_TYPE, &body).accepted();
        assert_eq!((accepted.payload().body().as_ref(), accepted.mic().to_base64()), (EDI, mic(&signed)));
    }
}
