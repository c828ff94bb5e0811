//! SignedData (RFC 5652 section 5): signers as received, signatures to be written.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use const_oid::ObjectIdentifier;
use der::asn1::{GeneralizedTime, UtcTime};
use der::{DateTime, Decode as _, Encode as _};

use crate::cms::ber::{self, Cursor, Element, to_der};
use crate::cms::reader::{Captured, Structure};
use crate::cms::write::{integer, oid as write_oid, tlv};
use crate::cms::{AlgorithmIdentifier, EntityId, EntityIdRef, Error, ErrorKind, oid, read_oid};
use crate::limits::Limits;

/// A received SignedData.
#[derive(Clone, Debug)]
pub(crate) struct SignedData {
    pub(crate) content_type: ObjectIdentifier,
    pub(crate) content: Option<Bytes>,
    /// X.509 certificates, each as received; other kinds are skipped.
    pub(crate) certificates: Vec<Bytes>,
    pub(crate) signers: Vec<SignerInfo>,
}

/// A received SignerInfo.
#[derive(Clone, Debug)]
pub(crate) struct SignerInfo {
    pub(crate) sid: EntityId,
    pub(crate) digest_algorithm: AlgorithmIdentifier,
    pub(crate) signed_attributes: Option<SignedAttributes>,
    pub(crate) signature_algorithm: AlgorithmIdentifier,
    pub(crate) signature: Bytes,
}

impl SignedData {
    pub(crate) fn read(structure: &Structure, content: Option<Bytes>, limits: &Limits) -> Result<Self, Error> {
        let depth = limits.ber_depth;
        let content_type = content_type(structure, depth)?;
        let (mut certificates, mut signers) = (Vec::new(), Vec::new());
        for captured in &structure.tail {
            let element = whole(captured, depth)?;
            match captured.tag {
                ber::CONTEXT_0_CONSTRUCTED => {
                    let mut cursor = Cursor::new(element.content, depth);
                    // The agreement's certificates decide; those that came along only explain.
                    while let Ok(Some(certificate)) = cursor.next() {
                        if certificate.tag == ber::SEQUENCE && certificates.len() < limits.cms_infos {
                            certificates.push(captured.raw.slice_ref(certificate.raw));
                        }
                    }
                }
                // Revocation lists are not looked at: the agreement decides whom to trust.
                ber::CONTEXT_1_CONSTRUCTED => {}
                ber::SET => {
                    let mut cursor = Cursor::new(element.content, depth);
                    while let Some(signer) = cursor.next()? {
                        if signers.len() >= limits.cms_infos {
                            return Err(Error::new(ErrorKind::TooMany { limit: limits.cms_infos }, 0));
                        }
                        signers.push(SignerInfo::read(&signer, &captured.raw, depth)?);
                    }
                }
                found => return Err(Error::new(ErrorKind::Tag { expected: "certificates or signers", found }, 0)),
            }
        }
        Ok(Self { content_type, content, certificates, signers })
    }
}

/// The digest algorithms that SignedData announces in front of its content (RFC 5652 section 5.1). What cannot be read is
/// left out: the signers decide.
pub(crate) fn digest_algorithms(structure: &Structure, depth: usize) -> Vec<ObjectIdentifier> {
    let set = structure.head.iter().find(|captured| captured.tag == ber::SET);
    let Some(element) = set.and_then(|set| whole(set, depth).ok()) else { return Vec::new() };
    let (mut cursor, mut found) = (Cursor::new(element.content, depth), Vec::new());
    while let Ok(Some(algorithm)) = cursor.next() {
        found.extend(AlgorithmIdentifier::read(algorithm.content, depth).ok().map(|algorithm| algorithm.oid));
    }
    found
}

