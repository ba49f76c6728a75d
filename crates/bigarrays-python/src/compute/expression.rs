//! Expressions over arrays, as the Python class `Lazy` holds them.

use std::sync::Arc;

use bigarrays::Domain;
use bigarrays::compute::{
    self, Argument, Cast, ComputeOptions, Function, Lazy, Literal, Operand, OutOfRange, Reduction, Rounding,
    Target,
};
use bigarrays::jobs::{Done, NormalizeOptions, RestackOptions};
use numpy::{PyArrayDescr, PyUntypedArray};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::array::PyArray;
use crate::array::domain::PyDomain;
use crate::array::index::Selection;
use crate::compute::groups::{self, Keys, Wanted};
use crate::compute::journal::PyJournal;
use crate::compute::labelled::{Columns, labelled};
use crate::compute::mapped;
use crate::compute::source::{Foreign, Held};
use crate::compute::tables::{self, Pairs, to_table, to_unlisted};
use crate::errors::{OrRaise, invalid};
use crate::interrupt::detached;
use crate::jobs::downsample::to_number;
use crate::jobs::reported;
use crate::transfer;

/// An expression. `bigarrays.Lazy` has what users see.
#[pyclass(name = "_Lazy", module = "bigarrays._bigarrays", frozen)]
#[derive(Clone)]
pub(crate) struct PyLazy(Lazy);

pub(crate) fn budget(memory: Option<u64>) -> u64 {
    memory.map_or(0, |bytes| bytes.max(1))
}

impl PyLazy {
    pub(crate) fn inner(&self) -> &Lazy {
        &self.0
    }
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

    /// Elements of a NumPy array, or of what becomes one without copying, which are read when they are needed; of the first
    /// `rows` alone, if they are given.
    #[staticmethod]
    #[pyo3(signature = (object, rows = None))]
    fn referenced(object: &Bound<'_, PyAny>, rows: Option<isize>) -> PyResult<Self> {
        let py = object.py();
        Lazy::of_source(Arc::new(Held::new(object, rows)?)).map(Self).or_raise(py)
    }

