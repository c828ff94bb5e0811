//! What the terms of an agreement change, each beside its neighbours (`profile_effects` has a row for every one).
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "support/dissect.rs"]
mod dissect;
#[path = "support/issue.rs"]
mod issue;
mod support;

use dissect::*;
use support::*;

use as2_protocol::*;
use bytes::Bytes;

fn order() -> Payload {
    Payload::x12(worked("payload.x12"))
}

/// Alice's message under changed terms.
fn sent(change: impl FnOnce(&mut PartnerProfile)) -> (Outbound, Partner) {
    let mut terms = profile(ALICE, BOB);
    change(&mut terms);
    let partner = worked_partner(terms, "bob");
    (MessageBuilder::new(&worked_identity("alice"), &partner).build(order(), now()).unwrap(), partner)
}

/// A message that is signed only, under changed quirks; Bob must accept it.
fn signed(change: impl FnOnce(&mut Quirks)) -> StoredRequest {
    let (sent, _) = sent(|terms| {
        terms.send.encrypt = None;
        change(&mut terms.quirks);
    });
    assert!(opened(sent.request.to_request(), |_| ()).is_ok());
    sent.request
}

/// Bob opens a message under changed terms.
fn opened(request: http::Request<Bytes>, change: impl FnOnce(&mut PartnerProfile)) -> Result<Accepted, Refused> {
    let mut terms = profile(BOB, ALICE);
    change(&mut terms);
    envelope(request).open(&worked_identity("bob"), Some(&worked_partner(terms, "alice")), now())
}

fn accepting(request: &StoredRequest, change: impl FnOnce(&mut AcceptTerms)) -> Result<Accepted, &'static str> {
    let accepted = opened(request.to_request(), |terms| change(&mut terms.accept));
    accepted.map_err(|refused| refused.error().code())
}

/// Header and content of the signature part, and the SignedData in it.
fn signature(request: &StoredRequest) -> (String, Vec<u8>) {
    let boundary = parameter(request.header("content-type").unwrap(), "boundary");
    let (head, body) = head_and_body(split(request.body(), boundary)[1]);
    let cms = match field(head, "content-transfer-encoding") {
        "binary" => body.to_vec(),
        _ => {
            let text: Vec<u8> = body.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap()
        }
    };
    (head.to_owned(), cms)
}

/// Certificates in SignedData.
fn certificates(request: &StoredRequest) -> usize {
    let (_, cms) = signature(request);
    let certificates = Tlv::of(&cms).child(1).child(0).children().into_iter().find(|element| element.tag == 0xa0);
    certificates.map_or(0, |set| set.children().len())
}

/// Object identifiers of the signed attributes.
fn attributes(request: &StoredRequest) -> Vec<Vec<u8>> {
    let (_, cms) = signature(request);
    let signer = *Tlv::of(&cms).child(1).child(0).children().last().unwrap();
    let attributes = signer.child(0).children().into_iter().find(|element| element.tag == 0xa0);
    attributes
        .map_or(Vec::new(), |set| set.children().iter().map(|attribute| attribute.child(0).body.to_vec()).collect())
}

