//! Chunks of several levels, each of which lies within one of the next level, and the order in which their leaves are worked off.

use std::ops::Range;

use roaring::RoaringTreemap;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::jobs::pyramid::levels::Level;
use crate::run::interrupt::check_interrupt;

/// The index of a chunk along each axis of its level, from where its grid begins.
pub(super) type Index = Dims<i64>;

/// Boxes of a grid, and what a box of it covers.
#[derive(Clone, Debug)]
struct Tier {
    /// Where boxes begin, and how long they are.
    grid: Dims<(i64, u64)>,
    /// Elements of the tier below that become one.
    step: Dims<u64>,
    active: Domain,
}

impl Tier {
    /// The indexes of its boxes that there are.
    fn indexes(&self) -> Dims<Range<i64>> {
        index_ranges(&self.active, &self.grid)
    }
}

/// Levels that are made in one pass, the finest first, and above them units: boxes of chunks of the coarsest level that are whole
/// on their own.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    pub(super) levels: &'a [Level],
    tiers: Vec<Tier>,
    /// Along each axis, how many boxes of a tier a box of the next has; one fewer than tiers.
    radix: Vec<Dims<u64>>,
    /// The number of the first box of a tier within the box 0 of the next.
    first: Vec<Dims<i64>>,
    /// Leaves below a box of each tier, if all are there.
    below: Vec<u64>,
    /// Where units are.
    units: Dims<Range<i64>>,
    /// Which leaves have anything to do; all if none are said.
    some: Option<RoaringTreemap>,
    /// The numbers of leaves that are worked off here, if not all.
    share: Option<Range<u64>>,
}

/// Whether chunks of a level lie within those of the next, as do the cells of that.
fn is_within(fine: &Level, coarse: &Level) -> bool {
    let axes = fine.chunks.iter().zip(&coarse.chunks).zip(&coarse.step);
    axes.into_iter().all(|((&(origin, length), &(next, long)), &step)| {
        let step_whole = step as i64;
        let is_whole = |at: i64| at.rem_euclid(step_whole) == 0;
        let wide = long.checked_mul(step);
        wide.is_some_and(|wide| wide % length == 0)
            && next.checked_mul(step_whole).is_some_and(|next| (next - origin).rem_euclid(length as i64) == 0)
            && length % step == 0
            && is_whole(origin)
    })
}

/// Where units are, of tiers of which the last one is theirs. What leaves of a box reach into may be beyond those of the box itself.
fn units_of(tiers: &[Tier], first: &[Dims<i64>], radix: &[Dims<u64>]) -> Dims<Range<i64>> {
    let (mut units, leaves) = (tiers[tiers.len() - 1].indexes(), tiers[0].indexes());
    for (axis, (units, leaves)) in units.iter_mut().zip(&leaves).enumerate() {
        let above = |leaf: i64| {
            let tiers = first.iter().zip(radix);
            tiers.fold(leaf, |at, (first, radix)| (at - first[axis]).div_euclid(radix[axis] as i64))
        };
        if !leaves.is_empty() {
            units.start = units.start.min(above(leaves.start));
            units.end = units.end.max(above(leaves.end - 1) + 1);
        }
    }
    units
}

/// The levels that are made in each pass.
pub(super) fn passes(levels: &[Level]) -> Vec<&[Level]> {
    levels.chunk_by(is_within).collect()
}

impl<'a> Tree<'a> {
    /// The tree of levels that lie within each other. `unit` is the length of a unit along each axis, in chunks of the coarsest.
    ///
    /// # Errors
    /// `Unsupported` if there are more chunks than 2^64.
    pub(super) fn new(levels: &'a [Level], unit: &[u64]) -> Result<Self> {
        let too_many = || Error::unsupported("levels of more than 2^64 chunks");
        let tier = |level: &Level| Tier {
            grid: level.chunks.clone(),
            step: level.step.clone(),
            active: level.active.clone(),
        };
        let mut tiers: Vec<Tier> = levels.iter().map(tier).collect();
        let top = tiers.last().ok_or_else(|| Error::invalid("no levels"))?;
        let along =
            top.grid.iter().zip(unit).map(|(&(origin, length), &unit)| (origin, length.saturating_mul(unit)));
        let units =
            Tier { grid: along.collect(), step: Dims::from_elem(1, unit.len()), active: top.active.clone() };
        tiers.push(units);
        let (mut radix, mut first, mut below) = (Vec::new(), Vec::new(), vec![1u64]);
        for two in tiers.windows(2) {
            let [fine, coarse] = two else { continue };
            let axes = || fine.grid.iter().zip(&coarse.grid).zip(&coarse.step);
            let own: Dims<u64> =
                axes().map(|((fine, coarse), step)| coarse.1.saturating_mul(*step) / fine.1).collect();
            let all = own.iter().try_fold(1u64, |all, &one| all.checked_mul(one)).ok_or_else(too_many)?;
            let last = below.last().copied().unwrap_or(1);
            below.push(last.checked_mul(all).ok_or_else(too_many)?);
            // That of two may begin within a cell that the other begins with.
            let begins = axes()
                .map(|((fine, coarse), &step)| -(fine.0 - coarse.0 * step as i64).div_euclid(fine.1 as i64));
            first.push(begins.collect());
            radix.push(own);
        }
        let units = units_of(&tiers, &first, &radix);
        let count =
            units.iter().try_fold(1u64, |all, range| all.checked_mul(range.end.abs_diff(range.start)));
        count.and_then(|count| count.checked_mul(below.last().copied()?)).ok_or_else(too_many)?;
        Ok(Self { levels, tiers, radix, first, below, units, some: None, share: None })
    }

