//! What is done with whole values, in terms of a store's few methods.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::contract::Store;
use super::request::{Blob, Change, Get, Part, Update};
use crate::base::error::Result;
use crate::base::sync::MutexExt;
use crate::chunk::codec::ContentEncoding;

/// The most bytes that a metadata document may have.
pub(crate) const LARGEST_METADATA: usize = 64 << 20;

impl dyn Store + '_ {
    /// The bytes of `key` as they are stored, or `None` if it is missing.
    ///
    /// # Errors
    /// Those of [`Store::get_many`].
    pub fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let value = Mutex::new(None);
        self.get_many(&[Get::new(key, Part::Whole, u64::MAX)], &|_, blob| {
            *value.locked() = blob.map(|blob| blob.bytes.to_vec());
            Ok(())
        })?;
        Ok(value.into_value())
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
            *value.locked() = decoded;
            Ok(())
        })?;
        Ok(value.into_value())
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
