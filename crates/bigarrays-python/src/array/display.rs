//! How arrays show themselves.

use std::fmt::Write;

use bigarrays::base::text::{printable, redact, shown as cleaned};
use bigarrays::jobs::{PictureOptions, Pixels, preview};
use bigarrays::{Array, Result};

use crate::array::stored::PyArray;

/// A line that says what `shown` is.
pub(crate) fn line(shown: &PyArray) -> String {
    let array = &shown.array;
    format!(
        "<bigarrays.Array [{}] of {}, {} {}, mode {:?}, {:?}>",
        axes(shown),
        array.dtype(),
        array.format(),
        printable(&shown.described_encoding()),
        shown.mode_name(),
        redact(array.url()),
    )
}

/// The axes with their ranges, such as `x 0:10, y -5:5`.
fn axes(shown: &PyArray) -> String {
    let array = &shown.array;
    let named = array.axis_names().into_iter().zip(array.domain().ranges());
    named
        .map(|(name, range)| format!("{} {}:{}", printable(name), range.start, range.end))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The longer side of a small picture, in pixels.
const SMALL: u32 = 256;

/// The most bytes of elements that are decoded for it.
const MOST_READ: u64 = 4 << 20;

/// A small picture of the middle of an array, or why there is none; nothing of an array behind a network, which costs requests.
pub(crate) fn small_picture(array: &Array) -> Option<Result<Vec<u8>>> {
    if array.ndim() < 2 || array.domain().is_empty() || !array.dtype().is_number() || !array.is_near() {
        return None;
    }
    let options = PictureOptions {
        pixels: Some(Pixels::Longest(SMALL)),
        read_limit: MOST_READ,
        scale_bar: array.resolution().is_some(),
        ..PictureOptions::default()
    };
    Some(preview(array, &options).and_then(|picture| picture.png()))
}

/// A table of what there is to know, in HTML. `picture` is a PNG in base64, or why there is none.
pub(crate) fn table(shown: &PyArray, picture: Option<std::result::Result<String, String>>) -> String {
    let array = &shown.array;
    let joined = |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ");
    let scales = array.scales();
    let resolution = array.resolution().map_or_else(String::new, |resolution| {
        let size: Vec<String> = resolution.size.iter().map(f64::to_string).collect();
        format!("{} {}", size.join(" × "), resolution.unit)
    });
    let rows = [
        ("Place", array.url().to_owned()),
        ("Format", format!("{}, {}", array.format(), shown.described_encoding())),
        (
            "Scale",
            scales.get(array.scale()).map_or_else(String::new, |scale| {
                format!("{} ({} of {})", scale.key, array.scale() + 1, scales.len())
            }),
        ),
        ("Domain", axes(shown)),
        ("Shape", joined(array.shape())),
        ("Chunks", joined(&array.chunk_shape())),
        ("Type", array.dtype().to_string()),
        ("Resolution", resolution),
        ("Size", shown.byte_count().map_or_else(|| "more than 2^128 bytes".to_owned(), human)),
    ];
    let mut html = String::from("<table>");
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(
            html,
            "<tr><th style=\"text-align:left\">{name}</th><td>{}</td></tr>",
            escape(&cleaned(value))
        );
    }
    html.push_str("</table>");
    match picture {
        Some(Ok(encoded)) => {
            let _ =
                write!(html, "<img alt=\"the middle of the array\" src=\"data:image/png;base64,{encoded}\">");
        }
        Some(Err(reason)) => {
            let _ = write!(html, "<p>There is no picture: {}</p>", escape(&cleaned(&reason)));
        }
        None => {}
    }
    html
}

/// A number of bytes in the largest fitting unit.
fn human(bytes: u128) -> String {
    const UNITS: [&str; 7] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = (bytes.max(1).ilog2() / 10).min(UNITS.len() as u32 - 1);
    if unit == 0 {
        return format!("{bytes} bytes");
    }
    format!("{:.1} {}", bytes as f64 / 2f64.powi(10 * unit as i32), UNITS[unit as usize])
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
