//! A block of expressions: the elements that they are of, and what is computed of them.

use std::ops::Range;
use std::sync::Arc;

use crate::array::Lent;
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::error::Result;
use crate::compute::grouped::{ByGroup, Cells as Goes, Numbers};
use crate::compute::kernels::{Cells, Others, Places};
use crate::compute::memory::Memory;
use crate::compute::program::{Elements, Machine, Program, TILE};
use crate::compute::reduction::Method;
use crate::compute::rows::{Rows, repeated, strides};
use crate::compute::slots::{Allowance, Slots};

/// The elements of the inputs that a block needs.
pub(super) struct Block {
    shape: Dims<usize>,
    order: Order,
    inputs: Vec<Read>,
}

/// The elements of an input.
pub(super) struct Read {
    elements: Source,
    shape: Dims<usize>,
    item: usize,
}

/// Where the elements of an input are.
enum Source {
    /// Dense in the order of the block.
    Own(Memory),
    Lent(Lent),
}

/// How a block is folded.
pub(super) struct Folded<'a> {
    /// The axes that are reduced, ascending.
    pub(super) axes: &'a [usize],
    /// Which elements along the first of them.
    pub(super) along: Range<usize>,
    /// How many elements there are along each of them in all, and where the block begins.
    pub(super) lengths: &'a [u64],
    pub(super) begins: &'a [u64],
    /// What groups elements are in; the last result of the program has their numbers.
    pub(super) by: Option<ByGroup>,
    /// Whether elements of a row become one after the other, whatever the axes are.
    pub(super) is_across: bool,
}

/// What is folded: the cells of each result, and how many elements each group has.
#[derive(Clone, Debug)]
pub(super) struct Folds {
    pub(super) held: Vec<Held>,
    pub(super) sizes: Vec<u64>,
    /// Which labels cells are of, one after the other, if only those that were met have any.
    pub(super) slots: Option<Slots>,
}

/// Which cells there are of each place along the axes that are not reduced.
#[derive(Clone, Debug)]
pub(super) enum CellsOf {
    One,
    /// Of each of so many groups.
    Groups(u64),
    /// Of each label that is met, as long as all of them take no more than this.
    Labels(Arc<Allowance>),
}

/// The cells of a result, dense: what is folded, and what stands beside it.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) values: Vec<u64>,
    pub(super) beside: Vec<u64>,
    pub(super) firsts: Vec<u64>,
    pub(super) means: Vec<u64>,
}

impl Folds {
    /// So many cells of nothing of each method, where each of the groups that have any has as many.
    pub(super) fn new(methods: &[Method], cells: usize, of: &CellsOf) -> Self {
        let (count, groups, slots) = match of {
            CellsOf::One => (cells, 0, None),
            CellsOf::Groups(groups) => (cells.saturating_mul(*groups as usize), *groups as usize, None),
            CellsOf::Labels(allowance) => (0, 0, Some(Slots::new(cells, allowance))),
        };
        let held = methods.iter().map(|method| Held::new(*method, count)).collect();
        Self { held, sizes: vec![0; groups], slots }
    }

    /// Folds the cells of elements behind these into them.
    ///
    /// # Errors
    /// `MemoryBudget` if there are more labels than there is room for.
    pub(super) fn merge(&mut self, methods: &[Method], other: &Self) -> Result<()> {
        let Some((slots, others)) = self.slots.as_mut().zip(other.slots.as_ref()) else {
            for ((held, other), method) in self.held.iter_mut().zip(&other.held).zip(methods) {
                held.merge(*method, other);
            }
            self.sizes.iter_mut().zip(&other.sizes).for_each(|(size, other)| *size += other);
            return Ok(());
        };
        let places: Vec<usize> = others.labels().iter().map(|&label| slots.slot(label)).collect();
        let cells = slots.cells;
        self.sizes.resize(slots.len(), 0);
        self.grow(methods)?;
        for (from, &to) in places.iter().enumerate() {
            self.sizes[to] += other.sizes[from];
            for ((held, other), method) in self.held.iter_mut().zip(&other.held).zip(methods) {
                held.merge_part(*method, to * cells, other, from * cells..(from + 1) * cells);
            }
        }
        Ok(())
    }

