//! `png`: lossless images of 8 or 16 bits a sample, 1 to 4 channels.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, DeflateCompression, Encoder, Filter, Limits, Transformations};

use crate::base::buffer::{Region, View, ViewMut, try_first_bytes, with_scratch};
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
        // Few bits and palettes, as optimizers make them, become whole samples: white is 255 whatever its bits are.
        decoder.set_transformations(Transformations::EXPAND);
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        let mut reader = decoder.read_info().map_err(corrupt)?;
        let (found, found_depth) = reader.output_color_type();
        if found_depth != depth {
            let (found, wanted) = (found_depth as u8, depth as u8);
            return Err(Error::corrupt(format!("png: {found} bits a sample instead of {wanted}")));
        }
        let (width, height) = (reader.info().width as usize, reader.info().height as usize);
        pixels.expect_image(width, height, pixels.channels)?;
        if region.count.contains(&0) {
            return Ok(());
        }
        if reader.info().animation_control.is_some() || reader.info().frame_control.is_some() {
            return Err(Error::corrupt("png: an animation, whose frames need not fill the image"));
        }
        let row = width * pixels.size();
        let end = if reader.info().interlaced { height } else { pixels.rows(region, width).end };
        pixels.decode_rows(&(0..end), width, region, out, |samples| match found == color {
            true if end == height => {
                reader.next_frame(samples).map_err(corrupt)?;
                reader.finish().map_err(corrupt)
            }
            true => samples.chunks_exact_mut(row).try_for_each(|row| read_row(&mut reader, row)),
            false => read_adapted(&mut reader, found, &pixels, samples, width),
        })?;
        if pixels.item > 1 && cfg!(target_endian = "little") {
            out.swap_bytes(pixels.item);
        }
        Ok(())
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        Pixels::max_encoded_len(spec)
    }
}

type Rows<'a> = png::Reader<Cursor<&'a [u8]>>;

fn read_row(reader: &mut Rows<'_>, row: &mut [u8]) -> Result<()> {
    match reader.read_row(row).map_err(corrupt)? {
        Some(_) => Ok(()),
        None => Err(Error::corrupt("png: fewer rows than its header says")),
    }
}

/// Reads rows of an image of other channels, which show the same: optimizers drop colours where all are grey, and
/// opacity where all is opaque, and palettes have both.
fn read_adapted(
    reader: &mut Rows<'_>,
    found: ColorType,
    pixels: &Pixels,
    samples: &mut [u8],
    width: usize,
) -> Result<()> {
    let (from, item) = (found.samples(), pixels.item);
    let adapt = |row: &[u8], out: &mut [u8]| {
        let pairs = row.chunks_exact(from * item).zip(out.chunks_exact_mut(pixels.size()));
        for (pixel, out) in pairs {
            adapt_pixel(pixel, out, item, found)?;
        }
        Ok(())
    };
    with_scratch(|whole| {
        let row = width * from * item;
        if reader.info().interlaced {
            let whole = try_first_bytes(whole, row.saturating_mul(pixels.count / width))?;
            reader.next_frame(whole).map_err(corrupt)?;
            return adapt(whole, samples);
        }
        let line = try_first_bytes(whole, row)?;
        for out in samples.chunks_exact_mut(width * pixels.size()) {
            read_row(reader, line)?;
            adapt(line, out)?;
        }
        Ok(())
    })
}

