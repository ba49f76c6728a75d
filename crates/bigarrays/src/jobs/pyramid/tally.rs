//! Modes and medians: how often each value occurs.

use std::ops::Range;

use super::kept::take;
use super::kernel::Kernel;
use super::lines::{count_firsts, differing, heads, mixed_runs, noted, sum_lines, sum_runs};
use super::voxel::Voxel;
use super::windows::{Counts, Place, Windows, each_row, put_box};

/// What is taken of values and how often each occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// The most frequent, of several the least.
    Mode,
    /// The one in the middle, of two the lesser.
    Median,
}

/// One of all values but those that are no numbers or equal `ignore`, unless there are no others.
pub(super) struct Tally<T> {
    pub(super) take: Take,
    pub(super) ignore: Option<T>,
}

/// The values of cells, as keys. Most cells have one.
#[derive(Default)]
pub(super) struct Values {
    /// What is taken of each cell.
    taken: Vec<u64>,
    /// The number of a cell's list, from one on; zero if it has none.
    list: Vec<u32>,
    /// Where each list ends.
    ends: Vec<usize>,
    /// Values in ascending order, and how often each occurs.
    lists: Vec<(u64, u64)>,
}

impl Values {
    /// Makes them so many cells, each of one value that is still to be said.
    fn resize(&mut self, count: usize) {
        self.taken.resize(count, 0);
        self.list.clear();
        self.list.resize(count, 0);
        self.ends.clear();
        self.lists.clear();
    }

    /// Gives a cell, of which this key is taken, these values in ascending order, which are two at least.
    #[inline(always)]
    fn set(&mut self, cell: usize, taken: u64, list: &[(u64, u64)]) {
        self.taken[cell] = taken;
        list.iter().for_each(|&one| self.lists.push(one));
        self.ends.push(self.lists.len());
        self.list[cell] = self.ends.len() as u32;
    }

    fn of(&self, cell: usize) -> Option<&[(u64, u64)]> {
        let list = (self.list[cell] as usize).checked_sub(1)?;
        let first = list.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.lists[first..self.ends[list]])
    }
}

/// Values of a cell as they are found, as long as there are no more than two.
struct Two {
    one: (u64, u64),
    /// Any value as long as it was not found.
    other: (u64, u64),
}

impl Two {
    /// None are found, of which the first will be this one.
    #[inline(always)]
    fn of(first: u64) -> Self {
        Self { one: (first, 0), other: (first, 0) }
    }

    /// Whether there are no more than two with this one, which is then counted.
    #[inline(always)]
    fn add(&mut self, (key, count): (u64, u64)) -> bool {
        if key == self.one.0 {
            self.one.1 += count;
            return true;
        }
        let is_two = self.other.1 == 0 || key == self.other.0;
        self.other = (key, self.other.1 + count);
        is_two
    }

    /// Both in ascending order.
    #[inline(always)]
    fn sorted(&self) -> [(u64, u64); 2] {
        if self.one.0 < self.other.0 { [self.one, self.other] } else { [self.other, self.one] }
    }
}

/// Cells, and of how many elements each is.
struct Fine<'a> {
    values: &'a Values,
    uniform: Option<u64>,
    /// Of each cell, if not all are of as many.
    counts: Vec<u64>,
}

impl<'a> Fine<'a> {
    fn new(values: &'a Values, counts: &Counts) -> Self {
        let uniform = counts.uniform();
        Self { values, uniform, counts: uniform.map_or_else(|| counts.map(|count| count), |_| Vec::new()) }
    }

    /// Has `add` take each value of the cells of a run behind each of `starts`, and how often it occurs in one, as long as it returns
    /// true.
    #[inline(always)]
    fn all(&self, starts: &[usize], run: &Range<usize>, mut add: impl FnMut((u64, u64)) -> bool) -> bool {
        starts.iter().all(|start| {
            (start + run.start..start + run.end).all(|cell| match self.values.of(cell) {
                Some(list) => list.iter().all(|&one| add(one)),
                None => add((self.values.taken[cell], self.uniform.unwrap_or_else(|| self.counts[cell]))),
            })
        })
    }
}

/// How many different values are looked through before those that come are noted once more.
const FEW: usize = 16;

/// Values of a cell as they are found.
#[derive(Default)]
struct Found {
    all: Vec<(u64, u64)>,
    /// Where the value is that came last.
    last: usize,
    /// Whether some may be noted more than once.
    is_many: bool,
}

impl Found {
    #[inline]
    fn add(&mut self, key: u64, count: u64) {
        if let Some(last) = self.all.get_mut(self.last)
            && last.0 == key
        {
            last.1 += count;
            return;
        }
        match self.all.iter().take(FEW).position(|one| one.0 == key) {
            Some(at) => {
                self.all[at].1 += count;
                self.last = at;
            }
            None => {
                self.is_many |= self.all.len() >= FEW;
                self.last = self.all.len();
                self.all.push((key, count));
            }
        }
    }

