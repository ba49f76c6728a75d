//! Arrays and groups of one of the versions: how they are found, made, changed and removed.

use std::sync::Arc;

use serde_json::Value;

use super::dialect::Version;
use super::meta::Meta;
use super::{consolidated, create, v2, v3};
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::{CodecList, ContentEncoding, parse};
use crate::format::compression;
use crate::format::document::{self, Document};
use crate::format::probe::Probe;
use crate::format::spec::{CreateSpec, NewSharding};
use crate::format::traits::{Format, FormatOptions, Opened};
use crate::store::shard::zarr::GridKeys;
use crate::store::{MemoryStore, Store};

/// Zarr 3.
pub static V3: Zarr = Zarr { version: Version::Three };

/// Zarr 2.
pub static V2: Zarr = Zarr { version: Version::Two };

/// Arrays and groups of Zarr, of one of its versions.
#[derive(Clone, Copy, Debug)]
pub struct Zarr {
    pub(in crate::format) version: Version,
}

/// What there is at a place.
pub(in crate::format) enum Found {
    Array(Meta),
    /// A group with its metadata.
    Group(Document),
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
    /// Has consolidated metadata above the root of `store` know what is stored there now.
    pub(in crate::format) fn refresh(&self, store: &Arc<dyn Store>) -> Result<()> {
        consolidated::refresh(self.version, store)
    }

    /// Has the groups above the root of `store` know what was made there.
    pub(super) fn join(&self, store: &Arc<dyn Store>) -> Result<()> {
        consolidated::make_groups(self.version, store)?;
        self.refresh(store)
    }

    /// Has consolidated metadata above the root of `store` know nothing of what is about to be removed there.
    pub(in crate::format) fn forget(&self, store: &Arc<dyn Store>) -> Result<()> {
        consolidated::forget(self.version, store)
    }