    /// Has each label that was met have cells.
    ///
    /// # Errors
    /// `MemoryBudget` if there is no room for them.
    pub(super) fn grow(&mut self, methods: &[Method]) -> Result<()> {
        let Some(slots) = &mut self.slots else { return Ok(()) };
        let count = slots.len() * slots.cells;
        if self.held.first().is_none_or(|held| held.values.len() == count) {
            return Ok(());
        }
        let mut words = self.sizes.capacity();
        for (held, method) in self.held.iter_mut().zip(methods) {
            held.grow(*method, count);
            words += held.capacity();
        }
        slots.count(words)
    }
}

impl Held {
    /// So many cells of nothing.
    pub(super) fn new(method: Method, count: usize) -> Self {
        let (value, beside) = method.fold.identity(method.cell);
        Self {
            values: vec![value; count],
            beside: vec![beside; if method.fold.has_beside() { count } else { 0 }],
            firsts: vec![0; if method.fold.has_moments() { count } else { 0 }],
            means: vec![0; if method.fold.has_moments() { count } else { 0 }],
        }
    }

    /// Folds the cells of elements behind these into them.
    pub(super) fn merge(&mut self, method: Method, other: &Self) {
        let Self { values, beside, firsts, means } = other;
        let others = Others { values, beside, firsts, means };
        method.fold.merge(method.cell, self.cells(0..self.values.len()), &others);
    }

    /// Folds some of the cells of elements behind these into as many from the one at `to` on.
    fn merge_part(&mut self, method: Method, to: usize, other: &Self, range: Range<usize>) {
        let of =
            |words: &'_ Vec<u64>| -> Range<usize> { if words.is_empty() { 0..0 } else { range.clone() } };
        let others = Others {
            values: &other.values[of(&other.values)],
            beside: &other.beside[of(&other.beside)],
            firsts: &other.firsts[of(&other.firsts)],
            means: &other.means[of(&other.means)],
        };
        method.fold.merge(method.cell, self.cells(to..to + range.len()), &others);
    }

    /// Adds cells of nothing up to so many.
    fn grow(&mut self, method: Method, count: usize) {
        let (value, beside) = method.fold.identity(method.cell);
        self.values.resize(count, value);
        if method.fold.has_beside() {
            self.beside.resize(count, beside);
        }
        if method.fold.has_moments() {
            self.firsts.resize(count, 0);
            self.means.resize(count, 0);
        }
    }

    /// How many words there is room for.
    fn capacity(&self) -> usize {
        [&self.values, &self.beside, &self.firsts, &self.means].iter().map(|words| words.capacity()).sum()
    }

    fn scatter(&mut self, method: Method, row: &[u64], each: &[usize], places: Places) {
        let cells = self.cells(0..self.values.len());
        method.fold.scattered(method.cell, cells, row, each, places);
    }

    fn cells(&mut self, range: Range<usize>) -> Cells<'_> {
        let Self { values, beside, firsts, means } = self;
        Cells {
            values: part(values, &range),
            beside: part(beside, &range),
            firsts: part(firsts, &range),
            means: part(means, &range),
        }
    }
}

/// The words of some cells, if cells have any.
fn part<'a>(words: &'a mut [u64], range: &Range<usize>) -> &'a mut [u64] {
    if words.is_empty() { &mut [] } else { &mut words[range.clone()] }
}

impl Read {
    /// Elements that are dense in the order of the block.
    pub(super) fn dense(elements: Memory, shape: Dims<usize>, item: usize) -> Self {
        Self { elements: Source::Own(elements), shape, item }
    }

    /// Elements that are used where they are.
    pub(super) fn lent(elements: Lent, shape: Dims<usize>, item: usize) -> Self {
        Self { elements: Source::Lent(elements), shape, item }
    }

