//! Colours: by name, of maps, and of labels.

use std::str::FromStr;

use crate::base::error::{Error, Result};
use crate::jobs::picture::levels::level;
use crate::jobs::picture::maps::{INFERNO, MAGMA, VIRIDIS};

/// Red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(pub [u8; 3]);

/// Colours that have names.
const NAMED: [(&str, [u8; 3]); 10] = [
    ("black", [0, 0, 0]),
    ("white", [255, 255, 255]),
    ("grey", [128, 128, 128]),
    ("red", [255, 0, 0]),
    ("green", [0, 255, 0]),
    ("blue", [0, 0, 255]),
    ("yellow", [255, 255, 0]),
    ("cyan", [0, 255, 255]),
    ("magenta", [255, 0, 255]),
    ("orange", [255, 165, 0]),
];

impl Color {
    /// That of what has no value, unless another is asked for: none that the maps have.
    pub const MISSING: Self = Self([255, 0, 128]);

    pub(super) const RGB: [Self; 3] = [Self([255, 0, 0]), Self([0, 255, 0]), Self([0, 0, 255])];
    pub(super) const PAIR: [Self; 2] = [Self([0, 255, 0]), Self([255, 0, 255])];

    /// The colour of a label; the same on every machine. The bits of the label are mixed (the finaliser of SplitMix64), and the
    /// result gives one of 1536 hues, of 64 saturations and of 64 brightnesses, none of them dark.
    ///
    /// ```
    /// use bigarrays::jobs::Color;
    ///
    /// assert_eq!(Color::of_label(1), Color([160, 30, 202]));
    /// ```
    pub fn of_label(label: u64) -> Self {
        let mixed = mix(label);
        let (hue, saturation, value) =
            ((mixed % 1536) as u32, 128 + (mixed >> 32 & 63) as u32 * 2, 192 + (mixed >> 48 & 63) as u32);
        let (sector, within) = (hue / 256, hue % 256);
        let least = value * (255 - saturation) / 255;
        let rising = least + (value - least) * within / 255;
        let falling = least + (value - least) * (255 - within) / 255;
        let color = match sector {
            0 => [value, rising, least],
            1 => [falling, value, least],
            2 => [least, value, rising],
            3 => [least, falling, value],
            4 => [rising, least, value],
            _ => [value, least, falling],
        };
        Self(color.map(|part| part as u8))
    }

    /// This colour under another one that hides a share of it.
    pub(super) fn under(self, other: Self, share: f64) -> Self {
        let part = |k: usize| f64::from(self.0[k]) * (1.0 - share) + f64::from(other.0[k]) * share;
        Self([0, 1, 2].map(|k| level(part(k))))
    }
}

/// Each bit of the result depends on each bit of `label`.
fn mix(label: u64) -> u64 {
    let mut mixed = label.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl FromStr for Color {
    type Err = Error;

    /// From a name or `#rrggbb`.
    fn from_str(text: &str) -> Result<Self> {
        if let Some((_, color)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(Self(*color));
        }
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii());
        let part = |digits: &str, at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
        let parts = digits.and_then(|digits| Some([part(digits, 0)?, part(digits, 2)?, part(digits, 4)?]));
        parts.map(Self).ok_or_else(|| {
            let names = NAMED.map(|(name, _)| name).join(", ");
            Error::invalid(format!("no colour is called {text:?}; there are {names}, and #rrggbb"))
        })
    }
}

/// Colours from the least element to the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorMap {
    /// From black to white.
    Grey,
    /// Matplotlib's map of this name, as the two that follow.
    Viridis,
    /// From black over red to white.
    Magma,
    /// From black over orange to yellow.
    Inferno,
}

impl ColorMap {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Grey, Self::Viridis, Self::Magma, Self::Inferno];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grey => "grey",
            Self::Viridis => "viridis",
            Self::Magma => "magma",
            Self::Inferno => "inferno",
        }
    }

    /// The colour of a level from 0, the least, to 255, the largest.
    pub fn color(self, level: u8) -> Color {
        let table = match self {
            Self::Grey => return Color([level; 3]),
            Self::Viridis => VIRIDIS,
            Self::Magma => MAGMA,
            Self::Inferno => INFERNO,
        };
        let packed = table[usize::from(level)];
        Color([(packed >> 16) as u8, (packed >> 8) as u8, packed as u8])
    }
}

impl FromStr for ColorMap {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let none = || Error::invalid(format!("no colour map is called {text:?}; there are {}", known()));
        Self::ALL.into_iter().find(|map| map.name() == text).ok_or_else(none)
    }
}
