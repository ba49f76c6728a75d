//! How a new array is stored, whatever it is.

use serde_json::Value;

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;
use crate::chunk::curve::ChunkOrder;
use crate::chunk::layout::Layout;
use crate::format::compression::{is_plain, makes_shards};
use crate::store::shard::neuroglancer::ShardSpec;

/// How an array to be created is stored: in what chunks and shards, how encoded, and under which keys.
#[derive(Clone, Debug, Default)]
pub struct StorageSpec {
    /// Shape of a chunk along the first axes; chosen by the format if not given.
    pub chunk_shape: Option<Vec<u64>>,
    /// Name of the encoding of chunks; the format's plainest if not given.
    pub encoding: Option<String>,
    /// Quality of a lossy encoding or level of compression, in the encoding's own terms.
    pub level: Option<u32>,
    /// Shape of the blocks of `compressed_segmentation`.
    pub block_shape: Option<[u64; 3]>,
    /// The codecs of chunks, as metadata of Zarr 3 list them, instead of `encoding`.
    pub codecs: Option<Value>,
    /// The compression put around chunks that are written whole, if the options name none; metadata do not
    /// keep it.
    pub content_encoding: Option<ContentEncoding>,
    /// Whether and how chunks are packed into shards.
    pub sharding: NewSharding,
    /// Shape of a shard in elements, a multiple of that of a chunk, where shards are boxes of any shape.
    pub shard_shape: Option<Vec<u64>>,
    /// The order in which chunks lie in shards, where the format leaves it open; C order if neither this nor
    /// the attributes say.
    pub shard_order: Option<ChunkOrder>,
    /// How keys of chunks are made: `default/`, `default.`, `v2/` or `v2.`; the format's usual way if
    /// not given.
    pub chunk_keys: Option<String>,
    /// Name of the scale in its layer; made from the resolution if not given. For N5, `s0` makes a group of
    /// scales, rather than a dataset.
    pub key: Option<String>,
}

/// How the chunks of an array to be created are packed into shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewSharding {
    /// Not at all.
    #[default]
    None,
    /// As the format finds good for the shape.
    Auto,
    /// The same, but of at most so many bytes of chunks as they are in memory, or of one chunk.
    Within(u64),
    /// In shards of `neuroglancer_uint64_sharded_v1`.
    Neuroglancer(ShardSpec),
}

/// Bytes of chunks, as they are in memory, that a shard holds if nothing speaks against it.
const SHARD_BYTES: u64 = 64 << 20;

impl NewSharding {
    /// How many bytes of chunks a shard holds, if the format chooses.
    pub(in crate::format) fn shard_bytes(self) -> u64 {
        match self {
            Self::Within(bytes) => bytes.min(SHARD_BYTES),
            _ => SHARD_BYTES,
        }
    }
}

impl StorageSpec {
    /// This, of an array that is stored as `layout` says, without codecs that do not give back what was written: computed elements, masks
    /// and labels are stored by such only if one is named.
    #[must_use]
    pub fn lossless(self, layout: &Layout) -> Self {
        if layout.codecs.is_lossless() {
            return self;
        }
        Self { encoding: None, level: None, codecs: None, block_shape: None, ..self }
    }

    /// This, with what it leaves open as `like` has it, as far as that goes together: other codecs have other
    /// levels, and the parameters of shards are for the grid that they were chosen for. Shards, which this
    /// cannot leave open, are its own if `says_shards`.
    #[must_use]
    pub fn or_like(self, like: Self, says_shards: bool) -> Self {
        let is_same_code = self.encoding.is_none() && self.level.is_none() && self.codecs.is_none();
        let says_shape = self.shard_shape.is_some();
        let is_same_grid = self.chunk_shape.is_none() && self.shard_shape.is_none() && !says_shards;
        // A list of codecs stands for an encoding.
        let is_alone = like.codecs.is_none() || !is_same_code;
        let sharding = match like.sharding {
            _ if says_shards => self.sharding,
            NewSharding::None if like.shard_shape.is_some() && !is_same_grid => NewSharding::Auto,
            NewSharding::Neuroglancer(_) if !is_same_grid => NewSharding::Auto,
            sharding => sharding,
        };
        // Shards have one of their own.
        let is_compressed = is_same_code && sharding == NewSharding::None;
        let says_codecs = self.codecs.is_some();
        let merged = Self {
            chunk_shape: self.chunk_shape.or(like.chunk_shape),
            encoding: self.encoding.or(like.encoding.filter(|_| !says_codecs && is_alone)),
            level: self.level.or(like.level.filter(|_| is_same_code && is_alone)),
            block_shape: self.block_shape.or(like.block_shape.filter(|_| is_same_code)),
            codecs: self.codecs.or(like.codecs.filter(|_| is_same_code)),
            content_encoding: self.content_encoding.or(like.content_encoding.filter(|_| is_compressed)),
            sharding: if says_shape { NewSharding::None } else { sharding },
            shard_shape: self.shard_shape.or(like.shard_shape.filter(|_| is_same_grid)),
            shard_order: self.shard_order,
            chunk_keys: self.chunk_keys.or(like.chunk_keys),
            key: self.key.or(like.key),
        };
        let shard_order = merged.shard_order.or(like.shard_order.filter(|_| merged.has_shards()));
        Self { shard_order, ..merged }
    }

    /// This for elements of another type: without what codecs say of the type.
    #[must_use]
    pub(super) fn for_another_type(self) -> Self {
        Self { level: None, block_shape: None, codecs: None, content_encoding: None, ..self }
    }

    /// This for axes in another order, of elements of `dtype`: without codecs that depend on the order.
    #[must_use]
    pub fn for_permuted_axes(self, dtype: DataType) -> Self {
        Self { codecs: self.codecs.filter(|codecs| is_plain(codecs, dtype)), ..self }
    }

    /// Whether chunks are packed into shards, by the codecs or around them.
    pub(in crate::format) fn has_shards(&self) -> bool {
        self.is_sharded() || makes_shards(self.codecs.as_ref())
    }

    /// Whether chunks are packed into shards beside what the codecs say.
    pub(in crate::format) fn is_sharded(&self) -> bool {
        self.shard_shape.is_some() || self.sharding != NewSharding::None
    }

    /// An error if there is an order of chunks in shards, but no shards.
    pub(in crate::format) fn check_order(&self) -> Result<()> {
        match self.shard_order {
            Some(order) if !self.is_sharded() && self.codecs.is_none() => Err(Error::invalid(format!(
                "{order} order of chunks in shards, but no shards; ask for them as well"
            ))),
            _ => Ok(()),
        }
    }
}
