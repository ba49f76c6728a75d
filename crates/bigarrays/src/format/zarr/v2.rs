//! Metadata of Zarr 2: `.zarray` and `.zattrs`.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html>

use serde_json::{Map, Value, json};

use super::attribute::Own;
use super::codec_spec::{self, CodecSpec};
use super::fill;
use super::keys::Keys;
use super::meta::{Meta, names_of};
use super::v3::separator;
use crate::base::dtype::FillValue;
use crate::base::error::{Error, Result};
use crate::base::member::{Member, naturals};
use crate::base::numpy::{numpy_name, numpy_type};
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
        codecs.push(spec("transpose", json!({ "order": order }), "order"));
    }
    add_filters(filters(&members)?, big, &mut codecs)?;
    let names = attributes.and_then(|attributes| attributes.get(NAMES)).and_then(names_of);
    let names = names.filter(|names| names.len() == ndim);
    let keys = Keys { prefixed: false, separator: separator.unwrap_or('.') };
    let own = Own::parse(attributes, ndim);
    Ok(Meta { shape, dtype, chunk, keys, fill, codecs, names, own })
}

fn spec(name: &str, configuration: Value, path: &str) -> CodecSpec {
    let configuration = match configuration {
        Value::Object(configuration) => configuration,
        _ => Map::new(),
    };
    CodecSpec::new(name, configuration, path.to_owned())
}

/// The filters, and the compressor behind them.
fn filters(members: &Member<'_>) -> Result<Vec<CodecSpec>> {
    let mut all = Vec::new();
    let list = members.optional("filters", Value::as_array, "a list or null")?;
    for (k, filter) in list.into_iter().flatten().enumerate() {
        let path = format!("filters[{k}]");
        let object = filter.as_object();
        let object = object.ok_or_else(|| Error::metadata(format!("{path}: expected an object")))?;
        all.push(codec(object, &path)?);
    }
    if let Some(compressor) = members.optional("compressor", Value::as_object, "an object or null")? {
        all.push(codec(compressor, "compressor")?);
    }
    Ok(all)
}

/// Whether a codec turns elements into bytes.
fn is_array(codec: &CodecSpec) -> bool {
    matches!(codec.plain_name(), "packbits" | "pcodec")
}

/// Adds the filters, and among them that which turns elements into bytes.
fn add_filters(filters: Vec<CodecSpec>, mut big: bool, codecs: &mut Vec<CodecSpec>) -> Result<()> {
    let mut of_bytes = Vec::new();
    for filter in filters {
        let is_step = matches!(filter.name.as_str(), "bitround" | "fixedscaleoffset");
        if !is_step && !is_array(&filter) {
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
    if !codecs.last().is_some_and(is_array) {
        codecs.push(spec("bytes", json!({"endian": if big { "big" } else { "little" }}), "dtype"));
    }
    codecs.append(&mut of_bytes);
    Ok(())
}

/// The codec of an object of numcodecs.
fn codec(object: &Map<String, Value>, path: &str) -> Result<CodecSpec> {
    let members = Member { object, path: format!("{path}.") };
    let name = match members.required("id", Value::as_str, "the name of a codec")? {
        "packbits" => "numcodecs.packbits",
        name => name,
    };
    let mut configuration = object.clone();
    configuration.remove("id");
    Ok(CodecSpec::new(name, configuration, path.to_owned()))
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
    let mut codecs = codec_spec::parse(codecs, "codecs")?;
    let order = take_order(&mut codecs, chunk.len())?;
    let big = take_bytes(&mut codecs)?;
    let compressor = match codecs.last() {
        Some(last) if is_compressor(last.plain_name()) => codecs.pop().as_ref().map(to_v2),
        _ => None,
    };
    let filters: Vec<Value> = codecs.iter().map(to_v2).collect();
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

fn is_compressor(name: &str) -> bool {
    matches!(name, "gzip" | "zlib" | "bz2" | "zstd" | "blosc" | "pcodec")
}

/// Takes the transposition out, which has to be none or that of all axes.
fn take_order(codecs: &mut Vec<CodecSpec>, ndim: usize) -> Result<char> {
    if codecs.first().is_none_or(|first| first.name != "transpose") {
        return Ok('C');
    }
    let order = codecs.remove(0).configuration.get("order").and_then(naturals);
    match order {
        Some(order) if order.iter().copied().eq((0..ndim as u64).rev()) => Ok('F'),
        Some(order) if order.iter().copied().eq(0..ndim as u64) => Ok('C'),
        _ => Err(Error::invalid("Zarr 2 has the axes in order, or all reversed")),
    }
}

/// Takes the codec out that turns elements into bytes; says whether it is big-endian.
fn take_bytes(codecs: &mut Vec<CodecSpec>) -> Result<bool> {
    let at = codecs.iter().position(|codec| codec.name == "bytes");
    match at {
        Some(at) => Ok(codecs.remove(at).configuration.get("endian") == Some(&json!("big"))),
        None if codecs.iter().any(is_array) => Ok(false),
        None => Err(Error::invalid("codecs: expected \"bytes\" among them")),
    }
}

fn to_v2(codec: &CodecSpec) -> Value {
    let mut object = Map::new();
    object.insert("id".to_owned(), json!(codec.plain_name()));
    for (name, value) in &codec.configuration {
        let number = match value.as_str() {
            Some("noshuffle") => Some(0),
            Some("shuffle") => Some(1),
            Some("bitshuffle") => Some(2),
            _ => None,
        };
        // Blosc takes it from the elements; others do not know that there can be a checksum.
        if name != "typesize" && (name != "checksum" || *value != json!(false)) {
            object.insert(name.clone(), number.map_or_else(|| value.clone(), |number| json!(number)));
        }
    }
    Value::Object(object)
}
