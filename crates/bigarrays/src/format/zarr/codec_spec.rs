//! Lists of codecs, as metadata have them.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#codecs>

use serde_json::{Map, Value, json};

use crate::base::error::{Error, Result};
use crate::base::member::{Member, brief};

/// One entry of a list of codecs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CodecSpec {
    pub(super) name: String,
    pub(super) configuration: Map<String, Value>,
    /// Where it stands in the metadata.
    pub(super) path: String,
    /// Whether it may be left out where it is not known.
    pub(super) optional: bool,
}

impl CodecSpec {
    pub(super) fn new(name: &str, configuration: Map<String, Value>, path: String) -> Self {
        Self { name: name.to_owned(), configuration, path, optional: false }
    }

    /// The entry, as metadata of Zarr 3 have it.
    pub(super) fn to_json(&self) -> Value {
        json!({"name": self.name, "configuration": self.configuration})
    }

    /// The configuration's members.
    pub(super) fn members(&self) -> Member<'_> {
        Member { object: &self.configuration, path: format!("{}.configuration.", self.path) }
    }

    /// The name without the prefix that zarr-python gives to codecs of numcodecs.
    pub(super) fn plain_name(&self) -> &str {
        self.name.strip_prefix("numcodecs.").unwrap_or(&self.name)
    }
}

/// Reads the list of codecs that stands at `path`.
pub(super) fn parse(list: &Value, path: &str) -> Result<Vec<CodecSpec>> {
    let wrong = |path: &str, value: &Value, expected: &str| {
        Error::metadata(format!("{path}: expected {expected}, found {}", brief(value)))
    };
    let list = list.as_array().ok_or_else(|| wrong(path, list, "a list of codecs"))?;
    let entry = |(k, entry): (usize, &Value)| {
        let path = format!("{path}[{k}]");
        let object = match entry {
            Value::String(name) => return Ok(CodecSpec::new(name, Map::new(), path)),
            Value::Object(object) => object,
            _ => return Err(wrong(&path, entry, "a codec")),
        };
        let members = Member { object, path: format!("{path}.") };
        members.expect_only(&["name", "configuration", "must_understand"])?;
        let name = members.required("name", Value::as_str, "the name of a codec")?;
        let configuration = members.optional("configuration", Value::as_object, "an object")?;
        let must = members.optional("must_understand", Value::as_bool, "true or false")?;
        let spec = CodecSpec::new(name, configuration.cloned().unwrap_or_default(), path);
        Ok(CodecSpec { optional: must == Some(false), ..spec })
    };
    list.iter().enumerate().map(entry).collect()
}
