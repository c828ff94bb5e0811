//! CMS objects as peers write them: every choice that the standards leave open, and BER as Java streams it.
#![allow(dead_code, unreachable_pub)] // fixtures like those in tests/support

use super::by_hand::digest;
use super::dissect::*;
use super::support::*;

use as2_protocol::crypto::{SignRequest, SigningKey};
use as2_protocol::*;

pub const CONTENT_TYPE: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
pub const CAPABILITIES: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0f];
pub const PROTECTION: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x34];

/// One signer.
#[derive(Clone)]
pub struct Signer {
    pub key: &'static str,
    pub digest: DigestAlgorithm,
    /// `sha256WithRSAEncryption`, as BouncyCastle writes it, or `rsaEncryption`, as OpenSSL does.
    pub combined: bool,
    /// Whether the digest algorithm has parameters NULL.
    pub null: bool,
    pub attributes: bool,
    /// Further signed attributes: type and values.
    pub more: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Signer {
    /// BouncyCastle's usual way.
    pub fn java(key: &'static str) -> Self {
        let digest = DigestAlgorithm::Sha256;
        Self { key, digest, combined: true, null: true, attributes: true, more: Vec::new() }
    }

    pub fn digest_algorithm(&self) -> Vec<u8> {
        let last = |octet| [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, octet].to_vec();
        let oid = match self.digest {
            DigestAlgorithm::Sha1 => vec![0x2b, 0x0e, 0x03, 0x02, 0x1a],
            DigestAlgorithm::Sha256 => last(1),
            DigestAlgorithm::Sha384 => last(2),
            DigestAlgorithm::Sha512 => last(3),
            other => panic!("{other}"),
        };
        der(0x30, &[&der(6, &[&oid]), if self.null { &[5, 0] } else { &[] }])
    }

    pub fn signature_algorithm(&self) -> Vec<u8> {
        let last = match self.digest {
            _ if !self.combined => 1,
            DigestAlgorithm::Sha1 => 5,
            DigestAlgorithm::Sha256 => 11,
            DigestAlgorithm::Sha384 => 12,
            _ => 13,
        };
        der(0x30, &[&der(6, &[&RSA[..8], &[last]]), &[5, 0]])
    }

    fn info(&self, content: &[u8]) -> Vec<u8> {
        let attribute = |oid: &[u8], value: &[u8]| der(0x30, &[&der(6, &[oid]), &der(0x31, &[value])]);
        let hash = digest(self.digest, content);
        let mut attributes =
            vec![attribute(&CONTENT_TYPE, &der(6, &[&DATA])), attribute(&MESSAGE_DIGEST, &der(4, &[hash.as_bytes()]))];
        attributes.extend(self.more.iter().map(|(oid, value)| attribute(oid, value)));
        attributes.sort();
        let attributes = attributes.concat();
        let covered = if self.attributes { digest(self.digest, &der(0x31, &[&attributes])) } else { hash };
        let request = SignRequest::new(SignatureScheme::RsaPkcs1v15(self.digest), covered);
        let value = worked_key(self.key).sign(&request).unwrap();
        let attributes = if self.attributes { der(0xa0, &[&attributes]) } else { Vec::new() };
        let parts: [&[u8]; 6] = [
            &[2, 1, 1],
            &identifier(self.key),
            &self.digest_algorithm(),
            &attributes,
            &self.signature_algorithm(),
            &der(4, &[&value]),
        ];
        der(0x30, &parts)
    }

    /// A detached signature by this signer alone, without certificates.
    pub fn sign(&self, content: &[u8]) -> Vec<u8> {
        signed_data(std::slice::from_ref(self), content, &[])
    }
}

/// Issuer and serial number of one of the worked certificates.
fn identifier(name: &str) -> Vec<u8> {
    let certificate = worked_certificate(name);
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
    let certified = parsed.tbs_certificate;
    der(0x30, &[certified.issuer.as_raw(), &der(2, &[certified.raw_serial()])])
}

/// A detached signature over `content` by all of these, with these certificates inside.
pub fn signed_data(signers: &[Signer], content: &[u8], certificates: &[&str]) -> Vec<u8> {
    let digests: Vec<u8> = signers.iter().flat_map(Signer::digest_algorithm).collect();
    let infos: Vec<u8> = signers.iter().flat_map(|signer| signer.info(content)).collect();
    let embedded: Vec<u8> = certificates.iter().flat_map(|name| worked_certificate(name).der().to_vec()).collect();
    let embedded = if certificates.is_empty() { Vec::new() } else { der(0xa0, &[&embedded]) };
    let parts: [&[u8]; 5] =
        [&[2, 1, 1], &der(0x31, &[&digests]), &der(0x30, &[&der(6, &[&DATA])]), &embedded, &der(0x31, &[&infos])];
    content_info(&SIGNED, &der(0x30, &parts))
}

/// A signature part with these octets.
pub fn signature_part(cms: &[u8]) -> Vec<u8> {
    let head = "Content-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64";
    entity(head, &super::base64_lines(cms))
}

/// The body of multipart/signed with boundary `b`, of content as sent and a signature.
pub fn signed_body(sent: &[u8], cms: &[u8]) -> Vec<u8> {
    multipart("b", &[sent, &signature_part(cms)])
}

/// An element of indefinite length.
fn indefinite(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[tag, 0x80], parts.concat().as_slice(), &[0, 0]].concat()
}

fn again(element: Tlv<'_>) -> Vec<u8> {
    der(element.tag, &[element.body])
}

/// Octets in pieces.
fn pieces(octets: &[u8]) -> Vec<u8> {
    octets.chunks(1000).flat_map(|piece| der(4, &[piece])).collect()
}

/// A CMS object in DER as BouncyCastle's streaming generators write it: indefinite lengths down to the content, which is
/// a constructed octet string.
pub fn streamed(cms: &[u8]) -> Vec<u8> {
    let info = Tlv::of(cms);
    let oid = again(info.child(0));
    let fields = info.child(1).child(0).children();
    let mut content = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let is_content = field.tag == 0x30 && field.children().first().is_some_and(|first| first.tag == 6) && index > 1;
        content.extend(if is_content { streamed_content(*field) } else { again(*field) });
    }
    indefinite(0x30, &[&oid, &indefinite(0xa0, &[&indefinite(0x30, &[&content])])])
}

/// EncryptedContentInfo and EncapsulatedContentInfo.
fn streamed_content(content: Tlv<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for field in content.children() {
        out.extend(match field.tag {
            0x80 => indefinite(0xa0, &[&pieces(field.body)]),
            0xa0 => indefinite(0xa0, &[&indefinite(0x24, &[&pieces(field.child(0).body)])]),
            _ => again(field),
        });
    }
    indefinite(0x30, &[&out])
}
