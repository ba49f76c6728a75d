//! What the descriptions that ImageJ, OME and tifffile put into a TIFF file say about its axes.

use serde_json::Value;

use crate::base::error::{Error, Result};
use crate::format::files::tiff::axes::{Hints, PageKind, usual_unit};
use crate::format::files::tiff::ome;
use crate::format::files::tiff::scan::Description;

impl Hints {
    /// Pages without a description are slices along z.
    fn plain(kind: &PageKind, pages: u64) -> Self {
        let outer = vec![("z".into(), pages)];
        Self { outer, page: kind.usual_names(), size: [1.0; 3], unit: None, order: None }
    }

    /// The axes of pages of one kind, of which `numbers` are the numbers among all pages of the file. `images` is how
    /// many there are, which are more where only the first has a directory.
    ///
    /// # Errors
    /// `InvalidMetadata` or `Unsupported` if OME-XML says that the file is more, or something else, than these pages.
    pub(crate) fn new(
        description: &Description,
        kind: &PageKind,
        numbers: &[u64],
        images: u64,
    ) -> Result<Self> {
        let text = description.text.trim();
        let found = if text.starts_with("ImageJ=") {
            Some(Self::imagej(description, kind))
        } else if text.starts_with('{') {
            Self::shaped(description, kind, images)
        } else if text.starts_with('<') && ome::is_ome(text) {
            Some(ome::hints(text, &description.file, kind, numbers)?)
        } else {
            None
        };
        let mut hints = found.unwrap_or_else(|| Self::plain(kind, images));
        hints.outer.retain(|axis| axis.1 != 1);
        let product = hints.outer.iter().try_fold(1u64, |product, axis| product.checked_mul(axis.1));
        if product != Some(images) || hints.outer.is_empty() {
            let of_page = |name: &str| hints.page.iter().any(|known| known == name);
            let name = if of_page("z") { "dim_0" } else { "z" };
            hints.outer = vec![(name.to_owned(), images)];
        }
        hints.name_apart();
        Ok(hints)
    }

    fn imagej(description: &Description, kind: &PageKind) -> Self {
        let number = |key: &str| imagej_entry(&description.text, key).and_then(|value| value.parse().ok());
        let axes = [("t", "frames"), ("z", "slices"), ("c", "channels")];
        let outer = axes.map(|(axis, key)| (axis.to_owned(), number(key).unwrap_or(1))).to_vec();
        let spacing = imagej_entry(&description.text, "spacing").and_then(|value| value.parse().ok());
        let unit = imagej_entry(&description.text, "unit");
        Self::with_pixel(outer, kind.usual_names(), description, spacing, unit)
    }

    /// The JSON that tifffile writes, and this crate where ImageJ has no such elements. `None` if it is not of these
    /// pages: of a file that they were taken out of.
    fn shaped(description: &Description, kind: &PageKind, images: u64) -> Option<Self> {
        let json: Value = serde_json::from_str(&description.text).ok()?;
        let shape = shape(&json)?;
        let letters = json.get("axes").and_then(Value::as_str).unwrap_or("");
        let letters: Vec<String> =
            letters.chars().map(|axis| axis.to_ascii_lowercase().to_string()).collect();
        let page = kind.shape();
        // A sample of its own is an axis as well, or is not.
        let ends = [shape.clone(), shape.strip_suffix(&[1]).unwrap_or_default().to_vec()];
        let whole = ends.iter().find(|shape| shape.ends_with(&page))?;
        let lengths = &whole[..whole.len() - page.len()];
        if lengths.iter().try_fold(1u64, |product, &length| product.checked_mul(length)) != Some(images) {
            return None;
        }
        let is_named = letters.len() == shape.len();
        let several = lengths.iter().filter(|&&length| length != 1).count() > 1;
        let name = |position: usize| match letters.get(position).filter(|_| is_named).map(String::as_str) {
            Some("s") => "c".to_owned(),
            Some("q") | None if several => format!("dim_{position}"),
            Some("q") | None => "z".to_owned(),
            Some(letter) => letter.to_owned(),
        };
        let outer = lengths.iter().enumerate().map(|(position, &length)| (name(position), length)).collect();
        let of_page = (lengths.len()..whole.len()).map(name).collect();
        let names = if is_named { of_page } else { kind.usual_names() };
        let spacing = json.get("spacing").and_then(Value::as_f64);
        let unit = json.get("unit").and_then(Value::as_str);
        Some(Self::with_pixel(outer, names, description, spacing, unit))
    }

    fn with_pixel(
        outer: Vec<(String, u64)>,
        page: Vec<String>,
        description: &Description,
        spacing: Option<f64>,
        unit: Option<&str>,
    ) -> Self {
        let [x, y] = description.pixel;
        // Pixels per unit are those of rows and columns, whatever these are.
        let is_usual =
            page.iter().map(String::as_str).filter(|name| ["y", "x"].contains(name)).eq(["y", "x"]);
        let unit = unit.filter(|unit| is_usual && !unit.starts_with("pixel") && x.is_some()).map(usual_unit);
        let spacing = spacing.filter(|spacing| spacing.is_finite() && *spacing > 0.0);
        let x = x.unwrap_or(1.0);
        Self { outer, page, size: [x, y.unwrap_or(x), spacing.unwrap_or(1.0)], unit, order: None }
    }
}

