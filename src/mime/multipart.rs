//! Multipart bodies with exact ranges (RFC 2046 section 5.1).

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use crate::limits::Limits;
use crate::mime::{Error, ErrorKind};

/// The scanner: a step machine that copies nothing and tells what the consumed octets are.
///
/// A delimiter stands at the start of a line; the line end before it belongs to it, not to the part. Octets that may
/// be the start of a delimiter are left unconsumed until enough follows: never more than the boundary and
/// [`MAX_PADDING`] octets.
#[derive(Debug)]
pub(crate) struct Scanner {
    /// `--boundary`
    dash_boundary: Vec<u8>,
    finder: memmem::Finder<'static>,
    state: State,
    at_line_start: bool,
    parts: usize,
    max_parts: usize,
    offset: u64,
    line_ends: LineEnds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    Part,
    Epilogue,
}

/// What the consumed octets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// They are not decided yet: nothing was consumed, more must follow.
    NeedMore,
    /// Octets before the first delimiter.
    Preamble,
    /// Octets of the current part, header and body.
    Part,
    /// A delimiter, after which a part starts; a part before it has ended.
    Delimiter,
    /// The close delimiter, after which the epilogue starts.
    Close(Closed),
    /// Octets after the close delimiter.
    Epilogue,
}

/// How a multipart body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// `--boundary--`
    Proper,
    /// `--boundary-`, as RFC 4130 prints it in section A.4.
    SingleHyphen,
    /// The input ends before the close delimiter.
    Missing,
}

/// The line ends of delimiters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LineEnds {
    pub(crate) crlf: bool,
    pub(crate) lf: bool,
}

/// White space after a boundary that is still taken for padding; more is no delimiter, and the scan stays linear.
const MAX_PADDING: usize = 256;
/// Octets of white space after the close delimiter that count as nothing: two line ends. The shortest padding that
/// consists of white space has nine octets.
pub(crate) const MAX_EPILOGUE: usize = 4;
/// RFC 2046 allows 70 octets; longer ones are met.
const MAX_BOUNDARY: usize = 200;

/// A candidate delimiter.
enum Candidate {
    Undecided,
    No,
    Delimiter { length: usize, close: Option<Closed> },
}

