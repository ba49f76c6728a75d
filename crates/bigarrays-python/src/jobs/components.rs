//! Connected components.

use bigarrays::jobs::ComponentsOptions;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::downsample::to_number;
use super::sharing::{PySharing, shared};
use crate::array::PyArray;
use crate::compute::journal::PyJournal;

/// How many there are, the voxels of each, and the first coordinate and the one behind the last along each axis.
type Found<'py> = (u64, Option<Bound<'py, PyBytes>>, Option<Bound<'py, PyBytes>>);

/// Writes the connected components of an array to another.
#[pyfunction]
#[pyo3(name = "_components", signature = (source, target, *, connectivity, background, binary, above, statistics, memory, dry_run, journal = None, sharing = None, progress))]
#[allow(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn components<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyArray>,
    target: &Bound<'py, PyArray>,
    connectivity: Option<u64>,
    background: Option<&Bound<'py, PyAny>>,
    binary: bool,
    above: Option<&Bound<'py, PyAny>>,
    statistics: bool,
    memory: Option<u64>,
    dry_run: bool,
    journal: Option<&Bound<'py, PyJournal>>,
    sharing: Option<&Bound<'py, PySharing>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Found<'py>> {
    let (source, target) = (&source.get().array, &target.get().array);
    let journal = journal.map(|journal| journal.get().open(py)).transpose()?;
    let number = |value: &Bound<'py, PyAny>| to_number(value, source.dtype());
    let options = ComponentsOptions {
        connectivity,
        background: background.map(number).transpose()?,
        binary,
        above: above.map(number).transpose()?,
        statistics,
        memory: memory.map_or(0, |bytes| bytes.max(1)),
        dry_run,
        journal: journal.as_deref(),
        sharing: PySharing::inner(sharing),
        progress: None,
    };
    let found = shared(py, progress.as_ref(), sharing, |report| {
        let options = ComponentsOptions { progress: Some(report), ..options };
        bigarrays::jobs::components(source, target, &options)
    })?;
    let bytes = |words: Vec<u8>| PyBytes::new(py, &words);
    let voxels = found.voxels.map(|all| all.iter().flat_map(|one| one.to_ne_bytes()).collect());
    let boxes = found.boxes.map(|all| {
        let ends = all.iter().flat_map(|one| one.ranges().flat_map(|range| [range.start, range.end]));
        ends.flat_map(i64::to_ne_bytes).collect()
    });
    Ok((found.count, voxels.map(bytes), boxes.map(bytes)))
}
