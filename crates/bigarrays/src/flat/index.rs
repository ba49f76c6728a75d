//! The LMDB environment beside an array, one for each process.
//!
//! LMDB allows a process one environment for each path, and none of its parent's after a fork. So all
//! arrays share what is open, through a registry, and a forked child opens it anew.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::Duration;

use heed::{MdbError, RoTxn, RwTxn};
use rayon::ThreadPool;

pub(super) use super::environment::{Metadata, Tables};
use super::environment::{Opened, lmdb_error, make, open_environment, share};
use super::ours::{DATA, expect_index, folder_of, remove_index};
use super::record::damaged;
use super::writers::Writers;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::run::pool::{PerProcess, process, thread_pool, threads, whole_across_forks};
use crate::store::{io_error, is_beside};

/// The fact that counts deletions.
pub(super) const DELETIONS: &[u8] = b"deletions";
/// As many lookups take longer than waking a thread for them.
const WORTH_A_THREAD: usize = 64;
/// Threads that help with many lookups at once.
const MOST_HELPERS: usize = 3;

/// An index, in the folder that [`folder_of`](super::ours::folder_of) names.
pub(super) struct Index {
    folder: PathBuf,
    /// The process that opened it, and what it opened.
    opened: Mutex<Option<(u32, Arc<Opened>)>>,
    writers: PerProcess<Writers>,
}

/// The indexes that this process, or the one it was forked from, has open.
static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<Index>>>> = LazyLock::new(Mutex::default);

/// Threads that help with many lookups. They are few, as each takes a reader's place in every index, and do
/// nothing else, so that no lookup waits for chunks.
fn lookups() -> Result<Arc<ThreadPool>> {
    static LOOKUPS: PerProcess<ThreadPool> = PerProcess::new();
    LOOKUPS.get_or_try_init(|| thread_pool("lookup", (threads() - 1).clamp(1, MOST_HELPERS)))
}

impl Index {
    /// Opens the index in `folder`, or with `create` makes one if there is none.
    pub(super) fn open(folder: &Path, create: bool) -> Result<Arc<Self>> {
        let failed = |error| io_error(error, "opening", folder);
        if !folder.exists() {
            if !create {
                return Err(no_names(folder));
            }
            make(folder, &[])?;
        }
        let folder = folder.canonicalize().map_err(failed)?;
        expect_index(&folder).map_err(|error| match error.kind() {
            ErrorKind::Storage => {
                Error::corrupt(format!("this is no index of names: {error}")).during("opening")
            }
            _ => error,
        })?;
        if std::fs::metadata(folder.join(DATA)).map_or(0, |data| data.len()) == 0 {
            let reason = "data.mdb is missing or empty; remove the folder to do without its names";
            return Err(Error::corrupt(reason).during("opening").at(folder.display().to_string()));
        }
        let index = Self::registered(folder)?;
        if create {
            share(&index.folder, &index.folder);
        }
        Ok(index)
    }

    /// The index in that folder, which this process may have open already.
    fn registered(folder: PathBuf) -> Result<Arc<Self>> {
        whole_across_forks(|| Self::registered_alone(folder))
    }

    fn registered_alone(folder: PathBuf) -> Result<Arc<Self>> {
        let mut open = OPEN.locked();
        if let Some(index) = open.get(&folder).and_then(Weak::upgrade) {
            return Ok(index);
        }
        let index =
            Arc::new(Self { folder: folder.clone(), opened: Mutex::new(None), writers: PerProcess::new() });
        index.opened()?;
        open.retain(|_, index| index.strong_count() > 0);
        open.insert(folder, Arc::downgrade(&index));
        Ok(index)
    }

    /// The name of the array's file.
    fn array_name(&self) -> Option<String> {
        Some(self.folder.file_name()?.to_str()?.strip_suffix(".index")?.to_owned())
    }

    /// The environment of this process.
    fn opened(&self) -> Result<Arc<Opened>> {
        whole_across_forks(|| self.opened_alone())
    }

