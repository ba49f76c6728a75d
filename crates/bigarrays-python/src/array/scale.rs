//! `Scale`: one entry of a layer's list of scales.

use bigarrays::format::Scale;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::array::domain::PyDomain;

/// One scale of a layer, as its metadata describe it: `bigarrays.open(url, scale=scale.key)` opens it.
///
/// Example:
///     >>> a = bigarrays.create("memory://scale", shape=(100, 80, 60), dtype="uint8", resolution=(8, 8, 40))
///     >>> a.scales[0].key, a.scales[0].resolution
///     ('8_8_40', (8.0, 8.0, 40.0))
#[pyclass(name = "Scale", module = "bigarrays", frozen)]
pub(crate) struct PyScale(pub(crate) Scale);

#[pymethods]
impl PyScale {
    /// Its name in the layer.
    #[getter]
    fn key(&self) -> &str {
        &self.0.key
    }

    /// The box of coordinates that it covers, half-open.
    #[getter]
    fn domain(&self) -> PyDomain {
        PyDomain(self.0.domain.clone())
    }

    /// Number of elements along each axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.domain.shape())
    }

    /// Shape of a whole chunk, in elements along each axis.
    #[getter]
    fn chunk_shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.chunks.first().map_or(&[][..], |chunk| chunk))
    }

    /// Size of an element along each axis, in `unit`; 1 along channels.
    #[getter]
    fn resolution<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.resolution.size[..])
    }

    /// Unit of the resolution, such as "nm".
    #[getter]
    fn unit(&self) -> &str {
        &self.0.resolution.unit
    }

    /// Name of the encoding of chunks, such as "raw" or "jpeg".
    #[getter]
    fn encoding(&self) -> &str {
        &self.0.encoding
    }

    /// Whether chunks are packed into shards.
    #[getter]
    fn sharded(&self) -> bool {
        self.0.sharded
    }

    fn __repr__(&self) -> String {
        let sharded = if self.0.sharded { ", sharded" } else { "" };
        format!(
            "<bigarrays.Scale {:?}: {}, {}{sharded}>",
            self.0.key,
            self.0.domain,
            bigarrays::base::text::printable(&self.0.encoding)
        )
    }
}
