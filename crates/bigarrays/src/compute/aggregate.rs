//! What the elements of each window along an axis become: sums, means and the like, as an operation.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::Config;
use crate::compute::dense::{Given, Kernel};
use crate::compute::expr::Lazy;
use crate::compute::fields::{count, damaged, expect, flag, position, real, text};
use crate::compute::function::Function;
use crate::compute::kernels::monoid::{
    End, Extreme, Mean, Monoid, Numbers, Ordered, Product, Real, Spread, Sum, Truth, WholeProduct, WholeSum,
};
use crate::compute::kernels::moving::{self, each, moving};
use crate::compute::lines::{Shape, along, is_narrow, sliding};
use crate::compute::number::Number;
use crate::compute::operation::Operation;
use crate::compute::site::Site;
use crate::compute::types::is_signed;
use crate::compute::window_ranks::WindowQuantile;
use crate::compute::windows::Windows;

/// What the elements of a window become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregate {
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
    /// How many are not NaN.
    Count,
    /// The first.
    First,
    /// The last.
    Last,
    /// The variance, divided by the number of elements less this.
    Var(f64),
    /// The root of that.
    Std(f64),
    /// The median: of an even number of elements the mean of the two in the middle.
    Median,
    /// A quantile, from 0 to 1, on the line between two elements.
    Quantile(f64),
}

impl Aggregate {
    /// The one of this name; variances divide by the number of elements less `parameter`, and quantiles are this one.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none.
    pub fn named(name: &str, parameter: f64) -> Result<Self> {
        let all = [
            Self::Sum,
            Self::Product,
            Self::Mean,
            Self::Min,
            Self::Max,
            Self::Any,
            Self::All,
            Self::Count,
            Self::First,
            Self::Last,
            Self::Var(parameter),
            Self::Std(parameter),
            Self::Median,
            Self::Quantile(parameter),
        ];
        let known = || all.map(Self::name).join(", ");
        let unknown = || Error::invalid(format!("windows have no {name:?}; known are {}", known()));
        all.into_iter().find(|one| one.name() == name).ok_or_else(unknown)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Product => "prod",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Any => "any",
            Self::All => "all",
            Self::Count => "count",
            Self::First => "first",
            Self::Last => "last",
            Self::Var(_) => "var",
            Self::Std(_) => "std",
            Self::Median => "median",
            Self::Quantile(_) => "quantile",
        }
    }

    /// Whether there is none of no elements.
    fn needs_elements(self) -> bool {
        !matches!(self, Self::Sum | Self::Product | Self::Any | Self::All | Self::Count)
    }

    /// What of an element is merged: of a count whether it is a number, and whether it is not zero where only that matters.
    fn lifted(self, number: Number) -> Number {
        let is = |truth: bool| Number::Whole(truth.into());
        match self {
            Self::Count => is(!number.as_f64().is_nan()),
            Self::Any | Self::All => is(number.as_f64() != 0.0),
            _ => number,
        }
    }

    /// The type in which elements of a type are merged, where all windows have enough.
    pub(crate) fn merged(self, dtype: DataType) -> DataType {
        match (self, dtype) {
            (_, float) if float.is_float() => float,
            _ if self.is_real() => DataType::F64,
            (Self::Sum | Self::Product, dtype) if is_signed(dtype) || dtype == DataType::Bool => {
                DataType::I64
            }
            (Self::Sum | Self::Product, _) => DataType::U64,
            (_, dtype) => dtype,
        }
    }

    /// Whether it is one of real numbers, also of whole ones.
    pub(crate) fn is_real(self) -> bool {
        matches!(self, Self::Mean | Self::Var(_) | Self::Std(_) | Self::Median | Self::Quantile(_))
    }
}

/// Which windows have enough elements; what others become is NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enough {
    /// All that there are within the axis, of which none may be NaN.
    All,
    /// So many within the axis, of which none may be NaN.
    Within(u64),
    /// So many that are not NaN; others are left out.
    Numbers(u64),
}

/// Windows along an axis of an expression.
pub(crate) struct Windowing<'a> {
    pub(crate) name: &'static str,
    pub(crate) axis: usize,
    /// The coordinates of the steps.
    pub(crate) steps: Range<i64>,
    pub(crate) windows: &'a Windows,
    pub(crate) enough: Enough,
}

