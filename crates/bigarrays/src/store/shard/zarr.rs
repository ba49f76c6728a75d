//! Zarr's `sharding_indexed`: a store of chunks over a store of shards, which may be one of these, too.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html>
//!
//! A shard has an index of all chunks that it can hold, at its start or at its end, and behind or before
//! that the chunks, in any order, of which metadata of Zarr know nothing: it matters to writers alone.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::dims::Dims;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::chunk::curve::{ChunkOrder, Curve};
use crate::chunk::grid::ChunkGrid;
use crate::chunk::keys::KeyEncoding;
use crate::run::pool::PerProcess;
use crate::store::shard::cache::{IndexCache, Weighed};
use crate::store::shard::read::{Lookups, parts};
use crate::store::shard::survey::{Files, Looked, Surveyed};
use crate::store::shard::{self, ChunkPlace, INDEX_CACHE, Lookup, Places, Sharded, expect_apart};
use crate::store::{ChangeFn, Finding, Get, GetSink, Part, Store, Update, Wanted};

/// Bytes of an entry of the index: where a chunk begins, and its length.
const ENTRY: usize = 16;

/// Bytes of the checksum of an index.
const CHECKSUM: usize = 4;

/// What both numbers are of a chunk that is not there.
const MISSING: u64 = u64::MAX;

/// The most chunks that a shard can hold: an index of 64 MiB.
const MOST_CHUNKS: u64 = 4 << 20;

/// The keys of shards, or of chunks, by their place in the grid.
pub trait GridKeys: fmt::Debug + Send + Sync {
    /// The key of what is at `index`.
    fn key_of(&self, index: &[u64]) -> String;

    /// The place of what has this key, in a grid of `ndim` axes.
    fn parse(&self, key: &str, ndim: usize) -> Option<Dims<u64>>;
}

/// Keys of chunks in shards: the numbers of their place in the grid of the array, with `/` between.
#[derive(Clone, Copy, Debug)]
pub struct PlaceKeys;

impl GridKeys for PlaceKeys {
    fn key_of(&self, index: &[u64]) -> String {
        match index {
            [] => "0".to_owned(),
            _ => index.iter().map(u64::to_string).collect::<Vec<_>>().join("/"),
        }
    }

    fn parse(&self, key: &str, ndim: usize) -> Option<Dims<u64>> {
        let numbers = key.split('/').map(|number| number.parse().ok());
        let index = if ndim == 0 { Dims::new() } else { numbers.collect::<Option<Dims<u64>>>()? };
        (index.len() == ndim && self.key_of(&index) == key).then_some(index)
    }
}

impl KeyEncoding for PlaceKeys {
    fn key(&self, _: &ChunkGrid, index: &[u64]) -> String {
        self.key_of(index)
    }

    fn place(&self, grid: &ChunkGrid, key: &str) -> Option<Dims<u64>> {
        self.parse(key, grid.domain().ndim())
    }
}

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

/// What shards are made of.
#[derive(Clone, Debug)]
pub struct ShardGrid {
    /// Chunks along each axis of the array.
    pub chunks: Dims<u64>,
    /// Chunks along each axis of a shard.
    pub per_shard: Dims<u64>,
    /// The axes of the array in the order in which a shard has them.
    pub axes: Dims<usize>,
    /// The order in which a shard's chunks are written.
    pub order: ChunkOrder,
    /// The index of each shard.
    pub index: IndexSpec,
    /// The keys of shards.
    pub keys: Arc<dyn GridKeys>,
}

