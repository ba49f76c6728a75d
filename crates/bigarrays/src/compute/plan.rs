//! Plans: how the passes of an expression are cut into blocks, and what they take. Pure.

use std::fmt;
use std::ops::Range;

use crate::array::Array;
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::cuts::Cuts;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::held::NAME as HELD;
use crate::compute::infer::{axis_of, is_repeated};
use crate::compute::program::TILE;
use crate::compute::stage::Stage;

/// Elements of reduced axes behind the first that are folded before those of the next index of the first.
const PLANE: u64 = 1 << 20;

/// Elements along reduced axes that are folded one after the other.
const SEGMENT: u64 = 1 << 22;

/// The most bytes of a block that is made of several pieces: more do not stay in the cache.
const CACHED: u64 = 4 << 20;

/// What beginning a block costs, in bytes read.
const OVERHEAD: u64 = 256 << 10;

/// Tasks for each thread that keep all of them busy to the end.
const TASKS: u64 = 4;

/// How an expression is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The passes over the data, in their order.
    pub(crate) passes: Vec<Pass>,
    /// The budget in bytes.
    pub memory: u64,
    /// Bytes held at once, at most.
    pub peak_memory: u64,
}

/// How a pass is cut into blocks, and what they take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// What is computed.
    pub(crate) text: String,
    /// The pieces along each axis.
    pub(crate) cuts: Dims<Cuts>,
    pub(crate) order: Order,
    /// How elements are folded, if they are.
    pub(crate) folding: Option<Folding>,
    /// Blocks under way at once.
    pub(crate) in_flight: usize,
    /// Chunks of stored arrays that are read, and their bytes, decoded.
    pub(crate) chunks_read: u64,
    pub(crate) bytes_read: u64,
    /// Bytes of the elements that the pass is of.
    pub(crate) bytes: u64,
    pub(crate) terms: Terms,
}

/// What takes the memory of a pass, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Results of this pass and of earlier ones.
    pub(crate) results: u64,
    /// Blocks of inputs and results under way.
    pub(crate) blocks: u64,
    /// Chunks that are decoded or encoded.
    pub(crate) decoding: u64,
    /// Tiles of all threads.
    pub(crate) tiles: u64,
}

impl Terms {
    fn all(self) -> u64 {
        [self.results, self.blocks, self.decoding, self.tiles].into_iter().fold(0, u64::saturating_add)
    }
}

/// In which order elements along reduced axes are folded. It follows from where they lie alone, so that results are the
/// same bits however blocks are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folding {
    /// The axes, ascending.
    pub(crate) axes: Dims<usize>,
    /// Pieces along each of them, of which each is folded on its own.
    pub(crate) segments: Dims<Cuts>,
}

impl Folding {
    pub(crate) fn new(domain: &Domain, axes: &[usize]) -> Self {
        let mut lengths: Dims<u64> = Dims::from_elem(1, axes.len());
        let mut plane = 1u64;
        for (k, &axis) in axes.iter().enumerate().rev() {
            let length = domain.shape()[axis].max(1);
            let most = if k == 0 { SEGMENT / plane } else { PLANE / plane }.max(1);
            // Rows are folded in tiles.
            let least = if axis + 1 == domain.ndim() { TILE as u64 } else { 1 };
            let of = if length <= most { length } else { (1 << most.ilog2()).max(least).min(length) };
            lengths[k] = of;
            plane = plane.saturating_mul(of);
        }
        let cut = |(&axis, &length): (&usize, &u64)| {
            Cuts::over(domain.range(axis), (domain.origin()[axis], length))
        };
        Self { axes: axes.into(), segments: axes.iter().zip(&lengths).map(cut).collect() }
    }

    /// How many segments there are.
    pub(crate) fn count(&self) -> u64 {
        self.segments.iter().map(Cuts::len).fold(1, u64::saturating_mul)
    }
}

