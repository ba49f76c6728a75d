//! Planning: how the passes of expressions are cut into blocks that fit into a budget. Pure.

use std::collections::HashMap;

use crate::array::Array;
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::cuts::Cuts;
use crate::compute::inputs::{Compiled, Grid, Input};
use crate::compute::plan::{Folding, PLANE, Pass, Plan, Terms};
use crate::compute::program::TILE;
use crate::compute::stage::{Output, Root, Stage};
use crate::store::NEAR;

/// The most bytes of a block that is made of several pieces: more do not stay in the cache.
const CACHED: u64 = 4 << 20;

/// Larger blocks save one part in so many of all costs, each time that they are doubled.
const LARGE: u64 = 5;

/// What beginning a block costs, in bytes read.
const OVERHEAD: u64 = 256 << 10;

/// Blocks that are under way at once where some are read through a network: most of them wait.
const FAR: u64 = 32;

/// Tasks for each thread that keep all of them busy to the end.
const TASKS: u64 = 4;

/// What a pass reads, and where its chunks are.
struct Reads<'a> {
    input: &'a Input,
    grid: Option<Grid>,
}

impl Reads<'_> {
    /// How many chunks all blocks read.
    fn loads(&self, whole: &Domain, cuts: &[Cuts]) -> u64 {
        let Some((grid, _)) = &self.grid else { return 0 };
        let mut loads = 1u64;
        for (axis, cuts) in cuts.iter().enumerate() {
            let own = (axis + grid.len()).checked_sub(whole.ndim());
            let along = match own {
                Some(own) if !self.input.repeats(own, whole.shape()[axis]) => {
                    let chunks = Cuts::over(cuts.range.clone(), grid[own]).len();
                    chunks.saturating_add(cuts.cuts_beside(grid[own]))
                }
                // Again for each block.
                _ => cuts.len(),
            };
            loads = loads.saturating_mul(along);
        }
        loads
    }

    fn chunk_bytes(&self) -> u64 {
        self.grid.as_ref().map_or(0, |grid| grid.1)
    }
}

/// Bytes of all elements of a domain.
fn bytes(domain: &Domain, dtype: DataType) -> u64 {
    domain.shape().iter().fold(dtype.size() as u64, |all, &length| all.saturating_mul(length))
}

/// What passes may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) memory: u64,
    pub(crate) threads: u64,
}

/// The plan of these passes, where each expression that was asked for goes to its target, or to memory of its caller. Passes
/// that do not fit together are done apart.
///
/// # Errors
/// `MemoryBudget` if the smallest blocks do not fit.
pub(crate) fn plan(
    stages: Vec<Stage>,
    targets: &[Option<&Array>],
    limits: Limits,
) -> Result<(Vec<Stage>, Plan)> {
    let in_memory = |root: &&Root| targets[root.number].is_none();
    let roots = |output: &Output| output.roots.iter().filter(in_memory).count() as u64;
    let all = stages.iter().flat_map(|stage| &stage.outputs);
    let mut held =
        all.map(|one| bytes(&one.domain, one.dtype).saturating_mul(roots(one))).fold(0, u64::saturating_add);
    let (mut planned, mut passes) = (Vec::new(), Vec::new());
    for stage in stages {
        let taken = stage.outputs.iter().filter(|output| output.is_taken);
        let taken = taken.map(|one| bytes(&one.domain, one.dtype)).fold(0, u64::saturating_add);
        held = held.saturating_add(taken);
        // They are copied once they are all there.
        let results = held.saturating_add(taken);
        let together = Planner::pass(&stage, targets, limits, results);
        match together {
            Ok(pass) => {
                passes.push(pass);
                planned.push(stage);
            }
            Err(error) if error.kind() == ErrorKind::MemoryBudget && stage.outputs.len() > 1 => {
                for stage in stage.apart() {
                    passes.push(Planner::pass(&stage, targets, limits, results)?);
                    planned.push(stage);
                }
            }
            Err(error) => return Err(error),
        }
    }
    let peak_memory = passes.iter().map(|pass| pass.terms.all()).max().unwrap_or(0);
    Ok((planned, Plan { passes, memory: limits.memory, peak_memory }))
}

