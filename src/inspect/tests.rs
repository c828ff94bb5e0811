use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::*;
use crate::algorithm::DigestAlgorithm;
use crate::certificate::Certificate;
use crate::crypto::{CryptoProvider, DigestContext, DigestProvider, DigestValue, RsaPrivateKey};
use crate::profile::PartnerProfile;
use crate::smime::Part;
use crate::smime::compress::compress;
use crate::smime::fixtures::{Signer, alice_sign, signed_data};

fn worked(name: &str) -> Bytes {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/worked/");
    std::fs::read(format!("{folder}{name}")).unwrap().into()
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(&worked(&format!("keys/{name}.crt"))).unwrap()
}

fn bare() -> Inspector {
    Inspector::new(CryptoProvider::rustcrypto(), Limits::default())
}

#[test]
fn text_of_the_peer_forges_no_line_and_speaks_to_no_terminal() {
    let forged =
        "Content-Type: multipart/signed; boundary=b; micalg*=utf-8''x%0Averdict:%20accepted%1B%5B2J\r\n\r\n--b--\r\n";
    let tree = bare().wire(Bytes::from_static(forged.as_bytes())).to_string();
    assert!(!tree.contains('\u{1b}') && !tree.lines().any(|line| line.trim_start().starts_with("verdict")), "{tree}");
}

#[test]
fn what_may_be_inflated_is_shared_by_all_parts_of_a_message() {
    let entity = |octets: usize| Part { fields: Vec::new(), body: vec![vec![b'a'; octets].into()] };
    let packed = crate::smime::join(compress(&entity(900).pieces().unwrap()).body);
    let part =
        |octets: &Bytes| [b"--b\r\nContent-Type: application/pkcs7-mime\r\n\r\n".as_slice(), octets, b"\r\n"].concat();
    let head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".as_slice();
    let message = Bytes::from([head, &part(&packed), &part(&packed), b"--b--\r\n"].concat());
    let used_up = |inflated: u64| {
        let limits = Limits { inflated, ..Limits::default() };
        Inspector::new(CryptoProvider::rustcrypto(), limits).wire(message.clone()).to_string().contains("inflated size")
    };
    assert!(used_up(1500) && !used_up(2000));
}

/// Bob's view of what Alice sends.
fn bob() -> Inspector {
    let key = std::sync::Arc::new(RsaPrivateKey::from_pkcs8_pem(&worked("keys/bob-enc.key")).unwrap());
    let us = Identity::builder(CryptoProvider::rustcrypto()).decrypting(certificate("bob-enc"), key).build().unwrap();
    let profile = PartnerProfile::new(
        "bob".parse().unwrap(),
        "Alice Corp".parse().unwrap(),
        "https://alice.example/as2".parse().unwrap(),
    );
    let alice = Partner::builder(profile, CryptoProvider::rustcrypto());
    let alice = alice.encrypt_to(certificate("alice-enc")).verify_with(certificate("alice-sign")).build().unwrap();
    let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_478_400);
    bare().with_identity(&us).with_partner(&alice).at(now)
}

