//! Which elements become which: along each axis, runs of the finer level for each element of the coarser one.

use std::ops::Range;

use crate::base::dims::Dims;

/// Runs of elements along one axis, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Along {
    /// Where each begins, and where the last one ends.
    ends: Vec<usize>,
    /// A range of runs that have two elements each: all but those at the ends, or none.
    paired: Range<usize>,
}

impl Along {
    /// The parts of `fine`, whose coordinates begin as it does, that the coordinates `coarse` have at `factor`.
    pub(super) fn of(fine: &Range<i64>, coarse: &Range<i64>, factor: u64) -> Self {
        let ends = coarse.start..=coarse.end;
        let at = |coordinate: i64| {
            let first = coordinate.saturating_mul(factor as i64).clamp(fine.start, fine.end.max(fine.start));
            (first - fine.start) as usize
        };
        let ends: Vec<usize> = ends.map(at).collect();
        let inner = ends.get(1..ends.len() - 1).unwrap_or_default();
        let is_paired = inner.len() > 1 && inner.windows(2).all(|two| two[1] - two[0] == 2);
        let mut paired = if is_paired { 1..inner.len() } else { 0..0 };
        if is_paired && ends[1] - ends[0] == 2 {
            paired.start = 0;
        }
        if is_paired && ends[inner.len() + 1] - ends[inner.len()] == 2 {
            paired.end += 1;
        }
        Self { ends, paired }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len() - 1
    }

    pub(super) fn get(&self, at: usize) -> Range<usize> {
        self.ends[at]..self.ends[at + 1]
    }

    /// Runs that have two elements each.
    pub(super) fn paired(&self) -> Range<usize> {
        self.paired.clone()
    }

    /// How many elements each has.
    pub(super) fn lengths(&self) -> Vec<u64> {
        self.ends.windows(2).map(|ends| (ends[1] - ends[0]) as u64).collect()
    }
}

/// A box of elements in C order, and the runs of a coarser one along each of its axes.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    /// The shape of the finer box.
    pub(super) shape: Dims<usize>,
    pub(super) along: Dims<Along>,
}

impl Windows {
    /// How many elements the coarser box has.
    pub(super) fn count(&self) -> usize {
        self.along.iter().map(Along::len).product()
    }

    /// The place that is all there is of the coarser box.
    pub(super) fn all(&self) -> Place {
        Place { whole: self.along.iter().map(Along::len).collect(), at: Dims::from_elem(0, self.along.len()) }
    }

    /// The runs of the last axis.
    pub(super) fn inner(&self) -> &Along {
        &self.along[self.along.len() - 1]
    }

    /// Calls `work` with where each row of the coarser box begins in what it is put into, and where the rows of the finer one begin that
    /// become it.
    pub(super) fn rows(&self, place: &Place, mut work: impl FnMut(usize, &[usize])) {
        let outer = self.along.len() - 1;
        let mut steps: Dims<usize> = self.shape.clone();
        steps[outer] = 1;
        for axis in (0..outer).rev() {
            steps[axis] = steps[axis + 1] * self.shape[axis + 1];
        }
        let (mut at, mut starts, mut before) = (Dims::from_elem(0usize, outer), Vec::new(), Vec::new());
        let rows: usize = self.along[..outer].iter().map(Along::len).product();
        for _ in 0..rows {
            starts.clear();
            starts.push(0);
            for axis in 0..outer {
                let run = self.along[axis].get(at[axis]);
                if run.len() == 1 {
                    starts.iter_mut().for_each(|start| *start += run.start * steps[axis]);
                    continue;
                }
                std::mem::swap(&mut starts, &mut before);
                starts.clear();
                for start in &before {
                    starts.extend(run.clone().map(|k| start + k * steps[axis]));
                }
            }
            work(place.row(&at), &starts);
            for axis in (0..outer).rev() {
                at[axis] += 1;
                if at[axis] < self.along[axis].len() {
                    break;
                }
                at[axis] = 0;
            }
        }
    }
}

