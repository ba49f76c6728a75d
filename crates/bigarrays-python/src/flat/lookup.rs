//! Slices by name or position, as views of the mapped file.

use std::sync::Arc;

use bigarrays::flat::{Mappings, Slice};
use bigarrays::{Error, ErrorKind};
use numpy::PyUntypedArray;
use pyo3::exceptions::{PyIndexError, PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyList, PySlice, PyString, PyTuple};

use crate::errors::{OrRaise, exception};
use crate::flat::held::Held;
use crate::flat::joined::joined_rows;
use crate::flat::rows::to_range;
use crate::flat::source::{Located, Source};
use crate::flat::view::ViewCache;
use crate::transfer;

/// Named slices, and numpy's views of their rows.
pub(crate) struct Lookup {
    pub(crate) held: Held<Source>,
    /// The names of the arrays, and numpy's view of each, which is that of the array of rows as well, so that compacting can
    /// let go of it. One that is alone has no name.
    pub(crate) views: Vec<(String, Arc<ViewCache>)>,
    kind: PyOnceLock<Py<PyAny>>,
}

impl Lookup {
    /// Of what is `held`.
    pub(crate) fn new(held: Held<Source>, names: impl Iterator<Item = String>) -> Self {
        let views = names.map(|name| (name, Arc::default())).collect();
        Self { held, views, kind: PyOnceLock::new() }
    }

    /// Where slices are looked up.
    pub(crate) fn source(&self, py: Python<'_>) -> PyResult<Source> {
        self.held.get(py)
    }

    /// Lets go of all mappings.
    pub(crate) fn clear(&self) {
        self.views.iter().for_each(|(_, view)| view.clear());
    }

    /// Whether there are several arrays.
    pub(crate) fn has_several(&self) -> bool {
        self.views.first().is_none_or(|(name, _)| !name.is_empty())
    }

    /// The number of the array of that name.
    pub(crate) fn number_of(&self, name: &str) -> Option<usize> {
        self.views.iter().position(|(own, _)| own == name)
    }

    /// The names of several arrays, for errors.
    pub(crate) fn array_names(&self) -> String {
        let names: Vec<&str> = self.views.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }

    /// The one value for the one array, or those of several by the arrays' names.
    pub(crate) fn together<'py>(
        &self,
        py: Python<'py>,
        mut values: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if !self.has_several() {
            return values.next().unwrap_or_else(|| Ok(py.None().into_bound(py)));
        }
        let kind = self.kind.get_or_try_init(py, || {
            let names = PyTuple::new(py, self.views.iter().map(|(name, _)| name))?;
            let kind = py.import("bigarrays._together")?.getattr("together")?.call1((names,))?;
            Ok::<_, PyErr>(kind.unbind())
        })?;
        kind.bind(py).call1(PyTuple::new(py, values.collect::<PyResult<Vec<_>>>()?)?)
    }

    /// numpy's views of all rows.
    fn wholes<'py>(&self, py: Python<'py>, mappings: &Mappings) -> PyResult<Vec<Bound<'py, PyUntypedArray>>> {
        let each = self.views.iter().zip(mappings.all());
        each.map(|((_, view), mapping)| view.view(py, mapping, self.held.mode())).collect()
    }

    /// numpy's views of slices.
    fn views<'py>(&self, py: Python<'py>, (slices, mappings): Located) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let wholes = self.wholes(py, &mappings)?;
        let views = |slice: &Slice| {
            self.together(
                py,
                wholes.iter().zip(slice.rows.all()).map(|(all, rows)| transfer::rows_of(all, rows)),
            )
        };
        slices.iter().map(views).collect()
    }

    /// numpy's view of one slice.
    pub(crate) fn one<'py>(
        &self,
        py: Python<'py>,
        slice: &Slice,
        mappings: &Mappings,
    ) -> PyResult<Bound<'py, PyAny>> {
        let wholes = self.wholes(py, mappings)?;
        self.together(py, wholes.iter().zip(slice.rows.all()).map(|(all, rows)| transfer::rows_of(all, rows)))
    }

    /// Copies of the rows of the slices at `positions`, one behind the other, and how many rows each has; `None` of several
    /// arrays, and of one whose rows do not lie behind each other.
    pub(crate) fn joined<'py>(&self, py: Python<'py>, positions: &[u64]) -> PyResult<Option<Joined<'py>>> {
        if self.has_several() {
            return Ok(None);
        }
        let (slices, mappings) = self.source(py)?.at(positions).or_raise(py)?;
        let rows: Vec<_> = slices.iter().map(|slice| &slice.rows.first).collect();
        let lengths = rows.iter().map(|rows| rows.end - rows.start).collect();
        let Some(whole) = self.wholes(py, &mappings)?.pop() else { return Ok(None) };
        Ok(joined_rows(&whole, &rows)?.map(|joined| (joined, lengths)))
    }

    /// The rows of a slice, as a range of each array.
    pub(crate) fn ranges<'py>(&self, py: Python<'py>, slice: &Slice) -> PyResult<Bound<'py, PyAny>> {
        self.together(py, slice.rows.all().map(|rows| to_range(py, rows)))
    }

    /// A part of a slice: `x[name, rows]`, or of several arrays `x[name, array, rows]`.
    fn part<'py>(&self, parts: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let (whole, first) = (self.item(&parts.get_item(0)?)?, parts.get_item(1)?);
        if !self.has_several() {
            return whole.get_item(parts.get_slice(1, parts.len()));
        }
        if !first.is_instance_of::<PyString>() {
            let reason = "of several arrays, the name of one comes before the part: x[name, array, rows]";
            return Err(PyTypeError::new_err(reason));
        }
        let rows = whole.get_item(first)?;
        if parts.len() == 2 { Ok(rows) } else { rows.get_item(parts.get_slice(2, parts.len())) }
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
            return self.part(parts);
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

/// Rows of several slices in one array, and how many each has.
pub(crate) type Joined<'py> = (Bound<'py, PyAny>, Vec<u64>);

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
