//! `SliceArray`: slices of a flat array that have names.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bigarrays::flat::{AsOf, FlatArray, Mode, Slice, SliceArray, Snapshot};
use numpy::{PyArray1, PyArrayDescr};
use pyo3::exceptions::{PyAttributeError, PyIndexError, PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::errors::{OrRaise, invalid};
use crate::flat::flat_array::PyFlatArray;
use crate::flat::held::Held;
use crate::flat::lookup::{Joined, Keys, Lookup, no_key, to_position};
use crate::flat::metadata::Given;
use crate::flat::names::Names;
use crate::flat::opening::{Opening, Reduced, duration, mode_name, openings};
use crate::flat::rows::row_dtype;
use crate::flat::selecting::selected;
use crate::flat::slice_opening::{open_one, open_several};
use crate::flat::source::Source;
use crate::flat::writing::{bytes_of, rows_for, to_rows, write};
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
/// last one, as in lists; slices, masks and lists of either give lists, and `x["name", 2:5]` is a part. `x["name"] = rows` and
/// `x.write({...})` append rows and then name them. Many processes and threads read while one after the other writes; a slice
/// is there with all its rows or not at all, whatever is killed when. `len(x)`, `x[5]` and `x.__getitems__([5, 7])` make it a
/// PyTorch dataset.
///
/// Length, names and positions are those of the moment of opening, or of the last `refresh`, whatever others write; pickles
/// and forked children show the same. Once others have deleted or renamed slices, positions raise StorageError until then;
/// `snapshot` and `select` keep all as it is.
///
/// `SliceArray.create` makes several arrays whose slices have names in common, in a folder; `x.meta` keeps a small value beside
/// each name.
///
/// Args:
///     path: The file of rows, or the folder of several arrays.
///     mode: As for `FlatArray`. With "c" it is a snapshot from the beginning, with changes that stay in this process.
///     shape: Of a new array, as for `FlatArray`.
///     dtype: Of a new array, as for `FlatArray`.
///     arrays: Of several new arrays, as for `create`.
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
    lookup: Arc<Lookup>,
    /// All rows of each array; closed with this.
    rows: Vec<Arc<Held<Arc<FlatArray>>>>,
    replace: bool,
}

impl PySliceArray {
    pub(crate) fn of(source: Source, replace: bool) -> Self {
        let (arrays, path, mode) = (source.arrays(), source.path().to_owned(), source.array().mode());
        let hold = |(_, array): &(String, Arc<FlatArray>)| Held::new(Arc::clone(array), array.path(), mode);
        let rows = arrays.iter().map(|array| Arc::new(hold(array))).collect();
        let lookup = Lookup::new(Held::new(source, &path, mode), arrays.into_iter().map(|(name, _)| name));
        Self { lookup: Arc::new(lookup), rows, replace }
    }

    /// The array of that number.
    fn array_at(&self, number: usize) -> PyFlatArray {
        PyFlatArray::of(Arc::clone(&self.rows[number]), Arc::clone(&self.lookup.views[number].1))
    }

    /// An error if there are several arrays, each of which has a `what` of its own.
    fn expect_one(&self, what: &str) -> PyResult<()> {
        if !self.lookup.has_several() {
            return Ok(());
        }
        let names = self.lookup.array_names();
        Err(PyAttributeError::new_err(format!("each of the arrays {names} has its {what}: x.arrays[name]")))
    }

    pub(crate) fn source(&self, py: Python<'_>) -> PyResult<Source> {
        self.lookup.source(py)
    }

