//! The chunk grid: which chunks a selection touches, and where each part of it lies.

use crate::base::buffer::Region;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};

/// What the chunks at the upper edge of the domain hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EdgeChunks {
    /// Only the elements inside the domain (precomputed, N5).
    Clipped,
    /// A whole chunk, padded beyond the domain (Zarr).
    Padded,
}

/// A regular grid of chunks over a domain. The first chunk starts at the domain's origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkGrid {
    domain: Domain,
    chunk: Dims<u64>,
    edge: EdgeChunks,
}

/// The selected indices along one axis: `start + k * step` for `k < count`, in absolute
/// coordinates. `step` is at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisSelection {
    /// First selected coordinate.
    pub start: i64,
    /// Number of selected coordinates.
    pub count: u64,
    /// Distance between them.
    pub step: u64,
}

/// The part of a selection that lies in one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkProjection {
    /// Position of the chunk in the grid, from zero.
    pub index: Dims<u64>,
    /// Shape of the chunk as stored.
    pub chunk_shape: Dims<usize>,
    /// The selected elements within the chunk.
    pub in_chunk: Region,
    /// Where they go in the output.
    pub in_output: Region,
    /// Whether every element of the chunk inside the domain is selected.
    pub is_whole: bool,
}

/// One axis' share of a projection: a chunk's position along the axis and the selected part of it.
#[derive(Clone, Copy, Debug)]
struct AxisPart {
    index: u64,
    /// First selected index within the chunk.
    start: usize,
    count: usize,
    /// Distance between selected indices.
    step: usize,
    /// Position of the first selected index in the output.
    output: usize,
}

/// The selected part of each chunk touched along one axis; computed when asked for, as there may be
/// any number of chunks.
#[derive(Clone, Copy, Debug)]
struct AxisParts {
    /// First selected index, from the start of the domain.
    first: u64,
    count: u64,
    step: u64,
    chunk: u64,
}

impl AxisParts {
    fn len(self) -> u64 {
        match self.count {
            0 => 0,
            // Each selected index lies in a chunk of its own.
            count if self.step >= self.chunk => count,
            count => (self.first + (count - 1) * self.step) / self.chunk - self.first / self.chunk + 1,
        }
    }

    /// The numbers of the parts that lie in each block of so many chunks.
    fn blocks(self, block: u64) -> Vec<std::ops::Range<u64>> {
        let (mut blocks, mut first) = (Vec::new(), 0);
        while first < self.len() {
            let place = self.get(first).index / block;
            // The first part of a later block: beyond all that are looked at, or found by halving.
            let (mut low, mut high) = (first + 1, self.len().min(first.saturating_add(block)));
            while low < high {
                let middle = low + (high - low) / 2;
                if self.get(middle).index / block == place { low = middle + 1 } else { high = middle }
            }
            blocks.push(first..low);
            first = low;
        }
        blocks
    }

    /// The `k`-th part; `k` must be below the length.
    fn get(self, k: u64) -> AxisPart {
        let output = if self.step >= self.chunk {
            k
        } else {
            // Steps shorter than a chunk leave none out.
            ((self.first / self.chunk + k) * self.chunk).saturating_sub(self.first).div_ceil(self.step)
        };
        let at = self.first + output * self.step;
        let start = at % self.chunk;
        let count = (self.chunk - start).div_ceil(self.step).min(self.count - output);
        AxisPart {
            index: at / self.chunk,
            start: start as usize,
            count: count as usize,
            // One index needs no step, and those of a selection may be longer than any chunk.
            step: if count == 1 { 1 } else { self.step as usize },
            output: output as usize,
        }
    }
}

/// All chunks that a selection touches; each is computed when asked for.
#[derive(Clone, Debug)]
pub struct Projection<'a> {
    grid: &'a ChunkGrid,
    parts: Dims<AxisParts>,
}

impl EdgeChunks {
    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clipped => "clipped",
            Self::Padded => "padded",
        }
    }
}

