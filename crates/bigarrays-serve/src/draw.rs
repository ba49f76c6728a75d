//! Planes of arrays, as pictures.

use bigarrays::compute::ComputeOptions;
use bigarrays::jobs::{Contrast, PictureOptions, Pixels, picture, picture_of};
use bigarrays::{Array, Domain, Error, Result};

use crate::layer::Served;
use crate::route::Plane;
use crate::volume::Volume;

/// Bytes of elements that are read for a picture, about, at most.
const READ_LIMIT: u64 = 256 << 20;

/// A plane, as a PNG; or how many bytes would have to be read to compute it, and how many may be.
pub(crate) enum Drawn {
    Png(Vec<u8>),
    Takes(u64, u64),
}

/// A plane of one of the layers.
///
/// # Errors
/// `InvalidArgument` for axes and layers that are not there; those of drawing and reading.
pub(crate) fn draw(layers: &[Served], plane: &Plane) -> Result<Drawn> {
    let missing = || Error::invalid("there is no such layer, or it has no such axis");
    let layer = layers.get(plane.layer).ok_or_else(missing)?;
    let axes = layer.axes();
    let numbered = || axes.shown.iter().copied().chain(axes.others.iter().map(|&axis| Some(axis)));
    if plane.part.len() != numbered().count() {
        return Err(missing());
    }
    let mut ranges: Vec<_> = layer.base().domain().ranges().collect();
    for (axis, range) in numbered().zip(&plane.part) {
        axis.into_iter().for_each(|axis| ranges[axis] = range.clone());
    }
    let axis = |number: usize| numbered().nth(number).flatten().ok_or_else(missing);
    let overlay = plane.overlay.map(|(number, _)| labels(layers, number).ok_or_else(missing)).transpose()?;
    let part = Domain::from_ranges(&ranges)?;
    let seen = part.intersect(layer.base().domain());
    if matches!(layer.base(), Volume::Computed(_)) && !seen.is_empty() {
        let bytes = layer.base().cut(&seen)?.planned_bytes()?;
        if bytes > layer.limit() {
            return Ok(Drawn::Takes(bytes, layer.limit()));
        }
    }
    let options = PictureOptions {
        part: Some(part),
        axes: Some([axis(plane.axes[0])?, axis(plane.axes[1])?]),
        pixels: Some(Pixels::Exact { height: plane.pixels[0], width: plane.pixels[1] }),
        contrast: plane.contrast.map(|(low, high)| Contrast::Range(low, high)),
        labels: Some(layer.labels),
        overlay,
        opacity: plane.overlay.map_or(0.5, |(_, opacity)| opacity),
        read_limit: READ_LIMIT,
        ..PictureOptions::default()
    };
    let drawn = match layer.base() {
        Volume::Stored(array) => picture(array, &options)?,
        Volume::Computed(lazy) => picture_of(lazy, &options, &ComputeOptions::default())?,
    };
    drawn.png().map(Drawn::Png)
}

fn labels(layers: &[Served], number: usize) -> Option<&Array> {
    match layers.get(number).filter(|layer| layer.labels)?.base() {
        Volume::Stored(array) => Some(array),
        Volume::Computed(_) => None,
    }
}
