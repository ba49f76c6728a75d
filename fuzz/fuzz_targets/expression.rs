#![no_main]
//! Expressions as `bigarrays compute` takes them.

use std::cell::Cell;
use std::sync::LazyLock;

use bigarrays::base::buffer::{Order, ViewMut};
use bigarrays::compute::{ComputeOptions, Lazy, parse_all};
use bigarrays::ndarray::Array3;
use bigarrays::{Array, CreateSpec, DataType, Domain, OpenOptions};

/// Elements of a result that is computed.
const MOST: usize = 10_000;

/// The names of [`SOURCES`].
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Arrays that meet in all ways: `a` is stored in chunks and its axes have names, `b` has the last axis of `a`, of which `c`
/// has one coordinate, `d` has no elements, and `e` more than can be counted.
static SOURCES: LazyLock<[Lazy; 5]> = LazyLock::new(|| {
    let reals = [-1.5, 0.0, f64::NAN, 1e300, f64::INFINITY].map(f64::to_ne_bytes).concat();
    let small = stored("small", "0:10,0:6,0:5", 4);
    let elements = Array3::from_shape_fn((6, 6, 5), |(z, y, x)| (45 * z + 8 * y + x) as u8);
    small.write(&[0, 0, 0], elements.view()).unwrap();
    [
        Lazy::of(&small.translate(&[-7, 0, -2]).unwrap()).unwrap(),
        Lazy::of_elements(&domain("-2:3"), DataType::F64, &reals).unwrap(),
        Lazy::of_elements(&domain("-7:3,0:6,-2:-1"), DataType::Bool, &[[0, 1, 1]; 20].concat()).unwrap(),
        Lazy::of_elements(&domain("9:9"), DataType::I64, &[]).unwrap(),
        Lazy::of(&stored("large", "0:4294967296,0:4294967296,0:1000", 64)).unwrap(),
    ]
});

/// Whole numbers of eight bits in chunks, of which there are none.
fn stored(name: &str, covered: &str, chunk: u64) -> Array {
    let mut spec = CreateSpec::new(DataType::U8, domain(covered));
    spec.array.dimension_names = Some(["z", "y", "x"].map(|name| Some(name.to_owned())).to_vec());
    spec.storage.chunk_shape = Some(vec![chunk; 3]);
    OpenOptions::new().format("zarr3").create(&format!("memory://{name}"), &spec).unwrap()
}

fn domain(text: &str) -> Domain {
    text.parse().unwrap()
}

// Whatever the text is, it is an expression or an error, which is planned, and what it computes is there or an error.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let is_large = Cell::new(false);
    let source = |name: &str| {
        is_large.set(is_large.get() || name == "e");
        Some(SOURCES[NAMES.iter().position(|known| *known == name)?].clone())
    };
    let Ok(all) = parse_all(text, &source) else { return };
    all.iter().for_each(|(_, lazy)| computed(lazy, is_large.get()));
});

/// Plans an expression, and computes it if it is small.
fn computed(lazy: &Lazy, is_large: bool) {
    let options = ComputeOptions { memory: 64 << 20, ..ComputeOptions::default() };
    let _ = (lazy.to_string(), lazy.order(), lazy.plan(None, &options).map(|plan| plan.to_string()));
    let shape: Vec<usize> = lazy.domain().shape().iter().map(|&length| length as usize).collect();
    let count = shape.iter().try_fold(1, |all: usize, &length| all.checked_mul(length));
    let Some(count) = count.filter(|&count| !is_large && count <= MOST) else { return };
    let item = lazy.dtype().size();
    let mut out = vec![0; count * item];
    let out = ViewMut::dense(&mut out, &shape, item, Order::C).unwrap();
    let _ = lazy.compute_into(out, &options);
}
