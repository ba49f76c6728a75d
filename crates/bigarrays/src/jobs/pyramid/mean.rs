//! Means: sums, and how many elements each is of.

use std::marker::PhantomData;

use super::kernel::Kernel;
use super::voxel::{Voxel, Width};
use super::windows::{Counts, Windows, put_box};

/// The mean of all elements but those that are no numbers or equal `ignore`, unless there are no others.
pub(super) struct Mean<T, W> {
    pub(super) ignore: Option<T>,
    /// How wide sums are.
    pub(super) width: PhantomData<W>,
}

/// Sums, and of how many elements each is; of all if that is not said.
pub(super) struct Sums<S> {
    sums: Vec<S>,
    counts: Option<Vec<u64>>,
}

impl<T: Voxel, W: Width<T>> Mean<T, W> {
    fn counts(&self) -> bool {
        T::HAS_NAN || self.ignore.is_some()
    }

    fn takes(&self, element: T) -> bool {
        self.ignore != Some(element) && !(T::HAS_NAN && element.is_nan())
    }
}

impl<T: Voxel, W: Width<T>> Kernel<T> for Mean<T, W> {
    type Cells = Sums<W::Sum>;

    fn bytes(&self) -> u64 {
        (size_of::<W::Sum>() + if self.counts() { 8 } else { 0 }) as u64
    }

    fn read(&self, elements: &[T], windows: &Windows) -> Self::Cells {
        let mut sums = vec![W::Sum::default(); windows.count()];
        let mut counts = self.counts().then(|| vec![0u64; sums.len()]);
        let (length, inner) = (windows.shape[windows.shape.len() - 1], windows.inner());
        let (mut row, mut taken) = (vec![T::Row::default(); length], vec![0u32; length]);
        windows.rows(|number, starts| {
            let sums = &mut sums[number * inner.len()..][..inner.len()];
            for starts in starts.chunks(T::ROWS) {
                row.fill(T::Row::default());
                let all = starts.iter().map(|&start| &elements[start..start + length]);
                match &mut counts {
                    None => all.for_each(|all| {
                        row.iter_mut().zip(all).for_each(|(sum, &one)| *sum += T::Row::from(one.narrow()));
                    }),
                    Some(counts) => {
                        taken.fill(0);
                        for all in all {
                            for ((sum, taken), &one) in row.iter_mut().zip(&mut taken).zip(all) {
                                if self.takes(one) {
                                    *sum += T::Row::from(one.narrow());
                                    *taken += 1;
                                }
                            }
                        }
                        let counts = &mut counts[number * inner.len()..][..inner.len()];
                        inner.add(&taken, counts, |sum, one| *sum += u64::from(one));
                    }
                }
                inner.add(&row, sums, |sum, one| *sum += W::Sum::from(one));
            }
        });
        Sums { sums, counts }
    }

    fn constant(&self, element: T, counts: &Counts) -> Self::Cells {
        let is_taken = self.takes(element);
        let mut sums = Vec::new();
        counts.each(|_, count| {
            let mut sum = W::Sum::default();
            if is_taken {
                sum = W::times(element, count);
            }
            sums.push(sum);
        });
        let mut of = self.counts().then(Vec::new);
        if let Some(of) = &mut of {
            counts.each(|_, count| of.push(if is_taken { count } else { 0 }));
        }
        Sums { sums, counts: of }
    }

    fn coarsen(&self, fine: &Self::Cells, _: &Counts, windows: &Windows) -> Self::Cells {
        let mut sums = vec![W::Sum::default(); windows.count()];
        let mut counts = fine.counts.as_ref().map(|_| vec![0u64; sums.len()]);
        let (length, inner) = (windows.shape[windows.shape.len() - 1], windows.inner());
        let mut row = vec![W::Sum::default(); length];
        windows.rows(|number, starts| {
            let place = number * inner.len();
            row.fill(W::Sum::default());
            for &start in starts {
                row.iter_mut().zip(&fine.sums[start..start + length]).for_each(|(sum, &one)| *sum += one);
            }
            inner.add(&row, &mut sums[place..place + inner.len()], |sum, one| *sum += one);
            if let (Some(counts), Some(fine)) = (&mut counts, &fine.counts) {
                for &start in starts {
                    let counts = &mut counts[place..place + inner.len()];
                    inner.add(&fine[start..start + length], counts, |sum, one| *sum += one);
                }
            }
        });
        Sums { sums, counts }
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
        if let (Some(into), Some(from)) = (&mut into.counts, &from.counts) {
            put_box(into, whole, at, from, shape);
        }
    }

    fn finish(&self, cells: &Self::Cells, counts: &Counts, out: &mut [T]) {
        let none = || self.ignore.unwrap_or_else(T::none);
        match (&cells.counts, counts.uniform()) {
            (Some(counts), _) => {
                for ((out, &sum), &count) in out.iter_mut().zip(&cells.sums).zip(counts) {
                    *out = if count == 0 { none() } else { W::mean(sum, count) };
                }
            }
            (None, Some(count)) => W::means(&cells.sums, count, out),
            (None, None) => counts.each(|at, count| out[at] = W::mean(cells.sums[at], count.max(1))),
        }
    }
}