impl Windowing<'_> {
    /// What the windows of an expression become.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not, or windows that do not fit to it.
    pub(crate) fn of(&self, lazy: &Lazy, aggregate: Aggregate) -> Result<Lazy> {
        let during = |error: Error| error.during(self.name);
        if self.axis >= lazy.ndim() {
            return Err(during(Error::invalid(format!("axis {} of {} axes", self.axis, lazy.ndim()))));
        }
        if lazy.dtype() == DataType::F16 {
            let wide = self.of(&lazy.converted(DataType::F32)?, aggregate)?;
            return if wide.dtype() == DataType::F32 { wide.converted(DataType::F16) } else { Ok(wide) };
        }
        let windows = self.windows.of_numbers(|number| aggregate.lifted(number));
        Windowing { windows: &windows, steps: self.steps.clone(), ..*self }.of_elements(lazy, aggregate)
    }

    /// The same, where beyond the ends there is what elements become before they are merged.
    fn of_elements(&self, lazy: &Lazy, aggregate: Aggregate) -> Result<Lazy> {
        let during = |error: Error| error.during(self.name);
        let least = match self.enough {
            Enough::All => 0,
            Enough::Within(count) | Enough::Numbers(count) => count,
        };
        let least = if aggregate.needs_elements() { least.max(1) } else { least };
        let (lazy, least, skips) = match aggregate {
            // No NaN is equal to itself.
            Aggregate::Count => (
                Lazy::apply(Function::Equal, &[lazy.into(), lazy.into()])?.converted(DataType::I64)?,
                0,
                false,
            ),
            Aggregate::Any | Aggregate::All if lazy.dtype() == DataType::Bool => (lazy.clone(), 0, false),
            Aggregate::Any | Aggregate::All => {
                (Lazy::apply(Function::NotEqual, &[lazy.into(), 0.into()])?, 0, false)
            }
            _ => (lazy.clone(), least, matches!(self.enough, Enough::Numbers(_)) && lazy.dtype().is_float()),
        };
        let is_real = aggregate.is_real() || self.is_short(&lazy, least);
        let lazy = lazy.converted(match (is_real, lazy.dtype()) {
            (true, whole) if !whole.is_float() => DataType::F64,
            (_, dtype) => aggregate.merged(dtype),
        })?;
        let kernel = self.kernel(aggregate, lazy.dtype(), least, skips).map_err(during)?;
        let mut loops: Dims<Range<i64>> = lazy.domain().ranges().collect();
        loops[self.axis] = self.steps.clone();
        let windows = |axis: usize| if axis == self.axis { self.windows.clone() } else { Windows::Each };
        let axes: Vec<_> = (0..lazy.ndim()).map(|axis| (axis, windows(axis))).collect();
        let all: Vec<_> = (0..lazy.ndim()).map(|axis| (axis, Windows::Each)).collect();
        Operation::over(&loops).input(&lazy, &axes).output(lazy.dtype(), &all).kernel(self.name, kernel)
    }

    /// Whether a window has fewer elements than are needed, whatever they are.
    fn is_short(&self, lazy: &Lazy, least: u64) -> bool {
        let axis = lazy.domain().range(self.axis);
        let steps = self.steps.end.abs_diff(self.steps.start);
        let is_short = |k: u64| {
            let window = self.windows.get(k, &axis);
            let inside = match self.windows {
                Windows::Reaching { .. } => window,
                _ => window.start.max(axis.start)..window.end.min(axis.end),
            };
            inside.end.saturating_sub(inside.start).max(0) < least.min(i64::MAX as u64) as i64
        };
        match self.windows {
            Windows::Ranges(_) => (0..steps).any(is_short),
            // Those at the ends have the fewest.
            _ => steps > 0 && (is_short(0) || is_short(steps - 1)),
        }
    }

    fn kernel(
        &self,
        aggregate: Aggregate,
        dtype: DataType,
        least: u64,
        skips: bool,
    ) -> Result<Arc<dyn Kernel>> {
        use DataType::{Bool, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
        let none = || Error::unsupported(format!("{} of {dtype} in windows", aggregate.name()));
        let quantile = |q| {
            let (axis, windows, first) = (self.axis, self.windows.clone(), self.steps.start);
            WindowQuantile { q, axis, windows, first, least, skips }.kernel(dtype)
        };
        Ok(match (aggregate, dtype) {
            (Aggregate::Median, _) => quantile(0.5)?,
            (Aggregate::Quantile(q), _) => quantile(q)?,
            (Aggregate::Any, Bool) => self.merging(aggregate, Truth::<true>, least),
            (Aggregate::All, Bool) => self.merging(aggregate, Truth::<false>, least),
            (Aggregate::Count, I64) | (Aggregate::Sum, I64 | U64) => self.merging(aggregate, WholeSum, least),
            (Aggregate::Product, I64 | U64) => self.merging(aggregate, WholeProduct, least),
            (_, F32) => self.real::<f32>(aggregate, least, skips).ok_or_else(none)?,
            (_, F64) => self.real::<f64>(aggregate, least, skips).ok_or_else(none)?,
            (_, I8) => self.whole::<i8>(aggregate, least).ok_or_else(none)?,
            (_, I16) => self.whole::<i16>(aggregate, least).ok_or_else(none)?,
            (_, I32) => self.whole::<i32>(aggregate, least).ok_or_else(none)?,
            (_, I64) => self.whole::<i64>(aggregate, least).ok_or_else(none)?,
            (_, U8 | Bool) => self.whole::<u8>(aggregate, least).ok_or_else(none)?,
            (_, U16) => self.whole::<u16>(aggregate, least).ok_or_else(none)?,
            (_, U32) => self.whole::<u32>(aggregate, least).ok_or_else(none)?,
            (_, U64) => self.whole::<u64>(aggregate, least).ok_or_else(none)?,
            _ => return Err(none()),
        })
    }

    fn real<R>(&self, aggregate: Aggregate, least: u64, skips: bool) -> Option<Arc<dyn Kernel>>
    where
        R: Real + Ordered + 'static,
    {
        let spread = |correction, is_root| Spread::<R> { correction, is_root, of: PhantomData };
        Some(match aggregate {
            Aggregate::Sum => self.skipping(aggregate, Sum::<R>(PhantomData), least, skips),
            Aggregate::Product => self.skipping(aggregate, Product::<R>(PhantomData), least, skips),
            Aggregate::Mean => self.skipping(aggregate, Mean::<R>(PhantomData), least, skips),
            Aggregate::Var(correction) => self.skipping(aggregate, spread(correction, false), least, skips),
            Aggregate::Std(correction) => self.skipping(aggregate, spread(correction, true), least, skips),
            Aggregate::Min => self.skipping(aggregate, Extreme::<R, false>(PhantomData), least, skips),
            Aggregate::Max => self.skipping(aggregate, Extreme::<R, true>(PhantomData), least, skips),
            Aggregate::First => self.skipping(aggregate, End::<R, false>(PhantomData), least, skips),
            Aggregate::Last => self.skipping(aggregate, End::<R, true>(PhantomData), least, skips),
            _ => return None,
        })
    }

    fn whole<T>(&self, aggregate: Aggregate, least: u64) -> Option<Arc<dyn Kernel>>
    where
        T: Ordered + 'static,
    {
        Some(match aggregate {
            Aggregate::Min => self.merging(aggregate, Extreme::<T, false>(PhantomData), least),
            Aggregate::Max => self.merging(aggregate, Extreme::<T, true>(PhantomData), least),
            Aggregate::First => self.merging(aggregate, End::<T, false>(PhantomData), least),
            Aggregate::Last => self.merging(aggregate, End::<T, true>(PhantomData), least),
            _ => return None,
        })
    }

    fn skipping<M>(&self, aggregate: Aggregate, of: M, least: u64, skips: bool) -> Arc<dyn Kernel>
    where
        M: Monoid + 'static,
        M::In: Ordered,
    {
        match skips {
            true => self.merging_of(aggregate, Numbers(of), least, true),
            false => self.merging(aggregate, of, least),
        }
    }

    fn merging<M: Monoid + 'static>(&self, aggregate: Aggregate, of: M, least: u64) -> Arc<dyn Kernel> {
        self.merging_of(aggregate, of, least, false)
    }

    fn merging_of<M: Monoid + 'static>(
        &self,
        aggregate: Aggregate,
        of: M,
        least: u64,
        skips: bool,
    ) -> Arc<dyn Kernel> {
        let (axis, windows, first) = (self.axis, self.windows.clone(), self.steps.start);
        Arc::new(Merging { of, aggregate, axis, windows, first, least, skips })
    }
}

