//! Planning one pass: how it is cut into blocks that fit, and what it reads, writes and holds. Pure.

use std::collections::HashMap;

use crate::array::Array;
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::Work;
use crate::chunk::grid::EdgeChunks;
use crate::compute::blocks::Blocks;
use crate::compute::cuts::Cuts;
use crate::compute::expr::Lazy;
use crate::compute::flows::{is_shared, read, written};
use crate::compute::grids::Grid;
use crate::compute::inputs::{Compiled, Input};
use crate::compute::plan::{Cut, Flow, Folding, InputRead, PLANE, Pass, Terms};
use crate::compute::program::TILE;
use crate::compute::refusal::{Needed, SCRATCH};
use crate::compute::search::{Found, common_grid};
use crate::compute::stage::{Output, Root, Stage};
use crate::compute::steady::Versions;

/// What beginning a block costs, in bytes read.
pub(crate) const OVERHEAD: u64 = 256 << 10;

/// Tasks for each thread that keep all of them busy to the end; and for each of several processes, some of which are slow.
pub(super) const TASKS: u64 = 4;
const TASKS_OF_WORKERS: u64 = 8;

/// Tasks of all labels where what each has folded is kept.
const TASKS_OF_RESUMED: u64 = 64;

/// What passes may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) memory: u64,
    pub(crate) threads: u64,
    /// How many threads of all processes there are to be tasks for.
    pub(crate) workers: u64,
    /// Whether results may be kept in files.
    pub(crate) has_scratch: bool,
    /// Whether a later run may take the work up, for which they have to be.
    pub(crate) is_resumable: bool,
}

/// Scratch files in chunks, by the number of what they have: an array like each, and an expression of it.
pub(super) type Files = HashMap<usize, (Array, Lazy)>;

/// Bytes of all elements of a domain.
pub(super) fn bytes(domain: &Domain, dtype: DataType) -> u64 {
    domain.shape().iter().fold(dtype.size() as u64, |all, &length| all.saturating_mul(length))
}

/// Plans a pass.
pub(super) struct Planner<'a> {
    pub(super) stage: &'a Stage,
    pub(super) compiled: &'a Compiled,
    /// The stored inputs, and where their chunks are.
    pub(super) reads: Vec<(&'a Input, Grid)>,
    /// How many chunks are read for each of those.
    chunks_of_one: Vec<u64>,
    /// The targets, and where blocks may be cut along the axes that are not reduced.
    pub(super) targets: Vec<(Option<&'a Root>, &'a Array)>,
    target_grid: Option<Dims<(i64, u64)>>,
    pub(super) folding: Option<Folding>,
    pub(super) limits: Limits,
    pub(super) terms: Terms,
    /// Whether results are held that could be in files.
    may_spill: bool,
    /// Whether blocks are dense in C order.
    is_dense: bool,
}

