//! Content types, parameters, names, identifiers, and what stands around the parts.

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

fn envelope_for_bob() -> Vec<u8> {
    encrypt(&part(), &worked_certificate("bob-enc"), false)
}

fn signature() -> Vec<u8> {
    Signer::java("alice-sign").sign(&part())
}

fn signed() -> Vec<u8> {
    signed_body(&part(), &signature())
}

/// A message in the clear with these names and this identifier, as it is parsed.
fn request(names: &[(&str, &[u8])]) -> ::http::Request<Bytes> {
    let mut request = ::http::Request::post("/as2").header("content-type", "application/EDI-X12");
    for (name, value) in names {
        request = request.header(*name, ::http::HeaderValue::from_bytes(value).unwrap());
    }
    request.header("disposition-notification-to", "x").body(Bytes::from_static(EDI)).unwrap()
}

fn opened(request: ::http::Request<Bytes>) -> Accepted {
    envelope(request).open(&worked_identity("bob"), Some(&alice()), now()).unwrap()
}

/// bpsedi writes the bare type; OpenAS2 takes the ciphertext for the document then, and says that all is well.
#[test]
fn a1_41_the_object_decides_and_not_smime_type() {
    for content_type in ["application/pkcs7-mime", "application/pkcs7-mime; name=smime.p7m"] {
        let accepted = Case::new(content_type, &envelope_for_bob()).accepted();
        assert_eq!(accepted.payload().body(), EDI);
        assert!(matches!(accepted.notes(), [Note::SmimeType { declared: None, .. }]), "{:?}", accepted.notes());
    }
}

#[test]
fn a1_42_x_types_are_aliases() {
    let content_type = "application/x-pkcs7-mime; smime-type=enveloped-data; name=\"smime.p7m\"";
    assert_eq!(Case::new(content_type, &envelope_for_bob()).accepted().payload().body(), EDI);
    let signature = entity("Content-Type: application/x-pkcs7-signature; name=\"smime.p7s\"", &signature());
    let content_type = SIGNED_TYPE.replace("pkcs7-signature", "x-pkcs7-signature");
    let accepted = Case::new(&content_type, &multipart("b", &[&part(), &signature])).accepted();
    assert!(matches!(accepted.authenticity(), Authenticity::Signed { .. }));
}

#[test]
fn a1_43_wrong_smime_types_are_noted() {
    let compressed = compressed_data(&ZLIB, &zlib(&part()));
    for (content_type, body, notes) in [
        ("application/pkcs7-mime; smime-type=Enveloped-Data", envelope_for_bob(), 0),
        ("application/pkcs7-mime; smime-type=\"ENVELOPED-DATA\"", envelope_for_bob(), 0),
        ("application/pkcs7-mime; smime-type=signed-data", envelope_for_bob(), 1),
        ("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7z", compressed.clone(), 1),
        ("application/octet-stream; name=smime.p7z", compressed, 1),
    ] {
        let accepted = Case::new(content_type, &body).accepted();
        assert_eq!((accepted.payload().body().as_ref(), accepted.notes().len()), (EDI, notes), "{content_type}");
    }
}

/// JavaMail throws at an unquoted slash; Sterling writes no spaces and capital letters.
#[test]
fn a1_44_parameters_are_read_in_every_style() {
    for content_type in [
        "multipart/signed; protocol=application/pkcs7-signature; micalg=sha256; boundary=b",
        "multipart/signed;boundary=\"b\";micalg=sha256;protocol=application/pkcs7-signature",
        "Multipart/Signed;Protocol=\"application/pkcs7-signature\";MicAlg=SHA256;Boundary=b",
        "multipart/signed ; boundary = b ; micalg = sha256;",
    ] {
        assert_eq!(Case::new(content_type, &signed()).accepted().payload().body(), EDI, "{content_type}");
    }
    let pending = waiting(ReceiptKind::Unsigned, false);
    let report = report(&fields(PROCESSED, pending.mics().first(), ""));
    let (_, body) = head_and_body(&report);
    let head = "Content-Type: multipart/report;Report-Type=disposition-notification;boundary=\"r\"";
    assert_eq!(proof(&pending, &response(&entity(head, body))), Some(Proof::UnsignedWithMic));
}

