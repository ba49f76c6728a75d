//! The chunks of an array.

use crate::array::Array;
use crate::array::read::clip;
use crate::array::transform::{StoredAxis, ascending, bounds};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::chunk::grid::AxisSelection;
use crate::chunk::layout::Layout;

/// The first coordinate and the length along each axis of the boxes that are cheapest written at once; `None` if these are no boxes.
pub(crate) type WriteGrid = Option<Dims<(i64, u64)>>;

impl Array {
    /// Shape of a whole chunk along each axis, in stored elements.
    pub fn chunk_shape(&self) -> Dims<u64> {
        self.visible().map(|(stored, _, _)| self.stored.layout.grid.chunk_shape()[stored]).collect()
    }

    /// Shape of a whole shard along each axis, in stored elements; `None` if chunks are not packed into
    /// shards, or if these are no boxes.
    pub fn shard_shape(&self) -> Option<Dims<u64>> {
        let shape = self.stored.layout.sharding.as_ref()?.shape.as_ref()?;
        let chunk = self.stored.layout.grid.chunk_shape();
        Some(self.visible().map(|(stored, _, _)| chunk[stored].saturating_mul(shape[stored])).collect())
    }

    /// The boxes of the chunks that `part` touches, each clipped to the domain.
    ///
    /// # Errors
    /// `Unsupported` for a strided, moved or permuted view.
    pub fn chunks(&self, part: &Domain) -> Result<impl Iterator<Item = Domain> + '_> {
        let grid = &self.stored.layout.grid;
        let projection = grid.project(&self.stored_part(part)?);
        let count = if projection.is_empty() { 0 } else { projection.len() };
        Ok((0..count).map(move |k| grid.chunk_domain(&projection.get(k).index)))
    }

    /// The smallest box of whole chunks that holds `part`, clipped to the domain.
    ///
    /// # Errors
    /// As [`Array::chunks`].
    pub fn align_out(&self, part: &Domain) -> Result<Domain> {
        Ok(self.stored.layout.grid.align_out(&self.stored_part(part)?))
    }

    /// The largest box of whole chunks that lies in `part`.
    ///
    /// # Errors
    /// As [`Array::chunks`].
    pub fn align_in(&self, part: &Domain) -> Result<Domain> {
        Ok(self.stored.layout.grid.align_in(&self.stored_part(part)?))
    }

    /// `part` within the stored domain, for questions about chunks.
    fn stored_part(&self, part: &Domain) -> Result<Domain> {
        part.expect_ndim(self.ndim())?;
        if !self.view.is_identity() {
            return Err(Error::unsupported(
                "chunks of a strided, moved or permuted view; ask the array itself",
            ));
        }
        Ok(part.intersect(self.stored.layout.domain()))
    }

    /// First coordinate and length of the chunks along each axis, in this view's coordinates, rounded
    /// to whole ones under a step.
    pub(crate) fn chunk_grid(&self) -> Result<Dims<(i64, u64)>> {
        self.grid_of(&self.stored.layout, &Dims::from_elem(1, self.stored.layout.domain().ndim()))
    }

    /// As [`Array::chunk_grid`], of what is cheapest written at once.
    pub(crate) fn write_grid(&self) -> Result<Dims<(i64, u64)>> {
        self.grid_of(&self.stored.layout, &self.stored.layout.write_shape())
    }

    /// Where boxes begin and end that are written as whole chunks or shards, in this view's coordinates, for each copy of the data that
    /// is stored: the first coordinate and the length of one along each axis. `None` where shards are no boxes, or the view has
    /// steps.
    ///
    /// # Errors
    /// `InvalidArgument` for a view that leaves the range of coordinates.
    pub(crate) fn write_grids(&self) -> Result<Vec<WriteGrid>> {
        let axes = self.view.stored_axes(&self.view.domain)?;
        let is_dense = axes.iter().all(|axis| axis.visible.is_none() || axis.step == 1);
        let is_box = |layout: &Layout| {
            is_dense && layout.sharding.as_ref().is_none_or(|sharding| sharding.shape.is_some())
        };
        let grid = |layout: &Layout| is_box(layout).then(|| self.grid_of(layout, &layout.write_shape()));
        self.stored.layouts().map(|layout| grid(layout).transpose()).collect()
    }

    /// First coordinate and length of boxes of so many chunks.
    fn grid_of(&self, layout: &Layout, chunks: &[u64]) -> Result<Dims<(i64, u64)>> {
        let grid = &layout.grid;
        let axes = self.view.stored_axes(&self.view.domain)?;
        let place = |visible: usize| {
            let stored = axes.iter().position(|axis| axis.visible == Some(visible))?;
            let (start, step) = (axes[stored].start, axes[stored].step);
            let before = start.checked_sub(grid.domain().origin()[stored])?.checked_div(step)?;
            let length = grid.chunk_shape()[stored].saturating_mul(chunks[stored]);
            let chunk = (length / step.unsigned_abs()).max(1);
            Some((self.view.domain.origin()[visible].checked_sub(before)?, chunk))
        };
        let places: Option<_> = (0..self.ndim()).map(place).collect();
        places.ok_or_else(|| Error::invalid("the view leaves the range of coordinates"))
    }

    /// The stored elements that `part` shows, all of which there are.
    pub(crate) fn stored_selection(&self, part: &Domain) -> Result<Dims<AxisSelection>> {
        Ok(ascending(&self.view.stored_axes(part)?))
    }

    /// Of the stored elements that `part` shows, those that there are.
    pub(crate) fn stored_inside(&self, part: &Domain) -> Result<Dims<AxisSelection>> {
        let axes = self.view.stored_axes(part)?;
        let inside =
            |(axis, wanted): (usize, &StoredAxis)| clip(*wanted, &self.stored.layout.domain().range(axis)).0;
        Ok(axes.iter().enumerate().map(inside).collect())
    }

    /// The smallest box of the stored array that holds what this view shows.
    pub(crate) fn stored_bounds(&self) -> Result<Domain> {
        bounds(&self.view.stored_axes(&self.view.domain)?)
    }
}
