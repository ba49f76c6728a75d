//! Inputs that stay as they are while a run reads them: what it finds changed is an error, as results would be of two versions.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex};

use twox_hash::XxHash3_128;

use crate::array::Array;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::compute::inputs::Compiled;
use crate::store::{Blob, ChangeFn, Destinations, Extent, Finding, Get, GetSink, Store, Update, settled};

/// The most chunks whose versions are known; of those that are read later, changes are not noticed.
const MOST: u64 = 1 << 18;

/// Bytes that are held for each of them.
const EACH: u64 = 40;

/// The versions of all chunks that a run has read.
#[derive(Clone, Debug, Default)]
pub(super) struct Versions(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    chunks: HashMap<u64, u64, BuildHasherDefault<Known>>,
    /// The arrays that the chunks are of.
    arrays: Vec<Array>,
}

/// The hash of what is one.
#[derive(Default)]
struct Known(u64);

impl Hasher for Known {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn hash(seed: u64, text: &str) -> u64 {
    XxHash3_128::oneshot_with_seed(seed, text.as_bytes()) as u64
}

impl Versions {
    /// Bytes that are held when so many chunks have been read.
    pub(super) fn bytes(chunks: u64) -> u64 {
        chunks.min(MOST) * EACH
    }

    /// The same pass, which finds no other version of a chunk than the run has found before.
    pub(super) fn watch(&self, compiled: &Compiled) -> Compiled {
        compiled.through(&mut |array: &Array| {
            let arrays = &mut self.0.locked().arrays;
            if !arrays.iter().any(|known| std::ptr::eq(known.layout(), array.layout())) {
                arrays.push(array.clone());
            }
            let inner = Arc::clone(array.store());
            let place = hash(0, &inner.location(""));
            array.with_store(Arc::new(Steady { inner, place, versions: self.clone() }))
        })
    }

    /// An error if an array was removed or replaced since the run began to read it: missing chunks were read as fill value.
    pub(super) fn expect_as_opened(&self) -> Result<()> {
        let arrays = std::mem::take(&mut self.0.locked().arrays);
        arrays.iter().try_for_each(Array::expect_as_opened)
    }

    /// Whether a chunk has the version that it had when it was first read; `None` is that of a missing one.
    fn is_as_before(&self, (place, key): (u64, &str), version: Option<&str>) -> bool {
        let chunk = hash(place, key);
        let version = version.map_or(0, |name| hash(1, settled(name)));
        let known = &mut self.0.locked().chunks;
        let has_room = (known.len() as u64) < MOST;
        match known.entry(chunk) {
            Entry::Occupied(before) => *before.get() == version,
            Entry::Vacant(new) if has_room => *new.insert(version) == version,
            Entry::Vacant(_) => true,
        }
    }
}

/// A store that passes everything on but the chunks that have changed.
#[derive(Debug)]
struct Steady {
    inner: Arc<dyn Store>,
    /// What tells it from other stores.
    place: u64,
    versions: Versions,
}

impl Steady {
    fn check(&self, request: &Get, blob: Option<&Blob<'_>>) -> Result<()> {
        let version = match blob {
            Some(Blob { extent: Extent::Withheld, .. } | Blob { version: None, .. }) => return Ok(()),
            Some(Blob { version, .. }) => *version,
            None => None,
        };
        if self.versions.is_as_before((self.place, &request.key), version) {
            return Ok(());
        }
        let reason = "it has changed since this computation first read it, whose results would be of two versions; compute \
                      again when nothing writes to it";
        Err(Error::new(ErrorKind::Storage, reason).during("reading").at(self.inner.location(&request.key)))
    }
}

impl Store for Steady {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        self.inner.child(path)
    }

    fn local_path(&self) -> Option<&Path> {
        self.inner.local_path()
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        self.get_many_to(requests, &Destinations::NONE, sink)
    }

    fn get_many_to(
        &self,
        requests: &[Get],
        destinations: &Destinations<'_>,
        sink: &GetSink<'_>,
    ) -> Result<()> {
        let requests: Vec<Get> = requests.iter().map(Get::named).collect();
        self.inner.get_many_to(&requests, destinations, &|position, blob| {
            self.check(&requests[position], blob.as_ref())?;
            sink(position, blob)
        })
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        self.inner.update_many(requests, change)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.inner.list(prefix, found)
    }

    fn request_cost(&self) -> u64 {
        self.inner.request_cost()
    }

    fn survey(&self, found: &mut dyn FnMut(Finding<'_>) -> Result<()>) -> Result<()> {
        self.inner.survey(found)
    }
}
