//! The sections of a compresso stream, and its boundaries.

use std::ops::Range;

use crate::base::error::{Error, Result};

/// Bytes of the header.
pub(crate) const HEADER: usize = 36;

/// What makes neighbours of one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connectivity {
    /// A common edge within a slice.
    Four,
    /// A common face.
    Six,
}

/// A parsed stream of labels of `N` bytes. Nothing in it but the header has been checked.
pub(crate) struct Stream<'a, const N: usize> {
    pub(crate) shape: [usize; 3],
    pub(crate) connectivity: Connectivity,
    /// The label of each component.
    pub(crate) ids: &'a [[u8; N]],
    pub(crate) locations: &'a [[u8; N]],
    /// Shape of a window, at most 64 elements.
    step: [usize; 3],
    /// Bytes of a window.
    width: usize,
    values: &'a [u8],
    windows: &'a [u8],
    index: Option<Index<'a>>,
}

/// Counts of components, then of locations, one of each for every slice.
struct Index<'a> {
    width: usize,
    bytes: &'a [u8],
}

impl<'a, const N: usize> Stream<'a, N> {
    pub(crate) fn parse(bytes: &'a [u8], shape: [usize; 3]) -> Result<Self> {
        let (header, mut rest) = bytes.split_first_chunk::<HEADER>().ok_or_else(truncated)?;
        let connectivity = check_header(header, shape, N)?;
        let step = [12, 13, 14].map(|at| usize::from(header[at]));
        let width = match step.iter().product() {
            1..=8 => 1,
            9..=16 => 2,
            17..=32 => 4,
            33..=64 => 8,
            _ => return Err(Error::corrupt(format!("compresso windows of {step:?} elements"))),
        };
        let ids = take(&mut rest, field(header, 15..23), N)?.as_chunks().0;
        let values = take(&mut rest, field(header, 23..27), width)?;
        let locations = take(&mut rest, field(header, 27..35), N)?.as_chunks().0;
        let mut index = None;
        if header[4] == 1 {
            let width = index_width(shape);
            let start = rest.len().checked_sub(2 * shape[2] * width).ok_or_else(truncated)?;
            index = Some(Index { width, bytes: &rest[start..] });
            rest = &rest[..start];
        }
        if !rest.len().is_multiple_of(width) {
            return Err(truncated());
        }
        Ok(Self { shape, connectivity, ids, locations, step, width, values, windows: rest, index })
    }

    /// Whether slices can be decoded by themselves.
    pub(crate) fn has_index(&self) -> bool {
        self.index.is_some()
    }

    /// The place of the first component of slice `z` in `ids`.
    pub(crate) fn first_id(&self, z: usize) -> Result<usize> {
        self.index.as_ref().map_or(Ok(0), |index| index.sum(0..z))
    }

    /// The place of the first location of slice `z`. Its entry counts those of the slice before.
    pub(crate) fn first_location(&self, z: usize) -> Result<usize> {
        let all = self.shape[2];
        self.index.as_ref().map_or(Ok(0), |index| index.sum(all..all + z + 1))
    }

    /// Sets `boundary` to one at the elements of `slices` on the boundary, to zero at the others.
    pub(crate) fn boundary(&self, slices: &Range<usize>, boundary: &mut [u8]) -> Result<()> {
        let grid: [usize; 3] = std::array::from_fn(|axis| self.shape[axis].div_ceil(self.step[axis]));
        let total: usize = grid.iter().product();
        // Blocks that meet the slices.
        let layer = grid[0] * grid[1];
        let wanted = slices.start / self.step[2] * layer..slices.end.div_ceil(self.step[2]) * layer;
        let zero = if self.values.is_empty() { 0 } else { self.value(0)? };
        boundary.fill(0);
        let mut block = 0usize;
        for window in self.windows.chunks_exact(self.width) {
            let window = wide(window);
            let (value, count) = match window & 1 {
                1 => (zero, usize::try_from(window >> 1).unwrap_or(usize::MAX)),
                _ => (self.value((window >> 1) as usize)?, 1),
            };
            let end = block.checked_add(count).filter(|&end| end <= total);
            let end = end.ok_or_else(|| inconsistent("windows"))?;
            if value != 0 {
                for block in block.max(wanted.start)..end.min(wanted.end) {
                    self.draw(value, block, &grid, slices, boundary);
                }
            }
            block = end;
        }
        if block == total { Ok(()) } else { Err(inconsistent("windows")) }
    }

