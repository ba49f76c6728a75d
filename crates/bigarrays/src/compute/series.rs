//! What is done along an axis as along a series: running sums and the like, differences, and moves.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::array::Index;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::Config;
use crate::compute::aggregate::{Aggregate, Enough, Windowing};
use crate::compute::boundary::Boundary;
use crate::compute::dense::{Given, Kernel};
use crate::compute::expr::Lazy;
use crate::compute::fields::{count, damaged, expect, position, text};
use crate::compute::function::Function;
use crate::compute::kernels::monoid::{Extreme, LastNumber, Ordered, Product, Sum, WholeProduct, WholeSum};
use crate::compute::kernels::scan::{At, Running, running};
use crate::compute::lines::{Shape, along};
use crate::compute::number::Number;
use crate::compute::operation::Operation;
use crate::compute::scanning::Segments;
use crate::compute::site::Site;
use crate::compute::types::is_signed;
use crate::compute::windows::Windows;

/// Elements of a segment. What all elements of each segment come to is held for all of an axis that is longer.
const SEGMENT: u64 = 128;

/// The longest axis that is one segment.
const WHOLE: u64 = 256;

/// What elements up to each become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cumulative {
    /// Their sum; that of small whole numbers in 64 bits.
    Sum,
    /// Their product; that of small whole numbers in 64 bits.
    Product,
    /// The least; NaN from the first NaN on.
    Min,
    /// The largest; NaN from the first NaN on.
    Max,
    /// The last that is not NaN.
    Last,
}

impl Cumulative {
    const ALL: [Self; 5] = [Self::Sum, Self::Product, Self::Min, Self::Max, Self::Last];

    fn name(self) -> &'static str {
        match self {
            Self::Sum => "cumsum",
            Self::Product => "cumprod",
            Self::Min => "cummin",
            Self::Max => "cummax",
            Self::Last => "ffill",
        }
    }

    /// The type of the states of elements of a type, as which they are merged.
    fn state(self, dtype: DataType) -> DataType {
        match (self, dtype) {
            (Self::Sum | Self::Product, float) if float.is_float() => DataType::F64,
            (Self::Sum | Self::Product, signed) if is_signed(signed) || signed == DataType::Bool => {
                DataType::I64
            }
            (Self::Sum | Self::Product, _) => DataType::U64,
            (_, DataType::F16) => DataType::F32,
            (_, other) => other,
        }
    }

    /// What all elements of a segment become.
    fn of_segment(self) -> (Aggregate, Enough) {
        match self {
            Self::Sum => (Aggregate::Sum, Enough::All),
            Self::Product => (Aggregate::Product, Enough::All),
            Self::Min => (Aggregate::Min, Enough::All),
            Self::Max => (Aggregate::Max, Enough::All),
            Self::Last => (Aggregate::Last, Enough::Numbers(1)),
        }
    }

    /// The state of no elements.
    fn none(self, dtype: DataType) -> Number {
        let (least, most) = crate::compute::types::range(dtype);
        match self {
            Self::Sum => Number::Whole(0),
            Self::Product => Number::Whole(1),
            Self::Min if dtype.is_float() => Number::Real(f64::INFINITY),
            Self::Max if dtype.is_float() => Number::Real(f64::NEG_INFINITY),
            Self::Min => Number::Whole(most),
            Self::Max => Number::Whole(least),
            Self::Last => Number::Real(f64::NAN),
        }
    }

    fn kernel(self, axis: usize, segment: u64, origin: i64, dtype: DataType) -> Result<Arc<dyn Kernel>> {
        use DataType::{Bool, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
        let at = Series { name: self.name(), axis, segment, origin, dtype };
        let none = || Error::unsupported(format!("{} of {dtype}", self.name()));
        Ok(match (self, dtype) {
            (Self::Sum, F64) => at.of(Sum::<f64>(PhantomData)),
            (Self::Product, F64) => at.of(Product::<f64>(PhantomData)),
            (Self::Sum, I64 | U64) => at.of(WholeSum),
            (Self::Product, I64 | U64) => at.of(WholeProduct),
            (Self::Last, F32) => at.of(LastNumber::<f32>(PhantomData)),
            (Self::Last, F64) => at.of(LastNumber::<f64>(PhantomData)),
            (Self::Min | Self::Max, F32) => at.extreme::<f32>(self),
            (Self::Min | Self::Max, F64) => at.extreme::<f64>(self),
            (Self::Min | Self::Max, I8) => at.extreme::<i8>(self),
            (Self::Min | Self::Max, I16) => at.extreme::<i16>(self),
            (Self::Min | Self::Max, I32) => at.extreme::<i32>(self),
            (Self::Min | Self::Max, I64) => at.extreme::<i64>(self),
            (Self::Min | Self::Max, U8 | Bool) => at.extreme::<u8>(self),
            (Self::Min | Self::Max, U16) => at.extreme::<u16>(self),
            (Self::Min | Self::Max, U32) => at.extreme::<u32>(self),
            (Self::Min | Self::Max, U64) => at.extreme::<u64>(self),
            _ => return Err(none()),
        })
    }
}

