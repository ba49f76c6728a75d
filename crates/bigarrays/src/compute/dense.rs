//! Functions of blocks that are part of this library: over dense memory, and known as data.

use std::any::Any;
use std::sync::Arc;

use bytemuck::Pod;

use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::Config;

/// The elements of an input that a block needs, dense in C order.
pub(crate) struct Given<'a> {
    /// Where the input has elements.
    pub(crate) whole: &'a Domain,
    /// Where these are; beyond the ends of the input, if its windows have a boundary.
    pub(crate) domain: &'a Domain,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Given<'a> {
    pub(crate) fn elements<T: Pod>(&self) -> &'a [T] {
        bytemuck::cast_slice(self.bytes)
    }
}

/// A function of blocks. What it gives for an element follows from where it is, and not from the block.
pub(crate) trait Kernel: Send + Sync {
    /// What it does; two that do not do the same have not the same.
    fn config(&self) -> Config;

    /// Bytes that it holds for a block of so many steps along each axis of the loop, beside its inputs and its result.
    fn scratch(&self, _steps: &[u64]) -> u64 {
        0
    }

    /// The axes of the first input of which each step needs all elements, if that is why a block may be large.
    fn whole_axes(&self) -> &[usize] {
        &[]
    }

    /// The axis of the loop along which it needs what it has not read, if it does, and the kernel of the same, bit for bit, of elements
    /// that are there as a whole along that axis. Elements and results are of this type.
    fn of_whole_axis(&self, _dtype: DataType) -> Option<(usize, Arc<dyn Kernel>)> {
        None
    }

    /// The kernel itself, if there are other ways to do what it does.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }

    /// Whether its elements are numbers of cells, or negative, and it can count them as it makes them.
    fn counts(&self) -> bool {
        false
    }

    /// Adds one to the cell of each element's number. Cells are dense: those of all numbers of each place along the axes that are not
    /// reduced, where the first of the others was.
    ///
    /// # Errors
    /// `Unsupported` if it does not count.
    fn count(&self, _steps: &Domain, _inputs: &[Given<'_>], _cells: &mut [u64]) -> Result<()> {
        Err(Error::unsupported("a kernel that does not count"))
    }

    /// Writes the elements of a box of the loop to `out`, dense in C order.
    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()>;
}
