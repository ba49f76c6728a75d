//! Flat arrays: `.npy` files that are mapped, grow, and are written by many at once; and
//! [`SliceArray`], slices of them with names.
//!
//! The file is a valid NumPy file at every moment: its header says how many rows there are, and has
//! room for any number. Bytes behind the last row belong to appends that are under way.
//!
//! # Who sees what when
//! - An append is in the array once [`FlatArray::append`] returns; then it survives the death of every
//!   process. Before, it is not: an append that dies leaves nothing but, if others have appended behind
//!   it meanwhile, rows that [`FlatArray::unfinished`] names.
//! - Appends never share rows: small ones are written while others wait, large ones reserve their rows
//!   and are written at once. Their order is that of their beginnings.
//! - [`FlatArray::write`] goes to the rows at once and without a lock: who writes the same rows at the
//!   same time has to come to terms with the others.
//! - A power failure loses what was not flushed, and may leave a file that is shorter than its header
//!   says, which [`FlatArray::open`] refuses by name. [`FlatArray::flush`] has all that is written,
//!   through whatever mapping, on stable storage when it returns. With [`FlatArray::set_durable`] every
//!   append and write has its rows on stable storage first, then the header, then returns.
//! - Readers have the rows that were there when they opened the array or last called
//!   [`FlatArray::refresh`].
//!
//! ```
//! use bigarrays::DataType;
//! use bigarrays::flat::{Descr, FlatSpec, Mode, NamedRows, SliceArray};
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("samples.npy");
//! let writer = SliceArray::create(&path, &FlatSpec::new(Descr::of(DataType::U8), &[0, 4]))?;
//! writer.write(&[NamedRows { name: "one", rows: 2, bytes: b"abcdefgh" }], false)?;
//!
//! let reader = SliceArray::open(&path, Mode::Read)?;
//! let (slice, mapping) = reader.get_one("one")?;
//! assert_eq!((slice.rows, mapping.len()), (0..2, 8));
//! # Ok::<(), bigarrays::Error>(())
//! ```
//!
//! The file system has to lock ranges of files between all processes that write; local ones do.

mod check;
mod compact;
mod convert;
mod environment;
mod file;
mod grow;
mod index;
mod inspect;
mod mapping;
mod ours;
mod pending;
mod record;
mod replace;
mod slices;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

pub(crate) use check::{Flaw, check};
pub use convert::convert;
pub use grow::Unfinished;
pub use mapping::Mapping;
pub use slices::{NamedRows, Slice, SliceArray, expect_ours, forget_names};

use crate::base::buffer::Order;
use crate::base::error::{Error, ErrorKind, Result};
pub use crate::format::files::npy::{Descr, Header};
use crate::run::pool::whole_across_forks;
use file::DataFile;

/// Whether these bytes could be the file of an index; for fuzzing.
#[doc(hidden)]
pub fn inspect_index(bytes: &[u8]) -> Result<()> {
    inspect::inspect(&bytes)
}

/// How an array is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reading only.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Changes through the mapping are this process' own and are never stored.
    CopyOnWrite,
}

/// What an array to be created should be.
#[derive(Clone, Debug)]
pub struct FlatSpec {
    /// What one element is.
    pub descr: Descr,
    /// The shape, of zeros at first.
    pub shape: Vec<u64>,
    /// How the elements follow each other. What grows is in C order, or has one axis.
    pub order: Order,
    /// Rows for which room on the disk is kept beyond the shape.
    pub reserve: u64,
    /// Whether a file that exists is replaced.
    pub overwrite: bool,
}

impl FlatSpec {
    /// An array in C order, all else left out.
    pub fn new(descr: Descr, shape: &[u64]) -> Self {
        Self { descr, shape: shape.to_vec(), order: Order::C, reserve: 0, overwrite: false }
    }
}

/// An array in a `.npy` file. See the [module](self) for what is guaranteed.
#[derive(Debug)]
pub struct FlatArray {
    path: PathBuf,
    mode: Mode,
    durable: AtomicBool,
    state: RwLock<State>,
    /// Mappings through which the file can be written. Held by who makes one, and by who replaces the file.
    writable_maps: Mutex<Vec<Weak<Mapping>>>,
}

