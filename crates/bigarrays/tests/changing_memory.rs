//! Memory that another thread changes while it is written: each chunk that is stored is whole, and of some
//! mixture of the values that there were.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread;

use bigarrays::base::buffer::View;
use bigarrays::chunk::codec::{
    ArrayCodec, Blosc, BloscCompressor, BloscShuffle, Brotli, BytesCodec, Bz2, Checksum, ChecksumKind,
    CodecPipeline, CompressedSegmentation, Gzip, Jpeg, Lz4, Png, Raw, Shuffle, Xz, Zlib, Zstd,
};
use bigarrays::format::Opened;
use bigarrays::{Array, ArrayOptions, CreateSpec, DataType, OpenOptions};

const EDGE: usize = 64;
const WRITES: usize = 6;

/// Two patterns of bytes, of which compressors make different things.
fn patterns(len: usize) -> [Vec<u8>; 2] {
    let mut state = 1u32;
    let noise = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 25) as u8
    };
    [(0..len).map(noise).collect(), vec![200; len]]
}

/// Calls `work` while another thread writes one pattern and then the other into the memory that it is given.
fn while_changing(patterns: &[Vec<u8>; 2], work: impl FnOnce(*const u8)) {
    let memory: Vec<AtomicU8> = patterns[0].iter().map(|&byte| AtomicU8::new(byte)).collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for pattern in patterns.iter().rev() {
                    memory.iter().zip(pattern).for_each(|(to, from)| to.store(*from, Ordering::Relaxed));
                }
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(memory.as_ptr().cast())));
        stop.store(true, Ordering::Relaxed);
        done.unwrap();
    });
}

/// An array of one chunk that is encoded so.
fn array(dtype: DataType, array: Arc<dyn ArrayCodec>, bytes: Vec<Arc<dyn BytesCodec>>) -> Array {
    let domain = format!("0:{EDGE},0:{EDGE},0:{EDGE}").parse().unwrap();
    let mut spec = CreateSpec::new(dtype, domain);
    spec.storage.chunk_shape = Some(vec![EDGE as u64; 3]);
    static ARRAYS: AtomicUsize = AtomicUsize::new(0);
    let url = format!("memory://changing-{}", ARRAYS.fetch_add(1, Ordering::Relaxed));
    let like = OpenOptions::new().create(&url, &spec).unwrap();
    let mut layout = like.layout().clone();
    layout.codecs = CodecPipeline::new(array, bytes);
    let opened = Opened::new("test", layout, Arc::clone(like.store()));
    Array::from_opened(opened, url, ArrayOptions::default())
}

/// Writes changing memory to `array`, and reads what was stored.
fn check(array: &Array, is_lossy: bool) {
    let item = array.dtype().size();
    let patterns = patterns(EDGE * EDGE * EDGE * item);
    let shape = [EDGE; 3];
    // Dense in the order of the chunk, so that it might be encoded where it lies.
    let strides = array.order().strides(&shape, item);
    while_changing(&patterns, |memory| {
        for _ in 0..WRITES {
            // SAFETY: the memory holds so many elements for as long as this is called.
            let source = unsafe { View::from_foreign(memory, &shape, &strides, item) };
            array.write_from(array.domain(), source).unwrap();
            let mut read = vec![0; patterns[0].len()];
            let out =
                bigarrays::base::buffer::ViewMut::dense(&mut read, &shape, item, array.order()).unwrap();
            array
                .read_into(array.domain(), out)
                .unwrap_or_else(|error| panic!("{:?}: {error}", array.layout().codecs));
            let mixes = |(k, byte): (usize, &u8)| *byte == patterns[0][k] || *byte == patterns[1][k];
            assert!(is_lossy || read.iter().enumerate().all(mixes), "{:?}", array.layout().codecs);
        }
    });
}

#[test]
fn compressors_of_bytes() {
    let mut codecs: Vec<Vec<Arc<dyn BytesCodec>>> = vec![
        vec![],
        vec![Arc::new(Zstd::new(3).unwrap().with_checksum(true))],
        vec![Arc::new(Brotli::new(1).unwrap())],
        vec![Arc::new(Zlib::new(6).unwrap())],
        vec![Arc::new(Bz2::new(1).unwrap())],
        vec![Arc::new(Xz::new(0).unwrap())],
        vec![Arc::new(Lz4::new(1 << 16).unwrap())],
        vec![Arc::new(Checksum::new(ChecksumKind::Crc32c, false))],
        vec![Arc::new(Shuffle::new(4).unwrap()), Arc::new(Gzip::new(1).unwrap())],
    ];
    for level in [1, 6, 9] {
        codecs.push(vec![Arc::new(Gzip::new(level).unwrap())]);
    }
    for compressor in BloscCompressor::ALL {
        codecs.push(vec![Arc::new(Blosc::new(1, 5).unwrap().with(compressor, BloscShuffle::None, 0))]);
    }
    for bytes in codecs {
        let order =
            array(DataType::U8, Arc::new(Raw::new(bigarrays::base::buffer::Order::C)), vec![]).order();
        check(&array(DataType::U8, Arc::new(Raw::new(order)), bytes), false);
    }
}

#[test]
fn codecs_of_elements() {
    check(&array(DataType::U8, Arc::new(Png::new(1).unwrap()), vec![]), false);
    check(&array(DataType::U8, Arc::new(Jpeg::new(75).unwrap()), vec![]), true);
    for dtype in [DataType::U32, DataType::U64] {
        check(&array(dtype, Arc::new(CompressedSegmentation::new([8, 8, 8]).unwrap()), vec![]), false);
    }
}
