//! What an array of Python holds until it is closed.

use std::path::{Path, PathBuf};
use std::sync::RwLock;

use bigarrays::base::sync::RwLockExt;
use bigarrays::flat::Mode;
use pyo3::prelude::*;

use crate::errors::invalid;

/// Something open, or closed. Whoever works with it has it open for as long.
pub(crate) struct Held<T> {
    slot: RwLock<Option<T>>,
    path: PathBuf,
    mode: Mode,
}

impl<T: Clone> Held<T> {
    /// Holds `open`, of the array at `path`.
    pub(crate) fn new(open: T, path: &Path, mode: Mode) -> Self {
        Self { slot: RwLock::new(Some(open)), path: path.into(), mode }
    }

    /// What is held.
    ///
    /// # Errors
    /// `InvalidArgument` if it is closed.
    pub(crate) fn get(&self, py: Python<'_>) -> PyResult<T> {
        let path = || bigarrays::base::text::printable(&self.path.display().to_string()).into_owned();
        self.opened().ok_or_else(|| invalid(py, format!("the array at {} is closed; open it again", path())))
    }

    /// What is held, if it is not closed.
    pub(crate) fn opened(&self) -> Option<T> {
        self.slot.read_locked().clone()
    }

    /// Lets go of it.
    pub(crate) fn close(&self) {
        let before = self.slot.write_locked().take();
        drop(before);
    }

    /// The path of the array.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How the array was opened.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }
}
