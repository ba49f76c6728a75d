//! Passes that reduce elements: which tasks there are, each of which folds a run of segments for a box of the results, and how it does.

use std::collections::BTreeMap;
use std::ops::Range;

use roaring::RoaringTreemap;

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::compute::block::{CellsOf, Folded, Folds};
use crate::compute::boxes::Boxes;
use crate::compute::grouped::ByGroup;
use crate::compute::inputs::Compiled;
use crate::compute::partials::Segments;
use crate::compute::plan::{Folding, Pass};
use crate::compute::reduction::{Finish, Method, Reduction};
use crate::compute::resume::Record;
use crate::compute::sink::Sink;
use crate::compute::slots::Allowance;
use crate::compute::sparse::Sparse;
use crate::compute::stage::{Output, Stage};
use crate::compute::tasks::{Numbers, Part, Work};
use crate::run::interrupt::check_interrupt;
use crate::run::runner::Advance;

/// How many tasks, and how many blocks, each box of the results has that have anything to fold.
pub(super) type OfBoxes = BTreeMap<u64, (u64, u64)>;

/// A pass that reduces elements.
pub(super) struct Reducing<'a> {
    pub(super) compiled: Compiled,
    pub(super) methods: Vec<Method>,
    pub(super) stage: &'a Stage,
    pub(super) folding: &'a Folding,
    pub(super) pass: &'a Pass,
    pub(super) boxes: Boxes,
    /// How many elements there are along each reduced axis.
    pub(super) lengths: Dims<u64>,
    pub(super) sparse: Option<Sparse>,
    pub(super) record: Option<&'a Record<'a>>,
    cells_of: CellsOf,
    /// Whether elements are counted as they are made.
    is_counted: bool,
}

