//! Stores behind a network, against real servers on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bigarrays::chunk::codec::ContentEncoding;
use bigarrays::ndarray::{Array2, Array3};
use bigarrays::store::{self, ChangeFn, FileStore, Get, GetSink, Store, StoreOptions, Update, conformance};
use bigarrays::{Coordinates, CreateSpec, DataType, OpenOptions, OutsidePoints, Result};
use testbed::{Access, Faults, Proxy, Server};

use common::servers::{faults, options, place, settings};

fn conforms(access: &Access) {
    let options = options(settings(access));
    conformance::run(&|| store::open(&format!("{}/{}", access.url, place()), &options).unwrap());
}

#[test]
fn s3_conforms() {
    conforms(&Server::moto().unwrap());
}

#[test]
fn another_s3_conforms() {
    conforms(&Server::ministack().unwrap());
}

#[test]
fn gcs_conforms() {
    conforms(&Server::fake_gcs().unwrap());
}

#[test]
fn azure_conforms() {
    conforms(&Server::azurite().unwrap());
}

/// Writes to a directory, and reads it through a web server.
#[derive(Debug)]
struct Published {
    directory: PathBuf,
    url: String,
}

impl Published {
    fn files(&self) -> FileStore {
        FileStore::open(self.directory.clone(), StoreOptions::default()).unwrap()
    }

    fn web(&self) -> Arc<dyn Store> {
        store::open(&self.url, &StoreOptions::default()).unwrap()
    }
}

