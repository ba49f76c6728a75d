//! Which chunks are in which shard.

use std::sync::Arc;

use super::index::IndexSpec;
use super::keys::GridKeys;
use crate::base::dims::Dims;
use crate::base::error::{Error, Result};
use crate::chunk::curve::{ChunkOrder, Curve};

/// The most chunks that a shard can hold: an index of 64 MiB.
const MOST_CHUNKS: u64 = 4 << 20;

/// What shards are made of.
#[derive(Clone, Debug)]
pub struct ShardGrid {
    /// Chunks along each axis of the array.
    pub chunks: Dims<u64>,
    /// Chunks along each axis of a shard.
    pub per_shard: Dims<u64>,
    /// The axes of the array in the order in which a shard has them.
    pub axes: Dims<usize>,
    /// The order in which a shard's chunks are written.
    pub order: ChunkOrder,
    /// The index of each shard.
    pub index: IndexSpec,
    /// The keys of shards.
    pub keys: Arc<dyn GridKeys>,
}

impl ShardGrid {
    /// Shards along each axis.
    pub(super) fn shards(&self) -> impl Iterator<Item = u64> + '_ {
        self.chunks.iter().zip(&self.per_shard).map(|(&chunks, &per_shard)| chunks.div_ceil(per_shard))
    }

    /// How many chunks a shard can hold.
    pub(super) fn slots(&self) -> u64 {
        self.per_shard.iter().product()
    }

    pub(super) fn check(&self) -> Result<()> {
        fn product(mut numbers: impl Iterator<Item = u64>) -> Option<u64> {
            numbers.try_fold(1u64, |product, number| product.checked_mul(number))
        }
        let slots = product(self.per_shard.iter().copied());
        let mut axes = self.axes.clone();
        axes.sort_unstable();
        let fits = self.per_shard.len() == self.chunks.len() && axes.into_iter().eq(0..self.chunks.len());
        match (slots, product(self.shards())) {
            (Some(1..=MOST_CHUNKS), Some(_)) if fits => Ok(()),
            _ => Err(Error::unsupported(format!(
                "shards of {:?} chunks, of which there are {:?}: at most {MOST_CHUNKS} in a shard, and 2^64 shards",
                self.per_shard, self.chunks
            ))),
        }
    }

    /// The shard of a chunk, and its place there; both numbered in C order, of the shard's axes there.
    pub(super) fn place(&self, index: &[u64]) -> (u64, u64) {
        let place = |axis: usize| (index[axis] / self.per_shard[axis], index[axis] % self.per_shard[axis]);
        let shard = self.shards().enumerate().fold(0, |shard, (axis, shards)| shard * shards + place(axis).0);
        let slot = self.axes.iter().fold(0, |slot, &axis| slot * self.per_shard[axis] + place(axis).1);
        (shard, slot)
    }

    /// The place in its shard of the chunk of this number, along the shard's axes.
    pub(super) fn in_shard(&self, mut slot: u64) -> Dims<u64> {
        let mut place: Dims<u64> = Dims::from_elem(0, self.axes.len());
        for (at, &axis) in place.iter_mut().zip(&self.axes).rev() {
            *at = slot % self.per_shard[axis];
            slot /= self.per_shard[axis];
        }
        place
    }

    /// The order of the chunks of a shard.
    pub(super) fn curve(&self) -> Result<Curve> {
        let shape: Dims<u64> = self.axes.iter().map(|&axis| self.per_shard[axis]).collect();
        Curve::new(self.order, &shape)
    }

    /// The place in the grid of the shard of this number.
    pub(super) fn shard_index(&self, mut shard: u64) -> Dims<u64> {
        let shards: Dims<u64> = self.shards().collect();
        let mut index: Dims<u64> = Dims::from_elem(0, shards.len());
        for axis in (0..shards.len()).rev() {
            index[axis] = shard % shards[axis].max(1);
            shard /= shards[axis].max(1);
        }
        index
    }

    /// The place in the grid of a chunk.
    pub(super) fn chunk_index(&self, shard: &[u64], slot: u64) -> Dims<u64> {
        let mut index: Dims<u64> = shard.into();
        for (at, &axis) in self.in_shard(slot).into_iter().zip(&self.axes) {
            index[axis] = index[axis].saturating_mul(self.per_shard[axis]).saturating_add(at);
        }
        index
    }

    /// How many chunks of the array a shard holds.
    pub(super) fn members(&self, shard: u64) -> u64 {
        let index = self.shard_index(shard);
        let count = |axis: usize| {
            let first = index[axis] * self.per_shard[axis];
            self.chunks[axis].saturating_sub(first).min(self.per_shard[axis])
        };
        (0..index.len()).map(count).product()
    }
}
