//! What a job may use.

use bigarrays::CopyOptions;
use clap::Args;

use crate::args::heading::{NEW, RUN};
use crate::args::values;

/// What a job may use.
#[derive(Debug, Args)]
#[command(next_help_heading = RUN)]
pub(crate) struct JobArgs {
    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub(crate) memory: Option<u64>,
}

/// What is made of a new layer.
#[derive(Debug, Args)]
#[command(next_help_heading = NEW)]
pub(crate) struct MipsArgs {
    /// Make so many coarser scales of what was made, or as many as are needed until one has one or two chunks, as `bigarrays
    /// downsample` does
    #[arg(long, value_name = "N|auto", value_parser = mips)]
    pub(crate) mips: Option<Mips>,
}

/// How many coarser scales are made; as many as are needed without a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mips(pub(crate) Option<usize>);

fn mips(text: &str) -> Result<Mips, String> {
    match text {
        "auto" => Ok(Mips(None)),
        text => {
            text.parse().map(|count| Mips(Some(count))).map_err(|_| "expected a number, or auto".to_owned())
        }
    }
}

impl JobArgs {
    /// The options of a copy within the budget.
    pub(crate) fn options(&self) -> CopyOptions<'static> {
        CopyOptions { memory: self.memory.unwrap_or(0), ..CopyOptions::default() }
    }
}