impl ShardGrid {
    /// Shards along each axis.
    fn shards(&self) -> impl Iterator<Item = u64> + '_ {
        self.chunks.iter().zip(&self.per_shard).map(|(&chunks, &per_shard)| chunks.div_ceil(per_shard))
    }

    /// How many chunks a shard can hold.
    fn slots(&self) -> u64 {
        self.per_shard.iter().product()
    }

    fn check(&self) -> Result<()> {
        fn product(mut numbers: impl Iterator<Item = u64>) -> Option<u64> {
            numbers.try_fold(1u64, |product, number| product.checked_mul(number))
        }
        let slots = product(self.per_shard.iter().copied());
        let mut axes = self.axes.clone();
        axes.sort_unstable();
        let fits = self.per_shard.len() == self.chunks.len() && axes.into_iter().eq(0..self.chunks.len());
        match (slots, product(self.shards())) {
            (Some(1..=MOST_CHUNKS), Some(_)) if fits => Ok(()),
            _ => Err(Error::unsupported(format!(
                "shards of {:?} chunks, of which there are {:?}: at most {MOST_CHUNKS} in a shard, and 2^64 shards",
                self.per_shard, self.chunks
            ))),
        }
    }

    /// The shard of a chunk, and its place there; both numbered in C order, of the shard's axes there.
    fn place(&self, index: &[u64]) -> (u64, u64) {
        let place = |axis: usize| (index[axis] / self.per_shard[axis], index[axis] % self.per_shard[axis]);
        let shard = self.shards().enumerate().fold(0, |shard, (axis, shards)| shard * shards + place(axis).0);
        let slot = self.axes.iter().fold(0, |slot, &axis| slot * self.per_shard[axis] + place(axis).1);
        (shard, slot)
    }

    /// The place in its shard of the chunk of this number, along the shard's axes.
    fn in_shard(&self, mut slot: u64) -> Dims<u64> {
        let mut place: Dims<u64> = Dims::from_elem(0, self.axes.len());
        for (at, &axis) in place.iter_mut().zip(&self.axes).rev() {
            *at = slot % self.per_shard[axis];
            slot /= self.per_shard[axis];
        }
        place
    }

    /// The order of the chunks of a shard.
    fn curve(&self) -> Result<Curve> {
        let shape: Dims<u64> = self.axes.iter().map(|&axis| self.per_shard[axis]).collect();
        Curve::new(self.order, &shape)
    }

    /// The place in the grid of the shard of this number.
    fn shard_index(&self, mut shard: u64) -> Dims<u64> {
        let shards: Dims<u64> = self.shards().collect();
        let mut index: Dims<u64> = Dims::from_elem(0, shards.len());
        for axis in (0..shards.len()).rev() {
            index[axis] = shard % shards[axis].max(1);
            shard /= shards[axis].max(1);
        }
        index
    }

    /// The place in the grid of a chunk.
    fn chunk_index(&self, shard: &[u64], slot: u64) -> Dims<u64> {
        let mut index: Dims<u64> = shard.into();
        for (at, &axis) in self.in_shard(slot).into_iter().zip(&self.axes) {
            index[axis] = index[axis].saturating_mul(self.per_shard[axis]).saturating_add(at);
        }
        index
    }

    /// How many chunks of the array a shard holds.
    fn members(&self, shard: u64) -> u64 {
        let index = self.shard_index(shard);
        let count = |axis: usize| {
            let first = index[axis] * self.per_shard[axis];
            self.chunks[axis].saturating_sub(first).min(self.per_shard[axis])
        };
        (0..index.len()).map(count).product()
    }
}

