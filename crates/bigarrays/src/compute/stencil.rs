//! Filters over boxes: rows of a block, and the rows around each.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::boundary::Boundary;
use crate::compute::dense::{Given, Kernel};
use crate::compute::expr::Lazy;
use crate::compute::fields::{counts, damaged, expect, flags, inner, position, positions, reals};
use crate::compute::footprint::{Around, Footprint};
use crate::compute::kernels::around::{Rank, dilate_labels, erode_labels, extreme, weigh};
use crate::compute::kernels::monoid::{Ordered, Real};
use crate::compute::operation::Operation;
use crate::compute::site::Site;
use crate::compute::windowed::Bound;
use crate::compute::windows::Windows;
use crate::run::interrupt::check_interrupt;

/// What a filter makes of the elements of its footprint.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    /// Their sum, each times its weight.
    Weighed(Arc<[f64]>),
    /// The one of this rank, from 0.
    Rank(usize),
    Least,
    Most,
    /// The label of an element if all have it, and 0 else.
    Erode,
    /// The label of an element, or if it is 0 the largest.
    Dilate,
}

impl Filter {
    fn config(&self) -> Config {
        match self {
            Self::Weighed(weights) => Config::new("weighed").with("weights", &weights[..]),
            Self::Rank(rank) => Config::new("rank").with("rank", *rank),
            Self::Least => Config::new("least"),
            Self::Most => Config::new("most"),
            Self::Erode => Config::new("erode"),
            Self::Dilate => Config::new("dilate"),
        }
    }

    /// The one of a configuration, of so many elements.
    fn read((name, config): (&str, &Value), count: usize) -> Result<Self> {
        Ok(match name {
            "weighed" => {
                let weights = reals(config, "weights")?;
                expect(weights.len() == count)?;
                Self::Weighed(weights.into())
            }
            "rank" => {
                let rank = position(config, "rank")?;
                expect(rank < count)?;
                Self::Rank(rank)
            }
            "least" => Self::Least,
            "most" => Self::Most,
            "erode" => Self::Erode,
            "dilate" => Self::Dilate,
            _ => return Err(damaged()),
        })
    }
}

/// What a filter makes of an expression.
///
/// # Errors
/// `InvalidArgument` for axes that do not fit to the footprint.
pub(crate) fn filtered(
    name: &'static str,
    lazy: &Lazy,
    footprint: &Footprint,
    around: &Around,
    filter: Filter,
) -> Result<Lazy> {
    let during = |error: Error| error.during(name);
    around.expect(lazy).map_err(during)?;
    if footprint.shape().len() != around.axes.len() {
        let (shape, axes) = (footprint.shape(), around.axes.len());
        return Err(during(Error::invalid(format!("a footprint of shape {shape:?} over {axes} axes"))));
    }
    if lazy.dtype() == DataType::F16 {
        let wide = lazy.converted(DataType::F32)?;
        return filtered(name, &wide, footprint, around, filter)?.converted(DataType::F16);
    }
    let lazy = match filter {
        Filter::Weighed(_) if !lazy.dtype().is_float() => &lazy.converted(DataType::F64)?,
        _ => lazy,
    };
    let loops: Vec<Range<i64>> = lazy.domain().ranges().collect();
    let all: Vec<Bound> = (0..lazy.ndim()).map(|axis| (axis, Windows::Each)).collect();
    let axes = windows(lazy, footprint, around).map_err(during)?;
    let kernel = kernel((lazy.dtype(), lazy.ndim()), footprint, around, filter).map_err(during)?;
    Operation::over(&loops).input(lazy, &axes).output(lazy.dtype(), &all).kernel(name, kernel)
}

/// The windows of an expression, of which each of the axes belongs to one of the footprint.
fn windows(lazy: &Lazy, footprint: &Footprint, around: &Around) -> Result<Vec<Bound>> {
    let mut axes: Vec<Bound> = (0..lazy.ndim()).map(|axis| (axis, Windows::Each)).collect();
    for (number, &axis) in around.axes.iter().enumerate() {
        let size = footprint.shape()[number];
        axes[axis].1 = around.window(number, size, &lazy.domain().range(axis))?;
    }
    Ok(axes)
}

