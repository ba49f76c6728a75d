//! What a job may use.

use std::num::NonZeroUsize;

use bigarrays::{CopyOptions, job_memory, set_threads, threads};
use clap::Args;

use crate::args::heading::{NEW, RUN};
use crate::args::values;
use crate::processes::Share;

/// What a job may use.
#[derive(Debug, Args)]
#[command(next_help_heading = RUN)]
pub(crate) struct JobArgs {
    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub(crate) memory: Option<u64>,
}

/// Who does a job.
#[derive(Debug, Args)]
#[command(next_help_heading = RUN)]
pub(crate) struct ProcessesArgs {
    /// Have so many processes of this machine do the work, which share --memory and --threads. What a process that is lost was to do is
    /// done by another one
    #[arg(long, value_name = "N")]
    processes: Option<NonZeroUsize>,
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

impl ProcessesArgs {
    /// How many processes this one is to begin, if any: those do not begin others.
    pub(crate) fn begun_here(&self, own_share: Option<&Share>) -> Option<NonZeroUsize> {
        self.processes.filter(|_| own_share.is_none())
    }

    /// What is for each process of some memory, which is a quarter of that of the machine without a budget.
    pub(crate) fn memory_of_each(&self, memory: Option<u64>) -> u64 {
        let count = self.processes.map_or(1, NonZeroUsize::get) as u64;
        memory.map_or_else(|| job_memory() / count, |memory| memory / count).max(1)
    }

    /// Has this process have the threads of one of several.
    pub(crate) fn limit_threads(&self) {
        set_threads(self.threads_of_each());
    }

    /// How many threads each process has.
    pub(crate) fn threads_of_each(&self) -> NonZeroUsize {
        let count = self.processes.map_or(1, NonZeroUsize::get);
        NonZeroUsize::new(threads() / count).unwrap_or(NonZeroUsize::MIN)
    }
}
