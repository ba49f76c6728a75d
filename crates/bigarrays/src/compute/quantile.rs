//! Expressions of medians and quantiles.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::array::Index;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::dense::{Given, Kernel};
use crate::compute::expr::Lazy;
use crate::compute::fields::{counts, damaged, expect, fill, flag, inner, positions};
use crate::compute::group::GroupBy;
use crate::compute::grouped::ByGroup;
use crate::compute::operation::Operation;
use crate::compute::pencils::{Asked, GATHERED, Members, Out, Pencils, Quantiles};
use crate::compute::ranks::QuantileMethod;
use crate::compute::round::of_ranked;
use crate::compute::rounds::{InGroups, bits_of_rounds};
use crate::compute::site::Site;
use crate::compute::windowed::Bound;
use crate::compute::windows::Windows;

impl Lazy {
    /// The median along `axes`, or of all elements if there are none: the mean of the two elements in the middle of an even
    /// number. NaN if one is NaN, unless it `skips` NaNs. Whole numbers have medians in `float64`.
    ///
    /// # Errors
    /// As [`Lazy::quantile`].
    pub fn median(&self, axes: &[usize], skips: bool) -> Result<Self> {
        self.quantile(&[0.5], axes, QuantileMethod::Linear, skips)?.first_along_first()
    }

    /// Quantiles along `axes`, or of all elements if there are none, exact: one for each of `q`, from 0 to 1, along a new
    /// first axis. NaN if one is NaN, unless it `skips` NaNs. All elements along the axes are in memory at once,
    /// or are counted in rounds, each of which reads them and finds the next bits of what is asked for, if they do not fit.
    ///
    /// ```
    /// use bigarrays::compute::{ComputeOptions, Lazy, QuantileMethod};
    /// use bigarrays::{DataType, Domain};
    ///
    /// let t = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U8, &[3, 9, 4, 8])?;
    /// let found = t.quantile(&[0.0, 0.5], &[0], QuantileMethod::Linear, false)?;
    /// let found = found.compute::<f64>(&ComputeOptions::default())?;
    /// assert_eq!(found.into_data().into_raw_vec_and_offset().0, [3.0, 6.0]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not or that is named twice, no elements, or a `q` that is not from 0 to 1.
    pub fn quantile(&self, q: &[f64], axes: &[usize], method: QuantileMethod, skips: bool) -> Result<Self> {
        let axes: Dims<usize> = if axes.is_empty() { (0..self.ndim()).collect() } else { axes.into() };
        let asked = Asked::Quantiles(q.to_vec(), method);
        self.order_statistic(asked, &axes, skips, None).map_err(|error| error.during("quantile"))
    }

    /// The `count` least elements along an axis, ascending, or the largest ones, descending, at 0, 1, … of the axis. NaNs are passed
    /// over, and stand for elements that there are too few of.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not, or if it has fewer elements.
    pub fn top(&self, count: u64, axis: usize, is_largest: bool) -> Result<Self> {
        let during = |error: Error| error.during("topk");
        let length = self.domain().shape().get(axis).copied().unwrap_or(0);
        if count == 0 || count > length {
            return Err(during(Error::invalid(format!("{count} of {length} elements along axis {axis}"))));
        }
        let ranks = 0..count as usize;
        let asked = if is_largest { Asked::Largest(ranks) } else { Asked::Least(ranks) };
        let found = self.order_statistic(asked, &[axis], true, None).map_err(during)?;
        let mut order: Vec<usize> = (1..found.ndim()).collect();
        order.insert(axis, 0);
        found.permute(&order)
    }

    /// The first element along the first axis, which is gone.
    pub(super) fn first_along_first(&self) -> Result<Self> {
        let mut indices: Dims<Index> = Dims::from_elem(Index::ALL, self.ndim());
        indices[0] = Index::At(0);
        self.slice(&indices)
    }

