//! What people and programs are shown.

mod array;
mod columns;
pub(crate) mod exit_codes;
mod failure;
mod meter;
mod table;
mod terminal;

pub(crate) use array::{as_json, bytes, described, encoding};
pub(crate) use columns::{Column, expect_new_table, write_columns, write_text};
pub(crate) use exit_codes::ExitCode;
pub(crate) use failure::{ProblemsFound, ShareFailed, present};
pub(crate) use meter::{Meter, rate};
pub(crate) use table::{counted, joined, lengths, write_table};
pub(crate) use terminal::{Terminal, note_wait, pretty, results};
