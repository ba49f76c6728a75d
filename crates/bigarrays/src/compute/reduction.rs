//! Reductions: many elements along some axes become one.

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::kernels::{Cell, Fold};
use crate::compute::types::is_signed;

/// What many elements become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Their sum; small whole numbers are summed in 64 bits.
    Sum,
    /// Their product; that of small whole numbers in 64 bits.
    Product,
    /// Their mean.
    Mean,
    /// The least; NaN if one is.
    Min,
    /// The largest; NaN if one is.
    Max,
    /// Whether one is not zero.
    Any,
    /// Whether none is zero.
    All,
    /// How many are not zero.
    CountNonzero,
}

/// How a reduction is done: elements are converted, folded in cells of 8 bytes, and a cell becomes an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    /// The type that elements are converted to first, if to another: a boolean says whether they are not zero.
    pub(crate) first: Option<DataType>,
    pub(crate) cell: Cell,
    pub(crate) fold: Fold,
    /// Whether cells are divided by the number of elements.
    pub(crate) is_mean: bool,
}

impl Reduction {
    const NAMED: [(Self, &'static str); 8] = [
        (Self::Sum, "sum"),
        (Self::Product, "prod"),
        (Self::Mean, "mean"),
        (Self::Min, "min"),
        (Self::Max, "max"),
        (Self::Any, "any"),
        (Self::All, "all"),
        (Self::CountNonzero, "count_nonzero"),
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::NAMED.iter().map(|row| row.0)
    }

    /// The one that NumPy calls so.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// NumPy's name.
    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// The type of the result.
    pub(crate) fn result(self, dtype: DataType) -> DataType {
        match self {
            Self::Min | Self::Max => dtype,
            Self::Any | Self::All => DataType::Bool,
            Self::CountNonzero => DataType::I64,
            Self::Mean if dtype.is_float() => dtype,
            Self::Mean => DataType::F64,
            Self::Sum | Self::Product => match dtype {
                float if float.is_float() => float,
                DataType::Bool => DataType::I64,
                signed if is_signed(signed) => DataType::I64,
                _ => DataType::U64,
            },
        }
    }

    pub(crate) fn method(self, dtype: DataType) -> Method {
        let own = match dtype {
            float if float.is_float() => Cell::F64,
            signed if is_signed(signed) || signed == DataType::Bool => Cell::I64,
            _ => Cell::U64,
        };
        let plain = |fold| Method { first: None, cell: own, fold, is_mean: false };
        let truth = |fold| Method { first: Some(DataType::Bool), cell: Cell::I64, fold, is_mean: false };
        match self {
            Self::Sum => plain(Fold::Sum),
            Self::Product => plain(Fold::Product),
            Self::Min => plain(Fold::Least),
            Self::Max => plain(Fold::Most),
            Self::Mean => Method { cell: Cell::F64, is_mean: true, ..plain(Fold::Sum) },
            Self::Any => truth(Fold::Most),
            Self::All => truth(Fold::Least),
            Self::CountNonzero => truth(Fold::Sum),
        }
    }

    /// An error if no elements have none of this.
    pub(crate) fn expect_elements(self, count: u64) -> Result<()> {
        if count > 0 || !matches!(self, Self::Min | Self::Max) {
            return Ok(());
        }
        Err(Error::invalid(format!("the {} of no elements is not defined", self.name())))
    }
}

impl Cell {
    /// The type of what is folded.
    pub(crate) fn dtype(self) -> DataType {
        match self {
            Self::I64 => DataType::I64,
            Self::U64 => DataType::U64,
            Self::F64 => DataType::F64,
        }
    }
}
