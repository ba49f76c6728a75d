//! Whatever a new array is asked to be, or like, in whatever format: the array keeps it, or creating says that it does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bigarrays::chunk::codec::ContentEncoding;
use bigarrays::chunk::curve::ChunkOrder;
use bigarrays::format::{self, AxisSpec, BUILTIN, Create, NewSharding};
use bigarrays::{Array, ArraySpec, CreateSpec, DataType, Domain, Index, OpenOptions, Result, StorageSpec};
use serde_json::json;
use tempfile::TempDir;

/// An option: how a spec is given it, and whether an array has it, of which the second argument is what an array like
/// it would be.
struct Case {
    name: &'static str,
    give: fn(&mut CreateSpec),
    is_kept: fn(&Array, &CreateSpec) -> bool,
    /// Whether a copy that does not keep it says so: how elements are stored changes nothing of what they are.
    is_of_array: bool,
}

const fn array(
    name: &'static str,
    give: fn(&mut CreateSpec),
    is_kept: fn(&Array, &CreateSpec) -> bool,
) -> Case {
    Case { name, give, is_kept, is_of_array: true }
}

const fn storage(
    name: &'static str,
    give: fn(&mut CreateSpec),
    is_kept: fn(&Array, &CreateSpec) -> bool,
) -> Case {
    Case { name, give, is_kept, is_of_array: false }
}

fn names(names: [Option<&str>; 3]) -> Option<Vec<Option<String>>> {
    Some(names.map(|name| name.map(str::to_owned)).to_vec())
}

fn blosc() -> serde_json::Value {
    json!([{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "blosc", "configuration": {
        "cname": "lz4", "clevel": 7, "shuffle": "shuffle", "typesize": 4, "blocksize": 0}}])
}

const OF_ARRAY: [Case; 14] = [
    array(
        "domain",
        |spec| spec.array.domain = "-5:3,0:8,7:15".parse().unwrap(),
        |array, like| {
            array.domain().origin() == [-5, 0, 7] || like.array.origin.as_deref() == Some(&[-5, 0, 7])
        },
    ),
    array(
        "origin",
        |spec| spec.array.origin = Some(vec![-5, 0, 7]),
        |array, like| {
            array.domain().origin() == [-5, 0, 7] || like.array.origin.as_deref() == Some(&[-5, 0, 7])
        },
    ),
    array(
        "dimension_names",
        |spec| spec.array.dimension_names = names([Some("z"), Some("y"), Some("x")]),
        |array, _| Some(array.layout().dimension_names.to_vec()) == names([Some("z"), Some("y"), Some("x")]),
    ),
    array(
        "dimension_names, not all",
        |spec| spec.array.dimension_names = names([None, Some("y"), Some("x")]),
        |array, _| Some(array.layout().dimension_names.to_vec()) == names([None, Some("y"), Some("x")]),
    ),
    array(
        "axes",
        |spec| {
            let axis = |(name, kind, unit, scale): (&str, &str, &str, f64)| AxisSpec {
                name: name.to_owned(),
                kind: Some(kind.to_owned()),
                unit: Some(unit.to_owned()),
                scale,
                offset: 0.0,
            };
            let axes = [
                ("t", "time", "second", 0.5),
                ("y", "space", "micrometer", 2.0),
                ("x", "space", "micrometer", 2.0),
            ];
            spec.array.axes = Some(axes.map(axis).to_vec());
            spec.array.dimension_names = names([Some("t"), Some("y"), Some("x")]);
        },
        |_, like| {
            like.array
                .axes
                .iter()
                .flatten()
                .any(|axis| axis.unit.as_deref() == Some("second") && axis.scale == 0.5)
        },
    ),
    array(
        "resolution",
        |spec| spec.array.resolution = Some(vec![4.0, 5.0, 40.0]),
        |array, _| array.resolution().is_some_and(|known| known.size[..] == [4.0, 5.0, 40.0]),
    ),
    array(
        "resolution, of other axes",
        |spec| spec.array.resolution = Some(vec![4.0, 5.0]),
        |array, _| array.resolution().is_some_and(|known| known.size[1..] == [4.0, 5.0]),
    ),
    array(
        "unit",
        |spec| (spec.array.resolution, spec.array.unit) = (Some(vec![4.0, 5.0, 0.5]), Some("s".to_owned())),
        |array, _| {
            let known = array.resolution();
            known.is_some_and(|known| known.size[..] == [4.0, 5.0, 0.5] && known.unit == "s")
        },
    ),
    array(
        "unit, none",
        |spec| (spec.array.resolution, spec.array.unit) = (Some(vec![4.0, 5.0, 0.5]), Some(String::new())),
        |array, _| {
            let known = array.resolution();
            known.is_some_and(|known| known.size[..] == [4.0, 5.0, 0.5] && known.unit.is_empty())
        },
    ),
    array("unit, of no resolution", |spec| spec.array.unit = Some("s".to_owned()), |_, _| false),
    array("labels", |spec| spec.array.labels = Some(true), |_, like| like.array.labels == Some(true)),
    array(
        "fill_value",
        |spec| spec.array.fill_value = Some(json!(7)),
        |array, _| array.get::<u32>(array.domain().origin()).unwrap() == 7,
    ),
    array(
        "attributes",
        |spec| spec.array.attributes = Some([("mine".to_owned(), json!(1))].into_iter().collect()),
        |_, like| like.array.attributes.as_ref().is_some_and(|all| all.get("mine") == Some(&json!(1))),
    ),
    array(
        "attributes, of a name that a format has for itself",
        |spec| spec.array.attributes = Some([("dimensions".to_owned(), json!([1]))].into_iter().collect()),
        |_, like| {
            like.array.attributes.as_ref().is_some_and(|all| all.get("dimensions") == Some(&json!([1])))
        },
    ),
];

