//! The Python module `bigarrays._bigarrays`: parses arguments, calls the core, presents the results.

// Arguments of Python are taken by value: that is how they are converted.
#![allow(clippy::needless_pass_by_value)]

mod arguments;
mod array;
mod compute;
mod errors;
mod flat;
mod interrupt;
mod jobs;
mod json;
mod transfer;
mod turn;
mod viewer;

use pyo3::prelude::*;

/// The compiled part of `bigarrays`.
#[pymodule]
mod _bigarrays {
    use super::*;

    #[pymodule_export]
    use super::array::PyArray;
    #[pymodule_export]
    use super::array::cache::{_cache, PyCache};
    #[pymodule_export]
    use super::array::chunk_domains::ChunkDomains;
    #[pymodule_export]
    use super::array::create::{add_scale, create, is_stored_as, rehearse};
    #[pymodule_export]
    use super::array::domain::PyDomain;
    #[pymodule_export]
    use super::array::node::Node;
    #[pymodule_export]
    use super::array::open::{delete_scales, open, remove};
    #[pymodule_export]
    use super::array::outer::OuterIndexer;
    #[pymodule_export]
    use super::array::pickle::{_join_url, _reopen};
    #[pymodule_export]
    use super::array::points::PointIndexer;
    #[pymodule_export]
    use super::array::positions::PyPositions;
    #[pymodule_export]
    use super::array::scale::PyScale;
    #[pymodule_export]
    use super::array::supported::supported;
    #[pymodule_export]
    use super::array::tree::{_is_likely, attributes, create_group, ls, resize, update_attributes};
    #[pymodule_export]
    use super::array::view::ViewIndexer;
    #[pymodule_export]
    use super::compute::expression::PyLazy;
    #[pymodule_export]
    use super::compute::journal::{PyDone, PyJournal};
    #[pymodule_export]
    use super::compute::periods::_periods;
    #[pymodule_export]
    use super::compute::plan::PyPlanFile;
    #[pymodule_export]
    use super::compute::tables::table_of_csv;
    #[pymodule_export]
    use super::flat::convert::convert;
    #[pymodule_export]
    use super::flat::flat_array::{_open_flat, PyFlatArray};
    #[pymodule_export]
    use super::flat::joined::_spread;
    #[pymodule_export]
    use super::flat::slice_array::PySliceArray;
    #[pymodule_export]
    use super::flat::unpickling::{_open_slices, _open_snapshot};
    #[pymodule_export]
    use super::jobs::blank::_blank;
    #[pymodule_export]
    use super::jobs::components::components;
    #[pymodule_export]
    use super::jobs::copy::copy;
    #[pymodule_export]
    use super::jobs::downsample::downsample;
    #[pymodule_export]
    use super::jobs::labels::{contacts, label_table, relabel, renumber};
    #[pymodule_export]
    use super::jobs::picture::{_picture, PyPicture};
    #[pymodule_export]
    use super::jobs::report::PyReport;
    #[pymodule_export]
    use super::jobs::roi::roi;
    #[pymodule_export]
    use super::jobs::sharing::PySharing;
    #[pymodule_export]
    use super::jobs::verify::verify;
    #[pymodule_export]
    use super::viewer::PyViewer;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        bigarrays::on_long_wait(super::interrupt::warn_of_wait);
        super::errors::register(module)
    }
}
