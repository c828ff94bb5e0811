//! Writing DER: lengths are known before the octets.

use const_oid::ObjectIdentifier;

use crate::cms::ber;

/// One element around its content.
pub(crate) fn tlv(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let length: usize = content.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 10);
    header(tag, u64::try_from(length).unwrap_or(u64::MAX), &mut out);
    for part in content {
        out.extend_from_slice(part);
    }
    out
}

/// Identifier and length octets.
pub(crate) fn header(tag: u8, length: u64, out: &mut Vec<u8>) {
    out.push(tag);
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => out.push(short),
        _ => {
            let octets = length.to_be_bytes();
            let zeros = octets.iter().take_while(|octet| **octet == 0).count();
            let significant = octets.get(zeros..).unwrap_or_default();
            out.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
            out.extend_from_slice(significant);
        }
    }
}

/// Octets of an element with `length` octets of content.
pub(crate) fn size(length: u64) -> u64 {
    let octets = match length {
        0..=0x7f => 0,
        _ => 8 - u64::from(length.leading_zeros()) / 8,
    };
    length.saturating_add(2).saturating_add(octets)
}

pub(crate) fn oid(oid: &ObjectIdentifier) -> Vec<u8> {
    tlv(ber::OID, &[oid.as_bytes()])
}

pub(crate) fn integer(value: u8) -> Vec<u8> {
    tlv(ber::INTEGER, &[&[value]])
}

/// The headers that lead to content octets, from the outside in: each element holds what precedes the next header,
/// and all elements end behind the content and `after` further octets in the element that says so.
#[derive(Debug)]
pub(crate) struct Nest {
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    tag: u8,
    before: Vec<u8>,
    after: u64,
}

impl Nest {
    pub(crate) fn new() -> Self {
        Self { layers: Vec::new() }
    }

    /// One more element, in the innermost one; `before` precedes the next element in it, `after` octets follow that one.
    pub(crate) fn with(mut self, tag: u8, before: Vec<u8>, after: u64) -> Self {
        self.layers.push(Layer { tag, before, after });
        self
    }

    /// All headers for `content` octets in the innermost element.
    pub(crate) fn prefix(&self, content: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for (layer, length) in self.layers.iter().zip(self.lengths(content).iter().rev()) {
            header(layer.tag, *length, &mut out);
            out.extend_from_slice(&layer.before);
        }
        out
    }

    /// Octets of the whole around `content` octets, with definite lengths.
    pub(crate) fn definite_len(&self, content: u64) -> u64 {
        self.lengths(content).last().map_or(content, |outermost| size(*outermost))
    }

    /// The lengths of all elements, from the inside out.
    fn lengths(&self, content: u64) -> Vec<u64> {
        let mut lengths = Vec::with_capacity(self.layers.len());
        let mut inner = content;
        for layer in self.layers.iter().rev() {
            let before = u64::try_from(layer.before.len()).unwrap_or(u64::MAX);
            let length = before.saturating_add(inner).saturating_add(layer.after);
            lengths.push(length);
            inner = size(length);
        }
        lengths
    }

    /// All headers, of indefinite length; the innermost element becomes a constructed one that holds segments.
    pub(crate) fn open(&self, out: &mut Vec<u8>) {
        for layer in &self.layers {
            out.extend_from_slice(&[layer.tag | ber::CONSTRUCTED, INDEFINITE]);
            out.extend_from_slice(&layer.before);
        }
    }

    /// What ends the elements that were opened; `after` stands in the element that has room for it.
    pub(crate) fn close(&self, after: &[u8], out: &mut Vec<u8>) {
        for layer in self.layers.iter().rev() {
            if layer.after > 0 {
                out.extend_from_slice(after);
            }
            out.extend_from_slice(&END_OF_CONTENTS);
        }
    }

    /// Octets around segments: what opens and what closes.
    pub(crate) fn indefinite_len(&self) -> u64 {
        let around = self.layers.iter().map(|layer| {
            let before = u64::try_from(layer.before.len()).unwrap_or(u64::MAX);
            before.saturating_add(layer.after).saturating_add(4)
        });
        around.fold(0, u64::saturating_add)
    }
}

/// The length octet of an element that end-of-contents octets end (X.690 section 8.1.3.6).
const INDEFINITE: u8 = 0x80;
const END_OF_CONTENTS: [u8; 2] = [0, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_minimal_and_of_64_bits() {
        let cases: [(u64, &[u8]); 6] = [
            (0, &[4, 0]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (256, &[4, 0x82, 1, 0]),
            (u64::from(u32::MAX), &[4, 0x84, 255, 255, 255, 255]),
            (1 << 40, &[4, 0x86, 1, 0, 0, 0, 0, 0]),
        ];
        for (length, expected) in cases {
            let mut out = Vec::new();
            header(4, length, &mut out);
            assert_eq!(out, expected);
            assert_eq!(size(length), length + u64::try_from(expected.len()).unwrap());
        }
    }

    #[test]
    fn nested_prefixes_fit_their_content() {
        let nest = Nest::new().with(0x30, vec![5, 0], 2).with(0xa0, Vec::new(), 0).with(4, Vec::new(), 0);
        for content in [0usize, 100, 125, 127, 128, 250, 70_000] {
            let mut wire = nest.prefix(u64::try_from(content).unwrap());
            wire.extend(vec![7; content]);
            wire.extend([5, 0]);
            let octets = tlv(4, &[&vec![7; content]]);
            assert_eq!(wire, tlv(0x30, &[&[5, 0], &tlv(0xa0, &[&octets]), &[5, 0]]), "{content}");
            assert_eq!(nest.definite_len(u64::try_from(content).unwrap()), u64::try_from(wire.len()).unwrap());
        }
    }
}
