//! What the tests of BigArrays.jl show, in half-open, zero-based coordinates.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bigarrays::ndarray::{ArrayD, IxDyn, s};
use bigarrays::{Array, CreateSpec, DataType, Domain, Element, OpenOptions, Outside};

/// The layer of those tests: two scales whose offsets are no multiple of the chunk.
fn layer(encoding: &str) -> tempfile::TempDir {
    let info = format!(
        r#"{{"num_channels": 1, "type": "image", "data_type": "uint8", "scales": [
        {{"encoding": "{encoding}", "chunk_sizes": [[100, 100, 5]], "key": "6_6_30", "resolution": [6, 6, 30],
          "voxel_offset": [-300, -300, -10], "size": [510, 510, 2022]}},
        {{"encoding": "{encoding}", "chunk_sizes": [[100, 100, 5]], "key": "12_12_30", "resolution": [12, 12, 30],
          "voxel_offset": [-597, -597, -103], "size": [12286, 11262, 2046]}}]}}"#
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("info"), info).unwrap();
    folder
}

fn open(folder: &tempfile::TempDir, scale: usize) -> Array {
    let options = OpenOptions::new().scale(scale).outside(Outside::Crop);
    options.open(folder.path().to_str().unwrap()).unwrap()
}

fn noise(shape: &[usize]) -> ArrayD<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}

fn round_trip(array: &Array, part: &str) {
    let part: Domain = part.parse().unwrap();
    let data = noise(&part.shape().iter().map(|&n| n as usize).collect::<Vec<_>>());
    array.write(part.origin(), data.view()).unwrap();
    let read = array.read::<u8>(&part).unwrap();
    assert_eq!(read.origin(), part.origin());
    assert_eq!(read.data(), data);
}

#[test]
fn boxes_come_back_in_every_encoding() {
    for encoding in ["gzip", "zstd", "blosclz", "raw"] {
        let folder = layer(encoding);
        round_trip(&open(&folder, 0), "0:200,0:200,0:10");
    }
}

#[test]
fn negative_coordinates() {
    let folder = layer("gzip");
    round_trip(&open(&folder, 0), "-200:0,-100:100,-5:395");
}

#[test]
fn offsets_that_are_no_multiple_of_the_chunk() {
    let folder = layer("zstd");
    round_trip(&open(&folder, 1), "203:403,203:403,102:112");
    round_trip(&open(&folder, 1), "-97:103,-297:-97,-3:7");
}

/// The volume ends at 210, 210, 2012: what lies beyond is not written, and reads as zeros.
fn over_the_boundary(part: &str) {
    let folder = layer("gzip");
    let array = open(&folder, 0);
    let part: Domain = part.parse().unwrap();
    let data = noise(&part.shape().iter().map(|&n| n as usize).collect::<Vec<_>>());
    array.write(part.origin(), data.view()).unwrap();
    let mut expected = ArrayD::<u8>::zeros(data.raw_dim());
    expected.slice_mut(s![..110, ..110, ..7]).assign(&data.slice(s![..110, ..110, ..7]));
    assert_eq!(array.read::<u8>(&part).unwrap().data(), expected);

    let strict = OpenOptions::new().open(folder.path().to_str().unwrap()).unwrap();
    let error = strict.write(part.origin(), data.view()).unwrap_err();
    assert_eq!(error.kind(), bigarrays::ErrorKind::OutOfBounds);
}

#[test]
fn aligned_boxes_over_the_boundary_are_cropped() {
    over_the_boundary("100:300,100:300,2005:2015");
}

#[test]
fn unaligned_boxes_over_the_boundary_are_cropped() {
    over_the_boundary("100:290,100:290,2005:2014");
}

#[test]
fn where_nothing_is_stored_there_are_zeros() {
    let folder = layer("blosclz");
    let read = open(&folder, 0).read::<u8>(&"-1000:-900,0:5,0:5".parse().unwrap()).unwrap();
    assert!(read.data().iter().all(|&value| value == 0));
    let read = open(&folder, 0).read::<u8>(&"-300:210,-300:-200,-10:0".parse().unwrap()).unwrap();
    assert!(read.data().iter().all(|&value| value == 0));
}

/// Segmentations and affinity maps: other types, and several channels.
#[test]
fn types_and_channels() {
    fn check<T: Element + PartialEq + std::fmt::Debug>(channels: Option<u64>, make: impl Fn(usize) -> T) {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("layer");
        let shape: Vec<u64> = [300, 300, 40].into_iter().chain(channels).collect();
        let mut spec = CreateSpec::new(T::DTYPE, Domain::from_shape(&shape).unwrap());
        spec.storage.chunk_shape = Some(vec![128, 128, 8]);
        let array = OpenOptions::new().create(url.to_str().unwrap(), &spec).unwrap();
        let part: Vec<usize> = [60, 50, 16].into_iter().chain(channels.map(|n| n as usize)).collect();
        let mut count = 0;
        let data = ArrayD::from_shape_simple_fn(IxDyn(&part), || {
            count += 1;
            make(count)
        });
        let origin: Vec<i64> = [100, 200, 16].into_iter().chain(channels.map(|_| 0)).collect();
        array.write(&origin, data.view()).unwrap();
        let domain = Domain::new(&origin, &part.iter().map(|&n| n as u64).collect::<Vec<_>>()).unwrap();
        assert_eq!(*array.read::<T>(&domain).unwrap().data(), data);
    }
    check::<u32>(None, |k| k as u32 * 77);
    check::<u64>(None, |k| (k as u64) << 30);
    check::<f32>(Some(3), |k| k as f32 / 3.0);
    check::<f64>(Some(4), |k| k as f64 / 3.0);
    check::<bool>(None, |k| k % 3 == 0);
    check::<i16>(Some(2), |k| (k as i16).wrapping_neg());
    assert_eq!(DataType::ALL.len(), 12);
}

/// Its `raw` layers hold gzipped chunks, and compressed layers may hold chunks as they are.
#[test]
fn compressed_or_not_whatever_the_encoding_says() {
    for (encoding, stored_as) in [("raw", "gzip"), ("gzip", "raw"), ("zstd", "raw")] {
        let (told, stored) = (layer(encoding), layer(stored_as));
        round_trip(&open(&stored, 0), "-10:0,-10:0,-10:0");
        let part: Domain = "-10:0,-10:0,-10:0".parse().unwrap();
        let expected = open(&stored, 0).read::<u8>(&part).unwrap();
        std::fs::rename(stored.path().join("6_6_30"), told.path().join("6_6_30")).unwrap();
        assert_eq!(open(&told, 0).read::<u8>(&part).unwrap(), expected, "{encoding}");
        assert_eq!(open(&told, 0).get::<u8>(&[-3, -4, -5]).unwrap(), expected.get(&[-3, -4, -5]).unwrap());
        round_trip(&open(&told, 0), "-15:3,-12:1,-10:0");
    }
}
