//! Files of Python's bigarray become `.npy` files.

use std::path::PathBuf;

use pyo3::prelude::*;

use crate::interrupt::detached;

/// Copies a file of Python's `bigarray`, an MmapArray or a PointerArray, into a new `.npy` file, with its names if it has
/// some. Nothing in the file is executed.
///
/// Args:
///     old: The file of `bigarray`.
///     new: The `.npy` file; its names go into an index beside it.
///     overwrite: Replaces a new file that is there.
///
/// Returns:
///     How many names were copied.
///
/// Raises:
///     InvalidMetadataError: The file is not as bigarray writes it.
///     AlreadyExistsError: The new file is there, and `overwrite` is not given.
#[pyfunction]
#[pyo3(signature = (old, new, *, overwrite = false))]
pub(crate) fn convert(py: Python<'_>, old: PathBuf, new: PathBuf, overwrite: bool) -> PyResult<usize> {
    detached(py, || bigarrays::flat::convert(&old, &new, overwrite))
}
