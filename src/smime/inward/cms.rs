//! CMS objects: transfer encoding and structure come off, the content goes on.

use bytes::Bytes;

use super::carry::Carry;
use super::content::ContentStage;
use super::entity::Labels;
use super::forms::Forms;
use super::payload::Decoding;
use super::{Answer, Context, Place, len_u64};
use crate::cms::compressed::CompressedData;
use crate::cms::content::ContentInfo;
use crate::cms::enveloped::{AuthEnvelopedData, EnvelopedData};
use crate::cms::reader::{ContentKind, ContentReader, Event};
use crate::cms::signed::SignedData;
use crate::cms::{Error as CmsError, ErrorKind};
use crate::error::{DecompressionFault, Exposure, ReceiveError};
use crate::limits::Limits;
use crate::mime::param::ContentType;
use crate::mime::transfer::{DER_START, der_encoding};
use crate::note::Note;
use crate::smime::compress::is_zlib;
use crate::smime::current::CMS_PART;
use crate::smime::layer::{may_repeat_head, repeated_head, repeated_head_note};
use crate::smime::passed::{CmsRead, Inside, PassedCms};
use crate::smime::peel::mime;
use crate::smime::peel::whole::cms_error;

/// application/pkcs7-mime on its way in.
#[derive(Debug)]
pub(super) struct CmsStage {
    labels: Labels,
    place: Place,
    notes: Vec<Note>,
    state: State,
    sent: u64,
    decoded: u64,
}

#[derive(Debug)]
enum State {
    /// Too little is there to tell how the object is encoded.
    Start(Vec<u8>),
    Object {
        decoding: Decoding,
        object: Box<Object>,
    },
}

impl CmsStage {
    pub(super) fn new(labels: Labels, place: Place) -> Self {
        Self { labels, place, notes: Vec::new(), state: State::Start(Vec::new()), sent: 0, decoded: 0 }
    }

    pub(super) fn push(&mut self, chunk: &[u8], context: &mut Context<'_>) {
        match &mut self.state {
            State::Start(start) => {
                start.extend_from_slice(chunk);
                let needed = match self.place.exposure {
                    // A header that is repeated here must be complete first.
                    Exposure::Open if may_repeat_head(start) => {
                        usize::try_from(context.terms.limits.header_bytes).unwrap_or(DER_START)
                    }
                    _ => DER_START,
                };
                if start.len() >= needed {
                    self.begin(context);
                }
            }
            State::Object { decoding, object } => {
                let (place, decoded) = (self.place, &mut self.decoded);
                self.sent = self.sent.saturating_add(len_u64(chunk));
                decoding.push(chunk, &mut |octets| {
                    *decoded = decoded.saturating_add(len_u64(octets));
                    object.push(octets, place, context);
                });
            }
        }
    }

    fn begin(&mut self, context: &mut Context<'_>) {
        let State::Start(start) = &mut self.state else { return };
        let mut body = Bytes::from(std::mem::take(start));
        if let (Exposure::Open, Some((declared, rest))) =
            (self.place.exposure, repeated_head(&body, &context.terms.limits))
        {
            (self.labels.transfer, body) = (declared, rest);
            self.notes.push(repeated_head_note());
        }
        let (encoding, fault) = der_encoding(self.labels.transfer.as_deref(), &body);
        self.notes.extend(fault.map(|fault| Note::TransferEncoding(format!("{CMS_PART}: {fault}"))));
        let object = Box::new(Object::new(&context.terms.limits));
        self.state = State::Object { decoding: Decoding::new(Ok(encoding)), object };
        for chunk in body.chunks(super::CHUNK) {
            self.push(chunk, context);
        }
    }

    pub(super) fn provide(&mut self, answer: &mut Answer, context: &mut Context<'_>) {
        if let State::Object { object, .. } = &mut self.state {
            object.content.provide(answer, self.place, context);
        }
    }

    pub(super) fn forms(&mut self) -> Option<&mut Forms> {
        match &mut self.state {
            State::Object { object, .. } => object.content.forms(),
            State::Start(_) => None,
        }
    }

    pub(super) fn finish(mut self, context: &mut Context<'_>) -> PassedCms {
        self.begin(context);
        let State::Object { mut decoding, mut object } = self.state else {
            let read = Err(ReceiveError::EnvelopeFormat(CmsError::new(ErrorKind::Truncated, 0)));
            return PassedCms { notes: self.notes, text: false, read, inside: Inside::Nothing };
        };
        let (place, decoded) = (self.place, &mut self.decoded);
        decoding.finish(&mut |octets| {
            *decoded = decoded.saturating_add(len_u64(octets));
            object.push(octets, place, context);
        });
        let text = self.decoded <= (self.sent / 4).saturating_mul(3).saturating_add(3);
        let (read, inside) = object.finish(self.labels.content_type.as_ref(), context);
        let read = decoding.into_result().map_err(mime(CMS_PART)).and(read);
        PassedCms { notes: self.notes, text, read, inside }
    }
}

