//! `attributes`: shows and changes what users note of arrays and groups.

use std::io::Write;

use bigarrays::format::{self, FormatOptions};
use bigarrays::{Error, Result};
use clap::Args;
use serde_json::{Map, Value};

use crate::args::values;
use crate::output::{counted, pretty, results};
use crate::session::Session;

/// Show or change the attributes of an array or group of Zarr or N5
///
/// Without --set and --unset prints all, or the value of KEY, as JSON. Changes are made in one step: nobody
/// sees some of them, and no other writer's are lost.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AttributesArgs {
    /// Path or URL of the array or group
    url: String,

    /// Print the value of this attribute alone
    #[arg(conflicts_with_all = ["set", "unset"])]
    key: Option<String>,

    /// Set an attribute; a VALUE that is not JSON is a text. May be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::attribute)]
    set: Vec<(String, Value)>,

    /// Remove an attribute. May be given several times
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,

    /// The format, where the metadata of several lie at one place
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
}

const EXAMPLES: &str = r#"Examples:
  bigarrays attributes volume.zarr | jq keys
  bigarrays attributes volume.zarr/temperature units
  bigarrays attributes volume.zarr --set units=K --set 'range=[0, 300]' --unset draft"#;

pub(crate) fn run(args: &AttributesArgs, session: &Session) -> anyhow::Result<()> {
    let options = FormatOptions { format: args.format.clone(), ..session.format() };
    if args.set.is_empty() && args.unset.is_empty() {
        let shown = shown(args, format::attributes(&args.url, &options)?)?;
        let mut out = results();
        writeln!(out, "{}", pretty(&shown))?;
        return Ok(out.flush()?);
    }
    let unset = args.unset.iter().map(|key| (key.clone(), Value::Null));
    let changes: Map<String, Value> = unset.chain(args.set.iter().cloned()).collect();
    format::update_attributes(&args.url, &changes, &options)?;
    let changed = counted(changes.len(), "attribute");
    session.terminal.note(format_args!("changed {changed} of {}", args.url));
    Ok(())
}

fn shown(args: &AttributesArgs, mut all: Map<String, Value>) -> Result<Value> {
    let Some(key) = &args.key else { return Ok(Value::Object(all)) };
    all.shift_remove(key).ok_or_else(|| {
        let keys: Vec<&str> = all.keys().map(String::as_str).collect();
        let message = format!("no attribute {key:?}; there are {keys:?}");
        Error::new(bigarrays::ErrorKind::NotFound, message).during("reading attributes of").at(&args.url)
    })
}
