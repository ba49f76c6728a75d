//! Formats: translators between stored metadata and a [`Layout`]. A format never reads or writes
//! elements; arrays do, and they do not ask which format it was.

use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::chunk::curve::ChunkOrder;
use crate::chunk::layout::{Layout, Resolution};
use crate::store::shard::neuroglancer::ShardSpec;
use crate::store::{self, Get, Part, Store, StoreOptions, Wanted};

mod axis;
mod below;
mod compression;
mod document;
pub mod files;
mod member;
pub mod n5;
pub mod ome;
mod own;
mod place;
pub mod precomputed;
mod walk;
pub mod zarr;

pub use axis::AxisSpec;
pub use below::Below;
pub use files::{NewArray, NumberedKeys, PlainFormat, Target, usual_names};
pub use precomputed::Precomputed;

/// Every format of this library, in the order in which they are tried.
pub const BUILTIN: &[&dyn Format] = &[
    &Precomputed,
    &ome::OME_V3,
    &ome::OME_V2,
    &zarr::V3,
    &zarr::V2,
    &n5::N5,
    &files::npy::Npy,
    &files::tiff::FORMAT,
    &files::stack::FORMAT,
    &files::bigarray::FORMAT,
];

/// Keys of metadata, of whatever format, that may lie beside the chunks of an array.
pub const DOCUMENTS: &[&str] =
    &["info", "provenance", "zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata", "attributes.json"];

/// A translator between stored metadata and layouts.
pub trait Format: Debug + Send + Sync {
    /// The name that `format=` and tables use.
    fn name(&self) -> &'static str;

    /// What it is, in a few words.
    fn about(&self) -> &'static str;

    /// Whether the format reads, and whether it writes.
    fn abilities(&self) -> Abilities;

    /// Opens what is at `url`, or says `None` if that is not of this format.
    ///
    /// # Errors
    /// `InvalidMetadata` or `Unsupported` if it is of this format but cannot be opened.
    fn open(&self, url: &str, options: &FormatOptions) -> Result<Option<Opened>>;

    /// What the metadata at `url` have that the format forbids, although they can be read: each says where. None
    /// if that is not of this format.
    ///
    /// # Errors
    /// As [`Format::open`].
    fn problems(&self, url: &str, options: &FormatOptions) -> Result<Vec<String>> {
        let _ = (url, options);
        Ok(Vec::new())
    }

    /// Whether it makes new arrays, of chunks.
    fn creates(&self) -> bool {
        false
    }

    /// Creates an array at `url` and opens it.
    ///
    /// # Errors
    /// `AlreadyExists`; `InvalidArgument` if the format cannot hold what `spec` describes.
    fn create(&self, url: &str, spec: &CreateSpec, options: &FormatOptions) -> Result<Opened> {
        let _ = (spec, options);
        Err(Error::unsupported(format!("creating {} arrays", self.name())).at(url))
    }

    /// What an empty array like the one at `url` would be made of; `None` if that is not of this format.
    ///
    /// # Errors
    /// As [`Format::open`].
    fn like(&self, url: &str, options: &FormatOptions) -> Result<Option<CreateSpec>> {
        Ok(self.open(url, options)?.map(|opened| CreateSpec::of(&opened.layout)))
    }

    /// What of `spec`, which is like an array of the format `from`, this format can hold.
    fn fit(&self, spec: CreateSpec, from: &str) -> CreateSpec {
        let _ = from;
        spec
    }