    /// The values in ascending order, each once.
    fn sorted(&mut self) -> &[(u64, u64)] {
        self.all.sort_unstable_by_key(|one| one.0);
        if self.is_many {
            self.all.dedup_by(|later, one| {
                let is_same = later.0 == one.0;
                if is_same {
                    one.1 += later.1;
                }
                is_same
            });
        }
        &self.all
    }

    fn clear(&mut self) {
        self.all.clear();
        (self.last, self.is_many) = (0, false);
    }
}

impl<T: Voxel> Tally<T> {
    fn ignored(&self) -> Option<u64> {
        self.ignore.map(Voxel::key)
    }

    /// The key that is taken of values in ascending order.
    #[inline(always)]
    fn taken(&self, list: &[(u64, u64)]) -> u64 {
        let ignored = self.ignored();
        // Most lists are of two.
        if let (Take::Mode, None, false, [one, other]) = (self.take, ignored, T::HAS_NAN, list) {
            return if other.1 > one.1 { other.0 } else { one.0 };
        }
        self.taken_of_many(list)
    }

    fn taken_of_many(&self, list: &[(u64, u64)]) -> u64 {
        let ignored = self.ignored();
        let counts = |one: &&(u64, u64)| Some(one.0) != ignored && !(T::HAS_NAN && T::of_key(one.0).is_nan());
        let taken = match self.take {
            Take::Mode => {
                list.iter().filter(counts).fold(None, |best: Option<(u64, u64)>, &one| match best {
                    Some(best) if best.1 >= one.1 => Some(best),
                    _ => Some(one),
                })
            }
            Take::Median => {
                let all: u64 = list.iter().filter(counts).map(|one| one.1).sum();
                let mut before = all.div_ceil(2);
                list.iter().filter(counts).copied().find(|one| {
                    let is_here = one.1 >= before;
                    before = before.saturating_sub(one.1);
                    is_here
                })
            }
        };
        let key = taken.map(|one| one.0).or(ignored.filter(|key| list.iter().any(|one| one.0 == *key)));
        key.or(list.first().map(|one| one.0)).unwrap_or_else(|| T::none().key())
    }
}

impl<T: Voxel> Tally<T> {
    /// Gives a cell the values that were found, and forgets these.
    fn set(&self, values: &mut Values, cell: usize, found: &mut Found) {
        match found.sorted() {
            [(only, _)] => values.taken[cell] = *only,
            all => values.set(cell, self.taken(all), all),
        }
        found.clear();
    }
}

impl<T: Voxel> Kernel<T> for Tally<T> {
    type Cells = Values;

    fn bytes(&self) -> u64 {
        32
    }

    fn resize(&self, cells: &mut Values, count: usize) {
        cells.resize(count);
    }

    fn fill(&self, cells: &mut Values, element: T, counts: &Counts) {
        cells.resize(counts.len());
        cells.taken.fill(element.key());
    }

    fn read(&self, elements: &[T], windows: &Windows, values: &mut Values, place: &Place) {
        let (length, inner) = (windows.shape[windows.shape.len() - 1], windows.inner());
        let (mut differ, mut mixed, mut firsts) =
            (vec![0; length], vec![0; inner.len()], vec![(0, 0, 0); inner.len()]);
        let (bits, key, mut found) = (|one: T| one.bits(), |one: T| one.key(), Found::default());
        windows.rows(place, |cell, starts| {
            let Some(&first) = starts.first() else { return };
            let line = &elements[first..first + length];
            differing(elements, starts, &bits, &mut differ);
            mixed_runs(line, &differ, inner, &bits, &mut mixed);
            heads(line, inner, &key, &mut values.taken[cell..cell + inner.len()]);
            let count = noted(&mixed, &mut firsts);
            // Zeros of either sign are the same value, of other bits.
            if !T::HAS_NAN {
                count_firsts(elements, starts, inner, &key, &mut firsts[..count]);
            }
            for &(at, other, firsts) in &firsts[..count] {
                let run = inner.get(at);
                if !T::HAS_NAN && firsts > 0 {
                    let others = (starts.len() * run.len()) as u64 - firsts;
                    let two = Two { one: (values.taken[cell + at], firsts), other: (other, others) }.sorted();
                    values.set(cell + at, self.taken(&two), &two);
                    continue;
                }
                let all = starts.iter().flat_map(|start| &elements[start + run.start..start + run.end]);
                all.for_each(|one| found.add(one.key(), 1));
                self.set(values, cell + at, &mut found);
            }
        });
    }

