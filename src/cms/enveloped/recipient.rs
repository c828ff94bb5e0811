//! RecipientInfo (RFC 5652 section 6.2): key transport, key agreement and key encapsulation (RFC 9629); other kinds are
//! counted and left alone.

use bytes::Bytes;
use const_oid::ObjectIdentifier;

use crate::cms::ber::{self, Cursor, Element};
use crate::cms::reader::Captured;
use crate::cms::signed::whole;
use crate::cms::write::{integer, oid as write_oid, tlv};
use crate::cms::{AlgorithmIdentifier, EntityId, EntityIdRef, Error, ErrorKind, read_oid};
use crate::limits::Limits;

/// A received RecipientInfo.
#[derive(Clone, Debug)]
pub(crate) enum RecipientInfo {
    KeyTransport {
        rid: EntityId,
        algorithm: AlgorithmIdentifier,
        encrypted_key: Bytes,
    },
    KeyAgreement(KeyAgreement),
    KeyEncapsulation(KeyEncapsulation),
    /// Key encryption keys, passwords, others, and key agreement of a form that cannot be read: by the identifier octet.
    Other {
        tag: u8,
    },
}

/// A received KeyAgreeRecipientInfo (RFC 5753 section 3.1).
#[derive(Clone, Debug)]
pub(crate) struct KeyAgreement {
    /// The sender's public key; `None` if it is one of a certificate, named by issuer and serial number or key identifier.
    pub(crate) originator: Option<PublicKey>,
    /// User keying material.
    pub(crate) ukm: Option<Bytes>,
    /// The scheme; its parameters are the key wrap algorithm.
    pub(crate) algorithm: AlgorithmIdentifier,
    /// Everybody who shares the scheme, with his wrapped key.
    pub(crate) recipients: Vec<(EntityId, Bytes)>,
}

/// A received KEMRecipientInfo (RFC 9629 section 3).
#[derive(Clone, Debug)]
pub(crate) struct KeyEncapsulation {
    pub(crate) rid: EntityId,
    pub(crate) kem: AlgorithmIdentifier,
    pub(crate) ciphertext: Bytes,
    /// The key derivation.
    pub(crate) kdf: AlgorithmIdentifier,
    /// Octets of the key-encryption key.
    pub(crate) kek_len: usize,
    /// User keying material.
    pub(crate) ukm: Option<Bytes>,
    /// The key wrap algorithm.
    pub(crate) wrap: AlgorithmIdentifier,
    pub(crate) encrypted_key: Bytes,
}

/// OriginatorPublicKey: algorithm and key bits.
#[derive(Clone, Debug)]
pub(crate) struct PublicKey {
    pub(crate) algorithm: AlgorithmIdentifier,
    pub(crate) bits: Bytes,
}

pub(super) fn recipients(head: &[Captured], limits: &Limits) -> Result<Vec<RecipientInfo>, Error> {
    let depth = limits.ber_depth;
    let set = head.iter().find(|captured| captured.tag == ber::SET);
    let set = set.ok_or_else(|| missing("the recipients"))?;
    let (mut cursor, mut recipients) = (Cursor::new(whole(set, depth)?.content, depth), Vec::new());
    let mut room = limits.cms_infos;
    while let Some(recipient) = cursor.next()? {
        let info = match recipient.tag {
            ber::SEQUENCE => key_transport(recipient.content, depth)?,
            KEY_AGREEMENT => key_agreement(recipient.content, depth, room)
                .map_or(RecipientInfo::Other { tag: recipient.tag }, RecipientInfo::KeyAgreement),
            OTHER_RECIPIENT => key_encapsulation(recipient.content, depth)
                .map_or(RecipientInfo::Other { tag: recipient.tag }, RecipientInfo::KeyEncapsulation),
            tag => RecipientInfo::Other { tag },
        };
        let count = match &info {
            RecipientInfo::KeyAgreement(agreement) => agreement.recipients.len().max(1),
            _ => 1,
        };
        room = room.checked_sub(count).ok_or_else(|| Error::new(ErrorKind::TooMany { limit: limits.cms_infos }, 0))?;
        recipients.push(info);
    }
    Ok(recipients)
}

fn missing(what: &'static str) -> Error {
    Error::new(ErrorKind::Missing(what), 0)
}

