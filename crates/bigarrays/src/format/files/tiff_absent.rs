//! TIFF, in a build without the Cargo feature `tiff`: files are recognised, and the error names the feature.

use crate::base::feature::missing;
use crate::format::files::plain::{PlainFormat, is_file_with};

/// TIFF and BigTIFF.
pub const FORMAT: PlainFormat = PlainFormat {
    name: "tiff",
    about: "TIFF or BigTIFF file; this build cannot read it",
    is_named: |path| is_file_with(path, &["tif", "tiff", "btf", "tf8"]),
    open: |_| Err(missing("reader of tiff files", "tiff")),
    names: None,
    writes: false,
};
