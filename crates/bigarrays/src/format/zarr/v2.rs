//! Metadata of Zarr 2: `.zarray` and `.zattrs`.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html>

use serde_json::{Map, Value, json};

use super::attribute::Own;
use super::create;
use super::dialect::{Found, New, Version};
use super::fill;
use super::keys::Keys;
use super::meta::{Meta, lengths_for, names_of};
use super::v3::separator;
use crate::base::dtype::{DataType, FillValue};
use crate::base::error::{Error, Result};
use crate::base::member::{Member, brief, integer, naturals};
use crate::base::numpy::{numpy_name, numpy_type};
use crate::chunk::codec::{CodecList, Dialect, Kind, Listed, compresses, parse as parse_codecs};
use crate::chunk::config::Config;
use crate::format::CreateSpec;
use crate::format::document::Document;
use crate::format::holds::{self, Holds, Missing};
use crate::format::incomplete::{self, Incomplete};
use crate::format::probe::Probe;
use crate::store::Store;

/// The key of the metadata of an array.
const ARRAY: &str = ".zarray";

/// The key of the metadata of a group.
const GROUP: &str = ".zgroup";

/// The key of the attributes of either.
const ATTRIBUTES: &str = ".zattrs";

/// The key of the metadata of all that a group holds.
const CONSOLIDATED: &str = ".zmetadata";

/// What xarray calls the names of axes among the attributes.
const NAMES: &str = "_ARRAY_DIMENSIONS";

/// Version 2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Two;

/// What new arrays of Zarr 2 hold.
pub(in crate::format) const HOLDS: Holds = Holds {
    dialect: "zarr2",
    attributes: Some("zarr2"),
    missing: Missing::FillValue,
    codecs: holds::Codecs::Any(says),
    ..create::HOLDS
};

impl Version for Two {
    fn holds(&self) -> &'static Holds {
        &HOLDS
    }

    fn number(&self) -> u8 {
        2
    }

    fn name(&self) -> &'static str {
        "zarr2"
    }

    fn about(&self) -> &'static str {
        "Zarr 2 array or group"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["zarr", "zarr2"]
    }

    fn image_name(&self) -> &'static str {
        "ome-zarr-0.4"
    }

    fn keys(&self) -> &'static [&'static str] {
        &[ARRAY, GROUP, ATTRIBUTES]
    }

    fn array_key(&self) -> &'static str {
        ARRAY
    }

    fn group_key(&self) -> &'static str {
        GROUP
    }

    fn attributes_key(&self) -> &'static str {
        ATTRIBUTES
    }

    fn find(&self, probe: &Probe) -> Result<Option<Found>> {
        let located = |key| move |error: Error| error.at(probe.store().location(key));
        if let Some(document) = probe.document(ARRAY)? {
            let attributes = probe.document(ATTRIBUTES)?;
            let meta = parse(&document, attributes.as_ref()).map_err(located(ARRAY))?;
            return Ok(Some(Found::Array(Box::new(meta))));
        }
        let Some(document) = probe.document(GROUP)? else { return Ok(None) };
        expect_version(&document).map_err(located(GROUP))?;
        Ok(Some(Found::Group(document)))
    }

    fn is_array(&self, store: &dyn Store) -> Result<Option<bool>> {
        match store.exists(ARRAY)? {
            true => Ok(Some(true)),
            false => Ok(store.exists(GROUP)?.then_some(false)),
        }
    }

    fn is_group(&self, key: &str, _: &Document) -> bool {
        key == GROUP
    }

    fn parse(&self, document: &Document, attributes: Option<&Document>) -> Result<Meta> {
        parse(document, attributes)
    }

    fn new_array(&self, spec: &CreateSpec, chunk: &[u64], codecs: Value) -> Result<New> {
        let (document, attributes) = create(spec, chunk, &codecs)?;
        Ok(New { document, attributes: Some(attributes).filter(|attributes| !attributes.is_empty()) })
    }

    fn new_group(&self, attributes: &Document) -> New {
        let document = Document::from_iter([("zarr_format".to_owned(), json!(2))]);
        New { document, attributes: Some(attributes.clone()).filter(|attributes| !attributes.is_empty()) }
    }

    fn attributes(&self, probe: &Probe) -> Result<Option<Document>> {
        match probe.has(ARRAY)? || probe.has(GROUP)? {
            true => probe.document(ATTRIBUTES).map(|found| Some(found.unwrap_or_default())),
            false => Ok(None),
        }
    }

    fn group_attributes(&self, probe: &Probe) -> Result<Option<Document>> {
        match probe.document(GROUP)? {
            Some(_) => probe.document(ATTRIBUTES).map(|found| Some(found.unwrap_or_default())),
            None => Ok(None),
        }
    }

    fn changed(
        &self,
        old: Option<Document>,
        change: &dyn Fn(Document) -> Result<Document>,
    ) -> Result<Document> {
        change(old.unwrap_or_default())
    }

    fn marked<'a>(&self, document: &'a mut Document) -> Option<&'a mut Document> {
        // Not among the attributes, which are another document: between the two, the array would be there unmarked.
        Some(document)
    }

    fn consolidated_key(&self) -> &'static str {
        CONSOLIDATED
    }

    fn consolidated<'a>(&self, document: &'a Document) -> Option<&'a Map<String, Value>> {
        document.get("metadata")?.as_object()
    }

    fn consolidated_mut<'a>(&self, document: &'a mut Document) -> Option<&'a mut Map<String, Value>> {
        document.get_mut("metadata")?.as_object_mut()
    }

    fn consolidates_itself(&self) -> bool {
        true
    }

    fn consolidated_name(&self, path: &str, key: &str) -> String {
        if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") }
    }

    fn consolidate(&self, document: &mut Document) {
        // One that outlived the array's own would be wrong.
        incomplete::take(document);
    }

    fn consolidated_node(&self, name: &str, _: &Value) -> Option<(String, bool)> {
        let (path, key) = name.rsplit_once('/')?;
        [ARRAY, GROUP].contains(&key).then(|| (path.to_owned(), key == ARRAY))
    }
}