fn key_transport(content: &[u8], depth: usize) -> Result<RecipientInfo, Error> {
    let mut cursor = Cursor::new(content, depth);
    cursor.expect(ber::INTEGER, "a version")?;
    let rid = EntityId::read(&cursor.next()?.ok_or_else(|| missing("the recipient identifier"))?, depth)?;
    let algorithm = AlgorithmIdentifier::read(cursor.expect(ber::SEQUENCE, "a key transport")?.content, depth)?;
    let encrypted_key = cursor.next()?.ok_or_else(|| missing("the encrypted key"))?.octets(depth)?.into();
    Ok(RecipientInfo::KeyTransport { rid, algorithm, encrypted_key })
}

/// [1] of RecipientInfo.
pub(crate) const KEY_AGREEMENT: u8 = ber::CONTEXT_1_CONSTRUCTED;

/// More than `room` recipients are counted no further than that they are too many.
fn key_agreement(content: &[u8], depth: usize, room: usize) -> Result<KeyAgreement, Error> {
    let mut cursor = Cursor::new(content, depth);
    cursor.expect(ber::INTEGER, "a version")?;
    let originator = originator(cursor.expect(ber::CONTEXT_0_CONSTRUCTED, "an originator")?.content, depth)?;
    let mut next = cursor.next()?.ok_or_else(|| missing("the key agreement"))?;
    let mut ukm = None;
    if next.tag == ber::CONTEXT_1_CONSTRUCTED {
        let octets = Cursor::new(next.content, depth).next()?.ok_or_else(|| missing("the keying material"))?;
        ukm = Some(octets.octets(depth)?.into());
        next = cursor.next()?.ok_or_else(|| missing("the key agreement"))?;
    }
    if next.tag != ber::SEQUENCE {
        return Err(Error::new(ErrorKind::Tag { expected: "a key agreement", found: next.tag }, 0));
    }
    let algorithm = AlgorithmIdentifier::read(next.content, depth)?;
    let mut keys = Cursor::new(cursor.expect(ber::SEQUENCE, "encrypted keys")?.content, depth);
    let mut recipients = Vec::new();
    while let Some(key) = keys.next()? {
        if recipients.len() > room {
            break;
        }
        recipients.push(encrypted_key(&key, depth)?);
    }
    Ok(KeyAgreement { originator, ukm, algorithm, recipients })
}

/// [4] of RecipientInfo.
const OTHER_RECIPIENT: u8 = 0xa4;
/// id-ori-kem (RFC 9629 section 3).
const ORI_KEM: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.13.3");

fn key_encapsulation(content: &[u8], depth: usize) -> Result<KeyEncapsulation, Error> {
    let mut outer = Cursor::new(content, depth);
    if read_oid(outer.expect(ber::OID, "a kind of recipient")?.content)? != ORI_KEM {
        return Err(Error::new(ErrorKind::Value("the kind of recipient"), 0));
    }
    let mut cursor = Cursor::new(outer.expect(ber::SEQUENCE, "a key encapsulation")?.content, depth);
    cursor.expect(ber::INTEGER, "a version")?;
    let rid = EntityId::read(&cursor.next()?.ok_or_else(|| missing("the recipient identifier"))?, depth)?;
    let kem = AlgorithmIdentifier::read(cursor.expect(ber::SEQUENCE, "a key encapsulation")?.content, depth)?;
    let ciphertext = cursor.next()?.ok_or_else(|| missing("the encapsulated key"))?.octets(depth)?.into();
    let kdf = AlgorithmIdentifier::read(cursor.expect(ber::SEQUENCE, "a key derivation")?.content, depth)?;
    let kek_len = match cursor.expect(ber::INTEGER, "the length of a key")?.content {
        [len] if *len < 0x80 => usize::from(*len),
        _ => return Err(Error::new(ErrorKind::Value("the length of the key-encryption key"), 0)),
    };
    let mut next = cursor.next()?.ok_or_else(|| missing("the key wrap algorithm"))?;
    let mut ukm = None;
    if next.tag == ber::CONTEXT_0_CONSTRUCTED {
        let octets = Cursor::new(next.content, depth).next()?.ok_or_else(|| missing("the keying material"))?;
        ukm = Some(octets.octets(depth)?.into());
        next = cursor.next()?.ok_or_else(|| missing("the key wrap algorithm"))?;
    }
    if next.tag != ber::SEQUENCE {
        return Err(Error::new(ErrorKind::Tag { expected: "a key wrap algorithm", found: next.tag }, 0));
    }
    let wrap = AlgorithmIdentifier::read(next.content, depth)?;
    let encrypted_key = cursor.next()?.ok_or_else(|| missing("the encrypted key"))?.octets(depth)?.into();
    Ok(KeyEncapsulation { rid, kem, ciphertext, kdf, kek_len, ukm, wrap, encrypted_key })
}

