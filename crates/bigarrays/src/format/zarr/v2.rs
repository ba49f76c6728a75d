//! Metadata of Zarr 2: `.zarray` and `.zattrs`.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html>

use serde_json::{Map, Value, json};

use super::attribute::Own;
use super::fill;
use super::keys::Keys;
use super::meta::{Meta, names_of};
use super::v3::separator;
use crate::base::dtype::{DataType, FillValue};
use crate::base::error::{Error, Result};
use crate::base::member::{Member, naturals};
use crate::base::numpy::{numpy_name, numpy_type};
use crate::chunk::codec::{CodecList, Dialect, Kind, Listed, parse as parse_codecs};
use crate::chunk::config::Config;
use crate::format::CreateSpec;
use crate::format::document::Document;

/// The key of the metadata of an array.
pub(super) const ARRAY: &str = ".zarray";

/// The key of the metadata of a group.
pub(super) const GROUP: &str = ".zgroup";

/// The key of the attributes of either.
pub(super) const ATTRIBUTES: &str = ".zattrs";

/// The key of the metadata of all that a group holds.
pub(super) const CONSOLIDATED: &str = ".zmetadata";

/// What xarray calls the names of axes among the attributes.
const NAMES: &str = "_ARRAY_DIMENSIONS";

/// An error if a document is not of version 2.
pub(super) fn expect_version(document: &Document) -> Result<()> {
    let members = Member { object: document, path: String::new() };
    members.required("zarr_format", |value| (value.as_u64()? == 2).then_some(()), "2")
}

/// Reads the metadata of an array.
pub(super) fn parse(document: &Document, attributes: Option<&Document>) -> Result<Meta> {
    expect_version(document)?;
    let members = Member { object: document, path: String::new() };
    let shape = members.required("shape", naturals, "a list of whole numbers")?;
    let ndim = shape.len();
    let lengths = |value| naturals(value).filter(|chunk| chunk.len() == ndim && !chunk.contains(&0));
    let chunk = members.required("chunks", lengths, &format!("{ndim} positive whole numbers"))?;
    let name = document.get("dtype").unwrap_or(&Value::Null);
    let Some((dtype, big)) = numpy_type(name) else {
        return Err(Error::unsupported(format!("dtype: unknown type {name}")));
    };
    let fill = match document.get("fill_value") {
        // Not said: those of the machine, as good as any.
        None | Some(Value::Null) => FillValue::zero(dtype),
        Some(value) => fill::parse(value, dtype)
            .ok_or_else(|| members.wrong("fill_value", &format!("a value of {dtype}")))?,
    };
    let order = |value: &Value| ["C", "F"].iter().position(|&known| value == known);
    let fortran = members.required("order", order, "\"C\" or \"F\"")? == 1;
    let separator = members.optional("dimension_separator", separator, "\".\" or \"/\"")?;
    let mut codecs = Vec::new();
    if fortran {
        let order: Vec<usize> = (0..ndim).rev().collect();
        codecs.push(said("transpose", json!({ "order": order }), "order"));
    }
    add_filters(filters(&members)?, big, &mut codecs)?;
    let names = attributes.and_then(|attributes| attributes.get(NAMES)).and_then(names_of);
    let names = names.filter(|names| names.len() == ndim);
    let keys = Keys { prefixed: false, separator: separator.unwrap_or('.') };
    let own = Own::parse(attributes, ndim);
    Ok(Meta { shape, dtype, chunk, keys, fill, codecs, names, own })
}

/// A codec that the member at `path` stands for.
fn said(name: &str, configuration: Value, path: &str) -> Listed {
    let configuration = match configuration {
        Value::Object(configuration) => configuration,
        _ => Map::new(),
    };
    Listed::new(name, configuration, path.to_owned())
}

/// The filters, and the compressor behind them.
fn filters(members: &Member<'_>) -> Result<Vec<Listed>> {
    let mut all = Vec::new();
    let list = members.optional("filters", Value::as_array, "a list or null")?;
    for (k, filter) in list.into_iter().flatten().enumerate() {
        let path = format!("filters[{k}]");
        let object = filter.as_object();
        let object = object.ok_or_else(|| Error::metadata(format!("{path}: expected an object")))?;
        all.push(Listed::of_object(Dialect::Numcodecs, "id", object, &path)?);
    }
    if let Some(compressor) = members.optional("compressor", Value::as_object, "an object or null")? {
        all.push(Listed::of_object(Dialect::Numcodecs, "id", compressor, "compressor")?);
    }
    Ok(all)
}

