//! Filters, as functions that are called by name.

use crate::base::error::{Error, Result};
use crate::compute::boundary::Boundary;
use crate::compute::expr::Lazy;
use crate::compute::filters::Gaussian;
use crate::compute::footprint::{Around, Footprint};
use crate::compute::named::{Argument, Arguments};
use crate::compute::number::Number;
use crate::compute::types::Literal;

/// Axes, boundary and origin.
fn around(lazy: &Lazy, arguments: &mut Arguments, usual: Boundary) -> Result<Around> {
    let boundary = arguments.boundary("boundary", "fill_value", lazy.dtype())?.unwrap_or(usual);
    let mut around = Around::space(lazy, boundary);
    if let Some(axes) = arguments.axes(lazy, "axes")? {
        around.axes = axes.to_vec();
    }
    around.origin = each(arguments.wholes("origin")?.unwrap_or_default(), around.axes.len(), "origin")?;
    Ok(around)
}

/// As many as there are axes, of one or of as many.
fn each<T: Clone>(given: Vec<T>, axes: usize, name: &str) -> Result<Vec<T>> {
    match &given[..] {
        [] => Ok(given),
        [one] => Ok(vec![one.clone(); axes]),
        all if all.len() == axes => Ok(given),
        _ => Err(Error::invalid(format!("{name}= has {} entries for {axes} axes", given.len()))),
    }
}

/// The sizes of a box, or the elements of a footprint.
enum Shape {
    Sizes(Vec<u64>),
    Some(Footprint),
}

impl Shape {
    fn of(arguments: &mut Arguments, axes: usize) -> Result<Self> {
        let sizes = arguments.wholes("size")?;
        match (sizes, arguments.take("footprint")) {
            (Some(sizes), None) => {
                let size = |one: i64| u64::try_from(one).map_err(|_| Error::invalid("size= is negative"));
                let sizes = sizes.into_iter().map(size).collect::<Result<Vec<_>>>()?;
                Ok(Self::Sizes(each(sizes, axes, "size")?))
            }
            (None, Some(footprint)) => {
                let (shape, elements) = nested(&footprint, "footprint")?;
                let is_in: Vec<bool> = elements.iter().map(|&element| element != 0.0).collect();
                Ok(Self::Some(Footprint::new(&shape, &is_in)?))
            }
            _ => Err(Error::invalid("either size= or footprint= is needed")),
        }
    }

    fn footprint(self) -> Result<Footprint> {
        match self {
            Self::Sizes(sizes) => Footprint::full(&sizes),
            Self::Some(footprint) => Ok(footprint),
        }
    }
}

/// The shape of lists within lists, and their numbers in C order.
fn nested(argument: &Argument, name: &str) -> Result<(Vec<u64>, Vec<f64>)> {
    let uneven = || Error::invalid(format!("{name}= has lists of several lengths"));
    match argument {
        Argument::List(all) if all.iter().all(|one| matches!(one, Argument::List(_))) && !all.is_empty() => {
            let mut parts = all.iter().map(|one| nested(one, name));
            let (shape, mut elements) = parts.next().ok_or_else(uneven)??;
            for part in parts {
                let (other, more) = part?;
                if other != shape {
                    return Err(uneven());
                }
                elements.extend(more);
            }
            Ok(([&[all.len() as u64], &shape[..]].concat(), elements))
        }
        Argument::List(all) => {
            let number = |one: &Argument| match one {
                Argument::Literal(Literal::Bool(truth)) => Ok(f64::from(u8::from(*truth))),
                other => other.real(name),
            };
            Ok((vec![all.len() as u64], all.iter().map(number).collect::<Result<_>>()?))
        }
        _ => Err(Error::invalid(format!("{name}= is a list, of as many axes as the filter has"))),
    }
}

pub(crate) fn uniform_filter(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let around = around(lazy, arguments, Boundary::Reflect)?;
    match Shape::of(arguments, around.axes.len())? {
        Shape::Sizes(sizes) => lazy.uniform_filter(&sizes, &around),
        Shape::Some(_) => Err(Error::unsupported("a footprint of uniform_filter; take correlate")),
    }
}

pub(crate) fn minimum_filter(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let around = around(lazy, arguments, Boundary::Reflect)?;
    match Shape::of(arguments, around.axes.len())? {
        Shape::Sizes(sizes) => lazy.minimum_filter(&sizes, &around),
        Shape::Some(footprint) => lazy.extreme_in(&footprint, &around, false),
    }
}

pub(crate) fn maximum_filter(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let around = around(lazy, arguments, Boundary::Reflect)?;
    match Shape::of(arguments, around.axes.len())? {
        Shape::Sizes(sizes) => lazy.maximum_filter(&sizes, &around),
        Shape::Some(footprint) => lazy.extreme_in(&footprint, &around, true),
    }
}

pub(crate) fn median_filter(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let around = around(lazy, arguments, Boundary::Reflect)?;
    lazy.median_filter(&Shape::of(arguments, around.axes.len())?.footprint()?, &around)
}

pub(crate) fn percentile_filter(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let around = around(lazy, arguments, Boundary::Reflect)?;
    let footprint = Shape::of(arguments, around.axes.len())?.footprint()?;
    let percentile = arguments.real("percentile")?.ok_or_else(|| Error::invalid("percentile= is missing"))?;
    let percentile = if percentile < 0.0 { percentile + 100.0 } else { percentile };
    if !(0.0..=100.0).contains(&percentile) {
        return Err(Error::invalid(format!("percentile={percentile}")));
    }
    let count = footprint.places().len();
    let rank = ((count as f64 * percentile / 100.0) as usize).min(count - 1);
    lazy.rank_filter(&footprint, rank, &around)
}

