//! Coarser scales of layers.

use bigarrays::DataType;
use bigarrays::compute::Number;
use bigarrays::format::{NewSharding, StorageSpec};
use bigarrays::jobs::{Downsampling, PyramidOptions};
use bigarrays::store::absolute;
use pyo3::prelude::*;

use super::copy::{Resume, end};
use super::progress::reported;
use crate::array::PyArray;
use crate::array::domain::to_domain;
use crate::errors::{OrRaise, invalid};

/// One for all levels, or one for each, of which the last is repeated.
#[derive(FromPyObject)]
pub(crate) enum OfLevels<T> {
    All(T),
    Each(Vec<T>),
}

impl<T: Clone> OfLevels<T> {
    fn of(&self, level: usize) -> Option<T> {
        match self {
            Self::All(all) => Some(all.clone()),
            Self::Each(each) => each.get(level - 1).or(each.last()).cloned(),
        }
    }
}

/// Makes coarser scales of a layer, each exact from `array`, in one pass over it.
///
/// Elements are counted from coordinate 0 in precomputed layers, and from the first element in OME-Zarr and N5. Elements that are
/// no numbers do not count; where there are no others, neither does the result. Scales are listed once all of their chunks are
/// there. Where nothing is stored, nothing is done.
///
/// Args:
///     array: A scale of a layer, opened with mode "r+": the finest, or another one from which to go on. Coarser scales are
///         exact from there, and finer ones are not touched.
///     levels: How many scales; if None, until one has one or two chunks.
///     method: "mean" (of whole numbers rounded half to even), "mode" (of several the least), "median" (of two the lesser),
///         "min", "max" or "stride" (the element whose coordinate is a multiple of the factor). If None, "mode" for labels and
///         "mean" for all else.
///     factors: How many elements along each axis, or each axis of space, become one: for all levels, or for each, of which the
///         last is repeated. If None, each axis is doubled whose elements are about as long as the shortest.
///     ignore: A value that counts only where there is no other, such as 0 for sparse labels.
///     box: Makes this box anew in scales that are there, such as after an edit; widened to whole elements of the coarsest.
///     chunk_shape: Shape of a chunk: for all levels, or for each; that of `array` if None.
///     encoding: Encoding of chunks: for all levels, or for each; that of `array` if None.
///     sharding: Whether chunks of precomputed scales are packed into shards; as those of `array` are if None.
///     resume: As `copy` has it.
///     memory: The most bytes that the work may use; a quarter of what the process may use if None.
///     progress: As `copy` has it.
///
/// Returns:
///     The keys of the scales, the finest first.
///
/// Raises:
///     AlreadyExistsError: There are coarser scales.
///     InvalidArgumentError: Factors, the method or the box make no sense.
///     UnsupportedError: The format has no scales.
///     MemoryBudgetError: A chunk of each level does not fit into the memory; nothing was made.
///
/// Example:
///     >>> import numpy as np
///     >>> image = bigarrays.create("memory://downsample", shape=(4, 4, 4), dtype="uint8", resolution=(8, 8, 8))
///     >>> image[...] = np.arange(64, dtype="uint8").reshape(4, 4, 4)
///     >>> bigarrays.downsample(image, levels=1)
///     ['16_16_16']
///     >>> bigarrays.open("memory://downsample", scale="16_16_16")[0, 0]
///     array([10, 12], dtype=uint8)
#[pyfunction]
#[pyo3(signature = (array, *, levels = None, method = None, factors = None, ignore = None, r#box = None, chunk_shape = None, encoding = None, sharding = None, resume = Resume::Asked(false), memory = None, progress = None))]
#[allow(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn downsample(
    py: Python<'_>,
    array: &Bound<'_, PyArray>,
    levels: Option<usize>,
    method: Option<&str>,
    factors: Option<OfLevels<Vec<u64>>>,
    ignore: Option<&Bound<'_, PyAny>>,
    r#box: Option<&Bound<'_, PyAny>>,
    chunk_shape: Option<OfLevels<Vec<u64>>>,
    encoding: Option<OfLevels<String>>,
    sharding: Option<bool>,
    resume: Resume,
    memory: Option<u64>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<String>> {
    let source = &array.get().array;
    let job = format!("downsample {}", absolute(source.url()).display());
    let journal = resume.journal(py, &job)?;
    let storage = |level: usize, mut spec: StorageSpec| {
        if let Some(shape) = chunk_shape.as_ref().and_then(|shape| shape.of(level)) {
            spec.chunk_shape = Some(shape);
        }
        if let Some(encoding) = encoding.as_ref().and_then(|encoding| encoding.of(level)) {
            (spec.encoding, spec.level, spec.codecs) = (Some(encoding), None, None);
        }
        if let Some(sharding) = sharding {
            spec.sharding = if sharding { NewSharding::Auto } else { NewSharding::None };
        }
        spec
    };
    let options = PyramidOptions {
        levels,
        method: method.map(Downsampling::named).transpose().or_raise(py)?,
        factors: factors.map(|factors| match factors {
            OfLevels::All(all) => vec![all],
            OfLevels::Each(each) => each,
        }),
        ignore: ignore.map(|ignore| to_number(ignore, source.dtype())).transpose()?,
        part: r#box.map(|region| to_domain(region, Some(source.domain()))).transpose()?,
        storage: Some(&storage),
        memory: memory.map_or(0, |bytes| bytes.max(1)),
        journal: journal.as_ref(),
        progress: None,
    };
    let made = reported(py, progress.as_ref(), |report| {
        bigarrays::jobs::pyramid(source, &PyramidOptions { progress: Some(report), ..options.clone() })
    })?;
    journal.map_or(Ok(()), |journal| end(py, journal))?;
    Ok(made.levels.into_iter().map(|level| level.key).collect())
}

fn to_number(value: &Bound<'_, PyAny>, dtype: DataType) -> PyResult<Number> {
    if let Ok(whole) = value.extract::<i128>() {
        return Ok(Number::Whole(whole));
    }
    let real = value.extract::<f64>();
    real.map(Number::Real).map_err(|_| invalid(value.py(), format!("ignore={value}: no number of {dtype}")))
}
