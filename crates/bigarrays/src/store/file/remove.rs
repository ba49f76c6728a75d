//! Removing below a directory without following links: a folder that another process replaces by a link while a
//! removal is under way leads to what is somebody else's.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::path::{shown, without_slash};
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;

/// A folder, open to remove what is in it.
pub(super) struct Folder {
    directory: OwnedFd,
}

impl Folder {
    /// Opens the folder `relative` to `root`, neither of which is reached through a link: only what is above
    /// `root` may be one. `None` if there is none.
    ///
    /// # Errors
    /// `Storage` if one of the folders is a link.
    pub(super) fn open(root: &Path, relative: &str) -> Result<Option<Self>> {
        let mut path = without_slash(root);
        let Some(mut directory) = opened(&path, rustix::fs::CWD, path.as_os_str())? else { return Ok(None) };
        for part in relative.split('/').filter(|part| !part.is_empty()) {
            path.push(part);
            match opened(&path, &directory, OsStr::new(part))? {
                Some(next) => directory = next,
                None => return Ok(None),
            }
        }
        Ok(Some(Self { directory }))
    }

    /// Removes the value `name` in all its spellings, from the last to the first, and returns the first that there was.
    /// `first` is called before each of them goes. `folder` is the path of the folder.
    pub(super) fn remove(
        &self,
        folder: &Path,
        name: &str,
        first: &dyn Fn(&OwnedFd) -> Result<()>,
    ) -> Result<Option<ContentEncoding>> {
        let mut there = None;
        let mut spelled = String::with_capacity(name.len() + 8);
        for encoding in ContentEncoding::ALL.into_iter().rev() {
            spelled.clear();
            spelled.extend([name, encoding.suffix()]);
            // Unlike an attempt to remove, this does not lock the directory.
            let stat = rustix::fs::statat(&self.directory, &spelled, AtFlags::SYMLINK_NOFOLLOW);
            if matches!(stat, Err(Errno::NOENT | Errno::NOTDIR)) {
                continue;
            }
            first(&self.directory)?;
            there = Some(encoding);
            match rustix::fs::unlinkat(&self.directory, &spelled, AtFlags::empty()) {
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(Errno::NAMETOOLONG) if encoding != ContentEncoding::Identity => {}
                removed => removed
                    .map_err(|error| Error::io(error.into(), "removing", shown(&folder.join(&spelled))))?,
            }
        }
        Ok(there)
    }

    /// Removes the file of the value `name` that is spelled as `guess`; where there is none, those of all spellings. `guess`
    /// is then how it was spelled: values that lie together mostly are alike.
    pub(super) fn remove_listed(
        &self,
        folder: &Path,
        name: &str,
        guess: &mut ContentEncoding,
        first: &dyn Fn(&OwnedFd) -> Result<()>,
    ) -> Result<()> {
        let spelled = match guess.suffix() {
            "" => Cow::Borrowed(name),
            suffix => Cow::Owned(format!("{name}{suffix}")),
        };
        // Whatever keeps it from being removed, such as a folder of its name, is said of the spelling that exists.
        if rustix::fs::unlinkat(&self.directory, &*spelled, AtFlags::empty()).is_err() {
            *guess = self.remove(folder, name, first)?.unwrap_or(*guess);
        }
        Ok(())
    }

    /// Removes the link `name`. Returns whether it was one.
    pub(super) fn unlink(&self, path: &Path, name: &str) -> Result<bool> {
        let stat = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
        if !stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_symlink()) {
            return Ok(false);
        }
        let removed = rustix::fs::unlinkat(&self.directory, name, AtFlags::empty());
        removed.map_err(|error| Error::io(error.into(), "removing", shown(path)))?;
        Ok(true)
    }

    /// Removes the file `name`, if that is possible.
    pub(super) fn remove_file(&self, name: &OsStr) -> bool {
        rustix::fs::unlinkat(&self.directory, name, AtFlags::empty()).is_ok()
    }

    /// Removes the folder `name`, if it is empty.
    pub(super) fn remove_folder(&self, name: &str) -> rustix::io::Result<()> {
        rustix::fs::unlinkat(&self.directory, name, AtFlags::REMOVEDIR)
    }
}

/// Opens the directory `name` in `above`; `None` if it is missing.
fn opened(path: &Path, above: impl std::os::fd::AsFd, name: &OsStr) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let failed = |error: Errno| Error::io(error.into(), "removing below", shown(path));
    match rustix::io::retry_on_intr(|| rustix::fs::openat(&above, name, flags, Mode::empty())) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOENT) => Ok(None),
        Err(error @ (Errno::NOTDIR | Errno::LOOP)) => {
            match rustix::fs::statat(&above, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => Ok(None),
                Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_symlink() => {
                    let message = "the folder was replaced by a symbolic link while its content was being \
                                   removed; what the link leads to is not removed";
                    Err(Error::new(ErrorKind::Storage, message).during("removing below").at(shown(path)))
                }
                Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_file() => Ok(None),
                _ => Err(failed(error)),
            }
        }
        Err(error) => Err(failed(error)),
    }
}
