//! Entities: the header is kept, the body goes to the machine for its type.

use bytes::Bytes;

use super::cms::CmsStage;
use super::forms::Forms;
use super::payload::PayloadStage;
use super::signed::{SignedStage, WrapperStage};
use super::{Answer, Context, Place};
use crate::limits::Limits;
use crate::mime::entity::Entity;
use crate::mime::header::HeadReader;
use crate::mime::param::ContentType;
use crate::smime::current::Kind;
use crate::smime::passed::{Passed, PassedEntity};
use crate::smime::peel::PeelTerms;
use crate::smime::peel::wrapper::wrapper_boundary;

/// What a header says about its body.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels {
    pub(super) content_type: Option<ContentType>,
    pub(super) transfer: Option<Vec<u8>>,
    pub(super) disposition: Option<Vec<u8>>,
}

/// A body on its way in.
#[derive(Debug)]
pub(super) enum BodyStage {
    Payload(Box<PayloadStage>),
    Signed(Box<SignedStage>),
    Wrapper(Box<WrapperStage>),
    Cms(Box<CmsStage>),
    Unread,
}

impl BodyStage {
    pub(super) fn new(labels: Labels, place: Place, terms: &PeelTerms) -> Self {
        let content_type = labels.content_type.as_ref();
        let boundary = wrapper_boundary(content_type).filter(|_| place.outermost).map(str::to_owned);
        match Kind::of(content_type, labels.disposition.as_deref()) {
            Kind::Payload => match boundary {
                Some(boundary) => Self::Wrapper(Box::new(WrapperStage::new(&boundary, labels, place, terms))),
                None => Self::Payload(Box::new(PayloadStage::new(labels, place, terms))),
            },
            _ if place.depth >= terms.limits.nesting => Self::Unread,
            Kind::MultipartSigned => Self::Signed(Box::new(SignedStage::new(&labels, place, &terms.limits))),
            Kind::Cms => Self::Cms(Box::new(CmsStage::new(labels, place))),
        }
    }

    /// Octets in front of the body that the MIC covers with it.
    fn prefix(&mut self, octets: &[u8]) {
        if let Self::Payload(payload) = self {
            payload.prefix(octets);
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8], context: &mut Context<'_>) {
        match self {
            Self::Payload(stage) => stage.push(chunk, context),
            Self::Signed(stage) => stage.push(chunk, context),
            Self::Wrapper(stage) => stage.push(chunk, context),
            Self::Cms(stage) => stage.push(chunk, context),
            Self::Unread => {}
        }
    }

    pub(super) fn provide(&mut self, answer: &mut Answer, context: &mut Context<'_>) {
        match self {
            Self::Signed(stage) => stage.provide(answer, context),
            Self::Wrapper(stage) => stage.provide(answer, context),
            Self::Cms(stage) => stage.provide(answer, context),
            Self::Payload(_) | Self::Unread => {}
        }
    }

    /// See [`EntityStage::forms`].
    fn forms(&mut self) -> Option<&mut Forms> {
        match self {
            Self::Signed(stage) => stage.forms(),
            Self::Wrapper(stage) => stage.forms(),
            Self::Cms(stage) => stage.forms(),
            Self::Payload(_) | Self::Unread => None,
        }
    }

    pub(super) fn finish(self, context: &mut Context<'_>) -> Passed {
        match self {
            Self::Payload(stage) => Passed::Payload(stage.finish(context)),
            Self::Signed(stage) => Passed::Signed(stage.finish(context)),
            Self::Wrapper(stage) => stage.finish(context),
            Self::Cms(stage) => Passed::Cms(Box::new(stage.finish(context))),
            Self::Unread => Passed::Unread,
        }
    }
}

/// An entity on its way in.
#[derive(Debug)]
pub(super) struct EntityStage {
    place: Place,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(HeadBuffer),
    Body { head: Option<Bytes>, body: BodyStage },
}

impl EntityStage {
    pub(super) fn new(place: Place, limits: &Limits) -> Self {
        Self { place, state: State::Head(HeadBuffer::after_blank_lines(limits)) }
    }

    pub(super) fn push(&mut self, chunk: &[u8], context: &mut Context<'_>) {
        match &mut self.state {
            State::Body { body, .. } => body.push(chunk, context),
            State::Head(buffer) => {
                if let Some(found) = buffer.push(chunk) {
                    self.begin(&found, context);
                }
            }
        }
    }

