//! N-d strided bytes, and the one strided copy.
//!
//! A [`View`] or [`ViewMut`] is a pointer, a shape, strides in bytes and an item size. All pointer
//! arithmetic of the crate is here; everything else slices views.

use std::cell::RefCell;
use std::marker::PhantomData;

use copy::{copy_strided, for_each_run};

use crate::domain::Dims;
use crate::error::{Error, ErrorKind, Result};

mod copy;
mod rows;

pub use rows::{Rows, RowsMut};

/// How the elements of a dense array follow each other in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// The last axis varies fastest.
    C,
    /// The first axis varies fastest.
    Fortran,
}

impl Order {
    /// Strides in bytes of a dense array of `shape` in this order.
    pub fn strides(self, shape: &[usize], item: usize) -> Dims<isize> {
        let mut strides = Dims::from_elem(0, shape.len());
        let mut stride = item as isize;
        let mut next = |axis: usize| {
            strides[axis] = stride;
            stride = stride.wrapping_mul(shape[axis] as isize);
        };
        match self {
            Self::C => (0..shape.len()).rev().for_each(&mut next),
            Self::Fortran => (0..shape.len()).for_each(&mut next),
        }
        strides
    }
}

/// The number of bytes of a dense array, or an error where that exceeds the address space.
pub fn byte_len(shape: &[usize], item: usize) -> Result<usize> {
    if shape.contains(&0) {
        return Ok(0);
    }
    shape
        .iter()
        .try_fold(item, |product, &length| product.checked_mul(length))
        .filter(|&bytes| isize::try_from(bytes).is_ok())
        .ok_or_else(|| {
            Error::invalid(format!("shape {shape:?} of {item}-byte items exceeds the address space"))
        })
}

/// A part of an array: on axis `d` the `count[d]` indices `start[d] + k * step[d]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// First index on each axis.
    pub start: Dims<usize>,
    /// Number of indices on each axis.
    pub count: Dims<usize>,
    /// Distance between indices on each axis, at least 1.
    pub step: Dims<usize>,
}

impl Region {
    /// Everything of an array of `shape`.
    pub fn whole(shape: &[usize]) -> Self {
        Self {
            start: Dims::from_elem(0, shape.len()),
            count: shape.into(),
            step: Dims::from_elem(1, shape.len()),
        }
    }

    /// Whether the region is all of an array of `shape`.
    pub fn is_whole(&self, shape: &[usize]) -> bool {
        self.count[..] == *shape
            && self.step.iter().zip(shape).all(|(&step, &length)| step == 1 || length <= 1)
    }

    /// The index after the last on axis `axis`. The count there must not be zero.
    pub fn end(&self, axis: usize) -> usize {
        self.start[axis] + (self.count[axis] - 1) * self.step[axis] + 1
    }
}

/// Shape and strides shared by both kinds of view.
#[derive(Clone, Debug)]
struct Geometry {
    shape: Dims<usize>,
    strides: Dims<isize>,
    item: usize,
}

impl Geometry {
    fn dense(shape: &[usize], item: usize, order: Order) -> Self {
        Self { shape: shape.into(), strides: order.strides(shape, item), item }
    }

    /// Narrows to `region` and returns the distance of its first element in bytes.
    fn narrow(&mut self, region: &Region) -> isize {
        let mut offset = 0isize;
        for axis in 0..self.shape.len() {
            let (start, count, step) = (region.start[axis], region.count[axis], region.step[axis]);
            assert!(
                count == 0 || region.end(axis) <= self.shape[axis],
                "region {region:?} of {:?}",
                self.shape
            );
            if count > 0 {
                offset += start as isize * self.strides[axis];
            }
            self.shape[axis] = count;
            self.strides[axis] *= step as isize;
        }
        if self.shape.contains(&0) { 0 } else { offset }
    }

