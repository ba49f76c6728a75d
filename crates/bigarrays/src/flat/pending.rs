//! Rows that an append has reserved and not finished: a file of records beside the array's.
//!
//! ```text
//! x.npy.pending   ┌─────────────────────────────────┬─────┐
//!                 │ "reserved" │ start │ rows │ sum │  …  │  32 bytes a slot, little-endian; free: zeros
//!                 └─────────────────────────────────┴─────┘
//! ```
//!
//! The file is read and changed only by who holds the array's guard, and exists only while there are
//! records. Who reserved rows holds the lock of the slot (see [`super::file`]): without it, he is dead.

use std::fs::OpenOptions;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::ours::not_ours;
use crate::base::error::{Error, ErrorKind, Result};
use crate::store::io_error;

const TAG: u64 = u64::from_le_bytes(*b"reserved");
const RECORD: usize = 32;
/// As many appends as may be under way at once.
const MOST_SLOTS: usize = 4096;

/// One reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) slot: u64,
    pub(super) rows: Range<u64>,
}

/// The records beside one array.
#[derive(Debug)]
pub(super) struct Pending {
    path: PathBuf,
}

impl Pending {
    pub(super) fn beside(array: &Path) -> Self {
        let mut name = array.as_os_str().to_owned();
        name.push(".pending");
        Self { path: name.into() }
    }

    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Links are not followed, and nobody is waited for where there is a pipe.
    fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
        options
    }

    /// Every record, in the order of the slots.
    pub(super) fn records(&self) -> Result<Vec<Record>> {
        let file = match self.options().read(true).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(error, "opening")),
        };
        let metadata = file.metadata().map_err(|error| self.failed(error, "reading"))?;
        if !metadata.is_file() {
            return Err(self.corrupt("it is no file of records"));
        }
        let length = metadata.len();
        let length = usize::try_from(length).ok().filter(|&length| length <= MOST_SLOTS * RECORD);
        let length = length.ok_or_else(|| self.corrupt("it is longer than any such file"))?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, 0).map_err(|error| self.failed(error, "reading"))?;
        let slots = bytes.chunks_exact(RECORD).zip(0..);
        slots.filter_map(|(bytes, slot)| self.parse(bytes, slot).transpose()).collect()
    }

    fn parse(&self, bytes: &[u8], slot: u64) -> Result<Option<Record>> {
        let word =
            |k: usize| bytes[k * 8..][..8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        let (tag, start, rows, sum) = (word(0), word(1), word(2), word(3));
        if (tag, start, rows, sum) == (0, 0, 0, 0) {
            return Ok(None);
        }
        let end = start.checked_add(rows).filter(|_| tag == TAG && sum == check_sum(start, rows));
        let end =
            end.ok_or_else(|| self.corrupt("a record is damaged; remove the file if nobody is appending"))?;
        Ok(Some(Record { slot, rows: start..end }))
    }

    /// The first slot that none of `records` has and that `take` takes.
    pub(super) fn free_slot(&self, records: &[Record], take: impl Fn(u64) -> bool) -> Result<u64> {
        let is_free = |slot: &u64| records.iter().all(|record| record.slot != *slot) && take(*slot);
        (0..MOST_SLOTS as u64)
            .find(is_free)
            .ok_or_else(|| self.corrupt("too many appends are under way at once"))
    }

    pub(super) fn put(&self, record: &Record) -> Result<()> {
        let rows = record.rows.end - record.rows.start;
        let words = [TAG, record.rows.start, rows, check_sum(record.rows.start, rows)];
        let bytes = words.map(u64::to_le_bytes).concat();
        let file = self.options().write(true).create(true).truncate(false).open(&self.path);
        let file = file.map_err(|error| self.failed(error, "creating"))?;
        let before = file.metadata().map_or(0, |metadata| metadata.len());
        let written = file.write_all_at(&bytes, record.slot * RECORD as u64);
        written.map_err(|error| {
            // On a full disk neither a piece of a record is left nor a file of none.
            let _ = if before == 0 { std::fs::remove_file(&self.path) } else { file.set_len(before) };
            self.failed(error, "writing")
        })
    }

    /// An error if there is something that is no file of records.
    pub(super) fn expect_ours(&self) -> Result<()> {
        let ours = match std::fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed(error, "looking at")),
            Ok(metadata) => metadata.is_file() && metadata.len() % RECORD as u64 == 0,
        };
        match if ours { self.records().map(drop) } else { Err(self.corrupt("it is no file of records")) } {
            Err(error) if error.kind() == ErrorKind::CorruptData => {
                Err(not_ours(&self.path, "something else than records of appends"))
            }
            looked => looked,
        }
    }

    /// Removes every record.
    ///
    /// # Errors
    /// Those of [`Pending::expect_ours`], and of the disk.
    pub(super) fn clear(&self) -> Result<()> {
        self.expect_ours()?;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error, "removing")),
            _ => Ok(()),
        }
    }

    /// Removes the record of `slot`, and the file with the last of them.
    pub(super) fn remove(&self, slot: u64) -> Result<()> {
        if self.records()?.iter().all(|record| record.slot == slot) {
            return self.clear();
        }
        let file = self.options().write(true).open(&self.path);
        let cleared = file.and_then(|file| file.write_all_at(&[0; RECORD], slot * RECORD as u64));
        cleared.map_err(|error| self.failed(error, "writing"))
    }

    #[cold]
    fn failed(&self, error: io::Error, operation: &'static str) -> Error {
        io_error(error, operation, &self.path)
    }

    #[cold]
    fn corrupt(&self, reason: &'static str) -> Error {
        Error::corrupt(reason).during("reading").at(self.path.display().to_string())
    }
}

/// Tells a record from whatever else may be in the file.
fn check_sum(start: u64, rows: u64) -> u64 {
    (TAG ^ start.rotate_left(17) ^ rows.rotate_left(43)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_and_go_with_their_file() {
        let directory = tempfile::tempdir().unwrap();
        let pending = Pending::beside(&directory.path().join("a.npy"));
        assert_eq!(pending.records().unwrap(), []);
        let record = |slot, rows| Record { slot, rows };
        for (slot, rows) in [(0, 5..9), (1, 9..u64::MAX), (2, 3..3)] {
            assert_eq!(pending.free_slot(&pending.records().unwrap(), |_| true).unwrap(), slot);
            pending.put(&record(slot, rows)).unwrap();
        }
        pending.remove(1).unwrap();
        assert_eq!(pending.records().unwrap(), [record(0, 5..9), record(2, 3..3)]);
        assert_eq!(pending.free_slot(&pending.records().unwrap(), |_| true).unwrap(), 1);
        pending.remove(0).unwrap();
        pending.remove(2).unwrap();
        assert!(!pending.path.exists());
        pending.remove(2).unwrap();
    }

    #[test]
    fn damage_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let pending = Pending::beside(&directory.path().join("a.npy"));
        pending.put(&Record { slot: 0, rows: 5..9 }).unwrap();
        let good = std::fs::read(&pending.path).unwrap();
        for at in 0..RECORD {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&pending.path, bad).unwrap();
            assert_eq!(pending.records().unwrap_err().kind(), ErrorKind::CorruptData);
        }
        std::fs::write(&pending.path, vec![0; MOST_SLOTS * RECORD + 1]).unwrap();
        assert!(pending.records().is_err());
    }
}
