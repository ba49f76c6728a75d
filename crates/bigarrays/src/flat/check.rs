//! Whether a flat array, its reservations and its index of names agree. Nothing is changed but the lock file
//! of the index, in which readers register.

use std::ops::Range;
use std::path::Path;

use heed::RoTxn;

use super::array::FlatArray;
use super::index::{Index, Tables, number};
use super::ours::folder_of;
use super::record::{Record, check_name};
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
    match names(&array, &folder, found) {
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

/// Looks at every name, again if others have changed any meanwhile.
fn names(array: &FlatArray, folder: &Path, found: &mut dyn FnMut(Flaw)) -> Result<u64> {
    let index = Index::open(folder, false)?;
    let mut look = 0;
    loop {
        look += 1;
        let (snapshot, (count, errors)) = index.read(|txn, tables| {
            Ok((tables.snapshot(txn), Look { array, index: &index, txn, tables }.all()?))
        })?;
        let now = index.read(|txn, tables| Ok(tables.snapshot(txn)))?;
        if errors.is_empty() || now == snapshot || look == LOOKS {
            errors.into_iter().for_each(|error| found(Flaw::Names(error.at(folder.display().to_string()))));
            return Ok(count);
        }
    }
}

/// A snapshot of an index.
struct Look<'a> {
    array: &'a FlatArray,
    index: &'a Index,
    txn: &'a RoTxn<'a>,
    tables: &'a Tables,
}

impl Look<'_> {
    fn generation(&self) -> Result<u64> {
        let fact = self.tables.facts.get(self.txn, b"generation");
        number(fact.map_err(|error| self.index.failed(error))?)
    }

    /// How many rows the file has that the index is about.
    fn rows(&self) -> Result<u64> {
        let moving = self.tables.facts.get(self.txn, b"moving").map_err(|error| self.index.failed(error))?;
        let moving = moving.and_then(|name| std::str::from_utf8(name).ok());
        if let Some(name) = moving.filter(|name| !name.contains('/')) {
            // Of a compaction that nobody has finished, this file is the array already.
            match FlatArray::open(&self.array.path().with_file_name(name), Mode::Read) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                opened => return Ok(opened?.rows()),
            }
        }
        Ok(FlatArray::open(self.array.path(), Mode::Read)?.rows())
    }

    /// How many names there are, and what is wrong with them.
    fn all(&self) -> Result<(u64, Vec<Error>)> {
        let failed = |error| self.index.failed(error);
        let (generation, rows) = (self.generation()?, self.rows()?);
        let mut errors = Vec::new();
        let mut count = 0;
        for entry in self.tables.order.iter(self.txn).map_err(failed)? {
            if count % AT_ONCE == 0 {
                check_interrupt()?;
            }
            let (key, value) = entry.map_err(failed)?;
            if let Err(error) = self.one(count, key, value, generation, rows) {
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
        Ok((count, errors))
    }

    /// Checks the slice that comes at this position.
    fn one(&self, position: u64, key: &[u8], value: &[u8], generation: u64, rows: u64) -> Result<()> {
        if key != position.to_be_bytes() {
            return Err(Error::corrupt(format!(
                "no slice stands at position {position}, though others follow"
            )));
        }
        let (record, name) = Record::from_position(position, value)
            .map_err(|error| Error::corrupt(format!("position {position}: {error}")))?;
        let wrong =
            |reason: String| Err(Error::corrupt(format!("slice {name:?} at position {position}: {reason}")));
        if let Err(error) = check_name(name) {
            return wrong(error.to_string());
        }
        if record.rows.end > rows {
            let Range { start, end } = record.rows;
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
                wrong(format!("by its name it is at position {}, rows {:?}", by_name.position, by_name.rows))
            }
            Some(Err(error)) => wrong(error.to_string()),
            None => wrong("it is not found by its name".to_owned()),
        }
    }
}
