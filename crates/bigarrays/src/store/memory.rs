//! Values in memory, for tests, for small things, and to be shared within a process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, RwLock};

use super::{
    Blob, Change, ChangeFn, Extent, Get, GetSink, Store, Update, Wanted, check_key, in_parallel, join_path,
};
use crate::base::buffer::with_scratch;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::{MutexExt, RwLockExt};
use crate::chunk::codec::ContentEncoding;
use crate::run::pool::whole_across_forks;

/// How many maps share the keys, so that threads seldom wait for each other.
const SHARDS: usize = 64;

/// A store in this process' memory. Clones and children share the values.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    name: Arc<str>,
    values: Arc<Values>,
    /// Empty, or ends in `/`.
    prefix: String,
    read_only: bool,
}

struct Values([RwLock<HashMap<String, Arc<Value>>>; SHARDS]);

struct Value {
    bytes: Arc<[u8]>,
    encoding: ContentEncoding,
    /// No other value of this process ever has the same.
    version: u64,
}

static VERSIONS: AtomicU64 = AtomicU64::new(0);

static NAMED: LazyLock<Mutex<HashMap<String, MemoryStore>>> = LazyLock::new(Mutex::default);

/// Opens `NAME` or `NAME/PATH`.
pub(super) fn open_named(path: &str, read_only: bool) -> Result<Arc<dyn Store>> {
    let (name, path) = path.split_once('/').unwrap_or((path, ""));
    if name.is_empty() {
        return Err(Error::invalid("memory:// needs a name, as in memory://scratch"));
    }
    let new = || MemoryStore { name: name.into(), ..MemoryStore::default() };
    let store = whole_across_forks(|| {
        let mut named = NAMED.locked();
        named.entry(name.to_owned()).or_insert_with(new).clone()
    });
    MemoryStore { read_only, ..store }.child(path)
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a value as it is.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no key.
    pub(crate) fn put(&self, key: &str, bytes: Arc<[u8]>) -> Result<()> {
        let version = VERSIONS.fetch_add(1, Ordering::Relaxed);
        let value = Value { bytes, encoding: ContentEncoding::Identity, version };
        self.values.replace(&self.key(key)?, None, Some(Arc::new(value)));
        Ok(())
    }

    /// Empties the store. Returns the values, but for those that somebody is reading.
    pub(crate) fn take_all(&self) -> Vec<Arc<[u8]>> {
        let all = whole_across_forks(|| {
            self.values
                .0
                .iter()
                .flat_map(|shard| std::mem::take(&mut *shard.write_locked()))
                .collect::<Vec<_>>()
        });
        all.into_iter().filter_map(|(_, value)| Some(Arc::into_inner(value)?.bytes)).collect()
    }

    fn key(&self, key: &str) -> Result<String> {
        check_key(key)?;
        Ok(format!("{}{key}", self.prefix))
    }
}

impl Values {
    fn shard(&self, key: &str) -> &RwLock<HashMap<String, Arc<Value>>> {
        &self.0[super::lock::stable_hash(key.as_bytes()) as usize % SHARDS]
    }

    fn get(&self, key: &str) -> Option<Arc<Value>> {
        whole_across_forks(|| self.shard(key).read_locked().get(key).cloned())
    }

    /// Puts `new`, or removes the value, unless it is another than `expected`. `Arc`s that are held
    /// are equal only if the value was never replaced.
    fn replace(&self, key: &str, expected: Option<Option<&Arc<Value>>>, new: Option<Arc<Value>>) -> bool {
        whole_across_forks(|| {
            let mut shard = self.shard(key).write_locked();
            if expected.is_some_and(|expected| shard.get(key).map(Arc::as_ptr) != expected.map(Arc::as_ptr)) {
                return false;
            }
            match new {
                Some(value) => drop(shard.insert(key.to_owned(), value)),
                None => drop(shard.remove(key)),
            }
            true
        })
    }

    /// Tries until no other writer came between reading and replacing. Nothing is locked during
    /// `change`, which may therefore do whatever it likes, and one of all who try succeeds.
    fn update(&self, key: &str, index: usize, reads: bool, change: &ChangeFn<'_>) -> Result<()> {
        loop {
            let old = reads.then(|| self.get(key)).flatten();
            let blob = old.as_deref().map(Value::blob);
            let (change, new) = with_scratch(|new| {
                new.clear();
                let change = change(index, blob, new)?;
                let put = matches!(change, Change::Put(_)).then(|| Arc::from(&new[..]));
                Ok((change, put))
            })?;
            let version = VERSIONS.fetch_add(1, Ordering::Relaxed);
            let new = match (change, new) {
                (Change::Put(encoding), Some(bytes)) => Some(Arc::new(Value { bytes, encoding, version })),
                (Change::Keep, _) => return Ok(()),
                _ => None,
            };
            if self.replace(key, reads.then_some(old.as_ref()), new) {
                return Ok(());
            }
        }
    }
}

