//! Zarr, versions 3 and 2: metadata ↔ layout.

mod chain;
mod codecs;
mod consolidated;
pub(super) mod create;
mod fill;
mod group;
mod keys;
mod meta;
mod own;
pub(super) mod shards;
mod v2;
mod v3;

use std::sync::Arc;

use serde_json::{Value, json};

use super::document::{self, Document};
use super::{
    Abilities, CreateSpec, Format, FormatOptions, NewSharding, Node, Opened, ScaleSelector, axis,
    compression, store_at,
};
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::format::ome::{OME_V2, OME_V3, OmeZarr};
use crate::store::shard::zarr::GridKeys;
use crate::store::{MemoryStore, Store};
use meta::Meta;
pub(super) use own::own_keys;

/// Zarr 3.
pub static V3: Zarr = Zarr { version: Version::Three };

/// Zarr 2.
pub static V2: Zarr = Zarr { version: Version::Two };

/// Arrays and groups of Zarr, of one of its versions.
#[derive(Clone, Copy, Debug)]
pub struct Zarr {
    pub(super) version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Two,
    Three,
}

/// What there is at a place.
pub(crate) enum Found {
    Array(Meta),
    /// A group with its metadata.
    Group(Document),
}

/// The shape of chunks that `spec` asks for, or one that is good.
pub(super) fn usual_chunk(spec: &CreateSpec) -> Result<Vec<u64>> {
    create::chunk_shape(spec)
}

/// Reads the metadata of an array, whatever stands there; for fuzzing.
///
/// # Errors
/// `InvalidMetadata` or `Unsupported` if they are of no array that can be opened.
pub fn check_metadata(bytes: &[u8], version: u8) -> Result<()> {
    let document = document::parse(bytes)?;
    let meta = if version == 2 { v2::parse(&document, None)? } else { v3::parse(&document)? };
    meta.opened("zarr", Arc::new(MemoryStore::new())).map(drop)
}

impl Zarr {
    pub(crate) fn store(&self, url: &str, options: &FormatOptions) -> Result<Arc<dyn Store>> {
        store_at(url.strip_prefix("zarr://").unwrap_or(url), options)
    }

    /// Has consolidated metadata above `url` know what is stored of it now.
    pub(super) fn refresh(&self, url: &str, options: &FormatOptions) -> Result<()> {
        consolidated::refresh(self.version, url.strip_prefix("zarr://").unwrap_or(url), options)
    }

    /// Has consolidated metadata above `url` know nothing of it, which is about to be removed.
    pub(crate) fn forget(&self, url: &str, options: &FormatOptions) -> Result<()> {
        consolidated::forget(self.version, url.strip_prefix("zarr://").unwrap_or(url), options)
    }

    /// Looks for an array or a group at the root of `store`.
    pub(crate) fn find(&self, store: &dyn Store) -> Result<Option<Found>> {
        let located = |key: &str| {
            let location = store.location(key);
            move |error: Error| error.at(location)
        };
        match self.version {
            Version::Three => {
                let Some(document) = document::read(store, v3::KEY)? else { return Ok(None) };
                let found = match v3::kind(&document).map_err(located(v3::KEY))? {
                    v3::Kind::Array => Found::Array(v3::parse(&document).map_err(located(v3::KEY))?),
                    v3::Kind::Group => Found::Group(document),
                };
                Ok(Some(found))
            }
            Version::Two => {
                if let Some(document) = document::read(store, v2::ARRAY)? {
                    let attributes = document::read(store, v2::ATTRIBUTES)?;
                    let meta = v2::parse(&document, attributes.as_ref()).map_err(located(v2::ARRAY))?;
                    return Ok(Some(Found::Array(meta)));
                }
                let Some(document) = document::read(store, v2::GROUP)? else { return Ok(None) };
                v2::expect_version(&document).map_err(located(v2::GROUP))?;
                Ok(Some(Found::Group(document)))
            }
        }
    }

