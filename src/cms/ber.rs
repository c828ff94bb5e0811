//! Reading BER (X.690): indefinite lengths, constructed strings and lengths that are not minimal, as every Java peer
//! writes them.

use crate::cms::write::tlv;
use crate::cms::{Error, ErrorKind};

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OCTET_STRING_CONSTRUCTED: u8 = 0x24;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const CONTEXT_0: u8 = 0x80;
pub(crate) const CONTEXT_0_CONSTRUCTED: u8 = 0xa0;
pub(crate) const CONTEXT_1_CONSTRUCTED: u8 = 0xa1;

pub(crate) const CONSTRUCTED: u8 = 0x20;
/// Octets of the longest header: six of a long tag and nine of the length.
const MAX_HEADER: usize = 15;

/// The tokenizer: a step machine that copies nothing and tells what the consumed octets are.
#[derive(Clone, Debug)]
pub(crate) struct Tokenizer {
    stack: Vec<Frame>,
    max_depth: usize,
    offset: u64,
    started: bool,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Offset behind the element; `None` for indefinite length.
    end: Option<u64>,
    /// What the elements around it allow at most.
    limit: u64,
    constructed: bool,
}

/// What the consumed octets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// They are not decided yet: nothing was consumed, more must follow.
    NeedMore,
    /// The header of an element with this identifier octet.
    Start(u8),
    /// Content of a primitive element.
    Content,
    /// The end of the innermost element; its end-of-contents octets, or nothing.
    End,
    /// The outermost element is complete; nothing was consumed.
    Done,
}

impl Tokenizer {
    pub(crate) fn new(max_depth: usize) -> Self {
        Self { stack: Vec::new(), max_depth, offset: 0, started: false }
    }

    /// Open elements.
    pub(crate) fn depth(&self) -> usize {
        self.stack.len()
    }

    /// Takes the next octets; the number consumed, and what they are.
    pub(crate) fn step(&mut self, input: &[u8]) -> Result<(usize, Event), Error> {
        let Some(top) = self.stack.last().copied() else {
            return if self.started { Ok((0, Event::Done)) } else { self.start(input, u64::MAX) };
        };
        match top.end {
            Some(end) if end == self.offset => {
                self.stack.pop();
                Ok((0, Event::End))
            }
            Some(end) if !top.constructed => {
                let wanted = usize::try_from(end - self.offset).unwrap_or(usize::MAX);
                match wanted.min(input.len()) {
                    0 => Ok((0, Event::NeedMore)),
                    length => Ok((self.consume(length), Event::Content)),
                }
            }
            Some(_) => self.start(input, top.limit),
            None => match input {
                [0, 0, ..] if self.offset.saturating_add(2) <= top.limit => {
                    self.stack.pop();
                    Ok((self.consume(2), Event::End))
                }
                [] | [0] => Ok((0, Event::NeedMore)),
                _ => self.start(input, top.limit),
            },
        }
    }

    fn start(&mut self, input: &[u8], limit: u64) -> Result<(usize, Event), Error> {
        let header = match Header::read(input) {
            Ok(Some(header)) => header,
            Ok(None) if input.len() < MAX_HEADER => {
                let room = limit.saturating_sub(self.offset);
                return match u64::try_from(input.len()) {
                    Ok(length) if length < room => Ok((0, Event::NeedMore)),
                    _ => Err(self.error(ErrorKind::Length)),
                };
            }
            Ok(None) => return Err(self.error(ErrorKind::Length)),
            Err(kind) => return Err(self.error(kind)),
        };
        if self.stack.len() >= self.max_depth {
            return Err(self.error(ErrorKind::Depth { limit: self.max_depth }));
        }
        let content_at = self.offset.saturating_add(u64::try_from(header.size).unwrap_or(u64::MAX));
        let end = match header.length {
            Some(length) => Some(content_at.checked_add(length).ok_or_else(|| self.error(ErrorKind::Length))?),
            None => None,
        };
        if content_at.max(end.unwrap_or(0)) > limit {
            return Err(self.error(ErrorKind::Length));
        }
        let constructed = header.tag & CONSTRUCTED != 0;
        self.stack.push(Frame { end, limit: end.unwrap_or(limit), constructed });
        self.started = true;
        Ok((self.consume(header.size), Event::Start(header.tag)))
    }

    /// Takes the element that has just started as a whole: what is in it is not looked at. It has no effect on
    /// elements of indefinite length, whose end is found inside only.
    pub(crate) fn skip_inside(&mut self) {
        if let Some(Frame { end: Some(_), constructed, .. }) = self.stack.last_mut() {
            *constructed = false;
        }
    }

    fn consume(&mut self, length: usize) -> usize {
        self.offset = self.offset.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        length
    }

    pub(crate) fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.offset)
    }
}

/// Identifier and length octets.
struct Header {
    /// The (first) identifier octet.
    tag: u8,
    /// `None` for the indefinite form.
    length: Option<u64>,
    /// Octets of the header.
    size: usize,
}

