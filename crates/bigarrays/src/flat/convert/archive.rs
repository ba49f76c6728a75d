//! Archives of NumPy's `savez`.

use std::path::{Path, PathBuf};

use super::source::{Entry, Source, at, version_of};
use crate::base::error::{Error, Result};
use crate::format::files::npz::{Elements, Npz};
use crate::store::io_error;

/// The arrays of an archive, in the order of its directory.
pub(super) struct Archive {
    path: PathBuf,
    version: String,
    archive: Npz<'static>,
    elements: Option<Elements<'static>>,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|error| io_error(error, "opening", path))?;
        let archive = Npz::open(path).map_err(at(path))?;
        Ok(Self { path: path.into(), version: version_of(&metadata), archive, elements: None })
    }
}

impl Source for Archive {
    fn format(&self) -> &'static str {
        "NumPy's archive (.npz)"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        let Some(entry) = self.archive.next_entry().map_err(at(&self.path))? else { return Ok(None) };
        let (header, elements) = self.archive.array(&entry).map_err(at(&self.path))?;
        self.elements = Some(elements);
        Ok(Some(Entry { name: Some(entry.name), header }))
    }

    fn read(&mut self, out: &mut [u8]) -> Result<()> {
        let elements = self.elements.as_mut().ok_or_else(|| Error::invalid("no array was turned to"))?;
        elements.fill(out).map_err(at(&self.path))
    }
}
