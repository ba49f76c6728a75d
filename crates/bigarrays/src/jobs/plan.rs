//! Planning a copy: blocks of whole target chunks that read the source as few times as the memory
//! budget allows. Pure.

use roaring::RoaringTreemap;

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::{Axis, Blocks, Found, Room, Search};

/// What a copy needs and may use.
#[derive(Clone, Debug)]
pub(crate) struct PlanInput {
    /// The axes of the target: blocks are of whole chunks of it.
    pub(crate) axes: Dims<Axis>,
    /// Bytes of one element.
    pub(crate) item: u64,
    /// Bytes of one decoded chunk of the source, and of the target.
    pub(crate) chunk_bytes: (u64, u64),
    /// Bytes that codecs work in on one thread.
    pub(crate) codec_bytes: u64,
    /// Bytes of the chunks of one shard of the target, decoded; zero if there are no shards.
    pub(crate) shard_bytes: u64,
    /// How many times that writing a block holds.
    pub(crate) shards_held: u64,
    /// Threads that decode and encode.
    pub(crate) threads: u64,
    /// What beginning a block costs, in bytes copied: keeps blocks from being needlessly small.
    pub(crate) block_overhead: u64,
    /// The memory budget in bytes.
    pub(crate) memory: u64,
    /// Blocks that are under way at once, where memory allows.
    pub(crate) at_once: u64,
    /// The most bytes of a block, if it should not be as large as memory allows: where little is stored.
    pub(crate) most: Option<u64>,
    /// Where blocks are cut along each axis, if somebody else has planned it: an origin and a distance.
    pub(crate) given: Option<Vec<(i64, u64)>>,
}

/// How a copy is cut into blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyPlan {
    pub(crate) blocks: Blocks,
    /// Blocks under way at once.
    pub in_flight: usize,
    /// Most bytes held at once.
    pub peak_memory: u64,
    /// Chunks of the source that are read, counting each reading.
    pub source_chunks: u64,
    /// Chunks of the target that are written.
    pub target_chunks: u64,
    /// About how many requests reading and writing take, where each is a chunk's or a shard's.
    pub requests: u64,
    /// Bytes of the elements of all blocks that have anything to do, in the target's type.
    pub bytes: u64,
    /// Whether chunks move as they are stored, but for those at the ends, rather than decoded and encoded.
    pub moves: bool,
    /// The blocks that have anything to do; `None` for all of them.
    pub(crate) only: Option<RoaringTreemap>,
    /// Why all blocks have something to do, stored or not, where users should know.
    pub note: Option<&'static str>,
}

/// The most bytes of shards smaller than this that are written at once.
const SHARDS_AT_ONCE: u64 = crate::store::shard::neuroglancer::WAVE_BYTES;

impl PlanInput {
    /// Bytes that decoding and encoding hold besides the blocks: on each thread a source chunk, encoded
    /// and decoded, and a target chunk, old, new and encoded.
    fn working_memory(&self) -> u64 {
        let (source, target) = self.chunk_bytes;
        let chunks = source.saturating_mul(2).saturating_add(target.saturating_mul(3));
        self.threads.saturating_mul(chunks.saturating_add(self.codec_bytes))
    }

    /// Bytes that writing a block holds besides it: shards as they were or their new chunks, and as they
    /// will be.
    fn writing(&self, block: u64) -> u64 {
        match self.shard_bytes {
            0 => 0,
            shard => shard.max(block.min(SHARDS_AT_ONCE)).saturating_mul(self.shards_held),
        }
    }

    /// The plan that reads least from the source within the budget.
    ///
    /// # Errors
    /// `MemoryBudget`, saying how much is needed, if one block of one target chunk does not fit.
    pub(crate) fn plan(&self) -> Result<CopyPlan> {
        let working = self.working_memory();
        let with_writing = |block: u64| block.saturating_add(self.writing(block));
        let held = |lengths: &[u64]| {
            with_writing(lengths.iter().fold(self.item, |all, &length| all.saturating_mul(length)))
        };
        let search = Search {
            axes: self.axes.clone(),
            chunk_bytes: Dims::from_elem(self.chunk_bytes.0, 1),
            overhead: self.block_overhead,
            cached: u64::MAX,
            tasks: 1,
            threads: None,
            held: &held,
        };
        let room = Room {
            bytes: self.memory.saturating_sub(working),
            beside: 0,
            largest: self.most.map_or(u64::MAX, with_writing),
            // One is written while the next is read.
            wanted: 2,
            most: self.at_once,
        };
        let (Found { cuts, loads, held }, in_flight) = room
            .blocks(&search, self.given.as_deref())
            .map_err(|least| self.refusal(least.saturating_add(working)))?;
        let peak_memory = working.saturating_add(held.saturating_mul(in_flight));
        Ok(CopyPlan {
            blocks: Blocks::new(cuts, Order::Fortran),
            in_flight: in_flight as usize,
            peak_memory,
            source_chunks: loads.iter().copied().fold(1, u64::saturating_mul),
            target_chunks: 0,
            requests: 0,
            bytes: 0,
            moves: false,
            only: None,
            note: None,
        })
    }