impl SignerInfo {
    fn read(signer: &Element<'_>, raw: &Bytes, depth: usize) -> Result<Self, Error> {
        if signer.tag != ber::SEQUENCE {
            return Err(Error::new(ErrorKind::Tag { expected: "SignerInfo", found: signer.tag }, 0));
        }
        let mut cursor = Cursor::new(signer.content, depth);
        cursor.expect(ber::INTEGER, "a version")?;
        let missing = |what| Error::new(ErrorKind::Missing(what), 0);
        let sid = EntityId::read(&cursor.next()?.ok_or_else(|| missing("the signer identifier"))?, depth)?;
        let digest_algorithm =
            AlgorithmIdentifier::read(cursor.expect(ber::SEQUENCE, "a digest algorithm")?.content, depth)?;
        let signed_attributes = match cursor.peek() {
            Some(ber::CONTEXT_0_CONSTRUCTED) => {
                let attributes = cursor.next()?.ok_or_else(|| missing("signed attributes"))?;
                Some(SignedAttributes::read(raw.slice_ref(attributes.content), depth)?)
            }
            _ => None,
        };
        let signature_algorithm =
            AlgorithmIdentifier::read(cursor.expect(ber::SEQUENCE, "a signature algorithm")?.content, depth)?;
        let signature = cursor.next()?.ok_or_else(|| missing("the signature value"))?;
        if !matches!(signature.tag, ber::OCTET_STRING | ber::OCTET_STRING_CONSTRUCTED) {
            return Err(Error::new(ErrorKind::Tag { expected: "a signature value", found: signature.tag }, 0));
        }
        let signature = signature.octets(depth)?.into();
        // Unsigned attributes may follow; nothing is drawn from them.
        if cursor.peek() == Some(ber::CONTEXT_1_CONSTRUCTED) {
            cursor.next()?;
        }
        cursor.end("SignerInfo")?;
        Ok(Self { sid, digest_algorithm, signed_attributes, signature_algorithm, signature })
    }
}

/// Signed attributes in the order in which they were received.
#[derive(Clone, Debug)]
pub(crate) struct SignedAttributes {
    content: Bytes,
    attributes: Vec<Attribute>,
    depth: usize,
}

#[derive(Clone, Debug)]
struct Attribute {
    oid: ObjectIdentifier,
    /// Each value as one DER element.
    values: Vec<Vec<u8>>,
}

/// CMSAlgorithmProtection (RFC 6211 section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AlgorithmProtection {
    pub(crate) digest: AlgorithmIdentifier,
    pub(crate) signature: Option<AlgorithmIdentifier>,
}

impl SignedAttributes {
    fn read(content: Bytes, depth: usize) -> Result<Self, Error> {
        let (mut cursor, mut attributes) = (Cursor::new(&content, depth), Vec::new());
        while let Some(attribute) = cursor.next()? {
            if attribute.tag != ber::SEQUENCE {
                return Err(Error::new(ErrorKind::Tag { expected: "an attribute", found: attribute.tag }, 0));
            }
            let mut inner = Cursor::new(attribute.content, depth);
            let oid = read_oid(inner.expect(ber::OID, "an attribute type")?.content)?;
            let set = inner.expect(ber::SET, "attribute values")?;
            inner.end("an attribute")?;
            let (mut inner, mut values) = (Cursor::new(set.content, depth), Vec::new());
            while let Some(value) = inner.next()? {
                values.push(to_der(value.raw, depth)?);
            }
            attributes.push(Attribute { oid, values });
        }
        Ok(Self { content, attributes, depth })
    }

    /// The octets that a signature covers, with the attributes in the order in which they came (RFC 5652 section 5.4);
    /// `None` where one of them is not in DER, for what is signed is.
    pub(crate) fn as_received(&self) -> Option<Vec<u8>> {
        let mut cursor = Cursor::new(&self.content, self.depth);
        while let Some(attribute) = cursor.next().ok()? {
            if to_der(attribute.raw, self.depth).ok()? != attribute.raw {
                return None;
            }
        }
        Some(tlv(ber::SET, &[&self.content]))
    }

