//! Header blocks: fields with their folds, kept as received (RFC 5322 section 2.2, RFC 9112 section 5).

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use memchr::memchr;

use crate::limits::Limits;
use crate::mime::{Error, ErrorKind};

/// Finds the empty line that ends a header block; a push machine that keeps no more than the block.
#[derive(Debug)]
pub(crate) struct HeadReader {
    seen: usize,
    limit: u64,
    line_is_empty: bool,
    after_cr: bool,
}

impl HeadReader {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { seen: 0, limit: limits.header_bytes, line_is_empty: true, after_cr: false }
    }

    /// `Some(n)`: the block ended after `n` octets of this chunk, its empty line included.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<Option<usize>, Error> {
        for (position, octet) in chunk.iter().enumerate() {
            self.seen += 1;
            match octet {
                b'\n' if self.line_is_empty => return Ok(Some(position + 1)),
                b'\n' => (self.line_is_empty, self.after_cr) = (true, false),
                b'\r' if self.line_is_empty && !self.after_cr => self.after_cr = true,
                _ => (self.line_is_empty, self.after_cr) = (false, false),
            }
            if u64::try_from(self.seen).unwrap_or(u64::MAX) > self.limit {
                return Err(Error::new(ErrorKind::HeaderTooLong { limit: self.limit }, self.seen));
            }
        }
        Ok(None)
    }
}

/// The fields of one header block, over its raw octets.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    raw: Bytes,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

impl Fields {
    /// Reads a block with or without its final empty line; line ends may be CRLF or LF.
    pub(crate) fn parse(raw: Bytes, limits: &Limits) -> Result<Self, Error> {
        let length = u64::try_from(raw.len()).unwrap_or(u64::MAX);
        if length > limits.header_bytes {
            return Err(Error::new(ErrorKind::HeaderTooLong { limit: limits.header_bytes }, raw.len()));
        }
        let mut fields: Vec<Field> = Vec::new();
        let mut at = 0;
        let too_many = |at| Error::new(ErrorKind::TooManyFields { limit: limits.header_fields }, at);
        while let Some(line) = raw.get(at..).filter(|rest| !rest.is_empty()) {
            let length = memchr(b'\n', line).map_or(line.len(), |end| end + 1);
            let line = line.get(..length).unwrap_or(line);
            if line.trim_ascii().is_empty() && !line.starts_with(b" ") && !line.starts_with(b"\t") {
                break;
            }
            let count = fields.len();
            match (line.first(), fields.last_mut()) {
                (Some(b' ' | b'\t'), Some(folded)) => folded.value.end = at + length,
                _ if count >= limits.header_fields => return Err(too_many(at)),
                _ => fields.push(field(line, at)?),
            }
            at += length;
        }
        Ok(Self { raw, fields })
    }

    /// The first field of this name, unfolded and trimmed.
    pub(crate) fn get(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// All fields, names as written, values unfolded and trimmed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Cow<'_, [u8]>)> {
        self.fields
            .iter()
            .filter_map(|field| Some((self.raw.get(field.name.clone())?, unfold(self.raw.get(field.value.clone())?))))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

fn field(line: &[u8], at: usize) -> Result<Field, Error> {
    let colon = memchr(b':', line).ok_or_else(|| Error::new(ErrorKind::FieldSyntax, at))?;
    // White space before the colon is against RFC 9112, and harmless here.
    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
    let valid = !name.is_empty() && name.iter().all(|octet| octet.is_ascii_graphic() && *octet != b':');
    if !valid {
        return Err(Error::new(ErrorKind::FieldSyntax, at));
    }
    Ok(Field { name: at..at + name.len(), value: at + colon + 1..at + line.len() })
}

/// RFC 5322 section 2.2.3: a line end before white space is removed. The run of white space becomes one space,
/// since the values that AS2 uses are compared and not shown.
fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut unfolded = Vec::with_capacity(value.len());
    for line in value.split(|octet| *octet == b'\n') {
        let line = line.trim_ascii();
        if !unfolded.is_empty() && !line.is_empty() {
            unfolded.push(b' ');
        }
        unfolded.extend_from_slice(line);
    }
    Cow::Owned(unfolded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<Fields, Error> {
        Fields::parse(Bytes::from_static(text.as_bytes()), &Limits::default())
    }

    #[test]
    fn h12_h13_names_fold_case_and_values_unfold() {
        let fields = parse("As2-FROM: a\r\nX: 1;\r\n\tb=2;\r\n  c=3 \r\nx: again\r\n\r\n").unwrap();
        assert_eq!(fields.get("as2-from").unwrap().as_ref(), b"a");
        assert_eq!(fields.get("X").unwrap().as_ref(), b"1; b=2; c=3");
        assert_eq!(fields.iter().count(), 3);
        assert_eq!(parse("a: b\nc : d\n").unwrap().get("C").unwrap().as_ref(), b"d");
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn malformed_lines_are_told_with_their_octet() {
        assert_eq!(parse("a: b\r\nno colon\r\n").unwrap_err(), Error::new(ErrorKind::FieldSyntax, 6));
        assert_eq!(parse(" starts folded\r\n").unwrap_err(), Error::new(ErrorKind::FieldSyntax, 0));
        assert_eq!(parse(": x\r\n").unwrap_err().kind(), &ErrorKind::FieldSyntax);
        assert_eq!(parse("a b: x\r\n").unwrap_err().kind(), &ErrorKind::FieldSyntax);
    }

    #[test]
    fn u14_blocks_and_fields_are_bounded() {
        let mut limits = Limits { header_fields: 2, ..Limits::default() };
        let block = Bytes::from_static(b"a: 1\r\nb: 2\r\nc: 3\r\n");
        assert_eq!(
            Fields::parse(block.clone(), &limits).unwrap_err(),
            Error::new(ErrorKind::TooManyFields { limit: 2 }, 12)
        );
        limits.header_bytes = 10;
        assert!(matches!(Fields::parse(block, &limits).unwrap_err().kind(), ErrorKind::HeaderTooLong { limit: 10 }));
        assert!(HeadReader::new(&limits).push(b"0123456789a").is_err());
    }

    #[test]
    fn the_empty_line_is_found_in_any_chunks() {
        for text in ["a: b\r\n\r\nbody", "a: b\n\nbody", "\r\nbody", "a: b\r\nc: d\r\n\r\nbody\r\n\r\n"] {
            let end = text.find("body").unwrap();
            assert_eq!(HeadReader::new(&Limits::default()).push(text.as_bytes()).unwrap(), Some(end), "{text:?}");
            let mut reader = HeadReader::new(&Limits::default());
            let at = text.bytes().position(|octet| reader.push(&[octet]).unwrap().is_some());
            assert_eq!(at, Some(end - 1), "{text:?}");
        }
        assert_eq!(HeadReader::new(&Limits::default()).push(b"a: b\r\n\r").unwrap(), None);
    }
}
