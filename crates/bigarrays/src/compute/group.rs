//! Expressions that reduce groups of elements.

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::cast::{Cast, OutOfRange, Rounding};
use crate::compute::expr::{Kind, Lazy, Operand};
use crate::compute::function::Function;
use crate::compute::groups::{Grouped, Grouping, Groups};
use crate::compute::mapping::{Mapping, Placed};
use crate::compute::reduction::Reduction;
use crate::compute::types::{Literal, is_whole};

/// Elements in groups, by numbers that lie beside them: 0, 1, … for the groups, and negative ones for elements of no group.
///
/// ```
/// use bigarrays::compute::{ComputeOptions, Lazy};
/// use bigarrays::{DataType, Domain};
///
/// let t = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U8, &[3, 9, 4, 8])?;
/// let season = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U8, &[0, 1, 0, 1])?;
/// let mean = t.group_by(&season, &[0], 2)?.mean()?;
/// let anomaly = (&t - &mean.back()?)?;
/// let found = anomaly.compute::<f64>(&ComputeOptions::default())?;
/// assert_eq!(found.into_data().into_raw_vec_and_offset().0, [-0.5, 0.5, 0.5, -0.5]);
/// # Ok::<(), bigarrays::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GroupBy {
    of: Lazy,
    /// The numbers of each key, and those of the groups, over the domain of `of`.
    keys: Vec<Lazy>,
    numbers: Option<Lazy>,
    /// The axes along which numbers lie, ascending.
    axes: Dims<usize>,
    counts: Dims<u64>,
    drops: bool,
    fill: Option<Literal>,
}

impl Lazy {
    /// These elements in groups by the numbers that `labels` has along `axes` of this, one group for each of 0 to `count`.
    ///
    /// # Errors
    /// `InvalidArgument` if numbers do not lie where the axes do, or are no whole numbers.
    pub fn group_by(&self, labels: &Self, axes: &[usize], count: u64) -> Result<GroupBy> {
        let none = GroupBy {
            of: self.clone(),
            keys: Vec::new(),
            numbers: None,
            axes: Dims::new(),
            counts: Dims::new(),
            drops: false,
            fill: None,
        };
        none.and(labels, axes, count)
    }
}

impl GroupBy {
    /// The same in groups by another key as well: there is one group for each combination, and an axis of groups for each key.
    ///
    /// # Errors
    /// As [`Lazy::group_by`].
    pub fn and(mut self, labels: &Lazy, axes: &[usize], count: u64) -> Result<Self> {
        let during = |error: Error| error.during("groupby");
        self.keys.push(spread(labels, axes, &self.of).map_err(during)?);
        self.counts.push(count);
        let len = self.counts.iter().try_fold(1u64, |all, &one| all.checked_mul(one));
        if len.is_none_or(|len| i64::try_from(len).is_err()) {
            return Err(during(Error::invalid("more groups than can be numbered")));
        }
        let new = axes.iter().filter(|axis| !self.axes.contains(axis)).copied().collect::<Dims<_>>();
        self.axes.extend(new);
        self.axes.sort_unstable();
        self.numbers = Some(self.combined().map_err(during)?);
        Ok(self)
    }

    /// The same, where elements of numbers beyond the groups belong to none; otherwise they are an error once they are read.
    #[must_use]
    pub fn dropping(mut self) -> Self {
        self.drops = true;
        self
    }

    /// The same, where groups without elements become `fill`.
    #[must_use]
    pub fn filled(mut self, fill: impl Into<Literal>) -> Self {
        self.fill = Some(fill.into());
        self
    }

