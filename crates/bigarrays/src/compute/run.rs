//! Running plans.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;

use crate::array::{Array, Cutout};
use crate::base::buffer::{Order, Region, SharedViewMut, View, ViewMut, byte_len};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::{DataType, Element};
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::compute::block::{Block, lengths};
use crate::compute::expr::{Along, Lazy};
use crate::compute::held::held;
use crate::compute::kernels::convert;
use crate::compute::memory::Memory;
use crate::compute::plan::{self, Folding, Limits, Pass, Plan, pieces};
use crate::compute::program::Program;
use crate::compute::reduction::Method;
use crate::compute::stage::{Stage, filled, stages};
use crate::run::budget;
use crate::run::pool::threads;
use crate::run::runner::{Progress, Runner};

/// What a computation may use and whom it tells.
#[derive(Clone, Copy, Default)]
pub struct ComputeOptions<'a> {
    /// Memory budget in bytes; if zero, a quarter of the memory that this process may use, of which the limits of control
    /// groups and of Slurm count.
    pub memory: u64,
    /// Is told after every block, from any thread.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

impl ComputeOptions<'_> {
    fn limits(&self) -> Limits {
        Limits { memory: budget::of_job(self.memory), threads: threads() as u64 }
    }
}

impl Lazy {
    /// How [`Lazy::compute`] works, or [`Lazy::save`] if there is a target. Reads nothing.
    ///
    /// # Errors
    /// `MemoryBudget` if the smallest blocks do not fit.
    pub fn plan(&self, target: Option<&Array>, options: &ComputeOptions<'_>) -> Result<Plan> {
        plan::plan(&stages(self), target, options.limits())
    }

    /// The order of elements in memory that is computed the fastest.
    pub fn order(&self) -> Order {
        let plan = plan::plan(&stages(self), None, Limits { memory: u64::MAX, threads: 1 });
        plan.ok().and_then(|plan| Some(plan.passes.last()?.order)).unwrap_or(Order::C)
    }

    /// Computes all elements.
    ///
    /// # Errors
    /// `InvalidArgument` if `T` is not the type of the elements, or one does not fit into a type that it is cast to;
    /// `MemoryBudget` before anything is read; `Cancelled`; any error of reading.
    pub fn compute<T: Element>(&self, options: &ComputeOptions<'_>) -> Result<Cutout<T>> {
        if T::DTYPE != self.dtype() {
            return Err(Error::invalid(format!("elements are {}, not {}", self.dtype(), T::DTYPE)));
        }
        Cutout::filled_by(self.domain(), self.order(), |out| self.compute_into(out, options))
    }

    /// Computes all elements into `out`, of the shape of the domain, at any strides.
    ///
    /// # Errors
    /// As [`Lazy::compute`]. After an error, the contents of `out` are unspecified.
    pub fn compute_into(&self, mut out: ViewMut<'_>, options: &ComputeOptions<'_>) -> Result<()> {
        let (shape, item) = (lengths(self.domain())?, self.dtype().size());
        if out.shape() != &shape[..] || out.item() != item {
            let found = out.shape();
            return Err(Error::invalid(format!("memory of shape {found:?} for a result of shape {shape:?}")));
        }
        let shared = out.share();
        self.run(&Sink::Memory { out: &shared, domain: self.domain() }, None, options)
    }

    /// Computes all elements and writes them to `target`, an array of the same type and shape. If it is marked as
    /// incomplete and has no further elements, the mark is taken away in the end.
    ///
    /// # Errors
    /// `InvalidArgument` if types or shapes differ; as [`Lazy::compute`]; any error of writing.
    pub fn save(&self, target: &Array, options: &ComputeOptions<'_>) -> Result<()> {
        let own = (self.dtype(), self.domain().shape());
        if own != (target.dtype(), target.shape()) {
            let (dtype, shape) = own;
            let reason = format!("{dtype} elements of shape {shape:?} do not go there");
            return Err(Error::invalid(reason).during("saving to").at(target.url()));
        }
        let target = target.translate_to(self.domain().origin())?;
        self.expect_apart(&target)?;
        self.run(&Sink::Array(&target), Some(&target), options)?;
        target.complete_if_whole()
    }

