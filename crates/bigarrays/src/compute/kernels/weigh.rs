//! Sums of weighed rows.

use crate::compute::kernels::monoid::Real;
use crate::compute::lines::{Lines, LinesMut};

/// Writes the sum of the rows from `first` on, each times its weight, in `f64`.
pub(crate) fn weigh<R: Real>(
    lines: &Lines<'_, R>,
    first: usize,
    weights: &[f64],
    sums: &mut [f64],
    out: &mut LinesMut<'_, R>,
    index: usize,
) {
    let sums = &mut sums[..lines.count];
    sums.fill(0.0);
    for (number, &weight) in weights.iter().enumerate().filter(|weight| *weight.1 != 0.0) {
        for (sum, &element) in sums.iter_mut().zip(lines.row(first + number)) {
            *sum += element.wide() * weight;
        }
    }
    for (out, &sum) in out.row(index).iter_mut().zip(&*sums) {
        *out = R::narrow(sum);
    }
}