    /// The elements from the one at `at` on, `step` apart.
    fn from(&self, at: usize, step: usize) -> Elements<'_> {
        let bytes = match &self.elements {
            Source::Own(memory) => memory.bytes(),
            Source::Lent(lent) => lent.bytes(),
        };
        Elements { bytes: &bytes[at * self.item..], step }
    }

    /// Distances between neighbours in a block.
    fn strides(&self, block: &[usize], order: Order) -> Dims<usize> {
        match &self.elements {
            Source::Own(_) => strides(&self.shape, block, order),
            Source::Lent(lent) => repeated(lent.strides(), &self.shape, block),
        }
    }
}

impl Block {
    pub(super) fn new(shape: Dims<usize>, order: Order, inputs: Vec<Read>) -> Self {
        Self { shape, order, inputs }
    }

    /// Distances between neighbours in each input.
    fn strides(&self) -> Vec<Dims<usize>> {
        self.inputs.iter().map(|input| input.strides(&self.shape, self.order)).collect()
    }

    /// The elements of the block for each result, dense in its order, if they are all as they were read.
    pub(super) fn passed(&self, program: &Program) -> Option<Vec<&[u8]>> {
        let one = |at: Option<usize>| match self.inputs.get(at?)? {
            Read { elements: Source::Own(elements), shape, .. } if *shape == self.shape => {
                Some(elements.bytes())
            }
            _ => None,
        };
        program.passed().map(one).collect()
    }

    /// Computes the elements of the block for each result, of so many bytes each, dense in its order.
    pub(super) fn compute(&self, program: &Program, outs: &mut [(usize, &mut [u8])]) -> Result<()> {
        let mut strides = self.strides();
        strides.push(self.order.strides(&self.shape, 1).iter().map(|stride| stride.unsigned_abs()).collect());
        let rows = Rows::new(&self.shape, &strides, self.order, true);
        let steps = rows.steps();
        let (mut machine, mut done) = (Machine::new(program), Ok(()));
        rows.tiles(TILE, false, &mut |starts, first, count| {
            if done.is_err() {
                return;
            }
            let tile = self.tile(starts, &steps, first);
            let at = starts[self.inputs.len()] + first;
            done = machine.run(&tile, count);
            if done.is_ok() {
                for (number, (item, out)) in outs.iter_mut().enumerate() {
                    let made = machine.result(number, &tile, count);
                    out[at * *item..(at + count) * *item].copy_from_slice(made);
                }
            }
        });
        done
    }

