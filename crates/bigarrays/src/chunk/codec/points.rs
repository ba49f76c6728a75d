//! Single elements of a chunk.

use crate::base::buffer::Region;
use crate::base::dims::Dims;
use crate::base::error::{Error, Result};

/// A box around the points in a chunk is decoded rather than all of it where it is so much smaller.
const SMALLER: usize = 4;

/// Elements of a chunk, each by an index an axis.
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    indices: &'a [usize],
    ndim: usize,
}

impl<'a> Points<'a> {
    /// Points of `indices`, one point after the other, in a chunk of `shape`.
    ///
    /// # Errors
    /// `InvalidArgument` if there are not as many for each point as axes, or if one lies outside.
    pub fn new(indices: &'a [usize], shape: &[usize]) -> Result<Self> {
        let ndim = shape.len();
        let is_inside = |point: &[usize]| point.iter().zip(shape).all(|(at, length)| at < length);
        if ndim > 0 && indices.len().is_multiple_of(ndim) && indices.chunks_exact(ndim).all(is_inside) {
            return Ok(Self { indices, ndim });
        }
        Err(Error::invalid(format!("points that are not all in a chunk of shape {shape:?}")))
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
    pub(super) fn around(&self, shape: &[usize]) -> Region {
        let mut region = Region::whole(shape);
        for axis in 0..self.ndim {
            let along = || self.iter().map(|point| point[axis]);
            let (first, last) = (along().min().unwrap_or(0), along().max().unwrap_or(0));
            (region.start[axis], region.count[axis]) = (first, last + 1 - first);
        }
        let [around, all] = [&region.count[..], shape].map(|shape| shape.iter().product::<usize>());
        if around.saturating_mul(SMALLER) < all { region } else { Region::whole(shape) }
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

/// Copies the elements of `item` bytes at `offsets` of `from` to `out`, one after the other.
pub(super) fn pick(from: &[u8], item: usize, offsets: impl Iterator<Item = usize>, out: &mut [u8]) {
    for (element, at) in out.chunks_exact_mut(item).zip(offsets) {
        element.copy_from_slice(&from[at..at + item]);
    }
}