/// An error if a document is not of version 2.
fn expect_version(document: &Document) -> Result<()> {
    let members = Member { object: document, path: String::new() };
    members.required("zarr_format", |value| (integer(value)? == 2).then_some(()), "2")
}

/// Reads the metadata of an array.
fn parse(document: &Document, attributes: Option<&Document>) -> Result<Meta> {
    expect_version(document)?;
    let members = Member { object: document, path: String::new() };
    let shape = members.required("shape", naturals, "a list of whole numbers")?;
    let ndim = shape.len();
    let lengths = |value| lengths_for(value, &shape);
    let chunk = members.required("chunks", lengths, &format!("{ndim} positive whole numbers"))?;
    let filters = filters(&members)?;
    let (dtype, big) = data_type(document.get("dtype").unwrap_or(&Value::Null), &filters)?;
    let fill = match document.get("fill_value") {
        // Not said: those of the machine, as good as any.
        None | Some(Value::Null) => FillValue::zero(dtype),
        Some(value) => fill::parse(value, dtype)
            .ok_or_else(|| members.wrong("fill_value", &format!("a value of {dtype}")))?,
    };
    let order = |value: &Value| ["C", "F"].iter().position(|&known| value == known);
    let fortran = members.required("order", order, "\"C\" or \"F\"")? == 1;
    let separator = members.optional("dimension_separator", separator, "\".\" or \"/\"")?;
    let mut codecs = Vec::new();
    if fortran {
        let order: Vec<usize> = (0..ndim).rev().collect();
        codecs.push(said("transpose", json!({ "order": order }), "order"));
    }
    add_filters(filters, big, &mut codecs)?;
    let names = attributes.and_then(|attributes| attributes.get(NAMES)).and_then(names_of);
    let names = names.filter(|names| names.len() == ndim);
    let keys = Keys { prefixed: false, separator: separator.unwrap_or('.') };
    let own = Own::parse(attributes, ndim);
    let said = document.get("fill_value").filter(|fill| !fill.is_null());
    let fill_is_missing = said.is_some_and(|fill| is_missing(fill, dtype, attributes));
    let fill_is_said = said.is_some();
    let incomplete = Incomplete::of(document);
    Ok(Meta {
        shape,
        dtype,
        chunk,
        keys,
        fill,
        fill_is_said,
        fill_is_missing,
        codecs,
        names,
        own,
        incomplete,
    })
}

