//! OME-XML: which page of a TIFF file is which plane of an image, and how large its elements are.
//!
//! <https://ome-model.readthedocs.io/en/stable/ome-tiff/specification.html>

use std::collections::HashSet;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::base::error::{Error, Result};
use crate::base::text::shown;
use crate::format::files::tiff::axes::{Hints, PageKind, usual_unit};

/// The image that a document describes.
#[derive(Debug, Default)]
struct Document {
    /// The identifier of the file.
    uuid: Option<String>,
    images: usize,
    pixels: Option<Pixels>,
}

/// What `Pixels` says of the first image.
#[derive(Debug, Default)]
struct Pixels {
    order: String,
    /// Along x, y, z, c and t.
    shape: [u64; 5],
    /// Size of an element along x, y and z, with its unit.
    sizes: [Option<f64>; 3],
    units: [String; 3],
    runs: Vec<Run>,
}

/// `TiffData`: pages that follow each other, and the planes that they are.
#[derive(Debug, Default)]
struct Run {
    page: Option<u64>,
    count: Option<u64>,
    /// The first plane along z, c and t.
    first: [u64; 3],
    /// The file that has the pages, by identifier and by name.
    file: Option<(String, String)>,
}

/// Whether a description is OME-XML.
pub(super) fn is_ome(text: &str) -> bool {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                return element.local_name().as_ref() == b"OME";
            }
            Ok(Event::Eof) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

/// What a description says of a file of this name and of pages of one kind. `numbers` are those of the pages among all of the file.
///
/// # Errors
/// `InvalidMetadata` if it is not valid; `Unsupported` if what it says of is not one image whose planes are these pages.
pub(super) fn hints(text: &str, file: &str, kind: &PageKind, numbers: &[u64]) -> Result<Hints> {
    let document = parse(text)?;
    if document.images > 1 {
        let message = format!("the OME-XML has {} images; only files of one image are read", document.images);
        return Err(Error::unsupported(message));
    }
    let pixels = document.pixels.ok_or_else(|| Error::metadata("the OME-XML has no image"))?;
    let outer = pixels.outer(kind)?;
    pixels.expect_one_file(document.uuid.as_deref(), file)?;
    let planes = pixels.pages(&outer, kind, numbers)?;
    let axes = outer.iter().rev().map(|&(axis, length)| (axis.to_ascii_lowercase().to_string(), length));
    let is_known = pixels.sizes[0].is_some() && pixels.units[0] == pixels.units[1];
    let [unit, _, z_unit] = &pixels.units;
    let x = pixels.sizes[0].unwrap_or(1.0);
    let z = pixels.sizes[2].filter(|_| z_unit == unit).unwrap_or(1.0);
    Ok(Hints {
        outer: axes.collect(),
        page: kind.usual_names(),
        size: [x, pixels.sizes[1].unwrap_or(x), z],
        unit: is_known.then(|| unit.clone()),
        order: Some(planes).filter(|planes| !planes.iter().enumerate().all(|(at, &page)| at == page)),
    })
}

fn parse(text: &str) -> Result<Document> {
    let invalid =
        |error: &dyn std::fmt::Display| Error::metadata(format!("the OME-XML is not valid: {error}"));
    let mut reader = Reader::from_str(text);
    let (mut document, mut path) = (Document::default(), Vec::<Vec<u8>>::new());
    let mut run_uuid = None;
    loop {
        match reader.read_event().map_err(|error| invalid(&error))? {
            Event::Start(element) => {
                document.open(&element, &path)?;
                path.push(element.local_name().as_ref().to_vec());
                if path.ends_with(&[b"TiffData".to_vec(), b"UUID".to_vec()]) {
                    run_uuid = Some((String::new(), attribute(&element, "FileName")?.unwrap_or_default()));
                }
            }
            Event::Empty(element) => document.open(&element, &path)?,
            Event::End(_) => {
                path.pop();
                if let (Some(file), Some(run)) = (run_uuid.take(), document.last_run()) {
                    run.file = Some(file);
                }
            }
            Event::Text(text) => {
                if let Some((uuid, _)) = &mut run_uuid {
                    uuid.push_str(String::from_utf8_lossy(&text).trim());
                }
            }
            Event::Eof if path.is_empty() => return Ok(document),
            Event::Eof => return Err(invalid(&"it ends too early")),
            _ => {}
        }
    }
}