impl Header {
    /// `None` where the input ends inside the header.
    fn read(input: &[u8]) -> Result<Option<Self>, ErrorKind> {
        let Some((&tag, rest)) = input.split_first() else { return Ok(None) };
        let long_tag = if tag & 0x1f == 0x1f {
            match rest.iter().take(5).position(|octet| octet & 0x80 == 0) {
                Some(last) => last + 1,
                None if rest.len() >= 5 => return Err(ErrorKind::Value("a tag number")),
                None => return Ok(None),
            }
        } else {
            0
        };
        let Some((&first, more)) = rest.get(long_tag..).and_then(<[u8]>::split_first) else { return Ok(None) };
        let size = 2 + long_tag;
        match first {
            0..=0x7f => Ok(Some(Self { tag, length: Some(u64::from(first)), size })),
            // Only constructed elements can have an indefinite length (X.690 section 8.1.3.2).
            0x80 if tag & CONSTRUCTED == 0 => Err(ErrorKind::Length),
            0x80 => Ok(Some(Self { tag, length: None, size })),
            _ => {
                let count = usize::from(first & 0x7f);
                if count > 8 {
                    return Err(ErrorKind::Length);
                }
                let Some(octets) = more.get(..count) else { return Ok(None) };
                let length = octets.iter().fold(0u64, |length, octet| length << 8 | u64::from(*octet));
                Ok(Some(Self { tag, length: Some(length), size: size + count }))
            }
        }
    }
}

/// One element of a structure that is at hand as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    /// The whole element.
    pub(crate) raw: &'a [u8],
    /// Its content octets, without end-of-contents octets.
    pub(crate) content: &'a [u8],
}

impl Element<'_> {
    /// The value of an octet string, put together if it is constructed.
    pub(crate) fn octets(&self, depth: usize) -> Result<Vec<u8>, Error> {
        if self.tag & CONSTRUCTED == 0 {
            return Ok(self.content.to_vec());
        }
        let Some(depth) = depth.checked_sub(1) else { return Err(Error::new(ErrorKind::Depth { limit: 0 }, 0)) };
        let (mut cursor, mut octets) = (Cursor::new(self.content, depth), Vec::with_capacity(self.content.len()));
        while let Some(part) = cursor.next()? {
            if part.tag & !CONSTRUCTED != OCTET_STRING {
                return Err(Error::new(ErrorKind::Tag { expected: "an octet string", found: part.tag }, 0));
            }
            octets.extend(part.octets(depth)?);
        }
        Ok(octets)
    }
}

/// Reads the elements of a small structure one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    input: &'a [u8],
    depth: usize,
    offset: u64,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(input: &'a [u8], depth: usize) -> Self {
        Self { input, depth, offset: 0 }
    }

    /// The next element, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Element<'a>>, Error> {
        if self.input.is_empty() {
            return Ok(None);
        }
        let truncated = || Error::new(ErrorKind::Truncated, self.offset);
        let header = Header::read(self.input).map_err(|kind| Error::new(kind, self.offset))?.ok_or_else(truncated)?;
        let (size, trailer) = match header.length {
            Some(length) => (usize::try_from(length).ok().and_then(|length| length.checked_add(header.size)), 0),
            None => (Some(self.indefinite()?), 2),
        };
        let (raw, rest) = size.and_then(|size| self.input.split_at_checked(size)).ok_or_else(truncated)?;
        let content = raw.get(header.size..raw.len() - trailer).unwrap_or_default();
        self.input = rest;
        self.offset = self.offset.saturating_add(u64::try_from(raw.len()).unwrap_or(u64::MAX));
        Ok(Some(Element { tag: header.tag, raw, content }))
    }

    /// Makes sure that nothing follows in `structure`.
    pub(crate) fn end(&self, structure: &'static str) -> Result<(), Error> {
        if self.input.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::Extra(structure), self.offset)) }
    }

    /// The next element, which must be of this kind.
    pub(crate) fn expect(&mut self, tag: u8, expected: &'static str) -> Result<Element<'a>, Error> {
        let offset = self.offset;
        match self.next()? {
            Some(element) if element.tag == tag => Ok(element),
            Some(element) => Err(Error::new(ErrorKind::Tag { expected, found: element.tag }, offset)),
            None => Err(Error::new(ErrorKind::Missing(expected), offset)),
        }
    }

    /// The identifier octet of the next element.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.input.first().copied()
    }

    /// Octets of the next element, whose length is indefinite.
    fn indefinite(&self) -> Result<usize, Error> {
        let (mut tokens, mut at) = (Tokenizer::new(self.depth.max(1)), 0);
        loop {
            let rest = self.input.get(at..).unwrap_or_default();
            match tokens.step(rest)? {
                (_, Event::Done) => return Ok(at),
                (_, Event::NeedMore) => return Err(Error::new(ErrorKind::Truncated, self.offset)),
                (length, _) => at += length,
            }
        }
    }
}