/// Adds the filters, and among them that which turns elements into bytes.
fn add_filters(filters: Vec<Listed>, mut big: bool, codecs: &mut Vec<Listed>) -> Result<()> {
    let mut of_bytes = Vec::new();
    let is_of = |filter: &Listed, kind| filter.kind() == Some(kind);
    for filter in filters {
        if !is_of(&filter, Kind::Step) && !is_of(&filter, Kind::Array) {
            of_bytes.push(filter);
            continue;
        }
        if !of_bytes.is_empty() {
            return Err(Error::unsupported(format!(
                "{}: {:?} behind codecs of bytes",
                filter.path, filter.name
            )));
        }
        if let Some((_, stored)) = filter.configuration.get("astype").and_then(numpy_type) {
            big = stored;
        }
        codecs.push(filter);
    }
    if !codecs.last().is_some_and(|last| is_of(last, Kind::Array)) {
        codecs.push(said("bytes", json!({"endian": if big { "big" } else { "little" }}), "dtype"));
    }
    codecs.append(&mut of_bytes);
    Ok(())
}

/// The metadata and attributes of a new array of chunks of shape `chunk`.
///
/// # Errors
/// `InvalidArgument` if Zarr 2 has no such codecs.
pub(super) fn create(spec: &CreateSpec, chunk: &[u64], codecs: &Value) -> Result<(Document, Document)> {
    let keys = super::create::key_encoding(spec, Keys { prefixed: false, separator: '.' })?;
    if keys.prefixed {
        return Err(Error::invalid("keys of Zarr 2 have the encoding v2"));
    }
    let zero = FillValue::zero(spec.dtype);
    let Codecs { order, big, filters, compressor } = written(codecs, spec.dtype, chunk.len())?;
    let mut document = Map::new();
    let mut put = |name: &str, value| document.insert(name.to_owned(), value);
    put("zarr_format", json!(2));
    put("shape", json!(spec.domain.shape()));
    put("chunks", json!(chunk));
    put("dtype", json!(numpy_name(spec.dtype, big)));
    put("compressor", json!(compressor));
    put("fill_value", spec.fill_value.clone().unwrap_or_else(|| fill::to_json(&zero, spec.dtype)));
    put("order", json!(order));
    put("filters", if filters.is_empty() { Value::Null } else { json!(filters) });
    put("dimension_separator", json!(keys.separator));
    let mut attributes = spec.attributes.clone().unwrap_or_default();
    Own::put(spec, &mut attributes);
    // Its readers expect that all axes have names.
    if let Some(names) = spec.all_names() {
        attributes.insert(NAMES.to_owned(), json!(names));
    }
    Ok((document, attributes))
}

/// The codecs of a new array, as its metadata have them.
pub(super) struct Codecs {
    order: char,
    big: bool,
    filters: Vec<Value>,
    compressor: Option<Value>,
}

/// Codecs that Zarr 3 lists, as Zarr 2 has them.
///
/// # Errors
/// `InvalidArgument` if it has no words for them, or as [`CodecList::read`].
pub(super) fn written(codecs: &Value, dtype: DataType, ndim: usize) -> Result<Codecs> {
    let list = CodecList::read(&parse_codecs(codecs, "codecs")?, dtype, ndim)?;
    let order = order(&list, ndim)?;
    let is_said = |config: &Config| matches!(config.name(), "transpose" | "raw");
    let mut filters = list.write(Dialect::Numcodecs, "Zarr 2", is_said)?;
    let compressor = filters.pop_if(|last| is_compressor(last.name)).map(|last| last.to_object("id"));
    let filters = filters.iter().map(|filter| filter.to_object("id")).collect();
    Ok(Codecs { order, big: list.is_big_endian(), filters, compressor })
}

fn is_compressor(name: &str) -> bool {
    matches!(name, "gzip" | "zlib" | "bz2" | "zstd" | "blosc" | "pcodec")
}

/// The order of axes, which is that of the array, or all are reversed before anything else is done.
fn order(list: &CodecList, ndim: usize) -> Result<char> {
    let mut turns = list.steps.iter().map(|step| step.axes());
    let order = match turns.next().flatten() {
        None => 'C',
        Some(axes) if axes.iter().copied().eq((0..ndim).rev()) => 'F',
        Some(axes) if axes.iter().copied().eq(0..ndim) => 'C',
        Some(_) => return Err(Error::invalid("Zarr 2 has the axes in order, or all reversed")),
    };
    match turns.any(|axes| axes.is_some()) {
        true => Err(Error::invalid("Zarr 2 has the axes in order, or all reversed, before all else")),
        false => Ok(order),
    }
}
