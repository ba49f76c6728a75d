//! Sums of squared distances from the mean, in one pass.
//!
//! A cell has how many elements there are, the first of them, by how much their mean is larger, and the sum. Since the mean
//! is kept as a distance from an element, what is large beside the spread of the elements costs no digits. Elements of their
//! own cells are added as Welford did; rows are folded in two passes, which stay in the cache; and what has become of either
//! is merged as Chan, Golub and LeVeque did.

use super::cells::{Cells, Others, in_lanes};
use crate::base::widest::widest;

/// The parts of cells.
struct Moments<'a> {
    sums: &'a mut [f64],
    counts: &'a mut [u64],
    firsts: &'a mut [f64],
    means: &'a mut [f64],
}

impl<'a> Moments<'a> {
    fn of(cells: Cells<'a>) -> Self {
        Self {
            sums: bytemuck::cast_slice_mut(cells.values),
            counts: cells.beside,
            firsts: bytemuck::cast_slice_mut(cells.firsts),
            means: bytemuck::cast_slice_mut(cells.means),
        }
    }
}

/// So many cells and elements stay in the nearest cache while they are gone over several times.
const NEAR: usize = 256;

/// Adds each element of `row` to its own cell; NaNs are left out if it `skips` them.
pub(super) fn each(skips: bool, cells: Cells<'_>, row: &[f64]) {
    let Moments { sums, counts, firsts, means } = Moments::of(cells);
    let cells = sums.chunks_mut(NEAR).zip(counts.chunks_mut(NEAR));
    let others = firsts.chunks_mut(NEAR).zip(means.chunks_mut(NEAR));
    for (((sums, counts), (firsts, means)), row) in cells.zip(others).zip(row.chunks(NEAR)) {
        let count = counts[0];
        let is_same = counts.iter().fold(0, |all, one| all | (one ^ count)) == 0;
        let has_skipped = skips && row.iter().fold(false, |any, one| any | one.is_nan());
        if !is_same || has_skipped {
            Moments { sums, counts, firsts, means }.add(skips, row);
            continue;
        }
        if count == 0 {
            firsts.copy_from_slice(row);
        }
        counts.fill(count + 1);
        add_equally(sums, firsts, means, row, 1.0 / (count + 1) as f64);
    }
}

widest! {
    /// Adds each element to its own cell, where it is this share of all. Apart, so that the compiler knows that nothing overlaps.
    fn add_equally(sums: &mut [f64], firsts: &[f64], means: &mut [f64], row: &[f64], share: f64) {
        for (((sum, &first), mean), &one) in sums.iter_mut().zip(firsts).zip(means).zip(row) {
            let distance = one - first;
            let before = distance - *mean;
            *mean += before * share;
            *sum += before * (distance - *mean);
        }
    }
}

impl Moments<'_> {
    fn add(self, skips: bool, row: &[f64]) {
        let Self { sums, counts, firsts, means } = self;
        let cells = sums.iter_mut().zip(counts).zip(firsts.iter_mut().zip(means));
        for (((sum, count), (first, mean)), &one) in cells.zip(row) {
            if skips && one.is_nan() {
                continue;
            }
            if *count == 0 {
                *first = one;
            }
            *count += 1;
            let distance = one - *first;
            let before = distance - *mean;
            *mean += before * (1.0 / *count as f64);
            *sum += before * (distance - *mean);
        }
    }
}

widest! {
    /// Adds all of `row` to one cell; NaNs are left out if it `skips` them.
    pub(super) fn all(skips: bool, cells: Cells<'_>, row: &[f64]) {
        let is_counted = |one: f64| !(skips && one.is_nan());
        let count = if skips { row.iter().map(|&one| u64::from(!one.is_nan())).sum() } else { row.len() as u64 };
        if count == 0 {
            return;
        }
        let numbers = |a: f64, b: f64| if is_counted(b) { a + b } else { a };
        let mean =
            if skips { in_lanes(0.0, row, numbers) } else { in_lanes(0.0, row, |a, b| a + b) } / count as f64;
        let (mut rest, mut sum) = (0.0, 0.0);
        in_pairs(row, &mut rest, &mut sum, |one| {
            let distance = one - mean;
            if is_counted(one) { distance } else { 0.0 }
        });
        // What rounding the mean has left.
        let left = rest / count as f64;
        let sum = sum - rest * left;
        let sum = if sum < 0.0 { 0.0 } else { sum };
        let one = |value: f64| [value.to_bits()];
        let (values, firsts, means) = (one(sum), one(mean), one(left));
        merge(cells, &Others { values: &values, beside: &[count], firsts: &firsts, means: &means });
    }
}

