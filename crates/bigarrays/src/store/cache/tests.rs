use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::base::error::Error;
use crate::store::cache::options::origin;
use crate::store::fault::{FaultStore, Operation};
use crate::store::{
    Change, Extent, FileStore, Get, MemoryStore, Part, Settings, Store, StoreOptions, Update, Wanted,
    conformance,
};

const ALL: [Validate; 3] = [Validate::Always, Validate::Open, Validate::Never];

/// A cache of its own: equal options would share one.
fn options(directory: Option<&Path>, validate: Validate) -> CacheOptions {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let memory_bytes = (64 << 20) + COUNT.fetch_add(1, Ordering::Relaxed) as u64;
    let directory = directory.map(Path::to_owned);
    CacheOptions { directory, memory_bytes, disk_bytes: 64 << 20, validate }
}

fn cached(inner: Arc<dyn Store>, options: &CacheOptions) -> Arc<dyn Store> {
    Arc::new(CachedStore::new(inner, &Settings::new(), options).unwrap())
}

/// A counted store, and what it is over.
fn counted() -> (Arc<dyn Store>, FaultStore) {
    let plain: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let counted = FaultStore::new(Arc::clone(&plain), |_| None);
    (plain, counted)
}

#[test]
fn it_is_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let places = AtomicUsize::new(0);
    for validate in ALL {
        for directory in [None, Some(directory.path())] {
            // Places of equal names come after each other, and have nothing in common.
            conformance::run(&|| cached(Arc::new(MemoryStore::new()), &options(None, validate)));
            conformance::run(&|| {
                let place = tempfile::tempdir().unwrap().keep();
                places.fetch_add(1, Ordering::Relaxed);
                let files = FileStore::open(place, StoreOptions::default()).unwrap();
                cached(Arc::new(files), &options(directory, validate))
            });
        }
    }
}

#[test]
fn what_was_read_is_not_fetched_again() {
    let directory = tempfile::tempdir().unwrap();
    for (validate, directory) in ALL.into_iter().flat_map(|v| [(v, None), (v, Some(directory.path()))]) {
        let (plain, counted) = counted();
        let place = format!("{validate:?}{}", directory.is_some());
        let options = options(directory, validate);
        let store = cached(counted.child(&place).unwrap(), &options);
        let plain = plain.child(&place).unwrap();
        plain.write("k", b"one").unwrap();
        assert_eq!(store.read("k").unwrap().unwrap(), b"one");
        let before = counted.count(Operation::Get);
        (0..5).for_each(|_| assert_eq!(store.read("k").unwrap().unwrap(), b"one"));
        let asked = counted.count(Operation::Get) - before;
        assert_eq!(asked, if validate == Validate::Always { 5 } else { 0 });
        plain.write("k", b"two").unwrap();
        let expected: &[u8] = if validate == Validate::Always { b"two" } else { b"one" };
        assert_eq!(store.read("k").unwrap().unwrap(), expected);
        // Another opening of the same cache.
        let opened = cached(plain.clone(), &options);
        let expected: &[u8] = if validate == Validate::Never { b"one" } else { b"two" };
        assert_eq!(opened.read("k").unwrap().unwrap(), expected);
        store.write("k", b"six").unwrap();
        assert_eq!(store.read("k").unwrap().unwrap(), b"six");
        store.delete("k").unwrap();
        assert_eq!(opened.read("k").unwrap(), None);
        plain.write("k", b"new").unwrap();
        assert_eq!(store.read("k").unwrap().unwrap(), b"new", "missing values are not kept");
    }
}

#[test]
fn parts_come_from_the_whole_value() {
    let (plain, counted) = counted();
    let store = cached(Arc::new(counted.clone()), &options(None, Validate::Never));
    let bytes: Vec<u8> = (0..=255).collect();
    plain.write("k", &bytes).unwrap();
    for start in 0..100 {
        let part = Part::Ranges { ranges: vec![start..start + 1, 200..203], total: Some(256) };
        let request = Get { version: Wanted::Named, ..Get::new("k", part, 256) };
        store
            .get_many(&[request], &|_, blob| {
                let blob = blob.unwrap();
                assert_eq!((blob.extent, blob.bytes), (Extent::Parts, &[start as u8, 200, 201, 202][..]));
                assert!(blob.version.is_some());
                Ok(())
            })
            .unwrap();
    }
    assert_eq!(counted.count(Operation::Get), 1);
}

#[test]
fn a_value_that_cannot_be_used_is_not_kept() {
    let (plain, counted) = counted();
    let store = cached(Arc::new(counted), &options(None, Validate::Never));
    plain.write("k", b"damaged").unwrap();
    let read = |fails: bool| {
        store.get_many(&[Get::new("k", Part::Whole, 100)], &|_, blob| {
            if fails || blob.unwrap().bytes == b"damaged" { Err(Error::corrupt("damaged")) } else { Ok(()) }
        })
    };
    assert!(read(false).is_err());
    plain.write("k", b"good").unwrap();
    read(false).unwrap();
    assert!(read(true).is_err());
    plain.write("k", b"damaged").unwrap();
    assert!(read(false).is_err(), "kept what its reader refused");
}

