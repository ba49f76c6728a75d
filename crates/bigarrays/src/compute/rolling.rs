//! Windows along an axis: rolling ones, and those that lie one behind the other.

use std::ops::Range;
use std::sync::Arc;

use crate::base::error::{Error, Result};
use crate::compute::aggregate::{Aggregate, Enough, Windowing};
use crate::compute::boundary::Boundary;
use crate::compute::expr::Lazy;
use crate::compute::weighing::{Weighing, Weights};
use crate::compute::windows::Windows;

/// Windows that move along an axis by one element.
///
/// ```
/// use bigarrays::compute::{Aggregate, ComputeOptions, Lazy, Rolling};
/// use bigarrays::{DataType, Domain};
///
/// let x = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U8, &[3, 9, 4, 7])?;
/// let sums = x.rolling(0, &Rolling { min_count: Some(1), ..Rolling::new(3) }, Aggregate::Sum)?;
/// let found = sums.compute::<u64>(&ComputeOptions::default())?;
/// assert_eq!(found.into_data().into_raw_vec_and_offset().0, [3, 12, 16, 20]);
/// # Ok::<(), bigarrays::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rolling {
    /// Elements in a window.
    pub width: u64,
    /// Whether the window of an element has it in its middle; if not, it ends with it. One of an even width has one more
    /// before it than behind it.
    pub center: bool,
    /// How many elements that are not NaN a window must have, for its result not to be NaN; all if `None`.
    pub min_count: Option<u64>,
    /// What windows see beyond the ends of the axis; nothing if `None`.
    pub boundary: Option<Boundary>,
}

impl Rolling {
    /// Windows that end with their element.
    pub fn new(width: u64) -> Self {
        Self { width, center: false, min_count: None, boundary: None }
    }

    /// # Errors
    /// `InvalidArgument` for a width that is none.
    pub(crate) fn expect_valid(&self) -> Result<()> {
        match i64::try_from(self.width) {
            Ok(1..) => Ok(()),
            _ => Err(Error::invalid(format!("windows of {} elements", self.width)).during("rolling")),
        }
    }

    /// How many elements the smallest window along an axis of this length has.
    pub(crate) fn fewest(&self, length: u64) -> u64 {
        let before = self.before().unsigned_abs();
        match self.boundary {
            Some(_) => self.width,
            None => length.min(self.width.saturating_sub(before)).min(before.saturating_add(1)),
        }
    }

    /// Elements of a window before its own.
    pub(crate) fn before(&self) -> i64 {
        (if self.center { self.width / 2 } else { self.width.saturating_sub(1) }) as i64
    }
}

/// What becomes of elements that do not fill a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// An error if there are any.
    Exact,
    /// They are left out.
    Trim,
    /// Their windows have fewer elements.
    Pad,
}

impl Ends {
    /// The one of this name.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "exact" => Ok(Self::Exact),
            "trim" => Ok(Self::Trim),
            "pad" => Ok(Self::Pad),
            other => Err(Error::invalid(format!("no ends={other:?}; known are exact, trim and pad"))),
        }
    }
}

/// Where windows that lie one behind the other begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At coordinates that are multiples of their width: the one of coordinate `c` has the coordinate `floor(c / width)`.
    Coordinate,
    /// At the first element, in a window of the coordinate 0.
    First,
}

impl Anchor {
    /// The one of this name.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "coordinate" => Ok(Self::Coordinate),
            "first" => Ok(Self::First),
            other => Err(Error::invalid(format!("no anchor={other:?}; known are coordinate and first"))),
        }
    }
}

impl Lazy {
    /// What the elements of windows become that move along an axis by one element. Sums of floating-point elements are
    /// accumulated in `float64`, and never subtract: an infinity or NaN leaves with its window. Of whole numbers, results are
    /// `float64` if some windows have too few elements.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not, or a width of 0.
    pub fn rolling(&self, axis: usize, rolling: &Rolling, aggregate: Aggregate) -> Result<Self> {
        let steps = expect_axis(self, axis, "rolling")?;
        self.rolling_over(axis, steps, rolling, aggregate)
    }

    /// The same of some of the elements, at these coordinates; those around may be there as well.
    pub(crate) fn rolling_over(
        &self,
        axis: usize,
        steps: Range<i64>,
        rolling: &Rolling,
        aggregate: Aggregate,
    ) -> Result<Self> {
        rolling.expect_valid()?;
        let width = rolling.width;
        let first = steps.start.saturating_sub(rolling.before());
        let windows = match rolling.boundary {
            Some(boundary) => Windows::Reaching { first, step: 1, width, boundary },
            None => Windows::Moving { first, step: 1, width, clamp: true },
        };
        let enough = rolling.min_count.map_or(Enough::Within(width), Enough::Numbers);
        Windowing { name: "rolling", axis, steps, windows: &windows, enough }.of(self, aggregate)
    }

