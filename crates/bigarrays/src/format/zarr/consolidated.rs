//! Consolidated metadata: copies of what all nodes below a group are, in the group itself.
//!
//! Nobody but who changes a node can keep the copies true. So after each change, the groups above take what is
//! stored of the node then, and look whether it is still that: of two processes that change the same node, the one
//! that is last to look sees both changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::dialect::Version;
use super::group;
use crate::base::error::{Error, ErrorKind, Result};
use crate::format::Node as Stored;
use crate::format::document::{self, Document};
use crate::store::Store;

/// Has the groups above the root of `store`, and that at the root, know what is stored of it now.
///
/// # Errors
/// A storage error; not if there is something above that may not be read.
pub(super) fn refresh(version: &dyn Version, store: &Arc<dyn Store>) -> Result<()> {
    refresh_own(version, store)?;
    each_above(version, store, 0, |above, path| update(above, version, path))
}

/// Makes what is new at the root of `store` part of the hierarchy above: groups of the folders between, which know what
/// is stored of it.
///
/// # Errors
/// As [`refresh`].
pub(super) fn join(version: &dyn Version, store: &Arc<dyn Store>) -> Result<()> {
    let groups = make_groups(version, store)?;
    refresh_own(version, store)?;
    match groups {
        0 => Ok(()),
        groups => each_above(version, store, groups, |above, path| update(above, version, path)),
    }
}

/// Has the group at the root of `store` know what is stored of it now.
fn refresh_own(version: &dyn Version, store: &Arc<dyn Store>) -> Result<()> {
    match version.consolidates_itself() {
        true => update(&**store, version, "").map_err(|error| refreshing(error, store)),
        false => Ok(()),
    }
}

/// Has the groups above the root of `store` know nothing of it.
///
/// # Errors
/// As [`refresh`].
pub(super) fn forget(version: &dyn Version, store: &Arc<dyn Store>) -> Result<()> {
    let key = version.consolidated_key();
    each_above(version, store, 0, |above, path| {
        let document = document::read(above, key)?.unwrap_or_default();
        if version.consolidated(&document).is_none() {
            return Ok(());
        }
        document::change(above, key, |old| {
            let mut document = old;
            if let Some(consolidated) = document.as_mut().and_then(|group| version.consolidated_mut(group)) {
                Node(Vec::new()).put(consolidated, path, version);
            }
            Ok(document)
        })
    })
}

/// A document, or a copy of one, without copies that it may have itself, which some leave out.
fn without_copies(document: &Document, version: &dyn Version) -> Document {
    let mut document = document.clone();
    version.consolidate(&mut document);
    if version.consolidated(&document).is_some_and(Map::is_empty) {
        document.shift_remove("consolidated_metadata");
    }
    document
}

fn refreshing(error: Error, store: &Arc<dyn Store>) -> Error {
    error.during("refreshing consolidated metadata of what holds").at(store.location(""))
}

/// Makes groups of the folders between what is new at the root of `store` and the nearest group above: otherwise it
/// would be of no hierarchy, and in nobody's listing. Makes none if there is no group above. Returns how many levels
/// above are groups now, as far as is known.
///
/// # Errors
/// A storage error.
fn make_groups(version: &dyn Version, store: &Arc<dyn Store>) -> Result<usize> {
    let mut between = Vec::new();
    let mut at = Arc::clone(store);
    while let Some((above, _)) = parent(&*at) {
        if is_group(&*above, version)? {
            let made = between.iter().rev().try_for_each(|folder: &Arc<dyn Store>| {
                let document = version.new_group(&Document::new()).document;
                // Somebody else may have made it meanwhile.
                let made = document::create_or_same(&**folder, version.group_key(), &document);
                made.or_else(
                    |error| if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) },
                )?;
                refresh(version, folder)
            });
            return made.map(|()| between.len() + 1).map_err(|error| refreshing(error, store));
        }
        if between.len() == MOST_FOLDERS {
            break;
        }
        between.push(Arc::clone(&above));
        at = above;
    }
    Ok(0)
}

/// So many folders that are no groups may lie between what is new and the group above.
const MOST_FOLDERS: usize = 4;

/// Calls `work` with each group above the root of `store`, from the nearest on, and the path from there. So many of the
/// nearest levels as are `known` are groups.
fn each_above(
    version: &dyn Version,
    store: &Arc<dyn Store>,
    known: usize,
    work: impl Fn(&dyn Store, &str) -> Result<()>,
) -> Result<()> {
    let (mut at, mut path, mut level) = (Arc::clone(store), String::new(), 0);
    while let Some((above, name)) = parent(&*at) {
        path = if path.is_empty() { name } else { format!("{name}/{path}") };
        let is_one = if level < known { Ok(true) } else { is_group(&*above, version) };
        let worked = is_one.and_then(|is_one| match is_one {
            true => work(&*above, &path).map(|()| true),
            false => Ok(false),
        });
        if !worked.map_err(|error| refreshing(error, store))? {
            break;
        }
        (at, level) = (above, level + 1);
    }
    Ok(())
}

