//! Content-Transfer-Encoding (RFC 2045 section 6): decoding as a push machine that also works in place.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use crate::mime::param::extended::hex_pair;
use crate::mime::{Error, ErrorKind};

/// A transfer encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransferEncoding {
    SevenBit,
    EightBit,
    Binary,
    Base64,
    QuotedPrintable,
}

impl TransferEncoding {
    /// Reads a header value in any case, with quotes or comments around it.
    pub(crate) fn read(value: &[u8]) -> Result<Self, Error> {
        let text = String::from_utf8_lossy(value).to_ascii_lowercase();
        let name = text.split(['(', ';']).next().unwrap_or_default().trim().trim_matches('"');
        match name {
            "7bit" | "" => Ok(Self::SevenBit),
            "8bit" => Ok(Self::EightBit),
            "binary" => Ok(Self::Binary),
            "base64" => Ok(Self::Base64),
            "quoted-printable" => Ok(Self::QuotedPrintable),
            other => Err(Error::new(ErrorKind::UnknownEncoding(crate::name::printable(other)), 0)),
        }
    }
}

/// Decodes any encoding; a push machine with a few octets of state.
///
/// Decoded octets never outrun the encoded ones, so a chunk can be decoded in place.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    state: State,
    offset: u64,
}

#[derive(Clone, Debug)]
enum State {
    Identity,
    Base64 { bits: u32, count: u8, padding: u8 },
    QuotedPrintable(Quoted),
}

/// White space that may turn out to be at the end of a line, and an escape that is not complete.
#[derive(Clone, Debug, Default)]
struct Quoted {
    /// `=` and what follows it on the line.
    escape: Vec<u8>,
    /// Octets of white space held back, which are dropped at the end of a line.
    blanks: Vec<u8>,
}

/// White space held back before it is given up as content; RFC 2045 lines have at most 76 octets.
const MAX_BLANKS: usize = 998;

impl TransferEncoding {
    /// Whether decoding leaves the octets as they are.
    pub(crate) const fn is_identity(self) -> bool {
        matches!(self, Self::SevenBit | Self::EightBit | Self::Binary)
    }
}

impl Decoder {
    pub(crate) fn new(encoding: TransferEncoding) -> Self {
        let state = match encoding {
            TransferEncoding::SevenBit | TransferEncoding::EightBit | TransferEncoding::Binary => State::Identity,
            TransferEncoding::Base64 => State::Base64 { bits: 0, count: 0, padding: 0 },
            TransferEncoding::QuotedPrintable => State::QuotedPrintable(Quoted::default()),
        };
        Self { state, offset: 0 }
    }

    /// Decodes one chunk into `out`.
    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let at = self.offset;
        self.offset = self.offset.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        match &mut self.state {
            State::Identity => out.extend_from_slice(chunk),
            State::Base64 { bits, count, padding } => base64_chunk(chunk, at, (bits, count, padding), out)?,
            State::QuotedPrintable(quoted) => quoted.chunk(chunk, at, out)?,
        }
        Ok(())
    }

    /// Ends the input.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let offset = self.offset;
        match &mut self.state {
            State::Identity => Ok(()),
            // One character alone holds no octet; missing padding is forgiven.
            State::Base64 { count: 1, .. } => Err(Error { kind: ErrorKind::Base64, offset }),
            State::Base64 { count: 0, padding, .. } if *padding > 0 => Err(Error { kind: ErrorKind::Base64, offset }),
            State::Base64 { .. } => Ok(()),
            State::QuotedPrintable(quoted) => quoted.finish(offset, out),
        }
    }
}

/// Octets that are decoded at a time in place.
const WINDOW: usize = 4096;

