//! Folding many elements into one.
//!
//! Everything is folded in one of three types, which hold all others exactly, and in an order that follows from where
//! elements lie along the axes that are folded: results are the same bits however the work is cut up.

use bytemuck::Pod;

use super::cells::{Cells, Others, in_lanes};
use super::moments;
use crate::base::widest::widest;

/// How two elements become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fold {
    Sum,
    Product,
    /// NaN if one is.
    Least,
    /// NaN if one is.
    Most,
    /// Of those that are not NaN, as all below.
    SumOfNumbers,
    ProductOfNumbers,
    LeastNumber,
    MostNumber,
    /// The sum, and how many there are.
    SumAndCount,
    /// The sum of squared distances from their mean: of all, and of those that are not NaN.
    Moments,
    MomentsOfNumbers,
    /// The least and its place, the lowest of several; the first NaN, if there is one.
    FirstLeast,
    FirstMost,
    FirstLeastNumber,
    FirstMostNumber,
    /// That of the lowest place, and of the highest one.
    Earliest,
    Latest,
    /// The same of those that are not NaN.
    EarliestNumber,
    LatestNumber,
}

/// What elements are folded in: 8 bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cell {
    I64,
    U64,
    F64,
}

/// The place of nothing.
pub(crate) const NOWHERE: u64 = u64::MAX;

/// Where the elements of a row are among those that are folded: the first, and the distance of neighbours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub(crate) first: u64,
    pub(crate) step: u64,
}

/// Does `$work` with `$T` for the type of a cell.
macro_rules! of_cell {
    ($cell:expr, $T:ident: $work:expr) => {
        match $cell {
            Cell::I64 => {
                type $T = i64;
                $work
            }
            Cell::U64 => {
                type $T = u64;
                $work
            }
            Cell::F64 => {
                type $T = f64;
                $work
            }
        }
    };
}

pub(super) use of_cell;

impl Fold {
    /// Whether something stands beside a cell.
    pub(crate) fn has_beside(self) -> bool {
        self.places() || self == Self::SumAndCount || self.has_moments()
    }

    /// Whether a cell has a mean.
    pub(crate) fn has_moments(self) -> bool {
        matches!(self, Self::Moments | Self::MomentsOfNumbers)
    }

    /// How many words a cell has.
    pub(crate) fn words(self) -> u64 {
        1 + u64::from(self.has_beside()) + 2 * u64::from(self.has_moments())
    }

    /// Whether places of elements count.
    pub(crate) fn places(self) -> bool {
        self.is_earliest()
            || matches!(
                self,
                Self::FirstLeast | Self::FirstMost | Self::FirstLeastNumber | Self::FirstMostNumber
            )
    }

    /// Whether only places count.
    fn is_earliest(self) -> bool {
        matches!(self, Self::Earliest | Self::Latest | Self::EarliestNumber | Self::LatestNumber)
    }

    /// What changes nothing, as the bytes of a cell and of what is beside it.
    pub(crate) fn identity(self, cell: Cell) -> (u64, u64) {
        let value = match (self, cell) {
            (Self::Product | Self::ProductOfNumbers, Cell::F64) => 1f64.to_bits(),
            (Self::Product | Self::ProductOfNumbers, _) => 1,
            (Self::LeastNumber | Self::MostNumber | Self::EarliestNumber | Self::LatestNumber, Cell::F64) => {
                f64::NAN.to_bits()
            }
            (Self::Least, Cell::F64) => f64::INFINITY.to_bits(),
            (Self::Most, Cell::F64) => f64::NEG_INFINITY.to_bits(),
            (Self::Least | Self::LeastNumber, Cell::I64) => i64::MAX as u64,
            (Self::Least | Self::LeastNumber, Cell::U64) => u64::MAX,
            (Self::Most | Self::MostNumber, Cell::I64) => i64::MIN as u64,
            _ => 0,
        };
        (value, if self.places() { NOWHERE } else { 0 })
    }

    /// Folds each element of `row` into its own cell.
    pub(crate) fn each(self, cell: Cell, cells: Cells<'_>, row: &[u64], places: Places) {
        match self {
            Self::Moments => moments::each(false, cells, bytemuck::cast_slice(row)),
            Self::MomentsOfNumbers => moments::each(true, cells, bytemuck::cast_slice(row)),
            _ => of_cell!(cell, T: each_of::<T>(self, cells, bytemuck::cast_slice(row), places)),
        }
    }

    /// Folds all of `row` into one cell: elements in lanes, by where they are in the row, then the lanes, and that.
    pub(crate) fn all(self, cell: Cell, cells: Cells<'_>, row: &[u64], places: Places) {
        match self {
            Self::Moments => moments::all(false, cells, bytemuck::cast_slice(row)),
            Self::MomentsOfNumbers => moments::all(true, cells, bytemuck::cast_slice(row)),
            _ => of_cell!(cell, T: all_of::<T>(self, cells, bytemuck::cast_slice(row), places)),
        }
    }

