//! Order statistics of a block: of all elements along some axes, which are gathered column by column.

use serde_json::Value;

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::Config;
use crate::compute::fields::{damaged, expect, position, reals, text};
use crate::compute::kernels::{Ranked, select};
use crate::compute::ranks::{Between, QuantileMethod};

/// Bytes of columns that are gathered at once, if they are more than one.
pub(super) const GATHERED: usize = 256 << 10;

/// The most columns that are gathered at once.
const COLUMNS: usize = 64;

/// So many elements of a column are gathered before those of the next.
const SIDE: usize = 8;

/// Which elements in their order are asked for.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// Quantiles.
    Quantiles(Vec<f64>, QuantileMethod),
    /// Those of these ranks, from 0, from the least or from the largest one.
    Least(std::ops::Range<usize>),
    Largest(std::ops::Range<usize>),
}

impl Asked {
    /// How many are asked for.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Quantiles(all, _) => all.len(),
            Self::Least(ranks) | Self::Largest(ranks) => ranks.len(),
        }
    }

    /// What is asked for as plain data.
    pub(super) fn config(&self) -> Config {
        let ranks = |name, ranks: &std::ops::Range<usize>| {
            Config::new(name).with("from", ranks.start).with("to", ranks.end)
        };
        match self {
            Self::Quantiles(all, method) => {
                Config::new("quantiles").with("q", &all[..]).with("method", method.name())
            }
            Self::Least(of) => ranks("least", of),
            Self::Largest(of) => ranks("largest", of),
        }
    }

    /// What such data ask for.
    ///
    /// # Errors
    /// `InvalidArgument` for what is none.
    pub(super) fn read((name, config): (&str, &Value)) -> Result<Self> {
        let ranks = || {
            let (from, to) = (position(config, "from")?, position(config, "to")?);
            expect(from <= to)?;
            Ok(from..to)
        };
        Ok(match name {
            "quantiles" => {
                let method = QuantileMethod::named(text(config, "method")?).ok_or_else(damaged)?;
                Self::Quantiles(reals(config, "q")?, method)
            }
            "least" => Self::Least(ranks()?),
            "largest" => Self::Largest(ranks()?),
            _ => return Err(damaged()),
        })
    }

    /// The type of the results of elements.
    pub(super) fn result(&self, dtype: DataType) -> DataType {
        match self {
            Self::Quantiles(_, method) => method.result(dtype),
            Self::Least(_) | Self::Largest(_) => dtype,
        }
    }

    /// Some of them.
    pub(super) fn part(&self, range: std::ops::Range<usize>) -> Self {
        let moved = |ranks: &std::ops::Range<usize>| ranks.start + range.start..ranks.start + range.end;
        match self {
            Self::Quantiles(all, method) => Self::Quantiles(all[range].to_vec(), *method),
            Self::Least(ranks) => Self::Least(moved(ranks)),
            Self::Largest(ranks) => Self::Largest(moved(ranks)),
        }
    }

    /// What each is of so many elements; `None` if there are too few.
    pub(super) fn between(&self, count: usize) -> Vec<Option<Between>> {
        let one = |rank: usize| Between { low: rank, high: rank, share: 0.0 };
        match self {
            Self::Quantiles(all, method) => {
                all.iter().map(|&q| (count > 0).then(|| method.between(q, count))).collect()
            }
            Self::Least(ranks) => ranks.clone().map(|rank| (rank < count).then(|| one(rank))).collect(),
            Self::Largest(ranks) => {
                ranks.clone().map(|rank| (rank < count).then(|| one(count - 1 - rank))).collect()
            }
        }
    }
}

/// Which quantiles are asked for.
#[derive(Clone, Debug)]
pub(super) struct Quantiles {
    pub(super) asked: Asked,
    /// Whether NaNs are passed over.
    pub(super) skips: bool,
    /// What a group without elements has.
    pub(super) fill: Option<[u8; 8]>,
}

/// The elements of groups among those along the reduced axes.
pub(super) struct Members {
    /// Their places, in C order, group after group.
    pub(super) places: Vec<u32>,
    /// Where each group begins, and where the last ends.
    pub(super) starts: Vec<usize>,
}

