//! Running reductions that are carried from box to box: what each box has is folded into the cells of those before.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Mutex;

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::compute::block::{Folded, Folds};
use crate::compute::blocks::Blocks;
use crate::compute::box_inputs::cut;
use crate::compute::expr::Lazy;
use crate::compute::inputs::Compiled;
use crate::compute::partials::Segments;
use crate::compute::plan::Pass;
use crate::compute::reducing::Reducing;
use crate::compute::sink::{Place, Sink};
use crate::compute::stage::Stage;
use crate::run::interrupt::check_interrupt;
use crate::run::runner::Runner;

/// A reduction, of which boxes hand in their elements in the order of their coordinates.
pub(super) struct Carrying<'a> {
    stage: &'a Stage,
    pass: &'a Pass,
    reducing: Reducing<'a>,
    sinks: Vec<Vec<Sink<'a>>>,
    /// What is folded of pieces of the results that are not done.
    pieces: Mutex<BTreeMap<u64, Piece>>,
}

/// A piece of the results: how many elements have been folded for it, and the cells of each segment.
#[derive(Default)]
struct Piece {
    folded: u64,
    segments: Segments,
}

/// What is folded one after the other: a piece, and a segment of the first reduced axis and those behind it.
struct Task {
    piece: u64,
    segment: u64,
    behind: u64,
}

impl<'a> Carrying<'a> {
    /// A pass whose results go to these places.
    ///
    /// # Errors
    /// `Unsupported` for what there is no loop for, or if nothing is reduced.
    pub(super) fn new<'p: 'a>(
        stage: &'a Stage,
        pass: &'a Pass,
        place: &dyn Fn(usize) -> Option<Place<'p>>,
    ) -> Result<Self> {
        let none = || Error::unsupported("a pass that reduces nothing");
        let folding = pass.folding.as_ref().ok_or_else(none)?;
        let compiled = Compiled::of(stage, &HashMap::new())?;
        let sinks = stage.outputs.iter().map(|output| {
            let sink = |root| Some(Sink { root: Some(root), place: place(root.number)? });
            output.roots.iter().filter_map(sink).collect()
        });
        let sinks = sinks.collect();
        let reducing = Reducing::new(compiled, stage, pass, folding, None);
        Ok(Self { stage, pass, reducing, sinks, pieces: Mutex::default() })
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

    /// Folds what a box has, `held` of what is in memory. Results of which this was the last go to their places.
    ///
    /// # Errors
    /// Those of computing and of writing.
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
        let known = self.pieces.locked().entry(task.piece).or_default().segments.remove(&number);
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
        let behind = boxes.behind.get(task.behind)?.checked_len()?;
        let folded =
            kept.checked_len()?.saturating_mul(behind).saturating_mul(range.end.abs_diff(range.start));
        self.put(task.piece, &kept, (number, cells), folded)
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
            let (lengths, by) = (&self.reducing.lengths[..], self.reducing.by(kept));
            let folded = Folded { axes, along, lengths, begins: &begins, by };
            block.fold(&compiled.program, &self.reducing.methods, &folded, cells)?;
        }
        Ok(())
    }

    /// Keeps what has been folded of a segment, or has the piece go to its places if that is all of it.
    fn put(&self, piece: u64, kept: &Domain, (number, cells): (u64, Folds), folded: u64) -> Result<()> {
        let all = self.reducing.lengths.iter().copied().fold(kept.checked_len()?, u64::saturating_mul);
        let done = {
            let mut pieces = self.pieces.locked();
            let own = pieces.entry(piece).or_default();
            own.segments.insert(number, cells);
            own.folded = own.folded.saturating_add(folded);
            if own.folded >= all { pieces.remove(&piece) } else { None }
        };
        done.map_or(Ok(()), |done| self.reducing.finish(kept, done.segments, false, &self.sinks))
    }
}
