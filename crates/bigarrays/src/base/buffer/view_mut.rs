//! Memory that is written.

use std::marker::PhantomData;

use crate::base::buffer::copy::for_each_run;
use crate::base::buffer::geometry::Geometry;
use crate::base::buffer::order::expect_len;
use crate::base::buffer::{Order, Region, View};
use crate::base::error::Result;

/// A writable N-d strided view of bytes, which may be uninitialised: it is only ever written.
///
/// Safe code outside this crate cannot make one of uninitialised memory, and is not given one: see
/// [`Asked`](crate::chunk::codec::Asked).
#[derive(Debug)]
pub struct ViewMut<'a> {
    pub(super) start: *mut u8,
    pub(super) geometry: Geometry,
    /// Whether whole cache lines are written past the caches.
    pub(super) streams: bool,
    pub(super) lifetime: PhantomData<&'a mut [u8]>,
}

// SAFETY: a `ViewMut` is the only access to its elements, like `&mut [u8]`.
unsafe impl Send for ViewMut<'_> {}

impl<'a> ViewMut<'a> {
    /// The view of dense `bytes` with the given shape.
    ///
    /// # Errors
    /// `CorruptData` if the length of `bytes` is not that of the shape.
    pub fn dense(bytes: &'a mut [u8], shape: &[usize], item: usize, order: Order) -> Result<Self> {
        expect_len(bytes.len(), shape, item)?;
        let geometry = Geometry::dense(shape, item, order);
        Ok(Self { start: bytes.as_mut_ptr(), geometry, streams: false, lifetime: PhantomData })
    }

    /// The view of memory that the caller describes. It may be uninitialised.
    ///
    /// # Safety
    /// Every element addressed by `start`, `shape`, `strides` (bytes) and `item` (bytes, not zero) must be
    /// writable, distinct from the others, and not accessed in any other way for `'a`.
    ///
    /// # Panics
    /// If there are not as many strides as axes.
    pub unsafe fn from_raw(start: *mut u8, shape: &[usize], strides: &[isize], item: usize) -> Self {
        Self { start, geometry: Geometry::new(shape, strides, item), streams: false, lifetime: PhantomData }
    }

    /// The view, written past the caches where what is written is whole cache lines: for results so large that they are
    /// not in the caches any more when somebody reads them. The memory has to begin at a multiple of 64 bytes, and so have
    /// its rows; otherwise nothing changes.
    #[must_use]
    pub fn streaming(mut self) -> Self {
        self.streams = true;
        self
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

    /// A shorter-lived view of the same elements.
    pub fn reborrow(&mut self) -> ViewMut<'_> {
        ViewMut { geometry: self.geometry.clone(), ..*self }
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

    /// The view without the axes from `count` on, each of which is of length 1.
    ///
    /// # Panics
    /// If one is longer, or of length 0.
    #[must_use]
    pub(crate) fn leading(mut self, count: usize) -> Self {
        assert!(self.shape()[count..].iter().all(|&length| length == 1), "axes that are dropped");
        self.geometry.shape.truncate(count);
        self.geometry.strides.truncate(count);
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

    /// The bytes as one slice, where they are dense in `order`.
    ///
    /// The slice may hold uninitialised bytes: write them, do not read them first.
    pub fn as_dense_mut(&mut self, order: Order) -> Option<&mut [u8]> {
        if self.geometry.is_empty() {
            return Some(&mut []);
        }
        if !self.geometry.is_dense(order) {
            return None;
        }
        // SAFETY: dense elements are one run of bytes; `u8` has no invalid values to observe, and
        // callers write before they read.
        Some(unsafe { std::slice::from_raw_parts_mut(self.start, self.geometry.dense_len()) })
    }

    /// Lends out disjoint parts of the view to several threads.
    pub fn share(&mut self) -> SharedViewMut<'_> {
        SharedViewMut(self.reborrow())
    }

    /// Sets every element to `value`, given as one element's bytes.
    ///
    /// # Panics
    /// If `value` is not as long as an element.
    pub fn fill(&mut self, value: &[u8]) {
        assert_eq!(value.len(), self.geometry.item, "bytes of an element");
        let same = value.iter().all(|byte| *byte == value[0]);
        for_each_run(&self.geometry, |offset, run| {
            // SAFETY: runs lie inside the view, which is writable.
            unsafe {
                let start = self.start.offset(offset);
                if same {
                    std::ptr::write_bytes(start, value[0], run);
                } else {
                    for at in (0..run).step_by(value.len()) {
                        std::ptr::copy_nonoverlapping(value.as_ptr(), start.add(at), value.len());
                    }
                }
            }
            true
        });
    }

    /// Reverses each `part` bytes of every element, which divide its size. All of them must have been written.
    pub fn swap_bytes(&mut self, part: usize) {
        for_each_run(&self.geometry, |offset, run| {
            // SAFETY: runs lie inside the view, which is writable and was written.
            let bytes = unsafe { std::slice::from_raw_parts_mut(self.start.offset(offset), run) };
            bytes.chunks_exact_mut(part).for_each(<[u8]>::reverse);
            true
        });
    }

    /// Makes every byte that is not zero a one, which is what booleans are made of. All of them must have
    /// been written.
    pub(crate) fn make_boolean(&mut self) {
        for_each_run(&self.geometry, |offset, run| {
            // SAFETY: runs lie inside the view, which is writable and was written.
            let bytes = unsafe { std::slice::from_raw_parts_mut(self.start.offset(offset), run) };
            make_boolean(bytes);
            true
        });
    }

    /// Copies every element from `source`, which must have the same shape and item size.
    ///
    /// # Panics
    /// If shapes or item sizes differ.
    pub fn copy_from(&mut self, source: &View<'_>) {
        assert_eq!(self.shape(), source.shape(), "shapes of a copy");
        assert_eq!(self.item(), source.item(), "item sizes of a copy");
        // SAFETY: this view is the only access to its elements, which are then those of no other view.
        unsafe { source.copy_to(self.start, &self.geometry, self.streams) };
    }
}

/// A writable view of which threads take disjoint parts.
#[derive(Debug)]
pub struct SharedViewMut<'a>(pub(super) ViewMut<'a>);

// SAFETY: the only access is through unsafe functions, whose callers promise disjointness.
unsafe impl Sync for SharedViewMut<'_> {}

impl SharedViewMut<'_> {
    /// The part of the view in `region`.
    ///
    /// # Safety
    /// No two parts that live at the same time may overlap.
    pub unsafe fn region(&self, region: &Region) -> ViewMut<'_> {
        let whole = ViewMut { geometry: self.0.geometry.clone(), ..self.0 };
        whole.region(region)
    }
}

/// Makes every byte that is not zero a one.
pub(crate) fn make_boolean(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
}
