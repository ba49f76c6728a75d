//! What a path asks for. Nothing of a path ever becomes a path of a file, or a key of a store.

use std::ops::Range;

use crate::level::Box3;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Route<'a> {
    /// A file of the page.
    Page(&'a str),
    /// What the page begins with.
    State,
    /// What the layers are.
    Layers,
    /// What there is of levels that are kept.
    Pyramids,
    /// What was done.
    Counts,
    /// What tiles of each layer take.
    Costs,
    /// Lets so many bytes be read to compute a tile of a layer.
    Allow(usize, u64),
    /// The element of an array at coordinates of the axes that are shown, and of the others.
    Value(usize, Vec<i64>),
    /// A plane of an array, drawn.
    Picture(Box<Plane>),
    /// The metadata of a layer.
    Info(usize),
    /// A tile of a level of a layer, at coordinates of the axes that are not shown.
    Tile(usize, Vec<i64>, usize, Box3),
}

/// A plane of an array. Axes are numbered as in paths of values: those that are shown, and the others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plane {
    pub(crate) layer: usize,
    /// The axes that go down and to the right.
    pub(crate) axes: [usize; 2],
    /// The box, of one coordinate along all other axes.
    pub(crate) part: Vec<Range<i64>>,
    /// Rows and columns of pixels.
    pub(crate) pixels: [u32; 2],
    /// What is black, and what is white.
    pub(crate) contrast: Option<(f64, f64)>,
    /// The number of a layer of labels over it, and how much these hide.
    pub(crate) overlay: Option<(usize, f64)>,
}

/// The most pixels along a side of a picture.
const MOST_PIXELS: u32 = 2048;

/// The longest path that is looked at.
pub(crate) const LONGEST: usize = 512;

impl<'a> Route<'a> {
    /// What the part of a path behind the token asks for; `None` if that is nothing.
    pub(crate) fn parse(path: &'a str) -> Option<Self> {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-,/".contains(&byte);
        if path.len() > LONGEST || !path.bytes().all(is_known) {
            return None;
        }
        let Some(rest) = path.strip_prefix("arrays/") else {
            return Some(match path {
                "" => Self::Page(""),
                "state.json" => Self::State,
                "layers.json" => Self::Layers,
                "pyramids.json" => Self::Pyramids,
                "costs.json" => Self::Costs,
                "counts.json" => Self::Counts,
                name => Self::Page(name),
            });
        };
        let parts: Vec<&str> = rest.split('/').collect();
        let (layer, at, rest) = match parts[..] {
            [layer, "at", at, ref rest @ ..] => (layer, at, rest),
            [layer, ref rest @ ..] => (layer, "", rest),
            [] => return None,
        };
        let layer = number(layer)?;
        match rest {
            ["info"] => Some(Self::Info(layer)),
            ["picture", axes, part, pixels, contrast, overlay] => {
                plane(layer, [axes, part, pixels, contrast, overlay])
                    .map(|plane| Self::Picture(Box::new(plane)))
            }
            ["allow", bytes] => Some(Self::Allow(layer, number(bytes)? as u64)),
            ["value", place] => Some(Self::Value(layer, coordinates(place)?)),
            [level, tile] => {
                let at = if at.is_empty() { Vec::new() } else { coordinates(at)? };
                Some(Self::Tile(layer, at, number(level)?, part(tile)?))
            }
            _ => None,
        }
    }
}

fn plane(layer: usize, [axes, part, pixels, contrast, overlay]: [&str; 5]) -> Option<Plane> {
    let two = |text: &str| -> Option<[usize; 2]> {
        let (one, other) = text.split_once(',')?;
        Some([number(one)?, number(other)?])
    };
    let real = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let pixels =
        two(pixels)?.map(|side| u32::try_from(side).ok().filter(|side| (1..=MOST_PIXELS).contains(side)));
    let contrast = match contrast {
        "-" => None,
        given => {
            let (low, high) = given.split_once(',')?;
            Some((real(low)?, real(high)?))
        }
    };
    let overlay = match overlay {
        "-" => None,
        given => {
            let (number_of, opacity) = given.split_once(',')?;
            Some((number(number_of)?, real(opacity)?))
        }
    };
    let part: Option<Vec<Range<i64>>> = part.split('_').map(range).collect();
    Some(Plane { layer, axes: two(axes)?, part: part?, pixels: [pixels[0]?, pixels[1]?], contrast, overlay })
}

