//! Parameters of content encryption, key transport and key agreement, as they stand in AlgorithmIdentifiers.

use bytes::Bytes;
use const_oid::ObjectIdentifier;

use crate::cms::ber::{self, Cursor};
use crate::cms::write::{integer, oid as write_oid, tlv};
use crate::cms::{AlgorithmIdentifier, Error, ErrorKind};

/// Nested elements of any parameters here.
const DEPTH: usize = 6;

/// Nonce and length of the tag of GCM or CCM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AeadParameters {
    pub(crate) nonce: Vec<u8>,
    pub(crate) tag_len: u8,
    /// Whether the length was written rather than left at its default of 12.
    pub(crate) explicit: bool,
}

/// GCMParameters or CCMParameters ::= SEQUENCE { nonce OCTET STRING, icvlen INTEGER DEFAULT 12 } (RFC 5084 section 3).
pub(crate) fn aead(nonce: &[u8], tag_len: u8) -> Bytes {
    tlv(ber::SEQUENCE, &[&tlv(ber::OCTET_STRING, &[nonce]), &tlv(ber::INTEGER, &[&[tag_len]])]).into()
}

/// Reads GCMParameters: tags of 12 to 16 octets.
pub(crate) fn read_gcm(parameters: &[u8]) -> Result<AeadParameters, Error> {
    read_aead(parameters, |length| matches!(length, 12..=16))
}

/// Reads CCMParameters. Of the lengths that RFC 5084 lists, 4 and 6 octets are refused: a forgery that one try in 2^32
/// lets pass is not what an authenticated cipher is chosen for.
pub(crate) fn read_ccm(parameters: &[u8]) -> Result<AeadParameters, Error> {
    let parameters = read_aead(parameters, |length| matches!(length, 8 | 10 | 12 | 14 | 16))?;
    match parameters.nonce.len() {
        7..=13 => Ok(parameters),
        _ => Err(value("the length of the nonce")),
    }
}

fn read_aead(parameters: &[u8], fits: impl Fn(u8) -> bool) -> Result<AeadParameters, Error> {
    let sequence = Cursor::new(parameters, DEPTH).expect(ber::SEQUENCE, "nonce and tag length")?;
    let mut cursor = Cursor::new(sequence.content, DEPTH);
    let nonce = cursor.expect(ber::OCTET_STRING, "a nonce")?.content.to_vec();
    match cursor.next()? {
        None => Ok(AeadParameters { nonce, tag_len: 12, explicit: false }),
        Some(element) => match (element.tag, element.content) {
            (ber::INTEGER, [tag_len]) if fits(*tag_len) => {
                Ok(AeadParameters { nonce, tag_len: *tag_len, explicit: true })
            }
            _ => Err(value("the length of the authentication tag")),
        },
    }
}

fn value(what: &'static str) -> Error {
    Error::new(ErrorKind::Value(what), 0)
}

/// The IV of a CBC cipher, or the nonce of ChaCha20 with Poly1305, as the whole parameters (RFC 3565 section 4.1, RFC
/// 8103 section 1.1).
pub(crate) fn iv(iv: &[u8]) -> Bytes {
    tlv(ber::OCTET_STRING, &[iv]).into()
}

/// Reads what [`iv`] writes.
pub(crate) fn read_iv(parameters: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(Cursor::new(parameters, DEPTH).expect(ber::OCTET_STRING, "an IV")?.content.to_vec())
}

/// Version and IV of RC2CBCParameter (RFC 3370 section 5.2). The version encodes the effective bits of the key.
pub(crate) fn read_rc2(parameters: &[u8]) -> Result<(u8, Vec<u8>), Error> {
    let sequence = Cursor::new(parameters, DEPTH).expect(ber::SEQUENCE, "RC2 parameters")?;
    let mut cursor = Cursor::new(sequence.content, DEPTH);
    let version = cursor.expect(ber::INTEGER, "an RC2 parameter version")?;
    let version = match version.content {
        [version] | [0, version] => *version,
        _ => return Err(value("the RC2 parameter version")),
    };
    Ok((version, cursor.expect(ber::OCTET_STRING, "an IV")?.content.to_vec()))
}