    fn is_dense(&self, order: Order) -> bool {
        let dense = order.strides(&self.shape, self.item);
        (0..self.shape.len()).all(|axis| self.shape[axis] == 1 || self.strides[axis] == dense[axis])
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A read-only N-d strided view of bytes.
#[derive(Clone, Debug)]
pub struct View<'a> {
    start: *const u8,
    geometry: Geometry,
    lifetime: PhantomData<&'a [u8]>,
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
            lifetime: PhantomData,
        })
    }

    /// The view of elements of `bytes` at `strides`, the first at `offset`.
    ///
    /// # Panics
    /// If an element would lie outside `bytes`.
    pub fn strided(bytes: &'a [u8], offset: usize, shape: &[usize], strides: &[isize], item: usize) -> Self {
        let (mut low, mut high) = (offset as i128, (offset + item) as i128);
        for (&length, &stride) in shape.iter().zip(strides) {
            let reach = (length.max(1) - 1) as i128 * stride as i128;
            low += reach.min(0);
            high += reach.max(0);
        }
        let empty = shape.contains(&0);
        assert!(empty || (low >= 0 && high <= bytes.len() as i128), "strided view outside its bytes");
        let start = if empty { bytes.as_ptr() } else { bytes[offset..].as_ptr() };
        let geometry = Geometry { shape: shape.into(), strides: strides.into(), item };
        Self { start, geometry, lifetime: PhantomData }
    }

    /// The view of memory that the caller describes.
    ///
    /// # Safety
    /// Every element addressed by `start`, `shape`, `strides` (bytes) and `item` (bytes) must be
    /// readable and unchanged for `'a`.
    pub unsafe fn from_raw(start: *const u8, shape: &[usize], strides: &[isize], item: usize) -> Self {
        let geometry = Geometry { shape: shape.into(), strides: strides.into(), item };
        Self { start, geometry, lifetime: PhantomData }
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

    /// The bytes as one slice, where they are dense in `order`.
    pub fn as_dense(&self, order: Order) -> Option<&'a [u8]> {
        if !self.geometry.is_dense(order) {
            return None;
        }
        // SAFETY: dense elements are one run of bytes that starts at `start`.
        Some(unsafe { std::slice::from_raw_parts(self.start, self.geometry.len() * self.geometry.item) })
    }

    /// Whether `holds` is true of the bytes of every dense run of elements.
    pub fn all_runs(&self, mut holds: impl FnMut(&[u8]) -> bool) -> bool {
        let mut all = true;
        for_each_run(&self.geometry, |offset, run| {
            // SAFETY: runs lie inside the view.
            all = holds(unsafe { std::slice::from_raw_parts(self.start.offset(offset), run) });
            all
        });
        all
    }

    /// Whether every element equals `value` bytewise.
    pub fn is_filled_with(&self, value: &[u8]) -> bool {
        debug_assert_eq!(value.len(), self.geometry.item);
        self.all_runs(|bytes| match value {
            [byte] => bytes.iter().all(|b| b == byte),
            _ => bytes.chunks_exact(value.len()).all(|element| element == value),
        })
    }
}

