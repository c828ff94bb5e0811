//! Content-Type and the parameters of header values (RFC 2045 section 5.1, RFC 2231).

pub(crate) mod extended;

use std::fmt;
use std::str::FromStr;

use crate::mime::param::extended::join_extended;
use crate::mime::{Error, ErrorKind};

/// A media type with its parameters.
///
/// ```
/// use as2_protocol::ContentType;
/// let xml = ContentType::new("application/xml")?.with_param("charset", "utf-8")?;
/// assert_eq!(xml.to_string(), "application/xml; charset=utf-8");
/// assert_eq!(xml.essence(), "application/xml");
/// # Ok::<(), as2_protocol::MimeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    written: String,
    essence: String,
    params: Vec<(String, String)>,
    repeated: Vec<String>,
}

impl ContentType {
    /// A media type without parameters, such as `application/EDI-consent`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidMediaType`] if it is not of the form `type/subtype`.
    pub fn new(essence: &str) -> Result<Self, Error> {
        let valid = essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
        if !valid {
            return Err(Error::new(ErrorKind::InvalidMediaType, 0));
        }
        Ok(Self::known(essence))
    }

    pub(crate) fn edi_x12() -> Self {
        Self::known("application/EDI-X12")
    }

    pub(crate) fn edifact() -> Self {
        Self::known("application/EDIFACT")
    }

    pub(crate) fn xml() -> Self {
        Self::known("application/xml")
    }

    pub(crate) fn text() -> Self {
        let mut text = Self::known("text/plain");
        text.params.push(("charset".to_owned(), "utf-8".to_owned()));
        text
    }

    /// Certificates alone (RFC 8551 section 3.8).
    #[cfg(feature = "cem")]
    pub(crate) fn certs_only() -> Self {
        let mut certificates = Self::known("application/pkcs7-mime");
        certificates.params.push(("smime-type".to_owned(), "certs-only".to_owned()));
        certificates.params.push(("name".to_owned(), "smime.p7c".to_owned()));
        certificates
    }

    /// A type that is known to be one.
    pub(crate) fn known(essence: &str) -> Self {
        Self {
            written: essence.to_owned(),
            essence: essence.to_ascii_lowercase(),
            params: Vec::new(),
            repeated: Vec::new(),
        }
    }

    /// Adds a parameter; it is quoted where it must be.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] if the name is no token or the value is not printable ASCII.
    pub fn with_param(mut self, name: &str, value: &str) -> Result<Self, Error> {
        if !is_token(name) || !value.bytes().all(|octet| (b' '..=b'~').contains(&octet)) {
            return Err(Error::new(ErrorKind::InvalidParameter, 0));
        }
        self.params.push((name.to_ascii_lowercase(), value.to_owned()));
        Ok(self)
    }

    /// Type and subtype in lower case.
    #[must_use]
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// The value of a parameter; names are compared without regard to case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        find(&self.params, name)
    }

    /// Whether a parameter was there more than once: two readers may then see two values.
    pub(crate) fn repeats(&self, name: &str) -> bool {
        self.repeated.iter().any(|repeated| repeated == name)
    }

    /// Whether it is the type of a receipt, or of its report standing alone.
    pub(crate) fn is_report(&self) -> bool {
        matches!(self.essence(), "multipart/report" | "message/disposition-notification")
    }

    /// Reads a header value as peers write it.
    pub(crate) fn read(value: &[u8]) -> Result<Self, Error> {
        let text = String::from_utf8_lossy(value);
        let text = text.trim();
        // as2-lib 4.4.2 to 4.4.4 put whole header values in quotes.
        let unquoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|rest| rest.contains('/'));
        let text = unquoted.map_or_else(|| text.to_owned(), |inner| inner.replace("\\\"", "\""));
        let Parsed { value: written, params, repeated } = parse(&text);
        let valid = written.split_once('/').is_some_and(|(kind, subtype)| !kind.is_empty() && !subtype.is_empty());
        if !valid || !written.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(Error::new(ErrorKind::InvalidMediaType, 0));
        }
        Ok(Self { essence: written.to_ascii_lowercase(), written, params, repeated })
    }
}

impl FromStr for ContentType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Parsed { value: essence, params, repeated } = parse(text);
        if !repeated.is_empty() {
            return Err(Error::new(ErrorKind::InvalidParameter, 0));
        }
        params.iter().try_fold(Self::new(&essence)?, |content_type, (name, value)| content_type.with_param(name, value))
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)?;
        self.params.iter().try_for_each(|(name, value)| write!(f, "; {name}={}", quote(value)))
    }
}

pub(super) fn find<'a>(params: &'a [(String, String)], name: &str) -> Option<&'a str> {
    params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Token of RFC 2045: no control characters, spaces or tspecials.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&octet))
}

