//! What the rounds of order statistics have in common: which bits of elements each counts, and what is known after it.

use serde_json::Value;

use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::chunk::config::Config;
use crate::compute::expr::Lazy;
use crate::compute::fields::{count, expect, flag, text};
use crate::compute::kernels::{Bits, Ranked};
use crate::compute::pencils::Asked;
use crate::compute::windowed::Bound;
use crate::compute::windows::Windows;

/// The most bits that a round counts; more groups have no cells of their own.
const MOST_BITS: u32 = 20;

/// Does what follows for the type of elements that have bits in their order.
macro_rules! of_ranked {
    ($dtype:expr, $T:ident => $of:expr, $other:ident => $none:expr) => {
        match $dtype {
            DataType::U8 => {
                type $T = u8;
                $of
            }
            DataType::U16 => {
                type $T = u16;
                $of
            }
            DataType::U32 => {
                type $T = u32;
                $of
            }
            DataType::U64 => {
                type $T = u64;
                $of
            }
            DataType::I8 => {
                type $T = i8;
                $of
            }
            DataType::I16 => {
                type $T = i16;
                $of
            }
            DataType::I32 => {
                type $T = i32;
                $of
            }
            DataType::I64 => {
                type $T = i64;
                $of
            }
            DataType::F16 => {
                type $T = half::f16;
                $of
            }
            DataType::F32 => {
                type $T = f32;
                $of
            }
            DataType::F64 => {
                type $T = f64;
                $of
            }
            $other => $none,
        }
    };
}

pub(super) use of_ranked;

/// Bits of an element; none of types without an order.
pub(super) fn width(dtype: DataType) -> u32 {
    of_ranked!(dtype, T => <<T as Ranked>::Key as Bits>::WIDTH, _other => 0)
}

/// A round: which bits of elements it counts.
#[derive(Clone, Copy)]
pub(super) struct Round {
    pub(super) dtype: DataType,
    /// Whether NaNs are passed over.
    pub(super) skips: bool,
    /// How many upper bits are known before.
    pub(super) above: u32,
    pub(super) bits: u32,
}

impl Round {
    pub(super) fn bins(self) -> usize {
        1 << self.bits
    }

    /// How many groups elements are counted in: those of all bits and NaN, or those of all bits for each rank.
    pub(super) fn groups(self, ranks: usize) -> u64 {
        let bins = self.bins() as u64;
        if self.above == 0 { bins + 1 } else { bins.saturating_mul(ranks as u64) }
    }

    /// How many bits are below those of this round.
    pub(super) fn shift(self) -> u32 {
        width(self.dtype) - self.above - self.bits
    }

    pub(super) fn config(self, name: &'static str) -> Config {
        Config::new(name)
            .with("of", self.dtype.name())
            .with("skips", self.skips)
            .with("above", u64::from(self.above))
            .with("bits", u64::from(self.bits))
    }

    /// # Errors
    /// `InvalidArgument` for what is none.
    pub(super) fn read(config: &Value) -> Result<Self> {
        let dtype: DataType = text(config, "of")?.parse()?;
        let (above, bits) = (count(config, "above")?, count(config, "bits")?);
        let most = u64::from(width(dtype));
        expect(bits > 0 && bits <= u64::from(MOST_BITS) && above < most && above + bits <= most)?;
        Ok(Self { dtype, skips: flag(config, "skips")?, above: above as u32, bits: bits as u32 })
    }
}

impl Asked {
    /// How many ranks have to be found: one for each that is asked for, or the two that it lies between.
    pub(super) fn ranks(&self) -> usize {
        self.len() * self.between_ranks()
    }

    pub(super) fn between_ranks(&self) -> usize {
        match self {
            Self::Quantiles(_, method) if !method.is_of_one() => 2,
            _ => 1,
        }
    }
}

/// Windows of what is known beside elements: all rows, at the place of each element along the axes that are not reduced, of all groups, if
/// there are any: those of each key along an axis of its own.
pub(super) fn beside(reduced: &[usize], ndim: usize, keys: usize) -> Vec<Bound> {
    let kept = (0..ndim).filter(|axis| !reduced.contains(axis)).map(|axis| (axis, Windows::Each));
    let mut found: Vec<Bound> = std::iter::once((0, Windows::Whole)).chain(kept).collect();
    for _ in 0..keys {
        // Axes before the first reduced one are kept.
        found.insert(1 + reduced.first().copied().unwrap_or(0), (0, Windows::Whole));
    }
    found
}

/// Windows of numbers of groups, of one element along each axis that is not reduced.
pub(super) fn of_numbers(reduced: &[usize], ndim: usize) -> Vec<Bound> {
    let one = |axis: usize| if reduced.contains(&axis) { (axis, Windows::Each) } else { (0, Windows::Whole) };
    (0..ndim).map(one).collect()
}

/// Windows that have the first axis whole, and one index a step of all others.
pub(super) fn first_whole(ndim: usize) -> Vec<Bound> {
    (0..ndim).map(|axis| (axis, if axis == 0 { Windows::Whole } else { Windows::Each })).collect()
}

/// How many rows what is known of so many ranks has.
pub(super) fn rows(ranks: usize) -> usize {
    1 + 2 * ranks
}

/// An error unless this is what is known of so many ranks.
pub(super) fn expect_known(known: &Lazy, ranks: usize) -> Result<()> {
    let is_so = ranks.checked_mul(2).and_then(|rows| rows.checked_add(1)).map(|rows| rows as u64);
    expect(known.dtype() == DataType::I64 && known.domain().shape().first().copied() == is_so)
}
