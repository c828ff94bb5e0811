//! multipart/signed, and the multipart/mixed that some gateways put around it.

use bytes::Bytes;

use super::carry::Carry;
use super::entity::{BodyStage, EntityStage, FoundHead, HeadBuffer, Labels};
use super::forms::Forms;
use super::payload::PayloadStage;
use super::{Answer, Context, Place, len_u64};
use crate::algorithm::DigestAlgorithm;
use crate::error::ReceiveError;
use crate::limits::Limits;
use crate::mime::multipart::{Closed, Event, MAX_EPILOGUE, Scanner};
use crate::mime::{Error as MimeError, ErrorKind};
use crate::smime::layer::surroundings;
use crate::smime::passed::{Content, Passed, PassedContent, PassedEntity, SignedParts};
use crate::smime::peel::whole::number_of_parts;
use crate::smime::peel::wrapper::{not_alone, signed_type, wrapper_boundary};
use crate::smime::peel::{PeelTerms, mime};

/// A multipart on its way in, part after part.
#[derive(Debug)]
struct Splitter {
    scanner: Result<Scanner, MimeError>,
    carry: Carry,
    preamble: u64,
    parts: usize,
    closed: Closed,
    /// As much as tells whether something follows the close delimiter.
    epilogue: Vec<u8>,
    seen: usize,
}

/// What happens to a part.
enum Piece<'a> {
    Begins(usize),
    Octets(&'a [u8]),
    Ends,
}

impl Splitter {
    fn new(boundary: &str, limits: &Limits) -> Self {
        Self {
            scanner: Scanner::new(boundary, limits),
            carry: Carry::default(),
            preamble: 0,
            parts: 0,
            closed: Closed::Missing,
            epilogue: Vec::new(),
            seen: 0,
        }
    }