/// Where the chunks of a shard lie.
#[derive(Debug)]
pub struct ShardIndex {
    /// The version of the shard, if its store knows versions.
    version: Option<String>,
    /// Begin and length of each chunk.
    entries: Vec<(u64, u64)>,
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
    fn chunks(&self) -> Result<Vec<ChunkPlace>> {
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

/// A store of chunks, whose keys are those of [`PlaceKeys`], in the shards of another store.
///
/// The version of a chunk is that of its shard. Indexes of shards are kept in memory where the inner store knows versions.
/// Shards are changed as [`shard_neuroglancer`](crate::store::shard::neuroglancer) does it, within the same
/// bounds of memory.
pub struct ShardedStore {
    inner: Arc<dyn Store>,
    /// Where the inner store is, which tells the shards of children apart.
    place: Arc<str>,
    grid: ShardGrid,
    curve: Curve,
    cache: Arc<PerProcess<IndexCache<Arc<ShardIndex>>>>,
}

impl ShardedStore {
    /// The chunks in the shards of `inner`.
    ///
    /// # Errors
    /// `Unsupported` if there are too many.
    pub fn new(inner: Arc<dyn Store>, grid: ShardGrid) -> Result<Self> {
        grid.check()?;
        let curve = grid.curve()?;
        Ok(Self { place: inner.location("").into(), inner, grid, curve, cache: Arc::new(PerProcess::new()) })
    }

    fn cache(&self) -> Result<Arc<IndexCache<Arc<ShardIndex>>>> {
        self.cache.get_or_try_init(|| Ok(IndexCache::new(INDEX_CACHE)))
    }

    fn index(&self, key: &str) -> Result<Dims<u64>> {
        let index = PlaceKeys.parse(key, self.grid.chunks.len());
        let index = index.filter(|index| index.iter().zip(&self.grid.chunks).all(|(at, count)| at < count));
        index.ok_or_else(|| {
            let message = "the key of a sharded chunk is its place in the grid, within the array";
            Error::invalid(message).during("resolving").at(format!("{key:?}"))
        })
    }

    fn parse_index(&self, bytes: &[u8]) -> Result<ShardIndex> {
        ShardIndex::parse(bytes, self.grid.index, self.grid.slots())
    }

    /// Reads the indexes of shards; `None` for those that are missing.
    fn fetch(&self, shards: &[u64]) -> Result<Vec<(u64, Option<ShardIndex>)>> {
        let length = self.grid.index.len(self.grid.slots()) as u64;
        let part = if self.grid.index.at_end { Part::Last(length) } else { Part::First(length) };
        let get =
            |&shard| Get { version: Wanted::Named, ..Get::new(self.file(shard), part.clone(), u64::MAX) };
        let gets: Vec<Get> = shards.iter().map(get).collect();
        let read = Mutex::new(Vec::with_capacity(shards.len()));
        self.inner.get_many(&gets, &|k, blob| {
            let parse = |blob: crate::store::Blob<'_>| {
                let bytes = parts(&blob)?.ok_or_else(|| Error::corrupt("no bytes of a shard"))?;
                Ok(ShardIndex { version: blob.version.map(str::to_owned), ..self.parse_index(bytes)? })
            };
            let located =
                |error: Error| error.during("reading the index of").at(self.inner.location(&gets[k].key));
            let index = blob.map(parse).transpose().map_err(located)?;
            read.lock().unwrap_or_else(PoisonError::into_inner).push((shards[k], index));
            Ok(())
        })?;
        Ok(read.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sharded for ShardedStore {
    type Index = ShardIndex;

    fn inner(&self) -> &dyn Store {
        &*self.inner
    }

    fn encoding(&self) -> ContentEncoding {
        ContentEncoding::Identity
    }

    fn place(&self, key: &str) -> Result<(u64, (u64, u64))> {
        let (shard, slot) = self.grid.place(&self.index(key)?);
        Ok((slot, (shard, 0)))
    }

    fn file(&self, shard: u64) -> String {
        self.grid.keys.key_of(&self.grid.shard_index(shard))
    }

    fn file_of(&self, shard: u64, _: &ShardIndex) -> String {
        self.file(shard)
    }

    fn members(&self, shard: u64) -> Option<u64> {
        Some(self.grid.members(shard))
    }

    fn look_up(&self, wanted: &BTreeSet<(u64, u64)>) -> Result<Lookups<ShardIndex>> {
        let (cache, mut lookups, mut missing) = (self.cache()?, Lookups::default(), Vec::new());
        for &place in wanted {
            match cache.get(&self.place, place.0, None) {
                Some(minishard) => drop(lookups.insert(place, Lookup::Found { minishard, is_fresh: false })),
                None => missing.push(place.0),
            }
        }
        for (shard, index) in self.fetch(&missing)? {
            let lookup = match index.map(Arc::new) {
                None => Lookup::Absent,
                Some(minishard) => {
                    if minishard.version.is_some() {
                        cache.keep(&self.place, shard, None, Arc::clone(&minishard));
                    }
                    Lookup::Found { minishard, is_fresh: true }
                }
            };
            lookups.insert((shard, 0), lookup);
        }
        Ok(lookups)
    }

    fn forget(&self, shard: u64) -> Result<()> {
        self.cache().map(|cache| cache.forget(&self.place, shard))
    }

    fn before_change(&self, _: &mut dyn Iterator<Item = u64>) -> Result<()> {
        Ok(())
    }

    fn parse(&self, _: u64, bytes: &[u8]) -> Result<Vec<ChunkPlace>> {
        let length = self.grid.index.len(self.grid.slots()).min(bytes.len());
        let at = if self.grid.index.at_end { bytes.len() - length } else { 0 };
        let chunks = self.parse_index(&bytes[at..at + length])?.chunks()?;
        match chunks.iter().find(|chunk| chunk.range.end > bytes.len() as u64) {
            None => Ok(chunks),
            Some(chunk) => Err(Error::corrupt(format!(
                "bytes {:?} are wanted of a shard of {}",
                chunk.range,
                bytes.len()
            ))),
        }
    }

    fn encode(&self, chunks: BTreeMap<u64, Cow<'_, [u8]>>, new: &mut Vec<u8>) -> Result<()> {
        let spec = self.grid.index;
        let length = spec.len(self.grid.slots());
        let total = chunks.values().fold(length, |sum, chunk| sum.saturating_add(chunk.len()));
        new.try_reserve_exact(total).map_err(|_| {
            Error::new(ErrorKind::MemoryBudget, format!("a shard of {total} bytes does not fit into memory"))
        })?;
        let mut chunks: Vec<(u64, Cow<'_, [u8]>)> = chunks.into_iter().collect();
        if self.grid.order != ChunkOrder::C {
            chunks.sort_by_cached_key(|(slot, _)| self.curve.rank(&self.grid.in_shard(*slot)));
        }
        let mut index = vec![0xff; self.grid.slots() as usize * ENTRY];
        let mut at = if spec.at_end { 0 } else { length as u64 };
        for (slot, chunk) in &chunks {
            let words = [at, chunk.len() as u64];
            let words =
                words.map(|word| if spec.big_endian { word.to_be_bytes() } else { word.to_le_bytes() });
            index[*slot as usize * ENTRY..][..ENTRY].copy_from_slice(words.as_flattened());
            at += chunk.len() as u64;
        }
        if spec.checksum {
            index.extend_from_slice(&crc32c::crc32c(&index).to_le_bytes());
        }
        if !spec.at_end {
            new.extend_from_slice(&index);
        }
        chunks.into_iter().for_each(|(_, chunk)| new.extend_from_slice(&chunk));
        if spec.at_end {
            new.extend_from_slice(&index);
        }
        Ok(())
    }
}

impl Surveyed for ShardedStore {
    fn shard_of(&self, key: &str) -> Option<(u64, usize)> {
        let index = self.grid.keys.parse(key, self.grid.chunks.len())?;
        let is_inside = index.iter().zip(self.grid.shards()).all(|(&at, count)| at < count);
        is_inside.then(|| (self.grid.place(&self.grid.chunk_index(&index, 0)).0, 0))
    }

    fn look_at(&self, shard: u64, files: &Files) -> Result<Looked> {
        let mut looked = Looked::default();
        match self.fetch(&[shard]).and_then(|mut found| {
            found.pop().and_then(|(_, index)| index).map(|index| index.chunks()).transpose()
        }) {
            Ok(chunks) => looked.chunks = chunks.unwrap_or_default(),
            Err(error) => looked.note(error)?,
        }
        let (bytes, index) = (files[0].unwrap_or(0), self.grid.index.len(self.grid.slots()) as u64);
        looked.check_places(bytes)?;
        let own = if self.grid.index.at_end { bytes.saturating_sub(index)..bytes } else { 0..index };
        let meets = |chunk: &&ChunkPlace| {
            !chunk.range.is_empty() && chunk.range.start < own.end && own.start < chunk.range.end
        };
        if let Some(chunk) = looked.chunks.iter().find(meets).filter(|chunk| chunk.range.end <= bytes) {
            looked
                .damage
                .push(Error::corrupt(format!("chunk {} overlaps with the index of its shard", chunk.id)));
        }
        Ok(looked)
    }

    fn key_of(&self, shard: u64, id: u64) -> Option<String> {
        let place = self.grid.chunk_index(&self.grid.shard_index(shard), id);
        // What pads the last shards is not of the array.
        let is_inside = place.iter().zip(&self.grid.chunks).all(|(at, count)| at < count);
        is_inside.then(|| PlaceKeys.key_of(&place))
    }
}

impl Store for ShardedStore {
    fn location(&self, key: &str) -> String {
        match self.index(key) {
            Ok(index) => {
                let shard = self.inner.location(&self.file(self.grid.place(&index).0));
                format!("{shard} chunk {key}")
            }
            Err(_) => self.inner.location(key),
        }
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        let inner = self.inner.child(path)?;
        let (grid, curve, cache) = (self.grid.clone(), self.curve.clone(), Arc::clone(&self.cache));
        Ok(Arc::new(Self { place: inner.location("").into(), inner, grid, curve, cache }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        shard::read::get_many(self, requests, sink)
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        shard::write::update_many(self, requests, change)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        let mut shards = BTreeSet::new();
        self.inner.list("", &mut |key, _| {
            shards.extend(self.shard_of(key).map(|(shard, _)| shard));
            Ok(())
        })?;
        for shard in shards {
            for (_, index) in self.fetch(&[shard])? {
                let chunks = index.map(|index| index.chunks()).transpose()?.unwrap_or_default();
                for chunk in chunks {
                    match self.key_of(shard, chunk.id).filter(|key| key.starts_with(prefix)) {
                        Some(key) => found(&key, chunk.range.end - chunk.range.start)?,
                        None => continue,
                    }
                }
            }
        }
        Ok(())
    }

    fn survey(&self, found: &mut dyn FnMut(Finding<'_>) -> Result<()>) -> Result<()> {
        shard::survey::survey(self, found)
    }

    fn request_cost(&self) -> u64 {
        self.inner.request_cost()
    }

    fn tidy(&self) {
        self.inner.tidy();
    }
}

impl fmt::Debug for ShardedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardedStore").field("inner", &self.inner).field("grid", &self.grid).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    const END: IndexSpec = IndexSpec { at_end: true, big_endian: false, checksum: true };

    fn store(inner: &Arc<MemoryStore>, index: IndexSpec) -> ShardedStore {
        let of = |numbers: &[u64]| Dims::from_slice(numbers);
        let grid = ShardGrid {
            chunks: of(&[5, 3]),
            per_shard: of(&[2, 2]),
            axes: [0, 1].into_iter().collect(),
            order: ChunkOrder::C,
            index,
            keys: Arc::new(PlaceKeys),
        };
        ShardedStore::new(Arc::<MemoryStore>::clone(inner), grid).unwrap()
    }

    #[test]
    fn chunks_come_back_and_shards_without_chunks_vanish() {
        for at_end in [false, true] {
            for (big_endian, checksum) in [(false, true), (true, false)] {
                let inner = Arc::new(MemoryStore::new());
                let store = store(&inner, IndexSpec { at_end, big_endian, checksum });
                let store: &dyn Store = &store;
                for (key, value) in [("0/1", b"one"), ("1/0", b"two"), ("4/2", b"six")] {
                    store.write(key, value).unwrap();
                }
                assert_eq!(store.read("1/0").unwrap().unwrap(), b"two");
                assert_eq!(store.read("0/0").unwrap(), None);
                assert!(store.write("5/0", b"").is_err() && store.write("0/01", b"").is_err());
                let mut keys = Vec::new();
                store
                    .list("", &mut |key, size| {
                        keys.push((key.to_owned(), size));
                        Ok(())
                    })
                    .unwrap();
                assert_eq!(keys, [("0/1".into(), 3), ("1/0".into(), 3), ("4/2".into(), 3)]);
                store.delete("4/2").unwrap();
                assert!(!(&*inner as &dyn Store).exists("2/1").unwrap());
            }
        }
    }

    #[test]
    fn damaged_indexes_are_errors() {
        let inner = Arc::new(MemoryStore::new());
        let sharded = store(&inner, END);
        (&sharded as &dyn Store).write("0/0", b"value").unwrap();
        let shard = (&*inner as &dyn Store).read("0/0").unwrap().unwrap();
        assert_eq!(shard.len(), 5 + 4 * 16 + 4);
        let index = &shard[5..];
        assert!(ShardIndex::parse(index, END, 4).is_ok());
        assert!(ShardIndex::parse(&index[1..], END, 4).is_err());
        for at in 0..index.len() {
            let mut damaged = index.to_vec();
            damaged[at] ^= 1;
            assert!(ShardIndex::parse(&damaged, END, 4).is_err(), "byte {at}");
        }
        let plain = IndexSpec { checksum: false, ..END };
        let words = |words: [u64; 4]| words.into_iter().flat_map(u64::to_le_bytes).collect::<Vec<u8>>();
        for entries in [[u64::MAX - 1, 2, 0, 1], [0, 5, 4, 5], [3, MISSING, 0, 1]] {
            assert!(ShardIndex::parse(&words(entries), plain, 2).is_err(), "{entries:?}");
        }
        for length in 0..shard.len() {
            (&*inner as &dyn Store).write("0/0", &shard[..length]).unwrap();
            assert!((&sharded as &dyn Store).read("0/0").is_err());
            assert!((&sharded as &dyn Store).write("0/1", b"x").is_err());
        }
    }
}
