//! How a copy is cut into blocks: of whole chunks or shards of its target, as many under way as the budget and the
//! stores are good for.

use crate::array::Array;
use crate::base::dims::Dims;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::Work;
use crate::compute::{Axis, Cuts};
use crate::jobs::plan::{CopyPlan, PlanInput};
use crate::jobs::sparse::Stored;
use crate::run::budget;
use crate::run::runner::FAR;
use crate::store::NEAR;
use crate::store::shard::neuroglancer::WAVE_READS;

/// The most elements of a block whose parts have numbers of 32 bits.
const MOST_ELEMENTS: u64 = 1 << 31;

/// The plan of a copy, in coordinates of the target, within a budget of `memory` bytes, as [`budget::of_job`] takes it.
pub(super) fn plan(
    source: &Array,
    target: &Array,
    memory: u64,
    moves: bool,
    stored: Option<&Stored>,
) -> Result<CopyPlan> {
    // Of a cast, elements are held as both types; of chunks that move, also as they are stored.
    let held = match source.dtype() == target.dtype() && !moves {
        true => target.dtype().size(),
        false => source.dtype().size() + target.dtype().size(),
    };
    let memory =
        Memory { bytes: budget::of_job(memory), held: held as u64, largest: u64::MAX, is_coded: !moves };
    let plan = cut(source, target, memory, stored, None)?;
    finished(plan, source, target, moves)
}

/// The plan of a job that reads blocks of one array and writes the same blocks of another, and holds `held` bytes for each element
/// meanwhile, within `memory` bytes. Where blocks are cut may be given.
pub(super) fn plan_holding(
    source: &Array,
    target: &Array,
    (memory, held): (u64, u64),
    stored: Option<&Stored>,
    given: Option<&[(i64, u64)]>,
) -> Result<CopyPlan> {
    let memory = Memory { bytes: memory, held, largest: held.saturating_mul(MOST_ELEMENTS), is_coded: true };
    let plan = cut(source, target, memory, stored, given)?;
    if plan.blocks.cuts.iter().map(Cuts::longest).fold(1, u64::saturating_mul) > MOST_ELEMENTS {
        return Err(Error::unsupported("chunks of more than 2^31 elements").at(target.url()));
    }
    finished(plan, source, target, false)
}

/// A plan, with what it takes.
fn finished(mut plan: CopyPlan, source: &Array, target: &Array, moves: bool) -> Result<CopyPlan> {
    plan.moves = moves;
    plan.bytes = plan.bytes_of_blocks(target.dtype().size())?;
    let pieces = |grid: Dims<(i64, u64)>| {
        let lengths = target.domain().ranges().zip(grid).map(|(range, place)| Cuts::over(range, place).len());
        lengths.fold(1, u64::saturating_mul)
    };
    plan.target_chunks = pieces(target.chunk_grid()?);
    // A shard takes its index, and ranges of it what it has.
    let reads = match source.layout().sharding {
        Some(_) => pieces(source.write_grid()?).saturating_mul(2).max(plan.blocks() as u64),
        None => plan.source_chunks,
    };
    plan.requests = reads.saturating_add(pieces(target.write_grid()?));
    Ok(plan)
}

/// What blocks may take.
#[derive(Clone, Copy)]
struct Memory {
    /// Bytes of all of them together.
    bytes: u64,
    /// Bytes of an element.
    held: u64,
    /// The most bytes of a block.
    largest: u64,
    /// Whether chunks are decoded and encoded.
    is_coded: bool,
}

/// The blocks of a copy: of whole shards, if that fits and most of them is stored.
fn cut(
    source: &Array,
    target: &Array,
    memory: Memory,
    stored: Option<&Stored>,
    given: Option<&[(i64, u64)]>,
) -> Result<CopyPlan> {
    let context = |error: Error| error.during("planning the copy to").at(target.url());
    let (has_boxes, is_thin) = (target.shard_shape().is_some(), stored.is_some_and(Stored::is_thin));
    let (shards, chunks) = (target.write_grid()?, target.chunk_grid()?);
    // New chunks and the shard made of them; where a part of its chunks is written, also the old one.
    let is_whole = stored.is_none() && covers_shards(target, &shards);
    let by_shard = (shards, if is_whole { 2 } else { 3 });
    let apart = 1 + 2 * (crate::run::pool::threads() as u64).min(WAVE_READS as u64);
    // Smaller blocks read each shard again that they write to, unless they are written together.
    let by_chunk = (chunks, if has_boxes && is_thin { 3 } else { apart });
    let (first, second) = match (has_boxes, is_thin) {
        (false, _) => (by_chunk, None),
        (true, false) => (by_shard, Some(by_chunk)),
        (true, true) => (by_chunk, Some(by_shard)),
    };
    let plan_one = |(grid, shards)| plan_over(source, target, (grid, shards), memory, stored, given);
    let plan = plan_one(first);
    match second {
        Some(second) if is_refused(&plan) => plan_one(second),
        _ => plan,
    }
    .map_err(context)
}

