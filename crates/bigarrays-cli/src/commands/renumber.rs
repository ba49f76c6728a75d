//! `renumber`: gives labels the numbers 1, 2, 3 and so on.

use std::path::PathBuf;

use bigarrays::compute::Number;
use bigarrays::jobs::{Journal, LabelOptions, Numbering, renumber};
use bigarrays::store::absolute;
use bigarrays::{DataType, Result};
use clap::Args;

use crate::args::heading::{NEW, RUN};
use crate::args::{LayerArgs, NewArgs, values};
use crate::commands::new::{labels_source, rehearsed, taken_up};
use crate::interrupt;
use crate::output::{Column, Meter, expect_new_table, write_columns};
use crate::session::{Session, end};

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
    new: NewArgs,

    #[command(flatten)]
    layer: LayerArgs,

    /// Note finished blocks, and go on where an earlier run of this command ended
    #[arg(long, help_heading = RUN)]
    resume: bool,

    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, help_heading = RUN, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,
}

pub(crate) fn run(args: &RenumberArgs, session: &Session) -> anyhow::Result<()> {
    args.table.as_deref().map_or(Ok(()), expect_new_table)?;
    let numbering = Numbering::named(&args.numbering)?;
    let new = labels_source(&args.source, &args.target, args.dtype, (&args.new, &args.layer), session)?;
    let made = rehearsed(&args.target, &new.spec, new.format)?;
    let (background, memory) = (args.background, args.memory.unwrap_or(0));
    // What does not fit into the budget is refused before anything is made.
    let planned = LabelOptions { background, memory, dry_run: true, ..LabelOptions::default() };
    renumber(&new.mapped.view, &made, numbering, &planned)?;
    interrupt::watch()?;
    let journal = if args.resume { Some(args.journal(session)?) } else { None };
    let options = session.open().format(new.format);
    let target = taken_up(&args.target, &new.spec, &options, journal.as_ref())?;
    let meter = Meter::new(format!("renumbering {}", args.source), 0, session.terminal);
    let tell = |progress| meter.tell(progress);
    let options = LabelOptions {
        background,
        memory,
        journal: journal.as_ref(),
        progress: Some(&tell),
        ..LabelOptions::default()
    };
    let done = renumber(&new.mapped.view, &target, numbering, &options);
    meter.clear();
    let table = done?;
    if let Some(path) = &args.table {
        let (labels, numbers): (Vec<i128>, Vec<i128>) = table.iter().unzip();
        write_columns(path, &[Column::labels("label", &labels), Column::labels("number", &numbers)])?;
    }
    journal.map_or(Ok(()), |journal| end(journal, session))?;
    session.terminal.note(format_args!("{} labels of {}", table.len(), args.source));
    Ok(())
}

impl RenumberArgs {
    fn journal(&self, session: &Session) -> Result<Journal> {
        let Self { numbering, background, dtype, new, layer, .. } = self;
        let (source, target) = (absolute(&self.source), absolute(&self.target));
        let what =
            format!("renumber {source:?} {target:?} {numbering} {background:?} {dtype:?} {new:?} {layer:?}");
        session.journal(&what, &format!("renumber {} {}", source.display(), target.display()))
    }
}
