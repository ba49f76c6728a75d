//! `a.vindex[…]`: single elements anywhere.

use bigarrays::{Domain, OutsidePoints};
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
pub(crate) struct PointIndexer {
    pub(crate) array: PyArray,
    pub(crate) outside: OutsidePoints,
}

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
        let (numpy, array) = (py.import("numpy")?, &self.array.array);
        let axes = match key.cast::<PyTuple>() {
            Ok(axes) => axes.clone(),
            Err(_) => of_mask(key, array.domain())?.unwrap_or(PyTuple::new(py, [key])?),
        };
        if axes.len() != array.ndim() {
            let (given, ndim) = (axes.len(), array.ndim());
            return Err(invalid(py, format!("coordinates along {given} axes for an array of {ndim} axes")));
        }
        let axes: Vec<_> = axes.iter().map(|axis| whole_numbers(&axis)).collect::<PyResult<_>>()?;
        let broadcast = numpy.call_method1("broadcast_arrays", PyTuple::new(py, axes)?)?;
        let options = PyDict::new(py);
        options.set_item("axis", -1)?;
        let stacked = numpy.call_method("stack", (broadcast,), Some(&options))?;
        let shape: Vec<usize> = stacked.getattr("shape")?.extract()?;
        let flat = numpy.call_method1("ascontiguousarray", (stacked.call_method1("reshape", (-1,))?,))?;
        let coordinates = flat.cast::<numpy::PyArray1<i64>>()?.readonly();
        Ok(Points { coordinates, shape: PyTuple::new(py, &shape[..shape.len() - 1])?.into_any() })
    }
}

/// Coordinates as an array of int64.
pub(crate) fn whole_numbers<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = given.py();
    let given = py.import("numpy")?.call_method1("asarray", (given,))?;
    let kind: String = given.getattr("dtype")?.getattr("kind")?.extract()?;
    let is_empty = given.getattr("size")?.extract::<usize>()? == 0;
    if !is_empty && !matches!(kind.as_str(), "i" | "u") {
        return Err(invalid(py, "coordinates are whole numbers"));
    }
    // What does not fit into 64 bits is no coordinate.
    let options = PyDict::new(py);
    options.set_item("casting", if is_empty { "unsafe" } else { "same_kind" })?;
    given.call_method("astype", ("int64",), Some(&options))
}

/// The coordinates along each axis of what a mask of the shape of `domain` selects; `None` if it is no mask.
pub(crate) fn of_mask<'py>(
    key: &Bound<'py, PyAny>,
    domain: &Domain,
) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let py = key.py();
    let mask = py.import("numpy")?.call_method1("asarray", (key,))?;
    if mask.getattr("dtype")?.getattr("kind")?.extract::<String>()? != "b" {
        return Ok(None);
    }
    let shape: Vec<u64> = mask.getattr("shape")?.extract()?;
    if shape != domain.shape() {
        let message = format!("a mask of shape {shape:?} for elements of shape {:?}", domain.shape());
        return Err(invalid(py, message));
    }
    let found: Bound<'py, PyTuple> = mask.call_method0("nonzero")?.cast_into()?;
    let placed = found.iter().zip(domain.origin()).map(|(axis, origin)| axis.add(*origin));
    Ok(Some(PyTuple::new(py, placed.collect::<PyResult<Vec<_>>>()?)?))
}

/// What `outside` names.
pub(crate) fn to_outside(py: Python<'_>, name: &str) -> PyResult<OutsidePoints> {
    match name {
        "error" => Ok(OutsidePoints::Error),
        "fill" => Ok(OutsidePoints::Fill),
        other => Err(invalid(py, format!("unknown outside={other:?}; known are \"error\" and \"fill\""))),
    }
}

/// # Errors
/// `InvalidArgumentError` for a write with `outside="fill"`.
pub(crate) fn expect_reading(py: Python<'_>, outside: OutsidePoints) -> PyResult<()> {
    match outside {
        OutsidePoints::Error => Ok(()),
        OutsidePoints::Fill => {
            let message = "outside=\"fill\" is for reading; an array opened with outside=\"crop\" leaves out what lies outside when it is written";
            Err(invalid(py, message))
        }
    }
}

#[pymethods]
impl PointIndexer {
    /// The same with options: `a.vindex(outside="fill")[xs, ys, zs]`.
    ///
    /// Args:
    ///     outside: "error", or "fill": points outside the domain read as the fill value, unless the array is strict.
    ///
    /// Example:
    ///     >>> a = bigarrays.create("memory://outside-points", shape=(4,), dtype="int8", format="zarr3", fill_value=-1)
    ///     >>> a[...] = 3
    ///     >>> a.vindex(outside="fill")[[-1, 2, 9]]
    ///     array([-1,  3, -1], dtype=int8)
    #[pyo3(signature = (*, outside = "error"))]
    fn __call__(&self, py: Python<'_>, outside: &str) -> PyResult<Self> {
        Ok(Self { array: self.array.clone(), outside: to_outside(py, outside)? })
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        transfer::expect_sized(py, &self.array.array, "points")?;
        let points = self.parse(key)?;
        let (array, coordinates) = (&self.array.array, points.coordinates.as_slice()?);
        let count = coordinates.len() / array.ndim();
        let out = transfer::filled(py, count, array.dtype(), |bytes| {
            detached(py, || array.read_points_into(coordinates, bytes, self.outside))
        })?;
        out.call_method1("reshape", (points.shape,))
    }

    fn __setitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        transfer::expect_sized(py, &self.array.array, "points")?;
        expect_reading(py, self.outside)?;
        let points = self.parse(key)?;
        let (array, coordinates) = (&self.array.array, points.coordinates.as_slice()?);
        let numpy = py.import("numpy")?;
        let source = transfer::to_source_of(value, &transfer::descr(py, array.dtype())?, None)?;
        let all = numpy.call_method1("broadcast_to", (source, points.shape))?;
        // A copy: nobody changes it meanwhile, and booleans are zero or one.
        let all = numpy.call_method1("array", (all.call_method1("reshape", (-1,))?,))?;
        let all = transfer::with_booleans(all)?.cast_into::<PyUntypedArray>()?;
        let values = transfer::dense_bytes(&all);
        detached(py, || array.write_points_from(coordinates, values))
    }

    fn __repr__(&self) -> String {
        format!("<vindex[…] of {}>", display::line(&self.array))
    }
}