pub(crate) fn rank_filter(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let around = around(lazy, arguments, Boundary::Reflect)?;
    let footprint = Shape::of(arguments, around.axes.len())?.footprint()?;
    let rank = arguments.whole("rank")?.ok_or_else(|| Error::invalid("rank= is missing"))?;
    let from_end = if rank < 0 { rank + footprint.places().len() as i64 } else { rank };
    let rank = usize::try_from(from_end).map_err(|_| Error::invalid(format!("rank={rank}")))?;
    lazy.rank_filter(&footprint, rank, &around)
}

pub(crate) fn gaussian_filter(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let around = around(lazy, arguments, Boundary::Reflect)?;
    let axes = around.axes.len();
    let sigmas = arguments.reals("sigma")?.ok_or_else(|| Error::invalid("sigma= is missing"))?;
    let sigmas = each(sigmas, axes, "sigma")?;
    let orders = each(arguments.wholes("order")?.unwrap_or_else(|| vec![0]), axes, "order")?;
    let truncate = arguments.real("truncate")?.unwrap_or(4.0);
    let radii = each(arguments.wholes("radius")?.unwrap_or_default(), axes, "radius")?;
    let one = |number: usize| {
        let wrong = |_| Error::invalid("order= and radius= are not negative");
        let sigma = sigmas[number];
        let radius = radii.get(number).map_or(Ok((truncate * sigma + 0.5) as u64), |&one| u64::try_from(one));
        Ok(Gaussian {
            sigma,
            order: u32::try_from(orders[number]).map_err(wrong)?,
            radius: Some(radius.map_err(wrong)?),
        })
    };
    lazy.gaussian_filter(&(0..axes).map(one).collect::<Result<Vec<_>>>()?, &around)
}

pub(crate) fn gaussian_gradient_magnitude(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let around = around(lazy, arguments, Boundary::Reflect)?;
    let axes = around.axes.len();
    let sigmas = arguments.reals("sigma")?.ok_or_else(|| Error::invalid("sigma= is missing"))?;
    let sigmas = each(sigmas, axes, "sigma")?;
    let along = |axis: usize| {
        let one = |(number, &sigma): (usize, &f64)| Gaussian {
            sigma,
            order: u32::from(number == axis),
            radius: None,
        };
        lazy.gaussian_filter(&sigmas.iter().enumerate().map(one).collect::<Vec<_>>(), &around)
    };
    Lazy::magnitude(&(0..axes).map(along).collect::<Result<Vec<_>>>()?)
}

/// Weights of as many axes as the filter has; or of one, if an axis is named.
fn weights(lazy: &Lazy, arguments: &mut Arguments) -> Result<(Vec<u64>, Vec<f64>, Around)> {
    let around = around(lazy, arguments, Boundary::Reflect)?;
    let (shape, weights) = nested(&arguments.needed("weights")?, "weights")?;
    Ok((shape, weights, around))
}

pub(crate) fn correlate(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let (shape, weights, around) = weights(lazy, arguments)?;
    match (&shape[..], &around.axes[..]) {
        ([_], [_]) => lazy.correlate_along(&weights, &around),
        _ => lazy.correlate(&shape, &weights, &around),
    }
}

pub(crate) fn convolve(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let (shape, weights, around) = weights(lazy, arguments)?;
    match (&shape[..], &around.axes[..]) {
        ([_], [_]) => {
            let backward: Vec<f64> = weights.iter().rev().copied().collect();
            lazy.correlate_along(&backward, &around.reversed(&shape))
        }
        _ => lazy.convolve(&shape, &weights, &around),
    }
}

pub(crate) fn sobel(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let axis = arguments.axis(lazy)?;
    lazy.sobel(axis, [1.0, 2.0, 1.0], &around(lazy, arguments, Boundary::Reflect)?)
}

pub(crate) fn prewitt(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let axis = arguments.axis(lazy)?;
    lazy.sobel(axis, [1.0, 1.0, 1.0], &around(lazy, arguments, Boundary::Reflect)?)
}

pub(crate) fn laplace(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    lazy.laplace(&around(lazy, arguments, Boundary::Reflect)?)
}

/// A footprint, the cross if none is given, and how often.
fn shaped(lazy: &Lazy, arguments: &mut Arguments) -> Result<(Footprint, u64, Around)> {
    let around = around(lazy, arguments, Boundary::Constant(Number::Whole(0)))?;
    let is_given = arguments.has("size") || arguments.has("footprint");
    let footprint = match is_given {
        true => Shape::of(arguments, around.axes.len())?.footprint()?,
        false => Footprint::cross(around.axes.len()),
    };
    Ok((footprint, arguments.count("iterations")?.unwrap_or(1), around))
}

pub(crate) fn erosion(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let (footprint, iterations, around) = shaped(lazy, arguments)?;
    (0..iterations).try_fold(lazy.clone(), |lazy, _| lazy.erosion(&footprint, &around))
}

pub(crate) fn dilation(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let (footprint, iterations, around) = shaped(lazy, arguments)?;
    (0..iterations).try_fold(lazy.clone(), |lazy, _| lazy.dilation(&footprint, &around))
}
