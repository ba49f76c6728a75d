//! Running plans.

use std::collections::HashMap;
use std::path::Path;

use crate::array::{Array, Cutout};
use crate::base::buffer::{Order, SharedViewMut, ViewMut, byte_len};
use crate::base::dtype::Element;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::block::lengths;
use crate::compute::expr::Lazy;
use crate::compute::inputs::Compiled;
use crate::compute::memory::Memory;
use crate::compute::plan::{Pass, Plan};
use crate::compute::planner::{self, Limits};
use crate::compute::reducing::Reducing;
use crate::compute::sink::{Place, Sink};
use crate::compute::sparse::Sparse;
use crate::compute::stage::{Stage, stages};
use crate::compute::taken::{Scratch, Taken};
use crate::run::budget;
use crate::run::pool::threads;
use crate::run::runner::{Progress, Runner};

/// What a computation may use and whom it tells.
#[derive(Clone, Copy, Default)]
pub struct ComputeOptions<'a> {
    /// Memory budget in bytes; if zero, a quarter of the memory that this process may use, of which the limits of control
    /// groups and of Slurm count.
    pub memory: u64,
    /// A folder for results that later passes read and that do not fit into the budget: each a file there while the work goes
    /// on. Without, they are refused.
    pub scratch: Option<&'a Path>,
    /// Is told after every block, from any thread.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

impl ComputeOptions<'_> {
    fn limits(&self) -> Result<Limits> {
        if let Some(folder) = self.scratch.filter(|folder| !folder.is_dir()) {
            let error = Error::new(ErrorKind::NotFound, "no folder for scratch files is there");
            return Err(error.during("computing with").at(folder.display().to_string()));
        }
        let has_scratch = self.scratch.is_some();
        Ok(Limits { memory: budget::of_job(self.memory), threads: threads() as u64, has_scratch })
    }
}

