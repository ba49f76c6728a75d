//! Taking every name out of an index, of an array whose file is to be another.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use heed::{RoTxn, RwTxn};

use super::environment::BEFORE;
use super::facts::{Facts, finish, generation, name_of, put_generation};
use super::index::{DELETIONS, Index, Purpose, Tables, number};
use super::ours::{expect_index, folder_of, remove_if_there, remove_index};
use super::set::file_in;
use crate::base::error::{ErrorKind, Result};
use crate::store::{io_error, is_beside};

/// Runs `work`, which puts another file at `path`, while nobody names any rows, and takes every name out of the
/// index, if there is one.
pub(super) fn while_clearing<T>(
    path: &Path,
    patience: Option<Duration>,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let Some(index) = usable(&folder_of(path))? else { return work() };
    index.write(true, patience, |txn, tables| {
        clear(&index, txn, tables)?;
        work()
    })
}

/// Takes every name out of the index of the array at `path`, which is about to be replaced by other means.
pub(super) fn reset(path: &Path, patience: Option<Duration>) -> Result<()> {
    let Some(index) = usable(&folder_of(path))? else { return Ok(()) };
    index.write(true, patience, |txn, tables| clear(&index, txn, tables))
}

/// Takes every name out of the index of an array that is gone. Who has made a new one names nothing before.
pub(super) fn forget_names_of_none(path: &Path, patience: Option<Duration>) -> Result<()> {
    let Some(index) = usable(&folder_of(path))? else { return Ok(()) };
    index.write(true, patience, |txn, tables| {
        if path.exists() {
            return Err(io_error(io::ErrorKind::AlreadyExists.into(), "creating", path));
        }
        clear(&index, txn, tables)
    })
}

/// The index in `folder`, if there is one of use to anybody; else it is removed.
pub(super) fn usable(folder: &Path) -> Result<Option<Arc<Index>>> {
    expect_index(folder)?;
    if !folder.exists() {
        return Ok(None);
    }
    match Index::open(folder, Purpose::Writing) {
        Err(error) if error.kind() == ErrorKind::CorruptData => remove_index(folder).map(|()| None),
        index => index.map(Some),
    }
}

/// Takes all names, and all facts but what is counted, out of an index whose files are to be others.
pub(super) fn clear(index: &Index, txn: &mut RwTxn<'_>, tables: &Tables) -> Result<()> {
    let failed = |error| index.failed(error);
    end_moving(index, txn, tables)?;
    let generation = generation(index, txn, tables)?;
    let deletions = number(tables.facts.get(txn, DELETIONS).map_err(failed)?)?;
    for table in [tables.names, tables.order, tables.facts].into_iter().chain(tables.meta) {
        table.clear(txn).map_err(failed)?;
    }
    tables.facts.put(txn, BEFORE, &(tables.before as u64).to_le_bytes()).map_err(failed)?;
    tables.facts.put(txn, DELETIONS, &deletions.wrapping_add(1).to_le_bytes()).map_err(failed)?;
    put_generation(index, txn, tables, generation.wrapping_add(1))
}

/// Puts files that are to be in the places of the arrays' there, as the index says until it is cleared, or removes that
/// of an array that is gone: nobody is to put them in the places of what comes then.
fn end_moving(index: &Index, txn: &RoTxn<'_>, tables: &Tables) -> Result<()> {
    // Who clears a damaged index does without what it says.
    let Ok(Facts { moving, arrays, .. }) = Facts::of(index, txn, tables) else { return Ok(()) };
    let around = index.folder().parent().unwrap_or(Path::new("/"));
    let files = match &arrays[..] {
        [] => vec![index.folder().with_extension("")],
        names => names.iter().map(|name| file_in(around, name)).collect(),
    };
    let is_gone = arrays.is_empty() && !files[0].exists();
    for (file, moving) in files
        .iter()
        .zip(&moving)
        .filter(|(file, moving)| is_beside(moving, name_of(file).unwrap_or_default()))
    {
        if is_gone {
            remove_if_there(&file.with_file_name(moving))?;
        } else {
            finish(file, moving)?;
        }
    }
    Ok(())
}
