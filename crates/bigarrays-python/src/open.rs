//! Opening, creating and removing arrays, and the options that a pickled array takes with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bigarrays::base::dims::Dims;
use bigarrays::chunk::codec::ContentEncoding;
use bigarrays::format::{self, Below, CreateSpec, FormatOptions, NewSharding, ScaleSelector};
use bigarrays::store::{self, CacheOptions, Settings, StoreOptions, Validate};
use bigarrays::{AxisMap, Domain, Error, ErrorKind, OpenOptions, Outside, Transform};
use pyo3::exceptions::{PyFileNotFoundError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::array::PyArray;
use crate::cache::{PyCache, to_cache};
use crate::domain::{PyDomain, to_domain};
use crate::errors::{OrRaise, exception, invalid};
use crate::interrupt::detached;
use crate::transfer::to_dtype;
use crate::tree::{to_json, to_object};

/// The compressions around chunks, as arguments name them.
const COMPRESSIONS: [(&str, ContentEncoding); 4] = [
    ("none", ContentEncoding::Identity),
    ("gzip", ContentEncoding::Gzip),
    ("br", ContentEncoding::Brotli),
    ("zstd", ContentEncoding::Zstd),
];

/// The options with which an array was opened.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) writable: bool,
    format: Option<String>,
    strict: bool,
    crop: bool,
    drop_fill: bool,
    durable: bool,
    lock: bool,
    lock_timeout: Option<Duration>,
    compression: Option<ContentEncoding>,
    settings: Settings,
    cache: Option<CacheOptions>,
}

impl Opening {
    /// Takes the options out of keyword arguments.
    fn take(given: &Arguments<'_>, writable: bool) -> PyResult<Self> {
        let crop = match given.take::<String>("outside")?.as_deref() {
            None | Some("error") => false,
            Some("crop") => true,
            Some(other) => {
                return Err(
                    given.invalid(format!("unknown outside={other:?}; known are \"error\" and \"crop\""))
                );
            }
        };
        Ok(Self {
            writable,
            format: given.take("format")?,
            strict: given.take("strict")?.unwrap_or(false),
            crop,
            drop_fill: given.take("drop_fill")?.unwrap_or(false),
            durable: given.take("durable")?.unwrap_or(false),
            lock: given.take("lock")?.unwrap_or(true),
            lock_timeout: given
                .take::<f64>("lock_timeout")?
                .map(|seconds| {
                    Duration::try_from_secs_f64(seconds).map_err(|error| given.invalid(error.to_string()))
                })
                .transpose()?,
            compression: given
                .take::<String>("compression")?
                .map(|name| {
                    let known = COMPRESSIONS.iter().find(|(known, _)| *known == name);
                    known.map(|(_, encoding)| *encoding).ok_or_else(|| {
                        given.invalid(format!(
                            "unknown compression {name:?}; known are none, gzip, br and zstd"
                        ))
                    })
                })
                .transpose()?,
            settings: given.settings()?,
            cache: given.cache()?,
        })
    }

    /// The options as the core takes them.
    fn options(&self) -> OpenOptions {
        let options = OpenOptions::new()
            .read_only(!self.writable)
            .strict(self.strict)
            .outside(if self.crop { Outside::Crop } else { Outside::Error })
            .drop_fill(self.drop_fill)
            .durable(self.durable)
            .lock(self.lock)
            .lock_timeout(self.lock_timeout)
            .settings(self.settings.clone())
            .cache(self.cache.clone())
            .content_encoding(self.compression.unwrap_or_default());
        match &self.format {
            Some(name) => options.format(name),
            None => options,
        }
    }