fn base64_chunk(
    mut chunk: &[u8],
    mut at: u64,
    (bits, count, padding): (&mut u32, &mut u8, &mut u8),
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut reach = usize::MAX;
    while !chunk.is_empty() {
        if *count == 0 && *padding == 0 {
            let taken = whole_lines(chunk, &mut reach, out);
            chunk = chunk.get(taken..).unwrap_or_default();
            at = at.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        }
        let Some((octet, rest)) = chunk.split_first() else { break };
        chunk = rest;
        match (sextet(*octet), octet) {
            (Some(value), _) if *padding == 0 => {
                *bits = *bits << 6 | u32::from(value);
                *count = (*count + 1) % 4;
                // Each character but the first of four completes an octet.
                if *count != 1 {
                    let shift = [0, 0, 4, 2].get(usize::from(*count)).copied().unwrap_or(0);
                    out.extend((*bits >> shift).to_be_bytes().last());
                }
            }
            (None, b'=') if *count > 1 || *padding > 0 => {
                *padding += 1;
                if u16::from(*count) + u16::from(*padding) > 4 {
                    return Err(Error { kind: ErrorKind::Base64, offset: at });
                }
            }
            (None, b' ' | b'\t' | b'\r' | b'\n') => {}
            _ => return Err(Error { kind: ErrorKind::Base64, offset: at }),
        }
        at = at.saturating_add(1);
    }
    Ok(())
}

/// Octets of base64 that are tried at first where an odd octet stood shortly before.
const SHORT_REACH: usize = 64;

/// Decodes as many whole groups of four as stand at the front without white space; the number of octets taken.
/// No more than `reach` octets are tried: where blanks stand between the groups, each of them would else make a trial of
/// the whole chunk fail.
fn whole_lines(chunk: &[u8], reach: &mut usize, out: &mut Vec<u8>) -> usize {
    let before = out.len();
    let chunk = chunk.get(..*reach).unwrap_or(chunk);
    let mut groups_up_to = |end: usize| {
        let groups = end - end % 4;
        let decoded = chunk.get(..groups).map(|text| STANDARD.decode_vec(text, out));
        if !matches!(decoded, Some(Ok(()))) {
            out.truncate(before);
            return None;
        }
        Some(groups)
    };
    let line = memchr::memchr3(b'\r', b'\n', b'=', chunk).unwrap_or(chunk.len());
    if let Some(groups) = groups_up_to(line) {
        *reach = reach.saturating_mul(if groups > 0 { 2 } else { 1 });
        return groups;
    }
    // An odd octet stands in the line: all before it is taken, or a long line would be tried at each of its groups.
    *reach = SHORT_REACH;
    groups_up_to(chunk.iter().position(|octet| sextet(*octet).is_none()).unwrap_or(0)).unwrap_or(0)
}

