//! MIME entities (RFC 2045, RFC 2046, RFC 2231): raw octets in, raw octets kept. No keys, no clock, no policy.
//!
//! What was signed is what is hashed: nothing that was received is ever written anew.

pub(crate) mod canonical;
pub(crate) mod entity;
pub(crate) mod filename;
pub(crate) mod header;
pub(crate) mod multipart;
pub(crate) mod param;
pub(crate) mod related;
pub(crate) mod transfer;
pub(crate) mod write;

/// A MIME structure that cannot be read or written, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}, at octet {offset}")]
pub struct Error {
    kind: ErrorKind,
    offset: u64,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, offset: usize) -> Self {
        Self { kind, offset: u64::try_from(offset).unwrap_or(u64::MAX) }
    }

    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self.kind {
            ErrorKind::HeaderTooLong { .. } => "MIME_HEADER_TOO_LONG",
            ErrorKind::TooManyFields { .. } => "MIME_TOO_MANY_FIELDS",
            ErrorKind::FieldSyntax => "MIME_FIELD_SYNTAX",
            ErrorKind::NoBlankLine => "MIME_NO_BLANK_LINE",
            ErrorKind::Boundary => "MIME_BOUNDARY",
            ErrorKind::NoDelimiter => "MIME_NO_DELIMITER",
            ErrorKind::TooManyParts { .. } => "MIME_TOO_MANY_PARTS",
            ErrorKind::Nesting => "MIME_NESTING",
            ErrorKind::InvalidMediaType => "MIME_MEDIA_TYPE",
            ErrorKind::InvalidParameter => "MIME_PARAMETER",
            ErrorKind::UnknownEncoding(_) => "MIME_TRANSFER_ENCODING",
            ErrorKind::Base64 => "MIME_BASE64",
            ErrorKind::QuotedPrintable => "MIME_QUOTED_PRINTABLE",
            ErrorKind::FieldValue(_) => "MIME_FIELD_VALUE",
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The octet at which it was found, from 0, counted in the part that was read.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The same error seen from a structure in which the part starts at `by`.
    pub(crate) fn shifted(mut self, by: u64) -> Self {
        self.offset = self.offset.saturating_add(by);
        self
    }
}

/// What is wrong with a MIME structure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A header block is longer than the limit.
    #[error("the header is longer than {limit} octets")]
    HeaderTooLong {
        /// The limit.
        limit: u64,
    },
    /// A header block has more fields than the limit.
    #[error("the header has more than {limit} fields")]
    TooManyFields {
        /// The limit.
        limit: usize,
    },
    /// A header line has no colon, or its name is no field name.
    #[error("a header line is not of the form `name: value`")]
    FieldSyntax,
    /// There is no empty line after the header.
    #[error("no empty line ends the header")]
    NoBlankLine,
    /// A multipart entity has no usable boundary parameter.
    #[error("the boundary is missing, empty or longer than 200 octets")]
    Boundary,
    /// The boundary does not occur.
    #[error("the boundary does not occur in the body")]
    NoDelimiter,
    /// A multipart entity has more parts than the limit.
    #[error("more than {limit} parts")]
    TooManyParts {
        /// The limit.
        limit: usize,
    },
    /// Multiparts are nested deeper than the limit.
    #[error("multiparts are nested deeper than the limit")]
    Nesting,
    /// A media type is not of the form `type/subtype`.
    #[error("not a media type")]
    InvalidMediaType,
    /// A parameter cannot be read or written.
    #[error("not a valid parameter")]
    InvalidParameter,
    /// A transfer encoding is not known.
    #[error("the transfer encoding {0} is not known")]
    UnknownEncoding(String),
    /// An octet is not of the base64 alphabet, or stands behind the padding.
    #[error("not base64")]
    Base64,
    /// A quoted-printable escape is malformed.
    #[error("not quoted-printable")]
    QuotedPrintable,
    /// A header value holds octets that cannot stand in a header line.
    #[error("the value of {0} cannot stand in a header line")]
    FieldValue(String),
}
