//! The cache as a store over a store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::entry::Header;
use super::memory::Value;
use super::options::{CacheOptions, Validate, origin};
use super::shared::{Cache, REMEMBERED, Shared};
use crate::base::buffer::with_scratch;
use crate::base::error::Result;
use crate::base::sync::MutexExt;
use crate::chunk::codec::ContentEncoding;
use crate::run::pool::PerProcess;
use crate::store::lock::stable_hash;
use crate::store::percent::without_query;
use crate::store::{
    Blob, ChangeFn, Extent, Finding, Get, GetSink, Part, Settings, Store, Update, Wanted, in_parallel,
    is_settled,
};

/// The longest value that is fetched whole where only a part of it is wanted.
const WIDENED: u64 = 4 << 20;

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
        format!("{}{}", without_query(&self.inner.location(key)), self.origin)
    }

    fn validated(&self) -> Result<Arc<Mutex<HashMap<u64, u64>>>> {
        self.validated.get_or_try_init(|| Ok(Mutex::default()))
    }

    fn note_validated(&self, name: &str, fingerprint: u64) -> Result<()> {
        if self.validate == Validate::Open {
            let validated = self.validated()?;
            let mut validated = validated.locked();
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
                self.validated()?.locked().get(&stable_hash(name.as_bytes())) == Some(&fingerprint)
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
        let writes = *shared.stripe(&name).locked();
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
                            gone.locked().push(position);
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
        let gone = gone.into_value();
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
                steps.locked().push(step);
            }
            Ok(())
        })?;
        let mut steps = steps.into_value();
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

    fn unlink(&self, key: &str) -> Result<bool> {
        self.inner.unlink(key)
    }

    fn tidy(&self, folder: &str) {
        self.inner.tidy(folder);
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
