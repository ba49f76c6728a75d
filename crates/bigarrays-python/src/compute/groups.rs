//! Groups of elements, and what becomes of them.

use bigarrays::compute::{GroupBy, Lazy, Literal, QuantileMethod, Reduction};
use bigarrays::{Error, Result};

/// How elements are grouped: labels, their axes, and how many groups each may give.
pub(super) struct Keys {
    pub(super) labels: Vec<Lazy>,
    pub(super) axes: Vec<Vec<usize>>,
    pub(super) counts: Vec<u64>,
    pub(super) drops: bool,
    pub(super) fill: Option<Literal>,
}

/// What becomes of each group, along further axes as well.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) also: &'a [usize],
    /// The `ddof` of a variance, or the quantiles.
    pub(super) numbers: &'a [f64],
    pub(super) method: &'a str,
}

/// The method of quantiles of this name.
pub(super) fn method_named(name: &str) -> Result<QuantileMethod> {
    QuantileMethod::named(name).ok_or_else(|| {
        let known: Vec<&str> = QuantileMethod::all().map(QuantileMethod::name).collect();
        Error::invalid(format!("unknown method={name:?}; known are {}", known.join(", ")))
    })
}

/// What becomes of the groups of `of`.
pub(super) fn grouped(of: &Lazy, keys: &Keys, wanted: &Wanted<'_>) -> Result<Lazy> {
    let mut by: Option<GroupBy> = None;
    for ((labels, axes), &count) in keys.labels.iter().zip(&keys.axes).zip(&keys.counts) {
        by = Some(match by {
            None => of.group_by(labels, axes, count)?,
            Some(by) => by.and(labels, axes, count)?,
        });
    }
    let mut by = by.ok_or_else(|| Error::invalid("groups by nothing"))?;
    if keys.drops {
        by = by.dropping();
    }
    if let Some(fill) = keys.fill {
        by = by.filled(fill);
    }
    let Wanted { name, also, numbers, method } = *wanted;
    let (skips, ddof) = (name.starts_with("nan"), numbers.first().copied().unwrap_or(0.0));
    match name {
        "size" => by.sizes(also),
        "var" | "nanvar" => by.variance(also, ddof, skips),
        "std" | "nanstd" => by.standard_deviation(also, ddof, skips),
        "median" | "nanmedian" => by.median(also, skips),
        "quantile" | "nanquantile" => by.quantile(numbers, also, method_named(method)?, skips),
        name => {
            let unknown = || Error::invalid(format!("no reduction {name}"));
            by.reduce(Reduction::named(name).ok_or_else(unknown)?, also)
        }
    }
}
