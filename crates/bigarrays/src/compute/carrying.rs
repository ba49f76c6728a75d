//! Running reductions that are carried from box to box: what each box has is folded into the cells of those before.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Mutex;

use crate::base::buffer::{Order, SharedViewMut, ViewMut, byte_len};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::compute::block::{Folded, Folds};
use crate::compute::blocks::Blocks;
use crate::compute::box_inputs::cut;
use crate::compute::expr::Lazy;
use crate::compute::inputs::Compiled;
use crate::compute::memory::{Memory, lengths};
use crate::compute::partials::Segments;
use crate::compute::plan::Pass;
use crate::compute::reducing::Reducing;
use crate::compute::sink::{Place, Sink};
use crate::compute::stage::{Output, Stage};
use crate::run::interrupt::check_interrupt;
use crate::run::runner::Runner;

/// A reduction, of which boxes hand in their elements in the order of their coordinates.
pub(super) struct Carrying<'a> {
    stage: &'a Stage,
    pass: &'a Pass,
    reducing: Reducing<'a>,
    /// What has been folded of each piece of the results: the cells of each segment.
    pieces: Mutex<BTreeMap<u64, Segments>>,
}

/// What is folded one after the other: a piece, and a segment of the first reduced axis and those behind it.
struct Task {
    piece: u64,
    segment: u64,
    behind: u64,
}

impl<'a> Carrying<'a> {
    /// A pass of which nothing has been folded.
    ///
    /// # Errors
    /// `Unsupported` for what there is no loop for, or if nothing is reduced.
    pub(super) fn new(stage: &'a Stage, pass: &'a Pass) -> Result<Self> {
        let none = || Error::unsupported("a pass that reduces nothing");
        let folding = pass.folding.as_ref().ok_or_else(none)?;
        let compiled = Compiled::of(stage, &HashMap::new())?;
        let reducing = Reducing::new(compiled, stage, pass, folding, None);
        Ok(Self { stage, pass, reducing, pieces: Mutex::default() })
    }

    /// What it is of within a box.
    ///
    /// # Errors
    /// Those of making expressions.
    pub(super) fn of_box(&self, part: &Domain) -> Result<Stage> {
        Ok(Stage { domain: part.clone(), ..self.stage.changed(&mut |expr| cut(expr, part))? })
    }

    /// Bytes of the elements of a box.
    pub(super) fn bytes(&self, part: &Domain) -> u64 {
        part.shape().iter().fold(self.pass.item, |all, &length| all.saturating_mul(length))
    }

    /// All expressions that it is of.
    pub(super) fn exprs(&self) -> impl Iterator<Item = &Lazy> {
        self.stage.exprs()
    }

    /// The domain of its elements.
    pub(super) fn whole(&self) -> &Domain {
        &self.stage.domain
    }

    /// Folds what a box has, `held` of what is in memory.
    ///
    /// # Errors
    /// Those of computing.
    pub(super) fn fold(&self, held: &Stage) -> Result<()> {
        let (compiled, tasks) = (Compiled::of(held, &HashMap::new())?, self.tasks(&held.domain));
        let in_flight = self.pass.in_flight;
        let runner = Runner { in_flight, total: 0, is_near: true, progress: None };
        runner.run(tasks.len(), &|at| self.fold_task(&compiled, &held.domain, &tasks[at]).map(|()| 0))
    }

    /// What a box has to be folded.
    fn tasks(&self, part: &Domain) -> Vec<Task> {
        let (axes, segments) = (&self.reducing.folding.axes, &self.reducing.folding.segments);
        let kept = (0..part.ndim()).filter(|axis| !axes.contains(axis));
        let touched =
            kept.map(|axis| self.pass.blocks.cuts[axis].touched(&part.range(axis))).collect::<Dims<_>>();
        let numbers = |all: &Blocks, touched: &[Range<u64>]| {
            let mut found = Vec::new();
            all.each_touched(touched, &mut |numbers| found.extend(numbers));
            found
        };
        let pieces = numbers(&self.reducing.boxes.kept, &touched);
        let touched = axes.iter().zip(segments).map(|(&axis, segments)| segments.touched(&part.range(axis)));
        let touched: Dims<Range<u64>> = touched.collect();
        let behind = numbers(&self.reducing.boxes.behind, &touched[1..]);
        let mut tasks = Vec::new();
        for piece in pieces {
            for segment in touched[0].clone() {
                tasks.extend(behind.iter().map(|&behind| Task { piece, segment, behind }));
            }
        }
        tasks
    }

