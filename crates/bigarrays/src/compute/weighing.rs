//! Sums of weighed elements of windows along an axis: correlation, gradients, interpolation.

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
use crate::compute::fields::{damaged, expect, inner, position, positions, reals};
use crate::compute::kernels::monoid::Real;
use crate::compute::kernels::weigh::weigh;
use crate::compute::lines::{Shape, along, is_narrow, sliding};
use crate::compute::operation::Operation;
use crate::compute::site::Site;
use crate::compute::windows::Windows;

/// The weights of the elements of windows. Elements of weight 0 do not count, whatever they are.
#[derive(Clone, Debug)]
pub(crate) enum Weights {
    /// These for each window; what has fewer elements within the axis is NaN.
    Same(Arc<[f64]>),
    /// Of windows of three elements that are cut at the ends: for the first, for those in between, for the last.
    Ends { first: [f64; 2], middle: [f64; 3], last: [f64; 2] },
    /// Those of step `k` are the ones from the `k`-th of these places to the next.
    Listed { places: Arc<[usize]>, all: Arc<[f64]> },
}

impl Weights {
    fn get(&self, step: u64, window: &Range<i64>, axis: &Range<i64>) -> &[f64] {
        match self {
            Self::Same(all) => all,
            Self::Listed { places, all } => &all[places[step as usize]..places[step as usize + 1]],
            Self::Ends { first, .. }
                if window.start == axis.start && window.end - window.start == 2 && step == 0 =>
            {
                first
            }
            Self::Ends { last, .. } if window.end - window.start == 2 => last,
            Self::Ends { middle, .. } => middle,
        }
    }

    fn config(&self) -> Config {
        match self {
            Self::Same(all) => Config::new("same").with("weights", &all[..]),
            Self::Ends { first, middle, last } => Config::new("ends")
                .with("first", &first[..])
                .with("middle", &middle[..])
                .with("last", &last[..]),
            Self::Listed { places, all } => {
                let places: Vec<u64> = places.iter().map(|&place| place as u64).collect();
                Config::new("listed").with("places", &places[..]).with("weights", &all[..])
            }
        }
    }

    /// Those of a configuration, for so many steps.
    fn read((name, config): (&str, &Value), steps: u64) -> Result<Self> {
        let two = |name: &str| <[f64; 2]>::try_from(reals(config, name)?).map_err(|_| damaged());
        Ok(match name {
            "same" => Self::Same(reals(config, "weights")?.into()),
            "ends" => {
                let middle = reals(config, "middle")?.try_into().map_err(|_| damaged())?;
                Self::Ends { first: two("first")?, middle, last: two("last")? }
            }
            "listed" => {
                let (places, all) = (positions(config, "places")?, reals(config, "weights")?);
                expect(places.len() as u64 == steps.saturating_add(1) && places.is_sorted())?;
                expect(places.last().is_some_and(|&last| last <= all.len()))?;
                Self::Listed { places: places.to_vec().into(), all: all.into() }
            }
            _ => return Err(damaged()),
        })
    }
}

/// Windows along an axis, and weights.
pub(crate) struct Weighing {
    pub(crate) name: &'static str,
    pub(crate) axis: usize,
    /// The coordinates of the steps.
    pub(crate) steps: Range<i64>,
    pub(crate) windows: Windows,
    pub(crate) weights: Weights,
}

impl Weighing {
    /// The sums of the windows of an expression, in `f64`, of floating-point elements rounded to their type.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not, or windows that do not fit to it.
    pub(crate) fn of(self, lazy: &Lazy) -> Result<Lazy> {
        let during = |error: Error| error.during(self.name);
        if self.axis >= lazy.ndim() {
            return Err(during(Error::invalid(format!("axis {} of {} axes", self.axis, lazy.ndim()))));
        }
        let dtype = match lazy.dtype() {
            DataType::F16 | DataType::F32 => DataType::F32,
            _ => DataType::F64,
        };
        let mut loops: Dims<Range<i64>> = lazy.domain().ranges().collect();
        loops[self.axis] = self.steps.clone();
        let one = |axis: usize| if axis == self.axis { self.windows.clone() } else { Windows::Each };
        let axes: Vec<_> = (0..lazy.ndim()).map(|axis| (axis, one(axis))).collect();
        let all: Vec<_> = (0..lazy.ndim()).map(|axis| (axis, Windows::Each)).collect();
        let (name, is_half) = (self.name, lazy.dtype() == DataType::F16);
        let kernel = self.kernel(dtype);
        let wide = lazy.converted(dtype)?;
        let made = Operation::over(&loops).input(&wide, &axes).output(dtype, &all).kernel(name, kernel)?;
        if is_half { made.converted(DataType::F16) } else { Ok(made) }
    }

    fn kernel(self, dtype: DataType) -> Arc<dyn Kernel> {
        match dtype {
            DataType::F32 => Arc::new(Weighed { at: self, of: PhantomData::<f32> }),
            _ => Arc::new(Weighed { at: self, of: PhantomData::<f64> }),
        }
    }
}

