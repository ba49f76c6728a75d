//! Creating arrays, and adding scales to layers.

use std::ffi::CString;
use std::path::PathBuf;
use std::sync::Arc;

use bigarrays::format::{
    self, ArraySpec, CreateSpec, FormatOptions, NewSharding, ScaleSelector, StorageSpec,
};
use bigarrays::{Array, DataType, Domain};
use pyo3::exceptions::{PyTypeError, PyUserWarning};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arguments::{Arguments, to_url};
use crate::array::domain::to_domain;
use crate::array::options::Opening;
use crate::array::stored::PyArray;
use crate::errors::OrRaise;
use crate::interrupt::detached;
use crate::json::{to_json, to_object};
use crate::transfer::to_dtype;

/// Creates an array at a path or URL, and opens it with mode "r+".
///
/// What is left open is as in `like`, as far as the format can hold it.
///
/// Args:
///     path_or_url: Where the array will be; nothing may be there.
///     like: An array, or a view of one, whose box, type, axes, chunks, codecs, shards, resolution, attributes and, unless
///         `format` or the URL names another, format the new one has.
///     dtype: Type of the elements, as numpy names it.
///     shape: Number of elements along each axis.
///     domain: The box of coordinates that the array covers, instead of `shape` and `origin`. Arrays of Zarr start at
///         zero. A precomputed layer has the axes x, y, z and, where there are several channels, channel.
///     origin: First coordinate on each axis; zeros by default.
///     chunk_shape: Shape of a chunk, in elements along each axis.
///     encoding: Name of the encoding of chunks: a codec of `supported()["codecs"]` that the format has.
///     level: Quality of a lossy encoding, or level of compression, in the encoding's own terms.
///     block_shape: Shape of the blocks of compressed_segmentation, along x, y and z.
///     resolution: Size of an element along each axis, in nanometres for precomputed.
///     labels: Whether elements are labels rather than intensities; by default the encoding tells.
///     key: Name of the first scale. For N5, "s0" makes a group of scales.
///     sharding: True packs chunks into shards, as is good for the shape. A dict, as the member `sharding` of precomputed
///         metadata, or a text such as "preshift_bits=9,minishard_bits=6,shard_bits=11" gives the parameters.
///     shard_shape: Shape of a shard of Zarr, in elements along each axis, a multiple of that of a chunk.
///     shard_order: The order in which chunks lie in shards of Zarr: "c", "morton" or "hilbert".
///     dimension_names: Names of the axes, None for an axis without one, where the format keeps them.
///     fill_value: Value of elements that are not stored: a number, or what metadata of Zarr say for one.
///     codecs: Codecs as metadata of Zarr 3 list them, instead of `encoding`.
///     chunk_keys: How keys of chunks of Zarr are made: "default/", "default.", "v2/" or "v2.".
///     attributes: The user's attributes, as JSON has them.
///     format: Name of the format; if neither this nor the URL nor `like` says one, "precomputed", or "zarr3" where `like` has other
///         axes than x, y, z and channels.
///     incomplete: Marks the array as incomplete until `Array.complete` is called: meanwhile `open` refuses it unless it is told
///         `incomplete` as well. A format without a place for the mark says so in `Array.notes`.
///     strict: As for `open`, and so are all that follow.
///     outside: As for `open`.
///     drop_fill: As for `open`.
///     durable: As for `open`.
///     lock: As for `open`.
///     lock_timeout: As for `open`.
///     prefer: As for `open`.
///     content_encoding: As for `open`.
///     storage_options: As for `open`.
///     cache: As for `open`.
///     validate: As for `open`.
///
/// Warns:
///     UserWarning: The format does not keep something that `like` says, such as its resolution.
///
/// Raises:
///     AlreadyExistsError: There is something at the path or URL.
///     InvalidArgumentError: The format cannot hold what is described; the error names the option.
///     UnsupportedError: This version does not write the encoding or the format.
///
/// Example:
///     >>> array = bigarrays.create("memory://create", domain="-50:50,0:80,0:60", dtype="uint32",
///     ...     chunk_shape=(32, 32, 32), encoding="compressed_segmentation", resolution=(8, 8, 40))
///     >>> array.origin, array.scales[0].key
///     ((-50, 0, 0), '8_8_40')
///     >>> bigarrays.create("memory://alike", like=array, format="ome-zarr", encoding="zstd").shape
///     (100, 80, 60)
#[pyfunction]
#[pyo3(
    signature = (path_or_url, **options),
    text_signature = "(path_or_url, *, like=None, dtype=None, shape=None, domain=None, origin=None, chunk_shape=None, encoding=None, level=None, block_shape=None, resolution=None, labels=None, key=None, sharding=None, shard_shape=None, shard_order=None, dimension_names=None, fill_value=None, codecs=None, chunk_keys=None, attributes=None, format='precomputed', incomplete=False, strict=False, outside='error', drop_fill=False, durable=False, lock=True, lock_timeout=None, prefer=None, content_encoding=None, storage_options=None, cache=None, validate=None)"
)]
pub(crate) fn create(
    py: Python<'_>,
    path_or_url: PathBuf,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<PyArray> {
    let (url, spec, opening) = described(py, path_or_url, options, ("create", true))?;
    let options = opening.options();
    let array = detached(py, || options.create(&url, &spec))?;
    Ok(made(array, opening))
}

/// The array that `create` would make, in memory of its own; None for formats that need a file.
#[pyfunction]
#[pyo3(name = "_rehearse", signature = (path_or_url, **options))]
pub(crate) fn rehearse(
    py: Python<'_>,
    path_or_url: PathBuf,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Option<PyArray>> {
    let (url, spec, opening) = described(py, path_or_url, options, ("create", false))?;
    let options = opening.options();
    let rehearsed = detached(py, || options.rehearse(&url, &spec))?;
    Ok(rehearsed.map(|array| made(array, opening)))
}

/// Whether two arrays are stored in the same way, wherever.
#[pyfunction]
#[pyo3(name = "_is_stored_as")]
pub(crate) fn is_stored_as(array: &Bound<'_, PyArray>, other: &Bound<'_, PyArray>) -> bool {
    array.get().array.is_stored_as(&other.get().array)
}

/// Adds a scale to the layer at a path or URL, and opens it with mode "r+".
///
/// The scale stands in the layer's list by its resolution, finest first. Arguments are those of `create`; the format, names
/// of axes, labels and attributes are those of the layer.
///
/// Raises:
///     AlreadyExistsError: There is a scale of that key.
///     NotFoundError: There is no layer.
///     InvalidArgumentError: The scale does not go with the layer.
///
/// Example:
///     >>> array = bigarrays.create("memory://scales", shape=(100, 80, 60), dtype="uint8", resolution=(4, 4, 40))
///     >>> coarse = bigarrays.add_scale("memory://scales", shape=(50, 40, 60), dtype="uint8", resolution=(8, 8, 40))
///     >>> [scale.key for scale in coarse.scales], coarse.scale
///     (['4_4_40', '8_8_40'], 1)
#[pyfunction]
#[pyo3(
    signature = (path_or_url, **options),
    text_signature = "(path_or_url, *, like=None, dtype=None, shape=None, domain=None, origin=None, chunk_shape=None, encoding=None, level=None, block_shape=None, resolution=None, labels=None, key=None, sharding=None, shard_shape=None, shard_order=None, dimension_names=None, fill_value=None, codecs=None, chunk_keys=None, attributes=None, format=None, incomplete=False, strict=False, outside='error', drop_fill=False, durable=False, lock=True, lock_timeout=None, prefer=None, content_encoding=None, storage_options=None, cache=None, validate=None)"
)]
pub(crate) fn add_scale(
    py: Python<'_>,
    path_or_url: PathBuf,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<PyArray> {
    let (url, spec, opening) = described(py, path_or_url, options, ("add_scale", true))?;
    let options = opening.options();
    let array = detached(py, || options.add_scale(&url, &spec))?;
    Ok(made(array, opening))
}

/// An array that was made, which is opened once more with the compression that it got.
fn made(array: bigarrays::Array, mut opening: Opening) -> PyArray {
    if array.layout().sharding.is_none() {
        opening.content_encoding = opening.content_encoding.or(Some(array.layout().content_encoding));
    }
    PyArray { array, opening: Arc::new(opening) }
}

/// Parses the arguments of [`create`] and [`add_scale`].
fn described(
    py: Python<'_>,
    path_or_url: PathBuf,
    options: Option<&Bound<'_, PyDict>>,
    (function, is_told): (&str, bool),
) -> PyResult<(String, CreateSpec, Opening)> {
    let given = Arguments::new(py, options)?;
    let url = to_url(py, path_or_url)?;
    let mut opening = Opening::take(&given, true)?;
    let like = given.take::<Bound<'_, PyAny>>("like")?;
    let like = like.map(|like| like_of(&given, &like, &opening, &url, (function == "add_scale", is_told)));
    let like = like.transpose()?;
    let (format, like) = like.unzip();
    let dtype = match (given.take::<Bound<'_, PyAny>>("dtype")?, &like) {
        (Some(dtype), _) => to_dtype(&dtype)?,
        (None, Some(like)) => like.array.dtype,
        (None, None) => return Err(PyTypeError::new_err(format!("{function}() needs a dtype"))),
    };
    let domain = match (new_domain(&given)?, &like) {
        (Some(domain), _) => domain,
        (None, Some(like)) => like.array.domain.clone(),
        (None, None) => return Err(given.invalid("give either a domain, or a shape and maybe an origin")),
    };
    let says_shards = given.has("sharding")? || given.has("shard_shape")?;
    let mut array = array_of(&given, dtype, domain)?;
    array.incomplete = opening.incomplete;
    let spec = CreateSpec { array, storage: storage_of(&given)? };
    let mut spec = match like {
        Some(like) => spec.or_like(like, says_shards),
        None => spec,
    };
    if function == "create" {
        opening.format = opening.format.or_else(|| format.map(str::to_owned));
    }
    given.finish(function)?;
    // Whoever says that there is to be none is not to get that of another.
    spec.storage.content_encoding =
        spec.storage.content_encoding.filter(|_| opening.content_encoding.is_none());
    Ok((url, spec, opening))
}

/// The options of what an array is.
fn array_of(given: &Arguments<'_>, dtype: DataType, domain: Domain) -> PyResult<ArraySpec> {
    Ok(ArraySpec {
        resolution: given.take("resolution")?,
        labels: given.take("labels")?,
        dimension_names: given.take("dimension_names")?,
        fill_value: given.take::<Bound<'_, PyAny>>("fill_value")?.as_ref().map(to_json).transpose()?,
        attributes: given.take::<Bound<'_, PyAny>>("attributes")?.as_ref().map(to_object).transpose()?,
        ..ArraySpec::new(dtype, domain)
    })
}

/// The options of how an array is stored.
fn storage_of(given: &Arguments<'_>) -> PyResult<StorageSpec> {
    let shard_order: Option<String> = given.take("shard_order")?;
    Ok(StorageSpec {
        chunk_shape: given.take("chunk_shape")?,
        encoding: given.take("encoding")?,
        level: given.take("level")?,
        block_shape: given.take("block_shape")?,
        key: given.take("key")?,
        sharding: new_sharding(given)?,
        shard_shape: given.take("shard_shape")?,
        shard_order: shard_order.as_deref().map(str::parse).transpose().or_raise(given.py)?,
        codecs: given.take::<Bound<'_, PyAny>>("codecs")?.as_ref().map(to_json).transpose()?,
        chunk_keys: given.take("chunk_keys")?,
        ..StorageSpec::default()
    })
}

/// What an array like `like` is made of, of the format that is wanted at `url`, that of the layer there if it becomes a
/// scale of it, or its own; and the format.
fn like_of(
    given: &Arguments<'_>,
    like: &Bound<'_, PyAny>,
    opening: &Opening,
    url: &str,
    (is_scale, is_told): (bool, bool),
) -> PyResult<(&'static str, CreateSpec)> {
    let py = given.py;
    let not_one = |_| given.invalid("like is an array that was opened or created by bigarrays");
    let like = like.cast::<PyArray>().map_err(not_one)?.get();
    let (array, from) = (&like.array, like.array.format());
    let scale =
        array.scales().get(array.scale()).map_or(ScaleSelector::default(), |scale| scale.key.as_str().into());
    let options = like.opening.options().scale(scale);
    let mut spec = array.like(detached(py, || options.like(array.url()))?);
    if given.take::<bool>("_exact")?.is_some_and(|is_exact| is_exact) {
        spec.storage = spec.storage.lossless(array.layout());
    }
    // A scale is as its layer can hold it.
    let layer = match is_scale {
        true => Some(detached(py, || opening.options().incomplete(true).open(url))?),
        false => None,
    };
    let wanted = FormatOptions { format: opening.format.clone(), ..FormatOptions::default() };
    let format = layer.as_ref().map_or(from, Array::format);
    let format = format::format_of_result(url, format, &array.axis_names(), &wanted).or_raise(py)?;
    let (spec, lost) = format::fit(format, spec, from);
    // Before it is made, it is tried more than once.
    for note in lost.into_iter().filter(|_| is_told) {
        let warning = py.get_type::<PyUserWarning>();
        PyErr::warn(py, &warning, &CString::new(note.replace('\0', " "))?, 1)?;
    }
    Ok((format.name(), if is_scale { format::of_scale(spec) } else { spec }))
}

/// Whether and how an array to be created is sharded.
fn new_sharding(given: &Arguments<'_>) -> PyResult<NewSharding> {
    let Some(sharding) = given.take::<Bound<'_, PyAny>>("sharding")? else {
        return Ok(NewSharding::None);
    };
    if let Ok(is_wanted) = sharding.extract::<bool>() {
        return Ok(if is_wanted { NewSharding::Auto } else { NewSharding::None });
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
    text.parse().map(NewSharding::Neuroglancer).or_raise(given.py)
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
