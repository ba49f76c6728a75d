//! Voxels and boxes of components, from runs in whatever order.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};

/// Voxels and boxes of components by number. Sums, minima and maxima do not depend on the order.
#[derive(Debug)]
pub(super) struct Measures {
    voxels: Vec<AtomicU64>,
    /// The first and the last coordinate along each axis of each component.
    ends: Vec<AtomicI64>,
    ndim: usize,
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
        let voxels = (0..count).map(|_| AtomicU64::new(0)).collect();
        let ends = (0..2 * count * ndim as u64)
            .map(|k| AtomicI64::new(if k % 2 == 0 { i64::MAX } else { i64::MIN }));
        Ok(Self { voxels, ends: ends.collect(), ndim })
    }

    /// Adds a run of voxels: the first and the last coordinate along each axis.
    pub(super) fn add(&self, number: u64, first: &[i64], last: &[i64], voxels: u64) {
        let at = number as usize - 1;
        self.voxels[at].fetch_add(voxels, Ordering::Relaxed);
        let ends = &self.ends[2 * self.ndim * at..];
        for (axis, (&first, &last)) in first.iter().zip(last).enumerate() {
            ends[2 * axis].fetch_min(first, Ordering::Relaxed);
            ends[2 * axis + 1].fetch_max(last, Ordering::Relaxed);
        }
    }

    /// The voxels and the box of each.
    pub(super) fn finish(self) -> Result<(Vec<u64>, Vec<Domain>)> {
        let mut ends = self.ends.into_iter().map(AtomicI64::into_inner);
        let along = |ends: &mut dyn Iterator<Item = i64>| Some(ends.next()?..ends.next()?.saturating_add(1));
        let mut boxes = Vec::with_capacity(self.voxels.len());
        for _ in 0..self.voxels.len() {
            let ranges: Dims<_> = (0..self.ndim).filter_map(|_| along(&mut ends)).collect();
            boxes.push(Domain::from_ranges(&ranges)?);
        }
        Ok((self.voxels.into_iter().map(AtomicU64::into_inner).collect(), boxes))
    }
}
