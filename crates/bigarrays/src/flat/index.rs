//! The LMDB environment beside an array, one for each process.
//!
//! LMDB allows a process one environment for each path, and none of its parent's after a fork. So all
//! arrays share what is open, through a registry, and a forked child opens it anew.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use heed::types::Bytes;
use heed::{CommitOrAbort, Env, EnvFlags, EnvOpenOptions, MdbError, RoTxn, RwTxn};
use rayon::ThreadPool;

use super::record::damaged;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{PerProcess, process, thread_pool, threads};
use crate::store::io_error;

/// Address space for the index; the file takes only what it needs. Less where that is not to be had.
const MAP_SIZES: [u64; 4] = [1 << 40, 1 << 36, 1 << 32, 1 << 29];
/// Threads, of all processes, that may read at once.
const MOST_READERS: u32 = 2046;
/// How often an environment that is being closed is waited for.
const ATTEMPTS: usize = 100;
/// As many lookups take longer than waking a thread for them.
const WORTH_A_THREAD: usize = 64;
/// Threads that help with many lookups at once.
const MOST_HELPERS: usize = 3;

type Table = heed::Database<'static, Bytes, Bytes>;

/// The tables of an index.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    /// Name → position, first row, rows, generation.
    pub(super) names: Table,
    /// Position, big-endian → first row, rows, generation, name.
    pub(super) order: Table,
    /// What is true of all.
    pub(super) facts: Table,
}

struct Opened {
    env: Env,
    tables: Tables,
}

/// An index, in the folder that [`folder_of`] names.
pub(super) struct Index {
    folder: PathBuf,
    /// The process that opened it, and what it opened.
    opened: Mutex<Option<(u32, Arc<Opened>)>>,
}

/// The indexes that this process, or the one it was forked from, has open.
static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<Index>>>> = LazyLock::new(Mutex::default);

/// Threads that help with many lookups. They are few, as each takes a reader's place in every index, and do
/// nothing else, so that no lookup waits for chunks.
fn lookups() -> Result<Arc<ThreadPool>> {
    static LOOKUPS: PerProcess<ThreadPool> = PerProcess::new();
    LOOKUPS.get_or_try_init(|| thread_pool("lookup", (threads() - 1).clamp(1, MOST_HELPERS)))
}

/// Where the index of the array at `path` is.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".index");
    name.into()
}

