//! PEM texts (RFC 7468) as they are found: with a byte order mark, in UTF-16, CRLF or not, text around the sections,
//! RFC 1421 headers inside, everything in one line.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memmem;
use zeroize::Zeroizing;

use super::KeyStoreError;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// Padding is left out by some tools.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// One section of a PEM text.
pub(super) struct Section {
    pub(super) label: String,
    /// `Proc-Type` and `DEK-Info` of RFC 1421.
    pub(super) headers: Vec<(String, String)>,
    pub(super) content: Zeroizing<Vec<u8>>,
    /// The `friendlyName` that `openssl pkcs12` writes before a section.
    pub(super) alias: Option<String>,
}

impl Section {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Whether the octets are a PEM text.
pub(super) fn is_pem(text: &[u8]) -> bool {
    memmem::find(text, BEGIN).is_some()
}

/// All sections.
pub(super) fn sections(text: &[u8]) -> Result<Vec<Section>, KeyStoreError> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(at) = memmem::find(rest, BEGIN) {
        if found.len() >= super::MAX_ENTRIES {
            return Err(KeyStoreError::TooMany { limit: super::MAX_ENTRIES });
        }
        let (before, section) = rest.split_at(at);
        let (label, body) = label(section.get(BEGIN.len()..).unwrap_or_default())?;
        let damaged = |problem| KeyStoreError::Pem { label: label.clone(), problem };
        let end = memmem::find(body, DASHES).ok_or_else(|| damaged("has no END line"))?;
        let (body, after) = body.split_at(end);
        let after = after.strip_prefix(END).ok_or_else(|| damaged("has no END line"))?;
        let (headers, body) = headers(body);
        let content = decode(body).ok_or_else(|| damaged("is no base64"))?;
        found.push(Section { headers, content, alias: friendly_name(before), label });
        rest = after;
    }
    Ok(found)
}

/// The octets of a base64 text, white space left out.
pub(super) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digits: Zeroizing<Vec<u8>> =
        Zeroizing::new(text.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect());
    BASE64.decode(&*digits).ok().map(Zeroizing::new)
}

/// A text without byte order mark, in UTF-8 if it was in UTF-16.
pub(super) fn plain_text(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let units = |from: fn([u8; 2]) -> u16, octets: &[u8]| {
        let units: Zeroizing<Vec<u16>> =
            Zeroizing::new(octets.as_chunks::<2>().0.iter().map(|unit| from(*unit)).collect());
        Zeroizing::new(String::from_utf16_lossy(&units).into_bytes())
    };
    match text {
        [0xff, 0xfe, rest @ ..] => units(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => units(u16::from_be_bytes, rest),
        [0xef, 0xbb, 0xbf, rest @ ..] => Zeroizing::new(rest.to_vec()),
        _ => Zeroizing::new(text.to_vec()),
    }
}

/// The label up to its dashes, and what follows.
fn label(text: &[u8]) -> Result<(String, &[u8]), KeyStoreError> {
    const LONGEST: usize = 64;
    let head = text.get(..LONGEST.min(text.len())).unwrap_or_default();
    let end = memmem::find(head, DASHES).filter(|end| head.iter().take(*end).all(|octet| !octet.is_ascii_control()));
    let split = end.and_then(|end| Some((head.get(..end)?, text.get(end + DASHES.len()..)?)));
    match split {
        Some((label, rest)) => Ok((String::from_utf8_lossy(label).into_owned(), rest)),
        None => Err(KeyStoreError::Pem { label: "without a name".to_owned(), problem: "has a broken BEGIN line" }),
    }
}

/// The headers of RFC 1421 section 4.4, which a blank line ends, and the body.
fn headers(body: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    if memchr::memchr(b':', body).is_none() {
        return (Vec::new(), body);
    }
    let (mut headers, mut rest): (Vec<(String, String)>, _) = (Vec::new(), body);
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, after) = rest.split_at(end + 1);
        let line = line.trim_ascii();
        match line.iter().position(|octet| *octet == b':').and_then(|at| line.split_at_checked(at)) {
            Some((name, value)) => {
                let text = |octets: &[u8]| String::from_utf8_lossy(octets.trim_ascii()).into_owned();
                headers.push((text(name), text(value.get(1..).unwrap_or_default())));
            }
            None if line.is_empty() && headers.is_empty() => {}
            None if line.is_empty() => return (headers, after),
            None => break,
        }
        rest = after;
    }
    (headers, rest)
}

fn friendly_name(before: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"friendlyName:";
    let at = memmem::rfind(before, NAME)?;
    let line = before.get(at + NAME.len()..)?.split(|octet| *octet == b'\n').next()?;
    let name = String::from_utf8_lossy(line.trim_ascii()).into_owned();
    (!name.is_empty()).then_some(name)
}
