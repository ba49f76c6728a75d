//! Lists of codecs that pack chunks into shards.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html>

use std::sync::Arc;

use serde_json::Value;

use super::chain::{Chain, Level};
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::member::{Member, naturals};
use crate::chunk::codec::{Built, BytesCodec, ChunkSpec, Elements, Listed, Step, Transpose, parse};
use crate::format::compression::SHARDING;
use crate::store::shard::zarr::IndexSpec;

/// Makes the chain of the codecs of chunks of a type and shape.
type Build = fn(&[Listed], DataType, &[u64]) -> Result<Chain>;

/// The chain of shards of `shape`, of which the codec of number `at` in `list` makes chunks; `build` makes that of
/// the chunks, which may be shards themselves.
pub(super) fn pack(
    list: &[Listed],
    at: usize,
    dtype: DataType,
    shape: &[u64],
    build: Build,
) -> Result<Chain> {
    let before = Before::parse(&list[..at], dtype, shape.len())?;
    let spec = &list[at];
    let shard = before.stored(shape);
    let (chunk, index, codecs) = configuration(spec, &shard)?;
    let per_shard: Dims<u64> = shard.iter().zip(&chunk).map(|(shard, chunk)| shard / chunk).collect();
    let inner = build(&codecs, dtype, &chunk)?;
    let length = max_len(&inner, dtype, &per_shard, index);
    let around = list[at + 1..].iter().filter_map(|spec| whole(spec).transpose()).collect::<Result<_>>()?;
    let axes = (0..shape.len()).collect();
    let level = Level { per_shard, axes, index, around, max_len: length };
    before.wrap(Chain { levels: [vec![level], inner.levels].concat(), ..inner })
}

/// The shape of chunks in shards of this shape, the index, and the codecs of chunks.
fn configuration(spec: &Listed, shard: &[u64]) -> Result<(Vec<u64>, IndexSpec, Vec<Listed>)> {
    let members = spec.members();
    members.expect_only(&["chunk_shape", "codecs", "index_codecs", "index_location"])?;
    let parts = |value: &Value| {
        let chunk = naturals(value).filter(|chunk| chunk.len() == shard.len() && !chunk.contains(&0))?;
        shard.iter().zip(&chunk).all(|(shard, chunk)| shard % chunk == 0).then_some(chunk)
    };
    let chunk =
        members.required("chunk_shape", parts, &format!("a shape that divides that of shards, {shard:?}"))?;
    let place = |value: &Value| ["start", "end"].iter().position(|&known| value == known);
    let place = members.optional("index_location", place, "\"start\" or \"end\"")?;
    let list = |name: &str| {
        let list = members.required(name, Some, "a list of codecs")?;
        parse(list, &format!("{}{name}", members.path))
    };
    let (big_endian, checksum) = index_codecs(&members, &list("index_codecs")?)?;
    Ok((chunk, IndexSpec { at_end: place != Some(0), big_endian, checksum }, list("codecs")?))
}

/// Whether an index is big-endian, and whether it has a checksum.
fn index_codecs(members: &Member<'_>, list: &[Listed]) -> Result<(bool, bool)> {
    if let Some(spec) = list.iter().find(|spec| !matches!(spec.name.as_str(), "bytes" | "crc32c")) {
        return Err(Error::unsupported(format!(
            "{}: codec {:?} for the index of shards",
            spec.path, spec.name
        )));
    }
    let is = |at: usize, name: &str| list.get(at).is_some_and(|spec| spec.name == name);
    if !is(0, "bytes") || list.len() > 2 || (list.len() == 2 && !is(1, "crc32c")) {
        let path = &members.path;
        return Err(Error::unsupported(format!(
            "{path}index_codecs: expected \"bytes\", and maybe \"crc32c\""
        )));
    }
    let members = list[0].members();
    let endian = |value: &Value| ["little", "big"].iter().position(|&known| value == known);
    Ok((members.required("endian", endian, "\"little\" or \"big\"")? == 1, list.len() == 2))
}