    /// Computes what is to be read first, and then the elements.
    fn run(&self, sink: &Sink<'_>, target: Option<&Array>, options: &ComputeOptions<'_>) -> Result<()> {
        let stages = stages(self);
        let plan = plan::plan(&stages, target, options.limits())?;
        let mut results: Vec<Lazy> = Vec::new();
        for (number, (stage, pass)) in stages.iter().zip(&plan.passes).enumerate() {
            if number + 1 == stages.len() {
                return run_stage(stage, pass, &results, sink, options);
            }
            results.push(result_of(stage, pass, &results, options)?);
        }
        Ok(())
    }
}

/// The result of a pass, in memory.
fn result_of(stage: &Stage, pass: &Pass, results: &[Lazy], options: &ComputeOptions<'_>) -> Result<Lazy> {
    let shape = lengths(&stage.domain)?;
    let item = stage.dtype.size();
    let mut elements = vec![0; byte_len(&shape, item)?];
    let mut out = ViewMut::dense(&mut elements, &shape, item, Order::C)?;
    let shared = out.share();
    let sink = Sink::Memory { out: &shared, domain: &stage.domain };
    run_stage(stage, pass, results, &sink, options)?;
    if stage.domain.ndim() == 0 {
        let mut element = [0; 8];
        element[..item].copy_from_slice(&elements);
        return Lazy::constant(element, stage.dtype);
    }
    Lazy::of(&held(&stage.domain, stage.dtype, &stage.names, &elements)?)
}

/// Where elements go.
enum Sink<'a> {
    Memory { out: &'a SharedViewMut<'a>, domain: &'a Domain },
    Array(&'a Array),
}

impl Sink<'_> {
    /// Has `make` write the elements of `block`, dense in `order`, and puts them where they go.
    fn put(
        &self,
        block: &Domain,
        item: usize,
        order: Order,
        make: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let shape = lengths(block)?;
        let length = byte_len(&shape, item)?;
        match self {
            Self::Array(target) => {
                let mut made = Memory::new(length)?;
                make(made.bytes_mut())?;
                target.write_from(block, View::dense(made.bytes(), &shape, item, order)?)
            }
            Self::Memory { out, domain } => {
                let start =
                    block.origin().iter().zip(domain.origin()).map(|(at, from)| at.abs_diff(*from) as usize);
                let region = Region {
                    start: start.collect(),
                    step: Dims::from_elem(1, shape.len()),
                    count: shape.iter().copied().collect(),
                };
                // SAFETY: blocks of a pass do not overlap, and each is put once.
                let mut place = unsafe { out.region(&region) };
                if let Some(bytes) =
                    place.as_dense_mut(order).filter(|bytes| bytes.as_ptr().align_offset(8) == 0)
                {
                    return make(bytes);
                }
                let mut made = Memory::new(length)?;
                make(made.bytes_mut())?;
                place.copy_from(&View::dense(made.bytes(), &shape, item, order)?);
                Ok(())
            }
        }
    }
}

fn run_stage(
    stage: &Stage,
    pass: &Pass,
    results: &[Lazy],
    sink: &Sink<'_>,
    options: &ComputeOptions<'_>,
) -> Result<()> {
    let expr = filled(&stage.expr, results)?;
    let runner = Runner {
        in_flight: pass.in_flight,
        total: pass.bytes,
        // Blocks are read on the threads that compute them.
        is_near: true,
        progress: options.progress,
    };
    match (&stage.reduce, &pass.folding) {
        (Some(along), Some(folding)) => Reducing::new(&expr, along, stage, pass, folding)?.run(&runner, sink),
        _ => each_element(&expr, stage.dtype, pass, &runner, sink),
    }
}

