//! What `components`, `remap` and `renumber` have in common: labels that go to a new array.

use std::path::Path;

use bigarrays::jobs::{Journal, LabelOptions};
use bigarrays::store::absolute;
use bigarrays::{Array, DataType, Result};
use clap::Args;

use crate::args::heading::RUN;
use crate::args::{LayerArgs, NewArgs, values};
use crate::commands::new::{labels_source, rehearsed, taken_up};
use crate::interrupt;
use crate::once::Once;
use crate::output::{Meter, expect_new_table};
use crate::session::{Session, end};

/// How the new array is made, and what that may use.
#[derive(Debug, Args)]
pub(crate) struct LabellingArgs {
    #[command(flatten)]
    new: NewArgs,

    #[command(flatten)]
    layer: LayerArgs,

    /// Note finished blocks, and go on where an earlier run of this command ended, or say that it has done all
    #[arg(long, help_heading = RUN)]
    resume: bool,

    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, help_heading = RUN, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,
}

/// A command that writes labels to a new array.
pub(super) struct Labelling<'a> {
    /// The name of the command.
    pub(super) command: &'static str,
    pub(super) source: &'a str,
    pub(super) target: &'a str,
    /// The type of the new labels, if it is not that of the source.
    pub(super) dtype: Option<DataType>,
    pub(super) args: &'a LabellingArgs,
    /// All else that the outcome depends on.
    pub(super) how: String,
    /// What is being done, for who waits.
    pub(super) doing: &'static str,
}

/// What a command has found, and the array that it has made.
pub(super) struct Labelled<'a, R> {
    pub(super) found: R,
    pub(super) target: Array,
    journal: Option<Journal>,
    once: Once<'a>,
}

impl<R> Labelled<'_, R> {
    /// Ends the job, of which there is this to be said.
    pub(super) fn end(self, said: &str, session: &Session) -> Result<()> {
        self.once.note(said, session)?;
        self.journal.map_or(Ok(()), |journal| end(journal, session))?;
        session.terminal.note(said);
        Ok(())
    }
}

impl Labelling<'_> {
    /// Does the job, unless an earlier run has done it: first without an array, so that what does not fit into the budget is refused
    /// before anything is made.
    pub(super) fn run<R>(
        &self,
        table: Option<&Path>,
        session: &Session,
        job: impl Fn(&Array, &Array, &LabelOptions<'_>) -> Result<R>,
    ) -> anyhow::Result<Option<Labelled<'_, R>>> {
        let once = self.once(table);
        if once.is_done(session)? {
            return Ok(None);
        }
        table.map_or(Ok(()), expect_new_table)?;
        let (found, target, journal) =
            self.done(session, job).map_err(|error| once.explained(error, session))?;
        Ok(Some(Labelled { found, target, journal, once }))
    }

    fn done<R>(
        &self,
        session: &Session,
        job: impl Fn(&Array, &Array, &LabelOptions<'_>) -> Result<R>,
    ) -> anyhow::Result<(R, Array, Option<Journal>)> {
        let LabellingArgs { new, layer, resume, memory } = self.args;
        let made = labels_source(self.source, self.target, self.dtype, (new, layer), session)?;
        let source = &made.mapped.view;
        let options = LabelOptions { memory: memory.unwrap_or(0), ..LabelOptions::default() };
        let planned = LabelOptions { dry_run: true, ..options };
        let rehearsed = rehearsed(self.target, &made.spec, made.format)?;
        job(source, &made.mapped.place_in(&rehearsed)?, &planned)?;
        interrupt::watch()?;
        let journal = if *resume { Some(self.journal(session)?) } else { None };
        let open = session.open().format(made.format);
        let target = taken_up(self.target, &made.spec, &open, journal.as_ref())?;
        let meter = Meter::new(format!("{} {}", self.doing, self.source), 0, session.terminal);
        let tell = |progress| meter.tell(progress);
        let options = LabelOptions { journal: journal.as_ref(), progress: Some(&tell), ..options };
        let found = job(source, &made.mapped.place_in(&target)?, &options);
        meter.clear();
        Ok((found?, target, journal))
    }

    /// All that the outcome depends on.
    fn what(&self) -> String {
        let Self { command, dtype, how, .. } = self;
        let LabellingArgs { new, layer, .. } = self.args;
        let (source, target) = (absolute(self.source), absolute(self.target));
        format!("{command} {source:?} {target:?} {how} {dtype:?} {new:?} {layer:?}")
    }

    fn once(&self, table: Option<&Path>) -> Once<'_> {
        Once::new(&self.what(), &[self.source], self.args.resume).making(Some(self.target)).making(table)
    }

    fn journal(&self, session: &Session) -> Result<Journal> {
        let (source, target) = (absolute(self.source), absolute(self.target));
        session.journal(&self.what(), &format!("{} {} {}", self.command, source.display(), target.display()))
    }
}
