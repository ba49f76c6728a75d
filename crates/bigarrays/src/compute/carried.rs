//! Reductions of all elements that boxes have: each box folds some, and what they have folded is carried from box to box. Pure.

use std::collections::HashMap;

use crate::array::Array;
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::compute::blocks::Blocks;
use crate::compute::box_inputs::cut;
use crate::compute::chunks::grid_of;
use crate::compute::cuts::Cuts;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::inputs::Compiled;
use crate::compute::plan::Folding;
use crate::compute::program::TILE;
use crate::compute::stage::{By, Output, Stage};

/// Tasks of a box for each thread.
const TASKS: u64 = 4;

/// Blocks that are read and folded one after the other are made of several chunks up to so many bytes.
const CACHED: u64 = 4 << 20;

/// A pass that folds elements box by box.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    pub(super) stage: Stage,
    pub(super) folding: Folding,
}

/// Reductions that may be carried, of all elements of one domain, and an expression over that; `None` if there are none.
///
/// # Errors
/// Those of making expressions.
pub(super) fn carried_of(passes: &[Stage]) -> Result<Option<(Lazy, Vec<Carried>)>> {
    let mut found = Vec::new();
    for stage in passes {
        let Some(axes) = stage.axes.as_deref() else { continue };
        let numbers = stage.outputs.iter().filter(|output| is_asked_for(output));
        let numbers: Vec<usize> = numbers.map(|output| output.number).collect();
        let is_known = stage.by.as_ref().is_none_or(|by| is_of_inputs(&by.numbers));
        let is_whole = !stage.is_across && !stage.domain.is_empty();
        let is_of_all = is_known && !stage.is_sparse() && !stage.is_counted() && is_whole;
        let Some(mut stage) = stage.only(&numbers).filter(|_| is_of_all) else { continue };
        // Who takes it finds it again within a box.
        stage.outputs.iter_mut().for_each(|output| output.is_taken = false);
        if let Some(By { numbers, .. }) = &mut stage.by {
            *numbers = numbers.broadcast_to(&stage.domain)?;
        }
        let groups = stage.by.as_ref().map(|by| by.groups.dense());
        let folding = Folding::new(&stage.domain, axes, groups);
        found.push(Carried { stage, folding });
    }
    let elements = |one: &Carried| one.stage.domain.shape().iter().copied().fold(1, u64::saturating_mul);
    let Some(domain) = found.iter().max_by_key(|one| elements(one)).map(|one| one.stage.domain.clone())
    else {
        return Ok(None);
    };
    found.retain(|one| one.stage.domain == domain);
    let first = found.first().and_then(|one| one.stage.outputs.first());
    Ok(first.map(|output| output.expr.clone()).map(|elements| (elements, found)))
}

/// Whether a result was asked for as it is, and is of nothing that earlier passes make.
fn is_asked_for(output: &Output) -> bool {
    !output.roots.is_empty() && is_of_inputs(&output.expr)
}

fn is_of_inputs(lazy: &Lazy) -> bool {
    lazy.nodes().iter().all(|node| !matches!(node.kind(), Kind::Pending(_)))
}

impl Carried {
    /// Whether it makes the expression of this number.
    pub(super) fn is_of(&self, root: usize) -> bool {
        self.stage.outputs.iter().flat_map(|output| &output.roots).any(|one| one.number == root)
    }

    /// Whether none of these axes is reduced.
    pub(super) fn keeps(&self, axes: &[usize]) -> bool {
        axes.iter().all(|axis| !self.folding.axes.contains(axis))
    }

    /// Leaves out what becomes only expressions of these numbers. Returns whether anything is left.
    pub(super) fn without(&mut self, roots: &[usize]) -> bool {
        for output in &mut self.stage.outputs {
            output.roots.retain(|root| !roots.contains(&root.number));
        }
        self.stage.outputs.retain(|output| !output.roots.is_empty());
        !self.stage.outputs.is_empty()
    }

    /// The axes that are not reduced.
    fn kept(&self) -> impl Iterator<Item = usize> {
        (0..self.stage.domain.ndim()).filter(|axis| !self.folding.axes.contains(axis))
    }

    /// How many places there are along the axes that are not reduced.
    fn places(&self) -> u64 {
        self.kept().map(|axis| self.stage.domain.shape()[axis]).fold(1, u64::saturating_mul)
    }

    /// Bytes of the cells of all segments, and of the elements that they become.
    pub(super) fn bytes(&self) -> u64 {
        let words = self.stage.outputs.iter().filter_map(Output::method).map(|method| method.fold.words());
        let of_cell =
            words.sum::<u64>().saturating_mul(8).saturating_mul(self.folding.count().saturating_add(2));
        self.places().saturating_mul(self.stage.cells()).saturating_mul(of_cell)
    }

