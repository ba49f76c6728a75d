//! Fill values: JSON ↔ the bytes of an element.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/data-types/index.html>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use half::f16;
use serde_json::{Value, json};

use crate::base::dtype::{DataType, FillValue};
use crate::format::text;

/// The value that stands for no time.
const NO_TIME: &str = "NaT";

/// The fill value that `value` says of elements of `dtype`, be it a number in quotes; `None` if it says none.
pub(super) fn parse(value: &Value, dtype: DataType) -> Option<FillValue> {
    of_json(value, dtype).or_else(|| {
        let number = || text::parse(value.as_str()?.as_bytes()).ok().filter(Value::is_number);
        of_json(&text::name_of(value).map(Value::from).or_else(number)?, dtype)
    })
}

/// As [`parse`], of what metadata should have.
fn of_json(value: &Value, dtype: DataType) -> Option<FillValue> {
    fn of<T, const N: usize>(value: Option<T>, bytes: impl Fn(T) -> [u8; N]) -> Option<FillValue> {
        value.map(|value| FillValue::from_bytes(&bytes(value)))
    }
    match dtype {
        // Some writers of Zarr 2 put a number.
        DataType::Bool => {
            of(value.as_bool().or_else(|| Some(int::<u8>(value).filter(|&x| x <= 1)? == 1)), |x| {
                [u8::from(x)]
            })
        }
        DataType::I8 => of(int(value), i8::to_ne_bytes),
        DataType::I16 => of(int(value), i16::to_ne_bytes),
        DataType::I32 => of(int(value), i32::to_ne_bytes),
        DataType::I64 => of(int(value), i64::to_ne_bytes),
        DataType::U8 => of(int(value), u8::to_ne_bytes),
        DataType::U16 => of(int(value), u16::to_ne_bytes),
        DataType::U32 => of(int(value), u32::to_ne_bytes),
        DataType::U64 => of(int(value), u64::to_ne_bytes),
        DataType::F16 => of(bits(value, 0x7e00, 0x7c00, 16, |x| f16::from_f64(x).to_bits().into()), |x| {
            (x as u16).to_ne_bytes()
        }),
        DataType::F32 => {
            of(bits(value, 0x7fc0_0000, 0x7f80_0000, 32, |x| (x as f32).to_bits().into()), |x| {
                (x as u32).to_ne_bytes()
            })
        }
        DataType::F64 => of(bits(value, 0x7ff8 << 48, 0x7ff0 << 48, 64, |x| x.to_bits()), u64::to_ne_bytes),
        DataType::Complex64 => complex(value, DataType::F32),
        DataType::Complex128 => complex(value, DataType::F64),
        DataType::DateTime(_) | DataType::TimeDelta(_) => {
            of(if value == NO_TIME { Some(i64::MIN) } else { int(value) }, i64::to_ne_bytes)
        }
        DataType::Text(_) | DataType::Bytes(_) | DataType::Opaque(_) => {
            padded(&text_of(value, dtype)?, dtype)
        }
        DataType::LongText | DataType::LongBytes => Some(FillValue::from_bytes(&text_of(value, dtype)?)),
    }
}

/// A complex number: real and imaginary part, each of the type `part`, or the first alone.
fn complex(value: &Value, part: DataType) -> Option<FillValue> {
    let parts = match value.as_array().map(Vec::as_slice) {
        Some([real, imaginary]) => [parse(real, part)?, parse(imaginary, part)?],
        Some(_) => return None,
        None => [of_json(value, part)?, FillValue::zero(part)],
    };
    Some(FillValue::from_bytes(&[parts[0].as_bytes(), parts[1].as_bytes()].concat()))
}

/// The bytes of a text, or those that a text in base64 or a list of numbers says. A zero is nothing to some writers.
fn text_of(value: &Value, dtype: DataType) -> Option<Vec<u8>> {
    let is_zero = value.as_f64() == Some(0.0);
    match (dtype, value) {
        (_, Value::Number(_)) => is_zero.then(Vec::new),
        (DataType::Text(_), Value::String(text)) => {
            Some(text.chars().flat_map(|character| u32::from(character).to_ne_bytes()).collect())
        }
        (DataType::LongText, Value::String(text)) => Some(text.as_bytes().to_vec()),
        (DataType::Text(_) | DataType::LongText, _) => None,
        (_, Value::String(text)) => STANDARD.decode(text).ok(),
        (_, Value::Array(bytes)) => bytes.iter().map(int::<u8>).collect(),
        _ => None,
    }
}