/// Where blocks of an axis may be cut, so that all of these grids agree with it; `None` if they have nothing in common.
fn common_grid(one: (i64, u64), other: (i64, u64)) -> Option<(i64, u64)> {
    let distance = i128::from(one.0) - i128::from(other.0);
    let both = one.1.checked_mul(other.1 / greatest_common_divisor(one.1, other.1))?;
    if distance % i128::from(other.1) == 0 {
        return Some((one.0, both));
    }
    (distance % i128::from(one.1) == 0).then_some((other.0, both))
}

fn greatest_common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

/// Plans a pass.
struct Planner<'a> {
    stage: &'a Stage,
    compiled: &'a Compiled,
    reads: Vec<Reads<'a>>,
    /// The targets, and where blocks may be cut along the axes that are not reduced.
    targets: Vec<&'a Array>,
    target_grid: Option<Dims<(i64, u64)>>,
    folding: Option<Folding>,
    limits: Limits,
    terms: Terms,
}

impl<'a> Planner<'a> {
    fn pass(stage: &Stage, targets: &[Option<&Array>], limits: Limits, results: u64) -> Result<Pass> {
        let compiled = Compiled::of(stage, &HashMap::new())?;
        let own = stage.outputs.iter().flat_map(|output| &output.roots);
        let own = own.filter_map(|root| Some((root, targets[root.number]?)));
        let reads = compiled.inputs.iter().map(|input| Ok(Reads { input, grid: input.grid()? }));
        let mut planner = Planner {
            stage,
            reads: reads.collect::<Result<_>>()?,
            compiled: &compiled,
            targets: Vec::new(),
            target_grid: None,
            folding: stage.axes.as_ref().map(|axes| Folding::new(&stage.domain, axes)),
            limits,
            terms: Terms { results, ..Terms::default() },
        };
        let mut encoding = 0u64;
        for (root, target) in own {
            let grid = target.write_grid()?;
            let chunk =
                grid.iter().fold(target.dtype().size() as u64, |bytes, at| bytes.saturating_mul(at.1));
            encoding = encoding.max(chunk.saturating_mul(2));
            planner.targets.push(target);
            planner.add_grid(root.of_result(&grid));
        }
        // A chunk is held as it is stored and as it is decoded.
        let decoding = compiled.chunk_bytes().saturating_mul(2);
        let nodes: u64 = stage.outputs.iter().map(|output| output.expr.size() as u64).sum();
        planner.terms.decoding = decoding.saturating_add(encoding).saturating_mul(limits.threads);
        planner.terms.tiles = limits.threads * nodes * TILE as u64 * 8;
        planner.plan()
    }

