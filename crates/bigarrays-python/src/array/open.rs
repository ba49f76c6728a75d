//! Opening and removing arrays.

use std::path::PathBuf;
use std::sync::Arc;

use bigarrays::format::{self, Below, FormatOptions};
use bigarrays::store::{Settings, StoreOptions};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arguments::{Arguments, to_selector, to_settings, to_url};
use crate::array::options::Opening;
use crate::array::stored::PyArray;
use crate::errors::invalid;
use crate::interrupt::detached;

/// Opens the array at a path or URL.
///
/// `scale` says which scale of a layer: a position from 0, a key, or the size of an element along each
/// axis. `mode` is "r", or "r+" to write as well. `format` is found by the metadata if not given.
///
/// With `strict`, reads outside the domain or over chunks that are not stored are errors instead of the
/// fill value. `outside="crop"` leaves out what a write has outside the domain, instead of refusing it.
/// `drop_fill` deletes chunks that would hold only the fill value. `durable` has every write on stable
/// storage before it returns. Without `lock`, only one process may write at a time; with it, a write waits for
/// other writers of local files for `lock_timeout` seconds at most (None: for as long as it takes), and the
/// logger "bigarrays" warns of waits of over five seconds. `compression`
/// ("gzip", "br", "zstd" or "none") is put around chunks of precomputed layers that are written whole; all are
/// understood when read.
///
/// `storage_options` tells a store behind a network what the environment does not, by the keys of the
/// service's environment variables in lower case, such as `{"region": "eu-west-1"}`, `{"endpoint":
/// "http://127.0.0.1:9000", "allow_http": True}` or `{"anonymous": True}`. Secrets in it are never shown, and
/// not pickled: whoever unpickles the array takes them from the environment.
///
/// `cache` keeps chunks that are read from behind a network: True for 256 MiB in memory, a path to keep them
/// in that directory as well, or a `Cache` or a dict of its arguments. `validate` says when they are compared
/// with what is stored: "always", so that nothing stale is read, "open" for once in each opened array, or
/// "never".
///
/// >>> array = bigarrays.create("memory://open", shape=(100, 80, 60), dtype="uint8")
/// >>> bigarrays.open("memory://open").shape
/// (100, 80, 60)
///
/// Raises NotFoundError if there is no array, InvalidMetadataError if its metadata are not valid and
/// UnsupportedError if they ask for what this version cannot do.
#[pyfunction]
#[pyo3(
    signature = (path_or_url, **options),
    text_signature = "(path_or_url, *, mode='r', scale=0, format=None, strict=False, outside='error', drop_fill=False, durable=False, lock=True, lock_timeout=None, compression=None, storage_options=None, cache=None, validate=None)"
)]
pub(crate) fn open(
    py: Python<'_>,
    path_or_url: PathBuf,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<PyArray> {
    let given = Arguments::new(py, options)?;
    let writable = match given.take::<String>("mode")?.as_deref() {
        None | Some("r") => false,
        Some("r+") => true,
        Some("c") => {
            let reason =
                "changes that stay in this process are FlatArray's, of .npy files: FlatArray(path, \"c\")";
            return Err(invalid(py, reason.to_owned()));
        }
        Some(other) => {
            let known =
                "known are \"r\" to read and \"r+\" to write as well; bigarrays.create makes new arrays";
            return Err(invalid(py, format!("unknown mode {other:?}; {known}")));
        }
    };
    let scale: Option<Bound<'_, PyAny>> = given.take("scale")?;
    let opening = Opening::take(&given, writable)?;
    given.finish("open")?;
    let url = to_url(py, path_or_url)?;
    let mut options = opening.options();
    if let Some(scale) = scale {
        options = options.scale(to_selector(&scale)?);
    }
    let array = detached(py, || options.open(&url))?;
    Ok(PyArray { array, opening: Arc::new(opening) })
}

/// Removes the layer at a path or URL, or one scale of it: the metadata first, then the chunks.
///
/// >>> array = bigarrays.create("memory://remove", shape=(10, 10, 10), dtype="uint8")
/// >>> bigarrays.remove("memory://remove")
/// >>> bigarrays.open("memory://remove")
/// Traceback (most recent call last):
/// bigarrays.NotFoundError: ...
///
/// With `recursive`, all arrays and groups below are removed. Files that are not of these stay, and a StorageError
/// says so. Links are removed themselves: what they lead to stays, also if the path is one. What a removal that was
/// killed has left is removed by the next.
///
/// >>> group = bigarrays.create_group("memory://removed", format="zarr3")
/// >>> array = bigarrays.create("memory://removed/a", shape=(4, 4), dtype="uint8", format="zarr3")
/// >>> bigarrays.remove("memory://removed", recursive=True)
/// >>> bigarrays.open("memory://removed/a")
/// Traceback (most recent call last):
/// bigarrays.NotFoundError: ...
///
/// Raises NotFoundError if there is none, InvalidArgumentError for the only scale of a layer.
#[pyfunction]
#[pyo3(signature = (path_or_url, scale = None, *, recursive = false, storage_options = None))]
pub(crate) fn remove(
    py: Python<'_>,
    path_or_url: PathBuf,
    scale: Option<&Bound<'_, PyAny>>,
    recursive: bool,
    storage_options: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    let settings = storage_options.map_or_else(|| Ok(Settings::new()), to_settings)?;
    let store = StoreOptions { settings, ..StoreOptions::default() };
    let options = FormatOptions { store, ..FormatOptions::default() };
    let url = to_url(py, path_or_url)?;
    let scale = scale.map(to_selector).transpose()?;
    if recursive {
        if scale.is_some() {
            return Err(invalid(py, "a scale is not removed with all that is below: say one of the two"));
        }
        return detached(py, || Below::list(&url, &options)?.remove(&options, &mut |_| {}));
    }
    detached(py, || format::remove(&url, scale.as_ref(), &options))
}
