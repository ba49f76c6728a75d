//! What expressions as text call reductions.

use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::compute::expr::Lazy;
use crate::compute::function::Function;
use crate::compute::reduction::Reduction;

/// What is called like a reduction.
#[derive(Clone, Copy)]
pub(super) enum Reducing {
    One(Reduction),
    /// The variance, of all or of those that are no NaN; or its root.
    Variance {
        skips: bool,
        is_root: bool,
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
            name => Reduction::named(name).map(Self::One),
        }
    }

    pub(super) fn of(self, lazy: &Lazy, axes: &[usize], keeps: bool) -> Result<Lazy> {
        match self {
            Self::One(reduction) => lazy.reduce(reduction, axes, keeps),
            Self::Variance { skips, is_root } => {
                let wide = if lazy.dtype().is_float() { lazy } else { &lazy.converted(DataType::F64)? };
                let found = match skips {
                    true => wide.nan_variance(axes, 0.0, keeps)?,
                    false => wide.variance(axes, 0.0, keeps)?,
                };
                if is_root { Lazy::apply(Function::Sqrt, &[(&found).into()]) } else { Ok(found) }
            }
        }
    }
}