const OF_STORAGE: [Case; 14] = [
    storage(
        "chunk_shape",
        |spec| spec.storage.chunk_shape = Some(vec![3, 4, 5]),
        |array, _| array.layout().grid.chunk_shape() == [3, 4, 5],
    ),
    storage(
        "encoding",
        |spec| spec.storage.encoding = Some("gzip".to_owned()),
        |_, like| like.storage.encoding.as_deref() == Some("gzip"),
    ),
    storage(
        "level",
        |spec| (spec.storage.encoding, spec.storage.level) = (Some("gzip".to_owned()), Some(3)),
        |_, like| like.storage.level == Some(3),
    ),
    storage(
        "level, of no encoding",
        |spec| spec.storage.level = Some(3),
        |_, like| like.storage.level == Some(3),
    ),
    storage(
        "codecs",
        |spec| spec.storage.codecs = Some(blosc()),
        |_, like| {
            like.storage.codecs.as_ref().is_some_and(|codecs| codecs[1]["configuration"]["clevel"] == 7)
        },
    ),
    storage(
        "codecs, and an encoding",
        |spec| (spec.storage.codecs, spec.storage.encoding) = (Some(blosc()), Some("gzip".to_owned())),
        |_, _| false,
    ),
    storage(
        "block_shape",
        |spec| {
            spec.storage.encoding = Some("compressed_segmentation".to_owned());
            spec.storage.block_shape = Some([4, 4, 2]);
        },
        |_, like| like.storage.block_shape == Some([4, 4, 2]),
    ),
    storage(
        "block_shape, of another encoding",
        |spec| spec.storage.block_shape = Some([4, 4, 2]),
        |_, like| like.storage.block_shape == Some([4, 4, 2]),
    ),
    storage(
        "content_encoding",
        |spec| spec.storage.content_encoding = Some(ContentEncoding::Gzip),
        |array, _| array.layout().content_encoding == ContentEncoding::Gzip,
    ),
    storage(
        "sharding",
        |spec| spec.storage.sharding = NewSharding::Auto,
        |array, _| array.layout().sharding.is_some(),
    ),
    storage(
        "sharding, with parameters",
        |spec| spec.storage.sharding = parameters(),
        |_, like| like.storage.sharding == parameters(),
    ),
    storage(
        "shard_shape",
        |spec| (spec.storage.chunk_shape, spec.storage.shard_shape) = (Some(vec![4; 3]), Some(vec![8; 3])),
        |array, _| array.shard_shape().is_some_and(|shape| shape[..] == [8; 3]),
    ),
    storage(
        "shard_order",
        |spec| {
            (spec.storage.sharding, spec.storage.shard_order) =
                (NewSharding::Auto, Some(ChunkOrder::Hilbert));
        },
        |_, like| like.storage.shard_order == Some(ChunkOrder::Hilbert),
    ),
    storage(
        "chunk_keys",
        |spec| spec.storage.chunk_keys = Some("v2/".to_owned()),
        |array, _| array.layout().chunk_key(&[0, 0, 0]) == "0/0/0",
    ),
];

