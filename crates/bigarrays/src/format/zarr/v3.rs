//! Metadata of Zarr 3: `zarr.json`.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html#array-metadata>

use serde_json::{Map, Value, json};

use super::attribute::Own;
use super::create;
use super::dialect::{Found, New, Version};
use super::fill;
use super::keys::Keys;
use super::meta::{Meta, check_names, lengths_for, names_of};
use crate::base::dtype::{DataType, FillValue};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::member::{Member, brief, integer, naturals, positive};
use crate::base::numpy::numpy_type;
use crate::chunk::codec::{CodecList, parse as parse_codecs};
use crate::format::CreateSpec;
use crate::format::document::{self, Document};
use crate::format::holds::{Codecs, Holds, Missing, Names, Shards};
use crate::format::incomplete::{self, Incomplete};
use crate::format::probe::Probe;
use crate::store::Store;

/// The key of the metadata of an array or a group.
const KEY: &str = "zarr.json";

/// What a `zarr.json` describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Array,
    Group,
}

/// Whether a document is of an array or of a group.
fn kind(document: &Document) -> Result<Kind> {
    let members = Member { object: document, path: String::new() };
    members.required("zarr_format", |value| (integer(value)? == 3).then_some(()), "3")?;
    let kinds = |value: &Value| match value.as_str()? {
        "array" => Some(Kind::Array),
        "group" => Some(Kind::Group),
        _ => None,
    };
    members.required("node_type", kinds, "\"array\" or \"group\"")
}

/// Version 3.
#[derive(Clone, Copy, Debug)]
pub(super) struct Three;

/// The member of a group that has the copies.
const CONSOLIDATED: &str = "consolidated_metadata";

/// Whether there are such `codecs`, of elements of `dtype` along `ndim` axes.
pub(super) fn says(codecs: &Value, dtype: DataType, ndim: usize) -> bool {
    parse_codecs(codecs, "codecs").and_then(|list| CodecList::read(&list, dtype, ndim)).is_ok()
}

/// What new arrays of Zarr 3 hold.
pub(in crate::format) const HOLDS: Holds = Holds {
    dialect: "zarr3",
    attributes: Some("zarr3"),
    missing: Missing::Attribute,
    chunk_keys: &["default/", "default.", "v2/", "v2."],
    codecs: Codecs::Any(says),
    sharding: Shards::Boxes,
    dimension_names: Names::Each,
    ..create::HOLDS
};

