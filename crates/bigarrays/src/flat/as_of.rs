//! What an array shows of its index: the slices that were there when it was opened or last refreshed.
//!
//! Names are only ever added behind the others, unless some are deleted, which changes positions. So it is enough to
//! know how many there were, and how many deletions there had been.

use std::sync::RwLock;

use heed::{RoTxn, RwTxn};

use super::index::{DELETIONS, Index, Tables, number};
use crate::base::error::Result;
use crate::base::sync::RwLockExt;
use crate::run::pool::whole_across_forks;

/// Which slices an array shows: those that were there at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// How many there were.
    pub count: u64,
    /// How often any had been deleted before.
    pub deletions: u64,
}

/// What an array shows, and the newest snapshot of the index in which nothing else had been deleted.
#[derive(Debug)]
pub(super) struct Shown(RwLock<(AsOf, Option<usize>)>);

impl Shown {
    pub(super) fn new((as_of, snapshot): (AsOf, usize)) -> Self {
        Self(RwLock::new((as_of, Some(snapshot))))
    }

    pub(super) fn get(&self) -> (AsOf, Option<usize>) {
        whole_across_forks(|| *self.0.read_locked())
    }

    /// Shows `as_of`, which was true in that snapshot, unless a newer one is known. Says whether that is anything else.
    pub(super) fn set(&self, as_of: AsOf, snapshot: usize) -> bool {
        whole_across_forks(|| {
            let mut shown = self.0.write_locked();
            if shown.1.is_some_and(|newer| newer > snapshot) {
                return false;
            }
            std::mem::replace(&mut *shown, (as_of, Some(snapshot))).0 != as_of
        })
    }

    /// Shows `as_of`, whenever that was.
    pub(super) fn turn_to(&self, as_of: AsOf) {
        whole_across_forks(|| *self.0.write_locked() = (as_of, None));
    }

    pub(super) fn note(&self, as_of: AsOf, snapshot: usize) {
        whole_across_forks(|| {
            let mut shown = self.0.write_locked();
            if shown.0 == as_of {
                shown.1 = shown.1.max(Some(snapshot));
            }
        });
    }
}

impl AsOf {
    /// What there is in this snapshot of the index, and which that is.
    pub(super) fn now(index: &Index, txn: &RoTxn<'_>, tables: &Tables) -> Result<(Self, usize)> {
        let count = tables.order.len(txn).map_err(|error| index.failed(error))?;
        Ok((Self { count, deletions: deletions(index, txn, tables)? }, tables.snapshot(txn)))
    }
}

/// How often any had been deleted in this snapshot of the index.
pub(super) fn deletions(index: &Index, txn: &RoTxn<'_>, tables: &Tables) -> Result<u64> {
    number(tables.facts.get(txn, DELETIONS).map_err(|error| index.failed(error))?)
}

/// Notes that slices are deleted: what others know of positions is not true any more.
pub(super) fn count_deletion(index: &Index, txn: &mut RwTxn<'_>, tables: &Tables) -> Result<()> {
    let next = deletions(index, txn, tables)?.wrapping_add(1);
    tables.facts.put(txn, DELETIONS, &next.to_le_bytes()).map_err(|error| index.failed(error))
}