/// A scale key that all formats take which have scales.
const KEY: Case = storage(
    "key",
    |spec| spec.storage.key = Some("s0".to_owned()),
    |array, _| array.scales().first().is_some_and(|scale| scale.key == "s0"),
);

fn parameters() -> NewSharding {
    NewSharding::Neuroglancer(
        "preshift_bits=1,minishard_bits=1,shard_bits=1,data_encoding=gzip".parse().unwrap(),
    )
}

fn cases() -> impl Iterator<Item = Case> {
    OF_ARRAY.into_iter().chain(OF_STORAGE).chain([KEY])
}

fn plain() -> CreateSpec {
    CreateSpec::new(DataType::U32, Domain::from_shape(&[8; 3]).unwrap())
}

/// A new array of a format, and what an array like it would be; found by its metadata, but for what these do not say.
fn made(folder: &TempDir, name: &str, format: &dyn Create, spec: &CreateSpec) -> Result<(Array, CreateSpec)> {
    let url = folder.path().join(name).to_str().unwrap().to_owned();
    let options = OpenOptions::new().format(format.name());
    let encoding = options.create(&url, spec)?.layout().content_encoding;
    let options = options.content_encoding(encoding);
    Ok((options.open(&url).unwrap(), options.like(&url).unwrap()))
}

#[test]
fn what_is_asked_for_is_kept_or_refused() {
    let folder = TempDir::new().unwrap();
    for format in BUILTIN.iter().filter_map(|format| format.creates()) {
        let mut kept = Vec::new();
        for (k, Case { name, give, is_kept, .. }) in cases().enumerate() {
            let mut spec = plain();
            give(&mut spec);
            let file = format!("{}-{k}", format.name());
            match made(&folder, &file, format, &spec) {
                Ok((array, like)) => {
                    assert!(is_kept(&array, &like), "{}: {name} is lost in silence", format.name());
                    kept.push(name);
                }
                Err(error) => {
                    assert_eq!(
                        error.kind(),
                        bigarrays::ErrorKind::InvalidArgument,
                        "{}: {error}",
                        format.name()
                    );
                    assert!(!folder.path().join(file).join("info").exists());
                }
            }
        }
        assert_eq!(kept.contains(&"chunk_shape"), format.holds().chunks, "{}", format.name());
        assert_eq!(kept.contains(&"labels"), format.holds().labels, "{}", format.name());
        assert_eq!(kept.contains(&"key"), format.holds().key, "{}", format.name());
    }
}

#[test]
fn scales_keep_what_they_are_asked_for_or_refuse_it() {
    let folder = TempDir::new().unwrap();
    let mut checked = 0;
    for format in BUILTIN.iter().filter(|format| format.scales().is_some()) {
        for (k, Case { name, give, is_kept, .. }) in OF_ARRAY.into_iter().chain(OF_STORAGE).enumerate() {
            let url = folder.path().join(format!("scales-{}-{k}", format.name()));
            let (url, options) = (url.to_str().unwrap(), OpenOptions::new().format(format.name()));
            let (mut first, mut next) = (plain(), plain());
            first.array.resolution = Some(vec![1.0; 3]);
            first.storage.key = Some("s0".to_owned());
            options.create(url, &first).unwrap();
            next.array.resolution = Some(vec![2.0; 3]);
            give(&mut next);
            match options.add_scale(url, &next) {
                Ok(array) => {
                    let like = options.clone().scale(array.scale()).like(url).unwrap();
                    assert!(is_kept(&array, &like), "{}: {name} is lost in silence", format.name());
                    checked += 1;
                }
                Err(error) => {
                    let kind = bigarrays::ErrorKind::InvalidArgument;
                    assert_eq!(error.kind(), kind, "{}, {name}: {error}", format.name());
                }
            }
        }
    }
    assert!(checked > 20, "only {checked}");
}

