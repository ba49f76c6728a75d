//! `rm`: removes a layer, or a scale of one.

use bigarrays::format::{self, FormatOptions, ScaleSelector};
use bigarrays::{Array, Error, OpenOptions};
use clap::Args;

use crate::terminal::Terminal;
use crate::values;

/// Remove a layer, or one scale of it
///
/// Removes the metadata and the chunks, and nothing else that lies beside them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bigarrays rm em\n  bigarrays rm em --scale 16_16_40 --yes")]
pub(crate) struct RmArgs {
    /// Path or URL of the layer
    url: String,

    /// Only this scale: its position from 0, its key, or its resolution as x,y,z
    #[arg(long, value_name = "SCALE", value_parser = values::scale)]
    scale: Option<ScaleSelector>,

    /// Do not ask; needed where there is no terminal to ask on
    #[arg(short, long)]
    yes: bool,
}

pub(crate) fn run(args: &RmArgs, terminal: &Terminal) -> anyhow::Result<()> {
    let array = OpenOptions::new().scale(args.scale.clone().unwrap_or_default()).open(&args.url)?;
    let what = match (&args.scale, array.scales().get(array.scale())) {
        (Some(_), Some(scale)) => format!("scale {} of {}", scale.key, args.url),
        _ if array.scales().len() > 1 => format!("{} with its {} scales", args.url, array.scales().len()),
        _ => args.url.clone(),
    };
    if !args.yes && !is_confirmed(&what, &array, *terminal)? {
        terminal.note("nothing was removed");
        return Ok(());
    }
    let options = FormatOptions { format: Some(array.format().to_owned()), ..FormatOptions::default() };
    format::remove(&args.url, args.scale.as_ref(), &options)?;
    terminal.note(format_args!("removed {what}"));
    Ok(())
}

fn is_confirmed(what: &str, array: &Array, terminal: Terminal) -> anyhow::Result<bool> {
    let question = format!("Remove {what} ({} over {})?", array.dtype(), array.domain());
    let answer = terminal.confirm(question)?;
    answer.ok_or_else(|| {
        let reason = "there is no terminal to ask on; say --yes to remove it";
        Error::invalid(reason).during("removing").at(array.url()).into()
    })
}
