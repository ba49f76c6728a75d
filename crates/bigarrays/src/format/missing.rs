//! The value that stands for elements without one, as xarray keeps it in arrays of Zarr: in Zarr 2 the fill value is its
//! `_FillValue`, in Zarr 3 an attribute of that name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::holds::Missing;
use super::spec::ArraySpec;
use super::text;

/// The attribute.
pub(super) const ATTRIBUTE: &str = "_FillValue";

/// Has an array whose missing elements are said as `from` says say them as `to` does. Arrays without names of axes are
/// none of xarray's, and nothing is missing there.
pub(super) fn translate(array: &mut ArraySpec, from: Missing, to: Missing) {
    if !has_names(array) {
        return;
    }
    match (from, to) {
        (Missing::FillValue, Missing::Attribute) => {
            let fill = array.fill_value.as_ref().filter(|fill| !fill.is_null());
            if let Some(value) = fill.map(|fill| to_attribute(fill, array.dtype.is_float())) {
                array.attributes.get_or_insert_default().insert(ATTRIBUTE.to_owned(), value);
            }
        }
        (Missing::Attribute, Missing::FillValue) => {
            let attribute = array.attributes.as_mut().and_then(|all| all.shift_remove(ATTRIBUTE));
            match attribute.map(|value| of_attribute(value, array.dtype.is_float())) {
                Some(value) => array.fill_value = Some(value),
                // A fill value would say that such elements are missing.
                None if array.fill_value.as_ref().is_none_or(is_zero) => array.fill_value = Some(Value::Null),
                None => {}
            }
        }
        _ => {}
    }
}

/// The fill value of `kept`, if it says there that elements are missing that are not in `given`, of which it is made.
pub(super) fn mistaken<'a>(
    given: &ArraySpec,
    kept: &'a ArraySpec,
    from: Missing,
    to: Missing,
) -> Option<&'a Value> {
    let is_said = given.attributes.as_ref().is_some_and(|all| all.contains_key(ATTRIBUTE));
    let is_mistaken = from == Missing::Attribute && to == Missing::FillValue && !is_said && has_names(kept);
    kept.fill_value.as_ref().filter(|fill| is_mistaken && !fill.is_null())
}

/// Whether axes have names, as those of xarray's arrays have.
fn has_names(array: &ArraySpec) -> bool {
    array.dimension_names.iter().flatten().any(Option::is_some)
}

/// Whether a fill value is zero.
pub(super) fn is_zero(fill: &Value) -> bool {
    fill.as_f64() == Some(0.0) || *fill == Value::Bool(false)
}

/// As the attribute has a fill value: those of floats are the bytes of a double in base64.
fn to_attribute(fill: &Value, is_float: bool) -> Value {
    let name = fill.as_str().or_else(|| text::name_of(fill));
    let number = fill.as_f64().or_else(|| name?.parse().ok());
    match number.filter(|_| is_float) {
        Some(number) => Value::from(STANDARD.encode(number.to_le_bytes())),
        None => fill.clone(),
    }
}

/// The fill value that the attribute says.
fn of_attribute(value: Value, is_float: bool) -> Value {
    let bytes = value.as_str().filter(|_| is_float).and_then(|text| STANDARD.decode(text).ok());
    match bytes.and_then(|bytes| bytes.try_into().ok()) {
        Some(bytes) => text::of_float(f64::from_le_bytes(bytes)),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn floats_are_doubles_in_base64() {
        for (fill, attribute) in
            [(json!(-999.0), json!("AAAAAAA4j8A=")), (json!("NaN"), json!("AAAAAAAA+H8="))]
        {
            assert_eq!(to_attribute(&fill, true), attribute);
            let back = of_attribute(attribute, true);
            assert_eq!(text::name_of(&back).map_or(back.clone(), Value::from), fill);
        }
        assert_eq!(to_attribute(&json!(-32768), false), json!(-32768));
        assert_eq!(of_attribute(json!(-32768), false), json!(-32768));
    }
}
