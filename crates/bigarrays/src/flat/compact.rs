//! Compacting: the rows that have names are written one after the other into a new file, which takes
//! the place of the old one.
//!
//! The index is replaced by one that says where everything is then, and which file is to be put in place; whoever meets
//! that note puts it there. So index and file go together after any crash.

use std::ops::{Bound, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heed::{PutFlags, RoTxn, RwTxn};

use super::array::FlatArray;
use super::environment::{BEFORE, Filling, Table, Tables};
use super::facts::{Facts, finish, forget_moving, generation, name_of, put_generation, put_moving};
use super::file::DataFile;
use super::ours::remove_left_beside;
use super::record::{Record, SliceRows, damaged};
use super::replace;
use super::rows::row_len;
use super::slices::SliceArray;
use super::spec::{FlatSpec, Mode};
use crate::base::buffer::{first_bytes, with_scratch};
use crate::base::error::{Error, ErrorKind, Result};
use crate::run::interrupt::check_interrupt;
use crate::store::temporary_beside;

/// Entries of the index that are changed at once.
const AT_ONCE: usize = 4096;

/// Slices are copied in pieces of so many bytes at most, but at least a row.
const PIECE: usize = 4 << 20;

impl SliceArray {
    /// The file of each array, open for writing, once what other writers had begun is done.
    pub(super) fn settled_files(&self) -> Result<Vec<Arc<DataFile>>> {
        let writable = || self.arrays().map(|(_, array)| array.writable()).collect::<Result<Vec<_>>>();
        writable()?;
        self.index().recover(self.array().patience)?;
        self.catch_up()?;
        writable()
    }

    /// Takes rows without a name out of the file, which then has the slices in the order of their
    /// positions. Nobody else may have the array open for writing, and no thread may [write](FlatArray::write)
    /// rows meanwhile; appends wait, and readers go on with the new file.
    /// Needs room on the disk for a copy of the slices.
    ///
    /// # Errors
    /// `StorageFull`, before anything is written, says how much room is needed; `Storage`, retryable, if others have it
    /// open for writing; those of the disk leave all as it was.
    pub fn compact(&self) -> Result<()> {
        let files = self.settled_files()?;
        // Until the arrays have the new files open.
        let _unmapped =
            self.arrays().map(|(_, array)| array.without_writable_maps()).collect::<Result<Vec<_>>>()?;
        alone(&files, &mut || {
            // Whoever may have died meanwhile.
            self.index().recover(self.array().patience)?;
            let Facts { generation, moving, .. } = self.facts()?;
            if self.generation_of(&files)? != Some(generation) || self.are_left(&moving) {
                return Err(self.compacted());
            }
            let mut new = Vec::new();
            let moved = self.drafts(&mut new).and_then(|()| self.move_to(&new, generation + 1));
            if moved.is_err() && self.facts().is_ok_and(|facts| facts.generation == generation) {
                new.iter().for_each(|new| drop(std::fs::remove_file(new)));
            }
            moved?;
            let mut arrays = self.arrays().zip(&new);
            arrays.try_for_each(|((_, array), new)| finish(array.path(), name_of(new)?))
        })?;
        self.catch_up()?;
        forget_moving(self.index(), self.array().patience)
    }

    /// Makes an empty file for each array, whose paths are added to `new`.
    fn drafts(&self, new: &mut Vec<PathBuf>) -> Result<()> {
        for (_, array) in self.arrays() {
            array.reload()?;
            let header = array.header();
            remove_left_beside(&[array.path(), self.index().folder()]);
            let draft = temporary_beside(array.path())?;
            let spec = FlatSpec {
                shape: [&[0], &header.shape[1..]].concat(),
                overwrite: true,
                ..FlatSpec::new(header.descr, &[])
            };
            replace::create(&draft, &spec)?;
            new.push(draft);
        }
        Ok(())
    }

    /// Whether a file that is to be put in the place of an array's has not been.
    fn are_left(&self, moving: &[String]) -> bool {
        self.arrays().zip(moving).any(|((_, array), moving)| array.path().with_file_name(moving).exists())
    }

    /// Copies every slice into the new files, and has the index say where it is there and that the files are to be put
    /// in place. All at once: a name that came in between would have no rows.
    ///
    /// The index is a new one, as LMDB makes none smaller: it takes the place of the old one by an exchange of folders.
    pub(super) fn move_to(&self, new: &[PathBuf], generation: u64) -> Result<()> {
        let patience = self.array().patience;
        let renewed = self.index().renew(patience, |(old, tables), (txn, renewed)| {
            let moved = self.copy_all(old, tables, new, generation)?;
            self.fill_moved(old, tables, (&mut *txn, renewed), (&moved, generation))?;
            self.note_moving(txn, renewed, new, generation)
        })?;
        if renewed.is_some() { Ok(()) } else { self.move_in_place(new, generation) }
    }

    /// As [`SliceArray::move_to`], where folders cannot be exchanged: the index changes in one transaction, and stays as
    /// large as it is.
    pub(super) fn move_in_place(&self, new: &[PathBuf], generation: u64) -> Result<()> {
        self.index().write(true, self.array().patience, |txn, tables| {
            let moved = self.copy_all(txn, tables, new, generation)?;
            self.note_moved(txn, tables, &moved, generation)?;
            self.note_moving(txn, tables, new, generation)
        })
    }

    fn note_moving(
        &self,
        txn: &mut RwTxn<'_>,
        tables: &Tables,
        new: &[PathBuf],
        generation: u64,
    ) -> Result<()> {
        put_generation(self.index(), txn, tables, generation)?;
        put_moving(self.index(), txn, tables, new)
    }

    /// Copies the rows of all slices into the new files, which are to be of that generation; says where those of each are
    /// there.
    fn copy_all(
        &self,
        txn: &RoTxn<'_>,
        tables: &Tables,
        new: &[PathBuf],
        of: u64,
    ) -> Result<Vec<Vec<Range<u64>>>> {
        if generation(self.index(), txn, tables)?.checked_add(1) != Some(of) {
            return Err(self.compacted());
        }
        let before = self.rows_in_order(txn, tables)?;
        self.expect_room(&before)?;
        for (((_, array), new), rows) in self.arrays().zip(new).zip(&before) {
            let target = FlatArray::open(new, Mode::ReadWrite)?;
            copy(array, rows, &target)?;
            target.flush()?;
        }
        Ok(before.iter().map(|rows| one_after_the_other(rows)).collect())
    }

    /// The rows of all slices in each array, in the order of positions.
    pub(super) fn rows_in_order(&self, txn: &RoTxn<'_>, tables: &Tables) -> Result<Vec<Vec<Range<u64>>>> {
        let failed = |error| self.index().failed(error);
        let mut rows = vec![Vec::new(); self.arrays().len()];
        for (entry, position) in tables.order.iter(txn).map_err(failed)?.zip(0u64..) {
            let (key, value) = entry.map_err(failed)?;
            if key != position.to_be_bytes() {
                return Err(damaged());
            }
            let (record, _) = Record::from_position(position, value, rows.len())?;
            rows.iter_mut().zip(record.rows.all()).for_each(|(rows, own)| rows.push(own.clone()));
        }
        Ok(rows)
    }

    /// Puts every slice, with what is kept beside its name, and every fact into a new index, each table in its own order,
    /// which fills its pages one after the other.
    fn fill_moved(
        &self,
        old: &RoTxn<'_>,
        tables: &Tables,
        (txn, renewed): Filling<'_, '_>,
        (moved, generation): (&Moved, u64),
    ) -> Result<()> {
        let failed = |error| self.index().failed(error);
        each(&tables.order, old, &failed, |key, value| {
            let position = u64::from_be_bytes(key.try_into().map_err(|_| damaged())?);
            let (_, name) = Record::from_position(position, value, moved.len())?;
            let value = record_of(moved, position, generation)?.by_position(name.as_bytes());
            renewed.order.put_with_flags(txn, PutFlags::APPEND, key, &value).map_err(failed)
        })?;
        each(&tables.names, old, &failed, |name, value| {
            let value = record_of(moved, Record::from_name(value)?.position, generation)?.by_name();
            renewed.names.put_with_flags(txn, PutFlags::APPEND, name, &value).map_err(failed)
        })?;
        if let (Some(meta), Some(new)) = (tables.meta, renewed.meta) {
            each(&meta, old, &failed, |name, json| {
                new.put_with_flags(txn, PutFlags::APPEND, name, json).map_err(failed)
            })?;
        }
        each(&tables.facts, old, &failed, |fact, value| match fact == BEFORE {
            true => Ok(()),
            false => renewed.facts.put(txn, fact, value).map_err(failed),
        })
    }

    /// Has both tables say where the slices are now, each in its own order: neighbours lie in one page.
    fn note_moved(&self, txn: &mut RwTxn<'_>, tables: &Tables, moved: &Moved, generation: u64) -> Result<()> {
        let failed = |error| self.index().failed(error);
        each_batch(&tables.order, txn, &failed, &mut |txn, entries| {
            entries.iter().try_for_each(|(key, value)| {
                let position = u64::from_be_bytes(key[..].try_into().map_err(|_| damaged())?);
                let (_, name) = Record::from_position(position, value, moved.len())?;
                let value = record_of(moved, position, generation)?.by_position(name.as_bytes());
                tables.order.put(txn, key, &value).map_err(failed)
            })
        })?;
        each_batch(&tables.names, txn, &failed, &mut |txn, entries| {
            entries.iter().try_for_each(|(name, value)| {
                let value = record_of(moved, Record::from_name(value)?.position, generation)?.by_name();
                tables.names.put(txn, name, &value).map_err(failed)
            })
        })
    }

    /// An error if the disk has no room for a copy of these rows of each array.
    fn expect_room(&self, rows: &[Vec<Range<u64>>]) -> Result<()> {
        let needed = self.arrays().zip(rows).map(|((_, array), rows)| {
            let header = array.header();
            let count: u64 = rows.iter().map(|rows| rows.end - rows.start).sum();
            row_len(&header).unwrap_or(0).saturating_mul(count).saturating_add(header.data_offset)
        });
        let needed = needed.fold(0, u64::saturating_add);
        let folder = self.array().path().parent().unwrap_or(Path::new("/"));
        // Where nothing is known of the room, writing finds out.
        let Ok(system) = rustix::fs::statvfs(folder) else { return Ok(()) };
        check_room(needed, system.f_bavail.saturating_mul(system.f_frsize), self.path())
    }
}

/// Runs `work` while nobody else has any of the files open for writing.
pub(super) fn alone(files: &[Arc<DataFile>], work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    match files {
        [] => work(),
        [file, others @ ..] => file.alone(|| alone(others, work)),
    }
}

/// Ranges of as many rows, without gaps between them.
fn one_after_the_other(rows: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut end = 0;
    let moved = rows.iter().map(|rows| {
        let start = end;
        end += rows.end - rows.start;
        start..end
    });
    moved.collect()
}

/// Appends rows of an array to `target`, gathered to large pieces.
fn copy(array: &FlatArray, slices: &[Range<u64>], target: &FlatArray) -> Result<()> {
    let row = row_len(&target.header()).unwrap_or(0);
    let at_most = (PIECE as u64).checked_div(row).unwrap_or(u64::MAX).max(1);
    let state = array.state();
    with_scratch(|buffer| {
        let mut gathered = 0;
        for mut rows in runs(slices) {
            while !rows.is_empty() {
                let count = (at_most - gathered).min(rows.end - rows.start);
                let part = (gathered * row) as usize..((gathered + count) * row) as usize;
                let span = array.span(&state.header, rows.start, part.len())?;
                state.file.read_at(&mut first_bytes(buffer, part.end)[part], span.start)?;
                (rows.start, gathered) = (rows.start + count, gathered + count);
                if gathered == at_most {
                    check_interrupt()?;
                    target.append(gathered, first_bytes(buffer, (gathered * row) as usize))?;
                    gathered = 0;
                }
            }
        }
        target.append(gathered, first_bytes(buffer, (gathered * row) as usize)).map(drop)
    })
}

/// Where the rows of all slices are once they are moved, in each array, in the order of positions.
type Moved = [Vec<Range<u64>>];

/// What the index says of the slice of a position once the slices are where `moved` says.
fn record_of(moved: &Moved, position: u64, generation: u64) -> Result<Record> {
    let rows = moved.iter().map(|rows| rows.get(position as usize).cloned().ok_or_else(damaged));
    Ok(Record { position, rows: SliceRows::new(rows.collect::<Result<Vec<_>>>()?), generation })
}

/// The same rows in the same order, in as few ranges as possible.
fn runs(slices: &[Range<u64>]) -> impl Iterator<Item = Range<u64>> + '_ {
    let mut rest = slices.iter().filter(|rows| !rows.is_empty()).peekable();
    std::iter::from_fn(move || {
        let mut run = rest.next()?.clone();
        while let Some(next) = rest.next_if(|next| next.start == run.end) {
            run.end = next.end;
        }
        Some(run)
    })
}