/// The kernel of weighed sums, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    site.one(&[DataType::F32, DataType::F64])?;
    let axis = position(config, "axis")?;
    let steps = site.steps(axis)?;
    let weights = Weights::read(inner(config, "by")?, site.loops.shape()[axis])?;
    let windows = site.along(0, axis)?.clone();
    Ok(Weighing { name: "weighed", axis, steps, windows, weights }.kernel(site.dtype))
}

struct Weighed<R> {
    at: Weighing,
    of: PhantomData<R>,
}

/// Lines side by side.
const MOST: usize = 1024;

impl<R: Real> Kernel for Weighed<R> {
    fn config(&self) -> Config {
        Config::new("weighed").with("axis", self.at.axis).with("by", self.at.weights.config())
    }

    fn scratch(&self, steps: &[u64]) -> u64 {
        (steps[self.at.axis].saturating_mul(3 * 32)).saturating_add(MOST as u64).saturating_mul(8)
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let [input] = inputs else { return Ok(()) };
        let (axis, windows) = (self.at.axis, &self.at.windows);
        let whole = input.whole.range(axis);
        let (first, count) = (input.domain.origin()[axis], steps.shape()[axis]);
        let first_step = steps.origin()[axis].abs_diff(self.at.steps.start);
        let mut sums = vec![0.0; MOST];
        let given = [(input.elements::<R>(), input.domain.shape()[axis] as usize)];
        let out: &mut [R] = bytemuck::cast_slice_mut(out);
        let reaches = windows.boundary().is_some();
        let shape = Shape::along(steps.shape(), axis);
        if let (Weights::Same(weights), true, true) = (&self.at.weights, reaches, is_narrow(shape)) {
            let skipped = (windows.get(first_step, &whole).start - first) as usize;
            return sliding(given[0], out, shape, MOST, &mut |lines, out| {
                let Some(lines) = lines.first() else { return };
                weigh(lines, skipped, weights, &mut sums, out, 0);
            });
        }
        along(&given, out, shape, MOST, &mut |lines, out| {
            let Some(lines) = lines.first() else { return };
            for index in 0..count as usize {
                let step = first_step + index as u64;
                let window = windows.get(step, &whole);
                let inside = window.start.max(whole.start)..window.end.min(whole.end);
                let rows = if reaches { window } else { inside };
                let weights = self.at.weights.get(step, &rows, &whole);
                if weights.is_empty() || rows.end.saturating_sub(rows.start) < weights.len() as i64 {
                    out.row(index).fill(R::NAN);
                    continue;
                }
                weigh(lines, (rows.start - first) as usize, weights, &mut sums, out, index);
            }
        })
    }
}

impl Lazy {
    /// How much the elements grow along an axis: half the difference of those beside each, or of the two at an end, divided by the
    /// distance of two elements. As NumPy's `gradient`, of elements `spacing` apart.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis of fewer than two elements.
    pub fn gradient(&self, axis: usize, spacing: f64) -> Result<Self> {
        let range = expect_gradient(self, axis)?;
        let (half, whole) = (0.5 / spacing, 1.0 / spacing);
        let weights =
            Weights::Ends { first: [-whole, whole], middle: [-half, 0.0, half], last: [-whole, whole] };
        self.neighbours(axis, range, weights)
    }

    /// The same of elements at these places along the axis, one for each.
    ///
    /// # Errors
    /// As [`Lazy::gradient`]; `InvalidArgument` if there are not as many places as elements.
    pub fn gradient_at(&self, axis: usize, places: &[f64]) -> Result<Self> {
        let range = expect_gradient(self, axis)?;
        if places.len() as u64 != self.domain().shape()[axis] {
            let reason = format!("{} places of {} elements", places.len(), self.domain().shape()[axis]);
            return Err(Error::invalid(reason).during("gradient"));
        }
        let (mut starts, mut all) = (vec![0], Vec::with_capacity(3 * places.len()));
        for at in 0..places.len() {
            let before = at.checked_sub(1).map(|before| places[at] - places[before]);
            let behind = places.get(at + 1).map(|behind| behind - places[at]);
            match (before, behind) {
                (Some(one), Some(two)) => {
                    let both = one + two;
                    all.extend([-two / (one * both), (two - one) / (one * two), one / (two * both)]);
                }
                (Some(step), None) | (None, Some(step)) => all.extend([-1.0 / step, 1.0 / step]),
                (None, None) => {}
            }
            starts.push(all.len());
        }
        self.neighbours(axis, range, Weights::Listed { places: starts.into(), all: all.into() })
    }

    fn neighbours(&self, axis: usize, range: Range<i64>, weights: Weights) -> Result<Self> {
        let windows = Windows::Moving { first: range.start - 1, step: 1, width: 3, clamp: true };
        Weighing { name: "gradient", axis, steps: range, windows, weights }.of(self)
    }
}

fn expect_gradient(lazy: &Lazy, axis: usize) -> Result<Range<i64>> {
    if axis >= lazy.ndim() || lazy.domain().shape()[axis] < 2 {
        let reason = format!("axis {axis} of {}, of which two elements are needed", lazy.domain());
        return Err(Error::invalid(reason).during("gradient"));
    }
    Ok(lazy.domain().range(axis))
}
