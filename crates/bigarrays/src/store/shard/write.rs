//! Changing chunks: each shard is built anew, by one atomic change of its file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use super::sharded::{ChunkPlace, Sharded, expect_apart};
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::chunk::codec::ContentEncoding;
use crate::run::pool::threads;
use crate::store::{Blob, Change, ChangeFn, Update, in_parallel};

/// The most bytes of new chunks that are held for several shards at once.
pub(crate) const WAVE_BYTES: u64 = 64 << 20;

/// The most shards that are read and written at once: how long they are is not known beforehand.
pub(crate) const WAVE_READS: usize = 4;

/// What one batch changes in one shard.
struct OfShard {
    shard: u64,
    /// The positions of requests by chunk, in their order.
    chunks: BTreeMap<u64, Vec<usize>>,
    /// Whether the shard as it is matters.
    reads: bool,
}

/// A chunk made before its shard is looked at.
type Made = OnceLock<(Change, Vec<u8>)>;

/// Makes the changes, as [`Store::update_many`](crate::store::Store::update_many).
pub(in crate::store) fn update_many<S: Sharded>(
    store: &S,
    requests: &[Update],
    change: &ChangeFn<'_>,
) -> Result<()> {
    let mut shards: BTreeMap<u64, BTreeMap<u64, Vec<usize>>> = BTreeMap::new();
    for (position, request) in requests.iter().enumerate() {
        let (id, place) = store.place(&request.key)?;
        shards.entry(place.0).or_default().entry(id).or_default().push(position);
    }
    let shards = shards.into_iter().map(|(shard, chunks)| {
        // After a change that turns out to keep its chunk, one that reads sees what was there.
        let is_replaced =
            |positions: &&Vec<usize>| positions.iter().all(|&position| !requests[position].reads);
        let replaced = chunks.values().filter(is_replaced).count();
        OfShard { shard, reads: store.members(shard) != Some(replaced as u64), chunks }
    });
    let mut wave: Vec<OfShard> = Vec::new();
    let mut bytes = 0u64;
    for shard in shards {
        let positions = shard.chunks.values().flatten();
        let more = positions.fold(0u64, |sum, &position| sum.saturating_add(requests[position].max_len));
        bytes = bytes.saturating_add(more);
        let reads = wave.iter().filter(|shard| shard.reads).count();
        if !wave.is_empty() && (bytes > WAVE_BYTES || reads >= WAVE_READS) {
            Wave::write(store, requests, change, std::mem::take(&mut wave))?;
            bytes = more;
        }
        wave.push(shard);
    }
    Wave::write(store, requests, change, wave)
}

/// Shards that are changed at once.
struct Wave<'a, S: Sharded> {
    store: &'a S,
    requests: &'a [Update],
    change: &'a ChangeFn<'a>,
    /// By position of their request: the chunks that replace whatever there was.
    made: BTreeMap<usize, Made>,
}

impl<'a, S: Sharded> Wave<'a, S> {
    fn write(
        store: &'a S,
        requests: &'a [Update],
        change: &'a ChangeFn<'a>,
        mut shards: Vec<OfShard>,
    ) -> Result<()> {
        store.before_change(&mut shards.iter().map(|shard| shard.shard))?;
        let positions = shards.iter().flat_map(|shard| shard.chunks.values().flatten());
        let replaced: Vec<usize> = positions.copied().filter(|&position| !requests[position].reads).collect();
        let made = replaced.iter().map(|&position| (position, Made::new())).collect();
        let wave = Self { store, requests, change, made };
        // On all threads, and before anything is locked.
        in_parallel(&replaced, |_, &position| {
            let mut bytes = Vec::new();
            let change = wave.make(position, None, &mut bytes)?;
            if let Some(made) = wave.made.get(&position) {
                let _ = made.set((change, bytes));
            }
            Ok(())
        })?;
        while !shards.is_empty() {
            shards = wave.update(shards)?;
        }
        Ok(())
    }

    /// Changes shards, and returns those that turned out to matter as they are.
    fn update(&self, shards: Vec<OfShard>) -> Result<Vec<OfShard>> {
        let store = self.store;
        let file = |shard: &OfShard| store.file(shard.shard);
        let updates: Vec<Update> = shards
            .iter()
            .map(|shard| Update { key: file(shard), reads: shard.reads, max_len: u64::MAX })
            .collect();
        let unread: Vec<AtomicBool> = shards.iter().map(|_| AtomicBool::new(false)).collect();
        let done = store.inner().update_many(&updates, &|k, old, new| {
            let located = |error: Error| error.during("changing").at(store.inner().location(&updates[k].key));
            let old = OldShard::parse(store, shards[k].shard, old).map_err(located)?;
            match self.rebuild(&shards[k], &old, new).map_err(located)? {
                Some(change) => Ok(change),
                None => {
                    unread[k].store(true, Ordering::Relaxed);
                    Ok(Change::Keep)
                }
            }
        });
        shards.iter().try_for_each(|shard| store.forget(shard.shard))?;
        done?;
        let unread = unread.into_iter().map(AtomicBool::into_inner);
        let again = shards.into_iter().zip(unread).filter(|(_, unread)| *unread);
        Ok(again.map(|(shard, _)| OfShard { reads: true, ..shard }).collect())
    }