/// Where the elements of an expression go.
#[derive(Debug)]
pub enum Target<'a> {
    /// Memory of the shape of its domain, at any strides.
    Memory(ViewMut<'a>),
    /// An array of its type and shape, which is no longer incomplete once all is written.
    Array(&'a Array),
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
    for target in arrays.iter().flatten() {
        let to = target.canonical_location();
        roots.iter().try_for_each(|root| root.expect_apart_from(&to, target.url()))?;
    }
    expect_distinct(&arrays)?;
    let shared: HashMap<usize, SharedViewMut<'_>> =
        memory.iter_mut().map(|(number, out)| (*number, out.share())).collect();
    let targets: Vec<Option<&Array>> = arrays.iter().map(Option::as_ref).collect();
    let (stages, plan) = planner::plan(stages(&roots)?, &targets, options.limits()?)?;
    let place = |number: usize| match (targets[number], shared.get(&number)) {
        (Some(array), _) => Some(Place::Array(array)),
        (None, Some(out)) => Some(Place::Memory { out, domain: roots[number].domain() }),
        (None, None) => None,
    };
    let scratch = options.scratch.filter(|_| plan.scratch > 0).map(Scratch::new).transpose()?;
    let mut known: HashMap<usize, Lazy> = HashMap::new();
    let mut before = 0u64;
    for (stage, pass) in stages.iter().zip(&plan.passes) {
        let of_all = |progress: Progress| {
            if let Some(report) = options.progress {
                report(Progress { done: before.saturating_add(progress.done), total: plan.bytes() });
            }
        };
        let options = ComputeOptions { progress: Some(&of_all), ..*options };
        run_stage(stage, pass, (&mut known, scratch.as_ref()), &place, &options)?;
        before = before.saturating_add(pass.bytes);
    }
    arrays.iter().flatten().try_for_each(Array::complete_if_whole)
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
    Ok(planner::plan(stages(&roots)?, &targets, options.limits()?)?.1)
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
        let limits = Limits { memory: u64::MAX, threads: 1, has_scratch: false };
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

/// Runs a pass. Its results go to their places, and to `known` if later ones take them.
fn run_stage<'p>(
    stage: &Stage,
    pass: &Pass,
    (known, scratch): (&mut HashMap<usize, Lazy>, Option<&Scratch>),
    place: &dyn Fn(usize) -> Option<Place<'p>>,
    options: &ComputeOptions<'_>,
) -> Result<()> {
    let compiled = Compiled::of(stage, known)?;
    let mut taken =
        stage.outputs.iter().map(|output| Taken::new(output, scratch)).collect::<Result<Vec<_>>>()?;
    let files: Vec<Option<Array>> = taken.iter().map(Taken::file).collect();
    let mut views: Vec<Option<ViewMut<'_>>> = Vec::new();
    for (output, taken) in stage.outputs.iter().zip(&mut taken) {
        views.push(taken.view(output)?);
    }
    let shared: Vec<Option<SharedViewMut<'_>>> =
        views.iter_mut().map(|view| view.as_mut().map(ViewMut::share)).collect();
    let mut sinks: Vec<Vec<Sink<'_>>> = Vec::new();
    for (output, (out, file)) in stage.outputs.iter().zip(shared.iter().zip(&files)) {
        let held = out.as_ref().map(|out| Place::Memory { out, domain: &output.domain });
        let held = held.or(file.as_ref().map(Place::Array)).map(|place| Sink { root: None, place });
        let asked = output
            .roots
            .iter()
            .filter_map(|root| Some(Sink { root: Some(root), place: place(root.number)? }));
        sinks.push(held.into_iter().chain(asked).collect());
    }
    let runner = Runner {
        in_flight: pass.in_flight,
        total: pass.bytes,
        is_near: pass.is_near,
        progress: options.progress,
    };
    let sparse = Sparse::of(&compiled, stage, &pass.blocks)?;
    match &pass.folding {
        Some(folding) => {
            Reducing::new(compiled, stage, pass, folding, sparse, &sinks)?.run(&runner, &sinks)?;
        }
        None => each_element(&compiled, stage, pass, sparse, &runner, &sinks)?,
    }
    drop(sinks);
    for (output, taken) in stage.outputs.iter().zip(taken) {
        if let Some(result) = taken.result(output)? {
            known.insert(output.number, result);
        }
    }
    Ok(())
}

/// Computes the elements of each block.
fn each_element(
    compiled: &Compiled,
    stage: &Stage,
    pass: &Pass,
    sparse: Option<Sparse>,
    runner: &Runner<'_>,
    sinks: &[Vec<Sink<'_>>],
) -> Result<()> {
    let begins = |sparse: &Sparse| sparse.begin(sinks, &sparse.elsewhere);
    let some = sparse.map(|sparse| Ok(begins(&sparse)?.then_some(sparse))).transpose()?.flatten();
    let tasks = some.as_ref().map_or(pass.blocks.len(), |sparse| sparse.blocks.len()) as usize;
    runner.run(tasks, &|task| {
        let number = match &some {
            Some(sparse) => sparse.blocks.select(task as u64).unwrap_or(0),
            None => task as u64,
        };
        let part = pass.blocks.get(number)?;
        let block = compiled.read(&part, pass.order)?;
        let shape = lengths(&part)?;
        let mut places: Vec<Option<ViewMut<'_>>> = Vec::new();
        let mut made: Vec<Memory> = Vec::new();
        for (output, sinks) in stage.outputs.iter().zip(sinks) {
            let place = if let [only] = &sinks[..] { only.direct(&part, pass.order)? } else { None };
            made.push(Memory::new(if place.is_some() { 0 } else { byte_len(&shape, output.dtype.size())? })?);
            places.push(place);
        }
        let mut outs: Vec<(usize, &mut [u8])> = Vec::new();
        for ((output, place), made) in stage.outputs.iter().zip(&mut places).zip(&mut made) {
            let direct = place.as_mut().and_then(|place| place.as_dense_mut(pass.order));
            outs.push((output.dtype.size(), direct.unwrap_or_else(|| made.bytes_mut())));
        }
        block.compute(&compiled.program, &mut outs)?;
        for ((output, sinks), (place, made)) in stage.outputs.iter().zip(sinks).zip(places.iter().zip(&made))
        {
            if place.is_none() {
                let put = |sink: &Sink<'_>| sink.put(&part, made.bytes(), output.dtype.size(), pass.order);
                sinks.iter().try_for_each(put)?;
            }
        }
        Ok(part.checked_len()?.saturating_mul(pass.item))
    })
}