fn sextet(octet: u8) -> Option<u8> {
    match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

impl Quoted {
    fn chunk(&mut self, chunk: &[u8], at: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        for (position, octet) in chunk.iter().enumerate() {
            let offset = at.saturating_add(u64::try_from(position).unwrap_or(u64::MAX));
            self.octet(*octet, out).map_err(|kind| Error { kind, offset })?;
        }
        Ok(())
    }

    fn octet(&mut self, octet: u8, out: &mut Vec<u8>) -> Result<(), ErrorKind> {
        if !self.escape.is_empty() {
            return self.escaped(octet, out);
        }
        match octet {
            b'=' => {
                out.append(&mut self.blanks);
                self.escape.push(octet);
            }
            b' ' | b'\t' | b'\r' if self.blanks.len() < MAX_BLANKS => self.blanks.push(octet),
            b'\n' => {
                // White space at the end of a line was added on the way (RFC 2045 section 6.7 rule 3).
                let crlf = self.blanks.last() == Some(&b'\r');
                self.blanks.clear();
                out.extend_from_slice(if crlf { b"\r\n" } else { b"\n" });
            }
            other => {
                out.append(&mut self.blanks);
                out.push(other);
            }
        }
        Ok(())
    }

    fn escaped(&mut self, octet: u8, out: &mut Vec<u8>) -> Result<(), ErrorKind> {
        self.escape.push(octet);
        // After one blank only blanks are taken, so the first and the last octet tell about all.
        let blank = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r');
        match self.escape.as_slice() {
            [b'=', b'\n'] => self.escape.clear(),
            [b'=', first, .., b'\n'] if blank(first) => self.escape.clear(),
            [b'=', first, ..] if blank(first) => {
                if !blank(&octet) || self.escape.len() > MAX_BLANKS {
                    return Err(ErrorKind::QuotedPrintable);
                }
            }
            [b'=', high] if high.is_ascii_hexdigit() => {}
            [b'=', pair @ ..] if pair.len() == 2 => {
                out.push(hex_pair(pair).ok_or(ErrorKind::QuotedPrintable)?);
                self.escape.clear();
            }
            _ => return Err(ErrorKind::QuotedPrintable),
        }
        Ok(())
    }

    fn finish(&mut self, offset: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend(self.blanks.drain(..).filter(|octet| *octet == b'\r'));
        match self.escape.as_slice() {
            [] | [b'='] => Ok(()),
            _ => Err(Error { kind: ErrorKind::QuotedPrintable, offset }),
        }
    }
}

/// Decodes a whole body: as it is, in place where it is not shared, else by way of one copy.
pub(crate) fn decode(encoding: TransferEncoding, body: Bytes) -> Result<Bytes, Error> {
    match encoding {
        TransferEncoding::SevenBit | TransferEncoding::EightBit | TransferEncoding::Binary => Ok(body),
        TransferEncoding::Base64 | TransferEncoding::QuotedPrintable => {
            let mut buffer = body.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
            decode_in_place(Decoder::new(encoding), &mut buffer)?;
            Ok(buffer.freeze())
        }
    }
}

/// Decodes a whole buffer within itself: what is decoded so far is never longer than what was read for it.
fn decode_in_place(mut decoder: Decoder, buffer: &mut BytesMut) -> Result<(), Error> {
    let (mut written, mut window) = (0, Vec::with_capacity(WINDOW));
    for start in (0..buffer.len()).step_by(WINDOW) {
        let end = (start + WINDOW).min(buffer.len());
        decoder.push(buffer.get(start..end).unwrap_or_default(), &mut window)?;
        if end == buffer.len() {
            decoder.finish(&mut window)?;
        }
        if let Some(room) = buffer.get_mut(written..written + window.len()) {
            room.copy_from_slice(&window);
            written += window.len();
        }
        window.clear();
    }
    buffer.truncate(written);
    Ok(())
}

/// Octets of a CMS object, whatever its transfer encoding is said to be: DER starts with 0x30, base64 never does.
/// Beside them, what is wrong with the label.
pub(crate) fn decode_der(declared: Option<&[u8]>, body: Bytes) -> Result<(Bytes, Option<&'static str>), Error> {
    let (actual, fault) = der_encoding(declared, &body);
    Ok((decode(actual, body)?, fault))
}

/// The transfer encoding of a CMS object by its first [`DER_START`] octets, and what is wrong with the label.
pub(crate) fn der_encoding(declared: Option<&[u8]>, start: &[u8]) -> (TransferEncoding, Option<&'static str>) {
    let declared = declared.map(TransferEncoding::read);
    if start.first() == Some(&0x30) && !looks_like_base64(start) {
        let lie = matches!(declared, Some(Ok(TransferEncoding::Base64 | TransferEncoding::QuotedPrintable)));
        let fault = lie.then_some("the transfer encoding is declared as text, the body is binary");
        return (TransferEncoding::Binary, fault);
    }
    match declared {
        Some(Ok(known @ (TransferEncoding::Base64 | TransferEncoding::QuotedPrintable))) => (known, None),
        _ if looks_like_base64(start) => {
            (TransferEncoding::Base64, Some("the body is base64, the transfer encoding does not say so"))
        }
        _ => (TransferEncoding::Binary, None),
    }
}

/// Octets that tell how a CMS object is encoded.
pub(crate) const DER_START: usize = 1024;

/// Whether the start of a body is base64 text: alphabet and white space, and more of it than DER could be by chance.
pub(crate) fn looks_like_base64(body: &[u8]) -> bool {
    let start = body.get(..DER_START).unwrap_or(body);
    let text = |octet: &u8| sextet(*octet).is_some() || matches!(octet, b'=' | b'\r' | b'\n' | b' ' | b'\t');
    start.len() >= 8 && start.iter().all(text)
}

/// Encodes base64 in lines that end with CRLF.
#[derive(Clone, Debug)]
pub(crate) struct LineEncoder {
    octets_per_line: usize,
    carry: Vec<u8>,
}

impl LineEncoder {
    /// Lines of `columns` characters, a multiple of four.
    pub(crate) fn new(columns: usize) -> Self {
        Self { octets_per_line: (columns / 4).max(1) * 3, carry: Vec::new() }
    }

    pub(crate) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        self.carry.extend_from_slice(octets);
        let whole = self.carry.len() - self.carry.len() % self.octets_per_line;
        for line in self.carry.get(..whole).unwrap_or_default().chunks(self.octets_per_line) {
            encode_line(line, out);
        }
        self.carry.drain(..whole);
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.carry.is_empty() {
            encode_line(&self.carry, out);
            self.carry.clear();
        }
    }
}

