//! The shell around content that comes piece by piece: in DER where its length is known and short enough, else in
//! segments (X.690 section 8.7.3).

use crate::cms::ber;
use crate::cms::write::{Nest, header, size};

/// A shell as long as this or longer is written in segments: Java reads lengths into `int`, and products on top of it
/// refuse 2^31-1 octets and more.
pub(crate) const LONGEST_DEFINITE: u64 = (1 << 31) - 1;

/// Octets of each segment but the last.
const SEGMENT: u64 = 64 << 10;
/// Room for a segment and what is usually written at a time, so that the buffer is not moved.
const ROOM: usize = 112 << 10;

/// The headers that lead to content, the content, and what ends them.
#[derive(Debug)]
pub(crate) struct Frame {
    nest: Nest,
    form: Form,
    /// Octets of the content, if they are known.
    content: Option<u64>,
}

#[derive(Debug)]
enum Form {
    Definite,
    /// With what has not filled a segment yet.
    Segments(Vec<u8>),
}

impl Frame {
    /// A shell around `content` octets, `None` for a number that is not known. It has definite lengths if it stays
    /// shorter than `longest_definite`.
    pub(crate) fn new(nest: Nest, content: Option<u64>, longest_definite: u64) -> Self {
        let definite = content.is_some_and(|content| nest.definite_len(content) < longest_definite);
        let form = if definite { Form::Definite } else { Form::Segments(Vec::with_capacity(ROOM)) };
        Self { nest, form, content }
    }

    /// Octets of the shell with its content, if they are known.
    pub(crate) fn total(&self) -> Option<u64> {
        let content = self.content?;
        match self.form {
            Form::Definite => Some(self.nest.definite_len(content)),
            Form::Segments(_) => Some(self.nest.indefinite_len().saturating_add(segmented(content))),
        }
    }

    /// Writes the headers.
    pub(crate) fn begin(&self, out: &mut Vec<u8>) {
        match (&self.form, self.content) {
            (Form::Definite, Some(content)) => out.extend_from_slice(&self.nest.prefix(content)),
            _ => self.nest.open(out),
        }
    }

    /// Lets `write` append further content.
    pub(crate) fn fill<T>(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let Form::Segments(waiting) = &mut self.form else { return write(out) };
        let written = write(waiting);
        let segment = usize::try_from(SEGMENT).unwrap_or(usize::MAX);
        let mut segments = waiting.chunks_exact(segment);
        for whole in segments.by_ref() {
            write_segment(whole, out);
        }
        let rest = segments.remainder().len();
        waiting.drain(..waiting.len() - rest);
        written
    }

    /// Ends the content and the shell; `after` stands behind the content, in the element that has room for it.
    pub(crate) fn finish(self, after: &[u8], out: &mut Vec<u8>) {
        match self.form {
            Form::Definite => out.extend_from_slice(after),
            Form::Segments(waiting) => {
                if !waiting.is_empty() {
                    write_segment(&waiting, out);
                }
                self.nest.close(after, out);
            }
        }
    }
}

fn write_segment(octets: &[u8], out: &mut Vec<u8>) {
    header(ber::OCTET_STRING, u64::try_from(octets.len()).unwrap_or(u64::MAX), out);
    out.extend_from_slice(octets);
}

/// Octets of so much content in segments, with their headers.
fn segmented(content: u64) -> u64 {
    let last = match content % SEGMENT {
        0 => 0,
        rest => size(rest),
    };
    (content / SEGMENT).saturating_mul(size(SEGMENT)).saturating_add(last)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Limits;
    use crate::cms::compressed::compressed;
    use crate::cms::content::{ContentInfo, read};

    fn framed(content: &[u8], known: bool, longest_definite: u64, chunk: usize) -> (Vec<u8>, Option<u64>) {
        let length = known.then_some(u64::try_from(content.len()).unwrap());
        let mut frame = Frame::new(compressed(), length, longest_definite);
        let (total, mut out) = (frame.total(), Vec::new());
        frame.begin(&mut out);
        for chunk in content.chunks(chunk) {
            frame.fill(&mut out, |room| room.extend_from_slice(chunk));
        }
        frame.finish(b"", &mut out);
        (out, total)
    }

    #[test]
    fn segments_have_one_size_and_a_computable_total() {
        for length in [0usize, 1, 127, 128, 65_535, 65_536, 65_537, 131_072, 200_000] {
            let content: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let (whole, total) = framed(&content, true, 0, length.max(1));
            assert_eq!(total, Some(u64::try_from(whole.len()).unwrap()), "{length}");
            for chunk in [1, 4_096, 70_000] {
                assert_eq!(framed(&content, true, 0, chunk).0, whole, "{length} by {chunk}");
            }
            assert_eq!(framed(&content, false, u64::MAX, 999), (whole.clone(), None), "{length}");
            let (ContentInfo::Compressed(read), _) = read(Bytes::from(whole), &Limits::default()).unwrap() else {
                panic!("not compressed data")
            };
            assert_eq!(read.content, content, "{length}");
        }
    }

    #[test]
    fn the_shell_as_a_whole_decides_the_form() {
        let (der, total) = framed(&[7; 300], true, LONGEST_DEFINITE, 100);
        let length = u64::try_from(der.len()).unwrap();
        assert_eq!((total, der[1]), (Some(length), 0x82));
        assert_eq!(framed(&[7; 300], true, length + 1, 300).0, der);
        assert_eq!(framed(&[7; 300], true, length, 300).0[1], 0x80, "not shorter than the longest");
    }
}