/// A number as it is written by the viewer: without signs and leading zeros.
fn number(text: &str) -> Option<usize> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

fn coordinates(text: &str) -> Option<Vec<i64>> {
    text.split(',').map(coordinate).collect()
}

fn coordinate(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && text != "-0";
    let is_short = digits == "0" || !digits.starts_with('0');
    if is_plain && is_short { text.parse().ok() } else { None }
}

/// A box as `x0-x1_y0-y1_z0-z1`, whose bounds may be negative.
fn part(text: &str) -> Option<Box3> {
    let ranges: Option<Vec<_>> = text.split('_').map(range).collect();
    ranges?.try_into().ok()
}

fn range(text: &str) -> Option<Range<i64>> {
    // The dash between the bounds is the first behind a digit.
    let dash = 1 + text.get(1..)?.find('-')?;
    let (start, end) = (coordinate(&text[..dash])?, coordinate(&text[dash + 1..])?);
    (start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_what_the_viewer_asks_for_or_nothing() {
        let tile = Route::Tile(3, vec![], 1, [-100..-48, -6..0, -33..-1]);
        assert_eq!(Route::parse("arrays/3/1/-100--48_-6-0_-33--1"), Some(tile));
        let later = Route::Tile(0, vec![5, -2], 0, [0..1, 2..3, 4..5]);
        assert_eq!(Route::parse("arrays/0/at/5,-2/0/0-1_2-3_4-5"), Some(later));
        assert_eq!(Route::parse("arrays/0/value/-5,0,7"), Some(Route::Value(0, vec![-5, 0, 7])));
        let plane = Plane {
            layer: 1,
            axes: [1, 0],
            part: vec![-5..5, 0..9, 3..4],
            pixels: [300, 400],
            contrast: Some((-1.5, 1e-3)),
            overlay: Some((2, 0.5)),
        };
        let path = "arrays/1/picture/1,0/-5-5_0-9_3-4/300,400/-1.5,1e-3/2,0.5";
        assert_eq!(Route::parse(path), Some(Route::Picture(Box::new(plane))));
        for bad in [
            "1,0/0-9_0-9/0,4/-/-",
            "1,0/0-9/9,4096/-/-",
            "1/0-9/4,4/-/-",
            "1,0/0-9/4,4/NaN,1/-",
            "1,0/0-9/4,4/-/1",
        ] {
            assert_eq!(Route::parse(&format!("arrays/0/picture/{bad}")), None, "{bad}");
        }
        assert_eq!(Route::parse("arrays/2/allow/4096"), Some(Route::Allow(2, 4096)));
        assert_eq!(Route::parse("arrays/2/allow/-1"), None);
        assert_eq!(Route::parse("arrays/0/info"), Some(Route::Info(0)));
        assert_eq!(Route::parse("arrays/0/at/5/info"), Some(Route::Info(0)));
        assert_eq!(Route::parse(""), Some(Route::Page("")));
        for bad in [
            "arrays/",
            "arrays/00/info",
            "arrays/-1/info",
            "arrays/0/0/0-1_0-1",
            "arrays/0/0/1-1_0-1_0-1",
            "arrays/0/0/01-2_0-1_0-1",
            "arrays/0/0/-0-2_0-1_0-1",
            "arrays/0/0/0-1_0-1_0-1_0-1",
            "arrays/0/../info",
            "arrays/0/at/x/0/0-1_0-1_0-1",
            "arrays/0/0/99999999999999999999-2_0-1_0-1",
            "%2e%2e",
            "a\0",
            "a\\b",
            "é",
            "arrays/0/0/-_-_-",
            "arrays/0/value/",
            "arrays/0/value/1,,2",
            "arrays/0/value/1.5",
            "arrays/0/0/--1-2_0-1_0-1",
            "arrays/99999999999999999999/info",
        ] {
            assert_eq!(Route::parse(bad), None, "{bad}");
        }
        // These are names of no file of the page.
        assert_eq!(Route::parse("../../etc/passwd"), Some(Route::Page("../../etc/passwd")));
    }
}
