//! Giving names to rows, and taking them away.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use heed::{PutFlags, RwTxn};

use super::as_of::{AsOf, count_deletion};
use super::facts::generation;
use super::file::DataFile;
use super::index::{Metadata, Tables};
use super::mapping::whole_header;
use super::record::{Record, SliceRows, check_metadata, check_name, damaged};
use super::rows::{elements, length};
use super::slice::{NamedRows, NewSlice, RowBytes};
use super::slices::{ATTEMPTS, SliceArray};
use crate::base::error::{Error, ErrorKind, Result};
use crate::format::files::npy::Header;

/// Rows of each array that are to get a name.
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) rows: SliceRows,
    pub(super) metadata: Option<&'a str>,
}

impl SliceArray {
    /// Appends the rows of all slices and then names them, all at once. With `replace`, names that are
    /// there already get these rows and keep their position.
    ///
    /// # Errors
    /// Those of [`FlatArray::append`](super::FlatArray::append); `AlreadyExists` without `replace`; `InvalidArgument` for a name
    /// that is empty, too long or given twice, and where there are several arrays. Then no slice is written.
    pub fn write(&self, slices: &[NamedRows<'_>], replace: bool) -> Result<()> {
        let rows = slices.iter().map(|slice| RowBytes { rows: slice.rows, bytes: slice.bytes });
        let rows: Vec<RowBytes<'_>> = rows.collect();
        let slices = slices.iter().zip(&rows).map(|(slice, rows)| NewSlice {
            name: slice.name,
            arrays: std::slice::from_ref(rows),
            metadata: None,
        });
        self.write_slices(&slices.collect::<Vec<_>>(), replace)
    }

    /// As [`SliceArray::write`], into all arrays, and with metadata: a slice is there in all arrays and with what is kept
    /// beside its name, or not at all. Names that get other rows keep their metadata if none are given.
    ///
    /// # Errors
    /// Those of [`SliceArray::write`]; `InvalidArgument` for metadata that are too long or not JSON.
    pub fn write_slices(&self, slices: &[NewSlice<'_>], replace: bool) -> Result<()> {
        self.array().expect_mode()?;
        self.expect_new(slices.iter().map(|slice| slice.name), replace)?;
        let headers: Vec<Header> = self.arrays().map(|(_, array)| array.header()).collect();
        slices.iter().try_for_each(|slice| self.expect_fits(slice, &headers))?;
        for _ in 0..ATTEMPTS {
            self.catch_up()?;
            let before = self.known().map(|known| known.generation);
            let (files, named) = match self.append_all(slices) {
                Err(_) if Some(self.facts()?.generation) != before => continue,
                appended => appended?,
            };
            let Some(generation) = self.generation_of(&files)? else { continue };
            if self.put_all(named, &files, generation, replace)? {
                return Ok(());
            }
        }
        Err(self.compacted())
    }

    /// An error if a slice cannot be written into arrays of these headers.
    fn expect_fits(&self, slice: &NewSlice<'_>, headers: &[Header]) -> Result<()> {
        if slice.arrays.len() != headers.len() {
            let (given, count) = (slice.arrays.len(), headers.len());
            let reason =
                format!("rows for {given} arrays are given of slice {:?}, and there are {count}", slice.name);
            return Err(Error::invalid(reason).at(self.path().display().to_string()));
        }
        for (((_, array), header), rows) in self.arrays().zip(headers).zip(slice.arrays) {
            array.expect_rows(header, rows.rows, rows.bytes.len())?;
        }
        slice.metadata.map_or(Ok(()), |metadata| check_metadata(slice.name, metadata))
    }

    /// Appends the rows of all slices to each array. Says to which files, and which rows they are.
    fn append_all<'a>(&self, slices: &[NewSlice<'a>]) -> Result<(Vec<Arc<DataFile>>, Vec<Named<'a>>)> {
        let (mut files, mut starts) = (Vec::new(), Vec::new());
        for (number, (_, array)) in self.arrays().enumerate() {
            let header = array.header();
            let rows = slices.iter().try_fold(0u64, |sum, slice| sum.checked_add(slice.arrays[number].rows));
            let rows = rows.ok_or_else(|| Error::invalid("more rows than a file can hold"))?;
            let pieces: Vec<_> =
                slices.iter().map(|slice| elements(&header, slice.arrays[number].bytes)).collect();
            let pieces: Vec<&[u8]> = pieces.iter().map(|piece| &**piece).collect();
            let (file, rows) = array.append_pieces(rows, &pieces)?;
            files.push(file);
            starts.push(rows.start);
        }
        let named = slices.iter().map(|slice| {
            let rows = starts.iter_mut().zip(slice.arrays).map(|(start, rows)| {
                let first = *start;
                *start += rows.rows;
                first..*start
            });
            Named { name: slice.name, rows: SliceRows::new(rows), metadata: slice.metadata }
        });
        let named = named.collect();
        Ok((files, named))
    }

