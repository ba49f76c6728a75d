#![no_main]

use std::sync::Arc;

use bigarrays::chunk::codec::ContentEncoding;
use bigarrays::chunk::curve::ChunkOrder;
use bigarrays::base::dims::Dims;
use bigarrays::store::shard::zarr::{IndexSpec, PlaceKeys, ShardGrid, ShardedStore};
use bigarrays::store::{Change, Get, MemoryStore, Part, Store, Update};

// The first byte chooses what the index is like, the rest is a shard.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let index =
        IndexSpec { at_end: choice & 1 == 0, big_endian: choice & 2 != 0, checksum: choice & 4 != 0 };
    let grid = ShardGrid {
        chunks: Dims::from_slice(&[2, 2]),
        per_shard: Dims::from_slice(&[2, 3]),
        axes: Dims::from_slice(&[0, 1]),
        order: ChunkOrder::ALL[usize::from(choice >> 4) % 3],
        index,
        keys: Arc::new(PlaceKeys),
    };
    let inner: Arc<dyn Store> = Arc::new(MemoryStore::new());
    inner.write("0/0", bytes).unwrap();
    let store = ShardedStore::new(inner, grid).unwrap();
    let part = if choice & 8 == 0 { Part::Whole } else { Part::First(9) };
    let gets = ["0/0", "0/1", "1/0", "1/1"].map(|key| Get::new(key, part.clone(), 1 << 16));
    let _ = store.get_many(&gets, &|_, _| Ok(()));
    let is_listed = store.list("", &mut |_, _| Ok(())).is_ok();
    let update = Update { key: "1/1".into(), reads: true, max_len: 1 << 16 };
    let written = store.update_many(&[update], &|_, _, new| {
        new.push(1);
        Ok(Change::Put(ContentEncoding::Identity))
    });
    if written.is_ok() {
        assert!(is_listed, "what can be changed can be listed");
        assert!((&store as &dyn Store).exists("1/1").unwrap());
    }
});
