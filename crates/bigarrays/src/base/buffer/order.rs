//! Dense arrays: the order of their elements, and their length.

use crate::base::dims::Dims;
use crate::base::error::{Error, Result};

/// How the elements of a dense array follow each other in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// The last axis varies fastest.
    C,
    /// The first axis varies fastest.
    Fortran,
}

impl Order {
    /// numpy's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::C => "C",
            Self::Fortran => "F",
        }
    }

    /// Strides in bytes of a dense array of `shape` in this order; the largest there is where they exceed
    /// the address space, which they do of no array in memory.
    pub fn strides(self, shape: &[usize], item: usize) -> Dims<isize> {
        let mut strides = Dims::from_elem(0, shape.len());
        let mut stride = item as isize;
        let mut next = |axis: usize| {
            strides[axis] = stride;
            stride = stride.saturating_mul(isize::try_from(shape[axis]).unwrap_or(isize::MAX));
        };
        match self {
            Self::C => (0..shape.len()).rev().for_each(&mut next),
            Self::Fortran => (0..shape.len()).for_each(&mut next),
        }
        strides
    }
}

/// The number of bytes of a dense array, or an error where that exceeds the address space.
pub fn byte_len(shape: &[usize], item: usize) -> Result<usize> {
    if shape.contains(&0) {
        return Ok(0);
    }
    shape
        .iter()
        .try_fold(item, |product, &length| product.checked_mul(length))
        .filter(|&bytes| isize::try_from(bytes).is_ok())
        .ok_or_else(|| {
            Error::invalid(format!("shape {shape:?} of {item}-byte items exceeds the address space"))
        })
}

/// # Errors
/// `CorruptData` unless so many bytes are those of a dense array; `InvalidArgument` if its elements have none.
pub(super) fn expect_len(bytes: usize, shape: &[usize], item: usize) -> Result<()> {
    if item == 0 {
        return Err(Error::invalid("elements without bytes"));
    }
    let expected = byte_len(shape, item)?;
    if bytes == expected {
        return Ok(());
    }
    Err(Error::corrupt(format!("{bytes} bytes instead of the {expected} of shape {shape:?}")))
}
