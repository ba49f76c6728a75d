//! What a new array is made of.

use serde_json::{Value, json};

use super::fill;
use super::keys::Keys;
use super::meta::Meta;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::base::member::{integer, naturals};
use crate::chunk::codec::{self, CodecList, Dialect, Elements, Kind, Listed};
use crate::chunk::curve::ChunkOrder;
use crate::format::compression::SHARDING;
use crate::format::holds::{Holds, Names, Sizes, Start};
use crate::format::{CreateSpec, NewSharding};

/// Bytes of a chunk where no shape is asked for, about.
const CHUNK_BYTES: u64 = 1 << 20;

/// The shape of chunks: as asked for, or about cubes.
///
/// # Errors
/// `InvalidArgument` if there is no such shape.
pub(crate) fn chunk_shape(spec: &CreateSpec) -> Result<Vec<u64>> {
    let shape = spec.array.domain.shape();
    if let Some(chunk) = &spec.storage.chunk_shape {
        if chunk.len() == shape.len() && !chunk.contains(&0) {
            return Ok(chunk.clone());
        }
        return Err(Error::invalid(format!("a chunk of shape {chunk:?} for an array of shape {shape:?}")));
    }
    let mut chunk: Vec<u64> = shape.iter().map(|&length| length.max(1)).collect();
    let most = CHUNK_BYTES / spec.array.dtype.size() as u64;
    while chunk.iter().fold(1, |product: u64, &length| product.saturating_mul(length)) > most {
        let Some(longest) = chunk.iter_mut().max() else { break };
        // Powers of two go well with coarser scales.
        *longest = longest.div_ceil(2).next_power_of_two().min(*longest - 1).max(1);
    }
    Ok(chunk)
}

/// The encodings that need no list of codecs.
pub(super) const ENCODINGS: [&str; 4] = ["raw", "zstd", "gzip", "blosc"];

/// What new arrays of every version hold, beside codecs. Origin and resolution are kept in an attribute of ours.
pub(super) const HOLDS: Holds = Holds {
    start: Start::ZeroWithOrigin,
    dimension_names: Names::AllOrNone,
    resolution: Sizes::All,
    unit: true,
    fill_value: Some("zarr"),
    understood_attributes: &["_ARRAY_DIMENSIONS", "bigarrays"],
    chunks: true,
    encodings: &ENCODINGS,
    chunk_keys: &["v2.", "v2/"],
    ..Holds::PLAIN
};

/// What an array like that of `meta` would be made of.
///
/// # Errors
/// `InvalidMetadata` if these are of no array.
pub(crate) fn like(meta: &Meta) -> Result<CreateSpec> {
    let mut spec = CreateSpec::new(meta.dtype, Domain::from_shape(&meta.shape)?);
    let shard = match &meta.codecs[..] {
        [only] if only.name == SHARDING => only.configuration.get("chunk_shape").and_then(naturals),
        _ => None,
    };
    let inner = meta.codecs.first().filter(|_| shard.is_some());
    spec.storage.codecs = match inner.and_then(|codec| codec.configuration.get("codecs")) {
        Some(inner) => Some(inner.clone()),
        None => Some(listed(meta)?),
    };
    (spec.storage.encoding, spec.storage.level) = spec.storage.codecs.as_ref().map_or((None, None), encoding);
    spec.storage.shard_shape = shard.is_some().then(|| meta.chunk.clone());
    spec.storage.chunk_shape = Some(shard.unwrap_or_else(|| meta.chunk.clone()));
    spec.array.fill_value = Some(fill::to_json(&meta.fill, meta.dtype));
    let kind = if meta.keys.prefixed { "default" } else { "v2" };
    spec.storage.chunk_keys = Some(format!("{kind}{}", meta.keys.separator));
    spec.storage.shard_order = Some(meta.own.order).filter(|order| *order != ChunkOrder::C);
    spec.array.origin.clone_from(&meta.own.origin);
    spec.array.dimension_names = meta.names.clone();
    let array = spec.array.sized(meta.own.resolution.as_ref(), |_| true);
    Ok(CreateSpec { array, storage: spec.storage })
}

/// The codecs of an array, as metadata of Zarr 3 list them.
fn listed(meta: &Meta) -> Result<Value> {
    if meta.codecs.iter().any(|listed| listed.dialect != Dialect::Zarr3) {
        return CodecList::read(&meta.codecs, meta.dtype, meta.shape.len())?.to_zarr3();
    }
    Ok(meta.codecs.iter().map(Listed::to_json).collect())
}

/// The encoding and level that a list of codecs is equal to, if its last codec is one of the encodings.
fn encoding(codecs: &Value) -> (Option<String>, Option<u32>) {
    let last = codecs.as_array().and_then(|codecs| codecs.last());
    let name = last.and_then(|last| last.get("name")).and_then(Value::as_str);
    let Some(name) = name.filter(|name| ENCODINGS.contains(name)) else { return (None, None) };
    let level = |member| last?.get("configuration")?.get(member)?.as_u64();
    (
        Some(name.to_owned()),
        level("level").or_else(|| level("clevel")).and_then(|level| level.try_into().ok()),
    )
}

