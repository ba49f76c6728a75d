//! Arrays and groups of one of the versions: how they are found, made, changed and removed.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::dialect::{Found, New, Version};
use super::meta::Meta;
use super::v2::Two;
use super::v3::Three;
use super::{consolidated, create, versions};
use crate::base::error::{Error, ErrorKind, Result};
use crate::format::document::{self, Document};
use crate::format::incomplete;
use crate::format::probe::Probe;
use crate::format::spec::CreateSpec;
use crate::format::traits::{Format, Opened};
use crate::store::shard::zarr::GridKeys;
use crate::store::{MemoryStore, Store};

/// Zarr 3.
pub static V3: Zarr = Zarr { version: &Three };

/// Zarr 2.
pub static V2: Zarr = Zarr { version: &Two };

/// Arrays and groups of Zarr, of one of its versions.
#[derive(Clone, Copy, Debug)]
pub struct Zarr {
    pub(super) version: &'static dyn Version,
}

/// Reads the metadata of an array, whatever stands there; for fuzzing.
///
/// # Errors
/// `InvalidMetadata` or `Unsupported` if they are of no array that can be opened.
pub fn check_metadata(bytes: &[u8], version: u8) -> Result<()> {
    let document = document::parse(bytes)?;
    let known = versions::ALL.into_iter().find(|known| known.number() == version);
    let known = known.ok_or_else(|| Error::invalid(format!("unknown version {version} of Zarr")))?;
    let meta = known.parse(&document, None)?;
    meta.opened(known.name(), Arc::new(MemoryStore::new())).map(drop)
}

impl Zarr {
    /// Has consolidated metadata above the root of `store` know what is stored there now.
    pub(in crate::format) fn refresh(&self, store: &Arc<dyn Store>) -> Result<()> {
        consolidated::refresh(self.version, store)
    }

    /// Has the groups above the root of `store` know what was made there.
    pub(super) fn join(&self, store: &Arc<dyn Store>) -> Result<()> {
        consolidated::join(self.version, store)
    }

    /// Has consolidated metadata above the root of `store` know nothing of what is about to be removed there.
    pub(in crate::format) fn forget(&self, store: &Arc<dyn Store>) -> Result<()> {
        consolidated::forget(self.version, store)
    }