impl Version for Three {
    fn holds(&self) -> &'static Holds {
        &HOLDS
    }

    fn number(&self) -> u8 {
        3
    }

    fn name(&self) -> &'static str {
        "zarr3"
    }

    fn about(&self) -> &'static str {
        "Zarr 3 array or group"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["zarr", "zarr3"]
    }

    fn image_name(&self) -> &'static str {
        "ome-zarr"
    }

    fn keys(&self) -> &'static [&'static str] {
        &[KEY]
    }

    fn array_key(&self) -> &'static str {
        KEY
    }

    fn group_key(&self) -> &'static str {
        KEY
    }

    fn attributes_key(&self) -> &'static str {
        KEY
    }

    fn find(&self, probe: &Probe) -> Result<Option<Found>> {
        let Some(document) = probe.document(KEY)? else { return Ok(None) };
        let found = kind(&document).and_then(|kind| match kind {
            Kind::Array => parse(&document).map(|meta| Found::Array(Box::new(meta))),
            Kind::Group => Ok(Found::Group(document)),
        });
        found.map(Some).map_err(|error| error.at(probe.store().location(KEY)))
    }

    fn is_array(&self, store: &dyn Store) -> Result<Option<bool>> {
        let document = document::read(store, KEY)?;
        Ok(document.map(|document| kind(&document).is_ok_and(|kind| kind == Kind::Array)))
    }

    fn is_group(&self, _: &str, document: &Document) -> bool {
        document.get("node_type").is_some_and(|kind| kind == "group")
    }

    fn parse(&self, document: &Document, _: Option<&Document>) -> Result<Meta> {
        match kind(document)? {
            Kind::Array => parse(document),
            Kind::Group => Err(Error::invalid("this is a group, not an array")),
        }
    }

    fn new_array(&self, spec: &CreateSpec, chunk: &[u64], codecs: Value) -> Result<New> {
        Ok(New { document: create(spec, chunk, codecs)?, attributes: None })
    }

    fn new_group(&self, attributes: &Document) -> New {
        let mut document = Document::new();
        document.insert("zarr_format".to_owned(), json!(3));
        document.insert("node_type".to_owned(), json!("group"));
        document.insert(ATTRIBUTES.to_owned(), Value::Object(attributes.clone()));
        New { document, attributes: None }
    }

    fn attributes(&self, probe: &Probe) -> Result<Option<Document>> {
        let Some(mut document) = probe.document(KEY)? else { return Ok(None) };
        kind(&document).map_err(|error| error.at(probe.store().location(KEY)))?;
        Ok(Some(incomplete::bare(take_attributes(&mut document).unwrap_or_default())))
    }

    fn group_attributes(&self, probe: &Probe) -> Result<Option<Document>> {
        let document = probe.document(KEY)?.filter(|document| self.is_group(KEY, document));
        Ok(document.and_then(|mut document| take_attributes(&mut document)))
    }

    fn changed(
        &self,
        old: Option<Document>,
        change: &dyn Fn(Document) -> Result<Document>,
    ) -> Result<Document> {
        let gone = || Error::new(ErrorKind::NotFound, "it was removed meanwhile");
        let mut document = old.ok_or_else(gone)?;
        let mut attributes = take_attributes(&mut document).unwrap_or_default();
        let mark = incomplete::take(&mut attributes);
        let mut attributes = change(attributes)?;
        incomplete::put(&mut attributes, mark);
        document.insert(ATTRIBUTES.to_owned(), Value::Object(attributes));
        Ok(document)
    }

    fn marked<'a>(&self, document: &'a mut Document) -> Option<&'a mut Document> {
        document.get_mut(ATTRIBUTES)?.as_object_mut()
    }

    fn consolidated_key(&self) -> &'static str {
        KEY
    }

    fn consolidated<'a>(&self, document: &'a Document) -> Option<&'a Map<String, Value>> {
        document.get(CONSOLIDATED)?.get("metadata")?.as_object()
    }

    fn consolidated_mut<'a>(&self, document: &'a mut Document) -> Option<&'a mut Map<String, Value>> {
        document.get_mut(CONSOLIDATED)?.get_mut("metadata")?.as_object_mut()
    }

    fn consolidates_itself(&self) -> bool {
        false
    }

    fn consolidated_name(&self, path: &str, _: &str) -> String {
        path.to_owned()
    }

    fn consolidate(&self, document: &mut Document) {
        // One that outlived the array's own would be wrong.
        self.marked(document).and_then(incomplete::take);
        if let Some(consolidated) = document.get_mut(CONSOLIDATED) {
            // As zarr-python has it: a copy has no copies of its own.
            *consolidated = json!({"kind": "inline", "must_understand": false, "metadata": {}});
        }
    }

    fn consolidated_node(&self, name: &str, copy: &Value) -> Option<(String, bool)> {
        Some((name.to_owned(), copy.get("node_type").is_some_and(|kind| kind == "array")))
    }
}

/// The attributes that a document has, taken out of it.
fn take_attributes(document: &mut Document) -> Option<Document> {
    match document.remove(ATTRIBUTES) {
        Some(Value::Object(attributes)) => Some(attributes),
        _ => None,
    }
}

/// The member that has the attributes.
const ATTRIBUTES: &str = "attributes";

const KNOWN: [&str; 13] = [
    "zarr_format",
    "node_type",
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
    "attributes",
    "dimension_names",
    "storage_transformers",
    "consolidated_metadata",
    "must_understand",
];

/// An error if `document` has members that have to be understood and are not.
fn expect_known(document: &Document) -> Result<()> {
    let optional = |value: &Value| value.get("must_understand") == Some(&Value::Bool(false));
    let unknown = document.iter().find(|(name, value)| !KNOWN.contains(&name.as_str()) && !optional(value));
    match unknown {
        None => Ok(()),
        Some((name, _)) => Err(Error::unsupported(format!("{name}: unknown, and has to be understood"))),
    }
}