/// JavaMail folds; what unfolds it leaves tabs and double spaces.
#[test]
fn a1_45_unfolded_headers_are_read_and_none_is_folded() {
    let tab = "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha256; \tboundary=\"b\"";
    for content_type in [tab, &tab.replace('\t', "  "), &tab.replace(" \t", "\t")] {
        let accepted = Case::new(content_type, &signed()).accepted();
        assert_eq!((accepted.payload().body().as_ref(), accepted.notes()), (EDI, &[][..]));
    }
    let message = signed_only(|_| ());
    let receipt = answered(&message, |_| ());
    for headers in [message.request.to_request().headers(), receipt.to_response().headers()] {
        for (name, value) in headers {
            assert!(!value.as_bytes().iter().any(|octet| matches!(octet, b'\t' | b'\r' | b'\n')), "{name}");
        }
    }
}

/// as2-lib 4.4.2 to 4.4.4.
#[test]
fn a1_46_over_quoted_headers_are_unquoted_once() {
    let quoted = r#""multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha256; boundary=\"b\"""#;
    let case = Case::new(quoted, &signed()).header("date", "\"Wed, 17 Aug 2022 08:00:00 GMT\"");
    let accepted = case.header("message-id", "\"<case@alice.example>\"").accepted();
    assert_eq!(accepted.payload().body(), EDI);

    let pending = waiting(ReceiptKind::Unsigned, false);
    let report = report(&fields(PROCESSED, pending.mics().first(), ""));
    let (_, body) = head_and_body(&report);
    let head = r#"Content-Type: "multipart/report; report-type=disposition-notification; boundary=\"r\"""#;
    let mut response = response(&entity(head, body));
    response.headers_mut().insert("message-id", "\"<receipt@bob.example>\"".parse().unwrap());
    assert_eq!(proof(&pending, &response), Some(Proof::UnsignedWithMic));
}

