//! Expressions that go to new arrays.

use std::io::Write;
use std::path::PathBuf;

use bigarrays::compute::{self, ComputeOptions, Journal, Lazy, Plan, Target};
use bigarrays::format::{self, CreateSpec, FormatOptions};
use bigarrays::store::absolute;
use bigarrays::{Array, Result};
use clap::Args;

use crate::args::heading::{NEW, RUN};
use crate::args::{LayerArgs, values};
use crate::commands::new::{new_layer, rehearsed, taken_up};
use crate::interrupt;
use crate::once::Once;
use crate::output::{Meter, results as printed};
use crate::session::{Session, end};

/// An expression that goes to an array, where that is, and what it is made of.
pub(crate) struct Saved<'a> {
    pub(crate) lazy: &'a Lazy,
    pub(crate) output: &'a str,
    pub(crate) spec: CreateSpec,
    /// The name of its format.
    pub(crate) format: &'a str,
}

impl Saved<'_> {
    /// The array that an earlier run has begun, or a new one.
    ///
    /// # Errors
    /// `AlreadyExists` if there is an array of others; those of making it.
    pub(crate) fn target(&self, journal: Option<&Journal>, session: &Session) -> Result<Array> {
        taken_up(self.output, &self.spec, &session.open().format(self.format), journal)
    }
}

/// Does `work` while it says how far it is.
pub(crate) fn with_progress(
    what: String,
    plan: &Plan,
    options: &ComputeOptions<'_>,
    session: &Session,
    work: impl FnOnce(&ComputeOptions<'_>) -> Result<()>,
) -> anyhow::Result<()> {
    interrupt::watch()?;
    let meter = Meter::new(what, plan.bytes(), session.terminal);
    let tell = |progress| meter.tell(progress);
    let done = work(&ComputeOptions { progress: Some(&tell), ..*options });
    meter.clear();
    Ok(done?)
}

/// How one expression becomes a new array.
#[derive(Debug, Args)]
pub(crate) struct SaveArgs {
    /// Memory budget in bytes, such as 512M or 4G [default: a quarter of the memory that the process may use]
    #[arg(long, help_heading = RUN, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,

    /// A folder for results that the work goes on with and that do not fit into the budget: files there meanwhile
    #[arg(long, help_heading = RUN, value_name = "DIR")]
    scratch: Option<PathBuf>,

    /// Note finished blocks below $XDG_STATE_HOME (or ~/.local/state), and go on where an earlier run of the same command
    /// ended, after a kill too
    #[arg(long, help_heading = RUN)]
    resume: bool,

    /// Print the plan: passes, blocks, what is read, and what memory is for. Nothing is computed
    #[arg(long, help_heading = RUN, visible_alias = "dry-run")]
    explain: bool,

    /// The format of the new array [default: that of the source, if it is one of chunks; or Zarr 3]
    #[arg(long, help_heading = NEW, value_name = "NAME")]
    format: Option<String>,

    #[command(flatten)]
    layer: LayerArgs,
}

impl SaveArgs {
    /// Saves an expression of `source` as an array like it, but for its type and its domain.
    pub(crate) fn save(
        &self,
        source: &Array,
        lazy: &Lazy,
        output: &str,
        command: &str,
        session: &Session,
    ) -> anyhow::Result<()> {
        let once = self.once(source, output, command);
        if !self.explain && once.is_done(session)? {
            return Ok(());
        }
        self.saved(source, lazy, output, (command, &once), session)
            .map_err(|error| once.explained(error, session))
    }

    fn saved(
        &self,
        source: &Array,
        lazy: &Lazy,
        output: &str,
        (command, once): (&str, &Once<'_>),
        session: &Session,
    ) -> anyhow::Result<()> {
        let output = new_layer(output)?;
        lazy.expect_apart(output, &session.open())?;
        let format = self.format(source, output, session)?;
        let saved = Saved { lazy, output, spec: self.spec(source, lazy, format, session)?, format };
        let rehearsed = rehearsed(output, &saved.spec, format)?;
        let journal = if self.resume && !self.explain { Some(self.journal(command, session)?) } else { None };
        let options = ComputeOptions {
            memory: self.memory.unwrap_or(0),
            scratch: self.scratch.as_deref(),
            journal: journal.as_ref(),
            ..ComputeOptions::default()
        };
        let plan = compute::plan(&[(lazy, Some(&rehearsed))], &options)?;
        if self.explain {
            return Ok(writeln!(printed(), "{plan}")?);
        }
        let target = saved.target(journal.as_ref(), session)?;
        with_progress(format!("writing {output}"), &plan, &options, session, |options| {
            compute::compute(vec![(lazy, Target::Array(&target))], options)
        })?;
        let said = format!("wrote {output}: {} over {}", target.dtype(), target.domain());
        once.note(&said, session)?;
        journal.map_or(Ok(()), |journal| end(journal, session))?;
        session.terminal.note(said);
        Ok(())
    }

    /// The format of the new array.
    fn format(&self, source: &Array, output: &str, session: &Session) -> Result<&'static str> {
        let options = FormatOptions { format: self.format.clone(), ..session.format() };
        Ok(format::format_of_result(output, source.format(), &[], &options)?.name())
    }

    /// What the new array is made of.
    fn spec(&self, source: &Array, lazy: &Lazy, format: &str, session: &Session) -> Result<CreateSpec> {
        let mut spec = session.open().scale(source.scale()).like(source.url())?;
        let is_same = spec.array.dtype == lazy.dtype();
        spec.array.dtype = lazy.dtype();
        spec.array.domain = lazy.domain().clone();
        spec.storage = spec.storage.lossless(source.layout());
        if !is_same {
            let storage = &mut spec.storage;
            (storage.encoding, storage.level, storage.codecs, storage.block_shape) = (None, None, None, None);
        }
        spec.storage.key = None;
        let (fitted, notes) = format::fit(format::creator(format)?, spec, source.format());
        notes.iter().for_each(|note| session.terminal.note(note));
        let mut spec = self.layer.over(fitted);
        spec.array.incomplete = true;
        Ok(spec)
    }

    /// All that the outcome depends on.
    fn what(&self, command: &str) -> String {
        format!("{command} {:?} {:?} {:?}", absolute("."), self.format, self.layer)
    }

    fn once<'a>(&self, source: &'a Array, output: &str, command: &str) -> Once<'a> {
        Once::new(&self.what(command), &[source.url()], self.resume).making(Some(output))
    }

    fn journal(&self, command: &str, session: &Session) -> Result<Journal> {
        session.journal(&self.what(command), command)
    }
}
