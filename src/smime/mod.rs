//! The S/MIME transformations (RFC 8551, RFC 5402), one per file, built from the wire layers and the crypto seam.
//!
//! Nothing here knows partners or profiles: candidates and terms are handed in.

pub(crate) mod compress;
pub(crate) mod current;
pub(crate) mod decrypt;
pub(crate) mod diagnosis;
pub(crate) mod encrypt;
pub(crate) mod entity_id;
pub(crate) mod examine;
#[cfg(test)]
#[cfg(feature = "rustcrypto")]
pub(crate) mod fixtures;
pub(crate) mod forms;
pub(crate) mod inward;
pub(crate) mod layer;
pub(crate) mod mic;
pub(crate) mod outward;
pub(crate) mod passed;
pub(crate) mod peel;
pub(crate) mod scheme;
pub(crate) mod sign;
pub(crate) mod verify;

#[cfg(test)]
#[cfg(feature = "rustcrypto")]
mod envelope_tests;
#[cfg(test)]
#[cfg(feature = "rustcrypto")]
mod forgery_tests;
#[cfg(test)]
#[cfg(feature = "rustcrypto")]
mod signature_tests;
#[cfg(test)]
#[cfg(feature = "rustcrypto")]
mod writer_tests;

use bytes::Bytes;

use crate::mime::write::HeadWriter;

/// A MIME entity to be written: header fields, and the body in pieces so that a payload is not copied from layer to layer.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) body: Vec<Bytes>,
}

impl Part {
    /// The whole entity, header block first. The body is shared, not copied.
    pub(crate) fn pieces(&self) -> Result<Vec<Bytes>, crate::mime::Error> {
        let head = head_block(&self.fields)?;
        Ok(std::iter::once(Bytes::from(head)).chain(self.body.iter().cloned()).collect())
    }
}

/// The header block of an entity, with its empty line.
pub(crate) fn head_block(fields: &[(&'static str, String)]) -> Result<Vec<u8>, crate::mime::Error> {
    fields.iter().fold(HeadWriter::new(), |head, (name, value)| head.field(name, value)).finish()
}

/// Octets in all pieces together.
pub(crate) fn length(pieces: &[Bytes]) -> usize {
    pieces.iter().map(Bytes::len).sum()
}

/// The pieces as one; a single piece is not copied.
pub(crate) fn join(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut whole = Vec::with_capacity(length(&pieces));
    for piece in &pieces {
        whole.extend_from_slice(piece);
    }
    whole.into()
}