    /// Where the elements of a row, from the one at `first` on, are in each input.
    fn tile(&self, starts: &[usize], steps: &[usize], first: usize) -> Dims<Elements<'_>> {
        let place = |at: usize| starts[at] + first * steps[at];
        let inputs = self.inputs.iter().enumerate();
        inputs.map(|(at, input)| input.from(place(at), steps[at])).collect()
    }

    /// Folds elements into the cells of each result, which are dense along the axes that are not reduced.
    pub(super) fn fold(
        &self,
        program: &Program,
        methods: &[Method],
        folded: &Folded<'_>,
        cells: &mut Folds,
    ) -> Result<()> {
        let Folded { axes, along, by, .. } = folded;
        let groups = by.filter(|by| !by.is_sparse).map_or(1, |by| by.count as usize);
        let needs_places = methods.iter().any(|method| method.fold.places());
        let mut strides = self.strides();
        strides.push(self.strides_of_cells(axes, groups));
        let (places, first_place) = folded.places(self.shape.len());
        if needs_places {
            strides.push(places);
        }
        let is_row_folded =
            !folded.is_across && axes.last().is_some_and(|&axis| axis + 1 == self.shape.len());
        let mut shape = self.shape.clone();
        shape[axes[0]] = along.len();
        let skipped: Dims<usize> = strides.iter().map(|strides| strides[axes[0]] * along.start).collect();
        let rows = Rows::new(&shape, &strides, Order::C, !is_row_folded);
        let steps = rows.steps();
        let (mut machine, mut done) = (Machine::new(program), Ok(()));
        let mut found = Vec::new();
        let cells_at = self.inputs.len();
        // Across rows, cells stay in the cache, and each has its elements in the same order.
        let goes_across = steps[cells_at] != 0;
        rows.tiles(TILE, goes_across, &mut |starts, first, count| {
            if done.is_err() {
                return;
            }
            let starts: Dims<usize> =
                starts.iter().zip(&skipped).map(|(start, skipped)| start + skipped).collect();
            let tile = self.tile(&starts, &steps, first);
            done = machine.run(&tile, count);
            if done.is_err() {
                return;
            }
            let step = steps[cells_at];
            let at = starts[cells_at] + first * step;
            let of_places = steps.get(cells_at + 1).copied().unwrap_or(0) as u64;
            let start = starts.get(cells_at + 1).copied().unwrap_or(0) as u64;
            let places = Places { first: first_place + start + first as u64 * of_places, step: of_places };
            let goes = match by {
                Some(by) => {
                    let numbers = numbers(&machine, methods.len(), &tile, count);
                    let row = (at, step, count);
                    let goes = match &mut cells.slots {
                        Some(slots) => by.cells_of_slots(numbers, row, (slots, &mut cells.sizes), &mut found),
                        None => by.cells(numbers, row, &mut cells.sizes, &mut found),
                    };
                    goes.and_then(|goes| cells.grow(methods).map(|()| goes))
                }
                None => Ok(Goes::Behind(0)),
            };
            let goes = match goes {
                Ok(goes) => goes,
                Err(error) => return done = Err(error),
            };
            for (number, (method, held)) in methods.iter().zip(&mut cells.held).enumerate() {
                let made = bytemuck::cast_slice(machine.result(number, &tile, count));
                let step = if is_row_folded { None } else { Some(step) };
                match goes {
                    Goes::Nowhere => {}
                    Goes::Behind(by) => fold_row(*method, held, at + by, step, made, places),
                    Goes::Each(each) => held.scatter(*method, made, each, places),
                }
            }
        });
        done
    }

    /// Distances between neighbours in the cells, which are those of so many groups at the first reduced axis.
    fn strides_of_cells(&self, axes: &[usize], groups: usize) -> Dims<usize> {
        let mut stride = 1;
        let mut strides: Dims<usize> = Dims::from_elem(0, self.shape.len());
        for axis in (0..self.shape.len()).rev() {
            if axes.first() == Some(&axis) {
                stride *= groups;
            }
            if !axes.contains(&axis) {
                strides[axis] = stride;
                stride *= self.shape[axis];
            }
        }
        strides
    }
}

impl Folded<'_> {
    /// Distances between the places of neighbours, and the place of the block's first element.
    fn places(&self, ndim: usize) -> (Dims<usize>, u64) {
        let (mut stride, mut first) = (1u64, 0u64);
        let mut strides: Dims<usize> = Dims::from_elem(0, ndim);
        for (k, &axis) in self.axes.iter().enumerate().rev() {
            strides[axis] = stride as usize;
            first = first.wrapping_add(self.begins[k].wrapping_mul(stride));
            stride = stride.wrapping_mul(self.lengths[k]);
        }
        (strides, first)
    }
}

/// The numbers of groups that the result behind the others has.
fn numbers<'a>(machine: &'a Machine<'_>, at: usize, tile: &'a [Elements<'_>], count: usize) -> Numbers<'a> {
    match machine.uniform(at, tile) {
        Some(one) => Numbers::One(bytemuck::pod_read_unaligned(one)),
        None => Numbers::Each(bytemuck::cast_slice(machine.result(at, tile, count))),
    }
}

/// Folds a row into the cell at `at` if there is no step between cells, and else each element into its own.
fn fold_row(method: Method, held: &mut Held, at: usize, step: Option<usize>, row: &[u64], places: Places) {
    let Method { fold, cell, .. } = method;
    match step {
        None => fold.all(cell, held.cells(at..at + 1), row, places),
        Some(1) => fold.each(cell, held.cells(at..at + row.len()), row, places),
        // One after the other, as elements of other cells are.
        Some(step) => {
            for (k, one) in row.iter().enumerate() {
                let at = at + k * step;
                let places = Places { first: places.first + k as u64 * places.step, step: places.step };
                fold.each(cell, held.cells(at..at + 1), std::slice::from_ref(one), places);
            }
        }
    }
}