    /// Folds cells into others.
    pub(crate) fn merge(self, cell: Cell, cells: Cells<'_>, others: &Others<'_>) {
        match self {
            Self::Moments | Self::MomentsOfNumbers => moments::merge(cells, others),
            Self::SumAndCount => {
                let none = Cells::alone(cells.values);
                Self::Sum.each(cell, none, others.values, Places { first: 0, step: 0 });
                cells.beside.iter_mut().zip(others.beside).for_each(|(count, other)| *count += other);
            }
            _ if self.places() => of_cell!(cell, T: self.merge_places::<T>(cells, others)),
            _ => self.each(cell, cells, others.values, Places { first: 0, step: 0 }),
        }
    }

    /// The fold of two elements, where nothing is beside them.
    pub(super) fn pair<T: Number>(self) -> fn(T, T) -> T {
        match self {
            Self::Product => T::product,
            Self::Least | Self::FirstLeast => T::least,
            Self::Most | Self::FirstMost => T::most,
            Self::SumOfNumbers | Self::SumAndCount => |a, b| if b.is_nan() { a } else { a.sum(b) },
            Self::ProductOfNumbers => |a, b| if b.is_nan() { a } else { a.product(b) },
            Self::LeastNumber | Self::FirstLeastNumber => {
                |a, b| if b.is_below(a) || a.is_nan() { b } else { a }
            }
            Self::MostNumber | Self::FirstMostNumber => {
                |a, b| if a.is_below(b) || a.is_nan() { b } else { a }
            }
            _ => T::sum,
        }
    }

    #[inline(always)]
    fn each_of<T: Number>(self, cells: Cells<'_>, row: &[T], places: Places) {
        let values: &mut [T] = bytemuck::cast_slice_mut(cells.values);
        // A loop for each fold: calls in a loop would cost more than the fold.
        macro_rules! go {
            ($f:expr) => {
                for (cell, &one) in values.iter_mut().zip(row) {
                    *cell = $f(*cell, one);
                }
            };
        }
        match self {
            Self::Sum => go!(T::sum),
            Self::Product => go!(T::product),
            Self::Least => go!(T::least),
            Self::Most => go!(T::most),
            Self::SumOfNumbers => go!(|a: T, b: T| if b.is_nan() { a } else { a.sum(b) }),
            Self::LeastNumber => go!(|a: T, b: T| if b.is_below(a) || a.is_nan() { b } else { a }),
            Self::MostNumber => go!(|a: T, b: T| if a.is_below(b) || a.is_nan() { b } else { a }),
            Self::ProductOfNumbers => go!(self.pair::<T>()),
            Self::SumAndCount => {
                go!(|a: T, b: T| if b.is_nan() { a } else { a.sum(b) });
                for (count, one) in cells.beside.iter_mut().zip(row) {
                    *count += u64::from(!one.is_nan());
                }
            }
            _ => {
                let cells = values.iter_mut().zip(cells.beside);
                let mut place = places.first;
                for ((cell, beside), &one) in cells.zip(row) {
                    if self.comes_first((one, place), (*cell, *beside)) {
                        (*cell, *beside) = (one, place);
                    }
                    place += places.step;
                }
            }
        }
    }

    #[inline(always)]
    fn all_of<T: Number>(self, cells: Cells<'_>, row: &[T], places: Places) {
        let identity: T = bytemuck::cast(self.identity(T::CELL).0);
        let folded = match self {
            Self::Sum => in_lanes(identity, row, T::sum),
            Self::Product => in_lanes(identity, row, T::product),
            Self::Least => in_lanes(identity, row, T::least),
            Self::Most => in_lanes(identity, row, T::most),
            Self::SumOfNumbers => in_lanes(identity, row, |a: T, b: T| if b.is_nan() { a } else { a.sum(b) }),
            Self::SumAndCount => {
                cells.beside[0] += row.iter().map(|one| u64::from(!one.is_nan())).sum::<u64>();
                let value = Cells::alone(cells.values);
                let sum = in_lanes(identity, row, |a: T, b: T| if b.is_nan() { a } else { a.sum(b) });
                return Self::SumOfNumbers.each_of(value, &[sum], places);
            }
            Self::ProductOfNumbers | Self::LeastNumber | Self::MostNumber => {
                in_lanes(identity, row, self.pair::<T>())
            }
            _ => {
                let mut found = (bytemuck::cast::<u64, T>(cells.values[0]), cells.beside[0]);
                let mut place = places.first;
                for &one in row {
                    if self.comes_first((one, place), found) {
                        found = (one, place);
                    }
                    place += places.step;
                }
                (cells.values[0], cells.beside[0]) = (bytemuck::cast(found.0), found.1);
                return;
            }
        };
        self.each_of(cells, &[folded], places);
    }

    fn merge_places<T: Number>(self, cells: Cells<'_>, others: &Others<'_>) {
        let own: &mut [T] = bytemuck::cast_slice_mut(cells.values);
        let others = bytemuck::cast_slice::<u64, T>(others.values).iter().zip(others.beside);
        for ((cell, place), (&value, &at)) in own.iter_mut().zip(cells.beside).zip(others) {
            if at != NOWHERE && self.comes_first((value, at), (*cell, *place)) {
                (*cell, *place) = (value, at);
            }
        }
    }