    fn value(&self, index: usize) -> Result<u64> {
        let value = self.values.chunks_exact(self.width).nth(index);
        value.map(wide).ok_or_else(|| inconsistent("windows"))
    }

    /// Draws the set bits of one window into `boundary`, which begins at the first of `slices`.
    fn draw(&self, value: u64, block: usize, grid: &[usize; 3], slices: &Range<usize>, boundary: &mut [u8]) {
        let ([nx, ny, _], [sx, sy, sz]) = (self.shape, self.step);
        let first = [block % grid[0] * sx, block / grid[0] % grid[1] * sy, block / (grid[0] * grid[1]) * sz];
        let mut bits = value;
        while bits != 0 {
            let bit = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let (x, y, z) = (first[0] + bit % sx, first[1] + bit / sx % sy, first[2] + bit / (sx * sy));
            if x < nx && y < ny && bit < sx * sy * sz && slices.contains(&z) {
                boundary[x + nx * (y + ny * (z - slices.start))] = 1;
            }
        }
    }
}

impl Index<'_> {
    fn sum(&self, entries: Range<usize>) -> Result<usize> {
        let counts = self.bytes.chunks_exact(self.width).skip(entries.start).take(entries.len());
        let sum = counts.map(wide).try_fold(0u64, u64::checked_add).and_then(|sum| usize::try_from(sum).ok());
        sum.ok_or_else(|| inconsistent("z index"))
    }
}

/// Checks everything in the header that must agree with the chunk of labels of `size` bytes.
fn check_header(header: &[u8; HEADER], shape: [usize; 3], size: usize) -> Result<Connectivity> {
    if !header.starts_with(b"cpso") {
        return Err(Error::corrupt("these bytes are not a compresso stream"));
    }
    if header[4] > 1 {
        return Err(Error::unsupported(format!("version {} of the compresso format", header[4])));
    }
    let stored = [6, 8, 10].map(|at| field(header, at..at + 2));
    if usize::from(header[5]) != size || stored != shape.map(|length| length as u64) {
        return Err(Error::corrupt(format!(
            "a compresso stream of shape {stored:?} and {} bytes per label instead of {shape:?} and {size}",
            header[5]
        )));
    }
    match (header[35], header[4]) {
        (4, _) => Ok(Connectivity::Four),
        (6, 0) => Ok(Connectivity::Six),
        (other, _) => Err(Error::corrupt(format!("compresso connectivity {other}"))),
    }
}

/// Bytes of an entry of the z index: those of the smallest integer above twice a slice's elements.
fn index_width([x, y, _]: [usize; 3]) -> usize {
    match 2 * x as u64 * y as u64 {
        0..0xff => 1,
        0xff..0xffff => 2,
        0xffff..0xffff_ffff => 4,
        _ => 8,
    }
}

fn field(header: &[u8; HEADER], range: Range<usize>) -> u64 {
    wide(&header[range])
}

/// The number that at most eight little-endian bytes are.
fn wide(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight[..bytes.len()].copy_from_slice(bytes);
    number(eight)
}

/// Splits `count` items of `size` bytes off `rest`.
fn take<'a>(rest: &mut &'a [u8], count: u64, size: usize) -> Result<&'a [u8]> {
    let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(size));
    let (section, after) = length.and_then(|length| rest.split_at_checked(length)).ok_or_else(truncated)?;
    *rest = after;
    Ok(section)
}

#[cold]
fn truncated() -> Error {
    Error::corrupt("this compresso stream ends early")
}

/// The number that little-endian bytes are.
pub(crate) fn number<const N: usize>(bytes: [u8; N]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cold]
pub(crate) fn inconsistent(what: &str) -> Error {
    Error::corrupt(format!("the {what} of this compresso stream contradict its boundaries"))
}
