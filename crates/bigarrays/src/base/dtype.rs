//! Element types, their fill values, and dispatch from a runtime type to a compile-time one.

use std::fmt;
use std::str::FromStr;

use half::f16;

use crate::base::error::{Error, Result};

/// The type of one array element. In memory always the machine's byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum DataType {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    F32,
    F64,
}

impl DataType {
    /// Every supported type, in the order of the documentation's tables.
    pub const ALL: [Self; 12] = [
        Self::Bool,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::F16,
        Self::F32,
        Self::F64,
    ];

    /// Whether elements are floating-point numbers.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64)
    }

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// numpy's name, such as `uint8` or `float32`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::F16 => "float16",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DataType {
    type Err = Error;

    /// Accepts numpy's names in any case, and Rust's short ones (`u8`, `f32`).
    fn from_str(text: &str) -> Result<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let long = match lower.as_bytes() {
            [b'u', b'0'..=b'9', ..] => format!("uint{}", &lower[1..]),
            [b'i', b'0'..=b'9', ..] => format!("int{}", &lower[1..]),
            [b'f', b'0'..=b'9', ..] => format!("float{}", &lower[1..]),
            _ => lower,
        };
        Self::ALL.into_iter().find(|dtype| dtype.name() == long).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::invalid(format!("unknown data type {text:?}; known are {known}"))
        })
    }
}

/// A Rust type that arrays can hold.
///
/// # Safety
/// `DTYPE` must describe the type's size, and every bit pattern that bigarrays stores for
/// `DTYPE` (for `bool` only 0 and 1) must be a valid value.
pub unsafe trait Element: Copy + Send + Sync + 'static {
    /// The runtime name of this type.
    const DTYPE: DataType;
}

macro_rules! elements {
    ($($rust:ty => $variant:ident),+ $(,)?) => {
        $(
            // SAFETY: the size matches, and decoders only ever store 0 and 1 for `bool`.
            unsafe impl Element for $rust {
                const DTYPE: DataType = DataType::$variant;
            }
        )+
        const _: () = { $(assert!(size_of::<$rust>() == DataType::$variant.size());)+ };
    };
}

elements! {
    bool => Bool, i8 => I8, i16 => I16, i32 => I32, i64 => I64, u8 => U8, u16 => U16, u32 => U32,
    u64 => U64, f16 => F16, f32 => F32, f64 => F64,
}

/// Runs an expression with a type alias bound to the Rust type of a [`DataType`].
///
/// `for_dtype!(dtype, T => size_of::<T>())`
#[macro_export]
macro_rules! for_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DataType::Bool => {
                type $T = bool;
                $body
            }
            $crate::DataType::I8 => {
                type $T = i8;
                $body
            }
            $crate::DataType::I16 => {
                type $T = i16;
                $body
            }
            $crate::DataType::I32 => {
                type $T = i32;
                $body
            }
            $crate::DataType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DataType::U8 => {
                type $T = u8;
                $body
            }
            $crate::DataType::U16 => {
                type $T = u16;
                $body
            }
            $crate::DataType::U32 => {
                type $T = u32;
                $body
            }
            $crate::DataType::U64 => {
                type $T = u64;
                $body
            }
            $crate::DataType::F16 => {
                type $T = $crate::half::f16;
                $body
            }
            $crate::DataType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DataType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}

/// The value of elements that are not stored: one element's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FillValue {
    bytes: [u8; 8],
    size: u8,
}

impl FillValue {
    /// Zero (or `false`) of the given type.
    pub const fn zero(dtype: DataType) -> Self {
        Self { bytes: [0; 8], size: dtype.size() as u8 }
    }

    /// The value of these bytes of one element, in the machine's order.
    ///
    /// # Panics
    /// If they are more than eight.
    pub fn from_bytes(element: &[u8]) -> Self {
        let mut bytes = [0; 8];
        bytes[..element.len()].copy_from_slice(element);
        Self { bytes, size: element.len() as u8 }
    }

    /// The bytes of one element, in the machine's order.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.size)]
    }

    /// Whether all bytes are zero, so that zeroed memory is filled memory.
    pub fn is_zero(&self) -> bool {
        self.bytes == [0; 8]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for dtype in DataType::ALL {
            assert_eq!(dtype.name().parse::<DataType>().unwrap(), dtype);
            assert_eq!(dtype.name().to_uppercase().parse::<DataType>().unwrap(), dtype);
            assert_eq!(for_dtype!(dtype, T => size_of::<T>()), dtype.size());
        }
        assert_eq!("f16".parse::<DataType>().unwrap(), DataType::F16);
        assert!("complex64".parse::<DataType>().unwrap_err().to_string().contains("float64"));
    }
}
