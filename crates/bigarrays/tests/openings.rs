//! Stores that are not of this crate, under every format, and what it takes to open something.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bigarrays::format::{self, CreateSpec, FormatOptions};
use bigarrays::ndarray::Array3;
use bigarrays::store::{self, ChangeFn, Get, GetSink, Store, StoreOptions, Update};
use bigarrays::{Array, CopyOptions, DataType, Domain, ErrorKind, OpenOptions, Result, copy};
use testbed::{Faults, Proxy, Server};

/// A store of one's own over another, which counts how often it is asked.
#[derive(Debug)]
struct Own {
    inner: Arc<dyn Store>,
    rounds: Arc<AtomicU64>,
}

impl Own {
    fn over(inner: Arc<dyn Store>) -> (Arc<dyn Store>, Arc<AtomicU64>) {
        let rounds = Arc::new(AtomicU64::new(0));
        (Arc::new(Self { inner, rounds: Arc::clone(&rounds) }), rounds)
    }
}

impl Store for Own {
    fn location(&self, key: &str) -> String {
        format!("own:{}", self.inner.location(key))
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(Self { inner: self.inner.child(path)?, rounds: Arc::clone(&self.rounds) }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        self.rounds.fetch_add(1, Ordering::Relaxed);
        self.inner.get_many(requests, sink)
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        self.inner.update_many(requests, change)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.inner.list(prefix, found)
    }
}

fn spec() -> CreateSpec {
    let mut spec = CreateSpec::new(DataType::U16, Domain::from_shape(&[8, 9, 10]).unwrap());
    spec.storage.chunk_shape = Some(vec![4, 4, 4]);
    spec
}

fn elements() -> Array3<u16> {
    Array3::from_shape_fn((8, 9, 10), |(x, y, z)| (100 * x + 10 * y + z) as u16 + 1)
}

/// Creates an array of each format in `store`, at the path of the format's name, and fills it.
fn create_all(store: &Arc<dyn Store>) -> Vec<&'static str> {
    let names: Vec<&str> = format::creators().map(|format| format.name()).collect();
    for format in format::creators() {
        let mut spec = spec();
        spec.storage.key = format.holds().first_key.map(str::to_owned);
        let array = OpenOptions::new().format(format.name()).create((store, format.name()), &spec).unwrap();
        array.write(&[0, 0, 0], elements().view()).unwrap();
    }
    names
}

