//! What expressions as text call reductions.

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::expr::Lazy;
use crate::compute::function::Function;
use crate::compute::group::GroupBy;
use crate::compute::reduction::Reduction;
use crate::compute::types::Literal;

/// What is called like a reduction.
#[derive(Clone, Copy)]
pub(super) enum Reducing {
    One(Reduction),
    /// The variance, of all or of those that are no NaN; or its root.
    Variance {
        skips: bool,
        is_root: bool,
    },
    /// The median, or other quantiles.
    Quantile {
        is_median: bool,
        skips: bool,
    },
}

impl Reducing {
    pub(super) fn named(name: &str) -> Option<Self> {
        let variance = |skips, is_root| Some(Self::Variance { skips, is_root });
        match name {
            "var" => variance(false, false),
            "std" => variance(false, true),
            "nanvar" => variance(true, false),
            "nanstd" => variance(true, true),
            "median" => Some(Self::Quantile { is_median: true, skips: false }),
            "nanmedian" => Some(Self::Quantile { is_median: true, skips: true }),
            "quantile" => Some(Self::Quantile { is_median: false, skips: false }),
            "nanquantile" => Some(Self::Quantile { is_median: false, skips: true }),
            name => Reduction::named(name).map(Self::One),
        }
    }

    pub(super) fn of(self, lazy: &Lazy, axes: &[usize], keeps: bool, ddof: f64) -> Result<Lazy> {
        match self {
            Self::One(reduction) => lazy.reduce(reduction, axes, keeps),
            Self::Variance { skips, is_root } => {
                let wide = if lazy.dtype().is_float() { lazy } else { &lazy.converted(DataType::F64)? };
                let found = match skips {
                    true => wide.nan_variance(axes, ddof, keeps)?,
                    false => wide.variance(axes, ddof, keeps)?,
                };
                if is_root { Lazy::apply(Function::Sqrt, &[(&found).into()]) } else { Ok(found) }
            }
            Self::Quantile { .. } => Err(Error::invalid("quantiles are reduced in their own way")),
        }
    }

    /// The same of each group.
    pub(super) fn of_groups(self, by: &GroupBy, ddof: f64) -> Result<Lazy> {
        match self {
            Self::One(reduction) => by.reduce(reduction, &[]),
            Self::Variance { skips, is_root: true } => by.standard_deviation(&[], ddof, skips),
            Self::Variance { skips, is_root: false } => by.variance(&[], ddof, skips),
            Self::Quantile { .. } => Err(Error::invalid("quantiles are reduced in their own way")),
        }
    }

    /// The same of the elements where a mask is true, and of a value to begin with.
    pub(super) fn of_masked(
        self,
        lazy: &Lazy,
        axes: &[usize],
        keeps: bool,
        mask: Option<&Lazy>,
        initial: Option<Literal>,
        ddof: f64,
    ) -> Result<Lazy> {
        match (self, mask) {
            (Self::One(reduction), mask) => lazy.reduce_where(reduction, axes, keeps, mask, initial),
            (Self::Variance { .. }, _) if initial.is_some() => {
                Err(Error::invalid("initial= is of the least and the largest alone"))
            }
            (Self::Variance { skips, is_root }, Some(mask)) => {
                let found = lazy.variance_where(axes, ddof, keeps, mask, skips)?;
                if is_root { Lazy::apply(Function::Sqrt, &[(&found).into()]) } else { Ok(found) }
            }
            (Self::Variance { .. } | Self::Quantile { .. }, None) => self.of(lazy, axes, keeps, ddof),
            (Self::Quantile { .. }, Some(_)) => Err(Error::invalid("quantiles have no where=")),
        }
    }
}
