//! `jpeg`: 8-bit images, grey or colour, lossy.

use std::cell::RefCell;
use std::ffi::{CStr, c_int};
use std::ops::Range;
use std::ptr::NonNull;

use turbojpeg::{Compressor, Image, PixelFormat, Subsamp, raw};

use crate::base::buffer::{Order, Region, View, ViewMut, first_bytes, with_scratch};
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::array_codec::decode_around;
use crate::chunk::codec::image::Pixels;
use crate::chunk::codec::{ArrayCodec, Asked, ChunkSpec, Points, expect_output};
use crate::chunk::config::Config;

mod elements;

use elements::{Grey, Wanted};

/// The largest width or height of a JPEG image.
const MAX_SIDE: usize = 65500;

/// Scans beyond this number are an attack: a progressive image has about ten.
const MAX_SCANS: c_int = 100;

/// JPEG images of `uint8` chunks with 1 or 3 channels.
///
/// Written as wide as x and as high as y·z, where that is not too high; read in any size that has the
/// right number of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jpeg {
    quality: u8,
}

impl Jpeg {
    /// The quality that is written where none is asked for.
    pub const DEFAULT_QUALITY: u8 = 75;

    /// JPEG written in `quality`, 1 to 100.
    ///
    /// # Errors
    /// `InvalidArgument` for another quality.
    pub fn new(quality: u8) -> Result<Self> {
        match quality {
            1..=100 => Ok(Self { quality }),
            _ => Err(Error::invalid(format!("jpeg quality {quality} is not in 1 to 100"))),
        }
    }

    fn pixels(spec: &ChunkSpec) -> Result<Pixels> {
        let pixels = Pixels::of(spec)?;
        if spec.dtype != DataType::U8 || !matches!(pixels.channels, 1 | 3) {
            return Err(Error::unsupported(format!(
                "jpeg holds uint8 with 1 or 3 channels, not {} with {}",
                spec.dtype, pixels.channels
            )));
        }
        Ok(pixels)
    }

    /// Decodes the elements at `points` without the rest of the image; `None` if it is left to libjpeg.
    fn decode_elements(bytes: &[u8], pixels: &Pixels, points: &Points<'_>, out: &mut [u8]) -> Option<()> {
        let image = Grey::parse(bytes).filter(|_| pixels.channels == 1)?;
        pixels.expect_image(image.width, image.height, 1).ok()?;
        let at = |(position, point): (usize, &[usize])| image.wanted(pixels.pixel(point), position);
        let mut wanted: Vec<Wanted> = points.iter().enumerate().map(at).collect();
        wanted.sort_unstable();
        image.decode(&wanted, out)
    }
}

fn format(channels: usize) -> PixelFormat {
    if channels == 1 { PixelFormat::GRAY } else { PixelFormat::RGB }
}

/// The size of image to write.
fn image_size(pixels: &Pixels) -> Result<(usize, usize)> {
    let fits = |&(width, height): &(usize, usize)| width <= MAX_SIDE && height <= MAX_SIDE;
    pixels.image_sizes().into_iter().find(fits).ok_or_else(|| {
        Error::unsupported("the chunk is too large for a jpeg image, whose sides have at most 65500 pixels")
    })
}

