//! Versions of all that is stored of an array.

use std::ops::Range;

use crate::array::{Array, Listed};
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::compute::digest::Digest;
use crate::run::interrupt::check_interrupt;

/// So many chunks are asked for their versions at once; of a larger grid than all of these, those alone that are stored.
const AT_ONCE: u64 = 1 << 16;
const MOST_ASKED: u64 = 1 << 20;

/// What tells the data of an array from what they were: versions of all chunks, a part of them at a time.
///
/// # Errors
/// `Cancelled`; a storage error.
pub(crate) fn versions(source: &Array) -> Result<Digest> {
    let chunks = source.chunk_grid()?;
    let count = |part: &Domain| {
        let along = |(range, &(_, length)): (Range<i64>, &(i64, u64))| {
            range.end.abs_diff(range.start).div_ceil(length)
        };
        part.ranges().zip(&chunks).map(along).fold(1u64, u64::saturating_mul)
    };
    let mut sum = Digest::default();
    let mut add = |part: &Domain| -> Result<()> {
        check_interrupt()?;
        sum.add(&part.to_string(), Some(Digest::of_versions(source, part)?.0));
        Ok(())
    };
    if count(source.domain()) > MOST_ASKED
        && let Listed::All(stored) = source.listed_chunks()?
    {
        for chunk in stored.iter() {
            add(&chunk)?;
        }
        return Ok(sum);
    }
    let mut waiting = vec![source.domain().clone()];
    while let Some(part) = waiting.pop() {
        let longest = (0..part.ndim())
            .map(|axis| (part.shape()[axis] / chunks[axis].1, axis))
            .filter(|(chunks, _)| *chunks > 1)
            .max();
        match longest.filter(|_| count(&part) > AT_ONCE) {
            Some((_, axis)) => waiting.extend(halves(&part, axis, chunks[axis])?),
            None => add(&part)?,
        }
    }
    Ok(sum)
}

/// Two parts of a box, between two of its chunks.
fn halves(part: &Domain, axis: usize, (first, length): (i64, u64)) -> Result<[Domain; 2]> {
    let mut ranges: Vec<_> = part.ranges().collect();
    let whole = ranges[axis].clone();
    let middle = whole.start.saturating_add_unsigned(whole.end.abs_diff(whole.start) / 2);
    let at = middle - middle.wrapping_sub(first).rem_euclid(length as i64);
    let at = if at > whole.start { at } else { middle };
    ranges[axis] = whole.start..at;
    let before = Domain::from_ranges(&ranges)?;
    ranges[axis] = at..whole.end;
    Ok([before, Domain::from_ranges(&ranges)?])
}
