//! The file of a flat array, and who may do what with it at once.
//!
//! Locks are ranges of the file far behind its end, held through open file descriptions:
//! ```text
//! 2^62      guard: held while the header or the records beside the file are read and changed
//! 2^62 + 1  open: shared by all who have the file open for writing; alone by who replaces the file
//! 2^62 + 2… slots: each held by the append that has reserved rows under this number
//! 2^62 + 2^61 users: shared by all who have the file open at all, where it can be locked
//! ```
//! Who takes the guard and the lock of an index (see [`super::writers`]) takes the guard first.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::mapped::{Identity, write_as_copied};
use super::pending::{Pending, Record};
use crate::base::error::{Error, ErrorKind, Result};
use crate::format::files::npy::{Header, LONGEST_HEADER};
use crate::run::pool::PerProcess;
use crate::store::ofd::{self, Kind, Private, Span};
use crate::store::{IN_USE, io_error, waiting};

const GUARD: u64 = 1 << 62;
const SLOTS: u64 = GUARD + 2;
/// Behind all slots.
const USERS: Span = Span::byte((1 << 62) + (1 << 61));

/// Headers are read until two readings agree, as somebody may be writing; this often at most.
const READINGS: usize = 1000;

/// Pieces of up to so many bytes are written together.
const GATHERED: usize = 1 << 20;

/// An open file.
#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    file: File,
    identity: Identity,
    writable: bool,
    /// How long others are waited for at most.
    patience: Option<Duration>,
    /// A description that only this process has, and what keeps its threads apart.
    locks: PerProcess<Locks>,
    pending: Pending,
}

#[derive(Debug)]
struct Locks {
    file: Private<File>,
    threads: Mutex<()>,
}

impl DataFile {
    /// Opens what is at `path`, an absolute path.
    pub(super) fn open(path: &Path, writable: bool, patience: Option<Duration>) -> Result<Self> {
        let failed = |error| io_error(error, "opening", path);
        loop {
            let file = open_regular(path, writable).map_err(failed)?;
            note_use(&file);
            let identity = identity_of(&file).map_err(failed)?;
            let pending = Pending::beside(path);
            let opened = Self {
                path: path.into(),
                file,
                identity,
                writable,
                patience,
                locks: PerProcess::new(),
                pending,
            };
            // Whoever replaced the file meanwhile did so before he let go of this lock.
            if !writable || opened.locks()?.is_some() {
                return Ok(opened);
            }
        }
    }

    /// An error unless nobody else has the file open, for whatever, in this process or another.
    pub(super) fn only_user(&self, is_shared: bool) -> Result<()> {
        match ofd::is_locked_elsewhere(&self.file, USERS).map(|elsewhere| elsewhere || is_shared) {
            Ok(false) => Ok(()),
            Ok(true) => {
                let reason = "others have the array open, or a snapshot or views of it are in use; this has to wait until they are closed";
                Err(Error::new(ErrorKind::Storage, reason).at(self.path.display().to_string()).retryable())
            }
            Err(error) => Err(self.no_lock(error)),
        }
    }

    /// An open file that was at `path` once, for reading.
    pub(super) fn of(path: &Path, file: File) -> Result<Self> {
        note_use(&file);
        let identity = identity_of(&file).map_err(|error| io_error(error, "opening", path))?;
        let (path, pending) = (path.into(), Pending::beside(path));
        Ok(Self { path, file, identity, writable: false, patience: None, locks: PerProcess::new(), pending })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Whether the file at the path is another by now.
    pub(super) fn is_replaced(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|metadata| (metadata.dev(), metadata.ino()) != self.identity)
    }

