//! `FlatArray`: an array in a `.npy` file that is mapped and grows.

use std::path::PathBuf;
use std::sync::Arc;

use bigarrays::flat::{FlatArray, Mode};
use bigarrays::{Error, ErrorKind};
use numpy::{PyArrayDescr, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::errors::{OrRaise, exception};
use crate::flat::held::Held;
use crate::flat::opening::{Opening, Reduced, duration, mode_name};
use crate::flat::rows::{RowData, dtype_of, row_dtype, to_range};
use crate::flat::view::ViewCache;
use crate::interrupt::detached;
use crate::transfer;

/// An array in a `.npy` file, mapped into memory, that grows along its first axis.
///
/// Indexing is numpy's, because it returns numpy's views of the file's pages: -1 is the last row, unlike in `Array`, whose
/// indices are coordinates. `np.asarray(a)` is all of the file. Views stay valid when the file grows.
///
/// `append` may be called by many threads and processes at once, and loses and mixes nothing; `write` goes to rows that the
/// caller chooses. Rows are there, for all, when these return, even if the process dies; `flush` has them survive a power
/// failure too. What others append is seen after `refresh`. Arrays are pickled by path and mode.
///
/// The file is a valid NumPy file at every moment, but its header is written in place: another program that reads it in that
/// very instant may see some of the old and some of the new, and should read again. If somebody truncates a file while it
/// is mapped, indexing raises CorruptDataError; but views that were made before, and a truncation in the very moment of an
/// access, end the process, as with every mapping.
///
/// Args:
///     path: The file.
///     mode: h5py's modes: "r" to read, "r+" to write as well, "w" to create or replace, "w-" or "x" to create, "a" to
///         open for writing or create; and numpy.memmap's "c" for changes that stay in this process. (`open` has "r" and
///         "r+" alone, because `create` describes a chunked array.)
///     shape: Of a new array, number of elements along each axis; the first length may be None, for 0.
///     dtype: Of a new array, type of the elements: any type of numpy but objects.
///     order: Of a new array, "C" or "F". What is in Fortran order grows only if it has one axis.
///     reserve: Of a new array, for how many rows room is kept on the disk.
///     durable: Appends and writes are on stable storage when they return.
///     lock_timeout: The most seconds that a change waits for the locks of other writers; None for as long as it takes.
///
/// Raises:
///     NotFoundError: There is no file.
///     AlreadyExistsError: There is a file, with mode "x" or "w-".
///     InvalidMetadataError: The file is no `.npy` file.
///     InvalidArgumentError: `shape` or `dtype` are missing, or are not those of the array that mode "a" opens.
///
/// Example:
///     >>> import pathlib, tempfile, numpy as np
///     >>> path = pathlib.Path(tempfile.mkdtemp()) / "flat.npy"
///     >>> a = bigarrays.FlatArray(path, "x", shape=(None, 3), dtype="float32")
///     >>> a.append(np.ones((4, 3)))
///     range(0, 4)
///     >>> a[1:3] = 7
///     >>> np.load(path, mmap_mode="r")[:, 0].tolist()
///     [1.0, 7.0, 7.0, 1.0]
#[pyclass(name = "FlatArray", module = "bigarrays", frozen, weakref)]
pub(crate) struct PyFlatArray {
    held: Arc<Held<Arc<FlatArray>>>,
    view: Arc<ViewCache>,
}

impl PyFlatArray {
    pub(crate) fn of(held: Arc<Held<Arc<FlatArray>>>, view: Arc<ViewCache>) -> Self {
        Self { held, view }
    }

    fn array(&self, py: Python<'_>) -> PyResult<Arc<FlatArray>> {
        self.held.get(py)
    }

    /// What `work` makes of the array, while other Python threads run.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&FlatArray) -> bigarrays::Result<T> + Send,
    ) -> PyResult<T> {
        let array = self.array(py)?;
        detached(py, || work(&array))
    }

    fn view<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyUntypedArray>> {
        let array = self.array(py)?;
        self.view.view(py, &array.mapping().or_raise(py)?, array.mode())
    }
}