    /// Elements of any object that is like an array, which are read when they are needed.
    #[staticmethod]
    fn foreign(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        Lazy::of_source(Arc::new(Foreign::new(object)?)).map(Self).or_raise(py)
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
    fn reduce(&self, py: Python<'_>, name: &str, axes: Vec<usize>, keeps: bool) -> PyResult<Self> {
        let unknown = || PyTypeError::new_err(format!("no reduction {name}"));
        let reduction = Reduction::named(name).ok_or_else(unknown)?;
        self.0.reduce(reduction, &axes, keeps).map(Self).or_raise(py)
    }

    fn variance(&self, py: Python<'_>, axes: Vec<usize>, correction: f64, keeps: bool) -> PyResult<Self> {
        self.0.variance(&axes, correction, keeps).map(Self).or_raise(py)
    }

    fn nan_variance(&self, py: Python<'_>, axes: Vec<usize>, correction: f64, keeps: bool) -> PyResult<Self> {
        self.0.nan_variance(&axes, correction, keeps).map(Self).or_raise(py)
    }

    /// What becomes of groups by labels along axes.
    #[allow(clippy::too_many_arguments)]
    fn grouped(
        &self,
        py: Python<'_>,
        labels: Vec<PyRef<'_, Self>>,
        axes: Vec<Vec<usize>>,
        counts: Vec<u64>,
        drops: bool,
        fill: Option<Bound<'_, PyAny>>,
        name: &str,
        also: Vec<usize>,
        numbers: Vec<f64>,
        method: &str,
    ) -> PyResult<Self> {
        let labels = labels.iter().map(|one| one.0.clone()).collect();
        let keys = Keys { labels, axes, counts, drops, fill: to_fill(fill)? };
        let wanted = Wanted { name, also: &also, numbers: &numbers, method };
        groups::grouped(&self.0, &keys, &wanted).map(Self).or_raise(py)
    }

    /// The labels that there are, how many elements each has, and what they become by reductions of these names.
    #[allow(clippy::too_many_arguments)]
    #[staticmethod]
    #[pyo3(signature = (results, labels, axes, memory = None, scratch = None, journal = None, progress = None))]
    fn by_label<'py>(
        py: Python<'py>,
        results: Vec<(PyRef<'py, Self>, String)>,
        labels: PyRef<'py, Self>,
        axes: Vec<usize>,
        memory: Option<u64>,
        scratch: Option<std::path::PathBuf>,
        journal: Option<&Bound<'py, PyJournal>>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Columns<'py>> {
        let results: Vec<_> = results.into_iter().map(|(lazy, name)| (lazy.0.clone(), name)).collect();
        let labels = (&labels.0.clone(), &axes[..]);
        labelled(py, &results, labels, (budget(memory), scratch), journal, progress.as_ref())
    }

    /// The numbers of groups by labels in a list, which is given as the bytes of numbers of 64 bits, with or without sign.
    fn numbered(&self, py: Python<'_>, expected: &Bound<'_, PyBytes>, is_signed: bool) -> PyResult<Self> {
        self.0.numbered(&tables::numbers(expected, is_signed)).map(Self).or_raise(py)
    }

    /// Labels by a table.
    fn remap(
        &self,
        table: Pairs<'_>,
        unlisted: &Bound<'_, PyAny>,
        dtype: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (py, dtype) = (unlisted.py(), dtype.map(transfer::to_dtype).transpose()?);
        self.0.remap(&to_table(py, &table)?, to_unlisted(unlisted)?, dtype).map(Self).or_raise(py)
    }

    /// Results of groups where the elements of the groups were.
    fn back(&self, py: Python<'_>, fill: Option<Bound<'_, PyAny>>) -> PyResult<Self> {
        let found = match to_fill(fill)? {
            Some(fill) => self.0.back_or(fill),
            None => self.0.back(),
        };
        found.map(Self).or_raise(py)
    }

    /// The edges of so many bins of equal width that have all elements.
    fn equal_edges(&self, py: Python<'_>, bins: u64) -> PyResult<Self> {
        self.0.equal_edges(bins).map(Self).or_raise(py)
    }

    /// The coordinates of an axis, as elements of it.
    fn coordinate(&self, py: Python<'_>, axis: usize) -> PyResult<Self> {
        self.0.coordinate(axis).map(Self).or_raise(py)
    }

    /// Quantiles along axes, along a new first axis.
    fn quantile(
        &self,
        py: Python<'_>,
        q: Vec<f64>,
        axes: Vec<usize>,
        method: &str,
        skips: bool,
    ) -> PyResult<Self> {
        let method = groups::method_named(method).or_raise(py)?;
        self.0.quantile(&q, &axes, method, skips).map(Self).or_raise(py)
    }

    /// Other slices along an axis: those that are kept, or some left out, and `inserted` put before the slices `at`.
    fn restack(
        &self,
        py: Python<'_>,
        axis: usize,
        keep: Option<Vec<(i64, i64)>>,
        delete: Vec<(i64, i64)>,
        at: Vec<i64>,
        inserted: Vec<PyRef<'_, Self>>,
    ) -> PyResult<Self> {
        let ranges = |all: Vec<(i64, i64)>| all.into_iter().map(|(start, stop)| start..stop).collect();
        let options = RestackOptions {
            axis,
            keep: keep.map(ranges),
            delete: ranges(delete),
            insert: at.into_iter().zip(inserted.iter().map(|one| one.0.clone())).collect(),
        };
        bigarrays::jobs::restack(&self.0, &options).map(Self).or_raise(py)
    }

    /// Elements stretched between two percentiles, or numbers.
    #[pyo3(signature = (contrast, by = None, dtype = None, ignore = None))]
    fn normalize(
        &self,
        py: Python<'_>,
        contrast: &str,
        by: Option<usize>,
        dtype: Option<&Bound<'_, PyAny>>,
        ignore: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let options = NormalizeOptions {
            contrast: contrast.parse().or_raise(py)?,
            by,
            dtype: dtype.map(transfer::to_dtype).transpose()?,
            ignore: ignore.map(|ignore| to_number(ignore, self.0.dtype())).transpose()?,
        };
        bigarrays::jobs::normalize(&self.0, &options).map(Self).or_raise(py)
    }

    /// The median along axes.
    fn median(&self, py: Python<'_>, axes: Vec<usize>, skips: bool) -> PyResult<Self> {
        self.0.median(&axes, skips).map(Self).or_raise(py)
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
    fn chunks<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let found = self.0.chunk_shape().or_raise(py)?;
        found.map(|chunk| PyTuple::new(py, &chunk[..])).transpose()
    }

    #[getter]
    fn text(&self) -> String {
        self.0.text()
    }

    /// The expression whose axis `k` is the axis `axes[k]` of this one.
    fn permute(&self, py: Python<'_>, axes: Vec<usize>) -> PyResult<Self> {
        self.0.permute(&axes).map(Self).or_raise(py)
    }

    /// The same along a new axis, of one element at `coordinate`.
    fn new_axis(&self, py: Python<'_>, axis: usize, coordinate: i64) -> PyResult<Self> {
        self.0.new_axis(axis, coordinate..coordinate.saturating_add(1)).map(Self).or_raise(py)
    }

    /// The elements as those of an operand over `domain` would be.
    fn broadcast_to(&self, py: Python<'_>, domain: &Bound<'_, PyDomain>) -> PyResult<Self> {
        self.0.broadcast_to(&domain.get().0).map(Self).or_raise(py)
    }

    /// The elements at these coordinates of an axis.
    fn take(&self, py: Python<'_>, axis: usize, coordinates: Vec<i64>) -> PyResult<Self> {
        self.0.take(axis, &coordinates).map(Self).or_raise(py)
    }

    /// Several expressions along an axis, one behind the other.
    #[staticmethod]
    fn concatenate(py: Python<'_>, parts: Vec<PyRef<'_, Self>>, axis: usize) -> PyResult<Self> {
        let parts: Vec<Lazy> = parts.iter().map(|part| part.0.clone()).collect();
        Lazy::concatenate(&parts, axis).map(Self).or_raise(py)
    }

    /// A function by its name, with arguments by theirs.
    fn call(
        &self,
        py: Python<'_>,
        name: &str,
        others: Vec<PyRef<'_, Self>>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let of: Vec<Lazy> =
            std::iter::once(&self.0).chain(others.iter().map(|one| &one.0)).cloned().collect();
        let option = |(name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            Ok((name.extract::<String>()?, to_argument(&value)?))
        };
        let options = options.iter().map(option).collect::<PyResult<Vec<_>>>()?;
        compute::call(name, &of, &options).map(Self).or_raise(py)
    }

    /// The results of a function of blocks of some expressions.
    #[staticmethod]
    #[pyo3(signature = (function, inputs, overlap, boundary, trim, dtypes, passes_domain, releases_gil))]
    #[allow(clippy::too_many_arguments)]
    fn map_blocks(
        function: &Bound<'_, PyAny>,
        inputs: Vec<PyRef<'_, Self>>,
        overlap: Vec<(u64, u64)>,
        boundary: Vec<Option<(String, f64)>>,
        trim: bool,
        dtypes: Vec<Bound<'_, PyAny>>,
        passes_domain: bool,
        releases_gil: bool,
    ) -> PyResult<Vec<Self>> {
        let overlap = mapped::to_overlap(function.py(), overlap, boundary, trim)?;
        let inputs: Vec<Lazy> = inputs.iter().map(|input| input.0.clone()).collect();
        let dtypes = dtypes.iter().map(transfer::to_dtype).collect::<PyResult<Vec<_>>>()?;
        let made = mapped::map(function, &inputs, &overlap, dtypes, passes_domain, releases_gil)?;
        Ok(made.into_iter().map(Self).collect())
    }

    /// One of these results.
    #[staticmethod]
    #[pyo3(signature = (function, inputs, overlap, boundary, trim, dtypes, passes_domain, releases_gil, number))]
    #[allow(clippy::too_many_arguments)]
    fn mapped(
        function: &Bound<'_, PyAny>,
        inputs: Vec<PyRef<'_, Self>>,
        overlap: Vec<(u64, u64)>,
        boundary: Vec<Option<(String, f64)>>,
        trim: bool,
        dtypes: Vec<Bound<'_, PyAny>>,
        passes_domain: bool,
        releases_gil: bool,
        number: usize,
    ) -> PyResult<Self> {
        let mut made =
            Self::map_blocks(function, inputs, overlap, boundary, trim, dtypes, passes_domain, releases_gil)?;
        if number >= made.len() {
            return Err(PyTypeError::new_err("there are not so many results"));
        }
        Ok(made.swap_remove(number))
    }

    /// The names of the axes, in place of those that they have.
    fn renamed(&self, py: Python<'_>, names: Vec<Option<String>>) -> PyResult<Self> {
        self.0.renamed(&names).map(Self).or_raise(py)
    }

    /// An error if an array that this is of may be at this place, in it or around it. Nothing is read or made.
    fn expect_apart(&self, py: Python<'_>, target: std::path::PathBuf) -> PyResult<()> {
        let url = target.to_string_lossy().into_owned();
        self.0.expect_apart(&*url, &bigarrays::OpenOptions::new()).or_raise(py)
    }

    /// What tells expressions from others, in every run.
    #[staticmethod]
    fn identity(py: Python<'_>, results: Vec<PyRef<'_, Self>>) -> PyResult<String> {
        compute::identity(&results.iter().map(|result| result.0.clone()).collect::<Vec<_>>()).or_raise(py)
    }

    /// What tells expressions, and what they are made of, from what they are later; None if that takes long to find.
    #[staticmethod]
    fn inputs(py: Python<'_>, results: Vec<PyRef<'_, Self>>) -> PyResult<Option<String>> {
        let roots: Vec<_> = results.iter().map(|result| result.0.clone()).collect();
        py.detach(|| Done::inputs(&roots)).or_raise(py)
    }

    /// All elements of several expressions.
    #[staticmethod]
    #[pyo3(signature = (results, memory = None, scratch = None, journal = None, progress = None))]
    fn compute<'py>(
        py: Python<'py>,
        results: Vec<PyRef<'py, Self>>,
        memory: Option<u64>,
        scratch: Option<std::path::PathBuf>,
        journal: Option<&Bound<'py, PyJournal>>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyUntypedArray>>> {
        let journal = journal.map(|journal| journal.get().open(py)).transpose()?;
        let journal = journal.as_deref();
        let results: Vec<Lazy> = results.iter().map(|result| result.0.clone()).collect();
        let wanted = |lazy: &'_ Lazy| (lazy.dtype(), lazy.order());
        let orders: Vec<_> = results.iter().map(wanted).collect();
        let wanted =
            results.iter().zip(orders).map(|(lazy, (dtype, order))| (lazy.domain().shape(), dtype, order));
        transfer::made_all(py, &wanted.collect::<Vec<_>>(), |outs| {
            reported(py, progress.as_ref(), |report| {
                let options = ComputeOptions {
                    memory: budget(memory),
                    scratch: scratch.as_deref(),
                    progress: Some(report),
                    journal,
                    ..ComputeOptions::default()
                };
                let outs = outs.into_iter().map(Target::Memory);
                compute::compute(results.iter().zip(outs).collect(), &options)
            })
        })
    }

    /// Writes all elements of several expressions, each to an array.
    #[staticmethod]
    #[pyo3(signature = (results, memory = None, scratch = None, journal = None, progress = None))]
    fn save(
        py: Python<'_>,
        results: Vec<(PyRef<'_, Self>, Bound<'_, PyArray>)>,
        memory: Option<u64>,
        scratch: Option<std::path::PathBuf>,
        journal: Option<&Bound<'_, PyJournal>>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let one = |(lazy, target): &(PyRef<'_, Self>, Bound<'_, PyArray>)| {
            (lazy.0.clone(), target.get().array.clone())
        };
        let results: Vec<_> = results.iter().map(one).collect();
        let journal = journal.map(|journal| journal.get().open(py)).transpose()?;
        let journal = journal.as_deref();
        reported(py, progress.as_ref(), |report| {
            let options = ComputeOptions {
                memory: budget(memory),
                scratch: scratch.as_deref(),
                progress: Some(report),
                journal,
                ..ComputeOptions::default()
            };
            let all = results.iter().map(|(lazy, target)| (lazy, Target::Array(target)));
            compute::compute(all.collect(), &options)
        })
    }

