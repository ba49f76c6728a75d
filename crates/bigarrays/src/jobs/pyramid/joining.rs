//! Cells that lie across the ends of chunks of the level before: parts of that level wait until all of a cell's are there, so that results
//! follow from where elements lie alone.

use std::ops::Range;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::jobs::pyramid::kernel::Kernel;
use crate::jobs::pyramid::levels::{Level, made_of};
use crate::jobs::pyramid::making::Making;
use crate::jobs::pyramid::seams::{Segment, around, segments};
use crate::jobs::pyramid::tree::{Index, for_each_index};
use crate::jobs::pyramid::voxel::Voxel;
use crate::jobs::pyramid::windows::each_row;

/// What a box `own` of a level gives to a box `part` of the next one, where the former is `active`: the cells that it has all of, and the
/// boxes of it that are parts of other cells.
///
/// # Errors
/// Those of making boxes.
pub(super) fn split(
    own: &Domain,
    active: &Domain,
    part: &Domain,
    step: &[u64],
) -> Result<(Domain, Vec<Domain>)> {
    let inner = inner(own, active, step)?.intersect(part);
    let of =
        |coarse: &Domain| -> Result<Domain> { Ok(made_of(coarse, step.iter().copied())?.intersect(own)) };
    let rest = around(&of(part)?, &of(&inner)?)?;
    Ok((inner, rest))
}

/// The cells of which a box has all that there is.
fn inner(part: &Domain, active: &Domain, step: &[u64]) -> Result<Domain> {
    let along = |((part, active), &step): ((Range<i64>, Range<i64>), &u64)| {
        let step = step as i64;
        let up = |at: i64| at.div_euclid(step) + i64::from(at.rem_euclid(step) != 0);
        let down = |at: i64| at.div_euclid(step);
        let start = if part.start == active.start { down(part.start) } else { up(part.start) };
        let end = if part.end == active.end { up(part.end) } else { down(part.end) };
        start..end.max(start)
    };
    Domain::from_ranges(&part.ranges().zip(active.ranges()).zip(step).map(along).collect::<Vec<_>>())
}

/// Boxes of the cells of a chunk that lie across the ends of chunks of the level before, of which it is made of the box `place`.
fn seams(target: &Domain, place: &Domain, fine: &Level, step: &[u64]) -> Result<Vec<Domain>> {
    let all: Vec<Vec<Segment>> = target
        .ranges()
        .zip(place.ranges())
        .zip(fine.chunks.iter().zip(step))
        .map(|((coarse, place), (&grid, &step))| segments(&coarse, &place, grid, step))
        .collect();
    let ranges: Dims<Range<i64>> = all.iter().map(|axis| 0..axis.len() as i64).collect();
    let mut found = Vec::new();
    for index in indexes(&ranges) {
        let own: Vec<&Segment> = index.iter().zip(&all).map(|(&at, axis)| &axis[at as usize]).collect();
        if own.iter().any(|segment| segment.is_across) {
            let ranges: Vec<_> = own.iter().map(|segment| segment.range.clone()).collect();
            found.push(Domain::from_ranges(&ranges)?);
        }
    }
    Ok(found)
}

pub(super) fn indexes(ranges: &[Range<i64>]) -> Vec<Index> {
    let mut found = Vec::new();
    for_each_index(ranges, |index| found.push(Index::from(index)));
    found
}

impl<T: Voxel, K: Kernel<T>> Making<'_, T, K> {
    /// Makes the cells of a box of a level that lie across the ends of chunks of the level before, of the parts of that which waited. What
    /// nobody has left is not stored.
    ///
    /// # Errors
    /// Those of making boxes.
    pub(super) fn close(
        &self,
        (fine, step): (&Level, &[u64]),
        target: &Domain,
        cells: &mut K::Cells,
        strips: &[(Domain, K::Cells)],
    ) -> Result<()> {
        let (kernel, ones) = (self.kernel, vec![1u64; target.shape().len()]);
        let of = |coarse: &Domain| -> Result<Domain> {
            Ok(made_of(coarse, step.iter().copied())?.intersect(&fine.active))
        };
        for seam in seams(target, &of(target)?, fine, step)? {
            let place = of(&seam)?;
            let counts = self.counts(fine, &place);
            let mut parts = kernel.constant(self.fill, &counts);
            for (strip, found) in strips {
                let both = strip.intersect(&place);
                if both.is_empty() {
                    continue;
                }
                let own =
                    kernel.coarsen_new(found, &self.counts(fine, strip), &self.windows(strip, &both, &ones));
                let at = self.place(&both, &place);
                kernel.put(&mut parts, &self.shape(&place), &at, &own, &self.shape(&both));
            }
            let windows = self.windows(&place, &seam, step);
            kernel.coarsen(&parts, &counts, &windows, cells, &self.within(&seam, target));
        }
        Ok(())
    }

    /// The elements of a part of a box, as cells of one element each.
    pub(super) fn strip(&self, elements: &[T], own: &Domain, place: &Domain) -> K::Cells {
        let ones = vec![1u64; own.shape().len()];
        let part = cut(elements, &self.shape(own), &self.place(place, own), &self.shape(place));
        self.kernel.read_new(&part, &self.windows(place, place, &ones))
    }
}

/// The elements of a box of `shape` that lies in one of `whole`, from `at` on.
fn cut<T: Copy>(elements: &[T], whole: &[usize], at: &[usize], shape: &[usize]) -> Vec<T> {
    let mut found = Vec::with_capacity(shape.iter().product());
    let length = shape.last().copied().unwrap_or(1);
    each_row(whole, at, shape, |source, _| found.extend_from_slice(&elements[source..source + length]));
    found
}