    /// What `work` makes of slices that can be changed, while other Python threads run.
    fn live<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&SliceArray) -> bigarrays::Result<T> + Send,
    ) -> PyResult<T> {
        let source = self.source(py)?;
        detached(py, || work(source.live()?))
    }

    /// The slices as they are shown, kept.
    fn kept(&self, py: Python<'_>) -> PyResult<Arc<Snapshot>> {
        match self.source(py)? {
            Source::Live(slices) => Ok(Arc::new(detached(py, || slices.snapshot(Mode::Read))?)),
            Source::Kept(snapshot) => Ok(snapshot),
        }
    }

    /// The names that `keys` means: a name, a position, or several of these.
    fn names_of(&self, keys: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
        let (py, source) = (keys.py(), self.source(keys.py())?);
        if let Ok(name) = keys.cast::<PyString>() {
            return Ok(vec![name.to_str()?.to_owned()]);
        }
        let found = match keys.try_iter() {
            Ok(_) => Keys::of(keys, source.len())?,
            Err(_) => Keys::Positions(vec![to_position(keys, source.len())?]),
        };
        match found {
            Keys::Names(names) => names.iter().map(|name| Ok(name.to_str()?.to_owned())).collect(),
            Keys::Positions(positions) => {
                let named = |&position: &u64| Ok(source.names(position, 1)?.pop().map(|(name, _)| name));
                let names: bigarrays::Result<Vec<Option<String>>> = positions.iter().map(named).collect();
                let missing = || PyIndexError::new_err(format!("{keys} of {} slices", source.len()));
                names.or_raise(py)?.into_iter().map(|name| name.ok_or_else(missing)).collect()
            }
        }
    }

    fn view_of_all<'py>(slf: &Bound<'py, Self>, kind: &str) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("collections.abc")?.getattr(kind)?.call1((slf,))
    }
}