/// Where elements up to each are merged.
#[derive(Clone, Copy)]
struct Series {
    name: &'static str,
    axis: usize,
    segment: u64,
    /// The first coordinate of the axis.
    origin: i64,
    /// The type of states.
    dtype: DataType,
}

impl Series {
    fn of<M: Running + Clone + 'static>(self, of: M) -> Arc<dyn Kernel> {
        Arc::new(Scanning { of, at: self })
    }

    fn extreme<T: Ordered + 'static>(self, of: Cumulative) -> Arc<dyn Kernel> {
        match of {
            Cumulative::Min => self.of(Extreme::<T, false>(PhantomData)),
            _ => self.of(Extreme::<T, true>(PhantomData)),
        }
    }
}

struct Scanning<M> {
    of: M,
    at: Series,
}

/// Lines side by side.
const MOST: usize = 1024;

impl<M: Running + Clone + 'static> Kernel for Scanning<M> {
    fn config(&self) -> Config {
        Config::new("running")
            .with("of", self.at.name)
            .with("axis", self.at.axis)
            .with("segment", self.at.segment)
    }

    fn of_whole_axis(&self, dtype: DataType) -> Option<(usize, Arc<dyn Kernel>)> {
        let Series { name, axis, segment, .. } = self.at;
        if segment != SEGMENT {
            return None;
        }
        let of = Cumulative::ALL.into_iter().find(|of| of.name() == name)?;
        let segments = Segments { name, axis, segment, whole: WHOLE };
        let narrow = |one: f64| one as f32;
        let kernel = match (of, dtype) {
            (Cumulative::Sum, DataType::F32) => segments.kernel(Sum::<f64>(PhantomData), f64::from, narrow),
            (Cumulative::Product, DataType::F32) => {
                segments.kernel(Product::<f64>(PhantomData), f64::from, narrow)
            }
            _ if dtype == self.at.dtype => {
                segments.kernel(self.of.clone(), std::convert::identity, std::convert::identity)
            }
            _ => return None,
        };
        Some((axis, kernel))
    }

    fn scratch(&self, steps: &[u64]) -> u64 {
        steps[self.at.axis]
            .saturating_add(self.at.segment)
            .saturating_mul(3 * 32 * 8)
            .saturating_add(8 * MOST as u64)
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let axis = self.at.axis;
        let from_first = |at: i64| at.abs_diff(self.at.origin);
        let Some(first) = inputs.first() else { return Ok(()) };
        let at = At {
            first: from_first(first.domain.origin()[axis]),
            wanted: from_first(steps.origin()[axis]),
            count: steps.shape()[axis],
            segment: self.at.segment,
            carried: inputs
                .get(1)
                .map_or(0, |before| before.domain.origin()[axis].abs_diff(before.whole.origin()[axis])),
        };
        let given: Vec<(&[M::Element], usize)> =
            inputs.iter().map(|input| (input.elements(), input.domain.shape()[axis] as usize)).collect();
        let mut states = vec![M::NONE; MOST];
        let out: &mut [M::Element] = bytemuck::cast_slice_mut(out);
        along(&given, out, Shape::along(steps.shape(), axis), MOST, &mut |lines, out| {
            running(&self.of, lines, at, &mut states, out);
        })
    }
}

