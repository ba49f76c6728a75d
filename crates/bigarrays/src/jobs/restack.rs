//! Other orders of slices: some left out, others put in between, or in another order.

use std::ops::Range;

use crate::array::Index;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::Lazy;

/// Up to so many runs of slices behind each other are put together one by one; of more, slices are taken by their coordinates.
const RUNS: usize = 256;

/// What becomes of the slices along an axis.
#[derive(Clone, Debug, Default)]
pub struct RestackOptions {
    /// The axis.
    pub axis: usize,
    /// The slices that are kept, in their order; they may be there several times. Without, all.
    pub keep: Option<Vec<Range<i64>>>,
    /// Slices that are left out.
    pub delete: Vec<Range<i64>>,
    /// Slices of others, each with the coordinate before whose slice they are put; the end of the axis puts them behind all.
    pub insert: Vec<(i64, Lazy)>,
}

/// An expression with other slices along an axis, which begins at the same coordinate. `keep`, or `delete` and `insert`, say in
/// coordinates of `lazy` what becomes of them; where several are put at one place, they are there in the order in which they are
/// named.
///
/// ```
/// use bigarrays::compute::{ComputeOptions, Lazy};
/// use bigarrays::jobs::{RestackOptions, restack};
/// use bigarrays::{DataType, Domain};
///
/// let x = Lazy::of_elements(&Domain::from_shape(&[5])?, DataType::U8, &[10, 11, 12, 13, 14])?;
/// let of = |options: RestackOptions| -> bigarrays::Result<Vec<u8>> {
///     let found = restack(&x, &options)?.compute::<u8>(&ComputeOptions::default())?;
///     Ok(found.into_data().into_raw_vec_and_offset().0)
/// };
/// assert_eq!(of(RestackOptions { keep: Some(vec![3..5, 0..1, 0..1]), ..Default::default() })?, [13, 14, 10, 10]);
/// let other = Lazy::of_elements(&Domain::from_shape(&[1])?, DataType::U8, &[99])?;
/// assert_eq!(of(RestackOptions { delete: vec![1..3], insert: vec![(4, other)], ..Default::default() })?, [10, 13, 99, 14]);
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `OutOfBounds` for slices that there are not; `InvalidArgument` for an axis that there is not, for `keep` beside `delete` or `insert`,
/// if no slice is left, or for slices of another type or of other coordinates along the other axes.
pub fn restack(lazy: &Lazy, options: &RestackOptions) -> Result<Lazy> {
    restacked(lazy, options).map_err(|error| error.during("restacking"))
}

fn restacked(lazy: &Lazy, options: &RestackOptions) -> Result<Lazy> {
    let RestackOptions { axis, keep, delete, insert } = options;
    if *axis >= lazy.ndim() {
        return Err(Error::invalid(format!("axis {axis} of {} axes", lazy.ndim())));
    }
    let all = lazy.domain().range(*axis);
    for range in keep.iter().flatten().chain(delete) {
        if range.start >= range.end || range.start < all.start || range.end > all.end {
            let reason = format!("slices {}:{} of {}:{}", range.start, range.end, all.start, all.end);
            return Err(Error::new(ErrorKind::OutOfBounds, reason));
        }
    }
    if let Some(keep) = keep {
        if !(delete.is_empty() && insert.is_empty()) {
            return Err(Error::invalid("what is kept says by itself what is left out"));
        }
        return ordered(lazy, *axis, keep);
    }
    for (at, other) in insert {
        if *at < all.start || *at > all.end {
            let reason = format!("slices before {at}, of {}:{}", all.start, all.end);
            return Err(Error::new(ErrorKind::OutOfBounds, reason));
        }
        if other.dtype() != lazy.dtype() {
            let (own, other) = (lazy.dtype(), other.dtype());
            return Err(Error::invalid(format!("slices of {other} elements between slices of {own}")));
        }
    }
    let mut places: Vec<i64> = insert.iter().map(|(at, _)| *at).collect();
    places.extend([all.start, all.end]);
    places.extend(delete.iter().flat_map(|range| [range.start, range.end]));
    places.sort_unstable();
    places.dedup();
    let mut parts = Vec::new();
    for (number, &start) in places.iter().enumerate() {
        parts.extend(insert.iter().filter(|(at, _)| *at == start).map(|(_, other)| other.clone()));
        let is_kept = !delete.iter().any(|range| range.contains(&start));
        if let Some(&end) = places.get(number + 1).filter(|_| is_kept) {
            parts.push(cut(lazy, *axis, start..end)?);
        }
    }
    placed(lazy, *axis, &parts)
}

/// The slices of some ranges, one after the other.
fn ordered(lazy: &Lazy, axis: usize, order: &[Range<i64>]) -> Result<Lazy> {
    let mut runs: Vec<Range<i64>> = Vec::new();
    for range in order {
        match runs.last_mut().filter(|run| run.end == range.start) {
            Some(run) => run.end = range.end,
            None => runs.push(range.clone()),
        }
    }
    if runs.len() <= RUNS {
        let parts = runs.into_iter().map(|run| cut(lazy, axis, run)).collect::<Result<Vec<_>>>()?;
        return placed(lazy, axis, &parts);
    }
    let coordinates: Vec<i64> = runs.into_iter().flatten().collect();
    let taken = lazy.take(axis, &coordinates)?;
    placed(lazy, axis, &[taken])
}

fn cut(lazy: &Lazy, axis: usize, range: Range<i64>) -> Result<Lazy> {
    let mut indices = vec![Index::ALL; lazy.ndim()];
    indices[axis] = range.into();
    lazy.slice(&indices)
}

/// Parts behind each other, from where `lazy` begins.
fn placed(lazy: &Lazy, axis: usize, parts: &[Lazy]) -> Result<Lazy> {
    if parts.is_empty() {
        return Err(Error::invalid("no slice is left"));
    }
    let whole = Lazy::concatenate(parts, axis)?;
    let apart = lazy.domain().origin()[axis].checked_sub(whole.domain().origin()[axis]);
    let mut offset = vec![0; lazy.ndim()];
    offset[axis] = apart.ok_or_else(|| Error::invalid("coordinates leave their range"))?;
    whole.translate(&offset)
}
