//! Reading layers whose octets are at hand.

use bytes::Bytes;

use crate::cms::Error as CmsError;
use crate::cms::content::{self, ContentKind};
use crate::error::{DecompressionFault, ReceiveError};
use crate::limits::Limits;
use crate::mime::multipart::Multipart;
use crate::mime::param::ContentType;
use crate::smime::compress::is_zlib;
use crate::smime::layer::{declared_smime_type, surroundings_notes};
use crate::smime::passed::{CmsRead, Content, SignedParts};

use super::mime;

impl SignedParts {
    pub(super) fn split(body: Bytes, boundary: &str, limits: &Limits) -> Result<Self, ReceiveError> {
        let split = Multipart::split(&body, boundary, limits).map_err(mime("multipart/signed"))?;
        drop(body);
        let (notes, exact) = (surroundings_notes(&split), split.exactly_consumed());
        let parts = match <[Bytes; 2]>::try_from(split.parts) {
            Ok([content, signature]) => Ok((Content::Whole(content), signature)),
            Err(parts) => Err(number_of_parts(parts.len())),
        };
        Ok(Self { notes, exact, parts })
    }
}

/// multipart/signed has two parts (RFC 1847 section 2.1).
pub(crate) fn number_of_parts(parts: usize) -> ReceiveError {
    ReceiveError::UnsupportedContent(format!("multipart/signed with {parts} parts instead of 2"))
}

/// Reads a CMS object without its transfer encoding.
pub(super) fn read_cms(
    octets: Bytes,
    content_type: Option<&ContentType>,
    limits: &Limits,
) -> Result<CmsRead, ReceiveError> {
    if is_zlib(&octets) {
        return Err(ReceiveError::Decompression(DecompressionFault::BareZlib));
    }
    let kind = content::sniff(&octets);
    let (info, shape) = content::read(octets, limits).map_err(|error| cms_error(error, kind, content_type))?;
    Ok(CmsRead { info, trailing: shape.trailing })
}

/// Which layer cannot be read: the object tells, else its label.
pub(crate) fn cms_error(
    error: CmsError,
    kind: Option<ContentKind>,
    content_type: Option<&ContentType>,
) -> ReceiveError {
    match kind {
        Some(ContentKind::Signed) => ReceiveError::SignatureFormat(error),
        Some(ContentKind::Compressed) => ReceiveError::Decompression(DecompressionFault::Format(error)),
        _ if declared_smime_type(content_type).as_deref() == Some("compressed-data") => {
            ReceiveError::Decompression(DecompressionFault::Format(error))
        }
        _ => ReceiveError::EnvelopeFormat(error),
    }
}
