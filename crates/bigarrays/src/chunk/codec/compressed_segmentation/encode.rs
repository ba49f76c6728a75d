//! Encoding: the sorted distinct labels of each block become its table, shared by equal blocks.

use std::collections::HashMap;

use crate::base::buffer::{Order, Region, Rows, View, ViewMut, first_bytes, with_scratch};
use crate::base::error::{Error, Result};
use crate::chunk::codec::compressed_segmentation::volume::{HEADER, MAX_OFFSET, Volume, values_len};

/// Appends the encoded chunk to `out`.
pub(crate) fn encode<const N: usize>(chunk: &View<'_>, volume: &Volume, out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    out.resize(start + volume.channels * 4, 0);
    let mut encoder = BlockEncoder::new(volume);
    let mut region = Region::whole(chunk.shape());
    for channel in 0..volume.channels {
        let offset = u32::try_from((out.len() - start) / 4).map_err(|_| too_large(volume))?;
        out[start + channel * 4..][..4].copy_from_slice(&offset.to_le_bytes());
        if let [_, _, _, channels] = &mut region.count[..] {
            *channels = 1;
            region.start[3] = channel;
        }
        encoder.encode_channel::<N>(&chunk.clone().region(&region), out)?;
    }
    Ok(())
}

/// The state of encoding one block after another.
struct BlockEncoder<'a> {
    volume: &'a Volume,
    /// For each element of the block, one more than the place of its label in `labels`; zero, which
    /// stands for the lowest label, where the block is padded. Whole words, however many bits.
    indices: Vec<u32>,
    labels: Labels,
    /// Offset and length of each table by the hash of its labels.
    tables: HashMap<u64, (usize, usize)>,
}

impl<'a> BlockEncoder<'a> {
    fn new(volume: &'a Volume) -> Self {
        let indices = vec![0; volume.block_len().next_multiple_of(32)];
        Self { volume, indices, labels: Labels::default(), tables: HashMap::new() }
    }

    fn encode_channel<const N: usize>(&mut self, chunk: &View<'_>, out: &mut Vec<u8>) -> Result<()> {
        let base = out.len();
        out.resize(base + self.volume.blocks * HEADER, 0);
        self.tables.clear();
        let (nz, bz) = (self.volume.shape[2], self.volume.block[2]);
        let mut region = Region::whole(chunk.shape());
        let mut header = base;
        for z in (0..nz).step_by(bz) {
            (region.start[2], region.count[2]) = (z, bz.min(nz - z));
            let slab = chunk.clone().region(&region);
            header = match slab.as_dense(Order::Fortran) {
                Some(_) => self.encode_slab::<N>(&slab, base, header, out)?,
                // The rows of a block lie so far apart in a volume that it is quicker to gather them first.
                None => with_scratch(|scratch| {
                    let dense = first_bytes(scratch, region.count.iter().product::<usize>() * N);
                    ViewMut::dense(dense, &region.count, N, Order::Fortran)?.copy_from(&slab);
                    let slab = View::dense(dense, &region.count, N, Order::Fortran)?;
                    self.encode_slab::<N>(&slab, base, header, out)
                })?,
            };
        }
        Ok(())
    }

