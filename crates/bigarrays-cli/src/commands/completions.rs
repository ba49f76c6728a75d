//! `completions`: a script that makes a shell complete the command line.

use std::io::Write;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::output::results;

/// Print a script that makes a shell complete commands and options
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bigarrays completions bash > ~/.local/share/bash-completion/completions/bigarrays"
)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints the script for `program`, the whole command line.
pub(crate) fn run(args: &CompletionsArgs, mut program: Command) -> anyhow::Result<()> {
    // Into memory first: the generator panics where writing fails, as it does into a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "bigarrays", &mut script);
    let mut out = results();
    out.write_all(&script)?;
    Ok(out.flush()?)
}
