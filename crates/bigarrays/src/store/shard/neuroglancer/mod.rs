//! Neuroglancer's sharded format, `neuroglancer_uint64_sharded_v1`: a store of chunks over a store of
//! shards.
//!
//! <https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.md>
//!
//! A shard as it is written here:
//! ```text
//! shard index │ minishard indexes │ chunks, ascending in id
//! ```
//! so that one request for the start of a file finds all that a reader needs to know, and chunks whose
//! ids are near, which are neighbours in space, lie near each other.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;
use crate::run::pool::PerProcess;
use crate::store::shard::cache::{IndexCache, Weighed};
use crate::store::shard::read::Lookups;
use crate::store::shard::survey::{Files, Looked, Surveyed};
use crate::store::shard::{self, Sharded};
use crate::store::{ChangeFn, Finding, Get, GetSink, Store, Update};

mod file;
mod index;
mod indexes;
mod spec;

pub use crate::store::shard::{ChunkPlace, INDEX_CACHE};
pub(crate) use crate::store::shard::{WAVE_BYTES, WAVE_READS};
pub use index::{MinishardIndex, parse_entry};
use indexes::{Head, Minishard};
pub(crate) use spec::TYPE;
pub use spec::{ShardHash, ShardSpec};

/// Which chunks there can be.
pub trait Members: fmt::Debug + Send + Sync {
    /// How many chunks there can be in all shards.
    fn total(&self) -> u64;

    /// How many chunks there can be in this shard; `None` if that is not easily said.
    fn of_shard(&self, shard: u64) -> Option<u64>;
}

/// A store of chunks, whose keys are their ids in decimal digits, in the shards of another store.
///
/// Values have the content encoding of the specification's `data_encoding`; those put with another
/// are converted. The version of a chunk is that of its shard. Indexes of shards are kept in memory where the inner store
/// knows versions: every read is then of the version that the index is of, or is tried again.
///
/// A shard is replaced whole by the inner store's atomic change, which reads it first unless a batch
/// replaces every chunk that the shard can have. A batch of changes holds in memory three times the
/// largest shard, or three times 64 MiB of chunks if shards are smaller.
pub struct ShardedStore {
    inner: Arc<dyn Store>,
    /// Where the inner store is, which tells the shards of children apart.
    place: Arc<str>,
    spec: ShardSpec,
    members: Arc<dyn Members>,
    shared: Arc<Shared>,
}

/// What a store shares with its children.
struct Shared {
    cache: PerProcess<IndexCache<Kept>>,
    cache_bytes: u64,
    /// Whether a `.shard` was seen: then nobody looks for the obsolete pairs.
    modern: AtomicBool,
}

impl ShardedStore {
    /// The chunks in the shards of `inner`.
    ///
    /// # Errors
    /// `InvalidArgument` if `spec` is no specification.
    pub fn new(inner: Arc<dyn Store>, spec: ShardSpec, members: Arc<dyn Members>) -> Result<Self> {
        spec.check()?;
        let shared =
            Shared { cache: PerProcess::new(), cache_bytes: INDEX_CACHE, modern: AtomicBool::new(false) };
        let place = inner.location("").into();
        Ok(Self { inner, place, spec, members, shared: Arc::new(shared) })
    }

    /// Keeps indexes of `bytes` at most, for this store and the children that it will have.
    #[must_use]
    pub fn index_cache(self, bytes: u64) -> Self {
        let shared = Shared {
            cache: PerProcess::new(),
            cache_bytes: bytes,
            modern: AtomicBool::new(self.is_modern()),
        };
        Self { shared: Arc::new(shared), ..self }
    }

    fn cache(&self) -> Result<Arc<IndexCache<Kept>>> {
        self.shared.cache.get_or_try_init(|| Ok(IndexCache::new(self.shared.cache_bytes)))
    }

    fn is_modern(&self) -> bool {
        self.shared.modern.load(Ordering::Relaxed)
    }

    /// The key of a shard's file.
    fn file_of_kind(&self, shard: u64, kind: FileKind) -> String {
        self.spec.file_stem(shard) + kind.extension()
    }

    /// Where the chunk `id` is, for messages.
    fn location_of(&self, id: u64) -> String {
        let shard = self.file_of_kind(self.spec.place(id).0, FileKind::Shard);
        format!("{} chunk {id}", self.inner.location(&shard))
    }

    fn id(&self, key: &str) -> Result<u64> {
        let id = key.parse().ok().filter(|id: &u64| id.to_string() == key);
        id.ok_or_else(|| {
            let message = "the key of a sharded chunk is its id, a number of 64 bits";
            Error::invalid(message).during("resolving").at(format!("{key:?}"))
        })
    }
}

/// A file of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FileKind {
    Shard,
    /// The shard index of the obsolete pair.
    Index,
    /// All else of the obsolete pair.
    Data,
}

