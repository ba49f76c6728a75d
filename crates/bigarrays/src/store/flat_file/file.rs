//! The file: opened, or new under a temporary name.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::beside::{expect_replaceable, io_error, open_regular, reserve, temporary_beside};
use crate::base::error::{Error, ErrorKind, Result};
use crate::store::lock::KeyLocks;
use crate::store::ofd::{self, Private};
use crate::store::waiting::lock;
use crate::store::{Store, StoreOptions};

/// One flat file: a header, then slabs of equal length; only the last may be shorter.
#[derive(Debug)]
pub struct FlatFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// Where the file is, without links, and its device and inode: others may put another in its place.
    place: (PathBuf, (u64, u64)),
    pub(super) header: u64,
    pub(super) data: u64,
    pub(super) slab: u64,
    /// Whether others are kept from putting another file in its place during a change.
    keeps_out: bool,
    /// How long is waited for locks of others at most.
    patience: Option<Duration>,
    /// Present if the file can be written.
    locks: Option<KeyLocks>,
    /// Whether changes are on the disk when they are reported as done.
    pub(super) durable: bool,
    /// Present if the file is under construction.
    pub(super) draft: Option<Draft>,
}

#[derive(Debug)]
pub(super) struct Draft {
    temporary: PathBuf,
    finished: AtomicBool,
}

impl FlatFile {
    /// Opens `path`, `data` bytes behind a header of `header` bytes, in slabs of `slab` bytes, which can
    /// be changed in place unless the options say `read_only`.
    ///
    /// # Errors
    /// `CorruptData` if the file is shorter than header and data.
    pub fn open(path: &Path, header: u64, data: u64, slab: u64, options: &StoreOptions) -> Result<Self> {
        let file =
            open_regular(path, !options.read_only).map_err(|error| io_error(error, "opening", path))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let locks = (!options.read_only)
            .then(|| KeyLocks::new(directory, options.lock).with_patience(options.lock_timeout));
        let (slab, durable) = (slab.max(1), options.durable);
        let place = place_of(path, &file).map_err(|error| io_error(error, "opening", path))?;
        let (keeps_out, patience) = (options.lock, options.lock_timeout);
        let path = path.into();
        let opened =
            Self { path, file, place, header, data, slab, keeps_out, patience, locks, durable, draft: None };
        let end = opened.end()?;
        if opened.actual_len()? < end {
            return Err(opened.too_short(end));
        }
        Ok(opened)
    }

    /// Starts a new file with the given header and `data` bytes of zeros, which becomes `path` when
    /// finished and vanishes if dropped before. Its space is reserved where the file system can do so.
    ///
    /// # Errors
    /// `StorageFull` if there is no room; `NotFound` if the directory does not exist.
    pub fn create(path: &Path, header: &[u8], data: u64, slab: u64) -> Result<Self> {
        expect_replaceable(path)?;
        let temporary = temporary_beside(path)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(|error| io_error(error, "creating", path))?;
        let place = place_of(&temporary, &file).map_err(|error| io_error(error, "creating", path))?;
        let draft = Draft { temporary, finished: AtomicBool::new(false) };
        let created = Self {
            path: path.into(),
            file,
            place,
            keeps_out: false,
            patience: None,
            header: header.len() as u64,
            data,
            slab: slab.max(1),
            locks: Some(KeyLocks::new(path, false)),
            durable: false,
            draft: Some(draft),
        };
        reserve(&created.file, created.end()?).map_err(|error| io_error(error, "creating", path))?;
        created.file.write_all_at(header, 0).map_err(|error| io_error(error, "writing", path))?;
        Ok(created)
    }

