//! What belongs to an array beside its file: names and reservations, whoever has the array open.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::clearing::reset;
use super::index::{Index, Purpose};
use super::ours::{expect_index, folder_of, is_there};
use super::pending::Pending;
use super::record::{Record, damaged};
use super::set::{expect_alone, index_in, is_set, place_of};
use crate::base::error::{Error, Result};

/// Runs `work`, which cuts off rows from `rows` on, while nobody gives any a name; an error if one has.
pub(super) fn while_unnamed<T>(
    array: &Path,
    rows: u64,
    patience: Option<Duration>,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let around = array.parent().filter(|folder| is_set(folder)).map(index_in);
    let Some(folder) = Some(folder_of(array)).filter(|folder| folder.exists()).or(around) else {
        return work();
    };
    let index = Index::open(&folder, Purpose::Writing)?;
    index.write(false, patience, |txn, tables| {
        let Some((number, arrays)) = place_of(array, &index, txn, tables)? else { return work() };
        for entry in tables.order.iter(txn).map_err(|error| index.failed(error))? {
            let (_, value) = entry.map_err(|error| index.failed(error))?;
            let (record, name) = Record::from_position(0, value, arrays)?;
            let named = record.rows.get(number).ok_or_else(damaged)?;
            if named.end > rows {
                let Range { start, end } = named;
                let reason = format!(
                    "rows {start}:{end} are those of {name:?}; delete names that need such rows first"
                );
                return Err(Error::invalid(reason).during("truncating").at(array.display().to_string()));
            }
        }
        work()
    })
}

/// An error if something lies beside the file at `path`, where an array keeps its names and reservations, that
/// is not ours: nothing could be put at `path` without changing that.
///
/// # Errors
/// `Storage` says what lies there.
pub fn expect_ours(path: &Path) -> Result<()> {
    expect_ours_at(&resolved(path))
}

/// Drops every name and reservation of the array at `path`: who puts another file in its place does so before.
///
/// # Errors
/// Those of [`expect_ours`], and of the disk.
pub fn forget_names(path: &Path) -> Result<()> {
    let path = resolved(path);
    expect_ours_at(&path)?;
    Pending::beside(&path).clear()?;
    reset(&path, None)
}

/// An error if something lies where the array at `path` keeps its names and reservations that it has not put
/// there, or if it is one of several whose slices have their names in common.
///
/// # Errors
/// `Storage`, which says what lies there; `InvalidArgument`.
pub(super) fn expect_ours_at(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    if is_there(&folder)? {
        expect_index(&folder)?;
    }
    expect_alone(path)?;
    Pending::beside(path).expect_ours()
}

/// Where a file at `path` is or would be, without links.
fn resolved(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    path.canonicalize().unwrap_or_else(|_| match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.into(),
    })
}
