//! The store of chunks in Neuroglancer's shards: what it is made of.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::kept::{FileKind, Head, Kept, Minishard};
use super::spec::ShardSpec;
use crate::base::error::{Error, Result};
use crate::run::pool::PerProcess;
use crate::store::Store;
use crate::store::shard::cache::IndexCache;
use crate::store::shard::sharded::INDEX_CACHE;

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
    pub(super) inner: Arc<dyn Store>,
    /// Where the inner store is, which tells the shards of children apart.
    pub(super) place: Arc<str>,
    pub(super) spec: ShardSpec,
    pub(super) members: Arc<dyn Members>,
    pub(super) shared: Arc<Shared>,
}

/// What a store shares with its children.
pub(super) struct Shared {
    pub(super) cache: PerProcess<IndexCache<Kept>>,
    pub(super) cache_bytes: u64,
    /// Whether a `.shard` was seen: then nobody looks for the obsolete pairs.
    pub(super) modern: AtomicBool,
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

    pub(super) fn cache(&self) -> Result<Arc<IndexCache<Kept>>> {
        self.shared.cache.get_or_try_init(|| Ok(IndexCache::new(self.shared.cache_bytes)))
    }

    pub(super) fn is_modern(&self) -> bool {
        self.shared.modern.load(Ordering::Relaxed)
    }

    /// The key of a shard's file.
    pub(super) fn file_of_kind(&self, shard: u64, kind: FileKind) -> String {
        self.spec.file_stem(shard) + kind.extension()
    }

    /// Where the chunk `id` is, for messages.
    pub(super) fn location_of(&self, id: u64) -> String {
        let shard = self.file_of_kind(self.spec.place(id).0, FileKind::Shard);
        format!("{} chunk {id}", self.inner.location(&shard))
    }

    pub(super) fn id(&self, key: &str) -> Result<u64> {
        let id = key.parse().ok().filter(|id: &u64| id.to_string() == key);
        id.ok_or_else(|| {
            let message = "the key of a sharded chunk is its id, a number of 64 bits";
            Error::invalid(message).during("resolving").at(format!("{key:?}"))
        })
    }
}

impl ShardedStore {
    pub(super) fn kept_head(&self, cache: &IndexCache<Kept>, shard: u64) -> Option<Arc<Head>> {
        match cache.get(&self.place, shard, None)? {
            Kept::Head(head) => Some(head),
            Kept::Minishard(_) => None,
        }
    }

    pub(super) fn kept_minishard(
        &self,
        cache: &IndexCache<Kept>,
        shard: u64,
        number: u64,
    ) -> Option<Arc<Minishard>> {
        match cache.get(&self.place, shard, Some(number))? {
            Kept::Minishard(minishard) => Some(minishard),
            Kept::Head(_) => None,
        }
    }
}

impl fmt::Debug for ShardedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardedStore").field("inner", &self.inner).field("spec", &self.spec).finish()
    }
}
