//! How two arrays compare: which elements differ, and by how much.

use std::fmt;

use serde_json::{Value, json};

use crate::base::dims::Dims;
use crate::base::dtype::DataType;
use crate::base::text::{redact, shown};
use crate::compute::Number;

/// The most elements that differ of which a comparison says where they are.
pub(super) const SHOWN: usize = 10;

/// An element that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its coordinates in the first array.
    pub at: Dims<i64>,
    /// Its value in the first array.
    pub left: Number,
    /// Its value in the second array.
    pub right: Number,
}

/// How two arrays compare.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The path or URL of the second array.
    pub url: String,
    /// The types of both.
    pub dtypes: (DataType, DataType),
    /// Why no elements were compared, if none were: the shapes differ.
    pub mismatch: Option<String>,
    /// Elements that were compared.
    pub elements: u64,
    /// How many of them differ. Two that are not numbers are equal.
    pub different: u64,
    /// The first ten that differ, in the order in which the first array has its elements.
    pub first: Vec<Difference>,
    /// The largest difference; infinite, or not a number, where elements are.
    pub max_abs: f64,
}

impl Comparison {
    /// Whether both hold the same.
    pub fn is_equal(&self) -> bool {
        self.different == 0 && self.mismatch.is_none()
    }

    /// Adds what was found in the next share of the same two arrays.
    pub(super) fn add(&mut self, other: Self) {
        self.elements = self.elements.saturating_add(other.elements);
        self.different = self.different.saturating_add(other.different);
        self.first.extend(other.first);
        self.first.truncate(SHOWN);
        self.max_abs = raised(self.max_abs, other.max_abs);
    }

    /// The comparison as JSON. Differences that are infinite or not a number are null there.
    pub fn to_json(&self) -> Value {
        let first = self.first.iter().map(|difference| {
            json!({
                "at": difference.at.to_vec(),
                "left": difference.left.to_json(),
                "right": difference.right.to_json(),
            })
        });
        json!({
            "url": redact(&self.url),
            "equal": self.is_equal(),
            "dtypes": [self.dtypes.0.name(), self.dtypes.1.name()],
            "mismatch": self.mismatch,
            "elements": self.elements,
            "different": self.different,
            "max_abs": self.max_abs,
            "first": first.collect::<Vec<_>>(),
        })
    }
}

/// The larger difference. What is not a number stays.
pub(super) fn raised(one: f64, other: f64) -> f64 {
    if other.is_nan() || other > one { other } else { one }
}

impl Number {
    pub(super) fn equals(self, other: Self) -> bool {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one == other,
            (Self::Real(one), Self::Real(other)) => one == other || (one.is_nan() && other.is_nan()),
            // Exact, where the nearest floating-point number of a whole one is not.
            (Self::Whole(whole), Self::Real(real)) | (Self::Real(real), Self::Whole(whole)) => {
                real.fract() == 0.0 && real as i128 == whole
            }
        }
    }

    pub(super) fn distance(self, other: Self) -> f64 {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one.abs_diff(other) as f64,
            _ => (self.as_f64() - other.as_f64()).abs(),
        }
    }

    fn to_json(self) -> Value {
        match self {
            Self::Whole(number) => {
                i64::try_from(number).map_or_else(|_| json!(number as u64), |number| json!(number))
            }
            Self::Real(number) => json!(number),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mismatch) = &self.mismatch {
            return write!(f, "against {}: {}", shown(&self.url), shown(mismatch));
        }
        if self.dtypes.0 != self.dtypes.1 {
            write!(f, "({} against {}) ", self.dtypes.0, self.dtypes.1)?;
        }
        if self.is_equal() {
            return write!(f, "against {}: all {} elements are equal", shown(&self.url), self.elements);
        }
        write!(
            f,
            "against {}: {} of {} elements differ, by {} at most",
            shown(&self.url),
            self.different,
            self.elements,
            self.max_abs
        )?;
        self.first.iter().try_for_each(|Difference { at, left, right }| {
            let at: Vec<String> = at.iter().map(ToString::to_string).collect();
            write!(f, "\n    at {}: {left} against {right}", at.join(","))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_types_are_compared_exactly() {
        let read = |dtype, bytes: &[u8]| Number::read(dtype, bytes);
        assert_eq!(read(DataType::I16, &(-2i16).to_ne_bytes()), Number::Whole(-2));
        assert_eq!(read(DataType::U64, &u64::MAX.to_ne_bytes()), Number::Whole(u64::MAX.into()));
        assert_eq!(read(DataType::F32, &1.5f32.to_ne_bytes()), Number::Real(1.5));
        let big = Number::Whole((1 << 60) + 1);
        assert!(!big.equals(Number::Real((1u64 << 60) as f64)) && big.equals(big));
        assert!(Number::Whole(3).equals(Number::Real(3.0)) && Number::Real(-0.0).equals(Number::Real(0.0)));
        assert!(Number::Real(f64::NAN).equals(Number::Real(f64::NAN)));
        assert!(!Number::Whole(0).equals(Number::Real(f64::NAN)));
        assert_eq!(Number::Whole(-3).distance(Number::Whole(4)), 7.0);
    }
}
