//! `compressed_segmentation`: Neuroglancer's codec of labels in small blocks with lookup tables.
//!
//! ```text
//! file     channel offset × channels │ channel │ channel …
//! channel  block header × blocks     │ values and tables of blocks, in any order
//! header   table offset: 24 bits     │ bits per value: 8 │ values offset: 32
//! ```
//! Offsets count 32-bit words, from the start of the file or of the channel. The values of a block
//! are indices into its table, packed from the lowest bit, x fastest, always for the whole block:
//! blocks that the chunk cuts are padded. Blocks may share a table.
//! See `sliceview/compressed_segmentation/README.md` in Neuroglancer.

use crate::base::buffer::{Order, Region, View, ViewMut};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec, Points, expect_output};
use crate::chunk::config::Config;

mod decode;
mod encode;
mod volume;

use volume::{HEADER, MAX_OFFSET, Volume};

/// Labels in blocks of a fixed shape (x, y, z), for `uint32` and `uint64` chunks of the axes
/// x, y, z and, where present, channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressedSegmentation {
    block: [usize; 3],
}

impl CompressedSegmentation {
    /// The codec with blocks of the given shape (x, y, z), usually 8 × 8 × 8.
    ///
    /// # Errors
    /// `InvalidArgument` if the shape is empty or holds more than 2^24 elements, the reach of a
    /// table offset.
    pub fn new(block: [usize; 3]) -> Result<Self> {
        let volume = block.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
        match volume {
            Some(1..=MAX_OFFSET) => Ok(Self { block }),
            _ => Err(Error::invalid(format!(
                "compressed_segmentation blocks of {block:?} elements; they hold 1 to 2^24, usually [8, 8, 8]"
            ))),
        }
    }

    /// Shape of the blocks: x, y, z.
    pub fn block(&self) -> [usize; 3] {
        self.block
    }
}

/// Calls `$call` with the constant `$N` bound to the size of the elements.
macro_rules! for_size {
    ($dtype:expr, $N:ident => $call:expr) => {
        match $dtype {
            DataType::U32 => {
                const $N: usize = 4;
                $call
            }
            DataType::U64 => {
                const $N: usize = 8;
                $call
            }
            other => Err(wrong_type(other)),
        }
    };
}

#[cold]
fn wrong_type(dtype: DataType) -> Error {
    Error::invalid(format!("compressed_segmentation holds uint32 or uint64 labels, not {dtype}"))
}

impl ArrayCodec for CompressedSegmentation {
    fn name(&self) -> &'static str {
        "compressed_segmentation"
    }

    fn config(&self) -> Config {
        Config::new(self.name()).with("block", &self.block[..])
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        Volume::new(self.block, spec)?;
        for_size!(spec.dtype, _N => Ok(()))
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        let volume = Volume::new(self.block, spec)?;
        for_size!(spec.dtype, N => encode::encode::<N>(chunk, &volume, out))
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        expect_output(spec, region, out)?;
        let volume = Volume::new(self.block, spec)?;
        for_size!(spec.dtype, N => decode::decode::<N>(bytes, &volume, region, out))?;
        if cfg!(target_endian = "big") {
            out.swap_bytes(spec.dtype.size());
        }
        Ok(())
    }

    fn decode_points(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        points: &Points<'_>,
        _: Order,
        out: &mut [u8],
    ) -> Result<()> {
        let volume = Volume::new(self.block, spec)?;
        for_size!(spec.dtype, N => decode::decode_points::<N>(bytes, &volume, points, out))?;
        if cfg!(target_endian = "big") {
            out.chunks_exact_mut(spec.dtype.size()).for_each(<[u8]>::reverse);
        }
        Ok(())
    }

    /// Every block with values of 32 bits, and a table of its own with as many entries.
    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        let Ok(volume) = Volume::new(self.block, spec) else { return 0 };
        let block = HEADER + volume.block_len() * (4 + spec.dtype.size());
        block.saturating_mul(volume.blocks).saturating_add(4).saturating_mul(volume.channels)
    }
}

#[cfg(test)]
mod tests;
