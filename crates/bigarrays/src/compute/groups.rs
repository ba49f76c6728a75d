//! Groups of elements, each of which is reduced on its own: by numbers that lie beside the elements.

use std::ops::Range;

use serde_json::Value;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::chunk::config::{Config, Parameter};
use crate::compute::fields::{counts, expect, flag, positions};
use crate::compute::reduction::Reduction;

/// How elements are grouped, but for the numbers of their groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    /// How many groups there are along each axis of groups; a number counts in C order.
    pub(crate) counts: Dims<u64>,
    /// Whether elements of a number that there is not belong to no group; otherwise that is an error.
    pub(crate) drops: bool,
    /// The type of labels, `int64` or `uint64`, where numbers are labels, and each that is met is a group.
    pub(crate) labels: Option<DataType>,
}

/// The most groups that have cells whether they are met or not.
const MOST_DENSE: u64 = 1 << 22;

/// Which axes become groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grouped {
    pub(crate) groups: Groups,
    /// The axes that are reduced, ascending.
    pub(crate) axes: Dims<usize>,
    /// Those of them along which numbers of groups lie.
    pub(crate) labelled: Dims<usize>,
}

/// A reduction of each group along some axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grouping {
    pub(crate) reduction: Reduction,
    pub(crate) by: Grouped,
    /// What a group without elements has, as an element of the result.
    pub(crate) fill: Option<[u8; 8]>,
}

impl Grouped {
    /// The domain of groups of what is over `domain`: axes of groups stand where the first reduced one was.
    ///
    /// # Errors
    /// `InvalidArgument` if coordinates leave their range.
    pub(crate) fn domain(&self, domain: &Domain) -> Result<Domain> {
        let kept = (0..domain.ndim()).filter(|axis| !self.axes.contains(axis));
        let ranges: Dims<Range<i64>> = kept.map(|axis| domain.range(axis)).collect();
        self.groups.placed(&Domain::from_ranges(&ranges)?, self.axes[0])
    }

    /// What groups elements, as the beginning of a configuration.
    pub(crate) fn config(&self, name: &'static str) -> Config {
        let numbers = |axes: &Dims<usize>| axes.iter().copied().collect::<Parameter>();
        Config::new(name)
            .with("axes", numbers(&self.axes))
            .with("labelled", numbers(&self.labelled))
            .with("counts", &self.groups.counts[..])
            .with("drops", self.groups.drops)
    }

    /// What groups elements, of what is over `domain`, of such a configuration.
    ///
    /// # Errors
    /// `InvalidArgument` for what is none, or does not fit.
    pub(super) fn read(node: &Value, domain: &Domain) -> Result<Self> {
        let groups =
            Groups { counts: counts(node, "counts")?.into(), drops: flag(node, "drops")?, labels: None };
        let by = Self { groups, axes: positions(node, "axes")?, labelled: positions(node, "labelled")? };
        let is_sorted = |axes: &Dims<usize>| axes.is_sorted_by(|one, other| one < other);
        let is_there = by.axes.last().is_some_and(|&last| last < domain.ndim());
        let len = by.groups.counts.iter().try_fold(1u64, |all, &one| all.checked_mul(one));
        let can_be = !by.groups.counts.is_empty() && len.is_some_and(|len| i64::try_from(len).is_ok());
        let is_labelled = by.labelled.iter().all(|axis| by.axes.contains(axis));
        expect(is_sorted(&by.axes) && is_sorted(&by.labelled) && is_there && can_be && is_labelled)?;
        Ok(by)
    }
}

impl Groups {
    /// How many there are in all.
    pub(crate) fn len(&self) -> u64 {
        self.counts.iter().copied().fold(1, u64::saturating_mul)
    }

    /// Whether only groups that are met have cells. It follows from what is asked for alone, as the order of folding does.
    pub(crate) fn is_sparse(&self) -> bool {
        self.labels.is_some() || self.len() > MOST_DENSE
    }

    /// How many groups have cells whether they are met or not.
    pub(crate) fn dense(&self) -> u64 {
        if self.is_sparse() { 1 } else { self.len() }
    }

    /// How many axes of groups there are.
    pub(crate) fn ndim(&self) -> usize {
        self.counts.len()
    }

    /// The box of results of a box of the axes that are not reduced: the axes of groups stand where the first reduced one was.
    ///
    /// # Errors
    /// `InvalidArgument` if coordinates leave their range.
    pub(crate) fn placed(&self, kept: &Domain, at: usize) -> Result<Domain> {
        let mut ranges: Dims<Range<i64>> = kept.ranges().collect();
        for (k, &count) in self.counts.iter().enumerate() {
            ranges.insert(at + k, 0..i64::try_from(count).unwrap_or(i64::MAX));
        }
        Domain::from_ranges(&ranges)
    }
}
