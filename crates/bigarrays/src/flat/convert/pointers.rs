//! Files of Python's `bigarray`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::source::{Entry, Source, version_of};
use crate::base::error::Result;
use crate::format::files::bigarray;
use crate::store::{io_error, open_regular};

/// The one array of a file, of whose rows some may have names.
pub(super) struct Pointers {
    path: PathBuf,
    version: String,
    names: Vec<(String, Range<u64>)>,
    file: File,
    entry: Option<Entry>,
}

impl Pointers {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = |error| io_error(error, "opening", path);
        let mut file = open_regular(path, false).map_err(failed)?;
        let header = bigarray::read_header(path)?;
        let names = bigarray::read_names(path)?;
        file.seek(SeekFrom::Start(header.data_offset)).map_err(failed)?;
        let version = version_of(&file.metadata().map_err(failed)?);
        let entry = Some(Entry::new(None, header.descr.clone(), &header.shape)?);
        Ok(Self { path: path.into(), version, names, file, entry })
    }
}

impl Source for Pointers {
    fn format(&self) -> &'static str {
        "file of Python's bigarray"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        Ok(self.entry.take())
    }

    fn read(&mut self, out: &mut [u8]) -> Result<()> {
        self.file.read_exact(out).map_err(|error| io_error(error, "reading", &self.path))
    }

    fn names(&self) -> Result<Vec<(String, Range<u64>)>> {
        Ok(self.names.clone())
    }
}