    /// Whether the path leads to this file no longer: it was replaced, renamed or removed.
    fn is_gone(&self) -> bool {
        match std::fs::metadata(&self.path) {
            Ok(metadata) => (metadata.dev(), metadata.ino()) != self.identity,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    pub(super) fn len(&self) -> Result<u64> {
        let stat = rustix::fs::fstat(&self.file).map_err(|error| self.failed(error.into(), "reading"))?;
        Ok(stat.st_size as u64)
    }

    #[cold]
    pub(super) fn failed(&self, error: io::Error, operation: &'static str) -> Error {
        io_error(error, operation, &self.path)
    }

    /// What the header says now.
    pub(super) fn header(&self) -> Result<Header> {
        let (mut one, mut other) = (self.start()?, self.start()?);
        for _ in 0..READINGS {
            if one == other {
                break;
            }
            std::thread::yield_now();
            std::mem::swap(&mut one, &mut other);
            other = self.start()?;
        }
        Header::parse(&one).map_err(|error| error.during("opening").at(self.path.display().to_string()))
    }

    /// The bytes of the header.
    fn start(&self) -> Result<Vec<u8>> {
        let mut start = vec![0; 512];
        loop {
            let mut filled = 0;
            while filled < start.len() {
                let read = self.file.read_at(&mut start[filled..], filled as u64);
                match read.map_err(|error| self.failed(error, "reading"))? {
                    0 => break,
                    count => filled += count,
                }
            }
            let wanted = match start[..] {
                [_, _, _, _, _, _, 1, _, a, b, ..] => 10 + usize::from(u16::from_le_bytes([a, b])),
                [_, _, _, _, _, _, _, _, a, b, c, d, ..] => 12 + u32::from_le_bytes([a, b, c, d]) as usize,
                _ => 0,
            };
            let wanted = wanted.min(LONGEST_HEADER);
            let complete = wanted <= start.len();
            start.truncate(filled);
            if complete || filled < 512 {
                start.truncate(wanted.max(12));
                return Ok(start);
            }
            start.resize(wanted, 0);
        }
    }

    /// Changes the header. Only to be called under the guard.
    pub(super) fn put_header(&self, header: &Header) -> Result<()> {
        self.file.write_all_at(&header.to_bytes()?, 0).map_err(|error| self.failed(error, "writing"))
    }

    /// This process' locks, or `None` if the file has been replaced or removed.
    fn locks(&self) -> Result<Option<Arc<Locks>>> {
        let made = self.locks.get_or_try_init(|| {
            let file = self.another_description()?;
            self.lock(&file, Kind::Shared, IN_USE)?;
            Ok(Locks { file, threads: Mutex::new(()) })
        });
        match made {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            made => made.map(|locks| (!self.is_gone()).then_some(locks)),
        }
    }

    fn another_description(&self) -> Result<Private<File>> {
        let file = Private::open(|| open_regular(&self.path, true));
        file.map_err(|error| self.failed(error, "opening"))
    }

    /// Locks `span` once others have let go of it.
    fn lock(&self, file: &File, kind: Kind, span: Span) -> Result<()> {
        let what = || format!("the lock of {}", self.path.display());
        waiting::lock(file, kind, span, self.patience, &what, &|error| self.no_lock(error))
    }

    /// An error if the file cannot be written, or has been replaced or removed.
    pub(super) fn expect_writable(&self) -> Result<()> {
        if !self.writable {
            let reason = "the array is not open for writing; open it with mode \"r+\"";
            return Err(Error::new(ErrorKind::ReadOnly, reason).at(self.path.display().to_string()));
        }
        self.own_locks().map(drop)
    }

    fn own_locks(&self) -> Result<Arc<Locks>> {
        self.locks()?.ok_or_else(|| self.replaced())
    }

    /// Runs `work` while nobody else, thread or process, runs any under the guard of this file.
    pub(super) fn guarded<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.expect_writable()?;
        let locks = self.own_locks()?;
        let what = || format!("a change of {} by another thread of this process", self.path.display());
        let _thread = waiting::lock_thread(&locks.threads, self.patience, &what)?;
        self.lock(&locks.file, Kind::Exclusive, Span::byte(GUARD))?;
        // Another thread may have replaced the file while this one waited.
        let done = if self.is_gone() { Err(self.replaced()) } else { work() };
        // Cannot fail for what is locked.
        let _ = ofd::unlock(&*locks.file, Span::byte(GUARD));
        done
    }

    /// Runs `work` while nobody changes anything under the guard; also where the file is only read.
    pub(super) fn shared<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.writable {
            return self.guarded(work);
        }
        let file = Private::open(|| open_regular(&self.path, false))
            .map_err(|error| self.failed(error, "opening"))?;
        // Of a file that is at the path no longer, nobody changes anything.
        self.lock(&file, Kind::Shared, Span::byte(GUARD))?;
        let done = work();
        let _ = ofd::unlock(&*file, Span::byte(GUARD));
        done
    }

