//! Methods that take one of the elements as it is: the least, the largest, or the one at the coordinate.

use super::kernel::Kernel;
use super::voxel::Voxel;
use super::windows::{Counts, Place, Windows, put_box};

/// The least or the largest of all elements but those that are no numbers or equal `ignore`, unless there are no others.
pub(super) struct Extreme<T> {
    pub(super) is_largest: bool,
    pub(super) ignore: Option<T>,
}

impl<T: Voxel + PartialOrd> Extreme<T> {
    fn of(&self, one: T, other: T) -> T {
        let is_none = |element: T| self.ignore == Some(element) || (T::HAS_NAN && element.is_nan());
        if is_none(one) {
            // Of what is no number, and what is ignored, the latter stays.
            return if is_none(other) && self.ignore == Some(one) { one } else { other };
        }
        let is_other = !is_none(other) && if self.is_largest { other > one } else { other < one };
        if is_other { other } else { one }
    }

    fn all(&self, elements: &[T], windows: &Windows, into: &mut [T], place: &Place) {
        let (length, inner) = (windows.shape[windows.shape.len() - 1], windows.inner());
        let mut row: Vec<T> = Vec::new();
        windows.rows(place, |first, starts| {
            row.clear();
            for &start in starts {
                let all = &elements[start..start + length];
                match row.is_empty() {
                    true => row.extend_from_slice(all),
                    false => row.iter_mut().zip(all).for_each(|(known, &one)| *known = self.of(*known, one)),
                }
            }
            let run = |at| row[inner.get(at)].iter().copied().reduce(|one, other| self.of(one, other));
            let cells = into[first..first + inner.len()].iter_mut().enumerate();
            cells.for_each(|(at, cell)| *cell = run(at).unwrap_or(*cell));
        });
    }
}

impl<T: Voxel + PartialOrd> Kernel<T> for Extreme<T> {
    type Cells = Vec<T>;

    fn bytes(&self) -> u64 {
        size_of::<T>() as u64
    }

    fn resize(&self, cells: &mut Vec<T>, count: usize) {
        cells.resize(count, T::none());
    }

    fn fill(&self, cells: &mut Vec<T>, element: T, counts: &Counts) {
        counts.fill(cells, |_| element);
    }

    fn read(&self, elements: &[T], windows: &Windows, into: &mut Vec<T>, place: &Place) {
        self.all(elements, windows, into, place);
    }

    fn coarsen(&self, fine: &Vec<T>, _: &Counts, windows: &Windows, into: &mut Vec<T>, place: &Place) {
        self.all(fine, windows, into, place);
    }

    fn put(&self, into: &mut Vec<T>, whole: &[usize], at: &[usize], from: &Vec<T>, shape: &[usize]) {
        put_box(into, whole, at, from, shape);
    }

    fn save(&self, cells: &Vec<T>, bytes: &mut Vec<u8>) {
        save(cells, bytes);
    }

    fn load(&self, bytes: &[u8], count: usize) -> Option<Vec<T>> {
        load(bytes, count)
    }

    fn finish(&self, cells: &Vec<T>, _: &Counts, out: &mut [T]) {
        out.copy_from_slice(cells);
    }
}

fn save<T: Voxel>(elements: &[T], bytes: &mut Vec<u8>) {
    elements.iter().for_each(|one| bytes.extend_from_slice(&one.bits().to_ne_bytes()[..size_of::<T>()]));
}

fn load<T: Voxel>(bytes: &[u8], count: usize) -> Option<Vec<T>> {
    let elements: Vec<T> = bytes.chunks_exact(size_of::<T>()).map(T::of_bytes).collect();
    (elements.len() == count && bytes.len() == count * size_of::<T>()).then_some(elements)
}

/// The first element of each window.
pub(super) struct Stride;

impl Stride {
    fn all<T: Voxel>(elements: &[T], windows: &Windows, into: &mut [T], place: &Place) {
        let inner = windows.inner();
        windows.rows(place, |first, starts| {
            let cells = into[first..first + inner.len()].iter_mut().enumerate();
            cells.for_each(|(at, cell)| *cell = elements[starts[0] + inner.get(at).start]);
        });
    }
}

impl<T: Voxel> Kernel<T> for Stride {
    type Cells = Vec<T>;

    fn bytes(&self) -> u64 {
        size_of::<T>() as u64
    }

    fn resize(&self, cells: &mut Vec<T>, count: usize) {
        cells.resize(count, T::none());
    }

    fn fill(&self, cells: &mut Vec<T>, element: T, counts: &Counts) {
        counts.fill(cells, |_| element);
    }

    fn read(&self, elements: &[T], windows: &Windows, into: &mut Vec<T>, place: &Place) {
        Self::all(elements, windows, into, place);
    }

    fn coarsen(&self, fine: &Vec<T>, _: &Counts, windows: &Windows, into: &mut Vec<T>, place: &Place) {
        Self::all(fine, windows, into, place);
    }

    fn put(&self, into: &mut Vec<T>, whole: &[usize], at: &[usize], from: &Vec<T>, shape: &[usize]) {
        put_box(into, whole, at, from, shape);
    }

    fn save(&self, cells: &Vec<T>, bytes: &mut Vec<u8>) {
        save(cells, bytes);
    }

    fn load(&self, bytes: &[u8], count: usize) -> Option<Vec<T>> {
        load(bytes, count)
    }

    fn finish(&self, cells: &Vec<T>, _: &Counts, out: &mut [T]) {
        out.copy_from_slice(cells);
    }
}
