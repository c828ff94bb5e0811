//! PKCS #12 files (RFC 7292) as they are found: DER or BER, with a MAC or without, every part encrypted or not.

use super::collect::{Found, Item};
use super::private_key::PrivateKey;
use super::protected::{Opener, REMEDY_STORE};
use super::{DEPTH, KeyStoreError, certificates};
use crate::cms::ber::{self, Cursor, Element};
use crate::cms::{Error, ErrorKind, oid, read_oid};

const ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";
const KEY_BAG: &str = "1.2.840.113549.1.12.10.1.1";
const SHROUDED_KEY_BAG: &str = "1.2.840.113549.1.12.10.1.2";
const CERTIFICATE_BAG: &str = "1.2.840.113549.1.12.10.1.3";
const SAFE_CONTENTS_BAG: &str = "1.2.840.113549.1.12.10.1.6";
const X509_CERTIFICATE: &str = "1.2.840.113549.1.9.22.1";
const FRIENDLY_NAME: &str = "1.2.840.113549.1.9.20";
const LOCAL_KEY_ID: &str = "1.2.840.113549.1.9.21";

const BMP_STRING: u8 = 0x1e;
/// SafeContents in SafeContents.
const MAX_NESTING: usize = 8;
/// Octets of an alias or identifier that are kept.
const MAX_ATTRIBUTE: usize = 1024;

/// Reads a PFX from the content of its SEQUENCE.
pub(super) fn read(content: &[u8], opener: &mut Opener, found: &mut Found) -> Result<(), KeyStoreError> {
    let damaged = KeyStoreError::at("the PKCS #12 file");
    let mut cursor = Cursor::new(content, DEPTH);
    cursor.expect(ber::INTEGER, "a version").map_err(&damaged)?;
    let outer = cursor.expect(ber::SEQUENCE, "the authenticated content").map_err(&damaged)?;
    let (kind, inner) = content_info(outer.content).map_err(&damaged)?;
    if kind != oid::DATA.to_string() {
        return Err(unsupported(format!("content of type {kind} (protected by public keys)")));
    }
    let safe = inner.octets(DEPTH).map_err(&damaged)?;
    if let Some(mac) = cursor.next().map_err(&damaged)? {
        opener.check_mac(mac.content, &safe)?;
    }
    let safe = Cursor::new(&safe, DEPTH).expect(ber::SEQUENCE, "the list of contents").map_err(&damaged)?;
    let mut contents = Cursor::new(safe.content, DEPTH);
    while let Some(one) = contents.next().map_err(&damaged)? {
        let (kind, inner) = content_info(one.content).map_err(&damaged)?;
        if kind == oid::DATA.to_string() {
            safe_contents(&inner.octets(DEPTH).map_err(&damaged)?, opener, found, MAX_NESTING)?;
        } else if kind == ENCRYPTED_DATA {
            let plain = encrypted_data(&inner, opener)?;
            safe_contents(&plain, opener, found, MAX_NESTING)?;
        } else {
            return Err(unsupported(format!("content of type {kind} (encrypted to public keys)")));
        }
    }
    Ok(())
}

fn unsupported(what: String) -> KeyStoreError {
    KeyStoreError::Unsupported { part: "the PKCS #12 file", what, remedy: REMEDY_STORE }
}

/// The type of a ContentInfo, and what it holds.
fn content_info(content: &[u8]) -> Result<(String, Element<'_>), Error> {
    let mut cursor = Cursor::new(content, DEPTH);
    let kind = read_oid(cursor.expect(ber::OID, "a content type")?.content)?;
    let explicit = cursor.expect(ber::CONTEXT_0_CONSTRUCTED, "the content")?;
    let inner = Cursor::new(explicit.content, DEPTH).next()?;
    Ok((kind.to_string(), inner.ok_or_else(|| Error::new(ErrorKind::Missing("the content"), 0))?))
}

/// EncryptedData (RFC 5652 section 8).
fn encrypted_data(data: &Element<'_>, opener: &mut Opener) -> Result<zeroize::Zeroizing<Vec<u8>>, KeyStoreError> {
    const PART: &str = "the PKCS #12 content";
    let read = || -> Result<(&[u8], Vec<u8>), Error> {
        let mut cursor = Cursor::new(data.content, DEPTH);
        cursor.expect(ber::INTEGER, "a version")?;
        let info = cursor.expect(ber::SEQUENCE, "encrypted content")?;
        let mut info = Cursor::new(info.content, DEPTH);
        info.expect(ber::OID, "a content type")?;
        let algorithm = info.expect(ber::SEQUENCE, "an encryption algorithm")?;
        let octets = info.next()?.ok_or_else(|| Error::new(ErrorKind::Missing("the encrypted octets"), 0))?;
        match octets.tag {
            ber::CONTEXT_0 | ber::CONTEXT_0_CONSTRUCTED => Ok((algorithm.content, octets.octets(DEPTH)?)),
            found => Err(Error::new(ErrorKind::Tag { expected: "the encrypted octets", found }, 0)),
        }
    };
    let (algorithm, octets) = read().map_err(KeyStoreError::at(PART))?;
    opener.decrypt(PART, REMEDY_STORE, algorithm, &octets)
}