#[pymethods]
impl PySliceArray {
    #[new]
    #[pyo3(signature = (path, mode = "r", *, shape = None, dtype = None, arrays = None, reserve = 0, durable = false, replace = false, lock_timeout = None))]
    #[allow(clippy::too_many_arguments, reason = "Python names them")]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        mode: &str,
        shape: Option<Vec<Option<u64>>>,
        dtype: Option<Bound<'_, PyAny>>,
        arrays: Option<Bound<'_, PyDict>>,
        reserve: u64,
        durable: bool,
        replace: bool,
        lock_timeout: Option<f64>,
    ) -> PyResult<Self> {
        let lock_timeout = duration(py, lock_timeout)?;
        let opening =
            Opening { path, mode: mode.into(), shape, dtype, order: "C".into(), reserve, lock_timeout };
        let slices = match arrays {
            None => open_one(py, &opening)?,
            Some(_) if opening.shape.is_some() || opening.dtype.is_some() => {
                return Err(invalid(py, "either arrays are given, or the shape and dtype of the only one"));
            }
            Some(arrays) => open_several(py, &opening, &openings(&arrays, &opening)?)?,
        };
        slices.set_durable(durable);
        let source = match slices.array().mode() {
            // As it was opened, whatever others do.
            Mode::CopyOnWrite => Source::Kept(Arc::new(detached(py, || slices.snapshot(Mode::CopyOnWrite))?)),
            _ => Source::Live(Arc::new(slices)),
        };
        Ok(Self::of(source, replace))
    }

    /// Creates slices without names, of one array or, with `arrays`, of several whose slices have their names in common.
    ///
    /// Several arrays are in a folder, each a `.npy` file that others may open: `path/features.npy`, `path/labels.npy`. A slice
    /// has rows in each of them, in each as many as one likes. `x["a"]` has these by the arrays' names: `x["a"].features` or
    /// `x["a"]["features"]`; `x.features` or `x.arrays["features"]` are all rows. Slices are written, seen, deleted, renamed and
    /// compacted in all arrays or in none, whatever is killed when.
    ///
    /// Args:
    ///     path: The file of rows, or the folder.
    ///     shape: As for `FlatArray`.
    ///     dtype: As for `FlatArray`.
    ///     arrays: A dict of names of arrays (letters, digits, underscores) and tuples of the lengths of their axes, the first
    ///         of which may be None, and their type.
    ///     reserve: As for `FlatArray`.
    ///     durable: As for `FlatArray`.
    ///     replace: Writing a name that is there gives it the new rows, instead of raising AlreadyExistsError.
    ///     lock_timeout: As for `FlatArray`.
    ///     overwrite: Replaces slices that are there.
    ///
    /// Raises:
    ///     AlreadyExistsError: Something is there, and is not to be overwritten, or is nothing of this kind.
    ///     InvalidArgumentError: An array cannot have that name, or its type or shape are missing.
    ///
    /// Example:
    ///     >>> import pathlib, tempfile, numpy as np
    ///     >>> path = pathlib.Path(tempfile.mkdtemp()) / "speech"
    ///     >>> with bigarrays.SliceArray.create(path, arrays={"features": (None, 40, "f4"), "labels": (None, "i2")}) as w:
    ///     ...     w["a/1"] = {"features": np.ones((9, 40)), "labels": [3, 1]}
    ///     >>> x = bigarrays.SliceArray(path)
    ///     >>> x["a/1"].features.shape, x["a/1"]["labels"], x["a/1", "labels", 1], x.labels.shape
    ///     ((9, 40), array([3, 1], dtype=int16), np.int16(1), (2,))
    ///     >>> np.load(path / "features.npy", mmap_mode="r").shape
    ///     (9, 40)
    #[staticmethod]
    #[pyo3(signature = (path, *, shape = None, dtype = None, arrays = None, reserve = 0, durable = false, replace = false, lock_timeout = None, overwrite = false))]
    #[allow(clippy::too_many_arguments, reason = "Python names them")]
    fn create(
        py: Python<'_>,
        path: PathBuf,
        shape: Option<Vec<Option<u64>>>,
        dtype: Option<Bound<'_, PyAny>>,
        arrays: Option<Bound<'_, PyDict>>,
        reserve: u64,
        durable: bool,
        replace: bool,
        lock_timeout: Option<f64>,
        overwrite: bool,
    ) -> PyResult<Self> {
        let mode = if overwrite { "w" } else { "x" };
        Self::new(py, path, mode, shape, dtype, arrays, reserve, durable, replace, lock_timeout)
    }

    /// All rows, those without a name too, as a FlatArray. Several arrays are `arrays`.
    #[getter]
    fn array(&self) -> PyResult<PyFlatArray> {
        self.expect_one("rows")?;
        Ok(self.array_at(0))
    }

    /// All arrays in a dict, by their names. One that is alone has the name "".
    #[getter]
    fn arrays<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = PyDict::new(py);
        for (number, (name, _)) in self.lookup.views.iter().enumerate() {
            found.set_item(name, Bound::new(py, self.array_at(number))?)?;
        }
        Ok(found)
    }

    /// One of several arrays by its name, unless the name means something else here: `arrays` has all of them.
    fn __getattr__(slf: &Bound<'_, Self>, name: &str) -> PyResult<PyFlatArray> {
        let this = slf.get();
        let number = Some(name).filter(|name| !name.is_empty()).and_then(|name| this.lookup.number_of(name));
        number.map(|number| this.array_at(number)).ok_or_else(|| {
            let arrays = match this.lookup.has_several() {
                true => format!("; its arrays are {}", this.lookup.array_names()),
                false => String::new(),
            };
            PyAttributeError::new_err(format!("SliceArray has no attribute {name:?}{arrays}"))
        })
    }

    /// A small value beside each name: a mapping of names and what JSON has, `Metadata`.
    #[getter]
    fn meta<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("bigarrays._metadata")?.getattr("Metadata")?.call1((slf,))
    }

    fn _metadata(&self, py: Python<'_>, name: &str) -> PyResult<Option<String>> {
        self.source(py)?.metadata(name).map_err(|error| no_key(py, &error))
    }

    fn _described(&self, py: Python<'_>, start: u64, size: usize) -> PyResult<Vec<(String, Option<String>)>> {
        let described = self.source(py)?.described(start, size).or_raise(py)?;
        Ok(described.into_iter().map(|(name, _, metadata)| (name, metadata)).collect())
    }

    fn _set_metadata(&self, py: Python<'_>, names: Bound<'_, PyDict>) -> PyResult<()> {
        let pair =
            |(name, json): (Bound<'_, PyAny>, Bound<'_, PyAny>)| Ok((name.extract()?, json.extract()?));
        let names: Vec<(String, Option<String>)> = names.iter().map(pair).collect::<PyResult<_>>()?;
        let values: Vec<_> = names.iter().map(|(name, json)| (name.as_str(), json.as_deref())).collect();
        let source = self.source(py)?;
        let set = outcome_detached(py, &|| false, || source.live()?.set_metadata(&values))?;
        set.map_err(|error| no_key(py, &error))
    }

    /// Type of the elements.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDescr>> {
        self.expect_one("dtype")?;
        Ok(row_dtype(py, self.source(py)?.array())?.1)
    }

    /// The absolute path of the file of rows, or of the folder of several arrays.
    #[getter]
    fn path(&self) -> PathBuf {
        self.lookup.held.path().into()
    }

    /// The mode in which the array is open: "r", "r+" or "c".
    #[getter]
    fn mode(&self) -> &'static str {
        mode_name(self.lookup.held.mode())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.source(py)?.len() as usize)
    }

    fn __contains__(&self, name: Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(name) = name.cast::<PyString>() else { return Ok(false) };
        self.source(name.py())?.contains(name.to_str()?).or_raise(name.py())
    }

    fn __getitem__<'py>(&self, key: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.lookup.item(&key)
    }

    /// The slices at these positions, or of these names, in a list: one look into the index for all.
    fn __getitems__<'py>(&self, keys: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        self.lookup.many(&keys)
    }

    /// Copies of the rows of the slices at these positions in one array, and how many each has; None where they cannot be.
    fn _joined<'py>(&self, py: Python<'py>, positions: Vec<u64>) -> PyResult<Option<Joined<'py>>> {
        self.lookup.joined(py, &positions)
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
        match self.source(py)?.lookup(text.to_str()?).or_raise(py)? {
            Some((slice, mapping)) => self.lookup.one(py, &slice, &mapping).map(Some),
            None => Ok(default),
        }
    }

    /// Takes a slice away, and returns a copy of it.
    ///
    /// Args:
    ///     name: Its name.
    ///     default: What is returned if there is no such name, instead of raising KeyError.
    ///
    /// Raises:
    ///     KeyError: There is no such name, and no default.
    ///     ReadOnlyError: The array was opened with mode "r" or "c", or is a snapshot.
    #[pyo3(signature = (name, *default))]
    fn pop<'py>(
        &self,
        name: Bound<'py, PyString>,
        default: Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        if default.len() > 1 {
            return Err(PyTypeError::new_err("pop takes a name and a default"));
        }
        self.source(py)?.live().or_raise(py)?;
        let Some(found) = self.get(name.clone().into_any(), None)? else {
            return default.get_item(0).map_err(|_| PyKeyError::new_err(name.unbind()));
        };
        let copied = match self.lookup.has_several() {
            true => self.lookup.together(py, found.try_iter()?.map(|rows| rows?.call_method0("copy")))?,
            false => found.call_method0("copy")?,
        };
        drop(found);
        self.__delitem__(name.into_any())?;
        Ok(copied)
    }

    /// The rows of `array` that a name means, as a range; of several names, a list of ranges. Of several arrays, a range of
    /// each, by its name.
    ///
    /// Raises:
    ///     KeyError: There is no such name.
    fn rows<'py>(&self, names: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, source) = (names.py(), self.source(names.py())?);
        if let Ok(name) = names.cast::<PyString>() {
            let found = source.get(&[name.to_str()?]).map_err(|error| no_key(py, &error))?;
            return self.lookup.ranges(py, &found.0[0]);
        }
        let names: Vec<String> = names.extract()?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (slices, _) = source.get(&names).map_err(|error| no_key(py, &error))?;
        let ranges: PyResult<Vec<_>> = slices.iter().map(|slice| self.lookup.ranges(py, slice)).collect();
        Ok(PyList::new(py, ranges?)?.into_any())
    }

    /// A dict of all names and their rows, as `rows` says them.
    #[getter]
    fn indices<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (found, snapshot) = (PyDict::new(py), self.kept(py)?);
        for (name, slice) in snapshot.names(0, usize::MAX).or_raise(py)? {
            found.set_item(name, self.lookup.ranges(py, &slice)?)?;
        }
        Ok(found)
    }

    /// The number of rows of each slice, in the order of positions: an array of int64.
    ///
    /// Args:
    ///     array: The name of one of several arrays, by default the first.
    ///
    /// Raises:
    ///     KeyError: There is no array of that name.
    #[pyo3(signature = (array = None))]
    fn lengths<'py>(&self, py: Python<'py>, array: Option<&str>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let missing =
            |name: &str| PyKeyError::new_err(format!("{name}; there are {}", self.lookup.array_names()));
        let number = array.map_or(Ok(0), |name| self.lookup.number_of(name).ok_or_else(|| missing(name)))?;
        let snapshot = self.kept(py)?;
        let positions: Vec<u64> = (0..snapshot.len()).collect();
        let slices = snapshot.at(&positions).or_raise(py)?;
        let length = |slice: &Slice| slice.rows.get(number).map_or(0, |rows| (rows.end - rows.start) as i64);
        Ok(PyArray1::from_iter(py, slices.iter().map(length)))
    }

    /// Shape of `array`: all rows, and those behind the first axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.expect_one("shape")?;
        PyTuple::new(py, self.source(py)?.array().header().shape)
    }

    /// Iterates over all slices once, in batches: `bigarrays.batches` of these.
    ///
    /// A batch of several arrays has what a batch of one has, by the arrays' names: `batch.features` is a list of slices, or
    /// with `pad` one array and the lengths.
    #[pyo3(signature = (size, **_options))]
    fn batches<'py>(
        slf: &Bound<'py, Self>,
        size: Bound<'py, PyAny>,
        _options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("bigarrays")?.getattr("batches")?.call((slf, size), _options)
    }

    /// The names, in the order of their positions, as those of a dict.
    fn keys<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::view_of_all(slf, "KeysView")
    }

    /// The slices, in the order of their positions, as the values of a dict.
    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::view_of_all(slf, "ValuesView")
    }

    /// Pairs of names and slices, in the order of positions, as the items of a dict.
    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::view_of_all(slf, "ItemsView")
    }

    /// The slices as they are shown now, kept against all that others do: writing, deleting, renaming, compacting.
    ///
    /// It is a SliceArray for reading. Forked children share it. A pickle of it opens on this machine for as long as this
    /// process has the snapshot. The disk keeps the file of rows for as long, also once another is in its place.
    ///
    /// Raises:
    ///     StorageError: Others have deleted or renamed slices since the array was opened or refreshed.
    ///
    /// Example:
    ///     >>> import pathlib, tempfile
    ///     >>> w = bigarrays.SliceArray(pathlib.Path(tempfile.mkdtemp()) / "s.npy", "x", shape=(None,), dtype="int8")
    ///     >>> w.write({"a": [1], "b": [2, 3]})
    ///     >>> kept = w.snapshot()
    ///     >>> w.delete("a")
    ///     >>> len(kept), kept["a"], len(w)
    ///     (2, array([1], dtype=int8), 1)
    fn snapshot(&self, py: Python<'_>) -> PyResult<Self> {
        Ok(Self::of(Source::Kept(self.kept(py)?), false))
    }

    /// Some of the slices, as a snapshot of these alone, with positions from 0 on.
    ///
    /// Args:
    ///     which: The start of names, a function of a name, or an iterable of names or positions, or a mask. All by default.
    ///     glob: A pattern of names, in which `*` is any text, `?` any letter and `[ab]` one of these.
    ///     meta: A function of a name and what is kept beside it, None if that is nothing; or a dict of members that the
    ///         dict beside the name has, with equal values.
    ///
    /// Raises:
    ///     KeyError: A name is not there.
    ///     IndexError: A position is not there.
    ///     InvalidArgumentError: A slice is named twice.
    ///
    /// Example:
    ///     >>> import pathlib, tempfile
    ///     >>> w = bigarrays.SliceArray(pathlib.Path(tempfile.mkdtemp()) / "s.npy", "x", shape=(None,), dtype="int8")
    ///     >>> w.write({"train/a": [1], "test/a": [2], "train/b": [3]})
    ///     >>> list(w.select("train/")), list(w.select(lambda name: name.endswith("a"))), list(w.select([2, 1]))
    ///     (['train/a', 'train/b'], ['train/a', 'test/a'], ['train/b', 'test/a'])
    ///     >>> w.meta["train/b"] = {"speaker": 5}
    ///     >>> list(w.select(glob="*/a")), list(w.select(meta={"speaker": 5})), list(w.select(meta=lambda name, meta: not meta))
    ///     (['train/a', 'test/a'], ['train/b'], ['train/a', 'test/a'])
    #[pyo3(signature = (which = None, *, glob = None, meta = None))]
    fn select(
        &self,
        py: Python<'_>,
        which: Option<Bound<'_, PyAny>>,
        glob: Option<&str>,
        meta: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let snapshot = selected(self.kept(py)?, which, glob, meta, py)?;
        Ok(Self::of(Source::Kept(snapshot), false))
    }

    /// Parts of the slices, as snapshots, each of about a share of them. Which part a slice is in depends on its name and the
    /// seed alone: it stays there when others come and go.
    ///
    /// Args:
    ///     shares: A dict of names of parts and their shares, from 0 to 1, at most 1 together.
    ///     seed: Another one gives other parts.
    ///
    /// Raises:
    ///     InvalidArgumentError: The shares are more than 1 together.
    ///
    /// Example:
    ///     >>> import pathlib, tempfile
    ///     >>> w = bigarrays.SliceArray(pathlib.Path(tempfile.mkdtemp()) / "s.npy", "x", shape=(None,), dtype="int8")
    ///     >>> w.write({f"n{k}": [k] for k in range(100)})
    ///     >>> {name: len(part) for name, part in w.split({"train": 0.8, "test": 0.2}).items()}
    ///     {'train': 81, 'test': 19}
    #[pyo3(signature = (shares, *, seed = 0))]
    fn split<'py>(&self, shares: Bound<'py, PyDict>, seed: u64) -> PyResult<Bound<'py, PyDict>> {
        let (py, snapshot) = (shares.py(), self.kept(shares.py())?);
        let given: Vec<f64> = shares.values().extract()?;
        let parts = detached(py, || snapshot.split(&given, seed))?;
        let found = PyDict::new(py);
        for (name, part) in shares.keys().iter().zip(parts) {
            found.set_item(name, Self::of(Source::Kept(Arc::new(part)), false))?;
        }
        Ok(found)
    }

    /// An iterator over all names, in the order of their positions; it takes them as it goes.
    fn names(&self) -> Names {
        Names::new(Arc::clone(&self.lookup))
    }

    fn __iter__(&self) -> Names {
        self.names()
    }

    fn __setitem__(&self, name: Bound<'_, PyString>, data: Bound<'_, PyAny>) -> PyResult<()> {
        write(name.py(), &self.lookup, &[(name.clone(), data)], self.replace, None, &Given::Nothing)
    }

    /// Appends and names slices.
    ///
    /// Args:
    ///     slices: A dict of names and rows, all of which become visible at once, or an iterable of pairs or another
    ///         SliceArray, in large batches. Of several arrays, the rows of a name are a dict of the arrays' names and rows.
    ///     replace: What happens to names that are there; by default what the array was opened with.
    ///     casting: As for `FlatArray.append`.
    ///     meta: What is kept beside the names, and is there with the slices or not at all: a dict of names and values, or a
    ///         function of a name, None for nothing. Another SliceArray brings its own.
    ///
    /// Raises:
    ///     AlreadyExistsError: A name is there, and is not to be replaced; nothing of the batch was named.
    ///     InvalidArgumentError: Shape or type do not fit, or a name is too long.
    ///     ReadOnlyError: The array was opened with mode "r" or "c".
    ///     StorageFullError: There is no room.
    #[pyo3(signature = (slices, *, replace = None, casting = None, meta = None))]
    fn write<'py>(
        &self,
        slices: Bound<'py, PyAny>,
        replace: Option<bool>,
        casting: Option<&str>,
        meta: Option<Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let (py, replace) = (slices.py(), replace.unwrap_or(self.replace));
        let meta = match (slices.cast::<Self>(), Given::of(meta)) {
            (Ok(others), Given::Nothing) => Given::Slices(others.get().source(py)?),
            (_, given) => given,
        };
        if let Ok(dict) = slices.cast::<PyDict>() {
            let pairs = dict.iter().map(|(name, data)| Ok((name.cast_into()?, data)));
            return write(py, &self.lookup, &pairs.collect::<PyResult<Vec<_>>>()?, replace, casting, &meta);
        }
        let pairs = if slices.hasattr("items")? { slices.call_method0("items")? } else { slices };
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for pair in pairs.try_iter()? {
            let (name, data): (Bound<'py, PyString>, Bound<'py, PyAny>) = pair?.extract()?;
            bytes += bytes_of(&data)?;
            batch.push((name, data));
            if bytes >= BATCH || batch.len() >= BATCH_NAMES {
                write(py, &self.lookup, &std::mem::take(&mut batch), replace, casting, &meta)?;
                bytes = 0;
            }
        }
        write(py, &self.lookup, &batch, replace, casting, &meta)
    }

    /// Names rows that are in the array already. Slices may share rows.
    ///
    /// Args:
    ///     names: A dict of names and ranges, or pairs of the first row and the one after the last; of several arrays, of
    ///         names and dicts of these.
    ///     replace: What happens to names that are there; by default what the array was opened with.
    ///
    /// Raises:
    ///     AlreadyExistsError: A name is there, and is not to be replaced.
    ///     InvalidArgumentError: A range has a step.
    ///     OutOfBoundsError: The array does not have the rows.
    #[pyo3(signature = (names, *, replace = None))]
    fn name_rows(&self, names: Bound<'_, PyDict>, replace: Option<bool>) -> PyResult<()> {
        let py = names.py();
        let mut named: Vec<(String, Vec<Range<u64>>)> = Vec::with_capacity(names.len());
        for (name, given) in names {
            let each = self.lookup.views.iter();
            let rows = each.map(|(array, _)| to_rows(&rows_for(&self.lookup, &given, array)?));
            named.push((name.extract()?, rows.collect::<PyResult<_>>()?));
        }
        let replace = replace.unwrap_or(self.replace);
        let named: Vec<_> = named.iter().map(|(name, rows)| (name.as_str(), &rows[..])).collect();
        self.live(py, |slices| slices.name_rows_of_all(&named, replace))
    }

    fn __delitem__(&self, key: Bound<'_, PyAny>) -> PyResult<()> {
        let (py, source, names) = (key.py(), self.source(key.py())?, self.names_of(&key)?);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let deleted = outcome_detached(py, &|| false, || source.live()?.delete(&names))?;
        deleted.map_err(|error| no_key(py, &error))
    }

    /// Removes names, and what is kept beside them. Their rows stay, without a name, until `compact`; the last slice moves to the position that becomes free.
    ///
    /// Args:
    ///     names: A name or a position, or an iterable of either.
    ///
    /// Raises:
    ///     NotFoundError: There is no such name; none was removed.
    ///     IndexError: There is no such position; none was removed.
    ///     ReadOnlyError: The array was opened with mode "r" or "c", or is a snapshot.
    fn delete(&self, names: Bound<'_, PyAny>) -> PyResult<()> {
        let found = self.names_of(&names)?;
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        self.live(names.py(), |slices| slices.delete(&found))
    }

    /// Gives a slice another name; its position stays, and so does what is kept beside the name.
    ///
    /// Raises:
    ///     NotFoundError: There is no slice of the old name.
    ///     AlreadyExistsError: There is one of the new name.
    ///     ReadOnlyError: The array was opened with mode "r" or "c", or is a snapshot.
    fn rename(&self, py: Python<'_>, old: &str, new: &str) -> PyResult<()> {
        self.live(py, |slices| slices.rename(old, new))
    }

    /// Writes the file anew with only the rows that have names, slice after slice, and the index as small as its names. Readers
    /// go on. Needs room on the disk for a copy; StorageFullError says how much.
    ///
    /// Raises:
    ///     StorageError: Somebody else has the array open for writing, or a view of it in mode "r+" is in use, which would
    ///         write into the old file; `retryable` is true.
    fn compact(&self, py: Python<'_>) -> PyResult<()> {
        self.lookup.clear();
        self.live(py, SliceArray::compact)
    }

    /// Gives the room of rows without a name back to the disk, without needing any: those rows stay where they are and become
    /// zeros. For a disk that has no room for `compact`, which may have it then.
    ///
    /// Returns:
    ///     How many bytes those rows have.
    ///
    /// Raises:
    ///     StorageError: Somebody else has the array open, also for reading, or a snapshot or views of it are in use; `retryable` is
    ///         true.
    ///     UnsupportedError: The file system has no holes.
    fn punch_holes(&self, py: Python<'_>) -> PyResult<u64> {
        self.lookup.clear();
        self.live(py, SliceArray::punch_holes)
    }

    /// Adds the slices of other arrays, in their order, some thousand at a time: memory does not grow with the arrays. What is
    /// kept beside names comes along; a name that gets other rows keeps its own if the other has nothing beside it.
    ///
    /// Args:
    ///     others: Arrays of the same elements and rows, or paths of such.
    ///     overwrite: A name that is there already, here or in one of the others before, gets the rows of the last, instead of
    ///         raising AlreadyExistsError.
    ///
    /// Raises:
    ///     AlreadyExistsError: A name comes twice, and `overwrite` is not given; nothing was added.
    ///     InvalidArgumentError: Some have other arrays, elements or rows, or are this one; nothing was added.
    ///     ReadOnlyError: The array was opened with mode "r" or "c", or is a snapshot.
    ///
    /// Example:
    ///     >>> import pathlib, tempfile
    ///     >>> folder = pathlib.Path(tempfile.mkdtemp())
    ///     >>> one = bigarrays.SliceArray(folder / "one.npy", "x", shape=(None,), dtype="int8")
    ///     >>> two = bigarrays.SliceArray(folder / "two.npy", "x", shape=(None,), dtype="int8")
    ///     >>> one["a"], two["b"] = [1], [2, 3]
    ///     >>> one.merge([two])
    ///     >>> list(one), one["b"]
    ///     (['a', 'b'], array([2, 3], dtype=int8))
    #[pyo3(signature = (others, *, overwrite = false))]
    fn merge(&self, py: Python<'_>, others: Vec<Bound<'_, PyAny>>, overwrite: bool) -> PyResult<()> {
        let others: Vec<Source> = others.iter().map(to_source).collect::<PyResult<_>>()?;
        self.live(py, |slices| {
            let others: Vec<&SliceArray> = others
                .iter()
                .map(|other| other.live().map(|slices| &**slices))
                .collect::<bigarrays::Result<_>>()?;
            slices.merge(&others, overwrite)
        })
    }

    /// Has all that was written on stable storage: first the rows, then the names.
    ///
    /// Raises:
    ///     StorageError: The storage refused.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        match self.source(py)? {
            Source::Live(slices) => detached(py, || slices.flush()),
            Source::Kept(_) => Ok(()),
        }
    }

    /// Shows what there is now: the names, positions and rows. What the array itself writes or deletes it shows at once, with
    /// all that others had written before. A snapshot stays as it is.
    ///
    /// Returns:
    ///     Whether anything has changed.
    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        match self.source(py)? {
            Source::Live(slices) => detached(py, || slices.refresh()),
            Source::Kept(_) => Ok(false),
        }
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Lets go of the files. Views stay valid; those that can write into the file keep it open. What was written is there
    /// for all already, and `flush` has it survive a power failure.
    fn close(&self) {
        self.lookup.clear();
        self.lookup.held.close();
        self.rows.iter().for_each(|rows| rows.close());
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        let flushed = if self.lookup.held.opened().is_some() { self.flush(py) } else { Ok(()) };
        self.close();
        flushed
    }

    #[pyo3(signature = (*_arguments, **_options))]
    fn __array__(
        &self,
        _arguments: &Bound<'_, PyTuple>,
        _options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let reason = "slices of different lengths are no array; take .array for all rows, or x[name] for those of a slice";
        Err(PyTypeError::new_err(reason))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        let (this, py) = (slf.get(), slf.py());
        let (state, source) = (PyDict::new(py), this.source(py)?);
        let module = py.import("bigarrays._bigarrays")?;
        let slices = match &source {
            Source::Live(slices) => slices,
            Source::Kept(snapshot) => {
                let handle = snapshot.handle().or_raise(py)?;
                state.set_item("process", handle.process)?;
                state.set_item("names", handle.names)?;
                let arrays = handle.arrays.into_iter();
                let arrays = arrays.map(|array| (array.name, array.descriptor, array.identity, array.rows));
                state.set_item("arrays", arrays.collect::<Vec<_>>())?;
                return Ok((module.getattr("_open_snapshot")?, (this.path(), this.mode(), state)));
            }
        };
        state.set_item("durable", slices.array().is_durable())?;
        state.set_item("replace", this.replace)?;
        let lock_timeout = slices.array().lock_timeout();
        state.set_item("lock_timeout", lock_timeout.map(|timeout| timeout.as_secs_f64()))?;
        let AsOf { count, deletions } = slices.as_of();
        state.set_item("as_of", (count, deletions))?;
        Ok((module.getattr("_open_slices")?, (this.path(), this.mode(), state)))
    }

    fn __repr__(&self) -> String {
        let path = self.lookup.held.path().display().to_string();
        let (path, mode) = (bigarrays::base::text::printable(&path), self.mode());
        match self.lookup.held.opened() {
            None => format!("<closed SliceArray at {path}>"),
            Some(source) => {
                let (count, s) = (source.len(), if source.len() == 1 { "" } else { "s" });
                let kept = if matches!(source, Source::Kept(_)) { ", kept" } else { "" };
                let arrays = match self.lookup.has_several() {
                    true => format!(" of {}", self.lookup.array_names()),
                    false => String::new(),
                };
                format!("<SliceArray of {count} slice{s}{arrays} at {path}, mode {mode:?}{kept}>")
            }
        }
    }
}

/// The slices that `given` is, or those of the file at that path.
fn to_source(given: &Bound<'_, PyAny>) -> PyResult<Source> {
    let py = given.py();
    match given.cast::<PySliceArray>() {
        Ok(slices) => slices.get().source(py),
        Err(_) => {
            let path: PathBuf = given.extract()?;
            Ok(Source::Live(Arc::new(detached(py, || SliceArray::open(&path, Mode::Read))?)))
        }
    }
}
