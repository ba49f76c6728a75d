//! Tests that every codec has to pass: damage never panics, and a bomb does not go off.

use crate::base::buffer::{Order, Region, View, ViewMut};
use crate::base::dims::Dims;
use crate::chunk::codec::{ArrayCodec, BytesCodec, ChunkSpec, Points};

/// A small random generator (SplitMix64), so that failures repeat.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// Calls `visit` with truncations, bit flips and overwritten parts of `bytes`.
fn damages(bytes: &[u8], mut visit: impl FnMut(&[u8], bool)) {
    let mut random = Random(bytes.len() as u64);
    for _ in 0..200 {
        visit(&bytes[..random.below(bytes.len())], true);
        let mut damaged = bytes.to_vec();
        for _ in 0..=random.below(4) {
            damaged[random.below(bytes.len())] ^= 1 << random.below(8);
        }
        visit(&damaged, false);
        let start = random.below(bytes.len());
        let end = (start + 1 + random.below(16)).min(bytes.len());
        damaged[start..end].fill([0, 0xff, 0x7f][random.below(3)]);
        visit(&damaged, false);
    }
}

/// Textured bytes, smooth enough for images to compress.
pub(crate) fn texture(len: usize) -> Vec<u8> {
    let mut random = Random(1);
    (0..len).map(|i| (100.0 + 60.0 * (i as f32 / 9.0).sin()) as u8 + random.below(8) as u8).collect()
}

/// Round trip, damage and bombs of a bytes codec.
pub(crate) fn bytes_codec(codec: &dyn BytesCodec) {
    let plain = texture(5000);
    let mut bytes = vec![9];
    codec.encode(&plain, &mut bytes).unwrap();
    assert_eq!(bytes.remove(0), 9, "appends");
    assert!(bytes.len() <= codec.max_encoded_len(plain.len()));
    let mut out = vec![1; 10];
    assert_eq!(codec.decode(&bytes, plain.len(), &mut out).unwrap(), plain.len());
    assert_eq!(out, plain);
    for length in [plain.len() - 1, plain.len(), plain.len() + 1] {
        let mut out = vec![0; length];
        assert_eq!(codec.decode_exact(&bytes, &mut out).is_ok(), length == plain.len());
        assert!(length != plain.len() || out == plain);
    }
    damages(&bytes, |damaged, truncated| {
        let mut out = Vec::new();
        let result = codec.decode(damaged, plain.len(), &mut out);
        assert!(out.len() <= plain.len());
        assert!(result.is_err() || !truncated, "a truncation passes");
    });
    let mut bomb = Vec::new();
    codec.encode(&vec![0; 16 << 20], &mut bomb).unwrap();
    assert!(bomb.len() < 1 << 20);
    let mut out = Vec::new();
    assert!(codec.decode(&bomb, 1000, &mut out).is_err());
    assert!(out.capacity() <= 4096);
}

/// Decodes all of `bytes` into a dense chunk in Fortran order.
pub(crate) fn decode(
    codec: &dyn ArrayCodec,
    bytes: &[u8],
    spec: &ChunkSpec,
) -> crate::base::error::Result<Vec<u8>> {
    let mut out = vec![0; spec.byte_len()?];
    let mut view = ViewMut::dense(&mut out, &spec.shape, spec.dtype.size(), Order::Fortran)?;
    codec.decode(bytes, spec, &Region::whole(&spec.shape), &mut view)?;
    Ok(out)
}

/// Decodes the elements of `bytes` at some points.
fn elements_at(
    codec: &dyn ArrayCodec,
    bytes: &[u8],
    spec: &ChunkSpec,
    indices: &[usize],
) -> crate::base::error::Result<Vec<u8>> {
    let points = Points::new(indices, &spec.shape)?;
    let mut out = vec![0; points.len() * spec.dtype.size()];
    codec.decode_points(bytes, spec, &points, Order::Fortran, &mut out)?;
    Ok(out)
}

/// Damage, parts, single elements, and chunks of another shape than that of the valid encoding `bytes`.
pub(crate) fn array_codec(codec: &dyn ArrayCodec, bytes: &[u8], spec: &ChunkSpec) {
    let whole = decode(codec, bytes, spec).unwrap();
    let mut random = Random(3);
    let some: Vec<usize> =
        (0..12 * spec.shape.len()).map(|k| random.below(spec.shape[k % spec.shape.len()])).collect();
    damages(bytes, |damaged, truncated| {
        let result = decode(codec, damaged, spec);
        assert!(result.is_err() || !truncated, "a truncation passes");
        drop(elements_at(codec, damaged, spec, &some));
    });
    for count in [0, 1, 3, 12] {
        let some = &some[..count * spec.shape.len()];
        let strides = Order::Fortran.strides(&spec.shape, spec.dtype.size());
        let at = |point: &[usize]| point.iter().zip(&strides).map(|(at, stride)| at * *stride as usize).sum();
        let starts = some.chunks_exact(spec.shape.len()).map(at);
        let expected: Vec<u8> =
            starts.flat_map(|at: usize| &whole[at..at + spec.dtype.size()]).copied().collect();
        assert_eq!(elements_at(codec, bytes, spec, some).unwrap(), expected);
    }
    for axis in 0..3 {
        let mut other = spec.clone();
        other.shape[axis] += 1;
        assert!(decode(codec, bytes, &other).is_err());
    }
    let mut random = Random(7);
    let item = spec.dtype.size();
    for order in [Order::C, Order::Fortran] {
        for _ in 0..20 {
            let mut region = Region::whole(&spec.shape);
            for axis in 0..spec.shape.len() {
                region.start[axis] = random.below(spec.shape[axis]);
                region.step[axis] = 1 + random.below(3);
                let most = (spec.shape[axis] - region.start[axis]).div_ceil(region.step[axis]);
                region.count[axis] = 1 + random.below(most);
            }
            let size = region.count.iter().product::<usize>() * item;
            let (mut expected, mut got) = (vec![0; size], vec![0; size]);
            let part = View::dense(&whole, &spec.shape, item, Order::Fortran).unwrap().region(&region);
            ViewMut::dense(&mut expected, &region.count, item, order).unwrap().copy_from(&part);
            let mut out = ViewMut::dense(&mut got, &region.count, item, order).unwrap();
            codec.decode(bytes, spec, &region, &mut out).unwrap();
            assert_eq!(expected, got, "{region:?}");
        }
    }
}

/// A chunk's spec.
pub(crate) fn spec(dtype: crate::base::dtype::DataType, shape: &[usize]) -> ChunkSpec {
    ChunkSpec { dtype, shape: Dims::from_slice(shape) }
}
