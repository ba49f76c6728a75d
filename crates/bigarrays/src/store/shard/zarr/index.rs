//! The index of a shard: where each chunk lies that the shard can hold.

use std::ops::Range;
use std::sync::Arc;

use crate::base::error::{Error, Result};
use crate::store::shard::cache::Weighed;
use crate::store::shard::sharded::{ChunkPlace, Places, expect_apart};

/// Bytes of an entry of the index: where a chunk begins, and its length.
pub(super) const ENTRY: usize = 16;

/// Bytes of the checksum of an index.
const CHECKSUM: usize = 4;

/// What both numbers are of a chunk that is not there.
pub(super) const MISSING: u64 = u64::MAX;

/// How the index of a shard is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexSpec {
    /// Whether it is at the end of the shard, or else at the start.
    pub at_end: bool,
    /// The byte order of its numbers.
    pub big_endian: bool,
    /// Whether a CRC of Castagnoli follows.
    pub checksum: bool,
}

impl IndexSpec {
    /// Bytes of the index of so many chunks.
    pub(crate) fn len(self, chunks: u64) -> usize {
        (chunks as usize).saturating_mul(ENTRY) + if self.checksum { CHECKSUM } else { 0 }
    }
}

/// Where the chunks of a shard lie.
#[derive(Debug)]
pub struct ShardIndex {
    /// The version of the shard, if its store knows versions.
    pub(super) version: Option<String>,
    /// Begin and length of each chunk.
    pub(super) entries: Vec<(u64, u64)>,
}

impl ShardIndex {
    /// Reads the index of a shard that can hold `chunks` chunks.
    ///
    /// # Errors
    /// `CorruptData` if the checksum is another, chunks leave the range of 64 bits, or two overlap.
    pub fn parse(bytes: &[u8], spec: IndexSpec, chunks: u64) -> Result<Self> {
        let expected = spec.len(chunks);
        if bytes.len() != expected {
            return Err(Error::corrupt(format!(
                "a shard of {} bytes, less than its index of {expected}",
                bytes.len()
            )));
        }
        let (entries, checksum) = bytes.split_at(chunks as usize * ENTRY);
        if spec.checksum && checksum != crc32c::crc32c(entries).to_le_bytes() {
            return Err(Error::corrupt("the crc32c of the index of the shard is another"));
        }
        let number = |word: &[u8; 8]| match spec.big_endian {
            true => u64::from_be_bytes(*word),
            false => u64::from_le_bytes(*word),
        };
        let words = entries.as_chunks::<8>().0;
        let entries = words.as_chunks::<2>().0.iter().map(|[start, length]| (number(start), number(length)));
        let index = Self { version: None, entries: entries.collect() };
        expect_apart(&mut index.chunks()?)?;
        Ok(index)
    }

    /// Where each chunk lies that is there.
    pub(super) fn chunks(&self) -> Result<Vec<ChunkPlace>> {
        let entries = self.entries.iter().enumerate().filter(|(_, entry)| **entry != (MISSING, MISSING));
        let place = |(slot, &(start, length)): (usize, &(u64, u64))| match start.checked_add(length) {
            Some(end) => Ok(ChunkPlace { id: slot as u64, range: start..end }),
            None => Err(Error::corrupt(format!("chunk {slot} of the shard lies beyond all files"))),
        };
        entries.map(place).collect()
    }
}

impl Places for ShardIndex {
    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn find(&self, id: u64) -> Option<Range<u64>> {
        let (start, length) = *self.entries.get(usize::try_from(id).ok()?)?;
        // Ends were checked.
        (start != MISSING).then(|| start..start.saturating_add(length))
    }
}

impl Weighed for Arc<ShardIndex> {
    fn byte_len(&self) -> u64 {
        size_of_val(&*self.entries) as u64
    }

    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}
