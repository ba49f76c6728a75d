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
/// Args:
///     path_or_url: Where the array is: a local path, or a URL as `supported()["stores"]` lists them.
///     mode: "r" to read, "r+" to write as well. h5py's other modes, which FlatArray has, make arrays: here `create`
///         does, because a chunked array is described by more than a shape and a type.
///     scale: Which scale of a layer: a position from 0, a key, or the size of an element along each axis. In a group of
///         Zarr also the path of an array.
///     format: The name of the format; found by the metadata if None.
///     incomplete: Opens arrays as well that are marked as incomplete, because what makes them was stopped or is at it. What is
///         not written reads as fill value.
///     strict: Reads outside the domain or over chunks that are not stored are errors instead of fill value.
///     outside: "error" refuses a write that reaches outside the domain, "crop" leaves out what is outside.
///     drop_fill: Chunks that hold only the fill value are removed instead of stored.
///     durable: Every write is on stable storage before it returns.
///     lock: Writers of the same chunk wait for each other. Without, only one process may write at a time.
///     lock_timeout: The most seconds that a write waits for other writers of local files; None for as long as it takes.
///         The logger "bigarrays" warns of waits of over five seconds.
///     prefer: Which local file of a chunk counts if several contradict each other, as `x.gz` and `x.br` that another
///         program has left: "newest", or the one of this encoding, as for `content_encoding`. Otherwise, reading
///         such a chunk is an error that names them.
///     content_encoding: Compression around chunks of precomputed layers that are written: "none", "gzip", "br",
///         "zstd", "bz2" or "xz". Every one is understood when read.
///     storage_options: What the environment does not say of a store behind a network, by the keys of the service's
///         environment variables in lower case, such as `{"region": "eu-west-1"}`, `{"endpoint":
///         "http://127.0.0.1:9000", "allow_http": True}` or `{"anonymous": True}`. Secrets in it are never shown and
///         not pickled: other processes take them from their environment.
///     cache: Keeps chunks that are read from behind a network: True for 256 MiB in memory, a path for a directory
///         beside that, or a Cache or a dict of its arguments.
///     validate: When kept chunks are compared with the stored ones: "always", so that nothing stale is read, "open" for
///         once in each opened array, or "never".
///
/// Raises:
///     NotFoundError: There is no array, or no such scale.
///     InvalidMetadataError: The metadata are not valid.
///     IncompleteError: The array is marked as incomplete; `incomplete` opens it.
///     UnsupportedError: The metadata ask for what this version cannot do.
///     InvalidArgumentError: There is a group; the error lists its arrays.
///
/// Example:
///     >>> array = bigarrays.create("memory://open", shape=(100, 80, 60), dtype="uint8")
///     >>> bigarrays.open("memory://open").shape
///     (100, 80, 60)
#[pyfunction]
#[pyo3(
    signature = (path_or_url, **options),
    text_signature = "(path_or_url, *, mode='r', scale=0, format=None, incomplete=False, strict=False, outside='error', drop_fill=False, durable=False, lock=True, lock_timeout=None, prefer=None, content_encoding=None, storage_options=None, cache=None, validate=None)"
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
            let known = "known are \"r\" to read and \"r+\" to write as well; bigarrays.create makes new arrays, and \
                         bigarrays.FlatArray has the other modes of h5py";
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
/// Links are removed themselves: what they lead to stays, also if the path is one. What a removal that was killed has
/// left is removed by the next.
///
/// Args:
///     path_or_url: Where the layer is, or the place below which everything is removed.
///     scale: Only this scale, as for `open`; all of the layer if None.
///     recursive: All arrays and groups below are removed. Files that are not of these stay.
///     storage_options: As for `open`.
///
/// Raises:
///     NotFoundError: There is nothing to remove.
///     InvalidArgumentError: The scale is the finest of its layer.
///     StorageError: With `recursive`, files stay that are of no array or group.
///
/// Example:
///     >>> array = bigarrays.create("memory://remove", shape=(10, 10, 10), dtype="uint8")
///     >>> bigarrays.remove("memory://remove")
///     >>> bigarrays.open("memory://remove")
///     Traceback (most recent call last):
///     bigarrays.NotFoundError: ...
///
///     >>> group = bigarrays.create_group("memory://removed", format="zarr3")
///     >>> array = bigarrays.create("memory://removed/a", shape=(4, 4), dtype="uint8", format="zarr3")
///     >>> bigarrays.remove("memory://removed", recursive=True)
///     >>> bigarrays.open("memory://removed/a")
///     Traceback (most recent call last):
///     bigarrays.NotFoundError: ...
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
        return detached(py, || Below::list(&url, &options)?.remove(&mut |_| {}));
    }
    match scale {
        Some(scale) => detached(py, || format::remove_scales(&url, &[scale], &options)).map(drop),
        None => detached(py, || format::remove(&url, None, &options)),
    }
}

/// Removes scales of a layer, the coarsest first; the finest stays.
///
/// Each is marked as incomplete before its chunks are removed, so that nobody reads a half of it. What was stopped is finished by
/// the same call.
///
/// Args:
///     path_or_url: Where the layer is.
///     scales: The scales, each as for `open`: a position, a key, or a resolution.
///     storage_options: As for `open`.
///
/// Returns:
///     The keys of the scales that were removed.
///
/// Raises:
///     NotFoundError: There is no such scale; nothing was removed.
///     InvalidArgumentError: The finest is among them, or in N5 one that is followed by others; nothing was removed.
///
/// Example:
///     >>> a = bigarrays.create("memory://delete_scales", shape=(100, 80, 60), dtype="uint8", resolution=(8, 8, 8))
///     >>> bigarrays.downsample(a, levels=2)
///     ['16_16_16', '32_32_32']
///     >>> bigarrays.delete_scales("memory://delete_scales", ["16_16_16"])
///     ['16_16_16']
///     >>> [scale.key for scale in bigarrays.open("memory://delete_scales").scales]
///     ['8_8_8', '32_32_32']
#[pyfunction]
#[pyo3(signature = (path_or_url, scales, *, storage_options = None))]
pub(crate) fn delete_scales(
    py: Python<'_>,
    path_or_url: PathBuf,
    scales: Vec<Bound<'_, PyAny>>,
    storage_options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<String>> {
    let settings = storage_options.map_or_else(|| Ok(Settings::new()), to_settings)?;
    let store = StoreOptions { settings, ..StoreOptions::default() };
    let options = FormatOptions { store, ..FormatOptions::default() };
    let url = to_url(py, path_or_url)?;
    let scales = scales.iter().map(to_selector).collect::<PyResult<Vec<_>>>()?;
    detached(py, || format::remove_scales(&url, &scales, &options))
}
