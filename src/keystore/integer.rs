//! Integers of files: read as unsigned whatever their sign octet says, written as DER wants them.

use super::KeyStoreError;
use crate::cms::ber::{self, Cursor};
use crate::cms::write::tlv;
use crate::cms::{Error, ErrorKind};

/// The octets of an unsigned number without leading zeros. Some writers leave out the zero that keeps a number from
/// looking negative; nothing in these files is negative.
pub(super) fn significant(content: &[u8]) -> &[u8] {
    let zeros = content.iter().take_while(|octet| **octet == 0).count();
    content.get(zeros..).unwrap_or_default()
}

/// One INTEGER.
pub(super) fn encode(number: &[u8]) -> Vec<u8> {
    let octets = significant(number);
    match octets.first() {
        Some(first) if first & 0x80 == 0 => tlv(ber::INTEGER, &[octets]),
        _ => tlv(ber::INTEGER, &[&[0], octets]),
    }
}

/// The next element as a small number; larger ones are `u64::MAX`.
pub(super) fn small(cursor: &mut Cursor<'_>, part: &'static str) -> Result<u64, KeyStoreError> {
    let element = cursor.expect(ber::INTEGER, part).map_err(KeyStoreError::at(part))?;
    if element.content.first().is_none_or(|first| first & 0x80 != 0) {
        return Err(KeyStoreError::at(part)(Error::new(ErrorKind::Value(part), 0)));
    }
    let octets = significant(element.content);
    if octets.len() > 8 {
        return Ok(u64::MAX);
    }
    Ok(octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
}
