//! Decoding: only the blocks that meet the region, straight into the rows of the output.

use crate::base::buffer::{Order, Region, RowsMut, View, ViewMut, first_bytes, with_scratch};
use crate::base::dims::Dims;
use crate::base::error::{Error, Result};
use crate::chunk::codec::Points;
use crate::chunk::codec::compressed_segmentation::volume::{HEADER, Volume, values_len};

/// Decodes `region` into `out`, little-endian.
pub(crate) fn decode<const N: usize>(
    bytes: &[u8],
    volume: &Volume,
    region: &Region,
    out: &mut ViewMut<'_>,
) -> Result<()> {
    if region.count.contains(&0) {
        return Ok(());
    }
    let axes: [Vec<Span>; 3] = std::array::from_fn(|axis| spans(region, axis, volume.block[axis]));
    let step = std::array::from_fn(|axis| region.step[axis]);
    let mut part = Region::whole(&region.count);
    for k in 0..region.count.get(3).copied().unwrap_or(1) {
        let mut channel = 0;
        if region.count.len() == 4 {
            channel = region.start[3] + k * region.step[3];
            (part.start[3], part.count[3]) = (k, 1);
        }
        let channel = Channel::new(bytes, volume, channel)?;
        channel.decode::<N>(&axes, step, &mut out.reborrow().region(&part))?;
    }
    Ok(())
}

/// Decodes the elements at `points` into `out`, little-endian, one after the other.
pub(crate) fn decode_points<const N: usize>(
    bytes: &[u8],
    volume: &Volume,
    points: &Points<'_>,
    out: &mut [u8],
) -> Result<()> {
    let mut channel = (0, Channel::new(bytes, volume, 0)?);
    for (point, element) in points.iter().zip(out.as_chunks_mut::<N>().0) {
        let wanted = point.get(3).copied().unwrap_or(0);
        if channel.0 != wanted {
            channel = (wanted, Channel::new(bytes, volume, wanted)?);
        }
        let [x, y, z] = std::array::from_fn(|axis| point[axis] % volume.block[axis]);
        let block = channel.1.block::<N>(std::array::from_fn(|axis| point[axis] / volume.block[axis]))?;
        *element = block.at(x + volume.block[0] * (y + volume.block[1] * z))?;
    }
    Ok(())
}

/// What one row of blocks contributes to the region along one axis.
#[derive(Clone, Copy, Debug)]
struct Span {
    block: usize,
    /// The first index within the block.
    local: usize,
    /// Where that index stands in the output.
    first: usize,
    count: usize,
}

/// The blocks that meet the region along `axis`.
fn spans(region: &Region, axis: usize, block: usize) -> Vec<Span> {
    let (start, count, step) = (region.start[axis], region.count[axis], region.step[axis]);
    let mut spans = Vec::new();
    let mut first = 0;
    while first < count {
        let (index, local) = ((start + first * step) / block, (start + first * step) % block);
        let within = (count - first).min((block - 1 - local) / step + 1);
        spans.push(Span { block: index, local, first, count: within });
        first += within;
    }
    spans
}

/// The elements wanted of one block: `count` of them along each axis from `local` at every `step`, and
/// their place in the output.
#[derive(Clone, Copy, Debug)]
struct Part {
    local: [usize; 3],
    first: [usize; 3],
    count: [usize; 3],
    step: [usize; 3],
}

/// Everything from the start of one channel.
struct Channel<'a> {
    bytes: &'a [u8],
    volume: &'a Volume,
}

impl<'a> Channel<'a> {
    fn new(bytes: &'a [u8], volume: &'a Volume, channel: usize) -> Result<Self> {
        let first = word(bytes, 0).ok_or_else(|| truncated(bytes))?;
        if !bytes.len().is_multiple_of(4) || first as usize != volume.channels {
            return Err(Error::corrupt(format!(
                "{} bytes that start with {first} are not {} channel(s) of compressed_segmentation",
                bytes.len(),
                volume.channels
            )));
        }
        let offset = word(bytes, channel).ok_or_else(|| truncated(bytes))?;
        let bytes = tail(bytes, offset).ok_or_else(|| truncated(bytes))?;
        if bytes.len() / HEADER < volume.blocks {
            return Err(truncated(bytes));
        }
        Ok(Self { bytes, volume })
    }