/// The store one level up, and the name of the root of `store` in it.
fn parent(store: &dyn Store) -> Option<(Arc<dyn Store>, String)> {
    let name = match store.local_path() {
        // What has no name in Unicode, no group of JSON names.
        Some(path) => path.file_name()?.to_str()?.to_owned(),
        None => store.location("").trim_end_matches('/').rsplit('/').next()?.to_owned(),
    };
    Some((store.child("..").ok()?, name))
}

fn is_group(store: &dyn Store, version: &dyn Version) -> Result<bool> {
    let key = version.group_key();
    match document::read(store, key) {
        Ok(found) => Ok(found.is_some_and(|group| version.is_group(key, &group))),
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::InvalidMetadata) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Copies what is stored of the node at `path` into the group of `store`, if that has copies; of a group that was
/// not known, also what is below.
fn update(store: &dyn Store, version: &dyn Version, path: &str) -> Result<()> {
    let key = version.consolidated_key();
    let document = document::read(store, key)?.unwrap_or_default();
    let Some(consolidated) = version.consolidated(&document) else { return Ok(()) };
    // A group has no copies without being known itself.
    let is_known =
        path.is_empty() || consolidated.contains_key(&version.consolidated_name(path, version.group_key()));
    let child = store.child(path)?;
    let mut node = Node::read(&*child, version)?;
    loop {
        document::change(store, key, |old| {
            let mut document = old;
            if let Some(consolidated) = document.as_mut().and_then(|group| version.consolidated_mut(group)) {
                node.put(consolidated, path, version);
            }
            Ok(document)
        })?;
        let now = Node::read(&*child, version)?;
        if now == node {
            break;
        }
        node = now;
    }
    if is_known || !is_group(&*child, version)? {
        return Ok(());
    }
    let (below, _) = group::listed(&*child, version, usize::MAX)?;
    below.iter().try_for_each(|node| update(store, version, &format!("{path}/{}", node.path)))
}

/// The documents of a node, by key.
#[derive(PartialEq)]
struct Node(Vec<(&'static str, Option<Document>)>);

impl Node {
    fn read(store: &dyn Store, version: &dyn Version) -> Result<Self> {
        let read = |key: &&'static str| {
            let mut document = document::read(store, key)?;
            if let Some(document) = &mut document {
                version.consolidate(document);
            }
            Ok((*key, document))
        };
        version.keys().iter().map(read).collect::<Result<_>>().map(Self)
    }

    fn exists(&self, version: &dyn Version) -> bool {
        let marks = [version.array_key(), version.group_key()];
        self.0.iter().any(|(key, document)| marks.contains(key) && document.is_some())
    }

    /// Whether the copies have these documents as they are. What says nothing may be missing: empty attributes.
    fn is_copied(&self, copies: &Map<String, Value>, path: &str, version: &dyn Version) -> bool {
        let is_nothing = |document: &Document| document.is_empty();
        self.0.iter().all(|(key, document)| {
            let copy = copies.get(&version.consolidated_name(path, key)).and_then(Value::as_object);
            match (copy, document) {
                (Some(copy), Some(document)) => {
                    without_copies(copy, version) == without_copies(document, version)
                }
                (None, document) => document.as_ref().is_none_or(is_nothing),
                (Some(copy), None) => is_nothing(copy),
            }
        })
    }

    fn put(&self, copies: &mut Map<String, Value>, path: &str, version: &dyn Version) {
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        if !self.exists(version) {
            copies.retain(|key, _| key != path && !key.starts_with(&below));
            return;
        }
        for (key, document) in &self.0 {
            let key = version.consolidated_name(path, key);
            match document {
                Some(document) => drop(copies.insert(key, Value::Object(document.clone()))),
                None => drop(copies.shift_remove(&key)),
            }
        }
    }
}

/// Where the copies in the group at the root of `store` contradict what is stored: a node that has changed, is gone, or
/// is not among them. `nodes` are those that are stored; none if the store cannot list.
///
/// # Errors
/// A storage error; `InvalidMetadata`.
pub(super) fn contradictions(
    version: &dyn Version,
    store: &dyn Store,
    nodes: Option<&[Stored]>,
) -> Result<Vec<String>> {
    let document = document::read(store, version.consolidated_key())?.unwrap_or_default();
    let Some(consolidated) = version.consolidated(&document) else { return Ok(Vec::new()) };
    let mut known: BTreeSet<String> = consolidated
        .iter()
        .filter_map(|(name, copy)| Some(version.consolidated_node(name, copy)?.0))
        .collect();
    known.retain(|path| path.split('/').all(|part| !matches!(part, "" | "." | "..")));
    let mut found = Vec::new();
    for path in &known {
        let node = match Node::read(&*store.child(path)?, version) {
            // Whoever opens it is told.
            Err(error) if error.kind() == ErrorKind::InvalidMetadata => continue,
            node => node?,
        };
        if !node.exists(version) {
            found.push(format!("consolidated metadata have {path:?}, which is not stored"));
        } else if !node.is_copied(consolidated, path, version) {
            found.push(format!("consolidated metadata of {path:?} are not what is stored there"));
        }
    }
    let lacks = |node: &&Stored| !known.contains(&node.path);
    let lacking = nodes.unwrap_or_default().iter().filter(lacks);
    found.extend(lacking.map(|node| format!("consolidated metadata lack {:?}, which is stored", node.path)));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::zarr::v3::Three;
    use crate::format::zarr::versions::ALL;
    use crate::format::{self, CreateSpec, FormatOptions};
    use crate::store::Update;
    use crate::{DataType, Domain, OpenOptions};
    use serde_json::json;

    fn put(store: &dyn Store, key: &str, value: &Value) {
        document::create(store, key, value.as_object().unwrap()).unwrap();
    }

    /// A group with copies of nothing but itself.
    fn consolidated(url: &str, version: &dyn Version) -> std::sync::Arc<dyn Store> {
        let store = crate::store::open(url, &Default::default()).unwrap();
        let documents = match version.number() {
            3 => {
                let copies = json!({"kind": "inline", "must_understand": false, "metadata": {}});
                let group = json!({"zarr_format": 3, "node_type": "group", "attributes": {}});
                vec![("zarr.json", group, Some(("consolidated_metadata", copies)))]
            }
            _ => {
                let group = json!({"zarr_format": 2});
                let copies = json!({"zarr_consolidated_format": 1, "metadata": {".zgroup": group}});
                vec![(".zgroup", group, None), (".zmetadata", copies, None)]
            }
        };
        for (key, mut document, member) in documents {
            if let Some((name, value)) = member {
                document[name] = value;
            }
            put(&*store, key, &document);
        }
        store
    }

    fn copies(store: &dyn Store, version: &dyn Version) -> Map<String, Value> {
        version
            .consolidated(&document::read(store, version.consolidated_key()).unwrap().unwrap())
            .unwrap()
            .clone()
    }

    #[test]
    fn copies_follow_every_change() {
        for version in ALL {
            let name = version.name();
            let root = format!("memory://consolidated-{name}");
            let store = consolidated(&root, version);
            let options = FormatOptions { format: Some(name.to_owned()), ..FormatOptions::default() };
            let array = format!("{root}/g/a");
            let spec = CreateSpec::new(DataType::U8, Domain::from_shape(&[4]).unwrap());
            format::create_group(&format!("{root}/g"), &Map::new(), &options).unwrap();
            OpenOptions::new().format(name).create(&array, &spec).unwrap();
            let attributes = json!({"by": "us"});
            format::update_attributes(&array, attributes.as_object().unwrap(), &options).unwrap();
            OpenOptions::new().format(name).resize(&array, &[7]).unwrap();
            let paths = |all: Map<String, Value>| all.keys().cloned().collect::<Vec<_>>();
            let now = copies(&*store, version);
            let child = store.child("g/a").unwrap();
            if version.number() == 3 {
                assert_eq!(paths(now.clone()), ["g", "g/a"]);
                assert_eq!(now["g/a"], Value::Object(document::read(&*child, "zarr.json").unwrap().unwrap()));
                assert_eq!((&now["g/a"]["shape"], &now["g/a"]["attributes"]), (&json!([7]), &attributes));
            } else {
                assert_eq!(paths(now.clone()), [".zgroup", "g/.zgroup", "g/a/.zarray", "g/a/.zattrs"]);
                assert_eq!((&now["g/a/.zarray"]["shape"], &now["g/a/.zattrs"]), (&json!([7]), &attributes));
            }
            format::update_attributes(&root, attributes.as_object().unwrap(), &options).unwrap();
            if version.number() == 2 {
                assert_eq!(copies(&*store, version)[".zattrs"], attributes);
            }
            format::remove(&array, None, &options).unwrap();
            assert!(!paths(copies(&*store, version)).iter().any(|path| path.contains("g/a")));
            let nodes = format::list(&root, &FormatOptions::default()).unwrap();
            assert_eq!(nodes.iter().map(|node| node.path.as_str()).collect::<Vec<_>>(), ["g"]);
        }
    }

    #[test]
    fn images_and_what_is_removed_without_asking() {
        for version in ALL {
            let name = version.image_name();
            let root = format!("memory://consolidated-{name}");
            let store = consolidated(&root, version);
            let spec = CreateSpec::new(DataType::U8, Domain::from_shape(&[4, 4]).unwrap());
            let image = format!("{root}/image");
            OpenOptions::new().format(name).create(&image, &spec).unwrap();
            OpenOptions::new().add_scale(&image, &spec).unwrap();
            let listed = || {
                let nodes = format::list(&root, &FormatOptions::default()).unwrap();
                nodes.into_iter().map(|node| node.path).collect::<Vec<_>>()
            };
            assert_eq!(listed(), ["image", "image/0", "image/1"]);
            let mut keys = Vec::new();
            store
                .list("image/", &mut |key, _| {
                    keys.push(key.to_owned());
                    Ok(())
                })
                .unwrap();
            let gone = |key| Update { key, reads: false, max_len: 1 };
            let gone: Vec<Update> = keys.into_iter().map(gone).collect();
            store.update_many(&gone, &|_, _, _| Ok(crate::store::Change::Delete)).unwrap();
            refresh(version, &store.child("image").unwrap()).unwrap();
            assert_eq!(listed(), Vec::<String>::new());
            OpenOptions::new().format(name).create(&image, &spec).unwrap();
            format::remove(&image, None, &FormatOptions::default()).unwrap();
            assert_eq!(listed(), Vec::<String>::new());
        }
    }

    #[test]
    fn folders_on_the_way_to_what_is_new_become_groups() {
        for version in ALL {
            let name = version.name();
            let root = format!("memory://consolidated-folders-{name}");
            let store = consolidated(&root, version);
            let spec = CreateSpec::new(DataType::U8, Domain::from_shape(&[4]).unwrap());
            OpenOptions::new().format(name).create(&format!("{root}/sub/deep/a"), &spec).unwrap();
            let nodes = format::list(&root, &FormatOptions::default()).unwrap();
            let paths: Vec<&str> = nodes.iter().map(|node| node.path.as_str()).collect();
            assert_eq!(paths, ["sub", "sub/deep", "sub/deep/a"]);
            assert!(copies(&*store, version).keys().any(|key| key.starts_with("sub/deep/a")));
            // Of no group, nothing is made.
            let lonely = format!("memory://consolidated-lonely-{name}");
            OpenOptions::new().format(name).create(&format!("{lonely}/sub/a"), &spec).unwrap();
            assert_eq!(
                format::list(&format!("{lonely}/sub"), &Default::default()).unwrap_err().kind(),
                ErrorKind::NotFound
            );
        }
    }

    #[test]
    fn copies_are_those_of_the_last_of_many_writers() {
        let root = "memory://consolidated-race";
        let store = consolidated(root, &Three);
        let options = FormatOptions { format: Some("zarr3".to_owned()), ..FormatOptions::default() };
        let node = format!("{root}/node");
        format::create_group(&node, &Map::new(), &options).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let (node, options) = (&node, &options);
                scope.spawn(move || {
                    for count in 0..50 {
                        let change = json!({"last": [writer, count], writer.to_string(): count});
                        format::update_attributes(node, change.as_object().unwrap(), options).unwrap();
                    }
                });
            }
        });
        let stored = format::attributes(&node, &options).unwrap();
        assert_eq!(copies(&*store, &Three)["node"]["attributes"], Value::Object(stored.clone()));
        assert_eq!((stored["0"].as_u64(), stored["3"].as_u64()), (Some(49), Some(49)));
    }

    #[test]
    fn places_above() {
        let above = |url: &str| {
            let store = crate::store::open(url, &Default::default()).unwrap();
            parent(&*store).map(|(above, name)| (above.location(""), name))
        };
        assert_eq!(above("memory://above/a/b/"), Some(("memory://above/a/".to_owned(), "b".to_owned())));
        assert_eq!(above("s3://bucket/a/b/"), Some(("s3://bucket/a/".to_owned(), "b".to_owned())));
        assert_eq!(above("file:///a/b"), Some(("/a".to_owned(), "b".to_owned())));
        assert_eq!(above("s3://bucket"), None);
        assert_eq!((above("/"), above("/a/..")), (None, None));
        let here = std::env::current_dir().unwrap();
        assert_eq!(above("."), above(here.to_str().unwrap()));
    }
}
