//! Indexes of shards and of minishards, as they are kept.

use std::ops::Range;
use std::sync::Arc;

use super::index::MinishardIndex;
use crate::store::shard::cache::Weighed;
use crate::store::shard::sharded::Places;

/// A file of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FileKind {
    Shard,
    /// The shard index of the obsolete pair.
    Index,
    /// All else of the obsolete pair.
    Data,
}

impl FileKind {
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Shard => ".shard",
            Self::Index => ".index",
            Self::Data => ".data",
        }
    }
}

/// A shard's own index, or the entries of it that were asked for.
#[derive(Debug)]
pub(crate) struct Head {
    /// The version of the file, if its store knows versions and the indexes may be kept.
    pub(crate) version: Option<String>,
    /// The file in which minishards and chunks lie.
    pub(crate) file: FileKind,
    /// Where the index of each minishard lies, unless it is empty; ascending.
    pub(super) entries: Vec<(u64, Range<u64>)>,
}

impl Head {
    pub(super) fn entry(&self, minishard: u64) -> Option<&Range<u64>> {
        let at = self.entries.binary_search_by_key(&minishard, |entry| entry.0).ok()?;
        Some(&self.entries[at].1)
    }

    pub(crate) fn byte_len(&self) -> u64 {
        size_of_val(&*self.entries) as u64
    }

    pub(super) fn minishard(&self, index: MinishardIndex) -> Arc<Minishard> {
        Arc::new(Minishard { version: self.version.clone(), file: self.file, index })
    }
}

/// The index of a minishard, and what it is of.
#[derive(Debug)]
pub(in crate::store) struct Minishard {
    pub(crate) version: Option<String>,
    pub(crate) file: FileKind,
    pub(crate) index: MinishardIndex,
}

impl Minishard {
    pub(crate) fn byte_len(&self) -> u64 {
        size_of_val(self.index.chunks()) as u64
    }
}

impl Places for Minishard {
    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn find(&self, id: u64) -> Option<Range<u64>> {
        self.index.find(id)
    }
}

/// An index that is kept.
#[derive(Clone)]
pub(super) enum Kept {
    Head(Arc<Head>),
    Minishard(Arc<Minishard>),
}

impl Weighed for Kept {
    fn byte_len(&self) -> u64 {
        match self {
            Self::Head(head) => head.byte_len(),
            Self::Minishard(minishard) => minishard.byte_len(),
        }
    }

    fn version(&self) -> Option<&str> {
        match self {
            Self::Head(head) => head.version.as_deref(),
            Self::Minishard(minishard) => minishard.version.as_deref(),
        }
    }
}