impl Store for Published {
    fn location(&self, key: &str) -> String {
        self.web().location(key)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        let url = self.web().child(path)?.location("");
        let directory = self.files().child(path)?.location("").into();
        Ok(Arc::new(Self { directory, url }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        self.web().get_many(requests, sink)
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        self.files().update_many(requests, change)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.files().list(prefix, found)
    }
}

fn published(root: &Path, server: &Server, skipped: &[(&str, &str)]) {
    conformance::run_except(skipped, &|| {
        let place = place();
        Arc::new(Published { directory: root.join(&place), url: format!("{}/{place}", server.url) })
    });
}

#[test]
fn web_server_with_ranges_conforms() {
    let root = tempfile::tempdir().unwrap();
    let skipped =
        [("versions", "its ETag is the second of the change and the size: two changes in one are alike")];
    published(root.path(), &Server::nginx(root.path()).unwrap(), &skipped);
}

#[test]
fn web_server_without_ranges_conforms() {
    let root = tempfile::tempdir().unwrap();
    let unencoded = "it serves k.gz only under that name, and never says Content-Encoding";
    let skipped = [("encoded values are sent whole", unencoded), ("the last encoding counts", unencoded)];
    published(root.path(), &Server::plain(root.path()).unwrap(), &skipped);
}

fn conforms_through_faults(server: &Server) {
    let proxy = Proxy::start(server.address(), faults()).unwrap();
    let access = server.via(&proxy);
    let mut settings = settings(&access);
    settings.set("timeout", "2");
    let (url, options) = (access.url, options(settings));
    conformance::run(&|| store::open(&format!("{url}/{}", place()), &options).unwrap());
    let counts = proxy.counts();
    assert!(counts.faults(Some("lost")) > 10 && counts.faults(Some("stall")) > 0, "{counts:?}");
}

#[test]
fn s3_conforms_through_faults() {
    conforms_through_faults(&Server::moto().unwrap());
}

#[test]
fn gcs_conforms_through_faults() {
    conforms_through_faults(&Server::fake_gcs().unwrap());
}

#[test]
fn azure_conforms_through_faults() {
    conforms_through_faults(&Server::azurite().unwrap());
}

/// What viewers and other tools are told of what is written.
#[test]
fn values_say_what_they_are() {
    let server = Server::s3s().unwrap();
    let proxy = Proxy::start(server.address(), Faults::none()).unwrap();
    let access = server.via(&proxy);
    let mut spec = CreateSpec::new(DataType::U8, "0:64,0:64,0:64".parse().unwrap());
    spec.storage.encoding = Some("jpeg".to_owned());
    proxy.record();
    let url = format!("{}/{}", access.url, place());
    let mut settings = settings(&access);
    settings.set("cache_control", "max-age=60");
    let open = OpenOptions::new().settings(settings).content_encoding(ContentEncoding::Gzip);
    let array = open.create(&url, &spec).unwrap();
    array.write(&[0; 3], Array3::from_elem((64, 64, 64), 7u8).view()).unwrap();
    let puts: Vec<_> = proxy.recorded().into_iter().filter(|request| request.method == "PUT").collect();
    let header = |name: &str, of: &str| {
        let put = puts.iter().find(|put| put.target.contains(of)).unwrap();
        put.headers.get(name).cloned().unwrap_or_default()
    };
    assert_eq!(header("content-type", "/info"), "application/json");
    assert_eq!(header("cache-control", "/0-64_0-64_0-64"), "max-age=60");
    assert_eq!(header("content-encoding", "/0-64_0-64_0-64"), "gzip");
    assert_eq!(header("content-encoding", "/info"), "");
    assert_eq!(array.read::<u8>(array.domain()).unwrap().get(&[63; 3]), Some(7));
    assert_eq!(open.like(&url).unwrap().storage.content_encoding, Some(ContentEncoding::Gzip));
}

/// What is at a point of the layers below.
fn value([x, y, z]: [i64; 3]) -> u16 {
    (x * 7 + y * 50 + z * 301) as u16
}

/// Points without an order, some of them there twice.
fn points(count: i64) -> Array2<i64> {
    Array2::from_shape_fn((count as usize, 3), |(k, axis)| {
        let mixed = (k as u64 * 3 + axis as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 40) as i64 % 128 - 20
    })
}

/// Eight shards of eight chunks each: each costs its index and a few requests for what is near, however many points there are.
#[test]
fn a_million_points_of_shards_in_a_bucket_take_few_requests() {
    let server = Server::s3s().unwrap();
    let proxy = Proxy::start(server.address(), Faults::none()).unwrap();
    let access = server.via(&proxy);
    let mut spec = CreateSpec::new(DataType::U16, "0:128,0:128,0:128".parse().unwrap());
    spec.storage.chunk_shape = Some(vec![32; 3]);
    spec.storage.shard_shape = Some(vec![64; 3]);
    spec.storage.encoding = Some("raw".to_owned());
    let open = OpenOptions::new().format("zarr3").settings(settings(&access));
    let array = open.create(&*format!("{}/{}", access.url, place()), &spec).unwrap();
    let array = array.translate(&[-20; 3]).unwrap();
    let all = Array3::from_shape_fn((128, 128, 128), |(x, y, z)| {
        value([x as i64 - 20, y as i64 - 20, z as i64 - 20])
    });
    array.write(&[-20; 3], all.view()).unwrap();
    let many = points(1_000_000);
    for (wanted, most) in [(&points(100), 8 + 100), (&many, 8 + 8 * 8)] {
        proxy.reset();
        let read: Vec<u16> = array.read_points(wanted.view(), OutsidePoints::Error).unwrap();
        let expected = wanted.rows().into_iter().map(|point| value([point[0], point[1], point[2]]));
        assert!(read.into_iter().eq(expected));
        let counts = proxy.counts();
        assert!(counts.requests <= most, "{} points: {counts:?}", wanted.nrows());
        assert!(counts.bytes_down < 2 * 128 * 128 * 128 * 5 / 4, "{counts:?}");
    }
    proxy.reset();
    let listed: Vec<i64> = (0..128).map(|k| (k * 37) % 128 - 20).collect();
    let axes = [Coordinates::At(&listed), Coordinates::At(&[-20, 107, -20]), Coordinates::All];
    let read = array.read_outer::<u16>(&axes, OutsidePoints::Error).unwrap();
    assert_eq!(
        (read[[1, 2, 127]], read[[127, 1, 0]]),
        (value([17, -20, 107]), value([listed[127], 107, -20]))
    );
    assert!(proxy.counts().requests <= 8 + 8 * 8, "{:?}", proxy.counts());
    // Each shard is written once, in whatever order points are.
    proxy.reset();
    let values: Vec<u16> = (0..many.nrows()).map(|k| k as u16).collect();
    array.write_points(many.view(), &values).unwrap();
    assert_eq!(proxy.counts().method("PUT"), 8, "{:?}", proxy.counts());
    let last: std::collections::HashMap<_, _> = many.rows().into_iter().zip(&values).collect();
    let read: Vec<u16> = array.read_points(many.view(), OutsidePoints::Error).unwrap();
    assert!(many.rows().into_iter().zip(read).all(|(point, value)| *last[&point] == value));
}
