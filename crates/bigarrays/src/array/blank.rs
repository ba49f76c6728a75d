//! Blanking: elements become fill value. Whole chunks are removed without being read; parts of chunks are changed by the store's
//! atomic update.

use crate::array::Array;
use crate::array::transform::{ascending, visible_axes};
use crate::array::write::change_chunk;
use crate::base::buffer::{Order, View, ViewMut};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::chunk::grid::ChunkProjection;
use crate::chunk::layout::Layout;
use crate::store::{Change, Update};

/// A box that is blanked.
#[derive(Clone, Debug)]
pub(crate) struct Blank {
    /// The box, which lies in the domain.
    pub(crate) part: Domain,
    /// Where it is not 0, elements are blanked; a byte an element, in C order. Without, all are.
    pub(crate) mask: Option<Vec<u8>>,
}

/// A part of a chunk that is blanked.
struct Piece<'a> {
    part: ChunkProjection,
    /// Where it is not 0, along the stored axes; without, all is.
    mask: Option<View<'a>>,
}

impl Piece<'_> {
    /// Whether nothing of the chunk is left.
    fn is_all(&self) -> bool {
        self.part.is_whole && self.mask.is_none()
    }
}

impl Array {
    /// Makes fill value of the elements of boxes that do not overlap, in one batch of changes. A chunk that becomes nothing but fill
    /// value is removed; one that is not stored stays so.
    ///
    /// # Errors
    /// `ReadOnly`; a storage error naming the chunk.
    pub(crate) fn blank(&self, boxes: &[Blank]) -> Result<()> {
        self.expect_writable()?;
        for layout in self.layouts() {
            let mut pieces = Vec::new();
            for blank in boxes {
                self.pieces(layout, blank, &mut pieces)?;
            }
            self.blank_pieces(layout, &pieces)?;
        }
        Ok(())
    }

    /// The parts of chunks that a box touches.
    fn pieces<'a>(&self, layout: &Layout, blank: &'a Blank, pieces: &mut Vec<Piece<'a>>) -> Result<()> {
        let axes = self.transform().stored_axes(&blank.part)?;
        let shape: Dims<usize> = blank.part.shape().iter().map(|&length| length as usize).collect();
        let mask = match &blank.mask {
            Some(mask) => {
                let mut mask = View::dense(mask, &shape, 1, Order::C)?.arranged(&visible_axes(&axes));
                for (axis, _) in axes.iter().enumerate().filter(|(_, axis)| axis.step < 0) {
                    mask = mask.reversed(axis);
                }
                Some(mask)
            }
            None => None,
        };
        for part in layout.grid.project_selection(&ascending(&axes)).iter() {
            let mask = mask.clone().map(|mask| mask.region(&part.in_output));
            if mask.as_ref().is_some_and(|mask| mask.is_filled_with(&[0])) {
                continue;
            }
            // Where all is masked, the mask says nothing.
            let mask = mask.filter(|mask| !mask.all_runs(|run| !run.contains(&0)));
            pieces.push(Piece { part, mask });
        }
        Ok(())
    }

    fn blank_pieces(&self, layout: &Layout, pieces: &[Piece<'_>]) -> Result<()> {
        let request = |piece: &Piece<'_>| Update {
            key: layout.chunk_key(&piece.part.index),
            reads: !piece.is_all(),
            max_len: layout.max_stored_len(&piece.part.index),
        };
        let requests: Vec<Update> = pieces.iter().map(request).collect();
        let changed = self.store().update_many(&requests, &|position, old, encoded| {
            let piece = &pieces[position];
            if piece.is_all() {
                return Ok(Change::Delete);
            }
            if old.is_none() {
                return Ok(Change::Keep);
            }
            let changed =
                change_chunk(layout, &piece.part, old, true, encoded, |bytes| piece.fill(layout, bytes));
            changed.map_err(|error| {
                error.during("blanking chunk").at(self.store().location(&requests[position].key))
            })
        });
        changed.map_err(|error| error.during("blanking"))
    }
}

impl Piece<'_> {
    /// Puts fill value into the elements of a chunk.
    fn fill(&self, layout: &Layout, bytes: &mut [u8]) -> Result<()> {
        let (shape, item) = (&self.part.chunk_shape, layout.dtype.size());
        let (fill, region) = (layout.fill.as_bytes(), &self.part.in_chunk);
        let Some(mask) = &self.mask else {
            ViewMut::dense(bytes, shape, item, layout.order)?.region(region).fill(fill);
            return Ok(());
        };
        let (mut elements, mut masked) = (Vec::new(), Vec::new());
        View::dense(bytes, shape, item, layout.order)?
            .region(region)
            .append_to(layout.order, &mut elements)?;
        mask.append_to(layout.order, &mut masked)?;
        for (element, _) in elements.chunks_exact_mut(item).zip(&masked).filter(|(_, masked)| **masked != 0) {
            element.copy_from_slice(fill);
        }
        let elements = View::dense(&elements, &region.count, item, layout.order)?;
        ViewMut::dense(bytes, shape, item, layout.order)?.region(region).copy_from(&elements);
        Ok(())
    }
}
