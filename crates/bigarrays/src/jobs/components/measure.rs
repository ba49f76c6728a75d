//! Voxels and boxes of components, from blocks in whatever order.

use std::sync::Mutex;

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::jobs::components::scan::Scan;
use crate::jobs::geometry::{Geometry, in_order};

/// Words of a component: its number and its voxels; and the first and the last coordinate along each axis.
fn width(ndim: usize) -> usize {
    2 + 2 * ndim
}

/// What there is of each component in a block, as words.
pub(super) fn measured(
    block: &Domain,
    order: Order,
    (scan, geometry): (&Scan, &Geometry),
    names: &[u64],
) -> Vec<u64> {
    let ndim = block.ndim();
    let origin: Dims<i64> = in_order(order, block.origin().iter().copied());
    let mut words = Vec::with_capacity(names.len().saturating_sub(1) * width(ndim));
    for &name in names.iter().skip(1) {
        words.extend([name, 0]);
        (0..ndim).for_each(|_| words.extend([i64::MAX as u64, i64::MIN as u64]));
    }
    scan.each_run(geometry, |row, places, label| {
        let own = &mut words[(label as usize - 1) * width(ndim)..][..width(ndim)];
        own[1] += places.len() as u64;
        let outer = row.iter().map(|&at| (at, at));
        let all = outer.chain([(places.start, places.end - 1)]);
        for (axis, (low, high)) in all.enumerate() {
            // In the order of memory, which may be the other way round.
            let at = if order == Order::C { axis } else { ndim - 1 - axis };
            let (low, high) = (origin[axis] + low as i64, origin[axis] + high as i64);
            own[2 + 2 * at] = (own[2 + 2 * at] as i64).min(low) as u64;
            own[3 + 2 * at] = (own[3 + 2 * at] as i64).max(high) as u64;
        }
    });
    words
}

/// Voxels and boxes of components by number. Sums, minima and maxima do not depend on the order.
#[derive(Debug)]
pub(super) struct Measures {
    all: Mutex<All>,
    ndim: usize,
}

#[derive(Debug)]
struct All {
    voxels: Vec<u64>,
    /// The first and the last coordinate along each axis of each component.
    ends: Vec<(i64, i64)>,
}

impl Measures {
    /// Of so many components, within so many bytes.
    ///
    /// # Errors
    /// `MemoryBudget` if they take more.
    pub(super) fn new(count: u64, ndim: usize, most: u64) -> Result<Self> {
        let bytes = count.saturating_mul(8 + 16 * ndim as u64);
        if bytes > most {
            let reason = format!(
                "statistics of {count} components take {bytes} bytes, and the budget leaves {most}; raise it"
            );
            return Err(Error::new(ErrorKind::MemoryBudget, reason));
        }
        let ends = vec![(i64::MAX, i64::MIN); count as usize * ndim];
        Ok(Self { all: Mutex::new(All { voxels: vec![0; count as usize], ends }), ndim })
    }

    /// Adds what [`measured`] found in a block.
    ///
    /// # Errors
    /// `CorruptData` if these are no such words.
    pub(super) fn add(&self, words: &[u64]) -> Result<()> {
        let damaged = || Error::corrupt("what a block has left for others is damaged");
        let width = width(self.ndim);
        if !words.len().is_multiple_of(width) {
            return Err(damaged());
        }
        let mut all = self.all.locked();
        for words in words.chunks_exact(width) {
            let at = (words[0] as usize).checked_sub(1).filter(|&at| at < all.voxels.len());
            let at = at.ok_or_else(damaged)?;
            all.voxels[at] += words[1];
            let ends = &mut all.ends[at * self.ndim..][..self.ndim];
            for (known, ends) in ends.iter_mut().zip(words[2..].chunks_exact(2)) {
                *known = (known.0.min(ends[0] as i64), known.1.max(ends[1] as i64));
            }
        }
        Ok(())
    }

    /// The voxels and the box of each.
    pub(super) fn finish(self) -> Result<(Vec<u64>, Vec<Domain>)> {
        let All { voxels, ends } = self.all.into_value();
        let part = |ends: &[(i64, i64)]| {
            let along = |&(first, last): &(i64, i64)| first..last.saturating_add(1);
            Domain::from_ranges(&ends.iter().map(along).collect::<Dims<_>>())
        };
        let boxes = ends.chunks_exact(self.ndim.max(1)).map(part).collect::<Result<_>>()?;
        Ok((voxels, boxes))
    }
}
