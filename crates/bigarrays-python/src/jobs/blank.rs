//! Blanking boxes and masks.

use bigarrays::jobs::BlankOptions;
use pyo3::prelude::*;

use super::sharing::{PySharing, shared};
use crate::array::PyArray;
use crate::array::domain::to_part;
use crate::compute::expression::PyLazy;

/// Blanks elements; `bigarrays.blank` says which.
#[pyfunction]
#[pyo3(signature = (array, *, r#box, mask, dry_run, memory, sharing = None, progress))]
#[allow(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn _blank(
    py: Python<'_>,
    array: &Bound<'_, PyArray>,
    r#box: Option<&Bound<'_, PyAny>>,
    mask: Option<&Bound<'_, PyLazy>>,
    dry_run: bool,
    memory: Option<u64>,
    sharing: Option<&Bound<'_, PySharing>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(u64, u64)> {
    let array = &array.get().array;
    let options = BlankOptions {
        part: r#box.map(|given| to_part(Some(given), array.domain())).transpose()?,
        mask: mask.map(|mask| mask.get().inner().clone()),
        dry_run,
        memory: memory.map_or(0, |bytes| bytes.max(1)),
        sharing: PySharing::inner(sharing),
        progress: None,
    };
    let done = shared(py, progress.as_ref(), sharing, |report| {
        bigarrays::jobs::blank(array, &BlankOptions { progress: Some(report), ..options.clone() })
    })?;
    Ok((done.removed, done.changed))
}