    /// What becomes of the elements of each group, along the axes of the numbers and these as well. The axes of groups are 0,
    /// 1, …, and stand where the first of these axes was.
    ///
    /// Groups without elements have the sum 0, the product 1 and the count 0; no mean and, of floating-point numbers, no least
    /// and no largest one: those are NaN. Of whole numbers these are an error, unless [`GroupBy::filled`] says otherwise.
    ///
    /// # Errors
    /// As [`Lazy::reduce`].
    pub fn reduce(&self, reduction: Reduction, also: &[usize]) -> Result<Lazy> {
        let during = |error: Error| error.during(reduction.name());
        let axes = self.reduced(also).map_err(during)?;
        if reduction.places() && axes.len() > 1 && axes.len() < self.of.ndim() {
            return Err(during(Error::invalid("it is along one axis, or among all elements")));
        }
        self.of.expect_shallow().map_err(during)?;
        let reduction = reduction.of(self.of.dtype());
        let dtype = reduction.result(self.of.dtype());
        let fill = self.fill.map(|fill| fill.bytes(dtype)).transpose().map_err(during)?;
        self.grouped(Grouping { reduction, by: self.by(&axes), fill }, &self.of, dtype)
    }

    /// What is grouped.
    pub(super) fn elements(&self) -> &Lazy {
        &self.of
    }

    pub(super) fn fill(&self) -> Option<Literal> {
        self.fill
    }

    /// The numbers of groups, of one element along each axis that is not among these.
    pub(super) fn numbers_along(&self, axes: &[usize]) -> Result<Lazy> {
        let numbers = self.numbers.as_ref().ok_or_else(|| Error::invalid("groups by nothing"))?;
        numbers.boxed(&self.thin(axes)?)
    }

    /// The box of one element along each axis that is not among these.
    fn thin(&self, axes: &[usize]) -> Result<Domain> {
        let range = |axis: usize| {
            let range = self.of.domain().range(axis);
            let end = range.start.saturating_add(1).min(range.end);
            if axes.contains(&axis) { range } else { range.start..end }
        };
        Domain::from_ranges(&(0..self.of.ndim()).map(range).collect::<Dims<_>>())
    }

    /// What becomes groups where these axes are reduced.
    pub(super) fn by(&self, axes: &[usize]) -> Grouped {
        Grouped { groups: self.groups(), axes: axes.into(), labelled: self.axes.clone() }
    }

    pub(super) fn groups(&self) -> Groups {
        Groups { counts: self.counts.clone(), drops: self.drops, labels: None }
    }

    fn grouped(&self, grouping: Grouping, of: &Lazy, dtype: DataType) -> Result<Lazy> {
        let numbers = self.numbers.as_ref().ok_or_else(|| Error::invalid("groups by nothing"))?;
        of.of_groups(grouping, numbers, dtype)
    }

    /// The axes of the numbers and these, ascending.
    pub(super) fn reduced(&self, also: &[usize]) -> Result<Dims<usize>> {
        let mut axes = self.axes.clone();
        axes.extend(also.iter().copied());
        axes.sort_unstable();
        let is_twice = axes.windows(2).any(|pair| pair[0] == pair[1]);
        if is_twice || axes.iter().any(|&axis| axis >= self.of.ndim()) {
            return Err(Error::invalid(format!("axes {axes:?} of {}", self.of.ndim())));
        }
        Ok(axes)
    }

    /// The sum of each group.
    ///
    /// # Errors
    /// As [`GroupBy::reduce`].
    pub fn sum(&self) -> Result<Lazy> {
        self.reduce(Reduction::Sum, &[])
    }

    /// The mean of each group.
    ///
    /// # Errors
    /// As [`GroupBy::reduce`].
    pub fn mean(&self) -> Result<Lazy> {
        self.reduce(Reduction::Mean, &[])
    }

    /// How many elements each group has, over the domain of what [`GroupBy::reduce`] gives, but of length 1 along all axes that
    /// are no axes of groups.
    ///
    /// # Errors
    /// As [`GroupBy::reduce`].
    pub fn sizes(&self, also: &[usize]) -> Result<Lazy> {
        let axes = self.reduced(also)?;
        let domain = self.thin(&axes)?;
        let numbers = Some(self.numbers_along(&axes)?);
        let is_one = Lazy::constant([1, 0, 0, 0, 0, 0, 0, 0], DataType::Bool)?.broadcast_to(&domain)?;
        let own = Self { of: is_one.clone(), numbers, ..self.clone() };
        let grouping = Grouping { reduction: Reduction::CountNonzero, by: self.by(&axes), fill: None };
        own.grouped(grouping, &is_one, DataType::I64)
    }