#[test]
fn versions_of_zarr_keep_each_others_fill_values() {
    let folder = TempDir::new().unwrap();
    for (from, to) in [("zarr2", "zarr3"), ("zarr3", "zarr2")].map(|(a, b)| (creator(a), creator(b))) {
        let mut spec = plain();
        spec.array.fill_value = Some(json!(7));
        let (_, like) = made(&folder, from.name(), from, &spec).unwrap();
        let (fitted, lost) = format::fit(to, like, from.name());
        assert_eq!(lost, [""; 0]);
        let (array, _) = made(&folder, &format!("{}-fitted", to.name()), to, &fitted).unwrap();
        assert_eq!(array.get::<u32>(&[1, 2, 3]).unwrap(), 7);
    }
}

fn creator(name: &str) -> &'static dyn Create {
    format::creator(name).unwrap()
}

#[test]
fn lists_of_codecs_are_of_formats_that_have_words_for_them() {
    let mut spec = plain();
    let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
    let transpose = json!({"name": "transpose", "configuration": {"order": [1, 0, 2]}});
    spec.storage.codecs = Some(json!([transpose, bytes]));
    let said = |format: &str| {
        let options = OpenOptions::new().format(format);
        options.create(&format!("memory://creating-codecs/{format}"), &spec).unwrap_err().to_string()
    };
    let error = said("n5");
    assert!(error.contains("codecs: n5 has no such list of codecs; formats that have: "), "{error}");
    assert!(error.contains("zarr3") && !error.contains("zarr2"), "{error}");
    assert!(said("zarr2").contains("Zarr 2 has the axes in order, or all reversed"));
}

#[test]
fn arrays_with_channels_are_like_layers_of_channels() {
    let mut spec = CreateSpec::new(DataType::U8, "0:8,0:8,0:8,0:3".parse().unwrap());
    (spec.array.resolution, spec.storage.chunk_shape) = (Some(vec![4.0, 4.0, 40.0]), Some(vec![4; 3]));
    let options = OpenOptions::new();
    options.create("memory://creating-channels/a", &spec).unwrap();
    let like = options.like("memory://creating-channels/a").unwrap();
    let made = |format: &str, like: CreateSpec| {
        let (fitted, lost) = format::fit(creator(format), like, "precomputed");
        assert_eq!(lost, [""; 0], "{format}");
        options.clone().format(format).create(&format!("memory://creating-channels/{format}"), &fitted)
    };
    for format in ["zarr3", "n5", "precomputed"] {
        let array = made(format, like.clone()).unwrap();
        assert_eq!(array.shape(), [8, 8, 8, 3], "{format}");
        let names: Vec<Option<&str>> = array.dimension_names().to_vec();
        assert_eq!(names[..3], [Some("x"), Some("y"), Some("z")], "{format}");
    }
    // Images have channels before space; x is never called c.
    let error = made("ome-zarr", like.clone()).unwrap_err().to_string();
    assert!(error.contains("the axes x,y,z,c are not in the order time, channel, space"), "{error}");
    let turned = options.open("memory://creating-channels/a").unwrap().permute(&[3, 2, 1, 0]).unwrap();
    let array = made("ome-zarr", turned.like(like)).unwrap();
    assert_eq!(
        (array.shape(), &array.resolution().unwrap().size[..]),
        (&[3, 8, 8, 8][..], &[1.0, 40.0, 4.0, 4.0][..])
    );
    assert_eq!(array.dimension_names()[..], [Some("c"), Some("z"), Some("y"), Some("x")]);
}

#[test]
fn what_lies_beside_a_layer_is_noted() {
    let folder = TempDir::new().unwrap();
    let url = folder.path().to_str().unwrap();
    OpenOptions::new().create(url, &plain()).unwrap();
    let file = folder.path().join("info");
    let mut info: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for (name, value) in
        [("mesh", "mesh"), ("skeletons", "bones"), ("segment_properties", "props"), ("note", "")]
    {
        info[name] = value.into();
    }
    std::fs::write(&file, info.to_string()).unwrap();
    let like = OpenOptions::new().like(url).unwrap();
    for to in format::creators() {
        let (_, lost) = format::fit(to, like.clone(), "precomputed");
        let note = format!(
            "{} does not keep what lies beside the layer: mesh, skeletons, segment_properties",
            to.name()
        );
        assert_eq!(lost, [note]);
    }
}

