//! Where the elements of an expression go.

use crate::array::Array;
use crate::base::buffer::ViewMut;

/// Where the elements of an expression go.
#[derive(Debug)]
pub enum Target<'a> {
    /// Memory of the shape of its domain, at any strides.
    Memory(ViewMut<'a>),
    /// An array of its type and shape, which is no longer incomplete once all is written.
    Array(&'a Array),
}
