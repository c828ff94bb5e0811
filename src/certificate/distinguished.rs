//! Distinguished names and serial numbers as text that other programs read (RFC 4514), and their comparison with what
//! other programs wrote.

use std::fmt::Write as _;

use x509_parser::prelude::{FromDer, X509Name};

use super::der::Reader;
use super::{Certificate, hex};

/// The types that RFC 4514 section 3 names, and names that programs write beside them.
const TYPES: [(&str, &str); 23] = [
    ("CN", "2.5.4.3"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("C", "2.5.4.6"),
    ("STREET", "2.5.4.9"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("S", "2.5.4.8"),
    ("SN", "2.5.4.4"),
    ("SURNAME", "2.5.4.4"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("T", "2.5.4.12"),
    ("TITLE", "2.5.4.12"),
    ("GN", "2.5.4.42"),
    ("GIVENNAME", "2.5.4.42"),
    ("DNQ", "2.5.4.46"),
    ("POSTALCODE", "2.5.4.17"),
    ("E", "1.2.840.113549.1.9.1"),
    ("EMAIL", "1.2.840.113549.1.9.1"),
    ("EMAILADDRESS", "1.2.840.113549.1.9.1"),
    ("ORGANIZATIONIDENTIFIER", "2.5.4.97"),
];
/// How many of them RFC 4514 names: these are written, others as numbers.
const STANDARD: usize = 9;

impl Certificate {
    /// The issuer in the form of RFC 4514.
    pub(crate) fn issuer_rfc4514(&self) -> String {
        let Ok((_, name)) = X509Name::from_der(self.issuer_der()) else { return String::new() };
        let rdns: Vec<_> = name.iter().map(|rdn| rdn.iter().map(written).collect::<Vec<_>>().join("+")).collect();
        rdns.iter().rev().map(String::as_str).collect::<Vec<_>>().join(",")
    }

    /// Whether a text names the issuer, in any order and spelling that programs write.
    pub(crate) fn is_issued_by(&self, text: &str) -> bool {
        let Ok((_, name)) = X509Name::from_der(self.issuer_der()) else { return false };
        let mut own: Vec<_> = name
            .iter_attributes()
            .map(|attribute| (attribute.attr_type().to_id_string(), normal(&value_text(attribute))))
            .collect();
        let mut named: Vec<_> = pieces(text).iter().map(|piece| read(piece)).collect();
        own.sort();
        named.sort();
        own == named
    }

    /// The serial number in decimal digits, with a sign if it is negative.
    pub(crate) fn serial_decimal(&self) -> String {
        decimal(self.serial_octets())
    }
}

type Attribute<'a> = x509_parser::prelude::AttributeTypeAndValue<'a>;

fn written(attribute: &Attribute<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    match TYPES.iter().take(STANDARD).find(|(_, known)| *known == oid) {
        Some((name, _)) => format!("{name}={}", escaped(&value_text(attribute))),
        None => {
            let value = attribute.attr_value();
            let tag = u8::try_from(value.header.tag().0).unwrap_or(12);
            format!("{oid}=#{}", hex(&encoded(tag, value.data)))
        }
    }
}

/// A value with its tag and length in DER.
fn encoded(tag: u8, content: &[u8]) -> Vec<u8> {
    let octets = content.len().to_be_bytes();
    let significant: Vec<u8> = octets.into_iter().skip_while(|octet| *octet == 0).collect();
    let mut out = vec![tag];
    match significant.as_slice() {
        [] => out.push(0),
        [short @ 0..=0x7f] => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

/// RFC 4514 section 2.4.
fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, character) in value.chars().enumerate() {
        let edge = (character == ' ' && (at == 0 || at == last)) || (character == '#' && at == 0);
        if edge || "\"+,;<>\\".contains(character) {
            text.push('\\');
        }
        if character.is_control() {
            let mut utf8 = [0; 4];
            for octet in character.encode_utf8(&mut utf8).bytes() {
                let _ = write!(text, "\\{octet:02X}");
            }
        } else {
            text.push(character);
        }
    }
    text
}

/// The value of an attribute, in whatever string type it is.
fn value_text(attribute: &Attribute<'_>) -> String {
    let value = attribute.attr_value();
    string(value.header.tag().0, value.data)
}

fn string(tag: u32, octets: &[u8]) -> String {
    match tag {
        // BMPString and UniversalString.
        30 => {
            let units: Vec<u16> = octets.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            String::from_utf16_lossy(&units)
        }
        28 => octets
            .as_chunks::<4>()
            .0
            .iter()
            .map(|four| char::from_u32(u32::from_be_bytes(*four)).unwrap_or('\u{fffd}'))
            .collect(),
        _ => match std::str::from_utf8(octets) {
            Ok(text) => text.to_owned(),
            Err(_) => octets.iter().copied().map(char::from).collect(),
        },
    }
}

/// The attributes of a name: separated by commas, semicolons and plus signs, or by slashes as OpenSSL once wrote them.
fn pieces(text: &str) -> Vec<String> {
    let text = text.trim();
    let slashes = text.starts_with('/');
    let (mut pieces, mut quoted) = (vec![String::new()], false);
    let mut characters = text.chars();
    while let (Some(character), Some(piece)) = (characters.next(), pieces.last_mut()) {
        match character {
            '\\' => {
                piece.push('\\');
                piece.extend(characters.next());
            }
            '"' if !slashes => {
                quoted = !quoted;
                piece.push('"');
            }
            '/' if slashes => pieces.push(String::new()),
            ',' | ';' | '+' if !quoted && !slashes => pieces.push(String::new()),
            other => piece.push(other),
        }
    }
    pieces.retain(|piece| !piece.trim().is_empty());
    pieces
}

/// Type and value of one attribute, so that they compare with those of a certificate.
fn read(piece: &str) -> (String, String) {
    let (kind, value) = piece.split_once('=').unwrap_or((piece, ""));
    let kind = kind.trim().to_ascii_uppercase();
    let kind = kind.strip_prefix("OID.").unwrap_or(&kind);
    let oid = TYPES.iter().find(|(name, _)| *name == kind).map_or(kind, |(_, oid)| oid);
    (oid.to_owned(), normal(&unescaped(value.trim_start())))
}

fn unescaped(value: &str) -> String {
    if let Some(encoded) = value.trim_end().strip_prefix('#').and_then(|digits| hex_octets(digits.as_bytes())) {
        let mut reader = Reader::new(&encoded);
        let tag = u32::from(encoded.first().copied().unwrap_or_default());
        return reader.next("value").map(|value| string(tag, reader.octets(&value.content))).unwrap_or_default();
    }
    let inner = value.trim_end().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let (mut octets, mut rest) = (Vec::with_capacity(inner.len()), inner.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| *first == b'\\').and_then(|pair| hex_octets(pair)?.first().copied());
        let (octet, used) = match (pair, after.first()) {
            (Some(octet), _) => (octet, 2),
            (None, Some(escaped)) if *first == b'\\' => (*escaped, 1),
            _ => (*first, 0),
        };
        octets.push(octet);
        rest = after.get(used..).unwrap_or_default();
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn hex_octets(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let pair = |pair: &[u8; 2]| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.bytes().all(|o| o.is_ascii_hexdigit()))?;
        u8::from_str_radix(text, 16).ok()
    };
    if rest.is_empty() { pairs.iter().map(pair).collect() } else { None }
}

/// RFC 5280 section 7.1 in short: case and the amount of white space do not count.
fn normal(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Octets of the longest serial number that is written in decimal digits; RFC 5280 allows 20.
const MAX_SERIAL: usize = 128;

/// A two's complement number in decimal digits.
fn decimal(octets: &[u8]) -> String {
    if octets.len() > MAX_SERIAL {
        return format!("0x{}", hex(octets));
    }
    let negative = octets.first().is_some_and(|first| first & 0x80 != 0);
    let mut digits = vec![0u8];
    for octet in octets {
        // Of a negative number the complement is written, less one.
        let mut carry = u32::from(if negative { !octet } else { *octet });
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = u8::try_from(carry % 10).unwrap_or(0);
            carry /= 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or(0));
            carry /= 10;
        }
    }
    if negative {
        let nines = digits.iter().take_while(|digit| **digit == 9).count();
        digits.iter_mut().take(nines).for_each(|digit| *digit = 0);
        match digits.get_mut(nines) {
            Some(digit) => *digit += 1,
            None => digits.push(1),
        }
    }
    let sign = if negative { "-" } else { "" };
    digits.iter().rev().fold(sign.to_owned(), |mut text, digit| {
        text.push(char::from(b'0' + digit));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Certificate {
        Certificate::from_pem(include_bytes!("../../tests/vectors/worked/keys/bob-sign.crt")).unwrap()
    }

    #[test]
    fn serial_numbers_in_decimal_digits() {
        // As `openssl x509 -serial` and bc print it.
        assert_eq!(certificate().serial_decimal(), "234779000419486625694663958316748596102802536454");
        let cases: [(&[u8], &str); 9] = [
            (&[], "0"),
            (&[0], "0"),
            (&[9], "9"),
            (&[0, 0xff], "255"),
            (&[0xff], "-1"),
            (&[0x80], "-128"),
            (&[0xf6], "-10"),
            (&[1, 0, 0, 0, 0, 0, 0, 0, 0], "18446744073709551616"),
            (&[0xff, 0, 0, 0, 0, 0, 0, 0, 0], "-18446744073709551616"),
        ];
        for (octets, text) in cases {
            assert_eq!(decimal(octets), text);
        }
        assert!(decimal(&[1; 129]).starts_with("0x0101"));
    }

    #[test]
    fn issuers_in_the_spelling_of_other_programs() {
        let own = certificate();
        let written = own.issuer_rfc4514();
        assert!(own.is_issued_by(&written), "{written}");
        let forms = [
            "CN=Test CA,O=Worked Vectors", // RFC 4514
            "O=Worked Vectors, CN=Test CA",
            "O = Worked Vectors, CN = Test CA",
            "/O=Worked Vectors/CN=Test CA",
            "cn=\"test  ca\"; OID.2.5.4.10=Worked Vectors",
            "2.5.4.3=#0c0754657374204341,O=\\57orked Vectors",
        ];
        for form in forms {
            assert!(own.is_issued_by(form), "{form} against {written}");
        }
        for other in ["", "CN=Test CA", "CN=Test CA,O=Worked Vectors,C=DE", "CN=Worked Vectors,O=Test CA", "=,=", "#"] {
            assert!(!own.is_issued_by(other), "{other}");
        }
    }

    #[test]
    fn values_of_other_types_are_written_in_der() {
        for length in [0usize, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![b'x'; length];
            let whole = encoded(12, &content);
            let mut reader = Reader::new(&whole);
            let element = reader.next("value").unwrap();
            assert_eq!(reader.octets(&element.content), content);
            assert_eq!(unescaped(&format!("#{}", hex(&whole))), String::from_utf8(content).unwrap());
        }
        assert_eq!(unescaped("#1e0400fc0041"), "üA", "BMPString");
        assert_eq!(unescaped("#0c05"), "");
    }

    #[test]
    fn values_are_escaped_and_come_back() {
        for value in ["plain", " #edge ", "a,b+c;d<e>f\"g\\h", "ü\u{7}", "#x"] {
            let text = escaped(value);
            assert_eq!(unescaped(&text), value, "{text}");
            assert_eq!(pieces(&format!("CN={text},O=x")).len(), 2, "{text}");
        }
    }
}