    /// The key that the first of several scales has to be created with, if any.
    fn first_key(&self) -> Option<&'static str> {
        None
    }

    /// The order in which its users have axes: in C's, the last is the one along which elements lie
    /// next to each other.
    fn order(&self) -> Order {
        Order::C
    }

    /// Adds a scale to the layer at `url` and opens it.
    ///
    /// # Errors
    /// As [`Format::create`]; `Unsupported` if the format has no scales.
    fn add_scale(&self, url: &str, spec: &CreateSpec, options: &FormatOptions) -> Result<Opened> {
        let _ = (spec, options);
        Err(Error::unsupported(format!("{} arrays have no scales", self.name())).at(url))
    }

    /// Removes one scale of the layer at `url`, or with `None` the whole layer: metadata first, so
    /// that no reader finds half of it, then the chunks.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` if the format cannot.
    fn remove(&self, url: &str, scale: Option<&ScaleSelector>, options: &FormatOptions) -> Result<()> {
        let _ = (scale, options);
        Err(Error::unsupported(format!("removing {} arrays", self.name())).at(url))
    }

    /// What the group at `url` holds, at any depth; `None` if that is no group of this format.
    ///
    /// # Errors
    /// `InvalidMetadata`; a storage error, also where the store cannot list.
    fn list(&self, url: &str, options: &FormatOptions) -> Result<Option<Vec<Node>>> {
        let _ = (url, options);
        Ok(None)
    }

    /// Creates a group at `url`.
    ///
    /// # Errors
    /// `AlreadyExists`; `Unsupported` if the format has no groups.
    fn create_group(
        &self,
        url: &str,
        attributes: &Map<String, Value>,
        options: &FormatOptions,
    ) -> Result<()> {
        let _ = (attributes, options);
        Err(Error::unsupported(format!("{} has no groups", self.name())).at(url))
    }

    /// The user's attributes of the array or group at `url`; `None` if that is not of this format, or if
    /// the format has none.
    ///
    /// # Errors
    /// `InvalidMetadata`.
    fn attributes(&self, url: &str, options: &FormatOptions) -> Result<Option<Map<String, Value>>> {
        let _ = (url, options);
        Ok(None)
    }

    /// Replaces the user's attributes by what `change` makes of them, in one atomic step.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` if the format has none.
    fn change_attributes(
        &self,
        url: &str,
        change: &(dyn Fn(Map<String, Value>) -> Map<String, Value> + Sync),
        options: &FormatOptions,
    ) -> Result<()> {
        let _ = (change, options);
        Err(Error::unsupported(format!("{} has no attributes", self.name())).at(url))
    }

    /// Whether arrays can be given another shape.
    fn resizes(&self) -> bool {
        false
    }

    /// Gives the array at `url` another shape. What it gains is fill value; chunks that will be outside are removed
    /// before, lest they come back with the next growth if this is cut short. Arrays that are open keep the shape
    /// that they were opened with.
    ///
    /// # Errors
    /// `NotFound`; `InvalidArgument` for a shape of another number of axes; `Unsupported` if the format
    /// cannot.
    fn resize(&self, url: &str, shape: &[u64], options: &FormatOptions) -> Result<()> {
        let _ = (shape, options);
        Err(Error::unsupported(format!("{} arrays keep their shape", self.name())).at(url))
    }
}

/// An array or a group in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its path in the group.
    pub path: String,
    /// Whether it is an array.
    pub is_array: bool,
}

/// What a format can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// It opens what is stored.
    pub reads: bool,
    /// It creates and changes what is stored.
    pub writes: bool,
}

/// An opened array, before it is one.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Name of the format.
    pub format: &'static str,
    /// How the array is stored.
    pub layout: Layout,
    /// Further copies of the data in the same store, in other chunk shapes.
    pub copies: Vec<Layout>,
    /// The store rooted at the array.
    pub store: Arc<dyn Store>,
    /// The scales of the layer, finest first.
    pub scales: Vec<Scale>,
    /// Position of this array in `scales`.
    pub scale: usize,
}

impl Opened {
    /// The array as the only scale of the group that it was opened from, where its path is its key.
    fn member(self, path: &str) -> Self {
        let ndim = self.layout.domain().ndim();
        let unknown = || Resolution { size: Dims::from_elem(1.0, ndim), unit: String::new() };
        let scale = Scale {
            key: path.to_owned(),
            domain: self.layout.domain().clone(),
            chunks: vec![self.layout.grid.chunk_shape().into()],
            resolution: self.layout.resolution.clone().unwrap_or_else(unknown),
            encoding: self.layout.codecs.names().collect::<Vec<_>>().join(" + "),
            sharded: self.layout.sharding.is_some(),
            labels: false,
        };
        Self { scales: vec![scale], scale: 0, ..self }
    }
}