    fn refusal(&self, needed: u64) -> Error {
        let (needed, memory) = (needed.div_ceil(1 << 20), self.memory);
        let reason = format!(
            "the smallest block needs {needed} MiB, the budget is {memory} bytes; raise the budget or use smaller chunks"
        );
        Error::new(ErrorKind::MemoryBudget, reason)
    }
}

impl CopyPlan {
    /// Number of blocks that have anything to do.
    pub fn blocks(&self) -> usize {
        let number = self.only.as_ref().map_or_else(|| self.blocks.len(), RoaringTreemap::len);
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    /// The numbers of those blocks, ascending.
    pub(crate) fn numbers(&self) -> Box<dyn Iterator<Item = u64> + Send + '_> {
        match &self.only {
            None => Box::new(0..self.blocks.len()),
            Some(only) => Box::new(only.iter()),
        }
    }

    /// How many of those come before one.
    pub(crate) fn position(&self, number: u64) -> u64 {
        self.only.as_ref().map_or(number, |only| only.rank(number).saturating_sub(1))
    }

    /// Bytes of the elements of the blocks that have anything to do, of `item` bytes each.
    pub(crate) fn bytes_of_blocks(&self, item: usize) -> Result<u64> {
        let one = |number| Ok(self.blocks.get(number)?.checked_len()?.saturating_mul(item as u64));
        match self.only {
            // All of them together are the whole box.
            None => {
                let lengths = self.blocks.cuts.iter().map(|cuts| cuts.range.end.abs_diff(cuts.range.start));
                Ok(lengths.fold(item as u64, u64::saturating_mul))
            }
            Some(_) => {
                self.numbers().map(one).try_fold(0u64, |all, one: Result<u64>| Ok(all.saturating_add(one?)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stack of z pages of 1000 × 1000 bytes into chunks of 64³.
    fn pages(memory: u64) -> PlanInput {
        let axis = |length: i64, source: u64| Axis::of_copy(0..length, (0, 64), (0, source));
        let axes = [axis(1000, 1000), axis(1000, 1000), axis(256, 1)].into_iter().collect();
        PlanInput {
            axes,
            item: 1,
            chunk_bytes: (1_000_000, 64 * 64 * 64),
            codec_bytes: 0,
            shard_bytes: 0,
            shards_held: 2,
            threads: 2,
            block_overhead: 1 << 20,
            memory,
            at_once: 2,
            most: None,
            given: None,
        }
    }

    #[test]
    fn with_room_every_page_is_read_once() {
        let plan = pages(1 << 30).plan().unwrap();
        assert_eq!(plan.source_chunks, 256);
        assert!(plan.peak_memory <= 1 << 30);
        let covered: u64 =
            (0..plan.blocks.len()).map(|k| plan.blocks.get(k).unwrap().checked_len().unwrap()).sum();
        assert_eq!(covered, 256_000_000);
    }

    #[test]
    fn less_room_reads_more_often_but_stays_within_it() {
        let plan = pages(60 << 20).plan().unwrap();
        assert!(plan.source_chunks > 256 && plan.peak_memory <= 60 << 20);
        let error = pages(1 << 20).plan().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MemoryBudget);
        assert!(error.to_string().contains("MiB"));
    }

    #[test]
    fn writing_shards_counts() {
        for (shard, memory) in [(4 << 20, 40 << 20), (4 << 20, 1 << 30), (100 << 20, 400 << 20)] {
            let input = PlanInput { shard_bytes: shard, ..pages(memory) };
            let plan = input.plan().unwrap();
            assert!(plan.peak_memory <= memory && plan.peak_memory >= 2 * shard, "{plan:?}");
        }
        let input = PlanInput { shard_bytes: 100 << 20, ..pages(200 << 20) };
        assert_eq!(input.plan().unwrap_err().kind(), ErrorKind::MemoryBudget);
    }

    #[test]
    fn planning_is_quick_however_large_the_domain_and_many_the_axes() {
        let plan = |lengths: &[i64]| {
            let axis = |&length: &i64| Axis::of_copy(0..length, (0, 1), (0, 3));
            let axes = lengths.iter().map(axis).collect();
            PlanInput {
                axes,
                item: 8,
                chunk_bytes: (1000, 8),
                codec_bytes: 0,
                shard_bytes: 0,
                shards_held: 2,
                threads: 2,
                block_overhead: 1 << 20,
                memory: 1 << 28,
                at_once: 2,
                most: None,
                given: None,
            }
            .plan()
            .unwrap()
        };
        let huge = plan(&[1 << 40, i64::MAX, 5]);
        assert!(huge.blocks() > 1 << 40 && huge.peak_memory <= 1 << 28);
        assert_eq!(huge.blocks.get(1).unwrap().ndim(), 3);
        assert!(plan(&[1 << 30; 12]).peak_memory <= 1 << 28);
        assert_eq!(plan(&[1; 32]).blocks(), 1);
    }
}
