//! Giving names to rows, and taking them away.

use std::collections::HashSet;
use std::ops::Range;

use heed::{PutFlags, RwTxn};

use super::as_of::{AsOf, count_deletion};
use super::file::DataFile;
use super::index::{Tables, number};
use super::mapping::whole_header;
use super::record::{Record, check_name, damaged};
use super::rows::{elements, length};
use super::slices::{ATTEMPTS, NamedRows, SliceArray};
use crate::base::error::{Error, ErrorKind, Result};

impl SliceArray {
    /// Appends the rows of all slices and then names them, all at once. With `replace`, names that are
    /// there already get these rows and keep their position.
    ///
    /// # Errors
    /// Those of [`FlatArray::append`]; `AlreadyExists` without `replace`; `InvalidArgument` for a name
    /// that is empty, too long or given twice. Then no slice is written.
    pub fn write(&self, slices: &[NamedRows<'_>], replace: bool) -> Result<()> {
        self.array.expect_mode()?;
        self.expect_new(slices.iter().map(|slice| slice.name), replace)?;
        let header = self.array.header();
        slices.iter().try_for_each(|slice| self.array.expect_rows(&header, slice.rows, slice.bytes.len()))?;
        let rows = slices.iter().try_fold(0u64, |sum, slice| sum.checked_add(slice.rows));
        let rows = rows.ok_or_else(|| Error::invalid("more rows than a file can hold"))?;
        let pieces: Vec<_> = slices.iter().map(|slice| elements(&header, slice.bytes)).collect();
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| &**piece).collect();
        for _ in 0..ATTEMPTS {
            self.catch_up()?;
            let before = self.known().map(|known| known.generation);
            let (file, mut start) = match self.array.append_pieces(rows, &pieces) {
                Err(_) if Some(self.facts()?.generation) != before => continue,
                appended => appended.map(|(file, rows)| (file, rows.start))?,
            };
            let Some(generation) = self.generation_of(&file)? else { continue };
            let named = slices.iter().map(|slice| {
                let first = start;
                start += slice.rows;
                (slice.name, first..start)
            });
            if self.put_all(named.collect(), &file, generation, replace)? {
                return Ok(());
            }
        }
        Err(self.compacted())
    }

    /// Names rows that are in the array already, all at once; slices may share rows. Otherwise as
    /// [`SliceArray::write`].
    ///
    /// # Errors
    /// Those of [`SliceArray::write`]; `OutOfBounds` for rows that are not there.
    pub fn name_rows(&self, named: &[(&str, Range<u64>)], replace: bool) -> Result<()> {
        self.array.expect_mode()?;
        self.expect_new(named.iter().map(|(name, _)| *name), replace)?;
        self.refresh()?;
        let file = self.array.writable()?;
        let count = length(&file.guarded(|| whole_header(&file))?);
        let generation = self.generation_of(&file)?.ok_or_else(|| self.compacted())?;
        if let Some((name, rows)) = named.iter().find(|(_, rows)| rows.start > rows.end || rows.end > count) {
            let reason = format!("rows {}:{} for {name:?} of {count}", rows.start, rows.end);
            return Err(Error::new(ErrorKind::OutOfBounds, reason).at(self
                .array
                .path()
                .display()
                .to_string()));
        }
        if self.put_all(named.to_vec(), &file, generation, replace)? { Ok(()) } else { Err(self.compacted()) }
    }

