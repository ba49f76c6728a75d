//! Slices of a flat array that have names.

use std::ops::{Bound, Range};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use heed::RoTxn;

use super::array::FlatArray;
use super::as_of::{AsOf, Shown};
use super::file::DataFile;
use super::index::{Index, Tables, number};
use super::mapping::Mapping;
use super::ours::folder_of;
use super::record::{Record, check_name, damaged};
use super::replace::finish;
use super::rows::length;
use super::spec::{FlatOptions, FlatSpec, Mode};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::RwLockExt;

/// How often a file that is being replaced is looked for.
pub(super) const ATTEMPTS: usize = 1000;

/// Where a named slice is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its number in the order of the slices.
    pub position: u64,
    /// Its rows in the array.
    pub rows: Range<u64>,
}

/// A slice to be written: its name, its rows and their bytes.
#[derive(Clone, Copy, Debug)]
pub struct NamedRows<'a> {
    /// From 1 to 511 bytes.
    pub name: &'a str,
    /// How many rows.
    pub rows: u64,
    /// What is in them.
    pub bytes: &'a [u8],
}

/// A flat array of slices with names; the field knows it as ragged or pointer array.
///
/// The names are in an LMDB index in the folder `x.npy.index` beside the file `x.npy`. Slices have
/// positions, from 0 to their number, in the order in which their names were first written. Any number
/// of threads and processes read while one after the other writes.
///
/// An array shows the slices that were there when it was opened or last [refreshed](SliceArray::refresh), with their
/// positions, while others write: those are behind. Once others have deleted any, positions are an error until it is
/// refreshed.
///
/// A slice is there with all its rows once [`SliceArray::write`] returns, and then survives the death
/// of every process; one that dies while writing leaves at most rows without a name, which
/// [`SliceArray::compact`] takes away. The index survives power failures too, but those of the last
/// moments may be undone, and rows that were not flushed be lost: see [`FlatArray::flush`].
#[derive(Debug)]
pub struct SliceArray {
    pub(super) array: Arc<FlatArray>,
    pub(super) index: Arc<Index>,
    /// What `array` has open, once it is known to be what the index is about.
    known: RwLock<Option<Arc<Known>>>,
    pub(super) shown: Shown,
}

/// A file, and which of those it is that have been at the path one after the other.
#[derive(Debug)]
pub(super) struct Known {
    file: Arc<DataFile>,
    pub(super) generation: u64,
    /// The snapshot of the index at which this was found to be so last.
    seen: AtomicUsize,
}

/// What the index says of all slices.
pub(super) struct Facts {
    snapshot: usize,
    pub(super) generation: u64,
    /// The name of the file that is to be put in the place of the array's.
    pub(super) moving: Option<String>,
}

/// Why slices have to be looked up again.
enum Stale {
    /// The file is another by now.
    Replaced,
    /// The file has fewer rows.
    Short(u64),
}

/// An error if an array of that shape has no rows.
fn expect_rows_along(shape: &[u64], path: &Path) -> Result<()> {
    if !shape.is_empty() {
        return Ok(());
    }
    Err(Error::unsupported("a single value without axes has no rows that could be named")
        .at(path.display().to_string()))
}

impl SliceArray {
    /// Creates an array without slices.
    ///
    /// # Errors
    /// Those of [`FlatArray::create`]; `Unsupported` without axes.
    pub fn create(path: &Path, spec: &FlatSpec) -> Result<Self> {
        expect_rows_along(&spec.shape, path)?;
        FlatArray::create(path, spec)?;
        Self::open(path, spec.opened())
    }

    /// Opens the array in the file at `path`. Opened for writing, an array without names becomes one
    /// whose rows have none.
    ///
    /// # Errors
    /// Those of [`FlatArray::open`]; `NotFound` if nothing has a name and it is opened for reading;
    /// `CorruptData` if the index is damaged; `Unsupported` without axes.
    pub fn open(path: &Path, options: impl Into<FlatOptions>) -> Result<Self> {
        let array = Arc::new(FlatArray::open(path, options)?);
        expect_rows_along(&array.header().shape, path)?;
        let index = Index::open(&folder_of(array.path()), array.mode() == Mode::ReadWrite)?;
        let now = index.read(|txn, tables| AsOf::now(&index, txn, tables))?;
        let opened = Self { array, index, known: RwLock::new(None), shown: Shown::new(now) };
        opened.catch_up()?;
        Ok(opened)
    }

    /// The rows of all slices, and those without a name. [`FlatArray::set_durable`] is heeded by names too.
    pub fn array(&self) -> &Arc<FlatArray> {
        &self.array
    }

