//! Groups: what they hold.

use std::collections::BTreeMap;

use super::dialect::Version;
use crate::base::error::{Error, Result};
use crate::format::document::{self, Document};
use crate::format::{Node, walk};
use crate::store::Store;

/// Folders that are looked at for a message.
const FOR_MESSAGE: usize = 50;

/// All arrays and groups below the group of `document`: by the consolidated metadata where there are
/// some, or else by a listing of the store.
pub(super) fn list(store: &dyn Store, version: &dyn Version, document: &Document) -> Result<Vec<Node>> {
    match consolidated(store, version, document)? {
        Some(nodes) => Ok(nodes),
        None => listed(store, version, usize::MAX).map(|(nodes, _)| nodes),
    }
}

fn nodes(found: BTreeMap<String, bool>) -> Vec<Node> {
    found.into_iter().map(|(path, is_array)| Node { path, is_array }).collect()
}

fn consolidated(store: &dyn Store, version: &dyn Version, document: &Document) -> Result<Option<Vec<Node>>> {
    let own;
    let holder = if version.consolidated_key() == version.group_key() {
        document
    } else {
        own = document::read(store, version.consolidated_key())?.unwrap_or_default();
        &own
    };
    let Some(consolidated) = version.consolidated(holder) else { return Ok(None) };
    let mut found: BTreeMap<_, _> =
        consolidated.iter().filter_map(|(name, copy)| version.consolidated_node(name, copy)).collect();
    // What leads out of the group is none of it.
    found.retain(|path, _| path.split('/').all(|part| !matches!(part, "" | "." | "..")));
    Ok(Some(nodes(found)))
}

/// The nodes among the first `most` folders below the store, and whether there are more.
pub(super) fn listed(store: &dyn Store, version: &dyn Version, most: usize) -> Result<(Vec<Node>, bool)> {
    walk::nodes(store, most, &|store| version.is_array(store))
}

/// An error that says that this is a group, and what it holds.
pub(super) fn is_group(store: &dyn Store, version: &dyn Version, document: &Document) -> Error {
    let found = match consolidated(store, version, document) {
        Ok(Some(nodes)) => Ok((nodes, false)),
        _ => listed(store, version, FOR_MESSAGE),
    };
    let (nodes, is_cut) = found.unwrap_or_default();
    let arrays: Vec<&str> =
        nodes.iter().filter(|node| node.is_array).map(|node| node.path.as_str()).collect();
    let shown = arrays.iter().take(20).copied().collect::<Vec<_>>().join(", ");
    let what = match (arrays.is_empty(), is_cut || arrays.len() > 20) {
        (true, _) => "no array was found in it".to_owned(),
        (false, true) => format!("among others, it holds {shown}"),
        (false, false) => format!("it holds {shown}"),
    };
    Error::invalid(format!("this is a group, not an array: open one by its path, or as a scale; {what}"))
}