/// The kernel of running sums and the like, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read_running(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let name = text(config, "of")?;
    let of = Cumulative::ALL.into_iter().find(|of| of.name() == name).ok_or_else(damaged)?;
    let (axis, segment) = (position(config, "axis")?, count(config, "segment")?);
    let steps = site.steps(axis)?;
    let Some((first, before)) = site.inputs.split_first() else { return Err(damaged()) };
    expect(
        site.along(0, axis)? == &Windows::Since { every: segment } && first.domain().range(axis) == steps,
    )?;
    expect(before.len() == usize::from(first.domain().shape()[axis] > segment))?;
    if !before.is_empty() {
        expect(site.along(1, axis)? == &Windows::Slow { every: segment })?;
    }
    expect(site.inputs.iter().all(|input| input.dtype() == site.dtype))?;
    of.kernel(axis, segment, steps.start, site.dtype)
}

/// The kernel that moves elements, of its configuration.
///
/// # Errors
/// `InvalidArgument` if it does not fit.
pub(super) fn read_copying(_: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    site.one(&[])?;
    let is_one =
        |windows: &Windows| matches!(windows, Windows::Each | Windows::Reaching { step: 1, width: 1, .. });
    let mut windows = site.windows[0].iter().enumerate();
    expect(site.windows[0].len() == site.loops.ndim())?;
    expect(windows.all(|(own, (axis, windows))| own == *axis && is_one(windows)))?;
    Ok(Arc::new(Copying))
}

/// The kernel of differences, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read_differing(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let (axis, dtype) = (position(config, "axis")?, site.one(&[])?.dtype());
    let is_pair = matches!(site.along(0, axis)?, Windows::Moving { step: 1, width: 2, clamp: false, .. });
    expect(is_pair && !site.steps(axis)?.is_empty())?;
    Ok(Arc::new(Differing { axis, dtype }))
}

/// The elements as they are, where windows find them.
struct Copying;

impl Kernel for Copying {
    fn config(&self) -> Config {
        Config::new("copy")
    }

    fn run(&self, _: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        if let [input] = inputs {
            out.copy_from_slice(input.bytes);
        }
        Ok(())
    }
}

impl Lazy {
    /// What the elements up to each become along an axis. Elements are merged from the beginning of segments of it on, which follow
    /// from its length alone, so that results are the same bits for every budget. What is longer than a segment is read
    /// twice: what its segments come to is computed first.
    ///
    /// ```
    /// use bigarrays::compute::{ComputeOptions, Cumulative, Lazy};
    /// use bigarrays::{DataType, Domain};
    ///
    /// let x = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U8, &[3, 9, 4, 7])?;
    /// let sums = x.cumulative(0, Cumulative::Sum)?.compute::<u64>(&ComputeOptions::default())?;
    /// assert_eq!(sums.into_data().into_raw_vec_and_offset().0, [3, 12, 16, 23]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not.
    pub fn cumulative(&self, axis: usize, of: Cumulative) -> Result<Self> {
        let during = |error: Error| error.during(of.name());
        expect_axis(self, axis).map_err(during)?;
        if of == Cumulative::Last && !self.dtype().is_float() {
            return Ok(self.clone());
        }
        let states = self.converted(of.state(self.dtype()))?;
        let made = states.running(axis, of).map_err(during)?;
        if self.dtype().is_float() { made.converted(self.dtype()) } else { Ok(made) }
    }

