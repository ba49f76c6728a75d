//! Drawing: sizes, scales, elements, contrast, pixels.

use crate::array::Array;
use crate::base::error::{Error, Result};
use crate::compute::is_of_space;
use crate::jobs::picture::canvas::Picture;
use crate::jobs::picture::chosen::Chosen;
use crate::jobs::picture::color::Color;
use crate::jobs::picture::options::{PictureOptions, Pixels};
use crate::jobs::picture::painting::Painting;
use crate::jobs::picture::sampling::Layer;
use crate::jobs::picture::shown::Shown;
use crate::jobs::picture::{annotate, font};
use crate::run::interrupt::check_interrupt;

/// The most pixels along each side of the whole, unless another size is asked for.
const USUAL: f64 = 2048.0;

/// The most pixels of a picture, each channel of one counted.
const MOST: usize = 1 << 26;

/// Pixels between planes.
const GAP: usize = 2;

/// What is drawn, and how.
pub(super) struct Drawing<'a> {
    array: &'a Array,
    options: &'a PictureOptions<'a>,
    shown: Shown,
    is_labels: bool,
    /// Planes beside each other, and below each other.
    columns: usize,
    rows: usize,
    /// Pixels of a plane, down and to the right.
    size: [usize; 2],
    notes: Vec<String>,
}

impl<'a> Drawing<'a> {
    /// Planes that nobody asks for are the first, or `in_the_middle` those there.
    pub(super) fn new(
        array: &'a Array,
        options: &'a PictureOptions<'a>,
        in_the_middle: bool,
    ) -> Result<Self> {
        let says_labels = array.scales().get(array.scale()).is_some_and(|scale| scale.labels);
        let is_labels = options.labels.unwrap_or(says_labels);
        let mut shown = Shown::new(array, options, is_labels)?;
        if in_the_middle {
            shown.go_to_the_middle(options);
        }
        let mut drawing =
            Self { array, options, shown, is_labels, columns: 1, rows: 1, size: [1, 1], notes: Vec::new() };
        drawing.arrange()?;
        Ok(drawing)
    }

    /// The coordinates of each plane of the picture.
    fn panels(&self) -> Vec<Vec<i64>> {
        match &self.shown.planes {
            Some((_, all)) if self.options.projection.is_some() => vec![all.clone()],
            Some((_, all)) => all.iter().map(|&at| vec![at]).collect(),
            None => vec![Vec::new()],
        }
    }

    /// How long the plane is down and to the right, in the unit of the resolution, or in elements.
    fn lengths(&self) -> [f64; 2] {
        let names = self.array.axis_names();
        let sizes =
            self.array.resolution().filter(|_| self.shown.axes.iter().all(|&axis| is_of_space(names[axis])));
        self.shown.axes.map(|axis| {
            let size = sizes.as_ref().map_or(1.0, |sizes| sizes.size[axis]);
            let size = if size.is_finite() && size > 0.0 { size } else { 1.0 };
            self.shown.part.shape()[axis] as f64 * size
        })
    }

    /// Says how many pixels a plane has, and how planes lie beside each other.
    fn arrange(&mut self) -> Result<()> {
        let ([down, right], count) = (self.lengths(), self.panels().len());
        self.columns = ((count as f64 * down / right).sqrt().ceil() as usize).clamp(1, count);
        self.rows = count.div_ceil(self.columns);
        let longest = |pixels: f64| [down, right].map(|length| (pixels * length / down.max(right)).round());
        let size = match self.options.pixels {
            Some(Pixels::Exact { height, width }) => [f64::from(height), f64::from(width)],
            Some(Pixels::Longest(pixels)) => longest(f64::from(pixels)),
            None => {
                let [rows, columns] = self.shown.axes.map(|axis| self.shown.part.shape()[axis] as f64);
                let pixel = (down / rows).min(right / columns);
                let natural = down.max(right) / pixel;
                let fits = |pixels: f64| {
                    let [height, width] = longest(pixels);
                    height * self.rows as f64 <= USUAL && width * self.columns as f64 <= USUAL
                };
                let most = USUAL / self.columns.max(self.rows) as f64;
                longest(if fits(natural) { natural } else { natural.min(most) })
            }
        };
        self.size = size.map(|pixels| (pixels as usize).max(1));
        let channels = self.shown.channels.as_ref().map_or(1, |(_, all)| all.len());
        let all = self.size.iter().chain([&self.columns, &self.rows, &channels]);
        let pixels = all.fold(1usize, |all, &length| all.saturating_mul(length));
        if pixels > MOST {
            let reason = format!("a picture of {pixels} pixels, more than {MOST}; ask for a smaller one");
            return Err(Error::invalid(reason));
        }
        Ok(())
    }