    fn decode<const N: usize>(
        &self,
        [xs, ys, zs]: &[Vec<Span>; 3],
        step: [usize; 3],
        out: &mut ViewMut<'_>,
    ) -> Result<()> {
        let mut parts =
            zs.iter().flat_map(|z| ys.iter().flat_map(move |y| xs.iter().map(move |x| [x, y, z])));
        let decode = |spans: [&Span; 3], rows: &mut RowsMut<'_, N>, first: [usize; 3]| {
            let [local, count] = [spans.map(|span| span.local), spans.map(|span| span.count)];
            let block = self.block::<N>(spans.map(|span| span.block))?;
            block.decode(self.volume.block, &Part { local, first, count, step }, rows)
        };
        if let Some(mut rows) = out.rows_mut::<N>() {
            return parts.try_for_each(|spans| decode(spans, &mut rows, spans.map(|span| span.first)));
        }
        with_scratch(|scratch| {
            parts.try_for_each(|spans| {
                let count = spans.map(|span| span.count);
                let dense = first_bytes(scratch, count.iter().product::<usize>() * N);
                let mut view = ViewMut::dense(dense, &count, N, Order::Fortran)?;
                if let Some(mut rows) = view.rows_mut::<N>() {
                    decode(spans, &mut rows, [0; 3])?;
                }
                copy_block::<N>(dense, spans, out)
            })
        })
    }

    /// The block at `index` of the grid, its header checked.
    fn block<const N: usize>(&self, index: [usize; 3]) -> Result<Block<'a, N>> {
        let [gx, gy, _] = self.volume.grid;
        let at = (index[0] + gx * (index[1] + gy * index[2])) * HEADER / 4;
        let (Some(low), Some(values)) = (word(self.bytes, at), word(self.bytes, at + 1)) else {
            return Err(truncated(self.bytes));
        };
        let (table, bits) = (low & 0xff_ffff, (low >> 24) as usize);
        if !matches!(bits, 0 | 1 | 2 | 4 | 8 | 16 | 32) {
            return Err(Error::corrupt(format!("block {index:?} has values of {bits} bits")));
        }
        let table = tail(self.bytes, table).map(|bytes| bytes.as_chunks::<N>().0);
        let length = values_len(self.volume.block_len(), bits);
        let values = if bits == 0 { Some(&[][..]) } else { tail(self.bytes, values) };
        match (table, values.filter(|values| values.len() >= length)) {
            (Some(table), Some(values)) if !table.is_empty() => Ok(Block { bits, values, table }),
            _ => Err(Error::corrupt(format!("block {index:?} reaches beyond the end of the chunk"))),
        }
    }
}

/// Copies a decoded block to its place in an output whose rows are not dense.
fn copy_block<const N: usize>(dense: &[u8], spans: [&Span; 3], out: &mut ViewMut<'_>) -> Result<()> {
    let mut region = Region::whole(out.shape());
    for (axis, span) in spans.into_iter().enumerate() {
        (region.start[axis], region.count[axis]) = (span.first, span.count);
    }
    let shape: Dims<usize> = region.count.clone();
    out.reborrow().region(&region).copy_from(&View::dense(dense, &shape, N, Order::Fortran)?);
    Ok(())
}

/// A block: at least as many bytes of values as the block calls for, and at least one table entry.
/// Both reach to the end of the chunk, since nothing says where a table ends.
struct Block<'a, const N: usize> {
    bits: usize,
    values: &'a [u8],
    table: &'a [[u8; N]],
}

