//! All that the shards hold, whatever state they are in.

use std::collections::BTreeSet;

use super::indexes::{expect_own, look_up};
use super::kept::{FileKind, Minishard};
use super::store::ShardedStore;
use crate::base::error::{Error, Result};
use crate::store::shard::read::{ATTEMPTS, MINISHARDS};
use crate::store::shard::sharded::{ChunkPlace, Lookup, Lookups, keeps_changing};
use crate::store::shard::survey::{Files, Looked};

/// Calls `found` for every chunk of a shard.
pub(crate) fn all_chunks(
    store: &ShardedStore,
    shard: u64,
    found: &mut dyn FnMut(&ChunkPlace) -> Result<()>,
) -> Result<()> {
    let count = 1u64 << store.spec.minishard_bits;
    for first in (0..count).step_by(MINISHARDS) {
        let wanted: BTreeSet<_> =
            (first..count.min(first + MINISHARDS as u64)).map(|number| (shard, number)).collect();
        let lookups = current(store, shard, &wanted)?;
        for (place, lookup) in lookups {
            if let Lookup::Found { minishard, .. } = lookup {
                let located = |error: Error| {
                    error
                        .during("listing")
                        .at(store.inner.location(&store.file_of_kind(shard, minishard.file)))
                };
                expect_own(store, place, &minishard.index).map_err(located)?;
                minishard.index.chunks().iter().try_for_each(&mut *found)?;
            }
        }
    }
    Ok(())
}

/// Looks at all indexes of a shard. Those that are damaged do not keep others from being found.
pub(crate) fn look_at(store: &ShardedStore, shard: u64, files: &Files) -> Result<Looked> {
    let mut looked = Looked::default();
    let count = 1u64 << store.spec.minishard_bits;
    for first in (0..count).step_by(MINISHARDS) {
        let wanted: BTreeSet<_> =
            (first..count.min(first + MINISHARDS as u64)).map(|number| (shard, number)).collect();
        let Err(error) = look_at_some(store, &wanted, &mut looked) else { continue };
        looked.note(error)?;
        let before = looked.damage.len();
        for place in &wanted {
            look_at_some(store, &[*place].into(), &mut looked).or_else(|error| looked.note(error))?;
        }
        if looked.damage.len() == before && looked.chunks.is_empty() {
            // All for one reason: the index of the shard itself.
            break;
        }
    }
    let bytes = files[0].or(files[2]).unwrap_or(0);
    looked.check_places(bytes)?;
    Ok(looked)
}

fn look_at_some(store: &ShardedStore, wanted: &BTreeSet<(u64, u64)>, looked: &mut Looked) -> Result<()> {
    let Some((shard, _)) = wanted.first() else { return Ok(()) };
    let mut chunks = Vec::new();
    for (place, lookup) in current(store, *shard, wanted)? {
        if let Lookup::Found { minishard, .. } = lookup {
            expect_own(store, place, &minishard.index)?;
            chunks.extend_from_slice(minishard.index.chunks());
        }
    }
    looked.chunks.append(&mut chunks);
    Ok(())
}

/// Looks up minishards of one shard, not from the cache.
fn current(store: &ShardedStore, shard: u64, wanted: &BTreeSet<(u64, u64)>) -> Result<Lookups<Minishard>> {
    let cache = store.cache()?;
    for _ in 0..ATTEMPTS {
        cache.forget(&store.place, shard);
        let lookups = look_up(store, wanted)?;
        if !lookups.values().any(|lookup| matches!(lookup, Lookup::Changed)) {
            return Ok(lookups);
        }
    }
    Err(keeps_changing(store.inner.location(&store.file_of_kind(shard, FileKind::Shard))))
}
