//! Arrays, groups and images of Zarr, through the public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bigarrays::base::buffer::Order;
use bigarrays::chunk::curve::ChunkOrder;
use bigarrays::format::zarr::check_metadata;
use bigarrays::format::{self, CreateSpec, FormatOptions, Node};
use bigarrays::store::Finding;
use bigarrays::{DataType, Domain, ErrorKind, OpenOptions, ndarray};
use serde_json::{Map, Value, json};

fn create(name: &str, format: &str, spec: &CreateSpec) -> bigarrays::Result<bigarrays::Array> {
    OpenOptions::new().format(format).create(&format!("memory://zarr-{name}"), spec)
}

fn spec(dtype: DataType, shape: &[u64], chunk: &[u64]) -> CreateSpec {
    let domain = Domain::from_shape(shape).unwrap();
    let mut spec = CreateSpec::new(dtype, domain);
    spec.storage.chunk_shape = Some(chunk.to_vec());
    spec
}

#[test]
fn arrays_of_both_versions_come_back() {
    let codecs = [
        json!(["bytes", "crc32c"]),
        json!([{"name": "transpose", "configuration": {"order": [1, 0]}}, {"name": "bytes"}, "gzip"]),
        json!(["bytes", {"name": "numcodecs.shuffle", "configuration": {"elementsize": 2}}, "zstd"]),
        json!(["bytes", {"name": "blosc", "configuration": {"cname": "lz4", "clevel": 3, "shuffle": "bitshuffle"}}]),
    ];
    for (k, codecs) in codecs.iter().enumerate() {
        for format in ["zarr3", "zarr2"] {
            let name = format!("both-{k}-{format}");
            let mut spec = spec(DataType::U8, &[7, 5], &[3, 4]);
            spec.storage.codecs = Some(codecs.clone());
            spec.array.fill_value = Some(json!(9));
            spec.array.dimension_names = Some(vec![Some("y".into()), Some("x".into())]);
            let array = create(&name, format, &spec).unwrap();
            assert!(create(&name, format, &spec).unwrap_err().to_string().contains("remove it first"));
            let data = ndarray::Array2::from_shape_fn((4, 5), |(y, x)| (10 * y + x) as u8);
            array.write(&[1, 0], data.view()).unwrap();
            let again = OpenOptions::new().open(&format!("memory://zarr-{name}")).unwrap();
            assert_eq!((again.format(), &again.dimension_names()[..]), (format, &[Some("y"), Some("x")][..]));
            let order = if k == 1 { Order::Fortran } else { Order::C };
            assert_eq!(again.layout().order, order);
            let read = again.read::<u8>(again.domain()).unwrap();
            for ((y, x), value) in
                read.data().clone().into_dimensionality::<ndarray::Ix2>().unwrap().indexed_iter()
            {
                let expected = if (1..5).contains(&y) { (10 * (y - 1) + x) as u8 } else { 9 };
                assert_eq!(*value, expected, "{name} {y} {x}");
            }
            format::remove(again.url(), None, &FormatOptions::default()).unwrap();
            assert!(OpenOptions::new().open(again.url()).is_err());
        }
    }
}

#[test]
fn attributes_groups_and_shapes_change() {
    for format in ["zarr3", "zarr2"] {
        let root = format!("memory://zarr-tree-{format}");
        let options = FormatOptions { format: Some(format.into()), ..FormatOptions::default() };
        let attributes: Map<String, Value> = [("a".to_owned(), json!({"b": [1]}))].into_iter().collect();
        format::create_group(&root, &attributes, &options).unwrap();
        assert!(format::create_group(&root, &attributes, &options).is_err());
        let array =
            create(&format!("tree-{format}/deep/one"), format, &spec(DataType::I16, &[6, 6], &[2, 2]))
                .unwrap();
        array.write(&[0, 0], ndarray::Array2::from_elem((6, 6), 5i16).view()).unwrap();
        let nodes = format::list(&root, &FormatOptions::default()).unwrap();
        let node = |path: &str, is_array| Node { path: path.into(), is_array };
        assert_eq!(nodes, [node("deep", false), node("deep/one", true)]);
        let error = OpenOptions::new().open(&root).unwrap_err();
        assert!(error.to_string().contains("deep/one"), "{error}");
        assert_eq!(OpenOptions::new().scale("deep/one").open(&root).unwrap().shape(), [6, 6]);

        let changes = [("a".to_owned(), Value::Null), ("c".to_owned(), json!(1))].into_iter().collect();
        format::update_attributes(&root, &changes, &FormatOptions::default()).unwrap();
        let changed = format::attributes(&root, &FormatOptions::default()).unwrap();
        assert_eq!(Value::Object(changed), json!({"c": 1}));

        let url = format!("{root}/deep/one");
        for (shape, sum) in [([6, 3], 5 * 18), ([6, 6], 5 * 18), ([9, 1], 5 * 6)] {
            OpenOptions::new().resize(&url, &shape).unwrap();
            let array = OpenOptions::new().open(&url).unwrap();
            assert_eq!(array.shape(), shape);
            let read = array.read::<i16>(array.domain()).unwrap();
            // What was outside does not come back, from a chunk at the edge either.
            assert_eq!(read.data().iter().map(|&x| i64::from(x)).sum::<i64>(), sum, "{shape:?}");
        }
        assert!(OpenOptions::new().resize(&url, &[1]).is_err());
    }
}