impl ArrayCodec for Jpeg {
    fn name(&self) -> &'static str {
        "jpeg"
    }

    fn config(&self) -> Config {
        Config::new(self.name()).with("quality", self.quality)
    }

    fn is_lossless(&self) -> bool {
        false
    }

    fn check(&self, spec: &ChunkSpec) -> Result<()> {
        Self::pixels(spec).map(drop)
    }

    fn encode(&self, chunk: &View<'_>, spec: &ChunkSpec, out: &mut Vec<u8>) -> Result<()> {
        let pixels = Self::pixels(spec)?;
        let (width, height) = image_size(&pixels)?;
        // Subsampled colours would bleed from slice to slice.
        let subsamp = if pixels.channels == 1 { Subsamp::Gray } else { Subsamp::None };
        let format = format(pixels.channels);
        pixels.with_samples(chunk, |samples| {
            let image = Image { pixels: samples, width, pitch: width * pixels.channels, height, format };
            COMPRESSOR.with_borrow_mut(|slot| {
                let compressor = match slot {
                    Some(compressor) => compressor,
                    None => slot.insert(Compressor::new().map_err(failed)?),
                };
                compressor.set_quality(self.quality.into()).map_err(failed)?;
                compressor.set_subsamp(subsamp).map_err(failed)?;
                let bound = turbojpeg::compressed_buf_len(width, height, subsamp).map_err(failed)?;
                with_scratch(|scratch| {
                    let encoded = first_bytes(scratch, bound);
                    let length = compressor.compress_to_slice(image, encoded).map_err(failed)?;
                    out.extend_from_slice(&encoded[..length]);
                    Ok(())
                })
            })
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
        let pixels = Self::pixels(spec)?;
        if region.count.contains(&0) {
            return Ok(());
        }
        let decompressor = Decompressor::new()?;
        let (width, height) = decompressor.read_header(bytes, &pixels)?;
        let rows = if decompressor.can_crop() { pixels.rows(region, width) } else { 0..height };
        pixels.decode_rows(&rows, width, region, out, |part| {
            decompressor.decode(bytes, &rows, height, pixels.channels, part)
        })
    }

    fn decode_points(
        &self,
        bytes: &[u8],
        spec: &ChunkSpec,
        points: &Points<'_>,
        _: Order,
        out: &mut [u8],
    ) -> Result<()> {
        match Self::decode_elements(bytes, &Self::pixels(spec)?, points, out) {
            Some(()) => Ok(()),
            None => decode_around(self, bytes, spec, points, Order::Fortran, out),
        }
    }

    fn max_encoded_len(&self, spec: &ChunkSpec) -> usize {
        Pixels::max_encoded_len(spec)
    }
}

fn failed(error: turbojpeg::Error) -> Error {
    Error::invalid("cannot make a jpeg image").caused_by(error)
}

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor>> = const { RefCell::new(None) };
}

/// libjpeg-turbo's decompressor; unlike the safe wrapper it can be told which rows are wanted.
///
/// One per image: it keeps the tables of the image before, so that damage to one image would show in
/// the next, or be hidden by it.
struct Decompressor(NonNull<std::ffi::c_void>);

impl Decompressor {
    fn new() -> Result<Self> {
        // SAFETY: no preconditions.
        let handle = unsafe { raw::tj3Init(raw::TJINIT_TJINIT_DECOMPRESS as c_int) };
        let this = Self(NonNull::new(handle).ok_or_else(|| Error::invalid("no memory for a jpeg decoder"))?);
        // Damage and truncation are but warnings to libjpeg, which goes on with made-up pixels.
        this.set(raw::TJPARAM_TJPARAM_STOPONWARNING, 1)?;
        this.set(raw::TJPARAM_TJPARAM_SCANLIMIT, MAX_SCANS)?;
        Ok(this)
    }

    fn set(&self, parameter: raw::TJPARAM, value: c_int) -> Result<()> {
        // SAFETY: the handle is alive.
        self.expect_ok(unsafe { raw::tj3Set(self.0.as_ptr(), parameter as c_int, value) })
    }

    fn get(&self, parameter: raw::TJPARAM) -> c_int {
        // SAFETY: the handle is alive.
        unsafe { raw::tj3Get(self.0.as_ptr(), parameter as c_int) }
    }