/// One scale of a layer, as its metadata describe it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Its name in the layer.
    pub key: String,
    /// The box it covers.
    pub domain: Domain,
    /// Shape of a chunk; several if the data are stored several times.
    pub chunks: Vec<Dims<u64>>,
    /// Size of an element along each axis.
    pub resolution: Resolution,
    /// Name of the encoding.
    pub encoding: String,
    /// Whether chunks are packed into shards.
    pub sharded: bool,
    /// Whether elements are labels rather than intensities.
    pub labels: bool,
}

/// Which scale of a layer is meant.
#[derive(Clone, Debug, PartialEq)]
pub enum ScaleSelector {
    /// By position, from zero.
    Index(usize),
    /// By key.
    Key(String),
    /// By the size of an element along each axis.
    Resolution(Vec<f64>),
}

impl Default for ScaleSelector {
    fn default() -> Self {
        Self::Index(0)
    }
}

impl From<usize> for ScaleSelector {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl From<&str> for ScaleSelector {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<Vec<f64>> for ScaleSelector {
    fn from(resolution: Vec<f64>) -> Self {
        Self::Resolution(resolution)
    }
}

impl ScaleSelector {
    /// The position of the scale meant.
    ///
    /// # Errors
    /// `NotFound`, listing what there is.
    pub fn find(&self, scales: &[Scale]) -> Result<usize> {
        let found = match self {
            Self::Index(index) => (*index < scales.len()).then_some(*index),
            Self::Key(key) => scales.iter().position(|scale| scale.key == *key),
            Self::Resolution(wanted) => {
                let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
                scales.iter().position(|scale| {
                    wanted.len() <= scale.resolution.size.len()
                        && wanted.len() >= 3.min(scale.resolution.size.len())
                        && wanted.iter().zip(&scale.resolution.size).all(close)
                })
            }
        };
        found.ok_or_else(|| {
            let keys: Vec<&str> = scales.iter().map(|scale| scale.key.as_str()).collect();
            let meant = match self {
                Self::Index(index) => format!("number {index}"),
                Self::Key(key) => format!("{key:?}"),
                Self::Resolution(size) => format!("of resolution {size:?}"),
            };
            Error::new(ErrorKind::NotFound, format!("no scale {meant}; there are {}: {keys:?}", keys.len()))
        })
    }
}

/// Options for opening what is stored.
#[derive(Clone, Debug, Default)]
pub struct FormatOptions {
    /// Name of the format; found by the metadata if not given.
    pub format: Option<String>,
    /// Which scale to open.
    pub scale: ScaleSelector,
    /// The compression put around chunks that are written whole.
    pub content_encoding: ContentEncoding,
    /// How the store is opened.
    pub store: StoreOptions,
}

/// What an array to be created should be.
#[derive(Clone, Debug)]
pub struct CreateSpec {
    /// Type of the elements.
    pub dtype: DataType,
    /// The box it covers; for precomputed x, y, z and, where there are several, channels.
    pub domain: Domain,
    /// Shape of a chunk along the first axes; chosen by the format if not given.
    pub chunk: Option<Vec<u64>>,
    /// Name of the encoding of chunks; the format's plainest if not given.
    pub encoding: Option<String>,
    /// Quality of a lossy encoding or level of compression, in the encoding's own terms.
    pub level: Option<u32>,
    /// Shape of the blocks of `compressed_segmentation`.
    pub block: Option<[u64; 3]>,
    /// Size of an element along each axis, in nanometres where the format has no other unit.
    pub resolution: Option<Vec<f64>>,
    /// Whether elements are labels rather than intensities; guessed from the encoding if not given.
    pub labels: Option<bool>,
    /// Name of the scale in its layer; made from the resolution if not given. For N5, `s0` makes a group of
    /// scales, rather than a dataset.
    pub key: Option<String>,
    /// Whether and how chunks are packed into shards.
    pub sharding: NewSharding,
    /// Shape of a shard in elements, a multiple of that of a chunk, where shards are boxes of any shape.
    pub shard: Option<Vec<u64>>,
    /// The order in which chunks lie in shards, where the format leaves it open; C order if neither this nor
    /// the attributes say.
    pub shard_order: Option<ChunkOrder>,
    /// Names of the axes, where the format keeps them.
    pub dimension_names: Option<Vec<String>>,
    /// What else images say of axes, by name; for formats that say it.
    pub axes: Option<Vec<AxisSpec>>,
    /// Value of elements that are not stored, as metadata of the format say it; zero if not given.
    pub fill: Option<Value>,
    /// The codecs of chunks, as metadata of Zarr 3 list them, instead of `encoding`.
    pub codecs: Option<Value>,
    /// How keys of chunks are made: `default/`, `default.`, `v2/` or `v2.`; the format's usual way if
    /// not given.
    pub chunk_keys: Option<String>,
    /// The user's attributes.
    pub attributes: Option<Map<String, Value>>,
    /// The compression put around chunks that are written whole, if the options name none; metadata do not
    /// keep it.
    pub compression: Option<ContentEncoding>,
}

/// How the chunks of an array to be created are packed into shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewSharding {
    /// Not at all.
    #[default]
    None,
    /// As the format finds good for the shape.
    Auto,
    /// In shards of `neuroglancer_uint64_sharded_v1`.
    Neuroglancer(ShardSpec),
}

impl CreateSpec {
    /// An array of the type, box, chunks, axes and resolution of another.
    fn of(layout: &Layout) -> Self {
        Self {
            chunk: Some(layout.grid.chunk_shape().to_vec()),
            resolution: layout.resolution.as_ref().map(|resolution| resolution.size.to_vec()),
            dimension_names: Some(layout.dimension_names.to_vec()),
            ..Self::new(layout.dtype, layout.domain().clone())
        }
    }

