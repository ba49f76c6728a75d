//! Typed rows of views: the fast way in and out for codecs.

use std::marker::PhantomData;
use std::ops::Range;

use crate::base::buffer::geometry::Geometry;
use crate::base::buffer::stream::{LINE, copy_lines, fence, is_of_lines};
use crate::base::buffer::{View, ViewMut};

impl Geometry {
    /// Shape and outer strides of rows of `item` bytes per element; see [`View::rows`].
    fn rows(&self, item: usize) -> Option<RowGeometry> {
        let axis = |axis: usize| (self.shape.get(axis).copied().unwrap_or(1), self.strides.get(axis));
        let ((x, dx), (y, dy), (z, dz)) = (axis(0), axis(1), axis(2));
        let dense = x == 1 || dx.is_some_and(|&stride| stride == item as isize);
        let single = self.shape.iter().skip(3).all(|&length| length == 1);
        (dense && single && self.item == item && !self.shape.contains(&0)).then(|| RowGeometry {
            shape: [x, y, z],
            strides: [dy.copied().unwrap_or(0), dz.copied().unwrap_or(0)],
        })
    }
}

impl<'a> View<'a> {
    /// The rows along axis 0; axes after the third must have length one. `None` if the view is empty or of
    /// foreign memory, its items are not of `N` bytes, or not adjacent along that axis.
    pub fn rows<const N: usize>(&self) -> Option<Rows<'a, N>> {
        if self.is_foreign {
            return None;
        }
        let geometry = self.geometry.rows(N)?;
        Some(Rows { start: self.start, geometry, lifetime: PhantomData })
    }
}

impl ViewMut<'_> {
    /// The rows along axis 0, as [`View::rows`].
    pub fn rows_mut<const N: usize>(&mut self) -> Option<RowsMut<'_, N>> {
        let geometry = self.geometry.rows(N)?;
        let streams = self.streams && 8 * N == LINE && is_of_lines(self.start, geometry.strides);
        Some(RowsMut { start: self.start, geometry, streams, lifetime: PhantomData })
    }
}

/// Rows along the first of three axes, of which none is empty.
#[derive(Clone, Copy, Debug)]
struct RowGeometry {
    shape: [usize; 3],
    strides: [isize; 2],
}

impl RowGeometry {
    /// Distance in bytes of the first of the elements `x` of a row, all of which lie inside.
    #[inline(always)]
    fn offset(&self, x: &Range<usize>, y: usize, z: usize, item: usize) -> isize {
        let [nx, ny, nz] = self.shape;
        assert!(x.start <= x.end && x.end <= nx && y < ny && z < nz, "row outside its view");
        (x.start * item) as isize + y as isize * self.strides[0] + z as isize * self.strides[1]
    }
}

/// The rows of a view whose elements of `N` bytes are adjacent along the first axis.
#[derive(Debug)]
pub struct Rows<'a, const N: usize> {
    start: *const u8,
    geometry: RowGeometry,
    lifetime: PhantomData<&'a [u8]>,
}

impl<'a, const N: usize> Rows<'a, N> {
    /// The elements `x` of the row at `y`, `z`.
    ///
    /// # Panics
    /// If an index lies outside.
    #[inline(always)]
    pub fn row(&self, x: Range<usize>, y: usize, z: usize) -> &'a [[u8; N]] {
        let offset = self.geometry.offset(&x, y, z, N);
        // SAFETY: `offset` checked the indices; adjacent elements of the view's lifetime follow.
        unsafe { std::slice::from_raw_parts(self.start.offset(offset).cast(), x.len()) }
    }
}

/// The rows of a writable view whose elements of `N` bytes are adjacent along the first axis.
#[derive(Debug)]
pub struct RowsMut<'a, const N: usize> {
    start: *mut u8,
    geometry: RowGeometry,
    /// Whether eight elements are a cache line, rows begin with one, and lines are written past the caches.
    streams: bool,
    lifetime: PhantomData<&'a mut [u8]>,
}

impl<const N: usize> RowsMut<'_, N> {
    /// The elements `x` of the row at `y`, `z`. They may be uninitialised: write, do not read first.
    ///
    /// # Panics
    /// If an index lies outside.
    #[inline(always)]
    pub fn row(&mut self, x: Range<usize>, y: usize, z: usize) -> &mut [[u8; N]] {
        let offset = self.geometry.offset(&x, y, z, N);
        // SAFETY: `offset` checked the indices; the elements are adjacent, and only lent from here;
        // bytes have no invalid values to observe, and callers write before they read.
        unsafe { std::slice::from_raw_parts_mut(self.start.offset(offset).cast(), x.len()) }
    }
}

impl<const N: usize> RowsMut<'_, N> {
    /// Whether the elements from `x` on are to be written in eights, by [`RowsMut::put`].
    #[inline(always)]
    pub fn streams(&self, x: &Range<usize>) -> bool {
        self.streams && x.start.is_multiple_of(8) && x.len().is_multiple_of(8)
    }

    /// Writes the eight elements from `x` on of the row at `y`, `z`.
    ///
    /// # Panics
    /// If an index lies outside.
    #[inline(always)]
    pub fn put(&mut self, x: usize, y: usize, z: usize, elements: &[[u8; N]; 8]) {
        let offset = self.geometry.offset(&(x..x + 8), y, z, N);
        let from = elements.as_ptr().cast::<u8>();
        // SAFETY: `offset` checked the indices; the elements are eight of the view, and of a line where rows are of lines
        // and so is `x`.
        unsafe {
            let to = self.start.offset(offset);
            match self.streams && x.is_multiple_of(8) {
                true => copy_lines(from, to, 8 * N),
                false => std::ptr::copy_nonoverlapping(from, to, 8 * N),
            }
        }
    }
}

impl<const N: usize> Drop for RowsMut<'_, N> {
    fn drop(&mut self) {
        if self.streams {
            fence();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Order, Region};
    use super::*;
    use crate::base::dims::Dims;

    #[test]
    fn rows_follow_the_strides() {
        let bytes: Vec<u8> = (0..2 * 3 * 4 * 5).collect();
        let view = View::dense(&bytes, &[3, 4, 5], 2, Order::Fortran).unwrap();
        let region = Region {
            start: Dims::from_slice(&[1, 0, 1]),
            count: Dims::from_slice(&[2, 2, 2]),
            step: Dims::from_slice(&[1, 3, 2]),
        };
        let rows = view.clone().region(&region).rows::<2>().unwrap();
        assert_eq!(rows.row(0..2, 1, 1), [[92, 93], [94, 95]]);
        assert!(
            view.rows::<1>().is_none() && view.arranged(&[Some(1), Some(0), Some(2)]).rows::<2>().is_none()
        );
        assert!(std::panic::catch_unwind(|| rows.row(1..3, 0, 0).len()).is_err());
        let mut one = [0u8; 4];
        ViewMut::dense(&mut one, &[1, 1, 2, 1], 2, Order::C).unwrap().rows_mut().unwrap().row(0..1, 0, 1)
            [0] = [7, 8];
        assert_eq!(one, [0, 0, 7, 8]);
    }
}
