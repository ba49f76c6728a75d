//! Modes and medians: how often each value occurs.

use super::kernel::Kernel;
use super::voxel::Voxel;
use super::windows::{Counts, Windows, each_row, put_box};

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
    fn with_capacity(count: usize) -> Self {
        Self {
            only: Vec::with_capacity(count),
            list: Vec::with_capacity(count),
            ends: Vec::new(),
            lists: Vec::new(),
        }
    }

    fn push_only(&mut self, key: u64) {
        self.only.push(key);
        self.list.push(0);
    }

    /// Adds a cell of these values, in any order, some maybe more than once.
    fn push(&mut self, found: &mut [(u64, u64)]) {
        found.sort_unstable_by_key(|one| one.0);
        let first = self.lists.len();
        for &(key, count) in found.iter() {
            match self.lists[first..].last_mut() {
                Some(last) if last.0 == key => last.1 += count,
                _ => self.lists.push((key, count)),
            }
        }
        if self.lists.len() == first + 1 {
            let only = self.lists[first].0;
            self.lists.truncate(first);
            return self.push_only(only);
        }
        self.ends.push(self.lists.len());
        self.only.push(0);
        self.list.push(self.ends.len() as u32);
    }

    fn of(&self, cell: usize) -> Option<&[(u64, u64)]> {
        let list = (self.list[cell] as usize).checked_sub(1)?;
        let first = list.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.lists[first..self.ends[list]])
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

    fn read(&self, elements: &[T], windows: &Windows) -> Values {
        let mut values = Values::with_capacity(windows.count());
        let (length, inner) = (windows.shape[windows.shape.len() - 1], windows.inner());
        let (mut differs, mut found) = (vec![false; length], Vec::new());
        windows.rows(|_, starts| {
            let Some((&first, others)) = starts.split_first() else { return };
            let row = &elements[first..first + length];
            differs.fill(false);
            for &start in others {
                let other = &elements[start..start + length];
                for ((differs, one), other) in differs.iter_mut().zip(row).zip(other) {
                    *differs |= one != other;
                }
            }
            for at in 0..inner.len() {
                let run = inner.get(at);
                let head = row[run.start];
                let is_one = !differs[run.clone()].iter().any(|&one| one)
                    && row[run.clone()].iter().all(|&one| one == head);
                if is_one {
                    values.push_only(head.key());
                    continue;
                }
                found.clear();
                for &start in starts {
                    found.extend(
                        elements[start + run.start..start + run.end].iter().map(|one| (one.key(), 1)),
                    );
                }
                values.push(&mut found);
            }
        });
        values
    }

    fn constant(&self, element: T, counts: &Counts) -> Values {
        let count = counts.0.iter().map(Vec::len).product();
        Values { only: vec![element.key(); count], list: vec![0; count], ends: Vec::new(), lists: Vec::new() }
    }

    fn coarsen(&self, fine: &Values, counts: &Counts, windows: &Windows) -> Values {
        let (mut values, inner) = (Values::with_capacity(windows.count()), windows.inner());
        let mut of = vec![0u64; fine.only.len()];
        counts.each(|at, count| of[at] = count);
        let mut found = Vec::new();
        windows.rows(|_, starts| {
            for at in 0..inner.len() {
                let run = inner.get(at);
                let head = fine.only[starts[0] + run.start];
                let is_one = |cell: usize| fine.list[cell] == 0 && fine.only[cell] == head;
                if starts.iter().all(|start| (start + run.start..start + run.end).all(is_one)) {
                    values.push_only(head);
                    continue;
                }
                found.clear();
                for cell in starts.iter().flat_map(|start| start + run.start..start + run.end) {
                    match fine.of(cell) {
                        Some(list) => found.extend_from_slice(list),
                        None => found.push((fine.only[cell], of[cell])),
                    }
                }
                values.push(&mut found);
            }
        });
        values
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

    fn finish(&self, cells: &Values, _: &Counts, out: &mut [T]) {
        for (at, out) in out.iter_mut().enumerate() {
            *out = match cells.of(at) {
                Some(list) => self.taken(list),
                None => T::of_key(cells.only[at]),
            };
        }
    }
}