/// Whoever writes through a cache sees what was written, whatever readers fetch meanwhile.
#[test]
fn own_writes_are_read() {
    let directory = tempfile::tempdir().unwrap();
    for validate in ALL {
        let store = cached(Arc::new(MemoryStore::new()), &options(Some(directory.path()), validate));
        let store = store.child(&format!("{validate:?}")).unwrap();
        let key = |k: usize| format!("{}", k % 3);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..300).for_each(|k| drop(store.read(&key(k)).unwrap())));
            }
            for writer in 0..3 {
                let (store, key) = (&store, key(writer));
                scope.spawn(move || {
                    for k in 0..100usize {
                        store.write(&key, &k.to_le_bytes()).unwrap();
                        assert_eq!(store.read(&key).unwrap().unwrap(), k.to_le_bytes(), "{validate:?}");
                    }
                });
            }
        });
    }
}

/// Two caches over one directory, as two processes have them, with little room: values are right, and
/// the bound holds.
#[test]
fn a_directory_is_shared() {
    let directory = tempfile::tempdir().unwrap();
    let plain: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let most = 1 << 20;
    let value = |k: usize| vec![k as u8; 1000 + 100 * k];
    for k in 0..200 {
        plain.write(&format!("{k}"), &value(k)).unwrap();
    }
    std::thread::scope(|scope| {
        for process in 0..4u64 {
            let (plain, directory) = (Arc::clone(&plain), directory.path());
            scope.spawn(move || {
                let options = CacheOptions {
                    directory: Some(directory.into()),
                    memory_bytes: process,
                    disk_bytes: most,
                    validate: ALL[process as usize % 3],
                };
                let store = cached(plain, &options);
                for round in 0..600 {
                    let k = (round * 7 + 31 * process as usize) % 200;
                    let mut requests = Vec::new();
                    requests
                        .extend((k..200.min(k + 5)).map(|k| Get::new(format!("{k}"), Part::Whole, 1 << 20)));
                    store
                        .get_many(&requests, &|index, blob| {
                            assert!(blob.unwrap().bytes == value(k + index));
                            Ok(())
                        })
                        .unwrap();
                }
            });
        }
    });
    let used = usage(directory.path()).unwrap();
    // No more than an eighth is evicted at once, and no file takes more than 24 KiB.
    assert!(used.bytes <= most && used.values > 30, "{used:?}");
}

#[test]
fn damaged_files_are_fetched_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (plain, counted) = counted();
    plain.write("k", &[7; 5000]).unwrap();
    for (k, validate) in ALL.into_iter().enumerate() {
        let read = || {
            // Without memory, so that each read is one of the file.
            let options =
                CacheOptions { memory_bytes: k as u64, ..options(Some(directory.path()), validate) };
            assert_eq!(cached(Arc::new(counted.clone()), &options).read("k").unwrap().unwrap(), [7; 5000]);
        };
        read();
        let folder =
            std::fs::read_dir(directory.path()).unwrap().find(|e| e.as_ref().unwrap().path().is_dir());
        let file =
            std::fs::read_dir(folder.unwrap().unwrap().path()).unwrap().next().unwrap().unwrap().path();
        for at in [4, 20, 35, 100, 3000] {
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[at] ^= 4;
            std::fs::write(&file, bytes).unwrap();
            read();
            std::fs::File::options().write(true).open(&file).unwrap().set_len(at as u64).unwrap();
            read();
        }
    }
}

/// Another process fetched the value before it was written here, and keeps it after that.
#[test]
fn what_others_put_back_is_validated() {
    let directory = tempfile::tempdir().unwrap();
    for validate in ALL {
        let plain: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let place = plain.child(&format!("{validate:?}")).unwrap();
        let [one, other] =
            [(); 2].map(|()| cached(Arc::clone(&place), &options(Some(directory.path()), validate)));
        place.write("k", b"old").unwrap();
        assert_eq!(one.read("k").unwrap().unwrap(), b"old");
        let fetch = Get::new("k", Part::Whole, 100);
        other.get_many(&[fetch], &|_, _| one.write("k", b"new")).unwrap();
        assert_eq!(one.read("k").unwrap().unwrap(), b"new", "{validate:?}");
    }
}

#[test]
fn servers_are_told_apart_but_not_told() {
    let settings = |pairs: &[(&str, &str)]| Settings::from_iter(pairs.iter().copied());
    let one = origin(&settings(&[("endpoint", "http://a"), ("timeout", "3"), ("secret_access_key", "hush")]));
    assert_eq!(one, origin(&settings(&[("endpoint", "http://a")])));
    assert_ne!(one, origin(&settings(&[("endpoint", "http://b")])));
    assert!(!one.contains("http") && !one.contains("hush"));
}

#[test]
fn a_change_that_keeps_is_harmless() {
    let store = cached(Arc::new(MemoryStore::new()), &options(None, Validate::Never));
    store.write("k", b"1").unwrap();
    assert_eq!(store.read("k").unwrap().unwrap(), b"1");
    let request = Update { key: "k".into(), reads: true, max_len: 10 };
    store
        .update_many(&[request], &|_, old, _| Ok(if old.is_some() { Change::Keep } else { Change::Delete }))
        .unwrap();
    assert_eq!(store.read("k").unwrap().unwrap(), b"1");
}