/// The object without its transfer encoding.
#[derive(Debug)]
struct Object {
    start: Vec<u8>,
    reader: ContentReader,
    carry: Carry,
    content: ContentStage,
    done: bool,
    trailing: usize,
    fault: Option<ObjectFault>,
}

#[derive(Debug)]
enum ObjectFault {
    Zlib,
    Format(CmsError),
}

impl Object {
    fn new(limits: &Limits) -> Self {
        Self {
            start: Vec::new(),
            reader: ContentReader::new(limits),
            carry: Carry::default(),
            content: ContentStage::Nothing,
            done: false,
            trailing: 0,
            fault: None,
        }
    }

    fn push(&mut self, octets: &[u8], place: Place, context: &mut Context<'_>) {
        if self.start.len() < 2 {
            let missing = 2 - self.start.len();
            self.start.extend(octets.iter().take(missing));
            if is_zlib(&self.start) {
                self.fault = Some(ObjectFault::Zlib);
            }
        }
        if self.fault.is_some() {
            return;
        }
        let mut carry = std::mem::take(&mut self.carry);
        let pushed = carry.drive(octets, |input| self.step(input, place, context));
        self.carry = carry;
        self.fault = pushed.err().map(ObjectFault::Format);
    }

    fn step(&mut self, input: &[u8], place: Place, context: &mut Context<'_>) -> Result<Option<usize>, CmsError> {
        let (length, event) = self.reader.step(input)?;
        match event {
            Event::NeedMore => return Ok(None),
            Event::Structure => {}
            Event::Head => self.content = ContentStage::new(self.reader.head(), place, context),
            Event::Content => self.content.push(input.get(..length).unwrap_or_default(), context),
            Event::Done => {
                self.done = true;
                // As for objects that are at hand: padding of careless senders, or a second opinion.
                if input.iter().any(|octet| !matches!(octet, 0 | b'\r' | b'\n' | b' ' | b'\t')) {
                    return Err(self.reader.error(ErrorKind::Trailing));
                }
                self.trailing = self.trailing.saturating_add(input.len());
                return Ok(Some(input.len()));
            }
        }
        Ok(Some(length))
    }

    fn finish(
        mut self,
        content_type: Option<&ContentType>,
        context: &mut Context<'_>,
    ) -> (Result<CmsRead, ReceiveError>, Inside) {
        let kind = self.reader.head().0;
        match self.read(context) {
            Ok((read, auth)) => {
                let inside = self.content.finish(auth.as_ref(), context);
                (Ok(read), inside)
            }
            Err(ObjectFault::Zlib) => (Err(ReceiveError::Decompression(DecompressionFault::BareZlib)), Inside::Nothing),
            Err(ObjectFault::Format(error)) => (Err(cms_error(error, kind, content_type)), Inside::Nothing),
        }
    }

    /// The structure around the content, once everything has passed by.
    fn read(&mut self, context: &Context<'_>) -> Result<(CmsRead, Option<AuthEnvelopedData>), ObjectFault> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let limits = &context.terms.limits;
        let mut carry = std::mem::take(&mut self.carry);
        let mut done = self.done;
        let reader = &mut self.reader;
        let ended = carry.end(|input| match reader.step(input)? {
            (_, Event::Done) => {
                done = true;
                Ok(None)
            }
            (_, Event::NeedMore) => Ok(None),
            (length, _) => Ok(Some(length)),
        });
        ended.map_err(ObjectFault::Format)?;
        if !done {
            return Err(ObjectFault::Format(self.reader.error(ErrorKind::Truncated)));
        }
        let reader = std::mem::replace(&mut self.reader, ContentReader::new(limits));
        info(reader, limits)
            .map(|(info, auth)| (CmsRead { info, trailing: self.trailing }, auth))
            .map_err(ObjectFault::Format)
    }
}

/// The object without its content; beside it, AuthEnvelopedData with its tag.
fn info(reader: ContentReader, limits: &Limits) -> Result<(ContentInfo, Option<AuthEnvelopedData>), CmsError> {
    let (kind, structure) = reader.finish()?;
    let content = structure.has_content.then(Bytes::new);
    Ok(match kind {
        ContentKind::Signed => (ContentInfo::Signed(SignedData::read(&structure, content, limits)?), None),
        ContentKind::Enveloped => (ContentInfo::Enveloped(EnvelopedData::read(&structure, content, limits)?), None),
        ContentKind::AuthEnveloped => {
            let data = AuthEnvelopedData::read(&structure, content, limits)?;
            (ContentInfo::AuthEnveloped(data.clone()), Some(data))
        }
        ContentKind::Compressed => (ContentInfo::Compressed(CompressedData::read(&structure, content, limits)?), None),
    })
}
