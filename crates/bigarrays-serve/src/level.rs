//! The levels of a layer: scales that are stored, and coarser ones that are made where somebody looks.

use std::ops::Range;

use bigarrays::{Domain, Error, Result};

use crate::axes::Axes;
use crate::volume::Volume;

/// A box of the three axes that are shown.
pub(crate) type Box3 = [Range<i64>; 3];

/// One level of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Level {
    /// What it is made of.
    pub(crate) volume: Volume,
    /// Which axis of that is which.
    pub(crate) axes: Axes,
    /// Elements of the volume along each axis that is shown that become one.
    pub(crate) step: [u64; 3],
    /// How they become one.
    pub(crate) making: Making,
    /// Size of an element along each axis in those of the first level.
    pub(crate) size: [f64; 3],
    /// Where its elements are.
    pub(crate) domain: Box3,
    /// The shape of a tile.
    pub(crate) tile: [u64; 3],
}

/// How elements of a volume become one of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Making {
    /// Each is one.
    Stored,
    /// All of them.
    Coarsened,
    /// One of them is taken; and of those, one for so many along each axis.
    Sampled([u64; 3]),
}

/// Bytes of tiles that are sent at once, about.
const TILE_BYTES: Range<u64> = 32 << 10..2 << 20;

/// Elements along an axis of space of tiles where chunks say nothing of use.
const USUAL: u64 = 64;

/// And of those of a plane.
const USUAL_IN_PLANE: u64 = 256;

pub(crate) fn length(range: &Range<i64>) -> u64 {
    range.end.abs_diff(range.start)
}

/// What three axes of a volume cover; those that it does not have are one element long.
pub(crate) fn shown(domain: &Domain, axes: &Axes) -> Box3 {
    axes.shown.map(|axis| axis.map_or(0..1, |axis| domain.range(axis)))
}

impl Level {
    /// A scale as it is stored.
    pub(crate) fn stored(volume: Volume, axes: &Axes, size: [f64; 3]) -> Self {
        let domain = shown(volume.domain(), axes);
        let tile = tile_of(&volume, axes, &domain);
        let axes = axes.clone();
        Self { volume, axes, step: [1; 3], making: Making::Stored, size, domain, tile }
    }

    /// Bytes of an element of all channels, as it is stored.
    pub(crate) fn item(&self) -> u64 {
        let channels = self.axes.channel.map_or(1, |axis| self.volume.domain().shape()[axis]);
        channels * self.volume.dtype().size() as u64
    }

    /// The number of tiles.
    pub(crate) fn tiles(&self) -> u64 {
        let count = |(range, &tile): (&Range<i64>, &u64)| length(range).div_ceil(tile);
        self.domain.iter().zip(&self.tile).map(count).fold(1, u64::saturating_mul)
    }

    /// Whether a box is a tile: one of the grid that begins where the level does, clipped to it.
    pub(crate) fn is_tile(&self, part: &Box3) -> bool {
        part.iter().zip(&self.domain).zip(&self.tile).all(|((part, whole), &tile)| {
            let is_inside = whole.contains(&part.start) && part.end > part.start && part.end <= whole.end;
            is_inside
                && part.start.abs_diff(whole.start) % tile == 0
                && (length(part) == tile || part.end == whole.end && length(part) < tile)
        })
    }

    /// The box of the volume with the coordinates `at` on axes that are not shown.
    pub(crate) fn part(&self, part: &Box3) -> Result<Domain> {
        let shown = self.axes.shown.iter().zip(part).filter(|(axis, _)| axis.is_some());
        let mut ranges: Vec<Range<i64>> = shown.map(|(_, range)| range.clone()).collect();
        ranges.extend(self.axes.channel.map(|axis| self.volume.domain().range(axis)));
        Domain::from_ranges(&ranges)
    }

    /// An error unless `at` says where each axis is that is not shown, within the domain.
    pub(crate) fn expect_within(&self, at: &[i64]) -> Result<()> {
        let domain = self.volume.domain();
        let others = &self.axes.others;
        let is_within = |(&axis, at): (&usize, &i64)| domain.range(axis).contains(at);
        if at.len() == others.len() && others.iter().zip(at).all(is_within) {
            return Ok(());
        }
        Err(Error::invalid("coordinates outside of the array"))
    }
}

/// The shape of tiles: that of a chunk if it is neither large nor small.
fn tile_of(volume: &Volume, axes: &Axes, domain: &Box3) -> [u64; 3] {
    let channels = axes.channel.map_or(1, |axis| volume.domain().shape()[axis]);
    let item = channels * volume.dtype().size() as u64;
    let lengths = [0, 1, 2].map(|axis| length(&domain[axis]).max(1));
    let bytes = |tile: &[u64; 3]| tile.iter().fold(item, |all, &length| all.saturating_mul(length));
    let clipped = |tile: [u64; 3]| [0, 1, 2].map(|axis: usize| tile[axis].clamp(1, lengths[axis]));
    if let Some(chunk) = volume.chunk_shape() {
        let chunk = clipped(axes.shown.map(|axis| axis.map_or(1, |axis| chunk[axis])));
        if TILE_BYTES.contains(&bytes(&chunk)) {
            return chunk;
        }
    }
    let is_flat = lengths[2] == 1;
    let usual = if is_flat { [USUAL_IN_PLANE, USUAL_IN_PLANE, 1] } else { [USUAL; 3] };
    let mut tile = clipped(usual);
    while bytes(&tile) > TILE_BYTES.end {
        let Some(longest) = (0..3).rev().filter(|&axis| tile[axis] > 1).max_by_key(|&axis| tile[axis]) else {
            break;
        };
        tile[longest] = tile[longest].div_ceil(2);
    }
    tile
}
