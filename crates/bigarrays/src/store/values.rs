//! What is done with whole values, in terms of a store's few methods.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::contract::Store;
use super::keys::folder_of;
use super::request::{Change, Get, Part, Update, Value};
use crate::base::error::Result;
use crate::base::sync::MutexExt;
use crate::chunk::codec::ContentEncoding;
use crate::run::interrupt::check_interrupt;

/// The most bytes that a metadata document may have.
pub(crate) const LARGEST_METADATA: usize = 64 << 20;

/// Values that are removed at once.
const BATCH: usize = 1000;

/// Most listings for a removal.
const LISTINGS: usize = 10;

impl dyn Store + '_ {
    /// The requested values in memory, in the order of the requests; `None` for those that are missing.
    ///
    /// # Errors
    /// Those of [`Store::get_many`].
    pub fn get_all(&self, requests: &[Get]) -> Result<Vec<Option<Value>>> {
        let values = Mutex::new(vec![None; requests.len()]);
        self.get_many(requests, &|position, blob| {
            let value = blob.map(Value::from);
            values.locked()[position] = value;
            Ok(())
        })?;
        Ok(values.into_value())
    }

    /// The bytes of `key` as they are stored, or `None` if it is missing.
    ///
    /// # Errors
    /// Those of [`Store::get_many`].
    pub fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let request = Get::new(key, Part::Whole, u64::MAX);
        Ok(self.get_all(&[request])?.pop().flatten().map(|value| value.bytes))
    }

    /// Removes every value whose key `is_gone` says, but nothing that is only linked from here.
    ///
    /// # Errors
    /// Those of [`Store::list_to_remove`] and [`Store::remove_listed`].
    pub(crate) fn remove_where(&self, is_gone: impl Fn(&str) -> bool) -> Result<()> {
        self.remove_telling(&is_gone, &mut |_| {})
    }

    /// As [`remove_where`](Self::remove_where). `tell` gets the bytes of what was removed since the last time. What is
    /// listed is removed in batches, so that no more than one of them is in memory.
    pub(crate) fn remove_telling(
        &self,
        is_gone: &dyn Fn(&str) -> bool,
        tell: &mut dyn FnMut(u64),
    ) -> Result<()> {
        // A listing of what is being removed may leave some out.
        for _ in 0..LISTINGS {
            let (mut batch, mut bytes, mut any) = (Vec::new(), 0, false);
            let mut listed = String::new();
            self.list_to_remove(&mut |key, size| {
                if key.is_empty() || !is_gone(key) {
                    return Ok(());
                }
                batch.push(key.to_owned());
                bytes += size.unwrap_or(0);
                any = true;
                if batch.len() == BATCH {
                    check_interrupt()?;
                    self.remove_batch(&mut batch, &mut listed)?;
                    tell(std::mem::take(&mut bytes));
                }
                Ok(())
            })?;
            self.remove_batch(&mut batch, &mut listed)?;
            self.tidy_folders(std::iter::once(listed.as_str()));
            tell(bytes);
            if !any {
                break;
            }
        }
        Ok(())
    }

    /// Removes the values of these keys, and folders that are empty then, but for that of the last key, which is not
    /// listed to its end. `listed` is that key, of the batch before until it is of this one.
    fn remove_batch(&self, keys: &mut Vec<String>, listed: &mut String) -> Result<()> {
        self.remove_listed(keys)?;
        let before = std::mem::replace(listed, keys.last().cloned().unwrap_or_default());
        let done = keys.iter().map(String::as_str).chain([before.as_str()]);
        self.tidy_folders(done.filter(|key| folder_of(key) != folder_of(listed)));
        keys.clear();
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
            self.tidy(folder);
        }
    }

    /// The content-decoded value of `key`, a metadata document, or `None` if it is missing; a folder of its name is none.
    ///
    /// # Errors
    /// Those of [`Store::get_many`]; `CorruptData` if it is damaged or absurdly long.
    pub fn read_metadata(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let request = Get::new(key, Part::Whole, LARGEST_METADATA as u64);
        let value = match self.get_all(&[request]) {
            Err(_) if self.is_folder(key) => return Ok(None),
            found => found?.pop().flatten(),
        };
        let decoded = value.map(|value| value.decoded(LARGEST_METADATA)).transpose();
        decoded.map_err(|error| error.at(self.location(key)))
    }

    /// Replaces the value of `key` by `bytes`, without a content encoding.
    ///
    /// # Errors
    /// Those of [`Store::update_many`].
    pub fn write(&self, key: &str, bytes: &[u8]) -> Result<()> {
        self.update_many(&[Update::blind(key)], &|_, _, new| {
            new.extend_from_slice(bytes);
            Ok(Change::Put(ContentEncoding::Identity))
        })
    }

    /// Removes the value of `key`, if there is one.
    ///
    /// # Errors
    /// Those of [`Store::update_many`].
    pub fn delete(&self, key: &str) -> Result<()> {
        let request = Update::blind(key);
        self.update_many(&[request], &|_, _, _| Ok(Change::Delete))
    }

    /// Whether `key` has a value; a local folder of its name is none.
    ///
    /// # Errors
    /// Those of [`Store::get_many`].
    pub fn exists(&self, key: &str) -> Result<bool> {
        let found = AtomicBool::new(false);
        let asked = self.get_many(&[Get::new(key, Part::Presence, u64::MAX)], &|_, blob| {
            found.store(blob.is_some(), Ordering::Relaxed);
            Ok(())
        });
        match asked {
            Err(_) if self.is_folder(key) => Ok(false),
            asked => asked.map(|()| found.into_inner()),
        }
    }

    /// Whether there is a local folder in the place of the value of `key`.
    fn is_folder(&self, key: &str) -> bool {
        self.local_path().is_some_and(|root| root.join(key).is_dir())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn values_come_in_the_order_of_their_requests() {
        let store: &dyn Store = &MemoryStore::new();
        let key = |k: usize| format!("{}", k * 7 % 100);
        for k in (0..100).filter(|k| k % 3 > 0) {
            store.write(&key(k), &[k as u8]).unwrap();
        }
        let gets: Vec<_> = (0..100).map(|k| Get::new(key(k), Part::Whole, u64::MAX)).collect();
        let values = store.get_all(&gets).unwrap();
        let bytes = |value: Option<Value>| value.map(|value| value.decoded(1).unwrap());
        let expected = |k: usize| (!k.is_multiple_of(3)).then(|| vec![k as u8]);
        assert!(values.into_iter().map(bytes).eq((0..100).map(expected)));
    }
}
