//! The pages of a TIFF file: one walk along the chain of directories, before anything is decoded.

use std::collections::HashSet;

use tiff::Directory;
use tiff::decoder::Decoder;
use tiff::decoder::ifd::Value;
use tiff::tags::{IfdPointer, Tag};

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::format::files::tiff::source::{FileHeader, Reader, Source, tiff_error};

/// What all pages of an array have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::format) struct Kind {
    pub(in crate::format) width: u32,
    pub(in crate::format) height: u32,
    /// Samples of one pixel.
    pub(in crate::format) samples: u16,
    /// Whether each sample has a plane of its own.
    pub(in crate::format) planar: bool,
    pub(in crate::format) dtype: DataType,
    /// Bits of a stored sample: those of the type, or 1, 2 or 4.
    pub(in crate::format) bits: u8,
    /// Whether zero is white. Elements are what is stored, so the library's inversion is undone.
    pub(in crate::format) white_is_zero: bool,
}

/// How a page is cut up in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Strips { rows: u32 },
    Tiles { width: u32, height: u32 },
}

impl Cut {
    /// The library mistakes the height of the lowest tiles of all planes but the first, and loses its way in what LZW
    /// has of a tile beside the page.
    fn refusal(self, kind: &Kind, compression: u16) -> Option<String> {
        let Self::Tiles { width, height } = self else { return None };
        if kind.planar && !kind.height.is_multiple_of(height) {
            return Some("a plane per channel in tiles that reach below the page".to_owned());
        }
        let is_lost = compression == 5 && !kind.width.is_multiple_of(width);
        is_lost.then(|| {
            "LZW in tiles that reach beside the page; rewrite it with deflate or in strips".to_owned()
        })
    }

    /// How many strips or tiles a page has.
    fn pieces(self, kind: &Kind) -> u64 {
        let of_plane = match self {
            Self::Strips { rows } => u64::from(kind.height.div_ceil(rows)),
            Self::Tiles { width, height } => {
                u64::from(kind.width.div_ceil(width)) * u64::from(kind.height.div_ceil(height))
            }
        };
        of_plane.saturating_mul(if kind.planar { kind.samples.into() } else { 1 })
    }
}

/// One page.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Where its directory is.
    pub(crate) directory: u64,
    pub(crate) kind: Kind,
    pub(crate) cut: Cut,
    /// Where its samples start, if they are stored plainly and without gaps.
    pub(crate) data: Option<u64>,
    /// Why it cannot be decoded, if it cannot.
    pub(crate) refused: Option<String>,
    /// Bytes that it takes in the file.
    pub(crate) stored: u64,
    /// Its number among all pages of the file.
    pub(crate) number: u64,
    next: Option<u64>,
    /// Whether it is a smaller copy or a mask of another page.
    is_extra: bool,
    is_mask: bool,
    /// Why nobody may take its samples as they are stored, if that is so.
    unreadable: Option<String>,
}

impl Kind {
    /// Bytes of a row of samples as the library gives them: packed where smaller than a byte.
    pub(crate) fn packed_row(&self) -> u64 {
        let across = if self.planar { 1 } else { u64::from(self.samples) };
        (u64::from(self.width) * across * u64::from(self.bits)).div_ceil(8)
    }

    /// Bytes of a page as the library gives it.
    pub(crate) fn packed_len(&self) -> Result<u64> {
        let planes = if self.planar { u64::from(self.samples) } else { 1 };
        let rows = u64::from(self.height).checked_mul(planes);
        rows.and_then(|rows| rows.checked_mul(self.packed_row()))
            .filter(|&length| length < 1 << 47)
            .ok_or_else(|| Error::corrupt(format!("a page of {} × {} is no page", self.width, self.height)))
    }

    fn describe(&self) -> String {
        let Self { width, height, samples, bits, dtype, .. } = self;
        format!("{width} × {height} with {samples} samples of {dtype} in {bits} bits")
    }
}

