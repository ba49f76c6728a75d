//! The rows of a block: where elements follow each other in all that is read and written.

use crate::base::buffer::Order;
use crate::base::dims::Dims;

/// An axis of a walk: how many steps, and how far each goes in every operand, in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Axis {
    length: usize,
    steps: Dims<usize>,
}

/// A walk over the elements of a block, the same in several operands.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// The fastest first.
    axes: Vec<Axis>,
    operands: usize,
}

impl Rows {
    /// A walk over `shape` in `order`, where `strides` has the distances between neighbours for each operand. Axes that
    /// can be walked as one are joined, the fastest only if it may be.
    pub(crate) fn new(shape: &[usize], strides: &[Dims<usize>], order: Order, joins_fastest: bool) -> Self {
        let of = |axis: usize| Axis {
            length: shape[axis],
            steps: strides.iter().map(|strides| strides[axis]).collect(),
        };
        let all: Vec<usize> = match order {
            Order::C => (0..shape.len()).rev().collect(),
            Order::Fortran => (0..shape.len()).collect(),
        };
        let mut axes: Vec<Axis> = Vec::new();
        for (rank, axis) in all.into_iter().map(of).enumerate() {
            let may_join = axes.len() > 1 || joins_fastest || rank == 0;
            match axes.last_mut() {
                Some(fast) if may_join && fast.is_followed_by(&axis) => fast.length *= axis.length,
                Some(fast) if fast.length == 1 && may_join => *fast = axis,
                Some(_) if axis.length == 1 => {}
                _ => axes.push(axis),
            }
        }
        Self { axes, operands: strides.len() }
    }

    /// How far elements of a row are apart in each operand.
    pub(crate) fn steps(&self) -> Dims<usize> {
        self.axes.first().map_or_else(|| Dims::from_elem(1, self.operands), |axis| axis.steps.clone())
    }

    /// Calls `each` with where rows begin in each operand, the first element of a tile of them, and how many it has: tile after
    /// tile of a row, or the same tile of all rows before the next one.
    pub(crate) fn tiles(&self, most: usize, goes_across: bool, each: &mut dyn FnMut(&[usize], usize, usize)) {
        if !goes_across {
            return self.each(&mut |starts, length| {
                (0..length).step_by(most).for_each(|first| each(starts, first, most.min(length - first)));
            });
        }
        let length = self.axes.first().map_or(1, |axis| axis.length);
        for first in (0..length).step_by(most) {
            self.each(&mut |starts, _| each(starts, first, most.min(length - first)));
        }
    }

    /// Calls `each` with where the rows begin in each operand, and their length.
    fn each(&self, each: &mut dyn FnMut(&[usize], usize)) {
        let mut starts: Dims<usize> = Dims::from_elem(0, self.operands);
        let Some((row, outer)) = self.axes.split_first() else { return each(&starts, 1) };
        if self.axes.iter().any(|axis| axis.length == 0) {
            return;
        }
        let mut index: Dims<usize> = Dims::from_elem(0, outer.len());
        loop {
            each(&starts, row.length);
            let mut axis = 0;
            loop {
                let Some(walked) = outer.get(axis) else { return };
                index[axis] += 1;
                for (start, step) in starts.iter_mut().zip(&walked.steps) {
                    *start += step;
                }
                if index[axis] < walked.length {
                    break;
                }
                for (start, step) in starts.iter_mut().zip(&walked.steps) {
                    *start -= step * walked.length;
                }
                index[axis] = 0;
                axis += 1;
            }
        }
    }
}

impl Axis {
    fn is_followed_by(&self, slower: &Self) -> bool {
        self.steps.iter().zip(&slower.steps).all(|(fast, slow)| *slow == fast * self.length)
    }
}

/// Distances between neighbours, in elements, of dense elements of `shape`, which are repeated along axes of length 1 where
/// `block` is longer, and along those that `block` has more.
pub(crate) fn strides(shape: &[usize], block: &[usize], order: Order) -> Dims<usize> {
    let dense: Dims<usize> = order.strides(shape, 1).iter().map(|stride| stride.unsigned_abs()).collect();
    repeated(&dense, shape, block)
}

/// Distances between neighbours in `block`, where those of elements of `shape` are these, which are repeated as [`strides`] says.
pub(crate) fn repeated(own: &[usize], shape: &[usize], block: &[usize]) -> Dims<usize> {
    let skipped = block.len() - shape.len();
    (0..block.len())
        .map(|axis| match axis.checked_sub(skipped) {
            Some(at) if shape[at] == block[axis] => own[at],
            _ => 0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(rows: &Rows) -> Vec<(Vec<usize>, usize)> {
        let mut found = Vec::new();
        rows.each(&mut |starts, length| found.push((starts.to_vec(), length)));
        found
    }

    #[test]
    fn axes_are_joined_where_all_operands_allow() {
        let shape = [2, 3, 4];
        let dense = strides(&shape, &shape, Order::C);
        let row = strides(&[4], &shape, Order::C);
        let column = strides(&[3, 1], &shape, Order::C);
        assert_eq!(walked(&Rows::new(&shape, std::slice::from_ref(&dense), Order::C, true)), [(vec![0], 24)]);
        let both = Rows::new(&shape, &[dense.clone(), row], Order::C, true);
        assert_eq!(both.steps()[..], [1, 1]);
        assert_eq!(walked(&both), (0..6).map(|k| (vec![4 * k, 0], 4)).collect::<Vec<_>>());
        let both = Rows::new(&shape, &[dense.clone(), column], Order::C, true);
        assert_eq!(both.steps()[..], [1, 0]);
        assert_eq!(walked(&both)[1], (vec![4, 1], 4));
        let apart = Rows::new(&shape, &[dense], Order::C, false);
        assert_eq!(walked(&apart), (0..6).map(|k| (vec![4 * k], 4)).collect::<Vec<_>>());
    }

    #[test]
    fn tiles_of_rows_are_walked_along_or_across_them() {
        let walked = |goes_across| {
            let rows = Rows::new(&[2, 5], &[strides(&[2, 5], &[2, 5], Order::C)], Order::C, false);
            let mut found = Vec::new();
            rows.tiles(2, goes_across, &mut |starts, first, count| found.push((starts[0] + first, count)));
            found
        };
        assert_eq!(walked(false), [(0, 2), (2, 2), (4, 1), (5, 2), (7, 2), (9, 1)]);
        assert_eq!(walked(true), [(0, 2), (5, 2), (2, 2), (7, 2), (4, 1), (9, 1)]);
    }

    #[test]
    fn nothing_and_one_element() {
        assert_eq!(walked(&Rows::new(&[], &[Dims::new()], Order::C, true)), [(vec![0], 1)]);
        let none = strides(&[2, 0], &[2, 0], Order::C);
        assert!(walked(&Rows::new(&[2, 0], &[none], Order::C, true)).is_empty());
        let fortran = strides(&[2, 3], &[2, 3], Order::Fortran);
        assert_eq!(walked(&Rows::new(&[2, 3], &[fortran], Order::Fortran, true)), [(vec![0], 6)]);
    }
}