    /// The tier of units.
    fn top(&self) -> usize {
        self.tiers.len() - 1
    }

    /// Follows what the source has: other leaves have nothing to do.
    ///
    /// # Errors
    /// `Cancelled`.
    pub(super) fn follow(
        &mut self,
        stored: impl Iterator<Item = Domain>,
        box_of: impl Fn(&Domain) -> Result<Domain>,
    ) -> Result<()> {
        let mut some = RoaringTreemap::new();
        for (number, chunk) in stored.enumerate() {
            if number % 1024 == 0 {
                check_interrupt()?;
            }
            let part = box_of(&chunk)?.intersect(&self.tiers[0].active);
            for_each_index(&index_ranges(&part, &self.tiers[0].grid), |leaf| {
                some.insert(self.number_of(leaf));
            });
        }
        self.some = Some(some);
        Ok(())
    }

    /// How many units there are.
    pub(super) fn unit_count(&self) -> u64 {
        self.units.iter().map(|range| range.end.abs_diff(range.start)).product()
    }

    /// Leaves all but one of `of` shares of units to others.
    pub(super) fn take_share(&mut self, number: u64, of: u64) {
        let at =
            |number: u64| (u128::from(self.unit_count()) * u128::from(number) / u128::from(of.max(1))) as u64;
        let below = self.below[self.top()];
        let share = at(number) * below..at(number + 1) * below;
        if let Some(some) = &mut self.some {
            some.remove_range(..share.start);
            some.remove_range(share.end..);
        }
        self.share = Some(share);
    }

    /// The chunks of a level that touch a box of it and are made of anything, by their indexes.
    pub(super) fn chunks_in(&self, level: usize, part: &Domain) -> Vec<Index> {
        let mut found = Vec::new();
        let tier = &self.tiers[level];
        for_each_index(&index_ranges(&part.intersect(&tier.active), &tier.grid), |index| {
            if self.leaves(level, index) > 0 {
                found.push(index.into());
            }
        });
        found
    }

    /// How many numbers of leaves are worked off, of which some may have nothing to do.
    pub(super) fn len(&self) -> u64 {
        match &self.some {
            Some(some) => some.len(),
            None => match &self.share {
                Some(share) => share.end - share.start,
                None => self.unit_count() * self.below[self.top()],
            },
        }
    }

    /// The chunks, from the leaf up, of the `k`-th leaf; `None` if it is beyond the level.
    pub(super) fn path(&self, k: u64) -> Option<Vec<Index>> {
        let mut number = match &self.some {
            Some(some) => some.select(k)?,
            None => self.share.as_ref().map_or(0, |share| share.start) + k,
        };
        let (top, mut path) = (self.top(), Vec::new());
        let mut of_unit = number / self.below[top];
        let mut index: Index = self.units.iter().map(|range| range.start).collect();
        for (axis, range) in self.units.iter().enumerate().rev() {
            let length = range.end.abs_diff(range.start);
            index[axis] += (of_unit % length) as i64;
            of_unit /= length;
        }
        path.push(index);
        for level in (0..top).rev() {
            number %= self.below[level + 1];
            let mut child = number / self.below[level];
            let parent = path[path.len() - 1].clone();
            let mut index: Index = Dims::from_elem(0, parent.len());
            for axis in (0..parent.len()).rev() {
                let radix = self.radix[level][axis];
                index[axis] = self.first[level][axis] + parent[axis] * radix as i64 + (child % radix) as i64;
                child /= radix;
            }
            path.push(index);
        }
        path.reverse();
        let is_there = self.part(0, &path[0]).is_some();
        is_there.then_some(path)
    }

    /// The number of a leaf.
    fn number_of(&self, leaf: &[i64]) -> u64 {
        let (mut index, mut number): (Index, u64) = (leaf.into(), 0);
        for level in 0..self.top() {
            let mut child = 0;
            for axis in 0..index.len() {
                let radix = self.radix[level][axis] as i64;
                let at = index[axis] - self.first[level][axis];
                child = child * radix as u64 + at.rem_euclid(radix) as u64;
                index[axis] = at.div_euclid(radix);
            }
            number += child * self.below[level];
        }
        number + self.unit_number(&index) * self.below[self.top()]
    }

