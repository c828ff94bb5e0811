//! Messages that are made to cost more than their length, at any length.

use as2_protocol::*;
use bytes::Bytes;
use http::Request;

use crate::by_hand::{SIGNED_TYPE, signed_body, signed_data};
use crate::dissect::*;
use crate::segments::Segmented;
use crate::support::*;

/// What is made of a number of octets.
pub(crate) type Input = fn(usize) -> Request<Bytes>;

/// Every kind of message that is read, by its name.
pub(crate) const INPUTS: [(&str, Input); 25] = [
    ("plain", |octets| plain("application/octet-stream", "binary", vec![b'x'; octets])),
    ("signed-and-encrypted", signed_and_encrypted),
    ("base64-in-lines", |octets| {
        plain("application/xml", "base64", fill(&[&b"QUFB".repeat(19), &b"\r\n"[..]], octets))
    }),
    ("base64-in-one-line", |octets| plain("application/xml", "base64", fill(&[b"QUFB"], octets))),
    ("base64-with-blanks", |octets| plain("application/xml", "base64", fill(&[b"QUFB "], octets))),
    ("base64-a-letter-a-line", |octets| plain("application/xml", "base64", fill(&[b"Q\nU\nF\nB\n"], octets))),
    ("quoted-blanks", |octets| plain("application/xml", "quoted-printable", fill(&[&[b' '; 997], b"\n"], octets))),
    ("quoted-soft-breaks", |octets| {
        plain("application/xml", "quoted-printable", fill(&[b"=", &[b' '; 990], b"\n"], octets))
    }),
    ("segments-of-one-octet", |octets| segments(octets, 1)),
    ("segments-of-1000-octets", |octets| segments(octets, 1000)),
    ("many-parts", |octets| related("b", fill(&[b"--b\r\nContent-ID: <x@y>\r\n\r\nx\r\n"], octets))),
    ("parts-within-parts", |octets| nested(octets, 6)),
    ("header-fields", |octets| part_head(&fill(&[b"Content-X: y\r\n"], octets))),
    ("header-folds", |octets| {
        part_head(&[&b"Content-Type: text/plain;\r\n"[..], &fill(&[b" a=b;\r\n"], octets)].concat())
    }),
    ("header-comments", |octets| {
        part_head(&[&b"Content-Type: text/plain "[..], &fill(&[b"("], octets), b"\r\n"].concat())
    }),
    ("blank-lines", |octets| {
        compressed(&[&fill(&[b"\r\n"], octets)[..], b"Content-Type: text/plain\r\n\r\nx"].concat())
    }),
    ("lines-of-dashes", |octets| {
        let (line, lines) = (fill(&[b"-"], octets / 2), fill(&[b"\r\n-------x"], octets / 2));
        related("------", [&b"--------\r\n\r\nx"[..], &line, &lines].concat())
    }),
    ("near-delimiters", |octets| related("b", [&b"--b\r\n\r\n"[..], &fill(&[b"\r\n--bX"], octets)].concat())),
    ("padded-delimiters", |octets| {
        related("b", [&b"--b\r\n\r\n"[..], &fill(&[b"\r\n--b", &[b' '; 256], b"X"], octets)].concat())
    }),
    ("padding", |octets| related("b", [&b"--b\r\n\r\n\r\n--b"[..], &fill(&[b" "], octets)].concat())),
    ("bare-line-feeds", |octets| signed(fill(&[b"\n"], octets))),
    ("zlib-blocks", zlib_blocks),
    ("recipients", recipients),
    ("signers", signers),
    ("certificates", certificates),
];

/// Limits that stop none of these messages: what they cost beyond their length is asked.
pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.header_bytes = u64::MAX;
    limits.header_fields = usize::MAX;
    limits.parts = usize::MAX;
    limits.cms_infos = usize::MAX;
    limits.cms_overhead = u64::MAX;
    limits
}

/// The pieces over and over, up to so many octets.
fn fill(pieces: &[&[u8]], octets: usize) -> Vec<u8> {
    let piece = pieces.concat();
    piece.repeat((octets / piece.len()).max(1))
}

/// A request as our builder makes it, with another body.
fn plain(content_type: &str, encoding: &str, body: Vec<u8>) -> Request<Bytes> {
    let mut terms = profile(ALICE, BOB);
    (terms.send.sign, terms.send.encrypt) = (None, None);
    terms.send.receipt.kind = ReceiptKind::Unsigned;
    let order = MessageBuilder::new(&worked_identity("alice"), &worked_partner(terms, "bob"));
    let mut request = order.build(Payload::x12("x"), now()).unwrap().request.to_request().map(|_| Bytes::from(body));
    request.headers_mut().remove("content-length");
    request.headers_mut().insert("content-type", content_type.parse().unwrap());
    request.headers_mut().insert("content-transfer-encoding", encoding.parse().unwrap());
    request
}

