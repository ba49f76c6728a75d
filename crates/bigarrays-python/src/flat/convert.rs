//! Files of Python's bigarray become `.npy` files.

use std::path::PathBuf;

use pyo3::prelude::*;

use crate::errors::OrRaise;

/// Copies a file of Python's `bigarray`, MmapArray or PointerArray, into a new `.npy` file, with its names
/// if it has some; returns how many. Nothing in the file is executed.
///
/// Raises InvalidMetadataError if the file is not as bigarray writes it, and AlreadyExistsError if there is
/// a new one, unless it may be overwritten.
#[pyfunction]
#[pyo3(signature = (old, new, *, overwrite = false))]
pub(crate) fn convert(py: Python<'_>, old: PathBuf, new: PathBuf, overwrite: bool) -> PyResult<usize> {
    py.detach(|| bigarrays::flat::convert(&old, &new, overwrite)).or_raise(py)
}
