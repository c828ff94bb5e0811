//! Further facts from the wire, mostly of libraries in Python, JavaScript, Ruby, PHP and Rust.

use super::by_hand::SIGNED_TYPE;
use super::dissect::*;
use super::made::*;
use super::receipt::*;
use super::refusal::Case;
use super::support::*;
use super::*;

fn part() -> Vec<u8> {
    entity(EDI_HEAD, EDI)
}

fn sealed(content: &[u8]) -> Vec<u8> {
    encrypt(content, &worked_certificate("bob-enc"), false)
}

/// mendelson, where a document is encrypted and not signed.
#[test]
fn b2_01_bare_documents_in_an_envelope_are_read_by_agreement() {
    let edifact = b"UNB+UNOA:1+ALICE+BOB+261124:0800+1'\r\nUNZ+0+1'\r\n";
    let case = Case::new(ENVELOPED_TYPE, &streamed(&sealed(edifact)));
    assert_eq!(case.open_sync().unwrap_err().error().code(), "BARE_CONTENT");
    let terms = profile(BOB, ALICE).with_preset(Preset::Mendelson);
    let accepted = case.partner(worked_partner(terms, "alice")).accepted();
    assert_eq!((accepted.payload().body().as_ref(), accepted.mic().to_base64()), (&edifact[..], mic(edifact)));
}

/// libas2 writes an indefinite EncryptedContentInfo into definite lengths.
#[test]
fn b2_02_definite_and_indefinite_lengths_may_be_mixed() {
    let streamed = streamed(&sealed(&part()));
    // ContentInfo, [0] and EnvelopedData made definite again.
    let bare = |octets: &[u8]| octets[..octets.len() - 2].to_vec();
    let oid = der(6, &[&ENVELOPED]);
    let explicit = bare(&streamed[2 + oid.len()..]);
    let data = bare(&bare(&explicit[2..])[2..]);
    let mixed = der(0x30, &[&oid, &der(0xa0, &[&der(0x30, &[&data])])]);
    assert_eq!(Case::new(ENVELOPED_TYPE, &mixed).accepted().payload().body(), EDI);
}

/// Sterling signs without attributes, and labels the binary signature with nothing; some installations want the same.
#[test]
fn b2_03_signatures_without_attributes_are_read_and_written_on_request() {
    for combined in [false, true] {
        let signer = Signer { attributes: false, combined, ..Signer::java("alice-sign") };
        let signature = entity("Content-Type: application/pkcs7-signature", &signer.sign(&part()));
        let accepted = Case::new(SIGNED_TYPE, &multipart("b", &[&part(), &signature])).accepted();
        assert_eq!((accepted.payload().body().as_ref(), accepted.mic().to_base64()), (EDI, mic(&part())));
    }
    let size = |on| {
        let sent = signed_only(|terms| terms.quirks.signed_attributes = on);
        assert_eq!(proof(&sent.pending, &answered(&sent, |_| ()).to_response()), Some(Proof::Signed));
        sent.request.body().len()
    };
    assert!(size(false) < size(true));
}

/// pyas2lib before 1.4 wrote recipients without an address type, others only one of the two fields.
#[test]
fn b2_04_recipients_need_no_address_type() {
    let pending = waiting(ReceiptKind::Unsigned, false);
    for more in ["Original-Recipient: 0123\r\n", "Final-Recipient: 0123\r\n", "Final-Recipient: rfc822;\"0123\"\r\n"] {
        let response = unsigned(&fields(PROCESSED, pending.mics().first(), more));
        assert_eq!(proof(&pending, &response), Some(Proof::UnsignedWithMic), "{more}");
        let receipt = receipt_in(&response);
        let report = receipt.report();
        let recipient = report.final_recipient.as_ref().or(report.original_recipient.as_ref()).unwrap();
        assert_eq!(recipient.address.trim_matches('"'), "0123");
    }
}

/// libas2 signs its receipts without the line end after their last boundary.
#[test]
fn b2_05_receipts_that_were_signed_without_their_last_line_end_prove_delivery() {
    let pending = waiting(ReceiptKind::Signed, false);
    let report = report(&fields(PROCESSED, pending.mics().first(), ""));
    let signed = report.strip_suffix(b"\r\n").unwrap();
    let body = signed_body(&report, &Signer::java("bob-sign").sign(signed));
    let response = response(&entity(&format!("Content-Type: {SIGNED_TYPE}"), &body));
    let Outcome::Deliver(evidence) = outcome(&pending, &response) else { panic!("{:?}", outcome(&pending, &response)) };
    assert_eq!(evidence.proof(), Some(Proof::Signed));
    assert_eq!(evidence.notes(), [Note::OtherForm(SignedOctets::WithoutLastLineEnd)]);
    assert_eq!(evidence.record().verify(&CryptoProvider::rustcrypto()).unwrap().proof(), Some(Proof::Signed));
}

