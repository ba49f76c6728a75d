//! Where cells lie across the ends of chunks of the level before, and what of a box is not within another.

use std::ops::Range;

use crate::base::domain::Domain;
use crate::base::error::Result;

/// Cells along an axis that lie within chunks of the level before, or across the end of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) range: Range<i64>,
    pub(super) is_across: bool,
}

/// Whether a chunk that begins there begins within a cell.
pub(super) fn is_across(origin: i64, step: u64) -> bool {
    origin.rem_euclid(step as i64) != 0
}

/// The cells `coarse` along an axis, which are made of the coordinates `fine` of the level before, whose chunks begin where `grid` says and
/// are so long.
pub(super) fn segments(
    coarse: &Range<i64>,
    fine: &Range<i64>,
    (origin, length): (i64, u64),
    step: u64,
) -> Vec<Segment> {
    let (step, length) = (step as i64, length as i64);
    let mut found = Vec::new();
    let mut at = coarse.start;
    let first = origin + ((fine.start - origin).div_euclid(length) + 1) * length;
    let ends = (0..).map(|k| first + k * length).take_while(|&end| end < fine.end);
    for end in ends.filter(|end| end.rem_euclid(step) != 0) {
        let cell = end.div_euclid(step);
        if at < cell {
            found.push(Segment { range: at..cell, is_across: false });
        }
        found.push(Segment { range: cell..cell + 1, is_across: true });
        at = cell + 1;
    }
    if at < coarse.end {
        found.push(Segment { range: at..coarse.end, is_across: false });
    }
    found
}

/// Boxes that together are all of `whole` but `inner`, which lies within it or is empty.
///
/// # Errors
/// Those of making boxes.
pub(super) fn around(whole: &Domain, inner: &Domain) -> Result<Vec<Domain>> {
    if whole.is_empty() {
        return Ok(Vec::new());
    }
    if inner.is_empty() {
        return Ok(vec![whole.clone()]);
    }
    let (mut left, mut found): (Vec<Range<i64>>, _) = (whole.ranges().collect(), Vec::new());
    for (axis, inner) in inner.ranges().enumerate() {
        for outside in [left[axis].start..inner.start, inner.end..left[axis].end] {
            if !outside.is_empty() {
                let mut place = left.clone();
                place[axis] = outside;
                found.push(Domain::from_ranges(&place)?);
            }
        }
        left[axis] = inner;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_across_the_ends_of_chunks_are_apart() {
        let of = |range, is_across| Segment { range, is_across };
        // Chunks [3, 67), [67, 131) and so on, and cells of two.
        let found = segments(&(1..65), &(3..130), (3, 64), 2);
        assert_eq!(found, [of(1..33, false), of(33..34, true), of(34..65, false)]);
        // The last chunk ends within the last cell, and there is no other.
        assert_eq!(segments(&(1..34), &(3..67), (3, 64), 2), [of(1..34, false)]);
        assert_eq!(segments(&(0..4), &(0..8), (0, 4), 2), [of(0..4, false)]);
        // Two ends beside each other.
        let found = segments(&(-11..-8), &(-21..-16), (-21, 2), 2);
        assert_eq!(found, [of(-11..-10, false), of(-10..-9, true), of(-9..-8, true)]);
    }

    #[test]
    fn what_is_around_a_box_is_all_but_that_and_nothing_twice() {
        let domain = |ranges: [Range<i64>; 3]| Domain::from_ranges(&ranges).unwrap();
        let whole = domain([0..5, -2..4, 3..9]);
        for inner in [domain([1..5, -2..3, 4..8]), domain([0..5, -2..4, 3..9]), domain([2..2, 0..1, 3..4])] {
            let found = around(&whole, &inner).unwrap();
            let all: u64 = found.iter().map(|part| part.checked_len().unwrap()).sum();
            assert_eq!(all + inner.checked_len().unwrap(), whole.checked_len().unwrap());
            for (at, one) in found.iter().enumerate() {
                assert!(one.intersect(&inner).is_empty());
                assert!(found[at + 1..].iter().all(|other| one.intersect(other).is_empty()));
            }
        }
    }
}
