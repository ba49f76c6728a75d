//! Whether a flat array, its reservations and its index of names agree. Nothing is changed but the lock file
//! of the index, in which readers register.

use std::ops::Range;
use std::path::{Path, PathBuf};

use heed::RoTxn;

use super::array::FlatArray;
use super::facts::Facts;
use super::index::{Index, Metadata, Purpose, Tables};
use super::ours::folder_of;
use super::record::{Record, check_metadata, check_name, damaged};
use super::set::{file_in, index_in, is_set, names_of};
use super::spec::Mode;
use crate::base::error::{Error, ErrorKind, Result};
use crate::run::interrupt::check_interrupt;

/// The most that is told of one index.
const MOST: usize = 1000;

/// How often an index is looked at that others change meanwhile.
const LOOKS: usize = 5;

/// Names that are looked at before it is asked whether to stop.
const AT_ONCE: u64 = 4096;

/// Something that is not as it should be.
#[derive(Debug)]
pub(crate) enum Flaw {
    /// The index of names is damaged, or contradicts the array.
    Names(Error),
    /// What is noted of appends is damaged.
    Reservations(Error),
    /// These rows were reserved by an append that died, and others have appended behind them.
    Unfinished(Range<u64>),
    /// So many bytes behind the last row are of an append that died.
    Behind(u64),
}

/// Checks the array in the file at `path`; says how many names there are, if it has an index.
///
/// # Errors
/// Those of [`FlatArray::open`], and `Cancelled`.
pub(crate) fn check(path: &Path, found: &mut dyn FnMut(Flaw)) -> Result<Option<u64>> {
    let array = FlatArray::open(path, Mode::Read)?;
    reservations(&array, found)?;
    let folder = folder_of(array.path());
    if !folder.exists() {
        return Ok(None);
    }
    checked(names(array.path(), &folder, found), found)
}

/// The files of the arrays whose slices have their names in the folder at `path`; `None` if it is no such folder.
///
/// # Errors
/// `CorruptData` and others of the index.
pub(crate) fn files_of_set(path: &Path) -> Result<Option<Vec<PathBuf>>> {
    if !is_set(path) {
        return Ok(None);
    }
    let index = Index::open(&index_in(path), Purpose::Reading)?;
    let names = index.read(|txn, tables| names_of(&index, txn, tables))?;
    Ok(Some(names.iter().map(|name| file_in(path, name)).collect()))
}

/// Checks the names of slices in several arrays, in the folder at `path`; says how many there are. Each of the arrays is
/// [checked](check) by itself.
///
/// # Errors
/// `Cancelled`.
pub(crate) fn check_names_of_set(path: &Path, found: &mut dyn FnMut(Flaw)) -> Result<Option<u64>> {
    checked(names(path, &index_in(path), found), found)
}

fn checked(counted: Result<u64>, found: &mut dyn FnMut(Flaw)) -> Result<Option<u64>> {
    match counted {
        Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
        Err(error) => {
            found(Flaw::Names(error));
            Ok(None)
        }
        counted => counted.map(Some),
    }
}

