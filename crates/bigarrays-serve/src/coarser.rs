//! Coarser levels than are stored: which there are, and how a tile of one is made where somebody looks.

use std::ops::Range;

use bigarrays::base::buffer::Order;
use bigarrays::jobs::{Downsampling, coarsen};
use bigarrays::{Domain, Result};

use crate::level::{Box3, Level, Making, length, tile_of};
use crate::volume::Volume;

/// A level of so many tiles needs none that is coarser.
const FEW: u64 = 2;

/// The most levels that are made.
const MOST: usize = 24;

/// Bytes of elements that a tile is made of, at most; where it would be more, elements are sampled.
const EXACT: u64 = 32 << 20;

/// Bytes of chunks that a sampled tile reads, about, at most.
const SAMPLED: u64 = 64 << 20;

/// The levels that are coarser than `last`, whose elements are as long as `lengths` says, in whatever unit. If they are kept
/// once they are made, they have all elements that anything belongs to.
pub(crate) fn levels(last: &Level, lengths: [f64; 3], keeps: bool) -> Vec<Level> {
    let mut made: Vec<Level> = Vec::new();
    let mut lengths = [0, 1, 2].map(|axis: usize| lengths[axis] * last.size[axis]);
    while made.len() < MOST {
        let before = made.last().unwrap_or(last);
        let Some(doubled) = doubled(before, lengths) else { break };
        let step = [0, 1, 2].map(|axis: usize| before.step[axis] * if doubled[axis] { 2 } else { 1 });
        let Some(level) = level(last, step, keeps) else { break };
        lengths = [0, 1, 2].map(|axis: usize| lengths[axis] * if doubled[axis] { 2.0 } else { 1.0 });
        made.push(level);
    }
    made
}

/// Which axes are doubled next: those whose elements are about as long as the shortest of all that can be. `None` if there is no need.
fn doubled(level: &Level, lengths: [f64; 3]) -> Option<[bool; 3]> {
    if level.tiles() <= FEW {
        return None;
    }
    let can = [0, 1, 2].map(|axis: usize| length(&level.domain[axis]) > 1);
    let shortest = (0..3).filter(|&axis| can[axis]).map(|axis| lengths[axis]).fold(f64::INFINITY, f64::min);
    Some([0, 1, 2].map(|axis: usize| can[axis] && lengths[axis] <= shortest * std::f64::consts::SQRT_2))
}

/// The level of which an element is made of so many of another one along each axis; `None` if it would have no elements.
fn level(of: &Level, step: [u64; 3], keeps: bool) -> Option<Level> {
    let size = [0, 1, 2].map(|axis: usize| of.size[axis] * step[axis] as f64);
    let mut level = Level { step, size, making: Making::Coarsened, block: None, passed: None, ..of.clone() };
    if of.passed.is_some() {
        level.tile = tile_of(&of.volume, &of.axes, &of.domain).0;
    }
    // Of the box that a tile is made of, what lies in the volume.
    let tile = level.tile;
    let reach = |axis: usize| tile[axis].saturating_mul(step[axis]).min(length(&of.domain[axis]));
    let bytes = (0..3).fold(of.item(), |all, axis| all.saturating_mul(reach(axis)));
    let is_exact = bytes <= EXACT;
    for axis in 0..3 {
        let (range, step) = (&of.domain[axis], i64::try_from(step[axis]).ok()?);
        let up = |at: i64| at.div_euclid(step) + i64::from(at.rem_euclid(step) != 0);
        let (all, whole) = (range.start.div_euclid(step)..up(range.end), up(range.start)..up(range.end));
        if !is_exact && whole.is_empty() {
            return None;
        }
        level.domain[axis] = if is_exact || keeps { all } else { whole };
    }
    if !is_exact {
        level.making = Making::Sampled(thinned(&level));
    }
    Some(level)
}

/// For how many elements along each axis one is sampled, so that a tile reads few chunks.
fn thinned(level: &Level) -> [u64; 3] {
    let mut thin = [1; 3];
    while let (cost, touched) = cost(level, thin)
        && cost > SAMPLED
    {
        let can = |&axis: &usize| {
            let reach = 2 * thin[axis] * level.step[axis];
            touched[axis] > 1 && has_multiple(level, axis, reach)
        };
        let Some(most) = (0..3).filter(can).max_by_key(|&axis| touched[axis]) else { break };
        thin[most] *= 2;
    }
    thin
}

