//! AS2 names and Message-IDs: strict types for what is written, tolerant ones for what was received.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::note::Note;

/// An AS2 name as this crate writes it in `AS2-From` and `AS2-To` (RFC 4130 section 6.2).
///
/// One to 128 printable ASCII characters, compared case-sensitively. The value is the decoded one;
/// quotes belong to the header only.
///
/// ```
/// use as2_protocol::As2Name;
/// let name: As2Name = "My Co".parse()?;
/// assert_eq!(name.as_str(), "My Co");
/// assert_eq!(name.to_header(), "\"My Co\"");
/// # Ok::<(), as2_protocol::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
pub struct As2Name(String);

impl As2Name {
    /// The decoded name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a header value: quoted only where the atomic form is impossible.
    #[must_use]
    pub fn to_header(&self) -> String {
        if self.0.bytes().all(|octet| octet != b' ' && octet != b'"' && octet != b'\\') {
            return self.0.clone();
        }
        let mut quoted = String::with_capacity(self.0.len() + 2);
        quoted.push('"');
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(character);
        }
        quoted.push('"');
        quoted
    }
}

impl FromStr for As2Name {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(position) = name.bytes().position(|octet| !(b' '..=b'~').contains(&octet)) {
            return Err(NameError::Character { position });
        }
        if name.len() > MAX_NAME {
            return Err(NameError::TooLong { length: name.len(), limit: MAX_NAME });
        }
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for As2Name {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        name.parse()
    }
}

impl From<As2Name> for String {
    fn from(name: As2Name) -> Self {
        name.0
    }
}

impl fmt::Display for As2Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An AS2 name as a peer sent it: the octets, their decoded value, and what was odd about them.
///
/// Two received names are equal when their decoded values are.
#[derive(Clone, Debug)]
pub struct ReceivedName {
    raw: Bytes,
    decoded: String,
    notes: Vec<Note>,
}

impl ReceivedName {
    /// Reads a header value; only an empty one, or one of more than 1 KiB, is no name at all.
    pub(crate) fn read(header: &str, value: &[u8]) -> Option<Self> {
        let raw = value.trim_ascii();
        if raw.is_empty() || raw == b"\"\"" || raw.len() > MAX_RECEIVED {
            return None;
        }
        let text = String::from_utf8_lossy(raw);
        let mut odd = None;
        let decoded = match text.strip_prefix('"') {
            None => {
                // Peers behind Cleo and others send names with spaces but without quotes.
                if text.contains([' ', '"', '\\']) {
                    odd = Some("should have been quoted");
                }
                text.into_owned()
            }
            Some(quoted) => unquote(quoted).unwrap_or_else(|| {
                odd = Some("has no closing quote");
                text.clone().into_owned()
            }),
        };
        if decoded.parse::<As2Name>().is_err() {
            odd = Some("is not 1 to 128 printable ASCII characters");
        }
        let notes = odd.map(|oddity| Note::OddName { header: header.to_owned(), oddity: oddity.to_owned() });
        Some(Self { raw: Bytes::copy_from_slice(raw), decoded, notes: notes.into_iter().collect() })
    }

    /// The octets of the header value, trimmed.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The decoded value, without quotes and escapes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.decoded
    }

    /// What was odd about the name.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// A header value that is safe to write: the received spelling where it is clean ASCII, else the decoded value, cleaned.
    pub(crate) fn echo(&self) -> String {
        match std::str::from_utf8(&self.raw) {
            Ok(raw) if raw.bytes().all(|octet| (b' '..=b'~').contains(&octet)) => raw.to_owned(),
            _ => printable(&self.decoded),
        }
    }
}

impl PartialEq for ReceivedName {
    fn eq(&self, other: &Self) -> bool {
        self.decoded == other.decoded
    }
}

impl Eq for ReceivedName {}

impl PartialEq<As2Name> for ReceivedName {
    fn eq(&self, other: &As2Name) -> bool {
        self.decoded == other.0
    }
}

impl fmt::Display for ReceivedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.decoded)
    }
}

/// A Message-ID as this crate writes it: `<left@right>` (RFC 4130 section 5.3.3, RFC 5322 section 3.6.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
pub struct MessageId(String);

impl MessageId {
    /// The identifier with its angle brackets, as the header carries it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identifier without brackets, by which messages are matched.
    #[must_use]
    pub fn bare(&self) -> &str {
        bare_id(&self.0)
    }