    /// Names rows that are in the array already, all at once; slices may share rows. Otherwise as
    /// [`SliceArray::write`].
    ///
    /// # Errors
    /// Those of [`SliceArray::write`]; `OutOfBounds` for rows that are not there.
    pub fn name_rows(&self, named: &[(&str, Range<u64>)], replace: bool) -> Result<()> {
        let named: Vec<_> = named.iter().map(|(name, rows)| (*name, std::slice::from_ref(rows))).collect();
        self.name_rows_of_all(&named, replace)
    }

    /// As [`SliceArray::name_rows`], with rows of each array for a name, in the order of the arrays.
    ///
    /// # Errors
    /// Those of [`SliceArray::name_rows`]; `InvalidArgument` if rows of more or fewer arrays are given than there are.
    pub fn name_rows_of_all(&self, named: &[(&str, &[Range<u64>])], replace: bool) -> Result<()> {
        self.array().expect_mode()?;
        self.expect_new(named.iter().map(|(name, _)| *name), replace)?;
        self.refresh()?;
        let arrays = self.arrays().map(|(_, array)| array);
        let files: Vec<Arc<DataFile>> = arrays.map(|array| array.writable()).collect::<Result<_>>()?;
        let counts: Vec<u64> = files
            .iter()
            .map(|file| Ok(length(&file.guarded(|| whole_header(file))?)))
            .collect::<Result<_>>()?;
        let generation = self.generation_of(&files)?.ok_or_else(|| self.compacted())?;
        for (name, rows) in named {
            self.expect_there(name, rows, &counts)?;
        }
        let named = named.iter().map(|(name, rows)| Named {
            name,
            rows: SliceRows::new(rows.iter().cloned()),
            metadata: None,
        });
        if self.put_all(named.collect(), &files, generation, replace)? {
            Ok(())
        } else {
            Err(self.compacted())
        }
    }