    fn domain(&self) -> &'a Domain {
        &self.stage.domain
    }

    /// Has blocks agree with the chunks of a target as well.
    fn add_grid(&mut self, grid: Dims<(i64, u64)>) {
        let kept = (0..self.domain().ndim()).filter(|&axis| self.reduced(axis).is_none());
        let whole: Dims<(i64, u64)> =
            kept.map(|axis| (self.domain().origin()[axis], self.domain().shape()[axis].max(1))).collect();
        let Some(known) = &mut self.target_grid else {
            self.target_grid = Some(grid);
            return;
        };
        for ((known, other), whole) in known.iter_mut().zip(grid).zip(whole) {
            *known = common_grid(*known, other).unwrap_or(whole);
        }
    }

    /// The position among the reduced axes of an axis, if it is one.
    fn reduced(&self, axis: usize) -> Option<usize> {
        self.folding.as_ref()?.axes.iter().position(|&reduced| reduced == axis)
    }

    /// Where blocks may be cut along each axis: first coordinate and distance; and whether they may be cut finer.
    fn grid(&self) -> Dims<(i64, u64, bool)> {
        let whole = self.domain();
        let mut kept = 0;
        (0..whole.ndim())
            .map(|axis| {
                let reduced = self.reduced(axis);
                // Where the axis is in the results.
                let at = kept;
                kept += usize::from(reduced.is_none());
                if let (Some(k), Some(folding)) = (reduced.filter(|&k| k > 0), &self.folding) {
                    return (whole.origin()[axis], folding.segments[k].longest().max(1), false);
                }
                if reduced.is_some() && axis + 1 == whole.ndim() {
                    // Rows are folded in tiles.
                    return (whole.origin()[axis], TILE as u64, false);
                }
                if let (None, Some(grid)) = (reduced, &self.target_grid) {
                    return (grid[at].0, grid[at].1, false);
                }
                let (origin, length) = self.chunk_along(axis);
                (origin, length, true)
            })
            .collect()
    }

    /// The chunks along an axis of the input whose chunks are the largest.
    fn chunk_along(&self, axis: usize) -> (i64, u64) {
        let whole = self.domain();
        let of = |reads: &Reads<'_>| {
            let (grid, bytes) = reads.grid.as_ref()?;
            let own = (axis + grid.len()).checked_sub(whole.ndim())?;
            (!reads.input.repeats(own, whole.shape()[axis])).then_some((*bytes, grid[own]))
        };
        let largest = self.reads.iter().filter_map(of).max_by_key(|found| found.0);
        let alone = || (whole.origin()[axis], whole.shape()[axis].clamp(1, PLANE.isqrt()));
        largest.map_or_else(alone, |found| found.1)
    }

    /// Bytes that a task holds: of the inputs, of the results, and of cells.
    fn block_bytes(&self, cuts: &[Cuts]) -> u64 {
        let lengths: Dims<u64> = cuts.iter().map(Cuts::longest).collect();
        let kept = lengths.iter().enumerate().filter(|(axis, _)| self.reduced(*axis).is_none());
        let elements = kept.fold(1u64, |all, (_, length)| all.saturating_mul(*length));
        let one = |output: &Output| match output.method() {
            // Cells, those of a segment that is done, and elements.
            Some(method) => 16 * method.fold.words() + 8,
            None => output.dtype.size() as u64,
        };
        let size: u64 = self.stage.outputs.iter().map(one).sum();
        self.compiled.held(&lengths).saturating_add(elements.saturating_mul(size))
    }

    fn tasks(&self, cuts: &[Cuts]) -> u64 {
        let kept = cuts.iter().enumerate().filter(|(axis, _)| self.reduced(*axis).is_none());
        let blocks = kept.fold(1u64, |all, (_, cuts)| all.saturating_mul(cuts.len()));
        blocks.saturating_mul(self.folding.as_ref().map_or(1, Folding::count))
    }

    /// What all blocks cost, in bytes read.
    fn cost(&self, cuts: &[Cuts]) -> u64 {
        let one = |reads: &Reads<'_>| reads.loads(self.domain(), cuts).saturating_mul(reads.chunk_bytes());
        let blocks = cuts.iter().fold(1u64, |all, cuts| all.saturating_mul(cuts.len()));
        let read = self.reads.iter().map(one).fold(0, u64::saturating_add);
        read.saturating_add(blocks.saturating_mul(OVERHEAD))
    }

    fn plan(mut self) -> Result<Pass> {
        let left = self.limits.memory.saturating_sub(self.terms.all());
        let grid = self.grid();
        let most = left / self.limits.threads.max(1);
        let cuts = self.grown(self.fitting(&grid, left)?, &grid, most);
        let block = self.block_bytes(&cuts).max(1);
        let targets = self.targets.iter().map(|target| target.store().request_cost());
        let is_near = targets.fold(self.compiled.request_cost(), u64::max) <= NEAR;
        let threads = self.limits.threads;
        // Chunks that wait to be decoded are held by each block that is under way.
        let each = block.saturating_add(if is_near { 0 } else { self.terms.decoding / threads });
        let in_flight = (left / each.max(1)).clamp(1, if is_near { threads } else { threads.max(FAR) });
        self.terms.blocks = block.saturating_mul(in_flight);
        self.terms.decoding = self.terms.decoding / threads * in_flight.max(threads);
        let whole = self.domain();
        let loads = |reads: &Reads<'_>| reads.loads(whole, &cuts);
        let read = |reads: &Reads<'_>| loads(reads).saturating_mul(reads.chunk_bytes());
        let mut orders = self.reads.iter().filter_map(|reads| reads.input.order()).peekable();
        let is_fortran = orders.peek().is_some() && orders.all(|order| order == Order::Fortran);
        let order = match (self.targets.first(), &self.folding) {
            (_, Some(_)) => Order::C,
            (Some(target), None) => target.order(),
            (None, None) if is_fortran => Order::Fortran,
            (None, None) => Order::C,
        };
        let item =
            self.stage.outputs.iter().map(|output| output.expr.dtype().size() as u64).max().unwrap_or(1);
        Ok(Pass {
            text: self.stage.text(),
            order,
            in_flight: in_flight as usize,
            is_near,
            chunks_read: self.reads.iter().map(loads).fold(0, u64::saturating_add),
            bytes_read: self.reads.iter().map(read).fold(0, u64::saturating_add),
            bytes: whole.shape().iter().fold(item, |all, &length| all.saturating_mul(length)),
            item,
            folding: self.folding.clone(),
            terms: self.terms,
            cuts,
        })
    }

    fn cuts(&self, steps: &[(i64, u64)]) -> Dims<Cuts> {
        self.domain().ranges().zip(steps).map(|(range, &step)| Cuts::over(range, step)).collect()
    }

    /// Cuts at each place where blocks may be cut, or finer if such blocks do not fit into `left` bytes.
    fn fitting(&self, grid: &[(i64, u64, bool)], left: u64) -> Result<Dims<(i64, u64)>> {
        let mut steps: Dims<(i64, u64)> = grid.iter().map(|&(origin, step, _)| (origin, step)).collect();
        loop {
            let cuts = self.cuts(&steps);
            let block = self.block_bytes(&cuts);
            if block <= left {
                return Ok(steps);
            }
            let finer = (0..steps.len()).filter(|&axis| grid[axis].2 && cuts[axis].longest() > 1);
            let Some(axis) = finer.max_by_key(|&axis| cuts[axis].longest()) else {
                return Err(self.refusal(block));
            };
            steps[axis] = (self.domain().origin()[axis], cuts[axis].longest().div_ceil(2));
        }
    }

    fn refusal(&self, block: u64) -> Error {
        let needed = block.saturating_add(self.terms.all()).div_ceil(1 << 20);
        let reason = format!(
            "computing {} takes {needed} MiB at least, the budget is {} bytes: {} of results, {} of decoding, {block} of \
             the smallest block; raise the budget, or ask for a part",
            self.stage.text(),
            self.limits.memory,
            self.terms.results,
            self.terms.decoding
        );
        Error::new(ErrorKind::MemoryBudget, reason)
    }

    /// Longer blocks, as long as they cost less, have at most `most` bytes, and there are enough for all threads.
    fn grown(&self, mut steps: Dims<(i64, u64)>, grid: &[(i64, u64, bool)], most: u64) -> Dims<Cuts> {
        let mut cuts = self.cuts(&steps);
        let mut cost = self.cost(&cuts);
        loop {
            let longer = |axis: usize| {
                let mut steps = steps.clone();
                let (origin, step) = steps[axis];
                // A piece cut finer grows to a whole chunk, and these to several.
                let (first, chunk, _) = grid[axis];
                steps[axis] = match step < chunk && step.saturating_mul(2) >= chunk {
                    true => (first, chunk),
                    false => (origin, step.saturating_mul(2)),
                };
                let cuts = self.cuts(&steps);
                // Blocks that do not stay in the cache have to save much of what is read.
                let (bytes, saved) = (self.block_bytes(&cuts), cost.saturating_sub(self.cost(&cuts)));
                let is_good = bytes <= most && (bytes <= CACHED || saved >= cost / LARGE);
                is_good.then(|| (self.cost(&cuts), axis, steps, cuts))
            };
            let axes = (0..steps.len()).filter(|&axis| cuts[axis].len() > 1);
            let wide = |found: &(u64, usize, Dims<(i64, u64)>, Dims<Cuts>)| {
                self.tasks(&found.3) >= TASKS * self.limits.threads || self.reduced(found.1).is_some()
            };
            let best =
                axes.filter_map(longer).filter(wide).min_by_key(|found| (found.0, usize::MAX - found.1));
            match best {
                Some(found) if found.0 < cost => (cost, _, steps, cuts) = found,
                _ => return cuts,
            }
        }
    }
}
