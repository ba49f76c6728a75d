//! What a conversion reads: arrays with names, one after the other.

use std::fs::Metadata;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::base::buffer::Order;
use crate::base::error::{Error, Result};
use crate::flat::rows::{length, row_len};
use crate::format::files::npy::{Descr, Header};

/// An array of a source.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// What its rows are to be called; none have a name of their own if it is `None`.
    pub(super) name: Option<String>,
    /// What its elements are, as a `.npy` file would say it.
    pub(super) header: Header,
}

impl Entry {
    /// An array in C order.
    pub(super) fn new(name: Option<String>, descr: Descr, shape: &[u64]) -> Result<Self> {
        Ok(Self { name, header: Header::new(descr, Order::C, shape)? })
    }

    pub(super) fn rows(&self) -> u64 {
        length(&self.header)
    }

    /// Bytes of all elements.
    pub(super) fn bytes(&self) -> Result<u64> {
        self.header.data_len()
    }

    /// Bytes of a row.
    pub(super) fn row(&self) -> Result<u64> {
        row_len(&self.header).ok_or_else(|| Error::metadata("a row is larger than memory"))
    }

    /// What it is called in messages.
    pub(super) fn called(&self) -> String {
        self.name.as_ref().map_or_else(|| "the array".to_owned(), |name| format!("the array {name:?}"))
    }
}

/// Something that holds arrays. Each is read from beginning to end, or not at all, before the next.
pub(super) trait Source {
    /// What it is, in words.
    fn format(&self) -> &'static str;

    /// What tells this state of the source from any other.
    fn version(&self) -> &str;

    /// Turns to the next array; `None` after the last.
    fn next(&mut self) -> Result<Option<Entry>>;

    /// Fills `out` with the bytes of the array's elements that come next, in the array's order.
    fn read(&mut self, out: &mut [u8]) -> Result<()>;

    /// Names of rows of the one array that has none itself.
    fn names(&self) -> Result<Vec<(String, Range<u64>)>> {
        Ok(Vec::new())
    }

    /// What of the source is left out, once all arrays were come by.
    fn note(&self) -> Option<String> {
        None
    }
}

/// What tells a state of a file from any other.
pub(super) fn version_of(metadata: &Metadata) -> String {
    format!("{:x}-{:x}.{:x}", metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

/// The error as one of the source at `path`.
pub(super) fn at(path: &Path) -> impl Fn(Error) -> Error {
    move |error| error.during("converting").at(path.display().to_string())
}