/// Entries of a table: keys and values.
type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Lends all entries of `table` to `work`, in its order.
fn each(
    table: &Table,
    txn: &RoTxn<'_>,
    failed: &impl Fn(heed::Error) -> Error,
    mut work: impl FnMut(&[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    for (entry, number) in table.iter(txn).map_err(failed)?.zip(0usize..) {
        if number.is_multiple_of(AT_ONCE) {
            check_interrupt()?;
        }
        let (key, value) = entry.map_err(failed)?;
        work(key, value)?;
    }
    Ok(())
}

/// Lends all entries of `table`, in its order, to `change`, which may change their values.
fn each_batch(
    table: &Table,
    txn: &mut RwTxn<'_>,
    failed: &impl Fn(heed::Error) -> Error,
    change: &mut dyn FnMut(&mut RwTxn<'_>, &Entries) -> Result<()>,
) -> Result<()> {
    let mut last: Option<Vec<u8>> = None;
    loop {
        check_interrupt()?;
        let from = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = table.range(txn, &(from, Bound::Unbounded)).map_err(failed)?;
        let copied = |entry: heed::Result<(&[u8], &[u8])>| {
            entry.map(|(key, value)| (key.to_vec(), value.to_vec())).map_err(failed)
        };
        let entries: Entries = range.take(AT_ONCE).map(copied).collect::<Result<_>>()?;
        let Some((key, _)) = entries.last() else { return Ok(()) };
        last = Some(key.clone());
        change(txn, &entries)?;
    }
}

/// An error if there is less room than is needed.
fn check_room(needed: u64, available: u64, array: &Path) -> Result<()> {
    if needed <= available {
        return Ok(());
    }
    let reason = format!(
        "a copy of the rows that have names needs {needed} bytes on the disk, which has {available} left; make room, or \
         write the slices into an array on another disk"
    );
    Err(Error::new(ErrorKind::StorageFull, reason).during("compacting").at(array.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_copied_at_once() {
        let slices = [0..2, 2..2, 2..5, 7..9, 5..7, 7..8, 1..1, 8..9];
        assert_eq!(runs(&slices).collect::<Vec<_>>(), [0..5, 7..9, 5..9]);
        assert!(runs(&[]).next().is_none() && runs(&[3..3, 5..5]).next().is_none());
    }

    #[test]
    fn too_little_room_says_how_much_is_needed() {
        assert!(check_room(5, 5, Path::new("a.npy")).is_ok());
        let error = check_room(1000, 999, Path::new("a.npy")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(
            error.to_string().contains("1000 bytes") && error.to_string().contains("999 left"),
            "{error}"
        );
    }
}
