//! What `labels` and `contacts` have in common: a table that a job makes of labels.

use std::path::Path;

use bigarrays::compute::Number;
use bigarrays::jobs::{Journal, LabelOptions};
use bigarrays::store::absolute;
use bigarrays::{Array, Result};

use crate::once::Once;
use crate::output::{Column, Meter, expect_new_table, results, write_columns, write_text};
use crate::session::{Session, end};

/// A command that lists something of labels.
pub(super) struct Listing<'a> {
    /// The name of the command.
    pub(super) command: &'static str,
    /// Where the labels are.
    pub(super) url: &'a str,
    /// Where an image is whose elements are listed as well.
    pub(super) image: Option<&'a str>,
    pub(super) background: Option<Number>,
    pub(super) memory: Option<u64>,
    pub(super) resume: bool,
    /// The file of the table; it is printed without.
    pub(super) output: Option<&'a Path>,
}

impl Listing<'_> {
    /// All that the outcome depends on.
    fn what(&self) -> String {
        format!("{} {:?} {:?}", self.command, absolute(self.url), self.background)
    }

    fn once(&self) -> Once<'_> {
        let output = self.output.map(|path| format!("{:?}", absolute(&path.to_string_lossy())));
        let sources: Vec<&str> = [self.url].into_iter().chain(self.image).collect();
        Once::new(&format!("{} {:?} {output:?}", self.what(), self.image), &sources, self.resume)
            .making(self.output)
    }

    /// Whether an earlier run has written the table; otherwise there is to be no other file in its place.
    pub(super) fn is_done(&self, session: &Session) -> Result<bool> {
        let is_done = self.once().is_done(session)?;
        if !is_done {
            self.output.map_or(Ok(()), expect_new_table)?;
        }
        Ok(is_done)
    }

    /// What the job finds, and its journal, if there is one.
    pub(super) fn found<R>(
        &self,
        labels: &Array,
        session: &Session,
        job: fn(&Array, &LabelOptions<'_>) -> Result<R>,
    ) -> anyhow::Result<(R, Option<Journal>)> {
        let journal = || {
            let job = format!("{} {}", self.command, absolute(self.url).display());
            session.journal(&self.what(), &job)
        };
        let journal = self.resume.then(journal).transpose()?;
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
            Some(path) => {
                write_columns(path, columns)?;
                self.once().note(&format!("wrote {}", path.display()), session)?;
            }
            None => write_text(&mut results(), columns)?,
        }
        Ok(journal.map_or(Ok(()), |journal| end(journal, session))?)
    }
}
