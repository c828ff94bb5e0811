//! The reader of a whole ContentInfo: structure is kept, content octets are announced, whatever their encoding
//! (RFC 5652 section 3).

use bytes::Bytes;
use const_oid::ObjectIdentifier;

use crate::cms::ber::{self, Cursor, Tokenizer};
use crate::cms::{Error, ErrorKind, oid, read_oid};
use crate::limits::Limits;

/// Which of the four content types an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentKind {
    Signed,
    Enveloped,
    AuthEnveloped,
    Compressed,
}

impl ContentKind {
    fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        match *oid {
            oid::SIGNED_DATA => Some(Self::Signed),
            oid::ENVELOPED_DATA => Some(Self::Enveloped),
            oid::AUTH_ENVELOPED_DATA => Some(Self::AuthEnveloped),
            oid::COMPRESSED_DATA => Some(Self::Compressed),
            _ => None,
        }
    }

    /// Elements of kind SEQUENCE before the one that holds the content.
    const fn sequences_before(self) -> usize {
        match self {
            Self::Compressed => 1,
            Self::Signed | Self::Enveloped | Self::AuthEnveloped => 0,
        }
    }

    /// Whether the content octets stand in an explicitly tagged OCTET STRING rather than in an implicitly tagged one.
    const fn is_explicit(self) -> bool {
        matches!(self, Self::Signed | Self::Compressed)
    }
}

/// One captured element: its identifier octet and all its octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) tag: u8,
    pub(crate) raw: Bytes,
}

/// The structure around the content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Structure {
    /// Elements before the one that holds the content.
    pub(crate) head: Vec<Captured>,
    /// What stands beside the content in its element: its type and, for encryption, its algorithm.
    pub(crate) beside: Vec<Captured>,
    /// Elements after the one that holds the content.
    pub(crate) tail: Vec<Captured>,
    /// Whether there is content.
    pub(crate) has_content: bool,
}

/// What the consumed octets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// They are not decided yet: nothing was consumed, more must follow.
    NeedMore,
    /// Octets of the structure.
    Structure,
    /// The last header before the content: [`ContentReader::head`] is complete.
    Head,
    /// Octets of the content.
    Content,
    /// The object is complete; nothing was consumed.
    Done,
}

/// Reads a ContentInfo: a step machine that keeps the structure within limits and passes the content by.
#[derive(Debug)]
pub(crate) struct ContentReader {
    tokens: Tokenizer,
    phase: Phase,
    kind: Option<ContentKind>,
    structure: Structure,
    sequences: usize,
    capture: Option<Capture>,
    captured: u64,
    max_captured: u64,
    max_depth: usize,
    indefinite: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before ContentInfo.
    Outer,
    /// In ContentInfo, before its type.
    Type,
    /// Before the explicit tag around the content.
    Explicit,
    /// Before the SEQUENCE of the content type.
    Inner,
    /// Among its elements, before the one that holds the content.
    Head,
    /// In that one.
    Encapsulated,
    /// In the explicit tag around the content octets.
    Tagged,
    /// In the content octets.
    Content,
    /// Among the elements after it.
    Tail,
}

#[derive(Debug)]
struct Capture {
    tag: u8,
    depth: usize,
    octets: Vec<u8>,
}

/// Depth of the elements of the content type: ContentInfo, [0], SEQUENCE.
const INNER_DEPTH: usize = 3;

