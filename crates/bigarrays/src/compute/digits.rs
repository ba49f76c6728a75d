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
            let keys = known.ndim().saturating_sub(1 + of.ndim() - axes.len());
            site.expect(1, &beside(&axes, of.ndim(), keys))?;
            expect_known(known, ranks)?;
            let at = 1 + axes.first().copied().unwrap_or(0);
            let groups =
                known.domain().shape()[at..at + keys].iter().fold(1u64, |all, &one| all.saturating_mul(one));
            expect(by.map_or(keys == 0, |by| keys > 0 && by.count == groups))?;
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
        out.fill(-1);
        let length = inputs.first().and_then(|given| given.domain.shape().last()).copied().unwrap_or(1);
        self.numbered(inputs, &mut Written { out, first: 0, length: length as usize })
    }

    fn counts(&self) -> bool {
        true
    }

    fn count(&self, _steps: &Domain, inputs: &[Given<'_>], cells: &mut [u64]) -> Result<()> {
        let shape = inputs.first().map(|given| given.domain.shape()).ok_or_else(damaged)?;
        let numbers = self.by.map_or(1, |by| by.count).saturating_mul(self.round.groups(self.ranks)) as usize;
        let mut cells = Counted::new(cells, shape, &self.axes, numbers);
        self.numbered(inputs, &mut cells)
    }
}

/// Where numbers of elements go, line by line along the last axis.
trait Goes {
    fn begin(&mut self, line: usize);
    /// The element at `k` of the line has this number.
    fn put(&mut self, k: usize, number: usize);
}

/// Numbers that are written, each to the place of its element.
struct Written<'a> {
    out: &'a mut [i32],
    first: usize,
    length: usize,
}

impl Goes for Written<'_> {
    fn begin(&mut self, line: usize) {
        self.first = line * self.length;
    }

    #[inline]
    fn put(&mut self, k: usize, number: usize) {
        self.out[self.first + k] = number as i32;
    }
}

/// Cells in which elements of each number are counted, for each place along the axes that are not reduced. Numbers are where the first of the
/// others was.
struct Counted<'a> {
    cells: &'a mut [u64],
    lines: Lines,
    first: usize,
    /// How far the cells of numbers are apart.
    number: usize,
}

impl<'a> Counted<'a> {
    fn new(cells: &'a mut [u64], shape: &[u64], axes: &[usize], numbers: usize) -> Self {
        let (mut apart, mut number, mut steps) = (1, 1, vec![0; shape.len()]);
        for axis in (0..shape.len()).rev() {
            if axes.first() == Some(&axis) {
                number = apart;
                apart *= numbers;
            }
            if !axes.contains(&axis) {
                steps[axis] = apart;
                apart *= shape[axis] as usize;
            }
        }
        Self { cells, lines: Lines::new(shape, &steps), first: 0, number }
    }
}

impl Goes for Counted<'_> {
    fn begin(&mut self, line: usize) {
        self.first = offset(&self.lines.outer, line);
    }

    #[inline]
    fn put(&mut self, k: usize, number: usize) {
        self.cells[self.first + k * self.lines.step + number * self.number] += 1;
    }
}

