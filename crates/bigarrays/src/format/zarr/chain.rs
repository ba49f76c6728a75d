//! Lists of codecs: JSON ↔ pipelines.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#codecs>

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::codecs;
use super::shards;
use super::shards::Level;
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::{
    ArrayCodec, Bitround, BytesCodec, ChunkSpec, CodecPipeline, FixedScaleOffset, Raw, Transpose,
};
use crate::format::compression::SHARDING;
use crate::format::member::{Member, brief, naturals, up_to};

/// One entry of a list of codecs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CodecSpec {
    pub(super) name: String,
    pub(super) configuration: Map<String, Value>,
    /// Where it stands in the metadata.
    pub(super) path: String,
    /// Whether it may be left out where it is not known.
    optional: bool,
}

impl CodecSpec {
    pub(super) fn new(name: &str, configuration: Map<String, Value>, path: String) -> Self {
        Self { name: name.to_owned(), configuration, path, optional: false }
    }

    /// The entry, as metadata of Zarr 3 have it.
    pub(super) fn to_json(&self) -> Value {
        json!({"name": self.name, "configuration": self.configuration})
    }

    /// The configuration's members.
    pub(super) fn members(&self) -> Member<'_> {
        Member { object: &self.configuration, path: format!("{}.configuration.", self.path) }
    }

    /// The name without the prefix that zarr-python gives to codecs of numcodecs.
    pub(super) fn plain_name(&self) -> &str {
        self.name.strip_prefix("numcodecs.").unwrap_or(&self.name)
    }
}

/// Reads the list of codecs that stands at `path`.
pub(super) fn parse(list: &Value, path: &str) -> Result<Vec<CodecSpec>> {
    let wrong = |path: &str, value: &Value, expected: &str| {
        Error::metadata(format!("{path}: expected {expected}, found {}", brief(value)))
    };
    let list = list.as_array().ok_or_else(|| wrong(path, list, "a list of codecs"))?;
    let entry = |(k, entry): (usize, &Value)| {
        let path = format!("{path}[{k}]");
        let object = match entry {
            Value::String(name) => return Ok(CodecSpec::new(name, Map::new(), path)),
            Value::Object(object) => object,
            _ => return Err(wrong(&path, entry, "a codec")),
        };
        let members = Member { object, path: format!("{path}.") };
        members.expect_only(&["name", "configuration", "must_understand"])?;
        let name = members.required("name", Value::as_str, "the name of a codec")?;
        let configuration = members.optional("configuration", Value::as_object, "an object")?;
        let must = members.optional("must_understand", Value::as_bool, "true or false")?;
        let spec = CodecSpec::new(name, configuration.cloned().unwrap_or_default(), path);
        Ok(CodecSpec { optional: must == Some(false), ..spec })
    };
    list.iter().enumerate().map(entry).collect()
}

/// What a list of codecs makes of chunks.
#[derive(Debug)]
pub(super) struct Chain {
    /// The codecs of the innermost chunks.
    pub(super) codecs: CodecPipeline,
    /// The order of their elements.
    pub(super) order: Order,
    /// Their shape.
    pub(super) chunk: Dims<u64>,
    /// The shards that they are in, and the shards that these are in; the outermost first.
    pub(super) levels: Vec<Level>,
}

/// What is done to elements before they become bytes.
pub(super) enum Step {
    Transpose(Vec<usize>),
    Round(u32),
    Scale { offset: f64, scale: f64, stored: DataType },
}

/// A chain under construction.
pub(super) struct Builder {
    /// Type of the elements as they leave the last step.
    dtype: DataType,
    ndim: usize,
    pub(super) steps: Vec<Step>,
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
        return shards::build(list, at, dtype, shape);
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
    for step in builder.steps.into_iter().rev() {
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
    pub(super) fn new(dtype: DataType, ndim: usize) -> Self {
        Self { dtype, ndim, steps: Vec::new(), array: None, bytes: Vec::new(), order: Order::C }
    }

    fn add(&mut self, spec: &CodecSpec) -> Result<()> {
        let named = |error: Error| match error.kind() {
            crate::base::error::ErrorKind::InvalidArgument => {
                Error::metadata(format!("{}: {error}", spec.path))
            }
            _ => error,
        };
        if self.array.is_none() && self.add_step(spec)? {
            return Ok(());
        }
        if let Some(codec) = self.array_codec(spec).map_err(named)? {
            if self.array.replace(codec).is_some() {
                return Err(Error::metadata(format!("{}: a second codec from elements to bytes", spec.path)));
            }
            return Ok(());
        }
        match codecs::bytes_codec(spec, self.dtype).map_err(named)? {
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

    /// Adds a codec from elements to elements, if it is one.
    pub(super) fn add_step(&mut self, spec: &CodecSpec) -> Result<bool> {
        let members = spec.members();
        match spec.plain_name() {
            "transpose" => {
                members.expect_only(&["order"])?;
                let order =
                    members.required("order", |value| axes(value, self.ndim), "an order of the axes")?;
                if !order.iter().copied().eq(0..self.ndim) {
                    self.steps.push(Step::Transpose(order));
                }
            }
            "bitround" => {
                members.expect_only(&["keepbits"])?;
                let keep = up_to(64);
                self.steps.push(Step::Round(members.required("keepbits", keep, "a number of bits")?));
            }
            "fixedscaleoffset" => {
                members.expect_only(&["offset", "scale", "dtype", "astype"])?;
                let number = |name| members.required(name, Value::as_f64, "a number");
                let (offset, scale) = (number("offset")?, number("scale")?);
                let kind = "a type such as \"<f4\"";
                if members.required("dtype", codecs::numpy_type, kind)?.0 != self.dtype {
                    return Err(members.wrong("dtype", &format!("{}, the type of the elements", self.dtype)));
                }
                let stored = members.optional("astype", codecs::numpy_type, kind)?;
                self.dtype = stored.map_or(self.dtype, |(dtype, _)| dtype);
                self.steps.push(Step::Scale { offset, scale, stored: self.dtype });
            }
            _ => return Ok(false),
        }
        Ok(true)
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
            None if self.dtype.size() == 1 => false,
            None => return Err(members.wrong("endian", "\"little\" or \"big\"")),
        };
        // Axes all reversed are elements in Fortran order, which needs no steps between.
        if let Some(Step::Transpose(axes)) = self.steps.last()
            && axes.iter().copied().eq((0..self.ndim).rev())
        {
            self.steps.pop();
            self.order = Order::Fortran;
        }
        Ok(Some(Arc::new(Raw::with_endianness(self.order, big))))
    }
}

/// An order of `ndim` axes; also as the letters that early drafts had.
fn axes(value: &Value, ndim: usize) -> Option<Vec<usize>> {
    match value.as_str() {
        Some("C") => return Some((0..ndim).collect()),
        Some("F") => return Some((0..ndim).rev().collect()),
        _ => {}
    }
    let axes: Vec<usize> = naturals(value)?.iter().map(|&axis| axis as usize).collect();
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    sorted.into_iter().eq(0..ndim).then_some(axes)
}