    /// The variance of each group, in `float64`: the sum of squared distances from its mean, divided by the number of its
    /// elements, or of those that are not NaN if it `skips` them, less `correction`.
    ///
    /// # Errors
    /// As [`GroupBy::reduce`].
    pub fn variance(&self, also: &[usize], correction: f64, skips: bool) -> Result<Lazy> {
        self.filled_where_empty(also, self.spread(also, correction, skips)?)
    }

    /// The standard deviation of each group: the root of its variance, see [`GroupBy::variance`].
    ///
    /// # Errors
    /// As [`GroupBy::reduce`].
    pub fn standard_deviation(&self, also: &[usize], correction: f64, skips: bool) -> Result<Lazy> {
        let root = Lazy::apply(Function::Sqrt, &[(&self.spread(also, correction, skips)?).into()])?;
        self.filled_where_empty(also, root)
    }

    /// The variance of each group, also of those without elements.
    fn spread(&self, also: &[usize], correction: f64, skips: bool) -> Result<Lazy> {
        let dtype = if self.of.dtype().is_float() { self.of.dtype() } else { DataType::F64 };
        let own = Self { fill: None, ..self.clone() };
        let is_skipping = skips && self.of.dtype().is_float();
        let (distances, count) = if is_skipping {
            let is_nan = Lazy::apply(Function::IsNan, &[(&self.of).into()])?;
            let of = Lazy::apply(Function::LogicalNot, &[(&is_nan).into()])?;
            let numbers = Self { of, ..own.clone() };
            (Reduction::NanSquaredDistances, numbers.reduce(Reduction::CountNonzero, also)?)
        } else {
            (Reduction::SquaredDistances, self.sizes(also)?)
        };
        let less = (&count.converted(DataType::F64)? - correction)?;
        let divisor = if is_skipping {
            let is_enough = Lazy::apply(Function::Greater, &[(&less).into(), 0.0.into()])?;
            Lazy::apply(Function::Where, &[(&is_enough).into(), (&less).into(), f64::NAN.into()])?
        } else {
            Lazy::apply(Function::Maximum, &[(&less).into(), 0.0.into()])?
        };
        (&own.reduce(distances, also)? / &divisor)?.converted(dtype)
    }

    /// What was found of groups, where those without elements have what was asked for.
    fn filled_where_empty(&self, also: &[usize], found: Lazy) -> Result<Lazy> {
        let Some(fill) = self.fill else { return Ok(found) };
        let has_any = Lazy::apply(Function::Greater, &[(&self.sizes(also)?).into(), 0.into()])?;
        Lazy::apply(Function::Where, &[(&has_any).into(), (&found).into(), Operand::Literal(fill)])
    }

    /// The number of each element's group, over the domain of the elements.
    fn combined(&self) -> Result<Lazy> {
        let [first, others @ ..] = &self.keys[..] else { return Err(Error::invalid("groups by nothing")) };
        if others.is_empty() {
            return Ok(first.clone());
        }
        let apply = |function: Function, all: &[Operand]| Lazy::apply(function, all);
        let (mut all, mut is_none, mut is_out) = (None::<Lazy>, None::<Lazy>, None::<Lazy>);
        for (key, &count) in self.keys.iter().zip(&self.counts) {
            let count = count as i64;
            let either = |one: Option<Lazy>, other: Lazy| match one {
                Some(one) => apply(Function::LogicalOr, &[(&one).into(), (&other).into()]),
                None => Ok(other),
            };
            is_none = Some(either(is_none, apply(Function::Less, &[key.into(), 0.into()])?)?);
            is_out = Some(either(is_out, apply(Function::GreaterEqual, &[key.into(), count.into()])?)?);
            all = Some(match all {
                Some(all) => (&(&all * count)? + key)?,
                None => key.clone(),
            });
        }
        let none = || Error::invalid("groups by nothing");
        let (all, is_none, is_out) =
            (all.ok_or_else(none)?, is_none.ok_or_else(none)?, is_out.ok_or_else(none)?);
        let inside = apply(Function::Where, &[(&is_out).into(), i64::MAX.into(), (&all).into()])?;
        apply(Function::Where, &[(&is_none).into(), (-1).into(), (&inside).into()])
    }
}

