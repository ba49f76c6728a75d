//! Tiles that were asked for, as they are sent, and blocks that were read for them, kept within a bound.

use std::sync::Arc;

use bigarrays::Result;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::answer::Content;
use crate::layer::Served;
use crate::level::Box3;
use crate::tile::{cut, elements, stored};

/// A box: the number of its layer and of its level, where it is on axes that are not shown, and on those that are.
pub(crate) type Key = (usize, usize, Vec<i64>, Box3);

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<(Key, u64), Arc<Content>> for Bytes {
    fn weight(&self, _: &(Key, u64), content: &Arc<Content>) -> u64 {
        content.bytes.len() as u64 + 256
    }
}

impl Weighter<Key, Arc<Vec<u8>>> for Bytes {
    fn weight(&self, _: &Key, elements: &Arc<Vec<u8>>) -> u64 {
        elements.len() as u64 + 256
    }
}

/// Tiles of all layers.
#[derive(Debug)]
pub(crate) struct Tiles {
    pub(crate) layers: Vec<Served>,
    /// By what they are made of as well.
    kept: Cache<(Key, u64), Arc<Content>, Bytes>,
    blocks: Cache<Key, Arc<Vec<u8>>, Bytes>,
}

/// How many are expected to be kept.
const EXPECTED: usize = 1 << 10;

impl Tiles {
    /// Keeps so many bytes of tiles and of blocks at most, half of each.
    pub(crate) fn new(layers: Vec<Served>, bytes: u64) -> Self {
        let (kept, blocks) =
            (Cache::with_weighter(EXPECTED, bytes / 2, Bytes), Cache::with_weighter(16, bytes / 2, Bytes));
        Self { layers, kept, blocks }
    }

    /// A tile, if it is kept.
    pub(crate) fn kept(&self, key: &Key) -> Option<Arc<Content>> {
        self.kept.get(&self.versioned(key))
    }

    /// A tile of what it is made of now.
    fn versioned(&self, key: &Key) -> (Key, u64) {
        (key.clone(), self.layers[key.0].levels[key.1].generation())
    }

    /// A tile, whether it is kept or has to be read; it has no bytes if it is passed on as it is stored, and is not. Who asks for one that another is reading gets that.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn get(&self, key: &Key) -> Result<Arc<Content>> {
        self.kept.get_or_insert_with(&self.versioned(key), || Ok(Arc::new(Content::of(self.made(key)?))))
    }

    fn made(&self, (number, level, at, part): &Key) -> Result<Vec<u8>> {
        let layer = &self.layers[*number];
        if layer.levels[*level].passed.is_some() {
            return stored(&layer.levels[*level], part);
        }
        let Some(block) = layer.levels[*level].block_of(part) else {
            return Ok(layer.shown.convert(elements(layer, *level, at, part)?));
        };
        let key = (*number, *level, at.clone(), block);
        let read = || elements(layer, *level, at, &key.3).map(Arc::new);
        let all = self.blocks.get_or_insert_with(&key, read)?;
        Ok(layer.shown.convert(cut(&layer.levels[*level], &all, &key.3, part)?))
    }
}
