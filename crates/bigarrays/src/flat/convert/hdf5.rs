//! HDF5 files.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::source::{Entry, Source, at, version_of};
use crate::base::error::{Error, Result};
use crate::format::files::hdf5::{Dataset, File};
use crate::format::files::npy::Descr;
use crate::store::io_error;

/// The datasets of a file, sorted by their paths.
pub(super) struct Datasets {
    path: PathBuf,
    version: String,
    file: File,
    left: VecDeque<String>,
    /// The dataset that was turned to, the row that is read next, and bytes of a row.
    current: Option<(Dataset, u64, u64)>,
}

impl Datasets {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|error| io_error(error, "opening", path))?;
        let file = File::open(path).map_err(at(path))?;
        let left = file.datasets().map_err(at(path))?.into();
        Ok(Self { path: path.into(), version: version_of(&metadata), file, left, current: None })
    }
}

impl Source for Datasets {
    fn format(&self) -> &'static str {
        "HDF5 file"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        let Some(name) = self.left.pop_front() else { return Ok(None) };
        let dataset = self.file.dataset(&name).map_err(at(&self.path))?;
        let entry = Entry::new(Some(name), Descr::of(dataset.dtype), dataset.shape())?;
        // What has no axes is refused later, by its name.
        self.current =
            (!entry.header.shape.is_empty()).then(|| entry.row().map(|row| (dataset, 0, row))).transpose()?;
        Ok(Some(entry))
    }

    fn read(&mut self, out: &mut [u8]) -> Result<()> {
        let (dataset, next, row) =
            self.current.as_mut().ok_or_else(|| Error::invalid("no dataset was turned to"))?;
        let count = (out.len() as u64).checked_div(*row).unwrap_or(0);
        if count == 0 {
            return Ok(());
        }
        let rows = *next..*next + count;
        *next = rows.end;
        dataset.read(rows, out).map_err(at(&self.path))
    }
}
