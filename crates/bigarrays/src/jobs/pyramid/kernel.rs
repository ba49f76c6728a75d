//! What levels are made by: cells, of which each becomes an element of one level and part of a cell of the next.

use super::voxel::Voxel;
use super::windows::{Counts, Windows};

/// A method. Boxes are in C order.
pub(super) trait Kernel<T: Voxel>: Sync {
    /// All that is known of what elements of a box are made of.
    type Cells: Send;

    /// Bytes of a cell, about.
    fn bytes(&self) -> u64;

    /// The cells of a box of elements.
    fn read(&self, elements: &[T], windows: &Windows) -> Self::Cells;

    /// Cells that are made of this element alone.
    fn constant(&self, element: T, counts: &Counts) -> Self::Cells;

    /// The cells of the next level, of those of one, which are made of so many elements each.
    fn coarsen(&self, fine: &Self::Cells, counts: &Counts, windows: &Windows) -> Self::Cells;

    /// Puts a box of cells into another one, of the shape `whole`, from `at` on.
    fn put(&self, into: &mut Self::Cells, whole: &[usize], at: &[usize], from: &Self::Cells, shape: &[usize]);

    /// Writes the elements of cells.
    fn finish(&self, cells: &Self::Cells, counts: &Counts, out: &mut [T]);

    /// Adds cells to bytes that a later run or another process reads.
    fn save(&self, cells: &Self::Cells, bytes: &mut Vec<u8>);

    /// So many cells of bytes; `None` if they are of something else.
    fn load(&self, bytes: &[u8], count: usize) -> Option<Self::Cells>;
}