    fn order_statistic(
        &self,
        asked: Asked,
        axes: &[usize],
        skips: bool,
        by: Option<(&GroupBy, Self)>,
    ) -> Result<Self> {
        let mut axes: Dims<usize> = axes.into();
        axes.sort_unstable();
        expect_quantiles(self, &asked, &axes)?;
        let groups = by.as_ref().map(|(by, _)| by.groups());
        let counts = groups.as_ref().map(|groups| groups.counts.clone()).unwrap_or_default();
        let length: u64 = axes.iter().map(|&axis| self.domain().shape()[axis]).fold(1, u64::saturating_mul);
        let result = asked.result(self.dtype());
        let fill = by.as_ref().and_then(|(by, _)| by.fill()).map(|fill| fill.bytes(result)).transpose();
        let of = Quantiles { asked, skips: skips && self.dtype().is_float(), fill: fill? };
        let drops = groups.as_ref().is_some_and(|groups| groups.drops);
        let numbered = groups.as_ref().map(|groups| ByGroup::numbered(groups.len(), drops));
        if length > u64::from(u32::MAX) {
            let numbers = by.as_ref().map(|(_, numbers)| numbers).zip(numbered);
            return self.of_very_many(
                &of,
                &axes,
                numbers.map(|(numbers, by)| InGroups { numbers, by, counts: &counts }),
            );
        }
        let Loop { loops, windows, groups_at } = Loop::over(self, &axes, of.asked.len(), &counts);
        let each: Vec<(usize, Windows)> = (0..loops.len()).map(|axis| (axis, Windows::Each)).collect();
        let mut operation = Operation::over(&loops).input(self, &windows).output(result, &each);
        if let Some((own, numbers)) = &by {
            let whole: Vec<(usize, Windows)> = (0..numbers.ndim()).map(|_| (0, Windows::Whole)).collect();
            operation = operation.input(numbers, &whole);
            operation = operation.grouped(own.by(&axes));
        }
        let by = numbered;
        let name = if of.skips { "nanquantile" } else { "quantile" };
        let columns = Columns {
            dtype: self.dtype(),
            is_same: result == self.dtype(),
            axes,
            length,
            of,
            by,
            counts,
            groups_at,
        };
        operation.kernel(name, Arc::new(columns))
    }
}

impl Lazy {
    /// What is asked for of so many elements that no memory is thought to hold them.
    fn of_very_many(&self, of: &Quantiles, axes: &[usize], groups: Option<InGroups<'_>>) -> Result<Self> {
        let counted = if groups.is_some() { None } else { self.by_counting(&of.asked, axes)? };
        if let Some(counted) = counted {
            return Ok(counted);
        }
        for bits in bits_of_rounds(self.dtype(), groups.is_some()) {
            if let Some(found) = self.in_rounds(of, axes, bits, groups)? {
                return Ok(found);
            }
        }
        Err(Error::unsupported("quantiles of so many groups of more than 2³² elements"))
    }
}

impl GroupBy {
    /// The median of each group; see [`Lazy::median`].
    ///
    /// # Errors
    /// As [`GroupBy::quantile`].
    pub fn median(&self, also: &[usize], skips: bool) -> Result<Lazy> {
        self.quantile(&[0.5], also, QuantileMethod::Linear, skips)?.first_along_first()
    }

    /// Quantiles of each group; see [`Lazy::quantile`]. The axis of groups stands where the first reduced axis was.
    ///
    /// # Errors
    /// As [`GroupBy::reduce`], and [`Lazy::quantile`].
    pub fn quantile(&self, q: &[f64], also: &[usize], method: QuantileMethod, skips: bool) -> Result<Lazy> {
        let axes = self.reduced(also)?;
        let numbers = self.numbers_along(&axes)?;
        let asked = Asked::Quantiles(q.to_vec(), method);
        let found = self.elements().order_statistic(asked, &axes, skips, Some((self, numbers)));
        found.map_err(|error| error.during("quantile"))
    }
}

/// The loop over the quantiles, the axes that are left, and groups where the first reduced axis was.
struct Loop {
    loops: Vec<Range<i64>>,
    /// Of the elements.
    windows: Vec<Bound>,
    /// The first of the axes of groups.
    groups_at: usize,
}