/// A writable N-d strided view of bytes, which may be uninitialised: it is only ever written.
#[derive(Debug)]
pub struct ViewMut<'a> {
    start: *mut u8,
    geometry: Geometry,
    lifetime: PhantomData<&'a mut [u8]>,
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
        Ok(Self { start: bytes.as_mut_ptr(), geometry, lifetime: PhantomData })
    }

    /// The view of memory that the caller describes. It may be uninitialised.
    ///
    /// # Safety
    /// Every element addressed by `start`, `shape`, `strides` (bytes) and `item` (bytes) must be
    /// writable, distinct from the others, and not accessed in any other way for `'a`.
    pub unsafe fn from_raw(start: *mut u8, shape: &[usize], strides: &[isize], item: usize) -> Self {
        let geometry = Geometry { shape: shape.into(), strides: strides.into(), item };
        Self { start, geometry, lifetime: PhantomData }
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
        ViewMut { start: self.start, geometry: self.geometry.clone(), lifetime: PhantomData }
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

    /// The bytes as one slice, where they are dense in `order`.
    ///
    /// The slice may hold uninitialised bytes: write them, do not read them first.
    pub fn as_dense_mut(&mut self, order: Order) -> Option<&mut [u8]> {
        if !self.geometry.is_dense(order) {
            return None;
        }
        let bytes = self.geometry.len() * self.geometry.item;
        // SAFETY: dense elements are one run of bytes; `u8` has no invalid values to observe, and
        // callers write before they read.
        Some(unsafe { std::slice::from_raw_parts_mut(self.start, bytes) })
    }

    /// Lends out disjoint parts of the view to several threads.
    pub fn share(&mut self) -> SharedViewMut<'_> {
        SharedViewMut(self.reborrow())
    }

    /// Sets every element to `value`, given as one element's bytes.
    pub fn fill(&mut self, value: &[u8]) {
        debug_assert_eq!(value.len(), self.geometry.item);
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

    /// Reverses the bytes of every element, all of which must have been written.
    pub fn swap_bytes(&mut self) {
        let item = self.geometry.item;
        for_each_run(&self.geometry, |offset, run| {
            // SAFETY: runs lie inside the view, which is writable and was written.
            let bytes = unsafe { std::slice::from_raw_parts_mut(self.start.offset(offset), run) };
            bytes.chunks_exact_mut(item).for_each(<[u8]>::reverse);
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
        copy_strided(source, self);
    }
}

/// A writable view of which threads take disjoint parts.
#[derive(Debug)]
pub struct SharedViewMut<'a>(ViewMut<'a>);

// SAFETY: the only access is through `region`, whose callers promise disjointness.
unsafe impl Sync for SharedViewMut<'_> {}

impl SharedViewMut<'_> {
    /// The part of the view in `region`.
    ///
    /// # Safety
    /// No two parts that live at the same time may overlap.
    pub unsafe fn region(&self, region: &Region) -> ViewMut<'_> {
        let whole = ViewMut { start: self.0.start, geometry: self.0.geometry.clone(), lifetime: PhantomData };
        whole.region(region)
    }
}

fn expect_len(bytes: usize, shape: &[usize], item: usize) -> Result<()> {
    let expected = byte_len(shape, item)?;
    if bytes == expected {
        return Ok(());
    }
    Err(Error::corrupt(format!("{bytes} bytes instead of the {expected} of shape {shape:?}")))
}

impl Geometry {
    fn arrange(&mut self, axes: &[Option<usize>]) {
        assert!((0..self.shape.len()).all(|axis| axes.iter().filter(|&&a| a == Some(axis)).count() == 1));
        let (shape, strides) = (&self.shape, &self.strides);
        let arranged = axes.iter().map(|axis| axis.map_or((1, 0), |axis| (shape[axis], strides[axis])));
        (self.shape, self.strides) = arranged.unzip();
    }

