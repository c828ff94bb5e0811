//! Parameter values outside ASCII: RFC 2231, and the encoded words of RFC 2047 that are met in their place.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Most continuations of one parameter that are put together.
const MAX_CONTINUATIONS: usize = 64;

/// RFC 2231: `name*0`, `name*1*` and `name*` become `name`, in front of a plain parameter of that name.
pub(super) fn join_extended(raw: Vec<(String, String)>) -> Vec<(String, String)> {
    let (extended, mut plain): (Vec<_>, Vec<_>) = raw.into_iter().partition(|(name, _)| name.contains('*'));
    let mut names: Vec<&str> = extended.iter().filter_map(|(name, _)| name.split('*').next()).collect();
    names.dedup();
    let mut joined = Vec::new();
    for name in names {
        if joined.iter().any(|(known, _): &(String, String)| known == name) {
            continue;
        }
        let find = |suffix: &str| extended.iter().find(|(known, _)| *known == format!("{name}*{suffix}"));
        let value = match find("") {
            Some((_, whole)) => decode_extended(whole),
            None => {
                let mut encoded = Vec::new();
                for index in 0..MAX_CONTINUATIONS {
                    match (find(&format!("{index}*")), find(&index.to_string())) {
                        (Some((_, part)), _) => encoded.push((part.as_str(), true)),
                        (None, Some((_, part))) => encoded.push((part.as_str(), false)),
                        (None, None) => break,
                    }
                }
                join_continuations(&encoded)
            }
        };
        joined.push((name.to_owned(), value));
    }
    joined.append(&mut plain);
    joined
}

fn join_continuations(parts: &[(&str, bool)]) -> String {
    let (mut charset, mut octets) = (String::new(), Vec::new());
    for (index, (part, is_encoded)) in parts.iter().enumerate() {
        let text = match (index, is_encoded) {
            (0, true) => {
                let (named, rest) = split_charset(part);
                charset = named.to_owned();
                rest
            }
            _ => part,
        };
        octets.extend(if *is_encoded { percent_decode(text) } else { text.as_bytes().to_vec() });
    }
    from_charset(&charset, octets)
}

/// `charset'language'text`
fn split_charset(value: &str) -> (&str, &str) {
    let mut pieces = value.splitn(3, '\'');
    match (pieces.next(), pieces.next(), pieces.next()) {
        (Some(charset), Some(_), Some(text)) => (charset, text),
        _ => ("utf-8", value),
    }
}

fn decode_extended(value: &str) -> String {
    let (charset, text) = split_charset(value);
    from_charset(charset, percent_decode(text))
}

fn percent_decode(text: &str) -> Vec<u8> {
    let (mut octets, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let escape = after.get(..2).filter(|_| *first == b'%').and_then(hex_pair);
        octets.push(escape.unwrap_or(*first));
        rest = if escape.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    octets
}

pub(crate) fn hex_pair(pair: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|text| !text.starts_with('+'))?, 16).ok()
}

/// UTF-8, or Latin-1, which every octet sequence is. A language may follow the character set (RFC 2231 section 5).
fn from_charset(charset: &str, octets: Vec<u8>) -> String {
    let charset = charset.split('*').next().unwrap_or_default().to_ascii_lowercase();
    match charset.as_str() {
        "iso-8859-1" => octets.into_iter().map(char::from).collect(),
        "windows-1252" | "cp1252" => octets.into_iter().map(windows_1252).collect(),
        _ => String::from_utf8(octets).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect()),
    }
}

/// Latin-1 but for the octets 0x80 to 0x9f.
fn windows_1252(octet: u8) -> char {
    const UPPER: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let upper = octet.checked_sub(0x80).and_then(|index| UPPER.get(usize::from(index)));
    upper.copied().unwrap_or_else(|| char::from(octet))
}

/// RFC 2047 encoded words, which some products write in quoted strings although they must not.
pub(crate) fn decode_words(text: &str) -> String {
    let (mut decoded, mut rest, mut after_word) = (String::with_capacity(text.len()), text, false);
    while let Some(start) = rest.find("=?") {
        let (before, word) = rest.split_at(start);
        let mut fields = word.get(2..).unwrap_or_default().splitn(4, '?');
        let parts = (fields.next(), fields.next(), fields.next(), fields.next());
        let (Some(charset), Some(encoding), Some(data), Some(tail)) = parts else { break };
        let Some(octets) = decode_word(encoding, data).filter(|_| tail.starts_with('=')) else { break };
        if !(after_word && before.trim().is_empty()) {
            decoded.push_str(before);
        }
        decoded.push_str(&from_charset(charset, octets));
        rest = tail.get(1..).unwrap_or_default();
        after_word = true;
    }
    decoded.push_str(rest);
    decoded
}

/// base64 with or without its padding.
const WORD: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn decode_word(encoding: &str, data: &str) -> Option<Vec<u8>> {
    match encoding {
        "B" | "b" => WORD.decode(data).ok(),
        "Q" | "q" => Some(percent_decode(&data.replace('%', "%25").replace('=', "%").replace('_', " "))),
        _ => None,
    }
}
