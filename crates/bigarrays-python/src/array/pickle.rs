//! Arrays in other processes: what a pickled array is, and how it is opened again.

use std::path::PathBuf;

use bigarrays::base::dims::Dims;
use bigarrays::{AxisMap, Error, ErrorKind, Transform};
use pyo3::exceptions::PyFileNotFoundError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::arguments::to_url;
use crate::array::domain::PyDomain;
use crate::array::open::open;
use crate::array::stored::PyArray;
use crate::errors::{OrRaise, exception};

/// One stored axis of a pickled view: the visible axis, if it is along one, the offset and the step.
type PickledAxis = (Option<usize>, i64, i64);

/// What rebuilds `shown`: the arguments of [`_reopen`].
pub(crate) fn pickled<'py>(py: Python<'py>, shown: &PyArray) -> PyResult<Bound<'py, PyTuple>> {
    let array = &shown.array;
    let arguments = shown.opening.arguments(py)?;
    match array.scales().get(array.scale()) {
        Some(scale) => arguments.set_item("scale", &scale.key)?,
        None => arguments.set_item("scale", array.scale())?,
    }
    let url = if array.url().contains("://") {
        array.url().to_owned()
    } else {
        // Another process may have another working directory.
        to_url(py, std::path::absolute(array.url())?)?
    };
    let transform = array.transform();
    let axes: Vec<PickledAxis> = transform
        .axes
        .iter()
        .map(|map| match *map {
            AxisMap::Fixed(at) => (None, at, 0),
            AxisMap::Along { axis, offset, step } => (Some(axis), offset, step),
        })
        .collect();
    (url, arguments, PyDomain(transform.domain.clone()), axes).into_pyobject(py)
}

/// What became of an array in memory that another process has pickled.
fn not_in_this_process(py: Python<'_>) -> PyErr {
    let message = "an array of memory:// is only in the process that created it, and this process has none of \
                   that name; create it in a file (on a RAM disk such as /dev/shm, if it is to stay in memory) or \
                   in a bucket to share it";
    exception(py, &Error::new(ErrorKind::NotFound, message).during("unpickling an array"))
}

/// The path or URL of what is at `path` below `url`.
#[pyfunction]
pub(crate) fn _join_url(url: &str, path: &str) -> String {
    bigarrays::store::join_url(url, path)
}

/// Opens a pickled array and shows the part of it that was shown.
#[pyfunction]
pub(crate) fn _reopen(
    py: Python<'_>,
    url: PathBuf,
    options: &Bound<'_, PyDict>,
    domain: &Bound<'_, PyDomain>,
    axes: Vec<PickledAxis>,
) -> PyResult<PyArray> {
    let is_in_memory = url.starts_with("memory:");
    let opened = open(py, url, Some(options)).map_err(|error| match is_in_memory {
        true if error.is_instance_of::<PyFileNotFoundError>(py) => not_in_this_process(py),
        _ => error,
    })?;
    let map = |(axis, offset, step)| match axis {
        None => AxisMap::Fixed(offset),
        Some(axis) => AxisMap::Along { axis, offset, step },
    };
    let axes: Dims<AxisMap> = axes.into_iter().map(map).collect();
    let view = opened.array.with_transform(Transform { domain: domain.get().0.clone(), axes });
    Ok(opened.with(view.or_raise(py)?))
}