/// A member that is the name of an extension, or an object with its name and configuration.
fn named<'a>(value: &'a Value, path: &str) -> Result<(&'a str, Member<'a>)> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let configured = |object| Member { object, path: format!("{path}.configuration.") };
    match value {
        Value::String(name) => Ok((name, configured(&NONE))),
        Value::Object(object) => {
            let members = Member { object, path: format!("{path}.") };
            members.expect_only(&["name", "configuration", "must_understand"])?;
            let name = members.required("name", Value::as_str, "a name")?;
            let configuration = members.optional("configuration", Value::as_object, "an object")?;
            Ok((name, configured(configuration.unwrap_or(&NONE))))
        }
        _ => Err(Error::metadata(format!("{path}: expected a name or an object, found {}", brief(value)))),
    }
}

/// Reads the metadata of an array.
fn parse(document: &Document) -> Result<Meta> {
    expect_known(document)?;
    let members = Member { object: document, path: String::new() };
    let member = |name| members.required(name, Some, "something");
    let shape = members.required("shape", naturals, "a list of whole numbers")?;
    let dtype = data_type(member("data_type")?)?;
    let chunk = chunk_shape(member("chunk_grid")?, &shape)?;
    let keys = key_encoding(member("chunk_key_encoding")?)?;
    let fill = document.get("fill_value").and_then(|value| fill::parse(value, dtype));
    let fill = fill.ok_or_else(|| members.wrong("fill_value", &format!("a value of {dtype}")))?;
    let codecs = parse_codecs(member("codecs")?, "codecs")?;
    if let Some(transformers) = members.optional("storage_transformers", Value::as_array, "a list")?
        && let Some(first) = transformers.first()
    {
        let (name, _) = named(first, "storage_transformers[0]")?;
        return Err(Error::unsupported(format!("storage_transformers[0]: unknown transformer {name:?}")));
    }
    let names = members.optional("dimension_names", names_of, "a list of names")?;
    check_names(names.as_deref(), shape.len())?;
    let attributes = document.get(ATTRIBUTES).and_then(Value::as_object);
    let own = Own::parse(attributes, shape.len());
    Ok(Meta {
        shape,
        dtype,
        chunk,
        keys,
        fill,
        fill_is_said: true,
        fill_is_missing: false,
        codecs,
        names,
        own,
        incomplete: attributes.and_then(Incomplete::of),
    })
}

/// The type of elements, which may be one of the registry of extensions.
///
/// <https://github.com/zarr-developers/zarr-extensions/tree/main/data-types>
fn data_type(value: &Value) -> Result<DataType> {
    let (name, members) = named(value, "data_type")?;
    if let Some(known) = DataType::ALL.into_iter().find(|dtype| dtype.name() == name) {
        return Ok(known);
    }
    let length = |unit: u32| {
        let count = |value: &Value| positive(value).filter(|length| length % u64::from(unit) == 0);
        members.expect_only(&["length_bytes"])?;
        let length = members.required("length_bytes", count, &format!("a multiple of {unit}"))?;
        // As numpy has it, and as many as it can be there.
        Ok((length / u64::from(unit)).to_string())
    };
    let of_numpy = |name: String| {
        let known = numpy_type(&Value::from(name)).map(|(dtype, _)| dtype);
        known.ok_or_else(|| Error::unsupported(format!("data_type: unknown type {}", brief(value))))
    };
    match name {
        "complex64" => Ok(DataType::Complex64),
        "complex128" => Ok(DataType::Complex128),
        "numpy.datetime64" => of_numpy(format!("M8{}", unit(&members)?)),
        "numpy.timedelta64" => of_numpy(format!("m8{}", unit(&members)?)),
        "fixed_length_utf32" => of_numpy(format!("U{}", length(4)?)),
        "null_terminated_bytes" => of_numpy(format!("S{}", length(1)?)),
        "raw_bytes" => of_numpy(format!("V{}", length(1)?)),
        "string" | "variable_length_utf8" => Ok(DataType::LongText),
        "bytes" | "variable_length_bytes" => Ok(DataType::LongBytes),
        _ => match name.strip_prefix('r').and_then(|bits| bits.parse::<u32>().ok()) {
            Some(bits) if bits % 8 == 0 => of_numpy(format!("V{}", bits / 8)),
            _ => Err(Error::unsupported(format!("data_type: unknown type {name:?}"))),
        },
    }
}

