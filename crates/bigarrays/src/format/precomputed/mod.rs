//! Neuroglancer's precomputed format: `info` ↔ layout.

pub mod info;
mod sharding;

use std::fmt::Write;
use std::sync::Arc;

use info::{Info, ScaleInfo, with_channels};

use super::holds::{Holds, Names, Shards, Sizes, Start};
use super::place::{self, Documents, OwnKeys, check_new_key, expect_no_chunks};
use super::probe::Probe;
use super::scale::ScaleSelector;
use super::spec::{ArraySpec, CreateSpec, NewSharding, StorageSpec};
use super::traits::{Abilities, Create, Format, FormatOptions, Opened};
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::{DataType, FillValue};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::chunk::codec::{
    self, ArrayCodec, Blosc, BytesCodec, ChunkSpec, CodecPipeline, CompressedSegmentation, Compresso,
    ContentEncoding, Gzip, Jpeg, Jxl, Png, Raw, Zstd,
};
use crate::chunk::grid::{ChunkGrid, EdgeChunks};
use crate::chunk::keys::KeyEncoding;
use crate::chunk::layout::{Layout, Sharding};
use crate::store::shard::neuroglancer::{ShardedStore, TYPE};
use crate::store::{Change, Get, LARGEST_METADATA, Part, ReadOnlyStore, Store, Update};
use sharding::MortonKeys;

/// The key of the metadata of a layer.
const INFO: &str = "info";

/// The encodings of its own that are written.
const ENCODINGS: [&str; 4] = ["raw", "jpeg", "png", "compressed_segmentation"];

/// Neuroglancer's precomputed volumes.
#[derive(Clone, Copy, Debug)]
pub struct Precomputed;

/// `x0-x1_y0-y1_z0-z1`: the chunk's clipped box in absolute coordinates.
#[derive(Clone, Copy, Debug)]
struct BoxKeys;

impl KeyEncoding for BoxKeys {
    fn key(&self, grid: &ChunkGrid, index: &[u64]) -> String {
        let mut key = String::with_capacity(48);
        for (axis, range) in grid.chunk_domain(index).ranges().take(3).enumerate() {
            let separator = if axis == 0 { "" } else { "_" };
            // Writing to a `String` cannot fail.
            let _ = write!(key, "{separator}{}-{}", range.start, range.end);
        }
        key
    }

    fn place(&self, grid: &ChunkGrid, key: &str) -> Option<Dims<u64>> {
        let mut index: Dims<u64> = Dims::from_elem(0, grid.domain().ndim());
        for (axis, range) in key.split('_').enumerate() {
            let origin = *grid.domain().origin().get(axis).filter(|_| axis < 3)?;
            let start = parse_range(range)?.start;
            index[axis] = (start >= origin).then(|| start.abs_diff(origin) / grid.chunk_shape()[axis])?;
        }
        Some(index)
    }
}

impl Format for Precomputed {
    fn name(&self) -> &'static str {
        "precomputed"
    }

    fn about(&self) -> &'static str {
        "Neuroglancer precomputed volume, sharded or not"
    }

    fn abilities(&self) -> Abilities {
        Abilities { reads: true, writes: true }
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["precomputed", "neuroglancer-precomputed"]
    }

    fn documents(&self) -> &'static [&'static str] {
        &[INFO]
    }

    fn order(&self) -> Order {
        Order::Fortran
    }

    fn open(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<Opened>> {
        let Some(info) = read_info(probe)? else { return Ok(None) };
        let store = probe.store();
        let position = options.scale.find(&info.describe()?)?;
        let named = |error: Error| match error.kind() {
            // What is stored is at fault, not who opens it.
            ErrorKind::InvalidArgument => Error::metadata(format!("scales[{position}]: {error}")),
            _ => error,
        };
        let opened = opened(&info, position, &**store, options);
        opened.map(Some).map_err(|error| named(error).at(store.location(INFO)))
    }

    fn creates(&self) -> Option<&dyn Create> {
        Some(self)
    }
}

/// What volumes hold.
const HOLDS: Holds = Holds {
    dialect: "precomputed",
    start: Start::Anywhere,
    dimension_names: Names::Fixed(&["x", "y", "z", "c"]),
    resolution: Sizes::Space,
    labels: true,
    chunks: true,
    encodings: &ENCODINGS,
    block_shape: &["compressed_segmentation"],
    content_encoding: true,
    sharding: Shards::Neuroglancer,
    key: true,
    ..Holds::PLAIN
};

