//! What lies beside elements: groups, attributes, shapes.

use std::path::PathBuf;

use bigarrays::OpenOptions;
use bigarrays::format::{self, FormatOptions};
use bigarrays::store::Settings;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;

use crate::arguments::{to_settings, to_url};
use crate::interrupt::detached;
use crate::json::{to_object, to_python};

fn options(format: Option<String>, storage_options: Option<&Bound<'_, PyDict>>) -> PyResult<FormatOptions> {
    let mut options = FormatOptions { format, ..FormatOptions::default() };
    options.store.settings = storage_options.map_or_else(|| Ok(Settings::new()), to_settings)?;
    Ok(options)
}

/// The arrays and groups in the group at a path or URL, at any depth.
///
/// Args:
///     path_or_url: Where the group is.
///     format: The name of the format, where the metadata of several lie at one place.
///     storage_options: As for `open`.
///
/// Returns:
///     A dict of their paths in the group and what they are, "array" or "group".
///
/// Raises:
///     NotFoundError: There is no group.
///
/// Example:
///     >>> bigarrays.create_group("memory://ls")
///     >>> array = bigarrays.create("memory://ls/a/b", shape=(4,), dtype="uint8", format="zarr3")
///     >>> bigarrays.ls("memory://ls")
///     {'a': 'group', 'a/b': 'array'}
#[pyfunction]
#[pyo3(signature = (path_or_url, *, format = None, storage_options = None))]
pub(crate) fn ls<'py>(
    py: Python<'py>,
    path_or_url: PathBuf,
    format: Option<String>,
    storage_options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Bound<'py, PyDict>> {
    let url = to_url(py, path_or_url)?;
    let options = options(format, storage_options)?;
    let nodes = detached(py, || format::list(&url, &options))?;
    let listed = PyDict::new(py);
    for node in nodes {
        listed.set_item(node.path, if node.is_array { "array" } else { "group" })?;
    }
    Ok(listed)
}

/// Creates an empty group at a path or URL, which arrays can be created in.
///
/// Args:
///     path_or_url: Where the group will be; nothing may be there.
///     attributes: The user's attributes, as JSON has them.
///     format: Name of the format: "zarr3", "zarr2" or "n5"; "zarr3" if None.
///     storage_options: As for `open`.
///
/// Raises:
///     AlreadyExistsError: There is something at the path or URL.
///     UnsupportedError: The format has no groups.
///
/// Example:
///     >>> bigarrays.create_group("memory://group", attributes={"by": "us"})
///     >>> bigarrays.attributes("memory://group")
///     {'by': 'us'}
#[pyfunction]
#[pyo3(signature = (path_or_url, *, attributes = None, format = None, storage_options = None))]
pub(crate) fn create_group(
    py: Python<'_>,
    path_or_url: PathBuf,
    attributes: Option<&Bound<'_, PyAny>>,
    format: Option<&str>,
    storage_options: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    let url = to_url(py, path_or_url)?;
    let attributes = attributes.map(to_object).transpose()?.unwrap_or_default();
    let options = options(format.map(str::to_owned), storage_options)?;
    detached(py, || format::create_group(&url, &attributes, &options).map(drop))
}

/// The user's attributes of the array or group at a path or URL, as a dict. `Array.attrs` are those of an opened array.
///
/// Args:
///     path_or_url: Where the array or group is.
///     format: The name of the format, where the metadata of several lie at one place.
///     storage_options: As for `open`.
///
/// Raises:
///     NotFoundError: There is nothing that has attributes.
///
/// Example:
///     >>> array = bigarrays.create("memory://attributes", shape=(4,), dtype="uint8", format="zarr3",
///     ...     attributes={"by": "us"})
///     >>> bigarrays.attributes("memory://attributes")
///     {'by': 'us'}
#[pyfunction]
#[pyo3(signature = (path_or_url, *, format = None, storage_options = None))]
pub(crate) fn attributes<'py>(
    py: Python<'py>,
    path_or_url: PathBuf,
    format: Option<String>,
    storage_options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let url = to_url(py, path_or_url)?;
    let options = options(format, storage_options)?;
    let attributes = detached(py, || format::attributes(&url, &options))?;
    to_python(py, &Value::Object(attributes))
}

/// Whether a path or URL looks like that of an array or a group. Asks no server.
#[pyfunction]
#[pyo3(signature = (path_or_url, /))]
pub(crate) fn _is_likely(py: Python<'_>, path_or_url: PathBuf) -> PyResult<bool> {
    let url = to_url(py, path_or_url)?;
    detached(py, || Ok(format::is_likely(&url)))
}

/// Adds attributes to those of the array or group at a path or URL, in one atomic step.
///
/// Args:
///     path_or_url: Where the array or group is.
///     attributes: Those of a name that is there are replaced; those that are None are removed.
///     format: The name of the format, where the metadata of several lie at one place.
///     storage_options: As for `open`.
///
/// Raises:
///     NotFoundError: There is nothing that has attributes.
///
/// Example:
///     >>> bigarrays.create_group("memory://update", attributes={"by": "us", "old": 1})
///     >>> bigarrays.update_attributes("memory://update", {"by": ["them"], "old": None})
///     >>> bigarrays.attributes("memory://update")
///     {'by': ['them']}
#[pyfunction]
#[pyo3(signature = (path_or_url, attributes, *, format = None, storage_options = None))]
pub(crate) fn update_attributes(
    py: Python<'_>,
    path_or_url: PathBuf,
    attributes: &Bound<'_, PyAny>,
    format: Option<String>,
    storage_options: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    let (url, new) = (to_url(py, path_or_url)?, to_object(attributes)?);
    let options = options(format, storage_options)?;
    detached(py, || format::update_attributes(&url, &new, &options))
}

/// Gives the array at a path or URL another shape.
///
/// What it gains is fill value; what is outside then is lost for good. Arrays that are open keep the shape that they were
/// opened with. Nobody may write meanwhile.
///
/// Args:
///     path_or_url: Where the array is.
///     shape: The new number of elements along each axis.
///     format: The name of the format, where the metadata of several lie at one place.
///     storage_options: As for `open`.
///
/// Raises:
///     UnsupportedError: Arrays of the format keep their shape.
///     NotFoundError: There is no array.
///
/// Example:
///     >>> array = bigarrays.create("memory://resize", shape=(4, 6), dtype="uint8", format="zarr3")
///     >>> bigarrays.resize("memory://resize", (8, 3))
///     >>> bigarrays.open("memory://resize").shape
///     (8, 3)
#[pyfunction]
#[pyo3(signature = (path_or_url, shape, *, format = None, storage_options = None))]
pub(crate) fn resize(
    py: Python<'_>,
    path_or_url: PathBuf,
    shape: Vec<u64>,
    format: Option<String>,
    storage_options: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    let url = to_url(py, path_or_url)?;
    let settings = storage_options.map_or_else(|| Ok(Settings::new()), to_settings)?;
    let options = OpenOptions::new().settings(settings);
    let options = format.into_iter().fold(options, OpenOptions::format);
    detached(py, || options.resize(&url, &shape))
}