#[test]
fn a1_47_names_are_compared_decoded() {
    let (id, to) = (("message-id", &b"<1@a>"[..]), ("as2-to", &b"bob"[..]));
    for (names, odd) in [
        (&[&b"\"Alice Corp\""[..]][..], 0),
        (&[b"Alice Corp"], 1),
        (&[b"\"Alice Corp\"", b"Alice Corp"], 1),
        (&[b"  \"Alice Corp\"  "], 0),
    ] {
        let mut headers = vec![id, to];
        headers.extend(names.iter().map(|name| ("as2-from", *name)));
        let accepted = opened(request(&headers));
        assert_eq!(accepted.notes().len(), odd, "{names:?}: {:?}", accepted.notes());
        let reply = accepted.stored().build(now()).response;
        assert_eq!(reply.header("as2-from"), Some("bob"));
    }
    let odd = r#"Alice "A" \ Co"#;
    let partner = worked_partner(profile(BOB, odd), "alice");
    let escaped = request(&[id, to, ("as2-from", br#""Alice \"A\" \\ Co""#)]);
    assert!(envelope(escaped).open(&worked_identity("bob"), Some(&partner), now()).is_ok());
    let other = request(&[id, to, ("as2-from", b"\"ALICE CORP\"")]);
    let refused = envelope(other).open(&worked_identity("bob"), Some(&alice()), now()).unwrap_err();
    assert_eq!(refused.error().code(), "UNKNOWN_PARTNER", "names differ in case: RFC 4130 section 6.2");
    let (sent, _) = sent(|_| ());
    assert_eq!((sent.request.header("as2-from"), sent.request.header("as2-to")), (Some("\"Alice Corp\""), Some("bob")));
}

/// mendelson bears receipts without AS2-From; some peers answer with a plain HTTP response.
#[test]
fn a1_48_receipts_in_the_response_need_no_names() {
    let pending = waiting(ReceiptKind::Unsigned, false);
    for missing in [&["as2-from"][..], &["as2-to"], &["as2-from", "as2-to"]] {
        let mut response = unsigned(&fields(PROCESSED, pending.mics().first(), ""));
        for name in missing {
            response.headers_mut().remove(*name);
        }
        assert_eq!(proof(&pending, &response), Some(Proof::UnsignedWithMic), "{missing:?}");
    }
}

/// Sterling leaves the brackets out; where both sides add some, there are two pairs.
#[test]
fn a1_49_identifiers_are_matched_without_brackets() {
    let pending = waiting(ReceiptKind::Unsigned, false);
    let mic = pending.mics()[0].to_string();
    let id = pending.message_id().bare().to_owned();
    for written in [format!("<{id}>"), id.clone(), format!(" <{id}> "), format!("<<{id}>>"), format!("< {id} >")] {
        let receipt =
            format!("Original-Message-ID: {written}\r\nDisposition: {PROCESSED}\r\nReceived-content-MIC: {mic}\r\n");
        assert_eq!(proof(&pending, &unsigned(&receipt)), Some(Proof::UnsignedWithMic), "{written}");
    }
    for id in [&b"4af6@QVALIA"[..], b"<a b#c/d\\..@x>", b"<<1@a>>", b"<no-at-sign>"] {
        let names: [(&str, &[u8]); 3] = [("message-id", id), ("as2-from", b"\"Alice Corp\""), ("as2-to", b"bob")];
        let reply = opened(request(&names)).stored().build(now());
        let receipt = receipt_in(&reply.response.to_response());
        assert_eq!(receipt.report().original_message_id.as_deref().map(str::as_bytes), Some(id), "as it was written");
    }
    let names: [(&str, &[u8]); 2] = [("as2-from", b"\"Alice Corp\""), ("as2-to", b"bob")];
    let parser = MessageParser::new(Limits::default());
    assert!(parser.clone().parse(request(&names)).is_err());
    assert!(parser.accept_missing_message_id().parse(request(&names)).is_ok(), "by consent");
}

/// Senders of OpenAS2 and as2-lib cannot do without.
#[test]
fn a1_50_subject_and_from_are_written_where_the_profile_says_so() {
    let (bare, _) = sent(|_| ());
    assert_eq!((bare.request.header("subject"), bare.request.header("from")), (None, None));
    let (full, _) = sent(|terms| {
        terms.send.subject = Some("EDI".to_owned());
        terms.send.from = Some("edi@alice.example".to_owned());
    });
    assert_eq!((full.request.header("subject"), full.request.header("from")), (Some("EDI"), Some("edi@alice.example")));
    let receipt = receipt_in(&answered(&bare, |_| ()).to_response());
    let text = receipt.text().unwrap().to_lowercase();
    assert!(!text.contains("null") && !text.contains("subject"), "{text}");
}

#[test]
fn a1_51_dates_are_never_read() {
    for date in ["Mi, 17 Aug 2022 08:00:00 MESZ", "\"Wed, 17 Aug 2022 08:00:00 GMT\"", "yesterday", "\u{6c34}"] {
        let mut request = request(&[("message-id", b"<1@a>"), ("as2-from", b"\"Alice Corp\""), ("as2-to", b"bob")]);
        request.headers_mut().insert("date", ::http::HeaderValue::from_bytes(date.as_bytes()).unwrap());
        let reply = opened(request).stored().build(now());
        assert_eq!(receipt_in(&reply.response.to_response()).disposition(), Some(&Disposition::processed()), "{date}");
        assert_eq!(reply.response.header("date"), Some("Tue, 24 Nov 2026 00:00:00 GMT"));
    }
}

#[test]
fn a1_52_file_names_are_decoded_and_made_safe() {
    let name = |disposition: &str| {
        let part = entity(&format!("{EDI_HEAD}\r\nContent-Disposition: {disposition}"), EDI);
        let body = signed_body(&part, &Signer::java("alice-sign").sign(&part));
        Case::new(SIGNED_TYPE, &body).accepted().payload().filename()
    };
    for (disposition, expected) in [
        ("attachment; filename=\"po.x12\"", Some("po.x12")),
        ("attachment; filename=po.x12", Some("po.x12")),
        ("attachment; filename=\"=?UTF-8?B?QmVzdGVsbHVuZy54MTI=?=\"", Some("Bestellung.x12")),
        ("attachment; filename*=UTF-8''Bestellung%20%C3%BC.x12", Some("Bestellung \u{fc}.x12")),
    ] {
        assert_eq!(name(disposition).as_deref(), expected, "{disposition}");
    }
    for hostile in ["../../etc/passwd", "C:\\temp\\po.x12", "*", ".*", "a/../b"] {
        let made = name(&format!("attachment; filename=\"{}\"", hostile.replace('\\', "\\\\")));
        let safe = made.as_deref().is_none_or(|made| !made.contains(['/', '\\', '*']));
        assert!(safe, "{hostile}: {made:?}");
    }
    for (style, written) in [
        (FilenameStyle::Quoted, Some("attachment; filename=\"po.x12\"")),
        (FilenameStyle::Bare, Some("attachment; filename=po.x12")),
        (FilenameStyle::None, None),
    ] {
        let mut terms = profile(ALICE, BOB);
        (terms.send.encrypt, terms.send.sign, terms.quirks.filenames) = (None, None, style);
        let document = Payload::x12(Bytes::from_static(EDI)).with_filename("po.x12");
        let builder = MessageBuilder::new(&worked_identity("alice"), &worked_partner(terms, "bob"));
        let request = builder.build(document, now()).unwrap().request;
        assert_eq!(request.header("content-disposition"), written);
    }
}

/// OpenAS2 repeats Content-Type in the body of its receipts, mendelson Date, Sterling all headers of AS2.
#[test]
fn a1_53_headers_before_the_first_boundary_are_skipped() {
    for repeated in [
        "Content-Type: multipart/signed; boundary=b\r\n\r\n",
        "Date: Tue, 24 Nov 2026 00:00:00 GMT\r\n\r\n",
        "AS2-Version: 1.1\r\nAS2-From: Alice\r\nAS2-To: bob\r\nMessage-ID: <1@a>\r\n\r\n",
        "\r\n",
    ] {
        let body = [repeated.as_bytes(), &signed()].concat();
        let accepted = Case::new(SIGNED_TYPE, &body).accepted();
        assert_eq!((accepted.payload().body().as_ref(), accepted.mic().to_base64()), (EDI, mic(&part())));

        let pending = waiting(ReceiptKind::Signed, false);
        let report = report(&fields(PROCESSED, pending.mics().first(), ""));
        let body = signed_body(&report, &Signer::java("bob-sign").sign(&report));
        let mut response = response(&entity(&format!("Content-Type: {SIGNED_TYPE}"), b""));
        *response.body_mut() = [repeated.as_bytes(), &body].concat().into();
        assert_eq!(proof(&pending, &response), Some(Proof::Signed), "{repeated}");
    }
}

/// mendelson looks for the signed part in wrappers around it.
#[test]
fn a1_54_a_signed_part_alone_in_a_multipart_is_unwrapped() {
    let signed = entity(&format!("Content-Type: {SIGNED_TYPE}"), &signed());
    let accepted = Case::new("multipart/mixed; boundary=w", &multipart("w", &[&signed])).accepted();
    assert_eq!((accepted.payload().body().as_ref(), accepted.mic().to_base64()), (EDI, mic(&part())));
    assert!(matches!(accepted.authenticity(), Authenticity::Signed { .. }));
    assert!(matches!(accepted.notes(), [Note::Layering(_)]), "{:?}", accepted.notes());

    // Something beside it is a collection, of which nothing counts as signed.
    let text = entity("Content-Type: text/plain", b"-- \r\nScanned for viruses.");
    let accepted = Case::new("multipart/mixed; boundary=w", &multipart("w", &[&signed, &text])).accepted();
    assert_eq!((accepted.authenticity(), accepted.payloads().len()), (&Authenticity::None, 2));
    // Nor is a changed part delivered because of its wrapper.
    let changed = patch_last(&signed, b"GS*PO", b"GS*IN");
    let case = Case::new("multipart/mixed; boundary=w", &multipart("w", &[&changed]));
    assert_eq!(case.open_sync().unwrap_err().error().code(), "INTEGRITY_CHECK");
}

/// Boundaries that were mangled or lost on the way, and line ends too many or too few.
#[test]
fn a1_55_odd_ends_are_read_and_the_signed_octets_stay_exact() {
    let body = signed();
    let close = body.len() - "--\r\n".len();
    for (end, clean) in [
        (body[..body.len() - 2].to_vec(), true),
        ([&body, &b"\r\n"[..]].concat(), true),
        ([&body, &b"\r\n\r\nepilogue\r\n"[..]].concat(), false),
        ([&body[..close], b"-\r\n"].concat(), false),
        (body[..close - "\r\n--b".len()].to_vec(), false),
    ] {
        let accepted = Case::new(SIGNED_TYPE, &end).accepted();
        assert_eq!((accepted.payload().body().as_ref(), accepted.mic().to_base64()), (EDI, mic(&part())));
        if clean {
            assert_eq!(accepted.notes(), []);
        }
    }
    // OpenAS2 drops empty lines before it hashes; we hash them and skip them when reading.
    let part = [b"\r\n".as_slice(), &part()].concat();
    let body = signed_body(&part, &Signer::java("alice-sign").sign(&part));
    let accepted = Case::new(SIGNED_TYPE, &body).accepted();
    assert_eq!((accepted.payload().body().as_ref(), accepted.mic().to_base64()), (EDI, mic(&part)));
}

#[test]
fn a1_56_wishes_for_a_signed_receipt_are_read_in_every_spelling() {
    let sha = |algorithm| Some(algorithm);
    for (options, digest) in [
        (
            "signed-receipt-protocol=optional,pkcs7-signature;signed-receipt-micalg=optional,sha-512",
            sha(DigestAlgorithm::Sha512),
        ),
        (
            "Signed-Receipt-Protocol = Required , PKCS7-Signature ; Signed-Receipt-MicAlg = Required , SHA512",
            sha(DigestAlgorithm::Sha512),
        ),
        (
            "signed-receipt-micalg=optional, sha512; signed-receipt-protocol=optional, pkcs7-signature",
            sha(DigestAlgorithm::Sha512),
        ),
        ("signed-receipt-protocol=optional, pkcs7-signature;", sha(DigestAlgorithm::Sha256)),
        ("signed-receipt-protocol=optional, pkcs7-signature", sha(DigestAlgorithm::Sha256)),
        ("signed-receipt-micalg=optional, sha384", sha(DigestAlgorithm::Sha384)),
        (
            "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, pkcs7-signature",
            sha(DigestAlgorithm::Sha256),
        ),
        (
            "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, md2, sha384, sha1",
            sha(DigestAlgorithm::Sha384),
        ),
        (
            "signed-receipt-protocol=\"optional\", \"pkcs7-signature\"; signed-receipt-micalg=\"optional\", \"sha384\"",
            sha(DigestAlgorithm::Sha384),
        ),
        ("signed-receipt-protocol=optional, pkcs12-signature; signed-receipt-micalg=optional, sha384", None),
        ("rubbish", None),
    ] {
        let case = Case::new(SIGNED_TYPE, &signed()).options(options);
        let reply = case.accepted().stored().build(now()).response;
        let micalg = reply.header("content-type").filter(|value| value.starts_with("multipart/signed"));
        let signed_with = micalg.and_then(|value| DigestAlgorithm::from_micalg(parameter(value, "micalg")));
        assert_eq!(signed_with, digest, "{options}");
        assert_eq!(receipt_in(&reply.to_response()).disposition(), Some(&Disposition::processed()), "{options}");
    }
}
