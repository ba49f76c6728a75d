//! How flat arrays are opened and created.

use crate::base::buffer::Order;
use crate::format::files::npy::Descr;

/// How an array is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reading only.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Changes through the mapping are this process' own and are never stored.
    CopyOnWrite,
}

/// What an array to be created should be.
#[derive(Clone, Debug)]
pub struct FlatSpec {
    /// What one element is.
    pub descr: Descr,
    /// The shape, of zeros at first.
    pub shape: Vec<u64>,
    /// How the elements follow each other. What grows is in C order, or has one axis.
    pub order: Order,
    /// Rows for which room on the disk is kept beyond the shape.
    pub room: u64,
    /// Whether a file that exists is replaced.
    pub overwrite: bool,
}

impl FlatSpec {
    /// An array in C order, all else left out.
    pub fn new(descr: Descr, shape: &[u64]) -> Self {
        Self { descr, shape: shape.to_vec(), order: Order::C, room: 0, overwrite: false }
    }
}