/// Looks at what appends have reserved, while none begins or ends.
fn reservations(array: &FlatArray, found: &mut dyn FnMut(Flaw)) -> Result<()> {
    let file = array.state().file;
    let looked = file.shared(|| Ok((file.header()?, file.reservations()?, file.len()?)));
    let (header, reservations, length) = match looked {
        Ok(looked) => looked,
        Err(error) if error.kind() == ErrorKind::CorruptData => {
            found(Flaw::Reservations(error));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let rows = header.shape.first().copied().unwrap_or(0);
    for (record, _) in reservations.iter().filter(|(record, alive)| !alive && record.rows.start < rows) {
        found(Flaw::Unfinished(record.rows.start..record.rows.end.min(rows)));
    }
    let behind = length.saturating_sub(header.data_offset.saturating_add(header.data_len()?));
    if behind > 0 && !reservations.iter().any(|(_, alive)| *alive) {
        found(Flaw::Behind(behind));
    }
    Ok(())
}

/// Looks at every name of the array at `path`, or of those in it, again if others have changed any meanwhile.
fn names(path: &Path, folder: &Path, found: &mut dyn FnMut(Flaw)) -> Result<u64> {
    let index = Index::open(folder, Purpose::Reading)?;
    let mut look = 0;
    loop {
        look += 1;
        let (snapshot, (count, errors)) = index.read_with(Metadata::Used, |txn, tables| {
            let facts = Facts::of(&index, txn, tables)?;
            Ok((tables.snapshot(txn), Look { path, facts, index: &index, txn, tables }.all()?))
        })?;
        // The files may be those of an index that has taken the place of this one.
        index.follow()?;
        let now = index.read(|txn, tables| Ok(tables.snapshot(txn)))?;
        if errors.is_empty() || now == snapshot || look == LOOKS {
            errors.into_iter().for_each(|error| found(Flaw::Names(error.at(folder.display().to_string()))));
            return Ok(count);
        }
    }
}

/// A snapshot of an index.
struct Look<'a> {
    /// The file of the array, or the folder of several.
    path: &'a Path,
    facts: Facts,
    index: &'a Index,
    txn: &'a RoTxn<'a>,
    tables: &'a Tables,
}

impl Look<'_> {
    /// How many rows the files have that the index is about.
    fn rows(&self) -> Result<Vec<u64>> {
        let files: Vec<PathBuf> = match &self.facts.arrays[..] {
            [] => vec![self.path.to_owned()],
            names => names.iter().map(|name| file_in(self.path, name)).collect(),
        };
        let rows = files.iter().enumerate().map(|(number, file)| {
            if let Some(name) = self.facts.moving.get(number) {
                // Of a compaction that nobody has finished, this file is the array already.
                match FlatArray::open(&file.with_file_name(name), Mode::Read) {
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    opened => return Ok(opened?.rows()),
                }
            }
            Ok(FlatArray::open(file, Mode::Read)?.rows())
        });
        rows.collect()
    }

    /// How many names there are, and what is wrong with them.
    fn all(&self) -> Result<(u64, Vec<Error>)> {
        let failed = |error| self.index.failed(error);
        let (generation, rows) = (self.facts.generation, self.rows()?);
        let mut errors = Vec::new();
        let mut count = 0;
        for entry in self.tables.order.iter(self.txn).map_err(failed)? {
            if count % AT_ONCE == 0 {
                check_interrupt()?;
            }
            let (key, value) = entry.map_err(failed)?;
            if let Err(error) = self.one(count, key, value, generation, &rows) {
                errors.push(error);
            }
            count += 1;
            if errors.len() >= MOST {
                return Ok((count, errors));
            }
        }
        let named = self.tables.names.len(self.txn).map_err(failed)?;
        if named != count {
            errors.push(Error::corrupt(format!("{named} names for {count} slices")));
        }
        self.metadata(&mut errors)?;
        Ok((count, errors))
    }

    /// Checks what is kept beside names.
    fn metadata(&self, errors: &mut Vec<Error>) -> Result<()> {
        let Some(meta) = self.tables.meta else { return Ok(()) };
        let failed = |error| self.index.failed(error);
        for (entry, count) in meta.iter(self.txn).map_err(failed)?.zip(0..) {
            if count % AT_ONCE == 0 {
                check_interrupt()?;
            }
            let (name, json) = entry.map_err(failed)?;
            let shown = String::from_utf8_lossy(name);
            if self.tables.names.get(self.txn, name).map_err(failed)?.is_none() {
                errors.push(Error::corrupt(format!("there are metadata of {shown:?}, which names no slice")));
            }
            let text = std::str::from_utf8(json).map_err(|_| damaged());
            if let Err(error) = text.and_then(|json| check_metadata(&shown, json)) {
                errors.push(Error::corrupt(error.to_string()));
            }
            if errors.len() >= MOST {
                break;
            }
        }
        Ok(())
    }

    /// Checks the slice that comes at this position, of arrays of so many rows.
    fn one(&self, position: u64, key: &[u8], value: &[u8], generation: u64, rows: &[u64]) -> Result<()> {
        if key != position.to_be_bytes() {
            return Err(Error::corrupt(format!(
                "no slice stands at position {position}, though others follow"
            )));
        }
        let (record, name) = Record::from_position(position, value, rows.len())
            .map_err(|error| Error::corrupt(format!("position {position}: {error}")))?;
        let wrong =
            |reason: String| Err(Error::corrupt(format!("slice {name:?} at position {position}: {reason}")));
        if let Err(error) = check_name(name) {
            return wrong(error.to_string());
        }
        if let Some((Range { start, end }, rows)) =
            record.rows.all().zip(rows).find(|(own, rows)| own.end > **rows)
        {
            return wrong(format!("its rows are {start}:{end}, the array has {rows}"));
        }
        if record.generation != generation {
            return wrong(format!("it is of generation {}, the array of {generation}", record.generation));
        }
        let by_name =
            self.tables.names.get(self.txn, name.as_bytes()).map_err(|error| self.index.failed(error))?;
        match by_name.map(Record::from_name) {
            Some(Ok(by_name)) if by_name == record => Ok(()),
            Some(Ok(by_name)) => {
                let rows: Vec<_> = by_name.rows.all().collect();
                wrong(format!("by its name it is at position {}, rows {rows:?}", by_name.position))
            }
            Some(Err(error)) => wrong(error.to_string()),
            None => wrong("it is not found by its name".to_owned()),
        }
    }
}
