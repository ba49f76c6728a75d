//! Changes that are gathered, so that what lies in one shard is written at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::base::error::Result;
use crate::base::sync::MutexExt;
use crate::store::{Blob, Change, ChangeFn, Get, GetSink, Store, Update, in_parallel};

/// The blocks of a job that write to one shard. Each writes to [`Batch::store`], and the last one of them to end has all of
/// it put.
#[derive(Debug)]
pub(crate) struct Batch<T> {
    gather: Arc<Gather>,
    /// How many blocks have not ended.
    left: AtomicUsize,
    ended: Mutex<Ended<T>>,
}

/// What is known of the blocks that have ended, and whose chunks are not put.
#[derive(Debug)]
struct Ended<T> {
    notes: Vec<T>,
    /// Whether some of their chunks could not be put.
    is_lost: bool,
}

/// So many bytes are put before the last block ends.
const MOST: usize = 64 << 20;

impl<T> Batch<T> {
    /// So many blocks that write to `store`.
    pub(crate) fn of(blocks: usize, store: &Arc<dyn Store>) -> Self {
        let gather = Arc::new(Gather::over(store));
        let ended = Mutex::new(Ended { notes: Vec::new(), is_lost: false });
        Self { gather, left: AtomicUsize::new(blocks), ended }
    }

    /// The store that the blocks write to.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.gather) as _
    }

    /// Says that a block has ended. Once its chunks are put, `tell` is told its `note`.
    ///
    /// # Errors
    /// Any error of the store, or of `tell`.
    pub(crate) fn end(&self, note: Option<T>, tell: &dyn Fn(T) -> Result<()>) -> Result<()> {
        self.ended.locked().notes.extend(note);
        let is_last = self.left.fetch_sub(1, Ordering::AcqRel) == 1;
        if !is_last && self.gather.kept.locked().bytes <= MOST {
            return Ok(());
        }
        // Locked meanwhile: whoever ends later finds out whether all went well.
        let mut ended = self.ended.locked();
        let put = self.gather.put();
        ended.is_lost |= put.is_err();
        put?;
        let notes = std::mem::take(&mut ended.notes);
        if ended.is_lost { Ok(()) } else { notes.into_iter().try_for_each(tell) }
    }
}

/// A store that collects values that are written without reading. Changes that read pass at once. Reads do not see what
/// is collected.
#[derive(Debug)]
pub(crate) struct Gather {
    inner: Arc<dyn Store>,
    kept: Mutex<Kept>,
}

/// What is to become of some keys.
#[derive(Debug, Default)]
struct Kept {
    changes: Vec<(Update, Change, Vec<u8>)>,
    bytes: usize,
}

impl Gather {
    pub(crate) fn over(store: &Arc<dyn Store>) -> Self {
        Self { inner: Arc::clone(store), kept: Mutex::default() }
    }

    /// Bytes of what was collected.
    pub(crate) fn waiting(&self) -> u64 {
        self.kept.locked().bytes as u64
    }

    /// Puts what was collected, if that is more bytes than this.
    ///
    /// # Errors
    /// Any error of the store.
    pub(crate) fn put_if_over(&self, most: u64) -> Result<()> {
        if self.waiting() > most { self.put() } else { Ok(()) }
    }

    /// Puts all that was collected, in one batch.
    ///
    /// # Errors
    /// Any error of the store.
    pub(crate) fn put(&self) -> Result<()> {
        let kept = std::mem::take(&mut *self.kept.locked()).changes;
        let requests: Vec<Update> = kept.iter().map(|(request, ..)| request.clone()).collect();
        self.inner.update_many(&requests, &|position, _, new: &mut Vec<u8>| {
            let (_, change, bytes) = &kept[position];
            new.extend_from_slice(bytes);
            Ok(*change)
        })
    }
}

impl Store for Gather {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        self.inner.child(path)
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        self.inner.get_many(requests, sink)
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        let (reading, new): (Vec<usize>, Vec<usize>) =
            (0..requests.len()).partition(|&position| requests[position].reads);
        in_parallel(&new, |_, &position| {
            let mut bytes = Vec::new();
            let outcome = change(position, None, &mut bytes)?;
            let request = requests[position].clone();
            let mut kept = self.kept.locked();
            kept.bytes += size_of::<(Update, Change, Vec<u8>)>() + request.key.len() + bytes.len();
            kept.changes.push((request, outcome, bytes));
            Ok(())
        })?;
        let asked: Vec<Update> = reading.iter().map(|&position| requests[position].clone()).collect();
        self.inner
            .update_many(&asked, &|k, old: Option<Blob<'_>>, new: &mut Vec<u8>| change(reading[k], old, new))
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.inner.list(prefix, found)
    }

    fn request_cost(&self) -> u64 {
        self.inner.request_cost()
    }
}