    /// The options as the arguments of [`open`], without secrets.
    pub(crate) fn arguments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let arguments = PyDict::new(py);
        arguments.set_item("mode", mode_name(self.writable))?;
        arguments.set_item("format", &self.format)?;
        arguments.set_item("strict", self.strict)?;
        arguments.set_item("outside", if self.crop { "crop" } else { "error" })?;
        arguments.set_item("drop_fill", self.drop_fill)?;
        arguments.set_item("durable", self.durable)?;
        arguments.set_item("lock", self.lock)?;
        arguments.set_item("lock_timeout", self.lock_timeout.map(|timeout| timeout.as_secs_f64()))?;
        let name = COMPRESSIONS.iter().find(|(_, encoding)| Some(*encoding) == self.compression);
        arguments.set_item("compression", name.map(|(name, _)| *name))?;
        let settings = PyDict::new(py);
        for (key, value) in self.settings.without_secrets().iter() {
            settings.set_item(key, value)?;
        }
        arguments.set_item("storage_options", settings)?;
        if let Some(cache) = &self.cache {
            let name = Validate::NAMES.iter().find(|(_, validate)| *validate == cache.validate);
            arguments.set_item("validate", name.map(|(name, _)| name))?;
            arguments.set_item("cache", PyCache(cache.clone()))?;
        }
        Ok(arguments)
    }
}

/// The mode of an array that is writable or not.
pub(crate) fn mode_name(writable: bool) -> &'static str {
    if writable { "r+" } else { "r" }
}

/// Keyword arguments, taken one by one.
struct Arguments<'py> {
    py: Python<'py>,
    given: Option<Bound<'py, PyDict>>,
}

impl<'py> Arguments<'py> {
    fn new(py: Python<'py>, given: Option<&Bound<'py, PyDict>>) -> PyResult<Self> {
        Ok(Self { py, given: given.map(|given| given.copy()).transpose()? })
    }

    /// Whether the argument `name` is given, and not None.
    fn has(&self, name: &str) -> PyResult<bool> {
        Ok(self.peek::<Bound<'_, PyAny>>(name)?.is_some())
    }

    /// As [`Arguments::take`], but it stays.
    fn peek<T: FromPyObjectOwned<'py>>(&self, name: &str) -> PyResult<Option<T>> {
        Self { py: self.py, given: self.given.as_ref().map(|given| given.copy()).transpose()? }.take(name)
    }

    /// The argument `name`, unless it is missing or None.
    fn take<T: FromPyObjectOwned<'py>>(&self, name: &str) -> PyResult<Option<T>> {
        let Some(given) = &self.given else { return Ok(None) };
        let Some(value) = given.get_item(name)? else { return Ok(None) };
        given.del_item(name)?;
        if value.is_none() {
            return Ok(None);
        }
        value.extract::<T>().map(Some).map_err(|error| {
            let error: PyErr = error.into();
            PyTypeError::new_err(format!("argument {name:?}: {}", error.value(self.py)))
        })
    }

    /// What stores behind a network are told.
    fn settings(&self) -> PyResult<Settings> {
        let given: Option<Bound<'py, PyDict>> = self.take("storage_options")?;
        given.map_or_else(|| Ok(Settings::new()), |given| to_settings(&given))
    }

    /// What is to be cached of reads from behind a network.
    fn cache(&self) -> PyResult<Option<CacheOptions>> {
        let validate: Option<String> = self.take("validate")?;
        let validate = validate.map(|name| name.parse::<Validate>().or_raise(self.py)).transpose()?;
        let given: Option<Bound<'py, PyAny>> = self.take("cache")?;
        match (given.map(|given| to_cache(&given)).transpose()?.flatten(), validate) {
            (None, Some(_)) => Err(self.invalid("validate says how a cache is validated; say cache, too")),
            (cache, validate) => {
                Ok(cache.map(|cache| CacheOptions { validate: validate.unwrap_or_default(), ..cache }))
            }
        }
    }

    /// An error if there are arguments that nobody took.
    fn finish(self, function: &str) -> PyResult<()> {
        match self.given.and_then(|given| given.keys().get_item(0).ok()) {
            None => Ok(()),
            Some(name) => {
                Err(PyTypeError::new_err(format!("{function}() got an unexpected keyword argument '{name}'")))
            }
        }
    }

    fn invalid(&self, message: impl Into<String>) -> PyErr {
        invalid(self.py, message)
    }
}

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

