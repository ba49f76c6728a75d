//! PNG files.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use png::{BitDepth, ColorType};

use super::face::Face;
use crate::base::buffer::{try_first_bytes, with_scratch};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::format::files::pages::unpack;
use crate::store::{expect_replaceable, io_error, open_regular, temporary_beside};

/// Looks at the header.
pub(super) fn face(path: &Path) -> Result<Face> {
    face_of(&png_reader(path)?)
}

fn png_error(error: png::DecodingError) -> Error {
    Error::corrupt(error.to_string()).caused_by(error)
}

fn png_reader(path: &Path) -> Result<png::Reader<BufReader<File>>> {
    let file = open_regular(path, false).map_err(|error| io_error(error, "opening", path))?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::IDENTITY);
    decoder.read_info().map_err(png_error)
}

fn face_of(reader: &png::Reader<BufReader<File>>) -> Result<Face> {
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

/// Decodes the image, which must still look like `face`.
pub(super) fn decode(path: &Path, face: Face, out: &mut [u8]) -> Result<()> {
    let mut reader = png_reader(path)?;
    face.expect(face_of(&reader)?)?;
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
    expect_replaceable(path)?;
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
