//! `export`: writes a box of an array to files.

mod kind;
mod run;

pub(crate) use run::{ExportArgs, run};
