//! Passes that reduce elements: a task folds a run of segments for a box of the results, and the last one of a box puts it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use roaring::RoaringTreemap;

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::compute::block::{Folded, Held};
use crate::compute::blocks::Blocks;
use crate::compute::inputs::Compiled;
use crate::compute::kernels::{NOWHERE, convert};
use crate::compute::plan::{Folding, Pass};
use crate::compute::reduction::{Finish, Method};
use crate::compute::resume::{Record, Watched};
use crate::compute::sink::Sink;
use crate::compute::sparse::Sparse;
use crate::compute::stage::{Output, Stage};
use crate::run::runner::Runner;

/// A pass that reduces elements.
pub(super) struct Reducing<'a> {
    compiled: Compiled,
    methods: Vec<Method>,
    stage: &'a Stage,
    folding: &'a Folding,
    pass: &'a Pass,
    /// Boxes of the results.
    kept: Blocks,
    /// Boxes of segments of the reduced axes behind the first.
    behind: Blocks,
    /// How many elements there are along each reduced axis.
    lengths: Dims<u64>,
    /// Segments of the first reduced axis that a task takes.
    run: u64,
    sparse: Option<Sparse>,
    record: Option<&'a Record<'a>>,
}

/// A box of the results of which not all tasks are done: how many are, what they have, and what they have read.
#[derive(Default)]
struct Waiting {
    done: u64,
    partials: Partials,
    watched: Option<Arc<Watched>>,
}

/// What a task has of a box of the results: for each segment, in order, the cells of each.
type Partials = BTreeMap<u64, Vec<Held>>;

impl<'a> Reducing<'a> {
    pub(super) fn new(
        compiled: Compiled,
        stage: &'a Stage,
        pass: &'a Pass,
        folding: &'a Folding,
        record: Option<&'a Record<'a>>,
    ) -> Self {
        let domain = &stage.domain;
        let is_kept = |axis: &usize| !folding.axes.contains(axis);
        let kept = (0..domain.ndim()).filter(is_kept).map(|axis| pass.blocks.cuts[axis].clone()).collect();
        let kept = Blocks::new(kept, Order::C);
        let behind = Blocks::new(folding.segments[1..].into(), Order::C);
        let segments = folding.segments[0].len();
        // As few as keep all threads busy: a task reads on where it is.
        let wanted = (4 * pass.in_flight as u64).div_ceil(kept.len().max(1)).max(1);
        Self {
            methods: stage.outputs.iter().filter_map(Output::method).collect(),
            lengths: folding.axes.iter().map(|&axis| domain.shape()[axis]).collect(),
            run: segments.div_ceil(wanted).max(1),
            compiled,
            stage,
            folding,
            pass,
            kept,
            behind,
            sparse: None,
            record,
        }
    }

