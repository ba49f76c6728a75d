//! `convert`: files of others become .npy files whose rows have names.

use std::path::PathBuf;
use std::sync::OnceLock;

use bigarrays::flat::{self, ConvertOptions, ConvertPlan};
use bigarrays::{Error, Progress};
use clap::Args;
use indicatif::BinaryBytes;

use crate::interrupt;
use crate::output::{Meter, Terminal, counted};

/// Copy arrays of other files into a .npy file, each under its name
///
/// OLD is a file of Python's bigarray, NumPy's .npz, HDF5, a folder of .npy files, an LMDB file of them, or Megatron's .idx and
/// .bin; which one it is, its bytes say. Each array in it becomes a slice of that name; documents of Megatron are named by
/// their numbers. The names go into an index, in the folder NEW.index. OLD stays as it is.
///
/// NEW is there once it is whole. A conversion that ended early goes on when the same command is given again.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bigarrays convert features.old features.npy && bigarrays names features.npy\n  \
                  bigarrays convert samples.h5 samples.npy --key train\n  \
                  bigarrays convert corpus.idx corpus.npy --dry-run"
)]
pub(crate) struct ConvertArgs {
    /// What is converted
    old: PathBuf,

    /// The .npy file to be written
    new: PathBuf,

    /// Only the array of this key, without names, or those below it
    #[arg(long)]
    key: Option<String>,

    /// Replace what is there
    #[arg(long)]
    overwrite: bool,

    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &ConvertArgs, terminal: Terminal) -> anyhow::Result<()> {
    if args.new.extension().is_none_or(|extension| extension != "npy") {
        return Err(Error::invalid("the name of the new file has to end with .npy")
            .at(args.new.display().to_string())
            .into());
    }
    let note = |plan: &ConvertPlan| plan.note.iter().for_each(|note| terminal.note(note));
    if args.dry_run {
        let plan = flat::plan_conversion(&args.old, args.key.as_deref())?;
        note(&plan);
        terminal.note(format_args!("would write {}", describe(&plan)));
        return Ok(());
    }
    interrupt::watch()?;
    let meter = OnceLock::new();
    let tell = |progress: Progress| {
        meter.get_or_init(|| Meter::new("convert".to_owned(), progress.total, terminal)).tell(progress);
    };
    let options =
        ConvertOptions { overwrite: args.overwrite, key: args.key.as_deref(), progress: Some(&tell) };
    let outcome = flat::convert(&args.old, &args.new, &options);
    meter.get().inspect(|meter| meter.clear());
    let converted = outcome?;
    note(&converted.plan);
    let found = match converted.found {
        0 => String::new(),
        found => format!("; {found} rows were there already"),
    };
    terminal.note(format_args!("wrote {}{found}", describe(&converted.plan)));
    Ok(())
}

/// What a conversion makes, in words.
fn describe(plan: &ConvertPlan) -> String {
    format!(
        "{:?} of {}, {}, {} from a {}",
        plan.shape,
        plan.descr.text(),
        counted(plan.names as usize, "name"),
        BinaryBytes(plan.bytes),
        plan.format
    )
}