    fn expect_ok(&self, status: c_int) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the handle is alive, and the text is valid until its next use.
        let text = unsafe { CStr::from_ptr(raw::tj3GetErrorStr(self.0.as_ptr())) };
        Err(Error::corrupt(format!("jpeg: {}", text.to_string_lossy())))
    }

    /// Width and height of the image, which holds just the `pixels`.
    fn read_header(&self, bytes: &[u8], pixels: &Pixels) -> Result<(usize, usize)> {
        // SAFETY: the handle is alive, and the pointer and length are those of a slice.
        self.expect_ok(unsafe {
            raw::tj3DecompressHeader(self.0.as_ptr(), bytes.as_ptr(), bytes.len() as _)
        })?;
        let side = |parameter| usize::try_from(self.get(parameter)).unwrap_or(0);
        let size = (side(raw::TJPARAM_TJPARAM_JPEGWIDTH), side(raw::TJPARAM_TJPARAM_JPEGHEIGHT));
        let channels = match self.get(raw::TJPARAM_TJPARAM_COLORSPACE) as raw::TJCS {
            raw::TJCS_TJCS_GRAY => 1,
            raw::TJCS_TJCS_RGB | raw::TJCS_TJCS_YCbCr => 3,
            _ => 4,
        };
        pixels.expect_image(size.0, size.1, channels)?;
        if self.get(raw::TJPARAM_TJPARAM_PRECISION) != 8 {
            return Err(Error::corrupt("jpeg: not 8 bits a sample"));
        }
        Ok(size)
    }

    /// Whether the image, of which the header was read, can be decoded in part.
    fn can_crop(&self) -> bool {
        self.get(raw::TJPARAM_TJPARAM_LOSSLESS) == 0
            && self.get(raw::TJPARAM_TJPARAM_SUBSAMP) != raw::TJSAMP_TJSAMP_UNKNOWN
    }

    /// Decodes `rows` of the image, of which the header was read and which is `height` rows high.
    fn decode(
        &self,
        bytes: &[u8],
        rows: &Range<usize>,
        height: usize,
        channels: usize,
        out: &mut [u8],
    ) -> Result<()> {
        let whole = raw::tjregion { x: 0, y: 0, w: 0, h: 0 };
        // Rows are at most the height, which is a `c_int`.
        let part = raw::tjregion { y: rows.start as c_int, h: rows.len() as c_int, ..whole };
        let region = if rows.len() == height { whole } else { part };
        // SAFETY: the handle is alive.
        self.expect_ok(unsafe { raw::tj3SetCroppingRegion(self.0.as_ptr(), region) })?;
        // SAFETY: as for the header; `out` has room for exactly the cropped rows, without padding,
        // because `read_header` made sure of width and channels.
        self.expect_ok(unsafe {
            raw::tj3Decompress8(
                self.0.as_ptr(),
                bytes.as_ptr(),
                bytes.len() as _,
                out.as_mut_ptr(),
                0,
                format(channels) as c_int,
            )
        })
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: the handle is alive and not used again.
        unsafe { raw::tj3Destroy(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::hostile::{self, spec, texture};

    fn encode(spec: &ChunkSpec, elements: &[u8]) -> Vec<u8> {
        let view = View::dense(elements, &spec.shape, 1, Order::Fortran).unwrap();
        let mut bytes = Vec::new();
        Jpeg::new(90).unwrap().encode(&view, spec, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn grey_and_colour() {
        for shape in [&[21, 13, 9][..], &[20, 13, 9, 1], &[20, 13, 9, 3]] {
            let spec = spec(DataType::U8, shape);
            let elements: Vec<u8> = texture(spec.byte_len().unwrap());
            let bytes = encode(&spec, &elements);
            let back = hostile::decode(&Jpeg { quality: 1 }, &bytes, &spec).unwrap();
            let error: u32 = back.iter().zip(&elements).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            assert!(error < 12 * elements.len() as u32, "{error}");
            hostile::array_codec(&Jpeg { quality: 1 }, &bytes, &spec);
        }
    }

    #[test]
    fn lossless_images_have_parts_too() {
        let spec = spec(DataType::U8, &[20, 13, 9]);
        let pixels = texture(20 * 13 * 9);
        let mut compressor = Compressor::new().unwrap();
        compressor.set_lossless(true).unwrap();
        compressor.set_subsamp(Subsamp::Gray).unwrap();
        let image = Image { pixels: &pixels[..], width: 20, pitch: 20, height: 117, format: format(1) };
        let bytes = compressor.compress_to_vec(image).unwrap();
        assert_eq!(hostile::decode(&Jpeg { quality: 1 }, &bytes, &spec).unwrap(), pixels);
        hostile::array_codec(&Jpeg { quality: 1 }, &bytes, &spec);
    }

    #[test]
    fn high_chunks_are_written_wide() {
        let spec = spec(DataType::U8, &[8, 300, 300]);
        let bytes = encode(&spec, &texture(720_000));
        assert_eq!(turbojpeg::read_header(&bytes).unwrap().height, 300);
        assert!(hostile::decode(&Jpeg { quality: 1 }, &bytes, &spec).is_ok());
    }

    #[test]
    fn other_channels_and_types_are_refused() {
        let grey = spec(DataType::U8, &[16, 16, 3]);
        let bytes = encode(&grey, &texture(768));
        let colour = spec(DataType::U8, &[16, 16, 1, 3]);
        assert!(hostile::decode(&Jpeg { quality: 1 }, &bytes, &colour).is_err());
        assert!(Jpeg { quality: 1 }.check(&spec(DataType::U16, &[4, 4, 4])).is_err());
        assert!(Jpeg { quality: 1 }.check(&spec(DataType::U8, &[4, 4, 4, 2])).is_err());
    }
}
