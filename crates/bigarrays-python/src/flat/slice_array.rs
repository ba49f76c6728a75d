//! `SliceArray`: slices of a flat array that have names.

use std::path::PathBuf;
use std::sync::Arc;

use bigarrays::flat::{NamedRows, SliceArray};
use numpy::PyArrayDescr;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::errors::{OrRaise, invalid};
use crate::flat::flat_array::PyFlatArray;
use crate::flat::lookup::{Lookup, no_key};
use crate::flat::names::Names;
use crate::flat::opening::{Opening, Reduced, duration, mode_name};
use crate::flat::rows::{RowData, row_dtype, to_range};
use crate::interrupt::{detached, outcome_detached};

/// Slices of an iterable are written in batches of so many bytes, or names.
const BATCH: usize = 64 << 20;
const BATCH_NAMES: usize = 100_000;

/// Slices of a flat array that have names; also known as a ragged or pointer array.
///
/// A slice is any number of rows along the first axis. The rows are in a `.npy` file, the names in an index (LMDB) in a
/// folder beside it, `x.npy.index`; opening takes no time, however many there are. A name has from 1 to 511 bytes.
///
/// `x["name"]` and `x[5]` are numpy's views of the file: by name, or by position in the order of writing, where -1 is the
/// last one, as in lists; slices and lists of either give lists. `x["name"] = rows` and `x.write({...})` append rows and then
/// name them. Many processes and threads read while one after the other writes; a slice is there with all its rows or not at
/// all, whatever is killed when. `len(x)`, `x[5]` and `x.__getitems__([5, 7])` make it a PyTorch dataset.
///
/// Args:
///     path: The file of rows.
///     mode: As for `FlatArray`. With "c", which shows the file as it was opened, a compaction by others opens the new file
///         and so undoes the private changes.
///     shape: Of a new array, as for `FlatArray`.
///     dtype: Of a new array, as for `FlatArray`.
///     reserve: Of a new array, as for `FlatArray`.
///     durable: As for `FlatArray`.
///     replace: Writing a name that is there gives it the new rows, instead of raising AlreadyExistsError.
///     lock_timeout: As for `FlatArray`.
///
/// Raises:
///     NotFoundError: There is no file, or no index.
///     AlreadyExistsError: There is a file, with mode "x" or "w-".
///     InvalidMetadataError: The file is no `.npy` file, or the index is damaged.
///     KeyError: `x[name]` of a name that is not there.
///     IndexError: `x[position]` of a position that is not there.
///
/// Example:
///     >>> import pathlib, tempfile, numpy as np
///     >>> path = pathlib.Path(tempfile.mkdtemp()) / "samples.npy"
///     >>> with bigarrays.SliceArray(path, "x", shape=(None, 2), dtype="float32") as w:
///     ...     w["one"] = np.ones((3, 2))
///     ...     w.write({"two": np.full((1, 2), 2), "none": np.empty((0, 2))})
///     >>> x = bigarrays.SliceArray(path)
///     >>> x["two"], x[-1].shape, "three" in x, list(x.names())
///     (array([[2., 2.]], dtype=float32), (0, 2), False, ['one', 'two', 'none'])
///     >>> [len(rows) for rows in x[["two", "one"]]]
///     [1, 3]
#[pyclass(name = "SliceArray", module = "bigarrays", frozen, weakref)]
pub(crate) struct PySliceArray {
    lookup: Lookup,
    replace: bool,
}

impl PySliceArray {
    fn put(
        &self,
        py: Python<'_>,
        pairs: Vec<(Bound<'_, PyString>, Bound<'_, PyAny>)>,
        replace: bool,
    ) -> PyResult<()> {
        let (header, dtype) = row_dtype(py, self.lookup.slices.array())?;
        let data: Vec<RowData<'_>> =
            pairs.iter().map(|(_, data)| RowData::new(data, &header, &dtype)).collect::<PyResult<_>>()?;
        let named = pairs.iter().zip(&data).map(|((name, _), data)| {
            Ok(NamedRows { name: name.to_str()?, rows: data.rows(), bytes: data.bytes() })
        });
        let named: Vec<_> = named.collect::<PyResult<_>>()?;
        detached(py, || self.lookup.slices.write(&named, replace))
    }
}

