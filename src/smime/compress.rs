//! Compressing and inflating: CompressedData with zlib (RFC 3274, RFC 5402).

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::cms::compressed::{CompressedData, compressed};
use crate::cms::frame::Frame;
use crate::cms::oid;
use crate::error::DecompressionFault;
use crate::limits::Limits;
use crate::mime::transfer::{TransferEncoding, decode};
use crate::note::Note;
use crate::smime::Part;
use crate::smime::encrypt::pkcs7_mime;

/// Compresses the entity in `pieces`.
pub(crate) fn compress(pieces: &[Bytes]) -> Part {
    let mut deflater = Compress::new(Compression::default(), true);
    // The length of the stream, and of the header with it, is known at the end only: room is left for that.
    let mut cms = vec![0; HEADROOM];
    for piece in pieces {
        deflate(&mut deflater, piece, FlushCompress::None, &mut cms);
    }
    deflate(&mut deflater, &[], FlushCompress::Finish, &mut cms);
    let packed = cms.len().saturating_sub(HEADROOM);
    let prefix = compressed().prefix(u64::try_from(packed).unwrap_or(u64::MAX));
    let begin = HEADROOM.saturating_sub(prefix.len());
    if let Some(room) = cms.get_mut(begin..HEADROOM) {
        room.copy_from_slice(&prefix);
    }
    Part { fields: fields(), body: vec![Bytes::from(cms).slice(begin..)] }
}

/// Header of the entity around the CMS object.
fn fields() -> Vec<(&'static str, String)> {
    pkcs7_mime("compressed-data", "smime.p7z")
}

/// A CompressedData that is being filled: content goes in, the CMS object comes out in segments.
pub(crate) struct Deflating {
    deflater: Compress,
    frame: Frame,
    /// What does not fill a block yet. zlib-rs gives other octets for other pieces, all of them right; in blocks it
    /// gives one result for one content.
    block: Vec<u8>,
}

impl Deflating {
    pub(crate) fn new() -> Self {
        let deflater = Compress::new(Compression::default(), true);
        Self { deflater, frame: Frame::new(compressed(), None, 0), block: Vec::with_capacity(BLOCK) }
    }

    /// Header of the entity around the CMS object.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        fields()
    }

    pub(crate) fn begin(&self, out: &mut Vec<u8>) {
        self.frame.begin(out);
    }

    pub(crate) fn push(&mut self, mut content: &[u8], out: &mut Vec<u8>) {
        while !content.is_empty() {
            let room = BLOCK.saturating_sub(self.block.len());
            let (now, later) = content.split_at_checked(room).unwrap_or((content, &[]));
            self.block.extend_from_slice(now);
            content = later;
            if self.block.len() == BLOCK {
                self.deflate(FlushCompress::None, out);
            }
        }
    }

    pub(crate) fn finish(mut self, out: &mut Vec<u8>) {
        self.deflate(FlushCompress::Finish, out);
        self.frame.finish(b"", out);
    }

    fn deflate(&mut self, flush: FlushCompress, out: &mut Vec<u8>) {
        let Self { deflater, frame, block } = self;
        frame.fill(out, |room| deflate(deflater, block, flush, room));
        block.clear();
    }
}

fn deflate(deflater: &mut Compress, mut input: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    let finishing = matches!(flush, FlushCompress::Finish);
    loop {
        grow(out);
        let before = deflater.total_in();
        // Deflating into memory that was just reserved cannot fail.
        let status = deflater.compress_vec(input, out, flush);
        let used = usize::try_from(deflater.total_in() - before).unwrap_or(usize::MAX);
        input = input.get(used..).unwrap_or_default();
        match status {
            Ok(Status::StreamEnd) | Err(_) => return,
            Ok(_) if !finishing && input.is_empty() && out.len() < out.capacity() => return,
            Ok(_) => {}
        }
    }
}

/// Makes room for more output, in steps of a sixteenth: a buffer that doubles would cost twice the message.
fn grow(out: &mut Vec<u8>) {
    if out.capacity() - out.len() < STEP {
        out.reserve_exact((out.len() / 16).max(STEP));
    }
}

/// The inflating push machine: bounded output and ratio, bounded state.
pub(crate) struct Inflater {
    inner: Decompress,
    budget: InflateBudget,
    ended: bool,
    trailing: u64,
}

