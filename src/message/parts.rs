//! The documents of a message as one MIME entity: a single part, or multipart/related (RFC 6362).

use bytes::Bytes;

use crate::error::SendError;
use crate::message::payload::Payload;
use crate::mime::write::boundary_token;
use crate::mime::{filename, related};
use crate::name::{MessageId, printable};
use crate::note::Note;
use crate::profile::{Attachments, FilenameStyle, PartnerProfile, SendTerms};
use crate::smime::Part;

/// One document as a part. It is always labelled binary: a label that depends on the content makes test files pass and
/// production files fail.
pub(crate) fn document(payload: Payload, style: FilenameStyle, fallback_id: Option<String>) -> Result<Part, SendError> {
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
    Ok(Part { fields, body: vec![payload.body().clone()] })
}

/// Several documents, the main one first (RFC 6362 section 2.1, RFC 2387).
pub(crate) fn collection(
    main: Payload,
    others: Vec<Payload>,
    profile: &PartnerProfile,
    random: &[u8; 16],
) -> Result<Part, SendError> {
    let boundary = boundary_token(random);
    let fresh_id = |at: usize| format!("{:032x}.{at}@{}", u128::from_be_bytes(*random), profile.message_id_domain);
    let root_type = main.content_type().essence().to_owned();
    let mut ids: Vec<String> = Vec::with_capacity(others.len() + 1);
    let mut parts: Vec<Vec<Bytes>> = Vec::with_capacity(others.len() + 1);
    for (at, payload) in std::iter::once(main).chain(others).enumerate() {
        let id = payload.content_id().map_or_else(|| fresh_id(at), str::to_owned);
        if ids.contains(&id) {
            return Err(SendError::ContentIdTwice(printable(&id)));
        }
        parts.push(document(payload, profile.quirks.filenames, Some(id.clone()))?.pieces()?);
        ids.push(id);
    }
    let root_id = ids.first().map_or("", String::as_str);
    Ok(Part { fields: related::fields(&boundary, &root_type, root_id), body: related::write(&boundary, parts) })
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