/// The element of these bytes, and zeros behind them; `None` if they are too many.
fn padded(bytes: &[u8], dtype: DataType) -> Option<FillValue> {
    let mut element = vec![0; dtype.size()];
    element.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(FillValue::from_bytes(&element))
}

/// A whole number, also where it is written as `0.0`.
fn int<T: TryFrom<i128>>(value: &Value) -> Option<T> {
    let whole = |x: &f64| x.fract() == 0.0 && x.abs() < 1e19;
    let number = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    T::try_from(number.or_else(|| value.as_f64().filter(whole).map(|x| x as i128))?).ok()
}

/// The bits of a floating-point number of `width` bits, given those of NaN and infinity.
fn bits(value: &Value, nan: u64, infinity: u64, width: u32, from: impl Fn(f64) -> u64) -> Option<u64> {
    let Some(text) = value.as_str() else { return value.as_f64().map(from) };
    match text {
        "NaN" => Some(nan),
        "Infinity" => Some(infinity),
        "-Infinity" => Some(infinity | 1 << (width - 1)),
        _ => {
            let digits = text.strip_prefix("0x")?;
            let plain =
                digits.len() as u32 == width / 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            u64::from_str_radix(digits, 16).ok().filter(|_| plain)
        }
    }
}

/// The fill value as metadata of Zarr 3 say it.
pub(super) fn to_json(fill: &FillValue, dtype: DataType) -> Value {
    match dtype {
        DataType::Complex64 | DataType::Complex128 => {
            let part = if dtype == DataType::Complex64 { DataType::F32 } else { DataType::F64 };
            let parts = fill.as_bytes().chunks_exact(part.size());
            parts.map(|bytes| to_json(&FillValue::from_bytes(bytes), part)).collect()
        }
        DataType::DateTime(_) | DataType::TimeDelta(_) => to_json(fill, DataType::I64),
        DataType::Text(_) => {
            let points = fill.as_bytes().as_chunks().0.iter().map(|bytes| u32::from_ne_bytes(*bytes));
            let text: String = points.map(|point| char::from_u32(point).unwrap_or_default()).collect();
            json!(text.trim_end_matches('\0'))
        }
        DataType::LongText => json!(String::from_utf8_lossy(fill.as_bytes())),
        DataType::Bytes(_) | DataType::Opaque(_) | DataType::LongBytes => {
            json!(STANDARD.encode(fill.as_bytes()))
        }
        _ => number_to_json(fill, dtype),
    }
}

