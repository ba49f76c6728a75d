//! The names of slices, one after the other.

use std::sync::{Arc, Mutex};

use bigarrays::base::sync::MutexExt;
use pyo3::prelude::*;

use crate::errors::OrRaise;
use crate::flat::lookup::Lookup;

/// Names that an iterator takes from the index at once.
const NAMES_AT_ONCE: usize = 1000;

/// An iterator over names.
#[pyclass(name = "_Names", module = "bigarrays", frozen)]
pub(crate) struct Names {
    slices: Arc<Lookup>,
    /// The position of the next batch, and what is left of this one, the last first.
    state: Mutex<(u64, Vec<String>)>,
}

impl Names {
    /// Those of `slices`, from the first on.
    pub(crate) fn new(slices: Arc<Lookup>) -> Self {
        Self { slices, state: Mutex::default() }
    }
}

#[pymethods]
impl Names {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let mut state = self.state.locked();
        if state.1.is_empty() {
            let batch = self.slices.source(py)?.names(state.0, NAMES_AT_ONCE).or_raise(py)?;
            state.0 = batch.last().map_or(state.0, |(_, slice)| slice.position + 1);
            state.1 = batch.into_iter().rev().map(|(name, _)| name).collect();
        }
        Ok(state.1.pop())
    }
}