impl ChunkGrid {
    /// A grid of chunks of shape `chunk` over `domain`.
    ///
    /// # Errors
    /// `InvalidArgument` if the axes differ in number, a chunk length is zero, or a chunk does not
    /// fit the address space.
    pub fn new(domain: Domain, chunk: &[u64], edge: EdgeChunks) -> Result<Self> {
        if chunk.len() != domain.ndim() {
            return Err(Error::invalid(format!(
                "chunk shape {:?} has {} axes, the array has {}",
                chunk,
                chunk.len(),
                domain.ndim()
            )));
        }
        let elements = chunk.iter().try_fold(1u64, |product, &length| product.checked_mul(length));
        if elements.is_none_or(|elements| elements == 0 || elements > 1 << 48) {
            return Err(Error::invalid(format!(
                "a chunk of shape {chunk:?} has no elements, or more than 2^48"
            )));
        }
        Ok(Self { domain, chunk: chunk.into(), edge })
    }

    /// The domain that the grid covers.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// What the chunks at the upper edge of the domain hold.
    pub fn edge(&self) -> EdgeChunks {
        self.edge
    }

    /// Shape of a whole chunk.
    pub fn chunk_shape(&self) -> &[u64] {
        &self.chunk
    }

    /// Number of chunks along each axis.
    pub fn shape(&self) -> Dims<u64> {
        self.domain.shape().iter().zip(&self.chunk).map(|(&length, &chunk)| length.div_ceil(chunk)).collect()
    }

    /// Number of elements along `axis` that the chunk at `index` holds inside the domain.
    fn clipped_len(&self, axis: usize, index: u64) -> u64 {
        self.chunk[axis].min(self.domain.shape()[axis] - index * self.chunk[axis])
    }

    /// The coordinates along `axis` of the chunk at `index` there, clipped to the domain.
    pub fn chunk_range(&self, axis: usize, index: u64) -> std::ops::Range<i64> {
        let start = self.domain.origin()[axis].wrapping_add_unsigned(index * self.chunk[axis]);
        start..start.wrapping_add_unsigned(self.clipped_len(axis, index))
    }

    /// The box of the chunk at `index`, clipped to the domain.
    pub fn chunk_domain(&self, index: &[u64]) -> Domain {
        let ranges: Dims<_> =
            index.iter().enumerate().map(|(axis, &at)| self.chunk_range(axis, at)).collect();
        // A part of the domain has valid bounds.
        Domain::from_ranges(&ranges).unwrap_or_else(|_| self.domain.clone())
    }

    /// Shape of the chunk at `index` as it is stored.
    pub fn stored_shape(&self, index: &[u64]) -> Dims<usize> {
        let length = |(axis, &at): (usize, &u64)| match self.edge {
            EdgeChunks::Clipped => self.clipped_len(axis, at) as usize,
            EdgeChunks::Padded => self.chunk[axis] as usize,
        };
        index.iter().enumerate().map(length).collect()
    }

    /// The chunks that a box within the domain touches.
    pub fn project(&self, part: &Domain) -> Projection<'_> {
        let axes: Dims<AxisSelection> = part
            .origin()
            .iter()
            .zip(part.shape())
            .map(|(&start, &count)| AxisSelection { start, count, step: 1 })
            .collect();
        self.project_selection(&axes)
    }

    /// The chunks that a strided selection within the domain touches.
    ///
    /// Every selected coordinate must lie inside the domain.
    pub fn project_selection(&self, axes: &[AxisSelection]) -> Projection<'_> {
        debug_assert_eq!(axes.len(), self.domain.ndim());
        let parts = axes.iter().enumerate().map(|(axis, selection)| AxisParts {
            first: selection.start.abs_diff(self.domain.origin()[axis]),
            count: selection.count,
            step: selection.step,
            chunk: self.chunk[axis],
        });
        Projection { grid: self, parts: parts.collect() }
    }

    /// The smallest box of whole chunks that holds `part`; within the domain, so clipped there.
    #[must_use]
    pub fn align_out(&self, part: &Domain) -> Domain {
        self.align(part, |start, chunk| start / chunk, |end, chunk| end.div_ceil(chunk))
    }

    /// The largest box of whole chunks that lies in `part`; a chunk clipped by the domain is whole.
    #[must_use]
    pub fn align_in(&self, part: &Domain) -> Domain {
        self.align(part, |start, chunk| start.div_ceil(chunk), |end, chunk| end / chunk)
    }

    fn align(&self, part: &Domain, low: fn(u64, u64) -> u64, high: fn(u64, u64) -> u64) -> Domain {
        let part = part.intersect(&self.domain);
        let mut ranges: Dims<std::ops::Range<i64>> = Dims::new();
        for axis in 0..part.ndim() {
            let (origin, chunk) = (self.domain.origin()[axis], self.chunk[axis]);
            let relative = part.range(axis).start.abs_diff(origin);
            let length = self.domain.shape()[axis];
            let end = relative + part.shape()[axis];
            let first = low(relative, chunk).saturating_mul(chunk).min(length);
            let last =
                if end == length { length } else { high(end, chunk).saturating_mul(chunk).min(length) };
            let start = origin.wrapping_add_unsigned(first);
            ranges.push(start..origin.wrapping_add_unsigned(last.max(first)));
        }
        if part.is_empty() {
            return part;
        }
        Domain::from_ranges(&ranges).unwrap_or(part)
    }
}

