//! What is made of what, and how boxes of levels lie in memory.

use crate::array::ChunkSet;
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::jobs::pyramid::levels::{Level, Levels, made_of};
use crate::jobs::pyramid::options::Downsampling;
use crate::jobs::pyramid::windows::{Along, Counts, Windows};

/// A source, the levels that are made of it, and by what.
pub(super) struct Making<'a, T, K> {
    pub(super) levels: &'a Levels,
    pub(super) method: Downsampling,
    pub(super) kernel: &'a K,
    pub(super) fill: T,
    /// What is stored of the source, if that is known.
    pub(super) stored: Option<ChunkSet>,
    pub(super) order: Order,
    /// The most bytes of the source that are read at once.
    pub(super) piece: u64,
    /// The most bytes of encoded chunks that wait for their shards to be written, of each level and unit.
    pub(super) waiting: u64,
}

impl<T, K> Making<'_, T, K> {
    /// In the order in which memory has axes.
    pub(super) fn c_order<V>(&self, axes: impl DoubleEndedIterator<Item = V>) -> Dims<V> {
        match self.order {
            Order::C => axes.collect(),
            Order::Fortran => axes.rev().collect(),
        }
    }

    pub(super) fn shape(&self, part: &Domain) -> Dims<usize> {
        self.c_order(part.shape().iter().map(|&length| length as usize))
    }

    /// How elements of `fine` become those of `coarse`.
    pub(super) fn windows(&self, fine: &Domain, coarse: &Domain, factor: &[u64]) -> Windows {
        let axes: Vec<Along> = fine
            .ranges()
            .zip(coarse.ranges())
            .zip(factor)
            .map(|((fine, coarse), &factor)| Along::of(&fine, &coarse, factor))
            .collect();
        Windows { shape: self.shape(fine), along: self.c_order(axes.into_iter()) }
    }

    pub(super) fn counts(&self, level: &Level, part: &Domain) -> Counts {
        let ranges = |domain: &Domain| self.c_order(domain.ranges().collect::<Vec<_>>().into_iter());
        let factor = self.c_order(level.factor.iter().copied());
        Counts::of(&ranges(self.levels.source.domain()), &ranges(part), &factor)
    }

    /// The box of the source that a box of a level is made of.
    pub(super) fn source_of(&self, level: &Level, part: &Domain) -> Result<Domain> {
        Ok(made_of(part, level.factor.iter().copied())?.intersect(self.levels.source.domain()))
    }
}
