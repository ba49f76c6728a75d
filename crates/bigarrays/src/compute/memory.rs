//! Memory of blocks, which threads use again: fresh pages cost as much as computing on them.

use std::cell::RefCell;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};

thread_local! {
    static KEPT: RefCell<Vec<Vec<u64>>> = const { RefCell::new(Vec::new()) };
}

/// The largest buffer that a thread keeps, in bytes.
const LARGEST: usize = 64 << 20;

/// The most buffers that a thread keeps.
const MOST: usize = 16;

/// Bytes that are aligned as any element, and stale. The thread has them again once they are dropped.
pub(super) struct Memory {
    words: Vec<u64>,
    length: usize,
}

impl Memory {
    /// So many bytes.
    ///
    /// # Errors
    /// `MemoryBudget` if there are none.
    pub(super) fn new(length: usize) -> Result<Self> {
        let mut words = KEPT.with_borrow_mut(Vec::pop).unwrap_or_default();
        let wanted = length.div_ceil(8);
        words.try_reserve_exact(wanted.saturating_sub(words.len())).map_err(|error| {
            let reason = format!("a block of {length} bytes cannot be had");
            Error::new(ErrorKind::MemoryBudget, reason).caused_by(error)
        })?;
        if words.len() < wanted {
            words.resize(wanted, 0);
        }
        Ok(Self { words, length })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.length]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.length]
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let words = std::mem::take(&mut self.words);
        // The thread may be at its end.
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < MOST && words.capacity() * 8 <= LARGEST {
                kept.push(words);
            }
        });
    }
}

/// Lengths of axes in memory.
///
/// # Errors
/// `InvalidArgument` if they leave the address space.
pub(super) fn lengths(domain: &Domain) -> Result<Dims<usize>> {
    let one = |&length: &u64| {
        usize::try_from(length).map_err(|_| Error::invalid(format!("a box {domain} in memory")))
    };
    domain.shape().iter().map(one).collect()
}