fn number_to_json(fill: &FillValue, dtype: DataType) -> Value {
    let mut bytes = [0; 8];
    bytes[..dtype.size()].copy_from_slice(fill.as_bytes());
    if cfg!(target_endian = "big") {
        bytes[..dtype.size()].reverse();
    }
    let raw = u64::from_le_bytes(bytes);
    let float = |value: f64, nan: u64| match value {
        _ if value.is_nan() && raw != nan => {
            let digits = 2 * dtype.size();
            json!(format!("0x{raw:0digits$x}"))
        }
        _ if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        _ => json!(value),
    };
    match dtype {
        DataType::Bool => json!(raw != 0),
        DataType::I8 => json!(raw as i8),
        DataType::I16 => json!(raw as i16),
        DataType::I32 => json!(raw as i32),
        DataType::I64 => json!(raw as i64),
        DataType::F16 => float(f16::from_bits(raw as u16).to_f64(), 0x7e00),
        DataType::F32 => float(f32::from_bits(raw as u32).into(), 0x7fc0_0000),
        DataType::F64 => float(f64::from_bits(raw), 0x7ff8 << 48),
        _ => json!(raw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_no_numbers() {
        use crate::base::dtype::TimeUnit;
        let time = DataType::DateTime(TimeUnit::new(1, "s").unwrap());
        let no_time = i64::MIN.to_ne_bytes();
        let letter = u32::from('ä').to_ne_bytes();
        let cases = [
            (
                DataType::Complex64,
                json!([1.5, "NaN"]),
                [1.5f32.to_ne_bytes(), f32::NAN.to_ne_bytes()].concat(),
            ),
            (
                DataType::Complex128,
                json!([0.0, -1.0]),
                [0.0f64.to_ne_bytes(), (-1.0f64).to_ne_bytes()].concat(),
            ),
            (time, json!(5), 5i64.to_ne_bytes().to_vec()),
            (DataType::Text(2), json!("ä"), [letter, [0; 4]].concat()),
            (DataType::Bytes(3), json!("YWIA"), b"ab\0".to_vec()),
            (DataType::LongText, json!("any"), b"any".to_vec()),
            (DataType::LongBytes, json!("AAE="), vec![0, 1]),
        ];
        for (dtype, value, bytes) in cases {
            let fill = parse(&value, dtype).unwrap();
            assert_eq!((fill.as_bytes(), to_json(&fill, dtype)), (&bytes[..], value), "{dtype}");
        }
        for (dtype, value, bytes) in [
            (time, json!("NaT"), &no_time[..]),
            (DataType::Text(2), json!(0), &[0; 8]),
            (DataType::Bytes(3), json!("YWI="), b"ab\0"),
            (DataType::Opaque(2), json!([1, 255]), &[1, 255]),
            (DataType::LongText, json!(0), &[]),
            (DataType::Complex64, json!(0), &[0; 8]),
        ] {
            assert_eq!(parse(&value, dtype).unwrap().as_bytes(), bytes, "{dtype} {value}");
        }
        for (dtype, value) in [
            (DataType::Complex64, json!([1.0])),
            (time, json!("now")),
            (DataType::Text(2), json!("abc")),
            (DataType::Bytes(1), json!("YWI=")),
            (DataType::Bytes(2), json!("not base64")),
            (DataType::LongText, json!([1])),
        ] {
            assert_eq!(parse(&value, dtype), None, "{dtype} {value}");
        }
    }

    #[test]
    fn values_come_back() {
        let cases = [
            (DataType::Bool, json!(true), &[1][..]),
            (DataType::I8, json!(-3), &[0xfd]),
            (DataType::U64, json!(u64::MAX), &[0xff; 8]),
            (DataType::F16, json!("NaN"), &[0, 0x7e]),
            (DataType::F16, json!(1.5), &[0, 0x3e]),
            (DataType::F32, json!("-Infinity"), &[0, 0, 0x80, 0xff]),
            (DataType::F32, json!("0x7fc00001"), &[1, 0, 0xc0, 0x7f]),
            (DataType::F64, json!("0xfff8000000000000"), &[0, 0, 0, 0, 0, 0, 0xf8, 0xff]),
            (DataType::F64, json!(-0.0), &[0, 0, 0, 0, 0, 0, 0, 0x80]),
        ];
        for (dtype, value, little) in cases {
            let mut bytes = little.to_vec();
            if cfg!(target_endian = "big") {
                bytes.reverse();
            }
            let fill = parse(&value, dtype).unwrap();
            assert_eq!(fill.as_bytes(), bytes, "{dtype} {value}");
            assert_eq!(to_json(&fill, dtype), value);
        }
        let same = [
            (DataType::U8, json!(0.0), json!(0)),
            (DataType::U8, json!("0"), json!(0)),
            (DataType::F32, json!("1.5"), json!(1.5)),
            (DataType::F32, text::of_float(f64::NEG_INFINITY), json!("-Infinity")),
        ];
        for (dtype, value, plain) in same {
            assert_eq!(parse(&value, dtype), Some(of_json(&plain, dtype).unwrap()), "{dtype} {value}");
        }
        let wrong = [
            (DataType::U8, json!(256)),
            (DataType::U8, json!(-1)),
            (DataType::U8, json!(1.5)),
            (DataType::F32, json!("0x7fc0000")),
            (DataType::F32, json!("0x+fc00000")),
            (DataType::F32, json!("nan")),
            (DataType::Bool, json!(2)),
            (DataType::F64, json!([1, 2])),
        ];
        for (dtype, value) in wrong {
            assert_eq!(parse(&value, dtype), None, "{dtype} {value}");
        }
    }
}
