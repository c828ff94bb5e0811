//! S/MIME by hand: takes messages apart without the library's readers, and makes messages that it never makes.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part of it

use std::io::{Read, Write};

use as2_protocol::crypto::{DecryptingKey, UnwrapRequest};
use as2_protocol::*;
use bytes::Bytes;
use memchr::memmem;

pub const ENVELOPED: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
pub const SIGNED: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
pub const DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
pub const AUTH_ENVELOPED: [u8; 11] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17];
pub const COMPRESSED: [u8; 11] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x09];
pub const ZLIB: [u8; 11] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x03, 0x08];
pub const RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// The arc of the AES modes; the last octet tells them apart.
const AES: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01];

/// One DER element.
#[derive(Clone, Copy, Debug)]
pub struct Tlv<'a> {
    pub tag: u8,
    pub body: &'a [u8],
}

/// The first DER element of `octets`, and what follows it.
pub fn read(octets: &[u8]) -> (Tlv<'_>, &[u8]) {
    let (length, start) = match octets[1] {
        short @ 0..0x80 => (usize::from(short), 2),
        long => {
            let end = 2 + usize::from(long & 0x7f);
            (octets[2..end].iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), end)
        }
    };
    let (body, rest) = octets[start..].split_at(length);
    (Tlv { tag: octets[0], body }, rest)
}

impl<'a> Tlv<'a> {
    pub fn of(octets: &'a [u8]) -> Self {
        read(octets).0
    }

    pub fn children(self) -> Vec<Self> {
        let (mut children, mut rest) = (Vec::new(), self.body);
        while !rest.is_empty() {
            let (child, after) = read(rest);
            children.push(child);
            rest = after;
        }
        children
    }

    pub fn child(self, index: usize) -> Self {
        self.children()[index]
    }
}

/// One DER element with `parts` as its content.
pub fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut out = vec![tag];
    match u8::try_from(body.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let length = body.len().to_be_bytes();
            let length = &length[length.iter().position(|octet| *octet != 0).unwrap()..];
            out.push(0x80 | u8::try_from(length.len()).unwrap());
            out.extend_from_slice(length);
        }
    }
    out.extend_from_slice(&body);
    out
}

pub fn content_info(oid: &[u8], content: &[u8]) -> Vec<u8> {
    der(0x30, &[&der(6, &[oid]), &der(0xa0, &[content])])
}

/// The parts of a multipart body.
pub fn split<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let open = format!("--{boundary}\r\n");
    assert!(body.starts_with(open.as_bytes()), "no preamble is written");
    let (mut parts, mut rest) = (Vec::new(), &body[open.len()..]);
    let delimiter = format!("\r\n--{boundary}");
    loop {
        let end = memmem::find(rest, delimiter.as_bytes()).expect("a delimiter");
        parts.push(&rest[..end]);
        rest = &rest[end + delimiter.len()..];
        if let Some(epilogue) = rest.strip_prefix(b"--") {
            assert_eq!(epilogue, b"\r\n", "H-11: no epilogue");
            return parts;
        }
        rest = rest.strip_prefix(b"\r\n").expect("a line end after the delimiter");
    }
}

/// Header block, with the empty line, and body of an entity.
pub fn head_and_body(entity: &[u8]) -> (&str, &[u8]) {
    let end = memmem::find(entity, b"\r\n\r\n").expect("an empty line") + 4;
    (std::str::from_utf8(&entity[..end]).unwrap(), &entity[end..])
}

/// The value of a header field of a block.
pub fn field<'a>(head: &'a str, name: &str) -> &'a str {
    let line = |line: &'a str| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    };
    head.split("\r\n").find_map(line).unwrap_or_else(|| panic!("{name} in {head}"))
}

pub fn parameter<'a>(value: &'a str, name: &str) -> &'a str {
    let start = value.find(&format!("{name}=")).unwrap_or_else(|| panic!("{name} in {value}")) + name.len() + 1;
    value[start..].split(';').next().unwrap().trim_matches('"')
}

/// The content of EnvelopedData or AuthEnvelopedData in DER.
pub fn decrypt(cms: &[u8], key: &dyn DecryptingKey) -> Vec<u8> {
    let info = Tlv::of(cms);
    let data = info.child(1).child(0);
    let recipient = data.child(1).child(0);
    let wrapped = Bytes::copy_from_slice(recipient.child(3).body);
    let cek = key.unwrap_key(&UnwrapRequest::new(KeyTransport::RsaPkcs1v15, wrapped)).unwrap();
    let content = data.child(2);
    let algorithm = content.child(1);
    let cipher = cipher(algorithm.child(0).body);
    let parameters = algorithm.child(1);
    let iv = if cipher.is_authenticated() { parameters.child(0) } else { parameters };
    let provider = CryptoProvider::rustcrypto();
    let mut decryptor = provider.ciphers().decryptor(cipher, cek.as_bytes(), iv.body, &[]).unwrap();
    let mut plain = content.child(2).body.to_vec();
    decryptor.update(&mut plain);
    if cipher.is_authenticated() {
        assert_eq!(info.child(0).body, AUTH_ENVELOPED);
        decryptor.finish(data.child(3).body).unwrap();
    } else {
        assert_eq!(info.child(0).body, ENVELOPED);
        plain.truncate(plain.len() - usize::from(*plain.last().unwrap()));
    }
    plain
}

