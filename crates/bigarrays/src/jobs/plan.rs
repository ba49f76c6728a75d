//! Planning a copy: blocks of whole target chunks that read the source as few times as the memory
//! budget allows. Pure.

use std::collections::HashSet;
use std::ops::Range;

use roaring::RoaringTreemap;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::Cuts;

/// What the planner knows of one axis of a copy, in target coordinates.
#[derive(Clone, Debug)]
pub(crate) struct PlanAxis {
    /// The coordinates to be written.
    pub(crate) range: Range<i64>,
    /// First coordinate and length of the target's chunks.
    pub(crate) target: (i64, u64),
    /// First coordinate and length of the source's chunks.
    pub(crate) source: (i64, u64),
}

/// What a copy needs and may use.
#[derive(Clone, Debug)]
pub(crate) struct PlanInput {
    pub(crate) axes: Dims<PlanAxis>,
    /// Bytes of one element.
    pub(crate) item: u64,
    /// Bytes of one decoded chunk of the source, and of the target.
    pub(crate) chunk_bytes: (u64, u64),
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
}

/// How a copy is cut into blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyPlan {
    /// The ranges of blocks along each axis.
    pub(crate) cuts: Dims<Cuts>,
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

impl PlanAxis {
    /// Cuts the range into blocks of `multiple` whole target chunks.
    fn cut(&self, multiple: u64) -> Cuts {
        let (origin, chunk) = self.target;
        Cuts::over(self.range.clone(), (origin, chunk.saturating_mul(multiple)))
    }

    /// Number of source chunks that the blocks `cuts` touch, counted per block.
    fn source_loads(&self, cuts: &Cuts) -> u64 {
        let whole = Cuts::over(self.range.clone(), self.source);
        whole.len().saturating_add(cuts.cuts_beside(self.source))
    }

    /// Candidate block lengths in target chunks: powers of two up to the whole range.
    fn multiples(&self) -> Vec<u64> {
        let whole = self.range.end.abs_diff(self.range.start).div_ceil(self.target.1).saturating_add(1);
        (0..64).map(|power| 1u64 << power).take_while(|&multiple| multiple < whole).chain([whole]).collect()
    }
}

/// One axis cut in one way.
struct Candidate {
    cuts: Cuts,
    loads: u64,
    /// Length of the longest block.
    longest: u64,
}

impl PlanInput {
    /// Bytes that decoding and encoding hold besides the blocks: on each thread a source chunk, encoded
    /// and decoded, and a target chunk, old, new and encoded.
    fn working_memory(&self) -> u64 {
        let (source, target) = self.chunk_bytes;
        self.threads.saturating_mul(source.saturating_mul(2).saturating_add(target.saturating_mul(3)))
    }

    /// Bytes that writing a block holds besides it: shards as they were or their new chunks, and as they
    /// will be.
    fn writing(&self, block: u64) -> u64 {
        match self.shard_bytes {
            0 => 0,
            shard => shard.max(block.min(SHARDS_AT_ONCE)).saturating_mul(self.shards_held),
        }
    }

    /// The largest block that together with what writing it holds has `bytes` bytes.
    fn most_within(&self, bytes: u64) -> u64 {
        let share = bytes / (self.shards_held + 1);
        if self.writing(share) <= self.shards_held * share {
            return share.max(bytes.saturating_sub(self.writing(u64::MAX)));
        }
        bytes.saturating_sub(self.writing(0))
    }

    /// The plan that reads least from the source within the budget.
    ///
    /// # Errors
    /// `MemoryBudget`, saying how much is needed, if one block of one target chunk does not fit.
    pub(crate) fn plan(&self) -> Result<CopyPlan> {
        let working = self.working_memory();
        let left = self.memory.saturating_sub(working);
        let smallest = self.axes.iter().fold(self.item, |bytes, axis| {
            bytes.saturating_mul(axis.target.1.min(axis.range.end.abs_diff(axis.range.start)))
        });
        let least = smallest.saturating_add(self.writing(smallest));
        if least > left {
            let needed = least.saturating_add(working);
            return Err(Error::new(
                ErrorKind::MemoryBudget,
                format!(
                    "the smallest block needs {} MiB, the budget is {} bytes; raise the budget or use smaller chunks",
                    needed.div_ceil(1 << 20),
                    self.memory
                ),
            ));
        }
        let at_least = if least.saturating_mul(2) <= left { 2 } else { 1 };
        let most = self.most_within(left / at_least).min(self.most.unwrap_or(u64::MAX));
        let (cuts, source_chunks, block) = self.choose(most.max(smallest));
        let held = block.saturating_add(self.writing(block));
        // Blocks may be of a chunk each, which one thread reads.
        let in_flight = (left / held.max(1)).clamp(at_least, at_least.max(self.at_once));
        let peak_memory = working.saturating_add(held.saturating_mul(in_flight));
        Ok(CopyPlan {
            cuts,
            in_flight: in_flight as usize,
            peak_memory,
            source_chunks,
            target_chunks: 0,
            requests: 0,
            bytes: 0,
            moves: false,
            only: None,
            note: None,
        })
    }