impl<'a> Projection<'a> {
    /// Number of chunks touched; the largest number there is where it exceeds that.
    pub fn len(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        let lengths = self.parts.iter().map(|parts| usize::try_from(parts.len()).unwrap_or(usize::MAX));
        lengths.fold(1, usize::saturating_mul)
    }

    /// Whether no chunk is touched.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().any(|parts| parts.count == 0)
    }

    /// Shape of the selection.
    pub fn output_shape(&self) -> Dims<usize> {
        self.parts.iter().map(|parts| parts.count as usize).collect()
    }

    /// The `k`-th chunk touched; the first axis varies fastest.
    ///
    /// # Panics
    /// If `k` is not below [`Projection::len`].
    pub fn get(&self, mut k: usize) -> ChunkProjection {
        assert!(k < self.len(), "chunk {k} of {}", self.len());
        let ndim = self.parts.len();
        let mut index = Dims::new();
        let (mut start, mut count, mut step, mut output) =
            (Dims::new(), Dims::new(), Dims::new(), Dims::new());
        let mut is_whole = true;
        for (axis, parts) in self.parts.iter().enumerate() {
            let length = parts.len() as usize;
            let part = parts.get((k % length) as u64);
            k /= length;
            is_whole &= part.count as u64 == self.grid.clipped_len(axis, part.index);
            index.push(part.index);
            start.push(part.start);
            count.push(part.count);
            step.push(part.step);
            output.push(part.output);
        }
        let chunk_shape = self.grid.stored_shape(&index);
        let in_output = Region { start: output, count: count.clone(), step: Dims::from_elem(1, ndim) };
        let in_chunk = Region { start, count, step };
        ChunkProjection { index, chunk_shape, in_chunk, in_output, is_whole }
    }

    /// The numbers of all chunks touched, by blocks of `block` chunks of the grid: those of one block
    /// follow each other.
    pub fn by_block(&self, block: &[u64]) -> impl Iterator<Item = Vec<usize>> + use<> {
        let is_empty = self.is_empty();
        let axes = self.parts.iter().zip(block).map(|(parts, &block)| parts.blocks(block.max(1)));
        let axes: Dims<Vec<std::ops::Range<u64>>> = axes.collect();
        let lengths: Dims<u64> = self.parts.iter().map(|parts| parts.len()).collect();
        let blocks = axes.iter().map(Vec::len).fold(1, usize::saturating_mul);
        (0..if is_empty { 0 } else { blocks }).map(move |mut number| {
            let (mut numbers, mut stride) = (vec![0], 1);
            for (axis, &length) in axes.iter().zip(&lengths) {
                let range = axis[number % axis.len()].clone();
                number /= axis.len();
                let row = |k: u64| numbers.iter().map(move |number| number + k as usize * stride);
                numbers = range.flat_map(row).collect();
                stride = stride.saturating_mul(length as usize);
            }
            numbers
        })
    }

    /// All chunks touched, the first axis fastest.
    pub fn iter(&self) -> impl Iterator<Item = ChunkProjection> + '_ {
        (0..self.len()).map(|k| self.get(k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn domain(text: &str) -> Domain {
        text.parse().unwrap()
    }

    #[test]
    fn the_grid_starts_at_the_domain_and_clips_at_its_end() {
        let grid = ChunkGrid::new(domain("-3:7,2:5"), &[4, 2], EdgeChunks::Clipped).unwrap();
        assert_eq!(grid.shape()[..], [3, 2]);
        assert_eq!(grid.chunk_domain(&[2, 1]), domain("5:7,4:5"));
        let all: Vec<_> = grid.project(&domain("0:7,2:5")).iter().collect();
        assert_eq!(all.len(), 6);
        assert_eq!(all[0].in_chunk.start[..], [3, 0]);
        assert!(!all[0].is_whole && all[1].is_whole && all[5].is_whole);
        assert_eq!(all[5].in_output.start[..], [5, 2]);
    }

    #[test]
    fn chunks_by_block() {
        let grid = ChunkGrid::new(domain("0:5,0:3"), &[1, 1], EdgeChunks::Clipped).unwrap();
        let blocks: Vec<_> = grid.project(&domain("1:5,0:3")).by_block(&[2, 2]).collect();
        assert_eq!(blocks, [vec![0, 4], vec![1, 2, 5, 6], vec![3, 7], vec![8], vec![9, 10], vec![11]]);
        assert_eq!(grid.project(&domain("1:1,0:3")).by_block(&[2, 2]).count(), 0);
    }

    #[test]
    fn grids_of_any_number_of_chunks() {
        let length = (1u64 << 63) - 1;
        let all = Domain::from_shape(&[length, length, 0]).unwrap();
        let grid = |chunk| ChunkGrid::new(all.clone(), &[chunk, chunk, 1], EdgeChunks::Clipped).unwrap();
        assert_eq!(grid(1).project(&all).len(), 0);
        let flat = Domain::from_shape(&[length, length]).unwrap();
        let grid = ChunkGrid::new(flat.clone(), &[2, 3], EdgeChunks::Clipped).unwrap();
        let projection = grid.project(&flat);
        assert_eq!(projection.len(), usize::MAX);
        assert_eq!(projection.get(length as usize).index[..], [(length - (1 << 62)), 1]);
    }

    #[test]
    fn alignment() {
        let grid = ChunkGrid::new(domain("-3:7"), &[4], EdgeChunks::Clipped).unwrap();
        assert_eq!(grid.align_out(&domain("0:6")), domain("-3:7"));
        assert_eq!(grid.align_in(&domain("0:7")), domain("1:7"));
        assert_eq!(grid.align_in(&domain("0:6")), domain("1:5"));
        assert!(grid.align_in(&domain("2:4")).is_empty());
        assert_eq!(grid.align_out(&domain("20:30")).shape(), [0]);
    }

    proptest! {
        /// Every selected coordinate is covered exactly once, by the chunk that holds it.
        #[test]
        fn projection_covers_the_selection_once(
            origin in -20i64..20, length in 1u64..40, chunk in 1u64..15,
            start in 0u64..40, step in 1u64..20, count in 0u64..40, padded: bool, block in 1u64..5,
        ) {
            let start = start.min(length - 1);
            let count = count.min((length - start).div_ceil(step));
            let edge = if padded { EdgeChunks::Padded } else { EdgeChunks::Clipped };
            let grid = ChunkGrid::new(Domain::new(&[origin], &[length]).unwrap(), &[chunk], edge).unwrap();
            let selection = AxisSelection { start: origin + start as i64, count, step };
            let mut seen = Vec::new();
            for part in grid.project_selection(&[selection]).iter() {
                prop_assert!(part.in_chunk.end(0) <= part.chunk_shape[0]);
                prop_assert_eq!(part.in_output.start[0], seen.len());
                for k in 0..part.in_chunk.count[0] {
                    seen.push(part.index[0] * chunk + (part.in_chunk.start[0] + k * step as usize) as u64);
                }
                let clipped = grid.chunk_domain(&part.index).shape()[0] as usize;
                prop_assert_eq!(part.is_whole, part.in_chunk.count[0] == clipped);
            }
            let projection = grid.project_selection(&[selection]);
            let blocks: Vec<Vec<usize>> = projection.by_block(&[block]).collect();
            prop_assert!(blocks.iter().flatten().copied().eq(0..projection.len()));
            let places: Vec<u64> = blocks.iter().map(|part| projection.get(part[0]).index[0] / block).collect();
            prop_assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
            for (part, place) in blocks.iter().zip(places) {
                prop_assert!(part.iter().all(|&k| projection.get(k).index[0] / block == place));
            }
            let expected: Vec<u64> = (0..count).map(|k| start + k * step).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
