//! A walk over DER elements that keeps their places.

use std::ops::Range;

use super::CertificateError;

/// Identifier octets; the structures of a certificate need no others.
pub(super) mod tag {
    pub(in super::super) const BOOLEAN: u8 = 0x01;
    pub(in super::super) const INTEGER: u8 = 0x02;
    pub(in super::super) const BIT_STRING: u8 = 0x03;
    pub(in super::super) const OCTET_STRING: u8 = 0x04;
    pub(in super::super) const OID: u8 = 0x06;
    pub(in super::super) const SEQUENCE: u8 = 0x30;

    /// A constructed `[n]`.
    pub(in super::super) const fn context(n: u8) -> u8 {
        0xa0 | n
    }

    /// An implicit `[n]` over a BIT STRING.
    pub(in super::super) const fn unique_id(n: u8) -> u8 {
        0x80 | n
    }
}

/// Where an element and its content are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) whole: Range<usize>,
    pub(super) content: Range<usize>,
}

/// Reads the elements of one range, one after the other.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    der: &'a [u8],
    range: Range<usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(der: &'a [u8]) -> Self {
        Self { der, range: 0..der.len() }
    }

    /// A reader of what an element contains.
    pub(super) fn inside(&self, element: &Element) -> Self {
        Self { der: self.der, range: element.content.clone() }
    }

    pub(super) fn octets(&self, range: &Range<usize>) -> &'a [u8] {
        self.der.get(range.clone()).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The next element, whatever it is.
    pub(super) fn next(&mut self, part: &'static str) -> Result<Element, CertificateError> {
        let element = self.peek().ok_or_else(|| self.malformed(part))?;
        self.range.start = element.whole.end;
        Ok(element)
    }

    pub(super) fn expect(&mut self, tag: u8, part: &'static str) -> Result<Element, CertificateError> {
        self.optional(tag, part)?.ok_or_else(|| self.malformed(part))
    }

    pub(super) fn optional(&mut self, tag: u8, part: &'static str) -> Result<Option<Element>, CertificateError> {
        if self.octets(&self.range).first() == Some(&tag) { self.next(part).map(Some) } else { Ok(None) }
    }

    pub(super) fn end(&self, part: &'static str) -> Result<(), CertificateError> {
        if self.is_empty() { Ok(()) } else { Err(self.malformed(part)) }
    }

    fn malformed(&self, part: &'static str) -> CertificateError {
        CertificateError::Malformed { part, offset: self.range.start }
    }

    /// Definite lengths only; longer ones than needed are let pass. Tags above 30 do not occur.
    fn peek(&self) -> Option<Element> {
        let (_, rest) = self.octets(&self.range).split_first()?;
        let (first, rest) = rest.split_first()?;
        let long = usize::from(first & 0x7f);
        let (length, header) = match first {
            0..=0x7f => (usize::from(*first), 2),
            0x81..=0x84 => (rest.get(..long)?.iter().try_fold(0usize, push_octet)?, 2 + long),
            _ => return None,
        };
        let start = self.range.start.checked_add(header)?;
        let end = start.checked_add(length).filter(|end| *end <= self.range.end)?;
        Some(Element { whole: self.range.start..end, content: start..end })
    }
}

fn push_octet(length: usize, octet: &u8) -> Option<usize> {
    length.checked_mul(256)?.checked_add(usize::from(*octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_in_every_form() {
        for (der, content) in [
            (&[0x04, 0x01, 7][..], 2..3),
            (&[0x04, 0x81, 0x01, 7], 3..4),
            (&[0x04, 0x84, 0, 0, 0, 1, 7], 6..7),
            (&[0x04, 0x00], 2..2),
        ] {
            let mut reader = Reader::new(der);
            let element = reader.expect(tag::OCTET_STRING, "x").unwrap();
            assert_eq!(element, Element { whole: 0..der.len(), content });
            assert_eq!(reader.end("x"), Ok(()));
        }
    }

    #[test]
    fn lengths_beyond_the_input_are_refused() {
        let malformed = Err(CertificateError::Malformed { part: "x", offset: 0 });
        for der in [
            &[][..],
            &[0x04],
            &[0x04, 0x02, 0],
            &[0x04, 0x80, 0, 0],
            &[0x04, 0x85, 0, 0, 0, 0, 0],
            &[0x04, 0x82, 0],
            &[0x04, 0x84, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(Reader::new(der).next("x"), malformed, "{der:?}");
        }
    }
}
