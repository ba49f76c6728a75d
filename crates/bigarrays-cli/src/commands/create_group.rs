//! `create-group`: makes an empty group.

use bigarrays::format::{self, FormatOptions};
use clap::Args;
use serde_json::Value;

use crate::args::values;
use crate::session::Session;

/// Make an empty group of Zarr or N5, which arrays can be created in
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays create-group project.zarr --set title='Kidney 3'
  bigarrays create project.zarr/raw --format zarr3 --shape 500,10000,10000 --dtype uint16 --dimension-names z,y,x")]
pub(crate) struct CreateGroupArgs {
    /// Path or URL of the group
    url: String,

    /// Its format: zarr3, zarr2 or n5 [default: what the URL names, or zarr3]
    #[arg(long, value_name = "NAME")]
    format: Option<String>,

    /// Set an attribute; a VALUE that is not JSON is a text. May be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::attribute)]
    set: Vec<(String, Value)>,
}

pub(crate) fn run(args: &CreateGroupArgs, session: &Session) -> anyhow::Result<()> {
    let options = FormatOptions { format: args.format.clone(), ..session.format() };
    let format = format::create_group(&args.url, &args.set.iter().cloned().collect(), &options)?;
    session.terminal.note(format_args!("created {}: a group of {format}", args.url));
    Ok(())
}
