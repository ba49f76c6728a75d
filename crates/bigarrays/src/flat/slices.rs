//! Slices of a flat array that have names.

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use heed::RoTxn;

use super::array::FlatArray;
use super::as_of::{AsOf, Shown};
use super::facts::{Facts, finish};
use super::file::DataFile;
use super::index::{Index, Tables};
use super::mapping::Mapping;
use super::record::{Record, check_name, damaged};
use super::rows::length;
use super::slice::{Mappings, Slice};
use super::spec::Mode;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::RwLockExt;

/// How often a file that is being replaced is looked for.
pub(super) const ATTEMPTS: usize = 1000;

/// A flat array of slices with names; the field knows it as ragged or pointer array.
///
/// The names are in an LMDB index in the folder `x.npy.index` beside the file `x.npy`. Several arrays can have their names in
/// common ([`SliceArray::create_set`]); then a slice has rows in each of them, and is written, seen, deleted and moved in all of
/// them at once. A small value can be kept beside each name ([`SliceArray::metadata`]). Slices have positions, from 0 to their number, in the order in which their names were first written. Any number
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
    path: PathBuf,
    /// At least one.
    arrays: Vec<(String, Arc<FlatArray>)>,
    pub(super) index: Arc<Index>,
    /// What the arrays have open, once it is known to be what the index is about.
    known: RwLock<Option<Arc<Known>>>,
    pub(super) shown: Shown,
}

/// The file of each array, and which of those they are that have been at the paths one after the other.
#[derive(Debug)]
pub(super) struct Known {
    files: Vec<Arc<DataFile>>,
    pub(super) generation: u64,
    /// The snapshot of the index at which this was found to be so last.
    seen: AtomicUsize,
}

/// Why slices have to be looked up again.
enum Stale {
    /// The file is another by now.
    Replaced,
    /// The array of this number has fewer rows.
    Short(usize, u64),
}

impl SliceArray {
    pub(super) fn of(
        path: PathBuf,
        arrays: Vec<(String, Arc<FlatArray>)>,
        index: Arc<Index>,
        now: (AsOf, usize),
    ) -> Self {
        Self { path, arrays, index, known: RwLock::new(None), shown: Shown::new(now) }
    }

    /// The absolute path of the file of rows, or of the folder of several arrays.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The rows of all slices, and those without a name; of several arrays, the first.
    pub fn array(&self) -> &Arc<FlatArray> {
        &self.arrays[0].1
    }

    /// All arrays and their names, in their order. One that is alone has no name.
    pub fn arrays(&self) -> impl ExactSizeIterator<Item = (&str, &Arc<FlatArray>)> + Clone {
        self.arrays.iter().map(|(name, array)| (name.as_str(), array))
    }

    /// Has every later write on stable storage before it returns, names and all, or not.
    pub fn set_durable(&self, durable: bool) {
        self.arrays.iter().for_each(|(_, array)| array.set_durable(durable));
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
    pub fn get(&self, names: &[&str]) -> Result<(Vec<Slice>, Mappings)> {
        let (found, mapping) = self.locate(names.len(), |txn, tables, k| {
            self.find_shown(txn, tables, names[k])?.ok_or_else(|| self.no_name(names[k])).map(Some)
        })?;
        Ok((found.into_iter().flatten().collect(), mapping))
    }

    /// The slice of this name, and a mapping that has its rows.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get_one(&self, name: &str) -> Result<(Slice, Mappings)> {
        self.lookup(name)?.ok_or_else(|| self.no_name(name))
    }