impl Create for Precomputed {
    fn holds(&self) -> &'static Holds {
        &HOLDS
    }

    fn create(&self, store: &Arc<dyn Store>, spec: &CreateSpec, options: &FormatOptions) -> Result<Opened> {
        let labels = spec.array.labels.unwrap_or_else(|| is_label_encoding(spec.storage.encoding.as_deref()));
        let scale = new_scale(spec, options)?;
        let info = Info::new(labels, spec.array.dtype, channels(&spec.array.domain)?, &scale)?;
        let opened = opened(&info, 0, &**store, options)?;
        expect_empty(&**store, &scale)?;
        change_info(&**store, |old| match old {
            Some(_) => {
                Err(Error::new(ErrorKind::AlreadyExists, "there is a layer here; add a scale or remove it"))
            }
            None => Ok(Some(info.clone())),
        })?;
        Ok(opened)
    }

    fn like(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<CreateSpec>> {
        let Some(info) = read_info(probe)? else { return Ok(None) };
        let position = options.scale.find(&info.describe()?)?;
        let scale = &info.scales[position];
        let array = ArraySpec {
            resolution: Some(scale.resolution.to_vec()),
            labels: Some(info.segmentation),
            ..ArraySpec::new(info.dtype, scale.domain(info.channels)?)
        };
        let storage = StorageSpec {
            content_encoding: stored_compression(&opened(&info, position, &**probe.store(), options)?)?,
            chunk_shape: scale.chunk_sizes.first().map(|chunk| chunk.to_vec()),
            encoding: Some(scale.encoding.clone()),
            level: scale.jpeg_quality.or(scale.png_level),
            block_shape: scale.block_size.filter(|_| HOLDS.block_shape.contains(&scale.encoding.as_str())),
            // What leads out of this layer would lead out of another.
            key: Some(scale.key.clone()).filter(|key| check_new_key(key).is_ok()),
            sharding: scale.sharding.map_or(NewSharding::None, NewSharding::Neuroglancer),
            ..StorageSpec::default()
        };
        Ok(Some(CreateSpec { array, storage }))
    }

    fn add_scale(
        &self,
        store: &Arc<dyn Store>,
        spec: &CreateSpec,
        options: &FormatOptions,
    ) -> Result<Opened> {
        let scale = new_scale(spec, options)?;
        expect_empty(&**store, &scale)?;
        let added = change_info(&**store, |old| {
            let mut info = old.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no layer here"))?;
            if info.dtype != spec.array.dtype || info.channels != channels(&spec.array.domain)? {
                let (dtype, count) = (info.dtype, info.channels);
                return Err(Error::invalid(format!(
                    "the layer holds {dtype} with {count} channels, and so do all scales"
                )));
            }
            let at = info.insert(scale.clone())?;
            opened(&info, at, &**store, options)?;
            Ok(Some(info))
        })?;
        let info = added.ok_or_else(|| Error::new(ErrorKind::Storage, "the scale was not added"))?;
        let position = ScaleSelector::Key(scale.key).find(&info.describe()?)?;
        opened(&info, position, &**store, options)
    }

    fn remove(&self, store: &Arc<dyn Store>, scale: Option<&ScaleSelector>) -> Result<()> {
        if scale.is_none() && store.exists(INFO)? && store.unlink("")? {
            return Ok(());
        }
        let mut removed: std::sync::Mutex<Vec<ScaleInfo>> = std::sync::Mutex::default();
        change_info(&**store, |old| {
            let mut info = old.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no layer here"))?;
            let mut taken = removed.locked();
            let Some(selector) = scale else {
                *taken = info.scales;
                return Ok(None);
            };
            let position = selector.find(&info.describe()?)?;
            if info.scales.len() == 1 {
                return Err(Error::invalid("this is the only scale of the layer; remove the layer instead"));
            }
            *taken = vec![info.remove(position)];
            Ok(Some(info))
        })?;
        let removed = removed.value_mut();
        removed.iter().try_for_each(|scale| remove_chunks(&**store, scale))?;
        if scale.is_none() {
            store.tidy("");
        }
        Ok(())
    }
}

/// The `info` of a layer, if there is one.
fn read_info(probe: &Probe) -> Result<Option<Info>> {
    let Some(bytes) = probe.bytes(INFO)? else { return Ok(None) };
    Info::parse(&bytes).map(Some).map_err(|error| error.at(probe.store().location(INFO)))
}

