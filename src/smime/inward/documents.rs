//! Several documents in one payload (RFC 6362), each without its transfer encoding into the quarantine.

use bytes::Bytes;

use super::Context;
use super::carry::Carry;
use super::entity::{FoundHead, HeadBuffer};
use super::payload::Decoding;
use super::quarantine::DocumentHead;
use crate::limits::Limits;
use crate::mime::entity::Entity;
use crate::mime::multipart::{Event, Scanner};
use crate::mime::param::ContentType;
use crate::mime::related::{Documents, document, is_collection};
use crate::mime::{Error as MimeError, ErrorKind};

/// A collection on its way in.
#[derive(Debug)]
pub(super) struct Collection {
    kind: ContentType,
    parts: Parts,
    found: Documents,
    fault: Option<MimeError>,
}

/// The parts of one multipart, which may hold another one.
#[derive(Debug)]
struct Parts {
    scanner: Result<Scanner, MimeError>,
    carry: Carry,
    part: Part,
    any: bool,
    nesting: usize,
    seen: usize,
}

#[derive(Debug)]
enum Part {
    /// Before the first delimiter and after the last one.
    None,
    Head(HeadBuffer),
    Document(Decoding),
    Collection(Decoding, Box<Parts>),
}

impl Collection {
    pub(super) fn new(kind: ContentType, limits: &Limits, nesting: usize) -> Self {
        let mut found = Documents::default();
        let parts = Parts::new(&kind, limits, nesting, &mut found);
        Self { kind, parts, found, fault: None }
    }

    pub(super) fn push(&mut self, octets: &[u8], context: &mut Context<'_>) {
        if self.fault.is_none() {
            self.fault = self.parts.push(octets, &mut self.found, context).err();
        }
    }

    pub(super) fn finish(mut self, context: &mut Context<'_>) -> Result<Documents, MimeError> {
        if self.fault.is_none() {
            self.fault = self.parts.end(&mut self.found, context).err();
        }
        self.found.find_root(&self.kind);
        self.fault.map_or(Ok(self.found), Err)
    }
}

impl Parts {
    fn new(kind: &ContentType, limits: &Limits, nesting: usize, found: &mut Documents) -> Self {
        found.check_boundary(kind);
        let scanner = match nesting {
            0 => Err(MimeError::new(ErrorKind::Nesting, 0)),
            _ => Scanner::new(kind.param("boundary").unwrap_or_default(), limits),
        };
        Self { scanner, carry: Carry::default(), part: Part::None, any: false, nesting, seen: 0 }
    }

    fn push(&mut self, octets: &[u8], found: &mut Documents, context: &mut Context<'_>) -> Result<(), MimeError> {
        self.seen = self.seen.saturating_add(octets.len());
        let mut carry = std::mem::take(&mut self.carry);
        let pushed = carry.drive(octets, |input| self.step(input, false, found, context));
        self.carry = carry;
        pushed
    }

    fn end(&mut self, found: &mut Documents, context: &mut Context<'_>) -> Result<(), MimeError> {
        let mut carry = std::mem::take(&mut self.carry);
        carry.end(|input| match input {
            [] => Ok(None),
            input => self.step(input, true, found, context),
        })?;
        self.part_ends(found, context)?;
        if self.any { Ok(()) } else { Err(MimeError::new(ErrorKind::NoDelimiter, self.seen)) }
    }

    fn step(
        &mut self,
        input: &[u8],
        last: bool,
        found: &mut Documents,
        context: &mut Context<'_>,
    ) -> Result<Option<usize>, MimeError> {
        let (length, event) = match &mut self.scanner {
            Ok(scanner) => scanner.step(input, last)?,
            Err(error) => return Err(error.clone()),
        };
        match event {
            Event::NeedMore => return Ok(None),
            Event::Part => self.part(input.get(..length).unwrap_or_default(), found, context)?,
            Event::Delimiter => {
                self.part_ends(found, context)?;
                if found.all.len() >= context.terms.limits.parts {
                    return Err(MimeError::new(ErrorKind::TooManyParts { limit: context.terms.limits.parts }, 0));
                }
                (self.any, self.part) = (true, Part::Head(HeadBuffer::new(&context.terms.limits)));
            }
            Event::Close(_) => {
                self.part_ends(found, context)?;
            }
            Event::Preamble | Event::Epilogue => {}
        }
        Ok(Some(length))
    }

    fn part(&mut self, octets: &[u8], found: &mut Documents, context: &mut Context<'_>) -> Result<(), MimeError> {
        match &mut self.part {
            Part::None => Ok(()),
            Part::Head(buffer) => match buffer.push(octets) {
                None => Ok(()),
                Some(head) => {
                    let end = head.end.ok_or_else(|| MimeError::new(ErrorKind::NoBlankLine, head.octets.len()))?;
                    self.part = self.begin(&head, end, found, context)?;
                    self.part(head.octets.get(end..).unwrap_or_default(), found, context)
                }
            },
            Part::Document(decoding) => {
                decoding.push(octets, &mut |octets| context.write(octets));
                Ok(())
            }
            Part::Collection(decoding, parts) => {
                let mut pushed = Ok(());
                decoding.push(octets, &mut |octets| pushed = parts.push(octets, found, context));
                pushed
            }
        }
    }

    fn begin(
        &self,
        head: &FoundHead,
        end: usize,
        found: &mut Documents,
        context: &mut Context<'_>,
    ) -> Result<Part, MimeError> {
        let entity = head.part(end, &context.terms.limits)?;
        let content_type = entity.content_type().and_then(Result::ok);
        let decoding = Decoding::new(Ok(entity.transfer_encoding()?));
        match content_type {
            Some(inner) if is_collection(Some(&inner)) => {
                let parts = Self::new(&inner, &context.terms.limits, self.nesting.saturating_sub(1), found);
                Ok(Part::Collection(decoding, Box::new(parts)))
            }
            content_type => {
                let document = document(&entity, content_type, Bytes::new());
                context.begin(&DocumentHead::from(&document));
                found.all.push(document);
                Ok(Part::Document(decoding))
            }
        }
    }

    fn part_ends(&mut self, found: &mut Documents, context: &mut Context<'_>) -> Result<(), MimeError> {
        match std::mem::replace(&mut self.part, Part::None) {
            Part::None => Ok(()),
            Part::Head(mut buffer) => Err(MimeError::new(ErrorKind::NoBlankLine, buffer.end().octets.len())),
            Part::Document(mut decoding) => {
                decoding.finish(&mut |octets| context.write(octets));
                decoding.into_result()
            }
            Part::Collection(mut decoding, mut parts) => {
                let mut pushed = Ok(());
                decoding.finish(&mut |octets| pushed = parts.push(octets, found, context));
                pushed?;
                decoding.into_result()?;
                parts.end(found, context)
            }
        }
    }
}

impl FoundHead {
    /// The header of a part, which ends at `end`.
    fn part(&self, end: usize, limits: &Limits) -> Result<Entity, MimeError> {
        let head = self.octets.get(..end).unwrap_or_default();
        Entity::parse(Bytes::copy_from_slice(head), limits)
    }
}
