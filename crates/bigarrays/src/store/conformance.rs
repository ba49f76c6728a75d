//! What every store must do, as a test that any store can run.
//!
//! ```
//! use bigarrays::store::{MemoryStore, conformance};
//! conformance::run(&|| std::sync::Arc::new(MemoryStore::new()));
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::{Blob, Change, Extent, Finding, Get, Part, Store, Update, Wanted};
use crate::base::error::{Error, ErrorKind};
use crate::chunk::codec::ContentEncoding;

type Test = fn(&dyn Store);

/// Every test of this module.
const TESTS: &[(&str, Test)] = &[
    ("missing is not empty", missing_is_not_empty),
    ("ranges", ranges),
    ("encoded values are sent whole", encoded_values_are_sent_whole),
    ("versions", versions),
    ("the last encoding counts", the_last_encoding_counts),
    ("children", children),
    ("changes follow each other", changes_follow_each_other),
    ("changes of one batch follow each other", changes_of_one_batch_follow_each_other),
    ("changes see what they ask for", changes_see_what_they_ask_for),
    ("a failed change changes nothing", a_failed_change_changes_nothing),
    ("values are replaced whole", values_are_replaced_whole),
    ("list", list),
    ("a failed sink ends the batch", a_failed_sink_ends_the_batch),
    ("batches of any size", batches_of_any_size),
    ("odd keys", odd_keys),
    ("impossible keys", impossible_keys),
];

/// Runs all tests, each in an empty and writable store that `make` gives.
///
/// # Panics
/// If the store does not fulfil the contract of [`Store`].
pub fn run(make: &dyn Fn() -> Arc<dyn Store>) {
    run_except(&[], make);
}

/// Runs all tests but some, of which each is named with what the service behind the store does wrong.
///
/// # Panics
/// If the store does not fulfil the rest of the contract of [`Store`]; if there is no such test.
pub fn run_except(skipped: &[(&str, &str)], make: &dyn Fn() -> Arc<dyn Store>) {
    for (skipped, _) in skipped {
        assert!(TESTS.iter().any(|(name, _)| name == skipped), "no test is called `{skipped}`");
    }
    for (name, test) in TESTS {
        if skipped.iter().any(|(skipped, _)| skipped == name) {
            continue;
        }
        let store = make();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&*store)));
        assert!(outcome.is_ok(), "store conformance: `{name}` failed for {store:?}");
    }
}

/// What a sink was given: bytes, encoding, and whether they are whole.
type Got = Option<(Vec<u8>, ContentEncoding, bool)>;

fn get_many(store: &dyn Store, requests: &[Get]) -> Vec<Got> {
    let got = Mutex::new(BTreeMap::new());
    store
        .get_many(requests, &|index, blob| {
            let value = blob.map(|blob| (blob.bytes.to_vec(), blob.encoding, blob.is_whole()));
            assert!(got.lock().unwrap().insert(index, value).is_none(), "one answer for each request");
            Ok(())
        })
        .unwrap();
    let got = got.into_inner().unwrap();
    assert!(got.keys().copied().eq(0..requests.len()), "an answer for each request");
    got.into_values().collect()
}

fn get(store: &dyn Store, key: &str, part: Part) -> Got {
    get_many(store, &[Get::new(key, part, u64::MAX)]).remove(0)
}

fn put(store: &dyn Store, key: &str, bytes: &[u8], encoding: ContentEncoding) {
    update(store, key, false, &|_, new| {
        new.extend_from_slice(bytes);
        Change::Put(encoding)
    });
}

type OneChange<'a> = dyn Fn(Option<Blob<'_>>, &mut Vec<u8>) -> Change + Sync + 'a;

fn update(store: &dyn Store, key: &str, reads: bool, change: &OneChange<'_>) {
    let request = Update { key: key.to_owned(), reads, max_len: u64::MAX };
    store
        .update_many(&[request], &|index, old, new| {
            assert_eq!(index, 0);
            assert!(new.is_empty(), "the buffer for the new value is empty");
            Ok(change(old, new))
        })
        .unwrap();
}

fn keys(store: &dyn Store, prefix: &str) -> Vec<(String, u64)> {
    let mut keys = Vec::new();
    store
        .list(prefix, &mut |key, size| {
            keys.push((key.to_owned(), size));
            Ok(())
        })
        .unwrap();
    keys.sort();
    keys
}

fn missing_is_not_empty(store: &dyn Store) {
    assert_eq!(store.read("a/b").unwrap(), None);
    store.delete("a/b").unwrap();
    store.write("a/b", b"").unwrap();
    assert_eq!(store.read("a/b").unwrap().as_deref(), Some(b"" as &[u8]));
    assert!(store.exists("a/b").unwrap());
    // Where values are files it is an error.
    assert!(matches!(store.read("a/b/c"), Ok(None) | Err(_)), "below a value is nothing");
    store.delete("a/b").unwrap();
    store.delete("a/b").unwrap();
    assert!(!store.exists("a/b").unwrap());
}