    fn running(&self, axis: usize, of: Cumulative) -> Result<Self> {
        let range = self.domain().range(axis);
        let length = self.domain().shape()[axis];
        let segment = if length <= WHOLE { length.max(1) } else { SEGMENT };
        let kernel = of.kernel(axis, segment, range.start, self.dtype())?;
        let loops: Vec<Range<i64>> = self.domain().ranges().collect();
        let axes = |windows: &Windows| -> Vec<_> {
            let one = |own: usize| if own == axis { windows.clone() } else { Windows::Each };
            (0..self.ndim()).map(|own| (own, one(own))).collect()
        };
        let mut operation = Operation::over(&loops).input(self, &axes(&Windows::Since { every: segment }));
        if length > segment {
            let (aggregate, enough) = of.of_segment();
            let count = length.div_ceil(segment) as i64;
            let windows =
                Windows::Moving { first: range.start, step: segment as i64, width: segment, clamp: true };
            let windowing = Windowing { name: "segments", axis, steps: 0..count, windows: &windows, enough };
            let totals = windowing.of(self, aggregate)?.kept_in_a_pass(None)?;
            let before =
                totals.running(axis, of)?.moved(axis, 1, Boundary::Constant(of.none(self.dtype())))?;
            operation = operation.input(&before, &axes(&Windows::Slow { every: segment }));
        }
        let all: Vec<_> = (0..self.ndim()).map(|own| (own, Windows::Each)).collect();
        operation.output(self.dtype(), &all).kernel(of.name(), kernel)
    }

    /// The same elements, made in a pass of their own; if they are in a file, in such chunks of it, if there are any.
    pub(super) fn kept_in_a_pass(&self, chunk: Option<Dims<u64>>) -> Result<Self> {
        let loops: Vec<Range<i64>> = self.domain().ranges().collect();
        let all: Vec<_> = (0..self.ndim()).map(|own| (own, Windows::Each)).collect();
        let operation = Operation::over(&loops).input(self, &all).output(self.dtype(), &all);
        let kept = match chunk {
            Some(chunk) => operation.kept_in_chunks(chunk),
            None => operation.kept(),
        };
        kept.kernel("kept", Arc::new(Copying))
    }

    /// The elements along an axis, `before` more before its beginning and `behind` more behind its end, as the boundary says.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not, or coordinates that leave their range.
    pub fn pad(&self, axis: usize, (before, behind): (u64, u64), boundary: Boundary) -> Result<Self> {
        let range = expect_axis(self, axis).map_err(|error| error.during("pad"))?;
        let start = range.start.saturating_sub_unsigned(before);
        self.reached(axis, start..range.end.saturating_add_unsigned(behind), 0, boundary)
            .map_err(|error| error.during("pad"))
    }

    /// The elements of an axis that are `count` coordinates before each; the boundary says what there is before the first, or behind
    /// the last if `count` is negative.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not, or a constant that the type does not hold.
    pub fn moved(&self, axis: usize, count: i64, boundary: Boundary) -> Result<Self> {
        let during = |error: Error| error.during("shift");
        let range = expect_axis(self, axis).map_err(during)?;
        if range.is_empty() {
            return Ok(self.clone());
        }
        self.reached(axis, range, count, boundary).map_err(during)
    }

    fn reached(&self, axis: usize, steps: Range<i64>, count: i64, boundary: Boundary) -> Result<Self> {
        let first =
            steps.start.checked_sub(count).ok_or_else(|| Error::invalid("a move out of all coordinates"))?;
        let windows = Windows::Reaching { first, step: 1, width: 1, boundary };
        let mut loops: Dims<Range<i64>> = self.domain().ranges().collect();
        loops[axis] = steps;
        let one = |own: usize| if own == axis { windows.clone() } else { Windows::Each };
        let axes: Vec<_> = (0..self.ndim()).map(|own| (own, one(own))).collect();
        let all: Vec<_> = (0..self.ndim()).map(|own| (own, Windows::Each)).collect();
        Operation::over(&loops)
            .input(self, &axes)
            .output(self.dtype(), &all)
            .kernel("shift", Arc::new(Copying))
    }

    /// Each element less the one before it, `times` times; the first coordinates are gone then. Of booleans, whether they differ.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not.
    pub fn diff(&self, axis: usize, times: u64) -> Result<Self> {
        let during = |error: Error| error.during("diff");
        let mut made = self.clone();
        for _ in 0..times {
            let range = expect_axis(&made, axis).map_err(during)?;
            if range.is_empty() {
                break;
            }
            made = made.differences(axis, range).map_err(during)?;
        }
        Ok(made)
    }

