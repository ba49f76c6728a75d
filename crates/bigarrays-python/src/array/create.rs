//! Creating arrays, and adding scales to layers.

use std::path::PathBuf;
use std::sync::Arc;

use bigarrays::Domain;
use bigarrays::format::{self, CreateSpec, NewSharding, ScaleSelector};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::arguments::{Arguments, to_url};
use crate::array::domain::to_domain;
use crate::array::options::Opening;
use crate::array::stored::PyArray;
use crate::errors::OrRaise;
use crate::interrupt::detached;
use crate::json::{to_json, to_object};
use crate::transfer::to_dtype;

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
        Some(name) => format::by_name(&name).or_raise(py)?,
        None => format::same_or_default(from),
    };
    Ok((format.name(), format.fit(CreateSpec { domain: array.domain().clone(), ..spec }, from)))
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
