//! The canonical form of text: every line end is CRLF (RFC 8551 section 3.1.1); and the forms that writers who do not
//! know it give to an entity.

use memchr::{memchr, memchr_iter};

/// Turns bare line feeds into CRLF; a push machine with one octet of state.
///
/// A bare carriage return stays: BouncyCastle, whose signatures make this form necessary, writes LF files as CRLF
/// and has no use for the other case.
#[derive(Debug, Default)]
pub(crate) struct Canonicalizer {
    after_cr: bool,
    changed: bool,
}

impl Canonicalizer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A machine that goes on behind octets that are in canonical form already; whether the last one was a carriage return.
    pub(crate) fn after(after_cr: bool) -> Self {
        Self { after_cr, changed: false }
    }

    /// Hands the canonical form of `chunk` to `out`, in pieces.
    pub(crate) fn push(&mut self, mut chunk: &[u8], out: &mut dyn FnMut(&[u8])) {
        while let Some(end) = memchr(b'\n', chunk) {
            let Some((line, rest)) = chunk.split_at_checked(end) else { return };
            let has_cr = if line.is_empty() { self.after_cr } else { line.ends_with(b"\r") };
            out(line);
            if has_cr {
                out(b"\n");
            } else {
                self.changed = true;
                out(b"\r\n");
            }
            self.after_cr = false;
            chunk = rest.get(1..).unwrap_or_default();
        }
        if let Some(last) = chunk.last() {
            self.after_cr = *last == b'\r';
            out(chunk);
        }
    }

    /// Whether the form differs from what came in.
    pub(crate) fn changed(&self) -> bool {
        self.changed
    }
}

/// Whether any line feed lacks the carriage return in front of it. Written for a compiler that compares many octets at once.
pub(crate) fn has_bare_lf(after_cr: bool, chunk: &[u8]) -> bool {
    let first = chunk.first() == Some(&b'\n') && !after_cr;
    let behind = chunk.get(1..).unwrap_or_default();
    let pairs = chunk.chunks(4096).zip(behind.chunks(4096));
    let bare = |before: &[u8], octets: &[u8]| {
        before
            .iter()
            .zip(octets)
            .fold(0u8, |found, (before, octet)| found | (u8::from(*octet == b'\n') & u8::from(*before != b'\r')))
    };
    first || pairs.into_iter().any(|(before, octets)| bare(before, octets) != 0)
}

/// The octets before the last line end; `None` if they do not end with one.
pub(crate) fn without_last_line_end(octets: &[u8]) -> Option<&[u8]> {
    octets.strip_suffix(b"\r\n").or_else(|| octets.strip_suffix(b"\n"))
}

/// Hands an entity to `out` in pieces, with CRLF in its header and bare line feeds in its body, and says whether that
/// is a form of its own: not what came in, and not one of several things that could have been meant.
///
/// A body with line ends of both kinds was written by nobody in the other form. Thus no two bodies of one length have
/// the same form. All octets are worked through whatever they are: they may be secret.
pub(crate) fn body_in_lf(entity: &[u8], out: &mut dyn FnMut(&[u8])) -> bool {
    let (header, body) = entity.split_at_checked(header_len(entity)).unwrap_or((entity, &[]));
    let mut canonicalizer = Canonicalizer::new();
    canonicalizer.push(header, out);
    let (mut crlf, mut bare, mut start) = (false, false, 0);
    for end in memchr_iter(b'\n', body) {
        let line = body.get(start..end).unwrap_or_default();
        let text = line.strip_suffix(b"\r");
        crlf |= text.is_some();
        bare |= text.is_none();
        out(text.unwrap_or(line));
        out(b"\n");
        start = end + 1;
    }
    out(body.get(start..).unwrap_or_default());
    !(crlf && bare) && (crlf || (bare && canonicalizer.changed()))
}