fn cipher(oid: &[u8]) -> CipherAlgorithm {
    assert_eq!(oid[..8], AES);
    match oid[8] {
        2 => CipherAlgorithm::Aes128Cbc,
        22 => CipherAlgorithm::Aes192Cbc,
        42 => CipherAlgorithm::Aes256Cbc,
        6 => CipherAlgorithm::Aes128Gcm,
        26 => CipherAlgorithm::Aes192Gcm,
        46 => CipherAlgorithm::Aes256Gcm,
        other => panic!("AES mode {other}"),
    }
}

/// The content of CompressedData in DER.
pub fn inflate(cms: &[u8]) -> Vec<u8> {
    let info = Tlv::of(cms);
    assert_eq!(info.child(0).body, COMPRESSED);
    let data = info.child(1).child(0);
    assert_eq!(data.child(1).child(0).body, ZLIB);
    let stream = data.child(2).child(1).child(0);
    assert_eq!(stream.tag, 4);
    let mut plain = Vec::new();
    flate2::read::ZlibDecoder::new(stream.body).read_to_end(&mut plain).unwrap();
    plain
}

pub fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// CompressedData around a stream that may be anything.
pub fn compressed_data(algorithm: &[u8], stream: &[u8]) -> Vec<u8> {
    let content = der(0x30, &[&der(6, &[&DATA]), &der(0xa0, &[&der(4, &[stream])])]);
    let algorithm = der(0x30, &[&der(6, &[algorithm])]);
    content_info(&COMPRESSED, &der(0x30, &[&[2, 1, 0], &algorithm, &content]))
}

/// EnvelopedData (AES-256-CBC) or AuthEnvelopedData (AES-128-GCM) around content that may be anything.
pub fn encrypt(content: &[u8], to: &Certificate, authenticated: bool) -> Vec<u8> {
    let provider = CryptoProvider::rustcrypto();
    let (_, parsed) = x509_parser::parse_x509_certificate(to.der()).unwrap();
    let algorithm = if authenticated { CipherAlgorithm::Aes128Gcm } else { CipherAlgorithm::Aes256Cbc };
    let (cek, iv) = (vec![7; algorithm.key_len()], vec![9; algorithm.iv_len()]);
    let transport = KeyTransport::RsaPkcs1v15;
    let spki = parsed.tbs_certificate.subject_pki.raw;
    let wrapped = provider.key_wrapping().wrap(transport, spki, &cek, provider.random().as_ref()).unwrap();
    let issuer = der(0x30, &[parsed.tbs_certificate.issuer.as_raw(), &der(2, &[parsed.tbs_certificate.raw_serial()])]);
    let rsa = der(0x30, &[&der(6, &[&RSA]), &[5, 0]]);
    let recipient = der(0x30, &[&[2, 1, 0], &issuer, &rsa, &der(4, &[&wrapped])]);
    let mut encryptor = provider.ciphers().encryptor(algorithm, &cek, &iv, &[]).unwrap();
    let mut octets = content.to_vec();
    let padding = 16 - octets.len() % 16;
    if !authenticated {
        octets.resize(octets.len() + padding, u8::try_from(padding).unwrap());
    }
    encryptor.update(&mut octets);
    let tag = encryptor.finish();
    let mode = if authenticated { 6 } else { 42 };
    let nonce = der(4, &[&iv]);
    let parameters = if authenticated { der(0x30, &[&nonce, &[2, 1, 16]]) } else { nonce };
    let aes = der(0x30, &[&der(6, &[&AES, &[mode]]), &parameters]);
    let inner = der(0x30, &[&der(6, &[&DATA]), &aes, &der(0x80, &[&octets])]);
    let recipients = der(0x31, &[&recipient]);
    if authenticated {
        let mac = der(4, &[tag.as_bytes()]);
        content_info(&AUTH_ENVELOPED, &der(0x30, &[&[2, 1, 0], &recipients, &inner, &mac]))
    } else {
        content_info(&ENVELOPED, &der(0x30, &[&[2, 1, 0], &recipients, &inner]))
    }
}

/// SignedData without any signer.
pub fn nobodys_signature() -> Vec<u8> {
    let content = der(0x30, &[&der(6, &[&DATA])]);
    content_info(&SIGNED, &der(0x30, &[&[2, 1, 1], &der(0x31, &[]), &content, &der(0x31, &[])]))
}

/// An entity with these header fields.
pub fn entity(head: &str, body: &[u8]) -> Vec<u8> {
    [head.as_bytes(), b"\r\n\r\n", body].concat()
}

/// A multipart body with these entities.
pub fn multipart(boundary: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
}

/// `octets` with the last occurrence of `from` replaced.
pub fn patch_last(octets: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = memmem::rfind(octets, from).expect("the octets to be replaced");
    [&octets[..at], to, &octets[at + from.len()..]].concat()
}