/// The list of codecs: as asked for, or little-endian elements and maybe a compression.
///
/// # Errors
/// `InvalidArgument` for an encoding that is none of Zarr.
pub(crate) fn codecs(spec: &CreateSpec) -> Result<Value> {
    if let Some(codecs) = &spec.storage.codecs {
        expect_levels(codecs, spec)?;
        return Ok(codecs.clone());
    }
    let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
    let name = match spec.storage.encoding.as_deref() {
        None | Some("raw") if spec.storage.level.is_some() => {
            return Err(Error::invalid("raw elements have no level"));
        }
        None | Some("raw") => return Ok(json!([bytes])),
        Some(name) => name,
    };
    let elements = Elements { dtype: spec.array.dtype, ndim: spec.array.domain.ndim(), big_endian: false };
    match codec::at_level(Dialect::Zarr3, name, spec.storage.level, elements)? {
        Some(whole) if codec::kind(Dialect::Zarr3, whole.name) == Some(Kind::Array) => {
            Ok(json!([whole.to_zarr3()]))
        }
        Some(compression) => Ok(json!([bytes, compression.to_zarr3()])),
        None => {
            let known = format!("known are {}; others can be listed as codecs", ENCODINGS.join(", "));
            Err(Error::invalid(format!("unknown encoding {name:?} of Zarr; {known}")))
        }
    }
}

/// An error if a list asks for a level of compression that there is not, for which reading takes the nearest.
///
/// # Errors
/// `InvalidArgument` naming the codec.
fn expect_levels(codecs: &Value, spec: &CreateSpec) -> Result<()> {
    let elements = Elements { dtype: spec.array.dtype, ndim: spec.array.domain.ndim(), big_endian: false };
    // Whatever else is wrong with a list, whoever reads it says.
    for listed in codec::parse(codecs, "codecs").unwrap_or_default() {
        let level = ["level", "clevel"].iter().find_map(|member| listed.configuration.get(*member));
        let known = listed
            .read(elements)
            .ok()
            .flatten()
            .and_then(|built| Some(built.config().get("level")?.to_json()));
        if let (Some(asked), Some(known)) = (level.and_then(integer), known.as_ref().and_then(integer))
            && asked != -1
            && asked != known
        {
            return Err(Error::invalid(format!("{}: {} has no level {asked}", listed.path, listed.name)));
        }
        listed.configuration.get("codecs").map_or(Ok(()), |inner| expect_levels(inner, spec))?;
    }
    Ok(())
}

/// The shape of shards: as asked for, or about cubes; `None` if chunks are not sharded.
///
/// # Errors
/// `InvalidArgument` if chunks do not fill shards.
pub(crate) fn shard_shape(spec: &CreateSpec, chunk: &[u64]) -> Result<Option<Vec<u64>>> {
    if let Some(shard) = &spec.storage.shard_shape {
        let fills = |(shard, chunk): (&u64, &u64)| *shard > 0 && shard % chunk == 0;
        if shard.len() == chunk.len() && shard.iter().zip(chunk).all(fills) {
            return Ok(Some(shard.clone()));
        }
        return Err(Error::invalid(format!("shards of shape {shard:?} are no boxes of chunks of {chunk:?}")));
    }
    if spec.storage.sharding == NewSharding::None {
        return Ok(None);
    }
    let mut shard = chunk.to_vec();
    let bytes =
        |shard: &[u64]| shard.iter().fold(spec.array.dtype.size() as u64, |sum, &n| sum.saturating_mul(n));
    while bytes(&shard) <= spec.storage.sharding.shard_bytes() / 2 {
        // The shortest axis along which there are more chunks.
        let lengths =
            shard.iter_mut().zip(spec.array.domain.shape()).filter(|(shard, length)| **shard < **length);
        let Some((shortest, _)) = lengths.min_by_key(|(shard, _)| **shard) else { break };
        *shortest *= 2;
    }
    Ok(Some(shard))
}

/// The list of one codec that packs chunks of shape `chunk` and of these codecs into shards.
pub(crate) fn sharded(chunk: &[u64], codecs: &Value) -> Value {
    let index = json!([{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]);
    json!([{"name": SHARDING, "configuration": {
        "chunk_shape": chunk, "codecs": codecs, "index_codecs": index, "index_location": "end",
    }}])
}

/// How keys are made: as asked for in words such as `default/` or `v2.`, or as `usual`.
pub(crate) fn key_encoding(spec: &CreateSpec, usual: Keys) -> Result<Keys> {
    match spec.storage.chunk_keys.as_deref() {
        None => Ok(usual),
        Some("default/") => Ok(Keys { prefixed: true, separator: '/' }),
        Some("default.") => Ok(Keys { prefixed: true, separator: '.' }),
        Some("v2/") => Ok(Keys { prefixed: false, separator: '/' }),
        Some("v2.") => Ok(Keys { prefixed: false, separator: '.' }),
        Some(other) => Err(Error::invalid(format!(
            "unknown chunk keys {other:?}; known are \"default/\", \"default.\", \"v2/\" and \"v2.\""
        ))),
    }
}

/// An error if sizes or names in `spec` are none that axes can have.
///
/// # Errors
/// `InvalidArgument`.
pub(crate) fn check(spec: &CreateSpec) -> Result<()> {
    let ndim = spec.array.domain.ndim();
    let is_size = |size: &f64| size.is_finite() && *size > 0.0;
    if let Some(sizes) =
        spec.array.resolution.as_ref().filter(|sizes| sizes.len() != ndim || !sizes.iter().all(is_size))
    {
        return Err(Error::invalid(format!("a resolution {sizes:?} of {ndim} axes")));
    }
    if spec.array.dimension_names.as_ref().is_some_and(|names| names.len() != spec.array.domain.ndim()) {
        return Err(Error::invalid(format!("names for other than {} axes", spec.array.domain.ndim())));
    }
    Ok(())
}
