//! CompressedData (RFC 3274).

use bytes::Bytes;

use crate::cms::ber::{self, Cursor};
use crate::cms::reader::Structure;
use crate::cms::write::{Nest, integer, oid as write_oid};
use crate::cms::{AlgorithmIdentifier, Error, ErrorKind, oid};
use crate::limits::Limits;

/// A received CompressedData.
#[derive(Clone, Debug)]
pub(crate) struct CompressedData {
    pub(crate) algorithm: AlgorithmIdentifier,
    pub(crate) content: Bytes,
}

impl CompressedData {
    pub(crate) fn read(structure: &Structure, content: Option<Bytes>, limits: &Limits) -> Result<Self, Error> {
        let depth = limits.ber_depth;
        let captured = structure.head.iter().find(|captured| captured.tag == ber::SEQUENCE);
        let captured = captured.ok_or_else(|| Error::new(ErrorKind::Missing("the compression algorithm"), 0))?;
        let sequence = Cursor::new(&captured.raw, depth).expect(ber::SEQUENCE, "an algorithm")?;
        Ok(Self {
            algorithm: AlgorithmIdentifier::read(sequence.content, depth)?,
            content: content.ok_or_else(|| Error::new(ErrorKind::Missing("the compressed content"), 0))?,
        })
    }
}

/// The shell around a zlib stream; nothing follows the stream.
pub(crate) fn compressed() -> Nest {
    let algorithm = AlgorithmIdentifier { oid: oid::ZLIB, parameters: None };
    Nest::new()
        .with(ber::SEQUENCE, write_oid(&oid::COMPRESSED_DATA), 0)
        .with(ber::CONTEXT_0_CONSTRUCTED, Vec::new(), 0)
        .with(ber::SEQUENCE, [integer(0), algorithm.encode()].concat(), 0)
        .with(ber::SEQUENCE, write_oid(&oid::DATA), 0)
        .with(ber::CONTEXT_0_CONSTRUCTED, Vec::new(), 0)
        .with(ber::OCTET_STRING, Vec::new(), 0)
}
