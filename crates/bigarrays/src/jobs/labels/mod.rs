//! Jobs on labels: which there are and where, what touches what, and other numbers for them.
//!
//! All go by runs of equal labels along rows, so that their cost follows how labels lie, and block by block, of those that have
//! anything stored.

mod contacts;
mod options;
mod reading;
mod relabel;
mod statistics;
mod tally;
mod word;

pub use contacts::{Contacts, contacts};
pub use options::{LabelOptions, Numbering};
pub use relabel::{relabel, renumber};
pub use statistics::{LabelStatistics, label_table};
