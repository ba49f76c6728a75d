//! Running plans.

use std::collections::HashMap;
use std::path::Path;

use crate::array::{Array, Cutout};
use crate::base::buffer::{Order, SharedViewMut, ViewMut};
use crate::base::dtype::Element;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::boxed::{Boxed, Slots};
use crate::compute::carrying::Carrying;
use crate::compute::chosen;
use crate::compute::expr::Lazy;
use crate::compute::journal::Journal;
use crate::compute::ledger::Noting;
use crate::compute::memory::lengths;
use crate::compute::parts::Execution;
use crate::compute::pass_planner::Limits;
use crate::compute::plan::{HeldBoxes, Plan};
use crate::compute::planner;
use crate::compute::resume::Resumed;
use crate::compute::sink::Place;
use crate::compute::stage::{Stage, stages};
use crate::compute::steady::Versions;
use crate::compute::taken::Scratch;
use crate::compute::target::Target;
use crate::run::budget;
use crate::run::pool::threads;
use crate::run::runner::Progress;

/// What a computation may use and whom it tells.
#[derive(Clone, Copy, Default)]
pub struct ComputeOptions<'a> {
    /// Memory budget in bytes; if zero, a quarter of the memory that this process may use, of which the limits of control
    /// groups and of Slurm count.
    pub memory: u64,
    /// How many processors will work on a plan that several processes run, on whatever machines: there are as many tasks as keep them
    /// busy. Those of this process if zero.
    pub workers: u64,
    /// How many threads each of these processes has, which its memory has to do for. Those of this process if zero.
    pub threads: u64,
    /// A folder for results that later passes read and that do not fit into the budget: each a file there while the work goes
    /// on. Without, they are refused.
    pub scratch: Option<&'a Path>,
    /// Where blocks that are done are noted, and those looked up that an earlier run has noted: the same call takes up what
    /// ended early. Of results in memory, what was folded for them is kept; elements that nothing reduces are computed again.
    pub journal: Option<&'a Journal>,
    /// Is told after every block, from any thread.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

impl ComputeOptions<'_> {
    pub(super) fn limits(&self) -> Result<Limits> {
        if let Some(folder) = self.scratch.filter(|folder| !folder.is_dir()) {
            let error =
                Error::new(ErrorKind::NotFound, "no folder for scratch files is there; make it first");
            return Err(error.during("computing with").at(folder.display().to_string()));
        }
        let threads = if self.threads == 0 { threads() as u64 } else { self.threads };
        Ok(Limits {
            memory: budget::of_job(self.memory),
            threads,
            workers: self.workers.max(threads),
            has_scratch: self.scratch.is_some(),
            is_resumable: self.journal.is_some(),
        })
    }
}