    /// The cuts of blocks of at most `most` bytes: of those that cost about the least, the ones with
    /// the smallest blocks. Also the source chunks they load and the bytes of a block.
    fn choose(&self, most: u64) -> (Dims<Cuts>, u64, u64) {
        let mut candidates: Vec<Vec<Candidate>> = self.axes.iter().map(PlanAxis::candidates).collect();
        let choices: Vec<Choice> =
            self.choices(&candidates, most).into_iter().filter(|choice| choice.block <= most).collect();
        let least = choices.iter().map(|choice| choice.cost).min().unwrap_or(0);
        let near = choices.into_iter().filter(|choice| choice.cost <= least.saturating_add(least / 50));
        let best = near.min_by_key(|choice| (choice.block, choice.cost));
        let (index, loads, block) = best.map_or_else(
            || (Dims::from_elem(0, candidates.len()), 0, 0),
            |choice| (choice.index, choice.loads, choice.block),
        );
        let cuts = index.iter().zip(&mut candidates).map(|(&at, axis)| axis.swap_remove(at).cuts).collect();
        (cuts, loads, block)
    }

    /// Combinations of one candidate on each axis with blocks of at most `most` bytes: all of them, or
    /// where they are too many a selection. The first has the smallest blocks.
    fn choices(&self, candidates: &[Vec<Candidate>], most: u64) -> Vec<Choice> {
        let mut choices = vec![Choice { index: Dims::new(), loads: 1, block: self.item, blocks: 1, cost: 0 }];
        for axis in candidates {
            let longer = |choice: &Choice, (at, candidate): (usize, &Candidate)| {
                let mut index = choice.index.clone();
                index.push(at);
                let loads = choice.loads.saturating_mul(candidate.loads);
                let blocks = choice.blocks.saturating_mul(candidate.cuts.len());
                let cost = loads
                    .saturating_mul(self.chunk_bytes.0)
                    .saturating_add(blocks.saturating_mul(self.block_overhead));
                Choice { index, loads, blocks, cost, block: choice.block.saturating_mul(candidate.longest) }
            };
            choices = choices
                .iter()
                .flat_map(|c| axis.iter().enumerate().map(move |a| longer(c, a)))
                .filter(|choice| choice.block <= most)
                .collect();
            thin(&mut choices);
        }
        choices
    }
}

/// How many combinations are tried at most; beyond it, of those much alike one.
const MOST_CHOICES: usize = 1 << 14;

/// Keeps the first choice, and of the others not too many.
fn thin(choices: &mut Vec<Choice>) {
    if choices.len() > MOST_CHOICES {
        let mut seen = HashSet::new();
        let size = |number: u64| number.checked_ilog2();
        choices.retain(|choice| seen.insert((size(choice.block), size(choice.loads), size(choice.blocks))));
        choices.truncate(MOST_CHOICES);
    }
}

/// One candidate on each axis, and what that means.
struct Choice {
    index: Dims<usize>,
    loads: u64,
    /// Bytes of the largest block.
    block: u64,
    blocks: u64,
    cost: u64,
}

impl PlanAxis {
    fn candidates(&self) -> Vec<Candidate> {
        let candidate = |multiple| {
            let cuts = self.cut(multiple);
            Candidate { loads: self.source_loads(&cuts), longest: cuts.longest(), cuts }
        };
        let mut candidates: Vec<Candidate> = self.multiples().into_iter().map(candidate).collect();
        candidates.dedup_by_key(|candidate| candidate.cuts.len());
        candidates
    }
}

impl CopyPlan {
    /// Number of blocks that have anything to do.
    pub fn blocks(&self) -> usize {
        self.only.as_ref().map_or_else(|| self.places(), |only| only.len() as usize)
    }

