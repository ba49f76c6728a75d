//! Compacting: the rows that have names are written one after the other into a new file, which takes
//! the place of the old one.
//!
//! The index changes in one transaction, which also says which file is to be put in place; whoever meets
//! that note puts it there. So index and file go together after any crash.

use std::ops::Range;
use std::path::Path;

use heed::RwTxn;

use super::array::FlatArray;
use super::record::{Record, damaged};
use super::replace::{self, finish};
use super::rows::row_len;
use super::slices::{Facts, SliceArray};
use super::spec::{FlatSpec, Mode};
use crate::base::buffer::{first_bytes, with_scratch};
use crate::base::error::{Error, Result};
use crate::store::{is_beside, is_left, temporary_beside};

/// Slices are copied in pieces of so many bytes at most, but at least a row.
const PIECE: usize = 4 << 20;

impl SliceArray {
    /// Takes rows without a name out of the file, which then has the slices in the order of their
    /// positions. Nobody else may have the array open for writing, and no thread may [write](FlatArray::write)
    /// rows meanwhile; appends wait, and readers go on with the new file.
    /// Needs room on the disk for the slices.
    ///
    /// # Errors
    /// `Storage`, retryable, if others have it open for writing; those of the disk leave all as it was.
    pub fn compact(&self) -> Result<()> {
        self.array().writable()?;
        self.index().recover(self.array().patience)?;
        self.catch_up()?;
        let file = self.array().writable()?;
        // Until the array has the new file open.
        let _unmapped = self.array().without_writable_maps()?;
        file.alone(|| {
            // Whoever may have died meanwhile.
            self.index().recover(self.array().patience)?;
            let Facts { generation, moving, .. } = self.facts()?;
            if self.generation_of(&file)? != Some(generation)
                || moving.is_some_and(|name| self.is_left(&name))
            {
                return Err(self.compacted());
            }
            self.array().reload()?;
            let header = file.header()?;
            remove_leftovers(self.array().path());
            let new = temporary_beside(self.array().path())?;
            let spec = FlatSpec {
                shape: [&[0], &header.shape[1..]].concat(),
                overwrite: true,
                ..FlatSpec::new(header.descr, &[])
            };
            replace::create(&new, &spec)?;
            let moved = self.move_to(&new, generation + 1);
            if moved.is_err() && self.facts().is_ok_and(|facts| facts.generation == generation) {
                let _ = std::fs::remove_file(&new);
            }
            moved?;
            finish(self.array().path(), &name_of(&new)?)
        })?;
        self.catch_up()?;
        self.index().forget_moving(self.array().patience)
    }

    /// Whether the file of that name, which is to be put in place of the array's, has not been.
    fn is_left(&self, moving: &str) -> bool {
        self.array().path().with_file_name(moving).exists()
    }

    /// Copies every slice into the new file, and has the index say where it is there and that the file is
    /// to be put in place. All in one transaction: a name that came in between would have no rows.
    pub(super) fn move_to(&self, new: &Path, generation: u64) -> Result<()> {
        let name = name_of(new)?;
        let failed = |error| self.index().failed(error);
        self.index().write(true, self.array().patience, |txn, tables| {
            let count = tables.order.len(txn).map_err(failed)?;
            let record = |txn: &RwTxn<'_>, position: u64| {
                let value = tables.order.get(txn, &position.to_be_bytes()).map_err(failed)?;
                let (record, name) = Record::from_position(position, value.ok_or_else(damaged)?)?;
                Ok((record, name.to_owned()))
            };
            let target = FlatArray::open(new, Mode::ReadWrite)?;
            (0..count).try_for_each(|position| self.copy(record(txn, position)?.0.rows, &target))?;
            target.flush()?;
            let mut start = 0;
            for position in 0..count {
                let (before, name) = record(txn, position)?;
                let rows = start..start + (before.rows.end - before.rows.start);
                start = rows.end;
                let moved = Record { position, rows, generation };
                let value = moved.by_position(name.as_bytes());
                tables.order.put(txn, &position.to_be_bytes(), &value).map_err(failed)?;
                tables.names.put(txn, name.as_bytes(), &moved.by_name()).map_err(failed)?;
            }
            tables.facts.put(txn, b"generation", &generation.to_le_bytes()).map_err(failed)?;
            tables.facts.put(txn, b"moving", name.as_bytes()).map_err(failed)
        })
    }

    /// Appends rows of this array to `target`.
    fn copy(&self, mut rows: Range<u64>, target: &FlatArray) -> Result<()> {
        let row = row_len(&target.header()).unwrap_or(0);
        let at_most = (PIECE as u64).checked_div(row).unwrap_or(u64::MAX).max(1);
        with_scratch(|buffer| {
            while !rows.is_empty() {
                let count = at_most.min(rows.end - rows.start);
                let bytes = first_bytes(buffer, (count * row) as usize);
                self.array().read(rows.start, bytes)?;
                target.append(count, bytes)?;
                rows.start += count;
            }
            Ok(())
        })
    }
}

/// Removes the new files of those that died before they put them in place. What cannot be removed does no harm but to the disk.
fn remove_leftovers(array: &Path) {
    let (Some(folder), Ok(name)) = (array.parent(), name_of(array)) else { return };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_name().to_str().is_some_and(|found| is_beside(found, &name) && is_left(found)) {
            continue;
        }
        let _ = std::fs::remove_file(entry.path());
    }
}

fn name_of(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    name.ok_or_else(|| Error::invalid("the path is not valid Unicode").at(path.display().to_string()))
}