#[derive(Clone, Debug)]
struct State {
    file: Arc<DataFile>,
    header: Header,
    /// Present once somebody has asked for it.
    map: Option<Arc<Mapping>>,
}

impl FlatArray {
    /// Opens the array in the file at `path`.
    ///
    /// # Errors
    /// `NotFound`; `InvalidMetadata` if it is not a `.npy` file, `Unsupported` if it holds Python
    /// objects; `CorruptData` if it is shorter than its header says.
    pub fn open(path: &Path, mode: Mode) -> Result<Self> {
        let path =
            path.canonicalize().map_err(|error| Error::io(error, "opening", path.display().to_string()))?;
        let state = State::open(&path, mode)?;
        let state = RwLock::new(state);
        Ok(Self { path, mode, durable: AtomicBool::new(false), state, writable_maps: Mutex::default() })
    }

    /// Creates an array and opens it for reading and writing. Of several who create at once, one does.
    ///
    /// # Errors
    /// `AlreadyExists` unless it may be overwritten; `StorageFull`; `InvalidArgument` if no file holds
    /// as much.
    pub fn create(path: &Path, spec: &FlatSpec) -> Result<Self> {
        // What is written through a link goes to where it leads.
        let resolved = path.canonicalize();
        let path = resolved.as_deref().unwrap_or(path);
        replace::create(path, spec)?;
        let array = Self::open(path, Mode::ReadWrite)?;
        if spec.reserve > 0 {
            array.reserve(spec.reserve)?;
        }
        Ok(array)
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
        if self.mode == Mode::CopyOnWrite { Ok(false) } else { self.reload() }
    }

    /// As [`FlatArray::refresh`] in every mode: private changes are lost where anything has changed.
    fn reload(&self) -> Result<bool> {
        let before = self.state();
        if before.file.is_replaced() {
            let opened = State::open(&self.path, self.mode)?;
            self.change_state(|state| {
                // Or else another thread was quicker, and may have appended since.
                if Arc::ptr_eq(&state.file, &before.file) {
                    *state = opened;
                }
            });
            return Ok(true);
        }
        let mut header = before.file.header()?;
        if header == before.header {
            return Ok(false);
        }
        // Until it is the newest: other threads may be appending.
        loop {
            mapping::expect_len(&before.file, &header)?;
            self.note(&before.file, header.clone());
            let newer = before.file.header()?;
            if newer == header {
                return Ok(true);
            }
            header = newer;
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
        let mut made = self.writable_maps.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn without_writable_maps(&self) -> Result<MutexGuard<'_, Vec<Weak<Mapping>>>> {
        let made = self.writable_maps.lock().unwrap_or_else(PoisonError::into_inner);
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
        mapping::expect_len(&state.file, &state.header)?;
        use std::os::unix::fs::FileExt;
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

    fn state(&self) -> State {
        self.with_state(State::clone)
    }

    /// Lends the state, while no fork happens: a child finds it unlocked.
    fn with_state<T>(&self, use_it: impl FnOnce(&State) -> T) -> T {
        whole_across_forks(|| use_it(&self.state.read().unwrap_or_else(PoisonError::into_inner)))
    }

    fn change_state(&self, change: impl FnOnce(&mut State)) {
        whole_across_forks(|| change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner)));
    }

    /// Keeps what the header of `file` says, if that is still the file.
    fn note(&self, file: &DataFile, header: Header) {
        self.change_state(|state| {
            if std::ptr::eq(&*state.file, file) && state.header != header {
                state.map = None;
                state.header = header;
            }
        });
    }
}

impl State {
    fn open(path: &Path, mode: Mode) -> Result<Self> {
        let file = Arc::new(DataFile::open(path, mode == Mode::ReadWrite)?);
        let header = file.header()?;
        let at = |error: Error| error.during("opening").at(path.display().to_string());
        header.data_len().map_err(|error| at(Error::metadata(error.to_string())))?;
        mapping::expect_len(&file, &header)?;
        Ok(Self { file, header, map: None })
    }
}

#[cfg(test)]
mod slice_tests;
#[cfg(test)]
mod tests;