impl<'a> Planner<'a> {
    /// The plan of a pass, which holds `results` of all passes up to it, cut as is given if it is.
    ///
    /// # Errors
    /// `MemoryBudget` if its smallest block does not fit.
    pub(super) fn pass(
        stage: &Stage,
        (targets, files): (&[Option<&Array>], &Files),
        limits: Limits,
        (results, may_spill): (u64, bool),
        given: Option<&Cut>,
    ) -> Result<Pass> {
        let compiled = Compiled::of(stage, &files.iter().map(|(at, file)| (*at, file.1.clone())).collect())?;
        let own = stage.outputs.iter().flat_map(|output| &output.roots);
        let own = own.filter_map(|root| Some((Some(root), targets[root.number]?)));
        let kept = stage.outputs.iter().filter_map(|output| Some((None, &files.get(&output.number)?.0)));
        let reads = compiled.inputs.iter().map(|input| {
            let Some((grid, bytes)) = input.grid()? else { return Ok(None) };
            let chunks = input.chunks_of_one()?;
            Ok(Some((input, (grid, bytes.saturating_mul(chunks)), chunks)))
        });
        let reads: Vec<(&Input, Grid, u64)> = reads.filter_map(Result::transpose).collect::<Result<_>>()?;
        let chunks_of_one = reads.iter().map(|read| read.2).collect();
        let mut planner = Planner {
            stage,
            reads: reads.into_iter().map(|(input, grid, _)| (input, grid)).collect(),
            chunks_of_one,
            compiled: &compiled,
            targets: Vec::new(),
            target_grid: None,
            folding: stage
                .axes
                .as_ref()
                .map(|axes| Folding::new(&stage.domain, axes, stage.by.as_ref().map(|by| by.groups.dense()))),
            limits,
            terms: Terms { results, ..Terms::default() },
            may_spill,
            is_dense: true,
        };
        planner.count_whole_chunks();
        let (mut encoding, mut codecs) = (0u64, compiled.codec_bytes());
        for (root, target) in own.chain(kept) {
            let grid = target.write_grid()?;
            let chunk = encoded(target, &grid);
            encoding = encoding.max(chunk.saturating_mul(2));
            // A thread reads, or it writes.
            codecs = codecs.max(target.layout().codec_bytes(Work::Encoding));
            planner.targets.push((root, target));
            let grid = root.map_or(grid.clone(), |root: &Root| root.of_result(&grid));
            planner.add_grid(planner.without_groups(grid));
        }
        let nodes: u64 = stage.outputs.iter().map(|output| output.expr.size() as u64).sum();
        let own = compiled.chunk_bytes().saturating_add(encoding).saturating_add(codecs);
        let decoding = own.saturating_mul(limits.threads);
        planner.terms.decoding = decoding.saturating_add(compiled.kept_bytes());
        planner.terms.tiles = limits.threads * nodes * TILE as u64 * 8;
        planner.terms.versions = Versions::bytes(planner.distinct_chunks());
        planner.terms.labels = planner.labels();
        planner.terms.results = planner.terms.results.saturating_add(planner.waiting_bytes());
        planner.plan(given)
    }

    /// Has segments of what is counted end where chunks of what is read do, or tasks would decode those at their ends both: counts are the same in
    /// any order.
    fn count_whole_chunks(&mut self) {
        if let Some(folding) = self.folding.take() {
            let is_counted = self.stage.is_counted();
            let chunks = |axis: usize| self.largest_chunk(axis).filter(|_| is_counted);
            self.folding = Some(folding.at_chunks(chunks));
        }
    }

