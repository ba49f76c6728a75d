//! Finding where chunks lie: the indexes of shards, from the cache or in two rounds of requests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::index::{CHUNK, ENTRY, MinishardIndex, parse_entry};
use super::kept::{FileKind, Head, Kept, Minishard};
use super::store::ShardedStore;
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::store::shard::cache::IndexCache;
use crate::store::shard::read::parts;
use crate::store::shard::sharded::{self, Lookup};
use crate::store::{Blob, Get, Part, Wanted};

/// A shard index of at most so many bytes is read and kept whole; of a longer one, single entries.
const SMALL_INDEX: u64 = 64 << 10;

/// The most bytes that a minishard index can have: some millions of chunks.
const LARGEST_MINISHARD: u64 = 64 << 20;

/// The lookups of a call, by shard and minishard.
type Lookups = sharded::Lookups<Minishard>;

/// Minishards of one shard whose indexes are to be read, and where these lie.
type OfHead = (Arc<Head>, Vec<(u64, Range<u64>)>);

/// What the rounds of one call have found out.
struct Search<'a> {
    store: &'a ShardedStore,
    cache: Arc<IndexCache<Kept>>,
    /// Shard → what is its index, or `None` if there is no such shard; and whether it is fresh.
    heads: BTreeMap<u64, (Option<Arc<Head>>, bool)>,
    lookups: Lookups,
}

/// Looks up the minishards `wanted`, each a shard and a minishard.
///
/// # Errors
/// `CorruptData` if an index is damaged; those of the inner store.
pub(crate) fn look_up(store: &ShardedStore, wanted: &BTreeSet<(u64, u64)>) -> Result<Lookups> {
    let mut search =
        Search { store, cache: store.cache()?, heads: BTreeMap::new(), lookups: Lookups::default() };
    search.heads(wanted)?;
    search.minishards(wanted)?;
    Ok(search.lookups)
}

