//! Single images in files: what they are, found without decoding, and their samples.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use png::{BitDepth, ColorType};
use turbojpeg::{Colorspace, Decompressor, PixelFormat};

use crate::base::buffer::{try_first_bytes, with_scratch};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::format::files::pages::{Pages, expect_plausible, unpack};
use crate::format::files::tiff::TiffFile;
use crate::store::{io_error, temporary_beside};

/// What kind of file an image is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Png,
    Jpeg,
    Tiff,
}

/// Size and type of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Face {
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) channels: u16,
    pub(crate) dtype: DataType,
    /// Bits of a stored sample.
    pub(crate) bits: u8,
}

impl Encoding {
    /// What the name of a file says that it is.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" | "jpe" => Some(Self::Jpeg),
            "tif" | "tiff" => Some(Self::Tiff),
            _ => None,
        }
    }

    /// Looks at the file's header.
    pub(crate) fn face(self, path: &Path) -> Result<Face> {
        let face = match self {
            Self::Png => png_face(&png_reader(path)?)?,
            Self::Jpeg => jpeg_face(path)?,
            Self::Tiff => tiff_face(&TiffFile::scan_path(path)?)?,
        };
        let stored = path.metadata().map_err(|error| io_error(error, "opening", path))?.len();
        expect_plausible(face.byte_len()?, stored)?;
        Ok(face)
    }

    /// Decodes the image, which must still look like `face`, into the start of `out`.
    pub(crate) fn decode(self, path: &Path, face: Face, out: &mut Vec<u8>) -> Result<usize> {
        let length = face.byte_len()? as usize;
        match self {
            Self::Png => decode_png(path, face, try_first_bytes(out, length)?)?,
            Self::Jpeg => decode_jpeg(path, face, try_first_bytes(out, length)?)?,
            Self::Tiff => {
                let file = TiffFile::scan_path(path)?;
                face.expect(tiff_face(&file)?)?;
                // A large page consists of several blocks; a slice is wanted whole.
                file.whole_pages().decode(0, out)?;
            }
        }
        Ok(length)
    }
}

impl Face {
    pub(crate) fn describe(&self) -> String {
        let Self { height, width, channels, dtype, bits } = self;
        format!("{width} × {height} with {channels} channels of {dtype} in {bits} bits")
    }

    pub(crate) fn byte_len(&self) -> Result<u64> {
        let pixels = u64::from(self.height) * u64::from(self.width);
        let length = pixels.checked_mul(u64::from(self.channels) * self.dtype.size() as u64);
        length
            .filter(|&length| length < 1 << 47)
            .ok_or_else(|| Error::corrupt("the image is impossibly large"))
    }

    fn expect(&self, found: Self) -> Result<()> {
        if *self == found {
            return Ok(());
        }
        Err(Error::corrupt(format!("the image is {}, it was {}", found.describe(), self.describe())))
    }
}

fn tiff_face(file: &TiffFile) -> Result<Face> {
    let kind = file.kind();
    if let Some(reason) = file.single_page_problem() {
        return Err(Error::unsupported(reason));
    }
    let (height, width, channels) = (kind.height, kind.width, kind.samples);
    Ok(Face { height, width, channels, dtype: kind.dtype, bits: kind.bits })
}

fn png_error(error: png::DecodingError) -> Error {
    Error::corrupt(error.to_string()).caused_by(error)
}

fn png_reader(path: &Path) -> Result<png::Reader<BufReader<File>>> {
    let file = File::open(path).map_err(|error| io_error(error, "opening", path))?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::IDENTITY);
    decoder.read_info().map_err(png_error)
}

fn png_face(reader: &png::Reader<BufReader<File>>) -> Result<Face> {
    let info = reader.info();
    let channels = match info.color_type {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Indexed => {
            return Err(Error::unsupported("a PNG with a palette; convert it to its indices or to RGB"));
        }
    };
    let dtype = match info.bit_depth {
        BitDepth::One => DataType::Bool,
        BitDepth::Sixteen => DataType::U16,
        _ => DataType::U8,
    };
    Ok(Face { height: info.height, width: info.width, channels, dtype, bits: info.bit_depth as u8 })
}

fn decode_png(path: &Path, face: Face, out: &mut [u8]) -> Result<()> {
    let mut reader = png_reader(path)?;
    face.expect(png_face(&reader)?)?;
    if face.bits >= 8 {
        reader.next_frame(out).map_err(png_error)?;
        if face.bits == 16 && cfg!(target_endian = "little") {
            out.chunks_exact_mut(2).for_each(<[u8]>::reverse);
        }
        return Ok(());
    }
    with_scratch(|packed| {
        let row_len = (face.width as usize * usize::from(face.bits)).div_ceil(8);
        let packed = try_first_bytes(packed, row_len * face.height as usize)?;
        reader.next_frame(packed).map_err(png_error)?;
        let rows = packed.chunks(row_len).zip(out.chunks_mut(face.width as usize));
        rows.for_each(|(row, out)| unpack(row, face.bits, out));
        Ok(())
    })
}

