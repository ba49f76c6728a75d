//! The hot inner parts: strided copies, projections, and reads of local layers against a bare copy.
#![allow(clippy::unwrap_used)]
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use bigarrays::base::buffer::{Order, View, ViewMut};
use bigarrays::chunk::grid::{ChunkGrid, EdgeChunks};
use bigarrays::ndarray::{ArrayD, IxDyn, ShapeBuilder};
use bigarrays::{Array, CreateSpec, DataType, Domain, OpenOptions};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const EDGE: usize = 256;

fn copies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("copy 128³ u16");
    let shape = [128usize; 3];
    let source = vec![1u8; 128 * 128 * 128 * 2];
    let mut target = source.clone();
    group.throughput(Throughput::Bytes(source.len() as u64));
    group.bench_function("memcpy", |b| b.iter(|| black_box(&mut target).copy_from_slice(black_box(&source))));
    for (name, from, to) in [("same order", Order::C, Order::C), ("other order", Order::C, Order::Fortran)] {
        let mut target = source.clone();
        group.bench_function(name, |b| {
            b.iter(|| {
                let view = View::dense(&source, &shape, 2, from).unwrap();
                ViewMut::dense(black_box(&mut target), &shape, 2, to).unwrap().copy_from(&view);
            });
        });
    }
    group.finish();
}

fn projections(criterion: &mut Criterion) {
    let domain = Domain::from_shape(&[1 << 20; 3]).unwrap();
    let grid = ChunkGrid::new(domain, &[64; 3], EdgeChunks::Clipped).unwrap();
    let part: Domain = "1000:1640,70000:70640,5:645".parse().unwrap();
    criterion.bench_function("project 1331 chunks", |b| {
        b.iter(|| grid.project(black_box(&part)).iter().map(|part| part.in_chunk.count[0]).sum::<usize>());
    });
}

fn layer(folder: &std::path::Path, encoding: &str, chunk: [u64; 3]) -> Array {
    let url = folder.join(format!("{encoding}{}", chunk[2]));
    let mut spec = CreateSpec::new(DataType::U8, Domain::from_shape(&[EDGE as u64; 3]).unwrap());
    spec.storage.chunk_shape = Some(chunk.to_vec());
    spec.storage.encoding = Some(encoding.to_owned());
    let array = OpenOptions::new().create(url.to_str().unwrap(), &spec).unwrap();
    let make = |index: (usize, usize, usize)| ((index.0 * index.1) / 64 + index.2 * 3) as u8;
    let data = bigarrays::ndarray::Array3::from_shape_fn((EDGE, EDGE, EDGE).f(), make);
    array.write(&[0; 3], data.view()).unwrap();
    array
}

fn reads(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    for (encoding, chunk) in [("raw", [64; 3]), ("raw", [256, 256, 32]), ("gzip", [64; 3]), ("jpeg", [64; 3])]
    {
        let array = layer(folder.path(), encoding, chunk);
        let mut group = criterion.benchmark_group(format!("{encoding} {chunk:?}"));
        group.measurement_time(Duration::from_secs(3)).sample_size(20);
        group.throughput(Throughput::Bytes((EDGE * EDGE * EDGE) as u64));
        group.bench_function("read all", |b| b.iter(|| array.read::<u8>(array.domain()).unwrap()));
        let data = array.read::<u8>(array.domain()).unwrap().into_data();
        group.bench_function("write all", |b| b.iter(|| array.write(&[0; 3], data.view()).unwrap()));
        let part: Domain = "37:101,50:114,11:75".parse().unwrap();
        group.throughput(Throughput::Bytes(64 * 64 * 64));
        group.bench_function("read a box of 64³", |b| b.iter(|| array.read::<u8>(&part).unwrap()));
        let data = ArrayD::<u8>::zeros(IxDyn(&[64, 64, 64]).f());
        group.bench_function("write a box of 64³", |b| {
            b.iter(|| array.write(part.origin(), data.view()).unwrap());
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function("read a voxel", |b| {
            b.iter(|| array.get::<u8>(black_box(&[200, 100, 50])).unwrap());
        });
        group.finish();
    }
}

criterion_group!(benches, copies, projections, reads);
criterion_main!(benches);
