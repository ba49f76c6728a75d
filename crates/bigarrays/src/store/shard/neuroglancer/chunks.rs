//! The store of chunks in Neuroglancer's shards: how chunks are found, read, changed and listed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::kept::{FileKind, Minishard};
use super::store::ShardedStore;
use super::{file, indexes, survey};
use crate::base::error::Result;
use crate::chunk::codec::ContentEncoding;
use crate::store::shard;
use crate::store::shard::sharded::{ChunkPlace, Lookups, Sharded};
use crate::store::shard::survey::{Files, Looked, Surveyed};
use crate::store::{ChangeFn, Finding, Get, GetSink, Store, Update};

impl Sharded for ShardedStore {
    type Index = Minishard;

    fn inner(&self) -> &dyn Store {
        &*self.inner
    }

    fn encoding(&self) -> ContentEncoding {
        self.spec.data_encoding
    }

    fn place(&self, key: &str) -> Result<(u64, (u64, u64))> {
        let id = self.id(key)?;
        Ok((id, self.spec.place(id)))
    }

    fn file(&self, shard: u64) -> String {
        self.file_of_kind(shard, FileKind::Shard)
    }

    fn file_of(&self, shard: u64, index: &Minishard) -> String {
        self.file_of_kind(shard, index.file)
    }

    fn members(&self, shard: u64) -> Option<u64> {
        self.members.of_shard(shard)
    }

    fn look_up(&self, wanted: &BTreeSet<(u64, u64)>) -> Result<Lookups<Minishard>> {
        indexes::look_up(self, wanted)
    }

    fn forget(&self, shard: u64) -> Result<()> {
        self.cache().map(|cache| cache.forget(&self.place, shard))
    }

    fn before_change(&self, shards: &mut dyn Iterator<Item = u64>) -> Result<()> {
        file::refuse_obsolete(self, shards)
    }

    fn parse(&self, shard: u64, bytes: &[u8]) -> Result<Vec<ChunkPlace>> {
        file::parse_shard(self, shard, bytes)
    }

    fn encode(&self, chunks: BTreeMap<u64, Cow<'_, [u8]>>, new: &mut Vec<u8>) -> Result<()> {
        file::encode_shard(self, chunks, new)
    }
}

impl Surveyed for ShardedStore {
    fn shard_of(&self, key: &str) -> Option<(u64, usize)> {
        let kinds = [FileKind::Shard, FileKind::Index, FileKind::Data].into_iter().enumerate();
        let stem = |kind: FileKind| key.strip_suffix(kind.extension());
        kinds.into_iter().find_map(|(file, kind)| Some((self.spec.shard_of_stem(stem(kind)?)?, file)))
    }

    fn look_at(&self, shard: u64, files: &Files) -> Result<Looked> {
        survey::look_at(self, shard, files)
    }

    fn key_of(&self, _: u64, id: u64) -> Option<String> {
        Some(id.to_string())
    }
}

impl Store for ShardedStore {
    fn location(&self, key: &str) -> String {
        match self.id(key) {
            Ok(id) => self.location_of(id),
            Err(_) => self.inner.location(key),
        }
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        let inner = self.inner.child(path)?;
        let (members, shared) = (Arc::clone(&self.members), Arc::clone(&self.shared));
        Ok(Arc::new(Self { place: inner.location("").into(), inner, spec: self.spec, members, shared }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        shard::read::get_many(self, requests, sink)
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        shard::write::update_many(self, requests, change)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        let mut shards = Vec::new();
        self.inner.list("", &mut |key, _| {
            let stem = key.strip_suffix(".shard").or_else(|| key.strip_suffix(".index"));
            shards.extend(stem.and_then(|stem| self.spec.shard_of_stem(stem)));
            Ok(())
        })?;
        shards.sort_unstable();
        shards.dedup();
        shards.into_iter().try_for_each(|shard| {
            survey::all_chunks(self, shard, &mut |chunk| {
                let key = chunk.id.to_string();
                if key.starts_with(prefix) {
                    found(&key, chunk.range.end - chunk.range.start)
                } else {
                    Ok(())
                }
            })
        })
    }

    fn survey(&self, found: &mut dyn FnMut(Finding<'_>) -> Result<()>) -> Result<()> {
        shard::survey::survey(self, found)
    }

    fn request_cost(&self) -> u64 {
        self.inner.request_cost()
    }

    fn tidy(&self, folder: &str) {
        self.inner.tidy(folder);
    }
}