/// Whether an element of what a level is made of has a coordinate that `reach` divides.
fn has_multiple(level: &Level, axis: usize, reach: u64) -> bool {
    let Some(shown) = level.axes.shown[axis] else { return false };
    let (range, Ok(reach)) = (level.volume.domain().range(shown), i64::try_from(reach)) else { return false };
    first_multiple(range.start, reach).is_some_and(|first| first < range.end)
}

fn first_multiple(start: i64, reach: i64) -> Option<i64> {
    (start.div_euclid(reach) + i64::from(start.rem_euclid(reach) != 0)).checked_mul(reach)
}

/// Bytes that a sampled tile reads, and how many chunks, or rows, along each axis these are in.
fn cost(level: &Level, thin: [u64; 3]) -> (u64, [u64; 3]) {
    let shape = level.volume.domain().shape();
    let samples =
        [0, 1, 2].map(|axis: usize| level.tile[axis].min(length(&level.domain[axis])).div_ceil(thin[axis]));
    if level.is_read_by_rows {
        let row = (level.tile[0].saturating_mul(level.step[0])).saturating_mul(level.item()).max(PAGE);
        let rows = samples[1] * samples[2];
        // More rows take too long, however short they are.
        let is_many =
            rows > if matches!(level.volume, Volume::Stored(_)) { MOST_ROWS } else { MOST_COMPUTED_ROWS };
        let bytes = if is_many { u64::MAX } else { rows.saturating_mul(row) };
        return (bytes, [1, samples[1], samples[2]]);
    }
    let chunk = level.volume.chunk_shape().unwrap_or_else(|| vec![1; shape.len()]);
    let touched = [0, 1, 2].map(|axis: usize| {
        let Some(shown) = level.axes.shown[axis] else { return 1 };
        let reach =
            samples[axis].saturating_mul(thin[axis]).saturating_mul(level.step[axis]).min(shape[shown]);
        (reach / chunk[shown].max(1) + 1).min(samples[axis])
    });
    let own = chunk.iter().zip(shape).fold(level.volume.dtype().size() as u64, |all, (&chunk, &length)| {
        all.saturating_mul(chunk.min(length).max(1))
    });
    let channels = level.axes.channel.map_or(1, |axis| shape[axis].div_ceil(chunk[axis].max(1)));
    (touched.iter().fold(own.saturating_mul(channels), |all, &count| all.saturating_mul(count)), touched)
}

/// Bytes of a page of a file.
const PAGE: u64 = 4096;

/// Rows that a sampled tile reads, and computes, at most.
const MOST_ROWS: u64 = 4096;
const MOST_COMPUTED_ROWS: u64 = 256;

/// What all elements of a tile are made of: a box of `seen`, which has the axes of a tile alone, and the factor along each axis.
fn made_of(level: &Level, seen: &Volume, part: &Box3) -> Result<(Domain, Vec<u64>)> {
    let shown = (0..3).filter(|&axis| level.axes.shown[axis].is_some());
    let mut factor: Vec<u64> = shown.map(|axis| level.step[axis]).collect();
    factor.extend(level.axes.channel.map(|_| 1));
    let times = |(range, &factor): (Range<i64>, &u64)| {
        range.start.saturating_mul(factor as i64)..range.end.saturating_mul(factor as i64)
    };
    let ranges: Vec<_> = level.part(part)?.ranges().zip(&factor).map(times).collect();
    Ok((Domain::from_ranges(&ranges)?.intersect(seen.domain()), factor))
}

/// Bytes that are read to compute a tile of an expression, as it is planned; none of what is stored.
pub(crate) fn planned_bytes(level: &Level, seen: &Volume, part: &Box3) -> Result<u64> {
    match level.making {
        Making::Stored => seen.cut(&level.part(part)?)?.planned_bytes(),
        Making::Coarsened => seen.cut(&made_of(level, seen, part)?.0)?.planned_bytes(),
        Making::Sampled(thin) => {
            let samples = Samples::of(level, seen, part, thin);
            Ok(seen.cut(&samples.row(0)?)?.planned_bytes()?.saturating_mul(samples.rows() as u64))
        }
    }
}

/// The elements of a tile, each of which is made of all that it is of.
pub(crate) fn exact(level: &Level, seen: &Volume, part: &Box3, labels: bool) -> Result<Vec<u8>> {
    let (fine, factor) = made_of(level, seen, part)?;
    let method = if labels { Downsampling::Mode } else { Downsampling::Mean };
    let (_, made) = coarsen(&seen.read(&fine)?, seen.dtype(), &fine, &factor, method, Order::Fortran)?;
    Ok(made)
}