/// All pages that are not smaller copies of others, and the description that the first carries.
/// Messages call the file `name`.
pub(crate) fn pages(source: &Source, header: FileHeader, name: &str) -> Result<(Vec<Page>, Description)> {
    let mut decoder = source.decoder(header, header.first).map_err(tiff_error)?;
    let mut pages: Vec<Page> = Vec::new();
    let mut description = Description::default();
    let mut seen = HashSet::new();
    let mut at = Some(header.first).filter(|&first| first != 0);
    while let Some(directory) = at {
        let named = |error: Error| error.at(format!("{name} page {}", pages.len()));
        if !seen.insert(directory) {
            return Err(named(Error::corrupt("the chain of pages runs in a circle")));
        }
        let found = decoder.read_directory(IfdPointer(directory)).map_err(tiff_error).map_err(named)?;
        let page = Tags { decoder: &mut decoder, found: &found }.page(directory).map_err(named)?;
        at = page.next;
        if page.is_extra {
            let is_as_large = !page.is_mask && pages.first().is_some_and(|first| first.kind == page.kind);
            if is_as_large {
                let reason =
                    "the page says that it is a smaller copy of another one, and is as large as the first";
                return Err(named(Error::unsupported(reason)));
            }
            continue;
        }
        if let Some(reason) = &page.unreadable {
            return Err(named(Error::unsupported(reason.clone())));
        }
        match pages.first() {
            None => {
                let pixel = Tags { decoder: &mut decoder, found: &found }.pixel();
                description = Description {
                    text: description_of(source, header, directory).map_err(named)?,
                    pixel,
                    file: last(name).to_owned(),
                };
            }
            Some(first) if first.kind != page.kind => {
                let (this, first) = (page.kind.describe(), first.kind.describe());
                let reason = format!("this page is {this}, the first is {first}; pages must be alike");
                return Err(named(Error::unsupported(reason)));
            }
            Some(_) => {}
        }
        pages.push(Page { number: seen.len() as u64 - 1, ..page });
    }
    if pages.is_empty() {
        return Err(Error::metadata("the file has no pages"));
    }
    Ok((pages, description))
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// What the first page says about the whole file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Description {
    pub(crate) text: String,
    /// Units per pixel along x and y.
    pub(crate) pixel: [Option<f64>; 2],
    /// What the file is called.
    pub(crate) file: String,
}

/// The tags of one page.
struct Tags<'a, 'b> {
    decoder: &'a mut Decoder<Reader<'b>>,
    found: &'a Directory,
}

impl Tags<'_, '_> {
    fn find<T: TryFrom<u64>>(&mut self, tag: Tag) -> Result<Option<T>> {
        self.decoder.read_directory_tags(self.found).find_tag_unsigned(tag).map_err(tiff_error)
    }

    fn find_all<T: TryFrom<u64>>(&mut self, tag: Tag) -> Result<Option<Vec<T>>> {
        self.decoder.read_directory_tags(self.found).find_tag_unsigned_vec(tag).map_err(tiff_error)
    }

    fn need<T: TryFrom<u64>>(&mut self, tag: Tag) -> Result<T> {
        self.find(tag)?.ok_or_else(|| Error::metadata(format!("the page has no tag {tag:?}")))
    }

    /// The value that all samples share.
    fn common<T: TryFrom<u64> + Copy + PartialEq>(&mut self, tag: Tag, default: T) -> Result<T> {
        let values = self.find_all(tag)?.unwrap_or_default();
        match values.split_first() {
            None => Ok(default),
            Some((&first, rest)) if rest.iter().all(|&other| other == first) => Ok(first),
            Some(_) => Err(Error::unsupported(format!("samples differ in their {tag:?}"))),
        }
    }

