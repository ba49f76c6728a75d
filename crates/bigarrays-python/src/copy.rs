//! Copying between arrays, with progress and cancellation by signals.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use bigarrays::base::sync::MutexExt;
use bigarrays::jobs::{Cast, Journal, Overflow, Rounding};
use bigarrays::{CopyOptions, Error, ErrorKind, Progress, interruptible};
use pyo3::prelude::*;

use crate::array::PyArray;
use crate::errors::{OrRaise, invalid};

/// How often signals are looked for, and progress reported.
const TICK: Duration = Duration::from_millis(50);

/// Copies all elements of one array or view to another of the same shape.
///
/// Where both are cut and encoded alike, chunks move as they are stored, so that jpeg is not encoded again;
/// damaged ones move too, unless `check` has all of them decoded.
/// Elements of another type are cast only if `rounding` ("nearest", to even, "floor", "ceil" or "zero") or
/// `out_of_range` ("refuse", "clip" or "wrap") says how. `journal` names a file: what is done is noted there,
/// so that the same call takes up a copy that ended early, after a kill too; it is removed when all is done.
///
/// Works block by block within `memory` bytes (a quarter of what the process may use if None: the limits of
/// control groups and of Slurm count), reading each
/// block once and writing whole chunks where it can. `progress(done, total)` is called now and then from
/// the calling thread, with the bytes of elements dealt with; an exception that it raises, or Ctrl-C,
/// stops the copy after the blocks under way. What was written until then is whole.
///
/// >>> source = bigarrays.create("memory://copy/a", shape=(9, 9, 9), dtype="uint8")
/// >>> source[...] = 7
/// >>> target = bigarrays.create("memory://copy/b", shape=(9, 9, 9), dtype="uint8", chunks=(4, 4, 4))
/// >>> bigarrays.copy(source, target)
/// >>> target[8, 8, 8]
/// np.uint8(7)
/// >>> signed = bigarrays.create("memory://copy/c", like=target, dtype="int8")
/// >>> bigarrays.copy(target, signed, out_of_range="clip")
/// >>> signed[8, 8, 8]
/// np.int8(7)
///
/// Raises InvalidArgumentError if shapes differ, types differ without a cast, or an element does not fit into
/// the type, StorageError if another process has the journal, MemoryBudgetError before anything is read if
/// one block does not fit, and any error of reading or writing.
#[pyfunction]
#[pyo3(signature = (source, target, *, rounding = None, out_of_range = None, check = false, journal = None, memory = None, progress = None))]
#[allow(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn copy(
    py: Python<'_>,
    source: &Bound<'_, PyArray>,
    target: &Bound<'_, PyArray>,
    rounding: Option<&str>,
    out_of_range: Option<&str>,
    check: bool,
    journal: Option<PathBuf>,
    memory: Option<u64>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let (source, target) = (&source.get().array, &target.get().array);
    let (asked, state) = (AtomicBool::new(false), Mutex::new(None));
    let report = |now: Progress| {
        *state.locked() = Some(now);
    };
    let memory = memory.map_or(0, |bytes| bytes.max(1));
    let cast = to_cast(py, rounding, out_of_range)?;
    let journal = journal.map(Journal::open).transpose().or_raise(py)?;
    let options = CopyOptions { cast, check, memory, journal: journal.as_ref(), progress: Some(&report) };
    let mut told = None;
    let mut tell = || {
        let now = *state.locked();
        match (progress, now) {
            (Some(progress), Some(now)) if told != Some(now) => {
                told = Some(now);
                progress.call1((now.done, now.total)).map(drop)
            }
            _ => Ok(()),
        }
    };
    let (interrupted, copied) = std::thread::scope(|scope| {
        let (sender, receiver) = channel();
        let is_asked = || asked.load(Ordering::Relaxed);
        scope.spawn(move || {
            let copied = interruptible(&is_asked, || bigarrays::copy(source, target, options));
            drop(sender.send(copied));
        });
        let receiver = Mutex::new(receiver);
        let mut interrupted = Ok(());
        loop {
            let waited = py.detach(|| receiver.locked().recv_timeout(TICK));
            match waited {
                Ok(copied) => return (interrupted, copied),
                Err(RecvTimeoutError::Disconnected) => {
                    return (interrupted, Err(Error::new(ErrorKind::Storage, "the copying thread ended")));
                }
                Err(RecvTimeoutError::Timeout) if interrupted.is_ok() => {
                    interrupted = py.check_signals().and_then(|()| tell());
                    if interrupted.is_err() {
                        asked.store(true, Ordering::Relaxed);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    });
    interrupted?;
    copied.or_raise(py)?;
    journal.map_or(Ok(()), Journal::remove).or_raise(py)?;
    tell()
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
        None | Some("refuse") => Overflow::Refuse,
        Some("clip") => Overflow::Clip,
        Some("wrap") => Overflow::Wrap,
        Some(other) => return unknown("out_of_range", other, "refuse, clip and wrap"),
    };
    Ok(Some(Cast { rounding, overflow }))
}
