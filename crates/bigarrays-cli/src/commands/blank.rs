//! `blank`: makes fill value of a box, or of a mask.

use bigarrays::Domain;
use bigarrays::compute::Lazy;
use bigarrays::format::ScaleSelector;
use bigarrays::jobs::{BlankOptions, blank};
use clap::Args;

use crate::args::heading::RUN;
use crate::args::values;
use crate::interrupt;
use crate::output::Meter;
use crate::session::Session;

/// Make fill value of the elements of a box, or of those that a mask covers
///
/// Chunks that have nothing else are removed, whole ones without being read; where nothing is stored, nothing is done. Each chunk changes
/// at once. There is no journal: whoever was stopped or killed has blanked some of the chunks, all else is as it was, and the same command
/// finishes it. Coarser scales stay as they are: `downsample --box` makes them anew.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays blank em --box 100:300,0:200,40:80
  bigarrays blank em --mask tissue-is-gone.zarr --dry-run")]
pub(crate) struct BlankArgs {
    /// Path or URL of the array
    url: String,

    /// The box [default: all that the mask covers]
    #[arg(long = "box", value_name = "BOX", allow_hyphen_values = true, required_unless_present = "mask")]
    region: Option<Domain>,

    /// Path or URL of a mask at the coordinates of the array: only where it is not 0, elements are blanked
    #[arg(long, value_name = "URL")]
    mask: Option<String>,

    /// The scale: its position from 0, its key, or its resolution as x,y,z
    #[arg(long, value_name = "SCALE", value_parser = values::scale, default_value = "0")]
    scale: ScaleSelector,

    /// Say what would be done, and change nothing
    #[arg(long, help_heading = RUN)]
    dry_run: bool,

    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, help_heading = RUN, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,
}

pub(crate) fn run(args: &BlankArgs, session: &Session) -> anyhow::Result<()> {
    let array = session.open().scale(args.scale.clone()).open(&args.url)?;
    let mask =
        args.mask.as_ref().map(|url| Lazy::of(&session.open().read_only(true).open(url)?)).transpose()?;
    interrupt::watch()?;
    let meter = Meter::new(format!("blanking {}", args.url), 0, session.terminal);
    let tell = |progress| meter.tell(progress);
    let options = BlankOptions {
        part: args.region.clone(),
        mask,
        dry_run: args.dry_run,
        memory: args.memory.unwrap_or(0),
        progress: Some(&tell),
        ..BlankOptions::default()
    };
    let done = blank(&array, &options);
    meter.clear();
    let done = done?;
    let (verb, past) =
        if args.dry_run { ("would be removed", "would change") } else { ("removed", "changed") };
    session
        .terminal
        .note(format_args!("{}: {} chunks {verb}, {} {past}", args.url, done.removed, done.changed));
    if array.scales().len() > array.scale() + 1 && !args.dry_run && done.removed + done.changed > 0 {
        session.terminal.note("coarser scales are as they were; bigarrays downsample --box makes them anew");
    }
    Ok(())
}