    /// Bytes of results in memory.
    pub(super) fn in_memory(&self, targets: &[Option<&Array>]) -> u64 {
        let of = |output: &Output| {
            let copies = output.roots.iter().filter(|root| targets[root.number].is_none()).count() as u64;
            let item = output.dtype.size() as u64;
            output
                .domain
                .shape()
                .iter()
                .fold(item, |all, &one| all.saturating_mul(one))
                .saturating_mul(copies)
        };
        self.stage.outputs.iter().map(of).fold(0, u64::saturating_add)
    }

    /// Where boxes have to end along some axes: a box has whole segments of all reduced axes but the first, and whole tiles of rows.
    pub(super) fn grids(&self) -> Vec<(usize, (i64, u64))> {
        let (domain, mut found) = (&self.stage.domain, Vec::new());
        for (k, (&axis, segments)) in self.folding.axes.iter().zip(&self.folding.segments).enumerate() {
            let is_row = axis + 1 == domain.ndim();
            match k {
                0 if is_row => found.push((axis, (domain.origin()[axis], TILE as u64))),
                0 => {}
                _ => found.push((axis, segments.grid())),
            }
        }
        found
    }

    /// The chunks of what is read.
    pub(super) fn read_grid(&self) -> Result<Dims<(i64, u64)>> {
        let whole = || self.stage.domain.origin().iter().map(|&first| (first, 1)).collect();
        let grid = self.stage.outputs.first().map(|output| grid_of(&output.expr)).transpose()?.flatten();
        Ok(grid.unwrap_or_else(whole))
    }

    /// The elements of a box.
    ///
    /// # Errors
    /// Those of making expressions.
    pub(super) fn cut(&self, part: &Domain) -> Result<Vec<Lazy>> {
        self.stage.exprs().map(|expr| cut(expr, part)).collect()
    }

    /// Where boxes of these lengths are cut into blocks that are folded one after the other: along the axes that are not reduced into as many as keep
    /// all threads busy, and so that all threads hold no more than so many bytes; and what they hold. `None` if none are so small.
    ///
    /// # Errors
    /// Those of compiling.
    pub(super) fn blocks(
        &self,
        lengths: &[(i64, u64)],
        units: &[(i64, u64)],
        (threads, most): (u64, u64),
    ) -> Result<Option<(Blocks, u64)>> {
        let compiled = Compiled::of(&self.stage, &HashMap::new())?;
        let (domain, first) = (&self.stage.domain, self.folding.axes[0]);
        let within = |axis: usize, length: u64| length.min(lengths[axis].1).min(domain.shape()[axis]).max(1);
        let count = |axis: usize, length: u64| within(axis, u64::MAX).div_ceil(within(axis, length));
        let held = |cuts: &[(i64, u64)]| {
            let block: Dims<u64> = cuts.iter().enumerate().map(|(axis, cut)| within(axis, cut.1)).collect();
            compiled.held(&block, true, 0)
        };
        let mut cuts: Dims<(i64, u64)> = lengths.into();
        let mut tasks = 1u64;
        for (&axis, segments) in self.folding.axes.iter().zip(&self.folding.segments) {
            tasks = tasks.saturating_mul(count(axis, segments.longest()));
            cuts[axis] = segments.grid();
        }
        let is_row = first + 1 == domain.ndim();
        cuts[first] = if is_row { (domain.origin()[first], TILE as u64) } else { self.read_grid()?[first] };
        for axis in self.kept() {
            if tasks < threads.saturating_mul(TASKS) || held(&cuts).saturating_mul(threads) > most {
                cuts[axis] = units[axis];
                tasks = tasks.saturating_mul(count(axis, units[axis].1));
            }
        }
        while !is_row && cuts[first].1 > 1 && held(&cuts).saturating_mul(threads) > most {
            cuts[first].1 = cuts[first].1.div_ceil(2);
        }
        while cuts[first].1 < within(first, u64::MAX) {
            let longer = (cuts[first].0, cuts[first].1.saturating_mul(2));
            let before = std::mem::replace(&mut cuts[first], longer);
            if held(&cuts) > CACHED.min(most / threads.max(1)) {
                cuts[first] = before;
                break;
            }
        }
        let bytes = held(&cuts).saturating_mul(threads);
        let cuts = domain.ranges().zip(cuts).map(|(range, cut)| Cuts::over(range, cut)).collect();
        Ok((bytes <= most).then(|| (Blocks::new(cuts, Order::C), bytes)))
    }
}
