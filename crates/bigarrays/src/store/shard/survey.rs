//! Surveys of shards: each file is looked at on its own, and what is wrong with it is told.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::sharded::{ChunkPlace, Sharded};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::run::interrupt::check_interrupt;
use crate::run::pool::threads;
use crate::run::runner::Runner;
use crate::store::{Finding, NEAR};

/// How often a shard is looked at that seems damaged: others may have replaced it meanwhile.
const LOOKS: usize = 3;

/// What a survey has to know of a store of shards.
pub(in crate::store) trait Surveyed: Sharded {
    /// The shard of which the inner store's `key` is a file, and which of its files it is.
    fn shard_of(&self, key: &str) -> Option<(u64, usize)>;

    /// Looks at the indexes of a shard whose files have these sizes, not at those in the cache.
    ///
    /// # Errors
    /// Those that say nothing of the shard.
    fn look_at(&self, shard: u64, files: &Files) -> Result<Looked>;

    /// The key of a chunk of a shard; `None` if it is one that no array has.
    fn key_of(&self, shard: u64, id: u64) -> Option<String>;
}

/// The sizes of the files of a shard that exist.
pub(in crate::store) type Files = [Option<u64>; 3];

/// What a look at a shard shows.
#[derive(Debug, Default)]
pub(in crate::store) struct Looked {
    /// Where its chunks lie.
    pub(in crate::store) chunks: Vec<ChunkPlace>,
    /// What is wrong with it.
    pub(in crate::store) damage: Vec<Error>,
    /// Bytes of its file that are neither of a chunk nor of an index, as far as that is known.
    pub(in crate::store) unused: u64,
}

impl Looked {
    /// Notes an error of the shard, unless it says what is known already.
    ///
    /// # Errors
    /// That error, if it says nothing of the shard.
    pub(in crate::store) fn note(&mut self, error: Error) -> Result<()> {
        if error.kind() == ErrorKind::Cancelled || error.is_retryable() {
            return Err(error);
        }
        if !self.damage.iter().any(|known| known.to_string() == error.to_string()) {
            self.damage.push(error);
        }
        Ok(())
    }

    /// How many of `bytes` are of no chunk; chunks may share some.
    pub(in crate::store) fn beside_chunks(&self, bytes: u64) -> u64 {
        let mut ranges: Vec<_> = self.chunks.iter().map(|chunk| &chunk.range).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let (mut end, mut used) = (0, 0);
        for range in ranges {
            used += range.end.saturating_sub(range.start.max(end));
            end = end.max(range.end);
        }
        bytes.saturating_sub(used)
    }

    /// Notes chunks that reach beyond a file of `bytes` bytes, and such that share some of their bytes.
    pub(in crate::store) fn check_places(&mut self, bytes: u64) -> Result<()> {
        if let Some(chunk) = self.chunks.iter().find(|chunk| chunk.range.end > bytes) {
            let (id, end) = (chunk.id, chunk.range.end);
            self.note(Error::corrupt(format!("chunk {id} ends at byte {end} of a shard of {bytes}")))?;
        }
        let mut places: Vec<&ChunkPlace> =
            self.chunks.iter().filter(|chunk| !chunk.range.is_empty()).collect();
        places.sort_unstable_by_key(|chunk| (chunk.range.start, chunk.range.end));
        // Equal chunks of different minishards may be stored once.
        let meets =
            |pair: &&[&ChunkPlace]| pair[0].range != pair[1].range && pair[1].range.start < pair[0].range.end;
        if let Some(pair) = places.windows(2).find(meets) {
            let message = format!("chunks {} and {} overlap in their shard", pair[0].id, pair[1].id);
            self.note(Error::corrupt(message))?;
        }
        Ok(())
    }
}