    /// As [`DataFile::guarded`], and nobody else has the file open for writing.
    pub(super) fn alone<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.guarded(|| {
            let locks = self.own_locks()?;
            ofd::try_lock(&*locks.file, Kind::Exclusive, IN_USE)
                .map_err(|error| if ofd::is_taken(&error) { self.in_use() } else { self.no_lock(error) })?;
            // Those of this process are not kept out by its own lock.
            let is_idle = || Ok(self.reservations()?.iter().all(|(_, alive)| !alive));
            let done = is_idle().and_then(|idle| if idle { work() } else { Err(self.in_use()) });
            // From exclusive to shared, nobody is in the way.
            let _ = ofd::try_lock(&*locks.file, Kind::Shared, IN_USE);
            done
        })
    }

    #[cold]
    fn replaced(&self) -> Error {
        let reason = "the file was removed, or another has been put in place of it; open it again";
        Error::new(ErrorKind::Storage, reason).during("writing").at(self.path.display().to_string())
    }

    #[cold]
    fn in_use(&self) -> Error {
        let reason = "others have the array open for writing; this has to wait until they have closed it";
        Error::new(ErrorKind::Storage, reason).at(self.path.display().to_string()).retryable()
    }

    #[cold]
    fn no_lock(&self, error: io::Error) -> Error {
        io_error(error, "locking", &self.path)
    }

    /// Whether there may be reservations.
    pub(super) fn has_reservations(&self) -> bool {
        self.pending.exists()
    }

    /// Every reservation, and whether who made it is alive. Only under the guard.
    pub(super) fn reservations(&self) -> Result<Vec<(Record, bool)>> {
        let records = self.pending.records()?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let held = |slot| ofd::is_locked_elsewhere(&self.file, Span::byte(SLOTS + slot));
        let alive =
            |record: Record| Ok((record.clone(), held(record.slot).map_err(|error| self.no_lock(error))?));
        records.into_iter().map(alive).collect()
    }

    /// Notes that `rows` are reserved, until what is returned goes. Only under the guard.
    pub(super) fn reserve(&self, rows: Range<u64>) -> Result<Reservation> {
        let lock = self.another_description()?;
        let slot = self.pending.free_slot(&self.pending.records()?, |slot| {
            ofd::try_lock(&*lock, Kind::Exclusive, Span::byte(SLOTS + slot)).is_ok()
        })?;
        let reservation = Reservation { slot, rows, lock };
        self.pending.put(&Record { slot, rows: reservation.rows.clone() })?;
        Ok(reservation)
    }

    /// Removes a record. Only under the guard.
    pub(super) fn forget(&self, slot: u64) -> Result<()> {
        self.pending.remove(slot)
    }

    /// Replaces a record. Only under the guard.
    pub(super) fn amend(&self, record: &Record) -> Result<()> {
        self.pending.put(record)
    }

    /// Fills `bytes` with those from `offset` on.
    pub(super) fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(bytes, offset).map_err(|error| self.failed(error, "reading"))
    }

    /// Writes bytes, which may be a mapping of this file.
    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        write_as_copied(&self.file, self.identity, bytes, offset)
            .map_err(|error| self.failed(error, "writing"))
    }

    /// Writes pieces one after the other; small ones are gathered.
    pub(super) fn write_pieces(&self, pieces: &[&[u8]], mut offset: u64) -> Result<()> {
        if let [piece] = pieces {
            return self.write_at(piece, offset);
        }
        let mut gathered = Vec::with_capacity(GATHERED);
        let mut flush = |gathered: &mut Vec<u8>, piece: &[u8]| {
            for bytes in [&gathered[..], piece] {
                self.write_at(bytes, offset)?;
                offset += bytes.len() as u64;
            }
            gathered.clear();
            Ok(())
        };
        for piece in pieces {
            if gathered.len() + piece.len() <= GATHERED {
                gathered.extend_from_slice(piece);
            } else {
                flush(&mut gathered, piece)?;
            }
        }
        flush(&mut gathered, &[])
    }

    /// Makes the file at least `end` bytes long. Only under the guard: nobody else makes it longer, as what
    /// appends write without the guard lies before the end of what they have reserved.
    pub(super) fn extend(&self, end: u64) -> Result<()> {
        if self.len()? < end {
            self.file.set_len(end).map_err(|error| self.failed(error, "growing"))?;
        }
        Ok(())
    }

    /// Makes `range` of the file zeros that have their place on the disk.
    pub(super) fn allocate_zeros(&self, range: Range<u64>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let failed = |error: io::Error| self.failed(error, "growing");
        // What lies behind the last row is nobody's.
        if self.len()? > range.start {
            self.file.set_len(range.start).map_err(failed)?;
        }
        let length = range.end - range.start;
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), range.start, length) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                self.file.set_len(range.end).map_err(failed)
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Keeps room on the disk for `range`, without growing the file; where the system cannot, does
    /// nothing.
    pub(super) fn keep_room(&self, range: Range<u64>) -> Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if !range.is_empty() {
            let length = range.end - range.start;
            match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, range.start, length) {
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
                Err(error) => return Err(self.failed(error.into(), "reserving room for")),
            }
        }
        let _ = range;
        Ok(())
    }

    /// Cuts off what lies behind `end`.
    pub(super) fn cut(&self, end: u64) -> Result<()> {
        self.file.set_len(end).map_err(|error| self.failed(error, "truncating"))
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| self.failed(error, "flushing"))
    }

    /// As [`DataFile::sync`], and the name of the file too.
    pub(super) fn sync_with_name(&self) -> Result<()> {
        self.sync()?;
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| self.failed(error, "flushing"))
    }
}

