//! Tiles that were asked for, as they are sent, kept within a bound.

use std::sync::Arc;

use bigarrays::Result;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::answer::Content;
use crate::layer::Served;
use crate::level::Box3;
use crate::tile::tile;

/// A tile: the number of its layer and of its level, where it is on axes that are not shown, and on those that are.
pub(crate) type Key = (usize, usize, Vec<i64>, Box3);

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Key, Arc<Content>> for Bytes {
    fn weight(&self, _: &Key, content: &Arc<Content>) -> u64 {
        content.bytes.len() as u64 + 256
    }
}

/// Tiles of all layers.
#[derive(Debug)]
pub(crate) struct Tiles {
    pub(crate) layers: Vec<Served>,
    kept: Cache<Key, Arc<Content>, Bytes>,
}

impl Tiles {
    /// Keeps so many bytes of tiles at most.
    pub(crate) fn new(layers: Vec<Served>, bytes: u64) -> Self {
        Self { layers, kept: Cache::with_weighter(1 << 12, bytes, Bytes) }
    }

    /// A tile, whether it is kept or has to be read. Who asks for one that another is reading gets that.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn get(&self, key: &Key) -> Result<Arc<Content>> {
        let (layer, level, at, part) = key;
        let read = || Ok(Arc::new(Content::of(tile(&self.layers[*layer], *level, at, part)?)));
        self.kept.get_or_insert_with(key, read)
    }
}
