//! Buffers that a thread reuses.

use std::cell::RefCell;
use std::collections::TryReserveError;

use crate::base::error::{Error, ErrorKind, Result};

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

pub(super) fn no_memory(len: usize, error: TryReserveError) -> Error {
    Error::new(ErrorKind::MemoryBudget, format!("a buffer of {len} bytes cannot be had")).caused_by(error)
}
