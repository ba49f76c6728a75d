//! Mutual exclusion per key, between threads and between processes.
//!
//! Each root directory has one lock file. A key is a byte range of it, at an offset that is a hash
//! of the key, locked through an open file description (OFD): such locks end with their process,
//! however that ends. All threads of a process share the description, which does not exclude them
//! from each other: mutexes do, one for each residue of the offset, so that keys with one offset
//! always have one mutex.
//!
//! # Invariants
//! - A thread holds one key at a time, else two could wait for each other; asking for a second is an
//!   error.
//! - What runs under a lock never waits for the thread pool: a waiting pool thread runs other
//!   tasks, which might ask for a second key.
//! - The lock file is only removed by who has locked all of it, or with its whole directory. Whoever
//!   has locked a part of it makes sure that it is still the one at its path.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::ofd::{self, Kind, Private, Span};
use super::waiting::{lock, lock_thread};
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::run::pool::PerProcess;

/// The name of the lock file in a root directory.
const LOCK_FILE: &str = ".bigarrays.lock";

/// How often a missing directory is made before that is an error.
const ATTEMPTS: usize = 10;

/// How many mutexes all keys of a process share.
const STRIPES: usize = 1024;

/// Made anew in a forked child, where those of the parent may be held by threads that are not there.
static STRIPE: PerProcess<Vec<Mutex<()>>> = PerProcess::new();

thread_local! {
    static HOLDING: Cell<bool> = const { Cell::new(false) };
}