/// The sums of what `f` gives of each element and of its square, in lanes.
#[inline(always)]
fn in_pairs(row: &[f64], sum: &mut f64, squares: &mut f64, f: impl Fn(f64) -> f64) {
    const LANES: usize = 8;
    let (mut sums, mut all) = ([0.0; LANES], [0.0; LANES]);
    let (whole, rest) = row.as_chunks::<LANES>();
    let mut add = |chunk: &[f64]| {
        for ((sum, square), &one) in sums.iter_mut().zip(&mut all).zip(chunk) {
            let one = f(one);
            *sum += one;
            *square += one * one;
        }
    };
    whole.iter().for_each(|chunk| add(chunk));
    add(rest);
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
            all[lane] += all[lane + width];
        }
        width /= 2;
    }
    (*sum, *squares) = (sums[0], all[0]);
}

/// Adds what other cells are of.
pub(super) fn merge(cells: Cells<'_>, others: &Others<'_>) {
    let Moments { sums, counts, firsts, means } = Moments::of(cells);
    let of = |all: &[u64], at: usize| f64::from_bits(all[at]);
    for at in 0..sums.len() {
        let (count, sum) = (others.beside[at], of(others.values, at));
        let (first, mean) = (of(others.firsts, at), of(others.means, at));
        if count == 0 {
            continue;
        }
        if counts[at] == 0 {
            (sums[at], counts[at], firsts[at], means[at]) = (sum, count, first, mean);
            continue;
        }
        let (own, other) = (counts[at] as f64, count as f64);
        let share = other / (own + other);
        let distance = (first - firsts[at]) + (mean - means[at]);
        sums[at] += sum + distance * distance * own * share;
        means[at] += distance * share;
        counts[at] += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Cell = [u64; 4];

    fn cells(cell: &mut Cell) -> Cells<'_> {
        let [value, beside, first, mean] = cell;
        Cells {
            values: std::slice::from_mut(value),
            beside: std::slice::from_mut(beside),
            firsts: std::slice::from_mut(first),
            means: std::slice::from_mut(mean),
        }
    }

    fn merged(mut one: Cell, [value, beside, first, mean]: Cell) -> Cell {
        let others = Others { values: &[value], beside: &[beside], firsts: &[first], means: &[mean] };
        merge(cells(&mut one), &others);
        one
    }

    /// Numbers around `mean`, and the sum of their squared distances from their own mean, which they have exactly.
    fn numbers(mean: f64, count: i64) -> (Vec<f64>, f64) {
        let whole: Vec<i64> = (0..count).map(|k| (k * 7919) % 1025).collect();
        let (sum, squares): (i64, i64) = (whole.iter().sum(), whole.iter().map(|k| k * k).sum());
        let exact = (squares * count - sum * sum) as f64 / count as f64 / 256.0 / 256.0;
        (whole.iter().map(|&k| mean + k as f64 / 256.0).collect(), exact)
    }

    #[test]
    fn digits_are_kept_however_large_the_mean_is() {
        for mean in [0.0, 1e8, -1e12] {
            let (row, exact) = numbers(mean, 5000);
            let mut one_by_one = [0; 4];
            row.iter().for_each(|one| each(false, cells(&mut one_by_one), &[*one]));
            let mut in_rows = [0; 4];
            row.chunks(1001).for_each(|part| all(false, cells(&mut in_rows), part));
            let (mut low, mut high) = ([0; 4], [0; 4]);
            all(true, cells(&mut low), &row[..1234]);
            row[1234..].iter().for_each(|one| each(true, cells(&mut high), &[f64::NAN, *one][1..]));
            for cell in [one_by_one, in_rows, merged(low, high)] {
                let found = f64::from_bits(cell[0]);
                assert!((found / exact - 1.0).abs() < 4e-15, "{mean}: {found} {exact}");
                assert_eq!(cell[1], 5000);
            }
        }
    }

    #[test]
    fn what_is_no_number_is_skipped_or_decides() {
        let row = [1.0, f64::NAN, 3.0];
        let (mut skipping, mut plain, mut infinite) = ([0; 4], [0; 4], [0; 4]);
        all(true, cells(&mut skipping), &row);
        each(true, cells(&mut skipping), &[f64::NAN]);
        all(false, cells(&mut plain), &row);
        each(false, cells(&mut infinite), &[f64::INFINITY]);
        assert_eq!((f64::from_bits(skipping[0]), skipping[1]), (2.0, 2));
        assert!(f64::from_bits(plain[0]).is_nan() && f64::from_bits(infinite[0]).is_nan());
        assert_eq!(merged([0; 4], skipping), skipping);
        assert_eq!(merged(skipping, [0; 4]), skipping);
        // An element that is far from all others is the first one.
        let mut far = [0; 4];
        let rest = (0..1000).map(f64::from);
        std::iter::once(1e15).chain(rest).for_each(|one| each(false, cells(&mut far), &[one]));
        assert!((f64::from_bits(far[0]) / (1e30 * 1000.0 / 1001.0) - 1.0).abs() < 1e-11);
    }
}
