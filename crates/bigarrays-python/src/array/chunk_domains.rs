//! The boxes of the chunks of an array, one after the other.

use bigarrays::{Array, Domain, Result};
use pyo3::prelude::*;

use crate::array::domain::PyDomain;

/// The iterator that `Array.chunk_domains` returns.
#[pyclass(module = "bigarrays._bigarrays")]
pub(crate) struct ChunkDomains {
    array: Array,
    part: Domain,
    next: usize,
    end: usize,
}

impl ChunkDomains {
    /// Those of the chunks that `part` of `array` touches.
    ///
    /// # Errors
    /// `Unsupported` for a view whose axes are not those of the chunks.
    pub(crate) fn new(array: &Array, part: &Domain) -> Result<Self> {
        // The core says whether the view has chunks of its own.
        drop(array.chunks(part)?);
        let part = part.intersect(array.layout().domain());
        let projection = array.layout().grid.project(&part);
        let end = if projection.is_empty() { 0 } else { projection.len() };
        Ok(Self { array: array.clone(), part, next: 0, end })
    }
}

#[pymethods]
impl ChunkDomains {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self) -> Option<PyDomain> {
        if self.next >= self.end {
            return None;
        }
        let grid = &self.array.layout().grid;
        let chunk = grid.project(&self.part).get(self.next);
        self.next += 1;
        Some(PyDomain(grid.chunk_domain(&chunk.index)))
    }

    fn __length_hint__(&self) -> usize {
        self.end - self.next
    }
}
