//! Places of arrays: what may lie there, and where keys that metadata name may lead.

use std::collections::BTreeMap;

use super::document::{DOCUMENTS, Document};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::redact;
use crate::store::{Store, cannot_list};

/// Says of a key, relative to an array or group, whether a chunk or shard of it can have that key.
pub(super) type OwnKeys = Box<dyn Fn(&str) -> bool>;

/// The documents at a place by name; `None` is one that cannot be read.
pub(super) type Documents = BTreeMap<String, Option<Document>>;

/// An error if there are chunks among the keys that start with `prefix`, where an array is about to be made: it
/// would show them. Asks for the first page of a listing at most; where nothing can be listed, nothing is known.
///
/// # Errors
/// `AlreadyExists`; a storage error.
pub(super) fn expect_no_chunks(
    store: &dyn Store,
    prefix: &str,
    is_chunk: impl Fn(&str) -> bool,
) -> Result<()> {
    let mut found = None;
    let listed = store.list(prefix, &mut |key, _| {
        if !is_chunk(key) {
            return Ok(());
        }
        found = Some(key.to_owned());
        // Ends the listing.
        Err(Error::new(ErrorKind::AlreadyExists, "a chunk"))
    });
    let Some(key) = found else {
        return match listed {
            Err(error) if cannot_list(&error) => Ok(()),
            listed => listed,
        };
    };
    let folder = redact(&store.location("")).into_owned();
    let message = format!(
        "there are chunks without metadata, as a run that was stopped, another that is at work, or a removal that was cut \
         short leave them, and a new array would show them. What was begun with resume goes on with it. Or remove what is \
         left first: bigarrays rm -r {folder:?}, or remove({folder:?}, recursive=True)"
    );
    Err(Error::new(ErrorKind::AlreadyExists, message).at(store.location(&key)))
}

/// An error unless `key`, the name of a new scale, is a path below the layer, whatever system reads it.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn check_new_key(key: &str) -> Result<()> {
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.starts_with(".bigarrays");
    let is_document = DOCUMENTS.contains(&key.split('/').next().unwrap_or(key));
    if key.split('/').all(is_part) && !key.contains(['\\', '\0']) && !is_document {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the key {key:?} of a new scale: expected a path below the layer, without `..`, backslashes, empty parts, and \
         names of metadata"
    )))
}

/// Whether a path of metadata leads to a place below that of the metadata.
pub(super) fn is_below(path: &str) -> bool {
    let mut depth = 0_usize;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return false,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    depth > 0 && !path.starts_with('/') && !path.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_lead_out() {
        for key in ["../k", "a/../../b", "/a", "", ".", "a/..", "a\0"] {
            assert!(!is_below(key), "{key}");
            assert!(check_new_key(key).is_err(), "{key}");
        }
        for key in ["a/../b", "./a", "a/", r"a\b", "info", ".bigarrays.lock", "a//b"] {
            assert!(check_new_key(key).is_err(), "{key}");
        }
        assert!(is_below("a/../b") && is_below("8_8_40") && check_new_key("fine/8_8_40").is_ok());
    }
}