    /// This, with what it leaves open as `like` has it, as far as that goes together: other codecs have other
    /// levels, and the parameters of shards are for the grid that they were chosen for. Shards, which this
    /// cannot leave open, are its own if `says_shards`.
    #[must_use]
    pub fn or_like(self, like: Self, says_shards: bool) -> Self {
        let is_same_code = self.encoding.is_none() && self.level.is_none() && self.codecs.is_none();
        let says_shape = self.shard.is_some();
        let is_same_grid = self.chunk.is_none() && self.shard.is_none() && !says_shards;
        // Fill values and codecs are of a type, and keys made from sizes of theirs.
        let is_same_type = self.dtype == like.dtype;
        let is_same_code = is_same_code && is_same_type;
        // A list of codecs stands for an encoding.
        let is_alone = like.codecs.is_none() || !is_same_code;
        let key = like.key.filter(|_| self.resolution.is_none());
        let sharding = match like.sharding {
            _ if says_shards => self.sharding,
            NewSharding::None if like.shard.is_some() && !is_same_grid => NewSharding::Auto,
            NewSharding::Neuroglancer(_) if !is_same_grid => NewSharding::Auto,
            sharding => sharding,
        };
        // Shards have one of their own.
        let is_compressed = is_same_code && sharding == NewSharding::None;
        let shard = self.shard.or(like.shard.filter(|_| is_same_grid));
        let says_codecs = self.codecs.is_some();
        let codecs = self.codecs.or(like.codecs.filter(|_| is_same_code));
        let has_shards = shard.is_some() || sharding != NewSharding::None || makes_shards(codecs.as_ref());
        Self {
            chunk: self.chunk.or(like.chunk),
            encoding: self.encoding.or(like.encoding.filter(|_| !says_codecs && is_alone)),
            level: self.level.or(like.level.filter(|_| is_same_code && is_alone)),
            block: self.block.or(like.block.filter(|_| is_same_code)),
            codecs,
            resolution: self.resolution.or(like.resolution),
            labels: self.labels.or(like.labels),
            key: self.key.or(key),
            sharding: if says_shape { NewSharding::None } else { sharding },
            shard,
            shard_order: self.shard_order.or(like.shard_order.filter(|_| has_shards)),
            dimension_names: self.dimension_names.or(like.dimension_names),
            axes: self.axes.or(like.axes),
            fill: self.fill.or(like.fill.filter(|_| is_same_type)),
            chunk_keys: self.chunk_keys.or(like.chunk_keys),
            attributes: self.attributes.or(like.attributes),
            compression: self.compression.or(like.compression.filter(|_| is_compressed)),
            ..self
        }
    }

