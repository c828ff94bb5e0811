//! EnvelopedData (RFC 5652 section 6) and AuthEnvelopedData (RFC 5083).

use bytes::Bytes;

use crate::cms::ber::{self, Cursor, to_der};
use crate::cms::reader::{Captured, Structure};
use crate::cms::signed::{set_of, whole};
use crate::cms::write::{Nest, integer, oid as write_oid, size, tlv};
use crate::cms::{AlgorithmIdentifier, EntityId, EntityIdRef, Error, ErrorKind, oid};
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

/// A received RecipientInfo.
#[derive(Clone, Debug)]
pub(crate) enum RecipientInfo {
    KeyTransport {
        rid: EntityId,
        algorithm: AlgorithmIdentifier,
        encrypted_key: Bytes,
    },
    /// Key agreement, key encryption keys, passwords, others: by the identifier octet.
    Other {
        tag: u8,
    },
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

fn recipients(head: &[Captured], limits: &Limits) -> Result<Vec<RecipientInfo>, Error> {
    let depth = limits.ber_depth;
    let set = head.iter().find(|captured| captured.tag == ber::SET);
    let set = set.ok_or_else(|| Error::new(ErrorKind::Missing("the recipients"), 0))?;
    let (mut cursor, mut recipients) = (Cursor::new(whole(set, depth)?.content, depth), Vec::new());
    while let Some(recipient) = cursor.next()? {
        if recipients.len() >= limits.cms_infos {
            return Err(Error::new(ErrorKind::TooMany { limit: limits.cms_infos }, 0));
        }
        recipients.push(match recipient.tag {
            ber::SEQUENCE => key_transport(recipient.content, depth)?,
            tag => RecipientInfo::Other { tag },
        });
    }
    Ok(recipients)
}

fn key_transport(content: &[u8], depth: usize) -> Result<RecipientInfo, Error> {
    let mut cursor = Cursor::new(content, depth);
    cursor.expect(ber::INTEGER, "a version")?;
    let missing = |what| Error::new(ErrorKind::Missing(what), 0);
    let rid = EntityId::read(&cursor.next()?.ok_or_else(|| missing("the recipient identifier"))?, depth)?;
    let algorithm = AlgorithmIdentifier::read(cursor.expect(ber::SEQUENCE, "a key transport")?.content, depth)?;
    let encrypted_key = cursor.next()?.ok_or_else(|| missing("the encrypted key"))?.octets(depth)?.into();
    Ok(RecipientInfo::KeyTransport { rid, algorithm, encrypted_key })
}

/// The content encryption algorithm, which stands second beside the content.
fn content_algorithm(structure: &Structure, depth: usize) -> Result<AlgorithmIdentifier, Error> {
    let missing = || Error::new(ErrorKind::Missing("the content encryption algorithm"), 0);
    let captured = structure.beside.get(1).ok_or_else(missing)?;
    let sequence = Cursor::new(&captured.raw, depth).expect(ber::SEQUENCE, "an algorithm")?;
    AlgorithmIdentifier::read(sequence.content, depth)
}

/// A recipient to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipient<'a> {
    pub(crate) rid: EntityIdRef<'a>,
    pub(crate) algorithm: &'a AlgorithmIdentifier,
    pub(crate) encrypted_key: &'a [u8],
}

/// Everything of a DER EnvelopedData before `content` octets of content; nothing follows them.
pub(crate) fn enveloped_prefix(recipients: &[Recipient<'_>], algorithm: &AlgorithmIdentifier, content: u64) -> Vec<u8> {
    envelope(&oid::ENVELOPED_DATA, recipients, algorithm, 0).prefix(content)
}

/// Everything of a DER AuthEnvelopedData before `content` octets of content; [`auth_enveloped_suffix`] follows them.
pub(crate) fn auth_enveloped_prefix(
    recipients: &[Recipient<'_>],
    algorithm: &AlgorithmIdentifier,
    content: u64,
    mac: u64,
) -> Vec<u8> {
    envelope(&oid::AUTH_ENVELOPED_DATA, recipients, algorithm, size(mac)).prefix(content)
}

/// The authentication tag behind the content.
pub(crate) fn auth_enveloped_suffix(mac: &[u8]) -> Vec<u8> {
    tlv(ber::OCTET_STRING, &[mac])
}

fn envelope(
    kind: &const_oid::ObjectIdentifier,
    recipients: &[Recipient<'_>],
    algorithm: &AlgorithmIdentifier,
    after: u64,
) -> Nest {
    let infos: Vec<_> = recipients.iter().map(Recipient::encode).collect();
    let infos: Vec<_> = infos.iter().map(Vec::as_slice).collect();
    // Version 0: every recipient is named by issuer and serial number.
    let before = [integer(0), tlv(ber::SET, &infos)].concat();
    Nest::new()
        .open(ber::SEQUENCE, write_oid(kind), 0)
        .open(ber::CONTEXT_0_CONSTRUCTED, Vec::new(), 0)
        .open(ber::SEQUENCE, before, after)
        .open(ber::SEQUENCE, [write_oid(&oid::DATA), algorithm.encode()].concat(), 0)
        .open(ber::CONTEXT_0, Vec::new(), 0)
}

impl Recipient<'_> {
    fn encode(&self) -> Vec<u8> {
        let key = tlv(ber::OCTET_STRING, &[self.encrypted_key]);
        tlv(ber::SEQUENCE, &[&integer(0), &self.rid.encode(), &self.algorithm.encode(), &key])
    }
}

/// GCMParameters ::= SEQUENCE { nonce OCTET STRING, icvlen INTEGER DEFAULT 12 } (RFC 5084 section 3.2)
pub(crate) fn gcm_parameters(nonce: &[u8], tag_length: u8) -> Bytes {
    tlv(ber::SEQUENCE, &[&tlv(ber::OCTET_STRING, &[nonce]), &integer(tag_length)]).into()
}

/// Nonce, tag length, and whether the length was written rather than left at its default.
pub(crate) fn read_gcm_parameters(parameters: &[u8]) -> Result<(Vec<u8>, u8, bool), Error> {
    let sequence = Cursor::new(parameters, 2).expect(ber::SEQUENCE, "GCM parameters")?;
    let mut cursor = Cursor::new(sequence.content, 2);
    let nonce = cursor.expect(ber::OCTET_STRING, "a nonce")?.content.to_vec();
    match cursor.next()? {
        None => Ok((nonce, 12, false)),
        Some(element) => match (element.tag, element.content) {
            (ber::INTEGER, [length @ 12..=16]) => Ok((nonce, *length, true)),
            _ => Err(Error::new(ErrorKind::Value("the length of the authentication tag"), 0)),
        },
    }
}

/// The IV as parameters of a CBC cipher (RFC 3565 section 4.1).
pub(crate) fn cbc_parameters(iv: &[u8]) -> Bytes {
    tlv(ber::OCTET_STRING, &[iv]).into()
}

/// The IV from the parameters of a CBC cipher.
pub(crate) fn read_iv(parameters: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(Cursor::new(parameters, 2).expect(ber::OCTET_STRING, "an IV")?.content.to_vec())
}
