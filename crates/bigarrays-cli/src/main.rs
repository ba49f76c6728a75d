//! `bigarrays`: create, look at, import into, export from, copy and remove N-d arrays larger than memory.

mod axes;
mod cli;
mod completions;
mod convert;
mod copy;
mod create;
mod exit_codes;
mod export;
mod failure;
mod import;
mod info;
mod interrupt;
mod job;
mod layer;
mod names;
mod rm;
mod source;
mod supported;
mod target;
mod terminal;
mod values;

use clap::Parser;

use cli::{Cli, Command};

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let outcome = run(&cli);
    failure::present(outcome).into()
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    if let Some(threads) = cli.threads {
        bigarrays::set_threads(threads);
    }
    let terminal = cli.terminal();
    match &cli.command {
        Command::Info(args) => info::run(args),
        Command::Create(args) => create::run(args, &terminal),
        Command::Import(args) => import::run(args, &terminal),
        Command::Export(args) => export::run(args, &terminal),
        Command::Copy(args) => copy::run(args, &terminal),
        Command::Names(args) => names::run(args),
        Command::Convert(args) => convert::run(args, &terminal),
        Command::Rm(args) => rm::run(args, &terminal),
        Command::Completions(args) => completions::run(args),
    }
}
