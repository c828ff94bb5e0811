//! The layers of a message, and what is odd about their labels.

use bytes::Bytes;

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm, KeyTransport};
use crate::cms::content::ContentInfo;
use crate::limits::Limits;
use crate::mime::entity::Entity;
use crate::mime::filename;
use crate::mime::multipart::{Closed, Multipart};
use crate::mime::param::ContentType;
use crate::note::Note;

/// One security layer of a message, outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layer {
    /// A signature: multipart/signed, or signed-data around its content.
    Signed(DigestAlgorithm),
    /// Encryption.
    Encrypted(CipherAlgorithm, KeyTransport),
    /// Compression.
    Compressed,
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Signed(digest) => write!(f, "signed ({digest})"),
            Self::Encrypted(cipher, transport) => write!(f, "encrypted ({cipher}, {transport})"),
            Self::Compressed => f.write_str("compressed (zlib)"),
        }
    }
}

/// Whether an entity says that it is a CMS object. Partners who send encrypted files through generic stacks label them by
/// name only (RFC 8551 section 3.10).
pub(crate) fn is_cms(content_type: &ContentType, disposition: Option<&[u8]>) -> bool {
    let is_smime = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.ends_with(".p7m") || name.ends_with(".p7z")
    };
    match content_type.essence() {
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => true,
        "application/octet-stream" => {
            let by_type = content_type.param("name").is_some_and(is_smime);
            by_type || filename::received(disposition, Some(content_type)).as_deref().is_some_and(is_smime)
        }
        _ => false,
    }
}

/// The `smime-type` parameter in lower case: a hint, which the object identifier overrules.
pub(crate) fn declared_smime_type(content_type: Option<&ContentType>) -> Option<String> {
    content_type?.param("smime-type").map(str::to_ascii_lowercase)
}

/// A label that does not fit the object.
pub(crate) fn smime_type_note(content_type: Option<&ContentType>, info: &ContentInfo) -> Option<Note> {
    let actual = match info {
        ContentInfo::Enveloped(_) => "enveloped-data",
        ContentInfo::AuthEnveloped(_) => "authEnveloped-data",
        ContentInfo::Compressed(_) => "compressed-data",
        ContentInfo::Signed(_) => "signed-data",
    };
    let declared = declared_smime_type(content_type);
    let fits = declared.as_deref().is_some_and(|declared| declared.eq_ignore_ascii_case(actual));
    (!fits).then(|| Note::SmimeType { declared, actual: actual.to_owned() })
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A `micalg` that does not fit the signature: interop knows many, so the signature decides.
pub(crate) fn micalg_note(declared: &str, actual: DigestAlgorithm) -> Option<Note> {
    let fits = DigestAlgorithm::from_micalg(declared) == Some(actual);
    (!fits).then(|| Note::Micalg { declared: declared.to_owned(), actual })
}

/// Whether an entity ends with its header.
pub(crate) fn is_head(entity: &[u8]) -> bool {
    let blank = b"\r\n\r\n";
    memchr::memmem::find(entity, blank).is_some_and(|at| at + blank.len() == entity.len())
}

/// What stands around the parts of multipart/signed.
pub(crate) fn surroundings_notes(split: &Multipart) -> Vec<Note> {
    surroundings(as_u64(split.preamble.len()), split.closed)
}

/// The same, of parts that passed by.
pub(crate) fn surroundings(preamble: u64, closed: Closed) -> Vec<Note> {
    let mut notes = Vec::new();
    if preamble > 0 {
        notes.push(Note::Surroundings(format!("{preamble} octets before the first boundary were skipped")));
    }
    if closed != Closed::Proper {
        notes.push(Note::Surroundings("the last boundary of multipart/signed is missing or misspelt".to_owned()));
    }
    notes
}

/// A boundary that is given twice: the first was taken, another reader may take the second.
pub(crate) fn boundary_note(content_type: &ContentType) -> Option<Note> {
    let twice = content_type.repeats("boundary");
    twice.then(|| Note::Other("the boundary of multipart/signed is given more than once".to_owned()))
}

/// Whether a body may begin with a header once more.
pub(crate) fn may_repeat_head(body: &[u8]) -> bool {
    let mut line = body.iter().take(MAX_LINE).take_while(|octet| **octet != b'\n');
    body.first() != Some(&0x30) && line.any(|octet| *octet == b':')
}

/// That [`repeated_head`] found one.
pub(crate) fn repeated_head_note() -> Note {
    Note::Surroundings("the MIME header is repeated in the body".to_owned())
}

/// Octets of a line of a message (RFC 5322 section 2.1.1).
const MAX_LINE: usize = 998;

/// Transfer encoding and octets of a CMS object whose MIME header stands in the body once more, as asx-rs and early
/// versions of the Ruby gem write it. Neither DER nor base64 starts with a line that has a colon.
pub(crate) fn repeated_head(body: &Bytes, limits: &Limits) -> Option<(Option<Vec<u8>>, Bytes)> {
    if !may_repeat_head(body) {
        return None;
    }
    let entity = Entity::parse(body.clone(), limits).ok()?;
    let content_type = entity.content_type()?.ok()?;
    let is_cms = matches!(content_type.essence(), "application/pkcs7-mime" | "application/x-pkcs7-mime");
    let transfer = entity.fields().get("content-transfer-encoding").map(|value| value.into_owned());
    is_cms.then(|| (transfer, entity.into_body()))
}