impl<const N: usize> Block<'_, N> {
    /// The element at a position in the block.
    #[inline(always)]
    fn at(&self, position: usize) -> Result<[u8; N]> {
        let bit = position * self.bits;
        let index = match self.bits {
            0 => Some(0),
            bits => word(self.values, bit / 32).map(|word| word >> (bit % 32) & u32::MAX >> (32 - bits)),
        };
        self.label(index)
    }

    #[inline(always)]
    fn label(&self, index: Option<u32>) -> Result<[u8; N]> {
        let label = index.and_then(|index| self.table.get(index as usize));
        label.copied().ok_or_else(|| Error::corrupt("a value lies beyond its lookup table"))
    }

    fn decode(&self, block: [usize; 3], part: &Part, rows: &mut RowsMut<'_, N>) -> Result<()> {
        match self.bits {
            0 => {
                let value = self.table[0];
                if rows.streams(&part.xs()) {
                    part.eights(block, rows, |_| [value; 8]);
                    return Ok(());
                }
                part.rows(block, rows, |_, row| {
                    row.fill(value);
                    Ok(())
                })
            }
            1 => self.unpack::<1, 2>(block, part, rows),
            2 => self.unpack::<2, 4>(block, part, rows),
            4 => self.unpack::<4, 16>(block, part, rows),
            8 => self.unpack::<8, 256>(block, part, rows),
            16 => self.unpack_checked::<16>(block, part, rows),
            _ => self.unpack_checked::<32>(block, part, rows),
        }
    }

    /// Values of `BITS` bits, where all of the `SIZE` = 2^`BITS` entries they may name can be read.
    fn unpack<const BITS: usize, const SIZE: usize>(
        &self,
        block: [usize; 3],
        part: &Part,
        rows: &mut RowsMut<'_, N>,
    ) -> Result<()> {
        let (Some(table), 1) = (self.table.first_chunk::<SIZE>(), part.step[0]) else {
            return self.unpack_checked::<BITS>(block, part, rows);
        };
        if rows.streams(&part.xs()) {
            part.eights(block, rows, |at| {
                let values = eight_bytes(self.values, at * BITS / 8) >> (at * BITS % 8);
                std::array::from_fn(|i| table[(values >> (i * BITS)) as usize % SIZE])
            });
            return Ok(());
        }
        part.rows(block, rows, |at, row| {
            let mut bit = at * BITS;
            let (groups, rest) = row.as_chunks_mut::<8>();
            for group in groups {
                let values = eight_bytes(self.values, bit / 8) >> (bit % 8);
                for (i, element) in group.iter_mut().enumerate() {
                    *element = table[(values >> (i * BITS)) as usize % SIZE];
                }
                bit += 8 * BITS;
            }
            if !rest.is_empty() {
                let values = eight_bytes(self.values, bit / 8) >> (bit % 8);
                for (i, element) in rest.iter_mut().enumerate() {
                    *element = table[(values >> (i * BITS)) as usize % SIZE];
                }
            }
            Ok(())
        })
    }

    /// Values of `BITS` bits at any step, each checked against the end of the table.
    fn unpack_checked<const BITS: usize>(
        &self,
        block: [usize; 3],
        part: &Part,
        rows: &mut RowsMut<'_, N>,
    ) -> Result<()> {
        let mask = u32::MAX >> (32 - BITS);
        part.rows(block, rows, |at, row| {
            for (i, element) in row.iter_mut().enumerate() {
                let bit = (at + i * part.step[0]) * BITS;
                let index = word(self.values, bit / 32).map(|word| word >> (bit % 32) & mask);
                *element = self.label(index)?;
            }
            Ok(())
        })
    }
}

impl Part {
    /// Where the elements stand in a row of the output.
    #[inline(always)]
    fn xs(&self) -> std::ops::Range<usize> {
        self.first[0]..self.first[0] + self.count[0]
    }

    /// Writes the rows, which are of eights of elements, each made by `decode` of its position in the block.
    #[inline(always)]
    fn eights<const N: usize>(
        &self,
        block: [usize; 3],
        rows: &mut RowsMut<'_, N>,
        mut decode: impl FnMut(usize) -> [[u8; N]; 8],
    ) {
        for k in 0..self.count[2] {
            for j in 0..self.count[1] {
                let (y, z) = (self.local[1] + j * self.step[1], self.local[2] + k * self.step[2]);
                let at = self.local[0] + block[0] * (y + block[1] * z);
                for x in (0..self.count[0]).step_by(8) {
                    rows.put(self.first[0] + x, self.first[1] + j, self.first[2] + k, &decode(at + x));
                }
            }
        }
    }

    /// Calls `decode` with the position in the block of the first element of each row, and the row.
    #[inline(always)]
    fn rows<const N: usize>(
        &self,
        block: [usize; 3],
        rows: &mut RowsMut<'_, N>,
        mut decode: impl FnMut(usize, &mut [[u8; N]]) -> Result<()>,
    ) -> Result<()> {
        let x = self.xs();
        for k in 0..self.count[2] {
            for j in 0..self.count[1] {
                let (y, z) = (self.local[1] + j * self.step[1], self.local[2] + k * self.step[2]);
                let at = self.local[0] + block[0] * (y + block[1] * z);
                decode(at, rows.row(x.clone(), self.first[1] + j, self.first[2] + k))?;
            }
        }
        Ok(())
    }
}

/// The eight bytes from `at` on, with zeros after the end.
#[inline(always)]
fn eight_bytes(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    if let Some(eight) = rest.first_chunk() {
        return u64::from_le_bytes(*eight);
    }
    rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// The 32-bit word number `index`.
fn word(bytes: &[u8], index: usize) -> Option<u32> {
    bytes.as_chunks().0.get(index).copied().map(u32::from_le_bytes)
}

/// What follows the first `words` 32-bit words.
fn tail(bytes: &[u8], words: u32) -> Option<&[u8]> {
    bytes.get((words as usize).checked_mul(4)?..)
}

#[cold]
fn truncated(bytes: &[u8]) -> Error {
    Error::corrupt(format!("{} bytes are too few for compressed_segmentation", bytes.len()))
}
