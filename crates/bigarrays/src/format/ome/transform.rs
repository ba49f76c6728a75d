//! What is done to indices to make positions of them: scales and translations, one after the other.

use serde_json::Value;

use crate::base::error::Result;
use crate::base::member::Member;

/// Elements → places: scaled, then moved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Transform {
    pub(super) scale: Vec<f64>,
    pub(super) translation: Vec<f64>,
    /// Whether a scale is said, so that elements have a size.
    pub(super) is_sized: bool,
}

/// The member that holds them.
const NAME: &str = "coordinateTransformations";

impl Transform {
    pub(super) fn identity(ndim: usize) -> Self {
        Self { scale: vec![1.0; ndim], translation: vec![0.0; ndim], is_sized: false }
    }

    /// Reads the member `coordinateTransformations`, which may be missing.
    pub(super) fn parse(members: &Member<'_>, ndim: usize) -> Result<Self> {
        let mut all = Self::identity(ndim);
        let steps = members.optional(NAME, Value::as_array, "a list of transformations")?;
        for step in steps.into_iter().flatten() {
            let numbers = |name: &str| -> Option<Vec<f64>> {
                let numbers =
                    step.get(name)?.as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<_>>>()?;
                (numbers.len() == ndim && numbers.iter().all(|number| number.is_finite())).then_some(numbers)
            };
            let identity = || Self::identity(ndim);
            let step = match step.get("type").and_then(Value::as_str) {
                Some("identity") => Some(identity()),
                Some("scale") => numbers("scale")
                    .filter(|scale| scale.iter().all(|&scale| scale > 0.0))
                    .map(|scale| Self { scale, is_sized: true, ..identity() }),
                Some("translation") => {
                    numbers("translation").map(|translation| Self { translation, ..identity() })
                }
                _ => None,
            };
            let wrong = || members.wrong(NAME, &format!("scales and translations of {ndim} numbers"));
            all = all.then(&step.ok_or_else(wrong)?);
        }
        Ok(all)
    }

    /// An error if what was multiplied and added, as `members` say and what is above them, has left the numbers that there are.
    pub(super) fn expect_numbers(&self, members: &Member<'_>) -> Result<()> {
        let is_size = |&scale: &f64| scale.is_finite() && scale > 0.0;
        if self.scale.iter().all(is_size) && self.translation.iter().all(|place| place.is_finite()) {
            return Ok(());
        }
        Err(members.wrong(NAME, "scales and translations that together are finite and not zero"))
    }

    pub(super) fn then(&self, next: &Self) -> Self {
        let scaled = |values: &[f64]| values.iter().zip(&next.scale).map(|(a, b)| a * b).collect::<Vec<_>>();
        let moved = scaled(&self.translation).iter().zip(&next.translation).map(|(a, b)| a + b).collect();
        Self { scale: scaled(&self.scale), translation: moved, is_sized: self.is_sized || next.is_sized }
    }
}