    /// The same with each attribute in DER, and sorted.
    pub(crate) fn as_sorted_der(&self) -> Result<Vec<u8>, Error> {
        let (mut cursor, mut all) = (Cursor::new(&self.content, self.depth), Vec::new());
        while let Some(attribute) = cursor.next()? {
            all.push(to_der(attribute.raw, self.depth)?);
        }
        all.sort();
        Ok(set_of(&all.concat()))
    }

    pub(crate) fn content_type(&self) -> Result<ObjectIdentifier, Error> {
        let value = self.single(&oid::CONTENT_TYPE, "contentType")?;
        read_oid(Cursor::new(value, self.depth).expect(ber::OID, "an object identifier")?.content)
    }

    pub(crate) fn message_digest(&self) -> Result<&[u8], Error> {
        let value = self.single(&oid::MESSAGE_DIGEST, "messageDigest")?;
        Ok(Cursor::new(value, self.depth).expect(ber::OCTET_STRING, "an octet string")?.content)
    }

    /// When the signer says to have signed; `None` where nothing readable is said.
    pub(crate) fn signing_time(&self) -> Option<SystemTime> {
        let value = self.single(&oid::SIGNING_TIME, "signingTime").ok()?;
        let seconds = UtcTime::from_der(value)
            .map(|time| time.to_unix_duration())
            .or_else(|_| GeneralizedTime::from_der(value).map(|time| time.to_unix_duration()));
        seconds.ok().map(|duration| SystemTime::UNIX_EPOCH + duration)
    }

    pub(crate) fn algorithm_protection(&self) -> Result<Option<AlgorithmProtection>, Error> {
        if !self.attributes.iter().any(|attribute| attribute.oid == oid::ALGORITHM_PROTECTION) {
            return Ok(None);
        }
        let value = self.single(&oid::ALGORITHM_PROTECTION, "CMSAlgorithmProtection")?;
        let content = Cursor::new(value, self.depth).expect(ber::SEQUENCE, "CMSAlgorithmProtection")?.content;
        let mut cursor = Cursor::new(content, self.depth);
        let digest =
            AlgorithmIdentifier::read(cursor.expect(ber::SEQUENCE, "a digest algorithm")?.content, self.depth)?;
        let signature = match cursor.next()? {
            Some(element) if element.tag == ber::CONTEXT_1_CONSTRUCTED => {
                Some(AlgorithmIdentifier::read(element.content, self.depth)?)
            }
            _ => None,
        };
        cursor.end("CMSAlgorithmProtection")?;
        Ok(Some(AlgorithmProtection { digest, signature }))
    }

    fn single(&self, oid: &ObjectIdentifier, name: &'static str) -> Result<&[u8], Error> {
        let mut found = self.attributes.iter().filter(|attribute| attribute.oid == *oid);
        match (found.next().map(|attribute| attribute.values.as_slice()), found.next()) {
            (Some([value]), None) => Ok(value),
            _ => Err(Error::new(ErrorKind::Attribute(name), 0)),
        }
    }
}

/// The attributes of a new signature, as the sorted content of their SET (RFC 5652 section 11).
pub(crate) fn signed_attributes(
    content_type: &ObjectIdentifier,
    digest: &[u8],
    signing_time: Option<SystemTime>,
    protection: Option<(&AlgorithmIdentifier, &AlgorithmIdentifier)>,
) -> Vec<u8> {
    let mut all = vec![
        attribute(&oid::CONTENT_TYPE, &write_oid(content_type)),
        attribute(&oid::MESSAGE_DIGEST, &tlv(ber::OCTET_STRING, &[digest])),
    ];
    all.extend(signing_time.and_then(time).map(|time| attribute(&oid::SIGNING_TIME, &time)));
    all.extend(protection.map(|(digest, signature)| {
        let mut tagged = signature.encode();
        if let Some(tag) = tagged.first_mut() {
            *tag = ber::CONTEXT_1_CONSTRUCTED;
        }
        attribute(&oid::ALGORITHM_PROTECTION, &tlv(ber::SEQUENCE, &[&digest.encode(), &tagged]))
    }));
    all.sort();
    all.concat()
}

