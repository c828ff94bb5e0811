//! The file that is sent: made before, compared afterwards.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::progress::{Count, add};

/// Octets at a time.
const PIECE: usize = 64 << 10;

/// Writes an interchange-like text of `size` octets: segments whose digits hardly repeat, with CR LF.
pub(crate) fn generate(path: &Path, size: u64, count: &Count) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(PIECE, File::create_new(path)?);
    let (mut left, mut state) = (size, 7u64);
    while left > 0 {
        // Knuth's MMIX generator: fast, and good enough to be different everywhere.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let segment = segment(state.rotate_left(29));
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(segment.len());
        file.write_all(&segment[..length])?;
        left -= u64::try_from(length).unwrap_or(left);
        add(count, length);
    }
    file.flush()
}

fn segment(mut number: u64) -> [u8; 32] {
    let mut segment = *b"PO1*................*EA*9.25~~\r\n";
    for digit in &mut segment[4..20] {
        *digit = b"0123456789ABCDEF"[usize::from(number.to_le_bytes()[0] & 15)];
        number >>= 4;
    }
    segment
}

/// SHA-256 of a file, in hexadecimal digits.
pub(crate) fn digest(path: &Path, count: &Count) -> io::Result<String> {
    let (mut file, mut piece, mut digest) = (File::open(path)?, vec![0; PIECE], Sha256::new());
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok(digest.finalize().iter().map(|octet| format!("{octet:02x}")).collect());
        }
        digest.update(&piece[..length]);
        add(count, length);
    }
}
