//! Groups: what they hold.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Version, v2, v3};
use crate::error::{Error, Result};
use crate::format::Node;
use crate::format::document::{self, Document};
use crate::store::Store;

/// Keys that are looked at for a message.
const FOR_MESSAGE: usize = 1000;

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
    let entries = if version == Version::Three {
        document.get("consolidated_metadata").and_then(|all| all.get("metadata")).and_then(Value::as_object)
    } else {
        own = document::read(store, v2::CONSOLIDATED)?;
        own.as_ref().and_then(|all| all.get("metadata")).and_then(Value::as_object)
    };
    let Some(entries) = entries else { return Ok(None) };
    for (key, entry) in entries {
        if version == Version::Three {
            found.insert(key.clone(), entry.get("node_type").is_some_and(|kind| kind == "array"));
        } else {
            found.extend(node_of(key, version));
        }
    }
    Ok(Some(nodes(found)))
}

/// The node below the root whose metadata have this key, and whether it is an array.
fn node_of(key: &str, version: Version) -> Option<(String, bool)> {
    let (path, name) = key.rsplit_once('/')?;
    let is_array = match (version, name) {
        (Version::Three, v3::KEY) | (Version::Two, v2::ARRAY) => true,
        (Version::Two, v2::GROUP) => false,
        _ => return None,
    };
    Some((path.to_owned(), is_array))
}

/// The nodes among the first `most` keys of the store, and whether there are more keys.
fn listed(store: &dyn Store, version: Version, most: usize) -> Result<(Vec<Node>, bool)> {
    let (mut found, mut seen) = (BTreeMap::new(), 0);
    let outcome = store.list("", &mut |key, _| {
        seen += 1;
        if seen > most {
            return Err(Error::new(crate::ErrorKind::Cancelled, "enough"));
        }
        found.extend(node_of(key, version));
        Ok(())
    });
    let is_cut = seen > most;
    if !is_cut {
        outcome?;
    }
    if version == Version::Three {
        for (path, is_array) in &mut found {
            let document = document::read(&*store.child(path)?, v3::KEY)?;
            *is_array = document.and_then(|document| v3::kind(&document).ok()) == Some(v3::Kind::Array);
        }
    }
    Ok((nodes(found), is_cut))
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