impl ContentReader {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            tokens: Tokenizer::new(limits.ber_depth),
            phase: Phase::Outer,
            kind: None,
            structure: Structure::default(),
            sequences: 0,
            capture: None,
            captured: 0,
            max_captured: limits.cms_overhead,
            max_depth: limits.ber_depth,
            indefinite: false,
        }
    }

    /// The structure read so far; complete before the content after [`Event::Head`].
    pub(crate) fn head(&self) -> (Option<ContentKind>, &Structure) {
        (self.kind, &self.structure)
    }

    /// Whether a length outside of what was kept is indefinite.
    pub(crate) fn saw_indefinite(&self) -> bool {
        self.indefinite
    }

    /// An error at the octet that was reached.
    pub(crate) fn error(&self, kind: ErrorKind) -> Error {
        self.tokens.error(kind)
    }

    /// Takes the next octets; the number consumed, and what they are.
    pub(crate) fn step(&mut self, input: &[u8]) -> Result<(usize, Event), Error> {
        let (length, token) = self.tokens.step(input)?;
        let octets = input.get(..length).unwrap_or_default();
        if self.capture.is_some() {
            return Ok((length, self.capturing(octets, token)?));
        }
        let event = match token {
            ber::Event::NeedMore => Event::NeedMore,
            ber::Event::Done => Event::Done,
            ber::Event::Content if self.phase == Phase::Content => Event::Content,
            ber::Event::Content => return Err(self.unexpected("an element", 0)),
            ber::Event::End => {
                self.closed();
                Event::Structure
            }
            ber::Event::Start(tag) => self.opened(tag, octets)?,
        };
        Ok((length, event))
    }

    /// The structure, once the object is complete.
    pub(crate) fn finish(self) -> Result<(ContentKind, Structure), Error> {
        match self.kind {
            Some(kind) if self.tokens.depth() == 0 => Ok((kind, self.structure)),
            _ => Err(self.tokens.error(ErrorKind::Truncated)),
        }
    }

    fn opened(&mut self, tag: u8, octets: &[u8]) -> Result<Event, Error> {
        self.indefinite |= octets.last() == Some(&0x80) && octets.len() == 2;
        match self.phase {
            Phase::Outer => self.descend(tag, ber::SEQUENCE, "ContentInfo", Phase::Type),
            Phase::Type if tag == ber::OID => Ok(self.start_capture(tag, octets)),
            Phase::Type => Err(self.unexpected("a content type", tag)),
            Phase::Explicit => self.descend(tag, ber::CONTEXT_0_CONSTRUCTED, "content", Phase::Inner),
            Phase::Inner => self.descend(tag, ber::SEQUENCE, "a content structure", Phase::Head),
            Phase::Head if tag == ber::SEQUENCE && self.holds_content() => {
                self.phase = Phase::Encapsulated;
                Ok(Event::Structure)
            }
            Phase::Head | Phase::Tail => Ok(self.start_capture(tag, octets)),
            Phase::Encapsulated => self.encapsulated(tag, octets),
            Phase::Tagged => match tag {
                ber::OCTET_STRING | ber::OCTET_STRING_CONSTRUCTED => Ok(self.content_starts()),
                _ => Err(self.unexpected("an octet string", tag)),
            },
            Phase::Content => match tag {
                ber::OCTET_STRING | ber::OCTET_STRING_CONSTRUCTED => Ok(Event::Structure),
                _ => Err(self.unexpected("an octet string", tag)),
            },
        }
    }

    fn encapsulated(&mut self, tag: u8, octets: &[u8]) -> Result<Event, Error> {
        let explicit = self.kind.is_some_and(ContentKind::is_explicit);
        match tag {
            _ if self.structure.has_content => Err(self.unexpected("the end of the content", tag)),
            ber::CONTEXT_0_CONSTRUCTED if explicit => {
                self.phase = Phase::Tagged;
                Ok(Event::Structure)
            }
            ber::CONTEXT_0 | ber::CONTEXT_0_CONSTRUCTED if !explicit => Ok(self.content_starts()),
            _ => Ok(self.start_capture(tag, octets)),
        }
    }

    fn content_starts(&mut self) -> Event {
        self.phase = Phase::Content;
        self.structure.has_content = true;
        Event::Head
    }

    /// The SEQUENCE that holds the content: the first one, but for CompressedData, whose algorithm comes before.
    fn holds_content(&self) -> bool {
        self.sequences >= self.kind.map_or(0, ContentKind::sequences_before)
    }

    fn descend(&mut self, tag: u8, wanted: u8, expected: &'static str, next: Phase) -> Result<Event, Error> {
        if tag != wanted {
            return Err(self.unexpected(expected, tag));
        }
        self.phase = next;
        Ok(Event::Structure)
    }

    /// An element ended that was not captured.
    fn closed(&mut self) {
        match (self.phase, self.tokens.depth()) {
            (Phase::Encapsulated | Phase::Tagged | Phase::Content, INNER_DEPTH) => self.phase = Phase::Tail,
            (Phase::Tagged | Phase::Content, depth) if depth == INNER_DEPTH + 1 => self.phase = Phase::Encapsulated,
            _ => {}
        }
    }

    fn start_capture(&mut self, tag: u8, octets: &[u8]) -> Event {
        if self.phase == Phase::Tail {
            // Nobody signed the certificates: whether they are well-formed must not decide what a message is answered.
            self.tokens.skip_inside();
        }
        self.capture = Some(Capture { tag, depth: self.tokens.depth() - 1, octets: octets.to_vec() });
        Event::Structure
    }

    fn capturing(&mut self, octets: &[u8], token: ber::Event) -> Result<Event, Error> {
        let Some(capture) = &mut self.capture else { return Ok(Event::Structure) };
        capture.octets.extend_from_slice(octets);
        self.captured = self.captured.saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        if self.captured > self.max_captured {
            return Err(self.tokens.error(ErrorKind::TooLarge { limit: self.max_captured }));
        }
        match token {
            ber::Event::NeedMore => return Ok(Event::NeedMore),
            ber::Event::End if self.tokens.depth() == capture.depth => {
                if let Some(Capture { tag, octets, .. }) = self.capture.take() {
                    self.element(Captured { tag, raw: octets.into() })?;
                }
            }
            _ => {}
        }
        Ok(Event::Structure)
    }

    fn element(&mut self, element: Captured) -> Result<(), Error> {
        match self.phase {
            Phase::Type => {
                let mut cursor = Cursor::new(&element.raw, self.max_depth);
                let oid = read_oid(cursor.expect(ber::OID, "a content type")?.content)?;
                let unknown = || self.tokens.error(ErrorKind::ContentType(oid.to_string()));
                self.kind = Some(ContentKind::from_oid(&oid).ok_or_else(unknown)?);
                self.phase = Phase::Explicit;
            }
            Phase::Tail => self.structure.tail.push(element),
            Phase::Encapsulated => self.structure.beside.push(element),
            _ => {
                self.sequences += usize::from(element.tag == ber::SEQUENCE);
                self.structure.head.push(element);
            }
        }
        Ok(())
    }

    fn unexpected(&self, expected: &'static str, found: u8) -> Error {
        self.tokens.error(ErrorKind::Tag { expected, found })
    }
}