/// Computes the elements of each block.
fn each_element(
    expr: &Lazy,
    dtype: DataType,
    pass: &Pass,
    runner: &Runner<'_>,
    sink: &Sink<'_>,
) -> Result<()> {
    let program = Program::new(expr, dtype)?;
    let blocks = Blocks { cuts: pass.cuts.iter().map(|cuts| pieces(cuts).collect()).collect() };
    let item = dtype.size();
    runner.run(blocks.len(), &|number| {
        let part = blocks.get(number)?;
        sink.put(&part, item, pass.order, |out| {
            Block::read(&program, expr.domain(), &part, pass.order)?.compute(&program, item, out)
        })?;
        Ok(part.checked_len()?.saturating_mul(expr.dtype().size() as u64))
    })
}

/// The boxes that pieces along each axis make; the last axis varies fastest.
struct Blocks {
    cuts: Dims<Vec<Range<i64>>>,
}

impl Blocks {
    fn len(&self) -> usize {
        self.cuts.iter().map(Vec::len).fold(1, usize::saturating_mul)
    }

    fn get(&self, mut number: usize) -> Result<Domain> {
        let mut ranges: Dims<Range<i64>> = self.cuts.iter().map(|_| 0..0).collect();
        for (axis, pieces) in self.cuts.iter().enumerate().rev() {
            ranges[axis] = pieces[number % pieces.len()].clone();
            number /= pieces.len();
        }
        Domain::from_ranges(&ranges)
    }
}

/// A pass that reduces elements.
struct Reducing<'a> {
    program: Program,
    domain: Domain,
    method: Method,
    dtype: DataType,
    item: u64,
    folding: &'a Folding,
    pass: &'a Pass,
    /// Boxes of the result.
    kept: Blocks,
    /// Boxes of segments of the reduced axes behind the first.
    behind: Blocks,
    /// How many elements become one.
    count: u64,
    /// Segments of the first reduced axis that a task takes.
    run: u64,
    /// Whether the result has the reduced axes, of length 1.
    keeps: bool,
}

/// What a task has of a box of the result: for each segment, in order, the cells.
type Partials = BTreeMap<u64, Vec<u64>>;

impl<'a> Reducing<'a> {
    fn new(expr: &Lazy, along: &Along, stage: &Stage, pass: &'a Pass, folding: &'a Folding) -> Result<Self> {
        let method = along.reduction.method(expr.dtype());
        let expr = match method.first {
            Some(first) => expr.converted(first)?,
            None => expr.clone(),
        };
        let domain = expr.domain().clone();
        let is_kept = |axis: &usize| !folding.axes.contains(axis);
        let kept =
            (0..domain.ndim()).filter(is_kept).map(|axis| pieces(&pass.cuts[axis]).collect()).collect();
        let behind = folding.segments[1..].iter().map(|cuts| pieces(cuts).collect()).collect();
        let (kept, behind) = (Blocks { cuts: kept }, Blocks { cuts: behind });
        let segments = folding.segments[0].len();
        // As few as keep all threads busy: a task reads on where it is.
        let wanted = (4 * pass.in_flight as u64).div_ceil((kept.len() as u64).max(1)).max(1);
        Ok(Self {
            program: Program::new(&expr, method.cell.dtype())?,
            method,
            dtype: stage.dtype,
            item: stage.expr.dtype().size() as u64,
            count: folding.axes.iter().map(|&axis| domain.shape()[axis]).product(),
            run: segments.div_ceil(wanted).max(1),
            keeps: along.keeps,
            domain,
            folding,
            pass,
            kept,
            behind,
        })
    }

    fn run(&self, runner: &Runner<'_>, sink: &Sink<'_>) -> Result<()> {
        let runs = self.folding.segments[0].len().div_ceil(self.run).max(1) as usize;
        let of_kept = runs * self.behind.len().max(1);
        let waiting: Mutex<BTreeMap<usize, (usize, Partials)>> = Mutex::default();
        runner.run(self.kept.len() * of_kept, &|number| {
            let (kept, rest) = (number / of_kept, number % of_kept);
            let (run, behind) = (rest / self.behind.len().max(1), rest % self.behind.len().max(1));
            let (partials, bytes) = self.fold(&self.kept.get(kept)?, run as u64, behind)?;
            let done = {
                let mut waiting = waiting.locked();
                let (count, all) = waiting.entry(kept).or_default();
                *count += 1;
                all.extend(partials);
                if *count == of_kept { waiting.remove(&kept) } else { None }
            };
            if let Some((_, partials)) = done {
                self.finish(&self.kept.get(kept)?, partials, sink)?;
            }
            Ok(bytes)
        })
    }

