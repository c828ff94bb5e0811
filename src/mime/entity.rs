//! A MIME entity: header block and body over the same octets, never written anew.

use bytes::Bytes;

use crate::limits::Limits;
use crate::mime::header::{Fields, HeadReader};
use crate::mime::param::ContentType;
use crate::mime::transfer::TransferEncoding;
use crate::mime::{Error, ErrorKind};

/// One entity as received.
#[derive(Clone, Debug)]
pub(crate) struct Entity {
    raw: Bytes,
    body_at: usize,
    fields: Fields,
}

impl Entity {
    /// Splits header and body. An empty first line means that there is no header field.
    pub(crate) fn parse(raw: Bytes, limits: &Limits) -> Result<Self, Error> {
        let end = HeadReader::new(limits).push(&raw)?;
        let body_at = end.ok_or_else(|| Error::new(ErrorKind::NoBlankLine, raw.len()))?;
        let fields = Fields::parse(raw.slice(..body_at), limits)?;
        Ok(Self { raw, body_at, fields })
    }

    /// The same, with empty lines before the header skipped: OpenAS2 does so, and senders write them; RFC 4130 prints
    /// one in section A.2.
    pub(crate) fn parse_after_blank_lines(raw: &Bytes, limits: &Limits) -> Result<Self, Error> {
        let blank = raw.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
        Self::parse(raw.slice(blank..), limits)
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    pub(crate) fn body(&self) -> Bytes {
        self.raw.slice(self.body_at..)
    }

    /// The body alone: no other reference to the octets stays behind here.
    pub(crate) fn into_body(self) -> Bytes {
        self.raw.slice(self.body_at..)
    }

    /// Whether the header block is printable ASCII.
    pub(crate) fn has_plain_head(&self) -> bool {
        let head = self.raw.get(..self.body_at).unwrap_or_default();
        head.iter().all(|octet| matches!(octet, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
    }

    /// The Content-Type, if there is one.
    pub(crate) fn content_type(&self) -> Option<Result<ContentType, Error>> {
        self.fields.get("content-type").map(|value| ContentType::read(&value))
    }

    /// The transfer encoding. AS2 products read its absence as binary, not as the 7bit of RFC 2045.
    pub(crate) fn transfer_encoding(&self) -> Result<TransferEncoding, Error> {
        match self.fields.get("content-transfer-encoding") {
            Some(value) => TransferEncoding::read(&value),
            None => Ok(TransferEncoding::Binary),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_body_are_slices_of_the_same_octets() {
        let raw = Bytes::from_static(b"Content-Type: text/plain\r\nContent-Transfer-Encoding: BASE64\r\n\r\nbody\r\n");
        let entity = Entity::parse(raw.clone(), &Limits::default()).unwrap();
        assert_eq!(entity.body(), raw.slice(raw.len() - 6..));
        assert_eq!(entity.content_type().unwrap().unwrap().essence(), "text/plain");
        assert_eq!(entity.transfer_encoding().unwrap(), TransferEncoding::Base64);
    }

    #[test]
    fn an_entity_may_have_no_field_but_needs_the_empty_line() {
        let entity = Entity::parse(Bytes::from_static(b"\r\nbody"), &Limits::default()).unwrap();
        assert!(entity.fields().is_empty() && entity.content_type().is_none());
        assert_eq!(entity.into_body().as_ref(), b"body");
        let error = Entity::parse(Bytes::from_static(b"UNB+UNOA:1"), &Limits::default()).unwrap_err();
        assert_eq!(error, Error::new(ErrorKind::NoBlankLine, 10));
    }
}