    /// An array of `dtype` over `domain`, all else left to the format.
    pub fn new(dtype: DataType, domain: Domain) -> Self {
        Self {
            dtype,
            domain,
            chunk: None,
            encoding: None,
            level: None,
            block: None,
            resolution: None,
            labels: None,
            key: None,
            sharding: NewSharding::None,
            shard: None,
            shard_order: None,
            dimension_names: None,
            axes: None,
            fill: None,
            codecs: None,
            chunk_keys: None,
            attributes: None,
            compression: None,
        }
    }
}

/// Whether a list of codecs, as metadata of Zarr 3 have it, packs chunks into shards.
fn makes_shards(codecs: Option<&Value>) -> bool {
    let is_sharding = |codec: &Value| {
        let name = codec.get("name").unwrap_or(codec);
        name.as_str() == Some(zarr::shards::SHARDING)
    };
    codecs.and_then(Value::as_array).is_some_and(|codecs| codecs.iter().any(is_sharding))
}

/// The format of this name.
///
/// # Errors
/// `InvalidArgument`, listing what there is.
pub fn by_name(name: &str) -> Result<&'static dyn Format> {
    BUILTIN.iter().copied().find(|format| format.name() == name).ok_or_else(|| {
        let known: Vec<&str> = BUILTIN.iter().map(|format| format.name()).collect();
        Error::invalid(format!("unknown format {name:?}; known are {}", known.join(", ")))
    })
}

/// What metadata at `url` have that their format forbids, although they can be read.
pub(crate) fn problems(url: &str, options: &FormatOptions) -> Result<Vec<String>> {
    let found = match &options.format {
        Some(name) => by_name(name)?.problems(url, options),
        None => BUILTIN.iter().try_fold(Vec::new(), |mut all, format| {
            all.extend(format.problems(url, options)?);
            Ok(all)
        }),
    };
    found.map_err(|error| error.during("verifying").at(url))
}

/// Opens what is at `url` with the first format that knows it.
pub(crate) fn open(url: &str, options: &FormatOptions) -> Result<Opened> {
    let context = |error: Error| error.during("opening").at(url);
    let not_found = |what: &str| Error::new(ErrorKind::NotFound, what.to_owned());
    if let Some(name) = &options.format {
        let opened = by_name(name)?.open(url, options).map_err(context)?;
        return opened.ok_or_else(|| context(not_found(&format!("no {name} array here"))));
    }
    for format in BUILTIN {
        if let Some(opened) = format.open(url, options).map_err(context)? {
            return Ok(opened);
        }
    }
    let path = url.strip_prefix("file://").unwrap_or(url);
    if !store::is_remote(url) && !url.starts_with("memory://") && !Path::new(path).exists() {
        return Err(context(not_found("there is no such file or folder")));
    }
    let known: Vec<&str> = BUILTIN.iter().map(|format| format.name()).collect();
    Err(context(not_found(&format!("no array of a known format here ({})", known.join(", ")))))
}

/// Creates an array at `url`, in precomputed format unless the options name another.
pub(crate) fn create(url: &str, spec: &CreateSpec, options: &FormatOptions) -> Result<Opened> {
    let format = by_name(options.format.as_deref().unwrap_or("precomputed"))?;
    let context = |error: Error| error.during("creating").at(url);
    check_order(spec).map_err(context)?;
    format.create(url, spec, options).map_err(context)
}

