//! File names of parts (RFC 2183 section 2.3): as they are written, as they are received, and as they may be used.

use std::fmt::Write as _;

use crate::mime::param::extended::decode_words;
use crate::mime::param::{ContentType, find, is_token, parse};

/// Characters of the longest file name that may be sent.
pub(crate) const MAX_CHARS: usize = 255;
/// Octets of the longest file name that common file systems take.
const MAX_OCTETS: usize = 255;
/// Octets of the longest ending that outlives the shortening of a name.
const MAX_ENDING: usize = 32;

/// The file name as the sender wrote it: of Content-Disposition, else the older `name` of Content-Type.
pub(crate) fn received(disposition: Option<&[u8]>, content_type: Option<&ContentType>) -> Option<String> {
    let named = disposition.and_then(|value| find(&parse(text(value).trim()).params, "filename").map(decode_words));
    let older = || content_type.and_then(|content_type| content_type.param("name")).map(decode_words);
    named.filter(|name| !name.is_empty()).or_else(older).filter(|name| !name.is_empty())
}

/// UTF-8, or Latin-1 where it is none.
fn text(value: &[u8]) -> String {
    String::from_utf8(value.to_vec()).unwrap_or_else(|_| value.iter().copied().map(char::from).collect())
}

/// Why a file name is not to be sent.
pub(crate) fn unsendable(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.chars().count() > MAX_CHARS {
        return Some("it has more than 255 characters");
    }
    if name.chars().any(char::is_control) {
        return Some("it contains a control character");
    }
    name.contains(['/', '\\']).then_some("it is a path: send its last part")
}

/// Content-Disposition of an attachment: ASCII in `filename`, and the whole name in `filename*` only where needed.
pub(crate) fn attachment(name: &str, quoted: bool) -> String {
    let plain: String = name.chars().map(|c| if (' '..='~').contains(&c) { c } else { '_' }).collect();
    let mut value = if !quoted && is_token(&plain) {
        format!("attachment; filename={plain}")
    } else {
        format!("attachment; filename=\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
    };
    if plain != name {
        value.push_str("; filename*=UTF-8''");
        for octet in name.bytes() {
            match octet {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => value.push(char::from(octet)),
                // Writing into a string cannot fail.
                _ => drop(write!(value, "%{octet:02X}")),
            }
        }
    }
    value
}

/// A name that can be given to a file in one folder on any system, or `None` where nothing is left of it.
///
/// Directories and drive letters are cut off. Control characters and those that turn text around are dropped, those
/// that Windows forbids become `_`. Spaces around the name and dots behind it are dropped; names of devices get a `_` in
/// front. At most 255 octets stay, and of a longer name its ending does.
pub(crate) fn safe(raw: &str) -> Option<String> {
    let last = raw.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut characters = last.chars();
    let drive = characters.next().is_some_and(|first| first.is_ascii_alphabetic()) && characters.next() == Some(':');
    let rest = if drive { characters.as_str() } else { last };
    let forbidden = |character: char| "<>:\"|?*".contains(character);
    let clean: String =
        rest.chars().filter(|c| !is_invisible(*c)).map(|c| if forbidden(c) { '_' } else { c }).collect();
    let clean = trim(&clean);
    if clean.is_empty() {
        return None;
    }
    let named = if is_device(clean) { format!("_{clean}") } else { clean.to_owned() };
    Some(shorten(named))
}

fn trim(name: &str) -> &str {
    name.trim_start().trim_end_matches(|character: char| character == '.' || character.is_whitespace())
}

/// Control characters, and formatting characters that show a name other than it is.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Names that Windows gives to devices in every folder, whatever ending they have.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    let numbered = |port: &str| matches!(port, "¹" | "²" | "³") || matches!(port.as_bytes(), [b'0'..=b'9']);
    matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") || port.is_some_and(numbered)
}

