//! Changes that are gathered, so that what lies in one shard is written at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::base::error::Result;
use crate::base::sync::MutexExt;
use crate::chunk::codec::ContentEncoding;
use crate::store::{Blob, Change, ChangeFn, Get, GetSink, Store, Update};

/// A store that collects values that are written without reading, up to 64 MiB, until [`Gather::put`]. Changes that read
/// pass at once. Reads do not see what is collected.
#[derive(Debug)]
pub(crate) struct Gather {
    inner: Arc<dyn Store>,
    kept: Mutex<Vec<(Update, Kept)>>,
    bytes: AtomicUsize,
}

/// The most bytes that are kept.
const MOST: usize = 64 << 20;

/// What is to become of a key.
#[derive(Debug)]
enum Kept {
    Put(ContentEncoding, Vec<u8>),
    Other(Change),
}

impl Gather {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Self {
        Self { inner, kept: Mutex::new(Vec::new()), bytes: AtomicUsize::new(0) }
    }

    /// Puts all that was kept, in one batch.
    pub(crate) fn put(&self) -> Result<()> {
        self.bytes.store(0, Ordering::Relaxed);
        let (requests, kept): (Vec<Update>, Vec<Kept>) =
            std::mem::take(&mut *self.kept.locked()).into_iter().unzip();
        self.inner.update_many(&requests, &|position, _, new: &mut Vec<u8>| {
            Ok(match &kept[position] {
                Kept::Put(encoding, bytes) => {
                    new.extend_from_slice(bytes);
                    Change::Put(*encoding)
                }
                Kept::Other(change) => *change,
            })
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
        for position in new {
            let mut bytes = Vec::new();
            let kept = match change(position, None, &mut bytes)? {
                Change::Put(encoding) => Kept::Put(encoding, bytes),
                other => Kept::Other(other),
            };
            let length = if let Kept::Put(_, bytes) = &kept { bytes.len() } else { 0 };
            self.kept.locked().push((requests[position].clone(), kept));
            if self.bytes.fetch_add(length, Ordering::Relaxed) + length > MOST {
                self.put()?;
            }
        }
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
