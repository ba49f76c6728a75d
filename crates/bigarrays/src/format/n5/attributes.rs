//! The `attributes.json` of a dataset or a group.
//!
//! <https://github.com/saalfeldlab/n5#file-system-specification>

use std::sync::Arc;

use serde_json::{Value, json};

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::member::{Member, naturals};
use crate::chunk::codec::{self, Built, BytesCodec, Dialect, Elements, Listed};
use crate::format::document::Document;
use crate::format::{CreateSpec, StorageSpec, compression, incomplete};

/// The types of elements.
const TYPES: [DataType; 10] = [
    DataType::I8,
    DataType::I16,
    DataType::I32,
    DataType::I64,
    DataType::U8,
    DataType::U16,
    DataType::U32,
    DataType::U64,
    DataType::F32,
    DataType::F64,
];

/// Members that are not the user's.
pub(super) const RESERVED: [&str; 5] = ["dimensions", "blockSize", "dataType", "compression", "n5"];

/// What the attributes say of a dataset.
#[derive(Debug)]
pub(super) struct Dataset {
    pub(super) shape: Vec<u64>,
    pub(super) block: Vec<u64>,
    pub(super) dtype: DataType,
    pub(super) compression: Option<Arc<dyn BytesCodec>>,
    /// Names of the axes, where they are said.
    pub(super) names: Option<Vec<String>>,
}

/// Reads the attributes of a dataset; `None` if they are of a group.
pub(super) fn parse(document: &Document) -> Result<Option<Dataset>> {
    if !document.contains_key("dimensions") {
        return Ok(None);
    }
    let members = Member { object: document, path: String::new() };
    let shape = members.required("dimensions", naturals, "a list of whole numbers")?;
    let lengths = |value| naturals(value).filter(|block| block.len() == shape.len() && !block.contains(&0));
    let block = members.required("blockSize", lengths, &format!("{} positive whole numbers", shape.len()))?;
    let name = members.required("dataType", Value::as_str, "the name of a type")?;
    let dtype = TYPES.into_iter().find(|dtype| dtype.name() == name);
    let dtype = dtype.ok_or_else(|| Error::unsupported(format!("dataType: unknown type {name:?}")))?;
    let listed = match document.get("compression") {
        Some(Value::Object(object)) => Listed::of_object(Dialect::N5, "type", object, "compression")?,
        // As the first version had it.
        _ => {
            let name =
                members.required("compressionType", Value::as_str, "or compression: what compresses")?;
            let object = Document::from_iter([("type".to_owned(), name.into())]);
            Listed::of_object(Dialect::N5, "type", &object, "compressionType")?
        }
    };
    let compression = compression(&listed, dtype, shape.len())?;
    let names = document.get("axes").and_then(texts).filter(|names| names.len() == shape.len());
    Ok(Some(Dataset { shape, block, dtype, compression, names }))
}

/// A list of texts.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

/// A list of numbers.
pub(super) fn numbers(value: &Value) -> Option<Vec<f64>> {
    let number = |value: &Value| value.as_f64().filter(|x| x.is_finite() && *x > 0.0);
    value.as_array()?.iter().map(number).collect()
}

/// The codec of blocks; `None` if their elements are stored as they are.
fn compression(listed: &Listed, dtype: DataType, ndim: usize) -> Result<Option<Arc<dyn BytesCodec>>> {
    if listed.name == "raw" {
        return Ok(None);
    }
    match listed.read(Elements { dtype, ndim, big_endian: true })? {
        Some(Built::Bytes(codec)) => Ok(Some(codec)),
        _ => Err(Error::unsupported(format!("compression: {:?} does not compress bytes", listed.name))),
    }
}

/// The compressions that new datasets may have.
pub(super) const ENCODINGS: [&str; 7] = ["raw", "gzip", "bzip2", "xz", "zstd", "blosc", "lz4"];

/// The name and level of the compression of a dataset of `dtype`, as [`create`] takes them.
pub(super) fn encoding(document: &Document, dtype: DataType) -> (Option<String>, Option<u32>) {
    let Some(compression) = document.get("compression").and_then(Value::as_object) else {
        return (None, None);
    };
    let name = compression.get("type").and_then(Value::as_str).map(str::to_owned);
    let listed = Listed::of_object(Dialect::N5, "type", compression, "compression").ok();
    let built = listed.and_then(|listed| listed.read(Elements { dtype, ndim: 0, big_endian: true }).ok()?);
    let level = built.and_then(|built| built.config().get("level")?.to_json().as_u64());
    (name, level.and_then(|level| u32::try_from(level).ok()))
}

/// The attributes of a new dataset of blocks of shape `block`.
///
/// # Errors
/// `InvalidArgument` if N5 cannot hold what `spec` describes.
pub(super) fn create(spec: &CreateSpec, block: &[u64]) -> Result<Document> {
    if !TYPES.contains(&spec.array.dtype) {
        return Err(Error::invalid(format!("N5 has no elements of {}", spec.array.dtype)));
    }
    let compression = new_compression(spec)?;
    let mut document = Document::new();
    document.insert("dimensions".to_owned(), json!(spec.array.domain.shape()));
    document.insert("blockSize".to_owned(), json!(block));
    document.insert("dataType".to_owned(), json!(spec.array.dtype.name()));
    document.insert("compression".to_owned(), compression);
    if let Some(names) = spec.array.all_names() {
        document.insert("axes".to_owned(), json!(names));
    }
    document.extend(size(spec).map(|size| ("pixelResolution".to_owned(), size)));
    // What options say counts, where attributes say it as well.
    for (name, value) in spec.array.attributes.iter().flatten() {
        if !RESERVED.contains(&name.as_str()) && !document.contains_key(name) {
            document.insert(name.clone(), value.clone());
        }
    }
    incomplete::mark(&mut document, spec.array.incomplete);
    Ok(document)
}

/// The `pixelResolution` that `spec` describes: a plain list is of pixels.
pub(super) fn size(spec: &CreateSpec) -> Option<Value> {
    let sizes = spec.array.resolution.as_ref()?;
    Some(match spec.array.unit.as_deref().unwrap_or("nm") {
        "" => json!(sizes),
        unit => json!({"dimensions": sizes, "unit": unit}),
    })
}

/// The `compression` of a new dataset: of its codecs, or of its encoding at a level.
///
/// # Errors
/// `InvalidArgument` for an encoding that N5 does not have.
fn new_compression(spec: &CreateSpec) -> Result<Value> {
    let StorageSpec { encoding, level, codecs, .. } = &spec.storage;
    let dtype = spec.array.dtype;
    if let Some(compression) = codecs.as_ref().and_then(|codecs| compression::to_n5(codecs, dtype)) {
        return Ok(compression);
    }
    let name = match encoding.as_deref() {
        None | Some("raw") if level.is_some() => return Err(Error::invalid("raw elements have no level")),
        None | Some("raw") => return Ok(json!({"type": "raw"})),
        Some(name) => name,
    };
    let elements = Elements { dtype, ndim: spec.array.domain.ndim(), big_endian: true };
    match codec::at_level(Dialect::N5, name, *level, elements)? {
        Some(compression) => Ok(compression.to_object("type")),
        None => {
            let known = ENCODINGS.join(", ");
            Err(Error::invalid(format!("unknown encoding {name:?} of N5; known are {known}")))
        }
    }
}

/// The attributes of a new group with those of the user.
pub(super) fn group(user: Option<&Document>) -> Document {
    let mut document = user.cloned().unwrap_or_default();
    document.retain(|name, _| !RESERVED.contains(&name.as_str()));
    document.insert("n5".to_owned(), json!("2.5.1"));
    document
}
