//! Writing and growing.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::array::FlatArray;
use super::file::{DataFile, Reservation};
use super::mapping::{expect_len, settled_header, whole_header};
use super::names::while_unnamed;
use super::pending::Record;
use super::replace;
use super::rows::{elements, length, row_len, with_rows, with_rows_unchecked};
use super::spec::{FlatSpec, Mode};
use crate::base::buffer::{first_bytes, with_scratch};
use crate::base::error::{Error, ErrorKind, Result};
use crate::format::files::npy::Header;
use crate::run::interrupt::check_interrupt;

/// Appends of up to so many bytes are written under the guard, so that they leave nothing if they die.
const AT_ONCE: usize = 1 << 20;
/// Rows that are given in parts are written in pieces of so many bytes at most, but at least a row.
const PIECE: usize = 4 << 20;

/// Rows that an append has reserved and not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Which.
    pub rows: Range<u64>,
    /// Whether the process that reserved them still lives; if not, they stay unfinished until somebody
    /// writes them.
    pub alive: bool,
}

impl FlatArray {
    /// Creates an array and opens it for reading and writing. Of several who create at once, one does.
    ///
    /// # Errors
    /// `AlreadyExists` unless it may be overwritten; `StorageFull`; `InvalidArgument` if no file holds
    /// as much.
    pub fn create(path: &Path, spec: &FlatSpec) -> Result<Self> {
        // What is written through a link goes to where it leads.
        let resolved = path.canonicalize();
        let path = resolved.as_deref().unwrap_or(path);
        replace::create(path, spec)?;
        let array = Self::open(path, spec.opened())?;
        if spec.reserve > 0 {
            array.reserve(spec.reserve)?;
        }
        Ok(array)
    }

    /// Appends rows, given as their bytes, and says which they are. Others may append at the same time. Of booleans, bytes
    /// that are not zero become one.
    ///
    /// # Errors
    /// `StorageFull` and other failures of the disk leave the array as it was. `ReadOnly`;
    /// `InvalidArgument` if the bytes are no whole rows; `Unsupported` in Fortran order and without axes;
    /// `CorruptData` if somebody has cut the file short; `Storage` if it was removed or replaced.
    pub fn append(&self, rows: u64, bytes: &[u8]) -> Result<Range<u64>> {
        let header = self.header();
        self.expect_rows(&header, rows, bytes.len())?;
        self.append_pieces(rows, &[&elements(&header, bytes)]).map(|(_, rows)| rows)
    }

    /// Appends rows whose bytes are those of all pieces, one after the other. Says to which file.
    pub(super) fn append_pieces(&self, rows: u64, pieces: &[&[u8]]) -> Result<(Arc<DataFile>, Range<u64>)> {
        let file = self.writable_with_room()?;
        let appended = self.append_to(&file, rows, pieces)?;
        Ok((file, appended))
    }

    fn append_to(&self, file: &DataFile, rows: u64, pieces: &[&[u8]]) -> Result<Range<u64>> {
        if pieces.iter().map(|piece| piece.len()).sum::<usize>() <= AT_ONCE {
            return file.guarded(|| {
                let header = whole_header(file)?;
                if rows == 0 {
                    // Rows that others have reserved behind the end are not to become part of the array.
                    let end = length(&header);
                    return Ok(end..end);
                }
                let start = settle(file, &header)?;
                self.write_new(file, &header, start, rows, pieces)
            });
        }
        let reservation = self.reserve_behind(file, rows)?;
        let bytes = pieces.iter().map(|piece| piece.len()).sum();
        self.write_reserved(file, reservation, bytes, |start| file.write_pieces(pieces, start))
    }

