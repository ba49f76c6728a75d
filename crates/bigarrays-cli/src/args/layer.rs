//! Options that say how a new layer is stored.

use bigarrays::chunk::curve::ChunkOrder;
use bigarrays::format::{ArraySpec, NewSharding, StorageSpec};
use bigarrays::{CreateSpec, DataType, Domain};
use clap::Args;

use crate::args::heading::NEW;
use crate::args::values;

/// How a new layer, or a new scale of one, is stored.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = NEW)]
pub(crate) struct LayerArgs {
    /// Shape of a chunk in elements, in the order of the new array's axes [default: of a copy that of its source;
    /// 64,64,64 for precomputed, about 1 MiB for the others]
    #[arg(long, value_name = "X,Y,Z", value_parser = values::shape)]
    chunk_shape: Option<values::Shape>,

    /// Encoding of chunks, such as raw, jpeg, png, zstd or compressed_segmentation; `info --supported` lists them
    /// [default: of a copy that of its source, if the format has it; or raw]
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,

    /// Quality of jpeg (0 to 100), or level of compression in the encoding's own terms [default: the encoding's own]
    #[arg(long, value_name = "N")]
    level: Option<u32>,

    /// Shape of a block of compressed_segmentation in voxels [default: 8,8,8]
    #[arg(long, value_name = "X,Y,Z", value_parser = values::lengths)]
    block_shape: Option<[u64; 3]>,

    /// Size of an element in nanometres, along the axes of space in the order of the new array [default: what the
    /// source of a copy or an import says; or 1,1,1 where the format needs one]
    #[arg(long, value_name = "X,Y,Z", value_parser = values::resolution)]
    resolution: Option<values::Sizes>,

    /// The elements are labels (a segmentation) rather than intensities
    #[arg(long)]
    labels: bool,

    /// Codecs of chunks of Zarr as Zarr 3 lists them, in JSON, instead of --encoding
    #[arg(long, value_name = "JSON", value_parser = values::json, conflicts_with_all = ["encoding", "level"])]
    codecs: Option<serde_json::Value>,

    /// Pack chunks into shards, as is good for the shape, or none, or with these parameters:
    /// preshift_bits=9,minishard_bits=6,shard_bits=11[,hash=…][,minishard_index_encoding=…][,data_encoding=…]
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "auto",
        value_parser = values::sharding)]
    sharding: Option<NewSharding>,

    /// Shape of a shard of Zarr in elements, a multiple of that of a chunk, instead of --sharding
    #[arg(long, value_name = "X,Y,Z", value_parser = values::shape, conflicts_with = "sharding")]
    shard_shape: Option<values::Shape>,

    /// Order of the chunks in shards of Zarr: c, morton or hilbert [default: c]
    #[arg(long, value_name = "ORDER", value_parser = values::chunk_order)]
    shard_order: Option<ChunkOrder>,

    /// Name of the scale, the folder of its chunks [default: made from the resolution, as 8_8_40, for precomputed; the
    /// next number for OME-Zarr; for N5 no scale, but a dataset of its own]
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
}

impl LayerArgs {
    /// A layer of `dtype` over `domain`, stored as the options say.
    pub(crate) fn spec(&self, dtype: DataType, domain: Domain) -> CreateSpec {
        let array = ArraySpec {
            resolution: self.resolution.clone().map(|sizes| sizes.0),
            labels: self.labels.then_some(true),
            ..ArraySpec::new(dtype, domain)
        };
        let storage = StorageSpec {
            chunk_shape: self.chunk_shape.clone().map(|chunk| chunk.0),
            encoding: self.encoding.clone(),
            level: self.level,
            codecs: self.codecs.clone(),
            block_shape: self.block_shape,
            key: self.key.clone(),
            sharding: self.sharding.unwrap_or_default(),
            shard_shape: self.shard_shape.clone().map(|shard| shard.0),
            shard_order: self.shard_order,
            ..StorageSpec::default()
        };
        CreateSpec { array, storage }
    }

    /// The first option that is given and is for new layers alone.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--chunk-shape", self.chunk_shape.is_some()),
            ("--encoding", self.encoding.is_some()),
            ("--level", self.level.is_some()),
            ("--block-shape", self.block_shape.is_some()),
            ("--resolution", self.resolution.is_some()),
            ("--labels", self.labels),
            ("--codecs", self.codecs.is_some()),
            ("--sharding", self.sharding.is_some()),
            ("--shard-shape", self.shard_shape.is_some()),
            ("--shard-order", self.shard_order.is_some()),
            ("--key", self.key.is_some()),
        ];
        given.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }

    /// Whether an option says how chunks are encoded.
    pub(crate) fn says_encoding(&self) -> bool {
        self.encoding.is_some() || self.codecs.is_some()
    }

    /// Whether an option says what only one scale can have.
    pub(crate) fn is_of_one_scale(&self) -> bool {
        self.resolution.is_some() || self.key.is_some()
    }

    /// A layer like that of `spec`, but for what the options say.
    pub(crate) fn over(&self, spec: CreateSpec) -> CreateSpec {
        self.spec(spec.array.dtype, spec.array.domain.clone()).or_like(spec, self.sharding.is_some())
    }
}
