//! What is kept beside the names of slices: a small JSON document each.

use heed::{RoTxn, RwTxn};

use super::index::{Metadata, Tables};
use super::record::{check_metadata, damaged};
use super::slice::Slice;
use super::slices::SliceArray;
use crate::base::error::Result;

/// A name, where its slice is, and what is kept beside it.
pub type Described = (String, Slice, Option<String>);

impl SliceArray {
    /// What is kept beside a name, as JSON; `None` if that is nothing.
    ///
    /// # Errors
    /// `NotFound` if no slice has that name.
    pub fn metadata(&self, name: &str) -> Result<Option<String>> {
        self.index.read_with(Metadata::Used, |txn, tables| {
            self.find_shown(txn, tables, name)?.ok_or_else(|| self.no_name(name))?;
            self.metadata_in(txn, tables, name)
        })
    }

    /// Keeps these JSON documents beside the names, or with `None` no more than the names: all at once.
    ///
    /// ```
    /// # use bigarrays::DataType;
    /// # use bigarrays::flat::{Descr, FlatSpec, NamedRows, SliceArray};
    /// # let folder = tempfile::tempdir().unwrap();
    /// let slices = SliceArray::create(&folder.path().join("s.npy"), &FlatSpec::new(Descr::of(DataType::U8), &[0]))?;
    /// slices.write(&[NamedRows { name: "a", rows: 1, bytes: &[1] }], false)?;
    /// slices.set_metadata(&[("a", Some("{\"speaker\": 5}"))])?;
    /// assert_eq!(slices.metadata("a")?.as_deref(), Some("{\"speaker\": 5}"));
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound`, with the first name that is missing; `InvalidArgument` for what is longer than 64 KiB or not JSON;
    /// `ReadOnly`. Then none is changed.
    pub fn set_metadata(&self, values: &[(&str, Option<&str>)]) -> Result<()> {
        self.array().expect_mode()?;
        values.iter().try_for_each(|(name, json)| json.map_or(Ok(()), |json| check_metadata(name, json)))?;
        let is_any = values.iter().any(|(_, json)| json.is_some());
        let metadata = if is_any { Metadata::Made } else { Metadata::Used };
        self.change(metadata, |txn, tables| {
            values.iter().try_for_each(|(name, json)| self.set_one(txn, tables, name, *json))
        })
    }

    fn set_one(&self, txn: &mut RwTxn<'_>, tables: &Tables, name: &str, json: Option<&str>) -> Result<()> {
        self.find(txn, tables, name)?.ok_or_else(|| self.no_name(name))?;
        let Some(meta) = tables.meta else { return Ok(()) };
        let changed = match json {
            Some(json) => meta.put(txn, name.as_bytes(), json.as_bytes()),
            None => meta.delete(txn, name.as_bytes()).map(drop),
        };
        changed.map_err(|error| self.index.failed(error))
    }

    /// Up to `limit` names, where their slices are, and what is kept beside them, from a position on, in order.
    ///
    /// # Errors
    /// Those of [`SliceArray::names`].
    pub fn described(&self, from: u64, limit: usize) -> Result<Vec<Described>> {
        self.index.read_with(Metadata::Used, |txn, tables| {
            let named = self.names_in(txn, tables, from, limit)?.into_iter().map(|(name, slice)| {
                let metadata = self.metadata_in(txn, tables, &name)?;
                Ok((name, slice, metadata))
            });
            named.collect()
        })
    }

    /// Beside how many names anything is kept, also of those that are not shown yet.
    ///
    /// # Errors
    /// Those of the index.
    pub fn count_metadata(&self) -> Result<u64> {
        self.index.read_with(Metadata::Used, |txn, tables| {
            tables.meta.map_or(Ok(0), |meta| meta.len(txn)).map_err(|error| self.index.failed(error))
        })
    }

    /// What is kept beside a name in this snapshot of the index.
    pub(super) fn metadata_in(&self, txn: &RoTxn<'_>, tables: &Tables, name: &str) -> Result<Option<String>> {
        let Some(meta) = tables.meta else { return Ok(None) };
        let kept = meta.get(txn, name.as_bytes()).map_err(|error| self.index.failed(error))?;
        kept.map(|json| std::str::from_utf8(json).map(str::to_owned).map_err(|_| damaged())).transpose()
    }
}
