//! Compressions whose parameters several formats have: lists of codecs of Zarr 3 ↔ the `compression` of N5.

use serde_json::{Value, json};

use crate::base::dtype::DataType;
use crate::chunk::codec::{self, CodecList, Dialect, Elements, Listed};
use crate::chunk::config::Config;

/// The name of the codec of Zarr 3 that packs chunks into shards.
pub(super) const SHARDING: &str = "sharding_indexed";

/// Whether a list of codecs, as metadata of Zarr 3 have it, packs chunks into shards.
pub(super) fn makes_shards(codecs: Option<&Value>) -> bool {
    let is_sharding = |codec: &Value| codec.get("name").unwrap_or(codec).as_str() == Some(SHARDING);
    codecs.and_then(Value::as_array).is_some_and(|codecs| codecs.iter().any(is_sharding))
}

/// Compressions of which an encoding and a level say too little, or which not all formats call alike.
const PORTABLE: [&str; 4] = ["blosc", "blosclz", "zlib", "bz2"];

/// What codecs of `dtype` get; the number of axes is nothing to compressions.
fn elements(dtype: DataType) -> Elements {
    Elements { dtype, ndim: 0, big_endian: false }
}

/// The configuration of the compression of plain elements, if that is all that `codecs` do.
fn of_codecs(codecs: &Value, dtype: DataType) -> Option<Config> {
    let listed = codec::parse(codecs, "codecs").ok()?;
    let CodecList { steps, array, bytes, .. } = CodecList::read(&listed, dtype, 0).ok()?;
    let [only] = &bytes[..] else { return None };
    let is_plain = steps.is_empty() && array.config().name() == "raw";
    Some(only.config()).filter(|config| is_plain && PORTABLE.contains(&config.name()))
}

/// The list of codecs of plain elements that are compressed so.
fn to_codecs(compression: &Config, dtype: DataType) -> Option<Value> {
    let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
    Some(json!([bytes, codec::write(Dialect::Zarr3, compression, elements(dtype))?.to_zarr3()]))
}

/// Of a list of codecs, those that go with any shape and order of axes and with elements of `dtype`: plain elements,
/// compressed by Blosc, zlib or bzip2. `None` if it is another list.
pub(super) fn portable(codecs: &Value, dtype: DataType) -> Option<Value> {
    to_codecs(&of_codecs(codecs, dtype)?, dtype)
}

/// The codecs that a `compression` of N5 is equal to, if an encoding and a level do not describe it.
pub(super) fn of_n5(compression: &Value, dtype: DataType) -> Option<Value> {
    let listed = Listed::of_object(Dialect::N5, "type", compression.as_object()?, "compression").ok()?;
    let config = listed.read(elements(dtype)).ok()??.config();
    to_codecs(&config, dtype).filter(|_| PORTABLE.contains(&config.name()))
}

/// The `compression` of N5 that [portable] codecs are equal to.
pub(super) fn to_n5(codecs: &Value, dtype: DataType) -> Option<Value> {
    let config = of_codecs(codecs, dtype)?;
    Some(codec::write(Dialect::N5, &config, elements(dtype))?.to_object("type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_back() {
        for compression in [
            json!({"type": "blosc", "cname": "zstd", "clevel": 7, "shuffle": 2, "blocksize": 0}),
            json!({"type": "gzip", "level": 3, "useZlib": true}),
            json!({"type": "bzip2", "blockSize": 5}),
        ] {
            let codecs = of_n5(&compression, DataType::U16).unwrap();
            assert_eq!(to_n5(&codecs, DataType::U16), Some(compression));
            assert_eq!(portable(&codecs, DataType::U16), Some(codecs));
        }
        for other in
            [json!(["bytes"]), json!(["transpose", "bytes"]), json!(["bytes", {"name": "zstd"}]), json!(1)]
        {
            assert_eq!(portable(&other, DataType::U8), None);
        }
    }
}
