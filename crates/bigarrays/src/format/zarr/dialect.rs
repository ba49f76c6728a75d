//! The versions of Zarr: each has documents of its own for the same metadata.

use std::fmt::Debug;

use serde_json::{Map, Value};

use super::meta::Meta;
use crate::base::error::Result;
use crate::format::CreateSpec;
use crate::format::document::Document;
use crate::format::holds::Holds;
use crate::format::probe::Probe;
use crate::store::Store;

/// A version of Zarr: its names, its documents, and what stands where in them.
pub(in crate::format) trait Version: Debug + Send + Sync {
    /// The number.
    fn number(&self) -> u8;

    /// The name that `format=` and tables use.
    fn name(&self) -> &'static str;

    /// What it is, in a few words.
    fn about(&self) -> &'static str;

    /// The names by which URLs call it.
    fn schemes(&self) -> &'static [&'static str];

    /// The name of the format of images over this version.
    fn image_name(&self) -> &'static str;

    /// What new arrays hold.
    fn holds(&self) -> &'static Holds;

    /// The keys of the documents of an array or group.
    fn keys(&self) -> &'static [&'static str];

    /// The key of the document that says that there is an array.
    fn array_key(&self) -> &'static str;

    /// The key of the document that says that there is a group.
    fn group_key(&self) -> &'static str;

    /// The key of the document that has the attributes of either.
    fn attributes_key(&self) -> &'static str;

    /// Looks for an array or a group.
    ///
    /// # Errors
    /// `InvalidMetadata` or `Unsupported` if there is one that cannot be read.
    fn find(&self, probe: &Probe) -> Result<Option<Found>>;

    /// Whether what is at the root of `store` is an array; `None` if it is nothing of this version.
    ///
    /// # Errors
    /// A storage error; `InvalidMetadata`.
    fn is_array(&self, store: &dyn Store) -> Result<Option<bool>>;

    /// Whether the document under `key` is of a group.
    fn is_group(&self, key: &str, document: &Document) -> bool;

    /// Reads the document of an array, and the attributes where they are in a document of their own.
    ///
    /// # Errors
    /// `InvalidMetadata` or `Unsupported` naming what is wrong; `InvalidArgument` for a group.
    fn parse(&self, document: &Document, attributes: Option<&Document>) -> Result<Meta>;

    /// The documents of a new array of chunks of shape `chunk`, whose `codecs` are listed as in Zarr 3.
    ///
    /// # Errors
    /// `InvalidArgument` if the version has no words for it.
    fn new_array(&self, spec: &CreateSpec, chunk: &[u64], codecs: Value) -> Result<New>;

    /// The documents of a new group.
    fn new_group(&self, attributes: &Document) -> New;

    /// The attributes of the array or group that is there; `None` if there is none.
    ///
    /// # Errors
    /// `InvalidMetadata`.
    fn attributes(&self, probe: &Probe) -> Result<Option<Document>>;

    /// The attributes of the group that is there; `None` if there is none.
    ///
    /// # Errors
    /// `InvalidMetadata`.
    fn group_attributes(&self, probe: &Probe) -> Result<Option<Document>>;

    /// The document under the key of attributes, with what `change` makes of the attributes in `old`.
    ///
    /// # Errors
    /// `NotFound` if there can be no attributes without it; those of `change`.
    fn changed(
        &self,
        old: Option<Document>,
        change: &dyn Fn(Document) -> Result<Document>,
    ) -> Result<Document>;

    /// The object in the document of an array in which its mark stands while it is incomplete.
    fn marked<'a>(&self, document: &'a mut Document) -> Option<&'a mut Document>;

    /// The key of the document in which a group has consolidated metadata.
    fn consolidated_key(&self) -> &'static str;

    /// The consolidated metadata in that document, if it has any: documents by their names.
    fn consolidated<'a>(&self, document: &'a Document) -> Option<&'a Map<String, Value>>;

    /// The consolidated metadata in that document, to be changed.
    fn consolidated_mut<'a>(&self, document: &'a mut Document) -> Option<&'a mut Map<String, Value>>;

    /// Whether the consolidated metadata of a group have its own documents.
    fn consolidates_itself(&self) -> bool;

    /// The name in consolidated metadata of the document under `key` of the node at `path`.
    fn consolidated_name(&self, path: &str, key: &str) -> String;

    /// Makes a document into what consolidated metadata have of it.
    fn consolidate(&self, document: &mut Document);

    /// The path of the node that a document of consolidated metadata is of, and whether the node is an array; `None` if
    /// another document of the node says it.
    fn consolidated_node(&self, name: &str, document: &Value) -> Option<(String, bool)>;
}

/// What there is at a place.
pub(in crate::format) enum Found {
    Array(Box<Meta>),
    /// A group with its document.
    Group(Document),
}

/// The documents of what is new.
pub(in crate::format) struct New {
    /// That which says what it is.
    pub(super) document: Document,
    /// The attributes, where they are in a document of their own and there are some.
    pub(super) attributes: Option<Document>,
}