    /// Reverses the direction of `axis` and returns the distance of its last element in bytes.
    fn reverse(&mut self, axis: usize) -> isize {
        let last = (self.shape[axis].max(1) - 1) as isize * self.strides[axis];
        self.strides[axis] = -self.strides[axis];
        last
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// The largest buffer that a thread keeps for later use.
const SCRATCH_KEPT: usize = 64 << 20;

/// Lends `use_it` a buffer that this thread reuses, so that hot paths neither allocate nor touch
/// fresh pages per chunk. It holds stale bytes: take [`first_bytes`] and overwrite them, or clear.
pub fn with_scratch<T>(use_it: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    let result = use_it(&mut buffer);
    if buffer.capacity() <= SCRATCH_KEPT {
        SCRATCH.with_borrow_mut(|kept| kept.push(buffer));
    }
    result
}

/// The first `len` bytes of a buffer, which grows where needed but is never zeroed again.
pub fn first_bytes(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        // Not more than asked for: buffers are kept, and budgets count them.
        buffer.reserve_exact(len - buffer.len());
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}

/// [`first_bytes`] of a length that metadata ask for, which may be absurd.
///
/// # Errors
/// `MemoryBudget` if there is no such memory.
pub(crate) fn try_first_bytes(buffer: &mut Vec<u8>, len: usize) -> Result<&mut [u8]> {
    let more = len.saturating_sub(buffer.len());
    buffer.try_reserve_exact(more).map_err(|error| {
        Error::new(ErrorKind::MemoryBudget, format!("a buffer of {len} bytes cannot be had")).caused_by(error)
    })?;
    Ok(first_bytes(buffer, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<T: Copy>(shape: &[usize], make: impl Fn(usize) -> T) -> Vec<T> {
        (0..shape.iter().product()).map(make).collect()
    }

    /// Copies between every pair of orders and item sizes, over a cut-out, against index maths.
    #[test]
    fn copies_regions_between_orders() {
        let shape = [37usize, 5, 41];
        let region = Region {
            start: Dims::from_slice(&[1, 0, 3]),
            count: Dims::from_slice(&[18, 5, 12]),
            step: Dims::from_slice(&[2, 1, 3]),
        };
        for item in [1usize, 2, 3, 4, 8] {
            let count = shape.iter().product::<usize>() * item;
            let bytes: Vec<u8> = numbers(&[count], |i| (i * 7 + i / 251) as u8);
            for from in [Order::C, Order::Fortran] {
                for to in [Order::C, Order::Fortran] {
                    let view = View::dense(&bytes, &shape, item, from).unwrap().region(&region);
                    let mut out = vec![0u8; region.count.iter().product::<usize>() * item];
                    ViewMut::dense(&mut out, &region.count, item, to).unwrap().copy_from(&view);
                    let (fs, ts) = (from.strides(&shape, item), to.strides(&region.count, item));
                    for i in 0..18usize {
                        for j in 0..5usize {
                            for k in 0..12usize {
                                let a = (1 + 2 * i) * fs[0] as usize
                                    + j * fs[1] as usize
                                    + (3 + 3 * k) * fs[2] as usize;
                                let b = i * ts[0] as usize + j * ts[1] as usize + k * ts[2] as usize;
                                assert_eq!(bytes[a..a + item], out[b..b + item]);
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn fills_and_compares_cutouts() {
        let mut bytes = vec![9u8; 4 * 5 * 2];
        let region = Region {
            start: Dims::from_slice(&[1, 1]),
            count: Dims::from_slice(&[2, 3]),
            step: Dims::from_slice(&[1, 1]),
        };
        ViewMut::dense(&mut bytes, &[4, 5], 2, Order::C).unwrap().region(&region).fill(&[1, 2]);
        assert!(View::dense(&bytes, &[4, 5], 2, Order::C).unwrap().region(&region).is_filled_with(&[1, 2]));
        assert!(!View::dense(&bytes, &[4, 5], 2, Order::C).unwrap().is_filled_with(&[1, 2]));
        assert_eq!(bytes.iter().filter(|&&byte| byte == 9).count(), (20 - 6) * 2);
    }

    #[test]
    fn reversal_and_zero_dimensions() {
        let mut out = [0u8; 3];
        let view = View::dense(&[1, 2, 3], &[3], 1, Order::C).unwrap();
        ViewMut::dense(&mut out, &[3], 1, Order::C).unwrap().reversed(0).copy_from(&view);
        assert_eq!(out, [3, 2, 1]);
        let mut one = [0u8; 4];
        ViewMut::dense(&mut one, &[], 4, Order::C).unwrap().fill(&[1, 2, 3, 4]);
        assert_eq!(one, [1, 2, 3, 4]);
    }

    #[test]
    fn absurd_shapes_are_errors() {
        assert!(byte_len(&[usize::MAX, 2], 1).is_err());
        assert!(byte_len(&[1 << 40, 1 << 40], 8).is_err());
        assert_eq!(byte_len(&[usize::MAX, usize::MAX, 0], 8).unwrap(), 0);
        assert!(View::dense(&[0; 7], &[2, 4], 1, Order::C).is_err());
    }
}