impl FileKind {
    fn extension(self) -> &'static str {
        match self {
            Self::Shard => ".shard",
            Self::Index => ".index",
            Self::Data => ".data",
        }
    }
}

/// An index that is kept.
#[derive(Clone)]
enum Kept {
    Head(Arc<Head>),
    Minishard(Arc<Minishard>),
}

impl Weighed for Kept {
    fn byte_len(&self) -> u64 {
        match self {
            Self::Head(head) => head.byte_len(),
            Self::Minishard(minishard) => minishard.byte_len(),
        }
    }

    fn version(&self) -> Option<&str> {
        match self {
            Self::Head(head) => head.version.as_deref(),
            Self::Minishard(minishard) => minishard.version.as_deref(),
        }
    }
}

impl ShardedStore {
    fn kept_head(&self, cache: &IndexCache<Kept>, shard: u64) -> Option<Arc<Head>> {
        match cache.get(&self.place, shard, None)? {
            Kept::Head(head) => Some(head),
            Kept::Minishard(_) => None,
        }
    }

    fn kept_minishard(&self, cache: &IndexCache<Kept>, shard: u64, number: u64) -> Option<Arc<Minishard>> {
        match cache.get(&self.place, shard, Some(number))? {
            Kept::Minishard(minishard) => Some(minishard),
            Kept::Head(_) => None,
        }
    }
}

impl Sharded for ShardedStore {
    type Index = Minishard;

    fn inner(&self) -> &dyn Store {
        &*self.inner
    }

    fn encoding(&self) -> ContentEncoding {
        self.spec.data_encoding
    }

    fn place(&self, key: &str) -> Result<(u64, (u64, u64))> {
        let id = self.id(key)?;
        Ok((id, self.spec.place(id)))
    }

    fn file(&self, shard: u64) -> String {
        self.file_of_kind(shard, FileKind::Shard)
    }

    fn file_of(&self, shard: u64, index: &Minishard) -> String {
        self.file_of_kind(shard, index.file)
    }

    fn members(&self, shard: u64) -> Option<u64> {
        self.members.of_shard(shard)
    }

    fn look_up(&self, wanted: &BTreeSet<(u64, u64)>) -> Result<Lookups<Minishard>> {
        indexes::look_up(self, wanted)
    }

    fn forget(&self, shard: u64) -> Result<()> {
        self.cache().map(|cache| cache.forget(&self.place, shard))
    }

    fn before_change(&self, shards: &mut dyn Iterator<Item = u64>) -> Result<()> {
        file::refuse_obsolete(self, shards)
    }

    fn parse(&self, shard: u64, bytes: &[u8]) -> Result<Vec<ChunkPlace>> {
        file::parse_shard(self, shard, bytes)
    }

    fn encode(&self, chunks: BTreeMap<u64, Cow<'_, [u8]>>, new: &mut Vec<u8>) -> Result<()> {
        file::encode_shard(self, chunks, new)
    }
}

impl Surveyed for ShardedStore {
    fn shard_of(&self, key: &str) -> Option<(u64, usize)> {
        let kinds = [FileKind::Shard, FileKind::Index, FileKind::Data].into_iter().enumerate();
        let stem = |kind: FileKind| key.strip_suffix(kind.extension());
        kinds.into_iter().find_map(|(file, kind)| Some((self.spec.shard_of_stem(stem(kind)?)?, file)))
    }

    fn look_at(&self, shard: u64, files: &Files) -> Result<Looked> {
        indexes::look_at(self, shard, files)
    }

    fn key_of(&self, _: u64, id: u64) -> Option<String> {
        Some(id.to_string())
    }
}

impl Store for ShardedStore {
    fn location(&self, key: &str) -> String {
        match self.id(key) {
            Ok(id) => self.location_of(id),
            Err(_) => self.inner.location(key),
        }
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        let inner = self.inner.child(path)?;
        let (members, shared) = (Arc::clone(&self.members), Arc::clone(&self.shared));
        Ok(Arc::new(Self { place: inner.location("").into(), inner, spec: self.spec, members, shared }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        shard::read::get_many(self, requests, sink)
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        shard::write::update_many(self, requests, change)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        let mut shards = Vec::new();
        self.inner.list("", &mut |key, _| {
            let stem = key.strip_suffix(".shard").or_else(|| key.strip_suffix(".index"));
            shards.extend(stem.and_then(|stem| self.spec.shard_of_stem(stem)));
            Ok(())
        })?;
        shards.sort_unstable();
        shards.dedup();
        shards.into_iter().try_for_each(|shard| {
            indexes::all_chunks(self, shard, &mut |chunk| {
                let key = chunk.id.to_string();
                if key.starts_with(prefix) {
                    found(&key, chunk.range.end - chunk.range.start)
                } else {
                    Ok(())
                }
            })
        })
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
        f.debug_struct("ShardedStore").field("inner", &self.inner).field("spec", &self.spec).finish()
    }
}

#[cfg(test)]
mod tests;