/// Sterling cannot read what `openssl smime -sign` writes; MuleSoft needs base64 in lines.
#[test]
fn b2_06_what_is_written_has_no_preamble_and_crlf_everywhere() {
    let message = signed_only(|_| ());
    let receipt = answered(&message, |_| ());
    for (content_type, body) in [
        (message.request.header("content-type").unwrap(), message.request.body()),
        (receipt.header("content-type").unwrap(), receipt.body()),
    ] {
        assert!(content_type.contains("application/pkcs7-signature") && !content_type.contains("x-pkcs7"));
        let signature = split(body, parameter(content_type, "boundary"))[1];
        let (head, text) = head_and_body(signature);
        assert!(field(head, "content-type").starts_with("application/pkcs7-signature"));
        assert_eq!(lf(text).len() + text.iter().filter(|octet| **octet == b'\r').count(), text.len());
        assert!(text.split(|octet| *octet == b'\n').all(|line| line.len() <= 77));
    }
}

/// pyas2lib refuses this part, OpenSSL writes it.
#[test]
fn b2_07_base64_parts_of_octet_stream_are_hashed_as_sent() {
    let head = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64";
    let octets: Vec<u8> = (0..=255).collect();
    let part = entity(head, &base64_lines(&octets));
    let body = signed_body(&part, &Signer::java("alice-sign").sign(&part));
    let accepted = Case::new(SIGNED_TYPE, &body).accepted();
    assert_eq!((accepted.payload().body().as_ref(), accepted.mic().to_base64()), (&octets[..], mic(&part)));
}

/// pyas2lib changes them on the way out.
#[test]
fn b2_08_lone_carriage_returns_and_binary_octets_are_never_changed() {
    let document: Vec<u8> = [b"<a>\r\r\n\n\r</a>\0".as_slice(), &(0..=255).collect::<Vec<u8>>()].concat();
    let makers: [fn(Vec<u8>) -> Payload; 3] =
        [|octets| Payload::xml(octets), |octets| Payload::x12(octets), |octets| Payload::octet_stream(octets)];
    for make in makers {
        let builder = MessageBuilder::new(&worked_identity("alice"), &bob());
        let request = builder.build(make(document.clone()), now()).unwrap().request.to_request();
        let accepted = envelope(request).open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
        assert_eq!(accepted.payload().body(), &document);
    }
}

/// libas2, the Ruby gem, phpas2 and pyas2lib, in this order.
#[test]
fn b2_09_refusals_of_libraries_are_read() {
    let pending = waiting(ReceiptKind::Unsigned, false);
    for (disposition, more) in [
        ("automatic-action/MDN-sent-automatically; failed/failure=Could not verify signature", ""),
        ("automatic-action/MDN-sent-automatically; failed", "Failure: Could not verify signature\r\n"),
        ("automatic-action/MDN-sent-automatically; processed", "Failure: Could not verify signature\r\n"),
        ("automatic-action/MDN-sent-automatically; processed/error: Undefined index: boundary", ""),
        ("automatic-action/MDN-sent-automatically; processed/Error: decryption-failed", ""),
    ] {
        let outcome = outcome(&pending, &unsigned(&fields(disposition, None, more)));
        assert!(matches!(outcome, Outcome::Refuse(..)), "{disposition}: {outcome:?}");
    }
}

/// phpas2 writes the zlib stream as base64 text into the octet string.
#[test]
fn b2_10_compressed_streams_in_base64_are_read() {
    let compressed = compressed_data(&ZLIB, STANDARD.encode(zlib(&part())).as_bytes());
    let accepted = Case::new(COMPRESSED_TYPE, &compressed).accepted();
    assert_eq!(accepted.payload().body(), EDI);
    assert!(matches!(accepted.notes(), [Note::TransferEncoding(_)]), "{:?}", accepted.notes());
}

