//! Documents: media types, file names, and several of them in one message (RFC 6362).
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

mod support;

use support::*;

use as2_protocol::*;
use bytes::Bytes;

fn attachment_vector(name: &str) -> http::Request<Bytes> {
    let octets = std::fs::read(vectors("attachments").join(format!("{name}.http"))).unwrap();
    read_request(&octets.into(), &Limits::default()).unwrap()
}

fn expected_mic(name: &str) -> String {
    let table = std::fs::read_to_string(vectors("attachments").join("MIC.tsv")).unwrap();
    table.lines().find_map(|line| line.strip_prefix(&format!("{name}\t"))).unwrap().to_owned()
}

fn open(request: http::Request<Bytes>) -> Result<Accepted, Refused> {
    envelope(request).open(&worked_identity("bob"), Some(&alice()), now())
}

fn terms(change: impl FnOnce(&mut PartnerProfile)) -> PartnerProfile {
    let mut terms = profile(ALICE, BOB);
    change(&mut terms);
    terms
}

fn builder(terms: &PartnerProfile) -> MessageBuilder {
    MessageBuilder::new(&worked_identity("alice"), &worked_partner(terms.clone(), "bob"))
}

fn send(terms: &PartnerProfile, payload: Payload) -> http::Request<Bytes> {
    builder(terms).build(payload, now()).unwrap().request.to_request()
}

/// Type, file name, identifier and length of what arrived.
fn listed(accepted: &Accepted) -> Vec<(String, Option<String>, bool, usize)> {
    let all = accepted.payloads().iter();
    all.map(|p| (p.content_type().unwrap().essence().to_owned(), p.filename(), p.is_root(), p.body().len())).collect()
}

#[test]
fn k07_k08_k09_f04_messages_of_openssl_with_two_documents() {
    for name in ["11-plain", "12-signed", "12b-signed-without-last-line-end", "13-encrypted"] {
        let accepted = open(attachment_vector(name)).unwrap_or_else(|refused| panic!("{name}: {}", refused.error()));
        assert_eq!(accepted.mic().to_base64(), expected_mic(name), "{name}");
        let [order, plan] = accepted.payloads() else { panic!("{name}: two documents") };
        assert_eq!(order.content_type().unwrap().essence(), "application/xml");
        assert_eq!(order.body().as_ref(), b"<order>\n</order>\n");
        assert_eq!((order.filename().as_deref(), order.content_id()), (Some("order.xml"), Some("order@alice.example")));
        assert_eq!(plan.content_type().unwrap().essence(), "application/pdf");
        assert_eq!(plan.body().as_ref(), b"%PDF-1.4\n\x00\xff\n%%EOF");
        assert_eq!(
            (plan.filename().as_deref(), plan.content_id()),
            (Some("Übersicht.pdf"), Some("plan@alice.example"))
        );
        assert_eq!(accepted.root().content_id(), order.content_id());
        assert_eq!(accepted.attachments().map(|p| p.content_id()).collect::<Vec<_>>(), [plan.content_id()]);
        assert_eq!(accepted.payload().content_type().unwrap().essence(), "multipart/related", "the whole");
        assert!(accepted.announced().announces(&Feature::multiple_attachments()));
    }
}

#[test]
fn f01_f08_several_documents_go_through_every_layer_and_are_acknowledged_together() {
    let digest = Some(DigestAlgorithm::Sha256);
    let compressions = [Compression::None, Compression::BeforeSigning, Compression::AfterSigning];
    for (sign, encrypt) in [(false, false), (true, false), (false, true), (true, true)] {
        for compress in compressions {
            let case = format!("{sign} {encrypt} {compress:?}");
            let terms = terms(|terms| {
                terms.send.sign = digest.filter(|_| sign);
                terms.send.encrypt = Some(CipherAlgorithm::Aes256Gcm).filter(|_| encrypt);
                terms.send.compress = compress;
                terms.send.attachments = Attachments::Allow;
            });
            let message = builder(&terms)
                .attach(Payload::new("application/pdf".parse().unwrap(), &b"%PDF\r\n"[..]).with_filename("größe.pdf"))
                .attach(Payload::text("see above\n"));
            let sent = message.build(Payload::xml("<a/>").with_filename("a.xml"), now()).unwrap();
            assert_eq!(sent.notes.is_empty(), sign || encrypt, "{case}: {:?}", sent.notes);
            let accepted = open(sent.request.to_request()).unwrap_or_else(|r| panic!("{case}: {}", r.error()));
            let expected = [
                ("application/xml".to_owned(), Some("a.xml".to_owned()), true, 4),
                ("application/pdf".to_owned(), Some("größe.pdf".to_owned()), false, 6),
                ("text/plain".to_owned(), None, false, 10),
            ];
            assert_eq!(listed(&accepted), expected, "{case}");
            let whole = accepted.payload().content_type().unwrap();
            assert_eq!(whole.param("type"), Some("application/xml"), "{case}");
            assert_eq!(whole.param("start"), accepted.root().content_id().map(|id| format!("<{id}>")).as_deref());
            let response = accepted.stored().build(now()).response.to_response();
            let outcome = sent.pending.on_response(Ok(&response), &bob(), now());
            let SendOutcome::Settled(outcome) = outcome else { panic!("{case}: {outcome:?}") };
            assert!(matches!(*outcome, Outcome::Deliver(_)), "{case}: {outcome:?}");
        }
    }
}

