//! A block of an expression: the elements that it is of, and what is computed of them.

use std::ops::Range;

use crate::array::Array;
use crate::base::buffer::{Order, ViewMut, byte_len};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::infer::{axis_of, is_repeated};
use crate::compute::memory::Memory;
use crate::compute::program::{Elements, Machine, Program, TILE};
use crate::compute::reduction::Method;
use crate::compute::rows::{Rows, strides};

/// The elements of the inputs that a block needs.
pub(super) struct Block {
    shape: Dims<usize>,
    order: Order,
    inputs: Vec<Read>,
}

/// The elements of an input, dense.
struct Read {
    elements: Memory,
    shape: Dims<usize>,
    item: usize,
}

/// Lengths of axes in memory.
///
/// # Errors
/// `InvalidArgument` if they leave the address space.
pub(super) fn lengths(domain: &Domain) -> Result<Dims<usize>> {
    let one = |&length: &u64| {
        usize::try_from(length).map_err(|_| Error::invalid(format!("a box {domain} in memory")))
    };
    domain.shape().iter().map(one).collect()
}

impl Read {
    /// The elements from the one at `at` on, `step` apart.
    fn from(&self, at: usize, step: usize) -> Elements<'_> {
        Elements { bytes: &self.elements.bytes()[at * self.item..], step }
    }
}

impl Block {
    /// Reads what `program`, whose result lies over `whole`, needs for the elements of `part`.
    pub(super) fn read(program: &Program, whole: &Domain, part: &Domain, order: Order) -> Result<Self> {
        let read = |array: &Array| -> Result<Read> {
            let of = |axis: usize| {
                let at = axis_of(axis, array.ndim(), whole.ndim());
                match is_repeated(array.shape()[axis], whole.shape()[at]) {
                    true => array.domain().range(axis),
                    false => part.range(at),
                }
            };
            let part = Domain::from_ranges(&(0..array.ndim()).map(of).collect::<Dims<_>>())?;
            let (shape, item) = (lengths(&part)?, array.dtype().size());
            let length = byte_len(&shape, item)?;
            let mut elements = Memory::new(length)?;
            let bytes = elements.bytes_mut();
            array.read_into(&part, ViewMut::dense(bytes, &shape, item, order)?)?;
            if array.dtype() == DataType::Bool {
                ViewMut::dense(bytes, &shape, item, order)?.make_boolean();
            }
            Ok(Read { elements, shape, item })
        };
        let inputs = program.inputs.iter().map(read).collect::<Result<_>>()?;
        Ok(Self { shape: lengths(part)?, order, inputs })
    }

    /// Distances between neighbours in each input.
    fn strides(&self) -> Vec<Dims<usize>> {
        self.inputs.iter().map(|input| strides(&input.shape, &self.shape, self.order)).collect()
    }

    /// Computes the elements of the block, of `item` bytes each, dense in its order.
    pub(super) fn compute(&self, program: &Program, item: usize, out: &mut [u8]) -> Result<()> {
        let mut strides = self.strides();
        strides.push(self.order.strides(&self.shape, 1).iter().map(|stride| stride.unsigned_abs()).collect());
        let rows = Rows::new(&self.shape, &strides, self.order, true);
        let steps = rows.steps();
        let (mut machine, mut done) = (Machine::new(program), Ok(()));
        rows.each(&mut |starts, length| {
            for first in (0..length).step_by(TILE) {
                if done.is_err() {
                    return;
                }
                let count = TILE.min(length - first);
                let tile = self.tile(starts, &steps, first);
                let at = (starts[self.inputs.len()] + first) * item;
                done = machine.run(&tile, count).map(|made| out[at..at + count * item].copy_from_slice(made));
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

    /// Folds the elements at `along` of the first of the reduced `axes` into the cells of the others, which are dense.
    pub(super) fn fold(
        &self,
        program: &Program,
        method: Method,
        axes: &[usize],
        along: &Range<usize>,
        cells: &mut [u64],
    ) -> Result<()> {
        let Method { fold, cell, .. } = method;
        let mut strides = self.strides();
        let mut stride = 1;
        let mut of_cells: Dims<usize> = Dims::from_elem(0, self.shape.len());
        for axis in (0..self.shape.len()).rev().filter(|axis| !axes.contains(axis)) {
            of_cells[axis] = stride;
            stride *= self.shape[axis];
        }
        strides.push(of_cells);
        let is_row_folded = axes.last().is_some_and(|&axis| axis + 1 == self.shape.len());
        let mut shape = self.shape.clone();
        shape[axes[0]] = along.len();
        let skipped: Dims<usize> = strides.iter().map(|strides| strides[axes[0]] * along.start).collect();
        let rows = Rows::new(&shape, &strides, Order::C, !is_row_folded);
        let steps = rows.steps();
        let (mut machine, mut done) = (Machine::new(program), Ok(()));
        rows.each(&mut |starts, length| {
            let starts: Dims<usize> =
                starts.iter().zip(&skipped).map(|(start, skipped)| start + skipped).collect();
            for first in (0..length).step_by(TILE) {
                if done.is_err() {
                    return;
                }
                let count = TILE.min(length - first);
                let tile = self.tile(&starts, &steps, first);
                let made = machine.run(&tile, count);
                let step = steps[self.inputs.len()];
                let at = starts[self.inputs.len()] + first * step;
                done = made.map(|made| {
                    let made: &[u64] = bytemuck::cast_slice(made);
                    match (is_row_folded, step) {
                        (true, _) => fold.all(cell, &mut cells[at], made),
                        (false, 1) => fold.each(cell, &mut cells[at..at + count], made),
                        // One after the other, as elements of other cells are.
                        (false, step) => {
                            for (k, one) in made.iter().enumerate() {
                                let at = at + k * step;
                                fold.each(cell, &mut cells[at..at + 1], std::slice::from_ref(one));
                            }
                        }
                    }
                });
            }
        });
        done
    }
}
