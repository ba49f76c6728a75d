//! Which elements are black, and which are white.

use std::fmt;
use std::str::FromStr;

use crate::base::error::{Error, Result};

/// Which elements are black, and which are white.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Contrast {
    /// Percentiles, from 0 to 100, of the elements that the picture is drawn from; interpolated as NumPy does.
    Percentiles(f64, f64),
    /// These numbers.
    Range(f64, f64),
    /// The least and the largest that the type has; 0 and 1 for floating-point numbers.
    Type,
}

impl fmt::Display for Contrast {
    /// As it is parsed from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentiles(low, high) => write!(f, "{low}%,{high}%"),
            Self::Range(low, high) => write!(f, "{low},{high}"),
            Self::Type => f.write_str("type"),
        }
    }
}

impl FromStr for Contrast {
    type Err = Error;

    /// From `1%,99%`, `20,180` or `type`.
    fn from_str(text: &str) -> Result<Self> {
        if text.trim() == "type" {
            return Ok(Self::Type);
        }
        let wrong = || {
            let expected = "expected LOW,HIGH, percentiles LOW%,HIGH%, or type";
            Error::invalid(format!("contrast {text:?}: {expected}"))
        };
        let (low, high) = text.split_once(',').ok_or_else(wrong)?;
        let number = |part: &str| -> Result<f64> {
            let number = part.trim().parse::<f64>().map_err(|_| wrong())?;
            match part.trim().parse::<i128>() {
                Ok(whole) if number as i128 != whole => {
                    let reason = "contrasts are numbers of 64 bits with a point, of which";
                    Err(Error::invalid(format!(
                        "contrast {text:?}: {reason} {whole} is none; the nearest is {number}"
                    )))
                }
                _ => Ok(number),
            }
        };
        match (low.trim().strip_suffix('%'), high.trim().strip_suffix('%')) {
            (Some(low), Some(high)) => Ok(Self::Percentiles(number(low)?, number(high)?)),
            (None, None) => Ok(Self::Range(number(low)?, number(high)?)),
            _ => Err(wrong()),
        }
    }
}

impl Contrast {
    /// An error unless it makes sense.
    pub(in crate::jobs) fn expect(self) -> Result<()> {
        let (is_right, what) = match self {
            Self::Percentiles(low, high) => {
                (0.0 <= low && low < high && high <= 100.0, "a lower and a higher percentile, from 0 to 100")
            }
            Self::Range(low, high) => {
                (low < high && low.is_finite() && high.is_finite(), "a lower and a higher number")
            }
            Self::Type => (true, ""),
        };
        if is_right { Ok(()) } else { Err(Error::invalid(format!("contrast {self}: expected {what}"))) }
    }
}