    /// Whether an element at a place is to be kept rather than the one that was found.
    #[inline(always)]
    pub(super) fn comes_first<T: Number>(self, (one, place): (T, u64), (found, at): (T, u64)) -> bool {
        if self.is_earliest() {
            let skips = matches!(self, Self::EarliestNumber | Self::LatestNumber);
            let is_latest = matches!(self, Self::Latest | Self::LatestNumber);
            return !(skips && one.is_nan()) && (at == NOWHERE || (place < at) != is_latest);
        }
        let skips = matches!(self, Self::FirstLeastNumber | Self::FirstMostNumber);
        if one.is_nan() || found.is_nan() {
            // Among numbers, a NaN is found; the first of several.
            return !skips && one.is_nan() && (at == NOWHERE || !found.is_nan() || place < at);
        }
        let is_least = matches!(self, Self::FirstLeast | Self::FirstLeastNumber);
        let (low, high) = if is_least { (one, found) } else { (found, one) };
        at == NOWHERE || low.is_below(high) || (!high.is_below(low) && place < at)
    }
}

widest! {
    /// Folds each element of `row` into its own cell.
    fn each_of<T: Number>(fold: Fold, cells: Cells<'_>, row: &[T], places: Places) {
        fold.each_of(cells, row, places);
    }
}

widest! {
    /// Folds all of `row` into one cell.
    fn all_of<T: Number>(fold: Fold, cells: Cells<'_>, row: &[T], places: Places) {
        fold.all_of(cells, row, places);
    }
}

pub(super) trait Number: Pod {
    const CELL: Cell;
    fn sum(self, other: Self) -> Self;
    fn product(self, other: Self) -> Self;
    fn least(self, other: Self) -> Self;
    fn most(self, other: Self) -> Self;
    fn is_nan(self) -> bool;
    fn is_below(self, other: Self) -> bool;
}

macro_rules! whole {
    ($($T:ty, $cell:ident);+) => { $(
        impl Number for $T {
            const CELL: Cell = Cell::$cell;
            #[inline(always)]
            fn sum(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline(always)]
            fn product(self, other: Self) -> Self { self.wrapping_mul(other) }
            #[inline(always)]
            fn least(self, other: Self) -> Self { self.min(other) }
            #[inline(always)]
            fn most(self, other: Self) -> Self { self.max(other) }
            #[inline(always)]
            fn is_nan(self) -> bool { false }
            #[inline(always)]
            fn is_below(self, other: Self) -> bool { self < other }
        }
    )+ };
}

whole! { i64, I64; u64, U64 }

impl Number for f64 {
    const CELL: Cell = Cell::F64;
    #[inline(always)]
    fn sum(self, other: Self) -> Self {
        self + other
    }
    #[inline(always)]
    fn product(self, other: Self) -> Self {
        self * other
    }
    #[inline(always)]
    fn least(self, other: Self) -> Self {
        if other < self || other.is_nan() { other } else { self }
    }
    #[inline(always)]
    fn most(self, other: Self) -> Self {
        if other > self || other.is_nan() { other } else { self }
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.is_nan()
    }
    #[inline(always)]
    fn is_below(self, other: Self) -> bool {
        self < other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(fold: Fold, cell: Cell, row: &[u64]) -> (u64, u64) {
        let (mut value, mut beside) = fold.identity(cell);
        let (values, beside_all) = (std::slice::from_mut(&mut value), std::slice::from_mut(&mut beside));
        let cells = Cells { beside: beside_all, ..Cells::alone(values) };
        fold.all(cell, cells, row, Places { first: 5, step: 2 });
        (value, beside)
    }

    #[test]
    fn rows_are_folded_in_lanes() {
        let row: Vec<u64> = (0..1000).map(|k| f64::from(k).to_bits()).collect();
        assert_eq!(f64::from_bits(folded(Fold::Sum, Cell::F64, &row).0), 499_500.0);
        let whole = [-5i64, -3, -9].map(|number| number as u64);
        assert_eq!(folded(Fold::Most, Cell::I64, &whole).0 as i64, -3);
        assert_eq!(folded(Fold::FirstLeast, Cell::I64, &whole).1, 9);
        let odd = [f64::NAN, 1.0, f64::NAN, -1.0, -1.0].map(f64::to_bits);
        assert!(f64::from_bits(folded(Fold::Least, Cell::F64, &odd).0).is_nan());
        assert_eq!(f64::from_bits(folded(Fold::LeastNumber, Cell::F64, &odd).0), -1.0);
        assert_eq!(folded(Fold::SumAndCount, Cell::F64, &odd), ((-1f64).to_bits(), 3));
        assert_eq!(folded(Fold::FirstMost, Cell::F64, &odd).1, 5);
        assert_eq!(folded(Fold::FirstLeastNumber, Cell::F64, &odd).1, 11);
        assert_eq!(folded(Fold::FirstLeastNumber, Cell::F64, &odd[..1]).1, NOWHERE);
    }
}
