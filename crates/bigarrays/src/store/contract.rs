//! The contract that every store keeps.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use super::destinations::Destinations;
use super::request::{Blob, Change, Get, Update};
use super::survey::Finding;
use crate::base::error::Result;

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

    /// As [`Store::get_many`], for who has memory that values are wanted in: a store that can reads a value there, and answers
    /// that. Who passes requests on one by one passes on the destinations as well.
    ///
    /// # Errors
    /// Those of [`Store::get_many`].
    fn get_many_to(
        &self,
        requests: &[Get],
        _destinations: &Destinations<'_>,
        sink: &GetSink<'_>,
    ) -> Result<()> {
        self.get_many(requests, sink)
    }

    /// The value of a key, if it lies in the memory of this process as it is, without an encoding: it is lent, never changed.
    fn lent(&self, _key: &str) -> Option<Arc<[u8]>> {
        None
    }

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

    /// Removes the values of `keys`, and what is only linked from here as a link. Unlike changes, a removal does not
    /// wait for those who change the same value.
    ///
    /// # Errors
    /// `ReadOnly`; a storage error, after which some may be gone.
    fn remove_many(&self, keys: &[String]) -> Result<()> {
        let removals: Vec<Update> = keys.iter().map(Update::blind).collect();
        self.update_many(&removals, &|_, _, _| Ok(Change::Remove))
    }

    /// Removes, as [`Store::remove_many`] does, what a listing has just found under `keys`, for a caller who lists again until
    /// nothing is found: a store that keeps a value under several names may leave all of them but one to the next time.
    /// Stores over others pass on what they change, and nothing else, so that they take removals as [`Store::remove_many`].
    ///
    /// # Errors
    /// Those of [`Store::remove_many`].
    fn remove_listed(&self, keys: &[String]) -> Result<()> {
        self.remove_many(keys)
    }

    /// Removes what is at `key`, or the store's own place for an empty one, if it is a link to elsewhere, which stays
    /// as it is. Returns whether it was one.
    ///
    /// # Errors
    /// `ReadOnly`; a storage error.
    fn unlink(&self, _key: &str) -> Result<bool> {
        Ok(false)
    }

    /// Removes what the store keeps for itself in `folder`, its own place if that is empty, and the folder if
    /// nothing is left there, where nobody is changing a value. To be called after the last value was
    /// removed; a store that is used again makes anew what it needs. Links below the store's own place are not
    /// followed.
    fn tidy(&self, _folder: &str) {}
}

/// Receives the values of [`Store::get_many`] by the position of their request.
pub type GetSink<'a> = dyn Fn(usize, Option<Blob<'_>>) -> Result<()> + Sync + 'a;

/// Makes the new values of [`Store::update_many`].
pub type ChangeFn<'a> = dyn Fn(usize, Option<Blob<'_>>, &mut Vec<u8>) -> Result<Change> + Sync + 'a;

/// What [`Store::request_cost`] is of a store that is not behind a network.
pub(crate) const NEAR: u64 = 8 << 10;
