//! A signed message alone in a multipart: gateways for mail wrap it so, and mendelson copes with it.

use bytes::Bytes;

use super::Peel;
use crate::error::ReceiveError;
use crate::limits::Limits;
use crate::mime::entity::Entity;
use crate::mime::multipart::Multipart;
use crate::mime::param::ContentType;
use crate::note::Note;
use crate::smime::current::{Current, Inner};
use crate::smime::passed::{Body, Passed};

/// The boundary of what may be such a wrapper.
pub(crate) fn wrapper_boundary(content_type: Option<&ContentType>) -> Option<&str> {
    content_type.filter(|found| found.essence() == "multipart/mixed")?.param("boundary")
}

/// The type of the part inside a wrapper, if it is one.
pub(crate) fn signed_type(entity: &Entity) -> Option<ContentType> {
    entity.content_type()?.ok().filter(|found| found.essence() == "multipart/signed")
}

/// A wrapper that holds more than the signed message: told when it is too late to take it for anything else.
pub(crate) fn not_alone() -> ReceiveError {
    ReceiveError::UnsupportedContent("multipart/mixed with other parts beside multipart/signed, in one pass".to_owned())
}

impl Peel {
    /// Takes the wrapper off, outermost only: inside an envelope, what is decrypted decides as little as possible.
    pub(super) fn without_wrapper(mut self) -> Self {
        let content_type = self.current.content_type.as_ref();
        let signed = match std::mem::take(&mut self.current.body) {
            Body::Whole(body) => {
                let signed = wrapped(&body, content_type, &self.terms.limits);
                self.current.body = Body::Whole(body);
                signed
            }
            Body::Passed(passed) => match *passed {
                Passed::Wrapped(Ok(entity)) => {
                    let (entity, body, whole) = Inner::Passed(entity).parse(&self.terms.limits);
                    entity.as_ref().and_then(signed_type).map(|content_type| signed_message(content_type, body, whole))
                }
                other => {
                    self.current.body = Body::Passed(Box::new(other));
                    None
                }
            },
        };
        if let Some(signed) = signed {
            self.trail.notes.push(Note::Layering("multipart/signed stands alone in multipart/mixed".to_owned()));
            self.current = signed;
        }
        self
    }
}

fn wrapped(body: &Bytes, content_type: Option<&ContentType>, limits: &Limits) -> Option<Current> {
    let split = Multipart::split(body, wrapper_boundary(content_type)?, limits).ok()?;
    let [part] = <[Bytes; 1]>::try_from(split.parts).ok()?;
    let entity = Entity::parse_after_blank_lines(&part, limits).ok()?;
    let content_type = signed_type(&entity)?;
    Some(signed_message(content_type, Body::Whole(entity.into_body()), part))
}

fn signed_message(content_type: ContentType, body: Body, whole: Bytes) -> Current {
    Current { content_type: Some(content_type), transfer: None, disposition: None, body, whole: Some(whole) }
}
