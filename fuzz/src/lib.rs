//! What the fuzz targets share: the first bytes of an input choose what is expected, the rest is decoded.

use bigarrays::DataType;
use bigarrays::base::buffer::{Order, Region, View, ViewMut};
use bigarrays::chunk::codec::{ArrayCodec, BytesCodec, ChunkSpec, Points};
use bigarrays::base::dims::Dims;

/// Bytes of an input that choose the chunk and the region: type and order, three lengths, channels,
/// three places, three steps.
pub const CHOICES: usize = 11;

/// Decodes an input into a part of exactly the right size, and into nothing more.
///
/// The result for a part, and for single elements, has to be that of the whole, where both succeed.
pub fn array(codec: &dyn ArrayCodec, input: &[u8]) {
    let Some(choice) = input.first() else { return };
    array_of(codec, DataType::ALL[usize::from(choice >> 1) % DataType::ALL.len()], input);
}

/// As [`array`], of elements of `dtype`.
pub fn array_of(codec: &dyn ArrayCodec, dtype: DataType, input: &[u8]) {
    let Some((choices, bytes)) = input.split_first_chunk::<CHOICES>() else { return };
    let order = if choices[0] & 1 == 0 { Order::Fortran } else { Order::C };
    let mut shape: Dims<usize> = choices[1..4].iter().map(|&length| 1 + usize::from(length)).collect();
    if choices[4] > 0 {
        shape.push(usize::from(choices[4]));
    }
    let spec = ChunkSpec { dtype, shape };
    if codec.check(&spec).is_err() || spec.byte_len().is_ok_and(|length| length > 4 << 20) {
        return;
    }
    let mut region = Region::whole(&spec.shape);
    let whole = decode(codec, bytes, &spec, &region, order);
    for axis in 0..3 {
        region.start[axis] = usize::from(choices[5 + axis]) % spec.shape[axis];
        region.step[axis] = 1 + usize::from(choices[8 + axis] & 3);
        let most = (spec.shape[axis] - region.start[axis]).div_ceil(region.step[axis]);
        region.count[axis] = 1 + usize::from(choices[8 + axis] >> 2) % most;
    }
    let part = decode(codec, bytes, &spec, &region, order);
    elements(codec, bytes, &spec, [&region.start, &region.count], whole.as_deref(), order);
    let (Some(whole), Some(part)) = (whole, part) else { return };
    let item = dtype.size();
    let whole = View::dense(&whole, &spec.shape, item, order).unwrap().region(&region);
    let mut expected = vec![0; part.len()];
    ViewMut::dense(&mut expected, &region.count, item, order).unwrap().copy_from(&whole);
    assert!(expected == part, "a part differs from the whole");
}

/// Decodes the first and last element of a region, and one between.
fn elements(
    codec: &dyn ArrayCodec,
    bytes: &[u8],
    spec: &ChunkSpec,
    [start, count]: [&Dims<usize>; 2],
    whole: Option<&[u8]>,
    order: Order,
) {
    let (item, ndim) = (spec.dtype.size(), spec.shape.len());
    let at = |k: usize| (0..ndim).map(move |axis| (start[axis] + k * (count[axis] - 1) / 2) % spec.shape[axis]);
    let indices: Vec<usize> = (0..3).flat_map(at).collect();
    let mut out = vec![0; 3 * item];
    let points = Points::new(&indices, &spec.shape).unwrap();
    let decoded = codec.decode_points(bytes, spec, &points, order, &mut out);
    let (Some(whole), Ok(())) = (whole, decoded) else { return };
    let strides = order.strides(&spec.shape, item);
    for (point, element) in points.iter().zip(out.chunks_exact(item)) {
        let at: usize = point.iter().zip(&strides).map(|(at, stride)| at * *stride as usize).sum();
        assert!(whole[at..at + item] == *element, "an element differs from the whole");
    }
}

fn decode(
    codec: &dyn ArrayCodec,
    bytes: &[u8],
    spec: &ChunkSpec,
    region: &Region,
    order: Order,
) -> Option<Vec<u8>> {
    let item = spec.dtype.size();
    let mut out = vec![0; region.count.iter().product::<usize>() * item];
    let mut view = ViewMut::dense(&mut out, &region.count, item, order).unwrap();
    codec.decode(bytes, spec, region, &mut view).ok()?;
    Some(out)
}

/// Decodes an input, of which the first four bytes limit the output.
pub fn bytes(codec: &dyn BytesCodec, input: &[u8]) {
    let Some((limit, bytes)) = input.split_first_chunk::<4>() else { return };
    let limit = u32::from_le_bytes(*limit) as usize % (1 << 22);
    let mut out = Vec::new();
    if let Ok(length) = codec.decode(bytes, limit, &mut out) {
        assert!(length <= out.len());
    }
    assert!(out.len() <= limit, "grew beyond the limit");
}
