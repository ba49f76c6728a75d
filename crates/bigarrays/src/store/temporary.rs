//! Files that become a value when they are complete, or go away.

use std::collections::hash_map::RandomState;
use std::fs::DirEntry;
use std::hash::BuildHasher;
use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// What names of temporary files start with.
const PREFIX: &str = ".bigarrays-tmp-";

/// Nothing takes this long to write, and clocks of different machines differ by less. A writer whose
/// file was wrongly removed fails to rename it: no value is ever damaged.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// Tells apart what machines that share a disk name by equal process numbers; zero until it is asked for.
static MACHINE: AtomicU64 = AtomicU64::new(0);
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A file that is removed when dropped, unless it was renamed.
pub(super) struct Temporary {
    path: PathBuf,
    renamed: bool,
}

impl Temporary {
    /// Writes `bytes` to a new file in `directory`, and to the disk if `durable`.
    pub(super) fn write(directory: &Path, bytes: &[u8], durable: bool) -> io::Result<Self> {
        let (temporary, file) = Self::create(directory)?;
        write_all(&file, bytes)?;
        if durable {
            rustix::fs::fsync(&file)?;
        }
        close(file)?;
        Ok(temporary)
    }

    fn create(directory: &Path) -> io::Result<(Self, OwnedFd)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let machine = machine();
        loop {
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{machine:x}-{:x}-{count:x}", std::process::id());
            let path = directory.join(name);
            match rustix::fs::open(&path, flags, Mode::from(0o666)) {
                Ok(file) => return Ok((Self { path, renamed: false }, file)),
                Err(Errno::EXIST | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Makes the file the one at `path`, at once.
    pub(super) fn rename(mut self, path: &Path) -> io::Result<()> {
        rustix::fs::rename(&self.path, path)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // What cannot be removed stays hidden.
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

/// A number of this machine's own. No lock is taken: a fork would leave it locked in the child.
fn machine() -> u64 {
    let drawn = RandomState::new().hash_one(0) | 1;
    match MACHINE.compare_exchange(0, drawn, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => drawn,
        Err(first) => first,
    }
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Closes `file` and reports what network file systems report only then, such as a full quota.
fn close(file: OwnedFd) -> io::Result<()> {
    // SAFETY: the descriptor is owned here and not used afterwards.
    if unsafe { libc::close(file.into_raw_fd()) } == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        // The descriptor is closed nevertheless.
        error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        error => Err(error),
    }
}

/// Whether the process of this number is one on this machine.
pub(super) fn is_alive(process: i32) -> bool {
    // SAFETY: the signal 0 is none; it is only asked whether it could be sent.
    let refused = process > 0 && unsafe { libc::kill(process, 0) } != 0;
    process > 0 && (!refused || io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH))
}

/// Whether `entry` is a temporary file whose writer has died. A writer on another machine that shares the
/// disk counts as dead: it cannot be asked.
pub(super) fn is_leftover(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let Some(numbers) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { return false };
    let process = numbers.split('-').nth(1).and_then(|number| i32::from_str_radix(number, 16).ok());
    !process.is_some_and(is_alive) || is_abandoned(entry)
}

/// Removes `entry` if it is a temporary file that no writer can be waiting to rename.
pub(super) fn remove_abandoned(entry: &DirEntry) {
    if !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
        return;
    }
    if is_abandoned(entry) {
        // Whoever may not do this leaves it to others.
        let _ = std::fs::remove_file(entry.path());
    }
}

fn is_abandoned(entry: &DirEntry) -> bool {
    let age = entry.metadata().and_then(|metadata| metadata.modified()).map(|time| time.elapsed());
    matches!(age, Ok(Ok(age)) if age > ABANDONED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_files_go_away() {
        let directory = tempfile::tempdir().unwrap();
        let count = || std::fs::read_dir(directory.path()).unwrap().count();
        let first = Temporary::write(directory.path(), b"1", true).unwrap();
        let second = Temporary::write(directory.path(), b"2", false).unwrap();
        assert_eq!(count(), 2);
        drop(first);
        second.rename(&directory.path().join("value")).unwrap();
        assert_eq!(count(), 1);
        assert_eq!(std::fs::read(directory.path().join("value")).unwrap(), b"2");
    }

    #[test]
    fn only_old_leftovers_are_abandoned() {
        let directory = tempfile::tempdir().unwrap();
        for (name, hours) in [("a", 1), ("b", 48)] {
            let file = std::fs::File::create(directory.path().join(format!("{PREFIX}{name}"))).unwrap();
            let time = std::time::SystemTime::now() - Duration::from_secs(hours * 3600);
            file.set_modified(time).unwrap();
        }
        let entries = || std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap);
        entries().for_each(|entry| remove_abandoned(&entry));
        assert!(entries().all(|entry| entry.file_name() == ".bigarrays-tmp-a"));
    }
}
