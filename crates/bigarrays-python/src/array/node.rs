//! Where an array keeps its attributes.

use bigarrays::ErrorKind;
use bigarrays::format::{self, FormatOptions};
use bigarrays::store;
use pyo3::prelude::*;
use serde_json::{Map, Value};

use crate::array::PyArray;
use crate::interrupt::detached;
use crate::json::{to_object, to_python};

/// The place of an array's attributes.
#[pyclass(name = "_Node", module = "bigarrays._bigarrays", frozen)]
pub(crate) struct Node {
    url: String,
    options: FormatOptions,
}

impl Node {
    /// That of `array`: a scale that is an array of its own, as those of OME-Zarr and N5 are, has its own.
    pub(crate) fn of(array: &PyArray) -> Self {
        let (opening, array) = (&array.opening, &array.array);
        let url = array.url();
        let key = array.scales().get(array.scale()).map_or("", |scale| scale.key.trim_matches('/'));
        // Where the metadata of several lie, those of the array count; a scale is of a format of its own.
        let (url, format) = match key {
            "" => (url.to_owned(), Some(array.format().to_owned())),
            key => (store::join_url(url, key), None),
        };
        Self {
            url,
            options: FormatOptions { format, store: opening.store_options(), ..FormatOptions::default() },
        }
    }
}

#[pymethods]
impl Node {
    /// All attributes; none where there is nothing that has some.
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let read = || match format::attributes(&self.url, &self.options) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Map::new()),
            attributes => attributes,
        };
        to_python(py, &Value::Object(detached(py, read)?))
    }

    /// Adds attributes, and removes those that are None, in one atomic step.
    fn update(&self, py: Python<'_>, changes: &Bound<'_, PyAny>) -> PyResult<()> {
        let changes = to_object(changes)?;
        detached(py, || format::update_attributes(&self.url, &changes, &self.options))
    }
}
