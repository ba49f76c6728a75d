//! Fresh memory for elements that something else writes.

use std::collections::TryReserveError;

use crate::base::buffer::scratch::no_memory;
use crate::base::buffer::{Order, ViewMut, byte_len};
use crate::base::dtype::{DataType, Element};
use crate::base::error::Result;

/// New elements, dense in `order`, which `fill` writes: all of them, or it fails.
///
/// # Errors
/// `MemoryBudget` if there is no memory for them.
pub(crate) fn fresh<T: Element>(
    shape: &[usize],
    order: Order,
    fill: impl FnOnce(ViewMut<'_>) -> Result<()>,
) -> Result<Vec<T>> {
    let mut elements = Vec::new();
    refresh(&mut elements, shape, order, fill)?;
    Ok(elements)
}

/// The same in memory that was used before; there are no elements if it fails.
///
/// # Errors
/// As [`fresh`].
pub(crate) fn refresh<T: Element>(
    elements: &mut Vec<T>,
    shape: &[usize],
    order: Order,
    fill: impl FnOnce(ViewMut<'_>) -> Result<()>,
) -> Result<()> {
    let item = size_of::<T>();
    let bytes = byte_len(shape, item)?;
    elements.clear();
    if elements.capacity() < bytes / item {
        elements.try_reserve_exact(bytes / item).map_err(|error| no_memory(bytes, error))?;
        advise_huge_pages(elements.as_mut_ptr().cast(), bytes);
    }
    let strides = order.strides(shape, item);
    // SAFETY: the reserved memory holds the dense shape, and nothing else refers to it.
    let mut all = unsafe { ViewMut::from_raw(elements.as_mut_ptr().cast(), shape, &strides, item) };
    fill(all.reborrow())?;
    if T::DTYPE == DataType::Bool {
        // What was written may be of codecs and fill values that are not ours.
        all.make_boolean();
    }
    // SAFETY: `fill` wrote every element, and all bytes are values but for booleans.
    unsafe { elements.set_len(bytes / item) };
    Ok(())
}

/// Has a buffer have room for so many words, under huge pages if they are many.
///
/// # Errors
/// If there is no memory for them.
pub(crate) fn reserve(words: &mut Vec<u64>, wanted: usize) -> std::result::Result<(), TryReserveError> {
    if words.capacity() < wanted {
        words.try_reserve_exact(wanted - words.len())?;
        advise_huge_pages(words.as_mut_ptr().cast(), wanted * 8);
    }
    Ok(())
}

/// Asks for huge pages under a large fresh buffer, so that filling it is not spent in page faults.
fn advise_huge_pages(start: *mut u8, bytes: usize) {
    const HUGE: usize = 2 << 20;
    #[cfg(target_os = "linux")]
    if bytes >= 2 * HUGE {
        let aligned = start.wrapping_add(start.align_offset(HUGE));
        let length = (bytes - (aligned as usize - start as usize)) / HUGE * HUGE;
        // SAFETY: the range lies within the allocation, and the advice does not change its contents.
        let _ = unsafe { rustix::mm::madvise(aligned.cast(), length, rustix::mm::Advice::LinuxHugepage) };
    }
}
