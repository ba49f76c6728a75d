//! `convert`: files of Python's bigarray become .npy files.

use std::path::PathBuf;

use bigarrays::{Error, flat};
use clap::Args;

use crate::output::{Terminal, counted};

/// Copy a file of Python's bigarray into a .npy file, with its names if it has some
///
/// The names go into an index, in the folder NEW.index. OLD stays as it is.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bigarrays convert features.old features.npy && bigarrays names features.npy"
)]
pub(crate) struct ConvertArgs {
    /// An MmapArray or PointerArray file
    old: PathBuf,

    /// The .npy file to be written
    new: PathBuf,

    /// Replace what is there
    #[arg(long)]
    overwrite: bool,
}

pub(crate) fn run(args: &ConvertArgs, terminal: &Terminal) -> anyhow::Result<()> {
    if args.new.extension().is_none_or(|extension| extension != "npy") {
        return Err(Error::invalid("the name of the new file has to end with .npy")
            .at(args.new.display().to_string())
            .into());
    }
    let names = flat::convert(&args.old, &args.new, args.overwrite)?;
    let array = flat::FlatArray::open(&args.new, flat::Mode::Read)?;
    terminal.note(format_args!(
        "wrote {:?} of {}, {}",
        array.header().shape,
        array.header().descr.text(),
        counted(names, "name")
    ));
    Ok(())
}