    pub(super) fn draw(mut self) -> Result<Picture> {
        let (limit, mut notes) = (self.options.read_limit, std::mem::take(&mut self.notes));
        let mut choose =
            |layer: Layer, of: &str| Chosen::new(layer, &self.shown, self.size, (limit, of), &mut notes);
        let own = choose(Layer::of(self.array), "")?;
        let over =
            self.options.overlay.map(|labels| choose(Layer::over(self.array, labels)?, " of the labels"));
        let over = over.transpose()?;
        self.notes = notes;
        let channels = if self.is_labels && over.is_none() { 4 } else { 3 };
        let mut planes = self.planes(&own, channels)?;
        if let Some(over) = &over {
            for (picture, panel) in planes.iter_mut().zip(self.panels()) {
                self.put_over(picture, over, &panel)?;
            }
        }
        let mut whole = self.montage(&planes, channels);
        whole.contrast = planes.first().map(|plane| plane.contrast.clone()).unwrap_or_default();
        self.annotate(&mut whole);
        whole.notes = self.notes;
        Ok(whole)
    }

    /// The picture of each plane, without what lies over it.
    fn planes(&self, own: &Chosen, channels: usize) -> Result<Vec<Picture>> {
        if self.is_labels {
            let one = |panel: Vec<i64>| {
                check_interrupt()?;
                self.of_labels(own, &panel, channels)
            };
            return self.panels().into_iter().map(one).collect();
        }
        let read = |panel: Vec<i64>| {
            check_interrupt()?;
            own.elements(&self.shown, &panel, self.options.projection)
        };
        let planes: Vec<Vec<f64>> = self.panels().into_iter().map(read).collect::<Result<_>>()?;
        let painting = Painting { options: self.options, dtype: self.array.dtype(), size: self.size };
        let contrast = painting.contrast(&planes);
        Ok(planes.iter().map(|plane| painting.of_elements(plane, &contrast)).collect())
    }

    fn of_labels(&self, chosen: &Chosen, planes: &[i64], channels: usize) -> Result<Picture> {
        let mut picture = Picture::new(self.size[1], self.size[0], channels);
        for (at, label) in
            chosen.labels(&self.shown, planes)?.into_iter().enumerate().filter(|(_, label)| *label != 0)
        {
            picture.put(at / self.size[1], at % self.size[1], Color::of_label(label));
        }
        Ok(picture)
    }

    fn put_over(&self, picture: &mut Picture, over: &Chosen, planes: &[i64]) -> Result<()> {
        let labels = over.labels(&self.shown, planes)?.into_iter().enumerate();
        for (at, label) in labels.filter(|(_, label)| *label != 0) {
            let (row, column) = (at / self.size[1], at % self.size[1]);
            let mixed = picture.color(row, column).under(Color::of_label(label), self.options.opacity);
            picture.put(row, column, mixed);
        }
        Ok(())
    }

    /// All planes side by side.
    fn montage(&self, planes: &[Picture], channels: usize) -> Picture {
        let [height, width] = self.size;
        let along = |count: usize, pixels: usize| count * (pixels + GAP) - GAP;
        let mut whole = Picture::new(along(self.columns, width), along(self.rows, height), channels);
        for (number, plane) in planes.iter().enumerate() {
            let (row, column) = (number / self.columns, number % self.columns);
            whole.paste(plane, row * (height + GAP), column * (width + GAP));
        }
        whole
    }

    /// Writes on the picture what was asked for.
    fn annotate(&mut self, picture: &mut Picture) {
        let axis = self.shown.axes[1];
        if self.options.scale_bar {
            let elements = self.shown.part.shape()[axis] as f64 / self.size[1] as f64;
            match annotate::pixel_size(self.array, axis, elements) {
                Some(pixel) => annotate::scale_bar(picture, &pixel, self.size[1]),
                None => self.notes.push("there is no scale bar: the array says no resolution".to_owned()),
            }
        }
        if self.options.captions {
            let names = self.array.axis_names();
            let zoom = annotate::zoom(picture);
            for (number, panel) in self.panels().iter().enumerate() {
                let Some(text) = self.caption(panel, &names) else { continue };
                let (row, column) = (number / self.columns, number % self.columns);
                font::write(
                    picture,
                    &text,
                    (row * (self.size[0] + GAP), column * (self.size[1] + GAP)),
                    zoom,
                );
            }
        }
    }

    /// What plane it is: the coordinates along the axes that are not drawn.
    fn caption(&self, panel: &[i64], names: &[&str]) -> Option<String> {
        let is_drawn = |axis: &usize| self.shown.axes.contains(axis);
        let is_channels = |axis: &usize| self.shown.channels.as_ref().is_some_and(|(known, _)| known == axis);
        let one = |axis: usize| match &self.shown.planes {
            Some((known, _)) if *known == axis => match panel {
                [first, .., last] => format!("{}={first}-{last}", names[axis]),
                _ => format!("{}={}", names[axis], panel.first().unwrap_or(&0)),
            },
            _ => format!("{}={}", names[axis], self.shown.fixed[axis]),
        };
        let all: Vec<String> =
            (0..names.len()).filter(|axis| !is_drawn(axis) && !is_channels(axis)).map(one).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }
}
