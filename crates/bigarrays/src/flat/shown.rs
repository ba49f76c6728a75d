//! Which slices an array shows.

use heed::RoTxn;

use super::as_of::{AsOf, deletions};
use super::index::Tables;
use super::record::Record;
use super::slices::SliceArray;
use crate::base::error::{Error, ErrorKind, Result};

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
        if unmoved != Some(tables.snapshot(txn)) {
            if deletions(self.index(), txn, tables)? != as_of.deletions {
                return Ok(None);
            }
            self.shown.note(as_of, tables.snapshot(txn));
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
            Error::new(ErrorKind::Storage, reason).at(self.path().display().to_string())
        })
    }

    /// The slice of that name, if it is shown. Once others have deleted any, names are those of now.
    pub(super) fn find_shown(&self, txn: &RoTxn<'_>, tables: &Tables, name: &str) -> Result<Option<Record>> {
        let Some(record) = self.find(txn, tables, name)? else { return Ok(None) };
        let count = self.count_in(txn, tables)?;
        Ok(Some(record).filter(|record| count.is_none_or(|count| record.position < count)))
    }
}
