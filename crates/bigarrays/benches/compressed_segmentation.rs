//! Speed of `compressed_segmentation` on one core, in bytes of labels, beside a plain copy.

#![allow(clippy::expect_used, missing_docs)] // A bench that cannot be set up should fail.

use std::hint::black_box;

use bigarrays::DataType;
use bigarrays::base::buffer::{Order, Region, View, ViewMut};
use bigarrays::chunk::codec::{ArrayCodec, ChunkSpec, CompressedSegmentation};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Edge of the cells' grid, in elements.
const CELL: i64 = 40;

/// The label of the seed of a grid cell, and the seed's place: one somewhere in each cell.
fn seed(cell: [i64; 3]) -> (u64, [i64; 3]) {
    let hash = cell
        .iter()
        .fold(1u64, |hash, &at| (hash ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31));
    let place = |axis: usize| cell[axis] * CELL + (hash >> (16 * axis) & 0xffff) as i64 % CELL;
    (hash >> 20, [place(0), place(1), place(2)])
}

/// Voronoi cells, dense in Fortran order.
fn cells([nx, ny, nz]: [usize; 3]) -> Vec<u8> {
    let mut labels = Vec::with_capacity(nx * ny * nz * 8);
    for at in (0..nx * ny * nz).map(|i| [i % nx, i / nx % ny, i / (nx * ny)].map(|i| i as i64)) {
        let near = (0..27).map(|k| {
            let around = [k % 3 - 1, k / 3 % 3 - 1, k / 9 - 1];
            let (label, place) = seed(std::array::from_fn(|axis| at[axis] / CELL + around[axis]));
            ((0..3).map(|axis| (place[axis] - at[axis]).pow(2)).sum::<i64>(), label)
        });
        labels.extend(near.min().map_or(0, |(_, label)| label).to_le_bytes());
    }
    labels
}

fn bench(criterion: &mut Criterion) {
    let codec = CompressedSegmentation::new([8, 8, 8]).expect("a block shape");
    for shape in [[64, 64, 64], [256, 256, 32]] {
        let labels = cells(shape);
        let spec = ChunkSpec { dtype: DataType::U64, shape: shape[..].into() };
        let chunk = View::dense(&labels, &shape, 8, Order::Fortran).expect("a chunk");
        let mut encoded = Vec::new();
        codec.encode(&chunk, &spec, &mut encoded).expect("an encoding");
        let mut out = labels.clone();
        let mut group =
            criterion.benchmark_group(format!("{shape:?}, {} times smaller", labels.len() / encoded.len()));
        group.throughput(Throughput::Bytes(labels.len() as u64));
        group.bench_function("copy", |bencher| bencher.iter(|| out.copy_from_slice(black_box(&labels))));
        group.bench_function("encode", |bencher| {
            bencher.iter(|| {
                encoded.clear();
                codec.encode(black_box(&chunk), &spec, &mut encoded).expect("an encoding");
            });
        });
        for (name, order) in [("decode", Order::Fortran), ("decode to C order", Order::C)] {
            group.bench_function(name, |bencher| {
                let mut view = ViewMut::dense(&mut out, &shape, 8, order).expect("an output");
                let whole = Region::whole(&shape);
                bencher.iter(|| codec.decode(black_box(&encoded), &spec, &whole, &mut view).expect("labels"));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
