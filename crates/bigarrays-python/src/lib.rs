//! The Python module `bigarrays._bigarrays`: parses arguments, calls the core, presents the results.

// Arguments of Python are taken by value: that is how they are converted.
#![allow(clippy::needless_pass_by_value)]

mod array;
mod cache;
mod copy;
mod display;
mod domain;
mod errors;
mod flat;
mod index;
mod interrupt;
mod mapped;
mod open;
mod scale;
mod slices;
mod transfer;
mod tree;
mod verify;

use pyo3::prelude::*;

/// The compiled part of `bigarrays`.
#[pymodule]
mod _bigarrays {
    use super::*;

    #[pymodule_export]
    use super::array::{ChunkDomains, PyArray};
    #[pymodule_export]
    use super::cache::{_cache, PyCache};
    #[pymodule_export]
    use super::copy::copy;
    #[pymodule_export]
    use super::domain::PyDomain;
    #[pymodule_export]
    use super::flat::{PyFlatArray, convert};
    #[pymodule_export]
    use super::index::ViewIndexer;
    #[pymodule_export]
    use super::open::{_reopen, add_scale, create, open, remove, supported};
    #[pymodule_export]
    use super::scale::PyScale;
    #[pymodule_export]
    use super::slices::{_open_slices, PySliceArray};
    #[pymodule_export]
    use super::tree::{attributes, create_group, document, list, resize, update_attributes};

    #[pymodule_export]
    use super::verify::{PyReport, verify};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        bigarrays::on_long_wait(super::interrupt::warn_of_wait);
        super::errors::register(module)
    }
}
