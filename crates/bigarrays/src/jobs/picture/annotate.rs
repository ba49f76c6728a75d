//! What is written on pictures: scale bars, and the coordinates of planes.

use crate::array::Array;
use crate::chunk::layout::Resolution;
use crate::jobs::picture::canvas::Picture;
use crate::jobs::picture::color::Color;
use crate::jobs::picture::font;

/// Names of lengths, and how many nanometres they are.
const UNITS: [(&str, f64); 4] = [("m", 1e9), ("mm", 1e6), ("µm", 1e3), ("nm", 1.0)];

/// How many pixels a pixel of a letter is wide.
pub(super) fn zoom(picture: &Picture) -> usize {
    (picture.width().min(picture.height()) / 200).max(1)
}

/// How long a pixel is along an axis, in nanometres or in the unit of the resolution; `None` if that is not known.
pub(super) fn pixel_size(array: &Array, axis: usize, elements: f64) -> Option<(f64, String)> {
    let resolution = array.resolution().filter(|resolution| !resolution.unit.is_empty())?;
    let size = resolution.size[axis] * elements;
    Some(match Resolution::nanometres_of(&resolution.unit) {
        Some(nanometres) => (size * nanometres, "nm".to_owned()),
        None => (size, resolution.unit),
    })
    .filter(|(size, _)| size.is_finite() && *size > 0.0)
}

/// The longest round length, 1, 2 or 5 times a power of ten, that is not longer than `most`.
fn round_length(most: f64) -> f64 {
    let power = 10f64.powf(most.log10().floor());
    let times = [5.0, 2.0, 1.0].into_iter().find(|times| times * power <= most * (1.0 + 1e-9));
    times.unwrap_or(1.0) * power
}

/// A length in words.
fn in_words(length: f64, unit: &str) -> String {
    let (length, unit) = match UNITS.iter().find(|(_, one)| unit == "nm" && length >= *one * (1.0 - 1e-9)) {
        Some((name, one)) => (length / one, *name),
        None => (length, unit),
    };
    // No more digits than a round length has.
    let text = format!("{length:.6}");
    format!("{} {unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Draws a bar of a round length, at most a third as long as a plane of `width` pixels, each as long as `pixel`.
pub(super) fn scale_bar(picture: &mut Picture, (pixel, unit): &(f64, String), width: usize) {
    let zoom = zoom(picture);
    let length = round_length(pixel * width as f64 / 3.0);
    let (bar, text) = (((length / pixel).round() as usize).max(1), in_words(length, unit));
    let margin = 4 * zoom;
    let rows = (font::HEIGHT + 2) * zoom + 4 * zoom;
    let top = picture.height().saturating_sub(rows + margin);
    let wide = bar.max(font::width(&text, zoom)) + 2 * zoom;
    picture.fill((top, margin), (rows, wide), Color([0; 3]));
    font::write(picture, &text, (top, margin), zoom);
    let row = top + (font::HEIGHT + 2) * zoom + zoom;
    picture.fill((row, margin + zoom), (2 * zoom, bar), Color([255; 3]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_round() {
        for (most, expected) in [(1.0, 1.0), (4.9, 2.0), (5.0, 5.0), (999.0, 500.0), (0.03, 0.02)] {
            assert!((round_length(most) - expected).abs() < 1e-9 * expected, "{most}");
        }
        let words = [in_words(500.0, "nm"), in_words(2000.0, "nm"), in_words(0.5, "nm"), in_words(5e6, "nm")];
        assert_eq!(words, ["500 nm", "2 µm", "0.5 nm", "5 mm"]);
        assert_eq!(in_words(10.0, "degree"), "10 degree");
    }
}