    /// Appends rows that `piece` gives in parts: it fills bytes of rows, of which the first has that number. Says to which
    /// file.
    pub(super) fn append_filled(
        &self,
        rows: u64,
        mut piece: impl FnMut(u64, &mut [u8]) -> Result<()>,
    ) -> Result<(Arc<DataFile>, Range<u64>)> {
        let file = self.writable_with_room()?;
        let row = row_len(&self.header()).unwrap_or(0);
        let at_most = (PIECE as u64).checked_div(row).unwrap_or(u64::MAX).max(1);
        let reservation = self.reserve_behind(&file, rows)?;
        let appended = self.write_reserved(&file, reservation, (rows * row) as usize, |start| {
            with_scratch(|buffer| {
                for at in (0..rows).step_by(at_most as usize) {
                    check_interrupt()?;
                    let bytes = first_bytes(buffer, ((rows - at).min(at_most) * row) as usize);
                    piece(at, bytes)?;
                    file.write_at(bytes, start + at * row)?;
                }
                Ok(())
            })
        })?;
        Ok((file, appended))
    }

    /// Reserves rows behind all others. The file has them from now on, so that nobody publishes what is not there.
    pub(super) fn reserve_behind(&self, file: &DataFile, rows: u64) -> Result<Reservation> {
        file.guarded(|| {
            let header = whole_header(file)?;
            let start = settle(file, &header)?;
            let longer = with_rows(&header, start.checked_add(rows))?;
            let reserved = file
                .extend(longer.data_offset + longer.data_len()?)
                .and_then(|()| file.reserve(start..start.saturating_add(rows)));
            // Nobody has reserved anything behind: what was taken of a full disk is given back.
            reserved.inspect_err(|_| drop(self.span(&header, start, 0).and_then(|span| file.cut(span.start))))
        })
    }

    /// Writes rows from `at` on, at once. The array grows if they reach beyond its end; rows between
    /// become zeros.
    ///
    /// # Errors
    /// As [`FlatArray::append`]; `InvalidArgument` if new rows are reserved by an append.
    pub fn write(&self, at: u64, rows: u64, bytes: &[u8]) -> Result<()> {
        let mut file = self.writable()?;
        let header = settled_header(&file)?;
        self.expect_rows(&header, rows, bytes.len())?;
        if rows == 0 {
            return Ok(());
        }
        let bytes = &*elements(&header, bytes);
        let end = at.checked_add(rows).ok_or_else(|| Error::invalid("rows beyond 2^64"))?;
        if end > length(&header) {
            file = self.writable_with_room()?;
            return file.guarded(|| self.write_beyond(&file, at, rows, bytes));
        }
        let span = self.span(&header, at, bytes.len())?;
        file.write_at(bytes, span.start)?;
        if self.is_durable() {
            file.sync()?;
        }
        self.note_longer(&file, header);
        self.repair(&file, &(at..end))
    }

    /// Makes the array at least `rows` long; new rows are zeros and have their place on the disk.
    ///
    /// # Errors
    /// As [`FlatArray::append`].
    pub fn grow(&self, rows: u64) -> Result<()> {
        self.expect_growing(&self.header())?;
        let file = self.writable_with_room()?;
        file.guarded(|| {
            let header = whole_header(&file)?;
            let start = settle(&file, &header)?;
            let longer = with_rows(&header, Some(rows.max(length(&header))))?;
            let end = self.span(&longer, rows, 0)?.start;
            let start = self.span(&header, start, 0)?.start;
            file.allocate_zeros(start..end).inspect_err(|_| drop(file.cut(start)))?;
            self.publish(&file, longer)
        })
    }

    /// Makes the array `rows` long, if it is longer. Mappings of others must not touch what is cut.
    ///
    /// # Errors
    /// As [`FlatArray::append`]; `InvalidArgument` if appends are under way, or if rows that would be cut off
    /// have names in the index beside the array: new rows would come to stand under those.
    pub fn truncate(&self, rows: u64) -> Result<()> {
        let file = self.writable()?;
        self.expect_growing(&self.header())?;
        file.guarded(|| {
            let header = whole_header(&file)?;
            if rows >= length(&header) {
                return Ok(());
            }
            settle(&file, &header)?;
            let reservations = file.reservations()?;
            if reservations.iter().any(|(_, alive)| *alive) {
                return Err(Error::invalid("appends are under way").during("truncating"));
            }
            let shorter = with_rows(&header, Some(rows))?;
            while_unnamed(&self.path, rows, self.patience, || {
                file.put_header(&shorter)?;
                for (record, _) in reservations.iter().filter(|(record, _)| record.rows.end > rows) {
                    clip(&file, record, rows)?;
                }
                file.cut(shorter.data_offset + shorter.data_len()?)
            })?;
            self.note(&file, shorter);
            Ok(())
        })
    }