    fn page(&mut self, directory: u64) -> Result<Page> {
        let next = self.found.next().map(|next| next.0);
        let subfile: u64 = self.find(Tag::NewSubfileType)?.unwrap_or(0);
        let old_subfile: u64 = self.find(Tag::SubfileType)?.unwrap_or(1);
        let is_mask = subfile & 0b100 != 0;
        let is_extra = is_mask || subfile & 1 != 0 || old_subfile == 2;
        let photometric: u16 = self.find(Tag::PhotometricInterpretation)?.unwrap_or(1);
        let kind = self.kind(photometric)?;
        let cut = if self.found.contains(Tag::TileWidth) {
            Cut::Tiles { width: self.need(Tag::TileWidth)?, height: self.need(Tag::TileLength)? }
        } else {
            Cut::Strips { rows: self.find(Tag::RowsPerStrip)?.unwrap_or(kind.height).min(kind.height) }
        };
        if let Cut::Strips { rows: 0 } | Cut::Tiles { width: 0, .. } | Cut::Tiles { height: 0, .. } = cut {
            return Err(Error::corrupt("strips or tiles without any extent"));
        }
        let (places, lengths) = match cut {
            Cut::Strips { .. } => (Tag::StripOffsets, Tag::StripByteCounts),
            Cut::Tiles { .. } => (Tag::TileOffsets, Tag::TileByteCounts),
        };
        let offsets: Vec<u64> = self.find_all(places)?.unwrap_or_default();
        let lengths: Vec<u64> = self.find_all(lengths)?.unwrap_or_default();
        let stored = lengths.iter().fold(0u64, |sum, &length| sum.saturating_add(length));
        let compression: u16 = self.find(Tag::Compression)?.unwrap_or(1);
        let predictor: u16 = self.find(Tag::Predictor)?.unwrap_or(1);
        let is_plain = compression == 1 && predictor == 1 && kind.bits >= 8;
        let data = match cut {
            Cut::Strips { rows } if is_plain => plain_start(&kind, rows, &offsets, &lengths),
            _ => None,
        };
        let unreadable = self.unreadable(&kind, cut, &offsets, &lengths)?;
        let refused =
            self.refusal(&kind, photometric, compression)?.or_else(|| cut.refusal(&kind, compression));
        Ok(Page {
            directory,
            kind,
            cut,
            data,
            refused,
            stored,
            number: 0,
            next,
            is_extra,
            is_mask,
            unreadable,
        })
    }

    fn kind(&mut self, photometric: u16) -> Result<Kind> {
        let (width, height): (u32, u32) = (self.need(Tag::ImageWidth)?, self.need(Tag::ImageLength)?);
        let samples: u16 = self.find(Tag::SamplesPerPixel)?.unwrap_or(1);
        let bits: u8 = self.common(Tag::BitsPerSample, 1)?;
        let format: u16 = self.common(Tag::SampleFormat, 1)?;
        let planar: u16 = self.find(Tag::PlanarConfiguration)?.unwrap_or(1);
        if width == 0 || height == 0 || samples == 0 || samples > 1024 {
            return Err(Error::corrupt(format!("a page of {width} × {height} with {samples} samples")));
        }
        let name = match (format, bits) {
            (1, 1) => "bool".to_owned(),
            (1, 2 | 4) => "u8".to_owned(),
            (1, 8 | 16 | 32 | 64) => format!("u{bits}"),
            (2, 8 | 16 | 32 | 64) => format!("i{bits}"),
            (3, 16 | 32 | 64) => format!("f{bits}"),
            _ => {
                let kind = ["", "unsigned", "signed", "float", "untyped", "complex", "complex"];
                let kind = kind.get(usize::from(format)).unwrap_or(&"unknown");
                return Err(Error::unsupported(format!("samples of {bits} bits, {kind}")));
            }
        };
        let white_is_zero = photometric == 0;
        let planar = planar == 2 && samples > 1;
        Ok(Kind { width, height, samples, planar, dtype: name.parse()?, bits, white_is_zero })
    }

    /// Why the library could not decode this page to what is stored.
    fn refusal(&mut self, kind: &Kind, photometric: u16, compression: u16) -> Result<Option<String>> {
        let extra: Vec<u16> = self.find_all(Tag::ExtraSamples)?.unwrap_or_default();
        let colour = match (photometric, kind.samples) {
            (0 | 1, 1) | (1, _) | (2, 3) | (5, 4) => None,
            (2, 4) if matches!(extra[..], [1 | 2]) => None,
            (2, _) => Some("RGB with further samples"),
            (3, _) => Some("a palette; convert it to its indices or to RGB"),
            (6, _) => Some("YCbCr colours; convert them to RGB"),
            _ => Some("these colours"),
        };
        let inverted = kind.white_is_zero && !matches!(kind.dtype.name().as_bytes(), [b'u', ..] | b"bool");
        let method = match compression {
            1 | 4 | 5 | 7 | 8 | 32773 | 32946 => None,
            2 | 3 => Some("CCITT group 3"),
            6 => Some("old-style JPEG"),
            33003 | 33005 | 34712 => Some("JPEG 2000"),
            34887 => Some("LERC"),
            34925 => Some("LZMA"),
            50000 | 34926 => Some("zstd"),
            50001 | 34927 => Some("WebP"),
            50002 | 52546 => Some("JPEG XL"),
            _ => Some("unknown"),
        };
        let few_bits = kind.bits < 8 && kind.samples > 1;
        Ok(if let Some(method) = method {
            Some(format!("compression {compression} ({method}); rewrite it with deflate, LZW or none"))
        } else if let Some(colour) = colour {
            Some(colour.to_owned())
        } else if inverted {
            Some("signed or float samples of which zero is white".to_owned())
        } else {
            few_bits.then(|| "packed samples in this order".to_owned())
        })
    }

