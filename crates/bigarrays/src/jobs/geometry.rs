//! How a block lies in memory and among others, and which elements are neighbours.

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::error::{Error, Result};

/// Which elements are neighbours: those whose coordinates differ by one along 1 to `order` of the axes that join, and along no other.
#[derive(Clone, Debug)]
pub(super) struct Neighbours {
    pub(super) order: usize,
    /// Whether elements are joined along each axis, in the order of memory, the fastest last.
    pub(super) joins: Dims<bool>,
}

impl Neighbours {
    /// Those of a number of neighbours: 2, 4 or 8, or 6, 18 or 26 in so many axes of space as join; those that share faces without one.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such number.
    pub(super) fn of(count: Option<u64>, joins: Dims<bool>) -> Result<Self> {
        let axes = joins.iter().filter(|&&joins| joins).count() as u64;
        let mut known = vec![0u64];
        for order in 1..=axes {
            // Axes along which coordinates differ, each up or down.
            let chosen = (0..order).fold(1u64, |all, k| all.saturating_mul(axes - k) / (k + 1));
            let ways = chosen.saturating_mul(1u64 << order.min(63));
            known.push(known[known.len() - 1].saturating_add(ways));
        }
        let order = match count {
            None => known.len().min(2) - 1,
            Some(count) => known.iter().skip(1).position(|&one| one == count).map_or(0, |at| at + 1),
        };
        if order == 0 && axes > 0 {
            let known: Vec<String> = known[1..].iter().map(u64::to_string).collect();
            let reason = format!(
                "connectivity={}: along {axes} axes of space, elements have {} neighbours",
                count.unwrap_or(0),
                known.join(" or ")
            );
            return Err(Error::invalid(reason));
        }
        Ok(Self { order, joins })
    }

    /// The steps to all neighbours along some of the axes, those which `may` be taken and are no more than `most`; of each
    /// two opposite ones that whose first step is up, if only one is asked for.
    pub(super) fn steps(&self, most: usize, may: &[bool], is_half: bool) -> Vec<Dims<i8>> {
        let mut all: Vec<Dims<i8>> = vec![Dims::new()];
        for (&joins, &may) in self.joins.iter().zip(may) {
            let along: &[i8] = if joins && may { &[0, 1, -1] } else { &[0] };
            let extend = |known: &Dims<i8>| {
                along
                    .iter()
                    .map(|&step| known.iter().copied().chain([step]).collect::<Dims<i8>>())
                    .collect::<Vec<_>>()
            };
            all = all.iter().flat_map(extend).collect();
        }
        let is_kept = |step: &Dims<i8>| {
            let first = step.iter().find(|&&one| one != 0);
            let is_first = !is_half || first.is_none_or(|&first| first > 0);
            step.iter().filter(|&&one| one != 0).count() <= most && is_first
        };
        all.retain(is_kept);
        all
    }
}

/// A block, its axes in the order of memory, the fastest last.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    pub(super) shape: Dims<usize>,
    /// Where it begins, from the first element of the array on.
    pub(super) first: Dims<u64>,
    /// By how much the number of an element in coordinate order grows along each axis.
    pub(super) weights: Dims<u64>,
    /// Whether there are blocks beside it, below and above along each axis.
    pub(super) beside: Dims<[bool; 2]>,
}

impl Geometry {
    pub(super) fn inner(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    pub(super) fn outer(&self) -> &[usize] {
        &self.shape[..self.shape.len().saturating_sub(1)]
    }

    /// By how much the number of an element grows along a row.
    pub(super) fn step(&self) -> u64 {
        self.weights.last().copied().unwrap_or(0)
    }

    /// The number in coordinate order of the first element of a row.
    pub(super) fn number(&self, row: &[usize]) -> u64 {
        let outer = row.len();
        let along = row.iter().zip(&self.first).zip(&self.weights);
        let first = self.first.get(outer).map_or(0, |first| first * self.step());
        along.fold(first, |all, ((&at, first), weight)| all + (at as u64 + first) * weight)
    }

    /// Whether a row lies at an end of the block beyond which there is another.
    pub(super) fn is_edge(&self, row: &[usize]) -> bool {
        let along = row.iter().zip(&self.shape).zip(&self.beside);
        along
            .into_iter()
            .any(|((&at, &length), &[below, above])| (below && at == 0) || (above && at + 1 == length))
    }
}

/// Calls `work` with each index of a box of `shape`, the last axis fastest.
pub(super) fn each(shape: &[usize], mut work: impl FnMut(&[usize])) {
    let mut at: Dims<usize> = Dims::from_elem(0, shape.len());
    for _ in 0..shape.iter().product::<usize>() {
        work(&at);
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
}

/// Values of axes in the order of memory, or the other way round.
pub(super) fn in_order<V>(order: Order, axes: impl DoubleEndedIterator<Item = V>) -> Dims<V> {
    match order {
        Order::C => axes.collect(),
        Order::Fortran => axes.rev().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_counted_along_axes_of_space() {
        let order = |count, joins: &[bool]| Neighbours::of(count, joins.into()).map(|found| found.order);
        assert_eq!([6, 18, 26].map(|count| order(Some(count), &[true; 3]).unwrap()), [1, 2, 3]);
        assert_eq!([4, 8].map(|count| order(Some(count), &[true, false, true]).unwrap()), [1, 2]);
        assert_eq!((order(None, &[true; 4]).unwrap(), order(Some(2), &[true]).unwrap()), (1, 1));
        assert!(order(Some(8), &[true; 3]).unwrap_err().to_string().contains("6 or 18 or 26"));
        assert_eq!(order(None, &[false]).unwrap(), 0);
        let all = Neighbours::of(Some(26), Dims::from_elem(true, 3)).unwrap();
        let count = |most, is_half| all.steps(most, &[true; 3], is_half).len();
        assert_eq!([count(1, false), count(2, false), count(3, false), count(3, true)], [7, 19, 27, 14]);
    }
}
