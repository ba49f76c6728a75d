//! What lies below a group.

use std::sync::Arc;

use super::traits::Node;
use crate::base::error::{ErrorKind, Result};
use crate::store::Store;

/// How deep is looked: folders that link to those above do not end otherwise.
const DEEPEST: usize = 32;

/// What a folder is: an array or not; `None` if it is just a folder.
pub(super) type Kind<'a> = &'a dyn Fn(&dyn Store) -> Result<Option<bool>>;

/// The arrays and groups below `store` among the first `most` folders, in order, and whether there are more.
///
/// Folders are listed one by one, those of arrays not: so the chunks of arrays are not listed.
pub(super) fn nodes(store: &dyn Store, most: usize, kind: Kind<'_>) -> Result<(Vec<Node>, bool)> {
    let mut walk = Walk { kind, left: most, found: Vec::new() };
    let is_cut = !walk.folder(store, "", 0)?;
    Ok((walk.found, is_cut))
}

struct Walk<'a> {
    kind: Kind<'a>,
    left: usize,
    found: Vec<Node>,
}

impl Walk<'_> {
    /// Looks through a folder at `path`; whether all of it was looked at.
    fn folder(&mut self, store: &dyn Store, path: &str, depth: usize) -> Result<bool> {
        let mut folders = Vec::new();
        store.names(&mut |name, size| {
            folders.extend(size.is_none().then(|| name.to_owned()));
            Ok(())
        })?;
        folders.sort();
        for folder in folders {
            if self.left == 0 || depth == DEEPEST {
                return Ok(false);
            }
            self.left -= 1;
            let child: Arc<dyn Store> = store.child(&folder)?;
            let path = if path.is_empty() { folder } else { format!("{path}/{folder}") };
            let kind = match (self.kind)(&*child) {
                // There is something, and whoever opens it is told what is wrong.
                Err(error) if error.kind() == ErrorKind::InvalidMetadata => Some(true),
                kind => kind?,
            };
            self.found.extend(kind.map(|is_array| Node { path: path.clone(), is_array }));
            if kind != Some(true) && !self.folder(&*child, &path, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