    /// Encodes the blocks of one layer, whose headers begin at `header`; returns where the next ones begin.
    fn encode_slab<const N: usize>(
        &mut self,
        slab: &View<'_>,
        base: usize,
        mut header: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize> {
        let ([nx, ny, _], [bx, by, _]) = (self.volume.shape, self.volume.block);
        let rows = slab.rows::<N>().ok_or_else(|| Error::invalid("an empty block"))?;
        for y in (0..ny).step_by(by) {
            for x in (0..nx).step_by(bx) {
                let count = [bx.min(nx - x), by.min(ny - y), slab.shape()[2]];
                let bits = self.index(&rows, [x, y, 0], count);
                let entry = self.write::<N>(bits, base, out)?;
                out[header..header + HEADER].copy_from_slice(&entry.to_le_bytes());
                header += HEADER;
            }
        }
        Ok(header)
    }

    /// Finds the distinct labels of a block and the index of each element; returns the bits of one
    /// value. `indices` is left alone where that is zero.
    fn index<const N: usize>(&mut self, rows: &Rows<'_, N>, first: [usize; 3], count: [usize; 3]) -> usize {
        let row = |y: usize, z: usize| rows.row(first[0]..first[0] + count[0], first[1] + y, first[2] + z);
        let mut last = row(0, 0)[0];
        self.labels.clear();
        let mut index = self.labels.index(number(last));
        if (0..count[2]).all(|z| (0..count[1]).all(|y| is_uniform(row(y, z), last))) {
            return 0;
        }
        let [bx, by, _] = self.volume.block;
        if count != self.volume.block {
            self.indices.fill(0);
        }
        for z in 0..count[2] {
            for y in 0..count[1] {
                let indices = &mut self.indices[bx * (y + by * z)..][..count[0]];
                for (label, to) in row(y, z).iter().zip(indices) {
                    if *label != last {
                        last = *label;
                        index = self.labels.index(number(last));
                    }
                    *to = index;
                }
            }
        }
        self.labels.sort();
        self.labels.bits()
    }

    /// Appends values and, where no earlier block has the same, the table; returns the header.
    fn write<const N: usize>(&mut self, bits: usize, base: usize, out: &mut Vec<u8>) -> Result<u64> {
        let values = (out.len() - base) / 4;
        let length = values_len(self.volume.block_len(), bits);
        let start = out.len();
        out.resize(start + length, 0);
        let (indices, ranks) = (&self.indices[..], &self.labels.ranks[..]);
        let words = out[start..].as_chunks_mut().0;
        match bits {
            0 => {}
            1 => pack::<1, 32>(indices, ranks, words),
            2 => pack::<2, 16>(indices, ranks, words),
            4 => pack::<4, 8>(indices, ranks, words),
            8 => pack::<8, 4>(indices, ranks, words),
            16 => pack::<16, 2>(indices, ranks, words),
            _ => pack::<32, 1>(indices, ranks, words),
        }
        let table = self.table::<N>(base, out);
        // Some readers also take only 24 bits of the offset of values.
        if table >= MAX_OFFSET || (bits > 0 && values >= MAX_OFFSET) {
            return Err(too_large(self.volume));
        }
        Ok(table as u64 | (bits as u64) << 24 | (values as u64) << 32)
    }

    /// The offset of a table of `labels`, which is written unless it is there already.
    fn table<const N: usize>(&mut self, base: usize, out: &mut Vec<u8>) -> usize {
        let labels = &self.labels.sorted;
        let bytes = |label: &u64| -> [u8; N] { std::array::from_fn(|i| (label >> (8 * i)) as u8) };
        let hash =
            labels.iter().fold(0, |hash, label| (hash ^ label).wrapping_mul(MULTIPLIER).rotate_left(29));
        if let Some(&(offset, length)) = self.tables.get(&hash) {
            let known = out[base + offset * 4..].as_chunks::<N>().0;
            if length == labels.len() && labels.iter().zip(known).all(|(label, known)| bytes(label) == *known)
            {
                return offset;
            }
        }
        let offset = (out.len() - base) / 4;
        out.extend(labels.iter().flat_map(bytes));
        self.tables.entry(hash).or_insert((offset, labels.len()));
        offset
    }
}

/// Odd, with bits spread evenly: 2^64 over the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// The distinct labels of a block, found by an open hash table.
#[derive(Default)]
struct Labels {
    /// In the order of their discovery; sorted by [`Labels::sort`].
    sorted: Vec<u64>,
    /// The slot of each label in the order of discovery.
    slots: Vec<usize>,
    /// A label and one more than its place in the order of discovery, which is zero in free slots.
    table: Vec<(u64, u32)>,
    /// By one more than the place in the order of discovery, the place in the sorted order.
    ranks: Vec<u32>,
    order: Vec<u32>,
}

impl Labels {
    fn clear(&mut self) {
        for slot in self.slots.drain(..) {
            self.table[slot].1 = 0;
        }
        self.sorted.clear();
    }

