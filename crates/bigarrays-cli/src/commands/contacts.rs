//! `contacts`: lists which labels touch, and how large their contacts are.

use std::path::PathBuf;

use bigarrays::compute::Number;
use bigarrays::jobs::contacts;
use clap::Args;

use crate::args::heading::RUN;
use crate::args::values;
use crate::commands::listing::Listing;
use crate::interrupt;
use crate::output::Column;
use crate::session::Session;

/// List the pairs of labels that share faces of voxels: how many across each axis, and their area
///
/// Areas are in squares of the unit of the resolution, such as square nanometres; in faces where no size is known. Nothing touches across
/// axes of time and channels.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays contacts segmentation
  bigarrays contacts s3://bucket/segmentation -o contacts.npy --memory 2G --resume")]
pub(crate) struct ContactsArgs {
    /// Path or URL of the labels
    labels: String,

    /// Write the table to FILE: .csv, or .npy with records [default: print it]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The value of elements that touch nothing [default: 0]
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true, value_parser = values::number)]
    background: Option<Number>,

    /// Note finished blocks, and go on where an earlier run of this command ended
    #[arg(long, help_heading = RUN)]
    resume: bool,

    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, help_heading = RUN, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,
}

pub(crate) fn run(args: &ContactsArgs, session: &Session) -> anyhow::Result<()> {
    let listing = Listing {
        command: "contacts",
        url: &args.labels,
        image: None,
        background: args.background,
        memory: args.memory,
        resume: args.resume,
        output: args.output.as_deref(),
    };
    if listing.is_done(session)? {
        return Ok(());
    }
    let labels = session.open().read_only(true).open(&*args.labels)?;
    interrupt::watch()?;
    let (found, journal) = listing.found(&labels, session, contacts)?;
    let side = |side: fn(&(i128, i128)) -> i128| found.pairs.iter().map(side).collect::<Vec<_>>();
    let mut columns = vec![
        Column::labels("label_1", &side(|pair| pair.0)),
        Column::labels("label_2", &side(|pair| pair.1)),
    ];
    for (axis, name) in labels.axis_names().iter().enumerate() {
        let faces = found.faces.iter().map(|faces| faces[axis]).collect();
        columns.push(Column::unsigned(format!("{name}_faces"), faces));
    }
    columns.push(Column::real("area", found.areas.clone()));
    listing.end(&columns, journal, session)
}
