//! Compacting: the rows that have names are written one after the other into a new file, which takes
//! the place of the old one.
//!
//! The index changes in one transaction, which also says which file is to be put in place; whoever meets
//! that note puts it there. So index and file go together after any crash.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::grow::row_len;
use super::record::{Record, damaged};
use super::{FlatArray, FlatSpec, SliceArray, replace};
use crate::error::{Error, Result};
use crate::store::{io_error, temporary_beside};

/// Slices are copied in pieces of so many bytes at most, but at least a row.
const PIECE: usize = 4 << 20;

impl SliceArray {
    /// Takes rows without a name out of the file, which then has the slices in the order of their
    /// positions. Nobody else may have the array open for writing; readers go on with the new file.
    /// Needs room on the disk for the slices.
    ///
    /// # Errors
    /// `Storage`, retryable, if others have it open for writing; those of the disk leave all as it was.
    pub fn compact(&self) -> Result<()> {
        let file = self.array().writable()?;
        self.catch_up()?;
        file.alone(|| {
            let (generation, _) = self.facts()?;
            let header = file.header()?;
            let new = temporary_beside(self.array().path())?;
            let spec = FlatSpec {
                shape: [&[0], &header.shape[1..]].concat(),
                overwrite: true,
                ..FlatSpec::new(header.descr, &[])
            };
            replace::create(&new, &spec)?;
            let moved = self.copy_to(&new).and_then(|()| self.move_to(&new, generation + 1));
            if moved.is_err() && self.facts().is_ok_and(|(now, _)| now == generation) {
                let _ = std::fs::remove_file(&new);
            }
            moved?;
            finish(self.array(), &name_of(&new)?)
        })?;
        self.catch_up()?;
        self.index().write(true, |txn, tables| {
            tables.facts.delete(txn, b"moving").map(drop).map_err(|error| self.index().failed(error))
        })
    }

    /// Copies every slice into the new file.
    pub(super) fn copy_to(&self, new: &Path) -> Result<()> {
        let new = FlatArray::open(new, super::Mode::ReadWrite)?;
        let row = row_len(&self.array().header()).unwrap_or(0);
        let at_most = (PIECE as u64).checked_div(row).unwrap_or(u64::MAX).max(1);
        let (mut buffer, mut position) = (Vec::new(), 0);
        loop {
            let names = self.names(position, 10_000)?;
            let Some((_, last)) = names.last() else { break };
            position = last.position + 1;
            for (_, slice) in names {
                let mut rows = slice.rows;
                while !rows.is_empty() {
                    let count = at_most.min(rows.end - rows.start);
                    buffer.resize((count * row) as usize, 0);
                    self.array().read(rows.start, &mut buffer)?;
                    new.append(count, &buffer)?;
                    rows.start += count;
                }
            }
        }
        new.flush()
    }

    /// Has the index say where the slices are in the new file, and that it is to be put in place.
    pub(super) fn move_to(&self, new: &Path, generation: u64) -> Result<()> {
        let name = name_of(new)?;
        let failed = |error| self.index().failed(error);
        self.index().write(true, |txn, tables| {
            let mut start = 0;
            for position in 0..tables.order.len(txn).map_err(failed)? {
                let key = position.to_be_bytes();
                let value = tables.order.get(txn, &key).map_err(failed)?.ok_or_else(damaged)?.to_vec();
                let (before, name) = Record::from_position(position, &value)?;
                let rows = start..start + (before.rows.end - before.rows.start);
                start = rows.end;
                let record = Record { position, rows, generation };
                tables.order.put(txn, &key, &record.by_position(name.as_bytes())).map_err(failed)?;
                tables.names.put(txn, name.as_bytes(), &record.by_name()).map_err(failed)?;
            }
            tables.facts.put(txn, b"generation", &generation.to_le_bytes()).map_err(failed)?;
            tables.facts.put(txn, b"moving", name.as_bytes()).map_err(failed)
        })
    }
}

fn name_of(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    name.ok_or_else(|| Error::invalid("the path is not valid Unicode").at(path.display().to_string()))
}

/// Puts the file `moving` in the place of the array's, unless somebody has done so.
pub(super) fn finish(array: &FlatArray, moving: &str) -> Result<()> {
    if Path::new(moving).file_name().is_none_or(|name| name != moving) {
        return Err(damaged());
    }
    let folder: PathBuf = array.path().parent().unwrap_or(Path::new("/")).into();
    match std::fs::rename(folder.join(moving), array.path()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(error, "replacing", array.path())),
        Ok(()) => {
            let synced = File::open(&folder).and_then(|folder| folder.sync_all());
            synced.map_err(|error| io_error(error, "replacing", array.path()))
        }
    }
}
