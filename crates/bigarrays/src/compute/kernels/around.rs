//! Rows of a filter: what is around each element lies at offsets from it.

use crate::compute::kernels::monoid::{Ordered, Real};
use crate::compute::kernels::network::Network;

/// Elements of a row that are done at once.
const TILE: usize = 1024;

/// Bytes of rows that stay in the first cache.
const CACHED: usize = 32 << 10;

/// The most elements of a footprint that a network compares.
const WIDEST: usize = 256;

/// Writes the sum of the elements at each offset times its weight, in `f64`.
pub(crate) fn weigh<R: Real>(given: &[R], offsets: &[usize], weights: &[f64], out: &mut [R]) {
    let mut sums = [0f64; TILE];
    for (number, out) in out.chunks_mut(TILE).enumerate() {
        let sums = &mut sums[..out.len()];
        sums.fill(0.0);
        for (&offset, &weight) in offsets.iter().zip(weights) {
            for (sum, &element) in sums.iter_mut().zip(&given[offset + number * TILE..]) {
                *sum += element.wide() * weight;
            }
        }
        out.iter_mut().zip(&*sums).for_each(|(out, &sum)| *out = R::narrow(sum));
    }
}

/// Writes the least of the elements at the offsets, or the largest; NaN if one is.
pub(crate) fn extreme<T: Ordered, const MOST: bool>(given: &[T], offsets: &[usize], out: &mut [T]) {
    out.fill(if MOST { T::LEAST } else { T::MOST });
    for (number, out) in out.chunks_mut(TILE).enumerate() {
        for &offset in offsets {
            for (out, &element) in out.iter_mut().zip(&given[offset + number * TILE..]) {
                let is_old = if MOST { element.is_less(*out) } else { out.is_less(element) };
                *out = if is_old | out.is_nan() { *out } else { element };
            }
        }
    }
}

/// Writes the label of each element if all at the offsets have it, and 0 else.
pub(crate) fn erode_labels<T: Ordered>(given: &[T], offsets: &[usize], center: usize, out: &mut [T]) {
    let length = out.len();
    out.copy_from_slice(&given[center..][..length]);
    let labels = &given[center..];
    for &offset in offsets {
        for ((out, &element), &label) in out.iter_mut().zip(&given[offset..]).zip(labels) {
            let is_other = element.is_less(label) | label.is_less(element);
            *out = if is_other { T::zeroed() } else { *out };
        }
    }
}

/// Writes the label of each element, or if it is 0 the largest at the offsets.
pub(crate) fn dilate_labels<T: Ordered>(given: &[T], offsets: &[usize], center: usize, out: &mut [T]) {
    extreme::<T, true>(given, offsets, out);
    let zero = T::zeroed();
    for (out, &label) in out.iter_mut().zip(&given[center..]) {
        let is_label = zero.is_less(label) | label.is_less(zero);
        *out = if is_label { label } else { *out };
    }
}

/// Finds elements of a rank. Those around neighbours along the last axis of a full box are columns that are sorted once for all of
/// them.
#[derive(Clone, Debug)]
pub(crate) struct Rank {
    rank: usize,
    /// Columns side by side, and the elements of each.
    columns: usize,
    each: usize,
    /// How columns are sorted, and the element is found in those; none for what has too many elements.
    networks: Option<(Network, Network)>,
}

/// Rows of columns, and of all elements around each.
pub(crate) struct RankMemory<T> {
    columns: Vec<T>,
    all: Vec<T>,
}

impl Rank {
    pub(crate) fn new(&(columns, each): &(usize, usize), rank: usize) -> Self {
        let networks = (columns * each <= WIDEST).then(|| match columns {
            1 => {
                // Nothing is shared: each element is a list of its own.
                (Network::sorting(0), Network::of_rank(each, 1, rank))
            }
            _ => (Network::sorting(each), Network::of_rank(columns, each, rank)),
        });
        Self { rank, columns, each, networks }
    }

    fn tile(&self, size: usize) -> usize {
        (CACHED / (size * self.columns * self.each)).clamp(64, TILE)
    }

    /// Bytes of memory.
    pub(crate) fn scratch(&self, size: usize) -> u64 {
        (2 * self.columns * self.each * (self.tile(size) + 64) * size) as u64
    }

    pub(crate) fn memory<T: Ordered>(&self) -> RankMemory<T> {
        RankMemory {
            columns: Vec::new(),
            all: vec![T::zeroed(); self.columns * self.each * self.tile(size_of::<T>())],
        }
    }

    /// Writes a row. Offsets are those of one column after the other, `inner` apart.
    pub(crate) fn row<T: Ordered>(
        &self,
        given: &[T],
        offsets: &[usize],
        inner: usize,
        memory: &mut RankMemory<T>,
        out: &mut [T],
    ) {
        let most = self.tile(size_of::<T>());
        for (number, out) in out.chunks_mut(most).enumerate() {
            let given = &given[number * most..];
            let has_nan =
                offsets.iter().any(|&offset| given[offset..][..out.len()].iter().any(|one| one.is_nan()));
            match &self.networks {
                Some((sorting, finding)) if !has_nan => {
                    self.by_networks(given, offsets, inner, (sorting, finding), memory, out);
                }
                _ => self.by_selection(given, offsets, memory, out),
            }
        }
    }

    fn by_networks<T: Ordered>(
        &self,
        given: &[T],
        offsets: &[usize],
        inner: usize,
        (sorting, finding): (&Network, &Network),
        memory: &mut RankMemory<T>,
        out: &mut [T],
    ) {
        let RankMemory { columns, all } = memory;
        let length = out.len();
        let mut copy = |row: usize, from: &[T]| {
            all[row * length..][..length]
                .iter_mut()
                .zip(from)
                .for_each(|(to, from)| *to = from.unsigned_zero());
        };
        if self.columns == 1 {
            offsets.iter().enumerate().for_each(|(row, &offset)| copy(row, &given[offset..]));
        } else {
            let wide = length + (self.columns - 1) * inner;
            columns.resize(columns.len().max(self.each * wide), T::zeroed());
            for (row, &offset) in columns.chunks_exact_mut(wide).zip(&offsets[..self.each]) {
                row.copy_from_slice(&given[offset..][..wide]);
            }
            sorting.run(columns, wide);
            for column in 0..self.columns {
                for (place, &row) in sorting.order().iter().enumerate() {
                    copy(column * self.each + place, &columns[usize::from(row) * wide + column * inner..]);
                }
            }
        }
        finding.run(all, length);
        out.copy_from_slice(&all[usize::from(finding.order()[0]) * length..][..length]);
    }

    fn by_selection<T: Ordered>(
        &self,
        given: &[T],
        offsets: &[usize],
        memory: &mut RankMemory<T>,
        out: &mut [T],
    ) {
        let around = &mut memory.all[..offsets.len()];
        for (at, out) in out.iter_mut().enumerate() {
            around.iter_mut().zip(offsets).for_each(|(to, offset)| *to = given[offset + at].unsigned_zero());
            let order = |one: &T, other: &T| match (one.is_nan(), other.is_nan()) {
                (false, false) if one.is_less(*other) => std::cmp::Ordering::Less,
                (false, false) if other.is_less(*one) => std::cmp::Ordering::Greater,
                (one, other) => one.cmp(&other),
            };
            *out = *around.select_nth_unstable_by(self.rank, order).1;
        }
    }
}
