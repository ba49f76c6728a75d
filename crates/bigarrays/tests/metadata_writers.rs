//! Many processes that change metadata of the same arrays, groups and layers at once: what was reported as done is
//! there, and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;

use bigarrays::format::{self, CreateSpec, FormatOptions, ScaleSelector};
use bigarrays::store::{Settings, StoreOptions};
use bigarrays::{DataType, Domain, OpenOptions};
use serde_json::{Map, Value, json};
use testbed::Server;

use common::servers::{place, settings};
use common::writers::{self, Layer, WRITERS};

const GROUPS: [&str; 3] = ["zarr3", "zarr2", "n5"];
const LAYERS: [&str; 3] = ["precomputed", "ome-zarr", "ome-zarr-0.4"];

fn options(layer: &Layer, format: Option<&str>) -> FormatOptions {
    let store = StoreOptions { settings: layer.settings.clone(), ..StoreOptions::default() };
    FormatOptions { format: format.map(str::to_owned), store, ..FormatOptions::default() }
}

fn spec(ndim: usize, resolution: f64, key: Option<String>) -> CreateSpec {
    let mut spec = CreateSpec::new(DataType::U8, Domain::from_shape(&vec![8; ndim]).unwrap());
    spec.array.resolution = (ndim == 3).then(|| vec![resolution; 3]);
    (spec.storage.chunk_shape, spec.storage.key) = (Some(vec![4; ndim]), key);
    spec
}

fn array(layer: &Layer, format: &str) -> OpenOptions {
    layer.options().format(format)
}

fn attribute(number: u32, round: u32) -> Map<String, Value> {
    [(format!("w{number}-{round}"), json!([number, round]))].into_iter().collect()
}

/// What is there before anybody changes it: a group with an array in each format that has groups, with consolidated
/// metadata in Zarr, and an image in each that has scales.
fn prepare(layer: &Layer) {
    for format in GROUPS {
        let url = format!("{}/{format}", layer.url);
        let settings = options(layer, Some(format));
        format::create_group(&url, &Map::new(), &settings).unwrap();
        array(layer, format).create(&format!("{url}/shared"), &spec(2, 1.0, None)).unwrap();
        let store = bigarrays::store::open(&url, &settings.store).unwrap();
        let copy = |key: &str| -> Value {
            serde_json::from_slice(&store.read_metadata(key).unwrap().unwrap()).unwrap()
        };
        if format == "zarr3" {
            let mut group = copy("zarr.json");
            let copies = json!({"shared": copy("shared/zarr.json")});
            group["consolidated_metadata"] =
                json!({"kind": "inline", "must_understand": false, "metadata": copies});
            store.write("zarr.json", group.to_string().as_bytes()).unwrap();
        }
        if format == "zarr2" {
            let copies = json!({".zgroup": copy(".zgroup"), "shared/.zarray": copy("shared/.zarray")});
            let copies = json!({"zarr_consolidated_format": 1, "metadata": copies});
            store.write(".zmetadata", copies.to_string().as_bytes()).unwrap();
        }
    }
    for format in LAYERS {
        let first = spec(3, 1.0, Some("first".to_owned()));
        array(layer, format).create(&format!("{}/{format}", layer.url), &first).unwrap();
    }
    let first = spec(3, 1.0, Some("s0".to_owned()));
    array(layer, "n5").create(&format!("{}/n5-image", layer.url), &first).unwrap();
}

/// The role of one of many: every change that there is, in every format.
#[test]
fn change_metadata() {
    let Some((layer, number)) = writers::role() else { return };
    for round in 0..layer.rounds {
        GROUPS.iter().for_each(|format| change_group(&layer, format, number, round));
        LAYERS.iter().for_each(|format| change_layer(&layer, format, number, round));
        let url = format!("{}/n5-image", layer.url);
        let resolution = f64::from(2 + number + WRITERS * round);
        layer.options().add_scale(&url, &spec(3, resolution, None)).unwrap();
        format::update_attributes(&url, &attribute(number, round), &options(&layer, None)).unwrap();
    }
}

fn change_group(layer: &Layer, format: &str, number: u32, round: u32) {
    let url = format!("{}/{format}", layer.url);
    let settings = options(layer, Some(format));
    let own = format!("{url}/g{number}-{round}");
    format::create_group(&own, &attribute(number, round), &settings).unwrap();
    for name in ["kept", "gone"] {
        array(layer, format).create(&format!("{own}/{name}"), &spec(2, 1.0, None)).unwrap();
    }
    for changed in ["", "/shared"] {
        let url = format!("{url}{changed}");
        format::update_attributes(&url, &attribute(number, round), &options(layer, None)).unwrap();
    }
    let shape = [u64::from(8 + number), u64::from(8 + round)];
    layer.options().resize(&format!("{url}/shared"), &shape).unwrap();
    format::remove(&format!("{own}/gone"), None, &options(layer, None)).unwrap();
}