/// The length of a header with the empty line behind it; all of the octets where no empty line follows one.
fn header_len(entity: &[u8]) -> usize {
    let (mut start, mut begun) = (0, false);
    for end in memchr_iter(b'\n', entity) {
        let is_empty = matches!(entity.get(start..end), Some(b"" | b"\r"));
        start = end + 1;
        // Empty lines before a header are skipped where it is read.
        if is_empty && begun {
            return start;
        }
        begun |= !is_empty;
    }
    entity.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c05_bodies_in_line_feeds_have_a_header_in_crlf() {
        let cases: [(&[u8], &[u8], bool); 10] = [
            (b"A: b\r\n\r\none\r\ntwo\r\n", b"A: b\r\n\r\none\ntwo\n", true),
            (b"A: b\n\none\ntwo", b"A: b\r\n\r\none\ntwo", true),
            (b"\r\nA: b\r\n\r\none\r\n\r\n", b"\r\nA: b\r\n\r\none\n\n", true),
            // It is what came in.
            (b"A: b\r\n\r\none\ntwo\n", b"A: b\r\n\r\none\ntwo\n", false),
            (b"A: b\r\n\r\none", b"A: b\r\n\r\none", false),
            (b"A: b\r\n\r\n", b"A: b\r\n\r\n", false),
            // It is the CRLF form.
            (b"A: b\n\none", b"A: b\r\n\r\none", false),
            (b"no header", b"no header", false),
            // Both kinds of line ends: whoever changed the first could have changed the second.
            (b"A: b\r\n\r\none\r\ntwo\n", b"A: b\r\n\r\none\ntwo\n", false),
            (b"A: b\r\n\r\none\r\r\ntwo\r", b"A: b\r\n\r\none\r\ntwo\r", true),
        ];
        for (entity, expected, usable) in cases {
            let mut form = Vec::new();
            assert_eq!(body_in_lf(entity, &mut |piece| form.extend_from_slice(piece)), usable, "{entity:?}");
            assert_eq!(form, expected, "{entity:?}");
        }
    }

    #[test]
    fn no_two_bodies_of_one_length_have_the_same_form_in_line_feeds() {
        let mut seen = std::collections::BTreeMap::new();
        for length in 0..8 {
            for number in 0..3_usize.pow(length) {
                let digit = |at| b"\r\na"[number / 3_usize.pow(at) % 3];
                let body: Vec<u8> = (0..length).map(digit).collect();
                let (entity, mut form) = ([b"A: b\r\n\r\n", body.as_slice()].concat(), Vec::new());
                if body_in_lf(&entity, &mut |piece| form.extend_from_slice(piece)) {
                    let other = seen.insert((length, form), body);
                    assert_eq!(other, None);
                }
            }
        }
        assert!(seen.len() > 400, "{}", seen.len());
    }

    #[test]
    fn one_line_end_is_left_out_at_the_end() {
        let short = without_last_line_end;
        assert_eq!(
            (short(b"a\r\n\r\n"), short(b"a\n"), short(b"a\r"), short(b"")),
            (Some(&b"a\r\n"[..]), Some(&b"a"[..]), None, None)
        );
    }

    fn canonical(chunks: &[&[u8]]) -> (Vec<u8>, bool) {
        let (mut machine, mut out) = (Canonicalizer::new(), Vec::new());
        for chunk in chunks {
            machine.push(chunk, &mut |piece| out.extend_from_slice(piece));
        }
        (out, machine.changed())
    }

    #[test]
    fn c05_bare_line_feeds_become_crlf_in_any_chunks() {
        let cases: [(&[u8], &[u8]); 7] = [
            (b"a\nb\n", b"a\r\nb\r\n"),
            (b"a\r\nb\r\n", b"a\r\nb\r\n"),
            (b"\n", b"\r\n"),
            (b"\r\n\n\r\n", b"\r\n\r\n\r\n"),
            (b"a\rb", b"a\rb"),
            (b"\r", b"\r"),
            (b"", b""),
        ];
        for (input, expected) in cases {
            assert_eq!(canonical(&[input]), (expected.to_vec(), input != expected));
            let octets: Vec<&[u8]> = input.chunks(1).collect();
            assert_eq!(canonical(&octets), (expected.to_vec(), input != expected));
            assert_eq!(has_bare_lf(false, input), input != expected);
            let (mut after_cr, mut bare) = (false, false);
            for octet in input {
                bare |= has_bare_lf(after_cr, &[*octet]);
                after_cr = *octet == b'\r';
            }
            assert_eq!(bare, input != expected);
        }
    }

    #[test]
    fn a_bare_line_feed_is_found_wherever_it_stands() {
        for at in [0, 1, 4095, 4096, 4097, 8191, 8192, 9999] {
            let mut chunk = vec![b'a'; 10_000];
            assert!(!has_bare_lf(false, &chunk));
            chunk[at] = b'\n';
            assert!(has_bare_lf(false, &chunk), "{at}");
            match at.checked_sub(1) {
                Some(before) => chunk[before] = b'\r',
                None => {
                    assert!(!has_bare_lf(true, &chunk));
                    continue;
                }
            }
            assert!(!has_bare_lf(false, &chunk), "{at}");
        }
    }
}
