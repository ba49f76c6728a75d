#![no_main]

use std::sync::Arc;

use bigarrays::chunk::codec::ContentEncoding;
use bigarrays::store::shard::neuroglancer::{Members, MinishardIndex, ShardHash, ShardSpec, ShardedStore};
use bigarrays::store::{Change, Get, MemoryStore, Part, Store, Update};

#[derive(Debug)]
struct Few;

impl Members for Few {
    fn total(&self) -> u64 {
        1 << 12
    }

    fn of_shard(&self, _: u64) -> Option<u64> {
        None
    }
}

// The first byte chooses the specification, the rest is a shard, and the index of a minishard.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    if let Ok(index) = MinishardIndex::parse(bytes, u64::from(choice)) {
        let mut again = Vec::new();
        index.encode(u64::from(choice), &mut again);
        assert_eq!(MinishardIndex::parse(&again, u64::from(choice)).unwrap(), index);
    }
    let encoding = |bit: u8| if choice & bit == 0 { ContentEncoding::Identity } else { ContentEncoding::Gzip };
    let spec = ShardSpec {
        preshift_bits: u32::from(choice >> 4 & 3),
        hash: if choice & 4 == 0 { ShardHash::Identity } else { ShardHash::Murmur },
        minishard_bits: u32::from(choice >> 6),
        shard_bits: 0,
        minishard_index_encoding: encoding(1),
        data_encoding: encoding(2),
    };
    let inner: Arc<dyn Store> = Arc::new(MemoryStore::new());
    inner.write("0.shard", bytes).unwrap();
    let store = ShardedStore::new(inner, spec, Arc::new(Few)).unwrap();
    let part = if choice & 8 == 0 { Part::Whole } else { Part::First(9) };
    let gets: Vec<Get> = (0..20).map(|id| Get::new(id.to_string(), part.clone(), 1 << 16)).collect();
    let _ = store.get_many(&gets, &|_, _| Ok(()));
    let is_listed = store.list("", &mut |_, _| Ok(())).is_ok();
    let update = Update { key: "3".into(), reads: true, max_len: 1 << 16 };
    let written = store.update_many(&[update], &|_, _, new| {
        new.push(1);
        Ok(Change::Put(ContentEncoding::Identity))
    });
    if written.is_ok() {
        assert!(is_listed, "what can be changed can be listed");
        assert!(store.list("", &mut |_, _| Ok(())).is_ok());
        assert!((&store as &dyn Store).exists("3").unwrap());
    }
});
