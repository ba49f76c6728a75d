//! Modes and medians: how often each value occurs.

use super::kept::take;
use super::kernel::Kernel;
use super::lines::{differing, heads, mixed_runs, sum_lines, sum_runs};
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
    /// The only value of a cell that has no list.
    only: Vec<u64>,
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
        self.only.resize(count, 0);
        self.list.clear();
        self.list.resize(count, 0);
        self.ends.clear();
        self.lists.clear();
    }

    /// Gives a cell these values, which are one at least, and forgets them.
    fn set(&mut self, cell: usize, found: &mut Found) {
        match found.sorted() {
            [(only, _)] => self.only[cell] = *only,
            all => self.set_list(cell, all),
        }
        found.clear();
    }

    /// Gives a cell these values in ascending order, which are two at least.
    fn set_list(&mut self, cell: usize, list: &[(u64, u64)]) {
        self.lists.extend_from_slice(list);
        self.ends.push(self.lists.len());
        self.list[cell] = self.ends.len() as u32;
    }

    fn of(&self, cell: usize) -> Option<&[(u64, u64)]> {
        let list = (self.list[cell] as usize).checked_sub(1)?;
        let first = list.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.lists[first..self.ends[list]])
    }
}

/// The two values that there are, in ascending order, and how often each occurs, if there are two.
#[inline]
fn two_of(mut all: impl Iterator<Item = u64>) -> Option<[(u64, u64); 2]> {
    let (one, mut other) = (all.next()?, None);
    let (mut ones, mut others) = (1, 0);
    for key in all {
        match other {
            _ if key == one => ones += 1,
            None => (other, others) = (Some(key), 1),
            Some(other) if key == other => others += 1,
            Some(_) => return None,
        }
    }
    let (one, other) = ((one, ones), (other?, others));
    Some(if one.0 < other.0 { [one, other] } else { [other, one] })
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

    fn taken(&self, list: &[(u64, u64)]) -> T {
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
        key.or(list.first().map(|one| one.0)).map_or_else(T::none, T::of_key)
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
        cells.only.fill(element.key());
    }

    fn read(&self, elements: &[T], windows: &Windows, values: &mut Values, place: &Place) {
        let (length, inner) = (windows.shape[windows.shape.len() - 1], windows.inner());
        let (mut differ, mut mixed) = (vec![0; length], vec![0; inner.len()]);
        let (bits, key, mut found) = (|one: T| one.bits(), |one: T| one.key(), Found::default());
        windows.rows(place, |cell, starts| {
            let Some(&first) = starts.first() else { return };
            let line = &elements[first..first + length];
            differing(elements, starts, &bits, &mut differ);
            mixed_runs(line, &differ, inner, &bits, &mut mixed);
            heads(line, inner, &key, &mut values.only[cell..cell + inner.len()]);
            for (at, _) in mixed.iter().enumerate().filter(|one| *one.1 != 0) {
                let run = inner.get(at);
                let all = || starts.iter().flat_map(|start| &elements[start + run.start..start + run.end]);
                match two_of(all().map(|one| one.key())) {
                    Some(two) => values.set_list(cell + at, &two),
                    None => {
                        all().for_each(|one| found.add(one.key(), 1));
                        values.set(cell + at, &mut found);
                    }
                }
            }
        });
    }

    fn coarsen(&self, fine: &Values, counts: &Counts, windows: &Windows, values: &mut Values, place: &Place) {
        let (length, inner) = (windows.shape[windows.shape.len() - 1], windows.inner());
        // How many elements each cell is of, if not all are of as many.
        let (uniform, of) =
            (counts.uniform(), counts.uniform().map_or_else(|| counts.map(|count| count), |_| Vec::new()));
        let (mut differ, mut lists) = (vec![0; length], vec![0; length]);
        let (mut mixed, mut listed) = (vec![0; inner.len()], vec![0; inner.len()]);
        let mut found = Found::default();
        windows.rows(place, |cell, starts| {
            let Some(&first) = starts.first() else { return };
            let line = &fine.only[first..first + length];
            differing(&fine.only, starts, &|one| one, &mut differ);
            mixed_runs(line, &differ, inner, &|one| one, &mut mixed);
            heads(line, inner, &|one| one, &mut values.only[cell..cell + inner.len()]);
            sum_lines(&fine.list, starts, &u64::from, &mut lists);
            sum_runs(&lists, inner, true, &|one| one, &mut listed);
            let all = mixed.iter().zip(&listed).enumerate();
            for (at, _) in all.filter(|(_, (mixed, listed))| *mixed | *listed != 0) {
                let run = inner.get(at);
                for fine_cell in starts.iter().flat_map(|start| start + run.start..start + run.end) {
                    match fine.of(fine_cell) {
                        Some(list) => list.iter().for_each(|&(key, count)| found.add(key, count)),
                        None => found.add(fine.only[fine_cell], uniform.unwrap_or_else(|| of[fine_cell])),
                    }
                }
                values.set(cell + at, &mut found);
            }
        });
    }

    fn put(&self, into: &mut Values, whole: &[usize], at: &[usize], from: &Values, shape: &[usize]) {
        put_box(&mut into.only, whole, at, &from.only, shape);
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
        let Values { only, list, ends, lists } = cells;
        bytes.extend_from_slice(bytemuck::cast_slice(only));
        bytes.extend_from_slice(bytemuck::cast_slice(list));
        bytes.extend_from_slice(&(ends.len() as u64).to_ne_bytes());
        ends.iter().for_each(|&end| bytes.extend_from_slice(&(end as u64).to_ne_bytes()));
        lists
            .iter()
            .flat_map(|one| [one.0, one.1])
            .for_each(|word| bytes.extend_from_slice(&word.to_ne_bytes()));
    }

    fn load(&self, mut bytes: &[u8], count: usize) -> Option<Values> {
        let (only, list): (_, Vec<u32>) = (take(&mut bytes, count)?, take(&mut bytes, count)?);
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
        is_whole.then_some(Values { only, list, ends, lists })
    }

    fn finish(&self, cells: &Values, _: &Counts, out: &mut [T]) {
        out.iter_mut().zip(&cells.only).for_each(|(out, &only)| *out = T::of_key(only));
        for (at, _) in cells.list.iter().enumerate().filter(|one| *one.1 != 0) {
            if let Some(list) = cells.of(at) {
                out[at] = self.taken(list);
            }
        }
    }
}
