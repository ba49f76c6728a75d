//! What a new array is made of.

use serde_json::{Map, Value};

use super::axis::{AxisSpec, of_user};
use super::compression::makes_shards;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;
use crate::chunk::curve::ChunkOrder;
use crate::chunk::layout::Layout;
use crate::store::shard::neuroglancer::ShardSpec;

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
    /// Where the first element lies in what the array is a copy of, for formats whose arrays start at zero and that
    /// keep this beside.
    pub origin: Option<Vec<i64>>,
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
    /// Names of the axes, of which some may have none.
    pub dimension_names: Option<Vec<Option<String>>>,
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
    pub(crate) fn of(layout: &Layout) -> Self {
        Self {
            chunk: Some(layout.grid.chunk_shape().to_vec()),
            resolution: layout.resolution.as_ref().map(|resolution| resolution.size.to_vec()),
            dimension_names: Some(layout.dimension_names.to_vec())
                .filter(|names| names.iter().any(Option::is_some)),
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
            origin: self.origin.or(like.origin),
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

    /// The array at zero, which says where it was: for formats whose arrays start there.
    #[must_use]
    pub(super) fn at_zero(self) -> Self {
        let Some(domain) = self.place() else { return self };
        let is_away = domain.origin().iter().any(|&start| start != 0);
        // A shape of a box is one of a box at zero.
        let at_zero = Domain::from_shape(domain.shape()).unwrap_or(self.domain);
        Self { domain: at_zero, origin: is_away.then(|| domain.origin().to_vec()), ..self }
    }

    /// The array where it was, as far as that is said: for formats whose arrays start anywhere.
    #[must_use]
    pub(super) fn placed(self) -> Self {
        match self.place() {
            Some(domain) => Self { domain, origin: None, ..self },
            None => self,
        }
    }

    /// The box that the array covers in what it is a copy of; `None` if there is no such box.
    fn place(&self) -> Option<Domain> {
        match &self.origin {
            Some(origin) if origin.len() == self.domain.ndim() => self.domain.translate(origin).ok(),
            Some(_) => None,
            None => Some(self.domain.clone()),
        }
    }

    /// What `self`, which is like another array, says and `kept`, which a format has made of it, does not: each a
    /// sentence. How elements are stored is not meant.
    pub(super) fn lost_in(&self, kept: &Self, format: &str) -> Vec<String> {
        let mut lost = Vec::new();
        let place = |spec: &Self| spec.place().map(|domain| domain.origin().to_vec());
        if let Some(origin) = place(self).filter(|origin| place(kept).as_ref() != Some(origin)) {
            lost.push(format!("{format} does not keep where the first element lies, at {origin:?}"));
        }
        if let Some(sizes) = &self.resolution
            && kept.resolution.is_none()
            && sizes.iter().any(|size| *size != 1.0)
        {
            lost.push(format!("{format} does not keep the resolution, {sizes:?} nm"));
        }
        if self.labels == Some(true) && kept.labels != Some(true) {
            lost.push(format!("{format} does not keep that elements are labels"));
        }
        let is_zero = |fill: &Value| fill.as_f64() == Some(0.0) || *fill == Value::Bool(false);
        if let Some(fill) = self.fill.as_ref().filter(|fill| kept.fill.is_none() && !is_zero(fill)) {
            lost.push(format!(
                "{format} does not keep the fill value, {fill}; what is missing reads as zero"
            ));
        }
        if self.axes.is_some() && kept.axes.is_none() && !is_of_space(self.axes.as_deref()) {
            lost.push(format!("{format} does not keep kinds and units of axes"));
        }
        let kept = kept.attributes.clone().unwrap_or_default();
        let gone = of_user(self.attributes.clone()).unwrap_or_default();
        let gone: Vec<&String> = gone.keys().filter(|name| !kept.contains_key(*name)).collect();
        if !gone.is_empty() {
            lost.push(format!("{format} does not keep the attributes {gone:?}"));
        }
        lost
    }

    /// The names of the axes, if all have one.
    pub(super) fn all_names(&self) -> Option<Vec<String>> {
        self.dimension_names.as_ref()?.iter().cloned().collect()
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
            origin: None,
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

/// An error if `spec` has an order of chunks in shards, but no shards.
pub(super) fn check_order(spec: &CreateSpec) -> Result<()> {
    let is_sharded = spec.sharding != NewSharding::None || spec.shard.is_some() || spec.codecs.is_some();
    match spec.shard_order {
        Some(order) if !is_sharded => Err(Error::invalid(format!(
            "{order} order of chunks in shards, but no shards; ask for them, too"
        ))),
        _ => Ok(()),
    }
}

/// Whether axes say no more than a resolution does.
fn is_of_space(axes: Option<&[AxisSpec]>) -> bool {
    axes.into_iter()
        .flatten()
        .all(|axis| axis.kind.as_deref().is_none_or(|kind| kind == "space" || kind == "channel"))
}
