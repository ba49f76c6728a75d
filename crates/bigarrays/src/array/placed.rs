//! Points by the chunks that they lie in.

use crate::array::{Array, AxisMap};
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::layout::Layout;

/// A point, by where it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// The number of the chunk.
    chunk: u128,
    /// The number of the element in a whole chunk, in the order of the layout.
    at: u64,
    /// The position of the point among those that were given.
    pub(super) position: usize,
}

/// How coordinates along a stored axis become chunks and elements.
struct Axis {
    map: AxisMap,
    /// The first stored coordinate.
    start: i64,
    length: u64,
    /// Length of a chunk.
    chunk: u64,
    /// Chunks of a shard.
    block: u64,
    /// Shards.
    blocks: u64,
}

/// Points by the chunks that they lie in. Chunks are numbered by shards, so that those of one follow each other.
pub(super) struct Placed<'a> {
    layout: &'a Layout,
    axes: Vec<Axis>,
    spots: Vec<Spot>,
}

impl<'a> Placed<'a> {
    /// Places points of the coordinates that `array` shows, one after the other. Those outside are left out if
    /// `leaves_out`.
    ///
    /// # Errors
    /// `OutOfBounds` naming the first point outside, unless these are left out; `Unsupported` if there are more than
    /// 2^128 chunks.
    pub(super) fn new(array: &Array, points: &[i64], layout: &'a Layout, leaves_out: bool) -> Result<Self> {
        let mut placed = Self { layout, axes: axes(array, layout)?, spots: Vec::new() };
        let mut spots = Vec::with_capacity(points.len() / array.ndim().max(1));
        for (position, point) in points.chunks_exact(array.ndim()).enumerate() {
            match placed.spot(point, position, array.domain()) {
                Some(spot) => spots.push(spot),
                None if leaves_out => {}
                None => return Err(outside(array, position, point)),
            }
        }
        // Those of an element stay in the order in which they were given.
        spots.sort_unstable_by_key(|spot| (spot.chunk, spot.at, spot.position));
        placed.spots = spots;
        Ok(placed)
    }

    /// The place of a point; `None` if it is outside.
    fn spot(&self, point: &[i64], position: usize, domain: &Domain) -> Option<Spot> {
        if !domain.contains_point(point) {
            return None;
        }
        let (mut shard, mut within, mut at) = (0u128, 0u128, 0u64);
        let (mut shards, mut chunks, mut elements) = (1u128, 1u128, 1u64);
        let count = self.axes.len();
        for k in 0..count {
            // From the fastest axis of a chunk on.
            let axis = if self.layout.order == Order::C { count - 1 - k } else { k };
            let axis = &self.axes[axis];
            let stored = axis.stored(point)?;
            let chunk = stored / axis.chunk;
            at += stored % axis.chunk * elements;
            elements *= axis.chunk;
            shard += u128::from(chunk / axis.block) * shards;
            shards *= u128::from(axis.blocks);
            within += u128::from(chunk % axis.block) * chunks;
            chunks *= u128::from(axis.block);
        }
        Some(Spot { chunk: shard * chunks + within, at, position })
    }

    /// The points of each chunk, by where they are in it.
    pub(super) fn groups(&self) -> Vec<&[Spot]> {
        self.spots.chunk_by(|one, next| one.chunk == next.chunk).collect()
    }

    /// Where the chunk of a group is in the grid.
    pub(super) fn chunk(&self, group: &[Spot]) -> Dims<u64> {
        let mut index = Dims::from_elem(0, self.axes.len());
        let Some(spot) = group.first() else { return index };
        let chunks: u128 = self.axes.iter().map(|axis| u128::from(axis.block)).product();
        let (mut shard, mut within) = (spot.chunk / chunks, spot.chunk % chunks);
        for k in 0..self.axes.len() {
            let number = if self.layout.order == Order::C { self.axes.len() - 1 - k } else { k };
            let (block, blocks) = (u128::from(self.axes[number].block), u128::from(self.axes[number].blocks));
            index[number] = (shard % blocks * block + within % block) as u64;
            (shard, within) = (shard / blocks, within / block);
        }
        index
    }

    /// The places of the points of a group in their chunk, one index an axis.
    pub(super) fn indices(&self, group: &[Spot]) -> Vec<usize> {
        let count = self.axes.len();
        let mut indices = vec![0; group.len() * count];
        for (spot, point) in group.iter().zip(indices.chunks_exact_mut(count)) {
            let mut rest = spot.at;
            for k in 0..count {
                let number = if self.layout.order == Order::C { count - 1 - k } else { k };
                let length = self.axes[number].chunk;
                point[number] = (rest % length) as usize;
                rest /= length;
            }
        }
        indices
    }
}

impl Axis {
    /// Where a point is along the axis, from the first stored element on; `None` if it is outside.
    fn stored(&self, point: &[i64]) -> Option<u64> {
        let at = self.map.stored(|axis| point[axis])?;
        let at = (at >= self.start).then(|| at.abs_diff(self.start))?;
        (at < self.length).then_some(at)
    }
}

/// The stored axes, and how coordinates of `array` are found along them.
fn axes(array: &Array, layout: &Layout) -> Result<Vec<Axis>> {
    let (grid, block) = (layout.grid.shape(), layout.write_shape());
    let one = |(axis, &map): (usize, &AxisMap)| {
        let block = block[axis].clamp(1, grid[axis].max(1));
        Axis {
            map,
            start: layout.domain().origin()[axis],
            length: layout.domain().shape()[axis],
            chunk: layout.grid.chunk_shape()[axis],
            block,
            blocks: grid[axis].div_ceil(block).max(1),
        }
    };
    let axes: Vec<Axis> = array.view.axes.iter().enumerate().map(one).collect();
    let numbers = axes.iter().flat_map(|axis| [axis.block, axis.blocks]);
    match numbers.map(u128::from).try_fold(1u128, u128::checked_mul) {
        Some(_) => Ok(axes),
        None => Err(Error::unsupported("points in a grid of more than 2^128 chunks").at(array.url())),
    }
}

#[cold]
fn outside(array: &Array, position: usize, point: &[i64]) -> Error {
    let text = point.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let domain = array.domain();
    let message = match domain.contains_point(point) {
        false => format!("point {position}, {text}, lies outside the domain {domain}"),
        true => {
            let stored = array.stored.layout.domain();
            format!("point {position}, {text}, of the view lies outside the stored domain {stored}")
        }
    };
    Error::new(ErrorKind::OutOfBounds, message).at(array.url())
}
