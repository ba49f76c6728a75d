//! What this version can read and write.

use bigarrays::{format, store};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What this version can open: a dict of the names of formats and the ways to name stores, each with
/// what it is.
///
/// >>> sorted(bigarrays.supported())
/// ['formats', 'stores']
/// >>> "precomputed" in bigarrays.supported()["formats"]
/// True
#[pyfunction]
pub(crate) fn supported(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let (formats, stores, all) = (PyDict::new(py), PyDict::new(py), PyDict::new(py));
    for format in format::BUILTIN {
        formats.set_item(format.name(), format.about())?;
    }
    for scheme in store::BUILTIN {
        stores.set_item(scheme.prefix, scheme.summary)?;
    }
    all.set_item("formats", formats)?;
    all.set_item("stores", stores)?;
    Ok(all)
}
