//! Memory of blocks, which threads use again: fresh pages cost as much as computing on them.

use std::cell::RefCell;

use crate::base::buffer::reserve;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};

thread_local! {
    static KEPT: RefCell<Vec<Vec<u64>>> = const { RefCell::new(Vec::new()) };
}

/// The largest buffer, in bytes, that a thread keeps when a pass is done, and beside buffers that it is too large for.
const LARGEST: usize = 64 << 20;

/// Words of buffers that are as good for less.
const SMALL: usize = 8 << 10;

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
        let wanted = length.div_ceil(8);
        let mut words = KEPT.with_borrow_mut(|kept| taken(kept, wanted));
        reserve(&mut words, wanted).map_err(|error| {
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

/// Gives up what this thread keeps of large buffers, which nobody else takes again.
pub(super) fn give_up_large() {
    let _ = KEPT.try_with(|kept| kept.borrow_mut().retain(|words| !is_large(words)));
}

fn is_large(words: &Vec<u64>) -> bool {
    words.capacity() * 8 > LARGEST
}

/// A kept buffer for so many words, of about their size: else buffers of all sizes would become as large as the largest. Of smaller ones, one is
/// given up instead.
fn taken(kept: &mut Vec<Vec<u64>>, wanted: usize) -> Vec<u64> {
    let sizes = || kept.iter().map(Vec::capacity).enumerate();
    let most = wanted.max(SMALL).saturating_mul(2);
    if let Some((at, _)) = sizes().filter(|one| (wanted..=most).contains(&one.1)).min_by_key(|one| one.1) {
        return kept.swap_remove(at);
    }
    if let Some((at, _)) = sizes().filter(|one| one.1 < wanted).max_by_key(|one| one.1) {
        kept.swap_remove(at);
    }
    if wanted > SMALL {
        // They were of blocks of another shape, and are not held beside these.
        kept.retain(|words| !is_large(words));
    }
    Vec::new()
}

impl Drop for Memory {
    fn drop(&mut self) {
        let words = std::mem::take(&mut self.words);
        // The thread may be at its end.
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < MOST {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_are_used_again_until_others_are_wanted() {
        let kept = || KEPT.with_borrow(|kept| kept.iter().map(|words| words.capacity() * 8).sum::<usize>());
        let _ = KEPT.take();
        let first = Memory::new(100 << 20).unwrap();
        let place = first.bytes().as_ptr();
        drop(first);
        let again = Memory::new(90 << 20).unwrap();
        assert_eq!((again.bytes().as_ptr(), kept()), (place, 0));
        drop(again);
        // Neither is held beside a smaller one, nor when the pass is done.
        let smaller = Memory::new(40 << 20).unwrap();
        assert_eq!(kept(), 0);
        drop((smaller, Memory::new(80 << 20).unwrap()));
        give_up_large();
        assert_eq!(kept(), 40 << 20);
    }

    #[test]
    fn buffers_of_each_size_are_used_again_and_do_not_grow() {
        let kept = || KEPT.with_borrow(|kept| kept.iter().map(|words| words.capacity() * 8).sum::<usize>());
        let _ = KEPT.take();
        let sizes = [24 << 20, 48 << 20, 100];
        for block in 0..10 {
            let mut held: Vec<Memory> = sizes.iter().map(|&size| Memory::new(size).unwrap()).collect();
            assert!(held.iter().zip(sizes).all(|(one, size)| one.bytes().len() == size));
            // In whatever order they are dropped.
            held.rotate_left(block % 3);
            drop(held);
            assert!(kept() <= 73 << 20, "{} MiB", kept() >> 20);
        }
        // Those of shorter blocks as well, at the ends of axes.
        drop([16 << 20, 30 << 20].map(|size| Memory::new(size).unwrap()));
        assert!(kept() <= 73 << 20);
    }
}
