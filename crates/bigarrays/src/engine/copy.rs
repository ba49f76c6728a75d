//! Copying a box of one array into a box of another, of whatever formats.

use super::plan::{CopyPlan, PlanAxis, PlanInput};
use super::run::{Cancel, Progress, Runner};
use crate::array::Array;
use crate::buffer::{View, ViewMut, byte_len, try_first_bytes, with_scratch};
use crate::domain::Dims;
use crate::error::{Error, ErrorKind, Result};
use crate::store::shard_neuroglancer::WAVE_READS;

/// What a copy may use and whom it tells.
#[derive(Clone, Copy, Default)]
pub struct CopyOptions<'a> {
    /// Memory budget in bytes; a quarter of the machine's memory if zero.
    pub memory: u64,
    /// Asks the copy to stop.
    pub cancel: Option<&'a Cancel>,
    /// Is told after every block, from any thread.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

/// Copies all elements of `source` to `target`, two arrays or views of the same shape and type.
///
/// Works block by block: each block is read once, and written in whole chunks of the target wherever
/// the target's box allows. Chunks are replaced whole, so that a copy that ends early leaves a valid
/// target, of which some chunks are new.
///
/// # Errors
/// `InvalidArgument` if shapes or types differ; `MemoryBudget` before anything is read, if one block
/// does not fit; `Cancelled`; any error of reading or writing.
pub fn copy(source: &Array, target: &Array, options: CopyOptions<'_>) -> Result<CopyPlan> {
    let source = aligned(source, target)?;
    let plan = plan(&source, target, options.memory)?;
    let item = target.dtype().size();
    let runner = Runner {
        in_flight: plan.in_flight,
        total: target.domain().checked_len()?.saturating_mul(item as u64),
        cancel: options.cancel,
        progress: options.progress,
    };
    runner.run(plan.blocks(), &|number| {
        let block = plan.block(number)?;
        let shape: Dims<usize> = block.shape().iter().map(|&length| length as usize).collect();
        let length = byte_len(&shape, item)?;
        with_scratch(|buffer| {
            let bytes = try_first_bytes(buffer, length)?;
            source.read_into(&block, ViewMut::dense(bytes, &shape, item, target.order())?)?;
            target.write_from(&block, View::dense(bytes, &shape, item, target.order())?)
        })?;
        Ok(length as u64)
    })?;
    Ok(plan)
}

/// What [`copy`] would do within a budget of `memory` bytes, or a quarter of the machine's memory if
/// zero. No I/O.
///
/// # Errors
/// As [`copy`], before it reads anything.
pub fn plan_copy(source: &Array, target: &Array, memory: u64) -> Result<CopyPlan> {
    plan(&aligned(source, target)?, target, memory)
}

/// The source in coordinates of the target.
fn aligned(source: &Array, target: &Array) -> Result<Array> {
    let (from, to) = (source.domain(), target.domain());
    if from.shape() != to.shape() {
        return Err(Error::invalid(format!("box {from} and box {to} differ in shape")));
    }
    if source.dtype() != target.dtype() {
        return Err(Error::invalid(format!(
            "elements of {} do not go into {}",
            source.dtype(),
            target.dtype()
        ))
        .during("copying into")
        .at(target.url()));
    }
    let offset: Option<Dims<i64>> =
        to.origin().iter().zip(from.origin()).map(|(&to, &from)| to.checked_sub(from)).collect();
    source.translate(&offset.ok_or_else(|| Error::invalid("the boxes are too far apart"))?)
}

/// The plan of a copy, in coordinates of the target: of blocks of whole shards, if that fits.
fn plan(source: &Array, target: &Array, memory: u64) -> Result<CopyPlan> {
    let memory = if memory == 0 { default_memory() } else { memory };
    let context = |error: Error| error.during("planning the copy to").at(target.url());
    if target.shard_shape().is_some() {
        let grid = target.write_grid()?;
        // New chunks and the shard made of them; where a part of a shard is written, also the old one.
        let held = if covers_shards(target, &grid) { 2 } else { 3 };
        match plan_over(source, target, grid, held, memory) {
            // Smaller blocks read each shard again that they write to, but anything is better than nothing.
            Err(error) if error.kind() == ErrorKind::MemoryBudget => {}
            plan => return plan.map_err(context),
        }
    }
    let held = 1 + 2 * (crate::threads() as u64).min(WAVE_READS as u64);
    plan_over(source, target, target.chunk_grid()?, held, memory).map_err(context)
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

/// The plan of a copy whose blocks are made of the boxes `to` of the target.
/// Writing one holds `held` times what a shard has.
fn plan_over(
    source: &Array,
    target: &Array,
    to: Dims<(i64, u64)>,
    held: u64,
    memory: u64,
) -> Result<CopyPlan> {
    let from = source.chunk_grid()?;
    let item = target.dtype().size() as u64;
    let bytes_of = |array: &Array, elements: u64| {
        let bytes = elements.saturating_mul(item);
        // Where rows can be read on their own, less than a chunk is held.
        bytes.min(array.domain().checked_len().unwrap_or(bytes).saturating_mul(item))
    };
    let chunk_bytes = |array: &Array| bytes_of(array, array.layout().grid.chunk_shape().iter().product());
    let shard = target.shard_shape().map_or(0, |shape| {
        bytes_of(target, shape.iter().fold(1, |product: u64, length| product.saturating_mul(*length)))
    });
    let input = PlanInput {
        axes: target
            .domain()
            .ranges()
            .zip(from)
            .zip(to)
            .map(|((range, source), target)| PlanAxis { range, target, source })
            .collect(),
        item,
        chunk_bytes: (chunk_bytes(source), chunk_bytes(target)),
        shard_bytes: shard,
        shards_held: held,
        threads: crate::threads() as u64,
        memory,
    };
    input.plan()
}

/// A quarter of the machine's memory.
pub(super) fn default_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = total.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.map_or(1 << 30, |kibibytes| kibibytes * 1024 / 4)
}
