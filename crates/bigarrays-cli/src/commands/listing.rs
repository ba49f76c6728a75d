//! What `labels` and `contacts` have in common: a table that a job makes of labels.

use std::path::Path;

use bigarrays::compute::Number;
use bigarrays::jobs::{Journal, LabelOptions};
use bigarrays::store::absolute;
use bigarrays::{Array, Result};

use crate::output::{Column, Meter, results, write_columns, write_text};
use crate::session::{Session, end};

/// A command that lists something of labels.
pub(super) struct Listing<'a> {
    /// The name of the command.
    pub(super) command: &'static str,
    /// Where the labels are.
    pub(super) url: &'a str,
    pub(super) background: Option<Number>,
    pub(super) memory: Option<u64>,
    pub(super) resume: bool,
    /// The file of the table; it is printed without.
    pub(super) output: Option<&'a Path>,
}

impl Listing<'_> {
    /// What the job finds, and its journal, if there is one.
    pub(super) fn found<R>(
        &self,
        labels: &Array,
        session: &Session,
        job: fn(&Array, &LabelOptions<'_>) -> Result<R>,
    ) -> anyhow::Result<(R, Option<Journal>)> {
        let journal = if self.resume {
            let place = absolute(self.url);
            let what = format!("{} {place:?} {:?}", self.command, self.background);
            Some(session.journal(&what, &format!("{} {}", self.command, place.display()))?)
        } else {
            None
        };
        let meter = Meter::new(format!("reading {}", self.url), 0, session.terminal);
        let tell = |progress| meter.tell(progress);
        let options = LabelOptions {
            background: self.background,
            memory: self.memory.unwrap_or(0),
            journal: journal.as_ref(),
            progress: Some(&tell),
            ..LabelOptions::default()
        };
        let found = job(labels, &options);
        meter.clear();
        Ok((found?, journal))
    }

    /// Writes or prints the table, and ends the journal.
    pub(super) fn end(
        &self,
        columns: &[Column],
        journal: Option<Journal>,
        session: &Session,
    ) -> anyhow::Result<()> {
        match self.output {
            Some(path) => write_columns(path, columns)?,
            None => write_text(&mut results(), columns)?,
        }
        Ok(journal.map_or(Ok(()), |journal| end(journal, session))?)
    }
}