impl Index {
    /// Opens the index in `folder`, or with `create` makes one if there is none.
    pub(super) fn open(folder: &Path, create: bool) -> Result<Arc<Self>> {
        let failed = |error| io_error(error, "opening", folder);
        if create {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let folder = folder.canonicalize().map_err(failed)?;
        if !create && !folder.join("data.mdb").is_file() {
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, "there is no index here")));
        }
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = open.get(&folder).and_then(Weak::upgrade) {
            return Ok(index);
        }
        let index = Arc::new(Self { folder: folder.clone(), opened: Mutex::new(None) });
        index.opened()?;
        open.retain(|_, index| index.strong_count() > 0);
        open.insert(folder, Arc::downgrade(&index));
        Ok(index)
    }

    /// The environment of this process.
    fn opened(&self) -> Result<Arc<Opened>> {
        let process = process();
        let mut slot = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((owner, opened)) = &*slot
            && *owner == process
        {
            return Ok(Arc::clone(opened));
        }
        if let Some((_, inherited)) = slot.take() {
            // SAFETY: this process was forked. Threads of its parent may have held this `Arc`, but do
            // not exist here, so nobody else uses the content; the `Arc` itself is never dropped.
            unsafe { std::ptr::drop_in_place(Arc::as_ptr(&inherited).cast_mut()) };
            std::mem::forget(inherited);
        }
        let opened = Arc::new(open_environment(&self.folder)?);
        *slot = Some((process, Arc::clone(&opened)));
        Ok(opened)
    }

    /// Runs `work` with a snapshot of the index. It must not ask for another.
    pub(super) fn read<T>(&self, work: impl FnOnce(&RoTxn<'_>, &Tables) -> Result<T>) -> Result<T> {
        let opened = self.opened()?;
        let txn = match opened.env.read_txn() {
            Err(heed::Error::Mdb(MdbError::ReadersFull)) => {
                opened.env.clear_stale_readers().map_err(|error| self.failed(error))?;
                opened.env.read_txn()
            }
            txn => txn,
        };
        let txn = txn.map_err(|error| self.failed(error))?;
        work(&txn, &opened.tables)
    }

    /// What `find` returns for each number below `count`, all in one snapshot of the index. Many are found by
    /// several threads, as each waits for memory most of the time.
    pub(super) fn read_each<T: Send>(
        &self,
        count: usize,
        find: &(impl Fn(&RoTxn<'_>, &Tables, usize) -> Result<T> + Sync),
    ) -> Result<Vec<T>> {
        let part = |numbers: Range<usize>| {
            self.read(|txn, tables| {
                let found: Result<Vec<T>> = numbers.map(|k| find(txn, tables, k)).collect();
                Ok((txn.id(), found?))
            })
        };
        if count >= 2 * WORTH_A_THREAD {
            let threads = lookups()?;
            let parts = (threads.current_num_threads() + 1).min(count / WORTH_A_THREAD);
            let numbers = |k: usize| count * k / parts..count * (k + 1) / parts;
            let mut others: Vec<Result<(usize, Vec<T>)>> = (1..parts).map(|_| Ok((0, Vec::new()))).collect();
            let first = threads.in_place_scope(|scope| {
                for (k, other) in others.iter_mut().enumerate() {
                    let (part, numbers) = (&part, numbers(k + 1));
                    scope.spawn(move |_| *other = part(numbers));
                }
                part(numbers(0))
            });
            let parts: Result<Vec<_>> = std::iter::once(first).chain(others).collect();
            if let Ok(parts) = parts
                && parts.iter().all(|(snapshot, _)| *snapshot == parts[0].0)
            {
                return Ok(parts.into_iter().flat_map(|(_, found)| found).collect());
            }
            // Something is missing, somebody wrote in between, or there is no room for more readers.
        }
        Ok(part(0..count)?.1)
    }

    /// Runs `work`, which may change the index, while no other process or thread does; what it has
    /// changed is there at once if it succeeds, and not at all if it fails. With `durable` it is on
    /// stable storage then.
    pub(super) fn write<T>(
        &self,
        durable: bool,
        work: impl FnOnce(&mut RwTxn<'_>, &Tables) -> Result<T>,
    ) -> Result<T> {
        let opened = self.opened()?;
        let mut txn = opened.env.write_txn().map_err(|error| self.failed(error))?;
        let done = work(&mut txn, &opened.tables)?;
        txn.commit().map_err(|error| self.failed(error))?;
        if durable {
            opened.env.force_sync().map_err(|error| self.failed(error))?;
        }
        Ok(done)
    }

    /// Has every change on stable storage. Dead readers no longer keep pages from being used again.
    pub(super) fn sync(&self) -> Result<()> {
        let opened = self.opened()?;
        let synced = opened.env.force_sync().and_then(|()| opened.env.clear_stale_readers());
        synced.map(drop).map_err(|error| self.failed(error))
    }

    #[cold]
    pub(super) fn failed(&self, error: heed::Error) -> Error {
        lmdb_error(error, &self.folder)
    }
}

/// Takes every name out of the index in `folder`, if there is one, and tells all who have it open that
/// the array is another.
pub(super) fn reset(folder: &Path) -> Result<()> {
    if !folder.join("data.mdb").exists() {
        return Ok(());
    }
    let index = match Index::open(folder, true) {
        // Nothing in it could be of use to anybody.
        Err(error) if error.kind() == ErrorKind::CorruptData => {
            return std::fs::remove_dir_all(folder).map_err(|error| io_error(error, "removing", folder));
        }
        index => index?,
    };
    index.write(true, |txn, tables| {
        let failed = |error| index.failed(error);
        let generation = generation(tables.facts.get(txn, b"generation").map_err(failed)?)?;
        for table in [tables.names, tables.order, tables.facts] {
            table.clear(txn).map_err(failed)?;
        }
        tables.facts.put(txn, b"generation", &(generation + 1).to_le_bytes()).map_err(failed)
    })
}

/// The generation that the fact of that name says.
pub(super) fn generation(fact: Option<&[u8]>) -> Result<u64> {
    fact.map_or(Ok(0), |bytes| Ok(u64::from_le_bytes(bytes.try_into().map_err(|_| damaged())?)))
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn open_environment(folder: &Path) -> Result<Opened> {
    let mut env = environment(folder, EnvFlags::NO_META_SYNC);
    let read_only = matches!(&env, Err(heed::Error::Io(error)) if is_refusal(error));
    // Whom the system keeps from writing may still register as a reader; or else reads unregistered,
    // which is safe while nobody writes.
    for flags in [EnvFlags::READ_ONLY, EnvFlags::READ_ONLY | EnvFlags::NO_LOCK] {
        if matches!(&env, Err(heed::Error::Io(error)) if is_refusal(error)) {
            env = environment(folder, flags);
        }
    }
    let failed = |error| lmdb_error(error, folder);
    let env = env.map_err(failed)?;
    expect_whole(&env, folder)?;
    let tables = if read_only { existing_tables(&env) } else { new_tables(&env) };
    let (names, order, facts) =
        tables.map_err(failed)?.ok_or_else(|| Error::metadata("this is no index of names"))?;
    if !read_only {
        env.clear_stale_readers().map_err(failed)?;
    }
    Ok(Opened { env, tables: Tables { names, order, facts } })
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn environment(folder: &Path, flags: EnvFlags) -> heed::Result<Env> {
    let mut options = EnvOpenOptions::new();
    options.max_dbs(4).max_readers(MOST_READERS);
    // SAFETY: without syncing the newest meta page a power failure undoes the last change, and nothing
    // else. Only who may write nothing, not even the locks, opens an index without locks.
    unsafe { options.flags(flags | EnvFlags::NO_READ_AHEAD) };
    let mut smallest = Err(heed::Error::Mdb(MdbError::MapFull));
    for size in MAP_SIZES.into_iter().filter_map(|size| usize::try_from(size).ok()) {
        options.map_size(size);
        for _ in 0..ATTEMPTS {
            // SAFETY: nobody changes the files but through LMDB and its locks.
            smallest = unsafe { options.open(folder) };
            if !matches!(smallest, Err(heed::Error::EnvAlreadyOpened)) {
                break;
            }
            // Another thread dropped the last of it just now.
            if let Some(closing) = heed::env_closing_event(folder) {
                closing.wait_timeout(std::time::Duration::from_millis(50));
            }
        }
        if !matches!(&smallest, Err(heed::Error::Io(error)) if error.kind() == io::ErrorKind::OutOfMemory) {
            break;
        }
    }
    smallest
}

type ThreeTables = (Table, Table, Table);

fn new_tables(env: &Env) -> heed::Result<Option<ThreeTables>> {
    if let Some(tables) = existing_tables(env)? {
        return Ok(Some(tables));
    }
    let tables = env.create_databases_and_commit(env.write_txn()?, |open, txn| {
        let names = open.create_database::<Bytes, Bytes>(txn, Some("names"))?;
        let order = open.create_database::<Bytes, Bytes>(txn, Some("order"))?;
        let facts = open.create_database::<Bytes, Bytes>(txn, Some("facts"))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit((names, order, facts)))
    })?;
    Ok(tables.commit())
}

fn existing_tables(env: &Env) -> heed::Result<Option<ThreeTables>> {
    let tables = env.open_databases_and_commit(env.read_txn()?, |open, txn| {
        let names = open.open_database::<Bytes, Bytes>(txn, Some("names"))?;
        let order = open.open_database::<Bytes, Bytes>(txn, Some("order"))?;
        let facts = open.open_database::<Bytes, Bytes>(txn, Some("facts"))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit((names, order, facts)))
    })?;
    Ok(tables.commit().and_then(|(names, order, facts)| Some((names?, order?, facts?))))
}

/// An error if the file lacks pages that the index has: to read them would end the process.
fn expect_whole(env: &Env, folder: &Path) -> Result<()> {
    let failed = |error| lmdb_error(error, folder);
    let actual = env.real_disk_size().map_err(failed)?;
    let pages = env.info().last_page_number as u64 + 1;
    let page = u64::from(env.unnamed_database_stat().page_size);
    if pages.checked_mul(page).is_some_and(|expected| actual >= expected) {
        return Ok(());
    }
    let reason = format!("the index has {actual} bytes where {pages} pages are expected; it was cut short");
    Err(Error::corrupt(reason).during("opening").at(folder.display().to_string()))
}

#[cold]
fn lmdb_error(error: heed::Error, folder: &Path) -> Error {
    let kind = match error {
        heed::Error::Io(error) => return io_error(error, "using the index", folder),
        heed::Error::Mdb(MdbError::Other(code)) => {
            return io_error(io::Error::from_raw_os_error(code), "using the index", folder);
        }
        heed::Error::Mdb(MdbError::MapFull) => ErrorKind::StorageFull,
        heed::Error::Mdb(
            MdbError::Invalid
            | MdbError::Corrupted
            | MdbError::PageNotFound
            | MdbError::VersionMismatch
            | MdbError::Incompatible,
        ) => ErrorKind::CorruptData,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, error.to_string())
        .caused_by(error)
        .during("using the index")
        .at(folder.display().to_string())
}
