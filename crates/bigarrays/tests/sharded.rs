//! Sharded layers: how many requests reads take, and that shards are written whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bigarrays::base::buffer::View;
use bigarrays::base::dims::Dims;
use bigarrays::chunk::curve::ChunkOrder;
use bigarrays::format::{NewSharding, Opened};
use bigarrays::ndarray::Array3;
use bigarrays::store::shard::neuroglancer::{INDEX_CACHE, Members, ShardSpec, ShardedStore};
use bigarrays::store::shard::zarr::{self, GridKeys, IndexSpec, ShardGrid};
use bigarrays::store::{self, ChangeFn, Get, GetSink, Part, Store, StoreOptions, Update};
use bigarrays::{Array, ArrayOptions, CopyOptions, CreateSpec, DataType, Domain, OpenOptions, Result, copy};

#[derive(Debug)]
struct All(u64);

impl Members for All {
    fn total(&self) -> u64 {
        self.0
    }

    fn of_shard(&self, _: u64) -> Option<u64> {
        None
    }
}

/// A store that counts what a web server would see: each range is a request.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn Store>,
    cost: u64,
    requests: AtomicU64,
    rounds: AtomicU64,
}

impl Store for Counting {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        self.inner.child(path)
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        self.rounds.fetch_add(u64::from(!requests.is_empty()), Ordering::Relaxed);
        self.inner.get_many(requests, &|k, blob| {
            let count = if let Part::Ranges { ranges, .. } = &requests[k].part { ranges.len() } else { 1 };
            self.requests.fetch_add(count as u64, Ordering::Relaxed);
            sink(k, blob)
        })
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

/// The array at `url`, whose chunks are read through a counting store.
fn counted(url: &str, sharding: ShardSpec, cost: u64, cache: u64) -> (Array, Arc<Counting>) {
    let array = Array::open(url).unwrap();
    let counting = counting(&format!("{url}/{}", array.scales()[0].key), cost);
    let chunks: u64 = array.layout().grid.shape().iter().product();
    let store =
        ShardedStore::new(counting.clone(), sharding, Arc::new(All(chunks))).unwrap().index_cache(cache);
    (over(&array, store), counting)
}

fn counting(url: &str, cost: u64) -> Arc<Counting> {
    let inner = store::open(url, &StoreOptions::default()).unwrap();
    let [requests, rounds] = Default::default();
    Arc::new(Counting { inner, cost, requests, rounds })
}

/// The array, over another store of its chunks.
fn over(array: &Array, store: impl Store + 'static) -> Array {
    let opened = Opened::new("test", array.layout().clone(), Arc::new(store));
    Array::from_opened(opened, array.url(), ArrayOptions::default())
}

fn create(url: &str, edge: u64, chunk: u64, sharding: NewSharding) -> Array {
    let mut spec = CreateSpec::new(DataType::U8, format!("0:{edge},0:{edge},0:{edge}").parse().unwrap());
    spec.storage.chunk_shape = Some(vec![chunk; 3]);
    spec.storage.sharding = sharding;
    OpenOptions::new().create(url, &spec).unwrap()
}

fn noise(edge: usize) -> Array3<u8> {
    Array3::from_shape_fn((edge, edge, edge), |(x, y, z)| ((x * 31 + y * 17 + z * 7) ^ (x * y + z)) as u8)
}

/// Boxes of 8 × 8 × 8 blocks of chunks of 16, as 512³ has them in 64: everything is a quarter as long.
#[test]
fn unaligned_boxes_take_few_requests() {
    let data = noise(128);
    for (number, spec) in [
        "preshift_bits=9,minishard_bits=0,shard_bits=0,minishard_index_encoding=gzip",
        "preshift_bits=3,minishard_bits=3,shard_bits=3,minishard_index_encoding=gzip",
    ]
    .into_iter()
    .enumerate()
    {
        let (url, spec) = (format!("memory://few-requests-{number}"), spec.parse().unwrap());
        let array = create(&url, 128, 16, NewSharding::Neuroglancer(spec));
        array.write(&[0; 3], data.view()).unwrap();
        let kept = requests_for_boxes(&url, spec, &data, INDEX_CACHE);
        let not_kept = requests_for_boxes(&url, spec, &data, 0);
        println!("{spec}: {kept:?}, without kept indexes {not_kept:?}");
        assert!(kept.requests * 3 < kept.chunks, "{kept:?} of {spec}");
        assert!(kept.requests < not_kept.requests && not_kept.requests * 2 < kept.chunks, "{not_kept:?}");
        assert_eq!(not_kept.rounds, 200, "one for all indexes, and one for the chunks");
    }
}

/// What reading took.
#[derive(Debug)]
struct Taken {
    chunks: u64,
    requests: u64,
    rounds: u64,
}

/// Reads a hundred boxes of two chunks' length.
fn requests_for_boxes(url: &str, spec: ShardSpec, data: &Array3<u8>, cache: u64) -> Taken {
    // What a request costs in chunks is as for 1 MiB and chunks of 64³.
    let (array, counting) = counted(url, spec, 4 * 16 * 16 * 16, cache);
    let (mut chunks, mut state) = (0, 1u64);
    for _ in 0..100 {
        let start = [0; 3].map(|_: i64| next(&mut state) % 96);
        let part = Domain::new(&start, &[32; 3]).unwrap();
        chunks += array.chunks(&part).unwrap().count() as u64;
        let read = array.read::<u8>(&part).unwrap();
        let at = start.map(|start| start as usize);
        assert_eq!(read.data()[[5, 6, 7]], data[[at[0] + 5, at[1] + 6, at[2] + 7]]);
    }
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    Taken { chunks, requests: count(&counting.requests), rounds: count(&counting.rounds) }
}

/// An array that is one shard: the nearer neighbours in space are in the file, the fewer its boxes take.
#[test]
fn boxes_take_fewest_requests_along_curves() {
    let (edge, chunk) = (96, 6);
    let data = noise(edge);
    let taken = ChunkOrder::ALL.map(|order| {
        let url = format!("memory://one-shard-{order}");
        let mut spec = CreateSpec::new(DataType::U8, Domain::from_shape(&[edge as u64; 3]).unwrap());
        (spec.storage.chunk_shape, spec.storage.shard_shape) =
            (Some(vec![chunk; 3]), Some(vec![edge as u64; 3]));
        (spec.storage.shard_order, spec.storage.codecs) =
            (Some(order), Some(serde_json::json!(["bytes", "crc32c"])));
        let array = OpenOptions::new().format("zarr3").create(&url, &spec).unwrap();
        array.write(&[0; 3], data.view()).unwrap();
        // As 1.25 MiB are of chunks of 64³ bytes.
        let counting = counting(&url, 5 * chunk.pow(3));
        let grid = ShardGrid {
            chunks: Dims::from_elem(edge as u64 / chunk, 3),
            per_shard: Dims::from_elem(edge as u64 / chunk, 3),
            axes: (0..3).collect(),
            // Who reads goes by the index alone.
            order: ChunkOrder::C,
            index: IndexSpec { at_end: true, big_endian: false, checksum: true },
            keys: Arc::new(Whole),
        };
        let array = over(&array, zarr::ShardedStore::new(counting.clone(), grid).unwrap());
        let mut state = 1u64;
        for _ in 0..100 {
            let start = [0; 3].map(|_: i64| next(&mut state) % (edge as i64 - 12));
            let part = Domain::new(&start, &[12; 3]).unwrap();
            let read = array.read::<u8>(&part).unwrap();
            let at = start.map(|start| start as usize);
            assert_eq!(read.data()[[5, 6, 7]], data[[at[0] + 5, at[1] + 6, at[2] + 7]]);
        }
        counting.requests.load(Ordering::Relaxed)
    });
    println!("requests for 100 boxes, of chunks in C, Morton and Hilbert order: {taken:?}");
    assert!(taken[0] * 3 > taken[1] * 4 && taken[1] > taken[2], "{taken:?}");
}

/// The key of the only shard of a Zarr array of three axes.
#[derive(Debug)]
struct Whole;

impl GridKeys for Whole {
    fn key_of(&self, _: &[u64]) -> String {
        "c/0/0/0".to_owned()
    }

