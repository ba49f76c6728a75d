//! What a job may use.

use bigarrays::CopyOptions;
use clap::Args;

use crate::args::heading::RUN;
use crate::args::values;

/// What a job may use.
#[derive(Debug, Args)]
#[command(next_help_heading = RUN)]
pub(crate) struct JobArgs {
    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,
}

impl JobArgs {
    /// The options of a copy within the budget.
    pub(crate) fn options(&self) -> CopyOptions<'static> {
        CopyOptions { memory: self.memory.unwrap_or(0), ..CopyOptions::default() }
    }
}