    fn differences(&self, axis: usize, range: Range<i64>) -> Result<Self> {
        if self.dtype() == DataType::F16 {
            return self.converted(DataType::F32)?.differences(axis, range)?.converted(DataType::F16);
        }
        let windows = Windows::Moving { first: range.start, step: 1, width: 2, clamp: false };
        let mut loops: Dims<Range<i64>> = self.domain().ranges().collect();
        loops[axis] = range.start + 1..range.end;
        let one = |own: usize| if own == axis { windows.clone() } else { Windows::Each };
        let axes: Vec<_> = (0..self.ndim()).map(|own| (own, one(own))).collect();
        let all: Vec<_> = (0..self.ndim()).map(|own| (own, Windows::Each)).collect();
        let kernel = Arc::new(Differing { axis, dtype: self.dtype() });
        Operation::over(&loops).input(self, &axes).output(self.dtype(), &all).kernel("diff", kernel)
    }

    /// The elements backward along an axis, whose coordinates are negated.
    fn backward(&self, axis: usize) -> Result<Self> {
        let mut indices: Dims<Index> = Dims::from_elem(Index::ALL, self.ndim());
        indices[axis] = Index::Slice { start: None, stop: None, step: -1 };
        self.slice(&indices)
    }

    /// Each element, or if it is NaN the last one before it that is not, at most `limit` elements before.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not.
    pub fn forward_fill(&self, axis: usize, limit: Option<u64>) -> Result<Self> {
        let Some(limit) = limit.filter(|_| self.dtype().is_float()) else {
            return self.cumulative(axis, Cumulative::Last);
        };
        let range = expect_axis(self, axis).map_err(|error| error.during("ffill"))?;
        let first = range.start.saturating_sub_unsigned(limit);
        let windows = Windows::Moving { first, step: 1, width: limit.saturating_add(1), clamp: true };
        let windowing =
            Windowing { name: "ffill", axis, steps: range, windows: &windows, enough: Enough::Numbers(1) };
        windowing.of(self, Aggregate::Last)
    }

    /// Each element, or if it is NaN the first one behind it that is not, at most `limit` elements behind.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not.
    pub fn backward_fill(&self, axis: usize, limit: Option<u64>) -> Result<Self> {
        expect_axis(self, axis).map_err(|error| error.during("bfill"))?;
        self.backward(axis)?.forward_fill(axis, limit)?.backward(axis)
    }

    /// The elements in a type that has NaN, if they are moved where there is nothing.
    pub(crate) fn with_missing(&self) -> Result<Self> {
        if self.dtype().is_float() { Ok(self.clone()) } else { self.converted(DataType::F64) }
    }
}

/// The kernel of differences.
struct Differing {
    axis: usize,
    dtype: DataType,
}

impl Kernel for Differing {
    fn config(&self) -> Config {
        Config::new("differences").with("axis", self.axis)
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let [input] = inputs else { return Ok(()) };
        let Shape { outer, length, inner } = Shape::along(steps.shape(), self.axis);
        let rows = length * inner;
        let subtract = Function::Subtract;
        let function = if self.dtype == DataType::Bool { Function::NotEqual } else { subtract };
        let kernel = crate::compute::kernels::kernel(function, &[self.dtype, self.dtype])?;
        let size = self.dtype.size();
        for block in 0..outer {
            let given = &input.bytes[block * (rows + inner) * size..][..(rows + inner) * size];
            let out = &mut out[block * rows * size..][..rows * size];
            // The two overlap where lines are longer than a step.
            kernel(&[&given[inner * size..], &given[..rows * size]], out);
        }
        Ok(())
    }
}

/// The coordinates of an axis.
fn expect_axis(lazy: &Lazy, axis: usize) -> Result<Range<i64>> {
    if axis >= lazy.ndim() {
        return Err(Error::invalid(format!("axis {axis} of {} axes", lazy.ndim())));
    }
    Ok(lazy.domain().range(axis))
}