    fn coarsen(&self, fine: &Values, counts: &Counts, windows: &Windows, values: &mut Values, place: &Place) {
        let (length, inner) = (windows.shape[windows.shape.len() - 1], windows.inner());
        let (mut differ, mut lists) = (vec![0; length], vec![0; length]);
        let (mut mixed, mut listed) = (vec![0; inner.len()], vec![0; inner.len()]);
        let (mut found, mut some) = (Found::default(), vec![(0, 0, 0); inner.len()]);
        let cells = Fine::new(fine, counts);
        windows.rows(place, |cell, starts| {
            let Some(&first) = starts.first() else { return };
            let line = &fine.taken[first..first + length];
            differing(&fine.taken, starts, &|one| one, &mut differ);
            mixed_runs(line, &differ, inner, &|one| one, &mut mixed);
            heads(line, inner, &|one| one, &mut values.taken[cell..cell + inner.len()]);
            sum_lines(&fine.list, starts, &u64::from, &mut lists);
            sum_runs(&lists, inner, true, &|one| one, &mut listed);
            mixed.iter_mut().zip(&listed).for_each(|(mixed, listed)| *mixed |= listed);
            let count = noted(&mixed, &mut some);
            for &(at, ..) in &some[..count] {
                let run = inner.get(at);
                let mut two = Two::of(values.taken[cell + at]);
                if cells.all(starts, &run, |one| two.add(one)) {
                    let two = two.sorted();
                    values.set(cell + at, self.taken(&two), &two);
                    continue;
                }
                cells.all(starts, &run, |(key, count)| {
                    found.add(key, count);
                    true
                });
                self.set(values, cell + at, &mut found);
            }
        });
    }

    fn put(&self, into: &mut Values, whole: &[usize], at: &[usize], from: &Values, shape: &[usize]) {
        put_box(&mut into.taken, whole, at, &from.taken, shape);
        let (lists, first) = (into.ends.len() as u32, into.lists.len());
        into.lists.extend_from_slice(&from.lists);
        into.ends.extend(from.ends.iter().map(|end| first + end));
        let length = shape[shape.len() - 1];
        each_row(whole, at, shape, |target, source| {
            let all = into.list[target..target + length].iter_mut().zip(&from.list[source..source + length]);
            all.for_each(|(into, &from)| *into = if from == 0 { 0 } else { from + lists });
        });
    }

    fn save(&self, cells: &Values, bytes: &mut Vec<u8>) {
        let Values { taken, list, ends, lists } = cells;
        bytes.extend_from_slice(bytemuck::cast_slice(taken));
        bytes.extend_from_slice(bytemuck::cast_slice(list));
        bytes.extend_from_slice(&(ends.len() as u64).to_ne_bytes());
        ends.iter().for_each(|&end| bytes.extend_from_slice(&(end as u64).to_ne_bytes()));
        lists
            .iter()
            .flat_map(|one| [one.0, one.1])
            .for_each(|word| bytes.extend_from_slice(&word.to_ne_bytes()));
    }

    fn load(&self, mut bytes: &[u8], count: usize) -> Option<Values> {
        let (taken, list): (Vec<u64>, Vec<u32>) = (take(&mut bytes, count)?, take(&mut bytes, count)?);
        let lists = take::<u64>(&mut bytes, 1)?[0];
        let ends: Vec<u64> = take(&mut bytes, usize::try_from(lists).ok()?)?;
        let left = bytes.len() / size_of::<u64>();
        let words: Vec<u64> = take(&mut bytes, left)?;
        let (pairs, rest) = words.as_chunks::<2>();
        let is_whole = bytes.is_empty()
            && rest.is_empty()
            && ends.is_sorted()
            && ends.last().copied().unwrap_or(0) == pairs.len() as u64
            && list.iter().all(|&one| u64::from(one) <= lists);
        let ends = ends.into_iter().map(|end| end as usize).collect();
        let lists = pairs.iter().map(|&[key, count]| (key, count)).collect();
        if !is_whole {
            return None;
        }
        let mut values = Values { taken, list, ends, lists };
        // Earlier versions have kept any value of cells that have lists.
        for cell in 0..count {
            if let Some(taken) = values.of(cell).map(|list| self.taken(list)) {
                values.taken[cell] = taken;
            }
        }
        Some(values)
    }