    /// Puts the changed shard into `new`; `None` if a chunk stays that was not read.
    fn rebuild(&self, shard: &OfShard, old: &OldShard<'_>, new: &mut Vec<u8>) -> Result<Option<Change>> {
        let mut chunks: BTreeMap<u64, Cow<'_, [u8]>> =
            old.chunks.iter().map(|chunk| (chunk.id, Cow::Borrowed(old.bytes_of(chunk)))).collect();
        let mut is_changed = false;
        for (id, outcome) in self.outcomes(shard, old)? {
            match outcome {
                Outcome::Stays if !shard.reads => return Ok(None),
                Outcome::Stays => {}
                Outcome::Gone => is_changed |= chunks.remove(&id).is_some() || !shard.reads,
                Outcome::New(bytes) => {
                    chunks.insert(id, bytes);
                    is_changed = true;
                }
            }
        }
        if !is_changed {
            return Ok(Some(Change::Keep));
        }
        let is_empty = chunks.is_empty();
        self.store.encode(chunks, new)?;
        let plain = ContentEncoding::Identity;
        // Readers take a shard without chunks for a missing one.
        Ok(Some(if is_empty { Change::PutOrDelete(plain) } else { Change::Put(plain) }))
    }

    /// What becomes of each chunk that is to be changed.
    fn outcomes(&'a self, shard: &OfShard, old: &OldShard<'_>) -> Result<Vec<(u64, Outcome<'a>)>> {
        let chunks: Vec<(&u64, &Vec<usize>)> = shard.chunks.iter().collect();
        let outcome = |(id, positions): (&u64, &Vec<usize>)| Ok((*id, self.outcome(*id, positions, old)?));
        let reads = |positions: &[usize]| positions.iter().any(|position| !self.made.contains_key(position));
        if chunks.iter().filter(|(_, positions)| reads(positions)).count() < 2 {
            return chunks.into_iter().map(outcome).collect();
        }
        // Threads of their own: the inner store may hold a lock, and then nothing waits for the pool.
        let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(chunks.len())));
        let work = || {
            while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcome = outcome(*chunk);
                let failed = outcome.is_err();
                outcomes.locked().push(outcome);
                if failed {
                    next.store(chunks.len(), Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            (1..threads().min(chunks.len())).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        outcomes.into_value().into_iter().collect()
    }

    /// What becomes of the chunk `id` when its requests follow each other.
    fn outcome(&'a self, id: u64, positions: &[usize], old: &OldShard<'_>) -> Result<Outcome<'a>> {
        let mut outcome = Outcome::Stays;
        for position in positions {
            let mut bytes = Vec::new();
            let (change, bytes) = match self.made.get(position).and_then(Made::get) {
                Some((change, made)) => (*change, Cow::Borrowed(&made[..])),
                None => {
                    let before = match &outcome {
                        Outcome::Stays => old.find(id),
                        Outcome::Gone => None,
                        Outcome::New(bytes) => Some(&bytes[..]),
                    };
                    (self.make(*position, before, &mut bytes)?, Cow::Owned(bytes))
                }
            };
            match change {
                Change::Keep => {}
                Change::Delete | Change::Remove | Change::PutOrDelete(_) => outcome = Outcome::Gone,
                Change::Put(_) => outcome = Outcome::New(bytes),
            }
        }
        Ok(outcome)
    }

    /// Makes a chunk, in the encoding of all chunks.
    fn make(&self, position: usize, before: Option<&[u8]>, bytes: &mut Vec<u8>) -> Result<Change> {
        let encoding = self.store.encoding();
        let change = (self.change)(position, before.map(|bytes| Blob::whole(bytes, encoding)), bytes)?;
        match change {
            Change::Put(other) if other != encoding => {
                let most = usize::try_from(self.requests[position].max_len).unwrap_or(usize::MAX);
                *bytes = other.with_decoded(bytes, most, |plain| Ok(plain.to_vec()))?;
                encoding.encode(bytes)?;
                Ok(Change::Put(encoding))
            }
            change => Ok(change),
        }
    }
}

/// What becomes of a chunk.
enum Outcome<'a> {
    Stays,
    Gone,
    New(Cow<'a, [u8]>),
}

/// A shard as it is.
struct OldShard<'a> {
    bytes: &'a [u8],
    /// Ascending in id, each within the bytes.
    chunks: Vec<ChunkPlace>,
}

impl<'a> OldShard<'a> {
    fn parse(store: &impl Sharded, shard: u64, old: Option<Blob<'a>>) -> Result<Self> {
        let Some(blob) = old else { return Ok(Self { bytes: &[], chunks: Vec::new() }) };
        if blob.encoding != ContentEncoding::Identity {
            return Err(Error::unsupported(
                "the whole file has a content encoding; store shards as they are",
            ));
        }
        let bytes = blob.bytes;
        let mut chunks = store.parse(shard, bytes)?;
        expect_apart(&mut chunks)?;
        chunks.sort_unstable_by_key(|chunk| chunk.id);
        Ok(Self { bytes, chunks })
    }

    fn bytes_of(&self, chunk: &ChunkPlace) -> &'a [u8] {
        self.bytes.get(chunk.range.start as usize..chunk.range.end as usize).unwrap_or_default()
    }

    fn find(&self, id: u64) -> Option<&'a [u8]> {
        let at = self.chunks.binary_search_by_key(&id, |chunk| chunk.id).ok()?;
        Some(self.bytes_of(&self.chunks[at]))
    }
}