    /// One more than the place of `label` in the order of discovery.
    fn index(&mut self, label: u64) -> u32 {
        if self.table.len() < 4 * (self.sorted.len() + 1) {
            self.grow();
        }
        let slot = self.slot(label);
        if self.table[slot].1 == 0 {
            self.insert(slot, label);
        }
        self.table[slot].1
    }

    /// The slot that holds `label`, or the free one where it belongs. At least half are free.
    fn slot(&self, label: u64) -> usize {
        let mask = self.table.len() - 1;
        let mut slot = (label.wrapping_mul(MULTIPLIER) >> 32) as usize & mask;
        while self.table[slot].1 != 0 && self.table[slot].0 != label {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn insert(&mut self, slot: usize, label: u64) {
        self.sorted.push(label);
        self.slots.push(slot);
        self.table[slot] = (label, self.sorted.len() as u32);
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.table.len() * 4).max(64);
        let labels = std::mem::take(&mut self.sorted);
        self.slots.clear();
        self.table.clear();
        self.table.resize(size, (0, 0));
        for label in labels {
            self.insert(self.slot(label), label);
        }
    }

    fn sort(&mut self) {
        self.order.clear();
        self.order.extend(0..self.sorted.len() as u32);
        let labels = &self.sorted;
        self.order.sort_unstable_by_key(|&place| labels[place as usize]);
        self.ranks.clear();
        self.ranks.resize(labels.len() + 1, 0);
        for (rank, &place) in self.order.iter().enumerate() {
            self.ranks[place as usize + 1] = rank as u32;
        }
        self.sorted.sort_unstable();
    }

    /// The smallest permitted number of bits that tells the labels apart.
    fn bits(&self) -> usize {
        let count = self.sorted.len() as u64;
        [0, 1, 2, 4, 8, 16].into_iter().find(|&bits| 1 << bits >= count).unwrap_or(32)
    }
}

/// Packs the ranks of `indices` into `words`, `PER` = 32 / `BITS` to a word.
fn pack<const BITS: usize, const PER: usize>(indices: &[u32], ranks: &[u32], words: &mut [[u8; 4]]) {
    for (group, word) in indices.as_chunks::<PER>().0.iter().zip(words) {
        let mut packed = 0;
        for (i, &index) in group.iter().enumerate() {
            packed |= ranks[index as usize] << (i * BITS);
        }
        *word = packed.to_le_bytes();
    }
}

fn is_uniform<const N: usize>(row: &[[u8; N]], label: [u8; N]) -> bool {
    let label = number(label);
    row.iter().fold(0, |differs, element| differs | (number(*element) ^ label)) == 0
}

/// The number that the bytes of an element are, in the machine's order.
#[inline(always)]
fn number<const N: usize>(bytes: [u8; N]) -> u64 {
    let mut wide = [0; 8];
    if cfg!(target_endian = "big") {
        wide[8 - N..].copy_from_slice(&bytes);
    } else {
        wide[..N].copy_from_slice(&bytes);
    }
    u64::from_ne_bytes(wide)
}

#[cold]
fn too_large(volume: &Volume) -> Error {
    let shape = volume.shape;
    let smaller: [usize; 3] = std::array::from_fn(|axis| {
        shape[axis].div_ceil(2).next_multiple_of(volume.block[axis]).min(shape[axis])
    });
    Error::invalid(format!(
        "a chunk of {shape:?} with these labels exceeds the 24-bit offsets of compressed_segmentation; \
         use smaller chunks, such as {smaller:?}"
    ))
}
