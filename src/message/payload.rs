//! What is sent and what arrives: a document with its media type and file name.

use std::fmt;

use bytes::Bytes;

use crate::mime::param::ContentType;

/// A document to be sent.
///
/// ```
/// use as2_protocol::Payload;
/// let order = Payload::x12("ISA*00*...").with_filename("po4711.x12");
/// assert_eq!(order.content_type().essence(), "application/edi-x12");
/// ```
#[derive(Clone)]
pub struct Payload {
    content_type: ContentType,
    filename: Option<String>,
    body: Bytes,
}

impl Payload {
    /// A document of any media type. Its octets are sent as they are; nothing is translated.
    #[must_use]
    pub fn new(content_type: ContentType, body: impl Into<Bytes>) -> Self {
        Self { content_type, filename: None, body: body.into() }
    }

    /// An ANSI X12 interchange: `application/EDI-X12` (RFC 1767).
    #[must_use]
    pub fn x12(body: impl Into<Bytes>) -> Self {
        Self::new(ContentType::edi_x12(), body)
    }

    /// An EDIFACT interchange: `application/EDIFACT` (RFC 1767).
    #[must_use]
    pub fn edifact(body: impl Into<Bytes>) -> Self {
        Self::new(ContentType::edifact(), body)
    }

    /// An XML document: `application/xml` (RFC 7303).
    #[must_use]
    pub fn xml(body: impl Into<Bytes>) -> Self {
        Self::new(ContentType::xml(), body)
    }

    /// Sends a file name along, in `Content-Disposition` of the payload part.
    #[must_use]
    pub fn with_filename(mut self, filename: impl Into<String>) -> Self {
        self.filename = Some(filename.into());
        self
    }

    /// The media type.
    #[must_use]
    pub fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// The file name, if one goes along.
    #[must_use]
    pub fn filename(&self) -> Option<&str> {
        self.filename.as_deref()
    }

    /// The octets.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub(crate) fn into_body(self) -> Bytes {
        self.body
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("content_type", &self.content_type)
            .field("filename", &self.filename)
            .field("octets", &self.body.len())
            .finish()
    }
}

/// A document that was received, without its transfer encoding.
#[derive(Clone)]
pub struct ReceivedPayload {
    pub(crate) content_type: Option<ContentType>,
    pub(crate) filename: Option<String>,
    pub(crate) body: Bytes,
}

impl ReceivedPayload {
    /// The media type, if the sender named one.
    #[must_use]
    pub fn content_type(&self) -> Option<&ContentType> {
        self.content_type.as_ref()
    }

    /// The file name as the sender wrote it. Never use it as a path: it may hold directories, control
    /// characters or device names.
    #[must_use]
    pub fn raw_filename(&self) -> Option<&str> {
        self.filename.as_deref()
    }

    /// The octets, exactly as the sender's application handed them over.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

impl fmt::Debug for ReceivedPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedPayload")
            .field("content_type", &self.content_type)
            .field("filename", &self.filename)
            .field("octets", &self.body.len())
            .finish()
    }
}
