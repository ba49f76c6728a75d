//! Windows along axes, as functions that are called by name.

use std::ops::Range;

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::aggregate::Aggregate;
use crate::compute::boundary::Boundary;
use crate::compute::expr::Lazy;
use crate::compute::function::Function;
use crate::compute::named::Arguments;
use crate::compute::number::Number;
use crate::compute::rolling::{Anchor, Ends, Rolling};
use crate::compute::types::Literal;

pub(crate) fn gradient(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let axis = arguments.axis(lazy)?;
    match arguments.reals("spacing")?.as_deref() {
        None => lazy.gradient(axis, 1.0),
        Some([spacing]) => lazy.gradient(axis, *spacing),
        Some(places) => lazy.gradient_at(axis, places),
    }
}

pub(crate) fn shift(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let (axis, count) = (arguments.axis(lazy)?, arguments.whole("count")?.unwrap_or(1));
    match arguments.number("fill_value", lazy.dtype())? {
        Some(number) => lazy.moved(axis, count, Boundary::Constant(number)),
        None => lazy.with_missing()?.moved(axis, count, Boundary::Constant(Number::Real(f64::NAN))),
    }
}

pub(crate) fn pad(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let axis = arguments.axis(lazy)?;
    let lengths = (arguments.count("before")?.unwrap_or(0), arguments.count("behind")?.unwrap_or(0));
    let boundary = arguments.boundary("boundary", "fill_value", lazy.dtype())?;
    lazy.pad(axis, lengths, boundary.unwrap_or(Boundary::Constant(Number::Whole(0))))
}

pub(crate) fn rolling(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let ((axes, widths), aggregate) = (arguments.widths(lazy)?, arguments.aggregate()?);
    let (center, min_count) = (arguments.truth("center")?, arguments.count("min_count")?);
    let boundary = arguments.boundary("boundary", "fill_value", lazy.dtype())?;
    if let Some(weights) = arguments.reals("weights")? {
        let is_mean = match (aggregate, min_count, &axes[..]) {
            (Aggregate::Sum, None, [_]) => false,
            (Aggregate::Mean, None, [_]) => true,
            _ => {
                return Err(Error::unsupported(
                    "weights but for sums and means along one axis, without min_count=",
                ));
            }
        };
        let rolling = Rolling { width: widths[0], center, min_count, boundary };
        return lazy.rolling_weighed(axes[0], &rolling, &weights, is_mean);
    }
    let of = |k: usize, min_count| Rolling { width: widths[k], center, min_count, boundary };
    let fewest = |k: usize| of(k, None).fewest(lazy.domain().shape()[axes[k]]);
    let Some(constant) = boundary.filter(|boundary| boundary.is_constant() && axes.len() > 1) else {
        return over_axes(lazy, &axes, (aggregate, min_count), &fewest, &|lazy, k, aggregate, min_count| {
            lazy.rolling(axes[k], &of(k, min_count), aggregate)
        });
    };
    // What windows along one axis become is not the constant beyond the ends of the next one.
    let mut wide = lazy.converted(aggregate.merged(lazy.dtype()))?;
    for (k, &axis) in axes.iter().enumerate() {
        of(k, None).expect_valid()?;
        let before = of(k, None).before() as u64;
        wide = wide.pad(axis, (before, widths[k] - 1 - before), constant)?;
    }
    over_axes(&wide, &axes, (aggregate, min_count), &fewest, &|wide, k, aggregate, min_count| {
        let rolling = Rolling { boundary: None, ..of(k, min_count) };
        wide.rolling_over(axes[k], lazy.domain().range(axes[k]), &rolling, aggregate)
    })
}

pub(crate) fn coarsen(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let ((axes, widths), aggregate) = (arguments.widths(lazy)?, arguments.aggregate()?);
    let ends = arguments.text("ends")?.map_or(Ok(Ends::Exact), |name| Ends::named(&name))?;
    let anchor = arguments.text("anchor")?.map_or(Ok(Anchor::Coordinate), |name| Anchor::named(&name))?;
    let min_count = arguments.count("min_count")?;
    let fewest = |k: usize| fewest(&lazy.domain().range(axes[k]), widths[k], ends, anchor);
    over_axes(lazy, &axes, (aggregate, min_count), &fewest, &|lazy, k, aggregate, min_count| {
        lazy.coarsen(axes[k], widths[k], ends, anchor, min_count, aggregate)
    })
}

/// What windows along an axis, by its place among some, become.
type OverAxis<'a> = dyn Fn(&Lazy, usize, Aggregate, Option<u64>) -> Result<Lazy> + 'a;