    /// Gives a file under construction its name, replacing what had it; with `durable`, only after
    /// the data are on the disk. Later writes fail.
    pub fn finish(&self, durable: bool) -> Result<()> {
        let draft = self.draft.as_ref().ok_or_else(|| self.refused("it is finished already"))?;
        let failed = |error| io_error(error, "finishing", &self.path);
        if durable {
            self.file.sync_all().map_err(failed)?;
        }
        std::fs::rename(&draft.temporary, &self.path).map_err(failed)?;
        draft.finished.store(true, Ordering::Release);
        if durable {
            let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let directory = File::open(directory.unwrap_or(Path::new("."))).map_err(failed)?;
            directory.sync_all().map_err(failed)?;
        }
        Ok(())
    }

    fn end(&self) -> Result<u64> {
        let end = self.header.checked_add(self.data).filter(|&end| i64::try_from(end).is_ok());
        end.ok_or_else(|| {
            Error::invalid(format!("{} bytes are more than a file can hold", self.data)).at(self.location(""))
        })
    }

    fn actual_len(&self) -> Result<u64> {
        let metadata = self.file.metadata().map_err(|error| io_error(error, "opening", &self.path))?;
        Ok(metadata.len())
    }

    #[cold]
    pub(super) fn too_short(&self, expected: u64) -> Error {
        let actual = self.actual_len().map_or_else(|_| "fewer".into(), |actual| actual.to_string());
        Error::corrupt(format!("the file has {actual} bytes where {expected} are expected; it was cut short"))
            .during("reading")
            .at(self.location(""))
    }

    pub(super) fn writable(&self) -> Result<&KeyLocks> {
        let is_finished = self.draft.as_ref().is_some_and(|draft| draft.finished.load(Ordering::Acquire));
        let locks = self.locks.as_ref().filter(|_| !is_finished);
        locks.ok_or_else(|| self.refused("the file is not open for writing"))
    }

    #[cold]
    fn refused(&self, reason: &'static str) -> Error {
        Error::new(ErrorKind::ReadOnly, reason).at(self.location(""))
    }

    /// Keeps others from putting another file in the place of this one until what is returned goes.
    ///
    /// # Errors
    /// `Storage` if somebody has.
    pub(super) fn keep(&self) -> Result<Option<Kept>> {
        if self.draft.is_some() {
            return Ok(None);
        }
        let (path, identity) = &self.place;
        let refused = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => self.replaced(),
            _ => io_error(error, "locking", &self.path),
        };
        let kept = Kept(Private::open(|| File::open(path)).map_err(refused)?);
        if self.keeps_out {
            let what = || format!("the lock of {}", self.path.display());
            lock(&*kept.0, ofd::Kind::Shared, IN_USE, self.patience, &what, &refused)?;
        }
        let is_same = std::fs::metadata(path).is_ok_and(|metadata| identity_of(&metadata) == *identity);
        if is_same { Ok(Some(kept)) } else { Err(self.replaced()) }
    }

    #[cold]
    fn replaced(&self) -> Error {
        let reason = "the file was removed, or another has been put in place of it; open it again";
        Error::new(ErrorKind::Storage, reason).during("writing").at(self.location(""))
    }
}

/// The lock that everybody shares who has a file open for writing that can be replaced, and who replaces it
/// has alone: see [`flat`](crate::flat), where it is a byte far behind the end.
pub(crate) const IN_USE: ofd::Span = ofd::Span::byte((1 << 62) + 1);

/// A file that nobody replaces.
pub(super) struct Kept(Private<File>);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = ofd::unlock(&*self.0, IN_USE);
    }
}

fn identity_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn place_of(path: &Path, file: &File) -> io::Result<(PathBuf, (u64, u64))> {
    let place = path.canonicalize().unwrap_or_else(|_| path.into());
    Ok((place, identity_of(&file.metadata()?)))
}

impl Drop for FlatFile {
    fn drop(&mut self) {
        let unfinished = self.draft.as_ref().filter(|draft| !draft.finished.load(Ordering::Acquire));
        if let Some(draft) = unfinished {
            // Nobody is left who could be told of a failure.
            let _ = std::fs::remove_file(&draft.temporary);
        }
    }
}
