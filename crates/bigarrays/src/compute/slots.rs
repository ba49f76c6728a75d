//! Cells of those labels alone that are met, where there may be more labels than there is room for.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::error::{Error, ErrorKind, Result};

/// Bytes by which what is held may differ from what is counted.
const UNCOUNTED: u64 = 64 << 10;

/// Bytes that an entry of the map takes, with its share of those that are free.
const ENTRY: u64 = 32;

/// How many bytes the cells of all labels may take, and how many they do.
#[derive(Debug)]
pub(super) struct Allowance {
    most: u64,
    taken: AtomicU64,
}

impl Allowance {
    pub(super) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most, taken: AtomicU64::new(0) })
    }

    /// # Errors
    /// `MemoryBudget` if these are more than are left.
    fn take(&self, bytes: u64) -> Result<()> {
        let taken = self.taken.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if taken <= self.most {
            return Ok(());
        }
        let reason = format!(
            "the cells of labels take {taken} bytes and more, the budget leaves {} for them; raise it, or ask for a part of \
             the elements",
            self.most
        );
        Err(Error::new(ErrorKind::MemoryBudget, reason))
    }

    fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The labels that were met, each of which has a slot: 0, 1, … in the order in which they were.
#[derive(Debug)]
pub(super) struct Slots {
    of: HashMap<i64, usize, BuildHasherDefault<Mixed>>,
    labels: Vec<i64>,
    /// The label that was asked for last, and its slot: neighbours often have the same.
    last: Option<(i64, usize)>,
    /// How many cells of each result a slot has.
    pub(super) cells: usize,
    allowance: Arc<Allowance>,
    counted: u64,
}

impl Slots {
    pub(super) fn new(cells: usize, allowance: &Arc<Allowance>) -> Self {
        Self {
            of: HashMap::default(),
            labels: Vec::new(),
            last: None,
            cells,
            allowance: Arc::clone(allowance),
            counted: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// The labels in the order of their slots.
    pub(super) fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// The slot of a label, which it has from now on.
    #[inline]
    pub(super) fn slot(&mut self, label: i64) -> usize {
        match self.last {
            Some((last, slot)) if last == label => slot,
            _ => self.find(label),
        }
    }

    fn find(&mut self, label: i64) -> usize {
        let next = self.labels.len();
        let slot = *self.of.entry(label).or_insert(next);
        if slot == next {
            self.labels.push(label);
        }
        self.last = Some((label, slot));
        slot
    }

    /// Counts what is held for these labels, where so many words of cells are.
    ///
    /// # Errors
    /// `MemoryBudget` if it is more than there may be.
    pub(super) fn count(&mut self, words: usize) -> Result<()> {
        let entries = (self.of.capacity() as u64).saturating_mul(ENTRY);
        let bytes = entries.saturating_add(8 * (self.labels.capacity() + words) as u64);
        if bytes > self.counted.saturating_add(UNCOUNTED) {
            let more = bytes - self.counted;
            self.counted = bytes;
            return self.allowance.take(more);
        }
        Ok(())
    }
}

impl Clone for Slots {
    fn clone(&self) -> Self {
        let (of, labels) = (self.of.clone(), self.labels.clone());
        // Those of a copy are counted when there are more of them.
        Self { of, labels, counted: 0, allowance: Arc::clone(&self.allowance), ..*self }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.allowance.give_back(self.counted);
    }
}

/// Mixes the bits of a label, so that neighbouring labels are far apart.
#[derive(Default)]
pub(super) struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // The finalizer of SplitMix64.
        let mixed = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        self.0 = mixed ^ (mixed >> 27);
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_slots_until_there_is_no_room() {
        let allowance = Allowance::new(1 << 20);
        let mut slots = Slots::new(1, &allowance);
        assert_eq!([7, -3, 7, i64::MIN, -3].map(|label| slots.slot(label)), [0, 1, 0, 2, 1]);
        assert_eq!(slots.labels(), [7, -3, i64::MIN]);
        let mut other = slots.clone();
        let refused = (0..1 << 20).map(|label| (other.slot(label), other.count(label as usize)).1);
        let error = refused.filter_map(Result::err).next().unwrap();
        assert_eq!(error.kind(), ErrorKind::MemoryBudget);
        drop(other);
        assert_eq!(allowance.taken.load(Ordering::Relaxed), 0, "it is given back");
        slots.count(1 << 16).unwrap();
    }
}
