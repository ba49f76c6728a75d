//! `remap`: gives labels other numbers by a table.

use std::path::{Path, PathBuf};

use bigarrays::compute::{LabelTable, Unlisted};
use bigarrays::jobs::relabel;
use bigarrays::{Array, DataType, Element, Error, OpenOptions, Result};
use clap::Args;

use crate::args::heading::NEW;
use crate::commands::labelling::{Labelling, LabellingArgs};
use crate::session::Session;

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

    /// The labels and what each becomes: two columns of a .csv or .npy file. The first line of a .csv file may have names, without digits
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
    let labelled = labelling.run(None, session, |source, target, options| {
        relabel(source, target, &table, args.unlisted, options)
    })?;
    let said = format!("remapped {} by {} labels", args.source, table.len());
    Ok(labelled.map_or(Ok(()), |labelled| labelled.end(&said, session))?)
}

/// The table in a file.
///
/// # Errors
/// `InvalidArgument` if there are no two columns of whole numbers; those of reading.
fn read_table(path: &Path) -> Result<LabelTable> {
    let during = |error: Error| error.during("reading the table").at(path.display().to_string());
    if path.extension().is_some_and(|extension| extension == "npy") {
        return LabelTable::new(npy(path)?).map_err(during);
    }
    let text = std::fs::read(path)
        .map_err(|error| Error::io(error, "reading the table", path.display().to_string()))?;
    LabelTable::of_csv(&text).map_err(during)
}

/// The rows of a .npy file of two columns.
fn npy(path: &Path) -> Result<Vec<(i128, i128)>> {
    let array = OpenOptions::new().read_only(true).open(&*path.to_string_lossy())?;
    if array.ndim() != 2 || array.shape()[1] != 2 {
        let reason = format!("a table of two columns, not of shape {:?}", array.shape());
        return Err(Error::invalid(reason).at(array.url()));
    }
    let numbers = match array.dtype() {
        DataType::U8 => wide::<u8>(&array),
        DataType::I8 => wide::<i8>(&array),
        DataType::U16 => wide::<u16>(&array),
        DataType::I16 => wide::<i16>(&array),
        DataType::U32 => wide::<u32>(&array),
        DataType::I32 => wide::<i32>(&array),
        DataType::U64 => wide::<u64>(&array),
        DataType::I64 => wide::<i64>(&array),
        other => {
            Err(Error::invalid(format!("elements are {other}; labels are whole numbers")).at(array.url()))
        }
    }?;
    Ok(numbers.as_chunks::<2>().0.iter().map(|&[from, to]| (from, to)).collect())
}

/// Numbers, row by row.
fn wide<T: Element + Into<i128>>(array: &Array) -> Result<Vec<i128>> {
    let elements = array.read::<T>(array.domain())?.into_data();
    Ok(elements.iter().map(|&one| one.into()).collect())
}
