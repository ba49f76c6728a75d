//! What all arrays opened with equal options share: values in memory and on a disk.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, Weak};

use super::disk::Disk;
use super::entry::Header;
use super::memory::{Memory, Value};
use super::options::{CacheOptions, Validate};
use crate::base::error::Result;
use crate::base::sync::MutexExt;
use crate::run::pool::PerProcess;
use crate::store::lock::stable_hash;

/// Locks that all names share.
const STRIPES: usize = 256;

/// How many names are remembered: of values that one opening has validated, then it forgets them all; and
/// of values written, then all are taken for written.
pub(super) const REMEMBERED: usize = 1 << 18;

/// What all arrays opened with equal options share.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) disk: Option<Disk>,
    pub(super) memory_bytes: u64,
    pub(super) shared: PerProcess<Shared>,
}

/// What does not survive a fork.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) memory: Mutex<Memory>,
    /// Counts the writes of the names of each stripe; held while one of them is put or removed.
    pub(super) writes: Vec<Mutex<u64>>,
    written: Mutex<Written>,
}

/// What this process wrote. In a directory, other processes may put back what they fetched before that: it
/// is validated whatever the options say.
#[derive(Debug, Default)]
pub(super) struct Written {
    names: HashSet<u64>,
    too_many: bool,
}

/// Caches that somebody uses, by their options.
type Known = Vec<(CacheOptions, Weak<Cache>)>;

/// The caches of this process.
static CACHES: PerProcess<Mutex<Known>> = PerProcess::new();

impl Cache {
    /// The cache of these options, which differ only in their validation for the same cache.
    pub(super) fn of(options: &CacheOptions) -> Result<Arc<Self>> {
        let key = CacheOptions { validate: Validate::Always, ..options.clone() };
        let caches = CACHES.get_or_try_init(|| Ok(Mutex::default()))?;
        let mut caches = caches.locked();
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

    pub(super) fn shared(&self) -> Result<Arc<Shared>> {
        self.shared.get_or_try_init(|| {
            let writes = (0..STRIPES).map(|_| Mutex::default()).collect();
            let memory = Mutex::new(Memory::new(self.memory_bytes));
            Ok(Shared { memory, writes, written: Mutex::default() })
        })
    }

    pub(super) fn header(&self, shared: &Shared, name: &str) -> Option<Header> {
        let in_memory = shared.memory.locked().header(name).cloned();
        in_memory.or_else(|| self.disk.as_ref()?.header(name))
    }

    /// The value of `name`, if it is the one that `fingerprint` tells.
    pub(super) fn get(&self, shared: &Shared, name: &str, fingerprint: u64) -> Option<Arc<Value>> {
        let is_meant = |value: &Value| value.header.fingerprint() == fingerprint;
        if let Some(value) = shared.memory.locked().get(name) {
            return Some(value).filter(|value| is_meant(value));
        }
        let value = Arc::new(self.disk.as_ref()?.get(name).filter(is_meant)?);
        // Unless it was just replaced.
        let _stripe = shared.stripe(name).locked();
        if self.disk.as_ref()?.header(name)?.fingerprint() == fingerprint {
            shared.memory.locked().put(Arc::clone(&value));
        }
        Some(value)
    }

    /// Keeps `value`, unless its name was written since there were `writes`.
    pub(super) fn put(&self, shared: &Shared, value: Value, writes: u64) {
        let stripe = shared.stripe(&value.header.name).locked();
        if *stripe != writes {
            return;
        }
        if let Some(disk) = &self.disk {
            disk.put(&value);
        }
        shared.memory.locked().put(Arc::new(value));
    }

    /// Forgets a value that was written.
    pub(super) fn forget(&self, shared: &Shared, name: &str) {
        if self.disk.is_some() {
            let mut written = shared.written.locked();
            written.too_many |= written.names.len() >= REMEMBERED;
            if !written.too_many {
                written.names.insert(stable_hash(name.as_bytes()));
            }
        }
        self.remove(shared, name);
    }

    pub(super) fn remove(&self, shared: &Shared, name: &str) {
        let mut stripe = shared.stripe(name).locked();
        *stripe += 1;
        shared.memory.locked().remove(name);
        if let Some(disk) = &self.disk {
            disk.remove(name);
        }
    }
}

impl Shared {
    pub(super) fn was_written(&self, name: &str) -> bool {
        let written = self.written.locked();
        written.too_many || written.names.contains(&stable_hash(name.as_bytes()))
    }

    pub(super) fn stripe(&self, name: &str) -> &Mutex<u64> {
        &self.writes[stable_hash(name.as_bytes()) as usize % STRIPES]
    }
}
