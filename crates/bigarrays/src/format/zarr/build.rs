//! Lists of codecs ↔ pipelines.

use std::sync::Arc;

use serde_json::Value;

use super::chain::Chain;
use super::codec_spec::CodecSpec;
use super::steps::{Step, Steps};
use super::{codecs, shards};
use crate::base::buffer::Order;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::{
    ArrayCodec, Bitround, BytesCodec, ChunkSpec, CodecPipeline, FixedScaleOffset, Raw, Transpose,
};
use crate::format::compression::SHARDING;

/// A chain under construction.
struct Builder {
    steps: Steps,
    array: Option<Arc<dyn ArrayCodec>>,
    bytes: Vec<Arc<dyn BytesCodec>>,
    order: Order,
}

/// The chain of `list`, for chunks of `dtype` and `shape`.
///
/// # Errors
/// `Unsupported` naming a codec that is not known; `InvalidMetadata` naming the member that is wrong.
pub(super) fn build(list: &[CodecSpec], dtype: DataType, shape: &[u64]) -> Result<Chain> {
    if let Some(at) = list.iter().position(|spec| spec.name == SHARDING) {
        return shards::pack(list, at, dtype, shape, build);
    }
    let mut builder = Builder::new(dtype, shape.len());
    for (k, spec) in list.iter().enumerate() {
        // What numcodecs packs are elements of one byte, which zarr-python then turns into bytes.
        let is_packed = k > 0 && list[k - 1].name == "numcodecs.packbits";
        if !(is_packed && spec.name == "bytes") {
            builder.add(spec)?;
        }
    }
    let missing = || Error::metadata("codecs: expected one that turns elements into bytes, found none");
    let mut array = builder.array.ok_or_else(missing)?;
    for step in builder.steps.list.into_iter().rev() {
        array = match step {
            Step::Transpose(axes) => Arc::new(Transpose::new(&axes, array)?),
            Step::Round(keep) => Arc::new(Bitround::new(keep, array)),
            Step::Scale { offset, scale, stored } => {
                Arc::new(FixedScaleOffset::new(offset, scale, stored, array)?)
            }
        };
    }
    let codecs = CodecPipeline::new(array, builder.bytes);
    let length = |&length: &u64| usize::try_from(length);
    let lengths = shape.iter().map(length).collect::<std::result::Result<_, _>>();
    let shape_of = lengths.map_err(|_| Error::invalid(format!("chunks of shape {shape:?}")))?;
    codecs.check(&ChunkSpec { dtype, shape: shape_of })?;
    Ok(Chain { codecs, order: builder.order, chunk: shape.into(), levels: Vec::new() })
}

impl Builder {
    fn new(dtype: DataType, ndim: usize) -> Self {
        Self { steps: Steps::new(dtype, ndim), array: None, bytes: Vec::new(), order: Order::C }
    }

    fn add(&mut self, spec: &CodecSpec) -> Result<()> {
        let named = |error: Error| match error.kind() {
            ErrorKind::InvalidArgument => Error::metadata(format!("{}: {error}", spec.path)),
            _ => error,
        };
        if self.array.is_none() && self.steps.add(spec)? {
            return Ok(());
        }
        if let Some(codec) = self.array_codec(spec).map_err(named)? {
            if self.array.replace(codec).is_some() {
                return Err(Error::metadata(format!("{}: a second codec from elements to bytes", spec.path)));
            }
            return Ok(());
        }
        match codecs::bytes_codec(spec, self.steps.dtype).map_err(named)? {
            Some(_) if self.array.is_none() => Err(Error::metadata(format!(
                "{}: {:?} comes before elements are bytes",
                spec.path, spec.name
            ))),
            Some(codec) => {
                self.bytes.push(codec);
                Ok(())
            }
            None if spec.optional => Ok(()),
            None => Err(Error::unsupported(format!("{}: unknown codec {:?}", spec.path, spec.name))),
        }
    }

    /// The codec from elements to bytes, if it is one.
    fn array_codec(&mut self, spec: &CodecSpec) -> Result<Option<Arc<dyn ArrayCodec>>> {
        if spec.name != "bytes" {
            return codecs::array_codec(spec);
        }
        let members = spec.members();
        members.expect_only(&["endian"])?;
        let endian = |value: &Value| ["little", "big"].iter().position(|&known| value == known);
        let big = match members.optional("endian", endian, "\"little\" or \"big\"")? {
            Some(endian) => endian == 1,
            None if self.steps.dtype.size() == 1 => false,
            None => return Err(members.wrong("endian", "\"little\" or \"big\"")),
        };
        // Axes all reversed are elements in Fortran order, which needs no steps between.
        if let Some(Step::Transpose(axes)) = self.steps.list.last()
            && axes.iter().copied().eq((0..self.steps.ndim).rev())
        {
            self.steps.list.pop();
            self.order = Order::Fortran;
        }
        Ok(Some(Arc::new(Raw::with_endianness(self.order, big))))
    }
}
