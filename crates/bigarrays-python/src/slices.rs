//! `SliceArray`: slices of a flat array that have names.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bigarrays::base::sync::MutexExt;
use bigarrays::flat::{Mapping, NamedRows, Slice, SliceArray};
use bigarrays::{Error, ErrorKind};
use numpy::PyArrayDescr;
use pyo3::exceptions::{PyIndexError, PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySlice, PyString, PyTuple};

use crate::errors::{OrRaise, exception, invalid};
use crate::flat::{PyFlatArray, to_range};
use crate::mapped::{Opening, RowData, ViewCache, mode_name, row_dtype};
use crate::transfer;

/// Slices of an iterable are written in batches of so many bytes, or names.
const BATCH: usize = 64 << 20;
const BATCH_NAMES: usize = 100_000;
/// Names that an iterator takes from the index at once.
const NAMES_AT_ONCE: usize = 1000;
/// How often positions are looked up while others delete slices.
const ATTEMPTS: usize = 1000;

/// Slices of a flat array that have names; also known as a ragged or pointer array.
///
/// A slice is any number of rows along the first axis. The rows are in a `.npy` file, the names in an
/// index (LMDB) in a folder beside it, `x.npy.index`; opening takes no time, however many there are.
/// Arguments are those of `FlatArray`; with `replace`, writing a name that is there gives it the new rows
/// instead of raising AlreadyExistsError. A name has from 1 to 511 bytes. With mode "c", which shows the file as
/// it was opened, a compaction by others opens the new file and so undoes the private changes.
///
/// `x["name"]` and `x[5]` are views of the file: by name, or by position in the order of writing; slices
/// and lists of either give lists. `x["name"] = rows` and `x.write({...})` append rows and then name
/// them. Many processes and threads read while one after the other writes; a slice is there with all its
/// rows or not at all, whatever is killed when. `len(x)`, `x[5]` and `x.__getitems__([5, 7])` make it a
/// PyTorch dataset.
///
/// >>> import pathlib, tempfile, numpy as np
/// >>> path = pathlib.Path(tempfile.mkdtemp()) / "samples.npy"
/// >>> with bigarrays.SliceArray(path, "x", shape=(None, 2), dtype="float32") as w:
/// ...     w["one"] = np.ones((3, 2))
/// ...     w.write({"two": np.full((1, 2), 2), "none": np.empty((0, 2))})
/// >>> x = bigarrays.SliceArray(path)
/// >>> x["two"], x[-1].shape, "three" in x, list(x.names())
/// (array([[2., 2.]], dtype=float32), (0, 2), False, ['one', 'two', 'none'])
/// >>> [len(rows) for rows in x[["two", "one"]]]
/// [1, 3]
#[pyclass(name = "SliceArray", module = "bigarrays", frozen, weakref)]
pub(crate) struct PySliceArray {
    slices: Arc<SliceArray>,
    /// That of `array` too, so that compacting can let go of it.
    view: Arc<ViewCache>,
    replace: bool,
}

impl PySliceArray {
    /// numpy's views of slices.
    fn views<'py>(
        &self,
        py: Python<'py>,
        (slices, mapping): (Vec<Slice>, Arc<Mapping>),
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let all = self.view.view(py, &mapping, self.slices.array().mode())?;
        slices.iter().map(|slice| transfer::rows_of(&all, &slice.rows)).collect()
    }

    /// numpy's view of one slice.
    fn one<'py>(
        &self,
        py: Python<'py>,
        slice: &Slice,
        mapping: &Arc<Mapping>,
    ) -> PyResult<Bound<'py, PyAny>> {
        transfer::rows_of(&self.view.view(py, mapping, self.slices.array().mode())?, &slice.rows)
    }

    /// numpy's views of the slices at the positions that `positions` gives for so many slices as there are.
    fn by_positions<'py>(
        &self,
        py: Python<'py>,
        positions: impl Fn(u64) -> PyResult<Vec<u64>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        for attempt in 1.. {
            let count = self.slices.len().or_raise(py)?;
            let positions = positions(count)?;
            let found = detached_if(py, positions.len(), || self.slices.at(&positions));
            // Others may have deleted some since they were counted.
            let is_fewer = |error: &Error| error.kind() == ErrorKind::OutOfBounds && attempt < ATTEMPTS;
            if found.as_ref().is_err_and(is_fewer) && self.slices.len().or_raise(py)? != count {
                continue;
            }
            return self.views(py, found.or_raise(py)?);
        }
        Ok(Vec::new())
    }

    /// The slices that the items of `keys`, names or positions, mean.
    fn many<'py>(&self, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = keys.py();
        let keys: Vec<Bound<'py, PyAny>> = keys.try_iter()?.collect::<PyResult<_>>()?;
        let views = if keys.first().is_some_and(|key| key.is_instance_of::<PyString>()) {
            let names: Vec<&str> = keys.iter().map(to_name).collect::<PyResult<_>>()?;
            let found = detached_if(py, names.len(), || self.slices.get(&names));
            self.views(py, found.or_raise(py)?)?
        } else {
            self.by_positions(py, |count| keys.iter().map(|key| to_position(key, count)).collect())?
        };
        PyList::new(py, views)
    }
}

