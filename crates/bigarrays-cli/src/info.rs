//! `info`: what an array is, as a table or as JSON.

use std::io::{self, Write};
use std::path::Path;

use bigarrays::Array;
use bigarrays::base::text::{printable, redact, shown};
use bigarrays::chunk::layout::Resolution;
use bigarrays::format::{Scale, ScaleSelector};
use clap::Args;
use indicatif::BinaryBytes;
use serde_json::{Value, json};

use crate::names;
use crate::session::Session;
use crate::supported;
use crate::terminal::{pretty, results};
use crate::values;

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
    let names = names::count(Path::new(url.strip_prefix("file://").unwrap_or(url)))?;
    let array = session.open().scale(args.scale.clone()).read_only(true).open(url)?;
    match args.json {
        true => writeln!(out, "{}", pretty(&as_json(&array, names)))?,
        false => write_text(&mut out, &array, names)?,
    }
    Ok(out.flush()?)
}

/// Bytes of all elements; `None` if that is no 64-bit number.
fn bytes(array: &Array) -> Option<u64> {
    array.domain().checked_len().ok()?.checked_mul(array.dtype().size() as u64)
}

/// The encoding of the array's chunks: as the layer names it, or else the names of the codecs.
pub(crate) fn encoding(array: &Array) -> String {
    let scale = array.scales().get(array.scale());
    scale.map_or_else(
        || array.layout().codecs.names().collect::<Vec<_>>().join(" + "),
        |scale| scale.encoding.clone(),
    )
}

/// The encoding with its parameters, for people.
fn described(array: &Array) -> String {
    let scale = array.scales().get(array.scale());
    scale.map_or_else(|| array.layout().codecs.to_string(), |scale| scale.encoding.clone())
}

pub(crate) fn as_json(array: &Array, names: Option<u64>) -> Value {
    let (domain, scale) = (array.domain(), array.scales().get(array.scale()));
    json!({
        "url": redact(array.url()),
        "format": array.format(),
        "dtype": array.dtype().name(),
        "dimension_names": array.dimension_names().to_vec(),
        "domain": domain.to_string(),
        "origin": domain.origin(),
        "shape": domain.shape(),
        "chunk_shape": array.chunk_shape().to_vec(),
        "grid_shape": array.layout().grid.shape().to_vec(),
        "sharding": array.layout().sharding.as_ref().map(|sharding| &sharding.description),
        "shard_shape": array.shard_shape().map(|shape| shape.to_vec()),
        "encoding": encoding(array),
        "codecs": array.layout().codecs.configs().map(|config| config.to_json()).collect::<Vec<_>>(),
        "resolution": array.resolution().as_ref().map(resolution_json),
        "bytes": bytes(array),
        "labels": scale.map(|scale| scale.labels),
        "names": names,
        "scale": array.scale(),
        "scales": array.scales().iter().map(scale_json).collect::<Vec<_>>(),
    })
}

fn resolution_json(resolution: &Resolution) -> Value {
    json!({ "size": resolution.size.to_vec(), "unit": resolution.unit })
}

fn scale_json(scale: &Scale) -> Value {
    json!({
        "key": scale.key,
        "domain": scale.domain.to_string(),
        "origin": scale.domain.origin(),
        "shape": scale.domain.shape(),
        "chunk_shapes": scale.chunks.iter().map(|chunk| chunk.to_vec()).collect::<Vec<_>>(),
        "resolution": resolution_json(&scale.resolution),
        "encoding": scale.encoding,
        "sharded": scale.sharded,
    })
}

pub(crate) fn joined(numbers: impl IntoIterator<Item = impl ToString>, between: &str) -> String {
    numbers.into_iter().map(|number| number.to_string()).collect::<Vec<_>>().join(between)
}

fn write_text(out: &mut dyn Write, array: &Array, names: Option<u64>) -> anyhow::Result<()> {
    let grid = array.layout().grid.shape();
    let size = bytes(array).map_or_else(
        || "more than 2^64 bytes".to_owned(),
        |size| format!("{} ({size} bytes)", BinaryBytes(size)),
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
        ("shape", joined(array.shape(), " × ")),
        ("chunk", joined(array.chunk_shape(), " × ")),
        ("grid", format!("{} chunks, {chunks} in all", joined(grid, " × "))),
        ("shard", shards.unwrap_or_default()),
        ("encoding", described(array)),
        ("resolution", resolution),
        ("size", format!("{size} decoded")),
    ];
    for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{name:<11} {}", printable(&value))?;
    }
    if let Some(names) = names {
        writeln!(out, "{:<11} {names}", "names")?;
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

/// Writes rows under a heading, each column as wide as its widest entry.
pub(crate) fn write_table(out: &mut dyn Write, heading: &[&str], rows: Vec<Vec<String>>) -> io::Result<()> {
    let heading = heading.iter().map(|&name| name.to_owned()).collect();
    let cells = |row: Vec<String>| row.iter().map(|cell| shown(cell).into_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).map(cells).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