/// The settings of a dict. Errors do not repeat values, which may be secret.
pub(crate) fn to_settings(given: &Bound<'_, PyDict>) -> PyResult<Settings> {
    let mut settings = Settings::new();
    for (key, value) in given {
        let key =
            key.extract::<String>().map_err(|_| PyTypeError::new_err("storage_options: keys are texts"))?;
        let text = match value.extract::<bool>() {
            Ok(flag) => flag.to_string(),
            Err(_) => value.str()?.to_string(),
        };
        if !value.is_none() {
            settings.set(&key, text);
        }
    }
    Ok(settings)
}

pub(crate) fn to_url(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    path.into_os_string()
        .into_string()
        .map_err(|path| invalid(py, format!("path {path:?} is not valid Unicode")))
}

pub(crate) fn to_selector(scale: &Bound<'_, PyAny>) -> PyResult<ScaleSelector> {
    if let Ok(index) = scale.extract::<usize>() {
        return Ok(ScaleSelector::Index(index));
    }
    if let Ok(key) = scale.extract::<String>() {
        return Ok(ScaleSelector::Key(key));
    }
    scale.extract::<Vec<f64>>().map(ScaleSelector::Resolution).map_err(|_| {
        invalid(scale.py(), "a scale is a position from 0, a key, or the size of an element along each axis")
    })
}