impl Scanner {
    pub(crate) fn new(boundary: &str, limits: &Limits) -> Result<Self, Error> {
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
            return Err(Error::new(ErrorKind::Boundary, 0));
        }
        let dash_boundary = [b"--", boundary.as_bytes()].concat();
        Ok(Self {
            finder: memmem::Finder::new(&dash_boundary).into_owned(),
            dash_boundary,
            state: State::Preamble,
            at_line_start: true,
            parts: 0,
            max_parts: limits.parts,
            offset: 0,
            line_ends: LineEnds::default(),
        })
    }

    /// Takes the next octets; the number consumed, and what they are. What is not consumed must be presented again,
    /// with more behind it, or with `last` set where nothing more will come.
    pub(crate) fn step(&mut self, input: &[u8], last: bool) -> Result<(usize, Event), Error> {
        if self.state == State::Epilogue {
            return Ok((self.consume(input.len()), if input.is_empty() { Event::NeedMore } else { Event::Epilogue }));
        }
        if self.at_line_start {
            match self.candidate(input, last) {
                Candidate::Delimiter { length, close } => return self.delimit(0, length, close),
                Candidate::Undecided => return Ok((0, Event::NeedMore)),
                Candidate::No => {}
            }
        }
        self.content(input, last)
    }

    /// Octets up to the next delimiter that starts after a line end.
    fn content(&mut self, input: &[u8], last: bool) -> Result<(usize, Event), Error> {
        let mut from = 0;
        while let Some(found) = input.get(from..).and_then(|rest| self.finder.find(rest)) {
            let at = from + found;
            if at > 0 && input.get(at - 1) == Some(&b'\n') {
                let line_end = if at > 1 && input.get(at - 2) == Some(&b'\r') { 2 } else { 1 };
                match self.candidate(input.get(at..).unwrap_or_default(), last) {
                    Candidate::Delimiter { length, close } if at == line_end => {
                        return self.delimit(line_end, length, close);
                    }
                    Candidate::Delimiter { .. } | Candidate::Undecided if at > line_end => {
                        return Ok(self.take(at - line_end, input));
                    }
                    Candidate::Undecided => return Ok((0, Event::NeedMore)),
                    Candidate::Delimiter { .. } | Candidate::No => {}
                }
            }
            from = at + 1;
        }
        let keep = if last { 0 } else { self.undecided_tail(input) };
        match input.len() - keep {
            0 => Ok((0, Event::NeedMore)),
            length => Ok(self.take(length, input)),
        }
    }

    /// Octets at the end of the input that may turn out to be the start of a delimiter.
    fn undecided_tail(&self, input: &[u8]) -> usize {
        let longest = (self.dash_boundary.len() + 1).min(input.len());
        let start = input.len() - longest;
        let tail = input.get(start..).unwrap_or_default();
        for (position, _) in tail.iter().enumerate() {
            let rest = tail.get(position..).unwrap_or_default();
            let after = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"));
            let possible = match after {
                Some(line) => self.dash_boundary.starts_with(line),
                None => rest == b"\r",
            };
            if possible {
                return rest.len();
            }
        }
        0
    }

    /// Judges what stands at the start of a line.
    fn candidate(&self, line: &[u8], last: bool) -> Candidate {
        let Some(rest) = line.strip_prefix(self.dash_boundary.as_slice()) else {
            let possible = !last && self.dash_boundary.starts_with(line);
            return if possible { Candidate::Undecided } else { Candidate::No };
        };
        let hyphens = rest.iter().take(2).take_while(|octet| **octet == b'-').count();
        let after = rest.get(hyphens..).unwrap_or_default();
        let padding = after.iter().take(MAX_PADDING + 1).take_while(|o| matches!(o, b' ' | b'\t')).count();
        if padding > MAX_PADDING {
            return Candidate::No;
        }
        let end = after.get(padding..).unwrap_or_default();
        let line_end = match end {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [] | [b'\r'] if !last => return Candidate::Undecided,
            [] => 0,
            // Whatever follows the two hyphens on their line is skipped by most readers.
            _ if hyphens == 2 => 0,
            _ => return Candidate::No,
        };
        let close = match hyphens {
            2 => Some(Closed::Proper),
            1 => Some(Closed::SingleHyphen),
            // A delimiter at the very end of the input opens no part.
            _ if last && line_end == 0 => Some(Closed::Missing),
            _ => None,
        };
        // The line end after the close delimiter belongs to the epilogue, which hides nothing then.
        let line_end = if close.is_some() { 0 } else { line_end };
        Candidate::Delimiter { length: self.dash_boundary.len() + hyphens + padding + line_end, close }
    }

    fn delimit(&mut self, line_end: usize, length: usize, close: Option<Closed>) -> Result<(usize, Event), Error> {
        match line_end {
            2 => self.line_ends.crlf = true,
            1 => self.line_ends.lf = true,
            _ => {}
        }
        let event = match close {
            Some(closed) => {
                self.state = State::Epilogue;
                Event::Close(closed)
            }
            None => {
                self.parts += 1;
                if self.parts > self.max_parts {
                    let kind = ErrorKind::TooManyParts { limit: self.max_parts };
                    return Err(Error { kind, offset: self.offset });
                }
                self.state = State::Part;
                Event::Delimiter
            }
        };
        self.at_line_start = true;
        Ok((self.consume(line_end + length), event))
    }

    fn take(&mut self, length: usize, input: &[u8]) -> (usize, Event) {
        // A delimiter is sought from its line end on, so plain content never ends at one that matters.
        self.at_line_start = false;
        debug_assert!(length <= input.len());
        let event = if self.state == State::Preamble { Event::Preamble } else { Event::Part };
        (self.consume(length), event)
    }

    fn consume(&mut self, length: usize) -> usize {
        self.offset = self.offset.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        length
    }
}

