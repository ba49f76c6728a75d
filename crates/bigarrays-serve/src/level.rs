//! The levels of a layer: scales that are stored, and coarser ones that are made where somebody looks.

use std::ops::Range;
use std::sync::Arc;

use bigarrays::jobs::KeptLevel;
use bigarrays::{Domain, Error, Result};

use crate::axes::Axes;
use crate::kept::Kept;
use crate::passed::Passed;
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
    /// Whether the elements of a row can be read without those beside it.
    pub(crate) is_read_by_rows: bool,
    /// The shape of what is read at once and kept, of which a tile is a part.
    pub(crate) block: Option<[u64; 3]>,
    /// How chunks are passed on as they are stored, if they are.
    pub(crate) passed: Option<Passed>,
    /// Where it may be kept, and as which of the levels there.
    pub(crate) kept: Option<(Arc<Kept>, usize)>,
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

/// Bytes of a chunk that is read to send one part of it, at most, where the others are kept.
const BLOCK_BYTES: u64 = 64 << 20;

/// How many times as long as wide chunks may be whose bytes can be read one by one.
const MOST_ASPECT: u64 = 16;

/// Elements along an axis of space of tiles where chunks say nothing of use.
const USUAL: u64 = 64;

/// And of those of a plane.
const USUAL_IN_PLANE: u64 = 256;

