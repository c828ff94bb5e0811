//! A signed message alone in a multipart: gateways for mail wrap it so, and mendelson copes with it.

use bytes::Bytes;

use super::{Current, Peel};
use crate::mime::entity::Entity;
use crate::mime::multipart::Multipart;
use crate::mime::param::ContentType;
use crate::note::Note;

impl Peel {
    /// Takes the wrapper off, outermost only: inside an envelope, what is decrypted decides as little as possible.
    pub(super) fn without_wrapper(mut self) -> Self {
        if let Some(signed) = self.wrapped() {
            self.trail.notes.push(Note::Layering("multipart/signed stands alone in multipart/mixed".to_owned()));
            self.current = signed;
        }
        self
    }

    fn wrapped(&self) -> Option<Current> {
        let limits = &self.terms.limits;
        let is = |content_type: &ContentType, essence: &str| content_type.essence() == essence;
        let wrapper = self.current.content_type.as_ref().filter(|found| is(found, "multipart/mixed"))?;
        let split = Multipart::split(&self.current.body, wrapper.param("boundary")?, limits).ok()?;
        let [part] = <[Bytes; 1]>::try_from(split.parts).ok()?;
        let entity = Entity::parse_after_blank_lines(&part, limits).ok()?;
        let content_type = entity.content_type()?.ok().filter(|found| is(found, "multipart/signed"))?;
        let body = entity.into_body();
        Some(Current { content_type: Some(content_type), transfer: None, disposition: None, body, whole: Some(part) })
    }
}
