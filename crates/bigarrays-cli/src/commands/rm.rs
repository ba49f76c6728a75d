//! `rm`: removes a layer, a scale of one, or all arrays and groups below a place.

use bigarrays::Progress;
use bigarrays::format::{self, Below, FormatOptions, ScaleSelector};
use bigarrays::{Array, Error, ErrorKind};
use clap::Args;
use indicatif::BinaryBytes;

use crate::args::values;
use crate::interrupt;
use crate::output::{Meter, counted};
use crate::session::Session;

/// Remove a layer, scales of it, or all arrays and groups below a place
///
/// Without -r removes the metadata and the chunks of a layer. With or without, what is neither metadata nor chunks
/// stays, and -r says what that is. Links are removed themselves: what they lead to stays, also if URL is one. A
/// removal that was stopped or killed is finished by the same command.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays rm em
  bigarrays rm em --scale 16_16_40 --scale 32_32_40 --yes
  bigarrays rm -r s3://bucket/project")]
pub(crate) struct RmArgs {
    /// Path or URL of the layer, or of the place below which arrays and groups are to be removed
    url: String,

    /// Only this scale: its position from 0, its key, or its resolution as x,y,z; several if it is given several times. The finest
    /// stays. Nobody can open one that is being removed
    #[arg(long, value_name = "SCALE", value_parser = values::scale)]
    scale: Vec<ScaleSelector>,

    /// Remove all arrays and groups below URL
    #[arg(short, long, conflicts_with = "scale")]
    recursive: bool,

    /// Do not ask; needed where there is no terminal to ask on
    #[arg(short, long)]
    yes: bool,
}

pub(crate) fn run(args: &RmArgs, session: &Session) -> anyhow::Result<()> {
    if args.recursive {
        return remove_all(args, session);
    }
    if !args.scale.is_empty() {
        return remove_scales(args, session);
    }
    let opened = session.open().incomplete(true).open(&args.url);
    if matches!(&opened, Err(error) if error.kind() == ErrorKind::NotFound)
        && let Some(remains) = Below::remains(&args.url, &session.format())?
    {
        return remove_below(args, session, &remains, "what an earlier removal has left");
    }
    let array = match opened {
        // A removal that was killed may have left the first scale's metadata out.
        Err(error) if error.kind() == ErrorKind::InvalidMetadata => {
            return remove_damaged(&error, args, session);
        }
        opened => opened.map_err(|error| hint(error, args, session))?,
    };
    let what = match array.scales().len() {
        0 | 1 => args.url.clone(),
        count => format!("{} with its {count} scales", args.url),
    };
    if !is_confirmed(&format!("{what} ({})", described(&array)), args, session)? {
        return Ok(());
    }
    interrupt::watch()?;
    let options = FormatOptions { format: Some(array.format().to_owned()), ..session.format() };
    format::remove(&args.url, None, &options)?;
    session.terminal.note(format_args!("removed {what}"));
    Ok(())
}

/// Removes scales of a layer that stays.
fn remove_scales(args: &RmArgs, session: &Session) -> anyhow::Result<()> {
    let array = session.open().incomplete(true).open(&args.url)?;
    let key = |scale: &ScaleSelector| Ok(&*array.scales()[scale.find(array.scales())?].key);
    let keys: Vec<&str> = args.scale.iter().map(key).collect::<bigarrays::Result<_>>()?;
    if !is_confirmed(&format!("scale {} of {}", keys.join(", "), args.url), args, session)? {
        return Ok(());
    }
    interrupt::watch()?;
    let options = FormatOptions { format: Some(array.format().to_owned()), ..session.format() };
    let gone = format::remove_scales(&args.url, &args.scale, &options)?;
    session.terminal.note(format_args!("removed scale {} of {}", gone.join(", "), args.url));
    Ok(())
}

/// Removes what cannot be opened, if its format finds what it has stored.
fn remove_damaged(error: &Error, args: &RmArgs, session: &Session) -> anyhow::Result<()> {
    session.terminal.note(format_args!("it cannot be opened: {error}"));
    if !is_confirmed(&args.url, args, session)? {
        return Ok(());
    }
    interrupt::watch()?;
    format::remove(&args.url, None, &session.format())?;
    session.terminal.note(format_args!("removed {}", args.url));
    Ok(())
}

/// Says what removes a group, if `error` is that there is one.
fn hint(error: Error, args: &RmArgs, session: &Session) -> Error {
    let is_group = error.kind() == ErrorKind::InvalidArgument;
    if !is_group || format::list(&args.url, &session.format()).is_err() {
        return error;
    }
    Error::invalid("this is a group; -r removes it with all that it holds").during("removing").at(&args.url)
}

fn described(array: &Array) -> String {
    format!("{} over {}", array.dtype(), array.domain())
}

fn is_confirmed(what: &str, args: &RmArgs, session: &Session) -> anyhow::Result<bool> {
    if args.yes {
        return Ok(true);
    }
    let answer = session.terminal.confirm(format_args!("Remove {what}?"))?;
    if answer == Some(false) {
        session.terminal.note("nothing was removed");
    }
    answer.ok_or_else(|| {
        let reason = "there is no terminal to ask on; say --yes to remove it";
        Error::invalid(reason).during("removing").at(&args.url).into()
    })
}

/// Removes all arrays and groups below the place.
fn remove_all(args: &RmArgs, session: &Session) -> anyhow::Result<()> {
    let below = Below::list(&args.url, &session.format())?;
    remove_below(args, session, &below, "all arrays and groups")
}

fn remove_below(args: &RmArgs, session: &Session, below: &Below, all: &str) -> anyhow::Result<()> {
    let total = below.bytes();
    let what =
        format!("{all} below {} ({}, {})", args.url, counted(below.count(), "object"), BinaryBytes(total));
    if let Some(left) = below.left_in_words() {
        session.terminal.note(format_args!("to stay: {left}"));
    }
    if !is_confirmed(&what, args, session)? {
        return Ok(());
    }
    interrupt::watch()?;
    let meter = Meter::new(format!("removing {}", args.url), total, session.terminal);
    let done = below.remove(&mut |done| meter.tell(Progress { done, total }));
    meter.clear();
    done?;
    session.terminal.note(format_args!("removed {what}"));
    Ok(())
}
