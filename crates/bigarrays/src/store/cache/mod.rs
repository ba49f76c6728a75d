//! A bounded cache of values as they are stored, in memory and on a disk, over any store.
//!
//! What is kept: whole values. A request for some ranges of a value of known and moderate length fetches
//! and keeps all of it, as its neighbours will be wanted too; other requests for parts pass through.
//! Missing values are not kept: somebody may write them at any time.
//!
//! What is served: under [`Validate::Always`] what the store, asked about the version, says is current;
//! under the others also what was. A write through a cache of the same options removes the value, and
//! what a reader fetched before the write ended is not kept; so a process always reads what it wrote. Metadata documents do not come here: formats
//! read them from the store itself.

mod disk;
pub mod entry;
mod memory;
mod options;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub use disk::{Usage, clear, usage};
pub use options::{CacheOptions, Validate, default_directory};

use self::disk::Disk;
use self::entry::Header;
use self::memory::{Memory, Value};
use self::options::origin;
use super::lock::stable_hash;
use super::{
    Blob, ChangeFn, Extent, Finding, Get, GetSink, Part, Settings, Store, Update, Wanted, in_parallel,
    is_settled,
};
use crate::base::buffer::with_scratch;
use crate::base::error::Result;
use crate::chunk::codec::ContentEncoding;
use crate::run::pool::PerProcess;

/// The longest value that is fetched whole where only a part of it is wanted.
const WIDENED: u64 = 4 << 20;

/// Locks that all names share.
const STRIPES: usize = 256;

/// How many names are remembered: of values that one opening has validated, then it forgets them all; and
/// of values written, then all are taken for written.
const REMEMBERED: usize = 1 << 18;

/// What all arrays opened with equal options share.
#[derive(Debug)]
struct Cache {
    disk: Option<Disk>,
    memory_bytes: u64,
    shared: PerProcess<Shared>,
}

/// What does not survive a fork.
#[derive(Debug)]
struct Shared {
    memory: Mutex<Memory>,
    /// Counts the writes of the names of each stripe; held while one of them is put or removed.
    writes: Vec<Mutex<u64>>,
    written: Mutex<Written>,
}

/// What this process wrote. In a directory, other processes may put back what they fetched before that: it
/// is validated whatever the options say.
#[derive(Debug, Default)]
struct Written {
    names: HashSet<u64>,
    too_many: bool,
}

/// Caches that somebody uses, by their options.
type Known = Vec<(CacheOptions, Weak<Cache>)>;

/// The caches of this process.
static CACHES: PerProcess<Mutex<Known>> = PerProcess::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cache {
    /// The cache of these options, which differ only in their validation for the same cache.
    fn of(options: &CacheOptions) -> Result<Arc<Self>> {
        let key = CacheOptions { validate: Validate::Always, ..options.clone() };
        let caches = CACHES.get_or_try_init(|| Ok(Mutex::default()))?;
        let mut caches = lock(&caches);
        caches.retain(|(_, cache)| cache.strong_count() > 0);
        let known = caches.iter().find(|(known, _)| *known == key).and_then(|(_, cache)| cache.upgrade());
        if let Some(cache) = known {
            return Ok(cache);
        }
        let directory = options.directory.as_deref();
        let disk = directory.map(|directory| Disk::open(directory, options.disk_bytes)).transpose()?;
        let memory_bytes = options.memory_bytes;
        let cache = Arc::new(Self { disk, memory_bytes, shared: PerProcess::new() });
        caches.push((key, Arc::downgrade(&cache)));
        Ok(cache)
    }

    fn shared(&self) -> Result<Arc<Shared>> {
        self.shared.get_or_try_init(|| {
            let writes = (0..STRIPES).map(|_| Mutex::default()).collect();
            let memory = Mutex::new(Memory::new(self.memory_bytes));
            Ok(Shared { memory, writes, written: Mutex::default() })
        })
    }

    fn header(&self, shared: &Shared, name: &str) -> Option<Header> {
        let in_memory = lock(&shared.memory).header(name).cloned();
        in_memory.or_else(|| self.disk.as_ref()?.header(name))
    }

    /// The value of `name`, if it is the one that `fingerprint` tells.
    fn get(&self, shared: &Shared, name: &str, fingerprint: u64) -> Option<Arc<Value>> {
        let is_meant = |value: &Value| value.header.fingerprint() == fingerprint;
        if let Some(value) = lock(&shared.memory).get(name) {
            return Some(value).filter(|value| is_meant(value));
        }
        let value = Arc::new(self.disk.as_ref()?.get(name).filter(is_meant)?);
        // Unless it was just replaced.
        let _stripe = lock(shared.stripe(name));
        if self.disk.as_ref()?.header(name)?.fingerprint() == fingerprint {
            lock(&shared.memory).put(Arc::clone(&value));
        }
        Some(value)
    }

    /// Keeps `value`, unless its name was written since there were `writes`.
    fn put(&self, shared: &Shared, value: Value, writes: u64) {
        let stripe = lock(shared.stripe(&value.header.name));
        if *stripe != writes {
            return;
        }
        if let Some(disk) = &self.disk {
            disk.put(&value);
        }
        lock(&shared.memory).put(Arc::new(value));
    }

    /// Forgets a value that was written.
    fn forget(&self, shared: &Shared, name: &str) {
        if self.disk.is_some() {
            let mut written = lock(&shared.written);
            written.too_many |= written.names.len() >= REMEMBERED;
            if !written.too_many {
                written.names.insert(stable_hash(name.as_bytes()));
            }
        }
        self.remove(shared, name);
    }

    fn remove(&self, shared: &Shared, name: &str) {
        let mut stripe = lock(shared.stripe(name));
        *stripe += 1;
        lock(&shared.memory).remove(name);
        if let Some(disk) = &self.disk {
            disk.remove(name);
        }
    }
}