    /// The array at the root of `store`.
    ///
    /// # Errors
    /// `NotFound`; `InvalidArgument` for a group.
    pub(crate) fn array(&self, store: &dyn Store) -> Result<Meta> {
        match self.find(store)? {
            Some(Found::Array(meta)) => Ok(meta),
            Some(Found::Group(_)) => Err(Error::invalid("this is a group, not an array")),
            None => Err(Error::new(ErrorKind::NotFound, format!("no {} array here", self.name()))),
        }
    }

    /// The attributes of the group at the root of `store`; `None` if there is none.
    pub(crate) fn group_attributes(&self, store: &dyn Store) -> Result<Option<Document>> {
        if self.version == Version::Two {
            if document::read(store, v2::GROUP)?.is_none() {
                return Ok(None);
            }
            return document::read(store, v2::ATTRIBUTES).map(|found| Some(found.unwrap_or_default()));
        }
        let Some(mut document) = document::read(store, v3::KEY)? else { return Ok(None) };
        if document.get("node_type").is_none_or(|kind| kind != "group") {
            return Ok(None);
        }
        Ok(match document.remove("attributes") {
            Some(Value::Object(attributes)) => Some(attributes),
            _ => None,
        })
    }

    /// Removes the metadata of the group at the root of `store`.
    pub(crate) fn remove_group(&self, store: &dyn Store) -> Result<()> {
        match self.version {
            Version::Three => document::take(store, v3::KEY).map(drop),
            Version::Two => {
                document::take(store, v2::GROUP)?;
                store.delete(v2::ATTRIBUTES)
            }
        }
    }