/// A multipart body that is at hand as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Multipart {
    pub(crate) preamble: Bytes,
    pub(crate) parts: Vec<Bytes>,
    pub(crate) epilogue: Bytes,
    pub(crate) closed: Closed,
}

impl Multipart {
    /// Splits a body; the parts are slices of it.
    pub(crate) fn split(body: &Bytes, boundary: &str, limits: &Limits) -> Result<Self, Error> {
        let mut scanner = Scanner::new(boundary, limits)?;
        let mut split =
            Self { preamble: Bytes::new(), parts: Vec::new(), epilogue: Bytes::new(), closed: Closed::Missing };
        let (mut at, mut preamble, mut part) = (0, 0..0, None::<Range<usize>>);
        while at < body.len() {
            let (length, event) = scanner.step(body.get(at..).unwrap_or_default(), true)?;
            match (event, &mut part) {
                (Event::Preamble, _) => preamble.end = at + length,
                (Event::Part, Some(current)) => current.end = at + length,
                (Event::Delimiter | Event::Close(_), _) => {
                    let next = (event == Event::Delimiter).then_some(at + length..at + length);
                    split.parts.extend(std::mem::replace(&mut part, next).map(|range| body.slice(range)));
                    if let Event::Close(closed) = event {
                        split.closed = closed;
                    }
                }
                (Event::Epilogue, _) => split.epilogue = body.slice(at..),
                (Event::Part, None) | (Event::NeedMore, _) => break,
            }
            at += length;
        }
        split.parts.extend(part.map(|range| body.slice(range)));
        if split.parts.is_empty() {
            return Err(Error::new(ErrorKind::NoDelimiter, body.len()));
        }
        split.preamble = body.slice(preamble);
        Ok(split)
    }

    /// Whether nothing but a line end or two follows a proper close delimiter. A longer run of white space could be
    /// what is left of a padding whose last octet was changed.
    pub(crate) fn exactly_consumed(&self) -> bool {
        self.closed.is_exact(&self.epilogue)
    }
}

