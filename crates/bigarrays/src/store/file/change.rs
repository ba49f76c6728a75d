//! Changing values, and the directories that are to be on the disk afterwards.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::path::{KeyPath, parent, shown};
use super::remove::Folder;
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::chunk::codec::ContentEncoding;
use crate::store::in_parallel;
use crate::store::keys::folder_of;
use crate::store::temporary::Temporary;

/// How many bytes one byte of a value that is encoded can stand for, and the most of all of them. What is more is
/// replaced without care for readers.
const MOST_RATIO: usize = 1 << 20;
const MOST_DECODED: usize = 1 << 30;

/// What the changes of a batch have in common.
pub(super) struct Changes {
    durable: bool,
    /// Directories whose entries are to be on the disk by the end of the batch.
    directories: Mutex<BTreeSet<PathBuf>>,
}

impl Changes {
    pub(super) fn new(durable: bool) -> Self {
        Self { durable, directories: Mutex::default() }
    }

    /// Replaces the value at `path`. What else there is of it becomes the same value before it goes, so that readers,
    /// also those that come after a crash, never find two that differ.
    pub(super) fn put(&self, path: &mut KeyPath, encoding: ContentEncoding, bytes: &[u8]) -> Result<()> {
        let is_other = |&other: &ContentEncoding| other != encoding && is_there(path.spelled(other));
        let others: Vec<_> = ContentEncoding::ALL.into_iter().filter(is_other).collect();
        if !others.is_empty() {
            self.put_same(path, encoding, bytes, &others)?;
        }
        self.put_file(path, encoding, bytes)?;
        self.remove(path, &others)
    }

    /// Gives `others` the value that `bytes` under `encoding` are. Bytes that cannot be decoded are no value.
    fn put_same(
        &self,
        path: &mut KeyPath,
        encoding: ContentEncoding,
        bytes: &[u8],
        others: &[ContentEncoding],
    ) -> Result<()> {
        let most = bytes.len().saturating_mul(MOST_RATIO).clamp(1 << 20, MOST_DECODED);
        let Ok(value) = encoding.with_decoded(bytes, most, |value| Ok(value.to_vec())) else { return Ok(()) };
        for &other in others {
            let mut encoded = value.clone();
            other.encode(&mut encoded)?;
            self.put_file(path, other, &encoded)?;
        }
        Ok(())
    }