fn ranges(store: &dyn Store) {
    let bytes: Vec<u8> = (0..100_000u32).map(|k| (k ^ (k >> 8)) as u8).collect();
    let ranges = vec![3..5, 5..6, 900..900, 40_000..70_000, 99_999..100_000];
    let wanted = |total| Part::Ranges { ranges: ranges.clone(), total };
    let joined = [&bytes[3..6], &bytes[40_000..70_000], &bytes[99_999..]].concat();
    put(store, "k", &bytes, ContentEncoding::Identity);
    let parts = |bytes: &[u8]| Some((bytes.to_vec(), ContentEncoding::Identity, false));
    assert_eq!(get(store, "k", wanted(Some(100_000))), parts(&joined));
    assert_eq!(get(store, "k", wanted(None)), parts(&joined));
    assert_eq!(
        get(store, "k", wanted(Some(100_001))),
        Some((bytes.clone(), ContentEncoding::Identity, true))
    );
    assert_eq!(get(store, "k", Part::Presence), parts(b""));
    assert_eq!(get(store, "k", Part::Last(10)), parts(&bytes[99_990..]));
    assert_eq!(get(store, "k", Part::First(10)), parts(&bytes[..10]));
    for part in [Part::First(200_000), Part::Last(200_000)] {
        assert_eq!(
            get(store, "k", part).unwrap().0,
            bytes,
            "all of a value that is shorter than the wanted part"
        );
    }
    for part in [wanted(Some(100_000)), wanted(None), Part::Presence, Part::First(10), Part::Last(10)] {
        assert_eq!(get(store, "missing", part), None);
    }
    let beyond = Get::new("k", Part::Ranges { ranges: vec![99_000..100_001], total: None }, u64::MAX);
    let error = store.get_many(&[beyond], &|_, _| Ok(())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptData, "{error}");
}

fn encoded_values_are_sent_whole(store: &dyn Store) {
    put(store, "k", b"abcdefgh", ContentEncoding::Gzip);
    for total in [Some(8), None] {
        let part = Part::Ranges { ranges: vec![1..2], total };
        assert_eq!(get(store, "k", part), Some((b"abcdefgh".to_vec(), ContentEncoding::Gzip, true)));
    }
    for part in [Part::First(2), Part::Last(2)] {
        assert_eq!(get(store, "k", part), Some((b"abcdefgh".to_vec(), ContentEncoding::Gzip, true)));
    }
    assert_eq!(get(store, "k", Part::Presence).map(|(bytes, ..)| bytes), Some(vec![]));
}

/// Where a store knows versions, each value has its own, and can be asked for by it.
fn versions(store: &dyn Store) {
    let ask = |version: Wanted| {
        let got = Mutex::new(None);
        let request =
            Get { version, ..Get::new("k", Part::Ranges { ranges: vec![1..2], total: None }, u64::MAX) };
        store
            .get_many(&[request], &|_, blob| {
                let blob = blob.unwrap();
                *got.lock().unwrap() =
                    Some((blob.version.map(str::to_owned), blob.extent, blob.bytes.to_vec()));
                Ok(())
            })
            .unwrap();
        got.into_inner().unwrap().unwrap()
    };
    store.write("k", b"one").unwrap();
    let first = loop {
        let (Some(first), Extent::Parts, _) = ask(Wanted::Named) else { return };
        // Versions of two changes at one time of the clock may be the same, and say that they may.
        if super::is_settled(Some(&first)) {
            break first;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    for (value, byte) in [(b"two", b'w'), (b"six", b'i')] {
        store.write("k", value).unwrap();
        let (second, extent, bytes) = ask(Wanted::Unless(first.clone()));
        assert_eq!((extent, bytes), (Extent::Parts, vec![byte]));
        let second = second.unwrap();
        assert_ne!(first, second);
        assert_eq!(ask(Wanted::Unless(second.clone())).1, Extent::Withheld);
        assert_eq!(ask(Wanted::Only(second)).2, [byte]);
        assert_eq!(ask(Wanted::Only(first.clone())).1, Extent::Withheld);
    }
}

fn the_last_encoding_counts(store: &dyn Store) {
    use ContentEncoding::{Brotli, Gzip, Identity, Zstd};
    for encoding in [Gzip, Identity, Zstd, Brotli, Gzip, Zstd, Identity, Brotli, Identity] {
        let bytes = format!("{encoding:?}").into_bytes();
        put(store, "c/k", &bytes, encoding);
        assert_eq!(keys(store, ""), [("c/k".to_owned(), bytes.len() as u64)]);
        assert_eq!(get(store, "c/k", Part::Whole), Some((bytes.clone(), encoding, true)));
        update(store, "c/k", true, &|old, _| {
            assert!(old.is_some_and(|old| old.bytes == bytes && old.encoding == encoding && old.is_whole()));
            Change::Keep
        });
    }
    put(store, "c/k", b"", Zstd);
    store.delete("c/k").unwrap();
    assert_eq!(get(store, "c/k", Part::Whole), None);
}

fn children(store: &dyn Store) {
    let root = store.child("root").unwrap();
    let deep = root.child("a/b").unwrap();
    deep.write("k", b"1").unwrap();
    assert!(deep.exists("k").unwrap() && !deep.exists("a/b/k").unwrap());
    for (store, key) in [(store, "root/a/b/k"), (&*root, "a/b/k"), (&*root.child("").unwrap(), "a/b/k")] {
        assert_eq!(store.read(key).unwrap().unwrap(), b"1", "{}", store.location(key));
        assert_eq!(store.location(key), deep.location("k"));
    }
    assert_eq!(deep.child("../../a//./b/").unwrap().read("k").unwrap().unwrap(), b"1");
    assert_eq!(root.child("../other").unwrap().location(""), store.child("other").unwrap().location(""));
    assert_eq!(keys(&*root, ""), [("a/b/k".to_owned(), 1)]);
    let far = store.child(&"../".repeat(200));
    assert_eq!(far.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

fn number(blob: Option<Blob<'_>>) -> usize {
    blob.map_or(0, |blob| std::str::from_utf8(blob.bytes).unwrap().parse().unwrap())
}

fn increment(old: Option<Blob<'_>>, new: &mut Vec<u8>) -> Change {
    new.extend_from_slice((number(old) + 1).to_string().as_bytes());
    Change::Put(ContentEncoding::Identity)
}

fn changes_follow_each_other(store: &dyn Store) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..25).for_each(|_| update(store, "counter", true, &increment)));
        }
    });
    assert_eq!(store.read("counter").unwrap().unwrap(), b"200");
}

