//! What becomes black and what white: percentiles of a sample of the elements.

use bigarrays::{DataType, ErrorKind, Result};

use crate::convert::numbers;
use crate::level::{Box3, Level, length};

/// What becomes black, and what white.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Contrast {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Contrast {
    /// Whether the sample has whole numbers that 32 bits do not hold.
    pub(crate) fn is_wide(&self) -> bool {
        self.low < f64::from(i32::MIN) || self.high > f64::from(i32::MAX)
    }
}

/// The percentages of the sample that are black and white.
const PERCENT: f64 = 0.5;

/// Elements along each axis of the boxes that are looked at.
const LENGTH: u64 = 32;

/// Bytes of chunks that are read for the sample, about.
const BYTES: u64 = 64 << 20;

/// The contrast of each channel, from boxes of the coarsest level.
///
/// # Errors
/// Those of reading.
pub(crate) fn of(levels: &[Level], channels: u64) -> Result<Vec<Contrast>> {
    let Some(level) = levels.last() else { return Ok(Vec::new()) };
    let axes = level.axes.of_tile();
    let middle: Vec<i64> = level.volume.domain().ranges().map(|range| middle(&range)).collect();
    let seen = level.volume.seen(&axes, &middle)?;
    let dtype = level.volume.dtype();
    let mut values = vec![Vec::new(); channels as usize];
    for part in boxes(level) {
        let read = match seen.read(&level.part(&part)?) {
            // All else can be looked at.
            Err(error) if error.kind() == ErrorKind::CorruptData => continue,
            read => numbers(&read?, dtype),
        };
        let each = read.len() / channels as usize;
        values.iter_mut().zip(read.chunks_exact(each.max(1))).for_each(|(all, some)| all.extend(some));
    }
    Ok(values.into_iter().map(|values| percentiles(values, dtype)).collect())
}

/// The contrast of each channel of elements of which none has been looked at: all whole numbers of 8 and 16 bits, and what lies
/// between 0 and 1 of others.
pub(crate) fn unknown(dtype: DataType, channels: u64) -> Vec<Contrast> {
    let (low, high) = match dtype {
        DataType::U8 => (0.0, f64::from(u8::MAX)),
        DataType::I8 => (f64::from(i8::MIN), f64::from(i8::MAX)),
        DataType::U16 => (0.0, f64::from(u16::MAX)),
        DataType::I16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
        _ => (0.0, 1.0),
    };
    vec![Contrast { low, high }; channels as usize]
}

pub(crate) fn middle(range: &std::ops::Range<i64>) -> i64 {
    range.start.saturating_add_unsigned(length(range) / 2)
}

/// Boxes along the two diagonals of the level, the one in the middle first, as many as may be read.
fn boxes(level: &Level) -> Vec<Box3> {
    let chunk = level.volume.chunk_shape().map_or(0, |chunk| {
        let item = level.volume.dtype().size() as u64;
        chunk.iter().fold(item, |all, &length| all.saturating_mul(length))
    });
    let of_box = LENGTH.pow(3) * level.item();
    let most = (BYTES / chunk.max(of_box).max(1)).clamp(1, 9) as usize;
    let places = [[4, 4], [2, 2], [6, 6], [2, 6], [6, 2], [1, 1], [7, 7], [1, 7], [7, 1]];
    let at = |[x, yz]: [u64; 2]| {
        [x, yz, yz].map(|eighth| eighth).into_iter().zip(&level.domain).map(|(eighth, range)| {
            let (whole, part) = (length(range), length(range).min(LENGTH));
            let first = ((u128::from(whole - part) * u128::from(eighth)) / 8) as u64;
            let start = range.start.saturating_add_unsigned(first);
            start..start.saturating_add_unsigned(part)
        })
    };
    let mut boxes: Vec<Box3> = Vec::new();
    for place in places.into_iter().take(most) {
        let ranges: Vec<_> = at(place).collect();
        let Ok(part) = <Box3>::try_from(ranges) else { continue };
        if !boxes.contains(&part) {
            boxes.push(part);
        }
    }
    boxes
}

/// The percentiles, of what is neither zero nor without value, if there is such a thing.
fn percentiles(mut values: Vec<f64>, dtype: DataType) -> Contrast {
    let has_some = values.iter().any(|value| value.is_finite() && *value != 0.0);
    values.retain(|value| value.is_finite() && (!has_some || *value != 0.0));
    values.sort_unstable_by(f64::total_cmp);
    if dtype == DataType::Bool {
        return Contrast { low: 0.0, high: 1.0 };
    }
    let at = |percent: f64| {
        let last = values.len().checked_sub(1)? as f64;
        values.get((last * percent / 100.0).round() as usize).copied()
    };
    let (low, high) = (at(PERCENT).unwrap_or(0.0), at(100.0 - PERCENT).unwrap_or(1.0));
    match high > low {
        true => Contrast { low, high },
        false => Contrast { low: low.min(0.0), high: if high > 0.0 { high } else { low.min(0.0) + 1.0 } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rare_and_what_is_nothing_does_not_count() {
        let mut values: Vec<f64> = (0..1000).map(|k| 100.0 + f64::from(k) / 10.0).collect();
        values.extend([0.0, f64::NAN, 1e9, f64::INFINITY]);
        let Contrast { low, high } = percentiles(values, DataType::F32);
        assert!((100.0..102.0).contains(&low) && (198.0..200.0).contains(&high), "{low} {high}");
        assert_eq!(percentiles(vec![0.0; 4], DataType::U8), Contrast { low: 0.0, high: 1.0 });
        assert_eq!(percentiles(vec![7.0; 4], DataType::U8), Contrast { low: 0.0, high: 7.0 });
    }
}