    /// Makes `bytes` the file of one spelling.
    fn put_file(&self, path: &mut KeyPath, encoding: ContentEncoding, bytes: &[u8]) -> Result<()> {
        let durable = self.durable;
        let directory = path.folder();
        let written = match Temporary::write(directory, bytes, durable) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_directory(directory)?;
                Temporary::write(directory, bytes, durable)
            }
            written => written,
        };
        let target = path.spelled(encoding);
        let renamed = written.and_then(|temporary| temporary.rename(target));
        renamed.map_err(|error| Error::io(error, "writing", shown(target)))?;
        if durable {
            self.note(parent(target));
        }
        Ok(())
    }

    /// Removes those of `spellings` that exist, from the last to the first.
    pub(super) fn remove(&self, path: &mut KeyPath, spellings: &[ContentEncoding]) -> Result<()> {
        for &encoding in spellings.iter().rev() {
            let path = path.spelled(encoding);
            // Unlike an attempt to remove, this does not lock the directory. A link is looked at itself.
            if !is_there(path) {
                continue;
            }
            if self.durable {
                sync_directory(parent(path))?;
                self.note(parent(path));
            }
            match rustix::fs::unlink(path) {
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(Errno::NAMETOOLONG) if encoding != ContentEncoding::Identity => {}
                removed => removed.map_err(|error| Error::io(error.into(), "removing", shown(path)))?,
            }
        }
        Ok(())
    }

    /// As [`Changes::remove`], of the values of `keys` below `root`, all in one folder, but follows no link on the way. Of
    /// what was `listed`, see [`Store::remove_listed`](crate::store::Store::remove_listed), one file of each key may do.
    pub(super) fn remove_below(&self, root: &Path, keys: &[impl AsRef<str>], listed: bool) -> Result<()> {
        let Some(first) = keys.first() else { return Ok(()) };
        let folder = folder_of(first.as_ref());
        let Some(open) = Folder::open(root, folder)? else { return Ok(()) };
        let path = root.join(folder);
        let before = |directory: &OwnedFd| {
            if self.durable {
                synced(&path, rustix::fs::fsync(directory))?;
                self.note(&path);
            }
            Ok(())
        };
        if self.durable && listed {
            self.note(&path);
        }
        let mut guess = ContentEncoding::Identity;
        for key in keys {
            let name = key.as_ref()[folder.len()..].trim_start_matches('/');
            match listed {
                true => open.remove_listed(&path, name, &mut guess, &before)?,
                false => open.remove(&path, name, &before).map(drop)?,
            }
        }
        Ok(())
    }

    /// Creates `directory` and those above it.
    pub(super) fn make_directory(&self, directory: &Path) -> Result<()> {
        let mode = Mode::from(0o777);
        let made = match rustix::fs::mkdir(directory, mode) {
            Err(Errno::NOENT) => {
                self.make_directory(parent(directory))?;
                rustix::fs::mkdir(directory, mode)
            }
            made => made,
        };
        match made {
            Ok(()) if self.durable => self.note(parent(directory)),
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(Error::io(error.into(), "creating directory", shown(directory))),
        }
        Ok(())
    }

    fn note(&self, directory: &Path) {
        let mut changed = self.directories.locked();
        if !changed.contains(directory) {
            changed.insert(directory.to_owned());
        }
    }

    /// Brings what has changed in directories to the disk.
    pub(super) fn sync(self) -> Result<()> {
        let directories = self.directories.into_value();
        let directories: Vec<_> = directories.into_iter().collect();
        in_parallel(&directories, |_, directory| sync_directory(directory))
    }
}

/// Whether there is something at `path`, be it a link.
fn is_there(path: &Path) -> bool {
    !matches!(rustix::fs::lstat(path), Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG))
}

fn sync_directory(directory: &Path) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    synced(directory, rustix::fs::open(directory, flags, Mode::empty()).and_then(rustix::fs::fsync))
}

fn synced(directory: &Path, synced: rustix::io::Result<()>) -> Result<()> {
    match synced {
        // Some network file systems do not sync directories, nor need to.
        Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        synced => synced.map_err(|error| Error::io(error.into(), "syncing", shown(directory))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::file::read::Target;
    use crate::store::file::value::read;
    use crate::store::{Get, Part};

    /// Each step of a change of the encoding is where a writer may be killed.
    #[test]
    fn every_step_of_a_change_of_the_encoding_leaves_one_value() {
        let folder = tempfile::tempdir().unwrap();
        let mut path = KeyPath::new(folder.path(), "k");
        let changes = Changes::new(false);
        let value = |path: &mut KeyPath| {
            let mut buffer = Vec::new();
            let found = read(path, &Get::new("", Part::Whole, 1 << 20), None, Target::buffer(&mut buffer))
                .unwrap()
                .unwrap();
            let blob = found.blob(&buffer);
            blob.encoding.with_decoded(blob.bytes, 1 << 20, |value| Ok(value.to_vec())).unwrap()
        };
        let encoded = |encoding: ContentEncoding, value: &[u8]| {
            let mut bytes = value.to_vec();
            encoding.encode(&mut bytes).unwrap();
            bytes
        };
        for old in ContentEncoding::ALL {
            for new in ContentEncoding::ALL.into_iter().filter(|&new| new != old) {
                changes.put(&mut path, old, &encoded(old, b"old")).unwrap();
                assert_eq!(value(&mut path), b"old");
                let bytes = encoded(new, b"new");
                changes.put_same(&mut path, new, &bytes, &[old]).unwrap();
                assert_eq!(value(&mut path), b"new");
                changes.put_file(&mut path, new, &bytes).unwrap();
                assert_eq!(value(&mut path), b"new", "{old:?} and {new:?} are there");
                changes.remove(&mut path, &[old]).unwrap();
                assert_eq!(value(&mut path), b"new");
            }
        }
    }
}
