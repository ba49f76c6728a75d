//! The boxes of the chunks of an array, one after the other.

use bigarrays::{Array, ChunkSet, Domain, Result};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

use crate::array::domain::PyDomain;

/// Which chunks an iterator has.
enum Which {
    /// All that the box touches.
    All(Domain),
    Stored(ChunkSet),
    Missing(ChunkSet),
}

/// The iterator that `Array.chunk_domains` and `Array.missing` return. `len` is how many boxes are left.
#[pyclass(module = "bigarrays._bigarrays")]
pub(crate) struct ChunkDomains {
    array: Array,
    which: Which,
    /// The number of the next box, or of the next place that is looked at.
    next: u64,
    left: u64,
}

impl ChunkDomains {
    /// Those of the chunks that `part` of `array` touches.
    ///
    /// # Errors
    /// `Unsupported` for a view whose axes are not those of the chunks.
    pub(crate) fn all(array: &Array, part: &Domain) -> Result<Self> {
        // The core says whether the view has chunks of its own.
        drop(array.chunks(part)?);
        let part = part.intersect(array.layout().domain());
        let left = array.layout().grid.project(&part).len() as u64;
        Ok(Self { array: array.clone(), which: Which::All(part), next: 0, left })
    }

    /// Those of them that are stored.
    ///
    /// # Errors
    /// A storage error.
    pub(crate) fn stored(array: &Array, part: &Domain) -> Result<Self> {
        let set = array.stored_chunks(part)?;
        Ok(Self { array: array.clone(), left: set.len(), which: Which::Stored(set), next: 0 })
    }

    /// Those of them that are not stored.
    ///
    /// # Errors
    /// A storage error.
    pub(crate) fn missing(array: &Array, part: &Domain) -> Result<Self> {
        let set = array.stored_chunks(part)?;
        let left = set.shown().saturating_sub(set.len());
        Ok(Self { array: array.clone(), left, which: Which::Missing(set), next: 0 })
    }
}

#[pymethods]
impl ChunkDomains {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self) -> Option<PyDomain> {
        if self.left == 0 {
            return None;
        }
        let (number, domain) = match &self.which {
            Which::All(part) => {
                let grid = &self.array.layout().grid;
                let chunk = grid.project(part).get(usize::try_from(self.next).ok()?);
                (self.next, grid.chunk_domain(&chunk.index))
            }
            Which::Stored(set) => (self.next, set.nth(self.next)?),
            Which::Missing(set) => set.next_missing(self.next)?,
        };
        (self.next, self.left) = (number + 1, self.left - 1);
        Some(PyDomain(domain))
    }

    fn __len__(&self) -> PyResult<usize> {
        usize::try_from(self.left).map_err(|_| PyOverflowError::new_err("more boxes than a length can be"))
    }
}
