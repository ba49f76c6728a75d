//! Verifying what is stored, and comparing it.

use std::path::PathBuf;

use bigarrays::OpenOptions;
use bigarrays::jobs::{Against, VerifyOptions, verify_at};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::progress::reported;
use crate::arguments::{to_selector, to_settings, to_url};
use crate::array::domain::to_domain;
use crate::jobs::report::PyReport;

/// Verifies that what is stored at a path or URL is whole: an array, a layer with all its scales, or a group with all its
/// arrays.
///
/// Every chunk that is stored is read and decoded, and the indexes of shards and of names are checked. Nothing is changed,
/// and others may write meanwhile. What dead writers left and what does not belong there is in the report, and is no
/// problem.
///
/// Args:
///     path_or_url: What is verified.
///     against: The path or URL of what should hold the same. The report then also compares them, element by element,
///         whatever their formats, chunks and types; axes are matched by their names.
///     box: Only the chunks that this box touches.
///     scale: Only this scale, as for `open`; all if None.
///     against_scale: The scale of `against`; the same one if None.
///     missing: Chunks that are not stored are problems.
///     memory: The most bytes that the work may use; a quarter of what the process may use if None.
///     progress: A function of (done, total), called now and then with the bytes of elements that are done, of those that
///         were found so far. An exception that it raises, or Ctrl-C, ends the work.
///     format: The name of the format; found by the metadata if None.
///     storage_options: As for `open`.
///
/// Returns:
///     A Report. Damage is in the report, not an exception.
///
/// Raises:
///     NotFoundError: There is nothing.
///     MemoryBudgetError: A chunk does not fit into the memory.
///     StorageError: The storage as such fails.
///
/// Example:
///     >>> array = bigarrays.create("memory://verified", shape=(4, 6), dtype="int16", format="zarr3")
///     >>> array[...] = 3
///     >>> other = bigarrays.create("memory://other", shape=(4, 6), dtype="float32", format="n5")
///     >>> other[...] = 3
///     >>> other[1, 2] = 5
///     >>> report = bigarrays.verify("memory://verified", against="memory://other")
///     >>> report.problems[0]["message"]
///     '1 of 24 elements differ'
///     >>> report.arrays[0]["comparison"]["first"]
///     [{'at': [1, 2], 'left': 3, 'right': 5.0}]
#[pyfunction]
#[pyo3(signature = (path_or_url, against = None, *, r#box = None, scale = None, against_scale = None,
    missing = false, memory = None, progress = None, format = None, storage_options = None))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments")]
pub(crate) fn verify(
    py: Python<'_>,
    path_or_url: PathBuf,
    against: Option<PathBuf>,
    r#box: Option<&Bound<'_, PyAny>>,
    scale: Option<&Bound<'_, PyAny>>,
    against_scale: Option<&Bound<'_, PyAny>>,
    missing: bool,
    memory: Option<u64>,
    progress: Option<Py<PyAny>>,
    format: Option<String>,
    storage_options: Option<&Bound<'_, PyDict>>,
) -> PyResult<PyReport> {
    let url = to_url(py, path_or_url)?;
    let against = against.map(|url| to_url(py, url)).transpose()?;
    let scale = scale.map(to_selector).transpose()?;
    let against_scale = against_scale.map(to_selector).transpose()?;
    let part = r#box.map(|part| to_domain(part, None)).transpose()?;
    let mut other_open = OpenOptions::new();
    if let Some(settings) = storage_options {
        other_open = other_open.settings(to_settings(settings)?);
    }
    let open = format.map_or_else(|| other_open.clone(), |name| other_open.clone().format(name));
    let against =
        against.as_ref().map(|url| Against { url, open: &other_open, scale: against_scale.as_ref() });
    let memory = memory.map_or(0, |bytes| bytes.max(1));
    let report = reported(py, progress.as_ref(), |progress| {
        let options = VerifyOptions { memory, part: part.as_ref(), missing, progress: Some(progress) };
        verify_at(&url, &open, scale.as_ref(), against, &options)
    })?;
    Ok(PyReport(report))
}
