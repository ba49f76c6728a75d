//! The versions of Zarr, which say the same in documents of their own.

use serde_json::{Map, Value};

use crate::format::document::Document;

/// A version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::format) enum Version {
    Two,
    Three,
}

/// The member of a group of version 3 that has the copies.
pub(super) const MEMBER: &str = "consolidated_metadata";

/// The copies in a group's document, by path in version 3, by key in version 2.
pub(super) fn entries(document: &Document, version: Version) -> Option<&Map<String, Value>> {
    let all = if version == Version::Three { document.get(MEMBER)?.as_object()? } else { document };
    all.get("metadata")?.as_object()
}

pub(super) fn entries_mut(document: &mut Document, version: Version) -> Option<&mut Map<String, Value>> {
    let all = if version == Version::Three { document.get_mut(MEMBER)?.as_object_mut()? } else { document };
    all.get_mut("metadata")?.as_object_mut()
}