/// And of those of a line.
const USUAL_IN_LINE: u64 = 1024;

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
        let passed =
            Passed::of(&volume, axes).and_then(|how| Some((how, passed_tile(&volume, axes, &domain)?)));
        let (tile, block) = match passed {
            Some((_, tile)) => (tile, None),
            None => tile_of(&volume, axes, &domain),
        };
        let passed = passed.map(|(how, _)| how);
        let axes = axes.clone();
        let is_read_by_rows = volume.is_plain() || matches!(volume, Volume::Computed(_));
        Self {
            volume,
            axes,
            step: [1; 3],
            making: Making::Stored,
            size,
            domain,
            tile,
            is_read_by_rows,
            block,
            passed,
            kept: None,
        }
    }

    /// Bytes of an element of all channels, as it is stored.
    pub(crate) fn item(&self) -> u64 {
        item_of(&self.volume, &self.axes)
    }

    /// The number of tiles.
    pub(crate) fn tiles(&self) -> u64 {
        let count = |(range, &tile): (&Range<i64>, &u64)| length(range).div_ceil(tile);
        self.domain.iter().zip(&self.tile).map(count).fold(1, u64::saturating_mul)
    }

    /// The tile in the middle.
    pub(crate) fn middle(&self) -> Box3 {
        [0, 1, 2].map(|axis: usize| {
            let (whole, tile) = (&self.domain[axis], self.tile[axis]);
            let start = whole.start.saturating_add_unsigned(length(whole) / 2 / tile * tile);
            start..start.saturating_add_unsigned(tile).min(whole.end)
        })
    }

    /// What it is made of, with the axes of tiles alone, at these coordinates of the others.
    pub(crate) fn seen(&self, at: &[i64]) -> Result<Volume> {
        self.seen_of(&self.volume, at)
    }

    /// The same of a volume of the same axes.
    fn seen_of(&self, volume: &Volume, at: &[i64]) -> Result<Volume> {
        let mut all = vec![0; volume.domain().ndim()];
        self.axes.others.iter().zip(at).for_each(|(&axis, &at)| all[axis] = at);
        volume.seen(&self.axes.of_tile(), &all)
    }

    /// The elements of a box, as they are kept; `None` as long as they are not, or if they were removed meanwhile: what is
    /// missing would be read as zeros.
    pub(crate) fn kept_elements(&self, at: &[i64], part: &Box3) -> Result<Option<Vec<u8>>> {
        let Some((kept, number)) = &self.kept else { return Ok(None) };
        let Some(found) = kept.found() else { return Ok(None) };
        let Some(array) = found.arrays.get(*number) else { return Ok(None) };
        let elements = self.seen_of(&array.clone().into(), at)?.read(&self.part(part)?)?;
        Ok(found.levels.is_whole().then_some(elements))
    }

    /// What tells what tiles are made of from what they were made of before.
    pub(crate) fn generation(&self) -> u64 {
        self.kept.as_ref().map_or(0, |(kept, _)| kept.generation())
    }

    /// How it is kept: in chunks that are its tiles.
    pub(crate) fn to_keep(&self) -> KeptLevel {
        let shape = self.volume.domain().shape();
        let mut level = KeptLevel { factor: vec![1; shape.len()], chunk_shape: vec![1; shape.len()] };
        for (place, axis) in self.axes.shown.iter().enumerate() {
            let Some(axis) = *axis else { continue };
            (level.factor[axis], level.chunk_shape[axis]) = (self.step[place], self.tile[place]);
        }
        self.axes.channel.iter().for_each(|&axis| level.chunk_shape[axis] = shape[axis]);
        level
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

    /// The block that a tile lies in.
    pub(crate) fn block_of(&self, part: &Box3) -> Option<Box3> {
        let shape = self.block?;
        Some([0, 1, 2].map(|axis: usize| {
            let (whole, length) = (&self.domain[axis], shape[axis]);
            let before = part[axis].start.abs_diff(whole.start) / length * length;
            let start = whole.start.saturating_add_unsigned(before);
            start..start.saturating_add_unsigned(length).min(whole.end)
        }))
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

/// Bytes of an element of all channels.
fn item_of(volume: &Volume, axes: &Axes) -> u64 {
    let channels = axes.channel.map_or(1, |axis| volume.domain().shape()[axis]);
    channels * volume.dtype().size() as u64
}

/// The shape of chunks along x, y and z, if they are not too small or too large to be tiles that are decoded by the viewer.
fn passed_tile(volume: &Volume, axes: &Axes, domain: &Box3) -> Option<[u64; 3]> {
    let chunk = volume.chunk_shape()?;
    let tile = [0, 1, 2].map(|axis: usize| {
        axes.shown[axis].map_or(1, |own| chunk[own]).clamp(1, length(&domain[axis]).max(1))
    });
    let bytes = tile.iter().fold(item_of(volume, axes), |all, &length| all.saturating_mul(length));
    (TILE_BYTES.start..=BLOCK_BYTES).contains(&bytes).then_some(tile)
}

/// The shape of tiles that are decoded here, and of what is read at once: of chunks that are neither large nor small that of a chunk; of large ones that
/// of a part of one, where the whole chunk has to be read for it.
pub(crate) fn tile_of(volume: &Volume, axes: &Axes, domain: &Box3) -> ([u64; 3], Option<[u64; 3]>) {
    let item = item_of(volume, axes);
    let lengths = [0, 1, 2].map(|axis: usize| length(&domain[axis]).max(1));
    let bytes = |tile: &[u64; 3]| tile.iter().fold(item, |all, &length| all.saturating_mul(length));
    let clipped = |tile: [u64; 3]| [0, 1, 2].map(|axis: usize| tile[axis].clamp(1, lengths[axis]));
    let chunk =
        volume.chunk_shape().map(|chunk| clipped(axes.shown.map(|axis| axis.map_or(1, |axis| chunk[axis]))));
    let is_plain = volume.is_plain();
    let is_of_use = |chunk: &[u64; 3]| {
        let is_long = chunk.iter().max() > chunk.iter().min().map(|shortest| shortest * MOST_ASPECT).as_ref();
        bytes(chunk) >= TILE_BYTES.start && bytes(chunk) <= BLOCK_BYTES && !(is_plain && is_long)
    };
    let known = chunk.filter(is_of_use);
    let usual = match lengths.iter().filter(|&&length| length > 1).count() {
        0 | 1 => [USUAL_IN_LINE; 3],
        2 => [USUAL_IN_PLANE; 3],
        _ => [USUAL; 3],
    };
    let mut tile = known.unwrap_or_else(|| clipped(usual));
    while bytes(&tile) > TILE_BYTES.end {
        let longest = (0..3).rev().filter(|&axis| tile[axis] > 1).max_by_key(|&axis| tile[axis]);
        let Some(longest) = longest else { break };
        tile[longest] = tile[longest].div_ceil(2);
    }
    (tile, known.filter(|chunk| *chunk != tile && !is_plain))
}
