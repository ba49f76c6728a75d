//! `restack`: leaves out, inserts and reorders slices, into a new array.

use std::ops::Range;
use std::str::FromStr;

use bigarrays::compute::Lazy;
use bigarrays::format::ScaleSelector;
use bigarrays::jobs::{RestackOptions, restack};
use bigarrays::store::absolute;
use clap::Args;

use crate::args::values;
use crate::commands::saving::SaveArgs;
use crate::commands::slice::position;
use crate::session::Session;

/// Leave out, insert and reorder slices along an axis, into a new array
///
/// Slices are named by their coordinates in the source. The new array begins at the same coordinate, and is stored as the source is,
/// but for what options say.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays restack em mended --axis z --delete 50:60 --delete 73
  bigarrays restack em mended --axis z --insert 73=scanned-again
  bigarrays restack em sorted --axis z --keep 0:10,12,11,13:100")]
pub(crate) struct RestackArgs {
    /// Path or URL of the array
    source: String,

    /// Path or URL of the new array
    target: String,

    /// The axis of the slices, by name or number
    #[arg(long, value_name = "AXIS")]
    axis: String,

    /// Slices that are left out: a coordinate or START:STOP, as often as needed, or with commas
    #[arg(long, value_name = "SLICES", allow_hyphen_values = true, value_delimiter = ',')]
    delete: Vec<Slices>,

    /// Slices of another array that are put before the slice at a coordinate, or at the end of the axis behind all
    #[arg(long, value_name = "AT=URL", allow_hyphen_values = true)]
    insert: Vec<Insert>,

    /// The slices that are kept, in their order; they may be there several times [default: all]
    #[arg(long, value_name = "SLICES", allow_hyphen_values = true, value_delimiter = ',',
        conflicts_with_all = ["delete", "insert"])]
    keep: Vec<Slices>,

    /// The scale of the source: its position from 0, its key, or its resolution as x,y,z
    #[arg(long, value_name = "SCALE", value_parser = values::scale, default_value = "0")]
    scale: ScaleSelector,

    #[command(flatten)]
    save: SaveArgs,
}

/// A range of slices.
#[derive(Clone, Debug)]
struct Slices(Range<i64>);

impl FromStr for Slices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no coordinate and no START:STOP");
        let number = |text: &str| text.trim().parse::<i64>().map_err(|_| wrong());
        let range = match text.split_once(':') {
            Some((start, stop)) => number(start)?..number(stop)?,
            None => {
                let at = number(text)?;
                at..at.checked_add(1).ok_or_else(wrong)?
            }
        };
        Ok(Self(range))
    }
}

/// Slices of another array, and where they are put.
#[derive(Clone, Debug)]
struct Insert(i64, String);

impl FromStr for Insert {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (at, url) = text.split_once('=').ok_or("expected AT=URL")?;
        let at = at.trim().parse().map_err(|_| format!("{at:?} is no coordinate"))?;
        Ok(Self(at, url.to_owned()))
    }
}

pub(crate) fn run(args: &RestackArgs, session: &Session) -> anyhow::Result<()> {
    let open = session.open().read_only(true);
    let source = open.clone().scale(args.scale.clone()).open(&args.source)?;
    let ranges = |all: &[Slices]| all.iter().map(|Slices(range)| range.clone()).collect::<Vec<_>>();
    let inserted = |Insert(at, url): &Insert| Ok((*at, Lazy::of(&open.open(url)?)?));
    let options = RestackOptions {
        axis: position(&source, &args.axis)?,
        keep: Some(ranges(&args.keep)).filter(|kept| !kept.is_empty()),
        delete: ranges(&args.delete),
        insert: args.insert.iter().map(inserted).collect::<bigarrays::Result<_>>()?,
    };
    let lazy = restack(&Lazy::of(&source)?, &options)?;
    let places = [&args.source, &args.target].map(|place| absolute(place).display().to_string());
    let command = args.command(&places);
    args.save.save(&source, &lazy, &args.target, &command, session)
}

impl RestackArgs {
    /// The command as it is typed, as lists of jobs show it: all that the outcome depends on.
    fn command(&self, places: &[String; 2]) -> String {
        let slices = |all: &[Slices]| {
            let one = |Slices(range): &Slices| format!("{}:{}", range.start, range.end);
            Some(all.iter().map(one).collect::<Vec<_>>().join(",")).filter(|all| !all.is_empty())
        };
        let given = [
            ("delete", slices(&self.delete)),
            ("keep", slices(&self.keep)),
            ("scale", values::scale_text(&self.scale)),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some(format!(" --{name} {}", value?)));
        let inserted = self.insert.iter().map(|Insert(at, url)| format!(" --insert {at}={url}"));
        let given: String = inserted.chain(given).collect();
        format!("restack {} {} --axis {}{given}", places[0], places[1], self.axis)
    }
}
