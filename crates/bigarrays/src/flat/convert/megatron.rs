//! Megatron's indexed data sets.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::source::{Entry, Source, at, version_of};
use crate::base::error::{Error, Result};
use crate::format::files::megatron::{Index, pair};
use crate::format::files::npy::Descr;
use crate::store::{io_error, open_regular};

/// The documents of a data set; they are named by their numbers.
pub(super) struct Documents {
    path: PathBuf,
    data_path: PathBuf,
    version: String,
    index: Index<'static>,
    data: File,
    /// The document that comes next.
    next: u64,
    /// Where the rest of the present one is.
    runs: VecDeque<Range<u64>>,
}

impl Documents {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (path, data_path) = pair(path);
        let failed = |error| io_error(error, "opening", &data_path);
        let data = open_regular(&data_path, false).map_err(failed)?;
        let of_data = data.metadata().map_err(failed)?;
        let index = Index::open(&path, of_data.len()).map_err(at(&path))?;
        let metadata = std::fs::metadata(&path).map_err(|error| io_error(error, "opening", &path))?;
        let version = format!("{} {}", version_of(&metadata), version_of(&of_data));
        Ok(Self { path, data_path, version, index, data, next: 0, runs: VecDeque::new() })
    }
}

impl Source for Documents {
    fn format(&self) -> &'static str {
        "Megatron's indexed data set"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        if self.next == self.index.documents {
            return Ok(None);
        }
        let number = self.next;
        let runs = self.index.document(number).map_err(at(&self.path))?;
        let bytes: u64 = runs.iter().map(|run| run.end - run.start).sum();
        let (dtype, rows) = (self.index.dtype, bytes / self.index.dtype.size() as u64);
        (self.next, self.runs) = (number + 1, runs.into());
        Entry::new(Some(number.to_string()), Descr::of(dtype), &[rows]).map(Some)
    }

    fn read(&mut self, mut out: &mut [u8]) -> Result<()> {
        while !out.is_empty() {
            let run =
                self.runs.front_mut().ok_or_else(|| Error::invalid("the document has no more bytes"))?;
            let (part, rest) = out.split_at_mut(out.len().min((run.end - run.start) as usize));
            let read = self.data.read_exact_at(part, run.start);
            read.map_err(|error| io_error(error, "reading", &self.data_path))?;
            run.start += part.len() as u64;
            if run.start == run.end {
                self.runs.pop_front();
            }
            out = rest;
        }
        Ok(())
    }

    fn note(&self) -> Option<String> {
        let (sequences, documents) = (self.index.sequences, self.index.documents);
        let joined = (sequences != documents).then(|| {
            format!(
                "where the {sequences} sequences of the {documents} documents begin within these is not kept"
            )
        });
        let modes = self.index.has_modes.then(|| "the modes of the sequences are not kept".to_owned());
        let notes: Vec<String> = joined.into_iter().chain(modes).collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}
