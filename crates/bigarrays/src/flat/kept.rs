//! A table of slices in memory that processes share, without a name in any file system.
//!
//! ```text
//! "bigarrays slices" │ count │ arrays │ bytes of names │ bytes of metadata     numbers are u64, little-endian
//! first row, one after the last     of each slice in each array
//! end of its name                   of each slice
//! position                          in the order of names
//! end of its metadata               of each slice; missing if none has any
//! names, one after the other
//! metadata, one after the other
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
const HEAD: usize = 48;

#[derive(Debug)]
pub(super) struct Table {
    map: MmapRaw,
    file: File,
    count: usize,
    arrays: usize,
    names: usize,
    metadata: usize,
}

/// What a table is made of.
pub(super) struct Draft {
    arrays: usize,
    /// Of each slice in each array.
    rows: Vec<Range<u64>>,
    ends: Vec<u64>,
    names: Vec<u8>,
    /// Positions in the order of names.
    sorted: Vec<u64>,
    metadata_ends: Vec<u64>,
    metadata: Vec<u8>,
}

impl Draft {
    /// One of slices in so many arrays.
    pub(super) fn new(arrays: usize) -> Self {
        let (rows, ends, names, sorted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { arrays, rows, ends, names, sorted, metadata_ends: Vec::new(), metadata: Vec::new() }
    }

    /// Adds a slice with its rows in each array, and what is kept beside its name.
    pub(super) fn push<'a>(
        &mut self,
        name: &str,
        rows: impl Iterator<Item = &'a Range<u64>>,
        metadata: &[u8],
    ) {
        self.names.extend_from_slice(name.as_bytes());
        self.ends.push(self.names.len() as u64);
        self.rows.extend(rows.cloned());
        self.metadata.extend_from_slice(metadata);
        self.metadata_ends.push(self.metadata.len() as u64);
    }

    /// The next position in the order of names.
    pub(super) fn push_sorted(&mut self, position: u64) {
        self.sorted.push(position);
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The last row that a slice has in an array.
    pub(super) fn end(&self, array: usize) -> u64 {
        self.rows.iter().skip(array).step_by(self.arrays).map(|rows| rows.end).max().unwrap_or(0)
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
        let head = [self.ends.len(), self.arrays, self.names.len(), self.metadata.len()].map(|n| n as u64);
        let metadata_ends = if self.metadata.is_empty() { Vec::new() } else { self.metadata_ends };
        for word in head.into_iter().chain(rows).chain(self.ends).chain(self.sorted).chain(metadata_ends) {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&self.names)?;
        out.write_all(&self.metadata)?;
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
        let mut table = Self { map, file, count: 0, arrays: 0, names: 0, metadata: 0 };
        if !(table.bytes().starts_with(MAGIC) && table.bytes().len() >= HEAD) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let size = |k: usize| table.word(MAGIC.len() + k * 8) as usize;
        let [count, arrays, names, metadata] = [0, 1, 2, 3].map(size);
        (table.count, table.arrays, table.names, table.metadata) = (count, arrays, names, metadata);
        let words = arrays.checked_mul(2).and_then(|rows| rows.checked_add(2 + usize::from(metadata > 0)));
        let wanted = words
            .and_then(|words| words.checked_mul(8)?.checked_mul(count))
            .and_then(|each| each.checked_add(names)?.checked_add(metadata)?.checked_add(HEAD));
        if wanted == Some(table.bytes().len()) && arrays > 0 {
            Ok(table)
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
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

    /// In how many arrays slices have rows.
    pub(super) fn arrays(&self) -> usize {
        self.arrays
    }

    /// The rows of the slice at a position that there is, in an array that there is.
    pub(super) fn rows(&self, position: u64, array: usize) -> Range<u64> {
        let at = HEAD + (position as usize * self.arrays + array) * 16;
        self.word(at)..self.word(at + 8)
    }

    /// Where the ends of names begin, and what follows them.
    fn ends(&self) -> usize {
        HEAD + self.count * self.arrays * 16
    }

    /// One of the texts, of which all are `bytes`, whose ends are noted from `ends` on.
    fn text<'a>(&self, bytes: &'a [u8], ends: usize, position: u64) -> &'a [u8] {
        let at = |position: usize| self.word(ends + position * 8) as usize;
        let start = (position as usize).checked_sub(1).map_or(0, at);
        bytes.get(start..at(position as usize)).unwrap_or_default()
    }

    fn name_bytes(&self, position: u64) -> &[u8] {
        let names = &self.bytes()[self.bytes().len() - self.metadata - self.names..];
        self.text(&names[..self.names], self.ends(), position)
    }

    fn metadata_bytes(&self, position: u64) -> &[u8] {
        if self.metadata == 0 {
            return &[];
        }
        let all = &self.bytes()[self.bytes().len() - self.metadata..];
        self.text(all, self.ends() + self.count * 16, position)
    }

    /// What is kept beside its name.
    pub(super) fn metadata(&self, position: u64) -> Result<Option<&str>> {
        let json = std::str::from_utf8(self.metadata_bytes(position)).map_err(|_| damaged())?;
        Ok(Some(json).filter(|json| !json.is_empty()))
    }

    /// Its name.
    pub(super) fn name(&self, position: u64) -> Result<&str> {
        std::str::from_utf8(self.name_bytes(position)).map_err(|_| damaged())
    }

    /// The position that comes so many-th in the order of names.
    fn sorted(&self, k: usize) -> u64 {
        self.word(self.ends() + (self.count + k) * 8)
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
        let mut draft = Draft::new(self.arrays);
        for &position in positions {
            let rows: Vec<Range<u64>> = (0..self.arrays).map(|array| self.rows(position, array)).collect();
            draft.push(self.name(position)?, rows.iter(), self.metadata_bytes(position));
        }
        draft.sorted = (0..positions.len() as u64).collect();
        draft.sorted.sort_unstable_by_key(|&k| self.name_bytes(positions[k as usize]));
        Ok(draft)
    }
}
