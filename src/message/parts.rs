//! The documents of a message as one MIME entity: a single part, or multipart/related (RFC 6362).

use std::collections::HashSet;

use bytes::Bytes;

use crate::error::SendError;
use crate::message::payload::{Payload, PayloadHead};
use crate::mime::write::boundary_token;
use crate::mime::{filename, related};
use crate::name::{MessageId, printable};
use crate::note::Note;
use crate::profile::{Attachments, FilenameStyle, PartnerProfile, SendTerms};
use crate::smime::{Part, head_block, length};

/// An entity whose main document is still to come: what stands around that in the body.
#[derive(Debug)]
pub(crate) struct Around {
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) before: Vec<Bytes>,
    pub(crate) after: Vec<Bytes>,
}

impl Around {
    /// The entity with its main document; no octet is copied.
    pub(crate) fn part(self, main: Bytes) -> Part {
        Part { fields: self.fields, body: self.before.into_iter().chain([main]).chain(self.after).collect() }
    }

    /// Octets of the body around the main document.
    pub(crate) fn len(&self) -> u64 {
        u64::try_from(length(&self.before).saturating_add(length(&self.after))).unwrap_or(u64::MAX)
    }
}

/// One document as a part.
pub(crate) fn document(payload: Payload, style: FilenameStyle, fallback_id: Option<String>) -> Result<Part, SendError> {
    let (head, body) = payload.into_parts();
    Ok(Part { fields: fields(&head, style, fallback_id)?, body: vec![body] })
}

/// A single document that is still to come.
pub(crate) fn single(payload: &PayloadHead, style: FilenameStyle) -> Result<Around, SendError> {
    Ok(Around { fields: fields(payload, style, None)?, before: Vec::new(), after: Vec::new() })
}

/// The header of a document. It is always labelled binary: a label that depends on the content makes test files pass
/// and production files fail.
fn fields(
    payload: &PayloadHead,
    style: FilenameStyle,
    fallback_id: Option<String>,
) -> Result<Vec<(&'static str, String)>, SendError> {
    let mut fields = vec![("Content-Type", payload.content_type().to_string())];
    fields.push(("Content-Transfer-Encoding", "binary".to_owned()));
    if let Some(name) = payload.filename() {
        if let Some(problem) = filename::unsendable(name) {
            return Err(SendError::Filename { name: printable(name), problem });
        }
        match style {
            FilenameStyle::None => {}
            FilenameStyle::Quoted => fields.push(("Content-Disposition", filename::attachment(name, true))),
            FilenameStyle::Bare => fields.push(("Content-Disposition", filename::attachment(name, false))),
        }
    }
    if let Some(id) = payload.content_id().map(str::to_owned).or(fallback_id) {
        fields.push(("Content-ID", String::from(format!("<{id}>").parse::<MessageId>()?)));
    }
    Ok(fields)
}

/// Several documents, the main one first (RFC 6362 section 2.1, RFC 2387).
pub(crate) fn collection(
    main: &PayloadHead,
    others: Vec<Payload>,
    profile: &PartnerProfile,
    random: &[u8; 16],
) -> Result<Around, SendError> {
    let boundary = boundary_token(random);
    let style = profile.quirks.filenames;
    let fresh_id = |at: usize| format!("{:032x}.{at}@{}", u128::from_be_bytes(*random), profile.message_id_domain);
    let root_id = main.content_id().map_or_else(|| fresh_id(0), str::to_owned);
    let head = head_block(&fields(main, style, Some(root_id.clone()))?)?;
    let mut ids = HashSet::from([root_id.clone()]);
    let mut parts: Vec<Vec<Bytes>> = Vec::with_capacity(others.len());
    for (at, payload) in (1..).zip(others) {
        let id = payload.content_id().map_or_else(|| fresh_id(at), str::to_owned);
        if !ids.insert(id.clone()) {
            return Err(SendError::ContentIdTwice(printable(&id)));
        }
        parts.push(document(payload, style, Some(id))?.pieces()?);
    }
    let (before, after) = related::around(&boundary, head.into(), parts);
    Ok(Around { fields: related::fields(&boundary, main.content_type().essence(), &root_id), before, after })
}

/// RFC 6362 sections 2.2 and 2.3: by agreement, and protected.
pub(crate) fn attachment_notes(send: &SendTerms) -> Result<Vec<Note>, SendError> {
    let mut notes = Vec::new();
    match send.attachments {
        Attachments::Allow => {}
        Attachments::Warn => notes.push(Note::Attachments(
            "several documents go in one message, and nothing says that the partner takes them: see `send.attachments`"
                .to_owned(),
        )),
        Attachments::Forbid => return Err(SendError::AttachmentsForbidden),
    }
    if send.sign.is_none() && send.encrypt.is_none() {
        notes.push(Note::Plaintext(
            "several documents are sent neither signed nor encrypted, which RFC 6362 section 2.3 discourages"
                .to_owned(),
        ));
    }
    Ok(notes)
}