fn changes_of_one_batch_follow_each_other(store: &dyn Store) {
    let requests: Vec<_> =
        (0..60).map(|k| Update { key: format!("c{}", k % 3), reads: true, max_len: u64::MAX }).collect();
    store.update_many(&requests, &|_, old, new| Ok(increment(old, new))).unwrap();
    for key in ["c0", "c1", "c2"] {
        assert_eq!(store.read(key).unwrap().unwrap(), b"20");
    }
}

fn changes_see_what_they_ask_for(store: &dyn Store) {
    store.write("k", b"1").unwrap();
    update(store, "k", false, &|old, _| {
        assert!(old.is_none(), "a value that was not asked for");
        Change::Keep
    });
    update(store, "new/k", true, &|old, new| {
        assert!(old.is_none());
        new.push(b'x');
        Change::Keep
    });
    assert_eq!(keys(store, ""), [("k".to_owned(), 1)]);
    update(store, "k", true, &|old, _| if old.is_some() { Change::Delete } else { Change::Keep });
    assert_eq!(store.read("k").unwrap(), None);
}

fn a_failed_change_changes_nothing(store: &dyn Store) {
    store.write("k", b"old").unwrap();
    let request = Update { key: "k".into(), reads: true, max_len: u64::MAX };
    let error = store.update_many(&[request], &|_, _, new| {
        new.extend_from_slice(b"new");
        Err(Error::new(ErrorKind::Cancelled, "enough"))
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(store.read("k").unwrap().unwrap(), b"old");
    assert_eq!(keys(store, "").len(), 1);
    store.write("k", b"new").unwrap();
}

fn values_are_replaced_whole(store: &dyn Store) {
    let write = |byte: u8| store.write("k", &vec![byte; 10_000 + usize::from(byte) * 1000]).unwrap();
    write(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..100).for_each(|k| write(k % 10)));
        while !writer.is_finished() {
            let value = store.read("k").unwrap().expect("is never missing");
            assert_eq!(value.len(), 10_000 + usize::from(value[0]) * 1000);
            assert!(value.iter().all(|&byte| byte == value[0]));
        }
    });
}

