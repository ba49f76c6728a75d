//! Tables of labels, as Python has them.

use bigarrays::compute::{LabelTable, Unlisted};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{OrRaise, invalid};

/// The bytes of numbers of 64 bits, and whether they have a sign.
type Words<'py> = (Bound<'py, PyBytes>, bool);

/// Labels, and what each becomes.
pub(crate) type Pairs<'py> = (Words<'py>, Words<'py>);

/// The numbers that words are.
pub(crate) fn numbers(words: &Bound<'_, PyBytes>, is_signed: bool) -> Vec<i128> {
    let one = |word: &[u8; 8]| match is_signed {
        true => i128::from(i64::from_ne_bytes(*word)),
        false => i128::from(u64::from_ne_bytes(*word)),
    };
    words.as_bytes().as_chunks::<8>().0.iter().map(one).collect()
}

pub(crate) fn to_table(
    py: Python<'_>,
    ((from, is_from_signed), (to, is_to_signed)): &Pairs<'_>,
) -> PyResult<LabelTable> {
    let (from, to) = (numbers(from, *is_from_signed), numbers(to, *is_to_signed));
    if from.len() != to.len() {
        return Err(invalid(py, format!("{} labels become {}", from.len(), to.len())));
    }
    LabelTable::new(from.into_iter().zip(to)).or_raise(py)
}

/// What becomes of other labels: "keep", "error" or a value.
pub(crate) fn to_unlisted(unlisted: &Bound<'_, PyAny>) -> PyResult<Unlisted> {
    if let Ok(value) = unlisted.extract::<i64>() {
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
