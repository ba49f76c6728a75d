//! `remap`: gives labels other numbers by a table.

use std::path::{Path, PathBuf};

use bigarrays::compute::{LabelTable, Unlisted};
use bigarrays::jobs::relabel;
use bigarrays::{DataType, Error, OpenOptions, Result};
use clap::Args;

use crate::args::heading::NEW;
use crate::commands::labelling::{Labelling, LabellingArgs};
use crate::session::{Session, end};

/// Give labels other numbers by a table, into a new array
///
/// Label 0 stays 0 unless the table names it. Where nothing is stored, nothing is done.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays remap labels merges.csv -o merged
  bigarrays remap s3://bucket/labels kept.npy -o kept --unlisted 0 --memory 2G --resume")]
pub(crate) struct RemapArgs {
    /// Path or URL of the labels
    source: String,

    /// The labels and what each becomes: two columns of a .csv or .npy file. A first line of a .csv file may have names
    table: PathBuf,

    /// Path or URL of the array that is made
    #[arg(short, long, value_name = "URL")]
    output: String,

    /// What becomes of labels that are not in the table: keep, error, or a label
    #[arg(long, value_name = "WHAT", default_value = "keep", allow_hyphen_values = true, value_parser = unlisted)]
    unlisted: Unlisted,

    /// Type of the new labels [default: that of the labels]
    #[arg(long, help_heading = NEW, value_name = "TYPE")]
    dtype: Option<DataType>,

    #[command(flatten)]
    labelling: LabellingArgs,
}

fn unlisted(text: &str) -> std::result::Result<Unlisted, String> {
    match text {
        "keep" => Ok(Unlisted::Keep),
        "error" => Ok(Unlisted::Refuse),
        text => text.parse().map(Unlisted::Value).map_err(|_| "expected keep, error, or a label".to_owned()),
    }
}

pub(crate) fn run(args: &RemapArgs, session: &Session) -> anyhow::Result<()> {
    let table = read_table(&args.table)?;
    let labelling = Labelling {
        command: "remap",
        source: &args.source,
        target: &args.output,
        dtype: args.dtype,
        args: &args.labelling,
        how: format!("{:?} {:?}", table.iter().collect::<Vec<_>>(), args.unlisted),
        doing: "remapping",
    };
    let ((), _, journal) = labelling
        .run(session, |source, target, options| relabel(source, target, &table, args.unlisted, options))?;
    journal.map_or(Ok(()), |journal| end(journal, session))?;
    session.terminal.note(format_args!("remapped {} by {} labels", args.source, table.len()));
    Ok(())
}

/// The table in a file.
///
/// # Errors
/// `InvalidArgument` if there are no two columns of whole numbers; those of reading.
fn read_table(path: &Path) -> Result<LabelTable> {
    let during = |error: Error| error.during("reading the table").at(path.display().to_string());
    let is_npy = path.extension().is_some_and(|extension| extension == "npy");
    let numbers = if is_npy { npy(path)? } else { csv(path).map_err(during)? };
    LabelTable::new(numbers).map_err(during)
}

/// The rows of a .npy file of two columns.
fn npy(path: &Path) -> Result<Vec<(i128, i128)>> {
    let array = OpenOptions::new().read_only(true).open(&*path.to_string_lossy())?;
    if array.ndim() != 2 || array.shape()[1] != 2 {
        let reason = format!("a table of two columns, not of shape {:?}", array.shape());
        return Err(Error::invalid(reason).at(array.url()));
    }
    let numbers: Vec<i128> = match array.dtype() {
        DataType::U64 => wide(&array.read::<u64>(array.domain())?.into_data()),
        DataType::I64 => wide(&array.read::<i64>(array.domain())?.into_data()),
        DataType::U32 => wide(&array.read::<u32>(array.domain())?.into_data()),
        DataType::I32 => wide(&array.read::<i32>(array.domain())?.into_data()),
        other => {
            let reason = format!("elements are {other}; tables of labels are int32 to uint64");
            return Err(Error::invalid(reason).at(array.url()));
        }
    };
    Ok(numbers.as_chunks::<2>().0.iter().map(|&[from, to]| (from, to)).collect())
}

/// Numbers, row by row.
fn wide<T: Copy + Into<i128>>(elements: &bigarrays::ndarray::ArrayD<T>) -> Vec<i128> {
    elements.iter().map(|&one| one.into()).collect()
}

/// The rows of a text of two columns.
fn csv(path: &Path) -> Result<Vec<(i128, i128)>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::io(error, "reading the table", path.display().to_string()))?;
    let row = |line: &str| -> Option<(i128, i128)> {
        let (from, to) = line.split_once(',')?;
        Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
    };
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match row(line) {
            Some(pair) => found.push(pair),
            // Names.
            None if number == 0 && line.contains(',') && !line.contains(|c: char| c.is_ascii_digit()) => {}
            None => {
                let reason = format!("line {}, {line:?}, is no label and what it becomes", number + 1);
                return Err(Error::invalid(reason));
            }
        }
    }
    Ok(found)
}
