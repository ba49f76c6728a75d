//! Tables of labels, as Python has them.

use bigarrays::compute::{LabelTable, Unlisted};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{OrRaise, invalid};

/// The bytes of whole numbers, and their type: int64, uint64 or int128.
type Words<'py> = (Bound<'py, PyBytes>, String);

/// Labels, and what each becomes.
pub(crate) type Pairs<'py> = (Words<'py>, Words<'py>);

/// The numbers of 64 bits that words are.
pub(crate) fn numbers(words: &Bound<'_, PyBytes>, is_signed: bool) -> Vec<i128> {
    let one = |word: &[u8; 8]| match is_signed {
        true => i128::from(i64::from_ne_bytes(*word)),
        false => i128::from(u64::from_ne_bytes(*word)),
    };
    words.as_bytes().as_chunks::<8>().0.iter().map(one).collect()
}

fn labels((words, dtype): &Words<'_>) -> Vec<i128> {
    match dtype.as_str() {
        "int128" => words.as_bytes().as_chunks().0.iter().map(|word| i128::from_ne_bytes(*word)).collect(),
        dtype => numbers(words, dtype == "int64"),
    }
}

pub(crate) fn to_table(py: Python<'_>, (from, to): &Pairs<'_>) -> PyResult<LabelTable> {
    let (from, to) = (labels(from), labels(to));
    if from.len() != to.len() {
        return Err(invalid(py, format!("{} labels become {}", from.len(), to.len())));
    }
    LabelTable::new(from.into_iter().zip(to)).or_raise(py)
}

/// The table in the text of a CSV file.
#[pyfunction]
#[pyo3(name = "_table_of_csv")]
pub(crate) fn table_of_csv<'py>(py: Python<'py>, text: &[u8], path: &str) -> PyResult<Pairs<'py>> {
    let during = |error: bigarrays::Error| error.during("reading the table").at(path);
    let table = LabelTable::of_csv(text).map_err(during).or_raise(py)?;
    let words = |column: fn((i128, i128)) -> i128| {
        let bytes: Vec<u8> = table.iter().flat_map(|row| column(row).to_ne_bytes()).collect();
        (PyBytes::new(py, &bytes), "int128".to_owned())
    };
    Ok((words(|row| row.0), words(|row| row.1)))
}

/// What becomes of other labels: "keep", "error" or a value.
pub(crate) fn to_unlisted(unlisted: &Bound<'_, PyAny>) -> PyResult<Unlisted> {
    if let Ok(value) = unlisted.extract::<i128>() {
        return Ok(Unlisted::Value(value));
    }
    match unlisted.extract::<&str>() {
        Ok("keep") => Ok(Unlisted::Keep),
        Ok("error") => Ok(Unlisted::Refuse),
        _ => Err(invalid(
            unlisted.py(),
            format!("unlisted={unlisted}: \"keep\", \"error\", or the label that they become"),
        )),
    }
}