/// Computes several expressions, each to its target, together: what they have in common is read and computed once, where it
/// fits into the budget.
///
/// ```
/// use bigarrays::base::buffer::{Order, ViewMut};
/// use bigarrays::compute::{ComputeOptions, Lazy, Reduction, Target, compute};
/// use bigarrays::{DataType, Domain};
///
/// let a = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U8, &[3, 9, 4, 7])?;
/// let (least, most) = (a.reduce(Reduction::Min, &[0], false)?, a.reduce(Reduction::Max, &[0], false)?);
/// let (mut low, mut high) = ([0], [0]);
/// let targets = vec![
///     (&least, Target::Memory(ViewMut::dense(&mut low, &[], 1, Order::C)?)),
///     (&most, Target::Memory(ViewMut::dense(&mut high, &[], 1, Order::C)?)),
/// ];
/// compute(targets, &ComputeOptions::default())?;
/// assert_eq!((low, high), ([3], [9]));
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` if a target has another type or shape, or may be what an expression is of; `MemoryBudget` before anything
/// is read; `Cancelled`; any error of reading and writing. After an error, the contents of targets are unspecified, and arrays
/// that were marked as incomplete still are, or none of their elements is missing.
pub fn compute(results: Vec<(&Lazy, Target<'_>)>, options: &ComputeOptions<'_>) -> Result<()> {
    compute_and_end(results, options, Array::complete_if_whole)
}

/// Computes results, and ends the arrays that they go to.
fn compute_and_end(
    results: Vec<(&Lazy, Target<'_>)>,
    options: &ComputeOptions<'_>,
    end: impl Fn(&Array) -> Result<()>,
) -> Result<()> {
    let roots: Vec<Lazy> = results.iter().map(|result| result.0.clone()).collect();
    let (mut memory, mut arrays) = (Vec::new(), Vec::new());
    for (number, (lazy, target)) in results.into_iter().enumerate() {
        match target {
            Target::Memory(out) => {
                lazy.expect_memory(&out)?;
                memory.push((number, out));
                arrays.push(None);
            }
            Target::Array(array) => arrays.push(Some(lazy.placed_target(array)?)),
        }
    }
    expect_apart(&roots, &arrays)?;
    let shared: HashMap<usize, SharedViewMut<'_>> =
        memory.iter_mut().map(|(number, out)| (*number, out.share())).collect();
    let targets: Vec<Option<&Array>> = arrays.iter().map(Option::as_ref).collect();
    let known = |journal| Resumed::new(journal, &roots, &targets)?.of_inputs(&roots);
    let resumed = options.journal.map(known).transpose()?;
    if resumed.as_ref().map_or(Ok(false), |resumed| resumed.is_done(&targets))? {
        return Ok(());
    }
    let recorded = resumed.as_ref().and_then(Resumed::plan);
    let (stages, plan) = chosen::plan(&roots, &targets, options.limits()?, recorded)?;
    let place = |number: usize| match (targets[number], shared.get(&number)) {
        (Some(array), _) => Some(Place::Array(array)),
        (None, Some(out)) => Some(Place::Memory { out, domain: roots[number].domain() }),
        (None, None) => None,
    };
    if let Some(boxes) = &plan.boxes {
        resumed.as_ref().map_or(Ok(()), |resumed| resumed.note_plan(&plan, None))?;
        let noting = resumed.as_ref().map(Resumed::boxes);
        run_boxes(&roots, (&stages, &plan, boxes), &place, noting, options)?;
        resumed.as_ref().map_or(Ok(()), Resumed::note_done)?;
        return arrays.iter().flatten().try_for_each(end);
    }
    let scratch = options.scratch.filter(|_| plan.scratch > 0);
    let scratch =
        scratch.map(|folder| Scratch::new(folder, resumed.as_ref().map(Resumed::key))).transpose()?;
    resumed
        .as_ref()
        .map_or(Ok(()), |resumed| resumed.note_plan(&plan, scratch.as_ref().map(Scratch::folder)))?;
    let execution = Execution {
        stages: &stages,
        plan: &plan,
        boxed: None,
        resumed: resumed.as_ref(),
        whole: resumed.as_ref(),
        scratch: scratch.as_ref(),
        progress: options.progress,
        versions: Versions::default(),
    };
    execution.run(&place)?;
    // What is in memory is gone when this process ends.
    let resumed = resumed.as_ref().filter(|_| shared.is_empty());
    resumed.map_or(Ok(()), Resumed::note_done)?;
    arrays.iter().flatten().try_for_each(end)?;
    scratch.map_or(Ok(()), |scratch| scratch.remove())
}

/// Makes all boxes of results, and what is carried from one to the next.
fn run_boxes<'p>(
    roots: &[Lazy],
    (stages, plan, boxes): (&[Stage], &Plan, &HeldBoxes),
    place: &dyn Fn(usize) -> Option<Place<'p>>,
    noting: Option<Noting<'_>>,
    options: &ComputeOptions<'_>,
) -> Result<()> {
    let passes = &plan.passes[plan.passes.len().saturating_sub(boxes.carried)..];
    let carried = stages.iter().zip(passes).map(|(stage, pass)| Carrying::new(stage, pass));
    let carried = &carried.collect::<Result<Vec<_>>>()?;
    let own: Vec<Lazy> = boxes.numbers.iter().map(|&number| roots[number].clone()).collect();
    let places: Vec<Place<'_>> = boxes.numbers.iter().filter_map(|&number| place(number)).collect();
    let (compute, slots) = (&of_box(boxes, options), &Slots::default());
    let boxed = Boxed { roots: &own, places: &places, boxes, carried, compute, noting, slots };
    boxed.run(0..boxed.len(), &|progress| options.progress.map_or((), |report| report(progress)))?;
    carried.iter().try_for_each(|carried| carried.end(place))
}

/// How a box of results is computed of what it holds in memory. Whoever has all boxes made ends the arrays.
pub(super) fn of_box<'a>(
    boxes: &HeldBoxes,
    options: &ComputeOptions<'a>,
) -> impl Fn(Vec<(&Lazy, Target<'_>)>) -> Result<()> + Sync + use<'a> {
    let held = boxes.bytes.saturating_add(boxes.beside);
    let memory = budget::of_job(options.memory).saturating_sub(held);
    let scratch = options.scratch.filter(|_| options.journal.is_none());
    let own = ComputeOptions { memory, scratch, ..ComputeOptions::default() };
    move |results: Vec<(&Lazy, Target<'_>)>| compute_and_end(results, &own, |_| Ok(()))
}

/// How [`compute`] works, where results go to these arrays or to memory. Reads nothing.
///
/// # Errors
/// `MemoryBudget` if the smallest blocks do not fit; `InvalidArgument` if a target has another type or shape.
pub fn plan(results: &[(&Lazy, Option<&Array>)], options: &ComputeOptions<'_>) -> Result<Plan> {
    let roots: Vec<Lazy> = results.iter().map(|result| result.0.clone()).collect();
    let target =
        |(lazy, array): &(&Lazy, Option<&Array>)| array.map(|array| lazy.placed_target(array)).transpose();
    let arrays = results.iter().map(target).collect::<Result<Vec<_>>>()?;
    let targets: Vec<Option<&Array>> = arrays.iter().map(Option::as_ref).collect();
    let resumed = options.journal.map(|journal| Resumed::new(journal, &roots, &targets)).transpose()?;
    let recorded = resumed.as_ref().and_then(Resumed::plan);
    Ok(chosen::plan(&roots, &targets, options.limits()?, recorded)?.1)
}

/// The targets of expressions, each at the coordinates of its own.
///
/// # Errors
/// `InvalidArgument` if one has another type or shape, or may be what an expression is of or where another result goes.
pub(super) fn expect_targets(roots: &[Lazy], targets: &[Option<&Array>]) -> Result<Vec<Option<Array>>> {
    let one =
        |(root, target): (&Lazy, &Option<&Array>)| target.map(|array| root.placed_target(array)).transpose();
    let arrays = roots.iter().zip(targets).map(one).collect::<Result<Vec<_>>>()?;
    expect_apart(roots, &arrays)?;
    Ok(arrays)
}

/// An error if an array may be what an expression is of, or where another result goes.
fn expect_apart(roots: &[Lazy], arrays: &[Option<Array>]) -> Result<()> {
    for target in arrays.iter().flatten() {
        let to = target.canonical_location();
        roots.iter().try_for_each(|root| root.expect_apart_from(&to, target.url()))?;
    }
    expect_distinct(arrays)
}

/// An error if two results go to one array.
fn expect_distinct(arrays: &[Option<Array>]) -> Result<()> {
    let all: Vec<(&str, String)> =
        arrays.iter().flatten().map(|array| (array.url(), array.canonical_location())).collect();
    let twice = all.iter().enumerate().find(|(at, one)| all[..*at].iter().any(|known| known.1 == one.1));
    twice.map_or(Ok(()), |(_, (url, _))| {
        Err(Error::invalid("two results would go there").during("saving to").at(*url))
    })
}

impl Lazy {
    /// How [`Lazy::compute`] works, or [`Lazy::save`] if there is a target. Reads nothing.
    ///
    /// # Errors
    /// `MemoryBudget` if the smallest blocks do not fit.
    pub fn plan(&self, target: Option<&Array>, options: &ComputeOptions<'_>) -> Result<Plan> {
        plan(&[(self, target)], options)
    }

    /// The order of elements in memory that is computed the fastest.
    pub fn order(&self) -> Order {
        let limits =
            Limits { memory: u64::MAX, threads: 1, workers: 1, has_scratch: false, is_resumable: false };
        let plan =
            stages(std::slice::from_ref(self)).and_then(|stages| planner::plan(stages, &[None], limits));
        plan.ok().and_then(|(_, plan)| Some(plan.passes.last()?.order)).unwrap_or(Order::C)
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
    pub fn compute_into(&self, out: ViewMut<'_>, options: &ComputeOptions<'_>) -> Result<()> {
        compute(vec![(self, Target::Memory(out))], options)
    }

    /// Computes all elements and writes them to `target`, an array of the same type and shape. If it is marked as
    /// incomplete and has no further elements, the mark is taken away in the end.
    ///
    /// # Errors
    /// `InvalidArgument` if types or shapes differ; as [`Lazy::compute`]; any error of writing.
    pub fn save(&self, target: &Array, options: &ComputeOptions<'_>) -> Result<()> {
        compute(vec![(self, Target::Array(target))], options)
    }

    fn expect_memory(&self, out: &ViewMut<'_>) -> Result<()> {
        let shape = lengths(self.domain())?;
        if out.shape() == &shape[..] && out.item() == self.dtype().size() {
            return Ok(());
        }
        let found = out.shape();
        Err(Error::invalid(format!("memory of shape {found:?} for a result of shape {shape:?}")))
    }

    /// A target at the coordinates of the elements.
    fn placed_target(&self, target: &Array) -> Result<Array> {
        let own = (self.dtype(), self.domain().shape());
        if own != (target.dtype(), target.shape()) {
            let (dtype, shape) = own;
            let reason = format!("{dtype} elements of shape {shape:?} do not go there");
            return Err(Error::invalid(reason).during("saving to").at(target.url()));
        }
        target.translate_to(self.domain().origin())
    }
}
