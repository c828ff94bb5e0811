//! Writing entities canonically: one line per field, CRLF everywhere.

use std::fmt::Write as _;

use crate::mime::{Error, ErrorKind};

/// Writes a header block.
#[derive(Debug, Default)]
pub(crate) struct HeadWriter {
    block: Vec<u8>,
    invalid: Option<String>,
}

impl HeadWriter {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a field. Folds are never written: several products cannot read them.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        if value.bytes().any(|octet| !(b' '..=b'~').contains(&octet)) {
            self.invalid.get_or_insert_with(|| name.to_owned());
        }
        self.block.extend_from_slice(name.as_bytes());
        self.block.extend_from_slice(b": ");
        self.block.extend_from_slice(value.as_bytes());
        self.block.extend_from_slice(b"\r\n");
        self
    }

    /// The block with its empty line; an error if a value is not printable ASCII.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, Error> {
        if let Some(name) = self.invalid {
            return Err(Error::new(ErrorKind::FieldValue(name), 0));
        }
        self.block.extend_from_slice(b"\r\n");
        Ok(self.block)
    }
}

/// Writes a multipart body around whole parts.
pub(crate) fn write_multipart(out: &mut Vec<u8>, boundary: &str, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
}

/// A boundary that cannot occur by accident: content is never scanned for it (RFC 2046 section 5.1.1).
/// `=` and `_` keep it apart from base64 and quoted-printable text.
pub(crate) fn boundary_token(random: &[u8; 16]) -> String {
    format!("----=_as2_{:032x}", u128::from_be_bytes(*random))
}

/// A header text: ASCII as it is, anything else in encoded words (RFC 2047 section 2), control characters dropped.
pub(crate) fn encode_word(text: &str) -> String {
    let text: String = text.chars().filter(|character| !character.is_control()).collect();
    if text.is_ascii() && !text.contains("=?") {
        return text;
    }
    let mut encoded = String::with_capacity(text.len() * 3);
    let mut word = String::new();
    for character in text.chars() {
        let mut utf8 = [0; 4];
        let mut escape = String::new();
        for octet in character.encode_utf8(&mut utf8).bytes() {
            if octet.is_ascii_alphanumeric() {
                escape.push(char::from(octet));
            } else {
                let _ = write!(escape, "={octet:02X}");
            }
        }
        // An encoded word has at most 75 octets, and never splits a character.
        if word.len() + escape.len() > 63 {
            let _ = write!(encoded, "=?utf-8?Q?{word}?= ");
            word.clear();
        }
        word.push_str(&escape);
    }
    let _ = write!(encoded, "=?utf-8?Q?{word}?=");
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u10_values_cannot_break_out_of_their_line() {
        assert_eq!(HeadWriter::new().field("A", "b; c").finish().unwrap(), b"A: b; c\r\n\r\n");
        for bad in ["a\r\nB: c", "a\nb", "a\0", "é"] {
            let error = HeadWriter::new().field("A", bad).finish().unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::FieldValue("A".to_owned()));
        }
    }

    #[test]
    fn m12_boundaries_are_grammatical_and_differ() {
        let boundary = boundary_token(&[0xab; 16]);
        assert!(boundary.len() <= 70);
        assert!(boundary.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&octet)));
        assert_ne!(boundary, boundary_token(&[0xac; 16]));
    }

    #[test]
    fn h16_subjects_are_ascii_on_one_line() {
        assert_eq!(encode_word("Order 4711"), "Order 4711");
        assert_eq!(encode_word("Größe"), "=?utf-8?Q?Gr=C3=B6=C3=9Fe?=");
        assert_eq!(encode_word("a\r\nBcc: x"), "aBcc: x");
        let long = encode_word(&"ü".repeat(100));
        assert!(long.split(' ').all(|word| word.len() <= 75));
    }
}