    /// The keys of the documents of an array or group.
    pub(in crate::format) fn keys(&self) -> &'static [&'static str] {
        self.version.keys()
    }

    /// The documents at the root of `store`, read now.
    pub(in crate::format) fn probe(&self, store: &Arc<dyn Store>) -> Result<Probe> {
        Probe::read(store, self.keys().iter().copied())
    }

    /// Looks for an array or a group.
    pub(in crate::format) fn find(&self, probe: &Probe) -> Result<Option<Found>> {
        self.version.find(probe)
    }

    /// The metadata of the array that is there.
    ///
    /// # Errors
    /// `NotFound`; `InvalidArgument` for a group.
    pub(in crate::format) fn array(&self, probe: &Probe) -> Result<Meta> {
        match self.find(probe)? {
            Some(Found::Array(meta)) => Ok(*meta),
            Some(Found::Group(_)) => Err(Error::invalid("this is a group, not an array")),
            None => Err(Error::new(ErrorKind::NotFound, format!("no {} array here", self.name()))),
        }
    }

    /// The attributes of the group that is there; `None` if there is none.
    pub(in crate::format) fn group_attributes(&self, probe: &Probe) -> Result<Option<Document>> {
        self.version.group_attributes(probe)
    }

    /// Removes the metadata of the group at the root of `store`.
    pub(in crate::format) fn remove_group(&self, store: &dyn Store) -> Result<()> {
        self.take(store, self.version.group_key())
    }

    /// Removes the document of the attributes, and then that under `key`, which says that something is there.
    pub(super) fn take(&self, store: &dyn Store, key: &str) -> Result<()> {
        let attributes = self.version.attributes_key();
        if attributes != key {
            store.delete(attributes)?;
        }
        document::take(store, key).map(drop)
    }

    /// Opens the array that is a member of a group.
    pub(in crate::format) fn open_member(&self, probe: &Probe) -> Result<Opened> {
        let meta = self.array(probe).map_err(|error| error.at(probe.store().location("")))?;
        meta.opened(self.name(), Arc::clone(probe.store()))
    }

    /// Makes the documents of a new array or group, under `key` that which says what it is.
    /// If it `adopts`, the same that is there already will do, if it has no chunks.
    pub(super) fn write_new(&self, store: &dyn Store, key: &str, new: &New, adopts: bool) -> Result<()> {
        for other in versions::marks().filter(|other| *other != key) {
            if store.exists(other)? {
                let message = "there is something here; remove it first";
                return Err(Error::new(ErrorKind::AlreadyExists, message).at(store.location(other)));
            }
        }
        match adopts {
            true => document::create_or_alike(store, key, &new.document, &|old| {
                self.unmarked(old) == self.unmarked(&new.document)
            })?,
            false => document::create(store, key, &new.document)?,
        }
        match (&new.attributes, self.version.attributes_key()) {
            (Some(attributes), of) => document::change(store, of, |_| Ok(Some(attributes.clone()))),
            (None, of) if of == key => Ok(()),
            // What somebody has left there is not of this one.
            (None, of) => store.delete(of),
        }
    }

    /// The document of an array without its mark.
    fn unmarked(&self, document: &Document) -> Document {
        let mut document = document.clone();
        self.version.marked(&mut document).and_then(incomplete::take);
        document
    }

    /// Takes away the mark of the array at the root of `store`.
    pub(in crate::format) fn complete_array(&self, store: &Arc<dyn Store>) -> Result<()> {
        let gone = || Error::new(ErrorKind::NotFound, "it was removed meanwhile");
        let completed = |old: Option<Document>| old.ok_or_else(gone).map(|old| Some(self.unmarked(&old)));
        document::change(&**store, self.version.array_key(), completed)?;
        // Others may have copied the mark.
        self.refresh(store)
    }

    /// Marks the array at the root of `store` as incomplete.
    pub(in crate::format) fn mark_array(&self, store: &Arc<dyn Store>) -> Result<()> {
        let gone = || Error::new(ErrorKind::NotFound, "it was removed meanwhile");
        let marked = |old: Option<Document>| -> Result<Option<Document>> {
            let mut document = old.ok_or_else(gone)?;
            if self.version.marked(&mut document).is_none() {
                // Others write no attributes where there are none.
                document.insert("attributes".to_owned(), Value::Object(Map::new()));
            }
            if let Some(place) = self.version.marked(&mut document) {
                incomplete::mark(place, true);
            }
            Ok(Some(document))
        };
        document::change(&**store, self.version.array_key(), marked)?;
        self.refresh(store)
    }

    /// Creates an array. If it `adopts`, one that is there already, of the very same metadata and without chunks, is
    /// taken for what somebody was about to make and did not finish.
    pub(in crate::format) fn create_or_adopt(
        &self,
        store: &Arc<dyn Store>,
        spec: &CreateSpec,
        adopts: bool,
    ) -> Result<Opened> {
        create::check(spec)?;
        let chunk = create::chunk_shape(spec)?;
        let codecs = create::codecs(spec)?;
        let (chunk, codecs) = match create::shard_shape(spec, &chunk)? {
            None => (chunk, codecs),
            Some(shard) => (shard, create::sharded(&chunk, &codecs)),
        };
        // What was asked for is at fault.
        let asked = |error: Error| match error.kind() {
            ErrorKind::InvalidMetadata => Error::invalid(error.to_string()),
            _ => error,
        };
        let new = self.version.new_array(spec, &chunk, codecs).map_err(asked)?;
        let meta = self.version.parse(&new.document, new.attributes.as_ref()).map_err(asked)?;
        let opened = meta.opened(self.name(), Arc::clone(store)).map_err(asked)?;
        if spec.storage.shard_order.is_some() && opened.layout.sharding.is_none() {
            return Err(Error::invalid("an order of chunks in shards, but the codecs make no shards"));
        }
        meta.expect_empty(&**store, adopts)?;
        self.write_new(&**store, self.version.array_key(), &new, adopts)?;
        // What adopts is a scale, and the image around it is made next.
        let known = if adopts { self.refresh(store) } else { self.join(store) };
        known?;
        Ok(opened)
    }

    /// Changes the attributes of an array or group, unless `change` has an error.
    pub(in crate::format) fn try_change_attributes(
        &self,
        store: &Arc<dyn Store>,
        change: &(dyn Fn(Document) -> Result<Document> + Sync),
    ) -> Result<()> {
        if self.find(&self.probe(store)?)?.is_none() {
            return Err(Error::new(ErrorKind::NotFound, format!("nothing of {} here", self.name())));
        }
        let changed = |old| self.version.changed(old, change).map(Some);
        document::change(&**store, self.version.attributes_key(), changed)?;
        self.refresh(store)
    }

    /// The name of the format of images over this version.
    pub(in crate::format) fn image_name(&self) -> &'static str {
        self.version.image_name()
    }

    /// What is to be said of an array whose documents are partly refused.
    pub(super) fn notes(&self, probe: &Probe) -> Vec<String> {
        let key = self.version.attributes_key();
        let note =
            format!("the store refuses to hand out {key}, which counts as missing: there are no attributes");
        Vec::from_iter(probe.is_refused(key).then_some(note))
    }

    /// Whether there is a group that holds nothing.
    pub(super) fn is_empty_group(&self, store: &Arc<dyn Store>) -> Result<bool> {
        let mut is_empty = true;
        store.names(&mut |name, _| {
            is_empty &= self.version.keys().contains(&name) || name == self.version.consolidated_key();
            Ok(())
        })?;
        Ok(is_empty)
    }

    /// Removes all chunks of an array.
    pub(super) fn remove_all_chunks(&self, store: &dyn Store, meta: &Meta) -> Result<()> {
        self.remove_chunks(store, meta, |_| true)
    }

    /// Removes the chunks of the array in `store`, and leaves its metadata. Of an array that is a link, nothing.
    pub(in crate::format) fn empty(&self, store: &Arc<dyn Store>) -> Result<()> {
        let meta = self.array(&self.probe(store)?)?;
        if store.local_path().is_some_and(Path::is_symlink) {
            Ok(())
        } else {
            self.remove_all_chunks(&**store, &meta)
        }
    }

    /// Removes the metadata of an array that has no chunks any more, those that others have of it first.
    pub(super) fn remove_metadata(&self, store: &Arc<dyn Store>) -> Result<()> {
        self.forget(store)?;
        self.take(&**store, self.version.array_key())?;
        self.refresh(store)?;
        store.tidy("");
        Ok(())
    }

    /// Removes the chunks of `meta` that `is_gone` says.
    pub(super) fn remove_chunks(
        &self,
        store: &dyn Store,
        meta: &Meta,
        is_gone: impl Fn(&[u64]) -> bool,
    ) -> Result<()> {
        let ndim = meta.shape.len();
        store.remove_where(|key| meta.keys.parse(key, ndim).is_some_and(|index| is_gone(&index)))
    }
}