fn quote(value: &str) -> String {
    if is_token(value) { value.to_owned() } else { format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// A header value taken apart.
pub(super) struct Parsed {
    value: String,
    pub(super) params: Vec<(String, String)>,
    /// Names of parameters that are there more than once.
    repeated: Vec<String>,
}

/// Parameters that are read; the longest real header has seven.
const MAX_PARAMS: usize = 64;

/// Value and parameters, in any spacing. Of repeated parameters the first counts; RFC 2231 forms are put together.
pub(super) fn parse(text: &str) -> Parsed {
    let mut pieces = split(text).into_iter();
    let value = pieces.next().unwrap_or_default().trim().to_owned();
    let (mut raw, mut repeated): (Vec<(String, String)>, Vec<String>) = (Vec::new(), Vec::new());
    for piece in pieces.take(MAX_PARAMS) {
        let Some((name, value)) = piece.split_once('=') else { continue };
        let name = name.trim().to_ascii_lowercase();
        if raw.iter().any(|(known, _)| *known == name) {
            repeated.push(name);
        } else if !name.is_empty() {
            raw.push((name, unquote(value.trim())));
        }
    }
    Parsed { value, params: join_extended(raw), repeated }
}

/// Splits at semicolons outside of quotes, and drops comments.
fn split(text: &str) -> Vec<String> {
    let (mut pieces, mut quoted, mut comment) = (vec![String::new()], false, 0u32);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let Some(piece) = pieces.last_mut() else { break };
        match character {
            '\\' if quoted || comment > 0 => {
                let escaped = characters.next();
                if comment == 0 {
                    piece.push('\\');
                    piece.extend(escaped);
                }
            }
            '"' if comment == 0 => {
                quoted = !quoted;
                piece.push(character);
            }
            '(' if !quoted => comment += 1,
            ')' if !quoted && comment > 0 => comment -= 1,
            ';' if !quoted && comment == 0 => pieces.push(String::new()),
            _ if comment == 0 => piece.push(character),
            _ => {}
        }
    }
    pieces
}

/// A quoted string without its quotes; a missing closing quote is forgiven, anything after one is dropped.
fn unquote(value: &str) -> String {
    let Some(rest) = value.strip_prefix('"') else {
        // Unquoted values may hold `/` although it is a tspecial: `protocol=application/pkcs7-signature` is common.
        return value.split_ascii_whitespace().next().unwrap_or_default().to_owned();
    };
    let (mut plain, mut characters) = (String::with_capacity(rest.len()), rest.chars());
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            // Windows paths in file names are often not escaped: only quotes and backslashes are.
            '\\' => match characters.next() {
                Some(escaped @ ('"' | '\\')) => plain.push(escaped),
                Some(other) => plain.extend(['\\', other]),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ContentType {
        ContentType::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn m15_parameters_in_every_spelling() {
        let forms = [
            "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha1; boundary=\"a b\"",
            "Multipart/Signed;boundary=\"a b\";protocol=application/pkcs7-signature;MICALG=sha1",
            "multipart/signed ; micalg = sha1 ;\tboundary = \"a b\" ; protocol=\"application/pkcs7-signature\";",
            "\"multipart/signed; protocol=\\\"application/pkcs7-signature\\\"; micalg=sha1; boundary=\\\"a b\\\"\"",
            "multipart/signed (a comment; x=y); boundary*0=\"a\"; boundary*1=\" b\"; micalg=sha1; protocol=application/pkcs7-signature",
        ];
        for form in forms {
            let content_type = read(form);
            assert_eq!(content_type.essence(), "multipart/signed", "{form}");
            assert_eq!(content_type.param("Boundary"), Some("a b"), "{form}");
            assert_eq!(content_type.param("protocol"), Some("application/pkcs7-signature"), "{form}");
            assert_eq!(content_type.param("micalg"), Some("sha1"), "{form}");
        }
        let repeated = read("a/b; boundary=a;Boundary=b; x=1");
        assert_eq!(repeated.param("boundary"), Some("a"));
        assert!(repeated.repeats("boundary") && !repeated.repeats("x"));
        assert!("a/b; x=1; x=2".parse::<ContentType>().is_err(), "not to be written");
        assert_eq!(read(&format!("a/b{}; z=1", "; x=1".repeat(64))).param("z"), None, "parameters are counted");
        assert_eq!(read("a/b; x=\"open").param("x"), Some("open"));
        for bad in ["", "text", "/x", "text/", "te xt/plain", "\u{7}/x"] {
            assert!(ContentType::read(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn m16_written_types_are_checked_and_come_back() {
        let written = ContentType::new("application/EDI-X12").unwrap().with_param("x", "a;\"b\\").unwrap();
        assert_eq!(written.to_string(), "application/EDI-X12; x=\"a;\\\"b\\\\\"");
        assert_eq!(read(&written.to_string()), written);
        assert_eq!(written.to_string().parse::<ContentType>().unwrap(), written);
        assert!(ContentType::new("text").is_err() && ContentType::new("a/b c").is_err());
        assert!(ContentType::new("a/b").unwrap().with_param("x", "a\r\n").is_err());
    }
}