/// A SET around sorted content: what is signed.
pub(crate) fn set_of(content: &[u8]) -> Vec<u8> {
    tlv(ber::SET, &[content])
}

fn attribute(oid: &ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    tlv(ber::SEQUENCE, &[&write_oid(oid), &tlv(ber::SET, &[value])])
}

/// UTCTime through 2049, GeneralizedTime after (RFC 5652 section 11.3).
fn time(at: SystemTime) -> Option<Vec<u8>> {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    let at = DateTime::from_unix_duration(Duration::from_secs(seconds)).ok()?;
    match UtcTime::from_date_time(at) {
        Ok(time) => time.to_der().ok(),
        Err(_) => GeneralizedTime::from_date_time(at).to_der().ok(),
    }
}

/// All that a detached signature by one signer is written from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedDataParts<'a> {
    pub(crate) digest_algorithm: &'a AlgorithmIdentifier,
    /// DER certificates.
    pub(crate) certificates: &'a [&'a [u8]],
    pub(crate) sid: EntityIdRef<'a>,
    /// Content of the SET, from [`signed_attributes`].
    pub(crate) signed_attributes: Option<&'a [u8]>,
    pub(crate) signature_algorithm: &'a AlgorithmIdentifier,
    pub(crate) signature: &'a [u8],
}

/// A detached signature as a DER ContentInfo.
pub(crate) fn write_signed_data(parts: &SignedDataParts<'_>) -> Vec<u8> {
    let digest = parts.digest_algorithm.encode();
    // RFC 5652 sections 5.1 and 5.3: 3 where a signer is named by key identifier.
    let version = integer(match parts.sid {
        EntityIdRef::IssuerAndSerial { .. } => 1,
        EntityIdRef::SubjectKeyId(_) => 3,
    });
    let attributes = parts.signed_attributes.map(|content| tlv(ber::CONTEXT_0_CONSTRUCTED, &[content]));
    let signer = tlv(
        ber::SEQUENCE,
        &[
            &version,
            &parts.sid.encode(),
            &digest,
            attributes.as_deref().unwrap_or_default(),
            &parts.signature_algorithm.encode(),
            &tlv(ber::OCTET_STRING, &[parts.signature]),
        ],
    );
    let mut certificates = parts.certificates.to_vec();
    certificates.sort_unstable();
    let certificates = match certificates.as_slice() {
        [] => Vec::new(),
        some => tlv(ber::CONTEXT_0_CONSTRUCTED, some),
    };
    let signed = tlv(
        ber::SEQUENCE,
        &[
            &version,
            &tlv(ber::SET, &[&digest]),
            &tlv(ber::SEQUENCE, &[&write_oid(&oid::DATA)]),
            &certificates,
            &tlv(ber::SET, &[&signer]),
        ],
    );
    tlv(ber::SEQUENCE, &[&write_oid(&oid::SIGNED_DATA), &tlv(ber::CONTEXT_0_CONSTRUCTED, &[&signed])])
}

/// The type of the content, which stands first beside it.
pub(crate) fn content_type(structure: &Structure, depth: usize) -> Result<ObjectIdentifier, Error> {
    let first = structure.beside.first().ok_or_else(|| Error::new(ErrorKind::Missing("the content type"), 0))?;
    read_oid(Cursor::new(&first.raw, depth).expect(ber::OID, "a content type")?.content)
}

/// A captured element, read.
pub(crate) fn whole(captured: &Captured, depth: usize) -> Result<Element<'_>, Error> {
    Cursor::new(&captured.raw, depth).next()?.ok_or_else(|| Error::new(ErrorKind::Truncated, 0))
}
