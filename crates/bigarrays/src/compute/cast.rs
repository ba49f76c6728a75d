//! Elements of one type as elements of another, with stated rounding.

use half::f16;

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::Config;
use crate::compute::number::{Number, Numeric};
use crate::for_dtype;

/// How elements become those of another type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cast {
    /// Which whole number stands for one with a fraction. Floating-point numbers are always rounded to
    /// the nearest that there is.
    pub rounding: Rounding,
    /// What becomes of numbers that the other type does not reach.
    pub out_of_range: OutOfRange,
}

/// Which whole number stands for one with a fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// The nearest; of two, the even one.
    #[default]
    Nearest,
    /// The next lower.
    Floor,
    /// The next higher.
    Ceil,
    /// The next nearer to zero.
    Zero,
}

/// What becomes of numbers that the other type does not reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OutOfRange {
    /// They are an error, as a not-a-number is where there is none.
    #[default]
    Refuse,
    /// The nearest that there is; zero for a not-a-number.
    Clip,
    /// Whole numbers keep their lower bits, as in C; floating-point numbers become infinite; zero stands
    /// for what is infinite or no number, and for what leaves 128 bits.
    Wrap,
}

impl Cast {
    /// The cast as plain data.
    pub fn config(&self) -> Config {
        let rounding = ROUNDINGS.iter().find(|(how, _)| *how == self.rounding);
        let out_of_range = RANGES.iter().find(|(how, _)| *how == self.out_of_range);
        Config::new("cast")
            .with("rounding", rounding.map_or("", |row| row.1))
            .with("out_of_range", out_of_range.map_or("", |row| row.1))
    }

    /// The cast of these names.
    pub(crate) fn named(rounding: &str, out_of_range: &str) -> Option<Self> {
        Some(Self {
            rounding: ROUNDINGS.iter().find(|row| row.1 == rounding)?.0,
            out_of_range: RANGES.iter().find(|row| row.1 == out_of_range)?.0,
        })
    }
}

const ROUNDINGS: [(Rounding, &str); 4] = [
    (Rounding::Nearest, "nearest"),
    (Rounding::Floor, "floor"),
    (Rounding::Ceil, "ceil"),
    (Rounding::Zero, "zero"),
];

const RANGES: [(OutOfRange, &str); 3] =
    [(OutOfRange::Refuse, "refuse"), (OutOfRange::Clip, "clip"), (OutOfRange::Wrap, "wrap")];

/// Converts the elements `from` of type `source` to elements `to` of type `target`.
///
/// # Errors
/// `InvalidArgument` naming the first element that does not fit.
pub(crate) fn cast(source: DataType, from: &[u8], target: DataType, to: &mut [u8], how: Cast) -> Result<()> {
    let other = |dtype: DataType| Err(Error::unsupported(format!("{dtype} elements are no numbers to cast")));
    for_dtype!(
        source,
        S => for_dtype!(target, T => cast_all::<S, T>(from, to, how), dtype => other(dtype)),
        dtype => other(dtype)
    )
}

fn cast_all<S: Numeric, T: Target>(from: &[u8], to: &mut [u8], how: Cast) -> Result<()> {
    for (from, to) in from.chunks_exact(size_of::<S>()).zip(to.chunks_exact_mut(size_of::<T>())) {
        let number = S::load(from).number();
        let cast = T::of(number, how).ok_or_else(|| {
            // Not all digits of a large one.
            let shown = match number {
                Number::Real(real) if real.abs() >= 1e16 => format!("{real:e}"),
                other => other.to_string(),
            };
            Error::invalid(format!(
                "{shown} does not fit into {}; say what becomes of such elements",
                T::DTYPE
            ))
        })?;
        cast.store(to);
    }
    Ok(())
}

/// What numbers are cast to.
trait Target: Numeric {
    /// The element that stands for a number; `None` if it is refused.
    fn of(number: Number, how: Cast) -> Option<Self>;
}

impl Rounding {
    fn round(self, number: f64) -> f64 {
        match self {
            Self::Nearest => number.round_ties_even(),
            Self::Floor => number.floor(),
            Self::Ceil => number.ceil(),
            Self::Zero => number.trunc(),
        }
    }
}

/// The whole number from `least` to `most` that stands for `number`; any where they wrap.
#[inline]
fn whole(number: Number, least: i128, most: i128, how: Cast) -> Option<i128> {
    let number = match number {
        Number::Whole(number) => number,
        // Beyond 128 bits this is the last number there, which is out of every type's reach.
        Number::Real(number) if number.is_finite() => how.rounding.round(number) as i128,
        Number::Real(number) => {
            return match how.out_of_range {
                OutOfRange::Refuse => None,
                OutOfRange::Clip if number.is_nan() => Some(0.clamp(least, most)),
                OutOfRange::Clip => Some(if number > 0.0 { most } else { least }),
                OutOfRange::Wrap => Some(0),
            };
        }
    };
    if (least..=most).contains(&number) {
        return Some(number);
    }
    match how.out_of_range {
        OutOfRange::Refuse => None,
        OutOfRange::Clip => Some(number.clamp(least, most)),
        OutOfRange::Wrap if matches!(number, i128::MIN | i128::MAX) => Some(0),
        OutOfRange::Wrap => Some(number),
    }
}

macro_rules! whole_numbers {
    ($($rust:ty),+) => { $(
        impl Target for $rust {
            #[inline]
            fn of(number: Number, how: Cast) -> Option<Self> {
                whole(number, Self::MIN.into(), Self::MAX.into(), how).map(|number| number as Self)
            }
        }
    )+ };
}