fn v3() -> Value {
    json!({
        "zarr_format": 3, "node_type": "array", "shape": [4, 6], "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 3]}},
        "chunk_key_encoding": {"name": "default"}, "fill_value": 0, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "extra": {"must_understand": false},
    })
}

#[test]
fn what_is_not_understood_is_named() {
    assert!(check_metadata(v3().to_string().as_bytes(), 3).is_ok());
    let cases = [
        ("/data_type", json!("complex256"), "complex256"),
        (
            "/data_type",
            json!({"name": "numpy.datetime64", "configuration": {}}),
            "data_type.configuration.unit",
        ),
        ("/shape/0", json!(-4), "shape"),
        ("/shape", json!([4]), "chunk_shape"),
        ("/chunk_grid/name", json!("rectilinear"), "rectilinear"),
        ("/chunk_grid/configuration/chunk_shape/0", json!(0), "chunk_shape"),
        ("/chunk_grid/configuration/chunk_shape", json!([1u64 << 40, 1u64 << 40]), "chunk"),
        ("/chunk_key_encoding", json!("suffixed"), "suffixed"),
        ("/fill_value", json!(65536), "fill_value"),
        ("/codecs", json!([]), "elements into bytes"),
        ("/codecs", json!(["bytes"]), "endian"),
        ("/codecs/0/configuration/more", json!(1), "more"),
        ("/codecs", json!(["gzip", "bytes"]), "gzip"),
        ("/codecs", json!(["zfp"]), "zfp"),
        ("/codecs", json!([{"name": "transpose", "configuration": {"order": [0, 0]}}]), "order"),
        ("/codecs/0/configuration/endian", json!("middle"), "endian"),
        ("/extra", json!({"name": "new"}), "extra"),
        ("/storage_transformers", json!([{"name": "indirect"}]), "indirect"),
        ("/dimension_names", json!(["x"]), "dimension_names"),
    ];
    for (pointer, value, named) in cases {
        let mut document = v3();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match document.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => document.pointer_mut(parent).unwrap()[name] = value,
        }
        let error = check_metadata(document.to_string().as_bytes(), 3).unwrap_err();
        assert!(error.to_string().contains(named), "{pointer}: {error}");
    }
}

#[test]
fn version_two_by_hand() {
    let document = json!({
        "zarr_format": 2, "shape": [4], "chunks": [2], "dtype": ">f4", "fill_value": null, "order": "F",
        "filters": [{"id": "fixedscaleoffset", "offset": 1, "scale": 10, "dtype": ">f4", "astype": "|u1"}],
        "compressor": {"id": "zlib", "level": 1},
    });
    check_metadata(document.to_string().as_bytes(), 2).unwrap();
    for (pointer, value, named) in [
        ("/dtype", json!("<c32"), "c32"),
        ("/filters/0/id", json!("categorize"), "categorize"),
        ("/compressor/id", json!("zfpy"), "zfpy"),
        ("/order", json!("K"), "order"),
    ] {
        let mut document = document.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        let error = check_metadata(document.to_string().as_bytes(), 2).unwrap_err();
        assert!(error.to_string().contains(named), "{pointer}: {error}");
    }
}

fn sharded(chunk: &[u64], codecs: Value, place: &str) -> Value {
    json!([{"name": "sharding_indexed", "configuration": {
        "chunk_shape": chunk, "codecs": codecs, "index_location": place,
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, "crc32c"],
    }}])
}

