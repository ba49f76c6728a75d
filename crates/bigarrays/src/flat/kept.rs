//! A table of slices in memory that processes share, without a name in any file system.
//!
//! ```text
//! "bigarrays slices" │ count: u64 │ bytes of names: u64     numbers are little-endian
//! first row, one after the last: u64, u64     of each slice
//! end of its name: u64                        of each slice
//! position: u64                               in the order of names
//! names, one after the other
//! ```

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use memmap2::MmapRaw;

use super::mapped::Identity;
use super::record::damaged;
use crate::base::error::Result;

const MAGIC: &[u8; 16] = b"bigarrays slices";
const HEAD: usize = 32;
/// Bytes of a slice but for its name.
const EACH: usize = 32;

#[derive(Debug)]
pub(super) struct Table {
    map: MmapRaw,
    file: File,
    count: usize,
    names: usize,
}

/// What a table is made of.
#[derive(Default)]
pub(super) struct Draft {
    rows: Vec<Range<u64>>,
    ends: Vec<u64>,
    names: Vec<u8>,
    /// Positions in the order of names.
    sorted: Vec<u64>,
}

impl Draft {
    pub(super) fn push(&mut self, name: &str, rows: Range<u64>) {
        self.names.extend_from_slice(name.as_bytes());
        self.ends.push(self.names.len() as u64);
        self.rows.push(rows);
    }

    /// The next position in the order of names.
    pub(super) fn push_sorted(&mut self, position: u64) {
        self.sorted.push(position);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The last row that a slice has.
    pub(super) fn end(&self) -> u64 {
        self.rows.iter().map(|rows| rows.end).max().unwrap_or(0)
    }

    /// Puts the slices into a table.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn finish(self) -> io::Result<Table> {
        let file = nameless()?;
        let mut out = BufWriter::new(&file);
        out.write_all(MAGIC)?;
        let rows = self.rows.iter().flat_map(|rows| [rows.start, rows.end]);
        let head = [self.rows.len() as u64, self.names.len() as u64];
        for word in head.into_iter().chain(rows).chain(self.ends).chain(self.sorted) {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&self.names)?;
        out.flush()?;
        drop(out);
        Table::of(file)
    }
}

/// A file without a name, that is gone with the last descriptor of it.
fn nameless() -> io::Result<File> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{MemfdFlags, memfd_create};
        Ok(File::from(memfd_create("bigarrays slices", MemfdFlags::CLOEXEC)?))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let path = crate::store::temporary_beside(&std::env::temp_dir().join("bigarrays-slices"))
            .map_err(io::Error::other)?;
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }
}

impl Table {
    /// The table in `file`.
    ///
    /// # Errors
    /// Those of the system; `InvalidData` if it is none.
    pub(super) fn of(file: File) -> io::Result<Self> {
        let map = memmap2::MmapOptions::new().map_raw_read_only(&file)?;
        let mut table = Self { map, file, count: 0, names: 0 };
        let is_table = table.bytes().starts_with(MAGIC) && table.bytes().len() >= HEAD;
        let sizes =
            is_table.then(|| (table.word(MAGIC.len()) as usize, table.word(MAGIC.len() + 8) as usize));
        let sizes = sizes.filter(|&(count, names)| {
            let wanted = count.checked_mul(EACH).and_then(|each| each.checked_add(names)?.checked_add(HEAD));
            wanted == Some(table.bytes().len())
        });
        (table.count, table.names) = sizes.ok_or(io::ErrorKind::InvalidData)?;
        Ok(table)
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: as many bytes are mapped; nobody changes a table once it is made.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr(), self.map.len()) }
    }

    fn word(&self, at: usize) -> u64 {
        self.bytes().get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u64::from_le_bytes(*word))
    }

    /// The number of the file's descriptor in this process, and which file it is.
    pub(super) fn descriptor(&self) -> io::Result<(i32, Identity)> {
        let metadata = self.file.metadata()?;
        Ok((self.file.as_raw_fd(), (metadata.dev(), metadata.ino())))
    }

    pub(super) fn len(&self) -> u64 {
        self.count as u64
    }

    /// The rows of the slice at a position that there is.
    pub(super) fn rows(&self, position: u64) -> Range<u64> {
        let at = HEAD + position as usize * 16;
        self.word(at)..self.word(at + 8)
    }

    fn name_bytes(&self, position: u64) -> &[u8] {
        let at = |position: usize| self.word(HEAD + self.count * 16 + position * 8) as usize;
        let start = (position as usize).checked_sub(1).map_or(0, at);
        self.bytes()[self.bytes().len() - self.names..].get(start..at(position as usize)).unwrap_or_default()
    }

    /// Its name.
    pub(super) fn name(&self, position: u64) -> Result<&str> {
        std::str::from_utf8(self.name_bytes(position)).map_err(|_| damaged())
    }

    /// The position that comes so many-th in the order of names.
    fn sorted(&self, k: usize) -> u64 {
        self.word(HEAD + self.count * 24 + k * 8)
    }

    /// How many names come before `name`.
    fn rank(&self, name: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.name_bytes(self.sorted(middle)) < name {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The position of the slice of that name.
    pub(super) fn find(&self, name: &str) -> Option<u64> {
        let rank = self.rank(name.as_bytes());
        let position = (rank < self.count).then(|| self.sorted(rank))?;
        (self.name_bytes(position) == name.as_bytes()).then_some(position)
    }

    /// The positions of all names that start with `prefix`, in order.
    pub(super) fn with_prefix(&self, prefix: &str) -> Vec<u64> {
        let from = self.rank(prefix.as_bytes());
        let positions = (from..self.count).map(|k| self.sorted(k));
        let has_prefix = |position: &u64| self.name_bytes(*position).starts_with(prefix.as_bytes());
        let mut found: Vec<u64> = positions.take_while(has_prefix).collect();
        found.sort_unstable();
        found
    }

    /// The slices at these positions, in this order.
    pub(super) fn select(&self, positions: &[u64]) -> Result<Draft> {
        let mut draft = Draft::default();
        for &position in positions {
            draft.push(self.name(position)?, self.rows(position));
        }
        draft.sorted = (0..positions.len() as u64).collect();
        draft.sorted.sort_unstable_by_key(|&k| self.name_bytes(positions[k as usize]));
        Ok(draft)
    }
}
