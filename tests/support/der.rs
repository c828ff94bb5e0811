//! A DER tree for tests that change one octet string in a structure: all lengths are written anew.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part of it

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Der {
    Primitive(u8, Vec<u8>),
    Constructed(u8, Vec<Self>),
}

impl Der {
    /// Reads one element that fills the input.
    pub fn read(octets: &[u8]) -> Self {
        let (element, rest) = Self::split(octets);
        assert!(rest.is_empty());
        element
    }

    fn split(octets: &[u8]) -> (Self, &[u8]) {
        let (tag, first) = (octets[0], octets[1]);
        let (length, header) = match first {
            0..=0x7f => (usize::from(first), 2),
            _ => {
                let count = usize::from(first & 0x7f);
                (octets[2..2 + count].iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), 2 + count)
            }
        };
        let (mut content, rest) = octets[header..].split_at(length);
        if tag & 0x20 == 0 {
            return (Self::Primitive(tag, content.to_vec()), rest);
        }
        let mut children = Vec::new();
        while !content.is_empty() {
            let (child, more) = Self::split(content);
            children.push(child);
            content = more;
        }
        (Self::Constructed(tag, children), rest)
    }

    pub fn write(&self) -> Vec<u8> {
        let (tag, content) = match self {
            Self::Primitive(tag, content) => (*tag, content.clone()),
            Self::Constructed(tag, children) => (*tag, children.iter().flat_map(Self::write).collect()),
        };
        let length = content.len().to_be_bytes();
        let significant = &length[length.iter().take_while(|octet| **octet == 0).count()..];
        let mut octets = vec![tag];
        match u8::try_from(content.len()) {
            Ok(short @ 0..=0x7f) => octets.push(short),
            _ => {
                octets.push(0x80 | u8::try_from(significant.len()).unwrap());
                octets.extend(significant);
            }
        }
        octets.extend(content);
        octets
    }

    /// The element at a path of child numbers.
    pub fn at(&self, path: &[usize]) -> &Self {
        match (path, self) {
            ([], found) => found,
            ([first, rest @ ..], Self::Constructed(_, children)) => children[*first].at(rest),
            (_, Self::Primitive(..)) => panic!("no children at {path:?}"),
        }
    }

    /// The content of a primitive element.
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Primitive(_, octets) => octets,
            Self::Constructed(tag, _) => panic!("element {tag:02x} is constructed"),
        }
    }

    /// Puts other content into the primitive element at a path.
    pub fn replace(&mut self, path: &[usize], octets: Vec<u8>) {
        match (path, self) {
            ([], Self::Primitive(_, content)) => *content = octets,
            ([first, rest @ ..], Self::Constructed(_, children)) => children[*first].replace(rest, octets),
            (_, found) => panic!("no octets at {path:?}: {found:?}"),
        }
    }
}
