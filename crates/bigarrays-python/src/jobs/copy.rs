//! Copying between arrays, with progress and cancellation by signals.

use std::path::PathBuf;

use bigarrays::CopyOptions;
use bigarrays::jobs::{Cast, Journal, OutOfRange, Rounding};
use bigarrays::store::absolute;
use pyo3::prelude::*;

use super::progress::reported;
use crate::array::PyArray;
use crate::errors::{OrRaise, invalid};

/// Copies all elements of one array or view to another of the same shape.
///
/// Works block by block: each block is read once, and whole chunks are written where that is possible. Where both arrays are
/// cut and encoded alike, chunks move as they are stored, so that jpeg is not encoded again. After an error or an
/// interruption, what was written until then is whole.
///
/// Args:
///     source: The array to copy from.
///     target: The array to copy into, of the same shape, opened with mode "r+".
///     rounding: Casts elements to the type of `target`; those with a fraction become whole numbers by "nearest" (to
///         even), "floor", "ceil" or "zero".
///     out_of_range: Casts elements to the type of `target`; those that the type does not reach "refuse" the copy, are
///         clipped ("clip") to the nearest that it has, or keep their lower bits ("wrap"). Without `rounding` and
///         `out_of_range`, types have to be the same.
///     check: Chunks that move as they are stored are decoded, and damaged ones refused.
///     resume: True to note finished blocks in a file below `$XDG_STATE_HOME` (or `~/.local/state`), or the path of such a
///         file: the same call then goes on with a copy that ended early, after a kill as well. The file is removed once all is
///         done.
///     memory: The most bytes that the work may use; a quarter of what the process may use if None.
///     progress: A function of (done, total), called now and then, and at the end, with bytes of elements. An exception
///         that it raises, or Ctrl-C, ends the copy after the blocks under way.
///
/// Raises:
///     InvalidArgumentError: Shapes differ, types differ without a cast, or an element is out of range.
///     MemoryBudgetError: A block does not fit into the memory; nothing was read.
///     StorageError: Another process has the journal, or elements could not be read or written.
///
/// Example:
///     >>> source = bigarrays.create("memory://copy/a", shape=(9, 9, 9), dtype="uint8")
///     >>> source[...] = 7
///     >>> target = bigarrays.create("memory://copy/b", shape=(9, 9, 9), dtype="uint8", chunk_shape=(4, 4, 4))
///     >>> bigarrays.copy(source, target)
///     >>> target[8, 8, 8]
///     np.uint8(7)
///     >>> signed = bigarrays.create("memory://copy/c", like=target, dtype="int8")
///     >>> bigarrays.copy(target, signed, out_of_range="clip")
///     >>> signed[8, 8, 8]
///     np.int8(7)
#[pyfunction]
#[pyo3(signature = (source, target, *, rounding = None, out_of_range = None, check = false, resume = Resume::Asked(false), memory = None, progress = None))]
#[allow(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn copy(
    py: Python<'_>,
    source: &Bound<'_, PyArray>,
    target: &Bound<'_, PyArray>,
    rounding: Option<&str>,
    out_of_range: Option<&str>,
    check: bool,
    resume: Resume,
    memory: Option<u64>,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    let (source, target) = (&source.get().array, &target.get().array);
    let memory = memory.map_or(0, |bytes| bytes.max(1));
    let cast = to_cast(py, rounding, out_of_range)?;
    let places = [source, target].map(|array| absolute(array.url()));
    let job = format!("copy {} {}", places[0].display(), places[1].display());
    let journal = resume.journal(py, &job)?;
    reported(py, progress.as_ref(), |report| {
        let options = CopyOptions { cast, check, memory, journal: journal.as_ref(), progress: Some(report) };
        bigarrays::copy(source, target, options)
    })?;
    journal.map_or(Ok(()), |journal| end(py, journal))
}

/// Removes the journal of a job that is done, and says what of an earlier run was done again.
pub(super) fn end(py: Python<'_>, journal: Journal) -> PyResult<()> {
    if journal.redone() > 0 {
        let warn = py.import("bigarrays._targets")?.getattr("warn_of_redone")?;
        warn.call1((journal.redone(),))?;
    }
    journal.remove().or_raise(py)
}

/// Whether a call goes on where an earlier one ended.
#[derive(FromPyObject)]
pub(crate) enum Resume {
    /// Not, or with the journal of the job.
    Asked(bool),
    /// With the journal at this path.
    At(PathBuf),
}

impl Resume {
    pub(super) fn journal(self, py: Python<'_>, job: &str) -> PyResult<Option<Journal>> {
        let path = match self {
            Self::Asked(false) => return Ok(None),
            Self::Asked(true) => Journal::default_path(job).ok_or_else(|| {
                let reason =
                    "neither XDG_STATE_HOME nor HOME says where the journal would be: resume= may name a file";
                invalid(py, reason.to_owned())
            })?,
            Self::At(path) => path,
        };
        Journal::open(path).and_then(|journal| journal.of(job)).map(Some).or_raise(py)
    }
}

/// How elements are cast, if that is asked for.
fn to_cast(py: Python<'_>, rounding: Option<&str>, out_of_range: Option<&str>) -> PyResult<Option<Cast>> {
    if rounding.is_none() && out_of_range.is_none() {
        return Ok(None);
    }
    let unknown = |what: &str, given: &str, known: &str| {
        Err(invalid(py, format!("unknown {what}={given:?}; known are {known}")))
    };
    let rounding = match rounding {
        None | Some("nearest") => Rounding::Nearest,
        Some("floor") => Rounding::Floor,
        Some("ceil") => Rounding::Ceil,
        Some("zero") => Rounding::Zero,
        Some(other) => return unknown("rounding", other, "nearest, floor, ceil and zero"),
    };
    let overflow = match out_of_range {
        None | Some("refuse") => OutOfRange::Refuse,
        Some("clip") => OutOfRange::Clip,
        Some("wrap") => OutOfRange::Wrap,
        Some(other) => return unknown("out_of_range", other, "refuse, clip and wrap"),
    };
    Ok(Some(Cast { rounding, out_of_range: overflow }))
}
