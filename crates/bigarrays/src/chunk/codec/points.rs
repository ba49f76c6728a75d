//! Single elements of a chunk.

use crate::base::buffer::{Order, Region, ViewMut, byte_len, try_first_bytes, with_scratch};
use crate::base::dims::Dims;
use crate::base::error::{Error, Result};
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec};

/// A box around the points in a chunk is decoded rather than all of it where it is so much smaller.
const SMALLER: usize = 4;

/// Elements of a chunk, each by an index an axis.
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    indices: &'a [usize],
    ndim: usize,
}

impl<'a> Points<'a> {
    /// Points of `indices`, one point after the other, in a chunk of `spec`.
    ///
    /// # Errors
    /// `InvalidArgument` if there are not as many for each point as axes, or if one lies outside.
    pub fn new(indices: &'a [usize], spec: &ChunkSpec) -> Result<Self> {
        let ndim = spec.shape.len();
        let is_inside = |point: &[usize]| point.iter().zip(&spec.shape).all(|(at, length)| at < length);
        if ndim > 0 && indices.len().is_multiple_of(ndim) && indices.chunks_exact(ndim).all(is_inside) {
            return Ok(Self { indices, ndim });
        }
        Err(Error::invalid(format!("points that are not all in a chunk of shape {:?}", spec.shape)))
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.indices.len() / self.ndim
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The points, each an index an axis.
    pub fn iter(&self) -> impl Iterator<Item = &'a [usize]> + use<'a> {
        self.indices.chunks_exact(self.ndim)
    }

    /// What has all points: a box around them, or all of the chunk.
    fn around(&self, spec: &ChunkSpec) -> Region {
        let mut region = Region::whole(&spec.shape);
        for axis in 0..self.ndim {
            let along = || self.iter().map(|point| point[axis]);
            let (first, last) = (along().min().unwrap_or(0), along().max().unwrap_or(0));
            (region.start[axis], region.count[axis]) = (first, last + 1 - first);
        }
        let [around, all] = [&region.count, &spec.shape].map(|shape| shape.iter().product::<usize>());
        if around.saturating_mul(SMALLER) < all { region } else { Region::whole(&spec.shape) }
    }

    /// The distance of each point in bytes from the first element of what `region` has, at `strides`.
    pub(super) fn offsets(
        &self,
        region: &Region,
        strides: Dims<isize>,
    ) -> impl Iterator<Item = usize> + use<'a> {
        let start = region.start.clone();
        self.iter().map(move |point| {
            let along = point.iter().zip(&start).zip(&strides);
            along.map(|((at, start), stride)| (at - start) * stride.unsigned_abs()).sum()
        })
    }
}

/// Decodes what is around the points, in `order`, and copies each to its place in `out`: for codecs that cannot decode
/// single elements.
pub(super) fn decode_around(
    codec: &(impl ArrayCodec + ?Sized),
    bytes: &[u8],
    spec: &ChunkSpec,
    points: &Points<'_>,
    order: Order,
    out: &mut [u8],
) -> Result<()> {
    let (region, item) = (points.around(spec), spec.dtype.size());
    with_scratch(|scratch| {
        let decoded = try_first_bytes(scratch, byte_len(&region.count, item)?)?;
        if !codec.writes_all(Asked(())) {
            decoded.fill(0);
        }
        codec.decode(bytes, spec, &region, &mut ViewMut::dense(decoded, &region.count, item, order)?)?;
        let strides = order.strides(&region.count, item);
        pick(decoded, item, points.offsets(&region, strides), out);
        Ok(())
    })
}

/// Copies the elements of `item` bytes at `offsets` of `from` to `out`, one after the other.
pub(super) fn pick(from: &[u8], item: usize, offsets: impl Iterator<Item = usize>, out: &mut [u8]) {
    for (element, at) in out.chunks_exact_mut(item).zip(offsets) {
        element.copy_from_slice(&from[at..at + item]);
    }
}