/// The compression around the chunks that are stored, if any of a few all over the volume is. In shards,
/// the metadata say what it is.
fn stored_compression(opened: &Opened) -> Result<Option<ContentEncoding>> {
    const LOOKED: u64 = 9;
    let (layout, count) = (&opened.layout, opened.layout.grid.shape());
    if layout.sharding.is_some() || count.contains(&0) {
        return Ok(None);
    }
    let place = |k: u64| -> Dims<u64> {
        count
            .iter()
            .map(|count| (u128::from(count - 1) * u128::from(k) / u128::from(LOOKED - 1)) as u64)
            .collect()
    };
    let mut places: Vec<Dims<u64>> = (0..LOOKED).map(place).collect();
    places.dedup();
    // What has an encoding is sent whole, of the rest a byte.
    let look =
        |place: &Dims<u64>| Get::new(layout.chunk_key(place), Part::First(1), layout.max_stored_len(place));
    // Of the first of them, in whatever order they arrive.
    let found = std::sync::Mutex::new(std::collections::BTreeMap::new());
    let looked = opened.store.get_many(&places.iter().map(look).collect::<Vec<_>>(), &|position, blob| {
        let encoding = blob.map(|blob| blob.encoding);
        found.locked().insert(position, encoding);
        Ok(())
    });
    match looked {
        Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
        // It is not known then; whoever reads chunks is told.
        _ => {
            let found = found.into_value();
            Ok(found.into_values().flatten().next())
        }
    }
}

/// Changes the stored `info` as `change` says of the one that is there: another, or none. Returns
/// what is stored then.
fn change_info(
    store: &dyn Store,
    change: impl Fn(Option<Info>) -> Result<Option<Info>> + Sync,
) -> Result<Option<Info>> {
    let stored = std::sync::Mutex::new(None);
    let request = Update { key: INFO.to_owned(), reads: true, max_len: LARGEST_METADATA as u64 };
    store.update_many(&[request], &|_, old, out| {
        let old = old.map(|blob| blob.encoding.with_decoded(blob.bytes, LARGEST_METADATA, Info::parse));
        let info = change(old.transpose()?)?;
        let mut stored = stored.locked();
        stored.clone_from(&info);
        Ok(match info {
            Some(info) => {
                out.extend_from_slice(&info.to_bytes());
                Change::Put(ContentEncoding::Identity)
            }
            None => Change::Delete,
        })
    })?;
    Ok(stored.into_value())
}

/// Deletes every chunk or shard of `scale`, and nothing else that may lie beside them. What lies outside the
/// layer, where a key leads there, may be another's, and stays.
fn remove_chunks(store: &dyn Store, scale: &ScaleInfo) -> Result<()> {
    let parts: Vec<&str> = scale.key.split('/').collect();
    if parts.contains(&"..") {
        return Ok(());
    }
    let chunks = store.child(&scale.key)?;
    // A folder that is only linked from here is another's.
    if !chunks.unlink("")? {
        chunks.remove_where(|key| scale.has_key(key))?;
    }
    // Also the directories on the way to the scale, which may also be those of other scales.
    chunks.tidy("");
    let above = (1..parts.len()).rev().map(|count| store.child(&parts[..count].join("/")));
    above.for_each(|place| drop(place.map(|place| place.tidy(""))));
    Ok(())
}

/// An error if there are chunks or shards where those of a new scale will be, and the layer has no such scale yet:
/// of that, the change of `info` says so.
fn expect_empty(store: &dyn Store, scale: &ScaleInfo) -> Result<()> {
    let empty = expect_no_chunks(&*store.child(&scale.key)?, "", |key| scale.has_key(key));
    empty.or_else(|error| match store.read_metadata(INFO)?.map(|bytes| Info::parse(&bytes)) {
        Some(Ok(info)) if info.scales.iter().any(|known| known.key == scale.key) => Ok(()),
        Some(Err(damaged)) => Err(damaged.at(store.location(INFO))),
        _ => Err(error),
    })
}

