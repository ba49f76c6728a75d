//! `roi`: where an array has anything but fill value.

use std::io::Write;

use bigarrays::format::ScaleSelector;
use bigarrays::jobs::{RoiOptions, roi};
use clap::Args;
use serde_json::json;

use crate::args::heading::RUN;
use crate::args::values;
use crate::interrupt;
use crate::output::{pretty, results};
use crate::session::Session;

/// Print the smallest box that has all elements other than the fill value
///
/// What is stored is asked for first; only chunks at the ends of that are read. Prints nothing if there are no such elements.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays roi segmentation
  bigarrays copy em cut --box $(bigarrays roi em) --create")]
pub(crate) struct RoiArgs {
    /// Path or URL of the array
    url: String,

    /// The scale: its position from 0, its key, or its resolution as x,y,z
    #[arg(long, value_name = "SCALE", value_parser = values::scale, default_value = "0")]
    scale: ScaleSelector,

    /// Print JSON: the first coordinate and the length along each axis, or null
    #[arg(long)]
    json: bool,

    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, help_heading = RUN, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,
}

pub(crate) fn run(args: &RoiArgs, session: &Session) -> anyhow::Result<()> {
    let array = session.open().read_only(true).scale(args.scale.clone()).open(&args.url)?;
    interrupt::watch()?;
    let found = roi(&array, &RoiOptions { memory: args.memory.unwrap_or(0), ..RoiOptions::default() })?;
    let mut out = results();
    match found {
        Some(found) if args.json => {
            writeln!(out, "{}", pretty(&json!({ "origin": found.origin(), "shape": found.shape() })))?;
        }
        None if args.json => writeln!(out, "null")?,
        Some(found) => writeln!(out, "{found}")?,
        None => session.terminal.note("there is nothing but fill value"),
    }
    Ok(out.flush()?)
}