    /// The header is there, or there is none: the octets kept so far go on.
    fn begin(&mut self, found: &FoundHead, context: &mut Context<'_>) {
        let (head, body_at, labels) = match found.entity(&context.terms.limits) {
            Some((head, entity)) => (Some(head), found.end.unwrap_or(0), labels(&entity)),
            None => (None, 0, Some(Labels::default())),
        };
        let (front, rest) = found.octets.split_at_checked(body_at).unwrap_or_default();
        let body = labels.map_or(BodyStage::Unread, |labels| BodyStage::new(labels, self.place, context.terms));
        self.state = State::Body { head, body };
        if let State::Body { body, .. } = &mut self.state {
            body.prefix(front);
            body.push(rest, context);
        }
    }

    pub(super) fn provide(&mut self, answer: &mut Answer, context: &mut Context<'_>) {
        if let State::Body { body, .. } = &mut self.state {
            body.provide(answer, context);
        }
    }

    /// The digests under way of the outermost signature in here.
    pub(super) fn forms(&mut self) -> Option<&mut Forms> {
        match &mut self.state {
            State::Body { body, .. } => body.forms(),
            State::Head(_) => None,
        }
    }

    pub(super) fn finish(mut self, context: &mut Context<'_>) -> PassedEntity {
        if let State::Head(buffer) = &mut self.state {
            let found = buffer.end();
            self.begin(&found, context);
        }
        match self.state {
            State::Body { head, body } => PassedEntity { head, body: Box::new(body.finish(context)) },
            State::Head(_) => PassedEntity { head: None, body: Box::new(Passed::Unread) },
        }
    }
}

/// `None` if the type cannot be read.
fn labels(entity: &Entity) -> Option<Labels> {
    let field = |name: &str| entity.fields().get(name).map(|value| value.into_owned());
    let content_type = entity.content_type().transpose().ok()?;
    let (transfer, disposition) = (field("content-transfer-encoding"), field("content-disposition"));
    Some(Labels { content_type, transfer, disposition })
}

/// Octets that are kept until the header is complete, or too long to be one.
#[derive(Debug)]
pub(super) struct HeadBuffer {
    octets: Vec<u8>,
    /// Empty lines in front of the header.
    blank: Option<usize>,
    reader: HeadReader,
    limit: u64,
}

/// Octets up to somewhere behind the header.
#[derive(Debug)]
pub(super) struct FoundHead {
    pub(super) octets: Vec<u8>,
    blank: usize,
    /// Where the header ends with its empty line; `None` if there is none.
    pub(super) end: Option<usize>,
}

impl HeadBuffer {
    /// Empty lines are skipped first.
    pub(super) fn after_blank_lines(limits: &Limits) -> Self {
        let reader = HeadReader::new(limits);
        Self { octets: Vec::new(), blank: None, reader, limit: limits.header_bytes }
    }

    pub(super) fn new(limits: &Limits) -> Self {
        Self { blank: Some(0), ..Self::after_blank_lines(limits) }
    }

    /// `Some` as soon as it is clear where the header ends.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Option<FoundHead> {
        let mut at = self.octets.len();
        self.octets.extend_from_slice(chunk);
        if self.blank.is_none() {
            let rest = self.octets.get(at..).unwrap_or_default();
            let blank = rest.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
            if at + blank == self.octets.len() {
                let bounded = u64::try_from(self.octets.len()).is_ok_and(|length| length <= self.limit);
                return if bounded { None } else { Some(self.end()) };
            }
            at += blank;
            self.blank = Some(at);
        }
        match self.reader.push(self.octets.get(at..).unwrap_or_default()) {
            Ok(None) => None,
            Ok(Some(length)) => Some(self.found(Some(at + length))),
            Err(_) => Some(self.end()),
        }
    }

    /// There is no header.
    pub(super) fn end(&mut self) -> FoundHead {
        self.found(None)
    }

    fn found(&mut self, end: Option<usize>) -> FoundHead {
        FoundHead { octets: std::mem::take(&mut self.octets), blank: self.blank.unwrap_or(0), end }
    }
}

impl FoundHead {
    /// The header, if it can be read and has any field.
    pub(super) fn entity(&self, limits: &Limits) -> Option<(Bytes, Entity)> {
        let head = Bytes::copy_from_slice(self.octets.get(self.blank..self.end?)?);
        let entity = Entity::parse(head.clone(), limits).ok()?;
        (!entity.fields().is_empty()).then_some((head, entity))
    }
}
