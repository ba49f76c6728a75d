//! Types of results, as NumPy 2 has them (NEP 50).

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};

/// The type that holds what elements of both types say: NumPy's `result_type`.
pub(crate) fn common(one: DataType, other: DataType) -> DataType {
    use DataType::{Bool, F16, F32, F64, I8, I16, I32, I64, U8, U16};
    let (one, other) = if rank(one) <= rank(other) { (one, other) } else { (other, one) };
    match (one, other) {
        _ if one == other => one,
        (Bool, other) => other,
        (I8 | U8, float @ (F16 | F32 | F64)) | (F16 | F32, float @ (F32 | F64)) => float,
        (I16 | U16, F16 | F32) => F32,
        (_, F16 | F32 | F64) => F64,
        // From here on whole numbers, of which the first is no larger.
        (one, other) if is_signed(one) == is_signed(other) => wider(one, other),
        (one, other) => {
            let (signed, unsigned) = if is_signed(one) { (one, other) } else { (other, one) };
            match signed.size() > unsigned.size() {
                true => signed,
                false => match unsigned.size() {
                    1 => I16,
                    2 => I32,
                    4 => I64,
                    _ => F64,
                },
            }
        }
    }
}

fn wider(one: DataType, other: DataType) -> DataType {
    if one.size() >= other.size() { one } else { other }
}

/// Booleans, whole numbers, floating-point numbers.
fn rank(dtype: DataType) -> (u8, usize) {
    match dtype {
        DataType::Bool => (0, 1),
        other if other.is_float() => (2, other.size()),
        other => (1, other.size()),
    }
}

pub(crate) fn is_signed(dtype: DataType) -> bool {
    matches!(dtype, DataType::I8 | DataType::I16 | DataType::I32 | DataType::I64)
}

/// Whether elements are whole numbers; booleans are none.
pub(crate) fn is_whole(dtype: DataType) -> bool {
    rank(dtype).0 == 1
}

/// The type in which functions of real numbers, such as the square root, give their results.
pub(crate) fn real(dtype: DataType) -> DataType {
    match dtype {
        DataType::Bool | DataType::I8 | DataType::U8 => DataType::F16,
        DataType::I16 | DataType::U16 => DataType::F32,
        float if float.is_float() => float,
        _ => DataType::F64,
    }
}

/// A number without a type of its own, which takes that of the arrays it meets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Literal {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Whole(i128),
    /// A floating-point number.
    Real(f64),
}

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Literal {
    fn from(value: i64) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Literal {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl Literal {
    /// Whether it is not zero.
    pub(crate) fn is_true(self) -> bool {
        match self {
            Self::Bool(value) => value,
            Self::Whole(value) => value != 0,
            Self::Real(value) => value != 0.0,
        }
    }

    /// The type that it has among no arrays.
    pub(crate) fn own_type(self) -> DataType {
        match self {
            Self::Bool(_) => DataType::Bool,
            Self::Whole(_) => DataType::I64,
            Self::Real(_) => DataType::F64,
        }
    }

    /// The type of both an array's elements and this.
    pub(crate) fn with(self, dtype: DataType) -> DataType {
        match (self, rank(dtype).0) {
            (Self::Bool(_), _) | (Self::Whole(_), 1 | 2) | (Self::Real(_), 2) => dtype,
            (Self::Whole(_), _) => DataType::I64,
            (Self::Real(_), _) => DataType::F64,
        }
    }

    /// Its bytes as an element of `dtype`.
    ///
    /// # Errors
    /// `InvalidArgument` for a whole number that does not fit into a type of whole numbers.
    pub(crate) fn bytes(self, dtype: DataType) -> Result<[u8; 8]> {
        let mut bytes = [0; 8];
        let whole = match self {
            Self::Bool(value) => i128::from(value),
            Self::Whole(value) => value,
            Self::Real(value) if dtype.is_float() => {
                put_real(value, dtype, &mut bytes);
                return Ok(bytes);
            }
            Self::Real(value) => return Err(Error::invalid(format!("{value} is no element of {dtype}"))),
        };
        if dtype.is_float() {
            put_real(whole as f64, dtype, &mut bytes);
            return Ok(bytes);
        }
        let (least, most) = range(dtype);
        if !(least..=most).contains(&whole) {
            return Err(Error::invalid(format!("{whole} does not fit into {dtype}, from {least} to {most}")));
        }
        let size = dtype.size();
        bytes[..size].copy_from_slice(&whole.to_le_bytes()[..size]);
        if cfg!(target_endian = "big") {
            bytes[..size].reverse();
        }
        Ok(bytes)
    }
}

fn put_real(value: f64, dtype: DataType, bytes: &mut [u8; 8]) {
    match dtype {
        DataType::F16 => bytes[..2].copy_from_slice(&half::f16::from_f64(value).to_ne_bytes()),
        DataType::F32 => bytes[..4].copy_from_slice(&(value as f32).to_ne_bytes()),
        _ => bytes.copy_from_slice(&value.to_ne_bytes()),
    }
}

/// The least and the largest element of a type of whole numbers.
pub(crate) fn range(dtype: DataType) -> (i128, i128) {
    let bits = 8 * dtype.size() as u32;
    match dtype {
        DataType::Bool => (0, 1),
        signed if is_signed(signed) => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        _ => (0, (1 << bits) - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_numpy() {
        use DataType::*;
        // Each with each in the order of `DataType::ALL`, as NumPy 2.2 says.
        let expected = [
            [Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64],
            [I8, I8, I16, I32, I64, I16, I32, I64, F64, F16, F32, F64],
            [I16, I16, I16, I32, I64, I16, I32, I64, F64, F32, F32, F64],
            [I32, I32, I32, I32, I64, I32, I32, I64, F64, F64, F64, F64],
            [I64, I64, I64, I64, I64, I64, I64, I64, F64, F64, F64, F64],
            [U8, I16, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64],
            [U16, I32, I32, I32, I64, U16, U16, U32, U64, F32, F32, F64],
            [U32, I64, I64, I64, I64, U32, U32, U32, U64, F64, F64, F64],
            [U64, F64, F64, F64, F64, U64, U64, U64, U64, F64, F64, F64],
            [F16, F16, F32, F64, F64, F16, F32, F64, F64, F16, F32, F64],
            [F32, F32, F32, F64, F64, F32, F32, F64, F64, F32, F32, F64],
            [F64; 12],
        ];
        for (one, row) in DataType::ALL.into_iter().zip(expected) {
            assert_eq!(DataType::ALL.map(|other| common(one, other)), row, "{one}");
        }
    }

    #[test]
    fn literals_fit_or_are_refused() {
        assert_eq!(Literal::from(300).with(DataType::U8), DataType::U8);
        assert!(Literal::from(300).bytes(DataType::U8).unwrap_err().to_string().contains("from 0 to 255"));
        assert_eq!(Literal::from(-1).bytes(DataType::I16).unwrap()[..2], (-1i16).to_ne_bytes());
        assert_eq!(Literal::from(1.5).with(DataType::F32), DataType::F32);
        assert_eq!(Literal::from(1.5).with(DataType::I8), DataType::F64);
        assert_eq!(
            Literal::from(2).bytes(DataType::F16).unwrap()[..2],
            half::f16::from_f32(2.0).to_ne_bytes()
        );
    }
}
