//! `a.view[…]`: views of arrays.

use pyo3::prelude::*;

use crate::array::display;
use crate::array::index::Selection;
use crate::array::stored::PyArray;

/// What `Array.view` is: indexing it gives an array that shows a part, without reading.
#[pyclass(module = "bigarrays", frozen)]
pub(crate) struct ViewIndexer(pub(crate) PyArray);

#[pymethods]
impl ViewIndexer {
    fn __getitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        let array = &self.0.array;
        Ok(self.0.with(Selection::parse(key, array.domain())?.of(py, array)?))
    }

    fn __repr__(&self) -> String {
        format!("<view[…] of {}>", display::line(&self.0))
    }
}
