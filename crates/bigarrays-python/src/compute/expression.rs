//! Expressions over arrays, as the Python class `Lazy` holds them.

use bigarrays::Domain;
use bigarrays::compute::{
    Cast, ComputeOptions, Function, Lazy, Literal, Operand, OutOfRange, Reduction, Rounding,
};
use numpy::{PyArrayDescr, PyUntypedArray};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyTuple};

use crate::array::PyArray;
use crate::array::domain::PyDomain;
use crate::array::index::Selection;
use crate::errors::{OrRaise, invalid};
use crate::interrupt::detached;
use crate::jobs::reported;
use crate::transfer;

/// An expression. `bigarrays.Lazy` has what users see.
#[pyclass(name = "_Lazy", module = "bigarrays._bigarrays", frozen)]
#[derive(Clone)]
pub(crate) struct PyLazy(Lazy);

fn budget(memory: Option<u64>) -> u64 {
    memory.map_or(0, |bytes| bytes.max(1))
}

#[pymethods]
impl PyLazy {
    /// The elements of an array or a view.
    #[staticmethod]
    fn of(py: Python<'_>, array: &Bound<'_, PyArray>) -> PyResult<Self> {
        Lazy::of(&array.get().array).map(Self).or_raise(py)
    }

    /// Elements in memory, in C order.
    #[staticmethod]
    fn held(
        py: Python<'_>,
        elements: &Bound<'_, PyBytes>,
        dtype: &Bound<'_, PyAny>,
        shape: Vec<u64>,
    ) -> PyResult<Self> {
        let domain = Domain::from_shape(&shape).or_raise(py)?;
        let dtype = transfer::to_dtype(dtype)?;
        Lazy::of_elements(&domain, dtype, elements.as_bytes()).map(Self).or_raise(py)
    }

    /// A function, by NumPy's name, of expressions and numbers.
    #[staticmethod]
    fn apply(py: Python<'_>, name: &str, operands: &Bound<'_, PyList>) -> PyResult<Self> {
        let unknown = || PyTypeError::new_err(format!("no function {name} of elements"));
        let function = Function::named(name).ok_or_else(unknown)?;
        let operands = operands.iter().map(|operand| to_operand(&operand)).collect::<PyResult<Vec<_>>>()?;
        Lazy::apply(function, &operands).map(Self).or_raise(py)
    }

    /// What elements along axes become, by NumPy's name.
    fn reduce(&self, py: Python<'_>, name: &str, axes: Vec<usize>) -> PyResult<Self> {
        let unknown = || PyTypeError::new_err(format!("no reduction {name}"));
        let reduction = Reduction::named(name).ok_or_else(unknown)?;
        self.0.reduce(reduction, &axes).map(Self).or_raise(py)
    }

    fn __getitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<Self> {
        let selection = Selection::parse(key, self.0.domain())?;
        self.0.slice(&selection.indices).map(Self).or_raise(key.py())
    }

    fn translate(&self, py: Python<'_>, offset: Vec<i64>) -> PyResult<Self> {
        self.0.translate(&offset).map(Self).or_raise(py)
    }

    /// Elements of another type: truncated toward zero; what does not fit is refused, or as `out_of_range` says.
    #[pyo3(signature = (dtype, out_of_range = None))]
    fn cast(&self, dtype: &Bound<'_, PyAny>, out_of_range: Option<&str>) -> PyResult<Self> {
        let py = dtype.py();
        let out_of_range = match out_of_range {
            None | Some("refuse") => OutOfRange::Refuse,
            Some("clip") => OutOfRange::Clip,
            Some("wrap") => OutOfRange::Wrap,
            Some(other) => {
                let message = format!("unknown out_of_range={other:?}; known are refuse, clip and wrap");
                return Err(invalid(py, message));
            }
        };
        let how = Cast { rounding: Rounding::Zero, out_of_range };
        self.0.cast(transfer::to_dtype(dtype)?, how).map(Self).or_raise(py)
    }

    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDescr>> {
        transfer::descr(py, self.0.dtype())
    }

    #[getter]
    fn domain(&self) -> PyDomain {
        PyDomain(self.0.domain().clone())
    }

    #[getter]
    fn names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.names())
    }

    #[getter]
    fn text(&self) -> String {
        self.0.text()
    }

    /// All elements.
    #[pyo3(signature = (memory = None, progress = None))]
    fn compute<'py>(
        &self,
        py: Python<'py>,
        memory: Option<u64>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyUntypedArray>> {
        let (domain, dtype) = (self.0.domain(), self.0.dtype());
        transfer::made(py, domain.shape(), dtype, self.0.order(), |out| {
            reported(py, progress.as_ref(), |report| {
                let options = ComputeOptions { memory: budget(memory), progress: Some(report) };
                self.0.compute_into(out, &options)
            })
        })
    }

    /// Writes all elements to an array.
    #[pyo3(signature = (target, memory = None, progress = None))]
    fn save(
        &self,
        py: Python<'_>,
        target: &Bound<'_, PyArray>,
        memory: Option<u64>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let target = &target.get().array;
        reported(py, progress.as_ref(), |report| {
            let options = ComputeOptions { memory: budget(memory), progress: Some(report) };
            self.0.save(target, &options)
        })
    }

    /// The plan in words.
    #[pyo3(signature = (target = None, memory = None))]
    fn explain(
        &self,
        py: Python<'_>,
        target: Option<&Bound<'_, PyArray>>,
        memory: Option<u64>,
    ) -> PyResult<String> {
        let target = target.map(|target| &target.get().array);
        let options = ComputeOptions { memory: budget(memory), progress: None };
        detached(py, || Ok(self.0.plan(target, &options)?.explain()))
    }
}

/// An operand: an expression, or a number of Python's.
fn to_operand(given: &Bound<'_, PyAny>) -> PyResult<Operand> {
    if let Ok(lazy) = given.cast::<PyLazy>() {
        return Ok(Operand::Lazy(lazy.get().0.clone()));
    }
    if given.is_instance_of::<PyBool>() {
        return Ok(Operand::Literal(Literal::Bool(given.extract()?)));
    }
    if given.is_instance_of::<PyInt>() {
        let whole = given.extract::<i128>();
        let too_large = |_| PyOverflowError::new_err("a whole number beyond 128 bits");
        return Ok(Operand::Literal(Literal::Whole(whole.map_err(too_large)?)));
    }
    if given.is_instance_of::<PyFloat>() {
        return Ok(Operand::Literal(Literal::Real(given.extract()?)));
    }
    Err(PyTypeError::new_err(format!("no operand: {}", given.get_type())))
}
