//! Zarr's `sharding_indexed`: a store of chunks over a store of shards, which may itself be one of these.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html>
//!
//! A shard has an index of all chunks that it can hold, at its start or at its end, and behind or before
//! that the chunks, in any order, of which metadata of Zarr know nothing: it matters to writers alone.

mod grid;
mod index;
mod keys;
mod store;

pub use grid::ShardGrid;
pub use index::{IndexSpec, ShardIndex};
pub use keys::{GridKeys, PlaceKeys};
pub use store::ShardedStore;