/// What inflating may still cost; shared by all layers of a message.
#[derive(Clone, Debug)]
pub(crate) struct InflateBudget {
    limit: u64,
    ratio: u64,
    allowance: u64,
    spent: u64,
}

impl InflateBudget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limit: limits.inflated, ratio: limits.inflate_ratio, allowance: limits.inflate_allowance, spent: 0 }
    }

    fn check(&self, inflated: u64, compressed: u64) -> Result<(), DecompressionFault> {
        if self.spent.saturating_add(inflated) > self.limit {
            return Err(DecompressionFault::TooLarge { limit: self.limit });
        }
        if inflated > self.allowance.saturating_add(compressed.saturating_mul(self.ratio)) {
            return Err(DecompressionFault::Ratio { ratio: self.ratio });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl Inflater {
    pub(crate) fn new(budget: InflateBudget) -> Self {
        Self { inner: Decompress::new(true), budget, ended: false, trailing: 0 }
    }

    /// Inflates one chunk into `out`.
    pub(crate) fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), DecompressionFault> {
        while !input.is_empty() {
            if self.ended {
                self.trailing = self.trailing.saturating_add(u64::try_from(input.len()).unwrap_or(u64::MAX));
                return Ok(());
            }
            let used = self.step(input, out)?;
            input = input.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// Inflates one chunk, and hands out what comes of it in pieces of bounded length.
    pub(crate) fn push_each(
        &mut self,
        mut input: &[u8],
        window: &mut Vec<u8>,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), DecompressionFault> {
        while !input.is_empty() && !self.ended {
            let used = self.step(input, window)?;
            each(window);
            window.clear();
            input = input.get(used..).unwrap_or_default();
        }
        self.push(input, window)
    }

    fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, DecompressionFault> {
        out.reserve(CHUNK);
        let before = self.inner.total_in();
        let status = self
            .inner
            .decompress_vec(input, out, FlushDecompress::None)
            .map_err(|_| DecompressionFault::Damaged { offset: before })?;
        self.budget.check(self.inner.total_out(), self.inner.total_in())?;
        self.ended = matches!(status, Status::StreamEnd);
        Ok(usize::try_from(self.inner.total_in() - before).unwrap_or(usize::MAX))
    }

    /// Ends the stream; gives the budget that is left.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) -> Result<InflateBudget, DecompressionFault> {
        // Output may still be pending although all input is consumed.
        while !self.ended {
            let produced = self.inner.total_out();
            self.step(&[], out)?;
            if self.inner.total_out() == produced && !self.ended {
                return Err(DecompressionFault::Truncated { offset: self.inner.total_in() });
            }
        }
        if self.trailing > 0 {
            return Err(DecompressionFault::Trailing { count: self.trailing });
        }
        self.budget.spent = self.budget.spent.saturating_add(self.inner.total_out());
        Ok(self.budget)
    }
}

/// Inflates a whole stream.
pub(crate) fn inflate(packed: &[u8], budget: InflateBudget) -> Result<(Vec<u8>, InflateBudget), DecompressionFault> {
    let mut out = Vec::with_capacity(packed.len().saturating_mul(2).min(FIRST_GUESS));
    let mut inflater = Inflater::new(budget);
    inflater.push(packed, &mut out)?;
    let budget = inflater.finish(&mut out)?;
    Ok((out, budget))
}

/// What a CompressedData holds (RFC 3274 section 1.1), and what was tolerated: phpas2 writes the zlib stream as base64
/// text into the octet string (measured).
pub(crate) fn unpack(
    data: &CompressedData,
    budget: InflateBudget,
) -> Result<(Vec<u8>, InflateBudget, Option<Note>), DecompressionFault> {
    if data.algorithm.oid != oid::ZLIB {
        return Err(DecompressionFault::Algorithm(data.algorithm.oid.to_string()));
    }
    if !is_zlib_in_base64(&data.content) {
        let (plain, budget) = inflate(&data.content, budget)?;
        return Ok((plain, budget, None));
    }
    let decoded = decode(TransferEncoding::Base64, data.content.clone()).map_err(|_| DecompressionFault::Base64)?;
    let (plain, budget) = inflate(&decoded, budget)?;
    Ok((plain, budget, Some(base64_note())))
}

/// That the zlib stream is base64 text.
pub(crate) fn base64_note() -> Note {
    Note::TransferEncoding("the zlib stream inside CompressedData is base64 text".to_owned())
}

/// Whether octets begin with a zlib header (RFC 1950 section 2.2), which no CMS object does.
pub(crate) fn is_zlib(octets: &[u8]) -> bool {
    let Some(header @ [method, _]) = octets.first_chunk::<2>() else { return false };
    method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes(*header) % 31 == 0
}

/// Whether octets begin as the base64 of a zlib stream with the usual window (`eJyl...`), which no zlib stream does:
/// phpas2 writes such text into CompressedData.
pub(crate) fn is_zlib_in_base64(octets: &[u8]) -> bool {
    matches!(octets, [b'e', b'A'..=b'P', ..])
}

/// Octets of room in front of a zlib stream: the headers of CompressedData have 48 at most.
const HEADROOM: usize = 96;
/// Octets that are deflated at a time where they come piece by piece.
const BLOCK: usize = 32 << 10;
/// Octets of output room per step of deflating.
const STEP: usize = 16 << 10;
/// Octets of output room per step: what a bomb can cost beyond the limits.
const CHUNK: usize = 64 << 10;
/// Room reserved at first, whatever the stream's length.
const FIRST_GUESS: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let part = compress(&[Bytes::copy_from_slice(content)]);
        let cms = part.body[0].clone();
        let limits = Limits::default();
        match crate::cms::content::read(cms, &limits).unwrap().0 {
            crate::cms::content::ContentInfo::Compressed(data) => data.content.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn x19_round_trip_in_pieces_and_octets() {
        let content: Vec<u8> = (0..200_000u32).flat_map(|n| (n % 1000).to_le_bytes()).collect();
        let stream = packed(&content);
        let limits = Limits::default();
        assert_eq!(inflate(&stream, InflateBudget::new(&limits)).unwrap().0, content);
        let (mut inflater, mut out) = (Inflater::new(InflateBudget::new(&limits)), Vec::new());
        for octet in &stream {
            inflater.push(std::slice::from_ref(octet), &mut out).unwrap();
        }
        inflater.finish(&mut out).unwrap();
        assert_eq!(out, content);
    }

    #[test]
    fn x20_truncated_damaged_and_trailing_streams() {
        let stream = packed(b"ISA*00*          *00*");
        let budget = || InflateBudget::new(&Limits::default());
        for end in 0..stream.len() {
            assert!(matches!(inflate(&stream[..end], budget()), Err(DecompressionFault::Truncated { .. })), "{end}");
        }
        let mut longer = stream.clone();
        longer.extend_from_slice(b"\r\n!");
        assert_eq!(inflate(&longer, budget()).unwrap_err(), DecompressionFault::Trailing { count: 3 });
        let mut adler = stream;
        *adler.last_mut().unwrap() ^= 1;
        assert!(matches!(inflate(&adler, budget()), Err(DecompressionFault::Damaged { .. })));
    }

    #[test]
    fn zlib_is_told_from_base64_and_from_cms() {
        for level in 0..=9 {
            let mut deflater = flate2::write::ZlibEncoder::new(Vec::new(), Compression::new(level));
            std::io::Write::write_all(&mut deflater, b"ISA").unwrap();
            let stream = deflater.finish().unwrap();
            let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &stream);
            assert!(is_zlib(&stream) && !is_zlib_in_base64(&stream), "{level}");
            assert!(is_zlib_in_base64(text.as_bytes()) && !is_zlib(text.as_bytes()), "{level}");
        }
        let short: [&[u8]; 4] = [b"", b"x", b"0\x80", b"e"];
        assert!(!short.iter().any(|octets| is_zlib(octets) || is_zlib_in_base64(octets)));
    }

    #[test]
    fn u13_bombs_stop_at_the_limits() {
        let stream = packed(&vec![0; 8 << 20]);
        let limits = Limits { inflated: 1 << 20, ..Limits::default() };
        assert!(matches!(inflate(&stream, InflateBudget::new(&limits)), Err(DecompressionFault::TooLarge { .. })));
        let limits = Limits { inflate_allowance: 1 << 10, ..Limits::default() };
        assert!(matches!(inflate(&stream, InflateBudget::new(&limits)), Err(DecompressionFault::Ratio { .. })));
    }
}