/// Which keys beside `info` are a layer's own; `None` if there is no `info`.
pub(super) fn own_keys(documents: &Documents) -> Option<OwnKeys> {
    let document = documents.get(INFO)?.as_ref()?;
    let info = serde_json::to_vec(document).ok().and_then(|bytes| Info::parse(&bytes).ok());
    let Some(info) = info else {
        // Of what cannot be read, whatever looks like a chunk, if it looks like a layer.
        let is_layer = document.contains_key("scales");
        return is_layer.then(|| Box::new(|key: &str| is_chunk_key(last(key))) as OwnKeys);
    };
    Some(Box::new(move |key| {
        let of_scale = |scale: &ScaleInfo| {
            let own = key.strip_prefix(scale.key.trim_matches('/')).and_then(|rest| rest.strip_prefix('/'));
            own.is_some_and(|own| scale.has_key(own))
        };
        info.scales.iter().any(of_scale)
    }))
}

fn last(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

impl ScaleInfo {
    /// Whether `key`, relative to the scale, is that of a chunk or shard.
    fn has_key(&self, key: &str) -> bool {
        match &self.sharding {
            Some(spec) => sharding::is_shard_key(spec, key),
            None => is_chunk_key(key),
        }
    }
}

/// Whether `key` has the form of a chunk's: three ranges of signed numbers.
pub(super) fn is_chunk_key(key: &str) -> bool {
    key.split('_').count() == 3 && key.split('_').all(|part| parse_range(part).is_some())
}

/// Reads `start-end`, both maybe negative.
fn parse_range(text: &str) -> Option<std::ops::Range<i64>> {
    // The separator is the first `-` after the first character, which may be a sign.
    let at = text.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| at)?;
    Some(text[..at].parse().ok()?..text[at + 1..].parse().ok()?)
}

fn is_label_encoding(encoding: Option<&str>) -> bool {
    matches!(encoding, Some("compressed_segmentation" | "compresso"))
}

fn channels(domain: &Domain) -> Result<u64> {
    match (domain.ndim(), domain.shape()) {
        (3, _) => Ok(1),
        (4, &[_, _, _, channels]) if channels > 0 && domain.origin()[3] == 0 => Ok(channels),
        _ => Err(Error::invalid(format!(
            "a precomputed volume has the axes x, y, z and maybe channels that start at 0, not box {domain}"
        ))),
    }
}

/// The scale that `spec` describes.
fn new_scale(spec: &CreateSpec, options: &FormatOptions) -> Result<ScaleInfo> {
    channels(&spec.array.domain)?;
    if spec.array.domain.is_empty() {
        return Err(Error::invalid(format!("box {} is empty", spec.array.domain)));
    }
    if spec.storage.chunk_shape.iter().flatten().any(|&length| length == 0) {
        return Err(Error::invalid("a chunk has at least one voxel along each axis"));
    }
    let three = |values: &[u64]| <[u64; 3]>::try_from(&values[..3.min(values.len())]).ok();
    let of_three = |what: &str| Error::invalid(format!("{what} has one number for each of x, y, z"));
    let (size, origin) = (spec.array.domain.shape(), spec.array.domain.origin());
    let resolution = match &spec.array.resolution {
        None => [1.0; 3],
        Some(size) => {
            <[f64; 3]>::try_from(&size[..3.min(size.len())]).map_err(|_| of_three("a resolution"))?
        }
    };
    let chunk = match &spec.storage.chunk_shape {
        None => [64; 3],
        Some(chunk) => three(chunk).ok_or_else(|| of_three("a chunk shape"))?,
    };
    let encoding = spec.storage.encoding.clone().unwrap_or_else(|| "raw".to_owned());
    expect_level(&encoding, spec.storage.level)?;
    if codec::BUILTIN.iter().any(|codec| codec.name == encoding && !codec.writes) {
        return Err(Error::unsupported(format!("{encoding} is only read; choose another encoding")));
    }
    let is = |name: &str| encoding == name;
    let sharding = sharding::new_sharding(spec, &chunk, &encoding, options.content_encoding)?;
    let key = spec.storage.key.clone().unwrap_or_else(|| resolution.map(|x| x.to_string()).join("_"));
    check_new_key(&key)?;
    Ok(ScaleInfo {
        key,
        size: three(size).ok_or_else(|| of_three("a box"))?,
        voxel_offset: [origin[0], origin[1], origin[2]],
        resolution,
        chunk_sizes: vec![chunk],
        block_size: is("compressed_segmentation").then(|| spec.storage.block_shape.unwrap_or([8; 3])),
        jpeg_quality: spec.storage.level.filter(|_| is("jpeg")),
        png_level: spec.storage.level.filter(|_| is("png")),
        sharding,
        encoding,
    })
}

