//! Keys of chunks.

use std::fmt::Debug;

use crate::base::dims::Dims;
use crate::chunk::grid::ChunkGrid;

/// How the key of a chunk is made from its place in the grid.
pub trait KeyEncoding: Debug + Send + Sync {
    /// The key of the chunk at `index`, relative to the array's store.
    fn key(&self, grid: &ChunkGrid, index: &[u64]) -> String;

    /// The inverse: the place of the chunk that has this key. `None` if it is the key of none; a place outside
    /// the grid, or of another key, is taken for that.
    fn place(&self, grid: &ChunkGrid, key: &str) -> Option<Dims<u64>>;

    /// The place of the chunk that other programs store under this key, where it is not read.
    fn place_elsewhere(&self, grid: &ChunkGrid, key: &str) -> Option<Dims<u64>> {
        let _ = (grid, key);
        None
    }
}