/// Does `work`, a lookup of so many slices: while other Python threads run, if that takes longer than it may to
/// get the interpreter back.
fn detached_if<T: Send>(py: Python<'_>, count: usize, work: impl FnOnce() -> T + Send) -> T {
    if count < 10_000 { work() } else { py.detach(work) }
}

fn to_name<'a>(key: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    key.cast::<PyString>()
        .map_err(|_| PyTypeError::new_err("names and positions do not go together"))?
        .to_str()
}

/// A position; negative ones count from the end, as in lists.
fn to_position(key: &Bound<'_, PyAny>, count: u64) -> PyResult<u64> {
    let wrong =
        || PyTypeError::new_err("slices are found by name, by position, or by slices or lists of these");
    let position: i64 = key.extract().map_err(|_| wrong())?;
    if position >= 0 {
        return Ok(position as u64);
    }
    let from_end = count.checked_sub(position.unsigned_abs());
    from_end.ok_or_else(|| PyIndexError::new_err(format!("position {position} of {count} slices")))
}

#[pymethods]
impl PySliceArray {
    #[new]
    #[pyo3(signature = (path, mode = "r", *, shape = None, dtype = None, reserve = 0, durable = false, replace = false))]
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
    ) -> PyResult<Self> {
        let opening = Opening { path, mode: mode.into(), shape, dtype, order: "C".into(), reserve };
        let path = &opening.path;
        let slices =
            opening.run(py, |mode| SliceArray::open(path, mode), |spec| SliceArray::create(path, spec))?;
        opening.expect(py, &slices.array().header())?;
        slices.array().set_durable(durable);
        Ok(Self { slices: Arc::new(slices), view: Arc::default(), replace })
    }

    /// All rows, those without a name too, as a FlatArray.
    #[getter]
    fn array(&self) -> PyFlatArray {
        PyFlatArray::of(Arc::clone(self.slices.array()), Arc::clone(&self.view))
    }

    /// Type of the elements.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDescr>> {
        Ok(row_dtype(py, self.slices.array())?.1)
    }

    /// The absolute path of the file of rows.
    #[getter]
    fn path(&self) -> PathBuf {
        self.slices.array().path().into()
    }

    /// "r", "r+" or "c".
    #[getter]
    fn mode(&self) -> &'static str {
        mode_name(self.slices.array().mode())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.slices.len().or_raise(py)? as usize)
    }

    fn __contains__(&self, name: Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(name) = name.cast::<PyString>() else { return Ok(false) };
        self.slices.contains(name.to_str()?).or_raise(name.py())
    }

    fn __getitem__<'py>(&self, key: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        if let Ok(name) = key.cast::<PyString>() {
            let (slice, mapping) = self.slices.get_one(name.to_str()?).map_err(|error| no_key(py, &error))?;
            return self.one(py, &slice, &mapping);
        }
        if let Ok(position) = key.extract::<u64>() {
            let (slices, mapping) = self.slices.at(&[position]).or_raise(py)?;
            return self.one(py, &slices[0], &mapping);
        }
        if let Ok(slice) = key.cast::<PySlice>() {
            let views = self.by_positions(py, |count| {
                let found = slice.indices(count as isize)?;
                Ok((0..found.slicelength as isize).map(|k| (found.start + k * found.step) as u64).collect())
            })?;
            return Ok(PyList::new(py, views)?.into_any());
        }
        if key.try_iter().is_ok() {
            return Ok(self.many(&key)?.into_any());
        }
        // What is left is a negative position, or nothing that means a slice.
        let view = self.by_positions(py, |count| Ok(vec![to_position(&key, count)?]))?.pop();
        view.ok_or_else(|| PyIndexError::new_err("there is no such slice"))
    }

    /// The slices at these positions, or of these names, in a list: one look into the index for all.
    fn __getitems__<'py>(&self, keys: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        self.many(&keys)
    }

    /// The slice of this name, or `default` if there is none.
    #[pyo3(signature = (name, default = None))]
    fn get<'py>(
        &self,
        name: Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = name.py();
        let Ok(text) = name.cast::<PyString>() else { return Ok(default) };
        match self.slices.lookup(text.to_str()?).or_raise(py)? {
            Some((slice, mapping)) => self.one(py, &slice, &mapping).map(Some),
            None => Ok(default),
        }
    }

    /// The rows of `array` that a name means.
    fn rows<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let (slice, _) = self.slices.get_one(name).map_err(|error| no_key(py, &error))?;
        to_range(py, &slice.rows)
    }

    /// An iterator over all names, in the order of their positions; it takes them as it goes.
    fn names(&self) -> Names {
        Names { slices: Arc::clone(&self.slices), state: Mutex::default() }
    }

    fn __iter__(&self) -> Names {
        self.names()
    }

    fn __setitem__(&self, name: Bound<'_, PyString>, data: Bound<'_, PyAny>) -> PyResult<()> {
        self.put(name.py(), vec![(name.clone(), data)], self.replace)
    }

    /// Appends and names slices: a dict, all of it at once, or an iterable of pairs, in large batches.
    ///
    /// `replace` says what happens to names that are there; by default what the array was opened with.
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

    /// Names rows that are in the array already: a dict of names to pairs of first and last row, the last
    /// excluded, or ranges. Slices may share rows.
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
        py.detach(|| self.slices.name_rows(&named, replace)).or_raise(py)
    }

    fn __delitem__(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        py.detach(|| self.slices.delete(&[name])).map_err(|error| no_key(py, &error))
    }

    /// Takes these names, or this one, away. Their rows stay, without a name, until `compact`; the last slice moves to
    /// the position that becomes free.
    fn delete(&self, names: Bound<'_, PyAny>) -> PyResult<()> {
        let py = names.py();
        let names: Vec<String> = match names.cast::<PyString>() {
            Ok(name) => vec![name.to_str()?.to_owned()],
            Err(_) => names.try_iter()?.map(|name| name?.extract()).collect::<PyResult<_>>()?,
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        py.detach(|| self.slices.delete(&names)).or_raise(py)
    }

    /// Writes the file anew with only the rows that have names, slice after slice. Nobody else may have
    /// the array open for writing, and no view of it in mode "r+" may be in use, which would write into the
    /// old file: StorageError, retryable, says so. Readers go on.
    fn compact(&self, py: Python<'_>) -> PyResult<()> {
        self.view.clear();
        py.detach(|| self.slices.compact()).or_raise(py)
    }

    /// Has all that was written on stable storage: first the rows, then the names.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.slices.flush()).or_raise(py)
    }

    /// Takes note of rows that others have appended. Names are always those of now.
    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        py.detach(|| self.slices.refresh()).or_raise(py)
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
        state.set_item("durable", this.slices.array().is_durable())?;
        state.set_item("replace", this.replace)?;
        let open = slf.py().import("bigarrays._bigarrays")?.getattr("_open_slices")?;
        Ok((open, (this.path(), this.mode(), state)))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (count, path, mode) =
            (self.__len__(py)?, self.slices.array().path().display().to_string(), self.mode());
        let path = bigarrays::base::text::printable(&path);
        Ok(format!("<SliceArray of {count} slices at {path}, mode {mode:?}>"))
    }
}