/// Transcodes one element to definite, minimal lengths and primitive octet strings; the order of sets stays.
pub(crate) fn to_der(raw: &[u8], depth: usize) -> Result<Vec<u8>, Error> {
    let element = Cursor::new(raw, depth).next()?.ok_or_else(|| Error::new(ErrorKind::Truncated, 0))?;
    let Some(inner_depth) = depth.checked_sub(1) else { return Err(Error::new(ErrorKind::Depth { limit: 0 }, 0)) };
    if element.tag == OCTET_STRING_CONSTRUCTED {
        return Ok(tlv(OCTET_STRING, &[&element.octets(depth)?]));
    }
    if element.tag & 0x1f == 0x1f {
        return Ok(element.raw.to_vec());
    }
    if element.tag & CONSTRUCTED == 0 {
        return Ok(tlv(element.tag, &[element.content]));
    }
    let (mut cursor, mut content) = (Cursor::new(element.content, inner_depth), Vec::with_capacity(raw.len()));
    while let Some(child) = cursor.next()? {
        content.extend(to_der(child.raw, inner_depth)?);
    }
    Ok(tlv(element.tag, &[&content]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: &[u8], chunk: usize) -> Result<Vec<Event>, Error> {
        let (mut machine, mut events, mut carry) = (Tokenizer::new(8), Vec::new(), Vec::new());
        for piece in input.chunks(chunk).chain(std::iter::once(&[][..])) {
            carry.extend_from_slice(piece);
            loop {
                let (length, event) = machine.step(&carry)?;
                carry.drain(..length);
                match event {
                    Event::NeedMore => break,
                    Event::Done => return Ok(events),
                    Event::Content if events.last() == Some(&Event::Content) => {}
                    event => events.push(event),
                }
            }
        }
        Err(machine.error(ErrorKind::Truncated))
    }

    #[test]
    fn x01_lengths_of_every_form_in_any_chunks() {
        use Event::{Content, End, Start};
        let expected = [Start(0x30), Start(4), Content, End, Start(5), End, End];
        let forms: [&[u8]; 4] = [
            &[0x30, 6, 4, 2, 1, 2, 5, 0],
            &[0x30, 0x80, 4, 2, 1, 2, 5, 0, 0, 0],
            &[0x30, 0x84, 0, 0, 0, 8, 4, 0x82, 0, 2, 1, 2, 5, 0],
            &[0x30, 0x81, 6, 4, 2, 1, 2, 5, 0],
        ];
        for form in forms {
            assert_eq!(tokens(form, usize::MAX >> 1).unwrap(), expected, "{form:02x?}");
            assert_eq!(tokens(form, 1).unwrap(), expected, "{form:02x?}");
            for end in 0..form.len() {
                assert!(tokens(&form[..end], 1).is_err(), "{form:02x?} cut at {end}");
            }
        }
    }

    /// A finding of the fuzz target `ber`: the last octet of the longest header was not waited for.
    #[test]
    fn the_longest_header_is_read_in_any_chunks() {
        let longest = [0xff, 0x86, 0xff, 0x86, 0x86, 1, 0x88, 0, 0, 0, 0, 0, 0, 0, 2, 5, 0];
        let expected = [Event::Start(0xff), Event::Start(5), Event::End, Event::End];
        for chunk in 1..=longest.len() {
            assert_eq!(tokens(&longest, chunk).unwrap(), expected, "in chunks of {chunk}");
        }
    }

    #[test]
    fn u15_lengths_and_depth_are_bounded() {
        let kind = |input: &[u8]| tokens(input, 64).unwrap_err().kind().clone();
        assert_eq!(kind(&[0x30, 2, 4, 9, 1, 1]), ErrorKind::Length);
        assert_eq!(kind(&[0x30, 3, 0x30, 0x80, 0, 0, 0]), ErrorKind::Length);
        assert_eq!(kind(&[0x04, 0x80, 0, 0]), ErrorKind::Length);
        assert_eq!(kind(&[0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1]), ErrorKind::Length);
        assert_eq!(kind(&[0x30, 1, 4]), ErrorKind::Length);
        assert_eq!(kind(&[0x30, 0x80].repeat(9)), ErrorKind::Depth { limit: 8 });
        assert_eq!(kind(&[0x30, 0x88, 255, 255, 255, 255, 255, 255, 255, 255]), ErrorKind::Length);
    }

    #[test]
    fn ber_becomes_der() {
        let ber = [0x30, 0x80, 0x24, 0x80, 4, 1, 1, 0x24, 3, 4, 1, 2, 0, 0, 2, 0x81, 1, 7, 0, 0];
        let der = [0x30, 7, 4, 2, 1, 2, 2, 1, 7];
        assert_eq!(to_der(&ber, 8).unwrap(), der);
        assert_eq!(to_der(&der, 8).unwrap(), der);
        assert!(to_der(&ber, 2).is_err());
        for end in 0..ber.len() {
            assert!(to_der(&ber[..end], 8).is_err());
        }
    }
}
