//! Results that are made of the same boxes: how they lie beside each other, and where boxes of them may be cut. Pure.

use std::ops::Range;

use crate::array::Array;
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::compute::blocks::Blocks;
use crate::compute::box_inputs::{bytes, bytes_of, cut, cut_all};
use crate::compute::carried::{Carried, carried_of};
use crate::compute::chunks::grid_of;
use crate::compute::cuts::Cuts;
use crate::compute::expr::Lazy;
use crate::compute::flows::is_shared;
use crate::compute::frame::{Along, Frame, alongs, within};
use crate::compute::search::least_common_multiple;
use crate::compute::stage::Stage;

/// The most boxes.
pub(super) const MOST: u64 = 1 << 16;

/// Results that are made of the same boxes.
pub(super) struct BoxedResults<'a> {
    /// Those that each box has a part of, by the numbers by which they were asked for.
    pub(super) numbers: Vec<usize>,
    pub(super) roots: Vec<Lazy>,
    pub(super) targets: Vec<Option<&'a Array>>,
    pub(super) frame: Frame,
    /// Reductions of which each box folds some elements.
    pub(super) carried: Vec<Carried>,
    /// The targets of all that was asked for.
    all: &'a [Option<&'a Array>],
}

/// Where boxes may be cut along each axis of their frame, as far as it is known.
struct Units<'a> {
    whole: &'a Domain,
    known: Dims<Option<(i64, u64)>>,
    /// Whether no two of them begin at other places.
    agree: bool,
}

