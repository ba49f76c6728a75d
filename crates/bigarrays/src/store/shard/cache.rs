//! The indexes that are kept in memory, of one version of their shard each.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::store::is_settled;

/// Whose index: a store's place, a shard, and one of its minishards or the shard's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct CacheKey {
    place: Arc<str>,
    shard: u64,
    minishard: Option<u64>,
}

/// Something that is kept.
pub(in crate::store) trait Weighed: Clone {
    /// Its bytes, about.
    fn byte_len(&self) -> u64;
    /// The version of the shard that it is of, where there are versions.
    fn version(&self) -> Option<&str>;
}

#[derive(Clone)]
struct Bytes;

impl<V: Weighed> Weighter<CacheKey, V> for Bytes {
    fn weight(&self, _: &CacheKey, kept: &V) -> u64 {
        // About what an entry needs besides its numbers.
        200 + kept.byte_len()
    }
}

/// Indexes of a bounded number of bytes; of all, those that are used most stay.
pub(in crate::store) struct IndexCache<V: Weighed>(Cache<CacheKey, V, Bytes>);

impl<V: Weighed> IndexCache<V> {
    pub(in crate::store) fn new(bytes: u64) -> Self {
        // An index takes a few to some ten kilobytes.
        Self(Cache::with_weighter((bytes >> 13) as usize, bytes, Bytes))
    }

    pub(in crate::store) fn get(&self, place: &Arc<str>, shard: u64, minishard: Option<u64>) -> Option<V> {
        self.0.get(&key(place, shard, minishard))
    }

    /// Keeps an index, unless the shard's next version may have the name of this one.
    pub(in crate::store) fn keep(&self, place: &Arc<str>, shard: u64, minishard: Option<u64>, index: V) {
        if !is_settled(index.version()) {
            return;
        }
        self.0.insert(key(place, shard, minishard), index);
    }

    /// Forgets the shard's own index, and with it, as they are only used together, all of it.
    pub(in crate::store) fn forget(&self, place: &Arc<str>, shard: u64) {
        self.0.remove(&key(place, shard, None));
    }
}

fn key(place: &Arc<str>, shard: u64, minishard: Option<u64>) -> CacheKey {
    CacheKey { place: Arc::clone(place), shard, minishard }
}
