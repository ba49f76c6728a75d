//! Regions: which elements of an array are meant.

use crate::base::dims::Dims;
use crate::base::error::{Error, Result};

/// A part of an array: on axis `d` the `count[d]` indices `start[d] + k * step[d]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// First index on each axis.
    pub start: Dims<usize>,
    /// Number of indices on each axis.
    pub count: Dims<usize>,
    /// Distance between indices on each axis, at least 1.
    pub step: Dims<usize>,
}

impl Region {
    /// Everything of an array of `shape`.
    pub fn whole(shape: &[usize]) -> Self {
        Self {
            start: Dims::from_elem(0, shape.len()),
            count: shape.into(),
            step: Dims::from_elem(1, shape.len()),
        }
    }

    /// Whether the region is all of an array of `shape`.
    pub fn is_whole(&self, shape: &[usize]) -> bool {
        self.count[..] == *shape
            && self.start.iter().all(|&start| start == 0)
            && self.step.iter().zip(shape).all(|(&step, &length)| step == 1 || length <= 1)
    }

    /// The index after the last on axis `axis`, where the region lies inside of an array. The count there
    /// must not be zero.
    pub fn end(&self, axis: usize) -> usize {
        let reach = self.count[axis].saturating_sub(1).saturating_mul(self.step[axis]);
        self.start[axis].saturating_add(reach).saturating_add(1)
    }

    /// Whether the region has the axes of an array of `shape` and no index outside of it.
    pub fn is_inside(&self, shape: &[usize]) -> bool {
        let fits = |axis: usize| {
            let (start, count, step) = (self.start[axis], self.count[axis], self.step[axis]);
            let Some(more) = count.checked_sub(1) else { return true };
            let last = more.checked_mul(step).and_then(|reach| start.checked_add(reach));
            step > 0 && last.is_some_and(|last| last < shape[axis])
        };
        let has_axes = [&self.start, &self.count, &self.step].iter().all(|dims| dims.len() == shape.len());
        has_axes && (0..shape.len()).all(fits)
    }

    /// # Errors
    /// `InvalidArgument` unless the region [is inside](Region::is_inside) of an array of `shape`.
    pub fn expect_inside(&self, shape: &[usize]) -> Result<()> {
        if self.is_inside(shape) {
            return Ok(());
        }
        Err(Error::invalid(format!("{self:?} reaches outside of shape {shape:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: usize, count: usize, step: usize) -> Region {
        let one = |value| Dims::from_slice(&[value]);
        Region { start: one(start), count: one(count), step: one(step) }
    }

    #[test]
    fn nothing_that_wraps_is_inside() {
        assert!(region(2, 3, 3).is_inside(&[9]) && !region(2, 3, 3).is_inside(&[8]));
        assert!(region(7, 0, 0).is_inside(&[1]), "no index is outside");
        assert!(region(0, 1, usize::MAX).is_inside(&[1]));
        assert!(!region(0, 2, 0).is_inside(&[5]) && !region(0, 1, 0).is_inside(&[5]));
        for wraps in [
            region(usize::MAX, 2, 1),
            region(1, 2, usize::MAX),
            region(4, usize::MAX, 2),
            region(4, 1 << 63, 2),
        ] {
            assert!(!wraps.is_inside(&[8]) && !wraps.is_inside(&[usize::MAX]), "{wraps:?}");
            assert!(wraps.end(0) >= 8);
        }
        assert!(!region(0, 1, 1).is_inside(&[1, 1]) && !region(0, 1, 1).is_inside(&[]));
        assert!(!region(1, 1, 1).is_whole(&[1]));
        assert_eq!(region(0, 0, 1).end(0), 1);
    }
}