/// asx-rs and early versions of the Ruby gem write the whole MIME entity into the HTTP body.
#[test]
fn b2_11_bodies_that_repeat_their_mime_header_are_read() {
    let fields = [
        "MIME-Version: 1.0",
        "Content-Disposition: attachment; filename=\"smime.p7m\"",
        "Content-Type: application/x-pkcs7-mime; smime-type=enveloped-data; name=\"smime.p7m\"",
        "Content-Transfer-Encoding: base64",
    ];
    for line_end in ["\r\n", "\n"] {
        let mut body = fields.join(line_end) + line_end + line_end;
        body += &String::from_utf8(base64_lines(&sealed(&part()))).unwrap().replace("\r\n", line_end);
        let accepted = Case::new(ENVELOPED_TYPE, body.as_bytes()).accepted();
        assert_eq!(accepted.payload().body(), EDI);
        assert!(!accepted.notes().is_empty());
    }
}

/// BizTalk writes `Receipt-Delivery-Option` with nothing behind it.
#[test]
fn b2_12_an_empty_delivery_option_means_the_response() {
    let case = Case::new("application/EDI-X12", EDI);
    for empty in ["", "  ", "<>"] {
        let headers = [("disposition-notification-to", "x"), ("receipt-delivery-option", empty)];
        let reply = case.open(&headers).unwrap().stored().build(now());
        assert_eq!((reply.response.status().as_u16(), &reply.follow_up), (200, &FollowUp::None));
        assert_eq!(receipt_in(&reply.response.to_response()).disposition(), Some(&Disposition::processed()));
    }
}

/// pyas2lib takes the last digest listed and breaks off at unknown ones; no library answers `required` as it should.
#[test]
fn b2_13_the_first_known_digest_counts_and_required_ones_are_honoured() {
    let options =
        |micalgs: &str| format!("signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg={micalgs}");
    let case = |micalgs| Case::new("application/EDI-X12", EDI).options(&options(micalgs));
    let digest = |micalgs| case(micalgs).accepted().mic().algorithm();
    assert_eq!(digest("optional, sha256, sha1"), DigestAlgorithm::Sha256);
    assert_eq!(digest("optional, sha3-256, junk, rsa-sha384"), DigestAlgorithm::Sha384);
    let refused = case("required, sha3-256").open_sync().unwrap_err();
    let receipt = receipt_in(&refused.mdn().build(now()).response.to_response());
    assert_eq!(receipt.disposition(), Some(&Disposition::failure("unsupported MIC-algorithms")));
}

/// mendelson's receipts: a Date as preamble, and folded fields inside the signed part.
#[test]
fn b2_14_folded_fields_inside_receipts_are_read() {
    let pending = waiting(ReceiptKind::Signed, false);
    let mic = &pending.mics()[0];
    let fields = format!(
        "Reporting-UA: mendelson\r\nOriginal-Message-ID:\r\n {}\r\nDisposition: automatic-action/MDN-sent-automatically;\r\n\tprocessed\r\nReceived-Content-MIC: {},\r\n sha256\r\n",
        pending.message_id(),
        mic.to_base64()
    );
    let parts = [
        entity("Content-Type: text/plain\r\nContent-Transfer-Encoding: 7bit", b"Received."),
        entity("Content-Type: message/disposition-notification\r\nContent-Transfer-Encoding: 7bit", fields.as_bytes()),
    ];
    let head = "Content-Type: multipart/report; report-type=disposition-notification; \r\n\tboundary=\"----=_Part_1\"";
    let report = entity(head, &multipart("----=_Part_1", &[&parts[0], &parts[1]]));
    let body = signed_body(&report, &Signer::java("bob-sign").sign(&report));
    let response = response(&entity(&format!("Content-Type: {SIGNED_TYPE}"), &body));
    assert_eq!(proof(&pending, &response), Some(Proof::Signed));
}

