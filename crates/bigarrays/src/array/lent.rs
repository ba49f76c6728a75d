//! Elements that lie in memory as they are computed with, and need not be copied.

use std::sync::Arc;

use crate::array::Array;
use crate::array::transform::ascending;
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::Result;

/// The elements of a box, in memory that nobody changes.
#[derive(Clone, Debug)]
pub(crate) struct Lent {
    chunk: Arc<[u8]>,
    /// The first byte of the box.
    first: usize,
    /// How far neighbours along each axis are apart, in elements.
    strides: Dims<usize>,
}

impl Lent {
    /// The bytes from the first element on.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.chunk[self.first..]
    }

    pub(crate) fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// How many elements of a box of this shape follow each other.
    pub(crate) fn run(&self, shape: &[usize]) -> usize {
        let along = shape.iter().zip(&self.strides).rev();
        along.fold(1, |run, (&length, &stride)| if stride == run { run * length } else { run })
    }
}

impl Array {
    /// The elements of a box, if they lie within one chunk, which is in memory as elements are in C order.
    ///
    /// # Errors
    /// `InvalidArgument` if the box leaves the range of coordinates.
    pub(crate) fn lent(&self, part: &Domain) -> Result<Option<Lent>> {
        let layout = &self.stored.layout;
        let is_plain = layout.sharding.is_none() && layout.codecs.plain(layout.dtype) == Some(Order::C);
        // Booleans are made zero or one on the way.
        if !is_plain || layout.dtype == DataType::Bool || part.is_empty() {
            return Ok(None);
        }
        let axes = self.view.stored_axes(part)?;
        let is_straight = axes.len() == part.ndim()
            && axes.iter().enumerate().all(|(axis, one)| one.step == 1 && one.visible == Some(axis));
        let is_inside = axes.iter().zip(layout.domain().ranges());
        let is_inside = is_inside.fold(true, |is_so, (one, range)| {
            is_so && range.contains(&one.start) && range.contains(&one.last())
        });
        if !is_straight || !is_inside {
            return Ok(None);
        }
        let projection = layout.grid.project_selection(&ascending(&axes));
        if projection.len() != 1 {
            return Ok(None);
        }
        let within = projection.get(0);
        let Some(chunk) = self.stored.store.lent(&layout.chunk_key(&within.index)) else { return Ok(None) };
        let (item, shape) = (layout.dtype.size(), &within.chunk_shape);
        let is_whole = chunk.len() == shape.iter().product::<usize>() * item;
        if !is_whole || chunk.as_ptr().align_offset(8) != 0 {
            return Ok(None);
        }
        let strides: Dims<usize> = Order::C.strides(shape, 1).iter().map(|one| one.unsigned_abs()).collect();
        let first = within.in_chunk.start.iter().zip(&strides).map(|(at, stride)| at * stride).sum::<usize>();
        Ok(Some(Lent { chunk, first: first * item, strides }))
    }
}
