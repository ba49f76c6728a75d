//! What levels are made by: cells, of which each becomes an element of one level and part of a cell of the next.

use super::voxel::Voxel;
use super::windows::{Counts, Place, Windows};

/// A method. Boxes are in C order.
pub(super) trait Kernel<T: Voxel>: Sync {
    /// All that is known of what elements of a box are made of.
    type Cells: Send + Default;

    /// Bytes of a cell, about.
    fn bytes(&self) -> u64;

    /// Makes cells so many, each of which is then to be said once.
    fn resize(&self, cells: &mut Self::Cells, count: usize);

    /// Says of all cells, as many as there are counts, that they are made of this element alone.
    fn fill(&self, cells: &mut Self::Cells, element: T, counts: &Counts);

    /// Puts the cells of a box of elements at a place of others.
    fn read(&self, elements: &[T], windows: &Windows, into: &mut Self::Cells, place: &Place);

    /// Puts the cells of the next level, of those of one, which are made of so many elements each, at a place of others.
    fn coarsen(
        &self,
        fine: &Self::Cells,
        counts: &Counts,
        windows: &Windows,
        into: &mut Self::Cells,
        place: &Place,
    );

    /// The cells of a box of elements.
    fn read_new(&self, elements: &[T], windows: &Windows) -> Self::Cells {
        let mut cells = Self::Cells::default();
        self.resize(&mut cells, windows.count());
        self.read(elements, windows, &mut cells, &windows.all());
        cells
    }

    /// Cells that are made of this element alone.
    fn constant(&self, element: T, counts: &Counts) -> Self::Cells {
        let mut cells = Self::Cells::default();
        self.fill(&mut cells, element, counts);
        cells
    }

    /// The cells of the next level.
    fn coarsen_new(&self, fine: &Self::Cells, counts: &Counts, windows: &Windows) -> Self::Cells {
        let mut cells = Self::Cells::default();
        self.resize(&mut cells, windows.count());
        self.coarsen(fine, counts, windows, &mut cells, &windows.all());
        cells
    }

    /// Puts a box of cells into another one, of the shape `whole`, from `at` on.
    fn put(&self, into: &mut Self::Cells, whole: &[usize], at: &[usize], from: &Self::Cells, shape: &[usize]);

    /// Writes the elements of cells.
    fn finish(&self, cells: &Self::Cells, counts: &Counts, out: &mut [T]);

    /// Adds cells to bytes that a later run or another process reads.
    fn save(&self, cells: &Self::Cells, bytes: &mut Vec<u8>);

    /// So many cells of bytes; `None` if they are of something else.
    fn load(&self, bytes: &[u8], count: usize) -> Option<Self::Cells>;
}
