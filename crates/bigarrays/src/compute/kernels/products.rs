//! Products of matrices, the second of which is transposed.

use bytemuck::Pod;

/// What is multiplied and summed.
pub(crate) trait Term: Pod {
    fn add_product(self, one: Self, two: Self) -> Self;
}

impl Term for f64 {
    #[inline(always)]
    fn add_product(self, one: Self, two: Self) -> Self {
        self + one * two
    }
}

impl Term for i64 {
    #[inline(always)]
    fn add_product(self, one: Self, two: Self) -> Self {
        self.wrapping_add(one.wrapping_mul(two))
    }
}

/// Columns of the second matrix that are done at once.
const WIDE: usize = 32;

/// Rows of the first matrix that are.
const HIGH: usize = 4;

/// Terms of a sum whose factors stay in the cache.
const DEEP: usize = 256;

/// Writes the product of a matrix of `rows`, and the transpose of one of as many rows as there are `columns`. Each sum is in
/// order, whatever is done at once.
pub(crate) fn products<T: Term>(one: &[T], two: &[T], (rows, columns): (usize, usize), out: &mut [T]) {
    out.fill(T::zeroed());
    if rows == 0 || columns == 0 {
        return;
    }
    let depth = one.len() / rows;
    // The factors of some columns, those of one term after the other.
    let mut panel = vec![T::zeroed(); WIDE * DEEP];
    for first in (0..columns).step_by(WIDE) {
        let wide = WIDE.min(columns - first);
        for start in (0..depth).step_by(DEEP) {
            let deep = DEEP.min(depth - start);
            for column in 0..wide {
                let factors = &two[(first + column) * depth + start..][..deep];
                factors.iter().enumerate().for_each(|(term, &factor)| panel[term * WIDE + column] = factor);
            }
            for row in (0..rows).step_by(HIGH) {
                let high = HIGH.min(rows - row);
                block(
                    &one[row * depth + start..],
                    depth,
                    (high, deep),
                    &panel,
                    &mut out[row * columns + first..],
                    (columns, wide),
                );
            }
        }
    }
}

/// Adds the products of some rows with a panel.
fn block<T: Term>(
    one: &[T],
    depth: usize,
    (high, deep): (usize, usize),
    panel: &[T],
    out: &mut [T],
    (columns, wide): (usize, usize),
) {
    let mut sums = [[T::zeroed(); WIDE]; HIGH];
    for (row, sums) in sums.iter_mut().enumerate().take(high) {
        sums[..wide].copy_from_slice(&out[row * columns..][..wide]);
    }
    for (term, factors) in panel.chunks_exact(WIDE).take(deep).enumerate() {
        for (row, sums) in sums.iter_mut().enumerate().take(high) {
            let factor = one[row * depth + term];
            for (sum, &other) in sums.iter_mut().zip(factors) {
                *sum = sum.add_product(factor, other);
            }
        }
    }
    for (row, sums) in sums.iter().enumerate().take(high) {
        out[row * columns..][..wide].copy_from_slice(&sums[..wide]);
    }
}
