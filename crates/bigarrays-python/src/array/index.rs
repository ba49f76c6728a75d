//! Indexing: what stands between the brackets, in absolute coordinates.

use bigarrays::base::dims::Dims;
use bigarrays::{Array, Domain, Error, ErrorKind, Index};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PyList, PySlice, PyTuple};

use crate::array::domain::PyDomain;
use crate::errors::{OrRaise, exception};

/// What `a[…]` selects.
pub(crate) struct Selection {
    /// One index per axis.
    pub(crate) indices: Dims<Index>,
    /// Whether the result is an element rather than an array of no axes.
    pub(crate) is_element: bool,
}

impl Selection {
    /// Parses a key for an array of `domain`.
    pub(crate) fn parse(key: &Bound<'_, PyAny>, domain: &Domain) -> PyResult<Self> {
        let mut parser = Parser { domain, indices: Dims::new(), ellipsis: None };
        if let Ok(items) = key.cast::<PyTuple>() {
            for item in items.iter_borrowed() {
                parser.push(&item)?;
            }
        } else if let Ok(part) = key.cast::<PyDomain>() {
            parser.indices.extend(part.get().0.ranges().map(Index::from));
        } else {
            parser.push(key)?;
        }
        parser.finish(key.py())
    }

    /// The view of `array` that is selected.
    pub(crate) fn of(&self, py: Python<'_>, array: &Array) -> PyResult<Array> {
        array.slice(&self.indices).or_raise(py)
    }
}

struct Parser<'a> {
    domain: &'a Domain,
    indices: Dims<Index>,
    /// How many indices stand before the ellipsis.
    ellipsis: Option<usize>,
}

impl Parser<'_> {
    fn push(&mut self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        if item.cast_exact::<PyInt>().is_ok() {
            self.indices.push(Index::At(coordinate(item)?));
        } else if let Ok(slice) = item.cast::<PySlice>() {
            self.indices.push(to_slice(slice)?);
        } else if item.is(PyEllipsis::get(item.py())) {
            if self.ellipsis.replace(self.indices.len()).is_some() {
                return Err(too_many(item.py(), "an index has only one ellipsis".to_owned()));
            }
        } else if item.is_instance_of::<PyBool>() {
            return Err(refuse(item));
        } else {
            match item.extract::<i64>() {
                Ok(at) => self.indices.push(Index::At(at)),
                Err(_) => return Err(refuse(item)),
            }
        }
        Ok(())
    }

    fn finish(mut self, py: Python<'_>) -> PyResult<Selection> {
        let (given, ndim) = (self.indices.len(), self.domain.ndim());
        if given > ndim {
            return Err(too_many(py, format!("{given} indices for an array of {ndim} axes")));
        }
        let at = self.ellipsis.unwrap_or(given);
        self.indices.insert_many(at, (given..ndim).map(|_| Index::ALL));
        let is_element =
            self.ellipsis.is_none() && self.indices.iter().all(|index| matches!(index, Index::At(_)));
        Ok(Selection { indices: self.indices, is_element })
    }
}

#[cold]
pub(crate) fn too_many(py: Python<'_>, message: String) -> PyErr {
    exception(py, &Error::new(ErrorKind::OutOfBounds, message))
}

/// A whole number as a coordinate.
pub(crate) fn coordinate(item: &Bound<'_, PyAny>) -> PyResult<i64> {
    item.extract::<i64>().map_err(|error| {
        let py = item.py();
        if error.is_instance_of::<PyOverflowError>(py) {
            return too_many(py, format!("index {item} exceeds the range of coordinates"));
        }
        PyTypeError::new_err(format!("slice bounds are whole numbers, not {}", type_name(item)))
    })
}

pub(crate) fn to_slice(slice: &Bound<'_, PySlice>) -> PyResult<Index> {
    let py = slice.py();
    let bound = |value: Bound<'_, PyAny>| {
        if value.is_none() { Ok(None) } else { coordinate(&value).map(Some) }
    };
    Ok(Index::Slice {
        start: bound(slice.getattr(intern!(py, "start"))?)?,
        stop: bound(slice.getattr(intern!(py, "stop"))?)?,
        step: bound(slice.getattr(intern!(py, "step"))?)?.unwrap_or(1),
    })
}

/// Why `item` is no index, and what to do instead.
#[cold]
pub(crate) fn refuse(item: &Bound<'_, PyAny>) -> PyErr {
    let py = item.py();
    let unsupported = |message: &'static str| exception(py, &Error::unsupported(message));
    if item.is_none() {
        return unsupported("an array has no new axes; add them to what was read, as in a[...][None]");
    }
    let kind = item.getattr("dtype").and_then(|dtype| dtype.getattr("kind")?.extract::<char>());
    let first = item.cast::<PyList>().ok().and_then(|list| list.get_item(0).ok());
    let is_mask = matches!(kind, Ok('b')) || item.is_instance_of::<PyBool>();
    if is_mask || first.is_some_and(|first| first.is_instance_of::<PyBool>()) {
        return unsupported(
            "boolean indices are those of a.vindex[mask], by a mask of the array's shape, and of a.oindex[mask, …], by one of an axis",
        );
    }
    if item.is_instance_of::<PyList>()
        || matches!(kind, Ok('i' | 'u')) && item.hasattr("__len__").unwrap_or(false)
    {
        return unsupported(
            "index arrays are those of a.vindex[xs, ys, …], for points, and of a.oindex[xs, ys, …], for every combination",
        );
    }
    PyTypeError::new_err(format!(
        "an index is a whole number, a slice, an ellipsis or a Domain, not {}",
        type_name(item)
    ))
}

fn type_name(item: &Bound<'_, PyAny>) -> String {
    item.get_type().name().map_or_else(|_| "this".to_owned(), |name| name.to_string())
}
