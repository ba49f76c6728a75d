//! The lock of the writers of an index.
//!
//! LMDB has its writers wait for each other in a mutex, where nothing interrupts them and nobody learns for whom they
//! wait. So each writer takes this lock before, a byte of the index's file far behind its end, and none waits in LMDB
//! for longer than it takes to end a change.
//!
//! Who takes both takes the guard of the array's file first (see [`super::file`]), then this, and LMDB's mutex last.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::base::error::Result;
use crate::store::ofd::{self, Kind, Private, Span};
use crate::store::{io_error, waiting};

const WRITER: Span = Span::byte(1 << 62);

/// What keeps the writers of this process apart from others', and from each other.
#[derive(Debug)]
pub(super) struct Writers {
    /// The file of the index. LMDB's own locks are on the other one, and would end with any description of that.
    file: Private<File>,
    threads: Mutex<()>,
}

impl Writers {
    pub(super) fn open(data: &Path) -> Result<Self> {
        let open = || OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(data);
        let file = Private::open(open).map_err(|error| io_error(error, "opening", data))?;
        Ok(Self { file, threads: Mutex::new(()) })
    }

    /// The file of the index.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Runs `work`, which changes the index in `folder`, while no other process or thread runs any.
    ///
    /// # Errors
    /// Those of `work`; `Cancelled` if the caller asks to stop while this waits; `Storage`, retryable, after `most`.
    pub(super) fn alone<T>(
        &self,
        folder: &Path,
        most: Option<Duration>,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let what = || format!("a change of {} by another thread of this process", folder.display());
        let _thread = waiting::lock_thread(&self.threads, most, &what)?;
        let what = || format!("the lock of {}", folder.display());
        let refused = |error| io_error(error, "locking", folder);
        waiting::lock(&*self.file, Kind::Exclusive, WRITER, most, &what, &refused)?;
        let _held = Held(&self.file);
        work()
    }
}

/// Runs `work` while nobody changes the index in `folder`, whose file is `data`; also where it may only be read.
///
/// # Errors
/// `Cancelled` if the caller asks to stop while this waits; `Storage` where files cannot be locked.
pub(super) fn without_writers<T>(data: &Path, folder: &Path, work: impl FnOnce() -> T) -> Result<T> {
    let refused = |error| io_error(error, "locking", folder);
    let open = || OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(data);
    let file = Private::open(open).map_err(refused)?;
    let what = || format!("the lock of {}", folder.display());
    waiting::lock(&*file, Kind::Shared, WRITER, None, &what, &refused)?;
    let _held = Held(&file);
    Ok(work())
}

/// Unlocks when dropped.
struct Held<'a>(&'a File);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Cannot fail for what is locked.
        let _ = ofd::unlock(self.0, WRITER);
    }
}
