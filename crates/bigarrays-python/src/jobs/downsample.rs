//! Coarser scales of layers.

use std::path::PathBuf;

use bigarrays::DataType;
use bigarrays::compute::Number;
use bigarrays::format::{NewSharding, StorageSpec};
use bigarrays::jobs::{Downsampling, PyramidOptions, Units, Work};
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

/// What of the work is asked for.
#[derive(FromPyObject)]
pub(crate) enum Asked {
    Share(String, PathBuf, u64, usize, u64, u64),
    All(String, PathBuf, u64),
}

impl Asked {
    fn to_work(&self, py: Python<'_>) -> PyResult<Work<'_>> {
        match self {
            Self::Share(what, folder, bytes, stage, number, of) if what == "share" => {
                let units = Units { folder, bytes: *bytes };
                Ok(Work::Share { units, stage: *stage, share: (*number, *of) })
            }
            Self::All(what, folder, bytes) if what == "plan" => {
                Ok(Work::Plan(Units { folder, bytes: *bytes }))
            }
            Self::All(what, folder, bytes) if what == "list" => {
                Ok(Work::List(Units { folder, bytes: *bytes }))
            }
            Self::Share(what, ..) | Self::All(what, ..) => Err(invalid(py, format!("work={what:?}"))),
        }
    }
}

/// What `bigarrays.downsample` calls: makes coarser scales, or does what `work` says of it.
///
/// Args:
///     array: As there, and so are all others but the last.
///     work: None for all of it; ("plan", folder, bytes) for nothing but how many units there are, ("share", folder, bytes, stage, number,
///         shares) for a share of those of a stage, ("list", folder, bytes) to have the format list the scales. `folder` is for what
///         stages leave for others, and units are made of so many bytes of the source at most.
///
/// Returns:
///     The keys of the scales that are listed, and how many units each stage has.
#[pyfunction]
#[pyo3(signature = (array, *, levels = None, method = None, factors = None, ignore = None, r#box = None, chunk_shape = None, encoding = None, sharding = None, resume = Resume::Asked(false), memory = None, work = None, progress = None))]
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
    work: Option<Asked>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Vec<String>, Vec<u64>)> {
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
        work: work.as_ref().map_or(Ok(Work::All), |work| work.to_work(py))?,
        progress: None,
    };
    let made = reported(py, progress.as_ref(), |report| {
        bigarrays::jobs::pyramid(source, &PyramidOptions { progress: Some(report), ..options.clone() })
    })?;
    journal.map_or(Ok(()), |journal| end(py, journal))?;
    Ok((made.levels.into_iter().map(|level| level.key).collect(), made.units))
}

/// A number that is to be one of a type.
pub(crate) fn to_number(value: &Bound<'_, PyAny>, dtype: DataType) -> PyResult<Number> {
    if let Ok(whole) = value.extract::<i128>() {
        return Ok(Number::Whole(whole));
    }
    let real = value.extract::<f64>();
    real.map(Number::Real).map_err(|_| invalid(value.py(), format!("{value} is no number of {dtype}")))
}