/// Creates an array at a path or URL and opens it with mode "r+".
///
/// It covers `domain`, or `shape` elements from `origin` (zeros by default) on. A precomputed layer has
/// the axes x, y, z and, where there are several channels, channel. `chunks` is the shape of a chunk,
/// `encoding` the name of the encoding of chunks, `level` its quality or level of compression, and `block`
/// the shape of the blocks of compressed_segmentation. `resolution` is the size of an element along each
/// axis, in nanometres for precomputed. `labels` says whether elements are labels rather than intensities;
/// by default the encoding tells. `key` names the first scale; for N5, "s0" makes a
/// group of scales. `sharding=True` packs chunks into shards, as
/// is good for the shape; a dict, as the `sharding` of precomputed metadata, or the same as text says how:
/// "preshift_bits=9,minishard_bits=6,shard_bits=11". The other options are those of `open`.
///
/// What is left open is as `like`, another array, has it: box, type, chunks, codecs, compression, shards,
/// resolution, attributes and, unless `format` says another, format; as far as the format can hold them.
///
/// Arrays of Zarr, with `format="zarr3"` or `"zarr2"`, start at zero and have any axes, which
/// `dimension_names` names. Their `encoding` is raw, zstd, gzip or blosc, or `codecs` lists codecs as
/// metadata of Zarr 3 do. `fill_value` is a number or what metadata say for one; `chunk_keys` is
/// "default/", "default.", "v2/" or "v2."; `attributes` is a dict. `sharding` is the shape of shards, in
/// elements, or True; `shard_order` is the order in which chunks lie in them: "c", "morton" or "hilbert".
///
/// >>> array = bigarrays.create("memory://create", domain="-50:50,0:80,0:60", dtype="uint32",
/// ...     chunks=(32, 32, 32), encoding="compressed_segmentation", resolution=(8, 8, 40))
/// >>> array.origin, array.scales[0].key
/// ((-50, 0, 0), '8_8_40')
/// >>> bigarrays.create("memory://alike", like=array, format="ome-zarr", encoding="zstd").shape
/// (100, 80, 60)
///
/// Raises AlreadyExistsError if there is one, and InvalidArgumentError if the format cannot hold what is
/// described.
#[pyfunction]
#[pyo3(
    signature = (path_or_url, **options),
    text_signature = "(path_or_url, *, like=None, dtype=None, shape=None, domain=None, origin=None, chunks=None, encoding=None, level=None, block=None, resolution=None, labels=None, key=None, sharding=None, shard_order=None, dimension_names=None, fill_value=None, codecs=None, chunk_keys=None, attributes=None, format='precomputed', strict=False, outside='error', drop_fill=False, durable=False, lock=True, lock_timeout=None, compression=None, storage_options=None, cache=None, validate=None)"
)]
pub(crate) fn create(
    py: Python<'_>,
    path_or_url: PathBuf,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<PyArray> {
    let (url, spec, opening) = described(py, path_or_url, options, "create")?;
    let options = opening.options();
    let array = detached(py, || options.create(&url, &spec))?;
    Ok(made(array, opening))
}

/// Adds a scale to the layer at a path or URL and opens it with mode "r+".
///
/// Takes what `create` takes; the scale stands in the layer's list by its resolution, finest first. The
/// format is that of the layer.
///
/// >>> array = bigarrays.create("memory://scales", shape=(100, 80, 60), dtype="uint8", resolution=(4, 4, 40))
/// >>> coarse = bigarrays.add_scale("memory://scales", shape=(50, 40, 60), dtype="uint8", resolution=(8, 8, 40))
/// >>> [scale.key for scale in coarse.scales], coarse.scale
/// (['4_4_40', '8_8_40'], 1)
///
/// Raises AlreadyExistsError if there is a scale of that key, NotFoundError if there is no layer, and
/// InvalidArgumentError if the scale does not go with the layer.
#[pyfunction]
#[pyo3(
    signature = (path_or_url, **options),
    text_signature = "(path_or_url, *, like=None, dtype=None, shape=None, domain=None, origin=None, chunks=None, encoding=None, level=None, block=None, resolution=None, labels=None, key=None, sharding=None, shard_order=None, dimension_names=None, fill_value=None, codecs=None, chunk_keys=None, attributes=None, format=None, strict=False, outside='error', drop_fill=False, durable=False, lock=True, lock_timeout=None, compression=None, storage_options=None, cache=None, validate=None)"
)]
pub(crate) fn add_scale(
    py: Python<'_>,
    path_or_url: PathBuf,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<PyArray> {
    let (url, spec, opening) = described(py, path_or_url, options, "add_scale")?;
    let options = opening.options();
    let array = detached(py, || options.add_scale(&url, &spec))?;
    Ok(made(array, opening))
}

/// An array that was made, which is opened once more with the compression that it got.
fn made(array: bigarrays::Array, mut opening: Opening) -> PyArray {
    if array.layout().sharding.is_none() {
        opening.compression = opening.compression.or(Some(array.layout().content_encoding));
    }
    PyArray { array, opening: Arc::new(opening) }
}

/// Parses the arguments of [`create`] and [`add_scale`].
fn described(
    py: Python<'_>,
    path_or_url: PathBuf,
    options: Option<&Bound<'_, PyDict>>,
    function: &str,
) -> PyResult<(String, CreateSpec, Opening)> {
    let given = Arguments::new(py, options)?;
    let like = given.take::<Bound<'_, PyAny>>("like")?.map(|like| like_of(&given, &like)).transpose()?;
    let (format, like) = like.unzip();
    let dtype = match (given.take::<Bound<'_, PyAny>>("dtype")?, &like) {
        (Some(dtype), _) => to_dtype(&dtype)?,
        (None, Some(like)) => like.dtype,
        (None, None) => return Err(PyTypeError::new_err(format!("{function}() needs a dtype"))),
    };
    let domain = match (new_domain(&given)?, &like) {
        (Some(domain), _) => domain,
        (None, Some(like)) => like.domain.clone(),
        (None, None) => return Err(given.invalid("give either a domain, or a shape and maybe an origin")),
    };
    let says_shards = given.has("sharding")?;
    let (sharding, shard) = new_sharding(&given)?;
    let shard_order: Option<String> = given.take("shard_order")?;
    let spec = CreateSpec {
        chunk: given.take("chunks")?,
        encoding: given.take("encoding")?,
        level: given.take("level")?,
        block: given.take("block")?,
        resolution: given.take("resolution")?,
        labels: given.take("labels")?,
        key: given.take("key")?,
        sharding,
        shard,
        shard_order: shard_order.as_deref().map(str::parse).transpose().or_raise(py)?,
        dimension_names: given.take("dimension_names")?,
        fill: given.take::<Bound<'_, PyAny>>("fill_value")?.as_ref().map(to_json).transpose()?,
        codecs: given.take::<Bound<'_, PyAny>>("codecs")?.as_ref().map(to_json).transpose()?,
        chunk_keys: given.take("chunk_keys")?,
        attributes: given.take::<Bound<'_, PyAny>>("attributes")?.as_ref().map(to_object).transpose()?,
        ..CreateSpec::new(dtype, domain)
    };
    let spec = match like {
        Some(like) => spec.or_like(like, says_shards),
        None => spec,
    };
    let mut opening = Opening::take(&given, true)?;
    if function == "create" {
        opening.format = opening.format.or_else(|| format.map(str::to_owned));
    }
    given.finish(function)?;
    // Whoever says that there is to be none is not to get that of another.
    let spec = CreateSpec { compression: spec.compression.filter(|_| opening.compression.is_none()), ..spec };
    Ok((to_url(py, path_or_url)?, spec, opening))
}

/// What an array like `like` of the wanted format, or of its own, is made of; and the format.
fn like_of(given: &Arguments<'_>, like: &Bound<'_, PyAny>) -> PyResult<(&'static str, CreateSpec)> {
    let py = given.py;
    let not_one = |_| given.invalid("like is an array that was opened or created by bigarrays");
    let like = like.cast::<PyArray>().map_err(not_one)?.get();
    let (array, from) = (&like.array, like.array.format());
    let scale =
        array.scales().get(array.scale()).map_or(ScaleSelector::default(), |scale| scale.key.as_str().into());
    let options = like.opening.options().scale(scale);
    let spec = detached(py, || options.like(array.url()))?;
    let format = match given.peek::<String>("format")? {
        Some(name) => format::creator(&name).or_raise(py)?,
        None => format::same_or_default(from),
    };
    let (spec, lost) = format::fit(format, CreateSpec { domain: array.domain().clone(), ..spec }, from);
    for note in lost {
        let warning = py.get_type::<pyo3::exceptions::PyUserWarning>();
        PyErr::warn(py, &warning, &std::ffi::CString::new(note.replace('\0', " "))?, 2)?;
    }
    Ok((format.name(), spec))
}

/// Whether and how an array to be created is sharded, and the shape of its shards.
fn new_sharding(given: &Arguments<'_>) -> PyResult<(NewSharding, Option<Vec<u64>>)> {
    let Some(sharding) = given.take::<Bound<'_, PyAny>>("sharding")? else {
        return Ok((NewSharding::None, None));
    };
    if let Ok(is_wanted) = sharding.extract::<bool>() {
        return Ok((if is_wanted { NewSharding::Auto } else { NewSharding::None }, None));
    }
    if !sharding.is_instance_of::<PyString>()
        && let Ok(shape) = sharding.extract::<Vec<u64>>()
    {
        return Ok((NewSharding::None, Some(shape)));
    }
    let text = if let Ok(members) = sharding.cast::<PyDict>() {
        let member = |(name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            Ok(format!("{}={}", name.str()?.to_cow()?, value.str()?.to_cow()?))
        };
        members.iter().map(member).collect::<PyResult<Vec<_>>>()?.join(",")
    } else {
        sharding.extract::<String>().map_err(|_| {
            given.invalid("a sharding is True, a dict or a text such as \"preshift_bits=9,…\"")
        })?
    };
    text.parse().map(|spec| (NewSharding::Neuroglancer(spec), None)).or_raise(given.py)
}