    /// Keeps room on the disk for `rows` in all, where the file system can; the array stays as it is.
    ///
    /// # Errors
    /// `StorageFull`, and as [`FlatArray::append`].
    pub fn reserve(&self, rows: u64) -> Result<()> {
        let file = self.writable()?;
        self.expect_growing(&self.header())?;
        file.guarded(|| {
            let header = whole_header(&file)?;
            let end = self.span(&with_rows(&header, Some(rows))?, rows, 0)?.end;
            file.keep_room(0..end)
        })
    }

    /// Rows before the end that were reserved by appends and never finished: those of appends that are
    /// under way, and of such that died.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>> {
        let file = self.state().file;
        let rows = length(&file.header()?);
        let found = file.shared(|| file.reservations())?;
        let before_end = |(record, alive): (Record, bool)| Unfinished {
            rows: record.rows.start..record.rows.end.min(rows),
            alive,
        };
        let mut found: Vec<_> =
            found.into_iter().map(before_end).filter(|found| !found.rows.is_empty()).collect();
        found.sort_by_key(|found| found.rows.start);
        Ok(found)
    }

    pub(super) fn writable(&self) -> Result<Arc<DataFile>> {
        self.expect_mode()?;
        let file = self.state().file;
        file.expect_writable()?;
        Ok(file)
    }

    /// An error if nothing that is written from now on would be in the array: it is open for reading only, or
    /// its file has been replaced or removed.
    ///
    /// # Errors
    /// `ReadOnly`, and `Storage` for a file that is another now.
    pub fn expect_writable(&self) -> Result<()> {
        self.writable().map(drop)
    }

    pub(super) fn expect_mode(&self) -> Result<()> {
        if self.mode == Mode::ReadWrite {
            return Ok(());
        }
        let reason = "the array is not open for writing; open it with mode \"r+\"";
        Err(Error::new(ErrorKind::ReadOnly, reason).at(self.path.display().to_string()))
    }

    /// As [`FlatArray::writable`]; and the header has room for any number of rows.
    fn writable_with_room(&self) -> Result<Arc<DataFile>> {
        let file = self.writable()?;
        if with_rows_unchecked(&file.header()?, u64::MAX).to_bytes().is_ok() {
            return Ok(file);
        }
        match replace::widen(&file) {
            // Another thread was quicker.
            Err(_) if file.is_replaced() => {}
            widened => widened?,
        }
        self.reload()?;
        self.writable()
    }

    /// Under the guard: writes rows behind all others and makes them part of the array.
    fn write_new(
        &self,
        file: &DataFile,
        header: &Header,
        start: u64,
        rows: u64,
        pieces: &[&[u8]],
    ) -> Result<Range<u64>> {
        let longer = with_rows(header, start.checked_add(rows))?;
        let at = self.span(header, start, 0)?.start;
        if let Err(error) = file.write_pieces(pieces, at) {
            // Gives back what was taken of a full disk.
            let _ = file.cut(at);
            return Err(error);
        }
        self.publish(file, longer)?;
        Ok(start..start + rows)
    }

    /// Under the guard: writes rows that reach beyond the end.
    fn write_beyond(&self, file: &DataFile, at: u64, rows: u64, bytes: &[u8]) -> Result<()> {
        let mut header = whole_header(file)?;
        let free = settle(file, &header)?;
        let own = at..at + rows;
        let meets = |record: &Record| record.rows.start < own.end && own.start < record.rows.end;
        if file.reservations()?.iter().any(|(record, alive)| *alive && meets(record)) {
            let reason =
                format!("rows {}:{} are reserved by an append that is under way", own.start, own.end);
            return Err(Error::invalid(reason).during("writing").at(self.path.display().to_string()));
        }
        if own.end > free {
            let longer = with_rows(&header, Some(own.end))?;
            let (from, to) = (self.span(&header, free, 0)?.start, self.span(&header, own.end, 0)?.start);
            file.allocate_zeros(from..to).inspect_err(|_| drop(file.cut(from)))?;
            let written = file.write_at(bytes, self.span(&header, at, bytes.len())?.start);
            written.inspect_err(|_| drop(file.cut(from)))?;
            return self.publish(file, longer);
        }
        header = with_rows(&header, Some(own.end.max(length(&header))))?;
        file.write_at(bytes, self.span(&header, at, bytes.len())?.start)?;
        self.publish(file, header)
    }

    /// Writes rows that are reserved and makes them part of the array.
    fn write_reserved(
        &self,
        file: &DataFile,
        reservation: Reservation,
        bytes: usize,
        write: impl FnOnce(u64) -> Result<()>,
    ) -> Result<Range<u64>> {
        let rows = reservation.rows.clone();
        let written = self.span(&self.header(), rows.start, bytes).and_then(|span| {
            file.keep_room(span.clone())?;
            write(span.start)?;
            if self.is_durable() { file.sync() } else { Ok(()) }
        });
        let slot = reservation.slot;
        file.guarded(|| {
            let header = file.header()?;
            if let Err(error) = written {
                drop(reservation);
                let end = settle(file, &header)?;
                if end <= rows.start {
                    // Nobody has reserved anything behind.
                    file.cut(self.span(&header, end, 0)?.start)?;
                }
                return Err(error);
            }
            // In this order: who dies in between leaves whole rows, in the array or behind its end.
            file.forget(slot)?;
            let end = rows.end.max(length(&header));
            self.publish(file, with_rows(&header, Some(end))?)?;
            drop(reservation);
            Ok(rows)
        })
    }

    /// Under the guard: puts a header in place, of rows that are written or reserved. The file has all of
    /// them, or else the header stays as it is.
    fn publish(&self, file: &DataFile, header: Header) -> Result<()> {
        expect_len(file, &header)?;
        if self.is_durable() {
            file.sync()?;
        }
        file.put_header(&header)?;
        if self.is_durable() {
            file.sync()?;
        }
        self.note(file, header);
        Ok(())
    }

    fn note_longer(&self, file: &DataFile, header: Header) {
        if length(&header) > self.rows() {
            self.note(file, header);
        }
    }

    /// Forgets that rows are unfinished which have been written by somebody else now.
    fn repair(&self, file: &DataFile, written: &Range<u64>) -> Result<()> {
        if !file.has_reservations() {
            return Ok(());
        }
        file.guarded(|| {
            for (record, alive) in file.reservations()? {
                if !alive && written.start <= record.rows.start && record.rows.end <= written.end {
                    file.forget(record.slot)?;
                }
            }
            Ok(())
        })
    }
}

/// Under the guard: drops reservations of the dead that nobody can see, and says where rows are free
/// from on.
fn settle(file: &DataFile, header: &Header) -> Result<u64> {
    let reservations = file.reservations()?;
    let living = reservations.iter().filter(|(_, alive)| *alive).map(|(record, _)| record.rows.end);
    let free = living.max().unwrap_or(0).max(length(header));
    for (record, _) in reservations.iter().filter(|(record, alive)| !alive && record.rows.end > free) {
        clip(file, record, free)?;
    }
    Ok(free)
}

/// Forgets the part of a record from row `end` on.
fn clip(file: &DataFile, record: &Record, end: u64) -> Result<()> {
    if record.rows.start >= end {
        return file.forget(record.slot);
    }
    file.amend(&Record { slot: record.slot, rows: record.rows.start..end })
}
