//! The blocks of a chunk.

use crate::base::error::{Error, Result};
use crate::chunk::codec::ChunkSpec;

/// Bytes of one block header.
pub(super) const HEADER: usize = 8;

/// Table offsets, in words, lie below this.
pub(super) const MAX_OFFSET: usize = 1 << 24;

/// A chunk as this codec sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Volume {
    pub(super) shape: [usize; 3],
    pub(super) block: [usize; 3],
    /// Number of blocks along each axis.
    pub(super) grid: [usize; 3],
    /// Number of blocks of one channel.
    pub(super) blocks: usize,
    pub(super) channels: usize,
}

impl Volume {
    pub(super) fn new(block: [usize; 3], spec: &ChunkSpec) -> Result<Self> {
        let (shape, channels) = match spec.shape[..] {
            [x, y, z] => ([x, y, z], 1),
            [x, y, z, channels] => ([x, y, z], channels),
            _ => {
                return Err(Error::invalid(format!(
                    "compressed_segmentation holds chunks of the axes x, y, z and perhaps channel, not of shape {:?}",
                    &spec.shape[..]
                )));
            }
        };
        spec.byte_len()?;
        let grid: [usize; 3] = std::array::from_fn(|axis| shape[axis].div_ceil(block[axis]));
        let blocks = grid.iter().try_fold(HEADER, |product, &length| product.checked_mul(length));
        let blocks =
            blocks.ok_or_else(|| Error::invalid(format!("chunk shape {shape:?} is too large")))? / HEADER;
        Ok(Self { shape, block, grid, blocks, channels })
    }

    /// Number of elements of a whole block.
    pub(super) fn block_len(&self) -> usize {
        self.block.iter().product()
    }
}

/// Bytes of the encoded values of one block, a multiple of a word.
pub(super) fn values_len(block_len: usize, bits: usize) -> usize {
    (block_len * bits).div_ceil(32) * 4
}
