//! The next bits of the elements whose upper bits are known, as the numbers of groups.

use std::sync::Arc;

use serde_json::Value;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::{Config, Parameter};
use crate::compute::dense::{Given, Kernel};
use crate::compute::fields::{count, damaged, expect, flag, position, positions};
use crate::compute::grouped::ByGroup;
use crate::compute::kernels::{Bits, Ranked};
use crate::compute::pencils::offset;
use crate::compute::round::{Round, beside, expect_known, of_numbers, of_ranked};
use crate::compute::site::Site;

/// The number of each element's group in a round; −1 if it is in none.
pub(super) struct Digits {
    pub(super) round: Round,
    /// The axes that are reduced.
    pub(super) axes: Dims<usize>,
    pub(super) ranks: usize,
    /// What groups elements are in, if they are in any, each of which counts its own; the last input has their numbers.
    pub(super) by: Option<ByGroup>,
}

/// The kernel of numbers of groups, of its configuration.
///
/// # Errors
/// `InvalidArgument` for what is none, or does not fit.
pub(super) fn read(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let round = Round::read(config)?;
    let (axes, ranks) = (positions(config, "axes")?, position(config, "ranks")?);
    let of = site.inputs.first().ok_or_else(damaged)?;
    site.expect_each(0)?;
    expect(of.dtype() == round.dtype && site.dtype == DataType::I32)?;
    expect(axes.iter().all(|&axis| axis < of.ndim()) && axes.is_sorted_by(|one, other| one < other))?;
    let by = match config.get("groups") {
        None => None,
        Some(_) => Some(ByGroup::numbered(count(config, "groups")?, flag(config, "drops")?)),
    };
    let mut others = 1..site.inputs.len();
    if let Some(by) = by {
        let last = others.next_back().ok_or_else(damaged)?;
        site.expect(last, &of_numbers(&axes, of.ndim()))?;
        expect(site.inputs[last].dtype() == DataType::I64)?;
        expect(by.count.checked_mul(round.groups(ranks)).is_some_and(|all| i32::try_from(all).is_ok()))?;
    }
    match (others.next(), round.above) {
        (None, 0) => {}
        (Some(1), 1..) => {
            let known = &site.inputs[1];
            site.expect(1, &beside(&axes, of.ndim(), by.is_some()))?;
            expect_known(known, ranks)?;
            let groups = by.map(|by| (known.domain().shape()[1 + axes[0]], by.count));
            expect(groups.is_none_or(|(own, count)| own == count))?;
        }
        _ => return Err(damaged()),
    }
    expect(others.next().is_none())?;
    Ok(Arc::new(Digits { round, axes, ranks, by }))
}

impl Kernel for Digits {
    fn config(&self) -> Config {
        let config = self
            .round
            .config("digits")
            .with("axes", self.axes.iter().copied().collect::<Parameter>())
            .with("ranks", self.ranks);
        match self.by {
            Some(by) => config.with("groups", by.count).with("drops", by.drops),
            None => config,
        }
    }

    fn run(&self, _steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let out: &mut [i32] = bytemuck::cast_slice_mut(out);
        let given = &inputs[0];
        of_ranked!(self.round.dtype, T => match (self.by, &inputs[1..]) {
            (None, []) => self.first::<T>(given.elements(), out),
            (None, [known, ..]) => self.later::<T>(given, known, out),
            (Some(by), [numbers]) => self.of_groups::<T>(given, None, (numbers, by), out)?,
            (Some(by), [known, numbers, ..]) => self.of_groups::<T>(given, Some(known), (numbers, by), out)?,
            (Some(_), []) => return Err(damaged()),
        }, other => return Err(Error::unsupported(format!("quantiles of {other}"))));
        Ok(())
    }
}

impl Digits {
    /// Of the upper bits, and of NaN behind them.
    fn first<T: Ranked>(&self, elements: &[T], out: &mut [i32]) {
        out.iter_mut().zip(elements).for_each(|(found, one)| *found = self.upper(*one));
    }

    #[inline]
    fn upper<T: Ranked>(&self, one: T) -> i32 {
        let key = one.key();
        if T::MISSING == Some(key) {
            self.round.bins() as i32
        } else {
            (key.bits() >> self.round.shift()) as i32
        }
    }

