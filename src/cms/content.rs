//! A CMS object that is at hand as a whole, read by the step machine of `reader`.

use bytes::{Bytes, BytesMut};

use crate::cms::compressed::CompressedData;
use crate::cms::enveloped::{AuthEnvelopedData, EnvelopedData};
use crate::cms::reader::{ContentReader, Event};
use crate::cms::signed::SignedData;
use crate::cms::{Error, ErrorKind};
use crate::limits::Limits;

pub(crate) use crate::cms::reader::ContentKind;

/// An object that was read as a whole.
#[derive(Clone, Debug)]
pub(crate) enum ContentInfo {
    Signed(SignedData),
    Enveloped(EnvelopedData),
    AuthEnveloped(AuthEnvelopedData),
    Compressed(CompressedData),
}

/// How an object was encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Whether any length is indefinite.
    pub(crate) indefinite: bool,
    /// Pieces of the content.
    pub(crate) segments: u64,
    /// White space and zero octets behind the object.
    pub(crate) trailing: usize,
}

/// Reads an object that is at hand as a whole. Content in one piece is a slice; content in several is put together
/// in place where `octets` is not shared, else copied once.
pub(crate) fn read(octets: Bytes, limits: &Limits) -> Result<(ContentInfo, Shape), Error> {
    let mut reader = ContentReader::new(limits);
    let mut content = Content::Slice { octets, start: 0, end: 0 };
    let (mut at, mut shape, mut joins) = (0, Shape::default(), false);
    loop {
        let (length, event) = reader.step(content.octets().get(at..).unwrap_or_default())?;
        match event {
            Event::Done => break,
            Event::NeedMore => return Err(reader.error(ErrorKind::Truncated)),
            Event::Content => {
                content = content.append(at, length);
                shape.segments += u64::from(!joins);
            }
            Event::Structure | Event::Head => {}
        }
        joins = event == Event::Content;
        at += length;
    }
    let rest = content.octets().get(at..).unwrap_or_default();
    // Zero octets and line ends are padding of careless senders; anything else may be a second opinion.
    if rest.iter().any(|octet| !matches!(octet, 0 | b'\r' | b'\n' | b' ' | b'\t')) {
        return Err(reader.error(ErrorKind::Trailing));
    }
    shape.trailing = rest.len();
    shape.indefinite = reader.saw_indefinite();
    let (kind, structure) = reader.finish()?;
    let content = structure.has_content.then(|| content.into_bytes());
    let info = match kind {
        ContentKind::Signed => ContentInfo::Signed(SignedData::read(&structure, content, limits)?),
        ContentKind::Enveloped => ContentInfo::Enveloped(EnvelopedData::read(&structure, content, limits)?),
        ContentKind::AuthEnveloped => ContentInfo::AuthEnveloped(AuthEnvelopedData::read(&structure, content, limits)?),
        ContentKind::Compressed => ContentInfo::Compressed(CompressedData::read(&structure, content, limits)?),
    };
    Ok((info, shape))
}

/// Looks at the type of an object.
pub(crate) fn sniff(octets: &[u8]) -> Option<ContentKind> {
    let mut reader = ContentReader::new(&Limits::default());
    let mut at = 0;
    while reader.head().0.is_none() {
        let (length, event) = reader.step(octets.get(at..)?).ok()?;
        if matches!(event, Event::NeedMore | Event::Done) {
            return None;
        }
        at += length;
    }
    reader.head().0
}

/// The content octets: still where they came, or moved together.
enum Content {
    Slice { octets: Bytes, start: usize, end: usize },
    Moved { octets: BytesMut, start: usize, end: usize },
}

impl Content {
    fn octets(&self) -> &[u8] {
        match self {
            Self::Slice { octets, .. } => octets,
            Self::Moved { octets, .. } => octets,
        }
    }

    /// Adds the `length` octets at `at`. They are moved down behind those before; reading is always ahead of that.
    fn append(self, at: usize, length: usize) -> Self {
        match self {
            Self::Slice { octets, start, end } if start == end => {
                let _ = (start, end);
                Self::Slice { octets, start: at, end: at + length }
            }
            Self::Slice { octets, start, end } if end == at => Self::Slice { octets, start, end: at + length },
            Self::Slice { octets, start, end } => {
                let octets = octets.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
                Self::Moved { octets, start, end }.append(at, length)
            }
            Self::Moved { mut octets, start, end } => {
                octets.copy_within(at..at + length, end);
                Self::Moved { octets, start, end: end + length }
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Slice { octets, start, end } => octets.slice(start..end),
            Self::Moved { octets, start, end } => octets.freeze().slice(start..end),
        }
    }
}
