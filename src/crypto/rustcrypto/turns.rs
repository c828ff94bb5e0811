//! A digest that takes turns with a cipher.
//!
//! SHA-256 and CBC encryption are both chains in which every step waits for the one before, and leave most of a
//! processor idle. It works on both chains at once where their steps stand close together in one loop: some hundred
//! instructions, which a block of the digest and as many octets of the cipher are. Longer pieces would run one after
//! the other.

use crate::crypto::DigestContext;

/// The octets that a digest is still to take.
pub(super) struct Turns<'a> {
    digest: &'a mut dyn DigestContext,
    rest: &'a [u8],
    piece: usize,
}

impl<'a> Turns<'a> {
    /// Brings the digest to the start of a block, so that each piece is one. A digest that takes no turns is fed here.
    pub(super) fn start(digest: &'a mut dyn DigestContext, octets: &'a [u8]) -> Self {
        let open = digest.turn().unwrap_or(octets.len());
        let (now, rest) = octets.split_at_checked(open).unwrap_or((octets, &[]));
        digest.update(now);
        let piece = digest.turn().unwrap_or(usize::MAX);
        Self { digest, rest, piece }
    }

    /// The same for a cipher beside which digests of long blocks gain nothing: those are fed here.
    pub(super) fn of_short_blocks(digest: &'a mut dyn DigestContext, octets: &'a [u8]) -> Self {
        let mut turns = Self::start(digest, octets);
        if turns.piece > 64 {
            turns.take(turns.rest.len());
        }
        turns
    }

    /// Octets of a piece.
    pub(super) fn piece(&self) -> usize {
        self.piece
    }

    /// Whether there is nothing to take turns with.
    pub(super) fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// Digests so many octets, of which as many as remain.
    #[inline]
    pub(super) fn take(&mut self, octets: usize) {
        if let Some((now, rest)) = self.rest.split_at_checked(octets) {
            self.digest.update(now);
            self.rest = rest;
        } else if !self.rest.is_empty() {
            self.digest.update(std::mem::take(&mut self.rest));
        }
    }

    /// Digests what remains.
    pub(super) fn finish(mut self) {
        self.take(self.rest.len());
    }
}