/// The box of an array to be created, if it is said.
fn new_domain(given: &Arguments<'_>) -> PyResult<Option<Domain>> {
    let domain: Option<Bound<'_, PyAny>> = given.take("domain")?;
    let (shape, origin): (Option<Vec<u64>>, Option<Vec<i64>>) = (given.take("shape")?, given.take("origin")?);
    match (domain, shape, origin) {
        (None, None, None) => Ok(None),
        (Some(domain), None, None) => to_domain(&domain, None).map(Some),
        (None, Some(shape), origin) => {
            let origin = origin.unwrap_or_else(|| vec![0; shape.len()]);
            Domain::new(&origin, &shape).map(Some).or_raise(given.py)
        }
        _ => Err(given.invalid("give either a domain, or a shape and maybe an origin")),
    }
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
        return detached(py, || Below::list(&url, &options)?.remove(&mut |_| {}));
    }
    detached(py, || format::remove(&url, scale.as_ref(), &options))
}

/// What this version can open: a dict of the names of formats and the ways to name stores, each with
/// what it is.
///
/// >>> sorted(bigarrays.supported())
/// ['formats', 'stores']
/// >>> "precomputed" in bigarrays.supported()["formats"]
/// True
#[pyfunction]
pub(crate) fn supported(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let (formats, stores, all) = (PyDict::new(py), PyDict::new(py), PyDict::new(py));
    for format in format::BUILTIN {
        formats.set_item(format.name(), format.about())?;
    }
    for scheme in store::BUILTIN {
        stores.set_item(scheme.prefix, scheme.summary)?;
    }
    all.set_item("formats", formats)?;
    all.set_item("stores", stores)?;
    Ok(all)
}

