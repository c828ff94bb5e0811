//! A universal hash over octets that come in pieces: what GCM and Poly1305 authenticate.

use ghash::universal_hash::{UniversalHash, common::BlockSizeUser, consts::U16};

use super::turns::Turns;

/// Hashes ciphertext block by block; the last block is filled up with zeros.
pub(super) struct Hashed<H> {
    hash: H,
    /// The start of an incomplete block.
    partial: [u8; 16],
    len: u64,
}

impl<H: UniversalHash + BlockSizeUser<BlockSize = U16>> Hashed<H> {
    pub(super) fn new(hash: H) -> Self {
        Self { hash, partial: [0; 16], len: 0 }
    }

    pub(super) fn update(&mut self, octets: &[u8]) {
        self.update_by(octets, |hash, blocks| hash.update(blocks));
    }

    /// The same in turns with a digest, which mostly waits for itself where the hash waits for nothing.
    pub(super) fn update_in_turns(&mut self, octets: &[u8], turns: &mut Turns<'_>) {
        if turns.is_over() {
            return self.update(octets);
        }
        let piece = turns.piece();
        self.update_by(octets, |hash, blocks| {
            for blocks in blocks.chunks((piece / 16).max(1)) {
                turns.take(piece);
                hash.update(blocks);
            }
        });
    }

    fn update_by(&mut self, octets: &[u8], whole: impl FnOnce(&mut H, &[ghash::Block])) {
        let rest = self.complete(octets);
        let (blocks, tail): (&[ghash::Block], _) = aes::cipher::Array::slice_as_chunks(rest);
        whole(&mut self.hash, blocks);
        if let Some(partial) = self.partial.get_mut(..tail.len()) {
            partial.copy_from_slice(tail);
        }
        self.len += len_u64(rest);
    }

    /// Completes a block that was left open, and returns what remains; nothing remains while it stays open.
    fn complete<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let filled = usize::try_from(self.len % 16).unwrap_or(0);
        let Some(open) = self.partial.get_mut(filled..).filter(|_| filled > 0) else { return octets };
        let (now, rest) = octets.split_at_checked(open.len()).unwrap_or((octets, &[]));
        open.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
        self.len += len_u64(now);
        if self.len.is_multiple_of(16) {
            self.hash.update(&[self.partial.into()]);
        }
        rest
    }

    /// Ends with the block that holds the lengths, made from that of the content in octets.
    pub(super) fn finish(mut self, lengths: impl FnOnce(u64) -> [u8; 16]) -> [u8; 16] {
        let filled = usize::try_from(self.len % 16).unwrap_or(0);
        self.hash.update_padded(self.partial.get(..filled).unwrap_or_default());
        self.hash.update(&[lengths(self.len).into()]);
        self.hash.finalize().into()
    }
}

pub(super) fn len_u64(octets: &[u8]) -> u64 {
    u64::try_from(octets.len()).unwrap_or(u64::MAX)
}
