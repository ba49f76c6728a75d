//! JPEG files.

use std::io::Read;
use std::path::Path;

use turbojpeg::{Colorspace, Decompressor, PixelFormat};

use super::face::Face;
use crate::base::buffer::with_scratch;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::store::{io_error, open_regular};

fn jpeg_error(error: turbojpeg::Error) -> Error {
    Error::corrupt(error.to_string()).caused_by(error)
}

/// Reads up to `most` bytes of the file into `out`.
fn read_start(path: &Path, most: u64, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    let read = open_regular(path, false).and_then(|file| file.take(most).read_to_end(out));
    read.map(drop).map_err(|error| io_error(error, "reading", path))
}

/// Looks at the header.
pub(super) fn face(path: &Path) -> Result<Face> {
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

/// Decodes the image, which must still look like `face`.
pub(super) fn decode(path: &Path, face: Face, out: &mut [u8]) -> Result<()> {
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
