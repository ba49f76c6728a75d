//! What there is in a store, beyond what listing tells.

use crate::base::error::{Error, ErrorKind};

/// Something that a [survey](super::Store::survey) comes upon.
#[derive(Debug)]
pub enum Finding<'a> {
    /// A value and its size in bytes.
    Value {
        /// Its key.
        key: &'a str,
        /// Its size, as it is stored.
        bytes: u64,
    },
    /// What a writer that died left behind. No reader ever sees it.
    Leftover {
        /// Where it is, relative to the store.
        key: &'a str,
        /// Its size.
        bytes: u64,
    },
    /// A further file of a value: the key, spelled with another suffix. If it says something else, reading the value
    /// is an error.
    Twin {
        /// Where it is, relative to the store.
        key: &'a str,
        /// Its size.
        bytes: u64,
    },
    /// A folder in which there may be further values; one at the key of a value is in its place, and cannot be read.
    Folder {
        /// The key that it would be as a value.
        key: &'a str,
    },
    /// What lies among the shards of a store of chunks and is none.
    Stranger {
        /// Its key in the store of the shards.
        key: &'a str,
        /// Its size.
        bytes: u64,
    },
    /// A shard that is damaged, or a link to nothing, so that some or all of its values cannot be found. At the key of a
    /// value it is that value, and reading it is an error.
    Damaged {
        /// Its key in the store of the shards, or of the values.
        key: &'a str,
        /// In what way.
        error: Error,
    },
}

/// Whether an error of a listing says that this store has none, or not for us.
pub(crate) fn cannot_list(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied)
}