/// Sterling's receipt with all that is its own: headers of AS2 repeated in the body, parameters without spaces, an
/// explanation without header, identifiers without brackets, a binary signature without attributes and without label.
#[test]
fn b2_18_a_whole_receipt_of_sterling_proves_delivery() {
    let pending = waiting(ReceiptKind::Signed, false);
    let fields = format!(
        "Reporting-UA:IBM Sterling B2B Integrator\r\nOriginal-Recipient:rfc822;bob\r\nFinal-Recipient:rfc822;bob\r\nOriginal-Message-ID: {}\r\nDisposition:Automatic-action/mdn-sent-automatically;processed\r\nReceived-Content-MIC: {},sha256\r\n",
        pending.message_id().bare(),
        pending.mics()[0].to_base64()
    );
    let machine = entity("Content-Type:message/disposition-notification", fields.as_bytes());
    let text = b"The message <case@alice.example> was received.";
    let head = "Content-Type:multipart/report;Report-Type=disposition-notification;boundary=r";
    let report = entity(head, &multipart("r", &[text, &machine]));
    let signer = Signer { attributes: false, combined: false, ..Signer::java("bob-sign") };
    let signature = entity("Content-Type:application/pkcs7-signature", &signer.sign(&report));
    let repeated = "AS2-From: bob\r\nAS2-To: \"Alice Corp\"\r\nAS2-Version: 1.1\r\nMessage-ID: <4af6@bob>\r\n\r\n";
    let body = [repeated.as_bytes(), &multipart("s", &[&report, &signature])].concat();
    let response = ::http::Response::builder()
        .header("as2-from", "bob")
        .header("as2-to", "Alice Corp")
        .header("content-type", "multipart/signed;micalg=sha256;boundary=s;protocol=application/pkcs7-signature")
        .body(Bytes::from(body))
        .unwrap();
    assert_eq!(proof(&pending, &response), Some(Proof::Signed));
    assert_eq!(receipt_in(&response).text(), Some("The message <case@alice.example> was received."));
}

/// The Ruby gem puts a line end before the body of its receipts; libas2 cuts them off everything, documents too.
#[test]
fn b2_19_line_ends_before_the_content_are_skipped_but_not_those_of_documents() {
    for blank in ["\r\n", "\n", "\r\n\r\n"] {
        let before = |octets: &[u8]| [blank.as_bytes(), octets].concat();
        let base64 = base64_lines(&sealed(&part()));
        assert_eq!(Case::new(ENVELOPED_TYPE, &before(&base64)).accepted().payload().body(), EDI, "{blank:?}");
        let report = report(&fields(PROCESSED, None, ""));
        let (_, body) = head_and_body(&report);
        let mut response = response(&report);
        *response.body_mut() = before(body).into();
        assert_eq!(proof(&waiting(ReceiptKind::Unsigned, false), &response), Some(Proof::UnsignedNoMic));

        let document = before(EDI);
        let accepted = Case::new("application/EDI-X12", &document).accepted();
        assert_eq!((accepted.payload().body().as_ref(), accepted.mic().to_base64()), (&*document, mic(&document)));
        let inside = entity(EDI_HEAD, &document);
        assert_eq!(Case::new(ENVELOPED_TYPE, &sealed(&inside)).accepted().payload().body(), &document);
    }
}

/// libas2 leaves the last line end of a text, or of an empty document, out of its signature. What counts is what was
/// signed: the document is handed out without it, and the integrity check covers the same octets.
#[test]
fn b2_20_messages_that_were_signed_without_their_last_line_end_are_read_without_it() {
    let cms = |octets: &[u8]| Signer::java("alice-sign").sign(octets);
    for (document, delivered) in [(&b"Dear Bob\r\n\r\n"[..], &b"Dear Bob\r\n"[..]), (b"\r\n", b""), (b"", b"")] {
        let sent = entity("Content-Type: text/plain", document);
        let signed = sent.strip_suffix(b"\r\n").unwrap();
        let case = Case::new(SIGNED_TYPE, &signed_body(&sent, &cms(signed)));
        let accepted = case.accepted();
        assert_eq!((accepted.payload().body().as_ref(), accepted.mic().to_base64()), (delivered, mic(signed)));
        assert_eq!(accepted.notes(), [Note::OtherForm(SignedOctets::WithoutLastLineEnd)]);
        let proof = accepted.evidence().unwrap().record().verify(&CryptoProvider::rustcrypto());
        assert!(proof.is_ok(), "{proof:?}");
        let strict = case.accepting(|accept| accept.signed_form = SignedForm::AsSent);
        assert_eq!(strict.open_sync().unwrap_err().error().code(), "INTEGRITY_CHECK");
        // One line end, and no more.
        let further = [&sent[..], b"\r\n"].concat();
        let refused = Case::new(SIGNED_TYPE, &signed_body(&further, &cms(signed))).open_sync().unwrap_err();
        assert_eq!(refused.error().code(), "INTEGRITY_CHECK");
    }
}
