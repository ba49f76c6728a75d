//! Memory that is read.

use std::marker::PhantomData;

use ndarray::{ArrayView, Dimension};

use crate::base::buffer::copy::{copy_strided, for_each_run};
use crate::base::buffer::geometry::Geometry;
use crate::base::buffer::order::expect_len;
use crate::base::buffer::scratch::no_memory;
use crate::base::buffer::{Order, Region, byte_len, first_bytes, with_scratch};
use crate::base::dims::Dims;
use crate::base::dtype::Element;
use crate::base::error::Result;

/// A read-only N-d strided view of bytes.
#[derive(Clone, Debug)]
pub struct View<'a> {
    pub(super) start: *const u8,
    pub(super) geometry: Geometry,
    /// Whether others may change the elements: then no slice of them is made.
    pub(super) is_foreign: bool,
    pub(super) lifetime: PhantomData<&'a [u8]>,
}

// SAFETY: a `View` only reads, like `&[u8]`.
unsafe impl Send for View<'_> {}
// SAFETY: as above.
unsafe impl Sync for View<'_> {}

impl<'a> View<'a> {
    /// The view of dense `bytes` with the given shape.
    ///
    /// # Errors
    /// `CorruptData` if the length of `bytes` is not that of the shape.
    pub fn dense(bytes: &'a [u8], shape: &[usize], item: usize, order: Order) -> Result<Self> {
        expect_len(bytes.len(), shape, item)?;
        Ok(Self {
            start: bytes.as_ptr(),
            geometry: Geometry::dense(shape, item, order),
            is_foreign: false,
            lifetime: PhantomData,
        })
    }

    /// The view of elements of `bytes` at `strides`, the first at `offset`.
    ///
    /// # Panics
    /// If an element would lie outside `bytes` or has none, or there are not as many strides as axes.
    pub fn strided(bytes: &'a [u8], offset: usize, shape: &[usize], strides: &[isize], item: usize) -> Self {
        assert!(item > 0, "elements without bytes");
        // Saturated, they are far outside.
        let (mut low, mut high) = (offset as i128, offset as i128 + item as i128);
        for (&length, &stride) in shape.iter().zip(strides) {
            let reach = (length.max(1) - 1) as i128 * stride as i128;
            low = low.saturating_add(reach.min(0));
            high = high.saturating_add(reach.max(0));
        }
        let empty = shape.contains(&0);
        assert!(empty || (low >= 0 && high <= bytes.len() as i128), "strided view outside its bytes");
        let start = if empty { bytes.as_ptr() } else { bytes[offset..].as_ptr() };
        let geometry = Geometry::new(shape, strides, item);
        Self { start, geometry, is_foreign: false, lifetime: PhantomData }
    }

    /// The view of memory that the caller describes.
    ///
    /// # Safety
    /// Every element addressed by `start`, `shape`, `strides` (bytes) and `item` (bytes, not zero) must be
    /// readable and unchanged for `'a`.
    ///
    /// # Panics
    /// If there are not as many strides as axes.
    pub unsafe fn from_raw(start: *const u8, shape: &[usize], strides: &[isize], item: usize) -> Self {
        Self {
            start,
            geometry: Geometry::new(shape, strides, item),
            is_foreign: false,
            lifetime: PhantomData,
        }
    }

    /// The view of memory that the caller describes and that others may change while it is read: another
    /// thread, or a process that maps the same file. What is read is some mixture of their values.
    ///
    /// # Safety
    /// Every element addressed by `start`, `shape`, `strides` (bytes) and `item` (bytes, not zero) must be
    /// readable for `'a`.
    ///
    /// # Panics
    /// If there are not as many strides as axes.
    pub unsafe fn from_foreign(start: *const u8, shape: &[usize], strides: &[isize], item: usize) -> Self {
        Self { start, geometry: Geometry::new(shape, strides, item), is_foreign: true, lifetime: PhantomData }
    }

    /// The view of the elements of an `ndarray` view.
    pub(crate) fn of_array<T: Element, D: Dimension>(array: &ArrayView<'a, T, D>) -> Self {
        let item = size_of::<T>();
        // Those of an empty array may be anything.
        let strides: Dims<isize> =
            array.strides().iter().map(|&stride| stride.wrapping_mul(item as isize)).collect();
        // SAFETY: an `ndarray` view describes readable elements that are borrowed for `'a`.
        unsafe { Self::from_raw(array.as_ptr().cast(), array.shape(), &strides, item) }
    }

    /// Whether others may change the elements while they are read. Then [`View::as_dense`] and
    /// [`View::rows`] lend nothing; the elements can be copied out, each time with other values.
    pub fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    /// The order of a dense array in which the elements lie most nearly.
    pub fn nearest_order(&self) -> Order {
        let mut longer = self.geometry.shape.iter().zip(&self.geometry.strides).filter(|axis| *axis.0 > 1);
        match (longer.next(), longer.next_back()) {
            (Some(first), Some(last)) if first.1.unsigned_abs() < last.1.unsigned_abs() => Order::Fortran,
            _ => Order::C,
        }
    }

