//! Options that say how chunks are written.

use bigarrays::OpenOptions;
use clap::Args;

use crate::args::heading::RUN;
use crate::args::values::Around;

/// How chunks are written.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = RUN)]
pub(crate) struct WriteArgs {
    /// Compression around every chunk of a precomputed layer, beside its encoding [default: none, or that of SRC if
    /// `copy --create` makes a precomputed layer of another]
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) content_encoding: Option<Around>,

    /// Do not store chunks that hold only the fill value
    #[arg(long)]
    drop_fill: bool,
}

impl WriteArgs {
    /// Options for opening or creating what is written to.
    pub(crate) fn options(&self) -> OpenOptions {
        let around = self.content_encoding.unwrap_or(Around::None);
        OpenOptions::new().content_encoding(around.into()).drop_fill(self.drop_fill)
    }
}
