//! Chunks of labels that other tools wrote; see `data/codec/generate.py`.

#![allow(clippy::unwrap_used)] // Helpers of tests, too, fail by panicking.

use bigarrays::DataType;
use bigarrays::base::buffer::{Order, Region, View, ViewMut};
use bigarrays::base::dims::Dims;
use bigarrays::chunk::codec::{ArrayCodec, ChunkSpec, CompressedSegmentation, Compresso};

/// The label that `generate.py` puts at `[x, y, z, c]`, before it is cut to the type's size.
fn label([x, y, z, c]: [u64; 4]) -> u64 {
    if x / 16 == 1 {
        return z / 4;
    }
    if (x * 31 + y * 17 + z * 13) % 23 == 0 {
        return u64::MAX - x % 9;
    }
    let cell = (x + y / 2) / 7 + 31 * ((y + z) / 9) + 1009 * (z / 5) + 100_003 * c;
    cell.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The elements of `region`, dense in `order`.
fn labels(spec: &ChunkSpec, region: &Region, order: Order) -> Vec<u8> {
    let size = spec.dtype.size();
    let strides = order.strides(&region.count, size);
    let count: usize = region.count.iter().product();
    let mut bytes = vec![0; count * size];
    for k in 0..count {
        let (mut rest, mut at, mut place) = (k, [0; 4], 0);
        for axis in 0..region.count.len() {
            let index = rest % region.count[axis];
            rest /= region.count[axis];
            at[axis] = (region.start[axis] + index * region.step[axis]) as u64;
            place += index * strides[axis] as usize;
        }
        bytes[place..place + size].copy_from_slice(&label(at).to_le_bytes()[..size]);
    }
    bytes
}

fn assert_decodes(codec: &dyn ArrayCodec, file: &[u8], spec: &ChunkSpec) {
    assert!(file.len() <= codec.max_encoded_len(spec));
    let mut part = Region::whole(&spec.shape);
    for axis in 0..3 {
        let length = spec.shape[axis];
        (part.start[axis], part.step[axis]) = (length / 3, axis + 1);
        part.count[axis] = (length - part.start[axis]).div_ceil(axis + 2).max(1);
    }
    let mut slab = Region::whole(&spec.shape);
    (slab.start[2], slab.count[2]) = (2, 2);
    for region in [Region::whole(&spec.shape), part, slab] {
        for order in [Order::C, Order::Fortran] {
            let expected = labels(spec, &region, order);
            let mut got = vec![0; expected.len()];
            let mut out = ViewMut::dense(&mut got, &region.count, spec.dtype.size(), order).unwrap();
            codec.decode(file, spec, &region, &mut out).unwrap();
            assert!(got == expected, "{} {spec:?} {region:?} {order:?}", codec.name());
        }
    }
}

fn spec(dtype: DataType, shape: &[usize]) -> ChunkSpec {
    ChunkSpec { dtype, shape: shape.into() }
}

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("data/codec/", $name, ".bin"))
    };
}

/// Reads what TensorStore and CloudVolume write, which is the same, and writes it byte for byte.
#[test]
fn compressed_segmentation_of_tensorstore_and_cloudvolume() {
    let files: [(&[u8], _, _, _); 3] = [
        (golden!("cseg8x8x8-uint32-35x21x10x1"), DataType::U32, [8, 8, 8], [35, 21, 10, 1]),
        (golden!("cseg8x8x8-uint64-33x18x9x2"), DataType::U64, [8, 8, 8], [33, 18, 9, 2]),
        (golden!("cseg5x7x3-uint64-19x22x11x1"), DataType::U64, [5, 7, 3], [19, 22, 11, 1]),
    ];
    for (file, dtype, block, shape) in files {
        let (codec, spec) = (CompressedSegmentation::new(block).unwrap(), spec(dtype, &shape));
        assert_decodes(&codec, file, &spec);
        for order in [Order::C, Order::Fortran] {
            let bytes = labels(&spec, &Region::whole(&shape), order);
            let mut encoded = vec![7];
            let view = View::dense(&bytes, &shape, dtype.size(), order).unwrap();
            codec.encode(&view, &spec, &mut encoded).unwrap();
            assert!(encoded[1..] == *file, "{spec:?}");
        }
    }
}

#[test]
fn compresso_of_both_versions_and_connectivities() {
    let files: [(&[u8], _, [usize; 3]); 4] = [
        (golden!("compresso4-4x4x1-uint8-37x21x6"), DataType::U8, [37, 21, 6]),
        (golden!("compresso4-8x8x1-uint16-24x18x7"), DataType::U16, [24, 18, 7]),
        (golden!("compresso6-4x4x2-uint32-21x19x9"), DataType::U32, [21, 19, 9]),
        (golden!("compresso4-4x2x1-uint64-9x26x8"), DataType::U64, [9, 26, 8]),
    ];
    for (file, dtype, shape) in files {
        assert_decodes(&Compresso, file, &spec(dtype, &shape));
        let four: Dims<usize> = [&shape[..], &[1]].concat().into();
        assert_decodes(&Compresso, file, &spec(dtype, &four));
    }
}
