//! What the descriptions that ImageJ, OME and tifffile put into a TIFF file say about its axes.

use crate::base::dims::Dims;
use crate::chunk::layout::Resolution;
use crate::format::files::tiff::scan::Description;

/// The axes that the pages of a file run along, and the size of an element.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hints {
    /// Names and lengths, slowest first; their product is the number of pages.
    pub(crate) outer: Vec<(String, u64)>,
    /// Size of an element along x, y and z.
    size: [f64; 3],
    unit: Option<String>,
}

impl Hints {
    /// Pages without a description are slices along z.
    fn plain(pages: u64) -> Self {
        Self { outer: vec![("z".into(), pages)], size: [1.0; 3], unit: None }
    }

    /// The axes of `pages` pages of `samples` samples each.
    pub(crate) fn new(description: &Description, pages: u64, samples: u16) -> Self {
        let text = description.text.trim();
        let found = if text.starts_with("ImageJ=") {
            Some(Self::imagej(description))
        } else if text.starts_with('{') {
            Self::shaped(description)
        } else if text.contains("<Pixels ") {
            Self::ome(text, samples)
        } else {
            None
        };
        let mut hints = found.unwrap_or_else(|| Self::plain(pages));
        hints.outer.retain(|axis| axis.1 != 1);
        let product = hints.outer.iter().try_fold(1u64, |product, axis| product.checked_mul(axis.1));
        if product != Some(pages) || hints.outer.is_empty() {
            hints.outer = Self::plain(pages).outer;
        }
        hints
    }

    fn imagej(description: &Description) -> Self {
        let number = |key: &str| imagej_entry(&description.text, key).and_then(|value| value.parse().ok());
        let axes = [("t", "frames"), ("z", "slices"), ("c", "channels")];
        let outer = axes.map(|(axis, key)| (axis.to_owned(), number(key).unwrap_or(1))).to_vec();
        let spacing = imagej_entry(&description.text, "spacing").and_then(|value| value.parse().ok());
        Self::with_pixel(outer, description, spacing, imagej_entry(&description.text, "unit"))
    }

    /// The JSON that tifffile writes, and this crate where ImageJ has no such elements.
    fn shaped(description: &Description) -> Option<Self> {
        let json: serde_json::Value = serde_json::from_str(&description.text).ok()?;
        let lengths = json.get("shape")?.as_array()?.iter().map(serde_json::Value::as_u64);
        let axes = json.get("axes").and_then(serde_json::Value::as_str).unwrap_or("");
        let names = axes.chars().map(|axis| axis.to_ascii_lowercase().to_string());
        let outer = names.zip(lengths).take_while(|(name, _)| !matches!(&name[..], "y" | "x" | "s"));
        let outer = outer.map(|(name, length)| Some((name, length?))).collect::<Option<Vec<_>>>()?;
        let spacing = json.get("spacing").and_then(serde_json::Value::as_f64);
        let unit = json.get("unit").and_then(serde_json::Value::as_str);
        Some(Self::with_pixel(outer, description, spacing, unit))
    }

    fn with_pixel(
        outer: Vec<(String, u64)>,
        description: &Description,
        spacing: Option<f64>,
        unit: Option<&str>,
    ) -> Self {
        let [x, y] = description.pixel;
        let unit = unit.filter(|unit| !unit.starts_with("pixel") && x.is_some()).map(usual_unit);
        let spacing = spacing.filter(|spacing| spacing.is_finite() && *spacing > 0.0);
        let x = x.unwrap_or(1.0);
        Self { outer, size: [x, y.unwrap_or(x), spacing.unwrap_or(1.0)], unit }
    }

    fn ome(text: &str, samples: u16) -> Option<Self> {
        let start = text.find("<Pixels ")?;
        let element = text[start..].split('>').next()?;
        let order = attribute(element, "DimensionOrder")?;
        let mut outer = Vec::new();
        for axis in order.chars().rev().filter(|axis| "ZCT".contains(*axis)) {
            let mut length: u64 = attribute(element, &format!("Size{axis}"))?.parse().ok()?;
            if axis == 'C' && samples > 1 {
                length /= u64::from(samples);
            }
            outer.push((axis.to_ascii_lowercase().to_string(), length));
        }
        let sizes = ["X", "Y", "Z"].map(|axis| attribute(element, &format!("PhysicalSize{axis}")));
        let size = sizes.map(|size| size.and_then(|size| size.parse::<f64>().ok()));
        let units = ["X", "Y", "Z"]
            .map(|axis| usual_unit(attribute(element, &format!("PhysicalSize{axis}Unit")).unwrap_or("µm")));
        let is_known = size[0].is_some_and(|size| size.is_finite() && size > 0.0) && units[0] == units[1];
        let unit = units[0].clone();
        let z = size[2].filter(|_| units[2] == unit).unwrap_or(1.0);
        let x = size[0].unwrap_or(1.0);
        Some(Self { outer, size: [x, size[1].unwrap_or(x), z], unit: is_known.then_some(unit) })
    }

    /// The size of an element along each of the named axes.
    pub(crate) fn resolution(&self, names: &[String]) -> Option<Resolution> {
        let size = |name: &String| match &name[..] {
            "x" => self.size[0],
            "y" => self.size[1],
            "z" => self.size[2],
            _ => 1.0,
        };
        let unit = self.unit.clone()?;
        Some(Resolution { size: names.iter().map(size).collect::<Dims<f64>>(), unit })
    }
}

/// The number of images that ImageJ says are stored, maybe behind the directory of only the first.
pub(crate) fn imagej_images(description: &Description) -> Option<u64> {
    let text = description.text.trim();
    imagej_entry(text, "images").filter(|_| text.starts_with("ImageJ=")).and_then(|value| value.parse().ok())
}

fn imagej_entry<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .find(|entry| entry.0 == key)
        .map(|entry| entry.1.trim())
}

/// The value of `name="value"` within an element's text.
fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let start = element.match_indices(name).find_map(|(at, _)| {
        let is_name = element[..at].ends_with(char::is_whitespace);
        element[at + name.len()..].strip_prefix("=\"").filter(|_| is_name)
    })?;
    start.split('"').next()
}

/// One spelling for micrometres; any other unit as it is.
fn usual_unit(unit: &str) -> String {
    match unit.trim() {
        "µm" | "μm" | "um" | "\\u00B5m" | "&#181;m" | "&#xB5;m" | "micron" | "microns" => "um".into(),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(text: &str, pages: u64, samples: u16) -> (String, Option<Vec<f64>>, Option<String>) {
        let description = Description { text: text.into(), pixel: [Some(0.25), Some(0.5)] };
        let hints = Hints::new(&description, pages, samples);
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
