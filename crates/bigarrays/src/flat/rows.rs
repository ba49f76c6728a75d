//! Rows, by what a header says.

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
