//! Paths of keys, and what is asked of paths.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::chunk::codec::ContentEncoding;

/// The paths of one key.
pub(super) struct KeyPath {
    path: Vec<u8>,
    plain_len: usize,
}

impl KeyPath {
    pub(super) fn new(path: Vec<u8>) -> Self {
        Self { plain_len: path.len(), path }
    }

    pub(super) fn plain(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path[..self.plain_len]))
    }

    pub(super) fn spelled(&mut self, encoding: ContentEncoding) -> &Path {
        self.path.truncate(self.plain_len);
        self.path.extend_from_slice(encoding.suffix().as_bytes());
        Path::new(OsStr::from_bytes(&self.path))
    }
}

pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The path without a slash at its end, behind which the system would follow a link.
pub(super) fn without_slash(path: &Path) -> PathBuf {
    path.components().collect()
}

pub(super) fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(without_slash(path)).is_ok_and(|metadata| metadata.is_symlink())
}

/// The directory of a path that is absolute; the root is its own.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