/// What times are counted in, as numpy has it.
fn unit(members: &Member<'_>) -> Result<String> {
    members.expect_only(&["unit", "scale_factor"])?;
    let count = members.optional("scale_factor", positive, "a positive whole number")?.unwrap_or(1);
    match members.required("unit", Value::as_str, "the name of a unit of time")? {
        "generic" => Ok(String::new()),
        // Also called so, where a letter that is not of ASCII is written.
        "μs" | "µs" => Ok(format!("[{count}us]")),
        unit => Ok(format!("[{count}{unit}]")),
    }
}

fn chunk_shape(value: &Value, shape: &[u64]) -> Result<Vec<u64>> {
    let (name, members) = named(value, "chunk_grid")?;
    if name != "regular" {
        return Err(Error::unsupported(format!("chunk_grid: unknown grid {name:?}")));
    }
    members.expect_only(&["chunk_shape"])?;
    let lengths = |value| lengths_for(value, shape);
    members.required("chunk_shape", lengths, &format!("{} positive whole numbers", shape.len()))
}

fn key_encoding(value: &Value) -> Result<Keys> {
    let (name, members) = named(value, "chunk_key_encoding")?;
    let (prefixed, default) = match name {
        "default" => (true, '/'),
        "v2" => (false, '.'),
        _ => return Err(Error::unsupported(format!("chunk_key_encoding: unknown encoding {name:?}"))),
    };
    members.expect_only(&["separator"])?;
    let separator = members.optional("separator", separator, "\"/\" or \".\"")?;
    Ok(Keys { prefixed, separator: separator.unwrap_or(default) })
}

/// The separator that a member names.
pub(super) fn separator(value: &Value) -> Option<char> {
    ['/', '.'].into_iter().find(|separator| value == separator.encode_utf8(&mut [0; 4]) as &str)
}

/// The metadata of a new array of chunks of shape `chunk`.
fn create(spec: &CreateSpec, chunk: &[u64], codecs: Value) -> Result<Document> {
    let keys = super::create::key_encoding(spec, Keys { prefixed: true, separator: '/' })?;
    let zero = FillValue::zero(spec.array.dtype);
    let value = spec.array.fill_value.clone().filter(|value| !value.is_null());
    let value = value.unwrap_or_else(|| fill::to_json(&zero, spec.array.dtype));
    // As it is written in one way only.
    let fill = fill::parse(&value, spec.array.dtype);
    let wrong = || Error::invalid(format!("fill_value: {value} is no value of {}", spec.array.dtype));
    let value = fill::to_json(&fill.ok_or_else(wrong)?, spec.array.dtype);
    let mut document = Map::new();
    let mut put = |name: &str, value| document.insert(name.to_owned(), value);
    put("zarr_format", json!(3));
    put("node_type", json!("array"));
    put("shape", json!(spec.array.domain.shape()));
    put("data_type", json!(spec.array.dtype.name()));
    put("chunk_grid", json!({"name": "regular", "configuration": {"chunk_shape": chunk}}));
    put(
        "chunk_key_encoding",
        json!({
            "name": if keys.prefixed { "default" } else { "v2" },
            "configuration": {"separator": keys.separator},
        }),
    );
    put("fill_value", value);
    put("codecs", codecs);
    let mut attributes = spec.array.attributes.clone().unwrap_or_default();
    Own::put(spec, &mut attributes);
    incomplete::mark(&mut attributes, spec.array.incomplete);
    put(ATTRIBUTES, Value::Object(attributes));
    if let Some(names) = &spec.array.dimension_names {
        put("dimension_names", json!(names));
    }
    put("storage_transformers", json!([]));
    Ok(document)
}
