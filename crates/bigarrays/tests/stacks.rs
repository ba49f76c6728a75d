//! Plain files that other programs wrote, and what becomes of them when they are damaged.
//!
//! The files are made by `data/stacks/generate.py`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bigarrays::base::buffer::{Order, ViewMut};
use bigarrays::format::Opened;
use bigarrays::format::files::{npy, stack, tiff};
use bigarrays::store::{Get, Part};
use bigarrays::{Error, ErrorKind, Result};
use proptest::prelude::*;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stacks").join(name)
}

fn open(path: &Path) -> Result<Opened> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => npy::open(path),
        Some("tif") => tiff::open(path),
        _ => stack::open(stack::find(path)?),
    }
}

/// All elements in C order.
fn read_all(Opened { layout, store, .. }: &Opened) -> Result<Vec<u8>> {
    let shape: Vec<usize> = layout.domain().shape().iter().map(|&length| length as usize).collect();
    let item = layout.dtype.size();
    let all = Mutex::new(vec![0; shape.iter().product::<usize>() * item]);
    let parts: Vec<_> = layout.grid.project(layout.domain()).iter().collect();
    let gets: Vec<_> =
        parts.iter().map(|part| Get::new(layout.chunk_key(&part.index), Part::Whole, u64::MAX)).collect();
    store.get_many(&gets, &|k, blob| {
        let mut all = all.lock().unwrap();
        let mut out = ViewMut::dense(&mut all, &shape, item, Order::C)?.region(&parts[k].in_output);
        let blob = blob.ok_or_else(|| Error::corrupt("missing"))?;
        layout.codecs.decode(blob.bytes, &layout.chunk_spec(&parts[k].index), &parts[k].in_chunk, &mut out)
    })?;
    Ok(all.into_inner().unwrap())
}

#[test]
fn files_of_other_programs_are_read() {
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data("expected.json")).unwrap()).unwrap();
    for (name, expected) in expected.as_object().unwrap() {
        let opened = open(&data(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let layout = &opened.layout;
        assert_eq!(layout.dtype.name(), expected["dtype"], "{name}");
        assert_eq!(serde_json::json!(layout.domain().shape()), expected["shape"], "{name}");
        assert_eq!(layout.axis_names.concat(), expected["axes"].as_str().unwrap(), "{name}");
        let bytes = read_all(&opened).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(u64::from(libdeflater::crc32(&bytes)), expected["crc32"], "{name}");
        let resolution = layout.resolution.as_ref().map(|found| &found.size[..]);
        let wanted: Option<Vec<f64>> = serde_json::from_value(expected["resolution"].clone()).unwrap();
        assert_eq!(resolution, wanted.as_deref(), "{name}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let error = open(&data("odd-page.tif")).unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("page 2"), "{error}");
    let error = stack::open(vec![data("palette.png")]).unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("palette"), "{error}");
    let error = stack::open(vec![data("deflate-u1.tif")]).unwrap_err();
    assert!(error.to_string().contains("a slice of 3 pages"), "{error}");
}

/// Damage is an error or gives other elements; it is never a panic.
fn survives(name: &str, bytes: &[u8]) {
    if name.ends_with(".tif")
        && let Ok(opened) = tiff::open_bytes(bytes.to_vec(), name)
        && opened.layout.domain().checked_len().is_ok_and(|length| length < 1 << 24)
    {
        let _ = read_all(&opened);
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(Path::new(name).file_name().unwrap());
    std::fs::write(&path, bytes).unwrap();
    let opened = if name.ends_with(".npy") { npy::open(&path) } else { stack::open(vec![path]) };
    if let Ok(opened) = opened
        && opened.layout.domain().checked_len().is_ok_and(|length| length < 1 << 24)
    {
        let _ = read_all(&opened);
    }
}

const DAMAGED: [&str; 14] = [
    "fortran-i2-big.npy",
    "big-endian-lzw.tif",
    "bigtiff-tiles.tif",
    "float-predictor.tif",
    "bilevel.tif",
    "white-is-zero.tif",
    "planar.tif",
    "rgba.tif",
    "imagej.tif",
    "group4.tif",
    "png-gray16/slice2.png",
    "png-bits/slice2.png",
    "tiff-slices/slice2.tif",
    "jpeg/slice2.jpg",
];

#[test]
fn files_cut_short_are_errors() {
    for name in DAMAGED {
        let bytes = std::fs::read(data(name)).unwrap();
        for part in [0, 3, 10, bytes.len() / 2, bytes.len() - 40] {
            survives(name, &bytes[..part]);
        }
    }
    let bytes = std::fs::read(data("png-gray16/slice2.png")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.png");
    std::fs::write(&path, &bytes[..bytes.len() - 30]).unwrap();
    let error = read_all(&stack::open(vec![path]).unwrap()).unwrap_err();
    assert!(error.kind() == ErrorKind::CorruptData && error.key().unwrap().ends_with("a.png"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_are_survived(
        file in 0..DAMAGED.len(),
        flips in prop::collection::vec((any::<usize>(), 0u8..8, any::<bool>()), 1..4),
    ) {
        let mut bytes = std::fs::read(data(DAMAGED[file])).unwrap();
        for (at, bit, in_header) in flips {
            let reach = if in_header { bytes.len().min(400) } else { bytes.len() };
            bytes[at % reach] ^= 1 << bit;
        }
        survives(DAMAGED[file], &bytes);
    }
}
