//! What arrays and groups have stored below a place, to be removed as a whole, and nothing else.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::address::{Address, Located};
use super::document::{self, DOCUMENTS};
use super::own;
use super::place::{Documents, OwnKeys};
use super::registry;
use super::traits::{Format, FormatOptions};
use super::zarr;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::store::{Get, LARGEST_METADATA, Part, Store, check_key, slices_in_words};

/// Documents read at once.
const BATCH: usize = 1000;

/// Files of others that are named in messages.
const NAMED: usize = 5;

/// All that is of arrays and groups below a place: their metadata, chunks and shards. What is reached through links
/// is not below, but the links are. Where no metadata are left, what has the form of chunks is taken for what a
/// removal that was cut short has left.
#[derive(Debug)]
pub struct Below {
    address: String,
    store: Arc<dyn Store>,
    nodes: Nodes,
    /// How many values are ours, and their bytes.
    values: usize,
    bytes: u64,
    /// Keys of metadata, which go last: those of a depth before those above.
    metadata: Vec<String>,
    links: Vec<String>,
    /// How many values are not ours, and the first of their keys.
    left: usize,
    named: BTreeSet<String>,
}

impl Below {
    /// Lists what is below `address`.
    ///
    /// # Errors
    /// `NotFound` if nothing of ours is, or the address or the options name a format and what is there is of another;
    /// `InvalidArgument` if something of another lies below; those of the store, of which some cannot list.
    pub fn list<'a>(address: impl Into<Address<'a>>, options: &FormatOptions) -> Result<Self> {
        let address = address.into();
        let context = |error: Error| error.during("removing").at(address.shown());
        let found = Self::find(address, options).map_err(context)?;
        if found.count() > 0 {
            return Ok(found);
        }
        let message = match found.left_in_words() {
            None => "nothing is stored there".to_owned(),
            Some(left) => format!("nothing there is of arrays or groups: {left}"),
        };
        let kept = found.store.local_path().and_then(slices_in_words);
        let kept = kept.map_or_else(String::new, |kept| format!("; {kept}; it is removed as folders are"));
        Err(context(Error::new(ErrorKind::NotFound, message + &kept)))
    }

    /// What a removal that was cut short has left at `address`, where no metadata are; `None` if that is nothing.
    ///
    /// # Errors
    /// Those of the store.
    pub fn remains<'a>(address: impl Into<Address<'a>>, options: &FormatOptions) -> Result<Option<Self>> {
        let address = address.into();
        let found = match Self::find(address, options) {
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(None),
            found => found.map_err(|error| error.during("removing").at(address.shown()))?,
        };
        Ok(Some(found).filter(|found| found.nodes.0.is_empty() && found.values > 0))
    }

    /// Looks through what is stored twice, for documents and for what they call for: of the rest, nothing is kept.
    fn find(address: Address<'_>, options: &FormatOptions) -> Result<Self> {
        let located = address.locate(options)?;
        let store = Arc::clone(&located.store);
        let (mut documents, mut links) = (Vec::new(), Vec::new());
        store.list_to_remove(&mut |key, bytes| {
            match bytes {
                Some(bytes) if is_document(key) && check_key(key).is_ok() => {
                    documents.push((key.to_owned(), bytes));
                }
                Some(_) => {}
                None => links.push(key.to_owned()),
            }
            Ok(())
        })?;
        let nodes = Nodes::read(&*store, &documents)?;
        nodes.expect_named(&located, options)?;
        let mut metadata: Vec<String> =
            documents.into_iter().map(|(key, _)| key).filter(|key| nodes.own(key)).collect();
        metadata.sort_by_key(|key| Reverse(key.matches('/').count()));
        let (address, named) = (address.shown(), BTreeSet::new());
        let mut found = Self { address, store, nodes, values: 0, bytes: 0, metadata, links, left: 0, named };
        let store = Arc::clone(&found.store);
        store.list_to_remove(&mut |key, bytes| {
            bytes.into_iter().for_each(|bytes| found.count_in(key, bytes));
            Ok(())
        })?;
        Ok(found)
    }

    fn count_in(&mut self, key: &str, bytes: u64) {
        if self.nodes.own(key) {
            self.values += 1;
            self.bytes = self.bytes.saturating_add(bytes);
            return;
        }
        self.left += 1;
        self.named.insert(key.to_owned());
        if self.named.len() > NAMED {
            self.named.pop_last();
        }
    }

    /// How many values and links there are.
    pub fn count(&self) -> usize {
        self.values + self.links.len()
    }

    /// Bytes of all values, as they are stored.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many files are not ours and stay, and the names of some; `None` if there are none.
    pub fn left_in_words(&self) -> Option<String> {
        let (count, more) = (self.left, if self.left > NAMED { ", …" } else { "" });
        let are = if count == 1 { "file is" } else { "files are" };
        let named: Vec<String> = self.named.iter().map(|key| format!("{key:?}")).collect();
        (count > 0).then(|| format!("{count} {are} not of arrays or groups: {}{more}", named.join(", ")))
    }

    /// Removes all of them, metadata last, and folders that are empty then. `tell` is told the bytes of what is gone so
    /// far.
    ///
    /// # Errors
    /// Those of the store, after which some may be gone. `Storage` if all are gone, but not the folder, as it holds
    /// what is not ours.
    pub fn remove(&self, tell: &mut dyn FnMut(u64)) -> Result<()> {
        self.remove_own(tell)?;
        match self.left_in_words() {
            None => Ok(()),
            Some(left) => {
                let message = format!("all that is of arrays and groups was removed; what is left: {left}");
                Err(Error::new(ErrorKind::Storage, message).during("removing").at(&self.address))
            }
        }
    }

    /// As [`Below::remove`], whatever is left.
    pub(super) fn remove_own(&self, tell: &mut dyn FnMut(u64)) -> Result<()> {
        let mut done = 0;
        let is_chunk = |key: &str| !is_document(key) && self.nodes.own(key);
        self.store.remove_telling(&is_chunk, &mut |bytes| {
            done += bytes;
            tell(done);
        })?;
        for link in &self.links {
            self.store.unlink(link)?;
        }
        let depth = |key: &String| key.matches('/').count();
        for level in self.metadata.chunk_by(|one, next| depth(one) == depth(next)) {
            self.store.remove_many(level)?;
        }
        tell(self.bytes);
        removed(&self.store)?;
        self.store.tidy_folders(self.metadata.iter().chain(&self.links).map(String::as_str));
        self.store.tidy("");
        Ok(())
    }
}