    fn opened_alone(&self) -> Result<Arc<Opened>> {
        let process = process();
        let mut slot = self.opened.locked();
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

    /// Runs `work` with a snapshot of the index, without its metadata. It must not ask for another.
    pub(super) fn read<T>(&self, work: impl FnOnce(&RoTxn<'_>, &Tables) -> Result<T>) -> Result<T> {
        self.read_with(Metadata::Unused, work)
    }

    /// As [`Index::read`], with the metadata if they are asked for.
    pub(super) fn read_with<T>(
        &self,
        metadata: Metadata,
        work: impl FnOnce(&RoTxn<'_>, &Tables) -> Result<T>,
    ) -> Result<T> {
        let opened = self.opened()?;
        opened.expect_not_cut(&self.folder)?;
        let tables = opened.tables(metadata).map_err(|error| self.failed(error))?;
        let txn = match opened.env.read_txn() {
            Err(heed::Error::Mdb(MdbError::ReadersFull)) => {
                opened.env.clear_stale_readers().map_err(|error| self.failed(error))?;
                opened.env.read_txn()
            }
            txn => txn,
        };
        let txn = txn.map_err(|error| self.failed(error))?;
        work(&txn, &tables)
    }

    /// What `find` returns for each number below `count`, all in one snapshot of the index, and which. Many are found by
    /// several threads, as each waits for memory most of the time.
    pub(super) fn read_each<T: Send>(
        &self,
        count: usize,
        find: &(impl Fn(&RoTxn<'_>, &Tables, usize) -> Result<T> + Sync),
    ) -> Result<(usize, Vec<T>)> {
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
                let snapshot = parts[0].0;
                return Ok((snapshot, parts.into_iter().flat_map(|(_, found)| found).collect()));
            }
            // Something is missing, somebody wrote in between, or there is no room for more readers.
        }
        part(0..count)
    }

    /// Runs `work`, which may change the index, while no other process or thread does; what it has
    /// changed is there at once if it succeeds, and not at all if it fails. With `durable` it is on
    /// stable storage then. Others are waited for as long as `patience` says.
    pub(super) fn write<T>(
        &self,
        durable: bool,
        patience: Option<Duration>,
        work: impl FnOnce(&mut RwTxn<'_>, &Tables) -> Result<T>,
    ) -> Result<T> {
        self.write_with(Metadata::Used, durable, patience, work)
    }

    /// As [`Index::write`]; there is a table of metadata if it is to be made.
    pub(super) fn write_with<T>(
        &self,
        metadata: Metadata,
        durable: bool,
        patience: Option<Duration>,
        work: impl FnOnce(&mut RwTxn<'_>, &Tables) -> Result<T>,
    ) -> Result<T> {
        let opened = self.opened()?;
        let writers = self.writers.get_or_try_init(|| Writers::open(&self.folder.join(DATA)))?;
        let done = writers.alone(&self.folder, patience, || {
            opened.expect_not_cut(&self.folder)?;
            let tables = opened.tables(metadata).map_err(|error| self.failed(error))?;
            let mut txn = opened.env.write_txn().map_err(|error| self.failed(error))?;
            let done = work(&mut txn, &tables)?;
            txn.commit().map_err(|error| self.failed(error))?;
            opened.complete().map_err(|error| self.failed(error))?;
            Ok(done)
        })?;
        if durable {
            opened.env.force_sync().map_err(|error| self.failed(error))?;
        }
        Ok(done)
    }

    /// Has readers see what a writer committed that was killed before it said so: LMDB tells them of it when the next
    /// one begins to write.
    pub(super) fn recover(&self, patience: Option<Duration>) -> Result<()> {
        self.write(false, patience, |_, _| Ok(()))
    }

    /// Notes that no file is to be put in place of the array's any more.
    pub(super) fn forget_moving(&self, patience: Option<Duration>) -> Result<()> {
        self.write(true, patience, |txn, tables| {
            tables.facts.delete(txn, b"moving").map(drop).map_err(|error| self.failed(error))
        })
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

/// Runs `work`, which puts another file at `path`, while nobody names any rows, and takes every name out of the
/// index, if there is one.
pub(super) fn while_clearing<T>(
    path: &Path,
    patience: Option<Duration>,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let Some(index) = usable(&folder_of(path))? else { return work() };
    index.write(true, patience, |txn, tables| {
        clear(&index, txn, tables)?;
        work()
    })
}

/// Takes every name out of the index of the array at `path`, which is about to be replaced by other means.
pub(super) fn reset(path: &Path, patience: Option<Duration>) -> Result<()> {
    let Some(index) = usable(&folder_of(path))? else { return Ok(()) };
    index.write(true, patience, |txn, tables| clear(&index, txn, tables))
}

/// Takes every name out of the index of an array that is gone. Who has made a new one names nothing before.
pub(super) fn forget_names_of_none(path: &Path, patience: Option<Duration>) -> Result<()> {
    let Some(index) = usable(&folder_of(path))? else { return Ok(()) };
    index.write(true, patience, |txn, tables| {
        if path.exists() {
            return Err(io_error(io::ErrorKind::AlreadyExists.into(), "creating", path));
        }
        clear(&index, txn, tables)
    })
}

/// The index in `folder`, if there is one of use to anybody; else it is removed.
pub(super) fn usable(folder: &Path) -> Result<Option<Arc<Index>>> {
    expect_index(folder)?;
    if !folder.exists() {
        return Ok(None);
    }
    match Index::open(folder, false) {
        Err(error) if error.kind() == ErrorKind::CorruptData => remove_index(folder).map(|()| None),
        index => index.map(Some),
    }
}

/// Takes all names, and all facts but what is counted, out of an index whose files are to be others.
pub(super) fn clear(index: &Index, txn: &mut RwTxn<'_>, tables: &Tables) -> Result<()> {
    let failed = |error| index.failed(error);
    let generation = number(tables.facts.get(txn, b"generation").map_err(failed)?)?;
    if let Some(Ok(left)) = tables.facts.get(txn, b"moving").map_err(failed)?.map(std::str::from_utf8) {
        // Nobody is to put it in the place of what comes now.
        let is_beside = index.array_name().is_some_and(|name| is_beside(left, &name));
        let _ = is_beside.then(|| std::fs::remove_file(index.folder.with_file_name(left)));
    }
    let deletions = number(tables.facts.get(txn, DELETIONS).map_err(failed)?)?;
    for table in [tables.names, tables.order, tables.facts].into_iter().chain(tables.meta) {
        table.clear(txn).map_err(failed)?;
    }
    let counted = [(&b"generation"[..], generation), (DELETIONS, deletions)];
    counted.iter().try_for_each(|(fact, count)| {
        tables.facts.put(txn, fact, &count.wrapping_add(1).to_le_bytes()).map_err(failed)
    })
}

/// The number that a fact says; 0 if it is not there.
pub(super) fn number(fact: Option<&[u8]>) -> Result<u64> {
    fact.map_or(Ok(0), |bytes| Ok(u64::from_le_bytes(bytes.try_into().map_err(|_| damaged())?)))
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[cold]
fn no_names(folder: &Path) -> Error {
    let reason = "the array has no names; opened with mode \"r+\" or \"a\" it gets an index of them";
    let array = folder.with_extension("");
    Error::new(ErrorKind::NotFound, reason).during("opening").at(array.display().to_string())
}