fn change_layer(layer: &Layer, format: &str, number: u32, round: u32) {
    let url = format!("{}/{format}", layer.url);
    let resolution = f64::from(2 + number + WRITERS * round);
    for name in ["kept", "gone"] {
        let key = Some(format!("{name}{number}-{round}"));
        layer.options().add_scale(&url, &spec(3, resolution, key)).unwrap();
    }
    let gone = ScaleSelector::Key(format!("gone{number}-{round}"));
    format::remove(&url, Some(&gone), &options(layer, None)).unwrap();
    if format != "precomputed" {
        layer.options().add_scale(&url, &spec(3, resolution, None)).unwrap();
        format::update_attributes(&url, &attribute(number, round), &options(layer, None)).unwrap();
    }
}

fn names(layer: &Layer, name: impl Fn(u32, u32) -> String) -> BTreeSet<String> {
    (0..WRITERS)
        .flat_map(|number| (0..layer.rounds).map(move |round| (number, round)))
        .map(|(n, r)| name(n, r))
        .collect()
}

fn assert_attributes(layer: &Layer, url: &str) {
    let found = format::attributes(url, &options(layer, None)).unwrap();
    for (number, round) in (0..WRITERS).flat_map(|number| (0..layer.rounds).map(move |round| (number, round)))
    {
        let (name, value) = attribute(number, round).into_iter().next().unwrap();
        assert_eq!(found.get(&name), Some(&value), "{url}");
    }
}

fn assert_group(layer: &Layer, format: &str) {
    let url = format!("{}/{format}", layer.url);
    let listed = format::list(&url, &options(layer, None)).unwrap();
    let listed: BTreeSet<String> = listed.into_iter().map(|node| node.path).collect();
    let mut expected = names(layer, |n, r| format!("g{n}-{r}"));
    expected.extend(names(layer, |n, r| format!("g{n}-{r}/kept")));
    expected.insert("shared".to_owned());
    assert_eq!(listed, expected, "{format}");
    assert_attributes(layer, &url);
    assert_attributes(layer, &format!("{url}/shared"));
    let shape = layer.options().open(&format!("{url}/shared")).unwrap().shape().to_vec();
    assert!((8..16).contains(&shape[0]) && shape[1] == u64::from(7 + layer.rounds), "{format}: {shape:?}");
    let store = bigarrays::store::open(&url, &options(layer, None).store).unwrap();
    let (holder, member) = match format {
        "zarr3" => ("zarr.json", "/consolidated_metadata/metadata/shared"),
        "zarr2" => (".zmetadata", "/metadata/shared~1.zarray"),
        _ => return,
    };
    let read =
        |key: &str| -> Value { serde_json::from_slice(&store.read_metadata(key).unwrap().unwrap()).unwrap() };
    let own = read(if format == "zarr3" { "shared/zarr.json" } else { "shared/.zarray" });
    assert_eq!(read(holder).pointer(member), Some(&own), "{format}");
}

fn assert_layer(layer: &Layer, format: &str) {
    let url = format!("{}/{format}", layer.url);
    let scales = layer.options().open(&url).unwrap().scales().to_vec();
    let mut keys: BTreeSet<String> = scales.iter().map(|scale| scale.key.clone()).collect();
    assert_eq!(keys.len(), scales.len(), "{format}: a key stands twice");
    let is_numbered = |key: &String| key.bytes().all(|byte| byte.is_ascii_digit());
    let numbered = keys.iter().filter(|key| is_numbered(key)).count() as u32;
    keys.retain(|key| !is_numbered(key));
    let mut expected = names(layer, |n, r| format!("kept{n}-{r}"));
    expected.insert("first".to_owned());
    assert_eq!(keys, expected, "{format}");
    assert!(scales.is_sorted_by(|a, b| a.resolution.size[0] <= b.resolution.size[0]), "{format}");
    if format != "precomputed" {
        assert_eq!(numbered, WRITERS * layer.rounds, "{format}");
        assert_attributes(layer, &url);
    }
}

fn assert_image_of_n5(layer: &Layer) {
    let url = format!("{}/n5-image", layer.url);
    let scales = layer.options().open(&url).unwrap().scales().to_vec();
    let factors: BTreeSet<u64> = scales.iter().map(|scale| scale.resolution.size[0] as u64).collect();
    let expected = 1..2 + u64::from(WRITERS * layer.rounds);
    assert_eq!(factors, expected.collect(), "the scales of N5");
    let listed = format::attributes(&url, &options(layer, None)).unwrap();
    let sizes: Vec<Value> =
        scales.iter().map(|scale| json!(vec![scale.resolution.size[0] as u64; 3])).collect();
    assert_eq!(listed["scales"], Value::Array(sizes));
    assert_attributes(layer, &url);
}

fn nothing_is_lost(layer: &Layer) {
    prepare(layer);
    layer.written_by_all("change_metadata");
    GROUPS.iter().for_each(|format| assert_group(layer, format));
    LAYERS.iter().for_each(|format| assert_layer(layer, format));
    assert_image_of_n5(layer);
}

#[test]
fn eight_processes_changing_metadata_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_str().unwrap().to_owned();
    nothing_is_lost(&Layer { url, settings: Settings::new(), rounds: 3 });
}

#[test]
fn eight_processes_changing_metadata_in_a_bucket_lose_nothing() {
    let server = Server::s3s().unwrap();
    nothing_is_lost(&Layer {
        url: format!("{}/{}", server.url, place()),
        settings: settings(&server),
        rounds: 1,
    });
}