/// The kernel of windows, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let axis = position(config, "axis")?;
    let correction = match config.get("correction") {
        Some(Value::Null) => 0.0,
        correction => correction.and_then(real).ok_or_else(damaged)?,
    };
    let aggregate = Aggregate::named(text(config, "of")?, correction)?;
    let dtype = site.one(&[])?.dtype();
    let steps = site.steps(axis)?;
    let windows = site.along(0, axis)?;
    if let Windows::Moving { first, width, .. } | Windows::Reaching { first, width, .. } = windows {
        // Places beyond their ends are coordinates as well.
        expect(first.unsigned_abs() < 1 << 61 && *width < 1 << 61)?;
    }
    let windowing = Windowing { name: "windows", axis, steps, windows, enough: Enough::All };
    windowing.kernel(aggregate, dtype, count(config, "least")?, flag(config, "skips")?)
}

/// The kernel of windows whose elements are merged.
struct Merging<M> {
    of: M,
    aggregate: Aggregate,
    axis: usize,
    windows: Windows,
    /// The coordinate of the first step of the loop.
    first: i64,
    /// How many elements a window has to have.
    least: u64,
    /// Whether NaNs are none of them.
    skips: bool,
}

/// Bytes of states that stay in the cache.
const CACHED: usize = 128 << 10;

