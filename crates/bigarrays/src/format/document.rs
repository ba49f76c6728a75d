//! JSON documents in stores.

use std::sync::Mutex;

use serde_json::{Map, Value};

use super::text;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::chunk::codec::ContentEncoding;
use crate::store::{Change, LARGEST_METADATA, Store, Update};

/// Keys of metadata, of whatever format, that may lie beside the chunks of an array.
pub const DOCUMENTS: &[&str] =
    &["info", "provenance", "zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata", "attributes.json"];

/// A JSON object.
pub(super) type Document = Map<String, Value>;

/// Parses the bytes of an object, as [`text::parse`] does.
pub(super) fn parse(bytes: &[u8]) -> Result<Document> {
    match text::parse(bytes) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(_) => Err(Error::metadata("not a JSON object")),
        Err(error) => Err(error),
    }
}

/// The object stored under `key`, if there is one.
pub(super) fn read(store: &dyn Store, key: &str) -> Result<Option<Document>> {
    let Some(bytes) = store.read_metadata(key)? else { return Ok(None) };
    parse(&bytes).map(Some).map_err(|error| error.at(store.location(key)))
}

/// Changes the object stored under `key` as `change` says of the one that is there: another, or none.
pub(super) fn change(
    store: &dyn Store,
    key: &str,
    change: impl Fn(Option<Document>) -> Result<Option<Document>> + Sync,
) -> Result<()> {
    let request = Update { key: key.to_owned(), reads: true, max_len: LARGEST_METADATA as u64 };
    store.update_many(&[request], &|_, old, out| {
        let old = old.map(|blob| blob.encoding.with_decoded(blob.bytes, LARGEST_METADATA, parse));
        let new = old.transpose().and_then(&change).and_then(expect_readable);
        let new = new.map_err(|error| error.at(store.location(key)))?;
        Ok(match new {
            Some(document) => {
                out.extend_from_slice(text::write(&document).as_bytes());
                out.push(b'\n');
                Change::Put(ContentEncoding::Identity)
            }
            None => Change::Delete,
        })
    })
}

/// The deepest nesting of a document that is written. Parsers, ours among them, end at 127.
const DEEPEST: usize = 120;

/// The deepest nesting of attributes: documents that hold copies of others hold them further down.
const DEEPEST_ATTRIBUTES: usize = 100;

/// How many values are within each other, at most.
fn depth(values: &mut dyn Iterator<Item = &Value>) -> usize {
    let below = |value: &Value| match value {
        Value::Array(list) => depth(&mut list.iter()),
        Value::Object(object) => depth(&mut object.values()),
        _ => 0,
    };
    1 + values.map(below).max().unwrap_or(0)
}

/// The document, if it can be read again.
fn expect_readable(document: Option<Document>) -> Result<Option<Document>> {
    expect_depth(document.as_ref(), DEEPEST)?;
    Ok(document)
}

/// An error unless attributes can be read again, also as copies in the documents of groups above.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn check_attributes(attributes: Option<&Map<String, Value>>) -> Result<()> {
    expect_depth(attributes, DEEPEST_ATTRIBUTES)
}

fn expect_depth(document: Option<&Document>, most: usize) -> Result<()> {
    let found = document.map_or(0, |document| depth(&mut document.values()));
    if found <= most {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "values are nested {found} deep, and nobody could read them again; {most} levels are allowed here"
    )))
}

/// Stores an object where there is none.
///
/// # Errors
/// `AlreadyExists`.
pub(super) fn create(store: &dyn Store, key: &str, document: &Document) -> Result<()> {
    change(store, key, |old| match old {
        None => Ok(Some(document.clone())),
        Some(_) => Err(Error::new(ErrorKind::AlreadyExists, "there is something here; remove it first")),
    })
}

/// Stores an object where there is none, or the very same.
///
/// # Errors
/// `AlreadyExists`.
pub(super) fn create_or_same(store: &dyn Store, key: &str, document: &Document) -> Result<()> {
    create_or_alike(store, key, document, &|old| old == document)
}

/// Stores an object where there is none, or one that `is_same`.
///
/// # Errors
/// `AlreadyExists`.
pub(super) fn create_or_alike(
    store: &dyn Store,
    key: &str,
    document: &Document,
    is_same: &(dyn Fn(&Document) -> bool + Sync),
) -> Result<()> {
    change(store, key, |old| match old {
        Some(old) if !is_same(&old) => {
            Err(Error::new(ErrorKind::AlreadyExists, "there is something here; remove it first"))
        }
        _ => Ok(Some(document.clone())),
    })
}

/// Removes the object stored under `key`, and returns it.
///
/// # Errors
/// `NotFound`.
pub(super) fn take(store: &dyn Store, key: &str) -> Result<Document> {
    let taken = Mutex::new(None);
    change(store, key, |old| {
        *taken.locked() = old;
        Ok(None)
    })?;
    let taken = taken.into_value();
    taken.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is nothing here").at(store.location(key)))
}
