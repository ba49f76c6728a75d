//! The indexes of a shard: bytes ↔ where chunks lie. Pure; offsets become positions in the file.
//!
//! ```text
//! shard index      one (start, end) for each minishard: where its index lies; equal if it is empty
//! minishard index  maybe gzip: n ids, n starts, n sizes; ids and starts as differences
//! chunks           maybe gzip
//! ```
//! All numbers are little-endian and of 8 bytes; offsets count from the end of the shard index.

use std::ops::Range;

use crate::base::error::{Error, Result};
use crate::store::shard::sharded::{ChunkPlace, expect_apart};

/// Bytes of one entry of a shard index.
pub(crate) const ENTRY: u64 = 16;

/// Bytes that a minishard index has for each chunk.
pub(crate) const CHUNK: u64 = 24;

/// Where a minishard's chunks lie in their file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MinishardIndex {
    /// Ascending in id; no two ids are equal, no two ranges overlap.
    chunks: Vec<ChunkPlace>,
}

/// Reads one entry of a shard index that ends at `base`: where the index of the minishard lies, or
/// `None` if the minishard is empty.
///
/// # Errors
/// `CorruptData` if it is no range.
pub fn parse_entry(entry: [u8; 16], base: u64) -> Result<Option<Range<u64>>> {
    let both = u128::from_le_bytes(entry);
    let (start, end) = (both as u64, (both >> 64) as u64);
    match (base.checked_add(start), base.checked_add(end)) {
        _ if start == end => Ok(None),
        (Some(first), Some(last)) if start < end => Ok(Some(first..last)),
        _ => Err(Error::corrupt(format!(
            "the shard index puts a minishard index at {start} to {end} behind byte {base}"
        ))),
    }
}

impl MinishardIndex {
    /// Reads a decoded index of a shard whose own index ends at `base`.
    ///
    /// # Errors
    /// `CorruptData` if it is not a whole number of entries, leaves the range of 64 bits, names a
    /// chunk twice or lets two overlap.
    pub fn parse(bytes: &[u8], base: u64) -> Result<Self> {
        if !bytes.len().is_multiple_of(CHUNK as usize) {
            let message = format!("a minishard index of {} bytes, no multiple of {CHUNK}", bytes.len());
            return Err(Error::corrupt(message));
        }
        let (words, _) = bytes.as_chunks::<8>();
        let (ids, rest) = words.split_at(words.len() / 3);
        let (starts, sizes) = rest.split_at(ids.len());
        let (mut id, mut at) = (0u64, base);
        let mut chunks = Vec::with_capacity(ids.len());
        for ((step, gap), size) in ids.iter().zip(starts).zip(sizes) {
            id = id.wrapping_add(u64::from_le_bytes(*step));
            // The next chunk may lie before this one: the difference is then a negative number.
            let start = at.wrapping_add(u64::from_le_bytes(*gap));
            let end = start.checked_add(u64::from_le_bytes(*size)).filter(|_| start >= base);
            at = end.ok_or_else(|| Error::corrupt(format!("chunk {id} lies beyond all files")))?;
            chunks.push(ChunkPlace { id, range: start..at });
        }
        expect_apart(&mut chunks)?;
        chunks.sort_unstable_by_key(|chunk| chunk.id);
        match chunks.windows(2).find(|pair| pair[0].id == pair[1].id) {
            Some(pair) => Err(Error::corrupt(format!("chunk {} stands twice in its index", pair[0].id))),
            None => Ok(Self { chunks }),
        }
    }

    /// An index of `chunks`, ascending in id.
    pub(crate) fn new(chunks: Vec<ChunkPlace>) -> Self {
        Self { chunks }
    }

    /// Appends the index of a shard whose own index ends at `base`. Every chunk must lie behind that.
    pub fn encode(&self, base: u64, out: &mut Vec<u8>) {
        out.reserve(self.chunks.len() * CHUNK as usize);
        let (mut before, mut at) = (0u64, base);
        for chunk in &self.chunks {
            out.extend_from_slice(&chunk.id.wrapping_sub(before).to_le_bytes());
            before = chunk.id;
        }
        for chunk in &self.chunks {
            out.extend_from_slice(&chunk.range.start.wrapping_sub(at).to_le_bytes());
            at = chunk.range.end;
        }
        for chunk in &self.chunks {
            out.extend_from_slice(&(chunk.range.end - chunk.range.start).to_le_bytes());
        }
    }

    /// The chunks, ascending in id.
    pub fn chunks(&self) -> &[ChunkPlace] {
        &self.chunks
    }

    /// Where the chunk `id` lies.
    pub fn find(&self, id: u64) -> Option<Range<u64>> {
        let at = self.chunks.binary_search_by_key(&id, |chunk| chunk.id).ok()?;
        Some(self.chunks[at].range.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn chunks_may_stand_in_any_order() {
        let back = 0u64.wrapping_sub(4);
        let bytes = words(&[7, back, 5, 0, 10, 0u64.wrapping_sub(12), 10, 2, 3]);
        let index = MinishardIndex::parse(&bytes, 100).unwrap();
        let places: Vec<_> = index.chunks().iter().map(|chunk| (chunk.id, chunk.range.clone())).collect();
        assert_eq!(places, [(3, 120..122), (7, 100..110), (8, 110..113)]);
        assert_eq!(index.find(7), Some(100..110));
        assert_eq!(index.find(4), None);
    }

    #[test]
    fn impossible_places_are_corrupt() {
        let cases: &[(&[u64], &str)] = &[
            (&[1, 2], "no multiple"),
            (&[1, 0, u64::MAX], "beyond"),
            (&[1, u64::MAX, 4], "beyond"),
            (&[1, 0, 0, 3, 4, 4], "twice"),
            (&[1, 1, 0, 0u64.wrapping_sub(2), 4, 4], "overlap"),
        ];
        for (bytes, named) in cases {
            let error = MinishardIndex::parse(&words(bytes), 64).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::CorruptData);
            assert!(error.to_string().contains(named), "{error}");
        }
        let entry = |start: u64, end: u64| parse_entry(words(&[start, end]).try_into().unwrap(), 64);
        assert_eq!(entry(5, 5).unwrap(), None);
        assert_eq!(entry(5, 9).unwrap(), Some(69..73));
        assert!(entry(9, 5).is_err() && entry(0, u64::MAX).is_err());
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_parsed(
            base in 0u64..1000, sizes in prop::collection::btree_map(any::<u64>(), (0u64..99, 0u64..9), 0..20),
        ) {
            let mut at = base;
            let chunks = sizes.into_iter().map(|(id, (size, gap))| {
                let start = at + gap;
                at = start + size;
                ChunkPlace { id, range: start..at }
            });
            let index = MinishardIndex::new(chunks.collect());
            let mut bytes = Vec::new();
            index.encode(base, &mut bytes);
            prop_assert_eq!(MinishardIndex::parse(&bytes, base).unwrap(), index);
        }
    }
}