impl Search<'_> {
    /// Round one: the indexes of shards.
    fn heads(&mut self, wanted: &BTreeSet<(u64, u64)>) -> Result<()> {
        let mut requests: Vec<(u64, Vec<u64>)> = Vec::new();
        for &(shard, minishard) in wanted {
            if let Some((_, minishards)) = requests.last_mut().filter(|(last, _)| *last == shard) {
                minishards.push(minishard);
            } else if let Some(head) = self.store.kept_head(&self.cache, shard) {
                self.heads.insert(shard, (Some(head), false));
            } else {
                requests.push((shard, vec![minishard]));
            }
        }
        let missing = self.fetch_heads(&requests, FileKind::Shard)?;
        if missing.is_empty() || self.store.is_modern() {
            return Ok(());
        }
        let obsolete: Vec<_> = requests.into_iter().filter(|(shard, _)| missing.contains(shard)).collect();
        self.fetch_heads(&obsolete, FileKind::Index).map(drop)
    }

    /// Reads indexes of shards from files of `kind`, and returns which have none.
    fn fetch_heads(&mut self, shards: &[(u64, Vec<u64>)], kind: FileKind) -> Result<BTreeSet<u64>> {
        let store = self.store;
        let gets: Vec<Get> = shards
            .iter()
            .map(|(shard, minishards)| Get {
                version: if kind == FileKind::Shard { Wanted::Named } else { Wanted::Any },
                ..Get::new(store.file_of_kind(*shard, kind), head_part(store, minishards), u64::MAX)
            })
            .collect();
        let read = Mutex::new((Vec::new(), BTreeSet::new()));
        store.inner.get_many(&gets, &|k, blob| {
            let (shard, minishards) = &shards[k];
            let found =
                blob.map(|blob| parse_head(store, &blob, minishards, kind)).transpose().map_err(|error| {
                    error.during("reading the index of").at(store.inner.location(&gets[k].key))
                })?;
            let mut read = read.locked();
            match found {
                Some(found) => read.0.push((*shard, found)),
                None => drop(read.1.insert(*shard)),
            }
            Ok(())
        })?;
        let (found, missing) = read.into_value();
        for (shard, (head, minishards)) in found {
            self.store.shared.modern.fetch_or(kind == FileKind::Shard, Ordering::Relaxed);
            let head = Arc::new(head);
            // Where only entries were read, the index as such is not known.
            if head.version.is_some() && store.spec.index_len() <= SMALL_INDEX {
                self.cache.keep(&store.place, shard, None, Kept::Head(Arc::clone(&head)));
            }
            for (minishard, index) in minishards {
                self.found(shard, minishard, head.minishard(index), true);
            }
            self.heads.insert(shard, (Some(head), true));
        }
        missing.iter().for_each(|&shard| drop(self.heads.insert(shard, (None, true))));
        Ok(missing)
    }

    /// Notes the index of a minishard that was read.
    fn found(&mut self, shard: u64, number: u64, minishard: Arc<Minishard>, is_fresh: bool) {
        if minishard.version.is_some() {
            let kept = Kept::Minishard(Arc::clone(&minishard));
            self.cache.keep(&self.store.place, shard, Some(number), kept);
        }
        self.lookups.insert((shard, number), Lookup::Found { minishard, is_fresh });
    }

    /// Round two: the indexes of minishards.
    fn minishards(&mut self, wanted: &BTreeSet<(u64, u64)>) -> Result<()> {
        let mut requests: BTreeMap<u64, OfHead> = BTreeMap::new();
        for &(shard, number) in wanted {
            if self.lookups.contains_key(&(shard, number)) {
                continue;
            }
            let Some((Some(head), is_fresh)) = self.heads.get(&shard) else {
                self.lookups.insert((shard, number), Lookup::Absent);
                continue;
            };
            let kept = self.store.kept_minishard(&self.cache, shard, number);
            let known = match (kept.filter(|kept| kept.version == head.version), head.entry(number)) {
                (Some(kept), _) => Some(kept),
                (None, None) => Some(head.minishard(MinishardIndex::default())),
                (None, Some(range)) => {
                    let (_, ranges) = requests.entry(shard).or_insert_with(|| (Arc::clone(head), Vec::new()));
                    ranges.push((number, range.clone()));
                    None
                }
            };
            if let Some(minishard) = known {
                let found = Lookup::Found { minishard, is_fresh: *is_fresh };
                self.lookups.insert((shard, number), found);
            }
        }
        self.fetch_minishards(requests.into_iter().collect())
    }

    fn fetch_minishards(&mut self, mut shards: Vec<(u64, OfHead)>) -> Result<()> {
        let store = self.store;
        let located = |error: Error, shard, head: &Head| {
            error
                .during("reading the indexes of")
                .at(store.inner.location(&store.file_of_kind(shard, head.file)))
        };
        let gets: Vec<Get> = shards
            .iter_mut()
            .map(|(shard, (head, minishards))| {
                let ranges = ascending(store, minishards).map_err(|error| located(error, *shard, head))?;
                Ok(part_of(store, *shard, head, ranges))
            })
            .collect::<Result<_>>()?;
        let read = Mutex::new(Vec::new());
        store.inner.get_many(&gets, &|k, blob| {
            let (shard, (head, minishards)) = &shards[k];
            let bytes = blob.map_or(Ok(None), |blob| parts(&blob));
            let indexes = bytes.and_then(|bytes| {
                bytes.map(|bytes| parse_minishards(store, head, minishards, bytes)).transpose()
            });
            let indexes = indexes.map_err(|error| located(error, *shard, head))?;
            read.locked().push((k, indexes));
            Ok(())
        })?;
        for (k, indexes) in read.into_value() {
            let (shard, (head, minishards)) = &shards[k];
            match indexes {
                Some(indexes) => {
                    for ((number, _), index) in minishards.iter().zip(indexes) {
                        // It was the current version that was asked for.
                        self.found(*shard, *number, head.minishard(index), true);
                    }
                }
                None => minishards
                    .iter()
                    .for_each(|(number, _)| drop(self.lookups.insert((*shard, *number), Lookup::Changed))),
            }
        }
        Ok(())
    }
}

/// The request for a part of the file that `head` is of.
fn part_of(store: &ShardedStore, shard: u64, head: &Head, ranges: Vec<Range<u64>>) -> Get {
    let part = Part::Ranges { ranges, total: None };
    let version = head.version.clone().map_or(Wanted::Any, Wanted::Only);
    Get { version, ..Get::new(store.file_of_kind(shard, head.file), part, u64::MAX) }
}

/// What of a shard's start is read to find the entries of `minishards`, ascending.
fn head_part(store: &ShardedStore, minishards: &[u64]) -> Part {
    let length = store.spec.index_len();
    if length <= SMALL_INDEX {
        // As much as costs nothing more: what follows may be just what is needed next.
        return Part::First(length.max(store.inner.request_cost().min(SMALL_INDEX)));
    }
    let ranges = minishards.iter().map(|number| number * ENTRY..(number + 1) * ENTRY).collect();
    Part::Ranges { ranges, total: None }
}

/// The index of a shard, and those of minishards that came with it.
type ParsedHead = (Head, Vec<(u64, MinishardIndex)>);

