//! Slices by name or position, as views of the mapped file.

use std::sync::Arc;

use bigarrays::flat::{Mapping, Slice};
use bigarrays::{Error, ErrorKind};
use pyo3::exceptions::{PyIndexError, PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyList, PySlice, PyString, PyTuple};

use crate::errors::{OrRaise, exception};
use crate::flat::held::Held;
use crate::flat::source::{Located, Source};
use crate::flat::view::ViewCache;
use crate::transfer;

/// Named slices, and numpy's view of their rows.
pub(crate) struct Lookup {
    pub(crate) held: Held<Source>,
    /// That of the array of rows too, so that compacting can let go of it.
    pub(crate) view: Arc<ViewCache>,
}

impl Lookup {
    /// Where slices are looked up.
    pub(crate) fn source(&self, py: Python<'_>) -> PyResult<Source> {
        self.held.get(py)
    }

    /// numpy's views of slices.
    fn views<'py>(&self, py: Python<'py>, (slices, mapping): Located) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let all = self.view.view(py, &mapping, self.held.mode())?;
        slices.iter().map(|slice| transfer::rows_of(&all, &slice.rows)).collect()
    }

    /// numpy's view of one slice.
    pub(crate) fn one<'py>(
        &self,
        py: Python<'py>,
        slice: &Slice,
        mapping: &Arc<Mapping>,
    ) -> PyResult<Bound<'py, PyAny>> {
        transfer::rows_of(&self.view.view(py, mapping, self.held.mode())?, &slice.rows)
    }

    /// What `x[key]` is: a view, or a list of views.
    pub(crate) fn item<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, source) = (key.py(), self.source(key.py())?);
        if let Ok(name) = key.cast::<PyString>() {
            let found = source.get(&[name.to_str()?]).map_err(|error| no_key(py, &error))?;
            return self.one(py, &found.0[0], &found.1);
        }
        if let Ok(parts) = key.cast::<PyTuple>()
            && parts.len() > 1
            && (parts.get_item(0)?.is_instance_of::<PyString>() || is_position(&parts.get_item(0)?))
        {
            return self.item(&parts.get_item(0)?)?.get_item(parts.get_slice(1, parts.len()));
        }
        if let Ok(slice) = key.cast::<PySlice>() {
            let found = slice.indices(source.len() as isize)?;
            let at = |k| (found.start + k * found.step) as u64;
            let positions: Vec<u64> = (0..found.slicelength as isize).map(at).collect();
            let found = detached_if(py, positions.len(), || source.at(&positions)).or_raise(py)?;
            return Ok(PyList::new(py, self.views(py, found)?)?.into_any());
        }
        if key.try_iter().is_ok() {
            return Ok(self.many(key)?.into_any());
        }
        let (slices, mapping) = source.at(&[to_position(key, source.len())?]).or_raise(py)?;
        self.one(py, &slices[0], &mapping)
    }

    /// The slices that the items of `keys`, names or positions, mean, or those where a mask is true.
    pub(crate) fn many<'py>(&self, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let (py, source) = (keys.py(), self.source(keys.py())?);
        let found = match Keys::of(keys, source.len())? {
            Keys::Names(names) => {
                let names: Vec<&str> = names.iter().map(|name| name.to_str()).collect::<PyResult<_>>()?;
                detached_if(py, names.len(), || source.get(&names))
            }
            Keys::Positions(positions) => detached_if(py, positions.len(), || source.at(&positions)),
        };
        PyList::new(py, self.views(py, found.or_raise(py)?)?)
    }
}

/// Several slices, as Python names them.
pub(crate) enum Keys<'py> {
    Names(Vec<Bound<'py, PyString>>),
    Positions(Vec<u64>),
}

impl<'py> Keys<'py> {
    /// What the items of `keys` mean among `count` slices: names, positions, or true and false for each of them.
    pub(crate) fn of(keys: &Bound<'py, PyAny>, count: u64) -> PyResult<Self> {
        let keys: Vec<Bound<'py, PyAny>> = keys.try_iter()?.collect::<PyResult<_>>()?;
        if keys.first().is_some_and(|key| key.is_instance_of::<PyString>()) {
            return Ok(Self::Names(keys.iter().map(to_name).collect::<PyResult<_>>()?));
        }
        if !keys.is_empty() && keys.iter().all(|key| to_bool(key).is_some()) {
            if keys.len() as u64 != count {
                let reason = format!("a mask of {} for {count} slices", keys.len());
                return Err(PyIndexError::new_err(reason));
            }
            let is_true = |&position: &u64| to_bool(&keys[position as usize]) == Some(true);
            return Ok(Self::Positions((0..count).filter(is_true).collect()));
        }
        Ok(Self::Positions(keys.iter().map(|key| to_position(key, count)).collect::<PyResult<_>>()?))
    }
}

/// Does `work`, a lookup of so many slices: while other Python threads run, if that takes longer than it may to
/// get the interpreter back.
fn detached_if<T: Send>(py: Python<'_>, count: usize, work: impl FnOnce() -> T + Send) -> T {
    if count < 10_000 { work() } else { py.detach(work) }
}

fn to_name<'py>(key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    let name = key.cast::<PyString>();
    Ok(name.map_err(|_| PyTypeError::new_err("names and positions do not go together"))?.clone())
}

/// True or false, of Python or numpy.
fn to_bool(key: &Bound<'_, PyAny>) -> Option<bool> {
    let is_numpy =
        || key.get_type().qualname().is_ok_and(|name| matches!(name.to_str(), Ok("bool" | "bool_")));
    (key.is_instance_of::<PyBool>() || is_numpy()).then(|| key.is_truthy().ok()).flatten()
}

fn is_position(key: &Bound<'_, PyAny>) -> bool {
    to_bool(key).is_none() && key.extract::<i64>().is_ok()
}

/// A position; negative ones count from the end, as in lists.
pub(crate) fn to_position(key: &Bound<'_, PyAny>, count: u64) -> PyResult<u64> {
    if to_bool(key).is_some() {
        return Err(PyTypeError::new_err(
            "True and False are no positions; a mask is a list or an array of them",
        ));
    }
    let wrong = || {
        PyTypeError::new_err("slices are found by name, by position, or by slices, masks or lists of these")
    };
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
