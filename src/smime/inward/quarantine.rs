//! Where documents go before it is known whether they may be used.

use std::io;

use crate::mime::filename;
use crate::mime::param::ContentType;
use crate::mime::related::Document;

/// Takes the documents of a message while they arrive: unverified, and perhaps never to be used.
///
/// What is written here belongs into a place that nobody else looks at: a temporary file, or an object that is not
/// committed yet. [`InboundStream::finish`](crate::InboundStream::finish) tells whether it may leave that place; if the
/// message is refused, or the stream is dropped, it is to be deleted.
///
/// An error makes the message undeliverable: the stream gives it back, and the sender is told to come again.
pub trait Quarantine {
    /// A document begins; the one before, if any, is complete. The first has the number 0.
    ///
    /// # Errors
    /// If there is no room for the document.
    fn begin(&mut self, number: usize, head: &DocumentHead) -> io::Result<()>;

    /// Octets of the document that began last.
    ///
    /// # Errors
    /// If they cannot be kept.
    fn write(&mut self, octets: &[u8]) -> io::Result<()>;
}

/// What the sender says about a document, as far as its header goes. Nothing of it is verified while it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentHead {
    content_type: Option<ContentType>,
    filename: Option<String>,
    content_id: Option<String>,
}

impl DocumentHead {
    pub(crate) fn new(content_type: Option<ContentType>, filename: Option<String>, content_id: Option<String>) -> Self {
        Self { content_type, filename, content_id }
    }

    /// The media type, if the sender named one.
    #[must_use]
    pub fn content_type(&self) -> Option<&ContentType> {
        self.content_type.as_ref()
    }

    /// The file name, made safe as [`ReceivedPayload::filename`](crate::ReceivedPayload::filename) tells.
    #[must_use]
    pub fn filename(&self) -> Option<String> {
        filename::safe(self.raw_filename()?)
    }

    /// The file name as the sender wrote it. Never use it as a path.
    #[must_use]
    pub fn raw_filename(&self) -> Option<&str> {
        self.filename.as_deref()
    }

    /// The Content-ID of one of several documents, without its angle brackets.
    #[must_use]
    pub fn content_id(&self) -> Option<&str> {
        self.content_id.as_deref()
    }
}

impl From<&Document> for DocumentHead {
    fn from(document: &Document) -> Self {
        let Document { content_type, filename, content_id, .. } = document;
        Self::new(content_type.clone(), filename.clone(), content_id.clone())
    }
}

/// Each document in memory, for tests and for messages that are known to be small.
///
/// ```
/// # use as2_protocol::Quarantine;
/// let mut documents: Vec<Vec<u8>> = Vec::new();
/// let quarantine: &mut dyn Quarantine = &mut documents;
/// ```
impl Quarantine for Vec<Vec<u8>> {
    fn begin(&mut self, _number: usize, _head: &DocumentHead) -> io::Result<()> {
        self.push(Vec::new());
        Ok(())
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.last_mut().ok_or(io::ErrorKind::InvalidInput)?.extend_from_slice(octets);
        Ok(())
    }
}

/// One document into one writer, for partners who send no attachments. A second document is an error of the kind
/// [`io::ErrorKind::Unsupported`].
///
/// ```
/// # fn receive(file: std::fs::File) {
/// let mut quarantine = as2_protocol::SingleDocument::new(std::io::BufWriter::new(file));
/// # }
/// ```
#[derive(Debug)]
pub struct SingleDocument<W> {
    writer: W,
}

impl<W: io::Write> SingleDocument<W> {
    /// Writes the document into `writer`.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }

    /// The writer; nothing is flushed here.
    pub fn into_inner(self) -> W {
        self.writer
    }
}

impl<W: io::Write> Quarantine for SingleDocument<W> {
    fn begin(&mut self, number: usize, _head: &DocumentHead) -> io::Result<()> {
        let several = || io::Error::new(io::ErrorKind::Unsupported, "the message holds more than one document");
        if number == 0 { Ok(()) } else { Err(several()) }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.writer.write_all(octets)
    }
}
