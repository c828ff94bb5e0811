//! Signatures without attributes, made without the library's writers.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part of it

use super::dissect::*;
use super::support::*;

use as2_protocol::crypto::{DigestValue, SignRequest};
use as2_protocol::*;

pub const SIGNED_TYPE: &str = "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=b";

pub fn digest(algorithm: DigestAlgorithm, octets: &[u8]) -> DigestValue {
    let mut context = provider().digests().start(algorithm).unwrap();
    context.update(octets);
    context.finish()
}

pub fn sha256(octets: &[u8]) -> Vec<u8> {
    digest(DigestAlgorithm::Sha256, octets).as_bytes().to_vec()
}

/// SignedData by one of the worked keys over `content`, which stands inside of it or not.
pub fn signed_data(signer: &str, algorithm: DigestAlgorithm, content: &[u8], inside: bool) -> Vec<u8> {
    let certificate = worked_certificate(signer);
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
    let request = SignRequest::new(SignatureScheme::RsaPkcs1v15(algorithm), digest(algorithm, content));
    let value = signing_key(&worked(&format!("keys/{signer}.key"))).sign(&request).unwrap();
    let digest: &[u8] = match algorithm {
        DigestAlgorithm::Sha1 => &[0x2b, 0x0e, 0x03, 0x02, 0x1a],
        DigestAlgorithm::Sha256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
        other => panic!("{other}"),
    };
    let digest = der(0x30, &[&der(6, &[digest])]);
    let rsa = der(0x30, &[&der(6, &[&RSA]), &[5, 0]]);
    let certified = parsed.tbs_certificate;
    let sid = der(0x30, &[certified.issuer.as_raw(), &der(2, &[certified.raw_serial()])]);
    let info = der(0x30, &[&[2, 1, 1], &sid, &digest, &rsa, &der(4, &[&value])]);
    let octets = der(0xa0, &[&der(4, &[content])]);
    let encapsulated = der(0x30, &[&der(6, &[&DATA]), if inside { &octets } else { &[] }]);
    let set = |element: &[u8]| der(0x31, &[element]);
    content_info(&SIGNED, &der(0x30, &[&[2, 1, 1], &set(&digest), &encapsulated, &set(&info)]))
}

/// The body of a multipart/signed of type [`SIGNED_TYPE`].
pub fn signed_body(signer: &str, content: &[u8]) -> Vec<u8> {
    let cms = signed_data(signer, DigestAlgorithm::Sha256, content, false);
    multipart("b", &[content, &entity("Content-Type: application/pkcs7-signature", &cms)])
}
