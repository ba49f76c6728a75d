//! The store of chunks in Zarr's shards.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use super::grid::ShardGrid;
use super::index::{ENTRY, ShardIndex};
use super::keys::{GridKeys, PlaceKeys};
use crate::base::dims::Dims;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::chunk::codec::ContentEncoding;
use crate::chunk::curve::{ChunkOrder, Curve};
use crate::run::pool::PerProcess;
use crate::store::shard;
use crate::store::shard::cache::IndexCache;
use crate::store::shard::read::parts;
use crate::store::shard::sharded::{ChunkPlace, INDEX_CACHE, Lookup, Lookups, Sharded};
use crate::store::shard::survey::{Files, Looked, Surveyed};
use crate::store::{ChangeFn, Finding, Get, GetSink, Part, Store, Update, Wanted};

/// A store of chunks, whose keys are those of [`PlaceKeys`], in the shards of another store.
///
/// The version of a chunk is that of its shard. Indexes of shards are kept in memory where the inner store knows versions.
/// Shards are changed as [`neuroglancer`](crate::store::shard::neuroglancer) does it, within the same
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
            read.locked().push((shards[k], index));
            Ok(())
        })?;
        Ok(read.into_value())
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
        looked.unused = looked.beside_chunks(bytes.saturating_sub(index));
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

    fn tidy(&self, folder: &str) {
        self.inner.tidy(folder);
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
    use crate::store::shard::zarr::index::{IndexSpec, MISSING};

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
