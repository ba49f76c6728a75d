//! numpy's names of types, such as `<f4`, which metadata of several kinds use.

use serde_json::Value;

use crate::base::dtype::DataType;

/// The type that numpy calls `value`, such as `<f4`, and whether it is big-endian.
pub(crate) fn numpy_type(value: &Value) -> Option<(DataType, bool)> {
    let text = value.as_str()?;
    let (big, name) = match text.as_bytes().first()? {
        b'<' | b'|' => (false, &text[1..]),
        b'>' => (true, &text[1..]),
        _ => (false, text),
    };
    let dtype = match name {
        "b1" => DataType::Bool,
        "i1" => DataType::I8,
        "i2" => DataType::I16,
        "i4" => DataType::I32,
        "i8" => DataType::I64,
        "u1" => DataType::U8,
        "u2" => DataType::U16,
        "u4" => DataType::U32,
        "u8" => DataType::U64,
        "f2" => DataType::F16,
        "f4" => DataType::F32,
        "f8" => DataType::F64,
        _ => return None,
    };
    Some((dtype, big))
}

/// numpy's name of a type in the given byte order.
pub(crate) fn numpy_name(dtype: DataType, big: bool) -> String {
    let kind = match dtype {
        DataType::Bool => 'b',
        DataType::I8 | DataType::I16 | DataType::I32 | DataType::I64 => 'i',
        DataType::U8 | DataType::U16 | DataType::U32 | DataType::U64 => 'u',
        DataType::F16 | DataType::F32 | DataType::F64 => 'f',
    };
    let order = match (dtype.size(), big) {
        (1, _) => '|',
        (_, true) => '>',
        (_, false) => '<',
    };
    format!("{order}{kind}{}", dtype.size())
}