    /// The slice of this name and a mapping that has its rows, or `None` if there is none.
    ///
    /// # Errors
    /// Those of the index and of the file.
    pub fn lookup(&self, name: &str) -> Result<Option<(Slice, Mappings)>> {
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
    pub fn at(&self, positions: &[u64]) -> Result<(Vec<Slice>, Mappings)> {
        let (found, mapping) = self.locate(positions.len(), |txn, tables, k| {
            let (position, count) = (positions[k], self.expect_unmoved(txn, tables)?);
            let value = match position < count {
                true => tables.order.get(txn, &position.to_be_bytes()),
                false => Ok(None),
            };
            let value = value.map_err(|error| self.index.failed(error))?;
            let value = value.ok_or_else(|| no_position(self.path(), position, count))?;
            Ok(Some(Record::from_position(position, value, self.arrays.len())?.0))
        })?;
        Ok((found.into_iter().flatten().collect(), mapping))
    }

    /// Up to `limit` names and where their slices are, from a position on, in order.
    ///
    /// # Errors
    /// `Storage` as in [`SliceArray::at`].
    pub fn names(&self, from: u64, limit: usize) -> Result<Vec<(String, Slice)>> {
        self.index.read(|txn, tables| self.names_in(txn, tables, from, limit))
    }

    /// As [`SliceArray::names`], in this snapshot of the index.
    pub(super) fn names_in(
        &self,
        txn: &RoTxn<'_>,
        tables: &Tables,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(String, Slice)>> {
        let left = self.expect_unmoved(txn, tables)?.saturating_sub(from);
        let limit = limit.min(usize::try_from(left).unwrap_or(usize::MAX));
        let start = from.to_be_bytes();
        let range = (Bound::Included(&start[..]), Bound::Unbounded);
        let range = tables.order.range(txn, &range).map_err(|error| self.index.failed(error))?;
        let named = range.take(limit).map(|entry| {
            let (key, value) = entry.map_err(|error| self.index.failed(error))?;
            let position = u64::from_be_bytes(key.try_into().map_err(|_| damaged())?);
            let (record, name) = Record::from_position(position, value, self.arrays.len())?;
            Ok((name.to_owned(), Slice::from(record)))
        });
        named.collect()
    }

    /// Takes note of what others have changed: from now on the array shows the slices and rows that there are now.
    /// Says whether anything is another. What the array itself writes or deletes it shows at once, with all that
    /// others had written before.
    ///
    /// # Errors
    /// Those of [`FlatArray::refresh`].
    pub fn refresh(&self) -> Result<bool> {
        let mut is_changed = self.catch_up()?;
        for (_, array) in &self.arrays {
            is_changed |= array.refresh()?;
        }
        Ok(is_changed | self.show_now()?)
    }

    /// Has all that was written on stable storage: first the rows, then the names.
    ///
    /// # Errors
    /// As [`FlatArray::flush`].
    pub fn flush(&self) -> Result<()> {
        self.arrays.iter().try_for_each(|(_, array)| array.flush())?;
        if self.array().mode() == Mode::ReadWrite { self.index.sync() } else { Ok(()) }
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
    ) -> Result<(Vec<Option<Slice>>, Mappings)> {
        let mut short = None;
        for _ in 0..ATTEMPTS {
            let (snapshot, records) = self.index.read_each(count, &find)?;
            match self.mappings_for(snapshot, &records)? {
                Ok(mappings) => {
                    return Ok((
                        records.into_iter().map(|record| record.map(Slice::from)).collect(),
                        mappings,
                    ));
                }
                // Or else names may have been deleted, and their rows cut off, since this snapshot.
                Err(Stale::Short(array, end))
                    if short == Some(snapshot) && self.is_short_of(array, end)? =>
                {
                    return Err(self.too_few_rows(array, end));
                }
                Err(Stale::Short(..)) => short = Some(snapshot),
                Err(Stale::Replaced) => std::thread::yield_now(),
            }
        }
        let reason = "the index and the array are of different generations";
        Err(Error::corrupt(reason).at(self.path().display().to_string()))
    }

    /// Mappings of the files that the index is about in that snapshot, of which `records` are.
    fn mappings_for(
        &self,
        snapshot: usize,
        records: &[Option<Record>],
    ) -> Result<std::result::Result<Mappings, Stale>> {
        let known = self.known().filter(|known| {
            // Who replaces the files changes the index before or afterwards.
            let is_known = known.seen.load(Ordering::Acquire) == snapshot || !are_replaced(&known.files);
            is_known && records.iter().flatten().all(|record| record.generation == known.generation)
        });
        let Some(known) = known else {
            self.catch_up()?;
            self.expect_generation(snapshot, records)?;
            return Ok(Err(Stale::Replaced));
        };
        known.seen.store(snapshot, Ordering::Release);
        let first = match self.mapping_for(0, &known, records)? {
            Ok(first) => first,
            Err(stale) => return Ok(Err(stale)),
        };
        let others = (1..self.arrays.len()).map(|number| self.mapping_for(number, &known, records));
        let others: std::result::Result<_, Stale> = others.collect::<Result<Vec<_>>>()?.into_iter().collect();
        Ok(others.map(|others| Mappings { first, others }))
    }

    /// An error if the index says in one snapshot that it is of another generation than `records`, which no writer leaves.
    fn expect_generation(&self, snapshot: usize, records: &[Option<Record>]) -> Result<()> {
        let facts = self.facts()?;
        let is_other = |record: &Record| record.generation != facts.generation;
        if facts.snapshot == snapshot && records.iter().flatten().any(is_other) {
            return Err(damaged().at(self.path().display().to_string()));
        }
        Ok(())
    }

    /// A mapping of the array of that number.
    fn mapping_for(
        &self,
        number: usize,
        known: &Known,
        records: &[Option<Record>],
    ) -> Result<std::result::Result<Arc<Mapping>, Stale>> {
        let (array, mut end) = (&self.arrays[number].1, 0);
        for record in records.iter().flatten() {
            end = record.rows.get(number).ok_or_else(damaged)?.end.max(end);
        }
        let mapping = match array.mapping() {
            Ok(mapping) if length(mapping.header()) >= end => mapping,
            // It was longer or shorter when this array looked last.
            _ => {
                array.reload()?;
                array.mapping()?
            }
        };
        if !mapping.is_of(&known.files[number]) {
            self.catch_up()?;
            return Ok(Err(Stale::Replaced));
        }
        let is_long_enough = length(mapping.header()) >= end;
        Ok(if is_long_enough { Ok(mapping) } else { Err(Stale::Short(number, end)) })
    }

    /// Whether an array has fewer rows than `end`, while nobody changes it.
    pub(super) fn is_short_of(&self, array: usize, end: u64) -> Result<bool> {
        let file = self.arrays[array].1.state().file;
        file.shared(|| Ok(length(&file.header()?) < end))
    }

    pub(super) fn known(&self) -> Option<Arc<Known>> {
        self.known.read_locked().clone()
    }

    /// The generation of `files`, unless there is a newer one by now.
    pub(super) fn generation_of(&self, files: &[Arc<DataFile>]) -> Result<Option<u64>> {
        let known = || self.known().filter(|known| are_same(&known.files, files));
        if known().is_none() {
            self.catch_up()?;
        }
        Ok(known().map(|known| known.generation))
    }

    /// The file that each array has open.
    pub(super) fn files(&self) -> Vec<Arc<DataFile>> {
        self.arrays.iter().map(|(_, array)| array.state().file).collect()
    }

    /// Opens the files that the index is about now, if they were replaced. Says whether they were.
    ///
    /// The generation of a file is that which the index says both before and after the path has been found to
    /// lead to it: who replaces a file raises the generation first, and notes what is still to be renamed.
    pub(super) fn catch_up(&self) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let Facts { snapshot, generation, moving, arrays } = self.facts()?;
            self.expect_arrays(&arrays)?;
            for ((_, array), moving) in self.arrays.iter().zip(&moving) {
                finish(array.path(), moving)?;
            }
            let files = self.files();
            let known = self.known().filter(|known| {
                known.generation == generation && are_same(&known.files, &files) && !are_replaced(&files)
            });
            if let Some(known) = known {
                known.seen.store(snapshot, Ordering::Release);
                return Ok(false);
            }
            self.arrays.iter().try_for_each(|(_, array)| array.reload().map(drop))?;
            let files = self.files();
            if are_replaced(&files) {
                continue;
            }
            // Who replaces the files may have replaced the index before.
            self.index.follow()?;
            if self.facts()?.generation != generation {
                continue;
            }
            let known = Arc::new(Known { files, generation, seen: AtomicUsize::new(snapshot) });
            let mut slot = self.known.write_locked();
            let before = slot.replace(known);
            return Ok(before.is_some_and(|before| before.generation != generation));
        }
        Err(self.compacted())
    }