impl Loop {
    fn over(of: &Lazy, axes: &[usize], asked: usize, counts: &[u64]) -> Self {
        let at = axes.first().copied().unwrap_or(0);
        let mut made = Self { loops: vec![0..asked as i64], windows: Vec::new(), groups_at: 1 };
        for axis in 0..=of.ndim() {
            if axis == at {
                made.groups_at = made.loops.len();
                made.loops.extend(counts.iter().map(|&count| 0..count as i64));
            }
            if axes.contains(&axis) {
                made.windows.push((0, Windows::Whole));
            } else if axis < of.ndim() {
                made.windows.push((made.loops.len(), Windows::Each));
                made.loops.push(of.domain().range(axis));
            }
        }
        made
    }
}

/// The kernel of quantiles, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let (of, numbers) = match site.inputs {
        [of] => (of, None),
        [of, numbers] => (of, Some(numbers)),
        _ => return Err(damaged()),
    };
    let (asked, axes) = (Asked::read(inner(config, "asked")?)?, positions(config, "axes")?);
    expect(axes.is_sorted())?;
    expect_quantiles(of, &asked, &axes)?;
    let is_grouped = config.get("groups").is_some();
    let counts: Dims<u64> = if is_grouped { counts(config, "groups")?.into() } else { Dims::new() };
    let count = counts.iter().try_fold(1u64, |all, &one| all.checked_mul(one));
    let count = count.filter(|&count| i64::try_from(count).is_ok()).ok_or_else(damaged)?;
    let length = axes.iter().map(|&axis| of.domain().shape()[axis]).fold(1, u64::saturating_mul);
    expect(
        length <= u64::from(u32::MAX) && is_grouped == numbers.is_some() && is_grouped != counts.is_empty(),
    )?;
    let Loop { loops, windows, groups_at } = Loop::over(of, &axes, asked.len(), &counts);
    site.expect(0, &windows)?;
    expect(*site.loops == Domain::from_ranges(&loops)?)?;
    if let Some(numbers) = numbers {
        let whole: Vec<Bound> = (0..numbers.ndim()).map(|_| (0, Windows::Whole)).collect();
        site.expect(1, &whole)?;
        expect(numbers.dtype() == DataType::I64 && numbers.domain().checked_len()? == length)?;
    }
    let dtype = of.dtype();
    let result = asked.result(dtype);
    expect(result == site.dtype)?;
    let of = Quantiles { asked, skips: flag(config, "skips")?, fill: fill(config, result)? };
    let by = flag(config, "drops").map(|drops| is_grouped.then(|| ByGroup::numbered(count, drops)))?;
    Ok(Arc::new(Columns { dtype, is_same: result == dtype, axes, length, of, by, counts, groups_at }))
}

fn expect_quantiles(of: &Lazy, asked: &Asked, axes: &[usize]) -> Result<()> {
    if axes.windows(2).any(|pair| pair[0] == pair[1]) || axes.iter().any(|&axis| axis >= of.ndim()) {
        return Err(Error::invalid(format!("axes {axes:?} of {}", of.ndim())));
    }
    if let Asked::Quantiles(q, _) = asked
        && let Some(wrong) = q.iter().find(|q| !(0.0..=1.0).contains(*q))
    {
        return Err(Error::invalid(format!("{wrong} is not from 0 to 1")));
    }
    if axes.iter().any(|&axis| of.domain().shape()[axis] == 0) {
        return Err(Error::invalid("quantiles of no elements are not defined"));
    }
    Ok(())
}

/// Quantiles of blocks that have some axes whole.
pub(super) struct Columns {
    dtype: DataType,
    /// Whether results are of the type of the elements, rather than `float64`.
    is_same: bool,
    axes: Dims<usize>,
    /// Elements of a column.
    length: u64,
    of: Quantiles,
    by: Option<ByGroup>,
    /// How many groups there are of each key, and the first of the axes of the loop that go over them.
    counts: Dims<u64>,
    groups_at: usize,
}

