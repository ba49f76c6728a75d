//! Stores: keys ↔ bytes. Blocking and batched; a store decides for itself how to do a batch in
//! parallel, and hands each value on from whichever thread has it.

mod flat_file;
mod read_only;

pub use flat_file::FlatFile;
pub(crate) use flat_file::{IN_USE, io_error, is_beside, is_left, reserve, temporary_beside};
pub(crate) use lock::KeyLocks;

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rayon::prelude::*;

use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;
use crate::run::interrupt::{PATIENCE, check_interrupt, interrupted, interruptible, is_interruptible};
use crate::run::pool::{is_alone, pool};

pub mod cache;
pub mod conformance;
pub(crate) mod encoded;
pub mod fault;
mod file;
mod leftovers;
mod lock;
mod memory;
mod object;
pub(crate) mod ofd;
mod request;
pub mod shard;
mod survey;
mod temporary;
pub(crate) mod waiting;

pub use cache::{CacheOptions, CachedStore, Validate};
pub use file::FileStore;
pub(crate) use file::version_of;
pub use memory::MemoryStore;
pub use object::{ObjectStore, SETTINGS, Settings};
pub(crate) use read_only::ReadOnlyStore;
use request::is_settled;
pub(crate) use request::settled;
pub use request::{Blob, Change, Extent, Get, Part, Update, Wanted};
pub use survey::Finding;
pub use waiting::on_long_wait;

/// A key-value storage rooted at one place. Keys are relative paths with `/` between parts.
///
/// # Contract
/// - A value is replaced whole: every reader, in any process and after any crash, sees the old bytes
///   or the new ones.
/// - Changes of one key through [`Store::update_many`] follow each other, whoever makes them: each
///   sees the bytes that the one before left.
/// - Only what is certainly absent is reported as missing; any other failure is an error.
/// - Methods take shared references and may be called from many threads at once.
pub trait Store: Debug + Send + Sync {
    /// The URL or path of `key`, for messages and for reopening; the root's for an empty key.
    fn location(&self, key: &str) -> String;

    /// The local file or folder that the store is rooted at; `None` unless it is one of the file system.
    fn local_path(&self) -> Option<&Path> {
        None
    }

    /// The store rooted at `path` below this one. `path` may contain `..`.
    ///
    /// # Errors
    /// `InvalidArgument` if the path leaves what can be addressed.
    fn child(&self, path: &str) -> Result<Arc<dyn Store>>;

    /// Hands each requested value to `sink` as it arrives, in any order, from any thread; `None` if
    /// the key is missing. An error of a request or of the sink ends the batch and is returned.
    fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()>;

    /// Changes each key as `change` says. It is called with the request's position, the value as it
    /// is (`None` if missing, or if the request does not ask for it), and an empty buffer to put the
    /// new value into; maybe more than once, where another writer came first. A store may call it
    /// from several threads.
    fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()>;

    /// Calls `found` with the key and size in bytes of every value whose key starts with `prefix`,
    /// in no particular order.
    fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()>;

    /// About how many bytes take as long to read as one request more does: ranges of a value that lie
    /// nearer to each other than this are better read as one.
    fn request_cost(&self) -> u64 {
        NEAR
    }

    /// Calls `found` with each name at the store's own place, in no particular order: of a value, with its
    /// size in bytes, or of a folder, below which there are more values. A store that can tell them without
    /// listing what is below should.
    fn names(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        let mut folders = BTreeSet::new();
        self.list("", &mut |key, size| match key.split_once('/') {
            None => found(key, Some(size)),
            Some((folder, _)) => {
                folders.insert(folder.to_owned());
                Ok(())
            }
        })?;
        folders.iter().try_for_each(|folder| found(folder, None))
    }