    /// A fresh identifier: seconds since 1970 and 128 random bits at `domain`.
    pub(crate) fn generate(seconds: u64, random: &[u8; 16], domain: &str) -> Result<Self, NameError> {
        format!("<{seconds}-{:032x}@{domain}>", u128::from_be_bytes(*random)).parse()
    }
}

impl FromStr for MessageId {
    type Err = NameError;

    /// Takes an identifier with or without its brackets.
    fn from_str(id: &str) -> Result<Self, NameError> {
        let bare = bare_id(id);
        if bare.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(position) = bare.bytes().position(|o| !(b'!'..=b'~').contains(&o) || matches!(o, b'<' | b'>')) {
            return Err(NameError::Character { position });
        }
        match bare.split_once('@') {
            Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains('@') => {}
            _ => return Err(NameError::NoAtSign),
        }
        let length = bare.len() + 2;
        if length > MAX_MESSAGE_ID {
            return Err(NameError::TooLong { length, limit: MAX_MESSAGE_ID });
        }
        Ok(Self(format!("<{bare}>")))
    }
}

impl TryFrom<String> for MessageId {
    type Error = NameError;

    fn try_from(id: String) -> Result<Self, NameError> {
        id.parse()
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A Message-ID as a peer sent it, brackets or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedId {
    raw: Bytes,
}

impl ReceivedId {
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let raw = value.trim_ascii();
        (!raw.is_empty()).then(|| Self { raw: Bytes::copy_from_slice(raw) })
    }

    /// The octets of the header value, trimmed: what an MDN echoes as Original-Message-ID.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The identifier without surrounding brackets and white space, lossily as text: the key to match and to store by.
    #[must_use]
    pub fn bare(&self) -> String {
        bare_id(&String::from_utf8_lossy(&self.raw)).to_owned()
    }

    /// Whether the identifier can be echoed in a header as it is: printable ASCII of at most 998 octets.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        self.raw.len() <= MAX_MESSAGE_ID && self.raw.iter().all(|octet| (b'!'..=b'~').contains(octet))
    }

    /// The received text, fit for a header line, or `None` where it is not.
    pub(crate) fn echo(&self) -> Option<String> {
        let text = std::str::from_utf8(&self.raw).ok()?;
        let printable = text.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        (printable && text.len() <= MAX_MESSAGE_ID).then(|| text.to_owned())
    }
}

impl PartialEq<MessageId> for ReceivedId {
    fn eq(&self, other: &MessageId) -> bool {
        self.bare() == other.bare()
    }
}

impl fmt::Display for ReceivedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&String::from_utf8_lossy(&self.raw)))
    }
}

/// Why a value cannot be written as a name, identifier or URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The value is empty.
    #[error("the value is empty")]
    Empty,
    /// A character is not allowed.
    #[error("the character at position {position} is not allowed")]
    Character {
        /// Position of the offending octet, from 0.
        position: usize,
    },
    /// The value is too long.
    #[error("the value has {length} characters, {limit} are allowed")]
    TooLong {
        /// Length found.
        length: usize,
        /// Length allowed.
        limit: usize,
    },
    /// A Message-ID needs the form `left@right`.
    #[error("a Message-ID has the form left@right")]
    NoAtSign,
    /// The URL is not an absolute http or https URL, or it carries user information.
    #[error("not an absolute http or https URL without user information")]
    Url,
}

impl NameError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "NAME_EMPTY",
            Self::Character { .. } => "NAME_CHARACTER",
            Self::TooLong { .. } => "NAME_TOO_LONG",
            Self::NoAtSign => "MESSAGE_ID_SYNTAX",
            Self::Url => "URL_SYNTAX",
        }
    }
}

/// RFC 4130 section 6.2.
const MAX_NAME: usize = 128;
/// 128 quoted pairs and their quotes take 258 octets; more than 1 KiB is no name.
const MAX_RECEIVED: usize = 1024;
/// RFC 4130 section 5.3.3.
const MAX_MESSAGE_ID: usize = 998;

/// Decodes what follows the opening quote; `None` without a closing quote at the end.
fn unquote(quoted: &str) -> Option<String> {
    let mut decoded = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return characters.as_str().trim().is_empty().then_some(decoded),
            '\\' => match characters.next() {
                Some(escaped @ ('"' | '\\')) => decoded.push(escaped),
                // Only quote and backslash can be escaped; a lone backslash stays what it is.
                Some(other) => decoded.extend(['\\', other]),
                None => return None,
            },
            other => decoded.push(other),
        }
    }
    None
}

