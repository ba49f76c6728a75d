//! numpy's names of types, such as `<f4`, which metadata of several kinds use.

use serde_json::Value;

use crate::base::dtype::{DataType, TimeUnit};

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
        "c8" => DataType::Complex64,
        "c16" => DataType::Complex128,
        _ => long_name(text).or_else(|| sized(name)).or_else(|| time(name))?,
    };
    Some((dtype, big))
}

/// The type of numbers of this name, which some writers have instead.
fn long_name(text: &str) -> Option<DataType> {
    DataType::ALL.into_iter().find(|dtype| dtype.name() == text)
}

/// The most bytes of an element that has a number of them.
const LONGEST: u32 = 1 << 26;

/// The type that numpy calls by a letter and a number, which is not zero.
fn sized(name: &str) -> Option<DataType> {
    let length = || name.get(1..)?.parse::<u32>().ok().filter(|length| (1..=LONGEST).contains(length));
    match name.as_bytes().first()? {
        b'U' => Some(DataType::Text(length().filter(|&length| length <= LONGEST / 4)?)),
        b'S' | b'a' => Some(DataType::Bytes(length()?)),
        b'V' => Some(DataType::Opaque(length()?)),
        _ => None,
    }
}

/// The type that numpy calls, say, `M8[25s]`.
fn time(name: &str) -> Option<DataType> {
    let (kind, unit) = name.split_at_checked(2)?;
    let unit = match unit {
        "" => TimeUnit::new(1, "generic"),
        _ => {
            let unit = unit.strip_prefix('[')?.strip_suffix(']')?;
            let digits = unit.bytes().take_while(u8::is_ascii_digit).count();
            let count = if digits == 0 { 1 } else { unit[..digits].parse().ok()? };
            TimeUnit::new(count, &unit[digits..])
        }
    }?;
    match kind {
        "M8" => Some(DataType::DateTime(unit)),
        "m8" => Some(DataType::TimeDelta(unit)),
        _ => None,
    }
}

/// numpy's name of a type in the given byte order.
pub(crate) fn numpy_name(dtype: DataType, big: bool) -> String {
    let order = match (dtype.part_size(), big) {
        (1, _) => '|',
        (_, true) => '>',
        (_, false) => '<',
    };
    let size = dtype.size();
    match dtype {
        DataType::Bool => format!("{order}b{size}"),
        DataType::I8 | DataType::I16 | DataType::I32 | DataType::I64 => format!("{order}i{size}"),
        DataType::U8 | DataType::U16 | DataType::U32 | DataType::U64 => format!("{order}u{size}"),
        DataType::F16 | DataType::F32 | DataType::F64 => format!("{order}f{size}"),
        DataType::Complex64 | DataType::Complex128 => format!("{order}c{size}"),
        DataType::DateTime(_) => format!("{order}{}", dtype.name().replace("datetime64", "M8")),
        DataType::TimeDelta(_) => format!("{order}{}", dtype.name().replace("timedelta64", "m8")),
        DataType::Text(_) | DataType::Bytes(_) | DataType::Opaque(_) => format!("{order}{}", dtype.name()),
        DataType::LongText | DataType::LongBytes => "|O".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_numpy_come_back() {
        for name in
            ["|b1", "<i4", ">f8", "<c8", ">c16", "<M8[ns]", ">m8[25s]", "<M8", "<U7", ">U1", "|S3", "|V16"]
        {
            let (dtype, big) = numpy_type(&name.into()).unwrap();
            assert_eq!((big, numpy_name(dtype, big).as_str()), (name.starts_with('>'), name));
        }
        assert_eq!(numpy_type(&"float32".into()), Some((DataType::F32, false)));
        for name in [
            "",
            "<",
            "<U0",
            "|S0",
            "<c4",
            "<M8[",
            "<M8[parsec]",
            "<M8[0s]",
            "|O",
            "f16",
            "<f16",
            "<float32",
            "<U99999999999",
        ] {
            assert_eq!(numpy_type(&name.into()), None, "{name}");
        }
    }
}