/// What only images say is noted where the new array is none.
#[test]
fn what_an_image_says_of_itself_is_kept_or_noted() {
    let mut spec = plain();
    let ome = json!({
        "omero": {"channels": []}, "image-label": {"colors": [1]},
        "multiscales": [{"name": "cells", "metadata": {"a": 1}, "type": null}],
    });
    spec.array.attributes =
        Some([("ome".to_owned(), ome), ("mine".to_owned(), json!(1))].into_iter().collect());
    spec.array.labels = Some(true);
    let folder = TempDir::new().unwrap();
    for from in ["ome-zarr", "ome-zarr-0.4"] {
        let (_, like) = made(&folder, from, creator(from), &spec).unwrap();
        for to in format::creators() {
            let (_, lost) = format::fit(to, like.clone(), from);
            let is_said = lost.iter().any(|note| {
                note.ends_with(
                    "does not keep what else the array says of itself: omero, image-label, name, metadata",
                )
            });
            assert_eq!(is_said, !to.name().starts_with("ome-zarr"), "{}: {lost:?}", to.name());
        }
    }
}

/// Where axes say sizes without a unit, none is invented.
#[test]
fn sizes_of_axes_without_units_stay_without() {
    let axis = |name: &str| AxisSpec {
        name: name.to_owned(),
        kind: Some("space".to_owned()),
        unit: None,
        scale: 2.0,
        offset: 0.0,
    };
    let mut spec = plain();
    spec.array.dimension_names = names([Some("z"), Some("y"), Some("x")]);
    spec.array.axes = Some(["z", "y", "x"].map(axis).to_vec());
    let folder = TempDir::new().unwrap();
    for from in ["ome-zarr", "ome-zarr-0.4"] {
        let (_, like) = made(&folder, from, creator(from), &spec).unwrap();
        for to in ["ome-zarr", "ome-zarr-0.4", "zarr3", "zarr2"] {
            let (fitted, lost) = format::fit(creator(to), like.clone(), from);
            assert_eq!(lost, [""; 0], "{from} to {to}");
            let (array, _) = made(&folder, &format!("{from}-{to}"), creator(to), &fitted).unwrap();
            let known = array.resolution().unwrap();
            assert_eq!((&known.size[..], known.unit.as_str()), (&[2.0; 3][..], ""), "{from} to {to}");
        }
    }
}