    /// The same, where only this of what is read is stored.
    pub(super) fn with_sparse(mut self, sparse: Option<Sparse>, sinks: &[Vec<Sink<'_>>]) -> Result<Self> {
        let is_resumed = self.record.is_some_and(|record| record.is_resumed);
        if let Some(sparse) = sparse
            && sparse.begin(sinks, &self.of_nothing(&sparse)?, is_resumed)?
        {
            self.sparse = Some(sparse);
        }
        Ok(self)
    }

    /// For each result, its element where nothing is stored of what it is of.
    fn of_nothing(&self, sparse: &Sparse) -> Result<Vec<Vec<u8>>> {
        let mut cells = self.nothing(1);
        self.add_elsewhere(sparse, &mut cells)?;
        let one = |((held, method), output): ((Held, &Method), &Output)| {
            let words = self.elements(held, *method, output)?;
            Ok(bytemuck::cast_slice(&words)[..output.dtype.size()].to_vec())
        };
        cells.into_iter().zip(&self.methods).zip(&self.stage.outputs).map(one).collect()
    }

    /// Folds an element of what is not stored into all cells.
    fn add_elsewhere(&self, sparse: &Sparse, cells: &mut [Held]) -> Result<()> {
        for ((held, method), element) in cells.iter_mut().zip(&self.methods).zip(&sparse.elsewhere) {
            let mut word = 0u64;
            bytemuck::bytes_of_mut(&mut word).copy_from_slice(element);
            let values = vec![word; held.values.len()];
            let one = Held { values, beside: Vec::new(), firsts: Vec::new(), means: Vec::new() };
            held.merge(*method, &one);
        }
        Ok(())
    }

    /// The tasks that have anything to fold, and how many of them, and of their blocks, a box of the results has.
    fn tasks(&self, sparse: &Sparse) -> (RoaringTreemap, BTreeMap<u64, (u64, u64)>) {
        let (mut tasks, mut of_kept): (_, BTreeMap<u64, (u64, u64)>) =
            (RoaringTreemap::new(), BTreeMap::new());
        let (first, segments) = (self.folding.axes[0], &self.folding.segments);
        let behind_len = self.behind.len().max(1);
        let of_box = self.tasks_of_box();
        for number in &sparse.blocks {
            let at = self.pass.blocks.places(number);
            let kept = (0..at.len()).filter(|axis| !self.folding.axes.contains(axis));
            let kept = kept.fold(0, |all, axis| all * self.pass.blocks.cuts[axis].len() + at[axis]);
            let runs = segments[0].touched(&self.pass.blocks.cuts[first].get(at[first]));
            of_kept.entry(kept).or_default().1 += 1;
            // Cuts of the other reduced axes have whole segments.
            let mut behind: Vec<u64> = vec![0];
            for (axis, segments) in self.folding.axes.iter().zip(segments).skip(1) {
                let touched = segments.touched(&self.pass.blocks.cuts[*axis].get(at[*axis]));
                let each = |all: &u64| {
                    touched.clone().map(move |one| all * segments.len() + one).collect::<Vec<_>>()
                };
                behind = behind.iter().flat_map(each).collect();
            }
            for run in runs.start / self.run..runs.end.saturating_sub(1) / self.run + 1 {
                tasks.extend(behind.iter().map(|behind| kept * of_box + run * behind_len + behind));
            }
        }
        for task in &tasks {
            of_kept.entry(task / of_box).or_default().0 += 1;
        }
        (tasks, of_kept)
    }

    /// How many tasks a box of the results has.
    fn tasks_of_box(&self) -> u64 {
        let runs = self.folding.segments[0].len().div_ceil(self.run).max(1);
        runs * self.behind.len().max(1)
    }

    /// How many blocks a box of the results has.
    fn blocks_of_box(&self) -> u64 {
        self.folding.axes.iter().map(|&axis| self.pass.blocks.cuts[axis].len()).fold(1, u64::saturating_mul)
    }

    pub(super) fn run(&self, runner: &Runner<'_>, sinks: &[Vec<Sink<'_>>]) -> Result<()> {
        let of_box = self.tasks_of_box();
        let some = self.sparse.as_ref().map(|sparse| self.tasks(sparse));
        let waiting: Mutex<BTreeMap<u64, Waiting>> = Mutex::default();
        let count = some.as_ref().map_or(self.kept.len() * of_box, |(tasks, _)| tasks.len()) as usize;
        let known = self.done(runner, sinks)?;
        runner.run(count, &|task| {
            let number = match &some {
                Some((tasks, _)) => tasks.select(task as u64).unwrap_or(0),
                None => task as u64,
            };
            let (kept, rest) = (number / of_box, number % of_box);
            if known.contains(kept) {
                return if rest == 0 { self.bytes_of_box(kept) } else { Ok(0) };
            }
            let (run, behind) = (rest / self.behind.len().max(1), rest % self.behind.len().max(1));
            let watched = self.record.map(|_| {
                let new = || Arc::new(Watched::new(&self.compiled));
                Arc::clone(waiting.locked().entry(kept).or_default().watched.get_or_insert_with(new))
            });
            let compiled = watched.as_ref().map_or(&self.compiled, |watched| &watched.compiled);
            let (partials, bytes) = self.fold(compiled, &self.kept.get(kept)?, run, behind)?;
            let (wanted, blocks) = match &some {
                Some((_, of_kept)) => of_kept.get(&kept).copied().unwrap_or_default(),
                None => (of_box, self.blocks_of_box()),
            };
            let done = {
                let mut waiting = waiting.locked();
                let of_box = waiting.entry(kept).or_default();
                of_box.done += 1;
                of_box.partials.extend(partials);
                if of_box.done == wanted { waiting.remove(&kept) } else { None }
            };
            if let Some(done) = done {
                let part = self.kept.get(kept)?;
                self.finish(&part, done.partials, blocks < self.blocks_of_box(), sinks)?;
                if let (Some(record), Some(watched)) = (self.record, &watched) {
                    record.note(kept, watched, sinks, &part)?;
                }
            }
            Ok(bytes)
        })
    }