#[test]
fn quirks_change_what_is_written() {
    let plain = signed(|_| ());
    let options = |request: &StoredRequest| request.header("disposition-notification-options").unwrap().to_owned();
    let micalg = |request: &StoredRequest| parameter(request.header("content-type").unwrap(), "micalg").to_owned();
    let old = signed(|quirks| quirks.micalg_names = MicalgNames::Rfc3851);
    assert_eq!((&*micalg(&plain), &*micalg(&old)), ("sha-256", "sha256"));
    assert!(options(&plain).ends_with(", sha-256") && options(&old).ends_with(", sha256"));

    let binary = signed(|quirks| quirks.signature_encoding = SignatureEncoding::Binary);
    let encoding = |request| field(&signature(request).0, "content-transfer-encoding").to_owned();
    assert_eq!((&*encoding(&plain), &*encoding(&binary)), ("base64", "binary"));

    let bare = signed(|quirks| quirks.signed_attributes = false);
    assert_eq!((attributes(&plain).len(), attributes(&bare).len()), (3, 0));

    let counts = [Embed::None, Embed::Leaf, Embed::Chain].map(|embed| {
        let mut terms = profile(ALICE, BOB);
        terms.send.encrypt = None;
        terms.quirks.embed = embed;
        let us = Identity::builder(CryptoProvider::rustcrypto());
        let chain = vec![worked_certificate("alice-sign"), worked_certificate("ca")];
        let us = us.signing(chain, worked_key("alice-sign")).build().unwrap();
        let sent = MessageBuilder::new(&us, &worked_partner(terms, "bob")).build(order(), now()).unwrap();
        assert!(opened(sent.request.to_request(), |_| ()).is_ok());
        certificates(&sent.request)
    });
    assert_eq!(counts, [0, 1, 2]);

    let protection = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x34];
    let protected = signed(|quirks| quirks.algorithm_protection = true);
    assert!(attributes(&protected).iter().any(|oid| *oid == protection), "RFC 6211");
    assert!(!attributes(&plain).iter().any(|oid| *oid == protection));

    let labelled = signed(|quirks| quirks.http_transfer_encoding = true);
    assert_eq!(labelled.header("content-transfer-encoding"), Some("binary"));
    assert_eq!(plain.header("content-transfer-encoding"), None);
}

#[test]
fn quirks_apply_to_receipts_too() {
    let (message, _) = sent(|_| ());
    let receipt = |change: fn(&mut Quirks)| {
        let accepted = opened(message.request.to_request(), |terms| change(&mut terms.quirks)).unwrap();
        accepted.stored().build(now()).response
    };
    let micalg = |response: &StoredResponse| parameter(response.header("content-type").unwrap(), "micalg").to_owned();
    let old = receipt(|quirks| quirks.micalg_names = MicalgNames::Rfc3851);
    assert_eq!((&*micalg(&receipt(|_| ())), &*micalg(&old)), ("sha-256", "sha256"));
    let binary = receipt(|quirks| quirks.signature_encoding = SignatureEncoding::Binary);
    assert!(binary.body().len() < receipt(|_| ()).body().len());
    for response in [old, binary, receipt(|quirks| quirks.signed_attributes = false)] {
        let answered = message.pending.on_response(Ok(&response.to_response()), &bob(), now());
        assert_eq!(answered.advice(), Advice::Done);
    }
}

#[test]
fn send_terms_change_what_is_sent() {
    let content_type = |change: fn(&mut SendTerms)| {
        let (sent, _) = sent(|terms| change(&mut terms.send));
        sent.request.header("content-type").unwrap().to_owned()
    };
    assert_eq!(parameter(&content_type(|_| ()), "smime-type"), "enveloped-data");
    let gcm = content_type(|send| send.encrypt = Some(CipherAlgorithm::Aes128Gcm));
    assert_eq!(parameter(&gcm, "smime-type"), "authEnveloped-data");
    let sha512 = content_type(|send| (send.encrypt, send.sign) = (None, Some(DigestAlgorithm::Sha512)));
    assert_eq!(parameter(&sha512, "micalg"), "sha-512");
    let unsigned = content_type(|send| (send.encrypt, send.sign) = (None, None));
    assert_eq!(unsigned, "application/EDI-X12");
    let compressed = content_type(|send| (send.encrypt, send.compress) = (None, Compression::AfterSigning));
    assert_eq!(parameter(&compressed, "smime-type"), "compressed-data");
    let signed = content_type(|send| (send.encrypt, send.compress) = (None, Compression::BeforeSigning));
    assert!(signed.starts_with("multipart/signed"), "{signed}");

    let (transported, _) = sent(|terms| terms.send.key_transport = Some(KeyTransport::RsaOaepSha256));
    let data = Tlv::of(transported.request.body()).child(1).child(0);
    assert_eq!(data.child(1).child(0).child(2).child(0).body, [&RSA[..8], &[7]].concat(), "RSAES-OAEP");

    let (receipt, _) = sent(|terms| terms.send.receipt.kind = ReceiptKind::None);
    assert_eq!(receipt.request.header("disposition-notification-to"), None);
    let (receipt, _) = sent(|terms| terms.send.receipt.kind = ReceiptKind::Unsigned);
    assert_eq!(receipt.request.header("disposition-notification-options"), None);
    let url = "https://alice.example/receipts";
    let (receipt, _) = sent(|terms| terms.send.receipt.asynchronous_url = Some(url.parse().unwrap()));
    assert_eq!(receipt.request.header("receipt-delivery-option"), Some(url));
    let listed = vec![DigestAlgorithm::Sha384, DigestAlgorithm::Sha1];
    let (receipt, _) = sent(|terms| terms.send.receipt.micalgs = listed);
    assert!(receipt.request.header("disposition-notification-options").unwrap().ends_with("=optional, sha-384, sha-1"));
    assert_eq!(receipt.pending.mics().len(), 3, "the signature's digest may come back as well");

    let (named, _) = sent(|terms| terms.message_id_domain = "as2.alice.example".to_owned());
    assert!(named.pending.message_id().as_str().ends_with("@as2.alice.example>"));
}

