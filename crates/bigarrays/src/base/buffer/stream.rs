//! Stores that go past the caches: for memory so large that nobody reads it from them, where a line that is written as a
//! whole need not be fetched first.

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;

/// Whether `address` and all of `distances` from it are those of whole lines.
pub(super) fn is_of_lines(address: *const u8, distances: impl IntoIterator<Item = isize>) -> bool {
    cfg!(target_arch = "x86_64")
        && (address as usize).is_multiple_of(LINE)
        && distances.into_iter().all(|distance| distance % LINE as isize == 0)
}

/// Copies `length` bytes, whole lines of the destination. Other threads see them after [`fence`].
///
/// # Safety
/// So many bytes at `from` must be readable, those at `to` writable and distinct from these, and [`is_of_lines`] true of
/// `to` and `length`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn copy_lines(from: *const u8, to: *mut u8, length: usize) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
    debug_assert!(is_of_lines(to, [length as isize]));
    for at in (0..length).step_by(LINE) {
        // SAFETY: a line lies within the length that the caller promised, and `to` is aligned; every x86-64 has SSE2.
        unsafe {
            let (from, to) = (from.add(at).cast::<__m128i>(), to.add(at).cast::<__m128i>());
            let (first, second) = (_mm_loadu_si128(from), _mm_loadu_si128(from.add(1)));
            let (third, fourth) = (_mm_loadu_si128(from.add(2)), _mm_loadu_si128(from.add(3)));
            _mm_stream_si128(to, first);
            _mm_stream_si128(to.add(1), second);
            _mm_stream_si128(to.add(2), third);
            _mm_stream_si128(to.add(3), fourth);
        }
    }
}

/// As the other: without such stores, a plain copy.
///
/// # Safety
/// As of the other.
#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn copy_lines(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(from, to, length) }
}

/// Makes what was streamed visible to whoever is told of it afterwards.
#[inline(always)]
pub(super) fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}
