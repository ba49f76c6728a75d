//! Planning a copy: blocks of whole target chunks that read the source as few times as the memory
//! budget allows. Pure.

use std::ops::Range;

use crate::domain::{Dims, Domain};
use crate::error::{Error, ErrorKind, Result};

/// What the planner knows of one axis of a copy, in target coordinates.
#[derive(Clone, Debug)]
pub(super) struct PlanAxis {
    /// The coordinates to be written.
    pub(super) range: Range<i64>,
    /// First coordinate and length of the target's chunks.
    pub(super) target: (i64, u64),
    /// First coordinate and length of the source's chunks.
    pub(super) source: (i64, u64),
}

/// What a copy needs and may use.
#[derive(Clone, Debug)]
pub(super) struct PlanInput {
    pub(super) axes: Dims<PlanAxis>,
    /// Bytes of one element.
    pub(super) item: u64,
    /// Bytes of one decoded chunk of the source, and of the target.
    pub(super) chunk_bytes: (u64, u64),
    /// Threads that decode and encode.
    pub(super) threads: u64,
    /// The memory budget in bytes.
    pub(super) memory: u64,
}

/// How a copy is cut into blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyPlan {
    /// The ranges of blocks along each axis.
    pub(super) cuts: Dims<Vec<Range<i64>>>,
    /// Blocks under way at once.
    pub in_flight: usize,
    /// Most bytes held at once.
    pub peak_memory: u64,
    /// Chunks of the source that are read, counting each reading.
    pub source_chunks: u64,
}

/// What beginning a block costs, in bytes copied: keeps blocks from being needlessly small.
const BLOCK_OVERHEAD: u64 = 1 << 20;

impl PlanAxis {
    /// Cuts the range into blocks of `multiple` whole target chunks.
    fn cut(&self, multiple: u64) -> Vec<Range<i64>> {
        let (origin, chunk) = self.target;
        let step = chunk.saturating_mul(multiple);
        let mut cuts = Vec::new();
        let mut start = self.range.start;
        while start < self.range.end {
            let within = (i128::from(start) - i128::from(origin)).rem_euclid(i128::from(step)) as u64;
            let end = start.saturating_add_unsigned(step - within).min(self.range.end);
            cuts.push(start..end);
            start = end;
        }
        cuts
    }

    /// Number of source chunks that the blocks `cuts` touch, counted per block.
    fn source_loads(&self, cuts: &[Range<i64>]) -> u64 {
        let (origin, chunk) = (i128::from(self.source.0), i128::from(self.source.1));
        let position = |at: i64| (i128::from(at) - origin).div_euclid(chunk);
        cuts.iter().map(|cut| (position(cut.end - 1) - position(cut.start) + 1) as u64).sum()
    }

    /// Candidate block lengths in target chunks: powers of two up to the whole range.
    fn multiples(&self) -> Vec<u64> {
        let whole = self.range.end.abs_diff(self.range.start).div_ceil(self.target.1) + 1;
        (0..).map(|power| 1u64 << power).take_while(|&multiple| multiple < whole).chain([whole]).collect()
    }
}

/// One axis cut in one way.
struct Candidate {
    cuts: Vec<Range<i64>>,
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

    /// The plan that reads least from the source within the budget.
    ///
    /// # Errors
    /// `MemoryBudget`, saying how much is needed, if one block of one target chunk does not fit.
    pub(super) fn plan(&self) -> Result<CopyPlan> {
        let working = self.working_memory();
        let left = self.memory.saturating_sub(working);
        let smallest = self.axes.iter().fold(self.item, |bytes, axis| {
            bytes.saturating_mul(axis.target.1.min(axis.range.end.abs_diff(axis.range.start)))
        });
        if smallest > left {
            let needed = smallest.saturating_add(working);
            return Err(Error::new(
                ErrorKind::MemoryBudget,
                format!(
                    "the smallest block needs {} MiB, the budget is {} bytes; raise the budget or use smaller chunks",
                    needed.div_ceil(1 << 20),
                    self.memory
                ),
            ));
        }
        let in_flight = if smallest.saturating_mul(2) <= left { 2 } else { 1 };
        let (cuts, source_chunks, block) = self.choose(left / in_flight);
        let peak_memory = working.saturating_add(block.saturating_mul(in_flight));
        Ok(CopyPlan { cuts, in_flight: in_flight as usize, peak_memory, source_chunks })
    }

    /// The cuts of blocks of at most `most` bytes: of those that cost about the least, the ones with
    /// the smallest blocks. Also the source chunks they load and the bytes of a block.
    fn choose(&self, most: u64) -> (Dims<Vec<Range<i64>>>, u64, u64) {
        let mut candidates: Vec<Vec<Candidate>> = self.axes.iter().map(PlanAxis::candidates).collect();
        let choices: Vec<Choice> =
            self.choices(&candidates).into_iter().filter(|choice| choice.block <= most).collect();
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

    /// Every combination of one candidate on each axis.
    fn choices(&self, candidates: &[Vec<Candidate>]) -> Vec<Choice> {
        let mut choices = vec![Choice { index: Dims::new(), loads: 1, block: self.item, blocks: 1, cost: 0 }];
        for axis in candidates {
            let longer = |choice: &Choice, (at, candidate): (usize, &Candidate)| {
                let mut index = choice.index.clone();
                index.push(at);
                let loads = choice.loads.saturating_mul(candidate.loads);
                let blocks = choice.blocks.saturating_mul(candidate.cuts.len() as u64);
                let cost = loads
                    .saturating_mul(self.chunk_bytes.0)
                    .saturating_add(blocks.saturating_mul(BLOCK_OVERHEAD));
                Choice { index, loads, blocks, cost, block: choice.block.saturating_mul(candidate.longest) }
            };
            choices =
                choices.iter().flat_map(|c| axis.iter().enumerate().map(move |a| longer(c, a))).collect();
        }
        choices
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
            let longest = cuts.iter().map(|cut| cut.end.abs_diff(cut.start)).max().unwrap_or(0);
            Candidate { loads: self.source_loads(&cuts), longest, cuts }
        };
        self.multiples().into_iter().map(candidate).collect()
    }
}

impl CopyPlan {
    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.cuts.iter().map(Vec::len).product()
    }

    /// The box of block `number` in target coordinates; the last axis varies slowest.
    ///
    /// # Errors
    /// Never, for a plan of ours: its ranges are valid.
    pub(super) fn block(&self, mut number: usize) -> Result<Domain> {
        let mut ranges: Dims<Range<i64>> = Dims::new();
        for cuts in &self.cuts {
            ranges.push(cuts[number % cuts.len()].clone());
            number /= cuts.len();
        }
        Domain::from_ranges(&ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stack of z pages of 1000 × 1000 bytes into chunks of 64³.
    fn pages(memory: u64) -> PlanInput {
        let axis =
            |length: i64, source: u64| PlanAxis { range: 0..length, target: (0, 64), source: (0, source) };
        let axes = [axis(1000, 1000), axis(1000, 1000), axis(256, 1)].into_iter().collect();
        PlanInput { axes, item: 1, chunk_bytes: (1_000_000, 64 * 64 * 64), threads: 2, memory }
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
    fn blocks_end_where_target_chunks_end() {
        let axis = PlanAxis { range: -10..25, target: (-3, 8), source: (0, 5) };
        assert_eq!(axis.cut(1), [-10..-3, -3..5, 5..13, 13..21, 21..25]);
        assert_eq!(axis.source_loads(&[-10..-3, -3..5]), 2 + 2);
    }
}