    /// How many slices there are.
    pub fn len(&self) -> u64 {
        self.as_of().count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a slice of this name.
    ///
    /// # Errors
    /// Those of the index, as everywhere here.
    pub fn contains(&self, name: &str) -> Result<bool> {
        let is_shown = || self.index.read(|txn, tables| Ok(self.find_shown(txn, tables, name)?.is_some()));
        Ok(check_name(name).is_ok() && is_shown()?)
    }

    /// The slices of these names, and a mapping that has their rows.
    ///
    /// # Errors
    /// `NotFound`, with the first name that is missing.
    pub fn get(&self, names: &[&str]) -> Result<(Vec<Slice>, Arc<Mapping>)> {
        let (found, mapping) = self.locate(names.len(), |txn, tables, k| {
            self.find_shown(txn, tables, names[k])?.ok_or_else(|| self.no_name(names[k])).map(Some)
        })?;
        Ok((found.into_iter().flatten().collect(), mapping))
    }

    /// The slice of this name, and a mapping that has its rows.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get_one(&self, name: &str) -> Result<(Slice, Arc<Mapping>)> {
        self.lookup(name)?.ok_or_else(|| self.no_name(name))
    }

    /// The slice of this name and a mapping that has its rows, or `None` if there is none.
    ///
    /// # Errors
    /// Those of the index and of the file.
    pub fn lookup(&self, name: &str) -> Result<Option<(Slice, Arc<Mapping>)>> {
        if check_name(name).is_err() {
            return Ok(None);
        }
        let (mut found, mapping) = self.locate(1, |txn, tables, _| self.find_shown(txn, tables, name))?;
        Ok(found.pop().flatten().map(|slice| (slice, mapping)))
    }

    /// The slices at these positions, and a mapping that has their rows.
    ///
    /// # Errors
    /// `OutOfBounds`, with the first position that is too large; `Storage` if others have deleted slices since this
    /// array was opened or refreshed, so that positions are others now.
    pub fn at(&self, positions: &[u64]) -> Result<(Vec<Slice>, Arc<Mapping>)> {
        let (found, mapping) = self.locate(positions.len(), |txn, tables, k| {
            let (position, count) = (positions[k], self.expect_unmoved(txn, tables)?);
            let value = match position < count {
                true => tables.order.get(txn, &position.to_be_bytes()),
                false => Ok(None),
            };
            let value = value.map_err(|error| self.index.failed(error))?;
            let value = value.ok_or_else(|| no_position(self.array.path(), position, count))?;
            Ok(Some(Record::from_position(position, value)?.0))
        })?;
        Ok((found.into_iter().flatten().collect(), mapping))
    }

    /// Up to `limit` names and where their slices are, from a position on, in order.
    ///
    /// # Errors
    /// `Storage` as in [`SliceArray::at`].
    pub fn names(&self, from: u64, limit: usize) -> Result<Vec<(String, Slice)>> {
        self.index.read(|txn, tables| {
            let left = self.expect_unmoved(txn, tables)?.saturating_sub(from);
            let limit = limit.min(usize::try_from(left).unwrap_or(usize::MAX));
            let start = from.to_be_bytes();
            let range = (Bound::Included(&start[..]), Bound::Unbounded);
            let range = tables.order.range(txn, &range).map_err(|error| self.index.failed(error))?;
            let named = range.take(limit).map(|entry| {
                let (key, value) = entry.map_err(|error| self.index.failed(error))?;
                let position = u64::from_be_bytes(key.try_into().map_err(|_| damaged())?);
                let (record, name) = Record::from_position(position, value)?;
                Ok((name.to_owned(), Slice { position, rows: record.rows }))
            });
            named.collect()
        })
    }

    /// Takes note of what others have changed: from now on the array shows the slices and rows that there are now.
    /// Says whether anything is another. What the array itself writes or deletes it shows at once, with all that
    /// others had written before.
    ///
    /// # Errors
    /// Those of [`FlatArray::refresh`].
    pub fn refresh(&self) -> Result<bool> {
        Ok(self.catch_up()? | self.array.refresh()? | self.show_now()?)
    }