#[test]
fn shards_and_shards_in_shards() {
    let plain = json!([{"name": "bytes", "configuration": {"endian": "little"}}, "zstd"]);
    let around = |before: &[Value], shards: Value, after: &[Value]| -> Value {
        before.iter().chain(shards.as_array().unwrap()).chain(after).cloned().collect()
    };
    let turned = json!({"name": "transpose", "configuration": {"order": [1, 0]}});
    let nested = sharded(&[4, 4], sharded(&[2, 1], plain.clone(), "start"), "end");
    let raw = json!([{"name": "bytes", "configuration": {"endian": "big"}}]);
    let inner =
        around(std::slice::from_ref(&turned), sharded(&[2, 1], raw.clone(), "start"), &["crc32c".into()]);
    for (name, codecs, order) in [
        ("end", sharded(&[2, 2], plain.clone(), "end"), ChunkOrder::Hilbert),
        ("nested", nested, ChunkOrder::Morton),
        ("turned", around(std::slice::from_ref(&turned), sharded(&[1, 2], raw, "end"), &[]), ChunkOrder::C),
        (
            "whole",
            around(&[], sharded(&[2, 1], plain.clone(), "end"), &["gzip".into(), "crc32c".into()]),
            ChunkOrder::C,
        ),
        ("all", around(&[turned], sharded(&[4, 2], inner, "end"), &["zstd".into()]), ChunkOrder::Hilbert),
    ] {
        let mut spec = spec(DataType::U16, &[19, 13], &[8, 8]);
        spec.storage.codecs = Some(codecs);
        spec.storage.shard_order = Some(order);
        let array = create(&format!("sharded-{name}"), "zarr3", &spec).unwrap();
        let shape: Vec<u64> = array.shard_shape().unwrap().to_vec();
        assert_eq!(shape, [8, 8]);
        let mut model = ndarray::Array2::<u16>::zeros((19, 13));
        let boxes = [([0, 0], (19, 13)), ([3, 2], (5, 9)), ([17, 1], (2, 3)), ([0, 7], (19, 1))];
        for (k, (origin, (height, width))) in boxes.into_iter().enumerate() {
            let data =
                ndarray::Array2::from_shape_fn((height, width), |(y, x)| (1000 * k + 20 * y + x) as u16);
            array.write(&origin, data.view()).unwrap();
            let (y, x) = (origin[0] as usize, origin[1] as usize);
            model.slice_mut(ndarray::s![y..y + height, x..x + width]).assign(&data);
            let again = OpenOptions::new().open(array.url()).unwrap();
            for part in [again.domain().clone(), "2:9,5:13".parse().unwrap(), "18:19,0:13".parse().unwrap()] {
                let read = again.read::<u16>(&part).unwrap();
                let at = |axis| part.range(axis).start as usize..part.range(axis).end as usize;
                assert_eq!(
                    read.data(),
                    model.slice(ndarray::s![at(0), at(1)]).into_dyn(),
                    "{name} {k} {part}"
                );
            }
        }
        let mut keys = 0;
        array
            .store()
            .list("", &mut |_, _| {
                keys += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(keys, if name == "end" { 10 * 7 } else { 10 * 13 }, "{name}");
        let mut found = 0;
        let mut count = |finding: Finding<'_>| {
            assert!(!matches!(finding, Finding::Damaged { .. }), "{name}: {finding:?}");
            found += u64::from(matches!(finding, Finding::Value { .. }));
            Ok(())
        };
        array.store().survey(&mut count).unwrap();
        assert_eq!(found, keys, "{name}");
        // Within chunks, between those of a shard, and between shards.
        for shape in [[8, 13], [3, 13], [3, 2], [1, 1]] {
            OpenOptions::new().resize(array.url(), &shape).unwrap();
            OpenOptions::new().resize(array.url(), &[19, 13]).unwrap();
            let again = OpenOptions::new().open(array.url()).unwrap();
            let read = again.read::<u16>(again.domain()).unwrap();
            let is_kept = |at: (usize, usize)| at.0 < shape[0] as usize && at.1 < shape[1] as usize;
            let of = |at: (usize, usize)| if is_kept(at) { model[at] } else { 0 };
            assert_eq!(
                read.data(),
                ndarray::Array2::from_shape_fn((19, 13), of).into_dyn(),
                "{name} {shape:?}"
            );
        }
    }
    let scaled = json!({"name": "numcodecs.fixedscaleoffset", "configuration": {"offset": 0, "scale": 2, "dtype": "<u2"}});
    for (codecs, named) in [
        (around(&["gzip".into()], sharded(&[2, 2], plain.clone(), "end"), &[]), "gzip"),
        (around(&[], sharded(&[2, 2], plain.clone(), "end"), &["bytes".into()]), "bytes"),
        (around(&[scaled], sharded(&[2, 2], plain.clone(), "end"), &[]), "fixedscaleoffset"),
        (sharded(&[3, 2], plain.clone(), "end"), "chunk_shape"),
        (sharded(&[2, 2], plain, "middle"), "index_location"),
        (sharded(&[2, 2], json!(["zfp"]), "end"), "zfp"),
    ] {
        let mut spec = spec(DataType::U16, &[19, 13], &[8, 8]);
        spec.storage.codecs = Some(codecs);
        let error = create("sharded-wrong", "zarr3", &spec).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn images_of_several_scales() {
    for format in ["ome-zarr", "ome-zarr-0.4"] {
        let url = format!("memory://zarr-image-{format}");
        let new = |domain: &str, size: f64| {
            let mut spec = CreateSpec::new(DataType::U8, domain.parse().unwrap());
            spec.array.resolution = Some(vec![40.0, size, size]);
            spec.array.dimension_names =
                Some(["c", "z", "y", "x"].map(|name| Some(name.to_owned())).to_vec());
            spec
        };
        let options = OpenOptions::new().format(format);
        let array = options.create(&url, &new("0:2,-5:5,0:20,10:40", 8.0)).unwrap();
        array.write(&[0, -5, 0, 10], ndarray::Array4::<u8>::ones((2, 10, 20, 30)).view()).unwrap();
        assert!(options.create(&url, &new("0:2,-5:5,0:20,10:40", 8.0)).is_err());
        let attributes = [("omero".to_owned(), json!({"channels": []}))].into_iter().collect();
        format::update_attributes(&url, &attributes, &FormatOptions::default()).unwrap();
        OpenOptions::new().add_scale(&url, &new("0:2,-5:5,0:10,5:20", 16.0)).unwrap();
        let coarse = OpenOptions::new().scale(vec![1.0, 40.0, 16.0, 16.0]).open(&url).unwrap();
        assert_eq!((coarse.scale(), coarse.domain().to_string().as_str()), (1, "0:2,-5:5,0:10,5:20"));
        let fine = OpenOptions::new().open(&url).unwrap();
        assert_eq!((fine.format(), &fine.axis_names()[..]), (format, &["c", "z", "y", "x"][..]));
        assert_eq!(fine.domain().to_string(), "0:2,-5:5,0:20,10:40");
        assert_eq!(fine.resolution().unwrap().unit, "nm");
        assert!(fine.read::<u8>(fine.domain()).unwrap().data().iter().all(|&x| x == 1));
        let names: Vec<&str> = fine.scales().iter().map(|scale| scale.key.as_str()).collect();
        assert_eq!(names, ["0", "1"]);
        assert_eq!(
            format::attributes(&url, &FormatOptions::default()).unwrap()["omero"],
            json!({"channels": []})
        );
        format::remove(&url, Some(&0.into()), &FormatOptions::default()).unwrap();
        assert_eq!(OpenOptions::new().open(&url).unwrap().scales().len(), 1);
        assert!(format::remove(&url, Some(&0.into()), &FormatOptions::default()).is_err());
        format::remove(&url, None, &FormatOptions::default()).unwrap();
        assert!(OpenOptions::new().open(&url).is_err());
    }
}

#[test]
fn attributes_of_others_stay_as_they_are_and_deep_ones_are_refused() {
    for format in ["zarr3", "zarr2", "n5"] {
        let url = format!("memory://numbers-{format}");
        let spec = CreateSpec::new(DataType::U8, Domain::from_shape(&[4]).unwrap());
        OpenOptions::new().format(format).create(&url, &spec).unwrap();
        let store = bigarrays::store::open(&url, &Default::default()).unwrap();
        let key = match format {
            "zarr3" => "zarr.json",
            "zarr2" => ".zattrs",
            _ => "attributes.json",
        };
        let numbers = r#""id": 1180591620717411303425, "dec": 0.1234567890123456789012345,
            "python": [NaN, -Infinity, "NaN", "\ud800"], "nothing": null"#;
        let old = store.read(key).unwrap().map_or("{}".to_owned(), |bytes| String::from_utf8(bytes).unwrap());
        let new = match format {
            "zarr3" => old.replace("\"attributes\": {}", &format!("\"attributes\": {{{numbers}}}")),
            "zarr2" => format!("{{{numbers}}}"),
            _ => old.replacen('{', &format!("{{{numbers},"), 1),
        };
        assert_ne!(new, old, "{old}");
        store.write(key, new.as_bytes()).unwrap();
        let other = json!({"other": 1});
        format::update_attributes(&url, other.as_object().unwrap(), &FormatOptions::default()).unwrap();
        let text = String::from_utf8(store.read(key).unwrap().unwrap()).unwrap();
        assert!(
            text.contains("1180591620717411303425") && text.contains("0.1234567890123456789012345"),
            "{text}"
        );
        let python: String = text.split_whitespace().collect();
        assert!(python.contains(r#""python":[NaN,-Infinity,"NaN","\ud800"]"#), "{text}");
        assert!(python.contains(r#""nothing":null"#), "{text}");

        let nested = |depth: usize| -> serde_json::Value {
            serde_json::from_str(&format!("{}{}", "[".repeat(depth), "]".repeat(depth))).unwrap()
        };
        let deep = json!({"deep": nested(101)});
        let refused = format::update_attributes(&url, deep.as_object().unwrap(), &FormatOptions::default());
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidArgument);
        let deep = json!({"deep": nested(99)});
        format::update_attributes(&url, deep.as_object().unwrap(), &FormatOptions::default()).unwrap();
        assert_eq!(format::attributes(&url, &FormatOptions::default()).unwrap()["deep"], deep["deep"]);
    }
}

/// Codecs that only some types of elements have, as Zarr 3 lists them, and as Zarr 2 has them: order, filters and
/// compressor.
fn said_twice() -> Vec<(DataType, Value, &'static str, Value, Value)> {
    let codec = |name: &str, configuration: Value| json!({"name": name, "configuration": configuration});
    let id = |id: &str, mut configuration: Value| {
        configuration["id"] = id.into();
        configuration
    };
    let little = || codec("bytes", json!({"endian": "little"}));
    let plain = |last: Value| json!([little(), last]);
    let (u2, f4) = (DataType::U16, DataType::F32);
    let blosc = |shuffle: Value| json!({"cname": "zstd", "clevel": 3, "shuffle": shuffle, "blocksize": 0});
    let mut blosc3 = blosc("shuffle".into());
    blosc3["typesize"] = 2.into();
    let turned = codec("transpose", json!({"order": [1, 0]}));
    let scaled =
        |names: [&str; 2]| json!({"offset": 1.5, "scale": 10.0, "dtype": names[0], "astype": names[1]});
    let none = || Value::Null;
    vec![
        (u2, json!([little()]), "C", none(), none()),
        (u2, json!([turned, codec("bytes", json!({"endian": "big"}))]), "F", none(), none()),
        (u2, plain(codec("blosc", blosc3)), "C", none(), id("blosc", blosc(1.into()))),
        (u2, plain(codec("gzip", json!({"level": 4}))), "C", none(), id("gzip", json!({"level": 4}))),
        (
            u2,
            plain(codec("numcodecs.zlib", json!({"level": 4}))),
            "C",
            none(),
            id("zlib", json!({"level": 4})),
        ),
        (u2, plain(codec("numcodecs.bz2", json!({"level": 4}))), "C", none(), id("bz2", json!({"level": 4}))),
        (
            u2,
            plain(codec("zstd", json!({"level": 4, "checksum": false}))),
            "C",
            none(),
            id("zstd", json!({"level": 4})),
        ),
        (
            u2,
            json!([
                little(),
                codec("numcodecs.shuffle", json!({"elementsize": 2})),
                codec("gzip", json!({"level": 1}))
            ]),
            "C",
            json!([id("shuffle", json!({"elementsize": 2}))]),
            id("gzip", json!({"level": 1})),
        ),
        (u2, plain(json!({"name": "crc32c"})), "C", json!([{"id": "crc32c"}]), none()),
        (u2, plain(json!({"name": "numcodecs.adler32"})), "C", json!([{"id": "adler32"}]), none()),
        (u2, plain(json!({"name": "numcodecs.fletcher32"})), "C", json!([{"id": "fletcher32"}]), none()),
        (
            f4,
            json!([codec("numcodecs.bitround", json!({"keepbits": 5})), little()]),
            "C",
            json!([id("bitround", json!({"keepbits": 5}))]),
            none(),
        ),
        (
            f4,
            json!([
                codec("numcodecs.fixedscaleoffset", scaled(["<f4", "<i2"])),
                codec("bytes", json!({"endian": "big"}))
            ]),
            "C",
            json!([id("fixedscaleoffset", scaled([">f4", ">i2"]))]),
            none(),
        ),
        (
            DataType::Bool,
            json!([{"name": "numcodecs.packbits"}, {"name": "bytes"}, codec("gzip", json!({"level": 1}))]),
            "C",
            json!([{"id": "packbits"}]),
            id("gzip", json!({"level": 1})),
        ),
        (
            u2,
            json!([codec("numcodecs.pcodec", json!({"level": 3}))]),
            "C",
            none(),
            id("pcodec", json!({"level": 3})),
        ),
    ]
    .into_iter()
    .chain(said_of_numcodecs())
    .collect()
}

/// As [`said_twice`], of the codecs of numcodecs that pass through others.
fn said_of_numcodecs() -> [(DataType, Value, &'static str, Value, Value); 7] {
    let codec = |name: &str, configuration: Value| json!({"name": name, "configuration": configuration});
    let id = |id: &str, mut configuration: Value| {
        configuration["id"] = id.into();
        configuration
    };
    let bytes = |endian: &str| codec("bytes", json!({"endian": endian}));
    let delta = |names: [&str; 2]| json!({"dtype": names[0], "astype": names[1]});
    let stored = |names: [&str; 2]| json!({"encode_dtype": names[0], "decode_dtype": names[1]});
    let quantize = |name: &str| json!({"digits": 2, "dtype": name, "astype": name});
    let lzma = |format: u8, preset: Value, filters: Value| json!({"format": format, "check": -1, "preset": preset, "filters": filters});
    let raw = lzma(3, Value::Null, json!([{"id": 3, "dist": 2}, {"id": 33, "preset": 1}]));
    let (u2, f4, none) = (DataType::U16, DataType::F32, Value::Null);
    let lz4 = json!({"acceleration": 1});
    [
        (
            u2,
            json!([bytes("little"), codec("numcodecs.lz4", lz4.clone())]),
            "C",
            none.clone(),
            id("lz4", lz4),
        ),
        (
            u2,
            json!([bytes("little"), codec("numcodecs.lzma", lzma(1, 3.into(), Value::Null))]),
            "C",
            none.clone(),
            id("lzma", lzma(1, 3.into(), Value::Null)),
        ),
        (
            u2,
            json!([bytes("little"), codec("numcodecs.lzma", raw.clone())]),
            "C",
            none.clone(),
            id("lzma", raw),
        ),
        (
            u2,
            json!([bytes("little"), {"name": "numcodecs.crc32"}]),
            "C",
            json!([{"id": "crc32"}]),
            none.clone(),
        ),
        (
            u2,
            json!([codec("numcodecs.delta", delta(["<u2", "<i4"])), bytes("big")]),
            "C",
            json!([id("delta", delta([">u2", ">i4"]))]),
            none.clone(),
        ),
        (
            f4,
            json!([codec("numcodecs.astype", stored(["<f8", "<f4"])), bytes("little")]),
            "C",
            json!([id("astype", stored(["<f8", "<f4"]))]),
            none.clone(),
        ),
        (
            f4,
            json!([codec("numcodecs.quantize", quantize("<f4")), bytes("little")]),
            "C",
            json!([id("quantize", quantize("<f4"))]),
            none,
        ),
    ]
}

/// The document of the array at `url`.
fn document(url: &str, key: &str) -> Value {
    let store = bigarrays::store::open(url, &Default::default()).unwrap();
    serde_json::from_slice(&store.read(key).unwrap().unwrap()).unwrap()
}

/// Creates an array like the one at `url` in another format.
fn create_like(url: &str, from: &str, to: &str, new: &str) -> bigarrays::Array {
    let like = OpenOptions::new().like(url).unwrap();
    let spec = CreateSpec::new(like.array.dtype, like.array.domain.clone());
    let (fitted, _) = format::fit(format::creator(to).unwrap(), like, from);
    OpenOptions::new().format(to).create(new, &spec.or_like(fitted, false)).unwrap()
}

#[test]
fn codecs_are_said_as_each_version_says_them() {
    for (k, (dtype, codecs, order, filters, compressor)) in said_twice().into_iter().enumerate() {
        let url = |name: &str| format!("memory://zarr-said-{k}-{name}");
        let mut three = spec(dtype, &[7, 5], &[3, 4]);
        three.storage.codecs = Some(codecs.clone());
        let three = OpenOptions::new().format("zarr3").create(&url("three"), &three).unwrap();
        let two = create_like(&url("three"), "zarr3", "zarr2", &url("two"));
        let said = document(&url("two"), ".zarray");
        assert_eq!(
            (&said["order"], &said["filters"], &said["compressor"]),
            (&order.into(), &filters, &compressor)
        );
        let back = create_like(&url("two"), "zarr2", "zarr3", &url("back"));
        assert_eq!(document(&url("back"), "zarr.json")["codecs"], codecs);
        assert_eq!(three.layout().codecs.config(), two.layout().codecs.config(), "{codecs}");
        assert_eq!(three.layout().codecs.config(), back.layout().codecs.config(), "{codecs}");
        // Without being fitted, as a list of Zarr 3.
        assert_eq!(OpenOptions::new().like(&url("two")).unwrap().storage.codecs, Some(codecs));
    }
}

#[test]
fn what_version_two_cannot_say_is_refused_or_left_out() {
    let little = json!({"name": "bytes", "configuration": {"endian": "little"}});
    let of = |codecs: Value| {
        let mut of = spec(DataType::U16, &[4, 4, 4], &[2, 2, 2]);
        of.storage.codecs = Some(codecs);
        of
    };
    let turned = json!({"name": "transpose", "configuration": {"order": [1, 2, 0]}});
    let packed = json!({"name": "packbits", "configuration": {"last_bit": 3}});
    for (k, (codecs, named)) in
        [(json!([turned, little]), "axes"), (json!([packed]), "packbits")].into_iter().enumerate()
    {
        let error = create(&format!("unsayable-{k}"), "zarr2", &of(codecs.clone())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(named), "{error}");
        create(&format!("unsayable-{k}-3"), "zarr3", &of(codecs)).unwrap();
        let (three, two) =
            (format!("memory://zarr-unsayable-{k}-3"), format!("memory://zarr-unsayable-{k}-2"));
        let made = create_like(&three, "zarr3", "zarr2", &two);
        assert_eq!(made.layout().codecs.names().collect::<Vec<_>>(), ["raw"]);
    }
}

#[test]
fn compressions_of_n5_are_said_as_zarr_says_them() {
    let (blosc, level) =
        (json!({"cname": "zstd", "clevel": 3, "shuffle": 2, "blocksize": 0}), json!({"level": 3}));
    for (k, (name, compression, id, configuration)) in [
        ("blosc", blosc.clone(), "blosc", blosc),
        ("bzip2", json!({"blockSize": 3}), "bz2", level.clone()),
        ("gzip", json!({"level": 3, "useZlib": true}), "zlib", level),
    ]
    .into_iter()
    .enumerate()
    {
        let url = |name: &str| format!("memory://zarr-of-n5-{k}-{name}");
        let with = |key: &str, name: &str, mut object: Value| {
            object[key] = name.into();
            object
        };
        let said = json!({
            "dimensions": [7, 5], "blockSize": [3, 4], "dataType": "uint16",
            "compression": with("type", name, compression.clone()),
        });
        let store = bigarrays::store::open(&url("n5"), &Default::default()).unwrap();
        store.write("attributes.json", said.to_string().as_bytes()).unwrap();
        create_like(&url("n5"), "n5", "zarr3", &url("three"));
        create_like(&url("three"), "zarr3", "zarr2", &url("two"));
        assert_eq!(document(&url("two"), ".zarray")["compressor"], with("id", id, configuration), "{name}");
        create_like(&url("two"), "zarr2", "n5", &url("back"));
        assert_eq!(document(&url("back"), "attributes.json")["compression"], said["compression"], "{name}");
    }
}

/// Others warn of files in groups that are no members.
#[test]
fn groups_hold_no_locks_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["zarr3", "zarr2"] {
        let options = FormatOptions { format: Some(format.to_owned()), ..FormatOptions::default() };
        let group = folder.path().join(format);
        let url = group.to_str().unwrap();
        format::create_group(url, &serde_json::Map::new(), &options).unwrap();
        let new = serde_json::json!({"x": 1});
        format::update_attributes(url, new.as_object().unwrap(), &options).unwrap();
        let spec = CreateSpec::new(DataType::U8, "0:4,0:5".parse().unwrap());
        let image = if format == "zarr3" { "ome-zarr" } else { "ome-zarr-0.4" };
        OpenOptions::new().format(image).create(&format!("{url}/image"), &spec).unwrap();
        OpenOptions::new().format(format).create(&format!("{url}/a"), &spec).unwrap();
        for group in [group.clone(), group.join("image")] {
            let names = std::fs::read_dir(&group).unwrap().map(|entry| entry.unwrap().file_name());
            assert!(names.into_iter().all(|name| name != ".bigarrays.lock"), "{}", group.display());
        }
        assert_eq!(format::attributes(url, &options).unwrap()["x"], 1);
    }
}

/// A text array of 3 × 2 in chunks of 2 × 2, of which the first alone is stored, with this element first.
fn texts(folder: &std::path::Path, first: &[u8]) {
    let document = json!({
        "zarr_format": 2, "shape": [3, 2], "chunks": [2, 2], "dtype": "|O", "fill_value": "none", "order": "F",
        "filters": [{"id": "vlen-utf8"}], "compressor": null,
    });
    std::fs::write(folder.join(".zarray"), document.to_string()).unwrap();
    let length = |length: usize| (length as u32).to_le_bytes().to_vec();
    let element = |element: &[u8]| [length(element.len()), element.to_vec()].concat();
    let elements = [first, b"10", b"01", b""].map(element).concat();
    std::fs::write(folder.join("0.0"), [length(4), elements].concat()).unwrap();
}

#[test]
fn texts_of_any_length() {
    let folder = tempfile::tempdir().unwrap();
    texts(folder.path(), "wörld".as_bytes());
    let url = folder.path().to_str().unwrap();
    let array = OpenOptions::new().open(url).unwrap();
    assert_eq!((array.dtype(), array.layout().fill.as_bytes()), (DataType::LongText, &b"none"[..]));
    let read = |array: &bigarrays::Array, part: &str| -> Vec<String> {
        let read = array.read_long(&part.parse().unwrap()).unwrap();
        read.iter().map(|element| String::from_utf8(element.to_vec()).unwrap()).collect()
    };
    assert_eq!(read(&array, "0:3,0:2"), ["wörld", "01", "10", "", "none", "none"]);
    assert_eq!(read(&array, "-1:1,1:2"), ["none", "01"]);
    assert_eq!(read(&array.permute(&[1, 0]).unwrap(), "0:2,0:2"), ["wörld", "10", "01", ""]);
    let backwards = bigarrays::Index::Slice { start: None, stop: None, step: -1 };
    let view = array.slice(&[backwards, bigarrays::Index::At(0)]).unwrap();
    assert_eq!(read(&view, &view.domain().to_string()), ["none", "10", "wörld"]);
    // They are in no buffer of one size, and are not written.
    let mut buffer = [0u8; 96];
    let out = bigarrays::base::buffer::ViewMut::dense(&mut buffer, &[3, 2], 16, Order::C).unwrap();
    assert_eq!(array.read_into(array.domain(), out).unwrap_err().kind(), ErrorKind::Unsupported);
    let points = array.read_points_into(&[0, 0], &mut buffer[..16], bigarrays::OutsidePoints::Error);
    assert_eq!(points.unwrap_err().kind(), ErrorKind::Unsupported);
    let numbers = create("texts-numbers", "zarr2", &spec(DataType::U8, &[3], &[2])).unwrap();
    assert_eq!(numbers.read_long(numbers.domain()).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let error = create("texts", "zarr3", &spec(DataType::LongText, &[3], &[2])).unwrap_err();
    assert!(error.to_string().contains("string elements are read"), "{error}");
    assert!(bigarrays::jobs::verify(&array, &Default::default()).unwrap().is_whole());
}

#[test]
fn texts_that_are_damaged() {
    let folder = tempfile::tempdir().unwrap();
    texts(folder.path(), b"\xff");
    let url = folder.path().to_str().unwrap();
    let array = OpenOptions::new().open(url).unwrap();
    let error = array.read_long(array.domain()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptData);
    assert!(error.to_string().contains("0.0"), "{error}");
    assert!(!bigarrays::jobs::verify(&array, &Default::default()).unwrap().is_whole());
}

#[test]
fn types_of_elements_that_are_no_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let named = |name: &str, configuration: Value| json!({"name": name, "configuration": configuration});
    let time = |unit: &str, count: u32| json!({"unit": unit, "scale_factor": count});
    let length = |length: u32| json!({"length_bytes": length});
    let empty = || Value::from("");
    for (said, fill, dtype) in [
        (json!("complex64"), json!([0, "NaN"]), Some("complex64")),
        (named("numpy.datetime64", time("ns", 1)), json!("NaT"), Some("datetime64[ns]")),
        (named("numpy.timedelta64", time("μs", 25)), json!(3), Some("timedelta64[25us]")),
        (named("numpy.datetime64", time("generic", 1)), json!(3), Some("datetime64")),
        (named("fixed_length_utf32", length(12)), json!("abc"), Some("U3")),
        (named("null_terminated_bytes", length(3)), json!("YWI="), Some("S3")),
        (named("raw_bytes", length(3)), empty(), Some("V3")),
        (json!("r24"), json!([1, 2, 3]), Some("V3")),
        (json!("string"), empty(), Some("string")),
        (json!("variable_length_bytes"), empty(), Some("bytes")),
        (named("numpy.datetime64", time("parsec", 1)), json!(3), None),
        (named("fixed_length_utf32", length(10)), empty(), None),
        (named("null_terminated_bytes", length(0)), empty(), None),
        (named("struct", json!({"fields": []})), empty(), None),
        (json!("r12"), json!([1]), None),
        (json!("complex256"), json!([0, 0]), None),
        (json!("complex64"), json!("abc"), None),
    ] {
        let array = ["string", "variable_length_bytes"].iter().position(|&name| said == name);
        let codec = array.map_or("bytes", |k| ["vlen-utf8", "vlen-bytes"][k]);
        let document = json!({
            "zarr_format": 3, "node_type": "array", "shape": [2], "data_type": said, "fill_value": fill,
            "chunk_grid": named("regular", json!({"chunk_shape": [2]})),
            "chunk_key_encoding": {"name": "default"},
            "codecs": [named(codec, if array.is_some() { json!({}) } else { json!({"endian": "little"}) })],
        });
        std::fs::write(folder.path().join("zarr.json"), document.to_string()).unwrap();
        let opened = OpenOptions::new().open(folder.path().to_str().unwrap());
        match dtype {
            Some(name) => assert_eq!(opened.unwrap().dtype().name(), name),
            None => {
                let kind = opened.unwrap_err().kind();
                let is_named = matches!(kind, ErrorKind::Unsupported | ErrorKind::InvalidMetadata);
                assert!(is_named, "{said} {kind:?}");
            }
        }
    }
}
