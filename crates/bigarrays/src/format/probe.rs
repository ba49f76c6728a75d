//! The documents at the root of a store, read all at once: what is there is found by them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::document::{self, Document};
use crate::base::error::{Error, ErrorKind, Result};
use crate::store::{Extent, Get, LARGEST_METADATA, Part, Store, Value};

/// What is known of the place that a store is rooted at, before anybody knows what is there.
///
/// A document that the store refuses to hand out, as public buckets do with what is missing where listing is not
/// allowed, counts as missing.
#[derive(Debug)]
pub struct Probe {
    store: Arc<dyn Store>,
    /// What the store answers for each document that it was asked for.
    answers: BTreeMap<String, Option<Value>>,
}

impl Probe {
    /// Reads the documents `keys` at the root of `store`, all in one batch.
    ///
    /// # Errors
    /// A storage error.
    pub fn read<'a>(store: &Arc<dyn Store>, keys: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut keys: Vec<&str> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.dedup();
        let answers = ask(&**store, &keys)?;
        let answers = keys.into_iter().map(str::to_owned).zip(answers).collect();
        Ok(Self { store: Arc::clone(store), answers })
    }

    /// The documents `keys` at each of `paths` below `store`, all in one batch: a probe for each path.
    ///
    /// # Errors
    /// A storage error; `InvalidArgument` if a path leaves the store.
    pub(super) fn read_each(store: &dyn Store, paths: &[String], keys: &[&str]) -> Result<Vec<Self>> {
        let at = |path: &String, key: &&str| match path.as_str() {
            "" => (*key).to_owned(),
            path => format!("{}/{key}", path.trim_end_matches('/')),
        };
        let all: Vec<String> =
            paths.iter().flat_map(|path| keys.iter().map(move |key| at(path, key))).collect();
        let mut answers = ask(store, &all.iter().map(String::as_str).collect::<Vec<_>>())?.into_iter();
        let probe = |path: &String| {
            let answers = keys.iter().map(|key| (*key).to_owned()).zip(answers.by_ref()).collect();
            Ok(Self { store: store.child(path)?, answers })
        };
        paths.iter().map(probe).collect()
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The local file or folder that the store is rooted at, if it is one.
    pub fn path(&self) -> Option<&Path> {
        self.store.local_path()
    }

    /// The bytes of a document; `None` if there is none. One that was not asked for is read now.
    ///
    /// # Errors
    /// `CorruptData` if it is damaged or absurdly long; a storage error.
    pub fn bytes(&self, key: &str) -> Result<Option<Vec<u8>>> {
        match self.answers.get(key) {
            Some(Some(value)) if !is_refusal(value) => {
                let decoded = value.clone().decoded(LARGEST_METADATA);
                decoded.map(Some).map_err(|error| error.at(self.store.location(key)))
            }
            Some(_) => Ok(None),
            None => self.store.read_metadata(key),
        }
    }

    /// The JSON object that a document is; `None` if there is none.
    ///
    /// # Errors
    /// `InvalidMetadata` if it is no JSON object; those of [`Probe::bytes`].
    pub fn document(&self, key: &str) -> Result<Option<Document>> {
        let Some(bytes) = self.bytes(key)? else { return Ok(None) };
        document::parse(&bytes).map(Some).map_err(|error| error.at(self.store.location(key)))
    }

    /// Whether a document is there, be it damaged.
    ///
    /// # Errors
    /// A storage error.
    pub fn has(&self, key: &str) -> Result<bool> {
        match self.answers.get(key) {
            Some(answer) => Ok(answer.as_ref().is_some_and(|value| !is_refusal(value))),
            None => self.store.exists(key),
        }
    }

    /// Whether any of the documents is there, be it damaged.
    pub(super) fn has_any(&self) -> bool {
        self.answers.values().flatten().any(|value| !is_refusal(value))
    }

    /// Whether the store refused to hand out a document, or to say that it is missing.
    pub fn is_refused(&self, key: &str) -> bool {
        self.answers.get(key).is_some_and(|answer| answer.as_ref().is_some_and(is_refusal))
    }

    /// The documents that the store refused, and its first reason; `None` if it refused none.
    pub(super) fn refusal(&self) -> Option<Error> {
        let reason = |value: &Value| String::from_utf8_lossy(&value.bytes).into_owned();
        let answers = self.answers.iter().filter_map(|(key, answer)| Some((key.as_str(), answer.as_ref()?)));
        let refused = answers.filter(|(_, value)| is_refusal(value)).map(|(key, value)| (key, reason(value)));
        let (keys, reasons): (Vec<&str>, Vec<String>) = refused.unzip();
        let reason = reasons.first()?;
        Some(Error::new(
            ErrorKind::PermissionDenied,
            format!(
                "no array can be seen here: the store refuses to say whether there are {}. Either there is nothing, in \
                 a place that may not be listed, or it needs credentials ({reason})",
                keys.join(", ")
            ),
        ))
    }
}

/// Whether the store has refused to answer; its reason stands for the value.
fn is_refusal(value: &Value) -> bool {
    value.extent == Extent::Refused
}

/// What `store` answers to the request for each of `keys`.
fn ask(store: &dyn Store, keys: &[&str]) -> Result<Vec<Option<Value>>> {
    let probe = |key: &&str| Get { probe: true, ..Get::new(*key, Part::Whole, LARGEST_METADATA as u64) };
    store.get_all(&keys.iter().map(probe).collect::<Vec<_>>())
}
