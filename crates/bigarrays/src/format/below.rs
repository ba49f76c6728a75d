//! Everything that is stored below a place, to be removed as a whole.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{FormatOptions, removed, store_at};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Change, Store, Update};

/// Values removed at once, between two looks at the progress.
const BATCH: usize = 1000;

/// All values below a place: arrays, groups, and whatever else is stored there.
#[derive(Debug)]
pub struct Below {
    url: String,
    store: Arc<dyn Store>,
    /// Each key and its size in bytes.
    keys: Vec<(String, u64)>,
}

impl Below {
    /// Lists what is below `url`.
    ///
    /// # Errors
    /// `NotFound` if nothing is; those of the store, of which some cannot list.
    pub fn list(url: &str, options: &FormatOptions) -> Result<Self> {
        let context = |error: Error| error.during("removing").at(url);
        let store = store_at(url, options).map_err(context)?;
        let mut keys = Vec::new();
        store.list("", &mut |key, bytes| {
            keys.push((key.to_owned(), bytes));
            Ok(())
        })?;
        if keys.is_empty() {
            return Err(context(Error::new(ErrorKind::NotFound, "nothing is stored there")));
        }
        // Metadata, whose names have no digits, before chunks: no reader finds half an array.
        keys.sort_by_cached_key(|(key, _)| (is_numbered(key), key.clone()));
        Ok(Self { url: url.to_owned(), store, keys })
    }

    /// How many values there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// Bytes of all values, as they are stored.
    pub fn bytes(&self) -> u64 {
        self.keys.iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// Removes all of them, and folders that are empty then. `tell` is told the bytes of what is gone so far.
    ///
    /// # Errors
    /// Those of the store, after which some may be gone.
    pub fn remove(&self, options: &FormatOptions, tell: &mut dyn FnMut(u64)) -> Result<()> {
        let mut done = 0;
        for batch in self.keys.chunks(BATCH) {
            let update =
                |(key, _): &(String, u64)| Update { key: key.clone(), reads: false, max_len: u64::MAX };
            let updates: Vec<Update> = batch.iter().map(update).collect();
            self.store.update_many(&updates, &|_, _, _| Ok(Change::Delete))?;
            done += batch.iter().map(|(_, bytes)| bytes).sum::<u64>();
            tell(done);
        }
        removed(&self.url, options)?;
        self.tidy();
        Ok(())
    }

    /// Removes the folders that are empty now, the deepest first.
    fn tidy(&self) {
        let mut folders = BTreeSet::new();
        for (key, _) in &self.keys {
            let mut folder = key.as_str();
            while let Some((above, _)) = folder.rsplit_once('/') {
                if !folders.insert((Reverse(above.matches('/').count()), above)) {
                    break;
                }
                folder = above;
            }
        }
        for (_, folder) in folders {
            // A folder that stays holds what was not listed.
            let _ = self.store.child(folder).map(|folder| folder.tidy());
        }
        self.store.tidy();
    }
}

fn is_numbered(key: &str) -> bool {
    key.rsplit('/').next().unwrap_or(key).bytes().any(|byte| byte.is_ascii_digit())
}
