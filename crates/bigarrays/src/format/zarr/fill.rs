//! Fill values: JSON ↔ the bytes of an element.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/data-types/index.html>

use half::f16;
use serde_json::{Value, json};

use crate::base::dtype::{DataType, FillValue};
use crate::format::text;

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
    }
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
        DataType::U8 | DataType::U16 | DataType::U32 | DataType::U64 => json!(raw),
        DataType::F16 => float(f16::from_bits(raw as u16).to_f64(), 0x7e00),
        DataType::F32 => float(f32::from_bits(raw as u32).into(), 0x7fc0_0000),
        DataType::F64 => float(f64::from_bits(raw), 0x7ff8 << 48),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
