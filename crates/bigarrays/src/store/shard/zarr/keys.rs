//! Keys of shards and of chunks in them.

use std::fmt;

use crate::base::dims::Dims;
use crate::chunk::grid::ChunkGrid;
use crate::chunk::keys::KeyEncoding;

/// The keys of shards, or of chunks, by their place in the grid.
pub trait GridKeys: fmt::Debug + Send + Sync {
    /// The key of what is at `index`.
    fn key_of(&self, index: &[u64]) -> String;

    /// The place of what has this key, in a grid of `ndim` axes.
    fn parse(&self, key: &str, ndim: usize) -> Option<Dims<u64>>;
}

/// Keys of chunks in shards: the numbers of their place in the grid of the array, with `/` between.
#[derive(Clone, Copy, Debug)]
pub struct PlaceKeys;

impl GridKeys for PlaceKeys {
    fn key_of(&self, index: &[u64]) -> String {
        match index {
            [] => "0".to_owned(),
            _ => index.iter().map(u64::to_string).collect::<Vec<_>>().join("/"),
        }
    }

    fn parse(&self, key: &str, ndim: usize) -> Option<Dims<u64>> {
        let numbers = key.split('/').map(|number| number.parse().ok());
        let index = if ndim == 0 { Dims::new() } else { numbers.collect::<Option<Dims<u64>>>()? };
        (index.len() == ndim && self.key_of(&index) == key).then_some(index)
    }
}

impl KeyEncoding for PlaceKeys {
    fn key(&self, _: &ChunkGrid, index: &[u64]) -> String {
        self.key_of(index)
    }

    fn place(&self, grid: &ChunkGrid, key: &str) -> Option<Dims<u64>> {
        self.parse(key, grid.domain().ndim())
    }
}
