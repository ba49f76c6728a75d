//! Options that say how chunks are written.

use bigarrays::OpenOptions;
use clap::Args;

use crate::args::values::Compression;

/// How chunks are written.
#[derive(Clone, Debug, Args)]
pub(crate) struct WriteArgs {
    /// Compression around every chunk, beside its encoding [default: none, or that of SRC if `copy --create` makes
    /// a precomputed layer of another]
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) compression: Option<Compression>,

    /// Do not store chunks that hold only zeros
    #[arg(long)]
    drop_fill: bool,
}

impl WriteArgs {
    /// Options for opening or creating what is written to.
    pub(crate) fn options(&self) -> OpenOptions {
        let compression = self.compression.unwrap_or(Compression::None);
        OpenOptions::new().content_encoding(compression.into()).drop_fill(self.drop_fill)
    }
}