    /// The key of the document that has the attributes.
    fn attributes_key(&self) -> &'static str {
        if self.version == Version::Three { v3::KEY } else { v2::ATTRIBUTES }
    }

    /// Opens the array at `path` of the group in `store`.
    pub(crate) fn open_member(&self, store: &dyn Store, path: &str) -> Result<Opened> {
        let child = store.child(path)?;
        let meta = self.array(&*child).map_err(|error| error.at(child.location("")))?;
        meta.opened(self.name(), child)
    }

    /// Makes the documents of a new array or group, of which the first says what it is.
    /// If it `adopts`, the same that is there already will do, if it has no chunks.
    fn write_new(
        &self,
        store: &dyn Store,
        documents: [(&str, Option<&Document>); 2],
        adopts: bool,
    ) -> Result<()> {
        for key in [v3::KEY, v2::ARRAY, v2::GROUP] {
            if key != documents[0].0 && store.exists(key)? {
                let message = "there is something here; remove it first";
                return Err(Error::new(ErrorKind::AlreadyExists, message).at(store.location(key)));
            }
        }
        for (key, document) in documents {
            match document {
                Some(document) if key == v2::ATTRIBUTES => {
                    document::change(store, key, |_| Ok(Some(document.clone())))?;
                }
                Some(document) if adopts => document::create_or_same(store, key, document)?,
                Some(document) => document::create(store, key, document)?,
                // What somebody has left there is not of this one.
                None if self.version == Version::Two && key == v2::ATTRIBUTES => store.delete(key)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Creates an array. If it `adopts`, one that is there already, of the very same metadata and without chunks, is
    /// taken for what somebody was about to make and did not finish.
    pub(crate) fn create_or_adopt(
        &self,
        url: &str,
        spec: &CreateSpec,
        options: &FormatOptions,
        adopts: bool,
    ) -> Result<Opened> {
        create::check(spec)?;
        if options.content_encoding != ContentEncoding::Identity {
            return Err(Error::invalid("chunks of Zarr are compressed by their codecs, not around them"));
        }
        let store = self.store(url, options)?;
        let chunk = create::chunk_shape(spec)?;
        let codecs = create::codecs(spec)?;
        let (chunk, codecs) = match create::shard_shape(spec, &chunk)? {
            None => (chunk, codecs),
            Some(_) if self.version == Version::Two => return Err(Error::invalid("Zarr 2 has no shards")),
            Some(shard) => (shard, create::sharded(&chunk, &codecs)),
        };
        let (document, attributes) = match self.version {
            Version::Three => (v3::create(spec, &chunk, codecs)?, None),
            Version::Two => {
                let (document, attributes) = v2::create(spec, &chunk, &codecs)?;
                (document, Some(attributes).filter(|attributes| !attributes.is_empty()))
            }
        };
        let meta = match self.version {
            Version::Three => v3::parse(&document),
            Version::Two => v2::parse(&document, attributes.as_ref()),
        };
        // What was asked for is at fault.
        let asked = |error: Error| match error.kind() {
            ErrorKind::InvalidMetadata => Error::invalid(error.to_string()),
            _ => error,
        };
        let meta = meta.map_err(asked)?;
        let opened = meta.opened(self.name(), Arc::clone(&store)).map_err(asked)?;
        if spec.shard_order.is_some() && opened.layout.sharding.is_none() {
            return Err(Error::invalid("an order of chunks in shards, but the codecs make no shards"));
        }
        meta.expect_empty(&*store, adopts)?;
        let key = if self.version == Version::Three { v3::KEY } else { v2::ARRAY };
        self.write_new(&*store, [(key, Some(&document)), (v2::ATTRIBUTES, attributes.as_ref())], adopts)?;
        self.refresh(url, options)?;
        Ok(opened)
    }

    /// Changes the attributes of an array or group, unless `change` has an error.
    pub(crate) fn try_change_attributes(
        &self,
        url: &str,
        change: &(dyn Fn(Document) -> Result<Document> + Sync),
        options: &FormatOptions,
    ) -> Result<()> {
        let store = self.store(url, options)?;
        if self.find(&*store)?.is_none() {
            return Err(Error::new(ErrorKind::NotFound, format!("nothing of {} here", self.name())));
        }
        document::change(&*store, self.attributes_key(), |old| {
            if self.version == Version::Two {
                return change(old.unwrap_or_default()).map(Some);
            }
            let gone = || Error::new(ErrorKind::NotFound, "it was removed meanwhile");
            let mut document = old.ok_or_else(gone)?;
            let attributes = match document.remove("attributes") {
                Some(Value::Object(attributes)) => attributes,
                _ => Document::new(),
            };
            document.insert("attributes".to_owned(), Value::Object(change(attributes)?));
            Ok(Some(document))
        })?;
        self.refresh(url, options)
    }

    /// The images over this version.
    fn image(&self) -> &'static OmeZarr {
        if self.version == Version::Three { &OME_V3 } else { &OME_V2 }
    }

    /// What of `spec` chunks of Zarr can be; it is of one that has them if `is_own`.
    pub(crate) fn fit_array(&self, spec: CreateSpec, is_own: bool) -> CreateSpec {
        let is_known = |name: &String| create::ENCODINGS.contains(&name.as_str());
        let is_sharded = spec.shard.is_some() || spec.sharding != NewSharding::None;
        let encoding = spec.encoding.filter(is_known);
        let codecs = match is_own {
            true => spec.codecs,
            false => spec.codecs.and_then(|codecs| compression::portable(&codecs, spec.dtype)),
        };
        let has_shards =
            self.version == Version::Three && (is_sharded || super::makes_shards(codecs.as_ref()));
        CreateSpec {
            level: spec.level.filter(|_| encoding.is_some()),
            encoding,
            block: None,
            compression: None,
            codecs,
            fill: spec.fill.filter(|_| is_own),
            chunk_keys: spec.chunk_keys.filter(|_| is_own),
            shard: spec.shard.filter(|_| self.version == Version::Three),
            shard_order: spec.shard_order.filter(|_| has_shards),
            sharding: match is_sharded && self.version == Version::Three {
                true => NewSharding::Auto,
                false => NewSharding::None,
            },
            ..spec
        }
    }

    /// Removes the chunks of `meta` that `is_gone` says.
    fn remove_chunks(&self, store: &dyn Store, meta: &Meta, is_gone: impl Fn(&[u64]) -> bool) -> Result<()> {
        let ndim = meta.shape.len();
        store.remove_where(|key| meta.keys.parse(key, ndim).is_some_and(|index| is_gone(&index)))
    }
}

impl Format for Zarr {
    fn name(&self) -> &'static str {
        if self.version == Version::Three { "zarr3" } else { "zarr2" }
    }

    fn about(&self) -> &'static str {
        if self.version == Version::Three { "Zarr 3 array or group" } else { "Zarr 2 array or group" }
    }

    fn abilities(&self) -> Abilities {
        Abilities { reads: true, writes: true }
    }

    fn open(&self, url: &str, options: &FormatOptions) -> Result<Option<Opened>> {
        let store = self.store(url, options)?;
        let document = match self.find(&*store)? {
            None => return Ok(None),
            Some(Found::Array(meta)) => {
                let opened = meta.opened(self.name(), Arc::clone(&store));
                return opened.map(Some).map_err(|error| error.at(store.location("")));
            }
            Some(Found::Group(document)) => document,
        };
        match &options.scale {
            ScaleSelector::Key(path) => {
                self.open_member(&*store, path).map(|opened| Some(opened.member(path)))
            }
            _ => Err(group::is_group(&*store, self.version, &document)),
        }
    }

    fn creates(&self) -> bool {
        true
    }

    fn create(&self, url: &str, spec: &CreateSpec, options: &FormatOptions) -> Result<Opened> {
        self.create_or_adopt(url, spec, options, false)
    }

    fn resizes(&self) -> bool {
        true
    }

    fn like(&self, url: &str, options: &FormatOptions) -> Result<Option<CreateSpec>> {
        let store = self.store(url, options)?;
        let (store, meta) = match (self.find(&*store)?, &options.scale) {
            (Some(Found::Array(meta)), _) => (store, meta),
            (Some(Found::Group(_)), ScaleSelector::Key(path)) => {
                let member = store.child(path)?;
                let meta = self.array(&*member)?;
                (member, meta)
            }
            _ => return Ok(None),
        };
        let mut attributes = document::read(&*store, self.attributes_key())?.unwrap_or_default();
        if self.version == Version::Three {
            attributes = match attributes.remove("attributes") {
                Some(Value::Object(attributes)) => attributes,
                _ => Document::new(),
            };
        }
        create::like(&meta).map(|spec| Some(CreateSpec { attributes: Some(attributes), ..spec }))
    }

    fn fit(&self, spec: CreateSpec, from: &str) -> CreateSpec {
        let is_own = from == self.name() || self.image().name() == from;
        let spec = self.fit_array(spec, is_own);
        CreateSpec {
            domain: super::at_zero(spec.domain),
            labels: None,
            key: None,
            resolution: None,
            axes: None,
            attributes: match from == self.name() {
                true => spec.attributes,
                false => axis::of_user(spec.attributes),
            },
            ..spec
        }
    }

    fn remove(&self, url: &str, scale: Option<&ScaleSelector>, options: &FormatOptions) -> Result<()> {
        if scale.is_some() {
            return Err(Error::unsupported("removing a part of a group; name its path"));
        }
        let store = self.store(url, options)?;
        let meta = self.array(&*store)?;
        // Before it is gone: who reads copies of metadata alone shall not find an array of fill.
        self.forget(url, options)?;
        if store.unlink()? {
            return self.refresh(url, options);
        }
        let key = if self.version == Version::Three { v3::KEY } else { v2::ARRAY };
        document::take(&*store, key)?;
        if self.version == Version::Two {
            store.delete(v2::ATTRIBUTES)?;
        }
        self.refresh(url, options)?;
        self.remove_chunks(&*store, &meta, |_| true)?;
        store.tidy();
        Ok(())
    }

    fn list(&self, url: &str, options: &FormatOptions) -> Result<Option<Vec<Node>>> {
        let store = self.store(url, options)?;
        match self.find(&*store)? {
            Some(Found::Group(document)) => group::list(&*store, self.version, &document).map(Some),
            _ => Ok(None),
        }
    }

    fn create_group(&self, url: &str, attributes: &Document, options: &FormatOptions) -> Result<()> {
        let store = self.store(url, options)?;
        let mut document = Document::new();
        if self.version == Version::Two {
            document.insert("zarr_format".to_owned(), json!(2));
            let attributes = Some(attributes).filter(|attributes| !attributes.is_empty());
            self.write_new(&*store, [(v2::GROUP, Some(&document)), (v2::ATTRIBUTES, attributes)], false)?;
            return self.refresh(url, options);
        }
        document.insert("zarr_format".to_owned(), json!(3));
        document.insert("node_type".to_owned(), json!("group"));
        document.insert("attributes".to_owned(), Value::Object(attributes.clone()));
        self.write_new(&*store, [(v3::KEY, Some(&document)), (v2::ATTRIBUTES, None)], false)?;
        self.refresh(url, options)
    }

    fn attributes(&self, url: &str, options: &FormatOptions) -> Result<Option<Document>> {
        let store = self.store(url, options)?;
        if self.version == Version::Two {
            let keys = [v2::ARRAY, v2::GROUP];
            let is_there = keys.into_iter().try_fold(false, |there, key| Ok(there || store.exists(key)?))?;
            let read = || document::read(&*store, v2::ATTRIBUTES).map(Option::unwrap_or_default);
            return if is_there { read().map(Some) } else { Ok(None) };
        }
        let Some(mut document) = document::read(&*store, v3::KEY)? else { return Ok(None) };
        v3::kind(&document).map_err(|error| error.at(store.location(v3::KEY)))?;
        Ok(Some(match document.remove("attributes") {
            Some(Value::Object(attributes)) => attributes,
            _ => Document::new(),
        }))
    }

    fn change_attributes(
        &self,
        url: &str,
        change: &(dyn Fn(Document) -> Document + Sync),
        options: &FormatOptions,
    ) -> Result<()> {
        self.try_change_attributes(url, &|attributes| Ok(change(attributes)), options)
    }

    fn resize(&self, url: &str, shape: &[u64], options: &FormatOptions) -> Result<()> {
        let store = self.store(url, options)?;
        let key = if self.version == Version::Three { v3::KEY } else { v2::ARRAY };
        let resized = |old: Option<Document>| {
            let mut document =
                old.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no array here"))?;
            let parse = |document: &Document| match self.version {
                Version::Three if v3::kind(document)? == v3::Kind::Group => {
                    Err(Error::invalid("this is a group, not an array"))
                }
                Version::Three => v3::parse(document),
                Version::Two => v2::parse(document, None),
            };
            let meta = parse(&document)?;
            if shape.len() != meta.shape.len() {
                return Err(Error::invalid(format!("{} lengths for {} axes", shape.len(), meta.shape.len())));
            }
            document.insert("shape".to_owned(), json!(shape));
            parse(&document)?.opened(self.name(), Arc::clone(&store))?;
            Ok((meta, document))
        };
        let (meta, _) = resized(document::read(&*store, key)?)?;
        if meta.shape.iter().zip(shape).any(|(old, new)| old > new) {
            let is_outside = |index: &[u64]| {
                let mut axes = index.iter().zip(&meta.chunk).zip(shape);
                axes.any(|((&at, &chunk), &length)| at >= length.div_ceil(chunk))
            };
            self.remove_chunks(&*store, &meta, is_outside)?;
        }
        document::change(&*store, key, |old| resized(old).map(|(_, document)| Some(document)))?;
        self.refresh(url, options)
    }
}
