//! CBC mode (RFC 3565, SP 800-38A), alone and in turns with a digest.

use ::cbc::{Decryptor, Encryptor};
use aes::cipher::array::ArraySize;
use aes::cipher::typenum::Unsigned;
use aes::cipher::{
    Array, Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecBackend, BlockModeDecClosure, BlockModeDecrypt,
    BlockModeEncBackend, BlockModeEncClosure, BlockModeEncrypt, BlockSizeUser, KeyInit, KeyIvInit,
};

use super::turns::Turns;
use crate::crypto::{ContentDecryptor, ContentEncryptor, CryptoError, DigestContext, Tag, TagMismatch};

pub(super) fn cbc_encryptor<C>(key: &[u8], iv: &[u8]) -> Result<Box<dyn ContentEncryptor>, CryptoError>
where
    C: BlockCipherEncrypt + KeyInit + Send + Sync + 'static,
{
    let mode = Encryptor::<C>::new_from_slices(key, iv).map_err(|_| CryptoError::InvalidKey)?;
    Ok(Box::new(CbcEncryptor(mode)))
}

pub(super) fn cbc_decryptor<C>(key: &[u8], iv: &[u8]) -> Result<Box<dyn ContentDecryptor>, CryptoError>
where
    C: BlockCipherDecrypt + KeyInit + Send + Sync + 'static,
{
    let mode = Decryptor::<C>::new_from_slices(key, iv).map_err(|_| CryptoError::InvalidKey)?;
    Ok(cbc_decryptor_of(mode))
}

/// CBC decryption with a cipher that has its key already.
pub(super) fn cbc_decryptor_of<C>(mode: Decryptor<C>) -> Box<dyn ContentDecryptor>
where
    C: BlockCipherDecrypt + Send + Sync + 'static,
{
    Box::new(CbcDecryptor(mode))
}

struct CbcEncryptor<C: BlockCipherEncrypt>(Encryptor<C>);

impl<C: BlockCipherEncrypt + Send + Sync> ContentEncryptor for CbcEncryptor<C> {
    fn block_len(&self) -> usize {
        C::BlockSize::USIZE
    }

    fn update(&mut self, blocks: &mut [u8]) {
        let (blocks, _): (&mut [Block<C>], _) = Array::slice_as_chunks_mut(blocks);
        self.0.encrypt_blocks(blocks);
    }

    fn digest_and_update(&mut self, digest: &mut dyn DigestContext, digested: &[u8], blocks: &mut [u8]) {
        let mut turns = Turns::start(digest, digested);
        let (blocks, _): (&mut [Block<C>], _) = Array::slice_as_chunks_mut(blocks);
        // One call for all blocks: each prepares the round keys anew, which would cost as much as the digest.
        self.0.encrypt_with_backend(InTurns { blocks, turns: &mut turns });
        turns.finish();
    }

    fn finish(self: Box<Self>) -> Tag {
        Tag::EMPTY
    }
}

struct CbcDecryptor<C: BlockCipherDecrypt>(Decryptor<C>);

impl<C: BlockCipherDecrypt + Send + Sync> ContentDecryptor for CbcDecryptor<C> {
    fn block_len(&self) -> usize {
        C::BlockSize::USIZE
    }

    fn update(&mut self, blocks: &mut [u8]) {
        // All blocks at once: the backend then decrypts several in parallel.
        let (blocks, _): (&mut [Block<C>], _) = Array::slice_as_chunks_mut(blocks);
        self.0.decrypt_blocks(blocks);
    }

    fn digest_and_update(&mut self, digest: &mut dyn DigestContext, digested: &[u8], blocks: &mut [u8]) {
        let mut turns = Turns::of_short_blocks(digest, digested);
        // Software decrypts several blocks at the price of one.
        if turns.is_over() || !aes::hardware_accelerated() {
            turns.finish();
            return self.update(blocks);
        }
        let (blocks, _): (&mut [Block<C>], _) = Array::slice_as_chunks_mut(blocks);
        self.0.decrypt_with_backend(InTurns { blocks, turns: &mut turns });
        turns.finish();
    }

    fn finish(self: Box<Self>, _tag: &[u8]) -> Result<(), TagMismatch> {
        Ok(())
    }
}

/// Blocks to encrypt or decrypt, and a digest that takes as many octets each time.
struct InTurns<'a, 'd, BS: ArraySize> {
    blocks: &'a mut [Array<u8, BS>],
    turns: &'a mut Turns<'d>,
}

impl<BS: ArraySize> BlockSizeUser for InTurns<'_, '_, BS> {
    type BlockSize = BS;
}

impl<BS: ArraySize> BlockModeEncClosure for InTurns<'_, '_, BS> {
    #[inline(always)]
    fn call<B: BlockModeEncBackend<BlockSize = BS>>(self, backend: &mut B) {
        let piece = self.turns.piece();
        for blocks in self.blocks.chunks_mut((piece / BS::USIZE).max(1)) {
            self.turns.take(piece);
            blocks.iter_mut().for_each(|block| backend.encrypt_block(block.into()));
        }
    }
}

/// Blocks of the digest in a turn of decryption: four were measured to be best, since decrypting is the shorter work.
const DECRYPTION_TURN: usize = 4;

impl<BS: ArraySize> BlockModeDecClosure for InTurns<'_, '_, BS> {
    #[inline(always)]
    fn call<B: BlockModeDecBackend<BlockSize = BS>>(self, backend: &mut B) {
        let piece = self.turns.piece().saturating_mul(DECRYPTION_TURN);
        for blocks in self.blocks.chunks_mut((piece / BS::USIZE).max(1)) {
            self.turns.take(piece);
            blocks.iter_mut().for_each(|block| backend.decrypt_block(block.into()));
        }
    }
}
