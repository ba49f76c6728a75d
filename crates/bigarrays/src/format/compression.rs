//! Compressions whose parameters several formats have: lists of codecs of Zarr 3 ↔ the `compression` of N5.

use serde_json::{Map, Value, json};

use crate::base::dtype::DataType;

/// The name of the codec of Zarr 3 that packs chunks into shards.
pub(super) const SHARDING: &str = "sharding_indexed";

/// Whether a list of codecs, as metadata of Zarr 3 have it, packs chunks into shards.
pub(super) fn makes_shards(codecs: Option<&Value>) -> bool {
    let is_sharding = |codec: &Value| codec.get("name").unwrap_or(codec).as_str() == Some(SHARDING);
    codecs.and_then(Value::as_array).is_some_and(|codecs| codecs.iter().any(is_sharding))
}

/// What Blosc does with elements first, by its number.
const SHUFFLES: [&str; 3] = ["noshuffle", "shuffle", "bitshuffle"];

const BLOSC: &str = "blosc";
const ZLIB: &str = "numcodecs.zlib";

fn list(name: &str, configuration: &Value) -> Value {
    let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
    json!([bytes, {"name": name, "configuration": configuration}])
}

/// Of a list of codecs, those that go with any shape and order of axes and with elements of `dtype`: plain elements,
/// compressed by Blosc or zlib, of which an encoding and a level say too little. `None` if it is another list.
pub(super) fn portable(codecs: &Value, dtype: DataType) -> Option<Value> {
    let [bytes, last] = codecs.as_array()?.as_slice() else { return None };
    let name = last.get("name").and_then(Value::as_str)?;
    if bytes.get("name").unwrap_or(bytes) != "bytes" {
        return None;
    }
    let mut configuration = last.get("configuration").and_then(Value::as_object).cloned().unwrap_or_default();
    match name {
        BLOSC => {
            let word = match configuration.get("shuffle")? {
                Value::String(word) => SHUFFLES.into_iter().find(|known| known == word)?,
                number => SHUFFLES.get(usize::try_from(number.as_u64()?).ok()?).copied()?,
            };
            configuration.insert("shuffle".to_owned(), json!(word));
            configuration.entry("typesize").or_insert_with(|| json!(dtype.size()));
            configuration.entry("blocksize").or_insert_with(|| json!(0));
            Some(list(BLOSC, &Value::Object(configuration)))
        }
        "zlib" | ZLIB => Some(list(ZLIB, &Value::Object(configuration))),
        _ => None,
    }
}

/// The codecs that a `compression` of N5 comes to, if an encoding and a level say too little of it.
pub(super) fn of_n5(compression: &Value, dtype: DataType) -> Option<Value> {
    let mut configuration: Map<String, Value> = compression.as_object()?.clone();
    configuration.remove("type");
    match compression.get("type")?.as_str()? {
        BLOSC => {
            configuration.remove("nthreads");
            portable(&list(BLOSC, &Value::Object(configuration)), dtype)
        }
        "gzip" if compression.get("useZlib") == Some(&json!(true)) => {
            let level = compression.get("level").and_then(Value::as_u64).unwrap_or(6);
            Some(list(ZLIB, &json!({"level": level})))
        }
        _ => None,
    }
}

/// The `compression` of N5 that [portable] codecs come to.
pub(super) fn to_n5(codecs: &Value, dtype: DataType) -> Option<Value> {
    let codecs = portable(codecs, dtype)?;
    let mut configuration = codecs.get(1)?.get("configuration")?.as_object()?.clone();
    if codecs.get(1)?.get("name")? == ZLIB {
        return Some(json!({"type": "gzip", "level": configuration.get("level")?, "useZlib": true}));
    }
    let shuffle =
        SHUFFLES.iter().position(|known| configuration.get("shuffle").is_some_and(|word| word == known))?;
    configuration.insert("shuffle".to_owned(), json!(shuffle));
    configuration.insert("type".to_owned(), json!(BLOSC));
    configuration.remove("typesize");
    Some(Value::Object(configuration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_back() {
        for compression in [
            json!({"type": "blosc", "cname": "zstd", "clevel": 7, "shuffle": 2, "blocksize": 0}),
            json!({"type": "gzip", "level": 3, "useZlib": true}),
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
