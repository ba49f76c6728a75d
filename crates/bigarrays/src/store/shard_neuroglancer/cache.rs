//! The indexes that are kept in memory, of one version of their shard each.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::indexes::{Head, Minishard};

/// Whose index: a store's place, a shard, and one of its minishards or the shard's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CacheKey {
    pub(super) place: Arc<str>,
    pub(super) shard: u64,
    pub(super) minishard: Option<u64>,
}

#[derive(Clone)]
pub(super) enum Kept {
    Head(Arc<Head>),
    Minishard(Arc<Minishard>),
}

#[derive(Clone)]
struct Bytes;

impl Weighter<CacheKey, Kept> for Bytes {
    fn weight(&self, _: &CacheKey, kept: &Kept) -> u64 {
        // About what an entry needs besides its numbers.
        200 + match kept {
            Kept::Head(head) => head.byte_len(),
            Kept::Minishard(minishard) => minishard.byte_len(),
        }
    }
}

/// Indexes of a bounded number of bytes; of all, those that are used most stay.
pub(super) struct IndexCache(Cache<CacheKey, Kept, Bytes>);

impl IndexCache {
    pub(super) fn new(bytes: u64) -> Self {
        // An index takes a few to some ten kilobytes.
        Self(Cache::with_weighter((bytes >> 13) as usize, bytes, Bytes))
    }

    pub(super) fn head(&self, place: &Arc<str>, shard: u64) -> Option<Arc<Head>> {
        match self.0.get(&key(place, shard, None))? {
            Kept::Head(head) => Some(head),
            Kept::Minishard(_) => None,
        }
    }

    pub(super) fn minishard(&self, place: &Arc<str>, shard: u64, minishard: u64) -> Option<Arc<Minishard>> {
        match self.0.get(&key(place, shard, Some(minishard)))? {
            Kept::Minishard(minishard) => Some(minishard),
            Kept::Head(_) => None,
        }
    }

    pub(super) fn keep_head(&self, place: &Arc<str>, shard: u64, head: &Arc<Head>) {
        self.0.insert(key(place, shard, None), Kept::Head(Arc::clone(head)));
    }

    pub(super) fn keep_minishard(
        &self,
        place: &Arc<str>,
        shard: u64,
        minishard: u64,
        index: &Arc<Minishard>,
    ) {
        self.0.insert(key(place, shard, Some(minishard)), Kept::Minishard(Arc::clone(index)));
    }

    /// Forgets the shard's own index, and with it, as they are only used together, all of it.
    pub(super) fn forget(&self, place: &Arc<str>, shard: u64) {
        self.0.remove(&key(place, shard, None));
    }
}

fn key(place: &Arc<str>, shard: u64, minishard: Option<u64>) -> CacheKey {
    CacheKey { place: Arc::clone(place), shard, minishard }
}
