//! Tables of numbers in files: as text, or as NumPy's.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use bigarrays::{Error, ErrorKind, Result};

/// A column of a table.
#[derive(Debug)]
pub(crate) struct Column {
    name: String,
    values: Values,
}

/// Numbers of one type.
#[derive(Debug)]
enum Values {
    Unsigned(Vec<u64>),
    Signed(Vec<i64>),
    Real(Vec<f64>),
}

impl Column {
    pub(crate) fn unsigned(name: impl Into<String>, values: Vec<u64>) -> Self {
        Self { name: name.into(), values: Values::Unsigned(values) }
    }

    pub(crate) fn signed(name: impl Into<String>, values: Vec<i64>) -> Self {
        Self { name: name.into(), values: Values::Signed(values) }
    }

    pub(crate) fn real(name: impl Into<String>, values: Vec<f64>) -> Self {
        Self { name: name.into(), values: Values::Real(values) }
    }

    /// Labels, with a sign if one is negative.
    pub(crate) fn labels(name: impl Into<String>, values: &[i128]) -> Self {
        match values.iter().any(|&one| one < 0) {
            true => Self::signed(name, values.iter().map(|&one| one as i64).collect()),
            false => Self::unsigned(name, values.iter().map(|&one| one as u64).collect()),
        }
    }

    fn len(&self) -> usize {
        match &self.values {
            Values::Unsigned(values) => values.len(),
            Values::Signed(values) => values.len(),
            Values::Real(values) => values.len(),
        }
    }

    fn text(&self, row: usize) -> String {
        match &self.values {
            Values::Unsigned(values) => values[row].to_string(),
            Values::Signed(values) => values[row].to_string(),
            Values::Real(values) => values[row].to_string(),
        }
    }

    fn bytes(&self, row: usize) -> [u8; 8] {
        match &self.values {
            Values::Unsigned(values) => values[row].to_le_bytes(),
            Values::Signed(values) => values[row].to_le_bytes(),
            Values::Real(values) => values[row].to_le_bytes(),
        }
    }

    fn kind(&self) -> &'static str {
        match self.values {
            Values::Unsigned(_) => "<u8",
            Values::Signed(_) => "<i8",
            Values::Real(_) => "<f8",
        }
    }
}

/// Refuses a file that cannot be written: before any work is done.
///
/// # Errors
/// `AlreadyExists`; `InvalidArgument` for files of other kinds.
pub(crate) fn expect_new_table(path: &Path) -> Result<()> {
    let failed = |error: Error| Err(error.during("writing a table to").at(path.display().to_string()));
    if !matches!(extension(path), "csv" | "npy") {
        let more = match extension(path) {
            "parquet" | "feather" | "arrow" => {
                "; what bigarrays.label_table and others find in Python has columns(), of which pandas and pyarrow make such files"
            }
            _ => "",
        };
        return failed(Error::invalid(format!("tables are .csv or .npy files{more}")));
    }
    if path.exists() {
        return failed(Error::new(ErrorKind::AlreadyExists, "there is a file already"));
    }
    Ok(())
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

/// Writes columns of one length: as comma-separated text below their names, or to a .npy file as records.
///
/// # Errors
/// Any error of files; `AlreadyExists`.
pub(crate) fn write_columns(path: &Path, columns: &[Column]) -> Result<()> {
    let failed = |error| Error::io(error, "writing a table to", path.display().to_string());
    let write = || {
        let mut file = BufWriter::new(File::create_new(path)?);
        match extension(path) {
            "npy" => write_records(&mut file, columns)?,
            _ => write_text(&mut file, columns)?,
        }
        file.flush()
    };
    write().map_err(failed)
}

/// Writes columns as comma-separated text below their names.
///
/// # Errors
/// Those of the writer.
pub(crate) fn write_text(out: &mut dyn Write, columns: &[Column]) -> std::io::Result<()> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    writeln!(out, "{}", names.join(","))?;
    for row in 0..columns.first().map_or(0, Column::len) {
        let words: Vec<String> = columns.iter().map(|column| column.text(row)).collect();
        writeln!(out, "{}", words.join(","))?;
    }
    Ok(())
}

/// Version 1 of the format, whose header ends at a multiple of 64 bytes.
fn write_records(out: &mut dyn Write, columns: &[Column]) -> std::io::Result<()> {
    let rows = columns.first().map_or(0, Column::len);
    let fields: Vec<String> =
        columns.iter().map(|column| format!("('{}', '{}')", column.name, column.kind())).collect();
    let fields = fields.join(", ");
    let mut header = format!("{{'descr': [{fields}], 'fortran_order': False, 'shape': ({rows},), }}");
    const PREFIX: usize = 10;
    let padded = (PREFIX + header.len() + 1).next_multiple_of(64) - PREFIX;
    header.push_str(&" ".repeat(padded - header.len() - 1));
    header.push('\n');
    let length = u16::try_from(header.len()).map_err(|_| std::io::Error::other("so many columns"))?;
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for row in 0..rows {
        columns.iter().try_for_each(|column| out.write_all(&column.bytes(row)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_text_or_records() {
        let columns = [Column::labels("label", &[7, 1 << 63]), Column::real("x", vec![0.5, 2.0])];
        let mut text = Vec::new();
        write_text(&mut text, &columns).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "label,x\n7,0.5\n9223372036854775808,2\n");
        let mut records = Vec::new();
        write_records(&mut records, &columns).unwrap();
        let header = records.len() - 32;
        assert_eq!((header % 64, &records[header..header + 8]), (0, &7u64.to_le_bytes()[..]));
        assert_eq!(records[header - 1], b'\n');
    }
}