fn originator(content: &[u8], depth: usize) -> Result<Option<PublicKey>, Error> {
    let element = Cursor::new(content, depth).next()?.ok_or_else(|| missing("the originator"))?;
    if element.tag != ber::CONTEXT_1_CONSTRUCTED {
        return Ok(None);
    }
    let mut cursor = Cursor::new(element.content, depth);
    let algorithm = AlgorithmIdentifier::read(cursor.expect(ber::SEQUENCE, "an algorithm")?.content, depth)?;
    let bits = cursor.expect(ber::BIT_STRING, "a public key")?.content;
    // The first octet counts unused bits; keys are whole octets.
    let bits = bits.strip_prefix(&[0]).ok_or_else(|| Error::new(ErrorKind::Value("the originator's public key"), 0))?;
    Ok(Some(PublicKey { algorithm, bits: Bytes::copy_from_slice(bits) }))
}

/// RecipientEncryptedKey: here the key identifier stands in a sequence, with a date that nobody writes.
fn encrypted_key(element: &Element<'_>, depth: usize) -> Result<(EntityId, Bytes), Error> {
    let mut cursor = Cursor::new(element.content, depth);
    let rid = cursor.next()?.ok_or_else(|| missing("the recipient identifier"))?;
    let rid = match rid.tag {
        ber::CONTEXT_0_CONSTRUCTED => {
            let key_id = Cursor::new(rid.content, depth).next()?.ok_or_else(|| missing("the key identifier"))?;
            EntityId::SubjectKeyId(key_id.octets(depth)?.into())
        }
        _ => EntityId::read(&rid, depth)?,
    };
    let key = cursor.next()?.ok_or_else(|| missing("the encrypted key"))?.octets(depth)?;
    Ok((rid, key.into()))
}

/// A recipient to be written, named by issuer and serial number.
#[derive(Clone, Debug)]
pub(crate) enum Recipient<'a> {
    Transport {
        rid: EntityIdRef<'a>,
        algorithm: AlgorithmIdentifier,
        encrypted_key: Vec<u8>,
    },
    Agreement {
        rid: EntityIdRef<'a>,
        /// Algorithm and bits of the ephemeral public key.
        originator: (AlgorithmIdentifier, Vec<u8>),
        algorithm: AlgorithmIdentifier,
        encrypted_key: Vec<u8>,
    },
    Encapsulation {
        rid: EntityIdRef<'a>,
        kem: AlgorithmIdentifier,
        ciphertext: Vec<u8>,
        kdf: AlgorithmIdentifier,
        kek_len: u8,
        wrap: AlgorithmIdentifier,
        encrypted_key: Vec<u8>,
    },
}

impl Recipient<'_> {
    /// The version that an EnvelopedData with this recipient has at least (RFC 5652 section 6.1).
    pub(super) fn version(&self) -> u8 {
        match self {
            Self::Transport { .. } => 0,
            Self::Agreement { .. } => 2,
            Self::Encapsulation { .. } => 3,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Transport { rid, algorithm, encrypted_key } => {
                let key = tlv(ber::OCTET_STRING, &[encrypted_key]);
                tlv(ber::SEQUENCE, &[&integer(0), &rid.encode(), &algorithm.encode(), &key])
            }
            Self::Agreement { rid, originator: (kind, bits), algorithm, encrypted_key } => {
                let public = [kind.encode(), tlv(ber::BIT_STRING, &[&[0], bits])].concat();
                let originator = tlv(ber::CONTEXT_0_CONSTRUCTED, &[&tlv(ber::CONTEXT_1_CONSTRUCTED, &[&public])]);
                let key = tlv(ber::SEQUENCE, &[&rid.encode(), &tlv(ber::OCTET_STRING, &[encrypted_key])]);
                let keys = tlv(ber::SEQUENCE, &[&key]);
                tlv(KEY_AGREEMENT, &[&integer(3), &originator, &algorithm.encode(), &keys])
            }
            Self::Encapsulation { rid, kem, ciphertext, kdf, kek_len, wrap, encrypted_key } => {
                let ciphertext = tlv(ber::OCTET_STRING, &[ciphertext]);
                let key = tlv(ber::OCTET_STRING, &[encrypted_key]);
                let (kem, kdf, wrap) = (kem.encode(), kdf.encode(), wrap.encode());
                let head = [integer(0), rid.encode(), kem, ciphertext, kdf, integer(*kek_len)].concat();
                let info = tlv(ber::SEQUENCE, &[&head, &wrap, &key]);
                tlv(OTHER_RECIPIENT, &[&write_oid(&ORI_KEM), &info])
            }
        }
    }
}
