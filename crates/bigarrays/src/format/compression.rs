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

/// What codecs of `dtype` get; the number of axes is nothing to compressions.
fn elements(dtype: DataType) -> Elements {
    Elements { dtype, ndim: 0, big_endian: false }
}

/// Whether `codecs` do the same whatever the shape and the order of axes are: plain elements of `dtype`, compressed.
pub(super) fn is_plain(codecs: &Value, dtype: DataType) -> bool {
    read(codecs, dtype).is_some()
}

/// The compressions of plain elements, if that is all that `codecs` do.
fn read(codecs: &Value, dtype: DataType) -> Option<Vec<Config>> {
    let listed = codec::parse(codecs, "codecs").ok()?;
    let CodecList { steps, array, bytes, .. } = CodecList::read(&listed, dtype, 0).ok()?;
    let is_plain = steps.is_empty() && array.config().name() == "raw";
    is_plain.then(|| bytes.iter().map(|codec| codec.config()).collect())
}

/// The codecs that a `compression` of N5 is equal to, if Zarr 3 has words for it.
pub(super) fn of_n5(compression: &Value, dtype: DataType) -> Option<Value> {
    let listed = Listed::of_object(Dialect::N5, "type", compression.as_object()?, "compression").ok()?;
    let config = listed.read(elements(dtype)).ok()??.config();
    let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
    Some(json!([bytes, codec::write(Dialect::Zarr3, &config, elements(dtype))?.to_zarr3()]))
}

/// The `compression` of N5 that `codecs` are equal to, if they are plain elements in one compression of N5.
pub(super) fn to_n5(codecs: &Value, dtype: DataType) -> Option<Value> {
    let compressions = read(codecs, dtype)?;
    let [only] = &compressions[..] else { return None };
    Some(codec::write(Dialect::N5, only, elements(dtype))?.to_object("type"))
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
            assert!(is_plain(&codecs, DataType::U16));
        }
        for other in [json!(["bytes"]), json!(["bytes", {"name": "crc32c"}]), json!(1)] {
            assert_eq!(to_n5(&other, DataType::U8), None);
        }
        assert!(!is_plain(
            &json!([{"name": "transpose", "configuration": {"order": []}}, "bytes"]),
            DataType::U8
        ));
    }
}