impl<M: Monoid> Merging<M> {
    /// The width of windows that move by 1.
    fn width(&self) -> Option<u64> {
        match self.windows {
            Windows::Moving { step: 1, width, .. } | Windows::Reaching { step: 1, width, .. } => Some(width),
            _ => None,
        }
    }

    /// States of a line.
    fn states(&self) -> usize {
        self.width().map_or(1, moving::scratch).min(i64::MAX as u64) as usize
    }

    /// Lines side by side.
    fn most(&self) -> usize {
        (CACHED / size_of::<M::State>().saturating_mul(self.states())).clamp(16, 1024)
    }
}

impl<M: Monoid> Kernel for Merging<M> {
    fn config(&self) -> Config {
        let correction = match self.aggregate {
            Aggregate::Var(correction) | Aggregate::Std(correction) => Some(correction),
            _ => None,
        };
        Config::new("windows")
            .with("of", self.aggregate.name())
            .with("axis", self.axis)
            .with("least", self.least)
            .with("skips", self.skips)
            .with("correction", correction)
    }

    fn scratch(&self, steps: &[u64]) -> u64 {
        // Lines that are gathered, at most 32 side by side.
        let gathered = steps[self.axis].saturating_add(self.states() as u64).saturating_mul(32 * 16);
        let states = self.most().saturating_mul(self.states()).saturating_mul(size_of::<M::State>());
        gathered.saturating_add(states as u64)
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let [input] = inputs else { return Ok(()) };
        let (axis, domain) = (self.axis, input.domain);
        let count = steps.shape()[axis] as usize;
        let whole = match self.windows {
            Windows::Reaching { .. } => domain.range(axis),
            _ => input.whole.range(axis),
        };
        let first_step = steps.origin()[axis].abs_diff(self.first);
        let axis_range = input.whole.range(axis);
        let mut states = vec![M::NONE; self.most() * self.states()];
        let given = [(input.elements::<M::In>(), domain.shape()[axis] as usize)];
        let out: &mut [M::Out] = bytemuck::cast_slice_mut(out);
        let shape = Shape::along(steps.shape(), axis);
        // Windows that are whole, and merged one by one, as they are wherever they lie.
        if let (Windows::Reaching { width, .. }, Some(_), true) =
            (&self.windows, self.width(), is_narrow(shape))
            && moving::is_short(*width)
            && count > 0
        {
            let first = (self.windows.get(first_step, &axis_range).start - domain.origin()[axis]) as usize;
            return sliding(given[0], out, shape, self.most(), &mut |lines, out| {
                let Some(lines) = lines.first() else { return };
                moving::one(
                    &self.of,
                    lines,
                    first..first + *width as usize,
                    self.least,
                    &mut states,
                    out.row(0),
                );
            });
        }
        along(&given, out, shape, self.most(), &mut |lines, out| {
            let Some(&lines) = lines.first() else { return };
            let given = moving::Given {
                lines,
                first: domain.origin()[axis],
                whole: whole.clone(),
                origin: axis_range.start,
            };
            let window = |step: usize| self.windows.get(first_step + step as u64, &axis_range);
            match (self.width(), &self.windows) {
                (Some(width), Windows::Moving { first, .. } | Windows::Reaching { first, .. }) => {
                    let at = (first.saturating_add_unsigned(first_step), width);
                    moving(&self.of, &given, at, count, self.least, &mut states, out);
                }
                _ => each(&self.of, &given, &mut { window }, count, self.least, &mut states, out),
            }
        })
    }
}