    /// The indexes of the leaves that a chunk is made of, of which some may be beyond the level.
    fn leaves_of(&self, tier: usize, index: &[i64]) -> Dims<Range<i64>> {
        let mut ranges: Dims<Range<i64>> = index.iter().map(|&at| at..at + 1).collect();
        for below in (0..tier).rev() {
            for (axis, range) in ranges.iter_mut().enumerate() {
                let (first, radix) = (self.first[below][axis], self.radix[below][axis] as i64);
                *range = first + range.start * radix..first + range.end * radix;
            }
        }
        ranges
    }

    /// How many leaves a chunk would be made of if all had something to do.
    fn most_leaves(&self, tier: usize, index: &[i64]) -> u64 {
        let both = self.leaves_of(tier, index);
        let both = both.iter().zip(self.tiers[0].indexes());
        both.map(|(one, other)| (one.end.min(other.end) - one.start.max(other.start)).max(0) as u64).product()
    }

    /// Whether all leaves of a chunk have something to do.
    pub(super) fn is_full(&self, tier: usize, index: &[i64]) -> bool {
        self.leaves(tier, index) == self.most_leaves(tier, index)
    }

    /// How many leaves a chunk is made of that have anything to do.
    pub(super) fn leaves(&self, tier: usize, index: &[i64]) -> u64 {
        let Some(some) = &self.some else { return self.most_leaves(tier, index) };
        let ranges = self.leaves_of(tier, index);
        let first: Index = ranges.iter().map(|range| range.start).collect();
        let number = self.number_of(&first);
        some.range_cardinality(number..number + self.below[tier])
    }

    /// Whether any leaf of these indexes, all of which there are, has anything to do.
    pub(super) fn has_leaf(&self, ranges: &[Range<i64>]) -> bool {
        let Some(some) = &self.some else { return ranges.iter().all(|range| !range.is_empty()) };
        let mut found = false;
        for_each_index(ranges, |leaf| found = found || some.contains(self.number_of(leaf)));
        found
    }

    /// What a box of a tier covers; `None` if that is nothing.
    pub(super) fn part(&self, tier: usize, index: &[i64]) -> Option<Domain> {
        let Tier { grid, active, .. } = &self.tiers[tier];
        let ranges = index.iter().zip(grid).map(|(&at, &(origin, length))| {
            let first = at.checked_mul(length as i64)?.checked_add(origin)?;
            Some(first..first.saturating_add_unsigned(length))
        });
        let part = Domain::from_ranges(&ranges.collect::<Option<Vec<_>>>()?).ok()?.intersect(active);
        (!part.is_empty()).then_some(part)
    }

    /// The number of a unit.
    pub(super) fn unit_number(&self, index: &[i64]) -> u64 {
        self.units
            .iter()
            .zip(index)
            .fold(0, |all, (range, &at)| all * range.end.abs_diff(range.start) + at.abs_diff(range.start))
    }
}

/// The indexes of the boxes of a grid that touch a part.
pub(super) fn index_ranges(part: &Domain, grid: &[(i64, u64)]) -> Dims<Range<i64>> {
    let along = |(range, &(origin, length)): (Range<i64>, &(i64, u64))| {
        let at = |coordinate: i64| (coordinate - origin).div_euclid(length as i64);
        if range.is_empty() { 0..0 } else { at(range.start)..at(range.end - 1) + 1 }
    };
    part.ranges().zip(grid).map(along).collect()
}

/// The box of a grid that has this index, whatever there is.
///
/// # Errors
/// Those of making boxes.
pub(super) fn box_at(index: &[i64], grid: &[(i64, u64)]) -> Result<Domain> {
    let along = |(&at, &(first, length)): (&i64, &(i64, u64))| {
        let start = first.saturating_add(at.saturating_mul(length as i64));
        start..start.saturating_add_unsigned(length)
    };
    Domain::from_ranges(&index.iter().zip(grid).map(along).collect::<Vec<_>>())
}

/// Calls `work` with each index, the last axis fastest.
pub(super) fn for_each_index(ranges: &[Range<i64>], mut work: impl FnMut(&[i64])) {
    let mut index: Index = ranges.iter().map(|range| range.start).collect();
    let count: u64 = ranges.iter().map(|range| range.end.abs_diff(range.start)).product();
    for _ in 0..count {
        work(&index);
        for axis in (0..ranges.len()).rev() {
            index[axis] += 1;
            if index[axis] < ranges[axis].end {
                break;
            }
            index[axis] = ranges[axis].start;
        }
    }
}
