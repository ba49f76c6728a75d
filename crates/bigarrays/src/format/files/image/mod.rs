//! Single images in files: what they are, found without decoding, and their samples.

mod encoding;
mod face;
#[cfg(feature = "jpeg")]
mod jpeg;
#[cfg(feature = "png")]
mod png;
#[cfg(feature = "tiff")]
mod tiff;

pub(crate) use encoding::Encoding;
pub(crate) use face::Face;
#[cfg(feature = "png")]
pub(crate) use png::write_png;

/// Says that no PNG can be written.
#[cfg(not(feature = "png"))]
pub(crate) fn write_png(_: &std::path::Path, _: Face, _: &[u8]) -> crate::base::error::Result<()> {
    Err(crate::base::feature::missing("writer of png files", "png"))
}