/// The axes of a block: those that are not reduced and those that are, each as length and distance of neighbours.
pub(super) struct Pencils<'a, T> {
    data: &'a [T],
    kept: Vec<(usize, usize)>,
    reduced: Vec<(usize, usize)>,
}

/// Elements of results, in one of two types.
pub(super) enum Out<'a, T> {
    Same(&'a mut [T]),
    Wide(&'a mut [f64]),
}

impl<'a, T: Ranked> Pencils<'a, T> {
    /// Those of dense elements in C order.
    pub(super) fn new(data: &'a [T], shape: &[u64], reduced: &[usize]) -> Self {
        let (mut stride, mut axes) = (1, vec![(0, 0); shape.len()]);
        for (axis, &length) in shape.iter().enumerate().rev() {
            axes[axis] = (length as usize, stride);
            stride *= length as usize;
        }
        let (reduced, kept): (Vec<usize>, Vec<usize>) =
            (0..shape.len()).partition(|axis| reduced.contains(axis));
        let of = |all: Vec<usize>| all.into_iter().map(|axis| axes[axis]).collect();
        Self { data, kept: of(kept), reduced: of(reduced) }
    }

    /// How many elements a column has.
    fn length(&self) -> usize {
        self.reduced.iter().map(|axis| axis.0).product()
    }

    /// How many columns are gathered at once: several only if neighbours in memory are of different columns.
    fn at_once(&self) -> usize {
        let is_apart = |axes: &[(usize, usize)]| axes.iter().any(|axis| axis.0 > 1 && axis.1 == 1);
        let most = GATHERED / (self.length() * size_of::<T>()).max(1);
        if is_apart(&self.reduced) { 1 } else { most.clamp(1, COLUMNS) }
    }

    /// Writes the quantiles of each column, or of each group in it: first all of the first quantile, with an axis of groups
    /// before the axis `at` of those that are not reduced, if there are groups.
    ///
    /// # Errors
    /// `InvalidArgument` if a group has no elements, and no result.
    pub(super) fn quantiles(
        &self,
        of: &Quantiles,
        members: Option<&Members>,
        at: usize,
        mut out: Out<'_, T>,
    ) -> Result<()> {
        let columns: usize = self.kept.iter().map(|axis| axis.0).product();
        let groups = members.map_or(1, |members| members.starts.len() - 1);
        let behind: usize = self.kept[at.min(self.kept.len())..].iter().map(|axis| axis.0).product();
        let (length, at_once, behind) = (self.length(), self.at_once(), behind.max(1));
        let mut keys: Vec<T::Key> = vec![T::Key::default(); length * at_once];
        let mut sorted: Vec<T::Key> = Vec::new();
        for first in (0..columns).step_by(at_once) {
            let some = at_once.min(columns - first);
            self.gather(first, some, &mut keys);
            for column in first..first + some {
                let own = &mut keys[(column - first) * length..][..length];
                for group in 0..groups {
                    let part = match members {
                        None => &mut *own,
                        Some(members) => {
                            let places = &members.places[members.starts[group]..members.starts[group + 1]];
                            sorted.clear();
                            sorted.extend(places.iter().map(|&place| own[place as usize]));
                            &mut sorted
                        }
                    };
                    let place = (column / behind * groups + group) * behind + column % behind;
                    one(of, part, group, &mut out, place, columns * groups)?;
                }
            }
        }
        Ok(())
    }

    /// The keys of some columns from this one on, one column behind the other.
    fn gather(&self, first: usize, some: usize, keys: &mut [T::Key]) {
        let length = self.length();
        let starts: Vec<usize> = (first..first + some).map(|column| offset(&self.kept, column)).collect();
        let (row, step) = self.reduced.last().copied().unwrap_or((1, 1));
        let outer = &self.reduced[..self.reduced.len().saturating_sub(1)];
        for (number, at) in (0..length).step_by(row.max(1)).enumerate() {
            let outer = offset(outer, number);
            for first in (0..row).step_by(SIDE) {
                let some = SIDE.min(row - first);
                for (start, keys) in starts.iter().zip(keys.chunks_exact_mut(length)) {
                    let keys = &mut keys[at + first..at + first + some];
                    for (k, key) in keys.iter_mut().enumerate() {
                        *key = self.data[start + outer + (first + k) * step].key();
                    }
                }
            }
        }
    }
}

/// Where the element of this number, in C order, is.
pub(super) fn offset(axes: &[(usize, usize)], mut number: usize) -> usize {
    let mut at = 0;
    for &(length, step) in axes.iter().rev() {
        at += number % length.max(1) * step;
        number /= length.max(1);
    }
    at
}

/// Puts the quantiles of these elements to `place`, and so far behind it.
fn one<T: Ranked>(
    of: &Quantiles,
    keys: &mut [T::Key],
    group: usize,
    out: &mut Out<'_, T>,
    place: usize,
    apart: usize,
) -> Result<()> {
    let missing = T::MISSING.map_or(0, |nan| keys.iter().filter(|key| **key == nan).count());
    // NaNs are behind all others.
    let count = keys.len() - if of.skips { missing } else { 0 };
    let is_nan = count == 0 || (missing > 0 && !of.skips);
    let between = match is_nan {
        true => vec![None; of.asked.len()],
        false => of.asked.between(count),
    };
    let mut ranks: Vec<usize> = between.iter().flatten().flat_map(|one| [one.low, one.high]).collect();
    ranks.sort_unstable();
    ranks.dedup();
    select(keys, &ranks);
    for (k, one) in between.into_iter().enumerate() {
        let at = place + k * apart;
        let found = one.map(|one| (one, T::of(keys[one.low]), T::of(keys[one.high])));
        match (&mut *out, found) {
            (Out::Same(all), Some((one, low, high))) => all[at] = one.element(low, high),
            (Out::Wide(all), Some((one, low, high))) => all[at] = one.of(low.as_f64(), high.as_f64()),
            (Out::Same(all), None) => all[at] = none::<T>(of.fill, keys.is_empty(), group)?,
            (Out::Wide(all), None) => all[at] = none::<f64>(of.fill, keys.is_empty(), group)?,
        }
    }
    Ok(())
}

impl Between {
    /// The element between two.
    pub(super) fn element<T: Ranked>(self, low: T, high: T) -> T {
        let is_low = self.share == 0.0 || self.low == self.high;
        if is_low { low } else { T::from_f64(self.of(low.as_f64(), high.as_f64())) }
    }
}

/// The quantile of nothing, or of NaN.
///
/// # Errors
/// `InvalidArgument` if it is of whole numbers, unless it is said what it is.
pub(super) fn none<T: Ranked>(fill: Option<[u8; 8]>, is_empty: bool, group: usize) -> Result<T> {
    match (fill.filter(|_| is_empty), T::MISSING) {
        (Some(fill), _) => Ok(bytemuck::pod_read_unaligned(&fill[..size_of::<T>()])),
        (None, Some(_)) => Ok(T::from_f64(f64::NAN)),
        (None, None) => Err(Error::invalid(format!(
            "the quantile of group {group}, which has no elements, is not defined; say with `fill` what it is"
        ))),
    }
}

impl Members {
    /// Those of so many groups, by the numbers of all elements along the reduced axes: `inside` says which of the groups an element of a number
    /// is in.
    ///
    /// # Errors
    /// What `inside` gives.
    pub(super) fn new(
        numbers: &[i64],
        groups: usize,
        inside: impl Fn(i64) -> Result<Option<usize>>,
    ) -> Result<Self> {
        let mut starts = vec![0usize; groups + 1];
        for &number in numbers {
            if let Some(group) = inside(number)? {
                starts[group + 1] += 1;
            }
        }
        for k in 1..starts.len() {
            starts[k] += starts[k - 1];
        }
        let (mut next, mut places) = (starts.clone(), vec![0u32; starts.last().copied().unwrap_or(0)]);
        for (place, &number) in numbers.iter().enumerate() {
            if let Some(group) = inside(number)? {
                places[next[group]] = place as u32;
                next[group] += 1;
            }
        }
        Ok(Self { places, starts })
    }
}