/// A codec of whole shards; `None` if it may be left out.
fn whole(spec: &Listed) -> Result<Option<Arc<dyn BytesCodec>>> {
    match spec.read(Elements { dtype: DataType::U8, ndim: 1, big_endian: false })? {
        None => Ok(None),
        Some(Built::Bytes(codec)) => Ok(Some(codec)),
        Some(_) => Err(Error::unsupported(format!(
            "{}: codec {:?} around shards, which are bytes",
            spec.path, spec.name
        ))),
    }
}

/// The most bytes of a shard of so many chunks along each axis.
fn max_len(inner: &Chain, dtype: DataType, per_shard: &[u64], index: IndexSpec) -> usize {
    let chunk = match inner.levels.first() {
        Some(level) => level.around.iter().fold(level.max_len, |len, codec| codec.max_encoded_len(len)),
        None => {
            let shape = inner.chunk.iter().map(|&length| usize::try_from(length).unwrap_or(usize::MAX));
            inner.codecs.max_encoded_len(&ChunkSpec { dtype, shape: shape.collect() })
        }
    };
    let slots = per_shard.iter().fold(1u64, |slots, &count| slots.saturating_mul(count));
    let slots = usize::try_from(slots).unwrap_or(usize::MAX);
    slots.saturating_mul(chunk).saturating_add(index.len(slots as u64))
}

/// What is done to elements before they come into shards. Each part of a shard can be had by itself, so that it
/// is done to the elements of chunks.
struct Before {
    /// Axis `k` of a shard is the axis `axes[k]` of the array.
    axes: Dims<usize>,
    /// What is done to the elements of whatever order, one after the other.
    steps: Vec<Arc<dyn Step>>,
}

impl Before {
    fn parse(list: &[Listed], dtype: DataType, ndim: usize) -> Result<Self> {
        let mut before = Self { axes: (0..ndim).collect(), steps: Vec::new() };
        for spec in list {
            let step = match spec.read(Elements { dtype, ndim, big_endian: false })? {
                None => continue,
                Some(Built::Step(step)) => step,
                Some(_) => {
                    return Err(Error::unsupported(format!(
                        "{}: codec {:?} before {SHARDING}, which takes elements",
                        spec.path, spec.name
                    )));
                }
            };
            if step.moves_fill() {
                // Chunks that are not there hold the fill value before the codec to some readers, after it to others.
                return Err(Error::unsupported(format!("{}: {:?} before {SHARDING}", spec.path, spec.name)));
            }
            match step.axes() {
                Some(order) => before.axes = order.iter().map(|&axis| before.axes[axis]).collect(),
                None => before.steps.push(step),
            }
        }
        Ok(before)
    }

    /// Values of the array's axes, in the order of the shard's.
    fn stored(&self, values: &[u64]) -> Dims<u64> {
        self.axes.iter().map(|&axis| values[axis]).collect()
    }

    /// Values of the shard's axes, in the order of the array's.
    fn given(&self, values: &[u64]) -> Dims<u64> {
        let mut given: Dims<u64> = values.into();
        self.axes.iter().zip(values).for_each(|(&axis, &value)| given[axis] = value);
        given
    }

    /// The chain of the array, from that of what is in shards.
    fn wrap(&self, chain: Chain) -> Result<Chain> {
        let level = |level: Level| Level {
            per_shard: self.given(&level.per_shard),
            axes: level.axes.iter().map(|&axis| self.axes[axis]).collect(),
            ..level
        };
        let is_same = self.axes.iter().copied().eq(0..self.axes.len());
        let is_reversed = self.axes.iter().rev().copied().eq(0..self.axes.len());
        let order = match chain.order {
            Order::C if is_reversed && !is_same => Order::Fortran,
            Order::Fortran if is_reversed && !is_same => Order::C,
            order => order,
        };
        let codecs = chain.codecs.wrapped(|mut array| {
            if !is_same {
                array = Arc::new(Transpose::new(&self.axes, array)?);
            }
            for step in self.steps.iter().rev() {
                array = step.around(array)?;
            }
            Ok(array)
        })?;
        let chunk = self.given(&chain.chunk);
        Ok(Chain { codecs, order, chunk, levels: chain.levels.into_iter().map(level).collect() })
    }
}
