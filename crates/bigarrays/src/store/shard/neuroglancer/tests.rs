use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::base::error::{ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::{Blob, Change, ChangeFn, Get, GetSink, MemoryStore, Part, Store, Update};

/// Shards of `.0` chunks; unknown if zero.
#[derive(Debug)]
struct Of(u64);

impl Members for Of {
    fn total(&self) -> u64 {
        1 << 20
    }

    fn of_shard(&self, _: u64) -> Option<u64> {
        (self.0 > 0).then_some(self.0)
    }
}

fn sharded(inner: &Arc<dyn Store>, spec: &str) -> ShardedStore {
    ShardedStore::new(Arc::clone(inner), spec.parse().unwrap(), Arc::new(Of(0))).unwrap()
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

fn value(id: u64) -> Vec<u8> {
    (0..id % 700).map(|k| (k.wrapping_mul(id) >> 3) as u8).collect()
}

fn updates(ids: &[u64], reads: bool) -> Vec<Update> {
    ids.iter().map(|id| Update { key: id.to_string(), reads, max_len: 1 << 20 }).collect()
}

fn put(store: &dyn Store, ids: &[u64], reads: bool) -> Result<()> {
    store.update_many(&updates(ids, reads), &|k, _, new| {
        new.extend_from_slice(&value(ids[k]));
        Ok(Change::Put(ContentEncoding::Identity))
    })
}

/// What is read of each id, in order, decoded.
fn get_parts(store: &dyn Store, ids: &[u64], part: &Part) -> Result<Vec<Option<Vec<u8>>>> {
    let gets: Vec<Get> = ids.iter().map(|id| Get::new(id.to_string(), part.clone(), 1 << 20)).collect();
    let got = Mutex::new(BTreeMap::new());
    store.get_many(&gets, &|k, blob| {
        let whole = |blob: Blob<'_>| {
            blob.encoding.with_decoded(blob.bytes, 1 << 20, |bytes| {
                match part.of(bytes.len() as u64, ContentEncoding::Identity)? {
                    Some(ranges) if blob.is_whole() => Ok(ranges
                        .iter()
                        .flat_map(|r| bytes[r.start as usize..r.end as usize].to_vec())
                        .collect()),
                    _ => Ok(bytes.to_vec()),
                }
            })
        };
        let parts = |blob: Blob<'_>| if blob.is_whole() { whole(blob) } else { Ok(blob.bytes.to_vec()) };
        assert!(got.lock().unwrap().insert(k, blob.map(parts).transpose()?).is_none(), "one answer each");
        Ok(())
    })?;
    let got = got.into_inner().unwrap();
    assert_eq!(got.len(), ids.len());
    Ok(got.into_values().collect())
}

fn get(store: &dyn Store, ids: &[u64]) -> Result<Vec<Option<Vec<u8>>>> {
    get_parts(store, ids, &Part::Whole)
}

fn listed(store: &dyn Store) -> Result<BTreeMap<u64, u64>> {
    let mut keys = BTreeMap::new();
    store.list("", &mut |key, size| {
        assert!(keys.insert(key.parse().unwrap(), size).is_none());
        Ok(())
    })?;
    Ok(keys)
}

const SPECS: [&str; 7] = [
    "preshift_bits=0,minishard_bits=0,shard_bits=0",
    "preshift_bits=3,minishard_bits=2,shard_bits=3,minishard_index_encoding=gzip",
    "preshift_bits=0,minishard_bits=3,shard_bits=0,data_encoding=gzip",
    "preshift_bits=2,minishard_bits=3,shard_bits=4,hash=murmurhash3_x86_128,minishard_index_encoding=gzip,data_encoding=gzip",
    "preshift_bits=64,minishard_bits=1,shard_bits=63",
    "preshift_bits=0,minishard_bits=1,shard_bits=2,hash=murmurhash3_x86_128",
    "preshift_bits=1,minishard_bits=13,shard_bits=2",
];

#[test]
fn what_is_written_is_read() {
    for spec in SPECS {
        let memory = memory();
        let ids: Vec<u64> = (0..300).map(|k| k * 7).chain([u64::MAX]).collect();
        for reads in [false, true] {
            let store = sharded(&memory, spec);
            put(&store, &ids[..200], reads).unwrap();
            put(&store, &ids[100..], reads).unwrap();
            let expected: Vec<_> = ids.iter().map(|&id| Some(value(id))).collect();
            for store in [store, sharded(&memory, spec)] {
                assert_eq!(get(&store, &ids).unwrap(), expected, "{spec}");
                assert_eq!(get(&store, &[1, 2, 3]).unwrap(), [None, None, None], "{spec}");
                assert!(listed(&store).unwrap().into_keys().eq(ids.iter().copied()), "{spec}");
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize),
    Delete,
    PutOrDelete,
    Append(u8),
    Keep,
}

fn apply(step: &Step, old: Option<&[u8]>, new: &mut Vec<u8>) -> Change {
    match step {
        Step::Put(length) => new.resize(*length, *length as u8),
        Step::Delete => return Change::Delete,
        Step::PutOrDelete => return Change::PutOrDelete(ContentEncoding::Identity),
        Step::Append(byte) => {
            new.extend_from_slice(old.unwrap_or_default());
            new.push(*byte);
        }
        Step::Keep => return Change::Keep,
    }
    Change::Put(ContentEncoding::Identity)
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let step = prop_oneof![
        3 => (0usize..2000).prop_map(Step::Put),
        1 => Just(Step::Delete),
        1 => Just(Step::PutOrDelete),
        2 => any::<u8>().prop_map(Step::Append),
        1 => Just(Step::Keep),
    ];
    (0u64..40, step)
}

/// A change that replaces a chunk may keep it after all: the next change of the same batch sees it.
#[test]
fn what_is_kept_is_seen_by_the_next_change() {
    let store = ShardedStore::new(memory(), SPECS[0].parse().unwrap(), Arc::new(Of(1))).unwrap();
    put(&store, &[0], false).unwrap();
    let request = |reads| Update { reads, ..Update::blind("0") };
    store
        .update_many(&[request(false), request(true)], &|position, old, new| {
            let step = if position == 0 { Step::Keep } else { Step::Append(9) };
            Ok(apply(&step, old.map(|blob| blob.bytes), new))
        })
        .unwrap();
    let expected = [value(0), vec![9]].concat();
    assert_eq!(get(&store, &[0]).unwrap(), [Some(expected)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any batches of changes give what the same give one after the other.
    #[test]
    fn batches_are_sequences(
        spec in select(&SPECS[..6]), batches in prop::collection::vec(prop::collection::vec(step(), 0..30), 1..6),
        of_shard in select(vec![0u64, 1, 5, 40]), cost in select(vec![0u64, 64, 1 << 20]),
    ) {
        let inner: Arc<dyn Store> = Arc::new(Costly { inner: memory(), cost, before_get: Box::new(|_| ()) });
        let store = ShardedStore::new(Arc::clone(&inner), spec.parse().unwrap(), Arc::new(Of(of_shard))).unwrap();
        let mut model = BTreeMap::<u64, Vec<u8>>::new();
        let all: Vec<u64> = (0..40).collect();
        // A shard that is said to have so many chunks has no others.
        let max = if of_shard == 0 || spec == SPECS[0] { of_shard } else { 0 };
        for batch in &batches {
            let batch: Vec<_> = batch.iter().map(|(id, step)| (if max > 0 { id % max } else { *id }, step)).collect();
            let requests: Vec<Update> = batch.iter().map(|(id, step)| Update {
                key: id.to_string(), reads: matches!(step, Step::Append(_)), max_len: 1 << 20,
            }).collect();
            if of_shard > 0 && max == 0 {
                continue;
            }
            store.update_many(&requests, &|k, old, new| {
                let old = old.map(|blob| blob.encoding.with_decoded(blob.bytes, 1 << 20, |b| Ok(b.to_vec())).unwrap());
                Ok(apply(batch[k].1, old.as_deref(), new))
            }).unwrap();
            for (id, step) in &batch {
                let mut new = Vec::new();
                match apply(step, model.get(id).map(|old| &old[..]), &mut new) {
                    Change::Put(_) => drop(model.insert(*id, new)),
                    Change::Keep => {}
                    _ => drop(model.remove(id)),
                }
            }
            let expected = |part: &Part| all.iter().map(|id| model.get(id).map(|bytes| {
                let ranges = part.of(bytes.len() as u64, ContentEncoding::Identity).unwrap();
                ranges.map_or_else(|| bytes.clone(), |ranges| {
                    ranges.iter().flat_map(|r| bytes[r.start as usize..r.end as usize].to_vec()).collect()
                })
            })).collect::<Vec<_>>();
            let ranges = Part::Ranges { ranges: vec![0..1, 3..4, 4..4, 700..750], total: Some(777) };
            for part in [Part::Whole, Part::Presence, Part::First(9), Part::Last(9), ranges] {
                let presence = part == Part::Presence;
                let got = get_parts(&store, &all, &part).unwrap();
                if presence {
                    prop_assert!(got.iter().map(Option::is_some).eq(all.iter().map(|id| model.contains_key(id))));
                } else {
                    prop_assert_eq!(got, expected(&part), "{:?}", part);
                }
            }
            prop_assert!(listed(&store).unwrap().into_keys().eq(model.keys().copied()));
            let mut files = 0;
            inner.list("", &mut |_, _| { files += 1; Ok(()) }).unwrap();
            prop_assert!(files <= model.len(), "no file without chunks");
        }
    }

    /// Damage is an error or changes values; it is no panic, and no store of anything absurd.
    #[test]
    fn damaged_shards_are_errors(
        spec in select(&SPECS[..6]), cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let memory = memory();
        let ids: Vec<u64> = (0..60).collect();
        put(&sharded(&memory, spec), &ids, false).unwrap();
        let mut files = Vec::new();
        memory.list("", &mut |key, _| { files.push(key.to_owned()); Ok(()) }).unwrap();
        for key in files {
            let mut bytes = memory.read(&key).unwrap().unwrap();
            let near = bytes.len().min(300);
            if flips.is_empty() {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            flips.iter().for_each(|(at, byte)| bytes[at.index(near)] ^= byte);
            memory.write(&key, &bytes).unwrap();
        }
        let store = sharded(&memory, spec);
        let _ = get(&store, &ids);
        let _ = listed(&store);
        let _ = put(&store, &ids[..9], true);
    }
}

type BeforeGet = dyn Fn(&Arc<dyn Store>) + Send + Sync;

/// A store that does something before each batch of reads, and says what a request costs.
struct Costly {
    inner: Arc<dyn Store>,
    cost: u64,
    before_get: Box<BeforeGet>,
}

impl fmt::Debug for Costly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Costly")
    }
}

impl Store for Costly {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        self.inner.child(path)
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        (self.before_get)(&self.inner);
        self.inner.get_many(requests, sink)
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        self.inner.update_many(requests, change)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.inner.list(prefix, found)
    }

    fn request_cost(&self) -> u64 {
        self.cost
    }
}

#[test]
fn kept_indexes_are_of_the_current_shard() {
    for spec in SPECS {
        let memory = memory();
        let (reader, writer) = (sharded(&memory, spec), sharded(&memory, spec));
        put(&writer, &[700, 8, 9], false).unwrap();
        assert_eq!(get(&reader, &[700, 8, 5]).unwrap(), [Some(vec![]), Some(value(8)), None]);
        put(&writer, &[5], false).unwrap();
        assert_eq!(get(&reader, &[5]).unwrap(), [Some(value(5))], "{spec}: a chunk that is new");
        writer.update_many(&updates(&[8, 700], true), &|_, _, _| Ok(Change::Delete)).unwrap();
        assert_eq!(get(&reader, &[8, 5, 9]).unwrap(), [None, Some(value(5)), Some(value(9))], "{spec}");
        writer.update_many(&updates(&[5, 9], false), &|_, _, _| Ok(Change::Delete)).unwrap();
        assert_eq!(get_parts(&reader, &[9, 5], &Part::Presence).unwrap(), [None, None], "{spec}");
        let mut files = 0;
        memory
            .list("", &mut |_, _| {
                files += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(files, 0, "{spec}: a shard without chunks is no file");
    }
}

#[test]
fn a_shard_that_never_rests_is_an_error() {
    let spec = SPECS[0];
    let restless = |inner: &Arc<dyn Store>| put(&sharded(inner, spec), &[7], true).unwrap();
    let inner: Arc<dyn Store> = Arc::new(Costly { inner: memory(), cost: 0, before_get: Box::new(restless) });
    let error = get(&sharded(&inner, spec), &[7]).unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("replaced"), "{error}");
}

#[test]
fn whole_shards_are_written_without_reading() {
    let spec = "preshift_bits=1,minishard_bits=1,shard_bits=2";
    let memory = memory();
    let store = ShardedStore::new(Arc::clone(&memory), spec.parse().unwrap(), Arc::new(Of(4))).unwrap();
    // What is no shard is only noticed by who reads it.
    memory.write("0.shard", b"no shard").unwrap();
    assert_eq!(put(&store, &[0, 1, 2], false).unwrap_err().kind(), ErrorKind::CorruptData);
    assert_eq!(put(&store, &[0, 1, 2, 3], true).unwrap_err().kind(), ErrorKind::CorruptData);
    put(&store, &[0, 1, 2, 3, 4], false).unwrap();
    assert_eq!(listed(&store).unwrap().len(), 5);
    // What stays has to be read after all.
    store
        .update_many(&updates(&[0, 1, 2, 3], false), &|k, _, new| {
            new.push(9);
            ContentEncoding::Gzip.encode(new)?;
            Ok(if k == 2 { Change::Keep } else { Change::Put(ContentEncoding::Gzip) })
        })
        .unwrap();
    let nine = Some(vec![9]);
    assert_eq!(get(&store, &[0, 1, 2, 3]).unwrap(), [nine.clone(), nine.clone(), Some(value(2)), nine]);
}

#[test]
fn changes_of_a_shard_follow_each_other() {
    let memory = memory();
    let stores: Vec<_> = (0..4).map(|_| sharded(&memory, SPECS[1])).collect();
    std::thread::scope(|scope| {
        for store in &stores {
            scope.spawn(|| {
                for _ in 0..20 {
                    let ids = [1, 2, 9, 500, 1];
                    let append = |_: usize, old: Option<Blob<'_>>, new: &mut Vec<u8>| {
                        new.extend_from_slice(old.map_or(&[], |old| old.bytes));
                        new.push(1);
                        Ok(Change::Put(ContentEncoding::Identity))
                    };
                    store.update_many(&updates(&ids, true), &append).unwrap();
                    assert!(get(store, &ids).unwrap().iter().all(Option::is_some));
                }
            });
        }
    });
    let lengths: Vec<_> = listed(&stores[0]).unwrap().into_iter().collect();
    assert_eq!(lengths, [(1, 160), (2, 80), (9, 80), (500, 80)]);
}

#[test]
fn damage_is_named() {
    let spec = "preshift_bits=0,minishard_bits=1,shard_bits=0";
    let cases: &[(&[u64], &str)] = &[
        (&[0, 24], "less than its index"),
        (&[24, 0, 0, 0], "minishard index at 24 to 0"),
        (&[0, 1 << 40, 0, 0], "of at most"),
        (&[0, 40_000, 0, 0], "should have"),
        (&[0, 23, 0, 0, 0, 0, 0], "no multiple"),
        (&[24, 48, 32, 56, 0, 0, 0, 0, 0, 0, 0], "overlap"),
        (&[24, 48, 0, 0, 0, 0, 0, 0, 0, 1 << 50], "of at most 1048576"),
        (&[24, 48, 0, 0, 0, 0, 0, 0, 7, 1 << 20], "should have"),
        (&[0, 48, 0, 0, 0, 0, 5, 0, 7, 7], "twice"),
    ];
    for (words, named) in cases {
        let memory = memory();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        memory.write("0.shard", &bytes).unwrap();
        for cost in [0, 1 << 20] {
            let inner: Arc<dyn Store> =
                Arc::new(Costly { inner: Arc::clone(&memory), cost, before_get: Box::new(|_| ()) });
            let error = get(&sharded(&inner, spec), &[0, 1]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptData, "{error}");
            assert!(error.to_string().contains(named), "{error} for {named}");
            assert!(error.to_string().contains("0.shard"), "{error}");
        }
        assert_eq!(put(&sharded(&memory, spec), &[3], false).unwrap_err().kind(), ErrorKind::CorruptData);
    }
    let gzip = sharded(&memory(), spec);
    let zipped = |_: usize, _: Option<Blob<'_>>, new: &mut Vec<u8>| {
        new.push(1);
        Ok(Change::Put(ContentEncoding::Gzip))
    };
    let whole = Update { key: "0.shard".into(), reads: false, max_len: 9 };
    gzip.inner.update_many(&[whole], &zipped).unwrap();
    assert_eq!(get(&gzip, &[1]).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn keys_are_ids() {
    let store: &dyn Store = &sharded(&memory(), SPECS[1]);
    for key in ["", "01", "+1", "-1", "1.0", "18446744073709551616", "0.shard", "a/1"] {
        assert_eq!(store.read(key).unwrap_err().kind(), ErrorKind::InvalidArgument, "{key}");
    }
    assert_eq!(store.location("100"), "memory:///3.shard chunk 100");
    let child = store.child("deeper").unwrap();
    put(&*child, &[3], false).unwrap();
    assert!(child.exists("3").unwrap() && !store.exists("3").unwrap());
}