/// Writes a PNG of 8 or 16 bits per sample under a temporary name, then renames it.
pub(crate) fn write_png(path: &Path, face: Face, bytes: &[u8]) -> Result<()> {
    let temporary = temporary_beside(path)?;
    let written = encode_png(&temporary, face, bytes)
        .and_then(|()| std::fs::rename(&temporary, path).map_err(|error| io_error(error, "writing", path)));
    if written.is_err() {
        // The first failure is the one to tell of.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn encode_png(path: &Path, face: Face, bytes: &[u8]) -> Result<()> {
    let failed = |error: png::EncodingError| match error {
        png::EncodingError::IoError(error) => io_error(error, "writing", path),
        error => Error::invalid(error.to_string()).caused_by(error),
    };
    let file = File::create_new(path).map_err(|error| io_error(error, "writing", path))?;
    let mut file = BufWriter::new(file);
    let mut encoder = png::Encoder::new(&mut file, face.width, face.height);
    encoder.set_color(match face.channels {
        1 => ColorType::Grayscale,
        2 => ColorType::GrayscaleAlpha,
        3 => ColorType::Rgb,
        _ => ColorType::Rgba,
    });
    encoder.set_depth(if face.bits == 16 { BitDepth::Sixteen } else { BitDepth::Eight });
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(failed)?;
    if face.bits == 16 && cfg!(target_endian = "little") {
        with_scratch(|swapped| {
            swapped.clear();
            swapped.extend_from_slice(bytes);
            swapped.chunks_exact_mut(2).for_each(<[u8]>::reverse);
            writer.write_image_data(swapped)
        })
    } else {
        writer.write_image_data(bytes)
    }
    .map_err(failed)?;
    writer.finish().map_err(failed)?;
    file.flush().map_err(|error| io_error(error, "writing", path))
}

fn jpeg_error(error: turbojpeg::Error) -> Error {
    Error::corrupt(error.to_string()).caused_by(error)
}

/// Reads up to `most` bytes of the file into `out`.
fn read_start(path: &Path, most: u64, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(out));
    read.map(drop).map_err(|error| io_error(error, "reading", path))
}

fn jpeg_face(path: &Path) -> Result<Face> {
    with_scratch(|bytes| {
        // Most often the header is within the first bytes; a large profile may come before it.
        read_start(path, 64 << 10, bytes)?;
        face_of_jpeg(&mut Decompressor::new().map_err(jpeg_error)?, bytes).or_else(|_| {
            read_start(path, u64::MAX, bytes)?;
            face_of_jpeg(&mut Decompressor::new().map_err(jpeg_error)?, bytes)
        })
    })
}

fn face_of_jpeg(decompressor: &mut Decompressor, bytes: &[u8]) -> Result<Face> {
    let header = decompressor.read_header(bytes).map_err(jpeg_error)?;
    let channels = match header.colorspace {
        Colorspace::Gray => 1,
        Colorspace::RGB | Colorspace::YCbCr => 3,
        _ => return Err(Error::unsupported("a JPEG of CMYK colours; convert it to RGB")),
    };
    let side = |length: usize| u32::try_from(length).ok().filter(|&length| length > 0);
    match (side(header.height), side(header.width)) {
        (Some(height), Some(width)) => Ok(Face { height, width, channels, dtype: DataType::U8, bits: 8 }),
        _ => Err(Error::corrupt("a JPEG without any extent")),
    }
}

fn decode_jpeg(path: &Path, face: Face, out: &mut [u8]) -> Result<()> {
    with_scratch(|bytes| {
        read_start(path, u64::MAX, bytes)?;
        let mut decompressor = Decompressor::new().map_err(jpeg_error)?;
        // A progressive image of very many scans takes minutes to decode.
        decompressor.set_scan_limit(500).map_err(jpeg_error)?;
        face.expect(face_of_jpeg(&mut decompressor, bytes)?)?;
        let format = if face.channels == 1 { PixelFormat::GRAY } else { PixelFormat::RGB };
        let (width, height) = (face.width as usize, face.height as usize);
        let pitch = width * usize::from(face.channels);
        let image = turbojpeg::Image { pixels: out, width, pitch, height, format };
        decompressor.decompress(bytes, image).map_err(jpeg_error)
    })
}