#[pymethods]
impl PyFlatArray {
    #[new]
    #[pyo3(signature = (path, mode = "r", *, shape = None, dtype = None, order = "C", reserve = 0, durable = false, lock_timeout = None))]
    #[allow(clippy::too_many_arguments, reason = "Python names them")]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        mode: &str,
        shape: Option<Vec<Option<u64>>>,
        dtype: Option<Bound<'_, PyAny>>,
        order: &str,
        reserve: u64,
        durable: bool,
        lock_timeout: Option<f64>,
    ) -> PyResult<Self> {
        let lock_timeout = duration(py, lock_timeout)?;
        let opening =
            Opening { path, mode: mode.into(), shape, dtype, order: order.into(), reserve, lock_timeout };
        let path = &opening.path;
        let array = opening.run(
            py,
            |options| FlatArray::open(path, options),
            || opening.spec(py),
            |spec| FlatArray::create(path, spec),
        )?;
        opening.expect(py, &array.header())?;
        array.set_durable(durable);
        let (path, mode) = (array.path().to_owned(), array.mode());
        let held = Held::new(Arc::new(array), &path, mode);
        Ok(Self::of(Arc::new(held), Arc::default()))
    }

    /// Number of elements along each axis, as of the last refresh.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array(py)?.header().shape)
    }

    /// Type of the elements.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDescr>> {
        dtype_of(py, &self.array(py)?.header())
    }

    /// Number of axes.
    #[getter]
    fn ndim(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.array(py)?.header().shape.len())
    }

    /// Number of elements.
    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.array(py)?.header().shape.iter().product())
    }

    /// Bytes of all elements.
    ///
    /// Raises:
    ///     InvalidArgumentError: There are more than 2^64.
    #[getter]
    fn nbytes(&self, py: Python<'_>) -> PyResult<u64> {
        self.array(py)?.header().data_len().or_raise(py)
    }

    /// The absolute path of the file.
    #[getter]
    fn path(&self) -> PathBuf {
        self.held.path().into()
    }

    /// The mode in which the array is open: "r", "r+" or "c".
    #[getter]
    fn mode(&self) -> &'static str {
        mode_name(self.held.mode())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        if self.ndim(py)? == 0 {
            return Err(PyTypeError::new_err("an array without axes has no length"));
        }
        usize::try_from(self.array(py)?.rows()).map_err(|_| exception(py, &Error::unsupported("too long")))
    }

    fn __getitem__<'py>(&self, key: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.view(key.py())?.get_item(key)
    }

    fn __setitem__(&self, key: Bound<'_, PyAny>, value: Bound<'_, PyAny>) -> PyResult<()> {
        let (py, array) = (key.py(), self.array(key.py())?);
        if array.mode() == Mode::Read {
            let reason = "the array is open for reading; open it with mode \"r+\" or \"c\"";
            return Err(exception(
                py,
                &Error::new(ErrorKind::ReadOnly, reason).at(array.path().display().to_string()),
            ));
        }
        if array.mode() == Mode::ReadWrite {
            array.expect_writable().or_raise(py)?;
        }
        let mapping = array.mapping().or_raise(py)?;
        let view = self.view.view(py, &mapping, array.mode())?;
        let dtype = if key.is_instance_of::<PyString>() {
            view.dtype().get_item(&key)?
        } else {
            view.dtype().into_any()
        };
        let value = transfer::with_booleans(value)?;
        let rows = transfer::to_source_of(&value, dtype.cast()?, None)?;
        if mapping.is_also_at(&transfer::addresses(&rows)) {
            return view.set_item(key, rows.call_method0("copy")?);
        }
        view.set_item(key, rows)
    }

    /// The rows at these indices, stacked: what PyTorch's DataLoader asks a dataset for.
    fn __getitems__<'py>(&self, indices: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.view(indices.py())?
            .get_item(PyList::new(indices.py(), indices.try_iter()?.collect::<PyResult<Vec<_>>>()?)?)
    }

    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let arguments = PyDict::new(py);
        arguments.set_item("dtype", dtype)?;
        arguments.set_item("copy", copy)?;
        py.import("numpy")?.getattr("asarray")?.call((self.view(py)?,), Some(&arguments))
    }

    /// Appends rows.
    ///
    /// Args:
    ///     data: Rows, of the array's shape behind the first axis, whose values the array's type has: whole numbers stay
    ///         the same, others may be rounded but stay finite, and no text is cut.
    ///     casting: One of numpy's rules ("same_kind", "unsafe"), by which types alone decide instead.
    ///
    /// Returns:
    ///     The range of rows that they are.
    ///
    /// Raises:
    ///     InvalidArgumentError: Shape or type do not fit.
    ///     ReadOnlyError: The array was opened with mode "r" or "c".
    ///     StorageFullError: There is no room; the array is as it was.
    ///
    /// Example:
    ///     >>> import pathlib, tempfile
    ///     >>> a = bigarrays.FlatArray(pathlib.Path(tempfile.mkdtemp()) / "a.npy", "x", shape=(None,), dtype="int8")
    ///     >>> a.append([1, 2, 3]), len(a), int(a[-1])
    ///     (range(0, 3), 3, 3)
    #[pyo3(signature = (data, *, casting = None))]
    fn append<'py>(&self, data: Bound<'py, PyAny>, casting: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
        let (py, array) = (data.py(), self.array(data.py())?);
        let (header, dtype) = row_dtype(py, &array)?;
        let data = RowData::new(&data, &header, &dtype, casting)?;
        let (count, bytes) = (data.rows(), data.bytes());
        let rows = detached(py, || array.append(count, bytes))?;
        to_range(py, &rows)
    }

    /// Writes rows; the array grows if they reach beyond its end. Many may write at once; of rows that several write at the
    /// same time, some of each may be stored.
    ///
    /// Args:
    ///     at: The first row that is written.
    ///     data: Rows, as for `append`.
    ///     casting: As for `append`.
    ///
    /// Raises:
    ///     InvalidArgumentError: Shape or type do not fit.
    ///     ReadOnlyError: The array was opened with mode "r" or "c".
    ///     StorageFullError: There is no room.
    #[pyo3(signature = (at, data, *, casting = None))]
    fn write(&self, at: u64, data: Bound<'_, PyAny>, casting: Option<&str>) -> PyResult<()> {
        let (py, array) = (data.py(), self.array(data.py())?);
        let (header, dtype) = row_dtype(py, &array)?;
        let data = RowData::new(&data, &header, &dtype, casting)?;
        let (count, bytes) = (data.rows(), data.bytes());
        detached(py, || array.write(at, count, bytes))
    }

    /// Makes the array at least `rows` rows long; new ones are zeros.
    ///
    /// Raises:
    ///     ReadOnlyError: The array was opened with mode "r" or "c".
    ///     StorageFullError: There is no room.
    fn grow(&self, py: Python<'_>, rows: u64) -> PyResult<()> {
        self.with(py, |array| array.grow(rows))
    }

    /// Makes the array `rows` rows long, if it is longer. Nobody may use views of the rows that are cut off, and none of these
    /// may have a name: `SliceArray.delete` comes first.
    ///
    /// Raises:
    ///     ReadOnlyError: The array was opened with mode "r" or "c".
    fn truncate(&self, py: Python<'_>, rows: u64) -> PyResult<()> {
        self.with(py, |array| array.truncate(rows))
    }

    /// Keeps room on the disk for `rows` rows in all, without adding any.
    ///
    /// Raises:
    ///     ReadOnlyError: The array was opened with mode "r" or "c".
    ///     StorageFullError: There is no room.
    fn reserve(&self, py: Python<'_>, rows: u64) -> PyResult<()> {
        self.with(py, |array| array.reserve(rows))
    }

    /// Has all that was written, by whomever and through whatever view, on stable storage.
    ///
    /// Raises:
    ///     StorageError: The storage refused.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |array| array.flush())
    }

    /// Takes note of what others have appended, truncated or replaced. With mode "c" the array stays as it was opened.
    ///
    /// Returns:
    ///     Whether anything has changed.
    ///
    /// Raises:
    ///     NotFoundError: The file is gone.
    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, |array| array.refresh())
    }

    /// Appends that are under way or have died: the range of rows of each, and whether the appending process is alive.
    fn unfinished<'py>(&self, py: Python<'py>) -> PyResult<Vec<(Bound<'py, PyAny>, bool)>> {
        let found = self.with(py, |array| array.unfinished())?;
        found.iter().map(|found| Ok((to_range(py, &found.rows)?, found.alive))).collect()
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Lets go of the file. Views stay valid; those that can write into the file keep it open. What was written is there for
    /// all already, and `flush` has it survive a power failure.
    fn close(&self) {
        self.view.clear();
        self.held.close();
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        let flushed = if self.held.opened().is_some() { self.flush(py) } else { Ok(()) };
        self.close();
        flushed
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        let this = slf.get();
        let (state, array) = (PyDict::new(slf.py()), this.array(slf.py())?);
        state.set_item("durable", array.is_durable())?;
        state.set_item("lock_timeout", array.lock_timeout().map(|timeout| timeout.as_secs_f64()))?;
        let open = slf.py().import("bigarrays._bigarrays")?.getattr("_open_flat")?;
        Ok((open, (this.path(), this.mode(), state)))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (path, mode) = (self.held.path().display().to_string(), self.mode());
        let path = bigarrays::base::text::printable(&path);
        if self.held.opened().is_none() {
            return Ok(format!("<closed FlatArray at {path}>"));
        }
        Ok(format!("<FlatArray {} of {} at {path}, mode {mode:?}>", self.shape(py)?, self.dtype(py)?))
    }
}

/// Opens what was pickled.
#[pyfunction]
pub(crate) fn _open_flat<'py>(
    py: Python<'py>,
    path: PathBuf,
    mode: &str,
    options: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    py.get_type::<PyFlatArray>().call((path, mode), Some(options))
}
