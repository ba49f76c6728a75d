//! Reductions: many elements along some axes become one.

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::kernels::{Cell, Fold};
use crate::compute::types::is_signed;

macro_rules! reductions {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $skipping:ident),+ $(,)?) => {
        /// What many elements become. Each is called as NumPy calls it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reduction { $($(#[doc = $doc])+ $variant),+ }

        /// Each, its name, and the one that does the same where there are no NaNs.
        const TABLE: &[(Reduction, &str, Reduction)] = &[$((Reduction::$variant, $name, Reduction::$skipping)),+];
    };
}

reductions! {
    /// Their sum; small whole numbers are summed in 64 bits.
    Sum "sum" Sum,
    /// Their product; that of small whole numbers in 64 bits.
    Product "prod" Product,
    /// Their mean.
    Mean "mean" Mean,
    /// The least; NaN if one is.
    Min "min" Min,
    /// The largest; NaN if one is.
    Max "max" Max,
    /// Whether one is not zero.
    Any "any" Any,
    /// Whether none is zero.
    All "all" All,
    /// How many are not zero.
    CountNonzero "count_nonzero" CountNonzero,
    /// The coordinate of the least along one axis, or its place in C order among all; the first of several, and of NaNs.
    ArgMin "argmin" ArgMin,
    /// The coordinate of the largest along one axis, or its place in C order among all; the first of several, and of NaNs.
    ArgMax "argmax" ArgMax,
    /// The sum of those that are not NaN.
    NanSum "nansum" Sum,
    /// The product of those that are not NaN.
    NanProduct "nanprod" Product,
    /// The mean of those that are not NaN; NaN if all are.
    NanMean "nanmean" Mean,
    /// The least that is not NaN; NaN if all are.
    NanMin "nanmin" Min,
    /// The largest that is not NaN; NaN if all are.
    NanMax "nanmax" Max,
    /// As `ArgMin`, of those that are not NaN; an error where all are.
    NanArgMin "nanargmin" ArgMin,
    /// As `ArgMax`, of those that are not NaN; an error where all are.
    NanArgMax "nanargmax" ArgMax,
    /// The sum of squared distances from their mean, in `float64`; NaN if one is NaN or infinite. NumPy has no name for it:
    /// divided by the number of elements it is the variance.
    SquaredDistances "squared_distances" SquaredDistances,
    /// As `SquaredDistances`, of those that are not NaN; 0 if all are.
    NanSquaredDistances "nansquared_distances" SquaredDistances,
    /// The first of them.
    First "first" First,
    /// The last of them.
    Last "last" Last,
    /// The first that is not NaN; NaN if all are.
    NanFirst "nanfirst" First,
    /// The last that is not NaN; NaN if all are.
    NanLast "nanlast" Last,
}

/// How a reduction is done: elements are converted, folded in cells of 8 or 16 bytes, and a cell becomes an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    /// The type that elements are converted to first, if to another: a boolean says whether they are not zero.
    pub(crate) first: Option<DataType>,
    pub(crate) cell: Cell,
    pub(crate) fold: Fold,
    pub(crate) finish: Finish,
}

/// How a cell becomes an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// It is one.
    Plain,
    /// It is divided by the number of elements.
    Mean,
    /// It is divided by the number beside it.
    MeanOfNumbers,
    /// The place beside it is one.
    Place,
}

impl Reduction {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The one that NumPy calls so.
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, Self) {
        // The table has a row for each, in their order.
        &TABLE[self as usize]
    }

    /// NumPy's name.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The reduction of elements of `dtype` that gives the same and is the simplest.
    pub(crate) fn of(self, dtype: DataType) -> Self {
        if dtype.is_float() { self } else { self.row().2 }
    }

    /// Whether the result is a place.
    pub(crate) fn places(self) -> bool {
        matches!(self.row().2, Self::ArgMin | Self::ArgMax)
    }

    /// The type of the result.
    pub(crate) fn result(self, dtype: DataType) -> DataType {
        match self.row().2 {
            Self::Any | Self::All => DataType::Bool,
            Self::CountNonzero | Self::ArgMin | Self::ArgMax => DataType::I64,
            Self::SquaredDistances => DataType::F64,
            Self::Mean if !dtype.is_float() => DataType::F64,
            Self::Sum | Self::Product => match dtype {
                float if float.is_float() => float,
                DataType::Bool => DataType::I64,
                signed if is_signed(signed) => DataType::I64,
                _ => DataType::U64,
            },
            _ => dtype,
        }
    }

    pub(crate) fn method(self, dtype: DataType) -> Method {
        let own = match dtype {
            float if float.is_float() => Cell::F64,
            signed if is_signed(signed) || signed == DataType::Bool => Cell::I64,
            _ => Cell::U64,
        };
        let plain = |fold| Method { first: None, cell: own, fold, finish: Finish::Plain };
        let truth = |fold| Method { first: Some(DataType::Bool), cell: Cell::I64, ..plain(fold) };
        let place = |fold| Method { finish: Finish::Place, ..plain(fold) };
        match self {
            Self::Sum => plain(Fold::Sum),
            Self::Product => plain(Fold::Product),
            Self::Min => plain(Fold::Least),
            Self::Max => plain(Fold::Most),
            Self::Mean => Method { cell: Cell::F64, finish: Finish::Mean, ..plain(Fold::Sum) },
            // Of none it is 0: the least that the cell holds.
            Self::Any => Method { cell: Cell::U64, ..truth(Fold::Most) },
            Self::All => truth(Fold::Least),
            Self::CountNonzero => truth(Fold::Sum),
            Self::ArgMin => place(Fold::FirstLeast),
            Self::ArgMax => place(Fold::FirstMost),
            Self::NanSum => plain(Fold::SumOfNumbers),
            Self::NanProduct => plain(Fold::ProductOfNumbers),
            Self::NanMean => Method { finish: Finish::MeanOfNumbers, ..plain(Fold::SumAndCount) },
            Self::NanMin => plain(Fold::LeastNumber),
            Self::NanMax => plain(Fold::MostNumber),
            Self::NanArgMin => place(Fold::FirstLeastNumber),
            Self::NanArgMax => place(Fold::FirstMostNumber),
            Self::SquaredDistances => Method { cell: Cell::F64, ..plain(Fold::Moments) },
            Self::NanSquaredDistances => plain(Fold::MomentsOfNumbers),
            Self::First => plain(Fold::Earliest),
            Self::Last => plain(Fold::Latest),
            Self::NanFirst => plain(Fold::EarliestNumber),
            Self::NanLast => plain(Fold::LatestNumber),
        }
    }

    /// Whether the result is one of the elements, or its place, so that there has to be one.
    pub(crate) fn is_of_one(self) -> bool {
        let same = self.row().2;
        matches!(same, Self::Min | Self::Max | Self::ArgMin | Self::ArgMax | Self::First | Self::Last)
    }

    /// An error if no elements have none of this.
    pub(crate) fn expect_elements(self, count: u64) -> Result<()> {
        if count > 0 || !self.is_of_one() {
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
