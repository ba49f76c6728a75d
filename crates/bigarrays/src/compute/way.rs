//! The ways in which expressions may be computed, as data.

use serde_json::{Value, json};

/// How elements are computed, if not directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// What is needed as a whole along some axes is first written in chunks that are long along these; those of both blocks that are
    /// made of them take no more than so many bytes.
    Pencils(u64),
    /// How often there is each value is counted.
    Counting,
    /// So many bits of the values are counted in each of several rounds, from the upper ones on.
    Rounds(u32),
    /// Running sums and the like have their whole axis in memory, so that nothing is read for it first.
    WholeAxis,
    /// Results are first written in chunks that both the input and the result are near, of blocks as [`Way::Pencils`] has.
    Rechunk(u64),
}

impl Way {
    /// The way as plans that are kept have it.
    pub(crate) fn to_json(self) -> Value {
        match self {
            Self::Pencils(most) => json!(["pencils", most]),
            Self::Counting => json!(["counting"]),
            Self::Rounds(bits) => json!(["rounds", bits]),
            Self::WholeAxis => json!(["whole axis"]),
            Self::Rechunk(most) => json!(["rechunk", most]),
        }
    }

    /// The way that such data are of.
    pub(crate) fn of_json(whole: &Value) -> Option<Self> {
        let number = || whole.get(1)?.as_u64();
        match whole.get(0)?.as_str()? {
            "pencils" => Some(Self::Pencils(number()?)),
            "counting" => Some(Self::Counting),
            "rounds" => Some(Self::Rounds(u32::try_from(number()?).ok()?)),
            "whole axis" => Some(Self::WholeAxis),
            "rechunk" => Some(Self::Rechunk(number()?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_data() {
        for way in [Way::Pencils(7), Way::Counting, Way::Rounds(11), Way::WholeAxis, Way::Rechunk(1 << 40)] {
            assert_eq!(Way::of_json(&way.to_json()), Some(way));
        }
        assert_eq!(Way::of_json(&json!(["sideways"])), None);
    }
}