    /// The keys of the documents of an array or group.
    pub(in crate::format) fn keys(&self) -> &'static [&'static str] {
        match self.version {
            Version::Three => &[v3::KEY],
            Version::Two => &[v2::ARRAY, v2::GROUP, v2::ATTRIBUTES],
        }
    }

    /// The documents at the root of `store`, read now.
    pub(in crate::format) fn probe(&self, store: &Arc<dyn Store>) -> Result<Probe> {
        Probe::read(store, self.keys().iter().copied())
    }

    /// Looks for an array or a group.
    pub(in crate::format) fn find(&self, probe: &Probe) -> Result<Option<Found>> {
        let located = |key: &str| {
            let location = probe.store().location(key);
            move |error: Error| error.at(location)
        };
        match self.version {
            Version::Three => {
                let Some(document) = probe.document(v3::KEY)? else { return Ok(None) };
                let found = match v3::kind(&document).map_err(located(v3::KEY))? {
                    v3::Kind::Array => Found::Array(v3::parse(&document).map_err(located(v3::KEY))?),
                    v3::Kind::Group => Found::Group(document),
                };
                Ok(Some(found))
            }
            Version::Two => {
                if let Some(document) = probe.document(v2::ARRAY)? {
                    let attributes = probe.document(v2::ATTRIBUTES)?;
                    let meta = v2::parse(&document, attributes.as_ref()).map_err(located(v2::ARRAY))?;
                    return Ok(Some(Found::Array(meta)));
                }
                let Some(document) = probe.document(v2::GROUP)? else { return Ok(None) };
                v2::expect_version(&document).map_err(located(v2::GROUP))?;
                Ok(Some(Found::Group(document)))
            }
        }
    }

    /// The metadata of the array that is there.
    ///
    /// # Errors
    /// `NotFound`; `InvalidArgument` for a group.
    pub(in crate::format) fn array(&self, probe: &Probe) -> Result<Meta> {
        match self.find(probe)? {
            Some(Found::Array(meta)) => Ok(meta),
            Some(Found::Group(_)) => Err(Error::invalid("this is a group, not an array")),
            None => Err(Error::new(ErrorKind::NotFound, format!("no {} array here", self.name()))),
        }
    }

    /// The attributes of the group that is there; `None` if there is none.
    pub(in crate::format) fn group_attributes(&self, probe: &Probe) -> Result<Option<Document>> {
        if self.version == Version::Two {
            if probe.document(v2::GROUP)?.is_none() {
                return Ok(None);
            }
            return probe.document(v2::ATTRIBUTES).map(|found| Some(found.unwrap_or_default()));
        }
        let Some(mut document) = probe.document(v3::KEY)? else { return Ok(None) };
        if document.get("node_type").is_none_or(|kind| kind != "group") {
            return Ok(None);
        }
        Ok(match document.remove("attributes") {
            Some(Value::Object(attributes)) => Some(attributes),
            _ => None,
        })
    }

    /// Removes the metadata of the group at the root of `store`.
    pub(in crate::format) fn remove_group(&self, store: &dyn Store) -> Result<()> {
        match self.version {
            Version::Three => document::take(store, v3::KEY).map(drop),
            Version::Two => {
                document::take(store, v2::GROUP)?;
                store.delete(v2::ATTRIBUTES)
            }
        }
    }

    /// The key of the document that has the attributes.
    pub(super) fn attributes_key(&self) -> &'static str {
        if self.version == Version::Three { v3::KEY } else { v2::ATTRIBUTES }
    }

    /// Opens the array that is a member of a group.
    pub(in crate::format) fn open_member(&self, probe: &Probe) -> Result<Opened> {
        let meta = self.array(probe).map_err(|error| error.at(probe.store().location("")))?;
        meta.opened(self.name(), Arc::clone(probe.store()))
    }

    /// Makes the documents of a new array or group, of which the first says what it is.
    /// If it `adopts`, the same that is there already will do, if it has no chunks.
    pub(super) fn write_new(
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
    pub(in crate::format) fn create_or_adopt(
        &self,
        store: &Arc<dyn Store>,
        spec: &CreateSpec,
        options: &FormatOptions,
        adopts: bool,
    ) -> Result<Opened> {
        create::check(spec)?;
        if options.content_encoding != ContentEncoding::Identity {
            return Err(Error::invalid("chunks of Zarr are compressed by their codecs, not around them"));
        }
        let chunk = create::chunk_shape(spec)?;
        let codecs = create::codecs(spec)?;
        let (chunk, codecs) = match create::shard_shape(spec, &chunk)? {
            None => (chunk, codecs),
            Some(_) if self.version == Version::Two => return Err(Error::invalid("Zarr 2 has no shards")),
            Some(shard) => (shard, create::sharded(&chunk, &codecs)),
        };
        // What was asked for is at fault.
        let asked = |error: Error| match error.kind() {
            ErrorKind::InvalidMetadata => Error::invalid(error.to_string()),
            _ => error,
        };
        let (document, attributes) = match self.version {
            Version::Three => (v3::create(spec, &chunk, codecs)?, None),
            Version::Two => {
                let (document, attributes) = v2::create(spec, &chunk, &codecs).map_err(asked)?;
                (document, Some(attributes).filter(|attributes| !attributes.is_empty()))
            }
        };
        let meta = match self.version {
            Version::Three => v3::parse(&document),
            Version::Two => v2::parse(&document, attributes.as_ref()),
        };
        let meta = meta.map_err(asked)?;
        let opened = meta.opened(self.name(), Arc::clone(store)).map_err(asked)?;
        if spec.shard_order.is_some() && opened.layout.sharding.is_none() {
            return Err(Error::invalid("an order of chunks in shards, but the codecs make no shards"));
        }
        meta.expect_empty(&**store, adopts)?;
        let key = if self.version == Version::Three { v3::KEY } else { v2::ARRAY };
        self.write_new(&**store, [(key, Some(&document)), (v2::ATTRIBUTES, attributes.as_ref())], adopts)?;
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
        document::change(&**store, self.attributes_key(), |old| {
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
        self.refresh(store)
    }

    /// The name of the format of images over this version.
    pub(in crate::format) fn image_name(&self) -> &'static str {
        if self.version == Version::Three { "ome-zarr" } else { "ome-zarr-0.4" }
    }

    /// What is to be said of an array whose documents are partly refused.
    pub(super) fn notes(&self, probe: &Probe) -> Vec<String> {
        let key = self.attributes_key();
        let note =
            format!("the store refuses to hand out {key}, which counts as missing: there are no attributes");
        Vec::from_iter(probe.is_refused(key).then_some(note))
    }

    /// What of `spec`, which is like an array of the format `from`, chunks of Zarr can be.
    pub(in crate::format) fn fit_array(&self, spec: CreateSpec, from: &str) -> CreateSpec {
        let is_of = |zarr: &Self| [zarr.name(), zarr.image_name()].contains(&from);
        let is_own = is_of(self);
        let is_sayable = |codecs: &Value| self.says(codecs, spec.dtype, spec.domain.ndim());
        let is_known = |name: &String| create::ENCODINGS.contains(&name.as_str());
        let is_sharded = spec.shard_shape.is_some() || spec.sharding != NewSharding::None;
        let encoding = spec.encoding.filter(is_known);
        let codecs = match spec.codecs {
            codecs if is_own => codecs,
            Some(codecs) if (is_of(&V3) || is_of(&V2)) && is_sayable(&codecs) => Some(codecs),
            codecs => codecs.and_then(|codecs| compression::portable(&codecs, spec.dtype)),
        };
        let has_shards =
            self.version == Version::Three && (is_sharded || compression::makes_shards(codecs.as_ref()));
        CreateSpec {
            level: spec.level.filter(|_| encoding.is_some()),
            encoding,
            block_shape: None,
            content_encoding: None,
            codecs,
            fill_value: spec.fill_value.filter(|_| is_own),
            chunk_keys: spec.chunk_keys.filter(|_| is_own),
            shard_shape: spec.shard_shape.filter(|_| self.version == Version::Three),
            shard_order: spec.shard_order.filter(|_| has_shards),
            sharding: match is_sharded && self.version == Version::Three {
                true => NewSharding::Auto,
                false => NewSharding::None,
            },
            ..spec
        }
    }

    /// Whether metadata can say the codecs that are listed as in Zarr 3, shards aside.
    fn says(&self, codecs: &Value, dtype: DataType, ndim: usize) -> bool {
        match self.version {
            Version::Three => {
                parse(codecs, "codecs").and_then(|list| CodecList::read(&list, dtype, ndim)).is_ok()
            }
            Version::Two => v2::written(codecs, dtype, ndim).is_ok(),
        }
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