/// The kernel of a filter, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let (_, over) = inner(config, "over")?;
    let footprint = Footprint::new(&counts(over, "shape")?, &flags(over, "elements")?)?;
    let filter = Filter::read(inner(config, "by")?, footprint.places().len())?;
    let axes = positions(config, "axes")?.to_vec();
    let half = |(&center, &size): (&u64, &u64)| (center as i64).checked_sub((size / 2) as i64);
    let center = counts(config, "center")?;
    expect(axes.len() == footprint.shape().len() && axes.len() == center.len())?;
    let origin: Option<Vec<i64>> = center.iter().zip(footprint.shape()).map(half).collect();
    // What lies beyond the ends is said once, by the windows.
    let boundary = site.windows.iter().flatten().find_map(|bound| bound.1.boundary());
    let boundary = boundary.unwrap_or(Boundary::Nearest);
    let around = Around { axes, boundary, origin: origin.ok_or_else(damaged)? };
    let lazy = site.one(&[])?;
    around.expect(lazy)?;
    site.expect(0, &windows(lazy, &footprint, &around)?)?;
    expect(lazy.ndim() == site.loops.ndim())?;
    expect(!matches!(filter, Filter::Weighed(_)) || matches!(site.dtype, DataType::F32 | DataType::F64))?;
    kernel((site.dtype, lazy.ndim()), &footprint, &around, filter)
}

fn kernel(
    (dtype, ndim): (DataType, usize),
    footprint: &Footprint,
    around: &Around,
    filter: Filter,
) -> Result<Arc<dyn Kernel>> {
    use DataType::{Bool, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
    fn of<T: Ordered + 'static>(at: At) -> Arc<dyn Kernel> {
        Arc::new(Stencil { at, of: PhantomData::<T> })
    }
    let (axes, footprint) = (around.axes.iter().copied().collect(), footprint.clone());
    let rank = if let Filter::Rank(rank) = filter {
        Some(Rank::new(&in_order(&footprint, around, ndim), rank))
    } else {
        None
    };
    let center = around.axes.iter().enumerate();
    let center =
        center.map(|(at, _)| (footprint.shape()[at] as i64 / 2 + around.origin(at)) as u64).collect();
    let at = At { axes, footprint, filter, rank, center };
    Ok(match (&at.filter, dtype) {
        (Filter::Weighed(_), F32) => Arc::new(Weighed { at, of: PhantomData::<f32> }),
        (Filter::Weighed(_), _) => Arc::new(Weighed { at, of: PhantomData::<f64> }),
        (_, U8 | Bool) => of::<u8>(at),
        (_, U16) => of::<u16>(at),
        (_, U32) => of::<u32>(at),
        (_, U64) => of::<u64>(at),
        (_, I8) => of::<i8>(at),
        (_, I16) => of::<i16>(at),
        (_, I32) => of::<i32>(at),
        (_, I64) => of::<i64>(at),
        (_, F32) => of::<f32>(at),
        (_, F64) => of::<f64>(at),
        _ => return Err(Error::unsupported(format!("a filter of {dtype} elements"))),
    })
}

/// The last axis of a filter, among those of its footprint: rows go along it.
fn last(axes: &[usize]) -> usize {
    axes.iter().enumerate().max_by_key(|(_, axis)| **axis).map_or(0, |(number, _)| number)
}

/// How many columns a footprint has that neighbours along the last axis share, and how many elements each of them: one that has
/// all if none are shared.
fn in_order(footprint: &Footprint, around: &Around, ndim: usize) -> (usize, usize) {
    let count = footprint.places().len();
    let is_shared = footprint.is_full() && around.axes.iter().any(|axis| axis + 1 == ndim);
    match footprint.shape().get(last(&around.axes)) {
        Some(&along) if is_shared => (along as usize, count / along as usize),
        _ => (1, count),
    }
}

/// Where a filter is.
struct At {
    axes: Dims<usize>,
    footprint: Footprint,
    filter: Filter,
    rank: Option<Rank>,
    /// The place of an element in its own footprint.
    center: Dims<u64>,
}

/// The number of rows after which somebody is asked whether the work is to stop.
const ASKED: usize = 32;

/// The rows of a block, and where in its input the elements around them are.
struct Rows {
    /// The lengths of the axes before the one that rows go along, and how far apart elements are that follow each other along
    /// them, in the input and in the result.
    axes: Vec<(usize, usize, usize)>,
    /// Elements of a row of the result.
    length: usize,
    /// How far elements are from the first, for each of the footprint, the ones along the last axis first; and for the element itself.
    offsets: Vec<usize>,
    center: usize,
    /// How far apart elements are that follow each other along the last axis of the filter.
    inner: usize,
}