    /// The box of elements that become those of `kept`, of these ranges along the reduced axes.
    fn whole(&self, kept: &Domain, reduced: &[Range<i64>]) -> Result<Domain> {
        let mut own = kept.ranges();
        let range = |axis: usize| match self.folding.axes.iter().position(|&one| one == axis) {
            Some(k) => reduced[k].clone(),
            None => own.next().unwrap_or(0..0),
        };
        Domain::from_ranges(&(0..self.domain.ndim()).map(range).collect::<Dims<_>>())
    }

    /// Folds a run of segments of the first reduced axis, block by block as they lie. Returns their cells by number, and
    /// how many bytes of elements they are of.
    fn fold(&self, kept: &Domain, run: u64, behind: usize) -> Result<(Partials, u64)> {
        let (first, segments) = (self.folding.axes[0], &self.folding.segments[0]);
        let numbers = run * self.run..((run + 1) * self.run).min(segments.len());
        let mut reduced: Dims<Range<i64>> = self.behind.get(behind)?.ranges().collect();
        reduced.insert(0, 0..0);
        let cells = kept.checked_len()? as usize;
        let identity = self.method.fold.identity(self.method.cell);
        let (mut partials, mut bytes) = (Partials::new(), 0);
        if numbers.is_empty() {
            return Ok((partials, bytes));
        }
        let whole = segments.get(numbers.start).start..segments.get(numbers.end - 1).end;
        let (mut segment, mut current) = (numbers.start, vec![identity; cells]);
        let touched = self.pass.cuts[first].touched(&whole);
        for piece in touched.map(|k| self.pass.cuts[first].get(k)) {
            reduced[0] = piece.start.max(whole.start)..piece.end.min(whole.end);
            let part = self.whole(kept, &reduced)?;
            bytes += part.checked_len()?.saturating_mul(self.item);
            let block = Block::read(&self.program, &self.domain, &part, Order::C)?;
            let mut at = reduced[0].start;
            while at < reduced[0].end {
                let end = segments.get(segment).end.min(reduced[0].end);
                let along = (at - reduced[0].start) as usize..(end - reduced[0].start) as usize;
                block.fold(&self.program, self.method, &self.folding.axes, &along, &mut current)?;
                at = end;
                if at == segments.get(segment).end {
                    let done = std::mem::replace(&mut current, vec![identity; cells]);
                    partials.insert(segment * self.behind.len().max(1) as u64 + behind as u64, done);
                    segment += 1;
                }
            }
        }
        Ok((partials, bytes))
    }

    /// Folds the cells of all segments, in their order, and puts the elements that they are.
    fn finish(&self, kept: &Domain, partials: Partials, sink: &Sink<'_>) -> Result<()> {
        let Method { cell, fold, is_mean, .. } = self.method;
        let mut all = partials.into_values();
        let mut cells = match all.next() {
            Some(cells) => cells,
            None => vec![fold.identity(cell); kept.checked_len()? as usize],
        };
        all.for_each(|partial| fold.each(cell, &mut cells, &partial));
        if is_mean {
            let count = self.count as f64;
            cells.iter_mut().for_each(|cell| *cell = (f64::from_bits(*cell) / count).to_bits());
        }
        let none = || Error::unsupported(format!("{} as {}", cell.dtype(), self.dtype));
        let place = if self.keeps {
            let first = |&axis: &usize| self.domain.origin()[axis]..self.domain.origin()[axis] + 1;
            self.whole(kept, &self.folding.axes.iter().map(first).collect::<Dims<_>>())?
        } else {
            kept.clone()
        };
        sink.put(&place, self.dtype.size(), Order::C, |out| {
            match convert(cell.dtype(), self.dtype) {
                _ if cell.dtype() == self.dtype => out.copy_from_slice(bytemuck::cast_slice(&cells)),
                Some(kernel) => kernel(&[bytemuck::cast_slice(&cells)], out),
                None => return Err(none()),
            }
            Ok(())
        })
    }
}