impl Document {
    /// Takes in the start of an element that lies in those of `path`.
    fn open(&mut self, element: &BytesStart<'_>, path: &[Vec<u8>]) -> Result<()> {
        let name = element.local_name();
        let parent = path.last().map(Vec::as_slice);
        match (parent, name.as_ref()) {
            (None, b"OME") => self.uuid = attribute(element, "UUID")?,
            (Some(b"OME"), b"BinaryOnly") => {
                let file = attribute(element, "MetadataFile")?.unwrap_or_default();
                let message = format!("the OME-XML of this file is in another one, {}", shown(&file));
                return Err(Error::unsupported(message));
            }
            (Some(b"OME"), b"Image") => self.images += 1,
            (Some(b"Image"), b"Pixels") if self.images == 1 && self.pixels.is_none() => {
                self.pixels = Some(Pixels::of(element)?);
            }
            (Some(b"Pixels"), b"TiffData") if self.images == 1 => {
                let run = Run::of(element)?;
                self.pixels.iter_mut().for_each(|pixels| pixels.runs.push(Run { file: None, ..run }));
            }
            _ => {}
        }
        Ok(())
    }

    fn last_run(&mut self) -> Option<&mut Run> {
        self.pixels.as_mut().filter(|_| self.images == 1)?.runs.last_mut()
    }
}

impl Pixels {
    fn of(element: &BytesStart<'_>) -> Result<Self> {
        let mut pixels =
            Self { order: attribute(element, "DimensionOrder")?.unwrap_or_default(), ..Self::default() };
        let mut order: Vec<char> = pixels.order.chars().skip(2).collect();
        order.sort_unstable();
        if !pixels.order.starts_with("XY") || order != ['C', 'T', 'Z'] {
            let found = shown(&pixels.order).into_owned();
            return Err(Error::metadata(format!("the OME-XML has the DimensionOrder {found:?}")));
        }
        for (at, axis) in ["X", "Y", "Z", "C", "T"].into_iter().enumerate() {
            let name = format!("Size{axis}");
            pixels.shape[at] = number(element, &name)?
                .filter(|&length| length > 0)
                .ok_or_else(|| Error::metadata(format!("the OME-XML has no {name}")))?;
        }
        for (at, axis) in ["X", "Y", "Z"].into_iter().enumerate() {
            let size = attribute(element, &format!("PhysicalSize{axis}"))?;
            let size = size.and_then(|size| size.trim().parse::<f64>().ok());
            pixels.sizes[at] = size.filter(|size| size.is_finite() && *size > 0.0);
            let unit = attribute(element, &format!("PhysicalSize{axis}Unit"))?;
            pixels.units[at] = usual_unit(unit.as_deref().unwrap_or("µm"));
        }
        Ok(pixels)
    }

    /// The axes of the pages, fastest first, by their letters.
    fn outer(&self, kind: &PageKind) -> Result<[(char, u64); 3]> {
        let [x, y, z, c, t] = self.shape;
        if (x, y) != (kind.width, kind.height) {
            let (width, height) = (kind.width, kind.height);
            let message = format!("the OME-XML has planes of {x} × {y}, the pages are {width} × {height}");
            return Err(Error::unsupported(message));
        }
        if !c.is_multiple_of(kind.samples) {
            let samples = kind.samples;
            let message = format!("the OME-XML has {c} channels, and a page has {samples} samples");
            return Err(Error::unsupported(message));
        }
        let length = |axis: char| match axis {
            'Z' => z,
            'C' => c / kind.samples,
            _ => t,
        };
        let mut letters = self.order.chars().skip(2).map(|axis| (axis, length(axis)));
        Ok(std::array::from_fn(|_| letters.next().unwrap_or(('T', 1))))
    }

    /// The position of the page of each plane, in the order of the axes.
    fn pages(&self, outer: &[(char, u64); 3], kind: &PageKind, numbers: &[u64]) -> Result<Vec<usize>> {
        let planes = outer.iter().try_fold(1u64, |product, axis| product.checked_mul(axis.1));
        let pages = numbers.len() as u64;
        if planes != Some(pages) {
            let planes = planes.map_or_else(|| "too many".to_owned(), |planes| planes.to_string());
            return Err(Error::unsupported(format!(
                "the OME-XML has {planes} planes, the file {pages} pages"
            )));
        }
        if self.runs.is_empty() {
            return Ok((0..numbers.len()).collect());
        }
        let mut found: Vec<Option<usize>> = vec![None; numbers.len()];
        for run in &self.runs {
            run.place(run.first_plane(outer, kind), numbers, &mut found)?;
        }
        let order: Option<Vec<usize>> = found.into_iter().collect();
        let order = order.ok_or_else(|| Error::unsupported("the OME-XML names no page of some planes"))?;
        let distinct: HashSet<&usize> = order.iter().collect();
        if distinct.len() < order.len() {
            return Err(Error::unsupported("the OME-XML names one page for two planes"));
        }
        Ok(order)
    }

