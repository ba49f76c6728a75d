//! `png`: lossless images of 8 or 16 bits a sample, 1 to 4 channels.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, DeflateCompression, Encoder, Filter, Limits, Transformations};

use crate::base::buffer::{Region, View, ViewMut};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::image::Pixels;
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec, expect_output};
use crate::chunk::config::Config;

/// What a decoder may allocate beyond the chunk's own size, for metadata.
const METADATA_BYTES: usize = 1 << 20;

/// PNG images of `uint8` and `uint16` chunks with 1 to 4 channels.
///
/// Written as wide as x and as high as y·z; read in any size that has the right number of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Png {
    level: u8,
}

impl Png {
    /// The level that is written where none is asked for.
    pub const DEFAULT_LEVEL: u8 = 1;

    /// PNG written with effort `level`: 0 stores, 1 is by far the fastest, 9 the smallest.
    ///
    /// # Errors
    /// `InvalidArgument` for another level.
    pub fn new(level: u8) -> Result<Self> {
        match level {
            0..=9 => Ok(Self { level }),
            _ => Err(Error::invalid(format!("png level {level} is not in 0 to 9"))),
        }
    }

    fn compression(self) -> (DeflateCompression, Filter) {
        match self.level {
            0 => (DeflateCompression::NoCompression, Filter::NoFilter),
            1 => (DeflateCompression::FdeflateUltraFast, Filter::Up),
            level => (DeflateCompression::Level(level), Filter::Adaptive),
        }
    }
}

/// The pixels of a chunk, and the kind of image that holds them.
fn image_of(spec: &ChunkSpec) -> Result<(Pixels, ColorType, BitDepth)> {
    let pixels = Pixels::of(spec)?;
    let color = match pixels.channels {
        1 => Some(ColorType::Grayscale),
        2 => Some(ColorType::GrayscaleAlpha),
        3 => Some(ColorType::Rgb),
        4 => Some(ColorType::Rgba),
        _ => None,
    };
    let depth = match spec.dtype {
        DataType::U8 => Some(BitDepth::Eight),
        DataType::U16 => Some(BitDepth::Sixteen),
        _ => None,
    };
    match (color, depth) {
        (Some(color), Some(depth)) => Ok((pixels, color, depth)),
        _ => Err(Error::unsupported(format!(
            "png holds uint8 or uint16 with 1 to 4 channels, not {} with {}",
            spec.dtype, pixels.channels
        ))),
    }
}

impl ArrayCodec for Png {
    fn name(&self) -> &'static str {
        "png"
    }

    fn config(&self) -> Config {
        Config::new(self.name()).with("level", self.level)
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        image_of(spec).map(drop)
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        let (pixels, color, depth) = image_of(spec)?;
        let [(width, height), _] = pixels.image_sizes();
        let (Ok(width), Ok(height)) = (u32::try_from(width), u32::try_from(height)) else {
            return Err(Error::unsupported("the chunk is too large for a png image"));
        };
        let (compression, filter) = self.compression();
        pixels.with_samples(chunk, |samples| {
            let mut encoder = Encoder::new(out, width, height);
            encoder.set_color(color);
            encoder.set_depth(depth);
            encoder.set_deflate_compression(compression);
            encoder.set_filter(filter);
            let mut writer = encoder.write_header().map_err(failed)?;
            writer.write_image_data(samples).map_err(failed)?;
            writer.finish().map_err(failed)
        })
    }

    fn reads_once(&self) -> bool {
        true
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        expect_output(spec, region, out)?;
        let (pixels, color, depth) = image_of(spec)?;
        let limit = METADATA_BYTES.saturating_add(pixels.count.saturating_mul(pixels.size()));
        let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: limit });
        decoder.set_transformations(Transformations::IDENTITY);
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        let info = decoder.read_header_info().map_err(corrupt)?;
        if (info.color_type, info.bit_depth) != (color, depth) {
            return Err(Error::corrupt(format!(
                "png: {:?} with {} bits instead of {color:?} with {}",
                info.color_type, info.bit_depth as u8, depth as u8
            )));
        }
        let (width, height) = (info.width as usize, info.height as usize);
        pixels.expect_image(width, height, pixels.channels)?;
        if region.count.contains(&0) {
            return Ok(());
        }
        let mut reader = decoder.read_info().map_err(corrupt)?;
        if reader.info().animation_control.is_some() || reader.info().frame_control.is_some() {
            return Err(Error::corrupt("png: an animation, whose frames need not fill the image"));
        }
        let end = if reader.info().interlaced { height } else { pixels.rows(region, width).end };
        pixels.decode_rows(&(0..end), width, region, out, |samples| {
            if end == height {
                reader.next_frame(samples).map_err(corrupt)?;
                return reader.finish().map_err(corrupt);
            }
            let mut rows = samples.chunks_exact_mut(width * pixels.size());
            rows.try_for_each(|row| match reader.read_row(row).map_err(corrupt)? {
                Some(_) => Ok(()),
                None => Err(Error::corrupt("png: fewer rows than its header says")),
            })
        })?;
        if pixels.item > 1 && cfg!(target_endian = "little") {
            out.swap_bytes();
        }
        Ok(())
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        Pixels::max_encoded_len(spec)
    }
}

fn failed(error: png::EncodingError) -> Error {
    Error::invalid("cannot make a png image").caused_by(error)
}

fn corrupt(error: png::DecodingError) -> Error {
    Error::corrupt(format!("png: {error}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::buffer::Order;
    use crate::chunk::codec::hostile::{self, spec, texture};

    fn encode(level: u8, spec: &ChunkSpec, elements: &[u8]) -> Vec<u8> {
        let view = View::dense(elements, &spec.shape, spec.dtype.size(), Order::Fortran).unwrap();
        let mut bytes = Vec::new();
        Png::new(level).unwrap().encode(&view, spec, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_kind_of_image() {
        for dtype in [DataType::U8, DataType::U16] {
            for channels in 1..=4 {
                let spec = spec(dtype, &[11, 7, 5, channels]);
                let elements = texture(spec.byte_len().unwrap());
                for level in [0, 1, 9] {
                    let bytes = encode(level, &spec, &elements);
                    assert_eq!(hostile::decode(&Png { level }, &bytes, &spec).unwrap(), elements);
                }
                hostile::array_codec(&Png { level: 0 }, &encode(6, &spec, &elements), &spec);
            }
        }
    }

    #[test]
    fn samples_are_big_endian() {
        let spec = spec(DataType::U16, &[2, 1, 1]);
        let bytes = encode(0, &spec, &[&0x1234u16.to_ne_bytes()[..], &0x5678u16.to_ne_bytes()].concat());
        assert!(bytes.windows(4).any(|window| window == [0x12, 0x34, 0x56, 0x78]));
    }

    #[test]
    fn other_depths_and_palettes_are_refused() {
        let sixteen = spec(DataType::U16, &[4, 4, 4]);
        let bytes = encode(6, &sixteen, &texture(128));
        assert!(hostile::decode(&Png { level: 0 }, &bytes, &spec(DataType::U8, &[4, 4, 4])).is_err());
        let mut palette = Vec::new();
        let mut encoder = Encoder::new(&mut palette, 8, 1);
        encoder.set_color(ColorType::Indexed);
        encoder.set_palette(vec![0; 768]);
        encoder.write_header().unwrap().write_image_data(&[0; 8]).unwrap();
        let error =
            hostile::decode(&Png { level: 0 }, &palette, &spec(DataType::U8, &[8, 1, 1])).unwrap_err();
        assert!(error.to_string().contains("Indexed"), "{error}");
    }
}
