//! Slices by name or position, as views of the mapped file.

use std::sync::Arc;

use bigarrays::flat::{Mapping, Slice, SliceArray};
use bigarrays::{Error, ErrorKind};
use pyo3::exceptions::{PyIndexError, PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PySlice, PyString};

use crate::errors::{OrRaise, exception};
use crate::flat::view::ViewCache;
use crate::transfer;

/// How often positions are looked up while others delete slices.
const ATTEMPTS: usize = 1000;

/// Named slices, and numpy's view of their rows.
pub(crate) struct Lookup {
    pub(crate) slices: Arc<SliceArray>,
    /// That of the array of rows too, so that compacting can let go of it.
    pub(crate) view: Arc<ViewCache>,
}

impl Lookup {
    /// numpy's views of slices.
    fn views<'py>(
        &self,
        py: Python<'py>,
        (slices, mapping): (Vec<Slice>, Arc<Mapping>),
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let all = self.view.view(py, &mapping, self.slices.array().mode())?;
        slices.iter().map(|slice| transfer::rows_of(&all, &slice.rows)).collect()
    }

    /// numpy's view of one slice.
    pub(crate) fn one<'py>(
        &self,
        py: Python<'py>,
        slice: &Slice,
        mapping: &Arc<Mapping>,
    ) -> PyResult<Bound<'py, PyAny>> {
        transfer::rows_of(&self.view.view(py, mapping, self.slices.array().mode())?, &slice.rows)
    }

    /// numpy's views of the slices at the positions that `positions` gives for so many slices as there are.
    fn by_positions<'py>(
        &self,
        py: Python<'py>,
        positions: impl Fn(u64) -> PyResult<Vec<u64>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        for attempt in 1.. {
            let count = self.slices.len().or_raise(py)?;
            let positions = positions(count)?;
            let found = detached_if(py, positions.len(), || self.slices.at(&positions));
            // Others may have deleted some since they were counted.
            let is_fewer = |error: &Error| error.kind() == ErrorKind::OutOfBounds && attempt < ATTEMPTS;
            if found.as_ref().is_err_and(is_fewer) && self.slices.len().or_raise(py)? != count {
                continue;
            }
            return self.views(py, found.or_raise(py)?);
        }
        Ok(Vec::new())
    }

    /// What `x[key]` is: a view, or a list of views.
    pub(crate) fn item<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        if let Ok(name) = key.cast::<PyString>() {
            let (slice, mapping) = self.slices.get_one(name.to_str()?).map_err(|error| no_key(py, &error))?;
            return self.one(py, &slice, &mapping);
        }
        if let Ok(position) = key.extract::<u64>() {
            let (slices, mapping) = self.slices.at(&[position]).or_raise(py)?;
            return self.one(py, &slices[0], &mapping);
        }
        if let Ok(slice) = key.cast::<PySlice>() {
            let views = self.by_positions(py, |count| {
                let found = slice.indices(count as isize)?;
                Ok((0..found.slicelength as isize).map(|k| (found.start + k * found.step) as u64).collect())
            })?;
            return Ok(PyList::new(py, views)?.into_any());
        }
        if key.try_iter().is_ok() {
            return Ok(self.many(key)?.into_any());
        }
        // What is left is a negative position, or nothing that means a slice.
        let view = self.by_positions(py, |count| Ok(vec![to_position(key, count)?]))?.pop();
        view.ok_or_else(|| PyIndexError::new_err("there is no such slice"))
    }

    /// The slices that the items of `keys`, names or positions, mean.
    pub(crate) fn many<'py>(&self, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = keys.py();
        let keys: Vec<Bound<'py, PyAny>> = keys.try_iter()?.collect::<PyResult<_>>()?;
        let views = if keys.first().is_some_and(|key| key.is_instance_of::<PyString>()) {
            let names: Vec<&str> = keys.iter().map(to_name).collect::<PyResult<_>>()?;
            let found = detached_if(py, names.len(), || self.slices.get(&names));
            self.views(py, found.or_raise(py)?)?
        } else {
            self.by_positions(py, |count| keys.iter().map(|key| to_position(key, count)).collect())?
        };
        PyList::new(py, views)
    }
}

/// Does `work`, a lookup of so many slices: while other Python threads run, if that takes longer than it may to
/// get the interpreter back.
fn detached_if<T: Send>(py: Python<'_>, count: usize, work: impl FnOnce() -> T + Send) -> T {
    if count < 10_000 { work() } else { py.detach(work) }
}

fn to_name<'a>(key: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    key.cast::<PyString>()
        .map_err(|_| PyTypeError::new_err("names and positions do not go together"))?
        .to_str()
}

/// A position; negative ones count from the end, as in lists.
fn to_position(key: &Bound<'_, PyAny>, count: u64) -> PyResult<u64> {
    let wrong =
        || PyTypeError::new_err("slices are found by name, by position, or by slices or lists of these");
    let position: i64 = key.extract().map_err(|_| wrong())?;
    if position >= 0 {
        return Ok(position as u64);
    }
    let from_end = count.checked_sub(position.unsigned_abs());
    from_end.ok_or_else(|| PyIndexError::new_err(format!("position {position} of {count} slices")))
}

/// A name that is missing is a KeyError to those who treat the array as a dict.
#[cold]
pub(crate) fn no_key(py: Python<'_>, error: &Error) -> PyErr {
    if error.kind() != ErrorKind::NotFound {
        return exception(py, error);
    }
    PyKeyError::new_err(error.to_string())
}