    /// The plan of several expressions in words, as JSON or as a picture, each into an array, or into memory.
    #[staticmethod]
    #[pyo3(signature = (results, memory = None, scratch = None, journal = None, format = "text", workers = None))]
    fn explain(
        py: Python<'_>,
        results: Vec<(PyRef<'_, Self>, Option<Bound<'_, PyArray>>)>,
        memory: Option<u64>,
        scratch: Option<std::path::PathBuf>,
        journal: Option<&Bound<'_, PyJournal>>,
        format: &str,
        workers: Option<u64>,
    ) -> PyResult<String> {
        let one = |(lazy, target): &(PyRef<'_, Self>, Option<Bound<'_, PyArray>>)| {
            (lazy.0.clone(), target.as_ref().map(|target| target.get().array.clone()))
        };
        let results: Vec<_> = results.iter().map(one).collect();
        let journal = journal.map(|journal| journal.get().open(py)).transpose()?;
        let options = ComputeOptions {
            memory: budget(memory),
            scratch: scratch.as_deref(),
            journal: journal.as_deref(),
            workers: workers.unwrap_or(0),
            ..ComputeOptions::default()
        };
        detached(py, || {
            let all: Vec<_> = results.iter().map(|(lazy, target)| (lazy, target.as_ref())).collect();
            let plan = compute::plan(&all, &options)?;
            match format {
                "text" => Ok(plan.explain()),
                "dict" => Ok(plan.json()),
                "svg" => Ok(plan.svg()),
                other => {
                    let reason = format!("unknown show={other:?}; known are text, dict and svg");
                    Err(bigarrays::Error::invalid(reason))
                }
            }
        })
    }
}

