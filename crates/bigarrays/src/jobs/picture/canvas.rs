//! A picture that was drawn.

use crate::base::error::Result;
use crate::jobs::picture::color::Color;

/// A picture: rows of pixels of 3 bytes, red, green and blue, or of 4, of which the last is 0 where nothing is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    width: usize,
    height: usize,
    channels: usize,
    pixels: Vec<u8>,
    pub(super) contrast: Vec<(f64, f64)>,
    pub(super) notes: Vec<String>,
}

impl Picture {
    /// A black one, or one on which nothing is drawn if there are 4 channels.
    pub(super) fn new(width: usize, height: usize, channels: usize) -> Self {
        let pixels = vec![0; width * height * channels];
        Self { width, height, channels, pixels, contrast: Vec::new(), notes: Vec::new() }
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Bytes of a pixel, 3 or 4.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The bytes of all pixels, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The elements that are black and white, for each channel that is shown; none for labels.
    pub fn contrast(&self) -> &[(f64, f64)] {
        &self.contrast
    }

    /// What the user should know of how it was drawn, each a sentence.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// `Unsupported` in builds without the feature `png`.
    #[cfg(feature = "png")]
    pub fn png(&self) -> Result<Vec<u8>> {
        use crate::base::error::Error;
        let failed = |error: png::EncodingError| Error::invalid("the picture is no PNG").caused_by(error);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(if self.channels == 4 { png::ColorType::Rgba } else { png::ColorType::Rgb });
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&self.pixels).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(bytes)
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// `Unsupported` in builds without the feature `png`.
    #[cfg(not(feature = "png"))]
    pub fn png(&self) -> Result<Vec<u8>> {
        Err(crate::base::feature::missing("PNG", "png"))
    }

    /// Draws one pixel, if it is on the picture.
    pub(super) fn put(&mut self, row: usize, column: usize, color: Color) {
        if row < self.height && column < self.width {
            let at = (row * self.width + column) * self.channels;
            self.pixels[at..at + 3].copy_from_slice(&color.0);
            if self.channels == 4 {
                self.pixels[at + 3] = u8::MAX;
            }
        }
    }

    /// The colour of a pixel that is on the picture.
    pub(super) fn color(&self, row: usize, column: usize) -> Color {
        let at = (row * self.width + column) * self.channels;
        Color([self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]])
    }

    /// Draws a rectangle.
    pub(super) fn fill(
        &mut self,
        (row, column): (usize, usize),
        (height, width): (usize, usize),
        color: Color,
    ) {
        for down in 0..height {
            for right in 0..width {
                self.put(row + down, column + right, color);
            }
        }
    }

    /// Draws another picture of as many channels on this one.
    pub(super) fn paste(&mut self, other: &Self, row: usize, column: usize) {
        for down in 0..other.height {
            let from = down * other.width * self.channels;
            let to = ((row + down) * self.width + column) * self.channels;
            let length = other.width * self.channels;
            self.pixels[to..to + length].copy_from_slice(&other.pixels[from..from + length]);
        }
    }
}
