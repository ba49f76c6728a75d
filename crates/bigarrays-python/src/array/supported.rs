//! What this version can read and write.

use bigarrays::chunk::codec;
use bigarrays::{format, store};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What this version can read and write: formats, codecs and ways to name stores, each with what it is.
///
/// Returns:
///     `{"formats": {name: about}, "codecs": {name: about}, "stores": {prefix: about}}`.
///
/// Example:
///     >>> sorted(bigarrays.supported())
///     ['codecs', 'formats', 'stores']
///     >>> "precomputed" in bigarrays.supported()["formats"], "zstd" in bigarrays.supported()["codecs"]
///     (True, True)
#[pyfunction]
pub(crate) fn supported(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let [formats, codecs, stores, all] = std::array::from_fn(|_| PyDict::new(py));
    for format in format::BUILTIN {
        formats.set_item(format.name(), format.about())?;
    }
    for codec in codec::BUILTIN {
        codecs.set_item(codec.name, codec.about)?;
    }
    for scheme in store::BUILTIN {
        stores.set_item(scheme.prefix, scheme.summary)?;
    }
    all.set_item("formats", formats)?;
    all.set_item("codecs", codecs)?;
    all.set_item("stores", stores)?;
    Ok(all)
}
