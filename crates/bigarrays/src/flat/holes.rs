//! Room on the disk, given back where the rows are.

use std::ops::Range;
use std::sync::Arc;

#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::compact::alone;
use super::facts::generation;
use super::file::DataFile;
use super::rows::{length, row_len};
use super::slices::SliceArray;
use crate::base::error::{Error, ErrorKind, Result};

/// What has the file of each array: what is open of it, what is known of it, and who punches.
const OWN: usize = 3;

impl SliceArray {
    /// Gives the room of rows without a name back to the file system, without needing any: the rows stay where they are and
    /// become zeros. As [`SliceArray::compact`], but for a disk that has no room for a copy; then compacting may have.
    /// Says how many bytes those rows have.
    ///
    /// What still shows deleted slices shows zeros then: nobody else may have the array open, not even for reading, nor a
    /// snapshot of it. It may be killed at any moment.
    ///
    /// # Errors
    /// `Storage`, retryable, if others have the array open, or views of it are in use; `Unsupported` where the file system
    /// has no holes.
    pub fn punch_holes(&self) -> Result<u64> {
        let files = self.settled_files()?;
        let _unmapped =
            self.arrays().map(|(_, array)| array.without_writable_maps()).collect::<Result<Vec<_>>>()?;
        let (of, mut bytes) = (self.generation_of(&files)?, 0);
        alone(&files, &mut || {
            files.iter().try_for_each(|file| file.only_user(Arc::strong_count(file) > OWN))?;
            self.arrays().try_for_each(|(_, array)| array.reload().map(drop))?;
            bytes = self.index().write(false, self.array().patience, |txn, tables| {
                if of != Some(generation(self.index(), txn, tables)?) {
                    return Err(self.compacted());
                }
                let named = self.rows_in_order(txn, tables)?;
                files.iter().zip(named).try_fold(0, |sum, (file, named)| Ok(sum + punch_all(file, named)?))
            })?;
            Ok(())
        })?;
        Ok(bytes)
    }
}

/// Punches holes where no rows are that have a name; says how many bytes those are.
fn punch_all(file: &DataFile, named: Vec<Range<u64>>) -> Result<u64> {
    let header = file.header()?;
    let row = row_len(&header).unwrap_or(0);
    gaps(named, length(&header)).into_iter().try_fold(0, |sum, rows| {
        let bytes = header.data_offset + rows.start * row..header.data_offset + rows.end * row;
        punch(file, bytes.clone())?;
        Ok(sum + (bytes.end - bytes.start))
    })
}

/// The rows below `end` that are in none of the ranges.
fn gaps(mut named: Vec<Range<u64>>, end: u64) -> Vec<Range<u64>> {
    named.sort_unstable_by_key(|rows| rows.start);
    let (mut gaps, mut next) = (Vec::new(), 0);
    for rows in named.into_iter().chain(std::iter::once(end..end)) {
        if next < rows.start {
            gaps.push(next..rows.start);
        }
        next = next.max(rows.end);
    }
    gaps
}

fn punch(file: &DataFile, bytes: Range<u64>) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let punched = {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(file.file(), flags, bytes.start, bytes.end - bytes.start)
    };
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let punched: rustix::io::Result<()> = Err(Errno::OPNOTSUPP);
    punched.map_err(|error| match error {
        Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL => {
            let reason =
                "the file system has no holes; compact the array, which needs room for a copy of its slices";
            Error::new(ErrorKind::Unsupported, reason).at(file.path().display().to_string())
        }
        error => file.failed(error.into(), "giving back the room of"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_no_range_has() {
        assert_eq!(gaps(vec![4..6, 0..2, 5..7, 9..9], 10), [2..4, 7..9, 9..10]);
        assert_eq!(gaps(vec![0..3], 3), []);
        assert_eq!(gaps(vec![], 3), [0..3]);
    }
}
