//! `Domain`, and what is accepted as a box.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use bigarrays::Domain;
use bigarrays::base::dims::Dims;
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PySlice, PyString, PyTuple, PyType};

use crate::errors::{OrRaise, invalid};

/// A box of absolute coordinates, half-open on every axis.
///
/// A domain is an immutable sequence of `(start, stop)` pairs. Coordinates may be below zero.
///
/// Args:
///     box: A text "x0:x1,y0:y1,…", one (start, stop) pair or slice per axis, or another domain.
///
/// Raises:
///     InvalidArgumentError: A range ends before it starts, or a text is no box.
///
/// Example:
///     >>> domain = bigarrays.Domain("-5:5,0:3")
///     >>> domain.origin, domain.shape, domain.size
///     ((-5, 0), (10, 3), 30)
///     >>> domain == bigarrays.Domain([(-5, 5), (0, 3)])
///     True
///     >>> [stop for start, stop in domain]
///     [5, 3]
///     >>> domain & "0:9,-1:2"
///     Domain("0:5,0:2")
///     >>> (4, 2) in domain, "0:6,0:1" in domain
///     (True, False)
#[pyclass(name = "Domain", module = "bigarrays", frozen, sequence)]
pub(crate) struct PyDomain(pub(crate) Domain);

#[pymethods]
impl PyDomain {
    #[new]
    fn new(r#box: &Bound<'_, PyAny>) -> PyResult<Self> {
        to_domain(r#box, None).map(Self)
    }

    /// The domain of `shape` elements along each axis that starts at `origin`, by default at zeros.
    ///
    /// Raises:
    ///     InvalidArgumentError: There are not as many lengths as coordinates, or coordinates leave the range of 64 bits.
    ///
    /// Example:
    ///     >>> bigarrays.Domain.from_shape((4, 3), origin=(10, -1))
    ///     Domain("10:14,-1:2")
    #[classmethod]
    #[pyo3(signature = (shape, *, origin = None))]
    fn from_shape(cls: &Bound<'_, PyType>, shape: Vec<u64>, origin: Option<Vec<i64>>) -> PyResult<Self> {
        let origin = origin.unwrap_or_else(|| vec![0; shape.len()]);
        Domain::new(&origin, &shape).or_raise(cls.py()).map(Self)
    }

    /// First coordinate on each axis.
    #[getter]
    fn origin<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.origin())
    }

    /// Number of elements along each axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.shape())
    }

    /// Number of axes.
    #[getter]
    fn ndim(&self) -> usize {
        self.0.ndim()
    }

    /// Number of elements in the box.
    ///
    /// Raises:
    ///     InvalidArgumentError: There are more than 2^64.
    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<u64> {
        self.0.checked_len().or_raise(py)
    }

    /// The `(start, stop)` pair of each axis.
    #[getter]
    fn ranges<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.ranges().map(|range| (range.start, range.end)).collect::<Vec<_>>())
    }

    /// One slice per axis.
    ///
    /// Example:
    ///     >>> bigarrays.Domain("2:4").slices
    ///     (slice(2, 4, None),)
    #[getter]
    fn slices<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let class = py.get_type::<PySlice>();
        let slices: PyResult<Vec<_>> =
            self.0.ranges().map(|range| class.call1((range.start, range.end))).collect();
        PyTuple::new(py, slices?)
    }

    /// The domain with its coordinates moved by `offset`, one number per axis.
    ///
    /// Raises:
    ///     InvalidArgumentError: There are not as many numbers as axes, or coordinates leave the range of 64 bits.
    fn translate(&self, py: Python<'_>, offset: Vec<i64>) -> PyResult<Self> {
        if offset.len() != self.0.ndim() {
            return Err(invalid(py, format!("{} offsets for {} axes", offset.len(), self.0.ndim())));
        }
        self.0.translate(&offset).or_raise(py).map(Self)
    }

    fn __and__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let box_ = to_domain(other, Some(&self.0))?;
        if box_.ndim() != self.0.ndim() {
            return Err(invalid(other.py(), format!("box {box_} has not the axes of box {}", self.0)));
        }
        Ok(Self(self.0.intersect(&box_)))
    }

    /// Whether a point, given as one coordinate per axis, or all of a box lies inside.
    fn __contains__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        // A text is refused as a point: it is no sequence of numbers.
        if let Ok(point) = other.extract::<Vec<i64>>() {
            return Ok(self.0.contains_point(&point));
        }
        Ok(self.0.contains(&to_domain(other, Some(&self.0))?))
    }

    fn __len__(&self) -> usize {
        self.0.ndim()
    }

    fn __getitem__(&self, axis: isize) -> PyResult<(i64, i64)> {
        let axis = if axis < 0 { axis + self.0.ndim() as isize } else { axis };
        match usize::try_from(axis) {
            Ok(axis) if axis < self.0.ndim() => Ok((self.0.origin()[axis], self.0.end(axis))),
            _ => Err(PyIndexError::new_err("there is no such axis")),
        }
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().0 == self.0)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Domain(\"{}\")", self.0)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyType>, (Bound<'py, PyTuple>,))> {
        Ok((slf.get_type(), (slf.get().ranges(slf.py())?,)))
    }
}

/// The box that `given` describes: a [`PyDomain`], a text, or one pair or slice per axis. Bounds that
/// slices leave out are those of `whole`.
pub(crate) fn to_domain(given: &Bound<'_, PyAny>, whole: Option<&Domain>) -> PyResult<Domain> {
    let py = given.py();
    if let Ok(domain) = given.cast::<PyDomain>() {
        return Ok(domain.get().0.clone());
    }
    if let Ok(text) = given.cast::<PyString>() {
        return text.to_str()?.parse::<Domain>().or_raise(py);
    }
    let items = given.try_iter().map_err(|_| {
        PyTypeError::new_err(
            "a box is a text \"x0:x1,y0:y1,…\", a Domain, or a (start, stop) pair or slice per axis",
        )
    })?;
    let ranges: PyResult<Dims<Range<i64>>> = items
        .enumerate()
        .map(|(axis, item)| {
            let own = whole.filter(|whole| axis < whole.ndim()).map(|whole| whole.range(axis));
            to_range(&item?, own)
        })
        .collect();
    Domain::from_ranges(&ranges?).or_raise(py)
}

/// The box `given`, or all of `whole` for `None`.
pub(crate) fn to_part(given: Option<&Bound<'_, PyAny>>, whole: &Domain) -> PyResult<Domain> {
    given.map_or_else(|| Ok(whole.clone()), |given| to_domain(given, Some(whole)))
}

fn to_range(item: &Bound<'_, PyAny>, own: Option<Range<i64>>) -> PyResult<Range<i64>> {
    let py = item.py();
    let Ok(slice) = item.cast::<PySlice>() else {
        return match item.extract::<(i64, i64)>() {
            Ok((start, stop)) => Ok(start..stop),
            Err(_) => Err(invalid(py, format!("{} is not a (start, stop) pair or a slice", item.repr()?))),
        };
    };
    if !matches!(slice.getattr("step")?.extract::<Option<i64>>(), Ok(None | Some(1))) {
        return Err(invalid(py, "a box has no steps; slice the array or its view instead"));
    }
    let bound = |name: &str, default: Option<i64>| match slice.getattr(name)?.extract::<Option<i64>>()? {
        Some(bound) => Ok(bound),
        None => default.ok_or_else(|| invalid(py, "a box on its own needs both bounds of each slice")),
    };
    Ok(bound("start", own.as_ref().map(|own| own.start))?..bound("stop", own.as_ref().map(|own| own.end))?)
}
