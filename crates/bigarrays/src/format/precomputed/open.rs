//! Scales as arrays: the `info` of a layer → layouts.

use std::sync::Arc;

use super::info::Info;
use super::keys::BoxKeys;
use super::nested::box_keys;
use super::scale_info::{ScaleInfo, with_channels};
use super::sharding::MortonKeys;
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::dtype::{DataType, FillValue};
use crate::base::error::{Error, Result};
use crate::chunk::codec::{
    ArrayCodec, Blosc, BytesCodec, ChunkSpec, CodecPipeline, CompressedSegmentation, Compresso, Gzip, Jpeg,
    Jxl, Png, Raw, Zstd,
};
use crate::chunk::grid::{ChunkGrid, EdgeChunks};
use crate::chunk::keys::KeyEncoding;
use crate::chunk::layout::{Layout, Sharding};
use crate::format::place;
use crate::format::traits::{FormatOptions, Opened};
use crate::store::shard::neuroglancer::{ShardedStore, TYPE};
use crate::store::{ReadOnlyStore, Store};

/// The name of the format.
pub(super) const NAME: &str = "precomputed";

/// The scale at `position`, opened.
pub(super) fn opened(
    info: &Info,
    position: usize,
    store: &dyn Store,
    options: &FormatOptions,
) -> Result<Opened> {
    let scale = info.scale(position)?;
    let mut chunks = store.child(&scale.key)?;
    let keys = if scale.sharding.is_some() { BoxKeys::FLAT } else { box_keys(&*chunks)? };
    let mut layouts = scale
        .chunk_sizes
        .iter()
        .map(|chunk| layout(info, scale, chunk, keys, options))
        .collect::<Result<Vec<Layout>>>()
        .map_err(|error| among_others(&error, info, scale))?
        .into_iter();
    let layout = layouts.next().ok_or_else(|| Error::metadata("a scale without chunk sizes"))?;
    if !place::is_below(&scale.key) {
        let reason = "the key of the scale leads out of the layer, where other arrays may be: it can only be read; \
                      open what it leads to by its own path, or copy the layer";
        chunks = Arc::new(ReadOnlyStore::new(chunks, reason));
    }
    if let Some(spec) = scale.sharding {
        chunks = Arc::new(ShardedStore::new(chunks, spec, Arc::new(MortonKeys::new(&layout.grid, spec)?))?);
    }
    Ok(Opened {
        copies: layouts.collect(),
        scales: info.describe()?,
        scale: position,
        notes: info.tolerated.clone(),
        incomplete: scale.incomplete.clone(),
        ..Opened::new(NAME, layout, chunks)
    })
}

/// Why a scale cannot be opened, with its key, and those of the others.
fn among_others(error: &Error, info: &Info, scale: &ScaleInfo) -> Error {
    let others: Vec<&str> =
        info.valid_scales().map(|other| other.key.as_str()).filter(|key| *key != scale.key).collect();
    let others = match &others[..] {
        [] => String::new(),
        others => format!("; it has other scales: {}", others.join(", ")),
    };
    Error::new(error.kind(), format!("{}, in the scale {}{others}", error.reason(), scale.key))
}

fn layout(
    info: &Info,
    scale: &ScaleInfo,
    chunk: &[u64; 3],
    keys: BoxKeys,
    options: &FormatOptions,
) -> Result<Layout> {
    let chunk = with_channels(chunk.as_slice().into(), info.channels, info.channels);
    let grid = ChunkGrid::new(scale.domain(info.channels)?, &chunk, EdgeChunks::Clipped)?;
    let codecs = pipeline(info.dtype, scale)?;
    codecs.check(&ChunkSpec {
        dtype: info.dtype,
        shape: grid.chunk_shape().iter().map(|&n| n as usize).collect(),
    })?;
    let names: Dims<String> = ["x", "y", "z"].map(str::to_owned).as_slice().into();
    let axis_names = with_channels(names, info.channels, "channel".to_owned());
    let morton = scale.sharding.map(|spec| MortonKeys::new(&grid, spec)).transpose()?;
    let sharding = morton.as_ref().map(|keys| Sharding {
        description: format!("{TYPE}: {}", keys.spec()),
        shape: keys.shard_shape().map(|shape| with_channels(shape.as_slice().into(), info.channels, 1)),
    });
    Ok(Layout {
        dtype: info.dtype,
        fill: FillValue::zero(info.dtype),
        grid,
        keys: morton.map_or_else(|| Arc::new(keys) as Arc<dyn KeyEncoding>, |keys| Arc::new(keys)),
        codecs,
        order: Order::Fortran,
        content_encoding: scale.sharding.map_or(options.content_encoding, |spec| spec.data_encoding),
        sharding,
        dimension_names: axis_names.iter().cloned().map(Some).collect(),
        axis_names,
        resolution: Some(scale.resolution(info.channels)),
        positions: None,
        fill_is_missing: false,
    })
}

/// The codecs of an encoding. `gzip`, `zstd` and `blosclz` are those of BigArrays.jl, which may have
/// stored a chunk as it is where the encoding calls for compression.
fn pipeline(dtype: DataType, scale: &ScaleInfo) -> Result<CodecPipeline> {
    let raw = || -> Arc<dyn ArrayCodec> { Arc::new(Raw::new(Order::Fortran)) };
    let compressed = |codec: Arc<dyn BytesCodec>| Ok(CodecPipeline::new(raw(), vec![codec]));
    let plain = |codec: Arc<dyn ArrayCodec>| Ok(CodecPipeline::new(codec, Vec::new()));
    let level = |level: Option<u32>, default: u8| level.map_or(default, |level| level as u8);
    match scale.encoding.as_str() {
        "raw" => Ok(CodecPipeline::new(raw(), Vec::new())
            .or_through(Arc::new(Gzip::new(Gzip::DEFAULT_LEVEL)?.or_plain()))),
        "jpeg" => plain(Arc::new(Jpeg::new(level(scale.jpeg_quality, Jpeg::DEFAULT_QUALITY))?)),
        "png" => plain(Arc::new(Png::new(level(scale.png_level, Png::DEFAULT_LEVEL))?)),
        "jxl" => plain(Arc::new(Jxl)),
        "compressed_segmentation" => {
            let block = scale.block_size.unwrap_or([8; 3]).map(|length| length as usize);
            plain(Arc::new(CompressedSegmentation::new(block)?))
        }
        "compresso" => plain(Arc::new(Compresso)),
        "gzip" => compressed(Arc::new(Gzip::new(Gzip::DEFAULT_LEVEL)?.or_plain())),
        "zstd" => compressed(Arc::new(Zstd::new(Zstd::DEFAULT_LEVEL)?.or_plain())),
        "blosclz" => compressed(Arc::new(Blosc::new(dtype.size(), Blosc::DEFAULT_LEVEL)?)),
        other => Err(Error::unsupported(format!("unknown encoding {other:?}"))),
    }
}
