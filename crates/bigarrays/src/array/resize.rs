//! Making an array smaller or larger.

use crate::array::Array;
use crate::base::buffer::View;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;

impl Array {
    /// Overwrites with fill value what chunks that hold elements within `shape` hold outside of it, lest it come
    /// back with the next growth. This is the whole array, as it was before it got that shape.
    pub(super) fn forget_outside(&self, shape: &[u64]) -> Result<()> {
        let (layout, domain) = (&self.stored.layout, self.domain());
        let whole = layout.write_shape();
        // Along each axis: up to where chunks go that hold any of what is left.
        let kept = |axis: usize| {
            let range = domain.range(axis);
            let unit = layout.grid.chunk_shape()[axis].saturating_mul(whole[axis]);
            let length = shape[axis].div_ceil(unit).saturating_mul(unit).min(domain.shape()[axis]);
            range.start..range.start.saturating_add_unsigned(length)
        };
        let kept: Dims<_> = (0..self.ndim()).map(kept).collect();
        for axis in 0..self.ndim() {
            let mut lost = kept.clone();
            lost[axis].start = lost[axis].start.saturating_add_unsigned(shape[axis]).min(lost[axis].end);
            let lost = Domain::from_ranges(&lost)?;
            if lost.is_empty() {
                continue;
            }
            let lengths: Dims<usize> = lost.shape().iter().map(|&length| length as usize).collect();
            let strides = Dims::from_elem(0, lengths.len());
            let fill = View::strided(layout.fill.as_bytes(), 0, &lengths, &strides, layout.dtype.size());
            self.write_from(&lost, fill)?;
        }
        Ok(())
    }
}
