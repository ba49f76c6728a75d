//! Means: sums, and how many elements each is of.

use std::marker::PhantomData;

use super::kept::take;
use super::kernel::Kernel;
use super::lines::{sum_lines, sum_runs, sum_taken};
use super::voxel::{Voxel, Width};
use super::windows::{Counts, Place, Windows, put_box};
use crate::base::widest::widest;

/// The mean of all elements but those that are no numbers or equal `ignore`, unless there are no others.
pub(super) struct Mean<T, W> {
    pub(super) ignore: Option<T>,
    /// How wide sums are.
    pub(super) width: PhantomData<W>,
}

/// Sums, and of how many elements each is; of all if that is not said.
#[derive(Default)]
pub(super) struct Sums<S> {
    sums: Vec<S>,
    counts: Option<Vec<u64>>,
    /// How many elements were ignored, where others may be no numbers: what is only made of the latter is no number.
    ignored: Option<Vec<u64>>,
}

impl<T: Voxel, W: Width<T>> Mean<T, W> {
    fn counts(&self) -> bool {
        T::HAS_NAN || self.ignore.is_some()
    }

    fn counts_ignored(&self) -> bool {
        T::HAS_NAN && self.ignore.is_some()
    }

    #[inline(always)]
    fn takes(&self, element: T) -> bool {
        self.ignore != Some(element) && !(T::HAS_NAN && element.is_nan())
    }
}

impl<T: Voxel, W: Width<T>> Kernel<T> for Mean<T, W> {
    type Cells = Sums<W::Sum>;

    fn bytes(&self) -> u64 {
        (size_of::<W::Sum>() + 8 * (usize::from(self.counts()) + usize::from(self.counts_ignored()))) as u64
    }

    fn resize(&self, cells: &mut Self::Cells, count: usize) {
        cells.sums.resize(count, W::Sum::default());
        let is_counted = [self.counts(), self.counts_ignored()];
        for (counts, is_counted) in [&mut cells.counts, &mut cells.ignored].into_iter().zip(is_counted) {
            match counts.as_mut().filter(|_| is_counted) {
                Some(counts) => counts.resize(count, 0),
                None => *counts = is_counted.then(|| vec![0; count]),
            }
        }
    }

    fn fill(&self, cells: &mut Self::Cells, element: T, counts: &Counts) {
        let (is_taken, is_ignored) = (self.takes(element), self.ignore == Some(element));
        counts.fill(
            &mut cells.sums,
            |count| if is_taken { W::times(element, count) } else { W::Sum::default() },
        );
        let of = |into: &mut Option<Vec<u64>>, is_counted: bool| {
            counts.fill(into.get_or_insert_default(), |count| if is_counted { count } else { 0 });
        };
        if self.counts() {
            of(&mut cells.counts, is_taken);
        }
        if self.counts_ignored() {
            of(&mut cells.ignored, is_ignored);
        }
    }

    fn read(&self, elements: &[T], windows: &Windows, into: &mut Self::Cells, place: &Place) {
        let Sums { sums, counts, ignored } = into;
        let (length, inner) = (windows.shape[windows.shape.len() - 1], windows.inner());
        let (mut line, mut taken) = (vec![T::Row::default(); length], vec![0u32; length]);
        let mut passed = vec![0u64; if ignored.is_some() { length } else { 0 }];
        let is_ignored = |one: T| u64::from(self.ignore == Some(one));
        let widen = |one: T| T::Row::from(one.narrow());
        windows.rows(place, |first, starts| {
            let cells = first..first + inner.len();
            for (k, starts) in starts.chunks(T::ROWS).enumerate() {
                match &mut *counts {
                    None => sum_lines(elements, starts, &widen, &mut line),
                    Some(counts) => {
                        sum_taken(elements, starts, &widen, &|one| self.takes(one), &mut line, &mut taken);
                        sum_runs(&taken, inner, k == 0, &|one| u64::from(one), &mut counts[cells.clone()]);
                    }
                }
                if let Some(ignored) = &mut *ignored {
                    sum_lines(elements, starts, &is_ignored, &mut passed);
                    sum_runs(&passed, inner, k == 0, &|one| one, &mut ignored[cells.clone()]);
                }
                sum_runs(&line, inner, k == 0, &|one| W::Sum::from(one), &mut sums[cells.clone()]);
            }
        });
    }

    fn coarsen(
        &self,
        fine: &Self::Cells,
        _: &Counts,
        windows: &Windows,
        into: &mut Self::Cells,
        place: &Place,
    ) {
        let Sums { sums, counts, ignored } = into;
        let (length, inner) = (windows.shape[windows.shape.len() - 1], windows.inner());
        let (mut line, mut taken) = (vec![W::Sum::default(); length], vec![0; length]);
        windows.rows(place, |first, starts| {
            let cells = first..first + inner.len();
            sum_lines(&fine.sums, starts, &|one| one, &mut line);
            sum_runs(&line, inner, true, &|one| one, &mut sums[cells.clone()]);
            for (counts, fine) in [(&mut *counts, &fine.counts), (&mut *ignored, &fine.ignored)] {
                let (Some(counts), Some(fine)) = (counts, fine) else { continue };
                sum_lines(fine, starts, &|one| one, &mut taken);
                sum_runs(&taken, inner, true, &|one| one, &mut counts[cells.clone()]);
            }
        });
    }

    fn put(
        &self,
        into: &mut Self::Cells,
        whole: &[usize],
        at: &[usize],
        from: &Self::Cells,
        shape: &[usize],
    ) {
        put_box(&mut into.sums, whole, at, &from.sums, shape);
        for (into, from) in [(&mut into.counts, &from.counts), (&mut into.ignored, &from.ignored)] {
            if let (Some(into), Some(from)) = (into, from) {
                put_box(into, whole, at, from, shape);
            }
        }
    }

    fn save(&self, cells: &Self::Cells, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(bytemuck::cast_slice(&cells.sums));
        for counts in [&cells.counts, &cells.ignored] {
            bytes.extend_from_slice(bytemuck::cast_slice(counts.as_deref().unwrap_or_default()));
        }
    }

    fn load(&self, mut bytes: &[u8], count: usize) -> Option<Self::Cells> {
        let sums = take(&mut bytes, count)?;
        let counts = if self.counts() { Some(take(&mut bytes, count)?) } else { None };
        let ignored = if self.counts_ignored() { Some(take(&mut bytes, count)?) } else { None };
        bytes.is_empty().then_some(Sums { sums, counts, ignored })
    }

    fn finish(&self, cells: &Self::Cells, counts: &Counts, out: &mut [T]) {
        let is_ignored = |at: usize| cells.ignored.as_ref().is_none_or(|ignored| ignored[at] > 0);
        let none = |at| self.ignore.filter(|_| is_ignored(at)).unwrap_or_else(T::none);
        match (&cells.counts, counts.uniform()) {
            (Some(counts), _) => {
                for (at, ((out, &sum), &count)) in out.iter_mut().zip(&cells.sums).zip(counts).enumerate() {
                    *out = if count == 0 { none(at) } else { W::mean(sum, count) };
                }
            }
            (None, Some(count)) => means::<T, W>(&cells.sums, count, out),
            (None, None) => counts.each(|at, count| out[at] = W::mean(cells.sums[at], count.max(1))),
        }
    }
}

widest! {
    /// The means of sums that are all of so many.
    fn means<T: Voxel, W: Width<T>>(sums: &[W::Sum], count: u64, out: &mut [T]) {
        W::means(sums, count, out);
    }
}