/// The elements of a tile, for which some of those are read that it is of.
pub(crate) fn sampled(level: &Level, seen: &Volume, part: &Box3, thin: [u64; 3]) -> Result<Vec<u8>> {
    let samples = Samples::of(level, seen, part, thin);
    let item = seen.dtype().size();
    let read = if level.is_read_by_rows {
        let mut all = Vec::new();
        for number in 0..samples.rows() {
            let row = seen.read(&samples.row(number)?)?;
            all.extend(row.chunks(item).step_by(samples.steps[0] as usize).flatten());
        }
        all
    } else {
        let view = seen.strided(&Domain::from_ranges(&samples.ranges)?, &samples.steps)?;
        view.read(view.domain())?
    };
    Ok(spread(&read, &samples.shape(), &samples.places, item))
}

/// What is sampled for a tile.
struct Samples {
    /// From the first element along each axis to behind the last one.
    ranges: Vec<Range<i64>>,
    /// From each to the next.
    steps: Vec<u64>,
    /// Which of them each element of the tile is.
    places: Vec<Vec<usize>>,
}

impl Samples {
    fn of(level: &Level, seen: &Volume, part: &Box3, thin: [u64; 3]) -> Self {
        let shown: Vec<usize> = (0..3).filter(|&axis| level.axes.shown[axis].is_some()).collect();
        let (mut ranges, mut steps, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (place, &axis) in shown.iter().enumerate() {
            let domain = seen.domain().range(place);
            let (thin, step) = (thin[axis] as i64, (thin[axis] * level.step[axis]) as i64);
            let first = domain.start.div_euclid(step) + i64::from(domain.start.rem_euclid(step) != 0);
            let sample = |at: i64| at.div_euclid(thin).max(first);
            let (from, to) = (sample(part[axis].start), sample(part[axis].end - 1));
            ranges.push(from * step..(to * step + 1).min(domain.end));
            steps.push(step as u64);
            places.push(part[axis].clone().map(|at| (sample(at) - from) as usize).collect());
        }
        if level.axes.channel.is_some() {
            let channels = seen.domain().range(shown.len());
            places.push((0..length(&channels) as usize).collect());
            ranges.push(channels);
            steps.push(1);
        }
        Self { ranges, steps, places }
    }

    /// How many there are along each axis.
    fn shape(&self) -> Vec<usize> {
        self.ranges
            .iter()
            .zip(&self.steps)
            .map(|(range, step)| length(range).div_ceil(*step) as usize)
            .collect()
    }

    /// How many rows along the first axis they are in.
    fn rows(&self) -> usize {
        self.shape()[1..].iter().product()
    }

    /// The box of a row, from its first element to its last one.
    fn row(&self, number: usize) -> Result<Domain> {
        let mut rest = number;
        let mut ranges = vec![self.ranges[0].clone()];
        for ((range, &step), length) in self.ranges.iter().zip(&self.steps).zip(self.shape()).skip(1) {
            let at = range.start + (rest % length) as i64 * step as i64;
            rest /= length;
            ranges.push(at..at + 1);
        }
        Domain::from_ranges(&ranges)
    }
}

/// The elements of a box at `places` along each axis, the first axis the fastest.
fn spread(elements: &[u8], shape: &[usize], places: &[Vec<usize>], item: usize) -> Vec<u8> {
    let is_all = places.iter().zip(shape).all(|(places, &length)| places.iter().copied().eq(0..length));
    if is_all {
        return elements.to_vec();
    }
    let mut offsets = vec![0];
    let mut stride: usize = shape.iter().product();
    for (places, &length) in places.iter().zip(shape).rev() {
        stride /= length.max(1);
        offsets = offsets
            .iter()
            .flat_map(|offset| places.iter().map(move |place| offset + place * stride))
            .collect();
    }
    offsets.iter().flat_map(|at| &elements[at * item..(at + 1) * item]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_repeated_where_one_stands_for_several() {
        let places = [vec![0, 0, 1], vec![0, 1]];
        assert_eq!(spread(&[1, 2, 3, 4], &[2, 2], &places, 1), [1, 1, 2, 3, 3, 4]);
        assert_eq!(spread(&[1, 2, 3, 4], &[2, 2], &[vec![0, 1], vec![0, 1]], 1), [1, 2, 3, 4]);
    }
}
