//! Functions of expressions that are called by name, with arguments by their names: as texts of expressions and Python have them.

use crate::base::error::{Error, Result};
use crate::compute::boundary::Boundary;
use crate::compute::called_counts::{approx_quantile, bincount, histogram, topk};
use crate::compute::called_filters as filters;
use crate::compute::called_geometry as geometry;
use crate::compute::called_windows::{coarsen, gradient, pad, ranges, rolling, shift};
use crate::compute::expr::Lazy;
use crate::compute::named::{Argument, Arguments};
use crate::compute::resample::resample;
use crate::compute::series::Cumulative;

type Call = fn(&Lazy, &mut Arguments) -> Result<Lazy>;

/// All functions.
const TABLE: &[(&str, Call)] = &[
    ("rolling", rolling),
    ("coarsen", coarsen),
    ("ranges", ranges),
    ("resample", resample),
    ("cumsum", |lazy, arguments| lazy.cumulative(arguments.axis(lazy)?, Cumulative::Sum)),
    ("cumprod", |lazy, arguments| lazy.cumulative(arguments.axis(lazy)?, Cumulative::Product)),
    ("cummin", |lazy, arguments| lazy.cumulative(arguments.axis(lazy)?, Cumulative::Min)),
    ("cummax", |lazy, arguments| lazy.cumulative(arguments.axis(lazy)?, Cumulative::Max)),
    ("ffill", |lazy, arguments| lazy.forward_fill(arguments.axis(lazy)?, arguments.count("limit")?)),
    ("bfill", |lazy, arguments| lazy.backward_fill(arguments.axis(lazy)?, arguments.count("limit")?)),
    ("diff", |lazy, arguments| lazy.diff(arguments.axis(lazy)?, arguments.count("n")?.unwrap_or(1))),
    ("gradient", gradient),
    ("shift", shift),
    ("roll", |lazy, arguments| {
        let (axis, count) = (arguments.axis(lazy)?, arguments.whole("count")?.unwrap_or(1));
        lazy.moved(axis, count, Boundary::Wrap)
    }),
    ("pad", pad),
    ("uniform_filter", filters::uniform_filter),
    ("gaussian_filter", filters::gaussian_filter),
    ("gaussian_gradient_magnitude", filters::gaussian_gradient_magnitude),
    ("minimum_filter", filters::minimum_filter),
    ("maximum_filter", filters::maximum_filter),
    ("median_filter", filters::median_filter),
    ("percentile_filter", filters::percentile_filter),
    ("rank_filter", filters::rank_filter),
    ("correlate", filters::correlate),
    ("convolve", filters::convolve),
    ("sobel", filters::sobel),
    ("prewitt", filters::prewitt),
    ("laplace", filters::laplace),
    ("erosion", filters::erosion),
    ("dilation", filters::dilation),
    ("interpolate", geometry::interpolate),
    ("regrid", geometry::regrid),
    ("tensordot", geometry::tensordot),
    ("histogram", histogram),
    ("bincount", bincount),
    ("topk", topk),
    ("approx_quantile", approx_quantile),
];

/// Whether there is a function of this name.
pub(crate) fn is_known(name: &str) -> bool {
    TABLE.iter().any(|row| row.0 == name)
}

/// The names of all functions that [`call`] has.
pub fn call_names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.0)
}

/// A function, by its name, of expressions, with further arguments by their names.
///
/// ```
/// use bigarrays::compute::{Argument, Lazy, Literal, call};
/// use bigarrays::{DataType, Domain};
///
/// let x = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U8, &[3, 9, 4, 7])?;
/// let number = |value: i64| Argument::Literal(Literal::from(value));
/// let arguments = [("how", Argument::Text("mean".to_owned())), ("axis", number(0)), ("width", number(2))];
/// let means = call("coarsen", &[x], &arguments.map(|(name, value)| (name.to_owned(), value)))?;
/// assert_eq!(means.domain().to_string(), "0:2");
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` for a function or an argument that there is not; those of the function.
pub fn call(name: &str, of: &[Lazy], named: &[(String, Argument)]) -> Result<Lazy> {
    let unknown = || Error::invalid(format!("there is no function {name:?}"));
    let (known, function) = TABLE.iter().find(|row| row.0 == name).ok_or_else(unknown)?;
    let first = of.first().ok_or_else(|| Error::invalid(format!("{name} of nothing")))?;
    let mut arguments = Arguments { others: of[1..].to_vec(), named: named.to_vec() };
    let made = function(first, &mut arguments).map_err(|error| named_error(error, known))?;
    if !arguments.others.is_empty() {
        return Err(Error::invalid(format!("{name} is of fewer expressions than {}", of.len())));
    }
    match arguments.left() {
        Some(other) => Err(Error::invalid(format!("{name} has no argument {other}"))),
        None => Ok(made),
    }
}

/// The error, which may say already what was done.
fn named_error(error: Error, name: &'static str) -> Error {
    if error.to_string().contains(name) { error } else { error.during(name) }
}