impl Shared {
    fn was_written(&self, name: &str) -> bool {
        let written = lock(&self.written);
        written.too_many || written.names.contains(&stable_hash(name.as_bytes()))
    }

    fn stripe(&self, name: &str) -> &Mutex<u64> {
        &self.writes[stable_hash(name.as_bytes()) as usize % STRIPES]
    }
}

/// A store that keeps what it reads from another.
#[derive(Clone, Debug)]
pub struct CachedStore {
    inner: Arc<dyn Store>,
    cache: Arc<Cache>,
    validate: Validate,
    /// Tells stores with equal URLs on different servers apart.
    origin: Arc<str>,
    /// The values that were validated since this was opened, as hashes of names and fingerprints.
    validated: Arc<PerProcess<Mutex<HashMap<u64, u64>>>>,
}

/// What is to be asked of the store below.
struct Step<'a> {
    index: usize,
    request: &'a Get,
    /// None for what passes through.
    name: Option<String>,
    /// The version and fingerprint of what is kept.
    known: Option<(String, u64)>,
    writes: u64,
}

impl Step<'_> {
    fn get(&self) -> Get {
        if self.name.is_none() {
            return self.request.clone();
        }
        let version = self.known.as_ref().map_or(Wanted::Named, |(known, _)| Wanted::Unless(known.clone()));
        Get { version, ..Get::new(&self.request.key, Part::Whole, self.request.max_len) }
    }
}

impl CachedStore {
    /// The store `inner`, opened with `settings`, with a cache.
    ///
    /// # Errors
    /// Those of making and opening the directory of the cache.
    pub fn new(inner: Arc<dyn Store>, settings: &Settings, options: &CacheOptions) -> Result<Self> {
        let (cache, origin) = (Cache::of(options)?, origin(settings).into());
        Ok(Self { inner, cache, validate: options.validate, origin, validated: Arc::new(PerProcess::new()) })
    }

    fn name(&self, key: &str) -> String {
        format!("{}{}", self.inner.location(key), self.origin)
    }

    fn validated(&self) -> Result<Arc<Mutex<HashMap<u64, u64>>>> {
        self.validated.get_or_try_init(|| Ok(Mutex::default()))
    }

    fn note_validated(&self, name: &str, fingerprint: u64) -> Result<()> {
        if self.validate == Validate::Open {
            let validated = self.validated()?;
            let mut validated = lock(&validated);
            if validated.len() >= REMEMBERED {
                validated.clear();
            }
            validated.insert(stable_hash(name.as_bytes()), fingerprint);
        }
        Ok(())
    }

    /// Whether the kept value may be served as it is.
    fn is_current(&self, shared: &Shared, name: &str, fingerprint: u64) -> Result<bool> {
        Ok(match self.validate {
            Validate::Always => false,
            _ if shared.was_written(name) => false,
            Validate::Never => true,
            Validate::Open => {
                lock(&*self.validated()?).get(&stable_hash(name.as_bytes())) == Some(&fingerprint)
            }
        })
    }

