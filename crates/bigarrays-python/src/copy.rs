//! Copying between arrays, with progress and cancellation by signals.

use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use bigarrays::engine::{Cancel, Progress};
use bigarrays::{CopyOptions, Error, ErrorKind};
use pyo3::prelude::*;

use crate::array::PyArray;
use crate::errors::OrRaise;

/// How often signals are looked for, and progress reported.
const TICK: Duration = Duration::from_millis(50);

/// Copies all elements of one array or view to another of the same shape and type.
///
/// Works block by block within `memory` bytes (a quarter of the machine's memory if None), reading each
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
///
/// Raises InvalidArgumentError if shapes or types differ, MemoryBudgetError before anything is read if
/// one block does not fit, and any error of reading or writing.
#[pyfunction]
#[pyo3(signature = (source, target, *, memory = None, progress = None))]
pub(crate) fn copy(
    py: Python<'_>,
    source: &Bound<'_, PyArray>,
    target: &Bound<'_, PyArray>,
    memory: Option<u64>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let (source, target) = (&source.get().array, &target.get().array);
    let (cancel, state) = (Cancel::new(), Mutex::new(None));
    let report = |now: Progress| {
        *state.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(now);
    };
    let memory = memory.map_or(0, |bytes| bytes.max(1));
    let options = CopyOptions { memory, cancel: Some(&cancel), progress: Some(&report) };
    let mut told = None;
    let mut tell = || {
        let now = *state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
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
        scope.spawn(move || drop(sender.send(bigarrays::copy(source, target, options))));
        let receiver = Mutex::new(receiver);
        let mut interrupted = Ok(());
        loop {
            let waited = py.detach(|| {
                receiver.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv_timeout(TICK)
            });
            match waited {
                Ok(copied) => return (interrupted, copied),
                Err(RecvTimeoutError::Disconnected) => {
                    return (interrupted, Err(Error::new(ErrorKind::Storage, "the copying thread ended")));
                }
                Err(RecvTimeoutError::Timeout) if interrupted.is_ok() => {
                    interrupted = py.check_signals().and_then(|()| tell());
                    if interrupted.is_err() {
                        cancel.cancel();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    });
    interrupted?;
    copied.or_raise(py)?;
    tell()
}
