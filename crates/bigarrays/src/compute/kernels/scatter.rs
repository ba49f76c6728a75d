//! Folding each element of a row into a cell of its own choice, one after the other.

use super::cells::Cells;
use super::fold::{Cell, Fold, Number, Places, of_cell};
use super::moments;

/// The cell of an element that belongs to none.
pub(crate) const NONE: usize = usize::MAX;

impl Fold {
    /// Folds each element of `row` into the cell that `at` has for it, unless that is [`NONE`].
    pub(crate) fn scattered(self, cell: Cell, cells: Cells<'_>, row: &[u64], at: &[usize], places: Places) {
        match self {
            Self::Moments | Self::MomentsOfNumbers => {
                let skips = self == Self::MomentsOfNumbers;
                let Cells { values, beside, firsts, means } = cells;
                for (one, &at) in row.iter().zip(at).filter(|(_, at)| **at != NONE) {
                    let cells = Cells {
                        values: &mut values[at..=at],
                        beside: &mut beside[at..=at],
                        firsts: &mut firsts[at..=at],
                        means: &mut means[at..=at],
                    };
                    moments::each(skips, cells, bytemuck::cast_slice(std::slice::from_ref(one)));
                }
            }
            _ => of_cell!(cell, T: self.scattered_of::<T>(cells, bytemuck::cast_slice(row), at, places)),
        }
    }

    fn scattered_of<T: Number>(self, cells: Cells<'_>, row: &[T], at: &[usize], places: Places) {
        let values: &mut [T] = bytemuck::cast_slice_mut(cells.values);
        macro_rules! go {
            ($f:expr) => {
                for (&one, &at) in row.iter().zip(at) {
                    if at != NONE {
                        values[at] = $f(values[at], one);
                    }
                }
            };
        }
        match self {
            Self::Sum => go!(T::sum),
            Self::Least => go!(T::least),
            Self::Most => go!(T::most),
            _ if self.places() => {
                let mut place = places.first;
                for (&one, &at) in row.iter().zip(at) {
                    if at != NONE && self.comes_first((one, place), (values[at], cells.beside[at])) {
                        (values[at], cells.beside[at]) = (one, place);
                    }
                    place = place.wrapping_add(places.step);
                }
            }
            _ => {
                go!(self.pair::<T>());
                if self == Self::SumAndCount {
                    let counted = row.iter().zip(at).filter(|(one, at)| **at != NONE && !one.is_nan());
                    counted.for_each(|(_, &at)| cells.beside[at] += 1);
                }
            }
        }
    }
}
