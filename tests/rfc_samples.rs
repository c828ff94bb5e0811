//! Examples of the RFCs, where their files are at hand: they are not part of this project, so a fresh clone skips them.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

mod support;

use std::path::PathBuf;

use as2_protocol::*;
use bytes::Bytes;
use http::Request;

use support::*;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors")
}

/// A file of the samples, or `None` with a message.
fn sample(name: &str) -> Option<Bytes> {
    let read = std::fs::read(folder().join(name)).ok();
    if read.is_none() {
        eprintln!("skipped: the sample {name} is not at hand");
    }
    read.map(Bytes::from)
}

/// The receipt in a saved request or response.
fn receipt(headers: &http::HeaderMap, body: Bytes) -> IncomingMdn {
    let mut request = Request::post("/").body(body).unwrap();
    request.headers_mut().clone_from(headers);
    request.headers_mut().remove("content-length");
    for name in ["as2-from", "as2-to"] {
        request.headers_mut().entry(name).or_insert(http::HeaderValue::from_static("somebody"));
    }
    match parse(request) {
        Inbound::Mdn(mdn) => mdn,
        Inbound::Message(message) => panic!("not told to be a receipt: {message:?}"),
    }
}

/// What becomes of a CMS object that arrives as a message for Bob.
fn open_cms(cms: Bytes) -> ReceiveError {
    let request = Request::post("/").header("as2-from", "\"Alice Corp\"").header("as2-to", BOB);
    let request = request.header("message-id", "<1@a>").header("content-type", "application/pkcs7-mime").body(cms);
    let refused = envelope(request.unwrap()).open(&worked_identity("bob"), Some(&alice()), now()).unwrap_err();
    let error = refused.error().clone();
    drop(refused.mdn().build(now()));
    error
}

#[test]
fn rfc4130_a1_names_and_receipt_request_of_a_signed_message() {
    let Some(octets) = sample("rfc4130/a1-signed-request.http.txt") else { return };
    let request = read_request(&octets, &Limits::default()).unwrap();
    let (mut parts, body) = request.into_parts();
    parts.headers.remove("content-length"); // counted with the signature that the RFC leaves out
    let head = MessageParser::new(Limits::default()).head(&parts).unwrap();
    assert_eq!((head.from().as_str(), head.to().as_str()), ("\"  as2Name  \"", "0123456780000"));
    let Inbound::Message(message) = head.body(body).unwrap() else { panic!("a message") };
    assert_eq!(message.message_id().unwrap().raw(), b"<200207310834482A70BF63@\\\"~~foo~~\\\">");
    assert_eq!(message.receipt_request().unwrap().signed().unwrap().micalgs(), ["sha1"]);
    let mut profile = profile("0123456780000", ALICE);
    profile.them = "\"  as2Name  \"".parse().unwrap();
    let refused = message.open(&worked_identity("bob"), Some(&worked_partner(profile, "alice")), now()).unwrap_err();
    assert!(!refused.mdn().disposition().is_positive(), "the signature is a text in brackets");
}

#[test]
fn rfc4130_a3_a_folded_head_with_an_asynchronous_receipt() {
    let Some(octets) = sample("rfc4130/a3-encrypted-request.headers.txt") else { return };
    let octets = Bytes::from([b"POST / HTTP/1.1\r\n", octets.as_ref()].concat());
    let (parts, _) = read_request(&octets, &Limits::default()).unwrap().into_parts();
    let head = MessageParser::new(Limits::default()).head(&parts).unwrap();
    assert_eq!((head.from().as_str(), head.to().as_str()), ("as2_company", "AS2 Test"));
    assert_eq!(head.content_length(), Some(3428));
}

#[test]
fn rfc4130_a2_a4_receipts() {
    let cases = [
        ("rfc4130/a2-sync-mdn.cleaned.http.txt", "7v7F++fQaNB1sVLFtMRp+dF+eG4="),
        ("rfc4130/a4-async-mdn.http.txt", "Hes6my+vIxIYxmvsA+MNpEOTPAc="),
    ];
    for (name, digest) in cases {
        let Some(octets) = sample(name) else { return };
        let response = read_response(&octets, &Limits::default()).unwrap();
        let mdn = receipt(response.headers(), response.body().clone());
        assert_eq!(mdn.disposition(), Some(&Disposition::processed()), "{name}");
        let Some(MicField::Mic(mic)) = mdn.mic() else { panic!("{name}: {:?}", mdn.mic()) };
        assert_eq!((mic.to_base64().as_str(), mic.digest_algorithm()), (digest, Some(DigestAlgorithm::Sha1)), "{name}");
        assert!(mdn.is_signed() && mdn.text().is_some(), "{name}");
    }
}

#[test]
fn rfc4130_s756_every_disposition_form() {
    let Some(octets) = sample("rfc4130/s756-disposition-forms.txt") else { return };
    let text = String::from_utf8(octets.to_vec()).unwrap().replace("\r\n", "\n");
    let forms: Vec<_> = text.split("Disposition: ").skip(1).collect();
    assert_eq!(forms.len(), 12);
    for form in forms {
        let field = |line: &&str| ["Error:", "Warning:", "Failure:"].iter().any(|name| line.starts_with(name));
        let value: Vec<_> = form.lines().take_while(|line| !line.is_empty() && !field(line)).collect();
        let read = Disposition::parse(&value.join(" "));
        let good = !form.contains("processed/error") && !form.contains("failed");
        assert_eq!(read.is_positive(), good, "{form}");
        assert_ne!(read.kind, DispositionType::Other(String::new()), "{form}");
    }
}