/// The format in which an array like one of the format `from` is made: this if it makes any.
pub fn same_or_default(from: &str) -> &'static dyn Format {
    BUILTIN.iter().copied().find(|format| format.name() == from && format.creates()).unwrap_or(&Precomputed)
}

/// What an empty array like the one at `url` would be made of.
pub(crate) fn like(url: &str, options: &FormatOptions) -> Result<CreateSpec> {
    let none = || Error::new(ErrorKind::NotFound, "there is no array here");
    let found = first(options, |format| format.like(url, options));
    found.and_then(|found| found.ok_or_else(none)).map_err(|error| error.during("opening").at(url))
}

/// A text that tells the layer at `url` from another that is there later, as far as its store knows versions:
/// those of its metadata. `None` if there is none.
///
/// # Errors
/// A storage error.
pub fn identity(url: &str, options: &FormatOptions) -> Result<Option<String>> {
    let store = store_at(url, options)?;
    let named = |key: &&str| Get { version: Wanted::Named, ..Get::new(*key, Part::Presence, u64::MAX) };
    let found: Mutex<Vec<String>> = Mutex::default();
    store.get_many(&DOCUMENTS.iter().map(named).collect::<Vec<_>>(), &|position, blob| {
        if let Some(blob) = blob {
            let version = format!("{}={}", DOCUMENTS[position], blob.version.map_or("", store::settled));
            found.lock().unwrap_or_else(PoisonError::into_inner).push(version);
        }
        Ok(())
    })?;
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_unstable();
    Ok(Some(found.join(" ")).filter(|text| !text.is_empty()))
}

/// Adds a scale to the layer at `url`.
pub(crate) fn add_scale(url: &str, spec: &CreateSpec, options: &FormatOptions) -> Result<Opened> {
    let format = known_at(url, options)?.unwrap_or(&Precomputed);
    let context = |error: Error| error.during("adding a scale to").at(url);
    check_order(spec).map_err(context)?;
    format.add_scale(url, spec, options).map_err(context)
}

/// An error if `spec` has an order of chunks in shards, but no shards.
fn check_order(spec: &CreateSpec) -> Result<()> {
    let is_sharded = spec.sharding != NewSharding::None || spec.shard.is_some() || spec.codecs.is_some();
    match spec.shard_order {
        Some(order) if !is_sharded => Err(Error::invalid(format!(
            "{order} order of chunks in shards, but no shards; ask for them, too"
        ))),
        _ => Ok(()),
    }
}

/// Removes the layer at `url`, or one scale of it. If there is none, what an earlier removal that was cut short has
/// left there is removed. Of a layer that is a link to another place, the link is removed and nothing else.
///
/// # Errors
/// `NotFound` if there is none; `Unsupported` if the format cannot.
pub fn remove(url: &str, scale: Option<&ScaleSelector>, options: &FormatOptions) -> Result<()> {
    let format = known_at(url, options)?.unwrap_or(&Precomputed);
    let removed = format.remove(url, scale, options);
    let is_nothing = matches!(&removed, Err(error) if error.kind() == ErrorKind::NotFound) && scale.is_none();
    match if is_nothing { Below::remains(url, options)? } else { None } {
        Some(remains) => remains.remove_own(options, &mut |_| {}),
        None => removed.map_err(|error| error.during("removing").at(url)),
    }
}

/// Has the groups above `url` know that what was there is gone, whoever removed it.
///
/// # Errors
/// A storage error.
pub fn removed(url: &str, options: &FormatOptions) -> Result<()> {
    [zarr::V3, zarr::V2].iter().try_for_each(|format| format.refresh(url, options))
}

/// The format that the options name, or that knows what is at `url`, be it damaged.
fn known_at(url: &str, options: &FormatOptions) -> Result<Option<&'static dyn Format>> {
    if let Some(name) = &options.format {
        return by_name(name).map(Some);
    }
    let knows = |format: &&&dyn Format| !matches!(format.open(url, options), Ok(None));
    Ok(BUILTIN.iter().find(knows).copied())
}