    /// The boxes of the results that an earlier run has finished, and that are as it left them.
    fn done(&self, runner: &Runner<'_>, sinks: &[Vec<Sink<'_>>]) -> Result<RoaringTreemap> {
        let done: Mutex<RoaringTreemap> = Mutex::default();
        let Some(record) = self.record.filter(|record| record.is_resumed) else {
            return Ok(done.into_value());
        };
        let runner = Runner { progress: None, ..*runner };
        runner.run(self.kept.len() as usize, &|number| {
            let part = self.kept.get(number as u64)?;
            let (runs, behind) = (self.tasks_of_box() / self.behind.len().max(1), self.behind.len());
            let tasks = (0..runs).flat_map(|run| (0..behind).map(move |behind| (run, behind)));
            let mut read = tasks.flat_map(|(run, behind)| self.parts(&part, run, behind));
            if record.is_done(number as u64, &self.compiled, &mut read, (sinks, &part))? {
                done.locked().insert(number as u64);
            }
            Ok(0)
        })?;
        Ok(done.into_value())
    }

    /// Bytes of the elements that become those of a box of the results.
    fn bytes_of_box(&self, kept: u64) -> Result<u64> {
        let elements = self.kept.get(kept)?.checked_len()?;
        Ok(self
            .lengths
            .iter()
            .fold(elements.saturating_mul(self.pass.item), |all, &one| all.saturating_mul(one)))
    }

    /// The box of elements that become those of `kept`, of these ranges along the reduced axes.
    fn whole(&self, kept: &Domain, reduced: &[Range<i64>]) -> Result<Domain> {
        let mut own = kept.ranges();
        let range = |axis: usize| match self.folding.axes.iter().position(|&one| one == axis) {
            Some(k) => reduced[k].clone(),
            None => own.next().unwrap_or(0..0),
        };
        Domain::from_ranges(&(0..self.stage.domain.ndim()).map(range).collect::<Dims<_>>())
    }

    fn nothing(&self, cells: usize) -> Vec<Held> {
        self.methods.iter().map(|method| Held::new(*method, cells)).collect()
    }

    /// The boxes that a task reads, as they lie along the first reduced axis.
    fn parts(&self, kept: &Domain, run: u64, behind: u64) -> impl Iterator<Item = Result<Domain>> {
        let (first, segments) = (self.folding.axes[0], &self.folding.segments[0]);
        let numbers = run * self.run..((run + 1) * self.run).min(segments.len());
        let has_any = !numbers.is_empty() && self.behind.len() > 0;
        let whole =
            if has_any { segments.get(numbers.start).start..segments.get(numbers.end - 1).end } else { 0..0 };
        let cuts = &self.pass.blocks.cuts[first];
        cuts.touched(&whole).map(move |k| {
            let piece = cuts.get(k);
            let mut reduced: Dims<Range<i64>> = self.behind.get(behind)?.ranges().collect();
            reduced.insert(0, piece.start.max(whole.start)..piece.end.min(whole.end));
            self.whole(kept, &reduced)
        })
    }

    /// Folds a run of segments of the first reduced axis, block by block as they lie. Returns their cells by number, and
    /// how many bytes of elements they are of.
    fn fold(&self, compiled: &Compiled, kept: &Domain, run: u64, behind: u64) -> Result<(Partials, u64)> {
        let segments = &self.folding.segments[0];
        let (mut partials, mut bytes) = (Partials::new(), 0);
        let cells = kept.checked_len()? as usize;
        let (mut segment, mut current) = (run * self.run, self.nothing(cells));
        for part in self.parts(kept, run, behind) {
            let part = part?;
            let reduced: Dims<Range<i64>> = self.folding.axes.iter().map(|&axis| part.range(axis)).collect();
            let has_any = self.sparse.as_ref().is_none_or(|sparse| sparse.has(&part, &self.pass.blocks));
            bytes += part.checked_len()?.saturating_mul(self.pass.item);
            let block = has_any.then(|| compiled.read(&part, Order::C)).transpose()?;
            let begin = |(range, &axis): (&Range<i64>, &usize)| {
                range.start.abs_diff(self.stage.domain.origin()[axis])
            };
            let begins: Dims<u64> = reduced.iter().zip(&self.folding.axes).map(begin).collect();
            let mut at = reduced[0].start;
            while at < reduced[0].end {
                let end = segments.get(segment).end.min(reduced[0].end);
                let along = (at - reduced[0].start) as usize..(end - reduced[0].start) as usize;
                let (axes, lengths) = (&self.folding.axes[..], &self.lengths[..]);
                let folded = Folded { axes, along, lengths, begins: &begins };
                if let Some(block) = &block {
                    block.fold(&compiled.program, &self.methods, &folded, &mut current)?;
                }
                at = end;
                if at == segments.get(segment).end {
                    let done = std::mem::replace(&mut current, self.nothing(cells));
                    partials.insert(segment * self.behind.len().max(1) + behind, done);
                    segment += 1;
                }
            }
        }
        Ok((partials, bytes))
    }

    /// Folds the cells of all segments, in their order, and puts the elements that they are.
    fn finish(
        &self,
        kept: &Domain,
        partials: Partials,
        has_missing: bool,
        sinks: &[Vec<Sink<'_>>],
    ) -> Result<()> {
        let mut all = partials.into_values();
        let mut cells = match all.next() {
            Some(cells) => cells,
            None => self.nothing(kept.checked_len()? as usize),
        };
        for partial in all {
            for ((cells, partial), method) in cells.iter_mut().zip(&partial).zip(&self.methods) {
                cells.merge(*method, partial);
            }
        }
        if let Some(sparse) = self.sparse.as_ref().filter(|_| has_missing) {
            self.add_elsewhere(sparse, &mut cells)?;
        }
        for (number, (held, method)) in cells.into_iter().zip(&self.methods).enumerate() {
            let output = &self.stage.outputs[number];
            let elements = self.elements(held, *method, output)?;
            let bytes =
                &bytemuck::cast_slice(&elements)[..kept.checked_len()? as usize * output.dtype.size()];
            sinks[number].iter().try_for_each(|sink| sink.put(kept, bytes, output.dtype.size(), Order::C))?;
        }
        Ok(())
    }

    /// The elements that cells are, in words that may be more than they take.
    fn elements(&self, mut held: Held, method: Method, output: &Output) -> Result<Vec<u64>> {
        let mut from = method.cell.dtype();
        let divide = |value: &mut u64, count: f64| *value = (f64::from_bits(*value) / count).to_bits();
        match method.finish {
            Finish::Plain => {}
            Finish::Mean => {
                let count = self.lengths.iter().map(|&length| length as f64).product::<f64>();
                held.values.iter_mut().for_each(|value| divide(value, count));
            }
            Finish::MeanOfNumbers => {
                let both = held.values.iter_mut().zip(&held.beside);
                both.for_each(|(value, &count)| divide(value, count as f64));
            }
            Finish::Place => {
                if held.beside.contains(&NOWHERE) {
                    let name = output.reduction.map_or("", |reduction| reduction.name());
                    return Err(Error::new(ErrorKind::InvalidArgument, format!("{name} of NaNs alone")));
                }
                // Along one axis, a coordinate.
                let first = match self.folding.axes[..] {
                    [axis] => self.stage.domain.origin()[axis],
                    _ => 0,
                };
                let place = |&at: &u64| (at as i64).wrapping_add(first) as u64;
                (held.values, from) = (held.beside.iter().map(place).collect(), output.dtype);
            }
        }
        if from == output.dtype {
            return Ok(held.values);
        }
        let none = || Error::unsupported(format!("{from} as {}", output.dtype));
        let kernel = convert(from, output.dtype).ok_or_else(none)?;
        let mut elements = vec![0u64; (held.values.len() * output.dtype.size()).div_ceil(8)];
        let count = held.values.len() * output.dtype.size();
        kernel(&[bytemuck::cast_slice(&held.values)], &mut bytemuck::cast_slice_mut(&mut elements)[..count]);
        Ok(elements)
    }
}