/// What a pass reads.
struct Input {
    domain: Domain,
    item: u64,
    /// First coordinate and length of chunks along each axis, and the bytes of one; `None` in memory.
    chunks: Option<(Dims<(i64, u64)>, u64)>,
    order: Order,
}

impl Input {
    fn of(lazy: &Lazy) -> Result<Option<Self>> {
        let (domain, item) = (lazy.domain().clone(), lazy.dtype().size() as u64);
        Ok(match lazy.kind() {
            Kind::Source(array) if array.format() == HELD => {
                Some(Self { domain, item, chunks: None, order: Order::C })
            }
            Kind::Source(array) => {
                let chunks = Some((array.chunk_grid()?, array.layout().chunk_bytes()));
                Some(Self { domain, item, chunks, order: array.order() })
            }
            Kind::Pending(_) if lazy.ndim() > 0 => Some(Self { domain, item, chunks: None, order: Order::C }),
            _ => None,
        })
    }

    /// The longest part along an axis of it that blocks of such cuts need.
    fn part(&self, axis: usize, whole: &Domain, cuts: &[Cuts]) -> u64 {
        let at = axis_of(axis, self.domain.ndim(), whole.ndim());
        let length = self.domain.shape()[axis];
        if is_repeated(length, whole.shape()[at]) { 1 } else { cuts[at].longest().min(length) }
    }

    fn part_bytes(&self, whole: &Domain, cuts: &[Cuts]) -> u64 {
        let parts = (0..self.domain.ndim()).map(|axis| self.part(axis, whole, cuts));
        parts.fold(self.item, u64::saturating_mul).div_ceil(8).saturating_mul(8)
    }

