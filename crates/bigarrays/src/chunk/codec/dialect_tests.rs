//! What is written in a dialect is read as the same.

use serde_json::{Map, Value, json};

use super::config_tests::{arrays, bytes};
use super::dialect::{Dialect, Elements, Entry, Written};
use super::table;
use crate::base::dtype::DataType;
use crate::base::error::ErrorKind;
use crate::base::member::Member;
use crate::chunk::config::Config;

const DIALECTS: [Dialect; 3] = [Dialect::Zarr3, Dialect::Numcodecs, Dialect::N5];

fn elements(dtype: DataType) -> Elements {
    Elements { dtype, ndim: 3, big_endian: false }
}

fn read(
    dialect: Dialect,
    name: &str,
    object: &Map<String, Value>,
    elements: Elements,
) -> crate::Result<Config> {
    let members = Member { object, path: String::new() };
    table::read(dialect, &Entry { name, members, elements }).map(|built| built.unwrap().config())
}

/// The configuration of a codec without those behind it.
fn own(config: &Config) -> Config {
    let own = Config::new(config.name());
    let parameters = config.parameters().filter(|(name, _)| *name != "inner");
    parameters.fold(own, |own, (name, value)| own.with(name, value.clone()))
}

/// All samples, each with a type of elements that it gets.
fn samples() -> Vec<(DataType, Config)> {
    let bytes = bytes().into_iter().map(|codec| (DataType::U32, codec.config()));
    arrays().into_iter().map(|(dtype, codec)| (dtype, own(&codec.config()))).chain(bytes).collect()
}

#[test]
fn what_is_written_is_read_as_the_same() {
    for (dtype, config) in samples() {
        for dialect in DIALECTS {
            let Some(Written { name, members }) = table::write(dialect, &config, elements(dtype)) else {
                continue;
            };
            let back = read(dialect, name, &members, elements(dtype)).unwrap();
            let is_typesize =
                |config: &Config| config.name().starts_with("blosc") && dialect != Dialect::Zarr3;
            match is_typesize(&config) {
                // Others than Zarr 3 take it from the elements.
                true => assert_eq!(back.get("compressor"), config.get("compressor")),
                false => assert_eq!(back, config, "{dialect:?} {name} {members:?}"),
            }
        }
    }
}

#[test]
fn what_cannot_be_said_is_not() {
    let of = |dialect, names: &[&str]| {
        for (dtype, config) in samples() {
            let is_said = table::write(dialect, &config, elements(dtype)).is_some();
            let is_known = names.contains(&config.name());
            assert!(is_known || !is_said, "{dialect:?} {config}");
            let may_fail =
                ["or_plain", "true", "none", "F"].iter().any(|mark| config.to_string().contains(mark))
                    || ["packbits", "fletcher32", "lz4"].contains(&config.name());
            assert!(!is_known || is_said || may_fail, "{dialect:?} {config}");
        }
    };
    let common = [
        "bitround",
        "fixedscaleoffset",
        "delta",
        "astype",
        "quantize",
        "vlen-utf8",
        "vlen-bytes",
        "packbits",
        "pcodec",
        "gzip",
        "zstd",
        "blosc",
        "blosclz",
        "zlib",
        "bz2",
        "xz",
        "lzma",
        "lz4",
        "shuffle",
        "crc32c",
        "crc32",
        "adler32",
        "fletcher32",
    ];
    of(Dialect::Numcodecs, &common);
    of(Dialect::Zarr3, &[&common[..], &["raw", "transpose"]].concat());
    of(Dialect::N5, &["gzip", "zlib", "bz2", "xz", "lz4", "zstd", "blosc", "blosclz"]);
}

#[test]
fn every_name_is_read() {
    let numbers = json!({"cname": "zstd", "clevel": 1, "shuffle": 1}).as_object().unwrap().clone();
    for (dialect, name, members) in [
        (Dialect::Zarr3, "numcodecs.gzip", json!({})),
        (Dialect::Zarr3, "zlib", json!({"level": -1})),
        (Dialect::Zarr3, "numcodecs.zstd", json!({})),
        (Dialect::Zarr3, "numcodecs.blosc", Value::Object(numbers.clone())),
        (Dialect::Zarr3, "numcodecs.crc32c", json!({"location": "start"})),
        (Dialect::Zarr3, "fletcher32", json!({})),
        (
            Dialect::Zarr3,
            "packbits",
            json!({"padding_encoding": "start_byte", "first_bit": 0, "last_bit": 0}),
        ),
        (Dialect::Zarr3, "transpose", json!({"order": "F"})),
        (Dialect::Numcodecs, "blosc", Value::Object(numbers.clone())),
        (Dialect::Numcodecs, "packbits", json!({})),
        (Dialect::N5, "blosc", Value::Object(numbers)),
        (Dialect::N5, "gzip", json!({"level": -1, "useZlib": true})),
        (Dialect::N5, "lz4", json!({"blockSize": 6})),
    ] {
        read(dialect, name, members.as_object().unwrap(), elements(DataType::Bool)).unwrap();
    }
    let (wrong, beyond) = (json!({"level": "best"}), json!({"level": 10}));
    for name in ["gzip", "zlib", "bz2"] {
        let error = read(Dialect::Numcodecs, name, wrong.as_object().unwrap(), elements(DataType::U8));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidMetadata, "{name}");
        let nearest = read(Dialect::Numcodecs, name, beyond.as_object().unwrap(), elements(DataType::U8));
        assert_eq!(nearest.unwrap().get("level").unwrap().to_json(), json!(9), "{name}");
    }
}
