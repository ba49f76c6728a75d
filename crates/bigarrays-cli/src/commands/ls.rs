//! `ls`: the arrays below a place, and their scales.

use std::io::Write;

use bigarrays::format::Scale;
use clap::Args;
use serde_json::{Value, json};

use crate::commands::find::{self, Found};
use crate::output::{as_json, encoding, joined, pretty, results, write_table};
use crate::session::Session;

/// List the arrays below a path or URL, and their scales
///
/// Folders are arrays by their metadata documents, local .npy and TIFF files by their names. A bucket's
/// folders are listed one by one; the chunks of arrays are not.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bigarrays ls s3://bucket/project\n  bigarrays ls . --json | jq .[].url")]
pub(crate) struct LsArgs {
    /// Path or URL of an array or of what arrays lie below
    #[arg(default_value = ".")]
    url: String,

    /// How many folders deep to look
    #[arg(long, value_name = "N", default_value_t = 4)]
    depth: usize,

    /// Print JSON: a list of what `info --json` prints of each
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &LsArgs, session: &Session) -> anyhow::Result<()> {
    let (mut rows, mut objects): (Vec<Vec<String>>, Vec<Value>) = (Vec::new(), Vec::new());
    find::arrays(&args.url, args.depth, session, &mut |found| {
        match args.json {
            true => objects.push(as_json(&found.array, None)),
            false => rows.extend(table_rows(&found)),
        }
        Ok(())
    })?;
    let mut out = results();
    match args.json {
        true => writeln!(out, "{}", pretty(&json!(objects)))?,
        false => {
            let heading = ["ARRAY", "FORMAT", "TYPE", "SCALE", "SHAPE", "CHUNK", "RESOLUTION", "ENCODING"];
            write_table(&mut out, &heading, rows)?;
        }
    }
    Ok(out.flush()?)
}

/// A row for each scale; the array is named in the first.
fn table_rows(found: &Found) -> Vec<Vec<String>> {
    let array = &found.array;
    let start = [found.url.clone(), array.format().to_owned(), array.dtype().to_string()];
    let size = |size: &[f64], unit: &str| format!("{} {unit}", joined(size.iter().take(3), " × "));
    if array.scales().is_empty() {
        let resolution = array.resolution().map_or_else(String::new, |r| size(&r.size, &r.unit));
        let shape = [joined(array.shape(), " × "), joined(array.chunk_shape(), " × ")];
        return vec![
            start
                .into_iter()
                .chain([String::new()])
                .chain(shape)
                .chain([resolution, encoding(array)])
                .collect(),
        ];
    }
    let row = |(position, scale): (usize, &Scale)| {
        let named = if position == 0 { start.clone() } else { Default::default() };
        let rest = [
            scale.key.clone(),
            joined(scale.domain.shape(), " × "),
            joined(scale.chunks.iter().map(|chunk| joined(chunk, " × ")), "; "),
            size(&scale.resolution.size, &scale.resolution.unit),
            format!("{}{}", scale.encoding, if scale.sharded { ", sharded" } else { "" }),
        ];
        named.into_iter().chain(rest).collect()
    };
    array.scales().iter().enumerate().map(row).collect()
}
