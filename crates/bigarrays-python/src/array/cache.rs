//! `Cache`: where chunks that are read from behind a network are kept.

use std::path::PathBuf;

use bigarrays::store::cache;
use bigarrays::store::{CacheOptions, Validate};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::errors::OrRaise;

/// Where chunks that are read from behind a network are kept, and how many bytes of them.
///
/// They are kept in memory and, if one is given, in a directory, which processes may share; encoded, as they are stored.
/// All arrays that are opened with equal caches share them. Nothing is kept of local files.
///
/// Args:
///     directory: Where files are kept; None for memory alone.
///     memory_bytes: The most bytes that are kept in memory.
///     disk_bytes: The most bytes of files in the directory.
///
/// Example:
///     >>> cache = bigarrays.Cache(memory_bytes=64 << 20)
///     >>> cache
///     Cache(memory_bytes=67108864)
///     >>> array = bigarrays.create("memory://cache", shape=(9, 9, 9), dtype="uint8", cache=cache)
#[pyclass(name = "Cache", module = "bigarrays", frozen, eq)]
#[derive(Clone, PartialEq)]
pub(crate) struct PyCache(pub(crate) CacheOptions);

#[pymethods]
impl PyCache {
    #[new]
    #[pyo3(signature = (directory = None, *, memory_bytes = 256 << 20, disk_bytes = 10 << 30))]
    fn new(directory: Option<PathBuf>, memory_bytes: u64, disk_bytes: u64) -> PyResult<Self> {
        // Another process may have another working directory.
        let directory = directory.map(std::path::absolute).transpose()?;
        let validate = Validate::default();
        Ok(Self(CacheOptions { directory, memory_bytes, disk_bytes, validate }))
    }

    /// The directory, or None.
    #[getter]
    fn directory(&self) -> Option<PathBuf> {
        self.0.directory.clone()
    }

    /// The most bytes that are kept in memory.
    #[getter]
    fn memory_bytes(&self) -> u64 {
        self.0.memory_bytes
    }

    /// The most bytes of files in the directory.
    #[getter]
    fn disk_bytes(&self) -> u64 {
        self.0.disk_bytes
    }

    /// The directory for caches of this user: `bigarrays` in `XDG_CACHE_HOME`, or else in `~/.cache`.
    ///
    /// Raises:
    ///     InvalidArgumentError: The environment names no home.
    #[staticmethod]
    fn default_directory(py: Python<'_>) -> PyResult<PathBuf> {
        cache::default_directory().or_raise(py)
    }

    /// How many chunks the directory holds, and how many bytes they take: `{"values": …, "bytes": …}`.
    ///
    /// Raises:
    ///     NotFoundError: There is no directory, or nothing was ever kept in it.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let directory = self.expect_directory(py)?;
        let usage = py.detach(|| cache::usage(&directory)).or_raise(py)?;
        as_dict(py, usage)
    }

    /// Removes what the directory holds, and returns what that was, as `info` does.
    ///
    /// Raises:
    ///     NotFoundError: There is no directory, or nothing was ever kept in it.
    fn clear<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let directory = self.expect_directory(py)?;
        let removed = py.detach(|| cache::clear(&directory)).or_raise(py)?;
        as_dict(py, removed)
    }

    fn __hash__(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (&self.0.directory, self.0.memory_bytes, self.0.disk_bytes).hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (py, CacheOptions { directory, memory_bytes, disk_bytes, .. }) = (slf.py(), slf.get().0.clone());
        let make = py.import("bigarrays._bigarrays")?.getattr("_cache")?;
        Ok((make, (directory, memory_bytes, disk_bytes).into_pyobject(py)?))
    }

    fn __repr__(&self) -> String {
        let CacheOptions { directory, memory_bytes, disk_bytes, .. } = &self.0;
        match directory {
            None => format!("Cache(memory_bytes={memory_bytes})"),
            Some(directory) => {
                format!("Cache({directory:?}, memory_bytes={memory_bytes}, disk_bytes={disk_bytes})")
            }
        }
    }
}

impl PyCache {
    fn expect_directory(&self, py: Python<'_>) -> PyResult<PathBuf> {
        let none = || bigarrays::Error::new(bigarrays::ErrorKind::NotFound, "the cache has no directory");
        self.0.directory.clone().ok_or_else(none).or_raise(py)
    }
}

fn as_dict(py: Python<'_>, usage: cache::Usage) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("values", usage.values)?;
    dict.set_item("bytes", usage.bytes)?;
    Ok(dict)
}

/// Makes a pickled cache.
#[pyfunction]
pub(crate) fn _cache(directory: Option<PathBuf>, memory: u64, disk: u64) -> PyResult<PyCache> {
    PyCache::new(directory, memory, disk)
}

/// The cache that `given` means: a bool, a path, the arguments of `Cache` as a dict, or a `Cache`.
pub(crate) fn to_cache(given: &Bound<'_, PyAny>) -> PyResult<Option<CacheOptions>> {
    if let Ok(wanted) = given.extract::<bool>() {
        return Ok(wanted.then(CacheOptions::default));
    }
    if let Ok(cache) = given.cast::<PyCache>() {
        return Ok(Some(cache.get().0.clone()));
    }
    if let Ok(arguments) = given.cast::<PyDict>() {
        let made = given.py().get_type::<PyCache>().call((), Some(arguments))?;
        return Ok(Some(made.cast::<PyCache>()?.get().0.clone()));
    }
    let Ok(directory) = given.extract::<PathBuf>() else {
        return Err(PyTypeError::new_err("cache is a bool, a path, a dict or a bigarrays.Cache"));
    };
    let CacheOptions { memory_bytes, disk_bytes, .. } = CacheOptions::default();
    Ok(Some(PyCache::new(Some(directory), memory_bytes, disk_bytes)?.0))
}