    /// The sums of windows whose elements are weighed, the first of each by the first of these weights, or their weighted means. Windows
    /// have as many elements as there are weights, and are where [`Lazy::rolling`] has them; what does not have all of its
    /// elements is NaN.
    ///
    /// # Errors
    /// As [`Lazy::rolling`].
    pub fn rolling_weighed(
        &self,
        axis: usize,
        rolling: &Rolling,
        weights: &[f64],
        is_mean: bool,
    ) -> Result<Self> {
        let range = expect_axis(self, axis, "rolling")?;
        if weights.len() as u64 != rolling.width || weights.is_empty() {
            let reason = format!("{} weights of windows of {} elements", weights.len(), rolling.width);
            return Err(Error::invalid(reason).during("rolling"));
        }
        let (first, width) = (range.start.saturating_sub(rolling.before()), rolling.width);
        let windows = match rolling.boundary {
            Some(boundary) => Windows::Reaching { first, step: 1, width, boundary },
            None => Windows::Moving { first, step: 1, width, clamp: true },
        };
        let sum: f64 = if is_mean { weights.iter().sum() } else { 1.0 };
        let weights = Weights::Same(weights.iter().map(|weight| weight / sum).collect());
        Weighing { name: "rolling", axis, steps: range, windows, weights }.of(self)
    }

    /// What the elements of windows become that lie one behind the other along an axis, each of `width` elements.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not, a width of 0, or elements that do not fill a window, unless `ends` says
    /// what becomes of them.
    pub fn coarsen(
        &self,
        axis: usize,
        width: u64,
        ends: Ends,
        anchor: Anchor,
        min_count: Option<u64>,
        aggregate: Aggregate,
    ) -> Result<Self> {
        let during = |error: Error| error.during("coarsen");
        let range = expect_axis(self, axis, "coarsen")?;
        let Some(wide) = i64::try_from(width).ok().filter(|&width| width > 0) else {
            return Err(during(Error::invalid(format!("windows of {width} elements"))));
        };
        let offset = if anchor == Anchor::First { range.start } else { 0 };
        let moved = range.start - offset..range.end - offset;
        let up = |at: i64| at.div_euclid(wide) + i64::from(at.rem_euclid(wide) > 0);
        let all = moved.start.div_euclid(wide)..up(moved.end);
        let whole = up(moved.start)..moved.end.div_euclid(wide);
        let steps = match ends {
            Ends::Pad => all,
            Ends::Trim => whole.start..whole.end.max(whole.start),
            Ends::Exact if all == whole || range.is_empty() => all,
            Ends::Exact => {
                return Err(during(Error::invalid(format!(
                    "the coordinates {}:{} do not fill windows of {width} from {offset} on; trim or pad them, or anchor windows at \
                     the first",
                    range.start, range.end
                ))));
            }
        };
        let first = steps.start.saturating_mul(wide).saturating_add(offset);
        let windows = Windows::Moving { first, step: wide, width, clamp: true };
        let enough = min_count.map_or(Enough::All, Enough::Numbers);
        Windowing { name: "coarsen", axis, steps, windows: &windows, enough }.of(self, aggregate)
    }

    /// What the elements of each of these ranges of coordinates of an axis become; they are at 0, 1, … of it then. Ranges may
    /// overlap, have gaps, and be in any order.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not, or ranges that reach beyond its ends.
    pub fn over_ranges(
        &self,
        axis: usize,
        ranges: &[Range<i64>],
        min_count: Option<u64>,
        aggregate: Aggregate,
    ) -> Result<Self> {
        expect_axis(self, axis, "ranges")?;
        let windows = Windows::Ranges(Arc::from(ranges));
        let enough = min_count.map_or(Enough::All, Enough::Numbers);
        let steps = 0..ranges.len() as i64;
        Windowing { name: "ranges", axis, steps, windows: &windows, enough }.of(self, aggregate)
    }
}

/// The coordinates of an axis.
fn expect_axis(lazy: &Lazy, axis: usize, name: &'static str) -> Result<Range<i64>> {
    if axis >= lazy.ndim() {
        return Err(Error::invalid(format!("axis {axis} of {} axes", lazy.ndim())).during(name));
    }
    Ok(lazy.domain().range(axis))
}