fn encode_line(octets: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(STANDARD.encode(octets).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_chunks(encoding: TransferEncoding, text: &[u8], size: usize) -> Result<Vec<u8>, Error> {
        let (mut decoder, mut out) = (Decoder::new(encoding), Vec::new());
        for chunk in text.chunks(size) {
            decoder.push(chunk, &mut out)?;
        }
        decoder.finish(&mut out)?;
        Ok(out)
    }

    fn whole(encoding: TransferEncoding, text: &[u8]) -> Result<Vec<u8>, Error> {
        decode(encoding, Bytes::copy_from_slice(text)).map(|body| body.to_vec())
    }

    #[test]
    fn h10_names_in_any_spelling() {
        for (name, encoding) in [
            ("BASE64", TransferEncoding::Base64),
            (" Quoted-Printable ", TransferEncoding::QuotedPrintable),
            ("\"binary\"", TransferEncoding::Binary),
            ("8bit (comment)", TransferEncoding::EightBit),
            ("7BIT;", TransferEncoding::SevenBit),
        ] {
            assert_eq!(TransferEncoding::read(name.as_bytes()).unwrap(), encoding);
        }
        let error = TransferEncoding::read(b"x-foo").unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::UnknownEncoding("x-foo".to_owned()));
    }

    #[test]
    fn base64_is_read_with_any_line_ends_and_without_padding() {
        for text in ["aGVsbG8=", "aGVsbG8", "aGVs\r\nbG8=\r\n", " aG\tVs\nbG 8 = ", "aGVsbG8=\r\n\r\n"] {
            for size in [1, 3, 100] {
                assert_eq!(in_chunks(TransferEncoding::Base64, text.as_bytes(), size).unwrap(), b"hello", "{text:?}");
            }
            assert_eq!(whole(TransferEncoding::Base64, text.as_bytes()).unwrap(), b"hello", "{text:?}");
        }
        assert_eq!(whole(TransferEncoding::Base64, b"").unwrap(), b"");
    }

    #[test]
    fn base64_errors_are_told_with_their_octet() {
        for (text, offset) in [("aGVs*bG8", 4), ("aGVsbG8=a", 8), ("=", 0), ("a", 1), ("aGVsbA===", 8), ("aGVs=", 4)] {
            for size in [1, 100] {
                let error = in_chunks(TransferEncoding::Base64, text.as_bytes(), size).unwrap_err();
                assert_eq!((error.kind(), error.offset()), (&ErrorKind::Base64, offset), "{text}");
            }
        }
    }

    #[test]
    fn quoted_printable() {
        let cases: [(&[u8], &[u8]); 8] = [
            (b"a=3Db", b"a=b"),
            (b"a=\r\nb", b"ab"),
            (b"a= \t\nb", b"ab"),
            (b"a \t\r\nb \n", b"a\r\nb\n"),
            (b"a b", b"a b"),
            (b"=c3=BC", "ü".as_bytes()),
            (b"a=", b"a"),
            (b"a\rb", b"a\rb"),
        ];
        for (text, plain) in cases {
            for size in [1, 2, 100] {
                assert_eq!(in_chunks(TransferEncoding::QuotedPrintable, text, size).unwrap(), plain, "{text:?}");
            }
        }
        let long = [b"a=3D".repeat(3000), b" \r\n".repeat(2000), b"=".to_vec()].concat();
        assert_eq!(
            whole(TransferEncoding::QuotedPrintable, &long).unwrap(),
            [b"a=".repeat(3000), b"\r\n".repeat(2000)].concat()
        );
        for bad in [&b"a=4"[..], b"=GG", b"=+1", b"=4\n"] {
            assert!(whole(TransferEncoding::QuotedPrintable, bad).is_err(), "{bad:?}");
        }
    }

    /// As many blanks as a line may have, after the sign of a soft line break, and one more.
    #[test]
    fn soft_line_breaks_end_in_blanks_alone() {
        let padded = |blanks: usize| [b"a=", &b" \t\r".repeat(333)[..blanks], b"\nb"].concat();
        for size in [1, 7, 2000] {
            let read = |text: &[u8]| in_chunks(TransferEncoding::QuotedPrintable, text, size);
            assert_eq!(read(&padded(997)).unwrap(), b"ab");
            assert!(read(&padded(998)).is_err());
            for bad in [&b"a= b\n"[..], b"a=  =\n", b"a= \t3D"] {
                assert!(read(bad).is_err(), "{bad:?}");
            }
        }
    }

    #[test]
    fn base64_with_blanks_anywhere_reads_alike() {
        let text = STANDARD.encode((0..=255).cycle().take(3000).collect::<Vec<u8>>());
        for every in [4, 5, 8, 63, 64, 65, 300] {
            let spread = text.as_bytes().chunks(every).collect::<Vec<_>>().join(&b' ');
            for size in [1, 100, 5000] {
                let read = in_chunks(TransferEncoding::Base64, &spread, size).unwrap();
                assert_eq!(STANDARD.encode(read), text, "{every} {size}");
            }
        }
    }

    #[test]
    fn h09_labels_of_cms_objects_are_not_believed() {
        let der = Bytes::from_static(&[0x30, 3, 2, 1, 0x99]);
        let text = Bytes::from_static(b"MAMCAZk=\r\n");
        for (label, body, fault) in [
            (None, &der, false),
            (Some(&b"binary"[..]), &der, false),
            (Some(b"base64"), &der, true),
            (Some(b"base64"), &text, false),
            (Some(b"binary"), &text, true),
            (None, &text, true),
        ] {
            let (octets, noted) = decode_der(label, body.clone()).unwrap();
            assert_eq!((octets, noted.is_some()), (der.clone(), fault), "{label:?}");
        }
    }

    #[test]
    fn h09_base64_is_told_from_der() {
        assert!(looks_like_base64(b"MIIBhgYJKoZI\r\nhvcNAQcDoIIB"));
        assert!(!looks_like_base64(&[0x30, 0x82, 1, 0, 6, 9, 0x2a, 0x86]));
        assert!(!looks_like_base64(b"0"));
    }

    proptest! {
        #[test]
        fn encoded_lines_come_back(octets in prop::collection::vec(any::<u8>(), 0..300), size in 1usize..40) {
            let (mut encoder, mut text) = (LineEncoder::new(64), Vec::new());
            for chunk in octets.chunks(size) {
                encoder.push(chunk, &mut text);
            }
            encoder.finish(&mut text);
            prop_assert!(text.split(|octet| *octet == b'\n').all(|line| line.len() <= 65));
            prop_assert_eq!(&in_chunks(TransferEncoding::Base64, &text, size).unwrap(), &octets);
            prop_assert_eq!(&whole(TransferEncoding::Base64, &text).unwrap(), &octets);
        }
    }
}