fn cms(smime_type: &str, body: Vec<u8>) -> Request<Bytes> {
    plain(&format!("application/pkcs7-mime; smime-type={smime_type}"), "binary", body)
}

fn signed_and_encrypted(octets: usize) -> Request<Bytes> {
    let us = worked_identity("alice");
    let built = MessageBuilder::new(&us, &bob()).build(Payload::octet_stream(vec![b'x'; octets]), now());
    built.unwrap().request.to_request()
}

fn segments(octets: usize, segment: usize) -> Request<Bytes> {
    let mut body = Vec::new();
    let mut segmented = Segmented::new(&worked_certificate("bob-enc"), segment, &mut body);
    segmented.push(&entity("Content-Type: application/xml", &vec![b'x'; octets]), &mut body);
    segmented.finish(&mut body);
    cms("enveloped-data", body)
}

fn related(boundary: &str, parts: Vec<u8>) -> Request<Bytes> {
    let body = [&parts, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
    plain(&format!("multipart/related; boundary=\"{boundary}\""), "binary", body)
}

fn nested(octets: usize, depth: usize) -> Request<Bytes> {
    let mut inner = entity("Content-Type: application/xml", &fill(&[b"<a/>\r\n"], octets));
    for level in 1..depth {
        let body = multipart(&format!("b{level}"), &[&inner]);
        inner = entity(&format!("Content-Type: multipart/mixed; boundary=b{level}"), &body);
    }
    plain("multipart/related; boundary=b", "binary", multipart("b", &[&inner]))
}

/// A part with this header.
fn part_head(fields: &[u8]) -> Request<Bytes> {
    related("b", [&b"--b\r\n"[..], fields, b"\r\nx"].concat())
}

fn compressed(content: &[u8]) -> Request<Bytes> {
    cms("compressed-data", compressed_data(&ZLIB, &zlib(content)))
}

fn signed(text: Vec<u8>) -> Request<Bytes> {
    let content = entity("Content-Type: application/xml", &text);
    plain(SIGNED_TYPE, "binary", signed_body("alice-sign", &content))
}

/// Stored blocks of one octet each (RFC 1951 section 3.2.4).
fn zlib_blocks(octets: usize) -> Request<Bytes> {
    let content = entity("Content-Type: application/xml", &vec![b'x'; octets / 6]);
    let mut stream = vec![0x78, 0x01];
    content.iter().for_each(|octet| stream.extend_from_slice(&[0, 1, 0, 0xfe, 0xff, *octet]));
    stream.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    let (a, b) = content.iter().fold((1u32, 0u32), |(a, b), octet| {
        let a = (a + u32::from(*octet)) % 65521;
        (a, (b + a) % 65521)
    });
    stream.extend_from_slice(&(b << 16 | a).to_be_bytes());
    cms("compressed-data", compressed_data(&ZLIB, &stream))
}

fn recipients(octets: usize) -> Request<Bytes> {
    let content = entity("Content-Type: application/xml", b"x");
    let (ours, theirs) = (worked_certificate("bob-enc"), worked_certificate("alice-enc"));
    let (to_us, to_others) = (encrypt(&content, &ours, false), encrypt(b"", &theirs, false));
    let [us, others] = [&to_us, &to_others].map(|cms| Tlv::of(cms).child(1).child(0).child(1).body);
    let data = Tlv::of(&to_us).child(1).child(0);
    let inner: Vec<Vec<u8>> = data.child(2).children().iter().map(|child| der(child.tag, &[child.body])).collect();
    let inner: Vec<&[u8]> = inner.iter().map(Vec::as_slice).collect();
    let set = der(0x31, &[&fill(&[others], octets), us]);
    cms("enveloped-data", content_info(&ENVELOPED, &der(0x30, &[&[2, 1, 0], &set, &der(0x30, &inner)])))
}

/// The signature of Alice, with other fields of SignedData put in.
fn signature(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Request<Bytes> {
    let content = entity("Content-Type: application/xml", b"x");
    let made = signed_data("alice-sign", DigestAlgorithm::Sha256, &content, false);
    let fields = Tlv::of(&made).child(1).child(0).children();
    let mut fields: Vec<_> = fields.iter().map(|field| der(field.tag, &[field.body])).collect();
    change(&mut fields);
    let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
    let part = entity("Content-Type: application/pkcs7-signature", &content_info(&SIGNED, &der(0x30, &fields)));
    plain(SIGNED_TYPE, "binary", multipart("b", &[&content, &part]))
}

fn signers(octets: usize) -> Request<Bytes> {
    signature(|fields| {
        let infos = fields.pop().unwrap();
        fields.push(der(0x31, &[&fill(&[Tlv::of(&infos).body], octets)]));
    })
}

fn certificates(octets: usize) -> Request<Bytes> {
    signature(|fields| {
        let certificate = worked_certificate("bob-sign");
        fields.insert(3, der(0xa0, &[&fill(&[certificate.der()], octets)]));
    })
}
