//! The LMDB environment beside an array, one for each process.
//!
//! LMDB allows a process one environment for each path, and none of its parent's after a fork. So all
//! arrays share what is open, through a registry, and a forked child opens it anew.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::Duration;

use heed::{MdbError, RoTxn, RwTxn};
use rayon::ThreadPool;

use super::environment::{
    Filling, Opened, can_exchange, exchange, fill, lmdb_error, make, open_environment, removed, share,
};
pub(super) use super::environment::{Metadata, Purpose, Tables, number};
use super::ours::{DATA, expect_index, remove_draft};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::run::pool::{PerProcess, process, thread_pool, threads, whole_across_forks};
use crate::store::{io_error, temporary_beside};

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
    /// The newest snapshot of an index whose place another has taken: what takes it goes on from there.
    newest: AtomicUsize,
    /// Whether anybody in this process writes: who only reads has fewer files open, and none for writing.
    is_written: AtomicBool,
}

/// A snapshot of an index, and its tables.
pub(super) type Entries<'a, 't> = (&'a RoTxn<'t>, &'a Tables);

/// The indexes that this process, or the one it was forked from, has open.
static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<Index>>>> = LazyLock::new(Mutex::default);

/// Threads that help with many lookups. They are few, as each takes a reader's place in every index, and do
/// nothing else, so that no lookup waits for chunks.
fn lookups() -> Result<Arc<ThreadPool>> {
    static LOOKUPS: PerProcess<ThreadPool> = PerProcess::new();
    LOOKUPS.get_or_try_init(|| thread_pool("lookup", (threads() - 1).clamp(1, MOST_HELPERS)))
}

impl Index {
    /// Opens the index in `folder`, for who writes it, or makes one if there is none.
    pub(super) fn open_or_make(folder: &Path) -> Result<Arc<Self>> {
        if !folder.exists() {
            make(folder, &[])?;
        }
        let index = Self::open(folder, Purpose::Writing)?;
        share(&index.folder, &index.folder);
        Ok(index)
    }

    /// Opens the index in `folder`. Who has opened it for reading may write, and then it is opened once more.
    pub(super) fn open(folder: &Path, purpose: Purpose) -> Result<Arc<Self>> {
        let failed = |error| io_error(error, "opening", folder);
        if !folder.exists() {
            return Err(no_names(folder));
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
        let index = Self::registered(folder, purpose)?;
        // This process may have it open since before another took its place.
        index.follow()?;
        Ok(index)
    }

    /// The index in that folder, which this process may have open already.
    fn registered(folder: PathBuf, purpose: Purpose) -> Result<Arc<Self>> {
        whole_across_forks(|| Self::registered_alone(folder, purpose))
    }

    fn registered_alone(folder: PathBuf, purpose: Purpose) -> Result<Arc<Self>> {
        let mut open = OPEN.locked();
        if let Some(index) = open.get(&folder).and_then(Weak::upgrade) {
            return Ok(index);
        }
        let index = Arc::new(Self {
            folder: folder.clone(),
            opened: Mutex::new(None),
            newest: AtomicUsize::new(0),
            is_written: AtomicBool::new(purpose == Purpose::Writing),
        });
        index.opened()?;
        open.retain(|_, index| index.strong_count() > 0);
        open.insert(folder, Arc::downgrade(&index));
        Ok(index)
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
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
        let is_written = self.is_written.load(Ordering::Acquire);
        let purpose = if is_written { Purpose::Writing } else { Purpose::Reading };
        let opened = Arc::new(open_environment(&self.folder, purpose)?);
        if opened.before() < self.newest.load(Ordering::Acquire) {
            return Err(removed(&self.folder));
        }
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
        let opened = self.current()?;
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
                Ok((tables.snapshot(txn), found?))
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
        self.alone(patience, |opened| {
            let tables = opened.tables(metadata).map_err(|error| self.failed(error))?;
            let mut txn = opened.env.write_txn().map_err(|error| self.failed(error))?;
            let done = work(&mut txn, &tables)?;
            txn.commit().map_err(|error| self.failed(error))?;
            opened.complete().map_err(|error| self.failed(error))?;
            if durable {
                opened.env.force_sync().map_err(|error| self.failed(error))?;
            }
            Ok(done)
        })
    }

    /// Runs `work` with what is open, while no other process or thread changes the index.
    fn alone<T>(&self, patience: Option<Duration>, work: impl FnOnce(&Opened) -> Result<T>) -> Result<T> {
        let mut work = Some(work);
        self.have_writable()?;
        loop {
            let opened = self.current()?;
            let done = opened.writers(&self.folder)?.alone(&self.folder, patience, || {
                // Whoever was waited for may have put another in its place.
                if opened.is_replaced(&self.folder) {
                    return Ok(None);
                }
                opened.expect_not_cut(&self.folder)?;
                work.take().map(|work| work(&opened)).transpose()
            })?;
            match done {
                Some(done) => return Ok(done),
                None => self.let_go(opened),
            }
        }
    }

    /// What is open of the index that is at the path now.
    fn current(&self) -> Result<Arc<Opened>> {
        let opened = self.opened()?;
        match opened.expect_not_cut(&self.folder) {
            Err(_) if opened.is_replaced(&self.folder) => {
                self.let_go(opened);
                self.opened()
            }
            checked => checked.map(|()| opened),
        }
    }

    /// Turns to the index that is at the path now, if another has been put there.
    pub(super) fn follow(&self) -> Result<()> {
        let opened = self.opened()?;
        if opened.is_replaced(&self.folder) {
            self.let_go(opened);
        }
        Ok(())
    }

    /// Has the index be open for writing from now on, where it can be written.
    fn have_writable(&self) -> Result<()> {
        self.is_written.store(true, Ordering::Release);
        let opened = self.opened()?;
        if opened.purpose == Purpose::Reading {
            self.close(opened);
        }
        Ok(())
    }

    /// Has what is open at the path now be opened, rather than `old`.
    fn let_go(&self, old: Arc<Opened>) {
        self.newest.fetch_max(old.newest(), Ordering::AcqRel);
        self.close(old);
    }

    /// Has the index be opened anew.
    fn close(&self, old: Arc<Opened>) {
        let number = Arc::as_ptr(&old);
        // Whoever opens the new one waits until nobody has the old one, and holds the lock meanwhile.
        drop(old);
        whole_across_forks(|| {
            let mut slot = self.opened.locked();
            let _ = slot.take_if(|(_, opened)| Arc::as_ptr(opened) == number);
        });
    }

    /// Puts an index in the place of this one that `work` fills from it, while nobody changes either. Says `None` where
    /// the file system cannot exchange folders; then nothing was done.
    pub(super) fn renew<T>(
        &self,
        patience: Option<Duration>,
        work: impl FnOnce(Entries<'_, '_>, Filling<'_, '_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let draft = temporary_beside(&self.folder)?;
        let renewed = self.alone(patience, |opened| {
            if !can_exchange(&draft)? {
                return Ok(None);
            }
            let tables = opened.tables(Metadata::Used).map_err(|error| self.failed(error))?;
            let old = opened.env.write_txn().map_err(|error| self.failed(error))?;
            let start = (tables.snapshot(&old) + 1, tables.meta.is_some());
            let done = fill(&draft, &self.folder, start, |filling| work((&old, &tables), filling))?;
            exchange(&draft, &self.folder).map_err(|error| io_error(error, "replacing", &self.folder))?;
            Ok(Some(done))
        });
        if let Ok(Some(_)) = renewed {
            self.follow()?;
        }
        // The old one, of which others find out by this, or what was not finished.
        remove_draft(&draft);
        renewed
    }

    /// Has readers see what a writer committed that was killed before it said so: LMDB tells them of it when the next
    /// one begins to write.
    pub(super) fn recover(&self, patience: Option<Duration>) -> Result<()> {
        self.write(false, patience, |_, _| Ok(()))
    }

    /// Has every change on stable storage. Dead readers no longer keep pages from being used again.
    pub(super) fn sync(&self) -> Result<()> {
        self.have_writable()?;
        let opened = self.opened()?;
        let synced = opened.env.force_sync().and_then(|()| opened.env.clear_stale_readers());
        synced.map(drop).map_err(|error| self.failed(error))
    }

    #[cold]
    pub(super) fn failed(&self, error: heed::Error) -> Error {
        lmdb_error(error, &self.folder)
    }
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