    fn push(&mut self, chunk: &[u8], out: &mut dyn FnMut(Piece<'_>)) {
        self.seen = self.seen.saturating_add(chunk.len());
        let mut carry = std::mem::take(&mut self.carry);
        let pushed = carry.drive(chunk, |input| self.step(input, false, out));
        self.carry = carry;
        self.keep(pushed);
    }

    fn end(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        let mut carry = std::mem::take(&mut self.carry);
        let ended = carry.end(|input| if input.is_empty() { Ok(None) } else { self.step(input, true, out) });
        self.keep(ended);
        if self.parts > 0 && self.closed == Closed::Missing {
            out(Piece::Ends);
        }
    }

    fn step(&mut self, input: &[u8], last: bool, out: &mut dyn FnMut(Piece<'_>)) -> Result<Option<usize>, MimeError> {
        let Ok(scanner) = &mut self.scanner else { return Ok(Some(input.len())) };
        let (length, event) = scanner.step(input, last)?;
        let octets = input.get(..length).unwrap_or_default();
        match event {
            Event::NeedMore => return Ok(None),
            Event::Preamble => self.preamble = self.preamble.saturating_add(len_u64(octets)),
            Event::Part => out(Piece::Octets(octets)),
            Event::Delimiter => {
                if self.parts > 0 {
                    out(Piece::Ends);
                }
                out(Piece::Begins(self.parts));
                self.parts += 1;
            }
            Event::Close(closed) => {
                if self.parts > 0 {
                    out(Piece::Ends);
                }
                self.closed = closed;
            }
            Event::Epilogue => {
                let room = (MAX_EPILOGUE + 1).saturating_sub(self.epilogue.len());
                self.epilogue.extend(octets.iter().take(room));
            }
        }
        Ok(Some(length))
    }

    fn keep(&mut self, result: Result<(), MimeError>) {
        if let Err(error) = result {
            self.scanner = Err(error);
        }
    }

    /// Whether it was a multipart at all.
    fn fault(&self) -> Option<MimeError> {
        match &self.scanner {
            Err(error) => Some(error.clone()),
            Ok(_) if self.parts == 0 => Some(MimeError::new(ErrorKind::NoDelimiter, self.seen)),
            Ok(_) => None,
        }
    }
}

/// multipart/signed on its way in.
#[derive(Debug)]
pub(super) struct SignedStage {
    place: Place,
    micalg: Vec<DigestAlgorithm>,
    splitter: Splitter,
    parts: SignedBodies,
}

#[derive(Debug, Default)]
struct SignedBodies {
    now: usize,
    open: Option<(Forms, EntityStage)>,
    content: Option<Result<PassedContent, ReceiveError>>,
    signature: Vec<u8>,
    /// The signature part has more octets than any signature.
    overlong: bool,
}

impl SignedStage {
    pub(super) fn new(labels: &Labels, place: Place, limits: &Limits) -> Self {
        let parameter = |name| labels.content_type.as_ref().and_then(|content_type| content_type.param(name));
        let micalg = parameter("micalg").unwrap_or_default();
        Self {
            place,
            micalg: micalg.split(',').filter_map(DigestAlgorithm::from_micalg).collect(),
            splitter: Splitter::new(parameter("boundary").unwrap_or_default(), limits),
            parts: SignedBodies::default(),
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8], context: &mut Context<'_>) {
        let Self { place, micalg, splitter, parts } = self;
        splitter.push(chunk, &mut |piece| parts.piece(piece, *place, micalg, context));
    }

    pub(super) fn provide(&mut self, answer: &mut Answer, context: &mut Context<'_>) {
        if let Some((_, entity)) = &mut self.parts.open {
            entity.provide(answer, context);
        }
    }

    pub(super) fn forms(&mut self) -> Option<&mut Forms> {
        self.parts.open.as_mut().map(|(forms, _)| forms)
    }

    pub(super) fn finish(mut self, context: &mut Context<'_>) -> SignedParts {
        let Self { place, micalg, splitter, parts } = &mut self;
        splitter.end(&mut |piece| parts.piece(piece, *place, micalg, context));
        let Self { splitter, parts, .. } = self;
        let limit = context.terms.limits.cms_overhead;
        let both = match (splitter.fault(), splitter.parts, parts.content) {
            (Some(error), ..) => Err(mime("multipart/signed")(error)),
            (None, 2, Some(content)) => match content {
                Ok(_) if parts.overlong => Err(ReceiveError::Limit { what: "a signature", limit }),
                Ok(content) => Ok((Content::Passed(content), Bytes::from(parts.signature))),
                Err(error) => Err(error),
            },
            (None, count, _) => Err(number_of_parts(count)),
        };
        SignedParts {
            notes: surroundings(splitter.preamble, splitter.closed),
            exact: splitter.closed.is_exact(&splitter.epilogue),
            parts: both,
        }
    }
}

impl SignedBodies {
    fn piece(&mut self, piece: Piece<'_>, place: Place, micalg: &[DigestAlgorithm], context: &mut Context<'_>) {
        match piece {
            Piece::Begins(number) => {
                self.now = number;
                if number == 0 {
                    self.begin(place, micalg, context);
                }
            }
            Piece::Octets(octets) => match (&mut self.open, self.now) {
                (Some((forms, entity)), _) => {
                    forms.push(octets);
                    entity.push(octets, context);
                }
                (None, 1) => self.keep(octets, &context.terms.limits),
                _ => {}
            },
            Piece::Ends => {
                let open = self.open.take();
                let ended = open.map(|(forms, entity)| {
                    Ok(PassedContent { digests: forms.finish(), entity: entity.finish(context) })
                });
                self.content = self.content.take().or(ended);
            }
        }
    }

    fn begin(&mut self, place: Place, micalg: &[DigestAlgorithm], context: &mut Context<'_>) {
        let entity = EntityStage::new(place.inside_signature(), &context.terms.limits);
        let (provider, form) = (&context.terms.provider, context.terms.accept.signed_form);
        match Forms::start(provider, &context.digests(micalg), form, place.is_sealed()) {
            Ok(forms) => self.open = Some((forms, entity)),
            Err(error) => self.content = Some(Err(ReceiveError::UnsupportedMicAlgorithms(error.to_string()))),
        }
    }

    /// The signature part, as long as it can be one: a header and a CMS object in base64.
    fn keep(&mut self, octets: &[u8], limits: &Limits) {
        let most = limits.header_bytes.saturating_add(limits.cms_overhead.saturating_mul(3) / 2);
        let length = len_u64(&self.signature).saturating_add(len_u64(octets));
        self.overlong |= length > most;
        if !self.overlong {
            self.signature.extend_from_slice(octets);
        }
    }
}

/// multipart/mixed on its way in, outermost: perhaps around one multipart/signed, mostly around documents.
#[derive(Debug)]
pub(super) struct WrapperStage {
    labels: Labels,
    place: Place,
    state: Wrapper,
}

#[derive(Debug)]
enum Wrapper {
    /// The first part's header is not there yet; all octets are kept.
    Undecided {
        kept: Vec<u8>,
        splitter: Box<Splitter>,
        head: HeadBuffer,
        found: Option<FoundHead>,
    },
    Documents(Box<BodyStage>),
    Around {
        splitter: Box<Splitter>,
        entity: Box<EntityStage>,
    },
}

impl WrapperStage {
    pub(super) fn new(boundary: &str, labels: Labels, place: Place, terms: &PeelTerms) -> Self {
        let limits = &terms.limits;
        let splitter = Box::new(Splitter::new(boundary, limits));
        let head = HeadBuffer::after_blank_lines(limits);
        Self { labels, place, state: Wrapper::Undecided { kept: Vec::new(), splitter, head, found: None } }
    }

    pub(super) fn push(&mut self, chunk: &[u8], context: &mut Context<'_>) {
        match &mut self.state {
            Wrapper::Documents(body) => body.push(chunk, context),
            Wrapper::Around { splitter, entity } => {
                splitter.push(chunk, &mut |piece| around(piece, entity, context));
            }
            Wrapper::Undecided { kept, splitter, head, found } => {
                kept.extend_from_slice(chunk);
                let mut first = 0;
                splitter.push(chunk, &mut |piece| match piece {
                    Piece::Begins(number) => first = number,
                    Piece::Octets(octets) if first == 0 && found.is_none() => *found = head.push(octets),
                    _ => {}
                });
                let limit = context.terms.limits.header_bytes.saturating_mul(2);
                if found.is_some() || splitter.parts > 1 || len_u64(kept) > limit {
                    self.decide(context);
                }
            }
        }
    }

    fn decide(&mut self, context: &mut Context<'_>) {
        let Wrapper::Undecided { kept, found, .. } = &mut self.state else { return };
        let limits = &context.terms.limits;
        let entity = found.as_ref().and_then(|found| found.entity(limits));
        let signs = entity.is_some_and(|(_, entity)| signed_type(&entity).is_some());
        let kept = std::mem::take(kept);
        let boundary = wrapper_boundary(self.labels.content_type.as_ref());
        self.state = match boundary {
            Some(boundary) if signs => Wrapper::Around {
                splitter: Box::new(Splitter::new(boundary, limits)),
                entity: Box::new(EntityStage::new(Place { outermost: false, ..self.place }, limits)),
            },
            _ => {
                let payload = PayloadStage::new(self.labels.clone(), self.place, context.terms);
                Wrapper::Documents(Box::new(BodyStage::Payload(Box::new(payload))))
            }
        };
        // The machine begins anew with everything that was kept.
        self.push(&kept, context);
    }

    pub(super) fn provide(&mut self, answer: &mut Answer, context: &mut Context<'_>) {
        if let Wrapper::Around { entity, .. } = &mut self.state {
            entity.provide(answer, context);
        }
    }

    pub(super) fn forms(&mut self) -> Option<&mut Forms> {
        match &mut self.state {
            Wrapper::Around { entity, .. } => entity.forms(),
            Wrapper::Undecided { .. } | Wrapper::Documents(_) => None,
        }
    }

    pub(super) fn finish(mut self, context: &mut Context<'_>) -> Passed {
        if matches!(self.state, Wrapper::Undecided { .. }) {
            self.decide(context);
        }
        match self.state {
            Wrapper::Around { mut splitter, mut entity } => {
                splitter.end(&mut |piece| around(piece, &mut entity, context));
                let alone = splitter.parts == 1 && splitter.fault().is_none();
                let entity: PassedEntity = entity.finish(context);
                Passed::Wrapped(if alone { Ok(entity) } else { Err(not_alone()) })
            }
            Wrapper::Documents(body) => body.finish(context),
            Wrapper::Undecided { .. } => Passed::Unread,
        }
    }
}

fn around(piece: Piece<'_>, entity: &mut EntityStage, context: &mut Context<'_>) {
    if let Piece::Octets(octets) = piece {
        entity.push(octets, context);
    }
}
