//! What each kind of shards says of itself, and what reading, writing and surveys share.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::Store;

/// The bytes of indexes that a store and its children keep, unless told otherwise.
pub const INDEX_CACHE: u64 = 64 << 20;

/// A store of chunks over a store of shards. Chunks have numbers, unique in their shard; places are of a shard and a minishard, where there are such.
pub(super) trait Sharded: Store {
    /// What tells where the chunks of a minishard lie.
    type Index: Places + Send + Sync;

    /// The store of the shards.
    fn inner(&self) -> &dyn Store;

    /// The content encoding of chunks.
    fn encoding(&self) -> ContentEncoding;

    /// The number of the chunk of `key`, and its place.
    fn place(&self, key: &str) -> Result<(u64, (u64, u64))>;

    /// The key of a shard.
    fn file(&self, shard: u64) -> String;

    /// The key of what an index of a shard is of.
    fn file_of(&self, shard: u64, index: &Self::Index) -> String;

    /// How many chunks there can be in this shard; `None` if that is not easily said.
    fn members(&self, shard: u64) -> Option<u64>;

    /// Looks up indexes, from the cache or the inner store.
    fn look_up(&self, wanted: &BTreeSet<(u64, u64)>) -> Result<Lookups<Self::Index>>;

    /// Forgets what the cache has of a shard.
    fn forget(&self, shard: u64) -> Result<()>;

    /// Refuses to change shards that cannot be.
    fn before_change(&self, shards: &mut dyn Iterator<Item = u64>) -> Result<()>;

    /// Where the chunks of a shard lie, each within its bytes.
    fn parse(&self, shard: u64, bytes: &[u8]) -> Result<Vec<ChunkPlace>>;

    /// Puts a shard of `chunks` into the empty `new`.
    fn encode(&self, chunks: BTreeMap<u64, Cow<'_, [u8]>>, new: &mut Vec<u8>) -> Result<()>;
}

/// What tells where chunks lie.
pub(super) trait Places {
    /// The version of the shard that it is of.
    fn version(&self) -> Option<&str>;

    /// Where a chunk lies.
    fn find(&self, id: u64) -> Option<Range<u64>>;
}

/// What is known of one minishard.
#[derive(Debug)]
pub(super) enum Lookup<I> {
    /// There is no such shard.
    Absent,
    /// The shard was replaced between two rounds.
    Changed,
    /// Its index; `is_fresh` if the version was the current one since the call began.
    Found { minishard: Arc<I>, is_fresh: bool },
}

/// Where a chunk lies in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkPlace {
    /// The chunk.
    pub id: u64,
    /// Its bytes.
    pub range: Range<u64>,
}

/// Sorts `chunks` as they lie in the file.
///
/// # Errors
/// `CorruptData` if two overlap.
pub(super) fn expect_apart(chunks: &mut [ChunkPlace]) -> Result<()> {
    chunks.sort_unstable_by_key(|chunk| (chunk.range.start, chunk.range.end));
    match chunks.windows(2).find(|pair| pair[1].range.start < pair[0].range.end) {
        Some(pair) => {
            Err(Error::corrupt(format!("chunks {} and {} overlap in their shard", pair[0].id, pair[1].id)))
        }
        None => Ok(()),
    }
}

/// An error for a shard that others replace again and again.
pub(super) fn keeps_changing(location: String) -> Error {
    Error::new(ErrorKind::Storage, "the shard was replaced each time that it was read; try again later")
        .retryable()
        .during("reading")
        .at(location)
}

/// The lookups of a call, by shard and minishard.
pub(in crate::store) type Lookups<I> = HashMap<(u64, u64), Lookup<I>>;
