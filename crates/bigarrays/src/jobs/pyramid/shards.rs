//! Chunks that wait until all of their shard are there, so that it is written once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::array::Array;
use crate::base::error::Result;
use crate::base::sync::MutexExt;
use crate::jobs::gather::Gather;
use crate::jobs::pyramid::tree::Index;

/// A shard that is in the middle of being made.
#[derive(Debug)]
struct Open {
    gather: Arc<Gather>,
    /// How many of its chunks are missing.
    left: AtomicU64,
}

/// Those of all levels.
#[derive(Debug)]
pub(super) struct Shards {
    open: Mutex<HashMap<(usize, Index), Arc<Open>>>,
    /// The most bytes that wait. If there are more, all that waits is put, and those shards are written again later.
    most: u64,
}

impl Shards {
    pub(super) fn new(most: u64) -> Self {
        Self { open: Mutex::default(), most }
    }

    /// Has `write` write a chunk of a shard, which has so many, to the array that it is given.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn write(
        &self,
        (key, array): ((usize, Index), &Array),
        chunks: impl FnOnce() -> u64,
        write: impl FnOnce(&Array) -> Result<()>,
    ) -> Result<()> {
        let new = || {
            let gather = Arc::new(Gather::over(array.store()));
            Arc::new(Open { gather, left: AtomicU64::new(chunks()) })
        };
        let open = Arc::clone(self.open.locked().entry(key.clone()).or_insert_with(new));
        write(&array.with_store(Arc::clone(&open.gather) as _))?;
        if open.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.open.locked().remove(&key);
            return open.gather.put();
        }
        let all: Vec<Arc<Open>> = self.open.locked().values().cloned().collect();
        let waiting: u64 = all.iter().map(|open| open.gather.waiting()).fold(0, u64::saturating_add);
        if waiting > self.most { all.iter().try_for_each(|open| open.gather.put()) } else { Ok(()) }
    }
}