#[test]
fn f03_f07_several_documents_go_by_agreement_and_protected() {
    let note = |terms: &PartnerProfile| {
        let sent = builder(terms).attach(Payload::text("x")).build(Payload::xml("<a/>"), now());
        sent.map(|sent| sent.notes.iter().map(Note::code).collect::<Vec<_>>())
    };
    assert_eq!(note(&terms(|_| {})), Ok(vec!["ATTACHMENTS"]));
    assert_eq!(note(&terms(|terms| terms.send.attachments = Attachments::Allow)), Ok(vec![]));
    let plain = terms(|terms| (terms.send.sign, terms.send.encrypt) = (None, None));
    assert_eq!(note(&plain), Ok(vec!["ATTACHMENTS", "PLAINTEXT"]));
    let error = note(&terms(|terms| terms.send.attachments = Attachments::Forbid)).unwrap_err();
    assert_eq!((error.code(), error), ("ATTACHMENTS_FORBIDDEN", SendError::AttachmentsForbidden));
}

#[test]
fn documents_refer_to_each_other_by_identifiers_of_the_callers() {
    let root = || Payload::xml("<a href='cid:plan@alice.example'/>");
    let build = |id: &str| builder(&terms(|_| {})).attach(Payload::text("x").with_content_id(id)).build(root(), now());
    let accepted = open(build("plan@alice.example").unwrap().request.to_request()).unwrap();
    assert_eq!(accepted.attachments().next().unwrap().content_id(), Some("plan@alice.example"));
    for bad in ["", "a b@c", "a@b>\r\nX: y", "ü@a"] {
        assert_eq!(build(bad).unwrap_err().code(), "NAME_INVALID", "{bad:?}");
    }
    let twice = builder(&terms(|_| {})).attach(Payload::text("x").with_content_id("1@a"));
    let error = twice.build(root().with_content_id("1@a"), now()).unwrap_err();
    assert_eq!(error, SendError::ContentIdTwice("1@a".to_owned()));
}

#[test]
fn f04_what_cannot_be_taken_apart_is_refused_as_a_whole() {
    let related: ContentType = "multipart/related; boundary=b".parse().unwrap();
    let told = |sign: bool, encrypt: bool, body: &'static str| {
        let terms = terms(|terms| {
            terms.send.sign = terms.send.sign.filter(|_| sign);
            terms.send.encrypt = terms.send.encrypt.filter(|_| encrypt);
        });
        let refused = open(send(&terms, Payload::new(related.clone(), body))).unwrap_err();
        assert_eq!(refused.error().code(), "MIME_MALFORMED", "{body}");
        refused.mdn().disposition().clone()
    };
    for body in ["no boundary", "--b\r\nno header\r\n--b--"] {
        for (sign, encrypt) in [(false, false), (true, false), (true, true)] {
            assert_eq!(told(sign, encrypt, body), Disposition::error("unexpected-processing-error"));
        }
        assert_eq!(
            told(false, true, body),
            Disposition::error("decryption-failed"),
            "it could be the work of an attacker"
        );
    }
}

#[test]
fn u14_a_bomb_of_nested_multiparts_is_refused() {
    let mut body = b"x".to_vec();
    for level in 0..100 {
        let inner = format!("--b{level}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n", level - 1);
        body = [inner.as_bytes(), &body, format!("\r\n--b{level}--").as_bytes()].concat();
    }
    let bomb = Payload::new("multipart/mixed; boundary=b99".parse().unwrap(), body);
    let refused = open(send(&terms(|_| {}), bomb)).unwrap_err();
    assert!(refused.error().to_string().contains("nested deeper"), "{}", refused.error());
}