    /// Calls `found` with everything that there is: every value, as [`Store::list`] has them, what dead
    /// writers left, and, in stores of chunks in shards, what is wrong with the shards. Changes nothing.
    ///
    /// # Errors
    /// Those of [`Store::list`], but damage is found, and no error.
    fn survey(&self, found: &mut dyn FnMut(Finding<'_>) -> Result<()>) -> Result<()> {
        self.list("", &mut |key, bytes| found(Finding::Value { key, bytes }))
    }

    /// Calls `found` with everything that removing would remove: each value with its size in bytes, and, without,
    /// each link to a place elsewhere, below which nothing is looked at. Its key is empty if the store's own place
    /// is one.
    ///
    /// # Errors
    /// Those of [`Store::list`].
    fn list_to_remove(&self, found: &mut dyn FnMut(&str, Option<u64>) -> Result<()>) -> Result<()> {
        self.list("", &mut |key, bytes| found(key, Some(bytes)))
    }

    /// Removes the store's own place if it is a link to another, which stays as it is. Returns whether it was one.
    ///
    /// # Errors
    /// `ReadOnly`; a storage error.
    fn unlink(&self) -> Result<bool> {
        Ok(false)
    }

    /// Removes what the store keeps for itself, and its own place if nothing is left there, where
    /// nobody is changing a value. To be called after the last value was removed; a store that is
    /// used again makes anew what it needs.
    fn tidy(&self) {}
}

/// Receives the values of [`Store::get_many`] by the position of their request.
pub type GetSink<'a> = dyn Fn(usize, Option<Blob<'_>>) -> Result<()> + Sync + 'a;

/// Makes the new values of [`Store::update_many`].
pub type ChangeFn<'a> = dyn Fn(usize, Option<Blob<'_>>, &mut Vec<u8>) -> Result<Change> + Sync + 'a;

/// How a store is opened. Each kind of store heeds what applies to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Whether a change is on the disk, and survives a power failure, when it is reported as done.
    pub durable: bool,
    /// Whether every change is refused.
    pub read_only: bool,
    /// Whether writing processes exclude each other: by locks on the file `.bigarrays.lock`, or by
    /// conditional writes. Without, only one process may write at a time.
    pub lock: bool,
    /// How long a change waits for the lock of another thread or process at most; `None` for as long as it takes.
    /// Local files alone have such locks.
    pub lock_timeout: Option<Duration>,
    /// What stores behind a network are told: see [`Settings`].
    pub settings: Settings,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { durable: false, read_only: false, lock: true, lock_timeout: None, settings: Settings::new() }
    }
}

/// The most bytes that a metadata document may have.
pub(crate) const LARGEST_METADATA: usize = 64 << 20;

/// A way to name stores.
#[derive(Debug)]
pub struct Scheme {
    /// What URLs of this kind start with.
    pub prefix: &'static str,
    /// What such URLs look like and mean, in a line.
    pub summary: &'static str,
    /// Opens the store of a URL.
    pub open: fn(&str, &StoreOptions) -> Result<Arc<dyn Store>>,
}

/// Every scheme that [`open`] knows. What has none of these and no `://` is a path.
pub static BUILTIN: &[Scheme] = &[
    Scheme {
        prefix: "file://",
        summary: "file://PATH or PATH: a local directory; the path is taken literally",
        open: |url, options| {
            let path = url.strip_prefix("file://").unwrap_or(url);
            Ok(Arc::new(FileStore::open(path.into(), options.clone())?))
        },
    },
    Scheme {
        prefix: "memory://",
        summary: "memory://NAME: memory shared by all who use that name in this process",
        open: |url, options| memory::open_named(&url["memory://".len()..], options.read_only),
    },
    Scheme {
        prefix: "s3://",
        summary: "s3://BUCKET/PATH: Amazon S3, or what speaks its language at AWS_ENDPOINT_URL",
        open: object::open,
    },
    Scheme { prefix: "gs://", summary: "gs://BUCKET/PATH: Google Cloud Storage", open: object::open },
    Scheme {
        prefix: "az://",
        summary: "az://CONTAINER/PATH or az://CONTAINER@ACCOUNT/PATH: Azure Blob Storage",
        open: object::open,
    },
    Scheme { prefix: "http://", summary: "http://HOST/PATH: a web server, only read", open: object::open },
    Scheme { prefix: "https://", summary: "https://HOST/PATH: a web server, only read", open: object::open },
];

/// Opens the store that `url`, a URL of one of the [`BUILTIN`] schemes or a path, names. It need not
/// exist yet.
///
/// # Errors
/// `Unsupported` for an unknown scheme.
pub fn open(url: &str, options: &StoreOptions) -> Result<Arc<dyn Store>> {
    if let Some(scheme) = BUILTIN.iter().find(|scheme| url.starts_with(scheme.prefix)) {
        return (scheme.open)(url, options);
    }
    if url.contains("://") {
        let known: Vec<_> = BUILTIN.iter().map(|scheme| scheme.prefix).collect();
        let message = format!("unknown kind of URL; known are {} and paths", known.join(", "));
        return Err(Error::unsupported(message).during("opening").at(url));
    }
    (BUILTIN[0].open)(url, options)
}