    /// The numbers of those blocks, ascending.
    pub(crate) fn numbers(&self) -> Box<dyn Iterator<Item = usize> + Send + '_> {
        match &self.only {
            None => Box::new(0..self.places()),
            Some(only) => Box::new(only.iter().map(|number| number as usize)),
        }
    }

    /// Bytes of the elements of the blocks that have anything to do, of `item` bytes each.
    pub(crate) fn bytes_of_blocks(&self, item: usize) -> Result<u64> {
        let one = |number| Ok(self.block(number)?.checked_len()?.saturating_mul(item as u64));
        match self.only {
            // All of them together are the whole box.
            None => {
                let lengths = self.cuts.iter().map(|cuts| cuts.range.end.abs_diff(cuts.range.start));
                Ok(lengths.fold(item as u64, u64::saturating_mul))
            }
            Some(_) => {
                self.numbers().map(one).try_fold(0u64, |all, one: Result<u64>| Ok(all.saturating_add(one?)))
            }
        }
    }

    /// Number of blocks in the whole box.
    pub(crate) fn places(&self) -> usize {
        let lengths = self.cuts.iter().map(|cuts| usize::try_from(cuts.len()).unwrap_or(usize::MAX));
        lengths.fold(1, usize::saturating_mul)
    }

    /// Calls `found` with ranges of the numbers of all blocks that `part` touches.
    pub(crate) fn each_touched(&self, part: &Domain, found: &mut dyn FnMut(Range<u64>)) {
        let touched: Dims<Range<u64>> =
            self.cuts.iter().zip(part.ranges()).map(|(cuts, range)| cuts.touched(&range)).collect();
        let Some((row, others)) = touched.split_first() else { return found(0..1) };
        let rows = others.iter().map(|range| range.end - range.start).product::<u64>();
        for mut row_number in 0..if row.is_empty() { 0 } else { rows } {
            let (mut first, mut stride) = (0, self.cuts[0].len());
            for (range, cuts) in others.iter().zip(&self.cuts[1..]) {
                let length = range.end - range.start;
                first += (range.start + row_number % length) * stride;
                row_number /= length;
                stride *= cuts.len();
            }
            found(first + row.start..first + row.end);
        }
    }

    /// The box of block `number` in target coordinates; the last axis varies slowest.
    ///
    /// # Errors
    /// Never, for a plan of ours: its ranges are valid.
    pub(crate) fn block(&self, mut number: usize) -> Result<Domain> {
        let mut ranges: Dims<Range<i64>> = Dims::new();
        for cuts in &self.cuts {
            let length = cuts.len() as usize;
            ranges.push(cuts.get((number % length) as u64));
            number /= length;
        }
        Domain::from_ranges(&ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A stack of z pages of 1000 × 1000 bytes into chunks of 64³.
    fn pages(memory: u64) -> PlanInput {
        let axis =
            |length: i64, source: u64| PlanAxis { range: 0..length, target: (0, 64), source: (0, source) };
        let axes = [axis(1000, 1000), axis(1000, 1000), axis(256, 1)].into_iter().collect();
        PlanInput {
            axes,
            item: 1,
            chunk_bytes: (1_000_000, 64 * 64 * 64),
            shard_bytes: 0,
            shards_held: 2,
            threads: 2,
            block_overhead: 1 << 20,
            memory,
            at_once: 2,
            most: None,
        }
    }

    #[test]
    fn with_room_every_page_is_read_once() {
        let plan = pages(1 << 30).plan().unwrap();
        assert_eq!(plan.source_chunks, 256);
        assert!(plan.peak_memory <= 1 << 30);
        let covered: u64 = (0..plan.blocks()).map(|k| plan.block(k).unwrap().checked_len().unwrap()).sum();
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
    fn blocks_end_where_target_chunks_end() {
        let axis = PlanAxis { range: -10..25, target: (-3, 8), source: (0, 5) };
        let pieces = |cuts: Cuts| (0..cuts.len()).map(|k| cuts.get(k)).collect::<Vec<_>>();
        assert_eq!(pieces(axis.cut(1)), [-10..-3, -3..5, 5..13, 13..21, 21..25]);
    }

    proptest! {
        /// The sums in closed form are those over the pieces.
        #[test]
        fn loads_are_counted_per_block(
            start in -50i64..50, length in 1i64..200, origin in -50i64..50, chunk in 1u64..20,
            source in (-50i64..50, 1u64..20), multiple in 1u64..5,
        ) {
            let axis = PlanAxis { range: start..start + length, target: (origin, chunk), source };
            let cuts = axis.cut(multiple);
            let pieces: Vec<Range<i64>> = (0..cuts.len()).map(|k| cuts.get(k)).collect();
            let place = |at: i64| (at - source.0).div_euclid(source.1 as i64);
            let loads: i64 = pieces.iter().map(|cut| place(cut.end - 1) - place(cut.start) + 1).sum();
            prop_assert_eq!(axis.source_loads(&cuts), loads as u64);
            prop_assert_eq!(cuts.longest(), pieces.iter().map(|cut| cut.end.abs_diff(cut.start)).max().unwrap());
            prop_assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start && !pair[1].is_empty()));
            prop_assert_eq!((pieces[0].start, pieces[pieces.len() - 1].end), (start, start + length));
        }
    }

    #[test]
    fn planning_is_quick_however_large_the_domain_and_many_the_axes() {
        let plan = |lengths: &[i64]| {
            let axis = |&length: &i64| PlanAxis { range: 0..length, target: (0, 1), source: (0, 3) };
            let axes = lengths.iter().map(axis).collect();
            PlanInput {
                axes,
                item: 8,
                chunk_bytes: (1000, 8),
                shard_bytes: 0,
                shards_held: 2,
                threads: 2,
                block_overhead: 1 << 20,
                memory: 1 << 28,
                at_once: 2,
                most: None,
            }
            .plan()
            .unwrap()
        };
        let huge = plan(&[1 << 40, i64::MAX, 5]);
        assert!(huge.blocks() > 1 << 40 && huge.peak_memory <= 1 << 28);
        assert_eq!(huge.block(1).unwrap().ndim(), 3);
        assert!(plan(&[1 << 30; 12]).peak_memory <= 1 << 28);
        assert_eq!(plan(&[1; 32]).blocks(), 1);
    }
}