#[test]
fn m01_m16_f05_documents_of_every_type_pass() {
    let types = [
        "application/EDI-X12",
        "application/EDIFACT",
        "application/edi-consent",
        "application/xml",
        "application/pdf",
        "application/msword",
        "application/rtf",
        "application/octet-stream",
        "application/zip",
        "image/gif",
        "image/tiff",
        "image/jpeg",
        "text/plain",
        "text/html",
        "text/rtf",
        "text/xml",
        "application/x-unknown",
    ];
    let body = Bytes::from_static(b"a\nb\r\n\0\xff");
    for name in types {
        for spelt in [name.to_owned(), name.to_ascii_uppercase(), name.to_ascii_lowercase()] {
            let payload = || Payload::new(spelt.parse().unwrap(), body.clone());
            let alone = open(send(&terms(|_| {}), payload())).unwrap();
            assert_eq!(alone.payload().content_type().unwrap().to_string(), spelt);
            assert_eq!((alone.payload().body(), alone.payloads().len()), (&body, 1), "{spelt}");
            let message = builder(&terms(|_| {})).attach(payload());
            let beside = open(message.build(payload(), now()).unwrap().request.to_request()).unwrap();
            let all: Vec<_> =
                beside.payloads().iter().map(|p| (p.content_type().unwrap().to_string(), p.body())).collect();
            assert_eq!(all, [(spelt.clone(), &body), (spelt, &body)]);
        }
    }
    let kinds = [
        (Payload::x12("x"), "application/EDI-X12"),
        (Payload::edifact("x"), "application/EDIFACT"),
        (Payload::edi_consent("x"), "application/EDI-consent"),
        (Payload::xml("x"), "application/xml"),
        (Payload::text("x"), "text/plain; charset=utf-8"),
        (Payload::octet_stream("x"), "application/octet-stream"),
    ];
    for (payload, written) in kinds {
        assert_eq!(payload.content_type().to_string(), written);
    }
}

#[test]
fn f10_f12_the_innermost_name_arrives_through_all_layers() {
    for name in ["po850.x12", "ümläut.edi", "two words.edi", "漢字.xml"] {
        let payload = Payload::x12("x").with_filename(name);
        let accepted = open(send(&terms(|terms| terms.send.compress = Compression::BeforeSigning), payload)).unwrap();
        assert_eq!(accepted.payload().filename().as_deref(), Some(name), "not smime.p7m");
        assert!(accepted.notes().is_empty(), "{:?}", accepted.notes());
    }
    let hidden = terms(|terms| terms.quirks.filenames = FilenameStyle::None);
    let accepted = open(send(&hidden, Payload::x12("x").with_filename("po850.x12"))).unwrap();
    assert_eq!(accepted.payload().raw_filename(), None);
}

#[test]
fn f11_names_that_are_too_long_or_no_names_are_not_sent() {
    for name in [&"x".repeat(256), "", "a/b", "a\\b", "a\nb", "a\0"] {
        let error = builder(&terms(|_| {})).build(Payload::x12("x").with_filename(name), now()).unwrap_err();
        assert_eq!(error.code(), "FILENAME_ILLEGAL", "{error}");
        let attached = builder(&terms(|_| {})).attach(Payload::x12("x").with_filename(name));
        assert_eq!(attached.build(Payload::x12("x"), now()).unwrap_err(), error);
    }
}

/// A message of which somebody else wrote the file name.
fn named(name: &str, rule: FilenameRule) -> Result<Accepted, Refused> {
    let clear = terms(|terms| (terms.send.sign, terms.send.encrypt) = (None, None));
    let mut request = send(&clear, Payload::x12("x"));
    let disposition = http::HeaderValue::from_bytes(format!("attachment; filename=\"{name}\"").as_bytes()).unwrap();
    request.headers_mut().insert("content-disposition", disposition);
    let mut terms = profile(BOB, ALICE);
    terms.accept.filenames = rule;
    envelope(request).open(&worked_identity("bob"), Some(&worked_partner(terms, "alice")), now())
}

#[test]
fn f13_u20_names_are_mended_or_refused_as_agreed() {
    for (raw, safe) in [("../../etc/passwd", Some("passwd")), ("C:\\x\\CON", Some("_CON")), ("..", None)] {
        let accepted = named(raw, FilenameRule::Mend).unwrap();
        let payload = accepted.payload();
        assert_eq!((payload.filename().as_deref(), payload.raw_filename()), (safe, Some(raw)));
        let safe = safe.map(str::to_owned);
        assert_eq!(accepted.notes(), [Note::Filename { raw: raw.to_owned(), safe }]);
        let refused = named(raw, FilenameRule::Refuse).unwrap_err();
        assert_eq!(refused.error(), &ReceiveError::IllegalFilename(raw.to_owned()));
        assert_eq!(refused.mdn().disposition(), &Disposition::error("illegal-filename"));
    }
    let long = "x".repeat(256);
    assert_eq!(named(&long, FilenameRule::Mend).unwrap().payload().filename().unwrap().len(), 255);
    assert_eq!(named(&long, FilenameRule::Refuse).unwrap_err().error().code(), "FILENAME_ILLEGAL");
    assert!(named("po850.x12", FilenameRule::Refuse).is_ok());
}

#[test]
fn f14_the_application_judges_names_too() {
    for (verdict, modifier) in
        [(Verdict::IllegalFilename, "illegal-filename"), (Verdict::DuplicateFilename, "duplicate-filename")]
    {
        let accepted = named("po850.x12", FilenameRule::Mend).unwrap();
        assert_eq!(accepted.failed(verdict).disposition(), &Disposition::error(modifier));
    }
}