/// SafeContents (RFC 7292 section 4.2).
fn safe_contents(octets: &[u8], opener: &mut Opener, found: &mut Found, nesting: usize) -> Result<(), KeyStoreError> {
    let damaged = KeyStoreError::at("a PKCS #12 content");
    let sequence = Cursor::new(octets, DEPTH).expect(ber::SEQUENCE, "a list of bags").map_err(&damaged)?;
    let mut bags = Cursor::new(sequence.content, DEPTH);
    while let Some(bag) = bags.next().map_err(&damaged)? {
        let bag = Bag::read(bag.content).map_err(&damaged)?;
        match bag.kind.as_str() {
            KEY_BAG => found.key(bag.item(PrivateKey::from_structure(bag.value.content, None)?))?,
            SHROUDED_KEY_BAG => {
                let plain = opener.encrypted_key(bag.value.content)?;
                let key = Cursor::new(&plain, DEPTH).expect(ber::SEQUENCE, "a private key").map_err(&damaged)?;
                found.key(bag.item(PrivateKey::from_structure(key.content, None)?))?;
            }
            CERTIFICATE_BAG => {
                if let Some(der) = x509(&bag.value).map_err(&damaged)? {
                    found.certificate(bag.item(certificates::certificate(&der)?))?;
                }
            }
            SAFE_CONTENTS_BAG => match nesting.checked_sub(1) {
                Some(nesting) => safe_contents(bag.value.raw, opener, found, nesting)?,
                None => return Err(damaged(Error::new(ErrorKind::Depth { limit: MAX_NESTING }, 0))),
            },
            // Revocation lists, secrets, and what is not known.
            _ => {}
        }
    }
    Ok(())
}

/// A SafeBag with the attributes that are looked at.
struct Bag<'a> {
    kind: String,
    value: Element<'a>,
    alias: Option<String>,
    id: Option<Vec<u8>>,
}

impl<'a> Bag<'a> {
    fn read(content: &'a [u8]) -> Result<Self, Error> {
        let (kind, value) = content_info(content)?;
        let mut bag = Self { kind, value, alias: None, id: None };
        let mut cursor = Cursor::new(content, DEPTH);
        while let Some(element) = cursor.next()? {
            if element.tag == ber::SET {
                bag.attributes(element.content)?;
            }
        }
        Ok(bag)
    }

    fn attributes(&mut self, set: &[u8]) -> Result<(), Error> {
        let mut attributes = Cursor::new(set, DEPTH);
        while let Some(attribute) = attributes.next()? {
            let mut cursor = Cursor::new(attribute.content, DEPTH);
            let kind = read_oid(cursor.expect(ber::OID, "an attribute type")?.content)?;
            let values = cursor.expect(ber::SET, "attribute values")?;
            let Some(value) = Cursor::new(values.content, DEPTH).next()? else { continue };
            let octets = value.content.get(..MAX_ATTRIBUTE.min(value.content.len())).unwrap_or_default();
            match kind.to_string().as_str() {
                FRIENDLY_NAME => self.alias = Some(text(value.tag, octets)).filter(|alias| !alias.is_empty()),
                LOCAL_KEY_ID => self.id = Some(octets.to_vec()),
                _ => {}
            }
        }
        Ok(())
    }

    fn item<T>(&self, value: T) -> Item<T> {
        Item { alias: self.alias.clone(), id: self.id.clone(), value }
    }
}

/// A BMPString, as RFC 2985 section 5.5.1 has it, or what some write in its place.
fn text(tag: u8, octets: &[u8]) -> String {
    if tag != BMP_STRING {
        return String::from_utf8_lossy(octets).into_owned();
    }
    let units: Vec<u16> = octets.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
    String::from_utf16_lossy(&units).trim_end_matches('\0').to_owned()
}

/// The certificate in a CertBag; `None` for other kinds (SDSI).
fn x509(bag: &Element<'_>) -> Result<Option<Vec<u8>>, Error> {
    let (kind, value) = content_info(bag.content)?;
    if kind == X509_CERTIFICATE { value.octets(DEPTH).map(Some) } else { Ok(None) }
}