    /// An error unless there are these rows in arrays of so many.
    fn expect_there(&self, name: &str, rows: &[Range<u64>], counts: &[u64]) -> Result<()> {
        let at = || self.path().display().to_string();
        if rows.len() != counts.len() {
            let reason = format!("rows in {} of {} arrays for {name:?}", rows.len(), counts.len());
            return Err(Error::invalid(reason).at(at()));
        }
        match rows.iter().zip(counts).find(|(rows, count)| rows.start > rows.end || rows.end > **count) {
            None => Ok(()),
            Some((rows, count)) => {
                let reason = format!("rows {}:{} for {name:?} of {count}", rows.start, rows.end);
                Err(Error::new(ErrorKind::OutOfBounds, reason).at(at()))
            }
        }
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

    /// Names rows of `files`, of the generation `of`; says `false` if there is a newer one by now.
    pub(super) fn put_all(
        &self,
        named: Vec<Named<'_>>,
        files: &[Arc<DataFile>],
        of: u64,
        replace: bool,
    ) -> Result<bool> {
        let is_described = named.iter().any(|named| named.metadata.is_some());
        let metadata = if is_described { Metadata::Made } else { Metadata::Unused };
        let array = self.array();
        let put = self.index.write_with(metadata, array.is_durable(), array.patience, |txn, tables| {
            if generation(&self.index, txn, tables)? != of {
                return Ok(None);
            }
            // Who truncates keeps others from naming meanwhile.
            for (number, file) in files.iter().enumerate() {
                let ends = named.iter().filter_map(|named| named.rows.get(number));
                let end = ends.map(|rows| rows.end).max().unwrap_or(0);
                if length(&file.header()?) < end {
                    return Err(self.truncated());
                }
                file.expect_writable()?;
            }
            self.put_records(txn, tables, named, of, replace)?;
            AsOf::now(&self.index, txn, tables).map(Some)
        })?;
        if let Some((now, snapshot)) = put {
            self.shown.set(now, snapshot);
        }
        Ok(put.is_some())
    }

    fn put_records(
        &self,
        txn: &mut RwTxn<'_>,
        tables: &Tables,
        named: Vec<Named<'_>>,
        generation: u64,
        replace: bool,
    ) -> Result<()> {
        let failed = |error| self.index.failed(error);
        let mut next = tables.order.len(txn).map_err(failed)?;
        let mut records = Vec::with_capacity(named.len());
        for Named { name, rows, metadata } in named {
            let before = self.find(txn, tables, name)?;
            if before.is_some() && !replace {
                return Err(self.taken(name));
            }
            let flags = if before.is_none() { PutFlags::APPEND } else { PutFlags::empty() };
            next += u64::from(before.is_none());
            let position = before.map_or(next - 1, |before| before.position);
            let record = Record { position, rows, generation };
            let (key, value) = (position.to_be_bytes(), record.by_position(name.as_bytes()));
            tables.order.put_with_flags(txn, flags, &key, &value).map_err(failed)?;
            records.push((name, record, metadata));
        }
        // Neighbours one after the other touch fewest pages.
        records.sort_unstable_by_key(|(name, ..)| *name);
        records.iter().try_for_each(|(name, record, metadata)| {
            tables.names.put(txn, name.as_bytes(), &record.by_name()).map_err(failed)?;
            let (Some(meta), Some(metadata)) = (tables.meta, metadata) else { return Ok(()) };
            meta.put(txn, name.as_bytes(), metadata.as_bytes()).map_err(failed)
        })
    }

    /// Takes the names from slices. Their rows remain, without a name, until [`SliceArray::compact`].
    /// The last slice takes the position of a deleted one, so that positions stay without gaps.
    ///
    /// # Errors
    /// `NotFound`, with the first name that is missing; then none is deleted.
    pub fn delete(&self, names: &[&str]) -> Result<()> {
        self.array().expect_mode()?;
        if names.is_empty() {
            return Ok(());
        }
        self.change(Metadata::Used, |txn, tables| {
            names.iter().try_for_each(|name| self.delete_one(txn, tables, name))?;
            count_deletion(&self.index, txn, tables)
        })
    }

    /// Gives a slice another name; its position and its metadata stay.
    ///
    /// # Errors
    /// `NotFound` for the old name; `AlreadyExists` for the new one; `InvalidArgument` if it cannot be one.
    pub fn rename(&self, old: &str, new: &str) -> Result<()> {
        self.array().expect_mode()?;
        check_name(new)?;
        let failed = |error| self.index.failed(error);
        self.change(Metadata::Used, |txn, tables| {
            let record = self.find(txn, tables, old)?.ok_or_else(|| self.no_name(old))?;
            if self.find(txn, tables, new)?.is_some() {
                return Err(self.taken(new));
            }
            let (key, value) = (record.position.to_be_bytes(), record.by_position(new.as_bytes()));
            tables.names.delete(txn, old.as_bytes()).map_err(failed)?;
            tables.names.put(txn, new.as_bytes(), &record.by_name()).map_err(failed)?;
            tables.order.put(txn, &key, &value).map_err(failed)?;
            if let Some(meta) = tables.meta
                && let Some(kept) = meta.get(txn, old.as_bytes()).map_err(failed)?.map(<[u8]>::to_vec)
            {
                meta.delete(txn, old.as_bytes()).map_err(failed)?;
                meta.put(txn, new.as_bytes(), &kept).map_err(failed)?;
            }
            count_deletion(&self.index, txn, tables)
        })
    }

    /// Has `work` change the index, and shows what there is then.
    pub(super) fn change(
        &self,
        metadata: Metadata,
        work: impl FnOnce(&mut RwTxn<'_>, &Tables) -> Result<()>,
    ) -> Result<()> {
        let array = self.array();
        let (now, snapshot) =
            self.index.write_with(metadata, array.is_durable(), array.patience, |txn, tables| {
                work(txn, tables)?;
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
        tables.meta.map_or(Ok(false), |meta| meta.delete(txn, name.as_bytes())).map_err(failed)?;
        if gap != last {
            let value =
                tables.order.get(txn, &last.to_be_bytes()).map_err(failed)?.ok_or_else(damaged)?.to_vec();
            let (moved, moved_name) = Record::from_position(gap, &value, self.arrays().len())?;
            tables.names.put(txn, moved_name.as_bytes(), &moved.by_name()).map_err(failed)?;
            tables.order.put(txn, &gap.to_be_bytes(), &value).map_err(failed)?;
        }
        tables.order.delete(txn, &last.to_be_bytes()).map(drop).map_err(failed)
    }

    #[cold]
    fn truncated(&self) -> Error {
        Error::new(ErrorKind::Storage, "the rows were cut off meanwhile; try again")
            .at(self.path().display().to_string())
            .retryable()
    }

    #[cold]
    fn taken(&self, name: &str) -> Error {
        Error::new(ErrorKind::AlreadyExists, format!("a slice is named {name:?} already"))
            .at(self.path().display().to_string())
    }
}
