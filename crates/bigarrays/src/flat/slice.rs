//! Slices as they are found and written.

use std::ops::Deref;
use std::sync::Arc;

use super::mapping::Mapping;
use super::record::{Record, SliceRows};

/// Where a named slice is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its number in the order of the slices.
    pub position: u64,
    /// Its rows in each array.
    pub rows: SliceRows,
}

impl From<Record> for Slice {
    fn from(record: Record) -> Self {
        Self { position: record.position, rows: record.rows }
    }
}

/// The rows of all arrays, mapped: of one moment, in which slices are where they were found. Used like a [`Mapping`], it is that
/// of the first array.
#[derive(Clone, Debug)]
pub struct Mappings {
    /// That of the first array.
    pub first: Arc<Mapping>,
    /// Those of the others, in their order.
    pub others: Box<[Arc<Mapping>]>,
}

impl Mappings {
    /// That of each array.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Mapping>> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl Deref for Mappings {
    type Target = Mapping;

    fn deref(&self) -> &Mapping {
        &self.first
    }
}

/// A slice to be written into the one array that there is: its name, its rows and their bytes.
#[derive(Clone, Copy, Debug)]
pub struct NamedRows<'a> {
    /// From 1 to 511 bytes.
    pub name: &'a str,
    /// How many rows.
    pub rows: u64,
    /// What is in them.
    pub bytes: &'a [u8],
}

/// Rows to be written into one array.
#[derive(Clone, Copy, Debug)]
pub struct RowBytes<'a> {
    /// How many.
    pub rows: u64,
    /// What is in them.
    pub bytes: &'a [u8],
}

/// A slice to be written into all arrays.
#[derive(Clone, Copy, Debug)]
pub struct NewSlice<'a> {
    /// From 1 to 511 bytes.
    pub name: &'a str,
    /// Its rows in each array, in the order of [`SliceArray::arrays`](super::SliceArray::arrays).
    pub arrays: &'a [RowBytes<'a>],
    /// What is kept beside the name, as JSON: a small value, of at most 64 KiB. With `None`, what is there stays.
    pub metadata: Option<&'a str>,
}
