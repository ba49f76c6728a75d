//! N-d strided bytes, and the one strided copy.
//!
//! A [`View`] or [`ViewMut`] is a pointer, a shape, strides in bytes and an item size. All pointer
//! arithmetic of the crate is here; everything else slices views. No safe function makes a view that
//! reaches outside the memory that it is made of, whatever its arguments are.
//!
//! A view of *foreign* memory, which others may change while it is read, lends no slices: its elements
//! can only be copied out.

use std::cell::RefCell;
use std::collections::TryReserveError;
use std::marker::PhantomData;

use copy::{copy_strided, for_each_run};
use ndarray::{ArrayView, Dimension};

use crate::base::domain::Dims;
use crate::base::dtype::Element;
use crate::base::error::{Error, ErrorKind, Result};

mod copy;
mod fresh;
mod region;
mod rows;

pub(crate) use fresh::fresh;
pub use region::Region;
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
    /// Strides in bytes of a dense array of `shape` in this order; the largest there is where they exceed
    /// the address space, which they do of no array in memory.
    pub fn strides(self, shape: &[usize], item: usize) -> Dims<isize> {
        let mut strides = Dims::from_elem(0, shape.len());
        let mut stride = item as isize;
        let mut next = |axis: usize| {
            strides[axis] = stride;
            stride = stride.saturating_mul(isize::try_from(shape[axis]).unwrap_or(isize::MAX));
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

/// Shape and strides shared by both kinds of view.
///
/// Unless an axis is empty, every element lies in the view's memory: offsets of elements then fit an
/// `isize`. Where one is, strides are anything, and nothing may be computed from them.
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

    /// The geometry of strides that the caller vouches for.
    fn new(shape: &[usize], strides: &[isize], item: usize) -> Self {
        assert_eq!(shape.len(), strides.len(), "as many strides as axes");
        Self { shape: shape.into(), strides: strides.into(), item }
    }

    /// Narrows to `region` and returns the distance of its first element in bytes.
    fn narrow(&mut self, region: &Region) -> isize {
        assert!(region.is_inside(&self.shape), "region {region:?} of {:?}", self.shape);
        let is_empty = region.count.contains(&0);
        let mut offset = 0isize;
        for axis in 0..self.shape.len() {
            self.shape[axis] = region.count[axis];
            if !is_empty {
                offset += region.start[axis] as isize * self.strides[axis];
            }
            // The step from an only element leads nowhere.
            if !is_empty && region.count[axis] > 1 {
                self.strides[axis] *= region.step[axis] as isize;
            }
        }
        offset
    }

    fn is_dense(&self, order: Order) -> bool {
        let dense = order.strides(&self.shape, self.item);
        (0..self.shape.len()).all(|axis| self.shape[axis] == 1 || self.strides[axis] == dense[axis])
    }

    fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The number of bytes of elements that are dense.
    fn dense_len(&self) -> usize {
        if self.is_empty() { 0 } else { self.shape.iter().product::<usize>() * self.item }
    }
}

/// A read-only N-d strided view of bytes.
#[derive(Clone, Debug)]
pub struct View<'a> {
    start: *const u8,
    geometry: Geometry,
    /// Whether others may change the elements: then no slice of them is made.
    is_foreign: bool,
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
            let end = out.as_mut_ptr().add(start);
            ViewMut::from_raw(end, shape, &order.strides(shape, item), item).copy_from(self);
            out.set_len(start + length);
        }
        Ok(())
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

/// A writable N-d strided view of bytes, which may be uninitialised: it is only ever written.
///
/// Safe code outside this crate cannot make one of uninitialised memory, and is not given one: see
/// [`Asked`](crate::chunk::codec::Asked).
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
    /// Every element addressed by `start`, `shape`, `strides` (bytes) and `item` (bytes, not zero) must be
    /// writable, distinct from the others, and not accessed in any other way for `'a`.
    ///
    /// # Panics
    /// If there are not as many strides as axes.
    pub unsafe fn from_raw(start: *mut u8, shape: &[usize], strides: &[isize], item: usize) -> Self {
        Self { start, geometry: Geometry::new(shape, strides, item), lifetime: PhantomData }
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

/// Makes every byte that is not zero a one.
pub(crate) fn make_boolean(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
}

fn expect_len(bytes: usize, shape: &[usize], item: usize) -> Result<()> {
    if item == 0 {
        return Err(Error::invalid("elements without bytes"));
    }
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
        if self.is_empty() || self.shape[axis] == 1 {
            return 0;
        }
        let last = (self.shape[axis] - 1) as isize * self.strides[axis];
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
    buffer.try_reserve_exact(more).map_err(|error| no_memory(len, error))?;
    Ok(first_bytes(buffer, len))
}

fn no_memory(len: usize, error: TryReserveError) -> Error {
    Error::new(ErrorKind::MemoryBudget, format!("a buffer of {len} bytes cannot be had")).caused_by(error)
}

#[cfg(test)]
pub(crate) mod tests;
