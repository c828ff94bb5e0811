//! EnvelopedData (RFC 5652 section 6) and AuthEnvelopedData (RFC 5083).

pub(crate) mod parameters;
pub(crate) mod recipient;

use bytes::Bytes;

use self::recipient::{Recipient, RecipientInfo, recipients};
use crate::cms::ber::{self, Cursor, to_der};
use crate::cms::reader::Structure;
use crate::cms::signed::{set_of, whole};
use crate::cms::write::{Nest, integer, oid as write_oid, size, tlv};
use crate::cms::{AlgorithmIdentifier, Error, ErrorKind, oid};
use crate::limits::Limits;

/// A received EnvelopedData.
#[derive(Clone, Debug)]
pub(crate) struct EnvelopedData {
    pub(crate) recipients: Vec<RecipientInfo>,
    pub(crate) algorithm: AlgorithmIdentifier,
    pub(crate) content: Bytes,
}

/// A received AuthEnvelopedData.
#[derive(Clone, Debug)]
pub(crate) struct AuthEnvelopedData {
    pub(crate) recipients: Vec<RecipientInfo>,
    pub(crate) algorithm: AlgorithmIdentifier,
    pub(crate) content: Bytes,
    /// Content octets of the authenticated attributes, as received.
    auth_attributes: Option<Bytes>,
    pub(crate) mac: Bytes,
    depth: usize,
}

impl EnvelopedData {
    pub(crate) fn read(structure: &Structure, content: Option<Bytes>, limits: &Limits) -> Result<Self, Error> {
        Ok(Self {
            recipients: recipients(&structure.head, limits)?,
            algorithm: content_algorithm(structure, limits.ber_depth)?,
            content: content.ok_or_else(|| Error::new(ErrorKind::Missing("the encrypted content"), 0))?,
        })
    }
}

impl AuthEnvelopedData {
    /// What stands before the content: attributes and tag are missing.
    pub(crate) fn read_head(structure: &Structure, limits: &Limits) -> Result<Self, Error> {
        Ok(Self {
            recipients: recipients(&structure.head, limits)?,
            algorithm: content_algorithm(structure, limits.ber_depth)?,
            content: Bytes::new(),
            auth_attributes: None,
            mac: Bytes::new(),
            depth: limits.ber_depth,
        })
    }

    pub(crate) fn read(structure: &Structure, content: Option<Bytes>, limits: &Limits) -> Result<Self, Error> {
        let depth = limits.ber_depth;
        let (mut auth_attributes, mut mac) = (None, None);
        for captured in &structure.tail {
            let element = whole(captured, depth)?;
            match captured.tag {
                ber::CONTEXT_1_CONSTRUCTED if mac.is_none() => {
                    auth_attributes = Some(captured.raw.slice_ref(element.content));
                }
                ber::OCTET_STRING | ber::OCTET_STRING_CONSTRUCTED if mac.is_none() => {
                    mac = Some(element.octets(depth)?)
                }
                // Unauthenticated attributes.
                _ => {}
            }
        }
        Ok(Self {
            recipients: recipients(&structure.head, limits)?,
            algorithm: content_algorithm(structure, depth)?,
            content: content.ok_or_else(|| Error::new(ErrorKind::Missing("the encrypted content"), 0))?,
            auth_attributes,
            mac: mac.ok_or_else(|| Error::new(ErrorKind::Missing("the authentication tag"), 0))?.into(),
            depth,
        })
    }

    /// What is authenticated beside the content: the attributes as a DER SET OF, or nothing (RFC 5083 section 2.2).
    pub(crate) fn aad(&self) -> Result<Vec<u8>, Error> {
        let Some(attributes) = &self.auth_attributes else { return Ok(Vec::new()) };
        let (mut cursor, mut all) = (Cursor::new(attributes, self.depth), Vec::new());
        while let Some(attribute) = cursor.next()? {
            all.push(to_der(attribute.raw, self.depth)?);
        }
        all.sort();
        Ok(set_of(&all.concat()))
    }
}

/// The content encryption algorithm, which stands second beside the content.
fn content_algorithm(structure: &Structure, depth: usize) -> Result<AlgorithmIdentifier, Error> {
    let missing = || Error::new(ErrorKind::Missing("the content encryption algorithm"), 0);
    let captured = structure.beside.get(1).ok_or_else(missing)?;
    let sequence = Cursor::new(&captured.raw, depth).expect(ber::SEQUENCE, "an algorithm")?;
    AlgorithmIdentifier::read(sequence.content, depth)
}

/// The shell of an EnvelopedData around its content; nothing follows that.
pub(crate) fn enveloped(recipients: &[Recipient<'_>], algorithm: &AlgorithmIdentifier) -> Nest {
    // RFC 5652 section 6.1: 0 if every recipient is named by issuer and serial number, and the key encrypted for it.
    let version = recipients.iter().map(Recipient::version).max().unwrap_or(0);
    envelope(&oid::ENVELOPED_DATA, version, recipients, algorithm, 0)
}

/// The shell of an AuthEnvelopedData around its content; [`auth_enveloped_suffix`] with `mac` octets follows that.
pub(crate) fn auth_enveloped(recipients: &[Recipient<'_>], algorithm: &AlgorithmIdentifier, mac: u64) -> Nest {
    envelope(&oid::AUTH_ENVELOPED_DATA, 0, recipients, algorithm, size(mac))
}

/// The authentication tag behind the content.
pub(crate) fn auth_enveloped_suffix(mac: &[u8]) -> Vec<u8> {
    tlv(ber::OCTET_STRING, &[mac])
}

fn envelope(
    kind: &const_oid::ObjectIdentifier,
    version: u8,
    recipients: &[Recipient<'_>],
    algorithm: &AlgorithmIdentifier,
    after: u64,
) -> Nest {
    let infos: Vec<_> = recipients.iter().map(Recipient::encode).collect();
    let infos: Vec<_> = infos.iter().map(Vec::as_slice).collect();
    let before = [integer(version), tlv(ber::SET, &infos)].concat();
    Nest::new()
        .with(ber::SEQUENCE, write_oid(kind), 0)
        .with(ber::CONTEXT_0_CONSTRUCTED, Vec::new(), 0)
        .with(ber::SEQUENCE, before, after)
        .with(ber::SEQUENCE, [write_oid(&oid::DATA), algorithm.encode()].concat(), 0)
        .with(ber::CONTEXT_0, Vec::new(), 0)
}
