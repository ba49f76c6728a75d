//! `jxl`: 8-bit JPEG XL images, read only.

use jxl_oxide::FrameHeader;
use jxl_oxide::{AllocTracker, InitializeResult, JxlImage, JxlThreadPool, PixelFormat};

use crate::base::buffer::{Region, View, ViewMut};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::image::Pixels;
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec, expect_output};
use crate::chunk::config::Config;

/// What decoding may allocate: so many bytes a sample, and a constant.
const BYTES_PER_SAMPLE: usize = 64;
const FIXED_BYTES: usize = 16 << 20;

/// JPEG XL images of `uint8` chunks with 1 or 3 channels, read only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jxl;

impl Jxl {
    fn pixels(spec: &ChunkSpec) -> Result<Pixels> {
        let pixels = Pixels::of(spec)?;
        if spec.dtype != DataType::U8 || !matches!(pixels.channels, 1 | 3) {
            return Err(Error::unsupported(format!(
                "jxl holds uint8 with 1 or 3 channels, not {} with {}",
                spec.dtype, pixels.channels
            )));
        }
        Ok(pixels)
    }
}

impl ArrayCodec for Jxl {
    fn name(&self) -> &'static str {
        "jxl"
    }

    fn config(&self) -> Config {
        Config::new(self.name())
    }

    fn is_lossless(&self) -> bool {
        false
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        Self::pixels(spec).map(drop)
    }

    fn encode(&self, _chunk: &View<'_>, _spec: &ChunkSpec, _out: &mut Vec<u8>) -> Result<()> {
        Err(Error::unsupported("jxl can only be read; write jpeg or, without loss, png or raw"))
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], spec: &ChunkSpec, region: &Region, out: &mut ViewMut<'_>) -> Result<()> {
        expect_output(spec, region, out)?;
        let pixels = Self::pixels(spec)?;
        let (image, width, height) = open(bytes, &pixels)?;
        if region.count.contains(&0) {
            return Ok(());
        }
        pixels.decode_rows(&(0..height), width, region, out, |samples| {
            let render = image.render_frame(0).map_err(corrupt)?;
            match render.stream_no_alpha().write_to_buffer::<u8>(samples) == samples.len() {
                true => Ok(()),
                false => Err(Error::corrupt("jxl: fewer samples than its header says")),
            }
        })
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        Pixels::max_encoded_len(spec)
    }
}

/// Reads the headers, and the frame's once they are known to be those of a chunk of `pixels`.
fn open(bytes: &[u8], pixels: &Pixels) -> Result<(JxlImage, usize, usize)> {
    let samples = pixels.count.saturating_mul(pixels.channels);
    let limit = samples.saturating_mul(BYTES_PER_SAMPLE).saturating_add(FIXED_BYTES);
    let mut image = JxlImage::builder()
        .pool(JxlThreadPool::none())
        .alloc_tracker(AllocTracker::with_limit(limit))
        .build_uninit();
    image.feed_bytes(bytes).map_err(corrupt)?;
    let InitializeResult::Initialized(mut image) = image.try_init().map_err(corrupt)? else {
        return Err(Error::corrupt("jxl: truncated"));
    };
    let (width, height) = (image.width() as usize, image.height() as usize);
    let channels = match image.pixel_format() {
        PixelFormat::Gray => 1,
        PixelFormat::Rgb => 3,
        other => other.channels(),
    };
    pixels.expect_image(width, height, channels)?;
    let bits = image.image_header().metadata.bit_depth.bits_per_sample();
    if bits != 8 {
        return Err(Error::corrupt(format!("jxl: {bits} bits a sample instead of 8")));
    }
    image.finalize().map_err(corrupt)?;
    if image.num_loaded_keyframes() != 1 {
        return Err(Error::corrupt(format!("jxl: {} frames instead of 1", image.num_loaded_keyframes())));
    }
    // The decoder brightens images of a single row when it smooths them.
    let smooths = |header: &FrameHeader| header.restoration_filter.gab.enabled();
    if height == 1 && image.frame_header(0).is_none_or(smooths) {
        return Err(Error::unsupported("jxl: a lossy image of a single row, which the decoder gets wrong"));
    }
    Ok((image, width, height))
}

fn corrupt(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::corrupt(format!("jxl: {error}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::base::buffer::Order;
    use crate::chunk::codec::hostile::{self, spec};

    const LOSSLESS: &[u8] = include_bytes!("../../../tests/data/images/cloudvolume-u8-24x18x10x1.jxl");
    const LOSSY: &[u8] = include_bytes!("../../../tests/data/images/cloudvolume-lossy-u8-24x18x10x1.jxl");

    #[test]
    fn hostile_bytes() {
        for bytes in [LOSSLESS, LOSSY] {
            hostile::array_codec(&Jxl, bytes, &spec(DataType::U8, &[24, 18, 10, 1]));
        }
    }

    #[test]
    fn writing_names_alternatives() {
        let spec = spec(DataType::U8, &[2, 2, 2]);
        let view = View::dense(&[0; 8], &spec.shape, 1, Order::Fortran).unwrap();
        let error = Jxl.encode(&view, &spec, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("png"));
    }
}