#[test]
fn accept_terms_change_what_is_taken() {
    let (both, _) = sent(|_| ());
    let (plain, _) = sent(|terms| (terms.send.sign, terms.send.encrypt) = (None, None));
    let code = |request: &StoredRequest, change: fn(&mut AcceptTerms)| accepting(request, change).err();
    for message in [&both.request, &plain.request] {
        assert_eq!(code(message, |_| ()), None);
    }
    type Change = fn(&mut AcceptTerms);
    let cases: [(&StoredRequest, Change, &str); 7] = [
        (&plain.request, |accept| accept.signature = Requirement::Require, "INSUFFICIENT_SECURITY"),
        (&both.request, |accept| accept.signature = Requirement::Forbid, "INSUFFICIENT_SECURITY"),
        (&plain.request, |accept| accept.encryption = Requirement::Require, "INSUFFICIENT_SECURITY"),
        (&both.request, |accept| accept.encryption = Requirement::Forbid, "INSUFFICIENT_SECURITY"),
        (&both.request, |accept| accept.digests = vec![DigestAlgorithm::Sha384], "ALGORITHM_FORBIDDEN"),
        (&both.request, |accept| accept.ciphers = vec![CipherAlgorithm::Aes128Cbc], "ALGORITHM_FORBIDDEN"),
        (&both.request, |accept| accept.key_transports = Vec::new(), "ALGORITHM_FORBIDDEN"),
    ];
    for (message, change, expected) in cases {
        assert_eq!(code(message, change), Some(expected));
    }

    // A JavaMail peer: the CRLF form is signed, the payload goes out with bare line feeds.
    let crlf = signed(|_| ());
    let text = String::from_utf8(crlf.body().to_vec()).unwrap().replace("~\r\n", "~\n");
    let mut bare = crlf.to_request();
    bare.headers_mut().insert("content-length", text.len().into());
    *bare.body_mut() = text.into();
    let accepted = opened(bare.clone(), |_| ()).unwrap();
    assert_eq!(accepted.notes(), [Note::CanonicalForm], "C-05");
    let refused = opened(bare, |terms| terms.accept.signed_form = SignedForm::AsSent).unwrap_err();
    assert_eq!(refused.error().code(), "INTEGRITY_CHECK");

    let content = encrypt(&worked("payload.x12"), &worked_certificate("bob-enc"), false);
    let mut bare = plain.request.to_request();
    bare.headers_mut().insert("content-type", "application/pkcs7-mime".parse().unwrap());
    bare.headers_mut().insert("content-length", content.len().into());
    *bare.body_mut() = content.into();
    assert_eq!(opened(bare.clone(), |_| ()).unwrap_err().error().code(), "BARE_CONTENT");
    assert!(opened(bare, |terms| terms.accept.bare_content = true).is_ok());
}