impl Columns {
    /// The same quantiles of these elements, made by counting how often there is each value; `None` if there are too many values,
    /// or groups.
    ///
    /// # Errors
    /// Those of making expressions.
    pub(super) fn by_counting(&self, of: &Lazy) -> Result<Option<Lazy>> {
        if self.by.is_some() { Ok(None) } else { of.by_counting(&self.of.asked, &self.axes) }
    }

    /// How many bits rounds over elements of a type may count at once, as [`bits_of_rounds`] has them.
    pub(super) fn bits_of_rounds(&self, dtype: DataType) -> Vec<u32> {
        bits_of_rounds(dtype, self.by.is_some())
    }

    /// The same quantiles of the elements that an operation has, made in rounds of so many bits; `None` if elements have no such bits, or
    /// there are too many groups.
    ///
    /// # Errors
    /// Those of making expressions.
    pub(super) fn in_rounds(&self, inputs: &[Lazy], bits: u32) -> Result<Option<Lazy>> {
        let groups = match (self.by, inputs) {
            (Some(by), [_, numbers]) => Some(InGroups { numbers, by, counts: &self.counts }),
            (None, [_]) => None,
            _ => return Ok(None),
        };
        inputs[0].in_rounds(&self.of, &self.axes, bits, groups)
    }

    /// Which of the groups of these steps, in C order, a group is.
    fn among(&self, steps: &Domain, mut group: usize) -> Option<usize> {
        let (mut place, mut apart) = (0, 1);
        for (own, &count) in self.counts.iter().enumerate().rev() {
            let axis = self.groups_at + own;
            let along = (group % count.max(1) as usize) as i64;
            group /= count.max(1) as usize;
            let range = steps.range(axis);
            if !range.contains(&along) {
                return None;
            }
            place += along.abs_diff(range.start) as usize * apart;
            apart *= steps.shape()[axis] as usize;
        }
        Some(place)
    }
}

impl Kernel for Columns {
    fn config(&self) -> Config {
        let Self { axes, of, .. } = self;
        let config = Config::new("quantiles")
            .with("asked", of.asked.config())
            .with("axes", axes.iter().copied().collect::<Parameter>())
            .with("skips", of.skips)
            .with("fill", of.fill.map(u64::from_ne_bytes))
            .with("drops", self.by.is_some_and(|by| by.drops));
        if self.by.is_some() { config.with("groups", &self.counts[..]) } else { config }
    }

    fn whole_axes(&self) -> &[usize] {
        &self.axes
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn scratch(&self, _steps: &[u64]) -> u64 {
        let column = self.length.saturating_mul(self.dtype.size() as u64).max(GATHERED as u64);
        // The places of groups are numbers of 32 bits.
        let of_groups =
            if self.by.is_some() { column.saturating_add(self.length.saturating_mul(4)) } else { 0 };
        column.saturating_add(of_groups)
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let range = steps.range(0);
        let asked = self.of.asked.part(range.start as usize..range.end as usize);
        let of = Quantiles { asked, ..self.of.clone() };
        let of_groups = |by: &ByGroup| {
            let groups: u64 = steps.shape()[self.groups_at..][..self.counts.len()].iter().product();
            let inside = |number: i64| Ok(by.group(number)?.and_then(|group| self.among(steps, group)));
            Members::new(inputs[1].elements::<i64>(), groups as usize, inside)
        };
        let members = self.by.as_ref().map(of_groups).transpose()?;
        let at = self.axes.first().copied().unwrap_or(0);
        let dtype = if self.dtype == DataType::Bool { DataType::U8 } else { self.dtype };
        of_ranked!(dtype, T => {
            let pencils = Pencils::<T>::new(inputs[0].elements(), inputs[0].domain.shape(), &self.axes);
            let out = match self.is_same {
                true => Out::Same(bytemuck::cast_slice_mut(out)),
                false => Out::Wide(bytemuck::cast_slice_mut(out)),
            };
            pencils.quantiles(&of, members.as_ref(), at, out)
        }, other => Err(Error::unsupported(format!("quantiles of {other}"))))
    }
}