/// The type of elements, and whether they are big-endian. What objects are, the filter says that encodes them.
fn data_type(name: &Value, filters: &[Listed]) -> Result<(DataType, bool)> {
    if let Some(known) = numpy_type(name) {
        return Ok(known);
    }
    if name != "|O" {
        return Err(Error::unsupported(format!("dtype: unknown type {}", brief(name))));
    }
    let names: Vec<&str> = filters.iter().map(|filter| filter.name.as_str()).collect();
    let known = [("vlen-utf8", DataType::LongText), ("vlen-bytes", DataType::LongBytes)];
    match known.into_iter().find(|(name, _)| names.contains(name)) {
        Some((_, dtype)) => Ok((dtype, false)),
        None => Err(Error::unsupported(format!("dtype: objects that the filters {names:?} encode"))),
    }
}

/// Whether a fill value stands for elements without a value: xarray writes its `_FillValue` there, in arrays whose axes
/// have names. Elsewhere it does of packed elements, as their attributes say, and of floats, unless it is the zero that
/// everyone has there who says nothing.
fn is_missing(fill: &Value, dtype: DataType, attributes: Option<&Document>) -> bool {
    let has = |name| attributes.is_some_and(|attributes| attributes.contains_key(name));
    let is_of_xarray = has(NAMES) || has("scale_factor") || has("add_offset");
    is_of_xarray || dtype.is_float() && fill.as_f64() != Some(0.0)
}

/// A codec that the member at `path` stands for.
fn said(name: &str, configuration: Value, path: &str) -> Listed {
    let configuration = match configuration {
        Value::Object(configuration) => configuration,
        _ => Map::new(),
    };
    Listed::new(name, configuration, path.to_owned())
}

/// The filters, and the compressor behind them.
fn filters(members: &Member<'_>) -> Result<Vec<Listed>> {
    let mut all = Vec::new();
    let list = members.optional("filters", Value::as_array, "a list or null")?;
    for (k, filter) in list.into_iter().flatten().enumerate() {
        let path = format!("filters[{k}]");
        let object = filter.as_object();
        let object = object.ok_or_else(|| Error::metadata(format!("{path}: expected an object")))?;
        all.push(Listed::of_object(Dialect::Numcodecs, "id", object, &path)?);
    }
    if let Some(compressor) = members.optional("compressor", Value::as_object, "an object or null")? {
        all.push(Listed::of_object(Dialect::Numcodecs, "id", compressor, "compressor")?);
    }
    Ok(all)
}

/// Adds the filters, and among them that which turns elements into bytes.
fn add_filters(filters: Vec<Listed>, mut big: bool, codecs: &mut Vec<Listed>) -> Result<()> {
    let mut of_bytes = Vec::new();
    let is_of = |filter: &Listed, kind| filter.kind() == Some(kind);
    for filter in filters {
        if !is_of(&filter, Kind::Step) && !is_of(&filter, Kind::Array) {
            of_bytes.push(filter);
            continue;
        }
        if !of_bytes.is_empty() {
            return Err(Error::unsupported(format!(
                "{}: {:?} behind codecs of bytes",
                filter.path, filter.name
            )));
        }
        let stored = ["astype", "encode_dtype"].iter().find_map(|name| filter.configuration.get(*name));
        if let Some((_, stored)) = stored.and_then(numpy_type) {
            big = stored;
        }
        codecs.push(filter);
    }
    if !codecs.last().is_some_and(|last| is_of(last, Kind::Array)) {
        codecs.push(said("bytes", json!({"endian": if big { "big" } else { "little" }}), "dtype"));
    }
    codecs.append(&mut of_bytes);
    Ok(())
}