    /// An error if the index is of other arrays by now.
    fn expect_arrays(&self, now: &[String]) -> Result<()> {
        let is_alone = now.is_empty() && self.arrays.len() == 1;
        if is_alone || now.iter().eq(self.arrays.iter().map(|(name, _)| name)) {
            return Ok(());
        }
        let reason = format!("the slices are of other arrays now: {}; open them again", now.join(", "));
        Err(Error::new(ErrorKind::Storage, reason).at(self.path().display().to_string()))
    }

    pub(super) fn facts(&self) -> Result<Facts> {
        Facts::now(&self.index)
    }

    #[cold]
    pub(super) fn too_few_rows(&self, array: usize, end: u64) -> Error {
        let reason = format!("the index names rows up to {end}, which the array does not have");
        Error::corrupt(reason).at(self.arrays[array].1.path().display().to_string())
    }

    #[cold]
    pub(super) fn compacted(&self) -> Error {
        Error::new(ErrorKind::Storage, "the array was compacted meanwhile; try again")
            .at(self.path().display().to_string())
            .retryable()
    }

    #[cold]
    pub(super) fn no_name(&self, name: &str) -> Error {
        no_name(self.path(), name)
    }
}

fn are_replaced(files: &[Arc<DataFile>]) -> bool {
    files.iter().any(|file| file.is_replaced())
}

fn are_same(some: &[Arc<DataFile>], others: &[Arc<DataFile>]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(one, other)| Arc::ptr_eq(one, other))
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
