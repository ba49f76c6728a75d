//! What arrays and groups have stored below a place, to be removed as a whole, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::address::Address;
use super::document::{self, DOCUMENTS};
use super::own;
use super::place::{Documents, OwnKeys};
use super::traits::FormatOptions;
use super::zarr;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::store::{Change, Get, LARGEST_METADATA, Part, Store, Update};

/// Values removed at once, between two looks at the progress.
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
    /// Each key and its size in bytes.
    keys: Vec<(String, u64)>,
    links: Vec<String>,
    /// Keys of what is not ours.
    left: Vec<String>,
    has_metadata: bool,
}

impl Below {
    /// Lists what is below `address`.
    ///
    /// # Errors
    /// `NotFound` if nothing of ours is; those of the store, of which some cannot list.
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
        Err(context(Error::new(ErrorKind::NotFound, message)))
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
        Ok(Some(found).filter(|found| !found.has_metadata && !found.keys.is_empty()))
    }

    fn find(address: Address<'_>, options: &FormatOptions) -> Result<Self> {
        let store = address.locate(options)?.store;
        let (mut all, mut links) = (Vec::new(), Vec::new());
        store.list_to_remove(&mut |key, bytes| {
            match bytes {
                Some(bytes) => all.push((key.to_owned(), bytes)),
                None => links.push(key.to_owned()),
            }
            Ok(())
        })?;
        let nodes = Nodes::read(&*store, &all)?;
        let has_metadata = !nodes.0.is_empty();
        let (mut keys, left): (Vec<_>, Vec<_>) = all.into_iter().partition(|(key, _)| nodes.own(key));
        // Metadata, whose names have no digits, before chunks: no reader finds half an array.
        keys.sort_by_cached_key(|(key, _)| (is_numbered(key), key.clone()));
        let mut left: Vec<String> = left.into_iter().map(|(key, _)| key).collect();
        left.sort();
        Ok(Self { address: address.shown(), store, keys, links, left, has_metadata })
    }

    /// How many values and links there are.
    pub fn count(&self) -> usize {
        self.keys.len() + self.links.len()
    }

    /// Bytes of all values, as they are stored.
    pub fn bytes(&self) -> u64 {
        self.keys.iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// How many files are not ours and stay, and the names of some; `None` if there are none.
    pub fn left_in_words(&self) -> Option<String> {
        let (count, more) = (self.left.len(), if self.left.len() > NAMED { ", …" } else { "" });
        let are = if count == 1 { "file is" } else { "files are" };
        let named: Vec<String> = self.left.iter().take(NAMED).map(|key| format!("{key:?}")).collect();
        (count > 0).then(|| format!("{count} {are} not of arrays or groups: {}{more}", named.join(", ")))
    }

    /// Removes all of them, and folders that are empty then. `tell` is told the bytes of what is gone so far.
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
        for link in &self.links {
            self.store.unlink(link)?;
        }
        let mut done = 0;
        for batch in self.keys.chunks(BATCH) {
            let update = |(key, _): &(String, u64)| Update::blind(key);
            let updates: Vec<Update> = batch.iter().map(update).collect();
            self.store.update_many(&updates, &|_, _, _| Ok(Change::Remove))?;
            done += batch.iter().map(|(_, bytes)| bytes).sum::<u64>();
            tell(done);
        }
        removed(&self.store)?;
        let keys = self.keys.iter().map(|(key, _)| key).chain(&self.links);
        self.store.tidy_folders(keys.map(String::as_str));
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

/// The arrays and groups below a place, by their paths.
struct Nodes(BTreeMap<String, (Documents, OwnKeys)>);

impl Nodes {
    /// Finds them by their documents, which are among `all` that is stored.
    fn read(store: &dyn Store, all: &[(String, u64)]) -> Result<Self> {
        let is_document = |(key, _): &&(String, u64)| DOCUMENTS.contains(&split(key).1);
        let is_read = |(_, bytes): &&(String, u64)| *bytes <= LARGEST_METADATA as u64;
        let (read, unread): (Vec<_>, Vec<_>) = all.iter().filter(is_document).partition(is_read);
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

fn is_numbered(key: &str) -> bool {
    split(key).1.bytes().any(|byte| byte.is_ascii_digit())
}