#[pymethods]
impl PySliceArray {
    #[new]
    #[pyo3(signature = (path, mode = "r", *, shape = None, dtype = None, reserve = 0, durable = false, replace = false, lock_timeout = None))]
    #[allow(clippy::too_many_arguments, reason = "Python names them")]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        mode: &str,
        shape: Option<Vec<Option<u64>>>,
        dtype: Option<Bound<'_, PyAny>>,
        reserve: u64,
        durable: bool,
        replace: bool,
        lock_timeout: Option<f64>,
    ) -> PyResult<Self> {
        let lock_timeout = duration(py, lock_timeout)?;
        let opening =
            Opening { path, mode: mode.into(), shape, dtype, order: "C".into(), reserve, lock_timeout };
        let path = &opening.path;
        let slices = opening.run(
            py,
            |options| SliceArray::open(path, options),
            |spec| SliceArray::create(path, spec),
        )?;
        opening.expect(py, &slices.array().header())?;
        slices.array().set_durable(durable);
        let lookup = Lookup { slices: Arc::new(slices), view: Arc::default() };
        Ok(Self { lookup, replace })
    }

    /// All rows, those without a name too, as a FlatArray.
    #[getter]
    fn array(&self) -> PyFlatArray {
        PyFlatArray::of(Arc::clone(self.lookup.slices.array()), Arc::clone(&self.lookup.view))
    }

    /// Type of the elements.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDescr>> {
        Ok(row_dtype(py, self.lookup.slices.array())?.1)
    }

    /// The absolute path of the file of rows.
    #[getter]
    fn path(&self) -> PathBuf {
        self.lookup.slices.array().path().into()
    }

    /// The mode in which the array is open: "r", "r+" or "c".
    #[getter]
    fn mode(&self) -> &'static str {
        mode_name(self.lookup.slices.array().mode())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.lookup.slices.len().or_raise(py)? as usize)
    }

    fn __contains__(&self, name: Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(name) = name.cast::<PyString>() else { return Ok(false) };
        self.lookup.slices.contains(name.to_str()?).or_raise(name.py())
    }

    fn __getitem__<'py>(&self, key: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.lookup.item(&key)
    }

    /// The slices at these positions, or of these names, in a list: one look into the index for all.
    fn __getitems__<'py>(&self, keys: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        self.lookup.many(&keys)
    }

    /// The slice of a name, or `default` if there is none.
    #[pyo3(signature = (name, default = None))]
    fn get<'py>(
        &self,
        name: Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = name.py();
        let Ok(text) = name.cast::<PyString>() else { return Ok(default) };
        match self.lookup.slices.lookup(text.to_str()?).or_raise(py)? {
            Some((slice, mapping)) => self.lookup.one(py, &slice, &mapping).map(Some),
            None => Ok(default),
        }
    }

    /// The rows of `array` that a name means, as a range.
    ///
    /// Raises:
    ///     KeyError: There is no such name.
    fn rows<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let (slice, _) = self.lookup.slices.get_one(name).map_err(|error| no_key(py, &error))?;
        to_range(py, &slice.rows)
    }

    /// An iterator over all names, in the order of their positions; it takes them as it goes.
    fn names(&self) -> Names {
        Names::new(Arc::clone(&self.lookup.slices))
    }

    fn __iter__(&self) -> Names {
        self.names()
    }

    fn __setitem__(&self, name: Bound<'_, PyString>, data: Bound<'_, PyAny>) -> PyResult<()> {
        self.put(name.py(), vec![(name.clone(), data)], self.replace)
    }

    /// Appends and names slices.
    ///
    /// Args:
    ///     slices: A dict of names and rows, all of which become visible at once, or an iterable of pairs, in large batches.
    ///     replace: What happens to names that are there; by default what the array was opened with.
    ///
    /// Raises:
    ///     AlreadyExistsError: A name is there, and is not to be replaced; nothing of the batch was named.
    ///     InvalidArgumentError: Shape or type do not fit, or a name is too long.
    ///     ReadOnlyError: The array was opened with mode "r" or "c".
    ///     StorageFullError: There is no room.
    #[pyo3(signature = (slices, *, replace = None))]
    fn write(&self, slices: Bound<'_, PyAny>, replace: Option<bool>) -> PyResult<()> {
        let (py, replace) = (slices.py(), replace.unwrap_or(self.replace));
        if let Ok(dict) = slices.cast::<PyDict>() {
            let pairs = dict.iter().map(|(name, data)| Ok((name.cast_into()?, data)));
            return self.put(py, pairs.collect::<PyResult<_>>()?, replace);
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for pair in slices.try_iter()? {
            let (name, data): (Bound<'_, PyString>, Bound<'_, PyAny>) = pair?.extract()?;
            bytes += data.getattr("nbytes").and_then(|bytes| bytes.extract()).unwrap_or(0usize);
            batch.push((name, data));
            if bytes >= BATCH || batch.len() >= BATCH_NAMES {
                self.put(py, std::mem::take(&mut batch), replace)?;
                bytes = 0;
            }
        }
        self.put(py, batch, replace)
    }

    /// Names rows that are in the array already. Slices may share rows.
    ///
    /// Args:
    ///     names: A dict of names and ranges, or pairs of the first row and the one after the last.
    ///     replace: What happens to names that are there; by default what the array was opened with.
    ///
    /// Raises:
    ///     AlreadyExistsError: A name is there, and is not to be replaced.
    ///     InvalidArgumentError: A range has a step.
    ///     OutOfBoundsError: The array does not have the rows.
    #[pyo3(signature = (names, *, replace = None))]
    fn name_rows(&self, names: Bound<'_, PyDict>, replace: Option<bool>) -> PyResult<()> {
        let py = names.py();
        let mut named: Vec<(String, std::ops::Range<u64>)> = Vec::with_capacity(names.len());
        for (name, rows) in names {
            let (start, stop): (u64, u64) = match rows.getattr("start") {
                Ok(start) => {
                    let step = rows.getattr("step")?;
                    if !step.is_none() && !step.eq(1)? {
                        return Err(invalid(
                            py,
                            format!("{rows} has a step: a name is of rows without gaps"),
                        ));
                    }
                    (start.extract()?, rows.getattr("stop")?.extract()?)
                }
                Err(_) => rows.extract()?,
            };
            named.push((name.extract()?, start..stop));
        }
        let replace = replace.unwrap_or(self.replace);
        let named: Vec<_> = named.iter().map(|(name, rows)| (name.as_str(), rows.clone())).collect();
        detached(py, || self.lookup.slices.name_rows(&named, replace))
    }

    fn __delitem__(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let deleted = outcome_detached(py, &|| false, || self.lookup.slices.delete(&[name]))?;
        deleted.map_err(|error| no_key(py, &error))
    }

    /// Removes names. Their rows stay, without a name, until `compact`; the last slice moves to the position that becomes free.
    ///
    /// Args:
    ///     names: A name, or an iterable of names.
    ///
    /// Raises:
    ///     NotFoundError: There is no such name; none was removed.
    ///     ReadOnlyError: The array was opened with mode "r" or "c".
    fn delete(&self, names: Bound<'_, PyAny>) -> PyResult<()> {
        let py = names.py();
        let names: Vec<String> = match names.cast::<PyString>() {
            Ok(name) => vec![name.to_str()?.to_owned()],
            Err(_) => names.try_iter()?.map(|name| name?.extract()).collect::<PyResult<_>>()?,
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        detached(py, || self.lookup.slices.delete(&names))
    }

    /// Writes the file anew with only the rows that have names, slice after slice. Readers go on.
    ///
    /// Raises:
    ///     StorageError: Somebody else has the array open for writing, or a view of it in mode "r+" is in use, which would
    ///         write into the old file; `retryable` is true.
    fn compact(&self, py: Python<'_>) -> PyResult<()> {
        self.lookup.view.clear();
        detached(py, || self.lookup.slices.compact())
    }

    /// Has all that was written on stable storage: first the rows, then the names.
    ///
    /// Raises:
    ///     StorageError: The storage refused.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.lookup.slices.flush())
    }

    /// Takes note of rows that others have appended. Names are always those of now.
    ///
    /// Returns:
    ///     Whether anything has changed.
    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        detached(py, || self.lookup.slices.refresh())
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.flush(py)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        let this = slf.get();
        let state = PyDict::new(slf.py());
        state.set_item("durable", this.lookup.slices.array().is_durable())?;
        state.set_item("replace", this.replace)?;
        let lock_timeout = this.lookup.slices.array().lock_timeout();
        state.set_item("lock_timeout", lock_timeout.map(|timeout| timeout.as_secs_f64()))?;
        let open = slf.py().import("bigarrays._bigarrays")?.getattr("_open_slices")?;
        Ok((open, (this.path(), this.mode(), state)))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (count, path, mode) =
            (self.__len__(py)?, self.lookup.slices.array().path().display().to_string(), self.mode());
        let path = bigarrays::base::text::printable(&path);
        Ok(format!(
            "<SliceArray of {count} slice{} at {path}, mode {mode:?}>",
            if count == 1 { "" } else { "s" }
        ))
    }
}

/// Opens what was pickled.
#[pyfunction]
pub(crate) fn _open_slices<'py>(
    py: Python<'py>,
    path: PathBuf,
    mode: &str,
    options: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    py.get_type::<PySliceArray>().call((path, mode), Some(options))
}