impl<'a> BoxedResults<'a> {
    /// All results, each of which has a part of each box. Boxes are those of the result with the most elements; `None` if nothing is asked for.
    ///
    /// # Errors
    /// Those of making expressions.
    pub(super) fn all(roots: &[Lazy], targets: &'a [Option<&'a Array>]) -> Result<Option<Self>> {
        let elements = |root: &&Lazy| root.domain().shape().iter().copied().fold(1, u64::saturating_mul);
        let Some(largest) = roots.iter().rev().max_by_key(elements) else { return Ok(None) };
        Ok(Some(Self {
            numbers: (0..roots.len()).collect(),
            roots: roots.to_vec(),
            targets: targets.to_vec(),
            frame: frame(roots, largest)?,
            carried: Vec::new(),
            all: targets,
        }))
    }

    /// The same, where reductions of all elements that boxes have are carried from box to box, as far as boxes have no parts of them; `None` if
    /// there are none.
    ///
    /// # Errors
    /// Those of making expressions.
    pub(super) fn with_carried(
        roots: &[Lazy],
        passes: &[Stage],
        targets: &'a [Option<&'a Array>],
    ) -> Result<Option<Self>> {
        let Some((elements, mut carried)) = carried_of(passes)? else { return Ok(None) };
        let is_carried = |number: usize| carried.iter().any(|stage| stage.is_of(number));
        let (reduced, others): (Vec<usize>, Vec<usize>) = (0..roots.len()).partition(|&at| is_carried(at));
        let of = |numbers: &[usize]| numbers.iter().map(|&at| roots[at].clone()).collect::<Vec<_>>();
        let own = of(&others);
        let cut_along = cut_along(&own, &frame(&own, &elements)?, &elements)?;
        let has_parts = |at: &usize| carried.iter().any(|one| one.is_of(*at) && one.keeps(&cut_along));
        let with_parts = reduced.iter().filter(|at| !own.is_empty() && has_parts(at)).copied();
        let mut numbers: Vec<usize> = others.iter().copied().chain(with_parts).collect();
        numbers.sort_unstable();
        carried.retain_mut(|one| one.without(&numbers));
        if carried.is_empty() {
            return Ok(None);
        }
        let roots = of(&numbers);
        Ok(Some(Self {
            targets: numbers.iter().map(|&at| targets[at]).collect(),
            frame: frame(&roots, &elements)?,
            numbers,
            roots,
            carried,
            all: targets,
        }))
    }

    /// Whether these are lengths of boxes that have each element once.
    pub(super) fn has(&self, lengths: &[(i64, u64)]) -> bool {
        let shape = self.frame.domain.shape();
        let is_cut = |axis: usize| Cuts::over(self.frame.domain.range(axis), lengths[axis]).len() > 1;
        lengths.len() == shape.len()
            && lengths.iter().all(|length| length.1 > 0)
            && self.count(lengths) <= MOST
            && (0..shape.len()).all(|axis| self.frame.is_shared(axis) || !is_cut(axis))
    }

    /// How many boxes there are.
    pub(super) fn count(&self, lengths: &[(i64, u64)]) -> u64 {
        let along = |((_, length), whole): (&(i64, u64), &u64)| whole.div_ceil((*length).max(1));
        lengths.iter().zip(self.frame.domain.shape()).map(along).fold(1, u64::saturating_mul)
    }

    /// What a box has of each expression.
    pub(super) fn cut(&self, part: &Domain) -> Result<Vec<Lazy>> {
        cut_all(&self.frame, &self.roots, part)
    }

    /// All that is of a box: what it has of each expression, and the elements that are carried.
    pub(super) fn elements(&self, part: &Domain) -> Result<Vec<Lazy>> {
        let mut all = self.cut(part)?;
        for carried in &self.carried {
            all.extend(carried.cut(part)?);
        }
        Ok(all)
    }

    /// Bytes of those of these results, or of parts of them, that go to memory.
    pub(super) fn in_memory(&self, results: &[Lazy]) -> u64 {
        let of =
            |(result, target): (&Lazy, &Option<&Array>)| if target.is_some() { 0 } else { bytes(result) };
        results.iter().zip(&self.targets).map(of).fold(0, u64::saturating_add)
    }

    /// Bytes of what is carried, and of results that become of it in memory.
    pub(super) fn carried_bytes(&self) -> u64 {
        let of = |one: &Carried| one.bytes().saturating_add(one.in_memory(self.all));
        self.carried.iter().map(of).fold(0, u64::saturating_add)
    }

    /// The targets of all that was asked for.
    pub(super) fn all_targets(&self) -> &'a [Option<&'a Array>] {
        self.all
    }

    /// Whether no two boxes write to the same chunk or shard of a result, or of a further copy of it.
    pub(super) fn are_apart(&self, lengths: &[(i64, u64)]) -> Result<bool> {
        for (number, target) in self.targets.iter().enumerate() {
            let Some(target) = target else { continue };
            let along = self.frame.along(number).iter();
            let cut = |(range, along): (Range<i64>, &Option<usize>)| {
                let whole = (range.start, range.end.abs_diff(range.start).max(1));
                Cuts::over(range, along.map_or(whole, |axis| lengths[axis]))
            };
            let cuts: Vec<Cuts> = target.domain().ranges().zip(along).map(cut).collect();
            let cuts: Vec<&Cuts> = cuts.iter().collect();
            if target.write_grids()?.iter().any(|grid| is_shared(&cuts, grid.as_ref())) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where boxes begin along each axis, and how long they are, so that the inputs of one have at most so many bytes, and that there are as
    /// many boxes as are wanted, if there can be; `None` if no cut makes them less.
    pub(super) fn lengths(&self, most: u64, wanted: u64) -> Result<Option<Dims<(i64, u64)>>> {
        let whole = self.frame.domain.shape();
        let Some(units) = self.units()? else { return Ok(None) };
        let bytes_of_first = |lengths: &[(i64, u64)]| -> Result<u64> {
            Ok(bytes_of(&self.elements(&self.first_box(lengths)?)?))
        };
        let counts = |length: u64, unit: u64| length.div_ceil(unit.max(1));
        let mut found: Dims<(i64, u64)> = units.iter().zip(whole).map(|(unit, &all)| (unit.0, all)).collect();
        let mut bytes = bytes_of_first(&found)?;
        let mut fixed: Dims<bool> = (0..whole.len()).map(|axis| !self.frame.is_shared(axis)).collect();
        while bytes > most || self.count(&found) < wanted {
            let longest = (0..whole.len()).filter(|&axis| !fixed[axis] && found[axis].1 > units[axis].1);
            let Some(axis) = longest.max_by_key(|&axis| counts(found[axis].1, units[axis].1)) else {
                return Ok((bytes <= most).then_some(found));
            };
            let before = found[axis].1;
            found[axis].1 = counts(before, units[axis].1).div_ceil(2).saturating_mul(units[axis].1);
            let now = bytes_of_first(&found)?;
            // Elements along an axis that is reduced are needed by all.
            if now > bytes / 8 * 7 {
                (found[axis].1, fixed[axis]) = (before, true);
                continue;
            }
            bytes = now;
        }
        Ok(Some(found))
    }

    /// Boxes of chunks of what is read that are whole chunks or shards of all targets, and whole segments of what is carried; `None` if some of
    /// these begin at other places.
    pub(super) fn units(&self) -> Result<Option<Dims<(i64, u64)>>> {
        let whole = &self.frame.domain;
        let mut units = Units { whole, known: Dims::from_elem(None, whole.ndim()), agree: true };
        for carried in &self.carried {
            for (axis, grid) in carried.grids() {
                units.add(axis, grid, 1);
            }
        }
        // What is in memory may be cut anywhere.
        let numbers = || 0..self.roots.len();
        let in_files = numbers().filter(|&number| self.targets[number].is_some());
        for number in in_files.chain(numbers().filter(|&number| self.targets[number].is_none())) {
            let read = grid_of(&self.roots[number])?;
            let written = self.targets[number].map(Array::write_grid).transpose()?;
            for (own, axis) in self.frame.along(number).iter().enumerate() {
                let Some(axis) = *axis else { continue };
                let read = read.as_ref().map_or((whole.origin()[axis], 1), |grid| grid[own]);
                units.add(axis, written.as_ref().map_or((read.0, 1), |grid| grid[own]), read.1);
            }
        }
        for carried in &self.carried {
            for (axis, read) in carried.read_grid()?.into_iter().enumerate() {
                units.add(axis, (read.0, 1), read.1);
            }
        }
        Ok(units.agree.then(|| units.found()))
    }

    pub(super) fn first_box(&self, lengths: &[(i64, u64)]) -> Result<Domain> {
        self.blocks(lengths).get(0)
    }

    /// All boxes, in the order of their coordinates.
    pub(super) fn boxes(&self, lengths: &[(i64, u64)]) -> Result<Vec<Domain>> {
        let blocks = self.blocks(lengths);
        (0..blocks.len()).map(|number| blocks.get(number)).collect()
    }

    fn blocks(&self, lengths: &[(i64, u64)]) -> Blocks {
        let cut = |(range, &(origin, length)): (Range<i64>, &(i64, u64))| {
            Cuts::over(range, (origin, length.max(1)))
        };
        Blocks::new(self.frame.domain.ranges().zip(lengths).map(cut).collect(), Order::C)
    }
}

impl Units<'_> {
    /// Has boxes end where this grid has places, and be of chunks that are read, of this length.
    fn add(&mut self, axis: usize, (origin, length): (i64, u64), read: u64) {
        let all = self.whole.shape()[axis];
        let common = |one: u64, other: u64| least_common_multiple(one, other).unwrap_or(all).min(all).max(1);
        let unit = common(length.max(1), read.max(1));
        let known = self.known[axis].get_or_insert((origin, 1));
        self.agree &= origin.abs_diff(known.0) % length.max(1) == 0 || unit >= all;
        known.1 = common(known.1, unit);
    }

    fn found(&self) -> Dims<(i64, u64)> {
        let whole = self.whole.origin().iter().zip(self.whole.shape());
        let one =
            |(unit, (&first, &all)): (&Option<(i64, u64)>, (&i64, &u64))| unit.unwrap_or((first, all.max(1)));
        self.known.iter().zip(whole).map(one).collect()
    }
}

