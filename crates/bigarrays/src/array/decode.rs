//! Decoding what a store sends.

use crate::base::buffer::{Order, Region, ViewMut, byte_len, try_first_bytes, with_scratch};
use crate::base::error::{Error, Result};
use crate::chunk::codec::{ChunkSpec, Points};
use crate::chunk::grid::ChunkProjection;
use crate::chunk::layout::Layout;
use crate::store::Blob;

/// Decodes what the store sent for `part` into `out`.
pub(super) fn decode(
    layout: &Layout,
    part: &ChunkProjection,
    blob: Blob<'_>,
    out: &mut ViewMut<'_>,
) -> Result<()> {
    let spec = layout.chunk_spec(&part.index);
    if !blob.is_whole() {
        return layout.codecs.decode_ranges(blob.bytes, &spec, &part.in_chunk, out);
    }
    let around = blob.encoding.codec();
    if around.is_some_and(|codec| layout.codecs.decode_plain(codec, blob.bytes, (&spec, &part.in_chunk), out))
    {
        return Ok(());
    }
    blob.encoding.with_decoded(blob.bytes, layout.codecs.max_encoded_len(&spec), |bytes| {
        layout.codecs.decode(bytes, &spec, &part.in_chunk, out)
    })
}

/// Decodes what the store sent for `part`, of elements that have lengths of their own, and hands over each, in C order.
pub(super) fn decode_long(
    layout: &Layout,
    part: &ChunkProjection,
    blob: Blob<'_>,
    receive: &mut dyn FnMut(&[u8]),
) -> Result<()> {
    let (spec, shape) = (layout.chunk_spec(&part.index), &part.in_chunk.count);
    let item = spec.dtype.size();
    let outside = || Error::corrupt("an element lies outside of the chunk");
    let mut split = |bytes: &[u8]| {
        with_scratch(|places| {
            let places = try_first_bytes(places, byte_len(shape, item)?)?;
            let mut out = ViewMut::dense(places, shape, item, Order::C)?;
            layout.codecs.array().decode(bytes, &spec, &part.in_chunk, &mut out)?;
            places.as_chunks::<8>().0.chunks_exact(2).try_for_each(|place| {
                let [start, length] = [place[0], place[1]].map(|number| u64::from_ne_bytes(number) as usize);
                let behind = bytes.get(start..).ok_or_else(outside)?;
                receive(behind.get(..length).ok_or_else(outside)?);
                Ok(())
            })
        })
    };
    blob.encoding.with_decoded(blob.bytes, layout.codecs.max_encoded_len(&spec), |bytes| {
        layout.codecs.with_elements(bytes, &spec, &mut split)
    })
}

/// Decodes the elements at `points` of what the store sent for them of the chunk of `spec` into `out`, one after the other.
pub(super) fn decode_points(
    layout: &Layout,
    spec: &ChunkSpec,
    points: &Points<'_>,
    blob: Blob<'_>,
    out: &mut [u8],
) -> Result<()> {
    if !blob.is_whole() {
        return layout.codecs.decode_point_ranges(blob.bytes, spec, points, out);
    }
    blob.encoding.with_decoded(blob.bytes, layout.codecs.max_encoded_len(spec), |bytes| {
        layout.codecs.decode_points(bytes, spec, points, layout.order, out)
    })
}

/// Decodes all of the chunk at `index`, to see whether that can be done.
pub(crate) fn decode_all(layout: &Layout, index: &[u64], blob: Blob<'_>) -> Result<()> {
    let spec = layout.chunk_spec(index);
    let length = spec.byte_len()?;
    with_scratch(|buffer| {
        let bytes = try_first_bytes(buffer, length)?;
        let mut out = ViewMut::dense(bytes, &spec.shape, spec.dtype.size(), layout.order)?;
        blob.encoding.with_decoded(blob.bytes, layout.codecs.max_encoded_len(&spec), |bytes| {
            layout.codecs.decode(bytes, &spec, &Region::whole(&spec.shape), &mut out)
        })
    })
}