/// A view has its own axes, and so has what is made like it.
#[test]
fn what_is_like_a_view_has_its_axes_sizes_places_and_channels() {
    let mut spec = CreateSpec::new(DataType::U8, "0:2,0:4,-7:9,10:30".parse().unwrap());
    spec.array.dimension_names = Some(["c", "z", "y", "x"].map(|name| Some(name.to_owned())).to_vec());
    spec.array.resolution = Some(vec![40.0, 8.0, 4.0]);
    spec.storage.chunk_shape = Some(vec![1, 2, 3, 4]);
    let channels = json!([{"label": "red"}, {"label": "green"}]);
    let ome = json!({"omero": {"channels": channels}});
    spec.array.attributes = Some([("ome".to_owned(), ome)].into_iter().collect());
    let options = OpenOptions::new().format("ome-zarr");
    let url = "memory://creating-views/image";
    let image = options.create(url, &spec).unwrap();
    let every = |step| Index::Slice { start: None, stop: None, step };
    let view =
        image.slice(&[every(-1), Index::At(3), Index::ALL, every(4)]).unwrap().permute(&[0, 2, 1]).unwrap();
    let like = view.like(options.like(url).unwrap());
    assert_eq!(like.array.domain, *view.domain());
    assert_eq!(like.array.resolution, Some(vec![1.0, 16.0, 8.0]));
    assert_eq!(like.storage.chunk_shape, Some(vec![1, 4, 3]));
    let (fitted, lost) = format::fit(creator("ome-zarr"), like, "ome-zarr");
    assert_eq!(lost, [""; 0]);
    let made = options.create("memory://creating-views/made", &fitted).unwrap();
    assert_eq!(
        (made.shape(), made.resolution(), made.dimension_names()),
        (view.shape(), view.resolution(), view.dimension_names())
    );
    let (new, old) = (made.positions(), view.positions());
    let places = |all: &[Option<bigarrays::chunk::layout::Positions>]| -> Vec<(f64, f64)> {
        all.iter().skip(1).flatten().map(|axis| (axis.start, axis.step)).collect()
    };
    assert_eq!(places(&new), places(&old));
    assert_eq!(new[0].as_ref().unwrap().labels.as_deref(), Some(&["green".to_owned(), "red".to_owned()][..]));

    // Places of arrays that start at zero are divided by the step as coordinates are.
    let plain = OpenOptions::new().format("zarr3");
    let (fitted, _) = format::fit(creator("zarr3"), options.like(url).unwrap(), "ome-zarr");
    let zarr = plain.create("memory://creating-views/zarr", &fitted).unwrap();
    let view = zarr
        .slice(&[Index::ALL, Index::ALL, Index::Slice { start: Some(1), stop: None, step: 2 }, Index::ALL])
        .unwrap();
    let (fitted, _) = format::fit(
        creator("ome-zarr"),
        view.like(plain.like("memory://creating-views/zarr").unwrap()),
        "zarr3",
    );
    assert_eq!(fitted.array.domain.to_string(), "0:2,0:4,-3:5,10:30");
    assert_eq!(fitted.array.resolution, Some(vec![1.0, 40.0, 16.0, 4.0]));
}

#[test]
fn what_another_array_has_is_kept_or_noted() {
    let folder = TempDir::new().unwrap();
    let mut checked = 0;
    for (k, Case { name, give, is_kept, is_of_array }) in cases().enumerate() {
        for from in format::creators() {
            let mut spec = plain();
            give(&mut spec);
            let Ok((_, like)) = made(&folder, &format!("from-{}-{k}", from.name()), from, &spec) else {
                continue;
            };
            for to in format::creators() {
                let (fitted, lost) = format::fit(to, like.clone(), from.name());
                let new =
                    CreateSpec::new(fitted.array.dtype, fitted.array.domain.clone()).or_like(fitted, false);
                let file = format!("{}-{}-{k}", from.name(), to.name());
                let says = || format!("{name} of {} in {}: {lost:?}", from.name(), to.name());
                match made(&folder, &file, to, &new) {
                    Ok((array, like)) => {
                        assert!(is_kept(&array, &like) || !is_of_array || !lost.is_empty(), "{}", says());
                    }
                    // Not for what the format does not have, but for a value that it cannot have.
                    Err(error) => assert!(!error.to_string().contains("has no"), "{}: {error}", says()),
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 200, "only {checked}");
}

#[test]
fn the_error_names_the_option_and_who_has_it() {
    let mut spec = plain();
    spec.array.fill_value = Some(json!(7));
    let error = OpenOptions::new().create("memory://creating-error", &spec).unwrap_err().to_string();
    assert!(error.contains("fill_value: precomputed has no fill value; formats that have: "), "{error}");
    assert!(error.contains("zarr3"), "{error}");
}

/// The tests above have a case for each option: one that is added is missing here.
#[test]
fn every_option_has_a_case() {
    let CreateSpec { array, storage } = plain();
    let ArraySpec {
        dtype: _, // Every format says it.
        domain: _,
        origin: _,
        dimension_names: _,
        axes: _,
        resolution: _,
        unit: _,
        labels: _,
        fill_value: _,
        attributes: _,
        incomplete: _, // It is of no array that is whole: `tests/incomplete.rs`.
        beside: _,     // No array keeps it: `what_lies_beside_a_layer_is_noted`.
    } = array;
    let StorageSpec {
        chunk_shape: _,
        encoding: _,
        level: _,
        block_shape: _,
        codecs: _,
        content_encoding: _,
        sharding: _,
        shard_shape: _,
        shard_order: _,
        chunk_keys: _,
        key: _,
    } = storage;
}