/// Brackets are not part of the identifier (RFC 4130 section 5.3.3); some peers double them.
pub(crate) fn bare_id(id: &str) -> &str {
    id.trim().trim_start_matches('<').trim_end_matches('>').trim()
}

/// Printable ASCII only: everything else becomes `?`, so that no peer value can break out of a line.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n02_n10_names_are_1_to_128_printable_characters() {
        for bad in ["", "a\x7f", "é", "a\tb", "a\r\nb"] {
            assert!(bad.parse::<As2Name>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(128).parse::<As2Name>().is_ok());
        assert_eq!("x".repeat(129).parse::<As2Name>(), Err(NameError::TooLong { length: 129, limit: 128 }));
        let quotes: As2Name = "\"".repeat(128).parse().unwrap();
        assert_eq!(quotes.to_header().len(), 258);
    }

    #[test]
    fn n03_quotes_only_where_needed() {
        let cases =
            [("ABC", "ABC"), ("My Co", "\"My Co\""), ("a\"b", "\"a\\\"b\""), ("a\\b", "\"a\\\\b\""), ("'x'", "'x'")];
        for (name, header) in cases {
            assert_eq!(name.parse::<As2Name>().unwrap().to_header(), header);
        }
    }

    #[test]
    fn n04_n05_received_names_decode() {
        let cases: [(&[u8], &str); 9] = [
            (b"\"AS2 Test\"", "AS2 Test"),
            (b"\"\\\"  as2Name  \\\"\"", "\"  as2Name  \""),
            (b"0123456780000", "0123456780000"),
            (b"\"\\\"Q\\\"\"", "\"Q\""),
            (b"\" \"", " "),
            (b"'x'", "'x'"),
            (b"My Co ", "My Co"),
            (b"\"a\\x\"", "a\\x"),
            (b"\"open", "\"open"),
        ];
        for (raw, decoded) in cases {
            assert_eq!(ReceivedName::read("AS2-From", raw).unwrap().as_str(), decoded);
        }
        assert!(ReceivedName::read("AS2-From", b"\"\"").is_none());
        assert!(ReceivedName::read("AS2-From", b"  ").is_none());
        assert_ne!(ReceivedName::read("AS2-From", b"abc").unwrap(), "ABC".parse::<As2Name>().unwrap());
        assert_eq!(ReceivedName::read("AS2-From", b"\"ABC\"").unwrap(), "ABC".parse::<As2Name>().unwrap());
        assert!(!ReceivedName::read("AS2-From", b"\"open").unwrap().notes().is_empty());
    }

    #[test]
    fn d22_echo_never_carries_controls() {
        let name = ReceivedName::read("AS2-From", b"a\r\nX: y\xff").unwrap();
        assert_eq!(name.echo(), "a??X: y?");
    }

    #[test]
    fn i01_i04_message_ids_that_are_written() {
        assert_eq!("a@b".parse::<MessageId>().unwrap().as_str(), "<a@b>");
        assert_eq!("<a@b>".parse::<MessageId>().unwrap().bare(), "a@b");
        for bad in ["<a b@c>", "a\rb@c", "a\0@c", "ab", "@c", "a@", "", "<>"] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad:?}");
        }
        assert!(format!("{}@b", "x".repeat(994)).parse::<MessageId>().is_ok());
        assert!(format!("{}@b", "x".repeat(995)).parse::<MessageId>().is_err());
        let generated = MessageId::generate(1_700_000_000, &[7; 16], "acme.example").unwrap();
        assert!(generated.as_str().len() <= 100, "{generated}");
    }

    #[test]
    fn i05_i07_received_ids_match_without_brackets() {
        let sent: MessageId = "<a@b>".parse().unwrap();
        for raw in [&b"a@b"[..], b"<a@b>", b" <<a@b>> "] {
            assert_eq!(ReceivedId::read(raw).unwrap(), sent);
        }
        assert_eq!(ReceivedId::read(b"<<a@b>>").unwrap().echo().unwrap(), "<<a@b>>");
        assert!(ReceivedId::read(b"<a\nb@c>").unwrap().echo().is_none());
    }
}