    /// An error if a name cannot be one, comes twice, or without `replace` is there already.
    pub(super) fn expect_new<'a>(
        &self,
        names: impl Iterator<Item = &'a str> + Clone,
        replace: bool,
    ) -> Result<()> {
        let mut seen = HashSet::new();
        for name in names.clone() {
            check_name(name)?;
            if !seen.insert(name) {
                return Err(Error::invalid(format!("the name {name:?} is given twice")));
            }
        }
        if replace {
            return Ok(());
        }
        self.index.read(|txn, tables| {
            let mut names = names;
            names.try_for_each(|name| match self.find(txn, tables, name)? {
                Some(_) => Err(self.taken(name)),
                None => Ok(()),
            })
        })
    }

    /// Names rows of `file`, of the generation `of`; says `false` if there is a newer one by now.
    pub(super) fn put_all(
        &self,
        mut named: Vec<(&str, Range<u64>)>,
        file: &DataFile,
        of: u64,
        replace: bool,
    ) -> Result<bool> {
        let failed = |error| self.index.failed(error);
        let put = self.index.write(self.array.is_durable(), self.array.patience, |txn, tables| {
            if number(tables.facts.get(txn, b"generation").map_err(failed)?)? != of {
                return Ok(None);
            }
            // Who truncates keeps others from naming meanwhile.
            let end = named.iter().map(|(_, rows)| rows.end).max().unwrap_or(0);
            if length(&file.header()?) < end {
                return Err(self.truncated());
            }
            file.expect_writable()?;
            let mut next = tables.order.len(txn).map_err(failed)?;
            let mut records = Vec::with_capacity(named.len());
            for (name, rows) in named.drain(..) {
                let before = self.find(txn, tables, name)?;
                if before.is_some() && !replace {
                    return Err(self.taken(name));
                }
                let flags = if before.is_none() { PutFlags::APPEND } else { PutFlags::empty() };
                next += u64::from(before.is_none());
                let position = before.map_or(next - 1, |before| before.position);
                let record = Record { position, rows, generation: of };
                let (key, value) = (position.to_be_bytes(), record.by_position(name.as_bytes()));
                tables.order.put_with_flags(txn, flags, &key, &value).map_err(failed)?;
                records.push((name, record));
            }
            // Neighbours one after the other touch fewest pages.
            records.sort_unstable_by_key(|(name, _)| *name);
            records.iter().try_for_each(|(name, record)| {
                tables.names.put(txn, name.as_bytes(), &record.by_name()).map_err(failed)
            })?;
            AsOf::now(&self.index, txn, tables).map(Some)
        })?;
        if let Some((now, snapshot)) = put {
            self.shown.set(now, snapshot);
        }
        Ok(put.is_some())
    }

    /// Takes the names from slices. Their rows remain, without a name, until [`SliceArray::compact`].
    /// The last slice takes the position of a deleted one, so that positions stay without gaps.
    ///
    /// # Errors
    /// `NotFound`, with the first name that is missing; then none is deleted.
    pub fn delete(&self, names: &[&str]) -> Result<()> {
        self.array.expect_mode()?;
        if names.is_empty() {
            return Ok(());
        }
        let (now, snapshot) =
            self.index.write(self.array.is_durable(), self.array.patience, |txn, tables| {
                names.iter().try_for_each(|name| self.delete_one(txn, tables, name))?;
                count_deletion(&self.index, txn, tables)?;
                AsOf::now(&self.index, txn, tables)
            })?;
        self.shown.set(now, snapshot);
        Ok(())
    }

    /// Gives a slice another name; its position stays.
    ///
    /// # Errors
    /// `NotFound` for the old name; `AlreadyExists` for the new one; `InvalidArgument` if it cannot be one.
    pub fn rename(&self, old: &str, new: &str) -> Result<()> {
        self.array.expect_mode()?;
        check_name(new)?;
        let failed = |error| self.index.failed(error);
        let (now, snapshot) =
            self.index.write(self.array.is_durable(), self.array.patience, |txn, tables| {
                let record = self.find(txn, tables, old)?.ok_or_else(|| self.no_name(old))?;
                if self.find(txn, tables, new)?.is_some() {
                    return Err(self.taken(new));
                }
                let (key, value) = (record.position.to_be_bytes(), record.by_position(new.as_bytes()));
                tables.names.delete(txn, old.as_bytes()).map_err(failed)?;
                tables.names.put(txn, new.as_bytes(), &record.by_name()).map_err(failed)?;
                tables.order.put(txn, &key, &value).map_err(failed)?;
                count_deletion(&self.index, txn, tables)?;
                AsOf::now(&self.index, txn, tables)
            })?;
        self.shown.set(now, snapshot);
        Ok(())
    }

    fn delete_one(&self, txn: &mut RwTxn<'_>, tables: &Tables, name: &str) -> Result<()> {
        let failed = |error| self.index.failed(error);
        let gap = self.find(txn, tables, name)?.ok_or_else(|| self.no_name(name))?.position;
        let last = tables.order.len(txn).map_err(failed)?.saturating_sub(1);
        tables.names.delete(txn, name.as_bytes()).map_err(failed)?;
        if gap != last {
            let value =
                tables.order.get(txn, &last.to_be_bytes()).map_err(failed)?.ok_or_else(damaged)?.to_vec();
            let (moved, moved_name) = Record::from_position(gap, &value)?;
            tables.names.put(txn, moved_name.as_bytes(), &moved.by_name()).map_err(failed)?;
            tables.order.put(txn, &gap.to_be_bytes(), &value).map_err(failed)?;
        }
        tables.order.delete(txn, &last.to_be_bytes()).map(drop).map_err(failed)
    }

    #[cold]
    fn truncated(&self) -> Error {
        Error::new(ErrorKind::Storage, "the rows were cut off meanwhile; try again")
            .at(self.array.path().display().to_string())
            .retryable()
    }

    #[cold]
    fn taken(&self, name: &str) -> Error {
        Error::new(ErrorKind::AlreadyExists, format!("a slice is named {name:?} already")).at(self
            .array
            .path()
            .display()
            .to_string())
    }
}