/// One stored axis of a pickled view: the visible axis, if it is along one, the offset and the step.
type PickledAxis = (Option<usize>, i64, i64);

/// What rebuilds `shown`: the arguments of [`_reopen`].
pub(crate) fn pickled<'py>(py: Python<'py>, shown: &PyArray) -> PyResult<Bound<'py, PyTuple>> {
    let array = &shown.array;
    let arguments = shown.opening.arguments(py)?;
    match array.scales().get(array.scale()) {
        Some(scale) => arguments.set_item("scale", &scale.key)?,
        None => arguments.set_item("scale", array.scale())?,
    }
    let url = if array.url().contains("://") {
        array.url().to_owned()
    } else {
        // Another process may have another working directory.
        to_url(py, std::path::absolute(array.url())?)?
    };
    let transform = array.transform();
    let axes: Vec<PickledAxis> = transform
        .axes
        .iter()
        .map(|map| match *map {
            AxisMap::Fixed(at) => (None, at, 0),
            AxisMap::Along { axis, offset, step } => (Some(axis), offset, step),
        })
        .collect();
    (url, arguments, PyDomain(transform.domain.clone()), axes).into_pyobject(py)
}

/// What became of an array in memory that another process has pickled.
fn not_in_this_process(py: Python<'_>) -> PyErr {
    let message = "an array of memory:// is only in the process that created it, and this process has none of \
                   that name; create it in a file (on a RAM disk such as /dev/shm, if it is to stay in memory) or \
                   in a bucket to share it";
    exception(py, &Error::new(ErrorKind::NotFound, message).during("unpickling an array"))
}

/// Opens a pickled array and shows the part of it that was shown.
#[pyfunction]
pub(crate) fn _reopen(
    py: Python<'_>,
    url: PathBuf,
    options: &Bound<'_, PyDict>,
    domain: &Bound<'_, PyDomain>,
    axes: Vec<PickledAxis>,
) -> PyResult<PyArray> {
    let is_in_memory = url.starts_with("memory:");
    let opened = open(py, url, Some(options)).map_err(|error| match is_in_memory {
        true if error.is_instance_of::<PyFileNotFoundError>(py) => not_in_this_process(py),
        _ => error,
    })?;
    let map = |(axis, offset, step)| match axis {
        None => AxisMap::Fixed(offset),
        Some(axis) => AxisMap::Along { axis, offset, step },
    };
    let axes: Dims<AxisMap> = axes.into_iter().map(map).collect();
    let view = opened.array.with_transform(Transform { domain: domain.get().0.clone(), axes });
    Ok(opened.with(view.or_raise(py)?))
}