    fn parse(&self, key: &str, ndim: usize) -> Option<Dims<u64>> {
        (key == "c/0/0/0").then(|| Dims::from_elem(0, ndim))
    }
}

fn next(state: &mut u64) -> i64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as i64
}

/// Of what is written whole, nothing is read: shards that cannot be read show it.
#[test]
fn writes_of_whole_shards_read_nothing() {
    let spec: ShardSpec = "preshift_bits=2,minishard_bits=1,shard_bits=6".parse().unwrap();
    let url = "memory://whole-shards";
    let array = create(url, 100, 16, NewSharding::Neuroglancer(spec));
    assert_eq!(array.shard_shape().unwrap()[..], [32, 32, 32]);
    let files = store::open(&format!("{url}/1_1_1"), &StoreOptions::default()).unwrap();
    let spoil = || (0..64).for_each(|shard| files.write(&format!("{shard:02x}.shard"), b"spoiled").unwrap());
    let data = noise(100);
    spoil();
    array.write(&[0; 3], data.view()).unwrap();
    assert!(array.read::<u8>(array.domain()).unwrap().data().iter().eq(data.iter()));
    spoil();
    let source = create("memory://whole-shards-source", 100, 10, NewSharding::None);
    source.write(&[0; 3], data.view()).unwrap();
    copy(&source, &array, CopyOptions { memory: 64 << 20, ..CopyOptions::default() }).unwrap();
    assert!(array.read::<u8>(array.domain()).unwrap().data().iter().eq(data.iter()));
    let mut listed = 0;
    array
        .store()
        .list("", &mut |_, _| {
            listed += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(listed, 7 * 7 * 7);
    spoil();
    let row = [1u8; 100];
    let row = View::dense(&row, &[100, 1, 1], 1, bigarrays::base::buffer::Order::C).unwrap();
    assert!(array.write_from(&"0:100,0:1,0:1".parse().unwrap(), row).is_err(), "parts are read");
}