/// Has the groups above the root of `store` know that what was there is gone, whoever removed it.
///
/// # Errors
/// A storage error.
fn removed(store: &Arc<dyn Store>) -> Result<()> {
    [zarr::V3, zarr::V2].iter().try_for_each(|format| format.refresh(store))
}

impl std::fmt::Debug for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The arrays and groups below a place, by their paths.
struct Nodes(BTreeMap<String, (Documents, OwnKeys)>);

impl Nodes {
    /// Finds them by their `documents`, each with its size in bytes.
    fn read(store: &dyn Store, documents: &[(String, u64)]) -> Result<Self> {
        let is_read = |(_, bytes): &&(String, u64)| *bytes <= LARGEST_METADATA as u64;
        let (read, unread): (Vec<_>, Vec<_>) = documents.iter().partition(is_read);
        let keys: Vec<&str> = read.iter().map(|(key, _)| key.as_str()).collect();
        let found: Mutex<BTreeMap<String, Documents>> = Mutex::default();
        let get = |key: &&str| Get::new(*key, Part::Whole, LARGEST_METADATA as u64);
        let note = |key: &str, document| {
            let (folder, name) = split(key);
            let mut found = found.locked();
            found.entry(folder.to_owned()).or_default().insert(name.to_owned(), document);
        };
        unread.iter().for_each(|(key, _)| note(key, None));
        for batch in keys.chunks(BATCH) {
            store.get_many(&batch.iter().map(get).collect::<Vec<_>>(), &|position, blob| {
                let parse = |blob: crate::store::Blob<'_>| {
                    blob.encoding.with_decoded(blob.bytes, LARGEST_METADATA, document::parse).ok()
                };
                if let Some(blob) = blob {
                    note(batch[position], parse(blob));
                }
                Ok(())
            })?;
        }
        let found = found.into_value();
        let node = |(folder, documents): (String, Documents)| {
            let keys = own::keys(&documents)?;
            Some((folder, (documents, keys)))
        };
        Ok(Self(found.into_iter().filter_map(node).collect()))
    }

    /// An error if the address names a format, and what is there, or anything below, is of another.
    fn expect_named(&self, located: &Located, options: &FormatOptions) -> Result<()> {
        if !located.is_named || self.0.is_empty() && !located.store.local_path().is_some_and(Path::is_symlink)
        {
            return Ok(());
        }
        let probe = located.probe()?;
        let is_known = |format: &&dyn Format| !matches!(format.open(&probe, options), Ok(None));
        if !located.formats.iter().any(is_known) {
            let message = format!("nothing of {} is there", located.names());
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let is_own = |name: &str| located.formats.iter().any(|format| format.documents().contains(&name));
        for (folder, (documents, _)) in &self.0 {
            let is_other =
                |name: &&String| registry::marks(name) && own::is_metadata(name, documents) && !is_own(name);
            if let Some(name) = documents.keys().find(is_other) {
                let at = located.store.location(&format!("{folder}/{name}"));
                return Err(Error::invalid(format!(
                    "{at} is not of {}, which the URL names; without a format, all that is below is removed",
                    located.names()
                )));
            }
        }
        Ok(())
    }

    /// Whether one of them has what is stored under `key`.
    fn own(&self, key: &str) -> bool {
        if self.0.is_empty() {
            return own::has_form(key);
        }
        let (mut folder, name) = split(key);
        if self.0.get(folder).is_some_and(|(documents, _)| own::is_metadata(name, documents)) {
            return true;
        }
        loop {
            let relative = key[folder.len()..].trim_start_matches('/');
            if self.0.get(folder).is_some_and(|(_, is_own)| is_own(relative)) {
                return true;
            }
            if folder.is_empty() {
                return false;
            }
            folder = split(folder).0;
        }
    }
}

/// The folder and the name of a key.
fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

/// Whether a key is called as one of metadata.
fn is_document(key: &str) -> bool {
    DOCUMENTS.contains(&split(key).1)
}