/// An error unless `level` is one that `encoding` has.
fn expect_level(encoding: &str, level: Option<u32>) -> Result<()> {
    let most = match encoding {
        "jpeg" => Some(100),
        "png" => Some(9),
        _ => None,
    };
    match (level, most) {
        (Some(_), None) => Err(Error::invalid(format!("encoding {encoding:?} has no level"))),
        (Some(level), Some(most)) if level > most => {
            Err(Error::invalid(format!("a level of {encoding} is from 0 to {most}, not {level}")))
        }
        _ => Ok(()),
    }
}

/// The scale at `position`, opened.
fn opened(info: &Info, position: usize, store: &dyn Store, options: &FormatOptions) -> Result<Opened> {
    let scale = &info.scales[position];
    let mut layouts = scale
        .chunk_sizes
        .iter()
        .map(|chunk| layout(info, scale, chunk, options))
        .collect::<Result<Vec<Layout>>>()?
        .into_iter();
    let layout = layouts.next().ok_or_else(|| Error::metadata("a scale without chunk sizes"))?;
    let mut chunks = store.child(&scale.key)?;
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
        ..Opened::new(Precomputed.name(), layout, chunks)
    })
}

fn layout(info: &Info, scale: &ScaleInfo, chunk: &[u64; 3], options: &FormatOptions) -> Result<Layout> {
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
        keys: morton.map_or_else(|| Arc::new(BoxKeys) as Arc<dyn KeyEncoding>, |keys| Arc::new(keys)),
        codecs,
        order: Order::Fortran,
        content_encoding: scale.sharding.map_or(options.content_encoding, |spec| spec.data_encoding),
        sharding,
        dimension_names: axis_names.iter().cloned().map(Some).collect(),
        axis_names,
        resolution: Some(scale.resolution(info.channels)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_what_was_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (layer, beside) = (folder.path().join("layer"), folder.path().join("beside"));
        std::fs::write(beside, "").unwrap();
        let url = layer.to_str().unwrap();
        let mut spec = CreateSpec::new(DataType::U8, "0:4,0:4,0:4".parse().unwrap());
        for (key, size) in [("fine/er", 1.0), ("fine/st", 2.0)] {
            (spec.storage.key, spec.array.resolution) = (Some(key.into()), Some(vec![size; 3]));
            let options = crate::OpenOptions::new();
            let array = if size == 1.0 { options.create(url, &spec) } else { options.add_scale(url, &spec) };
            array.unwrap().write(&[0; 3], ndarray::Array3::<u8>::ones((4, 4, 4)).view()).unwrap();
        }
        let remove = |scale: Option<&ScaleSelector>| {
            Precomputed.remove(&crate::store::open(url, &Default::default()).unwrap(), scale).unwrap();
        };
        remove(Some(&0.into()));
        assert!(!layer.join("fine/er").exists() && layer.join("fine/st/.bigarrays.lock").exists());
        assert!(layer.join(".bigarrays.lock").exists());
        std::fs::write(layer.join("notes"), "").unwrap();
        remove(None);
        assert_eq!(std::fs::read_dir(&layer).unwrap().count(), 1, "only what is not ours");
        std::fs::remove_file(layer.join("notes")).unwrap();
        crate::OpenOptions::new().create(url, &spec).unwrap();
        remove(None);
        assert!(!layer.exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn chunk_names_carry_signs() {
        let grid =
            ChunkGrid::new("-100:0,-6:0,-33:-1".parse().unwrap(), &[64, 6, 32], EdgeChunks::Clipped).unwrap();
        assert_eq!(BoxKeys.key(&grid, &[0, 0, 0]), "-100--36_-6-0_-33--1");
        assert_eq!(BoxKeys.place(&grid, "-36-0_-6-0_-33--1").as_deref(), Some(&[1, 0, 0][..]));
        assert_eq!(BoxKeys.place(&grid, "-136-0_-6-0_-33--1"), None);
        assert!(is_chunk_key("-100--36_-6-0_-33--1") && is_chunk_key("0-64_0-64_0-64"));
        assert!(
            !is_chunk_key("0-64_0-64")
                && !is_chunk_key("notes_on-this_layer")
                && !is_chunk_key("a-b_c-d_e-f")
        );
    }
}
