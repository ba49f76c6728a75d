//! From elements to brightness.

use crate::base::dtype::DataType;
use crate::compute::Number;
use crate::jobs::picture::contrast::Contrast;

/// The elements of these bytes as numbers; not a number those that equal `missing`.
pub(super) fn numbers(dtype: DataType, bytes: &[u8], missing: Option<&[u8]>) -> Vec<f64> {
    let one = |element: &[u8]| match missing == Some(element) {
        true => f64::NAN,
        false => Number::read(dtype, element).as_f64(),
    };
    bytes.chunks_exact(dtype.size()).map(one).collect()
}

/// The elements of these bytes as labels: of negative numbers their bits, of 64 and without a sign.
pub(super) fn labels(dtype: DataType, bytes: &[u8]) -> Vec<u64> {
    let one = |element: &[u8]| match Number::read(dtype, element) {
        Number::Whole(label) => label as u64,
        Number::Real(_) => 0,
    };
    bytes.chunks_exact(dtype.size()).map(one).collect()
}

/// What is black and what is white of such elements.
pub(super) fn range(
    contrast: Contrast,
    dtype: DataType,
    elements: &mut dyn Iterator<Item = f64>,
) -> (f64, f64) {
    match contrast {
        Contrast::Range(low, high) => (low, high),
        Contrast::Type => range_of_type(dtype),
        Contrast::Percentiles(low, high) => {
            let mut finite: Vec<f64> = elements.filter(|element| element.is_finite()).collect();
            match finite.is_empty() {
                true => (0.0, 1.0),
                false => (percentile(&mut finite, low), percentile(&mut finite, high)),
            }
        }
    }
}

/// The least and the largest number that a type has; 0 and 1 of floating-point numbers.
pub(in crate::jobs) fn range_of_type(dtype: DataType) -> (f64, f64) {
    match dtype {
        DataType::I8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::I16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::I32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::I64 => (i64::MIN as f64, i64::MAX as f64),
        DataType::U8 => (0.0, u8::MAX.into()),
        DataType::U16 => (0.0, u16::MAX.into()),
        DataType::U32 => (0.0, u32::MAX.into()),
        DataType::U64 => (0.0, u64::MAX as f64),
        _ => (0.0, 1.0),
    }
}

/// The percentile of some numbers, between two interpolated as NumPy does.
fn percentile(elements: &mut [f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (elements.len() - 1) as f64;
    let (below, share) = (place.floor() as usize, place.fract());
    let (_, low, above) = elements.select_nth_unstable_by(below, f64::total_cmp);
    let low = *low;
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    let wide = high - low;
    if share >= 0.5 { high - wide * (1.0 - share) } else { low + wide * share }
}

/// How bright an element is, from 0 to 1.
pub(super) fn brightness(element: f64, (low, high): (f64, f64)) -> f64 {
    if high > low {
        return ((element - low) / (high - low)).clamp(0.0, 1.0);
    }
    // Of elements that are all the same, none is bright.
    if element > low { 1.0 } else { 0.0 }
}

/// A level from 0 to 255 of what is between 0 and 255.
pub(super) fn level(of: f64) -> u8 {
    (of + 0.5).floor().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_numpy() {
        // numpy.percentile([3, 1, 2, 10], [0, 1, 25, 50, 99, 100])
        let expected = [1.0, 1.03, 1.75, 2.5, 9.79, 10.0];
        for (percent, expected) in [0.0, 1.0, 25.0, 50.0, 99.0, 100.0].into_iter().zip(expected) {
            let found = percentile(&mut [3.0, 1.0, 2.0, 10.0], percent);
            assert!((found - expected).abs() < 1e-12, "{percent}: {found}");
        }
    }

    #[test]
    fn brightness_is_clipped() {
        let range = (10.0, 20.0);
        let elements = [f64::NEG_INFINITY, 10.0, 15.0, 20.0, f64::INFINITY];
        assert_eq!(elements.map(|element| brightness(element, range)), [0.0, 0.0, 0.5, 1.0, 1.0]);
        assert_eq!((brightness(7.0, (7.0, 7.0)), brightness(8.0, (7.0, 7.0))), (0.0, 1.0));
        assert_eq!([0.0, 127.5, 254.5, 255.0].map(level), [0, 128, 255, 255]);
    }
}