/// What windows over several axes become: along one after the other. `fewest` says how many elements the smallest window along each has.
fn over_axes(
    lazy: &Lazy,
    axes: &[usize],
    (aggregate, min_count): (Aggregate, Option<u64>),
    fewest: &dyn Fn(usize) -> u64,
    one: &OverAxis<'_>,
) -> Result<Lazy> {
    if axes.len() == 1 {
        return one(lazy, 0, aggregate, min_count);
    }
    let mut order: Vec<usize> = (0..axes.len()).collect();
    if matches!(aggregate, Aggregate::First | Aggregate::Last) {
        // The first that is no NaN in C order: along the last axis before all others.
        order.sort_by_key(|&k| std::cmp::Reverse(axes[k]));
    }
    let chain = |of: &Lazy, first: Aggregate, then: Aggregate, min_count: Option<u64>| {
        let rest = |of: Lazy, k: &usize| one(&of, *k, then, min_count);
        order[1..].iter().try_fold(one(of, order[0], first, min_count)?, rest)
    };
    let wide = || lazy.converted(DataType::F64);
    let narrow = |made: Lazy| match lazy.dtype().is_float() {
        true => made.converted(lazy.dtype()),
        false => Ok(made),
    };
    let Some(min_count) = min_count.filter(|_| !matches!(aggregate, Aggregate::Any | Aggregate::All)) else {
        return match aggregate {
            Aggregate::Var(_) | Aggregate::Std(_) | Aggregate::Median | Aggregate::Quantile(_) => {
                Err(Error::unsupported(format!("{} in windows over several axes", aggregate.name())))
            }
            Aggregate::Count => chain(lazy, Aggregate::Count, Aggregate::Sum, Some(0)),
            Aggregate::Mean => narrow(chain(&wide()?, aggregate, aggregate, None)?),
            Aggregate::Sum | Aggregate::Product if lazy.dtype().is_float() => {
                narrow(chain(&wide()?, aggregate, aggregate, None)?)
            }
            _ => chain(lazy, aggregate, aggregate, min_count),
        };
    };
    let is_exact = !(lazy.dtype().is_float() || aggregate.is_real() || aggregate == Aggregate::Count);
    if is_exact && (0..axes.len()).map(fewest).fold(1, u64::saturating_mul) >= min_count {
        return chain(lazy, aggregate, aggregate, Some(0));
    }
    let count = chain(lazy, Aggregate::Count, Aggregate::Sum, Some(0))?;
    let made = match aggregate {
        Aggregate::Count => return Ok(count),
        Aggregate::Var(_) | Aggregate::Std(_) | Aggregate::Median | Aggregate::Quantile(_) => {
            return Err(Error::unsupported(format!("{} in windows over several axes", aggregate.name())));
        }
        Aggregate::Mean => {
            let sum = chain(&wide()?, Aggregate::Sum, Aggregate::Sum, Some(0))?;
            Lazy::apply(Function::Divide, &[(&sum).into(), (&count).into()])?
        }
        Aggregate::Sum | Aggregate::Product => chain(&wide()?, aggregate, aggregate, Some(0))?,
        _ => chain(&wide()?, aggregate, aggregate, Some(1))?,
    };
    let enough =
        Lazy::apply(Function::GreaterEqual, &[(&count).into(), Literal::Whole(min_count.into()).into()])?;
    narrow(Lazy::apply(Function::Where, &[(&enough).into(), (&made).into(), f64::NAN.into()])?)
}

/// How many elements the smallest window has that lies behind others.
fn fewest(axis: &Range<i64>, width: u64, ends: Ends, anchor: Anchor) -> u64 {
    let (length, wide) = (axis.end.abs_diff(axis.start), i64::try_from(width).unwrap_or(i64::MAX).max(1));
    if ends != Ends::Pad {
        return width;
    }
    let first = if anchor == Anchor::First { 0 } else { axis.start.rem_euclid(wide).unsigned_abs() };
    let last = first.saturating_add(length) % wide.unsigned_abs();
    let last = if last == 0 { width } else { last };
    length.min(width.saturating_sub(first)).min(last)
}

pub(crate) fn ranges(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let (axis, aggregate) = (arguments.axis(lazy)?, arguments.aggregate()?);
    let missing = || Error::invalid("starts= and stops= are lists of as many coordinates");
    let starts = arguments.wholes("starts")?.ok_or_else(missing)?;
    let stops = arguments.wholes("stops")?.filter(|stops| stops.len() == starts.len()).ok_or_else(missing)?;
    let ranges: Vec<_> = starts.iter().zip(&stops).map(|(&start, &stop)| start..stop).collect();
    lazy.over_ranges(axis, &ranges, arguments.count("min_count")?, aggregate)
}
