//! `renumber`: gives labels the numbers 1, 2, 3 and so on.

use std::path::PathBuf;

use bigarrays::DataType;
use bigarrays::compute::Number;
use bigarrays::jobs::{LabelOptions, Numbering, renumber};
use clap::Args;

use crate::args::heading::NEW;
use crate::args::values;
use crate::commands::labelling::{Labelling, LabellingArgs};
use crate::output::{Column, write_columns};
use crate::session::Session;

/// Give labels the numbers 1, 2, 3 and so on, into a new array
///
/// SOURCE is read twice, block by block. Where nothing is stored, nothing is done.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays renumber labels numbered --dtype uint32 --table names.csv
  bigarrays renumber labels numbered --numbering value")]
pub(crate) struct RenumberArgs {
    /// Path or URL of the labels
    source: String,

    /// Path or URL of the array that is made
    target: String,

    /// The order of the numbers: first, that of the first voxel of each, the last axis of TARGET fastest; or value, that of the labels
    #[arg(long, value_name = "ORDER", default_value = "first")]
    numbering: String,

    /// The value of elements that have no label, and become 0 [default: 0]
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true, value_parser = values::number)]
    background: Option<Number>,

    /// Write the labels and their numbers to FILE (.csv, or .npy with records)
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,

    /// Type of the numbers [default: that of the labels]
    #[arg(long, help_heading = NEW, value_name = "TYPE")]
    dtype: Option<DataType>,

    #[command(flatten)]
    labelling: LabellingArgs,
}

pub(crate) fn run(args: &RenumberArgs, session: &Session) -> anyhow::Result<()> {
    let (numbering, background) = (Numbering::named(&args.numbering)?, args.background);
    let labelling = Labelling {
        command: "renumber",
        source: &args.source,
        target: &args.target,
        dtype: args.dtype,
        args: &args.labelling,
        how: format!("{} {background:?}", args.numbering),
        doing: "renumbering",
    };
    let labelled = labelling.run(args.table.as_deref(), session, |source, target, options| {
        renumber(source, target, numbering, &LabelOptions { background, ..*options })
    })?;
    let Some(labelled) = labelled else { return Ok(()) };
    if let Some(path) = &args.table {
        let (labels, numbers): (Vec<i128>, Vec<i128>) = labelled.found.iter().unzip();
        write_columns(path, &[Column::labels("label", &labels), Column::labels("number", &numbers)])?;
    }
    let said = format!("{} labels of {}", labelled.found.len(), args.source);
    Ok(labelled.end(&said, session)?)
}
