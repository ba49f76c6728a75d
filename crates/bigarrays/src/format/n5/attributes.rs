//! The `attributes.json` of a dataset or a group.
//!
//! <https://github.com/saalfeldlab/n5#file-system-specification>

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::base::member::{Member, integer, naturals, positive, up_to};
use crate::chunk::codec::{Blosc, BloscCompressor, BloscShuffle, BytesCodec, Bz2, Gzip, Lz4, Xz, Zlib, Zstd};
use crate::format::document::Document;
use crate::format::{CreateSpec, compression};

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
    let compression = match document.get("compression") {
        Some(Value::Object(object)) => {
            let members = Member { object, path: "compression.".to_owned() };
            let name = members.required("type", Value::as_str, "the name of a compression")?;
            compressor(name, &members, dtype)?
        }
        // As the first version had it.
        _ => {
            let members = Member { object: document, path: String::new() };
            let name =
                members.required("compressionType", Value::as_str, "or compression: what compresses")?;
            compressor(name, &Member { object: &Map::new(), path: String::new() }, dtype)?
        }
    };
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

fn compressor(name: &str, members: &Member<'_>, dtype: DataType) -> Result<Option<Arc<dyn BytesCodec>>> {
    let level = |most: u32, default: u8| -> Result<u8> {
        let read = |value: &Value| match integer(value) {
            Some(-1) => Some(default),
            _ => up_to(most)(value).map(|level| level as u8),
        };
        Ok(members.optional("level", read, &format!("a level from -1 to {most}"))?.unwrap_or(default))
    };
    Ok(Some(match name {
        "raw" => return Ok(None),
        "gzip" => {
            let zlib = members.optional("useZlib", Value::as_bool, "true or false")?.unwrap_or(false);
            let level = level(9, Gzip::DEFAULT_LEVEL)?;
            if zlib { Arc::new(Zlib::new(level)?) } else { Arc::new(Gzip::new(level)?) }
        }
        "bzip2" => {
            let block = members.optional("blockSize", up_to(9), "a number from 1 to 9")?.unwrap_or(9);
            Arc::new(Bz2::new(block as u8)?)
        }
        "xz" => {
            let preset = members.optional("preset", up_to(9), "a number from 0 to 9")?;
            Arc::new(Xz::new(preset.unwrap_or(Xz::DEFAULT_PRESET))?)
        }
        "lz4" => {
            let size = members.optional("blockSize", up_to(*Lz4::BLOCKS.end()), "a number of bytes")?;
            match size.unwrap_or(Lz4::DEFAULT_BLOCK) {
                // z5 notes a level there.
                size if size < *Lz4::BLOCKS.start() => Arc::new(Lz4::plain()),
                size => Arc::new(Lz4::new(size)?),
            }
        }
        "zstd" => {
            let read = |value: &Value| integer(value).and_then(|level| i32::try_from(level).ok());
            Arc::new(Zstd::new(members.optional("level", read, "a level")?.unwrap_or(Zstd::DEFAULT_LEVEL))?)
        }
        "blosc" => {
            let known = |value: &Value| BloscCompressor::ALL.into_iter().find(|known| value == known.name());
            let compressor = members.required("cname", known, "a compressor of Blosc")?;
            let level = members.required("clevel", up_to(9), "a level from 0 to 9")?;
            let shuffle = members.required("shuffle", up_to(2), "0, 1 or 2")?;
            let shuffle = [BloscShuffle::None, BloscShuffle::Bytes, BloscShuffle::Bits][shuffle as usize];
            let size = members.optional("typesize", positive, "a number of bytes")?;
            let size = size.unwrap_or(dtype.size() as u64).min(255) as usize;
            let block = members.optional("blocksize", up_to(1 << 30), "a number of bytes")?.unwrap_or(0);
            Arc::new(Blosc::new(size, level as u8)?.with(compressor, shuffle, block as usize))
        }
        _ => return Err(Error::unsupported(format!("compression: unknown compression {name:?}"))),
    }))
}

/// The compressions that new datasets may have.
pub(super) const ENCODINGS: [&str; 7] = ["raw", "gzip", "bzip2", "xz", "zstd", "blosc", "lz4"];

/// The name and level of the compression that the attributes of a dataset name, as [`create`] takes them.
pub(super) fn encoding(document: &Document) -> (Option<String>, Option<u32>) {
    let Some(compression) = document.get("compression") else { return (None, None) };
    let name = compression.get("type").and_then(Value::as_str).map(str::to_owned);
    // The size of a block is a level of bzip2 alone.
    let of_bzip2 = if name.as_deref() == Some("bzip2") { "blockSize" } else { "preset" };
    let level = ["level", of_bzip2, "clevel"].iter().find_map(|member| compression.get(member)?.as_u64());
    (name, level.and_then(|level| u32::try_from(level).ok()))
}

/// The attributes of a new dataset of blocks of shape `block`.
///
/// # Errors
/// `InvalidArgument` if N5 cannot hold what `spec` describes.
pub(super) fn create(spec: &CreateSpec, block: &[u64]) -> Result<Document> {
    if !TYPES.contains(&spec.dtype) {
        return Err(Error::invalid(format!("N5 has no elements of {}", spec.dtype)));
    }
    let level = |default: i32| spec.level.map_or(default, |level| level as i32);
    let by_codecs = spec.codecs.as_ref().and_then(|codecs| compression::to_n5(codecs, spec.dtype));
    let compression = match spec.encoding.as_deref() {
        _ if by_codecs.is_some() => json!(by_codecs),
        None | Some("raw") if spec.level.is_none() => json!({"type": "raw"}),
        Some("lz4") if spec.level.is_none() => json!({"type": "lz4", "blockSize": Lz4::DEFAULT_BLOCK}),
        Some("gzip") => json!({"type": "gzip", "level": level(-1), "useZlib": false}),
        Some("bzip2") => json!({"type": "bzip2", "blockSize": level(9)}),
        Some("xz") => json!({"type": "xz", "preset": level(Xz::DEFAULT_PRESET as i32)}),
        Some("zstd") => json!({"type": "zstd", "level": level(3)}),
        Some("blosc") => json!({
            "type": "blosc", "cname": "lz4", "clevel": level(5), "shuffle": 1, "blocksize": 0,
        }),
        other => {
            let known = "known are raw and lz4 (without level), gzip, bzip2, xz, zstd and blosc";
            return Err(Error::invalid(format!("unknown encoding {other:?} of N5; {known}")));
        }
    };
    let mut document = Document::new();
    document.insert("dimensions".to_owned(), json!(spec.domain.shape()));
    document.insert("blockSize".to_owned(), json!(block));
    document.insert("dataType".to_owned(), json!(spec.dtype.name()));
    document.insert("compression".to_owned(), compression);
    if let Some(names) = spec.all_names() {
        document.insert("axes".to_owned(), json!(names));
    }
    if let Some(resolution) = &spec.resolution {
        document.insert("pixelResolution".to_owned(), json!({"dimensions": resolution, "unit": "nm"}));
    }
    let user = spec.attributes.iter().flatten();
    document.extend(
        user.filter(|(name, _)| !RESERVED.contains(&name.as_str())).map(|(k, v)| (k.clone(), v.clone())),
    );
    Ok(document)
}

/// The attributes of a new group with those of the user.
pub(super) fn group(user: Option<&Document>) -> Document {
    let mut document = user.cloned().unwrap_or_default();
    document.retain(|name, _| !RESERVED.contains(&name.as_str()));
    document.insert("n5".to_owned(), json!("2.5.1"));
    document
}
