//! What is known about a message whose octets passed by: everything that judging it takes, without the octets.
//!
//! [`inward`](super::inward) writes it, [`peel`](super::peel) judges it, in the same order and by the same rules as
//! octets that are at hand.

use bytes::Bytes;

use crate::algorithm::{CipherAlgorithm, KeyTransport};
use crate::cms::content::ContentInfo;
use crate::crypto::DigestValue;
use crate::error::{DecryptionFault, ReceiveError};
use crate::identity::OwnCertificate;
use crate::mime::Error as MimeError;
use crate::mime::related::Documents;
use crate::note::Note;

/// A body: at hand, or passed by.
#[derive(Debug)]
pub(crate) enum Body {
    Whole(Bytes),
    Passed(Box<Passed>),
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

/// A body that passed by.
#[derive(Debug)]
pub(crate) enum Passed {
    Payload(PassedPayload),
    Signed(SignedParts),
    Cms(Box<PassedCms>),
    /// multipart/mixed around one multipart/signed.
    Wrapped(Result<PassedEntity, ReceiveError>),
    /// The nesting is too deep, or a type cannot be read: nothing was looked at.
    Unread,
}

/// The innermost body.
#[derive(Debug)]
pub(crate) struct PassedPayload {
    /// Whether its transfer encoding was good.
    pub(crate) decoded: Result<(), MimeError>,
    /// Digests of what the MIC covers, where nothing is signed.
    pub(crate) digests: Vec<DigestValue>,
    /// The documents of a collection, without their octets.
    pub(crate) documents: Result<Documents, MimeError>,
}

/// multipart/signed, taken apart.
#[derive(Debug)]
pub(crate) struct SignedParts {
    pub(crate) notes: Vec<Note>,
    /// Whether nothing follows the close delimiter.
    pub(crate) exact: bool,
    /// The signed content and the signature part.
    pub(crate) parts: Result<(Content, Bytes), ReceiveError>,
}

/// What a layer holds.
#[derive(Debug)]
pub(crate) enum Content {
    Whole(Bytes),
    Passed(PassedContent),
}

/// Content of a signature.
#[derive(Debug)]
pub(crate) struct PassedContent {
    pub(crate) digests: FormDigests,
    pub(crate) entity: PassedEntity,
}

/// Digests of content as it came, and of its CRLF form if that is another one.
#[derive(Clone, Debug, Default)]
pub(crate) struct FormDigests {
    pub(crate) raw: Vec<DigestValue>,
    pub(crate) canonical: Vec<DigestValue>,
}

/// An entity.
#[derive(Debug)]
pub(crate) struct PassedEntity {
    /// The header block with its empty line; `None` where there is none.
    pub(crate) head: Option<Bytes>,
    pub(crate) body: Box<Passed>,
}

/// A CMS object that was read.
#[derive(Debug)]
pub(crate) struct CmsRead {
    /// Without its content, if that passed by.
    pub(crate) info: ContentInfo,
    /// Octets of padding behind it.
    pub(crate) trailing: usize,
}

/// A CMS object.
#[derive(Debug)]
pub(crate) struct PassedCms {
    pub(crate) notes: Vec<Note>,
    /// Whether it came as text, in which moved blocks show.
    pub(crate) text: bool,
    pub(crate) read: Result<CmsRead, ReceiveError>,
    pub(crate) inside: Inside,
}

/// What was done with the content of a CMS object.
#[derive(Debug)]
pub(crate) enum Inside {
    /// There was none, or it was not looked at since the object is not opened.
    Nothing,
    Sealed(Result<PassedEnvelope, ReceiveError>),
    Compressed(Result<(PassedEntity, Option<Note>), ReceiveError>),
    Signed(PassedContent),
    /// The content of an envelope that ended before its key was asked: it is at hand.
    Late(Bytes),
}

/// An envelope whose key was asked.
#[derive(Debug)]
pub(crate) struct PassedEnvelope {
    pub(crate) envelope_key: Vec<u8>,
    pub(crate) cipher: CipherAlgorithm,
    pub(crate) transport: KeyTransport,
    pub(crate) own: OwnCertificate,
    /// The entity inside, and the fault of its padding.
    pub(crate) opened: Result<(PassedEntity, Option<DecryptionFault>), ReceiveError>,
}