fn shape(json: &Value) -> Option<Vec<u64>> {
    json.get("shape")?.as_array()?.iter().map(Value::as_u64).collect()
}

/// How many images a description says are stored behind each other, of which only the first has a directory: that is
/// so in files of ImageJ above 4 GB, and where tifffile was asked for it.
pub(crate) fn images_behind(description: &Description, kind: &PageKind) -> Option<Behind> {
    let text = description.text.trim();
    if text.starts_with("ImageJ=") {
        let images = imagej_entry(text, "images").and_then(|value| value.parse().ok());
        return images.map(|images| Behind { images, is_sure: false });
    }
    let json: Value = serde_json::from_str(text).ok().filter(|_| text.starts_with('{'))?;
    json.get("truncated").filter(|truncated| **truncated == true)?;
    let product =
        |lengths: &[u64]| lengths.iter().try_fold(1u64, |product, &length| product.checked_mul(length));
    let (all, page) = (product(&shape(&json)?)?, product(&kind.shape())?);
    Some(Behind { images: all / page.max(1), is_sure: true })
}

/// Images behind the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind {
    pub(crate) images: u64,
    /// Whether the description is certainly of this file. ImageJ's is copied with a page that is taken out of a stack.
    pub(crate) is_sure: bool,
}

/// How many pages a description of tifffile is of, if it is of fewer than there are.
pub(crate) fn pages_of_first_image(description: &Description, kind: &PageKind, pages: u64) -> Option<u64> {
    let text = description.text.trim();
    let json: Value = serde_json::from_str(text).ok().filter(|_| text.starts_with('{'))?;
    let product =
        |lengths: &[u64]| lengths.iter().try_fold(1u64, |product, &length| product.checked_mul(length));
    let (all, page) = (product(&shape(&json)?)?, product(&kind.shape())?);
    let count = all / page.max(1);
    (count > 0 && count < pages && count.checked_mul(page) == Some(all)).then_some(count)
}

fn imagej_entry<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .find(|entry| entry.0 == key)
        .map(|entry| entry.1.trim())
}

/// The axes that a description gives to `pages` grey pages of 9 × 8, as fuzzing asks for them.
///
/// # Errors
/// `InvalidMetadata` or `Unsupported` if it is OME-XML of something else.
#[doc(hidden)]
pub fn described_axes(description: &[u8], pages: u64, samples: u64) -> Result<Vec<(String, u64)>> {
    let numbers: Vec<u64> = (0..pages.min(1 << 16)).collect();
    if numbers.len() as u64 != pages || samples == 0 {
        return Err(Error::invalid("so many pages"));
    }
    let description = Description { text: super::scan::text(description), ..Description::default() };
    let kind = PageKind { width: 9, height: 8, samples, planar: false };
    Hints::new(&description, &kind, &numbers, pages).map(|hints| hints.outer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(samples: u64) -> PageKind {
        PageKind { width: 9, height: 8, samples, planar: false }
    }

    fn hints(text: &str, pages: u64, samples: u64) -> (String, Option<Vec<f64>>, Option<String>) {
        let description =
            Description { text: text.into(), pixel: [Some(0.25), Some(0.5)], ..Description::default() };
        let numbers: Vec<u64> = (0..pages).collect();
        let hints = Hints::new(&description, &kind(samples), &numbers, pages).unwrap();
        let axes = hints.outer.iter().map(|(name, length)| format!("{name}{length}")).collect();
        let names = ["z", "y", "x"].map(String::from);
        let resolution = hints.resolution(&names);
        (axes, resolution.map(|found| found.size.to_vec()), hints.unit)
    }

    #[test]
    fn reads_what_each_program_writes() {
        let imagej = "ImageJ=1.11a\nimages=12\nchannels=2\nslices=3\nframes=2\nspacing=1.5\nunit=\\u00B5m\n";
        assert_eq!(hints(imagej, 12, 1), ("t2z3c2".into(), Some(vec![1.5, 0.5, 0.25]), Some("um".into())));
        assert_eq!(hints(imagej, 7, 1).0, "z7");
        let ome = r#"<?xml?><OME><Image><Pixels ID="Pixels:0" DimensionOrder="XYZCT" SizeX="9" SizeY="8" SizeZ="4"
            SizeC="3" SizeT="2" PhysicalSizeX="0.1" PhysicalSizeY="0.2" PhysicalSizeZ="0.5"/></Image></OME>"#;
        assert_eq!(hints(ome, 24, 1), ("t2c3z4".into(), Some(vec![0.5, 0.2, 0.1]), Some("um".into())));
        assert_eq!(hints(ome, 8, 3).0, "t2z4");
        let shaped = r#"{"shape": [3, 5, 8, 9], "axes": "CZYX", "spacing": 2, "unit": "nm"}"#;
        assert_eq!(hints(shaped, 15, 1), ("c3z5".into(), Some(vec![2.0, 0.5, 0.25]), Some("nm".into())));
        assert_eq!(hints(r#"{"shape": [3, 8, 9]}"#, 3, 1), ("z3".into(), None, None));
        for nonsense in
            ["", "{", "<Pixels ", "ImageJ=\nslices=99999999999999999999\nimages=x", "{\"shape\":7}"]
        {
            assert_eq!(hints(nonsense, 5, 1).0, "z5");
        }
    }
}
