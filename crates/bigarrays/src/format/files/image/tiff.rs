//! TIFF files of a single image.

use std::path::Path;

use super::face::Face;
use crate::base::error::{Error, Result};
use crate::format::files::pages::Pages;
use crate::format::files::tiff::TiffFile;

fn face_of(file: &TiffFile) -> Result<Face> {
    let kind = file.kind();
    if let Some(reason) = file.single_page_problem() {
        return Err(Error::unsupported(reason));
    }
    let (height, width, channels) = (kind.height, kind.width, kind.samples);
    Ok(Face { height, width, channels, dtype: kind.dtype, bits: kind.bits })
}

/// Looks at the header.
pub(super) fn face(path: &Path) -> Result<Face> {
    face_of(&TiffFile::scan_path(path)?)
}

/// Decodes the image, which must still look like `face`, into the start of `out`.
pub(super) fn decode(path: &Path, face: Face, out: &mut Vec<u8>) -> Result<()> {
    let file = TiffFile::scan_path(path)?;
    face.expect(face_of(&file)?)?;
    // A large page consists of several blocks; a slice is wanted whole.
    file.whole_pages().decode(0, out).map(drop)
}
