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

mod chunks;
mod file;
mod index;
mod indexes;
mod kept;
mod spec;
mod store;
mod survey;
#[cfg(test)]
mod tests;

pub use crate::store::shard::{ChunkPlace, INDEX_CACHE};
pub(crate) use crate::store::shard::{WAVE_BYTES, WAVE_READS};
pub use index::{MinishardIndex, parse_entry};
pub(crate) use spec::TYPE;
pub use spec::{ShardHash, ShardSpec};
pub use store::{Members, ShardedStore};
