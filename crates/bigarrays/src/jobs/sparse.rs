//! Jobs whose cost follows what is stored: the blocks that have anything to do, and the chunks to be read and written.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use roaring::RoaringTreemap;

use crate::array::{Array, ChunkSet, Listed};
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::jobs::plan::CopyPlan;
use crate::run::interrupt::check_interrupt;
use crate::store::{Blob, ChangeFn, Get, GetSink, Store, Update};

/// The stored chunks of two arrays of the same coordinates.
#[derive(Debug)]
pub(crate) struct Stored {
    source: ChunkSet,
    target: ChunkSet,
    /// The chunks of the target that are stored, or that show something that the source has.
    touched: ChunkSet,
}

/// The stored chunks of two arrays, cut into the blocks of a plan.
#[derive(Debug)]
pub(crate) struct Sparse {
    /// The chunks of the source that are stored.
    source: Arc<ChunkSet>,
    /// The chunks of the target that are stored, or that show something that the source has.
    target: Arc<ChunkSet>,
    /// The blocks in which there are any.
    pub(crate) blocks: RoaringTreemap,
    /// How often chunks of the source are read, as each block reads them anew.
    pub(crate) loads: u64,
    /// Whether little of the source is stored.
    pub(crate) is_thin: bool,
}

/// If less than one in so many chunks is stored, blocks are small, as most of each large block would be empty.
const THIN: u64 = 8;

/// The size of such a block, in chunks of the array whose chunks are larger.
const CHUNKS: u64 = 4;

/// The reason why a job has to look at every block of two arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Everything {
    /// Missing chunks read differently in the two arrays.
    FillsDiffer,
    /// A store does not say what it has.
    NoList,
    /// An array is a small part of what its store lists, is kept in several layouts, or is strict.
    NotWorthIt,
    /// To write a part of the chunks of a shard takes more memory than to write all of them.
    NoRoom,
}

impl Everything {
    /// The reason as a note to users, if it matters to them.
    pub(crate) fn note(self) -> Option<&'static str> {
        match self {
            Self::FillsDiffer => Some("the fill values differ, so every chunk is looked at, stored or not"),
            Self::NoList => Some("a store gives no list of what it has, so every chunk is asked for"),
            Self::NoRoom => Some(
                "the memory budget has room for whole shards only, so every chunk is looked at, stored or not",
            ),
            Self::NotWorthIt => None,
        }
    }
}

impl Stored {
    /// What `source` and `target` have, which must have one fill value for it to matter; or why that is not found out.
    ///
    /// # Errors
    /// A storage error.
    pub(crate) fn of(
        source: &Array,
        target: &Array,
        has_one_fill: bool,
    ) -> Result<std::result::Result<Self, Everything>> {
        // What is missing of a strict array is an error, which reading says.
        let is_plain = |array: &Array| array.layouts().count() == 1 && !array.options().strict;
        if !is_plain(source) || !is_plain(target) {
            return Ok(Err(Everything::NotWorthIt));
        }
        if !has_one_fill {
            return Ok(Err(Everything::FillsDiffer));
        }
        let everything = |listed: Listed<ChunkSet>| match listed {
            Listed::All(set) => Ok(set),
            Listed::Cannot => Err(Everything::NoList),
            Listed::TooMuch => Err(Everything::NotWorthIt),
        };
        let source = match everything(source.listed_chunks()?) {
            Ok(source) => source,
            Err(why) => return Ok(Err(why)),
        };
        let target = match everything(target.listed_chunks()?) {
            Ok(target) => target,
            Err(why) => return Ok(Err(why)),
        };
        let mut touched = target.clone();
        for part in source.iter() {
            check_interrupt()?;
            touched.add(&part)?;
        }
        Ok(Ok(Self { source, target, touched }))
    }

    /// The most bytes of a block, of the larger of a chunk of the source and what is written at once; `None` if
    /// blocks may be as large as memory allows.
    pub(crate) fn most(&self, largest: u64) -> Option<u64> {
        self.is_thin().then(|| largest.saturating_mul(CHUNKS))
    }

    /// Whether little of the source is stored, and blocks may be small for it.
    pub(crate) fn is_thin(&self) -> bool {
        let target = self.target.array();
        // Small blocks would write shards that are no boxes again and again.
        let is_apart = target.layout().sharding.is_none() || target.shard_shape().is_some();
        is_apart && self.source.len().saturating_mul(THIN) < self.source.shown()
    }

