//! Images of several scales on Zarr, as OME-Zarr describes them.

mod metadata;
mod multiscale;

pub use metadata::{OME_V2, OME_V3, OmeZarr};