/// An argument of a function: an expression, a number, a text, or several of them.
fn to_argument(given: &Bound<'_, PyAny>) -> PyResult<Argument> {
    if let Ok(text) = given.cast::<PyString>() {
        return Ok(Argument::Text(text.to_string()));
    }
    if let Ok(all) = given.cast::<PyList>() {
        return all.iter().map(|one| to_argument(&one)).collect::<PyResult<_>>().map(Argument::List);
    }
    Ok(match to_operand(given)? {
        Operand::Lazy(lazy) => Argument::Lazy(lazy),
        Operand::Literal(literal) => Argument::Literal(literal),
    })
}

/// A number that stands for what is not there.
fn to_fill(given: Option<Bound<'_, PyAny>>) -> PyResult<Option<Literal>> {
    let Some(given) = given else { return Ok(None) };
    match to_operand(&given)? {
        Operand::Literal(literal) => Ok(Some(literal)),
        Operand::Lazy(_) => Err(PyTypeError::new_err("fill is a number")),
    }
}

/// An operand: an expression, or a number of Python's or NumPy's.
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
    if given.hasattr("dtype")? && given.hasattr("item")? {
        return to_operand(&given.call_method0("item")?);
    }
    Err(PyTypeError::new_err(format!("no operand: {}", given.get_type())))
}
