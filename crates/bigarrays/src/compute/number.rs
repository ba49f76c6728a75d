//! The values of elements, whatever their type.

use std::fmt;

use half::f16;

use crate::base::dtype::{DataType, Element};
use crate::base::error::Result;
use crate::compute::types::Literal;
use crate::for_dtype;

/// One element's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Of an element of a whole-number type, or 0 or 1 for a `bool`.
    Whole(i128),
    /// Of an element of a floating-point type.
    Real(f64),
}

impl Number {
    /// The value of an element of `dtype`, given as its bytes; that of an element that is no number is not a number.
    pub fn read(dtype: DataType, bytes: &[u8]) -> Self {
        for_dtype!(dtype, T => T::load(bytes).number(), _other => Self::Real(f64::NAN))
    }

    pub(crate) fn of<T: Numeric>(element: T) -> Self {
        element.number()
    }

    /// Writes it as an element of `dtype`.
    ///
    /// # Errors
    /// `InvalidArgument` if it is none: a whole number out of the type's range, or a fraction for a type of whole numbers.
    pub(crate) fn write(self, dtype: DataType, bytes: &mut [u8]) -> Result<()> {
        let literal = match self {
            Self::Whole(number) => Literal::Whole(number),
            Self::Real(number) => Literal::Real(number),
        };
        bytes.copy_from_slice(&literal.bytes(dtype)?[..dtype.size()]);
        Ok(())
    }

    /// The nearest floating-point number.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Real(number) => number,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Real(number) => number.fmt(f),
        }
    }
}

/// Elements, their bytes in the machine's order, and their values.
pub(crate) trait Numeric: Element {
    fn load(bytes: &[u8]) -> Self;
    fn store(self, bytes: &mut [u8]);
    fn number(self) -> Number;
}

macro_rules! numeric {
    ($($rust:ty => $number:expr),+ $(,)?) => { $(
        impl Numeric for $rust {
            #[inline]
            fn load(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<Self>()];
                own.copy_from_slice(bytes);
                Self::from_ne_bytes(own)
            }

            #[inline]
            fn store(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_ne_bytes());
            }

            #[inline]
            fn number(self) -> Number {
                $number(self.into())
            }
        }
    )+ };
}

numeric! {
    i8 => Number::Whole, i16 => Number::Whole, i32 => Number::Whole, i64 => Number::Whole,
    u8 => Number::Whole, u16 => Number::Whole, u32 => Number::Whole, u64 => Number::Whole,
    f16 => Number::Real, f32 => Number::Real, f64 => Number::Real,
}

impl Numeric for bool {
    fn load(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }

    fn store(self, bytes: &mut [u8]) {
        bytes[0] = self.into();
    }

    fn number(self) -> Number {
        Number::Whole(self.into())
    }
}
