//! Some of the slices, by their names and by what is kept beside these.

use std::sync::Arc;

use bigarrays::flat::Snapshot;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors::{OrRaise, exception};
use crate::flat::lookup::{Keys, no_key};

/// The slices of a snapshot that `which`, a pattern of names and what is kept beside them all mean.
pub(crate) fn selected(
    mut snapshot: Arc<Snapshot>,
    which: Option<Bound<'_, PyAny>>,
    glob: Option<&str>,
    meta: Option<Bound<'_, PyAny>>,
    py: Python<'_>,
) -> PyResult<Arc<Snapshot>> {
    if let Some(which) = which {
        let positions = positions_of(&snapshot, &which)?;
        snapshot = Arc::new(snapshot.select(&positions).or_raise(py)?);
    }
    if glob.is_some() || meta.is_some() {
        let wanted = py.import("bigarrays._metadata")?.call_method1("filtered", (glob, meta))?;
        let wanted = |name: &str, json: Option<&str>| wanted.call1((name, json))?.is_truthy();
        let found = snapshot.filter(|name, json| wanted(name, json).map_err(Failed::Python));
        let positions = found.map_err(|error| error.raised(py))?;
        snapshot = Arc::new(snapshot.select(&positions).or_raise(py)?);
    }
    Ok(snapshot)
}

/// The positions of the slices that a selection means: the start of names, a function, or names, positions or a mask.
fn positions_of(snapshot: &Snapshot, which: &Bound<'_, PyAny>) -> PyResult<Vec<u64>> {
    let py = which.py();
    if let Ok(prefix) = which.cast::<PyString>() {
        return Ok(snapshot.with_prefix(prefix.to_str()?));
    }
    if which.is_callable() {
        let wanted = |name: &str| which.call1((name,))?.is_truthy();
        return snapshot
            .filter(|name, _| wanted(name).map_err(Failed::Python))
            .map_err(|error| error.raised(py));
    }
    match Keys::of(which, snapshot.len())? {
        Keys::Positions(positions) => Ok(positions),
        Keys::Names(names) => {
            let names: Vec<&str> = names.iter().map(|name| name.to_str()).collect::<PyResult<_>>()?;
            let found = snapshot.get(&names).map_err(|error| no_key(py, &error))?;
            Ok(found.into_iter().map(|slice| slice.position).collect())
        }
    }
}

/// Why a selection failed: in the library, or in a function of Python.
enum Failed {
    Library(bigarrays::Error),
    Python(PyErr),
}

impl From<bigarrays::Error> for Failed {
    fn from(error: bigarrays::Error) -> Self {
        Self::Library(error)
    }
}

impl Failed {
    fn raised(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Library(error) => exception(py, &error),
            Self::Python(error) => error,
        }
    }
}