impl Closed {
    /// The same, of what follows a close delimiter: its first [`MAX_EPILOGUE`]` + 1` octets tell.
    pub(crate) fn is_exact(self, epilogue: &[u8]) -> bool {
        let blank = epilogue.iter().all(|octet| matches!(octet, b'\r' | b'\n' | b' ' | b'\t'));
        self == Self::Proper && blank && epilogue.len() <= MAX_EPILOGUE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mime::write::write_multipart;

    fn split(body: &[u8], boundary: &str) -> Result<Multipart, Error> {
        Multipart::split(&Bytes::copy_from_slice(body), boundary, &Limits::default())
    }

    /// Parts by way of the step machine, fed in chunks, with an honest carry.
    fn in_chunks(body: &[u8], boundary: &str, size: usize) -> (Vec<Vec<u8>>, Closed) {
        let mut scanner = Scanner::new(boundary, &Limits::default()).unwrap();
        let (mut parts, mut closed, mut carry) = (Vec::<Vec<u8>>::new(), Closed::Missing, Vec::new());
        let mut chunks = body.chunks(size).peekable();
        loop {
            carry.extend_from_slice(chunks.next().unwrap_or_default());
            let last = chunks.peek().is_none();
            loop {
                let (length, event) = scanner.step(&carry, last).unwrap();
                let octets: Vec<u8> = carry.drain(..length).collect();
                match event {
                    Event::NeedMore => break,
                    Event::Delimiter => parts.push(Vec::new()),
                    Event::Part => parts.last_mut().unwrap().extend(octets),
                    Event::Close(how) => closed = how,
                    Event::Preamble | Event::Epilogue => {}
                }
            }
            assert!(carry.len() <= boundary.len() + MAX_PADDING + 8, "the carry is bounded");
            if last {
                return (parts, closed);
            }
        }
    }

    #[test]
    fn m11_delimiters_stand_alone_on_their_line() {
        let body = b"pre\r\n--b \t\r\nH: 1\r\n\r\none\r\n--bX\r\nmid --b\r\n--b\r\n\r\ntwo\r\n--b--\r\nepi";
        let all = split(body, "b").unwrap();
        assert_eq!(all.parts, [&b"H: 1\r\n\r\none\r\n--bX\r\nmid --b"[..], b"\r\ntwo"]);
        assert_eq!((all.preamble.as_ref(), all.epilogue.as_ref()), (&b"pre"[..], &b"\r\nepi"[..]));
        assert_eq!(all.closed, Closed::Proper);
        assert!(!all.exactly_consumed());
        assert!(split(b"--b\r\n\r\nx\r\n--b--\r\n \t", "b").unwrap().exactly_consumed());
    }

    #[test]
    fn m13_m14_bare_lines_and_missing_ends() {
        assert_eq!(split(b"--b\nx\n--b--\n", "b").unwrap().parts, [&b"x"[..]]);
        let open = split(b"--b\r\nx\r\n--b\r\ny\r\n", "b").unwrap();
        assert_eq!((open.parts.len(), open.closed), (2, Closed::Missing));
        assert_eq!(open.parts[1].as_ref(), b"y\r\n");
        let single = split(b"--b\r\nx\r\n--b-\r\n", "b").unwrap();
        assert_eq!((single.parts.len(), single.closed), (1, Closed::SingleHyphen));
    }

    #[test]
    fn empty_parts_and_touching_delimiters() {
        assert_eq!(split(b"--b\r\n\r\n--b\r\n--b--", "b").unwrap().parts, [&b""[..], b""]);
        assert_eq!(split(b"nothing", "b").unwrap_err().kind(), &ErrorKind::NoDelimiter);
        assert_eq!(split(b"--b\r\nx", "").unwrap_err().kind(), &ErrorKind::Boundary);
        assert_eq!(split(b"", "b").unwrap_err().kind(), &ErrorKind::NoDelimiter);
    }

    #[test]
    fn u14_parts_are_counted() {
        let body = b"--b\r\n\r\n".repeat(1001);
        assert_eq!(split(&body, "b").unwrap_err().kind(), &ErrorKind::TooManyParts { limit: 1000 });
    }

    #[test]
    fn near_delimiters_cost_linear_work() {
        let body = [b"--b\r\n".to_vec(), b"\r\n--bX".repeat(200_000), b"\r\n--b--".to_vec()].concat();
        assert_eq!(split(&body, "b").unwrap().parts.len(), 1);
        let padded = [b"--b\r\n--b".to_vec(), b" ".repeat(1 << 20), b"\r\n--b--".to_vec()].concat();
        assert_eq!(split(&padded, "b").unwrap().parts[0].len(), 3 + (1 << 20));
    }

    proptest! {
        #[test]
        fn written_parts_come_back(
            parts in prop::collection::vec(prop::collection::vec(prop::sample::select(b"\r\n-bB x".to_vec()), 0..40), 1..5),
            size in 1usize..12,
        ) {
            let boundary = "bound=ary";
            let mut body = Vec::new();
            let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            write_multipart(&mut body, boundary, &slices);
            let all = split(&body, boundary).unwrap();
            prop_assert_eq!(all.parts.iter().map(|part| part.to_vec()).collect::<Vec<_>>(), parts.clone());
            prop_assert!(all.exactly_consumed());
            prop_assert_eq!(in_chunks(&body, boundary, size), (parts, Closed::Proper));
        }

        #[test]
        fn any_octets_in_any_chunks_split_alike(
            body in prop::collection::vec(prop::sample::select(b"\r\n-b \t".to_vec()), 0..80),
            size in 1usize..9,
        ) {
            let (parts, closed) = in_chunks(&body, "b", size);
            match split(&body, "b") {
                Ok(all) => {
                    prop_assert_eq!(all.parts.iter().map(|part| part.to_vec()).collect::<Vec<_>>(), parts);
                    prop_assert_eq!(all.closed, closed);
                }
                Err(_) => prop_assert!(parts.is_empty()),
            }
        }
    }
}