#[test]
fn a_store_of_ones_own_holds_arrays_of_every_format() {
    let (store, _) = Own::over(store::open("memory://own", &StoreOptions::default()).unwrap());
    let names = create_all(&store);
    assert_eq!(names.len(), 6, "{names:?}");
    for from in &names {
        let source = OpenOptions::new().open((&store, *from)).unwrap();
        assert_eq!(source.format(), *from);
        assert!(source.url().starts_with("own:memory://own/"), "{}", source.url());
        assert_eq!(source.read::<u16>(source.domain()).unwrap().data(), elements().into_dyn());
        for to in &names {
            let path = format!("copies/{from}-{to}");
            let options = OpenOptions::new().format(*to);
            let target = options.create((&store, &path), &spec()).unwrap();
            copy(&source, &target, CopyOptions::default()).unwrap();
            let again = Array::open((&store, &path)).unwrap();
            assert_eq!(again.read::<u16>(again.domain()).unwrap().data(), elements().into_dyn(), "{path}");
        }
        format::remove((&store, *from), None, &FormatOptions::default()).unwrap();
        assert_eq!(Array::open((&store, *from)).unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn groups_and_attributes_are_found_in_a_store_of_ones_own() {
    let (store, _) = Own::over(store::open("memory://own-groups", &StoreOptions::default()).unwrap());
    for name in ["zarr3", "zarr2", "n5"] {
        let options = FormatOptions { format: Some(name.to_owned()), ..FormatOptions::default() };
        let attributes = [("mine".to_owned(), 1.into())].into_iter().collect();
        format::create_group((&store, name), &attributes, &options).unwrap();
        let path = format!("{name}/a/b");
        OpenOptions::new().format(name).create((&store, &path), &spec()).unwrap();
        let any = FormatOptions::default();
        let nodes = format::list((&store, name), &any).unwrap();
        assert!(nodes.iter().any(|node| node.is_array && node.path == "a/b"), "{nodes:?}");
        assert_eq!(format::attributes((&store, name), &any).unwrap(), attributes);
        OpenOptions::new().resize((&store, &path), &[5, 9, 10]).unwrap();
        assert_eq!(Array::open((&store, &path)).unwrap().shape(), [5, 9, 10]);
    }
}

/// The most rounds of requests that opening something of a format may take.
fn most_rounds(format: &str) -> u64 {
    // Images have scales, each with documents of its own.
    if format.starts_with("ome") || format == "n5" { 3 } else { 2 }
}

/// Opens everything in `folder` through a web server, which answers 403 for what is missing if it `hides` it.
fn openings(folder: &Path, names: &[&str], hides: bool) {
    let server = Server::nginx(folder).unwrap();
    let faults = if hides { Faults::none().hide_missing() } else { Faults::none() };
    let proxy = Proxy::start(server.address(), faults).unwrap();
    let web = store::open(&server.via(&proxy).url, &StoreOptions::default()).unwrap();
    let (store, rounds) = Own::over(web);
    for name in names {
        proxy.reset();
        rounds.store(0, Ordering::Relaxed);
        let array = Array::open((&store, *name)).unwrap();
        let (rounds, requests) = (rounds.load(Ordering::Relaxed), proxy.counts().requests);
        assert_eq!(array.format(), *name);
        assert!(rounds <= most_rounds(name), "{name}: {rounds} rounds");
        assert!(requests <= 8 + 8 * (rounds - 1), "{name}: {requests} requests");
        assert_eq!(array.read::<u16>(array.domain()).unwrap().data(), elements().into_dyn());
    }
    proxy.reset();
    rounds.store(0, Ordering::Relaxed);
    let error = Array::open((&store, "nothing")).unwrap_err();
    assert!(rounds.load(Ordering::Relaxed) <= 2, "nothing: {rounds:?} rounds");
    let expected = if hides { ErrorKind::PermissionDenied } else { ErrorKind::NotFound };
    assert_eq!(error.kind(), expected, "{error}");
    if hides {
        let text = error.to_string();
        assert!(text.contains("refuses") && text.contains("zarr.json") && text.contains("403"), "{text}");
    }
}

#[test]
fn opening_takes_two_rounds_of_requests_and_three_for_images() {
    let folder = tempfile::tempdir().unwrap();
    let files = store::open(folder.path().to_str().unwrap(), &StoreOptions::default()).unwrap();
    let names = create_all(&files);
    openings(folder.path(), &names, false);
    openings(folder.path(), &names, true);
}

#[test]
fn attributes_that_are_refused_are_noted() {
    let folder = tempfile::tempdir().unwrap();
    let files = store::open(folder.path().to_str().unwrap(), &StoreOptions::default()).unwrap();
    OpenOptions::new().format("zarr2").create((&files, "a"), &spec()).unwrap();
    let server = Server::nginx(folder.path()).unwrap();
    let proxy = Proxy::start(server.address(), Faults::none().hide_missing()).unwrap();
    let array = Array::open(&format!("{}/a", server.via(&proxy).url)).unwrap();
    assert!(array.notes().iter().any(|note| note.contains(".zattrs")), "{:?}", array.notes());
    let array = Array::open(&format!("{}/a", server.url)).unwrap();
    assert_eq!(array.notes(), &[] as &[String]);
}

#[test]
fn a_url_may_name_the_format_before_it_or_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for (before, behind, name) in [
        ("precomputed", "neuroglancer-precomputed", "precomputed"),
        ("zarr", "zarr3", "zarr3"),
        ("n5", "n5", "n5"),
    ] {
        let made = format!("{before}://{path}/{name}/a");
        OpenOptions::new().create(&made, &spec()).unwrap();
        for url in [made, format!("{path}/{name}/a|{behind}:"), format!("file://{path}/{name}|{behind}:a/")] {
            assert_eq!(Array::open(&url).unwrap().format(), name, "{url}");
            assert!(format::identity(&url, &FormatOptions::default()).unwrap().is_some(), "{url}");
        }
        let other = format!("{path}/{name}/a|zarr2:");
        assert_eq!(Array::open(&other).unwrap_err().kind(), ErrorKind::NotFound);
        let error = OpenOptions::new().format("zarr2").open(&format!("n5://{path}/{name}/a")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        format::remove(&format!("{path}/{name}/a|{behind}:"), None, &FormatOptions::default()).unwrap();
    }
}
