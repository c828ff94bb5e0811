//! The entity that is looked at: the outermost one, or the one inside the layers opened so far.

use bytes::Bytes;

use crate::limits::Limits;
use crate::mime::entity::Entity;
use crate::mime::param::ContentType;
use crate::mime::transfer::TransferEncoding;
use crate::mime::{Error as MimeError, filename};
use crate::smime::layer::is_cms;
use crate::smime::passed::{Body, PassedEntity};

/// What errors call the body of application/pkcs7-mime.
pub(crate) const CMS_PART: &str = "application/pkcs7-mime";

/// The outermost entity, or the one inside the layers opened so far.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) content_type: Option<ContentType>,
    pub(crate) transfer: Option<Vec<u8>>,
    pub(crate) disposition: Option<Vec<u8>>,
    pub(crate) body: Body,
    /// Header and body as transmitted, empty where they passed by; `None` outermost, where the header is HTTP's.
    pub(crate) whole: Option<Bytes>,
}

/// What an entity is to be opened as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Payload,
    MultipartSigned,
    Cms,
}

impl Kind {
    /// Judges by the type, and by the file name where the type says nothing.
    pub(crate) fn of(content_type: Option<&ContentType>, disposition: Option<&[u8]>) -> Self {
        let Some(known) = content_type else { return Self::Payload };
        match known.essence() {
            "multipart/signed" => Self::MultipartSigned,
            _ if is_cms(known, disposition) => Self::Cms,
            _ => Self::Payload,
        }
    }
}

impl Current {
    pub(crate) fn kind(&self) -> Kind {
        Kind::of(self.content_type.as_ref(), self.disposition.as_deref())
    }

    pub(crate) fn filename(&self) -> Option<String> {
        filename::received(self.disposition.as_deref(), self.content_type.as_ref())
    }

    pub(crate) fn transfer_encoding(&self) -> Result<TransferEncoding, MimeError> {
        self.transfer.as_deref().map_or(Ok(TransferEncoding::Binary), TransferEncoding::read)
    }
}

/// What a layer held.
#[derive(Debug)]
pub(crate) enum Inner {
    Whole(Bytes),
    Passed(PassedEntity),
}

impl Inner {
    /// The header, if there is one with any field in it; the body; and both together, empty where they passed by.
    pub(crate) fn parse(self, limits: &Limits) -> (Option<Entity>, Body, Bytes) {
        match self {
            Self::Whole(content) => match Entity::parse_after_blank_lines(&content, limits) {
                Ok(entity) if !entity.fields().is_empty() => {
                    let body = Body::Whole(entity.body());
                    (Some(entity), body, content)
                }
                _ => (None, Body::Whole(content.clone()), content),
            },
            Self::Passed(PassedEntity { head, body }) => {
                let entity = head.and_then(|head| Entity::parse(head, limits).ok());
                (entity, Body::Passed(body), Bytes::new())
            }
        }
    }
}
