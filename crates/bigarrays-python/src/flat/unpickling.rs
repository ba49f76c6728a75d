//! Slices that were pickled.

use std::path::PathBuf;
use std::sync::Arc;

use bigarrays::flat::{ArrayHandle, AsOf, Mode, Snapshot, SnapshotHandle};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::{OrRaise, invalid};
use crate::flat::slice_array::PySliceArray;
use crate::flat::source::Source;

/// Opens what was pickled, and shows what that has shown.
#[pyfunction]
pub(crate) fn _open_slices<'py>(
    py: Python<'py>,
    path: PathBuf,
    mode: &str,
    options: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let options = options.copy()?;
    let as_of: Option<(u64, u64)> = options.get_item("as_of")?.map(|as_of| as_of.extract()).transpose()?;
    options.del_item("as_of").ok();
    let opened = py.get_type::<PySliceArray>().call((path, mode), Some(&options))?;
    if let (Some((count, deletions)), Source::Live(slices)) =
        (as_of, opened.cast::<PySliceArray>()?.get().source(py)?)
    {
        slices.show(AsOf { count, deletions });
    }
    Ok(opened)
}

fn handle_of((name, descriptor, identity, rows): (String, i32, (u64, u64), u64)) -> ArrayHandle {
    ArrayHandle { name, descriptor, identity, rows }
}

/// Opens a snapshot that another process has.
#[pyfunction]
pub(crate) fn _open_snapshot(
    py: Python<'_>,
    path: PathBuf,
    mode: &str,
    state: &Bound<'_, PyDict>,
) -> PyResult<PySliceArray> {
    let item = |name: &str| state.get_item(name)?.ok_or_else(|| invalid(py, format!("{name} is missing")));
    let handle = SnapshotHandle {
        process: item("process")?.extract()?,
        names: item("names")?.extract()?,
        arrays: item("arrays")?.extract::<Vec<_>>()?.into_iter().map(handle_of).collect(),
    };
    let mode = if mode == "c" { Mode::CopyOnWrite } else { Mode::Read };
    let snapshot = Snapshot::open(&path, &handle, mode).or_raise(py)?;
    Ok(PySliceArray::of(Source::Kept(Arc::new(snapshot)), false))
}
