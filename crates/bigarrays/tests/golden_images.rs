//! Chunks that other tools wrote, against what those tools read from them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use bigarrays::DataType;
use bigarrays::base::buffer::{Order, Region, ViewMut};
use bigarrays::base::dims::Dims;
use bigarrays::chunk::codec::{
    self, ArrayCodec, Blosc, BytesCodec, ChunkSpec, ContentEncoding, Jpeg, Jxl, Png,
};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/images").join(name)).unwrap()
}

/// The largest difference between the chunk `encoded` and the bytes of the file `raw`.
fn difference(codec: &dyn ArrayCodec, encoded: &str, raw: &str, dtype: DataType, shape: &[usize]) -> u8 {
    let spec = ChunkSpec { dtype, shape: Dims::from_slice(shape) };
    let mut out = vec![0; spec.byte_len().unwrap()];
    let mut view = ViewMut::dense(&mut out, shape, dtype.size(), Order::Fortran).unwrap();
    codec.decode(&file(encoded), &spec, &Region::whole(shape), &mut view).unwrap();
    let expected = file(raw);
    assert_eq!(out.len(), expected.len(), "{raw}");
    out.iter().zip(&expected).map(|(got, expected)| got.abs_diff(*expected)).max().unwrap()
}

#[test]
fn jpeg_of_tensorstore_and_pillow() {
    let jpeg = Jpeg::new(75).unwrap();
    for (shape, name) in [(&[24, 18, 10, 1], "jpeg-u8-24x18x10x1"), (&[16, 18, 5, 3], "jpeg-u8-16x18x5x3")] {
        let [encoded, raw] = ["tensorstore", "raw"].map(|suffix| format!("{name}.{suffix}"));
        assert!(difference(&jpeg, &encoded, &raw, DataType::U8, shape) <= 1, "{name}");
    }
    let [encoded, raw] = ["jpeg", "raw"].map(|suffix| format!("pillow-u8-24x18x10x1.{suffix}"));
    assert!(difference(&jpeg, &encoded, &raw, DataType::U8, &[24, 18, 10]) <= 1);
}

#[test]
fn png_of_tensorstore_and_pillow() {
    let png = Png::new(6).unwrap();
    let same = |encoded, raw, dtype, shape: &[usize]| {
        assert_eq!(difference(&png, encoded, raw, dtype, shape), 0, "{encoded}");
    };
    same("png-u8-9x8x7x1.tensorstore", "png-u8-9x8x7x1.raw", DataType::U8, &[9, 8, 7, 1]);
    same("png-u16-9x8x7x3.tensorstore", "png-u16-9x8x7x3.raw", DataType::U16, &[9, 8, 7, 3]);
    same("pillow-u8-24x18x10x1.png", "cloudvolume-u8-24x18x10x1.raw", DataType::U8, &[24, 18, 10]);
}

#[test]
fn jxl_of_cloudvolume_and_imagecodecs() {
    for (shape, name, most) in [
        (&[24, 18, 10, 1], "cloudvolume-u8-24x18x10x1", 0),
        (&[24, 18, 10, 1], "cloudvolume-lossy-u8-24x18x10x1", 1),
        (&[16, 18, 5, 3], "imagecodecs-u8-16x18x5x3", 0),
    ] {
        let [encoded, raw] = ["jxl", "raw"].map(|suffix| format!("{name}.{suffix}"));
        assert!(difference(&Jxl, &encoded, &raw, DataType::U8, shape) <= most, "{name}");
    }
}

#[test]
fn compressed_by_other_tools() {
    let plain = file("plain.raw");
    let check = |codec: &dyn BytesCodec| {
        let mut out = Vec::new();
        let bytes = file(&format!("plain.{}", codec.name()));
        assert_eq!(codec.decode(&bytes, plain.len(), &mut out).unwrap(), plain.len());
        assert_eq!(out, plain, "{}", codec.name());
    };
    check(&Blosc::new(4, 5).unwrap());
    ContentEncoding::ALL.into_iter().filter_map(ContentEncoding::codec).for_each(check);
}

#[test]
fn the_table_lists_every_codec_once() {
    let names: Vec<&str> = codec::BUILTIN.iter().map(|info| info.name).collect();
    for name in ["raw", "jpeg", "png", "jxl", "gzip", "zstd", "br", "blosclz"] {
        assert_eq!(names.iter().filter(|&&known| known == name).count(), 1, "{name}");
    }
}