    /// An error if planes are in other files.
    fn expect_one_file(&self, uuid: Option<&str>, file: &str) -> Result<()> {
        let mut files: Vec<&(String, String)> =
            self.runs.iter().filter_map(|run| run.file.as_ref()).collect();
        files.dedup();
        // A file that is renamed keeps its identifier.
        let is_own = |of: &(String, String)| match uuid {
            Some(uuid) => uuid == of.0,
            None => of.1.is_empty() || file.is_empty() || of.1 == file,
        };
        let Some(other) = files.iter().find(|file| files.len() > 1 || !is_own(file)) else { return Ok(()) };
        let name = if other.1.is_empty() { &other.0 } else { &other.1 };
        let message = format!("the OME-XML has planes in several files, such as {}", shown(name));
        Err(Error::unsupported(message))
    }
}

impl Run {
    fn of(element: &BytesStart<'_>) -> Result<Self> {
        let first = |name| Ok::<u64, Error>(number(element, name)?.unwrap_or(0));
        Ok(Self {
            page: number(element, "IFD")?,
            count: number(element, "PlaneCount")?.or(number(element, "NumPlanes")?),
            first: [first("FirstZ")?, first("FirstC")?, first("FirstT")?],
            file: None,
        })
    }

    /// The number of the first plane, in the order of the axes; `None` if it is outside.
    fn first_plane(&self, outer: &[(char, u64); 3], kind: &PageKind) -> Option<u64> {
        let (mut plane, mut stride) = (0u64, 1u64);
        for &(axis, length) in outer {
            let at = match axis {
                'Z' => self.first[0],
                // Channels of one page are counted one by one.
                'C' => self.first[1] / kind.samples,
                _ => self.first[2],
            };
            plane = plane.checked_add((at < length).then_some(at)?.checked_mul(stride)?)?;
            stride = stride.checked_mul(length)?;
        }
        Some(plane)
    }

    /// Puts its pages into `found`, which has the page of each plane, from the plane `first` on. `numbers` are those of the
    /// pages that the file has.
    ///
    /// # Errors
    /// `Unsupported` for a page or a plane that there is not, or a plane that has its page.
    fn place(&self, first: Option<u64>, numbers: &[u64], found: &mut [Option<usize>]) -> Result<()> {
        let count = self.count.unwrap_or(if self.page.is_some() { 1 } else { numbers.len() as u64 });
        for step in 0..count {
            let page = self.page.unwrap_or(0).checked_add(step);
            let at = page.and_then(|page| numbers.binary_search(&page).ok());
            let plane = first.and_then(|first| usize::try_from(first.checked_add(step)?).ok());
            let slot = plane.and_then(|plane| found.get_mut(plane));
            match (at, slot) {
                (Some(at), Some(slot)) if slot.is_none() => *slot = Some(at),
                (None, _) => return Err(Error::unsupported("the OME-XML names a page that there is not")),
                (_, None) => return Err(Error::unsupported("the OME-XML names a plane outside the image")),
                _ => return Err(Error::unsupported("the OME-XML names two pages of one plane")),
            }
        }
        Ok(())
    }
}

/// The value of an attribute, with its references resolved.
fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>> {
    let invalid =
        |error: &dyn std::fmt::Display| Error::metadata(format!("the OME-XML is not valid: {error}"));
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| invalid(&error))?;
        if attribute.key.local_name().as_ref() == name.as_bytes() {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            return value.map(|value| Some(value.into_owned())).map_err(|error| invalid(&error));
        }
    }
    Ok(None)
}

fn number(element: &BytesStart<'_>, name: &str) -> Result<Option<u64>> {
    let Some(text) = attribute(element, name)? else { return Ok(None) };
    let wrong = || Error::metadata(format!("the OME-XML has {name}={:?}, no whole number", shown(&text)));
    text.trim().parse().map(Some).map_err(|_| wrong())
}