/// Whether `url` names something behind a network.
pub(crate) fn is_remote(url: &str) -> bool {
    url.contains("://") && !["file://", "memory://"].iter().any(|local| url.starts_with(local))
}

impl dyn Store + '_ {
    /// The bytes of `key` as they are stored, or `None` if it is missing.
    ///
    /// # Errors
    /// Those of [`Store::get_many`].
    pub fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let value = Mutex::new(None);
        self.get_many(&[Get::new(key, Part::Whole, u64::MAX)], &|_, blob| {
            *value.lock().unwrap_or_else(PoisonError::into_inner) = blob.map(|blob| blob.bytes.to_vec());
            Ok(())
        })?;
        Ok(value.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Removes every value whose key `is_gone` says, but nothing that is only linked from here.
    ///
    /// # Errors
    /// Those of [`Store::list`] and [`Store::update_many`].
    pub(crate) fn remove_where(&self, is_gone: impl Fn(&str) -> bool) -> Result<()> {
        let mut keys = Vec::new();
        self.list_to_remove(&mut |key, _| {
            if !key.is_empty() && is_gone(key) {
                keys.push(Update { key: key.to_owned(), reads: false, max_len: u64::MAX });
            }
            Ok(())
        })?;
        self.update_many(&keys, &|_, _, _| Ok(Change::Delete))?;
        self.tidy_folders(keys.iter().map(|update| update.key.as_str()));
        Ok(())
    }

    /// Removes the folders in which these keys were, as far as they are empty now, the deepest first.
    pub(crate) fn tidy_folders<'a>(&self, keys: impl Iterator<Item = &'a str>) {
        let mut folders = BTreeSet::new();
        for mut folder in keys {
            while let Some((above, _)) = folder.rsplit_once('/') {
                if !folders.insert((Reverse(above.matches('/').count()), above)) {
                    break;
                }
                folder = above;
            }
        }
        for (_, folder) in folders {
            // A folder that stays holds what was not listed.
            let _ = self.child(folder).map(|folder| folder.tidy());
        }
    }

    /// The content-decoded value of `key`, a metadata document, or `None` if it is missing.
    ///
    /// # Errors
    /// Those of [`Store::get_many`]; `CorruptData` if it is damaged or absurdly long.
    pub fn read_metadata(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let value = Mutex::new(None);
        self.get_many(&[Get::new(key, Part::Whole, LARGEST_METADATA as u64)], &|_, blob| {
            let decode = |blob: Blob<'_>| {
                blob.encoding.with_decoded(blob.bytes, LARGEST_METADATA, |bytes| Ok(bytes.to_vec()))
            };
            let decoded = blob.map(decode).transpose().map_err(|error| error.at(self.location(key)))?;
            *value.lock().unwrap_or_else(PoisonError::into_inner) = decoded;
            Ok(())
        })?;
        Ok(value.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value of `key` by `bytes`, without a content encoding.
    ///
    /// # Errors
    /// Those of [`Store::update_many`].
    pub fn write(&self, key: &str, bytes: &[u8]) -> Result<()> {
        self.update_many(&[Update { key: key.to_owned(), reads: false, max_len: u64::MAX }], &|_, _, new| {
            new.extend_from_slice(bytes);
            Ok(Change::Put(ContentEncoding::Identity))
        })
    }

    /// Removes the value of `key`, if there is one.
    ///
    /// # Errors
    /// Those of [`Store::update_many`].
    pub fn delete(&self, key: &str) -> Result<()> {
        let request = Update { key: key.to_owned(), reads: false, max_len: u64::MAX };
        self.update_many(&[request], &|_, _, _| Ok(Change::Delete))
    }

    /// Whether `key` has a value.
    ///
    /// # Errors
    /// Those of [`Store::get_many`].
    pub fn exists(&self, key: &str) -> Result<bool> {
        let found = AtomicBool::new(false);
        self.get_many(&[Get::new(key, Part::Presence, u64::MAX)], &|_, blob| {
            found.store(blob.is_some(), Ordering::Relaxed);
            Ok(())
        })?;
        Ok(found.into_inner())
    }
}

/// What names of files start with that stores make for themselves; not to be used in keys.
const RESERVED: &str = ".bigarrays";