    /// How many chunks all blocks read.
    fn loads(&self, whole: &Domain, cuts: &[Cuts]) -> u64 {
        let Some((grid, _)) = &self.chunks else { return 0 };
        let mut loads = 1u64;
        for (axis, cuts) in cuts.iter().enumerate() {
            let own = (axis + self.domain.ndim()).checked_sub(whole.ndim());
            let along = match own {
                Some(own) if !is_repeated(self.domain.shape()[own], whole.shape()[axis]) => {
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
        self.chunks.as_ref().map_or(0, |chunks| chunks.1)
    }
}

/// Stored arrays and earlier results that an expression is of, each once.
fn inputs(expr: &Lazy) -> Result<Vec<Input>> {
    expr.nodes().into_iter().map(Input::of).filter_map(Result::transpose).collect()
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

/// The plan of these passes, of which the last writes to `target`, or to memory of its caller.
///
/// # Errors
/// `MemoryBudget` if the smallest blocks do not fit.
pub(crate) fn plan(stages: &[Stage], target: Option<&Array>, limits: Limits) -> Result<Plan> {
    let (mut passes, mut held) = (Vec::new(), 0u64);
    for (number, stage) in stages.iter().enumerate() {
        let target = target.filter(|_| number + 1 == stages.len());
        held = held.saturating_add(if target.is_some() { 0 } else { bytes(&stage.domain, stage.dtype) });
        passes.push(Planner::new(stage, target, limits, held)?.plan()?);
    }
    let peak_memory = passes.iter().map(|pass| pass.terms.all()).max().unwrap_or(0);
    Ok(Plan { passes, memory: limits.memory, peak_memory })
}

/// Plans a pass.
struct Planner<'a> {
    stage: &'a Stage,
    inputs: Vec<Input>,
    target: Option<(&'a Array, Dims<(i64, u64)>)>,
    folding: Option<Folding>,
    limits: Limits,
    terms: Terms,
}

impl<'a> Planner<'a> {
    fn new(stage: &'a Stage, target: Option<&'a Array>, limits: Limits, results: u64) -> Result<Self> {
        let inputs = inputs(&stage.expr)?;
        let folding = stage.reduce.as_ref().map(|along| Folding::new(stage.expr.domain(), &along.axes));
        let target = target.map(|target| Ok::<_, Error>((target, target.write_grid()?))).transpose()?;
        // A chunk is held as it is stored and as it is decoded.
        let decoding = inputs.iter().map(Input::chunk_bytes).max().unwrap_or(0).saturating_mul(2);
        let encoding = target.as_ref().map_or(0, |(target, grid)| {
            let item = target.dtype().size() as u64;
            grid.iter().fold(item, |bytes, place| bytes.saturating_mul(place.1)).saturating_mul(2)
        });
        let nodes = stage.expr.size() as u64;
        let terms = Terms {
            results,
            decoding: decoding.saturating_add(encoding).saturating_mul(limits.threads),
            tiles: limits.threads * nodes * TILE as u64 * 8,
            blocks: 0,
        };
        Ok(Self { stage, inputs, target, folding, limits, terms })
    }

    fn domain(&self) -> &Domain {
        self.stage.expr.domain()
    }

    /// The position among the reduced axes of an axis, if it is one.
    fn reduced(&self, axis: usize) -> Option<usize> {
        self.folding.as_ref()?.axes.iter().position(|&reduced| reduced == axis)
    }

    /// Where blocks may be cut along each axis: first coordinate and distance; and whether they may be cut finer.
    fn grid(&self) -> Dims<(i64, u64, bool)> {
        let whole = self.domain();
        let keeps = self.stage.reduce.as_ref().is_some_and(|along| along.keeps);
        let mut kept = 0;
        (0..whole.ndim())
            .map(|axis| {
                let reduced = self.reduced(axis);
                // Where the axis is in the target, if it is there.
                let at = kept;
                kept += usize::from(reduced.is_none() || keeps);
                if let (Some(k), Some(folding)) = (reduced.filter(|&k| k > 0), &self.folding) {
                    return (whole.origin()[axis], folding.segments[k].longest().max(1), false);
                }
                if reduced.is_some() && axis + 1 == whole.ndim() {
                    // Rows are folded in tiles.
                    return (whole.origin()[axis], TILE as u64, false);
                }
                if let (None, Some((_, grid))) = (reduced, &self.target) {
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
        let of = |input: &Input| {
            let own = (axis + input.domain.ndim()).checked_sub(whole.ndim())?;
            let (grid, bytes) = input.chunks.as_ref()?;
            (!is_repeated(input.domain.shape()[own], whole.shape()[axis])).then_some((*bytes, grid[own]))
        };
        let largest = self.inputs.iter().filter_map(of).max_by_key(|found| found.0);
        let alone = || (whole.origin()[axis], whole.shape()[axis].clamp(1, PLANE.isqrt()));
        largest.map_or_else(alone, |found| found.1)
    }

    /// Bytes that a task holds: of the inputs, of the result, and of cells.
    fn block_bytes(&self, cuts: &[Cuts]) -> u64 {
        let inputs = self.inputs.iter().map(|input| input.part_bytes(self.domain(), cuts));
        let read = inputs.fold(0, u64::saturating_add);
        let kept = cuts.iter().enumerate().filter(|(axis, _)| self.reduced(*axis).is_none());
        let elements = kept.fold(1u64, |all, (_, cuts)| all.saturating_mul(cuts.longest()));
        let size = match &self.folding {
            // Cells, those of a segment that is done, and elements.
            Some(_) => 24,
            None => self.stage.dtype.size() as u64,
        };
        read.saturating_add(elements.saturating_mul(size))
    }

    fn tasks(&self, cuts: &[Cuts]) -> u64 {
        let kept = cuts.iter().enumerate().filter(|(axis, _)| self.reduced(*axis).is_none());
        let blocks = kept.fold(1u64, |all, (_, cuts)| all.saturating_mul(cuts.len()));
        blocks.saturating_mul(self.folding.as_ref().map_or(1, Folding::count))
    }

    /// What all blocks cost, in bytes read.
    fn cost(&self, cuts: &[Cuts]) -> u64 {
        let one = |input: &Input| input.loads(self.domain(), cuts).saturating_mul(input.chunk_bytes());
        let blocks = cuts.iter().fold(1u64, |all, cuts| all.saturating_mul(cuts.len()));
        let read = self.inputs.iter().map(one).fold(0, u64::saturating_add);
        read.saturating_add(blocks.saturating_mul(OVERHEAD))
    }

    fn plan(mut self) -> Result<Pass> {
        let left = self.limits.memory.saturating_sub(self.terms.all());
        let grid = self.grid();
        let most = (left / self.limits.threads.max(1)).min(CACHED);
        let cuts = self.grown(self.fitting(&grid, left)?, &grid, most);
        let block = self.block_bytes(&cuts).max(1);
        let in_flight = (left / block).clamp(1, self.limits.threads);
        self.terms.blocks = block.saturating_mul(in_flight);
        let whole = self.domain();
        let loads = |input: &Input| input.loads(whole, &cuts);
        let read = |input: &Input| loads(input).saturating_mul(input.chunk_bytes());
        let is_fortran =
            !self.inputs.is_empty() && self.inputs.iter().all(|input| input.order == Order::Fortran);
        let order = match (&self.target, &self.folding) {
            (_, Some(_)) => Order::C,
            (Some((target, _)), None) => target.order(),
            (None, None) if is_fortran => Order::Fortran,
            (None, None) => Order::C,
        };
        Ok(Pass {
            text: self.stage.text(),
            order,
            in_flight: in_flight as usize,
            chunks_read: self.inputs.iter().map(loads).fold(0, u64::saturating_add),
            bytes_read: self.inputs.iter().map(read).fold(0, u64::saturating_add),
            bytes: bytes(whole, self.stage.expr.dtype()),
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
                let is_good = self.block_bytes(&cuts) <= most
                    && self.tasks(&cuts) >= (TASKS * self.limits.threads).min(self.tasks(&self.cuts(&steps)));
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

impl Plan {
    /// The plan in words: each pass, its blocks, what it reads, and what its memory is for.
    pub fn explain(&self) -> String {
        self.to_string()
    }

    /// Bytes of the elements that all passes are of.
    pub fn bytes(&self) -> u64 {
        self.passes.iter().fold(0, |all, pass| all.saturating_add(pass.bytes))
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> u64 {
        let of = |pass: &Pass| pass.cuts.iter().fold(1u64, |all, cuts| all.saturating_mul(cuts.len()));
        self.passes.iter().map(of).fold(0, u64::saturating_add)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, pass) in self.passes.iter().enumerate() {
            let lengths: Vec<String> = pass.cuts.iter().map(|cuts| cuts.longest().to_string()).collect();
            let blocks = pass.cuts.iter().fold(1u64, |all, cuts| all.saturating_mul(cuts.len()));
            let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
            writeln!(f, "pass {}: {}", number + 1, pass.text)?;
            writeln!(f, "  blocks   {blocks} of up to {}, {} at once", lengths.join(" × "), pass.in_flight)?;
            writeln!(f, "  reads    {} chunks, {} decoded", pass.chunks_read, mib(pass.bytes_read))?;
            let Terms { results, blocks, decoding, tiles } = pass.terms;
            let (results, blocks, decoding, tiles) = (mib(results), mib(blocks), mib(decoding), mib(tiles));
            writeln!(f, "  memory   results {results}, blocks {blocks}, decoding {decoding}, tiles {tiles}")?;
        }
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        write!(f, "at most {} MiB of the budget of {} MiB", mib(self.peak_memory), mib(self.memory))
    }
}

/// The pieces along an axis, as ranges.
pub(crate) fn pieces(cuts: &Cuts) -> impl Iterator<Item = Range<i64>> + '_ {
    (0..cuts.len()).map(|k| cuts.get(k))
}
