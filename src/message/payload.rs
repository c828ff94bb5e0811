//! What is sent and what arrives: a document with its media type and file name.

use std::fmt;

use bytes::Bytes;

use crate::mime::filename;
use crate::mime::param::ContentType;
use crate::mime::related::Document;
use crate::smime::inward::quarantine::DocumentHead;

/// A document to be sent.
///
/// ```
/// use as2_protocol::Payload;
/// let order = Payload::x12("ISA*00*...").with_filename("po4711.x12");
/// assert_eq!(order.content_type().essence(), "application/edi-x12");
/// ```
#[derive(Clone)]
pub struct Payload {
    head: PayloadHead,
    body: Bytes,
}

impl Payload {
    /// A document of any media type. Its octets are sent as they are; nothing is translated.
    #[must_use]
    pub fn new(content_type: ContentType, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        Self { head: PayloadHead::new(content_type).with_len(length), body }
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

    /// EDI of a standard that both sides know: `application/EDI-consent` (RFC 1767).
    #[must_use]
    pub fn edi_consent(body: impl Into<Bytes>) -> Self {
        Self::new(ContentType::known("application/EDI-consent"), body)
    }

    /// A text in UTF-8: `text/plain; charset=utf-8`. Line ends are sent as they are.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(ContentType::text(), text.into())
    }

    /// Octets of no particular kind: `application/octet-stream`.
    #[must_use]
    pub fn octet_stream(body: impl Into<Bytes>) -> Self {
        Self::new(ContentType::known("application/octet-stream"), body)
    }

    /// Sends a file name along, of at most 255 characters and without directories, in `Content-Disposition` of the payload part.
    #[must_use]
    pub fn with_filename(self, filename: impl Into<String>) -> Self {
        Self { head: self.head.with_filename(filename), ..self }
    }

    /// Names the document `id`, of the form `local@domain`: other documents of the message refer to it by `cid:` and this.
    /// Without it, documents that go together get names of their own.
    #[must_use]
    pub fn with_content_id(self, id: impl Into<String>) -> Self {
        Self { head: self.head.with_content_id(id), ..self }
    }

    /// The media type.
    #[must_use]
    pub fn content_type(&self) -> &ContentType {
        self.head.content_type()
    }

    /// The file name, if one goes along.
    #[must_use]
    pub fn filename(&self) -> Option<&str> {
        self.head.filename()
    }

    /// The octets.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The Content-ID, if it was given.
    #[must_use]
    pub fn content_id(&self) -> Option<&str> {
        self.head.content_id()
    }

    pub(crate) fn into_parts(self) -> (PayloadHead, Bytes) {
        (self.head, self.body)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("content_type", self.content_type())
            .field("filename", &self.filename())
            .field("octets", &self.body.len())
            .finish()
    }
}

/// What is known of a document before its octets: for [`MessageBuilder::stream`](crate::MessageBuilder::stream).
///
/// ```
/// use as2_protocol::PayloadHead;
/// let order = PayloadHead::x12().with_filename("po4711.x12").with_len(10 << 30);
/// assert_eq!(order.content_type().essence(), "application/edi-x12");
/// ```
#[derive(Clone, Debug)]
pub struct PayloadHead {
    content_type: ContentType,
    filename: Option<String>,
    content_id: Option<String>,
    len: Option<u64>,
}

impl PayloadHead {
    /// A document of any media type. Its octets are sent as they are; nothing is translated.
    #[must_use]
    pub fn new(content_type: ContentType) -> Self {
        Self { content_type, filename: None, content_id: None, len: None }
    }

    /// An ANSI X12 interchange: `application/EDI-X12` (RFC 1767).
    #[must_use]
    pub fn x12() -> Self {
        Self::new(ContentType::edi_x12())
    }

    /// An EDIFACT interchange: `application/EDIFACT` (RFC 1767).
    #[must_use]
    pub fn edifact() -> Self {
        Self::new(ContentType::edifact())
    }