/// Where a box begins in another one, of the shape `whole`.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) whole: Dims<usize>,
    pub(super) at: Dims<usize>,
}

impl Place {
    /// Where a row of the box begins, which is that of these coordinates along all axes but the last.
    fn row(&self, row: &[usize]) -> usize {
        let outer =
            row.iter().zip(&self.at).zip(&self.whole).fold(0, |all, ((&k, &at), &axis)| all * axis + at + k);
        outer * self.whole[row.len()] + self.at[row.len()]
    }
}

/// How many elements of the finest level each element of a box has, as a product of one number along each axis.
#[derive(Clone, Debug)]
pub(super) struct Counts(pub(super) Dims<Vec<u64>>);

impl Counts {
    /// Of the coordinates `level` at `factor`, those of the finest level being `finest`.
    pub(super) fn of(finest: &[Range<i64>], level: &[Range<i64>], factor: &[u64]) -> Self {
        let axes = finest.iter().zip(level).zip(factor);
        Self(axes.map(|((finest, level), &factor)| Along::of(finest, level, factor).lengths()).collect())
    }

    /// The one count of all, if it is one.
    pub(super) fn uniform(&self) -> Option<u64> {
        let mut all = 1;
        for axis in &self.0 {
            let (&first, others) = axis.split_first()?;
            if others.iter().any(|&other| other != first) {
                return None;
            }
            all *= first;
        }
        Some(all)
    }

    /// What `work` makes of the count of each element, in C order.
    pub(super) fn map<V: Clone>(&self, work: impl Fn(u64) -> V) -> Vec<V> {
        let mut made = Vec::new();
        self.fill(&mut made, work);
        made
    }

    /// The same in memory that was used before.
    pub(super) fn fill<V: Clone>(&self, made: &mut Vec<V>, work: impl Fn(u64) -> V) {
        made.clear();
        match self.uniform() {
            Some(count) => made.resize(self.len(), work(count)),
            None => {
                made.reserve(self.len());
                self.each(|_, count| made.push(work(count)));
            }
        }
    }

    /// How many elements there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).product()
    }

    /// Calls `work` with each element, in C order, and its count.
    pub(super) fn each(&self, mut work: impl FnMut(usize, u64)) {
        let Some((inner, outer)) = self.0.split_last() else { return work(0, 1) };
        let (mut at, mut number) = (Dims::from_elem(0usize, outer.len()), 0);
        let rows: usize = outer.iter().map(Vec::len).product();
        for _ in 0..rows {
            let of_row: u64 = outer.iter().zip(&at).map(|(axis, &at)| axis[at]).product();
            for &one in inner {
                work(number, of_row * one);
                number += 1;
            }
            for axis in (0..outer.len()).rev() {
                at[axis] += 1;
                if at[axis] < outer[axis].len() {
                    break;
                }
                at[axis] = 0;
            }
        }
    }
}

/// Copies a dense box of `shape` into one of `whole`, from `at` on.
pub(super) fn put_box<T: Copy>(into: &mut [T], whole: &[usize], at: &[usize], from: &[T], shape: &[usize]) {
    each_row(whole, at, shape, |target, source| {
        let length = shape[shape.len() - 1];
        into[target..target + length].copy_from_slice(&from[source..source + length]);
    });
}

/// Calls `work` with where each row of a box of `shape` begins in one of `whole`, in which it lies from `at` on, and in itself.
pub(super) fn each_row(whole: &[usize], at: &[usize], shape: &[usize], mut work: impl FnMut(usize, usize)) {
    let Some((&length, outer)) = shape.split_last() else { return };
    let rows: usize = outer.iter().product();
    let mut index = Dims::from_elem(0usize, outer.len());
    for row in 0..rows {
        let place = index.iter().zip(at).zip(whole).fold(0, |all, ((&k, &at), &axis)| all * axis + at + k);
        work(place * whole[outer.len()] + at[outer.len()], row * length);
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            if index[axis] < outer[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}
