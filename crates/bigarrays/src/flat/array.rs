//! A flat array: what is open of its file, and reading.

use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, Weak};
use std::time::Duration;

use super::file::DataFile;
use super::mapping::{Mapping, expect_len, settled_header};
use super::rows::row_len;
use super::spec::{FlatOptions, Mode};
use crate::base::buffer::Order;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::{MutexExt, RwLockExt};
use crate::format::files::npy::Header;
use crate::run::pool::whole_across_forks;
use crate::store::slices_in_words;

/// An array in a `.npy` file. See the [module](super) for what is guaranteed.
#[derive(Debug)]
pub struct FlatArray {
    pub(super) path: PathBuf,
    pub(super) mode: Mode,
    /// How long others are waited for at most.
    pub(super) patience: Option<Duration>,
    durable: AtomicBool,
    /// Whether it stays with the rows that its file had.
    is_kept: bool,
    state: RwLock<State>,
    /// Mappings through which the file can be written. Held by who makes one, and by who replaces the file.
    writable_maps: Mutex<Vec<Weak<Mapping>>>,
}

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) file: Arc<DataFile>,
    pub(super) header: Header,
    /// Present once somebody has asked for it.
    map: Option<Arc<Mapping>>,
}

impl FlatArray {
    /// Opens the array in the file at `path`.
    ///
    /// # Errors
    /// `NotFound`; `InvalidMetadata` if it is not a `.npy` file, `Unsupported` if it holds Python
    /// objects; `CorruptData` if it is shorter than its header says; `Storage` if it is no regular file.
    pub fn open(path: &Path, options: impl Into<FlatOptions>) -> Result<Self> {
        let FlatOptions { mode, lock_timeout: patience } = options.into();
        let path =
            path.canonicalize().map_err(|error| Error::io(error, "opening", path.display().to_string()))?;
        let opened = State::open(&path, mode, patience).map_err(|error| match slices_in_words(&path) {
            Some(found) => Error::new(error.kind(), format!("no flat array; {found}"))
                .during("opening")
                .at(path.display().to_string()),
            None => error,
        });
        let state = RwLock::new(opened?);
        let durable = AtomicBool::new(false);
        Ok(Self { path, mode, patience, durable, is_kept: false, state, writable_maps: Mutex::default() })
    }

    /// The rows of `file` that `header` says, whatever becomes of the file at its path. Not for writing.
    pub(super) fn kept(file: Arc<DataFile>, header: Header, mode: Mode) -> Self {
        let (path, state) = (file.path().to_owned(), RwLock::new(State { file, header, map: None }));
        let (durable, writable_maps) = (AtomicBool::new(false), Mutex::default());
        Self { path, mode, patience: None, durable, is_kept: true, state, writable_maps }
    }

    /// Has every later append and write on stable storage before it returns, or not.
    pub fn set_durable(&self, durable: bool) {
        self.durable.store(durable, Ordering::Relaxed);
    }

    /// Whether writes are on stable storage when they return.
    pub fn is_durable(&self) -> bool {
        self.durable.load(Ordering::Relaxed)
    }

    /// The absolute path of the file itself, without links. What belongs to the array is beside that.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long appends, writes and other changes wait for those of others at most; `None` is as long as it takes.
    pub fn lock_timeout(&self) -> Option<Duration> {
        self.patience
    }

    /// How the array was opened.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The shape and what else the header says, as this array knows it.
    pub fn header(&self) -> Header {
        self.state().header
    }

    /// The length of the first axis, as this array knows it.
    pub fn rows(&self) -> u64 {
        self.with_state(|state| state.header.shape.first().copied().unwrap_or(1))
    }

    /// Takes note of what others have appended, grown, truncated or replaced. Says whether the shape
    /// or the file is another now. Mappings made before stay as they are; with [`Mode::CopyOnWrite`]
    /// the array does too.
    ///
    /// # Errors
    /// Those of [`FlatArray::open`]; then the array is as before.
    pub fn refresh(&self) -> Result<bool> {
        if self.is_kept || self.mode == Mode::CopyOnWrite { Ok(false) } else { self.reload() }
    }

    /// As [`FlatArray::refresh`] in every mode: private changes are lost where anything has changed.
    pub(super) fn reload(&self) -> Result<bool> {
        let before = self.state();
        if before.file.is_replaced() {
            let opened = State::open(&self.path, self.mode, self.patience)?;
            self.change_state(|state| {
                // Or else another thread was quicker, and may have appended since.
                if Arc::ptr_eq(&state.file, &before.file) {
                    *state = opened;
                }
            });
            return Ok(true);
        }
        if before.file.header()? == before.header {
            return Ok(false);
        }
        // Until it is the newest: other threads may be appending.
        loop {
            let header = settled_header(&before.file)?;
            self.note(&before.file, header.clone());
            let newer = before.file.header()?;
            if newer == header {
                return Ok(true);
            }
        }
    }

    /// The elements, mapped. The same mapping until the array grows or is refreshed.
    ///
    /// # Errors
    /// `CorruptData` if the file is shorter than its header says; `Unsupported` where it exceeds the
    /// address space.
    pub fn mapping(&self) -> Result<Arc<Mapping>> {
        if let Some(map) = self.with_state(|state| state.map.clone()) {
            return Ok(map);
        }
        if self.mode != Mode::ReadWrite {
            return self.map();
        }
        let mut made = self.writable_maps.locked();
        let map = self.map()?;
        made.retain(|map| map.strong_count() > 0);
        made.push(Arc::downgrade(&map));
        Ok(map)
    }

