//! `bigarrays`: create, look at, import into, export from, copy, verify and remove N-d arrays larger than memory.

mod args;
mod cli;
mod commands;
mod interrupt;
mod once;
mod output;
mod processes;
mod session;

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};
use commands::{
    attributes, blank, cache, completions, components, compute, contacts, convert, copy, create,
    create_group, downsample, du, export, import, info, jobs, labels, ls, names, normalize, remap, renumber,
    resize, restack, rm, roi, run_plan, sample, slice, verify, view,
};
use session::Session;

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    interrupt::survive_file_limits();
    bigarrays::on_long_wait(output::note_wait);
    let outcome = bigarrays::interruptible(&interrupt::is_asked, || run(&cli));
    output::present(outcome).into()
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    if let Some(threads) = cli.threads {
        bigarrays::set_threads(threads);
    }
    if cli.share.is_some() {
        interrupt::watch_input()?;
    }
    let session = Session::new(cli.terminal(), &cli.store, cli.share.clone())?;
    match &cli.command {
        Command::Info(args) => info::run(args, &session),
        Command::Ls(args) => ls::run(args, &session),
        Command::Du(args) => du::run(args, &session),
        Command::Create(args) => create::run(args, &session),
        Command::CreateGroup(args) => create_group::run(args, &session),
        Command::Attributes(args) => attributes::run(args, &session),
        Command::Downsample(args) => downsample::run(args, &session),
        Command::Components(args) => components::run(args, &session),
        Command::Labels(args) => labels::run(args, &session),
        Command::Contacts(args) => contacts::run(args, &session),
        Command::Remap(args) => remap::run(args, &session),
        Command::Renumber(args) => renumber::run(args, &session),
        Command::Resize(args) => resize::run(args, &session),
        Command::Sample(args) => sample::run(args, &session),
        Command::Slice(args) => slice::run(args, &session),
        Command::Import(args) => import::run(args, &session),
        Command::Export(args) => export::run(args, &session),
        Command::Compute(args) => compute::run(args, &session),
        Command::Normalize(args) => normalize::run(args, &session),
        Command::Roi(args) => roi::run(args, &session),
        Command::Restack(args) => restack::run(args, &session),
        Command::Blank(args) => blank::run(args, &session),
        Command::Run(args) => run_plan::run(args, &session),
        Command::Jobs(args) => jobs::run(args, &session),
        Command::Copy(args) => copy::run(args, &session),
        Command::Verify(args) => verify::run(args, &session),
        Command::View(args) => view::run(args, &session),
        Command::Names(args) => names::run(args),
        Command::Convert(args) => convert::run(args, session.terminal),
        Command::Rm(args) => rm::run(args, &session),
        Command::Cache(args) => cache::run(args, &session),
        Command::Completions(args) => completions::run(args, Cli::command()),
    }
}