    /// Why the samples are not what they seem to be, if they are not: others would read other bits, or planes.
    fn unreadable(
        &mut self,
        kind: &Kind,
        cut: Cut,
        offsets: &[u64],
        lengths: &[u64],
    ) -> Result<Option<String>> {
        let order: u16 = self.find(Tag::FillOrder)?.unwrap_or(1);
        let depth: u64 = self.find(IMAGE_DEPTH)?.unwrap_or(1).max(self.find(TILE_DEPTH)?.unwrap_or(1));
        let what = if matches!(cut, Cut::Tiles { .. }) { "tiles" } else { "strips" };
        let pieces = cut.pieces(kind);
        let is_stored = |(offset, length): (&u64, Option<&u64>)| *offset != 0 && length != Some(&0);
        let lengths = (0..offsets.len()).map(|at| lengths.get(at));
        let stored = offsets.iter().zip(lengths).filter(|piece| is_stored(*piece)).count() as u64;
        Ok(if order != 1 {
            Some(format!("the bits of each byte are in reverse order (FillOrder {order})"))
        } else if depth > 1 {
            Some(format!("an image of {depth} planes in one page (ImageDepth)"))
        } else if stored < pieces {
            Some(format!("{} of {pieces} {what} are not stored", pieces - stored))
        } else {
            None
        })
    }

    /// Units per pixel along x and y.
    fn pixel(&mut self) -> [Option<f64>; 2] {
        let mut tags = self.decoder.read_directory_tags(self.found);
        // Hints only: what cannot be read is not there.
        let mut pixel = |tag| match tags.find_tag(tag) {
            // Stored are pixels per unit.
            Ok(Some(Value::Rational(above, below))) => {
                Some(f64::from(below) / f64::from(above)).filter(|size| size.is_finite() && *size > 0.0)
            }
            _ => None,
        };
        [pixel(Tag::XResolution), pixel(Tag::YResolution)]
    }
}

/// Planes that one page has, and one tile.
const IMAGE_DEPTH: Tag = Tag::Unknown(32997);
const TILE_DEPTH: Tag = Tag::Unknown(32998);

/// The longest description that is read: that of a plate of millions of planes.
const LONGEST_DESCRIPTION: u64 = 256 << 20;

/// The description of the page whose directory is at `directory`; none if it is not within the file.
///
/// # Errors
/// `Unsupported` if it is longer than any.
pub(crate) fn description_of(source: &Source, header: FileHeader, directory: u64) -> Result<String> {
    let Some(place) = source.text_place(header, directory, Tag::ImageDescription.to_u16()) else {
        return Ok(String::new());
    };
    let length = place.end - place.start;
    if place.end > source.len() {
        return Ok(String::new());
    }
    if length > LONGEST_DESCRIPTION {
        return Err(Error::unsupported(format!("a description of {length} bytes")));
    }
    Ok(source.bytes(place).map(|bytes| text(&bytes)).unwrap_or_default())
}

/// The text of a description up to its end: UTF-8, or else Latin-1, which older programs write.
pub(crate) fn text(bytes: &[u8]) -> String {
    let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// Where the samples start, if the strips of whole bytes follow each other without gaps. What is said of the bytes of a
/// strip may be more than it has.
fn plain_start(kind: &Kind, rows: u32, offsets: &[u64], lengths: &[u64]) -> Option<u64> {
    let per_plane = u64::from(kind.height.div_ceil(rows));
    let rows_of = |strip: u64| u64::from(kind.height - (strip % per_plane) as u32 * rows).min(rows.into());
    let start = *offsets.first()?;
    let mut end = start;
    for (strip, &offset) in offsets.iter().enumerate() {
        let length = rows_of(strip as u64).checked_mul(kind.packed_row())?;
        if offset != end || lengths.get(strip).is_some_and(|&said| said < length) {
            return None;
        }
        end = end.checked_add(length)?;
    }
    let planes = if kind.planar { u64::from(kind.samples) } else { 1 };
    (offsets.len() as u64 == per_plane.checked_mul(planes)?).then_some(start)
}
