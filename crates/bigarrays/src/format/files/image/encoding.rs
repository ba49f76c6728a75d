//! What kind of file an image is in, and what reads it.

use std::path::Path;

use super::face::Face;
#[cfg(feature = "jpeg")]
use super::jpeg;
#[cfg(feature = "png")]
use super::png;
#[cfg(feature = "tiff")]
use super::tiff;
use crate::base::buffer::try_first_bytes;
use crate::base::error::Result;
use crate::format::files::pages::expect_plausible;
use crate::store::io_error;

/// What stands for a kind of files that this build cannot read.
macro_rules! absent {
    ($kind:ident, $feature:literal, $Out:ty) => {
        #[cfg(not(feature = $feature))]
        mod $kind {
            use std::path::Path;

            use crate::base::error::Result;
            use crate::base::feature::missing;
            use crate::format::files::image::Face;

            pub(super) fn face(_: &Path) -> Result<Face> {
                Err(missing(concat!("reader of ", $feature, " files"), $feature))
            }

            pub(super) fn decode(_: &Path, _: Face, _: $Out) -> Result<()> {
                Err(missing(concat!("reader of ", $feature, " files"), $feature))
            }
        }
    };
}

absent!(png, "png", &mut [u8]);
absent!(jpeg, "jpeg", &mut [u8]);
absent!(tiff, "tiff", &mut Vec<u8>);

/// What kind of file an image is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Png,
    Jpeg,
    Tiff,
}

impl Encoding {
    /// What the name of a file says that it is.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" | "jpe" => Some(Self::Jpeg),
            "tif" | "tiff" => Some(Self::Tiff),
            _ => None,
        }
    }

    /// Looks at the file's header.
    pub(crate) fn face(self, path: &Path) -> Result<Face> {
        let face = match self {
            Self::Png => png::face(path)?,
            Self::Jpeg => jpeg::face(path)?,
            Self::Tiff => tiff::face(path)?,
        };
        let stored = path.metadata().map_err(|error| io_error(error, "opening", path))?.len();
        expect_plausible(face.byte_len()?, stored)?;
        Ok(face)
    }

    /// Decodes the image, which must still look like `face`, into the start of `out`.
    pub(crate) fn decode(self, path: &Path, face: Face, out: &mut Vec<u8>) -> Result<usize> {
        let length = face.byte_len()? as usize;
        match self {
            Self::Png => png::decode(path, face, try_first_bytes(out, length)?)?,
            Self::Jpeg => jpeg::decode(path, face, try_first_bytes(out, length)?)?,
            Self::Tiff => tiff::decode(path, face, out)?,
        }
        Ok(length)
    }
}
