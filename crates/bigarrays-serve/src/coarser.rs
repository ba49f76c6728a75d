//! Coarser levels than are stored: which there are, and how a tile of one is made where somebody looks.

use std::ops::Range;

use bigarrays::base::buffer::Order;
use bigarrays::jobs::{Downsampling, coarsen};
use bigarrays::{Domain, Result};

use crate::level::{Box3, Level, Making, length};
use crate::volume::Volume;

/// A level of so many tiles needs none that is coarser.
const FEW: u64 = 2;

/// The most levels that are made.
const MOST: usize = 24;

/// Bytes of elements that a tile is made of, at most; where it would be more, elements are sampled.
const EXACT: u64 = 32 << 20;

/// Bytes of chunks that a sampled tile reads, about, at most.
const SAMPLED: u64 = 64 << 20;

/// The levels that are coarser than `last`, whose elements are as long as `lengths` says, in whatever unit.
pub(crate) fn levels(last: &Level, lengths: [f64; 3]) -> Vec<Level> {
    let mut made: Vec<Level> = Vec::new();
    let mut lengths = [0, 1, 2].map(|axis: usize| lengths[axis] * last.size[axis]);
    while made.len() < MOST {
        let before = made.last().unwrap_or(last);
        let Some(doubled) = doubled(before, lengths) else { break };
        let step = [0, 1, 2].map(|axis: usize| before.step[axis] * if doubled[axis] { 2 } else { 1 });
        let Some(level) = level(last, step) else { break };
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
fn level(of: &Level, step: [u64; 3]) -> Option<Level> {
    let size = [0, 1, 2].map(|axis: usize| of.size[axis] * step[axis] as f64);
    let whole = step.iter().fold(1u64, |all, &step| all.saturating_mul(step));
    let mut level = Level { step, size, making: Making::Coarsened, block: None, ..of.clone() };
    let bytes =
        level.tile.iter().fold(of.item(), |all, &length| all.saturating_mul(length)).saturating_mul(whole);
    let is_exact = bytes <= EXACT;
    for axis in 0..3 {
        let (range, step) = (&of.domain[axis], i64::try_from(step[axis]).ok()?);
        let up = |at: i64| at.div_euclid(step) + i64::from(at.rem_euclid(step) != 0);
        let first = if is_exact { range.start.div_euclid(step) } else { up(range.start) };
        level.domain[axis] = first..up(range.end);
        if level.domain[axis].is_empty() {
            return None;
        }
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

/// Bytes of the chunks that a sampled tile reads, and how many chunks along each axis these are.
fn cost(level: &Level, thin: [u64; 3]) -> (u64, [u64; 3]) {
    let shape = level.volume.domain().shape();
    let chunk = granule(level);
    let touched = [0, 1, 2].map(|axis: usize| {
        let Some(shown) = level.axes.shown[axis] else { return 1 };
        let samples = level.tile[axis].min(length(&level.domain[axis])).div_ceil(thin[axis]);
        let reach = samples.saturating_mul(thin[axis]).saturating_mul(level.step[axis]).min(shape[shown]);
        (reach / chunk[shown].max(1) + 1).min(samples)
    });
    let own = chunk.iter().zip(shape).fold(level.volume.dtype().size() as u64, |all, (&chunk, &length)| {
        all.saturating_mul(chunk.min(length).max(1))
    });
    let channels = level.axes.channel.map_or(1, |axis| shape[axis].div_ceil(chunk[axis].max(1)));
    (touched.iter().fold(own.saturating_mul(channels), |all, &count| all.saturating_mul(count)), touched)
}

/// The shape of what is read for one element: a chunk, or what a page of a file has beside it.
fn granule(level: &Level) -> Vec<u64> {
    let ndim = level.volume.domain().ndim();
    let chunk = level.volume.chunk_shape().unwrap_or_else(|| vec![1; ndim]);
    if !level.volume.is_plain() {
        return chunk;
    }
    let fastest = if level.volume.order() == Order::C { ndim - 1 } else { 0 };
    let page = PAGE / level.volume.dtype().size().max(1) as u64;
    (0..ndim).map(|axis| if axis == fastest { page.min(chunk[axis]).max(1) } else { 1 }).collect()
}

/// Bytes of a page of a file.
const PAGE: u64 = 4096;

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

/// What is read for a tile of a level.
pub(crate) fn wanted(level: &Level, seen: &Volume, part: &Box3) -> Result<Volume> {
    match level.making {
        Making::Stored => seen.cut(&level.part(part)?),
        Making::Coarsened => seen.cut(&made_of(level, seen, part)?.0),
        Making::Sampled(thin) => Ok(samples(level, seen, part, thin)?.0),
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
    let (view, places) = samples(level, seen, part, thin)?;
    let shape: Vec<usize> = view.domain().shape().iter().map(|&length| length as usize).collect();
    Ok(spread(&view.read(view.domain())?, &shape, &places, seen.dtype().size()))
}

/// What is sampled for a tile, and where along each axis each of its elements is in that.
fn samples(level: &Level, seen: &Volume, part: &Box3, thin: [u64; 3]) -> Result<(Volume, Vec<Vec<usize>>)> {
    let shown: Vec<usize> = (0..3).filter(|&axis| level.axes.shown[axis].is_some()).collect();
    let (mut fine, mut steps, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (place, &axis) in shown.iter().enumerate() {
        let domain = seen.domain().range(place);
        let (thin, step) = (thin[axis] as i64, (thin[axis] * level.step[axis]) as i64);
        let first = domain.start.div_euclid(step) + i64::from(domain.start.rem_euclid(step) != 0);
        let sample = |at: i64| at.div_euclid(thin).max(first);
        let (from, to) = (sample(part[axis].start), sample(part[axis].end - 1));
        fine.push(from * step..(to * step + 1).min(domain.end));
        steps.push(step as u64);
        places.push(part[axis].clone().map(|at| (sample(at) - from) as usize).collect());
    }
    if let Some(channel) = level.axes.channel.map(|_| seen.domain().range(shown.len())) {
        places.push((0..length(&channel) as usize).collect());
        fine.push(channel);
        steps.push(1);
    }
    Ok((seen.strided(&Domain::from_ranges(&fine)?, &steps)?, places))
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
