//! Images of several scales on Zarr, as OME-Zarr describes them.

mod axes;
mod collection;
mod format;
mod image;
mod multiscale;
mod new;
mod rules;
mod transform;

pub use image::{OME_V2, OME_V3, OmeZarr};
pub(crate) use new::take_channels;
