//! Arrays over a store that fails: an error that names the chunk, or the right data; never fill.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use bigarrays::format::Opened;
use bigarrays::ndarray::Array3;
use bigarrays::store::fault::{Access, Fault, FaultStore, Operation, nth, seldom};
use bigarrays::{Array, ArrayOptions, CreateSpec, DataType, ErrorKind, OpenOptions};

/// The layer at `url` through a store with faults.
fn faulty(url: &str, rule: impl Fn(Access<'_>) -> Option<Fault> + Send + Sync + 'static) -> Array {
    let array = Array::open(url).unwrap();
    let store = Arc::new(FaultStore::new(Arc::clone(array.store()), rule));
    Array::from_opened(Opened::new("test", array.layout().clone(), store), url, ArrayOptions::default())
}

/// A filled layer of 4 × 4 × 4 chunks, and its elements.
fn layer(url: &str, encoding: &str) -> Array3<u8> {
    let mut spec = CreateSpec::new(DataType::U8, "-8:8,0:16,0:16".parse().unwrap());
    spec.storage.chunk_shape = Some(vec![4, 4, 4]);
    spec.storage.encoding = Some(encoding.to_owned());
    let data = Array3::from_shape_fn((16, 16, 16), |(x, y, z)| (x * 16 + y * 5 + z) as u8 | 1);
    OpenOptions::new().create(url, &spec).unwrap().write(&[-8, 0, 0], data.view()).unwrap();
    data
}

#[test]
fn a_failed_read_is_an_error_and_not_fill() {
    layer("memory://failed_read", "raw");
    for (number, kind) in
        [(0, ErrorKind::PermissionDenied), (30, ErrorKind::Storage), (63, ErrorKind::Storage)]
    {
        let array = faulty("memory://failed_read", nth(Operation::Get, number, Fault::Error(kind)));
        let error = array.read::<u8>(array.domain()).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.key().is_some(), "{error}");
        assert!(array.read::<u8>(array.domain()).is_ok(), "only one read fails");
    }
}

#[test]
fn truncated_values_are_never_data() {
    for encoding in ["raw", "gzip", "zstd", "blosclz", "png", "jpeg"] {
        let url = format!("memory://truncated_{encoding}");
        layer(&url, encoding);
        for length in [0, 1, 20] {
            let array = faulty(&url, nth(Operation::Get, 7, Fault::Truncate(length)));
            let error = array.read::<u8>(array.domain()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptData, "{encoding} {length}: {error}");
        }
    }
}

/// Under many faults, what a read returns is right, and after failed writes every chunk is the old or
/// the new one.
#[test]
fn right_data_or_an_error() {
    let url = "memory://right_or_error";
    let data = layer(url, "gzip");
    let array = faulty(url, seldom(7, 0.004, Fault::Error(ErrorKind::Storage)));
    let (mut right, mut failed) = (0, 0);
    for _ in 0..100 {
        match array.read::<u8>(array.domain()) {
            Ok(read) => {
                assert_eq!(read.into_data().into_dimensionality().unwrap(), data);
                right += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Storage);
                failed += 1;
            }
        }
    }
    assert!(right > 0 && failed > 0, "{right} right, {failed} failed");
    let sound = Array::open(url).unwrap();
    let mut old = 0;
    for round in 100..150u8 {
        let done = array.write(&[-8, 0, 0], Array3::from_elem((16, 16, 16), round).view());
        for chunk in sound.chunks(sound.domain()).unwrap() {
            let read = sound.read::<u8>(&chunk).unwrap();
            let value = *read.data().first().unwrap();
            assert!(read.data().iter().all(|&other| other == value || round == 100), "{chunk} is torn");
            assert!(done.is_err() || value == round, "{chunk} kept {value} though the write succeeded");
            old += u32::from(value != round);
        }
    }
    assert!(old > 0, "no write failed");
}

#[test]
fn a_crash_in_the_middle_leaves_old_and_new_chunks() {
    let url = "memory://crash";
    let data = layer(url, "raw");
    let array = faulty(url, nth(Operation::Update, 20, Fault::Crash));
    assert!(array.write(&[-8, 0, 0], Array3::<u8>::zeros((16, 16, 16)).view()).is_err());
    assert!(array.read::<u8>(array.domain()).is_err(), "nothing works after a crash");
    let sound = Array::open(url).unwrap();
    let mut new = 0;
    for chunk in sound.chunks(sound.domain()).unwrap() {
        let read = sound.read::<u8>(&chunk).unwrap();
        let is_new = read.data().iter().all(|&value| value == 0);
        let at = |axis: usize| (chunk.origin()[axis] - sound.domain().origin()[axis]) as usize;
        let first = data[[at(0), at(1), at(2)]];
        assert!(is_new || *read.data().first().unwrap() == first);
        new += u32::from(is_new);
    }
    assert!((1..64).contains(&new), "{new} of 64 chunks are new");
}