    /// The most chunks that one shard of the target has once all is copied. Its shards must be boxes.
    ///
    /// # Errors
    /// `Cancelled`.
    pub(crate) fn densest(&self) -> Result<u64> {
        let grid = self.target.array().write_grid()?;
        let mut counts: HashMap<Vec<i64>, u64> = HashMap::new();
        for chunk in self.touched.iter() {
            check_interrupt()?;
            *counts.entry(place_in(&chunk, &grid)).or_default() += 1;
        }
        Ok(counts.into_values().max().unwrap_or(0))
    }
}

/// The place in `grid`, whose boxes begin at an origin and have a length along each axis, that `part` begins in.
pub(crate) fn place_in(part: &Domain, grid: &[(i64, u64)]) -> Vec<i64> {
    let place = |(at, &(origin, length)): (&i64, &(i64, u64))| {
        let distance = i128::from(*at) - i128::from(origin);
        distance.div_euclid(i128::from(length)) as i64
    };
    part.origin().iter().zip(grid).map(place).collect()
}

impl Sparse {
    /// What is `stored`, in the blocks of `plan`, which is in the arrays' coordinates.
    ///
    /// # Errors
    /// `Cancelled`.
    pub(crate) fn of(stored: Stored, plan: &CopyPlan) -> Result<Self> {
        let is_thin = stored.is_thin();
        let Stored { source: from, target: to, touched } = stored;
        let (mut blocks, mut loads) = (RoaringTreemap::new(), 0u64);
        for part in from.iter() {
            check_interrupt()?;
            plan.blocks.each_touched(&plan.blocks.touched(&part), &mut |numbers| {
                loads = loads.saturating_add(numbers.end - numbers.start);
                blocks.insert_range(numbers);
            });
        }
        for part in to.iter() {
            check_interrupt()?;
            plan.blocks.each_touched(&plan.blocks.touched(&part), &mut |numbers| {
                blocks.insert_range(numbers);
            });
        }
        Ok(Self { source: Arc::new(from), target: Arc::new(touched), blocks, loads, is_thin })
    }

    /// How many chunks of the target are written.
    pub(crate) fn target_chunks(&self) -> u64 {
        self.target.len()
    }

    /// The source, of which nothing is asked that is not there.
    pub(crate) fn source(&self, source: &Array) -> Array {
        let inner = Arc::clone(source.store());
        source.with_store(Arc::new(Known { inner, chunks: Arc::clone(&self.source) }))
    }

    /// The target, of which nothing is asked that is not there, and where chunks that show nothing of the source are
    /// not made.
    pub(crate) fn target(&self, target: &Array) -> Array {
        let inner = Arc::clone(target.store());
        target.with_store(Arc::new(Known { inner, chunks: Arc::clone(&self.target) }))
    }
}

/// A store of chunks that passes on requests for chunks of a set alone: all others are missing.
#[derive(Debug)]
struct Known {
    inner: Arc<dyn Store>,
    chunks: Arc<ChunkSet>,
}

impl Known {
    /// The positions of the keys to pass on: those of chunks in the set, and those of no chunk.
    fn counting<'a>(&self, keys: impl Iterator<Item = &'a str>) -> Vec<usize> {
        let counts = |key: &str| self.chunks.has_key(key) != Some(false);
        keys.enumerate().filter(|(_, key)| counts(key)).map(|(position, _)| position).collect()
    }
}

impl Store for Known {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn local_path(&self) -> Option<&Path> {
        self.inner.local_path()
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        self.inner.child(path)
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        let counting = self.counting(requests.iter().map(|request| &request.key[..]));
        if counting.len() == requests.len() {
            return self.inner.get_many(requests, sink);
        }
        let mut next = counting.iter().copied().peekable();
        let missing = (0..requests.len()).filter(|position| next.next_if_eq(position).is_none());
        missing.into_iter().try_for_each(|position| sink(position, None))?;
        let asked: Vec<Get> = counting.iter().map(|&position| requests[position].clone()).collect();
        self.inner.get_many(&asked, &|k, blob: Option<Blob<'_>>| sink(counting[k], blob))
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        let counting = self.counting(requests.iter().map(|request| &request.key[..]));
        if counting.len() == requests.len() {
            return self.inner.update_many(requests, change);
        }
        let changed: Vec<Update> = counting.iter().map(|&position| requests[position].clone()).collect();
        self.inner.update_many(&changed, &|k, old: Option<Blob<'_>>, new: &mut Vec<u8>| {
            change(counting[k], old, new)
        })
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.inner.list(prefix, found)
    }

    fn request_cost(&self) -> u64 {
        self.inner.request_cost()
    }
}