/// At most [`MAX_OCTETS`], cut between characters in front of the ending.
fn shorten(name: String) -> String {
    if name.len() <= MAX_OCTETS {
        return name;
    }
    let ending = name.rfind('.').and_then(|at| name.get(at..)).filter(|ending| ending.len() <= MAX_ENDING);
    let ending = ending.unwrap_or_default();
    let mut room = MAX_OCTETS - ending.len();
    while !name.is_char_boundary(room) {
        room -= 1;
    }
    let stem = name.get(..room).map(trim).unwrap_or_default();
    format!("{stem}{ending}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(header: &str) -> Option<String> {
        received(Some(header.as_bytes()), None)
    }

    #[test]
    fn f12_file_names_of_every_form() {
        let cases = [
            ("attachment; filename=po.x12", "po.x12"),
            ("attachment; filename=\"my po.x12\"", "my po.x12"),
            ("attachment; filename*=UTF-8''na%C3%AFve.edi", "naïve.edi"),
            ("attachment; filename=\"nave\"; filename*=iso-8859-1'fr'na%EFve", "naïve"),
            ("attachment; filename*0*=UTF-8''%C3%BC; filename*1=\"m.edi\"", "üm.edi"),
            ("attachment; filename*1=\"m.edi\"; filename*0*=UTF-8''%C3%BC", "üm.edi"),
            ("attachment; filename*=windows-1252''%80uro.edi", "€uro.edi"),
            ("attachment; filename*=us-ascii'en-us'This%20is%20%2A%2A%2Afun.edi", "This is ***fun.edi"),
            ("attachment; filename=\"=?utf-8?Q?gr=C3=B6=C3=9Fe.edi?=\"", "größe.edi"),
            ("attachment; filename=\"=?utf-8?B?w7w=?= =?utf-8?B?w7w=?=\"", "üü"),
            ("attachment; filename=\"=?utf-8*de?B?w7w?=\"", "ü"),
            ("attachment; filename=\"C:\\temp\\a.edi\"", "C:\\temp\\a.edi"),
            ("attachment; filename=\"ümläut.edi\"", "ümläut.edi"),
        ];
        for (header, name) in cases {
            assert_eq!(read(header).as_deref(), Some(name), "{header}");
        }
        assert_eq!(received(Some(b"attachment; filename=\"gr\xf6\xdfe\""), None).as_deref(), Some("größe"), "Latin-1");
        assert_eq!((read("attachment; filename=\"\""), read("attachment"), received(None, None)), (None, None, None));
        for name in ["po.x12", "ümläut.edi", "quo\"te.edi", "back\\slash", "100%.edi", "漢字.edi"] {
            for quoted in [true, false] {
                let written = attachment(name, quoted);
                assert!(written.is_ascii());
                assert_eq!(read(&written).as_deref(), Some(name), "{written}");
            }
        }
    }

    #[test]
    fn f12_the_name_of_the_content_type_stands_in() {
        let content_type: ContentType = "application/xml; name=\"old.xml\"".parse().unwrap();
        assert_eq!(received(None, Some(&content_type)).as_deref(), Some("old.xml"));
        assert_eq!(received(Some(b"attachment"), Some(&content_type)).as_deref(), Some("old.xml"));
        assert_eq!(received(Some(b"inline; filename=new.xml"), Some(&content_type)).as_deref(), Some("new.xml"));
    }

    #[test]
    fn names_are_quoted_as_the_peer_likes_it() {
        assert_eq!(attachment("po.x12", true), "attachment; filename=\"po.x12\"");
        assert_eq!(attachment("po.x12", false), "attachment; filename=po.x12");
        assert_eq!(attachment("my po.x12", false), "attachment; filename=\"my po.x12\"");
        assert_eq!(attachment("ü.x12", false), "attachment; filename=_.x12; filename*=UTF-8''%C3%BC.x12");
    }

    #[test]
    fn f11_names_that_are_not_sent() {
        assert_eq!(unsendable(&"ü".repeat(255)), None);
        for bad in ["", "a\0b", "a\r\nb", "a/b", "C:\\a", &"x".repeat(256)] {
            assert!(unsendable(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn f13_u20_names_are_made_safe() {
        let cases = [
            ("po.x12", Some("po.x12")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\temp\\x", Some("x")),
            ("C:x", Some("x")),
            ("\\\\server\\share\\x", Some("x")),
            ("a\0b", Some("ab")),
            ("a\r\nb", Some("ab")),
            ("exe.\u{202e}fdp", Some("exe.fdp")),
            ("a.txt:stream", Some("a.txt_stream")),
            ("what?*.edi", Some("what__.edi")),
            (" a . . ", Some("a")),
            ("CON", Some("_CON")),
            ("nul .txt", Some("_nul .txt")),
            ("com1.edi", Some("_com1.edi")),
            ("LPT²", Some("_LPT²")),
            ("console.edi", Some("console.edi")),
            ("COM10", Some("COM10")),
            (".*", Some("._")),
            ("", None),
            (".", None),
            ("..", None),
            ("a/..", None),
            ("a/", None),
            ("C:", None),
            (" \t\0", None),
        ];
        for (raw, name) in cases {
            assert_eq!(safe(raw).as_deref(), name, "{raw:?}");
        }
    }

    #[test]
    fn f11_long_names_keep_their_ending() {
        let name = safe(&format!("{}.x12", "ü".repeat(300))).unwrap();
        assert!(name.len() <= 255 && name.ends_with("ü.x12"), "{name}");
        assert_eq!(safe(&format!("a.{}", "x".repeat(300))).unwrap().len(), 255);
    }

    proptest! {
        #[test]
        fn f13_what_is_safe_stays_as_it_is(raw in "[\\PC./\\\\: \0]{0,300}") {
            if let Some(name) = safe(&raw) {
                prop_assert!(!name.is_empty() && name.len() <= 255 && !name.contains(['/', '\\', ':', '\0']));
                prop_assert!(name != "." && name != "..");
                prop_assert_eq!(safe(&name), Some(name));
            }
        }
    }
}
