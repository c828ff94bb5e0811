//! The canonical form of text: every line end is CRLF (RFC 8551 section 3.1.1).

use memchr::memchr;

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

#[cfg(test)]
mod tests {
    use super::*;

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
