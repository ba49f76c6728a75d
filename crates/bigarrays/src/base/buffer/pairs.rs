//! Copies of elements at chosen indices along each axis.

use crate::base::buffer::{SharedViewMut, View};
use crate::base::dims::Dims;

/// Indices along one axis: of the source, and of the target.
pub(crate) type Pair = (usize, usize);

/// The pairs of an axis, and the distances of its neighbours in the source and in the target.
type PairedAxis<'a> = (&'a [Pair], isize, isize);

/// Adjacent elements: the distances of their first byte from that of the source and of the target, and their bytes.
type Run = (isize, isize, usize);

impl SharedViewMut<'_> {
    /// Copies, for each combination of a pair along every axis, the element of `source` at the first indices to the one
    /// of this view at the second. Of pairs with the same second index, the last counts.
    ///
    /// # Safety
    /// Nobody else may access these elements of this view meanwhile.
    ///
    /// # Panics
    /// If an index lies outside, or numbers of axes or item sizes differ.
    pub(crate) unsafe fn copy_pairs(&self, source: &View<'_>, pairs: &[&[Pair]]) {
        let (from, to) = (&source.geometry, &self.0.geometry);
        assert_eq!((from.item, from.shape.len()), (to.item, to.shape.len()), "items and axes of a copy");
        assert_eq!(pairs.len(), to.shape.len(), "pairs along each axis");
        for (axis, pairs) in pairs.iter().enumerate() {
            let is_inside = |&(one, other): &Pair| one < from.shape[axis] && other < to.shape[axis];
            assert!(pairs.iter().all(is_inside), "an index outside of its view");
        }
        if pairs.iter().any(|pairs| pairs.is_empty()) {
            return;
        }
        let mut axes: Dims<PairedAxis<'_>> =
            (0..pairs.len()).map(|axis| (pairs[axis], from.strides[axis], to.strides[axis])).collect();
        // The fastest last, of those with more than one pair.
        axes.sort_by_key(|axis| (axis.0.len() > 1, std::cmp::Reverse(axis.2.unsigned_abs())));
        let item = from.item;
        let runs = match axes.pop() {
            Some(fast) => runs(fast, item),
            None => vec![(0, 0, item)],
        };
        let is_single = runs.iter().all(|run| run.2 == item);
        walk(&axes, source.start, self.0.start, &mut |from, to| {
            for &(source, target, bytes) in &runs {
                // SAFETY: all indices were checked, and a run is of adjacent elements at these.
                unsafe {
                    let (from, to) = (from.offset(source), to.offset(target));
                    match (is_single, bytes) {
                        (true, 1) => to.write(from.read()),
                        (true, 2) => copy::<[u8; 2]>(from, to),
                        (true, 4) => copy::<[u8; 4]>(from, to),
                        (true, 8) => copy::<[u8; 8]>(from, to),
                        _ => std::ptr::copy_nonoverlapping(from, to, bytes),
                    }
                }
            }
        });
    }

    /// Copies the dense `elements` of a view of one axis to its elements at `positions`, in their order.
    ///
    /// # Safety
    /// Nobody else may access these elements of this view meanwhile.
    ///
    /// # Panics
    /// If a position lies outside, or there are not as many elements.
    pub(crate) unsafe fn scatter(&self, elements: &[u8], positions: impl ExactSizeIterator<Item = usize>) {
        let geometry = &self.0.geometry;
        let elements = elements.chunks_exact(geometry.item);
        assert_eq!(
            (geometry.shape.len(), elements.len()),
            (1, positions.len()),
            "an element for each position"
        );
        for (position, element) in positions.zip(elements) {
            assert!(position < geometry.shape[0], "position {position} of {}", geometry.shape[0]);
            // SAFETY: the position lies inside.
            unsafe {
                let to = self.0.start.offset(position as isize * geometry.strides[0]);
                std::ptr::copy_nonoverlapping(element.as_ptr(), to, element.len());
            }
        }
    }
}

/// # Safety
/// There must be such an element to read, and one to write.
unsafe fn copy<T: Copy>(from: *const u8, to: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { to.cast::<T>().write_unaligned(from.cast::<T>().read_unaligned()) };
}

/// The elements at the pairs of an axis; those that follow each other in both are one run.
fn runs((pairs, from, to): PairedAxis<'_>, item: usize) -> Vec<Run> {
    let is_adjacent = from == item as isize && to == item as isize;
    let mut runs: Vec<Run> = Vec::with_capacity(pairs.len());
    for &(one, other) in pairs {
        let next = (one as isize * from, other as isize * to);
        match runs.last_mut() {
            Some((source, target, bytes))
                if is_adjacent && (*source + *bytes as isize, *target + *bytes as isize) == next =>
            {
                *bytes += item;
            }
            _ => runs.push((next.0, next.1, item)),
        }
    }
    runs
}

/// Visits every combination of the pairs of `axes`, those of the last fastest.
fn walk(axes: &[PairedAxis<'_>], from: *const u8, to: *mut u8, visit: &mut impl FnMut(*const u8, *mut u8)) {
    let Some((&(pairs, source, target), faster)) = axes.split_first() else { return visit(from, to) };
    for &(one, other) in pairs {
        let (from, to) =
            (from.wrapping_offset(one as isize * source), to.wrapping_offset(other as isize * target));
        walk(faster, from, to, visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::buffer::{Order, ViewMut};

    #[test]
    fn elements_at_pairs_of_indices() {
        let source: Vec<u8> = (0..2 * 3 * 5 * 2).collect();
        for order in [Order::C, Order::Fortran] {
            for item in [1, 2] {
                let (shape, mut out) = ([2, 3, 5], vec![99; 24 * item]);
                let view = View::dense(&source[..30 * item], &shape, item, order).unwrap();
                let mut target = ViewMut::dense(&mut out, &[4, 3, 2], item, Order::C).unwrap();
                let pairs: [&[Pair]; 3] = [&[(1, 3), (0, 0), (1, 0)], &[(0, 0), (1, 1), (2, 2)], &[(4, 1)]];
                // SAFETY: nobody else refers to the target.
                unsafe { target.share().copy_pairs(&view, &pairs) };
                let at = |k: usize| out[k * item];
                let strides = order.strides(&shape, item);
                let of = |x: isize, y: isize| (x * strides[0] + y * strides[1] + 4 * strides[2]) as u8;
                for y in 0..3 {
                    assert_eq!(at(18 + 2 * y + 1), of(1, y as isize));
                    assert_eq!(at(2 * y + 1), of(1, y as isize), "of two the last counts");
                    assert_eq!((at(2 * y), at(6 + 2 * y)), (99, 99));
                }
            }
        }
    }

    #[test]
    fn no_index_outside() {
        let (source, mut out) = ([0u8; 6], [0u8; 4]);
        let view = View::dense(&source, &[2, 3], 1, Order::C).unwrap();
        let mut target = ViewMut::dense(&mut out, &[2, 2], 1, Order::C).unwrap();
        for wrong in [[(2, 0), (0, 0)], [(0, 2), (0, 0)], [(0, 0), (3, 0)], [(0, 0), (0, 2)]] {
            let shared = target.share();
            let copy = || {
                // SAFETY: nobody else refers to the target.
                unsafe { shared.copy_pairs(&view, &[&wrong[..1], &wrong[1..]]) };
            };
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(copy)).is_err());
        }
    }
}