/// id-alg-hkdf-with-sha256 (RFC 8619): the key derivation of key encapsulation.
pub(crate) const HKDF_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.28");

/// CMSORIforKEMOtherInfo ::= SEQUENCE { wrap, kekLength, ukm [0] OPTIONAL } (RFC 9629 section 5).
pub(crate) fn kem_other_info(wrap_der: &[u8], kek_len: u8, ukm: Option<&[u8]>) -> Vec<u8> {
    let ukm = ukm.map(|ukm| tlv(ber::CONTEXT_0_CONSTRUCTED, &[&tlv(ber::OCTET_STRING, &[ukm])])).unwrap_or_default();
    tlv(ber::SEQUENCE, &[wrap_der, &integer(kek_len), &ukm])
}

/// RSAES-OAEP-params (RFC 4055 section 4.1), by identifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Oaep {
    pub(crate) digest: ObjectIdentifier,
    pub(crate) mask: ObjectIdentifier,
    pub(crate) mask_digest: ObjectIdentifier,
    pub(crate) source: ObjectIdentifier,
    pub(crate) label: Bytes,
}

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
/// id-mgf1.
pub(crate) const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
/// id-pSpecified: the label stands in the parameters.
pub(crate) const LABEL_SPECIFIED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.9");

/// Parameters with one digest in both places and no label. The parameters of the digests are NULL (RFC 4055 section 2.1).
pub(crate) fn oaep(digest: ObjectIdentifier) -> Bytes {
    let digest = AlgorithmIdentifier { oid: digest, parameters: Some(Bytes::from_static(&[5, 0])) }.encode();
    let mask = AlgorithmIdentifier { oid: MGF1, parameters: Some(digest.clone().into()) }.encode();
    let digest = tlv(ber::CONTEXT_0_CONSTRUCTED, &[&digest]);
    tlv(ber::SEQUENCE, &[&digest, &tlv(ber::CONTEXT_1_CONSTRUCTED, &[&mask])]).into()
}

const NULL: &[u8] = &[5, 0];

/// Reads OAEP parameters; each that is absent has its default, as have all of them together.
pub(crate) fn read_oaep(parameters: Option<&[u8]>) -> Result<Oaep, Error> {
    let mut oaep = Oaep { digest: SHA1, mask: MGF1, mask_digest: SHA1, source: LABEL_SPECIFIED, label: Bytes::new() };
    let Some(parameters) = parameters.filter(|parameters| *parameters != NULL) else { return Ok(oaep) };
    let sequence = Cursor::new(parameters, DEPTH).expect(ber::SEQUENCE, "OAEP parameters")?;
    let mut cursor = Cursor::new(sequence.content, DEPTH);
    while let Some(element) = cursor.next()? {
        let inner = Cursor::new(element.content, DEPTH).expect(ber::SEQUENCE, "an algorithm")?;
        let algorithm = AlgorithmIdentifier::read(inner.content, DEPTH)?;
        match element.tag {
            ber::CONTEXT_0_CONSTRUCTED => oaep.digest = algorithm.oid,
            ber::CONTEXT_1_CONSTRUCTED => {
                oaep.mask = algorithm.oid;
                if let (MGF1, Some(digest)) = (algorithm.oid, &algorithm.parameters) {
                    let digest = Cursor::new(digest, DEPTH).expect(ber::SEQUENCE, "a digest")?;
                    oaep.mask_digest = AlgorithmIdentifier::read(digest.content, DEPTH)?.oid;
                }
            }
            LABEL_SOURCE => {
                oaep.source = algorithm.oid;
                if let (LABEL_SPECIFIED, Some(label)) = (algorithm.oid, &algorithm.parameters) {
                    let label = Cursor::new(label, DEPTH).expect(ber::OCTET_STRING, "a label")?;
                    oaep.label = Bytes::copy_from_slice(label.content);
                }
            }
            found => return Err(Error::new(ErrorKind::Tag { expected: "OAEP parameters", found }, 0)),
        }
    }
    Ok(oaep)
}

/// [2] of RSAES-OAEP-params.
const LABEL_SOURCE: u8 = 0xa2;

