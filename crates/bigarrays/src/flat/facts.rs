//! What an index says of all slices: of which arrays it is, which files their rows are in, and which files are to be put
//! in the places of those.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use heed::{RoTxn, RwTxn};

use super::index::{Index, Tables, number};
use super::record::damaged;
use super::set::names_of;
use crate::base::error::{Error, Result};
use crate::store::io_error;

/// The fact that counts how often the files of the arrays were replaced.
const GENERATION: &[u8] = b"generation";
/// The fact that names the files that are to be put in the places of the arrays'.
const MOVING: &[u8] = b"moving";

/// What an index says of all slices.
pub(super) struct Facts {
    pub(super) snapshot: usize,
    /// How often the files were replaced.
    pub(super) generation: u64,
    /// The names of the files that are to be put in the places of the arrays', if any are.
    pub(super) moving: Vec<String>,
    /// The names of the arrays, if they are several.
    pub(super) arrays: Vec<String>,
}

impl Facts {
    /// What is true in this snapshot.
    pub(super) fn of(index: &Index, txn: &RoTxn<'_>, tables: &Tables) -> Result<Self> {
        let (snapshot, generation) = (tables.snapshot(txn), generation(index, txn, tables)?);
        let (moving, arrays) = (moving(index, txn, tables)?, names_of(index, txn, tables)?);
        Ok(Self { snapshot, generation, moving, arrays })
    }

    /// What is true now.
    pub(super) fn now(index: &Index) -> Result<Self> {
        index.read(|txn, tables| Self::of(index, txn, tables))
    }
}

/// How often the files were replaced.
pub(super) fn generation(index: &Index, txn: &RoTxn<'_>, tables: &Tables) -> Result<u64> {
    number(tables.facts.get(txn, GENERATION).map_err(|error| index.failed(error))?)
}

pub(super) fn put_generation(
    index: &Index,
    txn: &mut RwTxn<'_>,
    tables: &Tables,
    generation: u64,
) -> Result<()> {
    tables.facts.put(txn, GENERATION, &generation.to_le_bytes()).map_err(|error| index.failed(error))
}

fn moving(index: &Index, txn: &RoTxn<'_>, tables: &Tables) -> Result<Vec<String>> {
    let Some(fact) = tables.facts.get(txn, MOVING).map_err(|error| index.failed(error))? else {
        return Ok(Vec::new());
    };
    let names = std::str::from_utf8(fact).map_err(|_| damaged())?;
    Ok(names.split('/').map(str::to_owned).collect())
}

/// Notes that these files are to be put in the places of the arrays'.
pub(super) fn put_moving(index: &Index, txn: &mut RwTxn<'_>, tables: &Tables, new: &[PathBuf]) -> Result<()> {
    let names = new.iter().map(|path| name_of(path)).collect::<Result<Vec<&str>>>()?.join("/");
    tables.facts.put(txn, MOVING, names.as_bytes()).map_err(|error| index.failed(error))
}

/// Notes that no file is to be put in the place of an array's any more.
pub(super) fn forget_moving(index: &Index, patience: Option<Duration>) -> Result<()> {
    index.write(true, patience, |txn, tables| {
        tables.facts.delete(txn, MOVING).map(drop).map_err(|error| index.failed(error))
    })
}

pub(super) fn name_of(path: &Path) -> Result<&str> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.ok_or_else(|| Error::invalid("the path is not valid Unicode").at(path.display().to_string()))
}

/// Puts the file `moving` in the place of the array's, unless somebody has done so.
pub(super) fn finish(array: &Path, moving: &str) -> Result<()> {
    if Path::new(moving).file_name().is_none_or(|name| name != moving) {
        return Err(damaged());
    }
    let folder: PathBuf = array.parent().unwrap_or(Path::new("/")).into();
    match std::fs::rename(folder.join(moving), array) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(error, "replacing", array)),
        Ok(()) => {
            let synced = File::open(&folder).and_then(|folder| folder.sync_all());
            synced.map_err(|error| io_error(error, "replacing", array))
        }
    }
}