    /// Serves the value from the cache, or says what to ask the store.
    fn look_up<'a>(
        &self,
        shared: &Shared,
        index: usize,
        request: &'a Get,
        sink: &GetSink<'_>,
    ) -> Result<Option<Step<'a>>> {
        let pass = Step { index, request, name: None, known: None, writes: 0 };
        if !is_cached(request) {
            return Ok(Some(pass));
        }
        let name = self.name(&request.key);
        let writes = *lock(shared.stripe(&name));
        let mut known = None;
        if let Some(header) = self.cache.header(shared, &name) {
            let fingerprint = header.fingerprint();
            if self.is_current(shared, &name, fingerprint)? {
                if let Some(value) = self.cache.get(shared, &name, fingerprint) {
                    return self.serve(shared, index, request, &value, sink).map(|()| None);
                }
            } else {
                known = header.version.map(|version| (version, fingerprint));
            }
        }
        Ok(Some(Step { name: Some(name), known, writes, ..pass }))
    }

    /// Hands a kept value on; one that is of no use is not kept any longer.
    fn serve(
        &self,
        shared: &Shared,
        index: usize,
        request: &Get,
        value: &Value,
        sink: &GetSink<'_>,
    ) -> Result<()> {
        let served = hand_on(index, request, value.blob(), sink);
        served.inspect_err(|_| self.cache.remove(shared, &value.header.name))
    }

    /// Takes the steps; returns those to be taken again, as what was kept is gone by now.
    fn take<'a>(&self, shared: &Shared, steps: Vec<Step<'a>>, sink: &GetSink<'_>) -> Result<Vec<Step<'a>>> {
        let gone = Mutex::new(Vec::new());
        let requests: Vec<Get> = steps.iter().map(Step::get).collect();
        self.inner.get_many(&requests, &|position, blob| {
            let step = &steps[position];
            let Step { index, request, .. } = *step;
            let Some(name) = &step.name else { return sink(index, blob) };
            match (blob, &step.known) {
                (None, _) => {
                    if step.known.is_some() {
                        self.cache.remove(shared, name);
                    }
                    sink(index, None)
                }
                (Some(Blob { extent: Extent::Withheld, .. }), Some((_, fingerprint))) => {
                    self.note_validated(name, *fingerprint)?;
                    match self.cache.get(shared, name, *fingerprint) {
                        Some(value) => self.serve(shared, index, request, &value, sink),
                        None => {
                            lock(&gone).push(position);
                            Ok(())
                        }
                    }
                }
                (Some(blob), _) => {
                    hand_on(index, request, blob, sink)?;
                    self.keep(shared, name, blob, step.writes)
                }
            }
        })?;
        let gone = gone.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut steps: Vec<_> = steps.into_iter().map(Some).collect();
        let again = gone.into_iter().filter_map(|position| steps[position].take());
        Ok(again.map(|step| Step { known: None, ..step }).collect())
    }

    fn keep(&self, shared: &Shared, name: &str, blob: Blob<'_>, writes: u64) -> Result<()> {
        let is_useful = blob.version.is_some() || self.validate != Validate::Always;
        if !is_useful || !blob.is_whole() || !is_settled(blob.version) {
            return Ok(());
        }
        let Some(header) = Header::new(name, blob.version, blob.encoding, blob.bytes) else { return Ok(()) };
        self.note_validated(name, header.fingerprint())?;
        self.cache.put(shared, Value::new(header, blob.bytes.to_vec(), 0), writes);
        Ok(())
    }
}

impl Store for CachedStore {
    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(Self { inner: self.inner.child(path)?, ..self.clone() }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        let shared = self.cache.shared()?;
        let steps = Mutex::new(Vec::new());
        in_parallel(requests, |index, _| {
            if let Some(step) = self.look_up(&shared, index, &requests[index], sink)? {
                lock(&steps).push(step);
            }
            Ok(())
        })?;
        let mut steps = steps.into_inner().unwrap_or_else(PoisonError::into_inner);
        // In the order of the requests, which is that of places on the disk or in an object.
        steps.sort_unstable_by_key(|step| step.index);
        while !steps.is_empty() {
            steps = self.take(&shared, steps, sink)?;
        }
        Ok(())
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        /// Forgets what is changed, also where the change fails half-way or panics.
        struct Forget<'a>(&'a CachedStore, &'a Shared, &'a [Update]);
        impl Drop for Forget<'_> {
            fn drop(&mut self) {
                self.2.iter().for_each(|request| self.0.cache.forget(self.1, &self.0.name(&request.key)));
            }
        }
        let shared = self.cache.shared()?;
        let _forget = Forget(self, &shared, requests);
        self.inner.update_many(requests, change)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        self.inner.list(prefix, found)
    }

    fn names(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        self.inner.names(found)
    }

    fn request_cost(&self) -> u64 {
        self.inner.request_cost()
    }

    fn survey(&self, found: &mut dyn FnMut(Finding<'_>) -> Result<()>) -> Result<()> {
        self.inner.survey(found)
    }

    fn list_to_remove(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        self.inner.list_to_remove(found)
    }

    fn unlink(&self) -> Result<bool> {
        self.inner.unlink()
    }

    fn tidy(&self) {
        self.inner.tidy();
    }
}

/// Whether a request is answered from what is kept.
fn is_cached(request: &Get) -> bool {
    let is_any = matches!(request.version, Wanted::Any | Wanted::Named);
    is_any
        && match request.part {
            Part::Whole => true,
            Part::Ranges { total, .. } => total.is_some_and(|total| total <= WIDENED),
            Part::Presence | Part::First(_) | Part::Last(_) => false,
        }
}

/// Hands on what `request` asks for of a whole value.
fn hand_on(index: usize, request: &Get, blob: Blob<'_>, sink: &GetSink<'_>) -> Result<()> {
    let version = blob.version.filter(|_| request.version != Wanted::Any);
    let encoding = if blob.is_whole() { blob.encoding } else { ContentEncoding::Identity };
    let ranges = request.part.of(blob.bytes.len() as u64, encoding)?;
    let Some(ranges) = ranges.filter(|_| blob.is_whole()) else {
        return sink(index, Some(Blob { version, ..blob }));
    };
    with_scratch(|joined| {
        joined.clear();
        ranges.iter().for_each(|range| {
            joined.extend_from_slice(&blob.bytes[range.start as usize..range.end as usize]);
        });
        sink(index, Some(Blob { version, ..Blob::parts(joined) }))
    })
}

#[cfg(test)]
mod tests;
