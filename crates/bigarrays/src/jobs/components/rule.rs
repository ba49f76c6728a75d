//! Which elements are parts of components, and which of them belong together.

use half::f16;

use crate::base::dtype::Element;
use crate::base::error::{Error, Result};
use crate::compute::Number;

/// What components are made of.
pub(super) trait Rule<T>: Sync {
    /// Whether an element is part of none.
    fn is_background(&self, element: T) -> bool;

    /// Whether two elements, both of them background or both not, are told apart by nothing.
    fn are_one(&self, one: T, other: T) -> bool;

    /// Whether two elements beside each other are in one run.
    fn is_run(&self, one: T, other: T) -> bool;

    /// The same number for elements that belong together, and for no others.
    fn key(&self, element: T) -> u64;
}

/// Neighbours belong together if they are equal.
pub(super) struct Equal<T> {
    pub(super) background: T,
}

impl<T: Cell> Rule<T> for Equal<T> {
    fn is_background(&self, element: T) -> bool {
        element == self.background || element.is_nan()
    }

    fn are_one(&self, one: T, other: T) -> bool {
        one == other
    }

    fn is_run(&self, one: T, other: T) -> bool {
        one == other
    }

    fn key(&self, element: T) -> u64 {
        element.key()
    }
}

/// Neighbours belong together if neither is background.
pub(super) struct Mask<T, F: Fn(T) -> bool + Sync> {
    pub(super) is_background: F,
    pub(super) of: std::marker::PhantomData<fn(T)>,
}

impl<T: Cell, F: Fn(T) -> bool + Sync> Rule<T> for Mask<T, F> {
    fn is_background(&self, element: T) -> bool {
        (self.is_background)(element)
    }

    fn are_one(&self, _: T, _: T) -> bool {
        true
    }

    fn is_run(&self, one: T, other: T) -> bool {
        (self.is_background)(one) == (self.is_background)(other)
    }

    fn key(&self, _: T) -> u64 {
        1
    }
}

/// Elements that are compared.
pub(super) trait Cell: Element + PartialEq {
    /// What elements are compared with.
    type Limit: Copy + Send + Sync;

    /// One number for equal elements.
    fn key(self) -> u64;
    fn is_nan(self) -> bool;
    fn of_bytes(bytes: &[u8]) -> Self;

    /// What elements exceed that are larger than a number; `None` if all do.
    fn limit(number: Number) -> Result<Option<Self::Limit>>;
    fn is_above(self, limit: Self::Limit) -> bool;
}

fn no_limit() -> Error {
    Error::invalid("nothing is above what is no number")
}

/// The largest whole number that is not larger; of a number that is none, an error.
fn floor(number: Number) -> Result<i128> {
    match number {
        Number::Whole(whole) => Ok(whole),
        Number::Real(real) if real.is_nan() => Err(no_limit()),
        Number::Real(real) => Ok(real.floor() as i128),
    }
}

macro_rules! whole {
    ($($type:ty),+) => {$(
        impl Cell for $type {
            type Limit = $type;

            #[allow(clippy::cast_lossless, reason = "one text for all types")]
            fn key(self) -> u64 {
                self as u64
            }

            fn is_nan(self) -> bool {
                false
            }

            fn of_bytes(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<Self>()];
                own.copy_from_slice(bytes);
                Self::from_ne_bytes(own)
            }

            fn limit(number: Number) -> Result<Option<$type>> {
                let limit = floor(number)?;
                let (least, most) = (i128::from(<$type>::MIN), i128::from(<$type>::MAX));
                Ok((limit >= least).then(|| limit.min(most) as $type))
            }

            fn is_above(self, limit: $type) -> bool {
                self > limit
            }
        }
    )+};
}

whole!(u8, i8, u16, i16, u32, i32, u64, i64);

impl Cell for bool {
    type Limit = bool;

    fn key(self) -> u64 {
        self.into()
    }

    fn is_nan(self) -> bool {
        false
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        bytes.iter().any(|&byte| byte != 0)
    }

    fn limit(number: Number) -> Result<Option<bool>> {
        let limit = floor(number)?;
        Ok((limit >= 0).then_some(limit > 0))
    }

    fn is_above(self, limit: bool) -> bool {
        self & !limit
    }
}

macro_rules! real {
    ($($type:ty, $widen:expr);+ $(;)?) => {$(
        impl Cell for $type {
            type Limit = $type;

            fn key(self) -> u64 {
                // The two zeros are equal.
                ($widen(self) + 0.0).to_bits()
            }

            fn is_nan(self) -> bool {
                self != self
            }

            fn of_bytes(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<Self>()];
                own.copy_from_slice(bytes);
                Self::from_ne_bytes(own)
            }

            fn limit(number: Number) -> Result<Option<$type>> {
                if number.as_f64().is_nan() {
                    return Err(no_limit());
                }
                // As `>` of expressions and of NumPy: the number as an element of the type.
                let mut bytes = [0; size_of::<Self>()];
                number.write(Self::DTYPE, &mut bytes)?;
                Ok(Some(Self::from_ne_bytes(bytes)))
            }

            fn is_above(self, limit: $type) -> bool {
                self > limit
            }
        }
    )+};
}

real! {
    f16, f16::to_f64;
    f32, f64::from;
    f64, |wide: f64| wide;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_exact() {
        let above =
            |number| u8::limit(number).unwrap().map(|limit| [0u8, 3, 4, 255].map(|one| one.is_above(limit)));
        assert_eq!(above(Number::Real(3.5)), Some([false, false, true, true]));
        assert_eq!(above(Number::Real(-0.5)), None);
        assert_eq!(above(Number::Whole(1 << 70)), Some([false; 4]));
        assert!(u64::MAX.is_above(u64::limit(Number::Whole(i128::from(u64::MAX) - 1)).unwrap().unwrap()));
        assert!(i8::limit(Number::Real(f64::NEG_INFINITY)).unwrap().is_none());
        assert!(f64::limit(Number::Real(f64::NAN)).is_err() && f32::limit(Number::Real(f64::NAN)).is_err());
        // The limit is an element of the type, as for NumPy.
        assert!(!0.1f32.is_above(f32::limit(Number::Real(0.1)).unwrap().unwrap()));
        assert!(!f16::from_f64(0.1).is_above(f16::limit(Number::Real(0.1)).unwrap().unwrap()));
        assert!(0.1f64.next_up().is_above(f64::limit(Number::Real(0.1)).unwrap().unwrap()));
        let wide = f32::limit(Number::Whole((1 << 60) + 1)).unwrap().unwrap();
        assert!(!((1u64 << 60) as f32).is_above(wide) && f32::INFINITY.is_above(wide));
        assert_eq!((-0.0f64).key(), 0.0f64.key());
    }
}
