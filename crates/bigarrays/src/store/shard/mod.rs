//! What stores of chunks in shards have in common, whatever a shard looks like inside: reading in rounds
//! with near chunks in one request, and changing a shard by one atomic change of its file.

mod cache;
pub mod neuroglancer;
mod read;
mod sharded;
mod survey;
mod write;
pub mod zarr;

pub use sharded::{ChunkPlace, INDEX_CACHE};
pub(crate) use write::{WAVE_BYTES, WAVE_READS};
