//! `a.vindex[…]`: single elements anywhere.

use bigarrays::{DataType, OutsidePoints};
use numpy::{PyArrayMethods, PyReadonlyArray1, PyUntypedArray};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::array::display;
use crate::array::stored::PyArray;
use crate::errors::invalid;
use crate::interrupt::detached;
use crate::transfer;

/// What `Array.vindex` is: `a.vindex[xs, ys, zs]` reads the elements at points, and assigning to it writes them.
#[pyclass(module = "bigarrays", frozen)]
pub(crate) struct PointIndexer(pub(crate) PyArray);

/// Points that an index names.
struct Points<'py> {
    /// Coordinates, one point after the other.
    coordinates: PyReadonlyArray1<'py, i64>,
    /// The shape that the coordinates along each axis broadcast to.
    shape: Bound<'py, PyAny>,
}

impl PointIndexer {
    /// One list or array of coordinates an axis, which are broadcast, or a boolean array of the array's shape.
    fn parse<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Points<'py>> {
        let py = key.py();
        let (numpy, array) = (py.import("numpy")?, &self.0.array);
        let axes = match key.cast::<PyTuple>() {
            Ok(axes) => axes.clone(),
            Err(_) => self.of_mask(key)?.unwrap_or(PyTuple::new(py, [key])?),
        };
        if axes.len() != array.ndim() {
            let (given, ndim) = (axes.len(), array.ndim());
            return Err(invalid(py, format!("coordinates along {given} axes for an array of {ndim} axes")));
        }
        let whole = |axis: Bound<'py, PyAny>| -> PyResult<Bound<'py, PyAny>> {
            let given = numpy.call_method1("asarray", (axis,))?;
            let kind: String = given.getattr("dtype")?.getattr("kind")?.extract()?;
            let is_empty = given.getattr("size")?.extract::<usize>()? == 0;
            if !is_empty && !matches!(kind.as_str(), "i" | "u") {
                return Err(invalid(py, "coordinates are whole numbers"));
            }
            // What does not fit into 64 bits is no coordinate.
            let options = PyDict::new(py);
            options.set_item("casting", if is_empty { "unsafe" } else { "same_kind" })?;
            given.call_method("astype", ("int64",), Some(&options))
        };
        let axes: Vec<_> = axes.iter().map(whole).collect::<PyResult<_>>()?;
        let broadcast = numpy.call_method1("broadcast_arrays", PyTuple::new(py, axes)?)?;
        let options = PyDict::new(py);
        options.set_item("axis", -1)?;
        let stacked = numpy.call_method("stack", (broadcast,), Some(&options))?;
        let shape: Vec<usize> = stacked.getattr("shape")?.extract()?;
        let flat = numpy.call_method1("ascontiguousarray", (stacked.call_method1("reshape", (-1,))?,))?;
        let coordinates = flat.cast::<numpy::PyArray1<i64>>()?.readonly();
        Ok(Points { coordinates, shape: PyTuple::new(py, &shape[..shape.len() - 1])?.into_any() })
    }

    /// The coordinates along each axis of what a mask of the array's shape selects; `None` if it is no mask.
    fn of_mask<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let (py, array) = (key.py(), &self.0.array);
        let mask = py.import("numpy")?.call_method1("asarray", (key,))?;
        if mask.getattr("dtype")?.getattr("kind")?.extract::<String>()? != "b" {
            return Ok(None);
        }
        let shape: Vec<u64> = mask.getattr("shape")?.extract()?;
        if shape != array.shape() {
            let message = format!("a mask of shape {shape:?} for an array of shape {:?}", array.shape());
            return Err(invalid(py, message));
        }
        let found: Bound<'py, PyTuple> = mask.call_method0("nonzero")?.cast_into()?;
        let placed = found.iter().zip(array.domain().origin()).map(|(axis, origin)| axis.add(*origin));
        Ok(Some(PyTuple::new(py, placed.collect::<PyResult<Vec<_>>>()?)?))
    }
}

#[pymethods]
impl PointIndexer {
    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let points = self.parse(key)?;
        let (array, coordinates) = (&self.0.array, points.coordinates.as_slice()?);
        let count = coordinates.len() / array.ndim();
        let out = transfer::filled(py, count, array.dtype(), |bytes| {
            detached(py, || array.read_points_into(coordinates, bytes, OutsidePoints::Error))
        })?;
        out.call_method1("reshape", (points.shape,))
    }

    fn __setitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let points = self.parse(key)?;
        let (array, coordinates) = (&self.0.array, points.coordinates.as_slice()?);
        let numpy = py.import("numpy")?;
        let source = transfer::to_source_of(value, &transfer::descr(py, array.dtype()), None)?;
        let all = numpy.call_method1("broadcast_to", (source, points.shape))?;
        // A copy: nobody changes it meanwhile, and booleans are zero or one.
        let mut all = numpy.call_method1("array", (all.call_method1("reshape", (-1,))?,))?;
        if array.dtype() == DataType::Bool {
            all = all.call_method1("__ne__", (false,))?;
        }
        let all = all.cast_into::<PyUntypedArray>()?;
        let values = transfer::dense_bytes(&all);
        detached(py, || array.write_points_from(coordinates, values))
    }

    fn __repr__(&self) -> String {
        format!("<vindex[…] of {}>", display::line(&self.0))
    }
}