/// Where results lie in what boxes are of.
fn frame(roots: &[Lazy], elements: &Lazy) -> Result<Frame> {
    let along = roots.iter().map(|root| along(root, elements)).collect::<Result<_>>()?;
    Ok(Frame::new(elements.domain().clone(), along))
}

/// The axes along which boxes of these results may be cut so that they need less of what is read.
fn cut_along(roots: &[Lazy], frame: &Frame, elements: &Lazy) -> Result<Vec<usize>> {
    let all = bytes_of(roots);
    let mut found = Vec::new();
    for axis in (0..elements.ndim()).filter(|&axis| frame.is_shared(axis)) {
        let part = half(elements.domain(), |at| at == axis)?;
        if bytes_of(&cut_all(frame, roots, &part)?) <= all / 8 * 7 {
            found.push(axis);
        }
    }
    Ok(found)
}

/// The first half along some axes.
fn half(whole: &Domain, is_cut: impl Fn(usize) -> bool) -> Result<Domain> {
    let one = |(axis, range): (usize, Range<i64>)| {
        let length = range.end.abs_diff(range.start);
        if is_cut(axis) && length > 1 { range.start..range.start + (length / 2) as i64 } else { range }
    };
    Domain::from_ranges(&whole.ranges().enumerate().map(one).collect::<Dims<_>>())
}

/// Which axis of what boxes are of each axis of a result lies along: where several have the same coordinates, so that boxes of both are of the
/// same elements.
fn along(root: &Lazy, elements: &Lazy) -> Result<Along> {
    let mut ways = alongs(root.domain(), elements.domain());
    let mut least = None;
    for (number, way) in ways.iter().enumerate().filter(|_| ways.len() > 1) {
        let part = half(elements.domain(), |axis| way.contains(&Some(axis)))?;
        let bytes = bytes_of(&[cut(elements, &part)?, cut(root, &within(way, root.domain(), &part)?)?]);
        if least.is_none_or(|(known, _)| bytes < known) {
            least = Some((bytes, number));
        }
    }
    Ok(ways.swap_remove(least.map_or(0, |found| found.1)))
}
