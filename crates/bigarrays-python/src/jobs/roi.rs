//! Regions of interest.

use bigarrays::jobs::RoiOptions;
use pyo3::prelude::*;

use crate::array::PyArray;
use crate::array::domain::{PyDomain, to_part};
use crate::interrupt::detached;

/// The smallest box that has all elements other than the fill value, or None if there are none.
///
/// The store is asked what there is; of that, only chunks at the ends of each axis are read, until they have such elements.
///
/// Args:
///     array: An array or view.
///     box: Looks only in this box; in all of the array if None.
///     memory: The most bytes that the work may use; a quarter of what the process may use if None.
///
/// Raises:
///     MemoryBudgetError: A chunk does not fit into the memory.
///
/// Example:
///     >>> a = bigarrays.create("memory://roi", shape=(1000000, 1000000, 100), dtype="uint8")
///     >>> a[7:100, 5, 20:22] = 1
///     >>> bigarrays.roi(a)
///     Domain("7:100,5:6,20:22")
#[pyfunction]
#[pyo3(signature = (array, *, r#box = None, memory = None))]
pub(crate) fn roi(
    py: Python<'_>,
    array: &Bound<'_, PyArray>,
    r#box: Option<&Bound<'_, PyAny>>,
    memory: Option<u64>,
) -> PyResult<Option<PyDomain>> {
    let array = &array.get().array;
    let part = r#box.map(|given| to_part(Some(given), array.domain())).transpose()?;
    let options = RoiOptions { part, memory: memory.map_or(0, |bytes| bytes.max(1)) };
    Ok(detached(py, || bigarrays::jobs::roi(array, &options))?.map(PyDomain))
}
