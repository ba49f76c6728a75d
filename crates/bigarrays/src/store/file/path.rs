//! Paths of keys, and what is asked of paths.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::chunk::codec::ContentEncoding;

/// Bytes that are kept free behind a path, so that spelling it needs no other memory.
const LONGEST_SUFFIX: usize = 8;

/// The paths of one key.
pub(super) struct KeyPath {
    path: Vec<u8>,
    plain_len: usize,
}

impl KeyPath {
    /// Those of a key, which has been checked, below `root`, which is absolute.
    pub(super) fn new(root: &Path, key: &str) -> Self {
        let root = root.as_os_str().as_bytes();
        let mut path = Vec::with_capacity(root.len() + key.len() + 1 + LONGEST_SUFFIX);
        path.extend_from_slice(root);
        if !root.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(key.as_bytes());
        Self { plain_len: path.len(), path }
    }

    /// The folder that the value is in.
    pub(super) fn folder(&self) -> &Path {
        let plain = &self.path[..self.plain_len];
        let end = plain.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        // The root's path is the slash.
        Path::new(OsStr::from_bytes(&plain[..end.max(1)]))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_keys_are_those_of_the_standard_library() {
        for root in ["/", "/a", "/a/b.c", "/a/"] {
            for key in ["k", "1_1_1/0-64_0-64_0-64", "c/0/1"] {
                let mut path = KeyPath::new(Path::new(root), key);
                let expected = Path::new(root).join(key);
                assert_eq!(path.plain(), expected);
                assert_eq!(path.folder(), parent(&expected));
                for encoding in ContentEncoding::ALL {
                    let spelled = format!("{}{}", shown(&expected), encoding.suffix());
                    assert_eq!(path.spelled(encoding), Path::new(&spelled));
                    assert_eq!(path.folder(), parent(&expected));
                    assert!(encoding.suffix().len() <= LONGEST_SUFFIX);
                }
            }
        }
    }
}