/// Refuses what is not a key: a relative path of parts that are neither empty nor `.` or `..`, and
/// not of the names that stores use for themselves.
fn check_key(key: &str) -> Result<()> {
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.starts_with(RESERVED);
    if key.split('/').all(is_part) && !key.contains('\0') {
        return Ok(());
    }
    let message = "a key is a relative path without empty, `.`, `..` or `.bigarrays…` parts";
    Err(Error::invalid(message).during("resolving").at(format!("{key:?}")))
}

/// Appends `path`, resolved by its text alone, to the parts of `base`.
///
/// # Errors
/// `InvalidArgument` if it is absolute or has more `..` than there are parts.
fn join_path<'a>(mut base: Vec<&'a str>, path: &'a str) -> Result<Vec<&'a str>> {
    let refuse = |message: &'static str| Error::invalid(message).during("resolving").at(format!("{path:?}"));
    if path.starts_with('/') || path.contains('\0') {
        return Err(refuse("the path of a child must be relative"));
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(base.pop().ok_or_else(|| refuse("the path leaves its store"))?),
            part => base.push(part),
        }
    }
    Ok(base)
}

/// What [`Store::request_cost`] is of a store that is not behind a network.
pub(crate) const NEAR: u64 = 8 << 10;

/// Does the work of each request of a batch: on the pool, or here if it is only one or the pool's threads have
/// enough to do. The first error keeps further requests from being started, as the caller's wish to stop does.
pub(crate) fn in_parallel<T: Sync>(
    requests: &[T],
    work: impl Fn(usize, &T) -> Result<()> + Sync,
) -> Result<()> {
    if let [request] = requests {
        return work(0, request);
    }
    if is_alone() {
        let mut each = requests.iter().enumerate();
        return each.try_for_each(|(k, request)| check_interrupt().and_then(|()| work(k, request)));
    }
    let pool = pool()?;
    // A thread of the pool takes part in the work instead of waiting for it.
    if !is_interruptible() || rayon::current_thread_index().is_some() {
        let each = |(k, request)| work(k, request);
        return pool.install(|| requests.par_iter().enumerate().try_for_each(each));
    }
    let stop = AtomicBool::new(false);
    let is_stopped = || stop.load(Ordering::Relaxed);
    let each = |(k, request)| match is_stopped() {
        true => Err(interrupted()),
        false => interruptible(&is_stopped, || work(k, request)),
    };
    let (done, outcome) = mpsc::channel();
    pool.in_place_scope(|scope| {
        let (each, requests) = (&each, &requests);
        // Nobody receives after a panic, which the scope passes on.
        scope.spawn(move |_| drop(done.send(requests.par_iter().enumerate().try_for_each(each))));
        loop {
            match outcome.recv_timeout(PATIENCE) {
                Ok(outcome) => return outcome,
                Err(RecvTimeoutError::Timeout) => {
                    stop.fetch_or(check_interrupt().is_err(), Ordering::Relaxed)
                }
                Err(RecvTimeoutError::Disconnected) => return Err(interrupted()),
            };
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::ErrorKind;

    #[test]
    fn urls_and_paths() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let open = |url: &str| open(url, &StoreOptions::default());
        open(path).unwrap().write("a b/c%20", b"1").unwrap();
        assert_eq!(open(&format!("file://{path}/a b")).unwrap().read("c%20").unwrap().unwrap(), b"1");
        open("memory://urls_and_paths/sub").unwrap().write("x", b"2").unwrap();
        assert!(open("memory://urls_and_paths").unwrap().exists("sub/x").unwrap());
        assert!(!open("memory://urls_and_paths2").unwrap().exists("sub/x").unwrap());
        let read_only = StoreOptions { read_only: true, ..StoreOptions::default() };
        for url in [path, "memory://urls_and_paths"] {
            let store = super::open(url, &read_only).unwrap().child("sub").unwrap();
            assert_eq!(store.write("x", b"3").unwrap_err().kind(), ErrorKind::ReadOnly, "{url}");
        }
        assert_eq!(open("gopher://x").unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn keys_are_checked() {
        for key in ["a", "a/b", "...", "-1--2_3-4", "a//b"].iter().zip([true, true, true, true, false]) {
            assert_eq!(check_key(key.0).is_ok(), key.1, "{}", key.0);
        }
        for key in ["", "/a", "a/", "../a", "a/../b", "./a", "a\0", "a/.bigarrays.lock", ".bigarrays-tmp-1"] {
            assert!(check_key(key).is_err(), "{key}");
        }
    }
}
