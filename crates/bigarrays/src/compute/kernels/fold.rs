//! Folding many elements into one.
//!
//! Everything is folded in one of three types, which hold all others exactly, and in an order that follows from where
//! elements lie along the axes that are folded: results are the same bits however the work is cut up.

use bytemuck::Pod;

/// How two elements become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fold {
    Sum,
    Product,
    /// NaN if one is.
    Least,
    /// NaN if one is.
    Most,
}

/// What elements are folded in: 8 bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cell {
    I64,
    U64,
    F64,
}

/// So many elements of a row are folded side by side.
const LANES: usize = 16;

impl Fold {
    /// What changes nothing, as the bytes of a cell.
    pub(crate) fn identity(self, cell: Cell) -> u64 {
        match (self, cell) {
            (Self::Sum, _) => 0,
            (Self::Product, Cell::F64) => 1f64.to_bits(),
            (Self::Product, _) => 1,
            (Self::Least, Cell::F64) => f64::INFINITY.to_bits(),
            (Self::Least, Cell::I64) => i64::MAX as u64,
            (Self::Least, Cell::U64) => u64::MAX,
            (Self::Most, Cell::F64) => f64::NEG_INFINITY.to_bits(),
            (Self::Most, Cell::I64) => i64::MIN as u64,
            (Self::Most, Cell::U64) => 0,
        }
    }

    /// Folds each element of `row` into its own cell.
    pub(crate) fn each(self, cell: Cell, cells: &mut [u64], row: &[u64]) {
        match cell {
            Cell::I64 => self.each_of::<i64>(cells, row),
            Cell::U64 => self.each_of::<u64>(cells, row),
            Cell::F64 => self.each_of::<f64>(cells, row),
        }
    }

    /// Folds all of `row` into one cell: elements in lanes, by where they are in the row, then the lanes, and that.
    pub(crate) fn all(self, cell: Cell, into: &mut u64, row: &[u64]) {
        match cell {
            Cell::I64 => self.all_of::<i64>(into, row),
            Cell::U64 => self.all_of::<u64>(into, row),
            Cell::F64 => self.all_of::<f64>(into, row),
        }
    }

    fn each_of<T: Number>(self, cells: &mut [u64], row: &[u64]) {
        let (cells, row): (&mut [T], &[T]) = (bytemuck::cast_slice_mut(cells), bytemuck::cast_slice(row));
        fn go<T: Number>(cells: &mut [T], row: &[T], f: impl Fn(T, T) -> T) {
            for (cell, &one) in cells.iter_mut().zip(row) {
                *cell = f(*cell, one);
            }
        }
        match self {
            Self::Sum => go(cells, row, T::sum),
            Self::Product => go(cells, row, T::product),
            Self::Least => go(cells, row, T::least),
            Self::Most => go(cells, row, T::most),
        }
    }

    fn all_of<T: Number>(self, into: &mut u64, row: &[u64]) {
        let row: &[T] = bytemuck::cast_slice(row);
        let identity: T = bytemuck::cast(self.identity(T::CELL));
        fn go<T: Number>(identity: T, row: &[T], f: impl Fn(T, T) -> T) -> T {
            let mut lanes = [identity; LANES];
            let (whole, rest) = row.as_chunks::<LANES>();
            for chunk in whole {
                for (lane, &one) in lanes.iter_mut().zip(chunk) {
                    *lane = f(*lane, one);
                }
            }
            for (lane, &one) in lanes.iter_mut().zip(rest) {
                *lane = f(*lane, one);
            }
            let mut width = LANES / 2;
            while width > 0 {
                for lane in 0..width {
                    lanes[lane] = f(lanes[lane], lanes[lane + width]);
                }
                width /= 2;
            }
            lanes[0]
        }
        let folded = match self {
            Self::Sum => go(identity, row, T::sum),
            Self::Product => go(identity, row, T::product),
            Self::Least => go(identity, row, T::least),
            Self::Most => go(identity, row, T::most),
        };
        self.each(T::CELL, std::slice::from_mut(into), &[bytemuck::cast(folded)]);
    }
}

trait Number: Pod {
    const CELL: Cell;
    fn sum(self, other: Self) -> Self;
    fn product(self, other: Self) -> Self;
    fn least(self, other: Self) -> Self;
    fn most(self, other: Self) -> Self;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_folded_in_lanes() {
        let row: Vec<u64> = (0..1000).map(|k| f64::from(k).to_bits()).collect();
        let mut into = Fold::Sum.identity(Cell::F64);
        Fold::Sum.all(Cell::F64, &mut into, &row);
        assert_eq!(f64::from_bits(into), 499_500.0);
        let mut into = Fold::Most.identity(Cell::I64);
        Fold::Most.all(Cell::I64, &mut into, &[-5i64, -3, -9].map(|number| number as u64));
        assert_eq!(into as i64, -3);
        let mut into = Fold::Least.identity(Cell::F64);
        Fold::Least.all(Cell::F64, &mut into, &[1.0, f64::NAN, -1.0].map(f64::to_bits));
        assert!(f64::from_bits(into).is_nan());
    }
}
