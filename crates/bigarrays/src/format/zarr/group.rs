//! Groups: what they hold.

use std::collections::BTreeMap;

use super::dialect::{Version, entries};
use super::{v2, v3};
use crate::base::error::{Error, Result};
use crate::format::document::{self, Document};
use crate::format::{Node, walk};
use crate::store::Store;

/// Folders that are looked at for a message.
const FOR_MESSAGE: usize = 50;

/// All arrays and groups below the group of `document`: by the consolidated metadata where there are
/// some, or else by a listing of the store.
pub(super) fn list(store: &dyn Store, version: Version, document: &Document) -> Result<Vec<Node>> {
    match consolidated(store, version, document)? {
        Some(nodes) => Ok(nodes),
        None => listed(store, version, usize::MAX).map(|(nodes, _)| nodes),
    }
}

fn nodes(found: BTreeMap<String, bool>) -> Vec<Node> {
    found.into_iter().map(|(path, is_array)| Node { path, is_array }).collect()
}

fn consolidated(store: &dyn Store, version: Version, document: &Document) -> Result<Option<Vec<Node>>> {
    let mut found = BTreeMap::new();
    let own;
    let holder = if version == Version::Three {
        document
    } else {
        own = document::read(store, v2::CONSOLIDATED)?.unwrap_or_default();
        &own
    };
    let Some(entries) = entries(holder, version) else { return Ok(None) };
    for (key, entry) in entries {
        if version == Version::Three {
            found.insert(key.clone(), entry.get("node_type").is_some_and(|kind| kind == "array"));
        } else {
            found.extend(node_of(key));
        }
    }
    // What leads out of the group is none of it.
    found.retain(|path, _| path.split('/').all(|part| !matches!(part, "" | "." | "..")));
    Ok(Some(nodes(found)))
}

/// The node below the root whose metadata of version 2 have this key, and whether it is an array.
fn node_of(key: &str) -> Option<(String, bool)> {
    let (path, name) = key.rsplit_once('/')?;
    let is_array = name == v2::ARRAY;
    (is_array || name == v2::GROUP).then(|| (path.to_owned(), is_array))
}

/// The nodes among the first `most` folders below the store, and whether there are more.
pub(super) fn listed(store: &dyn Store, version: Version, most: usize) -> Result<(Vec<Node>, bool)> {
    walk::nodes(store, most, &|store| {
        if version == Version::Three {
            let document = document::read(store, v3::KEY)?;
            return Ok(document.map(|document| v3::kind(&document).is_ok_and(|kind| kind == v3::Kind::Array)));
        }
        match store.exists(v2::ARRAY)? {
            true => Ok(Some(true)),
            false => Ok(store.exists(v2::GROUP)?.then_some(false)),
        }
    })
}

/// An error that says that this is a group, and what it holds.
pub(super) fn is_group(store: &dyn Store, version: Version, document: &Document) -> Error {
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
