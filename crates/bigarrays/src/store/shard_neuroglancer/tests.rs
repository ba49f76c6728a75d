use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use proptest::prelude::*;

use super::*;
use crate::codec::ContentEncoding;
use crate::store::fault::{FaultStore, Operation};
use crate::store::{Blob, Change, MemoryStore};

#[derive(Debug)]
struct Any(u64);

impl Members for Any {
    fn total(&self) -> u64 {
        self.0
    }

    fn of_shard(&self, _: u64) -> Option<u64> {
        None
    }
}

fn sharded(inner: Arc<dyn Store>, spec: &str) -> ShardedStore {
    ShardedStore::new(inner, spec.parse().unwrap(), Arc::new(Any(1 << 20))).unwrap()
}

fn value(id: u64) -> Vec<u8> {
    (0..id % 700).map(|k| (k.wrapping_mul(id) >> 3) as u8).collect()
}

fn put(store: &dyn Store, ids: &[u64], reads: bool) {
    let updates: Vec<Update> =
        ids.iter().map(|id| Update { key: id.to_string(), reads, max_len: 1 << 20 }).collect();
    let change = |k: usize, _: Option<Blob<'_>>, new: &mut Vec<u8>| {
        new.extend_from_slice(&value(ids[k]));
        Ok(Change::Put(ContentEncoding::Identity))
    };
    store.update_many(&updates, &change).unwrap();
}

/// What is read of each id, in order, decoded.
fn get(store: &dyn Store, ids: &[u64]) -> Result<Vec<Option<Vec<u8>>>> {
    let gets: Vec<Get> = ids.iter().map(|id| Get::new(id.to_string(), super::super::Part::Whole, 1 << 20)).collect();
    let got = Mutex::new(BTreeMap::new());
    store.get_many(&gets, &|k, blob| {
        let decoded = |blob: Blob<'_>| blob.encoding.with_decoded(blob.bytes, 1 << 20, |bytes| Ok(bytes.to_vec()));
        assert!(got.lock().unwrap().insert(k, blob.map(decoded).transpose()?).is_none());
        Ok(())
    })?;
    Ok(got.into_inner().unwrap().into_values().collect())
}

const SPECS: [&str; 6] = [
    "preshift_bits=0,minishard_bits=0,shard_bits=0",
    "preshift_bits=3,minishard_bits=2,shard_bits=3,minishard_index_encoding=gzip",
    "preshift_bits=0,minishard_bits=3,shard_bits=0,data_encoding=gzip",
    "preshift_bits=2,minishard_bits=3,shard_bits=4,hash=murmurhash3_x86_128,minishard_index_encoding=gzip,data_encoding=gzip",
    "preshift_bits=64,minishard_bits=1,shard_bits=63",
    "preshift_bits=1,minishard_bits=13,shard_bits=2",
];

#[test]
fn what_is_written_is_read() {
    for spec in SPECS {
        let memory: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let ids: Vec<u64> = (0..300).map(|k| k * 7).chain([u64::MAX]).collect();
        for (cold, reads) in [(false, false), (true, true)] {
            let store = sharded(Arc::clone(&memory), spec);
            put(&store, &ids[..200], reads);
            put(&store, &ids[100..], reads);
            let store = if cold { sharded(Arc::clone(&memory), spec) } else { store };
            let expected: Vec<_> = ids.iter().map(|&id| Some(value(id))).collect();
            assert_eq!(get(&store, &ids).unwrap(), expected, "{spec}");
            assert_eq!(get(&store, &[1, 2, 3]).unwrap(), [None, None, None], "{spec}");
            let mut keys = Vec::new();
            store.list("", &mut |key, _| { keys.push(key.parse::<u64>().unwrap()); Ok(()) }).unwrap();
            keys.sort_unstable();
            assert_eq!(keys, ids, "{spec}");
        }
    }
}