    fn fold_task(&self, compiled: &Compiled, part: &Domain, task: &Task) -> Result<()> {
        let (boxes, folding) = (&self.reducing.boxes, self.reducing.folding);
        let kept = boxes.kept.get(task.piece)?;
        let number = task.segment * boxes.behind.len().max(1) + task.behind;
        let known = self.pieces.locked().entry(task.piece).or_default().remove(&number);
        let mut cells = match known {
            Some(cells) => cells,
            None => self.reducing.nothing(kept.checked_len()? as usize),
        };
        let first = folding.axes[0];
        let segment = folding.segments[0].get(task.segment);
        let range = segment.start.max(part.range(first).start)..segment.end.min(part.range(first).end);
        let steps = &self.pass.blocks.cuts[first];
        for step in steps.touched(&range) {
            check_interrupt()?;
            let step = steps.get(step);
            let mut reduced: Dims<Range<i64>> = boxes.behind.get(task.behind)?.ranges().collect();
            reduced.insert(0, step.start.max(range.start)..step.end.min(range.end));
            self.fold_block(compiled, &self.reducing.whole(&kept, &reduced)?, &kept, &mut cells)?;
        }
        self.pieces.locked().entry(task.piece).or_default().insert(number, cells);
        Ok(())
    }

    /// Folds a block of one segment.
    fn fold_block(&self, compiled: &Compiled, part: &Domain, kept: &Domain, cells: &mut Folds) -> Result<()> {
        let axes = &self.reducing.folding.axes[..];
        let is_row = axes[0] + 1 == part.ndim();
        // Rows are folded as wholes.
        let pieces = if is_row { vec![part.clone()] } else { compiled.pieces(part, axes[0])? };
        for piece in pieces {
            let block = compiled.read(&piece, Order::C)?;
            let begin = |&axis: &usize| piece.range(axis).start.abs_diff(self.stage.domain.origin()[axis]);
            let begins: Dims<u64> = axes.iter().map(begin).collect();
            let along = 0..piece.shape()[axes[0]] as usize;
            let (whole, by) = (&self.reducing.lengths[..], self.reducing.by(kept));
            let folded = Folded { axes, along, lengths: whole, begins: &begins, by, is_across: false };
            block.fold(&compiled.program, &self.reducing.methods, &folded, cells)?;
        }
        Ok(())
    }

    /// Puts the results to their places, as a whole: they may be in chunks that several boxes have elements of.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn end<'p>(&self, place: &dyn Fn(usize) -> Option<Place<'p>>) -> Result<()> {
        let mut made: Vec<Memory> = Vec::new();
        for output in &self.stage.outputs {
            made.push(Memory::new(byte_len(&lengths(&output.domain)?, output.dtype.size())?)?);
        }
        let mut views = Vec::new();
        for (output, made) in self.stage.outputs.iter().zip(&mut made) {
            let shape = lengths(&output.domain)?;
            views.push(ViewMut::dense(made.bytes_mut(), &shape, output.dtype.size(), Order::C)?);
        }
        let shared: Vec<SharedViewMut<'_>> = views.iter_mut().map(ViewMut::share).collect();
        let sink = |(output, out): (&'a Output, _)| {
            vec![Sink { root: None, place: Place::Memory { out, domain: &output.domain } }]
        };
        let sinks: Vec<Vec<Sink<'_>>> = self.stage.outputs.iter().zip(&shared).map(sink).collect();
        for (piece, segments) in std::mem::take(&mut *self.pieces.locked()) {
            let kept = self.reducing.boxes.kept.get(piece)?;
            self.reducing.finish(&kept, segments, false, &sinks)?;
        }
        drop(sinks);
        drop(shared);
        drop(views);
        for (output, made) in self.stage.outputs.iter().zip(&made) {
            for root in &output.roots {
                let sink = place(root.number).map(|place| Sink { root: Some(root), place });
                let put =
                    |sink: Sink<'_>| sink.put(&output.domain, made.bytes(), output.dtype.size(), Order::C);
                sink.map_or(Ok(()), put)?;
            }
        }
        Ok(())
    }
}
