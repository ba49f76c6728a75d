//! Labels of any type as words of 64 bits.

use crate::base::dtype::{DataType, Element};
use crate::base::error::{Error, Result};
use crate::compute::Number;

/// Elements that are labels.
pub(super) trait Label: Element + Eq {
    /// Their type of 64 bits.
    type Wide: Copy + Ord + Into<i128>;

    /// The bits of the number, with its sign.
    fn word(self) -> u64;
    fn wide(self) -> Self::Wide;
    fn of_bytes(bytes: &[u8]) -> Self;
}

macro_rules! labels {
    ($($type:ty => $wide:ty),+) => {$(
        impl Label for $type {
            type Wide = $wide;

            #[allow(clippy::cast_lossless, reason = "one text for all types")]
            fn word(self) -> u64 {
                self as u64
            }

            fn wide(self) -> $wide {
                self.into()
            }

            fn of_bytes(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<Self>()];
                own.copy_from_slice(bytes);
                Self::from_ne_bytes(own)
            }
        }
    )+};
}

labels!(u8 => i64, i8 => i64, u16 => i64, i16 => i64, u32 => i64, i32 => i64, i64 => i64, u64 => u64);

/// The label that a word is, of elements of a type.
pub(super) fn label_of(word: u64, dtype: DataType) -> i128 {
    if dtype == DataType::U64 { i128::from(word) } else { i128::from(word as i64) }
}

/// An element of this value.
pub(super) fn element<T: Label>(number: Number) -> Result<T> {
    let mut bytes = [0; 8];
    number.write(T::DTYPE, &mut bytes[..size_of::<T>()])?;
    Ok(T::of_bytes(&bytes[..size_of::<T>()]))
}

/// That elements of a type are no labels.
pub(super) fn no_labels(dtype: DataType) -> Error {
    Error::invalid(format!("elements are {dtype}; labels are whole numbers"))
}

/// Runs an expression with a type alias bound to the Rust type of labels.
macro_rules! for_label {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::base::dtype::DataType::U8 => {
                type $T = u8;
                $body
            }
            $crate::base::dtype::DataType::I8 => {
                type $T = i8;
                $body
            }
            $crate::base::dtype::DataType::U16 => {
                type $T = u16;
                $body
            }
            $crate::base::dtype::DataType::I16 => {
                type $T = i16;
                $body
            }
            $crate::base::dtype::DataType::U32 => {
                type $T = u32;
                $body
            }
            $crate::base::dtype::DataType::I32 => {
                type $T = i32;
                $body
            }
            $crate::base::dtype::DataType::U64 => {
                type $T = u64;
                $body
            }
            $crate::base::dtype::DataType::I64 => {
                type $T = i64;
                $body
            }
            other => Err($crate::jobs::labels::word::no_labels(other)),
        }
    };
}

pub(super) use for_label;