impl Digits {
    /// The number of each element that has one.
    fn numbered(&self, inputs: &[Given<'_>], out: &mut impl Goes) -> Result<()> {
        let (known, numbers) = match (self.by, self.round.above, inputs) {
            (None, 0, [_]) => (None, None),
            (None, _, [_, known]) => (Some(known), None),
            (Some(by), 0, [_, numbers]) => (None, Some((numbers, by))),
            (Some(by), _, [_, known, numbers]) => (Some(known), Some((numbers, by))),
            _ => return Err(damaged()),
        };
        of_ranked!(self.round.dtype, T => self.lines::<T>(&inputs[0], known, numbers, out),
            other => Err(Error::unsupported(format!("quantiles of {other}"))))
    }

    /// The numbers of a group are behind those of all groups before.
    fn lines<T: Ranked>(
        &self,
        given: &Given<'_>,
        known: Option<&Given<'_>>,
        numbers: Option<(&Given<'_>, ByGroup)>,
        out: &mut impl Goes,
    ) -> Result<()> {
        let (shape, elements): (&[u64], &[T]) = (given.domain.shape(), given.elements());
        let mut places = known.map(|known| Places::new(shape, known, &self.axes, self.ranks));
        let mut labels = numbers.map(|(numbers, by)| Labels::new(shape, numbers, by));
        let (length, all) =
            (shape.last().map_or(1, |&length| length as usize), self.round.groups(self.ranks) as usize);
        let mut table = Table::default();
        for (line, elements) in elements.chunks(length.max(1)).enumerate() {
            out.begin(line);
            places.iter_mut().for_each(|places| places.begin(line));
            labels.iter_mut().for_each(|labels| labels.begin(line));
            if labels.as_ref().is_some_and(Labels::differ) {
                for (k, one) in elements.iter().enumerate() {
                    let Some(group) = labels.as_ref().map_or(Ok(None), |labels| labels.group(k))? else {
                        continue;
                    };
                    let own = match &places {
                        None => Some(self.upper(*one)),
                        Some(places) => self.next(*one, |upper| places.slot(upper, group, k)),
                    };
                    own.into_iter().for_each(|own| out.put(k, group * all + own));
                }
                continue;
            }
            let Some(group) = labels.as_ref().map_or(Ok(Some(0)), |labels| labels.group(0))? else {
                continue;
            };
            self.line(elements, places.as_ref(), (group, group * all), &mut table, out);
        }
        Ok(())
    }

    /// The numbers of elements of one group, which begin with this.
    fn line<T: Ranked>(
        &self,
        elements: &[T],
        places: Option<&Places<'_>>,
        (group, first): (usize, usize),
        table: &mut Table,
        out: &mut impl Goes,
    ) {
        let Some(places) = places else {
            return elements.iter().enumerate().for_each(|(k, one)| out.put(k, first + self.upper(*one)));
        };
        let is_one = places.lines.step == 0;
        table.fill(places, places.place(group, 0));
        if let ([(upper, slot)], true) = (&table.slots[..], is_one) {
            let slot_of = |found: u64| (found == *upper).then_some(*slot);
            for (k, one) in elements.iter().enumerate() {
                self.next(*one, slot_of).into_iter().for_each(|own| out.put(k, first + own));
            }
            return;
        }
        for (k, one) in elements.iter().enumerate() {
            if !is_one {
                table.fill(places, places.place(group, k));
            }
            self.next(*one, |upper| table.slot(upper)).into_iter().for_each(|own| out.put(k, first + own));
        }
    }

    /// The upper bits of an element; NaN is behind all of them.
    #[inline]
    fn upper<T: Ranked>(&self, one: T) -> usize {
        let key = one.key();
        if T::MISSING == Some(key) { self.round.bins() } else { (key.bits() >> self.round.shift()) as usize }
    }

    /// The number of the next bits, where the slot of upper ones is known.
    #[inline]
    fn next<T: Ranked>(&self, one: T, slot: impl Fn(u64) -> Option<usize>) -> Option<usize> {
        let (key, Round { bits, .. }, shift) = (one.key(), self.round, self.round.shift());
        if T::MISSING == Some(key) {
            return None;
        }
        let upper = key.bits() >> shift;
        slot(upper >> bits).map(|slot| slot << bits | (upper & ((1 << bits) - 1)) as usize)
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
    fn fill(&mut self, places: &Places<'_>, place: usize) {
        if self.place.replace(place) == Some(place) {
            return;
        }
        self.slots.clear();
        self.slots.extend((0..places.ranks).map(|rank| (places.upper(rank, place), rank)));
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
    step: usize,
}

impl Lines {
    fn new(shape: &[u64], steps: &[usize]) -> Self {
        let mut outer: Vec<(usize, usize)> =
            shape.iter().zip(steps).map(|(&length, &step)| (length as usize, step)).collect();
        let (_, step) = outer.pop().unwrap_or((1, 0));
        Self { outer, step }
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

/// The numbers of the groups of elements.
struct Labels<'a> {
    numbers: &'a [i64],
    by: ByGroup,
    lines: Lines,
    first: usize,
}

impl<'a> Labels<'a> {
    fn new(shape: &[u64], numbers: &Given<'a>, by: ByGroup) -> Self {
        let lines = Lines::new(shape, &dense(numbers.domain.shape()));
        Self { numbers: numbers.elements(), by, lines, first: 0 }
    }

    fn begin(&mut self, line: usize) {
        self.first = offset(&self.lines.outer, line);
    }

    /// Whether elements of a line are of different groups.
    fn differ(&self) -> bool {
        self.lines.step != 0
    }

    #[inline]
    fn group(&self, k: usize) -> Result<Option<usize>> {
        self.by.group(self.numbers[self.first + k * self.lines.step])
    }
}

/// What is known of the ranks of each place of elements, of each group if there are any.
struct Places<'a> {
    rows: &'a [i64],
    ranks: usize,
    /// How far rows, and groups, are apart.
    row: usize,
    group: usize,
    lines: Lines,
    /// Where the place of the first element of a line is.
    first: usize,
}

impl<'a> Places<'a> {
    fn new(shape: &[u64], known: &Given<'a>, axes: &[usize], ranks: usize) -> Self {
        let own = known.domain.shape();
        let behind = |axis: usize| own[axis + 1..].iter().map(|&length| length as usize).product::<usize>();
        // Rows, the axes that are kept, and those of groups, which are one behind the other, where the first of the others was.
        let at = 1 + axes.first().copied().unwrap_or(0);
        let groups = at..at + own.len().saturating_sub(1 + shape.len() - axes.len());
        let mut kept = (1..own.len()).filter(|axis| !groups.contains(axis));
        let step = |axis: usize| if axes.contains(&axis) { 0 } else { kept.next().map_or(0, behind) };
        let steps: Vec<usize> = (0..shape.len()).map(step).collect();
        let group = groups.clone().next_back().map_or(0, behind);
        Self {
            rows: known.elements(),
            ranks,
            row: behind(0),
            group,
            lines: Lines::new(shape, &steps),
            first: 0,
        }
    }

    fn begin(&mut self, line: usize) {
        self.first = offset(&self.lines.outer, line);
    }

    #[inline]
    fn place(&self, group: usize, k: usize) -> usize {
        self.first + k * self.lines.step + group * self.group
    }

    /// The upper bits of a rank.
    #[inline]
    fn upper(&self, rank: usize, place: usize) -> u64 {
        self.rows[(1 + rank) * self.row + place].cast_unsigned()
    }

    /// The first of the ranks of which these bits are known.
    #[inline]
    fn slot(&self, upper: u64, group: usize, k: usize) -> Option<usize> {
        let place = self.place(group, k);
        (0..self.ranks).find(|&rank| self.upper(rank, place) == upper)
    }
}
