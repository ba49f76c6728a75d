//! Which keys are an array's own, and whether there are any before it is made.

use super::dialect::Version;
use super::meta::Meta;
use super::versions;
use crate::base::error::{Error, ErrorKind, Result};
use crate::format::place::{Documents, OwnKeys, expect_no_chunks};
use crate::store::Store;
use crate::store::shard::zarr::GridKeys;

impl Meta {
    /// Whether `key` is that of a chunk or shard, be it outside of the array.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.keys.parse(key, self.shape.len()).is_some()
    }

    /// An error if there are chunks or shards where those of this new array will be, without metadata.
    /// If it `adopts` an array that is there, an error also if that has chunks.
    pub(super) fn expect_empty(&self, store: &dyn Store, adopts: bool) -> Result<()> {
        let prefix = match (self.keys.prefixed, self.shape.is_empty()) {
            (true, false) => format!("c{}", self.keys.separator),
            (true, true) => "c".to_owned(),
            (false, _) => String::new(),
        };
        expect_no_chunks(store, &prefix, |key| self.has_key(key)).or_else(|error| {
            // Of an array, making it says so.
            let is_there = versions::marks().try_fold(false, |there, key| Ok(there || store.exists(key)?))?;
            match is_there {
                true if adopts => {
                    let message = "there is something here; remove it first";
                    Err(Error::new(ErrorKind::AlreadyExists, message).at(store.location("")))
                }
                true => Ok(()),
                false => Err(error),
            }
        })
    }
}

/// Which keys beside the documents are of the array or group; `None` if there is none.
pub(in crate::format) fn own_keys(documents: &Documents) -> Option<OwnKeys> {
    let is_there = |key: &&str| documents.contains_key(*key);
    let keys =
        |version: &'static dyn Version| version.keys().iter().copied().chain([version.consolidated_key()]);
    versions::ALL.into_iter().flat_map(keys).find(is_there)?;
    let array = versions::ALL.into_iter().find(|version| is_there(&version.array_key()));
    let array = array.and_then(|version| match &documents[version.array_key()] {
        Some(document) if version.is_group(version.array_key(), document) => None,
        document => Some(document.as_ref().and_then(|document| version.parse(document, None).ok())),
    });
    Some(match array {
        Some(Some(meta)) => Box::new(move |key| meta.has_key(key)),
        // Of an array that cannot be read, whatever looks like a chunk of Zarr.
        Some(None) => Box::new(has_form),
        None => Box::new(|_| false),
    })
}

/// Whether `key` is one that chunks of some array have.
fn has_form(key: &str) -> bool {
    let key = key.strip_prefix("c/").or_else(|| key.strip_prefix("c.")).unwrap_or(key);
    let are_numbers = |separator: char| {
        let mut parts = key.split(separator);
        parts.all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    are_numbers('/') || are_numbers('.')
}
