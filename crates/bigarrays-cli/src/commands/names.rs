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
    /// A .npy file with an index beside it, a folder of several arrays, or a PointerArray file of Python's bigarray
    file: PathBuf,

    /// Only names that contain this text
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,

    /// Print the first row of each slice and the one after its last too, after tabs; of several arrays, of each
    #[arg(long)]
    rows: bool,
}

/// What is counted of slices.
#[derive(Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) names: u64,
    /// Names beside which something is kept.
    pub(crate) metadata: u64,
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
        write!(out, "{name}")?;
        for rows in rows.iter().filter(|_| args.rows) {
            write!(out, "\t{}\t{}", rows.start, rows.end)?;
        }
        Ok(writeln!(out)?)
    })?;
    Ok(out.flush()?)
}

type Found<'a> = dyn FnMut(&str, &[Range<u64>]) -> anyhow::Result<()> + 'a;

fn for_each(file: &Path, found: &mut Found<'_>) -> anyhow::Result<()> {
    if bigarray::is_one(file) {
        return bigarray::read_names(file)?
            .iter()
            .try_for_each(|(name, rows)| found(name, std::slice::from_ref(rows)));
    }
    let slices = SliceArray::open(file, Mode::Read)?;
    let mut next = 0;
    loop {
        let names = slices.names(next, AT_ONCE)?;
        let Some((_, last)) = names.last() else { return Ok(()) };
        next = last.position + 1;
        for (name, slice) in &names {
            found(name, &slice.rows.all().cloned().collect::<Vec<_>>())?;
        }
    }
}

/// How many names the file at `path` has; `None` if it is not of a kind that has names.
pub(crate) fn count(path: &Path) -> Result<Option<Counts>> {
    if !path.is_file() {
        return Ok(None);
    }
    if bigarray::is_one(path) {
        let names = bigarray::read_names(path)?.len() as u64;
        return Ok(Some(Counts { names, metadata: 0 }).filter(|_| names > 0));
    }
    // One of several arrays has no names of its own.
    let none = [ErrorKind::NotFound, ErrorKind::InvalidMetadata, ErrorKind::InvalidArgument];
    match SliceArray::open(path, Mode::Read) {
        Ok(slices) => counts(&slices).map(Some),
        Err(error) if none.contains(&error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is counted of these slices.
pub(crate) fn counts(slices: &SliceArray) -> Result<Counts> {
    Ok(Counts { names: slices.len(), metadata: slices.count_metadata()? })
}
