//! Wire readers for the benches of this repository.

use bytes::Bytes;

use crate::limits::Limits;

/// Splits a multipart body; the number of parts.
#[must_use]
pub fn multipart_parts(body: &Bytes, boundary: &str) -> usize {
    crate::mime::multipart::Multipart::split(body, boundary, &Limits::default()).map_or(0, |split| split.parts.len())
}

/// Reads a CMS object; the number of content pieces.
#[must_use]
pub fn cms_segments(octets: Bytes) -> u64 {
    crate::cms::content::read(octets, &Limits::default()).map_or(0, |(_, shape)| shape.segments)
}