fn list(store: &dyn Store) {
    assert!(keys(store, "").is_empty() && keys(store, "nowhere/at/all").is_empty());
    for key in ["a/1", "a/12", "a/2/3", "ab", "b"] {
        store.write(key, key.as_bytes()).unwrap();
    }
    let listed = |prefix| keys(store, prefix).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(listed(""), ["a/1", "a/12", "a/2/3", "ab", "b"]);
    assert_eq!(listed("a"), ["a/1", "a/12", "a/2/3", "ab"]);
    assert_eq!(listed("a/"), ["a/1", "a/12", "a/2/3"]);
    assert_eq!(listed("a/1"), ["a/1", "a/12"]);
    assert_eq!(keys(store, "a/2/"), [("a/2/3".to_owned(), 5)]);
    let names = |store: &dyn Store| {
        let mut names = Vec::new();
        let note = &mut |name: &str, size| {
            names.push((name.to_owned(), size));
            Ok(())
        };
        store.names(note).unwrap();
        names.sort();
        names
    };
    let named = |name: &str, size| (name.to_owned(), size);
    assert_eq!(names(store), [named("a", None), named("ab", Some(2)), named("b", Some(1))]);
    let expected = [named("1", Some(3)), named("12", Some(4)), named("2", None)];
    assert_eq!(names(&*store.child("a").unwrap()), expected);
    let mut surveyed = Vec::new();
    store
        .survey(&mut |finding| {
            match finding {
                Finding::Value { key, bytes } => surveyed.push((key.to_owned(), bytes)),
                Finding::Folder { .. } => {}
                other => panic!("{other:?}"),
            }
            Ok(())
        })
        .unwrap();
    surveyed.sort();
    assert_eq!(surveyed, keys(store, ""));
    let mut calls = 0;
    let stopped = store.list("", &mut |_, _| {
        calls += 1;
        Err(Error::new(ErrorKind::Cancelled, "enough"))
    });
    let stopped = stopped.unwrap_err();
    assert_eq!((stopped.kind(), calls), (ErrorKind::Cancelled, 1), "{stopped}");
}

fn a_failed_sink_ends_the_batch(store: &dyn Store) {
    let requests: Vec<_> = (0..500).map(|k| Get::new(format!("k{k}"), Part::Whole, u64::MAX)).collect();
    let calls = AtomicUsize::new(0);
    let stopped = store.get_many(&requests, &|_, _| {
        calls.fetch_add(1, Ordering::Relaxed);
        Err(Error::new(ErrorKind::Cancelled, "enough"))
    });
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
    // Each thread may have had one before it knew of the first.
    assert!(calls.into_inner() < 500, "the batch goes on after an error");
}

/// More values than any store asks for at once.
const BATCH: usize = 400;

fn batches_of_any_size(store: &dyn Store) {
    store.get_many(&[], &|_, _| panic!("nothing was asked for")).unwrap();
    store.update_many(&[], &|_, _, _| panic!("nothing is to be changed")).unwrap();
    let key = |index: usize| format!("{}/{index}", index % 7);
    let updates: Vec<_> = (0..BATCH).map(|index| Update::blind(key(index))).collect();
    store
        .update_many(&updates, &|index, _, new| {
            assert!(new.is_empty());
            new.resize(index * 10, index as u8);
            Ok(if index % 10 == 9 { Change::Keep } else { Change::Put(ContentEncoding::Identity) })
        })
        .unwrap();
    let gets: Vec<_> = (0..BATCH).rev().map(|index| Get::new(key(index), Part::Whole, u64::MAX)).collect();
    for (got, index) in get_many(store, &gets).into_iter().zip((0..BATCH).rev()) {
        let expected = (index % 10 != 9).then(|| vec![index as u8; index * 10]);
        assert_eq!(got.map(|(bytes, ..)| bytes), expected, "value {index}");
    }
    assert_eq!(keys(store, "").len(), BATCH / 10 * 9);
}

fn odd_keys(store: &dyn Store) {
    let odd = [" ", "a b", "ä/日本", "%2F", "100%", "-100--36_-6-0_-33--1", "#?&=+", "c/0/1", "...", "~"];
    let long = "x".repeat(200);
    let odd: Vec<_> = odd.into_iter().chain([".hidden", "UP", "up", "a:b*", &long]).collect();
    for key in &odd {
        store.write(key, key.as_bytes()).unwrap();
    }
    for key in &odd {
        assert_eq!(store.read(key).unwrap().as_deref(), Some(key.as_bytes()), "{key:?}");
    }
    let mut sorted: Vec<_> = odd.iter().map(|key| ((*key).to_owned(), key.len() as u64)).collect();
    sorted.sort();
    assert_eq!(keys(store, ""), sorted);
    // Not every service can tell these from others.
    for key in ["line\nbreak", "a\\b"] {
        match store.write(key, b"1").and_then(|()| store.read(key)) {
            Ok(value) => assert_eq!(value.as_deref(), Some(b"1" as &[u8])),
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidArgument),
        }
    }
}

fn impossible_keys(store: &dyn Store) {
    for key in ["", "/", "/a", "a/", "a//b", ".", "../a", "a/../b", "a\0b"] {
        assert_eq!(store.read(key).unwrap_err().kind(), ErrorKind::InvalidArgument, "{key:?}");
        assert_eq!(store.write(key, b"").unwrap_err().kind(), ErrorKind::InvalidArgument, "{key:?}");
    }
}