type Reduced<'py> = (Bound<'py, PyAny>, (PathBuf, &'static str, Bound<'py, PyDict>));

impl PySliceArray {
    fn put(
        &self,
        py: Python<'_>,
        pairs: Vec<(Bound<'_, PyString>, Bound<'_, PyAny>)>,
        replace: bool,
    ) -> PyResult<()> {
        let (header, dtype) = row_dtype(py, self.slices.array())?;
        let data: Vec<RowData<'_>> =
            pairs.iter().map(|(_, data)| RowData::new(data, &header, &dtype)).collect::<PyResult<_>>()?;
        let named = pairs.iter().zip(&data).map(|((name, _), data)| {
            Ok(NamedRows { name: name.to_str()?, rows: data.rows(), bytes: data.bytes() })
        });
        let named: Vec<_> = named.collect::<PyResult<_>>()?;
        py.detach(|| self.slices.write(&named, replace)).or_raise(py)
    }
}

/// A name that is missing is a KeyError to those who treat the array as a dict.
#[cold]
fn no_key(py: Python<'_>, error: &Error) -> PyErr {
    if error.kind() != ErrorKind::NotFound {
        return exception(py, error);
    }
    PyKeyError::new_err(error.to_string())
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

/// An iterator over names.
#[pyclass(name = "_Names", module = "bigarrays", frozen)]
pub(crate) struct Names {
    slices: Arc<SliceArray>,
    /// The position of the next batch, and what is left of this one, the last first.
    state: Mutex<(u64, Vec<String>)>,
}

#[pymethods]
impl Names {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let mut state = self.state.locked();
        if state.1.is_empty() {
            let batch = self.slices.names(state.0, NAMES_AT_ONCE).or_raise(py)?;
            state.0 = batch.last().map_or(state.0, |(_, slice)| slice.position + 1);
            state.1 = batch.into_iter().rev().map(|(name, _)| name).collect();
        }
        Ok(state.1.pop())
    }
}