/// FNV-1a, mixed. Part of the protocol between processes: never to change.
pub(super) fn stable_hash(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// The locks of all keys below one directory. The lock file goes with the last who uses it.
pub(crate) struct KeyLocks {
    path: PathBuf,
    /// Tells the same key below other directories apart, so that they rarely share a mutex.
    salt: u64,
    /// `None` if threads of this process alone exclude each other.
    file: Option<PerProcess<Mutex<Option<Arc<LockFile>>>>>,
    /// How long is waited for others at most.
    patience: Option<Duration>,
}

impl Drop for KeyLocks {
    fn drop(&mut self) {
        let current = self.file.as_ref().and_then(|file| file.get_or_try_init(|| Ok(Mutex::new(None))).ok());
        if current.is_some_and(|current| current.locked().is_some()) {
            self.remove_file();
        }
    }
}

impl KeyLocks {
    pub(crate) fn new(root: &Path, between_processes: bool) -> Self {
        Self {
            path: root.join(LOCK_FILE),
            salt: stable_hash(root.as_os_str().as_encoded_bytes()),
            file: between_processes.then(PerProcess::new),
            patience: None,
        }
    }

    /// The same locks, for which is waited so long at most.
    pub(crate) fn with_patience(mut self, patience: Option<Duration>) -> Self {
        self.patience = patience;
        self
    }

    /// Runs `work` while nobody else holds `key`. `make_root` is called if the directory is missing.
    /// `work` must not wait for the thread pool, nor hold another key.
    ///
    /// # Errors
    /// Those of `work`; `Cancelled` if the caller asks to stop while this waits; `Storage`, retryable, if it has
    /// waited for as long as it is to.
    pub(crate) fn hold<T>(
        &self,
        key: &str,
        make_root: &dyn Fn() -> Result<()>,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let _one = Holding::start(key)?;
        let offset = stable_hash(key.as_bytes()) >> 1;
        let stripes = STRIPE.get_or_try_init(|| Ok((0..STRIPES).map(|_| Mutex::new(())).collect()))?;
        let stripe = &stripes[(offset.wrapping_add(self.salt) % STRIPES as u64) as usize];
        let what = || format!("a change of {key:?}, or one beside it, by another thread of this process");
        let _thread = lock_thread(stripe, self.patience, &what)?;
        let _process = self.lock_range(key, offset, make_root)?;
        work()
    }

    /// Removes the lock file, unless somebody holds or is about to change a key.
    pub(super) fn remove_file(&self) {
        // A description of its own, which also keeps out the other threads of this process.
        let open = || rustix::fs::open(&self.path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        let Ok(file) = Private::open(open) else { return };
        let Ok(stat) = rustix::fs::fstat(&*file) else { return };
        let file = LockFile { file, identity: identity(&stat) };
        if ofd::try_lock(&*file.file, Kind::Exclusive, Span::ALL).is_ok()
            && matches!(file.is_at(&self.path), Ok(true))
        {
            // Who waits for the lock will see that it is another file, or none. What cannot be removed
            // does no harm.
            let _ = rustix::fs::unlink(&self.path);
        }
    }

    /// Waits for other processes.
    fn lock_range(
        &self,
        key: &str,
        offset: u64,
        make_root: &dyn Fn() -> Result<()>,
    ) -> Result<Option<HeldRange>> {
        let Some(file) = &self.file else { return Ok(None) };
        let current = file.get_or_try_init(|| Ok(Mutex::new(None)))?;
        loop {
            let file = self.current(&current, make_root)?;
            let span = Span::byte(offset);
            let what = || format!("the lock of {key:?} in {}", self.path.display());
            let refused = |error| self.refused(error);
            lock(&*file.file, Kind::Exclusive, span, self.patience, &what, &refused)?;
            let held = HeldRange { file, offset };
            if held.file.is_at(&self.path).map_err(|error| self.error(error))? {
                return Ok(Some(held));
            }
            let mut current = current.locked();
            current.take_if(|file| Arc::ptr_eq(file, &held.file));
        }
    }

    /// The lock file that this process has open, opened if it has none.
    fn current(
        &self,
        current: &Mutex<Option<Arc<LockFile>>>,
        make_root: &dyn Fn() -> Result<()>,
    ) -> Result<Arc<LockFile>> {
        let mut current = current.locked();
        if let Some(file) = &*current {
            return Ok(Arc::clone(file));
        }
        let mut opened = LockFile::open(&self.path);
        // More than once, as others may be removing the directory.
        for _ in 0..ATTEMPTS {
            if !matches!(opened, Err(Errno::NOENT)) {
                break;
            }
            make_root()?;
            opened = LockFile::open(&self.path);
        }
        let file = Arc::new(opened.map_err(|error| self.error(error.into()))?);
        *current = Some(Arc::clone(&file));
        Ok(file)
    }

    #[cold]
    fn error(&self, error: io::Error) -> Error {
        Error::io(error, "locking through", self.path.display().to_string())
    }

    #[cold]
    fn refused(&self, error: io::Error) -> Error {
        let no_locks = [libc::ENOLCK, libc::EOPNOTSUPP, libc::EINVAL, libc::ENOSYS];
        if !error.raw_os_error().is_some_and(|code| no_locks.contains(&code)) {
            return self.error(error);
        }
        let message = format!(
            "this file system does not lock files ({error}); if only one process at a time writes here, \
             set `StoreOptions::lock` to false"
        );
        Error::unsupported(message).caused_by(error).during("locking").at(self.path.display().to_string())
    }
}

/// An open lock file, and which file that is.
struct LockFile {
    file: Private<OwnedFd>,
    identity: (u64, u64),
}

impl LockFile {
    /// Opens or creates the file. It can be used by all who may write into its directory.
    fn open(path: &Path) -> rustix::io::Result<Self> {
        let file = Private::open(|| Self::open_or_create(path))?;
        let stat = rustix::fs::fstat(&*file)?;
        Ok(Self { file, identity: identity(&stat) })
    }

    fn open_or_create(path: &Path) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        loop {
            match rustix::fs::open(path, flags, Mode::empty()) {
                Err(Errno::NOENT) => {}
                opened => return opened,
            }
            match rustix::fs::open(path, flags | OFlags::CREATE | OFlags::EXCL, Mode::from(0o666)) {
                Err(Errno::EXIST) => continue,
                Err(error) => return Err(error),
                Ok(created) => {
                    let directory = rustix::fs::stat(path.parent().unwrap_or(path))?;
                    // Where modes are not kept, there is nothing to set.
                    let _ = rustix::fs::fchmod(&created, Mode::from(directory.st_mode & 0o666));
                    return Ok(created);
                }
            }
        }
    }

    /// Whether `path` still names this file. Inode numbers are not reused while it is open.
    fn is_at(&self, path: &Path) -> io::Result<bool> {
        match rustix::fs::stat(path) {
            Ok(stat) => Ok(identity(&stat) == self.identity),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
fn identity(stat: &rustix::fs::Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

/// Unlocks when dropped. Closing the file would not do: other threads share it.
struct HeldRange {
    file: Arc<LockFile>,
    offset: u64,
}

impl Drop for HeldRange {
    fn drop(&mut self) {
        // Cannot fail for a range that is held.
        let _ = ofd::unlock(&*self.file.file, Span::byte(self.offset));
    }
}

/// This thread's right to hold a key.
struct Holding;

impl Holding {
    fn start(key: &str) -> Result<Self> {
        if HOLDING.replace(true) {
            let message = "a change of one value must not itself change another in a directory";
            return Err(Error::invalid(message).during("locking").at(key));
        }
        Ok(Self)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        HOLDING.set(false);
    }
}

impl std::fmt::Debug for KeyLocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyLocks").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(stable_hash(b""), 0xecba_3df2_c338_3c52);
        assert_eq!(stable_hash(b"0-64_0-64_0-64"), 0x5bf5_6ffd_00be_f5e6);
    }

    /// Several objects have several descriptions, as processes have, and for several spellings of a
    /// path several mutexes. Each removes the file while the others wait for it.
    #[test]
    fn excludes_even_when_the_lock_file_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (root, inside) = (root.path().join("./".repeat(thread)), &inside);
                scope.spawn(move || {
                    let locks = KeyLocks::new(&root, true);
                    for _ in 0..200 {
                        let hold = locks.hold("key", &|| Ok(()), || {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            std::fs::remove_file(&locks.path).unwrap();
                            Ok(())
                        });
                        hold.unwrap();
                    }
                });
            }
        });
    }

    #[test]
    fn a_lock_file_in_use_is_not_removed() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) = (KeyLocks::new(root.path(), true), KeyLocks::new(root.path(), true));
        let held = || {
            one.remove_file();
            other.remove_file();
            assert!(one.path.exists());
            Ok(())
        };
        one.hold("key", &|| Ok(()), held).unwrap();
        one.remove_file();
        assert!(!one.path.exists());
        one.hold("key", &|| Ok(()), || Ok(())).unwrap();
        assert!(one.path.exists());
    }

    /// Writers and those who clear up after them, in the directory and in its absence.
    #[test]
    fn excludes_even_where_others_tidy() {
        let root = tempfile::tempdir().unwrap();
        let (path, inside) = (root.path().join("store"), AtomicUsize::new(0));
        let make_root = || {
            let _ = std::fs::create_dir(&path);
            Ok(())
        };
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let path = root.path().join("./".repeat(thread)).join("store");
                let (inside, make_root) = (&inside, &make_root);
                scope.spawn(move || {
                    let locks = KeyLocks::new(&path, true);
                    for _ in 0..300 {
                        let hold = locks.hold("key", make_root, || {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            Ok(())
                        });
                        hold.unwrap();
                        locks.remove_file();
                        let _ = std::fs::remove_dir(&path);
                    }
                });
            }
        });
        assert!(!path.exists());
    }

    #[test]
    fn a_second_key_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let locks = KeyLocks::new(root.path(), true);
        let nested = || locks.hold("b", &|| Ok(()), || Ok(()));
        assert!(locks.hold("a", &|| Ok(()), nested).is_err());
        assert!(nested().is_ok());
    }

    #[test]
    fn says_what_to_do_without_locks() {
        let locks = KeyLocks::new(Path::new("/nowhere"), true);
        let error = locks.refused(io::Error::from_raw_os_error(libc::ENOLCK));
        assert!(error.to_string().contains("StoreOptions::lock"), "{error}");
    }
}