    pub(super) fn domain(&self) -> &'a Domain {
        &self.stage.domain
    }

    /// How many chunks of stored inputs there are to read, each counted once.
    fn distinct_chunks(&self) -> u64 {
        let of = |((input, grid), of_one): (&(&Input, Grid), &u64)| {
            let along =
                input.domain.shape().iter().zip(&grid.0).map(|(length, (_, chunk))| length.div_ceil(*chunk));
            along.fold(*of_one, u64::saturating_mul)
        };
        self.reads.iter().zip(&self.chunks_of_one).map(of).fold(0, u64::saturating_add)
    }

    /// What the axes that are not reduced have, of the axes of a result.
    fn without_groups(&self, mut grid: Dims<(i64, u64)>) -> Dims<(i64, u64)> {
        if let (Some(by), Some(folding)) = (&self.stage.by, &self.folding) {
            let at = folding.axes[0];
            grid.drain(at..at + by.groups.ndim());
        }
        grid
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
    pub(super) fn reduced(&self, axis: usize) -> Option<usize> {
        self.folding.as_ref()?.axes.iter().position(|&reduced| reduced == axis)
    }

    /// Where blocks may be cut along each axis: first coordinate and distance; and whether they may be cut finer.
    pub(super) fn grid(&self) -> Dims<(i64, u64, bool)> {
        let whole = self.domain();
        let mut kept = 0;
        (0..whole.ndim())
            .map(|axis| {
                let reduced = self.reduced(axis);
                // Where the axis is in the results.
                let at = kept;
                kept += usize::from(reduced.is_none());
                if let (Some(k), Some(folding)) = (reduced.filter(|&k| k > 0), &self.folding) {
                    let (origin, length) = folding.segments[k].grid();
                    return (origin, length.max(1), false);
                }
                if reduced.is_some() && axis + 1 == whole.ndim() && !self.stage.is_counted() {
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

    /// The chunks of an input along an axis; `None` if blocks all have the same elements along it.
    pub(super) fn chunks(&self, (input, grid): &(&Input, Grid), axis: usize) -> Option<(i64, u64)> {
        let whole = self.domain();
        let own = (axis + grid.0.len()).checked_sub(whole.ndim())?;
        (!input.repeats(own, whole.shape()[axis])).then(|| grid.0[own])
    }

    /// Bytes of all chunks of an input.
    fn once(&self, read: &(&Input, Grid)) -> u64 {
        let along = |axis: usize| {
            self.chunks(read, axis).map_or(1, |chunks| Cuts::over(self.domain().range(axis), chunks).len())
        };
        (0..self.domain().ndim()).map(along).fold(read.1.1, u64::saturating_mul)
    }

    /// The chunks along an axis of the input whose chunks are the largest.
    fn largest_chunk(&self, axis: usize) -> Option<(i64, u64)> {
        let of = |read: &(&Input, Grid)| Some((read.1.1, self.chunks(read, axis)?));
        self.reads.iter().filter_map(of).max_by_key(|found| found.0).map(|found| found.1)
    }

    /// The same, or where they would be.
    fn chunk_along(&self, axis: usize) -> (i64, u64) {
        let whole = self.domain();
        let alone = || (whole.origin()[axis], whole.shape()[axis].clamp(1, PLANE.isqrt()));
        self.largest_chunk(axis).unwrap_or_else(alone)
    }

    /// The most bytes that cells of labels may take: those of as many as there are elements, or half of the budget.
    fn labels(&self) -> u64 {
        let (Some(by), Some(folding)) = (&self.stage.by, &self.folding) else { return 0 };
        if !by.groups.is_sparse() {
            return 0;
        }
        let shape = self.domain().shape();
        let words = |output: &Output| output.method().map_or(0, |method| method.fold.words());
        let words: u64 = self.stage.outputs.iter().map(words).sum();
        // Lists and maps of labels have room for twice as many as there are, and elements stand beside their cells in the end.
        let cell = words.saturating_mul(32).saturating_add(192);
        let elements = shape.iter().fold(cell, |all, &length| all.saturating_mul(length));
        let of_groups = by.groups.len().saturating_mul(folding.count() + 1).saturating_mul(cell);
        let kept = (0..shape.len()).filter(|axis| self.reduced(*axis).is_none());
        let of_groups = kept.fold(of_groups, |all, axis| all.saturating_mul(shape[axis]));
        elements.min(of_groups).saturating_add(1 << 20).min(self.limits.memory / 2)
    }

    /// Of how many segments the cells wait for those of the others: of groups, and of places beside a long axis.
    fn waiting(&self) -> u64 {
        let is_alone = self.folding.as_ref().is_some_and(|folding| folding.axes.len() == 1);
        let segments = self.folding.as_ref().map_or(1, Folding::count);
        if self.stage.by.is_some() || is_alone { segments.saturating_sub(1) } else { 0 }
    }

    /// Whether all blocks are of the same box of results, so that no more cells wait however many are under way.
    fn is_of_one_box(&self) -> bool {
        let shape = self.domain().shape();
        (0..shape.len()).all(|axis| shape[axis] == 1 || self.reduced(axis).is_some())
    }

    /// Bytes of cells that wait, where they are of one box of results.
    fn waiting_bytes(&self) -> u64 {
        if !self.is_of_one_box() || self.stage.is_sparse() {
            return 0;
        }
        let words: u64 =
            self.stage.outputs.iter().filter_map(Output::method).map(|method| method.fold.words()).sum();
        self.waiting().saturating_mul(8 * words).saturating_mul(self.stage.cells())
    }

    /// Bytes that a block of these lengths holds: of the inputs, of the results, and of cells.
    pub(super) fn held(&self, lengths: &[u64]) -> u64 {
        let kept = lengths.iter().enumerate().filter(|(axis, _)| self.reduced(*axis).is_none());
        let places = kept.fold(1, |all: u64, (_, length)| all.saturating_mul(*length));
        if self.stage.is_sparse() {
            // Cells are counted among labels; once they are done, there are elements of all groups.
            let size = self.stage.outputs.iter().map(|output| output.dtype.size() as u64).max().unwrap_or(0);
            let elements = places.saturating_mul(self.stage.groups()).saturating_mul(size);
            return self.compiled.held(lengths, self.is_dense, 0).saturating_add(elements);
        }
        let elements = places.saturating_mul(self.stage.cells());
        let waiting = if self.is_of_one_box() { 0 } else { self.waiting() };
        let one = |output: &Output| match output.method() {
            // Cells, those of a segment that is done, and elements.
            Some(method) => (16 + 8 * waiting) * method.fold.words() + 8,
            None => output.dtype.size() as u64,
        };
        let size: u64 = self.stage.outputs.iter().map(one).sum();
        let results = elements.saturating_mul(size);
        match &self.folding {
            Some(folding) if self.stage.is_counted() => {
                let lengths = self.compiled.counted_lengths(lengths, &folding.axes);
                let piece =
                    lengths.map_or(u64::MAX, |lengths| self.compiled.held(&lengths, self.is_dense, 0));
                piece.saturating_add(results)
            }
            // Cells are there while all blocks are read.
            Some(_) => self.compiled.held(lengths, self.is_dense, 0).saturating_add(results),
            None if self.compiled.passes_all() => self.compiled.held(lengths, self.is_dense, 0),
            None => self.compiled.held(lengths, self.is_dense, results),
        }
    }

    fn plan(mut self, given: Option<&Cut>) -> Result<Pass> {
        self.is_dense = self.order() == Order::C;
        let (is_near, threads) = (self.is_near(), self.limits.threads.max(1));
        let (found, in_flight) = self.blocks(given.map(|given| &given.cuts[..]))?;
        let Found { cuts, loads, held } = found;
        let lengths: Dims<u64> = cuts.iter().map(Cuts::longest).collect();
        self.terms.halo = self.compiled.beside(&lengths).min(held).saturating_mul(in_flight);
        self.terms.blocks = held.saturating_mul(in_flight) - self.terms.halo;
        self.terms.decoding = self.terms.decoding / threads * in_flight.max(threads);
        let inputs = loads.iter().zip(&self.reads).map(|(loads, (input, grid))| InputRead {
            name: input.name(),
            bytes: loads.saturating_mul(grid.1),
            once: self.once(&(*input, grid.clone())),
        });
        let inputs = inputs.collect();
        let of = |((loads, (input, grid)), of_one): ((&u64, &(&Input, Grid)), &u64)| {
            read(input, loads.saturating_mul(*of_one), loads.saturating_mul(grid.1))
        };
        let reads: Vec<Flow> = loads.iter().zip(&self.reads).zip(&self.chunks_of_one).map(of).collect();
        let results = self.targets.iter().filter(|(root, _)| root.is_some());
        let writes = results.map(|(_, target)| written(target)).collect::<Result<Vec<_>>>()?;
        let item =
            self.stage.outputs.iter().map(|output| output.expr.dtype().size() as u64).max().unwrap_or(1);
        Ok(Pass {
            text: self.stage.text(),
            numbers: self.stage.outputs.iter().map(|output| output.number).collect(),
            order: self.order(),
            run: given.map_or_else(|| self.run(&cuts, in_flight), |given| given.run),
            in_flight: in_flight as usize,
            is_near,
            chunks_read: reads.iter().map(|read| read.count).fold(0, u64::saturating_add),
            bytes_read: reads.iter().map(|read| read.bytes).fold(0, u64::saturating_add),
            is_shared: self.is_shared(&cuts)?,
            loops: self.stage.outputs.iter().map(|output| output.expr.size() as u64).sum(),
            inputs,
            reads,
            writes,
            bytes: self.domain().shape().iter().fold(item, |all, &length| all.saturating_mul(length)),
            item,
            folding: self.folding,
            terms: self.terms,
            blocks: Blocks::new(cuts, Order::C),
        })
    }

    /// Whether some blocks write to the same chunk or shard of a result, or of a copy of one that is stored.
    fn is_shared(&self, cuts: &[Cuts]) -> Result<bool> {
        let kept: Dims<&Cuts> = cuts
            .iter()
            .enumerate()
            .filter(|(axis, _)| self.reduced(*axis).is_none())
            .map(|at| at.1)
            .collect();
        // Scratch files are written anywhere.
        let results = self.targets.iter().filter_map(|(root, target)| Some(((*root)?, target)));
        for (root, target) in results {
            for grid in target.write_grids()? {
                let grid = grid.map(|grid| self.without_groups(root.of_result(&grid)));
                if is_shared(&kept, grid.as_ref()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// How many segments of the first reduced axis a task folds: a task reads on where it is, so that there are as few tasks
    /// as keep all threads busy.
    fn run(&self, cuts: &[Cuts], in_flight: u64) -> u64 {
        let Some(folding) = &self.folding else { return 1 };
        let kept = cuts.iter().enumerate().filter(|(axis, _)| self.reduced(*axis).is_none());
        let behind = folding.segments[1..].iter().map(Cuts::len);
        let boxes = kept.map(|(_, cuts)| cuts.len()).chain(behind).fold(1, u64::saturating_mul);
        let of_workers = self.limits.workers.saturating_mul(TASKS_OF_WORKERS);
        let of_workers = if self.limits.workers > self.limits.threads { of_workers } else { 0 };
        // What a task has folded of labels that are met is all that is left of it when a run ends early.
        let is_kept = self.limits.is_resumable && self.stage.is_sparse();
        let of_resumed = if is_kept { TASKS_OF_RESUMED } else { 0 };
        let wanted = in_flight.saturating_mul(TASKS).max(of_workers).max(of_resumed);
        let wanted = wanted.div_ceil(boxes.max(1)).max(1);
        folding.segments[0].len().div_ceil(wanted).max(1)
    }

    /// The order of the elements of a block.
    fn order(&self) -> Order {
        let mut orders = self.compiled.inputs.iter().filter_map(Input::order).peekable();
        let is_fortran = orders.peek().is_some() && orders.all(|order| order == Order::Fortran);
        match (self.targets.first().map(|target| target.1), &self.folding) {
            (_, Some(_)) => Order::C,
            (Some(target), None) => target.order(),
            (None, None) if is_fortran => Order::Fortran,
            (None, None) => Order::C,
        }
    }

    pub(super) fn refusal(&self, block: u64) -> Error {
        let needed = block.saturating_add(self.terms.all());
        let scratch = if self.may_spill { SCRATCH } else { "" };
        let Terms { results, decoding, .. } = self.terms;
        let others = self.terms.all().saturating_sub(results.saturating_add(decoding));
        let reason = format!(
            "computing {} takes {} MiB at least, the budget is {} bytes: {results} of results, {decoding} of decoding, {others} of tiles and \
             notes of chunks, {block} of the smallest block; raise the budget, or ask for a part{scratch}",
            self.stage.text(),
            needed.div_ceil(1 << 20),
            self.limits.memory,
        );
        Error::new(ErrorKind::MemoryBudget, reason).caused_by(Needed(needed))
    }
}

/// How many bytes of elements of a target are encoded at once: chunks and shards at its ends may have no more than it has.
fn encoded(target: &Array, grid: &[(i64, u64)]) -> u64 {
    let layout = target.layout();
    let is_clipped = layout.grid.edge() == EdgeChunks::Clipped;
    let chunks = target.chunk_shape();
    let along = |((&(_, length), &whole), &chunk): ((&(i64, u64), &u64), &u64)| match is_clipped {
        true => length.min(whole),
        false => length.min(whole.div_ceil(chunk.max(1)).saturating_mul(chunk)),
    };
    let lengths = grid.iter().zip(target.shape()).zip(&chunks).map(along);
    lengths.fold(target.dtype().size() as u64, u64::saturating_mul)
}