    fn finish(&self, cells: &Values, _: &Counts, out: &mut [T]) {
        out.iter_mut().zip(&cells.taken).for_each(|(out, &taken)| *out = T::of_key(taken));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::dims::Dims;
    use crate::base::widest::both;
    use crate::jobs::pyramid::windows::Along;

    /// Elements of a box of `shape` in patches, of which most cells have one value or two.
    fn patches(shape: [usize; 3], distinct: u64, seed: u64) -> Vec<u64> {
        let all = (0..shape[0])
            .flat_map(|z| (0..shape[1]).flat_map(move |y| (0..shape[2]).map(move |x| [z, y, x])));
        let patch = |[z, y, x]: [usize; 3]| (z / 3 + 5 * (y / 5) + 11 * ((x + z) / 4)) as u64;
        all.map(|at| (patch(at) + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40)
            .map(|one| one % distinct)
            .collect()
    }

    /// What is to be taken of elements: of all, or of those that count if there are any.
    fn due<T: Voxel>(tally: &Tally<T>, all: &[T]) -> T {
        let ignored = |one: &T| tally.ignore.is_some_and(|ignore| ignore.key() == one.key());
        let counting: Vec<T> = all.iter().copied().filter(|one| !ignored(one) && !one.is_nan()).collect();
        let mut keys: Vec<u64> = counting.iter().map(|one| one.key()).collect();
        keys.sort_unstable();
        let often = |key: u64| keys.iter().filter(|&&one| one == key).count();
        let key = match tally.take {
            Take::Median => keys.get(keys.len().saturating_sub(1) / 2).copied(),
            Take::Mode => keys.iter().copied().rev().max_by_key(|&key| often(key)),
        };
        key.map_or_else(|| all.iter().copied().find(ignored).unwrap_or_else(T::none), T::of_key)
    }

    /// What is to be taken of each cell of `factor`.
    fn counted<T: Voxel>(tally: &Tally<T>, all: &[T], shape: [usize; 3], factor: usize) -> Vec<T> {
        let coarse = shape.map(|length| length.div_ceil(factor));
        let mut cells: Vec<Vec<T>> = vec![Vec::new(); coarse.iter().product()];
        for (at, &one) in all.iter().enumerate() {
            let [z, y, x] =
                [at / (shape[1] * shape[2]), at / shape[2] % shape[1], at % shape[2]].map(|at| at / factor);
            cells[(z * coarse[1] + y) * coarse[2] + x].push(one);
        }
        cells.iter().map(|cell| due(tally, cell)).collect()
    }

    /// The same by the kernel: of elements, and of cells of half the factor.
    fn made<T: Voxel>(tally: &Tally<T>, all: &[T], shape: [usize; 3], factor: usize) -> [Vec<T>; 2] {
        let axes = |shape: [usize; 3], factor: usize| -> Windows {
            let along = |&length: &usize| {
                Along::of(&(0..length as i64), &(0..length.div_ceil(factor) as i64), factor as u64)
            };
            Windows { shape: Dims::from_slice(&shape), along: shape.iter().map(along).collect() }
        };
        let counts = |factor: usize| Counts(axes(shape, factor).along.iter().map(Along::lengths).collect());
        let half = shape.map(|length| length.div_ceil(factor / 2));
        let fine = tally.read_new(all, &axes(shape, factor / 2));
        let cells = [
            tally.read_new(all, &axes(shape, factor)),
            tally.coarsen_new(&fine, &counts(factor / 2), &axes(half, 2)),
        ];
        cells.map(|cells| {
            let mut out = vec![T::none(); counts(factor).len()];
            tally.finish(&cells, &counts(factor), &mut out);
            out
        })
    }

    /// Whether all are the same, what is no number included.
    fn same<T: Voxel>(all: &[T], others: &[T]) -> bool {
        all.len() == others.len()
            && all.iter().zip(others).all(|(one, other)| one == other || one.is_nan() && other.is_nan())
    }

    fn check<T: Voxel>(elements: &[u64], (shape, factor): ([usize; 3], usize), of: impl Fn(u64) -> T) {
        let all: Vec<T> = elements.iter().map(|&one| of(one)).collect();
        for take in [Take::Mode, Take::Median] {
            for ignore in [None, Some(of(0))] {
                let tally = Tally { take, ignore };
                let due = counted(&tally, &all, shape, factor);
                let (wide, narrow) = both(|| made(&tally, &all, shape, factor));
                for found in wide.iter().chain(&narrow) {
                    assert!(same(found, &due), "{take:?}, {ignore:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn cells_are_what_their_elements_are_counted_to_be(
            (z, y, x) in (1usize..9, 1usize..9, 1usize..300), factor in prop::sample::select(vec![2usize, 4, 6]),
            distinct in 1u64..7, seed in 0u64..1000,
        ) {
            let shape = [z, y, x];
            let elements = patches(shape, distinct, seed);
            check(&elements, (shape, factor), |one| one.wrapping_mul(0x8000_0001_0000_0001));
            check(&elements, (shape, factor), |one| one as i16 - 2);
            check(&elements, (shape, factor), |one| [0.0f32, -0.0, 1.5, -2.0, f32::NAN, 0.25, 3.0][one as usize % 7]);
        }
    }
}