    /// Those of the groups of elements, behind those of all groups before.
    fn of_groups<T: Ranked>(
        &self,
        given: &Given<'_>,
        known: Option<&Given<'_>>,
        (numbers, by): (&Given<'_>, ByGroup),
        out: &mut [i32],
    ) -> Result<()> {
        let shape = given.domain.shape();
        let mut places = known.map(|known| OfGroups::new(shape, known, &self.axes, self.ranks));
        let (groups, elements): (&[i64], &[T]) = (numbers.elements(), given.elements());
        let of_numbers = Lines::new(shape, &dense(numbers.domain.shape()));
        let (length, all) = (of_numbers.length, self.round.groups(self.ranks) as i32);
        let lines = out.chunks_mut(length.max(1)).zip(elements.chunks(length.max(1)));
        for (line, (out, elements)) in lines.enumerate() {
            let first = offset(&of_numbers.outer, line);
            places.iter_mut().for_each(|places| places.begin(line));
            for (k, (found, one)) in out.iter_mut().zip(elements).enumerate() {
                *found = match (by.group(groups[first + k * of_numbers.step])?, &places) {
                    (None, _) => -1,
                    (Some(group), None) => group as i32 * all + self.upper(*one),
                    (Some(group), Some(places)) => {
                        match self.next(*one, |upper| places.slot(upper, group, k)) {
                            -1 => -1,
                            own => group as i32 * all + own,
                        }
                    }
                };
            }
        }
        Ok(())
    }

    /// Of the bits below those that are known of the ranks of an element's place.
    fn later<T: Ranked>(&self, given: &Given<'_>, known: &Given<'_>, out: &mut [i32]) {
        let (shape, known_shape) = (given.domain.shape(), known.domain.shape());
        let rows: &[i64] = known.elements();
        let places: usize = known_shape[1..].iter().map(|&length| length as usize).product();
        // Where the place of neighbours is, along each axis.
        let (mut step, mut axes) = (1, vec![(0, 0); shape.len()]);
        for (axis, &length) in shape.iter().enumerate().rev() {
            let is_kept = !self.axes.contains(&axis);
            axes[axis] = (length as usize, if is_kept { step } else { 0 });
            step *= if is_kept { length as usize } else { 1 };
        }
        let (length, step) = axes.pop().unwrap_or((1, 0));
        let elements: &[T] = given.elements();
        let lines = out.chunks_mut(length.max(1)).zip(elements.chunks(length.max(1)));
        let mut table = Table::default();
        for (line, (out, elements)) in lines.enumerate() {
            let first = offset(&axes, line);
            if step == 0 {
                table.fill(rows, self.ranks, places, first);
                out.iter_mut().zip(elements).for_each(|(found, one)| *found = self.number(*one, &table));
            } else {
                for (k, (found, one)) in out.iter_mut().zip(elements).enumerate() {
                    table.fill(rows, self.ranks, places, first + k * step);
                    *found = self.number(*one, &table);
                }
            }
        }
    }

    fn number<T: Ranked>(&self, one: T, table: &Table) -> i32 {
        self.next(one, |upper| table.slot(upper))
    }

    /// The number of the next bits, where the slot of upper ones is known.
    #[inline]
    fn next<T: Ranked>(&self, one: T, slot: impl Fn(u64) -> Option<usize>) -> i32 {
        let (key, Round { bits, .. }, shift) = (one.key(), self.round, self.round.shift());
        if T::MISSING == Some(key) {
            return -1;
        }
        let upper = key.bits() >> shift;
        match slot(upper >> bits) {
            Some(slot) => (slot << bits | (upper & ((1 << bits) - 1)) as usize) as i32,
            None => -1,
        }
    }
}

/// The slots of bits that are known, ascending.
#[derive(Default)]
struct Table {
    slots: Vec<(u64, usize)>,
    /// What it is of.
    place: Option<usize>,
}

impl Table {
    fn fill(&mut self, rows: &[i64], ranks: usize, places: usize, place: usize) {
        if self.place.replace(place) == Some(place) {
            return;
        }
        self.slots.clear();
        let upper = |rank: usize| rows[(1 + rank) * places + place].cast_unsigned();
        self.slots.extend((0..ranks).map(|rank| (upper(rank), rank)));
        self.slots.sort_unstable();
        // The first rank of those that have the same bits has the slot.
        self.slots.dedup_by_key(|slot| slot.0);
    }

    #[inline]
    fn slot(&self, upper: u64) -> Option<usize> {
        match &self.slots[..] {
            [one] => (one.0 == upper).then_some(one.1),
            slots => slots.binary_search_by_key(&upper, |slot| slot.0).ok().map(|at| slots[at].1),
        }
    }
}

/// Where elements that lie along the last axis begin and how they go on, in something that lies beside them.
struct Lines {
    /// The lengths of the axes before, and how far neighbours along each are apart.
    outer: Vec<(usize, usize)>,
    length: usize,
    step: usize,
}

impl Lines {
    fn new(shape: &[u64], steps: &[usize]) -> Self {
        let mut outer: Vec<(usize, usize)> =
            shape.iter().zip(steps).map(|(&length, &step)| (length as usize, step)).collect();
        let (length, step) = outer.pop().unwrap_or((1, 0));
        Self { outer, length, step }
    }
}

/// How far neighbours along each axis are apart in what has one element along those that it is repeated along.
fn dense(shape: &[u64]) -> Vec<usize> {
    let mut steps = vec![0; shape.len()];
    let mut apart = 1;
    for (step, &length) in steps.iter_mut().zip(shape).rev() {
        *step = if length == 1 { 0 } else { apart };
        apart *= length as usize;
    }
    steps
}

/// What is known of the ranks of each group of the places of elements.
struct OfGroups<'a> {
    rows: &'a [i64],
    ranks: usize,
    /// How far rows, and groups, are apart.
    row: usize,
    group: usize,
    lines: Lines,
    /// Where the place of the first element of a line is.
    first: usize,
}

impl<'a> OfGroups<'a> {
    fn new(shape: &[u64], known: &Given<'a>, axes: &[usize], ranks: usize) -> Self {
        let own = known.domain.shape();
        let behind = |axis: usize| own[axis + 1..].iter().map(|&length| length as usize).product::<usize>();
        // Rows, the axes that are kept, and groups where the first of the others was.
        let at = 1 + axes.first().copied().unwrap_or(0);
        let mut kept = (1..own.len()).filter(|&axis| axis != at);
        let step = |axis: usize| if axes.contains(&axis) { 0 } else { kept.next().map_or(0, behind) };
        let steps: Vec<usize> = (0..shape.len()).map(step).collect();
        let lines = Lines::new(shape, &steps);
        Self { rows: known.elements(), ranks, row: behind(0), group: behind(at), lines, first: 0 }
    }

    fn begin(&mut self, line: usize) {
        self.first = offset(&self.lines.outer, line);
    }

    /// The first of the ranks of which these bits are known.
    #[inline]
    fn slot(&self, upper: u64, group: usize, k: usize) -> Option<usize> {
        let place = self.first + k * self.lines.step + group * self.group;
        (0..self.ranks).find(|rank| self.rows[(1 + rank) * self.row + place].cast_unsigned() == upper)
    }
}
