//! What `info` says of several arrays whose slices have their names in common.

use std::io::Write;
use std::path::Path;

use bigarrays::base::text::printable;
use bigarrays::flat::{Header, Mode, SliceArray};
use serde_json::json;

use crate::commands::names::{Counts, counts};
use crate::output::{joined, pretty, write_table};

/// Shows the slices in the folder at `path`, as a table or as JSON.
pub(crate) fn write(out: &mut dyn Write, path: &Path, as_json: bool) -> anyhow::Result<()> {
    let slices = SliceArray::open(path, Mode::Read)?;
    let Counts { names, metadata } = counts(&slices)?;
    let arrays: Vec<(&str, Header)> = slices.arrays().map(|(name, array)| (name, array.header())).collect();
    if as_json {
        let array = |(name, header): &(&str, Header)| json!({"name": name, "dtype": type_of(header), "shape": header.shape});
        let arrays: Vec<_> = arrays.iter().map(array).collect();
        let shown = json!({
            "url": path.display().to_string(), "format": "slices", "names": names, "metadata": metadata, "arrays": arrays,
        });
        return Ok(writeln!(out, "{}", pretty(&shown))?);
    }
    writeln!(out, "{:<11} {}", "slices", printable(&path.display().to_string()))?;
    writeln!(out, "{:<11} {names}{}", "names", with_metadata(metadata))?;
    writeln!(out)?;
    let row = |(name, header): &(&str, Header)| {
        vec![(*name).to_owned(), type_of(header), joined(&header.shape, " × ")]
    };
    Ok(write_table(out, &["ARRAY", "TYPE", "SHAPE"], arrays.iter().map(row).collect())?)
}

/// How many names have metadata, if any have.
pub(crate) fn with_metadata(count: u64) -> String {
    if count == 0 { String::new() } else { format!(", {count} with metadata") }
}

/// The type of elements; of records and such, as the header of the file has it.
fn type_of(header: &Header) -> String {
    header.descr.element().map_or_else(|_| header.descr.text().to_owned(), |(dtype, _)| dtype.to_string())
}
