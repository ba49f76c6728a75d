//! From elements to pixels.

use crate::base::dtype::DataType;
use crate::jobs::picture::canvas::Picture;
use crate::jobs::picture::color::Color;
use crate::jobs::picture::contrast::Contrast;
use crate::jobs::picture::levels;
use crate::jobs::picture::options::PictureOptions;

/// How elements of planes become pixels.
pub(super) struct Painting<'a> {
    pub(super) options: &'a PictureOptions<'a>,
    pub(super) dtype: DataType,
    /// Pixels of a plane, down and to the right.
    pub(super) size: [usize; 2],
}

impl Painting<'_> {
    /// What is black and white in each channel, of all planes.
    pub(super) fn contrast(&self, planes: &[Vec<f64>]) -> Vec<(f64, f64)> {
        let (dtype, pixels) = (self.dtype, self.size[0] * self.size[1]);
        let channels = planes.first().map_or(0, |plane| plane.len() / pixels);
        let is_photo = self.options.colors.is_none() && channels == 3 && dtype == DataType::U8;
        let usual = if is_photo { Contrast::Type } else { Contrast::Percentiles(1.0, 99.0) };
        let contrast = self.options.contrast.unwrap_or(usual);
        let of_channel = |channel: usize| {
            let mut elements =
                planes.iter().flat_map(|plane| &plane[channel * pixels..(channel + 1) * pixels]).copied();
            levels::range(contrast, dtype, &mut elements)
        };
        (0..channels).map(of_channel).collect()
    }

    /// The picture of elements.
    pub(super) fn of_elements(&self, plane: &[f64], contrast: &[(f64, f64)]) -> Picture {
        let mut picture = Picture::new(self.size[1], self.size[0], 3);
        let pixels = self.size[0] * self.size[1];
        let colors: Vec<Color> = match (&self.options.colors, contrast.len()) {
            (Some(colors), _) => colors.clone(),
            (None, 2) => Color::PAIR.to_vec(),
            (None, 3) => Color::RGB.to_vec(),
            _ => Vec::new(),
        };
        for at in 0..pixels {
            let color = match colors[..] {
                [] => self.of_element(plane[at], contrast[0]),
                _ => {
                    let one = |channel: usize| (plane[channel * pixels + at], contrast[channel]);
                    self.mixed((0..contrast.len()).map(one), &colors)
                }
            };
            picture.put(at / self.size[1], at % self.size[1], color);
        }
        picture.contrast = contrast.to_vec();
        picture
    }

    fn of_element(&self, element: f64, contrast: (f64, f64)) -> Color {
        match element.is_nan() {
            true => self.options.missing_color,
            false => {
                self.options.color_map.color(levels::level(levels::brightness(element, contrast) * 255.0))
            }
        }
    }

    /// Channels together: their colours, as bright as they are, added.
    fn mixed(&self, channels: impl Iterator<Item = (f64, (f64, f64))>, colors: &[Color]) -> Color {
        let (mut sum, mut is_there) = ([0.0; 3], false);
        for ((element, contrast), color) in channels.zip(colors).filter(|((element, _), _)| !element.is_nan())
        {
            is_there = true;
            let bright = levels::brightness(element, contrast);
            sum.iter_mut().zip(color.0).for_each(|(sum, part)| *sum += bright * f64::from(part));
        }
        if is_there { Color(sum.map(levels::level)) } else { self.options.missing_color }
    }
}
