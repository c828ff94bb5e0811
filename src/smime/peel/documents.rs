//! The documents of a message that is open: taken apart, and their file names looked at.

use bytes::Bytes;

use super::{Peel, mime};
use crate::error::ReceiveError;
use crate::mime::related::{Document, Documents, is_collection};
use crate::mime::{filename, related};
use crate::note::Note;
use crate::profile::FilenameRule;

impl Peel {
    /// The documents of a collection (RFC 6362 section 2.4).
    pub(super) fn documents(
        &mut self,
        payload: Option<&Bytes>,
        passed: Option<Result<Documents, crate::mime::Error>>,
    ) -> Result<Vec<Document>, ReceiveError> {
        let collection = self.current.content_type.as_ref().filter(|kind| is_collection(Some(kind)));
        let Some(content_type) = collection else { return Ok(Vec::new()) };
        let nesting = self.terms.limits.nesting.saturating_sub(self.trail.layers.len());
        let at_hand = payload.map(|payload| related::read(content_type, payload, &self.terms.limits, nesting));
        let Some(read) = passed.or(at_hand) else { return Ok(Vec::new()) };
        let read = read.map_err(mime("attachments"))?;
        self.trail.notes.extend(read.notes.into_iter().map(Note::Attachments));
        Ok(read.all)
    }

    /// File names that are not safe as they stand: the agreement says whether they are mended.
    pub(super) fn check_filenames(&mut self, documents: &[Document]) -> Result<(), ReceiveError> {
        let own = self.current.filename().filter(|_| documents.is_empty());
        for raw in documents.iter().filter_map(|document| document.filename.clone()).chain(own) {
            let safe = filename::safe(&raw);
            if safe.as_deref() == Some(&*raw) {
                continue;
            }
            let raw = crate::name::printable(&raw);
            if self.terms.accept.filenames == FilenameRule::Refuse {
                return Err(ReceiveError::IllegalFilename(raw));
            }
            self.trail.notes.push(Note::Filename { raw, safe });
        }
        Ok(())
    }
}