/// What the group at `url` holds, at any depth.
///
/// # Errors
/// `NotFound` if there is no group; those of [`Format::list`].
pub fn list(url: &str, options: &FormatOptions) -> Result<Vec<Node>> {
    let listed = first(options, |format| format.list(url, options));
    let none = || Error::new(ErrorKind::NotFound, "there is no group here");
    listed.and_then(|listed| listed.ok_or_else(none)).map_err(|error| error.during("listing").at(url))
}

/// The user's attributes of the array or group at `url`.
///
/// # Errors
/// `NotFound` if there is nothing of a format that has attributes.
pub fn attributes(url: &str, options: &FormatOptions) -> Result<Map<String, Value>> {
    let found = first(options, |format| format.attributes(url, options));
    let none = || Error::new(ErrorKind::NotFound, "there is nothing here that has attributes");
    let context = |error: Error| error.during("reading attributes of").at(url);
    found.and_then(|found| found.ok_or_else(none)).map_err(context)
}

/// Adds `new` to the user's attributes of the array or group at `url`; those of a name that is there
/// are replaced, and those that are null removed.
///
/// # Errors
/// As [`attributes`]; a storage error.
pub fn update_attributes(url: &str, new: &Map<String, Value>, options: &FormatOptions) -> Result<()> {
    let context = |error: Error| error.during("changing attributes of").at(url);
    let has = |format: &dyn Format| Ok(format.attributes(url, options)?.map(|_| format.name()));
    let none = || Error::new(ErrorKind::NotFound, "there is nothing here that has attributes");
    let name = first(options, has).and_then(|name| name.ok_or_else(none)).map_err(context)?;
    let merge = |mut old: Map<String, Value>| {
        old.extend(new.clone());
        old.retain(|_, value| !value.is_null());
        old
    };
    by_name(name)?.change_attributes(url, &merge, options).map_err(context)
}

/// Creates a group at `url`, of Zarr 3 unless the options name another format.
///
/// # Errors
/// Those of [`Format::create_group`].
pub fn create_group(url: &str, attributes: &Map<String, Value>, options: &FormatOptions) -> Result<()> {
    let format = by_name(options.format.as_deref().unwrap_or(zarr::V3.name()))?;
    format.create_group(url, attributes, options).map_err(|error| error.during("creating").at(url))
}

/// Gives the array at `url` another shape; see [`OpenOptions::resize`](crate::OpenOptions::resize).
pub(crate) fn resize(url: &str, shape: &[u64], options: &FormatOptions) -> Result<()> {
    let context = |error: Error| error.during("resizing").at(url);
    let none = || Error::new(ErrorKind::NotFound, "there is no array here");
    let format = known_at(url, options).and_then(|format| format.ok_or_else(none)).map_err(context)?;
    format.resize(url, shape, options).map_err(context)
}

/// The first answer of the format that the options name, or of any.
fn first<T>(
    options: &FormatOptions,
    ask: impl Fn(&'static dyn Format) -> Result<Option<T>>,
) -> Result<Option<T>> {
    if let Some(name) = &options.format {
        return ask(by_name(name)?);
    }
    for format in BUILTIN {
        if let Some(answer) = ask(*format)? {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

/// The same box, at zero: for formats whose arrays start there.
fn at_zero(domain: Domain) -> Domain {
    // A shape of a box is one of a box at zero.
    Domain::from_shape(domain.shape()).unwrap_or(domain)
}

/// The URL without the name of a format that other tools put before it.
fn plain(url: &str) -> &str {
    ["precomputed://", "zarr://", "n5://"].iter().find_map(|prefix| url.strip_prefix(prefix)).unwrap_or(url)
}

/// The store at `url`.
pub(crate) fn store_at(url: &str, options: &FormatOptions) -> Result<Arc<dyn Store>> {
    store::open(url, &options.store)
}