    fn map(&self) -> Result<Arc<Mapping>> {
        let state = self.state();
        let map = Arc::new(Mapping::new(&state.file, &state.header, self.mode)?);
        self.change_state(|current| {
            if Arc::ptr_eq(&current.file, &state.file) && current.header == state.header {
                current.map = Some(Arc::clone(&map));
            }
        });
        Ok(map)
    }

    /// Keeps all threads from mapping the file for writing until what is returned goes.
    ///
    /// # Errors
    /// `Storage`, retryable, if such a mapping is in use.
    pub(super) fn without_writable_maps(&self) -> Result<MutexGuard<'_, Vec<Weak<Mapping>>>> {
        let made = self.writable_maps.locked();
        self.change_state(|state| state.map = None);
        if made.iter().all(|map| map.strong_count() == 0) {
            return Ok(made);
        }
        let reason = "views of the array that can write into its file are in use; drop them first, or copy what \
                      is still needed";
        Err(Error::new(ErrorKind::Storage, reason).at(self.path.display().to_string()).retryable())
    }

    /// Reads rows into `out`, without a mapping. What is in it when others write them is some of the
    /// old and some of the new.
    ///
    /// # Errors
    /// `OutOfBounds`; `InvalidArgument` if `out` is not as long as the rows; `CorruptData` if the file
    /// was cut short; `Unsupported` for rows in Fortran order.
    pub fn read(&self, at: u64, out: &mut [u8]) -> Result<()> {
        let state = self.state();
        let span = self.span(&state.header, at, out.len())?;
        if span.end > state.header.data_offset + state.header.data_len()? {
            let reason = format!("rows from {at} on reach beyond the last of {}", self.rows());
            return Err(Error::new(ErrorKind::OutOfBounds, reason).at(self.path.display().to_string()));
        }
        expect_len(&state.file, &state.header)?;
        state.file.file().read_exact_at(out, span.start).map_err(|error| state.file.failed(error, "reading"))
    }

    /// Has all that was written, through this array or any mapping, on stable storage.
    ///
    /// # Errors
    /// Those of the disk, which can come late: then nothing is known of what was written since the
    /// last flush.
    pub fn flush(&self) -> Result<()> {
        if self.mode == Mode::ReadWrite { self.state().file.sync_with_name() } else { Ok(()) }
    }

    pub(super) fn state(&self) -> State {
        self.with_state(State::clone)
    }

    /// Lends the state, while no fork happens: a child finds it unlocked.
    fn with_state<T>(&self, use_it: impl FnOnce(&State) -> T) -> T {
        whole_across_forks(|| use_it(&self.state.read_locked()))
    }

    fn change_state(&self, change: impl FnOnce(&mut State)) {
        whole_across_forks(|| change(&mut self.state.write_locked()));
    }

    /// Keeps what the header of `file` says, if that is still the file.
    pub(super) fn note(&self, file: &DataFile, header: Header) {
        self.change_state(|state| {
            if std::ptr::eq(&*state.file, file) && state.header != header {
                state.map = None;
                state.header = header;
            }
        });
    }

    /// Where in the file `bytes` bytes of rows from `at` on are.
    pub(super) fn span(&self, header: &Header, at: u64, bytes: usize) -> Result<Range<u64>> {
        self.expect_growing(header)?;
        let start = row_len(header).and_then(|row| row.checked_mul(at)?.checked_add(header.data_offset));
        let span = start.and_then(|start| Some(start..start.checked_add(bytes as u64)?));
        span.filter(|span| span.end <= i64::MAX as u64)
            .ok_or_else(|| Error::invalid(format!("row {at} is beyond what a file can hold")))
    }

    pub(super) fn expect_rows(&self, header: &Header, rows: u64, bytes: usize) -> Result<()> {
        self.expect_growing(header)?;
        let wanted = row_len(header).and_then(|row| row.checked_mul(rows));
        if wanted == Some(bytes as u64) {
            return Ok(());
        }
        let shape = &header.shape[1..];
        Err(Error::invalid(format!("{bytes} bytes are not {rows} rows of shape {shape:?}"))
            .at(self.path.display().to_string()))
    }

    /// An error if rows along the first axis do not follow each other in the file.
    pub(super) fn expect_growing(&self, header: &Header) -> Result<()> {
        let reason = match (header.shape.len(), header.order) {
            (0, _) => "a single value without axes has no rows",
            (2.., Order::Fortran) => "in Fortran order the rows of the first axis do not follow each other",
            _ => return Ok(()),
        };
        Err(Error::unsupported(reason).at(self.path.display().to_string()))
    }
}

impl State {
    fn open(path: &Path, mode: Mode, patience: Option<Duration>) -> Result<Self> {
        let file = Arc::new(DataFile::open(path, mode == Mode::ReadWrite, patience)?);
        let header = settled_header(&file).map_err(|error| match error.kind() {
            ErrorKind::InvalidArgument => {
                Error::metadata(error.to_string()).during("opening").at(path.display().to_string())
            }
            _ => error,
        })?;
        Ok(Self { file, header, map: None })
    }
}