/// An AlgorithmIdentifier that stands as the parameters of another one.
pub(crate) fn algorithm(parameters: &[u8]) -> Result<AlgorithmIdentifier, Error> {
    let sequence = Cursor::new(parameters, DEPTH).expect(ber::SEQUENCE, "an algorithm")?;
    AlgorithmIdentifier::read(sequence.content, DEPTH)
}

/// Whether parameters are this object identifier.
pub(crate) fn is_oid(parameters: &[u8], oid: &ObjectIdentifier) -> bool {
    parameters == write_oid(oid)
}

/// ECC-CMS-SharedInfo (RFC 5753 section 7.2): `wrap` is the DER of the key wrap algorithm as it stands in the recipient.
pub(crate) fn shared_info(wrap: &[u8], ukm: Option<&[u8]>, key_bits: u32) -> Vec<u8> {
    let explicit = |tag, octets: &[u8]| tlv(tag, &[&tlv(ber::OCTET_STRING, &[octets])]);
    let ukm = ukm.map(|ukm| explicit(ber::CONTEXT_0_CONSTRUCTED, ukm)).unwrap_or_default();
    tlv(ber::SEQUENCE, &[wrap, &ukm, &explicit(0xa2, &key_bits.to_be_bytes())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x17_lengths_of_nonces_and_tags() {
        for tag_len in 0..=20 {
            assert_eq!(read_gcm(&aead(&[7; 12], tag_len)).is_ok(), (12..=16).contains(&tag_len), "{tag_len}");
            let even = tag_len % 2 == 0 && (8..=16).contains(&tag_len);
            assert_eq!(read_ccm(&aead(&[7; 12], tag_len)).is_ok(), even, "{tag_len}");
        }
        for length in 0..=16 {
            assert_eq!(read_ccm(&aead(&vec![7; length], 16)).is_ok(), (7..=13).contains(&length), "{length}");
        }
    }

    #[test]
    fn x26_oaep_parameters_are_independent_and_have_defaults() {
        let sha256 = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
        let defaults = read_oaep(None).unwrap();
        assert_eq!(read_oaep(Some(&[0x30, 0])), Ok(defaults.clone()));
        assert_eq!((defaults.digest, defaults.mask_digest, defaults.label.len()), (SHA1, SHA1, 0));
        let both = oaep(sha256);
        let read = read_oaep(Some(&both)).unwrap();
        assert_eq!((read.digest, read.mask, read.mask_digest), (sha256, MGF1, sha256));
        // As Java writes it: the mask generation keeps its default.
        let digest = AlgorithmIdentifier { oid: sha256, parameters: None }.encode();
        let digest = tlv(ber::CONTEXT_0_CONSTRUCTED, &[&digest]);
        let read = read_oaep(Some(&tlv(ber::SEQUENCE, &[&digest]))).unwrap();
        assert_eq!((read.digest, read.mask_digest), (sha256, SHA1));
        let label = AlgorithmIdentifier { oid: LABEL_SPECIFIED, parameters: Some(iv(b"label")) }.encode();
        let read = read_oaep(Some(&tlv(ber::SEQUENCE, &[&tlv(LABEL_SOURCE, &[&label])]))).unwrap();
        assert_eq!(read.label, "label");
        for bad in [&[0x30, 2, 0xa3, 0][..], &[0x30, 4, 0xa0, 2, 5, 0], &[4, 0], &[0x30, 2, 0xa0, 5]] {
            assert!(read_oaep(Some(bad)).is_err(), "{bad:x?}");
        }
    }

    #[test]
    fn x27_shared_info_has_the_shape_of_the_rfc() {
        let wrap = [0x30, 2, 6, 0];
        assert_eq!(shared_info(&wrap, None, 128), [0x30, 12, 0x30, 2, 6, 0, 0xa2, 6, 4, 4, 0, 0, 0, 128]);
        let with = shared_info(&wrap, Some(b"u"), 256);
        assert_eq!(with, [0x30, 17, 0x30, 2, 6, 0, 0xa0, 3, 4, 1, b'u', 0xa2, 6, 4, 4, 0, 0, 1, 0]);
    }
}
