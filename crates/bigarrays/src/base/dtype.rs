//! Element types, their fill values, and dispatch from a runtime type to a compile-time one.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use half::f16;
use smallvec::SmallVec;

use crate::base::error::{Error, Result};

/// The type of one array element. In memory always the machine's byte order.
///
/// Types other than numbers are read, and not computed with; new arrays cannot have them.
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
    /// Two `F32`: real and imaginary part.
    Complex64,
    /// Two `F64`: real and imaginary part.
    Complex128,
    /// An `I64`: so many of a unit since the start of 1970; its lowest value is no time.
    DateTime(TimeUnit),
    /// An `I64`: so many of a unit; its lowest value is no time.
    TimeDelta(TimeUnit),
    /// So many code points of four bytes; of shorter texts, the last are zero.
    Text(u32),
    /// So many bytes; of shorter ones, the last are zero.
    Bytes(u32),
    /// So many bytes that mean what only the user knows.
    Opaque(u32),
    /// Text of any length. In memory, where its bytes begin and how many they are: two `U64`.
    LongText,
    /// Bytes, any number of them. In memory as long texts are.
    LongBytes,
}

/// What [times](DataType::DateTime) are counted in: `count` of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeUnit {
    count: u32,
    /// Position in [`UNITS`].
    unit: u8,
}

/// NumPy's units of time.
const UNITS: [&str; 14] = ["generic", "Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"];

impl TimeUnit {
    /// `count`, which is not zero, of the unit that NumPy calls `unit`, such as `ns`, or `generic` for none.
    pub fn new(count: u32, unit: &str) -> Option<Self> {
        let unit = UNITS.iter().position(|&known| known == unit)? as u8;
        (count > 0 && (unit > 0 || count == 1)).then_some(Self { count, unit })
    }

    /// As NumPy has it in brackets, such as `25us`; nothing if there is no unit.
    fn bracketed(self) -> String {
        match (self.unit, self.count) {
            (0, _) => String::new(),
            (unit, 1) => format!("[{}]", UNITS[usize::from(unit)]),
            (unit, count) => format!("[{count}{}]", UNITS[usize::from(unit)]),
        }
    }
}

impl DataType {
    /// Every type of numbers, and of new arrays, in the order of the documentation's tables.
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

    /// Whether elements are numbers, booleans among them: what [`DataType::ALL`] has.
    pub const fn is_number(self) -> bool {
        self.number_name().is_some()
    }

    /// Whether elements have lengths of their own. They are read with `Array::read_long`.
    pub const fn is_long(self) -> bool {
        matches!(self, Self::LongText | Self::LongBytes)
    }

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 | Self::Complex64 => 8,
            Self::DateTime(_) | Self::TimeDelta(_) => 8,
            Self::Complex128 | Self::LongText | Self::LongBytes => 16,
            Self::Text(length) => 4 * length as usize,
            Self::Bytes(length) | Self::Opaque(length) => length as usize,
        }
    }

    /// Bytes of the numbers that an element is made of, each of which has a byte order.
    pub const fn part_size(self) -> usize {
        match self {
            Self::Complex64 | Self::Text(_) => 4,
            Self::Complex128 => 8,
            Self::Bytes(_) | Self::Opaque(_) | Self::LongText | Self::LongBytes => 1,
            _ => self.size(),
        }
    }

    /// numpy's name, such as `uint8`, `float32`, `datetime64[ns]` or, of texts of up to five characters, `U5`; that of
    /// elements with lengths of their own is `string` or `bytes`.
    pub fn name(self) -> Cow<'static, str> {
        if let Some(name) = self.number_name() {
            return Cow::Borrowed(name);
        }
        match self {
            Self::Complex64 => "complex64".into(),
            Self::Complex128 => "complex128".into(),
            Self::DateTime(unit) => format!("datetime64{}", unit.bracketed()).into(),
            Self::TimeDelta(unit) => format!("timedelta64{}", unit.bracketed()).into(),
            Self::Text(length) => format!("U{length}").into(),
            Self::Bytes(length) => format!("S{length}").into(),
            Self::LongText => "string".into(),
            Self::LongBytes => "bytes".into(),
            _ => format!("V{}", self.size()).into(),
        }
    }

    /// The name of a type of numbers.
    const fn number_name(self) -> Option<&'static str> {
        Some(match self {
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
            _ => return None,
        })
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
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
            let known = Self::ALL.map(|dtype| dtype.name()).join(", ");
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

/// Runs an expression with a type alias bound to the Rust type of a [`DataType`] of numbers, and another for other types.
///
/// `for_dtype!(dtype, T => size_of::<T>(), other => other.size())`
#[macro_export]
macro_rules! for_dtype {
    ($dtype:expr, $T:ident => $body:expr, $other:ident => $else:expr) => {
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
            $other => $else,
        }
    };
}

/// The value of elements that are not stored: one element's bytes; of those with lengths of their own, what they say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FillValue {
    bytes: SmallVec<[u8; 16]>,
}

impl FillValue {
    /// Zero (or `false`, or nothing) of the given type.
    pub fn zero(dtype: DataType) -> Self {
        let length = if dtype.is_long() { 0 } else { dtype.size() };
        Self { bytes: SmallVec::from_elem(0, length) }
    }

    /// The value of these bytes of one element, in the machine's order.
    pub fn from_bytes(element: &[u8]) -> Self {
        Self { bytes: element.into() }
    }

    /// The bytes of one element, in the machine's order.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether all bytes are zero, so that zeroed memory is filled memory.
    pub fn is_zero(&self) -> bool {
        self.bytes.iter().all(|&byte| byte == 0)
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
            assert_eq!(for_dtype!(dtype, T => size_of::<T>(), _other => 0), dtype.size());
            assert!(dtype.is_number() && dtype.part_size() == dtype.size());
        }
        assert_eq!("f16".parse::<DataType>().unwrap(), DataType::F16);
        for (dtype, name, size) in [
            (DataType::Complex128, "complex128", 16),
            (DataType::DateTime(TimeUnit::new(1, "ns").unwrap()), "datetime64[ns]", 8),
            (DataType::TimeDelta(TimeUnit::new(25, "s").unwrap()), "timedelta64[25s]", 8),
            (DataType::DateTime(TimeUnit::new(1, "generic").unwrap()), "datetime64", 8),
            (DataType::Text(5), "U5", 20),
            (DataType::Bytes(3), "S3", 3),
            (DataType::Opaque(3), "V3", 3),
        ] {
            assert_eq!((&*dtype.name(), dtype.size()), (name, size));
            assert!(!dtype.is_number() && name.parse::<DataType>().is_err());
        }
        assert!(TimeUnit::new(0, "s").is_none() && TimeUnit::new(2, "generic").is_none());
        assert!("complex64".parse::<DataType>().unwrap_err().to_string().contains("float64"));
    }
}
