//! Parameters of configurations that are read again from JSON.

use serde_json::Value;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};

pub(super) fn damaged() -> Error {
    Error::invalid("these are no expressions, or they are damaged")
}

/// An error unless it is so.
pub(super) fn expect(is_so: bool) -> Result<()> {
    if is_so { Ok(()) } else { Err(damaged()) }
}

/// The name of a configuration, and its parameters.
pub(super) fn named(value: &Value) -> Option<(&str, &Value)> {
    const NONE: &Value = &Value::Null;
    Some((value.get("name")?.as_str()?, value.get("configuration").unwrap_or(NONE)))
}

/// The name of a configuration within another, and its parameters.
pub(super) fn inner<'a>(of: &'a Value, name: &str) -> Result<(&'a str, &'a Value)> {
    of.get(name).and_then(named).ok_or_else(damaged)
}

pub(super) fn text<'a>(of: &'a Value, name: &str) -> Result<&'a str> {
    of.get(name).and_then(Value::as_str).ok_or_else(damaged)
}

pub(super) fn list<'a>(of: &'a Value, name: &str) -> Result<&'a [Value]> {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).ok_or_else(damaged)
}

pub(super) fn whole(of: &Value, name: &str) -> Result<i64> {
    of.get(name).and_then(Value::as_i64).ok_or_else(damaged)
}

pub(super) fn count(of: &Value, name: &str) -> Result<u64> {
    of.get(name).and_then(Value::as_u64).ok_or_else(damaged)
}

pub(super) fn flag(of: &Value, name: &str) -> Result<bool> {
    of.get(name).and_then(Value::as_bool).ok_or_else(damaged)
}

pub(super) fn position(of: &Value, name: &str) -> Result<usize> {
    usize::try_from(whole(of, name)?).map_err(|_| damaged())
}

/// A floating-point number: bits where JSON has none.
pub(super) fn real(value: &Value) -> Option<f64> {
    let of_bits = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok().map(f64::from_bits);
    value.as_f64().or_else(|| of_bits(value.as_str()?))
}

fn each<T, A: FromIterator<T>>(of: &Value, name: &str, one: impl Fn(&Value) -> Option<T>) -> Result<A> {
    list(of, name)?.iter().map(one).collect::<Option<A>>().ok_or_else(damaged)
}

pub(super) fn reals(of: &Value, name: &str) -> Result<Vec<f64>> {
    each(of, name, real)
}

pub(super) fn wholes(of: &Value, name: &str) -> Result<Vec<i64>> {
    each(of, name, Value::as_i64)
}

pub(super) fn counts(of: &Value, name: &str) -> Result<Vec<u64>> {
    each(of, name, Value::as_u64)
}

pub(super) fn flags(of: &Value, name: &str) -> Result<Vec<bool>> {
    each(of, name, Value::as_bool)
}

pub(super) fn positions(of: &Value, name: &str) -> Result<Dims<usize>> {
    each(of, name, |value| usize::try_from(value.as_u64()?).ok())
}

/// What stands where there is nothing: an element of this type, if one is said.
pub(super) fn fill(of: &Value, dtype: DataType) -> Result<Option<[u8; 8]>> {
    let value = of.get("fill").ok_or_else(damaged)?;
    if value.is_null() {
        return Ok(None);
    }
    let bits = value.as_u64().ok_or_else(damaged)?;
    expect(dtype != DataType::Bool || bits.to_ne_bytes()[0] <= 1)?;
    Ok(Some(bits.to_ne_bytes()))
}

/// The box that a text names; there is one without axes.
pub(super) fn domain(text: &str) -> Result<Domain> {
    if text.is_empty() { Domain::from_shape(&[]) } else { text.parse() }
}

/// The type of the elements, which are numbers.
pub(super) fn number(node: &Value) -> Result<DataType> {
    let dtype: DataType = text(node, "type")?.parse()?;
    if dtype.is_number() { Ok(dtype) } else { Err(damaged()) }
}
