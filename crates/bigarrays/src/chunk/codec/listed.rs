//! Codecs as lists in metadata have them.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#codecs>

use serde_json::{Map, Value, json};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::member::{Member, brief};
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Written};
use crate::chunk::codec::table;

/// One entry of a list of codecs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listed {
    pub(crate) dialect: Dialect,
    pub(crate) name: String,
    pub(crate) configuration: Map<String, Value>,
    /// Where it stands in the metadata, and where its configuration does.
    pub(crate) path: String,
    pub(crate) members_path: String,
    /// Whether it may be left out where it is not known.
    pub(crate) optional: bool,
}

impl Listed {
    /// An entry of Zarr 3, which stands at `path`.
    pub(crate) fn new(name: &str, configuration: Map<String, Value>, path: String) -> Self {
        let members_path = format!("{path}.configuration.");
        Self {
            dialect: Dialect::Zarr3,
            name: name.to_owned(),
            configuration,
            path,
            members_path,
            optional: false,
        }
    }

    /// The object of `dialect` that stands at `path`, whose member `key` has the name.
    ///
    /// # Errors
    /// `InvalidMetadata` if it has no name.
    pub(crate) fn of_object(
        dialect: Dialect,
        key: &str,
        object: &Map<String, Value>,
        path: &str,
    ) -> Result<Self> {
        let members_path = format!("{path}.");
        let members = Member { object, path: members_path.clone() };
        let name = members.required(key, Value::as_str, "the name of a codec")?.to_owned();
        let mut configuration = object.clone();
        configuration.shift_remove(key);
        Ok(Self { dialect, name, configuration, path: path.to_owned(), members_path, optional: false })
    }

    /// The entry, as metadata of Zarr 3 have it.
    pub(crate) fn to_json(&self) -> Value {
        match self.optional {
            true => json!({"name": self.name, "configuration": self.configuration, "must_understand": false}),
            false => json!({"name": self.name, "configuration": self.configuration}),
        }
    }

    /// The configuration's members.
    pub(crate) fn members(&self) -> Member<'_> {
        Member { object: &self.configuration, path: self.members_path.clone() }
    }

    /// Whether it takes and returns elements or bytes; `None` if it is not known.
    pub(crate) fn kind(&self) -> Option<Kind> {
        table::kind(self.dialect, &self.name)
    }

    /// The codec, which gets `elements`; `None` if it is not known, and may be left out.
    ///
    /// # Errors
    /// `Unsupported` naming a codec that is not known; `InvalidMetadata` naming the member that is wrong.
    pub(crate) fn read(&self, elements: Elements) -> Result<Option<Built>> {
        let entry = Entry { name: &self.name, members: self.members(), elements };
        let read = table::read(self.dialect, &entry).map_err(|error| match error.kind() {
            ErrorKind::InvalidArgument => Error::metadata(format!("{}: {error}", self.path)),
            _ => error,
        })?;
        match read {
            None if !self.optional => {
                Err(Error::unsupported(format!("{}: unknown codec {:?}", self.path, self.name)))
            }
            read => Ok(read),
        }
    }
}

impl Written {
    /// The entry, as metadata of Zarr 3 have it.
    pub(crate) fn to_zarr3(&self) -> Value {
        match self.members.is_empty() {
            true => json!({"name": self.name}),
            false => json!({"name": self.name, "configuration": self.members}),
        }
    }

    /// The object, in which `key` has the name beside the members.
    pub(crate) fn to_object(&self, key: &str) -> Value {
        let mut object = Map::new();
        object.insert(key.to_owned(), self.name.into());
        object.extend(self.members.clone());
        Value::Object(object)
    }
}

/// Reads the list of codecs of Zarr 3 that stands at `path`.
///
/// # Errors
/// `InvalidMetadata` naming what is wrong.
pub(crate) fn parse(list: &Value, path: &str) -> Result<Vec<Listed>> {
    let wrong = |path: &str, value: &Value, expected: &str| {
        Error::metadata(format!("{path}: expected {expected}, found {}", brief(value)))
    };
    let list = list.as_array().ok_or_else(|| wrong(path, list, "a list of codecs"))?;
    let entry = |(k, entry): (usize, &Value)| {
        let path = format!("{path}[{k}]");
        let object = match entry {
            Value::String(name) => return Ok(Listed::new(name, Map::new(), path)),
            Value::Object(object) => object,
            _ => return Err(wrong(&path, entry, "a codec")),
        };
        let members = Member { object, path: format!("{path}.") };
        members.expect_only(&["name", "configuration", "must_understand"])?;
        let name = members.required("name", Value::as_str, "the name of a codec")?;
        let configuration = members.optional("configuration", Value::as_object, "an object")?;
        let must = members.optional("must_understand", Value::as_bool, "true or false")?;
        let listed = Listed::new(name, configuration.cloned().unwrap_or_default(), path);
        Ok(Listed { optional: must == Some(false), ..listed })
    };
    list.iter().enumerate().map(entry).collect()
}