impl Lazy {
    /// What groups of these elements become, by numbers over the same domain.
    pub(super) fn of_groups(&self, grouping: Grouping, numbers: &Self, dtype: DataType) -> Result<Self> {
        let by = &grouping.by;
        let kept = (0..self.ndim()).filter(|axis| !by.axes.contains(axis));
        let mut names: Dims<Option<String>> = kept.map(|axis| self.names()[axis].clone()).collect();
        (0..by.groups.ndim()).for_each(|k| names.insert(by.axes[0] + k, None));
        let domain = by.domain(self.domain())?;
        let all = [self.clone(), numbers.clone()].into_iter().collect();
        Ok(Self::new(Kind::Group(Box::new(grouping), all), dtype, domain, names))
    }

    /// The elements of a box, at their coordinates.
    pub(super) fn boxed(&self, part: &Domain) -> Result<Self> {
        let picks = (0..part.ndim()).map(crate::compute::mapping::Pick::same).collect();
        self.view(&Mapping { domain: part.clone(), picks })
    }
}

/// Numbers along some axes of `of` as numbers over all of its domain.
fn spread(labels: &Lazy, axes: &[usize], of: &Lazy) -> Result<Lazy> {
    placed(&whole_numbers(labels)?, axes, of)
}

/// What lies along some axes of `of` over all of its domain.
pub(super) fn placed(labels: &Lazy, axes: &[usize], of: &Lazy) -> Result<Lazy> {
    let is_there = axes.iter().enumerate().all(|(k, axis)| *axis < of.ndim() && !axes[..k].contains(axis));
    if axes.is_empty() || !is_there || labels.ndim() != axes.len() {
        let (own, ndim) = (labels.ndim(), of.ndim());
        return Err(Error::invalid(format!("labels of {own} axes along the axes {axes:?} of {ndim}")));
    }
    let wanted = Domain::from_ranges(&axes.iter().map(|&axis| of.domain().range(axis)).collect::<Dims<_>>())?;
    if *labels.domain() != wanted {
        let reason = format!(
            "labels over {} where the axes have {wanted}; move them with `translate`",
            labels.domain()
        );
        return Err(Error::invalid(reason));
    }
    let placed = |axis: usize| match axes.iter().position(|&one| one == axis) {
        Some(own) => Placed::Old(own),
        None => Placed::New(of.domain().range(axis)),
    };
    let placed: Dims<Placed> = (0..of.ndim()).map(placed).collect();
    labels.view(&Mapping::arranged(labels.domain(), &placed)?)
}

/// Labels as numbers of 64 bits: NaN as −1, and what is no whole number, or too large, as the largest number.
pub(super) fn whole_numbers(labels: &Lazy) -> Result<Lazy> {
    let dtype = labels.dtype();
    let clip = Cast { rounding: Rounding::Zero, out_of_range: OutOfRange::Clip };
    if is_whole(dtype) || dtype == DataType::Bool {
        return if dtype == DataType::U64 {
            labels.cast(DataType::I64, clip)
        } else {
            labels.converted(DataType::I64)
        };
    }
    let floor = Lazy::apply(Function::Floor, &[labels.into()])?;
    let is_whole = Lazy::apply(Function::Equal, &[labels.into(), (&floor).into()])?;
    let wide = labels.converted(DataType::F64)?;
    let checked = Lazy::apply(Function::Where, &[(&is_whole).into(), (&wide).into(), f64::INFINITY.into()])?;
    let is_nan = Lazy::apply(Function::IsNan, &[labels.into()])?;
    let known = Lazy::apply(Function::Where, &[(&is_nan).into(), (-1.0).into(), (&checked).into()])?;
    known.cast(DataType::I64, clip)
}