    /// An XML document: `application/xml` (RFC 7303).
    #[must_use]
    pub fn xml() -> Self {
        Self::new(ContentType::xml())
    }

    /// EDI of a standard that both sides know: `application/EDI-consent` (RFC 1767).
    #[must_use]
    pub fn edi_consent() -> Self {
        Self::new(ContentType::known("application/EDI-consent"))
    }

    /// A text in UTF-8: `text/plain; charset=utf-8`. Whether the octets are that is not looked at.
    #[must_use]
    pub fn text() -> Self {
        Self::new(ContentType::text())
    }

    /// Octets of no particular kind: `application/octet-stream`.
    #[must_use]
    pub fn octet_stream() -> Self {
        Self::new(ContentType::known("application/octet-stream"))
    }

    /// Announces how many octets the document has: then `Content-Length` can be known, and envelopes of less than
    /// 2 GiB are in DER. Another number of octets is [`SendError::PayloadLength`](crate::SendError::PayloadLength).
    #[must_use]
    pub fn with_len(mut self, len: u64) -> Self {
        self.len = Some(len);
        self
    }

    /// Sends a file name along, as [`Payload::with_filename`] does.
    #[must_use]
    pub fn with_filename(mut self, filename: impl Into<String>) -> Self {
        self.filename = Some(filename.into());
        self
    }

    /// Names the document, as [`Payload::with_content_id`] does.
    #[must_use]
    pub fn with_content_id(mut self, id: impl Into<String>) -> Self {
        self.content_id = Some(id.into());
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

    /// The Content-ID, if it was given.
    #[must_use]
    pub fn content_id(&self) -> Option<&str> {
        self.content_id.as_deref()
    }

    /// Octets of the document, if they were announced.
    #[must_use]
    pub fn announced_len(&self) -> Option<u64> {
        self.len
    }
}

/// A document that was received, without its transfer encoding.
#[derive(Clone)]
pub struct ReceivedPayload(Document);

impl ReceivedPayload {
    /// A document that is not one of several.
    pub(crate) fn single(content_type: Option<ContentType>, filename: Option<String>, body: Bytes) -> Self {
        Self(Document { content_type, filename, content_id: None, body, is_root: true })
    }

    /// The media type, if the sender named one.
    #[must_use]
    pub fn content_type(&self) -> Option<&ContentType> {
        self.0.content_type.as_ref()
    }

    /// The file name, safe to be given to a file in one folder on any system: without directories, drive letters,
    /// control characters, dots and spaces at the end; a device name gets a `_` in front, and at most 255 octets stay.
    /// `None` if the sender gave no name, or nothing of it is left.
    ///
    /// Two documents may have one name: look before a file is replaced.
    #[must_use]
    pub fn filename(&self) -> Option<String> {
        filename::safe(self.raw_filename()?)
    }

    /// The file name as the sender wrote it. Never use it as a path: it may hold directories, control
    /// characters or device names.
    #[must_use]
    pub fn raw_filename(&self) -> Option<&str> {
        self.0.filename.as_deref()
    }

    /// The Content-ID of one of several documents, without its angle brackets: what others of them refer to it by.
    #[must_use]
    pub fn content_id(&self) -> Option<&str> {
        self.0.content_id.as_deref()
    }

    /// Whether it is the main document (RFC 2387 section 3.2), or the only one.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_root
    }

    /// The octets, exactly as the sender's application handed them over.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }
}

impl ReceivedPayload {
    pub(crate) fn head(&self) -> DocumentHead {
        DocumentHead::from(&self.0)
    }
}

impl From<Document> for ReceivedPayload {
    fn from(document: Document) -> Self {
        Self(document)
    }
}

impl fmt::Debug for ReceivedPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedPayload")
            .field("content_type", &self.0.content_type)
            .field("filename", &self.0.filename)
            .field("octets", &self.0.body.len())
            .finish()
    }
}