/// One pixel with the channels of the chunk.
///
/// # Errors
/// `CorruptData` if it shows something that these channels cannot hold: a colour, or what is not opaque.
fn adapt_pixel(pixel: &[u8], out: &mut [u8], item: usize, found: ColorType) -> Result<()> {
    let has_alpha = matches!(found, ColorType::GrayscaleAlpha | ColorType::Rgba);
    let (colours, alpha) = pixel.split_at(pixel.len() - if has_alpha { item } else { 0 });
    let wants_alpha = (out.len() / item).is_multiple_of(2);
    let (out, out_alpha) = out.split_at_mut(out.len() - if wants_alpha { item } else { 0 });
    match (colours.len() == out.len(), colours.len() == item) {
        (true, _) => out.copy_from_slice(colours),
        (false, true) => out.chunks_exact_mut(item).for_each(|out| out.copy_from_slice(colours)),
        (false, false) if colours.chunks_exact(item).all(|colour| *colour == colours[..item]) => {
            out.copy_from_slice(&colours[..item]);
        }
        (false, false) => return Err(Error::corrupt("png: colours in an image of a chunk of one channel")),
    }
    match (has_alpha, wants_alpha) {
        (true, true) => out_alpha.copy_from_slice(alpha),
        (false, true) => out_alpha.fill(255),
        (true, false) if alpha.iter().any(|&byte| byte != 255) => {
            return Err(Error::corrupt("png: not opaque, in an image of a chunk without such a channel"));
        }
        (_, false) => {}
    }
    Ok(())
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
    fn other_depths_are_refused() {
        let sixteen = spec(DataType::U16, &[4, 4, 4]);
        let bytes = encode(6, &sixteen, &texture(128));
        assert!(hostile::decode(&Png { level: 0 }, &bytes, &spec(DataType::U8, &[4, 4, 4])).is_err());
    }

    fn image(color: ColorType, depth: BitDepth, palette: &[u8], opacity: &[u8], rows: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 4, rows.len() as u32);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if !palette.is_empty() {
            encoder.set_palette(palette);
        }
        if !opacity.is_empty() {
            encoder.set_trns(opacity);
        }
        encoder.write_header().unwrap().write_image_data(&rows.concat()).unwrap();
        bytes
    }

    /// As oxipng and others make images smaller that they are given.
    #[test]
    fn what_optimizers_make_reads_as_before() {
        let decoded = |bytes: &[u8], channels: usize| {
            let shape = if channels == 1 { vec![4, 2, 1] } else { vec![4, 2, 1, channels] };
            hostile::decode(&Png { level: 0 }, bytes, &spec(DataType::U8, &shape))
        };
        // Chunks have a channel after the other.
        let one = image(ColorType::Grayscale, BitDepth::One, &[], &[], &[&[0b1010_0000], &[0b0001_0000]]);
        assert_eq!(decoded(&one, 1).unwrap(), [255, 0, 255, 0, 0, 0, 0, 255]);
        assert_eq!(decoded(&one, 3).unwrap(), [255, 0, 255, 0, 0, 0, 0, 255].repeat(3));
        assert_eq!(decoded(&one, 2).unwrap()[8..], [255; 8]);
        let four = image(ColorType::Grayscale, BitDepth::Four, &[], &[], &[&[0x01, 0x2f], &[0x30, 0x04]]);
        assert_eq!(decoded(&four, 1).unwrap(), [0, 17, 34, 255, 51, 0, 0, 68]);
        let rows: [&[u8]; 2] = [&[0b0001_1000], &[0b0101_0000]];
        let greys = image(ColorType::Indexed, BitDepth::Two, &[7, 7, 7, 9, 9, 9, 200, 200, 200], &[], &rows);
        assert_eq!(decoded(&greys, 1).unwrap(), [7, 9, 200, 7, 9, 9, 7, 7]);
        let colours = image(ColorType::Indexed, BitDepth::Two, &[1, 2, 3, 4, 5, 6, 7, 8, 9], &[], &rows);
        let planes = [[1, 4, 7, 1, 4, 4, 1, 1], [2, 5, 8, 2, 5, 5, 2, 2], [3, 6, 9, 3, 6, 6, 3, 3]].concat();
        assert_eq!(decoded(&colours, 3).unwrap(), planes);
        assert_eq!(decoded(&colours, 4).unwrap(), [planes, vec![255; 8]].concat());
        assert!(decoded(&colours, 1).unwrap_err().to_string().contains("colours"));
        let opacity =
            image(ColorType::Indexed, BitDepth::Two, &[1, 2, 3, 4, 5, 6, 7, 8, 9], &[255, 8], &rows);
        assert_eq!(decoded(&opacity, 4).unwrap()[24..], [255, 8, 255, 255, 8, 8, 255, 255]);
        assert!(decoded(&opacity, 3).unwrap_err().to_string().contains("opaque"));
        hostile::array_codec(&Png { level: 0 }, &colours, &spec(DataType::U8, &[4, 2, 1, 3]));
    }
}
