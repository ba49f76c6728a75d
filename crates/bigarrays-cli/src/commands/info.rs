//! `info`: what an array is, as a table or as JSON.

use std::io::Write;
use std::path::Path;

use bigarrays::Array;
use bigarrays::base::text::{printable, redact};
use bigarrays::flat::is_set;
use bigarrays::format::{Scale, ScaleSelector};
use bigarrays::store;
use clap::Args;
use indicatif::BinaryBytes;

use crate::args::values;
use crate::commands::names::Counts;
use crate::commands::{names, slices, supported};
use crate::output::{as_json, bytes, counted, described, joined, pretty, results, write_table};
use crate::session::Session;

/// Show what an array is: type, domain, chunks, encoding, scales
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bigarrays info em\n  bigarrays info em --scale 1 --json | jq .domain")]
pub(crate) struct InfoArgs {
    /// Path or URL of the array
    #[arg(required_unless_present = "supported")]
    url: Option<String>,

    /// The scale: its position from 0, its key, or its resolution as x,y,z
    #[arg(long, value_name = "SCALE", value_parser = values::scale, default_value = "0")]
    scale: ScaleSelector,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// List the formats, codecs and stores that this version knows
    #[arg(long, conflicts_with_all = ["url", "scale"])]
    supported: bool,
}

pub(crate) fn run(args: &InfoArgs, session: &Session) -> anyhow::Result<()> {
    let mut out = results();
    let Some(url) = &args.url else {
        match args.json {
            true => writeln!(out, "{}", pretty(&supported::json()))?,
            false => supported::write(&mut out)?,
        }
        return Ok(out.flush()?);
    };
    let path = store::local_path(url)?;
    if is_set(Path::new(&path)) {
        slices::write(&mut out, Path::new(&path), args.json)?;
        return Ok(out.flush()?);
    }
    let names = names::count(Path::new(&path))?;
    let options = session.open().incomplete(true).read_only(true);
    let array = options.scale(args.scale.clone()).open(url)?;
    array.notes().iter().for_each(|note| session.terminal.note(format_args!("note: {note}")));
    match args.json {
        true => {
            let mut shown = as_json(&array, names.map(|counts| counts.names));
            shown["metadata"] = names.map(|counts| counts.metadata).into();
            writeln!(out, "{}", pretty(&shown))?;
        }
        false => {
            let made_of = session.open().scale(array.scale()).incomplete(true).like(url);
            let origin = made_of.ok().and_then(|spec| spec.array.origin);
            write_text(&mut out, &array, origin, names)?;
        }
    }
    Ok(out.flush()?)
}

/// `origin` is where the first element lies in what the array is a copy of, of formats whose coordinates begin at 0.
fn write_text(
    out: &mut dyn Write,
    array: &Array,
    origin: Option<Vec<i64>>,
    names: Option<Counts>,
) -> anyhow::Result<()> {
    let grid = array.layout().grid.shape();
    let size = bytes(array).map_or_else(
        || "more than 2^64 bytes".to_owned(),
        |size| format!("{} ({})", BinaryBytes(size), counted(size, "byte")),
    );
    let resolution = array.resolution().map_or_else(
        || "unknown".to_owned(),
        |resolution| format!("{} {}", joined(resolution.size.iter().take(3), " × "), resolution.unit),
    );
    let is_labels = array.scales().get(array.scale()).is_some_and(|scale| scale.labels);
    let chunks: u64 = grid.iter().fold(1, |product, count| product.saturating_mul(*count));
    let shards = array.layout().sharding.as_ref().map(|sharding| {
        let shape = array.shard_shape().map_or_else(String::new, |shape| joined(shape, " × ") + ", ");
        format!("{shape}{}", sharding.description)
    });
    let rows = [
        ("array", redact(array.url()).into_owned()),
        ("format", array.format().to_owned()),
        ("type", format!("{}{}", array.dtype(), if is_labels { ", labels" } else { "" })),
        ("axes", joined(array.axis_names(), ",")),
        ("domain", array.domain().to_string()),
        (
            "origin",
            origin.map_or_else(String::new, |origin| {
                format!("{} in what it was copied from", joined(&origin, ","))
            }),
        ),
        ("shape", joined(array.shape(), " × ")),
        ("chunk", joined(array.chunk_shape(), " × ")),
        ("grid", format!("{}, {}", joined(grid, " × "), counted(chunks, "chunk"))),
        ("shard", shards.unwrap_or_default()),
        ("encoding", described(array)),
        ("resolution", resolution),
        ("size", format!("{size} decoded")),
        ("incomplete", array.incomplete().map_or_else(String::new, |known| known.to_string())),
    ];
    for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{name:<11} {}", printable(&value))?;
    }
    if let Some(Counts { names, metadata }) = names {
        writeln!(out, "{:<11} {names}{}", "names", slices::with_metadata(metadata))?;
    }
    if array.scales().is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let row = |(position, scale): (usize, &Scale)| {
        let mark = if position == array.scale() { "*" } else { "" };
        vec![
            format!("{position}{mark}"),
            scale.key.clone(),
            format!("{} {}", joined(scale.resolution.size.iter().take(3), " × "), scale.resolution.unit),
            scale.domain.to_string(),
            joined(scale.chunks.iter().map(|chunk| joined(chunk, " × ")), "; "),
            format!("{}{}", scale.encoding, if scale.sharded { ", sharded" } else { "" }),
        ]
    };
    let rows = array.scales().iter().enumerate().map(row).collect();
    Ok(write_table(out, &["SCALE", "KEY", "RESOLUTION", "DOMAIN", "CHUNK", "ENCODING"], rows)?)
}