/// The metadata and attributes of a new array of chunks of shape `chunk`.
///
/// # Errors
/// `InvalidArgument` if Zarr 2 has no such codecs.
fn create(spec: &CreateSpec, chunk: &[u64], codecs: &Value) -> Result<(Document, Document)> {
    let keys = super::create::key_encoding(spec, Keys { prefixed: false, separator: '.' })?;
    let Codecs { order, big, filters, compressor } = written(codecs, spec.array.dtype, chunk.len())?;
    let mut document = Map::new();
    let mut put = |name: &str, value| document.insert(name.to_owned(), value);
    put("zarr_format", json!(2));
    put("shape", json!(spec.array.domain.shape()));
    put("chunks", json!(chunk));
    put("dtype", json!(numpy_name(spec.array.dtype, big)));
    put("compressor", json!(compressor));
    put("fill_value", fill_value(spec)?);
    put("order", json!(order));
    put("filters", if filters.is_empty() { Value::Null } else { json!(filters) });
    put("dimension_separator", json!(keys.separator));
    incomplete::mark(&mut document, spec.array.incomplete);
    let mut attributes = spec.array.attributes.clone().unwrap_or_default();
    Own::put(spec, &mut attributes);
    // Its readers expect that all axes have names.
    if let Some(names) = spec.array.all_names() {
        attributes.insert(NAMES.to_owned(), json!(names));
    }
    Ok((document, attributes))
}

/// The fill value of a new array: zero if it is left open, none where that is asked for.
///
/// # Errors
/// `InvalidArgument` if Zarr 2 has no words for it.
fn fill_value(spec: &CreateSpec) -> Result<Value> {
    let dtype = spec.array.dtype;
    let Some(value) = &spec.array.fill_value else {
        return Ok(fill::to_json(&FillValue::zero(dtype), dtype));
    };
    if value.is_null() {
        return Ok(Value::Null);
    }
    let fill = fill::parse(value, dtype);
    let fill = fill.ok_or_else(|| Error::invalid(format!("fill_value: {value} is no value of {dtype}")))?;
    let value = fill::to_json(&fill, dtype);
    if value.as_str().is_some_and(|bits| bits.starts_with("0x")) {
        return Err(Error::invalid(format!("fill_value: Zarr 2 has one NaN alone, not {value}")));
    }
    Ok(value)
}

/// The codecs of a new array, as its metadata have them.
struct Codecs {
    order: char,
    big: bool,
    filters: Vec<Value>,
    compressor: Option<Value>,
}

/// Codecs that Zarr 3 lists, as Zarr 2 has them.
///
/// # Errors
/// `InvalidArgument` if it has no words for them, or as [`CodecList::read`].
fn written(codecs: &Value, dtype: DataType, ndim: usize) -> Result<Codecs> {
    let list = CodecList::read(&parse_codecs(codecs, "codecs")?, dtype, ndim)?;
    let order = order(&list, ndim)?;
    let is_said = |config: &Config| matches!(config.name(), "transpose" | "raw");
    let mut filters = list.write(Dialect::Numcodecs, "Zarr 2", is_said)?;
    let compressor =
        filters.pop_if(|last| compresses(Dialect::Numcodecs, last.name)).map(|last| last.to_object("id"));
    let filters = filters.iter().map(|filter| filter.to_object("id")).collect();
    Ok(Codecs { order, big: list.is_big_endian(), filters, compressor })
}

/// Whether Zarr 2 has words for `codecs`, which are listed as in Zarr 3, of elements of `dtype` along `ndim` axes.
pub(super) fn says(codecs: &Value, dtype: DataType, ndim: usize) -> bool {
    written(codecs, dtype, ndim).is_ok()
}

/// The order of axes, which is that of the array, or all are reversed before anything else is done.
fn order(list: &CodecList, ndim: usize) -> Result<char> {
    let mut turns = list.steps.iter().map(|step| step.axes());
    let order = match turns.next().flatten() {
        None => 'C',
        Some(axes) if axes.iter().copied().eq((0..ndim).rev()) => 'F',
        Some(axes) if axes.iter().copied().eq(0..ndim) => 'C',
        Some(_) => return Err(Error::invalid("Zarr 2 has the axes in order, or all reversed")),
    };
    match turns.any(|axes| axes.is_some()) {
        true => Err(Error::invalid("Zarr 2 has the axes in order, or all reversed, before all else")),
        false => Ok(order),
    }
}