fn parse_head(store: &ShardedStore, blob: &Blob<'_>, asked: &[u64], kind: FileKind) -> Result<ParsedHead> {
    let bytes = parts(blob)?.ok_or_else(|| Error::corrupt("no bytes of a shard"))?;
    let (length, file) = (store.spec.index_len(), FileKind::Data);
    // Offsets of the obsolete pair are those in the second file.
    let (base, file) = if kind == FileKind::Shard { (length, FileKind::Shard) } else { (0, file) };
    let is_whole = length <= SMALL_INDEX;
    let expected = if is_whole { length } else { asked.len() as u64 * ENTRY };
    let index = usize::try_from(expected).ok().and_then(|expected| bytes.get(..expected));
    let index = index.ok_or_else(|| {
        Error::corrupt(format!("a shard of {} bytes, which is less than its index of {length}", bytes.len()))
    })?;
    let mut entries = Vec::new();
    for (k, entry) in index.as_chunks::<16>().0.iter().enumerate() {
        let number = if is_whole { k as u64 } else { asked[k] };
        entries.extend(parse_entry(*entry, base)?.map(|range| (number, range)));
    }
    let mut ascending: Vec<_> = entries.iter().collect();
    ascending.sort_unstable_by_key(|(_, range)| range.start);
    if let Some(pair) = ascending.windows(2).find(|pair| pair[1].1.start < pair[0].1.end) {
        let message = format!("the indexes of minishards {} and {} overlap", pair[0].0, pair[1].0);
        return Err(Error::corrupt(message));
    }
    let version = blob.version.map(str::to_owned);
    let head = Head { version, file, entries };
    let mut minishards = Vec::new();
    if kind == FileKind::Shard && is_whole {
        for (number, range) in &head.entries {
            let place = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            if let Some(bytes) = place.and_then(|(start, end)| bytes.get(start..end)) {
                minishards.push((*number, parse_minishard(store, bytes, base)?));
            }
        }
    }
    Ok((head, minishards))
}

/// Sorts the places of indexes as they lie in the file.
///
/// # Errors
/// `CorruptData` if one is longer than an index of all chunks can be.
fn ascending(store: &ShardedStore, minishards: &mut [(u64, Range<u64>)]) -> Result<Vec<Range<u64>>> {
    minishards.sort_unstable_by_key(|(_, range)| range.start);
    let largest = largest_index(store);
    let codec = store.spec.minishard_index_encoding.codec();
    let most = codec.map_or(largest, |codec| codec.max_encoded_len(largest)) as u64;
    if let Some((number, range)) = minishards.iter().find(|(_, range)| range.end - range.start > most) {
        let length = range.end - range.start;
        return Err(Error::corrupt(format!(
            "the index of minishard {number} has {length} bytes, of at most {most}"
        )));
    }
    Ok(minishards.iter().map(|(_, range)| range.clone()).collect())
}

/// Bytes of an index of all chunks that there can be, within reason.
fn largest_index(store: &ShardedStore) -> usize {
    store.members.total().saturating_mul(CHUNK).min(LARGEST_MINISHARD) as usize
}

fn parse_minishards(
    store: &ShardedStore,
    head: &Head,
    minishards: &[(u64, Range<u64>)],
    mut bytes: &[u8],
) -> Result<Vec<MinishardIndex>> {
    let base = if head.file == FileKind::Shard { store.spec.index_len() } else { 0 };
    let mut parse = |range: &Range<u64>| {
        let length = (range.end - range.start) as usize;
        let (index, rest) = bytes.split_at_checked(length).ok_or_else(|| Error::corrupt("too few bytes"))?;
        bytes = rest;
        parse_minishard(store, index, base)
    };
    minishards.iter().map(|(_, range)| parse(range)).collect()
}

/// Reads an encoded index of a minishard.
pub(crate) fn parse_minishard(store: &ShardedStore, bytes: &[u8], base: u64) -> Result<MinishardIndex> {
    let parse = |bytes: &[u8]| MinishardIndex::parse(bytes, base);
    store.spec.minishard_index_encoding.with_decoded(bytes, largest_index(store), parse)
}

/// An error if the index names a chunk of another shard or minishard.
pub(crate) fn expect_own(store: &ShardedStore, place: (u64, u64), index: &MinishardIndex) -> Result<()> {
    match index.chunks().iter().find(|chunk| store.spec.place(chunk.id) != place) {
        Some(chunk) => {
            Err(Error::corrupt(format!("chunk {} does not belong into minishard {}", chunk.id, place.1)))
        }
        None => Ok(()),
    }
}