impl At {
    fn rows(&self, steps: &Domain, input: &Domain) -> Rows {
        let along = self.axes.iter().copied().max().unwrap_or(0);
        let strides = |shape: &[u64]| {
            let mut strides = vec![1usize; shape.len()];
            (0..shape.len().saturating_sub(1))
                .rev()
                .for_each(|axis| strides[axis] = strides[axis + 1] * shape[axis + 1] as usize);
            strides
        };
        let (from, to) = (strides(input.shape()), strides(steps.shape()));
        let axes = (0..along).map(|axis| (steps.shape()[axis] as usize, from[axis], to[axis])).collect();
        let offset = |place: &Dims<u64>| {
            place.iter().zip(&self.axes).map(|(&at, &axis)| at as usize * from[axis]).sum()
        };
        let mut places = self.footprint.places();
        // Those that differ along the last axis alone are of one column after the other.
        let last = last(&self.axes);
        if self.footprint.is_full() && self.rank.is_some() {
            places.sort_by_key(|place| place.get(last).copied());
        }
        Rows {
            axes,
            length: steps.shape().get(along).map_or(1, |&length| length as usize * to[along]),
            offsets: places.iter().map(offset).collect(),
            center: offset(&self.center),
            inner: from.get(along).copied().unwrap_or(1),
        }
    }

    fn config(&self) -> Config {
        Config::new("filter")
            .with("by", self.filter.config())
            .with("over", self.footprint.config())
            .with("axes", self.axes.iter().copied().collect::<Parameter>())
            .with("center", &self.center[..])
    }
}

impl Rows {
    /// Calls `work` with the places of the first element of each row: in the input, of the first element of the footprint, and in
    /// the result.
    ///
    /// # Errors
    /// `Cancelled`.
    fn each(&self, work: &mut dyn FnMut(usize, usize)) -> Result<()> {
        let count: usize = self.axes.iter().map(|axis| axis.0).product();
        for number in 0..count {
            let (mut rest, mut from, mut to) = (number, 0, 0);
            for (length, source, target) in self.axes.iter().rev() {
                let at = rest % length;
                rest /= length;
                from += at * source;
                to += at * target;
            }
            if number % ASKED == 0 {
                check_interrupt()?;
            }
            work(from, to);
        }
        Ok(())
    }
}

/// A filter of elements of a type.
struct Stencil<T> {
    at: At,
    of: PhantomData<T>,
}

impl<T: Ordered> Kernel for Stencil<T> {
    fn config(&self) -> Config {
        self.at.config()
    }

    fn scratch(&self, _: &[u64]) -> u64 {
        self.at.rank.as_ref().map_or(0, |rank| rank.scratch(size_of::<T>()))
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let [input] = inputs else { return Ok(()) };
        if steps.is_empty() {
            return Ok(());
        }
        let rows = self.at.rows(steps, input.domain);
        let (elements, out): (&[T], &mut [T]) = (input.elements(), bytemuck::cast_slice_mut(out));
        let mut memory = self.at.rank.as_ref().map(|rank| rank.memory::<T>());
        rows.each(&mut |from, to| {
            let (given, out) = (&elements[from..], &mut out[to..to + rows.length]);
            match (&self.at.filter, &self.at.rank, &mut memory) {
                (Filter::Rank(_), Some(rank), Some(memory)) => {
                    rank.row(given, &rows.offsets, rows.inner, memory, out);
                }
                (Filter::Least, ..) => extreme::<T, false>(given, &rows.offsets, out),
                (Filter::Most, ..) => extreme::<T, true>(given, &rows.offsets, out),
                (Filter::Erode, ..) => erode_labels(given, &rows.offsets, rows.center, out),
                (Filter::Dilate, ..) => dilate_labels(given, &rows.offsets, rows.center, out),
                _ => {}
            }
        })
    }
}

/// A filter with weights.
struct Weighed<R> {
    at: At,
    of: PhantomData<R>,
}

impl<R: Real> Kernel for Weighed<R> {
    fn config(&self) -> Config {
        self.at.config()
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let ([input], Filter::Weighed(weights)) = (inputs, &self.at.filter) else { return Ok(()) };
        if steps.is_empty() {
            return Ok(());
        }
        let rows = self.at.rows(steps, input.domain);
        let (elements, out): (&[R], &mut [R]) = (input.elements(), bytemuck::cast_slice_mut(out));
        rows.each(&mut |from, to| {
            weigh(&elements[from..], &rows.offsets, weights, &mut out[to..to + rows.length]);
        })
    }
}
