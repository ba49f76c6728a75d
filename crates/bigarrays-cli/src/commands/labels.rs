//! `labels`: lists the labels of an array.

use std::path::PathBuf;

use bigarrays::compute::{ByLabel, ComputeOptions, Lazy, Number, Reduction, by_label};
use bigarrays::jobs::{Journal, LabelStatistics, label_table};
use bigarrays::{Array, Result};
use clap::Args;

use crate::args::heading::RUN;
use crate::args::values;
use crate::commands::listing::Listing;
use crate::interrupt;
use crate::output::{Column, Meter};
use crate::session::Session;

/// List the labels of an array: how many voxels each has, the box around them and their centroid
///
/// With an image also the mean, the least and the largest of its elements. Boxes and centroids are in voxels.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays labels segmentation
  bigarrays labels segmentation --image em -o table.csv --memory 1G")]
pub(crate) struct LabelsArgs {
    /// Path or URL of the labels
    labels: String,

    /// Path or URL of an image over the same box
    #[arg(long, value_name = "URL")]
    image: Option<String>,

    /// Write the table to FILE: .csv, or .npy with records [default: print it]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The value of elements that have no label [default: 0]
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true, value_parser = values::number)]
    background: Option<Number>,

    /// Note finished blocks of the labels and of the image, and go on where an earlier run of this command ended
    #[arg(long, help_heading = RUN)]
    resume: bool,

    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, help_heading = RUN, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,
}

/// What is found of the elements of an image.
const OF_IMAGE: [(&str, Reduction); 3] =
    [("mean", Reduction::Mean), ("min", Reduction::Min), ("max", Reduction::Max)];

pub(crate) fn run(args: &LabelsArgs, session: &Session) -> anyhow::Result<()> {
    let listing = Listing {
        command: "labels",
        url: &args.labels,
        image: args.image.as_deref(),
        background: args.background,
        memory: args.memory,
        resume: args.resume,
        output: args.output.as_deref(),
    };
    if listing.is_done(session)? {
        return Ok(());
    }
    let open = |url: &str| session.open().read_only(true).open(url);
    let labels = open(&args.labels)?;
    let image = args.image.as_deref().map(open).transpose()?;
    interrupt::watch()?;
    let (found, journal) = listing.found(&labels, session, label_table)?;
    let mut columns = columns(&found, &labels);
    if let Some(image) = &image {
        columns.extend(of_image(image, (&labels, &found), args, journal.as_ref(), session)?);
    }
    listing.end(&columns, journal, session)
}

/// Labels, voxels, boxes and centroids.
fn columns(found: &LabelStatistics, labels: &Array) -> Vec<Column> {
    let mut columns =
        vec![Column::labels("label", &found.labels), Column::unsigned("voxels", found.voxels.clone())];
    for (axis, name) in labels.axis_names().iter().enumerate() {
        let ends = |end: fn(std::ops::Range<i64>) -> i64| {
            found.boxes.iter().map(|part| end(part.range(axis))).collect::<Vec<i64>>()
        };
        columns.push(Column::signed(format!("{name}_start"), ends(|range| range.start)));
        columns.push(Column::signed(format!("{name}_stop"), ends(|range| range.end)));
    }
    for (axis, name) in labels.axis_names().iter().enumerate() {
        let centres = found.centroids.iter().map(|centroid| centroid[axis]).collect();
        columns.push(Column::real(format!("{name}_centroid"), centres));
    }
    columns
}

/// What becomes of the elements of an image.
fn of_image(
    image: &Array,
    (labels, found): (&Array, &LabelStatistics),
    args: &LabelsArgs,
    journal: Option<&Journal>,
    session: &Session,
) -> Result<Vec<Column>> {
    let (elements, labels) = (Lazy::of(image)?, Lazy::of(labels)?);
    let axes: Vec<usize> = (0..elements.ndim()).collect();
    let wanted: Vec<_> = OF_IMAGE.iter().map(|&(_, reduction)| (&elements, reduction)).collect();
    let meter = Meter::new(format!("reading {}", image.url()), 0, session.terminal);
    let tell = |progress| meter.tell(progress);
    let options = ComputeOptions {
        memory: args.memory.unwrap_or(0),
        journal,
        progress: Some(&tell),
        ..ComputeOptions::default()
    };
    let grouped = by_label(&wanted, &labels, &axes, &options);
    meter.clear();
    let grouped = grouped?;
    let known = known(&grouped)?;
    let one = |(number, (name, _)): (usize, &(&'static str, Reduction))| -> Result<Column> {
        let (dtype, bytes) = (grouped.column_type(number)?, grouped.bytes(Some(number))?);
        let element =
            |place: usize| Number::read(dtype, &bytes[place * dtype.size()..][..dtype.size()]).as_f64();
        // Negative labels are none of groups.
        let value = |label: &i128| known.binary_search(label).map_or(f64::NAN, element);
        Ok(Column::real(*name, found.labels.iter().map(value).collect()))
    };
    OF_IMAGE.iter().enumerate().map(one).collect()
}

/// The labels of groups, ascending.
fn known(grouped: &ByLabel) -> Result<Vec<i128>> {
    Ok(match grouped.label_type() {
        bigarrays::DataType::U64 => grouped.labels::<u64>()?.into_iter().map(i128::from).collect(),
        _ => grouped.labels::<i64>()?.into_iter().map(i128::from).collect(),
    })
}
