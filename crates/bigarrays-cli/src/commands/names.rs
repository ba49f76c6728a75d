//! `names`: lists the names of slices.

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bigarrays::base::text::printable;
use bigarrays::flat::{Mode, SliceArray};
use bigarrays::format::files::bigarray;
use bigarrays::{ErrorKind, Result};
use clap::Args;

use crate::output::results;

/// Names that are taken from an index at once.
const AT_ONCE: usize = 1000;

/// List the names of the slices of a flat array, in their order
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bigarrays names samples.npy | wc -l\n  bigarrays names samples.npy --grep speaker7 --rows"
)]
pub(crate) struct NamesArgs {
    /// A .npy file with an index beside it, or a PointerArray file of Python's bigarray
    file: PathBuf,

    /// Only names that contain this text
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,

    /// Print the first row of each slice and the one after its last too, after tabs
    #[arg(long)]
    rows: bool,
}

pub(crate) fn run(args: &NamesArgs) -> anyhow::Result<()> {
    let mut out = results();
    let wanted = args.grep.as_deref().unwrap_or("");
    for_each(&args.file, &mut |name, rows| {
        if !name.contains(wanted) {
            return Ok(());
        }
        // On one line, and as itself: a line break would look like another name.
        let name = printable(name);
        match args.rows {
            true => writeln!(out, "{name}\t{}\t{}", rows.start, rows.end)?,
            false => writeln!(out, "{name}")?,
        }
        Ok(())
    })?;
    Ok(out.flush()?)
}

type Found<'a> = dyn FnMut(&str, &Range<u64>) -> anyhow::Result<()> + 'a;

fn for_each(file: &Path, found: &mut Found<'_>) -> anyhow::Result<()> {
    if bigarray::is_one(file) {
        return bigarray::read_names(file)?.iter().try_for_each(|(name, rows)| found(name, rows));
    }
    let slices = SliceArray::open(file, Mode::Read)?;
    let mut next = 0;
    loop {
        let names = slices.names(next, AT_ONCE)?;
        let Some((_, last)) = names.last() else { return Ok(()) };
        next = last.position + 1;
        names.iter().try_for_each(|(name, slice)| found(name, &slice.rows))?;
    }
}

/// How many names the file at `path` has; `None` if it is not of a kind that has names.
pub(crate) fn count(path: &Path) -> Result<Option<u64>> {
    if !path.is_file() {
        return Ok(None);
    }
    if bigarray::is_one(path) {
        return Ok(Some(bigarray::read_names(path)?.len() as u64).filter(|&count| count > 0));
    }
    match SliceArray::open(path, Mode::Read) {
        Ok(slices) => Ok(Some(slices.len())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidMetadata) => Ok(None),
        Err(error) => Err(error),
    }
}
