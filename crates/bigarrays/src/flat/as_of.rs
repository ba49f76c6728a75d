//! What an array shows of its index: the slices that were there when it was opened or last refreshed.
//!
//! Names are only ever added behind the others, unless some are deleted, which changes positions. So it is enough to
//! know how many there were, and how many deletions there had been.

use std::sync::RwLock;

use heed::{RoTxn, RwTxn};

use super::index::{Index, Tables, number};
use super::record::Record;
use super::slices::SliceArray;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::RwLockExt;
use crate::run::pool::whole_across_forks;

/// The fact that counts deletions.
pub(super) const DELETIONS: &[u8] = b"deletions";

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
    fn turn_to(&self, as_of: AsOf) {
        whole_across_forks(|| *self.0.write_locked() = (as_of, None));
    }

    fn note(&self, as_of: AsOf, snapshot: usize) {
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
        Ok((Self { count, deletions: deletions(index, txn, tables)? }, txn.id()))
    }
}

fn deletions(index: &Index, txn: &RoTxn<'_>, tables: &Tables) -> Result<u64> {
    number(tables.facts.get(txn, DELETIONS).map_err(|error| index.failed(error))?)
}

/// Notes that slices are deleted: what others know of positions is not true any more.
pub(super) fn count_deletion(index: &Index, txn: &mut RwTxn<'_>, tables: &Tables) -> Result<()> {
    let next = deletions(index, txn, tables)?.wrapping_add(1);
    tables.facts.put(txn, DELETIONS, &next.to_le_bytes()).map_err(|error| index.failed(error))
}

impl SliceArray {
    /// Which slices this array shows. [`SliceArray::show`] has another one show the same.
    pub fn as_of(&self) -> AsOf {
        self.shown.get().0
    }

    /// Shows the slices of another moment, as another array of the same file, in this process or another, has told it.
    pub fn show(&self, as_of: AsOf) {
        self.shown.turn_to(as_of);
    }

    /// Shows what there is now. Says whether that is anything else.
    pub(super) fn show_now(&self) -> Result<bool> {
        let (now, snapshot) = self.index().read(|txn, tables| AsOf::now(self.index(), txn, tables))?;
        Ok(self.shown.set(now, snapshot))
    }

    /// How many slices are shown; `None` if their positions are others by now, as some have been deleted.
    fn count_in(&self, txn: &RoTxn<'_>, tables: &Tables) -> Result<Option<u64>> {
        let (as_of, unmoved) = self.shown.get();
        if unmoved != Some(txn.id()) {
            if deletions(self.index(), txn, tables)? != as_of.deletions {
                return Ok(None);
            }
            self.shown.note(as_of, txn.id());
        }
        Ok(Some(as_of.count))
    }

    /// How many slices are shown.
    ///
    /// # Errors
    /// `Storage` if their positions are others by now.
    pub(super) fn expect_unmoved(&self, txn: &RoTxn<'_>, tables: &Tables) -> Result<u64> {
        self.count_in(txn, tables)?.ok_or_else(|| {
            let reason = "slices have been deleted or renamed since this array was opened or refreshed, so that positions are \
                          others now; refresh it, or read from a snapshot taken before";
            Error::new(ErrorKind::Storage, reason).at(self.array().path().display().to_string())
        })
    }

    /// The slice of that name, if it is shown. Once others have deleted any, names are those of now.
    pub(super) fn find_shown(&self, txn: &RoTxn<'_>, tables: &Tables, name: &str) -> Result<Option<Record>> {
        let Some(record) = self.find(txn, tables, name)? else { return Ok(None) };
        let count = self.count_in(txn, tables)?;
        Ok(Some(record).filter(|record| count.is_none_or(|count| record.position < count)))
    }
}
