//! Blocks: the boxes that cuts along each axis make, by number.

use std::ops::Range;

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::compute::cuts::Cuts;

/// The boxes that cuts along each axis make. Numbers run along the axis first that varies fastest in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub(crate) cuts: Dims<Cuts>,
    order: Order,
}

impl Blocks {
    pub(crate) fn new(cuts: Dims<Cuts>, order: Order) -> Self {
        Self { cuts, order }
    }

    /// The axes, the one that varies fastest first.
    fn axes(&self) -> impl Iterator<Item = usize> + use<> {
        let (ndim, is_first) = (self.cuts.len(), self.order == Order::Fortran);
        (0..ndim).map(move |k| if is_first { k } else { ndim - 1 - k })
    }

    /// How many there are, or the largest number if there are more.
    pub(crate) fn len(&self) -> u64 {
        self.cuts.iter().map(Cuts::len).fold(1, u64::saturating_mul)
    }

    /// The box of this number.
    ///
    /// # Errors
    /// Never, as ranges of cuts are valid.
    pub(crate) fn get(&self, number: u64) -> Result<Domain> {
        let places = self.places(number);
        let ranges = self.cuts.iter().zip(places).map(|(cuts, place)| cuts.get(place));
        Domain::from_ranges(&ranges.collect::<Dims<_>>())
    }

    /// The place along each axis of the box of this number.
    pub(crate) fn places(&self, mut number: u64) -> Dims<u64> {
        let mut places: Dims<u64> = Dims::from_elem(0, self.cuts.len());
        for axis in self.axes() {
            let length = self.cuts[axis].len().max(1);
            places[axis] = number % length;
            number /= length;
        }
        places
    }

    /// The number of the box that has these places along the axes.
    pub(crate) fn number(&self, places: &[u64]) -> u64 {
        let (mut number, mut stride) = (0u64, 1u64);
        for axis in self.axes() {
            number += places[axis] * stride;
            stride = stride.saturating_mul(self.cuts[axis].len());
        }
        number
    }

    /// The places along each axis of the boxes that `part` touches.
    pub(crate) fn touched(&self, part: &Domain) -> Dims<Range<u64>> {
        self.cuts.iter().zip(part.ranges()).map(|(cuts, range)| cuts.touched(&range)).collect()
    }

    /// Calls `found` with ranges of the numbers of all boxes that have places in these ranges.
    pub(crate) fn each_touched(&self, touched: &[Range<u64>], found: &mut dyn FnMut(Range<u64>)) {
        if touched.iter().any(Range::is_empty) {
            return;
        }
        let mut places: Dims<u64> = touched.iter().map(|range| range.start).collect();
        let Some(fastest) = self.axes().next() else { return found(0..1) };
        let length = touched[fastest].end - touched[fastest].start;
        loop {
            let first = self.number(&places);
            found(first..first + length);
            let next = self.axes().skip(1).find(|&axis| places[axis] + 1 < touched[axis].end);
            let Some(next) = next else { return };
            places[next] += 1;
            for axis in self.axes().skip(1).take_while(|&axis| axis != next) {
                places[axis] = touched[axis].start;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_places_agree_in_both_orders() {
        let cuts =
            || [(-10..25, (-3, 8)), (0..7, (0, 3)), (4..5, (0, 2))].map(|(range, at)| Cuts::over(range, at));
        for order in [Order::C, Order::Fortran] {
            let blocks = Blocks::new(cuts().into_iter().collect(), order);
            let mut volume = 0;
            for number in 0..blocks.len() {
                assert_eq!(blocks.number(&blocks.places(number)), number);
                volume += blocks.get(number).unwrap().checked_len().unwrap();
            }
            assert_eq!((blocks.len(), volume), (15, 35 * 7));
            let mut found = Vec::new();
            blocks.each_touched(&[1..4, 0..2, 0..1], &mut |numbers| found.extend(numbers));
            found.sort_unstable();
            let inside = |number: &u64| {
                let places = blocks.places(*number);
                (1..4).contains(&places[0]) && places[1] < 2
            };
            assert_eq!(found, (0..15).filter(inside).collect::<Vec<_>>());
        }
        let fastest = |order| Blocks::new(cuts().into_iter().collect(), order).places(1);
        assert_eq!((&fastest(Order::C)[..], &fastest(Order::Fortran)[..]), (&[0, 1, 0][..], &[1, 0, 0][..]));
    }
}