/// Rows that nobody else appends to while this lives.
#[derive(Debug)]
pub(super) struct Reservation {
    pub(super) slot: u64,
    pub(super) rows: Range<u64>,
    lock: Private<File>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let _ = ofd::unlock(&*self.lock, Span::byte(SLOTS + self.slot));
    }
}

impl Drop for Locks {
    fn drop(&mut self) {
        let _ = ofd::unlock(&*self.file, IN_USE);
    }
}

/// Opens a regular file; anything else is an error, and opening it waits for nobody: neither for the other end of a
/// pipe, nor for a device.
pub(super) fn open_regular(path: &Path, writable: bool) -> io::Result<File> {
    let expect_regular = |metadata: Metadata| {
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if metadata.is_file() { Ok(()) } else { Err(io::Error::other("not a regular file")) }
    };
    // To open a device can change it.
    expect_regular(std::fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    let file = options.read(true).write(writable).custom_flags(libc::O_NONBLOCK).open(path)?;
    expect_regular(file.metadata()?)?;
    Ok(file)
}

/// Has others find out that the file is in use. Where files cannot be locked, nobody asks.
fn note_use(file: &File) {
    let _ = ofd::try_lock(file, Kind::Shared, USERS);
}

pub(super) fn identity_of(file: &File) -> io::Result<Identity> {
    file.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}