whole_numbers! { i8, i16, i32, i64, u8, u16, u32, u64 }

impl Target for bool {
    fn of(number: Number, how: Cast) -> Option<Self> {
        whole(number, 0, 1, how).map(|number| number & 1 == 1)
    }
}

macro_rules! floats {
    ($($rust:ty => $of_whole:expr, $of_real:expr);+ $(;)?) => { $(
        impl Target for $rust {
            #[inline]
            fn of(number: Number, how: Cast) -> Option<Self> {
                let (nearest, is_finite) = match number {
                    Number::Whole(number) => ($of_whole(number), true),
                    Number::Real(number) => ($of_real(number), number.is_finite()),
                };
                // Out of reach is what is infinite only here.
                match how.out_of_range {
                    _ if nearest.is_finite() || !is_finite => Some(nearest),
                    OutOfRange::Refuse => None,
                    OutOfRange::Clip if nearest > Self::from(0u8) => Some(Self::MAX),
                    OutOfRange::Clip => Some(Self::MIN),
                    OutOfRange::Wrap => Some(nearest),
                }
            }
        }
    )+ };
}

floats! {
    f16 => |number| f16::from_f64(number as f64), f16::from_f64;
    f32 => |number| number as f32, |number: f64| number as f32;
    f64 => |number| number as f64, |number| number;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one<S: Numeric, T: Target>(number: S, how: Cast) -> Result<T> {
        let (mut from, mut to) = ([0; 8], [0; 8]);
        number.store(&mut from[..size_of::<S>()]);
        cast(S::DTYPE, &from[..size_of::<S>()], T::DTYPE, &mut to[..size_of::<T>()], how)?;
        Ok(T::load(&to[..size_of::<T>()]))
    }

    fn how(rounding: Rounding, out_of_range: OutOfRange) -> Cast {
        Cast { rounding, out_of_range }
    }

    #[test]
    fn fractions_are_rounded_as_asked() {
        use Rounding::{Ceil, Floor, Nearest, Zero};
        for (number, expected) in
            [(2.5, [2, 2, 3, 2]), (-2.5, [-2, -3, -2, -2]), (3.5, [4, 3, 4, 3]), (-0.2, [0, -1, 0, 0])]
        {
            let rounded = [Nearest, Floor, Ceil, Zero]
                .map(|rounding| one::<f32, i8>(number, how(rounding, OutOfRange::Refuse)).unwrap());
            assert_eq!(rounded, expected, "{number}");
        }
    }

    #[test]
    fn what_is_out_of_reach_is_refused_clipped_or_wrapped() {
        let (refuse, clip, wrap) = (
            how(Rounding::Nearest, OutOfRange::Refuse),
            how(Rounding::Nearest, OutOfRange::Clip),
            how(Rounding::Nearest, OutOfRange::Wrap),
        );
        assert!(one::<i16, u8>(-1, refuse).unwrap_err().to_string().contains("-1 does not fit into uint8"));
        assert_eq!((one::<i16, u8>(-1, clip).unwrap(), one::<i16, u8>(-1, wrap).unwrap()), (0, 255));
        assert_eq!((one::<u16, u8>(511, clip).unwrap(), one::<u16, u8>(511, wrap).unwrap()), (255, 255));
        assert!(one::<f64, i64>(9.3e18, refuse).is_err());
        assert_eq!(one::<f64, u64>(18_446_744_073_709_549_568.0, refuse).unwrap(), u64::MAX - 2047);
        assert!(one::<f64, u64>(18_446_744_073_709_551_616.0, refuse).is_err());
        assert_eq!(one::<f64, u64>(1e300, clip).unwrap(), u64::MAX);
        assert_eq!(one::<f64, u64>(1e300, wrap).unwrap(), 0);
        for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(one::<f32, u8>(number, refuse).is_err());
            assert_eq!(one::<f32, u8>(number, wrap).unwrap(), 0);
            let kept = one::<f32, f16>(number, refuse).unwrap();
            assert!(kept.is_nan() == number.is_nan() && kept.is_infinite() == number.is_infinite());
        }
        assert_eq!(one::<f32, i8>(f32::NEG_INFINITY, clip).unwrap(), -128);
        assert!(one::<u32, f16>(65_520, refuse).is_err());
        assert_eq!(one::<u32, f16>(65_520, clip).unwrap(), f16::MAX);
        assert_eq!(one::<f64, f32>(-1e300, clip).unwrap(), f32::MIN);
        assert_eq!(one::<f64, f32>(-1e300, wrap).unwrap(), f32::NEG_INFINITY);
        assert!(one::<u8, bool>(2, refuse).is_err() && one::<u8, bool>(2, clip).unwrap());
    }

    #[test]
    fn types_that_hold_others_keep_every_number() {
        let exact = Cast::default();
        for number in [i16::MIN, -1, 0, 77, i16::MAX] {
            assert_eq!(one::<i16, i64>(number, exact).unwrap(), i64::from(number));
            assert_eq!(one::<i16, f32>(number, exact).unwrap(), f32::from(number));
            assert_eq!(one::<f64, i16>(number.into(), exact).unwrap(), number);
        }
        assert_eq!(one::<u64, f32>(u64::MAX, exact).unwrap(), u64::MAX as f32);
        assert!(one::<f32, f64>(f32::NAN, exact).unwrap().is_nan());
    }
}
