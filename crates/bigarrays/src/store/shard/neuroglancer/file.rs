//! A shard as a whole: bytes ↔ chunks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::index::{MinishardIndex, parse_entry};
use super::indexes::{expect_own, parse_minishard};
use super::kept::FileKind;
use super::store::ShardedStore;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::shard::sharded::ChunkPlace;
use crate::store::{Get, Part};

/// An error if one of the shards is an obsolete pair of files, which would hide behind a new one.
pub(crate) fn refuse_obsolete(store: &ShardedStore, shards: &mut dyn Iterator<Item = u64>) -> Result<()> {
    if store.is_modern() {
        return Ok(());
    }
    let get = |shard| Get::new(store.file_of_kind(shard, FileKind::Index), Part::Presence, u64::MAX);
    let gets: Vec<Get> = shards.map(get).collect();
    store.inner.get_many(&gets, &|k, blob| match blob {
        None => Ok(()),
        Some(_) => {
            Err(Error::unsupported("shards of the obsolete kind, an .index and a .data, are only read")
                .during("changing")
                .at(store.inner.location(&gets[k].key)))
        }
    })
}

/// Where the chunks of a shard lie, each within its bytes.
pub(crate) fn parse_shard(store: &ShardedStore, shard: u64, bytes: &[u8]) -> Result<Vec<ChunkPlace>> {
    let base = store.spec.index_len();
    let part = |start: u64, end: u64| {
        let part = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        part.and_then(|(start, end)| bytes.get(start..end)).ok_or_else(|| {
            let length = bytes.len();
            Error::corrupt(format!("bytes {start} to {end} are wanted of a shard of {length}"))
        })
    };
    let mut chunks = Vec::new();
    for (number, entry) in part(0, base)?.as_chunks::<16>().0.iter().enumerate() {
        let Some(range) = parse_entry(*entry, base)? else { continue };
        let minishard = parse_minishard(store, part(range.start, range.end)?, base)?;
        expect_own(store, (shard, number as u64), &minishard)?;
        for chunk in minishard.chunks() {
            part(chunk.range.start, chunk.range.end)?;
        }
        chunks.extend_from_slice(minishard.chunks());
    }
    Ok(chunks)
}

/// Appends a shard of `chunks` to `new`.
///
/// # Errors
/// `MemoryBudget` if there is no room for it.
pub(crate) fn encode_shard(
    store: &ShardedStore,
    chunks: BTreeMap<u64, Cow<'_, [u8]>>,
    new: &mut Vec<u8>,
) -> Result<()> {
    let base = store.spec.index_len();
    let mut minishards: BTreeMap<u64, Vec<ChunkPlace>> = BTreeMap::new();
    let mut length = 0;
    for (&id, bytes) in &chunks {
        let end = length + bytes.len() as u64;
        minishards.entry(store.spec.place(id).1).or_default().push(ChunkPlace { id, range: length..end });
        length = end;
    }
    let (room, indexes) = encode_indexes(store, minishards)?;
    let total = usize::try_from(base + room + length).ok();
    total.and_then(|total| new.try_reserve_exact(total).ok()).ok_or_else(|| {
        let message = format!("a shard of {} bytes does not fit into memory", base + room + length);
        Error::new(ErrorKind::MemoryBudget, message)
    })?;
    new.resize(base as usize, 0);
    for (minishard, index) in indexes {
        let start = new.len() as u64 - base;
        let entry = (u128::from(start + index.len() as u64) << 64) | u128::from(start);
        new[minishard as usize * 16..][..16].copy_from_slice(&entry.to_le_bytes());
        new.extend_from_slice(&index);
    }
    new.resize((base + room) as usize, 0);
    chunks.into_values().for_each(|bytes| new.extend_from_slice(&bytes));
    Ok(())
}

/// A minishard and its encoded index.
type Encoded = (u64, Vec<u8>);

/// The encoded indexes of minishards whose chunks, counted from the first chunk, lie behind all of
/// them; and how many bytes are left for the indexes.
///
/// Where they are compressed, their length depends on what they say, and that on their length: some
/// bytes may stay free.
fn encode_indexes(
    store: &ShardedStore,
    minishards: BTreeMap<u64, Vec<ChunkPlace>>,
) -> Result<(u64, Vec<Encoded>)> {
    let count = minishards.len() as u64;
    let minishards: Vec<_> =
        minishards.into_iter().map(|(number, chunks)| (number, MinishardIndex::new(chunks))).collect();
    let mut room = 0;
    loop {
        let mut encoded = Vec::with_capacity(minishards.len());
        for (number, index) in &minishards {
            let mut bytes = Vec::new();
            // Places count from the first chunk, which lies `room` behind the end of the shard's index.
            index.encode(0u64.wrapping_sub(room), &mut bytes);
            store.spec.minishard_index_encoding.encode(&mut bytes)?;
            encoded.push((*number, bytes));
        }
        let length = encoded.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
        if length <= room {
            return Ok((room, encoded));
        }
        let spare =
            if store.spec.minishard_index_encoding == ContentEncoding::Identity { 0 } else { 8 * count };
        room = length + spare;
    }
}