#[test]
fn a_signed_message_is_shown_with_its_checks() {
    let text = bare().wire(worked("02-signed.http")).to_string();
    for expected in [
        "POST ",
        "from: Alice Corp",
        "multipart/signed",
        "application/edi-x12",
        "octets: 279",
        "MIC of the content as sent: D+V9PsWSQT8jcUrdYX6d4tx21sUwlXtKwDH1AOaYIWE=, sha-256",
        "the signed digest is that of: the content as sent",
        "subject: O=Alice Corp",
        "verdict: none",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn envelopes_are_opened_with_our_keys() {
    let closed = bare().wire(worked("09-compressed-signed-encrypted.http")).to_string();
    assert!(closed.contains("EnvelopedData") && closed.contains("cipher: aes"), "{closed}");
    assert!(!closed.contains("multipart/signed"), "{closed}");
    let open = bob().wire(worked("09-compressed-signed-encrypted.http")).to_string();
    for expected in ["which is ours", "multipart/signed", "CompressedData", "octets: 279", "verdict: accepted"] {
        assert!(open.contains(expected), "{expected} in\n{open}");
    }
}

#[test]
fn changed_content_is_told_by_its_digests() {
    let tampered = bob().wire(worked("neg-02-signed-tampered.http"));
    let text = tampered.to_string();
    assert!(!tampered.is_clean());
    assert!(text.contains("X it breaks here: the signed digest is that of none of these"), "{text}");
    assert!(text.contains("verdict: refused: the sha-256 digest of the content differs"), "{text}");
    assert!(
        text.contains("the sender is told: automatic-action/MDN-sent-automatically; processed/error: integrity"),
        "{text}"
    );
}

#[test]
fn receipts_are_shown_field_by_field() {
    let text = bare().wire(worked("mdn-02-signed-sync.http")).to_string();
    for expected in ["multipart/report", "Disposition: automatic-action/MDN-sent-automatically; processed", "MIC: D+V9"]
    {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn every_truncation_and_change_is_shown_and_none_panics() {
    for name in ["02-signed.http", "06-compressed-then-signed.http", "mdn-02-signed-sync.http"] {
        let whole = worked(name);
        for end in (0..whole.len()).step_by(7) {
            assert!(!bare().wire(whole.slice(..end)).to_string().is_empty());
        }
        for at in (0..whole.len()).step_by(11) {
            let mut changed = whole.to_vec();
            changed[at] ^= 0x20;
            assert!(!bob().wire(changed).to_string().is_empty());
        }
    }
}

#[test]
fn oddities_come_with_their_rule() {
    let mut message = worked("03-encrypted.http").to_vec();
    let at = message.windows(13).position(|octets| octets == b"enveloped-dat").unwrap();
    message[at..at + 4].copy_from_slice(b"comp");
    let found = bare().wire(message);
    let text = found.to_string();
    assert!(text.contains("(RFC 8551 section 3.2.2: smime-type names the CMS content type)"), "{text}");
}

#[test]
fn a_header_that_is_repeated_in_the_body_is_told_and_skipped() {
    let message = worked("03-encrypted.http");
    let at = message.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap() + 4;
    let repeated = b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\n";
    let head = String::from_utf8(message[..at].to_vec()).unwrap();
    let head: Vec<_> = head.lines().filter(|line| !line.to_lowercase().starts_with("content-length")).collect();
    let octets = [head.join("\r\n").as_bytes(), b"\r\n", &repeated[..], &message[at..]].concat();
    let text = bob().wire(octets).to_string();
    assert!(text.contains("! the MIME header is repeated in the body") && text.contains("octets: 279"), "{text}");
}

#[test]
fn nesting_is_bounded() {
    let mut entity = b"Content-Type: text/plain\r\n\r\nx".to_vec();
    for level in 0..50 {
        let head = format!("Content-Type: multipart/mixed; boundary=b{level}x\r\n\r\n--b{level}x\r\n");
        entity = [head.as_bytes(), &entity, format!("\r\n--b{level}x--\r\n").as_bytes()].concat();
    }
    let text = bare().wire(entity).to_string();
    assert!(text.contains("they are nested deeper than 8"), "{text}");
}

#[test]
fn neither_documents_nor_credentials_are_shown() {
    let request =
        b"POST / HTTP/1.1\r\nAS2-From: a\r\nAS2-To: b\r\nMessage-ID: <1@a>\r\nAuthorization: Bearer s3cret\r\n\
        Content-Type: application/xml\r\n\r\n<document/>";
    let text = bare().wire(&request[..]).to_string();
    assert!(!text.contains("s3cret") && !text.contains("<document"), "{text}");
}

#[test]
fn cms_objects_that_only_their_name_tells_are_opened() {
    let entity = Part { fields: Vec::new(), body: vec![Bytes::from_static(b"EDI")] };
    let packed = crate::smime::join(compress(&entity.pieces().unwrap()).body);
    let shown = |head: &str| {
        let octets = [head.as_bytes(), b"\r\n\r\n", &packed].concat();
        bare().wire(Bytes::from(octets)).to_string().contains("CompressedData")
    };
    assert!(shown("Content-Type: application/octet-stream; name=\"smime.P7Z\""));
    assert!(shown("Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=smime.p7m"));
    assert!(!shown("Content-Type: application/octet-stream; name=order.edi"));
    assert!(!shown("Content-Type: text/plain; name=smime.p7m"));
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
fn checks_are_computed_once_for_all_signers_and_name_the_form_that_was_signed() {
    let content = format!("Content-Type: text/plain\r\n\r\n{}", "ISA*00~\r\n".repeat(10_000));
    let signed = content.strip_suffix("\r\n").unwrap();
    let signer = Signer::usual(&alice_sign(), signed.as_bytes());
    let cms = signed_data(&[&signer; 20], &[]);
    let head = "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n";
    let middle = "\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\n";
    let message = [head.as_bytes(), content.as_bytes(), middle.as_bytes(), &cms, b"\r\n--b--\r\n"].concat();
    let (plain, count) = (CryptoProvider::rustcrypto(), Arc::new(AtomicUsize::new(0)));
    let provider = plain.clone().with_digests(Arc::new(Counting(plain, Arc::clone(&count))));
    let text = Inspector::new(provider, Limits::default()).wire(Bytes::from(message)).to_string();
    assert_eq!(
        text.matches("the signed digest is that of the content without its last line end").count(),
        20,
        "{text}"
    );
    assert_eq!(text.matches("with one line end more").count(), 0, "{text}");
    // As sent, in CRLF, with line feeds, without header: for the part itself, and for the signature.
    assert!(count.load(Ordering::Relaxed) < 9 * content.len(), "{}", count.load(Ordering::Relaxed) / content.len());
}
