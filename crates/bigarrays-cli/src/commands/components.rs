//! `components`: finds the connected components of an array.

use std::path::PathBuf;

use bigarrays::compute::Number;
use bigarrays::jobs::{Components, ComponentsOptions, components};
use bigarrays::{Array, DataType};
use clap::Args;

use crate::args::heading::NEW;
use crate::args::values;
use crate::commands::labelling::{Labelling, LabellingArgs};
use crate::output::{Column, write_columns};
use crate::session::Session;

/// Find connected components of labels, of a mask, or of what is above a threshold
///
/// They have the numbers 1, 2, 3 and so on in the order of the first voxel of each, the last axis of TARGET fastest, whatever the chunks,
/// the memory and the threads. SOURCE is read twice, block by block, and TARGET is written once. Where nothing is stored, nothing is
/// done. Elements that are no numbers are background.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays components labels parts
  bigarrays components probability parts --above 0.7 --connectivity 26 --statistics parts.csv
  bigarrays components s3://bucket/mask.zarr parts --binary --dtype uint32 --memory 2G --resume")]
pub(crate) struct ComponentsArgs {
    /// Path or URL of the labels, the mask or the image
    source: String,

    /// Path or URL of the array that is made, of unsigned whole numbers
    target: String,

    /// How many neighbours a voxel has: 6 (those that share faces), 18 (and edges) or 26 (and corners) in three axes, 4 or 8 in two.
    /// Nothing is connected along axes of time and channels [default: those that share faces]
    #[arg(long, value_name = "N")]
    connectivity: Option<u64>,

    /// The value of elements that are part of no component [default: 0]
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true, value_parser = values::number, conflicts_with = "above")]
    background: Option<Number>,

    /// Neighbours that differ belong together, unless one is background
    #[arg(long)]
    binary: bool,

    /// Elements above this, as a number of their type, belong together, and all others are background
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true, value_parser = values::number)]
    above: Option<Number>,

    /// Write a table of the components to FILE (.csv, or .npy with records): the number, the voxels and the box of each
    #[arg(long, value_name = "FILE")]
    statistics: Option<PathBuf>,

    /// Type of the numbers of components: uint8 to uint64
    #[arg(long, help_heading = NEW, value_name = "TYPE", default_value = "uint64")]
    dtype: DataType,

    #[command(flatten)]
    labelling: LabellingArgs,
}

pub(crate) fn run(args: &ComponentsArgs, session: &Session) -> anyhow::Result<()> {
    let ComponentsArgs { connectivity, background, binary, above, dtype, .. } = args;
    let labelling = Labelling {
        command: "components",
        source: &args.source,
        target: &args.target,
        dtype: Some(*dtype),
        args: &args.labelling,
        how: format!("{connectivity:?} {background:?} {binary:?} {above:?}"),
        doing: "finding components of",
    };
    let labelled = labelling.run(args.statistics.as_deref(), session, |source, target, options| {
        let options = ComponentsOptions {
            connectivity: *connectivity,
            background: *background,
            binary: *binary,
            above: *above,
            statistics: args.statistics.is_some(),
            memory: options.memory,
            dry_run: options.dry_run,
            journal: options.journal,
            sharing: None,
            progress: options.progress,
        };
        components(source, target, &options)
    })?;
    let Some(labelled) = labelled else { return Ok(()) };
    if let Some(table) = &args.statistics {
        write_columns(table, &columns(&labelled.found, &labelled.target))?;
    }
    let said = format!("{} components of {}", labelled.found.count, args.source);
    Ok(labelled.end(&said, session)?)
}

/// The numbers, voxels and boxes of components.
fn columns(found: &Components, target: &Array) -> Vec<Column> {
    let mut columns = vec![
        Column::unsigned("label", (1..=found.count).collect()),
        Column::unsigned("voxels", found.voxels.clone().unwrap_or_default()),
    ];
    for (axis, name) in target.axis_names().iter().enumerate() {
        let ranges = || found.boxes.iter().flatten().map(|part| part.range(axis));
        columns.push(Column::signed(format!("{name}_start"), ranges().map(|range| range.start).collect()));
        columns.push(Column::signed(format!("{name}_stop"), ranges().map(|range| range.end).collect()));
    }
    columns
}
