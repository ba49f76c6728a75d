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
    /// The library mistakes the height of the lowest tiles of all planes but the first.
    fn refusal(self, kind: &Kind) -> Option<String> {
        let Self::Tiles { height, .. } = self else { return None };
        let is_mistaken = kind.planar && !kind.height.is_multiple_of(height);
        is_mistaken.then(|| "a plane per channel in tiles that reach below the page".to_owned())
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
    next: Option<u64>,
    /// Whether it is a smaller copy or a mask of another page.
    is_extra: bool,
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
            continue;
        }
        match pages.first() {
            None => description = Tags { decoder: &mut decoder, found: &found }.description(),
            Some(first) if first.kind != page.kind => {
                let (this, first) = (page.kind.describe(), first.kind.describe());
                let reason = format!("this page is {this}, the first is {first}; pages must be alike");
                return Err(named(Error::unsupported(reason)));
            }
            Some(_) => {}
        }
        pages.push(page);
    }
    if pages.is_empty() {
        return Err(Error::metadata("the file has no pages"));
    }
    Ok((pages, description))
}

/// What the first page says about the whole file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Description {
    pub(crate) text: String,
    /// Units per pixel along x and y.
    pub(crate) pixel: [Option<f64>; 2],
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
        let is_extra = subfile & 0b101 != 0 || old_subfile == 2;
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
        let is_plain = compression == 1 && predictor == 1 && matches!(cut, Cut::Strips { .. });
        let data = if is_plain { plain_start(&kind, &offsets, &lengths, stored)? } else { None };
        let refused = self.refusal(&kind, photometric, compression)?.or_else(|| cut.refusal(&kind));
        Ok(Page { directory, kind, cut, data, refused, stored, next, is_extra })
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
        let order: u16 = self.find(Tag::FillOrder)?.unwrap_or(1);
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
        let few_bits = kind.bits < 8 && (kind.samples > 1 || order != 1);
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

    fn description(&mut self) -> Description {
        let mut tags = self.decoder.read_directory_tags(self.found);
        // Hints only: what cannot be read is not there.
        let text = tags.get_tag_ascii_string(Tag::ImageDescription).unwrap_or_default();
        let mut pixel = |tag| match tags.find_tag(tag) {
            // Stored are pixels per unit.
            Ok(Some(Value::Rational(above, below))) => {
                Some(f64::from(below) / f64::from(above)).filter(|size| size.is_finite() && *size > 0.0)
            }
            _ => None,
        };
        let pixel = [pixel(Tag::XResolution), pixel(Tag::YResolution)];
        Description { text, pixel }
    }
}

/// Where the samples start, if the strips of whole bytes follow each other without gaps.
fn plain_start(kind: &Kind, offsets: &[u64], lengths: &[u64], stored: u64) -> Result<Option<u64>> {
    let follow =
        offsets.windows(2).zip(lengths).all(|(pair, &length)| pair[0].checked_add(length) == Some(pair[1]));
    let is_plain = kind.bits >= 8 && follow && offsets.len() == lengths.len();
    Ok(offsets.first().copied().filter(|_| is_plain).filter(|_| Some(stored) == kind.packed_len().ok()))
}