#[test]
fn rfc8098_rfc3798_s9_a_displayed_message_is_no_success() {
    for name in ["rfc8098/s9-mdn.eml.txt", "rfc3798/s9-mdn.eml.txt"] {
        let Some(octets) = sample(name) else { return };
        let octets = Bytes::from([b"HTTP/1.1 200 OK\r\n", octets.as_ref()].concat());
        let response = read_response(&octets, &Limits::default()).unwrap();
        let mdn = receipt(response.headers(), response.body().clone());
        assert!(!mdn.disposition().unwrap().is_positive(), "{name}");
        assert!(mdn.report().final_recipient.is_some() && mdn.mic().is_none(), "{name}");
    }
}

#[test]
fn rfc6362_s3_a_signed_multipart_with_placeholders_is_refused() {
    let Some(octets) = sample("rfc6362/s3-multiple-attachments.http.txt") else { return };
    let mut request = read_request(&octets, &Limits::default()).unwrap();
    request.headers_mut().remove("content-length");
    let message = envelope(request);
    assert_eq!((message.from().as_str(), message.to().as_str()), ("User", "TradingPartner"));
    let partner = worked_partner(profile("TradingPartner", "User"), "alice");
    let refused = message.open(&worked_identity("bob"), Some(&partner), now()).unwrap_err();
    assert!(!refused.mdn().disposition().is_positive());
}

#[test]
fn rfc8551_rfc5402_objects_get_exact_errors() {
    let cases = [
        ("rfc8551/s33-enveloped.p7m", "ALGORITHM_FORBIDDEN"),
        ("rfc8551/s34-authenveloped.p7m", "NO_RECIPIENT"),
        ("rfc8551/s352-signed-data-dss.p7m", "ALGORITHM_UNSUPPORTED"),
        ("rfc8551/s36-compressed-NOT-CMS.zlib", "DECOMPRESSION"),
        ("rfc5402/s2-compressed.p7z.ber", "DECOMPRESSION"),
    ];
    for (name, expected) in cases {
        let Some(cms) = sample(name) else { return };
        let error = open_cms(cms);
        assert_eq!(error.code(), expected, "{name}: {error}");
    }
}

#[test]
fn rfc4134_every_object_is_refused_or_told_by_name() {
    let Ok(entries) = std::fs::read_dir(folder().join("rfc4134")) else {
        eprintln!("skipped: the samples of RFC 4134 are not at hand");
        return;
    };
    let mut count = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "bin") {
            let error = open_cms(std::fs::read(&path).unwrap().into());
            assert!(!error.to_string().is_empty() && !error.code().is_empty(), "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 10, "{count} objects");
}

#[cfg(feature = "legacy")]
/// Bob of RFC 4134, to whom RFC 8551 encrypts its samples too.
fn bob_of_the_rfc() -> Option<Identity> {
    let key = decrypting_key(&sample("rfc4134/BobPrivRSAEncrypt.pri")?);
    let certificate = Certificate::from_der(sample("rfc4134/BobRSASignByCarl.cer")?).unwrap();
    let us = Identity::builder(provider()).allow_weak_keys().decrypting(certificate, key);
    Some(us.build().unwrap())
}

#[cfg(feature = "legacy")]
#[test]
fn rfc4134_rfc8551_envelopes_open_with_their_key() {
    let cases = [
        ("rfc4134/5.1.bin", CipherAlgorithm::TripleDesCbc, "This is some sample content."),
        ("rfc4134/5.2.bin", CipherAlgorithm::Rc2Cbc40, "This is some sample content."),
        ("rfc8551/s33-enveloped.p7m", CipherAlgorithm::TripleDesCbc, "This is some sample content."),
        ("rfc8551/s34-authenveloped.p7m", CipherAlgorithm::Aes128Gcm, "How do you like the new S/MIME specification?"),
    ];
    let Some(us) = bob_of_the_rfc() else { return };
    let mut terms = profile(BOB, ALICE);
    terms.accept.ciphers = CipherAlgorithm::ALL.to_vec();
    terms.accept.bare_content = true;
    let partner = worked_partner(terms, "alice");
    for (name, cipher, text) in cases {
        let Some(cms) = sample(name) else { return };
        let request = Request::post("/").header("as2-from", "\"Alice Corp\"").header("as2-to", BOB);
        let request = request.header("message-id", "<1@a>").header("content-type", "application/pkcs7-mime").body(cms);
        let opened = envelope(request.unwrap()).open(&us, Some(&partner), now());
        let opened = opened.unwrap_or_else(|refused| panic!("{name}: {}", refused.error()));
        assert_eq!(opened.layers(), [Layer::Encrypted(cipher, KeyTransport::RsaPkcs1v15)], "{name}");
        let body = String::from_utf8_lossy(opened.payload().body()).into_owned();
        assert!(body.contains(text), "{name}: {body}");
    }
}