impl Value {
    fn blob(&self) -> Blob<'_> {
        Blob::whole(&self.bytes, self.encoding)
    }

    /// Lends `use_it` what `request` asks for.
    fn answer<T>(&self, request: &Get, use_it: impl FnOnce(Blob<'_>) -> Result<T>) -> Result<T> {
        let name = (request.version != Wanted::Any).then(|| self.version.to_string());
        let version = name.as_deref();
        if request.version.withholds(version) {
            return use_it(Blob { extent: Extent::Withheld, version, ..Blob::parts(&[]) });
        }
        let Some(ranges) = request.part.of(self.bytes.len() as u64, self.encoding)? else {
            return use_it(Blob { version, ..self.blob() });
        };
        with_scratch(|joined| {
            joined.clear();
            for range in &*ranges {
                joined.extend_from_slice(&self.bytes[range.start as usize..range.end as usize]);
            }
            use_it(Blob { version, ..Blob::parts(joined) })
        })
    }
}

impl Store for MemoryStore {
    fn location(&self, key: &str) -> String {
        format!("memory://{}/{}{key}", self.name, self.prefix)
    }

    fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
        let base = self.prefix.split_terminator('/').collect();
        let prefix = join_path(base, path)?.into_iter().flat_map(|part| [part, "/"]).collect();
        Ok(Arc::new(Self { prefix, ..self.clone() }))
    }

    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
        in_parallel(requests, |index, request| match self.values.get(&self.key(&request.key)?) {
            Some(value) => value
                .answer(request, |blob| sink(index, Some(blob)))
                .map_err(|error| error.during("reading").at(self.location(&request.key))),
            None => sink(index, None),
        })
    }

    fn lent(&self, key: &str) -> Option<Arc<[u8]>> {
        let value = self.values.get(&self.key(key).ok()?)?;
        (value.encoding == ContentEncoding::Identity).then(|| Arc::clone(&value.bytes))
    }

    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
        if let (true, Some(first)) = (self.read_only, requests.first()) {
            let error = Error::new(ErrorKind::ReadOnly, "the store was opened for reading only");
            return Err(error.during("writing").at(self.location(&first.key)));
        }
        in_parallel(requests, |index, request| {
            let Update { key, reads, .. } = request;
            self.values.update(&self.key(key)?, index, *reads, change)
        })
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
        let wanted = format!("{}{prefix}", self.prefix);
        for shard in &self.values.0 {
            let keys: Vec<_> = whole_across_forks(|| {
                let shard = shard.read_locked();
                let listed = shard.iter().filter(|(key, _)| key.starts_with(&wanted));
                listed.map(|(key, value)| (key.clone(), value.bytes.len() as u64)).collect()
            });
            keys.iter().try_for_each(|(key, size)| found(&key[self.prefix.len()..], *size))?;
        }
        Ok(())
    }
}

impl Default for Values {
    fn default() -> Self {
        Self(std::array::from_fn(|_| RwLock::default()))
    }
}

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Values")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_cannot_leave_the_root() {
        let store = MemoryStore::new();
        let deep = store.child("a/./b//c").unwrap();
        assert_eq!(deep.location("k"), "memory:///a/b/c/k");
        assert_eq!(deep.child("../../x").unwrap().location(""), "memory:///a/x/");
        assert!(deep.child("../../../..").is_err());
        assert!(store.child("/a").is_err());
    }

    /// A writer that comes between makes the change see its value.
    #[test]
    fn a_change_is_repeated_after_another_writer() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let request = Update { key: "k".into(), reads: true, max_len: u64::MAX };
        let calls = Mutex::new(0);
        store
            .update_many(&[request], &|_, old, new| {
                let mut calls = calls.lock().unwrap();
                *calls += 1;
                if *calls == 1 {
                    store.write("k", b"other")?;
                }
                new.extend_from_slice(old.map_or(b"" as &[u8], |old| old.bytes));
                new.push(b'!');
                Ok(Change::Put(ContentEncoding::Identity))
            })
            .unwrap();
        assert_eq!(store.read("k").unwrap().unwrap(), b"other!");
    }
}
