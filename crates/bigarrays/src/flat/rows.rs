//! Rows, by what a header says.

use std::borrow::Cow;

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::format::files::npy::Header;

/// Bytes of one row.
pub(super) fn row_len(header: &Header) -> Option<u64> {
    header.shape[1..].iter().try_fold(header.descr.size(), |product, &length| product.checked_mul(length))
}

/// How many rows there are.
pub(super) fn length(header: &Header) -> u64 {
    header.shape.first().copied().unwrap_or(0)
}

/// The header with another number of rows.
pub(super) fn with_rows(header: &Header, rows: Option<u64>) -> Result<Header> {
    let rows = rows.ok_or_else(|| Error::invalid("more rows than a file can hold"))?;
    let header = with_rows_unchecked(header, rows);
    header.data_len()?;
    Ok(header)
}

pub(super) fn with_rows_unchecked(header: &Header, rows: u64) -> Header {
    let mut header = header.clone();
    if let Some(length) = header.shape.first_mut() {
        *length = rows;
    }
    header
}

/// What `bytes` are in an array that `header` describes: of booleans, those that are not zero are one.
pub(super) fn elements<'a>(header: &Header, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    let is_boolean = header.descr.element().is_ok_and(|(dtype, _)| dtype == DataType::Bool);
    match is_boolean && bytes.iter().any(|&byte| byte > 1) {
        true => Cow::Owned(bytes.iter().map(|&byte| u8::from(byte != 0)).collect()),
        false => Cow::Borrowed(bytes),
    }
}