/// Does a survey, as [`Store::survey`](crate::store::Store::survey).
pub(in crate::store) fn survey<S: Surveyed>(
    store: &S,
    found: &mut dyn FnMut(Finding<'_>) -> Result<()>,
) -> Result<()> {
    let mut shards: BTreeMap<u64, Files> = BTreeMap::new();
    store.inner().survey(&mut |finding| match finding {
        Finding::Value { key, bytes } => match store.shard_of(key) {
            Some((shard, file)) => {
                // Nobody hears of shards before all are known.
                check_interrupt()?;
                shards.entry(shard).or_default()[file] = Some(bytes);
                Ok(())
            }
            None => found(Finding::Stranger { key, bytes }),
        },
        Finding::Folder { key } => match store.shard_of(key) {
            Some(_) => {
                let error = Error::new(ErrorKind::Storage, "a folder is in the place of the shard");
                found(Finding::Damaged { key, error })
            }
            None => Ok(()),
        },
        other => found(other),
    })?;
    let shards: Vec<(u64, Files)> = shards.into_iter().collect();
    for batch in shards.chunks(BATCH) {
        for ((shard, _), looked) in batch.iter().zip(look_at_all(store, batch)?) {
            let file = store.file(*shard);
            if looked.unused > 0 && looked.damage.is_empty() {
                found(Finding::Stranger { key: &file, bytes: looked.unused })?;
            }
            for error in looked.damage {
                found(Finding::Damaged { key: &file, error })?;
            }
            for chunk in looked.chunks {
                if let Some(key) = store.key_of(*shard, chunk.id) {
                    found(Finding::Value { key: &key, bytes: chunk.range.end - chunk.range.start })?;
                }
            }
        }
    }
    Ok(())
}

/// Shards whose chunks are held at once.
const BATCH: usize = 256;

/// Shards that are looked at at once behind a network, where each look waits for answers.
const FAR: usize = 32;

/// Looks at each of some shards.
fn look_at_all<S: Surveyed>(store: &S, shards: &[(u64, Files)]) -> Result<Vec<Looked>> {
    let is_near = store.inner().request_cost() <= NEAR;
    let in_flight = if is_near { threads() } else { FAR };
    let looks: Vec<Mutex<Looked>> = shards.iter().map(|_| Mutex::default()).collect();
    let runner = Runner { in_flight, total: 0, is_near, progress: None };
    runner.run(shards.len(), &|number| {
        let (shard, files) = shards[number];
        let located = |error: Error| error.at(store.inner().location(&store.file(shard)));
        *looks[number].locked() = settle(store, shard, files).map_err(located)?;
        Ok(0)
    })?;
    Ok(looks.into_iter().map(Mutex::into_value).collect())
}

/// Looks at a shard, again if it seems damaged.
fn settle<S: Surveyed>(store: &S, shard: u64, mut files: Files) -> Result<Looked> {
    let mut looked = store.look_at(shard, &files)?;
    for _ in 1..LOOKS {
        if looked.damage.is_empty() {
            break;
        }
        files = Files::default();
        let stem = store.file(shard);
        let stem = stem.rsplit_once('.').map_or(&stem[..], |(stem, _)| stem);
        store.inner().list(stem, &mut |key, bytes| {
            if let Some((_, file)) = store.shard_of(key).filter(|(other, _)| *other == shard) {
                files[file] = Some(bytes);
            }
            Ok(())
        })?;
        if files == Files::default() {
            return Ok(Looked::default());
        }
        looked = store.look_at(shard, &files)?;
    }
    Ok(looked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_within_the_file_and_apart() {
        let damage = |places: &[std::ops::Range<u64>]| {
            let place = |(id, range): (usize, &std::ops::Range<u64>)| ChunkPlace {
                id: id as u64,
                range: range.clone(),
            };
            let chunks = places.iter().enumerate().map(place).collect();
            let mut looked = Looked { chunks, ..Looked::default() };
            looked.check_places(100).unwrap();
            looked.damage.iter().map(ToString::to_string).collect::<String>()
        };
        assert_eq!(damage(&[50..100, 0..50, 7..7, 50..100]), "");
        assert!(damage(&[0..50, 49..60]).contains("chunks 0 and 1 overlap"));
        assert!(damage(&[0..50, 90..101]).contains("chunk 1 ends at byte 101 of a shard of 100"));
        let mut looked = Looked::default();
        let passing = || Error::new(ErrorKind::Storage, "later").retryable();
        assert!(looked.note(passing()).is_err() && looked.damage.is_empty());
    }
}