    /// Appends the elements to `out`, dense in `order`. Each is read once.
    ///
    /// # Errors
    /// `MemoryBudget` if there is no memory for them.
    pub fn append_to(&self, order: Order, out: &mut Vec<u8>) -> Result<()> {
        let (shape, item) = (self.shape(), self.item());
        let (start, length) = (out.len(), byte_len(shape, item)?);
        out.try_reserve(length).map_err(|error| no_memory(length, error))?;
        // SAFETY: so much is reserved behind what `out` holds, and the copy writes all of it.
        unsafe {
            self.copy_to(out.as_mut_ptr().add(start), &Geometry::dense(shape, item, order), false);
            out.set_len(start + length);
        }
        Ok(())
    }

    /// Copies every element to `to`, of a geometry of the same shape and item size; it may go past the caches.
    ///
    /// # Safety
    /// The elements at `to` must be writable and distinct from those of the view.
    pub(super) unsafe fn copy_to(&self, to: *mut u8, geometry: &Geometry, streams: bool) {
        #[cfg(test)]
        if self.is_foreign {
            let bytes = self.shape().iter().product::<usize>() * self.item();
            FOREIGN_BYTES_COPIED.set(FOREIGN_BYTES_COPIED.get() + bytes);
        }
        // SAFETY: the elements of the view are readable; the rest is the caller's promise.
        unsafe { copy_strided((self.start, &self.geometry), (to, geometry), streams) };
    }

    /// Number of elements along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.geometry.shape
    }

    /// Distance in bytes between neighbours along each axis.
    pub fn strides(&self) -> &[isize] {
        &self.geometry.strides
    }

    /// Bytes of one element.
    pub fn item(&self) -> usize {
        self.geometry.item
    }

    /// The part of the view in `region`.
    ///
    /// # Panics
    /// If the region reaches outside.
    #[must_use]
    pub fn region(mut self, region: &Region) -> Self {
        let offset = self.geometry.narrow(region);
        // SAFETY: `narrow` checked that the region lies inside.
        self.start = unsafe { self.start.offset(offset) };
        self
    }

    /// The view with other axes: axis `k` is the old axis `axes[k]`, or a new one of length one.
    /// Every old axis must stand in `axes` once.
    #[must_use]
    pub fn arranged(mut self, axes: &[Option<usize>]) -> Self {
        self.geometry.arrange(axes);
        self
    }

    /// The view with the direction of axis `axis` reversed.
    #[must_use]
    pub fn reversed(mut self, axis: usize) -> Self {
        let last = self.geometry.reverse(axis);
        // SAFETY: the last element of the axis lies inside.
        self.start = unsafe { self.start.offset(last) };
        self
    }

    /// The bytes as one slice, where they are dense in `order` and nobody can change them.
    pub fn as_dense(&self, order: Order) -> Option<&'a [u8]> {
        if self.geometry.is_empty() {
            return Some(&[]);
        }
        if self.is_foreign || !self.geometry.is_dense(order) {
            return None;
        }
        // SAFETY: dense elements are one run of bytes that starts at `start`, and nobody changes them.
        Some(unsafe { std::slice::from_raw_parts(self.start, self.geometry.dense_len()) })
    }

    /// Whether `holds` is true of the bytes of every dense run of elements.
    pub fn all_runs(&self, mut holds: impl FnMut(&[u8]) -> bool) -> bool {
        if self.is_foreign {
            return self.all_copied_runs(holds);
        }
        let mut all = true;
        for_each_run(&self.geometry, |offset, run| {
            // SAFETY: runs lie inside the view, which nobody changes.
            all = holds(unsafe { std::slice::from_raw_parts(self.start.offset(offset), run) });
            all
        });
        all
    }

    /// As [`View::all_runs`], of a copy of each run, or of as much of it as is copied at once.
    fn all_copied_runs(&self, mut holds: impl FnMut(&[u8]) -> bool) -> bool {
        let piece = (COPIED_AT_ONCE / self.geometry.item).max(1) * self.geometry.item;
        let mut all = true;
        with_scratch(|scratch| {
            let copy = first_bytes(scratch, piece);
            for_each_run(&self.geometry, |offset, run| {
                for at in (0..run).step_by(piece) {
                    let copy = &mut copy[..piece.min(run - at)];
                    // SAFETY: runs lie inside the view, and the piece inside its run.
                    unsafe {
                        let from = self.start.offset(offset).add(at);
                        std::ptr::copy_nonoverlapping(from, copy.as_mut_ptr(), copy.len());
                    }
                    all = all && holds(copy);
                }
                all
            });
        });
        all
    }

    /// Whether every element equals `value` bytewise.
    ///
    /// # Panics
    /// If `value` is not as long as an element.
    pub fn is_filled_with(&self, value: &[u8]) -> bool {
        assert_eq!(value.len(), self.geometry.item, "bytes of an element");
        self.all_runs(|bytes| match value {
            [byte] => bytes.iter().all(|b| b == byte),
            _ => bytes.chunks_exact(value.len()).all(|element| element == value),
        })
    }
}

/// What is copied at once of foreign memory that is only looked at, in bytes.
const COPIED_AT_ONCE: usize = 1 << 14;

#[cfg(test)]
thread_local! {
    /// Bytes that this thread has copied out of foreign memory, those copied twice counted twice.
    pub(crate) static FOREIGN_BYTES_COPIED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