/// Whether not one block fits the memory budget.
pub(super) fn is_refused(plan: &Result<CopyPlan>) -> bool {
    plan.as_ref().is_err_and(|error| error.kind() == ErrorKind::MemoryBudget)
}

/// Whether the domain of `target` is made of whole boxes of `grid`.
fn covers_shards(target: &Array, grid: &[(i64, u64)]) -> bool {
    let stored = target.layout().domain();
    target.transform().is_identity()
        && target.domain().ranges().zip(grid).enumerate().all(|(axis, (range, &(origin, length)))| {
            let is_cut = |at: i64| at.abs_diff(origin) % length == 0;
            is_cut(range.start) && (is_cut(range.end) || range.end == stored.range(axis).end)
        })
}

/// What is held of `bytes` of elements of `array`: where rows can be read on their own, less than a chunk.
fn held_of(array: &Array, bytes: u64) -> u64 {
    let all = array.domain().checked_len().unwrap_or(u64::MAX);
    bytes.min(all.saturating_mul(array.dtype().size() as u64))
}

/// The plan of a copy whose blocks are made of the boxes `to` of the target.
/// Writing one holds `held` times what a shard has.
fn plan_over(
    source: &Array,
    target: &Array,
    (to, held): (Dims<(i64, u64)>, u64),
    memory: Memory,
    stored: Option<&Stored>,
    given: Option<&[(i64, u64)]>,
) -> Result<CopyPlan> {
    let from = source.chunk_grid()?;
    let own = target.dtype().size() as u64;
    let chunk_bytes = |array: &Array| held_of(array, array.layout().chunk_bytes());
    let shard_bytes = target.shard_shape().map_or(0, |shape| {
        held_of(target, shape.iter().fold(own, |bytes, length| bytes.saturating_mul(*length)))
    });
    let shard_bytes = match stored.filter(|stored| stored.is_thin() && shard_bytes > 0) {
        // As much as it has in the end: what is missing takes no room.
        Some(stored) => shard_bytes.min(stored.densest()?.max(1).saturating_mul(chunk_bytes(target))),
        None => shard_bytes,
    };
    let unit = to.iter().fold(own, |bytes, (_, length)| bytes.saturating_mul(*length));
    let most = stored.and_then(|stored| stored.most(source.layout().chunk_bytes().max(unit)));
    let input = PlanInput {
        axes: target
            .domain()
            .ranges()
            .zip(from)
            .zip(to)
            .map(|((range, source), target)| Axis::of_copy(range, target, source))
            .collect(),
        item: memory.held,
        chunk_bytes: (chunk_bytes(source), chunk_bytes(target)),
        codec_bytes: if memory.is_coded {
            source.layout().codec_bytes(Work::Decoding).max(target.layout().codec_bytes(Work::Encoding))
        } else {
            0
        },
        shard_bytes,
        shards_held: held,
        threads: crate::run::pool::threads() as u64,
        block_overhead: block_overhead(source, target),
        memory: memory.bytes,
        at_once: at_once(source, target, stored),
        most: Some(most.map_or(memory.largest, |most| most.min(memory.largest))),
        given: given.map(<[_]>::to_vec),
    };
    input.plan()
}

/// Blocks that are under way at once: for small ones behind a network, more than there are threads.
pub(crate) fn at_once(source: &Array, target: &Array, stored: Option<&Stored>) -> u64 {
    let threads = crate::run::pool::threads() as u64;
    if stored.is_some_and(Stored::is_thin) && !are_near(source, target) { threads.max(FAR) } else { threads }
}

/// What beginning a block costs, in bytes copied: small blocks stay in the processor's caches; behind a network
/// large ones have many requests under way.
pub(crate) fn block_overhead(source: &Array, target: &Array) -> u64 {
    8 * request_cost(source, target)
}

/// Whether neither of two arrays is behind a network.
pub(crate) fn are_near(source: &Array, target: &Array) -> bool {
    request_cost(source, target) <= NEAR
}

fn request_cost(source: &Array, target: &Array) -> u64 {
    source.store().request_cost().max(target.store().request_cost())
}