    /// Has all that was written on stable storage: first the rows, then the names.
    ///
    /// # Errors
    /// As [`FlatArray::flush`].
    pub fn flush(&self) -> Result<()> {
        self.array.flush()?;
        if self.array.mode() == Mode::ReadWrite { self.index.sync() } else { Ok(()) }
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    pub(super) fn find(&self, txn: &RoTxn<'_>, tables: &Tables, name: &str) -> Result<Option<Record>> {
        if name.is_empty() {
            return Ok(None);
        }
        match tables.names.get(txn, name.as_bytes()) {
            Ok(value) => value.map(Record::from_name).transpose(),
            Err(error) => Err(self.index.failed(error)),
        }
    }

    /// What `find` finds for each number below `count`, and a mapping of the file in which that is true: every
    /// lookup comes through here.
    pub(super) fn locate(
        &self,
        count: usize,
        find: impl Fn(&RoTxn<'_>, &Tables, usize) -> Result<Option<Record>> + Sync,
    ) -> Result<(Vec<Option<Slice>>, Arc<Mapping>)> {
        let mut short = None;
        for _ in 0..ATTEMPTS {
            let (snapshot, records) = self.index.read_each(count, &find)?;
            match self.mapping_for(snapshot, &records)? {
                Ok(mapping) => {
                    let slice = |record: Record| Slice { position: record.position, rows: record.rows };
                    return Ok((records.into_iter().map(|record| record.map(slice)).collect(), mapping));
                }
                // Or else names may have been deleted, and their rows cut off, since this snapshot.
                Err(Stale::Short(end)) if short == Some(snapshot) && self.is_short_of(end)? => {
                    return Err(self.too_few_rows(end));
                }
                Err(Stale::Short(_)) => short = Some(snapshot),
                Err(Stale::Replaced) => std::thread::yield_now(),
            }
        }
        let reason = "the index and the array are of different generations";
        Err(Error::corrupt(reason).at(self.array.path().display().to_string()))
    }

    /// A mapping of the file that the index is about in that snapshot, of which `records` are.
    fn mapping_for(
        &self,
        snapshot: usize,
        records: &[Option<Record>],
    ) -> Result<std::result::Result<Arc<Mapping>, Stale>> {
        let known = self.known().filter(|known| {
            // Who replaces the file changes the index before or afterwards.
            let is_known = known.seen.load(Ordering::Acquire) == snapshot || !known.file.is_replaced();
            is_known && records.iter().flatten().all(|record| record.generation == known.generation)
        });
        let Some(known) = known else {
            self.catch_up()?;
            return Ok(Err(Stale::Replaced));
        };
        known.seen.store(snapshot, Ordering::Release);
        let end = records.iter().flatten().map(|record| record.rows.end).max().unwrap_or(0);
        let mapping = match self.array.mapping() {
            Ok(mapping) if length(mapping.header()) >= end => mapping,
            // It was longer or shorter when this array looked last.
            _ => {
                self.array.reload()?;
                self.array.mapping()?
            }
        };
        if !mapping.is_of(&known.file) {
            self.catch_up()?;
            return Ok(Err(Stale::Replaced));
        }
        let is_long_enough = length(mapping.header()) >= end;
        Ok(if is_long_enough { Ok(mapping) } else { Err(Stale::Short(end)) })
    }

    /// Whether the file has fewer rows than `end`, while nobody changes it.
    fn is_short_of(&self, end: u64) -> Result<bool> {
        let file = self.array.state().file;
        file.shared(|| Ok(length(&file.header()?) < end))
    }

    pub(super) fn known(&self) -> Option<Arc<Known>> {
        self.known.read_locked().clone()
    }

    /// The generation of `file`, unless there is a newer one by now.
    pub(super) fn generation_of(&self, file: &Arc<DataFile>) -> Result<Option<u64>> {
        let known = || self.known().filter(|known| Arc::ptr_eq(&known.file, file));
        if known().is_none() {
            self.catch_up()?;
        }
        Ok(known().map(|known| known.generation))
    }

    /// Opens the file that the index is about now, if it was replaced. Says whether it was.
    ///
    /// The generation of a file is that which the index says both before and after the path has been found to
    /// lead to it: who replaces a file raises the generation first, and notes what is still to be renamed.
    pub(super) fn catch_up(&self) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let Facts { snapshot, generation, moving } = self.facts()?;
            if let Some(moving) = moving {
                finish(self.array.path(), &moving)?;
            }
            let mut file = self.array.state().file;
            let known = self.known().filter(|known| {
                known.generation == generation && Arc::ptr_eq(&known.file, &file) && !file.is_replaced()
            });
            if let Some(known) = known {
                known.seen.store(snapshot, Ordering::Release);
                return Ok(false);
            }
            if self.array.reload()? {
                file = self.array.state().file;
                // Whoever has replaced the file may have replaced the index before.
                self.index.follow()?;
            }
            if file.is_replaced() || self.facts()?.generation != generation {
                continue;
            }
            let known = Arc::new(Known { file, generation, seen: AtomicUsize::new(snapshot) });
            let mut slot = self.known.write_locked();
            let before = slot.replace(known);
            return Ok(before.is_some_and(|before| before.generation != generation));
        }
        Err(self.compacted())
    }

    pub(super) fn facts(&self) -> Result<Facts> {
        self.index.read(|txn, tables| {
            let fact = |key: &[u8]| tables.facts.get(txn, key).map_err(|error| self.index.failed(error));
            let generation = number(fact(b"generation")?)?;
            let moving = fact(b"moving")?.map(|name| String::from_utf8(name.to_vec()).map_err(|_| damaged()));
            Ok(Facts { snapshot: tables.snapshot(txn), generation, moving: moving.transpose()? })
        })
    }

    #[cold]
    fn too_few_rows(&self, end: u64) -> Error {
        let reason = format!("the index names rows up to {end}, which the array does not have");
        Error::corrupt(reason).at(self.array.path().display().to_string())
    }

    #[cold]
    pub(super) fn compacted(&self) -> Error {
        Error::new(ErrorKind::Storage, "the array was compacted meanwhile; try again")
            .at(self.array.path().display().to_string())
            .retryable()
    }

    #[cold]
    pub(super) fn no_name(&self, name: &str) -> Error {
        no_name(self.array.path(), name)
    }
}

#[cold]
pub(super) fn no_name(array: &Path, name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("no slice is named {name:?}")).at(array.display().to_string())
}

#[cold]
pub(super) fn no_position(array: &Path, position: u64, count: u64) -> Error {
    Error::new(ErrorKind::OutOfBounds, format!("no slice has the position {position}; there are {count}"))
        .at(array.display().to_string())
}