impl<'a> Reducing<'a> {
    pub(super) fn new(
        compiled: Compiled,
        stage: &'a Stage,
        pass: &'a Pass,
        folding: &'a Folding,
        record: Option<&'a Record<'a>>,
    ) -> Self {
        Self {
            methods: stage.outputs.iter().filter_map(Output::method).collect(),
            lengths: folding.axes.iter().map(|&axis| stage.domain.shape()[axis]).collect(),
            boxes: Boxes::of(pass, folding),
            is_counted: stage.is_counted(),
            compiled,
            stage,
            folding,
            pass,
            sparse: None,
            record,
            cells_of: match &stage.by {
                None => CellsOf::One,
                // Lists of what is found take the rest.
                Some(by) if by.groups.is_sparse() => {
                    CellsOf::Labels(Allowance::new(pass.terms.labels / 5 * 3))
                }
                Some(by) => CellsOf::Groups(by.groups.len()),
            },
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

    /// The tasks that have anything to fold, and how many of them, and of their blocks, a box of the results has.
    fn tasks(&self, sparse: &Sparse) -> (RoaringTreemap, OfBoxes) {
        let (mut tasks, mut of_kept): (_, OfBoxes) = (RoaringTreemap::new(), BTreeMap::new());
        let (first, segments) = (self.folding.axes[0], &self.folding.segments);
        let behind_len = self.boxes.behind.len().max(1);
        let of_box = self.boxes.tasks;
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
            for run in runs.start / self.pass.run..runs.end.saturating_sub(1) / self.pass.run + 1 {
                tasks.extend(behind.iter().map(|behind| kept * of_box + run * behind_len + behind));
            }
        }
        for task in &tasks {
            of_kept.entry(task / of_box).or_default().0 += 1;
        }
        (tasks, of_kept)
    }

    /// The tasks of a part, or all, that have anything to fold; and where others have nothing, how many tasks and blocks a box
    /// of the results has.
    pub(super) fn selected(&self, part: Option<&Part>) -> (Numbers, Option<OfBoxes>) {
        let (some, of_kept) = self.sparse.as_ref().map(|sparse| self.tasks(sparse)).unzip();
        let (all, of_box) = (self.boxes.kept.len(), self.boxes.tasks);
        let within = |range: Range<u64>| range.start..range.end.min(all * of_box);
        let tasks = match part {
            None => 0..all * of_box,
            Some(Part { work: Work::Merge, tasks }) => {
                within(tasks.start.saturating_mul(of_box)..tasks.end.saturating_mul(of_box))
            }
            Some(Part { work: Work::Gather, tasks }) => within(self.gathered_tasks(tasks)),
            Some(Part { tasks, .. }) => within(tasks.clone()),
        };
        (Numbers::within(tasks, some), of_kept)
    }

    /// All tasks of this work that have anything to do.
    pub(super) fn numbers(&self, work: Work) -> Numbers {
        let tasks = self.selected(None).0;
        match (work, self.boxes.groups()) {
            (Work::Merge, _) => tasks.boxes(self.boxes.tasks),
            (Work::Gather, Some(groups)) => tasks.groups(groups),
            _ => tasks,
        }
    }

    /// The box of elements that become those of `kept`, of these ranges along the reduced axes.
    pub(super) fn whole(&self, kept: &Domain, reduced: &[Range<i64>]) -> Result<Domain> {
        let mut own = kept.ranges();
        let range = |axis: usize| match self.folding.axes.iter().position(|&one| one == axis) {
            Some(k) => reduced[k].clone(),
            None => own.next().unwrap_or(0..0),
        };
        Domain::from_ranges(&(0..self.stage.domain.ndim()).map(range).collect::<Dims<_>>())
    }

    /// So many cells of nothing, as many in each group.
    pub(super) fn nothing(&self, cells: usize) -> Folds {
        Folds::new(&self.methods, cells, &self.cells_of)
    }

    /// Whether only labels that are met have cells.
    pub(super) fn cells_are_sparse(&self) -> bool {
        matches!(self.cells_of, CellsOf::Labels(_))
    }

    /// The groups of a box of the axes that are not reduced.
    pub(super) fn by(&self, kept: &Domain) -> Option<ByGroup> {
        let by = self.stage.by.as_ref()?;
        let behind = kept.shape().iter().skip(self.folding.axes[0]);
        let stride = behind.fold(1, |all, &length| all * length as usize);
        let is_sparse = by.groups.is_sparse();
        // Cells of a label that was met are side by side.
        let stride = if is_sparse { kept.shape().iter().product::<u64>() as usize } else { stride };
        let (count, drops, labels) = (by.groups.len(), by.groups.drops, by.groups.labels);
        let is_sized = |(output, method): (&Output, &Method)| {
            let is_of_one = output.reduction.is_some_and(Reduction::is_of_one);
            is_of_one || output.fill.is_some() || matches!(method.finish, Finish::Mean | Finish::Place)
        };
        let is_sized = self.stage.outputs.iter().zip(&self.methods).any(is_sized);
        Some(ByGroup { count, stride, drops, is_sparse, labels, is_sized })
    }

    /// The boxes that a task of a box of the results reads, as they lie along the first reduced axis.
    pub(super) fn parts(&self, kept: &Domain, task: u64) -> impl Iterator<Item = Result<Domain>> {
        let (first, segments) = (self.folding.axes[0], &self.folding.segments[0]);
        let (run, behind) = self.boxes.places(task);
        let numbers = run * self.pass.run..((run + 1) * self.pass.run).min(segments.len());
        let has_any = !numbers.is_empty() && self.boxes.behind.len() > 0;
        let whole =
            if has_any { segments.get(numbers.start).start..segments.get(numbers.end - 1).end } else { 0..0 };
        let cuts = &self.pass.blocks.cuts[first];
        cuts.touched(&whole).map(move |k| {
            let piece = cuts.get(k);
            let mut reduced: Dims<Range<i64>> = self.boxes.behind.get(behind)?.ranges().collect();
            reduced.insert(0, piece.start.max(whole.start)..piece.end.min(whole.end));
            self.whole(kept, &reduced)
        })
    }

    /// The boxes that a task reads, those of what is in memory within its chunks, and whether any of their elements is stored.
    fn pieces<'s>(
        &'s self,
        compiled: &'s Compiled,
        kept: &'s Domain,
        task: u64,
    ) -> impl Iterator<Item = Result<(Domain, bool)>> + 's {
        let axis = self.folding.axes[0];
        // Rows are folded as wholes.
        let is_row = axis + 1 == self.stage.domain.ndim();
        let of = move |part: Domain| -> Result<Vec<(Domain, bool)>> {
            let has_any = self.sparse.as_ref().is_none_or(|sparse| sparse.has(&part, &self.pass.blocks));
            let pieces = if is_row || !has_any { vec![part] } else { compiled.pieces(&part, axis)? };
            Ok(pieces.into_iter().map(|piece| (piece, has_any)).collect())
        };
        self.parts(kept, task).flat_map(move |part| match part.and_then(of) {
            Ok(pieces) => pieces.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
    }

    /// Of a box, what lies in a range along the first reduced axis.
    fn along_first(&self, part: &Domain, range: Range<i64>) -> Result<Domain> {
        let mut ranges: Dims<Range<i64>> = part.ranges().collect();
        ranges[self.folding.axes[0]] = range;
        Domain::from_ranges(&ranges)
    }

    /// Folds a run of segments of the first reduced axis, block by block as they lie. Returns their cells by number. Tells of how many
    /// bytes of elements each block is, and returns those of the last.
    pub(super) fn fold(
        &self,
        compiled: &Compiled,
        kept: &Domain,
        task: u64,
        advance: &Advance<'_>,
    ) -> Result<(Segments, u64)> {
        let segments = &self.folding.segments[0];
        let (run, behind) = self.boxes.places(task);
        let (mut partials, mut bytes, by) = (Segments::new(), 0, self.by(kept));
        let cells = kept.checked_len()? as usize;
        let (mut segment, mut current) = (run * self.pass.run, self.nothing(cells));
        for piece in self.pieces(compiled, kept, task) {
            check_interrupt()?;
            let (part, has_any) = piece?;
            let reduced: Dims<Range<i64>> = self.folding.axes.iter().map(|&axis| part.range(axis)).collect();
            let is_read = has_any && !self.is_counted;
            let block = is_read.then(|| compiled.read(&part, Order::C)).transpose()?;
            let begin = |(range, &axis): (&Range<i64>, &usize)| {
                range.start.abs_diff(self.stage.domain.origin()[axis])
            };
            let begins: Dims<u64> = reduced.iter().zip(&self.folding.axes).map(begin).collect();
            let mut at = reduced[0].start;
            while at < reduced[0].end {
                let end = segments.get(segment).end.min(reduced[0].end);
                let along = (at - reduced[0].start) as usize..(end - reduced[0].start) as usize;
                let (axes, lengths) = (&self.folding.axes[..], &self.lengths[..]);
                let is_across = self.stage.is_across;
                let folded = Folded { axes, along, lengths, begins: &begins, by, is_across };
                if self.is_counted {
                    let own = self.along_first(&part, at..end)?;
                    let cells = current.held.first_mut().map(|held| &mut held.values[..]);
                    compiled.count(&own, axes, cells.unwrap_or_default())?;
                } else if let Some(block) = &block {
                    block.fold(&compiled.program, &self.methods, &folded, &mut current)?;
                }
                at = end;
                if at == segments.get(segment).end {
                    let done = std::mem::replace(&mut current, self.nothing(cells));
                    partials.insert(segment * self.boxes.behind.len().max(1) + behind, done);
                    segment += 1;
                }
            }
            // Of a task of one block, nothing is told before it is done.
            let before = std::mem::replace(&mut bytes, part.checked_len()?.saturating_mul(self.pass.item));
            if before > 0 {
                advance(before);
            }
        }
        Ok((partials, bytes))
    }
}