#[test]
fn accept_terms_change_how_is_answered() {
    let url = "https://elsewhere.example/receipts";
    let (sync, _) = sent(|_| ());
    let (later, _) = sent(|terms| terms.send.receipt.asynchronous_url = Some(url.parse().unwrap()));
    let reply = |request: &StoredRequest, change: fn(&mut AcceptTerms)| {
        accepting(request, change).unwrap().stored().build(now())
    };
    let micalg = |reply: Reply| parameter(reply.response.header("content-type").unwrap(), "micalg").to_owned();
    assert_eq!(micalg(reply(&sync.request, |_| ())), "sha-256");
    let sha512 = |accept: &mut AcceptTerms| accept.mdn_signature = Some(DigestAlgorithm::Sha512);
    assert_eq!(micalg(reply(&sync.request, sha512)), "sha-512");

    let posted = |reply: Reply| match reply.follow_up {
        FollowUp::Post(posted) => Some(posted.request.to_request().uri().to_string()),
        _ => None,
    };
    assert_eq!(posted(reply(&later.request, |_| ())), None, "the host is not that of the agreement");
    let hosts = |accept: &mut AcceptTerms| accept.receipt_hosts = vec!["elsewhere.example".to_owned()];
    assert_eq!(posted(reply(&later.request, hosts)).as_deref(), Some(url));
    let agreed = |accept: &mut AcceptTerms| accept.receipt_url = Some("https://agreed.example/".parse().unwrap());
    assert_eq!(posted(reply(&later.request, agreed)).as_deref(), Some("https://agreed.example/"));
    let statuses: [fn(&mut AcceptTerms); 3] =
        [|_| (), |accept| accept.asynchronous_status = 202, |accept| accept.asynchronous_status = 204];
    let statuses = statuses.map(|change| reply(&later.request, change).response.status().as_u16());
    assert_eq!(statuses, [200, 202, 204], "R-04");

    let (weak, _) = sent(|terms| terms.send.receipt.micalgs = vec![DigestAlgorithm::Sha1]);
    assert!(accepting(&weak.request, |_| ()).is_ok());
    let refuse = |accept: &mut AcceptTerms| accept.weak_receipt = WeakReceipt::Refuse;
    assert_eq!(accepting(&weak.request, refuse).err(), Some("RECEIPT_MIC_ALGORITHMS"));

    let for_alice = encrypt(b"x", &worked_certificate("alice-enc"), false);
    let mut request = sync.request.to_request();
    request.headers_mut().insert("content-length", for_alice.len().into());
    *request.body_mut() = for_alice.into();
    let told = [Explain::Safe, Explain::Uniform].map(|explain| {
        let refused = opened(request.clone(), |terms| terms.accept.explain = explain).unwrap_err();
        refused.mdn().reference().is_none()
    });
    assert_eq!(told, [true, false]);
}

#[test]
fn receipt_terms_change_what_counts_as_proof() {
    let dispute = |change: fn(&mut ReceiptTerms)| {
        let (sent, partner) = sent(|terms| change(&mut terms.expect));
        let reply = opened(sent.request.to_request(), |_| ()).unwrap().stored().build(now());
        let answered = sent.pending.on_response(Ok(&reply.response.to_response()), &partner, now());
        let SendOutcome::Settled(outcome) = answered else { panic!("{answered:?}") };
        match *outcome {
            Outcome::Deliver(_) => None,
            Outcome::Dispute(dispute, _) => Some(dispute),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(dispute(|_| ()), None);
    let signature = dispute(|expect| expect.mdn_signatures = vec![DigestAlgorithm::Sha512]);
    assert!(
        matches!(&signature, Some(Dispute::Signature(ReceiveError::ForbiddenAlgorithm { what: "signature", .. }))),
        "{signature:?}"
    );
    let mic = dispute(|expect| expect.mics = vec![DigestAlgorithm::Sha512]);
    assert_eq!(mic, Some(Dispute::MicAlgorithm(DigestAlgorithm::Sha256)));
}

#[test]
fn x13_renewed_certificates_under_the_same_key_are_recognised() {
    let renewed = issue::self_signed("alice-sign", "renewed", 2026..=2030);
    let partner = Partner::builder(profile(BOB, ALICE), CryptoProvider::rustcrypto()).verify_with(renewed.clone());
    let partner = partner.encrypt_to(worked_certificate("alice-enc")).build().unwrap();
    let request = signed(|_| ()).to_request();
    let accepted = envelope(request).open(&worked_identity("bob"), Some(&partner), now()).unwrap();
    assert_eq!(accepted.authenticity(), &Authenticity::Signed { certificate: renewed });
}
